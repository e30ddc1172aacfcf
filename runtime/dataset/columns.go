package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// columnar is an opened file of typed columns: Parquet, or Arrow of any tool.
type columnar interface {
	// fields are the file's columns.
	fields() []field
	// scan tells the values of the chosen fields: add(k, c) is a value of chosen[k];
	// the values of one field come in the order of the rows. An error of add ends it.
	scan(ctx context.Context, chosen []int, add func(k int, c cell) error) error
	// synthetic reports whether the file says of itself that its figures are generated.
	synthetic() bool
	close()
}

// field is a column of a file.
type field struct {
	name    string
	kind    question.Type // what its values are; "" of a CSV, or where refused
	refused string        // why its values cannot be read: "list<item: int64> is no single value"
}

// cell is one value of a file.
type cell struct {
	kind    cellKind
	integer int64
	number  float64
	text    string // valid until the next one

	integral bool // the text is an integer beyond int64, of a column of integers
}

type cellKind uint8

const (
	missing cellKind = iota
	anInteger
	aNumber
	aText
)

func integerCell(v int64) cell { return cell{kind: anInteger, integer: v} }
func textCell(v string) cell   { return cell{kind: aText, text: v} }

// numberCell is missing where v is NaN: so statistics programs write a gap.
func numberCell(v float64) cell {
	if math.IsNaN(v) {
		return cell{}
	}
	return cell{kind: aNumber, number: v}
}

// halfCell is a float of 16 bits. The Arrow library makes others of those below 2^-14.
func halfCell(bits uint16) cell {
	const one, bias = 1 << 10, 25
	v, exponent := float64(bits%one), int(bits>>10&31)
	switch {
	case exponent == 31 && v != 0:
		v = math.NaN()
	case exponent == 31:
		v = math.Inf(1)
	default:
		if exponent > 0 {
			v += one
		}
		v = math.Ldexp(v, max(exponent, 1)-bias)
	}
	if bits>>15 != 0 {
		v = -v
	}
	return numberCell(v)
}

func unsignedCell(v uint64) cell {
	if v > math.MaxInt64 {
		return cell{kind: aText, text: strconv.FormatUint(v, 10), integral: true}
	}
	return integerCell(int64(v))
}

// readColumnar makes a dataset of a file of columns, as ReadCSV does: a column is
// found by its header, name or alias. Errors name row, column and value.
func readColumnar(ctx context.Context, t columnar, d *Descriptor) (*Dataset, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	fields := t.fields()
	header := make([]string, len(fields))
	for i := range fields {
		header[i] = fields[i].name
	}
	columns, err := findColumns(d, header)
	if err != nil {
		return nil, err
	}
	chosen := make([]int, len(columns))
	rows := make([]int, len(columns))
	for k := range columns {
		chosen[k] = columns[k].field
		if why := fields[chosen[k]].refused; why != "" {
			return nil, fmt.Errorf("column %s: %s; leave it out of the descriptor", quote(columns[k].header), why)
		}
	}
	err = t.scan(ctx, chosen, func(k int, c cell) error {
		if rows[k] == math.MaxInt32 {
			return fmt.Errorf("there are more than %d rows", math.MaxInt32)
		}
		if err := columns[k].addCell(rows[k], c); err != nil {
			return fmt.Errorf("row %d: column %s: %w", rows[k]+1, quote(columns[k].header), err)
		}
		rows[k]++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if slices.Min(rows) != slices.Max(rows) {
		return nil, fmt.Errorf("it is damaged: a column has %d values, another one %d", slices.Min(rows), slices.Max(rows))
	}
	return finish(d, columns, t.synthetic())
}

// addCell appends a row.
func (c *csvColumn) addCell(row int, v cell) error {
	switch {
	case v.kind == missing:
		return c.add(row, "")
	case c.Type == question.Number && (v.integral || v.kind == anInteger && !exact(v.integer)):
		if !v.integral {
			v.text = strconv.FormatInt(v.integer, 10)
		}
		return inexact(v.text)
	case v.kind == aText:
		return c.add(row, v.text)
	case v.kind == anInteger && (c.missing.integer(v.integer) || c.missing.number(float64(v.integer))), v.kind == aNumber && c.missing.number(v.number):
		return c.add(row, "")
	case c.Type == question.String && v.kind == anInteger:
		return c.add(row, strconv.FormatInt(v.integer, 10))
	case c.Type == question.String:
		return c.add(row, strconv.FormatFloat(v.number, 'f', -1, 64))
	case v.kind == aNumber && math.IsInf(v.number, 0):
		return fmt.Errorf("%v is not finite", v.number)
	}
	if c.measure && v.kind == anInteger && !exact(v.integer) {
		return inexact(strconv.FormatInt(v.integer, 10))
	}
	const exact = 1 << 53
	if c.Type == question.Integer && v.kind == aNumber {
		if v.number != math.Trunc(v.number) || math.Abs(v.number) > exact {
			return fmt.Errorf("%v is not an integer%s", v.number, remedy)
		}
		v.integer = int64(v.number)
	}
	if row%8 == 0 {
		c.Valid = append(c.Valid, 0)
	}
	c.Valid.Set(row)
	switch {
	case c.Type == question.Integer:
		c.Integers = append(c.Integers, v.integer)
	case v.kind == anInteger:
		c.Numbers = append(c.Numbers, float64(v.integer))
	default:
		c.Numbers = append(c.Numbers, v.number)
	}
	return nil
}

// errInexact ends the message about an integer that a number cannot be. The nearest one
// would do for a single value; a sum of those that differ in their last digits would be
// wrong by all of it.
var errInexact = errors.New("has no equal among numbers (64-bit floats hold all integers up to 9007199254740992): round it, divide it, or subtract what all rows have in common")

// inexact is the error about such an integer, as text.
func inexact(text string) error { return fmt.Errorf("%s %w", text, errInexact) }

// remedy ends the message about a value that is not of its column's type.
const remedy = "; correct it or leave it empty, or give the column another type in the descriptor"

// recovered turns a panic of a library that reads a damaged file into *err.
func recovered(err *error) {
	if p := recover(); p != nil {
		text := fmt.Sprint(p)
		*err = fmt.Errorf("it is damaged: %s", strings.ToValidUTF8(text[:min(len(text), 200)], "?"))
	}
}

// saysSynthetic reports whether a file's metadata say that its figures are generated:
// as an answer's do, or with the descriptor of a dataset, which other tools keep when
// they save what they read of a file that WriteArrow made.
func saysSynthetic(get func(key string) (value string, ok bool)) bool {
	if said, _ := get(metaSynthetic); said == "true" {
		return true
	}
	text, _ := get(metaDescriptor)
	var d struct {
		Synthetic Synthetic `json:"synthetic"`
	}
	return json.Unmarshal([]byte(text), &d) == nil && d.Synthetic.All
}
