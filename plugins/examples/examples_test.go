//go:build examples

// Package examples tests the examples as they are built, in the sandbox: make test-sdks.
package examples

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// row is a row of the dataset that is of one survey question, column by column; a
// missing number is NaN.
type row struct {
	state, category, stratum string
	year                     int64
	value, low, high, size   float64
}

// rowsOf reads a survey question's rows one by one, as a spreadsheet would.
func rowsOf(t *testing.T, ds *dataset.Dataset, survey string) (rows []row) {
	t.Helper()
	get := func(name string) *question.Column {
		c, ok := ds.Column(name)
		if !ok {
			t.Fatalf("no column %s", name)
		}
		return c
	}
	number := func(name string, i int) float64 {
		switch v := get(name).Value(i).(type) {
		case float64:
			return v
		case int64:
			return float64(v)
		default:
			return math.NaN()
		}
	}
	text := func(name string, i int) string {
		s, _ := get(name).Value(i).(string)
		return s
	}
	for i := range ds.Rows() {
		if text("question", i) == survey {
			y, _ := get("year").Value(i).(int64)
			rows = append(rows, row{text("location", i), text("category", i), text("stratum", i), y, number("value", i), number("low", i), number("high", i), number("sample_size", i)})
		}
	}
	return rows
}

// want is what a question has to answer: for each key, the values.
type want map[any][]any

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func medians(rows []row) want {
	of := map[string][]float64{}
	for _, r := range rows {
		if !math.IsNaN(r.value) {
			of[r.state] = append(of[r.state], r.value)
		}
	}
	out := want{}
	for state, v := range of {
		out[state] = []any{median(v), int64(len(v))}
	}
	return out
}

func weighted(rows []row) want {
	type sum struct{ weight, value, square float64 }
	of := map[string]*sum{}
	for _, r := range rows {
		if math.IsNaN(r.value+r.low+r.high+r.size) || r.size <= 0 {
			continue
		}
		s := of[r.state]
		if s == nil {
			s = &sum{}
			of[r.state] = s
		}
		s.weight += r.size
		s.value += r.size * r.value
		half := r.size * (r.high - r.low) / 2
		s.square += half * half
	}
	out := want{}
	for state, s := range of {
		mean, half := s.value/s.weight, math.Sqrt(s.square)/s.weight
		out[state] = []any{mean, mean - half, mean + half, int64(s.weight)}
	}
	return out
}

func gaps(rows []row, category string) want {
	of := map[string]map[string][]float64{}
	for _, r := range rows {
		if r.category == category && !math.IsNaN(r.value) {
			if of[r.state] == nil {
				of[r.state] = map[string][]float64{}
			}
			of[r.state][r.stratum] = append(of[r.state][r.stratum], r.value)
		}
	}
	out := want{}
	for state, strata := range of {
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range strata {
				if !yield(name) {
					return
				}
			}
		})
		mean := func(name string) (sum float64) {
			for _, v := range strata[name] {
				sum += v
			}
			return sum / float64(len(strata[name]))
		}
		low, high := names[0], names[0]
		for _, name := range names {
			if mean(name) < mean(low) {
				low = name
			}
			if mean(name) > mean(high) {
				high = name
			}
		}
		if low != high {
			out[state] = []any{mean(high) - mean(low), low, high}
		}
	}
	return out
}

// trend is the line by the closed form of the normal equations, on either side of
// 2011: slope = (n*Sxy - Sx*Sy) / (n*Sxx - Sx*Sx).
func trend(rows []row, state string) want {
	sums, counts := map[int64]float64{}, map[int64]float64{}
	for _, r := range rows {
		if r.state == state && !math.IsNaN(r.value) {
			sums[r.year] += r.value
			counts[r.year]++
		}
	}
	sides := [2][]int64{}
	for y := range sums {
		if y < 2011 {
			sides[0] = append(sides[0], y)
		} else {
			sides[1] = append(sides[1], y)
		}
	}
	out := want{}
	for i, years := range sides {
		var n, sx, sy, sxy, sxx float64
		for _, y := range years {
			x, v := float64(y-2000), sums[y]/counts[y]
			n, sx, sy, sxy, sxx = n+1, sx+x, sy+v, sxy+x*v, sxx+x*x
		}
		var note any
		if len(sides[0]) > 0 && len(sides[1]) > 0 {
			note = []string{"before", "since"}[i] + " the survey's change of method in 2011"
		}
		slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
		for _, y := range years {
			at := sy/n + slope*(float64(y-2000)-sx/n)
			out[y] = []any{sums[y] / counts[y], at, slope, note}
			if n == 1 {
				out[y][1], out[y][2] = nil, nil
			}
		}
	}
	return out
}

// host is the sandbox with a dataset and the four examples.
type host struct {
	ds      *dataset.Dataset
	plugins map[string]*sandbox.Plugin
}

func start(t *testing.T, ds *dataset.Dataset, log slog.Handler) *host {
	t.Helper()
	engine, err := sandbox.New(t.Context(), sandbox.Config{Log: slog.New(log)}, ds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h := &host{ds, map[string]*sandbox.Plugin{}}
	for _, name := range []string{"gap", "median_by_state", "trend", "weighted_mean"} {
		wasm, err := os.ReadFile(filepath.Join("built", name+".wasm"))
		if err != nil {
			t.Fatalf("%v: make examples builds it", err)
		}
		plugin, err := engine.Load(t.Context(), wasm)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() {
			if err := plugin.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		h.plugins[name] = plugin
	}
	return h
}

// ask returns nil where there is no data.
func (h *host) ask(t *testing.T, plugin, name string, params map[string]any) *question.Table {
	t.Helper()
	p := h.plugins[plugin]
	bound, err := p.Manifest().Bind(question.Request{Question: name, Params: params}, h.ds)
	if err != nil {
		t.Fatal(err)
	}
	table, err := p.Answer(t.Context(), bound, h.ds.Select(bound.Where))
	if question.CodeOf(err) == question.CodeNoData {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// check compares a table, nil for none, with what it has to be.
func check(t *testing.T, got *question.Table, want want) {
	t.Helper()
	if got == nil || len(want) == 0 {
		if got != nil || len(want) > 0 {
			t.Errorf("%v; want %v", got, want)
		}
		return
	}
	if n := got.Columns[0].Len(); n != len(want) {
		t.Fatalf("%d rows; want %d", n, len(want))
	}
	for i := range len(want) {
		key := got.Columns[0].Value(i)
		values, ok := want[key]
		if !ok || len(values) != len(got.Columns)-1 {
			t.Fatalf("%v: want %v", key, values)
		}
		for c, w := range values {
			g := got.Columns[c+1].Value(i)
			if number, ok := w.(float64); ok {
				if v, ok := g.(float64); ok && math.Abs(v-number) <= 1e-9*max(1, math.Abs(number)) {
					continue
				}
			} else if g == w {
				continue
			}
			t.Errorf("%v, %s: %v; want %v", key, got.Columns[c+1].Name, g, w)
		}
	}
}

// Each example answers, in the sandbox, what a plain computation over the same rows
// does: on the built-in sample, and on the CDC's rows where $LESTATS_CDC_SLICE has
// them; for every survey question, state and category.
func TestExamples(t *testing.T) {
	t.Run("sample", func(t *testing.T) {
		file, err := data.Sample()
		if err != nil {
			t.Fatal(err)
		}
		ds, err := dataset.ReadArrow(file)
		if err != nil {
			t.Fatal(err)
		}
		compareAll(t, ds)
	})
	folder := os.Getenv("LESTATS_CDC_SLICE")
	if folder == "" {
		return
	}
	t.Run("slice", func(t *testing.T) {
		d, err := dataset.ParseDescriptor(data.NPAO)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := dataset.Open(t.Context(), filepath.Join(folder, "cdc_npao_slice.csv"), d)
		if err != nil {
			t.Fatal(err)
		}
		compareAll(t, ds)
	})
}

func compareAll(t *testing.T, ds *dataset.Dataset) {
	h := start(t, ds, slog.DiscardHandler)
	dict := func(name string) []string {
		c, ok := ds.Column(name)
		if !ok || len(c.Dict) == 0 {
			t.Fatalf("no values of %s", name)
		}
		return c.Dict
	}
	compared := map[string]int{} // rows of each question
	for _, survey := range dict("question") {
		t.Run(survey, func(t *testing.T) {
			rows := rowsOf(t, ds, survey)
			compare := func(plugin, name string, params map[string]any, want want) {
				t.Helper()
				params["question"] = survey
				check(t, h.ask(t, plugin, name, params), want)
				compared[name] += len(want)
			}
			compare("median_by_state", "median_by_state", map[string]any{}, medians(rows))
			compare("weighted_mean", "weighted_means", map[string]any{}, weighted(rows))
			for _, category := range dict("category") {
				compare("gap", "gap_by_state", map[string]any{"category": category}, gaps(rows, category))
			}
			for _, state := range dict("location") {
				compare("trend", "trend", map[string]any{"state": state}, trend(rows, state))
			}
		})
	}
	for _, name := range []string{"median_by_state", "weighted_means", "gap_by_state", "trend"} {
		t.Logf("%s: %d rows compared", name, compared[name])
		if compared[name] < len(dict("question")) {
			t.Errorf("%s: only %d rows to compare", name, compared[name])
		}
	}
}

// The survey's change of method: a line on either side, notes in the rows, a warning in
// the log. Neither the sample nor the CDC's rows go back so far.
func TestTrendAcross2011(t *testing.T) {
	d, err := dataset.ParseDescriptor([]byte(`name: long
sort: question
columns:
  - {name: question, type: string, role: dimension}
  - {name: location, type: string, role: dimension}
  - {name: category, type: string, role: dimension}
  - {name: stratum, type: string, role: dimension}
  - {name: year, type: integer, role: dimension}
  - {name: sample_size, type: integer}
  - {name: value, type: number, unit: "%", role: measure}
  - {name: low, type: number}
  - {name: high, type: number}
`))
	if err != nil {
		t.Fatal(err)
	}
	const n = 60 // of 2005 to 2016, five each
	codes := func(name string) question.Column {
		return question.Column{Name: name, Type: question.String, Codes: make([]int32, n), Dict: []string{"Ohio"}}
	}
	years := question.Column{Name: "year", Type: question.Integer, Integers: make([]int64, n)}
	values := question.Column{Name: "value", Type: question.Number, Numbers: make([]float64, n)}
	for i := range n {
		years.Integers[i], values.Numbers[i] = int64(2005+i%12), float64(i*i%37)
	}
	low, high, size := values, values, years
	low.Name, high.Name, size.Name = "low", "high", "sample_size"
	ds, err := dataset.Build(d, []question.Column{codes("question"), codes("location"), codes("category"), codes("stratum"), years, size, values, low, high})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := start(t, ds, slog.NewTextHandler(&log, nil))
	want := trend(rowsOf(t, ds, "Ohio"), "Ohio")
	if len(want) != 12 || want[int64(2010)][3] == want[int64(2011)][3] {
		t.Fatalf("%v", want)
	}
	check(t, h.ask(t, "trend", "trend", map[string]any{"question": "Ohio", "state": "Ohio"}), want)
	if s := log.String(); !strings.Contains(s, "level=WARN") || !strings.Contains(s, "changed its method in 2011") {
		t.Errorf("the log is %q", s)
	}
}
