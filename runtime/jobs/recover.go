package jobs

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// listedFor is how long the times of a listing count as current.
const listedFor = time.Second

// ahead is how far in the future the time of a record may be: the store tells its time to
// the second.
const ahead = 2 * time.Second

// lease is that of a pending record.
type lease struct {
	written time.Time // the time of the record in the store
	from    time.Time // when the lease began
	length  time.Duration
	damaged bool // the record cannot be read, and is not looked at within the lease
}

// maxLease is the longest lease that is respected. No process writes one as long.
const maxLease = 24 * time.Hour

// left returns how much of a lease is left, by the store's clock.
func (p *Pool) left(l lease, now time.Time) time.Duration {
	if l.from.Before(p.cfg.AloneSince) {
		return 0 // the process that wrote it is gone
	}
	return l.from.Add(min(cmp.Or(l.length, p.lease), maxLease)).Sub(now)
}

// leaseOf returns what is known of the lease of a record that was written then. If the
// store's clock was set back later, the lease begins when the record is first seen.
// p.mu is held.
func (p *Pool) leaseOf(id string, written, now time.Time) lease {
	l, seen := p.leases[id]
	switch {
	case seen && l.written.Equal(written):
		return l
	case written.After(now.Add(ahead)):
		return lease{written: written, from: now}
	default:
		return lease{written: written, from: written}
	}
}

// leaseLeft returns how much is left of the lease of a job that runs elsewhere.
func (p *Pool) leaseLeft(ctx context.Context, job *question.Job) (time.Duration, error) {
	written, now, err := p.store.PendingTimes(ctx)
	if err != nil {
		return 0, err
	}
	at, ok := written[job.ID]
	if !ok {
		return time.Second, nil // it has just ended
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leaseOf(job.ID, at, now)
	if !l.from.Equal(at) {
		p.leases[job.ID] = l
	}
	return p.left(lease{from: l.from, length: job.Lease}, now), nil
}

// recoverAgain is the recovery loop. On average it looks for lost jobs once per lease, at
// random moments, so that processes do not look at the same time.
func (p *Pool) recoverAgain() {
	for {
		taken, err := p.Recover(p.running, 0)
		if taken > 0 {
			p.cfg.Log.Info("lost jobs were taken up from the store", "count", taken)
		}
		if err != nil && p.running.Err() == nil {
			p.cfg.Log.Warn("the store cannot be searched for lost jobs: trying again later", "error", err)
		}
		if !sleep(p.taking, p.lease/2+rand.N(p.lease)) { //nolint:gosec // nothing is secret
			return
		}
	}
}

// Recover looks once for pending jobs that no process holds any more: their lease is over,
// or their record is older than AloneSince. A pool that receives, or that has no queue, runs
// them, and Recover returns when they have ended; other pools send them to the queue. It
// looks at most at that many jobs; 0 is all. When ctx ends, runs are
// interrupted, and do not count. The error is CodeStoreUnavailable.
func (p *Pool) Recover(ctx context.Context, most int) (taken int, err error) {
	slots := make(chan struct{}, prefetch*p.cfg.Workers)
	var count atomic.Int64
	var wg sync.WaitGroup
	defer func() {
		wg.Wait()
		taken = int(count.Load())
	}()
	seen := map[string]bool{}
	for {
		lost, now, err := p.lost(ctx, seen)
		if err != nil || len(lost) == 0 {
			return 0, err
		}
		begin := time.Now()
		for _, id := range inOrder(lost) {
			if time.Since(begin) > listedFor {
				break
			}
			if most > 0 && len(seen) == most {
				return 0, nil
			}
			seen[id] = true
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return 0, nil
			case <-p.taking.Done():
				return 0, nil
			}
			wg.Go(func() {
				defer func() { <-slots }()
				if p.recover(ctx, id, lost[id], now.Add(time.Since(begin))) {
					count.Add(1)
				}
			})
		}
	}
}

// inOrder returns the ids of lost jobs: first those of other processes in random order (that
// of a map), so that processes do not all take the same ones, then those that wait here,
// oldest first.
func inOrder(lost map[string]lease) []string {
	var others, ours []string
	for id, l := range lost {
		if l.written.IsZero() {
			ours = append(ours, id)
		} else {
			others = append(others, id)
		}
	}
	slices.Sort(ours)
	return append(others, ours...)
}

// lost returns the pending jobs that may be lost, with what is known of their leases, and the
// store's time. A job may be lost if the lease of a run would be over and its own lease is
// not known to be longer. Jobs that have waited here for longer than their lease, by this
// machine's clock, are included without a time in the store.
func (p *Pool) lost(ctx context.Context, seen map[string]bool) (map[string]lease, time.Time, error) {
	call, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	written, now, err := p.store.PendingTimes(call)
	if err != nil {
		return nil, now, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, lost := map[string]lease{}, map[string]lease{}
	for id, at := range written {
		l := p.leaseOf(id, at, now)
		if l != (lease{written: at, from: at}) {
			known[id] = l
		}
		if p.live[id] == nil && !seen[id] && p.left(l, now) <= 0 {
			lost[id] = l
		}
	}
	p.leases = known
	for id, e := range p.live { // the queue may have lost its message, or another process may have ended it
		if e.idle() && !seen[id] && time.Since(e.since) > e.stored.Lease {
			lost[id] = lease{}
		}
	}
	return lost, now, nil
}

// recover runs a pending job, or sends it to the queue, if its lease is over.
func (p *Pool) recover(ctx context.Context, id string, l lease, now time.Time) (taken bool) {
	job, err := p.store.Get(ctx, id)
	switch {
	case err == nil && job.Status.Final() || question.CodeOf(err) == question.CodeUnknownJob:
		if !p.endedElsewhere(id, job, err) && err == nil { //nolint:contextcheck // see Pool.call
			p.deletePending(id) //nolint:contextcheck // the process that ended it died before that
		}
		return false
	case err == nil:
		l.length, l.damaged = job.Lease, false
	case transient(err):
		return false
	default:
		p.cfg.Log.Warn("a pending job cannot be read: it is looked at again in an hour", "job", id, "error", err)
		l.from, l.length, l.damaged = now, time.Hour, true // whoever wrote it
	}
	if err != nil || !l.written.IsZero() && p.left(l, now) > 0 {
		p.mu.Lock()
		p.leases[id] = l
		p.mu.Unlock()
		return false
	}
	p.logLife(slog.LevelInfo, "job recovered", job, slog.Int("attempts", job.Attempts)) //nolint:contextcheck // a line needs no context
	if p.cfg.Queue == nil || p.cfg.Receive {
		_, err = p.take(ctx, id, job)
	} else {
		err = p.sendAgain(ctx, job)
	}
	if err != nil && ctx.Err() == nil {
		p.cfg.Log.Debug("a lost job is not taken up", "job", id, "error", err)
	}
	if err == nil {
		p.cfg.Observer.JobRecovered()
	}
	return err == nil
}

// endedElsewhere removes a job that waits here from the pool because another process ended
// it, or removed it (err). It returns false if the job does not wait here.
func (p *Pool) endedElsewhere(id string, final *question.Job, err error) bool {
	p.mu.Lock()
	e := p.live[id]
	waits := e != nil && e.phase == waiting && e.stored != nil && p.claim(e)
	p.mu.Unlock()
	if waits {
		p.end(e, final, err, removeRecord)
	}
	return waits
}

// sendAgain sends a lost job to the queue. It rewrites the record first, so that other
// processes do not send it too.
func (p *Pool) sendAgain(ctx context.Context, job *question.Job) error {
	next := *job
	next.Status, next.Started, next.Lease = question.Queued, time.Time{}, p.cfg.queueLease
	if err := p.store.PutPending(ctx, &next); err != nil {
		return err
	}
	return p.cfg.Queue.Send(ctx, job.ID)
}

// sweep removes old outcomes and claims, now and every hour, or every tenth of a retention
// that is short. A sweep that the store refuses, because it would remove everything that is
// older than this process, is repeated an hour later, so that an operator can read the log.
func (p *Pool) sweep() {
	begin, begun := time.Time{}, false // of this process, by the store's clock
	for {
		pause, removed := time.Hour, 0
		var err error
		if p.cfg.Retention > 0 {
			pause = max(time.Second, min(time.Hour, p.cfg.Retention/10))
			if !begun {
				_, begin, err = p.store.PendingTimes(p.running)
				begun = err == nil
			}
			if begun {
				if removed, err = p.store.Sweep(p.running, p.cfg.Retention, begin); err != nil && !transient(err) {
					begin, pause = time.Time{}, time.Hour
				}
			}
		}
		if removed > 0 {
			p.cfg.Log.Info("old results were removed", "count", removed, "older than", p.cfg.Retention)
		}
		if err == nil { // the store's clock is right
			_, err = p.store.SweepClaims(p.running, claimsFor)
		}
		if err != nil && p.running.Err() == nil {
			p.cfg.Log.Warn("old results are not removed: trying again later", "after", pause, "error", err)
		}
		if !sleep(p.running, pause) {
			return
		}
	}
}
