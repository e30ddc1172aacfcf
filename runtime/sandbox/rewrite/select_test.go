package rewrite

import (
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Selects of floats and vectors choose what they should. In wazero's compiler for
// amd64 alone they do not: this log says so, and whether that is still so.
func TestSelect(t *testing.T) {
	wasm := read(t, "select")
	rewritten, _ := start(t, wasm, &host{slice: 1 << 40})
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	bare, err := r.Instantiate(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	bits32 := func(v float64) uint64 { return uint64(math.Float32bits(float32(v))) }
	for name, bits := range map[string]func(float64) uint64{"order_f64": math.Float64bits, "order_f32": bits32, "order_v128": math.Float64bits} {
		wrong := 0
		for _, pair := range [][2]float64{{25.5, 17.25}, {17.125, 23.5}, {1, 2}, {2, 1}, {-3, 5}} {
			want := bits(min(pair[0], pair[1]))
			for _, m := range []api.Module{bare, rewritten} {
				got, err := m.ExportedFunction(name).Call(t.Context(), bits(pair[0]), bits(pair[1]))
				switch {
				case err != nil:
					t.Fatal(err)
				case got[0] == want:
				case m == bare:
					wrong++
				default:
					t.Errorf("%s of %v: %#x; want %#x", name, pair, got[0], want)
				}
			}
		}
		t.Logf("%s: %d of 5 are wrong in bare wazero", name, wrong)
	}
	if got, err := rewritten.ExportedFunction("dead").Call(t.Context()); err != nil || got[0] != 7 {
		t.Errorf("dead: %v, %v", got, err)
	}
}
