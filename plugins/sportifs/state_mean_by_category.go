package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var stateMeanByCategory = &sdk.Question{
	Name: "state_mean_by_category", Title: "Mean of each group of one state",
	Description: "The mean of each group of people, such as the women or those of an age, in one state.",
	Params:      []sdk.Param{survey, state},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation, byCategory, byStratum}, Values: []sdk.ResultColumn{mean},
		Layout: sdk.LayoutNested, Chart: sdk.ChartBar,
	},
	Example: ofObesityInOhio,
	Answer: func(job *sdk.Job) error {
		code, _ := state.Get(job)
		answerCells(job, code, 1, location.Is(code))
		if byLocation.Column(job).Len() == 0 {
			return noValue(job, code)
		}
		return nil
	},
}
