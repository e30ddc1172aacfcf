package tabular

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// TestColumnsAsPyarrowReadsThem compares each value of the files in columns.zip, which
// testdata/writers.py --small made with four programs, with what pyarrow reads in them.
func TestColumnsAsPyarrowReadsThem(t *testing.T) {
	folder, err := zip.OpenReader("testdata/columns.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	compareAll(t, folder)
}

// TestColumnsOfFiveWriters does the same with many more files, made for this test: of
// every codec, page version and encoding. LESTATS_PYTHON is a Python that has what
// testdata/writers.py needs; `make test-columns` sets it.
func TestColumnsOfFiveWriters(t *testing.T) {
	python := os.Getenv("LESTATS_PYTHON")
	if python == "" {
		t.Skip("LESTATS_PYTHON is not set; make test-columns sets it")
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "go"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range parquetGoFiles(t) {
		if err := os.WriteFile(filepath.Join(folder, "go", name+".parquet"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/writers.py", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	compareAll(t, os.DirFS(folder))
}

type writtenRow struct {
	Plain   int64    `parquet:"plain"`
	Delta   int64    `parquet:"delta,delta"`
	Narrow  int32    `parquet:"narrow,delta"`
	Split   float64  `parquet:"split,split"`
	Single  *float32 `parquet:"single,optional,split"`
	Dict    *string  `parquet:"dict,optional,dict"`
	Length  string   `parquet:"length,delta"`
	Text    *string  `parquet:"text,optional"`
	Boolean bool     `parquet:"boolean"`
	Price   int64    `parquet:"price,decimal(2:12)"`
}

func parquetGoFiles(t *testing.T) map[string][]byte {
	files := map[string][]byte{}
	rows := make([]writtenRow, 2500)
	for i := range rows {
		r := &rows[i]
		*r = writtenRow{Plain: int64(i), Delta: int64(i*i) - 1000, Split: math.Sqrt(float64(i)), Length: strings.Repeat("é", i%17), Boolean: i%3 == 0, Price: int64(i) * 37}
		if i%5 != 0 {
			r.Narrow, r.Single = int32(-i*i*i*7), new(float32(i)/3)
			r.Dict, r.Text = new(fmt.Sprint("entry ", i%50)), new(strings.Repeat("compressible ", i%100))
		}
	}
	for name, codec := range map[string]compress.Codec{
		"none": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "brotli": &parquet.Brotli, "zstd": &parquet.Zstd, "lz4": &parquet.Lz4Raw,
	} {
		for _, version := range []int{1, 2} {
			var b bytes.Buffer
			w := parquet.NewGenericWriter[writtenRow](&b, parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(4000), parquet.MaxRowsPerRowGroup(2000))
			if _, err := w.Write(rows); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			files[fmt.Sprint(name, version)] = b.Bytes()
		}
	}
	return files
}

// compareAll compares every file that index.json names.
func compareAll(t *testing.T, folder fs.FS) {
	t.Helper()
	var index map[string]string
	decodeFile(t, folder, "index.json", &index)
	if len(index) == 0 {
		t.Fatal("there are no files")
	}
	for name, expected := range index {
		t.Run(name, func(t *testing.T) {
			var want map[string][]*string
			decodeFile(t, folder, expected, &want)
			b, err := fs.ReadFile(folder, name)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, b, want)
		})
	}
}

func decodeFile(t *testing.T, folder fs.FS, name string, to any) {
	t.Helper()
	b, err := fs.ReadFile(folder, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}

// compare compares each value of a file.
func compare(t *testing.T, b []byte, want map[string][]*string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	columns, err := OpenFile(t.Context(), f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if columns.IsCSV {
		t.Fatal("it is taken for CSV")
	}
	defer columns.Close()
	var chosen []int
	for i, field := range columns.Fields {
		if field.Refused != "" {
			t.Errorf("column %s: %s", field.Name, field.Refused)
			continue
		}
		chosen = append(chosen, i)
	}
	rows := make([]int, len(chosen))
	wrong := 0
	err = columns.Scan(t.Context(), chosen, func(k int, c Cell) error {
		name := columns.Fields[chosen[k]].Name
		at := rows[k]
		rows[k]++
		if at < len(want[name]) && sameValue(c, want[name][at]) {
			return nil
		}
		if wrong++; wrong > 5 {
			return fs.ErrInvalid
		}
		t.Errorf("column %s, row %d: %+v, want %s", name, at, c, expectation(want[name], at))
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, at := range chosen {
		if name := columns.Fields[at].Name; rows[k] != len(want[name]) {
			t.Errorf("column %s has %d rows, want %d", name, rows[k], len(want[name]))
		}
	}
}

func expectation(want []*string, at int) string {
	switch {
	case at >= len(want):
		return "no row"
	case want[at] == nil:
		return "nothing"
	default:
		return strconv.Quote(*want[at])
	}
}

func sameValue(got Cell, want *string) bool {
	if want == nil || got.Kind == CellMissing {
		return want == nil && got.Kind == CellMissing
	}
	switch got.Kind {
	case CellInteger:
		return strconv.FormatInt(got.Integer, 10) == *want
	case CellNumber:
		v, err := strconv.ParseFloat(*want, 64)
		return err == nil && math.Float64bits(v) == math.Float64bits(got.Number)
	default:
		return got.Text == *want
	}
}

// TestOldLZ4 unpacks what Hadoop wrote before there was LZ4_RAW: some blocks behind
// their sizes; other programs wrote one block without any.
func TestOldLZ4(t *testing.T) {
	for _, sizes := range [][]int{{0}, {5}, {70000}, {100, 0, 1, 70000}} {
		var whole, framed []byte
		block := func(b []byte) []byte {
			out := make([]byte, lz4.CompressBlockBound(len(b)))
			n, err := new(lz4.Compressor).CompressBlock(b, out)
			if err != nil {
				t.Fatal(err)
			}
			return out[:n]
		}
		for _, n := range sizes {
			part := slices.Repeat([]byte("0123456789"), n/10+1)[:n]
			packed := block(part)
			framed = binary.BigEndian.AppendUint32(framed, uint32(n))
			framed = binary.BigEndian.AppendUint32(framed, uint32(len(packed)))
			framed = append(framed, packed...)
			whole = append(whole, part...)
		}
		for name, packed := range map[string][]byte{"blocks": framed, "alone": block(whole)} {
			got, err := decompress(format.Lz4, packed, int64(len(whole)))
			if err != nil || string(got) != string(whole) {
				t.Errorf("%v, %s: %d bytes, %v", sizes, name, len(got), err)
			}
			if _, err := decompress(format.Lz4, packed, int64(len(whole))+1); err == nil {
				t.Errorf("%v, %s: a missing byte is not an error", sizes, name)
			}
		}
	}
}
