package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// sum is what a mean is made of.
type sum struct {
	total float64
	count int
}

func (s sum) mean() float64 { return s.total / float64(s.count) }

// plus counts v in where keep is not 0.
func (s sum) plus(v float64, keep uint32) sum {
	if keep != 0 {
		s.total += v
		s.count++
	}
	return s
}

// sums is a sum a group.
type sums []sum

// add counts v in for a group, where keep is not 0.
func (s sums) add(group int, v float64, keep uint32) {
	if keep != 0 {
		s[group].total += v
		s[group].count++
	}
}

// sumOf adds up the values of the rows that pass the filters. Eight rows are
// written out because a turn of a loop costs a guest as much as an addition.
func sumOf(job *sdk.Job, filters ...sdk.Filter) sum {
	var s sum
	values := value.Values(job)
	for blocks := range job.Blocks(append(filters, value)...) {
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			s = s.plus(v[0], keep&1)
			s = s.plus(v[1], keep&2)
			s = s.plus(v[2], keep&4)
			s = s.plus(v[3], keep&8)
			s = s.plus(v[4], keep&16)
			s = s.plus(v[5], keep&32)
			s = s.plus(v[6], keep&64)
			s = s.plus(v[7], keep&128)
		}
	}
	return s
}

// sumByLocation adds up the values of each location, by its code.
func sumByLocation(job *sdk.Job) sums {
	groups := make(sums, location.Count(job))
	values, locations := value.Values(job), location.Codes(job)
	for blocks := range job.Blocks(value, location) {
		for _, b := range blocks {
			v, l, keep := sdk.Eight(values, b), sdk.Eight(locations, b), b.Mask
			groups.add(int(l[0]), v[0], keep&1)
			groups.add(int(l[1]), v[1], keep&2)
			groups.add(int(l[2]), v[2], keep&4)
			groups.add(int(l[3]), v[3], keep&8)
			groups.add(int(l[4]), v[4], keep&16)
			groups.add(int(l[5]), v[5], keep&32)
			groups.add(int(l[6]), v[6], keep&64)
			groups.add(int(l[7]), v[7], keep&128)
		}
	}
	return groups
}

// group is a group of rows and its mean. A group of all rows of a location has
// neither category nor stratum.
type group struct {
	location, category, stratum int32
	mean                        float64
}

// locationMeans returns the mean of each location that has a value, ascending;
// equal ones by name.
func locationMeans(of sums) []group {
	means := make([]group, 0, len(of))
	for code, s := range of {
		if s.count > 0 {
			means = append(means, group{location: int32(code), mean: s.mean()})
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
