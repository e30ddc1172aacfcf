// interval uses gonum: the mean of each state with its 95 % interval by Student's t.
package main

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var (
	location = &sdk.StringColumn{Name: "location"}
	value    = &sdk.NumberColumn{Name: "value"}

	state = &sdk.CodeResult{Of: location}
	mean  = &sdk.NumberResult{Name: "mean", UnitOf: value}
	low   = &sdk.NumberResult{Name: "low", UnitOf: value}
	high  = &sdk.NumberResult{Name: "high", UnitOf: value}
)

func answer(job *sdk.Job) error {
	values, codes := value.Values(job), location.Codes(job)
	byState := make([][]float64, location.Count(job))
	for rows := range job.Rows(value, location) {
		for _, row := range rows {
			byState[codes[row]] = append(byState[codes[row]], values[row])
		}
	}
	for code, v := range byState {
		if len(v) < 2 {
			continue
		}
		m, s := stat.MeanStdDev(v, nil)
		t := distuv.StudentsT{Sigma: 1, Nu: float64(len(v) - 1)}.Quantile(0.975)
		half := t * s / math.Sqrt(float64(len(v)))
		state.Column(job).Append(int32(code))
		mean.Column(job).Append(m)
		low.Column(job).Append(m - half)
		high.Column(job).Append(m + half)
	}
	return nil
}

func init() {
	sdk.Serve(&sdk.Plugin{
		Name: "library", Version: "1.0.0", Columns: []sdk.Column{location, value},
		Questions: []*sdk.Question{{
			Name:   "library",
			Result: sdk.Result{Keys: []sdk.ResultColumn{state}, Values: []sdk.ResultColumn{mean, low, high}, Layout: sdk.LayoutMap},
			Answer: answer,
		}},
	})
}

func main() {}
