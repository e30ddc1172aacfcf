package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/question/questiontest"
)

// checkAny holds what is true of every answer.
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

// Any request gets a status and, when that is an error, the shape of an error.
func TestAnyRequest(t *testing.T) {
	codes := questiontest.Codes(t)
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
			{"Prefer", []string{"wait=1", "wait=0", "respond-async"}},
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
