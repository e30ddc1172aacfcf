package rewrite

// bodies writes the code of all functions, the helpers' at the end.
func (e *encoder) bodies() code {
	m := e.m
	all := make(code, 0, len(m.src)+len(m.src)/4)
	var one code
	for k := range m.bodies {
		one = one[:0]
		if e.cfg.Unmetered {
			e.plain(&one, &m.bodies[k])
		} else {
			e.metered(&one, &m.bodies[k], m.types[m.funcs[m.importedFuncs+k]].results)
		}
		all.u32(uint32(len(one)))
		all.bytes(one...)
	}
	for _, h := range e.helpers {
		all.u32(uint32(len(h.body)))
		all.bytes(h.body...)
	}
	return all
}

func (c *code) locals(groups []localGroup) {
	c.u32(uint32(len(groups)))
	for _, g := range groups {
		c.u32(g.n)
		c.bytes(byte(g.typ))
	}
}

// plain writes a function as it is.
func (e *encoder) plain(c *code, f *body) {
	c.locals(f.locals)
	r := reader{b: e.m.src[:f.end], pos: f.at}
	var i instr
	for !r.done() {
		r.instr(&i)
		c.instr(&i)
	}
}

// metered writes a function with its charges. Where it takes stack, its code
// becomes a block, so that all ways out, returns too, come by the place where
// the stack is given back. The block is where the function's own label was, so
// no label changes.
func (e *encoder) metered(c *code, f *body, results []valType) {
	c.locals(f.locals)
	e.enter(c, f)
	if f.frame > 0 {
		c.op(opBlock)
		switch len(results) {
		case 0:
			c.bytes(blockEmpty)
		case 1:
			c.bytes(byte(results[0]))
		default:
			c.signed(int64(e.typ(nil, results)))
		}
	}
	r := reader{b: e.m.src[:f.end], pos: f.at}
	var i instr
	depth := uint32(0)
	for !r.done() {
		r.instr(&i)
		switch i.op {
		case opBlock, opIf:
			depth++
		case opLoop:
			depth++
			c.instr(&i)
			e.charge(c, e.m.loops[e.loop])
			e.loop++
			continue
		case opEnd:
			depth--
		case opReturn:
			if f.frame > 0 {
				c.op(opBr, depth)
				continue
			}
		case opCall, opRefFunc:
			i.x = e.function(i.x)
		case opMemoryFill:
			c.op(opCall, e.fill)
			continue
		case opMemoryCopy:
			c.op(opCall, e.copy)
			continue
		case opMemoryGrow:
			c.op(opCall, e.grow)
			continue
		case opMemoryInit, opTableInit, opTableCopy, opTableFill, opTableGrow:
			c.op(opCall, e.sized)
		}
		c.instr(&i)
	}
	if f.frame > 0 {
		e.move(c, e.stack, opI64Add, int64(f.frame))
		c.op(opEnd)
	}
}

// move adds a constant to a counter, or takes it away.
func (e *encoder) move(c *code, counter uint32, op opcode, by int64) {
	c.op(opGlobalGet, counter)
	c.i64Const(by)
	c.op(op)
	c.op(opGlobalSet, counter)
}

// charge charges for a loop's turn.
func (e *encoder) charge(c *code, weight uint32) {
	if weight == 0 {
		return
	}
	e.move(c, e.fuel, opI64Sub, int64(weight))
	c.op(opGlobalGet, e.fuel)
	e.refuelIfNegative(c)
}

// enter charges for a function's entry.
func (e *encoder) enter(c *code, f *body) {
	if f.frame == 0 {
		e.charge(c, f.entry)
		return
	}
	e.move(c, e.stack, opI64Sub, int64(f.frame))
	c.op(opGlobalGet, e.stack)
	if f.entry > 0 {
		e.move(c, e.fuel, opI64Sub, int64(f.entry))
		c.op(opGlobalGet, e.fuel)
		c.op(opI64Or)
	}
	e.refuelIfNegative(c)
}

// refuelIfNegative takes an i64.
func (e *encoder) refuelIfNegative(c *code) {
	c.i64Const(0)
	c.op(opI64LtS)
	c.op(opIf, blockEmpty)
	c.op(opCall, e.refuel)
	c.op(opEnd)
}
