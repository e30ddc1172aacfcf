package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/functions/wire"
)

type pluginTestCmd struct {
	Plugin string `arg:"" optional:"" help:"Folder with the plugin's source, which holds NAME.wasm and tests.yaml; or a plugin file (*.wasm). Default: the current folder." default:"." placeholder:"FILE|FOLDER"`
	Table  string `help:"Table of requests and expected answers. Default: tests.yaml beside the plugin file." placeholder:"FILE"`
	Only   string `name:"run" help:"Run only the cases whose name this regular expression matches." placeholder:"PATTERN"`
	Update bool   `help:"Write the outcomes that differ into the table as the expected ones, except a trap, a panic or a bad result, and the digest of the dataset. Everything else in the file remains."`

	wire.EngineConfig `group:"Questions:"`

	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what `lestats plugin test --help` adds.
func (pluginTestCmd) Help() string {
	return `The table lists requests and what is expected of each: an answer, cell by cell, or an error. "lestats plugin new" writes one, and plugins/README.md describes it:

  dataset: sha256:...  # the answers are of this dataset
  data: figures.csv    # relative to this file; without it, the embedded sample
  cases:
    - name: spreads of obesity
      question: spread
      params: {question: obesity, least: 20}
      answer:
        columns: [location string, spread number]
        rows:
          - [Ohio, 21.5]
    - name: a survey question that does not exist
      question: spread
      params: {question: nothing}
      error: {code: unknown_value, param: question}

Numbers have to be equal, unless the case has a tolerance: tolerance: 1e-9. If the dataset is another one, nothing is compared.

The exit code is 0 if every case is ok or updated, otherwise 1.

Examples:

  lestats plugin test spread
  lestats plugin test spread --run obesity
  lestats plugin test spread --update`
}

// Run runs the tests and prints how they end.
func (c *pluginTestCmd) Run(ctx context.Context, s *streams) (err error) {
	var pattern *regexp.Regexp
	if c.Only != "" {
		if pattern, err = regexp.Compile(c.Only); err != nil {
			return fmt.Errorf("--run: %w", err)
		}
	}
	plugin, file, err := author.TestFiles(c.Plugin)
	if err != nil {
		return err
	}
	file = cmp.Or(c.Table, file)
	table, err := author.ReadTable(file)
	if err != nil {
		return err
	}
	if c.Data == "" && table.Data != "" {
		if c.Data = table.Data; !filepath.IsAbs(c.Data) {
			c.Data = filepath.Join(filepath.Dir(file), filepath.FromSlash(c.Data))
		}
	}
	w, err := workbench(ctx, c.EngineConfig, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close(context.WithoutCancel(ctx))) }()
	tested, text, err := author.RunTests(ctx, w, plugin, table, pattern, c.Update)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	tested.Table = file
	if text != nil {
		if err := replaceFile(file, all(bytes.NewBuffer(text))); err != nil {
			return err
		}
	}
	if c.JSON {
		err = writeJSON(s.out, tested)
	} else {
		err = tested.Write(s.out)
	}
	if err == nil && !tested.OK {
		return statusError(exitFailed)
	}
	return err
}
