package sandbox

import "github.com/tetratelabs/wazero/experimental"

// wasmPage is the unit in which WebAssembly memory grows, in bytes.
const wasmPage = 65536

// linearMemory is the memory of one instance. It refuses to grow above its limit and
// records that it did, which distinguishes a plugin that ran out of memory from one that
// trapped for another reason. One goroutine at a time uses it.
type linearMemory struct {
	limit   uint64 // bytes; never lowered
	start   uint64 // initial size in bytes, if above the module's minimum
	refused bool   // growth above the limit was refused

	buf []byte
	// space is the mapping in which buf lies and grows; nil: buf is on Go's heap.
	space []byte
	top   uint64 // bytes of space that may have been written to
	above uint64 // private bytes beyond the image, as of the last reset
	// keep makes Reallocate return buf whatever size is asked for, which is how a
	// memory is made to shrink.
	keep bool
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// Allocate is the experimental.MemoryAllocator of this one memory.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory at its new size, with its content, or nil if that is
// above the limit.
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
		// Doubling keeps the cost of growing page by page linear.
		grown := make([]byte, size, min(max(size, 2*uint64(cap(m.buf))), m.limit))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size] // the bytes beyond are zero
	return m.buf
}

// Free does nothing, because wazero may call it while a call is still running (see
// RATIONALE.md, "Why does Free free nothing?"). The memory's owner releases it.
func (m *linearMemory) Free() {}

// release unmaps the memory. No call may be running, or follow.
func (m *linearMemory) release() {
	release(m.space)
	m.space, m.buf = nil, nil
}
