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

// TestHammer has every method called by many at the same time, while the store
// fails now and then; go test -race is what it is for.
func TestHammer(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	b := newBed(t, Config{Workers: 4, Intake: 64, TimeLimit: 50 * time.Millisecond, MaxAttempts: 1000, Retention: time.Hour, Grace: time.Millisecond})
	b.faults.SetRate(0.02)
	var mu sync.Mutex
	final := map[string]question.Status{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := strconv.Itoa(rand.IntN(1000))
				name := []string{"ok", "ok", "ok", "held", "fail", "panic"}[rand.IntN(6)]
				if rand.IntN(2) == 0 {
					b.runner.release(n)
				}
				job, err := b.pool.Submit(t.Context(), ask(name, n))
				switch question.CodeOf(err) {
				case "":
				case question.CodeQueueFull, question.CodeStoreUnavailable:
					continue
				default:
					t.Error("Submit:", err)
					return
				}
				id := job.ID
				mu.Lock()
				final[id] = ""
				mu.Unlock()
				switch rand.IntN(4) {
				case 0:
					_, err = b.pool.Cancel(t.Context(), id)
				case 1:
					_, err = b.pool.Retry(t.Context(), id)
				case 2:
					_, err = b.pool.List(t.Context(), question.JobFilter{}, id, 5)
				case 3:
					_, err = b.pool.Unfinished(t.Context())
				}
				switch question.CodeOf(err) {
				case "", question.CodeAlreadyFinal, question.CodeNotRetryable, question.CodeStoreUnavailable, question.CodeQueueFull:
				default:
					t.Error(err)
				}
				wait, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				job, err = b.pool.Wait(wait, id)
				cancel()
				if err != nil {
					if question.CodeOf(err) != question.CodeStoreUnavailable {
						t.Error("Wait:", err)
					}
					continue
				}
				if job.Status.Final() {
					mu.Lock()
					final[id] = job.Status
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	b.faults.SetRate(0)
	for id, status := range final {
		job := b.wait(id)
		if status != "" && status != job.Status {
			t.Errorf("job %s was %s and is %s", id, status, job.Status)
		}
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if pending, _, err := b.store.PendingTimes(t.Context()); err == nil && len(pending) == 0 {
			break // what could not be removed at first is found and removed
		}
	}
	closing, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.pool.Close(closing); err != nil {
		t.Error(err)
	}
	if n := atRest(t, b.store); n < len(final) {
		t.Errorf("%d outcomes for %d jobs that were accepted", n, len(final))
	}
	t.Logf("%d jobs", len(final))
}
