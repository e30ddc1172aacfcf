// Command trend is a plugin that shows how a state's values change: the mean of each
// year, and the straight line fitted to them by least squares.
//
// In 2011 the survey behind the built-in questions began to call mobile phones and to
// weight its answers differently: earlier and later years are not comparable (CDC,
// "Methodologic Changes in the Behavioral Risk Factor Surveillance System in 2011", MMWR
// 61(22), 2012). So no line crosses that year: each side has its own line and a note in
// its rows, and the log has a warning.
package main

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// newMethod is the first year of the survey's new method.
const newMethod = 2011

var (
	question = &sdk.StringColumn{Name: "question"}
	location = &sdk.StringColumn{Name: "location"}
	year     = &sdk.IntegerColumn{Name: "year"}
	value    = &sdk.NumberColumn{Name: "value"}

	survey = &sdk.StringParam{Name: "question", Title: "Survey question", Of: question, Required: true, Select: true}
	state  = &sdk.StringParam{Name: "state", Title: "State", Of: location, Required: true}

	byYear = &sdk.IntegerResult{Name: "year", Title: "Year"}
	mean   = &sdk.NumberResult{Name: "mean", Title: "Mean of the year", UnitOf: value}
	line   = &sdk.NumberResult{Name: "trend", Title: "The line at this year", UnitOf: value}
	slope  = &sdk.NumberResult{Name: "slope", Title: "Its slope, a year", UnitOf: value}
	note   = &sdk.StringResult{Name: "note", Title: "Note"}
)

var plugin = &sdk.Plugin{
	Name: "trend", Version: "1.0.0", Title: "Trend", License: "Apache-2.0",
	Columns: []sdk.Column{question, location, year, value},
	Questions: []*sdk.Question{{
		Name:  "trend",
		Title: "Trend of a state",
		Description: "The mean of each year of one state, and the line through them by least squares, with its slope a year. " +
			"The survey changed its method in 2011: years before and after have a line each, and a note.",
		Params: []sdk.Param{survey, state},
		Result: sdk.Result{
			Keys: []sdk.ResultColumn{byYear}, Values: []sdk.ResultColumn{mean, line, slope, note},
			Layout: sdk.LayoutRows, Chart: sdk.ChartLine,
		},
		Example: `{"question": "Percent of adults aged 18 years and older who have obesity", "state": "Ohio"}`,
		Answer:  trend,
	}},
}

// point is a year's mean.
type point struct {
	year int64
	sum  float64
	n    int
}

func (p point) mean() float64 { return p.sum / float64(p.n) }

func trend(job *sdk.Job) error {
	code, _ := state.Get(job)
	values, years := value.Values(job), year.Values(job)
	byNumber := map[int64]*point{}
	var points []*point
	for rows := range job.Rows(value, year, location.Is(code)) {
		for _, row := range rows {
			p := byNumber[years[row]]
			if p == nil {
				p = &point{year: years[row]}
				byNumber[p.year] = p
				points = append(points, p)
			}
			p.sum += values[row]
			p.n++
		}
	}
	if len(points) == 0 {
		return sdk.NoData("no value for " + location.Text(job, code))
	}
	slices.SortFunc(points, func(a, b *point) int { return int(a.year - b.year) })
	change, _ := slices.BinarySearchFunc(points, newMethod, func(p *point, y int64) int { return int(p.year - y) })
	old, recent := points[:change], points[change:]
	notes := [2]string{}
	if len(old) > 0 && len(recent) > 0 {
		notes = [2]string{"before the survey's change of method in 2011", "since the survey's change of method in 2011"}
		job.Log(sdk.Warn, "the survey changed its method in 2011: years before and after are not comparable, and have a line each")
	}
	fit(job, old, notes[0])
	fit(job, recent, notes[1])
	return nil
}

// fit appends years and the line fitted to their means by least squares: through the
// point of the means, with the slope sum((x-mx)(y-my)) / sum((x-mx)^2). A single year has
// no line.
func fit(job *sdk.Job, points []*point, text string) {
	var mx, my, xy, xx float64
	for _, p := range points {
		mx += float64(p.year)
		my += p.mean()
	}
	mx, my = mx/float64(len(points)), my/float64(len(points))
	for _, p := range points {
		dx := float64(p.year) - mx
		xy += dx * (p.mean() - my)
		xx += dx * dx
	}
	for _, p := range points {
		byYear.Column(job).Append(p.year)
		mean.Column(job).Append(p.mean())
		if xx > 0 {
			line.Column(job).Append(my + xy/xx*(float64(p.year)-mx))
			slope.Column(job).Append(xy / xx)
		} else {
			line.Column(job).AppendMissing()
			slope.Column(job).AppendMissing()
		}
		if text != "" {
			note.Column(job).Append(text)
		} else {
			note.Column(job).AppendMissing()
		}
	}
}

func init() { sdk.Serve(plugin) }

func main() {}
