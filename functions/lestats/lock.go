package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginLockCmd struct {
	wire.QuestionsConfig `group:"Questions:"`

	Output string `short:"o" help:"File to write; - is standard output. Default: ${default}." default:"plugins.lock" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print the plugins that the list holds as JSON, as plugin list does."`
}

// Help is what `lestats plugin lock --help` adds.
func (pluginLockCmd) Help() string {
	return `A server that is started with --plugins-lock plugins.lock serves only these plugins, whoever can write to the plugin folder or the bucket. It picks up a changed list without a restart.

Each line holds a digest ("sha256:" and 64 hex digits of the file), a name and a version. The built-in plugin is always allowed and is not listed.

Examples:

  lestats plugin lock --plugins ./my-plugins
  lestats serve --plugins ./my-plugins --plugins-lock plugins.lock`
}

// Run lists the plugins that load. If one is refused, Run fails after it has written the
// list.
func (c *pluginLockCmd) Run(ctx context.Context, s *streams) error {
	if c.JSON && c.Output == "-" {
		return errors.New("-o - and --json both write to standard output; choose one")
	}
	c.PluginsLock, c.NoBuiltIn = "", true // ignore LESTATS_PLUGINS_LOCK: this command writes the list
	c.Log = slog.New(slog.DiscardHandler)
	return withQuestions(ctx, c.QuestionsConfig, func(questions *wire.Questions) error {
		var listed []question.PluginInfo
		for _, p := range questions.Plugins() {
			if p.Serving {
				listed = append(listed, p)
			} else {
				fmt.Fprintf(s.err, "NOT LISTED  %s\n  %s\n", p.Source, p.Error.Reason)
			}
		}
		if err := c.write(listed, s); err != nil {
			return fmt.Errorf("the list could not be written: %w", err)
		}
		return refused(questions.Plugins())
	})
}

func (c *pluginLockCmd) write(listed []question.PluginInfo, s *streams) error {
	var b bytes.Buffer
	if err := catalog.WriteLock(&b, listed); err != nil {
		return err
	}
	if c.Output == "-" {
		_, err := exact(s.out).Write(b.Bytes())
		return err
	}
	if err := replaceFile(c.Output, all(&b)); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, append([]question.PluginInfo{}, listed...))
	}
	for _, p := range listed {
		fmt.Fprintf(s.out, "%s %s  %s\n", p.Name, p.Version, p.Digest)
	}
	fmt.Fprintf(s.out, "%s lists %d plugin(s). Use it with: lestats serve --plugins-lock %s\n", c.Output, len(listed), c.Output)
	return nil
}
