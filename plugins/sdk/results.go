package sdk

import (
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// ResultColumn is a handle to a column of a result: *CodeResult, *NumberResult,
// *IntegerResult or *StringResult, listed in Result.Keys or Result.Values. One
// handle may serve several questions.
type ResultColumn interface {
	declareResult() resultDecl
}

// resultDecl is what the manifest says of a result's column.
type resultDecl struct {
	name, title, unit string
	shows             Shows
	kind              abi.Type
	of                *StringColumn // whose dictionary the codes are of; nil: none
	unitOf            Column
}

// CodeResult is a column of strings that a column of the dataset has: it takes
// codes, and no string is copied.
type CodeResult struct {
	Of    *StringColumn
	Name  string // "": the name of Of
	Title string
}

// NumberResult is a column of finite numbers.
type NumberResult struct {
	Name   string
	Title  string
	Unit   string // "%", "years"; "": none
	UnitOf Column // takes the dataset's unit of this column; nil: none
	Shows  Shows  // what it is, for pictures and headlines; "": the host is not told
}

// IntegerResult is a column of integers.
type IntegerResult struct {
	Name   string
	Title  string
	Unit   string // "%", "years"; "": none
	UnitOf Column // takes the dataset's unit of this column; nil: none
	Shows  Shows  // what it is, for pictures and headlines; "": the host is not told
}

// StringResult is a column of strings of the plugin's own.
type StringResult struct {
	Name  string
	Title string
}

// Column returns where the job's codes go.
func (r *CodeResult) Column(job *Job) *Codes { return (*Codes)(job.output(r)) }

// Column returns where the job's numbers go.
func (r *NumberResult) Column(job *Job) *Numbers { return (*Numbers)(job.output(r)) }

// Column returns where the job's integers go.
func (r *IntegerResult) Column(job *Job) *Integers { return (*Integers)(job.output(r)) }

// Column returns where the job's strings go.
func (r *StringResult) Column(job *Job) *Strings { return (*Strings)(job.output(r)) }

// Codes is the column of a job's result that belongs to a CodeResult.
type Codes output

// Numbers is the column of a job's result that belongs to a NumberResult.
type Numbers output

// Integers is the column of a job's result that belongs to an IntegerResult.
type Integers output

// Strings is the column of a job's result that belongs to a StringResult.
type Strings output

// Append adds a row.
func (c *Codes) Append(code int32) { c.codes = append(c.codes, code) }

// Append adds a row.
func (c *Numbers) Append(value float64) { c.numbers = append(c.numbers, value) }

// Append adds a row.
func (c *Integers) Append(value int64) { c.integers = append(c.integers, value) }

// Append adds a row; the text, which is UTF-8, is copied.
func (c *Strings) Append(text string) {
	c.codes = append(c.codes, int32(len(c.codes)))
	c.bytes = append(c.bytes, text...)
	c.offsets = append(c.offsets, uint32(len(c.bytes)))
}

// AppendMissing adds a row without a value.
func (c *Codes) AppendMissing() {
	c.missing = append(c.missing, len(c.codes))
	c.Append(0)
}

// AppendMissing adds a row without a value.
func (c *Numbers) AppendMissing() {
	c.missing = append(c.missing, len(c.numbers))
	c.Append(0)
}

// AppendMissing adds a row without a value.
func (c *Integers) AppendMissing() {
	c.missing = append(c.missing, len(c.integers))
	c.Append(0)
}

// AppendMissing adds a row without a value.
func (c *Strings) AppendMissing() {
	c.missing = append(c.missing, len(c.codes))
	c.Append("")
}

// Extend adds n rows and returns them, to be filled in before the next call.
// Their initial values are undefined.
func (c *Codes) Extend(n int) []int32 { return extend(&c.codes, n) }

// Extend adds n rows and returns them, to be filled in before the next call.
// Their initial values are undefined.
func (c *Numbers) Extend(n int) []float64 { return extend(&c.numbers, n) }

// Extend adds n rows and returns them, to be filled in before the next call.
// Their initial values are undefined.
func (c *Integers) Extend(n int) []int64 { return extend(&c.integers, n) }

func extend[T any](s *[]T, n int) []T {
	from := len(*s)
	*s = slices.Grow(*s, n)[:from+n]
	return (*s)[from:]
}

// Len returns the number of rows so far.
func (c *Codes) Len() int { return len(c.codes) }

// Len returns the number of rows so far.
func (c *Numbers) Len() int { return len(c.numbers) }

// Len returns the number of rows so far.
func (c *Integers) Len() int { return len(c.integers) }

// Len returns the number of rows so far.
func (c *Strings) Len() int { return len(c.codes) }

// output is one column of a job's result. Its buffers serve job after job.
type output struct {
	resultDecl
	numbers  []float64
	integers []int64
	codes    []int32
	bytes    []byte   // strings of the plugin's own, back to back
	offsets  []uint32 // where each begins in bytes, and the end
	missing  []int    // ascending
	valid    []byte
}

// reset readies the column for the next job.
func (o *output) reset(d resultDecl) {
	o.resultDecl = d
	o.numbers, o.integers, o.codes = o.numbers[:0], o.integers[:0], o.codes[:0]
	o.bytes, o.offsets, o.missing = o.bytes[:0], append(o.offsets[:0], 0), o.missing[:0]
}

func (o *output) rows() int {
	switch o.kind {
	case abi.TypeFloat64:
		return len(o.numbers)
	case abi.TypeInt64:
		return len(o.integers)
	default:
		return len(o.codes)
	}
}

// place returns the column as the contract has it.
func (o *output) place(job *Job) abi.Column {
	c := abi.Column{Type: o.kind, NullCount: uint32(len(o.missing))}
	m := &job.guest.memory
	switch o.kind {
	case abi.TypeFloat64:
		c.Data, c.DataLen = place(m, o.numbers)
	case abi.TypeInt64:
		c.Data, c.DataLen = place(m, o.integers)
	default:
		c.Data, c.DataLen = place(m, o.codes)
		if o.of != nil {
			from := job.column(o.of).raw
			c.Flags = from.Flags & abi.FlagSortedDict
			c.DictCount, c.DictOffsets = from.DictCount, from.DictOffsets
			c.DictBytes, c.DictBytesLen = from.DictBytes, from.DictBytesLen
			break
		}
		c.DictCount = uint32(len(o.codes))
		c.DictOffsets, _ = place(m, o.offsets)
		c.DictBytes, c.DictBytesLen = place(m, o.bytes)
	}
	if len(o.missing) > 0 {
		o.valid = o.valid[:0]
		for range (o.rows() + 7) / 8 {
			o.valid = append(o.valid, 0xff)
		}
		for _, row := range o.missing {
			o.valid[row>>3] &^= 1 << (row & 7)
		}
		c.Validity, c.ValidityLen = place(m, o.valid)
	}
	return c
}

func (r *CodeResult) declareResult() resultDecl {
	d := resultDecl{name: r.Name, title: r.Title, kind: abi.TypeString, of: r.Of}
	if d.name == "" {
		d.name = r.Of.Name
	}
	return d
}

func (r *NumberResult) declareResult() resultDecl {
	return resultDecl{name: r.Name, title: r.Title, unit: r.Unit, unitOf: r.UnitOf, shows: r.Shows, kind: abi.TypeFloat64}
}

func (r *IntegerResult) declareResult() resultDecl {
	return resultDecl{name: r.Name, title: r.Title, unit: r.Unit, unitOf: r.UnitOf, shows: r.Shows, kind: abi.TypeInt64}
}

func (r *StringResult) declareResult() resultDecl {
	return resultDecl{name: r.Name, title: r.Title, kind: abi.TypeString}
}
