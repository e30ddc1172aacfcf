package sandbox

import (
	"cmp"
	"fmt"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// Defaults of Limits.
const (
	DefaultMemoryLimit = 64 << 20
	DefaultFuel        = 100_000_000_000
	DefaultTimeLimit   = 5 * time.Second
	DefaultStack       = rewrite.DefaultStack
	DefaultResultLimit = 4 << 20
	DefaultLogLimit    = 4 << 20
)

// Limits is what one plugin may use. A field that is 0 stands for the default.
type Limits struct {
	// Memory is linear memory beyond the columns of the dataset, in bytes.
	Memory uint64
	// Fuel is work, in the units of package rewrite, of one job and of opening the
	// plugin. A typical core burns 10^9 in a second or less; the same job spends the
	// same on every machine.
	Fuel int64
	// Time is the wall-clock time of one job, from when it gets its sandbox, and of
	// opening the plugin.
	Time time.Duration
	// Stack is native stack, in bytes: it bounds how deep calls nest.
	Stack uint64
	// Result is what the columns of one result may have, in bytes.
	Result uint64
	// Log is what one job may write to the log, in bytes; a line counts as at least
	// 32. Only the first lines are passed on; more than the limit ends the job.
	Log uint64
}

// Over returns l with base in place of what is 0.
func (l Limits) Over(base Limits) Limits {
	return Limits{
		Memory: cmp.Or(l.Memory, base.Memory),
		Fuel:   cmp.Or(l.Fuel, base.Fuel),
		Time:   cmp.Or(l.Time, base.Time),
		Stack:  cmp.Or(l.Stack, base.Stack),
		Result: cmp.Or(l.Result, base.Result),
		Log:    cmp.Or(l.Log, base.Log),
	}
}

// Bounds of Limits.Stack: what any guest needs, and what wazero can give.
const (
	minStack = 64 << 10
	maxStack = 64 << 20
)

func (l *Limits) validate() error {
	switch {
	case l.Memory < wasmPage || l.Memory > maxMemory:
		return fmt.Errorf("the memory limit is %d bytes; from %d (one page) to %d (4 GiB)", l.Memory, wasmPage, uint64(maxMemory))
	case l.Fuel < 0:
		return fmt.Errorf("the fuel is %d units; it must be above 0", l.Fuel)
	case l.Time < 0:
		return fmt.Errorf("the time limit is %s; it must be above 0", l.Time)
	case l.Stack < minStack || l.Stack > maxStack:
		return fmt.Errorf("the stack is %d bytes; from %d to %d", l.Stack, minStack, maxStack)
	}
	return nil
}
