package rewrite

// This pass knows the types of what lies on the operand stack, for one reason:
// wazero 1.12 on amd64 miscompiles a select of floats or vectors. Its conditional
// move into an XMM register (xmmCMov) is told to the register allocator as one that
// only writes its target; where the condition does not hold, the target keeps what
// happens to be in it. TestSelect shows it. So each such select is written as an
// if, and an untyped select does not say what it selects.
//
// As everywhere here, code is not checked: what is not well typed the engine refuses.

// unknown is the type of a value in code that nothing leads to.
const unknown valType = 0

// isXMM reports whether a value of this type is in an XMM register.
func (t valType) isXMM() bool { return t == f32 || t == f64 || t == v128 }

func (s *scanner) push(ts ...valType) { s.types = append(s.types, ts...) }

// pop takes n values off the stack and returns the type of the last one.
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

// unreached forgets the stack of a block behind an instruction that does not go on.
func (s *scanner) unreached() { s.types = s.types[:s.labels[len(s.labels)-1].floor] }

// operands follows what an instruction does to the operand stack. It comes before
// the labels are changed by it, and after every index was checked.
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
		if !t.isXMM() {
			t = unknown
		} else {
			s.f.chosen[f32-t] = true
			s.block()
			s.block()
		}
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
		pops, pushed := signature(op)
		s.pop(pops)
		if pushed != unknown {
			s.push(pushed)
		}
	}
}

// enterBlock begins a block, of which l is the label.
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

// leaveBlock leaves the results of a block that has ended.
func (s *scanner) leaveBlock(l *label) {
	s.types = append(s.types[:l.floor], l.typ.results...)
}

// signature returns how many values an instruction without indices takes and what it
// leaves (unknown: nothing). The numbers are those of the specification's appendix.
func signature(op opcode) (pops int, pushed valType) {
	switch {
	case op>>8 == 0xfd:
		return vectorSignature(byte(op))
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
		return 0, funcref // which kind of reference makes no difference
	default: // ref.is_null
		return 1, i32
	}
}

// vectorSignature is signature for the numbers behind 0xfd.
func vectorSignature(n byte) (pops int, pushed valType) {
	switch n {
	case 0x0c: // v128.const
		return 0, v128
	case 0x0b, 0x58, 0x59, 0x5a, 0x5b: // stores
		return 2, unknown
	case 0x52: // bitselect
		return 3, v128
	case 0x15, 0x16, 0x18, 0x19, 0x1b, 0x53, 0x63, 0x64, 0x83, 0x84, 0xa3, 0xa4, 0xc3, 0xc4: // extract_lane, any_true, all_true, bitmask
		return 1, i32
	case 0x1d:
		return 1, i64
	case 0x1f:
		return 1, f32
	case 0x21:
		return 1, f64
	}
	switch {
	case n <= 0x0a, // loads
		n >= 0x0f && n <= 0x14,                         // splat
		n == 0x4d,                                      // not
		n >= 0x5c && n <= 0x62, n >= 0x67 && n <= 0x6a, // load_zero, demote, promote, i8x16 and f32x4
		n == 0x74, n == 0x75, n == 0x7a, n == 0x94, // f64x2.ceil, floor, trunc, nearest
		n >= 0x7c && n <= 0x81, n >= 0x87 && n <= 0x8a, // extadd_pairwise, i16x8.abs, neg, extend
		n == 0xa0, n == 0xa1, n >= 0xa7 && n <= 0xaa, // i32x4
		n == 0xc0, n == 0xc1, n >= 0xc7 && n <= 0xca, // i64x2
		n == 0xe0, n == 0xe1, n == 0xe3, n == 0xec, n == 0xed, n == 0xef, // abs, neg, sqrt
		n >= 0xf8: // conversions
		return 1, v128
	}
	return 2, v128
}
