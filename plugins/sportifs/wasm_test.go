package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	host "github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

func build(t testing.TB) []byte {
	t.Helper()
	readSources(t, "*.go", "../estimates/*.go", "../sdk/*.go", "../abi/*.go")
	path := filepath.Join(t.TempDir(), "sportifs.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// readSources opens the files that go build will read. The go command keeps a
// test's outcome until a file changes that the test itself has opened.
func readSources(t testing.TB, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// load opens the plugin on ds in the sandbox.
func load(t testing.TB, wasm []byte, ds sandbox.Dataset, log *slog.Logger) *sandbox.Plugin {
	t.Helper()
	engine, err := sandbox.New(context.Background(), sandbox.Config{Log: log}, ds)
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Load(context.Background(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// outOfRange is a dataset with a code that its dictionary does not have.
type outOfRange struct{ *dataset.Dataset }

func (d outOfRange) Column(name string) (*host.Column, bool) {
	c, ok := d.Dataset.Column(name)
	if name == location.Name {
		broken := *c
		broken.Codes = []int32{99, 0, 0, 1}
		c = &broken
	}
	return c, ok
}

func TestWasm(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles the plugin")
	}
	wasm := build(t)
	if len(wasm) > 2_400_000 {
		t.Errorf("the plugin has %d bytes; an empty Go plugin has 1,820,000", len(wasm))
	}
	d, err := dataset.ParseDescriptor([]byte("name: x\ncolumns:\n  - {name: question, type: string}\n  - {name: location, type: string}\n" +
		"  - {name: category, type: string}\n  - {name: stratum, type: string}\n  - {name: value, type: number, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const rows = "question,location,category,stratum,value\nobesity,Utah,Total,Total,10\nobesity,Ohio,Total,Total,40\nobesity,Ohio,Total,Total,20\nobesity,Iowa,Total,Total,\n"
	ds, err := dataset.ReadCSV(t.Context(), strings.NewReader(rows), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	ask := func(p *sandbox.Plugin, name string, params map[string]any) (*host.Table, error) {
		bound, err := p.Manifest().Bind(host.Request{Question: name, Params: params}, ds)
		if err != nil {
			t.Fatal(err)
		}
		return p.Answer(t.Context(), bound, ds.Select(bound.Where))
	}
	p := load(t, wasm, ds, log)
	if m := p.Manifest(); len(m.Questions) != 13 || m.Questions[0].Name != "states_mean" {
		t.Fatalf("the manifest has %d questions", len(m.Questions))
	}
	table, err := ask(p, "states_mean", map[string]any{"question": "obesity"})
	if err != nil {
		t.Fatal(err)
	}
	if means := table.Columns[1].Numbers; len(means) != 2 || means[0] != 10 || means[1] != 30 {
		t.Errorf("states_mean is %v; want 10 (Utah) and 30 (Ohio)", means)
	}
	_, err = ask(p, "state_mean", map[string]any{"question": "obesity", "state": "Iowa"})
	if host.CodeOf(err) != host.CodeNoData || !strings.Contains(err.Error(), "Iowa has no value among the selected rows") {
		t.Errorf("state_mean of a state without a value: %v", err)
	}

	// A panic is an error too, and its text and place are logged.
	logged.Reset()
	_, err = ask(load(t, wasm, outOfRange{ds}, log), "states_mean", map[string]any{"question": "obesity"})
	const text = "panic: runtime error: index out of range [99] with length 3"
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("a panic: %v", err)
	}
	if log := logged.String(); !strings.Contains(log, text) || !strings.Contains(log, "sumByLocation") {
		t.Errorf("a panic logged %q", log)
	}
}
