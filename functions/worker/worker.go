// Package worker is the queue function: it takes jobs from a queue and runs them, as
// a function of AWS Lambda that a queue of SQS is the source of events for, or as a
// process that polls the queue. Several of them share a queue and a bucket. Main is
// what `lestats worker` starts.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

// Config says what a worker runs on.
type Config struct {
	Questions   wire.QuestionsConfig
	Store       wire.StoreConfig
	PollPlugins time.Duration // see wire.BaseConfig
	// Queue is the URL of the queue that jobs come from. A Function gets them as events.
	Queue string
	// Dead is the URL of the queue that takes the messages which came too often: their
	// jobs are ended as failed. "" leaves it alone.
	Dead      string
	Workers   int           // jobs that run at once; 0: one a core
	TimeLimit time.Duration // wall clock a job; 0: 5 s
	Version   string
	Log       *slog.Logger // nil is slog.Default()

	// Function: this process is a function of AWS Lambda, see wire.BaseConfig.
	Function  bool
	MemoryMiB int
}

const (
	defaultTimeLimit = 5 * time.Second
	// drainLimit is how long a worker that is told to stop goes on with what it has;
	// the rest goes back to the queue.
	drainLimit = 10 * time.Second
	// handling is what a batch may take beside running its jobs.
	handling = 30 * time.Second
	// deadHidden is how long a message that is no job's is left alone in the dead queue.
	deadHidden = time.Hour
	// backoffMost is how long a message that came back waits at the most.
	backoffMost = 5 * time.Minute
	goodbye     = 5 * time.Second // for telling the queue, when there is no more time
)

func (c *Config) validate() error {
	if c.TimeLimit == 0 {
		c.TimeLimit = defaultTimeLimit
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	switch {
	case c.TimeLimit < 0:
		return fmt.Errorf("time limit %s: it must be above zero", c.TimeLimit)
	case c.Workers < 0:
		return fmt.Errorf("workers %d: 1 or more, or 0 for one a core", c.Workers)
	case c.Queue == "" && !c.Function:
		return errors.New("no queue is named: a worker takes its jobs from one, --queue-url or LESTATS_QUEUE_URL")
	case c.Dead != "" && queue.Name(c.Dead) == queue.Name(c.Queue):
		return fmt.Errorf("the queue and the dead queue are both %s: the second takes what came back from the first too often", queue.Name(c.Queue))
	}
	return nil
}

// source is a queue; queue.Queue is one. Safe for concurrent use.
type source interface {
	Receive(ctx context.Context, hidden time.Duration) ([]queue.Message, error)
	Done(ctx context.Context, messages []queue.Message) error
	Return(ctx context.Context, m queue.Message, after time.Duration) error
}

// pool runs jobs; jobs.Pool is one.
type pool interface {
	Run(ctx context.Context, id string) (*question.Job, error)
	Fail(ctx context.Context, id string, why *question.Error) (*question.Job, error)
}

// Main is a worker: Open, then Run until its context ends, then Close.
type Main struct {
	cfg        Config
	base       *wire.Base
	pool       pool
	jobs, dead source // nil in a function; dead also where there is none
	loops      int
}

// Open loads dataset and plugins and opens the store. On an error nothing stays open,
// and Lambda is told.
func Open(ctx context.Context, cfg Config) (_ *Main, err error) {
	begin := time.Now()
	m := &Main{}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, m.Close())
		if cfg.Function {
			err = errors.Join(err, wire.ReportInit(ctx, err))
		}
	}()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m.cfg = cfg
	if !cfg.Function {
		if err := m.openQueues(ctx); err != nil {
			return nil, err
		}
	}
	m.base, err = wire.OpenBase(ctx, wire.BaseConfig{
		Questions:   cfg.Questions,
		Store:       cfg.Store,
		PollPlugins: cfg.PollPlugins,
		// Frozen: it does what the queue says, and nothing else.
		Pool:      jobs.Config{Workers: cfg.Workers, TimeLimit: cfg.TimeLimit, Frozen: true},
		Function:  cfg.Function,
		MemoryMiB: cfg.MemoryMiB,
		Log:       cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	m.pool = m.base.Pool
	// A pool takes up two jobs a worker. While one batch ends, others keep it busy.
	m.loops = 1 + (2*m.cfg.Workers+queue.MostMessages-1)/queue.MostMessages
	if err := m.base.Pool.Start(ctx); err != nil {
		return nil, err
	}
	m.base.Log(cfg.Log, cfg.Version, begin)
	return m, nil
}

func (m *Main) openQueues(ctx context.Context) error {
	q, err := queue.Open(ctx, queue.Config{URL: m.cfg.Queue})
	if err != nil {
		return err
	}
	if err := q.Ping(ctx); err != nil {
		return err
	}
	m.jobs = q
	if m.cfg.Dead == "" {
		return nil
	}
	if q, err = queue.Open(ctx, queue.Config{URL: m.cfg.Dead}); err != nil {
		return err
	}
	if err := q.Ping(ctx); err != nil {
		return err
	}
	m.dead = q
	return nil
}

// Run takes jobs until ctx ends. What it has then it goes on with for 10 s; the rest
// goes back to the queue.
func (m *Main) Run(ctx context.Context) error {
	if m.cfg.Function {
		return m.runFunction(ctx)
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(drainLimit):
			cancel()
		case <-work.Done():
		}
	})()
	var wg sync.WaitGroup
	for range m.loops {
		wg.Go(func() { m.loop(ctx, work, m.jobs, m.hidden(), m.run) })
	}
	if m.dead != nil {
		wg.Go(func() { m.loop(ctx, work, m.dead, deadHidden, m.giveUp) })
	}
	wg.Wait()
	return nil
}

// hidden is how long the queue keeps messages from others: what all batches of this
// process may take.
func (m *Main) hidden() time.Duration {
	turns := (m.loops*queue.MostMessages + m.cfg.Workers - 1) / m.cfg.Workers
	return min(time.Duration(turns)*m.cfg.TimeLimit+handling, queue.MostHidden)
}

// loop handles a queue's messages, batch by batch, until ctx ends; work ends later.
func (m *Main) loop(ctx, work context.Context, q source, hidden time.Duration, handle handler) {
	pause := time.Second
	for ctx.Err() == nil {
		messages, err := q.Receive(ctx, hidden)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			m.cfg.Log.Warn("no messages: trying again", "after", pause, "error", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, 30*time.Second)
			continue
		}
		pause = time.Second
		m.batch(work, q, messages, hidden, handle)
	}
}

// batch handles messages that are hidden from others for a while, and tells the queue.
func (m *Main) batch(work context.Context, q source, messages []queue.Message, hidden time.Duration, handle handler) {
	ctx, cancel := context.WithTimeout(work, hidden-handling/2)
	defer cancel()
	again := m.each(ctx, messages, handle)
	done := messages[:0:0]
	for i, msg := range messages {
		if !again[i] {
			done = append(done, msg)
		}
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(work), goodbye)
	defer cancel()
	if err := q.Done(ctx, done); err != nil {
		m.cfg.Log.Warn("messages that are done with will come again, which does no harm", "error", err)
	}
	for i, msg := range messages {
		if !again[i] || hidden == deadHidden {
			continue
		}
		after := backoff(msg.Receives)
		if work.Err() != nil {
			after = 0 // it was interrupted by our stopping
		}
		if err := q.Return(ctx, msg, after); err != nil {
			m.cfg.Log.Warn("a message comes again only when its time is up", "error", err)
		}
	}
}

// backoff is how long a message that was delivered so often waits for the next time.
func backoff(receives int) time.Duration {
	return min(time.Second<<min(max(receives, 1), 20), backoffMost)
}

// handler handles a message; again: it has to come again.
type handler func(ctx context.Context, msg queue.Message) (again bool)

// each handles messages at the same time; again[i] says that messages[i] has to come
// again.
func (m *Main) each(ctx context.Context, messages []queue.Message, handle handler) (again []bool) {
	again = make([]bool, len(messages))
	var wg sync.WaitGroup
	for i := range messages {
		wg.Go(func() { again[i] = handle(ctx, messages[i]) })
	}
	wg.Wait()
	return again
}

// run runs the job that a message names.
func (m *Main) run(ctx context.Context, msg queue.Message) (again bool) {
	id, err := queue.Job(msg.Body)
	if err != nil {
		m.notOurs(msg, err)
		return true // until it is in the dead queue, where somebody may look at it
	}
	log := m.cfg.Log.With("job", id, "message", msg.ID, "receives", msg.Receives)
	begin := time.Now()
	job, err := m.pool.Run(ctx, id)
	switch code := question.CodeOf(err); {
	case err == nil && job.Status.Final():
		log.Info("job", "question", job.Request.Question, "status", job.Status, "code", failure(job), "attempts", job.Attempts, "ms", time.Since(begin).Milliseconds())
		return false
	case err == nil:
		log.Warn("the time was up before the job had ended: it comes again")
		return true
	case code == question.CodeBadID:
		m.notOurs(msg, err)
		return true
	case code == question.CodeUnknownJob:
		// It was never accepted, or it ended so long ago that its outcome was removed.
		log.Warn("a message names a job that is not in the store: it is dropped")
		return false
	case code == question.CodeInternal && ctx.Err() == nil: // its record is damaged, and will be the next time
		return m.fail(ctx, id, question.AsError(err), log)
	default:
		log.Warn("a job cannot be run now: it comes again", "error", err)
		return true
	}
}

// failure is why a job failed, "" if it did not.
func failure(job *question.Job) question.Code {
	if job.Error == nil {
		return ""
	}
	return job.Error.Code
}

// giveUp ends the job of a message that came too often.
func (m *Main) giveUp(ctx context.Context, msg queue.Message) (again bool) {
	id, err := queue.Job(msg.Body)
	if err != nil {
		m.notOurs(msg, err)
		return true // it stays where it is, for somebody to look at
	}
	log := m.cfg.Log.With("job", id, "message", msg.ID)
	return m.fail(ctx, id, question.Errorf(question.CodeTooManyAttempts,
		"the queue delivered the job again and again, and no worker ended it: they died, or could not reach the store; their logs say more. It can be retried"), log)
}

func (m *Main) fail(ctx context.Context, id string, why *question.Error, log *slog.Logger) (again bool) {
	job, err := m.pool.Fail(ctx, id, why)
	switch code := question.CodeOf(err); {
	case err == nil:
		log.Warn("a job that no worker could end", "status", job.Status, "error", why)
		return false
	case code == question.CodeUnknownJob:
		log.Warn("a message names a job that is not in the store: it is dropped")
		return false
	case code == question.CodeBadID:
		log.Warn("a message names no job", "error", err)
		return true
	default:
		log.Warn("a job that no worker could end cannot be marked as failed now: it comes again", "error", err)
		return true
	}
}

func (m *Main) notOurs(msg queue.Message, err error) {
	m.cfg.Log.Warn("a message is not ours: it is left to the dead queue", "message", msg.ID, "receives", msg.Receives, "error", err)
}

// Close releases everything.
func (m *Main) Close() error {
	limit := goodbye
	if m.cfg.Function {
		limit = wire.FunctionClose
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if m.base == nil {
		return nil
	}
	return m.base.Close(ctx)
}
