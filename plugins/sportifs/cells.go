package main

import (
	"cmp"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// cell is a group of rows with the same location, category and stratum.
type cell struct{ location, category, stratum int32 }

// maxCells is up to how many possible cells have a sum each, 16 bytes, whether
// they occur or not. The CDC's data have 55 x 6 x 28.
var maxCells = 1 << 18

// answerCells makes the mean of each cell that has a value the job's result, by
// location, category, stratum, over the rows that pass the filters.
func answerCells(job *sdk.Job, filters ...sdk.Filter) {
	locations, categories, strata := byLocation.Column(job), byCategory.Column(job), byStratum.Column(job)
	means := mean.Column(job)
	put := func(c cell, s sum) {
		locations.Append(c.location)
		categories.Append(c.category)
		strata.Append(c.stratum)
		means.Append(s.mean())
	}
	filters = append(filters, value, location, category, stratum)
	nl, nc, ns := location.Count(job), category.Count(job), stratum.Count(job)
	if possible := float64(nl) * float64(nc) * float64(ns); possible > float64(maxCells) {
		sumSparseCells(job, filters, put)
		return
	}
	groups := sumCells(job, filters, nl*nc*ns, nc, ns)
	n := 0
	for i := range groups {
		if groups[i].count > 0 {
			n++
		}
	}
	job.Grow(n)
	for i, s := range groups {
		if s.count > 0 {
			put(cell{int32(i / ns / nc), int32(i / ns % nc), int32(i % ns)}, s)
		}
	}
}

// sumCells adds up the values of each of n cells; the one of location l, category
// c and stratum s is number (l*nc+c)*ns+s.
func sumCells(job *sdk.Job, filters []sdk.Filter, n, nc, ns int) sums {
	groups := make(sums, n)
	values := value.Values(job)
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	for blocks := range job.Blocks(filters...) {
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			l, c, s := sdk.Eight(locations, b), sdk.Eight(categories, b), sdk.Eight(strata, b)
			groups.add((int(l[0])*nc+int(c[0]))*ns+int(s[0]), v[0], keep&1)
			groups.add((int(l[1])*nc+int(c[1]))*ns+int(s[1]), v[1], keep&2)
			groups.add((int(l[2])*nc+int(c[2]))*ns+int(s[2]), v[2], keep&4)
			groups.add((int(l[3])*nc+int(c[3]))*ns+int(s[3]), v[3], keep&8)
			groups.add((int(l[4])*nc+int(c[4]))*ns+int(s[4]), v[4], keep&16)
			groups.add((int(l[5])*nc+int(c[5]))*ns+int(s[5]), v[5], keep&32)
			groups.add((int(l[6])*nc+int(c[6]))*ns+int(s[6]), v[6], keep&64)
			groups.add((int(l[7])*nc+int(c[7]))*ns+int(s[7]), v[7], keep&128)
		}
	}
	return groups
}

// sumSparseCells adds up the values of each cell that occurs and puts them in
// order: slower, for data with so many possible cells that few occur.
func sumSparseCells(job *sdk.Job, filters []sdk.Filter, put func(cell, sum)) {
	found := map[cell]sum{}
	values := value.Values(job)
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	for rows := range job.Rows(filters...) {
		for _, row := range rows {
			c := cell{locations[row], categories[row], strata[row]}
			s := found[c]
			found[c] = sum{s.total + values[row], s.count + 1}
		}
	}
	order := make([]cell, 0, len(found))
	for c := range found {
		order = append(order, c)
	}
	slices.SortFunc(order, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.location, b.location), cmp.Compare(a.category, b.category), cmp.Compare(a.stratum, b.stratum))
	})
	for _, c := range order {
		put(c, found[c])
	}
}
