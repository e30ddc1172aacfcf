package plugins

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// What new plugins are made of: the templates, and the SDKs that go with them.
//
//go:embed all:templates
//go:embed abi/abi.go sdk/*.go sdk/sdktest/*.go
//go:embed sdk/c/lestats.h
//go:embed sdk/rust/Cargo.toml sdk/rust/src
//go:embed sdk/assemblyscript/assembly/index.ts
var sources embed.FS

// Placeholder is the name of the plugin, and of its question, in the templates:
// they are plugins themselves.
const Placeholder = "my_plugin"

// tmpl ends the names of files in the templates that would mean something where
// they lie: a go.mod hides its folder from go:embed.
const tmpl = ".tmpl"

// sdks says for each language what of its SDK goes where in a new plugin.
var sdks = map[string][]struct{ from, to string }{
	"go": {
		{"abi", "sdk/plugins/abi"},
		{"sdk", "sdk/plugins/sdk"},
		{"sdk/sdktest", "sdk/plugins/sdk/sdktest"},
	},
	"c":              {{"sdk/c", "sdk"}},
	"rust":           {{"sdk/rust", "sdk"}, {"sdk/rust/src", "sdk/src"}},
	"assemblyscript": {{"sdk/assemblyscript/assembly", "sdk"}},
}

// Languages returns the languages that New knows, sorted.
func Languages() []string {
	var out []string
	for lang := range sdks {
		out = append(out, lang)
	}
	slices.Sort(out)
	return out
}

// New returns the files of a new plugin, by path with slashes: one that is called
// name, answers a question of that name, builds and has its SDK's source beside
// it. The language is one of Languages.
func New(name, lang string) (map[string][]byte, error) {
	parts, known := sdks[lang]
	if !known {
		return nil, fmt.Errorf("there is no template for the language %q; one of %s", lang, strings.Join(Languages(), ", "))
	}
	files := map[string][]byte{}
	root := "templates/" + lang
	err := fs.WalkDir(sources, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(file)
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(file, root+"/")
		if trimmed, ok := strings.CutSuffix(to, tmpl); ok {
			to = strings.Replace(trimmed, "gitignore", ".gitignore", 1)
		}
		files[to] = bytes.ReplaceAll(text, []byte(Placeholder), []byte(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		entries, err := sources.ReadDir(part.from)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			if files[path.Join(part.to, e.Name())], err = sources.ReadFile(path.Join(part.from, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
