package sandbox

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// askRunaway asks the plugin runaway, and returns the fuel that was spent.
func askRunaway(ctx context.Context, p *Plugin, name string) (int64, error) {
	b, err := p.Manifest().Bind(question.Request{Question: name}, newFakeDataset())
	if err != nil {
		return 0, err
	}
	_, used, err := p.Measure(ctx, b, nil)
	return used.Fuel, err
}

func TestLimits(t *testing.T) {
	p := load(t, Config{Limits: Limits{Fuel: 200_000_000, Time: time.Minute, Log: 1 << 20}}, "runaway")
	for _, test := range []struct {
		question string
		code     question.Code
		part     string
	}{
		{"spin", question.CodeFuelLimit, "200000000 units"},
		{"tree", question.CodeFuelLimit, "200000000 units"},
		{"recurse", question.CodeDepthLimit, "4 MiB"},
		{"fill", question.CodeFuelLimit, "200000000 units"},
		{"progress", question.CodeFuelLimit, "200000000 units"},
		{"random", question.CodeFuelLimit, "200000000 units"},
		{"log", question.CodeLogLimit, "1 MiB"},
		{"write", question.CodeLogLimit, "1 MiB"},
	} {
		t.Run(test.question, func(t *testing.T) {
			first, err := askRunaway(t.Context(), p, test.question)
			wantError(t, err, test.code, test.part)
			again, err := askRunaway(t.Context(), p, test.question)
			wantError(t, err, test.code, test.part)
			if first != again {
				t.Errorf("it was stopped after %d units, then after %d", first, again)
			}
			if _, err := askRunaway(t.Context(), p, "works"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLimitsOfOnePlugin(t *testing.T) {
	p := load(t, Config{Plugins: map[string]Limits{"runaway": {Fuel: 5_000_000, Stack: 64 << 10}, "other": {Fuel: 1}}}, "runaway")
	_, err := askRunaway(t.Context(), p, "spin")
	wantError(t, err, question.CodeFuelLimit, "5000000 units")
	_, err = askRunaway(t.Context(), p, "recurse")
	wantError(t, err, question.CodeDepthLimit, "65536 bytes")
	for _, bad := range []Limits{{Memory: 1}, {Fuel: -1}, {Time: -1}, {Stack: 1}, {Stack: 1 << 40}} {
		if _, err := New(t.Context(), Config{Plugins: map[string]Limits{"bad": bad}}, newFakeDataset()); err == nil || !strings.Contains(err.Error(), "plugin bad") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A recursion bomb costs about the stack that it is allowed, not what it likes.
func TestRecursionIsCheap(t *testing.T) {
	p := load(t, Config{}, "runaway")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	_, err := askRunaway(t.Context(), p, "recurse")
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	wantError(t, err, question.CodeDepthLimit)
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 40 {
		t.Errorf("it cost %d MiB", mib)
	}
	t.Logf("%d KiB, %v", (after.TotalAlloc-before.TotalAlloc)>>10, took)
}

// While guests run that call nothing of their own will, Go's collector gets its turn,
// and cancelling stops them: were it not so, the first collection would last until
// their time was up, and they would end by that. How long either takes depends on what
// else the machine does: BenchmarkStopping measures it.
func TestNobodyIsHeldUp(t *testing.T) {
	p := load(t, Config{Limits: Limits{Time: time.Minute, Fuel: 1 << 50, Log: 1 << 40}, Slots: 2}, "runaway")
	for _, name := range runaways {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			const guests = 2
			ended := make(chan error, guests)
			for range guests {
				go func() {
					_, err := askRunaway(ctx, p, name)
					ended <- err
				}()
			}
			time.Sleep(20 * time.Millisecond)
			for range 5 {
				runtime.GC()
			}
			if n := len(ended); n > 0 {
				t.Errorf("%d guests ended before they were cancelled", n)
			}
			cancel()
			for range guests {
				wantError(t, <-ended, question.CodeCancelled)
			}
		})
	}
}

// runaways are questions of runaway.wat that never end by themselves.
var runaways = []string{"spin", "tree", "fill", "progress", "random", "write"}

// BenchmarkStopping is what a guest that never ends costs others: how long Go's
// collector takes beside it, and how long it runs on when it is cancelled.
func BenchmarkStopping(b *testing.B) {
	p := load(b, Config{Limits: Limits{Time: time.Minute, Fuel: 1 << 50, Log: 1 << 40}, Slots: 1}, "runaway")
	for _, name := range runaways {
		b.Run(name, func(b *testing.B) {
			var collections, stops []time.Duration
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				go func() {
					_, err := askRunaway(ctx, p, name)
					ended <- err
				}()
				time.Sleep(10 * time.Millisecond)
				start := time.Now()
				runtime.GC()
				collections = append(collections, time.Since(start))
				start = time.Now()
				cancel()
				err := <-ended
				stops = append(stops, time.Since(start))
				if question.CodeOf(err) != question.CodeCancelled {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(durations(collections).at(0.5).Microseconds())/1000, "gc-p50-ms")
			b.ReportMetric(float64(durations(stops).at(0.5).Microseconds())/1000, "stop-p50-ms")
			b.ReportMetric(float64(durations(stops).at(1).Microseconds())/1000, "stop-max-ms")
		})
	}
}

func TestSlotsAreFew(t *testing.T) {
	p := load(t, Config{Limits: Limits{Time: time.Minute, Fuel: 1 << 50}, Slots: 1}, "runaway")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := askRunaway(ctx, p, "spin")
		ended <- err
	}()
	for len(p.slots.running) == 0 {
		time.Sleep(time.Millisecond)
	}
	soon, stop := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer stop()
	_, err := askRunaway(soon, p, "works") // the one slot is taken
	wantError(t, err, question.CodeTimeLimit, "caller")
	cancel()
	wantError(t, <-ended, question.CodeCancelled)
	if _, err := askRunaway(t.Context(), p, "works"); err != nil {
		t.Error(err)
	}
}

func TestBudget(t *testing.T) {
	ds := newFakeDataset()
	t.Run("a plugin that does not fit", func(t *testing.T) {
		e := newEngine(t, Config{Limits: Limits{Memory: 32 << 20}, Budget: 40 << 20}, ds)
		_, err := e.Load(t.Context(), fixture(t, "runaway"))
		wantError(t, err, question.CodeBadPlugin, "not enough memory", "40 MiB")
	})
	t.Run("jobs wait", func(t *testing.T) {
		// One job has 32 MiB, twice 4 MiB of stack, and 4 MiB of result.
		e := newEngine(t, Config{Limits: Limits{Memory: 32 << 20, Time: time.Minute, Fuel: 1 << 50}, Budget: 80 << 20, Slots: 4}, ds)
		p, err := e.Load(t.Context(), fixture(t, "runaway"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := askRunaway(ctx, p, "spin")
				ended <- err
			}()
		}
		for deadline := time.Now().Add(10 * time.Second); e.stats().Waiting < 2; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%+v", e.stats())
			}
		}
		if s := e.stats(); s.BudgetUsed > s.Budget || s.BudgetUsed < 44<<20 {
			t.Errorf("%+v", s)
		}
		cancel()
		for range 3 {
			wantError(t, <-ended, question.CodeCancelled)
		}
		if _, err := askRunaway(t.Context(), p, "works"); err != nil {
			t.Error(err)
		}
	})
	t.Run("idle slots make room", func(t *testing.T) {
		e := newEngine(t, Config{strategy: resetCopy, Limits: Limits{Memory: 32 << 20}, Budget: 128 << 20, Slots: 1}, ds)
		for range 2 { // 16 MiB for an image and as much for an idle slot
			p, err := e.Load(t.Context(), fixture(t, "runaway"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := askRunaway(t.Context(), p, "works"); err != nil {
				t.Fatal(err)
			}
		}
		if s := e.stats(); s.Waiting != 0 || s.BudgetUsed > s.Budget {
			t.Errorf("%+v", s)
		}
	})
}

func TestBudgetHammer(t *testing.T) {
	b := budget{total: 100, reclaim: func() {}}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				n := uint64((g*31+i*17)%60 + 1)
				done := make(chan struct{})
				if i%5 == 0 {
					time.AfterFunc(time.Duration(i%3)*50*time.Microsecond, func() { close(done) })
				}
				if b.take(n, done, nil, nil) {
					if used, _ := b.state(); used > 100 {
						t.Errorf("%d of 100 are in use", used)
					}
					runtime.Gosched()
					b.give(n)
				}
			}
		})
	}
	wg.Wait()
	if used, waiting := b.state(); used != 0 || waiting != 0 {
		t.Errorf("%d in use, %d waiting", used, waiting)
	}
}

// Loading a plugin fills the cache, which is what `lestats plugin compile` does.
func TestLoadFillsTheCache(t *testing.T) {
	dir := t.TempDir()
	loads := func() string {
		var log bytes.Buffer
		e := newEngine(t, Config{CacheDir: dir, Log: textLog(&log)}, newFakeDataset())
		_, err := e.Load(t.Context(), fixture(t, "no_memory"))
		wantError(t, err, question.CodeBadPlugin, "memory")
		p, err := e.Load(t.Context(), fixture(t, "good"))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	if log := loads(); !strings.Contains(log, "compiled and cached") {
		t.Errorf("it was not said that it was compiled: %s", log)
	}
	if log := loads(); strings.Contains(log, "compiled") {
		t.Errorf("it was compiled again: %s", log)
	}
}

func TestWays(t *testing.T) {
	var log bytes.Buffer
	newEngine(t, Config{Log: textLog(&log)}, newFakeDataset())
	if !strings.Contains(log.String(), "reset") {
		t.Errorf("it is not logged how sandboxes are reset: %q", log.String())
	}
	if runtime.GOOS == "linux" {
		if p := probe(resetBest); p.strategy != resetDirtyPages {
			t.Logf("this system resets by %s: %v", p.strategy, p.missing)
		} else {
			p.close()
		}
	}
}
