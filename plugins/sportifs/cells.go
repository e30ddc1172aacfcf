package main

import (
	"maps"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// maxCells limits the dense tables: up to so many possible cells have a sum each (at least
// 24 bytes), whether they occur or not, and up to so many possible pairs are numbered. The
// CDC's data have 55 x 28 cells, and 6 x 28 pairs of which 28 occur.
var maxCells = 1 << 18

// pair is a category and a stratum that occur together.
type pair struct{ category, stratum int32 }

// pairs numbers the pairs of the dataset, in order. Few possible pairs occur, because most
// strata belong to one category.
type pairs struct {
	all    []pair
	number []int32 // by category * strata + stratum; nil if there are too many
	strata int
}

// cells is what findPairs found when the plugin was opened. It is part of the image that
// every job starts from.
var cells pairs

// findPairs numbers the pairs of the dataset.
func findPairs(job *sdk.Job) error {
	nc, ns := category.Count(job), stratum.Count(job)
	cells = pairs{strata: ns}
	if float64(nc)*float64(ns) > float64(maxCells) {
		return nil
	}
	occurs := make([]bool, nc*ns)
	categories, strata := category.Codes(job), stratum.Codes(job)
	for rows := range job.Rows(category, stratum) {
		for _, row := range rows {
			occurs[int(categories[row])*ns+int(strata[row])] = true
		}
	}
	cells.number = make([]int32, nc*ns)
	for i, found := range occurs {
		if found {
			cells.number[i] = int32(len(cells.all))
			cells.all = append(cells.all, pair{int32(i / ns), int32(i % ns)})
		}
	}
	return nil
}

// answerCells writes the mean of each cell that has a value to the job's result, ordered
// by location, category, stratum, over the rows that pass the filters. Their locations
// are among the n from first on.
func answerCells(job *sdk.Job, first int32, n int, filters ...sdk.Filter) {
	filters = append(filters, value, location, category, stratum)
	if cells.number == nil || float64(n)*float64(len(cells.all)) > float64(maxCells) {
		answerSparseCells(job, filters)
		return
	}
	all := sumCells(job, filters, first, n)
	rows := 0
	for i := range all.each {
		if all.each[i].count > 0 {
			rows++
		}
	}
	locations, means := byLocation.Column(job).Extend(rows), mean.Column(job).Extend(rows)
	categories, strata := byCategory.Column(job).Extend(rows), byStratum.Column(job).Extend(rows)
	row, cell := 0, 0
	for l := range n {
		for _, p := range cells.all {
			if all.each[cell].count > 0 {
				locations[row], categories[row], strata[row], means[row] = first+int32(l), p.category, p.stratum, all.mean(cell)
				row++
			}
			cell++
		}
	}
}

// sumCells sums the values of each pair within each of n locations.
func sumCells(job *sdk.Job, filters []sdk.Filter, first int32, n int) sums {
	np, ns, number := int32(len(cells.all)), int32(cells.strata), cells.number
	all := newSums(n * len(cells.all))
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	if !column.narrow {
		all.addRows(job, func(row uint32) int {
			return int((locations[row]-first)*np + number[categories[row]*ns+strata[row]])
		}, filters)
		return all
	}
	each := all.each
	add := func(l, c, s int32, v float64, keep uint32) {
		if keep != 0 {
			each[(l-first)*np+number[c*ns+s]].plus(v)
		}
	}
	values := value.Values(job)
	for blocks := range job.Blocks(filters...) {
		for _, b := range blocks {
			v, keep := sdk.Eight(values, b), b.Mask
			l, c, s := sdk.Eight(locations, b), sdk.Eight(categories, b), sdk.Eight(strata, b)
			add(l[0], c[0], s[0], v[0], keep&1)
			add(l[1], c[1], s[1], v[1], keep&2)
			add(l[2], c[2], s[2], v[2], keep&4)
			add(l[3], c[3], s[3], v[3], keep&8)
			add(l[4], c[4], s[4], v[4], keep&16)
			add(l[5], c[5], s[5], v[5], keep&32)
			add(l[6], c[6], s[6], v[6], keep&64)
			add(l[7], c[7], s[7], v[7], keep&128)
		}
	}
	return all
}

// answerSparseCells is answerCells for data with so many possible cells that few of them
// occur: it keeps sums only of those that do, which is slower.
func answerSparseCells(job *sdk.Job, filters []sdk.Filter) {
	found := map[cell]int{} // number of its sum
	all := newSums(0)
	locations, categories, strata := location.Codes(job), category.Codes(job), stratum.Codes(job)
	all.addRows(job, func(row uint32) int {
		at := cell{locations[row], categories[row], strata[row]}
		number, ok := found[at]
		if !ok {
			number = all.grow()
			found[at] = number
		}
		return number
	}, filters)
	for _, at := range slices.SortedFunc(maps.Keys(found), byCell) {
		byLocation.Column(job).Append(at.location)
		byCategory.Column(job).Append(at.category)
		byStratum.Column(job).Append(at.stratum)
		mean.Column(job).Append(all.mean(found[at]))
	}
}

// cell identifies the rows of one mean.
type cell struct{ location, category, stratum int32 }

// byCell orders by location, category, stratum.
func byCell(a, b cell) int {
	switch {
	case a.location != b.location:
		return int(a.location - b.location)
	case a.category != b.category:
		return int(a.category - b.category)
	default:
		return int(a.stratum - b.stratum)
	}
}
