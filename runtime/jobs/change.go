package jobs

import (
	"context"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Cancel ends a job that has not ended; a running one is interrupted. Errors
// are those of Get and CodeAlreadyFinal; after CodeStoreUnavailable the job goes on.
func (p *Pool) Cancel(ctx context.Context, id string) (*question.Job, error) {
	if _, err := question.ParseID(id); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		if final := p.recent.get(id); final != nil {
			p.mu.Unlock()
			return nil, alreadyFinal(final)
		}
		e := p.live[id]
		if e == nil || e.stored == nil {
			p.mu.Unlock()
			return p.cancelStored(ctx, id)
		}
		mine := p.claim(e)
		job := e.job
		p.mu.Unlock()
		if mine {
			p.finish(e, p.cancelled(job)) //nolint:contextcheck // see Pool.call
			if !e.job.Status.Final() {
				return nil, e.err
			}
			return isCancelled(e.job)
		}
		select { // it is ending
		case <-e.done:
		case <-ctx.Done():
			return nil, gaveUp(ctx)
		}
	}
}

// cancelStored cancels a job that another process holds, or none.
func (p *Pool) cancelStored(ctx context.Context, id string) (*question.Job, error) {
	job, err := p.store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status.Final() {
		return nil, alreadyFinal(job)
	}
	final, err := p.endStored(p.cancelled(job)) //nolint:contextcheck // see Pool.call
	if err != nil {
		return nil, err
	}
	return isCancelled(final)
}

// endStored ends a job that this process does not hold, and returns how it ended: an earlier
// outcome stays.
func (p *Pool) endStored(outcome *question.Job) (*question.Job, error) {
	final, _, err := p.putOutcome(outcome)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.recent.put(final)
	p.changed(final)
	p.mu.Unlock()
	p.deletePending(final.ID)
	return final, nil
}

// Retry repeats the request of a failed or cancelled job as a new job, whose RetryOf is that
// one. Errors are those of Get and of Submit, and CodeNotRetryable.
func (p *Pool) Retry(ctx context.Context, id string) (*question.Job, error) {
	job, err := p.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status != question.Failed && job.Status != question.Cancelled {
		return nil, question.Errorf(question.CodeNotRetryable, "job %s is %s: only a failed or cancelled job can be retried", id, job.Status).WithParam("id")
	}
	if job.Request.Question == "" { // see Deliver
		return nil, question.Errorf(question.CodeNotRetryable, "job %s cannot be retried: what it asked was lost with its record; ask anew", id).WithParam("id")
	}
	return p.submit(ctx, job.Request, id)
}

func (p *Pool) cancelled(job *question.Job) *question.Job {
	out := failed(job, p.now(), question.Errorf(question.CodeCancelled, "the job was cancelled"))
	out.Status = question.Cancelled
	return out
}

// isCancelled returns the outcome that was stored first, if it is a cancellation.
func isCancelled(final *question.Job) (*question.Job, error) {
	if final.Status != question.Cancelled {
		return nil, alreadyFinal(final)
	}
	return final, nil
}

func alreadyFinal(job *question.Job) error {
	return question.Errorf(question.CodeAlreadyFinal, "job %s is %s: a job that has ended cannot be cancelled", job.ID, job.Status).WithParam("id")
}
