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

// Limits is what one plugin may use. A zero field stands for the default.
type Limits struct {
	// Memory is the linear memory beyond the dataset's columns, in bytes.
	Memory uint64
	// Fuel is the work of one job, and of opening the plugin, in the units of package
	// rewrite. A typical core spends 10^9 in a second or less. The same job spends the
	// same on every machine.
	Fuel int64
	// Time is the wall-clock time of one job, which includes waiting for a sandbox and for
	// memory, and of opening the plugin. It does not include times during which the whole
	// process stood still for more than a second.
	Time time.Duration
	// Stack is the native stack, in bytes. It bounds how deep calls nest.
	Stack uint64
	// Result is the size of the columns of one result, in bytes.
	Result uint64
	// Log is what one job may write to the log, in bytes; each line counts as at least
	// 32. Only the first lines reach the host's log; exceeding the limit ends the job.
	Log uint64
}

// Over returns l with zero fields replaced by those of base.
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

// Bounds of Limits.Stack: the least any guest needs, and the most wazero can give.
const (
	minStack = 64 << 10
	maxStack = 64 << 20
)

func (l *Limits) validate() error {
	switch {
	case l.Memory < wasmPage || l.Memory > maxMemory:
		return fmt.Errorf("the memory limit is %d bytes; must be from %d (one page) to %d (4 GiB)", l.Memory, wasmPage, uint64(maxMemory))
	case l.Fuel < 0:
		return fmt.Errorf("the fuel limit is %d units; must be positive", l.Fuel)
	case l.Time < 0:
		return fmt.Errorf("the time limit is %s; must be positive", l.Time)
	case l.Stack < minStack || l.Stack > maxStack:
		return fmt.Errorf("the stack limit is %d bytes; must be from %d to %d", l.Stack, minStack, maxStack)
	}
	return nil
}
