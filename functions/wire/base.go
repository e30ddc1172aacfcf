package wire

import (
	"cmp"
	"context"
	"errors"
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/metrics"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// Base holds a dataset, its plugins, a store, and a pool that has not been started.
type Base struct {
	Questions *Questions
	Store     *results.Store
	Pool      *jobs.Pool
	Observer  Observer            // of all that this process does; nil: none
	Metrics   *metrics.Prometheus // nil in a function, which nobody scrapes

	emf    *metrics.EMF // nil in a server
	admin  *admin       // nil: there is no admin address
	cfg    Config
	looked atomic.Int64 // when the bucket of plugins was listed in a function, in Unix nanoseconds; 0 without one
}

// OpenBase loads dataset and plugins and opens the store. cfg must be complete. pool holds
// the settings of the pool that are not part of cfg. On an error OpenBase closes what it
// opened.
func OpenBase(ctx context.Context, cfg Config, pool jobs.Config) (_ *Base, err error) {
	switch { // little becomes garbage during a start
	case cfg.Function:
		defer collectLater(math.MaxInt64, 100)()
	case cfg.Data == "": // reading a file may take any amount of memory
		defer collectLater(startMemory, serverGC)()
	}
	b := &Base{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close(context.WithoutCancel(ctx)))
		}
	}()
	objects, err := OpenObjects(ctx, cfg.StoreConfig, cfg.Log)
	if err != nil {
		return nil, err
	}
	b.observe(&cfg.QuestionsConfig, &pool)
	if b.Observer != nil {
		objects = observeObjects(objects, b.Observer)
	}
	b.Store = results.New(objects)
	questions := cfg.questions(objects)
	questions.live = !cfg.Function
	if cfg.Function && questions.bucket != nil {
		b.looked.Store(time.Now().UnixNano())
	}
	if b.Questions, err = OpenQuestions(ctx, questions); err != nil {
		return nil, err
	}
	pool.Workers, pool.TimeLimit, pool.Log = cfg.Workers, cfg.TimeLimit, cfg.Log
	pool.AloneSince = b.Store.AloneSince()
	if b.Pool, err = jobs.New(pool, b.Store, b.Questions); err != nil {
		return nil, err
	}
	if b.Metrics != nil {
		workers, intake := b.Pool.Limits()
		b.Metrics.Connect(metrics.Sources{
			Jobs: b.Pool.Load, Workers: workers, Intake: intake,
			Memory: b.Questions.Engine.Memory, Plugins: b.Questions.Plugins, Plugin: b.Questions.PluginOf,
		})
	}
	if cfg.AdminListen != "" && !cfg.Function {
		if b.admin, err = openAdmin(ctx, cfg.AdminListen, cfg.Version, b.Metrics, cfg.Log); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// questions returns the dataset and the plugins of a process. objects are its store, which
// may hold plugins; nil: plugins are not looked for there.
func (c *Config) questions(objects results.Objects) QuestionsConfig {
	q := c.QuestionsConfig
	q.s3, q.slots = s3.Config{Endpoint: c.S3Endpoint, Region: c.S3Region}, c.Workers
	if objects == nil || c.PollPlugins < 0 {
		return q
	}
	if q.bucket = Plugins(objects, c.Location); q.bucket != nil {
		q.bucket.Poll = c.PollPlugins
	}
	return q
}

// InspectQuestions loads the dataset and the plugins of a process as OpenBase does, once:
// it does not watch for changes. cfg must be complete. objects are the process's store; nil:
// plugins are not looked for there. The caller closes the questions before the objects.
func InspectQuestions(ctx context.Context, cfg Config, objects results.Objects) (*Questions, error) {
	return OpenQuestions(ctx, cfg.questions(objects))
}

// observe makes the Observer of a process and tells it to those who call it.
func (b *Base) observe(questions *QuestionsConfig, pool *jobs.Config) {
	switch {
	case b.cfg.NoMetrics:
		return
	case b.cfg.Function:
		to := b.cfg.MetricsLog
		if to == nil {
			to = os.Stdout
		}
		b.emf = metrics.NewEMF(to, cmp.Or(os.Getenv(EnvFunction), "lestats"))
		b.Observer = b.emf
	default:
		b.Metrics = metrics.NewPrometheus(b.cfg.Version)
		b.Observer = b.Metrics
	}
	questions.observer, pool.Observer = b.Observer, b.Observer
	if pool.Queue != nil {
		pool.Queue = observedQueue{pool.Queue, b.Observer}
	}
}

// EventEnded writes to the log what an event of a function counted.
func (b *Base) EventEnded() {
	if b.emf == nil {
		return
	}
	if err := b.emf.Flush(); err != nil {
		b.cfg.Log.Warn("the metrics of an event are lost", "error", err)
	}
}

// AdminURL is where clients on this machine find the admin address; "" without one.
func (b *Base) AdminURL() string {
	if b.admin == nil {
		return ""
	}
	return b.admin.url()
}

// startMemory is the memory up to which a server with the embedded dataset does not
// collect garbage during its start, in bytes. It needs half of that.
const startMemory = 128 << 20

// serverGC is the GOGC of a server with the embedded dataset, whose heap is small: it pays
// with 10 MB for fewer collections. The variable GOGC takes precedence.
const serverGC = 150

// collectLater stops garbage collection, except at the memory limit or at most, until the
// function that it returns is called; from then on it runs at percent, or as GOGC says.
func collectLater(most int64, percent int) (restore func()) {
	set, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(limit, most))
	if os.Getenv("GOGC") != "" {
		percent = set
	}
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// refreshLimit bounds how long an event of a function waits for plugins that are new. It
// keeps half of its own time in any case.
const refreshLimit = 10 * time.Second

// Fresh looks for plugins in the bucket if this function did so last longer ago than
// PollPlugins says. Nothing runs between a function's events, so each event calls it
// first. It takes refreshLimit at most, and half of the time until ctx ends; if it fails,
// plugins stay as they are, and a later event tries again.
func (b *Base) Fresh(ctx context.Context) {
	// The wall clock: others may stand still where a function does.
	before, now := b.looked.Load(), time.Now().UnixNano()
	if age := time.Duration(now - before); before == 0 || age >= 0 && age < b.cfg.PollPlugins || !b.looked.CompareAndSwap(before, now) {
		return
	}
	limit := refreshLimit
	if due, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(due)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin := time.Now()
	if err := b.Questions.Refresh(ctx); err != nil {
		b.cfg.Log.Warn("looking for plugins in the bucket failed: those that are loaded stay", "error", err)
	}
	b.cfg.Log.Debug("plugins were looked for in the bucket", "ms", ms(time.Since(begin)))
}

// Ready returns nil if jobs can be answered, or else the reason why not.
func (b *Base) Ready(ctx context.Context) error {
	if len(b.Questions.Served()) == 0 {
		return errors.New("no plugin is loaded: put a .wasm file into the plugin folder, or build the embedded one with make")
	}
	return b.Store.Ping(ctx)
}

// Log logs that the process is ready, and how long its start took since begin.
func (b *Base) Log(begin time.Time) {
	b.cfg.Log.Info("ready", "version", b.cfg.Version, "ms", ms(time.Since(begin)), "dataset_ms", ms(b.Questions.Took.Dataset), "plugins_ms", ms(b.Questions.Took.Plugins),
		"memory_mib", b.cfg.FunctionMiB, "budget_mib", b.cfg.budget>>20)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Close drains the pool until ctx ends and releases everything.
func (b *Base) Close(ctx context.Context) error {
	var errs []error
	if b.Pool != nil {
		errs = append(errs, b.Pool.Close(ctx))
	}
	if b.admin != nil { // operators can look on until jobs have ended
		errs = append(errs, b.admin.close(ctx))
	}
	if b.Questions != nil { // before the store, which it may be listing
		errs = append(errs, b.Questions.Close(ctx))
	}
	if b.Store != nil {
		errs = append(errs, b.Store.Close())
	}
	return errors.Join(errs...)
}
