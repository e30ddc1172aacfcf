package rewrite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on one module. Every Go, Rust or C guest that we know of stays well below;
// they bound what a hostile module can cost.
const (
	maxModule    = 64 << 20 // bytes
	maxTypes     = 20_000
	maxArity     = 256 // parameters, or results, of one type
	maxImports   = 256 // an engine may search all of them for each call
	maxFunctions = 60_000
	maxMemories  = 16    // of which one is supported
	maxPages     = 65536 // of a memory
	maxTables    = 16
	maxTableSize = 1 << 18 // elements, also as it grows
	maxGlobals   = 1_000
	maxExports   = 10_000
	maxElems     = 20_000
	maxItems     = 1 << 20 // of all element segments together
	maxDatas     = 100_000
	maxBody      = 1 << 20 // bytes of one function, all of which may run between two yields
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

// String returns the type in readable form: "(i32, i32) -> i64".
func (t funcType) String() string {
	list := func(types []valType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = t.String()
		}
		return strings.Join(names, ", ")
	}
	results := list(t.results)
	if len(t.results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + list(t.params) + ") -> " + results
}

type limits struct {
	min, max     uint32
	hasMax       bool
	wide, shared bool // of later proposals: Module.unsupported is set
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

// constExpr is the single instruction of a constant expression.
type constExpr struct {
	op  opcode
	x   uint32 // function, global
	n   int64
	ref byte // reference type
	raw []byte
}

// elemItem is a compact constExpr: ref.func x, global.get x or ref.null.
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
	at, end int // offsets of the first instruction and of the end
	locals  []localGroup
	nlocals int
	// selects has, for each select in code order, its operand type if that is a float;
	// see avoid.go.
	selects []valType
	scratch scratch
	metering
}

// module is a decoded module. Imports come first in each index space.
type module struct {
	src     []byte
	types   []funcType
	imports []importEntry
	funcs   []uint32 // each function's type
	tables  []tableType
	memory  *limits
	// memories and tableEntries are for Decode: all memories that the module defines,
	// and the initial size of its tables together.
	memories     []limits
	tableEntries uint64
	globals      []globalType
	inits        []constExpr // of the module's own globals
	exports      []exportEntry
	start        int64 // -1: none
	elems        []elemSegment
	datas        []dataSegment
	bodies       []body
	names        []byte // contents of the name section; nil: none

	importedFuncs, importedTables, importedGlobals int
	importedMemory                                 bool

	dataCount int64           // -1: no such section
	declared  []bool          // functions that ref.func may name
	mutable   int             // mutable globals
	seen      map[opcode]bool // which of the instructions that matter to the rewriter occur
	loops     []loop          // in code order
	expansion int64           // see maxExpansion

	later       []pendingSection
	unsupported *Error // what Rewrite refuses and Decode describes
}

// pendingSection is a section that decodeHeader has not read.
type pendingSection struct {
	id byte
	r  *reader
}

// decode decodes the whole module and validates every index in it.
func decode(b []byte) (*module, *Error) {
	m, err := decodeHeader(b, nil)
	if err != nil {
		return nil, err
	}
	if m.unsupported != nil {
		return nil, m.unsupported
	}
	code := &reader{b: []byte{0}}
	for _, s := range m.later {
		if s.id == 10 { // decoded last, when everything that code may refer to is known
			code = s.r
			continue
		}
		m.section(s.r, s.id)
		if err := s.r.end(s.id); err != nil {
			return nil, err
		}
	}
	r := &reader{b: b}
	if m.dataCount >= 0 && int(m.dataCount) != len(m.datas) {
		r.refusef(len(b), "the data count is %d, but there are %d data segments", m.dataCount, len(m.datas))
		return nil, r.err
	}
	m.codeSection(code)
	return m, code.err
}

// decodeHeader decodes the sections up to the exports, and finds all others. custom, if not
// nil, is called with each custom section.
func decodeHeader(b []byte, custom func(name string, content []byte)) (*module, *Error) {
	m := &module{src: b, start: -1, dataCount: -1, seen: map[opcode]bool{}}
	r := &reader{b: b}
	r.header()
	order, rank := 0, [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10} // data count comes before code
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
			m.customSection(s, custom)
			s.pos = len(s.b)
		case int(id) >= len(rank):
			s.refusef(at, "section %d is not part of WebAssembly 2.0", id)
		case rank[id] <= order:
			s.refusef(at, "section %d is out of order or repeated", id)
		default:
			order = rank[id]
			if id > 7 {
				m.later = append(m.later, pendingSection{id, &reader{b: s.b, pos: s.pos}})
				s.pos = len(s.b)
			} else {
				m.section(s, id)
			}
		}
		if r.err == nil {
			r.err = s.end(id)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// end returns the error of a section, also if it has bytes left.
func (r *reader) end(id byte) *Error {
	if r.err == nil && r.pos != len(r.b) {
		r.refusef(r.pos, "section %d has %d bytes too many", id, len(r.b)-r.pos)
	}
	return r.err
}

// header reads the magic number and the version.
func (r *reader) header() {
	const magic = "\x00asm"
	b := r.b
	switch text := bytes.TrimSpace(b[:min(len(b), 256)]); {
	case len(b) > maxModule:
		r.refusef(0, "the module has %d bytes; the limit is %d", len(b), maxModule)
	case bytes.HasPrefix(text, []byte("(module")), bytes.HasPrefix(text, []byte(";;")):
		r.refusef(0, "this is WebAssembly's text format; compile it first, for example with wat2wasm")
	case !bytes.HasPrefix(b, []byte(magic)):
		r.refusef(0, "this is not a WebAssembly module: it does not begin with \\0asm; it looks like %s", formatOf(b))
	case len(b) < 8:
		r.refusef(0, "this is not a WebAssembly module: it ends after %d bytes", len(b))
	}
	if r.err != nil {
		return
	}
	switch version := binary.LittleEndian.Uint32(b[4:]); version {
	case 1:
	case 0x1000d:
		r.refusef(4, "this is a component of the component model; a core module is needed: build it for wasm32-wasip1, not wasip2")
	default:
		r.refusef(4, "this is WebAssembly of version %d; version 1 is needed", version)
	}
	r.pos = 8
}

// formatOf guesses what a file that is not a module is. Error messages do not quote its
// bytes, which may be private.
func formatOf(b []byte) string {
	for _, f := range []struct{ start, name string }{
		{"#!", "a script"}, {"\x1f\x8b", "a gzip file"}, {"PK", "a zip file"}, {"\x28\xb5\x2f\xfd", "a zstd file"}, {"\x7fELF", "a Linux program"}, {"MZ", "a Windows program"},
		{"BC\xc0\xde", "LLVM bitcode"}, {"<", "HTML or XML"}, {"version https://git-lfs", "a pointer of Git LFS"},
	} {
		if bytes.HasPrefix(b, []byte(f.start)) {
			return f.name
		}
	}
	switch {
	case len(b) == 0:
		return "an empty file"
	case utf8.Valid(b[:min(len(b), 64)]):
		return "text"
	}
	return "other data"
}

// unsupportedf records something that Rewrite refuses, unless there is an error already.
func (m *module) unsupportedf(at int, format string, args ...any) {
	if m.unsupported == nil {
		m.unsupported = &Error{at, fmt.Sprintf(format, args...)}
	}
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
			t := m.table(r)
			if t.limits.min > maxTableSize {
				m.unsupportedf(at, "a table of %d elements; the limit is %d", t.limits.min, maxTableSize)
			}
			m.tables = append(m.tables, t)
			m.tableEntries += uint64(t.limits.min)
		}
	case 5:
		for range r.count("memories", maxMemories, 2) {
			at := r.pos
			m.memories = append(m.memories, m.limits(r, "memory", maxPages))
			m.setMemory(at, &m.memories[len(m.memories)-1])
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
		e.table = m.table(r)
		if m.tables = append(m.tables, e.table); len(m.tables) > maxTables {
			r.refusef(at, "more than %d tables", maxTables)
		}
		m.importedTables++
	case kindMemory:
		e.memory = m.limits(r, "memory", maxPages)
		m.setMemory(at, &e.memory)
		m.importedMemory = true
	case kindGlobal:
		e.global = r.global()
		m.globals = append(m.globals, e.global)
		m.importedGlobals++
	case 4:
		r.refusef(at, "import of a tag: exception handling is not supported")
	default:
		r.refusef(at, "import of kind %d is not part of WebAssembly 2.0", e.kind)
	}
	if reserved(e.module) {
		m.unsupportedf(at, "import from module %q: names that start with %q are reserved for the host", e.module, Reserved)
	}
	m.imports = append(m.imports, e)
}

func (m *module) limits(r *reader, of string, most uint32) limits {
	at := r.pos
	flags := r.byte()
	l := limits{max: most, hasMax: flags&1 != 0, shared: flags&2 != 0, wide: flags&4 != 0}
	number := r.u32
	switch {
	case flags > 7:
		r.refusef(at, "limits %#x of a %s are not part of WebAssembly 2.0", flags, of)
	case l.wide:
		m.unsupportedf(at, "a 64-bit %s: memory64 is not supported", of)
		number = func() uint32 { return uint32(min(r.unsigned(64), uint64(most))) }
	case l.shared:
		m.unsupportedf(at, "a shared %s: threads are not supported", of)
	}
	l.min = number()
	if l.hasMax {
		l.max = number()
	}
	if l.min > l.max || l.max > most {
		r.refusef(at, "a %s of %d to %d; must be in order and at most %d", of, l.min, l.max, most)
	}
	return l
}

// setMemory makes l the module's memory.
func (m *module) setMemory(at int, l *limits) {
	if m.memory != nil {
		m.unsupportedf(at, "a second memory: multiple memories are not supported")
	}
	m.memory = l
}

func (m *module) table(r *reader) tableType {
	return tableType{r.refType(), m.limits(r, "table", 1<<32-1)}
}

func (r *reader) global() globalType {
	t := r.valType()
	at := r.pos
	c := r.byte()
	if c > 1 {
		r.refusef(at, "mutability %#x of a global is not part of WebAssembly 2.0", c)
	}
	return globalType{t, c == 1}
}

// constExpr reads a constant expression. The engine checks its type.
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
		r.refusef(i.at, "instruction %#x in a constant expression is not part of WebAssembly 2.0", uint16(i.op))
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

// declare records that ref.func may refer to a function.
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
			r.refusef(at, "export %q of kind %d is not part of WebAssembly 2.0", e.name, e.kind)
		}
		if reserved(e.name) {
			m.unsupportedf(at, "export %q: names that start with %q are reserved for the host", e.name, Reserved)
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
		r.refusef(at, "element segment of kind %d is not part of WebAssembly 2.0", e.flags)
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
			r.refusef(at, "an element segment of something else than functions is not part of WebAssembly 2.0")
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
		r.refusef(at, "data segment of kind %d is not part of WebAssembly 2.0", flags)
	case flags == 2 && r.u32() != 0:
		r.refusef(at, "a memory other than 0: multiple memories are not supported")
	case d.active && m.memory == nil:
		r.refusef(at, "data segment %d is for a memory, but there is none", len(m.datas))
	case d.active:
		switch c := m.constExpr(r); c.op {
		case opI32Const:
			d.offset = uint32(c.n)
		case opGlobalGet:
			r.refusef(at, "the offset of data segment %d is an imported global, which is not supported", len(m.datas))
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

// customSection keeps the function names. All other custom sections are dropped, since
// the code offsets in them (.debug_*, branch hints) would be wrong.
func (m *module) customSection(r *reader, custom func(name string, content []byte)) {
	name := r.name()
	if r.failed() {
		return
	}
	if name == "name" {
		m.names = r.b[r.pos:]
	}
	if custom != nil {
		custom(name, r.b[r.pos:])
	}
}

// functionNames reads the function names, for stack traces. A name section cannot make
// a module invalid: everything from the first error on is ignored.
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

// nameFunctions returns the names of all functions, "" where there is none.
func (m *module) nameFunctions() []string {
	names := make([]string, len(m.funcs))
	for _, x := range m.exports {
		if x.kind == kindFunc && names[x.index] == "" && printable([]byte(x.name)) {
			names[x.index] = x.name
		}
	}
	m.functionNames(func(f uint32, name []byte) {
		if len(name) > 0 {
			names[f] = string(name)
		}
	})
	return names
}

func printable(name []byte) bool {
	for _, c := range string(name) {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return utf8.Valid(name)
}
