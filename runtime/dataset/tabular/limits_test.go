//go:build linux

package tabular_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/guess"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/testfiles"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
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
	draft, err := guess.Guess(ctx, path, guess.Hints{}, nil)
	if err != nil {
		fmt.Printf("  %.300v\n", err)
		return
	}
	ds, err := dataset.Open(ctx, path, draft.Descriptor)
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

// corpora are the inputs that the fuzz targets here and beside found.
func corpora(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../*/testdata/fuzz/*/*")
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
	dictionary := tabular.RawPage{PageHeader: format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: 8, CompressedPageSize: 8,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.Plain}),
	}, Body: make([]byte, 8)}
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
		"run of indices":            tabular.RawParquet(t, format.Int64, 0, 10, 1, dictionary, tabular.DataPage(10, format.RLEDictionary, len(run), run)),
		"dictionary's size":         tabular.RawParquet(t, format.Int64, 0, 10, 1, boundless, tabular.DataPage(10, format.RLEDictionary, len(run), run)),
		"values":                    tabular.RawParquet(t, format.Int64, 0, math.MaxInt32, 1, tabular.DataPage(math.MaxInt32, format.Plain, 8, make([]byte, 8))),
		"values of a group":         tabular.RawParquet(t, format.Int64, 0, 1e6, 1, tabular.DataPage(math.MaxInt32, format.Plain, 8, make([]byte, 8))),
		"count of a delta":          tabular.RawParquet(t, format.Int64, 0, 1e6, 1, tabular.DataPage(1e6, format.DeltaBinaryPacked, 8, uvarints(128, 4, math.MaxUint32, 0))),
		"parts of a delta":          tabular.RawParquet(t, format.Int64, 0, 1e6, 1, tabular.DataPage(1e6, format.DeltaBinaryPacked, 16, uvarints(1<<40, 1<<37, 1e6, 0))),
		"lengths":                   tabular.RawParquet(t, format.ByteArray, 0, 1e6, 1, tabular.DataPage(1e6, format.DeltaLengthByteArray, 7, uvarints(128, 4, 1e6, 0))),
		"values of what is before":  tabular.RawParquet(t, format.ByteArray, 0, values, 1, tabular.DataPage(values, format.DeltaByteArray, len(front), front)),
		"length of a text":          tabular.RawParquet(t, format.ByteArray, 0, 1, 1, tabular.DataPage(1, format.Plain, 4, []byte{255, 255, 255, 127})),
		"unpacked, and shared":      tabular.RawParquet(t, format.Int64, format.Zstd, 1, 1000, tabular.DataPage(1, format.Plain, len(zeros), bomb)),
		"empty columns of a footer": append(append([]byte("PAR1\x19\x1c\x19\xfc"), uvarints(9e6)...), append(append(make([]byte, 9e6), binary.LittleEndian.AppendUint32(nil, 9e6+8)...), "PAR1"...)...),
	}
	for _, codec := range []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Zstd, format.Lz4, format.Lz4Raw} {
		files["size of "+codec.String()] = tabular.RawParquet(t, format.Int64, codec, 10, 1, tabular.DataPage(10, format.Plain, math.MaxInt32, make([]byte, 80)))
	}
	arrowFile := testfiles.Arrow(t, arrow.BinaryTypes.String, `["a", "b", null]`, false, ipc.WithZstd())
	said := bytes.Clone(arrowFile)
	if at := bytes.Index(said, []byte("\x28\xb5\x2f\xfd")); at > 8 {
		binary.LittleEndian.PutUint64(said[at-8:], 1<<40)
	}
	files["size of an Arrow buffer"] = said
	// The number of buffers that a column of views has stands behind a vector's length.
	views, one := testfiles.Arrow(t, arrow.BinaryTypes.StringView, `["a text of more than twelve bytes", "another text of more than twelve"]`, true), []byte("\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00")
	if n := bytes.Count(views, one); n == 0 {
		t.Fatal("there is no number of buffers")
	}
	files["no number of buffers of views"] = bytes.ReplaceAll(views, one, []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"))
	for _, count := range []uint64{1 << 40, math.MaxUint64} {
		files[fmt.Sprint("buffers of views, ", count)] = bytes.ReplaceAll(views, one, binary.LittleEndian.AppendUint64([]byte("\x01\x00\x00\x00"), count))
	}
	return files
}

// Whatever is changed in a file, reading it ends in a dataset or in an error, and
// takes no more memory than a file of its size can need.
func hostile(t testing.TB, b []byte) {
	t.Helper()
	f := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(f, b, 0o600); err != nil {
		t.Fatal(err)
	}
	draft, err := guess.Guess(t.Context(), f, guess.Hints{}, nil)
	if err != nil {
		return
	}
	ds, err := dataset.Open(t.Context(), f, draft.Descriptor) // what was described can be read
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.YAML)
	}
	var own bytes.Buffer
	if err := errors.Join(dataset.WriteArrow(&own, ds), ds.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.ReadArrow(own.Bytes()); err != nil { // which checks every promise
		t.Error(err)
	}
}

func TestDamagedColumns(t *testing.T) {
	files := [][]byte{
		fixture(t, "pyarrow/encodings-none-1.parquet"),
		testfiles.Arrow(t, arrow.BinaryTypes.String, `["a", "b", null]`, false),
		testfiles.Arrow(t, arrow.BinaryTypes.LargeString, `["a", "b", null]`, true, ipc.WithZstd()),
	}
	for _, file := range files {
		hostile(t, file)
		rapid.Check(t, func(r *rapid.T) {
			b := bytes.Clone(file)
			switch rapid.IntRange(0, 2).Draw(r, "how") {
			case 0:
				b = b[:rapid.IntRange(0, len(b)).Draw(r, "length")]
			case 1:
				b[rapid.IntRange(0, len(b)-1).Draw(r, "at")] = rapid.Byte().Draw(r, "byte")
			default:
				at := rapid.IntRange(0, len(b)-5).Draw(r, "at")
				copy(b[at:], []byte{0xff, 0xff, 0xff, rapid.Byte().Draw(r, "high")})
			}
			hostile(t, b)
		})
	}
}

func FuzzColumns(f *testing.F) {
	f.Add(testfiles.Arrow(f, arrow.BinaryTypes.String, `["a", "b", null]`, false))
	f.Add(testfiles.Arrow(f, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `["a", "b", null]`, true, ipc.WithLZ4()))
	for _, name := range []string{"pyarrow/encodings-none-1.parquet", "pyarrow/fallback-lz4-1.parquet", "duckdb/zstd-V2.parquet", "fastparquet/LZ4-1.parquet", "pyarrow/zstd.arrows"} {
		f.Add(fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) { hostile(t, b) })
}

// fixture is a file of columns.zip.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	files, err := zip.OpenReader("testdata/columns.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	b, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, b := range [][]byte{fixture(t, "duckdb/zstd-V2.parquet"), testfiles.Arrow(t, arrow.BinaryTypes.String, `["a", "b"]`, true)} {
		f := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := guess.Guess(ctx, f, guess.Hints{}, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}
