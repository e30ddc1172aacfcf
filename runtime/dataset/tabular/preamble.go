package tabular

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
)

// MaxSkip is how many lines may stand above the header of a CSV: titles, notes, blank lines.
const MaxSkip = 64

// preambleRows is how many rows below a header must have its fields.
const preambleRows = 32

// skip removes the lines above the header, or the first row, from in; begin is what in
// begins with. It returns what follows, and adds the lines to above.
func (c *csvFile) skip(in *bufio.Reader, begin []byte, lines int) ([]byte, error) {
	for range lines {
		n := bytes.IndexByte(begin, '\n') + 1
		if n == 0 {
			return nil, fmt.Errorf("%d lines above the header are to be skipped, and it has only %d before its last one, in its first %d KiB", lines, len(c.above), csvBuffer>>10)
		}
		c.synthetic = c.synthetic || bytes.HasPrefix(begin, []byte(syntheticComment))
		c.above = append(c.above, strings.TrimSpace(string(begin[:n])))
		if _, err := in.Discard(n); err != nil {
			return nil, err
		}
		begin = begin[n:]
	}
	c.skipped += lines
	if strings.Count(strings.Join(c.above, ""), `"`)%2 == 1 { // so the lines end within quotes
		return nil, fmt.Errorf("the %d lines to be skipped above the header have an odd number of quotes", lines)
	}
	return begin, nil
}

// findHeader returns how many lines stand above the header of a CSV that begins so. It is 0
// unless it is plain: the first line can be no header of what follows; the header is a line
// of different texts, all rows near it have as many fields, and some column has figures
// below a text; the lines above have few fields.
func findHeader(begin []byte) int {
	rest, quotes := begin, 0
	var above [][]byte
	for n := 0; n <= MaxSkip; n++ {
		comma := separator(rest, true)
		records := firstRecords(rest, comma)
		switch {
		case len(records) < 3 && n == 0, len(records) == 0:
			return 0
		case n == 0 && sameWidth(records) && filled(records[0])*2 >= len(records[0]):
			return 0
		case n > 0 && quotes%2 == 0 && sameWidth(records) && isHeaderOf(records) && !slices.ContainsFunc(above, func(line []byte) bool {
			first := firstRecords(line, comma)
			return len(first) > 0 && filled(first[0]) > 1 && filled(first[0])*2 >= len(records[0])
		}):
			return n
		}
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return 0
		}
		above, rest = append(above, line), after
		quotes += bytes.Count(line, []byte(`"`))
	}
	return 0
}

// firstRecords returns the header that text begins with, and some rows.
func firstRecords(text []byte, comma rune) [][]string {
	r := csv.NewReader(bytes.NewReader(text[:min(len(text), csvBuffer/4)]))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = comma, -1, true
	var out [][]string
	for len(out) <= preambleRows {
		record, err := r.Read()
		if err != nil {
			break
		}
		out = append(out, record)
	}
	if len(text) > csvBuffer/4 && len(out) <= preambleRows && len(out) > 0 {
		out = out[:len(out)-1] // it was cut
	}
	return out
}

func sameWidth(records [][]string) bool {
	return !slices.ContainsFunc(records, func(r []string) bool { return len(r) != len(records[0]) })
}

// filled returns how many fields have a text.
func filled(record []string) int {
	n := 0
	for _, text := range record {
		if strings.TrimSpace(text) != "" {
			n++
		}
	}
	return n
}

// isHeaderOf reports whether the first record can only be the header of the others.
func isHeaderOf(records [][]string) bool {
	if len(records) < 3 {
		return false
	}
	header := records[0]
	for len(header) > 0 && strings.TrimSpace(header[len(header)-1]) == "" { // each row ends in a separator
		header = header[:len(header)-1]
	}
	seen := map[string]bool{}
	years, figures := 0, false
	for i, text := range header {
		text = strings.TrimSpace(text)
		if text == "" || seen[text] || literal.IsKnownMark(text) {
			return false
		}
		seen[text] = true
		isYear := literal.IsYear(text)
		switch {
		case isYear:
			years++
		case strings.Trim(text, "0123456789+-.,%$€£ ") == "":
			return false // a number
		}
		for _, row := range records[1:] {
			below := strings.TrimSpace(row[i])
			if isYear && literal.IsNumber(below) && !literal.IsYear(below) || !strings.ContainsAny(text, "0123456789") && isFigure(below) {
				figures = true
			}
		}
	}
	return len(header) > 1 && figures && years != 1 && years < len(header)
}

// isFigure reports whether text has digits and no letters.
func isFigure(text string) bool {
	return strings.ContainsAny(text, "0123456789") && !strings.ContainsFunc(text, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
}
