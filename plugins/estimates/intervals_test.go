package estimates

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// simulated is a survey of K places: the true shares, in percent, and the standard error of
// each place's estimate on the scale of the log odds, on which its interval is symmetric.
type simulated struct {
	truth, spread []float64
}

// draw publishes the survey once: figures with one decimal.
func (s *simulated) draw(random *rand.Rand) []interval {
	out := make([]interval, len(s.truth))
	for i, p := range s.truth {
		odds := math.Log(p/(100-p)) + random.NormFloat64()*s.spread[i]
		share := func(odds float64) float64 { return math.Round(1000/(1+math.Exp(-odds))) / 10 }
		out[i] = interval{x: share(odds), low: share(odds - 1.96*s.spread[i]), high: share(odds + 1.96*s.spread[i]), hasLow: true, hasHigh: true}
	}
	return out
}

// holds reports whether every place's true rank lies in its range. Places that are equal in
// truth have all the ranks that they share.
func (s *simulated) holds(got []rankRange) bool {
	for i, p := range s.truth {
		best, worst := 1, len(s.truth)
		for _, other := range s.truth {
			if other > p {
				best++
			}
			if other < p {
				worst--
			}
		}
		if got[i].best > best || got[i].worst < worst {
			return false
		}
	}
	return true
}

// ofOverlap are the ranks that a reader of the published intervals would conclude: above is
// whose interval does not overlap.
func ofOverlap(all []*interval) []rankRange {
	out := make([]rankRange, len(all))
	for i, a := range all {
		out[i] = rankRange{1, len(all)}
		for _, b := range all {
			if b.low > a.high {
				out[i].best++
			}
			if a.low > b.high {
				out[i].worst--
			}
		}
	}
	return out
}

// fromSample takes the sample's places, estimates and intervals of obesity in 2023 for true.
func fromSample(t *testing.T) (s simulated) {
	t.Helper()
	file, err := data.Sample()
	if err != nil {
		t.Fatalf("%v: make generate builds it", err)
	}
	ds, err := dataset.ReadArrow(file)
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) *question.Column { c, _ := ds.Column(name); return c }
	odds := func(p float64) float64 { return math.Log(p / (100 - p)) }
	for i := range ds.Rows() {
		if column("question").Value(i) != "Percent of adults aged 18 years and older who have obesity" || column("stratum").Value(i) != "Total" ||
			column("time").Value(i) != int64(2023) || column("location_kind").Value(i) != "place" || !column("value").Present(i) {
			continue
		}
		s.truth = append(s.truth, column("value").Numbers[i])
		s.spread = append(s.spread, (odds(column("high").Numbers[i])-odds(column("low").Numbers[i]))/2/1.96)
	}
	if len(s.truth) != 49 {
		t.Fatalf("%d states have a value; the sample has 49", len(s.truth))
	}
	return s
}

// TestRanksHold simulates surveys of the sample's 49 states: at least 95 of 100 answers hold the true
// rank of every place. Judging by overlap of the intervals does not, so the simulation can
// tell the difference.
func TestRanksHold(t *testing.T) {
	const runs = 2000
	asSample := fromSample(t)
	places := len(asSample.truth)
	evenly := func(from, to float64) []float64 {
		out := make([]float64, places)
		for i := range out {
			out[i] = from + (to-from)*float64(i)/float64(places-1)
		}
		return out
	}
	spread := asSample.spread
	clusters := slices.Repeat([]float64{28}, places)
	for i := range places / 2 {
		clusters[i] = 36
	}
	for _, c := range []struct {
		name    string
		survey  simulated
		overlap float64 // at most this share of answers holds by overlap
	}{
		{"all equal", simulated{slices.Repeat([]float64{33}, places), spread}, 0.5},
		{"spread as the sample", asSample, 1},
		{"spread widely", simulated{evenly(20, 45), spread}, 1},
		{"two clusters", simulated{clusters, spread}, 0.9},
		{"one differs", simulated{append(slices.Repeat([]float64{30}, places-1), 40), spread}, 0.5},
		{"near 0", simulated{slices.Repeat([]float64{2}, places), slices.Repeat([]float64{0.2}, places)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(15, 2))
			held, heldByOverlap, width := 0, 0, 0
			for range runs {
				published := c.survey.draw(random)
				all := make([]*interval, places)
				for i := range all {
					all[i] = &published[i]
				}
				got := ranks(all)
				if c.survey.holds(got) {
					held++
				}
				if c.survey.holds(ofOverlap(all)) {
					heldByOverlap++
				}
				for _, r := range got {
					width += r.worst - r.best + 1
				}
			}
			share, byOverlap := float64(held)/runs, float64(heldByOverlap)/runs
			t.Logf("all true ranks hold in %.2f %% of answers, by overlap in %.2f %%; a range has %.1f ranks on average", 100*share, 100*byOverlap, float64(width)/runs/float64(places))
			if share < 0.95 {
				t.Errorf("all true ranks hold in %.2f %% of answers; at least 95 %% expected", 100*share)
			}
			if byOverlap > c.overlap {
				t.Errorf("judging by overlap holds in %.2f %% of answers; the simulation should show that it fails", 100*byOverlap)
			}
		})
	}
}

// TestDifferenceHolds simulates differences of two places with intervals that are not
// symmetric: 95 % of the intervals hold the true difference.
func TestDifferenceHolds(t *testing.T) {
	const runs = 20000
	for _, c := range []simulated{
		{[]float64{33, 33}, []float64{0.03, 0.05}},
		{[]float64{38, 24}, []float64{0.02, 0.08}},
		{[]float64{4, 9}, []float64{0.15, 0.1}},
	} {
		random := rand.New(rand.NewPCG(15, 3))
		held := 0
		for range runs {
			p := c.draw(random)
			_, from, to := difference(&p[0], &p[1], 0.1)
			if d := c.truth[0] - c.truth[1]; from <= d && d <= to {
				held++
			}
		}
		if share := float64(held) / runs; share < 0.945 || share > 0.97 {
			t.Errorf("%v: the interval holds the true difference in %.2f %% of runs", c.truth, 100*share)
		}
	}
}

func limits(x, low, high float64) *interval {
	return &interval{x: x, low: low, high: high, hasLow: true, hasHigh: true}
}

func TestRanks(t *testing.T) {
	for _, c := range []struct {
		name string
		all  []*interval
		want []rankRange
	}{
		{"none", nil, []rankRange{}},
		{"one", []*interval{limits(30, 29, 31)}, []rankRange{{1, 1}}},
		{"two apart", []*interval{limits(20, 19, 21), limits(30, 29, 31)}, []rankRange{{2, 2}, {1, 1}}},
		{"ties", []*interval{limits(20, 20, 20), limits(20, 20, 20)}, []rankRange{{1, 2}, {1, 2}}},
		{"negative", []*interval{limits(-20.5, -21, -20), limits(-30, -31, -29)}, []rankRange{{1, 1}, {2, 2}}},
		// The half-widths are 0.5: they are apart by 1, which is more than 0.71.
		{"rounding alone", []*interval{limits(1, 1, 1), limits(2, 2, 2)}, []rankRange{{2, 2}, {1, 1}}},
		{"the root of the squares", []*interval{limits(1, 0.2, 1.8), limits(2, 1.2, 2.8)}, []rankRange{{1, 2}, {1, 2}}},
		{"a middle one", []*interval{limits(10, 9.9, 10.1), limits(11, 9, 13), limits(12, 11.9, 12.1)}, []rankRange{{2, 3}, {1, 3}, {1, 2}}},
		{"too large to subtract", []*interval{limits(1e308, -1e308, 1.7e308), limits(-1e308, -1.7e308, 1e308)}, []rankRange{{1, 2}, {1, 2}}},
	} {
		if got := ranks(c.all); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLastDigit(t *testing.T) {
	for _, c := range []struct {
		all  []*interval
		want float64
	}{
		{[]*interval{limits(33.2, 31, 35)}, 0.1},
		{[]*interval{limits(33, 31, 35.5)}, 0.1},
		{[]*interval{limits(33, 31, 35), limits(4.35, 4, 5)}, 0.01},
		{[]*interval{limits(33, 31, 35)}, 1},
		{[]*interval{limits(-0.3, -0.7, 0.1)}, 0.1},
		{[]*interval{limits(1.0/3, 0, 1)}, 0},
		{[]*interval{limits(0, 0, 0)}, 1},
		{[]*interval{limits(1e300, 0, 1e301)}, 1},
		{[]*interval{{x: 12}}, 1},
		{[]*interval{limits(0.000001, 0, 1)}, 1e-6},
	} {
		if got := lastDigit(c.all); got != c.want {
			t.Errorf("%v: %v, want %v", *c.all[0], got, c.want)
		}
	}
	for n := range 100_000 { // every figure with two decimals
		x := float64(n) / 100
		if got := lastDigit([]*interval{limits(x, x, x)}); (n%100 != 0 && n%10 != 0) != (got == 0.01) {
			t.Fatalf("%v: %v", x, got)
		}
	}
}
