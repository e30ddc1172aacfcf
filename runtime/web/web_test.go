package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/le-stats-sportifs/lestats/runtime/chart"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// schema is a dataset's columns.
type schema []question.Column

func (s schema) Columns() []question.Column { return s }

func (s schema) Column(name string) (*question.Column, bool) {
	for i := range s {
		if s[i].Name == name {
			return &s[i], true
		}
	}
	return nil, false
}

// fake is a catalog, and what answers.
type fake struct {
	plugins []question.PluginInfo
	served  []question.ServedQuestion
	answer  func(question.Request) (*question.Answer, error)
	asked   int
	kept    map[string][]byte
	failed  []error
}

func (f *fake) Plugins() []question.PluginInfo    { return f.plugins }
func (f *fake) Served() []question.ServedQuestion { return f.served }

func (f *fake) Answer(_ context.Context, req question.Request) (*question.Answer, error) {
	f.asked++
	return f.answer(req)
}

const (
	datasetDigest = "sha256:d"
	pluginDigest  = "sha256:p"
)

// hostile are names that must not do anything.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, "a\u202eb\u2066", "</title></style></textarea>",
	"tab\tnew\nline", "javascript:alert(1)", "&amp;{{.}}", strings.Repeat("x", 10_000), "مرحبا",
}

// site returns a Site about one question, whose places are names.
func site(t testing.TB, names ...string) (*Site, *fake) {
	t.Helper()
	if names == nil {
		names = []string{"Ohio", "Texas", "Utah"}
	}
	names = slices.Clone(names)
	slices.Sort(names) // as dictionaries are
	places := question.Column{Name: "place", Title: "Place", Type: question.String, Role: question.RoleDimension, Dict: names}
	q := &question.Question{
		Name: "figures", Title: "Figures by " + names[0], Description: "What they are. And more.",
		Params: []question.Param{
			{Name: "place", Title: names[0], Type: question.ParamColumn, Column: "place", Required: true, Select: true},
			{Name: "others", Type: question.ParamColumn, Column: "place", List: true},
			{Name: "year", Type: question.ParamColumn, Column: "year"},
			{Name: "size", Type: question.ParamInteger, Default: 5.0},
		},
		Result: question.Result{Keys: []question.ResultColumn{{Name: "place"}}, Values: []question.ResultColumn{{Name: "estimate"}}},
	}
	f := &fake{
		plugins: []question.PluginInfo{{Name: "p", Serving: true, Digest: pluginDigest, Unfit: []question.UnfitQuestion{{Name: "unfit", Lacks: []string{"low"}}}}},
		served:  []question.ServedQuestion{{Question: q, Plugin: "p", Example: question.Request{Question: "figures", Params: map[string]any{"place": names[0]}}}},
		kept:    map[string][]byte{},
	}
	columns := schema{
		places,
		{Name: "year", Title: "Year", Type: question.Integer, Role: question.RoleDimension, Integers: []int64{2011, 2020, 2020}},
		{Name: "value", Type: question.Number, Role: question.RoleMeasure, Numbers: []float64{1, 2, 3}},
	}
	manifest := &question.Manifest{Columns: []question.ColumnNeed{{Name: "place", Type: question.String}}, Questions: []question.Question{*q}}
	f.answer = func(req question.Request) (*question.Answer, error) {
		if _, err := manifest.Bind(req, columns); err != nil {
			return nil, err
		}
		return answered(names...), nil
	}
	s, err := New(Config{
		Catalog: f, Answer: f.Answer, Draw: chart.New().Draw, DrawingStyle: chart.Style, Version: "1.2.3",
		Dataset: question.DatasetInfo{Name: "d", Title: "Data " + names[0], Source: names[0], License: names[0], Digest: datasetDigest, Rows: 104, Synthetic: true},
		Schema:  columns,
		Formats: []question.Format{
			{Name: "json", Title: "JSON", MediaType: "application/json", Extension: "json"}, {Name: "rows", Title: "JSON rows", MediaType: "application/json", Extension: "json"},
			{Name: "csv", Title: "comma-separated values", MediaType: "text/csv", Extension: "csv"},
			{Name: "svg", Title: "a picture", MediaType: "image/svg+xml", Extension: "svg"}, {Name: "text", Extension: "txt"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// answered returns estimates of places with limits and ranks.
func answered(names ...string) *question.Answer {
	n, first := len(names), strings.Join(names[:min(len(names), 1)], "")
	t := &question.Table{Chart: "dots", Columns: []question.Column{
		{Name: "place", Title: "Place", Type: question.String, Role: question.RoleKey, Dict: names},
		{Name: "estimate", Title: "Estimate", Unit: "%", Type: question.Number, Role: question.RoleValue, Shows: question.ShowsEstimate},
		{Name: "low", Title: "95% limit (low)", Unit: "%", Type: question.Number, Role: question.RoleValue, Shows: question.ShowsLow},
		{Name: "high", Title: "95% limit (high)", Unit: "%", Type: question.Number, Role: question.RoleValue, Shows: question.ShowsHigh},
		{Name: "asked", Title: "Asked", Type: question.Integer, Role: question.RoleValue, Shows: question.ShowsCount},
		{Name: "rank_best", Type: question.Integer, Role: question.RoleValue, Shows: question.ShowsRank},
		{Name: "rank_worst", Type: question.Integer, Role: question.RoleValue, Shows: question.ShowsRank},
	}}
	for i := range n {
		v := 41 - float64(i)
		for k, x := range []float64{v, v - 1.7, v + 1.7} {
			t.Columns[k+1].Numbers = append(t.Columns[k+1].Numbers, x)
		}
		for k, x := range []int64{5523, int64(max(1, i-1)), int64(min(n, i+3))} {
			t.Columns[k+4].Integers = append(t.Columns[k+4].Integers, x)
		}
		t.Columns[0].Codes = append(t.Columns[0].Codes, int32(i))
	}
	return &question.Answer{
		Table:      t,
		Provenance: &question.Provenance{Dataset: "d", DatasetDigest: datasetDigest, Synthetic: true, Plugin: "p", PluginVersion: first, PluginDigest: pluginDigest, RowsSelected: n},
		Coverage:   &question.Coverage{Rows: 12345, Missing: 2, Mixed: []question.Mixed{{Column: "place", Title: "Place", Values: n}, {Column: "year", Title: "Year " + first, Values: 12}}},
		Caveats:    []question.Caveat{{Code: question.CaveatSynthetic, Text: "synthetic"}, {Code: "mixed", Text: "Years are mixed: " + first}},
		Receipt:    &question.Receipt{Dataset: datasetDigest, Plugin: pluginDigest, Request: "sha256:r", Result: "sha256:s", Fuel: 1234567, Build: "1.2.3"},
	}
}

// get asks a site for a page, as httpapi does.
func (f *fake) get(t testing.TB, s *Site, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	v := View{
		Base: "https://stats.example/base", Under: "/base",
		Fail: func(err error) *question.Error {
			f.failed = append(f.failed, err)
			return question.AsError(err)
		},
		Kept: func(key string) ([]byte, bool) { page, ok := f.kept[key]; return page, ok },
		Keep: func(key string, page []byte) { f.kept[key] = page },
	}
	mux := http.NewServeMux()
	for _, p := range s.Pages() {
		pattern := p.Path
		if pattern == "/" {
			pattern = "/{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := p.Serve(w, r, v); err != nil {
				s.ErrorPage(w, r, v, question.AsError(err))
			}
		})
	}
	mux.ServeHTTP(w, r)
	return w
}

// elements returns all elements of a page.
func elements(t testing.TB, page string) (all []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// checkPage checks what holds for every page: its structure, that its controls have labels,
// that its policy allows its style sheet, and that nothing in it runs.
func checkPage(t *testing.T, page, policy string) {
	t.Helper()
	count, ids := map[string]int{}, map[string]bool{}
	var labels, targets, controls, texts []string // texts: what the page shows
	for _, n := range elements(t, page) {
		count[n.Data]++
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("the id %.60q is there twice", id)
			}
			ids[id] = true
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
				t.Errorf("<%s> has the attribute %s=%.60q", n.Data, a.Key, a.Val)
			}
			if a.Key != "value" { // of a form, which is exact
				texts = append(texts, a.Val)
			}
			if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !regexp.MustCompile(`^(/base/|https?://|#|data:,$)`).MatchString(a.Val) {
				t.Errorf("<%s> points to %.80q", n.Data, a.Val)
			}
		}
		for c := range n.ChildNodes() {
			if c.Type == html.TextNode {
				texts = append(texts, c.Data)
			}
		}
		switch n.Data {
		case "label":
			labels = append(labels, attr(n, "for"))
		case "select", "input":
			if attr(n, "type") != "hidden" && attr(n, "aria-label") == "" {
				controls = append(controls, attr(n, "id"))
			}
		case "a":
			if to, ok := strings.CutPrefix(attr(n, "href"), "#"); ok {
				targets = append(targets, to)
			}
		case "th":
			if attr(n, "scope") == "" {
				t.Errorf("a th without scope")
			}
		case "style":
			sum := sha256.Sum256([]byte(n.FirstChild.Data))
			if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
				t.Errorf("policy %q; want %s", policy, want)
			}
		case "script":
			if !strings.HasPrefix(attr(n, "src"), "/base/script.js?v=") || n.FirstChild != nil {
				t.Errorf("a script that is not ours: %v", n.Attr)
			}
		case "iframe", "img", "object", "embed", "base", "foreignobject", "image":
			t.Errorf("the page has <%s>", n.Data)
		}
	}
	for _, name := range []string{"h1", "main", "title", "style"} {
		if count[name] < 1 || name == "h1" && count[name] != 1 {
			t.Errorf("%d <%s>", count[name], name)
		}
	}
	if count["table"] != count["caption"] {
		t.Errorf("%d tables, %d captions", count["table"], count["caption"])
	}
	for _, id := range controls {
		if !strings.Contains(" "+strings.Join(labels, " ")+" ", " "+id+" ") {
			t.Errorf("the control %q has no label", id)
		}
	}
	for _, id := range append(targets, labels...) {
		if !ids[id] {
			t.Errorf("nothing has the id %.60q", id)
		}
	}
	for _, text := range texts {
		for _, r := range text {
			if question.Invisible(r) && r != '\n' && r != '\t' {
				t.Fatalf("the page shows the character %U in %.60q", r, text)
			}
		}
	}
}

// Every page is well formed, whatever names a dataset, a plugin and a request have.
func TestPages(t *testing.T) {
	for i := -1; i < len(hostile); i++ {
		var names []string
		if i >= 0 {
			names = append([]string{hostile[i]}, hostile...)[:len(hostile)]
			names[i] = hostile[0]
		}
		s, f := site(t, names...)
		for target, status := range map[string]int{
			"/": 200, "/q/figures": 200, "/q/figures?_view=table": 200, "/q/figures?_view=code": 200, "/q/figures?_view=nonsense&_page=x&_sort=y": 200,
			"/embed/figures": 200, "/q/figures?place=nowhere": 400, "/q/figures?other=1": 400, "/q/figures?place=%3Cscript%3E%22'": 400, "/q/figures?size=": 200,
			"/q/figures?where.year=x&place=Ohio": 400, "/q/figures?_2.year=2011": 200, "/q/figures?_2.size=many": 200,
			"/q/none": 404, "/q/unfit": 404, "/embed/none": 404, "/q/figures?%zz": 400, "/q/figures?_dataset=%3Cscript%3E": 404, "/q/figures?x=" + strings.Repeat("y", 9000): 414,
		} {
			if names != nil && status == 400 && strings.Contains(target, "year") {
				continue // the place is not one of the names
			}
			t.Run(fmt.Sprintf("%d%.40s", i, target), func(t *testing.T) {
				if strings.Contains(target, "?") && (strings.Contains(target, "_2.") || strings.Contains(target, "_dataset")) {
					target += "&place=" + url.QueryEscape(s.cfg.Schema.Columns()[0].Dict[0])
				}
				w := f.get(t, s, target)
				for range 2 {
					if w.Code == http.StatusSeeOther {
						w = f.get(t, s, strings.TrimPrefix(w.Header().Get("Location"), "/base"))
					}
				}
				if w.Code != status {
					t.Fatalf("%d, want %d", w.Code, status)
				}
				checkPage(t, w.Body.String(), w.Header().Get("Content-Security-Policy"))
				if !strings.Contains(w.Body.String(), "SYNTHETIC") {
					t.Error("the page does not say that the figures are generated")
				}
				frames := strings.HasSuffix(w.Header().Get("Content-Security-Policy"), "frame-ancestors *")
				if frames != (strings.HasPrefix(target, "/embed/")) {
					t.Errorf("policy %q", w.Header().Get("Content-Security-Policy"))
				}
			})
		}
	}
}

// The options of a form send the exact values, whatever they are.
func TestOptionsAreExact(t *testing.T) {
	s, f := site(t, hostile...)
	var got []string
	for _, n := range elements(t, f.get(t, s, "/q/figures").Body.String()) {
		if n.Data == "option" && attr(n.Parent, "id") == "f-place" {
			got = append(got, attr(n, "value"))
		}
	}
	if strings.Join(got, "|") != strings.Join(slices.Sorted(slices.Values(hostile)), "|") {
		t.Errorf("%.500q", got)
	}
}

// What was typed is kept, the reason stands at the field, and its hints are links that work.
func TestWrongInput(t *testing.T) {
	s, f := site(t)
	f.answer = func(req question.Request) (*question.Answer, error) {
		if req.Params["place"] == "Ohoi" {
			return nil, question.Errorf(question.CodeUnknownValue, `"place" is "Ohoi"`).WithParam("place", "Ohio")
		}
		return answered("Ohio"), nil
	}
	w := f.get(t, s, "/q/figures?_view=table&place=Ohoi&year=2020")
	page := w.Body.String()
	if w.Code != http.StatusBadRequest || len(f.failed) != 1 {
		t.Fatalf("%d, logged %v", w.Code, f.failed)
	}
	var typed, described, hint, year string
	for _, n := range elements(t, page) {
		switch {
		case attr(n, "id") == "f-place":
			typed, described = attr(n, "value"), attr(n, "aria-describedby")
		case n.Data == "a" && textOf(n) == "Ohio":
			hint = attr(n, "href")
		case n.Data == "option" && n.Parent != nil && attr(n.Parent, "id") == "f-year" && strings.Contains(fmt.Sprint(n.Attr), "selected"):
			year = attr(n, "value")
		}
	}
	if typed != "Ohoi" || year != "2020" || described != "f-place-error" || !strings.Contains(page, `id="f-place-error"`) {
		t.Errorf("typed %q, year %q, described by %q", typed, year, described)
	}
	w = f.get(t, s, strings.TrimPrefix(hint, "/base"))
	if w.Code == http.StatusSeeOther {
		w = f.get(t, s, strings.TrimPrefix(w.Header().Get("Location"), "/base"))
	}
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `aria-current="page">Table`) {
		t.Errorf("the hint %s: %d", hint, w.Code)
	}
}

// A page has one address: empty values are removed, names are sorted, and what it
// redirects to is not redirected again.
func TestCanonicalAddress(t *testing.T) {
	s, f := site(t)
	for given, want := range map[string]string{
		"/q/figures?year=2020&place=Ohio&size=":         "/base/q/figures?place=Ohio&year=2020",
		"/q/figures?place=Ohio&size=5&_view=table&_x=":  "/base/q/figures?place=Ohio&_view=table",
		"/q/figures?place=Ohio&where.year=2020.0":       "/base/q/figures?place=Ohio&where.year=2020",
		"/q/figures?place=Ohio&where.year.min=2011&_a=": "",
		"/q/figures?_view=code&place=Ohio":              "",
	} {
		w := f.get(t, s, given)
		if got := w.Header().Get("Location"); got != want || want != "" && w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d to %q; want %q", given, w.Code, got, want)
			continue
		}
		if want != "" {
			if w := f.get(t, s, strings.TrimPrefix(want, "/base")); w.Code != http.StatusOK {
				t.Errorf("%s: %d, to %s", want, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// A link that names a version of the dataset or the plugin never shows another one.
func TestPinnedPage(t *testing.T) {
	s, f := site(t)
	for query, status := range map[string]int{
		"_dataset=sha256:d&_plugin=sha256:p": 200, "_dataset=sha256:d": 200, "_dataset=sha256:e": 404, "_plugin=sha256:q": 404,
		"_dataset=&_plugin=": 200, // as forms send what is empty
	} {
		if w := f.get(t, s, "/embed/figures?place=Ohio&"+query); w.Code != status || status == 404 && strings.Contains(w.Body.String(), "<svg") {
			t.Errorf("embed: %s: %d", query, w.Code)
		}
		if w := f.get(t, s, "/q/figures?place=Ohio&"+query); w.Code != status || status == 404 && !strings.Contains(w.Body.String(), `href="/base/q/figures?place=Ohio"`) {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	page := f.get(t, s, "/q/figures?place=Ohio").Body.String()
	for _, want := range []string{
		`href="/base/api/figures.csv?place=Ohio&amp;_dataset=sha256%3Ad&amp;_plugin=sha256%3Ap&amp;_people=1" download="figures.csv"`,
		`href="/base/api/figures.svg?place=Ohio&amp;_dataset=sha256%3Ad&amp;_plugin=sha256%3Ap"`,
		`&lt;iframe src=&#34;https://stats.example/base/embed/figures?place=Ohio&#34;`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Count(page, `download="figures.json"`) != 1 || strings.Contains(page, "figures.txt") {
		t.Error("one link per extension that is served")
	}
}

// An address that is too long is refused with the status that says so.
func TestLongAddress(t *testing.T) {
	s, f := site(t)
	for _, page := range []string{"/q/", "/embed/"} {
		if w := f.get(t, s, page+"figures?place="+strings.Repeat("x", 8000)); w.Code != http.StatusRequestURITooLong {
			t.Errorf("%s: %d", page, w.Code)
		}
	}
}

// Pages of answers are kept until the plugins change.
func TestPagesAreKept(t *testing.T) {
	s, f := site(t)
	first := f.get(t, s, "/q/figures").Body.String()
	if again := f.get(t, s, "/q/figures").Body.String(); f.asked != 1 || again != first {
		t.Errorf("asked %d times", f.asked)
	}
	f.plugins = []question.PluginInfo{{Name: "p", Serving: true, Digest: "sha256:new"}}
	f.get(t, s, "/q/figures")
	before, usual := f.plugins, f.answer
	f.answer = func(question.Request) (*question.Answer, error) {
		f.plugins = []question.PluginInfo{{Name: "p", Serving: true, Digest: "sha256:newer"}}
		return answered("Texas"), nil
	}
	f.get(t, s, "/q/figures?place=Ohio") // the answer is of the plugin that came meanwhile
	f.plugins, f.answer, f.asked = before, usual, 2
	if page := f.get(t, s, "/q/figures?place=Ohio").Body.String(); !strings.Contains(page, "Utah") {
		t.Error("a page with the answer of a plugin that is no longer served")
	}
	f.asked = 2
	f.answer = func(question.Request) (*question.Answer, error) {
		return nil, question.Errorf(question.CodeQueueFull, "full (context deadline exceeded)")
	}
	for range 2 {
		if w := f.get(t, s, "/q/figures?place=Utah"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if w := f.get(t, s, "/"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "no answer now: the server is busy") || strings.Contains(w.Body.String(), "context deadline") || !strings.Contains(w.Body.String(), "Figures by Ohio") {
		t.Errorf("the first page without its example: %d", w.Code)
	}
	f.answer = func(question.Request) (*question.Answer, error) { return answered("Ohio"), nil }
	if w := f.get(t, s, "/"); !strings.Contains(w.Body.String(), "<svg") {
		t.Error("a first page without its example is kept")
	}
	if f.asked != 6 {
		t.Errorf("asked %d times; failures are not kept", f.asked)
	}
}
