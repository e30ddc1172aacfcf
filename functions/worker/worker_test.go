package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// away is the URL of a queue that nobody serves.
const away = "http://127.0.0.1:1/1/jobs"

func config(common wire.Config, dead string) Config {
	common.Log = quiet
	if common.TimeLimit == 0 {
		common.TimeLimit = time.Minute
	}
	return Config{Config: common, DeadURL: dead}
}

// fakePool answers by the job's id.
type fakePool struct{ recovered int }

func (p *fakePool) Deliver(ctx context.Context, m question.Message) (done bool, after time.Duration) {
	switch m.ID {
	case "slow":
		<-ctx.Done()
		return false, 0
	case "no id", "away":
		return false, time.Second
	}
	return true, 0
}

func (p *fakePool) Recover(_ context.Context, limit int) (int, error) {
	if limit != 0 {
		return 0, errors.New("with a limit")
	}
	p.recovered++
	return 3, nil
}

// fakeQueue gives each batch once.
type fakeQueue struct {
	jobs.Queue

	mu       sync.Mutex
	batches  [][]question.Message
	down     int // how often it does not answer at first
	done     []string
	returned map[string]time.Duration
}

func (q *fakeQueue) Receive(ctx context.Context, _ int) ([]question.Message, error) {
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
	<-ctx.Done()
	return nil, nil
}

func (q *fakeQueue) Delete(_ context.Context, m question.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = append(q.done, m.ID)
	return nil
}

func (q *fakeQueue) ChangeVisibility(_ context.Context, m question.Message, after time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.returned[m.ID] = after
	return nil
}

func messages(ids ...string) (out []question.Message) {
	for _, id := range ids {
		out = append(out, question.Message{ID: id, Receipt: id, ReceiveCount: 2})
	}
	return out
}

// The dead-letter queue loses the jobs that ended or never will, and keeps the rest; also
// after it was away.
func TestReadDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeQueue{batches: [][]question.Message{messages("dead", "no id", "vanished"), messages("away", "other")}, down: 3, returned: map[string]time.Duration{}}
		m := &Main{cfg: config(wire.Config{QueueURL: "q", Workers: 1}, ""), pool: &fakePool{}, dead: dead}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		m.readDead(ctx)
		if want := []string{"dead", "vanished", "other"}; !slices.Equal(dead.done, want) || len(dead.returned) != 0 {
			t.Errorf("deleted: %q, returned: %v", dead.done, dead.returned)
		}
	})
}

// event is what Lambda sends for messages with these jobs' ids, or bodies, which are
// their own ids too.
func event(t *testing.T, arn string, ids []string) []byte {
	t.Helper()
	var e events.SQSEvent
	for _, id := range ids {
		body := id
		if !strings.HasPrefix(id, "{") {
			body = queue.Body(id)
		}
		e.Records = append(e.Records, events.SQSMessage{MessageId: id, Body: body, EventSource: "aws:sqs", EventSourceARN: arn, Attributes: map[string]string{"ApproximateReceiveCount": "2"}})
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
		m := &Main{cfg: config(wire.Config{}, ""), pool: p}
		m.cfg.TimeLimit = 20 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, tt := range []struct{ names, again []string }{
			{[]string{"done"}, nil},
			{[]string{"done", "no id", "away", "{}", "other"}, []string{"no id", "away", "{}"}},
			{[]string{"done", "slow"}, []string{"slow"}},
		} {
			begin := time.Now()
			out, err := m.Invoke(ctx, event(t, "arn:aws:sqs:r:1:jobs", tt.names))
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
			if !slices.Equal(again, tt.again) {
				t.Errorf("again %q; want %q", again, tt.again)
			}
			if slices.Contains(tt.names, "slow") && time.Since(begin) != 59*time.Second {
				t.Errorf("it took %v of a minute", time.Since(begin))
			}
		}
		// In less time than one job may take it does not begin.
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if out, err := m.Invoke(ctx, event(t, "arn:aws:sqs:r:1:jobs", []string{"done"})); err == nil || !strings.Contains(err.Error(), "do not fit") {
			t.Errorf("%s, %v", out, err)
		}
	})
}

// A batch that may not fit into the function's timeout is run, and reported.
func TestInvokeLargeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := config(wire.Config{}, "")
		cfg.Log, cfg.TimeLimit = slog.New(slog.NewTextHandler(&log, nil)), 25*time.Second
		m := &Main{cfg: cfg, pool: &fakePool{}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for n, reported := range map[int]bool{2: false, 10: true} {
			log.Reset()
			if out, err := m.Invoke(ctx, event(t, "arn:aws:sqs:r:1:jobs", slices.Repeat([]string{"done"}, n))); err != nil || string(out) != `{"batchItemFailures":[]}` {
				t.Fatalf("%s, %v", out, err)
			}
			if strings.Contains(log.String(), "batches of at most 2") != reported {
				t.Errorf("%d jobs: %s", n, &log)
			}
		}
	})
}

func TestInvokeRefuses(t *testing.T) {
	m := &Main{cfg: config(wire.Config{}, ""), pool: &fakePool{}}
	for _, e := range []string{"", "[]", `{"key1":"value1"}`, `{"Records":[]}`, `{"Records":[{"eventSource":"aws:s3"}]}`, `{"Records":[{"eventSource":"aws:sqs","body":"{}"},{"eventSource":"aws:sns"}]}`, `{"version":"2.0"}`} {
		if out, err := m.Invoke(t.Context(), []byte(e)); err == nil {
			t.Errorf("%s: %s", e, out)
		}
	}
}

// What is sent to see whether the function is there is answered, at level info, with what
// it takes. No message is reported as failed or deleted.
func TestTestEvents(t *testing.T) {
	var log bytes.Buffer
	p := &fakePool{}
	m := &Main{cfg: config(wire.Config{}, ""), pool: p}
	m.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for name, event := range lambdatest.TestEvents {
		log.Reset()
		out, err := m.Invoke(t.Context(), []byte(event))
		var answer struct {
			Reason  string
			Example json.RawMessage
		}
		if name == "schedule" {
			answer.Reason, answer.Example = takes, out
		}
		if err != nil || json.Unmarshal(out, &answer) != nil || !strings.Contains(answer.Reason, "SQS") || !strings.Contains(log.String(), "level=INFO") {
			t.Errorf("%s: %s, %v; log %s", name, out, err, &log)
			continue
		}
		if _, err := m.Invoke(t.Context(), answer.Example); err != nil {
			t.Errorf("%s: the example: %v", name, err)
		}
	}
	if p.recovered < len(lambdatest.TestEvents) {
		t.Errorf("the examples had it look for lost jobs %d times", p.recovered)
	}
}

// Whatever an event holds, the answer is an error or names messages of it.
func FuzzInvoke(f *testing.F) {
	f.Add(`{"Records":[{"messageId":"m","body":"{\"lestats\":1,\"job\":\"away\"}","eventSource":"aws:sqs","attributes":{"ApproximateReceiveCount":"x"}}]}`)
	f.Fuzz(func(t *testing.T, e string) {
		m := &Main{cfg: config(wire.Config{}, ""), pool: &fakePool{}}
		m.cfg.TimeLimit = time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		out, err := m.Invoke(ctx, []byte(e))
		var answer events.SQSEventResponse
		if err == nil && json.Unmarshal(out, &answer) != nil {
			t.Errorf("%s", out)
		}
	})
}

func limited(limit time.Duration) (cfg wire.QuestionsConfig) {
	cfg.TimeLimit = limit
	return cfg
}

// What a worker cannot do without is said at once, by name, and to Lambda.
func TestOpenRefuses(t *testing.T) {
	var late wire.Config
	late.QueueURL, late.TimeLimit = away, -1
	long := late
	long.TimeLimit = 2 * time.Hour
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"time":             {config(late, ""), "time limit"},
		"long":             {config(long, ""), "12h"},
		"no queue":         {Config{}, "LESTATS_QUEUE_URL"},
		"no URL":           {config(wire.Config{QueueURL: "jobs"}, ""), "https://sqs."},
		"one for both":     {config(wire.Config{QueueURL: away}, away), "dead-letter queue"},
		"function, limit":  {config(wire.Config{Function: true, StoreConfig: wire.StoreConfig{Location: "s3://bucket"}, QuestionsConfig: limited(15 * time.Minute)}, ""), "at most 14m50s"},
		"workers":          {config(wire.Config{QueueURL: away, Workers: -1}, ""), "workers"},
		"queue away":       {config(wire.Config{QueueURL: away}, ""), "queue jobs"},
		"function, folder": {config(wire.Config{Function: true}, ""), "LESTATS_STORE"},
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
