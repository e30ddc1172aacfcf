// Package plugins holds the plugins that are built in. `make build` puts them
// into the folder built, which git knows only by its placeholder: before the
// first build there are none, and everything still compiles.
package plugins

import (
	"embed"
	"io/fs"
)

//go:embed all:built
var built embed.FS

// ManifestSchema is the JSON Schema (draft 2020-12) of a plugin's manifest.
//
//go:embed manifest.schema.json
var ManifestSchema []byte

// BuiltIn returns the built-in plugins: the *.wasm files at its root. It may
// hold none.
func BuiltIn() fs.FS {
	sub, err := fs.Sub(built, "built")
	if err != nil {
		panic(err) // the name is valid, so this cannot happen
	}
	return sub
}
