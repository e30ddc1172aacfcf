package jobs

import (
	"context"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const pendingPage = 64

// keep takes up, now and then, the jobs in the store that nobody has in hand.
func (p *Pool) keep() {
	every := time.NewTicker(p.cfg.Lost)
	defer every.Stop()
	for {
		p.takeUp()
		select {
		case <-every.C:
		case <-p.running.Done():
			return
		}
	}
}

// takeUp looks through the pending jobs in the store. A store of our own is looked
// through only when something may be there.
func (p *Pool) takeUp() {
	p.mu.Lock()
	if p.cfg.Sole && !p.owed || !p.cfg.Sole && p.draining {
		p.mu.Unlock()
		return
	}
	p.owed, p.looking = false, true
	p.open++
	p.mu.Unlock()

	count, err := p.takeUpAll()
	if count > 0 {
		p.cfg.Log.Info("unfinished jobs were taken up from the store", "count", count)
	}
	if err != nil && p.running.Err() == nil {
		p.cfg.Log.Warn("the store cannot be searched for unfinished jobs: trying again later", "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed, p.looking = p.owed || err != nil, false
	p.finish()
}

func (p *Pool) takeUpAll() (count int, err error) {
	after := ""
	for {
		ctx, cancel := context.WithTimeout(p.running, storeTimeout)
		page, err := p.store.Pending(ctx, after, pendingPage)
		cancel()
		if err != nil {
			return count, err
		}
		for _, job := range page {
			after = job.ID
			if !p.cfg.Sole {
				if p.recently(job.Created) {
					return count, nil // and so are all after it
				}
				if p.recently(job.Started) {
					continue
				}
			}
			_, taken, err := p.takeUpOne(p.running, job, time.Time{}, p.cfg.Sole)
			if err != nil {
				return count, err
			}
			if taken {
				count++
			}
		}
		if len(page) < pendingPage {
			return count, nil
		}
	}
}

// recently reports whether whoever accepted or started a job then may be at it still.
func (p *Pool) recently(t time.Time) bool { return time.Since(t) <= p.cfg.Lost }

// takeUpOne queues a pending job of the store once there is room for it. A worker
// finds out whether it has ended, and removes the record then. taken: this call did
// it, else somebody here had it in hand already. read is when it was read, or zero for
// too long ago to be believed. The error is that ctx ended or the pool stops. One that drains takes nothing, unless it has to.
func (p *Pool) takeUpOne(ctx context.Context, stored *question.Job, read time.Time, always bool) (e *entry, taken bool, err error) {
	p.mu.Lock()
	e = p.live[stored.ID]
	p.mu.Unlock()
	if e != nil {
		return e, false, nil
	}
	select {
	case p.adopt <- struct{}{}:
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	case <-p.running.Done():
		return nil, false, errClosing
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e = p.live[stored.ID]; {
	case e != nil || p.draining && !always:
		<-p.adopt
		return e, false, nil
	case p.running.Err() != nil:
		<-p.adopt
		return nil, false, errClosing
	}
	job := *stored
	job.Status, job.Started = question.Queued, time.Time{}
	e = &entry{job: &job, done: make(chan struct{}), adopted: true, acked: true, pending: written, noted: job.Attempts, read: read}
	p.live[stored.ID] = e
	p.open++
	p.push(e)
	return e, true, nil
}

// sweep removes old outcomes, now and every hour, or every tenth of a retention
// that is short.
func (p *Pool) sweep() {
	every := time.NewTicker(max(time.Second, min(time.Hour, p.cfg.Retention/10)))
	defer every.Stop()
	for {
		removed, err := p.store.Sweep(p.running, time.Now().Add(-p.cfg.Retention))
		if removed > 0 {
			p.cfg.Log.Info("old results were removed", "count", removed, "older than", p.cfg.Retention)
		}
		if err != nil && p.running.Err() == nil {
			p.cfg.Log.Warn("old results cannot be removed: trying again later", "error", err)
		}
		select {
		case <-every.C:
		case <-p.running.Done():
			return
		}
	}
}
