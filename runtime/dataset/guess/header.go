package guess

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// checkHeader refuses a CSV whose first line looks like a row, which would be lost
// silently. A text above a column of numbers indicates a header. Without one, a number
// above numbers indicates a row, even if it is formatted (1,234), unless the numbers are
// consecutive years above other values, as in a table with one column per year.
func (g *guesser) checkHeader() error {
	var numbers []*profile // columns of numbers whose header is also a number
	var written *profile   // the first whose header is a formatted number
	texts, bare := 0, 0
	for _, p := range g.columns {
		if p.numberCount() == 0 || p.Type == "" || !p.isNumeric() && !p.mostlyNumbers() {
			continue
		}
		switch {
		case literal.IsNumber(p.header):
			numbers = append(numbers, p)
		case p.header == "" || literal.IsKnownMark(p.header):
			bare++
		case isFormattedNumber(p.header):
			if written == nil {
				written = p
			}
		default:
			texts++
		}
	}
	var odd *profile
	switch {
	case texts > 0:
		odd = invalidName(numbers)
	case written != nil:
		odd = written
	case len(numbers) > 0:
		if !g.areYears(numbers) {
			odd = numbers[0]
		}
	case bare > 0:
		return fmt.Errorf("no column of numbers has a header; the first line is %s. If it is a row, pass --no-header: the columns are then called %s, %s and so on; otherwise give the columns a header",
			g.firstLine(), tabular.ColumnName(0), tabular.ColumnName(1))
	}
	if odd == nil {
		return nil
	}
	return fmt.Errorf("the first line looks like a row, not a header: %s, where %s is above numbers. If it is a row, pass --no-header: the columns are then called %s, %s and so on; if it is the header, pass --header",
		g.firstLine(), literal.Quote(odd.header), tabular.ColumnName(0), tabular.ColumnName(1))
}

func (p *profile) isNumeric() bool { return p.Type != question.String && p.missing < p.rows }

// isFormattedNumber reports whether text is a number as people format it, such as 1,234
// or 1 000 or $5 or 5% or (5) or 12*, or one outside the range of float64. A range, a
// date and an age such as 65+ do not count: many tables have them as headers.
func isFormattedNumber(text string) bool {
	if _, err := strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return true
	}
	if _, err := strconv.ParseInt(text, 0, 64); err == nil { // 0x1F, 1_000
		return true
	}
	text = strings.TrimLeftFunc(text, func(r rune) bool {
		return strings.ContainsRune("+-−(~", r) || unicode.IsSpace(r) || unicode.Is(unicode.Sc, r)
	})
	text = strings.TrimRightFunc(text, func(r rune) bool {
		return strings.ContainsRune(")%‰*†‡", r) || unicode.IsSpace(r) || unicode.Is(unicode.Sc, r)
	})
	digits := 0
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			digits++
		case !strings.ContainsRune(".,'’_", r) && !unicode.IsSpace(r):
			return false
		}
	}
	return digits > 0
}

// firstLine returns the header, for an error message.
func (g *guesser) firstLine() string {
	var cells []string
	for _, p := range g.columns {
		cells = append(cells, p.header)
	}
	if len(cells) > 8 {
		return literal.List(cells[:8]) + ", ..."
	}
	return literal.List(cells)
}

// invalidName returns the first column whose header cannot be a name: a fraction, a
// negative number, or a number that another column has too; nil if there is none.
func invalidName(numbers []*profile) *profile {
	seen := map[string]bool{}
	for _, p := range numbers {
		if strings.Trim(p.header, "0123456789") != "" || seen[p.header] {
			return p
		}
		seen[p.header] = true
	}
	return nil
}

// manyYears is from how many years in order on a line is not a row, whatever their
// distances.
const manyYears = 5

// areYears reports whether the headers of the columns are years at equal distances, or
// many in order, and the values below them are not. A single year counts as a header only beside a word
// that names a column.
func (g *guesser) areYears(columns []*profile) bool {
	var years []int
	below := false // some value is not a year
	for _, p := range columns {
		if !literal.IsYear(p.header) {
			return false
		}
		year, _ := strconv.Atoi(p.header)
		years = append(years, year)
		below = below || p.Type != question.Integer || !p.isYear()
	}
	if !below {
		return false
	}
	for i := 1; i < len(years); i++ {
		step, first := years[i]-years[i-1], years[1]-years[0]
		if step == 0 || step != first && (len(years) < manyYears || step > 0 != (first > 0)) {
			return false
		}
	}
	return len(years) > 2 || slices.ContainsFunc(g.columns, func(p *profile) bool {
		return !literal.IsNumber(p.header) && slices.ContainsFunc(headerWords, p.namedBy)
	})
}

// headerWords are words that identify a header.
var headerWords = [][]string{groupWords, indicatorWords, categoryWords, stratumWords, {"name", "code", "id", "iso", "unit", "sex", "gender"}}

// namedBy reports whether the header contains one of the words as a column's name would,
// not as a value would: Store 1 above Store 2 is a row.
func (p *profile) namedBy(words []string) bool {
	if p.wordScore(words) == 0 {
		return false
	}
	below := &profile{nameText: nameOf(p.firstText, "column")}
	return slices.Contains(words, p.nameText) || below.wordScore(words) == 0
}
