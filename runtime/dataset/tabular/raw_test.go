package tabular

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// RawPage is a page of a file, whatever its header claims.
type RawPage struct {
	format.PageHeader

	Body []byte
}

func DataPage(values int32, encoding format.Encoding, unpacked int, body []byte) RawPage {
	return RawPage{format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(unpacked), CompressedPageSize: int32(len(body)),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}),
	}, body}
}

// RawParquet is a file of two required columns, both made of the same pages, in some row
// groups that share them.
func RawParquet(t testing.TB, kind format.Type, codec format.CompressionCodec, rows int64, groups int, pages ...RawPage) []byte {
	t.Helper()
	marshal := func(v any) []byte {
		b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := []byte(parquetMagic)
	for _, p := range pages {
		b = append(append(b, marshal(&p.PageHeader)...), p.Body...)
	}
	leaf := func(name string) format.SchemaElement {
		return format.SchemaElement{Name: name, Type: thrift.New(kind), RepetitionType: thrift.New(format.Required)}
	}
	meta := format.FileMetaData{Version: 1, Schema: []format.SchemaElement{{Name: "root", NumChildren: thrift.New(int32(2))}, leaf("a"), leaf("b")}, NumRows: rows * int64(groups)}
	for range groups {
		group := format.RowGroup{NumRows: rows}
		for _, name := range []string{"a", "b"} {
			group.Columns = append(group.Columns, format.ColumnChunk{MetaData: format.ColumnMetaData{
				Type: kind, Codec: codec, PathInSchema: []string{name}, NumValues: rows, DataPageOffset: 4, TotalCompressedSize: int64(len(b) - 4),
			}})
		}
		meta.RowGroups = append(meta.RowGroups, group)
	}
	footer := marshal(&meta)
	b = binary.LittleEndian.AppendUint32(append(b, footer...), uint32(len(footer)))
	return append(b, parquetMagic...)
}

// TestRawParquetIsParquet guards the builder of the hostile files: what it makes of honest
// pages can be read, by the library too.
func TestRawParquetIsParquet(t *testing.T) {
	b := RawParquet(t, format.Int64, 0, 2, 3, DataPage(2, format.Plain, 16, []byte("\x07\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00")))
	rows, err := parquet.Read[struct{ A, B int64 }](bytes.NewReader(b), int64(len(b)))
	if err != nil || len(rows) != 6 {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestConstantColumn reads a legitimate file that is small for what it holds: a million
// rows of one value.
func TestConstantColumn(t *testing.T) {
	page := DataPage(1e6, format.RLEDictionary, 5, append(binary.AppendUvarint([]byte{1}, 1e6<<1), 0))
	dictionary := RawPage{format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: 8, CompressedPageSize: 8,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.Plain}),
	}, []byte{7, 0, 0, 0, 0, 0, 0, 0}}
	b := RawParquet(t, format.Int64, 0, 1e6, 1, dictionary, page)
	columns, err := openParquet(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	if err := columns.Scan(t.Context(), []int{0, 1}, func(_ int, c Cell) error { sum += c.Integer; return nil }, nil); err != nil || sum != 14e6 {
		t.Errorf("%v, %v", sum, err)
	}
}
