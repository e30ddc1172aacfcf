package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

func key(name string, values ...string) question.Column {
	c := question.Column{Name: name, Type: question.String, Role: question.RoleKey}
	for _, v := range values {
		c.Codes = append(c.Codes, int32(len(c.Dict)))
		c.Dict = append(c.Dict, v)
	}
	return c
}

func value(name string, values ...float64) question.Column {
	return question.Column{Name: name, Type: question.Number, Role: question.RoleValue, Numbers: values, Unit: "%"}
}

func missing(c question.Column, row int) question.Column {
	c.Valid = question.NewBitmap(c.Len())
	for i := range c.Len() {
		if i != row {
			c.Valid.Set(i)
		}
	}
	return c
}

func table(layout question.Layout, columns ...question.Column) *question.Table {
	return &question.Table{Layout: layout, Columns: columns}
}

func ExampleAppendOriginalJSON() {
	means := table(question.LayoutMap, key("location", "Ohio", "Guam"), value("mean", 33.2, 34))
	byCategory := table(question.LayoutNested,
		key("location", "Oklahoma"), key("category", "Gender"), key("stratum", "Male"), value("mean", 38.6))
	for _, t := range []*question.Table{means, byCategory} {
		b, err := render.AppendOriginalJSON(nil, t)
		if err != nil {
			fmt.Println(err)
		}
		fmt.Println(string(b))
	}
	// Output:
	// {"Ohio":33.2,"Guam":34.0}
	// {"Oklahoma":{"('Gender', 'Male')":38.6}}
}

func ExampleText() {
	_ = render.Text(os.Stdout, table(question.LayoutMap, key("location", "Ohio", "New Mexico"), missing(value("mean", 33.25, 0), 1)), question.WriteOptions{})
	// Output:
	// location    mean (%)
	// ----------  --------
	// Ohio           33.25
	// New Mexico         -
}

func TestOriginalJSON(t *testing.T) {
	integers := question.Column{Name: "n", Type: question.Integer, Role: question.RoleKey, Integers: []int64{1, -2}}
	tests := []struct {
		name  string
		table *question.Table
		want  string
	}{
		{"rows", table(question.LayoutRows, key("k", "a", "b"), missing(value("v", 1, 2), 0)), `[{"k":"a","v":null},{"k":"b","v":2.0}]`},
		{"no layout", table("", value("v", 1)), `[{"v":1.0}]`},
		{"no rows", table(question.LayoutMap, key("k"), value("v")), `{}`},
		{"record", table(question.LayoutRecord, value("global_mean", 34.4), value("n", 3)), `{"global_mean":34.4,"n":3.0}`},
		{"several values", table(question.LayoutMap, key("k", "a"), value("v", 1), value("w", 2)), `{"a":{"v":1.0,"w":2.0}}`},
		{"integer keys", table(question.LayoutMap, integers, value("v", 1, 2)), `{"1":1.0,"-2":2.0}`},
		{"a tuple as Python writes it", table(question.LayoutMap, key("k", "it's", `"'`), key("l", "é\n", `\`), value("v", 1, 2)),
			`{"(\"it's\", 'é\\n')":1.0,"('\"\\'', '\\\\')":2.0}`},
		{"a tuple of numbers and nothing", table(question.LayoutMap, missing(integers, 0), value("f", .5, 2), value("v", 1, 2)),
			`{"null":{"f":0.5,"v":1.0},"-2":{"f":2.0,"v":2.0}}`},
		{"nested brings together", table(question.LayoutNested, question.Column{
			Name: "k", Type: question.String, Role: question.RoleKey, Dict: []string{"a", "b"}, Codes: []int32{0, 1, 0},
		}, key("l", "x", "x", "z"), value("v", 1, 2, 3)), `{"a":{"x":1.0,"z":3.0},"b":{"x":2.0}}`},
		{"no number becomes null", table(question.LayoutMap, key("k", "a", "b"), value("v", math.NaN(), math.Inf(1))), `{"a":null,"b":null}`},
		{"numbers as Python writes them", table(question.LayoutMap, key("k", "a", "b", "c", "d"), value("v", 1e16, 1e-5, 0.30000000000000004, 0)),
			`{"a":1e+16,"b":1e-05,"c":0.30000000000000004,"d":0.0}`},
		{"escapes", table(question.LayoutMap, key("k", "a\"\\\n\x01\xff"), value("v", 1)), "{\"a\\\"\\\\\\n\\u0001\\ufffd\":1.0}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render.AppendOriginalJSON(nil, tt.table)
			if err != nil || string(got) != tt.want {
				t.Errorf("%s, %v\nwant %s", got, err, tt.want)
			}
			if !json.Valid(got) {
				t.Errorf("%s is no JSON", got)
			}
		})
	}
}

func TestOriginalJSONRefuses(t *testing.T) {
	for name, tt := range map[string]*question.Table{
		"a key twice":         table(question.LayoutMap, question.Column{Name: "k", Type: question.String, Role: question.RoleKey, Dict: []string{"a"}, Codes: []int32{0, 0}}, value("v", 1, 2)),
		"nested key twice":    table(question.LayoutNested, question.Column{Name: "k", Type: question.String, Role: question.RoleKey, Dict: []string{"a"}, Codes: []int32{0, 0}}, question.Column{Name: "l", Type: question.String, Role: question.RoleKey, Dict: []string{"b"}, Codes: []int32{0, 0}}, value("v", 1, 2)),
		"record with 2 rows":  table(question.LayoutRecord, value("v", 1, 2)),
		"record with none":    table(question.LayoutRecord, value("v")),
		"map without keys":    table(question.LayoutMap, value("v", 1)),
		"map without values":  table(question.LayoutMap, key("k", "a")),
		"nested with one key": table(question.LayoutNested, key("k", "a"), value("v", 1)),
		"unknown layout":      table("pie", value("v", 1)),
	} {
		if _, err := render.AppendOriginalJSON(nil, tt); question.CodeOf(err) != question.CodeBadResult {
			t.Errorf("%s: %v, want bad_result", name, err)
		}
	}
}

// drawTable draws a table of strings (among them hostile ones), integers and
// numbers, with gaps.
func drawTable(t *rapid.T) *question.Table {
	n := rapid.IntRange(0, 12).Draw(t, "rows")
	out := &question.Table{Layout: question.LayoutRows}
	for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
		c := question.Column{Name: fmt.Sprintf("c%d", i), Role: question.RoleValue}
		switch rapid.IntRange(0, 2).Draw(t, "type") {
		case 0:
			c.Type, c.Numbers = question.Number, rapid.SliceOfN(rapid.Float64Range(-1e300, 1e300), n, n).Draw(t, "numbers")
		case 1:
			c.Type, c.Integers = question.Integer, rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "integers")
		default:
			c.Type = question.String
			c.Dict = rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", " ", ",", "\"", "a\"b,c", "=1+1", "x\ny"})), 1, 5).Draw(t, "dict")
			c.Codes = rapid.SliceOfN(rapid.Int32Range(0, int32(len(c.Dict)-1)), n, n).Draw(t, "codes")
		}
		if n > 0 && rapid.Bool().Draw(t, "gap") {
			c = missing(c, rapid.IntRange(0, n-1).Draw(t, "gap at"))
		}
		out.Columns = append(out.Columns, c)
	}
	return out
}

func TestRowsJSONReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawTable(t)
		out, _ := render.AppendRowsJSON(nil, in)
		dec := json.NewDecoder(bytes.NewReader(out))
		dec.UseNumber()
		var rows []map[string]any
		if err := dec.Decode(&rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != in.Rows() {
			t.Fatalf("%d rows, want %d", len(rows), in.Rows())
		}
		for i, row := range rows {
			for n := range in.Columns {
				c := &in.Columns[n]
				want := c.Value(i)
				got := row[c.Name]
				switch w := want.(type) {
				case float64:
					f, err := got.(json.Number).Float64()
					if err != nil || f != w {
						t.Fatalf("row %d: %v, want %v", i, got, w)
					}
				case int64:
					k, err := got.(json.Number).Int64()
					if err != nil || k != w {
						t.Fatalf("row %d: %v, want %v", i, got, w)
					}
				default:
					if !reflect.DeepEqual(got, want) {
						t.Fatalf("row %d: %q, want %q", i, got, want)
					}
				}
			}
		}
	})
}

func TestCSVReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawTable(t)
		var b bytes.Buffer
		if err := render.CSV(&b, in, question.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", b.String(), err)
		}
		if len(records) != in.Rows()+1 {
			t.Fatalf("%d records, want %d", len(records), in.Rows()+1)
		}
		for i, record := range records[1:] {
			for n := range in.Columns {
				want := ""
				if v := in.Columns[n].Value(i); v != nil {
					want = fmt.Sprint(v)
				}
				got := record[n]
				if in.Columns[n].Type == question.String {
					// encoding/csv folds CR LF inside of quotes.
					if got != strings.ReplaceAll(want, "\r\n", "\n") {
						t.Fatalf("row %d: %q, want %q", i, got, want)
					}
					continue
				}
				var f, w float64
				if _, err := fmt.Sscan(got+" "+want, &f, &w); (err != nil || f != w) && got+want != "" {
					t.Fatalf("row %d: %q, want %q", i, got, want)
				}
			}
		}
	})
}

func TestArrowReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawTable(t)
		var b bytes.Buffer
		if err := render.Arrow(&b, in, question.WriteOptions{Provenance: &question.Provenance{Dataset: "d", Synthetic: true}}); err != nil {
			t.Fatal(err)
		}
		r, err := ipc.NewReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		if i := r.Schema().Metadata().FindKey("lestats.synthetic"); i < 0 || r.Schema().Metadata().Values()[i] != "true" {
			t.Fatal("the stream does not say that the figures are synthetic")
		}
		rows := 0
		for r.Next() {
			batch := r.RecordBatch()
			rows += int(batch.NumRows())
			for n := range in.Columns {
				for i := range int(batch.NumRows()) {
					var got any
					if col := batch.Column(n); col.IsValid(i) {
						switch col := col.(type) {
						case *array.Float64:
							got = col.Value(i)
						case *array.Int64:
							got = col.Value(i)
						case *array.String:
							got = col.Value(i)
						}
					}
					if want := in.Columns[n].Value(i); !reflect.DeepEqual(got, want) {
						t.Fatalf("column %d, row %d: %v, want %v", n, i, got, want)
					}
				}
			}
		}
		if r.Err() != nil || rows != in.Rows() {
			t.Fatalf("%d rows, %v; want %d", rows, r.Err(), in.Rows())
		}
	})
}

func TestTextCannotDriveTheTerminal(t *testing.T) {
	var b bytes.Buffer
	if err := render.Text(&b, table("", key("k", "\x1b[2Jhaha\r\n", "日本"), value("v", 1e20, 1)), question.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); strings.ContainsAny(out, "\x1b\r") || strings.Count(out, "\n") != 4 || !strings.Contains(out, "1e+20") {
		t.Errorf("%q", out)
	}
}

// A file for people has no cell that a spreadsheet would run; one for programs has every
// byte.
func TestCSVForPeople(t *testing.T) {
	for _, tt := range []struct {
		text  string
		inert bool // it is written with a leading '
	}{
		{`=cmd|' /C calc'!A0`, true}, {`=HYPERLINK("http://e.example")`, true}, {"+1", true}, {"-1", true}, {"@SUM(1)", true},
		{"\t=1", true}, {"\r=1", true}, {"\n=1", true}, {" =1", true}, {"\u00a0=1", true}, {"＝1", true}, {"＋1", true}, {"－1", true}, {"＠1", true},
		{"", false}, {"'=1", false}, {"18 - 24", false}, {"a=b", false}, {"65+", false}, {"Ohio", false}, {"é", false}, {" ", false}, {"\xff", false},
	} {
		in := table(question.LayoutRows, key(tt.text+"", tt.text), value("v", -1.5))
		for people, inert := range map[bool]bool{false: false, true: tt.inert} {
			var b bytes.Buffer
			if err := render.CSV(&b, in, question.WriteOptions{People: people}); err != nil {
				t.Fatal(err)
			}
			want := tt.text
			if inert {
				want = "'" + want
			}
			records, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
			for _, r := range records {
				if want = strings.ReplaceAll(want, "\r\n", "\n"); r[0] != want {
					t.Errorf("%q for people %t: %q, want %q", tt.text, people, r[0], want)
				}
			}
			if err != nil || len(records) != 2 || records[1][1] != "-1.5" {
				t.Errorf("%q for people %t: %q, %v; a number stays", tt.text, people, records, err)
			}
		}
	}
}

// Whatever a cell holds, its field in a file for people starts with no character that
// spreadsheets act on.
func FuzzCSVForPeople(f *testing.F) {
	f.Add("=1+1")
	f.Add(" \t@a\",\n=1")
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		if err := render.CSV(&b, table(question.LayoutRows, key(text, text, "a"+text), value("v", 1, 2)), question.WriteOptions{People: true}); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r[0] != "" && strings.ContainsAny(strings.TrimLeft(r[0], " ")[:min(1, len(strings.TrimLeft(r[0], " ")))], "=+-@\t\r\n") {
				t.Errorf("%q", r[0])
			}
		}
	})
}

// A table is no wider than its terminal, if strings can be narrowed; numbers are whole.
func TestTextFitsTheTerminal(t *testing.T) {
	in := table(question.LayoutRows, key("place", "A very long name of a place", "日本日本日本日本日本"), key("k", "short", "Ohio"), value("mean", 123456.25, 1))
	for _, tt := range []struct {
		width, want int
	}{{0, 45}, {80, 45}, {45, 45}, {44, 44}, {30, 30}, {26, 26}, {5, 26}} {
		var b bytes.Buffer
		if err := render.Text(&b, in, question.WriteOptions{Width: tt.width}); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		rule := strings.Split(out, "\n")[1]
		if len(rule) != tt.want || !strings.Contains(out, "123456.25") || strings.Contains(out, "…") != (tt.want < 45) {
			t.Errorf("in %d columns the table has %d; want %d\n%s", tt.width, len(rule), tt.want, out)
		}
	}
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本", 4, "日本"}, {"日本", 3, "日…"}, {"日本", 2, "…"}, {"é́é́é́", 2, "é́…"}, {"", 0, ""}} {
		if got := question.Cut(tt.in, tt.most); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}

type full struct{ after int }

func (w *full) Write(b []byte) (int, error) {
	if w.after -= len(b); w.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestWriteErrorsComeBack(t *testing.T) {
	in := table(question.LayoutRows, key("k", "a"), value("v", 1))
	for _, f := range render.Formats {
		if f.Write == nil { // JSON, which is a value in memory
			continue
		}
		if err := f.Write(&full{after: 3}, in, question.WriteOptions{}); err == nil {
			t.Errorf("%s: a full disk went unnoticed", f.Name)
		}
	}
}

// Every format writes the rows in their order, whatever the table has, and the same bytes
// each time.
func TestEveryFormatKeepsTheOrder(t *testing.T) {
	places := []string{"Utah", "Ohio", "Guam", "Iowa"}
	for _, in := range []*question.Table{
		table(question.LayoutMap, key("place", places...), value("v", 4, 3, 2, 1)),
		table(question.LayoutRows, missing(value("v", 4, 3, 2, 1), 1), key("place", places...), question.Column{Name: "n", Type: question.Integer, Integers: []int64{4, 3, 2, 1}}),
		table(question.LayoutRows, key("place"), value("v")),
	} {
		for _, f := range render.Formats {
			var out, again bytes.Buffer
			for _, to := range []*bytes.Buffer{&out, &again} {
				if f.Value != nil {
					b, err := f.Value(nil, in)
					if err != nil {
						t.Fatalf("%s: %v", f.Name, err)
					}
					to.Write(b)
				} else if err := f.Write(to, in, question.WriteOptions{}); err != nil {
					t.Fatalf("%s: %v", f.Name, err)
				}
			}
			if got := regexp.MustCompile("Utah|Ohio|Guam|Iowa").FindAllString(out.String(), -1); !slices.Equal(got, places[:in.Rows()]) || out.String() != again.String() {
				t.Errorf("%s has the rows %q; want %q", f.Name, got, places[:in.Rows()])
			}
		}
	}
}

// FuzzTuple: the keys of several columns form one valid JSON string, whatever their
// values.
func FuzzTuple(f *testing.F) {
	f.Add("Ohio", "it's")
	f.Add(`"'`, "\x00\n\\")
	f.Fuzz(func(t *testing.T, a, b string) {
		out, err := render.AppendOriginalJSON(nil, table(question.LayoutMap, key("a", a), key("b", b), value("v", 1)))
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]float64
		if err := json.Unmarshal(out, &back); err != nil || len(back) != 1 {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func BenchmarkOriginalJSON(b *testing.B) {
	const rows = 1500 // mean_by_category of one survey question
	location, category, mean := key("location"), key("category"), value("mean")
	for i := range rows {
		location.Dict = append(location.Dict, fmt.Sprintf("State %d", i/28))
		location.Codes = append(location.Codes, int32(i))
		category.Dict = append(category.Dict, fmt.Sprintf("Stratum %d", i%28))
		category.Codes = append(category.Codes, int32(i))
		mean.Numbers = append(mean.Numbers, 20+float64(i)/7)
	}
	t := table(question.LayoutMap, location, category, mean)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, err = render.AppendOriginalJSON(out[:0], t); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
	var back map[string]float64
	if err := json.Unmarshal(out, &back); err != nil || len(back) != rows || back["('State 1', 'Stratum 2')"] != 20+30.0/7 {
		b.Fatalf("%d rows, %v: %.200s", len(back), err, out)
	}
}
