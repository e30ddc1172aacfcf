// my_plugin is a plugin for Le Stats Sportifs: see README.md.
package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

// The columns that it reads.
var (
	question = &sdk.StringColumn{Name: "question"}
	location = &sdk.StringColumn{Name: "location"}
	value    = &sdk.NumberColumn{Name: "value"}
)

// Its parameters, and the columns of its result.
var (
	survey = &sdk.StringParam{Name: "question", Title: "Survey question", Of: question, Required: true, Select: true}
	least  = &sdk.NumberParam{Name: "least", Title: "Least spread", Min: new(0.0), Default: new(0.0)}

	state  = &sdk.CodeResult{Of: location, Title: "State"}
	spread = &sdk.NumberResult{Name: "spread", Title: "Highest minus lowest value", UnitOf: value}
)

var plugin = &sdk.Plugin{
	Name:    "my_plugin",
	Version: "1.0.0",
	Columns: []sdk.Column{question, location, value},
	Questions: []*sdk.Question{{
		Name:   "my_plugin",
		Title:  "Spread of each state's values",
		Params: []sdk.Param{survey, least},
		Result: sdk.Result{
			Keys:   []sdk.ResultColumn{state},
			Values: []sdk.ResultColumn{spread},
			Layout: sdk.LayoutMap,
			Chart:  sdk.ChartBar,
		},
		// What the server's pages, plugin check and plugin run ask with.
		Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "least": 24}`,
		Answer:  answer,
	}},
}

func answer(job *sdk.Job) error {
	values, locations := value.Values(job), location.Codes(job)
	type extremes struct {
		low, high float64
		seen      bool
	}
	states := make([]extremes, location.Count(job))
	// The selected rows that have a value and a location, up to 1,024 at a time.
	for rows := range job.Rows(value, location) {
		for _, row := range rows {
			v, s := values[row], &states[locations[row]]
			if !s.seen {
				*s = extremes{v, v, true}
			}
			s.low, s.high = min(s.low, v), max(s.high, v)
		}
	}
	above, _ := least.Get(job)
	for code, s := range states {
		if s.seen && s.high-s.low >= above {
			state.Column(job).Append(int32(code))
			spread.Column(job).Append(s.high - s.low)
		}
	}
	return nil
}

func init() { sdk.Serve(plugin) }

func main() {}
