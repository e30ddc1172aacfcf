// Package api is the HTTP function: it serves runtime/httpapi over a store, a
// pool and a catalog, as a local server or as a function of AWS Lambda: there an
// HTTP API or a function URL (payload version 2.0) or a REST API (1.0) sends the
// requests, as each event says. Main is what `lestats serve` starts and what the
// end-to-end tests start.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// Config says what a server runs on.
type Config struct {
	Listen    string // host:port; "" is 127.0.0.1:8080, port 0 takes a free one
	Questions wire.QuestionsConfig
	Store     wire.StoreConfig
	// PollPlugins is how often plugins/ of a store in a bucket is looked at, each
	// time with a request; 0: every second, negative: the bucket has no plugins.
	PollPlugins time.Duration
	Workers     int           // of the pool; 0: one a core
	Queue       int           // jobs that may wait; 0: 1,024
	TimeLimit   time.Duration // wall clock a job; 0: 5 s
	Retention   time.Duration // how long results are kept; 0: 7 days, negative: for ever
	ClientKey   string        // of all requests but the probes'; "": they need none
	AdminKey    string        // asked of every graceful_shutdown; "": there is none, see LocalShutdown
	// LocalShutdown: without an AdminKey, clients on this machine may shut it down; see
	// httpapi.Config.
	LocalShutdown bool
	// AllowedHosts are the names, beside loopback ones, that a request may give as its
	// Host. Without any, a server that has no ClientKey and listens on a loopback address
	// answers to loopback names alone, and any other to every name. Not for a Function.
	AllowedHosts []string
	Version      string
	Log          *slog.Logger // nil is slog.Default()

	// Function: this process is a function of AWS Lambda. It does not listen, it takes
	// events from AWS_LAMBDA_RUNTIME_API; it has one worker, it ends each job before it
	// answers, and nothing happens in the background.
	Function bool
	// MemoryMiB is the memory of a Function; 0: what AWS_LAMBDA_FUNCTION_MEMORY_SIZE says.
	MemoryMiB int
	// Hand is given a job that did not end at once (within 2 s in a Function, 10 ms in
	// a server), and sees to it that some other process runs it; nil: a server runs it,
	// in a Function it waits for somebody to ask for its result.
	Hand func(ctx context.Context, job *question.Job) error
}

// Defaults of Config.
const (
	DefaultListen    = "127.0.0.1:8080"
	DefaultTimeLimit = 5 * time.Second
)

// maxWait is the longest that a client may wait for a result in one request.
const maxWait = 30 * time.Second

// drainLimit bounds how long a stopping server works on what it accepted; what
// is left by then is taken up at the next start.
const drainLimit = 30 * time.Second

// lostInQueue is how long after it was accepted a job that was handed over is taken
// for one that the queue never got. It may have been waiting there; that is no harm.
const lostInQueue = time.Hour

func (c *Config) validate() error {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.TimeLimit == 0 {
		c.TimeLimit = DefaultTimeLimit
	}
	switch {
	case c.Retention == 0:
		c.Retention = jobs.DefaultRetention
	case c.Retention < 0:
		c.Retention = 0
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	switch {
	case c.TimeLimit < 0:
		return fmt.Errorf("time limit %s: it must be above zero", c.TimeLimit)
	case c.Workers < 0:
		return fmt.Errorf("workers %d: 1 or more, or 0 for one a core", c.Workers)
	case c.Queue < 0:
		return fmt.Errorf("queue %d: 1 or more, or 0 for the default", c.Queue)
	}
	return nil
}

// Main is a server: Open, then Run until its context ends, then Close.
type Main struct {
	cfg      Config
	base     *wire.Base
	listener net.Listener // nil in a function
	server   *http.Server // nil in a function
	function *function    // nil in a server
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
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m.cfg = cfg
	m.base, err = wire.OpenBase(ctx, wire.BaseConfig{
		Questions:   cfg.Questions,
		Store:       cfg.Store,
		PollPlugins: cfg.PollPlugins,
		Pool:        cfg.pool(),
		Function:    cfg.Function,
		MemoryMiB:   cfg.MemoryMiB,
		Log:         cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Function {
		handler, err := m.handler()
		if err != nil {
			return nil, err
		}
		m.function = &function{handler: handler, large: m.base.Store, log: cfg.Log}
		if cfg.Hand == nil {
			m.function.limit = cfg.TimeLimit
		}
		if err := m.base.Pool.Start(ctx); err != nil {
			return nil, err
		}
		m.base.Log(cfg.Log, cfg.Version, begin)
		return m, nil
	}
	if m.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	handler, err := m.handler()
	if err != nil {
		return nil, err
	}
	if err := m.base.Pool.Start(ctx); err != nil {
		return nil, err
	}
	m.server = &http.Server{
		Handler: handler,
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

// pool is what the pool of this process is like.
func (c *Config) pool() jobs.Config {
	pool := jobs.Config{
		Workers:   c.Workers,
		Queue:     c.Queue,
		TimeLimit: c.TimeLimit,
		Retention: c.Retention,
		Grace:     jobs.DefaultGrace,
		Hand:      c.Hand,
	}
	if c.Hand != nil {
		pool.Lost = lostInQueue
	}
	if c.Function {
		freeze(&pool)
	}
	return pool
}

func (m *Main) handler() (http.Handler, error) {
	ds := m.base.Questions.Dataset
	cfg := httpapi.Config{
		Catalog:   m.base.Questions,
		Jobs:      m.base.Pool,
		Dataset:   ds.Info(),
		Schema:    ds,
		Ready:     m.base.Ready,
		Render:    httpapi.Renderers{Seed: render.AppendSeedJSON, Rows: render.AppendRowsJSON, CSV: render.CSV, Arrow: render.Arrow},
		MaxWait:   maxWait,
		ClientKey: m.cfg.ClientKey,
		AdminKey:  m.cfg.AdminKey,
		Version:   m.cfg.Version,
		Log:       m.cfg.Log,

		LocalShutdown: m.cfg.LocalShutdown,
		CheckHost:     m.LoopbackNames() || m.listener != nil && len(m.cfg.AllowedHosts) > 0,
		Hosts:         m.cfg.AllowedHosts,
	}
	if m.cfg.Function {
		cfg.Jobs = finisher{m.base.Pool, m.cfg.Hand == nil, 2 * m.cfg.TimeLimit}
		cfg.NoShutdown = "a cloud function has one process a request; to stop it, set its reserved concurrency to 0"
	}
	return httpapi.New(cfg)
}

// URL is where clients on this machine find the server; "" of a function.
func (m *Main) URL() string {
	if m.listener == nil {
		return ""
	}
	host, port, err := net.SplitHostPort(m.listener.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() { // every address: no client asks for that one
		return "http://127.0.0.1:" + port
	}
	return "http://" + m.listener.Addr().String()
}

// LoopbackNames reports whether requests are only answered under a loopback name, or one
// of AllowedHosts, because nothing else keeps the pages of strangers out that this
// machine's browsers have open.
func (m *Main) LoopbackNames() bool {
	if m.listener == nil || m.cfg.ClientKey != "" {
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

// Run serves until ctx ends; then it stops intake, finishes what was accepted
// (30 s at most; what is left is taken up at the next start) and returns.
func (m *Main) Run(ctx context.Context) error {
	if m.function != nil {
		return m.runFunction(ctx)
	}
	failed := make(chan error, 1)
	go func() { failed <- m.server.Serve(m.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the server stopped: %w", err)
	case <-ctx.Done():
	}
	m.cfg.Log.Info("stopping: intake is closed, accepted jobs are being finished")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if err := m.base.Pool.Close(drain); err != nil { // nothing is lost: it is pending in the store
		m.cfg.Log.Warn("not everything was finished; the next start takes it up", "err", err)
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := m.server.Shutdown(shutdown); err != nil {
		m.cfg.Log.Warn("somebody was still reading", "err", errors.Join(err, m.server.Close()))
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
