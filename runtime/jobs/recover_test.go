package jobs

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// leave puts n pending jobs in the store, as a process that was killed does.
func (b *bed) leave(n int, change func(i int, job *question.Job)) (ids []string) {
	b.t.Helper()
	for i := range n {
		job := &question.Job{ID: storetest.ID(time.Now(), i), Status: question.Queued, Request: ask("ok", strconv.Itoa(i)), Created: now()}
		if change != nil {
			change(i, job)
		}
		if err := b.store.PutPending(b.t.Context(), job); err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	b.calls()
	return ids
}

// In a store of our own all that is pending is run at start, more than a page and
// more than the queue holds, and a drain waits for it.
func TestTakeUpAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 2, Queue: 1, Sole: true, newID: bubbleIDs()})
		ids := b.leave(3*pendingPage, nil)
		if n, err := b.pool.Unfinished(t.Context()); n != len(ids) || err != nil {
			t.Errorf("Unfinished: %d, %v", n, err)
		}
		b.start()
		b.pool.Drain()
		if b.pool.Drained() {
			t.Error("drained before anything was run")
		}
		for _, id := range ids {
			if job := b.wait(id); job.Status != question.Done || job.Attempts != 1 {
				t.Fatalf("it is %s after %d attempts", job.Status, job.Attempts)
			}
		}
		synctest.Wait()
		if !b.pool.Drained() {
			t.Error("it is not drained")
		}
		if n := atRest(t, b.store); n != len(ids) {
			t.Errorf("%d outcomes, want %d", n, len(ids))
		}
	})
}

// In a shared store only what is old is run: the rest is in another's hands.
func TestTakeUpOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, TimeLimit: 5 * time.Second, newID: bubbleIDs()})
		begin := time.Now()
		id := b.leave(1, nil)[0]
		restarted := b.leave(1, func(_ int, job *question.Job) {
			job.ID = storetest.ID(begin, 5)
			job.Status, job.Started, job.Attempts = question.Running, begin.Add(8*time.Second), 1
		})[0]
		b.start()
		time.Sleep(9 * time.Second)
		b.status(id, question.Queued)
		b.wait(id)
		if age := time.Since(begin); age <= 10*time.Second || age > 20*time.Second+pollLast {
			t.Errorf("it was run after %v, want from 10 to 22 s", age)
		}
		if job := b.wait(restarted); job.Attempts != 2 {
			t.Errorf("%d attempts, want 2", job.Attempts)
		}
		if age := time.Since(begin); age <= 18*time.Second || age > 30*time.Second+pollLast {
			t.Errorf("the one that was started again by another process was run after %v", age)
		}
		synctest.Wait()
		atRest(t, b.store)
	})
}

func TestTooManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
		ids := b.leave(5, func(i int, job *question.Job) { job.Attempts = i })
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
		if job, err := b.pool.Retry(t.Context(), ids[4]); err != nil || job.RetryOf != ids[4] {
			t.Errorf("Retry: %v, %v", job, err)
		}
	})
}

// The attempt is in the store before the job runs.
func TestAttemptIsCountedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
		id := b.leave(1, func(_ int, job *question.Job) { job.Request = ask("held", "1") })[0]
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
		b := idleBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
		id := b.leave(1, nil)[0]
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
		b := idleBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
		id := b.leave(1, nil)[0]
		outcome := *storetest.Done(id, 1)
		if _, err := b.store.PutOutcome(t.Context(), &outcome); err != nil {
			t.Fatal(err)
		}
		for key := range b.faults.Objects.List(t.Context(), "jobs/", "") {
			if err := b.faults.Objects.Put(t.Context(), "jobs/"+key+id+".json", []byte("{")); err != nil {
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
	for _, sole := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := idleBed(t, Config{Workers: 1, Sole: sole, newID: bubbleIDs()})
			id := b.leave(1, nil)[0]
			out := &question.Job{ID: id, Status: question.Cancelled, Created: now(), Error: question.Errorf(question.CodeCancelled, "elsewhere")}
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
	for _, sole := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, Sole: sole, newID: bubbleIDs()})
			synctest.Wait()
			b.fail(func(op string) error {
				if op == "Create jobs" { // which may be at once
					return errDown
				}
				return nil
			})
			job := b.submit("ok", "1")
			b.fail(func(string) error { return errDown })
			time.Sleep(time.Minute + time.Second) // between two looks at the store
			if _, err := b.pool.Submit(t.Context(), ask("ok", "")); err == nil {
				t.Error("a job was accepted without a store")
			}
			b.fail(nil)
			b.status(job.ID, question.Queued)
			if sole {
				b.pool.Drain()
				if b.pool.Drained() {
					t.Error("drained with an accepted job that has not ended")
				}
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
}

// A short failure is waited out.
func TestOutcomeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
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
		b.wrote("Put pending", "Create jobs", "Create jobs", "Create jobs", "Create jobs", "Delete pending")
	})
}

// A record that could not be removed is removed later.
func TestDeleteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
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
			b := newBed(t, Config{Workers: 1, TimeLimit: time.Second, newID: bubbleIDs()})
			for range 4 {
				b.submit("held", "1")
			}
			job := b.submit("ok", "2")
			if _, err := b.another(Config{}).Cancel(t.Context(), job.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
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
		cfg := Config{Workers: 2, TimeLimit: time.Second, MaxAttempts: 1000, Grace: DefaultGrace, newID: bubbleIDs()}
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
		b := idleBed(t, Config{Workers: 1, Sole: true, newID: bubbleIDs()})
		id := b.leave(1, nil)[0]
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
		b := newBed(t, Config{Workers: 1, Retention: 24 * time.Hour, Grace: DefaultGrace, newID: bubbleIDs()})
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
