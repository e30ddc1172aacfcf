package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

const page = "https://stats.example.org"

// granted are the headers that a browser looks at.
func granted(h http.Header) string {
	var out []string
	for _, name := range []string{"Origin", "Methods", "Headers"} {
		out = append(out, h.Get("Access-Control-Allow-"+name))
	}
	return strings.Join(out, "; ")
}

func withOrigins(origins ...string) func(*httpapi.Config) {
	return func(c *httpapi.Config) { c.Origins = origins }
}

func TestPreflight(t *testing.T) {
	const (
		all  = "Accept, If-None-Match, Prefer, X-Request-Id, Content-Type, Idempotency-Key, X-Api-Key"
		read = "Accept, If-None-Match, Prefer, X-Request-Id"
	)
	withKey := func(c *httpapi.Config) { c.ClientKey = "k" }
	loopback := func(c *httpapi.Config) { c.CheckHost = true }
	for _, tt := range []struct {
		name           string
		config         []func(*httpapi.Config)
		target, origin string
		status         int
		want           string
	}{
		{"off", nil, "/api/states_mean", page, 204, "; ; "},
		{"off, with a key", []func(*httpapi.Config){withKey}, "/api/states_mean", page, 403, "; ; "},
		{"ask", []func(*httpapi.Config){withOrigins(page)}, "/api/states_mean", page, 204, page + "; GET, HEAD, POST; " + all},
		{"the second", []func(*httpapi.Config){withOrigins("http://localhost:3000", page)}, "/api/jobs", page, 204, page + "; GET, HEAD; " + all},
		{"with a key", []func(*httpapi.Config){withOrigins(page), withKey}, "/api/jobs/" + id1, page, 204, page + "; DELETE; " + all},
		{"on loopback", []func(*httpapi.Config){withOrigins(page), loopback}, "/api/jobs", page, 403, "; ; "}, // the Host is example.com
		{"unknown question", []func(*httpapi.Config){withOrigins(page)}, "/api/states_men", page, 204, page + "; GET, HEAD, POST; " + all},
		{"unknown route", []func(*httpapi.Config){withOrigins(page)}, "/nowhere", page, 404, page + "; ; "},
		{"another page", []func(*httpapi.Config){withOrigins(page)}, "/api/states_mean", "https://evil.example", 204, "; ; "},
		{"another page, with a key", []func(*httpapi.Config){withOrigins(page), withKey}, "/api/states_mean", "https://evil.example", 403, "; ; "},
		{"a longer name", []func(*httpapi.Config){withOrigins(page)}, "/api/states_mean", page + ".evil.example", 204, "; ; "},
		{"another port", []func(*httpapi.Config){withOrigins(page)}, "/api/states_mean", page + ":8443", 204, "; ; "},
		{"null", []func(*httpapi.Config){withOrigins(page)}, "/api/states_mean", "null", 204, "; ; "},
		{"any page, to read", []func(*httpapi.Config){withOrigins("*")}, "/api/jobs", page, 204, "*; GET, HEAD; " + read},
		{"any page, to ask", []func(*httpapi.Config){withOrigins("*")}, "/api/states_mean", page, 204, "*; GET, HEAD; " + read},
		{"shutdown", []func(*httpapi.Config){withOrigins(page), func(c *httpapi.Config) { c.AdminKey = "a" }}, "/api/graceful_shutdown", page, 204, "; ; "},
		{"shutdown under a path", []func(*httpapi.Config){withOrigins(page), func(c *httpapi.Config) { c.AdminKey, c.BasePath = "a", "/stats" }}, "/stats/api/graceful_shutdown", page, 204, "; ; "},
		{"shutdown by any page", []func(*httpapi.Config){withOrigins("*"), func(c *httpapi.Config) { c.LocalShutdown = true }}, "/api/graceful_shutdown", page, 204, "; ; "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.config...)
			w := s.do("OPTIONS", tt.target, "", "Origin: "+tt.origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-api-key", "Sec-Fetch-Site: cross-site")
			if got := granted(w.Header()); w.Code != tt.status || got != tt.want {
				t.Errorf("%d %q, want %d %q", w.Code, got, tt.status, tt.want)
			}
			if strings.HasSuffix(tt.want, read) || strings.HasSuffix(tt.want, all) {
				if w.Header().Get("Access-Control-Max-Age") != "600" || w.Body.Len() > 0 {
					t.Errorf("%v %s", w.Header(), w.Body)
				}
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v", w.Header())
			}
			// A cache must not give one page the answer for another.
			if named := strings.HasPrefix(tt.want, page); named && w.Header().Get("Vary") != "Origin" {
				t.Errorf("Vary: %q", w.Header().Values("Vary"))
			}
		})
	}
}

// A page reads answers and errors, and asks if its origin is named.
func TestPages(t *testing.T) {
	from := []string{"Origin: " + page, "Sec-Fetch-Site: cross-site"}
	s := serve(t, withOrigins(page), func(c *httpapi.Config) { c.ClientKey = "k" })
	w := s.do("POST", "/api/states_mean", ask, append(from, "X-Api-Key: k")...)
	if w.Code != http.StatusAccepted || granted(w.Header()) != page+"; ; " || !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "Location, Preference-Applied, Retry-After") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	s.jobs.end(id1, done)
	w = s.do("GET", "/api/get_results/"+id1, "", append(from, "X-Api-Key: k")...)
	if vary := strings.Join(w.Header().Values("Vary"), ", "); w.Code != http.StatusOK || granted(w.Header()) != page+"; ; " || vary != "Origin, Accept, Prefer" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = s.do("GET", "/api/jobs", "", from...)
	if wantError(t, w, http.StatusForbidden, question.CodeForbidden); granted(w.Header()) != page+"; ; " {
		t.Errorf("a page cannot read that it needs the key: %v", w.Header())
	}
	w = s.do("POST", "/api/states_mean", ask, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "X-Api-Key: k")
	if wantError(t, w, http.StatusForbidden, question.CodeForbidden); granted(w.Header()) != "; ; " || w.Header().Get("Vary") != "Origin" {
		t.Errorf("%v", w.Header())
	}
	if w := s.do("GET", "/api/jobs", "", "X-Api-Key: k"); w.Header().Get("Vary") != "Origin" || granted(w.Header()) != "; ; " {
		t.Errorf("without an origin: %v", w.Header())
	}

	s = serve(t, withOrigins("*"), func(c *httpapi.Config) { c.LocalShutdown = true })
	if w := s.do("GET", "/api/jobs", ""); granted(w.Header()) != "*; ; " || w.Header().Get("Vary") != "" {
		t.Errorf("%v", w.Header())
	}
	wantError(t, s.do("POST", "/api/states_mean", ask, from...), http.StatusForbidden, question.CodeForbidden)
	for _, origins := range []string{"*", page} {
		s = serve(t, withOrigins(origins), func(c *httpapi.Config) { c.LocalShutdown = true })
		for _, method := range []string{"GET", "POST"} {
			w := s.do(method, "/api/graceful_shutdown", "", append(from, "Host: localhost")...)
			if wantError(t, w, http.StatusForbidden, question.CodeForbidden); granted(w.Header()) != "; ; " || s.jobs.draining {
				t.Errorf("a page shuts it down: %v", w.Header())
			}
		}
	}
}

func TestBadOrigins(t *testing.T) {
	try := func(key string, origins ...string) error {
		_, err := httpapi.New(httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats, ClientKey: key, Origins: origins})
		return err
	}
	for _, origin := range []string{
		"", "null", "stats.example.org", "https://", page + "/", page + "/x", page + "?x", page + "#x", "https://Stats.example.org", "HTTPS://stats.example.org",
		page + ":443", "http://stats.example.org:80", "ftp://stats.example.org", "https://*.example.org", "https://u@stats.example.org", "file://", "https://a,https://b", " " + page,
	} {
		if err := try("", "https://ok.example", origin); err == nil || !strings.Contains(err.Error(), "--cors-origin") {
			t.Errorf("%q: %v", origin, err)
		}
	}
	for _, origin := range []string{page, "http://localhost:3000", "https://192.0.2.1:8443", "http://[::1]:8080", "http://xn--bcher-kva.example"} {
		if err := try("k", origin); err != nil {
			t.Errorf("%q: %v", origin, err)
		}
	}
	if err := try("", "*"); err != nil {
		t.Error(err)
	}
	for _, err := range []error{try("", "*", page), try("", page, "*"), try("k", "*")} {
		if err == nil || !strings.Contains(err.Error(), "--cors-origin") {
			t.Error(err)
		}
	}
}
