package wire

import (
	"io"
	"slices"
	"sync"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/chart"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
	"github.com/le-stats-sportifs/lestats/runtime/web"
)

// Formats are all formats of results, in the order of preference; the first is JSON.
var Formats = append(slices.Clone(render.Formats),
	question.Format{Name: "bars", Title: "bars for a terminal", Extension: "txt", Write: chart.Bars},
	picture(),
	web.Report(Draw, chart.Style),
)

// FindFormat returns the format with this name.
func FindFormat(name string) (*question.Format, bool) {
	i := slices.IndexFunc(Formats, func(f question.Format) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return &Formats[i], true
}

// Charts returns what draws pictures, with the outlines of package data. The first call
// parses those, which takes a millisecond: not at every start.
var Charts = sync.OnceValue(func() *chart.Drawer {
	o, err := chart.ParseOutlines(data.USStates)
	if err != nil {
		panic(err) // a file of this repository, which a test parses
	}
	return chart.New(o)
})

// Draw draws a table for a page.
func Draw(t *question.Table, c *question.Caption) (*question.Drawing, error) {
	return Charts().Draw(t, c)
}

func picture() question.Format {
	f := new(chart.Drawer).Format()
	f.Write = func(w io.Writer, t *question.Table, o question.WriteOptions) error { return Charts().Write(w, t, o) }
	return f
}
