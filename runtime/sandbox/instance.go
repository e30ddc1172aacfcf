package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// instance is a plugin brought to life: memory, world and functions. It is used
// by one goroutine at a time.
//
// One that is born lives through initialise, describe and open. From the first one
// that did the image is taken, and all others, the slots, begin as its copy. Then
// come jobs, and after each the instance is reset or closed.
type instance struct {
	plugin *Plugin
	mod    api.Module
	memory linearMemory
	meter  meter
	world  world
	ctx    callContext

	functions map[string]api.Function // found so far
	globals   []api.MutableGlobal     // those of the image
	stack     [4]uint64               // parameters and result of a call

	manifest []byte // what describe returned: a copy; of one that was born
	base     uint32 // where the block lies
	given    []span // what alloc has handed out
	room     uint32 // of requestRoom bytes, for requests
	opened   uint64 // what the clock showed when it had been opened
	result   uint64 // bytes of the columns that the job answered with

	pages pages  // for the reset
	kept  uint64 // bytes of memory that are its own, as of the last reset
	jobs  int    // since the functions were found
	idle  time.Time
}

// requestRoom is what a plugin hands out for requests before its image is taken:
// a request that fits there needs no call of alloc.
const requestRoom = 4096

// span is a run of addresses, from start up to but not including end.
type span struct{ start, end uint64 }

// callContext is what a guest is called with: the host's functions find their
// instance in it.
type callContext struct {
	context.Context
	in *instance
}

type instanceKey struct{}

// Value returns the instance, or what the job's context holds.
func (c *callContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.in
	}
	return c.Context.Value(key)
}

// newInstance returns an instance that has no module yet.
func (p *Plugin) newInstance() *instance {
	in := &instance{plugin: p, functions: map[string]api.Function{}}
	in.memory.limit = p.reach()
	in.meter.plugin = p
	in.ctx.in = in
	in.world = *newWorld(&in.meter, p.log, p.limits.Log)
	return in
}

// reach is up to where the plugin's memory may grow, in bytes.
func (p *Plugin) reach() uint64 { return min(p.limits.Memory+p.block.size, maxMemory) }

// born instantiates the plugin, initialises it and has it describe itself. The
// caller closes what it gets.
func (p *Plugin) born(ctx context.Context, deadline time.Time) (_ *instance, failed *question.Error) {
	in := p.newInstance()
	defer func() {
		if failed != nil {
			in.close(ctx)
		}
	}()
	if p.way != wayCopy {
		var err error
		// The block is not known yet when a plugin is loaded.
		if in.memory.space, err = reserve(min(p.engine.cfg.largest+p.engine.columns, maxMemory)); err != nil {
			return nil, p.broken(ctx, err)
		}
	}
	in.meter.start(ctx, deadline, &p.limits)
	if err := in.instantiate(ctx); err != nil {
		return nil, in.failure(ctx, "it", err)
	}
	for _, d := range p.info.Data {
		if !in.mod.Memory().Write(d.Offset, d.Bytes) {
			return nil, question.Errorf(question.CodePluginTrap, "its data segment of %d bytes at %#x lies outside of its memory (%d bytes)", len(d.Bytes), d.Offset, len(in.view()))
		}
	}
	if p.info.HasStart {
		if _, err := in.callNamed(ctx, rewrite.Start, "its start function"); err != nil {
			return nil, err
		}
	}
	if in.function(abi.ExportInitialize) != nil {
		if _, err := in.call(ctx, abi.ExportInitialize); err != nil {
			return nil, err
		}
	}
	packed, failed := in.call(ctx, abi.ExportDescribe)
	if failed != nil {
		return nil, failed
	}
	ptr, n := abi.Unpack(packed)
	text, ok := in.view().at(ptr, uint64(n))
	switch {
	case n > maxManifest:
		return nil, badPlugin("%s returned a manifest of %d bytes; at most %d", abi.ExportDescribe, n, maxManifest)
	case !ok:
		return nil, badPlugin("%s returned %d bytes at %#x, which lie outside of its memory (%d bytes)", abi.ExportDescribe, n, ptr, len(in.view()))
	case n == 0:
		return nil, badPlugin("%s returned an empty manifest", abi.ExportDescribe)
	}
	in.manifest = append([]byte(nil), text...)
	return in, nil
}

// instantiate makes the module; nothing of the guest's runs.
func (in *instance) instantiate(ctx context.Context) error {
	p := in.plugin
	mod, err := p.code.runtime.InstantiateModule(
		experimental.WithMemoryAllocator(in.context(ctx), &in.memory), p.code.module,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return fmt.Errorf("instantiating the module: %w", err)
	}
	in.mod = mod
	in.meter.attach(mod)
	for _, g := range p.info.Globals {
		global, ok := mod.ExportedGlobal(g.Export).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("the global %s cannot be set", g.Export)
		}
		in.globals = append(in.globals, global)
	}
	return nil
}

// open writes the dataset's columns and their directory, and opens the plugin.
func (in *instance) open(ctx context.Context) *question.Error {
	b, ds := &in.plugin.block, in.plugin.engine.dataset
	in.memory.limit = in.plugin.reach()
	if b.size > 0 {
		var err *question.Error
		if in.base, err = in.alloc(ctx, b.size, abi.ColumnAlign); err != nil {
			return err
		}
	}
	size := b.directorySize(ds.Digest())
	at, err := in.alloc(ctx, uint64(size), abi.BufferAlign)
	if err != nil {
		return err
	}
	for _, part := range b.parts { // alloc has checked that all of it lies in memory
		from := uint64(in.base) + uint64(part.offset)
		if err := part.segment.put(in.view()[from : from+part.segment.size]); err != nil {
			return in.plugin.broken(ctx, err)
		}
	}
	in.mod.Memory().Write(at, b.directory(at, in.base, ds.Rows(), ds.Digest()))
	packed, err := in.call(ctx, abi.ExportOpen, uint64(at), uint64(size))
	if err != nil {
		return err
	}
	if packed != 0 {
		refusal := decodeOpen(in.view(), packed)
		refusal.Reason = abi.ExportOpen + ": " + refusal.Reason
		return refusal
	}
	in.room, err = in.alloc(ctx, requestRoom, abi.BufferAlign)
	in.opened = in.world.now
	return err
}

// answer asks the plugin. What it returns shares nothing with the instance. whole
// says that the guest has returned, with whatever answer.
func (in *instance) answer(ctx context.Context, deadline time.Time, b *question.Bound, rows []question.Range) (_ *question.Table, whole bool, _ *question.Error) {
	p := in.plugin
	in.meter.start(ctx, deadline, &p.limits)
	in.world.startJob(in.opened)
	in.result = 0
	at, size := in.room, requestSize(b, rows)
	if size > requestRoom {
		var err *question.Error
		if at, err = in.alloc(ctx, size, abi.BufferAlign); err != nil {
			return nil, false, err
		}
	}
	encodeRequest(in.view()[at:at:uint64(at)+size], at, b, rows, p.columnIndex)
	packed, err := in.call(ctx, abi.ExportAnswer, uint64(at), abi.RequestSize)
	if err != nil {
		return nil, false, err
	}
	t, size, err := decodeAnswer(in.view(), packed, b.Question, in, p.limits.Result)
	in.result = size
	return t, true, err
}

// alloc asks the guest for size bytes and checks what it hands out.
func (in *instance) alloc(ctx context.Context, size uint64, align uint32) (uint32, *question.Error) {
	if size >= maxMemory {
		return 0, question.Errorf(question.CodeMemoryLimit, "%d bytes are more than a 32-bit plugin can hold", size)
	}
	got, err := in.call(ctx, abi.ExportAlloc, size, uint64(align))
	if err != nil {
		return 0, err
	}
	ptr := uint32(got)
	s := span{uint64(ptr), uint64(ptr) + size}
	call := func() string { return fmt.Sprintf("%s(%d, %d)", abi.ExportAlloc, size, align) }
	switch {
	case ptr == 0 && in.memory.refused:
		return 0, in.overLimit(call())
	case ptr == 0:
		return 0, question.Errorf(question.CodeMemoryLimit, "%s returned 0: it has no memory left", call())
	case ptr%align != 0:
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which is no multiple of %d", call(), ptr, align)
	case s.end > uint64(len(in.view())):
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x; what begins there ends outside of its memory (%d bytes)", call(), ptr, len(in.view()))
	}
	for _, o := range in.given {
		if s.start < o.end && o.start < s.end {
			return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which overlaps what it handed out before, from %#x up to %#x", call(), ptr, o.start, o.end)
		}
	}
	in.given = append(in.given, s)
	return ptr, nil
}

func (in *instance) unitOf(column string) string { return in.plugin.unitOf(column) }

// dictAt compares bytes too: a guest may have written over its copy of them.
func (in *instance) dictAt(c *abi.Column) []string {
	if in.plugin.image == nil {
		return nil
	}
	is, was := in.view(), memory(in.plugin.image.bytes)
	same := func(ptr uint32, n uint64) bool {
		a, ok := is.at(ptr, n)
		b, also := was.at(ptr, n)
		return ok && also && bytes.Equal(a, b)
	}
	for i := range in.plugin.block.parts {
		part := &in.plugin.block.parts[i]
		own := &part.segment.column
		at := in.plugin.image.base + part.offset
		if own.Type == abi.TypeString && own.DictCount > 0 && c.DictOffsets == at+own.DictOffsets && c.DictBytes == at+own.DictBytes &&
			c.DictCount == own.DictCount && c.DictBytesLen == own.DictBytesLen &&
			same(c.DictOffsets, 4*(uint64(c.DictCount)+1)) && same(c.DictBytes, uint64(c.DictBytesLen)) {
			return part.segment.dict
		}
	}
	return nil
}

// view is the instance's memory as it is now; it is not to be kept beyond the
// next call.
func (in *instance) view() memory { return in.memory.buf }

// context is ctx with what the host functions look for.
func (in *instance) context(ctx context.Context) context.Context {
	in.ctx.Context = ctx //nolint:fatcontext // it replaces the one of the job before
	return &in.ctx
}

// call calls an export, whose type checkModule has checked.
func (in *instance) call(ctx context.Context, export string, args ...uint64) (uint64, *question.Error) {
	return in.callNamed(ctx, export, export, args...)
}

func (in *instance) callNamed(ctx context.Context, export, where string, args ...uint64) (uint64, *question.Error) {
	copy(in.stack[:], args)
	in.meter.stack.Set(in.plugin.limits.Stack)
	if err := in.function(export).CallWithStack(in.context(ctx), in.stack[:]); err != nil {
		return 0, in.failure(ctx, where, err)
	}
	return in.stack[0], nil
}

// function returns an export, nil where there is none such. It keeps what it
// finds: a function brings a native stack with it.
func (in *instance) function(export string) api.Function {
	f, ok := in.functions[export]
	if !ok {
		f = in.mod.ExportedFunction(export)
		in.functions[export] = f
	}
	return f
}

// A function's native stack grows and never shrinks. Which is why functions are
// dropped after a job that was seen deep, and now and then in any case.
const (
	deepStack = 128 << 10
	dropAfter = 256 // jobs
)

func (in *instance) dropDeepFunctions() {
	in.jobs++
	if in.jobs >= dropAfter || in.meter.lowest < int64(in.plugin.limits.Stack)-deepStack {
		in.jobs = 0
		clear(in.functions)
	}
}

// failure says why a call into the guest ended early.
func (in *instance) failure(ctx context.Context, where string, err error) *question.Error {
	var (
		halted  stopped
		exited  exit
		misused misuse
		broken  goruntime.Error
	)
	switch {
	case errors.As(err, &halted):
		return halted.why
	case errors.As(err, &broken):
		in.plugin.log.ErrorContext(ctx, "a host function panicked", "where", where, "err", err)
		return question.Errorf(question.CodeInternal, "the host failed while it served %s; the log says more", where)
	case in.memory.refused:
		return in.overLimit(where)
	}
	reason := firstLine(err)
	switch {
	case errors.As(err, &exited):
		reason = exited.Error()
	case errors.As(err, &misused):
		reason = misused.Error()
	}
	reason = where + " trapped: " + reason
	in.world.log.close(ctx)
	if words := in.world.log.words; words != "" {
		reason += fmt.Sprintf("; it wrote %q", words)
	}
	return question.Errorf(question.CodePluginTrap, "%s", reason)
}

func (in *instance) overLimit(where string) *question.Error {
	return question.Errorf(question.CodeMemoryLimit, "%s wanted more memory than the limit of %s beyond the dataset",
		where, humanBytes(in.plugin.limits.Memory))
}

// firstLine is the reason in an error of wazero: without its prefix, and without
// the stack traces that follow.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "wasm error: ")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

// close ends the instance: nobody uses it or what view returned afterwards. No
// call may be running.
func (in *instance) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // the job's may have ended
	in.world.log.close(ctx)
	if in.mod != nil {
		if err := in.mod.Close(ctx); err != nil {
			in.plugin.log.Warn("an instance did not close cleanly", "err", err)
		}
	}
	in.memory.release()
}

// broken logs what failed on the host's side, and returns what a caller is told.
func (p *Plugin) broken(ctx context.Context, err error) *question.Error {
	p.log.ErrorContext(ctx, "a sandbox could not be made", "err", err)
	return question.Errorf(question.CodeInternal, "the host could not make a sandbox; the log says more")
}

func humanBytes(n uint64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
