package guess

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
)

// clubArrow is an Arrow file of a club, its points, and a third column.
func clubArrow(t *testing.T, third arrow.Array) string {
	t.Helper()
	clubs := array.NewStringBuilder(memory.DefaultAllocator)
	clubs.AppendValues([]string{"P", "Q"}, nil)
	points := array.NewInt64Builder(memory.DefaultAllocator)
	points.AppendValues([]int64{1, 2}, nil)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "club", Type: arrow.BinaryTypes.String}, {Name: "points", Type: arrow.PrimitiveTypes.Int64}, {Name: "third", Type: third.DataType(), Nullable: true},
	}, nil)
	var b bytes.Buffer
	w, err := ipc.NewFileWriter(&b, ipc.WithSchema(schema))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(schema, []arrow.Array{clubs.NewArray(), points.NewArray(), third}, 2)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func floats(values ...float64) arrow.Array {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// damagedParquet is a Parquet file whose column "third" cannot be decoded.
func damagedParquet(t *testing.T) string {
	t.Helper()
	type row struct {
		Club   string `parquet:"club"`
		Points int64  `parquet:"points"`
		Third  string `parquet:"third,plain"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	if _, err := w.Write([]row{{"P", 1, "MARKER"}, {"Q", 2, "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b.Bytes(), []byte("\x06\x00\x00\x00MARKER"))
	if at < 0 {
		t.Fatal("the text is not there as it is")
	}
	b.Bytes()[at] = 0xff
	return b.String()
}

// A column that cannot be read is left out, with the place, the value and the reason, and
// the others are read.
func TestUnreadableColumns(t *testing.T) {
	unsigned := array.NewUint64Builder(memory.DefaultAllocator)
	unsigned.AppendValues([]uint64{1, math.MaxUint64}, nil)
	large := unsigned.NewArray()
	text := array.NewStringBuilder(memory.DefaultAllocator)
	text.AppendValues([]string{"ok", "\xff"}, nil)
	bad := text.NewArray()
	for _, c := range []struct {
		name, file string
		h          Hints
		want       string // why "third" is left out; "" if it is not
	}{
		{"text that is not UTF-8", "club,third,points\nP,ok,1\nQ,\xc9toile,2\n", Hints{}, `"third" is left out: line 3 (row 2): "\xc9toile" is not UTF-8: its byte 1 is 0xC9; if the file is Windows-1252 or Latin-1, as older ones are, pass --encoding windows-1252 to data init`},
		{"the same after a field of two lines", "club,third,points\n\"P\nP\",ok,1\nQ,a\xc9,2\n", Hints{}, `"third" is left out: line 4 (row 2): "a\xc9" is not UTF-8: its byte 2 is 0xC9`},
		{"as the user says", "club,third,points\nP,ok,1\nQ,\xc9toile,2\n", Hints{Encoding: "windows-1252"}, ""},
		{"in another encoding than that", "club,third,points\nP,ok,1\nQ,\x81,2\n", Hints{Encoding: "shift_jis"}, `"third" is left out: line 3 (row 2): "`},
		{"a header that is not UTF-8", "club,thir\xe9,points\nP,ok,1\nQ,x,2\n", Hints{}, `is left out: its header cannot be used: "thir\xe9" is not UTF-8: its byte 5 is 0xE9`},
		{"infinite", clubArrow(t, floats(1, math.Inf(1))), Hints{}, `"third" is left out: row 2: +Inf is not finite; if it means a missing value, pass --missing=+Inf`},
		{"negatively", clubArrow(t, floats(math.Inf(-1), 2)), Hints{}, `"third" is left out: row 1: -Inf is not finite; if it means a missing value, pass --missing=-Inf`},
		{"infinite for missing", clubArrow(t, floats(1, math.Inf(-1))), Hints{Missing: []string{"-inf"}}, ""},
		{"not a number", clubArrow(t, floats(1, math.NaN())), Hints{}, ""},
		{"an integer of 64 bits without a sign", clubArrow(t, large), Hints{}, ""},
		{"text of Arrow that is not UTF-8", clubArrow(t, bad), Hints{}, `"third" is left out: row 2: "\xff" is not UTF-8: its byte 1 is 0xFF; store the column as text in UTF-8`},
		{"damaged", damagedParquet(t), Hints{}, `"third" is left out: after row 0: it is damaged`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := c.h
			h.Group, h.Measure, h.Stratum = "club", "points", NoColumn
			d, err := guessText(t, "x.csv", c.file, h)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.LeftOut, "\n"); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			for _, why := range d.LeftOut {
				if !strings.Contains(string(d.YAML), "\n  # "+why+"\n") {
					t.Errorf("the descriptor does not say %s", why)
				}
			}
			if want := 2; (len(d.Columns) == want) != (c.want != "") {
				t.Errorf("%d columns: %s", len(d.Columns), d.YAML)
			}
		})
	}
}

// A column that cannot be read and that the user names is an error.
func TestUnreadableColumnIsNamed(t *testing.T) {
	const text = "club,points\n\xc9toile,1\nP,2\n"
	for _, h := range []Hints{{}, {Group: "club"}} {
		if _, err := guessText(t, "x.csv", text, h); err == nil || !strings.Contains(err.Error(), `line 2 (row 1): "\xc9toile" is not UTF-8`) || !strings.Contains(err.Error(), "--encoding windows-1252") {
			t.Error(err)
		}
	}
	d, err := guessText(t, "x.csv", text, Hints{Encoding: "latin1"})
	if err != nil || d.Encoding != "latin1" {
		t.Error(d, err)
	}
	// A column that would not be chosen does not cost the file.
	for text, want := range map[string]string{
		"club,place,points\nA,\xc9toile,1\nA,x,2\n":             `"place" is likely to be the group, and cannot be read: line 2 (row 1)`, // a word for it
		"club,note,points\nA,\xc9toile,1\nB,x,2\n":              "",
		"club,rate,year\nA,1,2019\nB,2\xa0000,2020\nC,3,2021\n": `"rate" is likely to be the measure, and cannot be read: line 3 (row 2): "2\xa0000" is not UTF-8`,
	} {
		d, err := guessText(t, "x.csv", text, Hints{})
		if want == "" && (err != nil || len(d.LeftOut) != 1) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if d, err := guessText(t, "x.arrow", clubArrow(t, floats(math.Inf(1), 1.5)), Hints{Measure: "points"}); err != nil || len(d.LeftOut) != 1 {
		t.Error(err)
	}
	if _, err := guessText(t, "x.arrow", clubArrow(t, floats(math.Inf(1), 1.5)), Hints{}); err == nil || !strings.Contains(err.Error(), `"third" is likely to be the measure, and cannot be read: row 1: +Inf`) {
		t.Error(err)
	}
	for h, want := range map[*Hints]string{
		{Encoding: "latim1"}: `--encoding: "latim1" is not an encoding that can be read; try "latin1"`,
	} {
		if _, err := guessText(t, "x.csv", text, *h); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	if _, err := guessText(t, "x.arrow", clubArrow(t, floats(1, 2)), Hints{Encoding: "latin1"}); err == nil || !strings.Contains(err.Error(), "--encoding applies to CSV files only") {
		t.Error(err)
	}
}

// A file of more columns than a dataset may have is described, and the descriptor stays
// readable.
func TestManyColumns(t *testing.T) {
	var header, row strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&header, ",column number %d, which has a long name", i)
		fmt.Fprintf(&row, ",%d,", i)
	}
	d, err := guessText(t, "x.csv", "club"+header.String()+"\nP"+row.String()+"\nQ"+row.String()+"\n", Hints{Group: "club", Measure: "column number 7"})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Columns) != 256 || len(d.LeftOut) != maxLeftOut+1 || d.LeftOut[maxLeftOut] != "9681 more columns are left out" {
		t.Errorf("%d columns, %d left out: %s", len(d.Columns), len(d.LeftOut), d.LeftOut[len(d.LeftOut)-1])
	}
	if _, err := dataset.ParseDescriptor(d.YAML); err != nil {
		t.Error(err)
	}
}
