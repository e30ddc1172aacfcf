package rewrite

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// stillWrong fails where wazero's compiler alone is right by now, so that what avoids
// its faults does not outlive them.
func stillWrong(t *testing.T, arch, instruction string, wrong int, remove string) {
	t.Helper()
	if runtime.GOARCH == arch && wrong == 0 {
		t.Errorf("wazero's compiler does %s right: remove %s, what it says of it in RATIONALE.md, and this test", instruction, remove)
	}
}

// Selects of floats choose what they should.
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
	wrong := 0
	for name, bits := range map[string]func(float64) uint64{"order_f64": math.Float64bits, "order_f32": bits32} {
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
	}
	stillWrong(t, "amd64", "select of floats", wrong, "avoider.choose, scratch.forSelect and body.selects")
	if got, err := rewritten.ExportedFunction("dead").Call(t.Context()); err != nil || got[0] != 7 {
		t.Errorf("dead: %v, %v", got, err)
	}
}

// Comparisons of an and with zero by order, on which a branch depends: on either side,
// directly or by way of locals.
func TestComparisons(t *testing.T) {
	var kinds, indices, exports, bodies [][]byte
	add := func(typ valType, op opcode, swapped, locals bool) {
		k := uint32(len(bodies))
		kinds, indices = append(kinds, functype([]valType{typ, typ}, i32)), append(indices, []byte{byte(k)})
		exports = append(exports, exported(fmt.Sprint(k), kindFunc, k))
		var c code
		zero, and := opI32Const, opcode(opI32And)
		if typ == i64 {
			zero, and = opI64Const, opI64And
		}
		c.locals([]localGroup{{2, typ}})
		operand := func(anded bool, local uint32) {
			if anded {
				c.op(opLocalGet, 0)
				c.op(opLocalGet, 1)
				c.op(and)
			} else {
				c.op(zero)
				c.bytes(0)
			}
			if locals {
				c.op(opLocalSet, local)
			}
		}
		operand(!swapped, 2)
		operand(swapped, 3)
		if locals {
			c.op(opLocalGet, 2)
			c.op(opLocalGet, 3)
		}
		c.op(op)
		c.op(opIf)
		c.bytes(byte(i32))
		c.i32Const(1)
		c.op(opElse)
		c.i32Const(0)
		c.op(opEnd)
		c.op(opEnd)
		bodies = append(bodies, sized(c))
	}
	for n := range opcode(8) {
		for form := range 4 {
			add(i32, opI32LtS+n, form&1 == 1, form&2 == 2)
			add(i64, opI64LtS+n, form&1 == 1, form&2 == 2)
		}
	}
	wasm := wasmOf(types(kinds...), section(3, vec(indices...)), section(7, vec(exports...)), section(10, vec(bodies...)))
	module := func(config wazero.RuntimeConfig) api.Module {
		r := wazero.NewRuntimeWithConfig(t.Context(), config)
		t.Cleanup(func() { _ = r.Close(context.Background()) })
		mod, err := r.Instantiate(t.Context(), wasm)
		if err != nil {
			t.Fatal(err)
		}
		return mod
	}
	right, bare := module(interpreter()), module(engine())
	rewritten, _ := start(t, wasm, &host{slice: 1 << 40})
	wrong := 0
	for k := range bodies {
		call := func(m api.Module, x uint64) uint64 {
			got, err := m.ExportedFunction(fmt.Sprint(k)).Call(t.Context(), x, x)
			if err != nil {
				t.Fatal(err)
			}
			return got[0] & math.MaxUint32
		}
		for _, x := range []uint64{0, 1, math.MaxUint32, math.MaxUint64, 1 << 31, 1 << 63} {
			want := call(right, x)
			if call(bare, x) != want {
				wrong++
			}
			if got := call(rewritten, x); got != want {
				t.Errorf("comparison %d of %#x: %d; want %d", k, x, got, want)
			}
		}
	}
	t.Logf("the compiler alone is wrong in %d of %d", wrong, 6*len(bodies))
	for _, arch := range []string{"amd64", "arm64"} {
		stillWrong(t, arch, "comparisons with an and", wrong, "opposite, avoider.read")
	}
}

// TestAvoided runs generated modules on which wazero's compiler alone is wrong; what
// TestDifferential finds more of.
func TestAvoided(t *testing.T) {
	for _, c := range []struct {
		arch   string
		name   string
		result valType
		op     genOp
		seeds  []uint64
		remove string
	}{
		{"amd64", "f32.copysign", f32, avoided[f32][0], []uint64{460, 742, 761}, "copysign"},
		{"amd64", "f64.copysign", f64, avoided[f64][0], []uint64{516, 1037, 1425}, "copysign"},
		{"amd64", "f32.convert_i64_u", f32, avoided[f32][1], []uint64{1159, 1916}, "avoider.convert"},
		{"amd64", "f64.convert_i64_u", f64, avoided[f64][1], []uint64{1745, 3437}, "avoider.convert"},
		{"arm64", "i64.rem_s", i64, avoided[i64][2], []uint64{0, 1, 2, 3, 4, 5}, "rem, and faults.rem"},
		{"arm64", "i32.rem_u", i32, avoided[i32][3], []uint64{0, 1, 2, 3, 4, 5}, "rem, and faults.rem"},
	} {
		wrong := 0
		for _, seed := range c.seeds {
			wasm := generateOf(seed, c.op, c.result)
			want := outcome(t, seed, wasm, interpreter(), nil, nil)
			if outcome(t, seed, wasm, engine(), nil, nil) != want {
				wrong++
			}
			if got := outcome(t, seed, wasm, engine(), &Config{}, &host{slice: 1000}); got != want {
				t.Errorf("%s, seed %d: rewritten %s\ninterpreter %s", c.name, seed, got, want)
			}
		}
		stillWrong(t, c.arch, c.name, wrong, c.remove)
	}
}

// TestAvoidedNumbers: what is written instead of an instruction comes to what the
// instruction does.
func TestAvoidedNumbers(t *testing.T) {
	ops := []struct {
		op     genOp
		result valType
		want   func(x, y uint64) uint64
	}{
		{avoided[f32][0], f32, func(x, y uint64) uint64 { return x&(1<<31-1) | y&(1<<31) }},
		{avoided[f64][0], f64, func(x, y uint64) uint64 { return x&(1<<63-1) | y&(1<<63) }},
		{avoided[f32][1], f32, func(x, _ uint64) uint64 { return uint64(math.Float32bits(float32(x))) }},
		{avoided[f64][1], f64, func(x, _ uint64) uint64 { return math.Float64bits(float64(x)) }},
		{avoided[i32][0], i32, func(x, _ uint64) uint64 { return uint64(bits.LeadingZeros32(uint32(x))) }},
		{avoided[i32][1], i32, func(x, _ uint64) uint64 { return uint64(bits.TrailingZeros32(uint32(x))) }},
		{avoided[i64][0], i64, func(x, _ uint64) uint64 { return uint64(bits.LeadingZeros64(x)) }},
		{avoided[i64][1], i64, func(x, _ uint64) uint64 { return uint64(bits.TrailingZeros64(x)) }},
		{avoided[i32][2], i32, func(x, y uint64) uint64 { return uint64(uint32(int32(x) % int32(y))) }},
		{avoided[i32][3], i32, func(x, y uint64) uint64 { return uint64(uint32(x) % uint32(y)) }},
		{avoided[i64][2], i64, func(x, y uint64) uint64 { return uint64(int64(x) % int64(y)) }},
		{avoided[i64][3], i64, func(x, y uint64) uint64 { return x % y }},
	}
	var kinds, indices, exports, bodies [][]byte
	for k, o := range ops {
		kinds = append(kinds, functype(o.op.operands, o.result))
		indices = append(indices, []byte{byte(k)})
		exports = append(exports, exported(string(rune('a'+k)), kindFunc, uint32(k)))
		var c code
		for l := range o.op.operands {
			c.op(opLocalGet, uint32(l))
		}
		c.op(o.op.op)
		bodies = append(bodies, function(c...))
	}
	wasm, info, err := Rewrite(wasmOf(types(kinds...), section(3, vec(indices...)), section(7, vec(exports...)), section(10, vec(bodies...))), Config{faults: faults{true, true}})
	if err != nil {
		t.Fatal(err)
	}
	mod := instantiate(t, wasm, info, &host{slice: 1 << 40})
	random := rand.New(rand.NewPCG(4, 2))
	values := []uint64{
		0, 1, 2, 3, math.MaxUint64, math.MaxUint64 - 1, 1 << 63, 1<<63 - 1, 1<<63 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
		// NaNs with a payload, infinities and zeros, of both kinds
		0x7ff0000000000001, 0xfff8dead00000001, 0x7ff0000000000000, 0xfff0000000000000, 0x7f800001, 0xffc00123, 0x7f800000, 0xff800000,
	}
	for n := range 64 {
		values = append(values, 1<<n, 1<<n-1, 1<<n+1, math.MaxUint64<<n, math.MaxUint64>>n)
	}
	for _, mantissa := range []int{24, 53} { // ties, and their neighbours, at each place
		for shift := range 64 - mantissa {
			for _, even := range []uint64{0, 1} {
				tie := (1<<(mantissa-1)|even)<<1 | 1
				for _, off := range []int64{-2, -1, 0, 1, 2} {
					values = append(values, tie<<shift+uint64(off), (tie+1)<<shift+uint64(off), 1<<63|tie<<shift+uint64(off))
				}
			}
		}
	}
	for range 50_000 {
		values = append(values, random.Uint64()>>random.IntN(64), random.Uint64()|1<<63)
	}
	slices.Sort(values)
	values = slices.Compact(values)
	stack := make([]uint64, 2)
	for k, o := range ops {
		f := mod.ExportedFunction(string(rune('a' + k)))
		for _, x := range values {
			y := random.Uint64()
			switch random.IntN(4) {
			case 0:
				y = math.MaxUint64 - y%3 // -1, and near it
			case 1:
				y >>= random.IntN(64)
			}
			if uint32(y) == 0 { // division traps; see below
				y = 1
			}
			stack[0], stack[1] = x, y
			if o.op.operands[0] == i32 || o.op.operands[0] == f32 {
				stack[0], stack[1] = stack[0]&math.MaxUint32, stack[1]&math.MaxUint32
			}
			if err := f.CallWithStack(t.Context(), stack); err != nil {
				t.Fatal(err)
			}
			got := stack[0]
			if o.result == i32 || o.result == f32 {
				got &= math.MaxUint32
			}
			if want := o.want(x, y); got != want {
				t.Fatalf("instruction %#x of %#x, %#x: %#x; want %#x", uint16(o.op.op), x, y, got, want)
			}
		}
	}
	t.Logf("%d values", len(values))
	for k, o := range ops {
		if !o.op.traps {
			continue
		}
		if _, err := mod.ExportedFunction(string(rune('a'+k))).Call(t.Context(), 7, 0); err == nil || !strings.Contains(err.Error(), "integer divide by zero") {
			t.Errorf("instruction %#x by 0: %v", uint16(o.op.op), err)
		}
	}
}
