package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// DefaultRetention is the usual Config.Retention, whose zero value keeps everything.
	DefaultRetention = 7 * 24 * time.Hour
	// DefaultIntake is Config.Intake if that is 0.
	DefaultIntake = 1024
)

// MaxTurns is the largest number of time limits between receiving a job and the end of the
// lease of its run.
const MaxTurns = 2*prefetch + 2

// Config configures a pool. TimeLimit is required, and so is Queue unless the pool is
// OnDemand. The zero value of every other field is a default.
type Config struct {
	Workers int // jobs that run at the same time; 0 is GOMAXPROCS
	Intake  int // accepted jobs that may wait in addition; 0 is 1,024

	// TimeLimit is the longest time limit of any job. The Runner enforces the limits;
	// the pool derives its leases from this one: a process that runs a job has twice
	// TimeLimit to end it, or TimeLimit and 5 s if that is longer.
	TimeLimit time.Duration
	// MaxAttempts bounds the starts of a job whose runs never end because their processes
	// died or their leases ran out. 0 is 3.
	MaxAttempts int
	// Grace is how long Submit waits for the job to end before it stores a record of it;
	// at most until half a second before Submit's context ends. 0 is 10 ms.
	Grace time.Duration

	// Queue takes the ids of jobs that have to wait. nil: no process is told of them.
	Queue Queue
	// Receive: this pool takes jobs from Queue, and runs the lost jobs that it finds in
	// the store. Otherwise it sends those to Queue.
	Receive bool
	// OnDemand: this process stands still between requests, as a cloud function does.
	// Nothing happens in the background, and Submit interrupts a job that has not ended
	// within Grace: it is stored, and sent to Queue if there is one.
	OnDemand bool
	// AloneSince is when the store was opened, by the store's clock, if no other process had
	// it open then: no process is running a job that was recorded earlier. Zero: another
	// process had it open.
	AloneSince time.Time

	Retention time.Duration // outcomes that are older than this are removed; 0: none are. See DefaultRetention
	Log       *slog.Logger  // nil is slog.Default()
	Observer  Observer      // is told what becomes of jobs; nil: nobody is

	// For tests.
	queueLease time.Duration          // how long a job may wait in Queue before other processes consider it lost
	newID      func() (string, error) // UUIDv7, ascending
	now        func() time.Time       // the clock of this machine
}

func (c *Config) validate() error {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Intake == 0 {
		c.Intake = DefaultIntake
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 3
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Millisecond
	}
	if c.queueLease == 0 {
		c.queueLease = max(5*time.Minute, 2*c.lease())
		switch {
		case c.Receive:
			c.queueLease = 2 * c.lease()
		case c.Queue == nil: // the job does not wait in a queue; a client's request runs it
			c.queueLease = c.lease()
		}
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.newID == nil {
		c.newID = newID
	}
	if c.now == nil {
		c.now = time.Now
	}
	for what, value := range map[string]int64{
		"workers": int64(c.Workers), "intake": int64(c.Intake), "attempts": int64(c.MaxAttempts),
		"grace": int64(c.Grace), "retention": int64(c.Retention),
	} {
		if value < 0 {
			return fmt.Errorf("jobs: %s %d: it must not be below 0; 0 is the default", what, value)
		}
	}
	switch {
	case c.TimeLimit <= 0:
		return fmt.Errorf("jobs: a time limit of %v: it must be above 0", c.TimeLimit)
	case c.Queue == nil && !c.OnDemand:
		return errors.New("jobs: a pool without a queue has to be on demand: jobs could not wait")
	case c.Receive && (c.Queue == nil || c.OnDemand):
		return errors.New("jobs: a pool that receives needs a queue and must not be on demand")
	}
	return nil
}

// lease is how long a run may take.
func (c *Config) lease() time.Duration { return c.TimeLimit + max(c.TimeLimit, 5*time.Second) }

// newID returns a UUIDv7; within the process each is greater than the one before.
func newID() (string, error) {
	id, err := uuid.NewV7()
	return id.String(), err
}

// Store keeps jobs. results.Store is one; see there for what the methods promise.
// Safe for concurrent use.
type Store interface { //nolint:interfacebloat // one store has them all
	PutPending(ctx context.Context, job *question.Job) error
	DeletePending(ctx context.Context, id string) error
	PutOutcome(ctx context.Context, job *question.Job) (created bool, err error)
	Get(ctx context.Context, id string) (*question.Job, error)
	List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error)
	// PendingIDs returns the ids of the pending jobs, also if nothing can be written.
	PendingIDs(ctx context.Context) ([]string, error)
	// PendingTimes returns when the record of each pending job was last written, and what
	// time it is now, both by the store's clock.
	PendingTimes(ctx context.Context) (written map[string]time.Time, now time.Time, err error)
	// Sweep removes outcomes that were stored longer than keep ago, by the store's clock.
	// It refuses to remove everything that is older than since, unless since is zero.
	Sweep(ctx context.Context, keep time.Duration, since time.Time) (removed int, err error)
	// Claim records which job a client's Idempotency-Key makes, and returns the claim that
	// was recorded first. Claimed returns that, too. SweepClaims removes old ones.
	Claim(ctx context.Context, client, key string, c question.Claim) (first question.Claim, err error)
	Claimed(ctx context.Context, client, key string) (first question.Claim, found bool, err error)
	SweepClaims(ctx context.Context, keep time.Duration) (removed int, err error)
}

// Queue delivers ids of jobs at least once, in any order. runtime/queue has two
// implementations. Safe for concurrent use.
type Queue interface {
	Send(ctx context.Context, id string) error
	// Receive waits for messages and returns at most limit; none, without an error, when
	// ctx ends. It may return none earlier. They are invisible to other receivers for the visibility timeout.
	Receive(ctx context.Context, limit int) ([]question.Message, error)
	Delete(ctx context.Context, m question.Message) error
	// ChangeVisibility has the message delivered again after d, not sooner.
	ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error
}

// Runner answers questions. Safe for concurrent use. Its errors are
// *question.Error; it returns soon after its context has ended.
type Runner interface {
	// Check reports whether a request can be answered, without answering it.
	Check(req question.Request) error
	// Answer ends after the time limit of the question, with CodeTimeLimit.
	Answer(ctx context.Context, req question.Request) (*question.Answer, error)
	// Refresh looks for questions that were added since the last look.
	Refresh(ctx context.Context) error
}

const (
	storeTimeout = 10 * time.Second       // for one call without a caller's context
	stopTimeout  = time.Second            // how long Close waits, twice, for goroutines to stop
	writers      = 16                     // outcomes written outside the workers; the workers write the rest
	prefetch     = 4                      // jobs per worker that are taken in advance from the queue, and from the store
	watchEvery   = time.Second            // how often the store is asked whether a running job was ended elsewhere
	believed     = 100 * time.Millisecond // how long a record that was read counts as current
)

// idle reports whether a job waits for its turn and is not about to be started here.
func (e *entry) idle() bool { return e.phase == waiting && !e.claimed && e.stored != nil }

func newEntry(id string) *entry {
	return &entry{id: id, done: make(chan struct{}), record: make(chan struct{}, 1)}
}

var errClosing = errors.New("the pool is closing")

type phase uint8

const (
	waiting phase = iota // no worker has it
	running              // a worker has it
	ending               // the one that moved it here ends it
	gone                 // out of the pool; done is closed
)

// entry is a job that this process holds. Pool.mu guards its fields; job and err
// are also safe to read once done is closed.
type entry struct {
	id        string
	request   string        // id of the HTTP request that submitted it here; "" if none did
	job       *question.Job // as last known; replaced, never changed
	phase     phase
	submitted bool // here; it counts towards the intake
	claimed   bool // a call of take hands it to a worker
	interrupt context.CancelFunc
	done      chan struct{}
	err       error // why the job left the pool without an outcome

	// record serializes what is done to the job's pending record: it holds a token while a
	// call to the store takes its time. It is taken before Pool.mu.
	record chan struct{}
	// keyed is of a job that a request with an Idempotency-Key makes, and closed once it is
	// accepted or not. Another process may accept the same job, so that its record stays if
	// it is not accepted here.
	keyed  chan struct{}
	stored *question.Job // the record as this process last wrote or read it; nil: there is none
	since  time.Time     // when that was
	begun  bool          // stored describes the run here
	looked time.Time     // when the store was last asked about a job that waits
}

// Pool runs jobs. Its methods are safe for concurrent use. Jobs that they return
// are shared and must not be modified.
type Pool struct {
	cfg    Config
	lease  time.Duration // of a run
	store  Store
	runner Runner

	running context.Context // ends when Close gives up waiting: runs are interrupted
	stop    context.CancelFunc
	calling context.Context // ends last: calls to the store that still hang are given up
	hangUp  context.CancelFunc
	taking  context.Context // ends when no more jobs are taken from the queue and the store
	quit    context.CancelFunc
	wg      sync.WaitGroup
	work    chan *entry   // hands a job to a free worker
	asked   chan *asking  // hands a run without a job to a free worker
	writers chan struct{} // a token per outcome that is written outside the workers
	drained chan struct{} // closed when the intake has stopped and no job is left

	mu       sync.Mutex
	started  bool
	draining bool
	live     map[string]*entry
	askings  map[string]*asking // runs without a job, by request
	intake   int                // live jobs that were submitted here, and askings
	released int                // jobs that left the pool without an outcome because it stops
	recent   cache
	topics   map[string]*topic // the jobs that are watched
	looking  bool              // look runs
	leases   map[string]lease  // of pending jobs of other processes, as Recover last saw them
}

// New returns a pool. No job runs before Start.
func New(cfg Config, s Store, r Runner) (*Pool, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Pool{
		cfg: cfg, lease: cfg.lease(), store: s, runner: r,
		work:    make(chan *entry),
		asked:   make(chan *asking),
		askings: map[string]*asking{},
		writers: make(chan struct{}, writers),
		drained: make(chan struct{}),
		live:    map[string]*entry{},
		topics:  map[string]*topic{},
		leases:  map[string]lease{},
	}
	p.calling, p.hangUp = context.WithCancel(context.Background())
	p.running, p.stop = context.WithCancel(context.Background())
	p.taking, p.quit = context.WithCancel(p.running)
	return p, nil
}

// Start starts the workers and the background work. It does not wait
// for the store. It can be called once.
func (p *Pool) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started || p.running.Err() != nil {
		return errors.New("jobs: a pool starts once, and not after Close")
	}
	p.started = true
	for range p.cfg.Workers {
		p.wg.Go(p.worker)
	}
	if p.cfg.OnDemand {
		return nil
	}
	p.wg.Go(p.recoverAgain)
	if p.cfg.Receive {
		p.wg.Go(p.receive)
	}
	p.wg.Go(p.sweep)
	return nil
}

// Drain stops the intake; accepted jobs are finished. It does not wait.
func (p *Pool) Drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = true
	p.unwatchAll(false)
	p.checkDrained()
}

// Draining reports whether the intake has stopped.
func (p *Pool) Draining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draining
}

// Drained reports whether the intake has stopped and this process holds no job and computes
// no answer any more. Other jobs may be pending in the store.
func (p *Pool) Drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draining && len(p.live) == 0 && len(p.askings) == 0
}

// checkDrained stops receiving, and wakes Close, once a draining pool has nothing left to
// do. p.mu is held.
func (p *Pool) checkDrained() {
	if !p.draining {
		return
	}
	for _, e := range p.live {
		if e.submitted && e.phase == waiting {
			return // in the queue
		}
	}
	p.quit()
	if len(p.live) == 0 && len(p.askings) == 0 {
		select {
		case <-p.drained:
		default:
			close(p.drained)
		}
	}
}

// Close drains the pool, waits for that until ctx ends, and stops every goroutine.
// Jobs that have not ended by then are interrupted and stay pending in the store,
// for other processes or the next start; the error says how many. The store and the
// queue are not closed.
func (p *Pool) Close(ctx context.Context) error {
	p.Drain()
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	if started {
		select {
		case <-p.drained:
		case <-p.running.Done(): // another Close has stopped the pool
		case <-ctx.Done():
		}
	}
	p.stop()
	p.mu.Lock()
	p.unwatchAll(true)
	p.mu.Unlock()

	stopped := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		p.hangUp()
		select {
		case <-stopped:
		case <-time.After(stopTimeout):
			return fmt.Errorf("jobs: a runner or the store did not return within %v of being told to stop: %w", 2*stopTimeout, errClosing)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.released + len(p.live); n > 0 {
		return fmt.Errorf("jobs: %d jobs have not ended and stay pending in the store: %w", n, errClosing)
	}
	return nil
}

// call returns a context for one call to the store or the queue that must be made even if
// no caller waits for it.
func (p *Pool) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.calling, storeTimeout)
}

// now is the time as a job has it: UTC, without a monotonic clock.
func (p *Pool) now() time.Time { return p.cfg.now().UTC().Round(0) }
