package estimates

import (
	"cmp"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var (
	apart     = &sdk.NumberResult{Name: "difference", Title: "Difference from the other", UnitOf: Value, Shows: sdk.ShowsDifference}
	apartLow  = &sdk.NumberResult{Name: "difference_low", Title: "95% confidence limit of the difference (low)", UnitOf: Value, Shows: sdk.ShowsDifference}
	apartHigh = &sdk.NumberResult{Name: "difference_high", Title: "95% confidence limit of the difference (high)", UnitOf: Value, Shows: sdk.ShowsDifference}
	verdict   = &sdk.StringResult{Name: "verdict", Title: "Verdict"}
)

// The verdicts, which programs may rely on.
const (
	isHigher = "higher"                  // the whole interval of the difference is above 0
	isLower  = "lower"                   // it is below 0
	unclear  = "no difference shown"     // 0 lies in it
	overlaps = "not comparable: overlap" // some people are in both: the difference has no interval
	noLimits = "not comparable: limits"  // an estimate has no limits around it
)

var compare = &sdk.Question{
	Name: "compare", Title: "Two states or two groups compared",
	Description: "Two states in one group, or two groups in one state: the published estimates, the higher first, their difference with its 95 % interval, and whether the data show which is higher. " +
		"The verdict is \"higher\", \"lower\" or \"no difference shown\". It is \"not comparable: overlap\" where people are in both: National and a state, Total and a group, or groups of two categories, such as an age group and a sex; " +
		"\"not comparable: limits\" where an estimate has no limits around it. Each row has the difference from the other one.",
	Params: []sdk.Param{survey, states, groups, year},
	Result: sdk.Result{
		Keys:   []sdk.ResultColumn{byLocation, byStratum, byTime},
		Values: []sdk.ResultColumn{estimate, lowLimit, highLimit, askedCount, apart, apartLow, apartHigh, verdict},
		Chart:  sdk.ChartDots,
	},
	Needs:   []sdk.Column{low, high},
	Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "states": ["Arkansas", "Colorado"], "strata": "Total"}`,
	Answer:  answerCompare,
}

func answerCompare(job *sdk.Job) error {
	twoStates, twoGroups := two(states.Len(job)), two(groups.Len(job))
	switch {
	case states.Len(job) > 2:
		return sdk.BadParam(states, "it has more than two values; two states are compared")
	case groups.Len(job) > 2:
		return sdk.BadParam(groups, "it has more than two values; two groups are compared")
	case twoStates && states.At(job, 0) == states.At(job, 1):
		return sdk.BadParam(states, "both are "+quoted(job, Location, states.At(job, 0))+"; nothing differs from itself")
	case twoGroups && groups.At(job, 0) == groups.At(job, 1):
		return sdk.BadParam(groups, "both are "+quoted(job, Stratum, groups.At(job, 0))+"; nothing differs from itself")
	case twoStates && twoGroups:
		return sdk.BadParam(groups, "two states and two groups are four figures; pass two states and one group, or one state and two groups")
	case !twoStates && !twoGroups:
		return sdk.BadParam(states, "there is one state and one group; pass two states, or two groups as strata")
	}
	all := latest(read(job))
	if twoStates {
		if err := oneGroup(job, all, groups); err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b figure) int {
		return cmp.Or(cmp.Compare(a.location, b.location), cmp.Compare(a.stratum, b.stratum))
	})
	if err := once(job, all, func(a, b *figure) bool { return a.location == b.location && a.stratum == b.stratum }); err != nil {
		return err
	}
	if err := bothThere(job, all, twoStates); err != nil {
		return err
	}
	first, second := &all[0], &all[1]
	if second.x > first.x {
		first, second = second, first
	}
	writeCompared(job, first, second)
	writeCompared(job, second, first)
	return nil
}

func two(n int) bool { return n == 2 }

// bothThere checks that both have a figure, of which there are at most two.
func bothThere(job *sdk.Job, all []figure, twoStates bool) error {
	p, column, of := groups, Stratum, func(f *figure) int32 { return f.stratum }
	if twoStates {
		p, column, of = states, Location, func(f *figure) int32 { return f.location }
	}
	for i := range 2 {
		code := p.At(job, i)
		if !slices.ContainsFunc(all, func(f figure) bool { return of(&f) == code }) {
			return sdk.NoData(column.Text(job, code) + " has no value among the selected rows of the year")
		}
	}
	return nil
}

// writeCompared adds f, and how far it is from g, to the job's result.
func writeCompared(job *sdk.Job, f, g *figure) {
	f.write(job)
	pair := []*interval{&f.interval, &g.interval}
	judged := f.usable() && g.usable()
	d, from, to := difference(pair[0], pair[1], lastDigit(pair))
	text := unclear
	switch {
	case overlap(job, f, g):
		text, judged = overlaps, false
	case !judged || !finite(from) || !finite(to):
		text, judged = noLimits, false
	case from > 0:
		text = isHigher
	case to < 0:
		text = isLower
	}
	number(apart.Column(job), d, finite(d))
	number(apartLow.Column(job), from, judged)
	number(apartHigh.Column(job), to, judged)
	verdict.Column(job).Append(text)
}

// overlap reports whether the same people may be in both groups. Different places do not
// overlap, unless one is an aggregate. Groups of one category do not, unless one of them is
// called Total: a category divides people into groups.
func overlap(job *sdk.Job, f, g *figure) bool {
	if f.location != g.location {
		return f.isAggregate(job) || g.isAggregate(job)
	}
	return f.category != g.category || isTotal(job, f) || isTotal(job, g)
}

func isTotal(job *sdk.Job, f *figure) bool {
	return f.stratum >= 0 && Stratum.Text(job, f.stratum) == "Total"
}
