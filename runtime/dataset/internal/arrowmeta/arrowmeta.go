// Package arrowmeta reads the metadata of Arrow files, which are flatbuffers. Accessors
// panic where a table points outside the file; lengths are checked before they are used.
package arrowmeta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Keys of the schema's metadata in an Arrow file.
const (
	MetaFormat     = "lestats.format"     // of WriteArrow
	MetaDescriptor = "lestats.descriptor" // JSON
	MetaDigest     = "lestats.digest"
	MetaSynthetic  = "lestats.synthetic" // "true" in the Arrow form of an answer, and in files that other tools make from it
)

// An Arrow file ends with the footer's length and the magic.
const (
	Magic   = "ARROW1"
	Trailer = 4 + len(Magic)
)

// Slots of the fields that are used, by table of the Arrow format.
//
//nolint:revive // a table of numbers, one line per table of the format
const (
	FooterSchema, FooterDictionaries, FooterBatches               = 1, 2, 3
	SchemaEndianness, SchemaFields, SchemaMetadata                = 0, 1, 2
	FieldName, FieldTypeKind, FieldType, FieldDict, FieldChildren = 0, 2, 3, 4, 5
	DictEncodingID, DictEncodingIndex                             = 0, 1
	KeyValueKey, KeyValueValue                                    = 0, 1
	IntBits, IntSigned, FloatPrecision                            = 0, 1, 0
	MessageKind, MessageHeader, MessageBodyLength                 = 1, 2, 3
	BatchLength, BatchNodes, BatchBuffers, BatchCompression       = 0, 1, 2, 3
	DictBatchID, DictBatchData, DictBatchDelta                    = 0, 1, 2

	KindInt, KindFloat, KindUTF8         = 2, 3, 5 // of a field
	KindDictionaryBatch, KindRecordBatch = 2, 3    // of a message
	BlockSize, NodeSize, BufferSize      = 24, 16, 16
	DoublePrecision                      = 2
	MaxMetadata                          = 16 << 20 // bytes of a footer or message
	MessagePrefix                        = 8

	SchemaMessage, UnionKind     = 1, 14
	BinaryViewKind, UTF8ViewKind = 23, 24
	UnionTypeIDs                 = 1
	FieldMetadataSlot            = 6
	CustomMetadata               = 4 // of a message and of a footer
	BatchVariadic                = 4
)

// Table is a flatbuffers table.
type Table struct{ flatbuffers.Table }

// Root returns the root table of b.
func Root(b []byte) Table {
	return Table{flatbuffers.Table{Bytes: b, Pos: flatbuffers.GetUOffsetT(b)}}
}

// At returns the position of the field in a slot, or 0 if it is absent.
func (t Table) At(slot int) flatbuffers.UOffsetT {
	o := t.Offset(flatbuffers.VOffsetT(4 + 2*slot))
	if o == 0 {
		return 0
	}
	return t.Pos + flatbuffers.UOffsetT(o)
}

// Child returns the table in a slot.
func (t Table) Child(slot int) (Table, bool) {
	o := t.At(slot)
	if o == 0 {
		return Table{}, false
	}
	return Table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o)}}, true
}

// Text returns the text in a slot; "" if it is absent. The others return 0.
func (t Table) Text(slot int) string {
	return field(t, slot, func(o flatbuffers.UOffsetT) string { return string(t.ByteVector(o)) })
}

// U8 returns a byte.
func (t Table) U8(slot int) byte { return field(t, slot, t.GetByte) }

// I16 returns an int16.
func (t Table) I16(slot int) int16 { return field(t, slot, t.GetInt16) }

// I32 returns an int32.
func (t Table) I32(slot int) int32 { return field(t, slot, t.GetInt32) }

// I64 returns an int64.
func (t Table) I64(slot int) int64 { return field(t, slot, t.GetInt64) }

func field[T any](t Table, slot int, get func(flatbuffers.UOffsetT) T) (v T) {
	if o := t.At(slot); o != 0 {
		v = get(o)
	}
	return v
}

// Structs returns the elements of a vector, each of size bytes.
func (t Table) Structs(slot, size int) [][]byte {
	first, n := t.vector(slot, size)
	out := make([][]byte, n)
	for i := range out {
		out[i] = t.Bytes[first+i*size:][:size]
	}
	return out
}

// Tables returns the elements of a vector of tables.
func (t Table) Tables(slot int) []Table {
	first, n := t.vector(slot, 4)
	out := make([]Table, n)
	for i := range out {
		out[i] = Table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(flatbuffers.UOffsetT(first + 4*i))}}
	}
	return out
}

// vector returns the position of the first of n elements. It panics where they do not fit.
func (t Table) vector(slot, size int) (first, n int) {
	o := t.At(slot)
	if o == 0 {
		return 0, 0
	}
	o += flatbuffers.GetUOffsetT(t.Bytes[o:])
	n = int(flatbuffers.GetUOffsetT(t.Bytes[o:]))
	first = int(o) + 4
	if n > len(t.Bytes[first:])/size {
		panic("a vector is longer than its container")
	}
	return first, n
}

// Buffer returns the buffer of a batch's body that an element of BatchBuffers describes.
func Buffer(element, body []byte) ([]byte, error) {
	offset := int64(binary.LittleEndian.Uint64(element))
	length := int64(binary.LittleEndian.Uint64(element[8:]))
	size := int64(len(body))
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return nil, fmt.Errorf("a buffer of %d bytes at byte %d lies outside the batch, which has %d", length, offset, size)
	}
	return body[offset : offset+length : offset+length], nil
}

// File is an Arrow file.
type File []byte

// Footer returns the footer.
func (f File) Footer() (Table, error) {
	n := len(f)
	if !IsArrow(f) {
		return Table{}, errors.New("it does not start like an Arrow file")
	}
	if n < len(Magic)+2+Trailer || string(f[n-len(Magic):]) != Magic {
		return Table{}, errors.New("it does not end like an Arrow file; is it truncated?")
	}
	end := n - Trailer
	size := int64(binary.LittleEndian.Uint32(f[end:]))
	if size < 8 || size > MaxMetadata || size > int64(end) {
		return Table{}, fmt.Errorf("its footer claims an impossible length of %d bytes", size)
	}
	return Root(f[end-int(size) : end]), nil
}

// IsArrow reports whether b begins as an Arrow file does.
func IsArrow(b []byte) bool { return bytes.HasPrefix(b, []byte(Magic)) }

// Message returns the header and body of the message that a block of the footer points to.
func (f File) Message(block []byte, kind byte) (header Table, body []byte, err error) {
	offset := int64(binary.LittleEndian.Uint64(block))
	meta := int64(int32(binary.LittleEndian.Uint32(block[8:])))
	length := int64(binary.LittleEndian.Uint64(block[16:]))
	size := int64(len(f))
	if offset < 0 || offset > size || meta < MessagePrefix+8 || meta > MaxMetadata || length < 0 || meta > size-offset || length > size-offset-meta {
		return Table{}, nil, fmt.Errorf("a block of %d and %d bytes at byte %d lies outside the file, which has %d", meta, length, offset, size)
	}
	head := f[offset : offset+meta]
	m := Root(head[MessagePrefix:])
	header, ok := m.Child(MessageHeader)
	if got := m.U8(MessageKind); got != kind || !ok || m.I64(MessageBodyLength) != length {
		return Table{}, nil, fmt.Errorf("the message at byte %d does not match the footer (kind %d, not %d, or another length)", offset, got, kind)
	}
	return header, f[offset+meta : offset+meta+length], nil
}
