package jobs

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// work runs jobs until the pool stops.
func (p *Pool) work() {
	for {
		e, ctx := p.next()
		if e == nil {
			return
		}
		p.run(ctx, e)
		e.interrupt(nil)
	}
}

// next waits for a job and marks it as running; nil when the pool stops.
func (p *Pool) next() (*entry, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 || p.running.Err() != nil {
		if p.running.Err() != nil {
			return nil, nil
		}
		p.wake.Wait()
	}
	e := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	e.phase = running
	ctx, interrupt := context.WithCancelCause(p.running)
	e.interrupt = interrupt
	job := *e.job
	job.Status, job.Started = question.Running, now()
	job.Attempts++
	e.job = &job
	return e, ctx
}

// claim moves a job to settling, so that the caller alone ends it; false when
// somebody else does. p.mu is held.
func (p *Pool) claim(e *entry, cause error) bool {
	switch e.phase {
	case waiting:
		if i := slices.Index(p.queue, e); i >= 0 {
			p.queue = slices.Delete(p.queue, i, i+1)
		}
	case running:
		e.interrupt(cause)
	default:
		return false
	}
	e.phase = settling
	return true
}

// run takes one job to its end.
func (p *Pool) run(ctx context.Context, e *entry) {
	job, ok := p.prepare(e) //nolint:contextcheck // see Pool.call
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.TimeLimit)
	answer, err := p.answer(ctx, job)
	outcome := p.outcome(ctx, job, answer, err)
	cancel()

	if !p.claimRun(e) {
		return // Cancel or a failed Submit was faster
	}
	if err != nil && p.running.Err() != nil {
		p.putBack(e, question.Errorf(question.CodeShuttingDown, "the service was shut down before the job was accepted")) //nolint:contextcheck // see Pool.call
		return
	}
	select {
	case p.writers <- struct{}{}:
		p.wg.Go(func() { //nolint:contextcheck // see Pool.call
			p.settle(e, outcome)
			<-p.writers
		})
	default:
		p.settle(e, outcome) //nolint:contextcheck // see Pool.call
	}
}

// claimRun moves a job that its worker has finished with to settling.
func (p *Pool) claimRun(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.phase != running {
		return false
	}
	e.phase = settling
	return true
}

// prepare makes sure, before a job is run that another process may have run too,
// that it has not ended and was not started too often, and counts the attempt. A
// job of our own needs none of that.
func (p *Pool) prepare(e *entry) (job *question.Job, run bool) {
	p.mu.Lock()
	job = e.job
	shared, attempts := p.shared(e), e.noted
	p.mu.Unlock()
	if !shared {
		return job, true
	}
	if time.Since(e.read) > believed {
		ctx, cancel := p.call()
		stored, err := p.store.Get(ctx, job.ID)
		cancel()
		switch {
		case err == nil && stored.Status.Final():
			if p.claimRun(e) {
				p.end(e, stored, nil, false)
			}
			return nil, false
		case !e.adopted:
			return job, true
		case err != nil:
			p.giveUp(e, err)
			return nil, false
		}
		attempts = stored.Attempts
	}
	if attempts >= p.cfg.MaxAttempts {
		if p.claimRun(e) {
			tooOften := *job
			tooOften.Attempts = attempts
			p.settle(e, failed(&tooOften, question.Errorf(question.CodeTooManyAttempts,
				"the job was started %d times and never ended, so it is not started again; the log of those runs may say why", attempts)))
		}
		return nil, false
	}

	p.mu.Lock()
	if e.phase != running {
		p.mu.Unlock()
		return nil, false
	}
	next := *job
	next.Attempts = attempts + 1
	e.job, e.pending, e.checked = &next, writing, true
	p.mu.Unlock()
	if err := p.persist(e, &next); err != nil {
		p.giveUp(e, err)
		return nil, false
	}
	p.mu.Lock()
	late := e.late
	p.mu.Unlock()
	if late && p.claimRun(e) {
		p.putBack(e, errTimeIsUp)
		return nil, false
	}
	return &next, true
}

// giveUp lets go a job that was taken up but cannot be started.
func (p *Pool) giveUp(e *entry, err error) {
	switch {
	case !p.claimRun(e):
	case transient(err):
		p.letGo(e, err)
	default: // looking again would find the same: whoever submitted it has withdrawn it, or its object is damaged
		p.cfg.Log.Warn("a pending job cannot be taken up", "job", e.job.ID, "error", err)
		p.end(e, nil, err, true)
	}
}

// transient reports whether a call to the store may succeed another time.
func transient(err error) bool {
	return question.CodeOf(err) == question.CodeStoreUnavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// shared reports whether another process, or an earlier one, may have ended the
// job, so that the store knows better than this one. p.mu is held.
func (p *Pool) shared(e *entry) bool {
	if p.cfg.Sole {
		return e.adopted && !e.checked
	}
	return e.adopted || time.Since(e.job.Created) > 2*p.cfg.TimeLimit
}

// answer asks the runner and turns a panic into an error.
func (p *Pool) answer(ctx context.Context, job *question.Job) (answer *question.Answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.cfg.Log.Error("a job panicked", "job", job.ID, "question", job.Request.Question, "panic", v, "stack", string(debug.Stack()))
			answer, err = nil, question.Errorf(question.CodeInternal, "the program failed at this job, which is a defect of it: its log says more")
		}
	}()
	answer, err = p.runner.Answer(ctx, job.Request)
	if err == nil && (answer == nil || answer.Table == nil) {
		err = question.Errorf(question.CodeInternal, "the question %q has no answer and no error, which is a defect of the program", job.Request.Question)
	}
	return answer, err
}

// outcome is what a run came to.
func (p *Pool) outcome(ctx context.Context, job *question.Job, answer *question.Answer, err error) *question.Job {
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil && question.CodeOf(err) == question.CodeInternal {
			err = question.Errorf(question.CodeTimeLimit, "the job ran longer than %v, which is the limit: %w", p.cfg.TimeLimit, err)
		}
		return failed(job, question.AsError(err))
	}
	out := *job
	out.Status, out.Finished = question.Done, now()
	out.Result, out.Provenance = answer.Table, answer.Provenance
	return &out
}

func failed(job *question.Job, err *question.Error) *question.Job {
	out := *job
	out.Status, out.Finished = question.Failed, now()
	out.Result, out.Provenance, out.Error = nil, nil, err
	return &out
}

// settle stores the outcome of a job that the caller has claimed, and ends it. If
// the store does not take it, the job is let go.
func (p *Pool) settle(e *entry, outcome *question.Job) {
	final, stored, err := p.putOutcome(outcome)
	if stored {
		p.end(e, final, err, false)
		return
	}
	p.cfg.Log.Warn("an outcome cannot be stored", "job", outcome.ID, "status", outcome.Status, "error", err)
	p.letGo(e, err)
}

// putOutcome stores an outcome with a bounded number of tries. stored: there is
// one now; it is final, which may be another process's, or unknown (nil) when
// that cannot be read.
func (p *Pool) putOutcome(outcome *question.Job) (final *question.Job, stored bool, err error) {
	backoff := 50 * time.Millisecond
	for try := range 4 {
		if try > 0 && !p.sleep(backoff) {
			break
		}
		if try > 0 {
			backoff *= 4
		}
		var created bool
		created, err = p.putOnce(outcome)
		if err != nil && !transient(err) && outcome.Status == question.Done {
			// The store is fine; it is this result that it cannot take.
			outcome = failed(outcome, question.Errorf(question.CodeInternal, "the result cannot be stored: %w", err))
			created, err = p.putOnce(outcome)
		}
		if err != nil {
			continue
		}
		if created {
			return outcome, true, nil
		}
		stored = true
		ctx, cancel := p.call()
		final, err = p.store.Get(ctx, outcome.ID)
		cancel()
		if err == nil && final.Status.Final() {
			return final, true, nil
		}
		if err == nil {
			err = question.Errorf(question.CodeStoreUnavailable, "the store says that job %s has an outcome, and does not show it", outcome.ID)
		}
	}
	return nil, stored, err
}

func (p *Pool) putOnce(outcome *question.Job) (created bool, err error) {
	ctx, cancel := p.call()
	defer cancel()
	return p.store.PutOutcome(ctx, outcome)
}

// sleep returns false when the pool stops first.
func (p *Pool) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.running.Done():
		return false
	}
}

// letGo ends the care for a claimed job without an outcome. What is pending in the
// store stays so, and is taken up again later. What is not was never accepted.
func (p *Pool) letGo(e *entry, err error) {
	p.mu.Lock()
	if e.pending != absent && !e.abandoned {
		p.owed = true
		if p.running.Err() != nil {
			p.left++
		}
	}
	p.mu.Unlock()
	p.end(e, nil, err, true)
}

// putBack lets a job go that was interrupted, which is not its fault: the attempt
// does not count.
func (p *Pool) putBack(e *entry, why error) {
	p.mu.Lock()
	job := *e.job
	rewrite := e.pending == written && e.noted > 0 && !e.abandoned
	p.mu.Unlock()
	if rewrite {
		job.Status, job.Started, job.Attempts = question.Queued, time.Time{}, e.noted-1
		ctx, cancel := p.call()
		if err := p.store.PutPending(ctx, &job); err != nil {
			p.cfg.Log.Warn("the attempt of an interrupted job counts as one", "job", job.ID, "error", err)
		}
		cancel()
	}
	p.letGo(e, why)
}

// end takes a claimed job out of the pool, wakes whoever waits for it, and removes
// its pending record, unless that is to be kept for a later run. A process that
// may stand still as soon as nobody waits removes it first.
func (p *Pool) end(e *entry, final *question.Job, err error, keep bool) {
	p.mu.Lock()
	keep = keep && !e.abandoned
	removed := p.cfg.Frozen && e.pending == written && !keep
	if removed {
		p.mu.Unlock()
		p.deletePending(e.job.ID)
		p.mu.Lock()
	}
	e.phase, e.final, e.err, e.kept = gone, final, err, keep
	delete(p.live, e.job.ID)
	if final != nil {
		p.recent.put(final)
	}
	if e.adopted {
		<-p.adopt
	} else {
		p.intake--
	}
	close(e.done)
	remove := e.pending == written && !keep && !removed
	if e.pending != writing && !remove {
		p.finish()
	}
	p.mu.Unlock()
	if remove {
		p.unpersist(e)
	}
}
