package dataset

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/testfiles"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func two(kind question.Type) *Descriptor {
	return &Descriptor{Name: "two", Columns: []Column{
		{Name: "x", Type: kind, Role: question.RoleDimension}, {Name: "n", Type: question.Integer, Role: question.RoleMeasure},
	}}
}

func openBytes(t testing.TB, b []byte, d *Descriptor) (*Dataset, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), path, d)
}

func values(c *question.Column) string {
	var out []string
	for i := range c.Len() {
		out = append(out, sprint(c.Value(i)))
	}
	return strings.Join(out, " ")
}

func TestArrowOfOtherTools(t *testing.T) {
	dict := func(index, value arrow.DataType) arrow.DataType {
		return &arrow.DictionaryType{IndexType: index, ValueType: value}
	}
	for _, c := range []struct {
		kind arrow.DataType
		as   question.Type
		json string
		want string // or the error
	}{
		{arrow.PrimitiveTypes.Int8, question.Integer, `[-128, null, 127]`, "-128 <nil> 127"},
		{arrow.PrimitiveTypes.Int16, question.Number, `[-3, null, 4]`, "-3 <nil> 4"},
		{arrow.PrimitiveTypes.Int32, question.String, `[10, null, 9]`, "10 <nil> 9"},
		{arrow.PrimitiveTypes.Uint32, question.Integer, `[4294967295, 1]`, "4294967295 1"},
		{arrow.PrimitiveTypes.Uint64, question.Integer, `[1, 18446744073709551615]`, `row 2: column "x": "18446744073709551615" is too large for an integer`},
		{arrow.FixedWidthTypes.Float16, question.Number, `[0.5, null]`, "0.5 <nil>"},
		{arrow.PrimitiveTypes.Float32, question.Number, `[0.5, null, 2]`, "0.5 <nil> 2"},
		{arrow.PrimitiveTypes.Float64, question.Integer, `[3, 4.5]`, `row 2: column "x": 4.5 is not an integer; correct it`},
		{arrow.PrimitiveTypes.Float64, question.Integer, `[3, null, -4]`, "3 <nil> -4"},
		{&arrow.Decimal128Type{Precision: 10, Scale: 2}, question.Number, `["12.34", null]`, "12.34 <nil>"},
		{arrow.BinaryTypes.String, question.String, `["é", null, ""]`, "é <nil> <nil>"},
		{arrow.BinaryTypes.LargeString, question.String, `["b", "a"]`, "b a"},
		{arrow.BinaryTypes.StringView, question.String, `["a text of more than twelve bytes", null]`, "a text of more than twelve bytes <nil>"},
		{arrow.BinaryTypes.String, question.Number, `["1.5", "x"]`, `row 2: column "x": "x" is not a number; correct it, leave it empty`},
		{arrow.FixedWidthTypes.Boolean, question.String, `[true, null, false]`, "true <nil> false"},
		{arrow.FixedWidthTypes.Date32, question.String, `["2024-02-29", null]`, "2024-02-29 <nil>"},
		{arrow.FixedWidthTypes.Date32, question.Integer, `["2024-02-29"]`, `"2024-02-29" is not an integer; correct it, leave it empty, or give the column another type`},
		{&arrow.TimestampType{Unit: arrow.Millisecond}, question.String, `["2024-02-29 01:02:03.500", null]`, "2024-02-29T01:02:03.5Z <nil>"},
		{arrow.Null, question.Number, `[null, null]`, "<nil> <nil>"},
		{dict(arrow.PrimitiveTypes.Uint8, arrow.BinaryTypes.String), question.String, `["b", null, "a", "b"]`, "b <nil> a b"},
		{dict(arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64), question.Number, `[1.5, null, 1.5]`, "1.5 <nil> 1.5"},
		{arrow.ListOf(arrow.PrimitiveTypes.Int64), question.Integer, `[[1], null]`, `column "x": its type is list<item: int64, nullable>; integers, floats, decimals, strings,`},
		{arrow.BinaryTypes.Binary, question.String, `["YQ=="]`, `its type is binary`},
		{arrow.FixedWidthTypes.Time32s, question.String, `["01:02:03"]`, `its type is time32[s]`},
	} {
		for _, form := range []string{"file", "stream", "compressed"} {
			t.Run(fmt.Sprint(c.kind, " as ", c.as, " ", form), func(t *testing.T) {
				var opts []ipc.Option
				if form == "compressed" {
					opts = []ipc.Option{ipc.WithZstd()}
				}
				ds, err := openBytes(t, testfiles.Arrow(t, c.kind, c.json, form == "stream", opts...), two(c.as))
				if err != nil {
					if !strings.Contains(err.Error(), c.want) {
						t.Errorf("%v\nwant %s", err, c.want)
					}
					return
				}
				checkCanonical(t, ds)
				if got := values(&ds.Columns()[0]); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		}
	}
}

func parquetOf[T any](t testing.TB, rows []T, opts ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, opts...)
	for _, r := range rows {
		if _, err := w.Write([]T{r}); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // a row group each
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type parquetRow struct {
	I32     int32     `parquet:"i32"`
	U32     uint32    `parquet:"u32"`
	I64     *int64    `parquet:"i64,optional,zstd"`
	F32     float32   `parquet:"f32,snappy"`
	F64     *float64  `parquet:"f64,optional,split"`
	Text    string    `parquet:"text,dict,gzip"`
	Delta   string    `parquet:"delta,delta"`
	Yes     bool      `parquet:"yes"`
	Day     int32     `parquet:"day,date"`
	Moment  time.Time `parquet:"moment,timestamp(microsecond)"`
	Price   int64     `parquet:"price,decimal(2:12)"`
	Tags    []string  `parquet:"tags,list"`
	Key     [16]byte  `parquet:"key,uuid"`
	Between int32     `parquet:"between,time(millisecond)"`
}

func parquetRows() []parquetRow {
	at := time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)
	return []parquetRow{
		{I32: -1, U32: math.MaxUint32, I64: new(int64(7)), F32: 0.5, F64: new(1.25), Text: "b", Delta: "x", Yes: true, Day: 19782, Moment: at, Price: -1234, Tags: []string{"a"}},
		{I32: 2, U32: 1, F32: 1, F64: new(math.NaN()), Text: "a", Delta: "", Day: -1, Moment: at.Add(-100 * 365 * 24 * time.Hour), Price: 5},
	}
}

func TestParquet(t *testing.T) {
	file := parquetOf(t, parquetRows())
	for _, c := range []struct {
		column string
		as     question.Type
		want   string
	}{
		{"i32", question.Integer, "-1 2"},
		{"u32", question.Integer, "4294967295 1"},
		{"i64", question.Integer, "7 <nil>"},
		{"f32", question.Number, "0.5 1"},
		{"f64", question.Number, "1.25 <nil>"},
		{"text", question.String, "b a"},
		{"delta", question.String, "x <nil>"},
		{"yes", question.String, "true false"},
		{"day", question.String, "2024-02-29 1969-12-31"},
		{"moment", question.String, "2024-02-29T01:02:03.000004Z 1924-03-25T01:02:03.000004Z"},
		{"price", question.Number, "-12.34 0.05"},
		{"f32", question.Integer, `row 1: column "f32": 0.5 is not an integer`},
		{"text", question.Number, `row 1: column "text": "b" is not a number`},
		{"tags", question.String, `column "tags": it holds lists or structures`},
		{"key", question.String, `column "key": its type is UUID`},
		{"between", question.String, `column "between": its type is TIME`},
		{"nowhere", question.String, `the header lacks "nowhere"; it has "i32", `},
	} {
		t.Run(c.column+" as "+string(c.as), func(t *testing.T) {
			d := &Descriptor{Name: "p", Columns: []Column{{Name: c.column, Type: c.as, Role: question.RoleDimension}, {Name: "m", Header: "i32", Type: question.Integer, Role: question.RoleMeasure}}}
			if c.column == "i32" {
				d.Columns[1].Header = "u32"
			}
			ds, err := openBytes(t, file, d)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v\nwant %s", err, c.want)
				}
				return
			}
			checkCanonical(t, ds)
			if got := values(&ds.Columns()[0]); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A list in a footer claims two thousand million entries.
func TestParquetFooterThatLies(t *testing.T) {
	footer := []byte{0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0}
	b := append([]byte("PAR1"), footer...)
	b = append(b, byte(len(footer)), 0, 0, 0)
	b = append(b, "PAR1"...)
	if _, err := openBytes(t, b, two(question.String)); err == nil || !strings.Contains(err.Error(), "its footer is damaged") {
		t.Error(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"short":     {"PAR1", "too few for a Parquet file"},
		"cut off":   {"PAR1" + strings.Repeat("x", 100), "is it truncated?"},
		"long":      {"PAR1xxxx\xff\xff\xff\x7fPAR1", "impossible length"},
		"encrypted": {"PAR1xxxx\x04\x00\x00\x00PARE", "it is encrypted"},
		"stream":    {"\xff\xff\xff\xff\xff\xff\xff\x7f", "it is not a valid Arrow file"},
	} {
		if _, err := openBytes(t, []byte(c.file), two(question.String)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestIntegersBeyondNumbers: an integer that no float64 equals is kept as an integer, or
// refused where it would have to be a number.
func TestIntegersBeyondNumbers(t *testing.T) {
	const large = `[9007199254740992, 9007199254740993]`
	for _, c := range []struct {
		kind arrow.DataType
		as   question.Type
		json string
		want string
	}{
		{arrow.PrimitiveTypes.Int64, question.Integer, large, "9007199254740992 9007199254740993"},
		{arrow.PrimitiveTypes.Int64, question.String, large, "9007199254740992 9007199254740993"},
		{arrow.PrimitiveTypes.Int64, question.Number, large, `row 2: column "x": "9007199254740993" cannot be stored exactly as a number`},
		{arrow.PrimitiveTypes.Uint64, question.Number, `[1, 18446744073709551615]`, `row 2: column "x": "18446744073709551615" cannot be stored exactly`},
		{arrow.PrimitiveTypes.Int64, question.Number, `[4611686018427387904, -9223372036854775808]`, "4.611686018427388e+18 -9.223372036854776e+18"},
	} {
		ds, err := openBytes(t, testfiles.Arrow(t, c.kind, c.json, false), two(c.as))
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			continue
		}
		if got := values(&ds.Columns()[0]); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	d := &Descriptor{Name: "m", Roles: &Roles{Group: "g"}, Columns: []Column{
		{Name: "g", Type: question.String, Role: question.RoleDimension}, {Name: "v", Type: question.Integer, Role: question.RoleMeasure},
	}}
	for last, want := range map[int64]string{1 << 62: "", 1<<62 + 1: `column "v": row 2: "4611686018427387905" cannot be stored exactly as a number`} {
		_, err := Build(d, []question.Column{
			{Name: "g", Type: question.String, Codes: []int32{0, 0}, Dict: []string{"a"}}, {Name: "v", Type: question.Integer, Integers: []int64{1, last}},
		})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
