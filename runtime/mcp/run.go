package mcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxLine bounds a message on a stream, in bytes.
const maxLine = 1 << 20

// pollTools is how often Run looks whether tools have come or gone, to tell the client.
const pollTools = 500 * time.Millisecond

// settleLimit is how long Run waits for the answers that are due when the stream has ended.
const settleLimit = 35 * time.Second

// Run answers the messages of one client, each a line of in, until in ends and all calls are
// answered, or until ctx ends, with whose cause it then returns. Nothing but messages is
// written to out.
//
// A goroutine reads in until it ends or fails, also if Run returns before.
func (s *Server) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var polling sync.WaitGroup
	polling.Go(func() { s.poll(ctx) })
	defer polling.Wait()
	defer cancel()
	err := s.server().server.Run(ctx, &stream{in: in, out: out})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the client's stream failed: %w", err)
	}
	return nil
}

// poll brings the tools up to date until ctx ends; the SDK tells the client.
func (s *Server) poll(ctx context.Context) {
	ticker := time.NewTicker(pollTools)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.server()
		}
	}
}

// stream is the transport of one client. What is not a message is answered with an error,
// and the next line is read.
type stream struct {
	in  io.Reader
	out io.Writer

	lines  chan line
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex    // guards what follows, and writing to out
	calls   map[any]bool  // the ids of calls that have no response yet
	settled chan struct{} // holds a value after a response
}

// line is what was read: a message without its line end, or an error.
type line struct {
	text []byte
	err  error
}

var errTooLong = fmt.Errorf("a message has at most %d bytes", maxLine)

// Connect implements the SDK's Transport.
func (t *stream) Connect(context.Context) (sdk.Connection, error) {
	t.lines, t.closed, t.settled = make(chan line), make(chan struct{}), make(chan struct{}, 1)
	t.calls = map[any]bool{}
	go t.read()
	return t, nil
}

// SessionID implements the SDK's Connection.
func (t *stream) SessionID() string { return "" }

// Close ends the connection. It closes neither in nor out.
func (t *stream) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// read passes on the lines until the stream ends or the connection is closed.
func (t *stream) read() {
	in := bufio.NewReader(t.in)
	for {
		text, err := readLine(in)
		if len(text) > 0 || err != nil {
			select {
			case t.lines <- line{text, err}:
			case <-t.closed:
				return
			}
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return
		}
	}
}

// readLine returns the next line without the space around it. The error is errTooLong after a line
// that is, and otherwise final.
func readLine(in *bufio.Reader) (text []byte, err error) {
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(text)+len(part) > maxLine; !long {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && err == nil:
			return nil, errTooLong
		case err != nil && (long || len(bytes.TrimSpace(text)) == 0):
			return nil, err
		default: // the last line may have no end
			return bytes.TrimSpace(text), nil
		}
	}
}

// Read implements the SDK's Connection. The end of the stream waits for the responses that
// are still due, because the SDK would interrupt their calls.
func (t *stream) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		var next line
		select {
		case next = <-t.lines:
		case <-t.closed:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case errors.Is(next.err, errTooLong):
			if err := t.refuse(jsonrpc.CodeInvalidRequest, errTooLong.Error()); err != nil {
				return nil, err
			}
			continue
		case next.err != nil:
			return nil, t.settle(ctx, next.err)
		}
		if _, err := checkMessage(next.text); err != nil {
			e, code := question.AsError(err), int64(jsonrpc.CodeInvalidRequest)
			if e.Code == question.CodeMalformedJSON {
				code = jsonrpc.CodeParseError
			}
			if err := t.refuse(code, e.Reason); err != nil {
				return nil, err
			}
			continue
		}
		m, err := jsonrpc.DecodeMessage(next.text)
		if err != nil {
			if err := t.refuse(jsonrpc.CodeInvalidRequest, err.Error()); err != nil {
				return nil, err
			}
			continue
		}
		if call, ok := m.(*jsonrpc.Request); ok && call.IsCall() {
			t.mu.Lock()
			t.calls[call.ID.Raw()] = true
			t.mu.Unlock()
		}
		return m, nil
	}
}

// settle returns err when no call is without a response, or after settleLimit.
func (t *stream) settle(ctx context.Context, err error) error {
	late := time.NewTimer(settleLimit)
	defer late.Stop()
	for {
		t.mu.Lock()
		calls := len(t.calls)
		t.mu.Unlock()
		if calls == 0 {
			return err
		}
		select {
		case <-t.settled:
		case <-late.C:
			return err
		case <-t.closed:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// Write implements the SDK's Connection.
func (t *stream) Write(_ context.Context, m jsonrpc.Message) error {
	b, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	if err := t.write(b); err != nil {
		return err
	}
	if response, ok := m.(*jsonrpc.Response); ok {
		t.mu.Lock()
		delete(t.calls, response.ID.Raw())
		t.mu.Unlock()
		select {
		case t.settled <- struct{}{}:
		default:
		}
	}
	return nil
}

// refuse answers what is not a message.
func (t *stream) refuse(code int64, reason string) error {
	return t.write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%s}}`, code, marshal(reason)))
}

func (t *stream) write(b []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.out.Write(append(b, '\n'))
	return err
}
