package rewrite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestFrames: what the meter charges for a function's frame is at least what wazero
// takes for it, in whatever way the function comes by many values.
func TestFrames(t *testing.T) {
	for name, wasm := range frameModules(t) {
		m, refused := decode(wasm)
		if refused != nil {
			t.Errorf("%s: %v", name, refused)
			continue
		}
		out, _, err := Rewrite(wasm, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var ratios []float64
		for k, size := range frames(t, out)[:len(m.bodies)] {
			f := m.bodies[k]
			ratios = append(ratios, float64(f.frame)/float64(size))
			if int(f.frame) < size {
				t.Errorf("%s: function %d takes %d bytes, and is charged %d", name, k, size, f.frame)
			}
		}
		slices.Sort(ratios)
		t.Logf("%-40s %5d functions; charged times real: %.2f, median %.2f, at most %.2f", name, len(ratios), ratios[0], ratios[len(ratios)/2], ratios[len(ratios)-1])
	}
}

// TestWideFramesEnd: recursion with thousands of values alive across the call is stopped
// while it takes about as much stack as it is granted. Wazero alone grants 160 MB.
func TestWideFramesEnd(t *testing.T) {
	for _, typ := range genTypes {
		for _, body := range []string{"results wait on the stack", "results of indirect calls wait", "locals wait", "computed values wait"} {
			h := &host{slice: 100_000}
			mod, _ := start(t, frameModule(slices.Repeat([]valType{typ}, 256), 12, frameBodies[body]), h)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := mod.ExportedFunction("run").Call(t.Context())
			if !errors.Is(err, errStack) {
				t.Errorf("%s, %s: it ended with %v", body, typ, err)
			}
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 4*DefaultStack {
				t.Errorf("%s, %s: it took %d bytes", body, typ, got)
			}
		}
	}
}

// frameModules are modules whose functions take much stack, and ordinary ones.
func frameModules(t *testing.T) map[string][]byte {
	all := map[string][]byte{"kernels": read(t, "kernels"), "guests": read(t, "guests")}
	seeds, widths, repeats := uint64(30), []int{1, 20, 256}, []int{1, 12}
	if testing.Short() {
		seeds, widths, repeats = 3, []int{256}, []int{12}
	} else {
		var err error
		if all["a Go guest"], err = goGuest(); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range seeds {
		all[fmt.Sprint("generated ", seed)] = generate(seed)
		all[fmt.Sprint("generated under pressure ", seed)] = generatePressed(seed)
	}
	for k, typ := range genTypes {
		for _, width := range widths {
			values := slices.Repeat([]valType{typ}, width)
			for n := range values {
				if typ == i32 || typ == f32 { // and others between
					values[n] = genTypes[(k+n%2)%4]
				}
			}
			for _, times := range repeats {
				for how, body := range frameBodies {
					all[fmt.Sprintf("%s: %d of %v %d times", how, width, values[:min(2, width)], times)] = frameModule(values, times, body)
				}
			}
		}
	}
	return all
}

// frameModule is a module of three functions: 0 returns the values, 1 takes them, and 2
// has the body. Both of the first two are in a table.
func frameModule(values []valType, times int, body func(c *code, values []valType, times int)) []byte {
	var source, use code
	source.locals(nil)
	for _, typ := range values {
		one(&source, typ)
	}
	source.op(opEnd)
	use.locals(nil)
	use.op(opEnd)
	var c code
	c.locals(groupsOf(values)) // locals 0 on
	body(&c, values, times)
	c.op(opEnd)
	return wasmOf(
		types(functype(nil, values...), functype(values), functype(nil), functype(values, values...)),
		section(3, vec([]byte{0}, []byte{1}, []byte{2})),
		section(4, vec([]byte{byte(funcref), 0, 2})),
		section(5, vec([]byte{0, 1})),
		section(6, vec([]byte{byte(i64), 1, byte(opI64Const), 7, byte(opEnd)}, []byte{byte(i32), 1, byte(opI32Const), 7, byte(opEnd)})),
		section(7, vec(exported("run", kindFunc, 2))),
		section(9, vec([]byte{0, byte(opI32Const), 0, byte(opEnd), 2, 0, 1})),
		section(10, vec(sized(source), sized(use), sized(c))),
	)
}

func groupsOf(values []valType) (groups []localGroup) {
	for _, typ := range values {
		groups = append(groups, localGroup{1, typ})
	}
	return groups
}

// one leaves a value that no constant is.
func one(c *code, typ valType) {
	c.i32Const(8)
	c.op(map[valType]opcode{i32: 0x28, i64: 0x29, f32: 0x2a, f64: 0x2b}[typ], 0, 0)
}

// frameBodies are ways to come by many values, alive while something is called; some
// call function 2, which they are.
var frameBodies = map[string]func(c *code, values []valType, times int){
	"results wait on the stack": func(c *code, _ []valType, times int) {
		for range times {
			c.op(opCall, 0)
		}
		c.op(opCall, 2)
		for range times {
			c.op(opCall, 1)
		}
	},
	"results of indirect calls wait": func(c *code, _ []valType, times int) {
		for range times {
			c.i32Const(0)
			c.op(opCallIndirect, 0, 0)
		}
		c.op(opCall, 2)
		for range times {
			c.i32Const(1)
			c.op(opCallIndirect, 1, 0)
		}
	},
	"locals wait": func(c *code, values []valType, times int) {
		for range times {
			for l := range values {
				one(c, values[l])
				c.op(opLocalSet, uint32(l))
			}
			c.op(opCall, 2)
			for l := range values {
				c.op(opLocalGet, uint32(l))
			}
			c.op(opCall, 1)
		}
	},
	"computed values wait": func(c *code, values []valType, times int) {
		for range times {
			for _, typ := range values {
				one(c, typ)
			}
		}
		c.op(opCall, 2)
		for range times {
			c.op(opCall, 1)
		}
	},
	"values wait in order": func(c *code, values []valType, times int) { // and no call: they do not fit the registers
		for range times {
			for _, typ := range values {
				one(c, typ)
			}
		}
		for range times {
			for range values {
				c.op(opDrop)
			}
		}
		for l := range values {
			one(c, values[l])
			c.op(opLocalSet, uint32(l))
		}
		for range times {
			for l := range values {
				c.op(opLocalGet, uint32(l))
				c.op(opLocalGet, uint32((l+len(values)/2)%len(values)))
				c.op(opDrop)
				unary(c, values[l])
				c.op(opLocalSet, uint32(l))
			}
		}
		for l := range values {
			c.op(opLocalGet, uint32(l))
		}
		c.op(opCall, 1)
	},
	"blocks pass them": func(c *code, _ []valType, times int) {
		c.op(opCall, 0)
		for range times {
			c.op(opBlock, 3)
			c.op(opGlobalGet, 1)
			c.op(opBrIf, 0)
			c.op(opCall, 1)
			c.op(opCall, 0)
			c.op(opEnd)
		}
		c.op(opCall, 1)
	},
	"loops pass them": func(c *code, _ []valType, times int) {
		c.op(opCall, 0)
		for range times {
			c.op(opLoop, 3)
			c.op(opCall, 1)
			c.op(opCall, 0)
			c.op(opGlobalGet, 1)
			c.op(opBrIf, 0)
		}
		for range times {
			c.op(opEnd)
		}
		c.op(opCall, 1)
	},
	"ifs pass them": func(c *code, _ []valType, times int) {
		c.op(opCall, 0)
		for range times {
			c.op(opGlobalGet, 1)
			c.op(opIf, 3)
			c.op(opCall, 1)
			c.op(opCall, 0)
			c.op(opElse)
			c.op(opCall, 2)
			c.op(opEnd)
		}
		c.op(opCall, 1)
	},
	"a table of branches passes them": func(c *code, _ []valType, times int) {
		for range times {
			c.op(opBlock, 0)
		}
		c.op(opCall, 0)
		c.op(opGlobalGet, 1)
		c.op(opBrTable)
		c.u32(uint32(times - 1))
		for k := range times {
			c.u32(uint32(k))
		}
		for range times {
			c.op(opEnd)
			c.op(opCall, 1)
			c.op(opCall, 0)
		}
		c.op(opCall, 1)
	},
	"paths meet": func(c *code, values []valType, times int) {
		for range times {
			c.op(opGlobalGet, 1)
			c.op(opIf, blockEmpty)
			for l := range values {
				one(c, values[l])
				c.op(opLocalSet, uint32(l))
			}
			c.op(opCall, 2)
			c.op(opEnd)
		}
		for l := range values {
			c.op(opLocalGet, uint32(l))
		}
		c.op(opCall, 1)
	},
	"loops change them": func(c *code, values []valType, times int) {
		for range times {
			c.op(opLoop, blockEmpty)
			for l := range values {
				c.op(opLocalGet, uint32(l))
				unary(c, values[l])
				c.op(opLocalSet, uint32(l))
			}
		}
		for range times {
			c.op(opGlobalGet, 1)
			c.op(opBrIf, 0)
			c.op(opEnd)
		}
		for l := range values {
			c.op(opLocalGet, uint32(l))
		}
		c.op(opCall, 1)
	},
	"arguments are computed": func(c *code, values []valType, times int) {
		for range times {
			for l := range values {
				c.op(opLocalGet, uint32(l))
				unary(c, values[l])
				one(c, i32)
				one(c, i32)
				c.op(0x6e) // i32.div_u
				one(c, i32)
				c.op(opI32Shl)
				c.op(opGlobalSet, 1)
			}
			c.op(opCall, 1)
		}
	},
	"globals and memory": func(c *code, values []valType, times int) {
		for range times {
			for l := range values {
				c.op(opCall, 2)
				one(c, values[l])
				c.op(opLocalSet, uint32(l))
				c.op(opGlobalGet, 0)
				c.i64Const(3)
				c.op(opI64Shl)
				c.op(opGlobalSet, 0)
			}
		}
		for l := range values {
			c.op(opLocalGet, uint32(l))
		}
		c.op(opCall, 1)
	},
	"what is avoided": func(c *code, values []valType, times int) {
		for range times {
			for l := range values {
				c.op(opLocalGet, uint32(l))
				c.op(opLocalGet, uint32(l))
				c.op(opGlobalGet, 1)
				c.op(opSelect)
				if values[l] == f64 {
					c.op(opGlobalGet, 0)
					c.op(opF64ConvertI64U)
					c.op(opF64Copysign)
				}
			}
		}
		for range times {
			c.op(opCall, 1)
		}
	},
}

func unary(c *code, typ valType) {
	c.op(map[valType]opcode{i32: opI32Popcnt, i64: opI64Popcnt, f32: 0x91, f64: 0x9f}[typ])
}

// frames returns the bytes of stack that wazero takes for each of a rewritten module's
// own functions: its frame and what it passes to calls. It reads them from what wazero's
// compilation cache keeps, where each function begins by checking that there are so many.
func frames(t *testing.T, wasm []byte) []int {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the code of", runtime.GOARCH, "is not read here")
	}
	ctx := context.Background()
	dir := t.TempDir()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(ctx) }()
	rt := wazero.NewRuntimeWithConfig(ctx, engine().WithCompilationCache(cache))
	defer func() { _ = rt.Close(ctx) }()
	if _, err := rt.CompileModule(ctx, wasm); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal("what is in the cache?", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b, ok := bytes.CutPrefix(b, []byte("WAZEVO"))
	if !ok {
		t.Fatal("this is not what wazero 1.12 keeps of a module")
	}
	b = b[1+b[0]:]
	n := binary.LittleEndian.Uint32(b)
	offsets, code := b[4:4+8*n], b[4+8*n+8:]
	var all []int
	for f := range n {
		at := code[binary.LittleEndian.Uint64(offsets[8*f:]):]
		at, ok = bytes.CutPrefix(at, []byte{0x55, 0x48, 0x89, 0xe5, 0x48}) // push rbp; mov rbp, rsp
		switch {
		case ok && at[0] == 0x83 && at[1] == 0xec: // sub rsp
			all = append(all, int(at[2]))
		case ok && at[0] == 0x81 && at[1] == 0xec:
			all = append(all, int(binary.LittleEndian.Uint32(at[2:])))
		default:
			t.Fatalf("function %d begins with % x", f, at[:16])
		}
	}
	return all
}
