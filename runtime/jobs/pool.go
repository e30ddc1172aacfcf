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

// What Config's fields are usually set to where their zero means "off".
const (
	DefaultRetention = 7 * 24 * time.Hour
	DefaultGrace     = 10 * time.Millisecond
)

// Config says how much a pool takes on, and for how long. The zero value is fine.
type Config struct {
	Workers     int           // jobs that run at the same time; 0 is GOMAXPROCS
	Queue       int           // accepted jobs that may wait beside those; 0 is 1,024
	TimeLimit   time.Duration // wall clock of a job: the deadline of the Runner's context; 0 is 5 s
	MaxAttempts int           // a job that was found unfinished is started again until it was started this often; 0 is 3

	// Sole: no other process uses the store, so every pending job in it is run again
	// at Start. Else only those older than Lost are, looked for as often.
	Sole bool
	// Lost is how long after it was accepted or last started a pending job is taken
	// for one that nobody has in hand; 0 is twice TimeLimit.
	Lost time.Duration

	Retention time.Duration // outcomes older than this are removed; 0: none are. See DefaultRetention
	Grace     time.Duration // how long Submit waits for the job to end before it stores it as pending; 0: not at all. See DefaultGrace
	Log       *slog.Logger  // nil is slog.Default()

	// Hand is told of a job that was submitted and has not ended within Grace, or, if
	// that is sooner, half a second before Submit's context ends. The job is pending
	// in the store and out of this pool: whoever is told sees to it that some process
	// calls Run. An error means that nobody will, and is Submit's. nil: the pool
	// itself goes on with the job. It does not go with Sole.
	Hand func(ctx context.Context, job *question.Job) error
	// Frozen: this process stands still between requests, as a cloud function does,
	// so nothing happens in the background: no job is taken up but by Run, and
	// nothing is swept.
	Frozen bool

	newID func() (string, error) // for tests: UUIDv7, ascending
}

func (c *Config) validate() error {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Queue == 0 {
		c.Queue = 1024
	}
	if c.TimeLimit == 0 {
		c.TimeLimit = 5 * time.Second
	}
	if c.Lost == 0 {
		c.Lost = 2 * c.TimeLimit
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 3
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.newID == nil {
		c.newID = newID
	}
	switch {
	case c.Workers < 0:
		return fmt.Errorf("jobs: %d workers: at least 1 is needed, 0 is one a core", c.Workers)
	case c.Queue < 0:
		return fmt.Errorf("jobs: a queue of %d: it is a number of jobs above 0; 0 is 1,024", c.Queue)
	case c.MaxAttempts < 0:
		return fmt.Errorf("jobs: %d attempts: at least 1 is needed, 0 is 3", c.MaxAttempts)
	case c.TimeLimit < 0:
		return fmt.Errorf("jobs: a time limit of %v: it is above 0; 0 is 5 s", c.TimeLimit)
	case c.Lost < 0:
		return fmt.Errorf("jobs: a job is lost after %v: it is above 0; 0 is twice the time limit", c.Lost)
	case c.Retention < 0:
		return fmt.Errorf("jobs: a retention of %v: it is above 0, or 0 to keep everything", c.Retention)
	case c.Grace < 0:
		return fmt.Errorf("jobs: a grace of %v: it is above 0, or 0 for none", c.Grace)
	case c.Sole && c.Hand != nil:
		return errors.New("jobs: a pool whose store no other process uses has nobody to hand jobs to")
	}
	return nil
}

// newID returns a UUIDv7; within the process each is above the one before.
func newID() (string, error) {
	id, err := uuid.NewV7()
	return id.String(), err
}

// Store keeps jobs. results.Store is one; see there for what the methods promise.
// Safe for concurrent use.
type Store interface {
	PutPending(ctx context.Context, job *question.Job) error
	DeletePending(ctx context.Context, id string) error
	PutOutcome(ctx context.Context, job *question.Job) (created bool, err error)
	Get(ctx context.Context, id string) (*question.Job, error)
	Pending(ctx context.Context, after string, limit int) ([]*question.Job, error)
	Outcomes(ctx context.Context, before string, limit int) ([]*question.Job, error)
	Sweep(ctx context.Context, olderThan time.Time) (removed int, err error)
}

// Runner answers questions. Safe for concurrent use. Its errors are
// *question.Error; it gives up soon after its context has ended.
type Runner interface {
	// Check reports whether a request can be answered, without answering it.
	Check(req question.Request) error
	Answer(ctx context.Context, req question.Request) (*question.Answer, error)
}

const (
	storeTimeout = 10 * time.Second // for one call that no caller's context bounds
	stopTimeout  = time.Second      // how long Close waits, twice, for goroutines that were told to stop
	writers      = 16               // outcomes that are written beside the workers; the workers write the rest
	adoptAhead   = 2                // jobs a worker that are taken up from the store before one ends
	believed     = time.Second      // how long what was read from the store is taken for what is there
	earlyAhead   = 32               // jobs a worker in the queue up to which Submit's Grace is worth waiting for
)

var (
	errClosing   = errors.New("the pool is closing")
	errCancelled = errors.New("the job was cancelled")
	errWithdrawn = errors.New("the job was not accepted")
)

type phase uint8

const (
	waiting  phase = iota // in the queue, or about to be
	running               // a worker has it
	settling              // whoever moved it here ends it
	gone                  // out of the pool; done is closed
)

type record uint8

const (
	absent  record = iota // nothing was written
	writing               // being written: the writer cleans up if the job ends meanwhile
	written               // it may be there, also when writing it failed
)

// entry is a job that this process has in hand. Pool.mu guards it; final and err
// are also safe to read once done is closed.
type entry struct {
	job       *question.Job // as last known; replaced, never changed
	phase     phase
	pending   record    // its pending record in the store
	noted     int       // attempts that the record tells of
	acked     bool      // the id was given out, now or in an earlier life
	adopted   bool      // found in the store, not submitted here
	read      time.Time // adopted: when it was read from the store, if that may have been just before its start
	checked   bool      // adopted, and it had not ended when it was started
	late      bool      // interrupted while its attempt was being noted
	abandoned bool      // its pending record could not be written: nobody will ask for it
	kept      bool      // let go: the pending record stays
	interrupt context.CancelCauseFunc
	done      chan struct{}
	final     *question.Job // the outcome, if it is known
	err       error         // why there is no outcome
}

// Pool runs jobs. Its methods are safe for concurrent use. Jobs that they return
// are shared: not to be written to.
type Pool struct {
	cfg    Config
	store  Store
	runner Runner

	running context.Context // ends when Close gives up waiting: runs are interrupted
	stop    context.CancelCauseFunc
	calling context.Context // ends last: calls to the store that still hang are given up
	hangUp  context.CancelFunc
	wg      sync.WaitGroup
	writers chan struct{}
	adopt   chan struct{} // a token a job that was taken up from the store
	drained chan struct{} // closed when Drained became true

	mu       sync.Mutex
	wake     sync.Cond // the queue grew, or the pool stops
	started  bool
	draining bool
	live     map[string]*entry
	queue    []*entry
	intake   int  // live jobs that were submitted here
	open     int  // whatever Drained waits for
	owed     bool // the store may hold pending jobs that nobody has in hand
	looking  bool // they are being looked for
	left     int  // jobs that were let go because the pool stops
	recent   cache
}

// New returns a pool that does not run yet. Jobs may be submitted: they wait.
func New(cfg Config, s Store, r Runner) (*Pool, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Pool{
		cfg: cfg, store: s, runner: r,
		writers: make(chan struct{}, writers),
		adopt:   make(chan struct{}, adoptAhead*cfg.Workers),
		drained: make(chan struct{}),
		live:    map[string]*entry{},
		owed:    true,
	}
	p.wake.L = &p.mu
	p.running, p.stop = context.WithCancelCause(context.Background())
	p.calling, p.hangUp = context.WithCancel(context.Background())
	return p, nil
}

// Start starts the workers and, behind them, takes up the jobs that the store
// holds unfinished; it does not wait for the store. It can be called once.
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
		p.wg.Go(p.work)
	}
	if !p.cfg.Frozen {
		p.wg.Go(p.keep)
	}
	if p.cfg.Retention > 0 && !p.cfg.Frozen {
		p.wg.Go(p.sweep)
	}
	return nil
}

// Drain stops the intake; accepted jobs are finished. It does not wait.
func (p *Pool) Drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = true
	p.checkDrained()
}

// Draining reports whether the intake has stopped.
func (p *Pool) Draining() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.draining
}

// Drained reports whether the intake has stopped and nothing is left to do. With
// Config.Sole that includes every pending job in the store, else the jobs that
// this process has in hand.
func (p *Pool) Drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isDrained()
}

func (p *Pool) isDrained() bool {
	return p.draining && p.open == 0 && (!p.cfg.Sole || !p.owed)
}

// checkDrained wakes Close when there is nothing left.
func (p *Pool) checkDrained() {
	if !p.isDrained() {
		return
	}
	select {
	case <-p.drained:
	default:
		close(p.drained)
	}
}

// Close drains the pool, waits for that until ctx ends, and stops every goroutine.
// Jobs that have not ended by then are interrupted and stay pending in the store,
// for the next start to run; the error says how many. The store is not closed.
func (p *Pool) Close(ctx context.Context) error {
	p.Drain()
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	if started {
		select {
		case <-p.drained:
		case <-p.running.Done(): // another Close was here
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	p.stop(errClosing)
	p.wake.Broadcast()
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
	if n := p.left + len(p.live); n > 0 {
		return fmt.Errorf("jobs: %d jobs have not ended, and are run at the next start: %w", n, errClosing)
	}
	if started && p.cfg.Sole && p.owed {
		return fmt.Errorf("jobs: the store may hold jobs that have not ended, which are run at the next start: %w", errClosing)
	}
	return nil
}

// call returns a context for one call to the store that has to be made whether or
// not a caller waits for it.
func (p *Pool) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.calling, storeTimeout)
}

// now is the time as a job has it: UTC, without a monotonic clock.
func now() time.Time { return time.Now().UTC().Round(0) }
