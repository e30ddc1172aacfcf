package jobs

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// A process that is alone at its start runs all that is pending, also more than the intake.
func TestTakeUpAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 2, Intake: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		ids := leave(t, b.store, 200, "ok", nil)
		if n, err := b.pool.Unfinished(t.Context()); n != len(ids) || err != nil {
			t.Errorf("Unfinished: %d, %v", n, err)
		}
		b.start()
		for _, id := range ids {
			if job := b.wait(id); job.Status != question.Done || job.Attempts != 1 {
				t.Fatalf("it is %s after %d attempts", job.Status, job.Attempts)
			}
		}
		synctest.Wait()
		if n := atRest(t, b.store); n != len(ids) {
			t.Errorf("%d outcomes, want %d", n, len(ids))
		}
	})
}

func TestTooManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		ids := leave(t, b.store, 5, "ok", func(i int, job *question.Job) { job.Attempts = i })
		b.start()
		for i, id := range ids {
			job := b.wait(id)
			if i < 3 {
				if job.Status != question.Done || job.Attempts != i+1 || b.runner.started(strconv.Itoa(i)) != 1 {
					t.Errorf("after %d attempts: %s, %d attempts", i, job.Status, job.Attempts)
				}
			} else if job.Status != question.Failed || codeOf(job) != "too_many_attempts" || job.Attempts != i || b.runner.started(strconv.Itoa(i)) != 0 {
				t.Errorf("after %d attempts: %s, %v", i, job.Status, job.Error)
			}
		}
		synctest.Wait()
		atRest(t, b.store)
		time.Sleep(time.Millisecond) // for an id of its own
		if job, err := b.pool.Retry(t.Context(), ids[4]); err != nil || job.RetryOf != ids[4] {
			t.Errorf("Retry: %v, %v", job, err)
		}
	})
}

// The attempt is in the store before the job runs.
func TestAttemptIsCountedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		id := leave(t, b.store, 1, "held", func(_ int, job *question.Job) { job.Request = ask("held", "1") })[0]
		b.calls()
		b.start()
		synctest.Wait()
		if job, err := b.store.Get(t.Context(), id); err != nil || job.Attempts != 1 || job.Status != question.Running {
			t.Errorf("stored: %v, %v", job, err)
		}
		b.wrote("Put pending")
		b.runner.release("1")
		b.wait(id)
		synctest.Wait()
		b.wrote("Create jobs", "Delete pending")
	})
}

// Whatever fails while a job is taken up, its record stays.
func TestTakeUpFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		b.fail(func(op string) error {
			switch op {
			case "Put pending":
				time.Sleep(5 * time.Second)
				return errDown
			case "Create jobs":
				return errDown
			default:
				return nil
			}
		})
		b.start()
		time.Sleep(time.Second)
		_, err := b.pool.Cancel(t.Context(), id) // while its attempt is being counted
		wantCode(t, err, question.CodeStoreUnavailable)
		time.Sleep(5 * time.Second)
		b.fail(nil)
		if stored, err := b.store.Get(t.Context(), id); err != nil || stored.Status != question.Queued {
			t.Fatalf("stored: %v, %v", stored, err)
		}
		if job := b.wait(id); job.Status != question.Done {
			t.Errorf("it is %s", job.Status)
		}
	})
}

// What is damaged is left alone, and keeps nobody from draining.
func TestDamagedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		outcome := *storetest.Done(id, 1)
		if _, err := b.store.PutOutcome(t.Context(), &outcome); err != nil {
			t.Fatal(err)
		}
		for key := range b.faults.Objects.List(t.Context(), "jobs/", "") {
			if err := b.faults.Objects.Put(t.Context(), "jobs/"+key.Name+id+".json", []byte("{")); err != nil {
				t.Fatal(err)
			}
		}
		b.start()
		b.pool.Drain()
		synctest.Wait()
		if !b.pool.Drained() {
			t.Error("it is not drained")
		}
		_, err := b.pool.Get(t.Context(), id)
		wantCode(t, err, question.CodeInternal)
	})
}

// A pending record beside an outcome is removed; the outcome stays.
func TestStalePending(t *testing.T) {
	for _, alone := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := idleBed(t, Config{Workers: 1, AloneSince: time.Time{}.Add(alone), newID: bubbleIDs()})
			id := leave(t, b.store, 1, "ok", nil)[0]
			out := &question.Job{ID: id, Status: question.Cancelled, Created: time.Now(), Error: question.Errorf(question.CodeCancelled, "elsewhere")}
			if _, err := b.store.PutOutcome(t.Context(), out); err != nil {
				t.Fatal(err)
			}
			b.start()
			time.Sleep(time.Minute)
			if job := b.status(id, question.Cancelled); job.Error.Reason != "elsewhere" {
				t.Errorf("the outcome was changed: %v", job)
			}
			if b.runner.started("0") != 0 {
				t.Error("it was run again")
			}
			atRest(t, b.store)
		})
	}
}

// The store is away when the outcome is to be written: the job stays unfinished,
// and is taken up again.
func TestOutcomeWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		job := b.submit("held", "1")
		b.fail(func(string) error { return errDown })
		b.runner.release("1")
		time.Sleep(time.Minute)
		if _, err := b.pool.Submit(t.Context(), ask("ok", "")); err == nil {
			t.Error("a job was accepted without a store")
		}
		b.fail(nil)
		if got, err := b.pool.Get(t.Context(), job.ID); err != nil || got.Status.Final() {
			t.Errorf("%v, %v", got, err)
		}
		if got := b.wait(job.ID); got.Status != question.Done {
			t.Errorf("it is %s", got.Status)
		}
		if n := b.runner.started("1"); n != 2 {
			t.Errorf("it was started %d times, want 2", n)
		}
		synctest.Wait()
		atRest(t, b.store)
	})
}

// A short failure is waited out.
func TestOutcomeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		failures := 3
		b.fail(func(op string) error {
			if op == "Create jobs" && failures > 0 {
				failures--
				return errDown
			}
			return nil
		})
		job := b.wait(b.submit("ok", "1").ID)
		if job.Status != question.Done || b.runner.started("1") != 1 {
			t.Errorf("it is %s after %d starts", job.Status, b.runner.started("1"))
		}
		synctest.Wait()
		b.wrote("Create jobs", "Create jobs", "Create jobs", "Create jobs")
	})
}

// A record that could not be removed is removed later.
func TestDeleteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		synctest.Wait()
		b.fail(func(op string) error {
			if op == "Delete pending" {
				return errDown
			}
			return nil
		})
		b.wait(b.submit("ok", "1").ID)
		synctest.Wait()
		b.fail(nil)
		time.Sleep(11 * time.Second)
		atRest(t, b.store)
		if b.runner.started("1") != 1 {
			t.Error("it was run again")
		}
	})
}

// Two processes and one job: the first outcome is the truth for both.
func TestFirstWriterWins(t *testing.T) {
	t.Run("cancelled by another process while it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			other := b.another(Config{})
			job := b.submit("held", "1")
			synctest.Wait()
			if got, err := other.Cancel(t.Context(), job.ID); err != nil || got.Status != question.Cancelled {
				t.Fatal(got, err)
			}
			if got, err := other.Get(t.Context(), job.ID); err != nil || got.Status != question.Cancelled {
				t.Error(got, err)
			}
			b.runner.release("1")
			if got := b.wait(job.ID); got.Status != question.Cancelled {
				t.Errorf("it is %s here and cancelled there", got.Status)
			}
			_, err := b.pool.Cancel(t.Context(), job.ID)
			wantCode(t, err, question.CodeAlreadyFinal)
			synctest.Wait()
			atRest(t, b.store)
		})
	})
	t.Run("finished by another process while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, TimeLimit: time.Minute, newID: bubbleIDs()})
			b.submit("held", "1")
			job := b.submit("ok", "2")
			out := *job
			out.Status, out.Error = question.Failed, question.Errorf(question.CodeNoData, "there")
			if _, err := b.store.PutOutcome(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			b.status(job.ID, question.Queued) // for all that this process knows
			b.runner.release("1")
			if got := b.wait(job.ID); got.Status != question.Failed || got.Error.Reason != "there" {
				t.Errorf("it is %s, %v", got.Status, got.Error)
			}
			synctest.Wait()
			atRest(t, b.store)
		})
	})
	t.Run("an old job is not run when it has ended elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, TimeLimit: time.Second, queueLease: 4 * time.Second, newID: bubbleIDs()})
			for range 6 {
				b.submit("held", "1")
			}
			job := b.submit("ok", "2")
			if _, err := b.another(Config{}).Cancel(t.Context(), job.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4500 * time.Millisecond)  // longer than its lease
			b.status(job.ID, question.Cancelled) // while it waits
			b.runner.release("1")
			b.wait(job.ID)
			if b.runner.started("2") != 0 {
				t.Error("it was run")
			}
		})
	})
}

// Two processes share a store and run and cancel each other's jobs, because these
// last longer than twice the time limit of one that waits. They agree in the end.
func TestTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Workers: 2, TimeLimit: time.Second, newID: bubbleIDs()}
		b := newBed(t, cfg)
		b.faults.SetRate(0.05)
		pools := []*Pool{b.pool, b.another(cfg)}
		if err := pools[1].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var ids []string
		var wg sync.WaitGroup
		for client := range 8 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(client), 0))
				for range 30 {
					job, err := pools[rng.IntN(2)].Submit(t.Context(), ask([]string{"ok", "held", "held", "fail"}[rng.IntN(4)], "never"))
					if err == nil {
						mu.Lock()
						ids = append(ids, job.ID)
						mu.Unlock()
						if rng.IntN(3) == 0 {
							time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
							_, err = pools[rng.IntN(2)].Cancel(t.Context(), job.ID)
						}
					}
					switch question.CodeOf(err) {
					case "", question.CodeStoreUnavailable, question.CodeAlreadyFinal:
					default:
						t.Error(err)
					}
					time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		b.faults.SetRate(0)
		time.Sleep(5 * time.Minute)
		for _, id := range ids {
			stored, err := b.store.Get(t.Context(), id)
			if err != nil || !stored.Status.Final() {
				t.Fatalf("job %s: %v, %v", id, stored, err)
			}
			for _, p := range pools {
				if job := waitFor(t, p, id); text(job) != text(stored) {
					t.Errorf("stored is\n%s\nand one process says\n%s", text(stored), text(job))
				}
			}
		}
		atRest(t, b.store)
		if err := pools[1].Close(t.Context()); err != nil {
			t.Error(err)
		}
		t.Logf("%d jobs", len(ids))
	})
}

// The store is away at start.
func TestStartWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, AloneSince: time.Now().Add(time.Second), newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		b.fail(func(string) error { return errDown })
		b.start()
		time.Sleep(time.Second)
		b.fail(nil)
		if job := b.wait(id); job.Status != question.Done {
			t.Errorf("it is %s", job.Status)
		}
	})
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, Retention: 24 * time.Hour, newID: bubbleIDs()})
		b.submit("ok", "")
		time.Sleep(23 * time.Hour)
		if n := atRest(t, b.store); n != 1 {
			t.Errorf("%d outcomes after 23 hours, want 1", n)
		}
		time.Sleep(4 * time.Hour)
		if n := atRest(t, b.store); n != 0 {
			t.Errorf("%d outcomes after 27 hours, want 0", n)
		}
	})
}

// A job that waited here, and whose question went away meanwhile, is given back without a
// start: its record does not tell of the run.
func TestGivenBackAfterWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		b.runner.known["new"] = true
		first, waits := b.submit("held", "1"), b.submit("new", "2")
		b.runner.mu.Lock()
		delete(b.runner.known, "new")
		b.runner.mu.Unlock()
		b.runner.release("1")
		b.wait(first.ID)
		synctest.Wait()
		job, err := b.store.Get(t.Context(), waits.ID)
		if err != nil || job.Status != question.Queued || job.Attempts != 0 || job.Returned != 1 {
			t.Errorf("%v, %v", text(job), err)
		}
		if job := b.wait(waits.ID); job.Status != question.Failed || job.Attempts != 1 {
			t.Errorf("%v", text(job))
		}
	})
}

// A record that cannot be read is told of once an hour, also if it is older than that or
// than this process.
func TestDamagedRecordIsToldSeldom(t *testing.T) {
	for _, alone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			cfg := Config{newID: bubbleIDs(), Log: slog.New(slog.NewTextHandler(&log, nil))}
			if alone {
				cfg.AloneSince = time.Now().Add(time.Minute)
			}
			b := idleBed(t, cfg)
			id := leave(t, b.store, 1, "ok", nil)[0]
			if err := b.faults.Put(t.Context(), "pending/"+id, []byte(`{"id":`)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			b.start()
			time.Sleep(10 * time.Hour)
			if n, err := b.pool.Unfinished(t.Context()); n != 0 || err != nil { // as List has it
				t.Errorf("%d jobs are unfinished, %v", n, err)
			}
			b.pool.Drain()
			synctest.Wait()
			if n := strings.Count(log.String(), "cannot be read"); n < 5 || n > 11 {
				t.Errorf("alone=%t: %d times in ten hours", alone, n)
			}
		})
	}
}

// A record that was written before the store's clock was set back is taken up when a lease
// has passed since it was seen, not when that time has come.
func TestModelClockIsSetBack(t *testing.T) {
	for _, status := range []question.Status{question.Queued, question.Running} {
		for _, alone := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				back := time.Duration(0)
				cfg := Config{newID: bubbleIDs()}
				b := idleBed(t, cfg)
				b.faults.Objects.(*storetest.Memory).Clock = func() time.Time { return time.Now().Add(-back) }
				if alone {
					b.pool.cfg.AloneSince = time.Now().Add(time.Millisecond - 8*time.Hour)
				}
				ids := leave(t, b.store, 3, "ok", func(_ int, job *question.Job) {
					job.Status, job.Lease = status, 20*time.Second
				})
				back = 8 * time.Hour
				time.Sleep(time.Second)
				b.start()
				time.Sleep(15 * time.Second)
				for _, id := range ids {
					b.status(id, status)
				}
				time.Sleep(45 * time.Second)
				for _, id := range ids {
					b.status(id, question.Done)
				}
			})
		}
	}
}

// Jobs that wait here for longer than their lease are still run in the order of their
// acceptance, nearly.
func TestLongBacklogKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		begin := time.Now()
		var ids []string
		for n := range 100 {
			ids = append(ids, b.submit("4s", strconv.Itoa(n+1)).ID)
		}
		for n, id := range ids {
			var job *question.Job
			for job == nil || !job.Status.Final() {
				time.Sleep(time.Second)
				job, _ = b.pool.Get(t.Context(), id)
			}
			if late := job.Finished.Sub(begin.UTC()) - time.Duration(n+1)*4*time.Second; late > time.Minute {
				t.Errorf("job %d ended %v after its turn", n, late)
			}
			if starts := b.runner.started(strconv.Itoa(n + 1)); starts != 1 || job.Attempts != 1 {
				t.Errorf("job %d: %d starts, %d attempts", n, starts, job.Attempts)
			}
		}
	})
}

// A record whose lease no process would ask for does not wait for ever.
func TestLeaseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{newID: bubbleIDs()})
		ids := leave(t, b.store, 1, "ok", func(_ int, job *question.Job) {
			job.Status, job.Lease = question.Running, math.MaxInt64
		})
		b.start()
		time.Sleep(maxLease - time.Minute)
		b.status(ids[0], question.Running)
		time.Sleep(2 * time.Minute)
		b.status(ids[0], question.Done)
	})
}
