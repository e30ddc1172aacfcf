package guess

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// find returns the column that the user named.
func (g *guesser) find(flag, given string) (*profile, error) {
	var names []string
	for _, p := range g.columns {
		if p.skipReason != "" {
			if p.header == given {
				return nil, fmt.Errorf("--%s: %s cannot be used: %s", flag, literal.Quote(given), p.skipReason)
			}
			continue
		}
		if p.header == given || p.Name == given {
			return p, nil
		}
		names = append(names, p.header)
	}
	return nil, fmt.Errorf("--%s: there is no column %s; the columns are %s", flag, literal.Quote(given), literal.List(names))
}

// Choice is the column that plays a role, and why.
type Choice struct {
	Role    string   // key of the descriptor
	Column  string   // its name there; its header too, if that is another: c2011 "2011"
	Why     string   // a phrase; "" if the user named the column
	Others  []string // headers of columns that could play it too, the likeliest first
	Example string   // of the indicator: its first value, if it has several
}

// maxOthers is how many other columns a Choice lists.
const maxOthers = 6

// choose records a choice.
func (g *guesser) choose(role string, p *profile, why string, ranked []*profile) {
	c := Choice{Role: role, Why: why}
	for _, other := range ranked {
		if other != p && other.unreadable == "" && len(c.Others) < maxOthers {
			c.Others = append(c.Others, other.header)
		}
	}
	if role == "indicator" && len(p.distinct) > 1 {
		c.Example = p.firstText
	}
	g.roles[role] = p
	g.choices = append(g.choices, c)
}

// decide assigns a column to each role.
func (g *guesser) decide() error {
	g.roles = map[string]*profile{}
	for _, p := range g.columns {
		if !p.skipped() {
			p.holds = p.kindOf()
		}
	}
	if err := g.decideMeasure(); err != nil {
		return err
	}
	texts := []struct {
		key, given string
		words      []string
	}{
		{"group", g.hints.Group, groupWords},
		{"indicator", g.hints.Indicator, indicatorWords}, {"category", g.hints.Category, categoryWords}, {"stratum", g.hints.Stratum, stratumWords},
	}
	for _, r := range texts { // hints take precedence over guesses
		if r.given != "" && (r.given != NoColumn || r.key == "group") {
			p, err := g.stringColumn(r.key, r.given)
			if err != nil {
				return err
			}
			g.choose(r.key, p, "", nil)
		}
	}
	if g.roles["group"] == nil {
		if err := g.decideGroup(); err != nil {
			return err
		}
	}
	for _, r := range texts[1:] {
		if r.given == "" {
			if p := g.bestByName(r.words); p != nil {
				g.choose(r.key, p, "by its name", nil)
			}
		}
	}
	if g.roles["stratum"] == nil && g.hints.Stratum == "" { // any suitable column
		for _, p := range g.freeStringColumns() {
			if n := len(p.distinct); n >= 2 && n <= 50 && n*2 <= g.rows && p.holds == isFigure {
				g.choose("stratum", p, "the next text with few values", nil)
				break
			}
		}
	}
	g.decideSureness()
	return nil
}

// stringColumn returns the column that the user named, read as strings.
func (g *guesser) stringColumn(flag, given string) (*profile, error) {
	p, err := g.find(flag, given)
	if err != nil {
		return nil, err
	}
	if g.hasRole(p) {
		return nil, fmt.Errorf("--%s: the column %s already has another role; each role needs its own column", flag, literal.Quote(given))
	}
	p.asText()
	return p, nil
}

func (g *guesser) hasRole(p *profile) bool {
	return slices.Contains(slices.Collect(maps.Values(g.roles)), p)
}

// freeStringColumns returns the string columns that have values and no role yet.
func (g *guesser) freeStringColumns() []*profile {
	var out []*profile
	for _, p := range g.columns {
		if p.skipReason == "" && p.Type == question.String && p.missing < p.rows && !g.hasRole(p) {
			out = append(out, p)
		}
	}
	return out
}

// bestByName returns the string column whose name fits the words best, or nil. It
// prefers state to state_id.
func (g *guesser) bestByName(words []string) *profile {
	var found *profile
	most := 0
	for _, p := range g.freeStringColumns() {
		n := p.wordScore(words)
		if p.holds != isCode {
			n *= 2 * len(words)
		}
		if n > most {
			found, most = p, n
		}
	}
	return found
}

// Ranks of a measure, the likeliest first. data/README.md documents them.
const (
	byName   = iota // a word such as value or rate
	newest          // the newest of several years
	fraction        // numbers with fractions
	whole
	few       // whole numbers with few different values, which may be groups
	allDiffer // whole numbers that all differ, as ids do
	companion // a limit, an error, an age
	flag      // 0 and 1
	sparse    // most rows have no value, and the name does not help
	unranked  // not a measure
)

// measureRank returns how likely the column is the measure, and why it is if it is chosen.
// years are the columns whose headers are years.
func (g *guesser) measureRank(p *profile, years int) (rank int, why string) {
	numeric := p.Type != question.String || p.isUndecided()
	switch {
	case p.skipped() || !numeric || p.present() == 0 || p.inexact != "" || p.holds != isFigure:
		return unranked, ""
	case p.present()*2 < p.rows && (p.wordScore(measureWords) == 0 || p.wordScore(companions) > 0):
		return sparse, "it has values in fewer than half of the rows, as have all other columns of numbers"
	case years > 1 && p.isHeaderTime():
		return newest, "the newest of " + strconv.Itoa(years) + " columns named by time"
	case p.wordScore(companions) > 0, p.isNamed(labelWords) && p.Type == question.Integer && len(p.distinct) <= maxFew:
		return companion, "no column of numbers is likelier"
	case p.wordScore(measureWords) > 0:
		return byName, "by its name"
	case p.Type == question.Integer && p.min >= 0 && p.max <= 1:
		return flag, "only columns of 0 and 1 hold numbers"
	case p.decimals > 0 || p.Type == question.Number || p.isUndecided(): // 12.0 is no fraction: pandas writes integers so
		return fraction, "the first column of numbers with fractions"
	case len(p.distinct) <= maxFew && len(p.distinct)*2 <= p.present():
		return few, "no column of numbers is likelier"
	case p.allDiffer() && p.rows >= minSequence:
		return allDiffer, "no column of numbers is likelier"
	default:
		return whole, "the first column of whole numbers"
	}
}

func (g *guesser) decideMeasure() error {
	if g.hints.Measure != "" {
		p, err := g.find("measure", g.hints.Measure)
		switch {
		case err != nil:
			return err
		case p.Type == question.String:
			return p.notMeasureError()
		case p.inexact != "":
			return fmt.Errorf("--measure: %s: %w", literal.Quote(p.header), literal.Inexact(p.inexact))
		}
		g.choose("measure", p, "", nil)
		return nil
	}
	years := 0
	for _, p := range g.columns {
		if !p.skipped() && p.Type != question.String && p.isHeaderTime() {
			years++
		}
	}
	var ranked []*profile
	ranks, whys := map[*profile]int{}, map[*profile]string{}
	for _, p := range g.columns {
		if ranks[p], whys[p] = g.measureRank(p, years); ranks[p] < unranked {
			ranked = append(ranked, p)
		}
	}
	slices.SortStableFunc(ranked, func(a, b *profile) int {
		c := cmp.Compare(ranks[a], ranks[b])
		switch {
		case c != 0:
		case ranks[a] == byName:
			c = compareWords(a, b, measureWords)
		case ranks[a] == newest:
			c = g.compareTimes(b, a)
		}
		return c
	})
	var sure []*profile // without those that are not numbers throughout
	for _, p := range ranked {
		if !p.isUndecided() && p.unreadable == "" {
			sure = append(sure, p)
		}
	}
	switch {
	case len(ranked) == 0:
		return g.noMeasure()
	case ranked[0].unreadable != "":
		return ranked[0].unreadableError("measure")
	case ranked[0].isUndecided():
		return ranked[0].undecidedError(sure)
	}
	p := ranked[0]
	why := whys[p]
	if len(ranked) == 1 {
		why = "the only column of figures"
	}
	g.choose("measure", p, why, sure)
	return nil
}

// compareWords is negative if the name of a suggests the words more than that of b does: by
// an earlier word, or by the same with fewer others.
func compareWords(a, b *profile, words []string) int {
	return cmp.Or(cmp.Compare(b.wordScore(words), a.wordScore(words)), cmp.Compare(len(a.words()), len(b.words())))
}

// compareTimes compares the headers of two columns that are points in time: years by
// value; others are assumed to ascend.
func (g *guesser) compareTimes(a, b *profile) int {
	x, _ := a.headerTime()
	y, _ := b.headerTime()
	if x != "" && y != "" {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(slices.Index(g.columns, a), slices.Index(g.columns, b))
}

// isUndecided reports whether a column of a CSV would hold numbers, but for a few texts or
// an unclear format.
func (p *profile) isUndecided() bool {
	return p.kind == "" && p.Type == question.String && (p.mostlyNumbers() || p.formatReason != "" && p.texts == 0 && !p.leadingZeros)
}

// noMeasure is the error if no column can be the measure.
func (g *guesser) noMeasure() error {
	var others []string
	var first *profile
	for _, p := range g.columns {
		if p.skipReason == "" && p.Type != question.String && p.present() > 0 && p.inexact == "" {
			others = append(others, fmt.Sprintf("%s holds %s", literal.Quote(p.header), p.holds.what()))
			if first == nil {
				first = p
			}
		}
	}
	if first != nil {
		if len(others) > maxKinds {
			others = append(others[:maxKinds], fmt.Sprintf("and %d more", len(others)-maxKinds))
		}
		return fmt.Errorf("no column holds figures that can be averaged: %s; pass --measure with a column to average it all the same, such as --measure %s", strings.Join(others, ", "), literal.Quote(first.header))
	}
	for _, p := range g.columns {
		switch {
		case p.skipReason != "":
		case p.texts > 0 && p.numberCount() > 0:
			return fmt.Errorf("no column holds only numbers, and one must: %s has %s in row %d; correct it, or pass --missing %s if it means a missing value", literal.Quote(p.header), literal.Quote(p.firstText), p.firstTextRow, literal.Quote(p.firstText))
		case p.formatReason != "":
			return p.undecidedError(nil)
		}
	}
	return errors.New("no column holds numbers, and one must: the measure, which is averaged")
}

// notMeasureError is the error if the user names a column of texts as the measure.
func (p *profile) notMeasureError() error {
	switch {
	case p.formatReason != "" && p.isUndecided():
		return p.undecidedError(nil)
	case p.texts == 0 && p.inexact != "":
		return fmt.Errorf("--measure: %s: %w", literal.Quote(p.header), literal.Inexact(p.inexact))
	case p.texts == 0 && p.numberCount() == 0:
		return fmt.Errorf("--measure: %s holds no numbers: %d values are missing, and %d are %s", literal.Quote(p.header), p.missing, p.marked, p.marksText())
	case p.texts == 0:
		return fmt.Errorf("--measure: %s holds texts; if they are numbers, say so in the descriptor: type: number, role: measure", literal.Quote(p.header))
	}
	why := ""
	if p.mostlyNumbers() {
		why = ". If it means a missing value, pass --missing " + literal.Quote(p.firstText)
	}
	return fmt.Errorf("--measure: %s holds texts, such as %s in row %d; a measure must be numbers%s", literal.Quote(p.header), literal.Quote(p.firstText), p.firstTextRow, why)
}

// skipped reports whether the column has no part in the choice of roles. One that cannot
// be read has: if it is the likeliest, another column would take its place unnoticed.
func (p *profile) skipped() bool { return p.skipReason != p.unreadable }

// unreadableError is the error if p is the likeliest column for a role.
func (p *profile) unreadableError(role string) error {
	return fmt.Errorf("%s is likely to be the %s, and cannot be read: %s; or pass --%s with another column", p.label(), role, p.unreadable, role)
}

// undecidedError is the error if p is the likeliest measure and isUndecided; sure are the
// columns that could be averaged in its place.
func (p *profile) undecidedError(sure []*profile) error {
	instead := ""
	if len(sure) > 0 {
		instead = fmt.Sprintf("; --measure %s averages %s", literal.Quote(sure[0].header), literal.Quote(sure[0].header))
	}
	switch {
	case p.ambiguous:
		return fmt.Errorf(`cannot read %s: %s. Pass --decimal . if the mark before the fraction is a point in this file, or --decimal , if it is a comma%s`, literal.Quote(p.header), p.formatReason, instead)
	case p.texts == 0:
		return fmt.Errorf("cannot read %s as numbers: %s; correct it%s", literal.Quote(p.header), p.formatReason, instead)
	}
	if p.texts == 1 && p.firstTextRow == 1 {
		return fmt.Errorf("cannot guess which column to average: %s holds numbers except for %s in row 1. If that row is a second header, remove it; if it means a missing value, pass --missing %s%s",
			literal.Quote(p.header), literal.Quote(p.firstText), literal.Quote(p.firstText), instead)
	}
	return fmt.Errorf("cannot guess which column to average: %s holds numbers except for %d values, the first being %s in row %d. If that means a missing value, pass --missing %s; otherwise correct it%s",
		literal.Quote(p.header), p.texts, literal.Quote(p.firstText), p.firstTextRow, literal.Quote(p.firstText), instead)
}

func (g *guesser) headers(of []*profile) string {
	var names []string
	for _, p := range of {
		names = append(names, p.header)
	}
	return literal.List(names)
}

// Ranks of a group, the likeliest first. data/README.md documents them.
const (
	groupByName = iota // a word such as country
	repeated           // texts that repeat
	label              // texts that hardly repeat, such as names
	boolean            // yes and no
	otherRole          // its name says category or indicator
	times              // dates and parts of them
	fewIntegers        // whole numbers that repeat
	codes              // ids and codes
	prose              // sentences
	oneValue           // the same in every row
	notGrouped
)

// maxFew is how many different whole numbers may be groups if their name does not say so.
const maxFew = 10

// groupRank returns how likely the column is the group, and why it is if it is chosen.
func (g *guesser) groupRank(p *profile) (rank int, why string) {
	text := p.Type == question.String
	few := p.Type == question.Integer && len(p.distinct) > 1 && len(p.distinct)*2 <= p.present() && (len(p.distinct) <= maxFew || p.isNamed(labelWords) && len(p.distinct) <= 1000)
	switch {
	case p.skipped() || g.hasRole(p) || p.present() == 0 || p.formatReason != "" && p.isUndecided():
		return notGrouped, ""
	case len(p.distinct) == 1 && p.present() > 1:
		return oneValue, "no other column can be compared; it has one value"
	case text && (p.holds == isCode || p.holds == isCoordinate || p.isUndecided()), p.holds == isCode && p.Type == question.Integer && len(p.distinct)*2 <= p.present():
		return codes, "no column has names"
	case p.holds == isTime && (text || few || p.Type == question.Integer):
		return times, "no other column repeats: each point in time is a group"
	case !text && few:
		return fewIntegers, "the first column of whole numbers that repeat; none has names"
	case !text:
		return notGrouped, ""
	case p.isProse() && len(p.distinct)*2 > p.present():
		return notGrouped, ""
	case p.isProse():
		return prose, "no shorter text can be compared"
	case p.wordScore(indicatorWords) > 0 || p.wordScore(categoryWords) > 0 || p.wordScore(stratumWords) > 0:
		return otherRole, "no other text can be compared"
	case p.isBoolean():
		return boolean, "no other text can be compared"
	case p.wordScore(groupWords) > 0:
		return groupByName, "by its name"
	case len(p.distinct)*2 <= p.present():
		return repeated, "the first text that repeats"
	default:
		return label, "the first text"
	}
}

// decideGroup guesses the group.
func (g *guesser) decideGroup() error {
	var ranked []*profile
	ranks, whys := map[*profile]int{}, map[*profile]string{}
	for _, p := range g.columns {
		if ranks[p], whys[p] = g.groupRank(p); ranks[p] < notGrouped {
			ranked = append(ranked, p)
		}
	}
	if len(ranked) == 0 {
		return g.noGroup()
	}
	slices.SortStableFunc(ranked, func(a, b *profile) int {
		c := cmp.Compare(ranks[a], ranks[b])
		if c == 0 && ranks[a] == oneValue && a.isNamed(idWords) != b.isNamed(idWords) {
			if c = -1; a.isNamed(idWords) {
				c = 1
			}
		}
		switch {
		case c != 0:
		case ranks[a] == groupByName || ranks[a] == oneValue:
			c = compareWords(a, b, groupWords)
		case ranks[a] == otherRole: // the indicator is needed as such
			c = cmp.Compare(a.wordScore(indicatorWords), b.wordScore(indicatorWords))
		case ranks[a] == fewIntegers:
			c = cmp.Compare(b.wordScore(labelWords), a.wordScore(labelWords))
		}
		return c
	})
	p := ranked[0]
	if p.unreadable != "" {
		return p.unreadableError("group")
	}
	why := whys[p]
	if len(ranked) == 1 && ranks[p] < codes {
		why = "the only column that can be compared"
	}
	p.asText()
	g.choose("group", p, why, ranked)
	return nil
}

// asText makes the column one of texts.
func (p *profile) asText() {
	if p.Type != question.String {
		p.missing -= p.marked // marks are values of a text
	}
	p.Type, p.Numbers, p.Unit = question.String, nil, ""
}

// noGroup is the error if no column can be the group.
func (g *guesser) noGroup() error {
	var rest []*profile
	for _, p := range g.columns {
		if p.skipReason == "" && !g.hasRole(p) {
			rest = append(rest, p)
		}
	}
	if len(rest) == 0 {
		var why strings.Builder
		for _, p := range g.columns {
			if p.skipReason != "" {
				fmt.Fprintf(&why, "; %s cannot be used: %s", literal.Quote(p.header), p.skipReason)
			}
		}
		return errors.New("it has one usable column; a dataset needs at least two: one to average, and one with the groups to compare" + why.String())
	}
	return fmt.Errorf("no column has groups to compare: the others hold numbers or sentences that hardly repeat. Add a column that names the groups, or pass --group with one of %s to make each of its values a group", g.headers(rest))
}
