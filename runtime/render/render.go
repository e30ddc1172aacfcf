// Package render writes the table of a result in the formats that people and programs
// ask for: the original's JSON, JSON rows, CSV, an Arrow stream, and text for a terminal.
//
// Every format keeps the order of the rows. Numbers read back to the same float64, except
// from text for a terminal. A missing value is null, an empty field, a cleared validity
// bit or "-". A number that is not finite counts as missing, except in Arrow, which can
// represent it. All functions are pure and safe for concurrent use.
package render

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Formats are all formats, in the order of preference. To add a format, add an entry.
var Formats = []question.Format{
	{Name: "json", Title: "JSON in the layout of the question", MediaType: "application/json", Extension: "json", Layout: "original", Value: AppendOriginalJSON},
	{Name: "rows", Title: "JSON with one object per row", MediaType: "application/json; layout=rows", Extension: "json", Layout: "rows", Value: AppendRowsJSON},
	{Name: "csv", Title: "comma-separated values", MediaType: "text/csv; charset=utf-8; header=present", Extension: "csv", Notes: true, Write: CSV},
	{Name: "arrow", Title: "an Arrow IPC stream", MediaType: "application/vnd.apache.arrow.stream", Extension: "arrow", Write: Arrow},
	{Name: "table", Title: "text for a terminal", Extension: "txt", Write: Text},
}

// Find returns the format with this name.
func Find(name string) (*question.Format, bool) {
	i := slices.IndexFunc(Formats, func(f question.Format) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return &Formats[i], true
}

// present reports whether row i has a value that text can represent.
func present(c *question.Column, i int) bool {
	return c.Present(i) && (c.Type != question.Number || !math.IsNaN(c.Numbers[i]) && !math.IsInf(c.Numbers[i], 0))
}

// appendFloat appends a finite f like Python's repr: the fewest digits that read back to
// f, and ".0" after a whole number, so that typed languages still parse a float.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case abs != 0 && (abs < 1e-4 || abs >= 1e16):
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	case f == math.Trunc(f):
		return append(strconv.AppendFloat(b, f, 'f', -1, 64), ".0"...)
	default:
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends s as a JSON string with quotes. Invalid UTF-8 becomes U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	b = appendJSONEscaped(b, s)
	return append(b, '"')
}

func appendJSONEscaped[T string | []byte](b []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if _, size := decodeRune(s[i:]); size > 1 {
				i += size
				continue
			}
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(b, s[start:]...)
}

// decodeRune is utf8.DecodeRune for either type. A size of 1 for a byte outside of ASCII
// means invalid UTF-8.
func decodeRune[T string | []byte](s T) (rune, int) {
	var buf [utf8.UTFMax]byte
	return utf8.DecodeRune(buf[:copy(buf[:], s)])
}
