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
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Defaults of Config.
const (
	DefaultMemoryLimit = 64 << 20
	DefaultTimeLimit   = 5 * time.Second
	DefaultResultLimit = 4 << 20
)

// maxMemory is what 32-bit addresses reach, in bytes.
const maxMemory = 1 << 32

// Config says what plugins may use. The zero value is good.
type Config struct {
	// CacheDir is a folder that keeps compiled plugins between runs; "" is none.
	// It holds machine code: only this program's user may write to it. A folder
	// that cannot be read or written is logged, and plugins are compiled anew.
	CacheDir string
	// MemoryLimit is what a plugin may have in memory beyond the columns of the
	// dataset, in bytes; 0 is DefaultMemoryLimit.
	MemoryLimit uint64
	// TimeLimit is the wall-clock time of one job, and of opening a plugin when
	// it is loaded; 0 is DefaultTimeLimit.
	TimeLimit time.Duration
	// ResultLimit bounds one result's columns, in bytes; 0 is DefaultResultLimit.
	ResultLimit uint64
	// Log is where plugins' log lines and the engine's warnings go; nil is
	// slog.Default().
	Log *slog.Logger
}

func (c *Config) validate() error {
	if c.MemoryLimit == 0 {
		c.MemoryLimit = DefaultMemoryLimit
	}
	if c.TimeLimit == 0 {
		c.TimeLimit = DefaultTimeLimit
	}
	if c.ResultLimit == 0 {
		c.ResultLimit = DefaultResultLimit
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	switch {
	case c.MemoryLimit < wasmPage || c.MemoryLimit > maxMemory:
		return fmt.Errorf("sandbox: the memory limit is %d bytes; from %d (one page) to %d (4 GiB)", c.MemoryLimit, wasmPage, uint64(maxMemory))
	case c.TimeLimit < 0:
		return fmt.Errorf("sandbox: the time limit is %s; it must be above 0", c.TimeLimit)
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
	segments segments

	cache  wazero.CompilationCache // nil without a folder
	cached wazero.Runtime          // compiles through cache; nil without a folder
	// plain compiles without a folder; nil until it is needed.
	plainMu sync.Mutex
	plain   wazero.Runtime

	gate     gate // holds: loads under way and plugins not yet released
	mu       sync.Mutex
	plugins  map[*Plugin]struct{}
	closing  bool            // no plugin joins plugins any more
	stopped  context.Context // cancelled to stop what runs
	stopNow  context.CancelCauseFunc
	closeErr error // of the runtimes; set before the gate tells that it is idle
}

// errStopped is the cause of a job that ended because its engine was closed.
var errStopped = errors.New("the sandbox is shutting down")

// New returns an engine for plugins on ds, which stays the caller's and must
// outlive the engine.
func New(ctx context.Context, cfg Config, ds Dataset) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if rows := ds.Rows(); rows < 0 || uint64(rows) >= 1<<32 {
		return nil, fmt.Errorf("sandbox: the dataset has %d rows; the plugin contract carries fewer than 2^32", rows)
	}
	e := &Engine{cfg: cfg, dataset: ds, plugins: map[*Plugin]struct{}{}}
	e.segments.dataset = ds
	e.stopped, e.stopNow = context.WithCancelCause(context.Background())
	e.gate.onIdle = e.closeRuntimes
	if cfg.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cfg.CacheDir)
		if err != nil {
			cfg.Log.Warn("the cache for compiled plugins cannot be used: plugins are compiled at each start", "folder", cfg.CacheDir, "err", err)
		} else {
			e.cache = cache
			if e.cached, err = newRuntime(ctx, cache); err != nil {
				return nil, errors.Join(err, cache.Close(ctx))
			}
		}
	}
	return e, nil
}

// newRuntime returns a runtime with the host's modules in it; cache may be nil.
func newRuntime(ctx context.Context, cache wazero.CompilationCache) (wazero.Runtime, error) {
	cfg := wazero.NewRuntimeConfig().
		WithCloseOnContextDone(true).
		WithDebugInfoEnabled(false)
	if cache != nil {
		cfg = cfg.WithCompilationCache(cache)
	}
	r := wazero.NewRuntimeWithConfig(ctx, cfg)
	if err := instantiateHost(ctx, r); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), r.Close(ctx))
	}
	return r, nil
}

// compile compiles wasm, through the cache where that works, and returns the
// runtime in which the module can be instantiated.
func (e *Engine) compile(ctx context.Context, wasm []byte) (wazero.Runtime, wazero.CompiledModule, error) {
	ctx = experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0))
	var cacheErr error
	if e.cached != nil {
		m, err := e.cached.CompileModule(ctx, wasm)
		if err == nil {
			return e.cached, m, nil
		}
		cacheErr = err
	}
	r, err := e.plainRuntime(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := r.CompileModule(ctx, wasm)
	if err != nil {
		return nil, nil, err
	}
	if cacheErr != nil { // so it was not the module's fault
		e.cfg.Log.Warn("the cache for compiled plugins failed: this plugin was compiled without it", "folder", e.cfg.CacheDir, "err", cacheErr)
	}
	return r, m, nil
}

func (e *Engine) plainRuntime(ctx context.Context) (wazero.Runtime, error) {
	e.plainMu.Lock()
	defer e.plainMu.Unlock()
	if e.plain == nil {
		r, err := newRuntime(ctx, nil)
		if err != nil {
			return nil, err
		}
		e.plain = r
	}
	return e.plain, nil
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
		return errors.Join(append(errs, e.closeErr)...)
	case <-ctx.Done():
		e.stopNow(errStopped)
		return errors.Join(append(errs, fmt.Errorf("sandbox: still loading: %w", context.Cause(ctx)))...)
	}
}

// closeRuntimes runs once, when nothing uses the engine any more.
func (e *Engine) closeRuntimes() {
	ctx := context.Background()
	var errs []error
	for _, r := range []wazero.Runtime{e.cached, e.plain} {
		if r != nil {
			errs = append(errs, r.Close(ctx))
		}
	}
	if e.cache != nil {
		errs = append(errs, e.cache.Close(ctx))
	}
	e.closeErr = errors.Join(errs...)
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
