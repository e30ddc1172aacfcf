package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// maxCells is up to how many possible cells have a sum each, 16 bytes, whether
// they occur or not. The CDC's data have 55 x 6 x 28.
var maxCells = 1 << 18

// answerCells makes the mean of each cell that has a value the job's result, by
// location, category, stratum, over the rows that pass the filters. Their
// locations are among the n from first on.
func answerCells(job *sdk.Job, first int32, n int, filters ...sdk.Filter) {
	filters = append(filters, value, location, category, stratum)
	nc, ns := category.Count(job), stratum.Count(job)
	if float64(n)*float64(nc)*float64(ns) > float64(maxCells) {
		answerSparseCells(job, filters)
		return
	}
	pairs := sumPairs(job, filters, first, n, nc, ns)
	rows := 0
	for _, p := range pairs {
		for i := range p.sums {
			if p.sums[i].count > 0 {
				rows++
			}
		}
	}
	locations, means := byLocation.Column(job).Extend(rows), mean.Column(job).Extend(rows)
	categories, strata := byCategory.Column(job).Extend(rows), byStratum.Column(job).Extend(rows)
	row := 0
	for l := range n {
		for i := range pairs {
			p := &pairs[i]
			if g := &p.sums[l]; g.count > 0 {
				locations[row], categories[row], strata[row] = first+int32(l), p.category, p.stratum
				means[row] = g.mean()
				row++
			}
		}
	}
}

// pair is a category and a stratum that occur together, with the sum of each of
// the locations.
type pair struct {
	category, stratum int32
	sums              sums
}

// sumPairs adds up the values of each pair and location. Few of the possible
// pairs occur: most strata belong to one category.
func sumPairs(job *sdk.Job, filters []sdk.Filter, first int32, n, nc, ns int) []pair {
	all, occurs := make(sums, nc*ns*n), make([]bool, nc*ns)
	add := func(pair int, l int32, v float64, keep uint32) {
		if keep != 0 {
			occurs[pair] = true
			all.add(pair*n+int(l-first), v, keep)
		}
	}
	values := value.Values(job)
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	for blocks := range job.Blocks(filters...) {
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			l, c, s := sdk.Eight(locations, b), sdk.Eight(categories, b), sdk.Eight(strata, b)
			add(int(c[0])*ns+int(s[0]), l[0], v[0], keep&1)
			add(int(c[1])*ns+int(s[1]), l[1], v[1], keep&2)
			add(int(c[2])*ns+int(s[2]), l[2], v[2], keep&4)
			add(int(c[3])*ns+int(s[3]), l[3], v[3], keep&8)
			add(int(c[4])*ns+int(s[4]), l[4], v[4], keep&16)
			add(int(c[5])*ns+int(s[5]), l[5], v[5], keep&32)
			add(int(c[6])*ns+int(s[6]), l[6], v[6], keep&64)
			add(int(c[7])*ns+int(s[7]), l[7], v[7], keep&128)
		}
	}
	var pairs []pair
	for i, found := range occurs {
		if found {
			pairs = append(pairs, pair{int32(i / ns), int32(i % ns), all[i*n : (i+1)*n]})
		}
	}
	return pairs
}

// answerSparseCells is answerCells for data with so many possible cells that few
// of them occur: it keeps a sum only of those that do, which is slower.
func answerSparseCells(job *sdk.Job, filters []sdk.Filter) {
	found := map[group]sum{} // by groups without a mean
	values := value.Values(job)
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	for rows := range job.Rows(filters...) {
		for _, row := range rows {
			g := group{location: locations[row], category: categories[row], stratum: strata[row]}
			found[g] = found[g].plus(values[row], 1)
		}
	}
	means := make([]group, 0, len(found))
	for g, s := range found {
		g.mean = s.mean()
		means = append(means, g)
	}
	slices.SortFunc(means, byCell)
	for _, g := range means {
		byLocation.Column(job).Append(g.location)
		byCategory.Column(job).Append(g.category)
		byStratum.Column(job).Append(g.stratum)
		mean.Column(job).Append(g.mean)
	}
}

// byCell orders by location, category, stratum.
func byCell(a, b group) int {
	switch {
	case a.location != b.location:
		return int(a.location - b.location)
	case a.category != b.category:
		return int(a.category - b.category)
	default:
		return int(a.stratum - b.stratum)
	}
}
