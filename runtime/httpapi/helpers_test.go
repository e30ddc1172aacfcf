package httpapi_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// The real types implement the interfaces.
var (
	_ httpapi.Jobs    = (*jobs.Pool)(nil)
	_ httpapi.Catalog = (*catalog.Catalog)(nil)
)

// fakeCatalog serves two questions.
type fakeCatalog struct {
	offers []question.ServedQuestion
	digest string                // of the plugin sportifs; "" is pluginDigest
	more   []question.PluginInfo // beside the two that it always has
}

func newCatalog() *fakeCatalog {
	obesity := "Percent of adults aged 18 years and older who have obesity"
	return &fakeCatalog{offers: []question.ServedQuestion{
		{
			Question: &question.Question{Name: "states_mean", Title: "Mean by state", Params: []question.Param{{Name: "question", Type: question.ParamColumn, Column: "question", Required: true}}},
			Plugin:   "sportifs", Example: question.Request{Question: "states_mean", Params: map[string]any{"question": obesity}},
		},
		{
			Question: &question.Question{Name: "state_mean", Title: `It's <b>"one"</b> state`, Description: "One & only"},
			Plugin:   "sportifs", Example: question.Request{
				Question: "state_mean",
				Params:   map[string]any{"question": "It's $HOME `x`", "state": "Ohio"}, Where: map[string]any{"year": json.Number("2020")},
			},
		},
	}}
}

func (c *fakeCatalog) Served() []question.ServedQuestion { return c.offers }

func (c *fakeCatalog) Plugins() []question.PluginInfo {
	return append([]question.PluginInfo{
		{Name: "sportifs", Version: "1.0.0", Source: "built-in", Digest: cmp.Or(c.digest, pluginDigest), Size: 7, Serving: true, Questions: []string{"states_mean", "state_mean"}},
		{Source: "broken.wasm", Size: 3, Error: question.Errorf(question.CodeBadPlugin, "it is no WebAssembly module")},
	}, c.more...)
}

// fakeJobs keeps jobs in memory. They run until a test finishes them.
type fakeJobs struct {
	mu                sync.Mutex
	jobs              []*question.Job // oldest first
	ended             map[string]chan struct{}
	err               error              // what every method returns, if it is set
	panics            any                // what Submit panics with
	answer            *question.Job      // its Result, Error and Status are those of a job that is submitted from now on
	answered          []question.Request // by Answer
	answering         func()             // called by Answer, if it is set
	contexts          chan error         // Submit waits for one, and keeps what its context then says
	before            string             // of the last List
	filter            question.JobFilter // of the last List
	draining, drained bool
	once              map[string]*onceAsked
}

// onceAsked is what was asked with an Idempotency-Key.
type onceAsked struct {
	job     int // its place
	request string
}

func newJobs() *fakeJobs {
	return &fakeJobs{ended: map[string]chan struct{}{}, once: map[string]*onceAsked{}}
}

func (j *fakeJobs) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	return j.submit(ctx, req, "")
}

func (j *fakeJobs) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answered = append(j.answered, req)
	if j.answering != nil {
		j.answering()
	}
	_, bounded := ctx.Deadline()
	switch {
	case j.err != nil:
		return nil, j.err
	case !bounded:
		return nil, question.Errorf(question.CodeInternal, "the wait for an answer has no end")
	case req.Params["question"] == nil:
		return nil, question.Errorf(question.CodeMissingParameter, `"question" is required`).WithParam("question", "obesity")
	case j.answer == nil:
		return done.Answer(), nil
	case j.answer.Error != nil:
		return nil, j.answer.Error
	}
	return j.answer.Answer(), nil
}

func (j *fakeJobs) submit(ctx context.Context, req question.Request, retryOf string) (*question.Job, error) {
	if j.panics != nil {
		panic(j.panics)
	}
	if j.contexts != nil {
		<-j.contexts
		j.contexts <- ctx.Err()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.err != nil:
		return nil, j.err
	case j.draining:
		return nil, question.Errorf(question.CodeShuttingDown, "no new jobs are accepted")
	case req.Question != "states_mean" && req.Question != "state_mean":
		return nil, question.Errorf(question.CodeUnknownQuestion, "there is no question %q", req.Question).WithParam("", "states_mean")
	case req.Params["question"] == nil:
		return nil, question.Errorf(question.CodeMissingParameter, `"question" is required`).WithParam("question", "obesity")
	}
	once := question.OriginOf(ctx).Once
	if first := j.once[once.Key]; first != nil && once.Key != "" {
		if first.request != once.Request {
			return nil, question.Errorf(question.CodeKeyReused, "the Idempotency-Key %q was sent before with another request", once.Key)
		}
		again := *j.jobs[first.job]
		again.Replayed = true
		return &again, nil
	}
	n := len(j.jobs) + 1
	if once.Key != "" {
		j.once[once.Key] = &onceAsked{n - 1, once.Request}
	}
	job := &question.Job{ID: fmt.Sprintf("01936ac2-5b00-7c3e-9a41-%012d", n), Status: question.Queued, Request: req, RetryOf: retryOf,
		Created: time.Date(2024, 11, 27, 0, 0, n, 0, time.UTC)}
	if j.answer != nil {
		job.Status, job.Result, job.Error, job.Provenance = j.answer.Status, j.answer.Result, j.answer.Error, j.answer.Provenance
	}
	j.jobs = append(j.jobs, job)
	j.ended[job.ID] = make(chan struct{})
	return job, nil
}

func (j *fakeJobs) find(id string) (int, error) {
	if len(id) != 36 {
		return 0, question.Errorf(question.CodeBadID, "job id %.60q is none", id).WithParam("id")
	}
	i := slices.IndexFunc(j.jobs, func(job *question.Job) bool { return job.ID == id })
	if i < 0 {
		return 0, question.Errorf(question.CodeUnknownJob, "there is no job %s", id).WithParam("id")
	}
	return i, nil
}

func (j *fakeJobs) Get(_ context.Context, id string) (*question.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	i, err := j.find(id)
	if err != nil {
		return nil, err
	}
	return j.jobs[i], nil
}

func (j *fakeJobs) Wait(ctx context.Context, id string) (*question.Job, error) {
	job, err := j.Get(ctx, id)
	if err != nil || job.Status.Final() {
		return job, err
	}
	j.mu.Lock()
	ended := j.ended[id]
	j.mu.Unlock()
	select {
	case <-ended:
		return j.Get(ctx, id)
	case <-ctx.Done():
		return job, nil
	}
}

func (j *fakeJobs) Watch(ctx context.Context, id string) (<-chan *question.Job, error) {
	job, err := j.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	states := make(chan *question.Job, 2)
	states <- job
	go func() {
		defer close(states)
		if job.Status.Final() {
			return
		}
		if last, err := j.Wait(ctx, id); err == nil && last.Status.Final() {
			states <- last
		}
	}()
	return states, nil
}

// end ends a job with the outcome of `with`.
func (j *fakeJobs) end(id string, with question.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i, err := j.find(id)
	if err != nil {
		panic(err)
	}
	job := *j.jobs[i]
	job.Status, job.Result, job.Error, job.Provenance = with.Status, with.Result, with.Error, with.Provenance
	j.jobs[i] = &job
	close(j.ended[id])
}

func (j *fakeJobs) Cancel(ctx context.Context, id string) (*question.Job, error) {
	job, err := j.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status.Final() {
		return nil, question.Errorf(question.CodeAlreadyFinal, "job %s is %s", id, job.Status)
	}
	j.end(id, cancelled)
	return j.Get(ctx, id)
}

func (j *fakeJobs) Retry(ctx context.Context, id string) (*question.Job, error) {
	job, err := j.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status != question.Failed && job.Status != question.Cancelled {
		return nil, question.Errorf(question.CodeNotRetryable, "job %s is %s", id, job.Status)
	}
	return j.submit(ctx, job.Request, id)
}

func (j *fakeJobs) List(_ context.Context, f question.JobFilter, before string, limit int) (page question.JobPage, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.before, j.filter = before, f
	for _, job := range slices.Backward(j.jobs) {
		if before != "" && job.ID >= before || !f.May(job.ID) || !f.Selects(job) {
			continue
		}
		if len(page.Jobs) == limit {
			page.Next = page.Jobs[limit-1].ID
			break
		}
		page.Jobs = append(page.Jobs, job)
	}
	return page, j.err
}

func (j *fakeJobs) Unfinished(context.Context) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, job := range j.jobs {
		if !job.Status.Final() {
			n++
		}
	}
	return n, j.err
}

func (j *fakeJobs) Drain()         { j.draining = true }
func (j *fakeJobs) Draining() bool { return j.draining }
func (j *fakeJobs) Drained() bool  { return j.drained }

const (
	datasetDigest = "sha256:00000000000000000000000000000000000000000000000000000000000000da"
	pluginDigest  = "sha256:00000000000000000000000000000000000000000000000000000000000000b1"
)

var (
	provenance = question.Provenance{
		Dataset: "npao", DatasetDigest: datasetDigest, Synthetic: true,
		Plugin: "sportifs", PluginVersion: "1.0.0", PluginDigest: pluginDigest, RowsSelected: 3,
	}
	done      = question.Job{Status: question.Done, Result: statesMean(), Provenance: &provenance}
	failed    = question.Job{Status: question.Failed, Error: question.Errorf(question.CodeNoData, "no row of Guam has a value").WithParam("state", "Ohio")}
	cancelled = question.Job{Status: question.Cancelled, Error: question.Errorf(question.CodeCancelled, "the job was cancelled")}
)

func statesMean() *question.Table {
	return &question.Table{Layout: question.LayoutMap, Columns: []question.Column{
		{Name: "location", Type: question.String, Role: question.RoleKey, Dict: []string{"Ohio", "Utah"}, Codes: []int32{1, 0}},
		{Name: "mean", Type: question.Number, Role: question.RoleValue, Unit: "%", Numbers: []float64{24.1, 33.2}},
	}}
}

// service is a handler with its fakes.
type service struct {
	http.Handler
	jobs    *fakeJobs
	catalog *fakeCatalog
	log     *bytes.Buffer
}

// serve returns a service; change may change its Config.
func serve(t testing.TB, change ...func(*httpapi.Config)) *service {
	t.Helper()
	s := &service{jobs: newJobs(), catalog: newCatalog(), log: &bytes.Buffer{}}
	cfg := httpapi.Config{
		Catalog: s.catalog, Jobs: s.jobs, Formats: render.Formats, Version: "1.2.3",
		Dataset: question.DatasetInfo{Name: "npao", Title: "Nutrition, <Physical> Activity", Digest: datasetDigest, Synthetic: true, Rows: 104},
		Log:     slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	h, err := httpapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	return s
}

// do sends a request; headers are "Name: value".
func (s *service) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const ask = `{"question":"obesity"}`

// submit starts a job and returns its id.
func (s *service) submit(t testing.TB, headers ...string) string {
	t.Helper()
	w := s.do("POST", "/api/states_mean", ask, headers...)
	var body struct {
		JobID string `json:"job_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusAccepted || body.JobID == "" {
		t.Fatalf("%d %s (%v)", w.Code, w.Body, err)
	}
	return body.JobID
}

// finished starts a job, ends it, and returns its id.
func (s *service) finished(t testing.TB, with question.Job) string {
	t.Helper()
	id := s.submit(t)
	s.jobs.end(id, with)
	return id
}

// errorShape is the format of every error.
type errorShape struct {
	Status string        `json:"status"`
	Code   question.Code `json:"code"`
	Reason string        `json:"reason"`
	Param  string        `json:"param"`
	Hint   []string      `json:"hint"`
	JobID  string        `json:"job_id"`
}

// wantError checks that a response is a well-formed error, and returns it.
func wantError(t testing.TB, w *httptest.ResponseRecorder, status int, code question.Code) errorShape {
	t.Helper()
	var e errorShape
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		t.Fatalf("%d %q is no error: %v", w.Code, w.Body, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Errorf("something follows the error: %q", w.Body)
	}
	if e.Status != "error" || e.Code == "" || e.Reason == "" || e.Hint == nil || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%q (%s) has not the shape of an error", w.Body, w.Header().Get("Content-Type"))
	}
	if w.Code != status || e.Code != code {
		t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, code)
	}
	if waits := w.Code == http.StatusServiceUnavailable || w.Code == http.StatusTooManyRequests || code.Info().RetryAfter > 0; waits != (w.Header().Get("Retry-After") != "") {
		t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	return e
}

func wantBody(t testing.TB, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, status, body)
	}
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(len(body)) {
		t.Errorf("Content-Length %s of %d bytes", got, len(body))
	}
}
