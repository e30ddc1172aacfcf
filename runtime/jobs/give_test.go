package jobs

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// handed records what a pool hands over.
type handed struct {
	ids []string
	err error
}

func (h *handed) take(_ context.Context, job *question.Job) error {
	h.ids = append(h.ids, job.ID)
	return h.err
}

// A job that ends in time has an outcome and nothing else; one that does not is
// stored as new, handed over, and out of the pool.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handed
		b := newBed(t, Config{Workers: 1, Grace: time.Hour, Frozen: true, Hand: h.take, newID: bubbleIDs()})
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
		if !slices.Equal(h.ids, []string{job.ID}) {
			t.Errorf("handed over: %v", h.ids)
		}
		synctest.Wait()
		b.status(job.ID, question.Queued)
		if n, err := b.pool.Unfinished(t.Context()); n != 1 || err != nil {
			t.Errorf("%d unfinished, %v", n, err)
		}
		// The worker is free again, and so is another process.
		next := b.another(Config{Workers: 1, Frozen: true, newID: bubbleIDs()})
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

// A job that cannot be handed over is not accepted, and leaves nothing.
func TestHandOverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handed{err: question.Errorf(question.CodeStoreUnavailable, "the queue does not answer")}
		b := newBed(t, Config{Workers: 1, Grace: time.Second, Hand: h.take, newID: bubbleIDs()})
		_, err := b.pool.Submit(t.Context(), ask("held", "1"))
		wantCode(t, err, question.CodeStoreUnavailable)
		b.wrote("Put pending", "Delete pending")
		b.fail(func(op string) error {
			if op == "Put pending" {
				return errDown
			}
			return nil
		})
		_, err = b.pool.Submit(t.Context(), ask("held", "2"))
		wantCode(t, err, question.CodeStoreUnavailable)
		if len(h.ids) != 1 {
			t.Errorf("what is not stored was handed over: %v", h.ids)
		}
		synctest.Wait()
		b.fail(nil)
		if n := atRest(t, b.store); n != 0 {
			t.Errorf("%d outcomes", n)
		}
	})
}

// An outcome that is being stored when the time is up is waited for.
func TestHandOverTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handed
		b := newBed(t, Config{Workers: 1, Grace: time.Hour, Frozen: true, Hand: h.take, newID: bubbleIDs()})
		b.fail(func(op string) error {
			if op == "Create jobs" {
				time.Sleep(reserve + 100*time.Millisecond)
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(300*time.Millisecond, func() { b.runner.release("1") })
		if job, err := b.pool.Submit(ctx, ask("held", "1")); err != nil || job.Status != question.Done || len(h.ids) > 0 {
			t.Errorf("%v, %v, handed over: %v", job, err, h.ids)
		}
	})
}

// Run takes what is pending, once; nothing else in a frozen pool does.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, Frozen: true, Retention: time.Hour, newID: bubbleIDs()})
		id := b.leave(1, nil)[0]
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
		b := idleBed(t, Config{Workers: 1, TimeLimit: time.Minute, Frozen: true, newID: bubbleIDs()})
		ids := b.leave(2, func(_ int, job *question.Job) { job.Request, job.Attempts = ask("held", "1"), 1 })
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

// The attempts of a job that kills its process are capped.
func TestRunTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, Frozen: true, newID: bubbleIDs()})
		id := b.leave(1, func(_ int, job *question.Job) { job.Attempts = 3 })[0]
		b.start()
		job, err := b.pool.Run(t.Context(), id)
		if err != nil || codeOf(job) != "too_many_attempts" {
			t.Errorf("%+v, %v", job, err)
		}
	})
}

// A store that fails leaves the job pending and says so.
func TestRunWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, Frozen: true, newID: bubbleIDs()})
		id := b.leave(1, nil)[0]
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
		if job, err := b.pool.Run(t.Context(), id); err != nil || job.Status != question.Done {
			t.Errorf("%+v, %v", job, err)
		}
		atRest(t, b.store)
	})
}

// RunLost runs what is old and nobody's, and clears away what an ended job left.
func TestRunLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{Workers: 1, TimeLimit: 5 * time.Second, Frozen: true, newID: bubbleIDs()})
		begin := time.Now()
		old := b.leave(4, func(i int, job *question.Job) {
			if i == 1 { // it runs elsewhere
				job.Status, job.Started, job.Attempts = question.Running, begin.Add(8*time.Second), 1
			}
		})
		ended := &question.Job{ID: old[2], Status: question.Failed, Created: now(), Error: errNoQuestion}
		if _, err := b.store.PutOutcome(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		b.start()
		time.Sleep(11 * time.Second)
		young := b.leave(1, func(_ int, job *question.Job) { job.ID = storetest.ID(time.Now(), 9) })
		if err := b.pool.RunLost(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		pending, err := b.store.Pending(t.Context(), "", 0)
		if err != nil || len(pending) != 2 || pending[0].ID != old[1] || pending[1].ID != young[0] {
			t.Errorf("pending: %v, %v", pending, err)
		}
		b.status(old[0], question.Done)
		b.status(old[2], question.Failed)
		b.status(old[3], question.Done)
		time.Sleep(time.Minute)
		b.fail(func(op string) error {
			if op == "Create jobs" {
				return errDown
			}
			return nil
		})
		wantCode(t, b.pool.RunLost(t.Context(), 10), question.CodeStoreUnavailable)
		b.fail(nil)
		time.Sleep(time.Minute) // after the run that could not be stored
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.pool.RunLost(ctx, 1); err == nil {
			t.Error("a context that has ended")
		}
		if err := b.pool.RunLost(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if pending, err := b.store.Pending(t.Context(), "", 0); err != nil || len(pending) != 1 {
			t.Errorf("of one: %v, %v", pending, err)
		}
	})
}

// A job that nobody will run ends as failed, for all to see, and can be asked again;
// one whose record is damaged can not, for what it asked is lost. What has ended stays
// as it is.
func TestFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, Frozen: true})
		why := question.Errorf(question.CodeTooManyAttempts, "it came too often")
		ids := b.leave(3, func(int, *question.Job) {})
		if err := b.faults.Put(t.Context(), "pending/"+ids[1], []byte(`{"id":`)); err != nil {
			t.Fatal(err)
		}
		if job, err := b.pool.Run(t.Context(), ids[2]); err != nil || job.Status != question.Done {
			t.Fatalf("%+v, %v", job, err)
		}
		for _, id := range ids[:2] {
			for range 2 {
				job, err := b.pool.Fail(t.Context(), id, why)
				if err != nil || job.Status != question.Failed || job.Error.Code != question.CodeTooManyAttempts || job.Created.IsZero() {
					t.Fatalf("%+v, %v", job, err)
				}
			}
			b.status(id, question.Failed)
		}
		if job, err := b.pool.Fail(t.Context(), ids[2], why); err != nil || job.Status != question.Done {
			t.Errorf("%+v, %v", job, err)
		}
		if pending, err := b.store.Pending(t.Context(), "", 0); err != nil || len(pending) != 0 {
			t.Errorf("pending: %v, %v", pending, err)
		}
		if job, err := b.pool.Retry(t.Context(), ids[0]); err != nil || b.wait(job.ID).Status != question.Done {
			t.Errorf("%+v, %v", job, err)
		}
		_, err := b.pool.Retry(t.Context(), ids[1])
		wantCode(t, err, question.CodeNotRetryable)

		_, err = b.pool.Fail(t.Context(), "x", why)
		wantCode(t, err, question.CodeBadID)
		_, err = b.pool.Fail(t.Context(), storetest.ID(time.Now(), 99), why)
		wantCode(t, err, question.CodeUnknownJob)
		left := b.leave(1, func(_ int, job *question.Job) { job.ID = storetest.ID(time.Now(), 98) })
		b.fail(func(string) error { return errDown })
		_, err = b.pool.Fail(t.Context(), left[0], why)
		wantCode(t, err, question.CodeStoreUnavailable)
	})
}

// Jobs that were handed over are taken for lost only after Lost.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h handed
		b := newBed(t, Config{Workers: 1, TimeLimit: 2 * time.Second, Lost: time.Hour, Grace: time.Second, Hand: h.take, newID: bubbleIDs()})
		job, err := b.pool.Submit(t.Context(), ask("held", "1"))
		if err != nil || len(h.ids) != 1 {
			t.Fatalf("%v, %v", job, err)
		}
		b.runner.release("1")
		time.Sleep(59 * time.Minute)
		b.status(job.ID, question.Queued)
		time.Sleep(62 * time.Minute)
		b.status(job.ID, question.Done)
	})
}
