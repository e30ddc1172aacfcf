package sandbox

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// To a guest time never goes back, wherever it waits: not from opening to a job, in
// a slot or in an instance of the job's own, and not at the end of all time.
func TestClockNeverGoesBack(t *testing.T) {
	for _, strategy := range []resetStrategy{resetBest, resetRemap, resetCopy} {
		for _, fresh := range []bool{false, true} {
			p := load(t, Config{strategy: strategy, Slots: 1}, "patience")
			if fresh { // as a plugin whose image cannot be restored
				p.discard(p.slots.takeIdle(time.Now().Add(time.Hour), time.Hour))
				img := p.image
				p.image = nil
				t.Cleanup(img.release)
			}
			for range 3 {
				table, err := ask(t.Context(), p, newFakeDataset(), "patience", nil)
				if err != nil {
					t.Fatal(err)
				}
				if back := table.Columns[0].Integers[0]; back != 0 {
					t.Errorf("%s, a new instance for each job: %t: it went back %d times", strategy, fresh, back)
				}
			}
		}
	}
}

// tight returns an engine with two plugins and memory for one job.
func tight(t *testing.T, slots int) (*Engine, []*Plugin) {
	t.Helper()
	limits := Limits{Memory: 8 << 20, Result: 1 << 20, Stack: 1 << 20}
	wasm := fixture(t, "good")
	first, err := newEngine(t, Config{Limits: limits}, newFakeDataset()).Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, Config{Limits: limits, Budget: 2*first.kept + 64 + first.jobCost(), Slots: slots, IdleFor: time.Hour}, newFakeDataset())
	var plugins []*Plugin
	for k := range 2 {
		p, err := e.Load(t.Context(), append(wasm, custom("", []byte{byte(k)})...))
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, p)
	}
	return e, plugins
}

// Jobs that share memory for one all come to their turn: none waits for what an idle
// sandbox holds, or holds what another waits for.
func TestTightBudgetHammer(t *testing.T) {
	const each = 3000
	e, plugins := tight(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for range each {
				if _, err := ask(ctx, plugins[k%2], newFakeDataset(), "echo", nil); err != nil {
					t.Error(err, e.stats())
					return
				}
			}
		})
	}
	wg.Wait()
	if s := e.stats(); s.Begun != 4*each || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// Two jobs whose plugins each have an idle sandbox, and memory for one job: were they
// to wait with the sandboxes in hand, each would wait for the other for ever.
func TestWaitingHoldsNothing(t *testing.T) {
	e, plugins := tight(t, 1)
	total := e.budget.total
	e.budget.total *= 4 // until both have an idle sandbox
	for _, p := range plugins {
		if _, err := ask(t.Context(), p, newFakeDataset(), "echo", nil); err != nil {
			t.Fatal(err)
		}
	}
	e.budget.total = total
	if used, _ := e.budget.state(); e.stats().Idle != 2 || used == plugins[0].kept+plugins[1].kept {
		t.Fatalf("the sandboxes are not idle, or worth nothing: %+v", e.stats())
	}
	// Each comes to where idle sandboxes are freed before any is, or one has ended.
	var ended sync.WaitGroup
	var events atomic.Int32
	var once sync.Once
	happened := make(chan struct{})
	count := func(n int32) {
		if events.Add(n) >= 2 {
			once.Do(func() { close(happened) })
		}
	}
	e.budget.reclaim = func() {
		count(1)
		<-happened
		e.reclaim()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, p := range plugins {
		ended.Go(func() {
			if _, err := ask(ctx, p, newFakeDataset(), "echo", nil); err != nil {
				t.Error(err)
			}
			count(2)
		})
	}
	ended.Wait()
}

// A job that never had a sandbox does not say that it ran.
func TestNeverRan(t *testing.T) {
	e, plugins := tight(t, 1)
	p := plugins[0]
	free := e.budget.total - plugins[0].kept - plugins[1].kept
	if !e.budget.take(free, nil, nil, nil) {
		t.Fatal("there is no memory to take")
	}
	b, err := p.Manifest().Bind(question.Request{Question: "echo"}, newFakeDataset())
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, used, err := p.Measure(ctx, b, nil)
		wantError(t, err, question.CodeTimeLimit, "waited for "+what, "did not run")
		if used != (question.Usage{}) {
			t.Errorf("it used %+v", used)
		}
	}
	check("memory")
	e.budget.give(free)
	p.slots.running <- struct{}{}
	check("a sandbox")
	<-p.slots.running
	if s := e.stats(); s.Begun != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := p.Answer(t.Context(), b, nil); err != nil {
		t.Error(err)
	}
}

// A plugin is refused where a job of one that is there already would then never
// have enough memory.
func TestKeepLeavesRoomForTheLargestJob(t *testing.T) {
	b := budget{total: 100, least: 30, reclaim: func() {}}
	for _, step := range []struct {
		claim
		fits bool
	}{{claim{10, 50}, true}, {claim{50, 10}, false}, {claim{40, 10}, true}, {claim{1, 1}, false}} {
		if err := b.keep(step.claim); (err == nil) != step.fits {
			t.Errorf("%+v: %v", step, err)
		}
	}
	b.unkeep(claim{10, 50})
	if err := b.keep(claim{30, 10}); err != nil { // 30 stay for the compiler
		t.Error(err)
	}
	if err := b.keep(claim{1, 1}); err == nil {
		t.Error("nothing is left to compile in")
	}
}
