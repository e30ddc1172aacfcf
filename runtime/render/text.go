package render

import (
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxDecimals bounds the decimals in text for a terminal. JSON and CSV have all of them.
const maxDecimals = 4

// Text writes the table for a terminal: a header with the units, a rule, and one line per
// row. Numbers are right-aligned at their decimal points and rounded to four decimals.
// Invisible characters in strings are escaped, so that they cannot control the terminal.
// A sentence before the table marks synthetic figures, unless the note is none.
//
// In a table that is wider than the terminal the widest columns of strings are narrowed,
// to minText at least, and what does not fit is cut with an ellipsis. Numbers are whole.
func Text(w io.Writer, t *question.Table, o question.WriteOptions) error {
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
			widths[n] = max(widths[n], question.Width(s))
		}
	}
	if o.Width > 0 {
		narrow(t.Columns, cells, widths, o.Width)
	}
	var b strings.Builder
	if synthetic(o.Provenance) && o.Note != question.NoteNone {
		b.WriteString(Synthetic(o.Provenance) + "\n")
	}
	for i := range lines {
		for n := range t.Columns {
			if n > 0 {
				b.WriteString("  ")
			}
			s := cells[n][i]
			pad := strings.Repeat(" ", widths[n]-question.Width(s))
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

// minText is the least width to which a column of strings is narrowed.
const minText = 8

// narrow cuts the cells of string columns until a line has at most total columns, if that
// is possible.
func narrow(columns []question.Column, cells [][]string, widths []int, total int) {
	sum := 2 * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	for sum > total {
		widest := -1
		for n, w := range widths {
			if columns[n].Type == question.String && w > minText && (widest < 0 || w > widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		sum--
	}
	for n := range cells {
		for i, s := range cells[n] {
			cells[n][i] = question.Cut(s, widths[n])
		}
	}
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

// columnDecimals returns the number of decimals that a column needs, at most maxDecimals,
// or -1 if it has numbers so large or so small that they need an exponent.
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
