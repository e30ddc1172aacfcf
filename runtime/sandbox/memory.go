package sandbox

import "github.com/tetratelabs/wazero/experimental"

// wasmPage is the unit in which WebAssembly memory grows, in bytes.
const wasmPage = 65536

// linearMemory is the memory of one instance. It refuses to grow above its
// limit and remembers that it did, which tells a plugin that ran out of memory
// from one that trapped for a reason of its own. One goroutine at a time uses it.
type linearMemory struct {
	limit   uint64 // bytes; never lowered
	start   uint64 // bytes to begin with, where the module's minimum is less
	refused bool   // growth was refused for the limit

	buf []byte
	// space is where buf lies and grows, mapped; nil: buf is a slice of Go's.
	space []byte
	top   uint64 // bytes of space that may have been written to
	above uint64 // bytes of its own beyond the image, as of the last reset
	// keep makes Reallocate hand out buf whatever size it is asked for: that is how
	// a memory becomes smaller.
	keep bool
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// Allocate is the experimental.MemoryAllocator of this one memory.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory at its new size, with its content; nil where
// that is above the limit.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if m.keep {
		return m.buf
	}
	size = max(size, m.start)
	m.start = 0
	switch {
	case size > m.limit:
		m.refused = true
		return nil
	case m.space != nil:
		if size > uint64(len(m.space)) {
			m.refused = true
			return nil
		}
		m.buf, m.top = m.space[:size:size], max(m.top, size)
		return m.buf
	case size > uint64(cap(m.buf)):
		// Doubling keeps a guest that grows page by page from copying without end.
		grown := make([]byte, size, min(max(size, 2*uint64(cap(m.buf))), m.limit))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size] // what lies beyond is zero
	return m.buf
}

// Free does nothing: wazero calls it while a call may still be running (see
// RATIONALE, "Why does Free free nothing?"). The memory's owner releases it.
func (m *linearMemory) Free() {}

// release gives the memory's space back. No call may be running, and none come.
func (m *linearMemory) release() {
	release(m.space)
	m.space, m.buf = nil, nil
}
