package results

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound is what Objects.Get returns, or wraps, when nothing has the key.
var ErrNotFound = errors.New("no such object")

// Objects is what an adapter implements: a flat space of immutable blobs under
// keys such as "jobs/2026-11-25T03/<id>.json". Everything above it is Store's.
// runtime/results/storetest proves an implementation.
//
// All methods are safe for concurrent use. Keys are made by Store: slash-separated,
// of letters, digits, '-' and '.', never absolute, never with "..". An object is
// visible as a whole or not at all. When a method returns without an error, what
// it wrote survives the death of this process.
//
// An error is a *question.Error with CodeStoreUnavailable where the adapter can
// say what is wrong and what to do about it; Store turns any other error into
// one. A context's error stays in the chain.
type Objects interface {
	// Put stores data under key; an older object with that key is replaced.
	// data is not kept.
	Put(ctx context.Context, key string, data []byte) error

	// Create stores data under key if nothing has that key: of several racing
	// calls, in any number of processes, exactly one returns true. false: the
	// object that was there stays as it is. data is not kept.
	Create(ctx context.Context, key string, data []byte) (created bool, err error)

	// Get returns the object's first limit bytes, or all of it for limit 0. The
	// caller owns the slice. ErrNotFound when nothing has the key.
	Get(ctx context.Context, key string, limit int) ([]byte, error)

	// Delete removes the objects. One that is not there is no error. A folder in
	// a folder is gone with its last object.
	Delete(ctx context.Context, keys ...string) error

	// List yields the names directly in a folder (which ends in "/") that are
	// above the name `after` ("": all of them): the objects in ascending bytewise
	// order, and the folders, whose names end in "/", in theirs; how the two mix
	// is not said. It yields nothing for a folder that is not there. What comes or
	// goes meanwhile may be listed or not; all else is, once. After an error it
	// ends.
	List(ctx context.Context, folder, after string) iter.Seq2[string, error]

	// Ping tells, cheaply, whether the store would take an object now.
	Ping(ctx context.Context) error

	// Close releases what the adapter holds. No other method is called after it.
	Close() error
}
