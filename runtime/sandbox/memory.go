package sandbox

import "github.com/tetratelabs/wazero/experimental"

// wasmPage is the unit in which WebAssembly memory grows, in bytes.
const wasmPage = 65536

// linearMemory is the memory of one instance. It refuses to grow above its
// limit and remembers that it did, which tells a plugin that ran out of memory
// from one that trapped for a reason of its own. One goroutine at a time uses it.
type linearMemory struct {
	limit   uint64 // bytes; never lowered
	start   uint64 // bytes to reserve at once; a hint
	refused bool   // growth was refused for the limit

	buf []byte
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// Allocate is the experimental.MemoryAllocator of this one memory.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate returns the memory at its new size, with its content; nil where
// that is above the limit.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if size > uint64(cap(m.buf)) {
		// Doubling keeps a guest that grows page by page from copying without end.
		grown := make([]byte, size, min(max(size, 2*uint64(cap(m.buf)), m.start), m.limit))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size] // what lies beyond was never written to
	return m.buf
}

// Free does nothing: wazero calls it while a call may still be running (see
// RATIONALE, "Why does Free free nothing?"). The collector takes the memory.
func (m *linearMemory) Free() {}
