package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Run starts a job that is pending in the store, whichever process accepted it, and returns
// it once it has ended. A job that has ended already, or that another process is running
// within its lease, is returned as it is. Neither a full intake nor Drain prevents a run. When
// ctx ends first, and when the pool stops, the run is interrupted, does not count, and
// the job is returned as pending, without an error. Errors are those of Get; after
// CodeStoreUnavailable, too, the job stays pending.
func (p *Pool) Run(ctx context.Context, id string) (*question.Job, error) {
	job, err := p.take(ctx, id, nil)
	if held := (heldError{}); errors.As(err, &held) {
		return job, nil
	}
	return job, err
}

// take is Run, but returns a heldError if the job must not be started here now. stored is
// the job's record if it was just read, otherwise nil.
func (p *Pool) take(ctx context.Context, id string, stored *question.Job) (*question.Job, error) {
	e, job, err := p.adopt(ctx, id, stored)
	if e == nil {
		return job, err
	}
	select {
	case p.work <- e:
	case <-e.done: // cancelled
	case <-ctx.Done():
	case <-p.running.Done():
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		p.interrupt(e) //nolint:contextcheck // see Pool.call
	case <-p.running.Done(): // its worker requeues it
		p.mu.Lock()
		waits := e.phase == waiting
		p.mu.Unlock()
		if waits {
			return job, nil
		}
	}
	select {
	case <-e.done:
	case <-time.After(reserve): // its outcome is being stored, or it waits for its turn again
		return job, nil
	}
	switch {
	case e.job.Status.Final():
		return e.job, nil
	case e.err == nil || question.CodeOf(e.err) == question.CodeShuttingDown:
		return job, nil
	default:
		return job, e.err
	}
}

// interrupt interrupts a run whose caller has no more time. A job that was accepted here and
// has not started waits for its turn again.
func (p *Pool) interrupt(e *entry) {
	p.mu.Lock()
	e.claimed = false
	mine := (!e.submitted || e.phase != waiting) && p.claim(e)
	p.mu.Unlock()
	if mine {
		p.release(e, nil)
	}
}

// adopt returns the entry of a job that the caller must hand to a worker. Without an entry,
// it returns the job if it has ended or is running here, or the error that prevents it.
func (p *Pool) adopt(ctx context.Context, id string, stored *question.Job) (e *entry, job *question.Job, err error) {
	if _, err := question.ParseID(id); err != nil {
		return nil, nil, err
	}
	if e, job, err = p.enter(id, stored); e != nil || job != nil {
		return e, job, err
	}
	if stored, err = p.store.Get(ctx, id); err != nil {
		return nil, nil, err
	}
	if stored.Status.Final() {
		p.deletePending(id) //nolint:contextcheck // the process that ended it may have died before that
		return nil, stored, nil
	}
	return p.enter(id, stored)
}

// enter is adopt without the store: for a job that this process holds or has just ended, or
// whose record was just read.
func (p *Pool) enter(id string, stored *question.Job) (*entry, *question.Job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if final := p.recent.get(id); final != nil {
		return nil, final, nil
	}
	e := p.live[id]
	switch {
	case e == nil && stored == nil:
		return nil, nil, nil
	case e == nil:
		queued := *stored
		queued.Status, queued.Started = question.Queued, time.Time{}
		e = newEntry(id)
		e.job, e.stored, e.since = &queued, stored, time.Now()
		p.live[id] = e
		p.changed(&queued)
	case e.idle():
		stored = e.job
	default:
		return nil, e.job, heldError{p.lease}
	}
	e.claimed = true
	return e, stored, nil
}

// Deliver runs the job that a message names. It reports whether the message is done and must
// be deleted; otherwise it must become visible again after that time.
func (p *Pool) Deliver(ctx context.Context, m question.Message) (done bool, after time.Duration) {
	log := p.cfg.Log.With("job", m.ID, "deliveries", m.ReceiveCount)
	begin, again := time.Now(), min(time.Second<<min(max(m.ReceiveCount, 1), 20), 5*time.Minute)
	job, err := p.take(ctx, m.ID, nil)
	held := heldError{}
	switch code := question.CodeOf(err); {
	case err == nil && job.Status.Final():
		log.Debug("a message is done", "question", job.Request.Question, "status", job.Status, "attempts", job.Attempts, "ms", time.Since(begin).Milliseconds())
		return true, 0
	case err == nil: // it was interrupted
		return false, 0
	case errors.As(err, &held):
		return false, held.after + rand.N(p.lease/4) //nolint:gosec // so that processes do not try at the same moment
	case code == question.CodeBadID:
		log.Warn("a message that does not name a job is left to the dead-letter queue", "error", err)
		return false, again
	case code == question.CodeUnknownJob:
		// It was never accepted, or it ended so long ago that its outcome was removed.
		log.Warn("a message names a job that is not in the store: it is dropped")
		return true, 0
	case code == question.CodeInternal && ctx.Err() == nil && !transient(err):
		// Its record is damaged, and will be the next time. Its request is lost.
		created, _ := question.ParseID(m.ID)
		_, err = p.endStored(failed(&question.Job{ID: m.ID, Created: created}, p.now(), question.AsError(err))) //nolint:contextcheck // see Pool.call
		if err == nil {
			return true, 0
		}
	}
	log.Warn("a job cannot be run now: it comes again", "after", again, "error", err)
	return false, again
}

// receive runs jobs from the queue until the pool drains or stops.
func (p *Pool) receive() {
	const batch = 10 // what one request to SQS returns
	slots := make(chan struct{}, prefetch*p.cfg.Workers)
	pause := time.Second
	for {
		select { // wait for room
		case slots <- struct{}{}:
			<-slots
		case <-p.taking.Done():
			return
		}
		messages, err := p.cfg.Queue.Receive(p.taking, min(batch, cap(slots)-len(slots)))
		for _, m := range messages {
			slots <- struct{}{}
			p.wg.Go(func() {
				p.deliver(m)
				<-slots
			})
		}
		if err == nil {
			pause = time.Second
			continue
		}
		if p.taking.Err() != nil {
			return
		}
		p.cfg.Log.Warn("nothing can be received from the queue: trying again", "after", pause, "error", err)
		sleep(p.taking, pause)
		pause = min(2*pause, 30*time.Second)
	}
}

// deliver runs the job that a message names, and deletes or returns the message.
func (p *Pool) deliver(m question.Message) {
	done, after := p.Deliver(p.running, m)
	ctx, cancel := p.call()
	defer cancel()
	var err error
	if done {
		err = p.cfg.Queue.Delete(ctx, m)
	} else {
		err = p.cfg.Queue.ChangeVisibility(ctx, m, after)
	}
	if err != nil { // it is delivered again
		p.cfg.Log.Warn("the queue cannot be told what became of a message", "job", m.ID, "ended", done, "error", err)
	}
}
