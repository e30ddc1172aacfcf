package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

type pluginNewCmd struct {
	Name string `arg:"" help:"What the plugin and its question are called: a lower-case letter, then lower-case letters, digits and _."`
	Lang string `required:"" help:"Language: ${languages}." enum:"${languages}" placeholder:"LANG"`
	Dir  string `help:"Folder in which the plugin's folder is made; this one by default." default:"." placeholder:"DIR"`
}

// Help is what `lestats plugin new --help` adds.
func (pluginNewCmd) Help() string {
	return `The new folder holds a plugin that answers a question, a README that says how it is built, and the source of its SDK. It needs neither this program's source nor, but for AssemblyScript's compiler, a network.

Example:

  lestats plugin new spread --lang rust
  lestats plugin build spread
  lestats plugin check spread/spread.wasm`
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Validate is called when the command line is parsed.
func (c *pluginNewCmd) Validate() error {
	switch {
	case !pluginName.MatchString(c.Name) || len(c.Name) > question.MaxNameLen:
		return fmt.Errorf("%q is no name for a plugin: a lower-case letter, then lower-case letters, digits and _, at most %d in all, such as spread", c.Name, question.MaxNameLen)
	case catalog.Reserved(c.Name):
		return fmt.Errorf("%q cannot name a question: the route /api/%s is the server's own; take another name", c.Name, c.Name)
	}
	return nil
}

// Run writes the plugin's folder, or nothing.
func (c *pluginNewCmd) Run(s *streams) error {
	files, err := plugins.New(c.Name, c.Lang)
	if err != nil {
		return err
	}
	folder := filepath.Join(c.Dir, c.Name)
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // source code, which is for everybody to read
		switch {
		case errors.Is(err, os.ErrExist):
			return fmt.Errorf("%s is there already; remove it, or take another name or another --dir", folder)
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("--dir %s is not there; make it first", c.Dir)
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
	fmt.Fprintf(s.out, "%s is a plugin in %s; its README.md says more.\n\n  lestats plugin build %s\n", folder, languageNames[c.Lang], folder)
	return nil
}

var languageNames = map[string]string{"go": "Go", "rust": "Rust", "c": "C", "assemblyscript": "AssemblyScript"}
