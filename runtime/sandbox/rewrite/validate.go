package rewrite

import "slices"

// This pass goes over each function's code once. It checks every index against the
// original's index spaces, and weighs the code for the meter.
//
// Operand types are tracked (see types.go) but not checked. Code that the rewriter
// inserts leaves the operand stack as it was, code that replaces an instruction has the
// same type (a call of a helper for memory.fill, a branch for a return), and no index
// changes its meaning. So the rewritten code is well typed exactly if the original is,
// and the engine checks the rewritten code.

const (
	// maxExpansion bounds what code that is short in bytes can expand to in an engine:
	// values that blocks, branches and calls pass, globals that are reloaded after a
	// call, locals that are merged where paths join. The time of wazero's compiler grows
	// with the square of the nesting depth: 6 KB of loops with 300 locals took 20 s. A
	// unit is about 30 ns of its time, so this is 10 s; a Go guest of 4 MB has 40 million.
	maxExpansion = 256 << 20
	perValue     = 16  // units for a value that is passed
	perLoop      = 256 // for a local in a loop, times the loops around it
	perCase      = 512 // for a label of a br_table, which becomes an edge: 8 us
	// The compiler also walks up the dominators of each basic block: 10,000 br_ifs in a
	// row (40 KB) took 1.5 s, 240 KB took 80 s. Each block costs one unit for each block
	// before it, and each branch one for every 64 other branches to the same label.
	perBranches = 64
	// maxFrame is the largest stack frame of one function, in bytes.
	maxFrame = 1 << 20
	// frameBase is the size of the smallest frame, in bytes: return address, frame pointer
	// and wazero's reserve. A function saves up to savedRegisters registers of 16 bytes
	// each; a short function does not use all of them.
	frameBase      = 80
	savedRegisters = 13
	// largeFrame is the size from which the frame of a leaf function is charged.
	largeFrame = 4 << 10
	// near is how many values at the top of the operand stack are used so soon that they
	// stay in registers.
	near = 2
)

// metering is what a function is charged.
type metering struct {
	entry uint32 // units at its entry; 0: its callers have paid, see weightFree
	frame uint32 // upper bound on its stack frame in bytes, arguments of calls included
	deep  bool   // its frame is charged: it calls functions, or the frame is large
	tight bool   // it has a tight loop
	bulk  bool   // it fills or copies a number of bytes that is only known at run time
}

// loop is what one iteration of a loop is charged.
type loop struct {
	weight uint32 // 0: unreachable
	tight  bool   // nothing in it or in nested loops touches the counter
}

// region is the code whose weight is charged at one place: the body of a function or a
// loop, without nested loops. All branches except those to a loop's head lead forward,
// so each instruction of a region runs at most once between two charges. The charge is
// the weight of the heaviest path.
type region struct {
	path int64 // weight of the heaviest path to here; dead: unreachable
	most int64 // weight of the heaviest path so far
	loop int   // index into module.loops; -1: a function's body
}

const dead = -1

type labelKind byte

const (
	labelBody labelKind = iota
	labelBlock
	labelLoop
	labelIf
	labelElse
)

type label struct {
	kind   labelKind
	region int   // region of the code after its end
	before int64 // of an if: the path to it
	exit   int64 // heaviest path of a branch to its end; dead: no branch
	arity  int   // values that a branch to it carries
	uses   int   // uses of locals before it
	sets   int   // changes of locals before it
	spends int   // of a loop: instructions before it that touch the counter
	from   int   // branches to it
	floor  int   // height of the operand stack below the block
	typ    funcType
}

// scanner is the state of the pass within one function.
type scanner struct {
	m       *module
	r       *reader
	f       *body
	labels  []label
	types   []valType // of the values on the operand stack
	locals  []valType // of the function's locals
	regions []region
	uses    int  // of locals
	sets    int  // changes of locals
	joined  int  // values of locals merged where paths join, all labels together
	spends  int  // instructions that become, or may become, a call
	slots   int  // values that may need a stack slot, not counting locals
	kept    int  // how many values at the bottom of the operand stack slots includes
	passed  int  // the most values that one call passes on the stack
	blocks  int  // instructions that begin a basic block
	moves   bool // it moves memory or elements, for which wazero saves all registers
	calls   bool // it calls a function of this module, or through a table
}

func (m *module) codeSection(r *reader) {
	if n := r.count("function bodies", maxFunctions, 1); n != len(m.bodies) {
		r.refusef(r.pos, "%d functions have %d bodies", len(m.bodies), n)
	}
	for _, g := range m.globals {
		if g.mutable {
			m.mutable++
		}
	}
	s := scanner{m: m}
	for k := range m.bodies {
		at := r.pos
		size := r.u32()
		switch {
		case size > maxBody:
			r.refusef(at, "function %d has %d bytes; the limit is %d", m.importedFuncs+k, size, maxBody)
		case uint64(size) > uint64(len(r.b)-r.pos):
			r.refusef(at, "function %d is longer than the section", m.importedFuncs+k)
		}
		if r.failed() {
			return
		}
		s.r = &reader{b: r.b[:r.pos+int(size)], pos: r.pos}
		s.function(&m.bodies[k], m.types[m.funcs[m.importedFuncs+k]])
		r.pos, r.err = s.r.pos, s.r.err
	}
	if !r.failed() && r.pos != len(r.b) {
		r.refusef(r.pos, "the code section has %d bytes too many", len(r.b)-r.pos)
	}
}

func (s *scanner) function(f *body, t funcType) {
	at := s.r.pos
	f.nlocals = len(t.params)
	for range s.r.count("groups of locals", maxLocals, 2) {
		g := localGroup{s.r.u32(), s.r.valType()}
		if uint64(f.nlocals)+uint64(g.n) > maxLocals {
			s.r.refusef(at, "more than %d locals", maxLocals)
			return
		}
		f.nlocals += int(g.n)
		f.locals = append(f.locals, g)
	}
	f.at, f.end = s.r.pos, len(s.r.b)
	s.f, s.uses, s.sets, s.joined, s.spends, s.blocks, s.calls = f, 0, 0, 0, 0, 0, false
	s.slots, s.kept, s.passed, s.moves = len(t.params), 0, 0, false
	s.labels = append(s.labels[:0], label{kind: labelBody, exit: dead, arity: len(t.results), typ: t})
	s.types, s.locals = s.types[:0], append(s.locals[:0], t.params...)
	for _, g := range f.locals {
		s.locals = append(s.locals, slices.Repeat([]valType{g.typ}, int(g.n))...)
	}
	s.regions = append(s.regions[:0], region{loop: -1})
	s.values(f.nlocals + len(s.m.globals))
	i := instr{op: opNop}
	instructions := 0
	for len(s.labels) > 0 && !s.r.failed() {
		previous := constant(&i)
		s.r.instr(&i)
		s.instruction(&i, previous)
		instructions++
	}
	if s.r.pos != len(s.r.b) {
		s.r.refusef(s.r.pos, "a function has %d bytes after its end", len(s.r.b)-s.r.pos)
	}
	// A call weighs more than that, so only calls in loops leave an entry free: no
	// tree of calls is.
	if most := s.regions[0].most; most > weightFree {
		f.entry = uint32(most)
	}
	// See "Why is a frame's size an upper bound?" in RATIONALE.md; TestFrames holds it.
	saved := min(savedRegisters, instructions/3)
	if s.moves {
		saved = savedRegisters
	}
	frame := frameBase + 16*saved + 8*(s.slots+s.sets+s.joined+s.passed)
	if frame > maxFrame {
		s.r.refusef(at, "a function that may take %d bytes of stack; the limit is %d", frame, maxFrame)
	}
	f.frame, f.deep = uint32(frame), s.calls || frame > largeFrame
}

func (s *scanner) top() *region { return &s.regions[len(s.regions)-1] }

func (s *scanner) add(weight int64) {
	if t := s.top(); t.path != dead {
		t.path += weight
		t.most = max(t.most, t.path)
	}
}

// values counts values that an instruction passes on.
func (s *scanner) values(n int) { s.expand(n * perValue) }

func (s *scanner) expand(units int) {
	if s.m.expansion += int64(units); s.m.expansion > maxExpansion {
		s.r.refusef(s.r.pos, "the code up to here branches too much, or passes too many values between blocks and calls, to be compiled at bounded cost")
	}
}

// branch notes a branch to a label from here.
func (s *scanner) branch(i *instr, depth uint32) {
	if int64(depth) >= int64(len(s.labels)) {
		s.r.refusef(i.at, "label %d of %d", depth, len(s.labels))
		return
	}
	l := &s.labels[len(s.labels)-1-int(depth)]
	if l.kind != labelLoop && s.top().path != dead { // out of a loop: with what there was before it
		l.exit = max(l.exit, s.regions[l.region].path)
	}
	s.values(l.arity)
	s.expand(l.from / perBranches)
	l.from++
}

// block notes that another basic block begins.
func (s *scanner) block() {
	s.expand(s.blocks)
	s.blocks++
}

func (s *scanner) index(i *instr, what string, x uint32, n int) bool {
	if int64(x) < int64(n) {
		return true
	}
	s.r.refusef(i.at, "%s %d of %d", what, x, n)
	return false
}

func (s *scanner) instruction(i *instr, previous int64) {
	if s.r.failed() {
		return
	}
	m := s.m
	s.add(int64(i.form.weight))
	switch i.form.imm {
	case immBlock:
		s.open(i)
	case immLabel:
		s.branch(i, i.x)
		s.block()
	case immLabels:
		s.expand(perCase * (len(i.labels) + 1))
		s.block()
		for _, l := range i.labels {
			s.branch(i, l)
		}
		s.branch(i, i.x)
	case immFunc:
		if !s.index(i, "function", i.x, len(m.funcs)) {
			return
		}
		if i.op == opCall {
			s.call(m.types[m.funcs[i.x]], int(i.x) < m.importedFuncs)
		} else if m.declared == nil || !m.declared[i.x] {
			s.r.refusef(i.at, "ref.func of function %d, which is not declared outside of code", i.x)
		}
	case immTypeTable:
		if s.index(i, "type", i.x, len(m.types)) && s.index(i, "table", i.y, len(m.tables)) {
			s.call(m.types[i.x], false)
		}
	case immLocal:
		s.index(i, "local", i.x, s.f.nlocals)
		s.uses++
		if i.op != opLocalGet {
			s.sets++
		}
	case immGlobal:
		if s.index(i, "global", i.x, len(m.globals)) && i.op == opGlobalSet && !m.globals[i.x].mutable {
			s.r.refusef(i.at, "global.set of global %d, which is immutable", i.x)
		}
	case immTable:
		s.index(i, "table", i.x, len(m.tables))
	case immTables:
		s.index(i, "table", i.x, len(m.tables))
		s.index(i, "table", i.y, len(m.tables))
	case immElem:
		s.index(i, "element segment", i.x, len(m.elems))
	case immElemTable:
		s.index(i, "element segment", i.x, len(m.elems))
		s.index(i, "table", i.y, len(m.tables))
	case immData, immDataMem:
		if m.dataCount < 0 {
			s.r.refusef(i.at, "a data segment is used, but there is no data count section")
		}
		s.index(i, "data segment", i.x, len(m.datas))
	}
	switch i.form.imm {
	case immMemArg, immMem, immMems, immDataMem:
		if m.memory == nil {
			s.r.refusef(i.at, "there is no memory")
		}
	}
	if s.r.failed() {
		return
	}
	if previous < 0 && fixedRegisters(i.op) {
		s.slots++
	}
	s.operands(i)
	s.keep(len(s.types) - near)
	switch i.op {
	case opElse:
		s.otherwise(i)
	case opEnd:
		s.close()
	case opBr, opBrTable, opReturn, opUnreachable:
		s.top().path = dead
	}
	switch i.op {
	case opMemoryFill, opMemoryCopy, opMemoryInit, opTableFill, opTableCopy, opTableInit, opTableGrow:
		s.moves = true
	}
	switch i.op {
	case opMemoryFill, opMemoryCopy:
		if small(previous) {
			s.add(previous >> perByte)
			break
		}
		s.f.bulk = true
		fallthrough
	case opMemoryGrow, opMemoryInit, opTableGrow, opTableFill, opTableCopy, opTableInit:
		s.spends++
		s.keep(len(s.types))
		fallthrough
	case opTableSet, opElemDrop, opDataDrop:
		m.seen[i.op] = true
	}
}

// constant is the value of an i32.const or an i64.const as an unsigned number below
// 2**32, and -1 of any other instruction.
func constant(i *instr) int64 {
	if i.op == opI32Const || i.op == opI64Const {
		return int64(uint32(i.n))
	}
	return -1
}

// small tells whether so many bytes, known before, are charged with the code
// around them: few enough that a long row of such instructions takes no longer
// than other code does.
func small(n int64) bool { return n >= 0 && n <= 1024 }

// fixedRegisters tells that an instruction has its operands in certain registers on amd64,
// out of which it drives other values: division, and shifts by what is not a constant.
func fixedRegisters(op opcode) bool {
	return op >= 0x6d && op <= 0x70 || op >= 0x74 && op <= 0x78 || op >= 0x7f && op <= 0x82 || op >= 0x86 && op <= 0x8a
}

// keep notes that the n lowest values on the operand stack may need a place in the frame:
// they wait for a call to end, or until many others are used.
func (s *scanner) keep(n int) {
	s.kept = min(s.kept, len(s.types))
	if n > s.kept {
		s.slots += n - s.kept
		s.kept = n
	}
}

func (s *scanner) call(t funcType, imported bool) {
	s.spends++
	s.keep(len(s.types) - len(t.params))
	s.slots += len(t.results)
	s.passed = max(s.passed, len(t.params)+len(t.results))
	s.values(len(t.params) + len(t.results) + s.m.mutable + 2)
	if imported {
		s.add(weightHost) // it runs on the host's stack
	} else {
		s.calls = true
	}
}

func (s *scanner) open(i *instr) {
	var t funcType
	switch {
	case i.n == blockEmpty-0x80:
	case i.n < 0:
		t.results = []valType{valType(i.n & 0x7f)}
	case s.index(i, "type", uint32(i.n), len(s.m.types)):
		t = s.m.types[i.n]
	}
	if len(s.labels) > maxNesting {
		s.r.refusef(i.at, "more than %d nested blocks", maxNesting)
	}
	s.values(len(t.params) + len(t.results))
	s.slots += len(t.params) + len(t.results)
	if i.op == opLoop { // each turn may call the host
		s.keep(len(s.types))
	}
	s.block()
	l := label{kind: labelBlock, region: len(s.regions) - 1, exit: dead, arity: len(t.results), uses: s.uses, sets: s.sets}
	switch i.op {
	case opIf:
		l.kind, l.before = labelIf, s.top().path
	case opLoop:
		l.kind, l.arity = labelLoop, len(t.params)
		inner := region{loop: len(s.m.loops)}
		if s.top().path == dead {
			inner.path = dead
		}
		if s.regions = append(s.regions, inner); len(s.regions) > maxLoops+1 {
			s.r.refusef(i.at, "more than %d nested loops", maxLoops)
		}
		s.m.loops = append(s.m.loops, loop{})
		l.spends = s.spends
	}
	s.enterBlock(&l, t)
	s.labels = append(s.labels, l)
}

func (s *scanner) otherwise(i *instr) {
	l := &s.labels[len(s.labels)-1]
	if l.kind != labelIf {
		s.r.refusef(i.at, "else without if")
		return
	}
	s.elseBlock(l)
	t := s.top()
	l.kind, l.exit, t.path = labelElse, max(l.exit, t.path), l.before
}

func (s *scanner) close() {
	l := s.labels[len(s.labels)-1]
	s.labels = s.labels[:len(s.labels)-1]
	s.leaveBlock(&l)
	joined := min(s.f.nlocals, s.sets-l.sets)
	if l.from > 0 || l.kind == labelIf || l.kind == labelElse {
		s.joined += joined
	}
	s.expand((1 + joined) * len(s.labels))
	t := s.top()
	switch l.kind {
	case labelLoop:
		used := 1 + min(s.f.nlocals, s.uses-l.uses) // 1 for the counter's local
		s.expand(perLoop * used * (len(s.regions) - 1))
		if t.path != dead || t.most > 0 {
			tight := s.spends == l.spends
			s.m.loops[t.loop] = loop{uint32(max(t.most, 1)), tight}
			s.f.tight = s.f.tight || tight
		}
		ended := t.path == dead
		s.regions = s.regions[:len(s.regions)-1]
		if ended {
			s.top().path = dead
		}
	case labelIf: // without else: it may be skipped
		t.path = max(t.path, l.exit, l.before)
	default:
		t.path = max(t.path, l.exit)
	}
}
