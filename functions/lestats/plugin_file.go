package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginRunCmd struct {
	File     string `arg:"" help:"Plugin file (*.wasm) that answers; - is standard input." placeholder:"FILE"`
	Question string `arg:"" optional:"" help:"Name of the question. It may be left out if the plugin has one question."`
	asking
	TraceHost bool `name:"trace-host" help:"Show each call that the plugin makes of the host, on standard error: of WASI, the log and progress."`

	wire.EngineConfig `group:"Questions:" set:"time_limit=30s"`
}

// Help is what `lestats plugin run --help` adds.
func (pluginRunCmd) Help() string {
	return `It works as "lestats ask" does, with the questions of this one file. Without parameters and conditions it asks the question's example.

Examples:

  lestats plugin run spread/spread.wasm
  lestats plugin run spread/spread.wasm spread question=obesity least=20 --where year=2020
  lestats plugin run spread/spread.wasm --trace-host`
}

// Run asks the question and prints the answer.
func (c *pluginRunCmd) Run(ctx context.Context, s *streams) error {
	if strings.Contains(c.Question, "=") { // a parameter of the only question
		c.Question, c.Params = "", append([]string{c.Question}, c.Params...)
	}
	if c.TraceHost {
		calls := hostCalls{w: s.err}
		defer calls.end()
		c.HostCalls = calls.show
	}
	return c.ask(ctx, wire.QuestionsConfig{EngineConfig: c.EngineConfig, File: c.File}, s, func(questions *wire.Questions) (question.Request, error) {
		served := questions.Served()
		name, err := questionNamed(c.File, c.Question, question.ServedNames(served))
		if err != nil {
			return question.Request{}, err
		}
		if o := question.FindServed(served, name); o != nil && len(c.Params)+len(c.Where) == 0 {
			fmt.Fprintf(s.err, "asked: %s\n", author.Typed(o.Example))
			return o.Example, nil
		}
		return c.request(questions, name, s.err)
	})
}

// questionNamed returns the question that a command line names, or the plugin's only one.
func questionNamed(file, name string, all []string) (string, error) {
	switch {
	case name != "":
		return name, nil
	case len(all) == 1:
		return all[0], nil
	}
	return "", fmt.Errorf("%s answers several questions; name one of %s", file, strings.Join(all, ", "))
}

// given holds flags with values that replace those of the examples.
type given struct {
	Params []string `name:"param" short:"p" sep:"none" help:"Ask with this value instead of the example's, as in question=obesity; of every question that has the parameter. Repeat a name to give a list of values." placeholder:"NAME=VALUE"`
	Where  []string `sep:"none" help:"Use only rows with this value in a dimension, as in lestats ask." placeholder:"COLUMN=VALUE"`
}

// values returns what the flags give to each question of a plugin, by the question's name.
func (g *given) values(notes io.Writer) author.Given {
	if len(g.Params)+len(g.Where) == 0 {
		return nil
	}
	return func(m *question.Manifest, schema question.Schema) (map[string]question.Request, error) {
		out, w := map[string]question.Request{}, words{schema: schema, notes: notes}
		used := make([]bool, len(g.Params))
		var known []string
		for i := range m.Questions {
			q := &m.Questions[i]
			var own []string
			for n, word := range g.Params {
				name, _, _ := strings.Cut(word, "=")
				if slices.ContainsFunc(q.Params, func(p question.Param) bool { return p.Name == name }) {
					own, used[n] = append(own, word), true
				}
			}
			for _, p := range q.Params {
				known = append(known, p.Name)
			}
			req, err := w.request(q, own, g.Where)
			if err != nil {
				return nil, err
			}
			out[q.Name] = req
		}
		if n := slices.Index(used, false); n >= 0 {
			slices.Sort(known)
			return nil, fmt.Errorf("-p %s: no question of %s has this parameter; their parameters are %s", g.Params[n], m.Name, strings.Join(slices.Compact(known), ", "))
		}
		return out, nil
	}
}

type pluginInfoCmd struct {
	File string `arg:"" help:"Plugin file (*.wasm) to inspect; - is standard input." placeholder:"FILE"`

	wire.EngineConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `lestats plugin info --help` adds.
func (pluginInfoCmd) Help() string {
	return `Example:

  lestats plugin info spread/spread.wasm`
}

// Run prints what a plugin declares.
func (c *pluginInfoCmd) Run(ctx context.Context, s *streams) (err error) {
	w, err := workbench(ctx, c.EngineConfig, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	info, err := author.Inspect(ctx, w, c.File)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, info)
	}
	return info.Write(s.out)
}

type pluginBenchCmd struct {
	File    string `arg:"" help:"Plugin file (*.wasm) to measure; - is standard input." placeholder:"FILE"`
	N       int    `short:"n" help:"How many times to ask each question." default:"200"`
	Against string `help:"Older plugin file to compare with: size, start, time, fuel and memory, and whether the answers are the same." placeholder:"OLD.wasm"`
	given

	wire.EngineConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print JSON, with times in nanoseconds."`
}

// Help is what `lestats plugin bench --help` adds.
func (pluginBenchCmd) Help() string {
	return `Each question is asked with its example, or the values of -p and --where, one job after another in one sandbox. That is the server's work without HTTP and the store. A job's fuel is the same on every machine; its times are not.

With --against, the jobs of both plugins run in turn, and the ratio of their medians is printed. Then both are asked all that plugin check asks. The exit code is 1 if an answer differs.

Examples:

  lestats plugin bench spread/spread.wasm -n 1000
  lestats plugin bench spread/spread.wasm --against released/spread.wasm`
}

// Run measures the plugin and prints the figures.
func (c *pluginBenchCmd) Run(ctx context.Context, s *streams) error {
	if c.N < 1 {
		return fmt.Errorf("-n %d: it takes 1 or more", c.N)
	}
	c.Log = errorsOnly(s)
	if c.Against != "" {
		return c.compare(ctx, s)
	}
	measured, err := author.Bench(ctx, c.EngineConfig, c.File, c.N, c.values(s.err))
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, measured)
	}
	return measured.Write(s.out)
}

// compare measures the plugin against the older one and prints the figures.
func (c *pluginBenchCmd) compare(ctx context.Context, s *streams) error {
	compared, err := author.Against(ctx, c.EngineConfig, c.File, c.Against, c.N, c.values(s.err))
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(s.out, compared)
	} else {
		err = compared.Write(s.out)
	}
	if err == nil && !compared.Same {
		return statusError(exitFailed)
	}
	return err
}

type pluginCheckCmd struct {
	Files []string `arg:"" help:"Plugin files (*.wasm) to check; - is standard input." placeholder:"FILE"`
	given
	FuelBudget wire.Fuel `help:"Fuel that a request may use, such as 5_000_000 or 5e6; more is an error. Fuel is the same on every machine. Default: any." placeholder:"UNITS"`

	wire.EngineConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print the findings as JSON: an array with one object per file."`
}

// Help is what `lestats plugin check --help` adds.
func (pluginCheckCmd) Help() string {
	return `It makes every check that a server makes when it loads a plugin. Then it asks each question with sample parameters: twice, in different orders, and once more in a fresh sandbox.

A finding is an error (a server refuses the plugin, or a question fails), a warning, or information. The exit code is 1 if there is an error.

Use --data to check a plugin with the dataset it is written for. The default is the embedded sample.

Example:

  lestats plugin check spread/spread.wasm
  lestats plugin check spread/spread.wasm --fuel-budget 5e7`
}

// Run checks each file. It fails if a file has an error.
func (c *pluginCheckCmd) Run(ctx context.Context, s *streams) (err error) {
	w, err := workbench(ctx, c.EngineConfig, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	reports, bad := make([]*author.Report, 0, len(c.Files)), 0
	for _, file := range c.Files {
		r, err := author.Check(ctx, w, file, c.values(s.err), int64(c.FuelBudget))
		if err != nil {
			return err
		}
		r.CompareNames(reports)
		if !r.OK {
			bad++
		}
		reports = append(reports, r)
		if !c.JSON {
			if err := r.Write(s.out); err != nil {
				return err
			}
		}
	}
	if c.JSON {
		if err := writeJSON(s.out, reports); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d plugin(s) have errors", bad, len(c.Files))
	}
	return nil
}

// workbench opens a dataset and an engine for a command that works on one plugin file.
// It logs errors only.
func workbench(ctx context.Context, cfg wire.EngineConfig, s *streams) (*wire.Workbench, error) {
	cfg.Log = errorsOnly(s)
	return wire.OpenWorkbench(ctx, cfg)
}

// errorsOnly returns a log that prints the first 20 errors, each once: a plugin may log
// many, and the same with each request.
func errorsOnly(s *streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(&firstLines{w: s.err, left: 20, seen: map[string]bool{}}, &slog.HandlerOptions{
		Level: slog.LevelError,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // it would tell equal lines apart
			}
			return a
		},
	}))
}

// firstLines passes on the first writes that differ, one per line of a log, and then notes
// that the rest is left out. A slog.Handler writes to it from one goroutine at a time.
type firstLines struct {
	w    io.Writer
	left int
	seen map[string]bool // the lines passed on
}

// Write implements io.Writer.
func (f *firstLines) Write(line []byte) (int, error) {
	if f.seen[string(line)] {
		return len(line), nil
	}
	if f.left--; f.left >= 0 {
		f.seen[string(line)] = true
	}
	switch {
	case f.left >= 0:
		return f.w.Write(line)
	case f.left == -1:
		fmt.Fprintln(f.w, "... the rest of the log is omitted")
	}
	return len(line), nil
}

// writeJSON writes v as indented JSON, byte for byte.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(unchanged(w))
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
