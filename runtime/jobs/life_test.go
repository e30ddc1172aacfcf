package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, TimeLimit: time.Hour, newID: bubbleIDs()})
		running := b.submit("held", "1")
		synctest.Wait()
		b.status(running.ID, question.Running)
		queued := b.submit("ok", "2")
		b.status(queued.ID, question.Queued)
		b.calls()

		waited := make(chan *question.Job)
		go func() {
			job, _ := b.pool.Wait(t.Context(), queued.ID)
			waited <- job
		}()
		for _, id := range []string{queued.ID, running.ID} {
			job, err := b.pool.Cancel(t.Context(), id)
			if err != nil || job.Status != question.Cancelled || codeOf(job) != "cancelled" || job.Finished.IsZero() {
				t.Fatalf("Cancel: %v, %v", job, err)
			}
			b.status(id, question.Cancelled)
			b.wrote("Create jobs", "Delete pending")
			_, err = b.pool.Cancel(t.Context(), id)
			wantCode(t, err, question.CodeAlreadyFinal)
		}
		if job := <-waited; job.Status != question.Cancelled {
			t.Errorf("Wait returned a job that is %s", job.Status)
		}
		synctest.Wait()
		if b.runner.started("2") != 0 {
			t.Error("a job that was cancelled in the queue was run")
		}
		done := b.wait(b.submit("ok", "3").ID) // the worker is free
		_, err := b.pool.Cancel(t.Context(), done.ID)
		wantCode(t, err, question.CodeAlreadyFinal)
		_, err = b.pool.Cancel(t.Context(), storetest.ID(time.Now(), 1000))
		wantCode(t, err, question.CodeUnknownJob)
		_, err = b.pool.Cancel(t.Context(), "../etc")
		wantCode(t, err, question.CodeBadID)
		atRest(t, b.store)
	})
}

// Jobs are counted without writing anything: also when the store is full.
func TestUnfinishedWritesNothing(t *testing.T) {
	folder := t.TempDir()
	o, err := files.Open(files.Config{Folder: folder, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(o)
	defer s.Close()
	leave(t, s, 3, "ok", nil)
	p, err := New(Config{OnDemand: true, TimeLimit: time.Second, Log: quiet}, s, newRunner())
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(folder, "tmp") // where everything is written first
	if err := errors.Join(os.RemoveAll(full), os.WriteFile(full, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Unfinished(t.Context()); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Whoever accepted a job that waits knows within seconds that it was cancelled elsewhere.
func TestModelCancelWaitingElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, TimeLimit: time.Minute, newID: bubbleIDs()})
		other := b.another(Config{TimeLimit: time.Minute})
		b.submit("held", "1")
		for n := range 2 {
			waits := b.submit("ok", "")
			time.Sleep(3 * time.Second)
			time.AfterFunc(time.Second, func() {
				if _, err := other.Cancel(t.Context(), waits.ID); err != nil {
					t.Error(err)
				}
			})
			begin := time.Now()
			if n == 0 {
				b.wait(waits.ID)
			} else {
				time.Sleep(2 * time.Second)
				b.status(waits.ID, question.Cancelled)
			}
			if took := time.Since(begin); took > time.Second+pollLast {
				t.Errorf("known after %v", took)
			}
			if n, err := b.pool.Unfinished(t.Context()); n != 1 || err != nil {
				t.Errorf("%d jobs are unfinished, %v", n, err)
			}
		}
		b.runner.release("1")
	})
}

// A running job is cancelled at once, also when its runner does not listen.
func TestCancelStubborn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		job := b.submit("stubborn", "1")
		synctest.Wait()
		if got, err := b.pool.Cancel(t.Context(), job.ID); err != nil || got.Status != question.Cancelled {
			t.Errorf("Cancel: %v, %v", got, err)
		}
		b.runner.release("1")
		synctest.Wait()
		b.status(job.ID, question.Cancelled)
	})
}

func TestCancelWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		job := b.submit("held", "1")
		synctest.Wait()
		b.fail(func(string) error { return errDown })
		_, err := b.pool.Cancel(t.Context(), job.ID)
		wantCode(t, err, question.CodeStoreUnavailable)
		b.fail(nil)
		b.runner.release("1")
		if got := b.wait(job.ID); got.Status != question.Done {
			t.Errorf("it is %s: a job whose cancellation was not stored goes on", got.Status)
		}
	})
}

// Cancel while the outcome is on its way to the store.
func TestCancelTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		b.fail(func(op string) error {
			if op == "Create jobs" {
				time.Sleep(time.Second)
			}
			return nil
		})
		job := b.submit("ok", "1")
		synctest.Wait()
		_, err := b.pool.Cancel(t.Context(), job.ID)
		wantCode(t, err, question.CodeAlreadyFinal)
		b.status(job.ID, question.Done)
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		running := b.submit("held", "1")
		_, err := b.pool.Retry(t.Context(), running.ID)
		wantCode(t, err, question.CodeNotRetryable)
		if _, err := b.pool.Cancel(t.Context(), running.ID); err != nil {
			t.Fatal(err)
		}
		b.runner.release("1")
		again, err := b.pool.Retry(t.Context(), running.ID)
		if err != nil || again.ID == running.ID || again.RetryOf != running.ID || again.Status != question.Done || again.Request.Params["n"] != "1" {
			t.Errorf("Retry: %+v, %v", again, err)
		}
		_, err = b.pool.Retry(t.Context(), again.ID)
		wantCode(t, err, question.CodeNotRetryable)
		if job, err := b.pool.Retry(t.Context(), b.submit("fail", "2").ID); err != nil || job.Status != question.Failed {
			t.Errorf("Retry of a failed job: %v, %v", job, err)
		}
		_, err = b.pool.Retry(t.Context(), storetest.ID(time.Now(), 1000))
		wantCode(t, err, question.CodeUnknownJob)
		_, err = b.pool.Retry(t.Context(), "x")
		wantCode(t, err, question.CodeBadID)
	})
}

func TestGetErrors(t *testing.T) {
	b := newBed(t, Config{Workers: 1})
	for _, id := range []string{"", "x", "01936AC2-5B00-7C3E-9A41-6F0DE1B4A7F2", "01936ac25b007c3e9a416f0de1b4a7f2", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"} {
		_, err := b.pool.Get(t.Context(), id)
		wantCode(t, err, question.CodeBadID)
		_, err = b.pool.Wait(t.Context(), id)
		wantCode(t, err, question.CodeBadID)
		if id != "" {
			_, err = b.pool.List(t.Context(), question.JobFilter{}, id, 1)
			wantCode(t, err, question.CodeBadID)
		}
	}
	unknown := storetest.ID(time.Now(), 1)
	_, err := b.pool.Get(t.Context(), unknown)
	wantCode(t, err, question.CodeUnknownJob)
	_, err = b.pool.Wait(t.Context(), unknown)
	wantCode(t, err, question.CodeUnknownJob)
}

// The poll after the submit, and those during the run, do not read the store.
func TestOwnJobsAreReadFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		synctest.Wait()
		done, running := b.submit("ok", ""), b.submit("held", "1")
		b.fail(func(string) error { return errDown })
		b.status(done.ID, question.Done)
		b.status(running.ID, question.Running)
		if job, err := b.pool.Wait(t.Context(), done.ID); err != nil || job.Status != question.Done {
			t.Errorf("Wait: %v, %v", job, err)
		}
		b.runner.release("1")
	})
}

func TestWait(t *testing.T) {
	t.Run("own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
			job := b.submit("held", "1")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			got, err := b.pool.Wait(ctx, job.ID)
			if err != nil || got.Status != question.Running || time.Since(start) != time.Second {
				t.Errorf("after %v: %v, %v", time.Since(start), got, err)
			}
			// A context that has ended is no error either.
			if got, err := b.pool.Wait(ctx, job.ID); err != nil || got.Status != question.Running {
				t.Errorf("%v, %v", got, err)
			}
			time.AfterFunc(1234*time.Millisecond, func() { b.runner.release("1") })
			start = time.Now()
			if got := b.wait(job.ID); got.Status != question.Done || time.Since(start) != 1234*time.Millisecond {
				t.Errorf("after %v it is %s", time.Since(start), got.Status)
			}
		})
	})
	t.Run("another process's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{Workers: 1, TimeLimit: time.Hour, newID: bubbleIDs()})
			other := b.another(Config{TimeLimit: time.Hour})
			job := b.submit("held", "1")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if got, err := other.Wait(ctx, job.ID); err != nil || got.Status.Final() {
				t.Errorf("%v, %v", got, err)
			}
			time.AfterFunc(5*time.Second, func() { b.runner.release("1") })
			time.AfterFunc(2*time.Second, func() { b.fail(func(string) error { return errDown }) })
			time.AfterFunc(3*time.Second, func() { b.fail(nil) })
			start := time.Now()
			if got := waitFor(t, other, job.ID); got.Status != question.Done || time.Since(start) > 5*time.Second+pollLast {
				t.Errorf("after %v it is %s", time.Since(start), got.Status)
			}
		})
	})
	t.Run("the pool closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := idleBed(t, Config{Workers: 1, newID: bubbleIDs()})
			job := b.submit("held", "1")
			time.AfterFunc(time.Second, func() { _ = b.pool.Close(t.Context()) })
			if got, err := b.pool.Wait(t.Context(), job.ID); err != nil || got.Status != question.Queued {
				t.Errorf("%v, %v", got, err)
			}
			synctest.Wait()
		})
	})
}

func TestListAndUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, TimeLimit: time.Hour, newID: bubbleIDs()})
		other := b.another(Config{TimeLimit: time.Hour, newID: bubbleIDs()}) // it is not started: its jobs wait
		var want []string
		submit := func(p *Pool, name, n string) {
			time.Sleep(time.Millisecond)
			job, err := p.Submit(t.Context(), ask(name, n))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, job.ID)
		}
		for range 3 {
			submit(b.pool, "ok", "")
		}
		submit(other, "ok", "")
		submit(b.pool, "fail", "")
		synctest.Wait()
		submit(b.pool, "held", "1") // runs
		submit(other, "ok", "")
		submit(b.pool, "ok", "") // waits
		synctest.Wait()
		slices.Reverse(want)
		statuses := fmt.Sprint([]question.Status{"queued", "queued", "running", "failed", "queued", "done", "done", "done"})

		for _, limit := range []int{0, 1, 2, 3, 8, 50} {
			var ids []string
			var got []question.Status
			for before, more := "", true; more; {
				page, err := b.pool.List(t.Context(), question.JobFilter{}, before, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, job := range page.Jobs {
					ids, got, before = append(ids, job.ID), append(got, job.Status), job.ID
					if job.Result != nil {
						t.Error("List returns results")
					}
				}
				more = limit > 0 && page.Next != ""
			}
			if !slices.Equal(ids, want) || fmt.Sprint(got) != statuses {
				t.Errorf("limit %d: %v %v, want %v %v", limit, ids, got, want, statuses)
			}
		}
		if n, err := b.pool.Unfinished(t.Context()); n != 4 || err != nil {
			t.Errorf("Unfinished: %d, %v, want 4", n, err)
		}
		b.fail(func(string) error { return errDown })
		_, err := b.pool.List(t.Context(), question.JobFilter{}, "", 0)
		wantCode(t, err, question.CodeStoreUnavailable)
		_, err = b.pool.Unfinished(t.Context())
		wantCode(t, err, question.CodeStoreUnavailable)
		b.fail(nil)
		b.runner.release("1")
	})
}

func TestStartOnce(t *testing.T) {
	b := newBed(t, Config{Workers: 1})
	if b.pool.Start(t.Context()) == nil {
		t.Error("a second Start is fine")
	}
	p := b.another(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.Start(ctx) == nil {
		t.Error("Start with a context that has ended is fine")
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error("Close without Start:", err)
	}
	if p.Start(t.Context()) == nil {
		t.Error("Start after Close is fine")
	}
}

// Many starts and stops at the same time as everything else.
func TestStartStop(t *testing.T) {
	for i := range 100 {
		b := idleBed(t, Config{Workers: 2, Grace: time.Duration(1 + i%2*1e7)})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range 5 {
				job, err := b.pool.Submit(t.Context(), ask("ok", ""))
				if err != nil && question.CodeOf(err) != question.CodeShuttingDown {
					t.Error(err)
				}
				if err == nil {
					if _, err := b.pool.Wait(t.Context(), job.ID); err != nil {
						t.Error(err)
					}
				}
			}
		}()
		if err := b.pool.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := b.pool.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		<-ended
		atRest(t, b.store)
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		one, two := b.submit("held", "1"), b.submit("held", "2")
		if b.pool.Draining() || b.pool.Drained() {
			t.Error("it drains already")
		}
		b.pool.Drain()
		synctest.Wait()
		if !b.pool.Draining() || b.pool.Drained() {
			t.Error("two jobs are left, and it says that it is drained")
		}
		b.runner.release("1")
		b.runner.release("2")
		b.wait(one.ID)
		b.wait(two.ID)
		synctest.Wait()
		if !b.pool.Drained() {
			t.Error("nothing is left, and it is not drained")
		}
	})
}

// Close interrupts what does not end in time; the next start runs it again, and
// the stop was not an attempt.
func TestCloseInTheMiddle(t *testing.T) {
	for _, grace := range []time.Duration{time.Nanosecond, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Workers: 1, Grace: grace, newID: bubbleIDs()}
			b := idleBed(t, cfg)
			if err := b.pool.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ids := []string{b.submit("held", "1").ID, b.submit("held", "2").ID}
			for range 5 { // more often than there are attempts
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := b.pool.Close(ctx); err == nil {
					t.Error("Close says that nothing is left")
				}
				cancel()
				for _, id := range ids {
					b.status(id, question.Queued)
				}
				time.Sleep(time.Millisecond)
				cfg.AloneSince = time.Now()
				b.pool = b.another(cfg)
				if err := b.pool.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			b.runner.release("1")
			b.runner.release("2")
			for _, id := range ids {
				if job := b.wait(id); job.Status != question.Done {
					t.Errorf("it is %s: %v", job.Status, job.Error)
				}
			}
			if err := b.pool.Close(t.Context()); err != nil {
				t.Error(err)
			}
			atRest(t, b.store)
		})
	}
}

// A runner that does not listen cannot keep Close for ever.
func TestCloseStubborn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, newID: bubbleIDs()})
		if err := b.pool.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		job := b.submit("stubborn", "1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := b.pool.Close(ctx); err == nil || time.Since(start) != time.Second+2*stopTimeout {
			t.Errorf("Close after %v: %v", time.Since(start), err)
		}
		b.runner.release("1")
		synctest.Wait()
		if stored, err := b.store.Get(t.Context(), job.ID); err != nil || stored.Status.Final() {
			t.Errorf("stored: %v, %v, want a pending job", stored, err)
		}
	})
}
