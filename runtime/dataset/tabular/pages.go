package tabular

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
	uncompressed             bool  // of version 2: the values are not compressed
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
				h.uncompressed = h.uncompressed || id == 7 && kind == thriftFalse
				return second(id, kind)
			})
		default:
			return false
		}
		return true
	})
	h.kind, h.encoding, h.levels = format.PageType(kind), format.Encoding(encoding), format.Encoding(levels)
}

// page is a decompressed page.
type page struct {
	pageHeader

	present rle    // definition levels, of a column that may have gaps
	body    []byte // values
}

// chunk reads the pages of one column in one row group. Values are decoded one by one, so
// that the number of values that a page claims takes no memory.
type chunk struct {
	r        io.ReaderAt
	budget   *budget
	at, end  int64 // start of the next page; limit of the last one
	codec    format.CompressionCodec
	optional bool // the column may have gaps
}

const (
	firstHeader, maxHeaderBytes = 1 << 10, 16 << 20
	basePage                    = 1 << 27 // bytes of a decompressed page, plus bytesPerByte times its compressed size
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
		return nil, fmt.Errorf("it is damaged: the page at byte %d has %d bytes, more than the file holds", c.at, p.packed)
	case p.unpacked < 0 || p.unpacked > basePage+bytesPerByte*p.packed:
		return nil, fmt.Errorf("the page at byte %d has %d bytes and %d when decompressed; at most %d plus %d per byte: save it with smaller pages", c.at, p.packed, p.unpacked, basePage, bytesPerByte)
	case p.values < 0:
		return nil, fmt.Errorf("it is damaged: the page at byte %d has %d values", c.at, p.values)
	}
	if err := c.budget.takeBytes(size + p.packed + p.unpacked); err != nil {
		return nil, err
	}
	packed := make([]byte, p.packed) // not reused: texts point into it
	if _, err := c.r.ReadAt(packed, c.at+size); err != nil {
		return nil, err
	}
	if p.hasCRC && crc32.ChecksumIEEE(packed) != uint32(p.crc) {
		return nil, fmt.Errorf("it is damaged: the checksum of the page at byte %d does not match", c.at)
	}
	if err := p.unpack(packed, c); err != nil {
		return nil, fmt.Errorf("it is damaged: the page at byte %d: %w", c.at, err)
	}
	c.at += size + p.packed
	return &p, nil
}

// header reads the header of the next page and returns its size in bytes.
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

// unpack decompresses a page and separates levels from values.
func (p *page) unpack(packed []byte, c *chunk) (err error) {
	if p.kind == format.DataPageV2 {
		return p.unpackV2(packed, c)
	}
	if p.body, err = decompress(c.codec, packed, p.unpacked); err != nil || p.kind != format.DataPage || !c.optional {
		return err
	}
	if p.levels == format.BitPacked { // deprecated: from the highest bit on
		n := (p.values + 7) / 8
		if n > int64(len(p.body)) {
			return errors.New("its levels are truncated")
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

// unpackV2 does the same for a version 2 page, whose levels are never compressed.
func (p *page) unpackV2(packed []byte, c *chunk) error {
	levels := p.levelBytes + p.repeatLevels
	if p.levelBytes < 0 || p.repeatLevels < 0 || levels > int64(len(packed)) || levels > p.unpacked {
		return errors.New("its levels are truncated")
	}
	p.present = rle{left: packed[p.repeatLevels:levels], width: 1}
	packed = packed[levels:]
	codec := c.codec
	if p.uncompressed || len(packed) == 0 { // some programs write nothing for no values
		codec = format.Uncompressed
	}
	var err error
	p.body, err = decompress(codec, packed, p.unpacked-levels)
	return err
}

func reversed(b byte) (out byte) {
	for range 8 {
		out, b = out<<1|b&1, b>>1
	}
	return out
}

// prefixed returns the content after a four-byte length, and the rest.
func prefixed(b []byte) (content, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errors.New("a length is truncated")
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%d bytes should follow, but %d do", n, len(b))
	}
	return b[:n:n], b[n:], nil
}

// zstdPages never decompresses beyond the capacity that it is given.
var zstdPages = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err) // of constant options
	}
	return d
})

// decompress returns exactly size bytes or an error: a page that decompresses to more or
// less than its header says would give wrong values.
func decompress(codec format.CompressionCodec, packed []byte, size int64) ([]byte, error) {
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
			out, n, err = readExactly(r, size)
		}
	case format.Brotli:
		out, n, err = readExactly(brotli.NewReader(bytes.NewReader(packed)), size)
	case format.Zstd:
		out, err = zstdPages().DecodeAll(packed, make([]byte, 0, size))
		n = len(out)
	case format.Lz4Raw:
		out = make([]byte, size)
		n, err = lz4.UncompressBlock(packed, out)
	case format.Lz4:
		out, n, err = hadoopLZ4(packed, size)
	default:
		return nil, fmt.Errorf("its compression, %s, is not supported; save it with snappy, gzip, brotli, zstd, lz4 or none", codec)
	}
	if err != nil {
		return nil, err
	}
	if int64(n) != size {
		return nil, fmt.Errorf("it decompresses to %d bytes, but its header says %d", n, size)
	}
	return out, nil
}

// readExactly reads size bytes, after which r must end.
func readExactly(r io.Reader, size int64) (out []byte, n int, err error) {
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

// hadoopLZ4 decompresses the predecessor of LZ4_RAW: blocks prefixed by their two sizes
// or, as some programs wrote it, a single bare block.
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
