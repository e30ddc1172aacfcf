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
	"runtime/debug"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
	"github.com/le-stats-sportifs/lestats/runtime/results"
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
	AdminKey    string        // of graceful_shutdown; "": loopback clients only
	Version     string
	Log         *slog.Logger // nil is slog.Default()

	// Function: this process is a function of AWS Lambda. It does not listen, it takes
	// events from AWS_LAMBDA_RUNTIME_API; it has one worker, it ends each job before it
	// answers, and nothing happens in the background.
	Function bool
	// MemoryMiB is the memory of a Function; 0: what AWS_LAMBDA_FUNCTION_MEMORY_SIZE says.
	MemoryMiB int
	// Hand is given a job that a Function cannot end in time, and sees to it that some
	// other process does; nil: the job waits for somebody to ask for its result.
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
	c.Questions.TimeLimit, c.Questions.Log, c.Store.Log = c.TimeLimit, c.Log, c.Log
	if c.Function {
		return c.small()
	}
	return nil
}

// Main is a server: Open, then Run until its context ends, then Close.
type Main struct {
	cfg       Config
	questions *wire.Questions
	store     *results.Store
	pool      *jobs.Pool
	listener  net.Listener // nil in a function
	server    *http.Server // nil in a function
	function  *function    // nil in a server
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
			err = errors.Join(err, reportInit(ctx, err))
		}
	}()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m.cfg = cfg
	if cfg.Function { // nothing of a start is garbage for long; the memory limit still holds
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
	}
	objects, sole, err := wire.OpenObjects(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	store := results.New(objects)
	m.store = store
	if cfg.PollPlugins >= 0 {
		if bucket := wire.Plugins(objects, cfg.Store.Location); bucket != nil {
			bucket.Poll = cfg.PollPlugins
			cfg.Questions.Bucket = bucket
		}
	}
	cfg.Questions.Live, cfg.Questions.Slots = !cfg.Function, cfg.Workers
	if m.questions, err = wire.OpenQuestions(ctx, cfg.Questions); err != nil {
		return nil, err
	}
	poolConfig := jobs.Config{
		Workers:   cfg.Workers,
		Queue:     cfg.Queue,
		TimeLimit: cfg.TimeLimit,
		Retention: cfg.Retention,
		Grace:     jobs.DefaultGrace,
		Sole:      sole,
		Log:       cfg.Log,
	}
	if cfg.Function {
		freeze(&poolConfig, cfg.Hand)
	}
	if m.pool, err = jobs.New(poolConfig, store, m.questions); err != nil {
		return nil, err
	}
	apiConfig := httpapi.Config{
		Catalog:   m.questions,
		Jobs:      m.pool,
		Dataset:   m.questions.Dataset.Info(),
		Schema:    m.questions.Dataset,
		Ready:     m.ready,
		Render:    httpapi.Renderers{Seed: render.AppendSeedJSON, Rows: render.AppendRowsJSON, CSV: render.CSV, Arrow: render.Arrow},
		MaxWait:   maxWait,
		ClientKey: cfg.ClientKey,
		AdminKey:  cfg.AdminKey,
		Version:   cfg.Version,
		Log:       cfg.Log,
	}
	if cfg.Function {
		apiConfig.Jobs = finisher{m.pool, cfg.Hand == nil, 2 * cfg.TimeLimit}
		apiConfig.NoShutdown = "a cloud function has one process a request; to stop it, set its reserved concurrency to 0"
	}
	handler, err := httpapi.New(apiConfig)
	if err != nil {
		return nil, err
	}
	if cfg.Function {
		m.function = &function{handler: handler, large: store, log: cfg.Log}
		if cfg.Hand == nil {
			m.function.limit = cfg.TimeLimit
		}
		if err := m.pool.Start(ctx); err != nil {
			return nil, err
		}
		cfg.Log.Info("ready", "version", cfg.Version, "ms", ms(time.Since(begin)), "dataset_ms", ms(m.questions.Took.Dataset), "plugins_ms", ms(m.questions.Took.Plugins),
			"memory_mib", cfg.MemoryMiB, "budget_mib", cfg.Questions.Budget>>20)
		return m, nil
	}
	if m.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	if err := m.pool.Start(ctx); err != nil {
		return nil, err
	}
	m.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      maxWait + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	return m, nil
}

// ready reports why the first job would not be answered, if it would not.
func (m *Main) ready(ctx context.Context) error {
	if len(m.questions.Offers()) == 0 {
		return errors.New("no plugin is loaded: put a .wasm file into the plugin folder, or build the embedded one with make")
	}
	return m.store.Ping(ctx)
}

// URL is where the server listens; "" of a function.
func (m *Main) URL() string {
	if m.listener == nil {
		return ""
	}
	return "http://" + m.listener.Addr().String()
}

// Questions is what the server answers.
func (m *Main) Questions() *wire.Questions { return m.questions }

func (m *Main) closeLimit() time.Duration {
	if m.cfg.Function {
		return functionClose
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
	if err := m.pool.Close(drain); err != nil { // nothing is lost: it is pending in the store
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
	if m.pool != nil {
		errs = append(errs, m.pool.Close(ctx))
	}
	if m.questions != nil { // it may be looking into the store for plugins
		errs = append(errs, m.questions.Close(ctx))
	}
	if m.store != nil {
		errs = append(errs, m.store.Close())
	}
	return errors.Join(errs...)
}
