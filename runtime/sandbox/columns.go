package sandbox

import (
	"sync"
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// segment is one column of the dataset as guests see it: its buffers, each aligned to
// abi.BufferAlign, padded to whole pages. It contains no addresses, so the same bytes
// serve every instance, whatever the address of its block.
type segment struct {
	size   uint64
	bytes  []byte // nil: the bytes are in file
	file   *file
	dict   []string   // the column's dictionary; read-only
	column abi.Column // Data, Validity, DictOffsets and DictBytes are offsets into bytes
}

// segments holds one segment for each column that any plugin needs.
type segments struct {
	dataset Dataset
	mapped  bool // segments are kept in files

	mu    sync.Mutex
	built map[string]*segment // by the column's name in the dataset
}

// get returns the segment of c, a column of the dataset.
func (s *segments) get(c *question.Column) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg, ok := s.built[c.Name]; ok {
		return seg, nil
	}
	if s.built == nil {
		s.built = map[string]*segment{}
	}
	seg, buffers := newSegment(c, c.Name == s.dataset.SortedBy())
	if s.mapped {
		var err error
		if seg.file, err = newFile("column", seg.size, span{}, buffers...); err != nil {
			return nil, err
		}
	} else {
		seg.bytes = make([]byte, seg.size)
		for _, b := range buffers {
			copy(seg.bytes[b.at:], b.bytes)
		}
	}
	s.built[c.Name] = seg
	return seg, nil
}

// close closes the segments' files; existing mappings stay valid.
func (s *segments) close() {
	for _, seg := range s.built {
		if seg.file != nil {
			seg.file.close()
		}
	}
}

// put maps or copies the segment to a part of a memory, which has the same length.
func (s *segment) put(memory []byte) error {
	if s.file != nil {
		return s.file.mapPrivate(memory)
	}
	copy(memory, s.bytes)
	return nil
}

// newSegment returns a segment without its bytes, and its buffers. They alias c.
func newSegment(c *question.Column, sorted bool) (*segment, []buffer) {
	n := c.Len()
	seg := &segment{dict: c.Dict, column: abi.Column{Type: abiType(c.Type)}}
	if sorted {
		seg.column.Flags |= abi.FlagSortedRows
	}
	var buffers []buffer
	add := func(b []byte) (offset, length uint32) {
		at := (seg.size + abi.BufferAlign - 1) &^ (abi.BufferAlign - 1)
		buffers = append(buffers, buffer{at, b})
		seg.size = at + uint64(len(b))
		return uint32(at), uint32(len(b))
	}
	switch c.Type {
	case question.Number:
		seg.column.Data, seg.column.DataLen = add(bytesOf(c.Numbers))
	case question.Integer:
		seg.column.Data, seg.column.DataLen = add(bytesOf(c.Integers))
	default:
		seg.column.Data, seg.column.DataLen = add(bytesOf(c.Codes))
	}
	if c.Valid != nil {
		seg.column.Validity, seg.column.ValidityLen = add(c.Valid[:(n+7)/8])
		seg.column.NullCount = uint32(n - c.Valid.Count(n))
	}
	if c.Type == question.String {
		offsets, text := make([]uint32, 1, len(c.Dict)+1), []byte(nil)
		for _, entry := range c.Dict {
			text = append(text, entry...)
			offsets = append(offsets, uint32(len(text)))
		}
		seg.column.Flags |= abi.FlagSortedDict
		seg.column.DictCount = uint32(len(c.Dict))
		seg.column.DictOffsets, _ = add(bytesOf(offsets))
		seg.column.DictBytes, seg.column.DictBytesLen = add(text)
	}
	// Whole pages, at least one, so that no two columns share an address.
	seg.size = max(1, (seg.size+abi.ColumnAlign-1)/abi.ColumnAlign) * abi.ColumnAlign
	return seg, buffers
}

// buffer is bytes at an offset of a file or a segment.
type buffer struct {
	at    uint64
	bytes []byte
}

// bytesOf returns the memory of s, which is little-endian wherever wazero compiles.
func bytesOf[T float64 | int64 | int32 | uint32](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(len(s))*unsafe.Sizeof(zero))
}

func abiType(t question.Type) abi.Type {
	switch t {
	case question.Number:
		return abi.TypeFloat64
	case question.Integer:
		return abi.TypeInt64
	default:
		return abi.TypeString
	}
}

// block is the columns that one plugin needs, one after another.
type block struct {
	parts []blockPart
	size  uint64 // bytes: a multiple of abi.ColumnAlign
}

type blockPart struct {
	name, unit string
	offset     uint32
	segment    *segment
}

func (b *block) add(name, unit string, seg *segment) {
	b.parts = append(b.parts, blockPart{name, unit, uint32(b.size), seg})
	b.size += seg.size
}

// directory returns the bytes of an abi.Directory for address at and a block at
// address base.
func (b *block) directory(at, base uint32, rows int, digest string) []byte {
	texts := at + abi.DirectorySize + uint32(len(b.parts))*abi.ColumnSize
	var text []byte
	put := func(s string) (uint32, uint32) {
		if s == "" {
			return 0, 0
		}
		p := texts + uint32(len(text))
		text = append(text, s...)
		return p, uint32(len(s))
	}
	d := abi.Directory{
		Size: abi.DirectorySize, Version: abi.Version, Rows: uint32(rows),
		ColumnCount: uint32(len(b.parts)), ColumnSize: abi.ColumnSize, Columns: at + abi.DirectorySize,
	}
	d.Digest, d.DigestLen = put(digest)
	out := abi.Append(make([]byte, 0, b.directorySize(digest)), d)
	for _, part := range b.parts {
		c, from := part.segment.column, base+part.offset
		c.Name, c.NameLen = put(part.name)
		c.Unit, c.UnitLen = put(part.unit)
		c.Data += from
		if c.ValidityLen > 0 {
			c.Validity += from
		}
		if c.Type == abi.TypeString {
			c.DictOffsets += from
			c.DictBytes += from
		}
		out = abi.Append(out, c)
	}
	return append(out, text...)
}

// directorySize is the number of bytes that directory returns.
func (b *block) directorySize(digest string) uint32 {
	n := abi.DirectorySize + len(b.parts)*abi.ColumnSize + len(digest)
	for _, part := range b.parts {
		n += len(part.name) + len(part.unit)
	}
	return uint32(n)
}
