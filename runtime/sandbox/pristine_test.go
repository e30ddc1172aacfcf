package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// pristineJobs is how many jobs each of the tests of remembering runs. The full
// run is LESTATS_PRISTINE_JOBS=100000 go test -run Pristine ./runtime/sandbox.
func pristineJobs(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("LESTATS_PRISTINE_JOBS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eachStrategy runs each with those that this system has.
func eachStrategy(t *testing.T, each func(*testing.T, resetStrategy)) {
	for _, w := range []resetStrategy{resetCopy, resetRemap, resetDirtyPages} {
		t.Run(w.String(), func(t *testing.T) {
			p := probe(w)
			p.close()
			if p.strategy != w {
				testtool.Without(t, fmt.Sprintf("the system has it not: %v", p.missing))
			}
			each(t, w)
		})
	}
}

// checkPristine checks that an instance about to do a job equals the
// plugin's image byte for byte.
func checkPristine(t *testing.T, in *instance) {
	t.Helper()
	img := in.plugin.image
	if !bytes.Equal(in.view(), img.bytes) {
		for i := range in.view() {
			if in.view()[i] != img.bytes[i] {
				t.Fatalf("byte %#x of the memory is %#x; in the image %#x", i, in.view()[i], img.bytes[i])
			}
		}
	}
	if got := in.mod.Memory().Size(); int(got) != len(img.bytes) {
		t.Fatalf("the memory has %d bytes; the image %d", got, len(img.bytes))
	}
	for i, g := range in.globals {
		if g.Get() != img.globals[i] {
			t.Fatalf("global %d is %d; in the image %d", i, g.Get(), img.globals[i])
		}
	}
}

// TestPristine has a plugin that tries to remember asked by several workers, with
// traps and other ends between. Every 16th job looks at all bytes first.
func TestPristine(t *testing.T) {
	eachStrategy(t, func(t *testing.T, w resetStrategy) {
		e := newEngine(t, Config{strategy: w, Slots: 4, Limits: Limits{Memory: 20 << 20}}, newFakeDataset())
		p, err := e.Load(t.Context(), fixture(t, "remember"))
		if err != nil {
			t.Fatal(err)
		}
		if p.image == nil {
			t.Fatal("it has no image")
		}
		// It would tell: without a reset the second job finds what the first has left.
		in, failed := p.acquire(t.Context(), nil)
		if failed != nil {
			t.Fatal(failed)
		}
		b, err := p.Manifest().Bind(question.Request{Question: "look"}, newFakeDataset())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{0, 8} {
			table, _, failed := in.answer(t.Context(), nil, b, nil)
			if failed != nil || table.Columns[0].Integers[0] != want {
				t.Fatalf("job %d of an instance that is not reset: %v, %v; want %d", i, table, failed, want)
			}
		}
		p.giveBack(t.Context(), in, true)

		jobs, workers := pristineJobs(t, 2000), 4
		var wg sync.WaitGroup
		var fuel atomic.Int64
		for worker := range workers {
			wg.Go(func() {
				for i := range jobs / workers {
					name := "look"
					switch (worker + i) % 50 {
					case 7:
						name = "trap"
					case 17:
						name = "exit"
					case 27:
						name = "sprawl"
					}
					n, spent, err := lookOnce(t, p, name, i%16 == 0)
					switch {
					case name == "trap" || name == "exit":
						if question.CodeOf(err) != question.CodePluginTrap {
							t.Errorf("%s: %v", name, err)
						}
					case err != nil || n != 0:
						t.Errorf("worker %d, job %d, %s: it found %d things; %v", worker, i, name, n, err)
					case name == "look":
						if before := fuel.Swap(spent); before != 0 && before != spent {
							t.Errorf("it spent %d units of fuel, and %d before", spent, before)
						}
					}
				}
			})
		}
		wg.Wait()
	})
}

// lookOnce asks a question without parameters for its one number.
func lookOnce(t *testing.T, p *Plugin, name string, check bool) (n, fuel int64, err error) {
	ctx := context.Background()
	b, err := p.Manifest().Bind(question.Request{Question: name}, newFakeDataset())
	if err != nil {
		return 0, 0, err
	}
	if check {
		in, failed := p.acquire(ctx, nil)
		if failed != nil {
			return 0, 0, failed
		}
		checkPristine(t, in)
		table, whole, failed := in.answer(ctx, nil, b, nil)
		fuel = in.meter.total()
		p.giveBack(ctx, in, whole)
		if failed != nil {
			return 0, fuel, failed
		}
		return table.Columns[0].Integers[0], fuel, nil
	}
	table, used, failed := p.answer(ctx, b, nil, nil)
	if failed != nil {
		return 0, used.Fuel, failed
	}
	return table.Columns[0].Integers[0], used.Fuel, nil
}

// A plugin whose state cannot be reset gets a new instance for each job.
func TestPristineTables(t *testing.T) {
	p := load(t, Config{}, "remember_tables")
	if p.image != nil {
		t.Error("it has an image")
	}
	for range pristineJobs(t, 300) / 10 {
		if n := one(t, p, "look"); n != 0 {
			t.Fatalf("it found %d things", n)
		}
	}
}

func TestPristineGo(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	ds := newFakeDataset()
	eachStrategy(t, func(t *testing.T, w resetStrategy) {
		e := newEngine(t, Config{strategy: w, CacheDir: goCache, Slots: 3, Limits: Limits{Memory: 32 << 20}}, ds)
		p, err := e.Load(t.Context(), buildGo(t, "./testdata/goguest"))
		if err != nil {
			t.Fatal(err)
		}
		all := question.Range{Start: 0, Count: 8}
		var wg sync.WaitGroup
		first, err := ask(t.Context(), p, ds, "remembers", nil, all)
		if err != nil {
			t.Fatal(err)
		}
		said := first.Columns[0].Dict[0]
		for worker := range 3 {
			wg.Go(func() {
				for i := range pristineJobs(t, 300) / 3 {
					if (worker+i)%20 == 3 { // ends in the middle of things
						for _, name := range []string{"panics_aside", "exits", "panics"} {
							if _, err := ask(context.Background(), p, ds, name, nil, all); err == nil {
								t.Error("there was no error")
							}
						}
					}
					got, err := ask(context.Background(), p, ds, "remembers", nil, all)
					if err != nil || got.Columns[0].Dict[0] != said {
						t.Errorf("worker %d, job %d: %v, %v; first it said %q", worker, i, got, err, said)
					}
				}
			})
		}
		wg.Wait()
		in, failed := p.acquire(t.Context(), nil)
		if failed != nil {
			t.Fatal(failed)
		}
		checkPristine(t, in)
		p.giveBack(t.Context(), in, true)
	})
}

// Two plugins never see each other's slots, and columns that one scribbles over
// are whole for the other.
func TestPristineNeighbours(t *testing.T) {
	ds := newFakeDataset()
	e := newEngine(t, Config{Slots: 2}, ds)
	bad, err := e.Load(t.Context(), fixture(t, "remember"))
	if err != nil {
		t.Fatal(err)
	}
	good, err := e.Load(t.Context(), fixture(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := ask(t.Context(), bad, ds, "look", nil); err != nil {
			t.Fatal(err)
		}
		got, err := ask(t.Context(), good, ds, "sum", nil, question.Range{Start: 0, Count: 8})
		if err != nil || got.Columns[1].Numbers[0] != 10.5 {
			t.Fatal(got, err)
		}
	}
}

// The same job spends the same fuel, whatever the reset strategy and
// whether its instance is its first.
func TestFuelIsTheSame(t *testing.T) {
	ds := surveyDataset(20_000)
	obesity := int32(slices.Index(ds.columns[0].Dict, "Percent of adults aged 18 years and older who have obesity"))
	want := map[string]int64{}
	eachStrategy(t, func(t *testing.T, w resetStrategy) {
		p, err := newEngine(t, Config{strategy: w, CacheDir: goCache}, ds).Load(t.Context(), buildGo(t, sportifs))
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			for _, q := range fitting(p.Manifest(), ds) {
				b, err := p.Manifest().Bind(question.Request{Question: q.Name, Params: surveyParams(ds, q, obesity)}, ds)
				if err != nil {
					t.Fatal(err)
				}
				_, used, failed := p.answer(t.Context(), b, []question.Range{ds.rowsOf(obesity)}, nil)
				if failed != nil {
					t.Fatal(failed)
				}
				if want[q.Name] == 0 {
					want[q.Name] = used.Fuel
				}
				if fuel := used.Fuel; fuel != want[q.Name] || fuel < 100_000 {
					t.Errorf("round %d: %s spent %d units; %d before", round, q.Name, fuel, want[q.Name])
				}
			}
		}
	})
}

func TestIdleSlotsAreEvicted(t *testing.T) {
	e := newEngine(t, Config{IdleFor: 30 * time.Millisecond}, newFakeDataset())
	p, err := e.Load(t.Context(), fixture(t, "remember"))
	if err != nil {
		t.Fatal(err)
	}
	one(t, p, "look")
	if s := e.stats(); s.Plugins != 1 || s.Begun != 1 {
		t.Errorf("%+v", s)
	}
	for deadline := time.Now().Add(10 * time.Second); e.stats().Idle > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", e.stats())
		}
	}
	if n := one(t, p, "look"); n != 0 {
		t.Errorf("it found %d things", n)
	}
}

// A plugin that grows, traps and comes and goes leaves nothing behind.
func TestNothingLeaks(t *testing.T) {
	e := newEngine(t, Config{Slots: 2, Limits: Limits{Memory: 20 << 20}}, newFakeDataset())
	round := func() {
		p, err := e.Load(t.Context(), fixture(t, "remember"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"look", "sprawl", "trap", "look", "exit"} {
			_, _ = ask(t.Context(), p, newFakeDataset(), name, nil)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round()
	files, maps := count(t, "/proc/self/fd"), mappings(t)
	used, _ := e.budget.state()
	for range 20 {
		round()
	}
	runtime.GC()
	if now := count(t, "/proc/self/fd"); now > files+3 {
		t.Errorf("%d files were open, and %d are", files, now)
	}
	if now := mappings(t); now > maps+15 {
		t.Errorf("%d mappings were there, and %d are", maps, now)
	}
	if now, _ := e.budget.state(); now != used || used != 0 {
		t.Errorf("%d bytes of the budget were in use, and %d are", used, now)
	}
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("no " + dir)
	}
	return len(entries)
}

func mappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("no /proc/self/maps")
	}
	return bytes.Count(b, []byte("\n"))
}
