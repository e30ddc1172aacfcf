// mistakes has a question for each mistake that newcomers make.
package main

import (
	"math"
	"math/rand"
	"strconv"
	"time"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

var (
	location = &sdk.StringColumn{Name: "location"}
	value    = &sdk.NumberColumn{Name: "value"}
	year     = &sdk.IntegerColumn{Name: "year"} // not listed in Columns

	least = &sdk.NumberParam{Name: "least", Min: new(0.0)} // not listed in Params

	state = &sdk.CodeResult{Of: location}
	mean  = &sdk.NumberResult{Name: "mean"}
	count = &sdk.IntegerResult{Name: "count"} // not listed in Result
	text  = &sdk.StringResult{Name: "text"}
)

func mistake(name string, layout sdk.Layout, answer func(job *sdk.Job) error) *sdk.Question {
	return &sdk.Question{
		Name: name, Result: sdk.Result{Keys: []sdk.ResultColumn{state}, Values: []sdk.ResultColumn{mean}, Layout: layout}, Answer: answer,
	}
}

func row(job *sdk.Job, code int32, v float64) {
	state.Column(job).Append(code)
	mean.Column(job).Append(v)
}

var sink []byte

// sums adds up the values of each state.
func sums(job *sdk.Job) map[string]float64 {
	total := make([]float64, location.Count(job))
	values, codes := value.Values(job), location.Codes(job)
	for rows := range job.Rows(value, location) {
		for _, row := range rows {
			total[codes[row]] += values[row]
		}
	}
	out := map[string]float64{}
	for code, sum := range total {
		out[location.Text(job, int32(code))] = sum
	}
	return out
}

func texts(name string, answer func(job *sdk.Job) error) *sdk.Question {
	return &sdk.Question{Name: name, Result: sdk.Result{Keys: []sdk.ResultColumn{text}, Values: []sdk.ResultColumn{mean}, Layout: sdk.LayoutMap}, Answer: answer}
}

var plugin = &sdk.Plugin{
	Name: "mistakes", Version: "1.0.0", Columns: []sdk.Column{location, value},
	Questions: []*sdk.Question{
		mistake("forgot_column", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, float64(len(year.Values(job))))
			return nil
		}),
		mistake("forgot_parameter", sdk.LayoutRows, func(job *sdk.Job) error {
			v, _ := least.Get(job)
			row(job, 0, v)
			return nil
		}),
		mistake("forgot_result", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, 1)
			count.Column(job).Append(1)
			return nil
		}),
		mistake("uneven", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, 1)
			mean.Column(job).Append(1)
			return nil
		}),
		mistake("nan", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, math.NaN())
			return nil
		}),
		mistake("few_rows", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, 1/float64(job.Selected()-1)) // as in a variance
			return nil
		}),
		mistake("duplicate_key", sdk.LayoutMap, func(job *sdk.Job) error {
			row(job, 0, 1)
			row(job, 0, 2)
			return nil
		}),
		mistake("panics", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, value.Values(job)[job.Selected()*2+100000])
			return nil
		}),
		mistake("endless", sdk.LayoutRows, func(job *sdk.Job) error {
			for n := 0; ; n++ {
				if n < 0 {
					return nil
				}
			}
		}),
		mistake("huge", sdk.LayoutRows, func(job *sdk.Job) error {
			sink = make([]byte, 1<<30)
			row(job, 0, float64(len(sink)))
			return nil
		}),
		texts("map_order", func(job *sdk.Job) error {
			for name := range sums(job) {
				text.Column(job).Append(name)
				mean.Column(job).Append(1)
			}
			return nil
		}),
		mistake("map_sum", sdk.LayoutRows, func(job *sdk.Job) error {
			all := 0.0
			for _, sum := range sums(job) {
				all += sum / 3
			}
			row(job, 0, all)
			return nil
		}),
		mistake("random", sdk.LayoutRows, func(job *sdk.Job) error {
			row(job, 0, rand.Float64())
			return nil
		}),
		texts("clock", func(job *sdk.Job) error {
			text.Column(job).Append(strconv.Itoa(time.Now().Year()))
			mean.Column(job).Append(1)
			return nil
		}),
		mistake("pure", sdk.LayoutRows, func(job *sdk.Job) error { // uses a map, and sorts by code
			total := sums(job)
			for code := range location.Count(job) {
				if sum, ok := total[location.Text(job, int32(code))]; ok {
					row(job, int32(code), sum)
				}
			}
			return nil
		}),
	},
}

func init() { sdk.Serve(plugin) }

func main() {}
