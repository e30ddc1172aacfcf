package rewrite

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// TestRefused: each refusal names what it is about, and the byte where it stands.
func TestRefused(t *testing.T) {
	one := functype(nil)
	for _, c := range []struct {
		name   string
		wasm   []byte
		offset int // -1: somewhere
		want   string
	}{
		{"empty", nil, 0, "not a WebAssembly module"},
		{"text", []byte("(module)"), 0, "text format"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), 4, "component"},
		{"version", []byte("\x00asm\x02\x00\x00\x00"), 4, "version 1"},
		{"short", wasmOf([]byte{1, 5, 1}), 8, "longer than the module"},
		{"order", wasmOf(section(3, vec()), types()), 11, "out of order"},
		{"twice", wasmOf(types(), types()), 11, "out of order or repeated"},
		{"tag section", wasmOf(section(13, vec())), 8, "section 13"},
		{"too many bytes", wasmOf(section(1, []byte{0, 0})), 11, "1 bytes too many"},

		// Names and places that are the host's: a guest that could reach its own
		// counters would refuel itself.
		{"import of yield", wasmOf(types(one), section(2, vec(imported(Module, Yield, kindFunc, 0)))), 17, `names that start with "__lestats"`},
		{"import of its like", wasmOf(types(one), section(2, vec(imported(Module+"2", "f", kindFunc, 0)))), 17, "reserved for the host"},
		{"export of a reserved name", wasmOf(types(one), section(3, vec([]byte{0})), section(7, vec(exported(Fuel, kindFunc, 0)))), -1, `export "__lestats.fuel"`},
		{"global.get of the fuel", oneFunction(byte(opGlobalGet), 1, 0x1a), -1, "global 1 of 1"},
		{"global.set of the fuel", oneFunction(byte(opI64Const), 1, byte(opGlobalSet), 1), -1, "global 1 of 1"},
		{"global.set of the stack", oneFunction(byte(opI64Const), 1, byte(opGlobalSet), 2), -1, "global 2 of 1"},
		{"export of the fuel", wasmOf(section(7, vec(exported("mine", kindGlobal, 0)))), -1, "global 0 of 0"},
		{"call of refuel", oneFunction(byte(opCall), 1), -1, "function 1 of 1"},
		{"call of refuel, moved", oneFunction(byte(opCall), 2), -1, "function 2 of 1"},
		{"ref.func of refuel", oneFunction(byte(opRefFunc), 2, 0x1a), -1, "function 2 of 1"},
		{"export of refuel", wasmOf(types(one), section(7, vec(exported("mine", kindFunc, 0)))), -1, "function 0 of 0"},
		{"element of refuel", wasmOf(section(4, vec([]byte{byte(funcref), 0, 1})), section(9, vec([]byte{0, byte(opI32Const), 0, byte(opEnd), 1, 0}))), -1, "function 0 of 0"},
		{"start of refuel", wasmOf(section(8, []byte{0})), -1, "function 0 of 0"},
		{"call through an added type", oneFunction(byte(opI32Const), 0, byte(opCallIndirect), 1, 0), -1, "type 1 of 1"},
		{"block of an added type", oneFunction(byte(opBlock), 2, byte(opEnd)), -1, "type 2 of 1"},
		{"local of the meter", oneFunction(byte(opLoop), blockEmpty, byte(opLocalGet), 0, 0x1a, byte(opEnd)), -1, "local 0 of 0"},
		{"label of the stack's block", oneFunction(byte(opCall), 0, byte(opBr), 1), -1, "label 1 of 1"},
		{"fuel as a constant", wasmOf(section(6, vec([]byte{byte(i64), 0, byte(opGlobalGet), 0, byte(opEnd)}))), -1, "global 0"},

		// Other indices.
		{"table", oneFunction(0xfc, 0x10, 1, 0x1a), -1, "table 1 of 1"},
		{"element segment", oneFunction(0xfc, 0x0d, 0), -1, "element segment 0 of 0"},
		{"data segment", oneFunction(0xfc, 0x09, 0), -1, "no data count"},
		{"memory", wasmOf(types(one), section(3, vec([]byte{0})), section(10, vec(function(byte(opMemorySize), 0, 0x1a)))), -1, "there is no memory"},
		{"immutable", wasmOf(types(one), section(3, vec([]byte{0})), section(6, vec([]byte{byte(i32), 0, byte(opI32Const), 0, byte(opEnd)})),
			section(10, vec(function(byte(opI32Const), 0, byte(opGlobalSet), 0)))), -1, "immutable"},
		{"start with a result", wasmOf(types(functype(nil, i32)), section(3, vec([]byte{0})), section(8, []byte{0}), section(10, vec(function(byte(opI32Const), 0)))), -1, "start function"},
		{"undeclared ref.func", wasmOf(types(one), section(3, vec([]byte{0})), section(10, vec(function(byte(opRefFunc), 0, 0x1a)))), -1, "not declared"},
		{"else alone", oneFunction(byte(opElse)), -1, "else without if"},
		{"behind the end", oneFunction(byte(opEnd), byte(opNop)), -1, "bytes after its end"},
		{"bodies", wasmOf(types(one), section(3, vec([]byte{0}))), -1, "1 functions have 0 bodies"},

		// What memory and tables begin with.
		{"data beyond memory", wasmOf(section(5, vec([]byte{0, 1})), section(11, vec([]byte{0, byte(opI32Const), 0xff, 0xff, 3, byte(opEnd), 2, 1, 2}))), -1, "ends at byte 65537"},
		{"data at a negative address", wasmOf(section(5, vec([]byte{0, 1})), section(11, vec([]byte{0, byte(opI32Const), 0x7f, byte(opEnd), 1, 1}))), -1, "beyond the memory's first size"},
		{"data at an f32", wasmOf(section(5, vec([]byte{0, 1})), section(11, vec([]byte{0, byte(opF32Const), 0, 0, 0, 0, byte(opEnd), 0}))), -1, "not an i32"},

		// Vectors.
		{"vector instruction", oneFunction(0xfd, 0x0f, 0x1a), 51, "instruction 0xfd 0xf: vector instructions (SIMD) are not supported; build without them: clang -mno-simd128, rustc -C target-feature=-simd128"},
		{"vector constant", oneFunction(slices.Concat([]byte{0xfd, 0x0c}, make([]byte, 16), []byte{0x1a})...), 51, "-mno-simd128"},
		{"relaxed vector instruction", oneFunction(0xfd, 0x80, 0x02), 51, "target-feature=-simd128"},
		{"vector parameter", wasmOf(types(functype([]valType{v128}))), -1, "value type v128: vector"},
		{"vector result", wasmOf(types(functype(nil, v128))), -1, "value type v128: vector"},
		{"vector global", wasmOf(section(6, vec(slices.Concat([]byte{byte(v128), 0, 0xfd, 0x0c}, make([]byte, 16), []byte{byte(opEnd)})))), -1, "value type v128: vector"},
		{"vector of an imported global", wasmOf(section(2, vec(imported("a", "b", kindGlobal, byte(v128), 0)))), -1, "value type v128: vector"},
		{"vector in a constant expression", wasmOf(section(6, vec(slices.Concat([]byte{byte(i32), 0, 0xfd, 0x0c}, make([]byte, 16), []byte{byte(opEnd)})))), -1, "vector"},
		{"vector local", wasmOf(types(one), section(3, vec([]byte{0})), section(10, vec([]byte{4, 1, 1, byte(v128), byte(opEnd)}))), -1, "value type v128: vector"},
		{"block of a vector", oneFunction(byte(opBlock), byte(v128), byte(opUnreachable), byte(opEnd), 0x1a), 52, "block type v128: vector"},
		{"select of vectors", oneFunction(byte(opUnreachable), byte(opSelectT), 1, byte(v128), 0x1a), -1, "value type v128: vector"},

		// Later proposals.
		{"threads", oneFunction(0xfe, 0x03, 0), 51, "threads"},
		{"tail call", oneFunction(0x12, 0), 51, "tail call"},
		{"exceptions", oneFunction(0x06, blockEmpty), 51, "exception handling"},
		{"call_ref", oneFunction(0x14, 0), 51, "typed function references"},
		{"gc", oneFunction(0xfb, 0x00, 0), 51, "garbage collection"},
		{"multi-memory load", oneFunction(byte(opI32Const), 0, 0x28, 0x42, 1, 0, 0x1a), 53, "multiple memories"},
		{"multi-memory size", oneFunction(byte(opMemorySize), 1, 0x1a), 51, "multiple memories"},
		{"two memories", wasmOf(section(5, vec([]byte{0, 1}, []byte{0, 1}))), -1, "second memory"},
		{"memory64", wasmOf(section(5, vec([]byte{4, 1}))), 11, "memory64"},
		{"shared memory", wasmOf(section(5, vec([]byte{3, 1, 1}))), 11, "threads"},
		{"struct type", wasmOf(section(1, vec([]byte{0x5f, 0, 0}))), 11, "garbage collection"},
		{"reference type", wasmOf(types(functype([]valType{0x64}))), -1, "value type 0x64"},
		{"extended constant", wasmOf(section(6, vec([]byte{byte(i32), 0, byte(opI32Const), 1, byte(opI32Const), 1, opI32Add, byte(opEnd)}))), -1, "constant expression of more than one"},
		{"tag import", wasmOf(types(one), section(2, vec(imported("a", "b", 4, 0, 0)))), -1, "exception handling"},

		// Numbers that are longer than their type.
		{"u32", wasmOf([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x10}), 9, "32 bits"},
		{"i32", oneFunction(byte(opI32Const), 0x80, 0x80, 0x80, 0x80, 0x08, 0x1a), 52, "32 bits"},
		{"i64", oneFunction(byte(opI64Const), 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x1a), 52, "64 bits"},

		// Counts that ask for much with few bytes.
		{"types", wasmOf(section(1, []byte{0xff, 0x7f})), 10, "more than there are bytes"},
		{"locals", wasmOf(types(one), section(3, vec([]byte{0})), section(10, vec([]byte{8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, byte(i32), byte(opEnd)}))), -1, "more than 10000 locals"},
		{"labels", oneFunction(byte(opBrTable), 0xff, 0xff, 3, 0), -1, "more than there are bytes"},
		{"table", wasmOf(section(4, vec([]byte{byte(funcref), 0, 0xff, 0xff, 0xff, 1}))), -1, "the limit is 262144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, info, err := Rewrite(c.wasm, Config{})
			var refusal *Error
			if !errors.As(err, &refusal) || out != nil || info != nil {
				t.Fatal("it is taken, or refused with", err)
			}
			if !strings.Contains(refusal.Error(), c.want) || c.offset >= 0 && c.offset != refusal.Offset {
				t.Errorf("refused at byte %d: %v", refusal.Offset, err)
			}
		})
	}
}

// TestTypesAreTheEngines: what the rewriter does not look at, the types of
// operands, is wrong afterwards where it was wrong before.
func TestTypesAreTheEngines(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, engine())
	defer func() { _ = rt.Close(ctx) }()
	for _, instructions := range [][]byte{
		{0x1a},                      // drop of nothing
		{byte(opI32Const), 0},       // a value too many
		{byte(opI64Const), 0, 0x45}, // i32.eqz of an i64
		{byte(opLoop), byte(i32), byte(opEnd), 0x1a},                                         // a loop without its result
		{byte(opLoop), blockEmpty, 0x1a, byte(opEnd)},                                        // what the charge might have left
		{byte(opCall), 0, byte(opI32Const), 0, byte(opReturn), 0x1a, 0x45},                   // behind a return that becomes a branch
		{byte(opI32Const), 0, byte(opI32Const), 0, byte(opI64Const), 0, 0xfc, 0x0b, 0},       // fill of i64 bytes
		{byte(opI32Const), 0, byte(opI64Const), 0, byte(opI32Const), 0, 0xfc, 0x0b, 0},       // of an i64 value
		{byte(opI64Const), 0, byte(opI32Const), 0, byte(opI32Const), 0x20, 0xfc, 0x0a, 0, 0}, // copy to an i64
		{byte(opI64Const), 0, byte(opMemoryGrow), 0, 0x1a},
	} {
		out, _, err := Rewrite(oneFunction(instructions...), Config{})
		if err != nil {
			t.Errorf("% x: %v", instructions, err)
			continue
		}
		if m, err := rt.CompileModule(ctx, out); err == nil {
			_ = m.Close(ctx)
			t.Errorf("% x: the engine takes it", instructions)
		}
	}
}

// TestSizesAreBounded: modules of many, deep and long things end in bounded time,
// here and in the engine, and with a small multiple of their size in memory.
func TestSizesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	repeat := func(n int, b ...byte) []byte { return slices.Repeat(b, n) }
	many := func(n int, body []byte) []byte {
		return wasmOf(types(functype(nil)), section(3, vec(slices.Repeat([][]byte{{0}}, n)...)), section(10, vec(slices.Repeat([][]byte{body}, n)...)))
	}
	manyLocals := []byte{6, 1, 0x90, 0x4e, byte(i64), byte(opNop), byte(opEnd)} // 10,000
	loops := func(depth int) []byte {                                           // 100 locals, changed in the innermost of many loops
		var c code
		for range depth {
			c.bytes(byte(opLoop), blockEmpty)
		}
		for l := range byte(100) {
			c.bytes(byte(opLocalGet), l, byte(opI64Const), 1, opI64Add, byte(opLocalSet), l)
		}
		for range depth {
			c.bytes(byte(opI32Const), 0, byte(opBrIf), 0, byte(opEnd))
		}
		return sized(slices.Concat([]byte{1, 100, byte(i64)}, c, []byte{byte(opEnd)}))
	}
	blocks := func(depth int) []byte { // the same where many blocks end
		var c code
		for range depth {
			c.bytes(byte(opBlock), blockEmpty)
		}
		for label := range depth {
			c.i32Const(0)
			c.op(opBrIf, uint32(label))
		}
		for l := range byte(100) {
			c.bytes(byte(opI64Const), 1, byte(opLocalSet), l)
		}
		for range depth {
			c.op(opEnd)
		}
		for l := range byte(100) {
			c.bytes(byte(opLocalGet), l, 0x1a)
		}
		return sized(slices.Concat([]byte{1, 100, byte(i64)}, c, []byte{byte(opEnd)}))
	}
	reads := func(locals uint32, depth int) []byte {
		var c code
		c.locals([]localGroup{{locals, i64}})
		for range depth {
			c.op(opLoop, blockEmpty)
		}
		for l := range locals {
			c.op(opLocalGet, l)
			c.op(opDrop)
		}
		for range depth {
			c.i32Const(0)
			c.op(opBrIf, 0)
			c.op(opEnd)
		}
		c.op(opEnd)
		return sized(c)
	}
	for _, c := range []struct {
		name string
		wasm []byte
		want string // of the refusal; empty: it may be taken
	}{
		{"100,000 functions", many(100_000, function()), "the limit is 60000"},
		{"60,000 functions", many(60_000, function()), ""},
		{"functions with many locals", many(10_000, manyLocals), "bounded cost"},
		{"1,000,000 nops", oneFunction(repeat(1_000_000, byte(opNop))...), ""},
		{"1,100,000 nops", oneFunction(repeat(1_100_000, byte(opNop))...), "the limit is 1048576"},
		{"200,000 additions", oneFunction(slices.Concat([]byte{byte(opI32Const), 1}, repeat(200_000, byte(opI32Const), 1, opI32Add), []byte{0x1a})...), ""},
		{"100,000 calls", oneFunction(repeat(100_000, byte(opCall), 0)...), ""},
		{"blocks 30,000 deep", oneFunction(slices.Concat(repeat(30_000, byte(opBlock), blockEmpty), repeat(30_000, byte(opEnd)))...), "more than 20000 nested blocks"},
		{"blocks 9,000 deep", oneFunction(slices.Concat(repeat(9_000, byte(opBlock), blockEmpty), repeat(9_000, byte(opEnd)))...), ""},
		{"loops 500 deep", oneFunction(slices.Concat(repeat(500, byte(opLoop), blockEmpty), repeat(500, byte(opI32Const), 0, byte(opBrIf), 0, byte(opEnd)))...), ""},
		{"loops 501 deep", oneFunction(slices.Concat(repeat(501, byte(opLoop), blockEmpty), repeat(501, byte(opEnd)))...), "more than 500 nested loops"},
		{"locals in blocks 500 deep, 50 times", many(50, blocks(500)), "bounded cost"},
		{"locals in blocks 1,000 deep", many(1, blocks(1000)), ""},
		{"locals in blocks 2,400 deep", many(1, blocks(2400)), "bounded cost"},
		{"locals in loops 100 deep", many(1, loops(100)), ""},
		{"locals in loops 490 deep", many(1, loops(490)), "bounded cost"},
		{"br_table of 65,000 labels, twice", oneFunction(repeat(2, slices.Concat([]byte{byte(opI32Const), 0, byte(opBrTable), 0xe8, 0xfb, 3}, repeat(65_001, 0))...)...), ""},
		{"br_table of 60,000 labels, 6 times", oneFunction(repeat(6, slices.Concat([]byte{byte(opBlock), blockEmpty, byte(opI32Const), 0, byte(opBrTable), 0xe0, 0xd4, 3}, repeat(60_001, 0), []byte{byte(opEnd)})...)...), "bounded cost"},
		{"2,000 locals read in loops 50 deep", many(1, reads(2000, 50)), "bounded cost"},
		{"256 results of each of 600 calls wait", frameModule(slices.Repeat([]valType{i64}, 256), 600, frameBodies["results wait on the stack"]), "bytes of stack"},
		{"1,000 blocks of 256 values", frameModule(slices.Repeat([]valType{i64}, 256), 1000, frameBodies["blocks pass them"]), "bytes of stack"},
		{"a custom section of 60 MB", wasmOf(section(0, append([]byte{1, 'x'}, make([]byte, 60<<20)...))), ""},
		{"a module of 65 MB", wasmOf(section(0, append([]byte{1, 'x'}, make([]byte, 65<<20)...))), "the limit is 67108864"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			begin := time.Now()
			out, _, err := Rewrite(c.wasm, Config{})
			rewritten := time.Since(begin)
			if rewritten > 2*time.Second {
				t.Errorf("rewriting took %v", rewritten)
			}
			switch {
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("it is taken, or refused with %v", err)
			case c.want == "" && err != nil:
				t.Error(err)
			case err == nil:
				if len(out) > 16*len(c.wasm)+4096 {
					t.Errorf("%d bytes became %d", len(c.wasm), len(out))
				}
				rt := wazero.NewRuntimeWithConfig(ctx, engine())
				_, err := rt.CompileModule(ctx, out)
				t.Logf("rewritten in %v, compiled in %v", rewritten, time.Since(begin)-rewritten)
				if took := time.Since(begin); err != nil || took > 10*time.Second {
					t.Errorf("compiling took %v: %v", took, err)
				}
				_ = rt.Close(ctx)
			}
		})
	}
}
