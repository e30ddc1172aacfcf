// Package render turns the table of a result into the forms that people and
// programs ask for: the seed's JSON, JSON rows, CSV, an Arrow stream, and text
// for a terminal.
//
// Every form keeps the order of the rows, writes numbers so that they read back
// to the same float64 (text for a terminal apart), and writes a missing value as
// what the form has for it: null, an empty field, a cleared validity bit, "-".
// A number that is not finite counts as missing, save in Arrow, which can carry
// it. All functions are pure: they keep nothing and are safe to call at once.
package render

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// present reports whether row i has a value that text can carry.
func present(c *question.Column, i int) bool {
	return c.Present(i) && (c.Type != question.Number || !math.IsNaN(c.Numbers[i]) && !math.IsInf(c.Numbers[i], 0))
}

// appendFloat appends a finite f as Python's repr does: the fewest digits that
// read back to f, and ".0" on a whole number, so that a client in a language
// with integers still gets a float.
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

// appendJSONString appends s as a JSON string, with its quotes. Bytes that are
// not UTF-8 become U+FFFD.
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

// decodeRune is utf8.DecodeRune for either type; a size of 1 for a byte that is
// not ASCII marks what is not UTF-8.
func decodeRune[T string | []byte](s T) (rune, int) {
	var buf [utf8.UTFMax]byte
	return utf8.DecodeRune(buf[:copy(buf[:], s)])
}
