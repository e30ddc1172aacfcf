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

// kernelSize is a kernel and how much of it is run.
type kernelSize struct {
	name string
	n    uint64
}

var kernels = []kernelSize{
	{"scan", 104_000}, {"group", 104_000}, {"sort", 20_000}, {"sortby", 500}, {"format", 10_000}, {"recurse", 23},
	{"copy", 104_000}, {"bulk", 20_000}, {"hash", 20_000}, {"matrix", 40}, {"switch", 104_000},
}

// kernel is the kernels' module, instantiated.
func kernel(t testing.TB, config wazero.RuntimeConfig, h *host) api.Module {
	t.Helper()
	ctx := context.Background()
	wasm := read(t, "kernels")
	r := wazero.NewRuntimeWithConfig(ctx, config)
	t.Cleanup(func() { _ = r.Close(ctx) })
	if h != nil {
		var err error
		if wasm, _, err = Rewrite(wasm, Config{}); err != nil {
			t.Fatal(err)
		}
		h.register(t, r)
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
	hosts := [2]*host{{slice: 1_000_000}, {slice: 1_000_000}}
	for i, set := range []struct {
		name    string
		kernels []kernelSize
		mods    [3]api.Module
	}{
		{"wat", kernels, [3]api.Module{
			kernel(b, engine(), nil),
			kernel(b, engine(), hosts[0]),
			kernel(b, engine().WithCloseOnContextDone(true), nil),
		}},
		{"go", goKernels, [3]api.Module{
			first(goInstance(b, nil, engine())),
			first(goInstance(b, hosts[1], engine())),
			first(goInstance(b, nil, engine().WithCloseOnContextDone(true))),
		}},
	} {
		b.Run(set.name, func(b *testing.B) {
			for range b.N {
				sideBySide(b, set.kernels, set.mods, hosts[i])
			}
		})
	}
}

func first(mod api.Module, _ *Info) api.Module { return mod }

func sideBySide(b *testing.B, kernels []kernelSize, mods [3]api.Module, h *host) {
	b.Helper()
	product, worst := 1.0, 0.0
	for _, k := range kernels {
		var best [3]time.Duration
		var result [3]uint64
		before := h.spent(mods[1])
		const rounds = 60
		for round := range rounds {
			for i, mod := range mods {
				ctx, cancel := context.WithCancel(context.Background())
				f := mod.ExportedFunction(k.name)
				start := time.Now()
				out, err := f.Call(ctx, k.n)
				took := time.Since(start)
				cancel()
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
		spent := float64(h.spent(mods[1])-before) / rounds
		metered := float64(best[1]) / float64(best[0])
		product *= metered
		worst = max(worst, metered)
		fmt.Printf("%-8s plain %9v  metered %9v  %5.2f times, %5.0f units a us  close-on-done %6.2f times\n",
			k.name, best[0], best[1], metered, spent/float64(best[1])*1000, float64(best[2])/float64(best[0]))
	}
	b.ReportMetric(math.Pow(product, 1/float64(len(kernels))), "geomean")
	b.ReportMetric(worst, "worst")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBulk says how many units of fuel a microsecond of fills and copies
// costs, within the cache and beyond it. BenchmarkMeter says it of other code.
func BenchmarkBulk(b *testing.B) {
	for _, c := range []struct {
		name, function string
		args           []uint64
	}{
		{"fill/64KiB", "fill", []uint64{0, 1, 64 << 10}},
		{"fill/48MiB", "fill", []uint64{0, 1, 48 << 20}},
		{"copy/64KiB", "copy", []uint64{0, 128 << 10, 64 << 10}},
		{"copy/up", "copy", []uint64{32768, 0, 48 << 20}},
		{"copy/down", "copy", []uint64{0, 32768, 48 << 20}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := &host{slice: 100_000}
			mod, _ := start(b, read(b, "guests"), h)
			if _, err := mod.ExportedFunction("grow").Call(b.Context(), 1000); err != nil {
				b.Fatal(err)
			}
			f := mod.ExportedFunction(c.function)
			if _, err := f.Call(b.Context(), c.args...); err != nil { // touches each page
				b.Fatal(err)
			}
			before := h.spent(mod)
			for b.Loop() {
				if _, err := f.Call(b.Context(), c.args...); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(c.args[2]))
			b.ReportMetric(float64(h.spent(mod)-before)/float64(b.Elapsed().Microseconds()), "units/us")
		})
	}
}
