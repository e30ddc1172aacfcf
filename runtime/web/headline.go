package web

import (
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// headline is an answer in a sentence or two. All texts are plain.
type headline struct {
	Figures []figure
	Fixed   []string // values of key columns that all rows share
	Mean    string   // why the figures are plain means; "" if they are not
	Mixes   string   // what the selection mixes; "" if nothing
	Empty   bool     // the answer has no rows
}

// figure is one row of a headline.
type figure struct {
	Label  string // "Highest", "Lowest"; "" if nothing sets the row apart
	Name   string // its keys; "" if it has none that vary
	Value  string // with unit; "no value"
	Detail string // interval and number asked; "" if neither is known
	Rank   string // "rank 1 to 3 of 51"; "" if it is not known
	More   []string
}

// shows returns the columns of a table that show something, and the estimate: what says so,
// or else the first number among the values; nil if there is none.
func shows(t *question.Table, kind question.Shows) []*question.Column {
	var out []*question.Column
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Role == question.RoleValue && c.Shows == kind {
			out = append(out, c)
		}
	}
	return out
}

func estimateOf(t *question.Table) *question.Column {
	for _, kind := range []question.Shows{question.ShowsEstimate, question.ShowsMean, question.ShowsMeanDifference} {
		if c := shows(t, kind); len(c) > 0 {
			return c[0]
		}
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Role == question.RoleValue && c.Type != question.String && c.Shows == "" {
			return c
		}
	}
	return nil
}

// maxWhole is the greatest number of rows of which a headline says all.
const maxWhole = 2

// headlineOf returns the headline of an answer.
func headlineOf(a *question.Answer) headline {
	t, h := a.Table, headline{}
	rows := t.Rows()
	h.Empty = rows == 0
	h.Mixes = mixes(a)
	for _, c := range a.Caveats {
		if c.Code == question.CaveatMean {
			h.Mean = question.Visible(c.Text)
		}
	}
	var names []figures // of the keys that vary
	for i := range t.Keys() {
		c := &t.Columns[i]
		f := figuresOf(c)
		switch {
		case rows > 1 && constant(c) || rows == 1 && t.Keys() > 1 && i > 0:
			h.Fixed = append(h.Fixed, f.at(0))
		default:
			names = append(names, f)
		}
	}
	estimate := estimateOf(t)
	if rows == 0 || estimate == nil {
		return h
	}
	w := writer{t: t, names: names, estimate: figuresOf(estimate)}
	switch {
	case rows <= maxWhole:
		for i := range rows {
			f := w.figure("", i)
			f.More = w.more(i)
			h.Figures = append(h.Figures, f)
		}
	case t.Chart == "line":
		h.Figures = []figure{w.figure("Last", rows-1), w.figure("First", 0)}
	default:
		if best, worst := extremes(t, estimate); best >= 0 {
			h.Figures = []figure{w.figure("Highest", best), w.figure("Lowest", worst)}
		}
	}
	return h
}

// constant reports whether all rows of a column have the same value.
func constant(c *question.Column) bool {
	first := c.Value(0)
	for i := 1; i < c.Len(); i++ {
		if c.Value(i) != first {
			return false
		}
	}
	return true
}

// extremes returns the rows with the greatest and the least estimate, of those that have a
// rank if any has one; -1 if none has a value.
func extremes(t *question.Table, estimate *question.Column) (best, worst int) {
	best, worst = -1, -1
	ranks := shows(t, question.ShowsRank)
	ranked := len(ranks) > 0 && slices.ContainsFunc(rowsOf(t), ranks[0].Present)
	for _, i := range rowsOf(t) {
		if !estimate.Present(i) || ranked && !ranks[0].Present(i) {
			continue
		}
		if best < 0 || compareRows(estimate, i, best) > 0 {
			best = i
		}
		if worst < 0 || compareRows(estimate, i, worst) < 0 {
			worst = i
		}
	}
	return best, worst
}

func rowsOf(t *question.Table) []int {
	rows := make([]int, t.Rows())
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// writer writes rows as figures.
type writer struct {
	t        *question.Table
	names    []figures
	estimate figures
}

func (w *writer) figure(label string, i int) figure {
	f := figure{Label: label, Value: w.estimate.with(i)}
	if f.Value == "" {
		f.Value = "no value"
	}
	var names []string
	for k := range w.names {
		names = append(names, w.names[k].at(i))
	}
	f.Name = strings.Join(names, ", ")
	var details []string
	if low, high := shows(w.t, question.ShowsLow), shows(w.t, question.ShowsHigh); len(low) > 0 && len(high) > 0 && low[0].Present(i) && high[0].Present(i) {
		from, to := figuresOf(low[0]), figuresOf(high[0])
		from.decimals, to.decimals = max(from.decimals, w.estimate.decimals), max(to.decimals, w.estimate.decimals)
		name := "interval "
		if strings.Contains(low[0].Title, "95") {
			name = "95\u00a0% interval "
		}
		details = append(details, name+from.at(i)+" to "+to.at(i))
	}
	if asked := shows(w.t, question.ShowsCount); len(asked) > 0 && asked[0].Present(i) {
		n := figuresOf(asked[0])
		details = append(details, n.at(i)+" asked")
	}
	f.Detail = strings.Join(details, "; ")
	if ranks := shows(w.t, question.ShowsRank); len(ranks) > 0 && ranks[0].Present(i) {
		first, last := figuresOf(ranks[0]), figuresOf(ranks[len(ranks)-1])
		f.Rank = "rank " + first.at(i)
		if to := last.at(i); to != first.at(i) {
			f.Rank += " to " + to
		}
		f.Rank += " of " + thousands(countText(present(ranks[0])))
	}
	return f
}

// more returns what the value columns say that show a difference, or nothing known.
func (w *writer) more(i int) (out []string) {
	for k := range w.t.Columns {
		c := &w.t.Columns[k]
		if c == w.estimate.c || c.Role != question.RoleValue || c.Shows != "" && c.Shows != question.ShowsDifference || !c.Present(i) {
			continue
		}
		base, end := c.Name, ""
		for _, suffix := range []string{"_low", "_high"} {
			if before, ok := strings.CutSuffix(c.Name, suffix); ok {
				base, end = before, suffix
			}
		}
		if end != "" && w.value(base, i) != "" && w.value(base+"_low", i) != "" && w.value(base+"_high", i) != "" {
			continue // told with what they are the limits of
		}
		f := figuresOf(c)
		text := titleOf(c) + ": " + f.with(i)
		if low, high := w.value(c.Name+"_low", i), w.value(c.Name+"_high", i); low != "" && high != "" {
			text += " (" + low + " to " + high + ")"
		}
		out = append(out, text)
	}
	return out
}

// value returns row i of the value column called name, "" if there is none.
func (w *writer) value(name string, i int) string {
	for k := range w.t.Columns {
		if c := &w.t.Columns[k]; c.Name == name && c.Role == question.RoleValue {
			f := figuresOf(c)
			return f.at(i)
		}
	}
	return ""
}

func present(c *question.Column) int {
	if c.Valid == nil {
		return c.Len()
	}
	return c.Valid.Count(c.Len())
}

// mixes says what the selection of an answer mixes and its table does not tell apart.
func mixes(a *question.Answer) string {
	if a.Coverage == nil {
		return ""
	}
	var parts []string
	for _, m := range a.Coverage.Mixed {
		if slices.ContainsFunc(a.Table.Columns, func(c question.Column) bool { return c.Name == m.Column }) {
			continue
		}
		title := m.Title
		if title == "" {
			title = m.Column
		}
		parts = append(parts, question.Visible(title)+" ("+thousands(countText(m.Values))+")")
	}
	return strings.Join(parts, ", ")
}
