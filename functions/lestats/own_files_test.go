package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	allocator "github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/guess"
)

// madeFile is a generated file: a good group "club", a good measure "points", and other
// columns of all kinds, under headers of all kinds.
type madeFile struct {
	name    string
	content []byte
	init    []string           // flags that data init needs for it
	rows    int                // 0: nothing can be read
	means   map[string]float64 // of points, by club
	what    string             // for a message
	refused bool               // data init may refuse it although club and points are good
}

// oddHeaders are headers that somebody's file has, or could have.
var oddHeaders = []string{
	"", " ", "value", "Value", "Points", "CLUB", "Note", "n.o.t.e", "category", "question", "stratum", "location", "note", "note", "2019", "1", "-3", "1,5", "NA", "true", "null", "~",
	"a: b", "# a", "{a}", "[a]", "- a", "a # b", "&a", "*a", "!a", "%a", "@a", "'a'", `"a"`, `a"b`, `a\b`, "a\nb", "a\tb", "a\r\nb", "a\u2028b", "a\u0085b", "\ufeffa", "a\u200fb", "\u202ea", "é", "e\u0301", "日本", "😀", "\x07",
	"a\x00b", "a\xffb", strings.Repeat("long ", 20), strings.Repeat("x", 256), strings.Repeat("é", 200), strings.Repeat("y", 5000), "synthetic", "Datasource", "missing", "name", "column1", "location_kind", "state", "best", "year", "id",
}

func (m *madeFile) header(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return fmt.Sprintf("h%d", r.IntN(1000))
	}
	return oddHeaders[r.IntN(len(oddHeaders))]
}

// addPoints draws club and points of a row; points is "" where it is missing.
func (m *madeFile) addPoints(r *rand.Rand, sums map[string][2]float64) (club string, points string) {
	club = []string{"Nord", "Sud", "Est", "Ouest"}[r.IntN(4)]
	m.rows++
	if r.IntN(8) == 0 && m.rows > 1 {
		return club, ""
	}
	v := float64(r.IntN(2000)-500) / 4
	s := sums[club]
	sums[club] = [2]float64{s[0] + v, s[1] + 1}
	return club, strconv.FormatFloat(v, 'f', -1, 64)
}

func (m *madeFile) setMeans(sums map[string][2]float64) {
	m.means = map[string]float64{}
	for k, s := range sums {
		m.means[k] = s[0] / s[1]
	}
}

// cells draw a value of a column of a CSV.
var cells = []func(r *rand.Rand) string{
	func(r *rand.Rand) string { return strconv.Itoa(r.IntN(100)) },
	func(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64) },
	func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64(), 10) },
	func(*rand.Rand) string { return "9007199254740993" },
	func(*rand.Rand) string { return "123456789012345678901234567890" },
	func(r *rand.Rand) string { return []string{"inf", "-Infinity", "NaN", "1e999", "1e-999"}[r.IntN(5)] },
	func(r *rand.Rand) string { return []string{"NA", "..", "", "-", "-999", "null", " "}[r.IntN(7)] },
	func(r *rand.Rand) string {
		return []string{"1,5", "5%", "$3", "1 000", "0123", "1_000", "0x1F"}[r.IntN(7)]
	},
	func(r *rand.Rand) string { return []string{"true", "false"}[r.IntN(2)] },
	func(r *rand.Rand) string { return []string{"2024-02-29", "29.2.2024", "12:00"}[r.IntN(3)] },
	func(r *rand.Rand) string {
		return []string{"a", "b, c", "d;e|f\tg", `say "h"`, "two\nlines", "c\rr"}[r.IntN(6)]
	},
	func(r *rand.Rand) string {
		return []string{"été", "日本", "a\u202eb", "\ufffd", "x\x00y"}[r.IntN(5)]
	},
	func(r *rand.Rand) string { return []string{"caf\xe9", "ok", "\xff\xfe", "\x81"}[r.IntN(4)] },
	func(r *rand.Rand) string { return strings.Repeat("z", r.IntN(3)*40_000) },
}

// makeCSV makes a CSV in any dialect and encoding.
func makeCSV(r *rand.Rand) *madeFile {
	m := &madeFile{name: "made.csv"}
	separator := []string{",", ";", "\t", "|"}[r.IntN(4)]
	ends := [][]string{{"\n"}, {"\r\n"}, {"\r"}, {"\n", "\r\n", "\r"}}[r.IntN(4)]
	encoding := []string{"", "", "", "bom", "utf-16le bom", "utf-16be bom", "utf-16le", "windows-1252", "shift_jis"}[r.IntN(9)]
	quoteAll := r.IntN(4) == 0
	quote := func(s string) string {
		if quoteAll || s == "" && r.IntN(2) == 0 || strings.ContainsAny(s, "\"\r\n,;\t|") || strings.HasPrefix(s, " ") {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		return s
	}
	extra := r.IntN(6)
	at := r.Perm(extra + 2)
	write := func(b *strings.Builder, fields []string) {
		for i := range fields {
			if i > 0 {
				b.WriteString(separator)
			}
			b.WriteString(quote(fields[at[i]]))
		}
		b.WriteString(ends[r.IntN(len(ends))])
	}
	var b strings.Builder
	fields := []string{"club", "points"}
	var kinds []func(*rand.Rand) string
	for range extra {
		fields = append(fields, m.header(r))
		kinds = append(kinds, cells[r.IntN(len(cells))])
	}
	write(&b, fields)
	sums := map[string][2]float64{}
	for range 1 + r.IntN(20) {
		club, points := m.addPoints(r, sums)
		row := []string{club, points}
		for k := range kinds {
			if r.IntN(6) == 0 {
				row = append(row, cells[r.IntN(len(cells))](r))
			} else {
				row = append(row, kinds[k](r))
			}
		}
		write(&b, row)
	}
	m.setMeans(sums)
	text := b.String()
	m.what = fmt.Sprintf("CSV, separator %q, line ends %q, encoding %q", separator, ends, encoding)
	// A zero byte in the first line is no text, one separator may stand in a header more
	// often than another between headers, and numbers look like a row.
	m.refused = strings.ContainsAny(strings.Join(fields, ""), "\x00;,|\t") || slices.ContainsFunc(fields, func(h string) bool { return strings.Trim(h, "-0123456789,") == "" })
	name, withMark, _ := strings.Cut(encoding, " ")
	switch name {
	case "":
	case "bom":
		text = "\ufeff" + text
	default:
		e, err := htmlindex.Get(name)
		if err != nil {
			panic(err)
		}
		text = strings.ToValidUTF8(text, "?")
		if withMark != "" {
			text = "\ufeff" + text
		} else {
			m.init = append(m.init, "--encoding", name)
		}
		if got, err := e.NewEncoder().String(text); err == nil {
			text = got
		} else { // it has other characters: the flag contradicts nothing, but the text is not in that encoding
			m.init = nil
		}
	}
	m.content = []byte(text)
	return m
}

// arrowColumns are columns of all types, as JSON; each has three values.
var arrowColumns = []struct {
	kind   arrow.DataType
	values string
}{
	{arrow.PrimitiveTypes.Int8, `[1, null, -128]`}, {arrow.PrimitiveTypes.Uint16, `[1, 2, 65535]`}, {arrow.PrimitiveTypes.Int64, `[9007199254740993, -1, 9223372036854775807]`},
	{arrow.PrimitiveTypes.Uint64, `[1, 18446744073709551615, null]`}, {arrow.FixedWidthTypes.Float16, `[0.5, null, 65504]`},
	{arrow.PrimitiveTypes.Float32, `[0.5, 1e30, null]`}, {arrow.PrimitiveTypes.Float64, `[0.1, 1e308, 2]`},
	{&arrow.Decimal128Type{Precision: 38, Scale: 2}, `["12.34", null, "999999999999999999999999999999999999.99"]`}, {&arrow.Decimal256Type{Precision: 76, Scale: 4}, `["1.5", null, "2"]`},
	{arrow.BinaryTypes.String, `["é", "", null]`}, {arrow.BinaryTypes.String, `["1.5", "NA", "3"]`}, {arrow.BinaryTypes.LargeString, `["a", "b", "c"]`},
	{arrow.BinaryTypes.Binary, `["/w==", "YQ==", null]`}, {&arrow.FixedSizeBinaryType{ByteWidth: 2}, `["YWI=", null, "YWI="]`},
	{arrow.FixedWidthTypes.Boolean, `[true, null, false]`}, {arrow.FixedWidthTypes.Date32, `["2024-02-29", null, "0001-01-01"]`},
	{arrow.FixedWidthTypes.Time64us, `["01:02:03", null, "00:00:00"]`}, {&arrow.TimestampType{Unit: arrow.Millisecond}, `["2024-02-29 01:02:03", null, "1900-01-01 00:00:00"]`},
	{arrow.ListOf(arrow.PrimitiveTypes.Int64), `[[1, 2], null, []]`}, {arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "b", Type: arrow.BinaryTypes.String, Nullable: true}), `[{"a": 1, "b": "x"}, null, {"a": null, "b": "y"}]`},
	{arrow.ListOf(arrow.StructOf(arrow.Field{Name: "a", Type: arrow.BinaryTypes.String, Nullable: true})), `[[{"a": "x"}], null, []]`},
	{arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), `[[{"key": "a", "value": 1}], null, []]`},
	{&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `["a", null, "b"]`},
	{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), `[[1, 2], null, [3, 4]]`}, {arrow.LargeListOf(arrow.BinaryTypes.String), `[["a"], null, []]`},
	{arrow.BinaryTypes.BinaryView, `["/w==", "YQ==", null]`}, {arrow.BinaryTypes.StringView, `["a", "a text of more than twelve bytes", null]`}, {arrow.BinaryTypes.LargeBinary, `["/w==", null, ""]`},
	{&arrow.Decimal32Type{Precision: 9, Scale: 2}, `["1.25", null, "2"]`}, {&arrow.Decimal64Type{Precision: 18, Scale: -2}, `["100", null, "200"]`},
	{arrow.FixedWidthTypes.Duration_s, `[1, null, 2]`}, {arrow.FixedWidthTypes.MonthInterval, `[{"months": 1}, null, {"months": 2}]`}, {arrow.Null, `[null, null, null]`},
	{arrow.FixedWidthTypes.Date64, `["2024-02-29", null, "1969-12-31"]`}, {&arrow.TimestampType{Unit: arrow.Second}, `["2024-02-29 01:02:03", null, "9999-12-31 23:59:59"]`},
	{&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.PrimitiveTypes.Uint64}, `[18446744073709551615, null, 1]`},
	{arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String), `["a", "a", "b"]`}, {arrow.ListViewOf(arrow.PrimitiveTypes.Int64), `[[1], null, []]`},
	{arrow.PrimitiveTypes.Int32, `[null, null, null]`}, {arrow.BinaryTypes.String, `[null, null, null]`},
}

// makeArrow makes an Arrow file or stream of columns of all types.
func makeArrow(t *testing.T, r *rand.Rand) *madeFile {
	t.Helper()
	m := &madeFile{name: "made.arrow"}
	clubs, points := array.NewStringBuilder(allocator.DefaultAllocator), array.NewFloat64Builder(allocator.DefaultAllocator)
	sums := map[string][2]float64{}
	for range 3 {
		club, text := m.addPoints(r, sums)
		clubs.Append(club)
		if v, err := strconv.ParseFloat(text, 64); err != nil {
			points.AppendNull()
		} else {
			points.Append(v)
		}
	}
	m.setMeans(sums)
	fields := []arrow.Field{{Name: "club", Type: arrow.BinaryTypes.String}, {Name: "points", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}
	columns := []arrow.Array{clubs.NewArray(), points.NewArray()}
	for range r.IntN(8) {
		name := strings.ToValidUTF8(m.header(r), "?")
		if name == "club" || name == "points" {
			continue
		}
		var column arrow.Array
		if r.IntN(6) == 0 {
			b := array.NewFloat64Builder(allocator.DefaultAllocator)
			b.AppendValues([]float64{1, []float64{math.Inf(1), math.Inf(-1), math.NaN()}[r.IntN(3)], 2}, nil)
			column = b.NewArray()
		} else {
			c := arrowColumns[r.IntN(len(arrowColumns))]
			var err error
			if column, _, err = array.FromJSON(allocator.DefaultAllocator, c.kind, strings.NewReader(c.values)); err != nil {
				t.Fatal(c.kind, err)
			}
		}
		fields = append(fields, arrow.Field{Name: name, Type: column.DataType(), Nullable: true})
		columns = append(columns, column)
		m.what += fmt.Sprintf("; %.40q: %s", name, column.DataType())
	}
	schema := arrow.NewSchema(fields, nil)
	batch := array.NewRecordBatch(schema, columns, 3)
	var b bytes.Buffer
	var w interface {
		Write(batch arrow.RecordBatch) error
		Close() error
	}
	var err error
	if r.IntN(2) == 0 {
		w, err = ipc.NewFileWriter(&b, ipc.WithSchema(schema))
	} else {
		w = ipc.NewWriter(&b, ipc.WithSchema(schema))
	}
	if err == nil {
		err = w.Write(batch)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatalf("Arrow%s: %v", m.what, err)
	}
	m.content = b.Bytes()
	return m
}

// parquetColumns are columns of all types, each with three values; one without values is
// nested, and is written without any.
var parquetColumns = []struct {
	node   parquet.Node
	values []any
}{
	{parquet.Int(8), []any{int32(1), nil, int32(-128)}}, {parquet.Uint(64), []any{int64(1), nil, int64(-1)}}, {parquet.Int(64), []any{int64(math.MaxInt64), int64(1<<53 + 1), nil}},
	{parquet.Leaf(parquet.FloatType), []any{float32(0.5), nil, float32(math.Inf(1))}}, {parquet.Leaf(parquet.DoubleType), []any{0.1, math.NaN(), 2.0}}, {parquet.Leaf(parquet.DoubleType), []any{0.1, math.Inf(-1), 2.0}},
	{parquet.Decimal(2, 18, parquet.Int64Type), []any{int64(1234), nil, int64(-5)}}, {parquet.Decimal(2, 38, parquet.FixedLenByteArrayType(16)), []any{strings.Repeat("\x7f", 16), nil, strings.Repeat("\x00", 16)}},
	{parquet.String(), []any{"é", "", nil}}, {parquet.String(), []any{"1.5", "NA", "3"}}, {parquet.JSON(), []any{"{}", nil, "[1]"}}, {parquet.Enum(), []any{"a", nil, "b"}},
	{parquet.Leaf(parquet.ByteArrayType), []any{"\xff\xfe", nil, "a"}}, {parquet.Leaf(parquet.ByteArrayType), []any{"x", nil, "a"}}, {parquet.Leaf(parquet.FixedLenByteArrayType(2)), []any{"ab", nil, "\xff\x00"}},
	{parquet.UUID(), []any{strings.Repeat("u", 16), nil, strings.Repeat("v", 16)}}, {parquet.Leaf(parquet.BooleanType), []any{true, nil, false}},
	{parquet.Date(), []any{int32(0), nil, int32(-1)}}, {parquet.Timestamp(parquet.Millisecond), []any{int64(0), nil, int64(math.MinInt64)}}, {parquet.Time(parquet.Millisecond), []any{int32(0), nil, int32(1)}},
	{parquet.String(), []any{nil, nil, nil}}, {parquet.Int(32), []any{nil, nil, nil}},
	{parquet.List(parquet.Int(64)), nil}, {parquet.Group{"a": parquet.Int(64), "b": parquet.String()}, nil}, {parquet.Map(parquet.String(), parquet.Int(64)), nil},
}

// makeParquet makes a Parquet file of columns of all types.
func makeParquet(t *testing.T, r *rand.Rand) *madeFile {
	t.Helper()
	m := &madeFile{name: "made.parquet"}
	sums := map[string][2]float64{}
	clubs, points := make([]any, 3), make([]any, 3)
	for i := range 3 {
		club, text := m.addPoints(r, sums)
		clubs[i] = club
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			points[i] = v
		}
	}
	m.setMeans(sums)
	root := parquet.Group{"club": parquet.Optional(parquet.String()), "points": parquet.Optional(parquet.Leaf(parquet.DoubleType))}
	values := map[string][]any{"club": clubs, "points": points}
	for range r.IntN(8) {
		name := strings.ToValidUTF8(m.header(r), "?")
		if root[name] != nil || name == "" { // the library takes neither
			continue
		}
		c := parquetColumns[r.IntN(len(parquetColumns))]
		root[name], values[name] = parquet.Optional(c.node), c.values
		m.what += fmt.Sprintf("; %.40q: %s", name, c.node)
	}
	schema := parquet.NewSchema("made", root)
	rows := make([]parquet.Row, 3)
	for k, path := range schema.Columns() {
		for i := range rows {
			v, level := parquet.NullValue(), 0
			if of := values[path[0]]; of != nil && of[i] != nil {
				v, level = parquet.ValueOf(of[i]), 1
			}
			rows[i] = append(rows[i], v.Level(0, level, k))
		}
	}
	var b bytes.Buffer
	w := parquet.NewWriter(&b, schema)
	if _, err := w.WriteRows(rows); err != nil {
		t.Fatalf("Parquet%s: %v", m.what, err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("Parquet%s: %v", m.what, err)
	}
	m.content = b.Bytes()
	return m
}

// wrongReasons are reasons that a generated file cannot have: it has rows, is whole, and
// is text where it says so.
var wrongReasons = regexp.MustCompile(`cannot make a descriptor|has no rows|damaged|empty|panic|runtime error|EOF|goroutine`)

// What `data init` writes, `ask` takes; and a file that it refuses, it refuses for a
// reason. LESTATS_TEST_FILE_SEED repeats one file.
func TestInitThenAsk(t *testing.T) {
	begin, count := uint64(time.Now().UnixNano()), 100
	if testing.Short() {
		count = 25
	}
	if text := os.Getenv("LESTATS_TEST_FILE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		begin, count = seed, 1
	}
	answered := 0
	for seed := begin; seed < begin+uint64(count); seed++ {
		r := rand.New(rand.NewPCG(seed, 0))
		var m *madeFile
		switch r.IntN(4) {
		case 0:
			m = makeArrow(t, r)
		case 1:
			m = makeParquet(t, r)
		default:
			m = makeCSV(r)
		}
		path := filepath.Join(t.TempDir(), m.name)
		if err := os.WriteFile(path, m.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if why := m.try(t, path, &answered); why != "" {
			t.Errorf("LESTATS_TEST_FILE_SEED=%d: %s\n%s\n%.500q", seed, why, m.what, m.content)
		}
	}
	if count > 1 && answered < count/2 {
		t.Errorf("%d of %d files were answered", answered, count)
	}
}

// try describes the file and asks of it; it returns what is wrong.
func (m *madeFile) try(t *testing.T, path string, answered *int) string {
	t.Helper()
	draft, err := guess.Guess(t.Context(), path, guess.Hints{}, nil) // without being told
	switch {
	case err == nil:
		descriptor := strings.TrimSuffix(path, filepath.Ext(path)) + ".yaml"
		if err := os.WriteFile(descriptor, draft.YAML, 0o600); err != nil {
			t.Fatal(err)
		}
		ds, err := wire.OpenDataset(t.Context(), wire.EngineConfig{Data: path, Descriptor: descriptor})
		if err != nil {
			return fmt.Sprintf("described, and not opened: %v\n%s", err, draft.YAML)
		}
		if ds.Rows() != m.rows {
			return fmt.Sprintf("%d rows, want %d", ds.Rows(), m.rows)
		}
		if err := ds.Close(); err != nil {
			return err.Error()
		}
	case wrongReasons.MatchString(err.Error()):
		return fmt.Sprintf("refused: %v", err)
	}
	code, _, errs := lestats(t, append([]string{"data", "init", path, "--force", "--group", "club", "--measure", "points", "--indicator", "none"}, m.init...)...)
	if code != exitOK {
		if wrongReasons.MatchString(errs) || !m.refused {
			return "init: " + errs
		}
		return ""
	}
	code, out, errs := lestats(t, "ask", "states_mean", "--data", path, "-f", "json")
	if code != exitOK {
		return fmt.Sprintf("ask: %d\n%s%s", code, out, errs)
	}
	got := dataOf(t, out)
	delete(got, "synthetic") // a column with this name marks the figures
	for k, want := range m.means {
		if v, ok := got[k].(float64); !ok || math.Abs(v-want) > 1e-9*max(1, math.Abs(want)) || len(got) != len(m.means) {
			return fmt.Sprintf("ask: %v, want %v", got, m.means)
		}
	}
	*answered++
	return ""
}

// Every command that reads a file names a foreign one, and says what to do.
func TestForeignFile(t *testing.T) {
	path := writeText(t, "points.csv", "\xfd7zXZ\x00\x00\x04\xe6\xd6")
	t.Chdir(t.TempDir()) // where serve makes its store
	for _, args := range [][]string{{"data", "init", path}, {"data", "info", path}, {"data", "build", path}, {"ask", "states_mean", "--data", path}, {"serve", "--data", path, "--listen", "127.0.0.1:0"}} {
		if code, out, errs := lestats(t, args...); code != exitFailed || !strings.Contains(errs, path+": this is an xz file: `xz -dc < FILE > NEW`, then try again with NEW") {
			t.Errorf("%v: %d\n%s%s", args, code, out, errs)
		}
	}
}

// A column that init leaves out is named on standard error, and does not cost the file.
func TestInitLeavesOut(t *testing.T) {
	path := writeText(t, "points.csv", "club,note,points\nA,\xc9toile,1\nB,x,2\n")
	code, out, errs := lestats(t, "data", "init", path)
	if want := `"note" is left out: line 2 (row 1): "\xc9toile" is not UTF-8: its byte 1 is 0xC9; if the file is Windows-1252 or Latin-1`; code != exitOK || !strings.HasPrefix(errs, want) || strings.Contains(out, "note") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if code, out, errs := lestats(t, "ask", "states_mean", "--data", path, "-f", "csv"); code != exitOK || strings.ReplaceAll(out, "\r\n", "\n") != "club,mean\nA,1.0\nB,2.0\n" {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if code, _, errs := lestats(t, "data", "init", path, "--force", "--encoding", "windows-1225"); code != exitFailed || !strings.Contains(errs, `--encoding: "windows-1225" is not an encoding that can be read; try "windows-125`) {
		t.Errorf("%d\n%s", code, errs)
	}
	if code, _, errs := lestats(t, "data", "init", path, "--force", "--encoding", "latin1", "--stratum", "none"); code != exitOK || errs != "" {
		t.Errorf("%d\n%s", code, errs)
	}
	if code, out, errs := lestats(t, "ask", "states_mean", "--data", path, "-f", "csv", "--where", "note=Étoile"); code != exitOK || !strings.Contains(out, "A,1.0") || strings.Contains(out, "B") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
}
