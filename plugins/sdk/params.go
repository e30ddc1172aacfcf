package sdk

import (
	"math"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// Param is a handle to a parameter of a question: *StringParam, *NumberParam,
// *IntegerParam, *ChoiceParam or *BooleanParam, listed in Question.Params. One
// handle may serve several questions.
type Param interface {
	declareParam() paramDecl
}

// paramDecl is what the manifest says of a parameter.
type paramDecl struct {
	name, title, description string
	typeName                 string
	kind                     uint32 // abi.ParamKind(typeName)
	column                   Column
	choices                  []string
	min, max                 *float64
	fallback                 func(e *encoder) // writes the default; nil: none
	required, list, selects  bool
}

// StringParam takes a value of a column of strings.
type StringParam struct {
	Name        string // [a-z][a-z0-9_]*; "where" is reserved
	Title       string
	Description string
	Of          *StringColumn
	Required    bool
	Default     string // "": none
	List        bool   // takes one value or an array of them
	Select      bool   // only the rows that have the value reach the question
}

// NumberParam takes a number.
type NumberParam struct {
	Name        string // [a-z][a-z0-9_]*; "where" is reserved
	Title       string
	Description string
	Of          *NumberColumn // nil: any number; otherwise a value of this column
	Min, Max    *float64      // nil: no bound; only without Of
	Required    bool
	Default     *float64 // nil: none
	List        bool     // takes one value or an array of them
	Select      bool     // with Of: only the rows that have the value reach the question
}

// IntegerParam takes an integer.
type IntegerParam struct {
	Name        string // [a-z][a-z0-9_]*; "where" is reserved
	Title       string
	Description string
	Of          *IntegerColumn // nil: any integer; otherwise a value of this column
	Min, Max    *int64         // nil: no bound; only without Of
	Required    bool
	Default     *int64 // nil: none
	List        bool   // takes one value or an array of them
	Select      bool   // with Of: only the rows that have the value reach the question
}

// ChoiceParam takes one of a few words.
type ChoiceParam struct {
	Name        string // [a-z][a-z0-9_]*; "where" is reserved
	Title       string
	Description string
	Choices     []string // not empty, each once
	Required    bool
	Default     string // "": none
	List        bool   // takes one value or an array of them
}

// BooleanParam takes true or false.
type BooleanParam struct {
	Name        string // [a-z][a-z0-9_]*; "where" is reserved
	Title       string
	Description string
	Required    bool
	Default     *bool // nil: none
	List        bool  // takes one value or an array of them
}

// Get returns the code of the value that was given, or false where the
// parameter was left out. Of a list it is the first.
func (p *StringParam) Get(job *Job) (code int32, given bool) {
	v, given := first(job.values(p))
	return int32(v), given
}

// Len returns how many values were given.
func (p *StringParam) Len(job *Job) int { return len(job.values(p)) }

// At returns the code of value i of a list.
func (p *StringParam) At(job *Job, i int) int32 { return int32(job.values(p)[i]) }

// Get returns the value that was given, or false where the parameter was left
// out. Of a list it is the first.
func (p *NumberParam) Get(job *Job) (value float64, given bool) {
	v, given := first(job.values(p))
	return math.Float64frombits(v), given
}

// Len returns how many values were given.
func (p *NumberParam) Len(job *Job) int { return len(job.values(p)) }

// At returns value i of a list.
func (p *NumberParam) At(job *Job, i int) float64 { return math.Float64frombits(job.values(p)[i]) }

// Get returns the value that was given, or false where the parameter was left
// out. Of a list it is the first.
func (p *IntegerParam) Get(job *Job) (value int64, given bool) {
	v, given := first(job.values(p))
	return int64(v), given
}

// Len returns how many values were given.
func (p *IntegerParam) Len(job *Job) int { return len(job.values(p)) }

// At returns value i of a list.
func (p *IntegerParam) At(job *Job, i int) int64 { return int64(job.values(p)[i]) }

// Get returns the index in Choices of what was given, or false where the
// parameter was left out. Of a list it is the first.
func (p *ChoiceParam) Get(job *Job) (choice int, given bool) {
	v, given := first(job.values(p))
	return int(v), given
}

// Len returns how many values were given.
func (p *ChoiceParam) Len(job *Job) int { return len(job.values(p)) }

// At returns the index in Choices of value i of a list.
func (p *ChoiceParam) At(job *Job, i int) int { return int(job.values(p)[i]) }

// Get returns the value that was given, or false where the parameter was left
// out. Of a list it is the first.
func (p *BooleanParam) Get(job *Job) (value, given bool) {
	v, given := first(job.values(p))
	return v != 0, given
}

// Len returns how many values were given.
func (p *BooleanParam) Len(job *Job) int { return len(job.values(p)) }

// At returns value i of a list.
func (p *BooleanParam) At(job *Job, i int) bool { return job.values(p)[i] != 0 }

func first(values []uint64) (uint64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	return values[0], true
}

func (p *StringParam) declareParam() paramDecl {
	d := paramDecl{
		name: p.Name, title: p.Title, description: p.Description, typeName: "column", kind: abi.ParamColumn,
		required: p.Required, list: p.List, selects: p.Select,
	}
	if p.Of != nil {
		d.column = p.Of
	}
	if p.Default != "" {
		d.fallback = func(e *encoder) { e.text(p.Default) }
	}
	return d
}

func (p *NumberParam) declareParam() paramDecl {
	d := paramDecl{
		name: p.Name, title: p.Title, description: p.Description, typeName: "number", kind: abi.ParamNumber,
		min: p.Min, max: p.Max, required: p.Required, list: p.List, selects: p.Select,
	}
	if p.Of != nil {
		d.typeName, d.kind, d.column = "column", abi.ParamColumn, p.Of
	}
	if p.Default != nil {
		d.fallback = func(e *encoder) { e.number(*p.Default) }
	}
	return d
}

func (p *IntegerParam) declareParam() paramDecl {
	d := paramDecl{
		name: p.Name, title: p.Title, description: p.Description, typeName: "integer", kind: abi.ParamInteger,
		required: p.Required, list: p.List, selects: p.Select,
	}
	if p.Of != nil {
		d.typeName, d.kind, d.column = "column", abi.ParamColumn, p.Of
	}
	if p.Min != nil {
		d.min = new(float64(*p.Min))
	}
	if p.Max != nil {
		d.max = new(float64(*p.Max))
	}
	if p.Default != nil {
		d.fallback = func(e *encoder) { e.integer(*p.Default) }
	}
	return d
}

func (p *ChoiceParam) declareParam() paramDecl {
	d := paramDecl{
		name: p.Name, title: p.Title, description: p.Description, typeName: "choice", kind: abi.ParamChoice, choices: p.Choices,
		required: p.Required, list: p.List,
	}
	if p.Default != "" {
		d.fallback = func(e *encoder) { e.text(p.Default) }
	}
	return d
}

func (p *BooleanParam) declareParam() paramDecl {
	d := paramDecl{
		name: p.Name, title: p.Title, description: p.Description, typeName: "boolean", kind: abi.ParamBoolean,
		required: p.Required, list: p.List,
	}
	if p.Default != nil {
		d.fallback = func(e *encoder) { e.boolean(*p.Default) }
	}
	return d
}
