// Package question holds the words that every other package speaks: the
// manifest by which a plugin declares its questions, the request that asks one,
// the table that answers it, the job that carries both, and the closed set of
// error codes. It is a leaf: it imports no other package of this module.
package question

// Manifest is what a plugin says of itself. It arrives as JSON from the
// export lestats_v1_describe. Keys that are not known are ignored; an entry of
// Requires that is not known is refused.
type Manifest struct {
	Name        string       `json:"name"`    // [a-z][a-z0-9_]*, at most 64 bytes
	Version     string       `json:"version"` // free text, semantic versioning by custom
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
}

// Question is one named analysis.
type Question struct {
	Name        string  `json:"name"` // [a-z][a-z0-9_]*, at most 64 bytes; the route is /api/<name>
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Params      []Param `json:"params,omitempty"`
	Result      Result  `json:"result"`
}

// Type is the type of the values of a column.
type Type string

// The types.
const (
	Number  Type = "number"  // float64
	Integer Type = "integer" // int64
	String  Type = "string"
)

// ParamType is the type of a parameter.
type ParamType string

// The types of a parameter.
const (
	ParamColumn  ParamType = "column" // a value that occurs in Param.Column
	ParamNumber  ParamType = "number"
	ParamInteger ParamType = "integer"
	ParamChoice  ParamType = "choice" // one of Param.Choices
	ParamBoolean ParamType = "boolean"
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
	Default     any       `json:"default,omitempty"`  // JSON value of Type; absent: the plugin is told that it was left out
	List        bool      `json:"list,omitempty"`     // takes one value or an array of them
	Select      bool      `json:"select,omitempty"`   // with ParamColumn: only the rows that have the value reach the plugin
}

// Layout is how the table of a result becomes one JSON value.
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
	Chart  string         `json:"chart,omitempty"` // a hint: "bar", "line", "map", "none"
}

// ResultColumn declares one column of a result.
type ResultColumn struct {
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Title string `json:"title,omitempty"`
	Unit  string `json:"unit,omitempty"` // "%", "years"; empty: none
	// UnitOf names a column of the manifest whose unit this column has: a mean of
	// percentages is in percent whatever the dataset.
	UnitOf string `json:"unit_of,omitempty"`
}

// Find returns the question called name and its index.
func (m *Manifest) Find(name string) (*Question, int, bool) {
	for i := range m.Questions {
		if m.Questions[i].Name == name {
			return &m.Questions[i], i, true
		}
	}
	return nil, 0, false
}

// Columns returns the declared columns of the result: keys, then values.
func (r *Result) Columns() []ResultColumn {
	return append(append(make([]ResultColumn, 0, len(r.Keys)+len(r.Values)), r.Keys...), r.Values...)
}
