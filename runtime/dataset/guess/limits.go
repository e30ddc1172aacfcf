package guess

import (
	"maps"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Words in the names of columns that say how sure a figure is. Low and high alone are not
// enough: so are the prices of a share called.
var (
	intervalWords = []string{"ci", "cl", "confidence", "conf", "interval", "lcl", "lci", "ucl", "uci"}
	lowWords      = []string{"low", "lower", "lcl", "lci"}
	highWords     = []string{"high", "upper", "ucl", "uci"}
	askedWords    = []string{"respondents", "asked"}
	// A column of years is the time of its rows if its name has no other words: birth_year is
	// something else.
	periodWords = append([]string{"time", "period", "periods", "years", "s", "start", "end", "first", "last", "begin", "from", "to", "data", "survey", "reference", "reporting", "fiscal", "calendar"}, yearWords...)
)

// has reports whether the name has one of the words.
func (p *profile) has(words []string) bool {
	return slices.ContainsFunc(p.words(), func(part string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return isWord(part, w) })
	})
}

// decideSureness assigns the roles low, high, asked and time where the file leaves no doubt.
// A wrong limit would be worse than none.
func (g *guesser) decideSureness() {
	measure := g.roles["measure"]
	low, high := g.only(func(p *profile) bool { return p.isLimit(lowWords) }), g.only(func(p *profile) bool { return p.isLimit(highWords) })
	if low != nil && high != nil && low != high && low.min <= measure.min && low.max <= high.max && low.min <= high.min && measure.max <= high.max {
		g.choose("low", low, "by its name", nil)
		g.choose("high", high, "by its name", nil)
	}
	asked := g.only(func(p *profile) bool {
		return p.Type == question.Integer && p.min >= 0 && (p.has(askedWords) || p.has([]string{"sample"}) && p.has([]string{"size"}))
	})
	if asked != nil {
		g.choose("asked", asked, "by its name", nil)
	}
	if time := g.time(); time != nil {
		g.choose("time", time, "the only column of years", nil)
	}
}

// isLimit reports whether the column holds limits of confidence intervals; words are those of
// the lower or the upper ones.
func (p *profile) isLimit(words []string) bool {
	return p.Type != question.String && p.has(intervalWords) && p.has(words) && (!p.has(lowWords) || !p.has(highWords))
}

// isPeriod reports whether the name says that the column holds times, and nothing else.
func (p *profile) isPeriod() bool {
	return p.has(periodWords) && !slices.ContainsFunc(p.words(), func(part string) bool { return !slices.Contains(periodWords, part) })
}

// only returns the column that fits and has values and no role yet, nil if there is none or
// several.
func (g *guesser) only(fits func(*profile) bool) *profile {
	var found *profile
	for _, p := range g.columns {
		if p.skipReason != "" || p.present() == 0 || g.hasRole(p) || !fits(p) {
			continue
		}
		if found != nil {
			return nil
		}
		found = p
	}
	return found
}

// time returns the column of years, nil if there is none or several. Of columns with the same
// years, such as the first and the last year of a survey of one year, it is the first.
func (g *guesser) time() *profile {
	var first *profile
	for _, p := range g.columns {
		if p.skipReason != "" || p.Type != question.Integer || p.present() == 0 || g.hasRole(p) || !p.isYear() || !p.isPeriod() {
			continue
		}
		if first != nil && !maps.Equal(first.distinct, p.distinct) {
			return nil
		}
		if first == nil {
			first = p
		}
	}
	return first
}
