//go:build linux

package dataset

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sys/unix"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

const (
	childFlag   = "LESTATS_TEST_CHILD" // set: this process shall read the files of its folder, as a child
	childMemory = 1 << 30              // bytes that it may have
	childCPU    = 120                  // seconds that it may compute
)

func TestMain(m *testing.M) {
	if os.Getenv(childFlag) != "" {
		readAll()
		return
	}
	os.Exit(m.Run())
}

// readAll reads every file of this folder within the limits.
func readAll() {
	for resource, most := range map[int]uint64{unix.RLIMIT_DATA: childMemory, unix.RLIMIT_CPU: childCPU} {
		if testtool.Race && resource == unix.RLIMIT_DATA {
			most *= 16 // the detector's shadow is counted
		}
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	files, err := filepath.Glob("*")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, path := range files {
		fmt.Println("reading", path)
		readOne(path)
	}
	fmt.Println("read", len(files))
}

func readOne(path string) {
	ctx := context.Background()
	draft, err := Guess(ctx, path, Hints{}, nil)
	if err != nil {
		fmt.Printf("  %.300v\n", err)
		return
	}
	ds, err := Open(ctx, path, draft.Descriptor)
	if err != nil {
		fmt.Printf("  %.300v\n", err)
		return
	}
	fmt.Println("  rows:", ds.Rows())
	_ = ds.Close() // of a mapping
}

// TestReadingStaysWithinLimits reads, in one child process with a limit on its memory
// and on its time, every fixture, every entry of the fuzz corpora and files that claim
// more than they have. Go cannot recover from memory that is not there: the child would
// end.
func TestReadingStaysWithinLimits(t *testing.T) {
	folder := t.TempDir()
	count := 0
	put := func(name string, b []byte) {
		count++
		if err := os.WriteFile(filepath.Join(folder, strings.ReplaceAll(name, "/", "_")), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fixtures, err := zip.OpenReader("testdata/columns.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer fixtures.Close()
	for _, f := range fixtures.File {
		b, err := fs.ReadFile(fixtures, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		put(f.Name, b)
	}
	for name, b := range corpora(t) {
		put(name, b)
	}
	refused := hostileFiles(t)
	for name, b := range refused {
		put(name, b)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFlag+"=yes")
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, fmt.Sprintf("read %d\n", count)) {
		t.Fatalf("the child ended: %v\n%s", err, text[max(0, len(text)-3000):])
	}
	for name := range refused {
		_, after, _ := strings.Cut(string(out), "reading "+name+"\n")
		answer, _, _ := strings.Cut(after, "\n")
		if !strings.Contains(answer, "damaged") && !strings.Contains(answer, "at most") {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

// corpora are the inputs of the fuzz targets that testdata/fuzz holds.
func corpora(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/fuzz/*/*")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string][]byte{}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			for _, kind := range []string{"[]byte(", "string("} {
				if text, ok := strings.CutPrefix(line, kind); ok {
					value, err := strconv.Unquote(strings.TrimSuffix(text, ")"))
					if err != nil {
						t.Fatal(path, err)
					}
					entries[fmt.Sprint(filepath.Base(filepath.Dir(path)), filepath.Base(path), i)] = []byte(value)
				}
			}
		}
	}
	return entries
}

// rawPage is a page as it stands in a file, whatever its header claims.
type rawPage struct {
	format.PageHeader

	body []byte
}

func dataPage(values int32, encoding format.Encoding, unpacked int, body []byte) rawPage {
	return rawPage{format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(unpacked), CompressedPageSize: int32(len(body)),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE}),
	}, body}
}

// rawParquet is a file of two required columns, both made of the same pages, in some row
// groups that share them.
func rawParquet(t testing.TB, kind format.Type, codec format.CompressionCodec, rows int64, groups int, pages ...rawPage) []byte {
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
		b = append(append(b, marshal(&p.PageHeader)...), p.body...)
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

// hostileFiles are files that claim more than they have, or unfold to more than they
// may.
func hostileFiles(t testing.TB) map[string][]byte {
	t.Helper()
	uvarints := func(values ...uint64) (b []byte) {
		for _, v := range values {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	zeros := make([]byte, 100<<20)
	bomb := encoder.EncodeAll(zeros, nil)
	dictionary := rawPage{format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: 8, CompressedPageSize: 8,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.Plain}),
	}, make([]byte, 8)}
	boundless := dictionary
	boundless.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: math.MaxInt32, Encoding: format.Plain})
	run := append([]byte{1}, append(uvarints((1<<30-1)<<1), 0)...)
	// Each value has all of the one before: the decoded ones come to 1e5 times 1e5 bytes.
	const values = 100_000
	ascending := uvarints(128, 4, values, 0, 2) // from 0 on, 1 more each
	for i := 1; i < values; i += 128 {
		if i > 1 {
			ascending = append(ascending, 2)
		}
		ascending = append(ascending, 0, 0, 0, 0)
	}
	ones := uvarints(128, 4, values, 2) // 1 each
	for i := 1; i < values; i += 128 {
		ones = append(ones, 0, 0, 0, 0, 0)
	}
	front := append(append(ascending, ones...), make([]byte, values)...)

	files := map[string][]byte{
		"run of indices":            rawParquet(t, format.Int64, 0, 10, 1, dictionary, dataPage(10, format.RLEDictionary, len(run), run)),
		"dictionary's size":         rawParquet(t, format.Int64, 0, 10, 1, boundless, dataPage(10, format.RLEDictionary, len(run), run)),
		"values":                    rawParquet(t, format.Int64, 0, math.MaxInt32, 1, dataPage(math.MaxInt32, format.Plain, 8, make([]byte, 8))),
		"values of a group":         rawParquet(t, format.Int64, 0, 1e6, 1, dataPage(math.MaxInt32, format.Plain, 8, make([]byte, 8))),
		"count of a delta":          rawParquet(t, format.Int64, 0, 1e6, 1, dataPage(1e6, format.DeltaBinaryPacked, 8, uvarints(128, 4, math.MaxUint32, 0))),
		"parts of a delta":          rawParquet(t, format.Int64, 0, 1e6, 1, dataPage(1e6, format.DeltaBinaryPacked, 16, uvarints(1<<40, 1<<37, 1e6, 0))),
		"lengths":                   rawParquet(t, format.ByteArray, 0, 1e6, 1, dataPage(1e6, format.DeltaLengthByteArray, 7, uvarints(128, 4, 1e6, 0))),
		"values of what is before":  rawParquet(t, format.ByteArray, 0, values, 1, dataPage(values, format.DeltaByteArray, len(front), front)),
		"length of a text":          rawParquet(t, format.ByteArray, 0, 1, 1, dataPage(1, format.Plain, 4, []byte{255, 255, 255, 127})),
		"unpacked, and shared":      rawParquet(t, format.Int64, format.Zstd, 1, 1000, dataPage(1, format.Plain, len(zeros), bomb)),
		"empty columns of a footer": append(append([]byte("PAR1\x19\x1c\x19\xfc"), uvarints(9e6)...), append(append(make([]byte, 9e6), binary.LittleEndian.AppendUint32(nil, 9e6+8)...), "PAR1"...)...),
	}
	for _, codec := range []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Zstd, format.Lz4, format.Lz4Raw} {
		files["size of "+codec.String()] = rawParquet(t, format.Int64, codec, 10, 1, dataPage(10, format.Plain, math.MaxInt32, make([]byte, 80)))
	}
	arrowFile := arrowOf(t, arrow.BinaryTypes.String, `["a", "b", null]`, false, ipc.WithZstd())
	said := bytes.Clone(arrowFile)
	if at := bytes.Index(said, []byte("\x28\xb5\x2f\xfd")); at > 8 {
		binary.LittleEndian.PutUint64(said[at-8:], 1<<40)
	}
	files["size of an Arrow buffer"] = said
	return files
}

// TestRawParquetIsParquet guards the builder of the hostile files: what it makes of honest
// pages can be read, by the library too.
func TestRawParquetIsParquet(t *testing.T) {
	b := rawParquet(t, format.Int64, 0, 2, 3, dataPage(2, format.Plain, 16, []byte("\x07\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00")))
	rows, err := parquet.Read[struct{ A, B int64 }](bytes.NewReader(b), int64(len(b)))
	if err != nil || len(rows) != 6 {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestConstantColumn reads a legitimate file that is small for what it holds: a million
// rows of one value.
func TestConstantColumn(t *testing.T) {
	page := dataPage(1e6, format.RLEDictionary, 5, append(binary.AppendUvarint([]byte{1}, 1e6<<1), 0))
	dictionary := rawPage{format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: 8, CompressedPageSize: 8,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.Plain}),
	}, []byte{7, 0, 0, 0, 0, 0, 0, 0}}
	b := rawParquet(t, format.Int64, 0, 1e6, 1, dictionary, page)
	columns, err := openParquet(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	if err := columns.scan(t.Context(), []int{0, 1}, func(_ int, c cell) error { sum += c.integer; return nil }); err != nil || sum != 14e6 {
		t.Errorf("%v, %v", sum, err)
	}
}
