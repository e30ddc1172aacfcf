package sandbox

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// instance is a plugin brought to life: memory, world and functions. It is used
// by one goroutine, and every instance of a plugin lives the same life: newInstance
// (initialise, describe), open, one answer, close.
type instance struct {
	plugin *Plugin
	mod    api.Module
	memory *linearMemory
	world  *world

	manifest []byte // what describe returned: a copy
	given    []span // what alloc has handed out
}

// span is a run of addresses, from start up to but not including end.
type span struct{ start, end uint64 }

// newInstance instantiates the plugin, initialises it and has it describe
// itself. The caller closes what it gets.
func (p *Plugin) newInstance(ctx context.Context) (*instance, *question.Error) {
	in := &instance{
		plugin: p,
		memory: &linearMemory{limit: p.engine.cfg.MemoryLimit, start: p.memoryHint.Load()},
		world:  newWorld(guestLog{log: p.log}),
	}
	mod, err := p.runtime.InstantiateModule(
		experimental.WithMemoryAllocator(in.context(ctx), in.memory), p.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, in.failure(ctx, "its start function", err)
	}
	in.mod = mod
	if mod.ExportedFunction(abi.ExportInitialize) != nil {
		if _, err := in.call(ctx, abi.ExportInitialize); err != nil {
			return nil, in.abandon(ctx, err)
		}
	}
	packed, failed := in.call(ctx, abi.ExportDescribe)
	if failed != nil {
		return nil, in.abandon(ctx, failed)
	}
	ptr, n := abi.Unpack(packed)
	text, ok := in.view().at(ptr, uint64(n))
	switch {
	case n > maxManifest:
		return nil, in.abandon(ctx, badPlugin("%s returned a manifest of %d bytes; at most %d", abi.ExportDescribe, n, maxManifest))
	case !ok:
		return nil, in.abandon(ctx, badPlugin("%s returned %d bytes at %#x, which lie outside of its memory (%d bytes)", abi.ExportDescribe, n, ptr, len(in.view())))
	case n == 0:
		return nil, in.abandon(ctx, badPlugin("%s returned an empty manifest", abi.ExportDescribe))
	}
	in.manifest = append([]byte(nil), text...)
	return in, nil
}

// open writes the dataset's columns and their directory, and opens the plugin.
func (in *instance) open(ctx context.Context) *question.Error {
	b, ds := &in.plugin.block, in.plugin.engine.dataset
	in.memory.limit = min(in.memory.limit+b.size, maxMemory)
	var base uint32
	if b.size > 0 {
		var err *question.Error
		if base, err = in.alloc(ctx, b.size, abi.ColumnAlign); err != nil {
			return err
		}
	}
	size := b.directorySize(ds.Digest())
	at, err := in.alloc(ctx, uint64(size), abi.BufferAlign)
	if err != nil {
		return err
	}
	for _, part := range b.parts { // alloc has checked that all of it lies in memory
		in.mod.Memory().Write(base+part.offset, part.segment.bytes)
	}
	in.mod.Memory().Write(at, b.directory(at, base, ds.Rows(), ds.Digest()))
	packed, err := in.call(ctx, abi.ExportOpen, uint64(at), uint64(size))
	if err != nil {
		return err
	}
	if packed == 0 {
		return nil
	}
	refusal := decodeOpen(in.view(), packed)
	refusal.Reason = abi.ExportOpen + ": " + refusal.Reason
	return refusal
}

// answer asks the plugin. What it returns shares nothing with the instance.
func (in *instance) answer(ctx context.Context, b *question.Bound, rows []question.Range) (*question.Table, *question.Error) {
	p := in.plugin
	size := requestSize(b, rows)
	at, err := in.alloc(ctx, size, abi.BufferAlign)
	if err != nil {
		return nil, err
	}
	in.mod.Memory().Write(at, encodeRequest(at, b, rows, p.columnIndex))
	in.world.startJob()
	packed, err := in.call(ctx, abi.ExportAnswer, uint64(at), abi.RequestSize)
	if err != nil {
		return nil, err
	}
	return decodeAnswer(in.view(), packed, b.Question, p.unitOf, p.engine.cfg.ResultLimit)
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
	call := fmt.Sprintf("%s(%d, %d)", abi.ExportAlloc, size, align)
	switch {
	case ptr == 0 && in.memory.refused:
		return 0, in.overLimit(call)
	case ptr == 0:
		return 0, question.Errorf(question.CodeMemoryLimit, "%s returned 0: it has no memory left", call)
	case ptr%align != 0:
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which is no multiple of %d", call, ptr, align)
	case s.end > uint64(len(in.view())):
		return 0, question.Errorf(question.CodeBadResult, "%s returned %#x; what begins there ends outside of its memory (%d bytes)", call, ptr, len(in.view()))
	}
	for _, o := range in.given {
		if s.start < o.end && o.start < s.end {
			return 0, question.Errorf(question.CodeBadResult, "%s returned %#x, which overlaps what it handed out before, from %#x up to %#x", call, ptr, o.start, o.end)
		}
	}
	in.given = append(in.given, s)
	return ptr, nil
}

// view is the instance's memory as it is now; it is not to be kept beyond the
// next call.
func (in *instance) view() memory { return in.memory.buf }

// context is ctx with what the host functions look for.
func (in *instance) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, worldKey{}, in.world)
}

// call calls an export, whose type checkModule has checked.
func (in *instance) call(ctx context.Context, export string, args ...uint64) (uint64, *question.Error) {
	stack := make([]uint64, max(len(args), 1))
	copy(stack, args)
	if err := in.mod.ExportedFunction(export).CallWithStack(in.context(ctx), stack); err != nil {
		return 0, in.failure(ctx, export, err)
	}
	return stack[0], nil
}

// failure says why a call into the guest ended early.
func (in *instance) failure(ctx context.Context, where string, err error) *question.Error {
	var (
		stopped *sys.ExitError // by the context: our proc_exit is an exit
		exited  exit
		misused misuse
		broken  goruntime.Error
	)
	switch {
	case errors.As(err, &stopped) && ctx.Err() != nil:
		return in.plugin.engine.interrupted(ctx)
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
		where, humanBytes(in.plugin.engine.cfg.MemoryLimit))
}

// firstLine is the reason in an error of wazero: without its prefix, and without
// the stack traces that follow.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, "wasm error: ")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

// abandon closes the instance and returns err.
func (in *instance) abandon(ctx context.Context, err *question.Error) *question.Error {
	in.close(ctx)
	return err
}

// close ends the instance: nobody uses it or what view returned afterwards.
func (in *instance) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // the job's may have ended
	in.world.log.close(ctx)
	if err := in.mod.Close(ctx); err != nil {
		in.plugin.log.Warn("an instance did not close cleanly", "err", err)
	}
}

func humanBytes(n uint64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
