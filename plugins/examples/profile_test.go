//go:build examples

package examples

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// A profile of each question has exactly the fuel of its answer, in all four languages.
func TestProfiles(t *testing.T) {
	file, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadArrow(file)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, ds, slog.DiscardHandler)
	engine, err := sandbox.New(t.Context(), sandbox.Config{Log: slog.New(slog.DiscardHandler)}, ds)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for name, served := range h.plugins {
		wasm, err := os.ReadFile(filepath.Join("built", name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		profiled, err := engine.LoadTraced(t.Context(), wasm)
		if err != nil {
			t.Fatal(name, err)
		}
		m := served.Manifest()
		for i := range m.Questions {
			req, err := catalog.Example(m, &m.Questions[i], ds)
			if err != nil {
				t.Fatal(name, err)
			}
			var fuel [2]int64
			for n, p := range []*sandbox.Plugin{served, profiled} {
				bound, err := p.Manifest().Bind(req, ds)
				if err != nil {
					t.Fatal(name, err)
				}
				rows := ds.Select(bound.Where)
				if n == 0 {
					_, used, err := p.Measure(t.Context(), bound, rows)
					if fuel[0] = used.Fuel; err != nil {
						t.Fatal(name, err)
					}
					continue
				}
				seen, _, _, err := p.Profile(t.Context(), bound, rows)
				if err != nil {
					t.Fatal(name, err)
				}
				for _, path := range seen.Paths {
					fuel[1] += path.Fuel
				}
			}
			if fuel[0] != fuel[1] || fuel[0] == 0 {
				t.Errorf("%s: the answer takes %d units, its profile has %d", req.Question, fuel[0], fuel[1])
			}
		}
	}
}
