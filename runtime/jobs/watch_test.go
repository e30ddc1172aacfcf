package jobs

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// next returns what a watcher learns next; nil if it learns no more.
func next(t *testing.T, w <-chan *question.Job) *question.Job {
	t.Helper()
	select {
	case job := <-w:
		return job
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is passed on")
		return nil
	}
}

func wantStatus(t *testing.T, job *question.Job, want question.Status) {
	t.Helper()
	if job == nil || job.Status != want {
		t.Fatalf("the watcher got %+v, want it to be %s", job, want)
	}
}

// until reads until a watched job has a status.
func until(t *testing.T, w <-chan *question.Job, want question.Status) {
	t.Helper()
	job := next(t, w)
	for job != nil && job.Status != want {
		job = next(t, w)
	}
	wantStatus(t, job, want)
}

func TestWatch(t *testing.T) {
	b := newBed(t, Config{Workers: 1, Grace: time.Millisecond})
	first, err := b.pool.Submit(t.Context(), ask("held", "1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.pool.Submit(t.Context(), ask("held", "2"))
	if err != nil {
		t.Fatal(err)
	}
	var watchers []<-chan *question.Job
	for range 3 {
		w, err := b.pool.Watch(t.Context(), second.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, next(t, w), question.Queued)
		watchers = append(watchers, w)
	}
	slow, err := b.pool.Watch(t.Context(), second.ID)
	if err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	gone, err := b.pool.Watch(left, second.ID)
	if err != nil {
		t.Fatal(err)
	}
	next(t, gone)
	leave()
	if job := next(t, gone); job != nil {
		t.Errorf("a watcher that has left got %+v", job)
	}
	b.runner.release("1")
	for _, w := range watchers {
		wantStatus(t, next(t, w), question.Running)
	}
	b.runner.release("2")
	for _, w := range watchers {
		wantStatus(t, next(t, w), question.Done)
		if job := next(t, w); job != nil {
			t.Errorf("after the end came %+v", job)
		}
	}
	wantStatus(t, next(t, slow), question.Done) // only the last state of all
	if job := next(t, slow); job != nil {
		t.Errorf("after the end came %+v", job)
	}
	for _, id := range []string{first.ID, second.ID} { // a job that has ended
		if _, err := b.pool.Wait(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		w, err := b.pool.Watch(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, next(t, w), question.Done)
		if next(t, w) != nil {
			t.Error("after the end there is more")
		}
	}
	for id, want := range map[string]question.Code{"x": question.CodeBadID, "01936ac2-5b00-7c3e-9a41-000000000000": question.CodeUnknownJob} {
		if _, err := b.pool.Watch(t.Context(), id); question.CodeOf(err) != want {
			t.Errorf("watching %s: %v, want %s", id, err, want)
		}
	}
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	if n := len(b.pool.topics); n != 0 {
		t.Errorf("%d jobs are still watched", n)
	}
}

// TestWatchElsewhere watches jobs that another process runs.
func TestWatchElsewhere(t *testing.T) {
	// Long enough for a worker to start a job before its record is written, which then says so.
	b := newBed(t, Config{Workers: 2, Grace: 200 * time.Millisecond})
	other := b.another(Config{Workers: 1})
	if err := other.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ended, err := b.pool.Submit(t.Context(), ask("held", "1"))
	if err != nil {
		t.Fatal(err)
	}
	stays, err := b.pool.Submit(t.Context(), ask("held", "2"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := other.Watch(t.Context(), ended.ID)
	if err != nil {
		t.Fatal(err)
	}
	until(t, w, question.Running)
	w2, err := other.Watch(t.Context(), stays.ID)
	if err != nil {
		t.Fatal(err)
	}
	until(t, w2, question.Running)
	b.runner.release("1")
	wantStatus(t, next(t, w), question.Done)
	if next(t, w) != nil {
		t.Error("after the end there is more")
	}
	other.Drain() // who drains does not look at other processes' jobs
	if job := next(t, w2); job != nil {
		t.Errorf("after the drain came %+v", job)
	}
	late, err := other.Watch(t.Context(), stays.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, next(t, late), question.Running)
	if next(t, late) != nil {
		t.Error("a draining pool watches another process's job")
	}
	b.runner.release("2")
}

// TestWatchAsksOnce counts the calls to the store for many watchers of jobs that run
// elsewhere.
func TestWatchAsksOnce(t *testing.T) {
	b := newBed(t, Config{Workers: 4, Grace: time.Millisecond})
	other := b.another(Config{Workers: 1})
	var ids []string
	for i := range 4 {
		job, err := b.pool.Submit(t.Context(), ask("held", strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	var all []<-chan *question.Job
	for i := range 400 {
		w, err := other.Watch(t.Context(), ids[i%4])
		if err != nil {
			t.Fatal(err)
		}
		until(t, w, question.Running)
		all = append(all, w)
	}
	var mu sync.Mutex
	gets := 0
	b.faults.SetHook(func(op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if op == "Get" {
			gets++
		}
		return nil
	})
	time.Sleep(2 * lookEvery)
	mu.Lock()
	// Each Get of the store reads up to two objects; the pool that runs the jobs looks at each
	// every second, too.
	if most := 2 * (4*3 + 4*2); gets == 0 || gets > most {
		t.Errorf("%d reads in %v for 4 jobs, want some, and at most %d", gets, 2*lookEvery, most)
	}
	mu.Unlock()
	for i := range 4 {
		b.runner.release(strconv.Itoa(i))
	}
	for _, w := range all {
		wantStatus(t, next(t, w), question.Done)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWatchEndsWithThePool(t *testing.T) {
	b := idleBed(t, Config{Workers: 1, Grace: time.Millisecond})
	if err := b.pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	job, err := b.pool.Submit(t.Context(), ask("held", "1"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := b.pool.Watch(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	until(t, w, question.Running)
	b.pool.Drain() // the job goes on, and so does who watches it
	select {
	case job, ok := <-w:
		t.Fatalf("after Drain: %+v, %v", job, ok)
	case <-time.After(20 * time.Millisecond):
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.pool.Close(now); err == nil {
		t.Error("an interrupted job is not reported")
	}
	if job := next(t, w); job != nil {
		t.Errorf("the closed pool says %+v", job)
	}
	w, err = b.pool.Watch(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if next(t, w) == nil || next(t, w) != nil {
		t.Error("a closed pool does not tell the state once")
	}
}

// TestWatchHammer watches jobs that are submitted, cancelled and run by two processes at the
// same time, while watchers come and go. Each that stays learns of the end.
func TestWatchHammer(t *testing.T) {
	b := newBed(t, Config{Workers: 4, Intake: 64, Grace: time.Millisecond})
	other := b.another(Config{Workers: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n := strconv.Itoa(k) + "." + strconv.Itoa(i)
				job, err := b.pool.Submit(t.Context(), ask([]string{"held", "ok", "fail"}[rand.IntN(3)], n))
				if err != nil {
					if question.CodeOf(err) != question.CodeQueueFull {
						t.Error(err)
					}
					continue
				}
				pool := b.pool
				if rand.IntN(8) == 0 {
					pool = other
				}
				var inner sync.WaitGroup
				for range 4 {
					inner.Go(func() {
						stay, leave := context.WithCancel(t.Context())
						defer leave()
						w, err := pool.Watch(stay, job.ID)
						if err != nil {
							t.Error(err)
							return
						}
						if rand.IntN(4) == 0 {
							leave()
							for range w { // until it is closed
							}
							return
						}
						var last *question.Job
						for job := range w {
							if last != nil && last.Status.Final() {
								t.Errorf("after %s came %s", last.Status, job.Status)
							}
							last = job
						}
						if last == nil || !last.Status.Final() {
							t.Errorf("the last that was told is %+v", last)
						}
					})
				}
				if rand.IntN(3) == 0 {
					_, _ = pool.Cancel(t.Context(), job.ID) // it may have ended
				}
				b.runner.release(n)
				inner.Wait()
			}
		})
	}
	wg.Wait()
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
