package storetest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Memory is results.Objects in memory, for tests. The zero value is empty and ready to
// use. It passes Run.
type Memory struct {
	Clock func() time.Time // of the store; nil is time.Now. Set it before the first call
	Alone time.Time        // what AloneSince returns

	mu      sync.Mutex
	objects map[string]object
}

// object is what is stored; written once.
type object struct {
	data     []byte
	modified time.Time
}

var (
	_ results.Objects   = (*Memory)(nil)
	_ results.Exclusive = (*Memory)(nil)
)

// Put implements results.Objects.
func (m *Memory) Put(ctx context.Context, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(key, data)
	return nil
}

// Create implements results.Objects.
func (m *Memory) Create(ctx context.Context, key string, data []byte) (created bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.objects[key]; there {
		return false, nil
	}
	m.set(key, data)
	return true, nil
}

func (m *Memory) set(key string, data []byte) {
	if m.objects == nil {
		m.objects = map[string]object{}
	}
	m.objects[key] = object{slices.Clone(data), m.now()}
}

// Get implements results.Objects.
func (m *Memory) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, there := m.objects[key]
	if !there {
		return nil, results.ErrNotFound
	}
	data := stored.data
	if limit > 0 && limit < len(data) {
		data = data[:limit]
	}
	return slices.Clone(data), nil
}

// Delete implements results.Objects.
func (m *Memory) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.objects, key)
	}
	return nil
}

// List implements results.Objects.
func (m *Memory) List(ctx context.Context, folder, after string) iter.Seq2[results.Entry, error] {
	return func(yield func(results.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(results.Entry{}, err)
			return
		}
		entries := map[string]results.Entry{}
		m.mu.Lock()
		for key, stored := range m.objects {
			name, ok := strings.CutPrefix(key, folder)
			if !ok {
				continue
			}
			entry := results.Entry{Name: name, Modified: stored.modified, Size: int64(len(stored.data))}
			if i := strings.IndexByte(name, '/'); i >= 0 {
				entry = results.Entry{Name: name[:i+1]}
			}
			if entry.Name > after {
				entries[entry.Name] = entry
			}
		}
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if !yield(entries[name], nil) {
				return
			}
		}
	}
}

// Now implements results.Objects.
func (m *Memory) Now(ctx context.Context) (time.Time, error) { return m.now(), ctx.Err() }

func (m *Memory) now() time.Time {
	if m.Clock != nil {
		return m.Clock()
	}
	return time.Now()
}

// AloneSince implements results.Exclusive.
func (m *Memory) AloneSince() time.Time { return m.Alone }

// Ping implements results.Objects.
func (m *Memory) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements results.Objects. The objects stay, so that a test can open another
// store over them, as a new process would.
func (m *Memory) Close() error { return nil }
