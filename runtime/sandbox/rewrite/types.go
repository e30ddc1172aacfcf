package rewrite

// This pass tracks the types on the operand stack for one reason: wazero 1.12 on amd64
// miscompiles some numeric instructions under register pressure, so they are replaced
// (see avoid.go), and an untyped select does not name its operand type.
//
// Types are not checked; the engine refuses code that is not well typed.

// unknown is the type of a value in unreachable code.
const unknown valType = 0

func (s *scanner) push(ts ...valType) { s.types = append(s.types, ts...) }

// pop pops n values and returns the type of the last one.
func (s *scanner) pop(n int) (t valType) {
	floor := s.labels[len(s.labels)-1].floor
	for range n {
		t = unknown
		if len(s.types) > floor {
			t = s.types[len(s.types)-1]
			s.types = s.types[:len(s.types)-1]
		}
	}
	return t
}

// unreached clears the block's stack after an instruction that does not fall through.
func (s *scanner) unreached() { s.types = s.types[:s.labels[len(s.labels)-1].floor] }

// operands applies an instruction to the operand stack. It is called before the labels
// change, and after all indices have been checked.
func (s *scanner) operands(i *instr) {
	m := s.m
	switch op := i.op; {
	case op <= opNop || op == opElemDrop || op == opDataDrop:
		if op == opUnreachable {
			s.unreached()
		}
	case op == opBlock || op == opLoop || op == opIf || op == opElse || op == opEnd: // see enterBlock and leaveBlock
	case op == opBr || op == opBrTable || op == opReturn:
		s.unreached()
	case op == opBrIf:
		s.pop(1)
	case op == opCall || op == opCallIndirect:
		var t funcType
		if op == opCall {
			t = m.types[m.funcs[i.x]]
		} else {
			t = m.types[i.x]
			s.pop(1)
		}
		s.pop(len(t.params))
		s.push(t.results...)
	case op == opDrop || op == opLocalSet || op == opGlobalSet:
		s.pop(1)
	case op == opSelect || op == opSelectT:
		s.pop(1)
		t := s.pop(1)
		if first := s.pop(1); t == unknown {
			t = first
		}
		if op == opSelectT && len(i.raw) == 1 {
			t = valType(i.raw[0])
		}
		s.push(t)
		if t == f32 || t == f64 {
			s.block()
			s.block()
			s.sets += 3
		} else {
			t = unknown
		}
		s.f.scratch.forSelect(t)
		s.f.selects = append(s.f.selects, t)
	case op == opLocalGet:
		s.push(s.locals[i.x])
	case op == opLocalTee:
		s.pop(1)
		s.push(s.locals[i.x])
	case op == opGlobalGet:
		s.push(m.globals[i.x].val)
	case op == opTableGet:
		s.pop(1)
		s.push(m.tables[i.x].elem)
	default:
		s.sets += s.f.scratch.forInstruction(op)
		pops, pushed := signature(op)
		s.pop(pops)
		if pushed != unknown {
			s.push(pushed)
		}
	}
}

// enterBlock begins the block with label l.
func (s *scanner) enterBlock(l *label, t funcType) {
	if l.kind == labelIf {
		s.pop(1)
	}
	s.pop(len(t.params))
	l.floor, l.typ = len(s.types), t
	s.push(t.params...)
}

// elseBlock begins the second branch of an if.
func (s *scanner) elseBlock(l *label) {
	s.types = append(s.types[:l.floor], l.typ.params...)
}

// leaveBlock ends a block, leaving its results.
func (s *scanner) leaveBlock(l *label) {
	s.types = append(s.types[:l.floor], l.typ.results...)
}

// signature returns how many values an instruction without indices pops, and the type
// that it pushes (unknown: none). The opcodes are those of the specification's appendix.
func signature(op opcode) (pops int, pushed valType) {
	switch {
	case op>>8 == 0xfc:
		switch {
		case op <= 0xfc03:
			return 1, i32 // i32.trunc_sat
		case op <= 0xfc07:
			return 1, i64
		case op == opTableGrow:
			return 2, i32
		case op == 0xfc10: // table.size
			return 0, i32
		default: // init, copy, fill
			return 3, unknown
		}
	case op == opTableSet:
		return 2, unknown
	case op >= 0x28 && op <= 0x35: // loads
		switch {
		case op == 0x2a:
			return 1, f32
		case op == 0x2b:
			return 1, f64
		case op == 0x28 || op >= 0x2c && op <= 0x2f:
			return 1, i32
		default:
			return 1, i64
		}
	case op >= 0x36 && op <= 0x3e: // stores
		return 2, unknown
	case op == opMemorySize || op == opI32Const:
		return 0, i32
	case op == opMemoryGrow:
		return 1, i32
	case op == opI64Const:
		return 0, i64
	case op == opF32Const:
		return 0, f32
	case op == opF64Const:
		return 0, f64
	case op == 0x45 || op == 0x50: // eqz
		return 1, i32
	case op >= 0x46 && op <= 0x66: // comparisons
		return 2, i32
	case op >= 0x67 && op <= 0x69:
		return 1, i32
	case op >= 0x6a && op <= 0x78:
		return 2, i32
	case op >= 0x79 && op <= 0x7b:
		return 1, i64
	case op >= 0x7c && op <= 0x8a:
		return 2, i64
	case op >= 0x8b && op <= 0x91:
		return 1, f32
	case op >= 0x92 && op <= 0x98:
		return 2, f32
	case op >= 0x99 && op <= 0x9f:
		return 1, f64
	case op >= 0xa0 && op <= 0xa6:
		return 2, f64
	case op >= 0xa7 && op <= 0xab || op == 0xbc || op == 0xc0 || op == 0xc1:
		return 1, i32
	case op >= 0xac && op <= 0xb1 || op == 0xbd || op >= 0xc2 && op <= 0xc4:
		return 1, i64
	case op >= 0xb2 && op <= 0xb6 || op == 0xbe:
		return 1, f32
	case op >= 0xb7 && op <= 0xbb || op == 0xbf:
		return 1, f64
	case op == opRefNull || op == opRefFunc:
		return 0, funcref // the kind of reference does not matter here
	default: // ref.is_null
		return 1, i32
	}
}
