package chart

import (
	"io"
	"math"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// defaultColumns is the width of a terminal that is not known.
const defaultColumns = 80

// Bars draws the table for a terminal: one line per row with a bar from zero, the value and
// its interval. The lines have at most o.Width columns if that is 24 or more. o.Caption may
// be nil. The rows and the errors are those of a picture that is no map.
func Bars(w io.Writer, t *question.Table, o question.WriteOptions) error {
	c := o.Caption
	if c == nil {
		c = new(question.Caption)
	}
	f, err := new(Drawer).figure(t, c)
	if err != nil {
		return err
	}
	total := o.Width
	if total <= 0 {
		total = defaultColumns
	}
	labels, values, most := 0, 0, 0
	texts := make([]string, len(f.rows))
	for i := range f.rows {
		r := &f.rows[i]
		texts[i] = f.shown(r, true)
		labels = max(labels, question.Width(r.label))
		values = max(values, question.Width(texts[i]))
		most = max(most, question.Width(f.shown(r, false)))
	}
	const gaps, least = 2, 8 // columns: the spaces, and the bar at least
	labels = min(labels, maxLabel, max(4, total/3))
	if labels+values+gaps+least > total { // too narrow for the intervals
		values = most
		for i := range f.rows {
			texts[i] = f.shown(&f.rows[i], false)
		}
	}
	cells := max(total-labels-values-gaps, 1)
	low, high := f.span()
	low, high = min(low, 0), max(high, 0)
	var b strings.Builder
	line := func(s string) { b.WriteString(question.Cut(strings.TrimRight(s, " "), total) + "\n") }
	sentence := func(s string) { // broken between words
		s = strings.TrimSpace(s)
		for s != "" {
			n := len(s)
			for question.Width(s[:n]) > total && strings.Contains(s[:n], " ") {
				n = strings.LastIndexByte(s[:n], ' ')
			}
			line(s[:n])
			s = strings.TrimLeft(s[n:], " ")
		}
	}
	if c.Dataset.Synthetic || o.Provenance != nil && o.Provenance.Synthetic {
		line("SYNTHETIC: generated figures, not real")
	}
	sentence(f.title)
	for _, s := range f.selection {
		sentence(s)
	}
	if f.title != f.measure {
		line(f.measure + f.with())
	}
	for i := range f.rows {
		r := &f.rows[i]
		if f.heads(i) {
			line(r.group)
		}
		label := question.Cut(r.label, labels)
		bar := strings.Repeat(" ", cells)
		if r.present && low < high {
			bar = block(r.value, low, high, cells)
		}
		line(label + strings.Repeat(" ", labels-question.Width(label)) + " " + bar + " " +
			strings.Repeat(" ", max(0, values-question.Width(texts[i]))) + texts[i])
	}
	for _, note := range f.notes {
		sentence(note)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// block returns a bar from zero to v in a range that has both, of exactly cells columns.
func block(v, low, high float64, cells int) string {
	const eighths = " ▏▎▍▌▋▊▉"
	zero := int(math.Round(-low / (high - low) * float64(cells)))
	if v < 0 {
		n := min(max(int(math.Round(-v/(high-low)*float64(cells))), 0), zero)
		return strings.Repeat(" ", zero-n) + strings.Repeat("█", n) + strings.Repeat(" ", cells-zero)
	}
	n := min(max(int(math.Round(v/(high-low)*float64(cells)*8)), 0), (cells-zero)*8)
	out := strings.Repeat(" ", zero) + strings.Repeat("█", n/8)
	used := zero + n/8
	if n%8 > 0 {
		out += string([]rune(eighths)[n%8])
		used++
	}
	return out + strings.Repeat(" ", cells-used)
}
