package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/renameio/v2"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginLockCmd struct {
	questionFlags `group:"Questions:"`

	Output string `short:"o" help:"File to write, plugins.lock by default; - is standard output." default:"plugins.lock" placeholder:"FILE"`
}

// Help is what `lestats plugin lock --help` adds.
func (pluginLockCmd) Help() string {
	return `A server that is started with --plugins-lock plugins.lock serves these plugins and no others, whoever can write to the plugin folder or the bucket. It notices a new list without a restart.

A line is a digest ("sha256:" and 64 hex digits of the file), a name and a version. The built-in plugin is part of the program and needs no line.

Examples:

  lestats plugin lock --plugins ./my-plugins
  lestats serve --plugins ./my-plugins --plugins-lock plugins.lock`
}

// Run lists the plugins of the folder that are good. One that is not makes it
// fail, after the list was written.
func (c *pluginLockCmd) Run(ctx context.Context, s *streams) (err error) {
	cfg := c.config()
	cfg.Lock, cfg.NoBuiltIn = "", true // whatever LESTATS_PLUGINS_LOCK says: it is about to be written
	cfg.Log = slog.New(slog.DiscardHandler)
	questions, err := wire.OpenQuestions(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, questions.Close(context.WithoutCancel(ctx))) }()
	var listed []question.PluginInfo
	refused := 0
	for _, p := range questions.Plugins() {
		if p.Serving {
			listed = append(listed, p)
			continue
		}
		refused++
		fmt.Fprintf(s.err, "NOT LISTED  %s\n  %s\n", p.Source, p.Error.Reason)
	}
	var b bytes.Buffer
	if err := catalog.WriteLock(&b, listed); err != nil {
		return err
	}
	if c.Output == "-" {
		_, err = exact(s.out).Write(b.Bytes())
	} else if err = renameio.WriteFile(c.Output, b.Bytes(), 0o644, renameio.WithExistingPermissions()); err == nil {
		for _, p := range listed {
			fmt.Fprintf(s.out, "%s %s  %s\n", p.Name, p.Version, p.Digest)
		}
		fmt.Fprintf(s.out, "%s lists %d plugin(s). Use it with: lestats serve --plugins-lock %s\n", c.Output, len(listed), c.Output)
	}
	if err != nil {
		return fmt.Errorf("the list was not written: %w", err)
	}
	if refused > 0 {
		return fmt.Errorf("%d plugin(s) refused", refused)
	}
	return nil
}
