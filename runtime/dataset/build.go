package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Build makes a dataset of the given columns, one for each column of the descriptor,
// with the same names and types. Their order, titles, units and roles do not matter.
// Build copies what it keeps. Dictionaries may be in any order, with duplicates and
// unused entries. An empty string is a missing value, and what a missing row holds does
// not matter. Rows are sorted by the sort column, stably, with missing values first.
// The error names column and row.
func Build(d *Descriptor, columns []question.Column) (*Dataset, error) {
	ds, err := assemble(d, columns)
	if err != nil {
		return nil, err
	}
	if ds.digest, err = digest(ds.desc, ds.Columns(), ds.rows); err != nil {
		return nil, err
	}
	return ds, nil
}

// assemble is Build without the digest.
func assemble(d *Descriptor, columns []question.Column) (*Dataset, error) {
	desc := d.clone()
	if err := desc.check(); err != nil {
		return nil, err
	}
	ordered, rows, err := matchColumns(desc, columns)
	if err != nil {
		return nil, err
	}
	codes := make([]*coding, len(ordered)) // of string columns
	var order []uint32                     // nil: as they are
	for i, c := range ordered {
		err := checkValues(c, rows)
		if err == nil {
			err = desc.checkMeasure(i, c)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		if c.Type != question.String {
			continue
		}
		if codes[i], err = canonical(c, rows); err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		if c.Name == desc.Sort {
			order = sortRows(c, codes[i], rows)
		}
	}
	out := make([]question.Column, len(ordered))
	for i, c := range ordered {
		out[i] = gather(c, codes[i], order, rows)
	}
	return newDataset(desc, out, rows), nil
}

// match returns the given columns in the descriptor's order.
func matchColumns(desc *Descriptor, columns []question.Column) (ordered []*question.Column, rows int, err error) {
	for i := range desc.Columns {
		spec := &desc.Columns[i]
		at := slices.IndexFunc(columns, func(c question.Column) bool { return c.Name == spec.Name })
		if at < 0 {
			return nil, 0, fmt.Errorf("the descriptor's column %q does not exist", spec.Name)
		}
		c := &columns[at]
		if c.Type != spec.Type {
			return nil, 0, fmt.Errorf("the column %q has the type %q; the descriptor says %q", spec.Name, c.Type, spec.Type)
		}
		if i == 0 {
			rows = c.Len()
		}
		if c.Len() != rows {
			return nil, 0, fmt.Errorf("the column %q has %d rows, the column %q %d", spec.Name, c.Len(), desc.Columns[0].Name, rows)
		}
		ordered = append(ordered, c)
	}
	if len(columns) != len(ordered) {
		return nil, 0, fmt.Errorf("there are %d columns; the descriptor has %d", len(columns), len(ordered))
	}
	if rows > math.MaxInt32 {
		return nil, 0, fmt.Errorf("there are %d rows; at most %d", rows, math.MaxInt32)
	}
	return ordered, rows, nil
}

// checkValues checks the values of a single column.
func checkValues(c *question.Column, rows int) error {
	if c.Valid != nil && len(c.Valid) < (rows+7)/8 {
		return fmt.Errorf("its validity bitmap has %d bytes; %d rows need %d", len(c.Valid), rows, (rows+7)/8)
	}
	switch c.Type {
	case question.Number:
		for i, v := range c.Numbers {
			if !finite(v) && c.Present(i) {
				return fmt.Errorf("row %d is %v; numbers must be finite", i, v)
			}
		}
	case question.String:
		for i, code := range c.Codes {
			if (code < 0 || int(code) >= len(c.Dict)) && c.Present(i) {
				return fmt.Errorf("row %d has the code %d; the dictionary has %d entries", i, code, len(c.Dict))
			}
		}
	}
	return nil
}

func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat64 }

// coding maps the codes of a column to those of its canonical dictionary.
type coding struct {
	dict   []string
	recode []int32 // by old code; -1 for a missing value
}

func canonical(c *question.Column, rows int) (*coding, error) {
	used := make([]bool, len(c.Dict))
	for i := range rows {
		if c.Present(i) {
			used[c.Codes[i]] = true
		}
	}
	k := &coding{recode: make([]int32, len(c.Dict))}
	byText := make([]int32, 0, len(c.Dict)) // used old codes, by text
	size := 0
	for code, text := range c.Dict {
		k.recode[code] = -1
		if !used[code] || text == "" {
			continue
		}
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("the value %s is not UTF-8", literal.Quote(text))
		}
		byText = append(byText, int32(code))
	}
	slices.SortFunc(byText, func(a, b int32) int { return strings.Compare(c.Dict[a], c.Dict[b]) })
	for _, code := range byText {
		if n := len(k.dict); n == 0 || k.dict[n-1] != c.Dict[code] {
			k.dict = append(k.dict, c.Dict[code])
			size += len(c.Dict[code])
		}
		k.recode[code] = int32(len(k.dict) - 1)
	}
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("its distinct values have %d bytes in total; at most %d", size, math.MaxInt32)
	}
	return k, nil
}

// code returns the canonical code of a row, -1 where it is missing.
func (k *coding) code(c *question.Column, row int) int32 {
	if !c.Present(row) {
		return -1
	}
	return k.recode[c.Codes[row]]
}

// sortRows returns the rows in ascending order of c, missing ones first, by a stable
// counting sort. It returns nil if they are already in order.
func sortRows(c *question.Column, k *coding, rows int) []uint32 {
	next := make([]uint32, len(k.dict)+2) // by code+2: how many; then by code+1: where the next one goes
	sorted, last := true, int32(-1)
	for i := range rows {
		code := k.code(c, i)
		next[code+2]++
		sorted = sorted && code >= last
		last = code
	}
	if sorted {
		return nil
	}
	for i := 1; i < len(next); i++ {
		next[i] += next[i-1]
	}
	order := make([]uint32, rows)
	for i := range rows {
		slot := &next[k.code(c, i)+1]
		order[*slot] = uint32(i)
		*slot++
	}
	return order
}

// gather copies a column in the given order, in canonical form.
func gather(c *question.Column, k *coding, order []uint32, rows int) question.Column {
	out := question.Column{Type: c.Type, Valid: question.NewBitmap(rows)}
	switch c.Type {
	case question.Number:
		out.Numbers = make([]float64, rows)
	case question.Integer:
		out.Integers = make([]int64, rows)
	default:
		out.Dict, out.Codes = k.dict, make([]int32, rows)
	}
	for i := range rows {
		from := i
		if order != nil {
			from = int(order[i])
		}
		if !c.Present(from) {
			continue
		}
		switch c.Type {
		case question.Number:
			out.Numbers[i] = c.Numbers[from]
		case question.Integer:
			out.Integers[i] = c.Integers[from]
		default:
			code := k.recode[c.Codes[from]]
			if code < 0 {
				continue
			}
			out.Codes[i] = code
		}
		out.Valid.Set(i)
	}
	if missingCount(out.Valid, rows) == 0 {
		out.Valid = nil
	}
	return out
}

// missingCount counts the rows that the bitmap says are missing; nil says that none is.
func missingCount(b question.Bitmap, rows int) int {
	if b == nil {
		return 0
	}
	return rows - b.Count(rows)
}
