package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var meanByCategory = &sdk.Question{
	Name: "mean_by_category", Title: "Mean of each group of each state",
	Description: "The mean of each group of people, such as the women or those of an age, in each state.",
	Params:      []sdk.Param{survey},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation, byCategory, byStratum}, Values: []sdk.ResultColumn{mean},
		Layout: sdk.LayoutMap, Chart: sdk.ChartNone,
	},
	Example: ofObesity,
	Answer: func(job *sdk.Job) error {
		answerCells(job, 0, location.Count(job))
		return nil
	},
}
