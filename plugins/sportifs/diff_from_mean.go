package main

import (
	"math"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var diffFromMean = &sdk.Question{
	Name: "diff_from_mean", Title: "Difference of each state from the global mean",
	Description: "The global mean minus each state's mean, in the order of the states' means: above zero is a state below the mean.",
	Params:      []sdk.Param{survey},
	Result: sdk.Result{
		Keys: []sdk.ResultColumn{byLocation}, Values: []sdk.ResultColumn{difference},
		Layout: sdk.LayoutMap, Chart: sdk.ChartBar,
	},
	Example: ofObesity,
	Answer: func(job *sdk.Job) error {
		groups := sumByLocation(job)
		means := locationMeans(groups)
		if len(means) == 0 {
			return nil
		}
		global := overall(job, groups)
		for _, m := range means {
			answerDifference(job, m.location, global-m.mean)
		}
		return nil
	},
}

// answerDifference adds a location to the job's result. A difference that overflows a
// float is missing, so that the other rows can still be answered.
func answerDifference(job *sdk.Job, code int32, d float64) {
	byLocation.Column(job).Append(code)
	if math.IsInf(d, 0) {
		difference.Column(job).AppendMissing()
		return
	}
	difference.Column(job).Append(d)
}
