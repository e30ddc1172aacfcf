package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var statesMean = &sdk.Question{
	Name: "states_mean", Title: "Mean of each state",
	Description: "The mean of every state's values, the lowest first.",
	Params:      []sdk.Param{survey},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{mean},
		Layout: sdk.LayoutMap, Chart: sdk.ChartMap,
	},
	Example: ofObesity,
	Answer: func(job *sdk.Job) error {
		answerMeans(job, locationMeans(sumByLocation(job)))
		return nil
	},
}

// answerMeans writes the means to the job's result.
func answerMeans(job *sdk.Job, means []group) {
	locations, values := byLocation.Column(job).Extend(len(means)), mean.Column(job).Extend(len(means))
	for i, m := range means {
		locations[i], values[i] = m.location, m.mean
	}
}
