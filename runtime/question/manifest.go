// Package question defines the types that all other packages share: the manifest in
// which a plugin declares its questions, the request that asks one, the table that
// answers it, the job that holds both, and the closed set of error codes. It imports no
// other package of this module.
package question

import "slices"

// Manifest is a plugin's description of itself, which its export lestats_v1_describe
// returns as JSON. Unknown keys are ignored; an unknown entry of Requires is refused.
type Manifest struct {
	Name        string       `json:"name"`    // [a-z][a-z0-9_]*, at most 64 bytes
	Version     string       `json:"version"` // free text, usually a semantic version
	Title       string       `json:"title,omitempty"`
	Description string       `json:"description,omitempty"`
	License     string       `json:"license,omitempty"`
	Homepage    string       `json:"homepage,omitempty"`
	Requires    []string     `json:"requires,omitempty"` // features that the host must have; v1 defines none
	Columns     []ColumnNeed `json:"columns"`
	Questions   []Question   `json:"questions"`
}

// ColumnNeed is a column of the dataset that a plugin needs.
type ColumnNeed struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Optional: a dataset without this column fits the plugin nevertheless, which then sees
	// a column of this type without a value in any row.
	Optional bool `json:"optional,omitempty"`
}

// In returns the column of the dataset with this name, nil if it has none, and whether it has
// the type.
func (n *ColumnNeed) In(s Schema) (c *Column, fits bool) {
	c, ok := s.Column(n.Name)
	if !ok {
		return nil, false
	}
	return c, c.Type == n.Type
}

// Question is one named analysis.
type Question struct {
	Name        string  `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes; the route is /api/<name>
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Params      []Param `json:"params,omitempty"`
	Result      Result  `json:"result"`
	// Needs are optional columns that this question cannot do without: a dataset that lacks
	// one does not have the question.
	Needs   []string `json:"needs,omitempty"`
	Example Example  `json:"example,omitempty"`
}

// Type is the type of the values of a column.
type Type string

// The types.
const (
	Number  Type = "number"  // float64
	Integer Type = "integer" // int64
	String  Type = "string"
)

// Param declares a parameter of a question.
type Param struct {
	Name        string    `json:"name"` // [a-z][a-z0-9_]*; "where" is taken
	Title       string    `json:"title,omitempty"`
	Description string    `json:"description,omitempty"`
	Type        ParamType `json:"type"`
	Column      string    `json:"column,omitempty"`   // with ParamColumn: a column of the manifest
	Choices     []string  `json:"choices,omitempty"`  // with ParamChoice
	Min         *float64  `json:"min,omitempty"`      // with ParamNumber and ParamInteger
	Max         *float64  `json:"max,omitempty"`      // with ParamNumber and ParamInteger
	Required    bool      `json:"required,omitempty"` // must be given; has no Default
	Default     any       `json:"default,omitempty"`  // JSON value of Type; without one the plugin sees that the parameter was left out
	List        bool      `json:"list,omitempty"`     // takes one value or an array of them
	Select      bool      `json:"select,omitempty"`   // with ParamColumn: the plugin gets only the rows with this value
	// Absent is set by Adapt: the dataset does not have the column, which is optional, so the
	// parameter can only be left out. Forms and descriptions need not show it.
	Absent bool `json:"-"`
}

// Layout is the shape of a result as one JSON value.
type Layout string

// The layouts.
const (
	LayoutRows   Layout = "rows"   // [{"location":"Ohio","mean":33.2}, ...]; the default
	LayoutMap    Layout = "map"    // {"Ohio":33.2, ...}: the keys as one string, a tuple when there are several
	LayoutNested Layout = "nested" // {"Ohio":{"('Gender', 'Male')":38.6}}: the first key outside, the others as with LayoutMap
	LayoutRecord Layout = "record" // {"global_mean":34.4}: one row, no keys
)

// Result declares the table that answers a question: key columns, then value
// columns.
type Result struct {
	Keys   []ResultColumn `json:"keys,omitempty"`
	Values []ResultColumn `json:"values"`
	Layout Layout         `json:"layout,omitempty"`
	Chart  string         `json:"chart,omitempty"` // a hint: "bar", "dots", "line", "map", "none"
}

// ResultColumn declares one column of a result.
type ResultColumn struct {
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Title string `json:"title,omitempty"`
	Unit  string `json:"unit,omitempty"` // "%", "years"; empty: none
	// UnitOf names a column of the manifest whose unit this column shares: the mean of a
	// column of percentages is in percent, whatever the dataset.
	UnitOf string `json:"unit_of,omitempty"`
	Shows  Shows  `json:"shows,omitempty"`
}

// Shows says what a value column of a result is, for pictures and headlines.
type Shows string

// The kinds of value columns. A table has at most one of each, but two of ShowsRank: the
// best and the worst rank that the data allow; and three of ShowsDifference: it and the
// limits of its interval.
const (
	ShowsEstimate Shows = "estimate" // what the answer is about; the default is the first value column that is a number
	ShowsMean     Shows = "mean"     // an estimate that is the plain mean of the measure of a group of rows; it has no limits
	// ShowsMeanDifference is a difference of plain means, of which at least one is of all
	// selected rows.
	ShowsMeanDifference Shows = "mean_difference"
	// ShowsDifference is a difference of two values, or a limit of its interval. That of two
	// percentages is in percentage points.
	ShowsDifference Shows = "difference"
	ShowsLow        Shows = "low"   // lower limit of the estimate's confidence interval
	ShowsHigh       Shows = "high"  // its upper limit
	ShowsCount      Shows = "count" // how many were asked or counted
	ShowsRank       Shows = "rank"  // place in an order, from 1
)

// Find returns the question called name and its index.
func (m *Manifest) Find(name string) (*Question, int, bool) {
	for i := range m.Questions {
		if m.Questions[i].Name == name {
			return &m.Questions[i], i, true
		}
	}
	return nil, 0, false
}

// Names returns the names of the questions.
func (m *Manifest) Names() []string {
	names := make([]string, len(m.Questions))
	for i := range m.Questions {
		names[i] = m.Questions[i].Name
	}
	return names
}

// Lacks returns the columns that the question needs and the dataset does not have, in the
// manifest's order; nil if the question fits the dataset. A question also needs the columns
// whose values its required parameters take.
func (m *Manifest) Lacks(q *Question, s Schema) (missing []string) {
	for i := range m.Columns {
		need := &m.Columns[i]
		needed := slices.Contains(q.Needs, need.Name) ||
			slices.ContainsFunc(q.Params, func(p Param) bool { return p.Required && p.Column == need.Name })
		if !needed {
			continue
		}
		if _, ok := need.In(s); !ok {
			missing = append(missing, need.Name)
		}
	}
	return missing
}

// Columns returns the declared columns of the result: keys, then values.
func (r *Result) Columns() []ResultColumn {
	return append(append(make([]ResultColumn, 0, len(r.Keys)+len(r.Values)), r.Keys...), r.Values...)
}
