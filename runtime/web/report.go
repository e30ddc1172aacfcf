package web

import (
	"io"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// reportPage is the data of the template "report".
type reportPage struct {
	frame

	Policy string
	Answer *shown
	URL    string // of the same answer on the server; "" if it is not known
}

// Report returns the format report: an answer as one HTML file that opens offline, with
// picture, table, caveats, receipt and citation. draw and style are those of Config. A table
// that cannot be drawn has no picture, which is no error.
func Report(draw func(*question.Table, *question.Caption) (*question.Drawing, error), style string) question.Format {
	css, policy := sheet(style)
	policy += "; img-src data:; base-uri 'none'; form-action 'none'"
	return question.Format{
		Name: "report", Title: "a report: one page that opens offline, with picture, table and citation",
		MediaType: "text/html; charset=utf-8", Extension: "html", Seen: true, Dated: true, Policy: policy + "; sandbox allow-popups",
		Write: func(w io.Writer, t *question.Table, o question.WriteOptions) error {
			c := o.Caption
			if c == nil {
				c = &question.Caption{Title: "Answer"}
			}
			if p := o.Provenance; p != nil && p.Synthetic && !c.Dataset.Synthetic {
				marked := *c
				marked.Dataset.Synthetic = true
				c = &marked
			}
			a := &question.Answer{Table: t, Provenance: o.Provenance, Coverage: c.Coverage, Caveats: c.Caveats, Receipt: c.Receipt}
			p := &reportPage{frame: frame{Title: question.Visible(c.Title), Style: css, Dataset: c.Dataset}, Policy: policy, Answer: draws(draw).show(a, c), URL: c.URL}
			p.Answer.Grid = gridOf(t, "", 1, nil)
			p.Answer.Grid.Caption = p.Title
			return templates().ExecuteTemplate(w, "report", p)
		},
	}
}
