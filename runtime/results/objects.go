package results

import (
	"context"
	"errors"
	"iter"
	"time"
)

// ErrNotFound is the error of Objects.Get, possibly wrapped, for a missing object.
var ErrNotFound = errors.New("no such object")

// ErrNotObject is the error of Objects.Get, possibly wrapped, for a key under which
// there is something else than an object: a folder, a pipe.
var ErrNotObject = errors.New("not an object")

// Exclusive is an optional ability of Objects: they know whether others use them.
type Exclusive interface {
	// AloneSince is Store.AloneSince.
	AloneSince() time.Time
}

// Entry is an object, or a folder, in a folder.
type Entry struct {
	Name     string    // below the folder; that of a folder ends in "/"
	Modified time.Time // when the object was last written, by the store's clock; zero for a folder
	Size     int64     // bytes; 0 for a folder
	ETag     string    // changes with the content; "" for a folder, and in stores that have none
}

// Folder reports whether the entry is a folder.
func (e Entry) Folder() bool { return e.Name[len(e.Name)-1] == '/' }

// Objects is what an adapter implements: a flat key space of blobs, with keys such as
// "jobs/2026-11-25T03/<id>.json". Store does everything else. The conformance suite in
// runtime/results/storetest tests an implementation.
//
// All methods are safe for concurrent use. Keys are made by Store: slash-separated,
// of letters, digits, '-' and '.', never absolute, never with "..". An object is
// visible as a whole or not at all. When a method returns without an error, what
// it wrote survives the death of this process.
//
// An error is a *question.Error with CodeStoreUnavailable where the adapter knows what
// is wrong and what to do about it; Store wraps any other error in one. A context's
// error stays in the chain.
type Objects interface {
	// Put stores data under key; an older object with that key is replaced.
	// data is not kept.
	Put(ctx context.Context, key string, data []byte) error

	// Create stores data under key if there is no object with that key. Of several
	// racing calls, in any number of processes, exactly one returns true; the others
	// leave the object as it is. data is not kept.
	Create(ctx context.Context, key string, data []byte) (created bool, err error)

	// Get returns the object's first limit bytes, or all of it for limit 0. The
	// caller owns the slice. ErrNotFound when there is no such object, ErrNotObject when the
	// key names something else.
	Get(ctx context.Context, key string, limit int) ([]byte, error)

	// Delete removes objects. A missing one is not an error. A subfolder disappears
	// with its last object.
	Delete(ctx context.Context, keys ...string) error

	// List yields the entries directly in a folder (which ends in "/") whose names are
	// above `after` ("": all of them): the objects in ascending bytewise order of their
	// names, and the folders in theirs; how the two mix is not specified. It yields
	// nothing for a missing folder. An entry that comes or goes meanwhile may be listed
	// or not; every other entry is listed once. After an error it ends.
	List(ctx context.Context, folder, after string) iter.Seq2[Entry, error]
	// Now returns the time by the clock that Entry.Modified is read from. It may lag by
	// a second, and is never ahead of that clock.
	Now(ctx context.Context) (time.Time, error)
	// Ping checks cheaply whether the store can take an object now.
	Ping(ctx context.Context) error

	// Close releases what the adapter holds. No other method is called after it.
	Close() error
}
