package literal

import (
	"fmt"
	"slices"
	"strings"
)

// readings are the ways to read the separators of a column: decimal mark, thousands.
var readings = [...][2]string{
	{".", ""}, {".", ","}, {".", " "}, {".", "'"},
	{",", ""}, {",", "."}, {",", " "}, {",", "'"},
}

// Bits of readings.
const (
	allReadings  = 1<<len(readings) - 1
	pointDecimal = 0x0f // those whose decimal mark is a point
	commaDecimal = 0xf0
	pointGroups  = 1 << 5 // the one whose thousands are separated by points
)

// Evidence collects how the numbers of a column are written.
type Evidence struct {
	ruledOut    uint // bits of readings
	separators  bool // some number has a point or a comma
	points      bool // some number has a point
	small       bool // some plain number has neither a point nor four digits
	ungrouped   bool // some plain number has four digits or more before its end or point
	plain       int  // numbers that are plain decimals
	formatted   int  // others
	affix       string
	mixed       string // the first number with another affix than those before it
	mixedWith   string // their affix
	minus       bool
	parentheses int
	footnotes   int
	note        string // after the first number that has one
	otherNotes  bool   // some number has another note
	noted       string // that number with its note
	units       int    // numbers whose note may be a unit or an exponent
	first       string // the first with a separator whose meaning matters
	firstRow    int
}

// maxDigits is how many digits a formatted number may have; a float64 holds each of these.
const maxDigits = 15

// Plain records a plain decimal number.
func (e *Evidence) Plain(text string, row int) {
	e.plain++
	e.minus = e.minus || text[0] == '-'
	if whole, _, found := strings.Cut(strings.TrimLeft(text, "+-"), "."); len(whole) > 3 {
		e.ungrouped = true
	} else if !found {
		e.small = true
	}
	if strings.Contains(text, ".") {
		e.points = true
		e.noteSeparator(text, row)
		if _, ok := toPlain(strings.TrimLeft(text, "+-"), ",", "."); !ok {
			e.ruledOut |= 1 << 5
		}
		e.ruledOut |= commaDecimal &^ pointGroups
	}
}

// Add records a text and reports whether it is a number in some format.
func (e *Evidence) Add(text string, row int) bool {
	if len(text) > 64 || !strings.ContainsAny(text, "0123456789") {
		return false
	}
	bare, note := cutFootnote(text, "")
	affix := findAffix(bare)
	w := takeApart(bare, affix)
	if countDigits(w.core) > maxDigits {
		return false
	}
	possible := uint(0)
	for i, r := range readings {
		if plain, ok := toPlain(w.core, r[0], r[1]); ok && IsNumber(plain) {
			possible |= 1 << i
		}
	}
	if possible == 0 {
		return false
	}
	e.ruledOut |= allReadings &^ possible
	if strings.ContainsAny(w.core, ".,") {
		e.points = e.points || strings.Contains(w.core, ".")
		e.noteSeparator(text, row)
	}
	if e.mixed == "" && (e.plain+e.formatted > 0 && affix != e.affix) {
		e.mixed, e.mixedWith = strings.Clone(text), e.affix
	}
	if e.formatted == 0 {
		e.affix = affix
	}
	e.formatted++
	e.minus = e.minus || w.minus
	if w.parentheses {
		e.parentheses++
	}
	if note != "" {
		e.addNote(note, text)
	}
	return true
}

func (e *Evidence) addNote(note, text string) {
	e.footnotes++
	if e.note == "" {
		e.note, e.noted = strings.Clone(note), strings.Clone(text)
	}
	e.otherNotes = e.otherNotes || note != e.note
	if mayMean(note) {
		e.units++
	}
}

func (e *Evidence) noteSeparator(text string, row int) {
	if !e.separators {
		e.separators, e.first, e.firstRow = true, strings.Clone(text), row
	}
}

func countDigits(text string) int {
	n := 0
	for i := range len(text) {
		if text[i] >= '0' && text[i] <= '9' {
			n++
		}
	}
	return n
}

// Formatted returns how many numbers are not plain decimals.
func (e *Evidence) Formatted() int { return e.formatted }

// Separators reports whether some number has a point or a comma.
func (e *Evidence) Separators() bool { return e.separators }

// Noted returns the first number with a note: 5*.
func (e *Evidence) Noted() string { return e.noted }

// pointCurrencies are written with a decimal point where people write them with a sign.
// None has a coin of a thousandth, so $1,234 has thousands. $1.234 may have, in Chile.
var pointCurrencies = []string{"$", "US$", "A$", "C$", "NZ$", "HK$", "USD", "AUD", "CAD", "£", "GBP", "¥", "JPY", "₹", "INR", "Rs", "Rs."}

// left returns the bits of the readings that are left.
func (e *Evidence) left() uint {
	left := uint(allReadings) &^ e.ruledOut
	if e.separators && !e.points && left&pointDecimal != 0 && slices.Contains(pointCurrencies, e.affix) {
		left &= pointDecimal
	}
	return left
}

// Decimal returns the decimal mark if the column proves it, or "".
func (e *Evidence) Decimal() string {
	left := e.left()
	switch {
	case !e.separators || left == 0:
		return ""
	case left&commaDecimal == 0:
		return "."
	case left&pointDecimal == 0:
		return ","
	default:
		return ""
	}
}

// Doubtful reports whether plain numbers may have points that separate thousands: each
// point stands before three digits, numbers of four digits do not come without one, and
// either the file is one of semicolons or smaller numbers have no point.
func (e *Evidence) Doubtful(semicolons bool) bool {
	return e.points && e.left()&pointGroups != 0 && !e.ungrouped && (semicolons || e.small)
}

// Format returns the format of the column's numbers. known is the decimal mark of the
// file, or "". If the numbers disagree, or can be read in two ways, the reason says so;
// it names a value and its row. ambiguous means that naming the decimal mark would help.
func (e *Evidence) Format(known string) (f *Format, reason string, ambiguous bool) {
	left := e.left()
	switch known {
	case ".":
		left &= pointDecimal
	case ",":
		left &= commaDecimal
	}
	switch {
	case e.mixed != "" || e.affix != "" && e.plain > 0:
		return nil, e.mixedReason(), false
	case e.parentheses > 0 && e.minus:
		return nil, "some of its numbers are in parentheses and others have a minus sign", false
	case e.parentheses > 0 && e.parentheses == e.plain+e.formatted:
		return nil, "all of its numbers are in parentheses, which may not mean a minus sign", false
	case e.units > 0 && e.units == e.plain+e.formatted && (e.otherNotes || strings.ContainsAny(e.note, raised)):
		return nil, fmt.Sprintf("every number is followed by letters or by raised digits, as in %s, which may be a unit or an exponent", Quote(e.noted)), false
	case left == 0:
		return nil, fmt.Sprintf("its numbers use points and commas in different ways, the first being %s in row %d", Quote(e.first), e.firstRow), false
	case e.separators && left&pointDecimal != 0 && left&commaDecimal != 0:
		return nil, e.Doubt(), true
	}
	f = &Format{Affix: e.affix, Parentheses: e.parentheses > 0, Footnotes: e.footnotes > 0}
	for i, r := range readings {
		if left&(1<<i) != 0 {
			f.Decimal, f.Thousands = r[0], r[1]
			break
		}
	}
	if f.Decimal == "." && *f != (Format{Decimal: "."}) { // the latter has typographic minus signs
		f.Decimal = ""
	}
	return f, "", false
}

// Doubt is the reason of a column whose separators can be read in two ways.
func (e *Evidence) Doubt() string {
	return fmt.Sprintf("%s in row %d can be read in two ways, with a decimal mark or with thousands, and no other value decides", Quote(e.first), e.firstRow)
}

func (e *Evidence) mixedReason() string {
	switch {
	case e.mixed == "":
		return fmt.Sprintf("some of its numbers have %s and others have not", Quote(e.affix))
	case e.mixedWith == "":
		return Quote(e.mixed) + " has a unit and the numbers before it have none"
	default:
		return fmt.Sprintf("its numbers have different units: %s beside those with %s", Quote(e.mixed), Quote(e.mixedWith))
	}
}
