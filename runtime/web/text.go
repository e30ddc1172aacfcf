package web

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"see":   question.Visible,
	"web":   isWeb,
	"first": func(text string) string { first, _ := sentence(text); return first },
	"rest":  func(text string) string { _, rest := sentence(text); return rest },
	"count": func(n int) string { return thousands(strconv.Itoa(n)) },
	"bytes": bytesText,
	"took":  duration,
	"whole": func(n int64) string { return thousands(strconv.FormatInt(n, 10)) },
	"acts":  func(under string, job jobView) acts { return acts{under, job} },
	// query is for what this program encoded.
	"query": func(encoded string) template.URL { return template.URL(encoded) }, //nolint:gosec // see above
	"big":   func(n int64) string { return thousands(strconv.FormatInt(n, 10)) },
}

// bytesText writes a size for people.
func bytesText(n any) string {
	size, _ := strconv.ParseFloat(fmt.Sprint(n), 64)
	for _, unit := range []string{"bytes", "KiB", "MiB"} {
		if size < 1024 {
			return strconv.FormatFloat(size, 'f', -1, 64) + " " + unit
		}
		size = math.Round(size/1024*10) / 10
	}
	return strconv.FormatFloat(size, 'f', -1, 64) + " GiB"
}

// isWeb reports whether a text is an address of the web that a page may link.
func isWeb(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && question.Visible(text) == text
}

// sentence splits a text after its first sentence. Both parts are visible.
func sentence(text string) (first, rest string) {
	text = question.Visible(text)
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1], text[i+2:]
	}
	return text, ""
}

// thousands puts commas into the whole part of a decimal number.
func thousands(n string) string {
	whole, rest := n, ""
	if i := strings.IndexAny(n, ".e"); i >= 0 {
		whole, rest = n[:i], n[i:]
	}
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + whole + rest
}
