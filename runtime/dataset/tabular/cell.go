package tabular

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// File is an open file. It is used by one goroutine at a time.
type File struct {
	Fields    []Field  // its columns
	Above     []string // the lines above the header of a CSV that were skipped
	Synthetic bool     // it declares its figures as generated
	IsCSV     bool
	Semicolon bool // fields of the CSV are separated by semicolons, as programs do where commas are decimal marks

	encoding string // from which a CSV is decoded; "" for UTF-8

	scan  func(ctx context.Context, chosen []int, add func(k int, c Cell) error, unreadable func(k int, err error)) error
	line  func() int   // of the row that is being added; nil: the file has no lines
	close func() error // nil: there is nothing to release
}

// Scan calls add(k, c) for each value of each chosen field chosen[k]; the values of one
// field come in row order. An error from add stops it, and is returned with the row or
// line. unreadable is called for a field whose values cannot be decoded while those of
// others can, which is then left out of the rest; nil makes that an error. A file can be
// scanned once.
func (f *File) Scan(ctx context.Context, chosen []int, add func(k int, c Cell) error, unreadable func(k int, err error)) (err error) {
	defer recoverInto(&err)
	return f.scan(ctx, chosen, add, unreadable)
}

// Place says where the value is that Scan is adding, which is in that row (from 1).
func (f *File) Place(row int) string {
	if f.line == nil {
		return fmt.Sprintf("row %d", row)
	}
	return fmt.Sprintf("line %d (row %d)", f.line(), row)
}

// Close releases the file.
func (f *File) Close() {
	if f.close != nil {
		_ = f.close() // nothing was written
	}
}

// Field is a column of a file.
type Field struct {
	Name    string
	Kind    question.Type // type of its values; "" in a CSV, or if refused
	Refused string        // why its values cannot be read: "list<item: int64> is not a single value"
}

// Cell is one value of a file.
type Cell struct {
	Kind    CellKind
	Integer int64
	Number  float64
	Text    string // valid until the next cell

	Integral bool // text is an integer outside the range of int64, from a column of integers
}

// CellKind says which field of a Cell holds its value.
type CellKind uint8

// The kinds of cells.
const (
	CellMissing CellKind = iota
	CellInteger
	CellNumber
	CellText
)

func integerCell(v int64) Cell { return Cell{Kind: CellInteger, Integer: v} }
func textCell(v string) Cell   { return Cell{Kind: CellText, Text: v} }

// numberCell treats NaN as missing: statistics programs write gaps that way.
func numberCell(v float64) Cell {
	if math.IsNaN(v) {
		return Cell{}
	}
	return Cell{Kind: CellNumber, Number: v}
}

// halfCell converts a 16-bit float. The Arrow library converts those below 2^-14 wrongly.
func halfCell(bits uint16) Cell {
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

func unsignedCell(v uint64) Cell {
	if v > math.MaxInt64 {
		return Cell{Kind: CellText, Text: strconv.FormatUint(v, 10), Integral: true}
	}
	return integerCell(int64(v))
}

// atRow adds the row, from 1, to an error.
func atRow(row int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("row %d: %w", row, err)
}

// recoverInto turns a panic of a library that reads a damaged file into *err.
func recoverInto(err *error) {
	if p := recover(); p != nil {
		text := fmt.Sprint(p)
		*err = fmt.Errorf("it is damaged: %s", strings.ToValidUTF8(text[:min(len(text), 200)], "?"))
	}
}

// isMarkedSynthetic reports whether a file's metadata mark its figures as generated:
// with the key that answers have, or with the descriptor of a dataset, which other tools
// preserve when they rewrite a file of WriteArrow.
func isMarkedSynthetic(get func(key string) (value string, ok bool)) bool {
	if said, _ := get(arrowmeta.MetaSynthetic); said == "true" {
		return true
	}
	text, _ := get(arrowmeta.MetaDescriptor)
	var d struct {
		Synthetic any `json:"synthetic"`
	}
	return json.Unmarshal([]byte(text), &d) == nil && d.Synthetic == true
}
