package main

import (
	"math"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

func ask(t *testing.T, years []int64, values []float64) (*sdktest.Result, error) {
	t.Helper()
	same := func(text string) sdktest.Column {
		all := make([]string, len(years))
		for i := range all {
			all[i] = text
		}
		return sdktest.Strings("x", all...)
	}
	question, location := same("obesity"), same("Ohio")
	question.Name, location.Name = "question", "location"
	session, err := sdktest.Open(plugin, question, location, sdktest.Integers("year", years...), sdktest.Numbers("value", values...))
	if err != nil {
		t.Fatal(err)
	}
	return session.Ask("trend", map[string]any{"question": "obesity", "state": "Ohio"})
}

// Years on a straight line lie on it, whatever the order of the rows and however many
// a year has.
func TestLine(t *testing.T) {
	r, err := ask(t, []int64{2015, 2012, 2012, 2013, 2014}, []float64{26, 19, 21, 22, 24})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 4 {
		t.Fatalf("%d rows", r.Rows)
	}
	for i := range 4 {
		want := 20 + 2*float64(i)
		if r.Columns[0].Value(i) != int64(2012+i) || r.Columns[1].Value(i) != want || r.Columns[4].Value(i) != nil {
			t.Errorf("row %d: %v %v %v", i, r.Columns[0].Value(i), r.Columns[1].Value(i), r.Columns[4].Value(i))
		}
		for c, want := range map[int]float64{2: want, 3: 2} {
			if got, _ := r.Columns[c].Value(i).(float64); math.Abs(got-want) > 1e-12 {
				t.Errorf("row %d, column %d: %v; want %v", i, c, got, want)
			}
		}
	}
}

// No line crosses the change of method, and a year alone has none.
func TestChangeOfMethod(t *testing.T) {
	r, err := ask(t, []int64{2009, 2010, 2011}, []float64{10, 12, 30})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 3 || r.Columns[3].Value(0) != 2.0 || r.Columns[3].Value(1) != 2.0 || r.Columns[3].Value(2) != nil || r.Columns[2].Value(2) != nil {
		t.Errorf("%d rows, slopes %v %v %v", r.Rows, r.Columns[3].Value(0), r.Columns[3].Value(1), r.Columns[3].Value(2))
	}
	for i, want := range []string{"before", "before", "since"} {
		if got, _ := r.Columns[4].Value(i).(string); !strings.HasPrefix(got, want) {
			t.Errorf("row %d: %q", i, got)
		}
	}
}

func TestNothing(t *testing.T) {
	if r, err := ask(t, []int64{2012}, []float64{sdktest.Missing}); err == nil {
		t.Errorf("%+v", r)
	}
}
