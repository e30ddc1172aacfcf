package jobs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
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
	_ = flag.Set("rapid.checks", "25")       // go test -rapid.checks=1000 looks further
	goleak.VerifyTestMain(m)
}

// fakeRunner answers by the question's name.
type fakeRunner struct {
	mu    sync.Mutex
	gates map[string]chan struct{} // what "held" questions wait for, by their parameter n
	runs  map[string]int           // how often each n was started
}

func newRunner() *fakeRunner {
	return &fakeRunner{gates: map[string]chan struct{}{}, runs: map[string]int{}}
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
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[n]
}

var errNoQuestion = question.Errorf(question.CodeUnknownQuestion, "there is no question of that name")

func (r *fakeRunner) Check(req question.Request) error {
	if req.Question == "unknown" {
		return errNoQuestion
	}
	return nil
}

func (r *fakeRunner) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	n, _ := req.Params["n"].(string)
	if n != "" {
		r.mu.Lock()
		r.runs[n]++
		r.mu.Unlock()
	}
	switch req.Question {
	case "ok":
	case "held":
		select {
		case <-r.gate(n):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "stubborn":
		<-r.gate(n)
	case "fail":
		return nil, question.Errorf(question.CodeNoData, "no row has a value")
	case "plain":
		return nil, errors.New("an error without a code")
	case "coded limit":
		<-ctx.Done()
		return nil, question.Errorf(question.CodeTimeLimit, "the plugin was stopped: %w", ctx.Err())
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
		return storetest.ID(time.Now(), n), nil
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

var quiet = slog.New(slog.DiscardHandler)

// newBed starts a pool; the test's end closes it and checks that it is at rest.
func newBed(t testing.TB, cfg Config) *bed {
	b := idleBed(t, cfg)
	b.start()
	return b
}

func idleBed(t testing.TB, cfg Config) *bed {
	t.Helper()
	b := &bed{t: t, runner: newRunner(), faults: storetest.NewFaults(&storetest.Memory{}, 1)}
	b.store = results.New(b.faults)
	b.store.Log = quiet
	b.faults.SetHook(func(op, key string) error {
		folder := "jobs"
		if len(key) >= 7 && key[:7] == "pending" {
			folder = "pending"
		}
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
	pending, err := s.Pending(context.Background(), "", 0)
	if err != nil || len(pending) > 0 {
		t.Errorf("at rest %d jobs are pending (%v)", len(pending), err)
	}
	outcomes, err := s.Outcomes(context.Background(), "", 0)
	if err != nil {
		t.Error(err)
	}
	return len(outcomes)
}

func wantCode(t testing.TB, err error, code question.Code) {
	t.Helper()
	var e *question.Error
	if !errors.As(err, &e) || e.Code != code || e.Reason == "" {
		t.Errorf("error %v, want one with code %s", err, code)
	}
}

var errDown = fmt.Errorf("the test has the store down")
