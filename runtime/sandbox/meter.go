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
	// maxSlice is the most fuel that a guest may spend before it calls the host. It
	// takes 0.01 to 0.25 ms, for which the guest can hold up Go's garbage collector.
	// If every access is a page fault it would take 20 ms. So a job begins with
	// minSlice, and a slow slice makes the next one shorter.
	maxSlice = 250_000
	minSlice = 4_000
	// slow is how long a slice may take before the next one is made shorter.
	slow = 200 * time.Microsecond
	// turn is how long a guest runs before it lets others run and its deadline is
	// checked. Yielding to the scheduler wakes another thread, which costs as much as
	// a tenth of a job.
	turn = time.Millisecond
	// long is how long a job runs before it yields to jobs that start after it: from
	// then on it sleeps one turn for each that it runs. Short jobs end before that.
	long = 10 * time.Millisecond
	// maxSleep bounds that sleep: a longer turn was a pause of the process.
	maxSleep = 20 * turn
)

// meter counts the fuel that one instance spends, and stops the instance at a limit.
type meter struct {
	plugin      *Plugin
	fuel, stack api.MutableGlobal // the guest's counters

	ctx     context.Context
	time    *stopwatch
	limit   int64 // fuel
	slice   int64 // fuel that the guest is given next
	granted int64 // fuel of the current slice
	spent   int64 // fuel spent before the current slice
	lowest  int64 // stack left at the deepest yield
	started time.Time
	turned  time.Time
	resumed time.Time // when the guest was given its slice
	begun   int64     // the engine's count of started jobs at the previous turn
}

// start prepares the meter for a job, or for opening the plugin.
func (m *meter) start(ctx context.Context, t *stopwatch, limits *Limits) {
	m.ctx, m.time = ctx, t
	m.limit, m.slice, m.granted, m.spent = limits.Fuel, minSlice, 0, 0
	m.lowest = int64(limits.Stack)
	m.started = time.Now()
	m.turned, m.resumed = m.started, m.started
	if m.fuel != nil {
		m.fuel.Set(0)
	}
}

// attach finds the counters of a newly instantiated guest.
func (m *meter) attach(mod api.Module) {
	m.fuel, _ = mod.ExportedGlobal(rewrite.Fuel).(api.MutableGlobal)
	m.stack, _ = mod.ExportedGlobal(rewrite.Stack).(api.MutableGlobal)
}

// total is the fuel spent so far.
func (m *meter) total() int64 { return m.spent + m.granted - int64(m.fuel.Get()) }

// stopped is the value that the meter panics with to stop a guest.
type stopped struct{ why *question.Error }

func (s stopped) Error() string { return s.why.Error() }

// yield is called by the guest when its fuel or stack counter is below 0. It returns
// the next slice, or panics. Go's garbage collector can stop the world here, and
// other goroutines get to run.
func (m *meter) yield(fuel, stack int64) int64 {
	m.lowest = min(m.lowest, stack)
	m.spent += m.granted - fuel
	m.granted = fuel // keeps total right if the guest stops here
	limits := &m.plugin.limits
	switch {
	case stack < 0:
		panic(stopped{question.Errorf(question.CodeDepthLimit, "its calls nested deeper than the limit of %s of native stack", humanBytes(limits.Stack))})
	case m.spent > m.limit:
		panic(stopped{question.Errorf(question.CodeFuelLimit, "it used more than the limit of %d units of fuel", m.limit)})
	}
	now := time.Now()
	switch took := now.Sub(m.resumed); {
	case took > slow:
		m.slice = max(m.slice/4, minSlice)
	case took < slow/2:
		m.slice = min(2*m.slice, maxSlice)
	}
	if now.Sub(m.turned) > turn {
		if err := m.plugin.interrupted(m.ctx, m.time); err != nil {
			panic(stopped{err})
		}
		m.yieldTurn(now)
		now = time.Now()
		m.turned = now
	}
	m.resumed = now
	m.granted = min(m.slice, m.limit-m.spent) // the guest stops at the same point whatever the slices were
	return m.granted
}

// yieldTurn lets other goroutines run. Two long jobs do not wait for each other.
func (m *meter) yieldTurn(now time.Time) {
	begun := m.plugin.engine.begun.Load()
	others := begun != m.begun
	m.begun = begun
	if others && now.Sub(m.started) > long {
		time.Sleep(min(now.Sub(m.turned), maxSleep))
	} else {
		goruntime.Gosched()
	}
}

// charge takes units of fuel for work that the host does for the guest.
func (m *meter) charge(units int64) {
	left := int64(m.fuel.Get()) - units
	if left < 0 {
		m.fuel.Set(uint64(left)) // in case yield stops the guest
		left = m.yield(left, m.lowest)
	}
	m.fuel.Set(uint64(left))
}

func (p *Plugin) tooLong() *question.Error {
	return question.Errorf(question.CodeTimeLimit, "it ran longer than the limit of %s", p.limits.Time)
}

// interrupted returns the reason why a job under ctx and t has to end, or nil.
func (p *Plugin) interrupted(ctx context.Context, t *stopwatch) *question.Error {
	switch err := ctx.Err(); {
	case p.stopped.Err() != nil:
		return question.Errorf(question.CodeCancelled, "the job was stopped: %w", errStopped)
	case errors.Is(err, context.DeadlineExceeded):
		return question.Errorf(question.CodeTimeLimit, "the caller's deadline passed: %w", context.DeadlineExceeded)
	case err != nil:
		return question.Errorf(question.CodeCancelled, "the job was cancelled: %w", context.Canceled)
	case t.exceeded():
		return p.tooLong()
	default:
		return nil
	}
}
