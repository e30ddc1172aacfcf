package httpapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// send sends bytes to a server, and returns the connection. The caller closes it, before
// the server, which waits for it.
func send(t *testing.T, server *httptest.Server, request string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// raw sends bytes that net/http's client would not, and returns the response's status, and
// whether 100 Continue came first.
func raw(t *testing.T, server *httptest.Server, request string) (status int, invited bool, body string) {
	t.Helper()
	conn := send(t, server, request)
	defer conn.Close()
	in := bufio.NewReader(conn)
	line, err := in.Peek(len("HTTP/1.1 100"))
	if err != nil {
		t.Fatalf("%q: %q, %v", request, line, err)
	}
	if invited = string(line) == "HTTP/1.1 100"; invited {
		return http.StatusContinue, true, ""
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, false, string(b)
}

// Whoever asks before it sends a body learns what is wrong with the request first.
func TestExpectContinue(t *testing.T) {
	const small, large = "Content-Length: 22\r\n", "Content-Length: 104857600\r\n"
	for _, tt := range []struct {
		name, line, headers string
		status              int
		code                question.Code
	}{
		{"fine", "POST /api/states_mean", small, 100, ""},
		{"chunked", "POST /api/states_mean", "Transfer-Encoding: chunked\r\n", 100, ""},
		{"large", "POST /api/states_mean", large, 413, "body_too_large"},
		{"one byte too large", "POST /api/states_mean", "Content-Length: 65537\r\n", 413, "body_too_large"},
		{"as large as may be", "POST /api/states_mean", "Content-Length: 65536\r\n", 100, ""},
		{"a form", "POST /api/states_mean", small + "Content-Type: application/x-www-form-urlencoded\r\n", 415, "unsupported_media_type"},
		{"a large form", "POST /api/states_mean", large + "Content-Type: application/x-www-form-urlencoded\r\n", 413, "body_too_large"},
		{"packed", "POST /api/states_mean", small + "Content-Encoding: gzip\r\n", 415, "unsupported_media_type"},
		{"a query that is wrong", "POST /api/states_mean?wiat=1", small, 400, "bad_request"},
		{"a form that is not available", "POST /api/states_mean?wait=1", small + "Accept: image/png\r\n", 406, "not_acceptable"},
		{"no key", "POST /api/states_mean", small + "X-Api-Key: wrong\r\n", 403, "forbidden"},
		{"another host", "POST /api/states_mean", small + "Host: evil.example\r\n", 403, "forbidden"},
		{"a page of another site", "POST /api/states_mean", small + "Sec-Fetch-Site: cross-site\r\n", 403, "forbidden"},
		{"nothing", "POST /nowhere", large, 404, "unknown_route"},
		{"no question", "POST /api/states_men", large, 404, "unknown_question"},
		{"two slashes", "POST //api/states_mean", large, 404, "unknown_route"},
		{"another method", "PUT /api/states_mean", large, 405, "method_not_allowed"},
		{"a route without a body", "GET /api/jobs", large, 413, "body_too_large"},
		{"a probe", "GET /healthz", large, 413, "body_too_large"},
		{"retry", "POST /api/jobs/" + id1 + "/retry", large, 413, "body_too_large"},
		{"cancel", "DELETE /api/jobs/" + id1, large, 413, "body_too_large"},
		{"shutdown", "POST /api/graceful_shutdown", large, 413, "body_too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(serve(t, func(c *httpapi.Config) { c.ClientKey, c.CheckHost, c.Hosts = "k", true, []string{"stats.example"} }))
			defer server.Close()
			headers := tt.headers
			for name, usual := range map[string]string{"Host": "stats.example", "X-Api-Key": "k"} {
				if !strings.Contains(headers, name+":") {
					headers += name + ": " + usual + "\r\n"
				}
			}
			status, _, body := raw(t, server, tt.line+" HTTP/1.1\r\nExpect: 100-continue\r\n"+headers+"\r\n")
			var e errorShape
			if tt.code != "" {
				if err := json.Unmarshal([]byte(body), &e); err != nil {
					t.Error(err)
				}
			}
			if status != tt.status || e.Code != tt.code {
				t.Errorf("%d %s, want %d %s", status, body, tt.status, tt.code)
			}
		})
	}
}

// A body without an announced length is bounded, too, and one that nobody reads does no
// harm.
func TestChunked(t *testing.T) {
	server := httptest.NewServer(serve(t))
	defer server.Close()
	chunks := func(size, n int) string {
		return strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat(" ", size)), n) + "0\r\n\r\n"
	}
	for _, tt := range []struct {
		line, body string
		status     int
	}{
		{"POST /api/states_mean", "16\r\n" + ask + "\r\n0\r\n\r\n", 202},
		{"POST /api/states_mean", "1\r\n{\r\n15\r\n" + ask[1:] + "\r\n0\r\n\r\n", 202},
		{"POST /api/states_mean", chunks(1<<15, 3), 413},
		{"POST /api/states_mean", chunks(1<<16+1, 1), 413},
		{"POST /api/states_mean", "ffffffffffffffff0\r\n", 400},
		{"POST /api/states_mean", "-1\r\n", 400},
		{"POST /api/states_mean", "x\r\n", 400},
		{"GET /api/jobs", chunks(1<<14, 3), 200},
		{"GET /api/jobs", chunks(1<<20, 3), 200},
	} {
		if status, _, body := raw(t, server, tt.line+" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"+tt.body); status != tt.status {
			t.Errorf("%s, %.30q: %d %s, want %d", tt.line, tt.body, status, body, tt.status)
		}
	}
}

func TestOptions(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.ClientKey = "k" })
	for target, want := range map[string]string{
		"/": "GET, HEAD, OPTIONS", "/healthz": "GET, HEAD, OPTIONS", "/api/states_mean": "GET, HEAD, OPTIONS, POST", "/api/states_mean.csv": "GET, HEAD, OPTIONS", "/api/jobs": "GET, HEAD, OPTIONS", "/api/jobs/x": "DELETE, OPTIONS",
		"/api/graceful_shutdown": "GET, OPTIONS, POST", "*": "DELETE, GET, HEAD, OPTIONS, POST",
	} {
		w := s.do("OPTIONS", target, "", "X-Api-Key: k")
		if w.Code != http.StatusNoContent || w.Header().Get("Allow") != want || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
			t.Errorf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
		}
		if w := s.do("OPTIONS", target, ""); target != "/healthz" {
			wantError(t, w, http.StatusForbidden, question.CodeForbidden)
		}
	}
	for _, target := range []string{"/nowhere", "/api/states_men", "/api/jobs/", "//"} {
		wantError(t, s.do("OPTIONS", target, "", "X-Api-Key: k"), http.StatusNotFound, question.CodeUnknownRoute)
	}
}

// HEAD is GET without the body, for errors, too.
func TestHead(t *testing.T) {
	s := serve(t)
	id := s.finished(t, done)
	for _, target := range append(routeTargets(t), "GET /api/get_results/"+id+"?format=csv", "GET /nowhere", "GET //api/jobs", "GET /api/jobs?limit=x", "GET /api/states_mean") {
		method, target, _ := strings.Cut(target, " ")
		if method != http.MethodGet || target == "/api/graceful_shutdown" {
			continue
		}
		get, head := s.do("GET", target, "", "X-Request-Id: x"), s.do("HEAD", target, "", "X-Request-Id: x")
		if fmt.Sprint(get.Header()) != fmt.Sprint(head.Header()) && target != "/api/states_mean" || get.Code != head.Code || head.Body.Len() > 0 {
			t.Errorf("%s: %d %v; HEAD: %d %v", target, get.Code, get.Header(), head.Code, head.Header())
		}
	}
}

// A client that asks for RFC 9457 gets it, and others get the usual form.
func TestProblem(t *testing.T) {
	s := serve(t)
	for accept, want := range map[string]bool{
		"application/problem+json": true, "application/json, application/problem+json": true, "application/problem+json;q=0.5, text/html": true,
		"": false, "*/*": false, "application/*": false, "application/json": false, "application/problem+json;q=0": false,
		"application/json, application/problem+json;q=0.9": false, "application/problem+xml": false,
	} {
		w := s.do("GET", "/api/jobs?limit=0", "", "Accept: "+accept, "X-Request-Id: r.1")
		if !want {
			wantError(t, w, http.StatusBadRequest, question.CodeBadRequest)
			continue
		}
		wantBody(t, w, http.StatusBadRequest, `{"type":"/docs#code-bad_request","title":"a query parameter or header is wrong","status":400,`+
			`"detail":"\"limit\" is \"0\"; it takes a number from 1 to 1000","instance":"/api/jobs#r.1","code":"bad_request","param":"limit","hint":[]}`+"\n")
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Error(got)
		}
	}
	// Every route, and what comes before the routes.
	mounted := httpapi.Mount{ID: "mounted", Method: "GET", Path: "/mounted", Summary: "It fails.", MediaType: "text/plain", Serve: func(http.ResponseWriter, *http.Request) error {
		return question.Errorf(question.CodeNotReady, "not yet")
	}}
	s = serve(t, func(c *httpapi.Config) { c.Mounts = []httpapi.Mount{mounted} })
	s.finished(t, done)
	for _, tt := range []struct {
		target, body string
		status       int
		code         question.Code
	}{
		{"GET /nowhere", "", 404, question.CodeUnknownRoute},
		{"GET /api//jobs", "", 404, question.CodeUnknownRoute},
		{"PUT /api/jobs", "", 405, question.CodeMethodNotAllowed},
		{"POST /api/best", "{}", 404, question.CodeUnknownQuestion},
		{"POST /api/states_mean", "[", 400, question.CodeMalformedJSON},
		{"POST /api/states_mean", "{}", 400, question.CodeMissingParameter},
		{"GET /api/states_mean", "", 400, question.CodeMissingParameter},
		{"GET /api/states_mean.doc", "", 404, question.CodeUnknownRoute},
		{"GET /api/get_results/" + id2, "", 404, question.CodeUnknownJob},
		{"GET /api/jobs/" + id2 + "/events", "", 404, question.CodeUnknownJob},
		{"DELETE /api/jobs/" + id1, "", 409, question.CodeAlreadyFinal},
		{"POST /api/jobs/" + id1 + "/retry", "", 409, question.CodeNotRetryable},
		{"GET /api/graceful_shutdown", "", 403, question.CodeForbidden},
		{"GET /mounted", "", 503, question.CodeNotReady},
		{"GET /api/num_jobs?x=1", "", 400, question.CodeBadRequest},
	} {
		method, target, _ := strings.Cut(tt.target, " ")
		w := s.do(method, target, tt.body, "Accept: application/json, application/problem+json", "X-Request-Id: r.2")
		var got struct {
			Type, Title, Detail, Instance string
			Status                        int
			Code                          question.Code
			Hint                          []string
		}
		path, _, _ := strings.Cut(target, "?")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || w.Code != tt.status || got.Status != tt.status ||
			got.Code != tt.code || got.Type != "/docs#code-"+string(tt.code) || got.Title == "" || got.Detail == "" || got.Hint == nil || got.Instance != path+"#r.2" {
			t.Errorf("%s: %d %s (%v)", tt.target, w.Code, w.Body, err)
		}
	}
	based := serve(t, func(c *httpapi.Config) { c.BasePath = "/stats" })
	if w := based.do("GET", "/stats//api/jobs", "", "Accept: application/problem+json", "X-Forwarded-Prefix: /prod"); !strings.Contains(w.Body.String(), `{"type":"/prod/stats/docs#code-unknown_route"`) {
		t.Errorf("under a path: %s", w.Body)
	}
	s = serve(t)
	w := s.do("GET", "/api/get_results/"+s.finished(t, failed), "", "Accept: application/json, application/problem+json")
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"code":"no_data","param":"state","hint":["Ohio"],"job_id":"`+id1) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A request with both Content-Length and Transfer-Encoding, or one of HTTP/1.0 with the
// latter, ends the connection: what follows may be a part of its body for a proxy.
func TestSmuggling(t *testing.T) {
	const hidden = "GET /api/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, begin := range []string{
		"POST /api/states_mean HTTP/1.1\r\nHost: localhost\r\nContent-Length: 56\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /api/states_mean HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /nowhere HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		s := serve(t)
		server := httptest.NewServer(s)
		defer server.Close()
		conn := send(t, server, begin+hidden)
		defer conn.Close()
		all, err := io.ReadAll(conn)
		if got := string(all); err != nil || strings.Count(got, "X-Request-Id: ") != 1 || !strings.Contains(got, "\r\nConnection: close\r\n") || strings.Contains(got, "/api/hidden") {
			t.Errorf("%q: %s, %v", begin, got, err)
		}
	}
}

// A response comes when the body was read, up to the limit: a connection that is closed
// with unread bytes is reset, and a proxy then loses the response. A client that waits for
// 100 Continue gets the response at once.
func TestBodyIsDrained(t *testing.T) {
	for _, tt := range []struct {
		line, header string
		size, left   int
	}{
		{"POST /nowhere", "", 60000, 0},
		{"PUT /api/jobs", "", 60000, 0},
		{"POST /api/states_men", "", 60000, 0},
		{"POST /api/states_mean", "Content-Type: text/plain", 60000, 0},
		{"POST /api/states_mean", "X-Api-Key: wrong", 60000, 0},
		{"GET /api/jobs", "", 60000, 0},
		{"POST /api/states_mean", "", 1 << 20, 1<<20 - 64<<10 - 1},
		{"GET /api/jobs", "", 1 << 20, 1<<20 - 64<<10 - 1},
		{"POST /nowhere", "Expect: 100-continue", 60000, 60000},
		{"GET /api/jobs", "Expect: 100-continue", 1 << 20, 1 << 20},
	} {
		s := serve(t, func(c *httpapi.Config) { c.ClientKey = "k" })
		method, target, _ := strings.Cut(tt.line, " ")
		body := strings.NewReader(strings.Repeat(" ", tt.size))
		r := httptest.NewRequest(method, target, body)
		r.Header.Set("X-Api-Key", "k")
		if name, value, ok := strings.Cut(tt.header, ": "); ok {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if body.Len() != tt.left {
			t.Errorf("%s, %s: %d; %d bytes of %d are left, want %d", tt.line, tt.header, w.Code, body.Len(), tt.size, tt.left)
		}
	}
}
