package chart

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The kinds of pictures, which are also Drawing.Mark.
const (
	markMap  = "map"
	markDots = "dots"
	markBars = "bars"
	markLine = "line"
)

const (
	maxLabel = 24    // characters of a label
	noShape  = -2    // of a row whose place has no outline
	tooLarge = 1e300 // numbers beyond it cannot be subtracted safely
)

// figure is what a picture shows, before it is laid out. All texts are visible and short.
type figure struct {
	mark      string
	title     string
	selection []string // what was asked for, one line each
	measure   string   // what the values are, with their unit
	unit      string
	key       string // title of what the rows are
	rows      []row  // in the order of the picture
	dropped   int    // rows that are left out
	decimals  int
	limits    bool     // some row has an interval
	level     string   // of the intervals: "95 % ", or "" if the columns' titles do not say it
	grouped   bool     // rows have headings
	names     []string // names of the table's columns
	outlines  *Outlines
	notes     []string
}

// row is one mark.
type row struct {
	label     string // at most maxLabel characters
	name      string // the whole, up to maxTip characters
	group     string // heading; "" for none
	from      int    // row of the table
	x         int64  // of a line
	value     float64
	low, high float64
	present   bool // there is a value
	limits    bool // there is an interval
	shape     int  // index of Outlines.Shapes, whole or noShape
	more      string
}

// columns are the parts of a table that a picture needs. An index is -1 if there is none.
type columns struct {
	estimate, low, high int
	fixed, varying      []int // key columns with one value, and with several
}

func (d *Drawer) figure(t *question.Table, c *question.Caption) (*figure, error) {
	cols, err := find(t)
	if err != nil {
		return nil, err
	}
	f := &figure{}
	place := d.place(t, c, &cols, f)
	if err := f.read(t, cols); err != nil {
		return nil, err
	}
	f.choose(t, cols, place)
	f.describe(t, c, cols)
	f.arrange()
	f.detail(t, cols)
	f.note()
	return f, nil
}

// find returns the columns to draw.
func find(t *question.Table) (columns, error) {
	cols := columns{estimate: -1, low: -1, high: -1}
	if t.Chart == "none" {
		return cols, noPicture("the question has no picture (its manifest says so)")
	}
	if t.Rows() == 0 {
		return cols, noPicture("the answer has no rows")
	}
	rank := 0 // how well the column found so far suits
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.Role == question.RoleKey {
			if constant(col) {
				cols.fixed = append(cols.fixed, i)
			} else {
				cols.varying = append(cols.varying, i)
			}
			continue
		}
		if col.Type == question.String {
			continue
		}
		suits := 0
		switch col.Shows {
		case question.ShowsEstimate:
			suits = 4
		case question.ShowsLow:
			cols.low = i
		case question.ShowsHigh:
			cols.high = i
		case question.ShowsCount, question.ShowsRank:
			suits = 1
		case question.ShowsMean, question.ShowsMeanDifference:
			suits = 3
		default:
			suits = 2
		}
		if suits > rank {
			rank, cols.estimate = suits, i
		}
	}
	if cols.estimate < 0 {
		return cols, noPicture("the answer has no column of numbers")
	}
	return cols, nil
}

func noPicture(why string) error {
	return question.Errorf(question.CodeNotAcceptable, "there is no picture of this answer: %s; it is available as a table (json, csv, arrow)", why)
}

func constant(c *question.Column) bool {
	first := c.Value(0)
	for i := range c.Len() {
		if c.Value(i) != first {
			return false
		}
	}
	return true
}

// place returns the key column of places with known outlines, or -1, and sets f.outlines. A
// column of places with a single value counts as varying: it is the label.
func (d *Drawer) place(t *question.Table, c *question.Caption, cols *columns, f *figure) int {
	find := func(list []int) int {
		return slices.IndexFunc(list, func(i int) bool {
			f.outlines = d.outlines[c.Dataset.Geo[t.Columns[i].Name]]
			return f.outlines != nil
		})
	}
	if i := find(cols.varying); i >= 0 {
		return cols.varying[i]
	}
	if i := find(cols.fixed); i >= 0 && len(cols.varying) == 0 {
		place := cols.fixed[i]
		cols.varying, cols.fixed = []int{place}, slices.Delete(cols.fixed, i, i+1)
		return place
	}
	f.outlines = nil
	if n := len(cols.fixed); n > 0 && len(cols.varying) == 0 {
		cols.varying, cols.fixed = cols.fixed[n-1:], cols.fixed[:n-1]
	}
	return -1
}

// read makes the rows, in the order of the table.
func (f *figure) read(t *question.Table, cols columns) error {
	estimate := &t.Columns[cols.estimate]
	f.unit = clean(estimate.Unit, maxLabel)
	f.rows = make([]row, t.Rows())
	for i := range t.Columns {
		f.names = append(f.names, t.Columns[i].Name)
	}
	if cols.low >= 0 && cols.high >= 0 {
		f.level = level(t.Columns[cols.low].Title, t.Columns[cols.high].Title)
	}
	for i := range f.rows {
		r := &f.rows[i]
		r.from, r.shape = i, noShape
		if r.value, r.present = float(estimate, i); r.present {
			if math.Abs(r.value) > tooLarge {
				return noPicture("its numbers are too large to draw")
			}
		}
		if cols.low >= 0 && cols.high >= 0 && r.present {
			low, hasLow := float(&t.Columns[cols.low], i)
			high, hasHigh := float(&t.Columns[cols.high], i)
			r.limits = hasLow && hasHigh && low <= high && low >= -tooLarge && high <= tooLarge
			if r.limits {
				r.low, r.high = low, high
				f.limits = true
			}
		}
	}
	return nil
}

// float returns row i of a column of numbers. What is not finite counts as missing.
func float(c *question.Column, i int) (float64, bool) {
	switch v := c.Value(i).(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int64:
		return float64(v), true
	default:
		return 0, false
	}
}

// choose selects the kind of picture: the manifest's hint if it fits, and else what the
// columns suggest.
func (f *figure) choose(t *question.Table, cols columns, place int) {
	single := len(cols.varying) == 1
	switch {
	case t.Chart == "map" && single && place == cols.varying[0] && f.match(&t.Columns[place]):
		f.mark = markMap
	case (t.Chart == "line" || t.Chart == "") && single && f.years(&t.Columns[cols.varying[0]]):
		f.mark = markLine
	case t.Chart == "dots" || t.Chart != "bar" && f.limits:
		f.mark = markDots
	default:
		f.mark = markBars
	}
	if place >= 0 && f.mark != markMap {
		f.match(&t.Columns[place])
	}
	if f.mark != markMap {
		f.outlines = nil
	}
	f.label(t, cols)
}

// match finds the outlines of the places. It reports whether they can be a map: at least one
// has an outline, and none has two rows.
func (f *figure) match(c *question.Column) bool {
	if c.Type != question.String {
		return false
	}
	seen, drawn, twice := map[int]bool{}, false, false
	for i := range f.rows {
		name, ok := c.Value(i).(string)
		if !ok || len(name) > maxTip {
			continue
		}
		if n, ok := f.outlines.find(name); ok {
			f.rows[i].shape = n
			drawn = drawn || n >= 0
			twice = twice || seen[n]
			seen[n] = true
		}
	}
	return drawn && !twice
}

// years reads the places of a line's points. It reports whether they can be a line: two or
// more whole numbers, each once.
func (f *figure) years(c *question.Column) bool {
	if c.Type != question.Integer || len(f.rows) < 2 {
		return false
	}
	seen := map[int64]bool{}
	for i := range f.rows {
		x, ok := c.Value(i).(int64)
		if !ok || seen[x] || x > 1<<40 || x < -1<<40 {
			return false
		}
		seen[x] = true
		f.rows[i].x = x
	}
	return true
}

// label names the rows, and groups them if they have two keys or more.
func (f *figure) label(t *question.Table, cols columns) {
	keys := cols.varying
	if len(keys) > 1 {
		groups := map[any]bool{}
		for i := range f.rows {
			groups[t.Columns[keys[0]].Value(i)] = true
		}
		f.grouped = len(groups)*2 <= len(f.rows)
	}
	f.key = title(&t.Columns[cols.estimate])
	if len(keys) > 0 {
		f.key = title(&t.Columns[keys[0]])
	}
	for i := range f.rows {
		r := &f.rows[i]
		if f.grouped {
			r.group = cell(&t.Columns[keys[0]], i)
		}
		var parts []string
		for n, k := range keys {
			if !f.grouped || n > 0 {
				parts = append(parts, cell(&t.Columns[k], i))
			}
		}
		r.name = cut(strings.Join(parts, " · "), maxTip)
		if len(keys) == 0 {
			r.name = f.key
		}
		r.label = cut(r.name, maxLabel)
	}
}

// arrange brings the rows into the order of the picture and leaves out what is too much.
func (f *figure) arrange() {
	switch {
	case f.mark == markLine:
		f.sort(func(a, b *row) int { return cmp.Compare(a.x, b.x) })
	case f.grouped: // in the order in which the groups begin
		order := map[string]int{}
		for i := range f.rows {
			if _, ok := order[f.rows[i].group]; !ok {
				order[f.rows[i].group] = len(order)
			}
		}
		f.sort(func(a, b *row) int { return cmp.Compare(order[a.group], order[b.group]) })
	case f.mark == markDots || f.mark == markMap:
		f.sort(func(a, b *row) int {
			switch {
			case a.present != b.present:
				return pick(a.present, -1, 1)
			case a.value != b.value:
				return cmp.Compare(b.value, a.value)
			default:
				return cmp.Compare(a.name, b.name)
			}
		})
	}
	if n := len(f.rows); f.mark != markMap && n > MaxMarks {
		f.dropped = n - MaxMarks
		which := "first"
		if f.mark == markDots && !f.grouped {
			which = "highest"
		}
		if f.mark == markLine {
			f.rows = f.rows[f.dropped:]
			which = "last"
		}
		f.rows = f.rows[:MaxMarks]
		f.notes = append(f.notes, fmt.Sprintf("The picture shows the %s %d of %s rows and leaves out %s; the table has all.",
			which, MaxMarks, number(float64(n), 0), number(float64(f.dropped), 0)))
	}
}

// sort sorts the rows; equal ones keep the order of the table.
func (f *figure) sort(compare func(a, b *row) int) {
	order := make([]*row, len(f.rows)) // rows are too large to be moved often
	for i := range order {
		order[i] = &f.rows[i]
	}
	slices.SortFunc(order, func(a, b *row) int { return cmp.Or(compare(a, b), cmp.Compare(a.from, b.from)) })
	rows := make([]row, len(order))
	for i, r := range order {
		rows[i] = *r
	}
	f.rows = rows
}

// detail adds what only the rows that are drawn need: decimals, and their other columns.
func (f *figure) detail(t *question.Table, cols columns) {
	var values []float64
	for i := range f.rows {
		r := &f.rows[i]
		if r.present {
			values = append(values, r.value)
		}
		if r.limits {
			values = append(values, r.low, r.high)
		}
		var more, ranks []string
		for n := range t.Columns {
			col := &t.Columns[n]
			switch {
			case col.Role == question.RoleKey || n == cols.estimate || r.limits && (n == cols.low || n == cols.high) || !col.Present(r.from):
			case col.Name == question.KindColumn && col.Value(r.from) == question.KindPlace: // as is usual
			case col.Shows == question.ShowsRank:
				ranks = append(ranks, cell(col, r.from))
			default:
				more = append(more, title(col)+" "+cell(col, r.from))
			}
		}
		if len(ranks) > 0 {
			more = append(more, "rank "+strings.Join(ranks, " to "))
		}
		r.more = cut(strings.Join(more, "; "), maxTip)
	}
	f.decimals = decimals(values)
}

// classes returns the classes of a map, if there is a value.
func (f *figure) classes() (scale, bool) {
	if f.mark != markMap {
		return scale{}, false
	}
	low, high := math.Inf(1), math.Inf(-1)
	for i := range f.rows {
		if r := &f.rows[i]; r.present && r.shape >= 0 {
			low, high = min(low, r.value), max(high, r.value)
		}
	}
	if low > high {
		return scale{}, false
	}
	return classes5(low, high), true
}

// span returns the least and the greatest value or limit, or 0 and 0 if there is none.
func (f *figure) span() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range f.rows {
		r := &f.rows[i]
		if r.present {
			low, high = min(low, r.value), max(high, r.value)
		}
		if r.limits {
			low, high = min(low, r.low), max(high, r.high)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

// id returns the prefix of the picture's ids, which differs between different pictures.
func (f *figure) id(width int, theme question.Theme) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d %q", f.mark, f.title, f.selection, width, theme)
	for i := range f.rows {
		fmt.Fprintf(h, "%q", f.tip(&f.rows[i]))
	}
	return "ch" + hex.EncodeToString(h.Sum(nil)[:4])
}
