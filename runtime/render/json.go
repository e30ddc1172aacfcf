package render

import (
	"bytes"
	"hash/maphash"
	"io"
	"math/bits"
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// SeedJSON writes what AppendSeedJSON appends. Where p, which may be nil, says that the
// figures are synthetic and note is not none, the object has a last key "synthetic":
// true; an array is as RowsJSON writes it.
func SeedJSON(w io.Writer, t *question.Table, p *question.Provenance, note question.Note) error {
	b, err := AppendSeedJSON(nil, t)
	if err != nil {
		return err
	}
	if synthetic(p) && note != question.NoteNone {
		if b[0] == '[' {
			return RowsJSON(w, t, p, note)
		}
		name := Mark
		for bytes.Contains(b, []byte(`"`+name+`":`)) { // a group of this name
			name += "_"
		}
		b = b[:len(b)-1]
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":true}`...)
	}
	_, err = w.Write(b)
	return err
}

// RowsJSON writes what AppendRowsJSON appends. Where p, which may be nil, says that the
// figures are synthetic and note is not none, each object has a last key "synthetic":
// true.
func RowsJSON(w io.Writer, t *question.Table, p *question.Provenance, note question.Note) error {
	mark := ""
	if synthetic(p) && note != question.NoteNone {
		mark = `,"` + markName(t) + `":true`
	}
	_, err := w.Write(appendRows(nil, t, mark))
	return err
}

// AppendSeedJSON appends the table as one JSON value in its layout, as the seed
// writes it:
//
//   - map: {"Ohio":33.2}. One key column gives the text of its value ("null" where
//     it is missing), several give Python's repr of their tuple,
//     "('Ohio', 'Gender', 'Male')".
//   - nested: {"Ohio":{"('Gender', 'Male')":38.6}}: the first key outside, the
//     others as in a map. Rows of one first key are brought together, at the place
//     of the first of them.
//   - record: {"global_mean":34.4}: exactly one row.
//   - rows, or none: as AppendRowsJSON.
//
// One value column gives the bare value, several an object {name: value}.
//
// A JSON object cannot hold a key twice without losing one of the two, so equal
// keys are an error, as are keys or a number of rows that do not suit the layout:
// CodeBadResult. What was appended until then is to be thrown away.
func AppendSeedJSON(b []byte, t *question.Table) ([]byte, error) {
	keys, values := t.Columns[:t.Keys()], t.Columns[t.Keys():]
	switch t.Layout {
	case question.LayoutRows, "":
		return AppendRowsJSON(b, t), nil
	case question.LayoutRecord:
		if n := t.Rows(); n != 1 {
			return b, question.Errorf(question.CodeBadResult, "the result has %d rows; the layout record has exactly one", n)
		}
		return appendObject(b, t.Columns, names(t.Columns), 0), nil
	case question.LayoutMap:
		if len(keys) < 1 || len(values) < 1 {
			return b, badColumns(t, 1)
		}
		return appendMap(b, keys, values, t.Rows())
	case question.LayoutNested:
		if len(keys) < 2 || len(values) < 1 {
			return b, badColumns(t, 2)
		}
		return appendNested(b, keys, values, t.Rows())
	default:
		return b, question.Errorf(question.CodeBadResult, "the result has the layout %q; one of rows, map, nested, record", t.Layout)
	}
}

func badColumns(t *question.Table, keys int) *question.Error {
	return question.Errorf(question.CodeBadResult, "the result has %d key and %d value columns; the layout %s needs at least %d and 1",
		t.Keys(), len(t.Columns)-t.Keys(), t.Layout, keys)
}

// AppendRowsJSON appends the table as an array with an object a row,
// [{"location":"Ohio","mean":33.2}], whatever its layout.
func AppendRowsJSON(b []byte, t *question.Table) []byte { return appendRows(b, t, "") }

// appendRows ends each object with mark.
func appendRows(b []byte, t *question.Table, mark string) []byte {
	prefixes := names(t.Columns)
	b = append(b, '[')
	for i := range t.Rows() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendObject(b, t.Columns, prefixes, i)
		if mark != "" {
			b = append(append(b[:len(b)-1], mark...), '}')
		}
	}
	return append(b, ']')
}

// names returns `"name":` for each column.
func names(columns []question.Column) []string {
	out := make([]string, len(columns))
	for i := range columns {
		out[i] = string(append(appendJSONString(nil, columns[i].Name), ':'))
	}
	return out
}

func appendObject(b []byte, columns []question.Column, prefixes []string, i int) []byte {
	b = append(b, '{')
	for n := range columns {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, prefixes[n]...)
		b = appendCell(b, &columns[n], i)
	}
	return append(b, '}')
}

func appendCell(b []byte, c *question.Column, i int) []byte {
	switch {
	case !present(c, i):
		return append(b, "null"...)
	case c.Type == question.Number:
		return appendFloat(b, c.Numbers[i])
	case c.Type == question.Integer:
		return strconv.AppendInt(b, c.Integers[i], 10)
	default:
		return appendJSONString(b, c.Dict[c.Codes[i]])
	}
}

// entries writes `"key":value` for the rows of a table.
type entries struct {
	keys, values []question.Column
	prefixes     []string // with several value columns
	tuples       *tuples  // with several key columns
	seen         keySet
}

func newEntries(keys, values []question.Column, rows int) *entries {
	e := &entries{keys: keys, values: values, seen: newKeySet(rows)}
	if len(keys) > 1 {
		e.tuples = newTuples(keys)
	}
	if len(values) > 1 {
		e.prefixes = names(values)
	}
	return e
}

// append appends row i. No entry from b[object] on may have its key.
func (e *entries) append(b []byte, i, object int) ([]byte, error) {
	start := len(b)
	if e.tuples != nil {
		b = append(e.tuples.append(append(b, '"'), i), '"')
	} else {
		b = appendKey(b, &e.keys[0], i)
	}
	if !e.seen.add(b, start, object) {
		return b, question.Errorf(question.CodeBadResult, "the result has two rows with the key %s (the second is row %d, from 0)", b[start:], i)
	}
	b = append(b, ':')
	if e.prefixes != nil {
		return appendObject(b, e.values, e.prefixes, i), nil
	}
	return appendCell(b, &e.values[0], i), nil
}

// appendKey appends row i of a single key column as the name in a JSON object.
func appendKey(b []byte, c *question.Column, i int) []byte {
	if c.Type == question.String && c.Present(i) {
		return appendJSONString(b, c.Dict[c.Codes[i]])
	}
	return append(appendCell(append(b, '"'), c, i), '"')
}

func appendMap(b []byte, keys, values []question.Column, rows int) ([]byte, error) {
	e := newEntries(keys, values, rows)
	b = append(b, '{')
	object := len(b)
	var err error
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = e.append(b, i, object); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendNested(b []byte, keys, values []question.Column, rows int) ([]byte, error) {
	order, starts := groups(&keys[0], rows)
	e := newEntries(keys[1:], values, rows)
	b = append(b, '{')
	var err error
	for g, from := range starts {
		to := rows
		if g+1 < len(starts) {
			to = starts[g+1]
		}
		if g > 0 {
			b = append(b, ',')
		}
		b = append(appendKey(b, &keys[0], order[from]), ':', '{')
		object := len(b)
		for n, i := range order[from:to] {
			if n > 0 {
				b = append(b, ',')
			}
			if b, err = e.append(b, i, object); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	}
	return append(b, '}'), nil
}

// groups returns the rows in the order in which those with an equal value in c
// stand together, at the place of the first of them, and where in that order
// each group starts.
func groups(c *question.Column, rows int) (order, starts []int) {
	order = make([]int, rows)
	group := make([]int, rows)
	byKey := make(map[string]int)
	together := true
	var key []byte
	last := -1
	for i := range rows {
		order[i] = i
		key = appendKey(key[:0], c, i)
		g, known := byKey[string(key)]
		if !known {
			g = len(byKey)
			byKey[string(key)] = g
		}
		group[i] = g
		together = together && (g == last || !known)
		last = g
	}
	if !together {
		slices.SortStableFunc(order, func(x, y int) int { return group[x] - group[y] })
	}
	for n, i := range order {
		if n == 0 || group[i] != group[order[n-1]] {
			starts = append(starts, n)
		}
	}
	return order, starts
}

// keySet finds equal keys among the entries of JSON objects while they are
// written, by where in the buffer each starts. As each ends with a quote that is
// not escaped, two are equal when one is a prefix of what follows the other's start.
type keySet struct {
	seed  maphash.Seed
	slots []int // 1 + start of a key; 0 is free. At most half are taken.
}

func newKeySet(n int) keySet {
	return keySet{maphash.MakeSeed(), make([]int, 1<<bits.Len(uint(2*n)))}
}

// add notes the key b[start:], and reports whether it is the first of its kind
// from b[object] on.
func (s *keySet) add(b []byte, start, object int) bool {
	key := b[start:]
	mask := uint64(len(s.slots) - 1)
	// The same key in another object is no neighbour: object moves it elsewhere.
	for at := (maphash.Bytes(s.seed, key) + uint64(object)*0x9e3779b97f4a7c15) & mask; ; at = (at + 1) & mask {
		other := s.slots[at] - 1
		if other < 0 {
			s.slots[at] = start + 1
			return true
		}
		if other >= object && bytes.HasPrefix(b[other:start], key) {
			return false
		}
	}
}
