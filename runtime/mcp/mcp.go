// Package mcp gives assistants the questions of a dataset as tools of the Model Context
// Protocol: over HTTP, one message in a POST (Post), or over the standard streams of a
// process (Run). Every question is a tool, whose schema comes from the manifest; the values
// of columns are found with one more tool, and the dataset is a resource.
//
// The protocol itself is the official SDK's, which only this package knows.
package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Catalog lists plugins and the questions that they answer now. It is safe for concurrent
// use, and what it returns is not modified afterwards.
type Catalog interface {
	Plugins() []question.PluginInfo
	Served() []question.ServedQuestion
}

// Config configures a Server. Fields without a default are required.
type Config struct {
	Catalog Catalog
	// Answer answers a canonical request, with every check and limit; it ends with ctx.
	Answer  func(ctx context.Context, req question.Request) (*question.Answer, error)
	Schema  question.Schema // the dataset's columns with their dictionaries
	Dataset question.DatasetInfo
	// Body returns a job that is done as the JSON object that GET answers, with data as what
	// data appends for the job's result.
	Body func(data func([]byte, *question.Table) ([]byte, error), job *question.Job) ([]byte, error)
	// Rows appends a table as a JSON list of objects.
	Rows func([]byte, *question.Table) ([]byte, error)
	// ErrorBody returns the JSON object of an error, as every route has it.
	ErrorBody func(e *question.Error) []byte
	// Visible returns what clients may see of an error. request is the id of the HTTP
	// request, under which the log has the rest. The default shows everything.
	Visible func(err error, request string) *question.Error
	Version string       // of the program; the default is question.UnknownBuild
	Log     *slog.Logger // the default is slog.Default()
	// MaxWait bounds an answer; the default is 30 s.
	MaxWait time.Duration
	// Push: clients are told when tools come and go. It is for Run; a server behind Post has
	// nobody to tell.
	Push bool
}

func (c *Config) validate() error {
	if c.Catalog == nil || c.Answer == nil || c.Schema == nil || c.Body == nil || c.Rows == nil || c.ErrorBody == nil {
		return errors.New("mcp: Catalog, Answer, Schema, Body, Rows and ErrorBody are required")
	}
	if c.Visible == nil {
		c.Visible = func(err error, _ string) *question.Error { return question.AsError(err) }
	}
	if c.Version == "" {
		c.Version = question.UnknownBuild
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxWait == 0 {
		c.MaxWait = 30 * time.Second
	}
	if c.MaxWait < 0 {
		return fmt.Errorf("mcp: MaxWait is %v; it must be positive, and 0 means 30 s", c.MaxWait)
	}
	return nil
}

// Server answers messages of the protocol. Its methods are safe for concurrent use. It has
// no goroutines of its own, except while Run runs.
type Server struct {
	cfg  Config
	made func() *built // at first use: a start without assistants does not pay for it
	kept *lru.Cache[string, kept]

	mu     sync.Mutex // guards what follows
	served []question.ServedQuestion
	values map[string]*values // of columns, by name
}

// built is what the SDK needs.
type built struct {
	server *sdk.Server
	http   http.Handler
}

// New returns a server. It needs no closing.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	results, err := lru.New[string, kept](maxKept)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, kept: results, values: map[string]*values{}}
	s.made = sync.OnceValue(s.build)
	return s, nil
}

func (s *Server) build() *built {
	server := sdk.NewServer(
		&sdk.Implementation{Name: "lestats", Title: "Le Stats Sportifs", Version: s.cfg.Version},
		&sdk.ServerOptions{
			Instructions: s.instructions(),
			// Tools depend on the client's key.
			SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { c.CacheScope = "private" },
			Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{ListChanged: s.cfg.Push}, Resources: &sdk.ResourceCapabilities{}},
		})
	server.AddReceivingMiddleware(s.receive)
	server.AddTool(s.valuesTool(), s.callValues)
	s.addResources(server)
	// Host and Origin have been checked by then.
	return &built{server, sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true, DisableLocalhostProtection: true, PropagateRequestCancellation: true})}
}

// server returns the SDK's server, with the tools of the questions that are served now.
func (s *Server) server() *built {
	b := s.made()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Catalog.Served()
	if len(now) == len(s.served) && (len(now) == 0 || &now[0] == &s.served[0]) {
		return b
	}
	var gone []string
	for i := range s.served {
		if question.FindServed(now, s.served[i].Question.Name) == nil {
			gone = append(gone, s.served[i].Question.Name)
		}
	}
	if len(gone) > 0 {
		b.server.RemoveTools(gone...)
	}
	for i := range now {
		if before := question.FindServed(s.served, now[i].Question.Name); before == nil || before.Question != now[i].Question {
			b.server.AddTool(s.questionTool(&now[i]), s.callQuestion)
		}
	}
	s.served = now
	return b
}

// receive wraps the handling of every message: tools are those that are served now and that
// the client may use, one that vanished is an error that an assistant can read, and a panic
// is an error of this message alone.
func (s *Server) receive(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (result sdk.Result, err error) {
		defer func() {
			if v := recover(); v != nil {
				s.cfg.Log.ErrorContext(ctx, "a message of an assistant panicked", "method", method, "request", question.OriginOf(ctx).Request, "panic", v, "stack", string(debug.Stack()))
				result, err = nil, errors.New(string(question.CodeInternal)+": "+question.CodeInternal.Info().Text)
			}
		}()
		s.server()
		result, err = next(ctx, method, req)
		switch method {
		case "tools/list":
			if list, ok := result.(*sdk.ListToolsResult); ok && list != nil {
				return allowed(ctx, list), err
			}
		case "tools/call":
			if call, ok := req.GetParams().(*sdk.CallToolParamsRaw); ok && call != nil && err != nil && !s.has(call.Name) {
				return s.failed(ctx, s.unknownTool(call.Name)), nil
			}
		}
		return result, err
	}
}

// has reports whether there is a tool of this name.
func (s *Server) has(name string) bool {
	return name == valuesName || question.FindServed(s.cfg.Catalog.Served(), name) != nil
}

// allowed returns the tools that the client may use.
func allowed(ctx context.Context, list *sdk.ListToolsResult) *sdk.ListToolsResult {
	client := &question.OriginOf(ctx).Client
	out := *list
	out.Tools = make([]*sdk.Tool, 0, len(list.Tools))
	for _, t := range list.Tools {
		if t.Name == valuesName || client.May(t.Name) == nil {
			out.Tools = append(out.Tools, t)
		}
	}
	return &out
}

// unknownTool is the error of a call of a tool that there is not, or not any more.
func (s *Server) unknownTool(name string) error {
	if unfit := question.FindUnfit(s.cfg.Catalog.Plugins(), name); unfit != nil {
		return unfit.Error()
	}
	return gone(question.UnknownQuestion(name, question.ServedNames(s.cfg.Catalog.Served())))
}

// gone adds to the error of a question that nothing answers what an assistant can do.
func gone(e *question.Error) *question.Error {
	out := *e
	out.Reason += "; tools come and go with plugins: list them again"
	return &out
}

// instructions say what the dataset is and how to use and cite it.
func (s *Server) instructions() string {
	d := &s.cfg.Dataset
	var b strings.Builder
	fmt.Fprintf(&b, "Each tool is a question about the dataset %q (%d rows).", d.Title, d.Rows)
	if d.Synthetic {
		b.WriteString(" " + question.SyntheticText(d.Name) + " Say so with every figure.")
	}
	b.WriteString(" Values must be as the dataset has them: " + valuesName + " finds them. where narrows the rows. " +
		"An answer has its figures in data, their units in units; tell the reader its caveats, and what coverage.mixed says that the figures mix. " +
		"Compute nothing that a tool answers. Cite the dataset")
	if d.Source != "" {
		fmt.Fprintf(&b, " (source: %s)", d.Source)
	}
	b.WriteString(" and receipt.result: the same request always gives the same digest, and `lestats verify` computes it again.")
	return b.String()
}
