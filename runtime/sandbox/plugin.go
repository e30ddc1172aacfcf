package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxManifest bounds the JSON of a manifest, in bytes.
const maxManifest = 1 << 20

// Plugin is a plugin that was checked, compiled and opened once. Its methods are
// safe for concurrent use.
type Plugin struct {
	engine   *Engine
	digest   string
	log      *slog.Logger
	runtime  wazero.Runtime // in which compiled can be instantiated
	compiled wazero.CompiledModule
	manifest *question.Manifest
	block    block

	memoryHint atomic.Uint64 // bytes of memory that an opened instance has
	gate       gate          // holds: answers under way
	stopped    context.Context
	stopNow    context.CancelCauseFunc
}

// Load checks, compiles and opens a plugin. A refusal is a *question.Error with
// CodeBadPlugin that names what is wrong; when ctx ends first it has
// CodeCancelled or CodeTimeLimit. The caller closes the plugin.
func (e *Engine) Load(ctx context.Context, wasm []byte) (_ *Plugin, err error) {
	if !e.gate.enter() {
		return nil, question.Errorf(question.CodeShuttingDown, "%w", errStopped)
	}
	p := &Plugin{engine: e, digest: digestOf(wasm)}
	p.log = e.cfg.Log.With("plugin", p.digest[:len("sha256:")+12]) // until it has a name
	p.stopped, p.stopNow = context.WithCancelCause(e.stopped)
	p.gate.onIdle = p.release
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "loading a plugin panicked", "panic", r, "stack", string(debug.Stack()))
			err = badPlugin("loading it made the host fail; the log says more")
		}
		if err != nil {
			p.gate.close() // releases what there is
		}
	}()
	if err := p.load(ctx, wasm); err != nil {
		return nil, refusal(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return nil, question.Errorf(question.CodeShuttingDown, "%w", errStopped)
	}
	e.plugins[p] = struct{}{}
	return p, nil
}

// load is Load up to the bookkeeping.
func (p *Plugin) load(ctx context.Context, wasm []byte) *question.Error {
	pages, refused := checkModule(wasm)
	if refused != nil {
		return refused
	}
	if limit := p.engine.cfg.MemoryLimit; pages*wasmPage > limit {
		return badPlugin("its memory starts with %d bytes; the limit is %s", pages*wasmPage, humanBytes(limit))
	}
	var err error
	p.runtime, p.compiled, err = p.engine.compile(ctx, boundTables(wasm))
	if err != nil {
		if ctx.Err() != nil {
			return p.engine.interrupted(ctx)
		}
		return badPlugin("it does not compile: %s", firstLine(err))
	}
	ctx, cancel := p.limited(ctx)
	defer cancel()
	in, refused := p.newInstance(ctx)
	if refused != nil {
		return refused
	}
	defer in.close(ctx)
	m, err := question.ParseManifest(in.manifest)
	if err != nil {
		return question.AsError(err)
	}
	p.manifest = m
	p.log = p.engine.cfg.Log.With("plugin", m.Name)
	in.world.log.log = p.log
	if refused := p.lay(m.Columns); refused != nil {
		return refused
	}
	if refused := in.open(ctx); refused != nil {
		return refused
	}
	p.memoryHint.Store(uint64(len(in.view())))
	return nil
}

// refusal turns what stopped a plugin from loading into what Load returns.
func refusal(err *question.Error) error {
	switch err.Code {
	case question.CodeBadPlugin, question.CodeCancelled, question.CodeInternal:
		return err
	default: // a trap, a limit, an error of the plugin's own
		return badPlugin("%s", err.Reason)
	}
}

// lay finds the columns that the plugin needs and lays them out in its block.
func (p *Plugin) lay(needs []question.ColumnNeed) *question.Error {
	ds := p.engine.dataset
	total := uint64(0)
	columns := make([]*question.Column, len(needs))
	for i, need := range needs {
		c, ok := ds.Column(need.Name)
		if !ok {
			all := ds.Columns()
			names := make([]string, len(all))
			for i := range all {
				names[i] = all[i].Name
			}
			err := badPlugin("it needs the column %q, which the dataset does not have", need.Name).About("", question.Nearest(need.Name, names)...)
			if len(err.Hint) > 0 {
				err.Reason += fmt.Sprintf("; did you mean %q?", err.Hint[0])
			}
			return err
		}
		if c.Type != need.Type {
			return badPlugin("it needs the column %q with the type %s; the dataset's is %s", need.Name, need.Type, c.Type)
		}
		columns[i] = c
		total += columnSize(c)
	}
	if total >= maxMemory {
		return badPlugin("the columns that it needs have %d bytes, more than a 32-bit memory holds", total)
	}
	for i, need := range needs {
		p.block.add(need.Name, columns[i].Unit, p.engine.segments.get(columns[i]))
	}
	return nil
}

// columnSize is the length of a column's segment, or a little more.
func columnSize(c *question.Column) uint64 {
	n := 9*uint64(c.Len()) + 4*uint64(len(c.Dict)) + 2*abi.ColumnAlign
	for _, text := range c.Dict {
		n += uint64(len(text))
	}
	return n
}

// Manifest returns what the plugin says of itself; it is not to be written to.
func (p *Plugin) Manifest() *question.Manifest { return p.manifest }

// Digest returns "sha256:" and 64 hex digits of the .wasm file.
func (p *Plugin) Digest() string { return p.digest }

// Answer has the plugin answer b, bound to its manifest, from the given rows of
// the dataset, which ascend, do not touch and are not empty. The table is the
// caller's. Errors are *question.Error: the plugin's own (CodePluginError,
// CodeBadParameter, CodeNoData), a limit (CodeTimeLimit, CodeMemoryLimit,
// CodeResultTooLarge), a fault of the plugin (CodePluginTrap, CodeBadResult), or
// the end of ctx (CodeCancelled, and CodeTimeLimit for a deadline).
func (p *Plugin) Answer(ctx context.Context, b *question.Bound, rows []question.Range) (t *question.Table, err error) {
	if !p.gate.enter() {
		return nil, question.Errorf(question.CodeShuttingDown, "the plugin %s is closed", p.manifest.Name)
	}
	defer p.gate.leave()
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "answering panicked", "panic", r, "stack", string(debug.Stack()))
			t, err = nil, question.Errorf(question.CodeInternal, "the host failed while it answered; the log says more")
		}
	}()
	if err := p.checkBound(b, rows); err != nil {
		return nil, err
	}
	ctx, cancel := p.limited(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return nil, p.engine.interrupted(ctx)
	}
	in, failed := p.acquire(ctx)
	if failed != nil {
		return nil, failed
	}
	defer p.giveBack(ctx, in)
	t, failed = in.answer(ctx, b, rows)
	if failed != nil {
		return nil, failed
	}
	return t, nil
}

// acquire returns an instance that is open and has answered nothing yet.
func (p *Plugin) acquire(ctx context.Context) (*instance, *question.Error) {
	in, err := p.newInstance(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.open(ctx); err != nil {
		return nil, in.abandon(ctx, err)
	}
	return in, nil
}

// giveBack ends an instance's job. An instance serves one job, so no job can
// find what another has left.
func (p *Plugin) giveBack(ctx context.Context, in *instance) { in.close(ctx) }

// errTimeLimit is the cause of a context that the time limit ended.
var errTimeLimit = errors.New("the time limit of the sandbox")

// limited returns ctx with the time limit on it; it also ends when the plugin or
// the engine is made to stop.
func (p *Plugin) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(p.stopped, func() { cancel(errStopped) })
	ctx, done := context.WithTimeoutCause(ctx, p.engine.cfg.TimeLimit, errTimeLimit)
	return ctx, func() {
		done()
		unhook()
		cancel(nil)
	}
}

// interrupted says why ctx ended.
func (e *Engine) interrupted(ctx context.Context) *question.Error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeLimit):
		return question.Errorf(question.CodeTimeLimit, "it ran longer than the limit of %s", e.cfg.TimeLimit)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return question.Errorf(question.CodeTimeLimit, "it ran into the caller's deadline: %w", context.DeadlineExceeded)
	case errors.Is(cause, errStopped):
		return question.Errorf(question.CodeCancelled, "the job was stopped: %w", errStopped)
	default:
		return question.Errorf(question.CodeCancelled, "the job was cancelled: %w", context.Canceled)
	}
}

// Close lets no answer begin any more and waits for those that run. When ctx
// ends first they are stopped, and the error says so; the last of them releases
// the plugin. Closing again does no harm.
func (p *Plugin) Close(ctx context.Context) error {
	select {
	case <-p.gate.close():
		return nil
	case <-ctx.Done():
		p.stopNow(errStopped)
		return fmt.Errorf("sandbox: answers of plugin %s were still running and are being stopped: %w", p.manifest.Name, context.Cause(ctx))
	}
}

// release runs once, when nothing uses the plugin any more.
func (p *Plugin) release() {
	e := p.engine
	p.stopNow(errStopped) // frees the context
	if p.compiled != nil {
		if err := p.compiled.Close(context.Background()); err != nil {
			p.log.Warn("a compiled plugin did not close cleanly", "err", err)
		}
	}
	e.mu.Lock()
	delete(e.plugins, p)
	e.mu.Unlock()
	e.gate.leave()
}

func (p *Plugin) columnIndex(name string) uint32 {
	for i, need := range p.manifest.Columns {
		if need.Name == name {
			return uint32(i)
		}
	}
	return abi.NoIndex
}

func (p *Plugin) unitOf(name string) string {
	if i := p.columnIndex(name); i != abi.NoIndex {
		return p.block.parts[i].unit
	}
	return ""
}
