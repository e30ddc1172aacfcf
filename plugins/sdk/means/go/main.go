// Command go answers the mean of each location: see ../README.md.
package main

import "github.com/le-stats-sportifs/lestats/plugins/sdk"

var (
	question = &sdk.StringColumn{Name: "question"}
	location = &sdk.StringColumn{Name: "location"}
	value    = &sdk.NumberColumn{Name: "value"}
	survey   = &sdk.StringParam{Name: "question", Of: question, Required: true, Select: true}
	state    = &sdk.CodeResult{Of: location}
	mean     = &sdk.NumberResult{Name: "mean", UnitOf: value}
)

func means(job *sdk.Job) error {
	type sum struct {
		total float64
		count int
	}
	values, locations := value.Values(job), location.Codes(job)
	sums := make([]sum, location.Count(job))
	for rows := range job.Rows(value, location) {
		for _, row := range rows {
			s := &sums[locations[row]]
			s.total += values[row]
			s.count++
		}
	}
	for code, s := range sums {
		if s.count > 0 {
			state.Column(job).Append(int32(code))
			mean.Column(job).Append(s.total / float64(s.count))
		}
	}
	return nil
}

func init() {
	sdk.Serve(&sdk.Plugin{
		Name: "means_go", Version: "1.0.0", Columns: []sdk.Column{question, location, value},
		Questions: []*sdk.Question{{
			Name: "means_go", Title: "Mean of each state", Params: []sdk.Param{survey},
			Result: sdk.Result{Keys: []sdk.ResultColumn{state}, Values: []sdk.ResultColumn{mean}, Layout: sdk.LayoutMap, Chart: sdk.ChartNone},
			Answer: means,
		}},
	})
}

func main() {}
