// Command lestats answers questions about a dataset with WebAssembly plugins:
// over HTTP (serve) or at once (ask).
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// version is set by the Makefile.
var version = "unknown"

func main() {
	sandbox.CompilerMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and did not work
	exitUsage  = 2 // the command line is wrong
)

// streams is where a command writes: what was asked for to out, all else to err.
type streams struct{ out, err io.Writer }

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Answer questions over HTTP."`
	Worker  workerCmd  `cmd:"" help:"Run the jobs of a queue, one of as many as there is work for."`
	Ask     askCmd     `cmd:"" help:"Ask one question here and now, without a server."`
	Jobs    jobsCmd    `cmd:"" help:"List the jobs in a store, or show one."`
	Data    dataCmd    `cmd:"" help:"Look at, convert and download datasets."`
	Plugin  pluginCmd  `cmd:"" help:"Make plugins, and look at them."`
	Version versionCmd `cmd:"" help:"Print the version, and the digests of what is built in."`
}

const description = `Ask a question of a dataset. A sandboxed WebAssembly plugin answers it. The answer is an object in a store under its job's id.

Try:

  lestats serve
  lestats ask states_mean question=obesity --where year=2020 --where category=Total
  lestats plugin list

Every flag of serve can be given as a variable LESTATS_...; "lestats COMMAND --help" names it.`

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := -1
	stdout, stderr = visible{stdout}, visible{stderr}
	parser, err := kong.New(&cli{},
		kong.Name("lestats"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&streams{stdout, stderr}),
		kong.Vars{"languages": strings.Join(plugins.Languages(), ",")},
	)
	if err != nil {
		panic(err) // the struct tags are wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
		if wire.InFunction() { // the entry point of a function's image
			args = []string{handler(os.Getenv("_HANDLER"))}
		}
	}
	command, err := parser.Parse(args)
	if code >= 0 { // --help has been answered
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "lestats: %s\n", err)
		var parse *kong.ParseError
		if errors.As(err, &parse) && parse.Context.Selected() != nil {
			fmt.Fprintf(stderr, "\"lestats %s --help\" tells more.\n", parse.Context.Selected().Path())
		} else {
			fmt.Fprintln(stderr, "\"lestats --help\" tells more.")
		}
		return exitUsage
	}
	if err := command.Run(); err != nil {
		fmt.Fprintf(stderr, "lestats: %s\n", wire.Explain(err))
		return exitFailed
	}
	return exitOK
}

// handler is the command that a function's setting "handler" names: a program that
// Lambda starts gets no arguments.
func handler(name string) string {
	if name == "worker" {
		return name
	}
	return "serve"
}

type versionCmd struct{}

// Run prints the version of the program and of Go, and the digests of what is embedded.
func (versionCmd) Run(s *streams) error {
	goVersion := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	fmt.Fprintf(s.out, "lestats %s (%s)\n", version, goVersion)
	builtIn, err := fs.Glob(plugins.BuiltIn(), "*.wasm")
	if err != nil {
		return err
	}
	for _, name := range builtIn {
		wasm, err := fs.ReadFile(plugins.BuiltIn(), name)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "plugin %s sha256:%x\n", strings.TrimSuffix(name, ".wasm"), sha256.Sum256(wasm))
	}
	sample, err := wire.OpenDataset(context.Background(), "", "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "sample %s\n", sample.Info().Digest)
	return errors.Join(err, sample.Close())
}
