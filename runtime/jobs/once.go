package jobs

import (
	"context"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	// claimsFor is how long an Idempotency-Key is remembered, at least.
	claimsFor = 24 * time.Hour
	// takeOver is how long a job that a key claims may be unknown to the store before
	// another request with the key submits it. Accepting it takes the grace and one write.
	takeOver = time.Second
	// repeatTime is how long a request waits for an earlier one with its key that is being
	// accepted.
	repeatTime = 5 * time.Second
)

// submitOnce is submit for a request with a key. The claim is recorded first, with the id
// that the job will have. If this process then ends, a later request with the key finds the
// claim and no job, and submits the job under the id.
func (p *Pool) submitOnce(ctx context.Context, once question.Once, req question.Request, retryOf string) (*question.Job, error) {
	client := question.OriginOf(ctx).Client.Name
	call, cancel := p.call()
	defer cancel()
	e, full := p.admit(ctx, req, retryOf, "")
	if full != nil { // a repetition needs no place
		first, found, err := p.store.Claimed(call, client, once.Key) //nolint:contextcheck // see Pool.call
		if err != nil || !found {
			return nil, full
		}
		return p.repeat(ctx, once, first, req, retryOf)
	}
	first, err := p.store.Claim(call, client, once.Key, question.Claim{Job: e.id, Request: once.Request}) //nolint:contextcheck // see Pool.call
	if err == nil && first.Job == e.id {
		return p.start(ctx, e)
	}
	if p.tryClaim(e) {
		p.end(e, nil, err, keepRecord) //nolint:contextcheck // see Pool.call
	}
	close(e.keyed) // after an error the claim may have been recorded, and others wait
	if err != nil {
		return nil, err
	}
	return p.repeat(ctx, once, first, req, retryOf)
}

// repeat returns the job of an earlier request with the same key. If it is not stored, and
// this process is not accepting it, repeat submits it under its id. Should another process
// be accepting it after all, both run it, and the outcome that is stored first counts.
func (p *Pool) repeat(ctx context.Context, once question.Once, first question.Claim, req question.Request, retryOf string) (*question.Job, error) {
	if first.Request != once.Request {
		return nil, question.Errorf(question.CodeKeyReused,
			"the Idempotency-Key %.60q was sent before with another request, which made job %s: send this one with a key of its own", once.Key, first.Job).WithParam("Idempotency-Key")
	}
	begin, pause := time.Now(), p.cfg.Grace
	waiting, cancel := context.WithTimeout(ctx, repeatTime)
	defer cancel()
	for {
		var accepted <-chan struct{}
		p.mu.Lock()
		e := p.live[first.Job]
		if e != nil {
			accepted = e.keyed
		}
		p.mu.Unlock()
		if accepted != nil {
			select {
			case <-accepted:
			case <-waiting.Done():
				return nil, inUse(once)
			}
		}
		job, err := p.Get(ctx, first.Job)
		if err == nil {
			again := *job
			again.Replayed = true
			return &again, nil
		}
		if question.CodeOf(err) != question.CodeUnknownJob {
			return nil, err
		}
		if time.Since(begin) >= takeOver {
			if e, err := p.admit(ctx, req, retryOf, first.Job); err != nil {
				return nil, err
			} else if e != nil {
				return p.start(ctx, e)
			}
		}
		if !sleep(waiting, pause) {
			return nil, inUse(once)
		}
		pause = min(2*pause, takeOver/4)
	}
}

func inUse(once question.Once) error {
	return question.Errorf(question.CodeKeyInUse,
		"the first request with the Idempotency-Key %.60q is still being accepted: send this one again in a moment", once.Key).WithParam("Idempotency-Key")
}
