package boundedyaml

import (
	"slices"
	"strings"
)

// Keyword reports whether a reader of YAML may take a word without quotes for something else
// than text: a boolean, null, or a number.
func Keyword(word string) bool {
	return slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}, strings.ToLower(word))
}
