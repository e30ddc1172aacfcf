package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var stateMean = &sdk.Question{
	Name: "state_mean", Title: "Mean of one state",
	Description: "The mean of one state's values.",
	Params:      []sdk.Param{survey, state},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{mean},
		Layout: sdk.LayoutMap, Chart: sdk.ChartNone,
	},
	Example: ofObesityInOhio,
	Answer: func(job *sdk.Job) error {
		code, _ := state.Get(job)
		s := sumOf(job, location.Is(code))
		if s.count == 0 {
			return noValue(job, code)
		}
		answerMeans(job, []group{{location: code, mean: s.mean()}})
		return nil
	},
}
