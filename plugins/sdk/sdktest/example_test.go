package sdktest_test

import (
	"fmt"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
)

var (
	city  = &sdk.StringColumn{Name: "city"}
	score = &sdk.NumberColumn{Name: "score"}
	of    = &sdk.StringParam{Name: "city", Of: city, Required: true, Select: true}
	total = &sdk.NumberResult{Name: "total", UnitOf: score}
)

var plugin = &sdk.Plugin{
	Name: "totals", Version: "1.0.0", Columns: []sdk.Column{city, score},
	Questions: []*sdk.Question{{
		Name: "total", Params: []sdk.Param{of},
		Result: sdk.Result{Values: []sdk.ResultColumn{total}, Layout: sdk.LayoutRecord},
		Answer: func(job *sdk.Job) error {
			sum, scores := 0.0, score.Values(job)
			for rows := range job.Rows(score) {
				for _, row := range rows {
					sum += scores[row]
				}
			}
			total.Column(job).Append(sum)
			return nil
		},
	}},
}

func Example() {
	session, err := sdktest.Open(plugin,
		sdktest.Strings("city", "Bern", "Chur", "Bern", "Bern"),
		sdktest.Numbers("score", 1, 10, 2.5, sdktest.Missing))
	if err != nil {
		panic(err)
	}
	result, err := session.Ask("total", map[string]any{"city": "Bern"})
	if err != nil {
		panic(err)
	}
	fmt.Println(result.Rows, result.Columns[0].Value(0))

	_, err = session.Ask("total", map[string]any{"city": "Rome"})
	fmt.Println(err)
	// Output:
	// 1 3.5
	// the parameter "city" cannot be "Rome" (string)
}

// Rows of text, as encoding/csv reads them.
func ExampleColumns() {
	columns, err := sdktest.Columns(plugin, []string{"city", "score", "note"}, [][]string{
		{"Bern", "1", "first"},
		{"Chur", "", "no score"},
	})
	fmt.Println(columns[0].Value(1), columns[1].Value(0), columns[1].Value(1), err)

	_, err = sdktest.Columns(plugin, []string{"city", "score"}, [][]string{{"Bern", "high"}})
	fmt.Println(err)
	// Output:
	// Chur 1 <nil> <nil>
	// column "score", row 0: strconv.ParseFloat: parsing "high": invalid syntax
}
