package jobs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// A job that ends in time has an outcome and nothing else; one that does not is stored as
// new, sent to the queue, and out of the pool.
func TestOnDemand(t *testing.T) {
	for _, q := range []*testQueue{newQueue(), nil} {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Grace: time.Hour, OnDemand: true, newID: bubbleIDs()}
			if q != nil {
				*q = *newQueue()
				cfg.Queue = q
			}
			b := newBed(t, cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if job, err := b.pool.Submit(ctx, ask("ok", "1")); err != nil || job.Status != question.Done {
				t.Fatalf("%v, %v", job, err)
			}
			b.wrote("Create jobs")
			begin := time.Now()
			job, err := b.pool.Submit(ctx, ask("held", "2"))
			if err != nil || job.Status != question.Queued || job.Attempts != 0 || !job.Started.IsZero() {
				t.Fatalf("%+v, %v", job, err)
			}
			if took := time.Since(begin); took != 3*time.Second-reserve {
				t.Errorf("it waited %v for the job, want %v", took, 3*time.Second-reserve)
			}
			b.wrote("Put pending")
			if q != nil && q.size() != 1 {
				t.Errorf("%d messages", q.size())
			}
			synctest.Wait()
			b.status(job.ID, question.Queued)
			if n, err := b.pool.Unfinished(t.Context()); n != 1 || err != nil {
				t.Errorf("%d unfinished, %v", n, err)
			}
			// The worker is free again, and so is another process.
			next := b.another(Config{OnDemand: true, newID: bubbleIDs()})
			if err := next.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer next.Close(context.Background())
			b.runner.release("2")
			if job, err := next.Run(t.Context(), job.ID); err != nil || job.Status != question.Done || job.Attempts != 1 {
				t.Errorf("Run: %+v, %v", job, err)
			}
			b.wrote("Put pending", "Create jobs", "Delete pending") // all of it before Run returned
			if n := atRest(t, b.store); n != 2 {
				t.Errorf("%d outcomes", n)
			}
		})
	}
}

// A job that the queue does not take is not accepted, and leaves nothing.
func TestQueueIsDown(t *testing.T) {
	for _, demand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue()
			q.down = question.Errorf(question.CodeQueueUnavailable, "the queue does not answer")
			b := newBed(t, Config{Workers: 1, Grace: time.Second, OnDemand: demand, Queue: q, newID: bubbleIDs()})
			if !demand {
				b.submit("held", "0") // which keeps the next one waiting
				b.wrote("Put pending")
			}
			_, err := b.pool.Submit(t.Context(), ask("held", "1"))
			wantCode(t, err, question.CodeQueueUnavailable)
			b.wrote("Put pending", "Delete pending")
			b.fail(func(op string) error {
				if op == "Put pending" {
					return errDown
				}
				return nil
			})
			q.mu.Lock()
			q.down = nil
			q.mu.Unlock()
			_, err = b.pool.Submit(t.Context(), ask("held", "2"))
			wantCode(t, err, question.CodeStoreUnavailable)
			if q.size() > 0 {
				t.Error("what is not stored was sent")
			}
			b.fail(nil)
			b.runner.release("0")
			synctest.Wait()
			atRest(t, b.store)
		})
	}
}

// An outcome that is being stored when the time is up is waited for.
func TestInterruptedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		b := newBed(t, Config{Grace: time.Hour, OnDemand: true, Queue: q, newID: bubbleIDs()})
		b.fail(func(op string) error {
			if op == "Create jobs" {
				time.Sleep(reserve + 100*time.Millisecond)
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(300*time.Millisecond, func() { b.runner.release("1") })
		if job, err := b.pool.Submit(ctx, ask("held", "1")); err != nil || job.Status != question.Done || q.size() > 0 {
			t.Errorf("%v, %v, %d messages", job, err, q.size())
		}
	})
}

// Run takes what is pending, once; nothing happens in the background.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{OnDemand: true, Retention: time.Hour, newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		b.start()
		time.Sleep(time.Hour)
		b.status(id, question.Queued)
		b.pool.Drain() // what is accepted is finished all the same
		for range 2 {
			job, err := b.pool.Run(t.Context(), id)
			if err != nil || job.Status != question.Done || job.Attempts != 1 {
				t.Errorf("%+v, %v", job, err)
			}
		}
		if n := b.runner.started("0"); n != 1 {
			t.Errorf("it ran %d times", n)
		}
		_, err := b.pool.Run(t.Context(), "1")
		wantCode(t, err, question.CodeBadID)
		_, err = b.pool.Run(t.Context(), "01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2")
		wantCode(t, err, question.CodeUnknownJob)
	})
}

// A run whose time is up leaves the job as it was, attempts and all; so does one
// that did not get its turn, and one that the pool's end interrupts.
func TestRunIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{TimeLimit: time.Minute, OnDemand: true, newID: bubbleIDs()})
		ids := leave(t, b.store, 2, "held", func(_ int, job *question.Job) { job.Request, job.Attempts = ask("held", "1"), 1 })
		if err := b.pool.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waits := make(chan *question.Job)
		go func() {
			time.Sleep(time.Millisecond)
			job, _ := b.pool.Run(ctx, ids[1])
			waits <- job
		}()
		job, err := b.pool.Run(ctx, ids[0])
		if err != nil || job.Status.Final() {
			t.Fatalf("%v, %v", job, err)
		}
		if second := <-waits; second == nil || second.Status.Final() {
			t.Fatalf("%v", second)
		}
		for _, id := range ids {
			if stored, err := b.store.Get(t.Context(), id); err != nil || stored.Attempts != 1 || stored.Status != question.Queued {
				t.Errorf("stored: %+v, %v", stored, err)
			}
		}
		go b.pool.Run(context.Background(), ids[0]) // Close interrupts it
		synctest.Wait()
		if err := b.pool.Close(ctx); err == nil {
			t.Error("Close says nothing of the job that it interrupted")
		}
		if stored, err := b.store.Get(t.Context(), ids[0]); err != nil || stored.Attempts != 1 {
			t.Errorf("stored: %+v, %v", stored, err)
		}
	})
}

// A store that fails leaves the job pending and says so.
func TestRunWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{OnDemand: true, newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		b.start()
		b.fail(func(op string) error {
			if op == "Create jobs" {
				return errDown
			}
			return nil
		})
		_, err := b.pool.Run(t.Context(), id)
		wantCode(t, err, question.CodeStoreUnavailable)
		b.fail(nil)
		if job, err := b.pool.Run(t.Context(), id); err != nil || job.Status != question.Done || job.Attempts != 1 {
			t.Errorf("%+v, %v", job, err)
		}
		atRest(t, b.store)
	})
}

// One pass runs what is old and nobody's, and clears away what an ended job left.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{TimeLimit: 5 * time.Second, OnDemand: true, newID: bubbleIDs()})
		old := leave(t, b.store, 4, "ok", func(i int, job *question.Job) {
			if i == 1 { // it may take longer
				job.Status, job.Lease = question.Running, time.Hour
			}
		})
		ended := &question.Job{ID: old[2], Status: question.Failed, Created: time.Now(), Error: errNoQuestion}
		if _, err := b.store.PutOutcome(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		b.start()
		time.Sleep(11 * time.Second)
		young := leave(t, b.store, 1, "ok", func(_ int, job *question.Job) { job.ID = storetest.ID(time.Now(), 9) })
		if n, err := b.pool.Recover(t.Context(), 10); err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
		pending, err := b.store.Pending(t.Context(), question.JobFilter{}, "", 0)
		if err != nil || len(pending.Jobs) != 2 || pending.Jobs[1].ID != old[1] || pending.Jobs[0].ID != young[0] {
			t.Errorf("pending: %v, %v", pending.Jobs, err)
		}
		b.status(old[0], question.Done)
		b.status(old[2], question.Failed)
		b.status(old[3], question.Done)
		if job, err := b.pool.Run(t.Context(), old[1]); err != nil || job.Status != question.Running || b.runner.started("1") > 0 {
			t.Errorf("a job that another process runs: %v, %v", job, err)
		}
		time.Sleep(time.Minute)
		b.fail(func(string) error { return errDown })
		_, err = b.pool.Recover(t.Context(), 0)
		wantCode(t, err, question.CodeStoreUnavailable)
		b.fail(nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.pool.Recover(ctx, 0); err == nil {
			t.Error("a context that has ended")
		}
		if n, err := b.pool.Recover(t.Context(), 1); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// A job whose record is damaged has failed, for all to see, and cannot be asked again, for
// what it asked is lost.
func TestDamagedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{OnDemand: true, newID: bubbleIDs()})
		id := leave(t, b.store, 1, "ok", nil)[0]
		if err := b.faults.Put(t.Context(), "pending/"+id, []byte(`{"id":`)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if done, _ := b.pool.Deliver(t.Context(), question.Message{ID: id}); !done {
				t.Error("a damaged job is delivered again")
			}
			if job := b.status(id, question.Failed); job.Error.Code != question.CodeInternal || job.Created.IsZero() {
				t.Errorf("%+v", job)
			}
		}
		atRest(t, b.store)
		_, err := b.pool.Retry(t.Context(), id)
		wantCode(t, err, question.CodeNotRetryable)
	})
}

// What becomes of a message.
func TestDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{OnDemand: true, newID: bubbleIDs()})
		ids := leave(t, b.store, 4, "ok", func(i int, job *question.Job) {
			switch i {
			case 1:
				job.Status = question.Running
			case 2:
				job.Request.Question = "held"
			}
		})
		for name, tt := range map[string]struct {
			id    string
			done  bool
			least time.Duration
			most  time.Duration
		}{
			"ended":          {ids[0], true, 0, 0},
			"runs elsewhere": {ids[1], false, 9 * time.Second, 13 * time.Second},
			"interrupted":    {ids[2], false, 0, 0},
			"not in store":   {storetest.ID(time.Now(), 99), true, 0, 0},
			"not a job's":    {"no id", false, 4 * time.Second, 4 * time.Second},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			done, after := b.pool.Deliver(ctx, question.Message{ID: tt.id, ReceiveCount: 2})
			if done != tt.done || after < tt.least || after > tt.most {
				t.Errorf("%s: %t, %v", name, done, after)
			}
		}
		b.fail(func(string) error { return errDown })
		if done, after := b.pool.Deliver(t.Context(), question.Message{ID: ids[3], ReceiveCount: 100}); done || after != 5*time.Minute {
			t.Errorf("without a store: %t, %v", done, after)
		}
	})
}
