//go:build examples

// Package means measures the same plugin in the four languages: make bench-sdks.
package means

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

var languages = []string{"c", "rust", "assemblyscript", "go"}

func wasmOf(tb testing.TB, language string) []byte {
	tb.Helper()
	wasm, err := os.ReadFile(filepath.Join("built", language+".wasm"))
	if err != nil {
		tb.Fatalf("%v: make -C plugins/sdk/means builds it", err)
	}
	return wasm
}

func sample(tb testing.TB) *dataset.Dataset {
	tb.Helper()
	file, err := data.Sample()
	if err != nil {
		tb.Fatal(err)
	}
	ds, err := dataset.ReadArrow(file)
	if err != nil {
		tb.Fatal(err)
	}
	return ds
}

func open(tb testing.TB, ds *dataset.Dataset) *sandbox.Engine {
	tb.Helper()
	engine, err := sandbox.New(context.Background(), sandbox.Config{Log: slog.New(slog.DiscardHandler)}, ds)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := engine.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return engine
}

func load(tb testing.TB, engine *sandbox.Engine, wasm []byte) *sandbox.Plugin {
	tb.Helper()
	p, err := engine.Load(context.Background(), wasm)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func bind(tb testing.TB, p *sandbox.Plugin, ds *dataset.Dataset) (*question.BoundRequest, []question.Range) {
	tb.Helper()
	surveys, _ := ds.Column("question")
	bound, err := p.Manifest().Bind(question.Request{Question: p.Manifest().Questions[0].Name, Params: map[string]any{"question": surveys.Dict[0]}}, ds)
	if err != nil {
		tb.Fatal(err)
	}
	return bound, ds.Select(bound.Where)
}

// native is the same in Go without a sandbox.
func native(ds *dataset.Dataset, ranges []question.Range) []float64 {
	location, _ := ds.Column("location")
	value, _ := ds.Column("value")
	sums, counts := make([]float64, len(location.Dict)), make([]int, len(location.Dict))
	for _, r := range ranges {
		for i := r.Start; i < r.Start+r.Count; i++ {
			if value.Present(int(i)) && location.Present(int(i)) {
				code := location.Codes[i]
				sums[code] += value.Numbers[i]
				counts[code]++
			}
		}
	}
	means := sums[:0]
	for code, n := range counts {
		if n > 0 {
			means = append(means, sums[code]/float64(n))
		}
	}
	return means
}

// near reports whether means are the same but for what adding up in another order makes.
func near(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
}

// All four answer what a plain loop does.
func TestMeans(t *testing.T) {
	ds := sample(t)
	engine := open(t, ds)
	for _, language := range languages {
		p := load(t, engine, wasmOf(t, language))
		bound, ranges := bind(t, p, ds)
		table, err := p.Answer(t.Context(), bound, ranges)
		if err != nil {
			t.Fatal(language, err)
		}
		want := native(ds, ranges)
		if !near(table.Columns[1].Numbers, want) {
			t.Errorf("%s: %v; want %v", language, table.Columns[1].Numbers, want)
		}
	}
}

// BenchmarkSDKs prints the table of plugins/README.md: the time of a job in the
// sandbox, reset included, as the median of rounds in which the languages take turns;
// and the time from the bytes of a module to its first answer, nothing cached.
func BenchmarkSDKs(b *testing.B) {
	const rounds, jobs, loads = 40, 50, 10
	ds := sample(b)
	engine := open(b, ds)
	plugins := make([]*sandbox.Plugin, len(languages))
	var bound []*question.BoundRequest
	var ranges []question.Range
	cold := make([]time.Duration, len(languages))
	for i, language := range languages {
		wasm := wasmOf(b, language)
		var took []time.Duration
		for range loads {
			begin := time.Now()
			p, err := engine.Load(context.Background(), wasm)
			if err != nil {
				b.Fatal(err)
			}
			one, rows := bind(b, p, ds)
			table, err := p.Answer(b.Context(), one, rows)
			if err != nil {
				b.Fatal(err)
			}
			if want := native(ds, rows); !near(table.Columns[1].Numbers, want) {
				b.Fatalf("%s: %v; want %v", language, table.Columns[1].Numbers, want)
			}
			took = append(took, time.Since(begin))
			if err := p.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		cold[i] = median(took)
		plugins[i] = load(b, engine, wasm)
		one, rows := bind(b, plugins[i], ds)
		bound, ranges = append(bound, one), rows
	}
	for b.Loop() {
		took := make([][]time.Duration, len(languages)+1)
		for range rounds {
			for i, p := range plugins {
				begin := time.Now()
				for range jobs {
					if _, err := p.Answer(b.Context(), bound[i], ranges); err != nil {
						b.Fatal(err)
					}
				}
				took[i] = append(took[i], time.Since(begin)/jobs)
			}
			begin := time.Now()
			for range jobs {
				native(ds, ranges)
			}
			took[len(languages)] = append(took[len(languages)], time.Since(begin)/jobs)
		}
		best, loop := median(took[0]), median(took[len(languages)])
		for i := range languages {
			best = min(best, median(took[i]))
		}
		b.Logf("| language | module, KB | a job, us | times the fastest | times native | first answer, ms |")
		for i, language := range languages {
			d := median(took[i])
			b.Logf("| %s | %d | %.0f | %.2f | %.2f | %.1f |", language, len(wasmOf(b, language))/1000, float64(d.Nanoseconds())/1000, float64(d)/float64(best), float64(d)/float64(loop), float64(cold[i].Microseconds())/1000)
		}
		b.Logf("| a native loop in Go | | %.0f | | 1 | |", float64(loop.Nanoseconds())/1000)
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
