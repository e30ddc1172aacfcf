package rewrite

// Instructions that wazero 1.12 miscompiles under register pressure are replaced, so its
// compiler never sees them. RATIONALE.md names each fault and its place in wazero, and
// avoid_test.go detects a release of wazero that no longer needs this file:
//
//   - select of f32 or f64 is written as an if;
//   - f32.copysign, f64.copysign as shifts of integers;
//   - f32.convert_i64_u, f64.convert_i64_u with the signed conversion;
//   - a comparison of integers by order, where an operand may come from an and, as not its opposite;
//   - on amd64 without BMI1, ctz and clz with popcnt and a conversion;
//   - on arm64, rem_s and rem_u as a division, a multiplication and a subtraction.
//
// A replacement is charged the original instruction's weight, the same on every
// processor.

// scratch says which additional locals a function needs for the replacements.
type scratch struct {
	i32, i64, f32, f64 bool // two each
	// counts and rem say the same for instructions that are replaced only on processors
	// with those faults: i32, i64.
	counts, rem [2]bool
}

func (t *scratch) forSelect(of valType) {
	switch of {
	case f32:
		t.i32, t.f32 = true, true
	case f64:
		t.i32, t.f64 = true, true
	}
}

// forInstruction returns how often the replacement of op sets a local.
func (t *scratch) forInstruction(op opcode) int {
	switch op {
	case opF32Copysign:
		t.i32 = true
		return 1
	case opF64Copysign:
		t.i64 = true
		return 1
	case opI32Ctz:
		t.counts[0] = true
		return 1
	case opI64Ctz, opI64Clz:
		t.counts[1] = true
		return 1
	case opI32RemS, opI32RemU:
		t.rem[0] = true
		return 3
	case opI64RemS, opI64RemU:
		t.rem[1] = true
		return 3
	case opF32ConvertI64U, opF64ConvertI64U:
		t.i64 = true
		return 2
	}
	return 0
}

// locals are the additional locals, in the order in which avoider numbers them.
func (t scratch) locals(f faults) (groups []localGroup) {
	if t.i32 || f.counts && t.counts[0] || f.rem && t.rem[0] {
		groups = append(groups, localGroup{2, i32})
	}
	if t.i64 || f.counts && t.counts[1] || f.rem && t.rem[1] {
		groups = append(groups, localGroup{2, i64})
	}
	if t.f32 {
		groups = append(groups, localGroup{2, f32})
	}
	if t.f64 {
		groups = append(groups, localGroup{2, f64})
	}
	return groups
}

// avoider writes one function's instructions, replacing those that wazero miscompiles.
type avoider struct {
	selects  []valType // of the remaining selects: the operand type, or unknown
	faults   faults
	i32, i64 uint32 // the first local of each type
	f32, f64 uint32
	// and: an and comes before in the same basic block. nonzero: the previous instruction
	// is a constant other than 0. negated: an i32.eqz follows.
	and, nonzero, negated bool
	last                  instr // its op and n
}

// read records an instruction that r has read. It is called for every instruction,
// before that is written.
func (a *avoider) read(i *instr, r *reader) {
	a.negated = r.pos < len(r.b) && r.b[r.pos] == opI32Eqz
	a.nonzero = (a.last.op == opI32Const || a.last.op == opI64Const) && a.last.n != 0
	a.last = instr{op: i.op, n: i.n}
	switch i.op {
	case opI32And, opI64And:
		a.and = true
	case opLoop, opIf, opElse, opBrIf:
		a.and = false
	}
}

// opposite returns the negation of an integer order comparison.
func opposite(op opcode) (opcode, bool) {
	for _, lt := range []opcode{opI32LtS, opI64LtS} { // lt_s, lt_u, gt_s, gt_u, le_s, le_u, ge_s, ge_u
		switch n := op - lt; {
		case op < lt || n >= 8:
		case n < 2:
			return op + 6, true
		case n < 4:
			return op + 2, true
		case n < 6:
			return op - 2, true
		default:
			return op - 6, true
		}
	}
	return op, false
}

// avoider returns the avoider of a function whose scratch locals begin at local n.
func (e *encoder) avoider(f *body, n uint32) avoider {
	a := avoider{selects: f.selects, faults: e.cfg.faults}
	for _, g := range f.scratch.locals(e.cfg.faults) {
		switch g.typ {
		case i32:
			a.i32 = n
		case i64:
			a.i64 = n
		case f32:
			a.f32 = n
		case f64:
			a.f64 = n
		}
		n += g.n
	}
	return a
}

// instr writes an instruction, or its replacement.
func (a *avoider) instr(c *code, i *instr) {
	if op, ok := opposite(i.op); ok && a.and && !a.nonzero && !a.negated {
		c.op(op)
		c.op(opI32Eqz)
		return
	}
	switch i.op {
	case opSelect, opSelectT:
		t := a.selects[0]
		a.selects = a.selects[1:]
		if t != unknown {
			a.choose(c, t)
			return
		}
	case opF32Copysign:
		copysign(c, a.i32, 31, opI32Reinterpret, opF32Reinterpret, opI32ShrU, opI32Shl, opI32Or, (*code).i32Const)
		return
	case opF64Copysign:
		copysign(c, a.i64, 63, opI64Reinterpret, opF64Reinterpret, opI64ShrU, opI64Shl, opI64Or, (*code).i64Const)
		return
	case opF32ConvertI64U:
		a.convert(c, opF32ConvertI64S, opF32Mul)
		return
	case opF64ConvertI64U:
		a.convert(c, opF64ConvertI64S, opF64Mul)
		return
	case opI32Ctz, opI64Ctz, opI32Clz, opI64Clz:
		if a.faults.counts {
			a.count(c, i.op)
			return
		}
	case opI32RemS, opI32RemU:
		if a.faults.rem {
			rem(c, a.i32, i.op == opI32RemS, i.op-2, opI32Mul, opI32Sub, opI32Eq, (*code).i32Const)
			return
		}
	case opI64RemS, opI64RemU:
		if a.faults.rem {
			rem(c, a.i64, i.op == opI64RemS, i.op-2, opI64Mul, opI64Sub, opI64Eq, (*code).i64Const)
			return
		}
	}
	c.instr(i)
}

// choose writes a select of floats.
func (a *avoider) choose(c *code, t valType) {
	first := a.f32
	if t == f64 {
		first = a.f64
	}
	c.op(opLocalSet, a.i32)
	c.op(opLocalSet, first+1)
	c.op(opLocalSet, first)
	c.op(opLocalGet, a.i32)
	c.op(opIf)
	c.bytes(byte(t))
	c.op(opLocalGet, first)
	c.op(opElse)
	c.op(opLocalGet, first+1)
	c.op(opEnd)
}

// copysign writes x y -> x with y's sign: bits, so a NaN keeps its payload.
func copysign[T int32 | int64](c *code, sign uint32, width T, toBits, fromBits, shrU, shl, or opcode, constant func(*code, T)) {
	c.op(toBits)
	constant(c, width)
	c.op(shrU)
	constant(c, width)
	c.op(shl)
	c.op(opLocalSet, sign)
	c.op(toBits)
	constant(c, 1)
	c.op(shl)
	constant(c, 1)
	c.op(shrU)
	c.op(opLocalGet, sign)
	c.op(or)
	c.op(fromBits)
}

// convert writes x -> the nearest float. A value that does not fit an i64 is halved first
// and doubled afterwards, which is exact. The lowest bit is kept set if the bit shifted
// out is set, so no new tie appears, and the value is rounded only once.
//
//	high = x >> 63
//	float(x >> high | x & high) * float(high + 1)
func (a *avoider) convert(c *code, signed, mul opcode) {
	x, high := a.i64, a.i64+1
	c.op(opLocalTee, x)
	c.op(opLocalGet, x)
	c.i64Const(63)
	c.op(opI64ShrU)
	c.op(opLocalTee, high)
	c.op(opI64ShrU)
	c.op(opLocalGet, x)
	c.op(opLocalGet, high)
	c.op(opI64And)
	c.op(opI64Or)
	c.op(signed)
	c.op(opLocalGet, high)
	c.i64Const(1)
	c.op(opI64Add)
	c.op(signed)
	c.op(mul)
}

// rem writes x y -> x - x/y*y. x rem_s -1 is 0, as x rem_s 1 is, where x/-1 may trap.
func rem[T int32 | int64](c *code, x uint32, signed bool, div, mul, sub, eq opcode, constant func(*code, T)) {
	y := x + 1
	c.op(opLocalSet, y)
	if signed {
		constant(c, 1)
		c.op(opLocalGet, y)
		c.op(opLocalGet, y)
		constant(c, -1)
		c.op(eq)
		c.op(opSelect)
		c.op(opLocalSet, y)
	}
	c.op(opLocalTee, x)
	c.op(opLocalGet, x)
	c.op(opLocalGet, y)
	c.op(div)
	c.op(opLocalGet, y)
	c.op(mul)
	c.op(sub)
}

// count writes ctz and clz.
func (a *avoider) count(c *code, op opcode) {
	switch op {
	case opI32Ctz: // popcnt(^x & (x-1))
		c.op(opLocalTee, a.i32)
		c.i32Const(-1)
		c.op(opI32Xor)
		c.op(opLocalGet, a.i32)
		c.i32Const(1)
		c.op(opI32Sub)
		c.op(opI32And)
		c.op(opI32Popcnt)
	case opI64Ctz:
		c.op(opLocalTee, a.i64)
		c.i64Const(-1)
		c.op(opI64Xor)
		c.op(opLocalGet, a.i64)
		c.i64Const(1)
		c.op(opI64Sub)
		c.op(opI64And)
		c.op(opI64Popcnt)
	case opI32Clz: // 1055 - the exponent, biased, of float(2x + 1), which is exact
		c.op(opI64ExtendI32)
		c.i64Const(1)
		c.op(opI64Shl)
		c.i64Const(1)
		c.op(opI64Or)
		c.op(opF64ConvertI64S)
		c.op(opI64Reinterpret)
		c.i64Const(52)
		c.op(opI64ShrU)
		c.op(opI32Wrap)
		c.i32Const(-1)
		c.op(opI32Xor)
		c.i32Const(1056)
		c.op(opI32Add)
	case opI64Clz:
		// w = x>>1 &^ x>>2: x>>1 without its second bit, so that rounding carries into no
		// higher one. 1086 - the exponent of float(w) + 0.5 - (x != 0).
		c.op(opLocalTee, a.i64)
		c.i64Const(1)
		c.op(opI64ShrU)
		c.op(opLocalGet, a.i64)
		c.i64Const(2)
		c.op(opI64ShrU)
		c.i64Const(-1)
		c.op(opI64Xor)
		c.op(opI64And)
		c.op(opF64ConvertI64S)
		c.op(opF64Const)
		c.bytes(0, 0, 0, 0, 0, 0, 0xe0, 0x3f) // 0.5
		c.op(opF64Add)
		c.op(opI64Reinterpret)
		c.i64Const(52)
		c.op(opI64ShrU)
		c.op(opLocalGet, a.i64)
		c.i64Const(0)
		c.op(opI64Ne)
		c.op(opI64ExtendI32)
		c.op(opI64Add)
		c.i64Const(-1)
		c.op(opI64Xor)
		c.i64Const(1087)
		c.op(opI64Add)
	}
}
