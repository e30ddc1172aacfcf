package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// cloud is a bucket and a queue that processes of the real program share.
type cloud struct {
	minio *testminio.Server
	queue *queuetest.Server
	store string
	env   []string
}

// newCloud returns one that ends with t. The environment that it sets is for this
// process too. Its requests to the bucket go through endpoint, if that is not "".
func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{minio: testminio.StartOwn(t), queue: queuetest.Start(t)}
	c.store = "s3://" + c.minio.Bucket + "/cloud"
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": c.minio.AccessKey, "AWS_SECRET_ACCESS_KEY": c.minio.SecretKey, "AWS_REGION": "us-east-1",
		"LESTATS_STORE": c.store, "LESTATS_S3_ENDPOINT": c.minio.Endpoint, "LESTATS_S3_MAKE_BUCKET": "true", "LESTATS_CACHE": compiled(t),
		"LESTATS_QUEUE_URL": c.queue.Jobs, "LESTATS_DEAD_QUEUE_URL": c.queue.Dead,
	} {
		t.Setenv(name, value)
		c.env = append(c.env, name+"="+value)
	}
	return c
}

// results opens the bucket as a store.
func (c *cloud) results(t testing.TB) *results.Store {
	t.Helper()
	objects, err := s3.Open(t.Context(), s3.Config{URL: c.store, Endpoint: c.minio.Endpoint, CreateBucket: true})
	if err != nil {
		t.Fatal(err)
	}
	s := results.New(objects)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (c *cloud) open(t testing.TB, url string) *queue.SQS {
	t.Helper()
	q, err := queue.Open(queue.Config{URL: url, Visibility: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// work starts `lestats worker` and waits until it takes jobs. It ends with t.
func work(t testing.TB, args ...string) *process {
	t.Helper()
	p, first := start(t, nil, append([]string{"worker", "--log-level", "warn"}, args...)...)
	if !strings.Contains(first, "takes jobs from") {
		t.Fatalf("%q", first)
	}
	return p
}

// A server, two workers, one of which is killed at work and replaced: whatever was
// accepted has an answer, and the queue is empty in the end.
func TestWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	server := serve(t, nil, "--workers", "1")
	const limit = "--time-limit=1s" // and so long, about, are messages hidden from others
	victim, other := work(t, limit), work(t, limit, "--log-level", "info", "--log-format", "json")
	var ids []string
	const (
		clients = 80 // more than one worker's queue is worth waiting for
		total   = 10 * clients
	)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := range total / clients {
				status, b, err := server.try("POST", "/api/mean_by_category", fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+(i+n)%13))
				var v map[string]any
				if err != nil || json.Unmarshal(b, &v) != nil || status != http.StatusAccepted {
					t.Errorf("%d %s %v", status, b, err)
					return
				}
				id, _ := v["job_id"].(string)
				mu.Lock()
				ids = append(ids, id)
				if len(ids) == total/2 {
					victim.kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		status, v := server.call("GET", "/api/get_results/"+id+"?wait=30", "")
		for range 5 { // what the victim had comes again when its time is up
			if v["status"] != "running" {
				break
			}
			status, v = server.call("GET", "/api/get_results/"+id+"?wait=30", "")
		}
		if status != http.StatusOK || v["status"] != "done" {
			t.Fatalf("job %s: %d %v", id, status, v)
		}
	}
	handed := strings.Count(c.logOf(t, other), "\"status\":\"done\"")
	if t.Logf("the other worker ended %d of %d jobs", handed, total); handed == 0 {
		t.Error("nothing was handed over")
	}
	if n, err := c.results(t).Pending(t.Context(), question.JobFilter{}, "", 0); err != nil || len(n.Jobs) != 0 {
		t.Errorf("pending: %v, %v", n, err)
	}
}

// later returns the address of an S3 server whose clock is ahead.
func later(t testing.TB, endpoint string, by time.Duration) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0), // of clients that hang up
	})
	t.Cleanup(s.Close)
	return s.URL
}

// The queue is killed under jobs that were accepted, and forgets them all: a worker finds
// them in the store when their leases are over, and so does the worker function when its
// schedule starts it, which queues them again.
func TestQueueIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	plugins := faultsFolder(t)
	const limit = "20ms" // of jobs that never end
	server := serve(t, nil, "--workers", "1", "--plugins", plugins, "--time-limit", limit)
	const total, clients = 500, 50
	var mu sync.Mutex
	var ids []string
	var refused int
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range total / clients {
				status, b, err := server.try("POST", "/api/endless_loop", "{}")
				var v struct {
					ID   string `json:"job_id"`
					Code string
				}
				if err != nil || json.Unmarshal(b, &v) != nil || status != http.StatusAccepted && v.Code != "queue_unavailable" {
					t.Errorf("%d %s %v", status, b, err)
					return
				}
				mu.Lock()
				if v.ID == "" {
					refused++
				} else if ids = append(ids, v.ID); len(ids) == total*6/10 {
					c.queue.Restart(t)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	c.queue.Restart(t) // and once more, when all of them wait
	store := c.results(t)
	pending := func() int {
		t.Helper()
		written, _, err := store.PendingTimes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(written)
	}
	lost := pending()
	t.Logf("%d jobs accepted, %d refused, %d without a message", len(ids), refused, lost)
	if lost < total/4 || t.Failed() {
		t.Fatal("that is not what this tests")
	}

	// The function looks for them, by the clock of the store: it is ten minutes later.
	ahead := later(t, c.minio.Endpoint, 10*time.Minute)
	back := function(t, lambdatest.Config{Timeout: time.Minute, Env: []string{"_HANDLER=worker"}},
		slices.Concat(c.env, []string{"LESTATS_PLUGINS=" + plugins, "LESTATS_TIME_LIMIT=" + limit, "LESTATS_S3_ENDPOINT=" + ahead})...)
	schedule := []byte(`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
	if out, err := back.Invoke(t.Context(), schedule); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	if n := depth(t, c.queue.Jobs)(); n < lost { // the server may have sent one again, too
		t.Errorf("%d messages are in the queue; want %d", n, lost)
	}
	c.queue.Restart(t) // which forgets them again

	// A worker does, without a message.
	work(t, "--plugins", plugins, "--time-limit", limit, "--s3-endpoint", later(t, c.minio.Endpoint, time.Hour))
	for deadline := time.Now().Add(time.Minute); pending() > 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	for _, id := range ids {
		if job, err := store.Get(t.Context(), id); err != nil || job.Status != question.Failed || job.Error.Code != question.CodeTimeLimit {
			t.Fatalf("%+v, %v", job, err)
		}
	}
}

// logOf stops a worker and returns what it logged.
func (*cloud) logOf(t *testing.T, p *process) string {
	t.Helper()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	return p.log.String()
}

// poison leaves jobs in the store and messages in the queue that go wrong: a job
// whose question no plugin answers, one that was started too often, one whose record
// is damaged. Their ids come with the code that they have to fail with.
func (c *cloud) poison(t testing.TB, n int) map[string]question.Code {
	t.Helper()
	store, q := c.results(t), c.open(t, c.queue.Jobs)
	objects, err := s3.Open(t.Context(), s3.Config{URL: c.store, Endpoint: c.minio.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	want := map[string]question.Code{}
	for i := range n {
		job := pendingJob(t)
		code := question.CodeUnknownQuestion
		switch i % 3 {
		case 0:
			job.Request.Question = "gone"
		case 1:
			job.Attempts, job.Status, code = 3, question.Running, question.CodeTooManyAttempts
			job.Started = job.Created
		}
		if err := store.PutPending(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			code = question.CodeInternal
			if err := objects.Put(t.Context(), "pending/"+job.ID, []byte("{")); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Send(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		want[job.ID] = code
	}
	return want
}

func pendingJob(t testing.TB) *question.Job {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return &question.Job{ID: id.String(), Status: question.Queued, Created: time.Now().UTC(), Request: question.Request{
		Question: "global_mean", Params: map[string]any{"question": "Percent of adults aged 18 years and older who have obesity"},
	}}
}

// ended waits until a job is final.
func ended(t testing.TB, s *results.Store, id string, within time.Duration) *question.Job {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		job, err := s.Get(t.Context(), id)
		if err == nil && job.Status.Final() {
			return job
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s: %+v, %v", id, job, err)
		}
	}
}

// Poisoned jobs fail, each with its cause; what is no job's message goes to the dead
// queue and stays there; a job whose message is dead has failed and can be retried.
func TestPoison(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	store, jobs, dead := c.results(t), c.open(t, c.queue.Jobs), c.open(t, c.queue.Dead)
	want := c.poison(t, 6)
	good, gone := pendingJob(t), pendingJob(t)
	doomed, unlucky := pendingJob(t), pendingJob(t)
	doomed.Attempts = 3
	for _, job := range []*question.Job{good, doomed, unlucky} {
		if err := store.PutPending(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		jobs.Send(t.Context(), good.ID), jobs.Send(t.Context(), good.ID), // delivered twice
		jobs.Send(t.Context(), gone.ID), jobs.Send(t.Context(), "no id"),
		dead.Send(t.Context(), doomed.ID), dead.Send(t.Context(), unlucky.ID), // one was started too often, the other never
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w := work(t, "--dead-queue-url", "")
	for id, code := range want {
		if job := ended(t, store, id, time.Minute); job.Status != question.Failed || job.Error.Code != code {
			t.Errorf("%+v: %v; want %s", job.Request, job.Error, code)
		}
	}
	if job := ended(t, store, good.ID, time.Minute); job.Status != question.Done || job.Attempts != 1 {
		t.Errorf("%+v", job)
	}
	// What is no job's has come three times by now, or soon.
	for deadline := time.Now().Add(2 * time.Minute); ; {
		messages, err := dead.Receive(t.Context(), queue.MaxMessages)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(messages, func(m question.Message) bool { return m.ID == "no id" }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("in the dead queue: %+v", messages)
		}
	}
	log := c.logOf(t, w)
	for _, say := range []string{"does not name a job", "not in the store: it is dropped"} {
		if !strings.Contains(log, say) {
			t.Errorf("the log does not say %q:\n%s", say, log)
		}
	}

	work(t) // which looks after the dead queue too
	if job := ended(t, store, doomed.ID, time.Minute); job.Status != question.Failed || job.Error.Code != question.CodeTooManyAttempts {
		t.Errorf("%+v", job)
	}
	if job := ended(t, store, unlucky.ID, time.Minute); job.Status != question.Done {
		t.Errorf("%+v", job)
	}
	server := serve(t, nil)
	status, v := server.call("POST", "/api/jobs/"+doomed.ID+"/retry?wait=30", "{}")
	if status != http.StatusOK || v["status"] != "done" {
		t.Errorf("retry: %d %v", status, v)
	}
	status, v = server.call("GET", "/api/get_results/"+doomed.ID, "")
	if status != http.StatusUnprocessableEntity || v["code"] != "too_many_attempts" {
		t.Errorf("%d %v", status, v)
	}
}

// A function that has a queue gives it what takes long, and answers at once; another
// function runs it, which is frozen between its messages and may be killed.
func TestFunctionsWithAQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	plugins := faultsFolder(t)
	env := slices.Concat(c.env, []string{"LESTATS_PLUGINS=" + plugins, "LESTATS_TIME_LIMIT=4s"})
	e := function(t, lambdatest.Config{Timeout: 30 * time.Second}, env...)
	front := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	status, v := exchange(t, front, "POST", "/api/endless_loop", "{}")
	id, _ := v["job_id"].(string)
	if status != http.StatusAccepted || id == "" {
		t.Fatalf("%d %v", status, v)
	}
	q := c.open(t, c.queue.Jobs)
	messages, err := q.Receive(t.Context(), queue.MaxMessages)
	if err != nil || len(messages) != 1 || messages[0].ID != id {
		t.Fatalf("%+v, %v", messages, err)
	}
	back := function(t, lambdatest.Config{Timeout: 30 * time.Second, Env: []string{"_HANDLER=worker"}}, env...)
	event := sqsEvent(c.queue.Jobs, queue.Body(id), `{"lestats":1,"job":"no id"}`)
	for range 2 { // redelivered: the first outcome stays
		out, err := back.Invoke(t.Context(), event)
		if want := `{"batchItemFailures":[{"itemIdentifier":"1"}]}`; err != nil || string(out) != want {
			t.Fatalf("%s, %v; want %s", out, err, want)
		}
		if status, v = exchange(t, front, "GET", "/api/get_results/"+id, ""); status != http.StatusUnprocessableEntity || v["code"] != "time_limit" {
			t.Errorf("%d %v", status, v)
		}
	}
	// Ten at once, of a process that dies at work: they come again.
	store := c.results(t)
	var bodies []string
	for range 10 {
		job := pendingJob(t)
		job.Request.Question, job.Request.Params = "states_mean", map[string]any{"question": "Percent of adults aged 18 years and older who have obesity"}
		if err := store.PutPending(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, queue.Body(job.ID))
	}
	event = sqsEvent(c.queue.Jobs, bodies...)
	time.AfterFunc(10*time.Millisecond, back.Kill)
	if _, err := back.Invoke(t.Context(), event); err == nil {
		t.Log("it was done before it was killed")
	}
	if out, err := back.Invoke(t.Context(), event); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Fatalf("%s, %v", out, err)
	}
	for _, body := range bodies {
		id, _ := queue.Job(body)
		if job := ended(t, store, id, time.Second); job.Status != question.Done {
			t.Errorf("%+v", job)
		}
	}
	doomed := pendingJob(t)
	doomed.Attempts = 3
	if err := store.PutPending(t.Context(), doomed); err != nil {
		t.Fatal(err)
	}
	if out, err := back.Invoke(t.Context(), sqsEvent(c.queue.Dead, queue.Body(doomed.ID))); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Fatalf("%s, %v", out, err)
	}
	if job := ended(t, store, doomed.ID, time.Second); job.Status != question.Failed || job.Error.Code != question.CodeTooManyAttempts {
		t.Errorf("%+v", job)
	}
	var failed *lambdatest.FunctionError
	if out, err := back.Invoke(t.Context(), []byte(`{"version":"2.0"}`)); !errors.As(err, &failed) || !strings.Contains(failed.Body, "no Records") {
		t.Errorf("%s, %v", out, err)
	}

	// Without the queue what is short is answered, and what is long is not accepted.
	c.queue.Kill()
	if status, v = exchange(t, front, "POST", "/api/global_mean?wait=20", askObesity); status != http.StatusOK || v["status"] != "done" {
		t.Errorf("%d %v", status, v)
	}
	if status, v = exchange(t, front, "POST", "/api/endless_loop", "{}"); status != http.StatusServiceUnavailable || v["code"] != "queue_unavailable" {
		t.Errorf("%d %v", status, v)
	}
	if status, v = exchange(t, front, "GET", "/api/num_jobs", ""); status != http.StatusOK || v["data"] != 0.0 {
		t.Errorf("%d %v", status, v)
	}
}

// sqsEvent is what Lambda sends a function for messages of a queue.
func sqsEvent(queueURL string, bodies ...string) []byte {
	type record struct {
		ID     string            `json:"messageId"`
		Body   string            `json:"body"`
		Source string            `json:"eventSource"`
		ARN    string            `json:"eventSourceARN"`
		Attrs  map[string]string `json:"attributes"`
	}
	var records []record
	for i, body := range bodies {
		records = append(records, record{fmt.Sprint(i), body, "aws:sqs", "arn:aws:sqs:us-east-1:000000000000:" + queue.Name(queueURL), map[string]string{"ApproximateReceiveCount": "1"}})
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err) // texts
	}
	return b
}

// A worker that cannot work says why.
func TestWorkerDoesNotStart(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	store := filepath.Join(t.TempDir(), "store")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no queue":   {nil, "LESTATS_QUEUE_URL"},
		"no URL":     {[]string{"--queue-url", "jobs"}, "https://sqs."},
		"queue away": {[]string{"--queue-url", "http://127.0.0.1:1/1/jobs"}, "queue jobs"},
	} {
		code, _, errs := lestats(t, append([]string{"worker", "--store", store}, tt.args...)...)
		if code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
	}
	if code, _, errs := lestats(t, "serve", "--store", store, "--queue-url", "jobs"); code != exitFailed || !strings.Contains(errs, "https://sqs.") {
		t.Errorf("serve: %d %s", code, errs)
	}
}

// A plugin that is put into the bucket answers in warm processes of both functions, and
// when it is removed they forget it, as a new process does.
func TestWarmFunctions(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	objects, err := s3.Open(t.Context(), s3.Config{URL: c.store, Endpoint: c.minio.Endpoint, CreateBucket: true})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	wasm, err := os.ReadFile("../../runtime/sandbox/testdata/good.wasm")
	if err != nil {
		t.Fatal(err)
	}
	wasm = bytes.ReplaceAll(wasm, []byte("state"), []byte("topic")) // which the sample has
	cfg := lambdatest.Config{Timeout: 30 * time.Second}
	warm := function(t, cfg, append(c.env, "LESTATS_PLUGINS_POLL=1ns")...)
	seldom := function(t, cfg, append(c.env, "LESTATS_PLUGINS_POLL=1h")...)
	cfg.Env = []string{"_HANDLER=worker"}
	worker := function(t, cfg, append(c.env, "LESTATS_PLUGINS_POLL=1ns")...)
	ask := func(e *lambdatest.Environment, want int) {
		t.Helper()
		if status, v := exchange(t, client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke}), "POST", "/api/list?wait=20", "{}"); status != want {
			t.Errorf("%d %v; want %d", status, v, want)
		}
	}
	ask(warm, http.StatusNotFound)
	ask(seldom, http.StatusNotFound)
	if _, err := worker.Invoke(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := objects.Put(t.Context(), "plugins/good.wasm", wasm); err != nil {
		t.Fatal(err)
	}
	ask(warm, http.StatusOK)
	ask(seldom, http.StatusNotFound)
	ask(function(t, lambdatest.Config{Timeout: 30 * time.Second}, c.env...), http.StatusOK)
	store := c.results(t)
	deliver := func(want question.Status) {
		t.Helper()
		job := pendingJob(t)
		job.Request = question.Request{Question: "list"}
		if err := store.PutPending(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		out, err := worker.Invoke(t.Context(), sqsEvent(c.queue.Jobs, queue.Body(job.ID)))
		if returned := strings.Contains(string(out), "itemIdentifier"); err != nil || returned == (want == question.Done) {
			t.Errorf("%s, %v; want %s", out, err, want)
		}
	}
	deliver(question.Done)
	if err := objects.Delete(t.Context(), "plugins/good.wasm"); err != nil {
		t.Fatal(err)
	}
	ask(warm, http.StatusNotFound)
	deliver(question.Queued) // by a process that may have a newer plugin
	if warm.Cold != 1 || worker.Cold != 1 {
		t.Errorf("%d and %d processes", warm.Cold, worker.Cold)
	}
}
