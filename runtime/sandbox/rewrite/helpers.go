package rewrite

// chunk is the most bytes that one memory.fill or memory.copy touches between two
// charges. It takes about as long as a slice of fuel.
const chunk = 256 << 10

// Conversion of sizes to fuel: bytes are shifted right, pages left.
const (
	perByte = 2  // 4 bytes per unit: 4,000 to 6,000 units per microsecond outside the cache, like a slow loop; 13,000 within
	perPage = 12 // 16 bytes per unit: a new page costs time only when it is touched
	perItem = 1  // two table elements per unit
)

// helper is a function that the encoder adds.
type helper struct {
	typ  uint32
	body code
}

// addHelpers adds the functions that the module's code needs.
func (e *encoder) addHelpers() {
	m := e.m
	add := func(params, results []valType, body func(c *code)) uint32 {
		h := helper{typ: e.typ(params, results)}
		body(&h.body)
		h.body.op(opEnd)
		e.helpers = append(e.helpers, h)
		return e.function(uint32(len(m.funcs) + len(e.helpers) - 1))
	}
	three := []valType{i32, i32, i32}
	e.refuel = add(nil, nil, e.writeRefuel)
	if m.seen[opMemoryFill] {
		e.fill = add(three, nil, e.writeFill)
	}
	if m.seen[opMemoryCopy] {
		e.copy = add(three, nil, e.writeCopy)
	}
	if m.seen[opMemoryGrow] {
		e.grow = add([]valType{i32}, []valType{i32}, e.writeGrow)
	}
	if m.seen[opMemoryInit] || m.seen[opTableInit] || m.seen[opTableCopy] || m.seen[opTableFill] || m.seen[opTableGrow] {
		e.sized = add([]valType{i32}, []valType{i32}, e.writeSized)
	}
}

// writeRefuel writes refuel(): fuel = yield(fuel, stack).
func (e *encoder) writeRefuel(c *code) {
	c.locals(nil)
	c.op(opGlobalGet, e.fuel)
	c.op(opGlobalGet, e.stack)
	c.op(opCall, e.yield)
	c.op(opGlobalSet, e.fuel)
}

// spend charges the i64 that pushed leaves on the stack. It must be from 0 to below
// 2**62, so that the counter cannot wrap around.
func (e *encoder) spend(c *code, pushed func()) {
	c.op(opGlobalGet, e.fuel)
	pushed()
	c.op(opI64Sub)
	c.op(opGlobalSet, e.fuel)
	c.op(opGlobalGet, e.fuel)
	e.refuelIfNegative(c)
	c.op(opEnd)
}

// spendBytes charges for n bytes; n is a local.
func (e *encoder) spendBytes(c *code, n uint32) {
	e.spend(c, func() {
		c.op(opLocalGet, n)
		c.op(opI64ExtendI32)
		c.i64Const(perByte)
		c.op(opI64ShrU)
	})
}

// outOfBounds pushes 1 if address + n, both locals, is beyond the end of the memory.
func (c *code) outOfBounds(address, n uint32) {
	c.op(opLocalGet, address)
	c.op(opI64ExtendI32)
	c.op(opLocalGet, n)
	c.op(opI64ExtendI32)
	c.op(opI64Add)
	c.op(opMemorySize, 0)
	c.op(opI64ExtendI32)
	c.i64Const(16)
	c.op(opI64Shl)
	c.op(opI64GtU)
}

// longerThanChunk pushes 1 if local n is more than a chunk.
func (c *code) longerThanChunk(n uint32) {
	c.op(opLocalGet, n)
	c.i32Const(chunk)
	c.op(opI32GtU)
}

// moveLocal adds the size of a chunk to a local, or subtracts it.
func (c *code) moveLocal(op opcode, local uint32) {
	c.op(opLocalGet, local)
	c.i32Const(chunk)
	c.op(op)
	c.op(opLocalSet, local)
}

// writeFill writes fill(address, value, n): memory.fill, a chunk at a time. If the range
// is out of bounds it traps before the first byte is written.
func (e *encoder) writeFill(c *code) {
	const address, value, n = 0, 1, 2
	fill := func() {
		c.op(opLocalGet, address)
		c.op(opLocalGet, value)
		c.op(opLocalGet, n)
		c.op(opMemoryFill, 0)
	}
	c.locals(nil)
	c.longerThanChunk(n)
	c.op(opIf, blockEmpty)
	c.outOfBounds(address, n)
	c.op(opIf, blockEmpty)
	fill()
	c.op(opEnd)
	c.op(opLoop, blockEmpty)
	e.charge(c, chunk>>perByte)
	c.op(opLocalGet, address)
	c.op(opLocalGet, value)
	c.i32Const(chunk)
	c.op(opMemoryFill, 0)
	c.moveLocal(opI32Add, address)
	c.moveLocal(opI32Sub, n)
	c.longerThanChunk(n)
	c.op(opBrIf, 0)
	c.op(opEnd)
	c.op(opEnd)
	e.spendBytes(c, n)
	fill()
}

// writeCopy writes copy(to, from, n): memory.copy, a chunk at a time. It goes backwards
// if the destination is after the source, because they may overlap.
func (e *encoder) writeCopy(c *code) {
	const to, from, n = 0, 1, 2
	copied := func() {
		c.op(opLocalGet, to)
		c.op(opLocalGet, from)
		c.op(opLocalGet, n)
		c.op(opMemoryCopy, 0, 0)
	}
	c.locals(nil)
	c.longerThanChunk(n)
	c.op(opIf, blockEmpty)

	c.outOfBounds(to, n)
	c.outOfBounds(from, n)
	c.op(opI32Or)
	c.op(opIf, blockEmpty)
	copied()
	c.op(opEnd)

	c.op(opLocalGet, to)
	c.op(opLocalGet, from)
	c.op(opI32LeU)
	c.op(opIf, blockEmpty)

	c.op(opLoop, blockEmpty)
	e.charge(c, chunk>>perByte)
	c.op(opLocalGet, to)
	c.op(opLocalGet, from)
	c.i32Const(chunk)
	c.op(opMemoryCopy, 0, 0)
	c.moveLocal(opI32Add, to)
	c.moveLocal(opI32Add, from)
	c.moveLocal(opI32Sub, n)
	c.longerThanChunk(n)
	c.op(opBrIf, 0)
	c.op(opEnd)

	c.op(opElse)

	c.op(opLoop, blockEmpty)
	e.charge(c, chunk>>perByte)
	c.moveLocal(opI32Sub, n)
	c.op(opLocalGet, to)
	c.op(opLocalGet, n)
	c.op(opI32Add)
	c.op(opLocalGet, from)
	c.op(opLocalGet, n)
	c.op(opI32Add)
	c.i32Const(chunk)
	c.op(opMemoryCopy, 0, 0)
	c.longerThanChunk(n)
	c.op(opBrIf, 0)
	c.op(opEnd)

	c.op(opEnd)
	c.op(opEnd)
	e.spendBytes(c, n)
	copied()
}

// writeGrow writes grow(pages) -> old: memory.grow. Pages are charged only if the memory
// grew.
func (e *encoder) writeGrow(c *code) {
	const pages, old = 0, 1
	c.locals([]localGroup{{1, i32}})
	c.op(opLocalGet, pages)
	c.op(opMemoryGrow, 0)
	c.op(opLocalSet, old)
	e.spend(c, func() {
		c.i32Const(0)
		c.op(opLocalGet, pages)
		c.op(opLocalGet, old)
		c.i32Const(-1)
		c.op(opI32Eq)
		c.op(opSelect)
		c.op(opI64ExtendI32)
		c.i64Const(perPage)
		c.op(opI64Shl)
		c.i64Const(weightGrow)
		c.op(opI64Add)
	})
	c.op(opLocalGet, old)
}

// writeSized writes sized(n) -> n: it charges for the next instruction, which handles n
// table elements or segment bytes. If n is more than any table or segment can have, that
// instruction fails at once, so the charge has a maximum.
func (e *encoder) writeSized(c *code) {
	const n, most = 0, maxModule
	c.locals(nil)
	e.spend(c, func() {
		c.op(opLocalGet, n)
		c.i32Const(most)
		c.op(opLocalGet, n)
		c.i32Const(most)
		c.op(opI32LeU)
		c.op(opSelect)
		c.op(opI64ExtendI32)
		c.i64Const(perItem)
		c.op(opI64ShrU)
	})
	c.op(opLocalGet, n)
}
