// Package httpapi is the service as HTTP: routes, content negotiation, and the
// one mapping from error codes to statuses. It knows no plugin, no store and no
// network: [New] returns a handler, which a local server or a cloud function
// serves.
//
// What a status says, for a client that has to act on it:
//
//	200  what was asked for, in the media type that was agreed on; to JSON also {"status":"running"}
//	202  a job was accepted, or (CSV and Arrow) it has not ended: ask again
//	304  the result that the client has is still the result
//	4xx  the request is at fault, and as it stands it will fail again, but for two:
//	410  the job was cancelled      } the request was fine and the job has ended
//	422  the job has no result      } without a result, which is final
//	500  a defect of ours; the log says more, under the X-Request-Id
//	503  not now: ask again after Retry-After
//
// An error, whatever was agreed on, is JSON: {"status":"error","code":"...",
// "reason":"...","hint":[...]}, with "param" where it is about one and "job_id"
// where it is about a job.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Catalog says what can be asked. Safe for concurrent use.
type Catalog interface {
	Plugins() []question.PluginInfo
	Offers() []question.Offer
}

// Jobs accepts questions and knows what became of them. Safe for concurrent use;
// what it returns is shared and only read. Its errors are *question.Error.
//
// Submit, Cancel and Retry are handed a context that does not end with the
// client's connection: they bound their own calls.
type Jobs interface {
	// Submit accepts a question for good, or returns an error.
	Submit(ctx context.Context, req question.Request) (*question.Job, error)
	Get(ctx context.Context, id string) (*question.Job, error)
	// Wait returns a job when it is final, or as last known when ctx ends.
	Wait(ctx context.Context, id string) (*question.Job, error)
	Cancel(ctx context.Context, id string) (*question.Job, error)
	// Retry asks again, in a new job, what a failed or cancelled job asked.
	Retry(ctx context.Context, id string) (*question.Job, error)
	// List returns jobs without their results, newest first, with ids below before
	// ("": from the newest).
	List(ctx context.Context, before string, limit int) ([]*question.Job, error)
	// Unfinished returns the number of jobs that are not final.
	Unfinished(ctx context.Context) (int, error)
	Drain()         // stop the intake and finish what was accepted; does not wait
	Draining() bool // the intake has stopped
	Drained() bool  // ... and nothing is left to do
}

// Renderers are the forms of a result. All are required. They keep nothing and
// are safe for concurrent use.
type Renderers struct {
	Seed  func(b []byte, t *question.Table) ([]byte, error)                                      // appends one JSON value, in the seed's layout
	Rows  func(b []byte, t *question.Table) []byte                                               // appends a JSON array of objects
	CSV   func(w io.Writer, t *question.Table, p *question.Provenance, note question.Note) error // p may be nil
	Arrow func(w io.Writer, t *question.Table, p *question.Provenance) error                     // IPC stream; p may be nil
}

// Config says what is served. Catalog, Jobs and Render are required.
type Config struct {
	Catalog Catalog
	Jobs    Jobs
	Render  Renderers
	Dataset question.DatasetInfo // for the index and /api/questions
	// Schema has the dataset's columns and their dictionaries, for /openapi.json and
	// /docs; nil: those say nothing of values.
	Schema question.Schema

	// Ready returns why a job would not be answered now (the store does not
	// answer, say), or nil. A nil Ready is always ready.
	Ready func(ctx context.Context) error
	// ClientKey is asked of every request but the probes', as X-Api-Key; "": of none.
	ClientKey string
	// AdminKey, sent as `Authorization: Bearer KEY`, is asked of every graceful shutdown;
	// "": there is no key, and LocalShutdown decides.
	AdminKey string
	// LocalShutdown allows a graceful shutdown without a key to clients that connect from
	// a loopback address and send no header of a proxy. Behind a proxy on the same machine
	// that adds none, that is everybody. Without effect where there is an AdminKey.
	LocalShutdown bool
	// CheckHost answers only requests whose Host is a loopback address, localhost, a name
	// under .localhost, or one of Hosts, each with any port: a page whose name was made to
	// point here (DNS rebinding) sends its own name.
	CheckHost bool
	// Hosts are names or addresses, without a port.
	Hosts []string
	// NoShutdown is why nobody may shut this down, the key or not; "": there is no reason.
	NoShutdown string
	Version    string        // of the program; "" is "unknown"
	Log        *slog.Logger  // one line a request; nil is slog.Default()
	MaxBody    int64         // bytes of a request's body; 0 is 64 KiB
	MaxWait    time.Duration // the longest ?wait= that is granted, and a server's WriteTimeout has to exceed it; 0 is 30 s
}

func (c *Config) validate() error {
	if c.Version == "" {
		c.Version = "unknown"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 10
	}
	if c.MaxWait == 0 {
		c.MaxWait = 30 * time.Second
	}
	switch r := c.Render; {
	case c.Catalog == nil || c.Jobs == nil:
		return errors.New("httpapi: Catalog and Jobs are required")
	case r.Seed == nil || r.Rows == nil || r.CSV == nil || r.Arrow == nil:
		return errors.New("httpapi: every renderer is required")
	case c.MaxBody < 0:
		return fmt.Errorf("httpapi: a body of %d bytes: it is a number above 0; 0 is 64 KiB", c.MaxBody)
	case c.MaxWait < time.Second:
		return fmt.Errorf("httpapi: a wait of %v: it is at least 1 s; 0 is 30 s", c.MaxWait)
	}
	for _, host := range c.Hosts {
		if err := checkHostName(host); err != nil {
			return fmt.Errorf("httpapi: %w", err)
		}
	}
	return nil
}

// api is the handler.
type api struct {
	cfg    Config
	mux    *http.ServeMux
	routes []string // the patterns, for "did you mean"
	csrf   http.CrossOriginProtection
}

// New returns the handler. It starts nothing and needs no closing.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &api{cfg: cfg, mux: http.NewServeMux()}
	a.register()
	return a, nil
}

// register serves the routes. What they are is described in operations.
func (a *api) register() {
	get, post := http.MethodGet, http.MethodPost
	a.route("/{$}", a.index, get)
	a.route("/openapi.json", a.openapi, get)
	a.route("/docs", a.docs, get)
	a.route("/healthz", a.health, get)
	a.route("/readyz", a.ready, get)
	a.route("/api/questions", a.questions, get)
	a.route("/api/plugins", a.plugins, get)
	a.route("/api/{question}", a.submit, post)
	a.route("/api/get_results/{id}", a.results, get)
	a.route("/api/jobs", a.list, get)
	a.route("/api/num_jobs", a.count, get)
	a.route("/api/jobs/{id}", a.cancel, http.MethodDelete)
	a.route("/api/jobs/{id}/retry", a.retry, post)
	// HEAD promises to change nothing, so there is none here.
	a.mux.Handle("/api/graceful_shutdown", methods{a, map[string]action{get: a.shutdown, post: a.shutdown}})
	a.routes = append(a.routes, "/api/graceful_shutdown")
	a.mux.Handle("/", methods{api: a})
}

// action answers a request, or returns an error before it has written anything.
type action func(w *response, r *http.Request) error

// route serves one method of a path, and HEAD where that is GET.
func (a *api) route(pattern string, act action, method string) {
	m := methods{a, map[string]action{method: act}}
	if method == http.MethodGet {
		m.actions[http.MethodHead] = act
	}
	a.mux.Handle(pattern, m)
	a.routes = append(a.routes, strings.TrimSuffix(pattern, "{$}"))
}

// methods serves one path. The mux matches paths alone, because what it answers
// to a wrong method has not the shape of an error.
type methods struct {
	*api
	actions map[string]action // none: there is no such path
}

// ServeHTTP is called by the mux, with the *response that api.ServeHTTP made.
func (m methods) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := rw.(*response)
	act := m.actions[r.Method]
	if act == nil {
		act = m.refuse
	}
	if err := act(w, r); err != nil {
		w.fail(err)
	}
}

// refuse says what would have been right about the path or the method.
func (m methods) refuse(w *response, r *http.Request) error {
	if name := r.PathValue("question"); m.actions == nil || name != "" && !m.offered(name) {
		known := append([]string{}, m.routes...)
		for _, o := range m.cfg.Catalog.Offers() {
			known = append(known, "/api/"+o.Question.Name)
		}
		return question.Errorf(question.CodeUnknownRoute, "there is nothing at %.100q; / lists what there is", r.URL.Path).
			About("", question.Nearest(r.URL.Path, known)...)
	}
	allowed := slices.Sorted(maps.Keys(m.actions))
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return question.Errorf(question.CodeMethodNotAllowed, "%.100q takes %s, not %.20q",
		r.URL.Path, strings.Join(allowed, " or "), r.Method).About("", allowed...)
}

// offered reports whether a question is served.
func (a *api) offered(name string) bool {
	return slices.ContainsFunc(a.cfg.Catalog.Offers(), func(o question.Offer) bool { return o.Question.Name == name })
}
