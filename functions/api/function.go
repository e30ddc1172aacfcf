package api

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// handAfter is how long a job may take before it goes to the queue, where there
	// is one: its client polls, and a function costs by the millisecond.
	handAfter = 2 * time.Second
	// lostMost is how many jobs that were left behind are run in one request.
	lostMost = 16
)

// freeze fits a pool to a process that stands still between requests. Nobody gives
// it time to end a job but those who wait for it.
func freeze(c *jobs.Config) {
	c.Grace = handAfter
	if c.Hand == nil {
		c.Grace = time.Hour // as long as the invocation has
		c.Hand = func(context.Context, *question.Job) error { return nil }
	}
}

// dueKey is the key of the instant by which an invocation has to have done its work.
type dueKey struct{}

// inTime returns a context that ends when the invocation has to have done its work,
// also where the request's own, which ends with the client, was left behind.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if due, ok := ctx.Value(dueKey{}).(time.Time); ok {
		return context.WithDeadline(ctx, due)
	}
	return context.WithCancel(ctx)
}

// finisher is a pool in a function: what it is asked is done when it returns, or
// given away. A job that is nobody's is run when somebody asks for it.
type finisher struct {
	*jobs.Pool

	alone bool          // nobody is handed what does not end in time
	lost  time.Duration // a run that began so long ago has died
}

// Submit runs a job, if it ends in time.
func (f finisher) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return f.Pool.Submit(ctx, req)
}

// Retry runs a job again.
func (f finisher) Retry(ctx context.Context, id string) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return f.Pool.Retry(ctx, id)
}

// Get returns a job, and runs it first if it is nobody's.
func (f finisher) Get(ctx context.Context, id string) (*question.Job, error) {
	job, err := f.Pool.Get(ctx, id)
	if err != nil || job.Status.Final() || !f.alone || time.Since(job.Started) <= f.lost {
		return job, err
	}
	ctx, cancel := inTime(context.WithoutCancel(ctx)) // a short wait would interrupt it again and again
	defer cancel()
	return f.Run(ctx, id)
}

// Wait is Get, and waits for who has the job.
func (f finisher) Wait(ctx context.Context, id string) (*question.Job, error) {
	job, err := f.Get(ctx, id)
	if err != nil || job.Status.Final() {
		return job, err
	}
	return f.Pool.Wait(ctx, id)
}

// List lists jobs. One that an invocation left behind when it was killed, before it
// gave the id out, is run first: nobody will ask for it.
func (f finisher) List(ctx context.Context, before string, limit int) ([]*question.Job, error) {
	if err := f.runLost(ctx); err != nil {
		return nil, err
	}
	return f.Pool.List(ctx, before, limit)
}

// Unfinished counts jobs, after what List does first.
func (f finisher) Unfinished(ctx context.Context) (int, error) {
	if err := f.runLost(ctx); err != nil {
		return 0, err
	}
	return f.Pool.Unfinished(ctx)
}

func (f finisher) runLost(ctx context.Context) error {
	if !f.alone {
		return nil // it is the queue's
	}
	return f.RunLost(ctx, lostMost)
}

// runFunction takes events until ctx ends, which SIGTERM does, and releases what
// is held. Lambda ends a process that has not ended 500 ms later.
func (m *Main) runFunction(ctx context.Context) error {
	// It does not return; that its service went away ends the process. SIGTERM is sent
	// only to those who ask for it.
	go lambda.StartWithOptions(m.function, lambda.WithEnableSIGTERM())
	<-ctx.Done()
	err := m.Close()
	m.base = nil
	return err
}
