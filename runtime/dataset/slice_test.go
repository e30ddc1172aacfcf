package dataset

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

func npao(t testing.TB) *Descriptor {
	t.Helper()
	d, err := ParseDescriptor(data.NPAO)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRealRows(t *testing.T) {
	ds, err := Open(context.Background(), filepath.Join(testtool.Slice(t), "cdc_npao_slice.csv"), npao(t))
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	if ds.Rows() != 4583 || ds.SortedBy() != "question" {
		t.Errorf("%d rows sorted by %q, want 4583 by question", ds.Rows(), ds.SortedBy())
	}
	for name, want := range map[string]int{"question": 9, "location": 55, "location_abbr": 55, "class": 3, "category": 6, "stratum": 28} {
		c, ok := ds.Column(name)
		if !ok || len(c.Dict) != want || c.Valid != nil {
			t.Errorf("%s: %d values (bitmap: %t), want %d, none missing", name, len(c.Dict), c.Valid != nil, want)
		}
	}
	for _, name := range []string{"value", "low", "high", "sample_size"} {
		c, _ := ds.Column(name)
		if got := missingCount(c.Valid, ds.Rows()); got != 490 {
			t.Errorf("%s: %d missing, want 490", name, got)
		}
	}
	// Aliases are the file's headers, also the one that ends in a space.
	for alias, name := range map[string]string{"Data_Value": "value", "High_Confidence_Limit": "high", "YearStart": "year", "LocationDesc": "location"} {
		if c, ok := ds.Column(alias); !ok || c.Name != name {
			t.Errorf("alias %s: %v, want %s", alias, c, name)
		}
	}
	// The first row of the file, with a quoted field among the others.
	q, _ := ds.Column("question")
	code := int32(-1)
	for i, text := range q.Dict {
		if text == "Percent of adults who engage in no leisure-time physical activity" {
			code = int32(i)
		}
	}
	first := ds.Select([]question.Condition{{Column: "question", Codes: []int32{code}}})
	if len(first) != 1 {
		t.Fatalf("the ranges of one survey question are %v, want one", first)
	}
	want := map[string]any{"year": int64(2020), "location_abbr": "US", "value": 30.6, "low": 29.4, "high": 31.8, "sample_size": int64(31255), "stratum": "Hispanic"}
	for name, v := range want {
		c, _ := ds.Column(name)
		if got := c.Value(int(first[0].Start)); got != v {
			t.Errorf("%s of the first row: %v, want %v", name, got, v)
		}
	}
	var b bytes.Buffer
	if err := WriteArrow(&b, ds); err != nil {
		t.Fatal(err)
	}
	back, err := ReadArrow(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Verify(); err != nil {
		t.Error(err)
	}
	mustEqual(t, back, ds)
}
