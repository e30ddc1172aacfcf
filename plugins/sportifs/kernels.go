package main

import (
	"math/bits"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// sum is what a mean is made of.
type sum struct {
	total float64
	count int
}

func (s sum) mean() float64 { return s.total / float64(s.count) }

// sums is a sum a group.
type sums []sum

// add counts v in for a group, where keep is not 0.
func (s sums) add(group int32, v float64, keep uint32) {
	if keep != 0 {
		s[group].total += v
		s[group].count++
	}
}

// plus is total, and v where keep is not 0.
func plus(total, v float64, keep uint32) float64 {
	if keep != 0 {
		return total + v
	}
	return total
}

// sumOf adds up the values of the rows that pass the filters. Eight rows are
// written out because a turn of a loop costs a guest as much as an addition;
// they are no function, here and in addBlocks, because a guest pays more for a call a
// block than for the block (global_mean 123 us instead of 83, states_mean 187 instead
// of 149: -bench Questions).
func sumOf(job *sdk.Job, filters ...sdk.Filter) sum {
	values := value.Values(job)
	total, count := 0.0, 0
	for blocks := range job.Blocks(append(filters, value)...) {
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			total = plus(total, v[0], keep&1)
			total = plus(total, v[1], keep&2)
			total = plus(total, v[2], keep&4)
			total = plus(total, v[3], keep&8)
			total = plus(total, v[4], keep&16)
			total = plus(total, v[5], keep&32)
			total = plus(total, v[6], keep&64)
			total = plus(total, v[7], keep&128)
			count += bits.OnesCount32(keep)
		}
	}
	return sum{total, count}
}

// sumByLocation adds up the values of each location, by its code.
func sumByLocation(job *sdk.Job) sums {
	groups := make(sums, location.Count(job))
	values, locations := value.Values(job), location.Codes(job)
	for blocks := range job.Blocks(value, location) {
		groups.addBlocks(blocks, locations, values)
	}
	return groups
}

// addBlocks counts values in. The rows of a location mostly follow each other:
// eight of them are one sum, which does not wait for the memory eight times.
func (s sums) addBlocks(blocks []sdk.Block, locations []int32, values []float64) {
	for _, b := range blocks {
		v, l, keep := sdk.Eight(values, b), sdk.Eight(locations, b), b.Mask
		first := l[0]
		if (l[1]^first)|(l[2]^first)|(l[3]^first)|(l[4]^first)|(l[5]^first)|(l[6]^first)|(l[7]^first) == 0 && keep != 0 {
			g := &s[first]
			total := g.total
			total = plus(total, v[0], keep&1)
			total = plus(total, v[1], keep&2)
			total = plus(total, v[2], keep&4)
			total = plus(total, v[3], keep&8)
			total = plus(total, v[4], keep&16)
			total = plus(total, v[5], keep&32)
			total = plus(total, v[6], keep&64)
			total = plus(total, v[7], keep&128)
			g.total, g.count = total, g.count+bits.OnesCount32(keep)
			continue
		}
		s.add(l[0], v[0], keep&1)
		s.add(l[1], v[1], keep&2)
		s.add(l[2], v[2], keep&4)
		s.add(l[3], v[3], keep&8)
		s.add(l[4], v[4], keep&16)
		s.add(l[5], v[5], keep&32)
		s.add(l[6], v[6], keep&64)
		s.add(l[7], v[7], keep&128)
	}
}

// group is a location and its mean.
type group struct {
	mean     float64
	location int32
}

// locationMeans returns the mean of each location that has a value, ascending;
// equal ones by name.
func locationMeans(of sums) []group {
	means := make([]group, 0, len(of))
	for code, s := range of {
		if s.count > 0 {
			means = append(means, group{s.mean(), int32(code)})
		}
	}
	slices.SortFunc(means, ascending)
	return means
}

// ascending orders by mean; equal ones by name.
func ascending(a, b group) int {
	switch {
	case a.mean < b.mean:
		return -1
	case a.mean > b.mean:
		return 1
	default:
		return int(a.location - b.location)
	}
}

// descending orders by mean, the highest first; equal ones by name.
func descending(a, b group) int {
	if a.mean == b.mean {
		return int(a.location - b.location)
	}
	return ascending(b, a)
}

// overall is the sum of all rows. Where every row has a location it is that of
// the groups, and the rows need not be read again.
func overall(job *sdk.Job, groups sums) sum {
	if location.Missing(job) > 0 {
		return sumOf(job)
	}
	var all sum
	for _, s := range groups {
		all.total += s.total
		all.count += s.count
	}
	return all
}

// noValue is the error of a state without a value.
func noValue(job *sdk.Job, code int32) error {
	return sdk.NoData(location.Text(job, code) + " has no value among the selected rows")
}
