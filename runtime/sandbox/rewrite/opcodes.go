package rewrite

// opcode is an instruction's opcode; of one with the prefix 0xfc, the prefix in the
// high byte and the number behind it in the low one.
type opcode uint16

// The opcodes that the rewriter treats specially.
const (
	opUnreachable  opcode = 0x00
	opNop          opcode = 0x01
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opDrop         opcode = 0x1a
	opSelect       opcode = 0x1b
	opSelectT      opcode = 0x1c // with its type
	opLocalGet     opcode = 0x20
	opLocalSet     opcode = 0x21
	opLocalTee     opcode = 0x22
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableGet     opcode = 0x25
	opTableSet     opcode = 0x26
	opMemorySize   opcode = 0x3f
	opMemoryGrow   opcode = 0x40
	opI32Const     opcode = 0x41
	opI64Const     opcode = 0x42
	opF32Const     opcode = 0x43
	opF64Const     opcode = 0x44
	opRefNull      opcode = 0xd0
	opRefFunc      opcode = 0xd2
	opMemoryInit   opcode = 0xfc08
	opDataDrop     opcode = 0xfc09
	opMemoryCopy   opcode = 0xfc0a
	opMemoryFill   opcode = 0xfc0b
	opTableInit    opcode = 0xfc0c
	opElemDrop     opcode = 0xfc0d
	opTableCopy    opcode = 0xfc0e
	opTableGrow    opcode = 0xfc0f
	opTableFill    opcode = 0xfc11
)

// Opcodes that the rewriter emits or replaces.
const (
	opI32Eqz         = 0x45
	opI32Eq          = 0x46
	opI32LtS         = 0x48
	opI32GtU         = 0x4b
	opI32LeU         = 0x4d
	opI64Eq          = 0x51
	opI64Ne          = 0x52
	opI64LtS         = 0x53
	opI64GtU         = 0x56
	opI64GeS         = 0x59
	opI32Clz         = 0x67
	opI32Ctz         = 0x68
	opI32Popcnt      = 0x69
	opI32Add         = 0x6a
	opI32Sub         = 0x6b
	opI32Mul         = 0x6c
	opI32RemS        = 0x6f
	opI32RemU        = 0x70
	opI32And         = 0x71
	opI32Or          = 0x72
	opI32Xor         = 0x73
	opI32Shl         = 0x74
	opI32ShrU        = 0x76
	opI64Clz         = 0x79
	opI64Ctz         = 0x7a
	opI64Popcnt      = 0x7b
	opI64Add         = 0x7c
	opI64Sub         = 0x7d
	opI64Mul         = 0x7e
	opI64RemS        = 0x81
	opI64RemU        = 0x82
	opI64And         = 0x83
	opI64Or          = 0x84
	opI64Xor         = 0x85
	opI64Shl         = 0x86
	opI64ShrU        = 0x88
	opF32Mul         = 0x94
	opF32Copysign    = 0x98
	opF64Add         = 0xa0
	opF64Mul         = 0xa2
	opF64Copysign    = 0xa6
	opI32Wrap        = 0xa7
	opI64ExtendI32   = 0xad // unsigned
	opF32ConvertI64S = 0xb4
	opF32ConvertI64U = 0xb5
	opF64ConvertI64S = 0xb9
	opF64ConvertI64U = 0xba
	opI32Reinterpret = 0xbc // of an f32
	opI64Reinterpret = 0xbd // of an f64
	opF32Reinterpret = 0xbe
	opF64Reinterpret = 0xbf

	blockEmpty = 0x40
)

// imm is the kind of immediates that follow an opcode.
type imm byte

const (
	immUnknown   imm = iota // the opcode is not part of WebAssembly 2.0
	immNone                 // nothing
	immBlock                // a block type
	immLabel                // a label
	immLabels               // a list of labels, and one more
	immFunc                 // a function
	immTypeTable            // a type, a table
	immLocal                // a local
	immGlobal               // a global
	immTable                // a table
	immTables               // a table, a table
	immMemArg               // alignment, offset
	immMem                  // a memory: 0
	immMems                 // a memory, a memory: 0, 0
	immData                 // a data segment
	immDataMem              // a data segment, a memory
	immElem                 // an element segment
	immElemTable            // an element segment, a table
	immI32                  // a constant, as are the next three
	immI64
	imm4
	imm8
	immTypes   // a list of value types
	immRefType // a reference type
)

// form is an opcode's immediates and its weight in units of fuel, which is about the
// number of machine instructions that it becomes.
type form struct {
	imm    imm
	weight byte
}

// Weights. A unit is about one plain machine instruction.
const (
	weightPlain   = 1
	weightMemory  = 2 // bounds check and access
	weightDivide  = 8
	weightSeveral = 4 // becomes several instructions
	weightAvoided = 8 // see avoid.go
	weightBulk    = 40
	weightHost    = 160 // leaves for Go code and comes back
	weightGrow    = 1000
	weightCall    = 10 + weightFree
	// weightFree is the weight up to which a function's entry is not charged. The
	// weight of a call instruction covers it.
	weightFree = 40
)

var (
	oneByte = oneByteForms()
	misc    = miscForms()
)

func oneByteForms() (f [256]form) {
	set := func(from, to int, imm imm, weight byte) {
		for op := from; op <= to; op++ {
			f[op] = form{imm, weight}
		}
	}
	set(0x00, 0x01, immNone, 0) // unreachable, nop
	set(0x02, 0x03, immBlock, 0)
	set(0x04, 0x04, immBlock, weightPlain)
	set(0x05, 0x05, immNone, 0) // else
	set(0x0b, 0x0b, immNone, 0) // end
	set(0x0c, 0x0d, immLabel, weightPlain)
	set(0x0e, 0x0e, immLabels, 4*weightPlain)
	set(0x0f, 0x0f, immNone, weightPlain) // return
	set(0x10, 0x10, immFunc, weightCall)
	set(0x11, 0x11, immTypeTable, weightCall)
	set(0x1a, 0x1b, immNone, weightPlain) // drop, select
	set(0x1c, 0x1c, immTypes, weightPlain)
	set(0x20, 0x22, immLocal, weightPlain)
	set(0x23, 0x24, immGlobal, weightPlain)
	set(0x25, 0x26, immTable, weightMemory)
	set(0x28, 0x3e, immMemArg, weightMemory)
	set(0x3f, 0x3f, immMem, weightPlain)
	set(0x40, 0x40, immMem, weightCall) // the helper charges weightGrow
	set(0x41, 0x41, immI32, weightPlain)
	set(0x42, 0x42, immI64, weightPlain)
	set(0x43, 0x43, imm4, weightPlain)
	set(0x44, 0x44, imm8, weightPlain)
	set(0x45, 0xc4, immNone, weightPlain)
	set(0x6d, 0x70, immNone, weightDivide)  // i32.div, i32.rem
	set(0x7f, 0x82, immNone, weightDivide)  // i64.div, i64.rem
	set(0x91, 0x91, immNone, weightDivide)  // f32.sqrt
	set(0x95, 0x95, immNone, weightDivide)  // f32.div
	set(0x9f, 0x9f, immNone, weightDivide)  // f64.sqrt
	set(0xa3, 0xa3, immNone, weightDivide)  // f64.div
	set(0x98, 0x98, immNone, weightAvoided) // f32.copysign
	set(0xa6, 0xa6, immNone, weightAvoided) // f64.copysign
	set(0xa8, 0xab, immNone, weightSeveral) // i32.trunc
	set(0xae, 0xb1, immNone, weightSeveral) // i64.trunc
	set(0xb5, 0xb5, immNone, weightAvoided) // f32.convert_i64_u
	set(0xba, 0xba, immNone, weightAvoided) // f64.convert_i64_u
	set(0xd0, 0xd0, immRefType, weightPlain)
	set(0xd1, 0xd1, immNone, weightPlain)
	set(0xd2, 0xd2, immFunc, weightHost) // ref.func calls Go code of the engine
	return f
}

func miscForms() (f [0x12]form) {
	for op := range 8 { // trunc_sat
		f[op] = form{immNone, weightSeveral}
	}
	for op, imm := range map[opcode]imm{
		opMemoryInit: immDataMem, opDataDrop: immData, opMemoryCopy: immMems, opMemoryFill: immMem,
		opTableInit: immElemTable, opElemDrop: immElem, opTableCopy: immTables, opTableFill: immTable,
	} {
		f[op&0xff] = form{imm, weightBulk}
	}
	f[opTableGrow&0xff] = form{immTable, weightHost}
	f[0x10] = form{immTable, weightMemory} // table.size
	return f
}

// instr is one decoded instruction.
type instr struct {
	at     int // its offset in the module
	op     opcode
	form   form
	x, y   uint32   // indices, labels, alignment and offset, in the order in which they are written
	n      int64    // a constant, or a block type: a type's index, or a negative number as written
	ref    byte     // a reference type
	raw    []byte   // a constant's bytes, or value types: part of the module
	labels []uint32 // of a br_table, without the last one (x); valid until the next instruction
}

// instr reads an instruction. It does not check indices.
func (r *reader) instr(i *instr) {
	i.at = r.pos // before: the order in one assignment is not defined
	i.op = opcode(r.byte())
	switch i.op {
	case 0xfc:
		sub := r.u32()
		if sub >= uint32(len(misc)) {
			r.refusef(i.at, "instruction 0xfc %#x is not part of WebAssembly 2.0", sub)
			return
		}
		i.form, i.op = misc[sub], 0xfc00|opcode(sub)
	case 0xfd:
		r.refusef(i.at, "instruction 0xfd %#x: %s", r.u32(), noVectors)
		return
	default:
		i.form = oneByte[i.op]
	}
	switch i.form.imm {
	case immNone:
	case immUnknown:
		if r.err == nil {
			r.refusef(i.at, "instruction %#x %s", uint16(i.op), proposalOf(i.op))
		}
	case immBlock:
		r.blockType(i)
	case immLabel, immFunc, immLocal, immGlobal, immTable, immData, immElem:
		i.x = r.u32()
	case immLabels:
		n := r.count("labels of a br_table", maxLabels, 1)
		i.labels = i.labels[:0]
		for range n {
			i.labels = append(i.labels, r.u32())
		}
		i.x = r.u32()
	case immTypeTable, immTables, immElemTable:
		i.x, i.y = r.u32(), r.u32()
	case immMemArg:
		if i.x = r.u32(); i.x >= 32 {
			r.refusef(i.at, "alignment 2**%d: neither multiple memories nor 64-bit ones are supported", i.x)
		}
		i.y = r.u32()
	case immMem, immMems, immDataMem:
		if i.form.imm == immDataMem {
			i.x = r.u32()
		}
		zero := r.byte()
		if i.form.imm == immMems {
			zero |= r.byte()
		}
		if zero != 0 {
			r.refusef(i.at, "a memory other than 0: multiple memories are not supported")
		}
	case immI32:
		i.n = r.signed(32)
	case immI64:
		i.n = r.signed(64)
	case imm4:
		i.raw = r.bytes(4)
	case imm8:
		i.raw = r.bytes(8)
	case immTypes:
		n := r.count("types of a select", 1, 1)
		i.raw = r.b[r.pos : r.pos+n]
		for range n {
			r.valType()
		}
	case immRefType:
		i.ref = byte(r.refType())
	}
}

func (r *reader) blockType(i *instr) {
	at := r.pos
	i.n = r.signed(33)
	if i.n >= 0 || i.n == blockEmpty-0x80 || r.err != nil {
		return
	}
	if i.n == int64(v128)-0x80 {
		r.refusef(at, "block type v128: %s", noVectors)
	}
	if _, ok := valTypeNames[valType(i.n&0x7f)]; !ok || i.n < -0x40 {
		r.refusef(at, "block type %#x is not part of WebAssembly 2.0", i.n&0x7f)
	}
}

// proposalOf names the proposal that an unknown opcode belongs to.
func proposalOf(op opcode) string {
	switch {
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return "belongs to exception handling, which is not supported"
	case op == 0x12, op == 0x13:
		return "is a tail call, which is not supported"
	case op == 0x14, op == 0x15, op == 0xd4, op == 0xd5, op == 0xd6:
		return "belongs to typed function references, which are not supported"
	case op == 0xfb, op == 0xd3:
		return "belongs to garbage collection, which is not supported"
	case op == 0xfe:
		return "belongs to threads, which are not supported"
	default:
		return "is not part of WebAssembly 2.0"
	}
}
