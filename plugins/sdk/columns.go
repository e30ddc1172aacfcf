package sdk

import (
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// Column is a handle to a column of the dataset: *NumberColumn, *IntegerColumn
// or *StringColumn, listed in Plugin.Columns. As a Filter it passes the rows
// whose value is present.
type Column interface {
	Filter
	declare() (name string, t abi.Type, optional bool)
	bitmap(job *Job) []byte // one bit per row, set for rows with a value; nil: all have one
}

// NumberColumn is a column of float64.
type NumberColumn struct {
	Name string
	// Optional: a dataset without such a column fits the plugin nevertheless. Then no row
	// has a value. See Question.Needs.
	Optional bool
}

// IntegerColumn is a column of int64.
type IntegerColumn struct {
	Name string
	// Optional: a dataset without such a column fits the plugin nevertheless. Then no row
	// has a value. See Question.Needs.
	Optional bool
}

// StringColumn is a column of strings: one code per row, and a dictionary that says
// what each code stands for. The dictionary ascends bytewise, so comparing codes
// compares strings.
type StringColumn struct {
	Name string
	// Optional: a dataset without such a column fits the plugin nevertheless. Then no row
	// has a value, and the dictionary is empty. See Question.Needs.
	Optional bool
}

func (c *NumberColumn) declare() (string, abi.Type, bool)  { return c.Name, abi.TypeFloat64, c.Optional }
func (c *IntegerColumn) declare() (string, abi.Type, bool) { return c.Name, abi.TypeInt64, c.Optional }
func (c *StringColumn) declare() (string, abi.Type, bool)  { return c.Name, abi.TypeString, c.Optional }

// Values returns the numbers of all rows of the dataset, to be indexed by what
// Rows or Blocks yield; not to be written to. The value of a missing row is
// undefined.
func (c *NumberColumn) Values(job *Job) []float64 { return job.column(c).numbers }

// Values returns the integers of all rows of the dataset, to be indexed by what
// Rows or Blocks yield; not to be written to. The value of a missing row is
// undefined.
func (c *IntegerColumn) Values(job *Job) []int64 { return job.column(c).integers }

// Codes returns the codes of all rows of the dataset, to be indexed by what Rows
// or Blocks yield; not to be written to. The value of a missing row is
// undefined.
func (c *StringColumn) Codes(job *Job) []int32 { return job.column(c).codes }

// Count returns the size of the dictionary: codes are from 0 up to below it.
func (c *StringColumn) Count(job *Job) int { return len(job.column(c).offsets) - 1 }

// Text returns the string that a code stands for, without copying it.
func (c *StringColumn) Text(job *Job, code int32) string { return job.column(c).text(code) }

// Code returns the code of a string, or false where the column has no such
// value.
func (c *StringColumn) Code(job *Job, text string) (int32, bool) {
	col := job.column(c)
	low, high := 0, len(col.offsets)-1
	for low < high {
		if middle := int(uint(low+high) / 2); col.text(int32(middle)) < text {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return int32(low), low < len(col.offsets)-1 && col.text(int32(low)) == text
}

// Missing returns how many rows of the dataset have no value.
func (c *NumberColumn) Missing(job *Job) int { return job.column(c).missing }

// Missing returns how many rows of the dataset have no value.
func (c *IntegerColumn) Missing(job *Job) int { return job.column(c).missing }

// Missing returns how many rows of the dataset have no value.
func (c *StringColumn) Missing(job *Job) int { return job.column(c).missing }

// Unit returns the dataset's unit, such as "%", or "".
func (c *NumberColumn) Unit(job *Job) string { return job.column(c).unit }

// Unit returns the dataset's unit, or "".
func (c *IntegerColumn) Unit(job *Job) string { return job.column(c).unit }

// column is a column of the dataset as open found it. Its slices have room up to
// the next multiple of eight rows: see Eight.
type column struct {
	kind     abi.Type
	numbers  []float64
	integers []int64
	codes    []int32
	valid    []byte   // nil: every value is present
	offsets  []uint32 // of the dictionary's entries in bytes, and the end
	bytes    []byte
	missing  int
	unit     string
	raw      abi.Column // as the directory has it, for results that share the dictionary
}

func (c *column) text(code int32) string {
	b := c.bytes[c.offsets[code]:c.offsets[code+1]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}
