// Package author has the tools of plugin authors: creating a plugin from a template,
// building it, checking it and measuring it.
package author

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/le-stats-sportifs/lestats/plugins"
)

// Language is a language that plugins are written in.
type Language struct {
	ID     string // lower case; the name of its folder in plugins/templates
	Name   string // for people
	Marker string // pattern of a file that marks a source folder as this language's

	sdk     []copied                                    // the source of its SDK
	serve   string                                      // what in the source exports the functions of the plugin
	declare string                                      // what in the source declares the plugin
	missing string                                      // what adds a row without a value to a column of a result
	install string                                      // how to install its tools
	build   func(b *builder, ctx context.Context) error // writes builder.output
}

// copied says where the files of a folder of plugins/ go in a new plugin.
type copied struct{ from, to string }

// Languages has all languages. To add one, add an entry here and its template in
// plugins/templates. Build looks for the markers in this order.
var Languages = []Language{
	{
		ID: "go", Name: "Go", Marker: "go.mod", build: (*builder).buildGo,
		sdk:     []copied{{"abi", "sdk/plugins/abi"}, {"sdk", "sdk/plugins/sdk"}, {"sdk/sdktest", "sdk/plugins/sdk/sdktest"}},
		serve:   `sdk.Serve in init`,
		declare: `sdk.Serve(plugin) in init`,
		missing: `AppendMissing`,
		install: "install Go 1.26 or newer",
	},
	{
		ID: "rust", Name: "Rust", Marker: "Cargo.toml", build: (*builder).buildRust,
		sdk:     []copied{{"sdk/rust", "sdk"}, {"sdk/rust/src", "sdk/src"}},
		serve:   `serve!`,
		declare: `serve!(PLUGIN)`,
		missing: `append_missing`,
		install: "on Debian: apt-get install rustc cargo lld libstd-rust-dev-wasm32; with rustup: rustup target add " + rustTarget,
	},
	{
		ID: "assemblyscript", Name: "AssemblyScript", Marker: "package.json", build: (*builder).buildAssemblyScript,
		sdk:     []copied{{"sdk/assemblyscript/assembly", "sdk"}},
		serve:   `export { lestats_v1_... } from "../sdk/index"`,
		declare: `serve({...}) at the top level`,
		missing: `appendMissing`,
		install: "on Debian: apt-get install nodejs npm",
	},
	{
		ID: "c", Name: "C", Marker: "*.c", build: (*builder).buildC,
		sdk:     []copied{{"sdk/c", "sdk"}},
		serve:   `LESTATS_SERVE`,
		declare: `LESTATS_SERVE(plugin)`,
		missing: `lestats_append_missing`,
		install: "on Debian: apt-get install clang lld",
	},
}

// Each returns what describe returns for each language.
func Each(describe func(*Language) string) []string {
	out := make([]string, len(Languages))
	for i := range Languages {
		out[i] = describe(&Languages[i])
	}
	return out
}

// IDs returns the ids of all languages.
func IDs() []string { return Each(func(l *Language) string { return l.ID }) }

// detect returns the language of the source in a folder.
func detect(folder string) (*Language, error) {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder; name the folder with the plugin's source", folder)
	}
	for i := range Languages {
		found, err := filepath.Glob(filepath.Join(globEscape(folder), Languages[i].Marker))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return &Languages[i], nil
		}
	}
	return nil, fmt.Errorf(`%s has none of %s, so it is not the source of a plugin; "lestats plugin new" creates one`, folder, strings.Join(Each(func(l *Language) string { return l.Marker }), ", "))
}

// tmpl ends the names of files in the templates that would have an effect where they are:
// a go.mod hides its folder from go:embed.
const tmpl = ".tmpl"

// New returns the files of a new plugin by their paths, with slashes. The plugin and its one
// question have this name. It is ready to build and includes the source of its SDK.
func (l *Language) New(name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := "templates/" + l.ID
	err := fs.WalkDir(plugins.Sources, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := plugins.Sources.ReadFile(file)
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(file, root+"/")
		if trimmed, ok := strings.CutSuffix(to, tmpl); ok {
			to = strings.Replace(trimmed, "gitignore", ".gitignore", 1)
		}
		files[to] = bytes.ReplaceAll(text, []byte(plugins.Placeholder), []byte(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	tests, err := plugins.Sources.ReadFile("templates/" + TableName) // all templates answer the same
	if err != nil {
		return nil, err
	}
	files[TableName] = bytes.ReplaceAll(tests, []byte(plugins.Placeholder), []byte(name))
	for _, part := range l.sdk {
		entries, err := plugins.Sources.ReadDir(part.from)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			if files[path.Join(part.to, e.Name())], err = plugins.Sources.ReadFile(path.Join(part.from, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
