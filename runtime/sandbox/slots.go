package sandbox

import (
	"context"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// slots are the instances of one plugin. At most Config.Slots run at a time; idle
// ones are kept here for a while, already reset.
type slots struct {
	running chan struct{} // one token for each running job

	mu     sync.Mutex
	idle   []*instance // most recently used last
	closed bool
	evict  *time.Timer // nil until an instance becomes idle
}

// pop returns the most recently used idle instance, or nil.
func (s *slots) pop() *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	in := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	return in
}

// push adds an instance that has been reset. It reports false if slots is closed.
func (s *slots) push(in *instance, idleFor time.Duration, evict func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	in.idle = time.Now()
	s.idle = append(s.idle, in)
	switch {
	case s.evict == nil:
		s.evict = time.AfterFunc(idleFor, evict)
	case len(s.idle) == 1:
		s.evict.Reset(idleFor)
	}
	return true
}

// takeIdle removes and returns the instances last used before the given time, and
// schedules the next eviction.
func (s *slots) takeIdle(before time.Time, idleFor time.Duration) []*instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.idle) && s.idle[n].idle.Before(before) {
		n++
	}
	old := append([]*instance(nil), s.idle[:n]...)
	s.idle = append(s.idle[:0], s.idle[n:]...)
	clear(s.idle[len(s.idle):cap(s.idle)])
	if len(s.idle) > 0 && !s.closed {
		s.evict.Reset(max(time.Until(s.idle[0].idle.Add(idleFor)), time.Millisecond))
	}
	return old
}

// close stops accepting instances and returns the idle ones.
func (s *slots) close() []*instance {
	s.mu.Lock()
	s.closed = true
	if s.evict != nil {
		s.evict.Stop()
	}
	s.mu.Unlock()
	return s.takeIdle(time.Now().Add(time.Hour), 0)
}

// jobCost is the most memory that one job can use, in bytes: linear memory, which may
// hold copies of columns that were written to, native stack, and the host's copy of the
// result. A native stack that is one frame too small is replaced by one of twice its size
// plus that frame, and both exist until it has been copied. Old stack and frame are at
// most Limits.Stack each.
func (p *Plugin) jobCost() uint64 {
	return p.memoryCeiling() + 4*p.limits.Stack + p.limits.Result
}

// acquire returns an opened instance that has not answered anything. It waits while
// all slots, or the budget, are in use. The caller returns it with giveBack.
func (p *Plugin) acquire(ctx context.Context, t *stopwatch) (*instance, *question.Error) {
	e := p.engine
	done, stop := ctx.Done(), p.stopped.Done()
	select {
	case p.slots.running <- struct{}{}:
	default:
		select {
		case p.slots.running <- struct{}{}:
		case <-done:
			return nil, p.neverRan(ctx, t, "a sandbox")
		case <-stop:
			return nil, p.neverRan(ctx, t, "a sandbox")
		case <-t.expired():
			return nil, p.neverRan(ctx, t, "a sandbox")
		}
	}
	if in := p.slots.pop(); in != nil {
		if e.budget.try(p.jobCost() - in.kept) {
			return in, nil
		}
		// Waiting while holding it could deadlock with others that do the same.
		p.discard([]*instance{in}) //nolint:contextcheck // it is closed even if ctx has ended
	}
	if !e.budget.take(p.jobCost(), done, stop, t.expired()) {
		<-p.slots.running
		return nil, p.neverRan(ctx, t, "memory")
	}
	var in *instance
	var failed *question.Error
	if p.image != nil {
		var err error
		if in, err = p.slot(ctx); err != nil {
			failed = p.broken(ctx, err)
		}
	} else if in, failed = p.instantiate(ctx, t); failed == nil {
		if failed = in.open(ctx); failed != nil {
			in.close(ctx)
		}
	}
	if failed != nil {
		e.budget.give(p.jobCost())
		<-p.slots.running
		return nil, failed
	}
	return in, nil
}

// giveBack ends an instance's job. The instance is reset and kept for the next job.
// If the guest did not return (a trap, a limit), or there is no image, it is closed.
func (p *Plugin) giveBack(ctx context.Context, in *instance, returned bool) {
	e := p.engine
	in.wasi.log.close(ctx)
	cost := p.jobCost()
	if returned && p.image != nil {
		in.dropDeepFunctions()
		err := in.reset()
		if err != nil {
			p.log.DebugContext(ctx, "a sandbox is not reused", "why", err)
		} else if e.budget.waits() == 0 {
			e.budget.give(cost - in.kept)
			if p.slots.push(in, e.cfg.IdleFor, p.evict) {
				if e.budget.waits() > 0 { // a waiter that came after the first check may not have seen the slot
					p.discard(p.slots.takeIdle(time.Now(), e.cfg.IdleFor)) //nolint:contextcheck // see acquire
				}
				<-p.slots.running
				return
			}
			cost = in.kept
		}
	}
	in.close(ctx)
	e.budget.give(cost)
	<-p.slots.running
}

// evict closes the slots that have been idle for Config.IdleFor.
func (p *Plugin) evict() {
	p.discard(p.slots.takeIdle(time.Now().Add(-p.engine.cfg.IdleFor), p.engine.cfg.IdleFor))
}

// discard closes idle slots.
func (p *Plugin) discard(idle []*instance) {
	for _, in := range idle {
		kept := in.kept
		in.close(context.Background())
		p.engine.budget.give(kept)
	}
}

// neverRan returns the reason why a job ended while it was waiting.
func (p *Plugin) neverRan(ctx context.Context, t *stopwatch, what string) *question.Error {
	err := p.interrupted(ctx, t)
	switch {
	case err == nil: // cannot happen: ctx, the plugin or the time has ended
		return question.Errorf(question.CodeInternal, "it did not run: no %s was available", what)
	case err.Code == question.CodeTimeLimit:
		until := "the caller's deadline"
		if ctx.Err() == nil {
			until = "its time limit of " + p.limits.Time.String()
		}
		return question.Errorf(question.CodeTimeLimit, "it waited for %s until %s, and did not run: %w", what, until, context.DeadlineExceeded)
	}
	return err
}

// reclaim frees the memory of idle slots and of an idle compiler.
func (e *Engine) reclaim() {
	e.compilers.endIdle()
	e.mu.Lock()
	all := make([]*Plugin, 0, len(e.plugins))
	for p := range e.plugins {
		all = append(all, p)
	}
	e.mu.Unlock()
	for _, p := range all {
		p.discard(p.slots.takeIdle(time.Now(), p.engine.cfg.IdleFor))
	}
}
