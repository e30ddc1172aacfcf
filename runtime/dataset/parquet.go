package dataset

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const parquetMagic = "PAR1"

// parquetFile is a Parquet file with a column a value: no lists, no structures.
type parquetFile struct {
	file    *parquet.File
	size    int64
	columns []*parquet.Column
	names   []field
}

// openParquet opens a Parquet file of size bytes, which must stay as it is.
func openParquet(r io.ReaderAt, size int64) (_ columnar, err error) {
	defer recovered(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("it is not the Parquet file that it seems to be: %w", err)
	}
	rows := int64(0)
	for _, group := range f.RowGroups() {
		rows += max(0, group.NumRows())
		if err := rowsFit(rows, size); err != nil {
			return nil, err
		}
	}
	p := &parquetFile{file: f, size: size, columns: f.Root().Columns()}
	for _, c := range p.columns {
		kind, refused := parquetKind(c)
		p.names = append(p.names, field{c.Name(), kind, refused})
	}
	return p, nil
}

// checkFooter refuses a footer that could take more memory than it has bytes: the
// library believes the lengths of lists.
func checkFooter(r io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return fmt.Errorf("it has %d bytes, too few for a Parquet file", size)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil {
		return err
	}
	switch string(end[4:]) {
	case parquetMagic:
	case "PARE":
		return errors.New("it is encrypted; write it anew without encryption")
	default:
		return errors.New("it does not end as a Parquet file does; is it cut off?")
	}
	n := int64(binary.LittleEndian.Uint32(end[:4]))
	if n > size-12 || n > 4*maxMetadata {
		return fmt.Errorf("its footer has %d bytes, which cannot be", n)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil {
		return err
	}
	w := thriftWalk{left: footer}
	if w.structure(0); w.failed {
		return errors.New("its footer is damaged")
	}
	return nil
}

// thriftWalk walks a structure of thrift's compact protocol.
type thriftWalk struct {
	left   []byte
	failed bool
}

const thriftDepth = 64

// Types of thrift's compact protocol.
const (
	thriftTrue, thriftFalse, thriftByte, thriftDouble, thriftBinary = 1, 2, 3, 7, 8
	thriftList, thriftSet, thriftMap, thriftStruct                  = 9, 10, 11, 12
)

func (w *thriftWalk) byte() byte {
	if len(w.left) == 0 {
		w.failed = true
		return 0
	}
	b := w.left[0]
	w.left = w.left[1:]
	return b
}

func (w *thriftWalk) varint() uint64 {
	v, n := binary.Uvarint(w.left)
	if n <= 0 {
		w.failed = true
		return 0
	}
	w.left = w.left[n:]
	return v
}

func (w *thriftWalk) skip(n uint64) {
	if n > uint64(len(w.left)) {
		w.failed = true
		return
	}
	w.left = w.left[n:]
}

func (w *thriftWalk) structure(depth int) {
	for !w.failed {
		head := w.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			w.varint() // the field's id
		}
		if kind := head & 15; kind != thriftTrue && kind != thriftFalse { // which have no bytes here
			w.value(kind, depth+1)
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) {
	if depth > thriftDepth {
		w.failed = true
	}
	if w.failed {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		w.skip(1)
	case 4, 5, 6: // integers
		w.varint()
	case thriftDouble:
		w.skip(8)
	case thriftBinary:
		w.skip(w.varint())
	case thriftList, thriftSet:
		head := w.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = w.varint()
		}
		w.values(n, []byte{head & 15}, depth)
	case thriftMap:
		if n := w.varint(); n > 0 {
			kinds := w.byte()
			w.values(n, []byte{kinds >> 4, kinds & 15}, depth)
		}
	case thriftStruct:
		w.structure(depth)
	default:
		w.failed = true
	}
}

// values walks n times values of the given kinds, each of a byte at least.
func (w *thriftWalk) values(n uint64, kinds []byte, depth int) {
	if n > uint64(len(w.left)) {
		w.failed = true
	}
	for i := uint64(0); i < n && !w.failed; i++ {
		for _, kind := range kinds {
			w.value(kind, depth+1)
		}
	}
}

func logical(c *parquet.Column) format.LogicalTypeValue {
	if l := c.Type().LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

// parquetKind returns what values of a column are read as, or why they are not.
func parquetKind(c *parquet.Column) (kind question.Type, refused string) {
	if !c.Leaf() || c.MaxRepetitionLevel() > 0 {
		return "", "it holds lists or structures; only columns of single values can be read"
	}
	switch l := logical(c).(type) {
	case nil, *format.IntType, *format.StringType, *format.EnumType, *format.JsonType, *format.DateType, *format.TimestampType:
	case *format.NullType:
		return question.String, ""
	case *format.DecimalType:
		if c.Type().Kind() != parquet.Double && c.Type().Kind() != parquet.Float {
			return question.Number, ""
		}
	default:
		return "", fmt.Sprintf("its type is %s; integers, floats, decimals, strings, booleans, dates and timestamps can be read", l)
	}
	switch c.Type().Kind() {
	case parquet.Int32, parquet.Int64:
		switch logical(c).(type) {
		case *format.DateType, *format.TimestampType:
			return question.String, ""
		}
		return question.Integer, ""
	case parquet.Float, parquet.Double:
		return question.Number, ""
	case parquet.Boolean, parquet.ByteArray, parquet.Int96:
		return question.String, ""
	default:
		return "", "its values are bytes of a fixed length; write them as text"
	}
}

func (p *parquetFile) fields() []field { return p.names }

func (p *parquetFile) close() {}

func (p *parquetFile) scan(ctx context.Context, chosen []int, add func(int, cell) error) (err error) {
	defer recovered(&err)
	readers := make([]func(parquet.Value) cell, len(chosen))
	for k, at := range chosen {
		readers[k] = parquetValues(p.columns[at])
	}
	values := make([]parquet.Value, 4096)
	for g, group := range p.file.RowGroups() {
		chunks := group.ColumnChunks()
		for k, at := range chosen {
			n, err := scanChunk(ctx, chunks[p.columns[at].Index()], values, group.NumRows(), func(v parquet.Value) error {
				if v.IsNull() {
					return add(k, cell{})
				}
				return add(k, readers[k](v))
			})
			if err != nil {
				return err
			}
			if n != group.NumRows() {
				return fmt.Errorf("it is damaged: the column %s has %d values in row group %d, which has %d rows", quote(p.names[at].name), n, g, group.NumRows())
			}
		}
	}
	return nil
}

// scanChunk tells the values of one column of a row group, of which there are at
// most that many, and returns how many there were.
func scanChunk(ctx context.Context, chunk parquet.ColumnChunk, values []parquet.Value, most int64, each func(parquet.Value) error) (n int64, err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		read := page.Values()
		for {
			got, err := read.ReadValues(values)
			if n += int64(got); n > most {
				return n, nil
			}
			for _, v := range values[:got] {
				if err := each(v); err != nil {
					return n, err
				}
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return n, err
			}
			if err != nil || got == 0 {
				break
			}
		}
		parquet.Release(page)
	}
}

// parquetValues returns what reads the present values of a column that parquetKind
// takes.
func parquetValues(c *parquet.Column) func(parquet.Value) cell {
	kind := c.Type().Kind()
	switch l := logical(c).(type) {
	case *format.DecimalType:
		return decimalValues(kind, l.Scale)
	case *format.DateType:
		return func(v parquet.Value) cell {
			return textCell(time.Unix(int64(v.Int32())*24*60*60, 0).UTC().Format(time.DateOnly))
		}
	case *format.TimestampType:
		unit := l.Unit.Value.Duration()
		return func(v parquet.Value) cell { return timeCell(sinceEpoch(v.Int64(), unit)) }
	case *format.IntType:
		if !l.IsSigned && kind == parquet.Int32 {
			return func(v parquet.Value) cell { return integerCell(int64(v.Uint32())) }
		}
		if !l.IsSigned {
			return func(v parquet.Value) cell { return unsignedCell(v.Uint64()) }
		}
	}
	switch kind {
	case parquet.Boolean:
		return func(v parquet.Value) cell { return boolCell(v.Boolean()) }
	case parquet.Int32:
		return func(v parquet.Value) cell { return integerCell(int64(v.Int32())) }
	case parquet.Int64:
		return func(v parquet.Value) cell { return integerCell(v.Int64()) }
	case parquet.Float:
		return func(v parquet.Value) cell { return numberCell(float64(v.Float())) }
	case parquet.Double:
		return func(v parquet.Value) cell { return numberCell(v.Double()) }
	case parquet.Int96: // the day's nanoseconds, then the Julian day
		return func(v parquet.Value) cell {
			const epoch = 2440588 // 1970-01-01
			i := v.Int96()
			days, nanos := int64(i[2])-epoch, int64(uint64(i[1])<<32|uint64(i[0]))
			return timeCell(time.Unix(days*24*60*60, nanos))
		}
	default:
		return func(v parquet.Value) cell { return textCell(string(v.ByteArray())) }
	}
}

// sinceEpoch is the moment n units after 1970 began.
func sinceEpoch(n int64, unit time.Duration) time.Time {
	second := int64(time.Second / unit)
	return time.Unix(n/second, n%second*int64(unit))
}

func decimalValues(kind parquet.Kind, scale int32) func(parquet.Value) cell {
	divisor, _ := new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(0, min(scale, 300)))), nil)).Float64()
	return func(v parquet.Value) cell {
		switch kind {
		case parquet.Int32:
			return numberCell(float64(v.Int32()) / divisor)
		case parquet.Int64:
			return numberCell(float64(v.Int64()) / divisor)
		default: // big-endian, two's complement
			b := v.ByteArray()
			n := new(big.Int).SetBytes(b)
			if len(b) > 0 && b[0] >= 0x80 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
			f, _ := new(big.Float).SetInt(n).Float64()
			return numberCell(f / divisor)
		}
	}
}
