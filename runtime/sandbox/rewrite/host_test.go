package rewrite

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// What the host's yield stops a guest with.
var (
	errFuel  = errors.New("out of fuel")
	errStack = errors.New("out of stack")
)

// host is the other side of a rewritten module: it hands out slices of fuel.
type host struct {
	slice  int64 // units
	limit  int64 // units in all; 0: no end
	given  int64 // units, all slices together and what was overdrawn
	yields int
	trace  func(fuel int64, site int32) // called with what was spent so far; nil: no traces
}

func (h *host) yield(ctx context.Context, stack []uint64) {
	fuel, left := int64(stack[0]), int64(stack[1])
	h.yields++
	switch {
	case ctx.Err() != nil:
		panic(ctx.Err())
	case left < 0:
		panic(errStack)
	case h.limit > 0 && h.given-fuel > h.limit:
		panic(errFuel)
	}
	h.given += h.slice - fuel
	stack[0] = uint64(h.slice)
}

// spent is what an instance has spent; it is the host's only one.
func (h *host) spent(mod api.Module) int64 {
	return h.given - int64(mod.ExportedGlobal(Fuel).Get())
}

// register makes the host's module in a runtime.
func (h *host) register(t testing.TB, r wazero.Runtime) {
	t.Helper()
	b := r.NewHostModuleBuilder(Module).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(h.yield), []api.ValueType{api.ValueTypeI64, api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(Yield)
	if h.trace != nil {
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, mod api.Module, stack []uint64) {
			h.trace(h.spent(mod), int32(stack[0]))
		}), []api.ValueType{api.ValueTypeI32}, nil).Export(Trace)
	}
	if _, err := b.Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// read reads a module from testdata.
func read(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// start instantiates a rewritten module in a runtime of its own. With a nil host
// it stays unmetered.
func start(t testing.TB, wasm []byte, h *host) (api.Module, *Info) {
	t.Helper()
	out, info, err := Rewrite(wasm, Config{Unmetered: h == nil, Trace: h != nil && h.trace != nil})
	if err != nil {
		t.Fatal(err)
	}
	return instantiate(t, out, info, h), info
}

// instantiate does so with a module that is rewritten already.
func instantiate(t testing.TB, wasm []byte, info *Info, h *host) api.Module {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, engine())
	t.Cleanup(func() { _ = r.Close(ctx) })
	if h != nil {
		h.register(t, r)
	}
	mod, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	if err := initialise(ctx, mod, info); err != nil {
		t.Fatal(err)
	}
	return mod
}
