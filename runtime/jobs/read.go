package jobs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	pollFirst   = 50 * time.Millisecond // first pause when waiting for another process's job
	pollLast    = 2 * time.Second       // it doubles up to this
	pendingMost = 1000                  // pending records that List reads
	listDefault = 100
)

// Get returns a job as it is now. Errors are *question.Error: CodeBadID,
// CodeUnknownJob, CodeStoreUnavailable.
func (p *Pool) Get(ctx context.Context, id string) (*question.Job, error) {
	job, _, err := p.find(ctx, id)
	return job, err
}

// find returns a job as it is now, and its entry if this process holds it.
func (p *Pool) find(ctx context.Context, id string) (*question.Job, *entry, error) {
	if _, err := question.ParseID(id); err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	if final := p.recent.get(id); final != nil {
		p.mu.Unlock()
		return final, nil, nil
	}
	e := p.live[id]
	if e != nil && e.stored != nil {
		// Another process may have ended a job that waits here. So the store is asked every
		// second, and each time if the job is not ours and within its lease.
		job, over := e.job, !e.submitted || time.Since(e.since) > e.stored.Lease
		late := e.phase == waiting && (over || time.Since(e.looked) > watchEvery)
		if late {
			e.looked = time.Now()
		}
		p.mu.Unlock()
		if !late {
			return job, e, nil
		}
		stored, err := p.store.Get(ctx, id)
		switch {
		case err == nil && stored.Status.Final():
			p.endedElsewhere(id, stored, nil) //nolint:contextcheck // see Pool.call
			return stored, nil, nil
		case over && err != nil && transient(err):
			return nil, nil, err // it may have ended: memory may be out of date
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
	// The first look is made even if there is no time to wait.
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	job, e, err := p.find(first, id)
	if err != nil {
		return nil, err
	}
	pause := pollFirst
	for !job.Status.Final() {
		// A job of this process closes done; another process's has to be polled.
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
			if e != nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				job = e.job
			}
			return job, nil
		}
		if next, nextEntry, err := p.find(ctx, id); err == nil {
			job, e = next, nextEntry
		} else {
			e = nil // a store that does not answer is asked again
		}
	}
	return job, nil
}

// List returns jobs without their results, newest first, from the first id below
// `before` ("": from the newest): limit of them (0 is 100). Fewer: there are no
// more. Jobs that have not ended are among them; of those that other processes
// hold, the 1,000 oldest. Errors are CodeBadID and CodeStoreUnavailable.
func (p *Pool) List(ctx context.Context, before string, limit int) ([]*question.Job, error) {
	if before != "" {
		if _, err := question.ParseID(before); err != nil {
			return nil, err
		}
	}
	if limit <= 0 {
		limit = listDefault
	}
	// Jobs that end meanwhile become outcomes, so outcomes are read last.
	byID := map[string]*question.Job{}
	pending, err := p.store.Pending(ctx, "", pendingMost)
	if err != nil {
		return nil, err
	}
	for _, job := range pending {
		byID[job.ID] = job
	}
	p.overlay(func(id string, job *question.Job) { byID[id] = job })
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

// Unfinished returns the number of jobs that are not final, whichever process holds them,
// without those whose records Recover could not read. The error is CodeStoreUnavailable.
func (p *Pool) Unfinished(ctx context.Context) (int, error) {
	ids, err := p.store.PendingIDs(ctx)
	if err != nil {
		return 0, err
	}
	pending := map[string]bool{}
	p.mu.Lock()
	for _, id := range ids {
		if p.recent.get(id) == nil && !p.leases[id].damaged {
			pending[id] = true
		}
	}
	p.mu.Unlock()
	p.overlay(func(id string, _ *question.Job) { pending[id] = true })
	return len(pending), nil
}

// overlay calls set for each accepted job that this process holds.
func (p *Pool) overlay(set func(id string, job *question.Job)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, e := range p.live {
		if e.stored != nil {
			set(id, e.job)
		}
	}
}
