package rewrite

import (
	"slices"
	"strconv"
)

// code is encoded WebAssembly. Numbers are in their shortest form.
type code []byte

func (c *code) bytes(b ...byte) { *c = append(*c, b...) }

func (c *code) u32(v uint32) {
	for ; v >= 0x80; v >>= 7 {
		*c = append(*c, byte(v)|0x80)
	}
	*c = append(*c, byte(v))
}

func (c *code) signed(v int64) {
	for v < -0x40 || v >= 0x40 {
		*c = append(*c, byte(v)|0x80)
		v >>= 7
	}
	*c = append(*c, byte(v)&0x7f)
}

func (c *code) name(s string) {
	c.u32(uint32(len(s)))
	*c = append(*c, s...)
}

func (c *code) op(op opcode, operands ...uint32) {
	if op > 0xff {
		c.bytes(byte(op >> 8))
		c.u32(uint32(op & 0xff))
	} else {
		c.bytes(byte(op))
	}
	for _, v := range operands {
		c.u32(v)
	}
}

func (c *code) i32Const(v int32) { c.op(opI32Const); c.signed(int64(v)) }
func (c *code) i64Const(v int64) { c.op(opI64Const); c.signed(v) }

// instr writes an instruction as it was read.
func (c *code) instr(i *instr) {
	c.op(i.op)
	switch i.form.imm {
	case immBlock, immI32, immI64:
		c.signed(i.n)
	case immLabel, immFunc, immLocal, immGlobal, immTable, immData, immElem:
		c.u32(i.x)
	case immLabels:
		c.u32(uint32(len(i.labels)))
		for _, l := range i.labels {
			c.u32(l)
		}
		c.u32(i.x)
	case immTypeTable, immTables, immElemTable, immMemArg:
		c.u32(i.x)
		c.u32(i.y)
	case immMem:
		c.bytes(0)
	case immMems:
		c.bytes(0, 0)
	case immDataMem:
		c.u32(i.x)
		c.bytes(0)
	case imm4, imm8:
		c.bytes(i.raw...)
	case immTypes:
		c.u32(uint32(len(i.raw)))
		c.bytes(i.raw...)
	case immRefType:
		c.bytes(i.ref)
	}
}

func (c *code) valTypes(ts []valType) {
	c.u32(uint32(len(ts)))
	for _, t := range ts {
		c.bytes(byte(t))
	}
}

func (c *code) limits(l limits) {
	if !l.hasMax {
		c.bytes(0)
		c.u32(l.min)
		return
	}
	c.bytes(1)
	c.u32(l.min)
	c.u32(l.max)
}

func (c *code) table(t tableType) {
	c.bytes(byte(t.elem))
	c.limits(t.limits)
}

func (c *code) global(t globalType) {
	c.bytes(byte(t.val), 0)
	if t.mutable {
		(*c)[len(*c)-1] = 1
	}
}

// encoder writes a module. It adds one import after the original's, or two with
// Config.Trace, so the indices of the module's own functions move up by that.
type encoder struct {
	m     *module
	cfg   Config
	types []funcType
	added map[string]uint32 // types that the original may lack

	yield, fuel, stack uint32 // the added import and globals
	trace              uint32 // the second added import, with Config.Trace
	sites              []Site
	helpers            []helper
	refuel             uint32 // helper functions; 0 if not needed
	fill, copy         uint32
	grow, sized        uint32

	loops []loop // of the code that is yet to be written
}

func newEncoder(m *module, cfg Config) *encoder {
	e := &encoder{m: m, cfg: cfg, types: slices.Clip(m.types), added: map[string]uint32{}, loops: m.loops}
	if !cfg.Unmetered {
		e.yield = uint32(m.importedFuncs)
		e.trace = e.yield + 1
		e.fuel = uint32(len(m.globals))
		e.stack = e.fuel + 1
		e.addHelpers()
	}
	return e
}

// function is a function's index in the new module.
func (e *encoder) function(f uint32) uint32 {
	if e.cfg.Unmetered || int(f) < e.m.importedFuncs {
		return f
	}
	if e.cfg.Trace {
		return f + 2
	}
	return f + 1
}

// typ returns the index of a function type, which it adds if necessary.
func (e *encoder) typ(params, results []valType) uint32 {
	var key code
	key.valTypes(params)
	key.valTypes(results)
	t, ok := e.added[string(key)]
	if !ok {
		t = uint32(len(e.types))
		e.types = append(e.types, funcType{params, results})
		e.added[string(key)] = t
	}
	return t
}

// module writes the sections. Code comes first: it may need types.
func (e *encoder) module() []byte {
	m := e.m
	var yieldType, traceType uint32
	if !e.cfg.Unmetered {
		yieldType = e.typ([]valType{i64, i64}, []valType{i64})
	}
	if e.cfg.Trace {
		traceType = e.typ([]valType{i32}, nil)
	}
	bodies := e.bodies()
	var s code
	out := make(code, 0, len(bodies)+len(m.src)/2)
	out.bytes(0, 'a', 's', 'm', 1, 0, 0, 0)
	section := func(id byte, entries int) {
		if entries > 0 {
			var n code
			n.u32(uint32(entries))
			out.bytes(id)
			out.u32(uint32(len(n) + len(s)))
			out.bytes(n...)
			out.bytes(s...)
		}
		s = s[:0]
	}

	for _, t := range e.types {
		s.bytes(0x60)
		s.valTypes(t.params)
		s.valTypes(t.results)
	}
	section(1, len(e.types))

	imports := len(m.imports)
	for _, i := range m.imports {
		s.importEntry(i)
	}
	if !e.cfg.Unmetered {
		s.importEntry(importEntry{module: Module, name: Yield, kind: kindFunc, typ: yieldType})
		imports++
	}
	if e.cfg.Trace {
		s.importEntry(importEntry{module: Module, name: Trace, kind: kindFunc, typ: traceType})
		imports++
	}
	section(2, imports)

	for _, t := range m.funcs[m.importedFuncs:] {
		s.u32(t)
	}
	for _, h := range e.helpers {
		s.u32(h.typ)
	}
	section(3, len(m.bodies)+len(e.helpers))

	for _, t := range m.tables[m.importedTables:] {
		t.limits.max, t.limits.hasMax = min(t.limits.max, maxTableSize), true
		s.table(t)
	}
	section(4, len(m.tables)-m.importedTables)

	if m.memory != nil && !m.importedMemory {
		s.limits(*m.memory)
		section(5, 1)
	}

	for k, init := range m.inits {
		s.global(m.globals[m.importedGlobals+k])
		e.constExpr(&s, init)
	}
	globals := len(m.inits)
	if !e.cfg.Unmetered {
		for _, init := range []int64{0, e.cfg.Stack} {
			s.global(globalType{i64, true})
			e.constExpr(&s, constExpr{op: opI64Const, n: init})
			globals++
		}
	}
	section(6, globals)

	section(7, e.exports(&s))

	for i := range m.elems {
		e.elem(&s, &m.elems[i])
	}
	section(9, len(m.elems))

	if m.seen[opMemoryInit] || m.seen[opDataDrop] {
		out.bytes(12)
		s.u32(uint32(len(m.datas)))
		out.u32(uint32(len(s)))
		out.bytes(s...)
		s = s[:0]
	}

	s = bodies
	section(10, len(m.bodies)+len(e.helpers))

	// An active segment counts as dropped once the module is instantiated, which for
	// memory.init and data.drop is the same as an empty one.
	if m.seen[opMemoryInit] || m.seen[opDataDrop] {
		for _, d := range m.datas {
			s.bytes(1)
			if d.active {
				s.u32(0)
			} else {
				s.u32(uint32(len(d.bytes)))
				s.bytes(d.bytes...)
			}
		}
		section(11, len(m.datas))
	}

	if names, n := e.names(); n > 0 {
		s.name("name")
		s.bytes(1)
		var size code
		size.u32(uint32(n))
		s.u32(uint32(len(size) + len(names)))
		s.bytes(size...)
		s.bytes(names...)
		out.bytes(0)
		out.u32(uint32(len(s)))
		out.bytes(s...)
	}
	return out
}

func (c *code) importEntry(i importEntry) {
	c.name(i.module)
	c.name(i.name)
	c.bytes(i.kind)
	switch i.kind {
	case kindFunc:
		c.u32(i.typ)
	case kindTable:
		c.table(i.table)
	case kindMemory:
		c.limits(i.memory)
	case kindGlobal:
		c.global(i.global)
	}
}

// exports writes the original's exports and those for the host, and returns how many.
func (e *encoder) exports(s *code) int {
	n := 0
	export := func(name string, kind byte, index uint32) {
		s.name(name)
		s.bytes(kind)
		s.u32(index)
		n++
	}
	for _, x := range e.m.exports {
		if x.kind == kindFunc {
			x.index = e.function(x.index)
		}
		export(x.name, x.kind, x.index)
	}
	e.m.ownMutable(func(i uint32, t valType) {
		if !t.isRef() {
			export(globalName(i), kindGlobal, i)
		}
	})
	if e.m.start >= 0 {
		export(Start, kindFunc, e.function(uint32(e.m.start)))
	}
	if !e.cfg.Unmetered {
		export(Fuel, kindGlobal, e.fuel)
		export(Stack, kindGlobal, e.stack)
	}
	return n
}

func globalName(i uint32) string { return global + strconv.Itoa(int(i)) }

func (e *encoder) constExpr(s *code, c constExpr) {
	s.op(c.op)
	switch c.op {
	case opI32Const, opI64Const:
		s.signed(c.n)
	case opRefFunc:
		s.u32(e.function(c.x))
	case opGlobalGet:
		s.u32(c.x)
	case opRefNull:
		s.bytes(c.ref)
	default:
		s.bytes(c.raw...)
	}
	s.op(opEnd)
}

func (e *encoder) elem(s *code, x *elemSegment) {
	s.u32(x.flags)
	passive, second, exprs := x.flags&1 != 0, x.flags&2 != 0, x.flags&4 != 0
	if !passive {
		if second {
			s.u32(x.table)
		}
		e.constExpr(s, x.offset)
	}
	switch {
	case (passive || second) && exprs:
		s.bytes(byte(x.elem))
	case passive || second:
		s.bytes(0)
	}
	s.u32(uint32(len(x.items)))
	for _, item := range x.items {
		if exprs {
			e.constExpr(s, constExpr{op: item.op, x: item.x, ref: byte(x.elem)})
		} else {
			s.u32(e.function(item.x))
		}
	}
}

// names returns the function names, encoded, and how many there are.
func (e *encoder) names() (s code, n int) {
	e.m.functionNames(func(f uint32, name []byte) {
		s.u32(e.function(f))
		s.name(string(name))
		n++
	})
	return s, n
}
