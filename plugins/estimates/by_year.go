package estimates

import (
	"cmp"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var byYear = &sdk.Question{
	Name: "by_year", Title: "One state over the years",
	Description: "The published estimates of one state and one group in each year, with the limits of their 95 % intervals and how many were asked. A year without a value is left out.",
	Params:      []sdk.Param{survey, state, group},
	Result: sdk.Result{
		Keys:   []sdk.ResultColumn{byLocation, byStratum, byTime},
		Values: []sdk.ResultColumn{estimate, lowLimit, highLimit, askedCount},
		Chart:  sdk.ChartLine,
	},
	Needs:   []sdk.Column{when, low, high},
	Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "state": "Ohio", "stratum": "Total"}`,
	Answer:  answerByYear,
}

func answerByYear(job *sdk.Job) error {
	all := slices.DeleteFunc(read(job), func(f figure) bool { return !f.timed })
	if len(all) == 0 {
		return noValue(job)
	}
	if err := oneGroup(job, all, group); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b figure) int { return cmp.Compare(a.time, b.time) })
	if err := once(job, all, func(a, b *figure) bool { return a.time == b.time }); err != nil {
		return err
	}
	for i := range all {
		all[i].write(job)
	}
	return nil
}

// noValue is the error if the chosen state has no figure among the selected rows.
func noValue(job *sdk.Job) error {
	code, _ := state.Get(job)
	return sdk.NoData(Location.Text(job, code) + " has no value among the selected rows")
}
