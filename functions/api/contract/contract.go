// Package contract is what every way of serving the API has to keep: a test calls
// Run with a client of that way. It asks the seed's routes and meets every error
// that a request can cause.
package contract

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Way is a way of serving.
type Way struct {
	Base     string // http://host:port, or whatever stands before a path
	Under    string // the path in links to itself, "/prod"; "" mostly
	Client   *http.Client
	Function bool // a cloud function: nobody may shut it down
	UTF8     bool // other bodies never arrive
}

const (
	obesity = "Percent of adults aged 18 years and older who have obesity"
	unknown = "01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2" // no job of this century's second half
)

// got is a response.
type got struct {
	status int
	header http.Header
	body   []byte
}

func (w *Way) do(t *testing.T, method, path, body string, headers ...string) got {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.Base+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Content-Type" {
			r.Header.Set(name, value)
			continue
		}
		r.Header.Add(name, value)
	}
	resp, err := w.Client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got{resp.StatusCode, resp.Header, b}
}

func (g got) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(g.body, &v); err != nil {
		t.Fatalf("%d %q: %v", g.status, g.body, err)
	}
	return v
}

// result polls as a client of the seed does.
func (w *Way) result(t *testing.T, id string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		g := w.do(t, "GET", "/api/get_results/"+id, "")
		v := g.json(t)
		if g.status != http.StatusOK || v["status"] != "running" {
			return v
		}
	}
	t.Fatalf("job %s did not end within a minute", id)
	return nil
}

// submit starts a job as a client of the seed does and returns its id.
func (w *Way) submit(t *testing.T, name, body string) string {
	t.Helper()
	g := w.do(t, "POST", "/api/"+name, body)
	v := g.json(t)
	id, _ := v["job_id"].(string)
	if g.status != http.StatusAccepted || v["status"] != "running" || id == "" {
		t.Fatalf("POST %s: %d %s", name, g.status, g.body)
	}
	if at := g.header.Get("Location"); at != w.Under+"/api/get_results/"+id {
		t.Errorf("Location %q", at)
	}
	return id
}

// Run checks a way of serving the built-in plugin and sample.
func Run(t *testing.T, w Way) {
	t.Run("pages", w.pages)
	t.Run("questions", w.questions)
	t.Run("forms", w.forms)
	t.Run("headers", w.headers)
	t.Run("list", w.list)
	t.Run("errors", w.errors)
	t.Run("shutdown", w.shutdown)
}

func (w *Way) pages(t *testing.T) {
	for path, want := range map[string]string{
		"/": "text/plain", "/docs": "text/html", "/openapi.json": "application/json",
		"/healthz": "application/json", "/readyz": "application/json", "/api/questions": "application/json",
		"/api/plugins": "application/json", "/api/jobs": "application/json", "/api/num_jobs": "application/json",
	} {
		g := w.do(t, "GET", path, "")
		if g.status != http.StatusOK || !strings.HasPrefix(g.header.Get("Content-Type"), want) || len(g.body) == 0 {
			t.Errorf("GET %s: %d, %s, %.200s", path, g.status, g.header.Get("Content-Type"), g.body)
		}
		if h := w.do(t, "HEAD", path, ""); h.status != http.StatusOK || len(h.body) > 0 {
			t.Errorf("HEAD %s: %d, %d bytes", path, h.status, len(h.body))
		}
	}
	if g := w.do(t, "GET", "/", "", "Accept: text/html"); !bytes.Contains(g.body, []byte("<html")) {
		t.Errorf("the page: %.200s", g.body)
	}
}

// Every question is answered: by the seed's way of asking, and at once.
func (w *Way) questions(t *testing.T) {
	var catalog struct{ Data []question.Offer }
	if err := json.Unmarshal(w.do(t, "GET", "/api/questions", "").body, &catalog); err != nil {
		t.Fatal(err)
	}
	if len(catalog.Data) != 9 {
		t.Errorf("%d questions, want the nine", len(catalog.Data))
	}
	for _, o := range catalog.Data {
		name := o.Question.Name
		body, err := json.Marshal(o.Example.Params)
		if err != nil {
			t.Fatal(err)
		}
		polled := w.result(t, w.submit(t, name, string(body)))
		if data, _ := polled["data"].(map[string]any); polled["status"] != "done" || len(data) == 0 {
			t.Errorf("%s: %v", name, polled)
		}
		waited := w.do(t, "POST", "/api/"+name, string(body), "Prefer: wait=20")
		if v := waited.json(t); waited.status != http.StatusOK || !reflect.DeepEqual(v["data"], polled["data"]) {
			t.Errorf("%s, waited for: %d %.300s", name, waited.status, waited.body)
		}
		if !strings.HasPrefix(waited.header.Get("Content-Location"), w.Under+"/api/get_results/") {
			t.Errorf("%s: Content-Location %q", name, waited.header.Get("Content-Location"))
		}
	}
}

// The forms of a result say the same, binary ones too.
func (w *Way) forms(t *testing.T) {
	id := w.submit(t, "mean_by_category", fmt.Sprintf(`{"question":%q}`, obesity))
	at := "/api/get_results/" + id
	data, _ := w.result(t, id)["data"].(map[string]any)
	if len(data) < 100 {
		t.Fatalf("%d means", len(data))
	}
	var rows struct{ Data []map[string]any }
	if err := json.Unmarshal(w.do(t, "GET", at+"?layout=rows", "").body, &rows); err != nil || len(rows.Data) != len(data) {
		t.Errorf("rows: %d, %v", len(rows.Data), err)
	}
	g := w.do(t, "GET", at, "", "Accept: text/csv")
	if lines, err := csv.NewReader(bytes.NewReader(g.body)).ReadAll(); err != nil || len(lines) != len(data)+1 || !strings.HasPrefix(g.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("CSV: %d lines, %v, %v", len(lines), err, g.header)
	}
	g = w.do(t, "GET", at+"?format=arrow", "")
	if n, err := arrowRows(g.body); err != nil || n != len(data) || g.header.Get("Content-Type") != "application/vnd.apache.arrow.stream" {
		t.Errorf("Arrow: %d rows, %v, %v", n, err, g.header)
	}
	tag := g.header.Get("ETag")
	if g := w.do(t, "GET", at+"?format=arrow", "", "If-None-Match: "+tag); g.status != http.StatusNotModified || len(g.body) > 0 {
		t.Errorf("ETag %s: %d, %d bytes", tag, g.status, len(g.body))
	}
	if g := w.do(t, "HEAD", at+"?format=arrow", ""); g.status != http.StatusOK || g.header.Get("ETag") != tag || len(g.body) > 0 {
		t.Errorf("HEAD: %d, %v", g.status, g.header)
	}
}

func arrowRows(b []byte) (n int, err error) {
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	defer r.Release()
	for r.Next() {
		n += int(r.RecordBatch().NumRows())
	}
	return n, r.Err()
}

// Headers that stand there several times, with commas in them, and in quotes.
func (w *Way) headers(t *testing.T) {
	id := w.submit(t, "global_mean", fmt.Sprintf(`{"question":%q}`, obesity))
	w.result(t, id)
	at := "/api/get_results/" + id
	for _, tt := range []struct {
		want    string
		headers []string
	}{
		{"text/csv", []string{"Accept: application/json;q=0.2, text/csv"}},
		{"text/csv", []string{"Accept: application/json;q=0.2", "Accept: text/csv"}},
		{"application/json", []string{`Accept: text/csv;note="a, b";q=0.1, application/json`}},
		{"text/csv", []string{"Accept: text/csv", "Cookie: a=b; c=d"}},
	} {
		g := w.do(t, "GET", at, "", tt.headers...)
		if g.status != http.StatusOK || !strings.HasPrefix(g.header.Get("Content-Type"), tt.want) {
			t.Errorf("%q: %d %s", tt.headers, g.status, g.header.Get("Content-Type"))
		}
	}
	tag := w.do(t, "GET", at, "").header.Get("ETag")
	if g := w.do(t, "GET", at, "", `If-None-Match: "a,b", `+tag, `If-None-Match: "c"`); g.status != http.StatusNotModified {
		t.Errorf("a list of tags: %d", g.status)
	}
	g := w.do(t, "POST", "/api/global_mean", fmt.Sprintf(`{"question":%q}`, obesity), "Prefer: respond-async", "Prefer: handling=strict, wait=20")
	if g.status != http.StatusOK || g.header.Get("Preference-Applied") != "wait=20" {
		t.Errorf("Prefer on two lines: %d, %v", g.status, g.header)
	}
	if g := w.do(t, "GET", "/healthz", "", "X-Request-Id: mine-1"); g.header.Get("X-Request-Id") != "mine-1" {
		t.Errorf("X-Request-Id: %v", g.header)
	}
}

// Jobs are listed newest first, a page at a time.
func (w *Way) list(t *testing.T) {
	var ids []string
	for range 3 {
		id := w.submit(t, "best5", fmt.Sprintf(`{"question":%q}`, obesity))
		w.result(t, id)
		ids = append(ids, id)
	}
	g := w.do(t, "GET", "/api/jobs?limit=2", "")
	v := g.json(t)
	data, _ := v["data"].([]any)
	if len(data) != 2 || !reflect.DeepEqual(data[0], map[string]any{ids[2]: "done"}) || !reflect.DeepEqual(data[1], map[string]any{ids[1]: "done"}) {
		t.Fatalf("%s; want %v", g.body, ids)
	}
	if link := g.header.Get("Link"); !strings.HasPrefix(link, "<"+w.Under+"/api/jobs?before="+ids[1]) {
		t.Errorf("Link %q", link)
	}
	next, _ := v["next"].(string)
	if data, _ := w.do(t, "GET", next, "").json(t)["data"].([]any); len(data) == 0 || !reflect.DeepEqual(data[0], map[string]any{ids[0]: "done"}) {
		t.Errorf("the next page: %v", data)
	}
	if v := w.do(t, "GET", "/api/num_jobs", "").json(t); v["data"] != 0.0 {
		t.Errorf("num_jobs: %v", v)
	}
}

// Every error that a request can cause has its status and its shape.
func (w *Way) errors(t *testing.T) {
	done := w.submit(t, "best5", fmt.Sprintf(`{"question":%q}`, obesity))
	w.result(t, done)
	ask := fmt.Sprintf(`{"question":%q}`, obesity)
	for _, tt := range []struct {
		method, path, body string
		headers            []string
		status             int
		code               question.Code
	}{
		{"POST", "/api/states_mean", `{"question":`, nil, 400, question.CodeMalformedJSON},
		{"POST", "/api/states_mean", `[]`, nil, 400, question.CodeMalformedJSON},
		{"POST", "/api/states_mean", "", nil, 400, question.CodeMalformedJSON},
		{"POST", "/api/states_mean", "\xff\xfe", nil, 400, question.CodeMalformedJSON},
		{"POST", "/api/states_mean", `{"question":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413, question.CodeBodyTooLarge},
		{"POST", "/api/states_mean", ask, []string{"Content-Type: text/plain"}, 415, question.CodeUnsupportedMediaType},
		{"POST", "/api/states_mean", "a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, question.CodeUnsupportedMediaType},
		{"POST", "/api/states_mean", "\x1f\x8b\x08\x00", []string{"Content-Encoding: gzip"}, 415, question.CodeUnsupportedMediaType},
		{"POST", "/api/states_mean", ask, []string{"Sec-Fetch-Site: cross-site"}, 403, question.CodeForbidden},
		{"POST", "/api/states_mean?wait=soon", ask, nil, 400, question.CodeBadRequest},
		{"POST", "/api/states_mean?wait=1&wait=2", ask, nil, 400, question.CodeBadRequest},
		{"POST", "/api/states_mean?colour=red", ask, nil, 400, question.CodeBadRequest},
		{"POST", "/api/no_such_question", ask, nil, 404, question.CodeUnknownQuestion},
		{"POST", "/api/states_mean", `{}`, nil, 400, question.CodeMissingParameter},
		{"POST", "/api/states_mean", `{"question":1}`, nil, 400, question.CodeBadParameter},
		{"POST", "/api/states_mean", `{"question":"nobody asked this"}`, nil, 400, question.CodeUnknownValue},
		{"POST", "/api/states_mean", `{"question":"` + obesity + `","state":"Ohio"}`, nil, 400, question.CodeUnknownParameter},
		{"POST", "/api/states_mean", `{"question":"` + obesity + `","where":{"location":"Ohia"}}`, nil, 400, question.CodeUnknownValue},
		{"GET", "/api/states_mean", "", nil, 405, question.CodeMethodNotAllowed},
		{"PUT", "/api/jobs", "", nil, 405, question.CodeMethodNotAllowed},
		{"PATCH", "/healthz", "", nil, 405, question.CodeMethodNotAllowed},
		{"GET", "/nowhere", "", nil, 404, question.CodeUnknownRoute},
		{"GET", "/api/get_results/1%3Fa%25", "", nil, 400, question.CodeBadID},
		{"GET", "/api/get_results/job_id_1", "", nil, 400, question.CodeBadID},
		{"GET", "/api/get_results/" + unknown, "", nil, 404, question.CodeUnknownJob},
		{"GET", "/api/get_results/" + done + "?format=xml", "", nil, 400, question.CodeBadRequest},
		{"GET", "/api/get_results/" + done, "", []string{"Accept: image/png"}, 406, question.CodeNotAcceptable},
		{"GET", "/api/jobs?limit=0", "", nil, 400, question.CodeBadRequest},
		{"GET", "/api/jobs?before=x", "", nil, 400, question.CodeBadID},
		{"DELETE", "/api/jobs/" + done, "", nil, 409, question.CodeAlreadyFinal},
		{"DELETE", "/api/jobs/" + unknown, "", nil, 404, question.CodeUnknownJob},
		{"POST", "/api/jobs/" + done + "/retry", "", nil, 409, question.CodeNotRetryable},
	} {
		if w.UTF8 && !utf8.ValidString(tt.body) {
			continue
		}
		g := w.do(t, tt.method, tt.path, tt.body, tt.headers...)
		wantError(t, tt.method+" "+tt.path, g, tt.status, tt.code)
		if tt.code == question.CodeMethodNotAllowed && g.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.path)
		}
	}
	// A job without a result has ended, with what is wrong in its outcome.
	none := fmt.Sprintf(`{"question":%q,"where":{"year":{"min":1900,"max":1901}}}`, obesity)
	id := w.submit(t, "global_mean", none)
	if v := w.result(t, id); v["status"] != "error" || v["code"] != string(question.CodeNoData) || v["job_id"] != id {
		t.Errorf("no data: %v", v)
	}
	wantError(t, "no data", w.do(t, "POST", "/api/global_mean?wait=20", none), 422, question.CodeNoData)
	again := w.do(t, "POST", "/api/jobs/"+id+"/retry", "").json(t)
	if again["retry_of"] != id || again["job_id"] == id {
		t.Errorf("retry: %v", again)
	}
}

func wantError(t *testing.T, what string, g got, status int, code question.Code) {
	t.Helper()
	v := g.json(t)
	_, hint := v["hint"].([]any)
	if reason, _ := v["reason"].(string); g.status != status || v["status"] != "error" || v["code"] != string(code) || reason == "" || !hint {
		t.Errorf("%s: %d %.300s; want %d %s", what, g.status, g.body, status, code)
	}
}

func (w *Way) shutdown(t *testing.T) {
	if !w.Function { // a server that is shut down is of no use to other tests
		wantError(t, "graceful_shutdown", w.do(t, "POST", "/api/graceful_shutdown", "", "Authorization: Bearer wrong"), 403, question.CodeForbidden)
		return
	}
	for _, method := range []string{"GET", "POST"} {
		wantError(t, "graceful_shutdown", w.do(t, method, "/api/graceful_shutdown", ""), 409, question.CodeNotHere)
	}
}
