package rewrite

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// What one module may have at most. Every Go, Rust or C guest that we know of
// stays well below; what a hostile one can cost is what these allow.
const (
	maxModule    = 64 << 20 // bytes
	maxTypes     = 20_000
	maxArity     = 256 // parameters, or results, of one type
	maxImports   = 256 // an engine may look through all of them for each call
	maxFunctions = 60_000
	maxTables    = 16
	maxTableSize = 1 << 18 // elements, also as it grows
	maxGlobals   = 1_000
	maxExports   = 10_000
	maxElems     = 20_000
	maxItems     = 1 << 20 // of all element segments together
	maxDatas     = 100_000
	maxBody      = 1 << 20 // bytes of one function; it may run to its end between two yields
	maxLocals    = 10_000  // of one function, parameters included
	maxNesting   = 20_000  // blocks within blocks
	maxLoops     = 500     // loops within loops
	maxLabels    = 1 << 16 // of one br_table
)

// Kinds of imports and exports.
const (
	kindFunc = iota
	kindTable
	kindMemory
	kindGlobal
)

var kindNames = [...]string{"function", "table", "memory", "global"}

type funcType struct{ params, results []valType }

type limits struct {
	min, max uint32
	hasMax   bool
}

type tableType struct {
	elem   valType
	limits limits
}

type globalType struct {
	val     valType
	mutable bool
}

type importEntry struct {
	module, name string
	kind         byte
	typ          uint32 // of a function
	table        tableType
	memory       limits
	global       globalType
}

type exportEntry struct {
	name  string
	kind  byte
	index uint32
}

// constExpr is the one instruction of a constant expression.
type constExpr struct {
	op  opcode
	x   uint32 // function, global
	n   int64
	ref byte // reference type
	raw []byte
}

// elemItem is constExpr for the many: ref.func x, global.get x or ref.null.
type elemItem struct {
	op opcode
	x  uint32
}

type elemSegment struct {
	flags  uint32 // as the binary format writes them
	table  uint32
	offset constExpr
	elem   valType
	items  []elemItem
}

type dataSegment struct {
	active bool
	offset uint32
	bytes  []byte // part of the module
}

type localGroup struct {
	n   uint32
	typ valType
}

type body struct {
	at, end int // where the code stands, from the first instruction on
	locals  []localGroup
	nlocals int
	// selects has, for each select in the order of the code, the type that it selects
	// if that is a float's; see avoid.go.
	selects []valType
	scratch scratch
	metering
}

// module is a decoded module. Index spaces hold what is imported first.
type module struct {
	src     []byte
	types   []funcType
	imports []importEntry
	funcs   []uint32 // each function's type
	tables  []tableType
	memory  *limits
	globals []globalType
	inits   []constExpr // of the module's own globals
	exports []exportEntry
	start   int64 // -1: none
	elems   []elemSegment
	datas   []dataSegment
	bodies  []body
	names   []byte // the name section's contents, nil: none

	importedFuncs, importedTables, importedGlobals int
	importedMemory                                 bool

	dataCount int64           // -1: no such section
	declared  []bool          // functions that ref.func may name
	mutable   int             // mutable globals
	seen      map[opcode]bool // which of the instructions that the rewriter heeds occur
	loops     []loop          // in order of the code
	expansion int64           // see maxExpansion
}

// decode reads the whole module, and validates every index in it.
func decode(b []byte) (*module, *Error) {
	m := &module{src: b, start: -1, dataCount: -1, seen: map[opcode]bool{}}
	r := &reader{b: b}
	switch {
	case len(b) > maxModule:
		r.refusef(0, "the module has %d bytes: at most %d are taken", len(b), maxModule)
	case len(b) < 8 || !bytes.Equal(b[:4], []byte("\x00asm")):
		r.refusef(0, "this is not a WebAssembly module")
	case bytes.Equal(b[4:8], []byte{0x0d, 0, 1, 0}):
		r.refusef(4, "this is a component: a core module is wanted")
	case !bytes.Equal(b[4:8], []byte{1, 0, 0, 0}):
		r.refusef(4, "this is not version 1 of the binary format")
	}
	r.pos = 8
	order, rank := 0, [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10} // data count stands before code
	var code *reader
	for !r.done() {
		at := r.pos
		id := r.byte()
		size := r.u32()
		if uint64(size) > uint64(len(b)-r.pos) {
			r.refusef(at, "section %d is longer than the module", id)
			break
		}
		s := &reader{b: b[:r.pos+int(size)], pos: r.pos}
		r.pos += int(size)
		switch {
		case id == 0:
			m.customSection(s)
			s.pos = len(s.b)
		case int(id) >= len(rank):
			s.refusef(at, "section %d is not of WebAssembly 2.0", id)
		case rank[id] <= order:
			s.refusef(at, "section %d is out of order, or there twice", id)
		default:
			order = rank[id]
			m.section(s, id)
			if id == 10 { // read when all that code may name is known
				code, s.pos = &reader{b: s.b, pos: s.pos}, len(s.b)
			}
		}
		if s.err == nil && s.pos != len(s.b) {
			s.refusef(s.pos, "section %d has %d bytes too many", id, len(s.b)-s.pos)
		}
		if r.err == nil {
			r.err = s.err
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if m.dataCount >= 0 && int(m.dataCount) != len(m.datas) {
		r.refusef(len(b), "the data count is %d, and there are %d data segments", m.dataCount, len(m.datas))
	}
	if code == nil {
		code = &reader{b: []byte{0}}
	}
	m.codeSection(code)
	if r.err == nil {
		r.err = code.err
	}
	return m, r.err
}

func (m *module) section(r *reader, id byte) {
	switch id {
	case 1:
		for range r.count("types", maxTypes, 3) {
			m.funcType(r)
		}
	case 2:
		for range r.count("imports", maxImports, 4) {
			m.importEntry(r)
		}
	case 3:
		n := r.count("functions", maxFunctions, 1)
		m.bodies = make([]body, n)
		for range n {
			m.funcs = append(m.funcs, r.index("type", len(m.types)))
		}
	case 4:
		for range r.count("tables", maxTables, 3) {
			at := r.pos
			t := r.table()
			if t.limits.min > maxTableSize {
				r.refusef(at, "a table of %d elements: at most %d are taken", t.limits.min, maxTableSize)
			}
			m.tables = append(m.tables, t)
		}
	case 5:
		for range r.count("memories", 1, 2) {
			if m.memory != nil {
				r.refusef(r.pos, "a second memory: multiple memories are not supported")
			}
			l := r.memory()
			m.memory = &l
		}
	case 6:
		for range r.count("globals", maxGlobals, 4) {
			t := r.global()
			m.inits = append(m.inits, m.constExpr(r))
			m.globals = append(m.globals, t)
		}
	case 7:
		m.exportSection(r)
	case 8:
		at := r.pos
		m.start = int64(r.index("function", len(m.funcs)))
		if !r.failed() {
			if t := m.types[m.funcs[m.start]]; len(t.params)+len(t.results) != 0 {
				r.refusef(at, "the start function has parameters or results")
			}
		}
	case 9:
		left := maxItems
		for range r.count("element segments", maxElems, 2) {
			m.elem(r, &left)
		}
	case 11:
		n := r.count("data segments", maxDatas, 2)
		m.datas = make([]dataSegment, 0, n)
		for range n {
			m.data(r)
		}
	case 12:
		m.dataCount = int64(r.u32())
	}
}

func (m *module) funcType(r *reader) {
	at := r.pos
	if c := r.byte(); c != 0x60 {
		r.refusef(at, "type %#x is not a function's: garbage collection is not supported", c)
	}
	var t funcType
	for range r.count("parameters", maxArity, 1) {
		t.params = append(t.params, r.valType())
	}
	for range r.count("results", maxArity, 1) {
		t.results = append(t.results, r.valType())
	}
	m.types = append(m.types, t)
}

func (m *module) importEntry(r *reader) {
	if r.failed() {
		return
	}
	at := r.pos
	e := importEntry{module: r.name(), name: r.name(), kind: r.byte()}
	switch e.kind {
	case kindFunc:
		e.typ = r.index("type", len(m.types))
		m.funcs = append(m.funcs, e.typ)
		m.importedFuncs++
	case kindTable:
		e.table = r.table()
		if m.tables = append(m.tables, e.table); len(m.tables) > maxTables {
			r.refusef(at, "more than %d tables", maxTables)
		}
		m.importedTables++
	case kindMemory:
		e.memory = r.memory()
		if m.memory != nil {
			r.refusef(at, "a second memory: multiple memories are not supported")
		}
		m.memory, m.importedMemory = &e.memory, true
	case kindGlobal:
		e.global = r.global()
		m.globals = append(m.globals, e.global)
		m.importedGlobals++
	case 4:
		r.refusef(at, "import of a tag: exception handling is not supported")
	default:
		r.refusef(at, "import of kind %d is not of WebAssembly 2.0", e.kind)
	}
	if reserved(e.module) {
		r.refusef(at, "import from module %q: names that start with %q are the host's", e.module, Reserved)
	}
	m.imports = append(m.imports, e)
}

func (r *reader) limits(of string, most uint32) limits {
	at := r.pos
	var l limits
	switch flags := r.byte(); {
	case flags <= 1:
		l.hasMax = flags == 1
	case flags&^7 == 0 && flags&4 != 0:
		r.refusef(at, "a 64-bit %s: memory64 is not supported", of)
	case flags&^7 == 0:
		r.refusef(at, "a shared %s: threads are not supported", of)
	default:
		r.refusef(at, "limits %#x of a %s are not of WebAssembly 2.0", flags, of)
	}
	l.min, l.max = r.u32(), most
	if l.hasMax {
		l.max = r.u32()
	}
	if l.min > l.max || l.max > most {
		r.refusef(at, "a %s of %d to %d: at most %d, in this order", of, l.min, l.max, most)
	}
	return l
}

func (r *reader) memory() limits { return r.limits("memory", 65536) }

func (r *reader) table() tableType {
	return tableType{r.refType(), r.limits("table", 1<<32-1)}
}

func (r *reader) global() globalType {
	t := r.valType()
	at := r.pos
	c := r.byte()
	if c > 1 {
		r.refusef(at, "mutability %#x of a global is not of WebAssembly 2.0", c)
	}
	return globalType{t, c == 1}
}

// constExpr reads a constant expression. Its type is checked by the engine.
func (m *module) constExpr(r *reader) constExpr {
	if r.failed() {
		return constExpr{}
	}
	var i, end instr
	r.instr(&i)
	switch i.op {
	case opI32Const, opI64Const, opF32Const, opF64Const, opRefNull:
	case opRefFunc:
		m.checkFunc(r, i.at, i.x)
		m.declare(i.x)
	case opGlobalGet:
		if int(i.x) >= m.importedGlobals || m.globals[i.x].mutable {
			r.refusef(i.at, "global %d in a constant expression is not imported and immutable", i.x)
		}
	default:
		r.refusef(i.at, "instruction %#x in a constant expression is not of WebAssembly 2.0", uint16(i.op))
	}
	if r.instr(&end); end.op != opEnd {
		r.refusef(end.at, "a constant expression of more than one instruction is not supported")
	}
	return constExpr{i.op, i.x, i.n, i.ref, i.raw}
}

func (m *module) checkFunc(r *reader, at int, f uint32) {
	if int64(f) >= int64(len(m.funcs)) {
		r.refusef(at, "function %d of %d", f, len(m.funcs))
	}
}

// declare notes that ref.func may name a function.
func (m *module) declare(f uint32) {
	if m.declared == nil {
		m.declared = make([]bool, len(m.funcs))
	}
	if int64(f) < int64(len(m.declared)) {
		m.declared[f] = true
	}
}

func (m *module) exportSection(r *reader) {
	seen := map[string]bool{}
	for range r.count("exports", maxExports, 3) {
		at := r.pos
		e := exportEntry{name: r.name(), kind: r.byte()}
		switch e.kind {
		case kindFunc:
			e.index = r.index("function", len(m.funcs))
			m.declare(e.index)
		case kindTable:
			e.index = r.index("table", len(m.tables))
		case kindMemory:
			if e.index = r.u32(); e.index != 0 || m.memory == nil {
				r.refusef(at, "export %q: there is no memory %d", e.name, e.index)
			}
		case kindGlobal:
			e.index = r.index("global", len(m.globals))
		case 4:
			r.refusef(at, "export %q of a tag: exception handling is not supported", e.name)
		default:
			r.refusef(at, "export %q of kind %d is not of WebAssembly 2.0", e.name, e.kind)
		}
		if reserved(e.name) {
			r.refusef(at, "export %q: names that start with %q are the host's", e.name, Reserved)
		}
		if seen[e.name] {
			r.refusef(at, "export %q is there twice", e.name)
		}
		if r.failed() {
			return
		}
		seen[e.name] = true
		m.exports = append(m.exports, e)
	}
}

func (m *module) elem(r *reader, left *int) {
	if r.failed() {
		return
	}
	at := r.pos
	e := elemSegment{flags: r.u32(), elem: funcref}
	passive, second, exprs := e.flags&1 != 0, e.flags&2 != 0, e.flags&4 != 0
	if e.flags > 7 {
		r.refusef(at, "element segment of kind %d is not of WebAssembly 2.0", e.flags)
	}
	if !passive {
		if second {
			e.table = r.u32()
		}
		if int64(e.table) >= int64(len(m.tables)) {
			r.refusef(at, "table %d of %d", e.table, len(m.tables))
		}
		e.offset = m.constExpr(r)
	}
	switch {
	case (passive || second) && exprs:
		e.elem = r.refType()
	case passive || second:
		if r.byte() != 0 {
			r.refusef(at, "an element segment of something else than functions is not of WebAssembly 2.0")
		}
	}
	n := r.count("elements, all segments together", *left, 1)
	*left -= n
	e.items = make([]elemItem, 0, n)
	for range n {
		if r.failed() {
			return
		}
		item := elemItem{op: opRefFunc}
		if exprs {
			at := r.pos
			c := m.constExpr(r)
			if item = (elemItem{c.op, c.x}); c.op == opRefNull && valType(c.ref) != e.elem ||
				c.op != opRefNull && c.op != opRefFunc && c.op != opGlobalGet {
				r.refusef(at, "an element is not a %s", e.elem)
			}
		} else {
			item.x = r.index("function", len(m.funcs))
			m.declare(item.x)
		}
		e.items = append(e.items, item)
	}
	m.elems = append(m.elems, e)
}

func (m *module) data(r *reader) {
	if r.failed() {
		return
	}
	at := r.pos
	flags := r.u32()
	d := dataSegment{active: flags != 1}
	switch {
	case flags > 2:
		r.refusef(at, "data segment of kind %d is not of WebAssembly 2.0", flags)
	case flags == 2 && r.u32() != 0:
		r.refusef(at, "a memory other than 0: multiple memories are not supported")
	case d.active && m.memory == nil:
		r.refusef(at, "data segment %d is for a memory, and there is none", len(m.datas))
	case d.active:
		switch c := m.constExpr(r); c.op {
		case opI32Const:
			d.offset = uint32(c.n)
		case opGlobalGet:
			r.refusef(at, "data segment %d stands at an imported global's value, which is not supported", len(m.datas))
		default:
			r.refusef(at, "the offset of data segment %d is not an i32", len(m.datas))
		}
	}
	d.bytes = r.bytes(r.u32())
	if end := uint64(d.offset) + uint64(len(d.bytes)); d.active && !m.importedMemory && m.memory != nil && end > uint64(m.memory.min)<<16 {
		r.refusef(at, "data segment %d ends at byte %d, beyond the memory's first size of %d pages", len(m.datas), end, m.memory.min)
	}
	m.datas = append(m.datas, d)
}

// customSection keeps the functions' names; no other custom section survives:
// what they say of code offsets (.debug_*, branch hints) would be wrong.
func (m *module) customSection(r *reader) {
	if name := r.name(); name == "name" && !r.failed() {
		m.names = r.b[r.pos:]
	}
}

// functionNames reads the functions' names for stack traces. A name section
// cannot make a module invalid: from the first odd thing on it is ignored.
func (m *module) functionNames(each func(f uint32, name []byte)) {
	r := &reader{b: m.names}
	for !r.done() {
		id, size := r.byte(), r.u32()
		part := &reader{b: r.bytes(size)}
		if id != 1 || r.failed() {
			continue
		}
		next := int64(0)
		for range part.count("names", len(m.funcs), 2) {
			f, name := part.u32(), part.bytes(part.u32())
			if part.failed() || int64(f) < next || int64(f) >= int64(len(m.funcs)) {
				return
			}
			next = int64(f) + 1
			if len(name) <= 256 && printable(name) {
				each(f, name)
			}
		}
		return
	}
}

func printable(name []byte) bool {
	for _, c := range string(name) {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return utf8.Valid(name)
}
