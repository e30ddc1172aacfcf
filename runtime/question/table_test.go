package question

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// drawColumn draws a column of n rows.
func drawColumn(t *rapid.T, n int, name string) Column {
	c := Column{
		Name: name, Role: rapid.SampledFrom([]Role{RoleKey, RoleValue}).Draw(t, "role"),
		Type: rapid.SampledFrom([]Type{Number, Integer, String}).Draw(t, "type"),
	}
	present := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "present")
	for _, p := range present {
		if !p {
			c.Valid = NewBitmap(n)
		}
	}
	if c.Valid != nil {
		for i, p := range present {
			if p {
				c.Valid.Set(i)
			}
		}
	}
	switch c.Type {
	case Number:
		c.Numbers = rapid.SliceOfN(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64), n, n).Draw(t, "numbers")
	case Integer:
		c.Integers = rapid.SliceOfN(rapid.Int64(), n, n).Draw(t, "integers")
	default:
		c.Dict = rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "dict")
		c.Codes = rapid.SliceOfN(rapid.Int32Range(0, int32(len(c.Dict)-1)), n, n).Draw(t, "codes")
	}
	return c
}

func TestTableJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "rows")
		table := &Table{Layout: LayoutRows, Chart: "bar"}
		for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
			table.Columns = append(table.Columns, drawColumn(t, n, fmt.Sprintf("c%d", i)))
		}
		b, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		var got Table
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got.Rows() != n || got.Layout != table.Layout || len(got.Columns) != len(table.Columns) {
			t.Fatalf("%s became %+v", b, got)
		}
		for i := range table.Columns {
			for row := range n {
				if g, w := got.Columns[i].Value(row), table.Columns[i].Value(row); !reflect.DeepEqual(g, w) {
					t.Fatalf("column %d, row %d: %v, want %v", i, row, g, w)
				}
			}
		}
	})
}

func TestTableJSONRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"code outside":  `{"columns":[{"name":"a","type":"string","dict":["x"],"values":[1]}]}`,
		"negative code": `{"columns":[{"name":"a","type":"string","dict":["x"],"values":[-1]}]}`,
		"type":          `{"columns":[{"name":"a","type":"date","values":[1]}]}`,
		"lengths":       `{"columns":[{"name":"a","type":"number","values":[1]},{"name":"b","type":"number","values":[]}]}`,
		"no number":     `{"columns":[{"name":"a","type":"number","values":["x"]}]}`,
		"no integer":    `{"columns":[{"name":"a","type":"integer","values":[1.5]}]}`,
	} {
		var table Table
		if err := json.Unmarshal([]byte(text), &table); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := json.Marshal(Column{Name: "a", Type: Number, Numbers: []float64{math.NaN()}}); err == nil {
		t.Error("NaN was written as JSON")
	}
}

func TestError(t *testing.T) {
	cause := errors.New("disk full")
	err := fmt.Errorf("job: %w", Errorf(CodeStoreUnavailable, "cannot write: %w", cause).WithParam("store", "another folder"))
	e := AsError(err)
	if e.Code != CodeStoreUnavailable || e.Param != "store" || e.Hint[0] != "another folder" || !errors.Is(err, cause) {
		t.Errorf("%+v", e)
	}
	if CodeOf(nil) != "" || CodeOf(cause) != CodeInternal || AsError(nil) != nil {
		t.Error("codes of nil and of a plain error")
	}
}

func TestStatusFinal(t *testing.T) {
	for status, final := range map[Status]bool{Queued: false, Running: false, Done: true, Failed: true, Cancelled: true} {
		if status.Final() != final {
			t.Errorf("%s is final: %t", status, !final)
		}
	}
}

// BenchmarkTableJSON encodes the table of states_mean for the store.
func BenchmarkTableJSON(b *testing.B) {
	location := Column{Name: "location", Type: String, Role: RoleKey}
	mean := Column{Name: "mean", Title: "Mean", Type: Number, Unit: "%", Role: RoleValue}
	for i := range 55 {
		location.Dict = append(location.Dict, fmt.Sprintf("State %d", i))
		location.Codes = append(location.Codes, int32(i))
		mean.Numbers = append(mean.Numbers, 30+float64(i)/7)
	}
	t := &Table{Layout: LayoutMap, Columns: []Column{location, mean}}
	for name, encode := range map[string]func() ([]byte, error){
		"append":  func() ([]byte, error) { return t.AppendJSON(nil) },
		"marshal": func() ([]byte, error) { return json.Marshal(t) },
	} {
		b.Run(name, func(b *testing.B) {
			var text []byte
			for b.Loop() {
				var err error
				if text, err = encode(); err != nil {
					b.Fatal(err)
				}
			}
			var back Table
			if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, t) {
				b.Fatalf("%s\n%v", text, err)
			}
		})
	}
}
