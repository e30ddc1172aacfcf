package storetest

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// ErrFault is the error of a call that Faults makes fail.
var ErrFault = errors.New("injected fault")

// Faults wraps results.Objects and makes calls fail as a network does: half of the calls
// that fail have taken effect nevertheless.
// Its methods are safe for concurrent use; those of the Objects in it must be.
type Faults struct {
	Objects results.Objects

	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	hook func(op, key string) error
}

var (
	_ results.Objects   = (*Faults)(nil)
	_ results.Exclusive = (*Faults)(nil)
)

// NewFaults wraps o; no call fails yet. The same seed makes the same calls fail, if they
// come in the same order.
func NewFaults(o results.Objects, seed uint64) *Faults {
	return &Faults{Objects: o, rng: rand.New(rand.NewPCG(seed, 0))}
}

// SetRate sets the probability with which calls fail: 0 is none, 1 is all.
func (f *Faults) SetRate(rate float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = rate
}

// SetHook sets a function that is called before each call, with the method's name ("Put",
// "Create", "Get", "Delete", "List", "Now", "Ping") and its key, folder or "". If it
// returns an error, that is the result and the call is not made. It may block; nil
// removes it.
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
func (f *Faults) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		if err := f.call("List", folder, func() error { return nil }); err != nil {
			yield(results.Entry{}, err)
			return
		}
		f.Objects.List(ctx, folder, after)(yield)
	}
}

// Now implements results.Objects.
func (f *Faults) Now(ctx context.Context) (now time.Time, err error) {
	err = f.call("Now", "", func() (err error) {
		now, err = f.Objects.Now(ctx)
		return err
	})
	return now, err
}

// AloneSince implements results.Exclusive with what Objects says, if it does.
func (f *Faults) AloneSince() time.Time { return results.New(f.Objects).AloneSince() }

// Ping implements results.Objects.
func (f *Faults) Ping(ctx context.Context) error {
	return f.call("Ping", "", func() error { return f.Objects.Ping(ctx) })
}

// Close implements results.Objects. It never fails by itself.
func (f *Faults) Close() error { return f.Objects.Close() }
