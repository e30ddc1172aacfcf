package main

import (
	"encoding/json"
	"io"
	"io/fs"

	"github.com/le-stats-sportifs/lestats/plugins"
)

// writeJSON writes v for programs and for people, exactly.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(exact(w))
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// eachBuiltIn calls do with each built-in plugin's module, until it fails.
func eachBuiltIn(do func(wasm []byte) error) error {
	names, err := fs.Glob(plugins.BuiltIn(), "*.wasm")
	if err != nil {
		return err
	}
	for _, name := range names {
		wasm, err := fs.ReadFile(plugins.BuiltIn(), name)
		if err != nil {
			return err
		}
		if err := do(wasm); err != nil {
			return err
		}
	}
	return nil
}
