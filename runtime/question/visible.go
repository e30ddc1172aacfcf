package question

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Invisible reports whether a character is not visible itself but may change how the text
// around it is displayed, or control a terminal: control characters, bidirectional
// controls, line separators, fillers, joiners, tags and private-use characters. Spaces
// are visible.
func Invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	switch {
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point):
		return true
	case r == '\ufe0e' || r == '\ufe0f': // after an emoji: as text, or in colour
		return false
	default:
		return unicode.Is(unicode.Variation_Selector, r)
	}
}

// Visible returns s with invisible characters and invalid UTF-8 escaped as in a Go string
// literal: \u202e, \x1b, \n.
func Visible(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, Invisible) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || Invisible(r) {
			quoted := strconv.QuoteToASCII(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// ShellWord returns s as one word of a POSIX shell: in quotes if it needs them.
func ShellWord(s string) string {
	const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_@%+=:,./-"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
