package wire

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Observer counts what the rooms of a process do. It is safe for concurrent use.
type Observer interface {
	httpapi.Observer
	jobs.Observer
	catalog.Observer

	// Stored is called for each request to the store: put, create, get, delete, list, now,
	// ping or share, and ok, missing, cancelled or error.
	Stored(operation, result string, took time.Duration)
	// Queued is called for each request to the queue: send, receive, delete or visibility,
	// and ok, cancelled or error.
	Queued(operation, result string)
}

// resultOf says how a request to the store or the queue ended. What its caller gave up is
// not an error of theirs.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, results.ErrNotFound):
		return "missing"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	default:
		return "error"
	}
}

// observedObjects tells an Observer of each request to the objects of a store.
type observedObjects struct {
	results.Objects

	observer Observer
}

// observeObjects returns objects that tell an Observer of each request. What they can do
// beyond results.Objects they still can.
func observeObjects(o results.Objects, observer Observer) results.Objects {
	if sharer, ok := o.(results.Sharer); ok {
		return &struct {
			observedObjects
			observedSharer
		}{observedObjects{o, observer}, observedSharer{sharer, observer}}
	}
	return &observedObjects{o, observer}
}

func (o *observedObjects) done(operation string, begin time.Time, err error) {
	o.observer.Stored(operation, resultOf(err), time.Since(begin))
}

// Put implements results.Objects.
func (o *observedObjects) Put(ctx context.Context, key string, data []byte) error {
	begin := time.Now()
	err := o.Objects.Put(ctx, key, data)
	o.done("put", begin, err)
	return err
}

// Create implements results.Objects.
func (o *observedObjects) Create(ctx context.Context, key string, data []byte) (created bool, err error) {
	begin := time.Now()
	created, err = o.Objects.Create(ctx, key, data)
	o.done("create", begin, err)
	return created, err
}

// Get implements results.Objects.
func (o *observedObjects) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	begin := time.Now()
	data, err := o.Objects.Get(ctx, key, limit)
	o.done("get", begin, err)
	return data, err
}

// Delete implements results.Objects.
func (o *observedObjects) Delete(ctx context.Context, keys ...string) error {
	begin := time.Now()
	err := o.Objects.Delete(ctx, keys...)
	o.done("delete", begin, err)
	return err
}

// List implements results.Objects. The time that the caller spends on the entries is not
// counted.
func (o *observedObjects) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		var failed error
		var theirs time.Duration
		begin := time.Now()
		for entry, err := range o.Objects.List(ctx, folder, after) {
			failed = err
			given := time.Now()
			more := yield(entry, err)
			theirs += time.Since(given)
			if !more {
				break
			}
		}
		o.done("list", begin.Add(theirs), failed)
	}
}

// Now implements results.Objects.
func (o *observedObjects) Now(ctx context.Context) (time.Time, error) {
	begin := time.Now()
	now, err := o.Objects.Now(ctx)
	o.done("now", begin, err)
	return now, err
}

// Ping implements results.Objects.
func (o *observedObjects) Ping(ctx context.Context) error {
	begin := time.Now()
	err := o.Objects.Ping(ctx)
	o.done("ping", begin, err)
	return err
}

// AloneSince implements results.Exclusive with what the objects say, if they do.
func (o *observedObjects) AloneSince() time.Time {
	if e, ok := o.Objects.(results.Exclusive); ok {
		return e.AloneSince()
	}
	return time.Time{}
}

// observedSharer is the part of observed objects that not all have.
type observedSharer struct {
	sharer   results.Sharer
	observer Observer
}

// Share implements results.Sharer.
func (o observedSharer) Share(ctx context.Context, key string, data []byte, contentType, disposition string, valid time.Duration) (string, error) {
	begin := time.Now()
	address, err := o.sharer.Share(ctx, key, data, contentType, disposition, valid)
	o.observer.Stored("share", resultOf(err), time.Since(begin))
	return address, err
}

// observedQueue tells an Observer of each request to a queue.
type observedQueue struct {
	jobs.Queue

	observer Observer
}

// Send implements jobs.Queue.
func (q observedQueue) Send(ctx context.Context, id string) error {
	err := q.Queue.Send(ctx, id)
	q.observer.Queued("send", resultOf(err))
	return err
}

// Receive implements jobs.Queue.
func (q observedQueue) Receive(ctx context.Context, limit int) ([]question.Message, error) {
	messages, err := q.Queue.Receive(ctx, limit)
	q.observer.Queued("receive", resultOf(err))
	return messages, err
}

// Delete implements jobs.Queue.
func (q observedQueue) Delete(ctx context.Context, m question.Message) error {
	err := q.Queue.Delete(ctx, m)
	q.observer.Queued("delete", resultOf(err))
	return err
}

// ChangeVisibility implements jobs.Queue.
func (q observedQueue) ChangeVisibility(ctx context.Context, m question.Message, d time.Duration) error {
	err := q.Queue.ChangeVisibility(ctx, m, d)
	q.observer.Queued("visibility", resultOf(err))
	return err
}
