package wire

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// BaseConfig says what a process that runs jobs stands on.
type BaseConfig struct {
	Questions QuestionsConfig
	Store     StoreConfig
	// PollPlugins is how often plugins/ of a store in a bucket is looked at, each
	// time with a request; 0: every second, negative: the bucket has no plugins.
	PollPlugins time.Duration
	// Pool is the pool's; Sole is set here, if Pool.Hand is not.
	Pool jobs.Config

	// Function: this process is a function of AWS Lambda. It has one worker, its
	// sandboxes fit into the function's memory, and nothing happens in the background.
	Function bool
	// MemoryMiB is the memory of a Function; 0: what AWS_LAMBDA_FUNCTION_MEMORY_SIZE says.
	MemoryMiB int

	Log *slog.Logger // nil is slog.Default()
}

// Base is a dataset with its plugins, a store, and a pool that has not started.
type Base struct {
	Questions *Questions
	Store     *results.Store
	Pool      *jobs.Pool

	memoryMiB int
	budget    uint64
}

// OpenBase loads dataset and plugins and opens the store. On an error nothing stays
// open.
func OpenBase(ctx context.Context, cfg BaseConfig) (_ *Base, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Function {
		if err := cfg.small(); err != nil {
			return nil, err
		}
		// Nothing of a start is garbage for long; the memory limit still holds.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
	}
	b := &Base{memoryMiB: cfg.MemoryMiB, budget: cfg.Questions.Budget}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close(context.WithoutCancel(ctx)))
		}
	}()
	cfg.Questions.TimeLimit, cfg.Questions.Slots, cfg.Questions.Live = cfg.Pool.TimeLimit, cfg.Pool.Workers, !cfg.Function
	cfg.Questions.Log, cfg.Store.Log, cfg.Pool.Log = cfg.Log, cfg.Log, cfg.Log
	objects, sole, err := OpenObjects(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	b.Store = results.New(objects)
	if cfg.PollPlugins >= 0 {
		if bucket := Plugins(objects, cfg.Store.Location); bucket != nil {
			bucket.Poll = cfg.PollPlugins
			cfg.Questions.Bucket = bucket
		}
	}
	if b.Questions, err = OpenQuestions(ctx, cfg.Questions); err != nil {
		return nil, err
	}
	cfg.Pool.Sole = sole && cfg.Pool.Hand == nil && !cfg.Pool.Frozen
	if b.Pool, err = jobs.New(cfg.Pool, b.Store, b.Questions); err != nil {
		return nil, err
	}
	return b, nil
}

// Ready reports why the first job would not be answered, if it would not.
func (b *Base) Ready(ctx context.Context) error {
	if len(b.Questions.Offers()) == 0 {
		return errors.New("no plugin is loaded: put a .wasm file into the plugin folder, or build the embedded one with make")
	}
	return b.Store.Ping(ctx)
}

// Log tells that a process that began then is ready, and what took how long.
func (b *Base) Log(log *slog.Logger, version string, begin time.Time) {
	log.Info("ready", "version", version, "ms", ms(time.Since(begin)), "dataset_ms", ms(b.Questions.Took.Dataset), "plugins_ms", ms(b.Questions.Took.Plugins),
		"memory_mib", b.memoryMiB, "budget_mib", b.budget>>20)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Close drains the pool until ctx ends, and releases everything.
func (b *Base) Close(ctx context.Context) error {
	var errs []error
	if b.Pool != nil {
		errs = append(errs, b.Pool.Close(ctx))
	}
	if b.Questions != nil { // it may be looking into the store for plugins
		errs = append(errs, b.Questions.Close(ctx))
	}
	if b.Store != nil {
		errs = append(errs, b.Store.Close())
	}
	return errors.Join(errs...)
}
