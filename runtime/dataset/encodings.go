package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// physical is a value as Parquet stores it: an integer, the bits of a float or a
// boolean; or bytes, which are never written to again.
type physical struct {
	bits  int64
	bytes []byte
}

// decoder decodes the values of a page one by one. Whatever a page says of its
// lengths, a decoder takes no more memory than a multiple of the page's bytes and of
// the values that were asked for.
type decoder interface {
	next() (physical, error)
	// rest are the bytes that follow after the values that were decoded.
	rest() []byte
}

var errPageEnds = errors.New("it is damaged: a page ends before its values do")

// layout is how the values of a column are stored.
type layout struct {
	kind  format.Type
	width int // bytes of a value; 0 where it has its length before it
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

// fixed is the value that the bytes of a column of fixed width stand for.
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

// decoder returns what decodes the values of a data page that are there, of which
// there are count.
func (l layout) decoder(p *page, count int64, b *budget) (decoder, error) {
	body := p.body
	switch e := p.encoding; {
	case e == format.Plain && l.kind == format.Boolean:
		return &bitValues{body: body}, nil
	case e == format.Plain:
		return &plain{l, body}, nil
	case e == format.RLE && l.kind == format.Boolean:
		content, after, err := prefixed(body)
		return &booleans{rle{left: content, width: 1}, after}, err
	case e == format.DeltaBinaryPacked && (l.kind == format.Int32 || l.kind == format.Int64):
		d := &delta{left: body, narrow: l.kind == format.Int32}
		return d, d.start(count)
	case e == format.DeltaLengthByteArray && l.kind == format.ByteArray:
		lengths, rest, err := deltaLengths(body, count)
		return &lengthened{lengths, rest}, err
	case e == format.DeltaByteArray && (l.kind == format.ByteArray || l.kind == format.FixedLenByteArray):
		return newFrontCoded(l, body, count, b)
	case e == format.ByteStreamSplit && l.width > 0 && l.kind != format.Int96:
		if int64(len(body)) != count*int64(l.width) {
			return nil, fmt.Errorf("it is damaged: a page has %d bytes for %d values of %d bytes", len(body), count, l.width)
		}
		return &split{layout: l, body: body, count: int(count)}, nil
	default:
		return nil, fmt.Errorf("its encoding %s of %s cannot be read; write it anew with the encoding PLAIN", e, l.kind)
	}
}

// bitValues decodes booleans, eight in a byte.
type bitValues struct {
	body []byte
	at   int
}

func (d *bitValues) next() (physical, error) {
	if d.at/8 >= len(d.body) {
		return physical{}, errPageEnds
	}
	v := d.body[d.at/8] >> (d.at % 8) & 1
	d.at++
	return physical{bits: int64(v)}, nil
}

func (d *bitValues) rest() []byte { return d.body[(d.at+7)/8:] }

// plain decodes values that stand one after the other.
type plain struct {
	layout
	left []byte
}

func (d *plain) next() (physical, error) {
	if d.kind == format.ByteArray {
		content, rest, err := prefixed(d.left)
		if err != nil {
			return physical{}, errPageEnds
		}
		d.left = rest
		return physical{bytes: content}, nil
	}
	if len(d.left) < d.width {
		return physical{}, errPageEnds
	}
	v := d.fixed(d.left[:d.width:d.width])
	d.left = d.left[d.width:]
	return v, nil
}

func (d *plain) rest() []byte { return d.left }

// split decodes BYTE_STREAM_SPLIT: first the first bytes of all values, and so on.
type split struct {
	layout
	body      []byte
	at, count int
	value     [8]byte
}

func (d *split) next() (physical, error) {
	if d.at == d.count {
		return physical{}, errPageEnds
	}
	b := d.value[:min(d.width, len(d.value))]
	if d.kind == format.FixedLenByteArray {
		b = make([]byte, d.width) // which the caller may keep
	}
	for i := range b {
		b[i] = d.body[i*d.count+d.at]
	}
	d.at++
	return d.fixed(b), nil
}

func (d *split) rest() []byte { return nil } // as its length was compared before

// rle decodes small integers: runs of one value, and groups of eight packed into bits.
type rle struct {
	left  []byte
	width uint // bits of a value; at most 32

	run    uint64 // how many more of value; or of what is packed
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
	if (d.at+uint64(d.width)+7)/8 > uint64(len(d.packed)) { // the last group may be cut off behind its last value
		return 0, errPageEnds
	}
	v := uint32(bitsAt(d.packed, d.at, d.width))
	d.at += uint64(d.width)
	return v, nil
}

// goesOn reports whether a run has more values than were asked for. Packed ones may: some
// writers fill up the last group, and DuckDB groups of groups.
func (d *rle) goesOn() bool { return d.packed == nil && d.run > 0 }

func (d *rle) rest() []byte { return d.left }

// start reads the head of the next run.
func (d *rle) start() error {
	head, n := binary.Uvarint(d.left)
	if n <= 0 {
		return errPageEnds
	}
	d.left = d.left[n:]
	bytes := uint64(d.width+7) / 8
	if head&1 == 0 {
		if bytes > uint64(len(d.left)) {
			return errPageEnds
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
		return errPageEnds
	}
	size := min(groups*uint64(d.width), uint64(len(d.left)))
	d.run, d.at, d.packed, d.left = 8*groups, 0, d.left[:size:size], d.left[size:]
	if d.packed == nil {
		d.packed = []byte{}
	}
	return nil
}

// bitsAt returns the width bits, at most 64, from the bit at on. b has them.
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

// booleans decodes booleans in runs.
type booleans struct {
	rle

	after []byte
}

func (d *booleans) next() (physical, error) {
	v, err := d.rle.next()
	return physical{bits: int64(v)}, err
}

func (d *booleans) rest() []byte { return slices.Concat(d.left, d.after) }

// delta decodes DELTA_BINARY_PACKED: differences in blocks, which are cut into equal
// parts that have each its own width.
type delta struct {
	left   []byte
	narrow bool // the values have 32 bits

	last      int64
	total     int64  // of values that are still to come
	first     bool   // last is the next one
	part      uint64 // differences in a part
	parts     int    // parts in a block
	least     int64  // of the block: is added to its differences
	widths    []byte // of the block's parts that are still to come
	packed    []byte // the part
	at, until uint64 // the next difference of the part; how many it has
	width     uint
}

// start reads the head, which must tell of count values.
func (d *delta) start(count int64) error {
	w := thriftWalk{left: d.left} // which has the same integers
	block, parts, total := w.varint(), w.varint(), w.varint()
	d.last, d.first, d.left = w.integer(), true, w.left
	switch {
	case w.failed:
		return errPageEnds
	case total != uint64(count):
		return fmt.Errorf("it is damaged: a page has %d values, and its encoding says %d", count, total)
	case parts == 0 || parts > math.MaxInt32 || block == 0 || block > math.MaxInt32 || block%parts != 0 || block/parts%8 != 0:
		return fmt.Errorf("it is damaged: a block of %d values has %d parts", block, parts)
	}
	d.total, d.part, d.parts = count, block/parts, int(parts)
	return nil
}

func (d *delta) next() (physical, error) {
	if d.total == 0 {
		return physical{}, errPageEnds
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
		return physical{}, errPageEnds
	}
	d.last += d.least + int64(bitsAt(d.packed, d.at*uint64(d.width), d.width))
	d.at++
	return d.value(), nil
}

func (d *delta) rest() []byte { return d.left }

// value is the last one. Differences overflow on purpose.
func (d *delta) value() physical {
	if d.narrow {
		return physical{bits: int64(int32(d.last))}
	}
	return physical{bits: d.last}
}

func (d *delta) nextPart() error {
	if len(d.widths) == 0 {
		w := thriftWalk{left: d.left}
		d.least = w.integer()
		d.widths = w.left[:min(d.parts, len(w.left))]
		w.skip(uint64(d.parts))
		if w.failed {
			return errPageEnds
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

// deltaLengths decodes lengths that stand before what they are the lengths of.
func deltaLengths(body []byte, count int64) (lengths []int32, rest []byte, err error) {
	d := &delta{left: body, narrow: true}
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

// lengthened decodes DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.
type lengthened struct {
	lengths []int32
	left    []byte
}

func (d *lengthened) next() (physical, error) {
	if len(d.lengths) == 0 || int(d.lengths[0]) > len(d.left) {
		return physical{}, errPageEnds
	}
	n := d.lengths[0]
	v := d.left[:n:n]
	d.lengths, d.left = d.lengths[1:], d.left[n:]
	return physical{bytes: v}, nil
}

func (d *lengthened) rest() []byte { return d.left }

// frontCoded decodes DELTA_BYTE_ARRAY: of each value, how many bytes it has in common
// with the one before, and what comes then.
type frontCoded struct {
	layout
	prefixes []int32
	suffixes lengthened
	last     []byte
	budget   *budget
}

func newFrontCoded(l layout, body []byte, count int64, b *budget) (*frontCoded, error) {
	prefixes, rest, err := deltaLengths(body, count)
	if err != nil {
		return nil, err
	}
	lengths, rest, err := deltaLengths(rest, count)
	return &frontCoded{layout: l, prefixes: prefixes, suffixes: lengthened{lengths, rest}, budget: b}, err
}

func (d *frontCoded) next() (physical, error) {
	suffix, err := d.suffixes.next()
	if err != nil {
		return physical{}, err
	}
	n := int(d.prefixes[0])
	d.prefixes = d.prefixes[1:]
	size := n + len(suffix.bytes)
	if n > len(d.last) || d.kind == format.FixedLenByteArray && size != d.width {
		return physical{}, fmt.Errorf("it is damaged: a value of %d bytes has %d in common with one of %d", size, n, len(d.last))
	}
	if err := d.budget.takeBytes(int64(size)); err != nil {
		return physical{}, err
	}
	d.last = append(append(make([]byte, 0, size), d.last[:n]...), suffix.bytes...)
	return physical{bytes: d.last}, nil
}

func (d *frontCoded) rest() []byte { return d.suffixes.left }
