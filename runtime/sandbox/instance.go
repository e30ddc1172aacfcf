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

// instance is an instantiated plugin: memory, WASI host and functions. One
// goroutine at a time uses it.
//
// The first instance is initialised, described and opened. The image is taken from
// it, and all later instances (slots) start as a copy of that image. Each then runs
// jobs, and after every job it is reset or closed.
type instance struct {
	plugin  *Plugin
	mod     api.Module
	memory  linearMemory
	meter   meter
	wasi    wasiHost
	running string  // what of the guest the host calls
	tracer  *tracer // of the job, in a plugin of LoadTraced; nil: it is not followed
	ctx     callContext

	functions map[string]api.Function // found so far
	globals   []api.MutableGlobal     // those of the image
	stack     [4]uint64               // parameters and result of a call

	manifest      []byte // a copy of what describe returned; nil in a slot
	base          uint32 // address of the block
	given         []span // what alloc has returned so far
	requestBuffer uint32 // address of requestBufferSize bytes
	opened        uint64 // the guest's clock after open
	result        uint64 // bytes of the columns in the job's answer

	pages pages  // for the reset
	kept  uint64 // bytes of memory that are its own, as of the last reset
	jobs  int    // since the functions were found
	idle  time.Time
}

// requestBufferSize is the size of the buffer that a plugin allocates for requests
// before its image is taken. A request that fits needs no call of alloc.
const requestBufferSize = 4096

// span is the range of addresses from start to end, exclusive.
type span struct{ start, end uint64 }

// callContext is the context of a call into a guest. Host functions find their
// instance in it.
type callContext struct {
	context.Context
	in *instance
}

type instanceKey struct{}

// Value returns the instance for instanceKey, and otherwise the job context's value.
func (c *callContext) Value(key any) any {
	if key == (instanceKey{}) {
		return c.in
	}
	return c.Context.Value(key)
}

// newInstance returns an instance without a module.
func (p *Plugin) newInstance() *instance {
	in := &instance{plugin: p, functions: map[string]api.Function{}}
	in.memory.limit = p.memoryCeiling()
	in.meter.plugin = p
	in.ctx.in = in
	in.wasi = *newWASIHost(&in.meter, p.world, p.log, p.limits.Log)
	return in
}

// memoryCeiling is the size up to which the plugin's memory may grow, in bytes.
func (p *Plugin) memoryCeiling() uint64 { return min(p.limits.Memory+p.block.size, maxMemory) }

// instantiate creates an instance, initialises it and calls describe. The caller
// closes the instance.
func (p *Plugin) instantiate(ctx context.Context, t *stopwatch) (_ *instance, failed *question.Error) {
	in := p.newInstance()
	defer func() {
		if failed != nil {
			in.close(ctx)
		}
	}()
	if p.strategy != resetCopy {
		var err error
		// While a plugin is being loaded its block is not known yet.
		if in.memory.space, err = reserve(min(p.engine.cfg.largest+p.engine.columns, maxMemory)); err != nil {
			return nil, p.broken(ctx, err)
		}
	}
	in.meter.start(ctx, t, &p.limits)
	if err := in.instantiateModule(ctx); err != nil {
		return nil, in.failure(ctx, "it", err)
	}
	for _, d := range p.info.Data {
		if !in.mod.Memory().Write(d.Offset, d.Bytes) {
			return nil, question.Errorf(question.CodePluginTrap, "its data segment of %d bytes at %#x is outside its memory (%d bytes)", len(d.Bytes), d.Offset, len(in.view()))
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
		return nil, badPlugin("%s returned a manifest of %d bytes; the limit is %d", abi.ExportDescribe, n, maxManifest)
	case !ok:
		return nil, badPlugin("%s returned %d bytes at %#x, outside its memory (%d bytes)", abi.ExportDescribe, n, ptr, len(in.view()))
	case n == 0:
		return nil, badPlugin("%s returned an empty manifest: the plugin declared nothing", abi.ExportDescribe)
	}
	in.manifest = append([]byte(nil), text...)
	return in, nil
}

// instantiateModule creates the module; no guest code runs.
func (in *instance) instantiateModule(ctx context.Context) error {
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
	in.memory.limit = in.plugin.memoryCeiling()
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
	for _, part := range b.parts { // alloc has checked that all of it is in memory
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
	in.requestBuffer, err = in.alloc(ctx, requestBufferSize, abi.BufferAlign)
	in.opened = in.wasi.now
	return err
}

// answer asks the plugin. The result shares no memory with the instance. returned
// reports that the guest returned, with whatever answer.
func (in *instance) answer(ctx context.Context, t *stopwatch, b *question.BoundRequest, rows []question.Range) (_ *question.Table, returned bool, _ *question.Error) {
	p := in.plugin
	in.meter.start(ctx, t, &p.limits)
	in.wasi.startJob(in.opened)
	in.result = 0
	at, size := in.requestBuffer, requestSize(b, rows)
	if size > requestBufferSize {
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
	table, size, err := decodeAnswer(in.view(), packed, b.Question, in, p.limits.Result)
	in.result = size
	return table, true, err
}

// alloc asks the guest for size bytes and checks the address that it returns.
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
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which is not a multiple of %d", call(), ptr, align)
	case s.end > uint64(len(in.view())):
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x; that buffer would end outside its memory (%d bytes)", call(), ptr, len(in.view()))
	}
	for _, o := range in.given {
		if s.start < o.end && o.start < s.end {
			return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which overlaps an earlier allocation from %#x to %#x", call(), ptr, o.start, o.end)
		}
	}
	in.given = append(in.given, s)
	return ptr, nil
}

func (in *instance) unitOf(column string) string { return in.plugin.unitOf(column) }

// dictAt also compares the bytes: a guest may have overwritten its copy.
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

// view is the instance's memory. It is valid until the next call.
func (in *instance) view() memory { return in.memory.buf }

// context is ctx with the instance in it, for the host functions.
func (in *instance) context(ctx context.Context) context.Context {
	in.ctx.Context = ctx //nolint:fatcontext // it replaces the previous job's
	return &in.ctx
}

// call calls an export. checkHeader has checked its type.
func (in *instance) call(ctx context.Context, export string, args ...uint64) (uint64, *question.Error) {
	return in.callNamed(ctx, export, export, args...)
}

func (in *instance) callNamed(ctx context.Context, export, where string, args ...uint64) (uint64, *question.Error) {
	copy(in.stack[:], args)
	in.meter.stack.Set(in.plugin.limits.Stack)
	in.running = where
	err := in.function(export).CallWithStack(in.context(ctx), in.stack[:])
	if in.tracer != nil {
		in.tracer.returned()
	}
	if err != nil {
		return 0, in.failure(ctx, where, err)
	}
	return in.stack[0], nil
}

// function returns an exported function, or nil. It caches what it finds, because
// each api.Function has a native stack.
func (in *instance) function(export string) api.Function {
	f, ok := in.functions[export]
	if !ok {
		f = in.mod.ExportedFunction(export)
		in.functions[export] = f
	}
	return f
}

// The native stack of an api.Function grows and never shrinks. So functions are
// dropped after a job that was seen to nest deeply, and every so often in any case.
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

// failure turns the error of a call into the guest into a *question.Error, whose cause says
// where in the guest it happened.
func (in *instance) failure(ctx context.Context, where string, err error) *question.Error {
	frames := in.plugin.frames(err)
	failed := in.reason(ctx, where, err)
	if len(frames) == 0 {
		return failed
	}
	if failed.Code == question.CodePluginTrap {
		in.plugin.log.InfoContext(ctx, "a plugin trapped", "where", where, "stack", strings.Join(frames, " < "))
	}
	return question.Errorf(failed.Code, "%s%w", failed.Reason, &stackError{frames, failed.Unwrap()})
}

// reason is failure without where it happened.
func (in *instance) reason(ctx context.Context, where string, err error) *question.Error {
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
		return question.Errorf(question.CodeInternal, "the host failed while serving %s; see the log", where)
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
	in.wasi.log.close(ctx)
	if words := in.wasi.log.words; words != "" {
		reason += fmt.Sprintf("; it wrote %q", words)
	}
	return question.Errorf(question.CodePluginTrap, "%s", reason)
}

func (in *instance) overLimit(where string) *question.Error {
	return question.Errorf(question.CodeMemoryLimit, "%s asked for more memory than the limit of %s beyond the dataset",
		where, humanBytes(in.plugin.limits.Memory))
}

// firstLine is the reason in an error from wazero, without its prefix and the stack
// traces that follow.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "wasm error: ")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

// close closes the instance. No call may be running, and neither the instance nor a
// view of it may be used afterwards.
func (in *instance) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // the job's may have ended
	in.wasi.log.close(ctx)
	if in.mod != nil {
		if err := in.mod.Close(ctx); err != nil {
			in.plugin.log.Warn("an instance did not close cleanly", "err", err)
		}
	}
	in.memory.release()
}

// broken logs a failure of the host and returns the error for the caller.
func (p *Plugin) broken(ctx context.Context, err error) *question.Error {
	p.log.ErrorContext(ctx, "a sandbox could not be created", "err", err)
	return question.Errorf(question.CodeInternal, "the host could not create a sandbox; see the log")
}

func humanBytes(n uint64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
