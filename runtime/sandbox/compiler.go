package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Defaults of Config. Compiling the built-in plugin takes about a third of each.
const (
	DefaultCompileMemory = 200 << 20
	DefaultCompileTime   = 10 * time.Second
)

const (
	// wallFactor is the limit on wall-clock time as a multiple of the limit on CPU
	// time, since other processes compete for the CPUs.
	wallFactor = 4
	// compilerIdle is how long an idle child is kept for the next module.
	compilerIdle = 250 * time.Millisecond
	// maxStderr is how much of a child's standard error is kept, and maxReply is the
	// longest reply accepted, in bytes.
	maxStderr = 8 << 10
	maxReply  = 64 << 10
)

// errCompiler says that the compiler is at fault, not the plugin.
var errCompiler = errors.New("the compiler for plugins")

// errNotACompiler says that the program that was started is not the compiler.
var errNotACompiler = errors.New("it does not answer as the compiler does")

// hostFault is an error that is not the plugin's fault, so loading is retried later.
func hostFault(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errCompiler, fmt.Errorf(format, args...))
}

// compilers manages the child process that compiles modules, one at a time. The child
// is started on demand and ended soon after. Its memory is taken from the budget for as
// long as it lives.
type compilers struct {
	engine *Engine
	turn   chan struct{} // held by whoever compiles

	mu   sync.Mutex // also held while an idle child is being ended
	idle *compiler
	end  *time.Timer // ends the idle child
}

// compile has a child compile a module into a folder. An error is a *question.Error if
// the module is at fault, the cause of ctx if that has ended, or else errCompiler.
func (c *compilers) compile(ctx context.Context, folder string, wasm []byte) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	p, err := c.get(ctx)
	if err != nil {
		return err
	}
	last, err := p.compile(ctx, folder, wasm)
	if last || p.broken {
		c.drop(p)
		return err
	}
	c.put(p)
	return err
}

// get returns the idle child, or a new one.
func (c *compilers) get(ctx context.Context) (*compiler, error) {
	c.mu.Lock()
	p := c.idle
	c.idle = nil
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	cfg := &c.engine.cfg
	if !c.engine.budget.take(cfg.CompileMemory, ctx.Done(), nil, nil) {
		return nil, context.Cause(ctx)
	}
	p, err := startCompiler(ctx, cfg)
	if err != nil {
		c.engine.budget.give(cfg.CompileMemory)
		return nil, err
	}
	return p, nil
}

// put keeps a child for the next module, or ends it at once if a job waits for its
// memory.
func (c *compilers) put(p *compiler) {
	c.mu.Lock()
	c.idle = p
	if c.end == nil {
		c.end = time.AfterFunc(compilerIdle, c.endIdle)
	} else {
		c.end.Reset(compilerIdle)
	}
	c.mu.Unlock()
	if c.engine.budget.waits() > 0 {
		c.endIdle()
	}
}

// endIdle ends the idle child, and returns when it is gone.
func (c *compilers) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil {
		c.drop(c.idle)
		c.idle = nil
	}
}

// close ends the idle child. Nothing may be compiling.
func (c *compilers) close() {
	c.endIdle()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end.Stop()
	}
}

func (c *compilers) drop(p *compiler) {
	_ = p.stop() // usually "killed"
	c.engine.budget.give(c.engine.cfg.CompileMemory)
}

// compiler is a child process. One goroutine at a time uses it.
type compiler struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *head
	memory uint64
	time   time.Duration
	broken bool // gone or unusable
}

// startCompiler starts a child and waits until it is ready.
func startCompiler(ctx context.Context, cfg *Config) (*compiler, error) {
	if cfg.CacheDir != "" {
		sweepScratch(cfg.CacheDir)
	}
	sweepScratch(os.TempDir())
	args := append(append([]string(nil), cfg.Compiler[1:]...), strconv.FormatUint(cfg.CompileMemory, 10), cfg.CompileTime.String())
	cmd := exec.Command(cfg.Compiler[0], args...) //nolint:gosec,noctx // the host configures it; the child outlives the call that started it
	// The child inherits nothing from this process: no credentials, no open files.
	cmd.Env = compilerEnv()
	separate(cmd)
	p := &compiler{cmd: cmd, errors: &head{}, memory: cfg.CompileMemory, time: cfg.CompileTime}
	cmd.Stderr = p.errors
	cmd.WaitDelay = time.Second
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, hostFault("cannot be started: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, hostFault("cannot be started: %w", err)
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, hostFault("cannot be started: %w", err)
	}
	ready := func() error {
		b, err := p.out.ReadByte()
		if err == nil && b != replyReady {
			err = fmt.Errorf("%w: %q", errNotACompiler, b)
		}
		return err
	}
	if err := p.within(ctx, ready); err != nil {
		err = errors.Join(err, p.stop())
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, hostFault("does not start: %w: %s", err, cleanLine(p.errors.text()))
	}
	return p, nil
}

// within runs talk, and kills the child if ctx ends or a module's time is up before
// talk returns.
func (p *compiler) within(ctx context.Context, talk func() error) error {
	ctx, cancel := context.WithTimeout(ctx, wallFactor*p.time)
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() }) // it may be gone
	err := talk()
	if !unwatch() {
		p.broken = true
		return context.Cause(ctx)
	}
	return err
}

// compile has the child compile one module. last reports that the child has used up
// its CPU time and takes no more modules.
func (p *compiler) compile(ctx context.Context, folder string, wasm []byte) (last bool, err error) {
	var reply struct {
		kind byte
		text []byte
	}
	err = p.within(ctx, func() error {
		if err := writeFrames(p.in, []byte(folder), wasm); err != nil {
			return err
		}
		var headBytes [6]byte
		if _, err := io.ReadFull(p.out, headBytes[:]); err != nil {
			return err
		}
		reply.kind, last = headBytes[0], headBytes[1] != 0
		n := binary.LittleEndian.Uint32(headBytes[2:])
		if n > maxReply {
			return fmt.Errorf("%w: a reply of %d bytes", errNotACompiler, n)
		}
		reply.text = make([]byte, n)
		_, err := io.ReadFull(p.out, reply.text)
		return err
	})
	if err != nil {
		p.broken = true
		why := p.stop()
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		if errors.Is(err, errNotACompiler) {
			return true, hostFault("is not a compiler: %w", err)
		}
		return true, p.verdict(errors.Is(err, context.DeadlineExceeded), why)
	}
	switch reply.kind {
	case replyDone:
		return last, nil
	case replyRefused:
		return last, badPlugin("it does not compile: %s", cleanLine(string(reply.text)))
	default: // the folder is not writable, for example
		return last, hostFault("failed: %s", cleanLine(string(reply.text)))
	}
}

// verdict returns the reason why the child died while compiling a module.
func (p *compiler) verdict(late bool, died error) error {
	state := p.cmd.ProcessState
	code, used := state.ExitCode(), state.UserTime()+state.SystemTime()
	text := p.errors.text()
	var why string
	switch {
	case code == exitMemory, strings.Contains(text, "out of memory"), strings.Contains(text, "cannot allocate memory"), strings.Contains(text, "pthread_create failed"):
		why = "the compiler ran out of memory"
	case code == exitTime, late, code < 0 && used >= p.time:
		why = "the compiler ran out of time"
	case code < 0: // a signal from the system, which is short of memory
		why = "the compiler was killed, most likely because of its memory use"
	case strings.HasPrefix(text, "SIGSEGV:"), strings.HasPrefix(text, "SIGBUS:"): // in Go's own runtime; a bug in the compiler would be a panic
		why = "the compiler crashed, most likely because it ran out of memory"
	default:
		return badPlugin("it does not compile: the compiler failed on it (%v): %s", died, cleanLine(p.errors.text()))
	}
	return badPlugin("it does not compile within %s of memory and %s: %s; smaller functions, with fewer locals, branches and values each, need less, and so does code compiled for size",
		humanBytes(p.memory), p.time, why)
}

// stop ends the child, and returns when it is gone and its resources are released.
func (p *compiler) stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	p.broken = true
	_ = p.in.Close()
	// It would end by itself at the end of its input, but there is nothing to wait for.
	_ = p.cmd.Process.Kill()
	return p.cmd.Wait()
}

// compilerEnv is a child's environment.
func compilerEnv() []string {
	return []string{"GOMAXPROCS=" + strconv.Itoa(goruntime.GOMAXPROCS(0))}
}

// head keeps the first maxStderr bytes that are written to it.
type head struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.Write(b[:min(len(b), maxStderr-h.b.Len())])
	return len(b), nil
}

func (h *head) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}

// cleanLine is the first line of text, made printable and short enough for a reason.
func cleanLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, line[:min(len(line), maxRefusal)])
}

// compileFailed turns an error of compile into the one that Load returns.
func (p *Plugin) compileFailed(ctx context.Context, err error) *question.Error {
	if interrupted := p.interrupted(ctx, nil); interrupted != nil {
		return interrupted
	}
	var refused *question.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errCompiler):
		p.log.ErrorContext(ctx, "a plugin cannot be compiled", "err", err)
		return question.Errorf(question.CodeInternal, "it has not been compiled before and cannot be compiled now; see the log")
	}
	return badPlugin("it does not compile: %s", firstLine(err))
}
