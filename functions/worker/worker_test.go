package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// fakePool answers by the job's id.
type fakePool struct {
	mu     sync.Mutex
	failed []string
}

func (p *fakePool) Run(ctx context.Context, id string) (*question.Job, error) {
	job := &question.Job{ID: id, Status: question.Done}
	switch id {
	case "failed":
		job.Status, job.Error = question.Failed, question.Errorf(question.CodeNoData, "none")
	case "slow":
		<-ctx.Done()
		job.Status = question.Queued
	case "no id":
		return nil, question.Errorf(question.CodeBadID, "no id")
	case "vanished":
		return nil, question.Errorf(question.CodeUnknownJob, "no such job")
	case "damaged", "damaged for good":
		return nil, question.Errorf(question.CodeInternal, "the record is damaged")
	case "away":
		return nil, question.Errorf(question.CodeStoreUnavailable, "away")
	}
	return job, nil
}

func (p *fakePool) Fail(_ context.Context, id string, why *question.Error) (*question.Job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch id {
	case "no id":
		return nil, question.Errorf(question.CodeBadID, "no id")
	case "vanished":
		return nil, question.Errorf(question.CodeUnknownJob, "no such job")
	case "damaged for good", "away":
		return nil, question.Errorf(question.CodeStoreUnavailable, "away")
	}
	p.failed = append(p.failed, id+": "+string(why.Code))
	return &question.Job{ID: id, Status: question.Failed, Error: why}, nil
}

// fakeQueue gives each batch once.
type fakeQueue struct {
	mu       sync.Mutex
	batches  [][]queue.Message
	down     int // how often it does not answer at first
	done     []string
	returned map[string]time.Duration
}

func (q *fakeQueue) Receive(ctx context.Context, _ time.Duration) ([]queue.Message, error) {
	q.mu.Lock()
	if q.down > 0 {
		q.down--
		q.mu.Unlock()
		return nil, question.Errorf(question.CodeQueueUnavailable, "away")
	}
	if len(q.batches) > 0 {
		batch := q.batches[0]
		q.batches = q.batches[1:]
		q.mu.Unlock()
		return batch, nil
	}
	q.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Second):
		return nil, nil
	}
}

func (q *fakeQueue) Done(_ context.Context, messages []queue.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		q.done = append(q.done, m.Body)
	}
	return nil
}

func (q *fakeQueue) Return(_ context.Context, m queue.Message, after time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.returned[m.Body] = after
	return nil
}

func messages(bodies ...string) (out []queue.Message) {
	for _, b := range bodies {
		if !strings.HasPrefix(b, "{") {
			b = queue.Body(b)
		}
		out = append(out, queue.Message{ID: b, Body: b, Receives: 2})
	}
	return out
}

func bodies(names ...string) (out []string) {
	for _, m := range messages(names...) {
		out = append(out, m.Body)
	}
	return out
}

var (
	mixed      = []string{"done", "failed", "no id", "vanished", "damaged", "damaged for good", "away", "{}"}
	mixedAgain = []string{"no id", "damaged for good", "away", "{}"}
)

// A worker removes from the queue what has ended or never will, and returns the rest;
// also after the queue was away, and what it had when it was told to stop.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := &fakeQueue{batches: [][]queue.Message{messages(mixed...), messages("slow", "done 2")}, down: 3, returned: map[string]time.Duration{}}
		dead := &fakeQueue{batches: [][]queue.Message{messages("dead", "{}", "vanished", "away")}, returned: map[string]time.Duration{}}
		p := &fakePool{}
		m := &Main{cfg: Config{Queue: "q", Workers: 1, TimeLimit: time.Minute, Log: quiet}, pool: p, jobs: jobs, dead: dead, loops: 1}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second)
		cancel()
		begin := time.Now()
		wg.Wait()
		if took := time.Since(begin); took != drainLimit {
			t.Errorf("it went on for %v", took)
		}
		want := bodies("done", "failed", "vanished", "damaged", "done 2")
		slices.Sort(jobs.done)
		slices.Sort(want)
		if !slices.Equal(jobs.done, want) {
			t.Errorf("done: %q; want %q", jobs.done, want)
		}
		for _, body := range bodies(mixedAgain...) {
			if jobs.returned[body] != 4*time.Second {
				t.Errorf("%s was returned for %v", body, jobs.returned[body])
			}
		}
		if after, ok := jobs.returned[queue.Body("slow")]; !ok || after != 0 || len(jobs.returned) != len(mixedAgain)+1 {
			t.Errorf("returned: %v", jobs.returned)
		}
		slices.Sort(dead.done)
		if want := bodies("dead", "vanished"); !slices.Equal(dead.done, want) || len(dead.returned) != 0 {
			t.Errorf("of the dead: %q, returned %v", dead.done, dead.returned)
		}
		slices.Sort(p.failed)
		if want := []string{"damaged: internal", "dead: too_many_attempts"}; !slices.Equal(p.failed, want) {
			t.Errorf("failed: %q; want %q", p.failed, want)
		}
	})
}

func TestBackoff(t *testing.T) {
	for receives, want := range map[int]time.Duration{-1: 2 * time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 9: 5 * time.Minute, 1e9: 5 * time.Minute} {
		if got := backoff(receives); got != want {
			t.Errorf("%d: %v; want %v", receives, got, want)
		}
	}
}

func event(t *testing.T, arn string, messages []queue.Message) []byte {
	t.Helper()
	var e events.SQSEvent
	for _, m := range messages {
		e.Records = append(e.Records, events.SQSMessage{MessageId: m.ID, Body: m.Body, EventSource: "aws:sqs", EventSourceARN: arn, Attributes: map[string]string{"ApproximateReceiveCount": "2"}})
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// As a function it answers with the messages that have to come again.
func TestInvoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePool{}
		m := &Main{cfg: Config{Dead: "http://host/1/jobs-dead", Log: quiet}, pool: p}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, tt := range []struct {
			arn          string
			names, again []string
		}{
			{"arn:aws:sqs:r:1:jobs", append(slices.Clone(mixed), "slow"), append(slices.Clone(mixedAgain), "slow")},
			{"arn:aws:sqs:r:1:jobs", []string{"done"}, nil},
			{"arn:aws:sqs:r:1:jobs-dead", []string{"done", "vanished", "no id", "{}"}, []string{"no id", "{}"}},
		} {
			begin := time.Now()
			out, err := m.Invoke(ctx, event(t, tt.arn, messages(tt.names...)))
			var answer struct {
				BatchItemFailures *[]events.SQSBatchItemFailure `json:"batchItemFailures"`
			}
			if err != nil || json.Unmarshal(out, &answer) != nil || answer.BatchItemFailures == nil {
				t.Fatalf("%s, %v", out, err)
			}
			var again []string
			for _, f := range *answer.BatchItemFailures {
				again = append(again, f.ItemIdentifier)
			}
			if want := bodies(tt.again...); !slices.Equal(again, want) {
				t.Errorf("%s: again %q; want %q", tt.arn, again, want)
			}
			if slices.Contains(tt.names, "slow") && time.Since(begin) != 59*time.Second {
				t.Errorf("it took %v of a minute", time.Since(begin))
			}
		}
		if !slices.Contains(p.failed, "done: too_many_attempts") {
			t.Errorf("failed: %q", p.failed)
		}
	})
}

func TestInvokeRefuses(t *testing.T) {
	m := &Main{cfg: Config{Log: quiet}, pool: &fakePool{}}
	for _, e := range []string{"", "[]", "{}", `{"Records":[]}`, `{"Records":[{"eventSource":"aws:s3"}]}`, `{"Records":[{"eventSource":"aws:sqs","body":"{}"},{"eventSource":"aws:sns"}]}`, `{"version":"2.0"}`} {
		if out, err := m.Invoke(t.Context(), []byte(e)); err == nil {
			t.Errorf("%s: %s", e, out)
		}
	}
}

// Whatever an event holds, the answer is an error or names messages of it.
func FuzzInvoke(f *testing.F) {
	f.Add(`{"Records":[{"messageId":"m","body":"{\"lestats\":1,\"job\":\"away\"}","eventSource":"aws:sqs","attributes":{"ApproximateReceiveCount":"x"}}]}`)
	f.Fuzz(func(t *testing.T, e string) {
		m := &Main{cfg: Config{Log: quiet}, pool: &fakePool{}}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		out, err := m.Invoke(ctx, []byte(e))
		var answer events.SQSEventResponse
		if err == nil && json.Unmarshal(out, &answer) != nil {
			t.Errorf("%s", out)
		}
	})
}

// What a worker cannot do without is said at once, by name, and to Lambda.
func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"no queue":         {Config{}, "LESTATS_QUEUE_URL"},
		"no URL":           {Config{Queue: "jobs"}, "https://sqs."},
		"one for both":     {Config{Queue: "http://127.0.0.1:1/1/jobs", Dead: "http://127.0.0.1:1/1/jobs"}, "dead queue"},
		"time":             {Config{Queue: "http://127.0.0.1:1/1/jobs", TimeLimit: -1}, "time limit"},
		"workers":          {Config{Queue: "http://127.0.0.1:1/1/jobs", Workers: -1}, "workers"},
		"queue away":       {Config{Queue: "http://127.0.0.1:1/1/jobs"}, "queue jobs"},
		"function, folder": {Config{Function: true}, "LESTATS_STORE"},
	} {
		t.Setenv("AWS_ACCESS_KEY_ID", "x")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
		told := 0
		api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told++ }))
		t.Setenv(wire.EnvRuntimeAPI, strings.TrimPrefix(api.URL, "http://"))
		tt.cfg.Log = quiet
		_, err := Open(t.Context(), tt.cfg)
		api.Close()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.cfg.Function != (told == 1) {
			t.Errorf("%s: Lambda was told %d times", name, told)
		}
	}
	if err := (&Main{}).Close(); err != nil {
		t.Error(err)
	}
}
