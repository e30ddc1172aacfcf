package jobs

import (
	"context"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Cancel ends a job that has not ended. The one that runs is interrupted. Errors
// are those of Get and CodeAlreadyFinal; after CodeStoreUnavailable the job goes on.
func (p *Pool) Cancel(ctx context.Context, id string) (*question.Job, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		if final := p.recent.get(id); final != nil {
			p.mu.Unlock()
			return nil, alreadyFinal(final)
		}
		e := p.live[id]
		if e == nil || !e.acked {
			p.mu.Unlock()
			return p.cancelStored(ctx, id)
		}
		mine := p.claim(e, errCancelled)
		job := e.job
		p.mu.Unlock()
		if mine {
			p.settle(e, cancelled(job)) //nolint:contextcheck // see Pool.call
			if e.final == nil {
				return nil, e.err
			}
			return isCancelled(e.final)
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
	final, err := p.endStored(cancelled(job)) //nolint:contextcheck // see Pool.call
	if err != nil {
		return nil, err
	}
	return isCancelled(final)
}

// endStored ends a job that this process does not have in hand, unless it has ended,
// and returns how.
func (p *Pool) endStored(outcome *question.Job) (*question.Job, error) {
	final, _, err := p.putOutcome(outcome)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.recent.put(final)
	p.mu.Unlock()
	p.deletePending(final.ID)
	return final, nil
}

// Retry asks again what a failed or cancelled job asked: a new job, whose RetryOf
// is that one. Errors are those of Get and of Submit, and CodeNotRetryable.
func (p *Pool) Retry(ctx context.Context, id string) (*question.Job, error) {
	job, err := p.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status != question.Failed && job.Status != question.Cancelled {
		return nil, question.Errorf(question.CodeNotRetryable, "job %s is %s: only a failed or cancelled job can be retried", id, job.Status).About("id")
	}
	if job.Request.Question == "" { // see Fail
		return nil, question.Errorf(question.CodeNotRetryable, "job %s cannot be retried: what it asked was lost with its record; ask anew", id).About("id")
	}
	return p.submit(ctx, job.Request, id)
}

func cancelled(job *question.Job) *question.Job {
	out := failed(job, question.Errorf(question.CodeCancelled, "the job was cancelled"))
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
	return question.Errorf(question.CodeAlreadyFinal, "job %s is %s: a job that has ended cannot be cancelled", job.ID, job.Status).About("id")
}
