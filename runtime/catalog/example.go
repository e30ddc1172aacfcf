package catalog

import (
	"errors"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Example returns a request for a question of m that can be answered on a dataset: the
// manifest's own example, unless this dataset lacks its values or has no row for it. Else
// it sets the required parameters, and those that select rows and have no default. Values of
// columns come from one row of the dataset, so that they occur together; two parameters of
// one column get different values, and a required list gets two. The error says why there is
// no such request.
func Example(m *question.Manifest, q *question.Question, ds Dataset) (question.Request, error) {
	if req, err := Declared(m, q, ds); err == nil {
		return req, nil
	}
	req := question.Request{Question: q.Name}
	var errs []error
	for _, all := range []bool{false, true} { // this dataset may lack a default value: then set these parameters too
		req.Params = exampleParams(m, q, ds, all)
		_, err := m.Bind(req, ds)
		if err == nil {
			return req, nil
		}
		errs = append(errs, err)
	}
	return req, errors.Join(errs...)
}

// ErrNoExample is the error of Declared for a question whose manifest gives no example.
var ErrNoExample = errors.New("the manifest gives no example")

// Declared returns the example that the manifest gives for a question. The error is
// ErrNoExample or says why the example does not suit the dataset.
func Declared(m *question.Manifest, q *question.Question, ds Dataset) (question.Request, error) {
	req, ok := q.ExampleRequest()
	if !ok {
		return req, ErrNoExample
	}
	bound, err := m.Bind(req, ds)
	if err != nil {
		return req, err
	}
	if len(ds.Select(bound.Where)) == 0 {
		return req, errors.New("no row of the dataset has its values together")
	}
	return req, nil
}

func exampleParams(m *question.Manifest, q *question.Question, ds question.Schema, all bool) map[string]any {
	var given []*question.Param
	for i := range q.Params {
		p := &q.Params[i]
		if p.Required || all && p.Column != "" && p.Default != nil || selectsWithoutDefault(p, ds) {
			given = append(given, p)
		}
	}
	if len(given) == 0 {
		return nil
	}
	params := make(map[string]any, len(given))
	var columns []*question.Column
	of := map[*question.Column][]*question.Param{} // the parameters of each, in the order of declaration
	for _, p := range given {
		if p.Column == "" {
			params[p.Name] = p.Example()
		} else if col, ok := ds.Column(p.Column); ok {
			if of[col] == nil {
				columns = append(columns, col)
			}
			of[col] = append(of[col], p)
		}
	}
	row, ok := exampleRow(m, columns, ds, func(int) bool { return true })
	if !ok {
		return params
	}
	for _, col := range columns {
		var used []any
		next := func() (v any, isNew bool) { // the next value beside those of the other columns, or again the first one
			r, ok := exampleRow(m, columns, ds, func(r int) bool {
				if slices.Contains(used, col.Value(r)) {
					return false
				}
				for _, other := range columns {
					if other != col && other.Value(r) != other.Value(row) {
						return false
					}
				}
				return true
			})
			if !ok {
				r = row
			}
			used = append(used, col.Value(r))
			return col.JSONValue(r), ok
		}
		for _, p := range of[col] {
			params[p.Name], _ = next()
			if p.List && p.Required {
				if second, ok := next(); ok {
					params[p.Name] = []any{params[p.Name], second}
				}
			}
		}
	}
	return params
}

// selectsWithoutDefault reports whether p selects rows, and the dataset has the column and
// no default for it.
func selectsWithoutDefault(p *question.Param, ds question.Schema) bool {
	col, ok := ds.Column(p.Column)
	if !ok || !p.Select || p.Default != nil {
		return false
	}
	d, ok := ds.(interface{ Default(column string) string })
	return !ok || col.Type == question.String || d.Default(col.Name) == "" // a text that is there has become p.Default
}

// exampleRow returns the first row that fits and has a value in all of the columns,
// preferably one that also has values in the measures that the plugin reads.
func exampleRow(m *question.Manifest, columns []*question.Column, ds question.Schema, fits func(row int) bool) (int, bool) {
	if len(columns) == 0 {
		return 0, false
	}
	var measures []*question.Column
	for _, need := range m.Columns {
		if col, ok := ds.Column(need.Name); ok && col.Role == question.RoleMeasure {
			measures = append(measures, col)
		}
	}
	usable := func(cols []*question.Column, row int) bool {
		for _, col := range cols {
			if v := col.Value(row); v == nil || v == "" {
				return false
			}
		}
		return true
	}
	second := -1
	for row := range columns[0].Len() {
		if !usable(columns, row) || !fits(row) {
			continue
		}
		if usable(measures, row) {
			return row, true
		}
		if second < 0 {
			second = row
		}
	}
	return second, second >= 0
}
