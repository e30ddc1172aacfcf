package httpapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	id1      = "01936ac2-5b00-7c3e-9a41-000000000001"
	id2      = "01936ac2-5b00-7c3e-9a41-000000000002"
	prov     = `{"dataset":"npao","dataset_digest":"sha256:00000000000000000000000000000000000000000000000000000000000000da","synthetic":true,"plugin":"sportifs","plugin_version":"1.0.0","plugin_digest":"sha256:00000000000000000000000000000000000000000000000000000000000000b1","rows_selected":3}`
	original = `{"status":"done","data":{"Utah":24.1,"Ohio":33.2},"job_id":"` + id1 + `","question":"states_mean","units":{"mean":"%"},"provenance":` + prov + "}\n"
	rows     = `{"status":"done","data":[{"location":"Utah","mean":24.1},{"location":"Ohio","mean":33.2}],"job_id":"` + id1 + `","question":"states_mean","units":{"mean":"%"},"provenance":` + prov + "}\n"

	running = `{"status":"running","job_id":"` + id1 + "\"}\n"
)

func TestSubmit(t *testing.T) {
	for name, headers := range map[string][]string{
		"no content type":        nil,
		"json":                   {"Content-Type: application/json"},
		"with a charset":         {"Content-Type: Application/JSON; charset=utf-8"},
		"plain":                  {"Content-Encoding: identity"},
		"does not wait":          {"Prefer: respond-async", "Accept: image/png"},
		"a wait nobody can read": {"Prefer: wait=soon"},
		"waits for nothing":      {"Prefer: wait=0"},
		"same origin":            {"Sec-Fetch-Site: same-origin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			w := s.do("POST", "/api/states_mean", `{"question":"obesity","where":{"year":2020}}`, headers...)
			wantBody(t, w, http.StatusAccepted, running)
			applied := map[string]string{"does not wait": "respond-async", "waits for nothing": "wait=0"}[name]
			if l := w.Header().Get("Location"); l != "/api/get_results/"+id1 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Preference-Applied") != applied {
				t.Errorf("headers %v", w.Header())
			}
			req := s.jobs.jobs[0].Request
			if req.Question != "states_mean" || req.Params["question"] != "obesity" || len(req.Where) != 1 {
				t.Errorf("%+v was asked", req)
			}
		})
	}
}

// The wait of a client that prefers respond-async ends with a job.
func TestRespondAsync(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.MaxWait = time.Second })
	w := s.do("POST", "/api/states_mean", ask, "Prefer: respond-async, wait=5")
	wantBody(t, w, http.StatusAccepted, running)
	if got := w.Header().Get("Preference-Applied"); got != "respond-async, wait=1" {
		t.Errorf("Preference-Applied: %q", got)
	}
	w = s.do("POST", "/api/states_mean?wait=0", ask, "Prefer: wait=9, respond-async")
	if got := w.Header().Get("Preference-Applied"); w.Code != http.StatusAccepted || got != "respond-async" {
		t.Errorf("the query decides: %d, Preference-Applied: %q", w.Code, got)
	}
	w = s.do("GET", "/api/get_results/"+id1, "", "Prefer: respond-async")
	wantBody(t, w, http.StatusOK, running) // as in the original
	if got := w.Header().Get("Preference-Applied"); got != "" {
		t.Errorf("Preference-Applied: %q", got)
	}
}

// A request with the key of an earlier one gets its job, in the same form.
func TestIdempotencyKey(t *testing.T) {
	s := serve(t)
	s.jobs.answer = &done
	for i, key := range []string{"k-1", `"k-1"`, " k-1 "} {
		w := s.do("POST", "/api/states_mean", `{"question":"obesity"}`, "Idempotency-Key: "+key)
		wantBody(t, w, http.StatusAccepted, running)
		if got := w.Header().Get("Idempotency-Replayed"); (got == "true") != (i > 0) || w.Header().Get("Location") != "/api/get_results/"+id1 {
			t.Errorf("%s: %v", key, w.Header())
		}
	}
	w := s.do("POST", "/api/states_mean?wait=5", `{"where":{},"question":"obesity"}`, "Idempotency-Key: k-1") // the same, in other words
	wantBody(t, w, http.StatusOK, original)
	wantError(t, s.do("POST", "/api/states_mean", `{"question":"other"}`, "Idempotency-Key: k-1"), http.StatusUnprocessableEntity, question.CodeKeyReused)
	wantBody(t, s.do("POST", "/api/states_mean", `{"question":"other"}`, `Idempotency-Key: "k\\\"2"`), http.StatusAccepted, strings.Replace(running, id1, id2, 1))
	if once := s.jobs.once[`k\"2`]; once == nil {
		t.Errorf("the keys are %v", s.jobs.once)
	}
	if n := len(s.jobs.jobs); n != 2 {
		t.Errorf("%d jobs, want 2", n)
	}
	for _, bad := range []string{"", `""`, `"`, `"a`, `a b`, "a\tb", "é", `"a"b"`, `"a\b"`, `"a";p=1`, strings.Repeat("k", 256)} {
		e := wantError(t, s.do("POST", "/api/states_mean", ask, "Idempotency-Key: "+bad), http.StatusBadRequest, question.CodeBadRequest)
		if e.Param != "Idempotency-Key" || regexp.MustCompile(httpapi.OncePattern).MatchString(bad) {
			t.Errorf("%q: %v", bad, e)
		}
	}
	wantError(t, s.do("POST", "/api/states_mean", ask, "Idempotency-Key: a", "Idempotency-Key: b"), http.StatusBadRequest, question.CodeBadRequest)
	for _, good := range []string{strings.Repeat("k", 255), `"k\\\""`, `a"b`} {
		if w := s.do("POST", "/api/states_mean", ask, "Idempotency-Key: "+good); w.Code != http.StatusAccepted || !regexp.MustCompile(httpapi.OncePattern).MatchString(good) {
			t.Errorf("%q: %d %s", good, w.Code, w.Body)
		}
	}
	s.jobs.answer = &failed
	job := s.finished(t, failed)
	one, two := s.do("POST", "/api/jobs/"+job+"/retry", "", "Idempotency-Key: r"), s.do("POST", "/api/jobs/"+job+"/retry", "", "Idempotency-Key: r")
	if one.Body.String() != two.Body.String() || one.Code != http.StatusAccepted || two.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s, then %d %s", one.Code, one.Body, two.Code, two.Body)
	}
	wantError(t, s.do("POST", "/api/states_mean", ask, "Idempotency-Key: r"), http.StatusUnprocessableEntity, question.CodeKeyReused)
}

func TestSubmitWithoutABody(t *testing.T) {
	s := serve(t)
	r := httptest.NewRequest("POST", "/api/states_mean", nil)
	r.Body = nil // as an adapter may leave it
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	wantError(t, w, http.StatusBadRequest, question.CodeMalformedJSON)
}

func TestSubmitAndWait(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		headers      []string
		answer       question.Job
		status       int
		body         string
		applied      string
	}{
		{"Prefer", "/api/states_mean", []string{"Prefer: respond-async, wait=10"}, done, 200, original, "wait=10"},
		{"Prefer, as grammar allows", "/api/states_mean", []string{`Prefer: foo="a, wait=5"`, `Prefer: WAIT = "3" ; x=y, wait=9`}, done, 200, original, "wait=3"},
		{"as the Lambda adapter splits it", "/api/states_mean", []string{"Prefer: respond-async", "Prefer:  wait=10"}, done, 200, original, "wait=10"},
		{"longer than is granted", "/api/states_mean", []string{"Prefer: wait=4000000000"}, done, 200, original, "wait=30"},
		{"query", "/api/states_mean?wait=10", nil, done, 200, original, ""},
		{"rows", "/api/states_mean?wait=10&layout=rows", nil, done, 200, rows, ""},
		{"CSV", "/api/states_mean?wait=10", []string{"Accept: text/csv"}, done, 200, "location,mean,synthetic\r\nUtah,24.1,true\r\nOhio,33.2,true\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			s.jobs.answer = &tt.answer
			w := s.do("POST", tt.target, ask, tt.headers...)
			wantBody(t, w, tt.status, tt.body)
			if got := w.Header().Get("Preference-Applied"); got != tt.applied {
				t.Errorf("Preference-Applied: %q, want %q", got, tt.applied)
			}
			if got := w.Header().Get("Content-Location"); got != "/api/get_results/"+id1 {
				t.Errorf("Content-Location: %q", got)
			}
		})
	}
}

func TestSubmitAndWaitForAFailure(t *testing.T) {
	s := serve(t)
	s.jobs.answer = &failed
	e := wantError(t, s.do("POST", "/api/states_mean", ask, "Prefer: wait=1"), http.StatusUnprocessableEntity, question.CodeNoData)
	if e.JobID != id1 || e.Param != "state" || !reflect.DeepEqual(e.Hint, []string{"Ohio"}) {
		t.Errorf("%+v", e)
	}
}

func TestWaitEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		start := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			s.jobs.end(id1, done)
		}()
		wantBody(t, s.do("POST", "/api/states_mean", ask, "Prefer: wait=10"), http.StatusOK, original)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("waited %v", d)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *httpapi.Config) { c.MaxWait = 2 * time.Second })
		start := time.Now()
		w := s.do("POST", "/api/states_mean", ask, "Prefer: wait=100")
		wantBody(t, w, http.StatusAccepted, running)
		if w.Header().Get("Preference-Applied") != "wait=2" || w.Header().Get("Location") == "" {
			t.Errorf("headers %v", w.Header())
		}
		wantBody(t, s.do("GET", "/api/get_results/"+id1+"?wait=100", ""), http.StatusOK, running)
		if d := time.Since(start); d != 4*time.Second {
			t.Errorf("waited %v, want twice 2 s", d)
		}
	})
}

// A client that leaves ends the wait, but never interrupts the acceptance.
func TestClientLeaves(t *testing.T) {
	s := serve(t)
	s.jobs.contexts = make(chan error)
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequest("POST", "/api/states_mean", strings.NewReader(ask)).WithContext(ctx)
	r.Header.Set("Prefer", "wait=30")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.ServeHTTP(httptest.NewRecorder(), r)
	}()
	leave()
	s.jobs.contexts <- nil
	if err := <-s.jobs.contexts; err != nil {
		t.Errorf("Submit's context: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the wait goes on although the client has left")
	}
	if n, _ := s.jobs.Unfinished(t.Context()); n != 1 {
		t.Errorf("%d jobs, want the one that was accepted", n)
	}
	if !strings.Contains(s.log.String(), `"client_left":true`) {
		t.Errorf("log: %s", s.log)
	}
}

func TestAnAcceptedJobKeepsItsID(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.Jobs = &waitFails{fakeJobs: newJobs()} })
	w := s.do("POST", "/api/states_mean", ask, "Prefer: wait=1")
	wantBody(t, w, http.StatusAccepted, running)
	if !strings.Contains(s.log.String(), "disk on fire") {
		t.Errorf("log: %s", s.log)
	}
}

type waitFails struct{ *fakeJobs }

func (*waitFails) Wait(context.Context, string) (*question.Job, error) {
	return nil, question.Errorf(question.CodeStoreUnavailable, "disk on fire")
}

func TestResults(t *testing.T) {
	const csvBody = "location,mean,synthetic\r\nUtah,24.1,true\r\nOhio,33.2,true\r\n"
	for _, tt := range []struct{ name, query, accept, contentType, body string }{
		{"the original's", "", "", "application/json", original},
		{"curl", "", "*/*", "application/json", original},
		{"a browser", "", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json", original},
		{"JSON", "", "application/json", "application/json", original},
		{"JSON rows", "", "application/json; layout=rows", "application/json; layout=rows", rows},
		{"JSON rows by query", "?layout=rows", "text/csv", "application/json; layout=rows", rows},
		{"the layout's first name", "?layout=seed", "", "application/json", original},
		{"the layout's first name in Accept", "", "application/json;layout=rows;q=0.5, application/json;layout=seed", "application/json", original},
		{"all of the query", "?format=json&layout=original&wait=1", "text/csv", "application/json", original},
		{"CSV", "", "text/csv", "text/csv; charset=utf-8; header=present", csvBody},
		{"CSV by query", "?format=csv", "application/json", "text/csv; charset=utf-8; header=present", csvBody},
		{"CSV with a comment", "?format=csv&note=comment", "", "text/csv; charset=utf-8; header=present",
			"# SYNTHETIC: the figures of \"npao\" are generated, not real.\r\nlocation,mean\r\nUtah,24.1\r\nOhio,33.2\r\n"},
		{"CSV without a note", "?note=none", "text/csv", "text/csv; charset=utf-8; header=present", "location,mean\r\nUtah,24.1\r\nOhio,33.2\r\n"},
		{"CSV with a column", "?format=csv&note=column", "", "text/csv; charset=utf-8; header=present", csvBody},
		{"CSV rather than JSON", "", "application/json;q=0.5, text/*", "text/csv; charset=utf-8; header=present", csvBody},
		{"CSV, else anything", "", "text/csv, */*", "text/csv; charset=utf-8; header=present", csvBody},
		{"CSV or JSON: ours first", "", "text/csv, application/json", "application/json", original},
		{"rows, else JSON", "", "application/json, application/json;layout=rows", "application/json; layout=rows", rows},
		{"anything but JSON", "", "*/*, application/json;q=0", "text/csv; charset=utf-8; header=present", csvBody},
		{"over several lines", "", "image/png\ntext/csv", "text/csv; charset=utf-8; header=present", csvBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			var headers []string
			if tt.accept != "" {
				for line := range strings.SplitSeq(tt.accept, "\n") {
					headers = append(headers, "Accept: "+line)
				}
			}
			id := s.finished(t, done)
			w := s.do("GET", "/api/get_results/"+id+tt.query, "", headers...)
			wantBody(t, w, http.StatusOK, tt.body)
			if got := w.Header().Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type %q, want %q", got, tt.contentType)
			}
			if w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Vary") != "Accept, Prefer" {
				t.Errorf("headers %v", w.Header())
			}
			head := s.do("HEAD", "/api/get_results/"+id+tt.query, "", headers...)
			want := w.Header().Clone()
			want.Set("X-Request-Id", head.Header().Get("X-Request-Id"))
			if head.Code != http.StatusOK || head.Body.Len() > 0 || !reflect.DeepEqual(head.Header(), want) {
				t.Errorf("HEAD: %d, %d bytes, %v", head.Code, head.Body.Len(), head.Header())
			}
		})
	}
}

func TestResultAsAFile(t *testing.T) {
	s := serve(t)
	w := s.do("GET", "/api/get_results/"+s.finished(t, done)+"?format=csv", "")
	if h := w.Header(); h.Get("Content-Disposition") != "attachment; filename=states_mean.synthetic.csv" ||
		h.Get("Lestats-Dataset") != "npao" || h.Get("Lestats-Synthetic") != "true" {
		t.Errorf("headers %v", h)
	}
	if lines, err := csv.NewReader(w.Body).ReadAll(); err != nil || len(lines) != 3 {
		t.Errorf("%v, %v", lines, err)
	}
	measured := done
	measured.Provenance = &question.Provenance{Dataset: "npao"}
	w = s.do("GET", "/api/get_results/"+s.finished(t, measured), "", "Accept: application/vnd.apache.arrow.stream")
	if h := w.Header(); h.Get("Content-Disposition") != "attachment; filename=states_mean.arrow" || h.Get("Lestats-Synthetic") != "false" {
		t.Errorf("headers %v", h)
	}
	r, err := ipc.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() || r.RecordBatch().NumRows() != 2 {
		t.Error("the stream has not the two rows")
	}
}

func TestResultWithoutProvenance(t *testing.T) {
	s := serve(t)
	bare := question.Job{Status: question.Done, Result: &question.Table{Layout: question.LayoutRecord, Columns: []question.Column{
		{Name: "global_mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{34.4}},
	}}}
	wantBody(t, s.do("GET", "/api/get_results/"+s.finished(t, bare), ""), http.StatusOK,
		`{"status":"done","data":{"global_mean":34.4},"job_id":"`+id1+`","question":"states_mean"}`+"\n")
}

func TestResultsOfARunningJob(t *testing.T) {
	s := serve(t)
	id := s.submit(t)
	w := s.do("GET", "/api/get_results/"+id, "")
	wantBody(t, w, http.StatusOK, running)
	if h := w.Header(); h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Retry-After") != "1" {
		t.Errorf("headers %v", h)
	}
	// 200 would pass this off as CSV.
	wantBody(t, s.do("GET", "/api/get_results/"+id, "", "Accept: text/csv"), http.StatusAccepted, running)
	w = s.do("GET", "/api/get_results/"+id, "", "Prefer: wait=0")
	wantBody(t, w, http.StatusOK, running)
	if w.Header().Get("Preference-Applied") != "wait=0" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestResultsOfAJobWithoutResult(t *testing.T) {
	s := serve(t)
	for _, accept := range []string{"*/*", "text/csv"} {
		e := wantError(t, s.do("GET", "/api/get_results/"+s.finished(t, failed), "", "Accept: "+accept), http.StatusUnprocessableEntity, question.CodeNoData)
		if !strings.HasPrefix(e.JobID, "01936ac2") {
			t.Errorf("%+v names no job", e)
		}
		wantError(t, s.do("GET", "/api/get_results/"+s.finished(t, cancelled), ""), http.StatusGone, question.CodeCancelled)
	}
	wantError(t, s.do("GET", "/api/get_results/"+s.finished(t, question.Job{Status: question.Failed}), ""), 500, question.CodeInternal)
	wantError(t, s.do("GET", "/api/get_results/"+s.finished(t, question.Job{Status: question.Done}), ""), 500, question.CodeInternal)
}

func TestNotModified(t *testing.T) {
	s := serve(t)
	id := s.finished(t, done)
	tags := map[string]bool{}
	for _, query := range []string{"", "?layout=rows", "?format=csv", "?format=csv&note=comment", "?format=csv&note=none", "?format=arrow"} {
		w := s.do("GET", "/api/get_results/"+id+query, "")
		tag := w.Header().Get("ETag")
		tags[tag] = true
		for _, given := range []string{tag, strings.TrimPrefix(tag, "W/"), `"x", ` + tag, "*"} {
			w := s.do("GET", "/api/get_results/"+id+query, "", "If-None-Match: "+given)
			if w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
				t.Errorf("If-None-Match: %s: %d %s", given, w.Code, w.Body)
			}
		}
		if w := s.do("GET", "/api/get_results/"+id+query, "", `If-None-Match: "x"`); w.Code != http.StatusOK {
			t.Errorf("another tag: %d", w.Code)
		}
	}
	if len(tags) != 6 {
		t.Errorf("six forms have the tags %v", tags)
	}
	for _, id := range []string{s.submit(t), s.finished(t, failed)} {
		if w := s.do("GET", "/api/get_results/"+id, "", "If-None-Match: *"); w.Code == http.StatusNotModified || w.Header().Get("ETag") != "" {
			t.Errorf("what has no result yet: %d %v", w.Code, w.Header())
		}
	}
}

// A format that fails half-way gives an error, not half of a result.
func TestRenderingFails(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Formats = slices.Clone(c.Formats)
		c.Formats[slices.IndexFunc(c.Formats, func(f question.Format) bool { return f.Name == "csv" })].Write = func(w io.Writer, _ *question.Table, _ question.WriteOptions) error {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
			return errors.New("out of ink")
		}
	})
	twice := done
	twice.Result = &question.Table{Layout: question.LayoutMap, Columns: []question.Column{
		{Name: "k", Type: question.String, Role: question.RoleKey, Dict: []string{"Ohio"}, Codes: []int32{0, 0}},
		{Name: "v", Type: question.Number, Role: question.RoleValue, Numbers: []float64{1, 2}},
	}}
	id := s.finished(t, twice)
	for _, query := range []string{"", "?format=csv"} {
		w := s.do("GET", "/api/get_results/"+id+query, "")
		e := wantError(t, w, http.StatusInternalServerError, question.CodeInternal)
		if h := w.Header(); e.JobID != id || h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Disposition") != "" {
			t.Errorf("%+v %v", e, h)
		}
	}
	if w := s.do("GET", "/api/get_results/"+id+"?layout=rows", ""); w.Code != http.StatusOK {
		t.Errorf("rows: %d %s", w.Code, w.Body)
	}
}

func TestCancelAndRetry(t *testing.T) {
	s := serve(t)
	id := s.submit(t)
	wantError(t, s.do("POST", "/api/jobs/"+id+"/retry", ""), http.StatusConflict, question.CodeNotRetryable)
	wantBody(t, s.do("DELETE", "/api/jobs/"+id, ""), http.StatusOK, `{"status":"done","data":"cancelled","job_id":"`+id+`"}`+"\n")
	wantError(t, s.do("DELETE", "/api/jobs/"+id, ""), http.StatusConflict, question.CodeAlreadyFinal)
	w := s.do("POST", "/api/jobs/"+id+"/retry", "")
	wantBody(t, w, http.StatusAccepted, `{"status":"running","job_id":"`+id2+`","retry_of":"`+id1+`"}`+"\n")
	if w.Header().Get("Location") != "/api/get_results/"+id2 {
		t.Errorf("headers %v", w.Header())
	}
	s.jobs.answer = &done
	wantBody(t, s.do("POST", "/api/jobs/"+id+"/retry?wait=1&format=csv", ""), http.StatusOK, "location,mean,synthetic\r\nUtah,24.1,true\r\nOhio,33.2,true\r\n")
}

func TestListFilters(t *testing.T) {
	s := serve(t)
	for range 3 {
		s.finished(t, done)
	}
	next := "/api/jobs?before=" + id2 + "&limit=2&question=states_mean&since=2026-11-29T13%3A00%3A00%2B01%3A00&status=done"
	s.jobs.jobs[0].ID, s.jobs.jobs[1].ID, s.jobs.jobs[2].ID = "01f36ac2-5b00-7c3e-9a41-000000000001", "01f36ac2-5b00-7c3e-9a41-000000000002", "01f36ac2-5b00-7c3e-9a41-000000000003"
	next = strings.Replace(next, id2, s.jobs.jobs[1].ID, 1)
	for _, since := range []string{"2026-11-29T13:00:00%2B01:00", "2026-11-29T13:00:00+01:00"} {
		w := s.do("GET", "/api/jobs?status=done&question=states_mean&limit=2&since="+since, "")
		want := question.JobFilter{Status: question.Done, Question: "states_mean", Since: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
		got := s.jobs.filter
		if got.Since = got.Since.UTC(); got != want || w.Code != http.StatusOK {
			t.Errorf("since %s: %+v, %d %s", since, got, w.Code, w.Body)
		}
		if since[19] == '%' && !strings.Contains(w.Header().Get("Link"), next) {
			t.Errorf("Link %s, want %s", w.Header().Get("Link"), next)
		}
	}
	for range 98 {
		s.finished(t, done)
	}
	if w := s.do("GET", "/api/jobs", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"next":"/api/jobs?before=`) {
		t.Errorf("more jobs than a page has: %d %s", w.Code, w.Body)
	}
	for query, param := range map[string]string{
		"status=": "status", "question=": "question", "since=": "since", "status=ended": "status", "question=States": "question", "question=" + strings.Repeat("q", 100): "question", "since=yesterday": "since", "since=2026-11-29": "since",
	} {
		if e := wantError(t, s.do("GET", "/api/jobs?"+query, ""), http.StatusBadRequest, question.CodeBadRequest); e.Param != param {
			t.Errorf("%s: %v", query, e)
		}
	}
}

func TestList(t *testing.T) {
	s := serve(t)
	wantBody(t, s.do("GET", "/api/jobs", ""), http.StatusOK, `{"status":"done","data":[]}`+"\n")
	wantBody(t, s.do("GET", "/api/num_jobs", ""), http.StatusOK, `{"status":"done","data":0}`+"\n")
	s.finished(t, done)
	s.submit(t)
	s.finished(t, failed)
	s.finished(t, cancelled)
	const id = "01936ac2-5b00-7c3e-9a41-00000000000"
	wantBody(t, s.do("GET", "/api/jobs", ""), http.StatusOK, `{"status":"done","data":[{"`+id+`4":"cancelled"},{"`+id+`3":"failed"},{"`+id+`2":"running"},{"`+id+`1":"done"}]}`+"\n")
	wantBody(t, s.do("GET", "/api/num_jobs", ""), http.StatusOK, `{"status":"done","data":1}`+"\n")

	w := s.do("GET", "/api/jobs?limit=3", "")
	wantBody(t, w, http.StatusOK, `{"status":"done","data":[{"`+id+`4":"cancelled"},{"`+id+`3":"failed"},{"`+id+`2":"running"}],"next":"/api/jobs?before=`+id+`2&limit=3"}`+"\n")
	next := "/api/jobs?before=" + id + "2&limit=3"
	if got := w.Header().Get("Link"); got != "<"+next+`>; rel="next"` {
		t.Errorf("Link: %s", got)
	}
	wantBody(t, s.do("GET", next, ""), http.StatusOK, `{"status":"done","data":[{"`+id+`1":"done"}]}`+"\n")

	wantBody(t, s.do("GET", "/api/jobs?limit=1&detail=1&before="+id+"2", ""), http.StatusOK,
		`{"status":"done","data":[{"`+id+`1":"done"}],"jobs":[{"id":"`+id+`1","status":"done",`+
			`"request":{"question":"states_mean","params":{"question":"obesity"}},"created":"2024-11-27T00:00:01Z","attempts":0,"provenance":`+prov+`}]}`+"\n")
	if w := s.do("GET", "/api/jobs?limit=2&detail=1", ""); !strings.Contains(w.Header().Get("Link"), "detail=1") {
		t.Errorf("Link: %s", w.Header().Get("Link"))
	}
	if w := s.do("GET", "/api/jobs?detail=0", ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "jobs") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
