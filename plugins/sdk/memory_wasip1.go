package sdk

import "unsafe"

// memory is the linear memory: an address is a pointer.
type memory struct {
	pinned [][]byte // what alloc handed out, kept alive; Go moves no heap object
}

// at returns the n bytes at ptr, or nil where they do not end below 4 GiB.
func (*memory) at(ptr uint32, n uint64) unsafe.Pointer {
	if uint64(ptr)+n > 1<<32 {
		return nil
	}
	return unsafe.Add(unsafe.Pointer(nil), ptr)
}

func (m *memory) alloc(size, align uint32) uint32 {
	b := make([]byte, uint64(size)+uint64(align))
	m.pinned = append(m.pinned, b)
	return (address(unsafe.Pointer(&b[0])) + align - 1) &^ (align - 1)
}

// place returns the address of the n bytes at p.
func (*memory) place(p unsafe.Pointer, _ uint32) uint32 { return address(p) }

// reset takes back what was placed: nothing.
func (*memory) reset() {}

func address(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }
