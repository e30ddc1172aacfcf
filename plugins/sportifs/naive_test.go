package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

// table is a dataset as rows: "" and NaN are missing.
type table struct {
	question, location, category, stratum []string
	value                                 []float64
}

func (d *table) columns() []sdktest.Column {
	return []sdktest.Column{
		sdktest.Strings("question", d.question...), sdktest.Strings("location", d.location...),
		sdktest.Strings("category", d.category...), sdktest.Strings("stratum", d.stratum...),
		sdktest.Numbers("value", d.value...),
	}
}

var surveys = []string{lessBetter[1], moreBetter[3], "Something else"}

// draw makes up to 400 rows with gaps in every column and values that tie.
func draw(t *rapid.T) *table {
	d := &table{}
	n := rapid.IntRange(1, 400).Draw(t, "rows")
	locations := []string{"Ohio", "Utah", "Iowa", "O'Hara", "Guam", "Maine", "Texas"}[:rapid.IntRange(1, 7).Draw(t, "locations")]
	seed := rapid.SliceOfN(rapid.Uint64(), n, n).Draw(t, "rows")
	gap := func(bits uint64, text string) string {
		if bits%16 == 0 {
			return ""
		}
		return text
	}
	for _, bits := range seed {
		d.question = append(d.question, surveys[bits%3])
		d.location = append(d.location, gap(bits>>8, locations[bits>>4%uint64(len(locations))]))
		d.category = append(d.category, gap(bits>>16, []string{"Age", "Gender"}[bits>>24%2]))
		d.stratum = append(d.stratum, gap(bits>>20, []string{"18 - 24", "Female", "Male"}[bits>>28%3]))
		value := float64(bits >> 32 % 5)
		if bits>>40%5 == 0 {
			value = math.NaN()
		}
		d.value = append(d.value, value)
	}
	return d
}

// means is the plain way: the mean of each key over the rows of a survey
// question, where key returns "" for rows that do not count.
func (d *table) means(survey string, key func(i int) string) map[string]float64 {
	totals, counts := map[string]float64{}, map[string]float64{}
	for i := range d.value {
		if k := key(i); d.question[i] == survey && !math.IsNaN(d.value[i]) && k != "" {
			totals[k] += d.value[i]
			counts[k]++
		}
	}
	for k := range totals {
		totals[k] /= counts[k]
	}
	return totals
}

func (d *table) cell(i int) string {
	if d.location[i] == "" || d.category[i] == "" || d.stratum[i] == "" {
		return ""
	}
	return d.location[i] + "|" + d.category[i] + "|" + d.stratum[i]
}

// expect computes a question's answer, rows in order.
func (d *table) expect(name, survey, state string) []entry {
	byLocation := d.means(survey, func(i int) string { return d.location[i] })
	global, ok := d.means(survey, func(int) string { return "all" })["all"]
	ascending := entries(byLocation, func(a, b entry) int { return cmp.Or(cmp.Compare(a.mean, b.mean), strings.Compare(a.key, b.key)) })
	descending := entries(byLocation, func(a, b entry) int { return cmp.Or(cmp.Compare(b.mean, a.mean), strings.Compare(a.key, b.key)) })
	five := func(e []entry) []entry { return e[:min(5, len(e))] }
	one := func(e []entry) []entry {
		return slices.DeleteFunc(e, func(e entry) bool { return e.key != state && !strings.HasPrefix(e.key, state+"|") })
	}
	less := func(e []entry) []entry {
		out := slices.Clone(e)
		for i := range out {
			out[i].mean = global - out[i].mean
		}
		return out
	}
	byKey := func(a, b entry) int { // by each part in turn
		return slices.Compare(strings.Split(a.key, "|"), strings.Split(b.key, "|"))
	}
	switch name {
	case "states_mean":
		return ascending
	case "state_mean":
		return one(ascending)
	case "best5", "worst5":
		if (survey == lessBetter[1]) == (name == "best5") {
			return five(ascending)
		}
		return five(descending)
	case "global_mean":
		if !ok {
			return nil
		}
		return []entry{{"", global}}
	case "diff_from_mean":
		return less(ascending)
	case "state_diff_from_mean":
		return less(one(ascending))
	case "mean_by_category":
		return entries(d.means(survey, d.cell), byKey)
	default:
		return one(entries(d.means(survey, d.cell), byKey))
	}
}

func entries(means map[string]float64, order func(a, b entry) int) []entry {
	var out []entry
	for k, m := range means {
		out = append(out, entry{k, m})
	}
	slices.SortFunc(out, order)
	return out
}

// Each of the nine answers as a plain computation does, on any data, with many and
// with few possible cells.
func TestNaive(t *testing.T) {
	defer func(n int) { maxCells = n }(maxCells)
	rapid.Check(t, func(t *rapid.T) {
		maxCells = rapid.SampledFrom([]int{0, 1 << 18}).Draw(t, "maxCells")
		d := draw(t)
		session, err := sdktest.Open(plugin, d.columns()...)
		if err != nil {
			t.Fatal(err)
		}
		survey := d.question[0]
		place := slices.Max(d.location)
		for _, q := range nine {
			args := map[string]any{"question": survey}
			if slices.Contains(q.Params, sdk.Param(state)) {
				if place == "" {
					continue
				}
				args["state"] = place
			}
			got, err := session.Ask(q.Name, args)
			if survey == surveys[2] && strings.HasSuffix(q.Name, "5") {
				mustFail(t, q.Name, err, abi.ErrBadParam, "best")
				args["best"] = "highest"
				got, err = session.Ask(q.Name, args)
			}
			want := d.expect(q.Name, survey, place)
			if len(want) == 0 {
				mustFail(t, q.Name, err, abi.ErrNoData, "")
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", q.Name, err)
			}
			if got.Rows != len(want) {
				t.Fatalf("%s has %d rows, want %v", q.Name, got.Rows, want)
			}
			for i := range want {
				var key []string
				for k := range got.Columns[:len(got.Columns)-1] {
					key = append(key, fmt.Sprint(got.Columns[k].Value(i)))
				}
				mean := got.Columns[len(got.Columns)-1].Numbers[i]
				if k := strings.Join(key, "|"); k != want[i].key || !near(mean, want[i].mean) {
					t.Fatalf("%s: row %d is %s %v, want %v", q.Name, i, k, mean, want[i])
				}
			}
		}
	})
}

func mustFail(t *rapid.T, name string, err error, code uint32, param string) {
	var got *sdktest.Error
	if !errors.As(err, &got) || got.Code != code || got.Param != param || got.Text == "" {
		t.Fatalf("%s: %#v, want code %d about %q", name, err, code, param)
	}
}

// An answer that no filter lets through names the state.
func TestStateWithoutValue(t *testing.T) {
	d := &table{
		question: []string{surveys[0], surveys[0]}, location: []string{"Guam", "Ohio"},
		category: []string{"Total", "Total"}, stratum: []string{"Total", "Total"}, value: []float64{math.NaN(), 1},
	}
	session, err := sdktest.Open(plugin, d.columns()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state_mean", "state_diff_from_mean", "state_mean_by_category"} {
		_, err := session.Ask(name, map[string]any{"question": surveys[0], "state": "Guam"})
		var got *sdktest.Error
		if !errors.As(err, &got) || got.Code != abi.ErrNoData || got.Text != "Guam has no value among the selected rows" {
			t.Errorf("%s: %#v", name, err)
		}
	}
}
