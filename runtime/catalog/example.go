package catalog

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Example returns a request for a question of m that can be answered: it gives what
// is required, and values of columns are taken from one row of the dataset, so that
// they occur together. The error says why there is none.
func Example(m *question.Manifest, q *question.Question, ds question.Schema) (question.Request, error) {
	req := question.Request{Question: q.Name}
	var errs []error
	for _, all := range []bool{false, true} { // a default may be no value of this dataset: then it is given as well
		req.Params = exampleParams(m, q, ds, all)
		_, err := m.Bind(req, ds)
		if err == nil {
			return req, nil
		}
		errs = append(errs, err)
	}
	return req, errors.Join(errs...)
}

func exampleParams(m *question.Manifest, q *question.Question, ds question.Schema, all bool) map[string]any {
	var given []*question.Param
	for i := range q.Params {
		p := &q.Params[i]
		if p.Required || all && p.Type == question.ParamColumn && p.Default != nil {
			given = append(given, p)
		}
	}
	if len(given) == 0 {
		return nil
	}
	params := make(map[string]any, len(given))
	var columns []*question.Column
	for _, p := range given {
		if p.Type != question.ParamColumn {
			params[p.Name] = exampleValue(p)
		} else if col, ok := ds.Column(p.Column); ok {
			columns = append(columns, col)
		}
	}
	if row, ok := exampleRow(m, columns, ds); ok {
		for _, p := range given {
			if p.Type != question.ParamColumn {
				continue
			}
			if col, ok := ds.Column(p.Column); ok {
				params[p.Name] = jsonValue(col.Value(row))
			}
		}
	}
	return params
}

// exampleRow returns the first row that has a value in each of the columns, and
// in the measures that the plugin reads where there is such a row.
func exampleRow(m *question.Manifest, columns []*question.Column, ds question.Schema) (int, bool) {
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
		if !usable(columns, row) {
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

// exampleValue returns a value that the parameter, which is of no column, takes.
func exampleValue(p *question.Param) any {
	switch p.Type {
	case question.ParamChoice:
		return p.Choices[0]
	case question.ParamBoolean:
		return false
	default:
		v, round := 0.0, math.Ceil
		switch {
		case p.Min != nil:
			v = *p.Min
		case p.Max != nil && *p.Max < 0:
			v, round = *p.Max, math.Floor
		}
		if p.Type == question.ParamInteger {
			return jsonValue(int64(round(v)))
		}
		return v
	}
}

// jsonValue returns a value of the dataset as question.Request holds it; it
// shares no memory with the dataset.
func jsonValue(v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case string:
		return strings.Clone(v)
	default:
		return v
	}
}
