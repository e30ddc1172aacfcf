package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// pages opens a server about the sample, without a network, and returns its handler.
func pages(tb testing.TB, base string) http.Handler {
	tb.Helper()
	cfg := Config{Listen: "127.0.0.1:0", BasePath: base}
	cfg.Location = tb.TempDir()
	cfg.Log = slog.New(slog.DiscardHandler)
	m, err := Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	handler, err := m.handler()
	if err != nil {
		tb.Fatal(err)
	}
	return handler
}

func browse(handler http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Host = "localhost"
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// Every link of every page leads somewhere, also under a base path.
func TestLinksResolve(t *testing.T) {
	const base = "/stats"
	handler := pages(t, base)
	seen, next := map[string]bool{base + "/": true}, []string{base + "/"}
	perPage := map[string]int{}
	const most = 400
	for len(next) > 0 && len(seen) < most {
		path := next[0]
		next = next[1:]
		w := browse(handler, path)
		if w.Code == http.StatusSeeOther {
			w = browse(handler, w.Header().Get("Location"))
		}
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %.300s", path, w.Code, w.Body)
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.HasPrefix(path, base+"/api/") {
			continue
		}
		root, err := html.Parse(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				to, _, _ := strings.Cut(strings.TrimPrefix(a.Val, "http://localhost"), "#")
				if a.Key != "href" && a.Key != "src" || to == "" || to == "data:," || strings.HasPrefix(to, "http") {
					continue
				}
				if !strings.HasPrefix(to, base+"/") {
					t.Errorf("%s links %s, outside of the base path", path, to)
				}
				// Of links that differ in their query only, such as the order of a table, a few are followed.
				if kind, _, _ := strings.Cut(to, "?"); !seen[to] && perPage[kind] < 12 {
					seen[to] = true
					perPage[kind]++
					next = append(next, to)
				}
			}
		}
	}
	for _, want := range []string{"/q/estimates?", "/api/estimates.csv?", "/api/estimates.html?", "/api/estimates.svg?", "/embed/estimates", "/openapi.json"} {
		found := false
		for path := range seen {
			found = found || strings.HasPrefix(path, base+want)
		}
		if !found {
			t.Errorf("no page links %s", want)
		}
	}
}

// The first page has a picture with its figures, and is small.
func TestHomePage(t *testing.T) {
	w := browse(pages(t, ""), "/")
	page := w.Body.String()
	for _, want := range []string{"<svg", "SYNTHETIC", "Highest:", "95\u00a0% interval", " asked", "rank 1 to ", "of the dataset", "@misc{", "/q/estimates?question="} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if len(page) > 100_000 {
		t.Errorf("%d bytes", len(page))
	}
}

// BenchmarkPages serves pages, beside the cheapest route.
func BenchmarkPages(b *testing.B) {
	handler := pages(b, "")
	for _, path := range []string{"/healthz", "/", "/q/estimates", "/q/estimates?_view=table", "/q/states_mean"} {
		b.Run(path[1:], func(b *testing.B) {
			for b.Loop() {
				if w := browse(handler, path); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
