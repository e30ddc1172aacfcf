package jobs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	pollFirst   = 50 * time.Millisecond // first pause when waiting for another process's job
	pollLast    = 2 * time.Second       // it doubles up to this
	pendingMost = 1000                  // pending records that List and Unfinished read of other processes
	listDefault = 100
)

// Get returns a job as it is now. Errors are *question.Error: CodeBadID,
// CodeUnknownJob, CodeStoreUnavailable.
func (p *Pool) Get(ctx context.Context, id string) (*question.Job, error) {
	job, _, err := p.look(ctx, id)
	return job, err
}

// look returns a job as it is now, and its entry if this process has it in hand.
func (p *Pool) look(ctx context.Context, id string) (*question.Job, *entry, error) {
	if err := checkID(id); err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	if final := p.recent.get(id); final != nil {
		p.mu.Unlock()
		return final, nil, nil
	}
	e := p.live[id]
	if e != nil && e.acked {
		job, shared := e.job, p.shared(e)
		p.mu.Unlock()
		if !shared {
			return job, e, nil
		}
		stored, err := p.store.Get(ctx, id)
		switch {
		case err == nil && stored.Status.Final():
			return stored, nil, nil
		case err != nil && transient(err):
			return nil, nil, err // it may have ended: what memory has may be a lie
		default:
			return job, e, nil
		}
	}
	p.mu.Unlock()
	job, err := p.store.Get(ctx, id)
	return job, nil, err
}

// Wait returns a job when it is final, or as last known when ctx ends or the pool
// stops; both without an error. Errors are those of Get.
func (p *Pool) Wait(ctx context.Context, id string) (*question.Job, error) {
	// The first look is due even to one who has no time to wait.
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	job, e, err := p.look(first, id)
	if err != nil {
		return nil, err
	}
	pause := pollFirst
	for !job.Status.Final() {
		// Our own job tells when it ends; another process's has to be asked for.
		var done <-chan struct{}
		if e != nil {
			done = e.done
		}
		poll := time.NewTimer(pause)
		select {
		case <-done:
		case <-poll.C:
			pause = min(2*pause, pollLast)
		case <-ctx.Done():
		case <-p.running.Done():
		}
		poll.Stop()
		if ctx.Err() != nil || p.running.Err() != nil {
			return p.last(job, e), nil
		}
		if next, nextEntry, err := p.look(ctx, id); err == nil {
			job, e = next, nextEntry
		} else {
			e = nil // a store that does not answer is asked again
		}
	}
	return job, nil
}

// last returns the latest that is known of a job without asking the store.
func (p *Pool) last(job *question.Job, e *entry) *question.Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if final := p.recent.get(job.ID); final != nil {
		return final
	}
	if e != nil && e.phase != gone {
		return e.job
	}
	return job
}

// List returns jobs without their results, newest first, from the first id below
// `before` ("": from the newest): limit of them (0 is 100). Fewer: there are no
// more. Jobs that have not ended are among them; of those that other processes
// hold, the 1,000 oldest. Errors are CodeBadID and CodeStoreUnavailable.
func (p *Pool) List(ctx context.Context, before string, limit int) ([]*question.Job, error) {
	if before != "" {
		if err := checkID(before); err != nil {
			return nil, err
		}
	}
	if limit <= 0 {
		limit = listDefault
	}
	// What ends meanwhile moves towards the outcomes, so these are read last.
	byID, err := p.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	outcomes, err := p.store.Outcomes(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	for _, job := range outcomes {
		byID[job.ID] = job
	}
	jobs := make([]*question.Job, 0, len(byID))
	for id, job := range byID {
		if before == "" || id < before {
			jobs = append(jobs, job)
		}
	}
	slices.SortFunc(jobs, func(a, b *question.Job) int { return cmp.Compare(b.ID, a.ID) })
	return jobs[:min(len(jobs), limit)], nil
}

// Unfinished returns how many jobs are not final: those of this process, and of
// those that other processes hold up to 1,000. The error is CodeStoreUnavailable.
func (p *Pool) Unfinished(ctx context.Context) (int, error) {
	byID, err := p.unfinished(ctx)
	return len(byID), err
}

// unfinished returns the jobs that are not known to be final.
func (p *Pool) unfinished(ctx context.Context) (map[string]*question.Job, error) {
	byID := map[string]*question.Job{}
	p.mu.Lock()
	for id, e := range p.live {
		if e.acked && p.recent.get(id) == nil {
			byID[id] = e.job
		}
	}
	// A store of our own holds nothing else once it was looked through.
	all := p.cfg.Sole && !p.owed && !p.looking
	p.mu.Unlock()
	if all {
		return byID, nil
	}
	stored, err := p.store.Pending(ctx, "", pendingMost)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, job := range stored {
		switch e := p.live[job.ID]; {
		case byID[job.ID] != nil || p.recent.get(job.ID) != nil:
		case e == nil:
			byID[job.ID] = job
		case e.acked: // taken up meanwhile
			byID[job.ID] = e.job
		}
	}
	return byID, nil
}

// checkID holds that an id is a UUIDv7 as Submit makes them.
func checkID(id string) error {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != id {
		return question.Errorf(question.CodeBadID,
			"job id %.60q: a job's id is a UUID of version 7 in lower case, such as 01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2", id).About("id")
	}
	return nil
}

// created is when a job of this id, which is one, was accepted.
func created(id string) time.Time {
	seconds, nanoseconds := uuid.MustParse(id).Time().UnixTime()
	return time.Unix(seconds, nanoseconds).UTC()
}
