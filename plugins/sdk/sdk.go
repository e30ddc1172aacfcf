// Package sdk is what a plugin for Le Stats Sportifs is written with, in Go.
//
// A plugin declares the columns that it reads, its questions with their
// parameters and results, and a function for each that computes the answer:
//
//	var (
//		location = &sdk.StringColumn{Name: "location"}
//		value    = &sdk.NumberColumn{Name: "value"}
//
//		state = &sdk.CodeResult{Of: location}
//		most  = &sdk.NumberResult{Name: "maximum", UnitOf: value}
//	)
//
//	func init() {
//		sdk.Serve(&sdk.Plugin{
//			Name: "extremes", Version: "1.0.0",
//			Columns: []sdk.Column{location, value},
//			Questions: []*sdk.Question{{
//				Name:   "maximum",
//				Result: sdk.Result{Keys: []sdk.ResultColumn{state}, Values: []sdk.ResultColumn{most}, Layout: sdk.LayoutMap},
//				Answer: maximum,
//			}},
//		})
//	}
//
//	func main() {}
//
// What is declared doubles as a typed handle: value.Values(job) are the numbers
// of that column, most.Column(job) is where the result's numbers go. A handle holds
// no data, so everything that a question reads and writes goes through its Job.
//
// Package sdktest asks the same questions natively, in an ordinary test.
package sdk

// Plugin is a plugin as described by its manifest.
type Plugin struct {
	Name        string // [a-z][a-z0-9_]*, at most 64 bytes
	Version     string // free text, semantic versioning by custom; required
	Title       string
	Description string
	License     string
	Homepage    string
	Columns     []Column // of the dataset: what the questions read, each once
	Questions   []*Question
	// Open, if set, is called once, with the dataset, before any question. Its job
	// has all rows and no question. It may keep what it computes: every question
	// finds the plugin's memory as Open left it. An error refuses the dataset.
	Open func(job *Job) error
}

// Question is one named analysis.
type Question struct {
	Name        string // [a-z][a-z0-9_]*, at most 64 bytes; the route is /api/<name>
	Title       string
	Description string
	Params      []Param
	Result      Result
	// Needs are optional columns that the question cannot do without: a dataset that
	// lacks one does not have the question.
	Needs []Column
	// Example is the JSON body of a request that shows the question at its best:
	// `{"state": "Ohio", "where": {"year": 2020}}`, with every required parameter. The host's pages and
	// commands use it unless their dataset lacks its values. "": they choose the values.
	Example string
	// Answer computes the result: it appends rows to each of the result's columns.
	// An *Error reaches the caller with its code, any other error as ErrFailed, and
	// so does a panic. To append nothing is to find no data. The job, and whatever
	// was got through it, must not be kept after Answer has returned.
	Answer func(job *Job) error
}

// Result declares the table that answers a question.
type Result struct {
	Keys   []ResultColumn // what a row is about
	Values []ResultColumn // at least one
	Layout Layout         // "": LayoutRows
	Chart  Chart          // "": the page decides
}

// Shows is what a column of numbers in a result is. The host's pictures, headlines and
// notes follow from it. A result has at most one of each, but two of ShowsRank: the best and
// the worst rank that the data allow; and three of ShowsDifference.
type Shows string

// What a column shows.
const (
	ShowsEstimate       Shows = "estimate"        // what the answer is about
	ShowsMean           Shows = "mean"            // an estimate that is the plain mean of the measure of a group of rows
	ShowsMeanDifference Shows = "mean_difference" // a difference of plain means, at least one of them of all selected rows
	ShowsDifference     Shows = "difference"      // a difference of two values or a limit of its interval; that of percentages is in percentage points
	ShowsLow            Shows = "low"             // lower limit of the estimate's confidence interval
	ShowsHigh           Shows = "high"            // its upper limit
	ShowsCount          Shows = "count"           // how many were asked or counted
	ShowsRank           Shows = "rank"            // place in an order, from 1
)

// Layout is how the table of a result becomes one JSON value.
type Layout string

// The layouts.
const (
	LayoutRows   Layout = "rows"   // [{"location":"Ohio","mean":33.2}, ...]
	LayoutMap    Layout = "map"    // {"Ohio":33.2, ...}: by the keys, which no two rows share
	LayoutNested Layout = "nested" // {"Ohio":{"('Gender', 'Male')":38.6}}: the first of at least two keys outside
	LayoutRecord Layout = "record" // {"global_mean":34.4}: one row, no keys
)

// Chart is a hint: what the page draws.
type Chart string

// The charts.
const (
	ChartBar  Chart = "bar"
	ChartDots Chart = "dots" // with intervals
	ChartLine Chart = "line"
	ChartMap  Chart = "map"
	ChartNone Chart = "none"
)
