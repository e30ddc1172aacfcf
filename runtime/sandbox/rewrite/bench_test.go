package rewrite

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var kernels = []struct {
	name string
	n    uint64
}{
	{"scan", 104_000}, {"group", 104_000}, {"sort", 20_000}, {"sortby", 500}, {"format", 10_000}, {"recurse", 23},
	{"copy", 104_000}, {"bulk", 20_000}, {"hash", 20_000}, {"matrix", 40}, {"switch", 104_000},
}

// kernel is the kernels' module, instantiated.
func kernel(t testing.TB, ctx context.Context, config wazero.RuntimeConfig, cfg *Config) api.Module {
	t.Helper()
	wasm := read(t, "kernels")
	r := wazero.NewRuntimeWithConfig(ctx, config)
	t.Cleanup(func() { _ = r.Close(ctx) })
	if cfg != nil {
		var err error
		if wasm, _, err = Rewrite(wasm, *cfg); err != nil {
			t.Fatal(err)
		}
		(&host{slice: 1_000_000}).register(t, ctx, r)
	}
	mod, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	// Numbers as a column has them, in a random order; two values in three are there.
	random := rand.New(rand.NewPCG(1, 2))
	for at := uint32(0); at < 1<<20; at += 8 {
		mod.Memory().WriteFloat64Le(at, float64(random.IntN(1000))/10)
	}
	for at := uint32(2 << 20); at < 3<<20; at++ {
		mod.Memory().WriteByte(at, byte(random.Uint32()|random.Uint32()))
	}
	return mod
}

// BenchmarkMeter prints, for each kernel, how many times slower it is metered
// than plain, and how many times slower with the engine's own way to stop a
// guest. Runs of the three alternate; the fastest of each counts.
func BenchmarkMeter(b *testing.B) {
	ctx := context.Background()
	stoppable, cancel := context.WithCancel(ctx)
	defer cancel()
	mods := []struct {
		ctx context.Context
		mod api.Module
	}{
		{ctx, kernel(b, ctx, wazero.NewRuntimeConfigCompiler(), nil)},
		{ctx, kernel(b, ctx, wazero.NewRuntimeConfigCompiler(), &Config{})},
		{stoppable, kernel(b, ctx, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true), nil)},
	}
	product, worst := 1.0, 0.0
	for _, k := range kernels {
		var best [3]time.Duration
		var result [3]uint64
		for round := range 100 {
			for i, m := range mods {
				start := time.Now()
				out, err := m.mod.ExportedFunction(k.name).Call(m.ctx, k.n)
				took := time.Since(start)
				if err != nil {
					b.Fatal(k.name, err)
				}
				if result[i] = out[0]; round == 0 || took < best[i] {
					best[i] = took
				}
			}
		}
		if result[0] != result[1] || result[0] != result[2] {
			b.Fatalf("%s: results differ: %v", k.name, result)
		}
		metered := float64(best[1]) / float64(best[0])
		product *= metered
		worst = max(worst, metered)
		fmt.Printf("%-8s plain %8v  metered %8v  %5.2f times  close-on-done %6.2f times\n",
			k.name, best[0], best[1], metered, float64(best[2])/float64(best[0]))
	}
	b.ReportMetric(math.Pow(product, 1/float64(len(kernels))), "geomean")
	b.ReportMetric(worst, "worst")
	b.ReportMetric(0, "ns/op")
}
