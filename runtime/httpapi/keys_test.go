package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// fakeKeys are the clients by key. The key "fast" has to wait.
type fakeKeys map[string]question.Client

func (k fakeKeys) Client(key string) (*question.Client, time.Duration) {
	client, ok := k[key]
	switch {
	case !ok:
		return nil, 0
	case key == "fast":
		return &client, 2100 * time.Millisecond
	default:
		return &client, 0
	}
}

func withKeys(c *httpapi.Config) {
	c.Keys = fakeKeys{
		"a": {Name: "alice"}, "b": {Name: "bob", Questions: []string{"best5"}}, "fast": {Name: "fast"}, "o": {Name: "ops", Admin: true},
	}
}

// withMount adds a route that says who asks, and one for the operator.
func withMount(c *httpapi.Config) {
	who := func(w http.ResponseWriter, r *http.Request) error {
		_, err := w.Write([]byte(question.OriginOf(r.Context()).Client.Name))
		return err
	}
	c.Mounts = append(c.Mounts,
		httpapi.Mount{ID: "who", Method: http.MethodGet, Path: "/who", MediaType: "text/plain", Serve: who},
		httpapi.Mount{ID: "metrics", Method: http.MethodGet, Path: "/metrics", MediaType: "text/plain", Admin: true, Serve: who})
}

func TestNamedKeys(t *testing.T) {
	s := serve(t, withKeys, withMount, func(c *httpapi.Config) { c.AdminKey = "admin" })
	for _, tt := range []struct {
		header, body string
		status       int
	}{
		{"X-Api-Key: a", "alice", 200},
		{"Authorization: Bearer a", "alice", 200},
		{"Authorization: Basic d2hvZXZlcjph", "alice", 200}, // whoever:a
		{"Authorization: Bearer admin", "", 200},
		{"Authorization: a", "", 403},
		{"Authorization: Bearer ", "", 403},
		{"X-Api-Key: A", "", 403},
		{"X-Api-Key: admin", "", 403},
		{"X-Api-Key: ", "", 403},
		{"X-Api-Key: fast", "", 429},
		{"Accept: */*", "", 403},
	} {
		w := s.do("GET", "/who", "", tt.header)
		if w.Code != tt.status || tt.status == 200 && w.Body.String() != tt.body {
			t.Errorf("%s: %d %s", tt.header, w.Code, w.Body)
		}
	}
	if e := wantError(t, s.do("GET", "/who", "", "X-Api-Key: x"), 403, question.CodeForbidden); !strings.Contains(e.Reason, "this is not a key of this service") {
		t.Error(e.Reason)
	}
	w := s.do("GET", "/who", "", "X-Api-Key: fast")
	if e := wantError(t, w, 429, question.CodeRateLimited); w.Header().Get("Retry-After") != "3" || !strings.Contains(e.Reason, `the key "fast"`) || !strings.Contains(e.Reason, "3 s") {
		t.Error(w.Header(), e.Reason)
	}
	if w := s.do("GET", "/", "", "Accept: text/html"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Error(w.Code, w.Header())
	}
	for _, probe := range []string{"/healthz", "/readyz"} {
		if w := s.do("GET", probe, ""); w.Code != 200 {
			t.Error(probe, w.Code)
		}
	}
}

// A question that a key is not for is refused, whether it is asked by GET or POST, and
// whether the answer is kept or not.
func TestForbiddenQuestions(t *testing.T) {
	s := serve(t, withKeys, func(c *httpapi.Config) { c.MaxKept = 1 << 20 })
	if w := s.do("GET", "/api/states_mean?question=obesity", "", "X-Api-Key: a"); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Cache-Control"), "private") {
		t.Fatal(w.Code, w.Body, w.Header())
	}
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "/api/states_mean?question=obesity", ""},
		{"HEAD", "/api/states_mean?question=obesity", ""},
		{"GET", "/api/states_mean.csv?question=obesity", ""},
		{"POST", "/api/states_mean", ask},
	} {
		w := s.do(tt.method, tt.path, tt.body, "X-Api-Key: b")
		if tt.method == "HEAD" {
			if w.Code != 403 {
				t.Error(w.Code)
			}
			continue
		}
		if e := wantError(t, w, 403, question.CodeForbidden); e.Param != "question" || len(e.Hint) != 1 || e.Hint[0] != "best5" {
			t.Errorf("%+v", e)
		}
	}
	wantError(t, s.do("GET", "/api/nothing", "", "X-Api-Key: b"), 404, question.CodeUnknownRoute)
}

// What is for the operator takes an admin key, of either kind.
func TestAdminRoutes(t *testing.T) {
	admin := func(c *httpapi.Config) { c.AdminKey = "admin" }
	one := func(c *httpapi.Config) { c.ClientKey = "k" }
	local := func(c *httpapi.Config) { c.LocalShutdown = true }
	type change = func(*httpapi.Config)
	for _, tt := range []struct {
		name     string
		with     []change
		header   string
		metrics  int
		shutdown int
	}{
		{"open", nil, "", 403, 403},
		{"local", []change{local}, "", 403, 200},
		{"admin", []change{admin}, "", 403, 403},
		{"admin's", []change{admin}, "Authorization: Bearer admin", 200, 200},
		{"one key", []change{one}, "X-Api-Key: k", 403, 403},
		{"one key as admin's", []change{one, admin}, "Authorization: Bearer k", 403, 403},
		{"one key and admin's", []change{one, admin}, "Authorization: Bearer admin", 200, 200},
		{"alice", []change{withKeys}, "X-Api-Key: a", 403, 403},
		{"alice as bearer", []change{withKeys}, "Authorization: Bearer a", 403, 403},
		{"alice here", []change{withKeys, local}, "X-Api-Key: a", 403, 200},
		{"ops", []change{withKeys}, "X-Api-Key: o", 200, 200},
		{"ops as a password", []change{withKeys}, "Authorization: Basic eDpv", 200, 403}, // x:o
		{"ops as bearer", []change{withKeys, admin}, "Authorization: Bearer o", 200, 200},
		{"admin's beside keys", []change{withKeys, admin}, "Authorization: Bearer admin", 200, 200},
	} {
		s := serve(t, append(tt.with, withMount)...)
		do := func(path string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", path, nil)
			r.RemoteAddr, r.Host = "127.0.0.1:1234", "localhost"
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		if w := do("/metrics"); w.Code != tt.metrics {
			t.Errorf("%s: /metrics: %d %s", tt.name, w.Code, w.Body)
		}
		if w := do("/api/graceful_shutdown"); w.Code != tt.shutdown {
			t.Errorf("%s: shutdown: %d %s", tt.name, w.Code, w.Body)
		}
	}
	// No page of another site can send a POST, so that a password is enough for it.
	const password = "Authorization: Basic eDpv"
	s := serve(t, withKeys)
	wantError(t, s.do("POST", "/api/graceful_shutdown", "", password, "Sec-Fetch-Site: cross-site"), 403, question.CodeForbidden)
	if w := s.do("POST", "/api/graceful_shutdown", "", password); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
	if _, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats, ClientKey: "k", Keys: fakeKeys{}}); err == nil {
		t.Error("it takes both kinds of keys")
	}
}
