package tabular

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// physical is a value as Parquet stores it: an integer, a boolean or the bits of a float;
// or bytes, which are never modified.
type physical struct {
	bits  int64
	bytes []byte
}

// decoder decodes the values of a page one by one. Whatever lengths a page claims, its
// memory is bounded by a multiple of the page's bytes and of the values requested.
type decoder interface {
	next() (physical, error)
	// rest returns the bytes after the values that were decoded.
	rest() []byte
}

var errPageTruncated = errors.New("it is damaged: a page ends before its last value")

// layout is how the values of a column are stored.
type layout struct {
	kind  format.Type
	width int // bytes of a value; 0 if each value is prefixed by its length
}

func layoutOf(kind format.Type, length int32) (layout, error) {
	switch kind {
	case format.Boolean, format.ByteArray:
		return layout{kind, 0}, nil
	case format.Int32, format.Float:
		return layout{kind, 4}, nil
	case format.Int64, format.Double:
		return layout{kind, 8}, nil
	case format.Int96:
		return layout{kind, 12}, nil
	case format.FixedLenByteArray:
		if length > 0 {
			return layout{kind, int(length)}, nil
		}
	}
	return layout{}, fmt.Errorf("it is damaged: its values are %s of %d bytes", kind, length)
}

// fixed converts the bytes of a fixed-width value.
func (l layout) fixed(b []byte) physical {
	switch l.kind {
	case format.Int32, format.Float:
		return physical{bits: int64(int32(binary.LittleEndian.Uint32(b)))}
	case format.Int64, format.Double:
		return physical{bits: int64(binary.LittleEndian.Uint64(b))}
	default:
		return physical{bytes: b}
	}
}

// decoder returns the decoder for the count present values of a data page.
func (l layout) decoder(p *page, count int64, b *budget) (decoder, error) {
	body := p.body
	switch e := p.encoding; {
	case e == format.Plain && l.kind == format.Boolean:
		return &plainBooleans{body: body}, nil
	case e == format.Plain:
		return &plain{l, body}, nil
	case e == format.RLE && l.kind == format.Boolean:
		content, after, err := prefixed(body)
		return &rleBooleans{rle{left: content, width: 1}, after}, err
	case e == format.DeltaBinaryPacked && (l.kind == format.Int32 || l.kind == format.Int64):
		d := &deltaBinaryPacked{left: body, narrow: l.kind == format.Int32}
		return d, d.start(count)
	case e == format.DeltaLengthByteArray && l.kind == format.ByteArray:
		lengths, rest, err := deltaLengths(body, count)
		return &deltaLengthByteArray{lengths, rest}, err
	case e == format.DeltaByteArray && (l.kind == format.ByteArray || l.kind == format.FixedLenByteArray):
		return newDeltaByteArray(l, body, count, b)
	case e == format.ByteStreamSplit && l.width > 0 && l.kind != format.Int96:
		if int64(len(body)) != count*int64(l.width) {
			return nil, fmt.Errorf("it is damaged: a page has %d bytes for %d values of %d bytes", len(body), count, l.width)
		}
		return &byteStreamSplit{layout: l, body: body, count: int(count)}, nil
	default:
		return nil, fmt.Errorf("its encoding %s of %s is not supported; save it with the encoding PLAIN", e, l.kind)
	}
}

// plainBooleans decodes booleans, eight per byte.
type plainBooleans struct {
	body []byte
	at   int
}

func (d *plainBooleans) next() (physical, error) {
	if d.at/8 >= len(d.body) {
		return physical{}, errPageTruncated
	}
	v := d.body[d.at/8] >> (d.at % 8) & 1
	d.at++
	return physical{bits: int64(v)}, nil
}

func (d *plainBooleans) rest() []byte { return d.body[(d.at+7)/8:] }

// plain decodes values that are stored one after the other.
type plain struct {
	layout
	left []byte
}

func (d *plain) next() (physical, error) {
	if d.kind == format.ByteArray {
		content, rest, err := prefixed(d.left)
		if err != nil {
			return physical{}, errPageTruncated
		}
		d.left = rest
		return physical{bytes: content}, nil
	}
	if len(d.left) < d.width {
		return physical{}, errPageTruncated
	}
	v := d.fixed(d.left[:d.width:d.width])
	d.left = d.left[d.width:]
	return v, nil
}

func (d *plain) rest() []byte { return d.left }

// byteStreamSplit decodes BYTE_STREAM_SPLIT: the first bytes of all values, then the
// second bytes, and so on.
type byteStreamSplit struct {
	layout
	body      []byte
	at, count int
	value     [8]byte
}

func (d *byteStreamSplit) next() (physical, error) {
	if d.at == d.count {
		return physical{}, errPageTruncated
	}
	b := d.value[:min(d.width, len(d.value))]
	if d.kind == format.FixedLenByteArray {
		b = make([]byte, d.width) // the caller may keep it
	}
	for i := range b {
		b[i] = d.body[i*d.count+d.at]
	}
	d.at++
	return d.fixed(b), nil
}

func (d *byteStreamSplit) rest() []byte { return nil } // its length was checked before

// rle decodes small integers: runs of one value, and bit-packed groups of eight.
type rle struct {
	left  []byte
	width uint // bits of a value; at most 32

	run    uint64 // values left in the run or in packed
	value  uint32
	packed []byte // nil in a run
	at     uint64 // the next bit of packed
}

func (d *rle) next() (uint32, error) {
	for d.run == 0 {
		if err := d.start(); err != nil {
			return 0, err
		}
	}
	d.run--
	if d.packed == nil {
		return d.value, nil
	}
	if (d.at+uint64(d.width)+7)/8 > uint64(len(d.packed)) { // the last group may be truncated after its last value
		return 0, errPageTruncated
	}
	v := uint32(bitsAt(d.packed, d.at, d.width))
	d.at += uint64(d.width)
	return v, nil
}

// hasMore reports whether a run has more values than were read. A bit-packed run may:
// some writers fill the last group, and DuckDB several groups.
func (d *rle) hasMore() bool { return d.packed == nil && d.run > 0 }

func (d *rle) rest() []byte { return d.left }

// start reads the header of the next run.
func (d *rle) start() error {
	head, n := binary.Uvarint(d.left)
	if n <= 0 {
		return errPageTruncated
	}
	d.left = d.left[n:]
	bytes := uint64(d.width+7) / 8
	if head&1 == 0 {
		if bytes > uint64(len(d.left)) {
			return errPageTruncated
		}
		var v [4]byte
		copy(v[:], d.left[:bytes])
		d.run, d.packed, d.value, d.left = head>>1, nil, binary.LittleEndian.Uint32(v[:]), d.left[bytes:]
		if uint64(d.value)>>d.width != 0 {
			return fmt.Errorf("it is damaged: the level or index %d has more than %d bits", d.value, d.width)
		}
		return nil
	}
	groups := head >> 1
	if groups > math.MaxUint32 {
		return errPageTruncated
	}
	size := min(groups*uint64(d.width), uint64(len(d.left)))
	d.run, d.at, d.packed, d.left = 8*groups, 0, d.left[:size:size], d.left[size:]
	if d.packed == nil {
		d.packed = []byte{}
	}
	return nil
}

// bitsAt returns width bits, at most 64, from bit at on. b must contain them.
func bitsAt(b []byte, at uint64, width uint) uint64 {
	first, shift := at/8, uint(at%8)
	if first+8 <= uint64(len(b)) && shift+width <= 64 {
		v := binary.LittleEndian.Uint64(b[first:]) >> shift
		return v & (1<<width - 1)
	}
	v := uint64(0)
	for got := uint(0); got < width; first++ {
		v |= uint64(b[first]) >> shift << got
		got += 8 - shift
		shift = 0
	}
	return v & (1<<width - 1)
}

// rleBooleans decodes booleans in runs.
type rleBooleans struct {
	rle

	after []byte
}

func (d *rleBooleans) next() (physical, error) {
	v, err := d.rle.next()
	return physical{bits: int64(v)}, err
}

func (d *rleBooleans) rest() []byte { return slices.Concat(d.left, d.after) }

// deltaBinaryPacked decodes DELTA_BINARY_PACKED: differences in blocks of equal parts, each
// part with its own bit width.
type deltaBinaryPacked struct {
	left   []byte
	narrow bool // the values have 32 bits

	last      int64
	total     int64  // values left
	first     bool   // last is the next value
	part      uint64 // differences in a part
	parts     int    // parts in a block
	least     int64  // added to the differences of the block
	widths    []byte // of the remaining parts of the block
	packed    []byte // the part
	at, until uint64 // the next difference of the part; how many it has
	width     uint
}

// start reads the header, which must announce count values.
func (d *deltaBinaryPacked) start(count int64) error {
	w := thriftWalk{left: d.left} // it encodes integers the same way
	block, parts, total := w.varint(), w.varint(), w.varint()
	d.last, d.first, d.left = w.integer(), true, w.left
	switch {
	case w.failed:
		return errPageTruncated
	case total != uint64(count):
		return fmt.Errorf("it is damaged: a page has %d values, but its encoding says %d", count, total)
	case parts == 0 || parts > math.MaxInt32 || block == 0 || block > math.MaxInt32 || block%parts != 0 || block/parts%8 != 0:
		return fmt.Errorf("it is damaged: a block of %d values has %d parts", block, parts)
	}
	d.total, d.part, d.parts = count, block/parts, int(parts)
	return nil
}

func (d *deltaBinaryPacked) next() (physical, error) {
	if d.total == 0 {
		return physical{}, errPageTruncated
	}
	d.total--
	if d.first {
		d.first = false
		return d.value(), nil
	}
	if d.at == d.until {
		if err := d.nextPart(); err != nil {
			return physical{}, err
		}
	}
	if (d.at+1)*uint64(d.width) > 8*uint64(len(d.packed)) {
		return physical{}, errPageTruncated
	}
	d.last += d.least + int64(bitsAt(d.packed, d.at*uint64(d.width), d.width))
	d.at++
	return d.value(), nil
}

func (d *deltaBinaryPacked) rest() []byte { return d.left }

// value returns the last value. Differences overflow on purpose.
func (d *deltaBinaryPacked) value() physical {
	if d.narrow {
		return physical{bits: int64(int32(d.last))}
	}
	return physical{bits: d.last}
}

func (d *deltaBinaryPacked) nextPart() error {
	if len(d.widths) == 0 {
		w := thriftWalk{left: d.left}
		d.least = w.integer()
		d.widths = w.left[:min(d.parts, len(w.left))]
		w.skip(uint64(d.parts))
		if w.failed {
			return errPageTruncated
		}
		d.left = w.left
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	if d.width > 64 {
		return fmt.Errorf("it is damaged: a difference of %d bits", d.width)
	}
	size := min(d.part/8*uint64(d.width), uint64(len(d.left)))
	d.packed, d.left = d.left[:size], d.left[size:]
	d.at, d.until = 0, d.part
	return nil
}

// deltaLengths decodes the lengths that precede the contents.
func deltaLengths(body []byte, count int64) (lengths []int32, rest []byte, err error) {
	d := &deltaBinaryPacked{left: body, narrow: true}
	if err := d.start(count); err != nil {
		return nil, nil, err
	}
	for range count {
		v, err := d.next()
		if err != nil {
			return nil, nil, err
		}
		if v.bits < 0 {
			return nil, nil, fmt.Errorf("it is damaged: a value of %d bytes", v.bits)
		}
		lengths = append(lengths, int32(v.bits))
	}
	return lengths, d.left, nil
}

// deltaLengthByteArray decodes DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.
type deltaLengthByteArray struct {
	lengths []int32
	left    []byte
}

func (d *deltaLengthByteArray) next() (physical, error) {
	if len(d.lengths) == 0 || int(d.lengths[0]) > len(d.left) {
		return physical{}, errPageTruncated
	}
	n := d.lengths[0]
	v := d.left[:n:n]
	d.lengths, d.left = d.lengths[1:], d.left[n:]
	return physical{bytes: v}, nil
}

func (d *deltaLengthByteArray) rest() []byte { return d.left }

// deltaByteArray decodes DELTA_BYTE_ARRAY: each value is the length of the prefix that it
// shares with the previous value, and a suffix.
type deltaByteArray struct {
	layout
	prefixes []int32
	suffixes deltaLengthByteArray
	last     []byte
	budget   *budget
}

func newDeltaByteArray(l layout, body []byte, count int64, b *budget) (*deltaByteArray, error) {
	prefixes, rest, err := deltaLengths(body, count)
	if err != nil {
		return nil, err
	}
	lengths, rest, err := deltaLengths(rest, count)
	return &deltaByteArray{layout: l, prefixes: prefixes, suffixes: deltaLengthByteArray{lengths, rest}, budget: b}, err
}

func (d *deltaByteArray) next() (physical, error) {
	suffix, err := d.suffixes.next()
	if err != nil {
		return physical{}, err
	}
	n := int(d.prefixes[0])
	d.prefixes = d.prefixes[1:]
	size := n + len(suffix.bytes)
	if n > len(d.last) || d.kind == format.FixedLenByteArray && size != d.width {
		return physical{}, fmt.Errorf("it is damaged: a value of %d bytes shares a prefix of %d with one of %d", size, n, len(d.last))
	}
	if err := d.budget.takeBytes(int64(size)); err != nil {
		return physical{}, err
	}
	d.last = append(append(make([]byte, 0, size), d.last[:n]...), suffix.bytes...)
	return physical{bytes: d.last}, nil
}

func (d *deltaByteArray) rest() []byte { return d.suffixes.left }
