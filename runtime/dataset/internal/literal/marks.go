package literal

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Marks are the texts that mean a missing value in one column. nil has none.
type Marks struct {
	texts    []string
	numbers  []float64 // those that are numbers, such as -999
	integers []int64
}

// NewMarks returns the marks with these texts; nil for none.
func NewMarks(texts []string) *Marks {
	if len(texts) == 0 {
		return nil
	}
	m := &Marks{}
	for _, text := range texts {
		text = strings.TrimSpace(text)
		m.texts = append(m.texts, text)
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			m.integers = append(m.integers, v)
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil && math.IsInf(v, 0) {
			m.numbers = append(m.numbers, v) // as files of floats have them
		}
		if v, err := ParseNumber(text); err == nil {
			m.numbers = append(m.numbers, v)
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				m.integers = append(m.integers, int64(v)) // 99.0 is 99
			}
		}
	}
	return m
}

// Text reports whether s, without surrounding spaces, is one of the texts.
func (m *Marks) Text(s string) bool {
	return m != nil && slices.Contains(m.texts, strings.TrimSpace(s))
}

// Covers reports whether text is one of the marks, or the same number as one of them.
func (m *Marks) Covers(text string) bool {
	v, err := ParseNumber(text)
	return m.Text(text) || err == nil && m.Number(v)
}

// Number reports whether v is one of the texts as a number.
func (m *Marks) Number(v float64) bool { return m != nil && slices.Contains(m.numbers, v) }

// Integer reports whether v is one of the texts as an integer.
func (m *Marks) Integer(v int64) bool { return m != nil && slices.Contains(m.integers, v) }

// knownMarks are texts that statistics programs, spreadsheets and statistical offices
// write for a missing number, in lower case. Words that may be values are left out: x is a
// chromosome, nd North Dakota, and none may be 0.
var knownMarks = map[string]bool{
	"na": true, "n/a": true, "<na>": true, "#na": true, "#n/a": true, "#n/a n/a": true, "n.a.": true, "n.a": true, "n.d.": true,
	"nan": true, "-nan": true, "nat": true, "null": true, "(null)": true, "nil": true, `\n`: true, "missing": true, "not available": true, "no data": true,
	"unknown": true, "suppressed": true, "unreliable": true, "not applicable": true, "not reported": true, "unavailable": true, "confidential": true, "withheld": true,
	"[c]": true, "[x]": true, "[z]": true, "[u]": true, "[w]": true, "[low]": true,
	".": true, "..": true, "...": true, "…": true, ":": true, "*": true, "**": true, "***": true, "-": true, "--": true, "---": true, "–": true, "—": true, "?": true, "#": true,
	"#value!": true, "#div/0!": true, "#ref!": true, "#name?": true, "#num!": true, "#null!": true, "#error!": true,
}

// IsKnownMark reports whether text, without surrounding spaces, is one of knownMarks.
// .a to .z, which Stata and SAS write, count too, and : with flags, which Eurostat writes
// (": c"), shorthands of British statistics ([c], [x]), and a number too small to be
// published (<5).
func IsKnownMark(text string) bool {
	if len(text) == 2 && text[0] == '.' && text[1] >= 'a' && text[1] <= 'z' {
		return true
	}
	if flags, ok := strings.CutPrefix(text, ":"); ok && len(flags) <= 3 && strings.Trim(flags, " bcdefinprsuz") == "" {
		return true
	}
	for _, sign := range []string{"<=", "<", "≤"} {
		if below, ok := strings.CutPrefix(text, sign); ok && isBelow(below) {
			return true
		}
	}
	return text == "None" || len(text) <= 16 && knownMarks[strings.ToLower(text)]
}

// isBelow reports whether text is the bound of a number that is too small to be published.
func isBelow(text string) bool {
	digits := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	return len(digits) <= 12 && strings.Trim(digits, "0123456789.,") == "" && strings.ContainsAny(digits, "0123456789")
}
