package dataset

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// marks are the texts of one column that stand for no value. nil has none.
type marks struct {
	texts    []string
	numbers  []float64 // those that are numbers, such as -999
	integers []int64
}

// marksOf returns the marks of a column of the descriptor: its own, and the dataset's
// unless it is a string column.
func marksOf(d *Descriptor, c *Column) *marks {
	texts := slices.Clone(c.Missing)
	if c.Type != question.String {
		texts = append(texts, d.Missing...)
	}
	return newMarks(texts)
}

func newMarks(texts []string) *marks {
	if len(texts) == 0 {
		return nil
	}
	m := &marks{}
	for _, text := range texts {
		text = strings.TrimSpace(text)
		m.texts = append(m.texts, text)
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			m.integers = append(m.integers, v)
		}
		if v, err := parseNumber(text); err == nil {
			m.numbers = append(m.numbers, v)
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				m.integers = append(m.integers, int64(v)) // 99.0 is 99
			}
		}
	}
	return m
}

func (m *marks) text(s string) bool {
	return m != nil && slices.Contains(m.texts, strings.TrimSpace(s))
}

// stands reports whether text is one of the marks, or the number that one of them is.
func (m *marks) stands(text string) bool {
	v, err := parseNumber(text)
	return m.text(text) || err == nil && m.number(v)
}
func (m *marks) number(v float64) bool { return m != nil && slices.Contains(m.numbers, v) }
func (m *marks) integer(v int64) bool  { return m != nil && slices.Contains(m.integers, v) }

// known are texts that statistics programs, spreadsheets and statistical offices write
// where a number is missing, in lower case. Not among them are words that may be values:
// x is a chromosome, nd North Dakota, and none may be 0.
var known = map[string]bool{
	"na": true, "n/a": true, "<na>": true, "#na": true, "#n/a": true, "#n/a n/a": true, "n.a.": true, "n.a": true, "n.d.": true,
	"nan": true, "-nan": true, "nat": true, "null": true, "(null)": true, "nil": true, `\n`: true, "missing": true, "not available": true, "no data": true,
	".": true, "..": true, "...": true, "…": true, ":": true, "*": true, "**": true, "-": true, "--": true, "---": true, "–": true, "—": true, "?": true, "#": true,
	"#value!": true, "#div/0!": true, "#ref!": true, "#name?": true, "#num!": true, "#null!": true, "#error!": true,
}

// isKnownMark reports whether text, without spaces around it, is one of known. A
// statistics program's .a to .z are too.
func isKnownMark(text string) bool {
	if len(text) == 2 && text[0] == '.' && text[1] >= 'a' && text[1] <= 'z' {
		return true
	}
	return text == "None" || len(text) <= 16 && known[strings.ToLower(text)]
}
