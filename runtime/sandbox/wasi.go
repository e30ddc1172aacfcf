package sandbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// wasiModule is the module of WASI preview 1.
const wasiModule = "wasi_snapshot_preview1"

// wasiHost is everything that one instance can see of the outside: WASI preview 1
// without files, network, arguments, environment or input. Its clock and random
// numbers are the same in every job. The log is the only output.
type wasiHost struct {
	meter             *meter
	world             *world
	now               uint64 // nanoseconds since 1970
	rand              *rand.ChaCha8
	log               guestLog
	logLimit, logLeft uint64 // bytes: Limits.Log, and what is left of it
	handled           uint64 // bytes that were logged or filled with random numbers, of all jobs
}

const (
	// clockStep is how far each reading advances the clock, in nanoseconds.
	clockStep = 1000
	// lastInstant is where the clock stops: anything later is negative when read as a
	// signed number.
	lastInstant = 1<<63 - 1
)

// world is where a plugin's clock and random numbers start: when it is opened, and in each
// job. A job's clock starts at jobInstant, or where opening the plugin left it if that is
// later: time never runs backwards for the plugin.
type world struct {
	openInstant, jobInstant uint64
	openSeed, jobSeed       [32]byte
}

// servedWorld is the one that plugins are served in. The values are arbitrary but must
// never change.
var servedWorld = world{
	openInstant: uint64(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()),
	jobInstant:  uint64(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()),
	openSeed:    [32]byte([]byte("le stats sportifs: plugin opened")),
	jobSeed:     [32]byte([]byte("le stats sportifs: a job started")),
}

func newWASIHost(m *meter, in *world, log *slog.Logger, logLimit uint64) *wasiHost {
	return &wasiHost{meter: m, world: in, now: in.openInstant, rand: rand.NewChaCha8(in.openSeed), log: guestLog{log: log}, logLimit: logLimit, logLeft: logLimit}
}

// startJob restarts clock, random numbers and log. opened is the clock after open.
func (w *wasiHost) startJob(opened uint64) {
	w.now = max(w.world.jobInstant, opened)
	w.rand.Seed(w.world.jobSeed)
	w.log.reset()
	w.logLeft = w.logLimit
}

// Cost of the host's work, in units of fuel.
const (
	hostCall    = 100
	hostLine    = 20_000 // a line written to the log
	hostPerByte = 4      // the number of bytes is shifted right by this
	// hostChunk is the most bytes that the host handles between two calls of charge.
	hostChunk = 64 << 10
)

// charge charges fuel for handling n bytes.
func (w *wasiHost) charge(n uint64) { w.meter.charge(int64(n>>hostPerByte) + 1) }

// chargeLog charges fuel, and bytes of the log limit, for a line or a write.
func (w *wasiHost) chargeLog(n uint64) {
	w.charge(16 * n) // every character is examined
	const least = 32
	if n = max(n, least); n > w.logLeft {
		panic(stopped{question.Errorf(question.CodeLogLimit, "it wrote more than the limit of %s to the log", humanBytes(w.logLimit))})
	}
	w.logLeft -= n
}

func (w *wasiHost) readClock() uint64 {
	t := w.now
	w.waitUntil(t + clockStep)
	return t
}

// waitUntil advances the clock to t, if that is later.
func (w *wasiHost) waitUntil(t uint64) { w.now = min(max(w.now, t), lastInstant) }

// exit is the value that proc_exit panics with. It ends the call and leaves the
// module open, so that its memory stays readable.
type exit struct{ code uint32 }

func (e exit) Error() string { return fmt.Sprintf("it called proc_exit(%d)", e.code) }

// misuse is the value that a host function panics with if the guest misuses it.
type misuse string

func (m misuse) Error() string { return string(m) }

// Error numbers of WASI preview 1.
const (
	errnoSuccess = 0
	errnoBadf    = 8
	errnoFault   = 21
	errnoInval   = 28
	errnoNosys   = 52
	errnoSpipe   = 70
)

// hostFunc is one function that guests may import. fn returns its result, which is ignored
// if sig has none.
type hostFunc struct {
	module, name string
	sig          string
	fn           hostFn
}

// hostFn has its parameters on the stack.
type hostFn func(ctx context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32

// hostSignatures and hostNames list the host functions by "module.name".
var hostSignatures, hostNames = indexHost()

func indexHost() (signatures map[string]string, names []string) {
	signatures = make(map[string]string, len(hostFuncs))
	for _, f := range hostFuncs {
		name := f.module + "." + f.name
		signatures[name] = f.sig
		names = append(names, name)
	}
	return signatures, names
}

// instantiateHost adds the host functions that a guest imports to r. They find their
// instance in the context of the call.
func instantiateHost(ctx context.Context, r wazero.Runtime, info *rewrite.Info) error {
	builders := map[string]wazero.HostModuleBuilder{}
	for n, f := range hostFuncs {
		if !slices.ContainsFunc(info.Imports, func(i rewrite.Import) bool { return i.Module == f.module && i.Name == f.name }) {
			continue
		}
		b, ok := builders[f.module]
		if !ok {
			b = r.NewHostModuleBuilder(f.module)
			builders[f.module] = b
		}
		params, results := valueTypes(f.sig)
		fn := api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			in, ok := ctx.Value(instanceKey{}).(*instance)
			if !ok {
				panic(misuse("a host function was called outside of a job"))
			}
			if in.tracer != nil {
				in.tracer.enter(placeHost - int32(n))
			}
			call := f.fn
			if in.plugin.engine.cfg.HostCalls != nil {
				call = in.watched(&f)
			}
			in.meter.charge(hostCall)
			result := call(ctx, &in.wasi, mod.Memory(), stack)
			if in.tracer != nil {
				in.tracer.leave()
			}
			if len(results) > 0 {
				stack[0] = uint64(result)
			}
		})
		b.NewFunctionBuilder().WithGoModuleFunction(fn, params, results).Export(f.name)
	}
	own := r.NewHostModuleBuilder(rewrite.Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(yield), []api.ValueType{api.ValueTypeI64, api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).Export(rewrite.Yield)
	if info.Sites != nil {
		own = own.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(trace), []api.ValueType{api.ValueTypeI32}, nil).Export(rewrite.Trace)
	}
	builders[rewrite.Module] = own
	for name, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("the host's module %s: %w", name, err)
		}
	}
	return nil
}

// yield is the function that rewritten guests call.
func yield(ctx context.Context, _ api.Module, stack []uint64) {
	in, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		panic(misuse("a guest ran outside of a job"))
	}
	stack[0] = uint64(in.meter.yield(int64(stack[0]), int64(stack[1])))
}

// valueTypes parses a type of hostFuncs, as "(i32, i64) -> i32".
func valueTypes(sig string) (params, results []api.ValueType) {
	list := func(text string) (out []api.ValueType) {
		for _, name := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("(), ", r) }) {
			out = append(out, map[string]api.ValueType{"i32": api.ValueTypeI32, "i64": api.ValueTypeI64}[name])
		}
		return out
	}
	before, after, _ := strings.Cut(sig, " -> ")
	return list(before), list(after)
}

// answers returns a host function that always returns errno.
func answers(errno uint32) hostFn {
	return func(context.Context, *wasiHost, api.Memory, []uint64) uint32 { return errno }
}

// stdio returns a host function that returns errno for descriptors 0 to 2, and EBADF
// for all others.
func stdio(errno uint32) hostFn {
	return func(_ context.Context, _ *wasiHost, _ api.Memory, stack []uint64) uint32 {
		if uint32(stack[0]) > 2 {
			return errnoBadf
		}
		return errno
	}
}

// hostFuncs is everything that a guest may import.
var hostFuncs = []hostFunc{
	{abi.ImportModule, abi.ImportLog, "(i32, i32, i32) -> ()", logLine},
	// Progress is accepted and not shown anywhere yet.
	{abi.ImportModule, abi.ImportProgress, "(i64, i64) -> ()", answers(0)},

	{wasiModule, "args_get", "(i32, i32) -> i32", answers(errnoSuccess)},
	{wasiModule, "args_sizes_get", "(i32, i32) -> i32", noStrings},
	{wasiModule, "environ_get", "(i32, i32) -> i32", answers(errnoSuccess)},
	{wasiModule, "environ_sizes_get", "(i32, i32) -> i32", noStrings},
	{wasiModule, "clock_res_get", "(i32, i32) -> i32", clockRes},
	{wasiModule, "clock_time_get", "(i32, i64, i32) -> i32", clockTime},
	{wasiModule, "fd_advise", "(i32, i64, i64, i32) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_allocate", "(i32, i64, i64) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_close", "(i32) -> i32", stdio(errnoSuccess)},
	{wasiModule, "fd_datasync", "(i32) -> i32", stdio(errnoSuccess)},
	{wasiModule, "fd_fdstat_get", "(i32, i32) -> i32", fdstat},
	{wasiModule, "fd_fdstat_set_flags", "(i32, i32) -> i32", stdio(errnoSuccess)},
	{wasiModule, "fd_fdstat_set_rights", "(i32, i64, i64) -> i32", stdio(errnoSuccess)},
	{wasiModule, "fd_filestat_get", "(i32, i32) -> i32", filestat},
	{wasiModule, "fd_filestat_set_size", "(i32, i64) -> i32", stdio(errnoInval)},
	{wasiModule, "fd_filestat_set_times", "(i32, i64, i64, i32) -> i32", stdio(errnoInval)},
	{wasiModule, "fd_pread", "(i32, i32, i32, i64, i32) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_prestat_get", "(i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "fd_prestat_dir_name", "(i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "fd_pwrite", "(i32, i32, i32, i64, i32) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_read", "(i32, i32, i32, i32) -> i32", fdRead},
	{wasiModule, "fd_readdir", "(i32, i32, i32, i64, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "fd_renumber", "(i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "fd_seek", "(i32, i64, i32, i32) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_sync", "(i32) -> i32", stdio(errnoSuccess)},
	{wasiModule, "fd_tell", "(i32, i32) -> i32", stdio(errnoSpipe)},
	{wasiModule, "fd_write", "(i32, i32, i32, i32) -> i32", fdWrite},
	{wasiModule, "path_create_directory", "(i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_filestat_get", "(i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_filestat_set_times", "(i32, i32, i32, i32, i64, i64, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_link", "(i32, i32, i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_open", "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_readlink", "(i32, i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_remove_directory", "(i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_rename", "(i32, i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_symlink", "(i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "path_unlink_file", "(i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "poll_oneoff", "(i32, i32, i32, i32) -> i32", pollOneoff},
	{wasiModule, "proc_exit", "(i32) -> ()", procExit},
	{wasiModule, "proc_raise", "(i32) -> i32", answers(errnoNosys)},
	{wasiModule, "random_get", "(i32, i32) -> i32", randomGet},
	{wasiModule, "sched_yield", "() -> i32", func(context.Context, *wasiHost, api.Memory, []uint64) uint32 { return errnoSuccess }},
	{wasiModule, "sock_accept", "(i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "sock_recv", "(i32, i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "sock_send", "(i32, i32, i32, i32, i32) -> i32", answers(errnoBadf)},
	{wasiModule, "sock_shutdown", "(i32, i32) -> i32", answers(errnoBadf)},
}

func logLine(ctx context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32 {
	level, ptr, n := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	text, ok := mem.Read(ptr, n)
	if !ok {
		panic(misuse(fmt.Sprintf("it logged %d bytes at %#x, outside its memory", n, ptr)))
	}
	w.handled += uint64(len(text))
	w.chargeLog(min(uint64(len(text)), maxLogLine))
	if w.log.open() {
		w.meter.charge(hostLine)
	}
	w.log.line(ctx, slogLevel(level), text)
	return 0
}

func noStrings(_ context.Context, _ *wasiHost, mem api.Memory, stack []uint64) uint32 {
	return stored(mem.WriteUint32Le(uint32(stack[0]), 0) && mem.WriteUint32Le(uint32(stack[1]), 0))
}

func stored(ok bool) uint32 {
	if !ok {
		return errnoFault
	}
	return errnoSuccess
}

func clockRes(_ context.Context, _ *wasiHost, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 3 {
		return errnoInval
	}
	return stored(mem.WriteUint64Le(uint32(stack[1]), clockStep))
}

// clockTime returns the same time for all four clocks.
func clockTime(_ context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 3 {
		return errnoInval
	}
	return stored(mem.WriteUint64Le(uint32(stack[2]), w.readClock()))
}

const filetypeCharacterDevice = 2

func fdstat(_ context.Context, _ *wasiHost, mem api.Memory, stack []uint64) uint32 {
	fd := uint32(stack[0])
	if fd > 2 {
		return errnoBadf
	}
	const rightRead, rightWrite = 1 << 1, 1 << 6
	var b [24]byte
	b[0] = filetypeCharacterDevice
	rights := uint64(rightWrite)
	if fd == 0 {
		rights = rightRead
	}
	binary.LittleEndian.PutUint64(b[8:], rights)
	return stored(mem.Write(uint32(stack[1]), b[:]))
}

func filestat(_ context.Context, _ *wasiHost, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 2 {
		return errnoBadf
	}
	var b [64]byte
	b[16] = filetypeCharacterDevice
	return stored(mem.Write(uint32(stack[1]), b[:]))
}

// fdRead reports the end of standard input.
func fdRead(_ context.Context, _ *wasiHost, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) != 0 {
		return errnoBadf
	}
	return stored(mem.WriteUint32Le(uint32(stack[3]), 0))
}

// fdWrite writes standard output and error to the log.
func fdWrite(ctx context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32 {
	fd, iovs, count := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if fd != 1 && fd != 2 {
		return errnoBadf
	}
	const maxIovs = 1024 // the limit of POSIX systems
	if count > maxIovs {
		return errnoInval
	}
	list, ok := mem.Read(iovs, 8*count)
	if !ok {
		return errnoFault
	}
	w.charge(16 * uint64(len(list)))
	var total uint32
	for ; len(list) > 0; list = list[8:] {
		text, ok := mem.Read(binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]))
		if !ok {
			return errnoFault
		}
		if total+uint32(len(text)) < total {
			return errnoInval
		}
		total += uint32(len(text))
		w.handled += uint64(len(text))
		for len(text) > 0 {
			n := min(len(text), hostChunk)
			w.chargeLog(uint64(n))
			lines := w.log.lines
			w.log.write(ctx, fd == 2, text[:n])
			w.meter.charge(int64(w.log.lines-lines) * hostLine)
			text = text[n:]
		}
	}
	return stored(mem.WriteUint32Le(uint32(stack[3]), total))
}

// pollOneoff never waits. If a guest waits only for time, its clock is advanced to
// the end of the first wait.
func pollOneoff(_ context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32 {
	in, out, count := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	const subscriptionSize, eventSize, maxSubscriptions = 48, 32, 1024
	if count == 0 || count > maxSubscriptions {
		return errnoInval
	}
	subs, ok := mem.Read(in, count*subscriptionSize)
	if !ok {
		return errnoFault
	}
	w.charge(uint64(len(subs)))
	const clock, fdRead, fdWrite = 0, 1, 2
	var events []byte
	event := func(sub []byte, errno uint16) {
		var e [eventSize]byte
		copy(e[:8], sub) // userdata
		binary.LittleEndian.PutUint16(e[8:], errno)
		e[10] = sub[8]
		events = append(events, e[:]...)
	}
	first, firstAt := -1, uint64(0)
	for i := range int(count) {
		sub := subs[i*subscriptionSize:][:subscriptionSize]
		switch sub[8] {
		case clock:
			at := binary.LittleEndian.Uint64(sub[24:])
			if absolute := sub[40]&1 != 0; !absolute {
				at = w.now + min(at, lastInstant) // below 2^64
			}
			if first < 0 || at < firstAt {
				first, firstAt = i, at
			}
		case fdRead, fdWrite:
			errno := uint16(errnoSuccess)
			if binary.LittleEndian.Uint32(sub[16:]) > 2 {
				errno = errnoBadf
			}
			event(sub, errno)
		default:
			return errnoInval
		}
	}
	if len(events) == 0 {
		w.waitUntil(firstAt)
		event(subs[first*subscriptionSize:], errnoSuccess)
	}
	return stored(mem.Write(out, events) && mem.WriteUint32Le(uint32(stack[3]), uint32(len(events)/eventSize)))
}

func procExit(_ context.Context, _ *wasiHost, _ api.Memory, stack []uint64) uint32 {
	panic(exit{uint32(stack[0])})
}

func randomGet(_ context.Context, w *wasiHost, mem api.Memory, stack []uint64) uint32 {
	b, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return errnoFault
	}
	w.handled += uint64(len(b))
	for len(b) > 0 {
		n := min(len(b), hostChunk)
		w.charge(16 * uint64(n))
		_, _ = w.rand.Read(b[:n]) // never fails
		b = b[n:]
	}
	return errnoSuccess
}
