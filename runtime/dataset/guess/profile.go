package guess

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// profile describes the values of one column.
type profile struct {
	dataset.Column

	header        string
	number        int    // of the column in the file, from 1
	unreadable    string // why its values cannot be read, with the place of the first of those
	tooLarge      bool   // some value is an integer that 64 bits do not hold, in a column of integers
	nameText      string // the name that the header suggests
	holds         kind
	skipReason    string // why
	kind          question.Type
	rows          int
	missing       int
	marks         map[string]int // values that look like marks for a missing value; decideType decides whether they are
	marked        int            // number of those values
	texts         int            // number of values that are neither numbers nor marks
	kinds         map[string]int // the first few distinct ones of those, with counts
	firstText     string         // the first of them
	firstTextRow  int
	evidence      literal.Evidence // how its numbers are written, in a CSV
	formatReason  string           // why those that are not plain decimals are not read as numbers
	ambiguous     bool             // naming the decimal mark would help
	textBytes     int              // of all texts
	decimals      int              // number of values that are numbers but not integers
	leadingZeros  bool             // some value is a code such as 0123
	last          float64          // the previous number
	outOfStep     bool             // some number is not the previous one plus 1
	min, max      float64
	low, high     float64 // the smallest and the largest number but min and max
	maxLen        int     // bytes
	inexact       string  // the first integer that no float64 equals
	syntheticText string  // the first value that marks its row as synthetic
	distinct      map[uint64]struct{}
}

// maxDistinct is up to how many distinct values are counted.
const maxDistinct = 100_000

// maxKinds is up to how many distinct non-numeric texts are counted.
const maxKinds = 4

// manyTexts is after how many texts a column is one of texts, whatever follows.
const manyTexts = 64

// label names the column in a message.
func (p *profile) label() string {
	if p.header == "" {
		return fmt.Sprintf("column %d", p.number)
	}
	return literal.Quote(p.header)
}

// observe records a value of t; given are marks that the user gave.
func (p *profile) observe(seed maphash.Seed, given *literal.Marks, c tabular.Cell, t *tabular.File) {
	p.rows++
	if c.Kind == tabular.CellText && strings.TrimSpace(c.Text) == "" {
		c.Kind = tabular.CellMissing
	}
	if c.Kind == tabular.CellMissing {
		p.missing++
		return
	}
	number, isNumber := 0.0, true
	var sum uint64
	switch c.Kind {
	case tabular.CellInteger:
		number = float64(c.Integer)
		if p.inexact == "" && !literal.Exact(c.Integer) {
			p.inexact = strconv.FormatInt(c.Integer, 10)
		}
		sum = uint64(c.Integer)
		if given.Integer(c.Integer) {
			p.countMark(strconv.FormatInt(c.Integer, 10))
			isNumber = false
		}
	case tabular.CellNumber:
		if given.Number(c.Number) {
			p.countMark(strconv.FormatFloat(c.Number, 'f', -1, 64))
			isNumber = false
		}
		if isNumber && math.IsInf(c.Number, 0) && p.unreadable == "" {
			p.unreadable = fmt.Sprintf("%s: %v is not finite; if it means a missing value, pass --missing=%v", t.Place(p.rows), c.Number, c.Number)
		}
		number, sum = c.Number, math.Float64bits(c.Number)
		if number != math.Trunc(number) {
			p.decimals++
		}
	default:
		if c.Integral && !given.Text(c.Text) {
			p.tooLarge = true
			p.inexact = cmp.Or(p.inexact, strings.Clone(c.Text))
		}
		if p.unreadable == "" {
			if err := t.CheckText(c.Text); err != nil {
				p.unreadable = fmt.Sprintf("%s: %v", t.Place(p.rows), err)
			}
		}
		p.maxLen = max(p.maxLen, len(c.Text))
		sum = maphash.String(seed, c.Text)
		number, isNumber = p.observeText(strings.TrimSpace(c.Text), given)
	}
	if len(p.distinct) < maxDistinct {
		p.distinct[sum] = struct{}{}
	}
	if isNumber {
		p.outOfStep = p.outOfStep || p.min <= p.max && number != p.last+1
		p.observeRange(number)
	}
}

// observeRange records a number.
func (p *profile) observeRange(number float64) {
	p.last = number
	switch {
	case number < p.min:
		p.min, p.low = number, p.min
	case number > p.min:
		p.low = min(p.low, number)
	}
	switch {
	case number > p.max:
		p.max, p.high = number, p.max
	case number < p.max:
		p.high = max(p.high, number)
	}
}

// isSentinel reports whether a number is made of nines and far from the next one, as those
// that stand for a missing value are: -999 below 2, 9999 above 120.
func isSentinel(number, next float64) bool {
	nines := strings.TrimPrefix(strconv.FormatFloat(number, 'f', -1, 64), "-")
	switch {
	case len(nines) < 2 || strings.Trim(nines, "9") != "":
		return false
	case number < 0:
		return next > number/2
	default:
		return len(nines) > 2 && next < number/5
	}
}

// sentinel returns a number of the column that isSentinel; "" if there is none.
func (p *profile) sentinel() string {
	switch {
	case p.Type == question.String || p.holds != isFigure || math.IsInf(p.low, 0) || math.IsInf(p.high, 0):
		return ""
	case isSentinel(p.min, p.low):
		return strconv.FormatFloat(p.min, 'f', -1, 64)
	case isSentinel(p.max, p.high):
		return strconv.FormatFloat(p.max, 'f', -1, 64)
	default:
		return ""
	}
}

// totals are what tables call the sum of their other rows.
var totals = []string{"Total", "TOTAL", "total", "Totals", "Grand Total", "Grand total", "Subtotal", "All", "ALL", "all", "Overall", "National", "World", "Both sexes", "Both", "Insgesamt", "Gesamt", "Ensemble", "Totale"}

// nation is that of a table of states.
const nation = "United States"

// total returns a value of the column that is called as a sum of its other values; "" if
// there is none.
func (p *profile) total(seed maphash.Seed) string {
	has := func(text string) bool {
		_, ok := p.distinct[maphash.String(seed, text)]
		return ok
	}
	switch i := slices.IndexFunc(totals, has); {
	case p.Type != question.String || len(p.distinct) < 2:
		return ""
	case i >= 0:
		return totals[i]
	case slices.Contains(p.words(), "state") && has(nation):
		return nation
	default:
		return ""
	}
}

// countMark counts a mark for a missing value.
func (p *profile) countMark(text string) {
	if p.marks == nil {
		p.marks = map[string]int{}
	}
	if _, ok := p.marks[text]; !ok {
		if len(p.marks) == dataset.MaxMissing {
			p.noteText(text) // more than any known list
			return
		}
		text = strings.Clone(text)
	}
	p.marks[text]++
	p.marked++
}

// observeText records a text, and returns its value if it is a number.
func (p *profile) observeText(text string, given *literal.Marks) (float64, bool) {
	if literal.IsKnownMark(text) || given.Text(text) {
		p.countMark(text)
		return 0, false
	}
	if literal.Plain(text) {
		if len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9' {
			p.leadingZeros = true
		}
		if v, err := literal.ParseInteger(text); err == nil {
			if given.Integer(v) {
				p.countMark(text)
				return 0, false
			}
			if p.inexact == "" && !literal.Exact(v) {
				p.inexact = strings.Clone(text)
			}
			p.evidence.Plain(text, p.rows)
			return float64(v), true
		}
		v, err := literal.ParseNumber(text)
		switch {
		case err == nil && given.Number(v):
			p.countMark(text)
			return 0, false
		case err == nil:
			p.decimals++
			p.evidence.Plain(text, p.rows)
			return v, true
		case strings.Trim(text, "0123456789") == "" && p.inexact == "": // too large for an integer
			p.inexact = strings.Clone(text[:min(len(text), dataset.MaxHeader)])
		}
	}
	isText := len(p.kinds) == maxKinds && p.texts > manyTexts // looking for numbers would be in vain
	if p.kind == "" && !isText && p.evidence.Add(text, p.rows) {
		return 0, false
	}
	p.textBytes += len(text)
	if p.syntheticText == "" && len(text) <= dataset.MaxHeader && strings.HasPrefix(text, "SYNTHETIC") {
		p.syntheticText = strings.Clone(text)
	}
	p.noteText(text)
	return 0, false
}

// noteText records a text that is not a number.
func (p *profile) noteText(text string) {
	if _, ok := p.kinds[text]; ok {
		p.kinds[text]++
	} else if len(p.kinds) < maxKinds {
		if p.kinds == nil {
			p.kinds = map[string]int{}
		}
		p.kinds[strings.Clone(text)] = 1
	}
	if p.texts == 0 {
		p.firstText, p.firstTextRow = strings.Clone(text[:min(len(text), dataset.MaxHeader)]), p.rows
	}
	p.texts++
}

// marksOfFile is what is known of the decimal marks of a file.
type marksOfFile struct {
	given      string // by the user, or ""
	proven     string // by some columns, or ""
	semicolons bool   // separate the fields of the CSV
}

// decideType decides the column's type.
func (p *profile) decideType(f marksOfFile) {
	p.Type = p.kind
	if p.tooLarge {
		p.Type = question.String
		return
	}
	p.decideFormat(f)
	// A column that the file stores as text stays text even if the texts are numbers, unless
	// marks among them explain why they are stored as text.
	if p.kind == "" || p.kind == question.String && p.marked > 0 {
		switch {
		case p.texts > 0 || p.leadingZeros || p.formatReason != "" || p.numberCount() == 0 || (p.decimals > 0 || p.Numbers != nil) && p.inexact != "":
			p.Type, p.Numbers, p.Unit = question.String, nil, ""
		case p.decimals > 0 || p.Numbers != nil:
			p.Type = question.Number
		default:
			p.Type = question.Integer
		}
	}
	if p.Type != question.String {
		p.missing += p.marked
	}
}

// decideFormat decides how the numbers of a column are written.
func (p *profile) decideFormat(f marksOfFile) {
	plain := p.evidence.Formatted() == 0
	switch {
	case p.kind != "" || plain && (!p.evidence.Separators() || f.given == "."):
		return // plain decimals
	case plain && f.given == "" && p.evidence.Decimal() == "" && (f.proven == "," || f.proven == "" && p.evidence.Doubtful(f.semicolons)):
		p.formatReason, p.ambiguous = p.evidence.Doubt(), true
		return
	case plain && f.given == "":
		return
	}
	p.Numbers, p.formatReason, p.ambiguous = p.evidence.Format(cmp.Or(f.given, f.proven))
	if p.Numbers != nil {
		p.Unit = p.Numbers.Affix
	}
}

// numberCount returns how many values are numbers.
func (p *profile) numberCount() int {
	if p.Type == question.Number || p.Type == question.Integer {
		return p.rows - p.missing
	}
	n := p.rows - p.missing - p.marked - p.texts
	if p.formatReason != "" {
		n -= p.evidence.Formatted()
	}
	return n
}

// mostlyNumbers reports whether only a few texts keep the column from being numeric: at
// most one value in ten; or half of the values, if they are a few texts repeated; or any
// share of them, if it is a single text repeated.
func (p *profile) mostlyNumbers() bool {
	n := p.numberCount()
	if p.Type != question.String || p.texts == 0 || p.tooLarge || p.leadingZeros || n == 0 {
		return false
	}
	if len(p.kinds) == 1 && p.kinds[p.firstText] == p.texts && p.texts > 1 {
		return true
	}
	if n < 2 {
		return false
	}
	several := 0
	for _, count := range p.kinds {
		several += count
	}
	return p.texts*10 <= n || several == p.texts && len(p.kinds) < maxKinds && p.texts <= n
}

// isNumericText reports whether the column is stored as text although every value is a
// number.
func (p *profile) isNumericText() bool {
	return p.kind == question.String && p.Type == question.String && p.texts == 0 && !p.leadingZeros && p.numberCount() > 0
}

// marksText lists the marks with their counts.
func (p *profile) marksText() string {
	var out []string
	for _, text := range slices.Sorted(maps.Keys(p.marks)) {
		out = append(out, fmt.Sprintf("%s (%d)", literal.Quote(text), p.marks[text]))
	}
	return strings.Join(out, ", ")
}

// numbersText says how the column's numbers are written.
func (p *profile) numbersText() string {
	text := p.Numbers.String()
	if p.Numbers.Parentheses {
		text += ", and (5) is -5"
	}
	if p.Numbers.Footnotes {
		text += ", and what follows them is ignored, as in " + literal.Quote(p.evidence.Noted())
	}
	return text
}

func (p *profile) isYear() bool {
	return p.Type == question.Integer && p.missing < p.rows && p.min >= literal.FirstYear && p.max <= literal.LastYear
}

// describe returns the comment for the column in the YAML.
func (p *profile) describe() string {
	if p.missing == p.rows {
		return "no value at all"
	}
	var text string
	switch {
	case p.Numbers != nil:
		text = "numbers written like " + p.numbersText()
	case p.Type != question.String:
		text = fmt.Sprintf("%v to %v", p.min, p.max)
	case len(p.distinct) == maxDistinct:
		text = fmt.Sprintf("%d different values or more", maxDistinct)
	default:
		text = fmt.Sprintf("%d different values", len(p.distinct))
	}
	if p.missing > 0 {
		text += fmt.Sprintf(", %d missing", p.missing)
		if p.marked > 0 && p.Type != question.String {
			text += ", " + p.marksText()
		}
	}
	switch {
	case p.formatReason != "" && p.isUndecided():
		text += "; " + p.formatReason
	case p.mostlyNumbers():
		text += fmt.Sprintf("; numbers except for %d, the first being %s in row %d: correct them to use the type number", p.texts, literal.Quote(p.firstText), p.firstTextRow)
	}
	return text
}
