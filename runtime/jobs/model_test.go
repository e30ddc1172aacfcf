package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// process is one process of a model's service: a pool, and how the world appears to it.
// It can be killed: after that nothing of what it still does reaches the store or the
// queue, and it learns of nothing. It can be paused: then nothing of it goes on.
type process struct {
	Store
	Queue
	*fakeRunner

	pool  *Pool
	clock time.Duration // how far its clock is ahead

	mu       sync.Mutex
	answered int
	dead     bool
	stop     chan struct{} // closed unless it is paused
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.resumeLocked()
}

func (p *process) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.resumeLocked()
		p.stop = make(chan struct{})
	}
}

func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resumeLocked()
}

func (p *process) resumeLocked() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// ran returns how many jobs the process has started.
func (p *process) ran() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered
}

// held returns how many jobs the process holds.
func (p *process) held() int {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	return len(p.pool.live)
}

// alive waits while the process is paused, and is an error when it is dead.
func (p *process) alive() error {
	p.mu.Lock()
	stop := p.stop
	p.mu.Unlock()
	<-stop
	if p.isDead() {
		return question.Errorf(question.CodeStoreUnavailable, "this process is dead")
	}
	return nil
}

// call makes one call to the store or the queue, which is on its way for a while.
func (p *process) call(do func() error) error {
	time.Sleep(time.Duration(rand.IntN(2)) * time.Millisecond)
	if err := p.alive(); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, p.alive())
}

func (p *process) PutPending(ctx context.Context, job *question.Job) error {
	return p.call(func() error { return p.Store.PutPending(ctx, job) })
}

func (p *process) DeletePending(ctx context.Context, id string) error {
	return p.call(func() error { return p.Store.DeletePending(ctx, id) })
}

func (p *process) PutOutcome(ctx context.Context, job *question.Job) (created bool, err error) {
	err = p.call(func() (err error) { created, err = p.Store.PutOutcome(ctx, job); return err })
	return created, err
}

func (p *process) Get(ctx context.Context, id string) (job *question.Job, err error) {
	err = p.call(func() (err error) { job, err = p.Store.Get(ctx, id); return err })
	return job, err
}

func (p *process) PendingIDs(ctx context.Context) (ids []string, err error) {
	err = p.call(func() (err error) { ids, err = p.Store.PendingIDs(ctx); return err })
	return ids, err
}

func (p *process) PendingTimes(ctx context.Context) (written map[string]time.Time, now time.Time, err error) {
	err = p.call(func() (err error) { written, now, err = p.Store.PendingTimes(ctx); return err })
	return written, now, err
}

func (p *process) List(ctx context.Context, f question.JobFilter, before string, limit int) (page question.JobPage, err error) {
	err = p.call(func() (err error) { page, err = p.Store.List(ctx, f, before, limit); return err })
	return page, err
}

func (p *process) Claim(ctx context.Context, client, key string, c question.Claim) (first question.Claim, err error) {
	err = p.call(func() (err error) { first, err = p.Store.Claim(ctx, client, key, c); return err })
	return first, err
}

func (p *process) Claimed(ctx context.Context, client, key string) (first question.Claim, found bool, err error) {
	err = p.call(func() (err error) { first, found, err = p.Store.Claimed(ctx, client, key); return err })
	return first, found, err
}

func (p *process) Send(ctx context.Context, id string) error {
	return p.call(func() error { return p.Queue.Send(ctx, id) })
}

func (p *process) Receive(ctx context.Context, most int) (messages []question.Message, err error) {
	err = p.call(func() (err error) { messages, err = p.Queue.Receive(ctx, most); return err })
	return messages, err
}

func (p *process) Delete(ctx context.Context, m question.Message) error {
	return p.call(func() error { return p.Queue.Delete(ctx, m) })
}

func (p *process) ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error {
	return p.call(func() error { return p.Queue.ChangeVisibility(ctx, m, d) })
}

// Answer runs a job in this process; "poison" is one that kills it.
func (p *process) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	if p.isDead() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if req.Question == "poison" {
		p.kill()
		p.begun(req)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p.mu.Lock()
	p.answered++
	p.mu.Unlock()
	answer, err := p.fakeRunner.Answer(ctx, req)
	if p.alive() != nil {
		p.lost(req)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return answer, err
}

// bubbleTimes are objects whose times are those of the test's bubble.
type bubbleTimes struct {
	results.Objects

	mu      sync.Mutex
	written map[string]time.Time
}

func (o *bubbleTimes) note(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.written[key] = time.Now()
}

func (o *bubbleTimes) Put(ctx context.Context, key string, data []byte) error {
	o.note(key)
	return o.Objects.Put(ctx, key, data)
}

func (o *bubbleTimes) Create(ctx context.Context, key string, data []byte) (bool, error) {
	o.note(key)
	return o.Objects.Create(ctx, key, data)
}

func (o *bubbleTimes) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		for entry, err := range o.Objects.List(ctx, folder, after) {
			o.mu.Lock()
			entry.Modified = o.written[folder+entry.Name]
			o.mu.Unlock()
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (o *bubbleTimes) Now(context.Context) (time.Time, error) { return time.Now(), nil }

// model is a service that is used, killed and started again, and what its clients
// know: the ids that they were given, and the first final state that they saw.
type model struct {
	faults *storetest.Faults
	store  *results.Store
	runner *fakeRunner
	cfg    Config
	queue  *testQueue // that the processes share; nil: each has its own
	offset func() time.Duration
	sends  map[int]bool // processes that send to the queue and do not receive from it

	processes []*process
	disturbed int // processes that were killed, stopped or paused

	mu     sync.Mutex
	n      int
	acked  map[string]string // id to final state, "" while there is none
	keys   map[string]*keyedAsk
	broken []string // invariants that did not hold
}

// keyedAsk is a request that clients send again and again with the same key.
type keyedAsk struct {
	req question.Request
	id  string // that clients were given; "": none yet
}

func newModel(o results.Objects, cfg Config, seed uint64) *model {
	m := &model{faults: storetest.NewFaults(o, seed), runner: newRunner(), cfg: cfg, acked: map[string]string{}, keys: map[string]*keyedAsk{}, offset: func() time.Duration { return 0 }}
	m.store = newStore(m.faults)
	m.runner.limit = cfg.TimeLimit
	m.cfg.Log = quiet
	return m
}

// begin starts a process in place of the i-th. If there is none beside it, it knows that.
func (m *model) begin(i int) *process {
	p := &process{Store: m.store, fakeRunner: m.runner, clock: m.offset(), stop: make(chan struct{})}
	close(p.stop)
	cfg := m.cfg
	cfg.Queue, cfg.Receive = p, !m.sends[i]
	if p.Queue = newQueue(); m.queue != nil {
		p.Queue = m.queue
	}
	alone := true
	for j, other := range m.processes {
		alone = alone && (j == i || other == nil || other.isDead())
	}
	if cfg.AloneSince = (time.Time{}); alone {
		cfg.AloneSince = time.Now()
	}
	cfg.now = func() time.Time { return time.Now().Add(p.clock) }
	pool, err := New(cfg, p, p)
	if err == nil {
		err = pool.Start(context.Background())
	}
	if err != nil {
		m.breachf("a new pool: %v", err)
	}
	p.pool = pool
	for len(m.processes) <= i {
		m.processes = append(m.processes, nil)
	}
	m.processes[i] = p
	return p
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
	case !job.Status.Final() && (before == "" || len(m.processes) > 1): // another process may not know yet
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

// submit asks a question, with a parameter of its own.
func (m *model) submit(p *process, name string) *question.Job {
	m.mu.Lock()
	m.n++
	n := strconv.Itoa(m.n)
	m.mu.Unlock()
	job, err := p.pool.Submit(context.Background(), ask(name, n))
	if !p.isDead() { // else nobody was told
		m.given("Submit", job, err)
	}
	return job
}

// submitOnce asks a question with a key. What the first client asks with it, all do.
func (m *model) submitOnce(p *process, key, name string) *question.Job {
	m.mu.Lock()
	k := m.keys[key]
	if k == nil {
		m.n++
		k = &keyedAsk{req: ask(name, strconv.Itoa(m.n))}
		m.keys[key] = k
	}
	m.mu.Unlock()
	job, err := p.pool.Submit(keyed("ada", key, k.req), k.req)
	if p.isDead() || question.CodeOf(err) == question.CodeKeyInUse {
		return job
	}
	if err != nil {
		m.given("Submit with a key", nil, err)
		return nil
	}
	m.mu.Lock()
	if k.id == "" {
		k.id = job.ID
		m.acked[job.ID] = ""
	}
	id, before := k.id, m.acked[k.id]
	m.mu.Unlock()
	m.saw("Submit with the key "+key, id, before, job, nil)
	return job
}

// keyed is the context of a client's request with a key.
func keyed(client, key string, req question.Request) context.Context {
	return question.WithOrigin(context.Background(), &question.Origin{
		Client: question.Client{Name: client}, Once: question.Once{Key: key, Request: req.Digest()},
	})
}

func (m *model) cancel(p *process, id string) {
	before := m.known(id)
	job, err := p.pool.Cancel(context.Background(), id)
	switch {
	case question.CodeOf(err) == question.CodeAlreadyFinal:
		// It is, so from now on Get must say so; the next look checks how it ended.
	case err == nil && job.Status != question.Cancelled:
		m.breachf("Cancel %s returns a job that is %s", id, job.Status)
	default:
		m.saw("Cancel", id, before, job, err)
	}
}

func (m *model) retry(p *process, id string) {
	job, err := p.pool.Retry(context.Background(), id)
	if question.CodeOf(err) == question.CodeNotRetryable || p.isDead() {
		return
	}
	if err == nil && job.RetryOf != id {
		m.breachf("Retry of %s returns a retry of %q", id, job.RetryOf)
	}
	m.given("Retry", job, err)
}

// crash kills a process, whatever it is doing. A new one takes its place.
func (m *model) crash(i int) {
	m.disturbed++
	old := m.processes[i]
	old.kill()
	m.begin(i)
	bury(old)
}

// bury ends what remains of a dead process in this one.
func bury(p *process) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.pool.Close(ended)
}

// restart stops a process in an orderly way, with that much time.
func (m *model) restart(i int, patience time.Duration) {
	m.disturbed++
	p := m.processes[i]
	p.resume()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.pool.Close(ctx); err != nil && !errors.Is(err, errClosing) {
		m.breachf("Close: %v", err)
	}
	p.kill() // a call that hangs longer than Close waits ends with the process
	m.begin(i)
}

// revive starts a new process in the place of each that is dead.
func (m *model) revive() {
	for i, p := range m.processes {
		if p.isDead() {
			m.begin(i)
			bury(p)
		}
	}
}

func (m *model) look(p *process, id string) {
	before := m.known(id)
	job, err := p.pool.Get(context.Background(), id)
	m.saw("Get", id, before, job, err)
}

// lookAll asks for every id that was given out.
func (m *model) lookAll(p *process) {
	for _, id := range m.ids() {
		m.look(p, id)
	}
	page, err := p.pool.List(context.Background(), question.JobFilter{}, "", 1000)
	jobs := page.Jobs
	for i, job := range jobs {
		if i > 0 && jobs[i-1].ID <= job.ID {
			m.breachf("List is not newest first: %s, %s", jobs[i-1].ID, job.ID)
		}
	}
	if err == nil && !p.isDead() {
		listed := map[string]*question.Job{}
		for _, job := range jobs {
			listed[job.ID] = job
		}
		for _, id := range m.ids() {
			if listed[id] == nil {
				m.breachf("List lacks %s, which was given out; final: %s", id, m.known(id))
			}
		}
	}
}

// rest ends the faults, lets everything end, and holds what must be true then.
func (m *model) rest() {
	m.faults.SetRate(0)
	for _, p := range m.processes {
		p.resume()
	}
	for n := range m.n {
		m.runner.release(strconv.Itoa(n + 1))
	}
	ctx := context.Background()
	for range 100 { // each job of poison may kill several processes, one after the other
		time.Sleep(30 * m.cfg.TimeLimit)
		synctest.Wait()
		m.revive()
		if pending, err := m.store.Pending(ctx, question.JobFilter{}, "", 0); err == nil && len(pending.Jobs) == 0 {
			break
		}
	}
	for _, p := range m.processes {
		m.lookAll(p)
		if n, err := p.pool.Unfinished(ctx); n != 0 || err != nil {
			m.breachf("at rest %d jobs are unfinished, %v", n, err)
		}
	}
	for _, id := range m.ids() {
		if m.known(id) == "" {
			m.breachf("at rest %s has not ended", id)
		}
	}
	pending, err := m.store.Pending(ctx, question.JobFilter{}, "", 0)
	if err != nil || len(pending.Jobs) > 0 {
		m.breachf("at rest %d jobs are pending (%v): %s", len(pending.Jobs), err, text(pending.Jobs[0]))
	}
	for _, p := range m.processes {
		p.pool.Drain()
		if !p.pool.Drained() {
			m.breachf("at rest a process cannot be drained")
		}
		if err := p.pool.Close(ctx); err != nil {
			m.breachf("at rest a process cannot be closed: %v", err)
		}
	}
}

// count holds, where the store never failed, that starts are counted as they should be: a
// job fails as started too often only if that many runs of it never ended, or were
// disturbed; one that kills its process does, and is not started more often than that,
// unless two processes received it at the same time.
func (m *model) count() {
	for _, id := range m.ids() {
		job, err := m.store.Get(context.Background(), id)
		if err != nil {
			m.breachf("%s: %v", id, err)
			continue
		}
		if job.RetryOf != "" {
			continue // it shares its parameter
		}
		n, _ := job.Request.Params["n"].(string)
		starts, lost := m.runner.counts(n)
		poison := job.Request.Question == "poison"
		tooOften := job.Error != nil && job.Error.Code == question.CodeTooManyAttempts
		if tooOften && lost+m.disturbed < m.cfg.MaxAttempts || !tooOften && poison && job.Status != question.Cancelled ||
			job.Attempts > 1+lost+m.disturbed || poison && starts > 2*m.cfg.MaxAttempts {
			m.breachf("%s: %d starts, %d of them never ended: %s", id, starts, lost, text(job))
		}
	}
}

// stop ends what runs, whatever the state: for the test's own end.
func (m *model) stop() {
	for _, p := range m.processes {
		p.kill()
		bury(p)
	}
}

func (m *model) check(t interface {
	Helper()
	Fatal(args ...any)
}) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.broken) > 0 {
		t.Fatal(strings.Join(m.broken[:min(len(m.broken), 3)], "\n"))
	}
}

// TestModel uses, kills, pauses and restarts a service of several processes in every
// order, over memory and a folder, with a store that fails at random or not, clocks that
// differ, and a queue of each process or one that all share, which loses and doubles
// messages. An id that was given out is never unknown, what is final never changes, starts
// are counted rightly, and once the faults have ended every job ends and nothing stays
// behind.
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
			return &bubbleTimes{Objects: o, written: map[string]time.Time{}}, func() { _, _ = o.Close(), os.RemoveAll(folder) }
		},
	} {
		for _, faulty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/faults=%v", name, faulty), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					newID := bubbleIDs()
					rapid.Check(struct{ *testing.T }{t}, func(t *rapid.T) { // wrapped, for a bubble has no deadline
						objects, remove := open(t)
						defer remove()
						seed := rapid.Uint64().Draw(t, "seed")
						m := newModel(objects, Config{
							Workers:     rapid.IntRange(1, 3).Draw(t, "workers"),
							Intake:      8,
							TimeLimit:   time.Second,
							MaxAttempts: 3,
							newID:       newID,
						}, seed)
						chance := rand.New(rand.NewPCG(seed, 1))
						m.offset = func() time.Duration { return time.Duration(chance.IntN(3)-1) * time.Hour }
						if rapid.Bool().Draw(t, "one queue") {
							m.queue = newQueue()
							m.queue.lose = func() bool { return rand.IntN(4) == 0 }
							m.queue.double = func() bool { return rand.IntN(4) == 0 }
						}
						if m.queue != nil && rapid.Bool().Draw(t, "a server and workers") {
							m.sends = map[int]bool{0: true}
						}
						for i := range rapid.IntRange(1+len(m.sends), 4).Draw(t, "processes") {
							m.begin(i)
						}
						defer m.stop()
						m.steps(t, faulty)
						m.rest()
						if !faulty {
							m.count()
						}
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
	some := func(t *rapid.T) (int, *process) {
		m.revive()
		i := rapid.IntRange(0, len(m.processes)-1).Draw(t, "process")
		m.processes[i].resume()
		return i, m.processes[i]
	}
	actions := map[string]func(*rapid.T){
		"submit": func(t *rapid.T) {
			_, p := some(t)
			m.submit(p, rapid.SampledFrom([]string{"ok", "held", "held", "1s", "fail", "panic", "poison"}).Draw(t, "question"))
		},
		"submit with a key": func(t *rapid.T) {
			_, p := some(t)
			m.submitOnce(p, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.SampledFrom([]string{"ok", "held", "1s", "fail"}).Draw(t, "question"))
		},
		"finish": func(t *rapid.T) {
			m.runner.release(strconv.Itoa(rapid.IntRange(1, m.n+1).Draw(t, "n")))
			synctest.Wait()
		},
		"cancel": func(t *rapid.T) {
			_, p := some(t)
			m.cancel(p, pick(t))
		},
		"retry": func(t *rapid.T) {
			_, p := some(t)
			m.retry(p, pick(t))
		},
		"wait": func(t *rapid.T) {
			_, p := some(t)
			id := pick(t)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			before := m.known(id)
			job, err := p.pool.Wait(ctx, id)
			m.saw("Wait", id, before, job, err)
		},
		"sleep": func(t *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
		},
		"crash": func(*rapid.T) {
			i, _ := some(t)
			m.crash(i)
		},
		"pause": func(*rapid.T) {
			_, p := some(t)
			m.disturbed++
			p.pause()
		},
		"restart": func(t *rapid.T) {
			i, _ := some(t)
			m.restart(i, time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms"))*time.Millisecond)
		},
		"burst": func(t *rapid.T) { m.burst(t, some)() },
		"crash in a burst": func(t *rapid.T) {
			wait := m.burst(t, some)
			time.Sleep(time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond)
			i, _ := some(t)
			m.crash(i)
			wait()
		},
		"": func(t *rapid.T) {
			_, p := some(t)
			m.lookAll(p)
			m.check(t)
		},
	}
	if faulty {
		actions["faults"] = func(t *rapid.T) { m.faults.SetRate(rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "rate")) }
	}
	t.Repeat(actions)
}

// burst has several clients at work at the same time.
func (m *model) burst(t *rapid.T, some func(t *rapid.T) (int, *process)) (wait func()) {
	var wg sync.WaitGroup
	ids := m.ids()
	for range rapid.IntRange(2, 6).Draw(t, "clients") {
		_, p := some(t)
		name := rapid.SampledFrom([]string{"ok", "ok", "held", "fail"}).Draw(t, "question")
		pause := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 15 * time.Millisecond}).Draw(t, "pause")
		cancel := rapid.IntRange(-len(ids)-1, len(ids)-1).Draw(t, "cancel")
		key := rapid.SampledFrom([]string{"", "", "a", "d"}).Draw(t, "key")
		wg.Go(func() {
			time.Sleep(pause)
			if cancel < 0 && key != "" {
				m.submitOnce(p, key, name)
				return
			}
			if cancel < 0 {
				m.submit(p, name)
				return
			}
			m.cancel(p, ids[cancel])
			m.look(p, ids[cancel])
		})
	}
	return wg.Wait
}
