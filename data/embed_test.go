package data_test

import (
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
)

// TestSample: the sample is what it claims to be, and a build without it says how
// to make it.
func TestSample(t *testing.T) {
	b, err := data.Sample()
	if err != nil {
		if !strings.Contains(err.Error(), "make generate") {
			t.Errorf("%v, want how to make it", err)
		}
		return
	}
	ds, err := dataset.ReadArrow(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := ds.Verify(); err != nil {
		t.Error(err)
	}
	if info := ds.Info(); info.Name != "npao_sample" || !info.Synthetic {
		t.Errorf("%+v, want npao_sample, marked as synthetic", info)
	}
}
