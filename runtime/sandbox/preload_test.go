package sandbox

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// preloading returns an engine that has got its dataset while a module was preloaded.
func preloading(t *testing.T, wasm []byte) *Engine {
	t.Helper()
	e := newEngine(t, Config{CacheDir: t.TempDir(), Slots: 1}, nil)
	e.Preload(wasm)
	if err := e.SetDataset(newFakeDataset()); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPreload(t *testing.T) {
	wasm := fixture(t, "runaway")
	e := preloading(t, wasm)
	pre := e.preloaded
	var loads sync.WaitGroup
	loaded := make([]*Plugin, 3)
	for i := range loaded {
		loads.Go(func() {
			var err error
			if loaded[i], err = e.Load(t.Context(), bytes.Clone(wasm)); err != nil {
				t.Error(err)
				return
			}
			if _, err := askRunaway(t.Context(), loaded[i], "works"); err != nil {
				t.Error(err)
			}
		})
	}
	loads.Wait()
	taken := 0
	for _, p := range loaded {
		if p == pre.plugin {
			taken++
		}
	}
	if taken != 1 || e.preloaded != nil {
		t.Errorf("the preloaded plugin was returned %d times", taken)
	}
}

// A preloaded plugin that nobody loads is released when the engine is closed, which
// newEngine and goleak check.
func TestPreloadUnused(t *testing.T) {
	e := preloading(t, fixture(t, "good"))
	if _, err := e.Load(t.Context(), fixture(t, "runaway")); err != nil {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Load(canceled, fixture(t, "good")); err != nil && question.CodeOf(err) != question.CodeCancelled {
		t.Error(err) // it may have been loaded before the context was looked at
	}
}

func TestPreloadRefused(t *testing.T) {
	e := preloading(t, fixture(t, "no_answer"))
	_, err := e.Load(t.Context(), fixture(t, "no_answer"))
	if bad := (*question.Error)(nil); !errors.As(err, &bad) || bad.Code != question.CodeBadPlugin {
		t.Errorf("%v", err)
	}
}
