package guess

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// title makes a header readable: "sales_eur" becomes "Sales eur".
func title(header string) string {
	text := strings.TrimSpace(strings.ReplaceAll(header, "_", " "))
	if text == "" {
		return header
	}
	runes := []rune(text)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// yaml writes the descriptor as commented YAML.
func (g *guesser) yaml(d *dataset.Descriptor) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s, %d rows, as read by `lestats data init`. Correct its guesses where they are wrong.", strings.Map(printable, g.file), g.rows)
	line("name: %s", yamlText(d.Name))
	line("title: %s", yamlText(d.Title))
	line("# source: where the figures come from")
	line("# license: what may be done with them")
	switch {
	case d.Synthetic.All:
		line("synthetic: true # as the file says")
	case d.Synthetic.Column != "":
		line("synthetic: {column: %s, value: %s} # if any row has this value, the figures are not real", yamlText(d.Synthetic.Column), yamlText(d.Synthetic.Value))
	}
	if d.Skip > 0 {
		line("skip: %d # lines above the header, which are not read", d.Skip)
	}
	if d.Encoding != "" {
		line("encoding: %s", yamlText(d.Encoding))
	}
	if d.Header != nil {
		if *d.Header {
			line("header: true # the first line is the header, although it contains numbers")
		} else {
			line("header: false # the first line is a row")
		}
	}
	if len(d.Missing) > 0 {
		line("missing: %s # mean a missing value, in columns of numbers", yamlList(d.Missing))
	}
	line("sort: %s", yamlText(d.Sort))
	line("# Which of the columns below the built-in questions use.")
	line("roles:")
	for _, r := range []struct{ key, what string }{
		{"group", "plays the part of the states in the questions: its values are compared"},
		{"measure", "what is averaged"},
		{"indicator", "what a row's figure measures, in a file that holds several measures"},
		{"category", "how the rows of a group are broken down"},
		{"stratum", "the parts of that breakdown: mean_by_category has a mean for each"},
		{"low", "the lower limit of the measure's confidence interval"},
		{"high", "its upper limit"},
		{"asked", "how many were asked, a column of integers"},
		{"time", "the year or another period, a column of integers"},
	} {
		if p := g.roles[r.key]; p != nil {
			line("  %s: %s # %s", r.key, yamlText(p.Name), r.what)
		} else {
			line("  # %s: %s; none was found", r.key, r.what)
		}
	}
	line("  best: %s # which means best5 lists: highest or lowest", d.Roles.Best)
	line("# `where` can filter by a dimension. Add units yourself (unit: kg).")
	line("columns:")
	for _, p := range g.columns {
		if p.skipReason != "" {
			continue
		}
		entry := fmt.Sprintf("name: %s, title: %s, type: %s", yamlText(p.Name), yamlText(p.Title), p.Type)
		if p.Role != question.RoleNone {
			entry += ", role: " + string(p.Role)
		}
		if p.Header != "" {
			entry += ", header: " + yamlText(p.Header)
		}
		if p.Unit != "" {
			entry += ", unit: " + yamlText(p.Unit)
		}
		if len(p.Missing) > 0 {
			entry += ", missing: " + yamlList(p.Missing)
		}
		if p.Numbers != nil {
			entry += ", numbers: " + yamlFormat(p.Numbers)
		}
		line("  - {%s} # %s", entry, p.describe())
	}
	for _, text := range g.leftOut() {
		line("  # %s", text)
	}
	return []byte(b.String())
}

// yamlText writes a text as YAML, in quotes where YAML would read it as something else.
func yamlText(s string) string {
	plain := s != "" && strings.Trim(strings.ToLower(s[:1]), "abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_ ") == "" && s[0] != ' ' && s[len(s)-1] != ' '
	if plain && !boundedyaml.Keyword(s) {
		return s
	}
	return yamlQuoted(s)
}

func yamlList(texts []string) string {
	var quoted []string
	for _, text := range texts {
		quoted = append(quoted, yamlQuoted(text))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func yamlFormat(f *literal.Format) string {
	var keys []string
	for _, k := range []struct{ key, text string }{{"decimal", f.Decimal}, {"thousands", f.Thousands}, {"affix", f.Affix}} {
		if k.text != "" {
			keys = append(keys, k.key+": "+yamlQuoted(k.text))
		}
	}
	if f.Parentheses {
		keys = append(keys, "parentheses: true")
	}
	if f.Footnotes {
		keys = append(keys, "footnotes: true")
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

func yamlQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
