package dataset

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func arrowBytes(t testing.TB, d *Dataset) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteArrow(&b, d); err != nil {
		t.Fatal(err)
	}
	out := memory.DefaultAllocator.Allocate(b.Len())
	copy(out, b.Bytes())
	return out
}

// few returns a dataset of the descriptor of tinyYAML with something missing
// everywhere.
func few(t testing.TB) *Dataset {
	t.Helper()
	ds, err := Build(tiny(t), columnsOf([][3]any{
		{"b", 1.5, int64(1)}, {nil, nil, int64(2)}, {"a", -2.5, nil}, {"c", 3.0, int64(4)}, {"b", nil, int64(5)},
		{"a", 6.0, int64(6)}, {"a", 7.0, int64(7)}, {"b", 8.0, int64(8)}, {"b", 9.0, int64(9)}, {"c", 10.0, int64(10)},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func TestArrowIsZeroCopy(t *testing.T) {
	for rows := range 70 {
		ds := cdcDataset(t, rows)
		b := arrowBytes(t, ds)
		back, err := ReadArrow(b)
		if err != nil {
			t.Fatalf("%d rows: %v", rows, err)
		}
		mustEqual(t, back, ds)
		if rows == 0 {
			continue
		}
		year, _ := back.Column("year")
		before := year.Integers[0]
		for i := range b {
			b[i] = ^b[i]
		}
		if year.Integers[0] != ^before {
			t.Fatalf("%d rows: the column is a copy", rows)
		}
		if q, _ := back.Column("question"); !strings.HasPrefix(q.Dict[0], "Percent") {
			t.Fatalf("%d rows: the strings are not a copy: %q", rows, q.Dict[0])
		}
	}
}

func TestArrowAtAnyAddress(t *testing.T) {
	ds := cdcDataset(t, 100)
	b := arrowBytes(t, ds)
	for shift := 1; shift < 9; shift++ {
		moved := memory.DefaultAllocator.Allocate(len(b) + shift)[shift:]
		copy(moved, b)
		back, err := ReadArrow(moved)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, back, ds)
	}
}

func TestArrowBytesAreReproducible(t *testing.T) {
	ds := cdcDataset(t, 100)
	if !bytes.Equal(arrowBytes(t, ds), arrowBytes(t, ds)) {
		t.Error("the same dataset was written differently")
	}
}

// TestArrowToolsOpenIt reads a file with the Arrow library, which knows nothing of
// datasets.
func TestArrowToolsOpenIt(t *testing.T) {
	ds := few(t)
	r, err := ipc.NewFileReader(bytes.NewReader(arrowBytes(t, ds)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.NumRecords() != 1 {
		t.Fatalf("%d batches, want 1", r.NumRecords())
	}
	batch, err := r.RecordBatch(0)
	if err != nil {
		t.Fatal(err)
	}
	if batch.NumRows() != int64(ds.Rows()) || int(batch.NumCols()) != len(ds.columns) {
		t.Fatalf("%d rows, %d columns", batch.NumRows(), batch.NumCols())
	}
	for i := range ds.columns {
		c := &ds.columns[i]
		if batch.ColumnName(i) != c.Name {
			t.Errorf("column %d is %s, want %s", i, batch.ColumnName(i), c.Name)
		}
		for row := range ds.Rows() {
			var got any
			switch column := batch.Column(i); {
			case column.IsNull(row):
			case c.Type == question.Number:
				got = column.(*array.Float64).Value(row)
			case c.Type == question.Integer:
				got = column.(*array.Int64).Value(row)
			default:
				d := column.(*array.Dictionary)
				got = d.Dictionary().(*array.String).Value(d.GetValueIndex(row))
			}
			if got != c.Value(row) {
				t.Errorf("row %d, %s: %v, want %v", row, c.Name, got, c.Value(row))
			}
		}
	}
	meta := r.Schema().Metadata()
	if got, _ := meta.GetValue(arrowmeta.MetaDigest); got != ds.Digest() {
		t.Errorf("digest %s, want %s", got, ds.Digest())
	}
	if got, _ := r.Schema().Field(1).Metadata.GetValue("unit"); got != "%" {
		t.Errorf("unit of value: %q", got)
	}
}

// corrupt returns the file with one thing changed that a hostile author could
// change, the library's own writer doing the work.
func corrupt(t *testing.T, edit func(*Dataset)) []byte {
	t.Helper()
	ds := few(t)
	edit(ds)
	return arrowBytes(t, ds)
}

func TestHostileArrow(t *testing.T) {
	column := func(name string, edit func(*question.Column)) []byte {
		return corrupt(t, func(d *Dataset) {
			c, _ := d.Column(name)
			edit(c)
		})
	}
	good := arrowBytes(t, few(t))
	if _, err := ReadArrow(good); err != nil {
		t.Fatal(err)
	}
	replace := func(old, now string) []byte {
		if !bytes.Contains(good, []byte(old)) || len(old) != len(now) {
			t.Fatalf("cannot replace %q", old)
		}
		return bytes.ReplaceAll(good, []byte(old), []byte(now))
	}
	footer := func(length uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[len(b)-arrowmeta.Trailer:], length)
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "does not start like an Arrow file"},
		{"only a magic", []byte("ARROW1"), "is it truncated?"},
		{"only magics", []byte("ARROW1\x00\x00\x00\x00\x00\x00ARROW1"), "its footer claims an impossible length of 0 bytes"},
		{"truncated", good[:len(good)/2], "is it truncated?"},
		{"cut in the middle", append(bytes.Clone(good[:200]), good[400:]...), "arrow file:"},
		{"footer of no length", footer(0), "impossible length of 0 bytes"},
		{"footer of all lengths", footer(math.MaxUint32), "impossible length of 4294967295 bytes"},
		{"footer larger than the file", footer(uint32(len(good))), "impossible length"},
		{"code above the dictionary", column("place", func(c *question.Column) { c.Codes[5] = 3 }), `column "place": row 5 has the code 3; the dictionary has 3 entries`},
		{"code below it", column("place", func(c *question.Column) { c.Codes[5] = -1 }), "row 5 has the code -1"},
		{"dictionary out of order", column("place", func(c *question.Column) { c.Dict[0], c.Dict[1] = "b", "a" }), `entry 1, "a", does not sort after "b"`},
		{"dictionary with a repetition", column("place", func(c *question.Column) { c.Dict[0] = "b" }), `entry 1, "b", does not sort after "b"`},
		{"dictionary with an empty string", column("place", func(c *question.Column) { c.Dict[0] = "" }), "entry 0 is empty"},
		{"dictionary with an entry too many", column("place", func(c *question.Column) { c.Dict = append(c.Dict, "d") }), `the dictionary entry 3, "d", is not used by any row`},
		{"dictionary not in UTF-8", column("place", func(c *question.Column) { c.Dict[2] = "\xff" }), `"\xff", is not UTF-8`},
		{"unsorted", column("place", func(c *question.Column) { c.Codes[8], c.Codes[9] = 2, 1 }), "row 9 is out of order"},
		{"missing rows not first", column("place", func(c *question.Column) { c.Valid[0] ^= 3 }), "row 0 is out of order"},
		{"missing row with a code", column("place", func(c *question.Column) { c.Codes[0] = 2 }), "row 0 is missing but holds a value"},
		{"missing row with a number", column("value", func(c *question.Column) { c.Numbers[0] = 4 }), `column "value": row 0 is missing but holds a value`},
		{"missing row with an integer", column("count", func(c *question.Column) { c.Valid[0] &^= 1 }), "row 0 is missing but holds a value"},
		{"NaN", column("value", func(c *question.Column) { c.Numbers[1] = math.NaN() }), "row 1 is NaN; numbers must be finite"},
		{"infinite", column("value", func(c *question.Column) { c.Numbers[1] = math.Inf(-1) }), "row 1 is -Inf"},
		{"bitmap with more bits", column("value", func(c *question.Column) { c.Valid[1] |= 0x80 }), "its validity bitmap has bits after the last row"},
		{"another format", replace(arrowmeta.MetaFormat, "lestats.farmat"), "it was not made by `lestats data build`"},
		{"invalid digest", replace("sha256:", "sha255:"), "\"lestats.digest\" is \"sha255:"},
		{"invalid descriptor", replace(`"role":"measure"`, `"role":"measles"`), `descriptor: columns[1].role: "measles" is not a role`},
		{"descriptor with another column", replace(`"name":"count"`, `"name":"coumt"`), `column "coumt": the schema names it "count"`},
		{"descriptor with another type", replace(`"type":"integer"`, `"type":"number" `), "a number must be stored as float64, int64, or a dictionary"},
		{"descriptor with an unknown key", replace(`"unit":"%"`, `"uhit":"%"`), "unknown field"},
		{"foreign file", foreign(t), "it was not made by `lestats data build`"},
		{"compressed", compressed(t), "it is compressed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadArrow(c.file)
			if err == nil || !strings.HasPrefix(err.Error(), "arrow file: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

// foreign returns an Arrow file of another program.
func foreign(t *testing.T) []byte {
	return writeBatch(t, nil)
}

// compressed returns few's file as another program would write it.
func compressed(t *testing.T) []byte {
	r, err := ipc.NewFileReader(bytes.NewReader(arrowBytes(t, few(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	batch, err := r.RecordBatch(0)
	if err != nil {
		t.Fatal(err)
	}
	return writeBatch(t, batch, ipc.WithZstd())
}

func writeBatch(t *testing.T, batch arrow.RecordBatch, opts ...ipc.Option) []byte {
	t.Helper()
	if batch == nil {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil))
		defer b.Release()
		b.Field(0).(*array.Int64Builder).Append(1)
		batch = b.NewRecordBatch()
	}
	var out bytes.Buffer
	w, err := ipc.NewFileWriter(&out, append(opts, ipc.WithSchema(batch.Schema()))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(batch), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDamagedArrow changes every byte of a file, and cuts it everywhere: each
// time it is refused, or what is read keeps all promises. Verify finds out when a
// value was changed.
func TestDamagedArrow(t *testing.T) {
	ds := few(t)
	good := arrowBytes(t, ds)
	for i := range good {
		if _, err := ReadArrow(good[:i]); err == nil {
			t.Fatalf("cut at %d: accepted", i)
		}
	}
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			d, err := ReadArrow(bad)
			if err != nil {
				continue
			}
			checkCanonical(t, d)
			if err := d.Verify(); err == nil && d.Digest() == ds.Digest() {
				mustEqual(t, d, ds)
			}
		}
	}
}

func FuzzReadArrow(f *testing.F) {
	f.Add(arrowBytes(f, few(f))) // small: the fuzzer shrinks what it finds byte by byte
	f.Add([]byte("ARROW1\x00\x00ARROW1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ReadArrow(b)
		if err != nil {
			return
		}
		checkCanonical(t, d)
	})
}

func TestOpen(t *testing.T) {
	ds := few(t)
	folder := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ctx := context.Background()
	t.Run("Arrow, whatever its name", func(t *testing.T) {
		got, err := Open(ctx, write("a.csv", arrowBytes(t, ds)), nil)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, got, ds)
		place, _ := got.Column("place")
		dict := place.Dict
		for range 2 {
			if err := got.Close(); err != nil {
				t.Error(err)
			}
		}
		if fmt.Sprint(dict) != "[a b c]" {
			t.Errorf("after Close the strings are %q", dict)
		}
	})
	t.Run("CSV, whatever its name", func(t *testing.T) {
		got, err := Open(ctx, write("a.arrow", []byte("place,value,count\na,1,2\n")), tiny(t))
		if err != nil {
			t.Fatal(err)
		}
		if r := rows(t, got); r != "a|1|2\n" {
			t.Error(r)
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct{ name, path, want string }{
		{"not there", filepath.Join(folder, "nowhere"), "no such file"},
		{"a folder", folder, "is a folder; a dataset is a single file"},
		{"empty", write("empty", nil), "the file is empty"},
		{"gzip", write("x.csv.gz", []byte("\x1f\x8b\x08.....")), "this is a gzip file: `gunzip -c < FILE > NEW`, then try again with NEW"},
		{"bad CSV", write("bad.csv", []byte("place,value,count\na,x,1\n")), `line 2 (row 1): column "value": "x" is not a number`},
		{"damaged Arrow", write("bad.arrow", arrowBytes(t, ds)[:500]), "is it truncated?"},
		{"changed Arrow", write("changed.arrow", corrupt(t, func(d *Dataset) { d.columns[1].Numbers[1] = 42 })), "it was changed or damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Open(ctx, c.path, tiny(t))
			if err == nil || got != nil || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v\nwant %s", got, err, c.want)
			}
		})
	}
	if _, err := Open(ctx, filepath.Join(folder, "nowhere"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist in its chain", err)
	}
	if _, err := Open(ctx, write("c.csv", []byte("a,b\n")), nil); err == nil || !strings.Contains(err.Error(), "needs a descriptor") {
		t.Errorf("CSV without a descriptor: %v", err)
	}
}

// failAfter fails once n bytes were written.
type failAfter int

func (f *failAfter) Write(p []byte) (int, error) {
	if *f -= failAfter(len(p)); *f < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteArrowReportsTheWriter(t *testing.T) {
	ds := few(t)
	size := len(arrowBytes(t, ds))
	for n := range size {
		w := failAfter(n)
		if err := WriteArrow(&w, ds); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("after %d bytes: %v, want the writer's error", n, err)
		}
	}
}

func TestBadColumns(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(c []question.Column) []question.Column // count, place, value
		want string
	}{
		{"one lacks", func(c []question.Column) []question.Column { return c[:2] }, `the descriptor's column "value" does not exist`},
		{"one too many", func(c []question.Column) []question.Column {
			return append(c, question.Column{Name: "x", Type: question.Integer})
		}, "there are 4 columns; the descriptor has 3"},
		{"another type", func(c []question.Column) []question.Column { c[0].Type = question.Number; return c }, `the column "count" has the type "number"; the descriptor says "integer"`},
		{"another length", func(c []question.Column) []question.Column { c[2].Numbers = c[2].Numbers[:1]; return c }, `the column "value" has 1 rows, the column "place" 2`},
		{"code", func(c []question.Column) []question.Column { c[1].Codes[0] = 99; return c }, `column "place": row 0 has the code 99`},
		{"NaN", func(c []question.Column) []question.Column { c[2].Numbers[0] = math.NaN(); return c }, `column "value": row 0 is NaN`},
		{"bitmap", func(c []question.Column) []question.Column { c[2].Valid = question.Bitmap{}; return c }, "its validity bitmap has 0 bytes; 2 rows need 1"},
		{"UTF-8", func(c []question.Column) []question.Column { c[1].Dict[c[1].Codes[0]] = "\xff"; return c }, `the value "\xff" is not UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(tiny(t), c.edit(columnsOf([][3]any{{"a", 1.0, int64(1)}, {"b", 2.0, int64(2)}})))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	bad := tiny(t)
	bad.Sort = "value"
	if _, err := Build(bad, columnsOf(nil)); err == nil || !strings.Contains(err.Error(), "descriptor: sort:") {
		t.Errorf("a bad descriptor: %v", err)
	}
}

// TestBuildKeepsNothingOfTheCallers: what is given may be changed afterwards.
func TestBuildKeepsNothingOfTheCallers(t *testing.T) {
	desc := tiny(t)
	columns := columnsOf([][3]any{{"a", 1.0, int64(1)}, {"b", 2.0, int64(2)}})
	ds, err := Build(desc, columns)
	if err != nil {
		t.Fatal(err)
	}
	desc.Name, desc.Columns[0].Aliases[0] = "other", "other"
	for i := range columns {
		clear(columns[i].Codes)
		clear(columns[i].Numbers)
		clear(columns[i].Integers)
		clear(columns[i].Dict)
	}
	if got := rows(t, ds); got != "a|1|1\nb|2|2\n" || ds.Info().Name != "tiny" {
		t.Errorf("%s %s", ds.Info().Name, got)
	}
	if err := ds.Verify(); err != nil {
		t.Error(err)
	}
}
