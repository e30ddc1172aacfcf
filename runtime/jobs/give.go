package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// reserve is how long before a caller's time is up Submit stops waiting for the
// job, so that it can be stored, and handed over, in that time.
const reserve = 500 * time.Millisecond

var (
	errHanded   = errors.New("the job was handed over")
	errTimeIsUp = errors.New("the time for this run is up")
)

// handOver gives away, in Submit, a job that has not ended within Config.Grace: it
// is stored as one that nobody has started. One that is ending stays here.
func (p *Pool) handOver(ctx context.Context, e *entry) (*question.Job, error) {
	p.mu.Lock()
	if !p.claim(e, errHanded) {
		p.mu.Unlock()
		return e.wait(ctx)
	}
	e.pending = writing
	job := *e.job
	job.Status, job.Started, job.Attempts = question.Queued, time.Time{}, 0
	p.mu.Unlock()

	err := p.persist(e, &job) //nolint:contextcheck // see Pool.call
	if err == nil {
		err = p.cfg.Hand(ctx, &job)
	}
	p.end(e, nil, err, err == nil) //nolint:contextcheck // see Pool.call
	if err != nil {                // it is not accepted, so nobody is to find it
		return nil, err
	}
	return &job, nil
}

// Run takes up a job that is pending in the store, whoever submitted it, and
// returns it once it has ended; one that has ended already is returned as it is.
// Neither a full queue nor Drain keeps it out. When ctx ends first, and when the
// pool stops, the run is interrupted, the attempt does not count, and the job is
// returned as pending, without an error. Errors are those of Get; after
// CodeStoreUnavailable, too, the job stays pending.
//
// Two runs of one job do no harm: the outcome that is stored first is the job's.
func (p *Pool) Run(ctx context.Context, id string) (*question.Job, error) {
	read := time.Now()
	job, e, err := p.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if job.Status.Final() {
		p.deletePending(id) //nolint:contextcheck // whoever ended it may have died before that
		return job, nil
	}
	mine := false
	if e == nil {
		if e, mine, err = p.takeUpOne(ctx, job, read, true); err != nil {
			return job, nil //nolint:nilerr // the time was up before its turn came
		}
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		if !mine {
			return job, nil
		}
		p.interrupt(e) //nolint:contextcheck // see Pool.call
		select {
		case <-e.done:
		case <-time.After(reserve): // its outcome is being stored
			return job, nil
		}
	}
	switch {
	case e.final != nil:
		return e.final, nil
	case errors.Is(e.err, errTimeIsUp) || question.CodeOf(e.err) == question.CodeShuttingDown:
		return job, nil
	default:
		return nil, e.err
	}
}

// Fail ends a job that nobody will run as failed, because of why, unless it has ended;
// it returns how it ended. Of a job whose pending record is damaged what it asked is
// lost. Errors are those of Get; after them the job is as it was.
func (p *Pool) Fail(ctx context.Context, id string, why *question.Error) (*question.Job, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	job, err := p.store.Get(ctx, id)
	switch {
	case question.CodeOf(err) == question.CodeInternal && !transient(err): // damaged
		job = &question.Job{ID: id, Status: question.Queued, Created: created(id)}
	case err != nil:
		return nil, err
	case job.Status.Final():
		p.deletePending(id) //nolint:contextcheck // whoever ended it may have died before that
		return job, nil
	}
	return p.endStored(failed(job, why)) //nolint:contextcheck // see Pool.call
}

// RunLost runs, one after the other, the n oldest jobs that are pending in the store
// and in nobody's hands: accepted, and last started, longer ago than Config.Lost. It is for a frozen pool, of which nothing else does, and returns when ctx
// ends, too. The error is CodeStoreUnavailable.
func (p *Pool) RunLost(ctx context.Context, n int) error {
	oldest, err := p.store.Pending(ctx, "", n)
	if err != nil {
		return err
	}
	for i := 0; i < len(oldest) && ctx.Err() == nil; i++ {
		if p.recently(oldest[i].Created) || p.recently(oldest[i].Started) {
			continue
		}
		if _, err := p.Run(ctx, oldest[i].ID); err != nil && transient(err) {
			return err
		}
	}
	return nil
}

// interrupt lets go a job that was taken up, unless it is ending. That its caller
// has no more time is not its fault: the attempt does not count.
func (p *Pool) interrupt(e *entry) {
	p.mu.Lock()
	if e.phase == running && e.checked && e.pending == writing {
		e.late = true // its worker puts it back when the record is there
		p.mu.Unlock()
		return
	}
	mine, started := p.claim(e, errTimeIsUp), e.checked
	p.mu.Unlock()
	switch {
	case !mine:
	case started:
		p.putBack(e, errTimeIsUp)
	default:
		p.letGo(e, errTimeIsUp)
	}
}
