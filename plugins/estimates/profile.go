package estimates

import (
	"cmp"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var profile = &sdk.Question{
	Name: "profile", Title: "One state, every group",
	Description: "The published estimates of every group of people in one state and one year, ordered by category and group, with the limits of their 95 % intervals and how many were asked. " +
		"Groups of different categories overlap: a woman is also of some age.",
	Params: []sdk.Param{survey, state, year},
	Result: sdk.Result{
		Keys:   []sdk.ResultColumn{byLocation, byTime, byCategory, byStratum},
		Values: []sdk.ResultColumn{estimate, lowLimit, highLimit, askedCount},
		Chart:  sdk.ChartDots,
	},
	Needs:   []sdk.Column{low, high},
	Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "state": "Ohio"}`,
	Answer:  answerProfile,
}

func answerProfile(job *sdk.Job) error {
	all := latest(read(job))
	if len(all) == 0 {
		return noValue(job)
	}
	slices.SortFunc(all, func(a, b figure) int {
		return cmp.Or(cmp.Compare(a.category, b.category), cmp.Compare(a.stratum, b.stratum))
	})
	if err := once(job, all, func(a, b *figure) bool { return a.category == b.category && a.stratum == b.stratum }); err != nil {
		return err
	}
	for i := range all {
		all[i].write(job)
		code(byCategory.Column(job), all[i].category)
	}
	return nil
}
