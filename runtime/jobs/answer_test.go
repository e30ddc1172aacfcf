package jobs

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// answers calls Answer in the background and returns a channel with its error.
func (b *bed) answers(ctx context.Context, name, n string) <-chan error {
	out := make(chan error, 1)
	go func() {
		a, err := b.pool.Answer(ctx, ask(name, n))
		if (a == nil) == (err == nil) {
			b.t.Errorf("%s %s: answer %v with error %v", name, n, a, err)
		}
		out <- err
	}()
	return out
}

// Nothing of an answer without a job is stored or listed, in a server and in a function.
func TestAnswer(t *testing.T) {
	for _, demand := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, Config{OnDemand: demand, newID: bubbleIDs()})
			if demand { // otherwise recovery lists it
				b.fail(func(op string) error { t.Error("the store is asked for", op); return nil })
			}
			a, err := b.pool.Answer(t.Context(), ask("ok", "1"))
			if err != nil || a.Table.Rows() != 1 || a.Provenance.Dataset != "npao" {
				t.Errorf("%+v, %v", a, err)
			}
			for name, code := range map[string]question.Code{
				"unknown": question.CodeUnknownQuestion, "fail": question.CodeNoData, "plain": question.CodeInternal,
				"panic": question.CodeInternal, "nothing": question.CodeInternal, "no table": question.CodeInternal,
			} {
				_, err := b.pool.Answer(t.Context(), ask(name, "1"))
				wantCode(t, err, code)
			}
			b.wrote()
			left, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = b.pool.Answer(left, ask("ok", "2"))
			wantCode(t, err, question.CodeQueueFull)
			if b.runner.started("2") != 0 {
				t.Error("a request whose client had left was run")
			}
			b.pool.Drain()
			_, err = b.pool.Answer(t.Context(), ask("ok", "3"))
			wantCode(t, err, question.CodeShuttingDown)
		})
	}
}

// Equal requests share a run, which outlives whoever began it and ends with the last.
func TestAnswerIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		first, leave := context.WithCancel(t.Context())
		began := b.answers(first, "held", "1")
		synctest.Wait()
		joined := []<-chan error{b.answers(t.Context(), "held", "1"), b.answers(t.Context(), "held", "1")}
		synctest.Wait()
		leave()
		wantCode(t, <-began, question.CodeTimeLimit)
		b.runner.release("1")
		for _, err := range joined {
			if err := <-err; err != nil {
				t.Error(err)
			}
		}
		if n := b.runner.started("1"); n != 1 {
			t.Errorf("three equal requests ran %d times", n)
		}
		// The last one leaves: the run is interrupted, and the next request has its own.
		alone, leave := context.WithCancel(t.Context())
		left := b.answers(alone, "held", "2")
		synctest.Wait()
		leave()
		wantCode(t, <-left, question.CodeTimeLimit)
		synctest.Wait()
		if starts, lost := b.runner.counts("2"); starts != 1 || lost != 0 {
			t.Errorf("%d starts, %d of which go on, for nobody", starts, lost)
		}
		b.runner.release("2")
		if err := <-b.answers(t.Context(), "held", "2"); err != nil {
			t.Error(err)
		}
		if n := b.runner.started("2"); n != 2 {
			t.Errorf("%d runs, want 2", n)
		}
	})
}

// An answer has its turn as a job has, and waits for it 10 s.
func TestAnswerWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Intake: 1, TimeLimit: time.Minute, newID: bubbleIDs()})
		b.submit("held", "job")
		waiting := b.answers(t.Context(), "held", "1")
		synctest.Wait()
		_, err := b.pool.Answer(t.Context(), ask("ok", "2")) // one runs, one waits
		wantCode(t, err, question.CodeQueueFull)
		_, err = b.pool.Submit(t.Context(), ask("ok", "2"))
		wantCode(t, err, question.CodeQueueFull)
		begin := time.Now()
		wantCode(t, <-waiting, question.CodeQueueFull)
		if took := time.Since(begin); took != turnLimit {
			t.Errorf("it waited %v", took)
		}
		if b.runner.started("1") != 0 {
			t.Error("it has run")
		}
		next := b.answers(t.Context(), "ok", "3") // the place is free again
		synctest.Wait()
		b.runner.release("job")
		if err := <-next; err != nil {
			t.Error(err)
		}
	})
}

// A runner that does not end loses those who wait for it, after the lease of a run.
func TestAnswerOfStubbornRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		begin := time.Now()
		wantCode(t, <-b.answers(t.Context(), "stubborn", "1"), question.CodeTimeLimit)
		if took := time.Since(begin); took != b.pool.lease {
			t.Errorf("it waited %v, want %v", took, b.pool.lease)
		}
		b.runner.release("1")
	})
}

// Close waits for answers, and interrupts them when its time is up, also in a pool that was
// not started.
func TestAnswerAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		running := b.answers(t.Context(), "held", "1")
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			b.runner.release("1")
		}()
		b.pool.Drain()
		if b.pool.Drained() {
			t.Error("drained, while an answer is computed")
		}
		if err := b.pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-running; err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{newID: bubbleIDs()})
		running, waiting := b.answers(t.Context(), "held", "1"), b.answers(t.Context(), "held", "2")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.pool.Close(ctx); err != nil {
			t.Error(err)
		}
		wantCode(t, <-running, question.CodeShuttingDown)
		wantCode(t, <-waiting, question.CodeShuttingDown)
	})
	synctest.Test(t, func(t *testing.T) {
		b := idleBed(t, Config{newID: bubbleIDs()})
		waiting := b.answers(t.Context(), "ok", "1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.pool.Close(ctx); err != nil {
			t.Error(err)
		}
		wantCode(t, <-waiting, question.CodeShuttingDown)
	})
}

// TestAnswerHammer has many clients ask, share, leave and submit at the same time: each that
// stays gets an answer, every run ends, and the pool is empty in the end.
func TestAnswerHammer(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	b := newBed(t, Config{Workers: 2, Intake: 16, TimeLimit: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	const questions = 20
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := strconv.Itoa(rand.IntN(questions))
				name := []string{"ok", "held", "fail", "panic"}[rand.IntN(4)]
				if rand.IntN(3) == 0 {
					b.runner.release(n)
				}
				if rand.IntN(8) == 0 {
					if _, err := b.pool.Submit(t.Context(), ask("ok", n)); err != nil && question.CodeOf(err) != question.CodeQueueFull {
						t.Error("Submit:", err)
					}
				}
				stay, leave := t.Context(), context.CancelFunc(func() {})
				if leaves := rand.IntN(2) == 0; leaves {
					stay, leave = context.WithTimeout(stay, time.Duration(rand.IntN(2000))*time.Microsecond)
				}
				a, err := b.pool.Answer(stay, ask(name, n))
				leave()
				want := map[string][]question.Code{
					"ok": {""}, "held": {"", question.CodeTimeLimit}, "fail": {question.CodeNoData}, "panic": {question.CodeInternal},
				}[name]
				switch code := question.CodeOf(err); {
				case code == question.CodeQueueFull: // or the client left
				case code == question.CodeTimeLimit && stay.Err() != nil:
				case code != want[0] && code != want[len(want)-1]:
					t.Errorf("%s: %v", name, err)
				case (a != nil) != (code == ""):
					t.Errorf("%s: %v, %v", name, a, err)
				}
			}
		})
	}
	wg.Wait()
	b.pool.Drain()
	for end := time.Now().Add(10 * time.Second); !b.pool.Drained(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d places are taken, %d runs: nobody waits for them", b.pool.intake, len(b.pool.askings))
		}
	}
	for i := range questions {
		if starts, lost := b.runner.counts(strconv.Itoa(i)); lost != 0 {
			t.Errorf("question %d: %d of %d runs go on", i, lost, starts)
		}
	}
	if b.pool.intake != 0 {
		t.Errorf("the intake is %d of an empty pool", b.pool.intake)
	}
}
