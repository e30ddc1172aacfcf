package wire

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// The defaults of a process. Fields of a configuration that are 0 or "" stand for them, and
// the command line shows them (see FlagVars).
const (
	DefaultListen      = "127.0.0.1:8080"
	DefaultStore       = "lestats-store"
	DefaultQueue       = jobs.DefaultIntake // jobs that may wait
	DefaultRetention   = jobs.DefaultRetention
	DefaultTimeLimit   = sandbox.DefaultTimeLimit
	DefaultMemoryMiB   = sandbox.DefaultMemoryLimit >> 20
	DefaultPollPlugins = time.Second
	// FunctionPollPlugins is the age from which a function looks again, at its next event.
	FunctionPollPlugins = 30 * time.Second
	// DefaultPluginFolder need not exist.
	DefaultPluginFolder = "lestats-plugins"
)

// FlagVars returns the defaults by the names that the tags of the configurations use.
func FlagVars() map[string]string {
	return map[string]string{
		"listen":       DefaultListen,
		"store":        DefaultStore,
		"queue":        strconv.Itoa(DefaultQueue),
		"retention":    strings.TrimSuffix(DefaultRetention.String(), "0m0s"),
		"time_limit":   DefaultTimeLimit.String(),
		"memory":       strconv.Itoa(DefaultMemoryMiB),
		"poll_plugins": DefaultPollPlugins.String(),
		"poll_lambda":  FunctionPollPlugins.String(),
		"plugins":      DefaultPluginFolder,
	}
}

// EngineConfig selects a dataset and limits the plugins that run on it. This and the
// configurations below are also the command line: each exported field without kong:"-" is
// a flag, and its help text documents it.
type EngineConfig struct {
	Data       string        `help:"Dataset: a CSV, Parquet or Arrow file, or such an object in a bucket; - is standard input. Default: the embedded SYNTHETIC sample." placeholder:"FILE|s3://..." env:"LESTATS_DATA"`
	DataDigest string        `help:"Digest that the dataset must have, as lestats data info prints it; another dataset is refused. Default: any." placeholder:"sha256:..." env:"LESTATS_DATA_DIGEST"`
	Descriptor string        `help:"Descriptor (YAML) of the file of --data, as lestats data init writes it. Default: FILE.yaml beside FILE.csv, or the CDC survey's descriptor." placeholder:"FILE" env:"LESTATS_DESCRIPTOR"`
	Cache      string        `help:"Folder for compiled plugins, or off. Default: lestats in your cache folder." placeholder:"DIR" env:"LESTATS_CACHE"`
	Limits     string        `help:"YAML file with the limits of plugins: memory, fuel, time, stack, result, log and compile; see infra/limits.yaml." placeholder:"FILE" env:"LESTATS_LIMITS"`
	MemoryMiB  int           `name:"memory" help:"Memory limit of a sandbox beyond the dataset, in MiB. Default: ${memory}." default:"${memory}" placeholder:"MIB" env:"LESTATS_MEMORY_MIB"`
	TimeLimit  time.Duration `help:"Longest wall-clock time that a job may take." default:"${time_limit}" env:"LESTATS_TIME_LIMIT"`
	Log        *slog.Logger  `kong:"-"` // nil is slog.Default()
	// Progress is called with the number of bytes read from the file of Data, if that is a
	// CSV. nil: progress is not reported.
	Progress func(bytes int64) `kong:"-"`
	// Reserved is the part of the memory budget that something else than plugins and jobs
	// uses, in bytes.
	Reserved int64 `kong:"-"`
	// HostCalls is called after each call that a plugin makes of the host, by several jobs at
	// the same time. nil: nobody watches.
	HostCalls func(sandbox.HostCall) `kong:"-"`

	s3          s3.Config     // where Data is, if it is an object; zero is as the environment says
	preload     []byte        // plugin that is loaded in any case; nil: none
	slots       int           // jobs of one plugin that run at the same time; 0 is one per processor
	budget      uint64        // memory of all plugins and jobs together, in bytes, if Limits has none; 0 is the sandbox's default
	compileTime time.Duration // processor time for compiling one plugin, if Limits has none; 0 is the sandbox's default
}

// QuestionsConfig selects a dataset and the plugins that answer questions about it.
type QuestionsConfig struct {
	EngineConfig

	Plugins     string `help:"Folder with plugins (*.wasm), in addition to the built-in one. Default: ${plugins}, if it exists." placeholder:"DIR" env:"LESTATS_PLUGINS"`
	PluginsLock string `help:"File that lists the allowed plugins, as lestats plugin lock writes it; all others are refused. Default: all plugins are allowed." placeholder:"FILE" env:"LESTATS_PLUGINS_LOCK"`
	File        string `kong:"-"` // one .wasm file instead of all other plugins; "" is none
	NoBuiltIn   bool   `kong:"-"` // leave out the embedded plugin
	Version     string `kong:"-"` // of the program, for the log, for clients and for receipts; "" is unknown

	bucket *PluginBucket // more plugins; nil is none
	live   bool          // watch for added, changed and removed plugins

	observer Observer // nil: none
}

// StoreConfig selects the store of jobs and results.
type StoreConfig struct {
	Location     string           `name:"store" help:"Where jobs and results are stored: a folder, or s3://bucket/prefix. Default: ${store}." default:"${store}" placeholder:"DIR|s3://..." env:"LESTATS_STORE"`
	Durability   files.Durability `help:"What an accepted job in a folder survives: process (kill -9), or disk (also power loss; it calls fsync)." enum:"process,disk" default:"process" env:"LESTATS_DURABILITY"`
	S3Endpoint   string           `name:"s3-endpoint" help:"Address of the S3 server, such as http://127.0.0.1:9000. Default: AWS_ENDPOINT_URL_S3, or Amazon's." placeholder:"URL" env:"LESTATS_S3_ENDPOINT"`
	S3Region     string           `name:"s3-region" help:"Region of the bucket. Default: AWS_REGION, or what the server reports." placeholder:"REGION" env:"LESTATS_S3_REGION"`
	S3MakeBucket bool             `name:"s3-make-bucket" help:"Create the bucket if it does not exist." env:"LESTATS_S3_MAKE_BUCKET"`
	ReadOnly     bool             `kong:"-"` // the store exists already, and nothing is written to it
}

// Config configures a process that runs jobs. The configurations of the server and of the
// worker embed it.
type Config struct {
	QuestionsConfig `group:"Questions:"`
	StoreConfig     `group:"Store:"`

	Workers     int           `help:"Jobs that run at the same time; 0 means one per core." default:"0" env:"LESTATS_WORKERS,TP_NUM_OF_THREADS"`
	QueueURL    string        `name:"queue-url" help:"SQS queue of the jobs that would have to wait in a server; lestats worker runs them. ${queue_url}" placeholder:"URL" env:"LESTATS_QUEUE_URL"`
	PollPlugins time.Duration `name:"plugins-poll" help:"How often to look for plugins in the folder plugins/ of an S3 store, with one request each time; a negative value disables it. In AWS Lambda, ${poll_lambda} is the default, and the next event after that time looks." default:"${poll_plugins}" env:"LESTATS_PLUGINS_POLL"`

	AdminListen string `help:"Another address to listen on, for operators: /metrics for Prometheus, profiles, goroutines and build information. It asks for no key, so it belongs on a loopback address or in a private network. Default: none." placeholder:"HOST:PORT" env:"LESTATS_ADMIN_LISTEN"`
	NoMetrics   bool   `help:"Count nothing: no /metrics, and in AWS Lambda no embedded metrics in the log, for which CloudWatch charges." env:"LESTATS_NO_METRICS"`
	// MetricsLog gets the embedded metrics of a Function. nil: standard output, which is the
	// function's log.
	MetricsLog io.Writer `kong:"-"`

	// Function: this process is an AWS Lambda function. It does not listen but takes events
	// from AWS_LAMBDA_RUNTIME_API. It has one worker, its sandboxes fit into the function's
	// memory, and nothing runs in the background.
	Function bool `kong:"-"`
	// FunctionMiB is the memory of a Function; 0 is AWS_LAMBDA_FUNCTION_MEMORY_SIZE.
	FunctionMiB int `kong:"-"`
}

// Complete fills in the defaults and refuses values that cannot work. Calling it again
// changes nothing.
func (c *Config) Complete() error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.QueueURL = QueueURL(c.QueueURL)
	c.TimeLimit = cmp.Or(c.TimeLimit, DefaultTimeLimit)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	switch {
	case c.TimeLimit < 0:
		return fmt.Errorf("time limit %s: it must be above zero", c.TimeLimit)
	case c.Workers < 0:
		return fmt.Errorf("workers %d: it takes 1 or more, or 0 for one per core", c.Workers)
	case c.MemoryMiB < 0:
		return fmt.Errorf("memory %d: it takes 1 MiB or more, or 0 for %d", c.MemoryMiB, DefaultMemoryMiB)
	case c.Function:
		return c.completeFunction()
	}
	return nil
}

// completeFunction configures an AWS Lambda function: one job at a time, in the function's
// memory.
func (c *Config) completeFunction() error {
	c.Location = emulatorStore(c.Location, c.Log)
	if c.Location == "" || c.Location == DefaultStore {
		return errors.New("LESTATS_STORE is not set: requests to a function may reach different processes, so results must be stored in a bucket: LESTATS_STORE=s3://bucket/prefix")
	}
	if c.FunctionMiB == 0 {
		given := os.Getenv(EnvMemory)
		n, err := strconv.Atoi(cmp.Or(given, "512"))
		if err != nil || n < 1 {
			return fmt.Errorf("%s is %q; it takes a number of MiB, such as 512", EnvMemory, given)
		}
		c.FunctionMiB = n
	}
	c.Workers = 1
	if c.PollPlugins == DefaultPollPlugins {
		c.PollPlugins = FunctionPollPlugins
	}
	// A quarter is left for Go: its heap, the dataset's resident pages, the answer.
	c.budget = uint64(c.FunctionMiB) << 20 / 4 * 3
	c.compileTime = functionCompile
	c.MemoryMiB = min(cmp.Or(c.MemoryMiB, DefaultMemoryMiB), max(1, c.FunctionMiB/4))
	debug.SetMemoryLimit(int64(c.FunctionMiB) << 20 / 2)
	return nil
}
