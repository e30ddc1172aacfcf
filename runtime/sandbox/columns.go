package sandbox

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// segment is one column of the dataset as guests see it: its buffers, each at a
// multiple of abi.BufferAlign, in whole pages. It holds no address, so the same
// bytes serve every instance, wherever its block lies.
type segment struct {
	size   uint64
	bytes  []byte // nil: they are in file
	file   *file
	dict   []string   // the column's dictionary: not to be written to
	column abi.Column // Data, Validity, DictOffsets and DictBytes are offsets into bytes
}

// segments holds each column that some plugin needs, once.
type segments struct {
	dataset Dataset
	mapped  bool // into files

	mu    sync.Mutex
	built map[string]*segment // by the dataset's name of the column
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
	seg := newSegment(c, c.Name == s.dataset.SortedBy())
	if s.mapped {
		var err error
		if seg.file, err = newFile("column", seg.size, seg.bytes, span{}); err != nil {
			return nil, err
		}
		seg.bytes = nil
	}
	s.built[c.Name] = seg
	return seg, nil
}

// close closes the segments' files; what is mapped stays.
func (s *segments) close() {
	for _, seg := range s.built {
		if seg.file != nil {
			seg.file.close()
		}
	}
}

// put lays the segment over a part of a memory that is as long as it.
func (s *segment) put(memory []byte) error {
	if s.file != nil {
		return s.file.mapPrivate(memory)
	}
	copy(memory, s.bytes)
	return nil
}

func newSegment(c *question.Column, sorted bool) *segment {
	n := c.Len()
	seg := &segment{dict: c.Dict, column: abi.Column{Type: abiType(c.Type)}}
	if sorted {
		seg.column.Flags |= abi.FlagSortedRows
	}
	seg.column.Data, seg.column.DataLen = seg.buffer(func(b []byte) []byte {
		switch c.Type {
		case question.Number:
			for _, v := range c.Numbers {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		case question.Integer:
			for _, v := range c.Integers {
				b = binary.LittleEndian.AppendUint64(b, uint64(v))
			}
		default:
			for _, v := range c.Codes {
				b = binary.LittleEndian.AppendUint32(b, uint32(v))
			}
		}
		return b
	})
	if c.Valid != nil {
		seg.column.Validity, seg.column.ValidityLen = seg.buffer(func(b []byte) []byte {
			return append(b, c.Valid[:(n+7)/8]...)
		})
		seg.column.NullCount = uint32(n - present(c.Valid, n))
	}
	if c.Type == question.String {
		seg.column.Flags |= abi.FlagSortedDict
		seg.column.DictCount = uint32(len(c.Dict))
		seg.column.DictOffsets, _ = seg.buffer(func(b []byte) []byte {
			at := uint32(0)
			b = binary.LittleEndian.AppendUint32(b, at)
			for _, text := range c.Dict {
				at += uint32(len(text))
				b = binary.LittleEndian.AppendUint32(b, at)
			}
			return b
		})
		seg.column.DictBytes, seg.column.DictBytesLen = seg.buffer(func(b []byte) []byte {
			for _, text := range c.Dict {
				b = append(b, text...)
			}
			return b
		})
	}
	// Whole pages, at least one: no two columns share an address.
	pages := max(1, (len(seg.bytes)+abi.ColumnAlign-1)/abi.ColumnAlign)
	whole := make([]byte, pages*abi.ColumnAlign)
	copy(whole, seg.bytes)
	seg.bytes, seg.size = whole, uint64(len(whole))
	return seg
}

// buffer appends a buffer at the next aligned offset, and returns that and the
// buffer's length.
func (s *segment) buffer(fill func([]byte) []byte) (offset, length uint32) {
	for len(s.bytes)%abi.BufferAlign != 0 {
		s.bytes = append(s.bytes, 0)
	}
	at := len(s.bytes)
	s.bytes = fill(s.bytes)
	return uint32(at), uint32(len(s.bytes) - at)
}

// present counts the rows below n that are present.
func present(b question.Bitmap, n int) int {
	count := 0
	for _, v := range b[:n/8] {
		count += bits.OnesCount8(v)
	}
	if n%8 != 0 {
		count += bits.OnesCount8(b[n/8] & (1<<(n%8) - 1))
	}
	return count
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

// block is the columns that one plugin needs, one behind the other.
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

// directory returns the bytes of an abi.Directory that will lie at address at,
// for a block that lies at base.
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

// directorySize is the length of what directory returns.
func (b *block) directorySize(digest string) uint32 {
	n := abi.DirectorySize + len(b.parts)*abi.ColumnSize + len(digest)
	for _, part := range b.parts {
		n += len(part.name) + len(part.unit)
	}
	return uint32(n)
}
