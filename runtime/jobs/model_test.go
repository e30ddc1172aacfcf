package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// mortal is the store as a process sees it that can be killed: after that nothing
// of what it still does reaches the store, and it hears nothing.
type mortal struct {
	Store
	mu   sync.RWMutex // held for reading during a call: a dead process has no call on its way
	dead bool
}

func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) call(do func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		return question.Errorf(question.CodeStoreUnavailable, "this process is dead")
	}
	return do()
}

func (m *mortal) PutPending(ctx context.Context, job *question.Job) error {
	return m.call(func() error { return m.Store.PutPending(ctx, job) })
}

func (m *mortal) DeletePending(ctx context.Context, id string) error {
	return m.call(func() error { return m.Store.DeletePending(ctx, id) })
}

func (m *mortal) PutOutcome(ctx context.Context, job *question.Job) (created bool, err error) {
	err = m.call(func() (err error) { created, err = m.Store.PutOutcome(ctx, job); return err })
	return created, err
}

func (m *mortal) Get(ctx context.Context, id string) (job *question.Job, err error) {
	err = m.call(func() (err error) { job, err = m.Store.Get(ctx, id); return err })
	return job, err
}

func (m *mortal) Pending(ctx context.Context, after string, limit int) (jobs []*question.Job, err error) {
	err = m.call(func() (err error) { jobs, err = m.Store.Pending(ctx, after, limit); return err })
	return jobs, err
}

func (m *mortal) Outcomes(ctx context.Context, before string, limit int) (jobs []*question.Job, err error) {
	err = m.call(func() (err error) { jobs, err = m.Store.Outcomes(ctx, before, limit); return err })
	return jobs, err
}

// model is a service that is used, killed and started again, and what its clients
// know: the ids that they were given, and the first final state that they saw.
type model struct {
	faults *storetest.Faults
	store  *results.Store
	runner *fakeRunner
	cfg    Config
	life   *mortal
	pool   *Pool

	mu     sync.Mutex
	n      int
	acked  map[string]string // id to final state, "" while there is none
	broken []string          // invariants that did not hold
}

func newModel(o results.Objects, cfg Config, seed uint64) *model {
	m := &model{faults: storetest.NewFaults(o, seed), runner: newRunner(), cfg: cfg, acked: map[string]string{}}
	m.store = results.New(m.faults)
	m.store.Log = quiet
	m.begin()
	return m
}

func (m *model) begin() {
	m.life = &mortal{Store: m.store}
	pool, err := New(m.cfg, m.life, m.runner)
	if err == nil {
		err = pool.Start(context.Background())
	}
	if err != nil {
		m.breachf("a new pool: %v", err)
	}
	m.pool = pool
}

func (m *model) breachf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// known returns the final state that clients were told of, or "".
func (m *model) known(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.acked[id]
}

// saw holds what a client was told against what clients were told before: before
// is what was known when it asked.
func (m *model) saw(how, id, before string, job *question.Job, err error) {
	if err != nil {
		// Faults may show as a store that is away, and as nothing else.
		if question.CodeOf(err) != question.CodeStoreUnavailable {
			m.breachf("%s %s: %v", how, id, err)
		}
		return
	}
	if job.ID != id {
		m.breachf("%s %s returns %s", how, id, job.ID)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch final := m.acked[id]; {
	case final == "" && job.Status.Final():
		m.acked[id] = text(job)
	case final == text(job):
	case before == "" && !job.Status.Final():
	default:
		m.broken = append(m.broken, fmt.Sprintf("%s %s: it was final as\n%s\nand is now\n%s", how, id, final, text(job)))
	}
}

// given notes an id that a client was given.
func (m *model) given(how string, job *question.Job, err error) {
	if err != nil {
		switch question.CodeOf(err) {
		case question.CodeStoreUnavailable, question.CodeQueueFull, question.CodeShuttingDown:
		default:
			m.breachf("%s: %v", how, err)
		}
		return
	}
	m.mu.Lock()
	if _, again := m.acked[job.ID]; again {
		m.broken = append(m.broken, how+" gives out an id twice: "+job.ID)
	}
	m.acked[job.ID] = ""
	m.mu.Unlock()
	m.saw(how, job.ID, "", job, nil)
}

func (m *model) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.acked))
}

func (m *model) submit(p *Pool, name string) {
	m.mu.Lock()
	m.n++
	n := strconv.Itoa(m.n)
	m.mu.Unlock()
	job, err := p.Submit(context.Background(), ask(name, n))
	m.given("Submit", job, err)
}

func (m *model) cancel(p *Pool, id string) {
	before := m.known(id)
	job, err := p.Cancel(context.Background(), id)
	switch {
	case question.CodeOf(err) == question.CodeAlreadyFinal:
		// It is, so from now on Get must say so; the next look checks how it ended.
	case err == nil && job.Status != question.Cancelled:
		m.breachf("Cancel %s returns a job that is %s", id, job.Status)
	default:
		m.saw("Cancel", id, before, job, err)
	}
}

func (m *model) retry(p *Pool, id string) {
	job, err := p.Retry(context.Background(), id)
	if question.CodeOf(err) == question.CodeNotRetryable {
		return
	}
	if err == nil && job.RetryOf != id {
		m.breachf("Retry of %s returns a retry of %q", id, job.RetryOf)
	}
	m.given("Retry", job, err)
}

// crash kills the process, at whatever it is at, and starts the next one.
func (m *model) crash() {
	old := m.pool
	m.life.kill()
	m.begin()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = old.Close(ended) // what remains of it on this side of the grave
}

// restart stops the process in an orderly way, with that much time.
func (m *model) restart(patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.pool.Close(ctx); err != nil && !errors.Is(err, errClosing) {
		m.breachf("Close: %v", err)
	}
	m.life.kill() // a call that hangs longer than Close waits ends with the process
	m.begin()
}

// burst has several clients at work at the same time.
func (m *model) burst(t *rapid.T) (wait func()) {
	var wg sync.WaitGroup
	ids, pool := m.ids(), m.pool
	for range rapid.IntRange(2, 6).Draw(t, "clients") {
		name := rapid.SampledFrom([]string{"ok", "ok", "held", "fail"}).Draw(t, "question")
		pause := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 15 * time.Millisecond}).Draw(t, "pause")
		cancel := rapid.IntRange(-len(ids)-1, len(ids)-1).Draw(t, "cancel")
		wg.Go(func() {
			time.Sleep(pause)
			if cancel < 0 {
				m.submit(pool, name)
				return
			}
			m.cancel(pool, ids[cancel])
			m.look(pool, ids[cancel])
		})
	}
	return wg.Wait
}

func (m *model) look(p *Pool, id string) {
	before := m.known(id)
	job, err := p.Get(context.Background(), id)
	m.saw("Get", id, before, job, err)
}

// lookAll asks for every id that was given out.
func (m *model) lookAll() {
	for _, id := range m.ids() {
		m.look(m.pool, id)
	}
	jobs, err := m.pool.List(context.Background(), "", 1000)
	for i, job := range jobs {
		if i > 0 && jobs[i-1].ID <= job.ID {
			m.breachf("List is not newest first: %s, %s", jobs[i-1].ID, job.ID)
		}
	}
	if err == nil {
		listed := map[string]*question.Job{}
		for _, job := range jobs {
			listed[job.ID] = job
		}
		for _, id := range m.ids() {
			final := m.known(id)
			if listed[id] == nil || final != "" && !listed[id].Status.Final() {
				m.breachf("List has %v for %s, which was given out; final: %s", listed[id], id, final)
			}
		}
	}
}

// rest ends the faults, lets everything end, and holds what must be true then.
func (m *model) rest() {
	m.faults.SetRate(0)
	for n := range m.n {
		m.runner.release(strconv.Itoa(n + 1))
	}
	m.mu.Lock()
	m.n = 0
	m.mu.Unlock()
	time.Sleep(20 * m.cfg.TimeLimit)
	synctest.Wait()
	m.lookAll()
	ctx := context.Background()
	for _, id := range m.ids() {
		if m.known(id) == "" {
			m.breachf("at rest %s has not ended", id)
		}
	}
	if n, err := m.pool.Unfinished(ctx); n != 0 || err != nil {
		m.breachf("at rest %d jobs are unfinished, %v", n, err)
	}
	pending, err := m.store.Pending(ctx, "", 0)
	if err != nil || len(pending) > 0 {
		m.breachf("at rest %d jobs are pending (%v): %s", len(pending), err, text(pending[0]))
	}
	m.pool.Drain()
	if !m.pool.Drained() {
		m.breachf("at rest it cannot be drained")
	}
	if err := m.pool.Close(ctx); err != nil {
		m.breachf("at rest it cannot be closed: %v", err)
	}
}

// stop ends what runs, whatever the state: for the test's own end.
func (m *model) stop() {
	m.life.kill()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.pool.Close(ended)
}

func (m *model) check(t *rapid.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.broken) > 0 {
		t.Fatal(m.broken[0])
	}
}

// TestModel uses, kills and restarts a service in every order, over memory and a
// folder, with a store that fails at random or not. An id that was given out is
// never unknown, what is final never changes, and once the faults have ended every
// job ends and nothing stays behind.
func TestModel(t *testing.T) {
	parent, folders := t.TempDir(), 0
	for name, open := range map[string]func(t *rapid.T) (results.Objects, func()){
		"memory": func(*rapid.T) (results.Objects, func()) { return &storetest.Memory{}, func() {} },
		"files": func(t *rapid.T) (results.Objects, func()) {
			folders++
			folder := filepath.Join(parent, strconv.Itoa(folders))
			o, err := files.Open(files.Config{Folder: folder, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			return o, func() { _, _ = o.Close(), os.RemoveAll(folder) }
		},
	} {
		for _, faulty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/faults=%v", name, faulty), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					newID := bubbleIDs()
					rapid.Check(struct{ *testing.T }{t}, func(t *rapid.T) { // wrapped, for a bubble has no deadline
						objects, remove := open(t)
						defer remove()
						m := newModel(objects, Config{
							Workers:     rapid.IntRange(1, 3).Draw(t, "workers"),
							Queue:       8,
							TimeLimit:   time.Second,
							MaxAttempts: 3,
							Sole:        rapid.Bool().Draw(t, "sole"),
							Grace:       rapid.SampledFrom([]time.Duration{0, DefaultGrace}).Draw(t, "grace"),
							Log:         quiet,
							newID:       newID,
						}, rapid.Uint64().Draw(t, "seed"))
						defer m.stop()
						m.steps(t, faulty)
						m.rest()
						m.check(t)
					})
				})
			})
		}
	}
}

func (m *model) steps(t *rapid.T, faulty bool) {
	pick := func(t *rapid.T) string {
		ids := m.ids()
		if len(ids) == 0 {
			t.Skip("no job yet")
		}
		return rapid.SampledFrom(ids).Draw(t, "id")
	}
	actions := map[string]func(*rapid.T){
		"submit": func(t *rapid.T) {
			m.submit(m.pool, rapid.SampledFrom([]string{"ok", "held", "held", "fail", "panic"}).Draw(t, "question"))
		},
		"finish": func(t *rapid.T) {
			m.runner.release(strconv.Itoa(rapid.IntRange(1, m.n+1).Draw(t, "n")))
			synctest.Wait()
		},
		"cancel": func(t *rapid.T) { m.cancel(m.pool, pick(t)) },
		"retry":  func(t *rapid.T) { m.retry(m.pool, pick(t)) },
		"wait": func(t *rapid.T) {
			id := pick(t)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			before := m.known(id)
			job, err := m.pool.Wait(ctx, id)
			m.saw("Wait", id, before, job, err)
		},
		"sleep": func(t *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
		},
		"crash":   func(*rapid.T) { m.crash() },
		"restart": func(t *rapid.T) { m.restart(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond) },
		"burst":   func(t *rapid.T) { m.burst(t)() },
		"crash in a burst": func(t *rapid.T) {
			wait := m.burst(t)
			time.Sleep(time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond)
			m.crash()
			wait()
		},
		"": func(t *rapid.T) {
			m.lookAll()
			m.check(t)
		},
	}
	if faulty {
		actions["faults"] = func(t *rapid.T) { m.faults.SetRate(rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "rate")) }
	}
	t.Repeat(actions)
}
