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

	"github.com/dustin/go-humanize/english"

	"github.com/le-stats-sportifs/lestats/functions/api"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/telemetry"
)

// logFlags select what is logged, and where.
type logFlags struct {
	LogFormat string `help:"Log format: text or json." enum:"text,json" default:"text" env:"LESTATS_LOG_FORMAT"`
	LogLevel  string `help:"Lowest level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"LESTATS_LOG_LEVEL"`
	LogFile   string `help:"Also log to this file, with rotation." placeholder:"FILE" env:"LESTATS_LOG_FILE"`
}

func (f *logFlags) open(stderr io.Writer) (*telemetry.Log, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, err // cannot happen: the flag's enum lists slog's levels
	}
	return telemetry.New(telemetry.Config{Output: stderr, Format: f.LogFormat, Level: level, File: f.LogFile})
}

// reading reports, between the lines of a log of text, how far the reading of the dataset
// is, until the function that it returns is called.
func (f *logFlags) reading(s *streams, cfg *wire.EngineConfig) (end func()) {
	if f.LogFormat != "text" || cfg.Data == "" {
		return func() {}
	}
	p := readingFile(&streams{out: s.out, err: struct{ io.Writer }{s.err}}, cfg.Data) // never redraws a line, which a log would break
	cfg.Progress = p.set
	return p.end
}

type serveCmd struct {
	api.Config

	logFlags `group:"Log:"`
}

// Help is what `lestats serve --help` adds.
func (serveCmd) Help() string {
	return `Credentials of an S3 store come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the machine's role.

In AWS Lambda (AWS_LAMBDA_RUNTIME_API is set) it handles events and does not listen. It runs one job at a time, and a sandbox gets at most a quarter of the function's memory.

A server without an API key that listens on a loopback address, as it does by default, only answers requests whose Host is a loopback name (localhost, *.localhost, 127.0.0.1, [::1], with any port) or a name of --allowed-host. Otherwise a web page in a local browser could reach it by DNS rebinding. On other addresses, the Host is checked only if --allowed-host is set.

Examples:

  lestats serve
  lestats serve --data cdc.csv --plugins ./my-plugins
  lestats serve --plugins ./my-plugins --plugins-lock plugins.lock
  lestats serve --allowed-host stats.example.org --admin-key "$KEY"
  lestats serve --cors-origin https://pages.example.org
  lestats serve --store s3://results/lestats --s3-endpoint http://127.0.0.1:9000`
}

// Run serves until a signal arrives.
func (c *serveCmd) Run(ctx context.Context, s *streams) (err error) {
	log, err := c.open(exact(s.err))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if c.Listen, err = listenAddress(c.Listen); err != nil {
		return err
	}
	c.Log, c.Version, c.Function = log.Logger, version, wire.InFunction()
	end := c.reading(s, &c.EngineConfig)
	server, err := api.Open(ctx, c.Config)
	end()
	if err != nil {
		return err
	}
	if server.URL() == "" { // a function, where nobody reads a banner
		return errors.Join(server.Run(ctx), server.Close())
	}
	if err := c.banner(s.out, server); err != nil {
		return err
	}
	return errors.Join(server.Run(ctx), server.Close())
}

// listenAddress returns the address to listen on, "" for the default. If none is given, the
// variable PORT is used, as container platforms (Cloud Run, Heroku) set it.
func listenAddress(given string) (string, error) {
	port := os.Getenv("PORT")
	if given != "" || port == "" || wire.InFunction() {
		return given, nil
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("the variable PORT is %q; it takes a number from 0 to 65535, or use --listen HOST:PORT instead", port)
	}
	return net.JoinHostPort("0.0.0.0", port), nil
}

// banner prints what is served and commands to try.
func (c *serveCmd) banner(w io.Writer, server *api.Main) error {
	url, info := server.URL(), server.Questions().Dataset.Info()
	fmt.Fprintf(w, "Le Stats Sportifs %s on %s\n\n", version, url)
	fmt.Fprintf(w, "  dataset   %s, %d rows\n", info.Title, info.Rows)
	if info.Synthetic {
		fmt.Fprintf(w, "            SYNTHETIC: these figures are generated, not real.\n")
	}
	for _, p := range server.Questions().Plugins() {
		switch {
		case p.Serving:
			fmt.Fprintf(w, "  plugin    %s %s, %s (%s)\n", p.Name, p.Version, english.Plural(len(p.Questions), "question", ""), p.Source)
		case p.Lacks != nil:
			fmt.Fprintf(w, "  plugin    UNFIT: %s: %s\n", p.Source, p.Error.Reason)
		default:
			fmt.Fprintf(w, "  plugin    REFUSED: %s: %s\n", p.Source, p.Error.Reason)
		}
	}
	fmt.Fprintf(w, "  store     %s\n", c.Location)
	fmt.Fprintf(w, "  access    %s\n", c.access(server))
	fmt.Fprintf(w, "  shutdown  %s\n", c.shutdown())
	fmt.Fprintf(w, "\nOpen %s/ in a browser. Try in another terminal, in this folder:\n\n", server.URL()+c.BasePath)
	for _, command := range c.examples(server) {
		fmt.Fprintf(w, "  %s\n", command)
	}
	_, err := fmt.Fprintf(w, "\nCtrl-C stops it.\n\n")
	return err
}

// examples returns commands that ask this server, and its dataset without it.
func (c *serveCmd) examples(server *api.Main) []string {
	curl := "curl"
	if server.Keyed() {
		curl += ` -H "X-Api-Key: $LESTATS_API_KEY"` // the key itself stays out of the terminal's history
	}
	out := []string{curl + " " + server.URL() + "/"}
	for _, o := range server.Questions().Served() {
		out = append(out, curl+strings.TrimPrefix(httpapi.Command(server.URL(), o.Example), "curl"))
		break
	}
	if c.Data == "-" { // which was read to its end
		return out
	}
	ask := program() + " ask best5 question=obesity --where year=2020 --where category=Total"
	if server.Questions().Dataset.Descriptor().Roles != nil { // which the CDC's survey does not need
		ask = program() + " data info"
		if c.Data != "" {
			ask += " " + question.ShellWord(c.Data)
		}
	} else if c.Data != "" {
		ask += " --data " + question.ShellWord(c.Data)
	}
	if c.Descriptor != "" {
		ask += " --descriptor " + question.ShellWord(c.Descriptor)
	}
	return append(out, ask)
}

// access describes who may use the server.
func (c *serveCmd) access(server *api.Main) string {
	names, who := "", ""
	if len(c.AllowedHosts) > 0 {
		names = " and " + strings.Join(c.AllowedHosts, ", ")
	}
	switch {
	case c.Keys != "":
		who = "whoever has a key in " + c.Keys
	case c.ClientKey != "":
		who = "whoever has the API key"
	}
	switch {
	case who != "" && names != "":
		return who + ", under loopback names" + names
	case who != "":
		return who
	case server.LoopbackNames():
		return "everybody on this machine, under loopback names" + names + " (--allowed-host adds some)"
	case names != "":
		return "everybody who reaches it, under loopback names" + names
	default:
		return "everybody who reaches it (--api-key or --keys asks for a key)"
	}
}

// shutdown describes who may call graceful_shutdown.
func (c *serveCmd) shutdown() string {
	switch {
	case c.AdminKey != "":
		return "graceful_shutdown asks for the admin key"
	case c.Keys != "" && !c.LocalShutdown:
		return "graceful_shutdown asks for an admin key in " + c.Keys
	case c.LocalShutdown:
		return "graceful_shutdown is open to every client on this machine"
	default:
		return "graceful_shutdown is off (--admin-key or --local-shutdown turns it on)"
	}
}
