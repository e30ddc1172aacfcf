package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// checkAny checks what holds for every response.
func checkAny(t interface {
	Errorf(format string, args ...any)
}, codes []question.Code, w *httptest.ResponseRecorder, head bool) {
	if w.Code < 200 || w.Code > 503 {
		t.Errorf("status %d", w.Code)
	}
	if w.Code < 400 || head {
		return
	}
	var e errorShape
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Status != "error" || e.Reason == "" || e.Hint == nil {
		t.Errorf("%d %q has not the shape of an error (%v)", w.Code, w.Body, err)
	}
	if !slices.Contains(codes, e.Code) {
		t.Errorf("%q is no code", e.Code)
	}
}

// Every request gets a status, and every error has the error format.
func TestAnyRequest(t *testing.T) {
	var codes []question.Code
	for _, info := range question.Codes {
		codes = append(codes, info.Code)
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := serve(t)
		s.jobs.answer = &done
		s.submit(t)
		some := func(name string, of ...string) string {
			return rapid.OneOf(rapid.SampledFrom(of), rapid.SampledFrom(of), rapid.String()).Draw(rt, name)
		}
		method := rapid.SampledFrom([]string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"}).Draw(rt, "method")
		path := some("path", "/", "/api/states_mean", "/api/state_mean", "/api/nothing", "/api/get_results/"+id1, "/api/get_results/x", "/api/jobs", "/api/num_jobs",
			"/api/jobs/"+id1, "/api/jobs/"+id1+"/retry", "/api/graceful_shutdown", "/api/questions", "/api/plugins", "/healthz", "/readyz", "*", "", "//", "/api/../..", "/api/%2f")
		r := httptest.NewRequest("GET", "/", strings.NewReader(some("body", ask, "{}", "", "[", `{"where":{}}`)))
		r.Method = method
		r.URL = &url.URL{Path: path, RawQuery: some("query", "", "wait=0", "wait=1", "layout=rows", "format=csv", "limit=1", "detail=1", "before="+id1, "x=1", "%")}
		for _, h := range []struct {
			name string
			of   []string
		}{
			{"Accept", []string{"*/*", "text/html", "text/csv", "image/png", "application/json;layout=rows"}},
			{"Prefer", []string{"wait=1", "wait=0", "respond-async"}}, {"Idempotency-Key", []string{"a", `"a"`, `"a`, ""}},
			{"Content-Type", []string{"application/json", "text/plain", ""}},
			{"If-None-Match", []string{"*", `"x"`}},
			{"Sec-Fetch-Site", []string{"none", "cross-site"}},
			{"Origin", []string{"null", "http://example.com"}},
			{"Authorization", []string{"Bearer k"}},
			{"X-Request-Id", []string{"x"}},
		} {
			if rapid.Bool().Draw(rt, "with "+h.name) {
				r.Header.Set(h.name, some(h.name, h.of...))
			}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		checkAny(rt, codes, w, method == "HEAD")
	})
}

func FuzzBody(f *testing.F) {
	for _, body := range []string{ask, "", "{", `{"question":"a","question":"b"}`, `{"where":[]}`, "\xff", strings.Repeat("[", 10000)} {
		f.Add(body, "application/json")
	}
	s := serve(f)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		w := s.do("POST", "/api/states_mean", body, "Content-Type: "+contentType)
		s.jobs.jobs = nil
		if w.Code == 202 {
			return
		}
		var e errorShape
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code >= 500 || e.Status != "error" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Whatever arrives as a request gets a response whose parts agree, and no redirect.
func FuzzRequest(f *testing.F) {
	for _, request := range []string{
		"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /api/states_mean?wait=1&format=csv&note=none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n\r\n" + ask,
		"POST //api/../api/states_mean/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + ask + "\r\n0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: " + page + "\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		"OPTIONS /api/%2e%2e/x HTTP/1.1\r\nHost: localhost\r\nOrigin: " + page + "\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		"HEAD /api/get_results/" + id1 + " HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\nAccept: application/problem+json, text/csv\r\n\r\n",
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"DELETE http://localhost/api/jobs/" + id1 + " HTTP/1.0\r\nPrefer: wait=1\r\n\r\n",
		"GET /?%zz HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: cross-site\r\nX-Request-Id: 1\r\nX-Forwarded-Prefix: /p\r\n\r\n",
	} {
		f.Add([]byte(request))
	}
	var codes []question.Code
	for _, info := range question.Codes {
		codes = append(codes, info.Code)
	}
	s := serve(f, withOrigins(page), func(c *httpapi.Config) { c.MaxWait = time.Second })
	f.Fuzz(func(t *testing.T, request []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:1234"
		s.jobs.jobs, s.jobs.ended, s.jobs.answer = nil, map[string]chan struct{}{}, &done
		s.log.Reset()
		s.submit(t)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		h := w.Header()
		if strings.HasPrefix(h.Get("Content-Type"), "application/problem+json") {
			if !bytes.Contains(w.Body.Bytes(), []byte(`"code":"`)) && r.Method != http.MethodHead {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		} else {
			checkAny(t, codes, w, r.Method == http.MethodHead)
		}
		if w.Code >= 300 && w.Code < 400 && w.Code != http.StatusNotModified {
			t.Errorf("%d to %s", w.Code, h.Get("Location"))
		}
		if (w.Code == http.StatusMethodNotAllowed || r.Method == http.MethodOptions && w.Code == http.StatusNoContent) != (h.Get("Allow") != "") {
			t.Errorf("%d, Allow: %q", w.Code, h.Get("Allow"))
		}
		if n := h.Get("Content-Length"); r.Method != http.MethodHead && w.Body.Len() > 0 && n != strconv.Itoa(w.Body.Len()) {
			t.Errorf("Content-Length %s of %d bytes", n, w.Body.Len())
		}
		if origin := h.Get("Access-Control-Allow-Origin"); origin != "" && (origin != page || r.Header.Get("Origin") != page || r.URL.Path == "/api/graceful_shutdown") {
			t.Errorf("%s may read %s", origin, r.URL)
		}
	})
}
