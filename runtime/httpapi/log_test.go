package httpapi_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// logged returns the logged lines and clears them.
func (s *service) logged(t testing.TB) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, m)
	}
	s.log.Reset()
	return out
}

func TestAccessLog(t *testing.T) {
	s := serve(t)
	id := s.finished(t, done)
	s.log.Reset()
	for _, tt := range []struct {
		method, target, route, level string
		status                       float64
		about                        bool // the job
	}{
		{"GET", "/api/get_results/" + id, "/api/get_results/{id}", "INFO", 200, true},
		{"POST", "/api/states_mean", "/api/{question}", "INFO", 202, true},
		{"GET", "/api/get_results/1", "/api/get_results/{id}", "INFO", 400, false},
		{"GET", "/nowhere", "", "INFO", 404, false},
		{"GET", "/healthz", "/healthz", "DEBUG", 200, false},
		{"OPTIONS", "*", "", "INFO", 204, false},
		{"GET", "//nowhere", "", "INFO", 404, false},
	} {
		w := s.do(tt.method, tt.target, ask, "X-Request-Id: my-id.1")
		lines := s.logged(t)
		if len(lines) != 1 {
			t.Fatalf("%s %s: %d lines", tt.method, tt.target, len(lines))
		}
		l := lines[0]
		for key, want := range map[string]any{
			"request": "my-id.1", "method": tt.method, "route": tt.route, "level": tt.level, "status": tt.status,
			"bytes": float64(w.Body.Len()), "remote": "192.0.2.1:1234", "msg": "request",
		} {
			if l[key] != want {
				t.Errorf("%s %s: %s is %v, want %v", tt.method, tt.target, key, l[key], want)
			}
		}
		if _, ok := l["ms"].(float64); !ok {
			t.Errorf("no duration: %v", l)
		}
		if tt.about != (l["job"] != nil) || tt.about && l["question"] != "states_mean" {
			t.Errorf("job %v, question %v", l["job"], l["question"])
		}
		if (tt.status >= 400) != (l["error"] != nil) {
			t.Errorf("error %v", l["error"])
		}
	}
	for code, level := range map[question.Code]string{"queue_full": "WARN", "internal": "ERROR"} {
		s.jobs.err = question.Errorf(code, "so it is")
		s.do("GET", "/api/num_jobs", "")
		if l := s.logged(t)[0]; l["level"] != level {
			t.Errorf("%s is logged as %v", code, l["level"])
		}
	}
	s.jobs.draining = true
	s.do("GET", "/readyz", "")
	if l := s.logged(t)[0]; l["level"] != "WARN" {
		t.Errorf("a probe that fails is logged as %v", l["level"])
	}
}

func TestNothingIsLoggedBelowTheLevel(t *testing.T) {
	var b strings.Builder
	s := serve(t, func(c *httpapi.Config) {
		c.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	s.submit(t)
	if b.Len() > 0 {
		t.Errorf("log: %s", b.String())
	}
}

func TestRequestID(t *testing.T) {
	made := regexp.MustCompile(`^[0-9a-f]{16}$`)
	s := serve(t)
	for given, keep := range map[string]bool{
		"01936ac2-5b00.A_b:c": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\tb": false, `a"b`: false, "é": false, "<i>": false,
	} {
		got := s.do("GET", "/healthz", "", "X-Request-Id: "+given).Header().Get("X-Request-Id")
		if keep && got != given || !keep && !made.MatchString(got) {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := serve(t)
	for _, target := range []string{"/", "/nowhere", "/api/jobs", "/healthz"} {
		h := s.do("GET", target, "", "Origin: https://elsewhere.example").Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", target, h)
		}
	}
}

// On a real connection a body over the limit closes it, HEAD has no body, and
// ResponseController can unwrap our writer.
func TestOverTheWire(t *testing.T) {
	s := serve(t)
	server := httptest.NewServer(s)
	defer server.Close()
	get := func(method, target string, body io.Reader) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	chunked := io.MultiReader(strings.NewReader(strings.Repeat(" ", 64<<10+1)))
	if res := get("POST", "/api/states_mean", chunked); res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Errorf("too large: %d, close %t", res.StatusCode, res.Close)
	}
	if res := get("HEAD", "/", nil); res.StatusCode != http.StatusOK || res.ContentLength < 100 {
		t.Errorf("HEAD: %d, %d bytes", res.StatusCode, res.ContentLength)
	}
}
