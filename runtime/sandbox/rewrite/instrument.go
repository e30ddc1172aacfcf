package rewrite

import "slices"

// bodies returns the code of all functions, with the helpers at the end.
func (e *encoder) bodies() code {
	m := e.m
	all := make(code, 0, len(m.src)+len(m.src)/4)
	var one code
	for k := range m.bodies {
		one = one[:0]
		if e.cfg.Unmetered {
			e.plain(&one, &m.bodies[k])
		} else {
			e.metered(&one, &m.bodies[k], uint32(m.importedFuncs+k))
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

// plain writes a function without charges.
func (e *encoder) plain(c *code, f *body) {
	c.locals(append(slices.Clip(f.locals), f.scratch.locals(e.cfg.faults)...))
	avoid := e.avoider(f, uint32(f.nlocals))
	r := reader{b: e.m.src[:f.end], pos: f.at}
	var i instr
	for !r.done() {
		r.instr(&i)
		avoid.read(&i, &r)
		avoid.instr(c, &i)
	}
}

// A tight loop keeps the fuel counter in a local, so that its iterations do not wait for
// memory, and only writes the global. That is correct as long as nothing else touches
// the counter, which is the definition of a tight loop.

// metered writes a function with its charges. If it is charged for stack, or traced, its
// code is wrapped in a block, so that every exit, also a return, passes the code that gives
// the stack back. The block takes the place of the function's own label, so no label changes.
func (e *encoder) metered(c *code, f *body, index uint32) {
	results := e.m.types[e.m.funcs[index]].results
	wrapped := f.deep || e.cfg.Trace
	locals := slices.Clip(f.locals)
	fuel := uint32(f.nlocals) // locals, if needed: the counter, and the bytes to fill or copy
	bytes := fuel
	if f.tight {
		locals = append(locals, localGroup{1, i64})
		bytes++
	}
	scratch := bytes
	if f.bulk {
		locals = append(locals, localGroup{1, i32})
		scratch++
	}
	avoid := e.avoider(f, scratch)
	c.locals(append(locals, f.scratch.locals(e.cfg.faults)...))
	e.tell(c, Site{index, uint32(f.at), true})
	e.enter(c, f)
	if wrapped {
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
	i := instr{op: opNop}
	depth, tight := uint32(0), uint32(0) // open blocks; the outermost open tight loop, 0: none
	for !r.done() {
		previous, here := constant(&i), Site{index, uint32(r.pos), false}
		r.instr(&i)
		avoid.read(&i, &r)
		switch i.op {
		case opBlock, opIf:
			depth++
		case opLoop:
			depth++
			loop := e.loops[0]
			e.loops = e.loops[1:]
			if loop.tight && tight == 0 {
				tight = depth
				c.op(opGlobalGet, e.fuel)
				c.op(opLocalSet, fuel)
			}
			c.instr(&i)
			if loop.weight > 0 {
				here.Offset = uint32(r.pos) // what comes from a line is the loop's body
				e.tell(c, here)
			}
			switch {
			case loop.weight == 0:
			case loop.tight:
				e.chargeLocal(c, loop.weight, fuel)
			default:
				e.charge(c, loop.weight)
			}
			continue
		case opEnd:
			if tight == depth {
				tight = 0
			}
			depth--
		case opReturn:
			if wrapped {
				c.op(opBr, depth)
				continue
			}
		case opRefFunc:
			i.x = e.function(i.x)
		case opCall:
			e.tell(c, here)
			i.x = e.function(i.x)
		case opCallIndirect, opUnreachable:
			e.tell(c, here)
		case opMemoryFill, opMemoryCopy:
			if !small(previous) {
				e.tell(c, here)
				e.bulk(c, &i, bytes)
				continue
			}
		case opMemoryGrow:
			e.tell(c, here)
			c.op(opCall, e.grow)
			continue
		case opMemoryInit, opTableInit, opTableCopy, opTableFill, opTableGrow:
			e.tell(c, here)
			c.op(opCall, e.sized)
		}
		avoid.instr(c, &i)
	}
	if f.deep {
		e.move(c, e.stack, opI64Add, int64(f.frame))
	}
	if e.cfg.Trace {
		c.i32Const(Leave)
		c.op(opCall, e.trace)
	}
	if wrapped {
		c.op(opEnd)
	}
}

// tell writes the call that tells the host that the guest is at a site, with Config.Trace.
func (e *encoder) tell(c *code, at Site) {
	if e.cfg.Trace {
		c.i32Const(int32(len(e.sites)))
		c.op(opCall, e.trace)
		e.sites = append(e.sites, at)
	}
}

// bulk writes a memory.fill or memory.copy of n bytes; n is on top of the stack. Up to a
// chunk is charged and moved inline, more by a helper.
func (e *encoder) bulk(c *code, i *instr, n uint32) {
	c.op(opLocalTee, n)
	c.i32Const(chunk)
	c.op(opI32LeU)
	c.op(opIf)
	c.signed(int64(e.typ([]valType{i32, i32}, nil)))
	e.spendBytes(c, n)
	c.op(opLocalGet, n)
	c.instr(i)
	c.op(opElse)
	c.op(opLocalGet, n)
	if i.op == opMemoryFill {
		c.op(opCall, e.fill)
	} else {
		c.op(opCall, e.copy)
	}
	c.op(opEnd)
}

// move adds a constant to a counter, or subtracts it.
func (e *encoder) move(c *code, counter uint32, op opcode, by int64) {
	c.op(opGlobalGet, counter)
	c.i64Const(by)
	c.op(op)
	c.op(opGlobalSet, counter)
}

// charge writes code that charges fuel.
func (e *encoder) charge(c *code, weight uint32) {
	e.move(c, e.fuel, opI64Sub, int64(weight))
	c.op(opGlobalGet, e.fuel)
	e.refuelIfNegative(c)
	c.op(opEnd)
}

// chargeLocal is charge for a counter in a local.
func (e *encoder) chargeLocal(c *code, weight uint32, fuel uint32) {
	c.op(opLocalGet, fuel)
	c.i64Const(int64(weight))
	c.op(opI64Sub)
	c.op(opLocalTee, fuel)
	c.op(opGlobalSet, e.fuel)
	c.op(opLocalGet, fuel)
	e.refuelIfNegative(c)
	c.op(opGlobalGet, e.fuel)
	c.op(opLocalSet, fuel)
	c.op(opEnd)
}

// enter writes the charges at a function's entry.
func (e *encoder) enter(c *code, f *body) {
	if f.entry > 0 {
		e.move(c, e.fuel, opI64Sub, int64(f.entry))
		c.op(opGlobalGet, e.fuel)
	}
	if f.deep {
		e.move(c, e.stack, opI64Sub, int64(f.frame))
		c.op(opGlobalGet, e.stack)
	}
	if f.entry > 0 && f.deep {
		c.op(opI64Or) // negative if one is
	}
	if f.entry > 0 || f.deep {
		e.refuelIfNegative(c)
		c.op(opEnd)
	}
}

// refuelIfNegative pops an i64 and leaves a block open, which runs in the rare case. It
// is the else branch because wazero's compiler keeps values where the first of two
// joining branches has them: in registers, not where the call leaves them.
func (e *encoder) refuelIfNegative(c *code) {
	c.i64Const(0)
	c.op(opI64GeS)
	c.op(opIf, blockEmpty)
	c.op(opElse)
	c.op(opCall, e.refuel)
}
