// Package chart draws the table of a result as one SVG: a map, dots with intervals, bars,
// or a line with its band. The manifest's hint, the roles of the columns and the dataset's
// geography select what is drawn.
//
// All lengths are integers, tenths of a unit: a picture in a page is 400 units wide, one
// that stands alone is 560. Equal tables and captions give equal bytes on every processor.
// Names and values are text, whatever they contain. All functions are pure and safe for
// concurrent use.
package chart

import (
	"io"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// MaxMarks is the greatest number of marks in one picture. A picture of a longer table says
// what it leaves out.
const MaxMarks = 200

// Drawer draws tables. It is immutable.
type Drawer struct {
	outlines map[string]*Outlines
}

// New returns a Drawer with the outlines that maps can be drawn on.
func New(outlines ...*Outlines) *Drawer {
	d := &Drawer{outlines: make(map[string]*Outlines, len(outlines))}
	for _, o := range outlines {
		d.outlines[o.Name] = o
	}
	return d
}

// Format returns the format svg.
func (d *Drawer) Format() question.Format {
	return question.Format{
		Name: "svg", Title: "a picture: a map, dots with intervals, bars or a line",
		MediaType: "image/svg+xml", Extension: "svg", Write: d.Write,
		Seen: true, Policy: "default-src 'none'; style-src '" + StyleHash + "'",
	}
}

// Write writes a picture that stands alone: with title, legend, notes, source and
// background. The caption may be nil. The error is that of w, or has CodeNotAcceptable if
// the table cannot be drawn: it has no numbers, or the manifest wants no picture.
func (d *Drawer) Write(w io.Writer, t *question.Table, o question.WriteOptions) error {
	c := o.Caption
	if c == nil {
		c = new(question.Caption)
	}
	if p := o.Provenance; p != nil && p.Synthetic && !c.Dataset.Synthetic {
		marked := *c
		marked.Dataset.Synthetic = true
		c = &marked
	}
	f, err := d.figure(t, c)
	if err != nil {
		return err
	}
	_, err = w.Write(f.alone(c))
	return err
}

// Draw returns the picture of a table for a page. c may be nil. A table that cannot be drawn
// is an error with CodeNotAcceptable, as of Write. To draw another kind of picture than the
// manifest's, set Chart of a copy of the table to "map", "dots", "bar" or "line"; a kind that
// does not fit the table is ignored.
func (d *Drawer) Draw(t *question.Table, c *question.Caption) (*question.Drawing, error) {
	if c == nil {
		c = new(question.Caption)
	}
	f, err := d.figure(t, c)
	if err != nil {
		return nil, err
	}
	return &question.Drawing{
		SVG: string(f.inline(c)), Mark: f.mark, Alt: f.alt(), Legend: f.swatches(c.Theme), Notes: f.notes,
	}, nil
}
