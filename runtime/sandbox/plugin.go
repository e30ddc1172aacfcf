package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// maxManifest bounds the JSON of a manifest, in bytes.
const maxManifest = 1 << 20

// Plugin is a plugin that was checked, rewritten, compiled and opened once. Its
// methods are safe for concurrent use.
type Plugin struct {
	engine   *Engine
	digest   string
	log      *slog.Logger
	code     *code
	info     *rewrite.Info
	limits   Limits
	way      way
	manifest *question.Manifest
	block    block
	image    *image // nil: each job needs an instance of its own, born for it
	kept     uint64 // of the budget
	slots    slots

	gate    gate // holds: answers under way
	stopped context.Context
	stopNow context.CancelCauseFunc
}

// Load checks, rewrites, compiles and opens a plugin. A refusal is a
// *question.Error with CodeBadPlugin that names what is wrong; when ctx ends first
// it has CodeCancelled or CodeTimeLimit. The caller closes the plugin.
func (e *Engine) Load(ctx context.Context, wasm []byte) (*Plugin, error) {
	return e.begin(ctx, wasm, func(p *Plugin) error {
		if err := p.load(ctx, wasm); err != nil {
			return refusal(err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.closing {
			return question.Errorf(question.CodeShuttingDown, "%w", errStopped)
		}
		e.plugins[p] = struct{}{}
		return nil
	})
}

// begin returns a plugin that made has completed; where made fails, or panics, what
// there is of it is released.
func (e *Engine) begin(ctx context.Context, wasm []byte, made func(*Plugin) error) (_ *Plugin, err error) {
	if !e.gate.enter() {
		return nil, question.Errorf(question.CodeShuttingDown, "%w", errStopped)
	}
	p := &Plugin{engine: e, digest: digestOf(wasm), limits: e.cfg.Limits, way: e.platform.way}
	p.slots.running = make(chan struct{}, e.cfg.Slots)
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
	if err := made(p); err != nil {
		return nil, err
	}
	return p, nil
}

// compile checks, rewrites and compiles the plugin. size is what its code takes, in
// bytes.
func (p *Plugin) compile(ctx context.Context, wasm []byte) (size uint64, _ *question.Error) {
	kept := rewritings{p.engine.cfg.CacheDir, p.log}
	ready, refused := prepare(wasm, p.limits.Memory, p.digest, kept)
	if refused != nil {
		return 0, refused
	}
	p.info = ready.info
	trusted := p.engine.cfg.Trusted != nil && p.engine.cfg.Trusted(wasm)
	var err error
	if p.code, ready.code, err = p.engine.compile(ctx, p.log, ready, trusted); err != nil {
		return 0, p.compileFailed(ctx, err)
	}
	if !ready.known { // only what was compiled is known the next time
		kept.keep(p.digest, ready)
	}
	// Machine code takes about seven times the bytecode's room, and for most plugins
	// that leaves room for what wazero knows of them.
	return max(7*uint64(len(ready.wasm)), ready.code+uint64(len(ready.wasm))), nil
}

// load is Load up to the bookkeeping.
func (p *Plugin) load(ctx context.Context, wasm []byte) *question.Error {
	size, refused := p.compile(ctx, wasm)
	if refused != nil {
		return refused
	}
	in, refused := p.born(ctx, time.Now().Add(p.limits.Time))
	if refused != nil {
		return refused
	}
	defer func() { in.close(ctx) }()
	m, err := question.ParseManifest(in.manifest)
	if err != nil {
		return question.AsError(err)
	}
	p.manifest = m
	p.log = p.engine.cfg.Log.With("plugin", m.Name)
	p.limits = p.engine.cfg.Plugins[m.Name].Over(p.limits)
	in.world.log.log = p.log
	if refused := p.lay(ctx, m.Columns); refused != nil {
		return refused
	}
	p.manifest = m.Fit(p.engine.dataset)
	kept := size + uint64(len(in.view())) + p.block.size
	if err := p.engine.budget.keep(claim{kept, p.jobCost()}); err != nil {
		return badPlugin("there is no memory for it: %v", err)
	}
	p.kept = kept
	if refused := in.open(ctx); refused != nil {
		return refused
	}
	p.log.DebugContext(ctx, "a plugin was opened", "fuel", in.meter.total(), "memory", len(in.view()), "columns", p.block.size)
	if len(p.info.Unrestorable) > 0 {
		p.log.InfoContext(ctx, "each job opens the plugin anew, which is slow: what it remembers cannot be put back", "uses", p.info.Unrestorable)
		return nil
	}
	return p.makeImage(ctx, in)
}

// makeImage takes the plugin's image, and makes a first slot to see that it can
// be made.
func (p *Plugin) makeImage(ctx context.Context, in *instance) *question.Error {
	var err error
	if p.image, err = p.takeImage(in); err != nil {
		return p.broken(ctx, err)
	}
	first, err := p.slot(ctx)
	if err != nil {
		return p.broken(ctx, err)
	}
	if !p.slots.push(first, p.engine.cfg.IdleFor, p.evict) {
		first.close(ctx)
	}
	return nil
}

// prepared is a plugin that was checked and rewritten.
type prepared struct {
	wasm  []byte
	info  *rewrite.Info
	code  uint64 // bytes of the machine code, where known tells them; else 0
	known bool   // it was compiled before
}

// prepare checks and rewrites a plugin. The result depends on nothing else, so
// that it can be kept, and so can the compiled plugin.
func prepare(wasm []byte, memoryLimit uint64, digest string, kept rewritings) (*prepared, *question.Error) {
	pages, refused := checkModule(wasm)
	if refused != nil {
		return nil, refused
	}
	if pages*wasmPage > memoryLimit {
		return nil, startsTooLarge(pages*wasmPage, memoryLimit)
	}
	ready, err := kept.rewrite(wasm, digest)
	if err != nil {
		return nil, badPlugin("it does not compile: %v", err)
	}
	return ready, nil
}

func startsTooLarge(size, limit uint64) *question.Error {
	return badPlugin("its memory starts with %d bytes; the limit is %s", size, humanBytes(limit))
}

// maxRefusal bounds why a plugin is refused, in bytes: names and values of its own
// stand in there.
const maxRefusal = 1000

// refusal turns what stopped a plugin from loading into what Load returns.
func refusal(err *question.Error) error {
	if len(err.Reason) > maxRefusal {
		err.Reason = strings.ToValidUTF8(err.Reason[:maxRefusal], "") + "..."
	}
	switch err.Code {
	case question.CodeBadPlugin, question.CodeCancelled, question.CodeInternal:
		return err
	default: // a trap, a limit, an error of the plugin's own
		return badPlugin("%s", err.Reason)
	}
}

// lay finds the columns that the plugin needs and lays them out in its block.
func (p *Plugin) lay(ctx context.Context, needs []question.ColumnNeed) *question.Error {
	total := uint64(0)
	columns := make([]*question.Column, len(needs))
	for i, need := range needs {
		c, err := p.engine.column(need)
		if err != nil {
			return err
		}
		columns[i] = c
		total += columnSize(c)
	}
	if total >= maxMemory {
		return badPlugin("the columns that it needs have %d bytes, more than a 32-bit memory holds", total)
	}
	for i, need := range needs {
		seg, err := p.engine.segments.get(columns[i])
		if err != nil {
			return p.broken(ctx, err)
		}
		p.block.add(need.Name, columns[i].Unit, seg)
	}
	return nil
}

// column finds the dataset's column that a plugin needs.
func (e *Engine) column(need question.ColumnNeed) (*question.Column, *question.Error) {
	c, ok := e.dataset.Column(need.Name)
	if !ok {
		all := e.dataset.Columns()
		names := make([]string, len(all))
		for i := range all {
			names[i] = all[i].Name
		}
		err := badPlugin("it needs the column %q, which the dataset does not have", need.Name).About("", question.Nearest(need.Name, names)...)
		if len(err.Hint) > 0 {
			err.Reason += fmt.Sprintf("; did you mean %q?", err.Hint[0])
		}
		err.Reason += "; the key roles of a dataset's descriptor says which of its columns is meant"
		return nil, err
	}
	if c.Type != need.Type {
		return nil, badPlugin("it needs the column %q with the type %s; the dataset's is %s", need.Name, need.Type, c.Type)
	}
	return c, nil
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
// the dataset, which ascend, do not touch and are not empty. It waits while
// Config.Slots jobs of the plugin run, or the memory budget is in use. The table is
// the caller's, except for a dictionary (Column.Dict), which may be the dataset's
// and is not to be written to. Errors are *question.Error: the plugin's own
// (CodePluginError, CodeBadParameter, CodeNoData), a limit (CodeTimeLimit,
// CodeFuelLimit, CodeDepthLimit, CodeMemoryLimit, CodeLogLimit,
// CodeResultTooLarge), a fault of the plugin (CodePluginTrap, CodeBadResult), or
// the end of ctx (CodeCancelled, and CodeTimeLimit for a deadline).
func (p *Plugin) Answer(ctx context.Context, b *question.Bound, rows []question.Range) (*question.Table, error) {
	t, _, err := p.answer(ctx, b, rows)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Usage is what one job used of its limits.
type Usage struct {
	Fuel   int64         // see Limits.Fuel; the same each time
	Time   time.Duration // wall clock, from when the job got its sandbox
	Memory uint64        // linear memory beyond the dataset's columns, in bytes
	Result uint64        // what the columns of the result have, in bytes
}

// Measure is Answer, and what the job used, also where there is no answer.
func (p *Plugin) Measure(ctx context.Context, b *question.Bound, rows []question.Range) (*question.Table, Usage, error) {
	t, used, err := p.answer(ctx, b, rows)
	if err != nil {
		return nil, used, err
	}
	return t, used, nil
}

// Limits returns the limits of the plugin's jobs.
func (p *Plugin) Limits() Limits { return p.limits }

// answer is Measure, with the type that its errors have.
func (p *Plugin) answer(ctx context.Context, b *question.Bound, rows []question.Range) (t *question.Table, used Usage, err *question.Error) {
	if !p.gate.enter() {
		return nil, used, question.Errorf(question.CodeShuttingDown, "the plugin %s is closed", p.manifest.Name)
	}
	defer p.gate.leave()
	if err := p.checkBound(b, rows); err != nil {
		return nil, used, err
	}
	if err := p.interrupted(ctx, farAway); err != nil {
		return nil, used, err
	}
	in, err := p.acquire(ctx)
	if err != nil {
		return nil, used, err
	}
	p.engine.begun.Add(1)
	whole := false // the guest returned, with whatever answer
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "answering panicked", "panic", r, "stack", string(debug.Stack()))
			t, err = nil, question.Errorf(question.CodeInternal, "the host failed while it answered; the log says more")
			whole = false
		}
		p.giveBack(ctx, in, whole)
	}()
	t, whole, err = in.answer(ctx, time.Now().Add(p.limits.Time), b, rows)
	used = Usage{in.meter.total(), time.Since(in.meter.started), uint64(len(in.view())) - p.block.size, in.result}
	p.engine.spent.Add(used.Fuel)
	p.engine.answered.Add(1)
	return t, used, err
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
	p.discard(p.slots.close())
	if p.image != nil {
		p.image.release()
	}
	if p.kept > 0 {
		e.budget.unkeep(claim{p.kept, p.jobCost()})
	}
	if p.code != nil {
		if err := p.code.close(); err != nil {
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
