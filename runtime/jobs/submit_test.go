package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{
		{Workers: -1}, {Intake: -1}, {MaxAttempts: -1}, {TimeLimit: -1}, {Retention: -1}, {Grace: -1},
		{Receive: true}, {OnDemand: true, Receive: true},
	} {
		cfg.TimeLimit = cmp.Or(cfg.TimeLimit, testTimeLimit)
		if cfg.Queue = newQueue(); cfg.Receive && !cfg.OnDemand {
			cfg.Queue = nil
		}
		if _, err := New(cfg, nil, nil); err == nil {
			t.Errorf("New(%+v) is fine, want an error", cfg)
		}
	}
	if _, err := New(Config{TimeLimit: testTimeLimit}, nil, nil); err == nil {
		t.Error("a pool without a queue that is not on demand is fine")
	}
	if _, err := New(Config{Queue: newQueue()}, nil, nil); err == nil {
		t.Error("a pool without a time limit is fine")
	}
	cfg := Config{TimeLimit: testTimeLimit, Queue: newQueue(), Receive: true}
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	if cfg.Workers < 1 || cfg.Intake != DefaultIntake || cfg.Grace != 10*time.Millisecond || cfg.queueLease != 20*time.Second || cfg.MaxAttempts != 3 || cfg.Log == nil {
		t.Errorf("defaults: %+v", cfg)
	}
	a, _ := cfg.newID()
	b, _ := cfg.newID()
	if _, err := question.ParseID(a); err != nil || a >= b {
		t.Errorf("ids %s and %s: want ascending UUIDv7", a, b)
	}
}

// What becomes of a question, with and without grace.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		question string
		status   question.Status
		code     question.Code
	}{
		{"ok", question.Done, ""},
		{"fail", question.Failed, question.CodeNoData},
		{"plain", question.Failed, question.CodeInternal},
		{"panic", question.Failed, question.CodeInternal},
		{"nothing", question.Failed, question.CodeInternal},
		{"no table", question.Failed, question.CodeInternal},
		{"held", question.Failed, question.CodeTimeLimit},
	} {
		for _, grace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tt.question, grace), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
					if !grace { // it has to wait until another has ended
						b.submit("held", "other")
						time.AfterFunc(time.Second, func() { b.runner.release("other") })
					}
					start := time.Now()
					job := b.submit(tt.question, "1")
					if (tt.code != question.CodeTimeLimit && grace) != job.Status.Final() {
						t.Errorf("Submit returns a job that is %s", job.Status)
					}
					job = b.wait(job.ID)
					if job.Status != tt.status || question.Code(codeOf(job)) != tt.code {
						t.Errorf("it is %s, %v; want %s, %q", job.Status, job.Error, tt.status, tt.code)
					}
					if (job.Result != nil) != (job.Status == question.Done) || (job.Provenance != nil) != (job.Status == question.Done) {
						t.Errorf("%s with result %v, provenance %v", job.Status, job.Result, job.Provenance)
					}
					if job.Attempts != 1 || job.Created.IsZero() || job.Started.Before(job.Created) || job.Finished.Before(job.Started) {
						t.Errorf("attempts %d, created %v, started %v, finished %v", job.Attempts, job.Created, job.Started, job.Finished)
					}
					if tt.code == question.CodeTimeLimit && time.Since(start) < 5*time.Second {
						t.Errorf("it ended after %v, want 5 s", time.Since(start))
					}
					synctest.Wait()
					if n := atRest(t, b.store); n != 1 && grace || n != 2 && !grace {
						t.Errorf("%d outcomes in the store", n)
					}
					stored, err := b.store.Get(t.Context(), job.ID)
					if err != nil || text(stored) != text(job) {
						t.Errorf("stored: %s (%v), want %s", text(stored), err, text(job))
					}
					// The worker lives on.
					if job := b.wait(b.submit("ok", "2").ID); job.Status != question.Done {
						t.Errorf("the next job is %s", job.Status)
					}
				})
			})
		}
	}
}

func TestOrderOfWrites(t *testing.T) {
	t.Run("it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			synctest.Wait()
			b.submit("held", "1")
			id := b.submit("ok", "").ID
			b.wrote("Put pending", "Put pending")
			b.runner.release("1")
			b.wait(id)
			synctest.Wait()
			got := b.calls()
			slices.Sort(got)
			if !slices.Equal(got, []string{"Create jobs", "Create jobs", "Delete pending", "Delete pending"}) {
				t.Errorf("%q", got)
			}
		})
	})
	t.Run("within grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			synctest.Wait()
			if job := b.submit("ok", ""); job.Status != question.Done {
				t.Errorf("it is %s", job.Status)
			}
			b.wrote("Create jobs")
		})
	})
	t.Run("the outcome takes longer than the grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			synctest.Wait()
			b.fail(func(string) error { time.Sleep(200 * time.Millisecond); return nil })
			if job := b.submit("ok", ""); job.Status != question.Done {
				t.Errorf("it is %s", job.Status)
			}
			b.wrote("Create jobs")
		})
	})
	t.Run("after grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			synctest.Wait()
			job := b.submit("held", "1")
			if job.Status != question.Running {
				t.Errorf("it is %s", job.Status)
			}
			b.wrote("Put pending")
			b.runner.release("1")
			b.wait(job.ID)
			synctest.Wait()
			b.wrote("Create jobs", "Delete pending")
		})
	})
	t.Run("it ends while it is stored as pending", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			synctest.Wait()
			b.fail(func(op string) error {
				if op == "Put pending" {
					b.runner.release("1")
					time.Sleep(time.Second)
				}
				return nil
			})
			b.wait(b.submit("held", "1").ID)
			b.wrote("Put pending", "Create jobs", "Delete pending")
			atRest(t, b.store)
		})
	})
}

// writeAnyway writes the pending records that are being written: what looks like a
// failure may have had its effect.
func (b *bed) writeAnyway() {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	for _, e := range b.pool.live {
		if e.stored != nil {
			if err := results.New(b.faults.Objects).PutPending(context.Background(), e.stored); err != nil {
				b.t.Error(err)
			}
		}
	}
}

// A store that fails while a job is being accepted.
func TestNotAccepted(t *testing.T) {
	down := question.Errorf(question.CodeStoreUnavailable, "%w", errDown)
	for _, tt := range []struct {
		name     string
		waits    bool // another job runs
		question string
		fails    string
		release  bool // the job ends while its pending record is being written
		status   question.Status
		runs     int
	}{
		{name: "pending, waiting", waits: true, question: "ok", fails: "Put pending"},
		{name: "pending, running", question: "held", fails: "Put pending", runs: 1},
		{name: "pending, ended meanwhile", question: "held", fails: "Put pending", release: true, status: question.Done, runs: 1},
		{name: "outcome", question: "ok", fails: "Create jobs", runs: 1},
		{name: "both", question: "held", fails: "both", release: true, runs: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
				if tt.waits {
					b.submit("held", "other")
				}
				b.fail(func(op string) error {
					if op == "Put pending" && tt.release {
						b.runner.release("1")
						time.Sleep(time.Second)
					}
					if op == "Put pending" && tt.fails != "Create jobs" {
						b.writeAnyway()
					}
					if op == tt.fails || tt.fails == "both" && op != "Delete pending" {
						return down
					}
					return nil
				})
				job, err := b.pool.Submit(t.Context(), ask(tt.question, "1"))
				if tt.status == "" {
					wantCode(t, err, question.CodeStoreUnavailable)
					if !errors.Is(err, errDown) {
						t.Errorf("%v does not wrap the cause", err)
					}
				} else if err != nil || job.Status != tt.status {
					t.Errorf("Submit: %v, %v, want %s", job, err, tt.status)
				}
				b.runner.release("other")
				synctest.Wait()
				if got := b.runner.started("1"); got != tt.runs {
					t.Errorf("it was started %d times, want %d", got, tt.runs)
				}
				b.fail(nil)
				atRest(t, b.store)
				if n, err := b.pool.Unfinished(t.Context()); n != 0 || err != nil {
					t.Errorf("Unfinished: %d, %v", n, err)
				}
				// Its place and its worker are free again.
				if job := b.wait(b.submit("ok", "").ID); job.Status != question.Done {
					t.Errorf("the next job is %s", job.Status)
				}
			})
		})
	}
}

func TestCheckComesFirst(t *testing.T) {
	b := newBed(t, Config{Workers: 1})
	b.pool.Drain()
	if _, err := b.pool.Submit(t.Context(), ask("unknown", "")); !errors.Is(err, errNoQuestion) {
		t.Errorf("error %v, want the runner's own", err)
	}
	b.wrote()
}

func TestShuttingDown(t *testing.T) {
	b := newBed(t, Config{Workers: 1})
	b.pool.Drain()
	b.pool.Drain()
	_, err := b.pool.Submit(t.Context(), ask("ok", ""))
	wantCode(t, err, question.CodeShuttingDown)
	b.wrote()
}

func TestCallerIsGone(t *testing.T) {
	b := newBed(t, Config{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.pool.Submit(ctx, ask("ok", ""))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	b.wrote()
}

func TestQueueFull(t *testing.T) {
	for _, grace := range []time.Duration{time.Nanosecond, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 2, Intake: 3, Grace: grace, TimeLimit: time.Hour, newID: bubbleIDs()})
			for range 5 {
				b.submit("held", "1")
			}
			b.calls()
			_, err := b.pool.Submit(t.Context(), ask("ok", ""))
			wantCode(t, err, question.CodeQueueFull)
			b.wrote()
			b.runner.release("1")
			synctest.Wait()
			for range 5 {
				b.submit("ok", "")
			}
		})
	}
}

// Before Start jobs are accepted, and wait.
func TestSubmitBeforeStart(t *testing.T) {
	b := idleBed(t, Config{Workers: 1})
	job := b.submit("ok", "")
	b.status(job.ID, question.Queued)
	b.start()
	b.wait(job.ID)
}

// A result that cannot be written is the job's failure, not the store's.
func TestResultThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		first := true
		b.fail(func(op string) error {
			if op == "Create jobs" && first {
				first = false
				return question.Errorf(question.CodeInternal, "too large")
			}
			return nil
		})
		job := b.submit("ok", "")
		if job.Status != question.Failed || job.Error.Code != question.CodeInternal || job.Result != nil {
			t.Errorf("it is %s, %v", job.Status, job.Error)
		}
	})
}
