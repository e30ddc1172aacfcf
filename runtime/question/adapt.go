package question

import (
	"cmp"
	"slices"
)

// defaults is an optional method of a Schema: default values of parameters, by name.
type defaults interface{ Defaults() map[string]string }

// columnDefaults are optional methods of a Schema: values of parameters that take a value of
// a column and are left out.
type columnDefaults interface {
	// Default returns a value of the column as text, "" if it has no default. latest stands
	// for the value that Greatest returns for the other conditions of a request.
	Default(column string) string
	// Greatest returns the greatest value of a column of integers among the rows that pass
	// the conditions and have a value of the measure.
	Greatest(column string, conds []Condition) (greatest int64, ok bool)
}

// latest is a value of columnDefaults.Default.
const latest = "latest"

// Adapt returns a copy of the manifest in the terms of a dataset that has other names
// for the plugin's columns. Result keys and parameter titles become the dataset's. A
// required parameter whose column has a single value gets that value as its default, and
// a choice gets the default that the dataset names. Requests and answers stay the same,
// and nothing changes on a dataset with the plugin's own names. s must have every column
// that m needs; a parameter of an optional column that it does not have is Absent.
func (m *Manifest) Adapt(s Schema) *Manifest {
	var given map[string]string
	if d, ok := s.(defaults); ok {
		given = d.Defaults()
	}
	adapted := *m
	adapted.Questions = slices.Clone(m.Questions)
	for i := range adapted.Questions {
		q := &adapted.Questions[i]
		q.Params = slices.Clone(q.Params)
		for j := range q.Params {
			p := &q.Params[j]
			if p.Absent = m.absent(p, s); p.Absent {
				p.Default = nil
				continue
			}
			p.kind().adapt(p, s, given)
		}
		q.Result.Keys = m.adaptKeys(&q.Result, s)
	}
	return &adapted
}

// adaptKeys returns the keys of a result with the dataset's names, unless that makes two
// names equal.
func (m *Manifest) adaptKeys(r *Result, s Schema) []ResultColumn {
	keys := slices.Clone(r.Keys)
	for i := range keys {
		k := &keys[i]
		if !slices.ContainsFunc(m.Columns, func(n ColumnNeed) bool { return n.Name == k.Name && n.Type == k.Type }) {
			continue
		}
		c, ok := s.Column(k.Name)
		if !ok || c.Name == k.Name {
			continue
		}
		taken := func(other ResultColumn) bool { return other.Name == c.Name }
		if !slices.ContainsFunc(keys, taken) && !slices.ContainsFunc(r.Values, taken) {
			k.Name, k.Title = c.Name, cmp.Or(c.Title, c.Name)
		}
	}
	return keys
}

// absent reports whether the parameter takes a value of an optional column that the dataset
// does not have.
func (m *Manifest) absent(p *Param, s Schema) bool {
	return p.Column != "" && slices.ContainsFunc(m.Columns, func(n ColumnNeed) bool {
		_, ok := n.In(s)
		return n.Name == p.Column && n.Optional && !ok
	})
}
