package rewrite

import (
	"context"
	"errors"
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
	given  int64
	yields int
	stack  int64 // the least that was left at a yield
}

func (h *host) yield(_ context.Context, stack []uint64) {
	fuel, left := int64(stack[0]), int64(stack[1])
	h.yields++
	h.stack = min(h.stack, left)
	if left < 0 {
		panic(errStack)
	}
	if h.limit > 0 && h.given-fuel > h.limit {
		panic(errFuel)
	}
	if fuel < 0 {
		h.given += h.slice - fuel // what was overdrawn, and a new slice
	}
	stack[0] = uint64(h.slice)
}

// register makes the host's module in a runtime.
func (h *host) register(t testing.TB, ctx context.Context, r wazero.Runtime) {
	t.Helper()
	_, err := r.NewHostModuleBuilder(Module).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(h.yield), []api.ValueType{api.ValueTypeI64, api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(Yield).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
}
