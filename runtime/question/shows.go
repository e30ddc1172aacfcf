package question

import (
	"errors"
	"fmt"
	"slices"
)

// KindColumn is the name by which plugins ask for what places stand for: a dimension that a
// dataset whose descriptor tells places from aggregates and territories has beside the
// columns of its file. Most are KindPlace.
const (
	KindColumn = "location_kind"
	KindPlace  = "place"
)

// allShows are the values of Shows, and how many columns of one result may have each.
var allShows = map[Shows]int{
	ShowsEstimate: 1, ShowsMean: 1, ShowsMeanDifference: 1, ShowsDifference: 3, ShowsLow: 1, ShowsHigh: 1, ShowsCount: 1, ShowsRank: 2,
}

// showsFault returns what is wrong with Shows of column i of a result, nil if nothing is.
func (r *Result) showsFault(i int) error {
	columns := r.Columns()
	c := &columns[i]
	most, known := allShows[c.Shows]
	switch {
	case c.Shows == "":
		return nil
	case !known:
		return fmt.Errorf("%s is not a kind of column; it is one of estimate, mean, mean_difference, difference, low, high, count, rank", abbreviate(string(c.Shows)))
	case i < len(r.Keys):
		return errors.New("a key has it; only values show something")
	case c.Type == String:
		return fmt.Errorf("the column holds strings; only numbers and integers show %q", c.Shows)
	}
	before := 0
	for _, other := range columns[:i] {
		if other.Shows == c.Shows {
			before++
		}
	}
	if before >= most {
		return fmt.Errorf("%d columns before it show %q, too; at most %d may", before, c.Shows, most)
	}
	return nil
}

// dropShows clears each Shows with a fault. Hosts that came before the key ignore it, and
// later ones may know more values, so it never makes this one refuse a plugin.
func (m *Manifest) dropShows() {
	for i := range m.Questions {
		r := &m.Questions[i].Result
		r.Keys, r.Values = slices.Clone(r.Keys), slices.Clone(r.Values)
		for at := range len(r.Keys) + len(r.Values) {
			if r.showsFault(at) != nil {
				r.column(at).Shows = ""
			}
		}
	}
}

// column returns column i of the result.
func (r *Result) column(i int) *ResultColumn {
	if i < len(r.Keys) {
		return &r.Keys[i]
	}
	return &r.Values[i-len(r.Keys)]
}
