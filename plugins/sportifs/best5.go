package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var best5 = &sdk.Question{
	Name: "best5", Title: "Best five states",
	Description: "The five states that do best, the best first: those with the lowest means where less is better, as with obesity, with the highest otherwise.",
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
		answerFive(job, lowest)
		return nil
	},
}

// answerFive writes the five lowest or highest means to the job's result, the most
// extreme first.
func answerFive(job *sdk.Job, lowest bool) {
	means := locationMeans(sumByLocation(job))
	if !lowest {
		slices.SortFunc(means, descending)
	}
	answerMeans(job, means[:min(5, len(means))])
}
