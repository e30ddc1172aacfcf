package storetest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// Memory is results.Objects in memory, for tests of what stands on a store. The
// zero value is empty and ready. It passes Run.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte
}

var _ results.Objects = (*Memory)(nil)

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
		m.objects = map[string][]byte{}
	}
	m.objects[key] = slices.Clone(data)
}

// Get implements results.Objects.
func (m *Memory) Get(ctx context.Context, key string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, there := m.objects[key]
	if !there {
		return nil, results.ErrNotFound
	}
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
func (m *Memory) List(ctx context.Context, folder, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		names := map[string]bool{}
		m.mu.Lock()
		for key := range m.objects {
			name, ok := strings.CutPrefix(key, folder)
			if !ok {
				continue
			}
			if i := strings.IndexByte(name, '/'); i >= 0 {
				name = name[:i+1]
			}
			if name > after {
				names[name] = true
			}
		}
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// Ping implements results.Objects.
func (m *Memory) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements results.Objects. What was stored stays, so that a test can
// open another store over it, as a new process would.
func (m *Memory) Close() error { return nil }
