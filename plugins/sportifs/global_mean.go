package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var globalMeanOf = &sdk.Question{
	Name: "global_mean", Title: "Global mean",
	Description: "The mean of all values.",
	Params:      []sdk.Param{survey},
	Result:      sdk.Result{Values: []sdk.ResultColumn{globalMean}, Layout: sdk.LayoutRecord, Chart: sdk.ChartNone},
	Example:     ofObesity,
	Answer: func(job *sdk.Job) error {
		if s := sumOf(job); s.count > 0 {
			globalMean.Column(job).Append(s.mean())
		}
		return nil
	},
}
