package author

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// sample is one request that check makes.
type sample struct {
	text    string // "state_mean question=... state=..."
	req     question.Request
	noRows  bool // select no rows
	example bool // the question's example
	same    bool // two parameters have one value

	first   outcome
	differs string   // how a later outcome differs from the first; "" if none does
	depends []string // how the outcome in other surroundings differs; "" if it does not
}

// outcome is the result of a sample.
type outcome struct {
	table *question.Table
	used  question.Usage
	err   *question.Error
}

func (s *sample) ask(ctx context.Context, p opened, ds catalog.Dataset) (o outcome) {
	b, err := p.Manifest().Bind(s.req, ds)
	if err == nil {
		var rows []question.Range
		if !s.noRows {
			rows = ds.Select(b.Where)
		}
		o.table, o.used, err = p.Measure(ctx, b, rows)
	}
	o.err = question.AsError(err)
	return o
}

// stopped reports whether a limit or a cancellation ended the run.
func (o outcome) stopped() bool {
	return o.err != nil && slices.Contains([]question.Code{question.CodeTimeLimit, question.CodeFuelLimit, question.CodeCancelled}, o.err.Code)
}

// differs describes how another outcome of the same request differs; "" if it does not.
func (o outcome) differs(again outcome) string {
	switch {
	case again.stopped() && again.err.Code != question.CodeFuelLimit:
		return "" // the machine was busy
	case (o.err == nil) != (again.err == nil):
		return "it answered one time and failed another time"
	case o.err != nil && (o.err.Code != again.err.Code || o.err.Reason != again.err.Reason):
		return fmt.Sprintf("it failed with %q one time and with %q another time", o.err.Reason, again.err.Reason)
	case !reflect.DeepEqual(o.table, again.table):
		return differentAnswers + difference(o.table, again.table)
	case o.used.Fuel != again.used.Fuel:
		return fmt.Sprintf("it used %d units of fuel one time and %d another time", o.used.Fuel, again.used.Fuel)
	}
	return ""
}

// difference describes how two tables of one question that differ do so.
func difference(a, b *question.Table) string {
	rows := func(t *question.Table) []string {
		out := make([]string, t.Rows())
		for i := range out {
			for c := range t.Columns {
				out[i] += fmt.Sprintf(", %v", t.Columns[c].Value(i))
			}
			out[i] = "(" + strings.TrimPrefix(out[i], ", ") + ")"
		}
		return out
	}
	first, second := rows(a), rows(b)
	if len(first) != len(second) {
		return fmt.Sprintf("%d rows one time and %d another time", len(first), len(second))
	}
	at := 0
	for at < len(first)-1 && first[at] == second[at] {
		at++
	}
	if slices.Equal(slices.Sorted(slices.Values(first)), slices.Sorted(slices.Values(second))) && len(first) > 0 {
		return fmt.Sprintf("%s: row %d is %.100s and %.100s", otherOrder, at, first[at], second[at])
	}
	for c := range a.Columns {
		if c >= len(b.Columns) || at >= len(first) {
			break
		}
		if x, y := a.Columns[c].Value(at), b.Columns[c].Value(at); x != y {
			what := fmt.Sprintf("row %d, column %q is %v and %v", at, a.Columns[c].Name, x, y)
			if f, ok := x.(float64); ok {
				if g, ok := y.(float64); ok && math.Abs(f-g) < 1e-9*math.Max(math.Abs(f), math.Abs(g)) {
					return rounding + ": " + what
				}
			}
			return what
		}
	}
	return "their columns differ"
}

// Kinds of differences, which tell the cause.
const (
	differentAnswers = "it gave two different answers: "

	otherOrder = "the same rows in another order"
	rounding   = "the last digits"
)

// Given returns values that replace those of a plugin's examples: Params and Where, by the
// name of the question. nil: there are none.
type Given func(m *question.Manifest, schema question.Schema) (map[string]question.Request, error)

func (g Given) of(m *question.Manifest, schema question.Schema) (overrides, error) {
	if g == nil {
		return nil, nil
	}
	return g(m, schema)
}

type overrides map[string]question.Request

// example returns the request with which a question is asked: its example, with the values
// that were given instead of the example's.
func (o overrides) example(m *question.Manifest, q *question.Question, ds catalog.Dataset) (question.Request, error) {
	req, err := catalog.Example(m, q, ds)
	own := o[q.Name]
	if len(own.Params)+len(own.Where) == 0 {
		return req, err
	}
	out := question.Request{Question: q.Name, Params: map[string]any{}, Where: map[string]any{}}
	for _, from := range []question.Request{req, own} {
		maps.Copy(out.Params, from.Params)
		maps.Copy(out.Where, from.Where)
	}
	_, err = m.Bind(out, ds)
	return out, err
}

// noRows ends the text of a sample that selects no rows.
const noRows = ", with no rows selected"

// maxSamples bounds the requests per question.
const maxSamples = 48

// samplesOf returns requests for a question: its example; then, one parameter at a time,
// the ends of its range, and the value of another parameter of its column; then one with a
// condition, those that select few rows, and one that selects no rows.
func samplesOf(m *question.Manifest, q *question.Question, ds catalog.Dataset, given overrides) ([]*sample, error) {
	base, err := given.example(m, q, ds)
	if err != nil {
		return nil, err
	}
	with := func(name string, v any) question.Request {
		req := question.Request{Question: q.Name, Params: map[string]any{}, Where: base.Where}
		maps.Copy(req.Params, base.Params)
		req.Params[name] = v
		return req
	}
	requests := []question.Request{base}
	equal := map[string]bool{} // texts of requests
	for i := range q.Params {
		p := &q.Params[i]
		if p.Absent {
			continue
		}
		for _, v := range values(p, ds) {
			requests = append(requests, with(p.Name, v))
		}
		for j := range i {
			other := &q.Params[j]
			if v, ok := base.Params[other.Name]; ok && p.Type == question.ParamColumn && other.Type == p.Type && other.Column == p.Column && other.List == p.List {
				requests = append(requests, with(p.Name, v))
				equal[Typed(with(p.Name, v))] = true
			}
		}
	}
	columns := ds.Columns()
	for i := range columns {
		if c := &columns[i]; c.Role == question.RoleDimension && len(c.Dict) > 0 {
			requests = append(requests, question.Request{Question: q.Name, Params: base.Params, Where: map[string]any{c.Name: c.Dict[len(c.Dict)-1]}})
			break
		}
	}
	few, err := fewRows(m, base, ds)
	if err != nil {
		return nil, err
	}
	requests = append(requests[:min(len(requests), maxSamples-len(few))], few...)
	var out []*sample
	seen := map[string]bool{}
	for i, req := range requests {
		if text := Typed(req); !seen[text] && len(out) < maxSamples {
			seen[text] = true
			out = append(out, &sample{text: text, req: req, example: i == 0, same: equal[text]})
		}
	}
	return append(out, &sample{text: Typed(base) + noRows, req: base, noRows: true}), nil
}

// fewRows returns the request with conditions that select few rows, often only one: those
// like the first selected row in which each column of the plugin has a value, and those like
// the first in which one has none. There, a variance is 0 and a mean divides by 0.
func fewRows(m *question.Manifest, base question.Request, ds catalog.Dataset) ([]question.Request, error) {
	bound, err := m.Bind(base, ds)
	if err != nil {
		return nil, err
	}
	selected := ds.Select(bound.Where)
	whole, gap := -1, -1
	for _, r := range selected {
		for row := int(r.Start); row < int(r.Start+r.Count) && (whole < 0 || gap < 0); row++ {
			first := &whole
			for _, need := range m.Columns {
				if c, ok := ds.Column(need.Name); ok && !c.Present(row) {
					first = &gap
				}
			}
			if *first < 0 {
				*first = row
			}
		}
	}
	var out []question.Request
	for _, row := range []int{whole, gap} {
		if row < 0 {
			continue
		}
		req, err := like(m, base, ds, row, total(selected))
		if err != nil {
			return nil, err
		}
		out = append(out, req)
	}
	return out, nil
}

// like narrows a request that selects a number of rows down to those that have the values of
// one row in all dimensions. A condition that leaves no row out is not added.
func like(m *question.Manifest, base question.Request, ds catalog.Dataset, row, rows int) (question.Request, error) {
	columns := ds.Columns()
	for i := range columns {
		c := &columns[i]
		v := c.Value(row)
		if c.Role != question.RoleDimension || v == nil || v == "" {
			continue
		}
		req := question.Request{Question: base.Question, Params: base.Params, Where: map[string]any{}}
		maps.Copy(req.Where, base.Where)
		req.Where[c.Name] = v
		bound, err := m.Bind(req, ds)
		if err != nil {
			return req, err
		}
		if n := total(ds.Select(bound.Where)); n < rows {
			base, rows = req, n
		}
	}
	return base, nil
}

func total(ranges []question.Range) (rows int) {
	for _, r := range ranges {
		rows += int(r.Count)
	}
	return rows
}

// values returns the ends of what a parameter accepts.
func values(p *question.Param, ds question.Schema) []any {
	out := p.Bounds(ds)
	if p.List && len(out) > 1 {
		out = append(out, []any{out[0], out[len(out)-1]})
	}
	return out
}

// Typed formats a request as it is typed on the command line.
func Typed(req question.Request) string {
	words := []string{req.Question}
	for _, part := range []struct {
		flag   string
		values map[string]any
	}{{"", req.Params}, {"--where ", req.Where}} {
		for _, name := range slices.Sorted(maps.Keys(part.values)) {
			list, ok := part.values[name].([]any)
			if !ok {
				list = []any{part.values[name]}
			}
			for _, v := range list {
				if ends, ok := v.(map[string]any); ok { // a range
					v = fmt.Sprint(cmp.Or(ends["min"], any("")), "..", cmp.Or(ends["max"], any("")))
				}
				words = append(words, part.flag+question.ShellWord(fmt.Sprintf("%s=%v", name, v)))
			}
		}
	}
	return strings.Join(words, " ")
}
