// Command sportifs is the built-in plugin: the nine questions of Le Stats
// Sportifs, a file each. What they share is in kernels.go.
package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

// The columns of the dataset.
var (
	question = &sdk.StringColumn{Name: "question"}
	location = &sdk.StringColumn{Name: "location"}
	category = &sdk.StringColumn{Name: "category"}
	stratum  = &sdk.StringColumn{Name: "stratum"}
	value    = &sdk.NumberColumn{Name: "value"}
)

// The parameters. Every question is about the rows of one survey question: the
// host selects them.
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

	mean       = &sdk.NumberResult{Name: "mean", Title: "Mean", UnitOf: value}
	globalMean = &sdk.NumberResult{Name: "global_mean", Title: "Global mean", UnitOf: value}
	difference = &sdk.NumberResult{Name: "difference", Title: "Global mean minus mean", UnitOf: value}
)

var plugin = &sdk.Plugin{
	Name:        "sportifs",
	Version:     "1.0.0",
	Title:       "Le Stats Sportifs",
	Description: "Means of a survey's values by state and by group, and who does best and worst.",
	License:     "Apache-2.0",
	Columns:     []sdk.Column{question, location, category, stratum, value},
	Open: func(job *sdk.Job) error {
		measure(job)
		return findPairs(job)
	},
	Questions: []*sdk.Question{
		statesMean, stateMean, best5, worst5, globalMeanOf, diffFromMean, stateDiffFromMean, meanByCategory, stateMeanByCategory,
	},
}

func init() { sdk.Serve(plugin) }

func main() {}
