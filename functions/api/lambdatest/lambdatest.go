// Package lambdatest is Lambda for tests: it starts a program as Lambda starts a
// function's, speaks the Runtime API with it, kills it when an invocation takes too
// long, and, what local emulators do not, has it stand still between invocations.
package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// InitTimeout is how long Lambda gives a program to ask for its first event.
const InitTimeout = 10 * time.Second

// Errors of Invoke, beside a *FunctionError.
var (
	ErrTimeout = errors.New("the function timed out")
	ErrExited  = errors.New("the function's process ended")
)

// FunctionError is what a function answered instead of an answer, or why it did not
// start.
type FunctionError struct {
	Init bool
	Body string // the JSON that it sent
}

// Error is the JSON.
func (e *FunctionError) Error() string { return "the function failed: " + e.Body }

// Config says what is started. Command is required.
type Config struct {
	Command   []string
	Env       []string      // beside what Lambda sets; the test's own environment is not passed on
	Dir       string        // "" is the test's
	Timeout   time.Duration // of an invocation; 0 is 3 s, as Lambda's
	MemoryMiB int           // what the function is told; 0 is 512
	Handler   string        // _HANDLER
	Shutdown  time.Duration // from SIGTERM to SIGKILL; 0 is 500 ms, as Lambda's
	Output    io.Writer     // of the program; nil is none. It is written to until Close
}

// Environment is what Lambda calls an execution environment: one process at a time
// that takes one event after the other. Its methods are safe for concurrent use;
// invocations wait for each other.
type Environment struct {
	cfg    Config
	server *http.Server
	at     string
	served chan struct{}

	turn sync.Mutex // of an invocation
	proc *process   // guarded by turn; nil: the next event starts one

	mu    sync.Mutex
	calls *process // what requests of the Runtime API belong to

	// Cold is how often a process was started.
	Cold int
	// Last are the times of the last invocation.
	Last Times
	// Used is the processor time of the last process that was ended, and of its children.
	Used time.Duration
}

// Times are those of an invocation.
type Times struct {
	Init   time.Duration // from the start of the process to its asking for an event; 0 if it stood ready
	Answer time.Duration // from the event to the answer
}

// process is one life of the program.
type process struct {
	number string // the first part of the paths of its requests
	cmd    *exec.Cmd
	ended  chan struct{}
	asks   chan chan *event // it asks for an event
	failed chan string      // init error
	busy   *event           // what it works on
	frozen bool
}

type event struct {
	id       string
	payload  []byte
	deadline time.Time
	answer   chan answer
}

type answer struct {
	body  []byte
	error bool
}

// New returns an environment without a process. Close it.
func New(cfg Config) (*Environment, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 3 * time.Second
	}
	if cfg.Shutdown == 0 {
		cfg.Shutdown = 500 * time.Millisecond
	}
	if cfg.MemoryMiB == 0 {
		cfg.MemoryMiB = 512
	}
	if len(cfg.Command) == 0 {
		return nil, errors.New("lambdatest: Command is required")
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Environment{cfg: cfg, at: listener.Addr().String(), served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{process}/2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /{process}/2018-06-01/runtime/invocation/{id}/response", e.answered(false))
	mux.HandleFunc("POST /{process}/2018-06-01/runtime/invocation/{id}/error", e.answered(true))
	mux.HandleFunc("POST /{process}/2018-06-01/runtime/init/error", e.initFailed)
	mux.HandleFunc("POST /{process}/2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", uuid.NewString())
		_, _ = io.WriteString(w, "{}")
	})
	mux.HandleFunc("GET /{process}/2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(e.served)
		_ = e.server.Serve(listener)
	}()
	return e, nil
}

// Close ends the process, if there is one, and the service.
func (e *Environment) Close() error {
	e.Kill()
	err := e.server.Close()
	<-e.served
	return err
}

// Pid is the process's; 0 if there is none.
func (e *Environment) Pid() int {
	e.turn.Lock()
	defer e.turn.Unlock()
	if e.proc == nil {
		return 0
	}
	return e.proc.cmd.Process.Pid
}

// Kill ends the process at once; the next event starts another.
func (e *Environment) Kill() {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.kill()
}

// Shutdown ends the process as Lambda does: it lets it go on, sends SIGTERM, and
// SIGKILL after Config.Shutdown. It returns how long the process took, and whether
// it ended itself, with exit code 0.
func (e *Environment) Shutdown() (took time.Duration, clean bool) {
	e.turn.Lock()
	defer e.turn.Unlock()
	p := e.proc
	if p == nil {
		return 0, true
	}
	p.thaw()
	begin := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		clean = p.cmd.ProcessState.ExitCode() == 0
	case <-time.After(e.cfg.Shutdown):
	}
	took = time.Since(begin)
	e.kill()
	return took, clean
}

func (e *Environment) kill() {
	if e.proc == nil {
		return
	}
	_ = e.proc.cmd.Process.Kill()
	<-e.proc.ended
	e.Used = e.proc.cmd.ProcessState.UserTime() + e.proc.cmd.ProcessState.SystemTime()
	e.proc = nil
}

// Invoke sends one event and returns the answer. The process stands still from the
// moment in which its answer has arrived, before it is told so, until the next
// event. ctx is only looked at while Invoke waits for its turn.
func (e *Environment) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.Last = Times{}
	begin, cold := time.Now(), e.proc == nil
	if cold {
		if err := e.start(); err != nil {
			return nil, err
		}
	}
	p := e.proc
	p.thaw()
	var take chan *event
	select {
	case take = <-p.asks:
	case why := <-p.failed:
		e.kill()
		return nil, &FunctionError{true, why}
	case <-p.ended:
		e.proc = nil
		return nil, fmt.Errorf("%w before it asked for an event: %s", ErrExited, p.cmd.ProcessState)
	case <-time.After(InitTimeout):
		e.kill()
		return nil, fmt.Errorf("%w: it did not ask for an event", ErrTimeout)
	}
	if cold {
		e.Last.Init = time.Since(begin)
	}
	begin = time.Now()
	ev := &event{id: uuid.NewString(), payload: payload, deadline: begin.Add(e.cfg.Timeout), answer: make(chan answer, 1)}
	e.mu.Lock()
	p.busy = ev
	e.mu.Unlock()
	take <- ev
	select {
	case a := <-ev.answer:
		e.Last.Answer = time.Since(begin)
		if a.error {
			return nil, &FunctionError{false, string(a.body)}
		}
		return a.body, nil
	case <-p.ended:
		e.proc = nil
		return nil, fmt.Errorf("%w in the middle of an event: %s", ErrExited, p.cmd.ProcessState)
	case <-time.After(e.cfg.Timeout):
		e.kill()
		return nil, ErrTimeout
	}
}

func (e *Environment) start() error {
	cmd := exec.Command(e.cfg.Command[0], e.cfg.Command[1:]...) //nolint:noctx // killed by kill
	cmd.Dir = e.cfg.Dir
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + e.at + "/" + strconv.Itoa(e.Cold),
		"AWS_LAMBDA_FUNCTION_NAME=lestats", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(e.cfg.MemoryMiB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "_HANDLER=" + e.cfg.Handler,
		"LAMBDA_TASK_ROOT=/var/task", "TZ=:UTC", "LANG=en_US.UTF-8", "PATH=" + os.Getenv("PATH"),
	}, e.cfg.Env...)
	cmd.Stdout, cmd.Stderr = e.cfg.Output, e.cfg.Output
	p := &process{number: strconv.Itoa(e.Cold), cmd: cmd, ended: make(chan struct{}), asks: make(chan chan *event), failed: make(chan string, 1)}
	e.mu.Lock()
	e.calls = p
	e.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	e.Cold++
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	e.proc = p
	return nil
}

func (p *process) thaw() {
	if p.frozen {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		p.frozen = false
	}
}

// current returns the process that sent a request, or nil if that has ended: its last
// request may be served after the next process was started, and must not get its event.
func (e *Environment) current(r *http.Request) *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls.number != r.PathValue("process") {
		return nil
	}
	return e.calls
}

// next hands the process an event once there is one.
func (e *Environment) next(w http.ResponseWriter, r *http.Request) {
	p := e.current(r)
	if p == nil {
		return
	}
	take := make(chan *event)
	select {
	case p.asks <- take:
	case <-p.ended:
		return
	case <-r.Context().Done():
		return
	}
	ev := <-take
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", ev.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(ev.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:lestats")
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strings.ReplaceAll(ev.id, "-", ""))
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(ev.payload)
}

// answered takes an answer, or an error, and stops the process before it knows that
// it was taken.
func (e *Environment) answered(failed bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		e.mu.Lock()
		p := e.calls
		ev := p.busy
		if err != nil || ev == nil || ev.id != r.PathValue("id") {
			e.mu.Unlock()
			http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
			return
		}
		p.busy = nil
		e.mu.Unlock()
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		p.frozen = true // read after ev.answer
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"OK"}`)
		ev.answer <- answer{body, failed}
	}
}

func (e *Environment) initFailed(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.WriteHeader(http.StatusAccepted)
	p := e.current(r)
	if p == nil {
		return
	}
	select {
	case p.failed <- string(body):
	default:
	}
}
