package render

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// tuples writes rows of columns like Python's repr of a tuple: "('Ohio', 'Gender')", or
// "('Ohio',)" for one column. Numbers have no quotes, and a missing value is None.
type tuples struct {
	columns []question.Column
	// cached holds the JSON-escaped repr of each dictionary entry, or "" until it is first
	// needed, for columns whose dictionary is not larger than the number of rows.
	cached  [][]string
	scratch []byte
}

func newTuples(columns []question.Column) *tuples {
	t := &tuples{columns: columns, cached: make([][]string, len(columns))}
	for i := range columns {
		if c := &columns[i]; c.Type == question.String && len(c.Dict) <= c.Len() {
			t.cached[i] = make([]string, len(c.Dict))
		}
	}
	return t
}

// append appends row i, escaped for a JSON string but without quotes.
func (t *tuples) append(b []byte, i int) []byte {
	b = append(b, '(')
	for n := range t.columns {
		if n > 0 {
			b = append(b, ", "...)
		}
		c := &t.columns[n]
		switch {
		case !present(c, i):
			b = append(b, "None"...)
		case c.Type == question.Number:
			b = appendFloat(b, c.Numbers[i])
		case c.Type == question.Integer:
			b = strconv.AppendInt(b, c.Integers[i], 10)
		case t.cached[n] == nil:
			t.scratch = appendRepr(t.scratch[:0], c.Dict[c.Codes[i]])
			b = appendJSONEscaped(b, t.scratch)
		default:
			entry := &t.cached[n][c.Codes[i]]
			if *entry == "" {
				t.scratch = appendRepr(t.scratch[:0], c.Dict[c.Codes[i]])
				*entry = string(appendJSONEscaped(nil, t.scratch))
			}
			b = append(b, *entry...)
		}
	}
	if len(t.columns) == 1 {
		b = append(b, ',')
	}
	return append(b, ')')
}

// appendRepr appends s like Python's repr of a str: in single quotes, or in double quotes
// if s contains single but no double quotes. Characters that are not printable are
// escaped. The Unicode tables of Go's library decide what is printable; they may be newer
// than those of a given Python. Invalid UTF-8 becomes U+FFFD.
func appendRepr(b []byte, s string) []byte {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	b = append(b, quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r < 0x7f:
			b = append(b, byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r <= 0xff:
			b = appendHex(append(b, '\\', 'x'), r, 2)
		case r <= 0xffff:
			b = appendHex(append(b, '\\', 'u'), r, 4)
		default:
			b = appendHex(append(b, '\\', 'U'), r, 8)
		}
	}
	return append(b, quote)
}

func appendHex(b []byte, r rune, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, hexDigits[r>>shift&15])
	}
	return b
}
