package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var worst5 = &sdk.Question{
	Name: "worst5", Title: "Worst five states",
	Description: "The five states that do worst, the worst first: those with the highest means where less is better, as with obesity, with the lowest otherwise.",
	Params:      []sdk.Param{survey, best},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{mean},
		Layout: sdk.LayoutMap, Chart: sdk.ChartBar,
	},
	Example: ofObesity,
	Answer: func(job *sdk.Job) error {
		lowest, err := lessIsBetter(job)
		if err != nil {
			return err
		}
		answerFive(job, !lowest)
		return nil
	},
}
