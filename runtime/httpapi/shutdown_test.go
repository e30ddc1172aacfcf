package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

func TestWhoMayShutDown(t *testing.T) {
	const local = "127.0.0.1:5555"
	for _, tt := range []struct {
		name, key, remote, host string
		headers                 []string
		may                     bool // where LocalShutdown is set
	}{
		{"this machine", "", local, "localhost:8080", nil, true},
		{"this machine, IPv6", "", "[::1]:5555", "[::1]:8080", nil, true},
		{"this machine, IPv6 without a port", "", "[::1]:5555", "[::1]", nil, true},
		{"IPv4 in IPv6", "", "[::ffff:127.0.0.1]:5555", "127.9.9.9", nil, true},
		{"typed into a browser", "", local, "LOCALHOST", []string{"Sec-Fetch-Site: none"}, true},
		{"our own page", "", local, "localhost:8080", []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:8080", "Referer: http://localhost:8080/"}, true},
		{"the key", "k", "203.0.113.9:5555", "stats.example", []string{"Authorization: Bearer k"}, true},
		{"the key, forwarded", "k", local, "stats.example", []string{"Authorization: Bearer k", "X-Forwarded-For: 203.0.113.9"}, true},

		{"the key, on this machine", "k", local, "localhost", []string{"Authorization: Bearer k"}, true},
		{"this machine, under a name of its own", "", local, "stats.localhost:8080", nil, true},

		{"a key is set, and is not sent", "k", local, "localhost", nil, false},
		{"a key is set, and is not sent from elsewhere", "k", "203.0.113.9:5555", "stats.example", nil, false},
		{"a part of the key", "kkk", local, "localhost", []string{"Authorization: Bearer kk"}, false},
		{"elsewhere", "", "203.0.113.9:5555", "localhost", nil, false},
		{"no address", "", "@", "localhost", nil, false},
		{"a name that points here", "", local, "rebind.example:8080", nil, false},
		{"a name that looks local", "", local, "localhost.evil.example", nil, false},
		{"any address", "", local, "0.0.0.0", nil, false},
		{"no host", "", local, "", nil, false},
		{"forwarded", "", local, "localhost", []string{"Forwarded: for=203.0.113.9"}, false},
		{"forwarded, de facto", "", local, "localhost", []string{"X-Forwarded-For: 203.0.113.9"}, false},
		{"forwarded by another name", "", local, "localhost", []string{"x-forwarded-something: 1"}, false},
		{"forwarded, without a hyphen", "", local, "localhost", []string{"X-Forwarded: for=203.0.113.9"}, false},
		{"forwarded twice", "", local, "localhost", []string{"X-Original-Forwarded-For: 203.0.113.9"}, false},
		{"forwarded by Envoy", "", local, "localhost", []string{"X-Envoy-External-Address: 203.0.113.9"}, false},
		{"forwarded with the client's address", "", local, "localhost", []string{"Fly-Client-Ip: 203.0.113.9"}, false},
		{"forwarded with the path asked for", "", local, "localhost", []string{"X-Original-Url: /stop"}, false},
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
				for _, allowed := range []bool{true, false} {
					s := serve(t, func(c *httpapi.Config) { c.AdminKey, c.LocalShutdown = tt.key, allowed })
					r := httptest.NewRequest(method, "/api/graceful_shutdown", nil)
					r.RemoteAddr, r.Host = tt.remote, tt.host
					for _, h := range tt.headers {
						name, value, _ := strings.Cut(h, ": ")
						r.Header.Set(name, value)
					}
					w := httptest.NewRecorder()
					s.ServeHTTP(w, r)
					may := tt.may && (allowed || tt.key != "")
					if s.jobs.draining != may {
						t.Errorf("draining: %t", s.jobs.draining)
					}
					if may {
						wantBody(t, w, http.StatusOK, `{"status":"running"}`+"\n")
						continue
					}
					e := wantError(t, w, http.StatusForbidden, question.CodeForbidden)
					if method == "GET" && tt.key == "" && !allowed && (!strings.Contains(e.Reason, "--admin-key") || !strings.Contains(e.Reason, "--local-shutdown")) {
						t.Errorf("it does not say what to do: %+v", e)
					}
				}
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
		wantError(t, w, http.StatusForbidden, question.CodeForbidden)
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

// /openapi.json describes the keys that this server requires.
func TestKeysAreDescribed(t *testing.T) {
	type schemes = []map[string][]string
	client, admin, either := schemes{{"client_key": {}}}, schemes{{"admin_key": {}}}, schemes{{"admin_key": {}}, {"client_key": {}}}
	for _, tt := range []struct {
		name                         string
		config                       httpapi.Config
		probe, question, shutdown    schemes
		probe403, question403, local bool
	}{
		{"none", httpapi.Config{}, schemes{}, schemes{}, schemes{}, false, false, false},
		{"client", httpapi.Config{ClientKey: "k"}, schemes{}, client, client, false, true, false},
		{"admin", httpapi.Config{AdminKey: "a", LocalShutdown: true}, schemes{}, schemes{}, admin, false, false, false},
		{"both", httpapi.Config{ClientKey: "k", AdminKey: "a"}, schemes{}, client, admin, false, true, false},
		{"named", httpapi.Config{Keys: fakeKeys{"k": {}}}, schemes{}, client, client, false, true, false},
		{"named and admin", httpapi.Config{Keys: fakeKeys{"k": {}}, AdminKey: "a"}, schemes{}, client, either, false, true, false},
		{"hosts", httpapi.Config{CheckHost: true, LocalShutdown: true}, schemes{}, schemes{}, schemes{}, true, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c *httpapi.Config) {
				c.Keys, c.ClientKey, c.AdminKey, c.CheckHost, c.LocalShutdown = tt.config.Keys, tt.config.ClientKey, tt.config.AdminKey, tt.config.CheckHost, tt.config.LocalShutdown
			})
			w := s.do("GET", "/openapi.json", "", "X-Api-Key: k", "Host: localhost")
			var doc struct {
				Security schemes // of operations without their own
				Paths    map[string]map[string]struct {
					Security    *schemes
					Description string
					Responses   map[string]any
				}
				Components struct {
					SecuritySchemes map[string]struct{ Name, Scheme string }
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			kinds := doc.Components.SecuritySchemes
			if (kinds["client_key"].Name == "X-Api-Key") != (tt.config.ClientKey != "" || tt.config.Keys != nil) || (kinds["admin_key"].Scheme == "bearer") != (tt.config.AdminKey != "") {
				t.Errorf("schemes: %v", kinds)
			}
			for _, o := range []struct {
				path string
				want schemes
				may  bool // answer 403
			}{{"/healthz", tt.probe, tt.probe403}, {"/api/questions", tt.question, tt.question403}, {"/api/graceful_shutdown", tt.shutdown, true}} {
				got := doc.Paths[o.path]["get"]
				needs := doc.Security
				if got.Security != nil {
					needs = *got.Security
				}
				if !reflect.DeepEqual(needs, o.want) || (got.Responses["403"] != nil) != o.may {
					t.Errorf("%s: security %v, 403: %v", o.path, needs, got.Responses["403"])
				}
			}
			if text := doc.Paths["/api/graceful_shutdown"]["get"].Description; strings.Contains(text, "from the machine itself") != tt.local {
				t.Errorf("shutdown: %q", text)
			}
		})
	}
}

// A page whose name resolves to this machine is refused on all routes.
func TestHost(t *testing.T) {
	for _, tt := range []struct {
		host  string
		hosts []string
		may   bool
	}{
		{"localhost", nil, true},
		{"LocalHost:8080", nil, true},
		{"localhost.:8080", nil, true},
		{"stats.localhost:8080", nil, true},
		{"127.0.0.1:8080", nil, true},
		{"127.1.2.3", nil, true},
		{"[::1]:8080", nil, true},
		{"[::1]", nil, true},
		{"[::ffff:127.0.0.1]:1", nil, true},
		{"Stats.Example:443", []string{"other.example", "stats.example"}, true},
		{"stats.example.", []string{"STATS.example"}, true},
		{"[2001:db8::1]:80", []string{"2001:db8::1"}, true},
		{"localhost:8080", []string{"stats.example"}, true},

		{"evil.example:8080", nil, false},
		{"localhost.evil.example", nil, false},
		{"evillocalhost", nil, false},
		{"127.0.0.1.evil.example:8080", nil, false},
		{"0.0.0.0:8080", nil, false},
		{"192.0.2.1:8080", nil, false},
		{"[::]:8080", nil, false},
		{"2130706433", nil, false},
		{"", nil, false},
		{"evil.stats.example", []string{"stats.example"}, false},
		{"stats.example.evil.example", []string{"stats.example"}, false},
		{"x", []string{"stats.example"}, false},
	} {
		s := serve(t, func(c *httpapi.Config) { c.CheckHost, c.Hosts, c.LocalShutdown = true, tt.hosts, true })
		for _, route := range append(routeTargets(t), "GET /nowhere", "OPTIONS /api/jobs", "OPTIONS *") {
			method, target, _ := strings.Cut(route, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(ask))
			r.Host = tt.host
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "--allowed-host")
			if tt.may == refused && target != "/api/graceful_shutdown" {
				t.Errorf("Host %q, hosts %v: %s: %d %s", tt.host, tt.hosts, route, w.Code, w.Body)
			}
			if !tt.may {
				wantError(t, w, http.StatusForbidden, question.CodeForbidden)
			}
		}
		if !tt.may && (s.jobs.draining || len(s.jobs.jobs) > 0) {
			t.Errorf("Host %q: %d jobs, draining: %t", tt.host, len(s.jobs.jobs), s.jobs.draining)
		}
	}
	if w := serve(t).do("GET", "/api/questions", "", "Host: evil.example"); w.Code != http.StatusOK {
		t.Errorf("where no host is checked: %d %s", w.Code, w.Body)
	}
}

func TestBadHosts(t *testing.T) {
	for _, host := range []string{"", ".", "https://stats.example", "stats.example:443", "stats.example/x", "a b", "bücher.example", "*", "[::1]:80", "a,b"} {
		_, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats, Hosts: []string{"ok.example", host}})
		if err == nil || !strings.Contains(err.Error(), "--allowed-host") {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{"stats.example", "Stats.Example.", "192.0.2.1", "2001:db8::1", "[2001:db8::1]", "my_host", "localhost"} {
		if _, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats, Hosts: []string{host}}); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// routeTargets are all routes with an id and a question filled in.
func routeTargets(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, route := range httpapi.Routes() {
		out = append(out, strings.NewReplacer("{$}", "", "{id}", id1, "{question}", "states_mean").Replace(route))
	}
	return out
}
