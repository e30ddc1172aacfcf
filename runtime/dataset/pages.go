package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// pageHeader is the header of a page of a column chunk.
type pageHeader struct {
	kind                     format.PageType
	unpacked, packed         int64 // bytes
	crc                      int64
	hasCRC                   bool
	values                   int64
	encoding, levels         format.Encoding
	levelBytes, repeatLevels int64 // of version 2
	missing, rows            int64 // of version 2
	plain                    bool  // of version 2: the values are not compressed
}

func (h *pageHeader) read(w *thriftWalk) {
	integers := func(to map[int64]*int64) func(int64, byte) bool {
		return func(id int64, kind byte) bool {
			p := to[id]
			if p == nil || kind != 5 { // an i32
				return false
			}
			*p = w.integer()
			return true
		}
	}
	var kind, encoding, levels int64
	top := integers(map[int64]*int64{1: &kind, 2: &h.unpacked, 3: &h.packed, 4: &h.crc})
	page := integers(map[int64]*int64{1: &h.values, 2: &encoding, 3: &levels})
	second := integers(map[int64]*int64{1: &h.values, 2: &h.missing, 3: &h.rows, 4: &encoding, 5: &h.levelBytes, 6: &h.repeatLevels})
	w.structure(0, func(id int64, kind byte) bool {
		switch {
		case kind != thriftStruct:
			h.hasCRC = h.hasCRC || id == 4
			return top(id, kind)
		case id == 5, id == 7:
			w.structure(1, page)
		case id == 8:
			w.structure(1, func(id int64, kind byte) bool {
				h.plain = h.plain || id == 7 && kind == thriftFalse
				return second(id, kind)
			})
		default:
			return false
		}
		return true
	})
	h.kind, h.encoding, h.levels = format.PageType(kind), format.Encoding(encoding), format.Encoding(levels)
}

// page is a page of which the bytes are unpacked.
type page struct {
	pageHeader

	present rle    // definition levels, of a column that may have gaps
	body    []byte // values
}

// chunk reads the pages of one column in one row group. The values that a page says it
// has are decoded one by one, so they take no memory before somebody asks for them.
type chunk struct {
	r        io.ReaderAt
	budget   *budget
	at, end  int64 // where the next page begins; where pages end at the latest
	codec    format.CompressionCodec
	optional bool // the column may have gaps
}

const (
	firstHeader, maxHeaderBytes = 1 << 10, 16 << 20
	freePage                    = 1 << 27 // bytes of a page when it is unpacked, beside the multiple
)

// next returns the next page.
func (c *chunk) next() (*page, error) {
	var p page
	size, err := c.header(&p.pageHeader)
	if err != nil {
		return nil, err
	}
	switch {
	case p.packed < 0 || p.packed > c.end-c.at-size:
		return nil, fmt.Errorf("it is damaged: the page at byte %d has %d bytes, which leads out of the file", c.at, p.packed)
	case p.unpacked < 0 || p.unpacked > freePage+bytesPerByte*p.packed:
		return nil, fmt.Errorf("the page at byte %d has %d bytes and %d when it is unpacked; at most %d and %d per byte: write it with smaller pages", c.at, p.packed, p.unpacked, freePage, bytesPerByte)
	case p.values < 0:
		return nil, fmt.Errorf("it is damaged: the page at byte %d has %d values", c.at, p.values)
	}
	if err := c.budget.takeBytes(size + p.packed + p.unpacked); err != nil {
		return nil, err
	}
	packed := make([]byte, p.packed) // not kept for the next one: texts lie in it
	if _, err := c.r.ReadAt(packed, c.at+size); err != nil {
		return nil, err
	}
	if p.hasCRC && crc32.ChecksumIEEE(packed) != uint32(p.crc) {
		return nil, fmt.Errorf("it is damaged: the page at byte %d has another checksum than it says", c.at)
	}
	if err := p.unpack(packed, c); err != nil {
		return nil, fmt.Errorf("it is damaged: the page at byte %d: %w", c.at, err)
	}
	c.at += size + p.packed
	return &p, nil
}

// header reads the header of the next page, and returns how many bytes it has.
func (c *chunk) header(h *pageHeader) (int64, error) {
	for most := int64(firstHeader); ; most *= 16 {
		b := make([]byte, min(most, c.end-c.at))
		if err := c.budget.takeBytes(int64(len(b))); err != nil {
			return 0, err
		}
		if _, err := c.r.ReadAt(b, c.at); err != nil {
			return 0, err
		}
		*h = pageHeader{}
		w := thriftWalk{left: b}
		if h.read(&w); !w.failed {
			return int64(len(b) - len(w.left)), nil
		}
		if most > int64(len(b)) || most >= maxHeaderBytes {
			return 0, fmt.Errorf("it is damaged: there is no page at byte %d", c.at)
		}
	}
}

// unpack takes the page's bytes apart.
func (p *page) unpack(packed []byte, c *chunk) (err error) {
	if p.kind == format.DataPageV2 {
		return p.unpackSecond(packed, c)
	}
	if p.body, err = unpacked(c.codec, packed, p.unpacked); err != nil || p.kind != format.DataPage || !c.optional {
		return err
	}
	if p.levels == format.BitPacked { // as long ago: from the highest bit on
		n := (p.values + 7) / 8
		if n > int64(len(p.body)) {
			return errors.New("its levels are cut off")
		}
		levels := append(binary.AppendUvarint(nil, uint64(n)<<1|1), p.body[:n]...)
		for i := len(levels) - int(n); i < len(levels); i++ {
			levels[i] = reversed(levels[i])
		}
		p.present, p.body = rle{left: levels, width: 1}, p.body[n:]
		return nil
	}
	if p.levels != format.RLE {
		return fmt.Errorf("its levels have the encoding %s", p.levels)
	}
	levels, rest, err := prefixed(p.body)
	p.present, p.body = rle{left: levels, width: 1}, rest
	return err
}

// unpackSecond takes a page of version 2 apart, in which levels are never compressed.
func (p *page) unpackSecond(packed []byte, c *chunk) error {
	levels := p.levelBytes + p.repeatLevels
	if p.levelBytes < 0 || p.repeatLevels < 0 || levels > int64(len(packed)) || levels > p.unpacked {
		return errors.New("its levels are cut off")
	}
	p.present = rle{left: packed[p.repeatLevels:levels], width: 1}
	packed = packed[levels:]
	codec := c.codec
	if p.plain || len(packed) == 0 { // some write nothing where nothing is there
		codec = format.Uncompressed
	}
	var err error
	p.body, err = unpacked(codec, packed, p.unpacked-levels)
	return err
}

func reversed(b byte) (out byte) {
	for range 8 {
		out, b = out<<1|b&1, b>>1
	}
	return out
}

// prefixed returns what lies behind a length of four bytes, and what follows it.
func prefixed(b []byte) (content, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errors.New("a length is cut off")
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%d bytes are said to follow, and %d do", n, len(b))
	}
	return b[:n:n], b[n:], nil
}

// zstdPages unpacks no more than it is given room for.
var zstdPages = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err) // of constant options
	}
	return d
})

// unpacked returns exactly size bytes, or an error: a page that unpacks to more or
// less than its header says would give other values than were written.
func unpacked(codec format.CompressionCodec, packed []byte, size int64) ([]byte, error) {
	var n int
	var err error
	var out []byte
	switch codec {
	case format.Uncompressed:
		out, n = packed, len(packed)
	case format.Snappy:
		if n, err = snappy.DecodedLen(packed); err == nil && int64(n) == size {
			out, err = snappy.Decode(make([]byte, size), packed)
		}
	case format.Gzip:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
			out, n, err = full(r, size)
		}
	case format.Brotli:
		out, n, err = full(brotli.NewReader(bytes.NewReader(packed)), size)
	case format.Zstd:
		out, err = zstdPages().DecodeAll(packed, make([]byte, 0, size))
		n = len(out)
	case format.Lz4Raw:
		out = make([]byte, size)
		n, err = lz4.UncompressBlock(packed, out)
	case format.Lz4:
		out, n, err = hadoopLZ4(packed, size)
	default:
		return nil, fmt.Errorf("its compression, %s, cannot be read; write it anew with snappy, gzip, brotli, zstd, lz4 or none", codec)
	}
	if err != nil {
		return nil, err
	}
	if int64(n) != size {
		return nil, fmt.Errorf("it unpacks to %d bytes, and its header says %d", n, size)
	}
	return out, nil
}

// full reads size bytes, at which r ends.
func full(r io.Reader, size int64) (out []byte, n int, err error) {
	out = make([]byte, size)
	if n, err = io.ReadFull(r, out); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, n, err
	}
	more, err := io.CopyN(io.Discard, r, 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, n, err
	}
	return out, n + int(more), nil
}

// hadoopLZ4 unpacks the LZ4 that came before LZ4_RAW: blocks behind their two sizes,
// or, as some wrote it, one block alone.
func hadoopLZ4(packed []byte, size int64) ([]byte, int, error) {
	out := make([]byte, size)
	n := 0
	for left := packed; ; {
		if len(left) == 0 && len(packed) > 0 {
			return out, n, nil
		}
		if len(left) < 8 {
			break
		}
		full, part := int64(binary.BigEndian.Uint32(left)), int64(binary.BigEndian.Uint32(left[4:]))
		if left = left[8:]; part > int64(len(left)) || full > size-int64(n) {
			break
		}
		got, err := lz4.UncompressBlock(left[:part], out[n:int64(n)+full])
		if err != nil || int64(got) != full {
			break
		}
		n, left = n+got, left[part:]
	}
	n, err := lz4.UncompressBlock(packed, out)
	return out, n, err
}
