package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Roles says which columns play the roles of the built-in questions, which ask for them
// by the names of the original's columns. A role that is "" is played by the column with
// that name, if there is one. For Indicator, Category and Stratum without a column, the
// dataset makes a column with one constant value.
type Roles struct {
	Group     string `json:"group,omitempty"`     // string column whose values are compared; plugins ask for "location"
	Measure   string `json:"measure,omitempty"`   // what is averaged: the column with the role measure; "value"
	Indicator string `json:"indicator,omitempty"` // string column: what a row's value measures; "question"
	Category  string `json:"category,omitempty"`  // string column: a way to break down the rows; "category"
	Stratum   string `json:"stratum,omitempty"`   // string column: the parts of that breakdown; "stratum"
	Low       string `json:"low,omitempty"`       // lower limit of the measure's confidence interval; "low"
	High      string `json:"high,omitempty"`      // upper limit; "high"
	Asked     string `json:"asked,omitempty"`     // integer column: how many were asked; "asked"
	Time      string `json:"time,omitempty"`      // integer column: the year or another period; "time"
	Best      string `json:"best,omitempty"`      // which end of the means is the best: highest, lowest or ""
}

// Values of Roles.Best.
const (
	BestHighest = "highest"
	BestLowest  = "lowest"
)

// bestParam is the question parameter whose default is Roles.Best.
const bestParam = "best"

// RoleSpec describes one of the roles of a descriptor.
type RoleSpec struct {
	Key    string // in the descriptor
	Column string // the name under which plugins ask for it
	Field  func(*Roles) *string
	// Type is the type that plugins ask for. A number may be played by an integer.
	Type question.Type
	// Constant: if no column plays it, the dataset makes one with one value.
	Constant bool
}

// RoleSpecs are all roles. They must not be modified.
var RoleSpecs = []RoleSpec{
	{"group", "location", func(r *Roles) *string { return &r.Group }, question.String, false},
	{"measure", "value", func(r *Roles) *string { return &r.Measure }, question.Number, false},
	{"indicator", "question", func(r *Roles) *string { return &r.Indicator }, question.String, true},
	{"category", "category", func(r *Roles) *string { return &r.Category }, question.String, true},
	{"stratum", "stratum", func(r *Roles) *string { return &r.Stratum }, question.String, true},
	{"low", "low", func(r *Roles) *string { return &r.Low }, question.Number, false},
	{"high", "high", func(r *Roles) *string { return &r.High }, question.Number, false},
	{"asked", "asked", func(r *Roles) *string { return &r.Asked }, question.Integer, false},
	{"time", "time", func(r *Roles) *string { return &r.Time }, question.Integer, false},
}

var stratumRole = RoleSpecs[4]

// plays reports whether a column of type t can play the role.
func (p *RoleSpec) plays(t question.Type) bool {
	return t == p.Type || p.Type == question.Number && t == question.Integer
}

func (d *Descriptor) index(name string) int {
	return slices.IndexFunc(d.Columns, func(c Column) bool { return c.Name == name })
}

func (d *Descriptor) measure() int {
	return slices.IndexFunc(d.Columns, func(c Column) bool { return c.Role == question.RoleMeasure })
}

// roleColumn returns the index of the column that plays the role, or -1. d has Roles and
// was checked.
func (d *Descriptor) roleColumn(p RoleSpec) int {
	if p.Key == "measure" {
		return d.measure()
	}
	return d.index(cmp.Or(*p.Field(d.Roles), p.Column))
}

// checkRoles returns the first error in the roles of a descriptor whose columns are valid.
func (d *Descriptor) checkRoles() *keyError {
	if d.Roles == nil {
		return nil
	}
	player := map[int]string{}
	for _, p := range RoleSpecs {
		key, name := "roles."+p.Key, *p.Field(d.Roles)
		at := d.roleColumn(p)
		if name != "" && d.index(name) < 0 {
			return badKey(key, "%s is not a column of this dataset", literal.Quote(name))
		}
		if p.Key == "measure" {
			if name != "" && d.index(name) != at {
				return badKey(key, "%q is not the measure; %q has the role measure", name, d.Columns[at].Name)
			}
		} else if at >= 0 && !p.plays(d.Columns[at].Type) {
			if name == "" && !p.Constant && p.Key != "group" {
				continue // a column of that name is something else
			}
			remedy := fmt.Sprintf("this role needs a column with the type %s", p.Type)
			if p.Type == question.String {
				remedy = "this role needs a string column: give it the type string, which can hold any value"
			}
			return badKey(key, "the column %q has the type %s, and %s", d.Columns[at].Name, d.Columns[at].Type, remedy)
		}
		if at < 0 {
			if p.Key == "group" {
				return badKey(key, "it is missing; name the string column whose values are compared, one of %s", d.listStrings())
			}
			continue
		}
		if other, taken := player[at]; taken {
			return badKey(key, "the column %q is already the %s; each role needs its own column", d.Columns[at].Name, other)
		}
		player[at] = p.Key
		if own := d.index(p.Column); own >= 0 && own != at {
			return badKey(fmt.Sprintf("columns[%d].name", own),
				"plugins call the %s %q, and the column %q plays that role; give this column another name (its header stays)", p.Key, p.Column, d.Columns[at].Name)
		}
	}
	switch d.Roles.Best {
	case "", BestHighest, BestLowest:
		return nil
	default:
		return badKey("roles.best", "it is %s; it must be %s or %s", literal.Quote(d.Roles.Best), BestHighest, BestLowest)
	}
}

// bindRoles makes the roles available under the names that plugins ask for: it adds names
// of existing columns, a copy of an integer measure as numbers, and a constant column for
// each role without a column. What it adds follows the dataset's own columns.
func (d *Dataset) bindRoles() {
	if d.desc.Roles == nil {
		return
	}
	var zeros []int32
	for _, p := range RoleSpecs {
		at := d.desc.roleColumn(p)
		switch {
		case at < 0 && !p.Constant:
			d.forgetHeader(p.Column)
		case at >= 0 && !p.plays(d.columns[at].Type):
		case at < 0:
			if zeros == nil {
				zeros = make([]int32, d.rows)
			}
			d.byName[p.Column] = len(d.columns)
			d.columns = append(d.columns, question.Column{Name: p.Column, Type: question.String, Codes: zeros, Dict: []string{d.constantValue(p)}})
		case d.columns[at].Type != p.Type: // integers as numbers
			numbers := make([]float64, d.rows)
			for i, v := range d.columns[at].Integers {
				numbers[i] = float64(v)
			}
			c := d.columns[at]
			c.Name, c.Type, c.Integers, c.Numbers = c.Name+" as a number", question.Number, nil, numbers
			d.byName[p.Column] = len(d.columns)
			d.columns = append(d.columns, c)
		default:
			d.byName[p.Column] = at
		}
	}
}

// forgetHeader makes a column unknown by a header that is the name under which plugins ask for
// a role that no column plays: what a file calls low may be anything. Aliases are meant.
func (d *Dataset) forgetHeader(name string) {
	if at, ok := d.byName[name]; ok {
		if c := &d.desc.Columns[at]; c.Name != name && !slices.Contains(c.Aliases, name) {
			delete(d.byName, name)
		}
	}
}

// checkMeasure returns an error for the first value of column i, if that is the measure,
// that a float64 cannot hold: the questions compute with floats. The rows are in the order
// in which they were read.
func (d *Descriptor) checkMeasure(i int, c *question.Column) error {
	if d.Roles == nil || c.Type != question.Integer || i != d.measure() {
		return nil
	}
	for row, v := range c.Integers {
		if !literal.Exact(v) && c.Present(row) {
			return fmt.Errorf("row %d: %w", row+1, literal.Inexact(strconv.FormatInt(v, 10)))
		}
	}
	return nil
}

// constantValue is the value of a role without a column: the title of the measure for the
// indicator, that of the stratum for the category.
func (d *Dataset) constantValue(p RoleSpec) string {
	of := -1
	switch p.Key {
	case "indicator":
		of = d.desc.measure()
	case "category":
		of = d.desc.roleColumn(stratumRole)
	}
	if of < 0 {
		return "All"
	}
	return cmp.Or(d.desc.Columns[of].Title, d.desc.Columns[of].Name)
}

// Defaults returns this dataset's default values of optional question parameters, by
// name; nil if there are none.
func (d *Dataset) Defaults() map[string]string {
	if d.desc.Roles == nil || d.desc.Roles.Best == "" {
		return nil
	}
	return map[string]string{bestParam: d.desc.Roles.Best}
}
