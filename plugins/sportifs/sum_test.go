package main

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

// exactMean is the mean in fractions, rounded to the nearest float.
func exactMean(values ...float64) float64 {
	sum := new(big.Rat)
	for _, v := range values {
		sum.Add(sum, new(big.Rat).SetFloat64(v))
	}
	mean, _ := sum.Quo(sum, big.NewRat(int64(len(values)), 1)).Float64()
	return mean
}

// ofGroups opens a dataset of one survey question, its rows in a random order.
func ofGroups(t testing.TB, rng *rand.Rand, groups map[string][]float64) *sdktest.Session {
	t.Helper()
	d := &table{}
	for name, values := range groups {
		for _, v := range values {
			d.location, d.value = append(d.location, name), append(d.value, v)
		}
	}
	rng.Shuffle(len(d.value), func(i, j int) {
		d.location[i], d.location[j] = d.location[j], d.location[i]
		d.value[i], d.value[j] = d.value[j], d.value[i]
	})
	same := slices.Repeat([]string{surveys[0]}, len(d.value))
	d.question, d.category, d.stratum = same, same, same
	session, err := sdktest.Open(plugin, d.columns()...)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// asked returns the last column of an answer by its first; of one row by "".
func asked(t testing.TB, s *sdktest.Session, name string, args map[string]any) (names []string, values map[string]float64) {
	t.Helper()
	all := map[string]any{"question": surveys[0]}
	maps.Copy(all, args)
	result, err := s.Ask(name, all)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	values = map[string]float64{}
	last := &result.Columns[len(result.Columns)-1]
	for i := range result.Rows {
		key := ""
		if len(result.Columns) > 1 {
			key = fmt.Sprint(result.Columns[0].Value(i))
		}
		names = append(names, key)
		if values[key] = math.NaN(); last.Present(i) {
			values[key] = last.Numbers[i]
		}
	}
	return names, values
}

// Every mean is the exact one, to the bit, of published figures and of anything else
// that is a number; so groups with the same values tie, and no order matters.
func TestSumsAreExact(t *testing.T) {
	anything := rapid.Float64().Filter(func(v float64) bool { return math.Abs(v) < math.Inf(1) })
	kinds := map[string]*rapid.Generator[float64]{
		"published": rapid.Map(rapid.IntRange(0, 1000), func(n int) float64 { return float64(n) / 10 }),
		"signed":    rapid.Map(rapid.IntRange(-1e9, 1e9), func(n int) float64 { return float64(n) / 1000 }),
		"whole":     rapid.Map(rapid.Int64(), func(n int64) float64 { return float64(n) }),
		"cancel":    rapid.SampledFrom([]float64{1e16, -1e16, 1, -1, 0.1, 1e32, -1e32, 1e-20}),
		"large":     rapid.SampledFrom([]float64{1e308, math.MaxFloat64, -math.MaxFloat64, 1}),
		"anything":  anything,
	}
	for kind, figures := range kinds {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				values := rapid.SliceOfN(figures, 1, 40).Draw(rt, "values")
				others := rapid.SliceOfN(figures, 1, 40).Draw(rt, "others")
				rng := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(rt, "order")))
				s := ofGroups(t, rng, map[string][]float64{"Ohio": values, "Iowa": values, "Utah": others})
				want := map[string]float64{"Ohio": exactMean(values...), "Iowa": exactMean(values...), "Utah": exactMean(others...)}
				all := exactMean(slices.Concat(values, values, others)...)
				check := func(name string, args map[string]any, want map[string]float64) []string {
					names, got := asked(t, s, name, args)
					if len(got) != len(want) {
						rt.Fatalf("%s: %v; want %v", name, got, want)
					}
					for key, v := range want {
						if math.IsInf(v, 0) {
							v = math.NaN() // a difference that no float holds is missing
						}
						// Of denormal means the last bit may be rounded twice.
						if g := got[key]; g != v && !(math.IsNaN(g) && math.IsNaN(v)) && math.Abs(g-v) > 5e-324 {
							rt.Fatalf("%s: %s is %v, want %v", name, key, g, v)
						}
					}
					if _, both := got["Iowa"]; both && want["Iowa"] == want["Ohio"] && got["Ohio"] != got["Iowa"] && !math.IsNaN(got["Ohio"]) {
						rt.Fatalf("%s: the same values are %v and %v", name, got["Ohio"], got["Iowa"])
					}
					return names
				}
				names := check("states_mean", nil, want)
				if slices.Index(names, "Iowa") > slices.Index(names, "Ohio") {
					rt.Fatalf("a tie is not in the order of names: %q", names)
				}
				check("global_mean", nil, map[string]float64{"": all})
				check("state_mean", map[string]any{"state": "Ohio"}, map[string]float64{"Ohio": want["Ohio"]})
				differences := map[string]float64{}
				for name, mean := range want {
					differences[name] = all - mean
				}
				check("diff_from_mean", nil, differences)
				check("state_diff_from_mean", map[string]any{"state": "Iowa"}, map[string]float64{"Iowa": differences["Iowa"]})
				check("mean_by_category", nil, want)
				defer func(n int) { maxCells = n }(maxCells)
				maxCells = 0
				check("mean_by_category", nil, want)
			})
		})
	}
}

// Sums of many values are as exact: ten million times 0.1 has the mean 0.1. So are
// those of more values than the two digits of a sum have room for.
func TestManyValues(t *testing.T) {
	defer func(s span) { column = s }(column)
	for _, tt := range []struct {
		values []float64
		narrow bool
	}{
		{[]float64{0.1}, true},
		{[]float64{99.9, 0.1, 0.3}, false},
		{[]float64{1e300, 1, -1e300}, false},
	} {
		const n = 9_999_999
		lowest, highest := math.MaxInt, math.MinInt
		for _, v := range tt.values {
			_, low := oddMantissa(v)
			_, high := math.Frexp(v)
			lowest, highest = min(lowest, low), max(highest, high)
		}
		column = spanOf(n, lowest, highest)
		if column.narrow != tt.narrow {
			t.Fatalf("%v: %+v", tt.values, column)
		}
		s := newSums(2)
		for i := range n {
			s.add(1, tt.values[i%len(tt.values)])
		}
		if got, want := s.mean(1), exactMean(tt.values...); got != want {
			t.Errorf("%v, ten million times: %v, want %v", tt.values, got, want)
		}
		if !tt.narrow {
			continue
		}
		all := total{}
		for range 100 { // more than a float holds
			one := s.total(1)
			all.plus(&one)
		}
		if got := all.mean(); got != tt.values[0] {
			t.Errorf("a billion times %v: %v", tt.values, got)
		}
	}
}

// A group whose mean is out of the ordinary harms no other one.
func TestLargeValuesHarmNoOtherGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	big := math.MaxFloat64
	s := ofGroups(t, rng, map[string][]float64{"Ohio": {big, big, big}, "Iowa": {-big, -big}, "Utah": {1, 2}})
	_, means := asked(t, s, "states_mean", nil)
	if means["Ohio"] != big || means["Iowa"] != -big || means["Utah"] != 1.5 {
		t.Errorf("means %v", means)
	}
	_, differences := asked(t, s, "diff_from_mean", nil)
	if all := exactMean(big, big, big, -big, -big, 1, 2); differences["Utah"] != all-1.5 || !math.IsNaN(differences["Iowa"]) {
		t.Errorf("differences %v", differences)
	}
}
