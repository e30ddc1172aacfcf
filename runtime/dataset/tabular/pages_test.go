//go:build linux

package tabular

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// TestPagesGoOn reads pages of which something follows after the values that the header
// says: levels in a column that can have none, for example, which would be taken for values.
func TestPagesGoOn(t *testing.T) {
	words := func(values ...uint32) (b []byte) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	long := func(b ...byte) []byte { return join(words(uint32(len(b))), b) } // behind its length
	second := func(p page) page {
		p.kind, p.rows = format.DataPageV2, p.values
		return p
	}
	of := func(values int64, e format.Encoding, body []byte) page {
		return page{pageHeader: pageHeader{kind: format.DataPage, values: values, encoding: e, levels: format.RLE}, body: body}
	}
	twoPresent := []byte{2 << 1, 1} // a run of two
	for name, c := range map[string]struct {
		kind     format.Type
		optional bool
		page     page
		over     []byte // what must not follow
	}{
		"integers":         {format.Int32, false, of(2, format.Plain, words(1, 2)), words(3)},
		"a byte":           {format.Int64, false, of(1, format.Plain, words(1, 2)), []byte{0}},
		"texts":            {format.ByteArray, false, of(2, format.Plain, join(long('a'), long('b'))), long('c')},
		"fixed bytes":      {format.FixedLenByteArray, false, of(1, format.Plain, []byte("abc")), []byte("d")},
		"INT96":            {format.Int96, false, of(1, format.Plain, make([]byte, 12)), words(1)},
		"booleans":         {format.Boolean, false, of(8, format.Plain, []byte{255}), []byte{1}},
		"runs of booleans": {format.Boolean, false, of(2, format.RLE, long(2<<1, 1)), []byte{2 << 1, 1}},
		"differences":      {format.Int32, false, of(1, format.DeltaBinaryPacked, []byte{128, 1, 4, 1, 14}), []byte{0}},
		"lengths":          {format.ByteArray, false, of(1, format.DeltaLengthByteArray, []byte{128, 1, 4, 1, 2, 'a'}), []byte{'b'}},
		"prefixes":         {format.ByteArray, false, of(1, format.DeltaByteArray, []byte{128, 1, 4, 1, 0, 128, 1, 4, 1, 2, 'a'}), []byte{'b'}},
		"split":            {format.Float, false, of(1, format.ByteStreamSplit, words(1)), words(2)},
		"indices":          {format.Int32, false, of(2, format.RLEDictionary, []byte{1, 2 << 1, 0}), []byte{1 << 1, 0}},
		"groups":           {format.Int32, false, of(2, format.RLEDictionary, []byte{1, 1<<1 | 1, 2}), []byte{1<<1 | 1, 2}},
		"gaps":             {format.Int32, true, of(2, format.Plain, join(long(twoPresent...), words(1, 2))), words(3)},
		"second version":   {format.Int32, false, second(of(2, format.Plain, words(1, 2))), words(3)},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(over []byte) (count int, err error) {
				l, err := layoutOf(c.kind, 3)
				if err != nil {
					t.Fatal(err)
				}
				p := c.page
				body := join(p.body, over)
				p.unpacked = int64(len(body))
				r := &chunkReader{
					chunk: chunk{budget: &budget{size: 100}, optional: c.optional}, layout: l, dictionary: make([]Cell, 2),
					value: func(physical) (Cell, error) { return Cell{}, nil },
				}
				if err := p.unpack(body, &r.chunk); err != nil {
					return 0, err
				}
				err = r.readPage(&p, func(Cell) error { count++; return nil })
				return count, err
			}
			if count, err := read(nil); err != nil || int64(count) != c.page.values {
				t.Errorf("without it: %d values, %v", count, err)
			}
			if _, err := read(c.over); err == nil || !strings.Contains(err.Error(), "it is damaged") {
				t.Errorf("with it: %v", err)
			}
		})
	}
}

// TestLevelsGoOn reads definition levels of more values than the page has, or of others
// than a header of version 2 counts.
func TestLevelsGoOn(t *testing.T) {
	first := func(levels ...byte) []byte {
		b := append(binary.LittleEndian.AppendUint32(nil, uint32(len(levels))), levels...)
		return append(b, make([]byte, 8)...) // two integers
	}
	second := func(levels ...byte) []byte { return append(levels, make([]byte, 8)...) }
	v1 := pageHeader{kind: format.DataPage, values: 3, levels: format.RLE}
	v2 := pageHeader{kind: format.DataPageV2, values: 3, rows: 3, missing: 1, levelBytes: 2}
	longer, rows, missing := v2, v2, v2
	longer.levelBytes, rows.rows, missing.missing = 4, 2, 0
	for name, c := range map[string]struct {
		header pageHeader
		body   []byte
		want   string
	}{
		"right":                    {v1, first(1<<1|1, 6), ""},
		"right, of version 2":      {v2, second(1<<1|1, 6), ""},
		"another run":              {v1, first(1<<1|1, 6, 1<<1, 1), "has data after its 3 values"},
		"right, as DuckDB pads":    {v1, first(2<<1|1, 6, 0), ""},
		"right, of fastparquet":    {v1, append(first(1<<1|1, 6), make([]byte, 8)...), ""},
		"an integer more":          {v1, append(first(1<<1|1, 6), make([]byte, 4)...), "has data after its 3 values"},
		"fastparquet, version 2":   {v2, append(second(1<<1|1, 6), make([]byte, 8)...), "has data after its 3 values"},
		"another group":            {v1, first(1<<1|1, 6, 1<<1|1, 0), "has data after its 3 values"},
		"a longer run":             {v1, first(1<<1, 0, 3<<1, 1), "has data after its 3 values"},
		"above the highest":        {v1, first(3<<1, 2), "more than 1 bits"},
		"cut off":                  {v1, first(2<<1, 1), "ends before its last value"},
		"another run, version 2":   {longer, second(1<<1|1, 6, 1<<1, 1), "has data after its 3 values"},
		"other rows, version 2":    {rows, second(1<<1|1, 6), "its header says 2 rows"},
		"other missing, version 2": {missing, second(1<<1|1, 6), "its header says 3 rows and 0 missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &page{pageHeader: c.header}
			p.unpacked = int64(len(c.body))
			r := &chunkReader{
				chunk: chunk{budget: &budget{size: 100}, optional: true}, layout: layout{format.Int32, 4},
				value: func(physical) (Cell, error) { return Cell{}, nil },
			}
			err := p.unpack(c.body, &r.chunk)
			if err == nil {
				err = r.readPage(p, func(Cell) error { return nil })
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestRowGroupsCount reads row groups that have no rows, or other values than rows.
func TestRowGroupsCount(t *testing.T) {
	read := func(b []byte) error {
		f, err := openParquet(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return f.Scan(t.Context(), []int{0, 1}, func(int, Cell) error { return nil }, nil)
	}
	one := DataPage(1, format.Plain, 4, make([]byte, 4))
	if err := read(RawParquet(t, format.Int32, 0, 1, 1, one)); err != nil {
		t.Error(err)
	}
	b := RawParquet(t, format.Int32, 0, 1, 1, one)
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	start := len(b) - 8 - n
	for name, c := range map[string]struct {
		change func(*format.RowGroup)
		want   string
	}{
		"more values": {func(g *format.RowGroup) { g.Columns[0].MetaData.NumValues = 2 }, "has 2 values in a row group of 1 rows"},
		"no rows": {func(g *format.RowGroup) {
			g.NumRows = 0
			for i := range g.Columns {
				g.Columns[i].MetaData.NumValues, g.Columns[i].MetaData.DataPageOffset = 0, 0 // as pyarrow writes it
			}
		}, ""},
	} {
		var meta format.FileMetaData
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), b[start:len(b)-8], &meta); err != nil {
			t.Fatal(err)
		}
		c.change(&meta.RowGroups[0])
		meta.NumRows = meta.RowGroups[0].NumRows
		footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
		if err != nil {
			t.Fatal(err)
		}
		changed := append(bytes.Clone(b[:start]), footer...)
		changed = append(binary.LittleEndian.AppendUint32(changed, uint32(len(footer))), parquetMagic...)
		if err := read(changed); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
