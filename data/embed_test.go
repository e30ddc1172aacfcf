package data_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
)

// TestSample: the sample is what it claims to be, and a build without it says so.
func TestSample(t *testing.T) {
	b, err := data.Sample()
	if err != nil {
		if !strings.Contains(err.Error(), "without its sample") {
			t.Errorf("%v, want what is missing", err)
		}
		return
	}
	// A start opens it: nothing of its 8 MB is copied.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	again, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadArrow(again)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; &b[0] != &again[0] || n > 1<<20 {
		t.Errorf("opening it allocates %d bytes", n)
	}
	if err := ds.Verify(); err != nil {
		t.Error(err)
	}
	if info := ds.Info(); info.Name != "npao_sample" || !info.Synthetic {
		t.Errorf("%+v, want npao_sample, marked as synthetic", info)
	}
}
