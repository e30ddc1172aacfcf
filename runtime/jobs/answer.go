package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// turnLimit is how long Answer waits for a worker.
const turnLimit = 10 * time.Second

// asking is one run of a request that has no job, and those who wait for it. Pool.mu guards
// its fields; answer and err are also safe to read once done is closed.
type asking struct {
	key     string // of Pool.askings
	req     question.Request
	ctx     context.Context // of the run; ends with it
	cancel  context.CancelFunc
	waiters int
	begun   bool        // a worker has it
	late    *time.Timer // ends the wait for a worker, then the run
	settled bool
	done    chan struct{}
	answer  *question.Answer
	err     error
}

// Answer runs a request in the pool without a job: it has no id, nothing is stored, and it
// is lost with this process. It counts towards Workers and Intake as a job does. Equal
// requests, which canonical ones are that ask the same, share one run, and it is interrupted
// when the last of those who wait for it leaves. Callers share the answer and must not
// modify it. The pool keeps req, which must not be modified afterwards.
//
// Errors are *question.Error: those of the Runner, CodeShuttingDown, and CodeQueueFull also
// if no worker is free within 10 s. If ctx ends first it is CodeQueueFull or CodeTimeLimit,
// as the run has not or has begun. It works the same in a pool that is OnDemand.
func (p *Pool) Answer(ctx context.Context, req question.Request) (*question.Answer, error) {
	if err := p.runner.Check(req); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, lateError(&asking{})
	}
	key, err := json.Marshal(req) // exact, where two requests may have the same Query
	if err != nil {
		return nil, question.Errorf(question.CodeBadRequest, "the request cannot be written as JSON: %w", err)
	}
	a, err := p.join(string(key), req)
	if err != nil {
		p.cfg.Observer.Answered(req.Question, nil, err)
		return nil, err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		p.leave(a)
	}
	select {
	case <-a.done:
		return a.answer, a.err
	default:
		return nil, p.tooLate(a)
	}
}

// join adds a waiter to the run of a request, and begins one if there is none.
func (p *Pool) join(key string, req question.Request) (*asking, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.askings[key]; a != nil {
		a.waiters++
		return a, nil
	}
	if err := p.full(); err != nil {
		return nil, err
	}
	a := &asking{key: key, req: req, waiters: 1, done: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(p.running)
	a.late = time.AfterFunc(turnLimit, func() { p.settle(a, nil, p.tooLate(a)) })
	p.askings[key] = a
	p.intake++
	select {
	case p.asked <- a: // a worker is free
	default:
		p.wg.Go(func() {
			select {
			case p.asked <- a:
			case <-a.ctx.Done():
				if p.running.Err() != nil {
					p.settle(a, nil, errStopped())
				}
			}
		})
	}
	return a, nil
}

// leave removes a waiter from a run, and interrupts the run with the last one.
func (p *Pool) leave(a *asking) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.waiters--; a.waiters == 0 {
		p.settleLocked(a, nil, lateError(a))
	}
}

// ask runs an asking to its end, in a worker.
func (p *Pool) ask(a *asking) {
	p.mu.Lock()
	if a.settled {
		p.mu.Unlock()
		return
	}
	a.begun = true
	a.late.Reset(p.lease) // should the Runner not end by its own limits
	p.mu.Unlock()
	answer, err := p.answerOnce(a.ctx, "", a.req)
	if err != nil {
		err = question.AsError(err)
		if p.running.Err() != nil {
			err = errStopped()
		}
	}
	p.settle(a, answer, err)
}

// settle ends an asking, unless it has ended. err is nil or a *question.Error.
func (p *Pool) settle(a *asking, answer *question.Answer, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settleLocked(a, answer, err)
}

// settleLocked is settle; p.mu is held.
func (p *Pool) settleLocked(a *asking, answer *question.Answer, err error) {
	if a.settled {
		return
	}
	a.settled, a.answer, a.err = true, answer, err
	delete(p.askings, a.key)
	p.intake--
	a.late.Stop()
	a.cancel()
	close(a.done)
	p.cfg.Observer.Answered(a.req.Question, answer, err)
	p.checkDrained()
}

// tooLate is lateError, for those who do not hold p.mu.
func (p *Pool) tooLate(a *asking) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return lateError(a)
}

// lateError is the error of those who waited for an asking in vain. p.mu is held.
func lateError(a *asking) error {
	if a.begun {
		return question.Errorf(question.CodeTimeLimit, "the answer was not there in time: ask with POST, which makes a job")
	}
	return question.Errorf(question.CodeQueueFull, "no worker was free in time: try again in a moment")
}

func errStopped() error {
	return question.Errorf(question.CodeShuttingDown, "the service was shut down before the answer was there")
}
