package rewrite

import (
	"context"
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
	for seed := range uint64(150) {
		compare("a generated module", generate(seed), "run", seed, seed)
	}
}
