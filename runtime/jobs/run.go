package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// heldError means that a job must not be started here now: another process is running it,
// or this process does not know its question.
type heldError struct{ after time.Duration } // when to try again

func (e heldError) Error() string { return fmt.Sprintf("it can be tried again after %v", e.after) }

// worker runs jobs, and requests without one, until the pool stops.
func (p *Pool) worker() {
	for {
		select {
		case e := <-p.work:
			p.run(e)
		case a := <-p.asked:
			p.ask(a)
		case <-p.running.Done():
			return
		}
	}
}

// run takes one job to its end.
func (p *Pool) run(e *entry) {
	ctx, interrupt := context.WithCancel(p.running)
	defer interrupt()
	p.mu.Lock()
	if e.phase != waiting {
		p.mu.Unlock()
		return // it was ended meanwhile
	}
	e.phase, e.interrupt = running, interrupt
	recorded, covered := e.stored != nil, time.Time{}
	if recorded && e.submitted { // no other process starts it before that
		covered = e.since.Add(e.stored.Lease)
	}
	next := *e.job
	next.Status, next.Started = question.Running, p.now()
	next.Attempts++
	job := &next
	e.job = job
	p.changed(job)
	p.checkDrained()
	p.mu.Unlock()
	if recorded && time.Until(covered) < p.lease {
		if job = p.begin(e); job == nil {
			return
		}
	}

	p.logLife(slog.LevelDebug, "job started", job, slog.Int("attempt", job.Attempts))
	watched := make(chan struct{})
	watch := time.AfterFunc(min(watchEvery, p.lease), func() {
		defer close(watched)
		p.watch(ctx, e)
	})
	answer, err := p.answer(ctx, job, recorded)
	interrupt()
	if !watch.Stop() {
		<-watched
	}
	if !p.tryClaim(e) {
		return // Cancel, a failed Submit or watch ended it first
	}
	switch {
	case err != nil && p.running.Err() != nil:
		p.release(e, question.Errorf(question.CodeShuttingDown, "the service was shut down before the job was accepted"))
	case recorded && p.returnUnknown(e, err):
	default:
		outcome := p.outcome(job, answer, err)
		select {
		case p.writers <- struct{}{}:
			p.wg.Go(func() {
				p.finish(e, outcome)
				<-p.writers
			})
		default:
			p.finish(e, outcome)
		}
	}
}

// claim moves a job that has not ended to ending, so that only the caller ends it.
// It returns false if another goroutine already does. p.mu is held.
func (p *Pool) claim(e *entry) bool {
	if e.phase >= ending {
		return false
	}
	if e.phase == running {
		e.interrupt()
	}
	e.phase = ending
	return true
}

func (p *Pool) tryClaim(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claim(e)
}

// begin prepares the run of a job that another process may have started. If the job has not
// ended, is not running elsewhere and was not started too often, begin records the start and
// returns the record. Otherwise it removes the job from the pool and returns nil.
func (p *Pool) begin(e *entry) *question.Job {
	e.record <- struct{}{}
	next, final, err := p.prepare(e)
	if next != nil {
		p.mu.Lock()
		if e.phase != running {
			p.mu.Unlock()
			<-e.record
			return nil
		}
		e.job, e.stored, e.since, e.begun = next, next, time.Now(), true
		p.changed(next)
		p.mu.Unlock()
		ctx, cancel := p.call()
		err = p.store.PutPending(ctx, next)
		cancel()
	}
	<-e.record
	switch {
	case final != nil && !final.Status.Final(): // it was started too often
		if p.tryClaim(e) {
			p.finish(e, failed(final, p.now(), question.Errorf(question.CodeTooManyAttempts,
				"the job was started %d times and never ended, so it is not started again; the log of those runs may say why", final.Attempts)))
		}
	case final != nil:
		if p.tryClaim(e) {
			p.end(e, final, nil, removeRecord)
		}
	case err != nil:
		if p.tryClaim(e) {
			p.release(e, err)
		}
	default:
		return next
	}
	return nil
}

// prepare returns the record of a new start as next. If the job has ended or was started too
// often, it returns it as final. Otherwise it returns why the job cannot be started now.
func (p *Pool) prepare(e *entry) (next, final *question.Job, err error) {
	ctx, cancel := p.call()
	defer cancel()
	stored := e.stored
	if time.Since(e.since) > believed {
		if stored, err = p.store.Get(ctx, e.id); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case stored.Status.Final():
		return nil, stored, nil
	case stored.Status == question.Running: // elsewhere
		left, err := p.leaseLeft(ctx, stored)
		if err != nil {
			return nil, nil, err
		}
		if left > 0 {
			return nil, nil, heldError{left}
		}
	}
	if stored.Attempts >= p.cfg.MaxAttempts {
		return nil, stored, nil
	}
	job := *stored
	job.Status, job.Started, job.Lease = question.Running, p.now(), p.lease
	job.Attempts++
	return &job, nil, nil
}

// watch ends a run whose job was ended elsewhere, or whose lease is over, so that another
// process may start it.
func (p *Pool) watch(ctx context.Context, e *entry) {
	over := time.NewTimer(p.lease - watchEvery)
	defer over.Stop()
	again := time.NewTicker(watchEvery)
	defer again.Stop()
	for {
		p.mu.Lock()
		recorded := e.stored != nil // otherwise no client knows its id yet
		p.mu.Unlock()
		if recorded {
			if job, err := p.store.Get(ctx, e.id); err == nil && job.Status.Final() && p.tryClaim(e) {
				p.end(e, job, nil, removeRecord) //nolint:contextcheck // see Pool.call
				return
			}
		}
		select {
		case <-again.C:
		case <-over.C:
			if !recorded { // Submit decides what happens to it
				<-ctx.Done()
			} else if p.tryClaim(e) {
				p.cfg.Log.Warn("a run does not end: it is left to another process", "job", e.id, "after", p.lease)
				p.end(e, nil, heldError{p.lease}, keepRecord) //nolint:contextcheck // see Pool.call
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// answer asks the runner. If the runner does not know the question of a job that another
// process may have accepted, it refreshes its questions and is asked again.
func (p *Pool) answer(ctx context.Context, job *question.Job, recorded bool) (*question.Answer, error) {
	answer, err := p.answerOnce(ctx, job.ID, job.Request)
	if !recorded || question.CodeOf(err) != question.CodeUnknownQuestion {
		return answer, err
	}
	if err := p.runner.Refresh(ctx); err != nil {
		p.cfg.Log.Warn("no look for new questions", "job", job.ID, "error", err)
	}
	return p.answerOnce(ctx, job.ID, job.Request)
}

// answerOnce asks the runner and turns a panic into an error. id is that of the job, "" if
// there is none.
func (p *Pool) answerOnce(ctx context.Context, id string, req question.Request) (answer *question.Answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.cfg.Log.Error("a job panicked", "job", id, "question", req.Question, "panic", v, "stack", string(debug.Stack()))
			answer, err = nil, question.Errorf(question.CodeInternal, "the program failed at this job, which is a defect of it: its log says more")
		}
	}()
	answer, err = p.runner.Answer(ctx, req)
	if err == nil && (answer == nil || answer.Table == nil) {
		err = question.Errorf(question.CodeInternal, "the question %q has no answer and no error, which is a defect of the program", req.Question)
	}
	return answer, err
}

// returnUnknown requeues a claimed job whose question is unknown here, for a process that
// knows it. It returns false if the job was returned too often.
func (p *Pool) returnUnknown(e *entry, err error) bool {
	p.mu.Lock()
	job := e.stored
	if e.begun { // otherwise the record does not describe the run
		job = notStarted(job)
	}
	p.mu.Unlock()
	if question.CodeOf(err) != question.CodeUnknownQuestion || job.Returned >= maxReturns || p.cfg.OnDemand && p.cfg.Queue == nil {
		return false
	}
	pause := 2 * time.Second << job.Returned
	back := *job
	back.Returned, back.Lease = job.Returned+1, pause
	if put := p.put(e, &back); put != nil {
		p.cfg.Log.Warn("a job whose question is not known here is not given back", "job", job.ID, "error", put)
		return false
	}
	p.logLife(slog.LevelInfo, "job requeued", job, slog.Any("error", err), slog.Duration("after", pause))
	p.end(e, nil, heldError{pause}, keepRecord)
	return true
}

// maxReturns is how often a job is requeued by processes that do not know its question.
const maxReturns = 2

// outcome returns the outcome of a run.
func (p *Pool) outcome(job *question.Job, answer *question.Answer, err error) *question.Job {
	if err != nil {
		return failed(job, p.now(), question.AsError(err))
	}
	out := *job
	out.Status, out.Finished, out.Lease, out.Returned = question.Done, p.now(), 0, 0
	out.Result, out.Provenance = answer.Table, answer.Provenance
	out.Coverage, out.Caveats, out.Receipt = answer.Coverage, answer.Caveats, answer.Receipt
	return &out
}

func failed(job *question.Job, at time.Time, err *question.Error) *question.Job {
	out := *job
	out.Status, out.Finished, out.Lease, out.Returned = question.Failed, at, 0, 0
	out.Result, out.Provenance, out.Error = nil, nil, err
	out.Coverage, out.Caveats, out.Receipt = nil, nil, nil
	return &out
}

// finish stores the outcome of a job that the caller has claimed, and ends it. If
// the store does not take it, the job is released.
func (p *Pool) finish(e *entry, outcome *question.Job) {
	final, stored, err := p.putOutcome(outcome)
	if stored {
		p.end(e, final, err, removeRecord)
		return
	}
	p.cfg.Log.Warn("an outcome cannot be stored", "job", outcome.ID, "status", outcome.Status, "error", err)
	p.release(e, err)
}

// putOutcome stores an outcome with a bounded number of tries. stored reports that the job
// has an outcome now. final is that outcome, which may be another process's, or nil if it
// cannot be read.
func (p *Pool) putOutcome(outcome *question.Job) (final *question.Job, stored bool, err error) {
	backoff := 50 * time.Millisecond
	for try := range 4 {
		if try > 0 && !sleep(p.running, backoff) {
			break
		}
		if try > 0 {
			backoff *= 4
		}
		var created bool
		created, err = p.putOnce(outcome)
		if err != nil && !transient(err) && outcome.Status == question.Done {
			// The store works, but cannot store this result.
			outcome = failed(outcome, outcome.Finished, question.Errorf(question.CodeInternal, "the result cannot be stored: %w", err))
			created, err = p.putOnce(outcome)
		}
		if err != nil {
			continue
		}
		if created {
			p.ended(outcome)
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

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// transient reports whether a call to the store may succeed another time.
func transient(err error) bool {
	return question.CodeOf(err) == question.CodeStoreUnavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// release removes a claimed job without an outcome from the pool. Its record stays, if it has
// one, and the interrupted run does not count.
func (p *Pool) release(e *entry, why error) { p.end(e, nil, why, requeueRecord) }

// notStarted returns the record of a job as it was before its start here.
func notStarted(job *question.Job) *question.Job {
	out := *job
	out.Status, out.Started, out.Lease = question.Queued, time.Time{}, 0
	out.Attempts--
	return &out
}

// fate says what happens to the pending record of a job that leaves the pool.
type fate uint8

const (
	removeRecord  fate = iota
	keepRecord         // as it is
	requeueRecord      // as it was before the start here
)

// end removes a claimed job from the pool and wakes those who wait for it. That comes last,
// because an on-demand process may stand still as soon as nobody waits.
func (p *Pool) end(e *entry, final *question.Job, why error, fate fate) {
	e.record <- struct{}{}
	defer func() { <-e.record }()
	switch {
	case e.stored == nil:
	case fate == removeRecord:
		p.deletePending(e.id)
	case fate == requeueRecord && e.begun:
		p.logLife(slog.LevelInfo, "job requeued", e.stored, slog.Any("error", why))
		ctx, cancel := p.call()
		if err := p.store.PutPending(ctx, notStarted(e.stored)); err != nil {
			p.cfg.Log.Warn("the start of an interrupted job may count as one", "job", e.id, "error", err)
		}
		cancel()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.phase, e.err = gone, why
	if final != nil {
		e.job = final
		p.recent.put(final)
		p.changed(final)
	}
	delete(p.live, e.id)
	if p.draining {
		p.unwatch(e.id)
	}
	if e.submitted {
		p.intake--
	}
	if e.stored != nil && fate != removeRecord && p.running.Err() != nil {
		p.released++
	}
	close(e.done)
	p.checkDrained()
}

// deletePending removes a pending record. One that cannot be removed is found and
// removed later.
func (p *Pool) deletePending(id string) {
	ctx, cancel := p.call()
	defer cancel()
	if err := p.store.DeletePending(ctx, id); err != nil {
		p.cfg.Log.Debug("a pending record cannot be removed yet", "job", id, "error", err)
	}
}
