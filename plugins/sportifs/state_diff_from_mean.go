package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var stateDiffFromMean = &sdk.Question{
	Name: "state_diff_from_mean", Title: "Difference of one state from the global mean",
	Description: "The global mean minus the state's mean: above zero is a state below the mean.",
	Params:      []sdk.Param{survey, state},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{difference},
		Layout: sdk.LayoutMap, Chart: sdk.ChartNone,
	},
	Example: ofObesityInOhio,
	Answer: func(job *sdk.Job) error {
		code, _ := state.Get(job)
		s := sumOf(job, location.Is(code))
		if s.count == 0 {
			return noValue(job, code)
		}
		all := sumOf(job)
		answerDifference(job, code, all.mean()-s.mean())
		return nil
	},
}
