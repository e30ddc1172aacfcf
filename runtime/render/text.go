package render

import (
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxDecimals bounds the decimals in text for a terminal: who needs them all
// takes JSON or CSV.
const maxDecimals = 4

// Text writes the table for a person at a terminal: a header with the units, a
// rule, and a line a row, numbers to the right with their points below each
// other, rounded to four decimals. Strings cannot send control sequences to the
// terminal: what cannot be seen is escaped.
func Text(w io.Writer, t *question.Table) error {
	lines := t.Rows() + 1
	cells := make([][]string, len(t.Columns)) // by column, the header first
	widths := make([]int, len(t.Columns))
	for n := range t.Columns {
		c := &t.Columns[n]
		head := c.Name
		if c.Unit != "" {
			head += " (" + c.Unit + ")"
		}
		cells[n] = append(append(make([]string, 0, lines), question.Visible(head)), textCells(c)...)
		for _, s := range cells[n] {
			widths[n] = max(widths[n], width(s))
		}
	}
	var b strings.Builder
	for i := range lines {
		for n := range t.Columns {
			if n > 0 {
				b.WriteString("  ")
			}
			s := cells[n][i]
			pad := strings.Repeat(" ", widths[n]-width(s))
			switch {
			case t.Columns[n].Type != question.String:
				b.WriteString(pad + s)
			case n == len(t.Columns)-1:
				b.WriteString(s)
			default:
				b.WriteString(s + pad)
			}
		}
		b.WriteByte('\n')
		if i == 0 {
			for n, width := range widths {
				if n > 0 {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat("-", width))
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func textCells(c *question.Column) []string {
	out := make([]string, c.Len())
	decimals := columnDecimals(c)
	for i := range out {
		switch {
		case !present(c, i):
			out[i] = "-"
		case c.Type == question.Number:
			out[i] = strconv.FormatFloat(c.Numbers[i], 'f', decimals, 64)
			if decimals < 0 {
				out[i] = strconv.FormatFloat(c.Numbers[i], 'g', 6, 64)
			}
		case c.Type == question.Integer:
			out[i] = strconv.FormatInt(c.Integers[i], 10)
		default:
			out[i] = question.Visible(c.Dict[c.Codes[i]])
		}
	}
	return out
}

// columnDecimals returns how many decimals the numbers of a column need, at most
// maxDecimals; -1 when some are so large or so small that only exponents will do.
func columnDecimals(c *question.Column) int {
	most := 0
	for i, f := range c.Numbers {
		if !present(c, i) {
			continue
		}
		if abs := math.Abs(f); abs >= 1e15 || abs != 0 && abs < 0.5e-4 {
			return -1
		}
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if point := strings.IndexByte(s, '.'); point >= 0 {
			most = max(most, len(s)-point-1)
		}
	}
	return min(most, maxDecimals)
}

// width returns the columns that s takes on a terminal, near enough: none for a
// combining mark, two for the wide scripts of East Asia and emoji.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
			r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
			n += 2
		default:
			n++
		}
	}
	return n
}
