// Package sandbox runs plugins: WebAssembly modules that answer questions about
// a dataset and can touch nothing else. It is the only importer of wazero.
//
// A plugin is validated, compiled and opened once, by [Engine.Load]. Each
// [Plugin.Answer] runs in memory that no other job has seen, with a clock and
// randomness that start afresh, so that an answer depends on plugin, dataset,
// question and parameters alone. Whatever a plugin does, it ends in a table or
// in a *question.Error.
package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxMemory is what 32-bit addresses reach, in bytes.
const maxMemory = 1 << 32

// Defaults of Config.
const (
	DefaultBudget  = 1 << 30
	DefaultIdleFor = time.Minute
)

// Config says what plugins may use. The zero value is good.
type Config struct {
	// CacheDir is a folder that keeps compiled plugins between runs; "" is none.
	// It holds machine code: only this program's user may write to it. A folder
	// that cannot be read or written is logged, and plugins are compiled anew.
	CacheDir string
	// Limits are those of every plugin that has none of its own.
	Limits Limits
	// Plugins holds the limits of single plugins, by the name in the manifest.
	Plugins map[string]Limits
	// Slots is how many jobs of one plugin run at a time; 0: as many as there are
	// processors for Go (GOMAXPROCS).
	Slots int
	// Budget is the memory that all plugins and jobs together may use, in bytes:
	// code, images, columns, and for each job that runs all that its limits allow.
	// Jobs wait for their share. 0: DefaultBudget, or more where one job needs more.
	Budget uint64
	// Compiler is the command line of a program that compiles plugins in a process of
	// its own, see [SelfCompiler]: code that wazero needs gigabytes or minutes for, or
	// fails on, then harms that process only. nil: plugins are compiled in this
	// process, whatever that takes.
	Compiler []string
	// Trusted reports whether a module is part of this program: then it is compiled in
	// this process. It must not keep or change wasm. nil: no module is.
	Trusted func(wasm []byte) bool
	// CompileMemory is what compiling one plugin may take beyond what the program of
	// Compiler itself has, in bytes. It comes out of Budget while something is compiled.
	// 0: DefaultCompileMemory, or a quarter of Budget where that is less.
	CompileMemory uint64
	// CompileTime is the processor time that compiling one plugin may take; it may last
	// four times as long. 0: DefaultCompileTime.
	CompileTime time.Duration
	// IdleFor is how long a sandbox is kept for the next job; 0: DefaultIdleFor.
	IdleFor time.Duration
	// Log is where plugins' log lines and the engine's warnings go; nil is
	// slog.Default().
	Log *slog.Logger

	way     way    // of resetting a memory, for tests; 0: the best there is
	largest uint64 // Limits.Memory of all plugins; validate sets it
}

func (c *Config) validate() error {
	c.Limits = c.Limits.Over(Limits{DefaultMemoryLimit, DefaultFuel, DefaultTimeLimit, DefaultStack, DefaultResultLimit, DefaultLogLimit})
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	c.largest = c.Limits.Memory
	for name, own := range c.Plugins {
		own = own.Over(c.Limits)
		if err := own.validate(); err != nil {
			return fmt.Errorf("sandbox: plugin %s: %w", name, err)
		}
		c.largest = max(c.largest, own.Memory)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Slots = cmp.Or(c.Slots, goruntime.GOMAXPROCS(0))
	c.IdleFor = cmp.Or(c.IdleFor, DefaultIdleFor)
	c.Budget = cmp.Or(c.Budget, max(DefaultBudget, 2*c.largest))
	c.CompileMemory = cmp.Or(c.CompileMemory, min(DefaultCompileMemory, c.Budget/4))
	c.CompileTime = cmp.Or(c.CompileTime, DefaultCompileTime)
	switch {
	case c.CompileTime < 0:
		return fmt.Errorf("sandbox: compiling a plugin may take %s; it must be above 0", c.CompileTime)
	case c.CompileMemory > c.Budget:
		return fmt.Errorf("sandbox: the budget is %d bytes; compiling a plugin alone may use %d", c.Budget, c.CompileMemory)
	case c.Slots < 0 || c.Slots > 1<<16:
		return fmt.Errorf("sandbox: %d slots; from 1 to %d", c.Slots, 1<<16)
	case c.IdleFor < 0:
		return fmt.Errorf("sandbox: slots are kept for %s; it must be above 0", c.IdleFor)
	case c.Budget < c.Limits.Memory:
		return fmt.Errorf("sandbox: the budget is %d bytes; one job alone may use %d", c.Budget, c.Limits.Memory)
	}
	return nil
}

// Dataset is what the sandbox asks of a dataset. Its columns must never change.
type Dataset interface {
	Column(nameOrAlias string) (*question.Column, bool)
	Columns() []question.Column
	Rows() int
	Digest() string   // "sha256:" and 64 hex digits
	SortedBy() string // name of the column by which the rows ascend; "" for none
}

// Engine compiles plugins and runs them on one dataset. Its methods are safe
// for concurrent use.
type Engine struct {
	cfg      Config
	dataset  Dataset
	platform platform
	segments segments
	columns  uint64 // bytes of all columns of the dataset, or a little more
	budget   budget

	begun, answered, spent atomic.Int64 // jobs, jobs, fuel

	compilers compilers

	gate    gate // holds: loads under way and plugins not yet released
	mu      sync.Mutex
	plugins map[*Plugin]struct{}
	closing bool            // no plugin joins plugins any more
	stopped context.Context // cancelled to stop what runs
	stopNow context.CancelCauseFunc
}

// errStopped is the cause of a job that ended because its engine was closed.
var errStopped = errors.New("the sandbox is shutting down")

// New returns an engine for plugins on ds, which stays the caller's and must
// outlive the engine.
func New(_ context.Context, cfg Config, ds Dataset) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if rows := ds.Rows(); rows < 0 || uint64(rows) >= 1<<32 {
		return nil, fmt.Errorf("sandbox: the dataset has %d rows; the plugin contract carries fewer than 2^32", rows)
	}
	e := &Engine{cfg: cfg, dataset: ds, plugins: map[*Plugin]struct{}{}}
	e.compilers.engine, e.compilers.turn = e, make(chan struct{}, 1)
	if cfg.Compiler != nil {
		e.budget.least = cfg.CompileMemory
	}
	e.segments.dataset = ds
	for _, c := range ds.Columns() {
		e.columns += 2 * columnSize(&c) // a plugin may name one by its alias as well
	}
	e.budget.total, e.budget.reclaim = cfg.Budget, e.reclaim
	e.platform = probe(cfg.way)
	e.segments.mapped = e.platform.way != wayCopy
	if e.platform.missing != nil {
		cfg.Log.Warn("sandboxes are reset in a slower way than could be", "way", e.platform.way, "why", e.platform.missing)
	} else {
		cfg.Log.Debug("how sandboxes are reset", "way", e.platform.way, "scan", e.platform.pagemap != nil && e.platform.pagemap.scan)
	}
	e.stopped, e.stopNow = context.WithCancelCause(context.Background())
	e.gate.onIdle = e.release
	return e, nil
}

// Stats says what an engine does at the moment.
type Stats struct {
	Reset      string // how sandboxes are reset: copy, remap, dirty pages
	Plugins    int
	Idle       int    // sandboxes that wait for a job
	Waiting    int    // jobs that wait for memory
	Budget     uint64 // bytes
	BudgetUsed uint64 // bytes
	Answered   int64  // jobs that had a sandbox, since the start
	FuelSpent  int64  // by all of them
}

// Stats returns what the engine does at the moment.
func (e *Engine) Stats() Stats {
	s := Stats{Reset: e.platform.way.String(), Budget: e.cfg.Budget, Answered: e.answered.Load(), FuelSpent: e.spent.Load()}
	s.BudgetUsed, s.Waiting = e.budget.state()
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Plugins = len(e.plugins)
	for p := range e.plugins {
		s.Idle += p.slots.count()
	}
	return s
}

// Close closes every plugin and then the engine. It waits for running answers
// until ctx ends; those that are left then are stopped, and the error says so:
// the last of them releases the engine.
func (e *Engine) Close(ctx context.Context) error {
	idle := e.gate.close()
	e.mu.Lock()
	e.closing = true
	open := make([]*Plugin, 0, len(e.plugins))
	for p := range e.plugins {
		open = append(open, p)
	}
	e.mu.Unlock()
	var errs []error
	for _, p := range open {
		errs = append(errs, p.Close(ctx))
	}
	select {
	case <-idle:
		return errors.Join(errs...)
	case <-ctx.Done():
		e.stopNow(errStopped)
		return errors.Join(append(errs, fmt.Errorf("sandbox: still loading: %w", context.Cause(ctx)))...)
	}
}

// release runs once, when nothing uses the engine any more.
func (e *Engine) release() {
	e.compilers.close()
	e.segments.close()
	e.platform.close()
	e.stopNow(errStopped)
}

// gate counts who is inside, lets nobody in once it was closed, and tells when
// the last one has left. The zero gate is open.
type gate struct {
	onIdle func() // called once, closed and empty; nil is nothing

	mu     sync.Mutex
	inside int
	closed bool
	idle   chan struct{}
}

// enter reports whether the gate was open; the caller that came in must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	last := g.closed && g.inside == 0
	g.mu.Unlock()
	if last {
		g.finish()
	}
}

// close lets nobody in any more; the channel closes when nobody is inside and
// onIdle has returned. Closing again returns the same channel.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	first := !g.closed
	if first {
		g.closed = true
		g.idle = make(chan struct{})
	}
	empty := first && g.inside == 0
	g.mu.Unlock()
	if empty {
		g.finish()
	}
	return g.idle
}

func (g *gate) finish() {
	if g.onIdle != nil {
		g.onIdle()
	}
	close(g.idle)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
