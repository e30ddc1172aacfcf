package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// checkHeader refuses a CSV whose first line looks like a row: it would be lost without
// a word. A text above a column of numbers tells a header. Where none does, a number
// above numbers tells a row, also one that is written for people, unless the numbers are
// years in a row above values that are none, as in a table with a column a year.
func (g *guesser) checkHeader() error {
	var numbers []*profile // columns of numbers whose header is a number too
	var written *profile   // the first whose header is a number but for how it is written
	texts, bare := 0, 0
	for _, p := range g.columns {
		if p.numbers() == 0 || p.Type == "" || !p.isNumeric() && !p.nearly() {
			continue
		}
		switch {
		case isNumber(p.header):
			numbers = append(numbers, p)
		case p.header == "" || isKnownMark(p.header):
			bare++
		case isWrittenNumber(p.header):
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
		odd = noName(numbers)
	case written != nil:
		odd = written
	case len(numbers) > 0:
		if !g.areYears(numbers) {
			odd = numbers[0]
		}
	case bare > 0:
		return fmt.Errorf("no column of numbers has a header; the first line is %s. If it is a row, say --no-header: the columns are then %s, %s and so on; otherwise give the columns a header",
			g.firstLine(), columnName(0), columnName(1))
	}
	if odd == nil {
		return nil
	}
	return fmt.Errorf("the first line looks like a row and not like a header: %s, where %s stands above numbers. If it is a row, say --no-header: the columns are then %s, %s and so on; if it is the header, say --header",
		g.firstLine(), quote(odd.header), columnName(0), columnName(1))
}

// checkMeasureHeader refuses a measure whose header is a number other than a year, unless
// the descriptor says that it is a header: it may have been written for a file whose
// first line is a row.
func checkMeasureHeader(d *Descriptor, columns []csvColumn) error {
	for i := range columns {
		if c := &columns[i]; d.Header == nil && c.measure && isNumber(c.header) && !isYear(c.header) {
			return fmt.Errorf("the column that is averaged has the header %s, so the first line looks like a row; in the descriptor, header: false says that it is one, and header: true that it is the header",
				quote(c.header))
		}
	}
	return nil
}

func isYear(text string) bool {
	year, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil && year >= firstYear && year <= lastYear
}

func (p *profile) isNumeric() bool { return p.Type != question.String && p.missing < p.rows }

func isNumber(text string) bool {
	_, err := parseNumber(text)
	return err == nil
}

// isWrittenNumber reports whether text is a number as people write it, such as 1,234 or
// 1 000 or $5 or 5% or (5) or 12*, or one that no float64 holds. A range, a date and an
// age such as 65+ are none: they are the headers of many tables.
func isWrittenNumber(text string) bool {
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

// firstLine is the header for a message.
func (g *guesser) firstLine() string {
	var cells []string
	for _, p := range g.columns {
		cells = append(cells, p.header)
	}
	if len(cells) > 8 {
		return list(cells[:8]) + ", ..."
	}
	return list(cells)
}

// noName returns the first column whose header is no name even beside good ones: a
// fraction, a negative number, or a number that another column has too. nil is none.
func noName(numbers []*profile) *profile {
	seen := map[string]bool{}
	for _, p := range numbers {
		if strings.Trim(p.header, "0123456789") != "" || seen[p.header] {
			return p
		}
		seen[p.header] = true
	}
	return nil
}

// Years that a column may be about.
const firstYear, lastYear = 1500, 2200

// areYears reports whether the headers of the columns are years at equal distances,
// and not what stands below them. One year alone is a header only beside a word that
// names a column.
func (g *guesser) areYears(columns []*profile) bool {
	var years []int
	below := false // a value that is no year
	for _, p := range columns {
		if !isYear(p.header) {
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
		if step := years[i] - years[i-1]; step == 0 || step != years[1]-years[0] {
			return false
		}
	}
	return len(years) > 2 || slices.ContainsFunc(g.columns, func(p *profile) bool {
		return !isNumber(p.header) && slices.ContainsFunc(headerWords, p.names)
	})
}

// headerWords are words of which one in a header tells that it is one.
var headerWords = [][]string{groupWords, indicatorWords, categoryWords, stratumWords, {"name", "code", "id", "iso", "unit", "sex", "gender"}}

// names reports whether the header has one of the words as the name of a column, and not
// as a value does: Store 1 above Store 2 is a row.
func (p *profile) names(words []string) bool {
	if p.has(words) == 0 {
		return false
	}
	below := &profile{Column: Column{Name: nameOf(p.odd, "column", map[string]bool{})}}
	return slices.Contains(words, p.Name) || below.has(words) == 0
}
