package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var diffFromMean = &sdk.Question{
	Name: "diff_from_mean", Title: "Difference of each state from the global mean",
	Description: "The global mean minus each state's mean, in the order of the states' means: above zero is a state below the mean.",
	Params:      []sdk.Param{survey},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{difference},
		Layout: sdk.LayoutMap, Chart: sdk.ChartBar,
	},
	Answer: func(job *sdk.Job) error {
		groups := sumByLocation(job)
		means, global := locationMeans(groups), overall(job, groups).mean()
		locations, differences := byLocation.Column(job).Extend(len(means)), difference.Column(job).Extend(len(means))
		for i, m := range means {
			locations[i], differences[i] = m.location, global-m.mean
		}
		return nil
	},
}
