package dataset

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// drawRows draws rows for the descriptor of tinyYAML: nil is a missing value. The
// strings are few, so that they repeat, and hold what CSV must quote; "\r" is not
// among them, which a CSV reader may drop before a line's end.
func drawRows(t *rapid.T) [][3]any {
	place := rapid.OneOf(
		rapid.SampledFrom([]any{nil, "a", "b", "B", "é", " ", `say "hi"`, "two\nlines", "a,b", "#", "\x00", "0"}),
		rapid.Custom(func(t *rapid.T) any { return rapid.StringMatching(`[a-z\n",]{1,6}`).Draw(t, "text") }),
	)
	value := rapid.OneOf(
		rapid.SampledFrom([]any{nil, 0.0, math.Copysign(0, -1), 0.1, math.MaxFloat64, 5e-324}),
		rapid.Custom(func(t *rapid.T) any { return rapid.Float64Range(-1e300, 1e300).Draw(t, "value") }),
		rapid.Custom(func(t *rapid.T) any { return float64(rapid.IntRange(-20, 20).Draw(t, "small")) / 2 }),
	)
	count := rapid.OneOf(
		rapid.SampledFrom([]any{nil, int64(0), int64(math.MaxInt64), int64(math.MinInt64)}),
		rapid.Custom(func(t *rapid.T) any { return rapid.Int64Range(-20, 20).Draw(t, "count") }),
	)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]any {
		return [3]any{place.Draw(t, "place"), value.Draw(t, "value"), count.Draw(t, "count")}
	}), 0, 300).Draw(t, "rows")
}

// columnsOf puts rows into columns as a careless caller would: dictionary in order
// of appearance, with an entry that nobody uses and repetitions, and garbage in
// missing rows.
func columnsOf(rows [][3]any) []question.Column {
	place := question.Column{Name: "place", Type: question.String, Dict: []string{"unused", ""}, Valid: question.NewBitmap(len(rows))}
	value := question.Column{Name: "value", Type: question.Number, Valid: question.NewBitmap(len(rows))}
	count := question.Column{Name: "count", Type: question.Integer, Valid: question.NewBitmap(len(rows))}
	for i, r := range rows {
		code := int32(-7)
		if text, ok := r[0].(string); ok {
			if code = int32(slices.Index(place.Dict, text)); code < 0 || i%3 == 0 {
				place.Dict = append(place.Dict, text)
				code = int32(len(place.Dict) - 1)
			}
			place.Valid.Set(i)
		} else if i%2 == 0 { // missing by its text
			code = 1
			place.Valid.Set(i)
		}
		place.Codes = append(place.Codes, code)
		number, ok := r[1].(float64)
		if ok {
			value.Valid.Set(i)
		} else {
			number = math.NaN()
		}
		value.Numbers = append(value.Numbers, number)
		integer, ok := r[2].(int64)
		if ok {
			count.Valid.Set(i)
		} else {
			integer = -1
		}
		count.Integers = append(count.Integers, integer)
	}
	return []question.Column{count, place, value} // in another order than the descriptor
}

func writeRows(t *rapid.T, rows [][3]any) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = rapid.Bool().Draw(t, "CRLF")
	if rapid.Bool().Draw(t, "mark") {
		b.WriteString("\xef\xbb\xbf")
	}
	put := func(fields ...string) {
		if err := w.Write(fields); err != nil {
			t.Fatal(err)
		}
	}
	put("", "count", "ignored", "value", "Place ")
	for i, r := range rows {
		f := []string{strconv.Itoa(i), "", "a\n\"b", "", ""}
		if v, ok := r[0].(string); ok {
			f[4] = v
		}
		if v, ok := r[1].(float64); ok {
			f[3] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		if v, ok := r[2].(int64); ok {
			f[1] = strconv.FormatInt(v, 10)
		}
		put(f...)
	}
	w.Flush()
	return b.Bytes()
}

// TestEveryValueIsKept takes rows through Build, CSV and Arrow: all have the
// values that went in, in stable order, and one digest.
func TestEveryValueIsKept(t *testing.T) {
	desc := tiny(t)
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		built, err := Build(desc, columnsOf(rows))
		if err != nil {
			t.Fatal(err)
		}
		checkCanonical(t, built)

		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b [3]any) int {
			x, _ := a[0].(string) // missing ones first, as "" is
			y, _ := b[0].(string)
			return strings.Compare(x, y)
		})
		for i, r := range want {
			for j := range r {
				if got := built.columns[j].Value(i); !same(got, r[j]) {
					t.Fatalf("row %d, %s: %v, want %v", i, built.columns[j].Name, got, r[j])
				}
			}
		}

		fromCSV, err := ReadCSV(context.Background(), bytes.NewReader(writeRows(t, rows)), desc, nil)
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, fromCSV, built)
		var b bytes.Buffer
		if err := WriteArrow(&b, built); err != nil {
			t.Fatal(err)
		}
		fromArrow, err := ReadArrow(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, fromArrow, built)
		if err := fromArrow.Verify(); err != nil {
			t.Fatal(err)
		}
		checkCanonical(t, fromArrow)
		if got := fromArrow.Descriptor(); fmt.Sprint(got) != fmt.Sprint(desc) {
			t.Fatalf("descriptor %v, want %v", got, desc)
		}
	})
}

// same compares bits: -0 is not 0.
func same(a, b any) bool {
	x, ok := a.(float64)
	y, ok2 := b.(float64)
	if ok && ok2 {
		return math.Float64bits(x) == math.Float64bits(y)
	}
	return a == b
}

// TestDigestDependsOnEverything changes one thing at a time.
func TestDigestDependsOnEverything(t *testing.T) {
	rows := [][3]any{{"a", 1.0, int64(1)}, {"b", nil, int64(2)}, {"c", 0.0, nil}}
	seen := map[string]string{}
	add := func(what string, d *Descriptor, rows [][3]any) {
		ds, err := Build(d, columnsOf(rows))
		if err != nil {
			t.Fatal(err)
		}
		if !digestPattern.MatchString(ds.Digest()) {
			t.Errorf("digest %q", ds.Digest())
		}
		if other, ok := seen[ds.Digest()]; ok {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[ds.Digest()] = what
	}
	add("the original", tiny(t), rows)
	for row := range rows {
		for column, v := range []any{"z", 7.5, int64(9)} {
			for _, v := range []any{v, nil} {
				if same(rows[row][column], v) {
					continue
				}
				changed := slices.Clone(rows)
				changed[row][column] = v
				add(fmt.Sprintf("row %d, column %d = %v", row, column, v), tiny(t), changed)
			}
		}
	}
	add("-0", tiny(t), [][3]any{rows[0], rows[1], {"c", math.Copysign(0, -1), nil}})
	add("a row less", tiny(t), rows[:2])
	add("no rows", tiny(t), nil)
	for what, edit := range map[string]func(*Descriptor){
		"name":      func(d *Descriptor) { d.Name = "other" },
		"synthetic": func(d *Descriptor) { d.Synthetic = Synthetic{} },
		"rule":      func(d *Descriptor) { d.Synthetic = Synthetic{Column: "a", Value: "b"} },
		"header":    func(d *Descriptor) { d.Header = new(false) },
		"encoding":  func(d *Descriptor) { d.Encoding = "latin1" },
		"missing":   func(d *Descriptor) { d.Missing = []string{"NA"} },
		"its own":   func(d *Descriptor) { d.Columns[0].Missing = []string{"NA"} },
		"sort":      func(d *Descriptor) { d.Sort = "" },
		"unit":      func(d *Descriptor) { d.Columns[1].Unit = "kg" },
		"alias":     func(d *Descriptor) { d.Columns[0].Aliases[0] = "village" },
	} {
		d := tiny(t)
		edit(d)
		add(what, d, rows)
	}
}

// TestDigestIsPinned: results in a store are kept by digest, so it must not change
// between versions by accident.
func TestDigestIsPinned(t *testing.T) {
	ds, err := Build(tiny(t), columnsOf([][3]any{{"a", 1.0, int64(1)}, {nil, nil, nil}}))
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:6c7ff16f0e67935157e0c8f3613c77d8a0ca2a20b0c1184fec62dc90af43494a"
	if ds.Digest() != want {
		t.Errorf("%s, want %s", ds.Digest(), want)
	}
}

// TestSelectIsAFilter compares with asking every row.
func TestSelectIsAFilter(t *testing.T) {
	sorted := tiny(t)
	unsorted := tiny(t)
	unsorted.Sort = ""
	rapid.Check(t, func(t *rapid.T) {
		desc := rapid.SampledFrom([]*Descriptor{sorted, unsorted}).Draw(t, "descriptor")
		ds, err := Build(desc, columnsOf(drawRows(t)))
		if err != nil {
			t.Fatal(err)
		}
		conds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) question.Condition { return drawCondition(t, ds) }), 0, 4).Draw(t, "conditions")
		var want []question.Range
		for row := range ds.Rows() {
			if !slices.ContainsFunc(conds, func(c question.Condition) bool { return !passes(ds, &c, row) }) {
				want = appendRange(want, uint32(row), uint32(row)+1)
			}
		}
		if got := ds.Select(conds); !slices.Equal(got, want) {
			t.Fatalf("%v\nwant %v", got, want)
		}
	})
}

func drawCondition(t *rapid.T, ds *Dataset) question.Condition {
	name := rapid.SampledFrom([]string{"place", "place", "town", "value", "count", "nothing"}).Draw(t, "column")
	cond := question.Condition{Column: name}
	if c, ok := ds.Column(name); ok && c.Type == question.String {
		codes := rapid.SliceOfN(rapid.Int32Range(-1, int32(len(c.Dict))), 0, 8).Draw(t, "codes")
		slices.Sort(codes)
		cond.Codes = slices.Compact(codes)
		return cond
	}
	end := rapid.OneOf(rapid.SampledFrom([]float64{math.Inf(-1), math.Inf(1), math.NaN(), 0}), rapid.Float64Range(-20, 20))
	cond.Intervals = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) question.Interval {
		from := end.Draw(t, "from")
		if rapid.Bool().Draw(t, "one value") {
			from = math.Trunc(from)
			return question.Interval{Min: from, Max: from}
		}
		return question.Interval{Min: from, Max: end.Draw(t, "to")}
	}), 0, 4).Draw(t, "intervals")
	return cond
}

func passes(ds *Dataset, cond *question.Condition, row int) bool {
	c, ok := ds.Column(cond.Column)
	if !ok || !c.Present(row) {
		return false
	}
	var f float64
	switch v := c.Value(row).(type) {
	case string:
		return slices.Contains(cond.Codes, c.Codes[row])
	case int64:
		f = float64(v)
	case float64:
		f = v
	}
	return slices.ContainsFunc(cond.Intervals, func(iv question.Interval) bool { return f >= iv.Min && f <= iv.Max })
}

// TestSelectReadsTheIndex: a condition on the sort column alone reads no row.
func TestSelectReadsTheIndex(t *testing.T) {
	ds := cdcDataset(t, 1000)
	q, _ := ds.Column("question")
	total := uint32(0)
	for code := range q.Dict {
		got := ds.Select([]question.Condition{{Column: "Question", Codes: []int32{int32(code)}}})
		if len(got) != 1 || got[0].Start != total {
			t.Fatalf("code %d: %v, want one range from %d on", code, got, total)
		}
		total += got[0].Count
	}
	if total != 1000 {
		t.Errorf("%d rows in all, want 1000", total)
	}
	conds := []question.Condition{{Column: "question", Codes: []int32{4}}}
	if n := testing.AllocsPerRun(10, func() { ds.Select(conds) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}
