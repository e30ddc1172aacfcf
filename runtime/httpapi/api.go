// Package httpapi serves the HTTP API: routes, content negotiation and error responses.
// It does not depend on plugins, stores or the network: [New] returns a handler, which a
// local server or a cloud function serves.
//
// The statuses tell a client how to proceed:
//
//	200  the response has the requested content in the negotiated format; as JSON it may be {"status":"running"}
//	202  a job was accepted, or (CSV and Arrow) has not ended: ask again
//	304  the client's copy of the result is still valid
//	4xx  the request is faulty, and repeating it will fail again, with three exceptions:
//	410  the job was cancelled      } the request was valid, but the job has ended
//	422  the job has no result      } without a result, for good
//	429  the client's key has sent more requests than it may: ask again after Retry-After
//	500  a defect of the server; its log has the details under the X-Request-Id
//	503  not available now: ask again after Retry-After
//
// An error is always JSON: {"status":"error","code":"...","reason":"...","hint":[...]},
// with "param" if it concerns a parameter and "job_id" if it concerns a job. Clients that
// accept application/problem+json get the form of RFC 9457.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Catalog lists plugins and questions. It is safe for concurrent use.
type Catalog interface {
	Plugins() []question.PluginInfo
	Served() []question.ServedQuestion
}

// Jobs accepts requests and knows their jobs. It is safe for concurrent use. The jobs
// that it returns are shared and must not be modified. Its errors are *question.Error.
//
// The context of Submit, Cancel and Retry does not end with the client's connection, so
// they bound their own calls.
type Jobs interface {
	// Answer answers a request without a job. Nothing is stored. It ends with ctx.
	Answer(ctx context.Context, req question.Request) (*question.Answer, error)
	// Submit accepts a request durably or returns an error.
	Submit(ctx context.Context, req question.Request) (*question.Job, error)
	Get(ctx context.Context, id string) (*question.Job, error)
	// Wait returns a job when it is final, or its last known state when ctx ends.
	Wait(ctx context.Context, id string) (*question.Job, error)
	Cancel(ctx context.Context, id string) (*question.Job, error)
	// Retry submits the request of a failed or cancelled job again, as a new job.
	Retry(ctx context.Context, id string) (*question.Job, error)
	// Watch returns a channel with a job as it is now, and then after each change. It is
	// closed after a final job, when ctx ends, and when no more is learned here.
	Watch(ctx context.Context, id string) (<-chan *question.Job, error)
	// List returns the selected jobs without results, newest first, with ids below before;
	// "" starts at the newest.
	List(ctx context.Context, f question.JobFilter, before string, limit int) (question.JobPage, error)
	// Unfinished returns the number of jobs that are not final.
	Unfinished(ctx context.Context) (int, error)

	Intake
}

// Intake is where requests come in, until it is stopped.
type Intake interface {
	Drain()         // stop accepting and finish accepted jobs; does not wait
	Draining() bool // no jobs are accepted
	Drained() bool  // ... and all accepted jobs have ended
}

// Observer counts requests. It is safe for concurrent use.
type Observer interface {
	RequestBegan()
	// RequestEnded is called once per RequestBegan. route is the pattern of the path, "" if
	// there is none. code is that of the error that was sent, "" without one.
	RequestEnded(route, method string, status int, code question.Code, took time.Duration)
}

// nobody is the Observer of a Config without one.
type nobody struct{}

// RequestBegan implements Observer.
func (nobody) RequestBegan() {}

// RequestEnded implements Observer.
func (nobody) RequestEnded(string, string, int, question.Code, time.Duration) {}

// Config configures the handler. Catalog, Jobs and Formats are required.
type Config struct {
	Catalog Catalog
	Jobs    Jobs
	// Formats are the formats of results, in the order of the server's preference; the
	// first is JSON. Those without a media type are not served.
	Formats []question.Format
	Dataset question.DatasetInfo // for the index and /api/questions
	// Schema has the dataset's columns with their dictionaries, for /openapi.json and
	// /docs. The default has no columns.
	Schema question.Schema

	// Pages are the routes for people. That at / is what a browser gets of the index.
	Pages []Page
	// Mounts are routes that other rooms serve.
	Mounts []Mount
	// ErrorPage writes an error as a page, with its status, for the routes of Pages and for
	// browsers that ask for what is not there. Without it errors are always JSON.
	ErrorPage func(w http.ResponseWriter, r *http.Request, v View, e *question.Error)

	// Frame sends the content of a page that this package makes in the frame that all pages
	// share; here is its path. Without it such a page is plain HTML.
	Frame func(w http.ResponseWriter, v View, here, title string, content template.HTML) error

	// Ready returns why a job could not be answered now (such as an unavailable store), or
	// nil. A nil Ready means always ready.
	Ready func(ctx context.Context) error
	// ClientKey is required of all requests except probes, as X-Api-Key, as a bearer's token
	// or as the password of Basic authentication; "" requires none.
	ClientKey string
	// Keys are the keys of named clients, of which requests need one in the same way. It
	// excludes a ClientKey.
	Keys Keys
	// AdminKey is required of what only the operator may do, as `Authorization: Bearer KEY`,
	// and stands for any other key. Without one, an admin of Keys may do that, and
	// LocalShutdown decides who may request a graceful shutdown.
	AdminKey string
	// LocalShutdown allows a graceful shutdown without a key to clients that connect from
	// a loopback address and send no header of a proxy. Behind a proxy on this machine
	// that adds no header, that is everybody. It has no effect if there is an AdminKey.
	LocalShutdown bool
	// CheckHost refuses requests whose Host is not a loopback address, localhost, a name
	// under .localhost, or one of Hosts, with any port. It protects against DNS rebinding.
	CheckHost bool
	// Hosts are names or addresses, without a port.
	Hosts []string
	// BasePath is the path under which clients reach the service, such as /stats; "" if it
	// is at the root. It is removed from requests that begin with it and put before links.
	BasePath string
	// Origins are the origins of web pages that may call the API from a browser, such as
	// https://stats.example.org. The single origin * lets all pages read, and excludes a
	// ClientKey. No page of another origin may request a graceful shutdown.
	Origins []string
	// NoShutdown is the reason why this deployment has no graceful shutdown; "" if it has.
	NoShutdown string
	Version    string        // of the program; the default is "unknown"
	Log        *slog.Logger  // one line per request; the default is slog.Default()
	Observer   Observer      // is told of each request; nil: nobody is
	MaxBody    int64         // bytes of a request body; the default is 64 KiB
	MaxWait    time.Duration // the longest granted ?wait=, and for an answer without a job, less than the server's WriteTimeout; the default is 30 s
	MaxKept    int64         // bytes of rendered answers that are kept for the next client; 0 keeps none
	MaxStreams int           // clients that follow events at the same time, half of them with one named key; the default is DefaultMaxStreams
}

// DefaultMaxStreams is the default of Config.MaxStreams.
const DefaultMaxStreams = 1000

func (c *Config) validate() error {
	if c.Version == "" {
		c.Version = question.UnknownBuild
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Schema == nil {
		c.Schema = noColumns{}
	}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 10
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = DefaultMaxStreams
	}
	if c.MaxWait == 0 {
		c.MaxWait = 30 * time.Second
	}
	switch {
	case c.Catalog == nil || c.Jobs == nil:
		return errors.New("httpapi: Catalog and Jobs are required")
	case len(c.Formats) == 0 || c.Formats[0].Value == nil:
		return errors.New("httpapi: Formats must begin with JSON")
	case c.ClientKey != "" && c.Keys != nil:
		return errors.New("httpapi: ClientKey and Keys exclude each other")
	case c.MaxKept < 0:
		return fmt.Errorf("httpapi: MaxKept is %d; it must not be negative, and 0 keeps nothing", c.MaxKept)
	case c.MaxBody < 0:
		return fmt.Errorf("httpapi: MaxBody is %d; it must be positive, and 0 means 64 KiB", c.MaxBody)
	case c.MaxStreams < 0:
		return fmt.Errorf("httpapi: MaxStreams is %d; it must be positive, and 0 means 1,000", c.MaxStreams)
	case c.MaxWait < time.Second:
		return fmt.Errorf("httpapi: MaxWait is %v; it must be at least 1 s, and 0 means 30 s", c.MaxWait)
	}
	for _, host := range c.Hosts {
		if err := checkHostName(host); err != nil {
			return fmt.Errorf("httpapi: %w", err)
		}
	}
	return nil
}

// noColumns is the default of Config.Schema.
type noColumns struct{}

// Column implements question.Schema.
func (noColumns) Column(string) (*question.Column, bool) { return nil, false }

// Columns implements question.Schema.
func (noColumns) Columns() []question.Column { return nil }

// api is the handler.
type api struct {
	cfg     Config
	formats []question.Format // with a media type
	mux     *http.ServeMux
	routes  []route
	csrf    http.CrossOriginProtection
	build   string // of the program, in entity tags
	kept    *kept  // *rendered by entity tag, *wanted by URL
	streams streams
}

// New returns the handler. It has no goroutines and needs no closing.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &api{cfg: cfg, mux: http.NewServeMux(), build: buildOf(cfg.Version), kept: newKept(cfg.MaxKept), streams: streams{of: map[string]int{}}}
	if err := a.trustOrigins(); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	for _, f := range cfg.Formats {
		if f.MediaType != "" {
			a.formats = append(a.formats, f)
		}
	}
	a.register()
	if err := a.checkBase(); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	if cfg.BasePath != "" {
		return http.HandlerFunc(a.underBase), nil
	}
	return a, nil
}
