package rewrite

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// generator makes valid modules at random that always end: loops count, and
// functions call only those behind them. What a NaN's bits are, which WebAssembly
// leaves open, decides nothing in them.
type generator struct {
	*rand.Rand
	pressed  bool // many locals are alive everywhere; traps are rare
	types    []funcType
	funcs    []funcType // of each function
	f        int        // the one that is being written
	c        code
	locals   []valType
	reserved []bool             // locals that only the generator itself sets: counters, and clean
	cleaning map[valType]uint32 // the local of clean
	labels   []genLabel
	loops    int       // open ones
	budget   int       // statements left
	main     []valType // of a pressed module: the types of its locals
	noNaN    bool      // no local of it is ever a NaN
	always   func()    // what it makes in any case
	// favourites are instructions of which a pressed module has many.
	favourites map[valType][]genOp
}

type genLabel struct {
	loop   bool
	result []valType // what a branch to it carries
}

var genTypes = []valType{i32, i64, f32, f64}

const genGlobals = 4 // i32, i64, f64 and i32, all mutable

// generate makes a module of small functions.
func generate(seed uint64) []byte {
	return (&generator{Rand: rand.New(rand.NewPCG(seed, 1))}).module()
}

// generatePressed makes one in which 14 to 40 locals of each type are alive.
func generatePressed(seed uint64) []byte {
	return (&generator{Rand: rand.New(rand.NewPCG(seed, 2)), pressed: true}).module()
}

// generateOf makes a pressed one of which op is a large part.
func generateOf(seed uint64, op genOp, result valType) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 3)), pressed: true}
	g.always = func() {
		g.main, g.noNaN = []valType{i64, result, result}, true
		if op.operands[0] == i64 {
			g.main = []valType{i64, i64, result}
		}
		g.favourites[result] = []genOp{op}
	}
	return g.module()
}

// choose chooses of what a pressed module has much.
func (g *generator) choose() {
	g.main = genTypes
	if g.IntN(3) > 0 { // one of integers, one of floats, twice as often
		g.main = []valType{genTypes[g.IntN(2)], genTypes[2+g.IntN(2)]}
		g.main = append(g.main, g.main[1])
	}
	g.noNaN = g.IntN(3) > 0
	g.favourites = map[valType][]genOp{}
	for _, t := range genTypes {
		for range 2 + g.IntN(4) {
			op := genOps[t][g.IntN(len(genOps[t]))]
			if g.IntN(3) == 0 { // one that avoid.go is about
				op = avoided[t][g.IntN(len(avoided[t]))]
			}
			g.favourites[t] = append(g.favourites[t], op)
		}
	}
	if g.always != nil {
		g.always()
	}
}

// avoided are instructions that avoid.go is about, by the type of what they leave.
var avoided = map[valType][]genOp{
	i32: {{opI32Clz, []valType{i32}, false}, {opI32Ctz, []valType{i32}, false}, {opI32RemS, []valType{i32, i32}, true}, {opI32RemU, []valType{i32, i32}, true}},
	i64: {{opI64Clz, []valType{i64}, false}, {opI64Ctz, []valType{i64}, false}, {opI64RemS, []valType{i64, i64}, true}, {opI64RemU, []valType{i64, i64}, true}},
	f32: {{opF32Copysign, []valType{f32, f32}, false}, {opF32ConvertI64U, []valType{i64}, false}},
	f64: {{opF64Copysign, []valType{f64, f64}, false}, {opF64ConvertI64U, []valType{i64}, false}},
}

func (g *generator) module() []byte {
	some := func(most int) (ts []valType) {
		for range g.IntN(most + 1) {
			ts = append(ts, genTypes[g.IntN(len(genTypes))])
		}
		return ts
	}
	most := 3
	if g.pressed {
		most = 12
		g.choose()
	}
	for range 1 + g.IntN(5) {
		t := funcType{some(most), some(most)}
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
	g.c, g.locals, g.reserved, g.cleaning = nil, nil, nil, map[valType]uint32{}
	for _, p := range t.params {
		g.declare(p, false)
	}
	if g.pressed {
		for _, typ := range slices.Compact(slices.Clone(g.main)) {
			for range 14 + g.IntN(1+g.IntN(27)) {
				g.declare(typ, false)
			}
		}
		g.budget = 20 + g.IntN(150)
	} else {
		for range 2 + g.IntN(4) {
			g.declare(genTypes[g.IntN(len(genTypes))], false)
		}
		g.budget = 5 + g.IntN(25)
	}
	g.labels = []genLabel{{result: t.results}}
	mine := len(g.locals)
	if g.pressed {
		for l := range uint32(mine) {
			if int(l) < len(t.params) {
				g.c.op(opLocalGet, l)
			} else {
				g.value(g.locals[l], 2)
			}
			g.set(l)
		}
		for g.budget > 0 {
			g.block()
		}
		g.observe(mine)
	} else {
		g.block()
	}
	for _, r := range t.results {
		g.value(r, 3)
	}
	var groups []localGroup
	for _, typ := range g.locals[len(t.params):] {
		groups = append(groups, localGroup{1, typ})
	}
	var all code
	all.locals(groups)
	all.bytes(g.c...)
	all.op(opEnd)
	return sized(all)
}

// typ is a type of a local.
func (g *generator) typ() valType {
	if g.pressed {
		return g.main[g.IntN(len(g.main))]
	}
	return genTypes[g.IntN(len(genTypes))]
}

// declare adds a local.
func (g *generator) declare(t valType, reserved bool) uint32 {
	g.locals, g.reserved = append(g.locals, t), append(g.reserved, reserved)
	return uint32(len(g.locals) - 1)
}

// observe adds what the first n locals hold to a sum in memory, each with a weight.
func (g *generator) observe(n int) {
	at := int32(0xff00 + 8*g.f)
	g.c.i32Const(at)
	g.c.i32Const(at)
	g.c.op(0x29, 0, 0) // i64.load
	for l := range uint32(n) {
		g.c.i64Const(7)
		g.c.op(0x89) // i64.rotl
		g.c.op(opLocalGet, l)
		switch g.locals[l] {
		case i32:
			g.c.op(opI64ExtendI32)
		case f32:
			g.clean(f32)
			g.c.op(opI32Reinterpret)
			g.c.op(opI64ExtendI32)
		case f64:
			g.clean(f64)
			g.c.op(opI64Reinterpret)
		}
		g.c.op(opI64Xor)
	}
	g.c.op(0x37, 0, 0) // i64.store
}

// clean makes a number of a NaN on the stack.
func (g *generator) clean(t valType) {
	l, ok := g.cleaning[t]
	if !ok {
		l = g.declare(t, true)
		g.cleaning[t] = l
	}
	eq := map[valType]opcode{f32: 0x5b, f64: 0x61}[t]
	g.c.op(opLocalTee, l)
	g.c.op(opLocalGet, l)
	g.c.op(eq)
	g.c.op(opIf)
	g.c.bytes(byte(t))
	g.c.op(opLocalGet, l)
	g.c.op(opElse)
	if t == f32 {
		g.c.op(opF32Const)
		g.c.bytes(0, 0, 0x80, 0x3f)
	} else {
		g.c.op(opF64Const)
		g.c.bytes(0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
	}
	g.c.op(opEnd)
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
		if l := (start + i) % len(g.locals); g.locals[l] == t && !g.reserved[l] {
			return uint32(l), true
		}
	}
	return 0, false
}

func (g *generator) statement() {
	choice := g.IntN(20)
	if g.pressed {
		switch n := g.IntN(100); {
		case n < 60: // an instruction of locals
			t := g.typ()
			l, _ := g.local(t)
			op := g.favourites[t][g.IntN(len(g.favourites[t]))]
			g.operation(op, 0)
			if op.keepsNumbers() {
				g.c.op(opLocalSet, l)
			} else {
				g.set(l)
			}
			return
		case n < 78:
			choice = 6
		case n < 88:
			choice = 9
		case n < 92:
			choice = 14
		}
	}
	switch choice {
	case 0, 1, 2:
		if l, ok := g.local(g.typ()); ok {
			g.value(g.locals[l], 4)
			g.set(l)
		}
	case 3:
		i := uint32(g.IntN(genGlobals))
		g.value([]valType{i32, i64, f64, i32}[i], 3)
		g.c.op(opGlobalSet, i)
	case 4, 5:
		g.address()
		op := 0x36 + g.IntN(9)
		typ := []valType{i32, i64, f32, f64, i32, i32, i64, i64, i64}[op-0x36]
		g.value(typ, 3)
		if typ == f32 || typ == f64 {
			g.clean(typ)
		}
		g.c.op(opcode(op), 0, uint32(g.IntN(64)))
	case 6, 7:
		g.condition()
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
		g.take(t)
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
		g.take(i32)
	case 17:
		if g.IntN(8) == 0 && !g.pressed { // what follows is unreachable
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
		f := g.IntN(len(g.funcs))
		if g.pressed {
			g.c.i32Const(int32(f))
		} else {
			g.c.i32Const(int32(g.IntN(9)))
		}
		g.c.op(opRefFunc, uint32(f))
		g.c.op(opTableSet, 0)
	case 19:
		t := genTypes[g.IntN(len(genTypes))]
		g.value(t, 4)
		g.take(t)
	}
}

// condition leaves an i32.
func (g *generator) condition() {
	if g.pressed && g.IntN(4) > 0 {
		if l, ok := g.local(i64); ok {
			g.c.op(opLocalGet, l)
			g.c.op(opI32Wrap)
		} else {
			l, _ := g.local(i32)
			g.c.op(opLocalGet, l)
		}
		g.c.i32Const(int32(1 + g.IntN(3)))
		g.c.op(opI32And)
		return
	}
	g.value(i32, 3)
}

// set puts a value from the stack into a local.
func (g *generator) set(l uint32) {
	if t := g.locals[l]; g.noNaN && (t == f32 || t == f64) {
		g.clean(t)
	}
	g.c.op(opLocalSet, l)
}

// take puts a value from the stack into a local, or drops it.
func (g *generator) take(t valType) {
	if l, ok := g.local(t); ok && g.IntN(3) > 0 {
		g.set(l)
		return
	}
	g.c.op(opDrop)
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
	counter := g.declare(i32, true)
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
	most := len(g.labels)
	if g.pressed { // not to the function's end, past observe
		most--
	}
	if most == 0 {
		return
	}
	label := func() (uint32, bool) {
		d := g.IntN(most)
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
	return g.declare(i32, false)
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
	for _, r := range slices.Backward(g.funcs[callee].results) {
		g.take(r)
	}
}

func (g *generator) bulk() {
	g.address()
	if g.pressed || g.IntN(2) == 0 {
		g.address()
	} else {
		g.value(i32, 1)
	}
	length := []int32{0, 7, 33, 100, chunk - 1, chunk, chunk + 1, 2*chunk + 5, -1}[g.IntN(9)]
	if g.pressed {
		length = []int32{1, 7, 33, 100, 300, 5000}[g.IntN(6)]
	}
	if g.IntN(2) == 0 { // not a constant for the rewriter
		g.c.i32Const(length)
		g.c.op(opLocalSet, g.scratch())
		g.c.op(opLocalGet, g.scratch())
	} else {
		g.c.i32Const(length)
	}
	which := g.IntN(3)
	if g.pressed {
		which = g.IntN(2)
	}
	switch which {
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
	if g.pressed || g.IntN(10) > 0 {
		g.c.i32Const(0x7fff)
		g.c.bytes(0x71) // i32.and
	}
}

// genOp is an instruction of numbers.
type genOp struct {
	op       opcode
	operands []valType
	traps    bool // of some operands
}

// keepsNumbers tells that it makes no NaN of numbers.
func (op genOp) keepsNumbers() bool {
	switch op.op {
	case 0x91, 0x92, 0x93, 0x94, 0x95, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3, opF32Reinterpret, opF64Reinterpret: // sqrt, arithmetic
		return false
	}
	return true
}

// genOps are all instructions of numbers, by the type of what they leave.
var genOps = func() map[valType][]genOp {
	all := map[valType][]genOp{}
	add := func(result valType, from, to opcode, operands ...valType) {
		for op := from; op <= to; op++ {
			traps := op >= 0x6d && op <= 0x70 || op >= 0x7f && op <= 0x82 || op >= 0xa8 && op <= 0xab || op >= 0xae && op <= 0xb1
			all[result] = append(all[result], genOp{op, operands, traps})
		}
	}
	add(i32, 0x45, 0x45, i32) // eqz
	add(i32, 0x46, 0x4f, i32, i32)
	add(i32, 0x50, 0x50, i64) // eqz
	add(i32, 0x51, 0x5a, i64, i64)
	add(i32, 0x5b, 0x60, f32, f32)
	add(i32, 0x61, 0x66, f64, f64)
	add(i32, 0x67, 0x69, i32)      // clz, ctz, popcnt
	add(i32, 0x6a, 0x78, i32, i32) // arithmetic, bits, shifts
	add(i32, 0xa7, 0xa7, i64)      // wrap
	add(i32, 0xa8, 0xa9, f32)      // trunc
	add(i32, 0xaa, 0xab, f64)
	add(i32, 0xbc, 0xbc, f32) // reinterpret
	add(i32, 0xc0, 0xc1, i32) // extend8, extend16
	add(i32, 0xfc00, 0xfc01, f32)
	add(i32, 0xfc02, 0xfc03, f64)
	add(i64, 0x79, 0x7b, i64)
	add(i64, 0x7c, 0x8a, i64, i64)
	add(i64, 0xac, 0xad, i32) // extend
	add(i64, 0xae, 0xaf, f32)
	add(i64, 0xb0, 0xb1, f64)
	add(i64, 0xbd, 0xbd, f64)
	add(i64, 0xc2, 0xc4, i64)
	add(i64, 0xfc04, 0xfc05, f32)
	add(i64, 0xfc06, 0xfc07, f64)
	add(f32, 0x8b, 0x91, f32) // abs, neg, ceil, floor, trunc, nearest, sqrt
	add(f32, 0x92, 0x98, f32, f32)
	add(f32, 0xb2, 0xb3, i32)
	add(f32, 0xb4, 0xb5, i64)
	add(f32, 0xb6, 0xb6, f64) // demote
	add(f32, 0xbe, 0xbe, i32)
	add(f64, 0x99, 0x9f, f64)
	add(f64, 0xa0, 0xa6, f64, f64)
	add(f64, 0xb7, 0xb8, i32)
	add(f64, 0xb9, 0xba, i64)
	add(f64, 0xbb, 0xbb, f32) // promote
	add(f64, 0xbf, 0xbf, i64)
	return all
}()

// value leaves a value of a type.
func (g *generator) value(t valType, depth int) {
	if depth == 0 || g.IntN(4) == 0 {
		if l, ok := g.local(t); ok && (g.IntN(3) > 0 || g.pressed && g.IntN(4) > 0) {
			g.c.op(opLocalGet, l)
			return
		}
		g.constant(t)
		return
	}
	switch choice := g.IntN(12); {
	case choice == 0: // select
		g.value(t, depth-1)
		g.value(t, depth-1)
		g.value(i32, depth-1)
		if g.IntN(2) == 0 {
			g.c.op(opSelect)
		} else {
			g.c.op(opSelectT)
			g.c.bytes(1, byte(t))
		}
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
	case choice == 2: // a load
		g.address()
		loads := map[valType][]opcode{i32: {0x28, 0x2c, 0x2d, 0x2e, 0x2f}, i64: {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35}, f32: {0x2a}, f64: {0x2b}}[t]
		g.c.op(loads[g.IntN(len(loads))], 0, uint32(g.IntN(64)))
	case choice == 3 && t == i32:
		g.c.op(opMemorySize, 0)
	default:
		g.operation(genOps[t][g.IntN(len(genOps[t]))], depth-1)
	}
}

func (g *generator) operation(op genOp, depth int) {
	if op.traps && g.pressed && op.op >= 0xa8 { // trunc: of an integer
		if op.operands[0] == f32 {
			g.value(i32, depth)
			g.c.bytes(0xc1) // extend16
			g.c.bytes(0xb2) // convert
		} else {
			g.value(i32, depth)
			g.c.i32Const(1)
			g.c.op(opI32ShrU)
			g.c.bytes(0xb7)
		}
		if op.op&1 == 1 { // unsigned
			g.c.op(map[valType]opcode{f32: 0x8b, f64: 0x99}[op.operands[0]]) // abs
		}
		g.c.op(op.op)
		return
	}
	for k, t := range op.operands {
		g.value(t, depth)
		switch {
		case op.op == opI32Reinterpret, op.op == opI64Reinterpret, k == 1 && (op.op == opF32Copysign || op.op == opF64Copysign) && (!g.noNaN || depth > 0):
			g.clean(t)
		case k == 1 && op.traps && g.pressed: // the divisor is odd, and small
			if t == i32 {
				g.c.i32Const(0xff)
				g.c.op(opI32And)
				g.c.i32Const(1)
				g.c.op(opI32Or)
			} else {
				g.c.i64Const(0xff)
				g.c.op(opI64And)
				g.c.i64Const(1)
				g.c.op(opI64Or)
			}
		}
	}
	g.c.op(op.op)
}

// constant is often one at an edge.
func (g *generator) constant(t valType) {
	switch t {
	case i32:
		g.c.i32Const(int32(g.Uint32()) >> g.IntN(32))
	case i64:
		g.c.i64Const(int64(g.Uint64()) >> g.IntN(64))
	case f32, f64:
		v := []float64{0, math.Copysign(0, -1), 1, -1, 0.5, -2.5, math.Inf(1), math.Inf(-1), 1 << 31, -(1 << 31), 1 << 32, 1 << 63, -(1 << 63), 1 << 64, 5e-324, 1e-40, math.MaxFloat32, math.NaN()}[g.IntN(18)]
		if g.noNaN && v != v {
			v = 3
		}
		switch g.IntN(3) {
		case 0:
			v = g.NormFloat64() * 100
		case 1:
			v = math.Ldexp(g.NormFloat64(), g.IntN(140)-60)
		}
		if t == f32 {
			g.c.op(opF32Const)
			g.c = binary.LittleEndian.AppendUint32(g.c, math.Float32bits(float32(v)))
		} else {
			g.c.op(opF64Const)
			g.c = binary.LittleEndian.AppendUint64(g.c, math.Float64bits(v))
		}
	}
}
