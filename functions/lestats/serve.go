package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/telemetry"
)

// questionFlags say which dataset and which plugins.
type questionFlags struct {
	fileFlags

	Plugins     string `help:"Folder with question plugins (*.wasm), beside the built-in one. Without it: lestats-plugins, where that exists." placeholder:"DIR" env:"LESTATS_PLUGINS"`
	PluginsLock string `help:"List of the plugins that may be served, as lestats plugin lock writes it; others are refused. Without it: all may." placeholder:"FILE" env:"LESTATS_PLUGINS_LOCK"`
}

func (f *questionFlags) config() wire.QuestionsConfig {
	cfg := f.fileFlags.config()
	cfg.Plugins, cfg.Lock = f.Plugins, f.PluginsLock
	return cfg
}

// fileFlags say which dataset, and what a plugin may use.
type fileFlags struct {
	Data       string `help:"Dataset: a CSV, Parquet or Arrow file. Without it: the embedded SYNTHETIC sample." placeholder:"FILE" env:"LESTATS_DATA"`
	Descriptor string `help:"YAML that describes the file of --data; lestats data init writes it. Without it: FILE.yaml beside FILE.csv, or the CDC survey's." placeholder:"FILE" env:"LESTATS_DESCRIPTOR"`
	Cache      string `help:"Folder for compiled plugins; off for none. Without it: in your cache folder." placeholder:"DIR" env:"LESTATS_CACHE"`
	Limits     string `help:"YAML with the limits of plugins: memory, fuel, time, stack, result, log, and compile; infra/limits.yaml is one." placeholder:"FILE" env:"LESTATS_LIMITS"`
	MemoryMiB  int    `name:"memory" help:"Memory of a sandbox beyond the dataset, in MiB." default:"64" placeholder:"MIB" env:"LESTATS_MEMORY_MIB"`
}

func (f *fileFlags) config() wire.QuestionsConfig {
	return wire.QuestionsConfig{Data: f.Data, Descriptor: f.Descriptor, Cache: f.Cache, Limits: f.Limits, MemoryMiB: f.MemoryMiB}
}

// storeFlags say where jobs and results live.
type storeFlags struct {
	Store        string `help:"Where jobs and results live: a folder, lestats-store by default, or s3://bucket/prefix." default:"lestats-store" placeholder:"DIR|s3://..." env:"LESTATS_STORE"`
	Durability   string `help:"What an accepted job in a folder survives: process (kill -9) or disk (power loss, by fsync)." enum:"process,disk" default:"process" env:"LESTATS_DURABILITY"`
	S3Endpoint   string `name:"s3-endpoint" help:"S3 server, such as http://127.0.0.1:9000. Without it: AWS_ENDPOINT_URL_S3, or Amazon's." placeholder:"URL" env:"LESTATS_S3_ENDPOINT"`
	S3Region     string `name:"s3-region" help:"Region of the bucket. Without it: AWS_REGION, or what the service says." placeholder:"REGION" env:"LESTATS_S3_REGION"`
	S3MakeBucket bool   `name:"s3-make-bucket" help:"Make the bucket if it is not there." env:"LESTATS_S3_MAKE_BUCKET"`
}

func (f *storeFlags) config(log *slog.Logger) wire.StoreConfig {
	return wire.StoreConfig{
		Location:   f.Store,
		Durability: files.Durability(f.Durability),
		S3:         s3.Config{Endpoint: f.S3Endpoint, Region: f.S3Region, CreateBucket: f.S3MakeBucket},
		Log:        log,
	}
}

// logFlags say what is logged, and where to.
type logFlags struct {
	LogFormat string `help:"text or json." enum:"text,json" default:"text" env:"LESTATS_LOG_FORMAT"`
	LogLevel  string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"LESTATS_LOG_LEVEL"`
	LogFile   string `help:"Log to this file too, rotated, as the seed did to webserver.log." placeholder:"FILE" env:"LESTATS_LOG_FILE"`
}

func (f *logFlags) open(stderr io.Writer) (*telemetry.Log, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, err // the flag's enum is slog's
	}
	return telemetry.New(telemetry.Config{Output: stderr, Format: f.LogFormat, Level: level, File: f.LogFile})
}

type serveCmd struct {
	questionFlags `group:"Questions:"`
	storeFlags    `group:"Store:"`
	logFlags      `group:"Log:"`

	Listen      string        `help:"Address to listen on; port 0 takes a free one. Without it: 0.0.0.0 and the variable PORT, where that is set, else 127.0.0.1:8080." placeholder:"HOST:PORT" env:"LESTATS_LISTEN"`
	Workers     int           `help:"Jobs that run at once; 0: one a core." default:"0" env:"LESTATS_WORKERS,TP_NUM_OF_THREADS"`
	Queue       int           `help:"Jobs that may wait; one more is told to come back later." default:"1024" env:"LESTATS_QUEUE"`
	QueueURL    string        `name:"queue-url" help:"Queue of SQS that jobs go to which do not end at once; lestats worker takes them from there. Without it this process runs them." placeholder:"URL" env:"LESTATS_QUEUE_URL"`
	PollPlugins time.Duration `name:"plugins-poll" help:"How often plugins/ of a store in a bucket is looked at, with a request each time; a negative time never." default:"1s" env:"LESTATS_PLUGINS_POLL"`
	TimeLimit   time.Duration `help:"Wall clock that a job may take." default:"5s" env:"LESTATS_TIME_LIMIT"`
	Retention   time.Duration `help:"How long results are kept; a negative one keeps them for ever." default:"168h" env:"LESTATS_RETENTION"`
	ClientKey   string        `name:"api-key" help:"Key that clients have to send (X-Api-Key: KEY), but for /healthz and /readyz. Without it everybody may ask." placeholder:"KEY" env:"LESTATS_API_KEY"`
	AdminKey    string        `help:"Key that every graceful_shutdown has to send (Authorization: Bearer KEY), from this machine too. Without it and --local-shutdown, graceful_shutdown is off." placeholder:"KEY" env:"LESTATS_ADMIN_KEY"`

	LocalShutdown bool     `help:"Without an admin key, let every client on this machine shut the server down. Not behind a reverse proxy on the same machine: one that adds no header makes all its clients look like this machine." env:"LESTATS_LOCAL_SHUTDOWN"`
	AllowedHost   []string `help:"Names by which this server may be asked, beside loopback ones, separated by commas; needed where it has no API key, listens on a loopback address and a reverse proxy passes the public Host on. Where it is given, other names are refused on every address." placeholder:"NAME" env:"LESTATS_ALLOWED_HOST"`
}

// Help is what `lestats serve --help` adds.
func (serveCmd) Help() string {
	return `Credentials of an S3 store come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the machine's role.

In AWS Lambda (AWS_LAMBDA_RUNTIME_API is set) it is the function: it takes events and does not listen, runs one job at a time, and gives a sandbox at most a quarter of the function's memory.

A server without an API key that listens on a loopback address, as it does by default, answers only requests whose Host is a loopback name (localhost, *.localhost, 127.0.0.1, [::1], with any port) or one of --allowed-host: else any web page that a browser here has open could ask it under a name of its own (DNS rebinding). On other addresses, --allowed-host has it check the Host as well.

Examples:

  lestats serve
  lestats serve --data cdc.csv --plugins ./my-plugins
  lestats serve --plugins ./my-plugins --plugins-lock plugins.lock
  lestats serve --allowed-host stats.example.org --admin-key "$KEY"
  lestats serve --store s3://results/lestats --s3-endpoint http://127.0.0.1:9000`
}

// Run serves until a signal comes.
func (c *serveCmd) Run(ctx context.Context, s *streams) (err error) {
	log, err := c.open(exact(s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	listen, err := c.address()
	if err != nil {
		return err
	}
	hand, err := handOver(ctx, wire.QueueURL(c.QueueURL))
	if err != nil {
		return err
	}
	server, err := api.Open(ctx, api.Config{
		Listen:      listen,
		Questions:   c.questionFlags.config(),
		Store:       c.storeFlags.config(log.Logger),
		PollPlugins: c.PollPlugins,
		Workers:     c.Workers,
		Queue:       c.Queue,
		TimeLimit:   c.TimeLimit,
		Retention:   c.Retention,
		ClientKey:   c.ClientKey,
		AdminKey:    c.AdminKey,

		LocalShutdown: c.LocalShutdown,
		AllowedHosts:  c.AllowedHost,

		Version:  version,
		Log:      log.Logger,
		Function: wire.InFunction(),
		Hand:     hand,
	})
	if err != nil {
		return err
	}
	if server.URL() == "" { // nobody reads a banner there
		return errors.Join(server.Run(ctx), server.Close())
	}
	if err := c.banner(s.out, server); err != nil {
		return err
	}
	return errors.Join(server.Run(ctx), server.Close())
}

// address returns where to listen, "" for the default: --listen, or every address at
// PORT, which is how platforms for containers (Cloud Run, Heroku) name the port.
func (c *serveCmd) address() (string, error) {
	port := os.Getenv("PORT")
	if c.Listen != "" || port == "" || wire.InFunction() {
		return c.Listen, nil
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("the variable PORT is %q; it takes a number from 0 to 65535, or use --listen HOST:PORT in its place", port)
	}
	return net.JoinHostPort("0.0.0.0", port), nil
}

// handOver returns what puts a job into a queue, nil if there is none.
func handOver(ctx context.Context, url string) (func(context.Context, *question.Job) error, error) {
	if url == "" {
		return nil, nil
	}
	q, err := queue.Open(ctx, queue.Config{URL: url})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, job *question.Job) error { return q.Send(ctx, job.ID) }, nil
}

// banner says what is served, and what to try.
func (c *serveCmd) banner(w io.Writer, server *api.Main) error {
	url, info := server.URL(), server.Questions().Dataset.Info()
	fmt.Fprintf(w, "Le Stats Sportifs %s on %s\n\n", version, url)
	fmt.Fprintf(w, "  dataset   %s, %d rows\n", info.Title, info.Rows)
	if info.Synthetic {
		fmt.Fprintf(w, "            SYNTHETIC: these figures are generated, not real.\n")
	}
	for _, p := range server.Questions().Plugins() {
		if p.Serving {
			fmt.Fprintf(w, "  plugin    %s %s, %d questions (%s)\n", p.Name, p.Version, len(p.Questions), p.Source)
		} else {
			fmt.Fprintf(w, "  plugin    REFUSED: %s: %s\n", p.Source, p.Error.Reason)
		}
	}
	fmt.Fprintf(w, "  store     %s\n", c.Store)
	fmt.Fprintf(w, "  access    %s\n", c.access(server))
	fmt.Fprintf(w, "  shutdown  %s\n", c.shutdown())
	fmt.Fprintf(w, "\nTry in another terminal:\n\n  curl %s/\n", url)
	for _, o := range server.Questions().Offers() {
		fmt.Fprintf(w, "  %s\n", httpapi.Command(url, o.Example))
		break
	}
	if server.Questions().Dataset.Descriptor().Roles == nil { // which the CDC's survey does not need
		fmt.Fprintf(w, "  bin/lestats ask best5 question=obesity --where year=2020 --where category=Total\n")
	}
	_, err := fmt.Fprintf(w, "\nCtrl-C stops it.\n\n")
	return err
}

// access says who is answered.
func (c *serveCmd) access(server *api.Main) string {
	names := ""
	if len(c.AllowedHost) > 0 {
		names = " and " + strings.Join(c.AllowedHost, ", ")
	}
	switch {
	case c.ClientKey != "" && names == "":
		return "whoever has the API key"
	case c.ClientKey != "":
		return "whoever has the API key, under loopback names" + names
	case server.LoopbackNames():
		return "everybody on this machine, under loopback names" + names + " (--allowed-host adds some)"
	case names != "":
		return "everybody who reaches it, under loopback names" + names
	default:
		return "everybody who reaches it (--api-key asks for a key)"
	}
}

// shutdown says who may ask for a graceful_shutdown.
func (c *serveCmd) shutdown() string {
	switch {
	case c.AdminKey != "":
		return "graceful_shutdown asks for the admin key"
	case c.LocalShutdown:
		return "graceful_shutdown is open to every client on this machine"
	default:
		return "graceful_shutdown is off (--admin-key or --local-shutdown turns it on)"
	}
}
