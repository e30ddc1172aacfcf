package storetest

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// ErrFault is what a call fails with that Faults lets fail.
var ErrFault = errors.New("a fault that the test asked for")

// Faults is results.Objects that fail as a network does, for tests of what stands
// on a store: a call that fails has, half of the time, taken effect all the same.
// Its methods are safe for concurrent use; those of the Objects in it must be.
type Faults struct {
	Objects results.Objects

	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	hook func(op, key string) error
}

var _ results.Objects = (*Faults)(nil)

// NewFaults returns o, not failing yet. The same seed fails the same calls, as
// far as they come in the same order.
func NewFaults(o results.Objects, seed uint64) *Faults {
	return &Faults{Objects: o, rng: rand.New(rand.NewPCG(seed, 0))}
}

// SetRate lets calls fail with this probability: 0 none, 1 all.
func (f *Faults) SetRate(rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = rate
}

// SetHook has hook called before each call, with the method's name ("Put",
// "Create", "Get", "Delete", "List", "Ping") and its key, folder or "". An error
// is returned in place of the call. The hook may block; nil removes it.
func (f *Faults) SetHook(hook func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// call runs do, or fails before or after it.
func (f *Faults) call(op, key string, do func() error) error {
	f.mu.Lock()
	hook := f.hook
	fails, before := f.rng.Float64() < f.rate, f.rng.Uint64()&1 == 0
	f.mu.Unlock()
	if hook != nil {
		if err := hook(op, key); err != nil {
			return err
		}
	}
	if fails && before {
		return ErrFault
	}
	if err := do(); err != nil || !fails {
		return err
	}
	return ErrFault
}

// Put implements results.Objects.
func (f *Faults) Put(ctx context.Context, key string, data []byte) error {
	return f.call("Put", key, func() error { return f.Objects.Put(ctx, key, data) })
}

// Create implements results.Objects.
func (f *Faults) Create(ctx context.Context, key string, data []byte) (created bool, err error) {
	err = f.call("Create", key, func() (err error) {
		created, err = f.Objects.Create(ctx, key, data)
		return err
	})
	return created && err == nil, err
}

// Get implements results.Objects.
func (f *Faults) Get(ctx context.Context, key string, limit int) (data []byte, err error) {
	err = f.call("Get", key, func() (err error) {
		data, err = f.Objects.Get(ctx, key, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Delete implements results.Objects.
func (f *Faults) Delete(ctx context.Context, keys ...string) error {
	key := ""
	if len(keys) > 0 {
		key = keys[0]
	}
	return f.call("Delete", key, func() error { return f.Objects.Delete(ctx, keys...) })
}

// List implements results.Objects. It fails at its beginning or not at all.
func (f *Faults) List(ctx context.Context, folder, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := f.call("List", folder, func() error { return nil }); err != nil {
			yield("", err)
			return
		}
		f.Objects.List(ctx, folder, after)(yield)
	}
}

// Ping implements results.Objects.
func (f *Faults) Ping(ctx context.Context) error {
	return f.call("Ping", "", func() error { return f.Objects.Ping(ctx) })
}

// Close implements results.Objects. It never fails by itself.
func (f *Faults) Close() error { return f.Objects.Close() }
