package dataset

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// naiveCoverage counts with maps of values.
func naiveCoverage(ds *Dataset, rows []question.Range) *question.Coverage {
	out := &question.Coverage{Mixed: []question.Mixed{}}
	measure, _ := ds.Column(ds.desc.Columns[ds.desc.measure()].Name)
	var with []int
	for _, r := range rows {
		for row := int(r.Start); row < int(r.Start+r.Count); row++ {
			out.Rows++
			if measure.Present(row) {
				with = append(with, row)
			} else {
				out.Missing++
			}
		}
	}
	columns := ds.Columns()
	for i := range columns {
		c := &columns[i]
		if slices.Contains([]string{"year_end", "location_abbr", "topic"}, c.Name) { // as another one, in cdcDataset
			continue
		}
		values := map[any]bool{}
		for _, row := range with {
			if v := c.Value(row); v != nil {
				values[v] = true
			}
		}
		if c.Role == question.RoleDimension && len(values) > 1 {
			out.Mixed = append(out.Mixed, question.Mixed{Column: c.Name, Title: c.Title, Values: len(values)})
		}
	}
	return out
}

// naiveGroups counts texts of values.
func naiveGroups(ds *Dataset, rows []question.Range, by []string) int {
	measure, _ := ds.Column(ds.desc.Columns[ds.desc.measure()].Name)
	groups := map[string]bool{}
	for _, r := range rows {
		for row := int(r.Start); row < int(r.Start+r.Count); row++ {
			if !measure.Present(row) {
				continue
			}
			key := ""
			for _, name := range by {
				c, _ := ds.Column(name)
				v := c.Value(row)
				if v == 0.0 {
					v = 0.0 // and not -0
				}
				key += fmt.Sprintf("%T %[1]v|", v)
			}
			groups[key] = true
		}
	}
	return len(groups)
}

// Every count is that of a plain program, with missing values, with integers near to each
// other and far apart, and with more rows than a block has.
func TestCoverage(t *testing.T) {
	text := `
name: t
columns:
  - {name: s, type: string, role: dimension, title: S}
  - {name: i, type: integer, role: dimension}
  - {name: f, type: number, role: dimension}
  - {name: other, type: string}
  - {name: v, type: number, role: measure}
`
	desc, err := ParseDescriptor([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	integers := []int64{2011, 2012, 2023, 2023 + 4096, -1, 0, math.MaxInt64, math.MinInt64}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 7, 100, 9000}).Draw(t, "rows")
		random := rapid.IntRange(1, 1<<30).Draw(t, "seed")
		draw := func(most int) int {
			random = (random*1103515245 + 12345) & (1<<31 - 1)
			return random >> 8 % most
		}
		kinds := rapid.IntRange(1, len(integers)).Draw(t, "values")
		bitmap := func() question.Bitmap {
			b := question.NewBitmap(n)
			for i := range n {
				if draw(5) > 0 {
					b.Set(i)
				}
			}
			return b
		}
		columns := []question.Column{
			{Name: "s", Type: question.String, Dict: []string{"a", "b", "c"}, Codes: make([]int32, n), Valid: bitmap()},
			{Name: "i", Type: question.Integer, Integers: make([]int64, n), Valid: bitmap()},
			{Name: "f", Type: question.Number, Numbers: make([]float64, n)},
			{Name: "other", Type: question.String, Dict: []string{"x", "y"}, Codes: make([]int32, n)},
			{Name: "v", Type: question.Number, Numbers: make([]float64, n), Valid: bitmap()},
		}
		for i := range n {
			columns[0].Codes[i] = int32(draw(3))
			columns[1].Integers[i] = integers[draw(kinds)]
			columns[2].Numbers[i] = []float64{0.5, 0, math.Copysign(0, -1), 1e300}[draw(4)]
			columns[3].Codes[i] = int32(draw(2))
		}
		ds, err := Build(desc, columns)
		if err != nil {
			t.Fatal(err)
		}
		var rows []question.Range
		for at := uint32(0); at < uint32(n); {
			skip, count := uint32(draw(40)), uint32(1+draw(5000))
			if at += skip; at >= uint32(n) {
				break
			}
			count = min(count, uint32(n)-at)
			rows = append(rows, question.Range{Start: at, Count: count})
			at += count + 1
		}
		if got, want := ds.Coverage(rows), naiveCoverage(ds, rows); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v; want %+v", got, want)
		}
		for _, by := range [][]string{nil, {"s"}, {"s", "other"}, {"i"}, {"other", "i", "s"}, {"i", "f"}} {
			want := naiveGroups(ds, rows, by)
			if got := ds.Groups(rows, by); got != want {
				t.Fatalf("by %q: %d; want %d", by, got, want)
			}
		}
		if got := ds.Groups(rows, []string{"s", "nothing"}); got != -1 {
			t.Fatalf("a column that does not exist: %d", got)
		}
	})
}

// Of dimensions that say the same, the one with a role counts, or the first.
func TestCoverageOfTwins(t *testing.T) {
	got := func(text, csv string) (columns []string) {
		t.Helper()
		before, text, ok := strings.Cut(text, "columns:\n")
		if !ok {
			before, text = "", before
		}
		desc, err := ParseDescriptor([]byte("name: t\n" + before + "columns:\n" + text + "  - {name: v, type: number, role: measure}\n"))
		if err != nil {
			t.Fatal(err)
		}
		ds, err := ReadCSV(t.Context(), strings.NewReader(csv), desc, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ds.Coverage(ds.Select(nil)).Mixed {
			columns = append(columns, m.Column)
		}
		return columns
	}
	const two = "  - {name: a, type: string, role: dimension}\n  - {name: location, type: string, role: dimension}\n"
	const years = "  - {name: a, type: integer, role: dimension}\n  - {name: b, type: integer, role: dimension}\n"
	for name, tt := range map[string]struct {
		columns, csv string
		want         []string
	}{
		"other words":          {two, "a,location,v\nOH,Ohio,1\nUT,Utah,2\nOH,Ohio,3\n", []string{"location"}},
		"one of two":           {two, "a,location,v\nOH,Ohio,1\nUT,Utah,2\nOH,Utah,3\n", []string{"a", "location"}},
		"the other way":        {two, "a,location,v\nOH,Ohio,1\nUT,Utah,2\nUT,Ohio,3\n", []string{"a", "location"}},
		"both missing":         {two, "a,location,v\nOH,Ohio,1\n,,2\nUT,Utah,3\n", []string{"location"}},
		"missing in one":       {two, "a,location,v\nOH,Ohio,1\n,Ohio,2\nUT,Utah,3\n", []string{"a", "location"}},
		"a caveat counts":      {"caveats: [{column: b, when: mixed, text: T}]\ncolumns:\n" + years, "a,b,v\n1,1,1\n2,2,2\n", []string{"b"}},
		"before a role":        {"caveats: [{column: a, when: mixed, text: T}]\ncolumns:\n" + two, "a,location,v\nOH,Ohio,1\nUT,Utah,2\n", []string{"a"}},
		"two caveats":          {"caveats: [{column: a, when: mixed, text: T}, {column: b, when: mixed, text: U}]\ncolumns:\n" + years, "a,b,v\n1,1,1\n2,2,2\n", []string{"a", "b"}},
		"the same integers":    {years, "a,b,v\n1,1,1\n2,2,2\n", []string{"a"}},
		"other integers":       {years, "a,b,v\n1,1,1\n2,3,2\n", []string{"a", "b"}},
		"integers and strings": {"  - {name: a, type: integer, role: dimension}\n  - {name: b, type: string, role: dimension}\n", "a,b,v\n1,1,1\n2,2,2\n", []string{"a", "b"}},
	} {
		if columns := got(tt.columns, tt.csv); !slices.Equal(columns, tt.want) {
			t.Errorf("%s: %q; want %q", name, columns, tt.want)
		}
	}
}

// BenchmarkCoverage counts what a catalog remembers by selection.
func BenchmarkCoverage(b *testing.B) {
	ds := cdcDataset(b, benchRows)
	for _, c := range []struct {
		name  string
		conds []question.Condition
	}{
		{"ninth", []question.Condition{{Column: "question", Codes: []int32{4}}}},
		{"ninth and category", []question.Condition{{Column: "question", Codes: []int32{4}}, {Column: "category", Codes: []int32{2}}}},
		{"all", nil},
	} {
		rows := ds.Select(c.conds)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var got *question.Coverage
			for b.Loop() {
				got = ds.Coverage(rows)
			}
			if want := naiveCoverage(ds, rows); !reflect.DeepEqual(got, want) || len(got.Mixed) == 0 {
				b.Fatalf("%+v; want %+v", got, want)
			}
		})
		by := []string{"location", "category", "stratum", "year"}
		b.Run(c.name+"/groups", func(b *testing.B) {
			got := 0
			for b.Loop() {
				got = ds.Groups(rows, by)
			}
			if want := naiveGroups(ds, rows, by); got != want || got == 0 {
				b.Fatalf("%d; want %d", got, want)
			}
		})
	}
}
