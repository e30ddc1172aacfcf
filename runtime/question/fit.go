package question

import (
	"cmp"
	"slices"
)

// defaults is what a Schema may have besides: values of optional parameters, by
// name.
type defaults interface{ Defaults() map[string]string }

// Fit returns the manifest as it reads on a dataset that calls the plugin's columns
// otherwise: keys of results and titles of parameters are the dataset's, a required
// parameter whose column has one value only has that as its default, and so has a
// choice for which the dataset names one. What is asked and answered is the same;
// on a dataset with the plugin's own names nothing changes. s has every column that m
// needs. m is not changed.
func (m *Manifest) Fit(s Schema) *Manifest {
	var given map[string]string
	if d, ok := s.(defaults); ok {
		given = d.Defaults()
	}
	fit := *m
	fit.Questions = slices.Clone(m.Questions)
	for i := range fit.Questions {
		q := &fit.Questions[i]
		q.Params = slices.Clone(q.Params)
		for j := range q.Params {
			q.Params[j].fit(s, given)
		}
		q.Result.Keys = m.fitKeys(&q.Result, s)
	}
	return &fit
}

func (p *Param) fit(s Schema, given map[string]string) {
	switch p.Type { //nolint:exhaustive // the others are about no dataset
	case ParamColumn:
		c, ok := s.Column(p.Column)
		if !ok {
			return
		}
		if c.Name != p.Column {
			p.Title, p.Description = cmp.Or(c.Title, c.Name), ""
		}
		if p.Required && c.Type == String && len(c.Dict) == 1 {
			p.Required, p.Default = false, c.Dict[0]
		}
	case ParamChoice:
		if value, ok := given[p.Name]; ok && !p.Required && p.Default == nil && slices.Contains(p.Choices, value) {
			p.Default = value
		}
	}
}

// fitKeys returns the keys of a result with the dataset's names, where that leaves
// all names different.
func (m *Manifest) fitKeys(r *Result, s Schema) []ResultColumn {
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
