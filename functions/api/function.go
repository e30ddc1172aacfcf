package api

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// graceQueue is how long a function waits for a job before it sends it to the queue.
	// Its client polls, and a function costs by the millisecond.
	graceQueue = 250 * time.Millisecond
	// graceAlone is how long a function waits where there is no queue: as long as the
	// invocation has.
	graceAlone = time.Hour
	// maxLost is how many jobs that were left behind are run in one request.
	maxLost = 16
)

// dueKey is the context key of the time by which an invocation must have done its work.
type dueKey struct{}

// inTime returns a context that ends when the invocation must have done its work, also
// where the request's own, which ends with the client, was left behind.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if due, ok := ctx.Value(dueKey{}).(time.Time); ok {
		return context.WithDeadline(ctx, due)
	}
	return context.WithCancel(ctx)
}

// onDemand is a pool in a function: whatever it does is done when it returns, because the
// process may stand still then. Without a queue, whoever asks for a job runs it.
type onDemand struct {
	*jobs.Pool

	alone bool // there is no queue
}

// Submit runs a job, if it ends in time.
func (d onDemand) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return d.Pool.Submit(ctx, req)
}

// Retry runs a job again.
func (d onDemand) Retry(ctx context.Context, id string) (*question.Job, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return d.Pool.Retry(ctx, id)
}

// Get returns a job, and runs it first if nobody else does.
func (d onDemand) Get(ctx context.Context, id string) (*question.Job, error) {
	job, err := d.Pool.Get(ctx, id)
	if err != nil || job.Status.Final() || !d.alone {
		return job, err
	}
	ctx, cancel := inTime(context.WithoutCancel(ctx)) // a short wait would interrupt it again and again
	defer cancel()
	return d.Run(ctx, id)
}

// Wait is Get, and waits for another process that runs the job.
func (d onDemand) Wait(ctx context.Context, id string) (*question.Job, error) {
	job, err := d.Get(ctx, id)
	if err != nil || job.Status.Final() {
		return job, err
	}
	return d.Pool.Wait(ctx, id)
}

// Watch returns a job as Get does, and no changes: a function sends its response whole.
func (d onDemand) Watch(ctx context.Context, id string) (<-chan *question.Job, error) {
	job, err := d.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	states := make(chan *question.Job, 1)
	states <- job
	close(states)
	return states, nil
}

// List lists jobs. Without a queue it first runs jobs that an invocation left behind when
// it was killed: their ids may not have been given out, so nobody may ask for them.
func (d onDemand) List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	if err := d.recover(ctx); err != nil {
		return question.JobPage{}, err
	}
	return d.Pool.List(ctx, f, before, limit)
}

// Unfinished counts jobs, after what List does first.
func (d onDemand) Unfinished(ctx context.Context) (int, error) {
	if err := d.recover(ctx); err != nil {
		return 0, err
	}
	return d.Pool.Unfinished(ctx)
}

func (d onDemand) recover(ctx context.Context) error {
	if !d.alone {
		return nil // the worker does that
	}
	_, err := d.Recover(ctx, maxLost)
	return err
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
