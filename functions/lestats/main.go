// Command lestats answers questions about a dataset with WebAssembly plugins:
// over HTTP (serve) or directly on the command line (ask).
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/pull"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// version is set by the Makefile.
var version = "unknown"

func main() {
	sandbox.CompilerMain()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP) // the terminal was closed
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	received := make(chan os.Signal, 1)
	signal.Notify(received, signals...)
	go func() {
		s := <-received
		signal.Reset(signals...) // a second signal ends the process at once
		cancel(signalled{s})
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// signalled is the cause of a context that a signal ended.
type signalled struct{ os.Signal }

// Error says what ended the command.
func (signalled) Error() string { return "interrupted" }

// Is makes it one of the reasons that count as a cancellation.
func (signalled) Is(target error) bool { return target == context.Canceled }

// Exit codes. A command that a signal interrupts ends with exitSignal and its number: 130
// after Ctrl-C. A server and a worker end with exitOK once they have drained.
const (
	exitOK     = 0
	exitFailed = 1 // the command failed
	exitUsage  = 2 // the command line is wrong
	exitSignal = 128
)

// streams is where a command writes: its output to out, everything else to err.
type streams struct{ out, err io.Writer }

// service reports whether the command runs until a signal stops it.
func service(command *kong.Context) bool {
	return command.Command() == "serve" || command.Command() == "worker"
}

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Answer questions over HTTP."`
	Worker  workerCmd  `cmd:"" help:"Run jobs from a queue, alongside any number of other workers."`
	Ask     askCmd     `cmd:"" help:"Ask one question, without a server."`
	MCP     mcpCmd     `cmd:"" name:"mcp" help:"Give an assistant the questions as tools, over standard input and output (Model Context Protocol)."`
	Verify  verifyCmd  `cmd:"" help:"Ask the question of a saved answer again, and compare."`
	Cite    citeCmd    `cmd:"" help:"Print a citation of an answer: as text, BibTeX or CSL-JSON."`
	Jobs    jobsCmd    `cmd:"" help:"List the jobs in a store, or show one."`
	Doctor  doctorCmd  `cmd:"" help:"Check where a server or a worker would run, and say what to do."`
	Data    dataCmd    `cmd:"" help:"Inspect, convert and download datasets."`
	Plugin  pluginCmd  `cmd:"" help:"Create, check and inspect plugins."`
	Key     keyCmd     `cmd:"" help:"Make, list and revoke the keys of a server's clients."`
	Version versionCmd `cmd:"" help:"Print the version and the digests of the built-in plugin and sample."`

	Completion completionCmd `cmd:"" help:"Print a script that makes a shell complete this program's commands."`
}

const description = `Ask a question of a dataset. A sandboxed WebAssembly plugin answers it. The answer is stored under its job's id.

Try:

  lestats serve
  lestats ask states_mean question=obesity --where year=2020 --where category=Total
  lestats plugin list

Flags of serve can also be set by environment variables; "lestats serve --help" names them.

Output for programs: --json, or -f csv or arrow. An error then is a JSON object with its code, where JSON was asked for. The name - stands for standard input or output. No output is coloured. Only serve, worker, data init, build and pull, plugin new, build, test --update, lock, compile and profile, key new and revoke, and --output write files; compiled plugins are kept in a cache (--cache).

Exit codes:

  0    the command did its work; a server or worker that was told to stop has ended its jobs
  1    it failed: standard error says why
  2    the command line is wrong
  3-5  what verify found; its help says which
  128+n  signal n interrupted it: 130 after Ctrl-C`

// parserFor returns the parser of the command line. exit is called when help has been
// printed.
func parserFor(ctx context.Context, s *streams, exit func(code int)) (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("lestats"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(s.out, s.err),
		kong.Exit(exit),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		kong.Vars(wire.FlagVars()).CloneWith(kong.Vars{"languages": strings.Join(author.IDs(), ",")}), formatVars(),
	)
}

// run parses args, runs the command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code := -1
	out, errs := &visible{to: stdout}, &visible{to: stderr}
	parser, err := parserFor(ctx, &streams{out, errs}, func(c int) { code = c })
	if err != nil {
		panic(err) // the struct tags are wrong
	}
	if len(args) > 0 && args[0] == completeCommand {
		complete(ctx, parser.Model, args[1:], stdout)
		return exitOK
	}
	switch {
	case len(args) == 0 && wire.InFunction(): // the entry point of a function's image
		args = []string{handler(os.Getenv("_HANDLER"))}
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // as many programs take it
		args = append(args[1:], "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	command, err := parser.Parse(args)
	if code >= 0 { // --help has been answered
		return code
	}
	if err != nil {
		fmt.Fprintf(errs, "lestats: %s\n", err)
		var parse *kong.ParseError
		if errors.As(err, &parse) && parse.Context.Selected() != nil {
			fmt.Fprintf(errs, "\"lestats %s --help\" shows its usage.\n", parse.Context.Selected().Path())
		} else {
			fmt.Fprintln(errs, "\"lestats --help\" shows the usage.")
		}
		if slices.Contains(args, "--json") {
			printError(stdout, err)
		}
		return exitUsage
	}
	err = command.Run()
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	code = exitFailed
	if s, ok := errors.AsType[signalled](context.Cause(ctx)); ok && !service(command) {
		if n, ok := s.Signal.(syscall.Signal); ok {
			code = exitSignal + int(n)
		}
		if _, ok := errors.AsType[*pull.Error](err); !ok { // which says how to go on
			err = s
		}
	}
	fmt.Fprintf(errs, "lestats: %s\n", wire.Explain(err))
	for _, function := range sandbox.StackOf(err) {
		fmt.Fprintf(errs, "  in %s\n", function)
	}
	if asksJSON(command) && !out.used {
		printError(stdout, err)
	}
	return code
}

// handler returns the command that a Lambda function's "handler" setting names. Lambda
// starts a program without arguments.
func handler(name string) string {
	if name == "worker" {
		return name
	}
	return "serve"
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `lestats version --help` adds.
func (versionCmd) Help() string {
	return `Example:

  lestats version --json`
}

// versions is what `version --json` prints.
type versions struct {
	Version string            `json:"version"`
	Go      string            `json:"go"`
	Plugins map[string]string `json:"plugins"` // the digests of the embedded plugins by file
	Sample  string            `json:"sample"`  // the digest of the embedded sample
}

// Run prints the versions of the program and of Go, and the digests of the embedded files.
func (c versionCmd) Run(ctx context.Context, s *streams) error {
	v := versions{Version: version, Go: "unknown", Plugins: map[string]string{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Go = info.GoVersion
		if v.Version == "unknown" && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version // `go install` knows it
		}
	}
	for name, wasm := range plugins.Modules() {
		v.Plugins[name] = fmt.Sprintf("sha256:%x", sha256.Sum256(wasm))
	}
	sample, err := wire.OpenDataset(ctx, wire.EngineConfig{})
	if err != nil {
		return err
	}
	v.Sample = sample.Info().Digest
	if err := sample.Close(); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, v)
	}
	fmt.Fprintf(s.out, "lestats %s (%s)\n", v.Version, v.Go)
	for _, name := range slices.Sorted(maps.Keys(v.Plugins)) {
		fmt.Fprintf(s.out, "plugin %s %s\n", name, v.Plugins[name])
	}
	_, err = fmt.Fprintf(s.out, "sample %s\n", v.Sample)
	return err
}
