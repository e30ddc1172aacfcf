package sandbox

import (
	"context"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// farAway is the deadline of what has none.
var farAway = time.Unix(1<<40, 0)

// slots are the instances of one plugin: as many as Config.Slots at most run at a
// time, and those that have nothing to do wait here, reset, for a while. Only
// instances of this plugin ever get here.
type slots struct {
	running chan struct{} // one token each

	mu     sync.Mutex
	idle   []*instance // used last is last
	closed bool
	evict  *time.Timer // nil: none was ever idle
}

// pop returns the instance that was used last; nil where none is idle.
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

// push takes in an instance that was reset, and reports whether it did.
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

// takeIdle returns the instances that were last used before an instant, and
// sees to the next eviction.
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

// close lets nothing in any more and returns what is idle.
func (s *slots) close() []*instance {
	s.mu.Lock()
	s.closed = true
	if s.evict != nil {
		s.evict.Stop()
	}
	s.mu.Unlock()
	return s.takeIdle(time.Now().Add(time.Hour), 0)
}

// count returns how many are idle.
func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.idle)
}

// jobCost is what one job may ever use, in bytes: memory, which may hold copies of
// columns that were written to, native stack and the host's copy of the result. A stack
// that is too small by one frame is replaced by one of twice its size and that frame; both
// live until it is copied. Old stack and frame are at most Limits.Stack each.
func (p *Plugin) jobCost() uint64 {
	return p.reach() + 4*p.limits.Stack + p.limits.Result
}

// acquire returns an instance that is open and has answered nothing yet. It waits
// while all slots are in use or the budget is. The caller gives it back.
func (p *Plugin) acquire(ctx context.Context) (*instance, *question.Error) {
	e := p.engine
	done, stop := ctx.Done(), p.stopped.Done()
	select {
	case p.slots.running <- struct{}{}:
	default:
		select {
		case p.slots.running <- struct{}{}:
		case <-done:
			return nil, p.neverRan(ctx, "a sandbox")
		case <-stop:
			return nil, p.neverRan(ctx, "a sandbox")
		}
	}
	if in := p.slots.pop(); in != nil {
		if e.budget.try(p.jobCost() - in.kept) {
			return in, nil
		}
		// To wait with it would be to wait for others that do so too.
		p.discard([]*instance{in}) //nolint:contextcheck // it is closed, whatever ctx says
	}
	if !e.budget.take(p.jobCost(), done, stop) {
		<-p.slots.running
		return nil, p.neverRan(ctx, "memory")
	}
	var in *instance
	var failed *question.Error
	if p.image != nil {
		var err error
		if in, err = p.slot(ctx); err != nil {
			failed = p.broken(ctx, err)
		}
	} else if in, failed = p.born(ctx, time.Now().Add(p.limits.Time)); failed == nil {
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

// giveBack ends an instance's job: the instance is reset, and waits for the next
// one. One that the guest may have left in any state (a trap, a limit) is closed,
// and so is one that has no image.
func (p *Plugin) giveBack(ctx context.Context, in *instance, whole bool) {
	e := p.engine
	in.world.log.close(ctx)
	cost := p.jobCost()
	if whole && p.image != nil {
		in.dropDeepFunctions()
		err := in.reset()
		if err != nil {
			p.log.DebugContext(ctx, "a sandbox is not used again", "why", err)
		} else if e.budget.waits() == 0 {
			e.budget.give(cost - in.kept)
			if p.slots.push(in, e.cfg.IdleFor, p.evict) {
				if e.budget.waits() > 0 { // it came after the first look, and may not have seen the slot
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

// evict closes the slots that have had nothing to do for Config.IdleFor.
func (p *Plugin) evict() {
	p.discard(p.slots.takeIdle(time.Now().Add(-p.engine.cfg.IdleFor), p.engine.cfg.IdleFor))
}

// discard closes slots that were idle.
func (p *Plugin) discard(idle []*instance) {
	for _, in := range idle {
		kept := in.kept
		in.close(context.Background())
		p.engine.budget.give(kept)
	}
}

// neverRan says why a job ended that waited, and did not begin.
func (p *Plugin) neverRan(ctx context.Context, what string) *question.Error {
	err := p.interrupted(ctx, farAway)
	switch {
	case err == nil: // which does not happen: the end of ctx or of the plugin came first
		return question.Errorf(question.CodeInternal, "it did not run: there was no %s for it", what)
	case err.Code == question.CodeTimeLimit:
		return question.Errorf(question.CodeTimeLimit, "it waited for %s until the caller's deadline, and did not run: %w", what, context.DeadlineExceeded)
	}
	return err
}

// reclaim frees what idle slots and an idle compiler hold.
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
