package dataset

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Hints is what the user knows of a file; what is "" is guessed. Columns are given
// by their header, or by the name that Guess makes of it.
type Hints struct {
	Name    string // of the dataset; "": of the file
	Measure string
	Group   string
	// Indicator, Category and Stratum may be NoColumn.
	Indicator, Category, Stratum string
	Best                         string // BestHighest, BestLowest; "" is BestHighest
}

// NoColumn says that no column plays a role.
const NoColumn = "none"

// Draft is a descriptor that was guessed.
type Draft struct {
	*Descriptor

	Rows int
	YAML []byte // the descriptor, with comments, as a person would write it
}

// Guess reads a CSV, Parquet or Arrow file to its end and writes a descriptor for it.
// progress, if not nil, is told how many bytes of a CSV file were read. It takes
// memory by the columns, not by the rows. The error says which of Hints would help
// where something cannot be guessed.
func Guess(ctx context.Context, path string, h Hints, progress func(bytes int64)) (*Draft, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	draft, err := guess(ctx, f, h, progress)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return draft, nil
}

func guess(ctx context.Context, f *os.File, h Hints, progress func(int64)) (*Draft, error) {
	in := bufio.NewReaderSize(f, csvBuffer)
	start, err := in.Peek(len(arrowMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	columns, err := openColumns(f, string(start))
	switch {
	case errors.Is(err, errOurs):
		return nil, errors.New("it has its descriptor inside: serve it as it is")
	case err != nil:
		return nil, err
	case columns == nil:
		if columns, err = openCSV(ctx, in, progress); err != nil {
			return nil, err
		}
	}
	defer columns.close()
	g := &guesser{hints: h, file: filepath.Base(f.Name())}
	if err := g.profile(ctx, columns); err != nil {
		return nil, err
	}
	if err := g.decide(); err != nil {
		return nil, err
	}
	return g.draft()
}

// csvFile is a CSV file as columns of text.
type csvFile struct {
	source  *source
	records *csv.Reader
	names   []field
}

func openCSV(ctx context.Context, r io.Reader, progress func(int64)) (columnar, error) {
	c := &csvFile{source: &source{ctx: ctx, r: r, progress: progress, left: csvBuffer}}
	records, header, err := c.source.start()
	if err != nil {
		return nil, err
	}
	c.records = records
	for _, h := range header {
		c.names = append(c.names, field{name: strings.Clone(strings.TrimSpace(h))})
	}
	return c, nil
}

func (c *csvFile) fields() []field { return c.names }

func (c *csvFile) close() {}

func (c *csvFile) scan(_ context.Context, chosen []int, add func(int, cell) error) error {
	for {
		record, err := c.source.record(c.records)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(record) != len(c.names) {
			return raggedRow(c.source.line, len(record), len(c.names))
		}
		for k, at := range chosen {
			if err := add(k, textCell(record[at])); err != nil {
				return err
			}
		}
	}
}

// profile is what the values of one column are like.
type profile struct {
	Column

	header   string
	leftOut  string // why
	kind     question.Type
	rows     int
	missing  int
	texts    int    // values that are no numbers
	odd      string // the first of them
	oddRow   int
	decimals int  // values that are numbers and no integers
	padded   bool // a value such as 0123, which is a code
	min, max float64
	longest  int // bytes
	distinct map[uint64]struct{}
}

// maxDistinct is up to how many different values are counted.
const maxDistinct = 100_000

func (p *profile) see(seed maphash.Seed, c cell) {
	p.rows++
	if c.kind == aText && strings.TrimSpace(c.text) == "" {
		c.kind = missing
	}
	if c.kind == missing {
		p.missing++
		return
	}
	number, isNumber := 0.0, true
	var sum uint64
	switch c.kind {
	case anInteger:
		number, sum = float64(c.integer), uint64(c.integer)
	case aNumber:
		number, sum = c.number, math.Float64bits(c.number)
		if number != math.Trunc(number) {
			p.decimals++
		}
	default:
		p.longest = max(p.longest, len(c.text))
		sum = maphash.String(seed, c.text)
		number, isNumber = p.seeText(strings.TrimSpace(c.text))
	}
	if len(p.distinct) < maxDistinct {
		p.distinct[sum] = struct{}{}
	}
	if isNumber {
		p.min, p.max = min(p.min, number), max(p.max, number)
	}
}

// seeText returns what the text is as a number.
func (p *profile) seeText(text string) (float64, bool) {
	if strings.Trim(text, "0123456789+-.eE") == "" {
		if len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9' {
			p.padded = true
		}
		if v, err := parseInteger(text); err == nil {
			return float64(v), true
		}
		if v, err := parseNumber(text); err == nil {
			p.decimals++
			return v, true
		}
	}
	if p.texts == 0 {
		p.odd, p.oddRow = strings.Clone(text[:min(len(text), maxHeader)]), p.rows
	}
	p.texts++
	return 0, false
}

// settle decides what the type is.
func (p *profile) settle() {
	p.Type = p.kind
	if p.kind == "" {
		switch {
		case p.texts > 0 || p.padded || p.missing == p.rows:
			p.Type = question.String
		case p.decimals > 0:
			p.Type = question.Number
		default:
			p.Type = question.Integer
		}
	}
}

func (p *profile) isYear() bool {
	return p.Type == question.Integer && p.missing < p.rows && p.min >= 1500 && p.max <= 2200
}

// describe is the comment beside the column.
func (p *profile) describe() string {
	if p.missing == p.rows {
		return "no value at all"
	}
	var text string
	switch {
	case p.Type != question.String:
		text = fmt.Sprintf("%v to %v", p.min, p.max)
	case len(p.distinct) == maxDistinct:
		text = fmt.Sprintf("%d different values or more", maxDistinct)
	default:
		text = fmt.Sprintf("%d different values", len(p.distinct))
	}
	if p.missing > 0 {
		text += fmt.Sprintf(", %d missing", p.missing)
	}
	if n := p.rows - p.missing; p.kind == "" && p.texts > 0 && !p.padded && p.texts*10 < n {
		text += fmt.Sprintf("; numbers but for %d, the first %s in row %d: correct them for the type number", p.texts, quote(p.odd), p.oddRow)
	}
	return text
}

// guesser makes a descriptor.
type guesser struct {
	hints   Hints
	file    string // its name
	columns []*profile
	rows    int

	measure, group, indicator, category, stratum *profile
}

// profile reads all values.
func (g *guesser) profile(ctx context.Context, t columnar) error {
	seed := maphash.MakeSeed()
	var chosen []int
	var kept []*profile
	count := map[string]int{}
	for _, f := range t.fields() {
		count[strings.TrimSpace(f.name)]++
	}
	names := map[string]bool{}
	for i, f := range t.fields() {
		p := &profile{header: strings.TrimSpace(f.name), kind: f.kind, min: math.Inf(1), max: math.Inf(-1), distinct: map[uint64]struct{}{}}
		g.columns = append(g.columns, p)
		switch bad := checkText("", p.header, maxHeader); {
		case p.header == "":
			p.leftOut = "it has no header"
		case bad != nil:
			p.header, p.leftOut = quote(p.header), "its header cannot be used: "+bad.reason
		case count[p.header] > 1:
			p.leftOut = fmt.Sprintf("this header stands there %d times", count[p.header])
		case f.refused != "":
			p.leftOut = f.refused
		case len(kept) == question.MaxColumns:
			p.leftOut = fmt.Sprintf("a dataset has at most %d columns", question.MaxColumns)
		default:
			p.Name = nameOf(p.header, "column", names)
			chosen, kept = append(chosen, i), append(kept, p)
		}
	}
	err := t.scan(ctx, chosen, func(k int, c cell) error {
		kept[k].see(seed, c)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range kept {
		g.rows = max(g.rows, p.rows)
		p.settle()
		if p.longest > maxField {
			p.leftOut = fmt.Sprintf("a value has %d bytes; at most %d", p.longest, maxField)
		}
	}
	if g.rows == 0 {
		return errors.New("it has no rows: nothing can be guessed from a header alone")
	}
	return nil
}

// nameOf makes a name of a text: "Life expectancy (years)" is life_expectancy_years.
func nameOf(text, fallback string, taken map[string]bool) string {
	var b strings.Builder
	lower := false // the last one was a lower-case letter
	for _, r := range norm.NFD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r): // an accent
			continue
		case r >= 'A' && r <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		lower = r >= 'a' && r <= 'z'
		if b.Len() >= question.MaxNameLen-4 {
			break
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		name = fallback
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = fallback[:1] + name
	}
	base := name
	for n := 2; taken[name]; n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	taken[name] = true
	return name
}

// Words in the names of columns, by what they tell.
var (
	measureWords   = []string{"value", "measure", "amount", "score", "rate", "share", "percent", "mean", "average", "total", "price", "sales", "revenue", "result"}
	groupWords     = []string{"location", "state", "country", "region", "province", "county", "city", "place", "school", "club", "team", "store", "shop", "station", "site", "branch", "company", "customer", "group", "entity", "ecole", "pays", "ville", "commune", "departement"}
	indicatorWords = []string{"question", "indicator", "metric", "variable", "series"}
	categoryWords  = []string{"category", "stratification_category", "breakdown"}
	stratumWords   = []string{"stratum", "stratification", "subgroup"}
	notMeasured    = []string{"id", "date", "time", "timestamp", "ts", "period", "code", "zip", "year", "month", "day", "week", "quarter", "hour", "lat", "latitude", "lon", "longitude", "low", "high", "lower", "upper", "limit", "size", "number", "index", "rank", "age", "grade", "error", "abbr", "abbreviation"}
)

// has reports whether the name has one of the words; earlier ones tell more: 0 is
// none.
func (p *profile) has(words []string) int {
	parts := strings.FieldsFunc(p.Name, func(r rune) bool { return r == '_' || r >= '0' && r <= '9' })
	for i, w := range words {
		if strings.Contains(w, "_") && strings.HasPrefix(p.Name, w) || slices.Contains(parts, w) || slices.Contains(parts, w+"s") {
			return len(words) - i
		}
	}
	return 0
}

// find returns the column that the user named.
func (g *guesser) find(flag, given string) (*profile, error) {
	var names []string
	for _, p := range g.columns {
		if p.leftOut != "" {
			if p.header == given {
				return nil, fmt.Errorf("--%s: %s cannot be used: %s", flag, quote(given), p.leftOut)
			}
			continue
		}
		if p.header == given || p.Name == given {
			return p, nil
		}
		names = append(names, p.header)
	}
	return nil, fmt.Errorf("--%s: there is no column %s; there are %s", flag, quote(given), list(names))
}

// decide says who plays which role.
func (g *guesser) decide() error {
	var err error
	if g.measure, err = g.decideMeasure(); err != nil {
		return err
	}
	optional := []struct {
		flag, given string
		words       []string
		to          **profile
	}{
		{"indicator", g.hints.Indicator, indicatorWords, &g.indicator},
		{"category", g.hints.Category, categoryWords, &g.category},
		{"stratum", g.hints.Stratum, stratumWords, &g.stratum},
	}
	// What the user says comes before what is guessed.
	if g.hints.Group != "" {
		if g.group, err = g.string("group", g.hints.Group); err != nil {
			return err
		}
	}
	for _, o := range optional {
		if o.given != "" && o.given != NoColumn {
			if *o.to, err = g.string(o.flag, o.given); err != nil {
				return err
			}
		}
	}
	for _, o := range optional {
		if o.given == "" {
			*o.to = g.best(o.words)
		}
	}
	if g.group == nil {
		if g.group, err = g.decideGroup(); err != nil {
			return err
		}
	}
	if g.stratum == nil && g.hints.Stratum == "" { // the pieces of something, if anything is
		for _, p := range g.strings() {
			if n := len(p.distinct); n >= 2 && n <= 50 && n*2 <= g.rows && p.has(notMeasured) == 0 {
				g.stratum = p
				break
			}
		}
	}
	return nil
}

// string returns the column that the user named, as a string column of its own.
func (g *guesser) string(flag, given string) (*profile, error) {
	p, err := g.find(flag, given)
	if err != nil {
		return nil, err
	}
	if g.plays(p) {
		return nil, fmt.Errorf("--%s: the column %s has another role already; each has a column of its own", flag, quote(given))
	}
	p.Type = question.String
	return p, nil
}

func (g *guesser) plays(p *profile) bool {
	return p == g.measure || p == g.group || p == g.indicator || p == g.category || p == g.stratum
}

// strings returns the string columns that have values and no role yet.
func (g *guesser) strings() []*profile {
	var out []*profile
	for _, p := range g.columns {
		if p.leftOut == "" && p.Type == question.String && p.missing < p.rows && !g.plays(p) {
			out = append(out, p)
		}
	}
	return out
}

// best returns the string column whose name tells the most, nil where none does. Of
// state and state_id it is the former.
func (g *guesser) best(words []string) *profile {
	var found *profile
	most := 0
	for _, p := range g.strings() {
		n := p.has(words)
		if p.has(notMeasured) == 0 {
			n *= 2 * len(words)
		}
		if n > most {
			found, most = p, n
		}
	}
	return found
}

func (g *guesser) decideMeasure() (*profile, error) {
	if g.hints.Measure != "" {
		p, err := g.find("measure", g.hints.Measure)
		if err == nil && p.Type == question.String {
			return nil, fmt.Errorf("--measure: %s holds texts, such as %s in row %d; a measure is numbers", quote(p.header), quote(p.odd), p.oddRow)
		}
		return p, err
	}
	var all, named, numbers []*profile
	for _, p := range g.columns {
		if p.leftOut != "" || p.Type == question.String || p.missing == p.rows || p.isYear() || p.has(notMeasured) > 0 {
			continue
		}
		all = append(all, p)
		if p.has(measureWords) > 0 {
			named = append(named, p)
		}
		if p.Type == question.Number {
			numbers = append(numbers, p)
		}
	}
	for _, few := range [][]*profile{all, named, numbers} {
		if len(few) == 1 {
			return few[0], nil
		}
	}
	if len(all) > 1 {
		return nil, fmt.Errorf("it cannot be guessed what is averaged: say --measure with one of %s", g.headers(all))
	}
	for _, p := range g.columns {
		if p.leftOut == "" && p.Type != question.String && p.missing < p.rows {
			all = append(all, p)
		}
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("it cannot be guessed what is averaged: say --measure with one of %s", g.headers(all))
	}
	for _, p := range g.columns {
		if p.leftOut == "" && p.texts > 0 && p.texts < p.rows-p.missing {
			return nil, fmt.Errorf("no column holds numbers alone, and one has to: %s has %s in row %d", quote(p.header), quote(p.odd), p.oddRow)
		}
		if p.leftOut == "" && strings.Contains(p.odd, ",") && strings.Trim(p.odd, "0123456789+-,") == "" {
			return nil, fmt.Errorf("no column holds numbers, and one has to: %s has %s in row %d; numbers have a decimal point, and no separators of thousands",
				quote(p.header), quote(p.odd), p.oddRow)
		}
	}
	return nil, errors.New("no column holds numbers, and one has to: the measure, of which means are made")
}

func (g *guesser) headers(of []*profile) string {
	var names []string
	for _, p := range of {
		names = append(names, p.header)
	}
	return list(names)
}

func (g *guesser) decideGroup() (*profile, error) {
	if p := g.best(groupWords); p != nil {
		return p, nil
	}
	candidates := slices.DeleteFunc(g.strings(), func(p *profile) bool { return p.has(notMeasured) > 0 })
	if len(candidates) == 0 {
		candidates = g.strings()
	}
	if len(candidates) == 1 {
		return candidates[0], nil
	}
	for _, p := range candidates {
		if n := len(p.distinct); n >= 2 && n*2 <= g.rows {
			return p, nil
		}
	}
	var rest []*profile
	for _, p := range g.columns {
		if p.leftOut == "" && !g.plays(p) {
			rest = append(rest, p)
		}
	}
	if len(rest) == 0 {
		var why strings.Builder
		for _, p := range g.columns {
			if p.leftOut != "" {
				fmt.Fprintf(&why, "; %s cannot: %s", quote(p.header), p.leftOut)
			}
		}
		return nil, errors.New("it has one column that can be used; a dataset has two at least: what is averaged, and the groups that are compared" + why.String())
	}
	return nil, fmt.Errorf("it cannot be guessed which groups are compared: say --group with one of %s", g.headers(rest))
}

// draft makes the descriptor.
func (g *guesser) draft() (*Draft, error) {
	base := strings.TrimSuffix(g.file, filepath.Ext(g.file))
	d := &Descriptor{
		Name:  cmp.Or(g.hints.Name, nameOf(base, "dataset", map[string]bool{})),
		Title: strings.ToValidUTF8(strings.Map(printable, base), "?"),
		Roles: &Roles{Best: cmp.Or(g.hints.Best, BestHighest)},
		Sort:  g.group.Name,
	}
	players := map[string]*profile{"group": g.group, "measure": g.measure, "indicator": g.indicator, "category": g.category, "stratum": g.stratum}
	names := map[string]bool{}
	for _, p := range g.columns {
		names[p.Name] = true
	}
	for _, part := range parts { // nobody else has the name that plugins use
		for _, p := range g.columns {
			if p.leftOut == "" && p.Name == part.seed && p != players[part.key] {
				p.Name = nameOf(p.Name+"_column", "column", names)
			}
		}
	}
	for _, part := range parts {
		if p := players[part.key]; p != nil {
			*part.of(d.Roles) = p.Name
		}
	}
	if g.indicator != nil {
		d.Sort = g.indicator.Name // a question selects one of its values
	}
	d.Sort = cmp.Or(d.Sort, g.group.Name)
	for _, p := range g.columns {
		if p.leftOut != "" {
			continue
		}
		if p.header != p.Name {
			p.Header = p.header
		}
		p.Title = title(p.header)
		switch {
		case p == g.measure:
			p.Role = question.RoleMeasure
		case p.Type == question.String && (g.plays(p) || len(p.distinct) < maxDistinct), p.isYear(),
			p.Type == question.Integer && p.has(notMeasured) > 0 && len(p.distinct) <= 1000:
			p.Role = question.RoleDimension
		}
		d.Columns = append(d.Columns, p.Column)
	}
	text := g.yaml(d)
	again, err := ParseDescriptor(text)
	if err != nil {
		return nil, fmt.Errorf("no descriptor can be made of it: %w", err)
	}
	return &Draft{Descriptor: again, Rows: g.rows, YAML: text}, nil
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// title is a header for people: "sales_eur" is "Sales eur".
func title(header string) string {
	text := strings.TrimSpace(strings.ReplaceAll(header, "_", " "))
	if text == "" {
		return header
	}
	runes := []rune(text)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// yaml writes the descriptor as a person would.
func (g *guesser) yaml(d *Descriptor) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s, %d rows, as `lestats data init` read it. What it guessed is yours to correct.", strings.Map(printable, g.file), g.rows)
	line("name: %s", yamlText(d.Name))
	line("title: %s", yamlText(d.Title))
	line("# source: where the figures come from")
	line("# license: what one may do with them")
	line("sort: %s", yamlText(d.Sort))
	line("# What the built-in questions are about, as columns of below.")
	line("roles:")
	line("  group: %s # where the questions speak of states: its values are compared", yamlText(g.group.Name))
	line("  measure: %s # what is averaged", yamlText(g.measure.Name))
	for _, r := range []struct {
		key, what string
		p         *profile
	}{
		{"indicator", "what a row's figure measures, where a file has several measures below each other", g.indicator},
		{"category", "in which way the rows of a group are cut into pieces", g.category},
		{"stratum", "the pieces: mean_by_category has a mean for each", g.stratum},
	} {
		if r.p != nil {
			line("  %s: %s # %s", r.key, yamlText(r.p.Name), r.what)
		} else {
			line("  # %s: %s; there seems to be none", r.key, r.what)
		}
	}
	line("  best: %s # which means best5 has: highest or lowest", d.Roles.Best)
	line("# `where` may name a dimension. Units (unit: kg) are for you to add.")
	line("columns:")
	for _, p := range g.columns {
		if p.leftOut != "" {
			line("  # left out: %s: %s", quote(p.header), p.leftOut)
			continue
		}
		entry := fmt.Sprintf("name: %s, title: %s, type: %s", yamlText(p.Name), yamlText(p.Title), p.Type)
		if p.Role != question.RoleNone {
			entry += ", role: " + string(p.Role)
		}
		if p.Header != "" {
			entry += ", header: " + yamlText(p.Header)
		}
		line("  - {%s} # %s", entry, p.describe())
	}
	return []byte(b.String())
}

// yamlText is a text in YAML, in quotes where it could be read otherwise.
func yamlText(s string) string {
	plain := s != "" && strings.Trim(strings.ToLower(s[:1]), "abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_ ") == "" && s[0] != ' ' && s[len(s)-1] != ' '
	if plain && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
