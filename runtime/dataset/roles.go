package dataset

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Roles says which columns play the parts that the built-in questions know by the
// seed's names. One that is "" is played by the column with the seed's name, where
// there is one. A part that nobody plays, other than Group, is a column of one
// value that the dataset makes.
type Roles struct {
	Group     string `json:"group,omitempty"`     // string column whose values are compared; the seed's "location"
	Measure   string `json:"measure,omitempty"`   // what is averaged: the column with the role measure; the seed's "value"
	Indicator string `json:"indicator,omitempty"` // string column: what a row's value measures; the seed's "question"
	Category  string `json:"category,omitempty"`  // string column: a way to cut the rows up; the seed's "category"
	Stratum   string `json:"stratum,omitempty"`   // string column: the pieces; the seed's "stratum"
	Best      string `json:"best,omitempty"`      // which end of the means is the good one: highest, lowest or ""
}

// Which end is the good one.
const (
	BestHighest = "highest"
	BestLowest  = "lowest"
)

// bestParam is the parameter that Roles.Best is the default of.
const bestParam = "best"

// part is one of the roles.
type part struct {
	key  string // in the descriptor
	seed string // name by which plugins ask for it
	of   func(*Roles) *string
}

var parts = []part{
	{"group", "location", func(r *Roles) *string { return &r.Group }},
	{"measure", "value", func(r *Roles) *string { return &r.Measure }},
	{"indicator", "question", func(r *Roles) *string { return &r.Indicator }},
	{"category", "category", func(r *Roles) *string { return &r.Category }},
	{"stratum", "stratum", func(r *Roles) *string { return &r.Stratum }},
}

func (d *Descriptor) index(name string) int {
	return slices.IndexFunc(d.Columns, func(c Column) bool { return c.Name == name })
}

func (d *Descriptor) measure() int {
	return slices.IndexFunc(d.Columns, func(c Column) bool { return c.Role == question.RoleMeasure })
}

// plays returns the index of the column that plays the part, -1 where none does.
// d has Roles and was checked.
func (d *Descriptor) plays(p part) int {
	if p.key == "measure" {
		return d.measure()
	}
	return d.index(cmp.Or(*p.of(d.Roles), p.seed))
}

// checkRoles reports the first thing that is wrong with the roles of a descriptor
// whose columns are right.
func (d *Descriptor) checkRoles() *keyError {
	if d.Roles == nil {
		return nil
	}
	player := map[int]string{}
	for _, p := range parts {
		key, name := "roles."+p.key, *p.of(d.Roles)
		at := d.plays(p)
		if name != "" && d.index(name) < 0 {
			return &keyError{key, quote(name) + " is no column of this dataset"}
		}
		if p.key == "measure" {
			if name != "" && d.index(name) != at {
				return &keyError{key, fmt.Sprintf("%q is not the measure; %q has the role measure", name, d.Columns[at].Name)}
			}
		} else if at >= 0 && d.Columns[at].Type != question.String {
			return &keyError{key, fmt.Sprintf("the column %q is of the type %s; this is a string column: give it the type string, which any value can be read as",
				d.Columns[at].Name, d.Columns[at].Type)}
		}
		if at < 0 {
			if p.key == "group" {
				return &keyError{key, "it is missing; the string column whose values are compared, one of " + d.listStrings()}
			}
			continue
		}
		if other, taken := player[at]; taken {
			return &keyError{key, fmt.Sprintf("the column %q is the %s already; each role has a column of its own", d.Columns[at].Name, other)}
		}
		player[at] = p.key
		if own := d.index(p.seed); own >= 0 && own != at {
			return &keyError{fmt.Sprintf("columns[%d].name", own),
				fmt.Sprintf("plugins call the %s %q, and that is the column %q; give this one another name (its header stays)", p.key, p.seed, d.Columns[at].Name)}
		}
	}
	switch d.Roles.Best {
	case "", BestHighest, BestLowest:
		return nil
	default:
		return &keyError{"roles.best", fmt.Sprintf("it is %s; %s or %s", quote(d.Roles.Best), BestHighest, BestLowest)}
	}
}

// play adds what plugins find under the seed's names: other names of columns, the
// measure as numbers where it has integers, and a column of one value for a part that
// nobody plays. What is added stands behind the dataset's own columns. An integer that
// no number holds is an error: its mean would be that of another one.
func (d *Dataset) play() error {
	if d.desc.Roles == nil {
		return nil
	}
	var zeros []int32
	for _, p := range parts {
		at := d.desc.plays(p)
		switch {
		case at < 0:
			if zeros == nil {
				zeros = arrow.Int32Traits.CastFromBytes(aligned(4 * d.rows))
			}
			d.byName[p.seed] = len(d.columns)
			d.columns = append(d.columns, question.Column{Name: p.seed, Type: question.String, Codes: zeros, Dict: []string{d.onlyValue(p)}})
		case d.columns[at].Type == question.Integer: // the measure
			numbers := arrow.Float64Traits.CastFromBytes(aligned(8 * d.rows))
			for i, v := range d.columns[at].Integers {
				numbers[i] = float64(v)
				if numbers[i] == 1<<63 || int64(numbers[i]) != v {
					return fmt.Errorf("column %q: %d is beyond 2^53 and no 64-bit float, of which means are made; give the column the type number, which rounds it to %.0f", d.columns[at].Name, v, numbers[i])
				}
			}
			c := d.columns[at]
			c.Name, c.Type, c.Integers, c.Numbers = c.Name+" as a number", question.Number, nil, numbers
			d.byName[p.seed] = len(d.columns)
			d.columns = append(d.columns, c)
		default:
			d.byName[p.seed] = at
		}
	}
	return nil
}

// onlyValue is the value of a part that nobody plays: what is measured, or what the
// pieces are pieces of.
func (d *Dataset) onlyValue(p part) string {
	of := -1
	switch p.key {
	case "indicator":
		of = d.desc.measure()
	case "category":
		of = d.desc.plays(parts[len(parts)-1])
	}
	if of < 0 {
		return "All"
	}
	return cmp.Or(d.desc.Columns[of].Title, d.desc.Columns[of].Name)
}

// Defaults returns the values that optional parameters of questions have on this
// dataset, by name; nil where it does not matter.
func (d *Dataset) Defaults() map[string]string {
	if d.desc.Roles == nil || d.desc.Roles.Best == "" {
		return nil
	}
	return map[string]string{bestParam: d.desc.Roles.Best}
}
