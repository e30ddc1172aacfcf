package sandbox

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// vectorLen returns how many items a section of a module has.
func vectorLen(wasm []byte, id byte) int {
	for _, s := range sectionsOf(wasm) {
		if s.id == id {
			n, _ := binary.Uvarint(wasm[s.start:s.end])
			return int(n)
		}
	}
	return 0
}

// funcs adds functions to a module: types are whole function types, and each
// function's body is its locals and its code without the end.
func funcs(wasm []byte, types [][]byte, functions []function) []byte {
	first := vectorLen(wasm, 1)
	var indices, code []byte
	for _, f := range functions {
		indices = append(indices, uleb(first+f.typ)...)
		code = append(code, sized(joined(f.locals, f.code, []byte{0x0b}))...)
	}
	return with(wasm, map[byte]added{
		1: {len(types), bytes.Join(types, nil)}, 3: {len(functions), indices}, 10: {len(functions), code},
	})
}

type function struct {
	typ          int // of those that are added
	locals, code []byte
}

const (
	typeI64, typeI32 = 0x7e, 0x7f

	opBlock, opLoop, opBrIf, opBrTable, opCall = 0x02, 0x03, 0x0d, 0x0e, 0x10
	opDrop, opLocalGet, opLocalSet             = 0x1a, 0x20, 0x21
	opConst32, opConst64, opEnd, opEmpty       = 0x41, 0x42, 0x0b, 0x40
	opAdd64, opLoad64                          = 0x7c, 0x29
)

func funcType(params, results int, of byte) []byte {
	list := func(n int) []byte { return append(uleb(n), bytes.Repeat([]byte{of}, n)...) }
	return joined([]byte{0x60}, list(params), list(results))
}

func times(n int, code ...[]byte) []byte { return bytes.Repeat(joined(code...), n) }

func noLocals() []byte               { return []byte{0} }
func localsOf(n int, of byte) []byte { return joined([]byte{1}, uleb(n), []byte{of}) }
func op(code byte, index int) []byte { return append([]byte{code}, uleb(index)...) }
func each(n int, of func(int) []byte) (out []byte) {
	for i := range n {
		out = append(out, of(i)...)
	}
	return out
}

// bombs are small, valid modules for which wazero's compiler needs gigabytes
// or minutes.
func bombs(t testing.TB) map[string][]byte {
	base := hostileFixture(t, "pointers")
	next := functionCount(t, base)
	none := funcType(0, 0, typeI64)
	return map[string][]byte{
		"results of calls that are alive at once": funcs(base, [][]byte{funcType(0, 256, typeI64), funcType(256, 0, typeI64), none}, []function{
			{0, noLocals(), times(256, []byte{opConst64, 0})},
			{1, noLocals(), nil},
			{2, noLocals(), joined(times(3000, op(opCall, next)), times(3000, op(opCall, next+1)))},
		}),
		"addresses and branches": funcs(base, [][]byte{none}, []function{{0, localsOf(6000, typeI32), joined(
			[]byte{opBlock, opEmpty},
			each(6000, func(i int) []byte { return joined(op(opLocalGet, i), []byte{opLoad64, 0, 0, opDrop}) }),
			times(20_000, op(opLocalGet, 0), []byte{opBrIf, 0}),
			each(6000, func(i int) []byte { return joined(op(opLocalGet, i), []byte{opLoad64, 0, 0, opDrop}) }),
			[]byte{opEnd},
		)}}),
		"tables of branches": funcs(base, [][]byte{none}, []function{{0, noLocals(), times(20,
			[]byte{opBlock, opEmpty, opBlock, opEmpty, opConst32, 0, opBrTable}, uleb(60_000), each(60_000, func(i int) []byte { return []byte{byte(i & 1)} }), []byte{0, opEnd, opEnd},
		)}}),
		"loops that read many locals": funcs(base, [][]byte{none}, []function{{0, localsOf(4000, typeI64), joined(
			times(50, []byte{opLoop, opEmpty}),
			each(4000, func(i int) []byte { return joined(op(opLocalGet, i), []byte{opConst64, 1, opAdd64}, op(opLocalSet, i)) }),
			times(50, []byte{opConst32, 0, opBrIf, 0, opEnd}),
		)}}),
		"blocks with parameters": funcs(base, [][]byte{none, funcType(256, 256, typeI64)}, []function{{0, noLocals(), joined(
			times(256, []byte{opConst64, 0}),
			times(15_000, op(opBlock, vectorLen(base, 1)+1), []byte{opConst32, 0, opBrIf, 0, opEnd}),
			times(256, []byte{opDrop}),
		)}}),
	}
}

// functionCount returns how many functions a module has, with those that it imports.
func functionCount(t testing.TB, wasm []byte) int {
	t.Helper()
	h, err := decodeHeader(wasm)
	if err != nil {
		t.Fatal(err)
	}
	imported := slices.DeleteFunc(h.Imports, func(i rewrite.Import) bool { return i.Kind != "function" })
	return len(imported) + vectorLen(wasm, 3)
}
