package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// reserve is the part of a caller's time that Submit keeps for storing a job that has not
// ended, and for sending it to the queue.
const reserve = 500 * time.Millisecond

// Submit accepts a question. The job that it returns is in the store: it survives
// the death of this process, and it may have ended already. The pool keeps
// the request, which must not be modified afterwards. The job has client and trace from
// the context's question.Origin.
//
// Errors are *question.Error: those of Runner.Check and Queue.Send, CodeShuttingDown,
// CodeQueueFull and CodeStoreUnavailable. After an error the job was not accepted. Once a
// place is reserved, the end of ctx does not prevent storing the job.
//
// If the Origin has a key (question.Once), the job may be that of an earlier request with
// the key, of this process or another; Replayed says so. Then errors are also CodeKeyReused
// and CodeKeyInUse, and after an error the job may have been accepted: the same request with
// the same key returns it.
func (p *Pool) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	return p.submit(ctx, req, "")
}

func (p *Pool) submit(ctx context.Context, req question.Request, retryOf string) (job *question.Job, err error) {
	if err := p.runner.Check(req); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.cfg.Observer.JobRefused(question.CodeOf(err))
		}
	}()
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	if once := question.OriginOf(ctx).Once; once.Key != "" {
		return p.submitOnce(ctx, once, req, retryOf)
	}
	e, err := p.admit(ctx, req, retryOf, "")
	if err != nil {
		return nil, err
	}
	return p.start(ctx, e)
}

// start has a worker run an admitted job, and accepts it.
func (p *Pool) start(ctx context.Context, e *entry) (*question.Job, error) {
	if e.keyed != nil {
		defer close(e.keyed)
	}
	grace := p.cfg.Grace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)-reserve)
	}
	over := time.NewTimer(grace)
	defer over.Stop()
	select {
	case p.work <- e: // a worker has it
		select {
		case <-e.done:
		case <-over.C:
		case <-ctx.Done():
		}
	case <-over.C:
	case <-ctx.Done():
	case <-p.running.Done():
	}
	return p.accept(ctx, e)
}

// admit reserves a place for a job. id is "", or that of a job that a key claims; admit
// returns nil if this process holds that job.
func (p *Pool) admit(ctx context.Context, req question.Request, retryOf, id string) (*entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live[id] != nil {
		return nil, nil
	}
	if err := p.full(); err != nil {
		return nil, err
	}
	from := question.OriginOf(ctx)
	if id == "" {
		made, err := p.cfg.newID()
		if err != nil {
			return nil, question.Errorf(question.CodeInternal, "no id can be made: %w", err)
		}
		id = question.TagID(made, from.Client.Name)
	}
	e := newEntry(id)
	e.submitted, e.request = true, from.Request
	e.job = &question.Job{
		ID: id, Status: question.Queued, Request: req, Created: p.now(), RetryOf: retryOf,
		Client: from.Client.Name, Trace: from.Trace,
	}
	if from.Once.Key != "" {
		e.keyed = make(chan struct{})
	}
	p.live[id] = e
	p.intake++
	return e, nil
}

// full returns why no further request is taken, or nil. p.mu is held.
func (p *Pool) full() error {
	if p.draining {
		return question.Errorf(question.CodeShuttingDown, "no new jobs are accepted: the service is shutting down")
	}
	if p.intake >= p.cfg.Intake+p.cfg.Workers {
		return question.Errorf(question.CodeQueueFull, "%d jobs are waiting or running, which is the limit: try again in a moment", p.intake)
	}
	return nil
}

// accept stores the record of a job that has not ended by now. A running job goes
// on, unless this process is on demand. A job that has not started is sent to the queue.
func (p *Pool) accept(ctx context.Context, e *entry) (*question.Job, error) {
	p.mu.Lock()
	mine := p.cfg.OnDemand && p.claim(e)
	if e.phase >= ending && !mine {
		p.mu.Unlock()
		return e.wait(ctx)
	}
	waits := mine || e.phase == waiting
	job := *e.job
	p.mu.Unlock()

	job.Lease = p.lease
	p.logLife(slog.LevelDebug, "job accepted", &job, slog.Bool("waits", waits)) //nolint:contextcheck // a line needs no context
	if waits {
		job.Status, job.Started, job.Attempts, job.Lease = question.Queued, time.Time{}, 0, p.cfg.queueLease
	}
	err := p.put(e, &job) //nolint:contextcheck // see Pool.call
	if errors.Is(err, errGone) {
		return e.wait(ctx)
	}
	if err == nil && waits && p.cfg.Queue != nil {
		err = p.send(job.ID) //nolint:contextcheck // see Pool.call
	}
	leaves := err != nil || waits && !p.cfg.Receive
	if leaves && !mine && !p.tryClaim(e) {
		ended, gone := e.wait(ctx)
		if gone != nil && e.keyed == nil { // and no process must find it
			p.deletePending(job.ID) //nolint:contextcheck // see Pool.call
		}
		return ended, gone
	}
	switch {
	case err != nil:
		fate := removeRecord
		if e.keyed != nil { // another process may have accepted it
			fate = keepRecord
		}
		p.end(e, nil, err, fate) //nolint:contextcheck // see Pool.call
		return nil, err
	case leaves:
		p.end(e, nil, nil, keepRecord) //nolint:contextcheck // see Pool.call
		return &job, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.job, nil
}

// errGone means that a job ended before its record was written.
var errGone = errors.New("the job has ended")

// put writes the record of a job. After an error it may have been written.
func (p *Pool) put(e *entry, job *question.Job) error {
	e.record <- struct{}{}
	defer func() { <-e.record }()
	p.mu.Lock()
	if e.phase == gone {
		p.mu.Unlock()
		return errGone
	}
	e.stored, e.since, e.begun = job, time.Now(), job.Status == question.Running
	e.looked = e.since
	p.mu.Unlock()
	ctx, cancel := p.call()
	defer cancel()
	return p.store.PutPending(ctx, job)
}

func (p *Pool) send(id string) error {
	ctx, cancel := p.call()
	defer cancel()
	return p.cfg.Queue.Send(ctx, id)
}

// wait returns how a job ended for Submit.
func (e *entry) wait(ctx context.Context) (*question.Job, error) {
	select {
	case <-e.done:
		if e.job.Status.Final() {
			return e.job, nil
		}
		return nil, e.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

func gaveUp(ctx context.Context) error {
	return question.Errorf(question.CodeStoreUnavailable, "the request ended before the store had answered: %w", context.Cause(ctx))
}
