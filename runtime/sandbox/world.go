package sandbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// wasiModule is the module of WASI preview 1.
const wasiModule = "wasi_snapshot_preview1"

// world is all that one instance can see of the outside: WASI preview 1 without
// files, network, arguments, environment or input. Its clock and its randomness
// are the same in every job; only the log leads out.
type world struct {
	meter *meter
	now   uint64 // nanoseconds since 1970
	rand  *rand.ChaCha8
	log   guestLog
	// What may still be written to the log, in bytes.
	logLimit, logLeft uint64
}

const (
	// clockStep is how far each reading moves the clock, in nanoseconds.
	clockStep = 1000
	// lastInstant is where the clock stands still: what comes after it is negative to
	// whoever takes it for a signed number.
	lastInstant = 1<<63 - 1
)

// The clock starts at fixed instants. A job's is that one, or where opening the
// plugin has left the clock if that is later: to the plugin time never runs backwards.
var (
	openInstant = uint64(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	jobInstant  = uint64(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
)

// The seeds of the randomness: any, but never another.
var (
	openSeed = [32]byte([]byte("le stats sportifs: plugin opened"))
	jobSeed  = [32]byte([]byte("le stats sportifs: a job started"))
)

func newWorld(m *meter, log *slog.Logger, logLimit uint64) *world {
	return &world{meter: m, now: openInstant, rand: rand.NewChaCha8(openSeed), log: guestLog{log: log}, logLimit: logLimit, logLeft: logLimit}
}

// startJob starts clock, randomness and log afresh. opened is what the clock showed
// when the plugin had been opened.
func (w *world) startJob(opened uint64) {
	w.now = max(jobInstant, opened)
	w.rand.Seed(jobSeed)
	w.log.reset()
	w.logLeft = w.logLimit
}

// What the host's work costs, in units of fuel, beyond the call itself.
const (
	hostCall    = 100
	hostLine    = 20_000 // a line of the log, written
	hostPerByte = 4      // bytes are shifted right by it
	// hostChunk is how many bytes the host handles at most between two looks at the
	// meter.
	hostChunk = 64 << 10
)

// charge takes fuel for handling n bytes.
func (w *world) charge(n uint64) { w.meter.charge(int64(n>>hostPerByte) + 1) }

// chargeLog takes fuel, and bytes of the log's limit, for a line or a write.
func (w *world) chargeLog(n uint64) {
	w.charge(16 * n) // each character is looked at
	const least = 32
	if n = max(n, least); n > w.logLeft {
		panic(stopped{question.Errorf(question.CodeLogLimit, "it wrote more than the limit of %s to the log", humanBytes(w.logLimit))})
	}
	w.logLeft -= n
}

func (w *world) readClock() uint64 {
	t := w.now
	w.waitUntil(t + clockStep)
	return t
}

// waitUntil moves the clock on to an instant, if that is later.
func (w *world) waitUntil(t uint64) { w.now = min(max(w.now, t), lastInstant) }

// exit is what proc_exit panics with: it ends the call, and leaves the module
// open, so that its memory stays readable.
type exit struct{ code uint32 }

func (e exit) Error() string { return fmt.Sprintf("it called proc_exit(%d)", e.code) }

// misuse is what a host function panics with when the guest misuses it.
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

// hostFunc is one function that guests may import. Its parameters are on the
// stack; fn returns its result, which is ignored where sig has none.
type hostFunc struct {
	module, name string
	sig          signature
	fn           func(ctx context.Context, w *world, mem api.Memory, stack []uint64) uint32
}

// hostSignatures and hostNames list the host functions as "module.name".
var hostSignatures, hostNames = indexHost()

func indexHost() (signatures map[string]signature, names []string) {
	signatures = make(map[string]signature, len(hostFuncs))
	for _, f := range hostFuncs {
		name := f.module + "." + f.name
		signatures[name] = f.sig
		names = append(names, name)
	}
	return signatures, names
}

// instantiateHost puts what a guest imports of the host into r. The functions find
// their world in the context of the call.
func instantiateHost(ctx context.Context, r wazero.Runtime, imports []rewrite.Import) error {
	builders := map[string]wazero.HostModuleBuilder{}
	for _, f := range hostFuncs {
		if !slices.ContainsFunc(imports, func(i rewrite.Import) bool { return i.Module == f.module && i.Name == f.name }) {
			continue
		}
		b, ok := builders[f.module]
		if !ok {
			b = r.NewHostModuleBuilder(f.module)
			builders[f.module] = b
		}
		fn := api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			in, ok := ctx.Value(instanceKey{}).(*instance)
			if !ok {
				panic(misuse("a host function was called outside of a job"))
			}
			in.meter.charge(hostCall)
			result := f.fn(ctx, &in.world, mod.Memory(), stack)
			if f.sig.results != "" {
				stack[0] = uint64(result)
			}
		})
		b.NewFunctionBuilder().WithGoModuleFunction(fn, valueTypes(f.sig.params), valueTypes(f.sig.results)).Export(f.name)
	}
	builders[rewrite.Module] = r.NewHostModuleBuilder(rewrite.Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(yield), valueTypes("jj"), valueTypes("j")).Export(rewrite.Yield)
	for name, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("the host's module %s: %w", name, err)
		}
	}
	return nil
}

// yield is what the rewriter has guests call.
func yield(ctx context.Context, _ api.Module, stack []uint64) {
	in, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		panic(misuse("a guest ran outside of a job"))
	}
	stack[0] = uint64(in.meter.yield(int64(stack[0]), int64(stack[1])))
}

func valueTypes(letters string) []api.ValueType {
	out := make([]api.ValueType, len(letters))
	for i := range letters {
		out[i] = api.ValueTypeI32
		if letters[i] == 'j' {
			out[i] = api.ValueTypeI64
		}
	}
	return out
}

// answers returns a function that answers with errno whatever it is asked.
func answers(errno uint32) func(context.Context, *world, api.Memory, []uint64) uint32 {
	return func(context.Context, *world, api.Memory, []uint64) uint32 { return errno }
}

// stdio returns a function that answers with errno for descriptors 0 to 2, which
// there are, and that there is none such for all others.
func stdio(errno uint32) func(context.Context, *world, api.Memory, []uint64) uint32 {
	return func(_ context.Context, _ *world, _ api.Memory, stack []uint64) uint32 {
		if uint32(stack[0]) > 2 {
			return errnoBadf
		}
		return errno
	}
}

// hostFuncs is everything that a guest may import.
var hostFuncs = []hostFunc{
	{abi.ImportModule, abi.ImportLog, signature{"iii", ""}, logLine},
	// Nothing shows progress yet; a plugin may tell it all the same.
	{abi.ImportModule, abi.ImportProgress, signature{"jj", ""}, answers(0)},

	{wasiModule, "args_get", signature{"ii", "i"}, answers(errnoSuccess)},
	{wasiModule, "args_sizes_get", signature{"ii", "i"}, noStrings},
	{wasiModule, "environ_get", signature{"ii", "i"}, answers(errnoSuccess)},
	{wasiModule, "environ_sizes_get", signature{"ii", "i"}, noStrings},
	{wasiModule, "clock_res_get", signature{"ii", "i"}, clockRes},
	{wasiModule, "clock_time_get", signature{"iji", "i"}, clockTime},
	{wasiModule, "fd_advise", signature{"ijji", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_allocate", signature{"ijj", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_close", signature{"i", "i"}, stdio(errnoSuccess)},
	{wasiModule, "fd_datasync", signature{"i", "i"}, stdio(errnoSuccess)},
	{wasiModule, "fd_fdstat_get", signature{"ii", "i"}, fdstat},
	{wasiModule, "fd_fdstat_set_flags", signature{"ii", "i"}, stdio(errnoSuccess)},
	{wasiModule, "fd_fdstat_set_rights", signature{"ijj", "i"}, stdio(errnoSuccess)},
	{wasiModule, "fd_filestat_get", signature{"ii", "i"}, filestat},
	{wasiModule, "fd_filestat_set_size", signature{"ij", "i"}, stdio(errnoInval)},
	{wasiModule, "fd_filestat_set_times", signature{"ijji", "i"}, stdio(errnoInval)},
	{wasiModule, "fd_pread", signature{"iiiji", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_prestat_get", signature{"ii", "i"}, answers(errnoBadf)},
	{wasiModule, "fd_prestat_dir_name", signature{"iii", "i"}, answers(errnoBadf)},
	{wasiModule, "fd_pwrite", signature{"iiiji", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_read", signature{"iiii", "i"}, fdRead},
	{wasiModule, "fd_readdir", signature{"iiiji", "i"}, answers(errnoBadf)},
	{wasiModule, "fd_renumber", signature{"ii", "i"}, answers(errnoBadf)},
	{wasiModule, "fd_seek", signature{"ijii", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_sync", signature{"i", "i"}, stdio(errnoSuccess)},
	{wasiModule, "fd_tell", signature{"ii", "i"}, stdio(errnoSpipe)},
	{wasiModule, "fd_write", signature{"iiii", "i"}, fdWrite},
	{wasiModule, "path_create_directory", signature{"iii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_filestat_get", signature{"iiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_filestat_set_times", signature{"iiiijji", "i"}, answers(errnoBadf)},
	{wasiModule, "path_link", signature{"iiiiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_open", signature{"iiiiijjii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_readlink", signature{"iiiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_remove_directory", signature{"iii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_rename", signature{"iiiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_symlink", signature{"iiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "path_unlink_file", signature{"iii", "i"}, answers(errnoBadf)},
	{wasiModule, "poll_oneoff", signature{"iiii", "i"}, pollOneoff},
	{wasiModule, "proc_exit", signature{"i", ""}, procExit},
	{wasiModule, "proc_raise", signature{"i", "i"}, answers(errnoNosys)},
	{wasiModule, "random_get", signature{"ii", "i"}, randomGet},
	{wasiModule, "sched_yield", signature{"", "i"}, func(context.Context, *world, api.Memory, []uint64) uint32 { return errnoSuccess }},
	{wasiModule, "sock_accept", signature{"iii", "i"}, answers(errnoBadf)},
	{wasiModule, "sock_recv", signature{"iiiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "sock_send", signature{"iiiii", "i"}, answers(errnoBadf)},
	{wasiModule, "sock_shutdown", signature{"ii", "i"}, answers(errnoBadf)},
}

func logLine(ctx context.Context, w *world, mem api.Memory, stack []uint64) uint32 {
	level, ptr, n := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	text, ok := mem.Read(ptr, n)
	if !ok {
		panic(misuse(fmt.Sprintf("it logged %d bytes at %#x, which lie outside of its memory", n, ptr)))
	}
	w.chargeLog(min(uint64(len(text)), maxLogLine))
	if w.log.open() {
		w.meter.charge(hostLine)
	}
	w.log.line(ctx, slogLevel(level), text)
	return 0
}

func noStrings(_ context.Context, _ *world, mem api.Memory, stack []uint64) uint32 {
	return stored(mem.WriteUint32Le(uint32(stack[0]), 0) && mem.WriteUint32Le(uint32(stack[1]), 0))
}

func stored(ok bool) uint32 {
	if !ok {
		return errnoFault
	}
	return errnoSuccess
}

func clockRes(_ context.Context, _ *world, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 3 {
		return errnoInval
	}
	return stored(mem.WriteUint64Le(uint32(stack[1]), clockStep))
}

// clockTime answers for all four clocks with the one there is.
func clockTime(_ context.Context, w *world, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 3 {
		return errnoInval
	}
	return stored(mem.WriteUint64Le(uint32(stack[2]), w.readClock()))
}

const filetypeCharacterDevice = 2

func fdstat(_ context.Context, _ *world, mem api.Memory, stack []uint64) uint32 {
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

func filestat(_ context.Context, _ *world, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) > 2 {
		return errnoBadf
	}
	var b [64]byte
	b[16] = filetypeCharacterDevice
	return stored(mem.Write(uint32(stack[1]), b[:]))
}

// fdRead: the input is at its end.
func fdRead(_ context.Context, _ *world, mem api.Memory, stack []uint64) uint32 {
	if uint32(stack[0]) != 0 {
		return errnoBadf
	}
	return stored(mem.WriteUint32Le(uint32(stack[3]), 0))
}

// fdWrite: what goes to standard output and error ends in the log.
func fdWrite(ctx context.Context, w *world, mem api.Memory, stack []uint64) uint32 {
	fd, iovs, count := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if fd != 1 && fd != 2 {
		return errnoBadf
	}
	const most = 1024 // the limit that POSIX systems have
	if count > most {
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

// pollOneoff waits for nothing: where a guest waits for time only, the clock is
// moved to when the first wait ends.
func pollOneoff(_ context.Context, w *world, mem api.Memory, stack []uint64) uint32 {
	in, out, count := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	const subscriptionSize, eventSize, most = 48, 32, 1024
	if count == 0 || count > most {
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

func procExit(_ context.Context, _ *world, _ api.Memory, stack []uint64) uint32 {
	panic(exit{uint32(stack[0])})
}

func randomGet(_ context.Context, w *world, mem api.Memory, stack []uint64) uint32 {
	b, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return errnoFault
	}
	for len(b) > 0 {
		n := min(len(b), hostChunk)
		w.charge(16 * uint64(n))
		_, _ = w.rand.Read(b[:n]) // never fails
		b = b[n:]
	}
	return errnoSuccess
}
