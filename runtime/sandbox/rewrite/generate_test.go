package rewrite

import (
	"math/rand/v2"
)

// generator makes valid modules at random that always end: loops count, and
// functions call only those behind them.
type generator struct {
	*rand.Rand
	types  []funcType
	funcs  []funcType // of each function
	f      int        // the one that is being written
	c      code
	locals []valType
	labels []genLabel
	loops  int // open ones
	budget int // statements left
}

type genLabel struct {
	loop   bool
	result []valType // what a branch to it carries
}

var genTypes = []valType{i32, i64, f32, f64, v128}

const genGlobals = 4 // i32, i64, f64 and i32, all mutable

func generate(seed uint64) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	some := func(most int) (ts []valType) {
		for range g.IntN(most + 1) {
			ts = append(ts, genTypes[g.IntN(len(genTypes))])
		}
		return ts
	}
	for range 1 + g.IntN(5) {
		t := funcType{some(3), some(3)}
		g.funcs = append(g.funcs, t)
	}
	g.funcs[0] = funcType{[]valType{i32, i64}, some(4)} // the one that is called
	g.types = append(g.types, g.funcs...)
	var kinds, indices, bodies, exports [][]byte
	for _, t := range g.types {
		kinds = append(kinds, functype(t.params, t.results...))
	}
	for f := range g.funcs {
		g.f = f
		indices = append(indices, []byte{byte(f)})
		bodies = append(bodies, g.body())
	}
	global := func(t valType, init ...byte) []byte { return append([]byte{byte(t), 1}, append(init, byte(opEnd))...) }
	exports = append(exports, exported("run", kindFunc, 0), exported("memory", kindMemory, 0))
	for i := range genGlobals {
		exports = append(exports, exported("g"+string(rune('0'+i)), kindGlobal, uint32(i)))
	}
	var elem code
	elem.bytes(0, byte(opI32Const), 0, byte(opEnd))
	elem.u32(uint32(len(g.funcs)))
	for f := range g.funcs {
		elem.u32(uint32(f))
	}
	data := sized([]byte("some bytes to begin with: 0123456789"))
	return wasmOf(
		section(1, vec(kinds...)),
		section(3, vec(indices...)),
		section(4, vec([]byte{byte(funcref), 1, 8, 16})),
		section(5, vec([]byte{1, 1, 12})),
		section(6, vec(global(i32, byte(opI32Const), 3), global(i64, byte(opI64Const), 5), global(f64, byte(opF64Const), 0, 0, 0, 0, 0, 0, 0xf0, 0x3f), global(i32, byte(opI32Const), 0x7f))),
		section(7, vec(exports...)),
		section(9, vec(elem)),
		section(12, []byte{2}),
		section(10, vec(bodies...)),
		section(11, vec(append([]byte{0, byte(opI32Const), 0x80, 8, byte(opEnd)}, data...), append([]byte{1}, data...))),
	)
}

func (g *generator) body() []byte {
	t := g.funcs[g.f]
	g.c = nil
	g.locals = append([]valType(nil), t.params...)
	var groups []localGroup
	for range 2 + g.IntN(4) {
		typ := genTypes[g.IntN(len(genTypes))]
		groups = append(groups, localGroup{1, typ})
		g.locals = append(g.locals, typ)
	}
	g.labels = []genLabel{{result: t.results}}
	g.budget = 5 + g.IntN(25)
	g.block()
	for _, r := range t.results {
		g.value(r, 3)
	}
	// Loops count in locals of their own, added as they were needed.
	for _, typ := range g.locals[len(t.params)+len(groups):] {
		groups = append(groups, localGroup{1, typ})
	}
	var all code
	all.locals(groups)
	all.bytes(g.c...)
	all.op(opEnd)
	return sized(all)
}

// block writes some statements.
func (g *generator) block() {
	for range 1 + g.IntN(5) {
		if g.budget--; g.budget > 0 {
			g.statement()
		}
	}
}

func (g *generator) local(t valType) (uint32, bool) {
	start := g.IntN(len(g.locals))
	for i := range g.locals {
		if l := (start + i) % len(g.locals); g.locals[l] == t && !g.counts(l) {
			return uint32(l), true
		}
	}
	return 0, false
}

// counts tells whether a local is a loop's counter.
func (g *generator) counts(l int) bool { return l >= len(g.funcs[g.f].params)+6 }

func (g *generator) statement() {
	switch g.IntN(20) {
	case 0, 1, 2:
		if l, ok := g.local(genTypes[g.IntN(len(genTypes))]); ok {
			g.value(g.locals[l], 4)
			g.c.op(opLocalSet, l)
		}
	case 3:
		i := uint32(g.IntN(genGlobals))
		g.value([]valType{i32, i64, f64, i32}[i], 3)
		g.c.op(opGlobalSet, i)
	case 4, 5:
		g.address()
		store := []struct {
			typ valType
			op  opcode
		}{{i32, 0x36}, {i64, 0x37}, {f32, 0x38}, {f64, 0x39}, {i32, 0x3a}, {i64, 0x3e}, {v128, 0xfd0b}}[g.IntN(7)]
		g.value(store.typ, 3)
		g.c.op(store.op, 0, uint32(g.IntN(64)))
	case 6, 7:
		g.value(i32, 3)
		g.c.op(opIf, blockEmpty)
		g.nested(genLabel{})
		if g.IntN(2) == 0 {
			g.c.op(opElse)
			g.nested(genLabel{})
		}
		g.c.op(opEnd)
	case 8: // a block with a result, left early at times
		t := genTypes[g.IntN(len(genTypes))]
		g.c.op(opBlock)
		g.c.bytes(byte(t))
		g.nested(genLabel{result: []valType{t}})
		g.value(t, 2)
		g.c.op(opEnd)
		g.c.bytes(0x1a)
	case 9, 10, 11:
		g.countedLoop()
	case 12, 13: // branches forward
		g.branch()
	case 14:
		g.call()
	case 15:
		g.bulk()
	case 16:
		g.value(i32, 1)
		g.c.op(opMemoryGrow, 0)
		g.c.bytes(0x1a)
	case 17:
		if g.IntN(8) == 0 { // what follows is unreachable
			switch g.IntN(3) {
			case 0:
				g.c.op(opUnreachable)
			default:
				for _, r := range g.labels[0].result {
					g.value(r, 1)
				}
				g.c.op(opReturn)
			}
		}
	case 18:
		g.c.i32Const(int32(g.IntN(9)))
		g.c.op(opRefFunc, uint32(g.IntN(len(g.funcs))))
		g.c.op(opTableSet, 0)
	case 19:
		g.value(genTypes[g.IntN(len(genTypes))], 4)
		g.c.bytes(0x1a)
	}
}

func (g *generator) nested(l genLabel) {
	g.labels = append(g.labels, l)
	g.block()
	g.labels = g.labels[:len(g.labels)-1]
}

// countedLoop goes round a few times, or never again after a branch out.
func (g *generator) countedLoop() {
	if g.loops == 2 {
		return
	}
	for len(g.locals) < len(g.funcs[g.f].params)+6 { // counters stand behind all others
		g.locals = append(g.locals, i32)
	}
	counter := uint32(len(g.locals))
	g.locals = append(g.locals, i32)
	g.c.i32Const(int32(1 + g.IntN(4)))
	g.c.op(opLocalSet, counter)
	g.c.op(opLoop, blockEmpty)
	g.loops++
	g.nested(genLabel{loop: true})
	g.loops--
	g.c.op(opLocalGet, counter)
	g.c.i32Const(1)
	g.c.bytes(opI32Sub)
	g.c.op(opLocalTee, counter)
	g.c.op(opBrIf, 0)
	g.c.op(opEnd)
}

func (g *generator) branch() {
	label := func() (uint32, bool) {
		d := g.IntN(len(g.labels))
		return uint32(d), !g.labels[len(g.labels)-1-d].loop
	}
	d, forward := label()
	if !forward {
		return
	}
	result := g.labels[len(g.labels)-1-int(d)].result
	for _, t := range result {
		g.value(t, 1)
	}
	g.value(i32, 2)
	if len(result) == 0 && g.IntN(2) == 0 { // a table of labels that carry nothing
		var labels []uint32
		for range g.IntN(4) {
			if d, forward := label(); forward && len(g.labels[len(g.labels)-1-int(d)].result) == 0 {
				labels = append(labels, d+1)
			}
		}
		g.c.op(opLocalSet, g.scratch())
		g.c.op(opBlock, blockEmpty)
		g.c.op(opLocalGet, g.scratch())
		g.c.op(opBrTable)
		g.c.u32(uint32(len(labels)))
		for _, l := range labels {
			g.c.u32(l)
		}
		g.c.u32(0)
		g.c.op(opEnd)
		return
	}
	g.c.op(opBrIf, d)
	for range result {
		g.c.bytes(0x1a)
	}
}

// scratch is an i32 local.
func (g *generator) scratch() uint32 {
	if l, ok := g.local(i32); ok {
		return l
	}
	g.locals = append(g.locals, i32)
	return uint32(len(g.locals) - 1)
}

func (g *generator) call() {
	if g.f == len(g.funcs)-1 || g.loops > 1 {
		return
	}
	callee := g.f + 1 + g.IntN(len(g.funcs)-g.f-1)
	for _, p := range g.funcs[callee].params {
		g.value(p, 2)
	}
	if g.IntN(3) == 0 { // through the table, which may hold another function by now
		g.c.i32Const(int32(callee))
		g.c.op(opCallIndirect, uint32(callee), 0)
	} else {
		g.c.op(opCall, uint32(callee))
	}
	for range g.funcs[callee].results {
		g.c.bytes(0x1a)
	}
}

func (g *generator) bulk() {
	g.address()
	if g.IntN(2) == 0 {
		g.address()
	} else {
		g.value(i32, 1)
	}
	length := []int32{0, 7, 100, chunk - 1, chunk, chunk + 1, 2*chunk + 5, -1}[g.IntN(8)]
	if g.IntN(2) == 0 { // not a constant for the rewriter
		g.c.i32Const(length)
		g.c.op(opLocalSet, g.scratch())
		g.c.op(opLocalGet, g.scratch())
	} else {
		g.c.i32Const(length)
	}
	switch g.IntN(3) {
	case 0:
		g.c.op(opMemoryFill, 0)
	case 1:
		g.c.op(opMemoryCopy, 0, 0)
	default:
		g.c.op(opMemoryInit, 1, 0) // of the active one wazero gives out bytes, against the specification
	}
}

// address leaves an i32 that is mostly within memory.
func (g *generator) address() {
	g.value(i32, 2)
	if g.IntN(10) > 0 {
		g.c.i32Const(0xffff)
		g.c.bytes(0x71) // i32.and
	}
}

// value leaves a value of a type.
func (g *generator) value(t valType, depth int) {
	if depth == 0 || g.IntN(4) == 0 {
		if l, ok := g.local(t); ok && g.IntN(3) > 0 {
			g.c.op(opLocalGet, l)
			return
		}
		switch t {
		case i32:
			g.c.i32Const(int32(g.Uint32()) >> g.IntN(32))
		case i64:
			g.c.i64Const(int64(g.Uint64()) >> g.IntN(64))
		case f32:
			g.c.op(opF32Const)
			g.c.bytes(0, byte(g.IntN(256)), byte(g.IntN(128)), 0x41)
		case f64:
			g.c.op(opF64Const)
			g.c.bytes(0, 0, 0, 0, byte(g.IntN(256)), byte(g.IntN(256)), byte(g.IntN(16)), 0x40)
		case v128:
			g.c.op(opV128Const)
			for range 16 {
				g.c.bytes(byte(g.IntN(256)))
			}
		}
		return
	}
	unary := func(op opcode, t valType, rest ...uint32) {
		g.value(t, depth-1)
		g.c.op(op, rest...)
	}
	binary := func(op opcode, t valType) {
		g.value(t, depth-1)
		g.value(t, depth-1)
		g.c.op(op)
	}
	load := func(op opcode) {
		g.address()
		g.c.op(op, 0, uint32(g.IntN(64)))
	}
	switch choice := g.IntN(10); {
	case choice == 0: // select
		g.value(t, depth-1)
		g.value(t, depth-1)
		g.value(i32, depth-1)
		g.c.op(opSelect)
	case choice == 1: // if
		g.value(i32, depth-1)
		g.c.op(opIf)
		g.c.bytes(byte(t))
		g.labels = append(g.labels, genLabel{result: []valType{t}})
		g.value(t, depth-1)
		g.c.op(opElse)
		g.value(t, depth-1)
		g.labels = g.labels[:len(g.labels)-1]
		g.c.op(opEnd)
	case t == i32:
		switch g.IntN(8) {
		case 0:
			load(0x28)
		case 1:
			binary(0x46+opcode(g.IntN(10)), i32) // compare
		case 2:
			binary(0x51+opcode(g.IntN(10)), i64)
		case 3:
			binary(0x61+opcode(g.IntN(6)), f64)
		case 4:
			unary(0xfc02+opcode(g.IntN(2)), f64) // trunc_sat
		case 5:
			unary(0xc0+opcode(g.IntN(2)), i32) // extend
		case 6:
			g.c.op(opMemorySize, 0)
		default:
			binary(0x6a+opcode(g.IntN(15)), i32) // division traps at times
		}
	case t == i64:
		switch g.IntN(4) {
		case 0:
			load(0x29)
		case 1:
			unary(0xac+opcode(g.IntN(2)), i32)
		case 2:
			unary(0xb0, f64) // traps at times
		default:
			binary(0x7c+opcode(g.IntN(15)), i64)
		}
	case t == f32:
		if g.IntN(3) == 0 {
			unary(0xb2, i32)
		} else {
			binary(0x92+opcode(g.IntN(3)), f32)
		}
	case t == f64:
		if g.IntN(3) == 0 {
			unary(0xb9, i64)
		} else {
			binary(0xa0+opcode(g.IntN(3)), f64)
		}
	default:
		switch g.IntN(3) {
		case 0:
			unary(0xfd11, i32) // i32x4.splat
		case 1:
			load(0xfd00)
		default:
			binary([]opcode{0xfd4e, 0xfd50, 0xfd51, 0xfdae, 0xfd6e}[g.IntN(5)], v128)
		}
	}
}
