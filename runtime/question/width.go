package question

import "unicode"

// Cut returns s if it is at most most columns wide on a terminal, or else as much of its
// beginning as fits before an ellipsis.
func Cut(s string, most int) string {
	if Width(s) <= most {
		return s
	}
	n := 1 // the ellipsis
	for i, r := range s {
		if n += runeWidth(r); n > most {
			return s[:i] + "…"
		}
	}
	return s
}

// Width estimates the width of s on a terminal, in columns.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 0 for a combining mark, and 2 for emoji and the wide scripts of East Asia.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
		return 2
	default:
		return 1
	}
}
