// Command sportifs is the built-in plugin: the nine questions of Le Stats Sportifs, one
// file per question, and those of package estimates. Shared code is in kernels.go.
package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/estimates"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// The columns of the dataset.
var (
	question = estimates.Question
	location = estimates.Location
	category = estimates.Category
	stratum  = estimates.Stratum
	value    = estimates.Value
)

// The parameters. Every question reads the rows of one survey question, which the host
// selects.
var (
	survey = &sdk.StringParam{
		Name: "question", Title: "Survey question", Description: "The survey question that was answered.",
		Of: question, Required: true, Select: true,
	}
	state = &sdk.StringParam{
		Name: "state", Title: "State", Description: "A state, a territory, or National.",
		Of: location, Required: true,
	}
)

// The columns of the results.
var (
	byLocation = &sdk.CodeResult{Of: location, Title: "State"}
	byCategory = &sdk.CodeResult{Of: category, Title: "Category"}
	byStratum  = &sdk.CodeResult{Of: stratum, Title: "Group"}

	mean       = &sdk.NumberResult{Name: "mean", Title: "Mean", UnitOf: value, Shows: sdk.ShowsMean}
	globalMean = &sdk.NumberResult{Name: "global_mean", Title: "Global mean", UnitOf: value, Shows: sdk.ShowsMean}
	difference = &sdk.NumberResult{Name: "difference", Title: "Global mean minus mean", UnitOf: value, Shows: sdk.ShowsMeanDifference}
)

// The examples, in the words of the CDC's survey.
const (
	ofObesity       = `{"question": "Percent of adults aged 18 years and older who have obesity"}`
	ofObesityInOhio = `{"question": "Percent of adults aged 18 years and older who have obesity", "state": "Ohio"}`
)

var nine = []*sdk.Question{
	statesMean, stateMean, best5, worst5, globalMeanOf, diffFromMean, stateDiffFromMean, meanByCategory, stateMeanByCategory,
}

var plugin = &sdk.Plugin{
	Name:        "sportifs",
	Version:     "1.1.0",
	Title:       "Le Stats Sportifs",
	Description: "Means of a survey's values by state and by group, and who does best and worst; its estimates with their intervals, over the years, compared, and ranked as far as the data allow.",
	License:     "Apache-2.0",
	Columns:     estimates.Columns,
	Open: func(job *sdk.Job) error {
		measure(job)
		return findPairs(job)
	},
	Questions: slices.Concat(nine, estimates.Questions),
}

func init() { sdk.Serve(plugin) }

func main() {}
