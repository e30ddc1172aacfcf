package render

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// AppendOriginalJSON appends the table as one JSON value in its layout, as the original
// writes it:
//
//   - map: {"Ohio":33.2}. The key is the text of a single key column ("null" if the
//     value is missing), or Python's repr of the tuple of several,
//     "('Ohio', 'Gender', 'Male')".
//   - nested: {"Ohio":{"('Gender', 'Male')":38.6}}. The first key is outside, the
//     others are as in a map. Rows with the same first key are grouped at the position
//     of the first of them.
//   - record: {"global_mean":34.4}, with exactly one row.
//   - rows, or no layout: as AppendRowsJSON.
//
// A single value column gives the bare value, several give an object {name: value}.
//
// Equal keys are an error with CodeBadResult, because a JSON object would lose one of
// them. So are columns or a number of rows that do not fit the layout. After an error
// the caller must discard what was appended.
func AppendOriginalJSON(b []byte, t *question.Table) ([]byte, error) {
	keys, values := t.Columns[:t.Keys()], t.Columns[t.Keys():]
	switch t.Layout {
	case question.LayoutRows, "":
		return AppendRowsJSON(b, t)
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
		return b, question.Errorf(question.CodeBadResult, "the result has the layout %q; it is one of rows, map, nested, record", t.Layout)
	}
}

func badColumns(t *question.Table, keys int) *question.Error {
	return question.Errorf(question.CodeBadResult, "the result has %d key and %d value columns; the layout %s needs at least %d and 1",
		t.Keys(), len(t.Columns)-t.Keys(), t.Layout, keys)
}

// AppendRowsJSON appends the table as an array with one object per row,
// [{"location":"Ohio","mean":33.2}], whatever its layout. The error is nil.
func AppendRowsJSON(b []byte, t *question.Table) ([]byte, error) {
	prefixes := names(t.Columns)
	b = append(b, '[')
	for i := range t.Rows() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendObject(b, t.Columns, prefixes, i)
	}
	return append(b, ']'), nil
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

// entries writes the rows of a table as `"key":value`.
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

// append appends row i. It fails if an entry from b[object] on has the same key.
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

// appendKey appends row i of a single key column as a name in a JSON object.
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

// groups returns the rows in an order in which rows with equal values in c are adjacent,
// at the position of the first of them, and the start of each group in that order.
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

// keySet finds equal keys among the entries of JSON objects while they are written. It
// holds the position of each key in the buffer. Because a key ends with an unescaped
// quote, two keys are equal if one is a prefix of the text at the other's position.
type keySet struct {
	seed  maphash.Seed
	slots []int // 1 + position of a key; 0 if free. At most half are taken.
}

func newKeySet(n int) keySet {
	return keySet{maphash.MakeSeed(), make([]int, 1<<bits.Len(uint(2*n)))}
}

// add adds the key b[start:], and reports whether it is new in the object that starts at
// b[object].
func (s *keySet) add(b []byte, start, object int) bool {
	key := b[start:]
	mask := uint64(len(s.slots) - 1)
	// The offset puts equal keys of different objects in different slots.
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
