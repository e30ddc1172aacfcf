// Package api is the HTTP function: it serves runtime/httpapi over a store, a
// pool and a catalog, as a local server or as a function of AWS Lambda: there an
// HTTP API, a function URL, a REST API or an Application Load Balancer sends the
// requests, as each event says. Main is what `lestats serve` starts and what the
// end-to-end tests start.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/chart"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/keys"
	"github.com/le-stats-sportifs/lestats/runtime/metrics"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/web"
)

// Config configures a server. As in wire.Config, each exported field without kong:"-" is a
// flag of `lestats serve`.
type Config struct {
	Listen string `help:"Address to listen on; port 0 picks a free port. Default: 0.0.0.0:$PORT if the variable PORT is set, else ${listen}." placeholder:"HOST:PORT" env:"LESTATS_LISTEN"`

	wire.Config `set:"queue_url=Default: the server runs them itself."`

	Queue     int           `help:"Jobs that may wait. When that many are waiting, new ones are refused with 503." default:"${queue}" env:"LESTATS_QUEUE"`
	Retention time.Duration `help:"How long results are kept; a negative value keeps them for ever." default:"${retention}" env:"LESTATS_RETENTION"`
	ClientKey string        `name:"api-key" help:"Key that clients must send (X-Api-Key: KEY, or as a bearer's token or a password), except to /healthz and /readyz. Default: no key is needed." placeholder:"KEY" env:"LESTATS_API_KEY"`
	Keys      string        `help:"File of named keys, one of which clients must send, in place of one key for all: \"lestats key new\" makes them. It is read again when it changes. Default: no key is needed." placeholder:"FILE" env:"LESTATS_KEYS"`
	AdminKey  string        `help:"Key that graceful_shutdown requires (Authorization: Bearer KEY), from this machine too. Without it, an admin key of --keys and --local-shutdown, graceful_shutdown is off." placeholder:"KEY" env:"LESTATS_ADMIN_KEY"`

	LocalShutdown bool     `help:"Without an admin key, allow graceful_shutdown to every client on this machine. Do not use it behind a reverse proxy on the same machine: if the proxy adds no header, all its clients look local." env:"LESTATS_LOCAL_SHUTDOWN"`
	AllowedHosts  []string `name:"allowed-host" help:"Host names that requests may use besides loopback names, separated by commas. Needed if the server has no API key, listens on a loopback address and a reverse proxy passes the public Host on. If set, other names are refused on every address." placeholder:"NAME" env:"LESTATS_ALLOWED_HOST"`
	CORSOrigins   []string `name:"cors-origin" help:"Origins of web pages that may use the API from a browser, separated by commas, such as https://stats.example.org. * lets all pages read but not ask, and excludes keys. Default: none." placeholder:"ORIGIN" env:"LESTATS_CORS_ORIGIN"`

	BasePath string `help:"Path under which clients reach the service, behind a proxy or in an API mapping of API Gateway, such as /stats. It is removed from requests that begin with it and put before links. Default: the root." placeholder:"/PATH" env:"LESTATS_BASE_PATH"`

	ShutdownDelay time.Duration `help:"How long a stopping server still accepts requests while /readyz already fails, so that a load balancer stops sending any." default:"0s" env:"LESTATS_SHUTDOWN_DELAY"`
}

// maxWait is the longest that a client may wait for a result in one request.
const maxWait = 30 * time.Second

// maxKept is how many bytes of rendered answers are kept for the next client. They are part
// of the memory budget. A function has at most a sixteenth of its memory for them.
const maxKept = 32 << 20

// stopLimit bounds how long a server takes to stop, all in all: as long as Kubernetes
// gives. What it has accepted and not finished by then stays in the store, for other
// processes or the next start.
const stopLimit = 30 * time.Second

// readLimit is what clients have of that to read their responses.
const readLimit = 5 * time.Second

// complete fills in the defaults and refuses values that cannot work.
func (c *Config) complete() error {
	if err := c.Complete(); err != nil {
		return err
	}
	c.Listen, c.Queue = cmp.Or(c.Listen, wire.DefaultListen), cmp.Or(c.Queue, wire.DefaultQueue)
	c.Retention = max(cmp.Or(c.Retention, wire.DefaultRetention), 0) // the pool's 0 is for ever
	c.Reserved = maxKept
	if c.Function {
		c.Reserved = min(c.Reserved, int64(c.FunctionMiB)<<20/16)
	}
	if c.ClientKey != "" && c.Keys != "" {
		return errors.New("one key for all (--api-key, LESTATS_API_KEY) and a file of named keys (--keys, LESTATS_KEYS) exclude each other: choose one")
	}
	if c.Queue < 0 {
		return fmt.Errorf("queue %d: it takes 1 or more, or 0 for %d", c.Queue, wire.DefaultQueue)
	}
	if c.ShutdownDelay < 0 || c.ShutdownDelay > stopLimit-2*readLimit {
		return fmt.Errorf("shutdown delay %s: it takes at most %s, because a server stops within %s", c.ShutdownDelay, stopLimit-2*readLimit, stopLimit)
	}
	return nil
}

// Check fills in the defaults and refuses values that cannot work, as Open does. It starts
// nothing. That the base path is not one of a page is left to Open.
func (c *Config) Check() error {
	if err := c.complete(); err != nil {
		return err
	}
	_, err := httpapi.New(httpapi.Config{
		Catalog: struct{ httpapi.Catalog }{}, Jobs: struct{ httpapi.Jobs }{}, Formats: wire.Formats, // of which nothing is called
		ClientKey: c.ClientKey, BasePath: c.BasePath, Hosts: c.AllowedHosts, Origins: c.CORSOrigins,
	})
	return err
}

// Main is a server: Open, then Run until its context ends, then Close.
type Main struct {
	cfg      Config
	base     *wire.Base
	keys     *keys.File   // nil if there are no named keys
	listener net.Listener // nil in a function
	server   *http.Server // nil in a function
	function *function    // nil in a server
	stopping atomic.Bool
}

// Open loads dataset and plugins, opens the store, takes up unfinished jobs and
// listens. When it returns, the first job would be answered. On an error nothing
// stays open, and Lambda is told.
func Open(ctx context.Context, cfg Config) (_ *Main, err error) {
	begin := time.Now()
	m := &Main{}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, m.Close())
		if cfg.Function {
			err = errors.Join(err, wire.ReportInit(ctx, err))
		}
	}()
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m.cfg = cfg
	if cfg.Keys != "" {
		if m.keys, err = keys.Open(keys.Config{Path: cfg.Keys, Alone: cfg.Function, Log: cfg.Log}); err != nil {
			return nil, err
		}
	}
	pool, err := cfg.pool()
	if err != nil {
		return nil, err
	}
	m.base, err = wire.OpenBase(ctx, cfg.Config, pool)
	if err != nil {
		return nil, err
	}
	if !cfg.Function {
		if m.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen); err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w; choose another address, such as --listen 127.0.0.1:8081", cfg.Listen, err)
		}
	}
	handler, err := m.handler()
	if err != nil {
		return nil, err
	}
	if err := m.base.Pool.Start(ctx); err != nil {
		return nil, err
	}
	if cfg.Function {
		m.function = &function{handler: handler, large: m.base.Store, log: cfg.Log, fresh: m.base.Fresh, ended: m.base.EventEnded}
		if cfg.QueueURL == "" {
			m.function.limit = cfg.TimeLimit
		}
		m.base.Log(begin)
		return m, nil
	}
	m.server = &http.Server{
		Handler: httpapi.Compress(handler),
		// else net/http answers OPTIONS * with 200, past the handler and its log
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  15 * time.Second,
		WriteTimeout:                 maxWait + 30*time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxHeaderBytes:               32 << 10,
		ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	return m, nil
}

// pool returns how the pool of this process differs from others. A server without a queue
// of its own has one in memory.
func (c *Config) pool() (jobs.Config, error) {
	pool := jobs.Config{Intake: c.Queue, Retention: c.Retention, OnDemand: c.Function}
	switch {
	case c.QueueURL != "":
		q, err := queue.Open(queue.Config{URL: c.QueueURL, Log: c.Log})
		if err != nil {
			return pool, err
		}
		pool.Queue = q
	case !c.Function:
		pool.Queue, pool.Receive = queue.NewMemory(time.Hour), true
	}
	if c.Function {
		pool.Grace = graceQueue
		if pool.Queue == nil {
			pool.Grace = graceAlone
		}
	}
	return pool, nil
}

func (m *Main) handler() (http.Handler, error) {
	ds := m.base.Questions.Dataset
	cfg := httpapi.Config{
		Catalog:   m.base.Questions,
		Jobs:      m.base.Pool,
		Dataset:   ds.Info(),
		Schema:    ds,
		Ready:     m.ready,
		Formats:   wire.Formats,
		MaxWait:   maxWait,
		MaxKept:   m.cfg.Reserved,
		ClientKey: m.cfg.ClientKey,
		AdminKey:  m.cfg.AdminKey,
		Version:   m.cfg.Version,
		Log:       m.cfg.Log,
		Observer:  m.base.Observer,

		LocalShutdown: m.cfg.LocalShutdown,
		BasePath:      m.cfg.BasePath,
		CheckHost:     m.LoopbackNames() || m.listener != nil && len(m.cfg.AllowedHosts) > 0,
		Hosts:         m.cfg.AllowedHosts,
		Origins:       m.cfg.CORSOrigins,
	}
	if m.cfg.Function {
		cfg.Jobs = onDemand{m.base.Pool, m.cfg.QueueURL == ""}
		cfg.NoShutdown = "a cloud function has one process per request; to stop it, set its reserved concurrency to 0"
	}
	if m.keys != nil {
		cfg.Keys, cfg.Jobs = m.keys, ownJobs{cfg.Jobs}
	}
	assistants, err := m.assistants(cfg.Jobs.Answer)
	if err != nil {
		return nil, err
	}
	cfg.Mounts = append(cfg.Mounts, assistants)
	if m.base.Metrics != nil {
		cfg.Mounts = append(cfg.Mounts, httpapi.Mount{
			ID: "metrics", Method: http.MethodGet, Path: "/metrics", MediaType: metrics.MediaType, Admin: true,
			Summary:     "Metrics for Prometheus",
			Description: "What this process counts, in Prometheus' text format. The admin address (--admin-listen) has it without a key.",
			Serve:       m.base.Metrics.Serve,
		})
	}
	site, err := m.site(cfg.Jobs)
	if err != nil {
		return nil, err
	}
	for _, p := range site.Pages() {
		cfg.Pages = append(cfg.Pages, httpapi.Page{ID: p.ID, Path: p.Path, Summary: p.Summary, MediaType: p.MediaType, Frame: p.Frame,
			Serve: func(w http.ResponseWriter, r *http.Request, v httpapi.View) error { return p.Serve(w, r, web.View(v)) }})
	}
	cfg.Frame = func(w http.ResponseWriter, v httpapi.View, here, title string, content template.HTML) error {
		return site.Frame(w, web.View(v), here, title, content)
	}
	cfg.ErrorPage = func(w http.ResponseWriter, r *http.Request, v httpapi.View, e *question.Error) {
		site.ErrorPage(w, r, web.View(v), e)
	}
	return httpapi.New(cfg)
}

// site returns what makes the pages.
func (m *Main) site(jobs httpapi.Jobs) (*web.Site, error) {
	ds := m.base.Questions.Dataset
	return web.New(web.Config{
		Catalog:      publicCatalog{m.base.Questions},
		Answer:       jobs.Answer,
		Draw:         wire.Draw,
		DrawingStyle: chart.Style,
		Dataset:      ds.Info(),
		Schema:       ds,
		Formats:      wire.Formats,
		Version:      m.cfg.Version,
		Jobs:         jobs,
		Counts:       m.base.Questions.Counts,
		Limits: func(plugin string) web.Limits {
			l := m.base.Questions.Engine.Limits(plugin)
			return web.Limits{Memory: l.Memory, Result: l.Result, Fuel: l.Fuel, Time: l.Time}
		},
	})
}

// publicCatalog is the catalog as clients may see it.
type publicCatalog struct{ web.Catalog }

// Plugins returns what GET /api/plugins shows.
func (c publicCatalog) Plugins() []question.PluginInfo {
	return httpapi.PublicPlugins(c.Catalog.Plugins())
}

// URL is where clients on this machine find the server; "" of a function.
func (m *Main) URL() string {
	if m.listener == nil {
		return ""
	}
	return wire.LocalURL(m.listener.Addr().String())
}

// Keyed reports whether clients need a key.
func (m *Main) Keyed() bool { return m.cfg.ClientKey != "" || m.cfg.Keys != "" }

// LoopbackNames reports whether requests are only answered under a loopback name, or one
// of AllowedHosts, because nothing else keeps the pages of strangers out that this
// machine's browsers have open.
func (m *Main) LoopbackNames() bool {
	if m.listener == nil || m.Keyed() {
		return false
	}
	at, ok := m.listener.Addr().(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}

// Questions is what the server answers.
func (m *Main) Questions() *wire.Questions { return m.base.Questions }

func (m *Main) closeLimit() time.Duration {
	if m.cfg.Function {
		return wire.FunctionClose
	}
	return 5 * time.Second
}

// ready returns nil if jobs can be answered and the server is not about to stop.
func (m *Main) ready(ctx context.Context) error {
	if m.stopping.Load() {
		return errors.New("the server is about to stop")
	}
	return m.base.Ready(ctx)
}

// Run serves until ctx ends. Then readiness fails, and after ShutdownDelay it accepts no
// more jobs, finishes those that it accepted, and returns; all that takes at most 30 s.
// What is left stays in the store, for other processes or the next start.
func (m *Main) Run(ctx context.Context) error {
	if m.function != nil {
		return m.runFunction(ctx)
	}
	failed := make(chan error, 1)
	go func() { failed <- m.server.Serve(listener{m.listener}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the server stopped: %w", err)
	case <-ctx.Done():
	}
	m.cfg.Log.Info("stopping: accepted jobs are being finished")
	m.stopping.Store(true)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	time.Sleep(m.cfg.ShutdownDelay)
	drain, cancel := context.WithTimeout(limit, stopLimit-m.cfg.ShutdownDelay-readLimit)
	defer cancel()
	if err := m.base.Pool.Close(drain); err != nil { // nothing is lost: it is pending in the store
		m.cfg.Log.Warn("not everything was finished; other processes or the next start run it", "err", err)
	}
	if err := m.server.Shutdown(limit); err != nil {
		m.cfg.Log.Warn("a client was still reading its response", "err", errors.Join(err, m.server.Close()))
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the server stopped: %w", err)
	}
	return nil
}

// Close releases everything; after Run it only releases what is left.
func (m *Main) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), m.closeLimit())
	defer cancel()
	var errs []error
	if m.listener != nil {
		if err := m.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if m.base != nil {
		errs = append(errs, m.base.Close(ctx))
	}
	return errors.Join(errs...)
}
