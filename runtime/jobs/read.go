package jobs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	pollFirst   = 50 * time.Millisecond // first pause when waiting for another process's job
	pollLast    = 2 * time.Second       // it doubles up to this
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

// List returns the selected jobs without their results, newest first, from the first id
// below `before` ("": from the newest): at most limit of them (0 is 100). Jobs that have not
// ended are among them, whichever process holds them. Errors are CodeBadID and
// CodeStoreUnavailable.
func (p *Pool) List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error) {
	if limit <= 0 {
		limit = listDefault
	}
	page, err := p.store.List(ctx, f, before, limit)
	if err != nil {
		return question.JobPage{}, err
	}
	// Of a job that this process holds the record may be out of date.
	listed := make(map[string]*question.Job, len(page.Jobs))
	for _, job := range page.Jobs {
		listed[job.ID] = job
	}
	p.overlay(func(id string, job *question.Job) {
		known := listed[id]
		switch {
		case id < page.Next || before != "" && id >= before || !f.May(id) || known != nil && known.Status.Final():
		case f.Selects(job):
			listed[id] = job
		default:
			delete(listed, id)
		}
	})
	page.Jobs = slices.SortedFunc(maps.Values(listed), func(a, b *question.Job) int { return cmp.Compare(b.ID, a.ID) })
	if len(page.Jobs) > limit {
		page.Jobs = page.Jobs[:limit]
		page.Next = page.Jobs[limit-1].ID
	}
	return page, nil
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
