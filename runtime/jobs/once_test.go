package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// submitKeyed asks with a key.
func submitKeyed(p *Pool, client, key string, req question.Request) (*question.Job, error) {
	return p.Submit(keyed(client, key, req), req)
}

// The same key makes one job: while it runs, after it ended, in another process, after a
// restart, and if there is no room for more.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := bubbleIDs()
		b := newBed(t, Config{Workers: 1, Intake: 1, newID: ids})
		other := b.another(Config{newID: ids})
		req := ask("held", "1")
		first, err := submitKeyed(b.pool, "ada", "k", req)
		if err != nil || first.Replayed || first.Client != "ada" || first.ID != question.TagID(first.ID, "ada") {
			t.Fatalf("%+v, %v", first, err)
		}
		again := func(how string, p *Pool, status question.Status) {
			t.Helper()
			job, err := submitKeyed(p, "ada", "k", req)
			if err != nil || job.ID != first.ID || !job.Replayed || job.Status != status {
				t.Errorf("%s: %+v, %v", how, job, err)
			}
		}
		again("while it runs", b.pool, question.Running)
		again("in another process", other, question.Running)
		b.submit("held", "2")
		if _, err := b.pool.Submit(t.Context(), ask("ok", "")); question.CodeOf(err) != question.CodeQueueFull {
			t.Fatal(err)
		}
		again("without room", b.pool, question.Running)
		if _, err := submitKeyed(b.pool, "ada", "new", req); question.CodeOf(err) != question.CodeQueueFull {
			t.Errorf("a new key without room: %v", err)
		}
		if _, found, err := b.store.Claimed(t.Context(), "ada", "new"); found || err != nil {
			t.Errorf("a request that was refused has its key: %v", err)
		}
		b.runner.release("1")
		b.runner.release("2")
		b.wait(first.ID)
		again("after its end", b.pool, question.Done)
		again("after its end, in another process", other, question.Done)
		if _, err := submitKeyed(other, "ada", "k", ask("ok", "")); question.CodeOf(err) != question.CodeKeyReused || !strings.Contains(err.Error(), first.ID) {
			t.Errorf("another request: %v", err)
		}
		job, err := submitKeyed(b.pool, "bob", "k", req)
		if err != nil || job.ID == first.ID || job.Replayed {
			t.Errorf("another client's: %+v, %v", job, err)
		}
		b.wait(job.ID)
		b.pool.Drain()
		again("of a pool that drains", b.pool, question.Done)
		if n := b.runner.started("1"); n != 2 { // of two clients
			t.Errorf("%d runs", n)
		}
	})
}

// Of many requests at the same time in two processes one makes a job.
func TestOnceConcurrently(t *testing.T) {
	for _, name := range []string{"ok", "10ms", "1s"} {
		synctest.Test(t, func(t *testing.T) {
			newID := bubbleIDs()
			b := newBed(t, Config{Workers: 2, Intake: 100, newID: newID})
			other := b.another(Config{Intake: 100, newID: newID})
			ids, fresh := map[string]bool{}, 0
			results := make(chan *question.Job, 50)
			var group errgroup.Group
			for i := range 50 {
				group.Go(func() error {
					p := b.pool
					if i%2 == 1 {
						p = other
					}
					job, err := submitKeyed(p, "", "k", ask(name, "1"))
					results <- job
					return err
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			for range 50 {
				job := <-results
				if ids[job.ID] = true; !job.Replayed {
					fresh++
				}
			}
			if len(ids) != 1 || fresh != 1 {
				t.Errorf("%s: the jobs %v, %d of them new", name, ids, fresh)
			}
			for id := range ids {
				b.wait(id)
			}
			if n := b.runner.started("1"); n != 1 {
				t.Errorf("%s: %d runs", name, n)
			}
		})
	}
}

// A process that dies at any moment after the claim leaves nothing behind that keeps the
// next request with the key from its job.
func TestOnceTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := bubbleIDs()
		b := newBed(t, Config{Workers: 1, newID: ids})
		req := ask("ok", "1")
		id, _ := ids()
		id = question.TagID(id, "ada")
		if _, err := b.store.Claim(t.Context(), "ada", "k", question.Claim{Job: id, Request: req.Digest()}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		job, err := submitKeyed(b.pool, "ada", "k", req)
		if err != nil || job.ID != id || job.Replayed {
			t.Fatalf("%+v, %v", job, err)
		}
		if d := time.Since(begin); d < takeOver || d > 2*takeOver {
			t.Errorf("after %v", d)
		}
		b.wait(id)
		if job, err = submitKeyed(b.pool, "ada", "k", req); err != nil || job.ID != id || !job.Replayed || job.Status != question.Done {
			t.Errorf("%+v, %v", job, err)
		}
		if n := atRest(t, b.store); n != 1 {
			t.Errorf("%d outcomes", n)
		}
	})
}

// A request that fails may be sent again: the job that it began is the same, and its record
// stays for whoever else accepted it.
func TestOnceFails(t *testing.T) {
	for _, broken := range []string{"Create keys", "Put pending", "Create jobs"} {
		t.Run(broken, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
				b.fail(func(op string) error {
					if op == broken {
						return errDown
					}
					return nil
				})
				req := ask("1s", "1")
				if broken == "Create jobs" {
					req = ask("ok", "1")
				}
				job, err := submitKeyed(b.pool, "", "k", req)
				if broken != "Create jobs" {
					wantCode(t, err, question.CodeStoreUnavailable)
				}
				synctest.Wait()
				b.fail(nil)
				again, err := submitKeyed(b.pool, "", "k", req)
				if err != nil || job != nil && again.ID != job.ID {
					t.Fatalf("%+v, %v", again, err)
				}
				b.wait(again.ID)
				synctest.Wait()
				if n := atRest(t, b.store); n != 1 {
					t.Errorf("%d outcomes", n)
				}
			})
		})
	}
}

// A queue that does not take the job's id is an error, and the record stays: the job runs
// later, and the same request finds it.
func TestOnceQueueFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		b := idleBed(t, Config{Workers: 1, Queue: failingQueue{q}, newID: bubbleIDs()})
		_, err := submitKeyed(b.pool, "", "k", ask("ok", "1")) // no worker was started
		wantCode(t, err, question.CodeQueueUnavailable)
		job, err := submitKeyed(b.pool, "", "k", ask("ok", "1"))
		if err != nil || !job.Replayed || job.Status != question.Queued {
			t.Fatalf("%+v, %v", job, err)
		}
		if _, err := b.pool.Submit(t.Context(), ask("ok", "2")); question.CodeOf(err) != question.CodeQueueUnavailable {
			t.Error(err)
		}
		if page, err := b.pool.List(t.Context(), question.JobFilter{}, "", 10); err != nil || len(page.Jobs) != 1 || page.Jobs[0].ID != job.ID {
			t.Errorf("%v, %v: want the one with a key", page.Jobs, err)
		}
	})
}

type failingQueue struct{ *testQueue }

func (failingQueue) Send(context.Context, string) error {
	return question.Errorf(question.CodeQueueUnavailable, "no: %w", errors.New("down"))
}

// While a request is being accepted by a store that hangs, others wait for it, not for ever.
func TestOnceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		gate := make(chan struct{})
		b.fail(func(op string) error {
			if op == "Put pending" {
				<-gate
			}
			return nil
		})
		req := ask("held", "1")
		done := make(chan string)
		go func() {
			job, err := submitKeyed(b.pool, "", "k", req)
			done <- fmt.Sprint(job.ID, err)
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		_, err := submitKeyed(b.pool, "", "k", req)
		wantCode(t, err, question.CodeKeyInUse)
		again := make(chan string)
		go func() {
			job, err := submitKeyed(b.pool, "", "k", req)
			again <- fmt.Sprint(job.ID, err)
		}()
		time.Sleep(time.Second)
		close(gate)
		if one, two := <-done, <-again; one != two {
			t.Errorf("%s, and %s", one, two)
		}
		b.runner.release("1")
	})
}

// A claim that is recorded though the store says that it is not, as after a timeout, does not
// keep a request with the key that comes meanwhile.
func TestOnceClaimedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first string
		ids := bubbleIDs()
		b := newBed(t, Config{Workers: 1, newID: func() (string, error) {
			id, err := ids()
			first = cmp.Or(first, id)
			return id, err
		}})
		req := ask("ok", "1")
		type reply struct {
			job *question.Job
			err error
		}
		replies := make(chan reply, 1)
		failed := false
		b.fail(func(op string) error {
			if op != "Create keys" || failed {
				return nil
			}
			failed = true
			if _, err := b.store.Claim(t.Context(), "", "k", question.Claim{Job: first, Request: req.Digest()}); err != nil {
				t.Error(err)
			}
			go func() {
				job, err := submitKeyed(b.pool, "", "k", req)
				replies <- reply{job, err}
			}()
			time.Sleep(time.Second)
			return errDown
		})
		_, err := submitKeyed(b.pool, "", "k", req)
		wantCode(t, err, question.CodeStoreUnavailable)
		got := <-replies
		if got.err != nil || got.job.ID != first {
			t.Fatalf("%+v, %v", got.job, got.err)
		}
		b.wait(first)
	})
}

// Claims are removed after a day, also if results are kept for good.
func TestClaimsAreSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		first, err := submitKeyed(b.pool, "", "k", ask("ok", "1"))
		if err != nil {
			t.Fatal(err)
		}
		b.wait(first.ID)
		time.Sleep(23 * time.Hour)
		if job, err := submitKeyed(b.pool, "", "k", ask("ok", "1")); err != nil || job.ID != first.ID {
			t.Errorf("after 23 h: %+v, %v", job, err)
		}
		time.Sleep(3 * time.Hour)
		if job, err := submitKeyed(b.pool, "", "k", ask("ok", "1")); err != nil || job.ID == first.ID {
			t.Errorf("after 26 h: %+v, %v", job, err)
		}
		b.status(first.ID, question.Done)
	})
}

// Retry takes a key, too.
func TestRetryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Config{Workers: 1, newID: bubbleIDs()})
		failed := b.submit("fail", "1")
		b.wait(failed.ID)
		ctx := question.WithOrigin(t.Context(), &question.Origin{Once: question.Once{Key: "k", Request: "retry " + failed.ID}})
		one, err := b.pool.Retry(ctx, failed.ID)
		if err != nil || one.RetryOf != failed.ID {
			t.Fatalf("%+v, %v", one, err)
		}
		two, err := b.pool.Retry(ctx, failed.ID)
		if err != nil || two.ID != one.ID || !two.Replayed {
			t.Errorf("%+v, %v", two, err)
		}
	})
}
