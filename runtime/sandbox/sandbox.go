// Package sandbox runs plugins: WebAssembly modules that answer questions about
// a dataset and can touch nothing else. It is the only importer of wazero.
//
// [Engine.Load] validates, compiles and opens a plugin once. Each [Plugin.Answer]
// runs in memory that no other job has touched, with its own fixed clock and
// random numbers, so an answer depends only on plugin, dataset, question and
// parameters. Whatever a plugin does, the outcome is a table or a *question.Error.
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

// maxMemory is the size of a 32-bit address space, in bytes.
const maxMemory = 1 << 32

// Defaults of Config.
const (
	DefaultBudget  = 1 << 30
	DefaultIdleFor = time.Minute
)

// Config says what plugins may use. The zero value is ready to use.
type Config struct {
	// CacheDir is a folder that keeps compiled plugins between runs; "" disables the
	// cache. It holds machine code, so only this program's user may be able to write
	// to it. If it cannot be read or written, that is logged and plugins are compiled
	// again.
	CacheDir string
	// Limits apply to every plugin without limits of its own.
	Limits Limits
	// Plugins holds limits for individual plugins, by the name in the manifest.
	Plugins map[string]Limits
	// Slots is how many jobs of one plugin run at a time; 0: GOMAXPROCS.
	Slots int
	// Budget is the memory that all plugins and jobs together may use, in bytes:
	// code, images, columns, and for each running job everything its limits allow.
	// Jobs wait for their share. 0: DefaultBudget, or more if one job needs more.
	Budget uint64
	// Reserved is the part of Budget that something else than plugins and jobs uses, in bytes.
	Reserved uint64
	// Compiler is the command line of a program that compiles plugins in a separate
	// process, see [SelfCompiler]. Code that makes wazero crash, or use gigabytes or
	// minutes, then harms only that process. nil: plugins are compiled in this process
	// without such bounds.
	Compiler []string
	// Trusted reports whether a module is part of this program, and may therefore be
	// compiled in this process. It must not keep or change wasm. nil: no module is.
	Trusted func(wasm []byte) bool
	// CompileMemory is the memory that compiling one plugin may use beyond what the
	// compiler process itself needs, in bytes. It is taken from Budget during
	// compilation. 0: DefaultCompileMemory, or a quarter of Budget if that is less.
	CompileMemory uint64
	// CompileTime is the CPU time that compiling one plugin may take; in wall-clock
	// time it may last four times as long. 0: DefaultCompileTime.
	CompileTime time.Duration
	// IdleFor is how long an idle sandbox is kept for the next job; 0: DefaultIdleFor.
	IdleFor time.Duration
	// Log is where plugins' log lines and the engine's warnings go; nil is
	// slog.Default().
	Log *slog.Logger
	// HostCalls is called after each call that a plugin makes of the host, for authors who
	// want to see them. Several jobs may call it at the same time. nil: nobody watches.
	HostCalls func(HostCall)

	strategy resetStrategy    // for tests; 0: the best that the platform has
	now      func() time.Time // for tests; nil: time.Now
	largest  uint64           // largest Limits.Memory of any plugin; set by validate
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
	if c.now == nil {
		c.now = time.Now
	}
	c.Slots = cmp.Or(c.Slots, goruntime.GOMAXPROCS(0))
	c.IdleFor = cmp.Or(c.IdleFor, DefaultIdleFor)
	c.Budget = cmp.Or(c.Budget, max(DefaultBudget, 2*c.largest))
	if c.Reserved >= c.Budget {
		return fmt.Errorf("sandbox: all of the budget of %d bytes is reserved (%d)", c.Budget, c.Reserved)
	}
	c.Budget, c.Reserved = c.Budget-c.Reserved, 0
	c.CompileMemory = cmp.Or(c.CompileMemory, min(DefaultCompileMemory, c.Budget/4))
	c.CompileTime = cmp.Or(c.CompileTime, DefaultCompileTime)
	switch {
	case c.CompileTime < 0:
		return fmt.Errorf("sandbox: the compile time is %s; it must be positive", c.CompileTime)
	case c.CompileMemory > c.Budget:
		return fmt.Errorf("sandbox: the budget is %d bytes, less than the %d that compiling a plugin may use", c.Budget, c.CompileMemory)
	case c.Slots < 0 || c.Slots > 1<<16:
		return fmt.Errorf("sandbox: %d slots; must be from 1 to %d", c.Slots, 1<<16)
	case c.IdleFor < 0:
		return fmt.Errorf("sandbox: idle slots are kept for %s; must be positive", c.IdleFor)
	case c.Budget < c.Limits.Memory:
		return fmt.Errorf("sandbox: the budget is %d bytes, less than the %d that one job may use", c.Budget, c.Limits.Memory)
	}
	return nil
}

// Dataset is what the sandbox needs from a dataset. Its columns must never change.
type Dataset interface {
	Column(nameOrAlias string) (*question.Column, bool)
	Columns() []question.Column
	Rows() int
	Digest() string   // "sha256:" and 64 hex digits
	SortedBy() string // name of the column that the rows are sorted by, ascending; "" for none
}

// Engine compiles plugins and runs them on one dataset. Its methods are safe
// for concurrent use.
type Engine struct {
	cfg      Config
	dataset  Dataset
	platform platform
	segments segments
	columns  uint64 // upper bound on the bytes of all columns of the dataset
	budget   budget
	clock    clock

	begun atomic.Int64 // jobs that got a sandbox, since the start

	compilers compilers

	gate      gate // held by: loads in progress and plugins not yet released
	mu        sync.Mutex
	plugins   map[*Plugin]struct{}
	preloaded *preloaded      // that no Load has taken
	closing   bool            // no plugin may be added to plugins any more
	stopped   context.Context // cancelled to stop everything that runs
	stopNow   context.CancelCauseFunc
}

// errStopped is the cause when a job ended because its engine was closed.
var errStopped = errors.New("the sandbox is shutting down")

// New returns an engine for plugins on ds. The caller keeps ownership of ds, which
// must outlive the engine. If ds is nil, SetDataset must be called before anything but
// Preload and Close.
func New(_ context.Context, cfg Config, ds Dataset) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, plugins: map[*Plugin]struct{}{}}
	if ds != nil {
		if err := e.SetDataset(ds); err != nil {
			return nil, err
		}
	}
	e.compilers.engine, e.compilers.turn = e, make(chan struct{}, 1)
	if cfg.Compiler != nil {
		e.budget.least = cfg.CompileMemory
	}
	e.budget.total, e.budget.reclaim = cfg.Budget, e.reclaim
	e.clock.now = cfg.now
	e.platform = probe(cfg.strategy)
	e.segments.mapped = e.platform.strategy != resetCopy
	if e.platform.missing != nil {
		cfg.Log.Warn("sandboxes use a slower reset strategy", "strategy", e.platform.strategy, "why", e.platform.missing)
	} else {
		cfg.Log.Debug("reset strategy of sandboxes", "strategy", e.platform.strategy, "scan", e.platform.pagemap != nil && e.platform.pagemap.scan)
	}
	e.stopped, e.stopNow = context.WithCancelCause(context.Background())
	e.gate.onIdle = e.release
	return e, nil
}

// SetDataset sets the dataset of an engine that New was given none for. It must not be
// called again, nor at the same time as other methods except Preload.
func (e *Engine) SetDataset(ds Dataset) error {
	if rows := ds.Rows(); rows < 0 || uint64(rows) >= 1<<32 {
		return fmt.Errorf("sandbox: the dataset has %d rows; the plugin contract allows fewer than 2^32", rows)
	}
	e.dataset, e.segments.dataset = ds, ds
	for _, c := range ds.Columns() {
		e.columns += 2 * columnSize(&c) // a plugin may name one by its alias as well
	}
	return nil
}

// Close closes every plugin and then the engine. It waits for running answers
// until ctx ends. Answers that are still running then are stopped, and Close
// returns an error; the last of them to end releases the engine.
func (e *Engine) Close(ctx context.Context) error {
	idle := e.gate.close()
	e.mu.Lock()
	e.closing = true
	open := make([]*Plugin, 0, len(e.plugins))
	for p := range e.plugins {
		open = append(open, p)
	}
	pre := e.preloaded
	e.preloaded = nil
	e.mu.Unlock()
	var errs []error
	if pre != nil {
		select {
		case <-pre.done:
		case <-ctx.Done():
			e.stopNow(errStopped) // it ends soon
			<-pre.done
		}
		if pre.plugin != nil {
			pre.plugin.gate.close() // releases it
		}
	}
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

// release runs once, when nothing uses the engine any longer.
func (e *Engine) release() {
	e.compilers.close()
	e.segments.close()
	e.platform.close()
	e.clock.close()
	e.stopNow(errStopped)
}

// gate counts its users. Once closed it admits no more, and it signals when the
// last one has left. The zero gate is open.
type gate struct {
	onIdle func() // called once, when closed and empty; may be nil

	mu     sync.Mutex
	inside int
	closed bool
	idle   chan struct{}
}

// enter reports whether the gate is open. If it is, the caller must call leave.
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

// close stops admissions. The channel that it returns is closed when nobody is
// inside and onIdle has returned. Closing again returns the same channel.
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
