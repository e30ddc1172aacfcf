package tabular

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const parquetMagic = "PAR1"

// parquetFile is a Parquet file, of which columns of single values can be read: no lists
// and no structures. The library reads the footer; pages are decoded here (RATIONALE.md
// says why).
type parquetFile struct {
	r       io.ReaderAt
	size    int64 // bytes
	groups  []format.RowGroup
	columns []*parquet.Column
	logical []format.LogicalTypeValue // of the columns
}

// openParquet opens a Parquet file of size bytes, which must not change.
func openParquet(r io.ReaderAt, size int64) (_ *File, err error) {
	defer recoverInto(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("it is not a valid Parquet file: %w", err)
	}
	p := &parquetFile{r: r, size: size, groups: f.Metadata().RowGroups, columns: f.Root().Columns()}
	t := &File{Synthetic: isMarkedSynthetic(f.Lookup), scan: p.scan}
	rows := int64(0)
	for g := range p.groups {
		n := p.groups[g].NumRows
		if n < 0 || n > math.MaxInt32 {
			return nil, fmt.Errorf("it is damaged: row group %d has %d rows", g, n)
		}
		rows += n
	}
	if err := (&budget{size: size}).takeRows(rows, 1); err != nil {
		return nil, err
	}
	leaves := f.Metadata().Schema
	leaves = slices.DeleteFunc(slices.Clone(leaves), func(e format.SchemaElement) bool { return e.NumChildren.V > 0 })
	for _, c := range p.columns {
		logical := format.LogicalTypeValue(nil)
		if l := c.Type().LogicalType(); l != nil {
			logical = l.Value
		} else if at := c.Index(); c.Leaf() && at < len(leaves) { // a type that the library does not know
			logical = leaves[at].LogicalType.Value
		}
		p.logical = append(p.logical, logical)
		kind, refused := parquetKind(c, logical)
		t.Fields = append(t.Fields, Field{c.Name(), kind, refused})
	}
	return t, nil
}

// checkFooter refuses a footer whose decoding could take memory out of proportion to its
// size: the library trusts the lengths of lists.
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
		return errors.New("it is encrypted; save it without encryption")
	default:
		return errors.New("it does not end like a Parquet file; is it truncated?")
	}
	n := int64(binary.LittleEndian.Uint32(end[:4]))
	if n > size-12 || n > 4*arrowmeta.MaxMetadata {
		return fmt.Errorf("its footer claims an impossible length of %d bytes", n)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil {
		return err
	}
	return checkFileMetadata(footer)
}

// parquetKind returns the type as which values of a column are read, or why they cannot
// be read.
func parquetKind(c *parquet.Column, logical format.LogicalTypeValue) (kind question.Type, refused string) {
	if !c.Leaf() || c.MaxRepetitionLevel() > 0 {
		return "", "it holds lists or structures; only columns of single values can be read"
	}
	switch l := logical.(type) {
	case nil, *format.IntType, *format.StringType, *format.EnumType, *format.JsonType, *format.DateType, *format.TimestampType:
	case *format.NullType:
		return question.String, ""
	case *format.Float16Type:
		if c.Type().Length() == 2 {
			return question.Number, ""
		}
		return "", "its type is FLOAT16, but its values are not two bytes long"
	case *format.DecimalType:
		if c.Type().Kind() != parquet.Double && c.Type().Kind() != parquet.Float {
			return question.Number, ""
		}
	default:
		return "", fmt.Sprintf("its type is %s; integers, floats, decimals, strings, booleans, dates and timestamps can be read", l)
	}
	switch c.Type().Kind() {
	case parquet.Int32, parquet.Int64:
		switch logical.(type) {
		case *format.DateType, *format.TimestampType:
			return question.String, ""
		}
		return question.Integer, ""
	case parquet.Float, parquet.Double:
		return question.Number, ""
	case parquet.Boolean, parquet.ByteArray, parquet.Int96:
		return question.String, ""
	default:
		return "", "its values are bytes of a fixed length; store them as text"
	}
}

func (p *parquetFile) scan(ctx context.Context, chosen []int, add func(int, Cell) error, unreadable func(int, error)) error {
	b := &budget{size: p.size}
	before := int64(0)                   // rows
	skipped := make([]bool, len(chosen)) // unreadable
	for g := range p.groups {
		group := &p.groups[g]
		if err := b.takeRows(group.NumRows, len(chosen)); err != nil {
			return err
		}
		if group.NumRows == 0 { // some write no pages then
			continue
		}
		for k, at := range chosen {
			if skipped[k] {
				continue
			}
			var refused error // by add
			row := before
			r, err := p.chunk(group, at, b)
			if err == nil {
				err = r.each(ctx, group.NumRows, func(c Cell) error {
					row++
					refused = atRow(row, add(k, c))
					return refused
				})
			}
			switch {
			case err == nil:
			case refused != nil, ctx.Err() != nil:
				return err
			case unreadable == nil:
				return fmt.Errorf("column %s, after row %d: %w", literal.Quote(p.columns[at].Name()), row, err)
			default:
				unreadable(k, fmt.Errorf("after row %d: %w", row, err))
				skipped[k] = true
			}
		}
		before += group.NumRows
	}
	return nil
}

// chunkReader reads the values of a column in one row group.
type chunkReader struct {
	chunk
	layout

	value      func(physical) (Cell, error)
	dictionary []Cell
}

func (p *parquetFile) chunk(group *format.RowGroup, field int, b *budget) (*chunkReader, error) {
	column := p.columns[field]
	at := column.Index()
	if at >= len(group.Columns) {
		return nil, fmt.Errorf("it is damaged: a row group has %d columns", len(group.Columns))
	}
	meta := &group.Columns[at].MetaData
	start := meta.DataPageOffset
	if meta.DictionaryPageOffset > 0 {
		start = min(start, meta.DictionaryPageOffset)
	}
	end := p.size - 8
	_, isNull := p.logical[field].(*format.NullType) // any physical type is valid
	switch {
	case group.Columns[at].FilePath != "":
		return nil, fmt.Errorf("its values are in another file, %s", literal.Quote(group.Columns[at].FilePath))
	case meta.NumValues != group.NumRows:
		return nil, fmt.Errorf("it is damaged: it has %d values in a row group of %d rows", meta.NumValues, group.NumRows)
	case start < int64(len(parquetMagic)) || start > end:
		return nil, fmt.Errorf("it is damaged: it begins at byte %d", start)
	case meta.Type != format.Type(column.Type().Kind()) && !isNull:
		return nil, fmt.Errorf("it is damaged: it has the type %s in one place and %s in another", column.Type().Kind(), meta.Type)
	}
	l, err := layoutOf(meta.Type, int32(column.Type().Length()))
	if err != nil {
		return nil, err
	}
	return &chunkReader{
		chunk:  chunk{r: p.r, budget: b, at: start, end: end, codec: meta.Codec, optional: column.MaxDefinitionLevel() > 0},
		layout: l, value: parquetValues(column, p.logical[field]),
	}, nil
}

// each calls add for each of the values, of which there are as many as rows.
func (r *chunkReader) each(ctx context.Context, rows int64, add func(Cell) error) error {
	for left := rows; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.at >= r.end {
			return fmt.Errorf("it is damaged: it has %d values in a row group of %d rows", rows-left, rows)
		}
		p, err := r.next()
		if err != nil {
			return err
		}
		switch p.kind {
		case format.DictionaryPage:
			err = r.readDictionary(p)
		case format.DataPage, format.DataPageV2:
			if left -= p.values; left < 0 {
				return fmt.Errorf("it is damaged: it has more than %d values in a row group of %d rows", rows, rows)
			}
			err = r.readPage(p, add)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *chunkReader) readDictionary(p *page) error {
	if r.dictionary != nil || p.encoding != format.Plain && p.encoding != plainDictionary {
		return fmt.Errorf("it is damaged: it has a second dictionary, or one with the encoding %s", p.encoding)
	}
	r.dictionary = []Cell{}
	values := plain{r.layout, p.body}
	for range p.values {
		v, err := values.next()
		c := Cell{}
		if err == nil {
			c, err = r.value(v)
		}
		if err != nil {
			return fmt.Errorf("its dictionary: %w", err)
		}
		r.dictionary = append(r.dictionary, c)
	}
	if len(values.left) > 0 {
		return fmt.Errorf("it is damaged: its dictionary has data after its %d entries", p.values)
	}
	return nil
}

// readPage calls add for each value of a data page.
func (r *chunkReader) readPage(p *page, add func(Cell) error) error {
	count := p.values // of present values
	if r.optional {
		count = 0
		levels := p.present
		for range p.values {
			level, err := levels.next()
			if err != nil {
				return err
			}
			count += int64(level)
		}
	}
	if p.kind == format.DataPageV2 && (p.missing != p.values-count || p.rows != p.values) {
		return fmt.Errorf("it is damaged: a page has %d values, %d of them missing, but its header says %d rows and %d missing", p.values, p.values-count, p.rows, p.missing)
	}
	var indices *rle
	var values decoder
	var err error
	if p.encoding == plainDictionary || p.encoding == format.RLEDictionary {
		indices, err = dictionaryIndices(p.body)
	} else {
		values, err = r.decoder(p, count, r.budget)
	}
	if err != nil && count > 0 {
		return err
	}
	for range p.values {
		c := Cell{}
		level := uint32(1)
		if r.optional {
			level, err = p.present.next()
		}
		switch {
		case err != nil || level == 0:
		case indices != nil:
			c, err = r.entry(indices)
		default:
			var v physical
			if v, err = values.next(); err == nil {
				c, err = r.value(v)
			}
		}
		if err == nil {
			err = r.budget.takeText(c)
		}
		if err != nil {
			return err
		}
		if err := add(c); err != nil {
			return err
		}
	}
	var read interface{ rest() []byte } = values
	if indices != nil {
		read = indices
	}
	over := r.optional && (p.present.hasMore() || len(p.present.left) > 0)
	if count > 0 { // for a page without values some programs write something, and others nothing
		runs, ok := read.(interface{ hasMore() bool })
		rest := read.rest()
		over = over || ok && runs.hasMore() || len(rest) > 0 && (p.kind != format.DataPage || string(rest) != fastparquetEnd)
	}
	if over {
		return fmt.Errorf("it is damaged: a page has data after its %d values", p.values)
	}
	return nil
}

// fastparquetEnd is what fastparquet writes after the values of a version 1 page.
const fastparquetEnd = "\x00\x00\x00\x00\x00\x00\x00\x00"

// plainDictionary is the encoding that older files use both for a dictionary and for
// indices into it.
const plainDictionary format.Encoding = 2

func dictionaryIndices(body []byte) (*rle, error) {
	if len(body) == 0 {
		return nil, errPageTruncated
	}
	if body[0] > 32 {
		return nil, fmt.Errorf("it is damaged: indices of %d bits", body[0])
	}
	return &rle{left: body[1:], width: uint(body[0])}, nil
}

// entry returns the dictionary entry of the next index.
func (r *chunkReader) entry(indices *rle) (Cell, error) {
	at, err := indices.next()
	if err != nil {
		return Cell{}, err
	}
	if int64(at) >= int64(len(r.dictionary)) {
		return Cell{}, fmt.Errorf("it is damaged: the index %d is outside a dictionary of %d entries", at, len(r.dictionary))
	}
	return r.dictionary[at], nil
}

// parquetValues returns a function that converts the present values of a column that
// parquetKind accepts.
func parquetValues(c *parquet.Column, logical format.LogicalTypeValue) func(physical) (Cell, error) {
	kind := c.Type().Kind()
	always := func(read func(physical) Cell) func(physical) (Cell, error) {
		return func(v physical) (Cell, error) { return read(v), nil }
	}
	switch l := logical.(type) {
	case *format.NullType:
		return always(func(physical) Cell { return Cell{} })
	case *format.DecimalType:
		if kind == parquet.Int32 || kind == parquet.Int64 {
			return always(func(v physical) Cell { return decimalCell(v.bits, l.Scale) })
		}
		return func(v physical) (Cell, error) { return bigDecimal(v.bytes, l.Scale) }
	case *format.DateType:
		return always(func(v physical) Cell {
			return textCell(time.Unix(v.bits*24*60*60, 0).UTC().Format(time.DateOnly))
		})
	case *format.TimestampType:
		unit := l.Unit.Value.Duration()
		return always(func(v physical) Cell { return timeCell(sinceEpoch(v.bits, unit)) })
	case *format.Float16Type:
		return always(func(v physical) Cell { return halfCell(binary.LittleEndian.Uint16(v.bytes)) })
	case *format.IntType:
		if !l.IsSigned && kind == parquet.Int32 {
			return always(func(v physical) Cell { return integerCell(int64(uint32(v.bits))) })
		}
		if !l.IsSigned {
			return always(func(v physical) Cell { return unsignedCell(uint64(v.bits)) })
		}
	}
	switch kind {
	case parquet.Boolean:
		return always(func(v physical) Cell { return boolCell(v.bits != 0) })
	case parquet.Int32, parquet.Int64:
		return always(func(v physical) Cell { return integerCell(v.bits) })
	case parquet.Float:
		return always(func(v physical) Cell { return numberCell(float64(math.Float32frombits(uint32(v.bits)))) })
	case parquet.Double:
		return always(func(v physical) Cell { return numberCell(math.Float64frombits(uint64(v.bits))) })
	case parquet.Int96: // nanoseconds of the day, then the Julian day
		return always(func(v physical) Cell {
			const epoch = 2440588 // 1970-01-01
			nanos, day := int64(binary.LittleEndian.Uint64(v.bytes)), int64(int32(binary.LittleEndian.Uint32(v.bytes[8:])))
			return timeCell(time.Unix((day-epoch)*24*60*60, nanos))
		})
	default:
		return always(func(v physical) Cell { return textCell(unsafe.String(unsafe.SliceData(v.bytes), len(v.bytes))) })
	}
}

// sinceEpoch is the time n units after 1970-01-01.
func sinceEpoch(n int64, unit time.Duration) time.Time {
	second := int64(time.Second / unit)
	return time.Unix(n/second, n%second*int64(unit))
}
