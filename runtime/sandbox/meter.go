package sandbox

import (
	"context"
	"errors"
	goruntime "runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

const (
	// maxSlice is how much fuel a guest may spend at most before it calls the host:
	// 0.01 to 0.25 ms, which is for how long it can hold up Go's collector. Where
	// each access is a page fault it would be 20 ms: a job begins with minSlice, and
	// each slice that was slow makes the next one shorter.
	maxSlice = 250_000
	minSlice = 4_000
	// slow is how long a slice may take before the next one is made shorter.
	slow = 200 * time.Microsecond
	// turn is how long a guest runs before others get their turn, and before the
	// end of its time is looked for: each turn wakes another thread, which costs as
	// much as a tenth of a job.
	turn = time.Millisecond
	// long is how long a job runs before it gives way to jobs that begin: then it
	// sleeps a turn for each that it runs. All short jobs end before.
	long = 10 * time.Millisecond
)

// meter counts what one instance spends, and stops it.
type meter struct {
	plugin      *Plugin
	fuel, stack api.MutableGlobal // the guest's counters

	ctx      context.Context
	deadline time.Time
	limit    int64 // fuel
	slice    int64 // what the guest is given next
	granted  int64 // the slice that the guest is spending
	spent    int64 // what was spent before it
	lowest   int64 // stack left at the deepest yield
	started  time.Time
	turned   time.Time
	resumed  time.Time // when the guest was given its slice
	begun    int64     // jobs of the engine that had begun at the turn before
}

// start readies the meter for a job, or for opening the plugin.
func (m *meter) start(ctx context.Context, deadline time.Time, limits *Limits) {
	m.ctx, m.deadline = ctx, deadline
	m.limit, m.slice, m.granted, m.spent = limits.Fuel, minSlice, 0, 0
	m.lowest = int64(limits.Stack)
	m.started = time.Now()
	m.turned, m.resumed = m.started, m.started
	if m.fuel != nil {
		m.fuel.Set(0)
	}
}

// attach finds the counters of a guest that was just instantiated.
func (m *meter) attach(mod api.Module) {
	m.fuel, _ = mod.ExportedGlobal(rewrite.Fuel).(api.MutableGlobal)
	m.stack, _ = mod.ExportedGlobal(rewrite.Stack).(api.MutableGlobal)
}

// total is what was spent so far.
func (m *meter) total() int64 { return m.spent + m.granted - int64(m.fuel.Get()) }

// stopped is what the meter panics with to stop a guest.
type stopped struct{ why *question.Error }

func (s stopped) Error() string { return s.why.Error() }

// yield is what the guest calls when fuel or stack is below 0. It returns the
// next slice, or panics. Go's collector can stop the world here, and others get
// their turn.
func (m *meter) yield(fuel, stack int64) int64 {
	m.lowest = min(m.lowest, stack)
	m.spent += m.granted - fuel
	m.granted = fuel // so that total is right if the guest stops here
	limits := &m.plugin.limits
	switch {
	case stack < 0:
		panic(stopped{question.Errorf(question.CodeDepthLimit, "its calls nest deeper than the limit of %s of native stack", humanBytes(limits.Stack))})
	case m.spent > m.limit:
		panic(stopped{question.Errorf(question.CodeFuelLimit, "it did more than the limit of %d units of fuel", m.limit)})
	}
	now := time.Now()
	switch took := now.Sub(m.resumed); {
	case took > slow:
		m.slice = max(m.slice/4, minSlice)
	case took < slow/2:
		m.slice = min(2*m.slice, maxSlice)
	}
	if now.Sub(m.turned) > turn {
		if err := m.plugin.interrupted(m.ctx, m.deadline); err != nil {
			panic(stopped{err})
		}
		m.giveWay(now)
		now = time.Now()
		m.turned = now
	}
	m.resumed = now
	m.granted = min(m.slice, m.limit-m.spent) // so that it stops at the same point however long the slices are
	return m.granted
}

// giveWay gives others their turn. Two long jobs do not wait for each other.
func (m *meter) giveWay(now time.Time) {
	begun := m.plugin.engine.begun.Load()
	others := begun != m.begun
	m.begun = begun
	if others && now.Sub(m.started) > long {
		time.Sleep(now.Sub(m.turned))
	} else {
		goruntime.Gosched()
	}
}

// charge takes units of fuel for what the host does for the guest.
func (m *meter) charge(units int64) {
	left := int64(m.fuel.Get()) - units
	if left < 0 {
		m.fuel.Set(uint64(left)) // what the guest is stopped with
		left = m.yield(left, m.lowest)
	}
	m.fuel.Set(uint64(left))
}

// interrupted says why a job that began under ctx has to end, nil if it has not.
func (p *Plugin) interrupted(ctx context.Context, deadline time.Time) *question.Error {
	switch err := ctx.Err(); {
	case p.stopped.Err() != nil:
		return question.Errorf(question.CodeCancelled, "the job was stopped: %w", errStopped)
	case errors.Is(err, context.DeadlineExceeded):
		return question.Errorf(question.CodeTimeLimit, "it ran into the caller's deadline: %w", context.DeadlineExceeded)
	case err != nil:
		return question.Errorf(question.CodeCancelled, "the job was cancelled: %w", context.Canceled)
	case time.Now().After(deadline):
		return question.Errorf(question.CodeTimeLimit, "it ran longer than the limit of %s", p.limits.Time)
	default:
		return nil
	}
}
