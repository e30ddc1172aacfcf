package rewrite

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// goGuest builds the Go guest, once.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./testdata/goguest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if said, err := build.CombinedOutput(); err != nil {
		return said, err
	}
	return os.ReadFile(out)
})

var goKernels = []kernelSize{
	{"scan", 25}, {"group", 1000}, {"sort", 1000}, {"format", 500}, {"json", 100}, {"recurse", 21}, {"copy", 20},
}

// goInstance is an initialised instance of the Go guest; h nil: plain.
func goInstance(t testing.TB, h *host, config wazero.RuntimeConfig) (api.Module, *Info) {
	t.Helper()
	ctx := context.Background()
	wasm, err := goGuest()
	if err != nil {
		t.Fatalf("%v: %s", err, wasm)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	t.Cleanup(func() { _ = r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	info := &Info{}
	if h != nil {
		if wasm, info, err = Rewrite(wasm, Config{}); err != nil {
			t.Fatal(err)
		}
		h.register(t, r)
	}
	mod, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	if err := initialise(ctx, mod, info); err != nil {
		t.Fatal(err)
	}
	if _, err := mod.ExportedFunction("_initialize").Call(ctx); err != nil {
		t.Fatal(err)
	}
	return mod, info
}

// TestGoGuest: the same answers rewritten and plain; and from an image of its
// state the guest remembers nothing, answers the same and spends the same.
func TestGoGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	ctx := context.Background()
	plain, _ := goInstance(t, nil, engine())
	h := &host{slice: 100_000}
	mod, info := goInstance(t, h, engine())
	if len(info.Unrestorable) > 0 || len(info.Data) < 100 || len(info.Globals) < 2 {
		t.Fatalf("a Go guest has %d data segments, %d globals, and cannot be restored for %v", len(info.Data), len(info.Globals), info.Unrestorable)
	}
	set(mod, Fuel, 0)
	now, _ := mod.Memory().Read(0, mod.Memory().Size())
	image := bytes.Clone(now)
	globals := map[string]uint64{}
	for _, g := range info.Globals {
		globals[g.Export] = mod.ExportedGlobal(g.Export).Get()
	}
	restore := func() {
		now, _ := mod.Memory().Read(0, mod.Memory().Size())
		clear(now[copy(now, image):])
		for name, v := range globals {
			mod.ExportedGlobal(name).(api.MutableGlobal).Set(v)
		}
		h.given = 0
		set(mod, Fuel, 0)
		set(mod, Stack, DefaultStack)
	}
	for _, k := range goKernels {
		want, err := plain.ExportedFunction(k.name).Call(ctx, k.n)
		if err != nil {
			t.Fatal(err)
		}
		var spent [2]int64
		for i := range spent {
			restore()
			got, err := mod.ExportedFunction(k.name).Call(ctx, k.n)
			if err != nil || got[0] != want[0] {
				t.Errorf("%s: plain %v, rewritten %v, %v", k.name, want, got, err)
			}
			spent[i] = h.spent(mod)
		}
		// Memory is larger the second time, which is all that a guest can see of the
		// first job here: a host takes grown pages away.
		if spent[0] <= 0 || k.name == "recurse" && spent[0] != spent[1] {
			t.Errorf("%s spent %v", k.name, spent)
		}
		restore()
		if out, err := mod.ExportedFunction("remember").Call(ctx); err != nil || out[0] != 1 {
			t.Errorf("after %s: it remembers %v, %v", k.name, out, err)
		}
	}
}
