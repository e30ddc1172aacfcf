package web

import (
	"math"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// figures writes the values of a column for people: numbers with the same decimals in all
// rows, counts with commas, years without.
type figures struct {
	c        *question.Column
	decimals int  // of numbers
	exponent bool // the numbers are too small or too large for decimals
	commas   bool
}

// maxDecimals bounds the decimals of numbers, unless they are all below 1.
const maxDecimals = 2

func figuresOf(c *question.Column) figures {
	f := figures{c: c, commas: c.Role == question.RoleValue && c.Shows != question.ShowsRank}
	if c.Type != question.Number {
		return f
	}
	greatest := 0.0
	for i, v := range c.Numbers {
		if !c.Present(i) {
			continue
		}
		greatest = max(greatest, math.Abs(v))
		for f.decimals < maxDecimals && math.Round(v*math.Pow10(f.decimals))/math.Pow10(f.decimals) != v {
			f.decimals++
		}
	}
	const least, most = 1e-6, 1e15
	switch {
	case greatest == 0 || greatest >= 1 && greatest < most:
	case greatest >= most || greatest < least:
		f.exponent = true
	default:
		f.decimals = max(f.decimals, maxDecimals-int(math.Floor(math.Log10(greatest))))
	}
	return f
}

// at returns row i without its unit, "" if it has no value.
func (f *figures) at(i int) string {
	if !f.c.Present(i) {
		return ""
	}
	text := ""
	switch f.c.Type {
	case question.String:
		return question.Visible(f.c.Dict[f.c.Codes[i]])
	case question.Integer:
		text = strconv.FormatInt(f.c.Integers[i], 10)
	default:
		if f.exponent {
			return strconv.FormatFloat(f.c.Numbers[i], 'g', 4, 64)
		}
		text = strconv.FormatFloat(f.c.Numbers[i], 'f', f.decimals, 64)
	}
	if f.commas {
		return thousands(text)
	}
	return text
}

// with returns row i with its unit.
func (f *figures) with(i int) string {
	text := f.at(i)
	if unit := question.Visible(f.c.Unit); text != "" && unit != "" {
		return text + "\u00a0" + unit
	}
	return text
}

// titleOf returns what a column is called for people.
func titleOf(c *question.Column) string {
	if c.Title != "" {
		return question.Visible(c.Title)
	}
	return strings.ReplaceAll(question.Visible(c.Name), "_", " ")
}
