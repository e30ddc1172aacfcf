package literal

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format says how the numbers of a column are written, if not as plain decimals such as
// -1234.5, which nil stands for. It is not changed once it is in use.
type Format struct {
	Decimal     string `json:"decimal,omitempty"`     // the decimal mark: "." or ","; "" is "."
	Thousands   string `json:"thousands,omitempty"`   // what may separate thousands: ",", ".", "'" or " ", which is any space
	Affix       string `json:"affix,omitempty"`       // what stands before or after every number: "%", "$"
	Parentheses bool   `json:"parentheses,omitempty"` // (5) is -5
	Footnotes   bool   `json:"footnotes,omitempty"`   // what follows a number as a note is ignored: 5*, 5[a], 5 e
}

// maxAffix is the length of the longest affix in bytes.
const maxAffix = 16

// Check returns the key of f that is wrong and why, or "".
func (f *Format) Check() (key, reason string) {
	if !slices.Contains([]string{"", ".", ","}, f.Decimal) {
		return "decimal", fmt.Sprintf(`it is %s; it must be "." or ","`, Quote(f.Decimal))
	}
	if !slices.Contains([]string{"", ".", ",", " ", "'"}, f.Thousands) {
		return "thousands", fmt.Sprintf(`it is %s; it must be ",", ".", "'" or " "`, Quote(f.Thousands))
	}
	if f.Thousands == f.decimal() {
		return "thousands", fmt.Sprintf("it is %s, which is already the decimal mark", Quote(f.Thousands))
	}
	if f.Affix == "" {
		return "", ""
	}
	if reason := CheckPlain(f.Affix, maxAffix); reason != "" {
		return "affix", reason
	}
	if strings.ContainsFunc(f.Affix, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsSpace(r) }) || strings.ContainsAny(f.Affix, "+-−–()[],'") {
		return "affix", fmt.Sprintf("it is %s; digits, spaces, signs and brackets cannot be part of it", Quote(f.Affix))
	}
	return "", ""
}

func (f *Format) decimal() string {
	if f.Decimal == "" {
		return "."
	}
	return f.Decimal
}

// String is a number in this format: 1.234,5 %.
func (f *Format) String() string {
	text := "1" + f.Thousands + "234" + f.decimal() + "5"
	if f.Affix == "%" || f.Affix == "‰" {
		return text + f.Affix
	}
	return f.Affix + text
}

// Parse reads a number in this format, like ParseNumber. A number without the affix, or
// with wrongly placed separators, is an error.
func (f *Format) Parse(text string) (float64, error) {
	if f == nil {
		return ParseNumber(text)
	}
	bad := func() error {
		return fmt.Errorf("%s is not a number of the form %s, as the descriptor declares%s", Quote(text), f, Remedy)
	}
	bare := text
	if f.Footnotes {
		bare, _ = cutFootnote(text, f.Affix)
	}
	w := takeApart(bare, f.Affix)
	if w.affix != (f.Affix != "") || w.parentheses && !f.Parentheses {
		return 0, bad()
	}
	plain, ok := toPlain(w.core, f.decimal(), f.Thousands)
	if !ok {
		return 0, bad()
	}
	v, err := ParseNumber(plain)
	if err != nil {
		return 0, err
	}
	if w.minus || w.parentheses {
		v = -v
	}
	return v, nil
}

// Plain reports whether text has only characters of a plain decimal number.
func Plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

// written is a number taken apart.
type written struct {
	core                      string // digits and separators
	minus, affix, parentheses bool
}

// takeApart removes a sign, the affix and parentheses, in any order, each once.
func takeApart(text, affix string) written {
	w := written{core: strings.TrimSpace(text)}
	sign := false
	for range 3 {
		if r, n := utf8.DecodeRuneInString(w.core); !sign && strings.ContainsRune("+-−–", r) {
			sign, w.minus, w.core = true, r != '+', strings.TrimSpace(w.core[n:])
		}
		if affix != "" && !w.affix {
			rest, found := strings.CutPrefix(w.core, affix)
			if !found {
				rest, found = strings.CutSuffix(w.core, affix)
			}
			w.core, w.affix = strings.TrimSpace(rest), found
		}
		if n := len(w.core) - 1; n > 1 && !w.parentheses && w.core[0] == '(' && w.core[n] == ')' {
			w.parentheses, w.core = true, strings.TrimSpace(w.core[1:n])
		}
	}
	if w.minus && w.parentheses {
		w.core = "" // two signs
	}
	return w
}

// affixes are currencies written with letters; one character suffices for the others.
var affixes = []string{"US$", "R$", "A$", "C$", "NZ$", "HK$", "USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "BRL", "INR", "Rs.", "Rs", "kr.", "kr", "zł", "Kč", "Ft"}

// findAffix returns the per cent sign or currency before or after a number, or "".
func findAffix(text string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("()+-−–", r) })
	for _, a := range affixes {
		if strings.HasPrefix(text, a) || strings.HasSuffix(text, a) {
			return a
		}
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	for _, r := range []rune{first, last} {
		if r == '%' || r == '‰' || unicode.Is(unicode.Sc, r) {
			return string(r)
		}
	}
	return ""
}

// cutFootnote removes marks after a number: 5*, 5†, 5¹, 5[a], and the flags of statistical
// offices, which are one or two letters after a space. A power of ten such as 10⁶ has no
// note. affix is what may end the number; if it is "", currencies may.
func cutFootnote(text, affix string) (rest, note string) {
	text = strings.TrimSpace(text)
	rest = strings.TrimRightFunc(text, func(r rune) bool {
		return strings.ContainsRune("*†‡§ᵃᵇᶜᵈᵉ"+raised, r) || unicode.IsSpace(r)
	})
	if rest == "10" && strings.Trim(text[len(rest):], raised) == "" && text != rest {
		return text, ""
	}
	if i := strings.LastIndexByte(rest, '['); i > 0 && strings.HasSuffix(rest, "]") && len(rest)-i <= 6 {
		rest = rest[:i]
	} else if i := strings.LastIndexFunc(rest, unicode.IsSpace); i > 0 && len(rest)-i <= 4 {
		if flag := strings.TrimSpace(rest[i:]); flag != "" && len(flag) <= 2 && strings.Trim(flag, "bcdefinprsuz") == "" {
			rest = rest[:i]
		}
	}
	rest = strings.TrimSpace(rest)
	ends := affixes
	if affix != "" {
		ends = []string{affix}
	}
	last, _ := utf8.DecodeLastRuneInString(rest)
	if !unicode.IsDigit(last) && !strings.ContainsRune("%‰)", last) && !unicode.Is(unicode.Sc, last) &&
		!slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(rest, end) }) {
		return text, ""
	}
	return rest, strings.TrimSpace(text[len(rest):])
}

// raised are digits that may be the number of a note, or an exponent.
const raised = "⁰¹²³⁴⁵⁶⁷⁸⁹"

// mayMean reports whether a note may change what its number means, if all numbers of a
// column have one: 5 s and 2 d are not the same unit, and 5² is not 5.
func mayMean(note string) bool {
	first, _ := utf8.DecodeRuneInString(note)
	return unicode.IsLower(first) && first < utf8.RuneSelf || strings.ContainsRune(raised, first)
}

// toPlain rewrites digits with separators as a plain number. Thousands have three digits;
// after commas also the two of lakhs (12,34,567). It reports false if the separators
// stand elsewhere, and for a code such as 007.
func toPlain(core, decimal, thousands string) (string, bool) {
	exponent := ""
	if i := strings.IndexAny(core, "eE"); i >= 0 {
		core, exponent = core[:i], core[i:]
		if digits := strings.TrimLeft(exponent[1:], "+-"); len(exponent)-len(digits) > 2 || !areDigits(digits) {
			return "", false
		}
	}
	whole, fraction, hasFraction := strings.Cut(core, decimal)
	if hasFraction && !areDigits(fraction) || whole == "" && !hasFraction {
		return "", false
	}
	if groups := separate(whole, thousands); len(groups) > 1 {
		if exponent != "" || !areGroups(groups, thousands == ",") {
			return "", false
		}
		whole = strings.Join(groups, "")
	}
	if whole != "" && !areDigits(whole) || len(whole) > 1 && whole[0] == '0' {
		return "", false
	}
	if hasFraction {
		fraction = "." + fraction
	}
	return whole + fraction + exponent, true
}

// separate splits at the separator of thousands.
func separate(whole, thousands string) []string {
	switch thousands {
	case "":
		return []string{whole}
	case " ":
		return strings.FieldsFunc(whole, unicode.IsSpace) // at the ends there are none
	case "'":
		return strings.Split(strings.ReplaceAll(whole, "’", "'"), "'")
	default:
		return strings.Split(whole, thousands)
	}
}

func areGroups(groups []string, lakhs bool) bool {
	last := len(groups) - 1
	if n := len(groups[0]); n == 0 || n > 3 || groups[0][0] == '0' || len(groups[last]) != 3 {
		return false
	}
	size := 3
	if lakhs && last > 1 && len(groups[1]) == 2 && len(groups[0]) < 3 {
		size = 2
	}
	for _, g := range groups[1:last] {
		if len(g) != size {
			return false
		}
	}
	return !slices.ContainsFunc(groups, func(g string) bool { return !areDigits(g) })
}

func areDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
