// Package contract is what every way of serving the API has to keep: a test calls
// Run with a client of that way. It asks the original's routes and meets every error
// that a request can cause.
package contract

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
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
	Last     bool // of a header or a parameter that is sent twice, the last arrives alone
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

// result polls as a client of the original does.
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

// submit starts a job as a client of the original does and returns its id.
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

// gets asks for answers without a job.
func (w *Way) gets(t *testing.T) {
	job := w.result(t, w.submit(t, "states_mean", fmt.Sprintf(`{"question":%q,"where":{"year":[2020,2021]}}`, obesity)))
	query := "?question=" + url.QueryEscape(obesity) + "&where.year=2021&where.year=2020"
	if w.Last { // one of them is lost
		query = strings.Replace(query, "&where.year=2021&where.year=2020", "&where.year.min=2020&where.year.max=2021", 1)
	}
	g := w.do(t, "GET", "/api/states_mean.json"+query, "")
	answer := g.json(t)
	if g.status != http.StatusOK || answer["job_id"] != nil || !reflect.DeepEqual(answer["data"], job["data"]) ||
		!w.Last && !reflect.DeepEqual(answer["receipt"], job["receipt"]) {
		t.Fatalf("%d %.500s\nthe job's: %v", g.status, g.body, job)
	}
	receipt, _ := answer["receipt"].(map[string]any)
	pins := fmt.Sprint("&_dataset=", receipt["dataset"], "&_plugin=", receipt["plugin"])
	for _, tt := range []struct{ path, accept, contentType, begins, control string }{
		{".json" + query, "text/csv", "application/json", `{"status":"done","data":{`, "no-cache"},
		{".csv" + query, "", "text/csv", "location,mean,synthetic", "no-cache"},
		{".arrow" + query, "", "application/vnd.apache.arrow.stream", "\xff\xff\xff\xff", "no-cache"},
		{".svg" + query + "&_theme=dark", "", "image/svg+xml", "<svg", "no-cache"},
		{query, "text/csv", "text/csv", "location,mean,synthetic", "private, no-cache"},
		{query + "&_layout=rows", "text/csv", "application/json; layout=rows", `{"status":"done","data":[{`, "private, no-cache"},
		{".csv" + query + pins, "", "text/csv", "location,mean,synthetic", "max-age=86400"},
	} {
		path := "/api/states_mean" + tt.path
		headers := []string{"Accept-Encoding: identity"}
		if tt.accept != "" {
			headers = append(headers, "Accept: "+tt.accept)
		}
		g := w.do(t, "GET", path, "", headers...)
		tag := g.header.Get("ETag")
		if g.status != http.StatusOK || !strings.HasPrefix(g.header.Get("Content-Type"), tt.contentType) || !bytes.HasPrefix(g.body, []byte(tt.begins)) ||
			g.header.Get("Cache-Control") != tt.control || !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("%s: %d %v %.300s", path, g.status, g.header, g.body)
		}
		head := w.do(t, "HEAD", path, "", headers...)
		if head.status != http.StatusOK || head.header.Get("Content-Length") != strconv.Itoa(len(g.body)) || len(head.body) > 0 || head.header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %d %v of %d bytes", path, head.status, head.header, len(g.body))
		}
		if same := w.do(t, "GET", path, "", append(headers, "If-None-Match: "+tag)...); same.status != http.StatusNotModified || same.header.Get("ETag") != tag || len(same.body) > 0 {
			t.Errorf("%s, again: %d %v", path, same.status, same.header)
		}
		if star := w.do(t, "GET", path, "", append(headers, "If-None-Match: *")...); star.status != http.StatusOK || !bytes.Equal(star.body, g.body) {
			t.Errorf("%s, *: %d %v", path, star.status, star.header)
		}
		small := w.do(t, "GET", path, "", append(headers[1:], "Accept-Encoding: gzip")...)
		if small.header.Get("Content-Encoding") == "" { // too small, or a REST API, which compresses by itself
			if !bytes.Equal(small.body, g.body) {
				t.Errorf("%s: %d %v %.300s", path, small.status, small.header, small.body)
			}
			continue
		}
		unzip, err := gzip.NewReader(bytes.NewReader(small.body))
		if err != nil || small.header.Get("Content-Encoding") != "gzip" || len(small.body) >= len(g.body) || small.header.Get("ETag") != tag {
			t.Errorf("%s, compressed: %d %v, %d of %d bytes, %v", path, small.status, small.header, len(small.body), len(g.body), err)
			continue
		}
		if b, err := io.ReadAll(unzip); err != nil || !bytes.Equal(b, g.body) {
			t.Errorf("%s, compressed: %v, %d bytes, want %d", path, err, len(b), len(g.body))
		}
	}
}

// Run checks a way of serving the built-in plugin and sample.
func Run(t *testing.T, w Way) {
	t.Run("GET", w.gets)
	t.Run("pages", w.pages)
	t.Run("questions", w.questions)
	t.Run("assistant", w.assistant)
	t.Run("forms", w.forms)
	t.Run("repeats", w.repeats)
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
	page := w.do(t, "GET", "/", "", "Accept: text/html")
	if !bytes.Contains(page.body, []byte("<html")) {
		t.Errorf("the page: %.200s", page.body)
	}
	// Links lead where the client came from.
	for where, g := range map[string]got{`"` + w.Under + `/docs"`: page, " " + w.Under + "/docs": w.do(t, "GET", "/", ""), `"` + w.Under + `/openapi.json"`: w.do(t, "GET", "/docs", "")} {
		if !bytes.Contains(g.body, []byte(where)) {
			t.Errorf("no link to %s in %s", where, g.body)
		}
	}
	var document struct{ Servers []struct{ URL string } }
	if err := json.Unmarshal(w.do(t, "GET", "/openapi.json", "").body, &document); err != nil || len(document.Servers) != 1 || document.Servers[0].URL != cmp.Or(w.Under, "/") {
		t.Errorf("openapi.json is about %v, %v; want %q", document, err, w.Under)
	}
}

// An assistant lists the tools and calls one, each with a POST that is answered with JSON.
func (w *Way) assistant(t *testing.T) {
	for message, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`: `"name":"states_mean"`,
		`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"states_mean","arguments":{"question":"` + obesity + `"}}}`: `"structuredContent":{"status":"done","data":[{"location":`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"states_mean","arguments":{"question":"obesity"}}}`:           `"isError":true`,
	} {
		g := w.do(t, "POST", "/mcp", message, "Content-Type: application/json", "Accept: application/json, text/event-stream", "Mcp-Protocol-Version: 2025-06-18")
		if g.status != http.StatusOK || g.header.Get("Content-Type") != "application/json" || !bytes.Contains(g.body, []byte(want)) {
			t.Errorf("%s: %d, %s, %.300s", message, g.status, g.header.Get("Content-Type"), g.body)
		}
	}
	if g := w.do(t, "POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "Content-Type: application/json"); g.status != http.StatusAccepted || len(g.body) > 0 {
		t.Errorf("a notification: %d, %.300s", g.status, g.body)
	}
	for _, method := range []string{"GET", "DELETE"} { // there are no streams and no sessions
		if g := w.do(t, method, "/mcp", ""); g.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, %.300s", method, g.status, g.body)
		}
	}
}

// Every question is answered: by the original's way of asking, and at once.
func (w *Way) questions(t *testing.T) {
	var catalog struct{ Data []question.ServedQuestion }
	if err := json.Unmarshal(w.do(t, "GET", "/api/questions", "").body, &catalog); err != nil {
		t.Fatal(err)
	}
	if len(catalog.Data) != 13 {
		t.Errorf("%d questions, want the nine and the four of plugins/estimates", len(catalog.Data))
	}
	for _, o := range catalog.Data {
		name := o.Question.Name
		body, err := json.Marshal(o.Example.Params)
		if err != nil {
			t.Fatal(err)
		}
		polled := w.result(t, w.submit(t, name, string(body)))
		held := 0
		switch data := polled["data"].(type) {
		case map[string]any:
			held = len(data)
		case []any: // the layout rows
			held = len(data)
		}
		if polled["status"] != "done" || held == 0 {
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

// repeats sends a request again with the same Idempotency-Key, and another one.
func (w *Way) repeats(t *testing.T) {
	key := fmt.Sprintf("Idempotency-Key: contract-%d", time.Now().UnixNano())
	body := fmt.Sprintf(`{"question":%q}`, obesity)
	first := w.do(t, "POST", "/api/global_mean", body, key)
	if first.status != http.StatusAccepted || first.header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("first: %d %v %s", first.status, first.header, first.body)
	}
	again := w.do(t, "POST", "/api/global_mean", body, key)
	if again.status != http.StatusAccepted || again.header.Get("Idempotency-Replayed") != "true" || again.json(t)["job_id"] != first.json(t)["job_id"] {
		t.Errorf("again: %d %v %s, after %s", again.status, again.header, again.body, first.body)
	}
	wantError(t, "another request", w.do(t, "POST", "/api/states_mean", body, key), http.StatusUnprocessableEntity, question.CodeKeyReused)
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
	if g := w.do(t, "GET", at, "", `If-None-Match: "a,b", `+tag, `If-None-Match: "c"`); g.status != http.StatusNotModified && !w.Last {
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
		{"POST", "/nowhere", strings.Repeat("x", 70_000), nil, 404, question.CodeUnknownRoute},
		{"PUT", "/api/jobs", strings.Repeat("x", 70_000), nil, 405, question.CodeMethodNotAllowed},
		{"DELETE", "/api/jobs/" + unknown, strings.Repeat("x", 70_000), nil, 413, question.CodeBodyTooLarge},
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
		{"PUT", "/api/states_mean", "", nil, 405, question.CodeMethodNotAllowed},
		{"GET", "/api/states_mean", "", nil, 400, question.CodeMissingParameter},
		{"GET", "/api/states_mean.csv?question=nobody+asked+this", "", nil, 400, question.CodeUnknownValue},
		{"GET", "/api/states_mean.csv?colour=red", "", nil, 400, question.CodeUnknownParameter},
		{"GET", "/api/states_mean?_colour=red", "", nil, 400, question.CodeBadRequest},
		{"GET", "/api/states_mean?where.location=Ohia&question=" + url.QueryEscape(obesity), "", nil, 400, question.CodeUnknownValue},
		{"GET", "/api/states_mean.xml", "", nil, 404, question.CodeUnknownRoute},
		{"GET", "/api/states_men.csv", "", nil, 404, question.CodeUnknownQuestion},
		{"GET", "/api/states_mean?_plugin=sha256:" + strings.Repeat("0", 64), "", nil, 404, question.CodeUnknownDigest},
		{"GET", "/api/states_mean?question=" + strings.Repeat("x", 8000), "", nil, 414, question.CodeURLTooLong},
		{"GET", "/api/states_mean?question=x", "", []string{"Accept: image/png"}, 406, question.CodeNotAcceptable},
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
		if w.UTF8 && !utf8.ValidString(tt.body) || w.Last && strings.Count(tt.path, "wait=") > 1 {
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
		wantError(t, "graceful_shutdown", w.do(t, method, "/api/graceful_shutdown", ""), 403, question.CodeForbidden)
	}
}
