//go:build !wasip1

package sdk

import "unsafe"

// memory is a block of bytes that stands for a linear memory: an address is an
// offset into it. Where a plugin in wasm hands out the address of what it has,
// here that is copied into the block, so that nothing but addresses crosses over.
type memory struct {
	block []byte
	used  uint32 // up to here by alloc
	free  uint32 // from here on by place
}

// at returns the n bytes at ptr, or nil where they do not lie in the block.
func (m *memory) at(ptr uint32, n uint64) unsafe.Pointer {
	if n > uint64(len(m.block)) || uint64(ptr) > uint64(len(m.block))-n {
		return nil
	}
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(m.block)), ptr)
}

func (m *memory) alloc(size, align uint32) uint32 {
	start := (uint64(m.used) + uint64(align) - 1) &^ (uint64(align) - 1)
	if start+uint64(size) > uint64(m.free) {
		return 0
	}
	m.used = uint32(start + uint64(size))
	return uint32(start)
}

// place copies the n bytes at p into the block and returns their address.
func (m *memory) place(p unsafe.Pointer, n uint32) uint32 {
	if n > m.free-m.used || (m.free-n)&^7 < m.used {
		panic("the memory is full")
	}
	m.free = (m.free - n) &^ 7
	copy(m.block[m.free:], unsafe.Slice((*byte)(p), n))
	return m.free
}

// reset takes back what was placed.
func (m *memory) reset() { m.free = uint32(len(m.block)) &^ 7 }
