package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// The base path is removed once, where a path begins with it, and no request that has none
// is served differently.
func TestBasePath(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.BasePath = "/stats" })
	for path, want := range map[string]int{
		"/stats": 200, "/stats/": 200, "/stats/healthz": 200, "/st%61ts/healthz": 200, "/stats/health%7A": 200, "/healthz": 200, "/": 200,
		"/st%61ts%2fhealthz": 404, "/stats%2Fhealthz": 404, "/stats/%2fhealthz": 404, "/st%61ts/healthz%2f": 404,
		"/stats/stats": 404, "/stats/stats/healthz": 404, "/statshealthz": 404, "/other/healthz": 404, "/stat": 404, "/STATS/healthz": 404,
	} {
		if w := s.do("GET", path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/stats/api/states_mean", "/api/states_mean"} {
		w := s.do("POST", path, `{"question":"q"}`)
		if at := w.Header().Get("Location"); w.Code != http.StatusAccepted || !strings.HasPrefix(at, "/stats/api/get_results/") {
			t.Errorf("%s: %d, Location %q: %s", path, w.Code, at, w.Body)
		}
	}
	if w := s.do("GET", "/stats", "", "X-Forwarded-Prefix: /prod"); !strings.Contains(w.Body.String(), "http://example.com/prod/stats/api/states_mean") {
		t.Error(w.Body)
	}
}

// A prefix that a client sends cannot make a link point to another host.
func TestForwardedPrefix(t *testing.T) {
	for _, base := range []string{"", "/stats"} {
		s := serve(t, func(c *httpapi.Config) { c.BasePath = base })
		for prefix, want := range map[string]string{"/prod": "/prod", "/a-b/c_d/": "/a-b/c_d", "//evil": "", "///evil/": "", "/\\evil": "", "evil": "", "/../x": "", "/a, /b": ""} {
			w := s.do("GET", "/nowhere", "", "Accept: application/problem+json", "X-Forwarded-Prefix: "+prefix)
			if at := want + base + "/docs#code-unknown_route"; !strings.Contains(w.Body.String(), `"type":"`+at+`"`) {
				t.Errorf("%q under %q: %s", prefix, base, w.Body)
			}
			w = s.do("GET", "/docs", "", "X-Forwarded-Prefix: "+prefix)
			if !strings.Contains(w.Body.String(), `href="`+want+base+`/openapi.json"`) {
				t.Errorf("%q under %q: %s", prefix, base, w.Body)
			}
		}
	}
}

func TestBadBasePaths(t *testing.T) {
	for base, want := range map[string]string{
		"stats": "begins with a slash", "/": "does not end with one", "/stats/": "does not end with one", "/a//b": "/stats", "/../x": "/stats", "/a b": "/stats", "/a%20": "/stats",
		"/a?b": "/stats", "/a\n": "/stats", "/$(reboot)": "/stats", "https://h/x": "/stats",
		"/api": "paths of its own under /api", "/docs/x": "under /docs", "/healthz": "under /healthz", "/openapi.json": "under /openapi.json",
	} {
		_, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats, BasePath: base})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/stats") {
			t.Errorf("%q: %v", base, err)
		}
	}
}
