package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// hostileText is a text that would show if it were not escaped.
const hostileText = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>` + "\u202e\x00&amp;"

// fakeJobs are some jobs in every state.
type fakeJobs struct {
	jobs              []*question.Job
	cancelled, asked  []string
	cancelled2, fails error
	filter            question.JobFilter // of the last List
}

const (
	runningID = "01936ac2-5b00-7c3e-9a41-000000000001"
	failedID  = "01936ac2-5b00-7c3e-9a41-000000000002"
	doneID    = "01936ac2-5b00-7c3e-9a41-000000000003"
	lostID    = "01936ac2-5b00-7c3e-9a41-000000000004"
)

func newFakeJobs() *fakeJobs {
	at := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	ask := question.Request{Question: "hostile", Params: map[string]any{"question": hostileText}, Where: map[string]any{"state": []any{"Ohio", hostileText}}}
	return &fakeJobs{jobs: []*question.Job{
		{ID: lostID, Status: question.Failed, Created: at, Finished: at, Error: question.Errorf(question.CodeStoreUnavailable, "/secret/path")},
		{ID: doneID, Status: question.Done, Request: ask, Created: at, Started: at, Finished: at.Add(90 * time.Second), Attempts: 2},
		{ID: failedID, Status: question.Failed, Request: ask, Created: at, Started: at, Finished: at.Add(1500 * time.Microsecond), Attempts: 1, RetryOf: doneID,
			Error: question.Errorf(question.CodeNoData, "no row of %s", hostileText).WithParam("state", "Ohio", hostileText)},
		{ID: runningID, Status: question.Running, Request: question.Request{Question: "gone"}, Created: at, Started: time.Now(), Attempts: 1},
	}}
}

func (j *fakeJobs) Get(_ context.Context, id string) (*question.Job, error) {
	if j.fails != nil {
		return nil, j.fails
	}
	if _, err := question.ParseID(id); err != nil {
		return nil, err
	}
	for _, job := range j.jobs {
		if job.ID == id {
			return job, nil
		}
	}
	return nil, question.Errorf(question.CodeUnknownJob, "there is no job %s", id)
}

func (j *fakeJobs) List(_ context.Context, f question.JobFilter, before string, limit int) (page question.JobPage, err error) {
	j.filter = f
	if before != "" {
		_, err := question.ParseID(before)
		return page, cmp.Or(err, j.fails)
	}
	if page.Jobs = j.jobs[:min(len(j.jobs), limit)]; len(j.jobs) > limit {
		page.Next = page.Jobs[limit-1].ID
	}
	return page, j.fails
}

func (j *fakeJobs) Cancel(_ context.Context, id string) (*question.Job, error) {
	j.cancelled = append(j.cancelled, id)
	return nil, j.cancelled2
}

func (j *fakeJobs) Retry(ctx context.Context, id string) (*question.Job, error) {
	j.asked = append(j.asked, id)
	return j.Get(ctx, id)
}

type fakeCatalog struct {
	served  []question.ServedQuestion
	plugins []question.PluginInfo
}

func (c fakeCatalog) Served() []question.ServedQuestion { return c.served }
func (c fakeCatalog) Plugins() []question.PluginInfo    { return c.plugins }

type fakeSchema []question.Column

func (s fakeSchema) Columns() []question.Column { return s }
func (s fakeSchema) Column(name string) (*question.Column, bool) {
	i := slices.IndexFunc(s, func(c question.Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s[i], true
}

// placesSite is a site whose names are hostile.
func placesSite(t *testing.T, jobs *fakeJobs) *Site {
	t.Helper()
	valid := question.NewBitmap(3)
	valid[0] = 0b101
	s, err := New(Config{
		Catalog: fakeCatalog{
			served: []question.ServedQuestion{{Question: &question.Question{Name: "hostile", Title: hostileText}, Plugin: hostileText}},
			plugins: []question.PluginInfo{
				{Name: hostileText, Title: hostileText, Version: "1.0", Source: "/secret/" + "plugin.wasm", Digest: "sha256:00", Size: 3 << 20, Serving: true, Questions: []string{"hostile"},
					Unfit: []question.UnfitQuestion{{Name: "compare", Lacks: []string{"low", hostileText}}}},
				{Source: "/secret/" + hostileText + ".wasm", Size: 3, Error: question.Errorf(question.CodeBadPlugin, "no export %s", hostileText)},
				{Name: "unfit", Source: "unfit.wasm", Lacks: []string{"low"}, Error: question.Errorf(question.CodeBadPlugin, "it does not fit this dataset: it needs low")},
			},
		},
		Answer: func(context.Context, question.Request) (*question.Answer, error) { return nil, errors.New("none") },
		Draw:   func(*question.Table, *question.Caption) (*question.Drawing, error) { return nil, errors.New("none") },
		Schema: fakeSchema{
			{Name: "state", Title: hostileText, Type: question.String, Role: question.RoleDimension, Dict: []string{"Ohio", hostileText}, Codes: []int32{0, 0, 1}},
			{Name: "year", Type: question.Integer, Role: question.RoleDimension, Integers: []int64{2011, 0, 2023}, Valid: valid},
			{Name: "value", Type: question.Number, Role: question.RoleMeasure, Unit: "%", Numbers: []float64{1.5, -2, 1000}},
		},
		Dataset: question.DatasetInfo{Name: "npao", Title: hostileText, Source: hostileText, License: hostileText, Synthetic: true, Digest: "sha256:00", Rows: 3, Geo: map[string]string{"state": "us-states"}},
		Formats: []question.Format{
			{Name: "original", Title: "JSON", MediaType: "application/json", Extension: "json", Layout: "original"},
			{Name: "csv", Title: "CSV", MediaType: "text/csv", Extension: "csv", Write: func(w io.Writer, table *question.Table, o question.WriteOptions) error {
				_, err := fmt.Fprintf(w, "%d columns of %s, synthetic: %t\n", len(table.Columns), o.Provenance.Dataset, o.Provenance.Synthetic)
				return err
			}},
		},
		Jobs: jobs,
		Counts: func() map[string]question.Counts {
			return map[string]question.Counts{hostileText: {Answers: 1234, Fuel: 5e9, Errors: []question.CodeCount{{Code: question.CodeNoData, Count: 7}}}}
		},
		Limits: func(string) Limits {
			return Limits{Memory: 64 << 20, Result: 4 << 20, Fuel: 1e11, Time: 5 * time.Second}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// visit asks for a path of a site as httpapi does, under the base path /stats.
func visit(t *testing.T, s *Site, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	for _, p := range s.Pages() {
		pattern := p.Path
		if pattern == "/" {
			pattern = "/{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v := View{Base: "https://example.org/stats", Under: "/stats", Fail: func(err error) *question.Error {
				e := question.AsError(err)
				if e.Code.Info().Concealed {
					return &question.Error{Code: e.Code, Reason: e.Code.Info().Text}
				}
				return e
			}}
			if err := p.Serve(w, r, v); err != nil {
				s.ErrorPage(w, r, v, v.Fail(err))
			}
		})
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	mux.ServeHTTP(w, r)
	return w
}

// checkStructure checks what all pages owe to readers of any kind, and that nothing hostile
// became markup.
func checkStructure(t *testing.T, name, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	count, ids, labels := map[string]int{}, map[string]int{}, map[string]bool{}
	var inputs, links []*html.Node
	attr := func(n *html.Node, key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
		switch n.Data {
		case "img", "iframe", "object":
			t.Errorf("%s has <%s>", name, n.Data)
		case "label":
			labels[attr(n, "for")] = true
		case "input", "select", "textarea":
			if attr(n, "type") != "hidden" {
				inputs = append(inputs, n)
			}
		case "a":
			links = append(links, n)
		case "form":
			if a := attr(n, "action"); !strings.HasPrefix(a, "/stats/") && attr(n, "data-send") == "" {
				t.Errorf("%s: a form goes to %q", name, a)
			}
		case "th":
			if attr(n, "scope") == "" {
				t.Errorf("%s: a head of a table without scope", name)
			}
		case "pre":
			if attr(n, "tabindex") != "0" {
				t.Errorf("%s: a <pre> that scrolls cannot be reached with the keyboard", name)
			}
		}
	}
	for what, want := range map[string]int{"h1": 1, "main": 1, "header": 1, "footer": 1, "title": 1, "script": 1} {
		if count[what] != want {
			t.Errorf("%s has %d <%s>, want %d", name, count[what], what, want)
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: %d elements have the id %s", name, n, id)
		}
	}
	for _, n := range inputs {
		if !labels[attr(n, "id")] {
			t.Errorf("%s: <%s id=%q> has no label", name, n.Data, attr(n, "id"))
		}
	}
	for _, n := range links {
		switch href := attr(n, "href"); {
		case strings.HasPrefix(href, "#"):
			if ids[href[1:]] == 0 {
				t.Errorf("%s: there is nothing at %s", name, href)
			}
		case !strings.HasPrefix(href, "/stats/") && !strings.HasPrefix(href, "https://example.org/stats"):
			t.Errorf("%s links %q, which is not below the base path", name, href)
		}
	}
	if strings.ContainsAny(page, "\u202e\x00") {
		t.Errorf("%s has invisible characters as they are", name)
	}
	if strings.Contains(page, "secret") {
		t.Errorf("%s shows a path of this machine", name)
	}
}

func TestPlaces(t *testing.T) {
	jobs := newFakeJobs()
	s := placesSite(t, jobs)
	for _, tt := range []struct {
		target string
		status int
		want   []string
	}{
		{"/jobs", 200, []string{"4 jobs", ">running<", ">no result<", "1 min 30 s", `action="/stats/jobs/` + runningID + `/cancel"`, `action="/stats/jobs/` + failedID + `/retry"`,
			`data-events="/stats/api/jobs/` + runningID + `/events"`, `href="/stats/api/get_results/` + doneID + `"`, "2026-11-29 09:00:00 UTC"}},
		{"/jobs?before=" + runningID, 200, []string{"There are none that are older", "Newest jobs"}},
		{"/jobs?status=failed", 200, []string{`<a href="/stats/jobs?status=failed" aria-current="page">no result</a>`, `<a href="/stats/jobs?status=failed">Look again</a>`, `<a href="/stats/jobs">all</a>`}},
		{"/jobs?status=ended", 400, []string{"<code>bad_request</code>"}},
		{"/jobs?before=x", 400, []string{"<code>bad_id</code>"}},
		{"/jobs/" + runningID, 200, []string{"running", "Cancel", "data-whole", "no plugin answers it now"}},
		{"/jobs/" + doneID, 200, []string{"1 min 30 s", `?format=csv"`, "See it drawn", "Starts"}},
		{"/jobs/" + failedID, 200, []string{"no row of &lt;script&gt;", "Ask again", "no_data", `/stats/jobs/` + doneID, "2 ms"}},
		{"/jobs/" + lostID, 200, []string{"A job whose request was lost", "the store is unavailable"}},
		{"/jobs/01936ac2-5b00-7c3e-9a41-0000000000ff", 404, []string{"probably expired", "2024-11-26 23:15:42 UTC", `href="/stats/q/hostile"`, "unknown_job"}},
		{"/jobs/%3Cscript%3E", 400, []string{"bad_id", "check that it is whole"}},
		{"/plugins", 200, []string{"1,234 answers", "5,000,000,000 units of fuel", "7 × ", "64 MiB of memory", "Refused", "Not for this dataset", "it does not fit this dataset: it needs low", "does not fit this dataset: it needs", "3 MiB", "plugin.wasm"}},
		{"/dataset", 200, []string{"sha256:00", "2011 to 2023", "-2 to 1,000", "Rows without", `href="/stats/dataset.csv"`, "us-states", "(%)"}},
	} {
		w := visit(t, s, http.MethodGet, tt.target)
		page := w.Body.String()
		if w.Code != tt.status || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %d %v", tt.target, w.Code, w.Header())
		}
		for _, want := range tt.want {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not have %q", tt.target, want)
			}
		}
		checkStructure(t, tt.target, page)
	}
}

// A question without a title has its name in lists and headings.
func TestUntitledQuestion(t *testing.T) {
	jobs := newFakeJobs()
	for _, job := range jobs.jobs {
		job.Request = question.Request{Question: "best_of_all"}
	}
	s := placesSite(t, jobs)
	s.cfg.Catalog = fakeCatalog{served: []question.ServedQuestion{{Question: &question.Question{Name: "best_of_all"}, Plugin: "p"}}}
	for target, want := range map[string]string{
		"/jobs":                      `/jobs/` + doneID + `"><bdi>best of all</bdi>`,
		"/jobs/" + doneID:            "<h1><bdi>best of all</bdi></h1>",
		"/jobs/" + doneID[:35] + "f": `href="/stats/q/best_of_all"><bdi>best of all</bdi>`,
	} {
		if page := visit(t, s, http.MethodGet, target).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%s does not have %q: %.3000s", target, want, page)
		}
	}
}

func TestJobForms(t *testing.T) {
	jobs := newFakeJobs()
	s := placesSite(t, jobs)
	if w := visit(t, s, http.MethodPost, "/jobs/"+runningID+"/cancel"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/stats/jobs/"+runningID || !slices.Equal(jobs.cancelled, []string{runningID}) {
		t.Errorf("%d %v %v", w.Code, w.Header(), jobs.cancelled)
	}
	jobs.cancelled2 = question.Errorf(question.CodeAlreadyFinal, "it has ended")
	if w := visit(t, s, http.MethodPost, "/jobs/"+doneID+"/cancel"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/stats/jobs/"+doneID {
		t.Errorf("who is too late: %d %v", w.Code, w.Header())
	}
	jobs.cancelled2 = question.Errorf(question.CodeStoreUnavailable, "/secret")
	if w := visit(t, s, http.MethodPost, "/jobs/"+doneID+"/cancel"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := visit(t, s, http.MethodPost, "/jobs/"+failedID+"/retry"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/stats/jobs/"+failedID || !slices.Equal(jobs.asked, []string{failedID}) {
		t.Errorf("%d %v %v", w.Code, w.Header(), jobs.asked)
	}
	jobs.fails = question.Errorf(question.CodeNotRetryable, "only a failed job can be retried")
	if w := visit(t, s, http.MethodPost, "/jobs/"+failedID+"/retry"); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "only a failed job") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestManyJobs(t *testing.T) {
	jobs := newFakeJobs()
	for range jobsPerPage {
		jobs.jobs = append(jobs.jobs, jobs.jobs[1])
	}
	page := visit(t, placesSite(t, jobs), http.MethodGet, "/jobs").Body.String()
	if !strings.Contains(page, `href="/stats/jobs?before=`+doneID+`" rel="next"`) || strings.Count(page, "<tr") != 1+jobsPerPage {
		t.Errorf("%.3000s", page)
	}
}

func TestDownloadOfTheDataset(t *testing.T) {
	s := placesSite(t, newFakeJobs())
	w := visit(t, s, http.MethodGet, "/dataset.csv")
	if w.Code != 200 || w.Body.String() != "3 columns of npao, synthetic: true\n" || w.Header().Get("Content-Disposition") != "attachment; filename=npao.synthetic.csv" || w.Header().Get("Lestats-Synthetic") != "true" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := visit(t, s, http.MethodGet, "/dataset.csv", "If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := visit(t, s, http.MethodHead, "/dataset.csv"); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A download of the dataset may take longer than a server gives other responses, as long as
// it goes on.
func TestLongDownload(t *testing.T) {
	s, _ := site(t)
	serve := s.download(&question.Format{MediaType: "text/csv", Extension: "csv", Write: func(w io.Writer, _ *question.Table, _ question.WriteOptions) error {
		for range 6 {
			time.Sleep(50 * time.Millisecond)
			if _, err := w.Write(make([]byte, 3*partSize/2)); err != nil {
				return err
			}
		}
		return nil
	}})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r, View{}); err != nil {
			t.Error(err)
		}
	}))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	r, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); err != nil || n != 6*3*partSize/2 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// The script is small, is no other text than its address says, and neither makes HTML nor
// runs text.
func TestScript(t *testing.T) {
	s := placesSite(t, newFakeJobs())
	if len(scriptText) > 10<<10 {
		t.Errorf("the script has %d bytes; it may have 10 KiB", len(scriptText))
	}
	for _, never := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "http://", "https://"} {
		if strings.Contains(scriptText, never) {
			t.Errorf("the script has %s", never)
		}
	}
	w := visit(t, s, http.MethodGet, scriptPath())
	if w.Code != 200 || w.Body.String() != scriptText || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if old := visit(t, s, http.MethodGet, "/script.js?v=old"); old.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("an address of another version: %v", old.Header())
	}
	if again := visit(t, s, http.MethodGet, "/script.js", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("%d", again.Code)
	}
}

func TestDescribeColumn(t *testing.T) {
	many := question.Column{Name: "n", Type: question.Number}
	text := question.Column{Name: "s", Type: question.String, Codes: []int32{1, 1, 0}, Valid: question.Bitmap{0b011}}
	for i := range 300 {
		many.Numbers = append(many.Numbers, float64(i)/2)
		text.Dict = append(text.Dict, fmt.Sprintf("value %03d", i))
	}
	if v := describeColumn(&many); v.Number != 0 || v.Values != nil || v.Range != "0 to 149.5" || v.Missing != 0 {
		t.Errorf("%+v", v)
	}
	if v := describeColumn(&text); v.Number != 300 || len(v.Values) != listedValues || v.More != 100 || v.Missing != 1 || v.Values[1] != (valueView{"value 001", 2}) || v.Values[0].Rows != 0 {
		t.Errorf("%+v", v)
	}
	few := question.Column{Type: question.Integer, Integers: []int64{10, 9, 10, 5}, Valid: question.Bitmap{0b0111}}
	if v := describeColumn(&few); v.Number != 2 || v.Range != "9 to 10" || !slices.Equal(v.Values, []valueView{{"9", 1}, {"10", 2}}) {
		t.Errorf("%+v", v)
	}
	if v := describeColumn(&question.Column{Type: question.Integer}); v.Range != "" || v.Number != 0 {
		t.Errorf("%+v", v)
	}
}
