package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestFixtures: each .wasm is what its .wat compiles to, where that can be told.
func TestFixtures(t *testing.T) {
	for _, name := range []string{"guests", "kernels", "select"} {
		want := read(t, name)
		if _, err := exec.LookPath("wat2wasm"); err == nil {
			got, err := exec.Command("wat2wasm", "testdata/"+name+".wat", "--output=-").Output()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s.wasm is out of date (%v): run wat2wasm testdata/%s.wat -o testdata/%s.wasm", name, err, name, name)
			}
		}
		if _, _, err := Rewrite(want, Config{}); err != nil {
			t.Error(name, err)
		}
	}
}

// set sets a counter of a metered instance.
func set(mod api.Module, counter string, v int64) {
	mod.ExportedGlobal(counter).(api.MutableGlobal).Set(uint64(v))
}

// TestRunawayIsStopped: whatever a guest does instead of ending, it yields at
// least every slice of work, and is stopped there.
func TestRunawayIsStopped(t *testing.T) {
	wasm := read(t, "guests")
	for _, c := range []struct {
		name string
		args []uint64
		want error
	}{
		{"spin", nil, errFuel},
		{"spincall", nil, errFuel},
		{"spinindirect", nil, errFuel},
		{"tree", nil, errFuel},
		{"fills", []uint64{65536}, errFuel},
		{"fills", []uint64{0}, errFuel},
		{"constfills", nil, errFuel},
		{"growths", nil, errFuel},
		{"deep", nil, errStack},
		{"deepindirect", nil, errStack},
		{"ping", []uint64{1}, errStack},
		{"wide", []uint64{1}, errStack},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{slice: 100_000}
			mod, _ := start(t, wasm, h)
			h.limit = h.given + 10_000_000
			_, err := mod.ExportedFunction(c.name).Call(context.Background(), c.args...)
			if !errors.Is(err, c.want) {
				t.Errorf("ended with %v", err)
			}
			if errors.Is(c.want, errFuel) && h.yields < 80 { // a part of a fill is two thirds of a slice
				t.Errorf("only %d yields", h.yields)
			}
		})
	}
}

// TestCollectorRuns: Go's collector gets its turn, again and again, while a guest that
// never ends runs.
func TestCollectorRuns(t *testing.T) {
	h := &host{slice: 100_000, limit: 1 << 40}
	mod, _ := start(t, read(t, "guests"), h)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := mod.ExportedFunction("spin").Call(ctx)
		ended <- err
	}()
	for range 20 {
		runtime.GC()
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error("the guest ended with", err)
	}
}

// TestStackIsGivenBack: by every way out of a function.
func TestStackIsGivenBack(t *testing.T) {
	h := &host{slice: 1000}
	mod, _ := start(t, read(t, "guests"), h)
	for how := range uint64(4) {
		out, err := mod.ExportedFunction("ways").Call(context.Background(), 5, how)
		if err != nil || out[0] != 1 {
			t.Fatal(out, err)
		}
		if left := mod.ExportedGlobal(Stack).Get(); left != DefaultStack {
			t.Errorf("way %d: %d of %d left", how, left, DefaultStack)
		}
	}
	if _, err := mod.ExportedFunction("trapdeep").Call(context.Background(), 100); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Error("it ended with", err)
	}
	if left := mod.ExportedGlobal(Stack).Get(); left >= DefaultStack-6400 {
		t.Errorf("after a trap 100 deep %d of %d are left", left, DefaultStack)
	}
}

// TestRecursionIsCheap: what a bomb costs before it is stopped.
func TestRecursionIsCheap(t *testing.T) {
	for _, name := range []string{"deep", "wide"} {
		h := &host{slice: 100_000}
		mod, _ := start(t, read(t, "guests"), h)
		f := mod.ExportedFunction(name)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if _, err := f.Call(context.Background(), make([]uint64, len(f.Definition().ParamTypes()))...); !errors.Is(err, errStack) {
			t.Error("it ended with", err)
		}
		runtime.ReadMemStats(&after)
		if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 4*DefaultStack>>20 {
			t.Errorf("%s cost %d MB", name, mb)
		}
		if spent := h.spent(mod); spent < 100_000 {
			t.Errorf("%s spent only %d", name, spent)
		}
	}
}

// TestSpentIsTheSame: on every run, and whatever the slices are.
func TestSpentIsTheSame(t *testing.T) {
	for _, k := range kernels {
		var spent []int64
		for _, slice := range []int64{1, 100, 77_777, 1 << 40, 100} {
			h := &host{slice: slice}
			mod, _ := start(t, read(t, "kernels"), h)
			if _, err := mod.ExportedFunction(k.name).Call(context.Background(), min(k.n, 12)); err != nil {
				t.Fatal(err)
			}
			spent = append(spent, h.spent(mod))
		}
		if slices.Min(spent) != slices.Max(spent) || spent[0] <= 0 {
			t.Errorf("%s spent %v", k.name, spent)
		}
	}
}

// TestSizesAreCharged: by the bytes or elements that an instruction moves.
func TestSizesAreCharged(t *testing.T) {
	h := &host{slice: 1 << 50}
	mod, _ := start(t, read(t, "guests"), h)
	for _, c := range []struct {
		name  string
		args  []uint64
		least int64
		most  int64
	}{
		{"grow", []uint64{1023}, 1023 * 4096, 1024 * 4096},
		{"grow", []uint64{1 << 31}, 1000, 2000}, // refused by the engine: only the asking
		{"fill", []uint64{0, 1, 64 << 20}, 16 << 20, 17 << 20},
		{"fill", []uint64{0, 1, 16}, 0, 200},
		{"copy", []uint64{1, 0, 32 << 20}, 8 << 20, 9 << 20},
		{"fill", []uint64{0, 1, 1<<32 - 1}, 0, 200}, // traps
		{"tablegrow", []uint64{60}, 30, 500},
		{"tablefill", []uint64{0, 64}, 32, 500},
		{"meminit", []uint64{0, 0, 5}, 2, 500},
	} {
		before := h.spent(mod)
		_, err := mod.ExportedFunction(c.name).Call(context.Background(), c.args...)
		if spent := h.spent(mod) - before; spent < c.least || spent > c.most {
			t.Errorf("%s%v spent %d, not %d to %d (%v)", c.name, c.args, spent, c.least, c.most, err)
		}
	}
	// 4 GiB cannot wrap around into a refill.
	set(mod, Fuel, 0)
	h.given, h.slice, h.limit = 0, 1000, 1000
	if _, err := mod.ExportedFunction("tablefill").Call(context.Background(), 0, 1<<32-1); !errors.Is(err, errFuel) {
		t.Error("it ended with", err)
	}
}

// TestBulkIsTheSame compares great and small fills and copies, which the helpers
// do a chunk at a time, with the engine's.
func TestBulkIsTheSame(t *testing.T) {
	wasm := read(t, "guests")
	metered, _ := start(t, wasm, &host{slice: 1000})
	plain, _ := start(t, wasm, nil)
	call := func(name string, args ...uint64) {
		t.Helper()
		var ends []string
		for _, mod := range []api.Module{metered, plain} {
			out, err := mod.ExportedFunction(name).Call(context.Background(), args...)
			end, _, _ := strings.Cut(fmt.Sprint(out, err), "\n")
			ends = append(ends, end)
		}
		if ends[0] != ends[1] {
			t.Fatalf("%s%v: metered %s, plain %s", name, args, ends[0], ends[1])
		}
		size := plain.Memory().Size()
		a, _ := metered.Memory().Read(0, size)
		b, _ := plain.Memory().Read(0, size)
		if !bytes.Equal(a, b) {
			t.Fatalf("%s%v: memories differ", name, args)
		}
	}
	call("grow", 31)
	const size, part = 2 << 20, chunk
	for i := range uint32(size / 4) { // no two words alike
		plain.Memory().WriteUint32Le(i*4, i*2654435761)
		metered.Memory().WriteUint32Le(i*4, i*2654435761)
	}
	for _, n := range []uint64{0, 1, part - 1, part, part + 1, 2 * part, 3*part + 5} {
		for _, d := range []uint64{0, 1, part - 1, part, part + 7} {
			call("copy", d, 3, n)
			call("copy", 3, d, n)
		}
		call("fill", 5, n, n)
		call("fill", size-n, 1, n)
		call("fill", size-n+1, 2, n)
		call("copy", size-n, 0, n)
		call("copy", size-n+1, 0, n)
		call("copy", 0, size-n+1, n)
	}
	call("fill", 1<<32-1, 1, 1<<32-1)
	call("copy", 0, 0, 1<<32-1)
	call("copy", 1<<31, 1<<31, 1<<31)
	call("sum")
}

func TestInfo(t *testing.T) {
	_, info, err := Rewrite(read(t, "guests"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Info{
		Data:         []Data{{16, []byte("hello")}, {65531, []byte("world")}},
		HasStart:     true,
		Globals:      []Global{{0, Reserved + ".global.0", "i64"}, {1, Reserved + ".global.1", "f32"}},
		Unrestorable: []string{"a mutable global of type funcref", "table.set", "table.grow", "table.fill", "table.init", "elem.drop", "data.drop"},
		Functions:    81,
	}
	if !reflect.DeepEqual(info, want) {
		t.Errorf("got  %+v\nwant %+v", info, want)
	}
	_, info, err = Rewrite(wasmOf(
		types(functype(nil)), section(2, vec(imported("env", "f", kindFunc, 0), imported("env", "g", kindGlobal, byte(i32), 1)))), Config{})
	if want := []Import{{"env", "f", "function", "() -> ()"}, {"env", "g", "global", ""}}; err != nil || !reflect.DeepEqual(info.Imports, want) {
		t.Errorf("imports %v, %v", info, err)
	}
}

// TestImage: what was taken out is done once, and all of it; a mutable global can
// be set; nothing is initialised by the engine.
func TestImage(t *testing.T) {
	ctx := context.Background()
	out, info, err := Rewrite(read(t, "guests"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, engine())
	defer func() { _ = r.Close(ctx) }()
	(&host{slice: 1000}).register(t, r)
	mod, err := r.Instantiate(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	memory, _ := mod.Memory().Read(0, 65536)
	if !bytes.Equal(memory, make([]byte, 65536)) || mod.ExportedGlobal("count").Get() != 5 {
		t.Error("a new instance is initialised")
	}
	if err := initialise(ctx, mod, info); err != nil {
		t.Fatal(err)
	}
	if string(memory[16:21]) != "hello" || string(memory[65531:]) != "world" || mod.ExportedGlobal("count").Get() != 5+'h' {
		t.Error("initialisation is not the original's")
	}
	mod.ExportedGlobal(info.Globals[0].Export).(api.MutableGlobal).Set(42)
	if got := mod.ExportedGlobal("count").Get(); got != 42 {
		t.Errorf("count is %d", got)
	}
	if _, err := mod.ExportedFunction("meminit").Call(ctx, 0, 0, 5); err != nil || string(memory[:5]) != "later" {
		t.Error(err, string(memory[:5]))
	}
}

// TestActiveSegmentsAreDropped: after initialisation an active segment has no
// bytes for memory.init, as the specification has it.
func TestActiveSegmentsAreDropped(t *testing.T) {
	for n, want := range []string{"<nil>", "out of bounds memory access"} {
		mod, _ := start(t, wasmOf(
			types(functype(nil)),
			section(3, vec([]byte{0})),
			section(5, vec([]byte{0, 1})),
			section(7, vec(exported("run", kindFunc, 0))),
			section(12, []byte{1}),
			section(10, vec(function(byte(opI32Const), 0, byte(opI32Const), 0, byte(opI32Const), byte(n), 0xfc, 8, 0, 0))),
			section(11, vec([]byte{0, byte(opI32Const), 0, byte(opEnd), 2, 1, 2})),
		), &host{slice: 1000})
		if _, err := mod.ExportedFunction("run").Call(context.Background()); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
