// Package literal reads and quotes texts: numbers, marks for
// missing values, and names in messages.
package literal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckPlain returns what is wrong with a text of at most most bytes, or "".
func CheckPlain(s string, most int) string {
	switch {
	case len(s) > most:
		return fmt.Sprintf("it has %d bytes; at most %d", len(s), most)
	case !utf8.ValidString(s):
		return "it is not UTF-8"
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return "it has a control character"
	default:
		return ""
	}
}

// Quote quotes s for a message and truncates it.
func Quote(s string) string {
	const most = 100
	if len(s) > most {
		return fmt.Sprintf("%.*q... (%d bytes)", most, s, len(s))
	}
	return fmt.Sprintf("%q", s)
}

// List quotes names for a message and truncates the list.
func List(names []string) string {
	const most = 64
	quoted := make([]string, 0, most+1)
	for i, n := range names {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("... (%d in all)", len(names)))
			break
		}
		quoted = append(quoted, Quote(n))
	}
	return strings.Join(quoted, ", ")
}
