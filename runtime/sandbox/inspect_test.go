package sandbox

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestInspectFindsEverything(t *testing.T) {
	in, err := newEngine(t, Config{}, newFakeDataset()).Inspect(t.Context(), fixture(t, "many_faults"))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ part, reason string }{
		{"imports", `"env.abort"`},
		{"imports", `"lestats_v1.log"`},
		{"exports", `"lestats_v1_alloc" has the type (i32) -> i32`},
		{"exports", `"lestats_v1_describe" has the type () -> i32`},
		{"exports", `not export "lestats_v1_answer"`},
		{"exports", `"lestats_v1_anwser"`},
		{"exports", `"__lestats_fuel"`},
		{"exports", `not export "memory"`},
		{"memory", "its tables"},
	}
	for i, f := range in.Faults {
		if i >= len(want) || f.Part != want[i].part || !strings.Contains(f.Err.Reason, want[i].reason) {
			t.Errorf("fault %d is %s: %s", i, f.Part, f.Err.Reason)
		}
	}
	if len(in.Faults) != len(want) || in.Manifest != nil || in.Memory != wasmPage || !slices.Contains(in.Exports, "__lestats_fuel") ||
		!slices.Equal(in.Imports, []string{"env.abort", "lestats_v1.log"}) {
		t.Errorf("%d faults, %+v", len(in.Faults), in)
	}
}

// A module with a vector in a type is valid, and refused with the reason.
func TestInspectNamesVectors(t *testing.T) {
	in, err := newEngine(t, Config{}, newFakeDataset()).Inspect(t.Context(), []byte("\x00asm\x01\x00\x00\x00\x01\x05\x01\x60\x01\x7b\x00"))
	if err != nil || len(in.Faults) != 1 {
		t.Fatal(in, err)
	}
	if reason := in.Faults[0].Err.Reason; strings.Contains(reason, "not a valid") || !strings.Contains(reason, "-mno-simd128") {
		t.Error(reason)
	}
}

// What Inspect finds first is why Load refuses, and where it finds nothing Load
// gets as far as the manifest.
func TestInspectAgreesWithLoad(t *testing.T) {
	files, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(files) < 40 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		e := newEngine(t, Config{Limits: Limits{Time: short, Memory: 2 << 20, Fuel: 10_000_000}}, newFakeDataset())
		in, err := e.Inspect(t.Context(), fixture(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := e.Load(t.Context(), fixture(t, name))
		switch {
		case len(in.Faults) > 0 && (p != nil || question.AsError(err).Reason != in.Faults[0].Err.Reason):
			t.Errorf("%s: it is inspected to %v, and loaded with %v", name, in.Faults[0].Err, err)
		case len(in.Faults) == 0 && len(in.Manifest) == 0:
			t.Errorf("%s: neither a fault nor a manifest", name)
		case p != nil && string(in.Manifest) == "":
			t.Errorf("%s: it has no manifest", name)
		}
	}
}

func TestInspectEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	if in, err := newEngine(t, Config{}, newFakeDataset()).Inspect(ctx, fixture(t, "describe_loops")); err == nil {
		t.Errorf("it ended with %+v", in)
	}
}

func TestCheckColumns(t *testing.T) {
	got := newEngine(t, Config{}, newFakeDataset()).CheckColumns([]question.ColumnNeed{
		{Name: "state", Type: question.String}, {Name: "valeu", Type: question.Number}, {Name: "year", Type: question.Number},
	})
	if len(got) != 2 || !strings.Contains(got[0].Error(), `did you mean "value"?`) || !strings.Contains(got[1].Error(), "in the dataset it has integer") {
		t.Errorf("%v", got)
	}
}

func TestMeasure(t *testing.T) {
	p := load(t, Config{}, "good")
	b, err := p.Manifest().Bind(question.Request{Question: "echo"}, newFakeDataset())
	if err != nil {
		t.Fatal(err)
	}
	table, used, err := p.Measure(t.Context(), b, nil)
	if err != nil || table.Rows() != 8 {
		t.Fatal(table, err)
	}
	if used.Fuel <= 0 || used.Time <= 0 || used.Memory%wasmPage != 0 || used.Memory == 0 || used.Memory > p.Limits().Memory || used.Result < 8*(4+8+8) {
		t.Errorf("%+v of %+v", used, p.Limits())
	}
}
