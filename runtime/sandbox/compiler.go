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

// Defaults of Config. Compiling the built-in plugin takes a third of either.
const (
	DefaultCompileMemory = 200 << 20
	DefaultCompileTime   = 10 * time.Second
)

const (
	// wallFactor is how much longer than its processor time a module may take to
	// compile: others may use the processors as well.
	wallFactor = 4
	// compilerIdle is for how long a child is kept for the next module.
	compilerIdle = 250 * time.Millisecond
	// maxStderr is what is kept of what a child writes, and maxReply what it may
	// answer, in bytes.
	maxStderr = 8 << 10
	maxReply  = 64 << 10
)

// errCompiler says that the compiler failed and not the plugin.
var errCompiler = errors.New("the compiler for plugins")

// errNonsense says that what was started is not the compiler.
var errNonsense = errors.New("it does not answer as the compiler does")

// hostFault is an error that is no fault of the plugin's: it is tried again later.
func hostFault(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errCompiler, fmt.Errorf(format, args...))
}

// compilers is the child process that compiles modules, one at a time. It is
// started when there is something to compile, and ended soon after. Its memory is
// taken from the budget for as long as it lives.
type compilers struct {
	engine *Engine
	turn   chan struct{} // of whoever compiles

	mu   sync.Mutex // held while an idle child is ended, too
	idle *compiler
	end  *time.Timer // of the idle one
}

// compile has a child compile a module into a folder. An error is a *question.Error
// (the module's fault, or the end of ctx) or errCompiler.
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
	if !c.engine.budget.take(cfg.CompileMemory, ctx.Done(), nil) {
		return nil, context.Cause(ctx)
	}
	p, err := startCompiler(ctx, cfg)
	if err != nil {
		c.engine.budget.give(cfg.CompileMemory)
		return nil, err
	}
	return p, nil
}

// put keeps a child for the next module. It is ended at once where a job waits for
// its memory.
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

// endIdle ends the child that has nothing to do, and returns when it is gone.
func (c *compilers) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil {
		c.drop(c.idle)
		c.idle = nil
	}
}

// close ends what is idle, for good. Nothing is being compiled.
func (c *compilers) close() {
	c.endIdle()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end.Stop()
	}
}

func (c *compilers) drop(p *compiler) {
	_ = p.stop() // it was killed, most times
	c.engine.budget.give(c.engine.cfg.CompileMemory)
}

// compiler is a child process. One goroutine at a time uses it, and stops it.
type compiler struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *head
	memory uint64
	time   time.Duration
	broken bool // it is gone, or is of no use any more
}

// startCompiler starts a child, and waits until it is ready.
func startCompiler(ctx context.Context, cfg *Config) (*compiler, error) {
	if cfg.CacheDir != "" {
		sweepScratch(cfg.CacheDir)
	}
	sweepScratch(os.TempDir())
	args := append(append([]string(nil), cfg.Compiler[1:]...), strconv.FormatUint(cfg.CompileMemory, 10), cfg.CompileTime.String())
	cmd := exec.Command(cfg.Compiler[0], args...) //nolint:gosec,noctx // the host says what; the child outlives the call that started it
	// Nothing of this process's goes to the child: no credentials, no open files.
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
			err = fmt.Errorf("%w: %q", errNonsense, b)
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

// within kills the child when ctx ends, or the time that a module has, before talk
// has returned.
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

// compile has the child compile one module. last says that the child has used up its
// own processor time with it.
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
			return fmt.Errorf("%w: an answer of %d bytes", errNonsense, n)
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
		if errors.Is(err, errNonsense) {
			return true, hostFault("is another program: %w", err)
		}
		return true, p.verdict(errors.Is(err, context.DeadlineExceeded), why)
	}
	switch reply.kind {
	case replyDone:
		return last, nil
	case replyRefused:
		return last, badPlugin("it does not compile: %s", cleanLine(string(reply.text)))
	default: // the folder, say
		return last, hostFault("failed: %s", cleanLine(string(reply.text)))
	}
}

// verdict says why the child has died over a module.
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
	case code < 0: // a signal that this process has not sent: the system's, where memory is short
		why = "the compiler was killed, most likely for its memory"
	case strings.HasPrefix(text, "SIGSEGV:"), strings.HasPrefix(text, "SIGBUS:"): // in Go's own runtime: a fault of the compiler is a panic
		why = "the compiler crashed, most likely for want of memory"
	default:
		return badPlugin("it does not compile: the compiler failed on it (%v): %s", died, cleanLine(p.errors.text()))
	}
	return badPlugin("it does not compile within %s of memory and %s: %s; smaller functions, with fewer locals, branches and values in each, take less, and so does code that is compiled for size",
		humanBytes(p.memory), p.time, why)
}

// stop ends the child, and returns when it is gone and what it had is released.
func (p *compiler) stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	p.broken = true
	_ = p.in.Close()
	// It ends by itself when there is nothing more to read; there is nothing in it
	// that is worth waiting for.
	_ = p.cmd.Process.Kill()
	return p.cmd.Wait()
}

// compilerEnv is the environment of a child.
func compilerEnv() []string {
	return []string{"GOMAXPROCS=" + strconv.Itoa(goruntime.GOMAXPROCS(0))}
}

// head keeps the first bytes that are written to it.
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

// cleanLine is the first line of what a child wrote, fit for a reason.
func cleanLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, line[:min(len(line), maxRefusal)])
}

// compileFailed turns an error of compile into what a caller of Load gets.
func (p *Plugin) compileFailed(ctx context.Context, err error) *question.Error {
	if interrupted := p.interrupted(ctx, farAway); interrupted != nil {
		return interrupted
	}
	var refused *question.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errCompiler):
		p.log.ErrorContext(ctx, "a plugin cannot be compiled", "err", err)
		return question.Errorf(question.CodeInternal, "it is not known to this program, and cannot be compiled now; the log says more")
	}
	return badPlugin("it does not compile: %s", firstLine(err))
}
