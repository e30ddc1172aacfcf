package estimates

import (
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// figure is one published figure, or a row that should have one.
type figure struct {
	row                         uint32
	location, category, stratum int32 // codes; -1: no value
	kind                        int32 // code; -1: no value
	time                        int64
	valued                      bool // there is an estimate
	timed                       bool // time has a value
	counted                     bool // asked has a value
	asked                       int64
	interval
}

// interval is an estimate with the published limits of its 95 % interval.
type interval struct {
	x, low, high    float64
	hasLow, hasHigh bool
}

// usable reports whether the interval has limits around its estimate. Limits that are not
// are an error in the data, and nothing is concluded from them.
func (v *interval) usable() bool {
	return v.hasLow && v.hasHigh && v.low <= v.x && v.x <= v.high
}

// read returns the figures among the selected rows that have an estimate, in the dataset's
// order.
func read(job *sdk.Job) []figure {
	return slices.DeleteFunc(readAll(job), func(f figure) bool { return !f.valued })
}

// readAll returns the figures of the selected rows, in the dataset's order, also of those
// without an estimate. Rows without location are not figures.
func readAll(job *sdk.Job) []figure {
	var all []figure
	locations := Location.Codes(job)
	for rows := range job.Rows(Location) {
		for _, row := range rows {
			all = append(all, figure{row: row, location: locations[row], category: -1, stratum: -1, kind: -1})
		}
	}
	values := Value.Values(job)
	eachPresent(job, Value, all, func(f *figure) { f.x, f.valued = values[f.row], true })
	categories, strata, kinds := Category.Codes(job), Stratum.Codes(job), kind.Codes(job)
	times, lows, highs, counts := when.Values(job), low.Values(job), high.Values(job), asked.Values(job)
	eachPresent(job, Category, all, func(f *figure) { f.category = categories[f.row] })
	eachPresent(job, Stratum, all, func(f *figure) { f.stratum = strata[f.row] })
	eachPresent(job, kind, all, func(f *figure) { f.kind = kinds[f.row] })
	eachPresent(job, when, all, func(f *figure) { f.time, f.timed = times[f.row], true })
	eachPresent(job, low, all, func(f *figure) { f.low, f.hasLow = lows[f.row], true })
	eachPresent(job, high, all, func(f *figure) { f.high, f.hasHigh = highs[f.row], true })
	eachPresent(job, asked, all, func(f *figure) { f.asked, f.counted = counts[f.row], true })
	return all
}

// eachPresent calls set for the figures whose row has a value of the column.
func eachPresent(job *sdk.Job, c sdk.Column, all []figure, set func(f *figure)) {
	at := 0
	for rows := range job.Rows(c) {
		for _, row := range rows {
			for at < len(all) && all[at].row < row {
				at++
			}
			if at == len(all) {
				return
			}
			if all[at].row == row {
				set(&all[at])
			}
		}
	}
}

// latest returns the figures of the latest time. Of a dataset without times these are all.
func latest(all []figure) []figure {
	last, timed := int64(0), false
	for i := range all {
		if f := &all[i]; f.timed && (!timed || f.time > last) {
			last, timed = f.time, true
		}
	}
	return slices.DeleteFunc(all, func(f figure) bool { return f.timed != timed || f.time != last })
}

// oneGroup checks that the figures are of one group: without the parameter, a dataset that
// names no usual group has no other way to choose.
func oneGroup(job *sdk.Job, all []figure, p *sdk.StringParam) error {
	for i := range all {
		first, f := &all[0], &all[i]
		switch {
		case f.stratum != first.stratum:
			return sdk.BadParam(p, "the selected rows are of several groups, such as "+
				quoted(job, Stratum, first.stratum)+" and "+quoted(job, Stratum, f.stratum)+"; pass one of them")
		case f.category != first.category:
			return sdk.BadParam(p, "the group "+quoted(job, Stratum, f.stratum)+" is in several categories, "+
				quoted(job, Category, first.category)+" and "+quoted(job, Category, f.category)+"; select one with where")
		}
	}
	return nil
}

// once checks that no two figures are about the same. They are in the order of same, by
// which two of them are equal.
func once(job *sdk.Job, all []figure, same func(a, b *figure) bool) error {
	for i := 1; i < len(all); i++ {
		if f := &all[i]; same(&all[i-1], f) {
			about := quoted(job, Location, f.location) + ", " + quoted(job, Stratum, f.stratum)
			if f.timed {
				about += ", " + strconv.FormatInt(f.time, 10)
			}
			return sdk.BadParam(nil, "several selected rows have a value for "+about+"; select one of them with where")
		}
	}
	return nil
}

// quoted returns a text of a column for a message; code -1 is a row without one.
func quoted(job *sdk.Job, c *sdk.StringColumn, code int32) string {
	if code < 0 {
		return "no " + c.Name
	}
	return `"` + c.Text(job, code) + `"`
}

// write adds what the questions have in common to the job's result: the figure, and the
// keys that say what it is of.
func (f *figure) write(job *sdk.Job) {
	byLocation.Column(job).Append(f.location)
	code(byStratum.Column(job), f.stratum)
	if f.timed {
		byTime.Column(job).Append(f.time)
	} else {
		byTime.Column(job).AppendMissing()
	}
	number(estimate.Column(job), f.x, f.valued)
	number(lowLimit.Column(job), f.low, f.hasLow)
	number(highLimit.Column(job), f.high, f.hasHigh)
	if f.counted {
		askedCount.Column(job).Append(f.asked)
	} else {
		askedCount.Column(job).AppendMissing()
	}
}

func code(to *sdk.Codes, code int32) {
	if code < 0 {
		to.AppendMissing()
		return
	}
	to.Append(code)
}

func number(to *sdk.Numbers, v float64, has bool) {
	if !has {
		to.AppendMissing()
		return
	}
	to.Append(v)
}

// isPlace reports whether the figure is of a place like the others, and not of an
// aggregate, such as a country, or of a territory.
func (f *figure) isPlace(job *sdk.Job) bool { return f.kind < 0 || kind.Text(job, f.kind) == "place" }

// isAggregate reports whether the figure is of several places together.
func (f *figure) isAggregate(job *sdk.Job) bool {
	return f.kind >= 0 && kind.Text(job, f.kind) == "aggregate"
}
