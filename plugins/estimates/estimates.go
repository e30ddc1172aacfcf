// Package estimates has the questions that say how sure a survey's figures are: estimates,
// by_year, compare and profile. Each reads published estimates with the limits of their
// 95 % intervals, one figure per place, group and time, and averages nothing.
//
// It is a library: package sportifs links the questions into the built-in plugin.
package estimates

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

// The columns of the dataset. Of the optional ones, a dataset without limits does not have
// the questions, and one without times does not have by_year.
var (
	Question = &sdk.StringColumn{Name: "question"} // what was asked, or measured
	Location = &sdk.StringColumn{Name: "location"}
	Category = &sdk.StringColumn{Name: "category"} // a way to divide the people into groups
	Stratum  = &sdk.StringColumn{Name: "stratum"}  // a group
	Value    = &sdk.NumberColumn{Name: "value"}    // the estimate

	when  = &sdk.IntegerColumn{Name: "time", Optional: true}
	low   = &sdk.NumberColumn{Name: "low", Optional: true}  // limits of the 95 % interval
	high  = &sdk.NumberColumn{Name: "high", Optional: true} //
	asked = &sdk.IntegerColumn{Name: "asked", Optional: true}
	kind  = &sdk.StringColumn{Name: "location_kind", Optional: true} // place, aggregate or territory; without a value: place
)

// Columns are the columns that the questions read.
var Columns = []sdk.Column{Question, Location, Category, Stratum, Value, when, low, high, asked, kind}

// Questions are the four questions.
var Questions = []*sdk.Question{estimates, byYear, compare, profile}

// The parameters. The host selects the rows, so that what it says about them is about the
// figures that are shown.
var (
	survey = &sdk.StringParam{
		Name: "question", Title: "Survey question", Description: "The survey question that was answered.",
		Of: Question, Required: true, Select: true,
	}
	state = &sdk.StringParam{
		Name: "state", Title: "State", Description: "A state, a territory, or National.",
		Of: Location, Required: true, Select: true,
	}
	states = &sdk.StringParam{
		Name: "states", Title: "States", Description: "Two states to compare, or one whose groups are compared.",
		Of: Location, Required: true, List: true, Select: true,
	}
	group = &sdk.StringParam{
		Name: "stratum", Title: "Group", Description: "A group of people. By default it is the dataset's usual one, such as Total.",
		Of: Stratum, Select: true,
	}
	groups = &sdk.StringParam{
		Name: "strata", Title: "Groups", Description: "Two groups to compare, or one in which states are compared. By default it is the dataset's usual one, such as Total.",
		Of: Stratum, List: true, Select: true,
	}
	year = &sdk.IntegerParam{
		Name: "year", Title: "Year", Description: "By default it is the latest year with a value.",
		Of: when, Select: true,
	}
)

// The columns of the results.
var (
	byLocation = &sdk.CodeResult{Of: Location, Title: "State"}
	byCategory = &sdk.CodeResult{Of: Category, Title: "Category"}
	byStratum  = &sdk.CodeResult{Of: Stratum, Title: "Group"}
	byTime     = &sdk.IntegerResult{Name: "time", Title: "Year"}

	estimate   = &sdk.NumberResult{Name: "estimate", Title: "Estimate", UnitOf: Value, Shows: sdk.ShowsEstimate}
	lowLimit   = &sdk.NumberResult{Name: "low", Title: "95% confidence limit (low)", UnitOf: Value, Shows: sdk.ShowsLow}
	highLimit  = &sdk.NumberResult{Name: "high", Title: "95% confidence limit (high)", UnitOf: Value, Shows: sdk.ShowsHigh}
	askedCount = &sdk.IntegerResult{Name: "asked", Title: "People asked", Shows: sdk.ShowsCount}
)
