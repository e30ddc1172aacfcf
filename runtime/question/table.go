package question

import (
	"maps"
	"math/bits"
	"slices"
)

// Role is the purpose of a column.
type Role string

// The roles.
const (
	RoleNone      Role = ""
	RoleDimension Role = "dimension" // of a dataset: `where` may name it
	RoleMeasure   Role = "measure"   // of a dataset: what is averaged
	RoleKey       Role = "key"       // of a result
	RoleValue     Role = "value"     // of a result
)

// Column is one typed column of a dataset or of a result. Exactly one of Numbers,
// Integers and Codes holds its rows, depending on Type. The columns of a dataset are
// shared and must not be modified.
type Column struct {
	Name     string
	Title    string
	Type     Type
	Unit     string // "" where there is none
	Role     Role
	Shows    Shows     // of a result's value column; "" where the manifest does not say
	Numbers  []float64 // Number
	Integers []int64   // Integer
	Codes    []int32   // String: index into Dict; 0 where the value is missing
	Dict     []string  // String: in a dataset sorted bytewise, without duplicates
	Valid    Bitmap    // nil: every value is present
}

// Len returns the number of rows.
func (c *Column) Len() int {
	switch c.Type {
	case Number:
		return len(c.Numbers)
	case Integer:
		return len(c.Integers)
	default:
		return len(c.Codes)
	}
}

// Selectable returns the values of a dataset's column of strings that a request can have: all
// but the empty one. They are the column's own.
func (c *Column) Selectable() []string {
	if len(c.Dict) > 0 && c.Dict[0] == "" {
		return c.Dict[1:]
	}
	return c.Dict
}

// DistinctIntegers returns the different values of a column of integers, ascending; false if
// there are more than most.
func (c *Column) DistinctIntegers(most int) ([]int64, bool) {
	seen := map[int64]bool{}
	for i, v := range c.Integers {
		if c.Present(i) {
			seen[v] = true
		}
		if len(seen) > most {
			return nil, false
		}
	}
	return slices.Sorted(maps.Keys(seen)), true
}

// ColumnNames returns the names of columns.
func ColumnNames(columns []Column) []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Name
	}
	return names
}

// Present reports whether row i has a value.
func (c *Column) Present(i int) bool { return c.Valid == nil || c.Valid.Get(i) }

// Value returns row i as float64, int64, string, or nil where it is missing.
func (c *Column) Value(i int) any {
	switch {
	case !c.Present(i):
		return nil
	case c.Type == Number:
		return c.Numbers[i]
	case c.Type == Integer:
		return c.Integers[i]
	default:
		return c.Dict[c.Codes[i]]
	}
}

// Bitmap is Arrow's validity bitmap: bit i%8 of byte i/8 is 1 when row i is
// present.
type Bitmap []byte

// NewBitmap returns a bitmap of n rows, all missing.
func NewBitmap(n int) Bitmap { return make(Bitmap, (n+7)/8) }

// Get reports whether row i is present.
func (b Bitmap) Get(i int) bool { return b[i>>3]>>(i&7)&1 == 1 }

// Set marks row i as present.
func (b Bitmap) Set(i int) { b[i>>3] |= 1 << (i & 7) }

// Count returns how many of the first n rows are present.
func (b Bitmap) Count(n int) int {
	count := 0
	for _, v := range b[:n/8] {
		count += bits.OnesCount8(v)
	}
	if n%8 != 0 {
		count += bits.OnesCount8(b[n/8] & (1<<(n%8) - 1))
	}
	return count
}

// Table is a result: columns of equal length, keys before values, rows in the plugin's
// order. Its JSON form is columnar and lossless; package render makes the formats for
// people.
type Table struct {
	Layout  Layout   `json:"layout"`
	Chart   string   `json:"chart,omitempty"`
	Columns []Column `json:"columns"`
}

// Rows returns the number of rows.
func (t *Table) Rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return t.Columns[0].Len()
}

// Keys returns the number of key columns, which come first.
func (t *Table) Keys() int {
	n := 0
	for n < len(t.Columns) && t.Columns[n].Role == RoleKey {
		n++
	}
	return n
}

// Range is Count consecutive rows from Start on.
type Range struct{ Start, Count uint32 }

// Condition is one condition of a `where`, checked against the dataset: a row
// passes when its value is present and is one of Codes (String) or lies in one
// of Intervals (Number, Integer).
type Condition struct {
	Column    string
	Codes     []int32    // ascending, without duplicates
	Intervals []Interval // in any order
}

// Interval is a closed range of numbers. An infinity means that there is no bound.
type Interval struct{ Min, Max float64 }
