package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("rapid.nofailfile", "true") // goroutines make it differ from run to run: a seed says little, a file clutters
	_ = flag.Set("rapid.shrinktime", "0s")
	_ = flag.Set("rapid.checks", "25") // go test -rapid.checks=1000 looks further
	goleak.VerifyTestMain(m)
}

// fakeRunner answers by the question's name.
type fakeRunner struct {
	limit time.Duration // of a job

	mu    sync.Mutex
	gates map[string]chan struct{} // what "held" questions wait for, by their parameter n
	runs  map[string]int           // how often each n was started
	ends  map[string]int           // how often such a run ended
	known map[string]bool          // questions that were added, and seen by Refresh if true
}

func newRunner() *fakeRunner {
	return &fakeRunner{limit: testTimeLimit, gates: map[string]chan struct{}{}, runs: map[string]int{}, ends: map[string]int{}, known: map[string]bool{}}
}

// Refresh learns of the questions that were added.
func (r *fakeRunner) Refresh(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.known {
		r.known[name] = true
	}
	return nil
}

// knows reports whether a question that comes and goes is known.
func (r *fakeRunner) knows(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !strings.HasPrefix(name, "new") || r.known[name]
}

func (r *fakeRunner) gate(n string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gates[n] == nil {
		r.gates[n] = make(chan struct{})
	}
	return r.gates[n]
}

// release lets the "held" question n end, now or when it comes to run.
func (r *fakeRunner) release(n string) {
	gate := r.gate(n)
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-gate:
	default:
		close(gate)
	}
}

func (r *fakeRunner) started(n string) int {
	starts, _ := r.counts(n)
	return starts
}

// counts returns how often a job was started, and how many of these runs never ended.
func (r *fakeRunner) counts(n string) (starts, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[n], r.runs[n] - r.ends[n]
}

func (r *fakeRunner) add(to map[string]int, req question.Request, d int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, _ := req.Params["n"].(string); n != "" {
		to[n] += d
	}
}

func (r *fakeRunner) begun(req question.Request) { r.add(r.runs, req, 1) }
func (r *fakeRunner) ended(req question.Request) { r.add(r.ends, req, 1) }
func (r *fakeRunner) lost(req question.Request)  { r.add(r.ends, req, -1) }

var errNoQuestion = question.Errorf(question.CodeUnknownQuestion, "there is no question of that name")

func (r *fakeRunner) Check(req question.Request) error {
	if req.Question == "unknown" || !r.knows(req.Question) {
		return errNoQuestion
	}
	return nil
}

func (r *fakeRunner) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	n, _ := req.Params["n"].(string)
	if !r.knows(req.Question) {
		return nil, errNoQuestion
	}
	r.begun(req)
	defer r.ended(req)
	limit := time.NewTimer(r.limit)
	defer limit.Stop()
	timeIsUp := question.Errorf(question.CodeTimeLimit, "the job ran longer than %v", r.limit)
	switch req.Question {
	case "ok", "new":
	case "1s", "4s":
		length, _ := time.ParseDuration(req.Question)
		if !sleep(ctx, length) {
			return nil, ctx.Err()
		}
	case "held":
		select {
		case <-r.gate(n):
		case <-limit.C:
			return nil, timeIsUp
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "stubborn":
		<-r.gate(n)
	case "fail":
		return nil, question.Errorf(question.CodeNoData, "no row has a value")
	case "plain":
		return nil, errors.New("an error without a code")
	case "panic":
		panic("out of order")
	case "nothing":
		return nil, nil
	case "no table":
		return &question.Answer{}, nil
	default:
		return nil, question.Errorf(question.CodeInternal, "the test asks for %q", req.Question)
	}
	return &question.Answer{
		Table: &question.Table{Layout: question.LayoutMap, Columns: []question.Column{
			{Name: "location", Type: question.String, Role: question.RoleKey, Dict: []string{"Ohio"}, Codes: []int32{0}},
			{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{33.25}},
		}},
		Provenance: &question.Provenance{Dataset: "npao", RowsSelected: 1},
	}, nil
}

func ask(name, n string) question.Request {
	return question.Request{Question: name, Params: map[string]any{"n": n}}
}

// bubbleIDs makes ids whose time is that of the test's bubble.
func bubbleIDs() func() (string, error) {
	var mu sync.Mutex
	n := 0
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return storetest.ID(time.Now(), n<<16), nil // above the tag of a client
	}
}

// bed is a pool over a store whose calls are recorded and can be made to fail.
type bed struct {
	t      testing.TB
	pool   *Pool
	runner *fakeRunner
	store  *results.Store
	faults *storetest.Faults

	mu  sync.Mutex
	ops []string // "Put pending", "Create jobs", "Delete pending"
	on  func(op string) error
}

const testTimeLimit = 5 * time.Second // where a test names none

var quiet = slog.New(slog.DiscardHandler)

func newStore(o results.Objects) *results.Store {
	s := results.New(o)
	s.Log = quiet
	return s
}

// newBed starts a pool; the test's end closes it and checks that it is at rest.
func newBed(t testing.TB, cfg Config) *bed {
	b := idleBed(t, cfg)
	b.start()
	return b
}

func idleBed(t testing.TB, cfg Config) *bed {
	t.Helper()
	b := &bed{t: t, runner: newRunner(), faults: storetest.NewFaults(&storetest.Memory{}, 1)}
	b.store = newStore(b.faults)
	cfg.TimeLimit = cmp.Or(cfg.TimeLimit, testTimeLimit)
	b.runner.limit = cfg.TimeLimit
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	b.faults.SetHook(func(op, key string) error {
		folder, _, _ := strings.Cut(key, "/")
		call := op + " " + folder
		b.mu.Lock()
		if op == "Put" || op == "Create" || op == "Delete" {
			b.ops = append(b.ops, call)
		}
		on := b.on
		b.mu.Unlock()
		if on == nil {
			return nil
		}
		return on(call)
	})
	b.pool = b.another(cfg)
	return b
}

// another returns a second pool over the same store: another process, or the next one.
func (b *bed) another(cfg Config) *Pool {
	b.t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	cfg.TimeLimit = cmp.Or(cfg.TimeLimit, testTimeLimit)
	if cfg.Queue == nil && !cfg.OnDemand {
		cfg.Queue, cfg.Receive = newQueue(), true
	}
	p, err := New(cfg, b.store, b.runner)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *bed) start() {
	b.t.Helper()
	if err := b.pool.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		b.fail(nil)
		if err := b.pool.Close(context.Background()); err != nil {
			b.t.Error("Close:", err)
		}
	})
}

// fail has fn called before each call to the store, with "Put pending" and the like.
func (b *bed) fail(fn func(op string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = fn
}

// calls returns what was written since it was last asked.
func (b *bed) calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ops := b.ops
	b.ops = nil
	return ops
}

func (b *bed) wrote(want ...string) {
	b.t.Helper()
	if got := b.calls(); !slices.Equal(got, want) {
		b.t.Errorf("written to the store: %q, want %q", got, want)
	}
}

func (b *bed) submit(name, n string) *question.Job {
	b.t.Helper()
	job, err := b.pool.Submit(b.t.Context(), ask(name, n))
	if err != nil {
		b.t.Fatalf("Submit %s: %v", name, err)
	}
	return job
}

func (b *bed) wait(id string) *question.Job {
	b.t.Helper()
	return waitFor(b.t, b.pool, id)
}

func waitFor(t testing.TB, p *Pool, id string) *question.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	job, err := p.Wait(ctx, id)
	if err != nil {
		t.Fatal("Wait:", err)
	}
	if !job.Status.Final() {
		t.Fatalf("after a minute job %s is %s", id, job.Status)
	}
	return job
}

func (b *bed) status(id string, want question.Status) *question.Job {
	b.t.Helper()
	job, err := b.pool.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal("Get:", err)
	}
	if job.Status != want {
		b.t.Errorf("job %s is %s, want %s", id, job.Status, want)
	}
	return job
}

// atRest checks that nothing is pending in the store, and returns how many outcomes it has.
func atRest(t testing.TB, s *results.Store) int {
	t.Helper()
	pending, err := s.Pending(context.Background(), question.JobFilter{}, "", 0)
	if err != nil || len(pending.Jobs) > 0 {
		t.Errorf("at rest %d jobs are pending (%v)", len(pending.Jobs), err)
	}
	outcomes, err := s.Outcomes(context.Background(), question.JobFilter{}, "", 0)
	if err != nil {
		t.Error(err)
	}
	return len(outcomes.Jobs)
}

func wantCode(t testing.TB, err error, code question.Code) {
	t.Helper()
	var e *question.Error
	if !errors.As(err, &e) || e.Code != code || e.Reason == "" {
		t.Errorf("error %v, want one with code %s", err, code)
	}
}

var errDown = fmt.Errorf("the test has the store down")

// testQueue is a queue in memory whose messages can be lost and doubled. What is received
// is hidden from others for a minute.
type testQueue struct {
	mu       sync.Mutex
	wake     chan struct{} // closed when something comes
	messages map[int]*testMessage
	n        int
	down     error
	lose     func() bool
	double   func() bool
}

type testMessage struct {
	question.Message
	due time.Time
}

func newQueue() *testQueue {
	never := func() bool { return false }
	return &testQueue{wake: make(chan struct{}), messages: map[int]*testMessage{}, lose: never, double: never}
}

func (q *testQueue) Send(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down != nil {
		return q.down
	}
	if q.lose() {
		return nil
	}
	q.put(id, 0)
	if q.double() {
		q.put(id, 0)
	}
	return nil
}

func (q *testQueue) put(id string, after time.Duration) {
	q.n++
	q.messages[q.n] = &testMessage{question.Message{ID: id, Receipt: fmt.Sprint(q.n)}, time.Now().Add(after)}
	close(q.wake)
	q.wake = make(chan struct{})
}

func (q *testQueue) Receive(ctx context.Context, limit int) ([]question.Message, error) {
	for ctx.Err() == nil {
		q.mu.Lock()
		if q.down != nil {
			err := q.down
			q.mu.Unlock()
			return nil, err
		}
		var out []question.Message
		next := time.Now().Add(time.Hour)
		for _, n := range slices.Sorted(maps.Keys(q.messages)) {
			m := q.messages[n]
			if wait := time.Until(m.due); wait > 0 || len(out) == limit {
				if m.due.Before(next) {
					next = m.due
				}
				continue
			}
			m.due = time.Now().Add(time.Minute)
			m.ReceiveCount++
			out = append(out, m.Message)
		}
		wake := q.wake
		q.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil, nil
}

func (q *testQueue) Delete(_ context.Context, m question.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, _ := strconv.Atoi(m.Receipt)
	delete(q.messages, n)
	return nil
}

func (q *testQueue) ChangeVisibility(_ context.Context, m question.Message, d time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, _ := strconv.Atoi(m.Receipt)
	if m := q.messages[n]; m != nil {
		m.due = time.Now().Add(d)
		close(q.wake)
		q.wake = make(chan struct{})
	}
	return nil
}

func (q *testQueue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

func codeOf(job *question.Job) string {
	if job.Error == nil {
		return ""
	}
	return string(job.Error.Code)
}

func text(job *question.Job) string {
	b, err := json.Marshal(job)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
