package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginCmd struct {
	New     pluginNewCmd     `cmd:"" help:"Make the source of a new plugin, which builds and answers at once."`
	Build   pluginBuildCmd   `cmd:"" help:"Build a plugin from its source."`
	Check   pluginCheckCmd   `cmd:"" help:"Say everything that is wrong with a module, and what to change."`
	Run     pluginRunCmd     `cmd:"" help:"Ask a question of one module."`
	Bench   pluginBenchCmd   `cmd:"" help:"Measure a module: time, fuel, memory, size."`
	Info    pluginInfoCmd    `cmd:"" help:"Print what a module says of itself."`
	List    pluginListCmd    `cmd:"" help:"List plugins, and the questions that they answer."`
	Lock    pluginLockCmd    `cmd:"" help:"Write plugins.lock: the plugins that may be served from now on."`
	Compile pluginCompileCmd `cmd:"" help:"Compile plugins into a cache folder, so that a start need not."`
}

type pluginListCmd struct {
	questionFlags `group:"Questions:"`

	JSON bool `name:"json" help:"Print them as JSON, as GET /api/plugins does."`
}

// Run lists what serve would serve. A plugin that is refused makes it fail, after
// everything has been listed.
func (c *pluginListCmd) Run(ctx context.Context, s *streams) error {
	if c.JSON {
		return c.json(ctx, s)
	}
	return eachPlugin(ctx, c.config(), s, func(questions *wire.Questions, p question.PluginInfo) {
		fmt.Fprintf(s.out, "%s %s  %s\n  from %s, %d bytes, %s\n", p.Name, p.Version, p.Title, p.Source, p.Size, p.Digest)
		for _, o := range questions.Offers() {
			if o.Plugin == p.Name {
				fmt.Fprintf(s.out, "  %s\n      %s\n", signature(o.Question), o.Question.Title)
			}
		}
		fmt.Fprintln(s.out)
	})
}

func (c *pluginListCmd) json(ctx context.Context, s *streams) (err error) {
	cfg := c.config()
	cfg.Log = slog.New(slog.DiscardHandler) // refusals are in the list
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	all := questions.Plugins()
	if err := writeJSON(s.out, all); err != nil {
		return err
	}
	return refused(len(slices.DeleteFunc(slices.Clone(all), func(p question.PluginInfo) bool { return p.Serving })))
}

// refused is the error of so many plugins.
func refused(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d plugin(s) refused", n)
}

type pluginCompileCmd struct {
	questionFlags `group:"Questions:"`
}

// Help is what `lestats plugin compile --help` adds.
func (pluginCompileCmd) Help() string {
	return `The folder serves processors like this machine's, and this version of the program: others compile anew, and say so in the log. It holds machine code, so ship it read-only.

Example:

  lestats plugin compile --cache ./compiled
  lestats serve --cache ./compiled`
}

// Run loads each plugin once, which compiles what the folder does not hold yet.
func (c *pluginCompileCmd) Run(ctx context.Context, s *streams) error {
	if c.Cache == "" || c.Cache == "off" {
		return errors.New("say which folder: --cache DIR")
	}
	if err := os.MkdirAll(c.Cache, 0o750); err != nil {
		return err
	}
	err := eachPlugin(ctx, c.config(), s, func(_ *wire.Questions, p question.PluginInfo) {
		fmt.Fprintf(s.out, "%s %s is compiled in %s\n", p.Name, p.Version, c.Cache)
	})
	return errors.Join(err, readable(c.Cache))
}

// readable lets everybody read what is compiled in a folder: one user fills it and,
// in an image, another uses it.
func readable(folder string) (err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for pattern, mode := range map[string]fs.FileMode{".": 0o755, "wazero-*": 0o755, "wazero-*/*": 0o644, "rewritten-*": 0o644} {
		names, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := root.Chmod(name, mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachPlugin loads what serve would serve and shows each plugin, or why it was
// refused, which makes it fail after all have been shown.
func eachPlugin(ctx context.Context, cfg wire.QuestionsConfig, s *streams, show func(*wire.Questions, question.PluginInfo)) (err error) {
	cfg.Log = errorsOnly(s) // refusals are shown below
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	bad := 0
	for _, p := range questions.Plugins() {
		if p.Serving {
			show(questions, p)
			continue
		}
		bad++
		fmt.Fprintf(s.out, "REFUSED  %s\n  %s\n\n", p.Source, p.Error.Reason)
	}
	return refused(bad)
}

// signature is the question as one would ask it: "state_mean question=... state=...".
func signature(q *question.Question) string {
	var b strings.Builder
	b.WriteString(q.Name)
	for i := range q.Params {
		p := &q.Params[i]
		word := fmt.Sprintf("%s=<%s>", p.Name, p.Type)
		if !p.Required {
			word = "[" + word + "]"
		}
		b.WriteString(" " + word)
	}
	return b.String()
}
