package sandbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestLoadRefuses(t *testing.T) {
	component := []byte("\x00asm\x0d\x00\x01\x00")
	truncated := fixture(t, "good")
	truncated = truncated[:len(truncated)-40]
	body := slices.Clone(fixture(t, "good"))
	body[bytes.Index(body, []byte{0x00, 0x42})+1] = 0x41 // describe: an i32.const where an i64.const was
	wat, err := os.ReadFile("testdata/good.wat")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		wasm  []byte // nil: the fixture called name
		parts []string
	}{
		{"empty", []byte{}, []string{"not a WebAssembly module", "empty"}},
		{"a script", []byte("#!/bin/sh\n"), []string{"not a WebAssembly module", "a script"}},
		{"text format", wat, []string{"text format", "wat2wasm"}},
		{"component", component, []string{"component model", "core module"}},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), []string{"version 2"}},
		{"truncated", truncated, []string{"section"}},
		{"invalid body", body, []string{"does not compile"}},
		{"no_answer", nil, []string{`"lestats_v1_answer"`, "(i32, i32) -> i64"}},
		{"no_memory", nil, []string{`"memory"`}},
		{"memory_not_exported", nil, []string{`"memory"`}},
		{"memory_is_global", nil, []string{`"memory"`, "global"}},
		{"open_is_global", nil, []string{`"lestats_v1_open"`, "global"}},
		{"wrong_signature", nil, []string{`"lestats_v1_describe"`, "() -> i32", "() -> i64"}},
		{"wrong_initialize", nil, []string{`"_initialize"`, "(i32) -> ()", "() -> ()"}},
		{"command", nil, []string{`"lestats_v1_alloc"`, "-buildmode=c-shared"}},
		{"unknown_import", nil, []string{`"env.abort"`, "lestats_v1.log"}},
		{"misspelt_import", nil, []string{`"wasi_snapshot_preview1.clock_get_time"`}},
		{"import_signature", nil, []string{`"lestats_v1.log"`, "(i32, i32) -> ()", "(i32, i32, i32) -> ()"}},
		{"import_memory", nil, []string{"imports its memory", "env.memory"}},
		{"import_global", nil, []string{"global", `"lestats_v1.log"`}},
		{"reserved_export", nil, []string{`"__lestats_fuel"`}},
		{"unknown_export", nil, []string{`"lestats_v1_anwser"`}},
		{"memory64", nil, []string{"64-bit"}},
		{"two_memories", nil, []string{"2 memories"}},
		{"shared_memory", nil, []string{"shared"}},
		{"huge_memory", nil, []string{"4294967296 bytes", "2 MiB"}},
		{"huge_table", nil, []string{"tables"}},
		{"many_faults", nil, []string{`"env.abort"`}},
		{"start_traps", nil, []string{"start function", "unreachable"}},
		{"start_loops", nil, []string{"longer than the limit of 500ms"}},
		{"initialize_traps", nil, []string{"_initialize", "divide by zero"}},
		{"describe_traps", nil, []string{"lestats_v1_describe", "unreachable"}},
		{"describe_loops", nil, []string{"longer than the limit of 500ms"}},
		{"manifest_outside", nil, []string{"lestats_v1_describe", "0xfffffff0", "outside"}},
		{"manifest_too_large", nil, []string{"1048577", "1048576"}},
		{"manifest_empty", nil, []string{"lestats_v1_describe", "empty"}},
		{"manifest_not_json", nil, []string{"manifest", "JSON"}},
		{"manifest_control", nil, []string{"version", "U+0007"}},
		{"manifest_requires", nil, []string{"requires", "gpu"}},
		{"missing_column", nil, []string{"does not fit this dataset", `"valeu"`, `did you mean "value"?`}},
		{"column_type", nil, []string{`"value"`, "integer", "number"}},
		{"alloc_zero", nil, []string{"lestats_v1_alloc(65536, 65536) returned 0"}},
		{"alloc_misaligned", nil, []string{"lestats_v1_alloc", "0x1008", "multiple of 65536"}},
		{"alloc_outside", nil, []string{"lestats_v1_alloc", "0xffff0000", "outside"}},
		{"alloc_overlaps", nil, []string{"lestats_v1_alloc", "overlaps"}},
		{"alloc_greedy", nil, []string{"lestats_v1_alloc", "limit of 2 MiB"}},
		{"open_traps", nil, []string{"lestats_v1_open", "out of bounds memory access"}},
		{"open_refuses", nil, []string{"lestats_v1_open: too old a data set"}},
		{"open_succeeds_wrongly", nil, []string{"lestats_v1_open", "not an error"}},
		{"open_outside", nil, []string{"lestats_v1_open", "0x7ffffff0", "outside"}},
		{"open_logs_outside", nil, []string{"lestats_v1_open", "0xfffffff0", "outside"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEngine(t, Config{Limits: Limits{Time: short, Memory: 2 << 20}}, newFakeDataset())
			wasm := test.wasm
			if wasm == nil {
				wasm = fixture(t, test.name)
			}
			p, err := e.Load(t.Context(), wasm)
			if p != nil {
				t.Fatal("it was loaded")
			}
			wantError(t, err, question.CodeBadPlugin, test.parts...)
			lacks := map[string]string{"missing_column": "valeu", "column_type": "value"}[test.name]
			u, unfit := errors.AsType[*question.UnfitError](err)
			if unfit != (lacks != "") || unfit && (!slices.Equal(u.Lacks, []string{lacks}) || u.Manifest.Name == "") {
				t.Errorf("it does not fit the dataset: %+v; want %q", u, lacks)
			}
		})
	}
}

// Every .wat but those that load is refused by a case of TestLoadRefuses.
func TestFixturesAreUsed(t *testing.T) {
	src, err := os.ReadFile("load_test.go")
	if err != nil {
		t.Fatal(err)
	}
	wats, err := filepath.Glob("testdata/*.wat")
	if err != nil || len(wats) == 0 {
		t.Fatal(wats, err)
	}
	for _, wat := range wats {
		name := strings.TrimSuffix(filepath.Base(wat), ".wat")
		if slices.Contains([]string{"good", "poke", "faults", "remember", "remember_tables", "runaway", "runaway_wide", "lean", "patience", "named"}, name) {
			continue
		}
		if !bytes.Contains(src, []byte(`{"`+name+`", nil`)) {
			t.Errorf("%s is used by no test", wat)
		}
	}
}

func TestLoadCancelled(t *testing.T) {
	e := newEngine(t, Config{Limits: Limits{Time: time.Minute}}, newFakeDataset())
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	_, err := e.Load(ctx, fixture(t, "describe_loops"))
	if !errors.Is(err, context.DeadlineExceeded) && question.CodeOf(err) != question.CodeBadPlugin {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(short, cancel)
	_, err = e.Load(ctx, fixture(t, "describe_loops"))
	wantError(t, err, question.CodeCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

func TestCache(t *testing.T) {
	t.Run("here", func(t *testing.T) { testCache(t, Config{}) })
	t.Run("apart", func(t *testing.T) { testCache(t, apart(t, nil)) })
}

func testCache(t *testing.T, base Config) {
	cached := func(dir string, log *slog.Logger) Config {
		cfg := base
		cfg.CacheDir, cfg.Log = dir, log
		return cfg
	}
	wasm := fixture(t, "good")
	works := func(t *testing.T, e *Engine) {
		t.Helper()
		p, err := e.Load(t.Context(), wasm)
		if err != nil {
			t.Fatal(err)
		}
		if table, err := ask(t.Context(), p, newFakeDataset(), "echo", nil); err != nil || table.Rows() != 8 {
			t.Fatal(table, err)
		}
	}
	entries := func(t *testing.T, dir string) []string {
		t.Helper()
		files, err := filepath.Glob(dir + "/*/*")
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	t.Run("kept", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new", "folder")
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
		first := entries(t, dir)
		if len(first) != 1 {
			t.Fatalf("the cache holds %q", first)
		}
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
		known := cached(dir, nil)
		if known.Compiler != nil {
			known.Compiler = []string{filepath.Join(dir, "no such program")} // what is kept needs none
		}
		works(t, newEngine(t, known, newFakeDataset()))
		if again := entries(t, dir); !slices.Equal(first, again) {
			t.Errorf("the second engine made %q of %q", again, first)
		}
	})
	t.Run("folder is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		works(t, newEngine(t, cached(file, textLog(&log)), newFakeDataset()))
		if !strings.Contains(log.String(), "cache") {
			t.Errorf("nothing was logged: %q", log.String())
		}
	})
	t.Run("cannot be written", func(t *testing.T) { // the test may run as root, so a file takes the folder's place
		dir := t.TempDir()
		var log bytes.Buffer
		e := newEngine(t, cached(dir, textLog(&log)), newFakeDataset())
		if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		works(t, e)
		if !strings.Contains(log.String(), "cache") {
			t.Errorf("nothing was logged: %q", log.String())
		}
	})
	t.Run("cannot be read", func(t *testing.T) {
		dir := t.TempDir()
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
		for _, file := range entries(t, dir) { // a folder where the entry is due
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
	})
	t.Run("damaged", func(t *testing.T) {
		dir := t.TempDir()
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
		for _, file := range entries(t, dir) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b[:len(b)/2], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		works(t, newEngine(t, cached(dir, nil), newFakeDataset()))
	})
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{Limits: Limits{Memory: 100}}, {Limits: Limits{Memory: 1 << 33}}, {Limits: Limits{Time: -1}}} {
		if _, err := New(t.Context(), cfg, newFakeDataset()); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
