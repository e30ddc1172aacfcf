package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginNewCmd struct {
	Name string `arg:"" help:"Name of the plugin and of its question: a lower-case letter, then lower-case letters, digits and _."`
	Lang string `required:"" help:"Language: ${languages}." enum:"${languages}" placeholder:"LANG"`
	Dir  string `help:"Parent folder of the new plugin's folder. Default: the current folder." default:"." placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is what `lestats plugin new --help` adds.
func (pluginNewCmd) Help() string {
	return `The new folder holds a plugin that answers one question, a README that says how to build it, and the source of its SDK. Building it needs no network, except that AssemblyScript installs its compiler with npm.

Example:

  lestats plugin new spread --lang rust
  lestats plugin build spread
  lestats plugin check spread/spread.wasm`
}

// Validate is called when the command line is parsed.
func (c *pluginNewCmd) Validate() error {
	switch {
	case !question.ValidName(c.Name):
		return fmt.Errorf("%q is not a valid name: it takes a lower-case letter, then lower-case letters, digits and _, at most %d characters, such as spread", c.Name, question.MaxNameLen)
	case httpapi.Reserved(c.Name):
		return fmt.Errorf("%q cannot name a question, because the server uses the route /api/%s itself; choose another name", c.Name, c.Name)
	}
	return nil
}

// Run creates the plugin's folder, completely or not at all.
func (c *pluginNewCmd) Run(s *streams) error {
	language := &author.Languages[slices.Index(author.IDs(), c.Lang)] // the flag's enum
	files, err := language.New(c.Name)
	if err != nil {
		return err
	}
	folder := filepath.Join(c.Dir, c.Name)
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // source code: readable by everybody
		switch {
		case errors.Is(err, os.ErrExist):
			return fmt.Errorf("%s already exists; remove it, or choose another name or --dir", folder)
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("--dir %s does not exist; create it first", c.Dir)
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(
			os.MkdirAll(filepath.Dir(file), 0o755), //nolint:gosec // as above
			os.WriteFile(file, files[name], 0o644), //nolint:gosec // as above
		); err != nil {
			return errors.Join(err, os.RemoveAll(folder))
		}
	}
	if c.JSON {
		return writeJSON(s.out, map[string]string{"folder": folder, "language": c.Lang})
	}
	fmt.Fprintf(s.out, "created %s, a plugin in %s. Its README.md says how to go on. Build it with:\n\n  lestats plugin build %s\n", folder, language.Name, folder)
	return nil
}

type pluginBuildCmd struct {
	Dir   string `arg:"" optional:"" help:"Folder with the plugin's source. Default: the current folder." default:"." placeholder:"DIR"`
	Names bool   `help:"Keep the names of functions (C and Rust: lines too) for lestats plugin profile. The code is the same, the file larger, its digest another."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is what `lestats plugin build --help` adds.
func (pluginBuildCmd) Help() string {
	markers := author.Each(func(l *author.Language) string { return l.Marker + " (" + l.Name + ")" })
	return "The language is recognised by a file in the folder: " + strings.Join(markers, ", ") +
		". The compiler is called as the plugin's README describes. The result is DIR/NAME.wasm, where NAME is the folder's name.\n\nExamples:\n\n  lestats plugin build spread\n  lestats plugin build --names spread"
}

// builtFile is what `plugin build --json` prints.
type builtFile struct {
	File string `json:"file"`
	Size int64  `json:"size"` // bytes
}

// Run builds DIR/NAME.wasm.
func (c *pluginBuildCmd) Run(ctx context.Context, s *streams) error {
	file, err := author.Build(ctx, c.Dir, c.Names, exact(s.err))
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(s.out, builtFile{file, info.Size()})
	}
	_, err = fmt.Fprintf(s.out, "built %s, %s bytes. Check it with:\n\n  lestats plugin check %s\n", file, humanize.Comma(info.Size()), file)
	return err
}
