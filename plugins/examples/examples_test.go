//go:build examples

// Package examples tests the examples as they are built, in the sandbox: make test-sdks.
package examples

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
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

// trend is the line by the closed form of the normal equations:
// slope = (n*Sxy - Sx*Sy) / (n*Sxx - Sx*Sx).
func trend(rows []row, state string) want {
	sums, counts := map[int64]float64{}, map[int64]float64{}
	for _, r := range rows {
		if r.state == state && !math.IsNaN(r.value) {
			sums[r.year] += r.value
			counts[r.year]++
		}
	}
	var n, sx, sy, sxy, sxx float64
	for y := range sums {
		x, v := float64(y-2000), sums[y]/counts[y]
		n, sx, sy, sxy, sxx = n+1, sx+x, sy+v, sxy+x*v, sxx+x*x
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	out := want{}
	for y := range sums {
		at := sy/n + slope*(float64(y-2000)-sx/n)
		out[y] = []any{sums[y] / counts[y], at, slope, nil}
		if n == 1 {
			out[y][1], out[y][2] = nil, nil
		}
	}
	return out
}

// Each example answers, in the sandbox, what a plain computation over the same rows
// does: on the built-in sample, and on the CDC's rows where they are at hand.
func TestExamples(t *testing.T) {
	file, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	sample, err := dataset.ReadArrow(file)
	if err != nil {
		t.Fatal(err)
	}
	datasets := map[string]*dataset.Dataset{"sample": sample}
	if folder := os.Getenv("LESTATS_CDC_SLICE"); folder != "" {
		d, err := dataset.ParseDescriptor(data.NPAO)
		if err != nil {
			t.Fatal(err)
		}
		if datasets["slice"], err = dataset.Open(t.Context(), filepath.Join(folder, "cdc_npao_slice.csv"), d); err != nil {
			t.Fatal(err)
		}
	}
	for name, ds := range datasets {
		engine, err := sandbox.New(t.Context(), sandbox.Config{Log: slog.New(slog.DiscardHandler)}, ds)
		if err != nil {
			t.Fatal(err)
		}
		surveys, _ := ds.Column("question")
		for _, survey := range surveys.Dict {
			rows := rowsOf(t, ds, survey)
			state := rows[0].state
			for _, tt := range []struct {
				file, question string
				params         map[string]any
				want           want
			}{
				{"median_by_state", "median_by_state", nil, medians(rows)},
				{"weighted_mean", "weighted_means", nil, weighted(rows)},
				{"gap", "gap_by_state", map[string]any{"category": "Education"}, gaps(rows, "Education")},
				{"trend", "trend", map[string]any{"state": state}, trend(rows, state)},
			} {
				t.Run(name+"/"+tt.question+"/"+survey, func(t *testing.T) {
					params := map[string]any{"question": survey}
					maps.Copy(params, tt.params)
					check(t, ask(t, engine, ds, tt.file, tt.question, params), tt.want)
				})
			}
		}
		if err := engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, engine *sandbox.Engine, ds *dataset.Dataset, file, name string, params map[string]any) *question.Table {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("built", file+".wasm"))
	if err != nil {
		t.Fatalf("%v: make -C plugins/examples builds it", err)
	}
	plugin, err := engine.Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := plugin.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	bound, err := plugin.Manifest().Bind(question.Request{Question: name, Params: params}, ds)
	if err != nil {
		t.Fatal(err)
	}
	table, err := plugin.Answer(t.Context(), bound, ds.Select(bound.Where))
	if question.CodeOf(err) == question.CodeNoData {
		return &question.Table{Columns: make([]question.Column, 1)}
	}
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func check(t *testing.T, got *question.Table, want want) {
	t.Helper()
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
