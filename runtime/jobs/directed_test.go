package jobs

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// These are models that go wrong in one way each. Every mutant of `make mutants` has to
// fail one of these, or TestModel.

// directed runs a model of that many processes, whose time limit is 5 s.
func directed(t *testing.T, processes int, do func(t *testing.T, m *model)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newModel(&storetest.Memory{}, Config{Workers: 2, TimeLimit: 5 * time.Second, MaxAttempts: 3, newID: bubbleIDs()}, 1)
		for i := range processes {
			m.begin(i)
		}
		defer m.stop()
		do(t, m)
		m.check(t)
	})
}

// leave puts n pending jobs into the store, as a process that was killed does.
func leave(t testing.TB, s *results.Store, n int, name string, change func(i int, job *question.Job)) (ids []string) {
	t.Helper()
	for i := range n {
		job := &question.Job{ID: storetest.ID(time.Now(), i), Status: question.Queued, Request: ask(name, strconv.Itoa(i)), Created: time.Now().UTC().Round(0)}
		if change != nil {
			change(i, job)
		}
		if err := s.PutPending(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	return ids
}

// ended waits until a job has ended, and returns it.
func (m *model) ended(t *testing.T, id string, within time.Duration) *question.Job {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		job, err := m.store.Get(t.Context(), id)
		if err == nil && job.Status.Final() {
			return job
		}
		if time.Now().After(end) {
			t.Fatalf("after %v job %s is %v, %v", within, id, job, err)
		}
	}
}

// Processes that start at almost the same time over one backlog run each of its jobs
// once.
func TestModelBacklog(t *testing.T) {
	for _, processes := range []int{4, 10} {
		t.Run(strconv.Itoa(processes), func(t *testing.T) {
			directed(t, 0, func(t *testing.T, m *model) {
				const backlog = 200
				ids := leave(t, m.store, backlog, "1s", nil)
				time.Sleep(time.Hour)
				for i := range processes {
					m.begin(i)
					time.Sleep(400 * time.Millisecond / time.Duration(processes))
				}
				begin, starts := time.Now(), 0
				for i, id := range ids {
					job := m.ended(t, id, 10*time.Minute)
					if job.Status != question.Done || job.Attempts != 1 {
						t.Errorf("job %d: %s after %d attempts: %v", i, job.Status, job.Attempts, job.Error)
					}
					starts += m.runner.started(strconv.Itoa(i))
				}
				each := float64(starts) / backlog
				t.Logf("%d processes: %.2f starts per job, in %v", processes, each, time.Since(begin).Round(time.Second))
				if each > 1.02 {
					t.Errorf("%d starts of %d jobs", starts, backlog)
				}
				if ideal := backlog * time.Second / time.Duration(2*processes); time.Since(begin) > 2*ideal+m.processes[0].pool.lease {
					t.Errorf("it took %v; with every worker busy it takes %v", time.Since(begin), ideal)
				}
			})
		})
	}
}

// A job that waits is started as soon as there is a worker for it.
func TestModelWait(t *testing.T) {
	directed(t, 1, func(t *testing.T, m *model) {
		var ids []string
		for range 6 {
			ids = append(ids, m.submit(m.processes[0], "1s").ID)
		}
		begin := time.Now()
		for _, id := range ids {
			m.ended(t, id, 5*time.Second)
		}
		if took := time.Since(begin); took > 3500*time.Millisecond {
			t.Errorf("6 jobs of 1 s took %v", took)
		}
	})
}

// Four deliveries of one healthy job of 4 s are one start; also when who started it dies.
func TestModelDeliveries(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies=%v", dies), func(t *testing.T) {
			directed(t, 0, func(t *testing.T, m *model) {
				m.queue = newQueue()
				id := leave(t, m.store, 1, "4s", nil)[0]
				for i := range 4 {
					if err := m.queue.Send(t.Context(), id); err != nil {
						t.Fatal(err)
					}
					m.begin(i)
					time.Sleep(500 * time.Millisecond)
				}
				want := 1
				if dies { // the first to start received the first message, and has run it for 2 s
					m.crash(0)
					want = 2
				}
				job := m.ended(t, id, time.Minute)
				if n := m.runner.started("0"); job.Status != question.Done || job.Attempts != want || n != want {
					t.Errorf("%s, %v, after %d attempts and %d starts; want %d", job.Status, job.Error, job.Attempts, n, want)
				}
				time.Sleep(100 * time.Millisecond)
				if left, err := m.store.Pending(t.Context(), question.JobFilter{}, "", 0); len(left.Jobs) > 0 || err != nil {
					t.Errorf("%d records are left, %v", len(left.Jobs), err)
				}
				time.Sleep(time.Minute)
				if n := m.queue.size(); n != 0 {
					t.Errorf("%d messages are left", n)
				}
			})
		})
	}
}

// A job that kills each process that starts it is started three times.
func TestModelPoison(t *testing.T) {
	directed(t, 4, func(t *testing.T, m *model) {
		id := leave(t, m.store, 1, "poison", nil)[0]
		job := m.ended(t, id, 5*time.Minute)
		if codeOf(job) != string(question.CodeTooManyAttempts) || job.Attempts != 3 || m.runner.started("0") != 3 {
			t.Errorf("%s, %v, after %d attempts and %d starts", job.Status, job.Error, job.Attempts, m.runner.started("0"))
		}
	})
}

// What dies once or twice under a job that is healthy does not fail it.
func TestModelDeaths(t *testing.T) {
	directed(t, 3, func(t *testing.T, m *model) {
		job := m.submit(m.processes[0], "4s")
		for i := range 2 {
			m.crash(i)
			for m.runner.started("1") == i+1 {
				time.Sleep(100 * time.Millisecond)
			}
			if i == 0 { // find out who has it now
				time.Sleep(time.Second)
				for j, p := range m.processes {
					if got, err := p.pool.Get(t.Context(), job.ID); err == nil && got.Status == question.Running && p.held() > 0 {
						m.processes[1], m.processes[j] = m.processes[j], m.processes[1]
					}
				}
			}
		}
		if got := m.ended(t, job.ID, time.Minute); got.Status != question.Done || got.Attempts != 3 {
			t.Errorf("%s, %v, after %d attempts", got.Status, got.Error, got.Attempts)
		}
	})
}

// A process that has accepted more than it can do is helped by one that is idle: each job
// is started once all the same.
func TestModelOverload(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		const total = 200
		var ids []string
		for range total {
			ids = append(ids, m.submit(m.processes[0], "1s").ID)
		}
		starts, helped := 0, 0
		for i, id := range ids {
			job := m.ended(t, id, 10*time.Minute)
			if job.Status != question.Done {
				t.Errorf("job %d is %s: %v", i, job.Status, job.Error)
			}
			time.Sleep(10 * time.Millisecond)
			if got, err := m.processes[0].pool.Get(t.Context(), id); err != nil || !got.Status.Final() {
				t.Errorf("job %d has ended, and who accepted it says: %v, %v", i, got, err)
			}
			starts += m.runner.started(strconv.Itoa(i + 1))
		}
		if helped = m.processes[1].ran(); helped < total/4 {
			t.Errorf("the idle process ran %d of %d jobs", helped, total)
		}
		t.Logf("%.2f starts per job, %d by the idle process", float64(starts)/total, helped)
		if starts > total*102/100 {
			t.Errorf("%d starts of %d jobs", starts, total)
		}
		time.Sleep(time.Minute)
		if n, err := m.processes[0].pool.Unfinished(t.Context()); n != 0 || err != nil || m.processes[0].held() > 0 {
			t.Errorf("%d jobs are unfinished, %v", n, err)
		}
	})
}

// A process that stops in an orderly way is not the fault of the job that it interrupts.
func TestModelInterrupted(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		job := m.submit(m.processes[0], "4s")
		for range 5 { // more often than there are attempts
			for i := range m.processes {
				m.restart(i, time.Second)
			}
			time.Sleep(20 * time.Second)
			if got, err := m.store.Get(t.Context(), job.ID); err != nil || got.Attempts > 1 {
				t.Fatalf("%v, %v", got, err)
			}
			if n := m.runner.started("1"); n > 1 {
				break
			}
		}
		if got := m.ended(t, job.ID, time.Minute); got.Status != question.Done || got.Attempts != 1 {
			t.Errorf("%s, %v, after %d attempts", got.Status, got.Error, got.Attempts)
		}
	})
}

// Who was alone once does not take the jobs of one that came later.
func TestModelAlone(t *testing.T) {
	directed(t, 0, func(t *testing.T, m *model) {
		left := leave(t, m.store, 10, "ok", nil)
		time.Sleep(time.Millisecond)
		first := m.begin(0)
		if first.pool.cfg.AloneSince.IsZero() {
			t.Fatal("it is not alone")
		}
		for _, id := range left {
			m.ended(t, id, time.Second) // at once, without waiting for a lease
		}
		second := m.begin(1)
		for n := 1; n <= 40; n++ {
			job := m.submit(second, "4s")
			if n%2 == 0 { // two workers
				m.ended(t, job.ID, 5*time.Second)
			}
		}
		for n := 1; n <= 40; n++ {
			// 40 jobs share their numbers with those that were left.
			if want, starts := map[bool]int{true: 2, false: 1}[n < 10], m.runner.started(strconv.Itoa(n)); starts != want {
				t.Errorf("job %d was started %d times, want %d", n, starts, want)
			}
		}
	})
}

// Jobs of a process whose clock is an hour fast, or slow, are taken up as soon as others.
func TestModelClocks(t *testing.T) {
	for _, offset := range []time.Duration{-time.Hour, time.Hour} {
		directed(t, 0, func(t *testing.T, m *model) {
			m.begin(0)
			m.offset = func() time.Duration { return offset }
			other := m.begin(1)
			m.offset = func() time.Duration { return -offset }
			m.begin(2)
			m.offset = func() time.Duration { return 0 }
			var ids []string
			for range 20 {
				ids = append(ids, m.submit(other, "4s").ID)
			}
			time.Sleep(16 * time.Second) // the others look at them, and leave them alone
			if m.processes[0].ran()+m.processes[2].ran() > 0 {
				t.Error("others run jobs that are in hand")
			}
			other.kill()
			begin := time.Now()
			for _, id := range ids {
				if job := m.ended(t, id, time.Hour); job.Status != question.Done {
					t.Errorf("%s, %v", job.Status, job.Error)
				}
			}
			if took := time.Since(begin); took > time.Minute || took < 2*time.Second {
				t.Errorf("they were taken up after %v", took)
			}
		})
	}
}

// A process that is killed after it claimed a key, and before it recorded the job, leaves the
// key to others: whoever is asked next submits the job under its id.
func TestModelKeyTakenOver(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		k := &keyedAsk{req: ask("1s", "1"), id: storetest.ID(time.Now(), 1<<16)}
		m.n, m.keys["k"], m.acked[k.id] = 1, k, ""
		if _, err := m.store.Claim(t.Context(), "ada", "k", question.Claim{Job: k.id, Request: k.req.Digest()}); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if job := m.submitOnce(m.processes[i%2], "k", ""); job == nil || job.Replayed != (i > 0) {
				t.Errorf("request %d: %+v", i, job)
			}
		}
		if job := m.ended(t, k.id, time.Minute); job.Status != question.Done || m.runner.started("1") != 1 {
			t.Errorf("%s after %d starts", job.Status, m.runner.started("1"))
		}
	})
}

// The others find, count, list and run the jobs of a process that is killed.
func TestModelKilled(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		a, b := m.processes[0], m.processes[1]
		const total = 67
		for range total {
			m.submit(b, "1s")
		}
		b.kill()
		left, err := m.store.Pending(t.Context(), question.JobFilter{}, "", 0)
		if n, countErr := a.pool.Unfinished(t.Context()); err != nil || countErr != nil || n != len(left.Jobs) || n < total-2 {
			t.Errorf("%d are counted of %d, %v, %v", n, len(left.Jobs), err, countErr)
		}
		m.lookAll(a)
		for _, id := range m.ids() {
			if job := m.ended(t, id, 5*time.Minute); job.Status != question.Done {
				t.Errorf("%s, %v", job.Status, job.Error)
			}
		}
	})
}

// A queue that loses every message keeps no job for ever, whoever accepted it.
func TestModelLostQueue(t *testing.T) {
	directed(t, 0, func(t *testing.T, m *model) {
		m.queue, m.sends = newQueue(), map[int]bool{0: true}
		m.queue.lose = func() bool { return true }
		old := leave(t, m.store, 1, "ok", nil)[0]
		time.Sleep(2 * time.Hour)
		server := m.begin(0)
		for range 4 {
			m.submit(server, "4s")
		}
		m.begin(1)
		m.ended(t, old, 2*time.Hour) // the server may send it, and the queue loses it, some times
		for _, id := range m.ids() { // so with these
			if job := m.ended(t, id, 2*time.Hour); job.Status != question.Done {
				t.Errorf("%s, %v", job.Status, job.Error)
			}
		}
		// Nobody receives: the server sends what was lost anew, once in a lease.
		bury(m.processes[1])
		m.queue.lose = func() bool { return false }
		time.Sleep(time.Minute)
		again := leave(t, m.store, 5, "ok", func(i int, job *question.Job) { job.ID = storetest.ID(time.Now(), 100+i) })
		time.Sleep(20 * time.Minute)
		if n := m.queue.size(); n < len(again) || n > 5*len(again) {
			t.Errorf("%d messages for %d jobs", n, len(again))
		}
	})
}

// A server that only sends to the queue has nothing more to do with what it sent.
func TestModelServerAndWorker(t *testing.T) {
	directed(t, 0, func(t *testing.T, m *model) {
		m.queue, m.sends = newQueue(), map[int]bool{0: true}
		server, worker := m.begin(0), m.begin(1)
		for range 10 {
			m.submit(server, "1s")
		}
		if n := server.held(); n > 2 {
			t.Errorf("it has %d jobs in hand", n)
		}
		for _, id := range m.ids() {
			m.ended(t, id, 10*time.Second)
			time.Sleep(10 * time.Millisecond)
			if got, err := server.pool.Get(t.Context(), id); err != nil || got.Status != question.Done {
				t.Errorf("%v, %v", got, err)
			}
		}
		if worker.ran() < 8 {
			t.Errorf("the worker ran %d jobs", worker.ran())
		}
	})
}

// Processes that send to the queue from which they receive find what it lost, and learn of
// what others received and ended.
func TestModelSharedQueue(t *testing.T) {
	directed(t, 0, func(t *testing.T, m *model) {
		m.queue = newQueue()
		a := m.begin(0)
		m.queue.lose = func() bool { return true }
		for range 5 {
			m.submit(a, "4s")
		}
		for _, id := range m.ids() {
			m.ended(t, id, time.Minute)
		}
		m.queue.lose = func() bool { return false }
		m.begin(1)
		for range 40 {
			m.submit(a, "4s")
		}
		time.Sleep(3 * time.Minute)
		if a.held() > 0 || m.processes[1].ran() == 0 {
			t.Errorf("%d jobs are waited for; the other process ran %d", a.held(), m.processes[1].ran())
		}
		m.lookAll(a)
	})
}

// A cancellation reaches a run elsewhere within a second or so.
func TestModelCancel(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		a, b := m.processes[0], m.processes[1]
		job := m.submit(b, "4s")
		time.Sleep(500 * time.Millisecond)
		m.cancel(a, job.ID)
		time.Sleep(watchEvery + 100*time.Millisecond)
		if got, err := b.pool.Get(t.Context(), job.ID); err != nil || got.Status != question.Cancelled {
			t.Errorf("%v, %v", got, err)
		}
		if b.held() > 0 {
			t.Error("it still runs")
		}
	})
}

// A run that does not end is given up when its lease is over, and has not failed then.
func TestModelStuck(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		job := m.submit(m.processes[0], "stubborn")
		time.Sleep(11 * time.Second)
		if got, err := m.store.Get(t.Context(), job.ID); err != nil || got.Status.Final() {
			t.Errorf("%v, %v", got, err)
		}
		m.runner.release("1")
		if got := m.ended(t, job.ID, time.Minute); got.Status != question.Done || got.Attempts != 2 {
			t.Errorf("%s, %v, after %d attempts", got.Status, got.Error, got.Attempts)
		}
	})
}

// A process that does not know a job's question looks for it, and leaves the job to
// others if that does not help.
func TestModelUnknownQuestion(t *testing.T) {
	directed(t, 2, func(t *testing.T, m *model) {
		ids := leave(t, m.store, 2, "new", nil)
		time.Sleep(30 * time.Second)
		for _, id := range ids {
			job, err := m.store.Get(t.Context(), id)
			if err != nil || job.Status != question.Queued || job.Returned == 0 || job.Attempts != 0 {
				t.Fatalf("%+v, %v", job, err)
			}
		}
		m.runner.mu.Lock()
		m.runner.known["new"] = false // until somebody looks
		m.runner.mu.Unlock()
		for _, id := range ids {
			if job := m.ended(t, id, time.Minute); job.Status != question.Done || job.Returned != 0 {
				t.Errorf("%s, %v", job.Status, job.Error)
			}
		}
		never := leave(t, m.store, 1, "newer", func(_ int, job *question.Job) { job.ID = storetest.ID(time.Now(), 9) })[0]
		if job := m.ended(t, never, 5*time.Minute); codeOf(job) != string(question.CodeUnknownQuestion) {
			t.Errorf("%s, %v", job.Status, job.Error)
		}
	})
}
