// Package worker takes jobs from a queue and runs them: as a function of AWS Lambda
// that SQS invokes, or as a process that polls the queue. Several workers share a queue
// and a bucket. Main is what `lestats worker` starts.
package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
)

// Config configures a worker. As in wire.Config, each exported field without kong:"-" is a
// flag of `lestats worker`. A Function gets its jobs as events and needs no QueueURL.
type Config struct {
	wire.Config `set:"queue_url=Required, except in AWS Lambda."`

	DeadURL string `name:"dead-queue-url" help:"Dead-letter queue of that queue. Jobs whose messages end up there are run once more. Default: that queue is not read." placeholder:"URL" env:"LESTATS_DEAD_QUEUE_URL"`
}

const (
	// stopLimit is how long a worker that is told to stop goes on with the jobs that it
	// has; the rest goes back to the queue.
	stopLimit = 30 * time.Second
	// handling is what a message may take in addition to its job.
	handling = 30 * time.Second
	// deadVisibility is how long a message of the dead-letter queue that cannot be handled
	// stays there alone.
	deadVisibility = time.Hour
)

// complete fills in the defaults and refuses values that cannot work.
func (c *Config) complete() error {
	if err := c.Complete(); err != nil {
		return err
	}
	c.DeadURL = wire.QueueURL(c.DeadURL)
	switch {
	case c.QueueURL == "" && !c.Function:
		return errors.New("no queue is given: a worker takes its jobs from one; set --queue-url or LESTATS_QUEUE_URL")
	case c.DeadURL != "" && queue.Name(c.DeadURL) == queue.Name(c.QueueURL):
		return fmt.Errorf("the queue and the dead-letter queue are both %s: the second takes the messages that the first delivered too often", queue.Name(c.QueueURL))
	case c.Visibility() > queue.MaxVisibility:
		return fmt.Errorf("time limit %s: a worker may have to keep a message for %s then, and SQS allows %s", c.TimeLimit, c.Visibility(), queue.MaxVisibility)
	}
	if c.Function {
		_, err := wire.BatchFor(c.TimeLimit)
		return err
	}
	return nil
}

// Check fills in the defaults and refuses values that cannot work, as Open does. It starts
// nothing.
func (c *Config) Check() error { return c.complete() }

// Main is a worker: Open, then Run until its context ends, then Close.
type Main struct {
	cfg  Config
	base *wire.Base
	pool pool
	dead jobs.Queue // nil in a function, and where there is none
}

// pool runs jobs; jobs.Pool is one.
type pool interface {
	Deliver(ctx context.Context, m question.Message) (done bool, after time.Duration)
	Recover(ctx context.Context, limit int) (taken int, err error)
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
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m.cfg = cfg
	pool := jobs.Config{OnDemand: cfg.Function, Receive: !cfg.Function}
	if cfg.QueueURL != "" {
		if pool.Queue, err = m.openQueue(ctx, cfg.QueueURL, cfg.Visibility()); err != nil {
			return nil, err
		}
	}
	if cfg.DeadURL != "" && !cfg.Function {
		if m.dead, err = m.openQueue(ctx, cfg.DeadURL, deadVisibility); err != nil {
			return nil, err
		}
	}
	if m.base, err = wire.OpenBase(ctx, cfg.Config, pool); err != nil {
		return nil, err
	}
	m.pool = m.base.Pool
	if err := m.base.Pool.Start(ctx); err != nil {
		return nil, err
	}
	m.base.Log(begin)
	return m, nil
}

func (m *Main) openQueue(ctx context.Context, url string, visibility time.Duration) (jobs.Queue, error) {
	q, err := queue.Open(queue.Config{URL: url, Visibility: visibility, Log: m.cfg.Log})
	if err != nil || m.cfg.Function {
		return q, err // a function does not receive
	}
	return q, q.Ping(ctx)
}

// Visibility returns the visibility timeout that a worker sets: how long a job may take
// from when it is received to its end.
func (c *Config) Visibility() time.Duration { return jobs.MaxTurns*c.TimeLimit + handling }

// Run takes jobs until ctx ends. It goes on with those that it has for 30 s; the rest goes
// back to the queue.
func (m *Main) Run(ctx context.Context) error {
	if m.cfg.Function {
		return m.runFunction(ctx)
	}
	if m.dead == nil {
		<-ctx.Done()
	} else {
		m.readDead(ctx)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if err := m.base.Pool.Close(limit); err != nil { // nothing is lost: it is pending in the store
		m.cfg.Log.Warn("not everything was finished; other workers run it", "err", err)
	}
	return nil
}

// readDead takes jobs from the dead-letter queue until ctx ends, and runs them once more:
// messages get there also because workers died that had not started their jobs. One that
// was started too often ends as failed.
func (m *Main) readDead(ctx context.Context) {
	for ctx.Err() == nil {
		messages, err := m.dead.Receive(ctx, queue.MaxMessages)
		if err != nil && ctx.Err() == nil {
			m.cfg.Log.Warn("nothing can be received from the dead-letter queue: trying again", "error", err)
			select {
			case <-time.After(handling):
			case <-ctx.Done():
			}
		}
		for _, msg := range messages {
			if done, _ := m.pool.Deliver(ctx, msg); !done {
				continue
			}
			if err := m.dead.Delete(ctx, msg); err != nil {
				m.cfg.Log.Warn("a message of the dead-letter queue is not deleted: it comes again", "job", msg.ID, "error", err)
			}
		}
	}
}

// Close releases everything.
func (m *Main) Close() error {
	limit := 5 * time.Second
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
