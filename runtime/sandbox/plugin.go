package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// maxManifest is the largest JSON manifest accepted, in bytes.
const maxManifest = 1 << 20

// Plugin is a plugin that has been checked, rewritten, compiled and opened. Its
// methods are safe for concurrent use.
type Plugin struct {
	engine   *Engine
	digest   string
	log      *slog.Logger
	code     *code
	codeSize uint64 // estimate of the memory that the code takes, in bytes
	info     *rewrite.Info
	limits   Limits
	strategy resetStrategy
	world    *world
	traced   bool // see LoadTraced
	manifest *question.Manifest
	block    block
	image    *image // nil: each job needs a newly instantiated plugin
	kept     uint64 // bytes of the budget held while the plugin is loaded
	slots    slots

	gate    gate // held by: answers in progress
	stopped context.Context
	stopNow context.CancelCauseFunc
}

// Load checks, rewrites, compiles and opens a plugin. A bad plugin is refused with a
// *question.Error of CodeBadPlugin that names what is wrong. If ctx ends first, the
// code is CodeCancelled or CodeTimeLimit. The caller must close the plugin.
func (e *Engine) Load(ctx context.Context, wasm []byte) (*Plugin, error) {
	return e.loadIn(ctx, wasm, &servedWorld)
}

// Other names what of a plugin's surroundings differs in LoadOther.
type Other int

// What may differ.
const (
	OtherRandom Other = iota // random numbers, and with them the order of maps in Go
	OtherClock
)

// LoadOther is Load for a plugin whose random numbers or clock are not those of a served
// one. It finds out whether answers depend on them.
func (e *Engine) LoadOther(ctx context.Context, wasm []byte, what Other) (*Plugin, error) {
	w := servedWorld
	if what == OtherClock {
		const days = 1000 // another month, weekday and year
		w.openInstant += uint64(days * 24 * time.Hour)
		w.jobInstant += uint64(days * 25 * time.Hour)
	} else {
		w.openSeed, w.jobSeed = w.jobSeed, w.openSeed
	}
	return e.loadIn(ctx, wasm, &w)
}

func (e *Engine) loadIn(ctx context.Context, wasm []byte, in *world) (*Plugin, error) {
	return e.begin(ctx, wasm, e.loading(ctx, wasm, in))
}

// loading returns what loads a plugin into a world.
func (e *Engine) loading(ctx context.Context, wasm []byte, in *world) func(*Plugin) error {
	return func(p *Plugin) error {
		p.world = in
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
	}
}

// preloaded is a plugin whose code is being loaded before Load is called.
type preloaded struct {
	wasm   []byte
	done   chan struct{}
	plugin *Plugin // once done is closed; nil: it failed, and Load tries again
}

// Preload starts to load a module's code, for a call of Load with the same bytes. It
// returns at once and does not need the dataset. wasm must not change.
func (e *Engine) Preload(wasm []byte) {
	if !e.gate.enter() {
		return
	}
	pre := &preloaded{wasm: wasm, done: make(chan struct{})}
	e.mu.Lock()
	e.preloaded = pre
	e.mu.Unlock()
	go func() {
		defer e.gate.leave()
		defer close(pre.done)
		pre.plugin, _ = e.newPlugin(e.stopped, wasm, func(p *Plugin) error {
			if refused := p.compile(e.stopped, wasm); refused != nil {
				return refused
			}
			return nil
		})
	}()
}

// takePreloaded returns the plugin that Preload has begun with the same bytes, or nil.
func (e *Engine) takePreloaded(ctx context.Context, wasm []byte) *Plugin {
	e.mu.Lock()
	pre := e.preloaded
	if pre == nil || !bytes.Equal(pre.wasm, wasm) {
		e.mu.Unlock()
		return nil
	}
	e.preloaded = nil
	e.mu.Unlock()
	select {
	case <-pre.done:
		return pre.plugin
	case <-ctx.Done():
		e.mu.Lock()
		e.preloaded = pre // for Close
		e.mu.Unlock()
		return nil
	}
}

// begin creates a plugin, or takes the preloaded one, and has made complete it.
func (e *Engine) begin(ctx context.Context, wasm []byte, made func(*Plugin) error) (*Plugin, error) {
	if p := e.takePreloaded(ctx, wasm); p != nil {
		return p.complete(ctx, made)
	}
	return e.newPlugin(ctx, wasm, made)
}

func (e *Engine) newPlugin(ctx context.Context, wasm []byte, made func(*Plugin) error) (*Plugin, error) {
	if !e.gate.enter() {
		return nil, question.Errorf(question.CodeShuttingDown, "%w", errStopped)
	}
	p := &Plugin{engine: e, digest: digestOf(wasm), limits: e.cfg.Limits, strategy: e.platform.strategy, world: &servedWorld}
	p.slots.running = make(chan struct{}, e.cfg.Slots)
	p.log = e.cfg.Log.With("plugin", p.digest[:len("sha256:")+12]) // until its name is known
	p.stopped, p.stopNow = context.WithCancelCause(e.stopped)
	p.gate.onIdle = p.release
	return p.complete(ctx, made)
}

// complete has made complete the plugin. If made fails or panics, whatever was allocated
// so far is released.
func (p *Plugin) complete(ctx context.Context, made func(*Plugin) error) (_ *Plugin, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "loading a plugin panicked", "panic", r, "stack", string(debug.Stack()))
			err = badPlugin("the host failed while loading it; see the log")
		}
		if err != nil {
			p.gate.close() // releases whatever exists
		}
	}()
	if err := made(p); err != nil {
		return nil, err
	}
	return p, nil
}

// compile checks, rewrites and compiles the plugin, unless that was done by Preload.
func (p *Plugin) compile(ctx context.Context, wasm []byte) *question.Error {
	if p.code != nil {
		return nil
	}
	kept := rewriteCache{p.engine.cfg.CacheDir, p.log, rewrite.Config{Trace: p.traced}}
	if p.traced {
		kept.dir = ""
	}
	ready, refused := prepare(wasm, p.limits.Memory, p.digest, kept)
	if refused != nil {
		return refused
	}
	p.info = ready.info
	trusted := p.engine.cfg.Trusted != nil && p.engine.cfg.Trusted(wasm)
	var err error
	if p.code, ready.code, err = p.engine.compile(ctx, p.log, ready, trusted); err != nil {
		return p.compileFailed(ctx, err)
	}
	if !ready.known { // only a module that has been compiled is known the next time
		kept.keep(p.digest, ready)
	}
	// Machine code takes about seven times the size of the bytecode. For most plugins
	// that estimate also covers wazero's own data about the module.
	p.codeSize = max(7*uint64(len(ready.wasm)), ready.code+uint64(len(ready.wasm)))
	return nil
}

// load is Load without the bookkeeping.
func (p *Plugin) load(ctx context.Context, wasm []byte) *question.Error {
	if refused := p.compile(ctx, wasm); refused != nil {
		return refused
	}
	t := p.engine.clock.begin(p.limits.Time)
	defer t.end()
	in, refused := p.instantiate(ctx, t)
	if refused != nil {
		return refused
	}
	defer func() { in.close(ctx) }()
	m, err := question.ParseManifest(in.manifest)
	if err != nil {
		return question.AsError(err)
	}
	if refused := checkKinds(m); refused != nil {
		return refused
	}
	p.manifest = m
	p.log = p.engine.cfg.Log.With("plugin", m.Name)
	p.limits = p.engine.cfg.Plugins[m.Name].Over(p.limits)
	in.wasi.log.log = p.log
	if refused := p.layOut(ctx, m.Columns); refused != nil {
		return refused
	}
	p.manifest = m.Adapt(p.engine.dataset)
	kept := p.codeSize + uint64(len(in.view())) + p.block.size
	if err := p.engine.budget.keep(claim{kept, p.jobCost()}); err != nil {
		return badPlugin("not enough memory for it: %v", err)
	}
	p.kept = kept
	if refused := in.open(ctx); refused != nil {
		return refused
	}
	p.log.DebugContext(ctx, "a plugin was opened", "fuel", in.meter.total(), "memory", len(in.view()), "columns", p.block.size)
	if len(p.info.Unrestorable) > 0 {
		p.log.InfoContext(ctx, "each job opens the plugin again, which is slow: it uses state that cannot be reset", "uses", p.info.Unrestorable)
		return nil
	}
	return p.makeImage(ctx, in)
}

// makeImage takes the plugin's image, and creates a first slot to verify that the
// image works.
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

// prepared is a plugin that has been checked and rewritten.
type prepared struct {
	wasm  []byte
	info  *rewrite.Info
	code  uint64 // bytes of machine code; 0: not known
	known bool   // it has been compiled before
}

// prepare checks and rewrites a plugin. The result depends only on the module, so it
// can be cached, and so can the compiled plugin.
func prepare(wasm []byte, memoryLimit uint64, digest string, kept rewriteCache) (*prepared, *question.Error) {
	h, refused := decodeHeader(wasm)
	if refused != nil {
		return nil, refused
	}
	if refused := checkHeader(h); refused != nil {
		return nil, refused
	}
	if size := h.Memories[0].Pages * wasmPage; size > memoryLimit {
		return nil, startsTooLarge(size, memoryLimit)
	}
	ready, err := kept.rewrite(wasm, digest)
	if err != nil {
		return nil, badPlugin("it does not compile: %v", err)
	}
	return ready, nil
}

func startsTooLarge(size, limit uint64) *question.Error {
	return badPlugin("its initial memory is %d bytes; the limit is %s", size, humanBytes(limit))
}

// maxRefusal bounds the reason for a refusal, in bytes: the text quotes names and
// values from the plugin.
const maxRefusal = 1000

// refusal turns the error that stopped a plugin from loading into the one that Load
// returns.
func refusal(err *question.Error) error {
	if len(err.Reason) > maxRefusal {
		err.Reason = strings.ToValidUTF8(err.Reason[:maxRefusal], "") + "..."
	}
	switch err.Code {
	case question.CodeBadPlugin, question.CodeCancelled, question.CodeInternal:
		return err
	default: // a trap, a limit, an error of the plugin's own
		if at, ok := errors.AsType[*stackError](err); ok {
			return badPlugin("%s%w", err.Reason, at)
		}
		return badPlugin("%s", err.Reason)
	}
}

// layOut finds the columns that the plugin needs and arranges them in its block.
func (p *Plugin) layOut(ctx context.Context, needs []question.ColumnNeed) *question.Error {
	total := uint64(0)
	columns := make([]*question.Column, len(needs))
	for i := range needs {
		c, ok := needs[i].In(p.engine.dataset)
		switch {
		case ok:
		case needs[i].Optional:
			c = p.engine.absent(needs[i].Type)
		default:
			return p.engine.unfit(p.manifest)
		}
		columns[i] = c
		total += columnSize(c)
	}
	if total >= maxMemory {
		return badPlugin("the columns that it needs take %d bytes, more than a 32-bit memory holds", total)
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

// rolesAdvice is what a dataset's owner can do about a column that a plugin does not find.
const rolesAdvice = "the key \"roles\" of the dataset's descriptor says which of its columns to use"

// unfit returns the error of a plugin that needs columns which the dataset does not have, or
// has with another type.
func (e *Engine) unfit(m *question.Manifest) *question.Error {
	u := &question.UnfitError{Manifest: m}
	var reasons, absent, similar []string
	for i := range m.Columns {
		err := e.lacks(&m.Columns[i])
		if err == nil {
			continue
		}
		u.Lacks = append(u.Lacks, m.Columns[i].Name)
		reasons, similar = append(reasons, err.Reason), append(similar, err.Hint...)
		if _, ok := e.dataset.Column(m.Columns[i].Name); !ok {
			absent = append(absent, strconv.Quote(m.Columns[i].Name))
		}
	}
	if len(absent) > 1 && len(absent) == len(reasons) && similar == nil {
		reasons = []string{"it needs the columns " + strings.Join(absent, ", ") + ", which the dataset does not have"}
	}
	u.Reason = strings.Join(reasons, "; ") + "; " + rolesAdvice
	return badPlugin("it does not fit this dataset: %w", u).WithParam("", similar...)
}

// lacks returns an error if the dataset does not have a column, or has it with another type,
// and the column is not optional.
func (e *Engine) lacks(need *question.ColumnNeed) *question.Error {
	c, fits := need.In(e.dataset)
	switch {
	case fits || need.Optional:
		return nil
	case c != nil:
		return badPlugin("it needs the column %q to have the type %s; in the dataset it has %s", need.Name, need.Type, c.Type)
	}
	return badPlugin("it needs the column %q, which the dataset does not have", need.Name).
		Suggest("", question.Nearest(need.Name, question.ColumnNames(e.dataset.Columns())))
}

// absent returns a column of the type without a value in any row, which stands for optional
// columns that the dataset does not have. Its name is none that a dataset's column can have.
func (e *Engine) absent(t question.Type) *question.Column {
	rows := e.dataset.Rows()
	c := &question.Column{Name: "no " + string(t), Type: t, Valid: question.NewBitmap(rows)}
	switch t {
	case question.Number:
		c.Numbers = make([]float64, rows)
	case question.Integer:
		c.Integers = make([]int64, rows)
	default:
		c.Codes = make([]int32, rows)
	}
	return c
}

// columnSize is an upper bound on the length of a column's segment, in bytes.
func columnSize(c *question.Column) uint64 {
	n := 9*uint64(c.Len()) + 4*uint64(len(c.Dict)) + 2*abi.ColumnAlign
	for _, text := range c.Dict {
		n += uint64(len(text))
	}
	return n
}

// Manifest returns the plugin's manifest. The caller must not modify it.
func (p *Plugin) Manifest() *question.Manifest { return p.manifest }

// Digest returns the digest of the .wasm file: "sha256:" and 64 hex digits.
func (p *Plugin) Digest() string { return p.digest }

// Answer has the plugin answer b, which must be bound to its manifest, from the
// given row ranges of the dataset; they must ascend, not touch and not be empty.
// Answer waits while Config.Slots jobs of the plugin are running, or while the
// memory budget is in use; all in all it takes about Limits.Time at most. The caller owns the table, except for dictionaries
// (Column.Dict), which may be the dataset's and must not be modified. Errors are
// *question.Error: the plugin's own (CodePluginError, CodeBadParameter, CodeNoData),
// a limit (CodeTimeLimit, CodeFuelLimit, CodeDepthLimit, CodeMemoryLimit,
// CodeLogLimit, CodeResultTooLarge), a fault of the plugin (CodePluginTrap,
// CodeBadResult), or the end of ctx (CodeCancelled; CodeTimeLimit for a deadline).
func (p *Plugin) Answer(ctx context.Context, b *question.BoundRequest, rows []question.Range) (*question.Table, error) {
	t, _, err := p.answer(ctx, b, rows, nil)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Measure is Answer that also returns what the job used, even if it failed.
func (p *Plugin) Measure(ctx context.Context, b *question.BoundRequest, rows []question.Range) (*question.Table, question.Usage, error) {
	t, used, err := p.answer(ctx, b, rows, nil)
	if err != nil {
		return nil, used, err
	}
	return t, used, nil
}

// Limits returns the limits that apply to jobs of the plugin of this name.
func (e *Engine) Limits(name string) Limits { return e.cfg.Plugins[name].Over(e.cfg.Limits) }

// Limits returns the limits that apply to the plugin's jobs.
func (p *Plugin) Limits() Limits { return p.limits }

// answer is Measure with a typed error. The tracer, if any, follows the job.
func (p *Plugin) answer(ctx context.Context, b *question.BoundRequest, rows []question.Range, tr *tracer) (table *question.Table, used question.Usage, err *question.Error) {
	if !p.gate.enter() {
		return nil, used, question.Errorf(question.CodeShuttingDown, "the plugin %s is closed", p.manifest.Name)
	}
	defer p.gate.leave()
	if err := p.checkBound(b, rows); err != nil {
		return nil, used, err
	}
	if err := p.interrupted(ctx, nil); err != nil {
		return nil, used, err
	}
	t := p.engine.clock.begin(p.limits.Time)
	defer t.end()
	in, err := p.acquire(ctx, t)
	if err != nil {
		return nil, used, err
	}
	p.engine.begun.Add(1)
	returned := false // the guest returned, with whatever answer
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "answering panicked", "panic", r, "stack", string(debug.Stack()))
			table, err = nil, question.Errorf(question.CodeInternal, "the host failed while answering; see the log")
			returned = false
		}
		p.giveBack(ctx, in, returned)
	}()
	if tr != nil {
		tr.begin(in)
		defer tr.end()
	}
	table, returned, err = in.answer(ctx, t, b, rows)
	if err == nil && t.exceeded() {
		table, err = nil, p.tooLong()
	}
	used = question.Usage{
		Fuel: in.meter.total(), Time: t.elapsed(), Memory: uint64(len(in.view())) - p.block.size, Result: in.result,
	}
	return table, used, err
}

// Retire admits no more answers. When the running ones have ended, the plugin is released
// and then the channel closed.
func (p *Plugin) Retire() <-chan struct{} { return p.gate.close() }

// Close admits no more answers and waits for running ones. If ctx ends first they
// are stopped and Close returns an error; the last of them to end releases the
// plugin. Closing again is harmless.
func (p *Plugin) Close(ctx context.Context) error {
	select {
	case <-p.Retire():
		return nil
	case <-ctx.Done():
		p.stopNow(errStopped)
		return fmt.Errorf("sandbox: stopped the answers of plugin %s that were still running: %w", p.manifest.Name, context.Cause(ctx))
	}
}

// release runs once, when nothing uses the plugin any longer.
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
