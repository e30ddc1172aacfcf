package main

import (
	"math/bits"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// sumOf sums the values of the rows that pass the filters. Eight rows are unrolled
// because a loop iteration costs a guest as much as an addition. Neither here nor in
// addBlocks are they a function, because one call per block costs a guest more than the
// block itself (global_mean 123 us instead of 83, states_mean 187 instead of 149: -bench
// Questions).
func sumOf(job *sdk.Job, filters ...sdk.Filter) total {
	filters = append(filters, value)
	if !column.narrow {
		s := newSums(1)
		s.addRows(job, func(uint32) int { return 0 }, filters)
		return s.total(0)
	}
	values := value.Values(job)
	var all total
	for blocks := range job.Blocks(filters...) {
		h, l, count := column.zero, 0.0, 0
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			if keep == 0xff {
				h, l = plus(h, l, v[0])
				h, l = plus(h, l, v[1])
				h, l = plus(h, l, v[2])
				h, l = plus(h, l, v[3])
				h, l = plus(h, l, v[4])
				h, l = plus(h, l, v[5])
				h, l = plus(h, l, v[6])
				h, l = plus(h, l, v[7])
			} else {
				h, l = plus(h, l, masked(v[0], keep))
				h, l = plus(h, l, masked(v[1], keep>>1))
				h, l = plus(h, l, masked(v[2], keep>>2))
				h, l = plus(h, l, masked(v[3], keep>>3))
				h, l = plus(h, l, masked(v[4], keep>>4))
				h, l = plus(h, l, masked(v[5], keep>>5))
				h, l = plus(h, l, masked(v[6], keep>>6))
				h, l = plus(h, l, masked(v[7], keep>>7))
			}
			count += bits.OnesCount32(keep)
		}
		all.plus(&total{count: count, high: column.whole(h), low: column.lowWhole(l)})
	}
	return all
}

// addRows adds the value of each row that passes the filters.
func (s *sums) addRows(job *sdk.Job, group func(row uint32) int, filters []sdk.Filter) {
	values := value.Values(job)
	for rows := range job.Rows(filters...) {
		for _, row := range rows {
			s.add(group(row), values[row])
		}
	}
}

// sumByLocation sums the values of each location, by code.
func sumByLocation(job *sdk.Job) sums {
	groups := newSums(location.Count(job))
	values, locations := value.Values(job), location.Codes(job)
	if !column.narrow {
		groups.addRows(job, func(row uint32) int { return int(locations[row]) }, []sdk.Filter{value, location})
		return groups
	}
	for blocks := range job.Blocks(value, location) {
		groups.addBlocks(blocks, locations, values)
	}
	return groups
}

// addBlocks adds values of a narrow column. The rows of a location are mostly adjacent, so
// eight of them usually update a single sum, which accesses memory once instead of eight
// times.
func (s *sums) addBlocks(blocks []sdk.Block, locations []int32, values []float64) {
	each := s.each
	for _, b := range blocks {
		v, l, keep := sdk.Eight(values, b), sdk.Eight(locations, b), b.Mask
		first := l[0]
		if (l[1]^first)|(l[2]^first)|(l[3]^first)|(l[4]^first)|(l[5]^first)|(l[6]^first)|(l[7]^first) == 0 && keep != 0 {
			g := &each[first]
			h, l := g.high, g.low
			if keep == 0xff {
				h, l = plus(h, l, v[0])
				h, l = plus(h, l, v[1])
				h, l = plus(h, l, v[2])
				h, l = plus(h, l, v[3])
				h, l = plus(h, l, v[4])
				h, l = plus(h, l, v[5])
				h, l = plus(h, l, v[6])
				h, l = plus(h, l, v[7])
			} else {
				h, l = plus(h, l, masked(v[0], keep))
				h, l = plus(h, l, masked(v[1], keep>>1))
				h, l = plus(h, l, masked(v[2], keep>>2))
				h, l = plus(h, l, masked(v[3], keep>>3))
				h, l = plus(h, l, masked(v[4], keep>>4))
				h, l = plus(h, l, masked(v[5], keep>>5))
				h, l = plus(h, l, masked(v[6], keep>>6))
				h, l = plus(h, l, masked(v[7], keep>>7))
			}
			g.high, g.low, g.count = h, l, g.count+bits.OnesCount32(keep)
			continue
		}
		if keep&1 != 0 {
			each[l[0]].plus(v[0])
		}
		if keep&2 != 0 {
			each[l[1]].plus(v[1])
		}
		if keep&4 != 0 {
			each[l[2]].plus(v[2])
		}
		if keep&8 != 0 {
			each[l[3]].plus(v[3])
		}
		if keep&16 != 0 {
			each[l[4]].plus(v[4])
		}
		if keep&32 != 0 {
			each[l[5]].plus(v[5])
		}
		if keep&64 != 0 {
			each[l[6]].plus(v[6])
		}
		if keep&128 != 0 {
			each[l[7]].plus(v[7])
		}
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
	means := make([]group, 0, len(of.each))
	for code := range of.each {
		if of.each[code].count > 0 {
			means = append(means, group{of.mean(code), int32(code)})
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

// overall is the mean of all rows, of which there is at least one. If every row has a
// location, it follows from the groups, and the rows need not be read again.
func overall(job *sdk.Job, groups sums) float64 {
	var all total
	if location.Missing(job) > 0 {
		all = sumOf(job)
		return all.mean()
	}
	for i := range groups.each {
		t := groups.total(i)
		all.plus(&t)
	}
	return all.mean()
}

// noValue is the error for a state without a value.
func noValue(job *sdk.Job, code int32) error {
	return sdk.NoData(location.Text(job, code) + " has no value among the selected rows")
}
