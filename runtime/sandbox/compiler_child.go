package sandbox

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// compilerCommand is the argument that makes a program act as the compiler.
const compilerCommand = "compile-plugins-for-the-sandbox"

// The child writes replyReady once, then a reply for each module: the outcome, a byte
// that is 1 if the child takes no more modules, and a text preceded by its length.
const (
	replyReady   = '+'
	replyDone    = 'd'
	replyRefused = 'r'
	replyFailed  = 'f'
)

// Exit codes of a child that stops itself. Go itself uses 1 and 2.
const (
	exitMemory = 81
	exitTime   = 82
	exitUsage  = 83
)

// isCompiler reports that main has called CompilerMain.
var isCompiler atomic.Bool

// CompilerMain turns this process into a compiler if it was started as one, and does
// not return then. A program that is its own compiler calls it first in main; see
// [SelfCompiler].
func CompilerMain() {
	isCompiler.Store(true)
	if len(os.Args) < 2 || os.Args[1] != compilerCommand {
		return
	}
	if err := serveCompiler(os.Args[2:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	os.Exit(0)
}

// SelfCompiler returns the command line with which this program compiles plugins, for
// Config.Compiler. It is nil unless main has called [CompilerMain]; otherwise the program
// would start itself over and over.
func SelfCompiler() []string {
	if !isCompiler.Load() {
		return nil
	}
	name := "/proc/self/exe" // still the same file after an upgrade has replaced it
	if goruntime.GOOS != "linux" {
		var err error
		if name, err = os.Executable(); err != nil {
			name = os.Args[0]
		}
	}
	return []string{name, compilerCommand}
}

// serveCompiler compiles modules from in, one after another, until the end of in.
func serveCompiler(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("%d arguments; expected the memory in bytes and the time", len(args))
	}
	memory, err := strconv.ParseUint(args[0], 10, 62)
	if err != nil {
		return err
	}
	limit, err := time.ParseDuration(args[1])
	if err != nil || limit <= 0 {
		return fmt.Errorf("invalid time %q", args[1])
	}
	w := watch{memory: memory, time: limit}
	if err := w.begin(); err != nil {
		return err
	}
	type module struct {
		folder string
		wasm   []byte
	}
	modules := make(chan module)
	go func() {
		// The end of the input means that the parent is gone.
		r := bufio.NewReader(in)
		for {
			folder, err := readFrame(r, maxReply)
			if err != nil {
				os.Exit(0)
			}
			wasm, err := readFrame(r, 1<<30)
			if err != nil {
				os.Exit(0)
			}
			modules <- module{string(folder), wasm}
		}
	}()
	if _, err := out.Write([]byte{replyReady}); err != nil {
		return err
	}
	for m := range modules {
		w.start()
		kind, err := compileInto(m.folder, m.wasm)
		w.stop()
		text := ""
		if err != nil {
			text = err.Error()
		}
		text = text[:min(len(text), maxReply)]
		reply := []byte{kind, 0}
		if processorTime() > limit { // RLIMIT_CPU would cut the next module short
			reply[1] = 1
		}
		reply = binary.LittleEndian.AppendUint32(reply, uint32(len(text)))
		if _, err := out.Write(append(reply, text...)); err != nil {
			return err
		}
	}
	return nil
}

// compileInto compiles a module into a folder, from which openCode loads it.
func compileInto(folder string, wasm []byte) (kind byte, err error) {
	ctx := experimental.WithCompilationWorkers(context.Background(), goruntime.GOMAXPROCS(0))
	cache, err := wazero.NewCompilationCacheWithDir(folder)
	if err != nil {
		return replyFailed, err
	}
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(cache))
	_, err = r.CompileModule(ctx, wasm)
	closed := errors.Join(r.Close(ctx), cache.Close(ctx))
	var onDisk *os.PathError
	switch {
	case errors.As(err, &onDisk):
		return replyFailed, err
	case err != nil:
		return replyRefused, err
	case closed != nil:
		return replyFailed, closed
	}
	return replyDone, nil
}

// watch ends this process when it exceeds its limits. The operating system does the
// same where it can.
type watch struct {
	memory uint64 // bytes, beyond what the program itself uses
	time   time.Duration
	from   atomic.Int64 // CPU time at the start of the current module; -1: none
}

// watchEvery is how often the limits are checked.
const watchEvery = 5 * time.Millisecond

// begin sets the operating system's limits and starts watching. Its goroutine ends
// with the process.
func (w *watch) begin() error {
	w.from.Store(-1)
	if err := limitProcess(w.memory, w.time); err != nil {
		return err
	}
	debug.SetGCPercent(50)
	base := memoryInUse()
	// Close to the limit the garbage collector works harder.
	debug.SetMemoryLimit(int64(base + w.memory/4*3))
	go func() {
		for range time.Tick(watchEvery) {
			if memoryInUse() > base+w.memory {
				os.Exit(exitMemory)
			}
			if from := w.from.Load(); from >= 0 && int64(processorTime())-from > int64(w.time) {
				os.Exit(exitTime)
			}
		}
	}()
	return nil
}

func (w *watch) start() { w.from.Store(int64(processorTime())) }
func (w *watch) stop()  { w.from.Store(-1) }

// memoryInUse is the memory that Go has from the operating system, in bytes.
func memoryInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// writeFrames writes parts, each preceded by its length.
func writeFrames(w io.Writer, parts ...[]byte) error {
	for _, part := range parts {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(part)))
		if _, err := w.Write(n[:]); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads a frame of at most limit bytes.
func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > limit {
		return nil, fmt.Errorf("%d bytes; the limit is %d", n, limit)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
