//go:build examples

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// Plugins that use a library build as plugins/sdk/README.md says, and answer: gonum and
// statrs the same intervals, the C library and AssemblyScript the same geometric means.
func TestLibraries(t *testing.T) {
	lock, err := os.ReadFile("testdata/library/Cargo.lock")
	if err != nil {
		t.Fatal(err)
	}
	cache := compiled(t)
	answers := map[string]map[string]any{}
	for _, tt := range []struct {
		lang, source, to string
		prepare          func(t *testing.T)
	}{
		{"go", "main.go", "main.go", func(t *testing.T) {
			t.Helper()
			if err := os.Remove("library/main_test.go"); err != nil {
				t.Fatal(err)
			}
			download(t, "go", "get", "gonum.org/v1/gonum/stat/distuv@v0.16.0")
		}},
		{"rust", "lib.rs", "src/lib.rs", func(t *testing.T) {
			t.Helper()
			extend(t, "library/Cargo.toml", "\n[dependencies.statrs]\nversion = \"0.16\"\ndefault-features = false\n\n[dependencies.getrandom]\nversion = \"0.2\"\nfeatures = [\"custom\"]\n")
			extend(t, "library/Cargo.lock", string(lock))
			// Debian's cargo is too old for the registry, so that the crates come beside the source.
			extend(t, "library/.cargo/config.toml", "\n"+download(t, "cargo", "vendor", "--locked", "vendor"))
		}},
		{"c", "main.c", "main.c", func(t *testing.T) {
			t.Helper()
			t.Setenv("CFLAGS", "-isystem /usr/include/wasm32-wasi")
			t.Setenv("LDLIBS", "-L/usr/lib/wasm32-wasi -lc")
		}},
		{"assemblyscript", "index.ts", "assembly/index.ts", func(*testing.T) {}},
	} {
		t.Run(tt.lang, func(t *testing.T) {
			t.Setenv("LESTATS_CACHE", cache)
			written(t, tt.lang, "library", tt.source, tt.to)
			tt.prepare(t)
			var log bytes.Buffer
			if _, err := author.Build(t.Context(), "library", false, &log); err != nil {
				t.Fatalf("%v\n%s", err, &log)
			}
			if code, reports, errs := checkJSON(t, "library/library.wasm"); code != exitOK || slices.ContainsFunc(reports[0].Findings, func(f author.Finding) bool { return f.Level != author.LevelInfo }) {
				t.Errorf("exit code %d, %+v\n%s", code, reports, errs)
			}
			code, out, errs := lestats(t, "plugin", "run", "library/library.wasm", "--json")
			if answers[tt.lang] = dataOf(t, out); code != exitOK || len(answers[tt.lang]) < 50 {
				t.Fatalf("exit code %d, %s%s", code, out, errs)
			}
		})
	}
	for _, pair := range [][2]string{{"go", "rust"}, {"c", "assemblyscript"}} {
		if first, second := answers[pair[0]], answers[pair[1]]; !alike(first, second) {
			t.Errorf("%s: %v\n%s: %v", pair[0], first, pair[1], second)
		}
	}
}

// alike compares JSON, numbers up to rounding.
func alike(a, b any) bool {
	switch a := a.(type) {
	case float64:
		n, ok := b.(float64)
		return ok && math.Abs(a-n) < 1e-9*math.Abs(a)
	case map[string]any:
		other, ok := b.(map[string]any)
		for key := range a {
			ok = ok && alike(a[key], other[key])
		}
		return ok && len(a) == len(other)
	default:
		return reflect.DeepEqual(a, b)
	}
}

// download runs a command that downloads, in the plugin's folder, and returns what it prints.
func download(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = "library", &errs
	out, err := cmd.Output()
	if err != nil {
		testtool.Without(t, fmt.Sprintf("it needs a network: %v\n%s", err, &errs))
	}
	return string(out)
}

// extend appends to a file.
func extend(t *testing.T, file, text string) {
	t.Helper()
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(before, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A wasm-opt in PATH is not run: clang would, and Debian's refuses what clang writes.
func TestBuildIgnoresWasmOpt(t *testing.T) {
	t.Chdir(t.TempDir())
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "wasm-opt"), []byte("#!/bin/sh\necho 'Bulk memory operations require bulk memory' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	if code, _, errs := lestats(t, "plugin", "new", "spread", "--lang", "c"); code != exitOK {
		t.Fatal(errs)
	}
	if code, out, errs := lestats(t, "plugin", "build", "spread"); code != exitOK {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

// The languages whose compilers may be missing: make test-sdks.
func init() {
	const (
		ref    = "LESTATS_REF of its handle to "
		handle = "its handle to "
	)
	mistakes = append(mistakes, mistaken{
		lang: "c", source: "main.c", to: "main.c",
		finds: map[string][]string{
			"forgot_column":    {`the column \"year\` + unlisted + ref + ".columns of the plugin"},
			"forgot_present":   {`the column \"year\` + unlisted + ref + ".columns of the plugin"},
			"forgot_parameter": {`the parameter \"least\` + unlisted + ref + ".params of the question forgot_parameter"},
			"forgot_result":    {`the result's column \"count\` + unlisted + ref + ".result.keys or .result.values of the question forgot_result"},
			"uneven":           {manyRows},
			"nan":              {`column 1 (mean), row 0: the value is NaN; numbers must be finite`, "lestats_append_missing (C)"},
			"duplicate_key":    {"rows 0 and 1 have the same key"},
			"panics":           {"plugin_trap: ", "divi"},
			"endless":          {limitOfTime},
			"huge":             {"memory_limit: "},
		},
	}, mistaken{
		lang: "rust", source: "lib.rs", to: "src/lib.rs",
		finds: map[string][]string{
			"forgot_column":    {`the column \"year\` + unlisted + "a reference to its static to columns of the Plugin"},
			"forgot_parameter": {`the parameter \"least\` + unlisted + "a reference to its static to params of the Question"},
			"forgot_result":    {`the result column \"count\` + unlisted + "a reference to its static to keys or values of the question's Result"},
			"uneven":           {manyRows},
			"nan":              {`column 1 (mean), row 0: the value is NaN; numbers must be finite`, "append_missing (Rust)"},
			"duplicate_key":    {"rows 0 and 1 have the same key"},
			"panics":           {"plugin_trap: ", "index out of bounds", "src/lib.rs:"},
			"endless":          {limitOfTime},
			"huge":             {"memory_limit: "},
		},
	}, mistaken{
		lang: "assemblyscript", source: "index.ts", to: "assembly/index.ts",
		finds: map[string][]string{
			"forgot_column":    {`the column \"year\` + unlisted + handle + "columns of the plugin"},
			"forgot_present":   {`the column \"year\` + unlisted + handle + "columns of the plugin"},
			"forgot_parameter": {`the parameter \"least\` + unlisted + handle + "params of the question forgot_parameter"},
			"forgot_result":    {`the result's column \"count\` + unlisted + handle + "keys or values of the result of the question forgot_result"},
			"uneven":           {manyRows},
			"nan":              {`column 1 (mean), row 0: the value is NaN; numbers must be finite`, "appendMissing (AssemblyScript)"},
			"duplicate_key":    {"rows 0 and 1 have the same key"},
			"panics":           {"plugin_trap: ", "abort: too few rows at assembly/index.ts:"},
			"endless":          {limitOfTime},
			"huge":             {"memory_limit: "},
		},
	})
}
