package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestWhoMayShutDown(t *testing.T) {
	const local = "127.0.0.1:5555"
	for _, tt := range []struct {
		name, key, remote, host string
		headers                 []string
		may                     bool
	}{
		{"this machine", "", local, "localhost:8080", nil, true},
		{"this machine, IPv6", "", "[::1]:5555", "[::1]:8080", nil, true},
		{"this machine, IPv6 without a port", "", "[::1]:5555", "[::1]", nil, true},
		{"IPv4 in IPv6", "", "[::ffff:127.0.0.1]:5555", "127.9.9.9", nil, true},
		{"typed into a browser", "", local, "LOCALHOST", []string{"Sec-Fetch-Site: none"}, true},
		{"our own page", "", local, "localhost:8080", []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:8080", "Referer: http://localhost:8080/"}, true},
		{"a key is set, but not needed here", "k", local, "localhost", nil, true},
		{"the key", "k", "203.0.113.9:5555", "stats.example", []string{"Authorization: Bearer k"}, true},
		{"the key, forwarded", "k", local, "stats.example", []string{"Authorization: Bearer k", "X-Forwarded-For: 203.0.113.9"}, true},

		{"elsewhere", "", "203.0.113.9:5555", "localhost", nil, false},
		{"no address", "", "@", "localhost", nil, false},
		{"a name that points here", "", local, "rebind.example:8080", nil, false},
		{"a name that looks local", "", local, "localhost.evil.example", nil, false},
		{"any address", "", local, "0.0.0.0", nil, false},
		{"no host", "", local, "", nil, false},
		{"forwarded", "", local, "localhost", []string{"Forwarded: for=203.0.113.9"}, false},
		{"forwarded, de facto", "", local, "localhost", []string{"X-Forwarded-For: 203.0.113.9"}, false},
		{"forwarded by another name", "", local, "localhost", []string{"x-forwarded-something: 1"}, false},
		{"through a proxy", "", local, "localhost", []string{"Via: 1.1 x"}, false},
		{"another site's page", "", local, "localhost", []string{"Sec-Fetch-Site: cross-site"}, false},
		{"a page of another port", "", local, "localhost:8080", []string{"Sec-Fetch-Site: same-site"}, false},
		{"another site's page, old browser", "", local, "localhost:8080", []string{"Referer: https://evil.example/"}, false},
		{"a page without an origin", "", local, "localhost:8080", []string{"Origin: null"}, false},
		{"a wrong key", "k", local, "localhost", []string{"Authorization: Bearer kk"}, false},
		{"the key without its scheme", "k", local, "localhost", []string{"Authorization: k"}, false},
		{"an empty key", "", "203.0.113.9:5555", "stats.example", []string{"Authorization: Bearer "}, false},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method+" "+tt.name, func(t *testing.T) {
				s := serve(t, func(c *httpapi.Config) { c.AdminKey = tt.key })
				r := httptest.NewRequest(method, "/api/graceful_shutdown", nil)
				r.RemoteAddr, r.Host = tt.remote, tt.host
				for _, h := range tt.headers {
					name, value, _ := strings.Cut(h, ": ")
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if s.jobs.draining != tt.may {
					t.Errorf("draining: %t", s.jobs.draining)
				}
				if !tt.may {
					wantError(t, w, http.StatusForbidden, question.CodeForbidden)
					return
				}
				wantBody(t, w, http.StatusOK, `{"status":"running"}`+"\n")
			})
		}
	}
}

func TestShutdown(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.AdminKey = "k" })
	ask := func() *httptest.ResponseRecorder {
		return s.do("GET", "/api/graceful_shutdown", "", "Authorization: Bearer k")
	}
	wantBody(t, ask(), http.StatusOK, `{"status":"running"}`+"\n")
	wantError(t, s.do("POST", "/api/states_mean", `{"question":"x"}`), 503, question.CodeShuttingDown)
	wantError(t, s.do("GET", "/readyz", ""), 503, question.CodeShuttingDown)
	wantBody(t, s.do("GET", "/healthz", ""), http.StatusOK, `{"status":"ok","version":"1.2.3"}`+"\n")
	s.jobs.drained = true
	wantBody(t, ask(), http.StatusOK, `{"status":"done"}`+"\n")
}

func TestNoShutdown(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.AdminKey, c.NoShutdown = "k", "this is a cloud function" })
	for _, method := range []string{"GET", "POST"} {
		w := s.do(method, "/api/graceful_shutdown", "", "Authorization: Bearer k")
		wantError(t, w, http.StatusConflict, question.CodeNotHere)
		if !strings.Contains(w.Body.String(), "this is a cloud function") {
			t.Error(w.Body)
		}
	}
	if s.jobs.draining {
		t.Error("it drains all the same")
	}
}

func TestClientKey(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.ClientKey = "k" })
	for _, tt := range []struct {
		method, path, key string
		status            int
	}{
		{"GET", "/healthz", "", http.StatusOK},
		{"GET", "/readyz", "wrong", http.StatusOK},
		{"GET", "/api/questions", "k", http.StatusOK},
		{"GET", "/api/questions", "", http.StatusForbidden},
		{"GET", "/api/questions", "K", http.StatusForbidden},
		{"GET", "/api/questions", "kk", http.StatusForbidden},
		{"GET", "/", "", http.StatusForbidden},
		{"GET", "/healthz/", "", http.StatusForbidden},
		{"GET", "/nowhere", "", http.StatusForbidden},
		{"POST", "/api/graceful_shutdown", "", http.StatusForbidden},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		if tt.key != "" {
			r.Header.Set("X-Api-Key", tt.key)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.status || w.Code == http.StatusForbidden && !strings.Contains(w.Body.String(), `"code":"forbidden"`) {
			t.Errorf("%s %s with key %q: %d %s; want %d", tt.method, tt.path, tt.key, w.Code, w.Body, tt.status)
		}
	}
	if s.jobs.draining {
		t.Error("who had no key shut it down")
	}
}

func TestClientKeyIsDescribed(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.ClientKey = "k" })
	r := httptest.NewRequest("GET", "/openapi.json", nil)
	r.Header.Set("X-Api-Key", "k")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var doc struct {
		Paths map[string]map[string]struct {
			Security  *[]map[string][]string
			Responses map[string]any
		}
		Components struct {
			SecuritySchemes map[string]struct{ Name string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Components.SecuritySchemes["client_key"].Name != "X-Api-Key" {
		t.Errorf("schemes: %v", doc.Components.SecuritySchemes)
	}
	for path, want := range map[string]int{"/healthz": 0, "/api/questions": 1, "/api/graceful_shutdown": 2} {
		got := doc.Paths[path]["get"]
		if got.Security == nil || len(*got.Security) != want || (got.Responses["403"] != nil) != (want > 0) {
			t.Errorf("%s: security %v, 403: %v", path, got.Security, got.Responses["403"])
		}
	}
}
