package jobs

import (
	"context"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Submit accepts a question. The job that it returns is in the store: it survives
// the death of this process, and it may have ended already. The request is kept:
// not to be changed afterwards.
//
// Errors are *question.Error: what Runner.Check says, CodeShuttingDown, CodeQueueFull,
// or CodeStoreUnavailable; nothing was accepted then. Once a place is reserved ctx
// does not stop it from storing the job.
func (p *Pool) Submit(ctx context.Context, req question.Request) (*question.Job, error) {
	return p.submit(ctx, req, "")
}

func (p *Pool) submit(ctx context.Context, req question.Request, retryOf string) (*question.Job, error) {
	if err := p.runner.Check(req); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, gaveUp(ctx)
	}
	e, early, err := p.admit(req, retryOf)
	if err != nil {
		return nil, err
	}
	if early {
		grace := time.NewTimer(p.grace(ctx))
		select {
		case <-e.done:
		case <-grace.C:
		case <-ctx.Done():
		}
		grace.Stop()
	}

	p.mu.Lock()
	if e.phase >= settling { // it has ended: its outcome is all that is written
		p.mu.Unlock()
		return e.wait(ctx)
	}
	if p.cfg.Hand != nil {
		p.mu.Unlock()
		return p.handOver(ctx, e)
	}
	e.pending = writing
	job := e.job
	p.mu.Unlock()

	if err := p.persist(e, job); err != nil { //nolint:contextcheck // see Pool.call
		return p.withdraw(ctx, e, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.acked = true
	if !early {
		p.push(e)
	}
	switch {
	case e.final != nil:
		return e.final, nil
	case e.phase == gone: // let go: the record that was just written is what there is
		return job, nil
	default:
		return e.job, nil
	}
}

// grace is how long this Submit waits for its job to end.
func (p *Pool) grace(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(p.cfg.Grace, time.Until(deadline)-reserve)
	}
	return p.cfg.Grace
}

// admit reserves a place for a job. early: it is in the queue already, and may
// end before it is stored as pending.
func (p *Pool) admit(req question.Request, retryOf string) (e *entry, early bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return nil, false, question.Errorf(question.CodeShuttingDown, "no new jobs are accepted: the service is shutting down")
	}
	if p.intake >= p.cfg.Queue+p.cfg.Workers {
		return nil, false, question.Errorf(question.CodeQueueFull, "%d jobs are waiting or running, which is the limit: try again in a moment", p.intake)
	}
	id, err := p.cfg.newID()
	if err != nil {
		return nil, false, question.Errorf(question.CodeInternal, "no id can be made: %w", err)
	}
	e = &entry{
		job:  &question.Job{ID: id, Status: question.Queued, Request: req, Created: now(), RetryOf: retryOf},
		done: make(chan struct{}),
	}
	p.live[id] = e
	p.intake++
	p.open++
	early = p.started && p.cfg.Grace > 0 && len(p.queue) < earlyAhead*p.cfg.Workers
	if early {
		p.push(e)
	}
	return e, early, nil
}

// push puts a job at the end of the queue. p.mu is held.
func (p *Pool) push(e *entry) {
	p.queue = append(p.queue, e)
	p.wake.Signal()
}

// persist writes the pending record of a job, whose e.pending is `writing`. If the
// job ended meanwhile, the record is removed again.
func (p *Pool) persist(e *entry, job *question.Job) error {
	ctx, cancel := p.call()
	defer cancel()
	err := p.store.PutPending(ctx, job)

	p.mu.Lock()
	e.pending = written // or so it may be, after an error
	if err == nil {
		e.noted = job.Attempts
	}
	if e.phase != gone {
		p.mu.Unlock()
		return err
	}
	if e.kept && (err == nil || e.acked) {
		p.owed = true
		p.finish()
		p.mu.Unlock()
		return err
	}
	p.mu.Unlock()
	p.unpersist(e)
	return err
}

// unpersist removes the pending record of a job that is gone.
func (p *Pool) unpersist(e *entry) {
	p.deletePending(e.job.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

// deletePending removes a pending record. One that cannot be removed is found and
// removed later.
func (p *Pool) deletePending(id string) {
	ctx, cancel := p.call()
	defer cancel()
	if err := p.store.DeletePending(ctx, id); err != nil {
		p.cfg.Log.Debug("a pending record cannot be removed yet", "job", id, "error", err)
		p.mu.Lock()
		p.owed = true
		p.mu.Unlock()
	}
}

// finish tells Close that one thing less is open. p.mu is held.
func (p *Pool) finish() {
	p.open--
	p.checkDrained()
}

// withdraw takes back a job whose pending record could not be written, unless it
// has ended with a stored outcome after all.
func (p *Pool) withdraw(ctx context.Context, e *entry, err error) (*question.Job, error) {
	p.mu.Lock()
	e.abandoned = true
	mine := p.claim(e, errWithdrawn)
	p.mu.Unlock()
	if mine {
		p.end(e, nil, err, false) //nolint:contextcheck // see Pool.call
	}
	return e.wait(ctx)
}

// wait returns how a job ended for Submit.
func (e *entry) wait(ctx context.Context) (*question.Job, error) {
	select {
	case <-e.done:
		if e.final == nil {
			return nil, e.err
		}
		return e.final, nil
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

func gaveUp(ctx context.Context) error {
	return question.Errorf(question.CodeStoreUnavailable, "the request ended before the store had answered: %w", context.Cause(ctx))
}
