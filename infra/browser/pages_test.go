package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const obesity = "Percent of adults aged 18 years and older who have obesity"

// q returns the path of the page of a question. Pairs are names and values.
func q(name string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	if len(values) == 0 {
		return "/q/" + name
	}
	return "/q/" + name + "?" + values.Encode()
}

// state is a place of the service in one of its states.
type state struct {
	name   string // of its screenshots
	path   string
	status int64
	has    []string // texts that a reader sees
	busy   bool     // no worker is free, so links to answers lead to none
}

// places are those of a server with the sample and no jobs.
var places = []state{
	{"home", "/", 200, []string{"SYNTHETIC", "Questions", "obesity", "95 %"}, false},
	{"dataset", "/dataset", 200, []string{"103,516", "Survey question", "sha256:"}, false},
	{"plugins", "/plugins", 200, []string{"sportifs", "refused<b>.wasm", "lean"}, false},
	{"jobs-empty", "/jobs", 200, nil, false},
	{"docs", "/docs", 200, []string{"/api/jobs/{id}"}, false},
	{"question-example", q("estimates"), 200, []string{"example"}, false},
	{"question-picture", q("estimates", "question", obesity, "stratum", "Total", "year", "2023"), 200, []string{"95 %", "How sure", "Cite", "Source"}, false},
	{"question-table", q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_view", "table"), 200, []string{"Alabama", "Wyoming"}, false},
	{"question-code", q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_view", "code"), 200, []string{"curl", "pandas", "read.csv", "fetch", "DuckDB"}, false},
	{"question-compared", q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_2.year", "2011"), 200, []string{"second answer"}, false},
	{"question-line", q("by_year", "question", obesity, "state", "Ohio", "stratum", "Total"), 200, []string{"Ohio"}, false},
	{"question-compare", q("compare", "question", obesity, "states", "Ohio", "states", "Utah", "year", "2023"), 200, []string{"Utah"}, false},
	{"question-profile", q("profile", "question", obesity, "state", "Ohio", "year", "2023"), 200, []string{"Ohio"}, false},
	{"question-mixed", q("states_mean", "question", obesity), 200, []string{"mean"}, false},
	{"question-no-interval", q("best5", "question", obesity), 200, nil, false},
	{"wrong-year", q("estimates", "question", obesity, "year", "soon"), 400, []string{"There is a problem", "soon"}, false},
	{"wrong-name", q("by_year", "question", obesity, "state", "Ohoi"), 400, []string{"There is a problem", "Ohio"}, false},
	{"wrong-missing", q("by_year", "state", "Ohio"), 400, []string{"There is a problem"}, false},
	{"wrong-parameter", q("estimates", "question", obesity, "colour", "blue"), 400, []string{"colour"}, false},
	{"unknown-question", q("estimate"), 404, []string{"There is no such question", "estimates"}, false},
	{"unknown-page", "/nothing", 404, []string{"nothing"}, false},
	{"malformed-job", "/jobs/job_id_999999", 400, nil, false},
	{"job-expired", "/jobs/01936ac2-5b00-7c3e-9a41-2f60d0c5b7aa", 404, []string{"expired", "Ask again"}, false},
	{"other-version", q("estimates", "question", obesity, "_dataset", "sha256:0"), 404, []string{"changed"}, false},
	{"embed", "/embed/estimates?" + url.Values{"question": {obesity}, "stratum": {"Total"}, "year": {"2023"}}.Encode(), 200, []string{"SYNTHETIC"}, false},
}

func TestPlaces(t *testing.T) {
	s, other := serve(t), serve(t, "--plugins", folder(t, "lean", "refused<b>"))
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			if p.name == "plugins" {
				inspect(t, other, p)
				return
			}
			inspect(t, s, p)
		})
	}
}

// TestData looks at datasets that are not like the sample.
func TestData(t *testing.T) {
	t.Run("elsewhere", func(t *testing.T) {
		s := elsewhere(t)
		inspect(t, s, state{"elsewhere-home", "/", 200, []string{"Pasteur"}, false})
		inspect(t, s, state{"elsewhere-question", q("states_mean"), 200, []string{"Curie", "14.5"}, false})
		inspect(t, s, state{"elsewhere-unfit", q("estimates"), 404, []string{"does not fit"}, false})
		inspect(t, s, state{"elsewhere-plugins", "/plugins", 200, []string{"does not fit"}, false})
	})
	t.Run("large", func(t *testing.T) {
		s := large(t)
		inspect(t, s, state{"large-picture", q("states_mean"), 200, []string{"100,000"}, false})
		inspect(t, s, state{"large-table", q("states_mean", "_view", "table", "_page", "3"), 200, []string{"100,000"}, false})
	})
	t.Run("hostile", func(t *testing.T) {
		s := hostile(t)
		for _, p := range []state{
			{"hostile-home", "/", 200, nil, false},
			{"hostile-dataset", "/dataset", 200, []string{"<script>alert(1)</script>", "القاهرة"}, false},
			{"hostile-picture", q("states_mean"), 200, nil, false},
			{"hostile-table", q("states_mean", "_view", "table"), 200, []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(2)>`}, false},
			{"hostile-code", q("state_mean", "state", hostileNames[1], "_view", "code"), 200, nil, false},
			{"hostile-one", q("state_mean", "state", hostileNames[7]), 200, []string{"<script>alert(4)</script>"}, false},
			{"hostile-wrong", q("state_mean", "state", "<script>alert(5)</script>\u202e"), 400, []string{"<script>alert(5)</script>"}, false},
			{"hostile-long", q("state_mean", "state", strings.Repeat("y", 7000)), 400, nil, false},
		} {
			t.Run(p.name, func(t *testing.T) {
				inspect(t, s, p)
				inert(t, s, p)
			})
		}
	})
}

// TestFiguresOnPhones checks that a phone shows the figures of a table without scrolling to
// the side: neither keys that all rows share nor a very long name stand before them.
func TestFiguresOnPhones(t *testing.T) {
	for _, c := range []struct {
		s          *server
		path, head string
	}{
		{serve(t), q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_view", "table"), "Estimate"},
		{serve(t), q("by_year", "question", obesity, "state", "Ohio", "_view", "table"), "Estimate"},
		{serve(t), q("compare", "question", obesity, "states", "District of Columbia", "states", "Utah", "_view", "table"), "Estimate"},
		{hostile(t), q("states_mean", "_view", "table"), "Mean"},
	} {
		b := open(t, c.s.URL, phone)
		b.visit(c.path, 200)
		if ends := eval[float64](b, fmt.Sprintf(`(n => Math.max(...[...document.querySelectorAll("#answer tr")].map(r => r.cells[n].getBoundingClientRect().right)))(
			[...document.querySelectorAll("#answer thead th")].findIndex(e => e.innerText.includes(%q)))`, c.head)); ends > 360 {
			t.Errorf("%s: the column %s ends at %g px of 360", c.path, c.head, ends)
		}
	}
}

// inert checks that no name became markup.
func inert(t *testing.T, s *server, p state) {
	t.Helper()
	b := open(t, s.URL, light)
	b.visit(p.path, p.status)
	for _, bad := range eval[[]string](b, `[
		...[...document.scripts].filter(s => !s.src.startsWith(location.origin + "/")).map(s => "a script: " + s.outerHTML.slice(0, 100)),
		...[...document.querySelectorAll("*")].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith("on") || /^\s*javascript:/i.test(a.value) && ["href", "src", "action"].includes(a.name)).map(a => "an attribute: " + a.name + "=" + a.value.slice(0, 100)),
		...[...document.querySelectorAll("img[src=x], bdi b, bdi i, td b, td i")].map(e => "an element: " + e.outerHTML.slice(0, 100)),
		...(/[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(document.body.innerText) ? ["a control character is shown as it is"] : []),
	]`) {
		t.Errorf("%s has %s", p.path, bad)
	}
	b.quiet()
}

// inspect looks at a place in every way, and checks what all places have in common.
func inspect(t *testing.T, s *server, p state) {
	t.Helper()
	b := open(t, s.URL, light)
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			b.TB = t
			b.look(l)
			b.visit(p.path, p.status)
			b.shot(p.name + "-" + l.name)
			b.policy()
			text := eval[string](b, `document.body.textContent.replace(/\s+/g, " ")`)
			for _, want := range p.has {
				if !strings.Contains(text, want) {
					t.Errorf("%s does not say %q", p.path, want)
				}
			}
			if !l.print {
				b.fits()
			}
			if !l.plain && !l.print {
				b.accessible()
			}
			if l == light {
				if !p.busy {
					links(b)
				}
				keyboard(b)
			}
			b.quiet()
		})
	}
}

// TestFrames checks which pages another site may frame.
func TestFrames(t *testing.T) {
	s := serve(t)
	embed := "/embed/estimates?" + url.Values{"question": {obesity}}.Encode()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>Another site</title><h1>Another site</h1><iframe title="x" width="700" height="700" src="`+s.URL+strings.ReplaceAll(r.URL.Query().Get("frame"), `"`, "")+`"></iframe>`)
	}))
	defer other.Close()
	for path, framed := range map[string]bool{embed: true, "/": false, "/jobs": false, "/plugins": false, "/dataset": false, "/docs": false, q("estimates"): false, "/api/plugins": false} {
		b := open(t, other.URL, light)
		b.run(navigate(other.URL + "/?frame=" + url.QueryEscape(path)))
		if path == embed {
			b.shot("embed-framed")
		}
		refused := false
		for _, p := range b.problems {
			refused = refused || strings.Contains(p, "frame-ancestors") || strings.Contains(p, "X-Frame-Options")
		}
		if refused == framed {
			t.Errorf("%s: framed by another site: %v, want %v: %q", path, !refused, framed, b.problems)
		}
	}
}

// TestKey checks that a browser can use a server with a key, by Basic authentication, and
// that nothing of it can be framed.
func TestKey(t *testing.T) {
	s := serve(t, "--api-key", "secret", "--admin-key", "admin")
	for path, want := range map[string]int{"/": 401, q("estimates"): 401, "/jobs": 401, "/embed/estimates": 404} {
		req, _ := http.NewRequest(http.MethodGet, s.URL+path, nil)
		req.Header.Set("Accept", "text/html")
		if want == 404 {
			req.SetBasicAuth("reader", "secret")
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
		if asks := resp.Header.Get("Www-Authenticate"); want == 401 && !strings.HasPrefix(asks, "Basic ") {
			t.Errorf("%s asks for no password: %q", path, asks)
		}
	}
	for _, l := range []look{light, narrow} {
		b := open(t, s.URL, l)
		b.run(command("Network.setExtraHTTPHeaders", object{"headers": object{"Authorization": "Basic cmVhZGVyOnNlY3JldA=="}}))
		b.visit(q("estimates", "question", obesity, "stratum", "Total", "year", "2023", "_view", "code"), 200)
		b.shot("key-" + l.name)
		if !strings.Contains(b.text("body"), "LESTATS_API_KEY") {
			t.Error("the snippets do not say where the key comes from")
		}
		b.quiet()
	}
}

// TestMethods checks that what is not GET has a page that says so, with its status.
func TestMethods(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/", q("estimates"), "/dataset", "/plugins"} {
		req, _ := http.NewRequest(http.MethodDelete, s.URL+path, nil)
		req.Header.Set("Accept", "text/html")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(string(body), "<h1") || resp.Header.Get("Allow") == "" {
			t.Errorf("DELETE %s: status %d, Allow %q: %.200s", path, resp.StatusCode, resp.Header.Get("Allow"), body)
		}
	}
}
