package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

type pluginCmd struct {
	New     pluginNewCmd     `cmd:"" help:"Create a new plugin, ready to build and run."`
	Build   pluginBuildCmd   `cmd:"" help:"Build a plugin from its source."`
	Check   pluginCheckCmd   `cmd:"" help:"Report what is wrong with a plugin, and how to fix it."`
	Test    pluginTestCmd    `cmd:"" help:"Run a plugin's table of requests and expected answers."`
	Run     pluginRunCmd     `cmd:"" help:"Ask a question of one plugin file."`
	Bench   pluginBenchCmd   `cmd:"" help:"Measure a plugin: time, fuel, memory, size."`
	Profile pluginProfileCmd `cmd:"" help:"Show where the fuel of an answer goes: a profile for pprof."`
	Info    pluginInfoCmd    `cmd:"" help:"Print what a plugin declares."`
	List    pluginListCmd    `cmd:"" help:"List plugins and the questions they answer."`
	Lock    pluginLockCmd    `cmd:"" help:"Write plugins.lock, the list of plugins that may be served."`
	Compile pluginCompileCmd `cmd:"" help:"Compile plugins into a cache folder, for a faster start."`
}

type pluginListCmd struct {
	wire.QuestionsConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print JSON, as GET /api/plugins returns it."`
}

// Help is what `lestats plugin list --help` adds.
func (pluginListCmd) Help() string {
	return `Examples:

  lestats plugin list
  lestats plugin list --plugins ./my-plugins --json`
}

// Run lists the plugins that serve would load. If one is refused or does not fit the dataset,
// Run fails after it has listed all of them.
func (c *pluginListCmd) Run(ctx context.Context, s *streams) error {
	if c.JSON {
		c.Log = slog.New(slog.DiscardHandler) // the list shows refusals
		return withQuestions(ctx, c.QuestionsConfig, func(questions *wire.Questions) error {
			if err := writeJSON(s.out, questions.Plugins()); err != nil {
				return err
			}
			return refused(questions.Plugins())
		})
	}
	return eachPlugin(ctx, c.QuestionsConfig, s, func(questions *wire.Questions, p question.PluginInfo) {
		fmt.Fprintf(s.out, "%s %s  %s\n  from %s, %d bytes, %s\n", p.Name, p.Version, p.Title, p.Source, p.Size, p.Digest)
		for _, o := range questions.Served() {
			if o.Plugin == p.Name {
				author.WriteQuestion(s.out, o.Question)
			}
		}
		fmt.Fprintln(s.out)
	})
}

// refused returns an error that counts the plugins that are not served, nil if all are.
func refused(all []question.PluginInfo) error {
	refused, unfit := 0, 0
	for i := range all {
		switch {
		case all[i].Serving:
		case all[i].Lacks != nil:
			unfit++
		default:
			refused++
		}
	}
	var counts []string
	if refused > 0 {
		counts = append(counts, fmt.Sprintf("%d plugin(s) refused", refused))
	}
	if unfit > 0 {
		counts = append(counts, fmt.Sprintf("%d plugin(s) do not fit this dataset", unfit))
	}
	if counts == nil {
		return nil
	}
	return errors.New(strings.Join(counts, ", "))
}

// withQuestions opens a dataset and its plugins for the time of do.
func withQuestions(ctx context.Context, cfg wire.QuestionsConfig, do func(*wire.Questions) error) (err error) {
	cfg.Version = version
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	return do(questions)
}

type pluginCompileCmd struct {
	wire.QuestionsConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print JSON, as plugin list does."`
}

// Help is what `lestats plugin compile --help` adds.
func (pluginCompileCmd) Help() string {
	return `The folder is valid for this version of the program on processors like this machine's. Any other process compiles the plugins again and logs that. The folder holds machine code, so ship it read-only.

Example:

  lestats plugin compile --cache ./compiled
  lestats serve --cache ./compiled`
}

// Run loads each plugin once, which compiles it if the folder does not hold it yet.
func (c *pluginCompileCmd) Run(ctx context.Context, s *streams) error {
	if c.Cache == "" || c.Cache == "off" {
		return errors.New("no folder is named; use --cache DIR")
	}
	if err := os.MkdirAll(c.Cache, 0o750); err != nil {
		return err
	}
	if c.JSON {
		return errors.Join((&pluginListCmd{QuestionsConfig: c.QuestionsConfig, JSON: true}).Run(ctx, s), sandbox.MakeReadable(c.Cache))
	}
	err := eachPlugin(ctx, c.QuestionsConfig, s, func(_ *wire.Questions, p question.PluginInfo) {
		fmt.Fprintf(s.out, "compiled %s %s into %s\n", p.Name, p.Version, c.Cache)
	})
	return errors.Join(err, sandbox.MakeReadable(c.Cache))
}

// eachPlugin loads the plugins that serve would load and shows each. One that is refused or
// does not fit the dataset is printed with the reason, and makes eachPlugin fail after it has
// shown all.
func eachPlugin(ctx context.Context, cfg wire.QuestionsConfig, s *streams, show func(*wire.Questions, question.PluginInfo)) error {
	cfg.Log = errorsOnly(s) // refusals are printed below
	return withQuestions(ctx, cfg, func(questions *wire.Questions) error {
		for _, p := range questions.Plugins() {
			switch {
			case p.Serving:
				show(questions, p)
				for _, u := range p.Unfit {
					fmt.Fprintf(s.out, "%s\n", u.Reason())
				}
			case p.Lacks != nil:
				fmt.Fprintf(s.out, "UNFIT  %s %s  %s\n  %s\n\n", p.Name, p.Version, p.Source, p.Error.Reason)
			default:
				fmt.Fprintf(s.out, "REFUSED  %s\n  %s\n\n", p.Source, p.Error.Reason)
			}
		}
		return refused(questions.Plugins())
	})
}
