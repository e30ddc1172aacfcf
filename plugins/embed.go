// Package plugins embeds the built-in plugins, and the templates and SDKs of new ones. `make
// build` writes the built-in plugins to the folder built. Before the first build there are
// none, and everything still compiles.
package plugins

import (
	"embed"
	"io/fs"
	"iter"
	"strings"
	"sync"
)

//go:embed all:built
var built embed.FS

// ManifestSchema is the JSON Schema (draft 2020-12) of a plugin's manifest.
//
//go:embed manifest.schema.json
var ManifestSchema []byte

// Sources has what new plugins are made of: the templates, and the SDKs that go with them.
//
//go:embed all:templates
//go:embed abi/abi.go sdk/*.go sdk/sdktest/*.go
//go:embed sdk/c/lestats.h sdk/c/lestats_test.h
//go:embed sdk/rust/Cargo.toml sdk/rust/src
//go:embed sdk/assemblyscript/assembly/index.ts sdk/assemblyscript/assembly/testing.mjs
var Sources embed.FS

// Placeholder is the name of the plugin and of its question in the templates, which are
// plugins themselves.
const Placeholder = "my_plugin"

// BuiltIn returns the built-in plugins: the *.wasm files at its root. It may
// hold none.
func BuiltIn() fs.FS {
	sub, err := fs.Sub(built, "built")
	if err != nil {
		panic(err) // the name is valid, so this cannot happen
	}
	return sub
}

// module is a built-in plugin.
type module struct {
	name string
	wasm []byte
}

// modules reads the built-in plugins once, because an embed.FS returns copies.
var modules = sync.OnceValue(func() (all []module) {
	names, _ := fs.Glob(BuiltIn(), "*.wasm") // the pattern is valid
	for _, name := range names {
		wasm, err := fs.ReadFile(BuiltIn(), name)
		if err != nil {
			panic(err) // it is embedded
		}
		all = append(all, module{strings.TrimSuffix(name, ".wasm"), wasm})
	}
	return all
})

// Modules yields the name and the bytes of each built-in plugin. The bytes are shared and
// must not be modified.
func Modules() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, m := range modules() {
			if !yield(m.name, m.wasm) {
				return
			}
		}
	}
}
