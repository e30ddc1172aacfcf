package rewrite

import (
	"context"
	"slices"
	"testing"
)

// exact returns a module that counts, in an exported global, the weight of each
// instruction when it runs it: what metering would ideally charge.
func exact(t *testing.T, wasm []byte) []byte {
	t.Helper()
	m, err := decode(wasm)
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(m, Config{Unmetered: true})
	counter := uint32(len(m.globals))
	m.globals = append(m.globals, globalType{i64, true})
	m.inits = append(m.inits, constExpr{op: opI64Const})
	m.exports = append(m.exports, exportEntry{"exact", kindGlobal, counter})
	var src code
	for k := range m.bodies {
		f := &m.bodies[k]
		r := reader{b: m.src[:f.end], pos: f.at}
		f.at = len(src)
		var i instr
		for !r.done() {
			r.instr(&i)
			weight := int64(i.form.weight)
			if i.op == opCall || i.op == opCallIndirect {
				weight -= weightFree
			}
			if weight > 0 {
				e.move(&src, counter, opI64Add, weight)
			}
			src.instr(&i)
		}
		f.end = len(src)
	}
	m.src = src
	return e.module()
}

// TestNothingRunsForFree: what is charged is at least the weight of every
// instruction that has run, and what one call from outside may run for free.
// The log says how much more it is.
func TestNothingRunsForFree(t *testing.T) {
	ctx := context.Background()
	compare := func(name string, wasm []byte, f string, args ...uint64) float64 {
		t.Helper()
		h := &host{slice: 1 << 40}
		metered, info := start(t, wasm, h)
		counted := instantiate(t, exact(t, wasm), info, nil)
		_, err := metered.ExportedFunction(f).Call(ctx, args...)
		_, other := counted.ExportedFunction(f).Call(ctx, args...)
		if (err == nil) != (other == nil) {
			t.Fatalf("%s: metered %v, counted %v", name, err, other)
		}
		spent, weight := h.spent(metered), int64(counted.ExportedGlobal("exact").Get())
		if spent+weightFree < weight {
			t.Errorf("%s spent %d for %d", name, spent, weight)
		}
		return float64(spent+weightFree) / float64(weight+weightFree)
	}
	for _, k := range kernels {
		ratio := compare(k.name, read(t, "kernels"), k.name, 20)
		t.Logf("%-8s is charged %.2f times its weight", k.name, ratio)
		if ratio > 7 { // recurse: each of its many calls pays for a callee that may be free
			t.Errorf("%s is charged %.2f times its weight", k.name, ratio)
		}
	}
	for seed := range uint64(80) {
		compare("a generated module", generate(seed), "run", seed, seed)
	}
}

// TestWeights: a loop is charged by its heaviest path, without the loops within;
// an entry likewise, or not at all.
func TestWeights(t *testing.T) {
	heavy := func(n int) []byte { return slices.Repeat([]byte{byte(opGlobalGet), 0, 0x1a}, n) } // weighs 2n
	join := func(parts ...any) (all []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case opcode:
				all = append(all, byte(p))
			case int:
				all = append(all, byte(p))
			case []byte:
				all = append(all, p...)
			}
		}
		return all
	}
	one := []byte{byte(opI32Const), 1}
	branch := func(label int) []byte { return []byte{byte(opBr), byte(label)} }
	loop := func(body ...any) []byte { return join(opLoop, blockEmpty, join(body...), opEnd) }
	block := func(body ...any) []byte { return join(opBlock, blockEmpty, join(body...), opEnd) }
	if_ := func(body ...any) []byte { return join(one, opIf, blockEmpty, join(body...), opEnd) } // 2 and its body
	for _, c := range []struct {
		name  string
		code  []byte
		entry uint32
		loops []uint32
	}{
		{"nothing", nil, 0, nil},
		{"light", heavy(weightFree / 2), 0, nil},
		{"heavy", heavy(weightFree/2 + 1), weightFree + 2, nil},
		{"a call", []byte{byte(opCall), 0}, weightCall, nil},
		{"a call in a loop", loop([]byte{byte(opCall), 0}), 0, []uint32{weightCall}},
		{"a call behind a return", join(opReturn, opCall, 0), 0, nil},
		{"then is heavier", loop(if_(heavy(10), opElse, heavy(3)), heavy(1)), 0, []uint32{24}},
		{"else is heavier", loop(if_(heavy(3), opElse, heavy(10)), heavy(1)), 0, []uint32{24}},
		{"no else", loop(if_(heavy(10)), heavy(1)), 0, []uint32{24}},
		{"then goes on", loop(if_(heavy(10), branch(1)), heavy(15)), 0, []uint32{32}},
		{"then goes on, and is heavier", loop(if_(heavy(20), branch(1)), heavy(5)), 0, []uint32{43}},
		{"out of a block", loop(block(heavy(10), one, opBrIf, 0, heavy(5), branch(0), heavy(50)), heavy(1)), 0, []uint32{35}},
		{"the first way out is heavier", loop(block(if_(heavy(10), branch(1), opElse, heavy(2), branch(1))), heavy(1)), 0, []uint32{25}},
		{"a loop within", loop(heavy(2), loop(heavy(30)), heavy(4)), 0, []uint32{12, 60}},
		{"a loop within that never ends", loop(heavy(2), loop(heavy(30), branch(0)), heavy(40)), 0, []uint32{4, 61}},
		{"out of a loop within", loop(block(heavy(2), loop(heavy(30), branch(1)), heavy(40)), heavy(3)), 0, []uint32{10, 61}},
		{"an unreachable loop", join(opReturn, loop(heavy(9))), 0, []uint32{0}},
		{"an empty loop", loop(), 0, []uint32{1}},
		{"a fill of 160 bytes", loop(one, one, opI32Const, 0xa0, 0x01, 0xfc, 0x0b, 0), 0, []uint32{3 + weightBulk + 160>>perByte}},
		{"a table of branches", loop(block(block(one, opBrTable, 1, 0, 1), heavy(10), branch(0)), heavy(2)), 0, []uint32{1 + 4 + 20 + 1 + 4}},
	} {
		m, err := decode(oneFunction(c.code...))
		if err != nil {
			t.Fatal(c.name, err)
		}
		var loops []uint32
		for _, l := range m.loops {
			loops = append(loops, l.weight)
		}
		if entry := m.bodies[0].entry; entry != c.entry || !slices.Equal(loops, c.loops) {
			t.Errorf("%s: entry %d, loops %d; want %d, %d", c.name, entry, loops, c.entry, c.loops)
		}
	}
}
