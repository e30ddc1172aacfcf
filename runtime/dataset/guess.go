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
	"maps"
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
	// Header says whether the first line of a CSV is its header; nil guesses that it is,
	// and refuses a file whose first line looks like a row.
	Header *bool
	// Missing are texts that stand for no value in columns of numbers, beside those that
	// Guess knows.
	Missing []string
}

// NoColumn says that no column plays a role.
const NoColumn = "none"

// Draft is a descriptor that was guessed.
type Draft struct {
	*Descriptor

	Rows  int
	YAML  []byte   // the descriptor, with comments, as a person would write it
	Notes []string // what the user should know of what was guessed, a sentence each
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
		if columns, err = openCSV(ctx, in, h.Header == nil || *h.Header, progress); err != nil {
			return nil, err
		}
	}
	defer columns.close()
	_, isCSV := columns.(*csvFile)
	g := &guesser{hints: h, file: filepath.Base(f.Name()), isCSV: isCSV, synthetic: Synthetic{All: columns.synthetic()}}
	if !isCSV && h.Header != nil {
		return nil, errors.New("--header and --no-header are of CSV files: in this one each column has its name")
	}
	if err := checkMissingTexts("--missing", h.Missing); err != nil {
		return nil, fmt.Errorf("--missing: %s", err.reason)
	}
	if err := g.profile(ctx, columns); err != nil {
		return nil, err
	}
	if isCSV && h.Header == nil {
		if err := g.checkHeader(); err != nil {
			return nil, err
		}
	}
	if g.rows == 0 {
		why := ""
		if slices.ContainsFunc(g.columns, func(p *profile) bool { return isNumber(p.header) }) {
			why = "; if its first line is a row, say --no-header"
		}
		return nil, errors.New("it has no rows: nothing can be guessed from a header alone" + why)
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

func openCSV(ctx context.Context, r io.Reader, hasHeader bool, progress func(int64)) (columnar, error) {
	c := &csvFile{source: &source{ctx: ctx, r: r, progress: progress, left: csvBuffer}}
	records, header, err := c.source.start(hasHeader)
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

func (c *csvFile) synthetic() bool { return c.source.synthetic }

func (c *csvFile) close() {}

func (c *csvFile) scan(_ context.Context, chosen []int, add func(int, cell) error) error {
	again := func(i int, text string) bool { return strings.TrimSpace(text) == c.names[i].name }
	for first := true; ; first = false {
		record, err := c.source.record(c.records)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(record) != len(c.names) {
			return raggedRow(c.source.line, len(record), len(c.names), first)
		}
		if isSame := again(0, record[0]); isSame {
			for i := range record {
				isSame = isSame && again(i, record[i])
			}
			if isSame {
				return repeatedHeader(c.source.line)
			}
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
	marks    map[string]int // values that look like marks for a missing value; settle decides whether they are
	marked   int            // how many values that are
	texts    int            // values that are no numbers and no marks
	kinds    map[string]int // the first few of those, and how many there are of each
	odd      string         // the first of them
	oddRow   int
	decimals int  // values that are numbers and no integers
	padded   bool // a value such as 0123, which is a code
	min, max float64
	longest  int    // bytes
	inexact  string // the first integer that no double is equal to
	says     string // the first value that says of its row that it is synthetic
	distinct map[uint64]struct{}
}

// maxDistinct is up to how many different values are counted.
const maxDistinct = 100_000

// maxKinds is up to how many texts that are no numbers are told apart.
const maxKinds = 4

// see takes notice of a value; given are marks that the user gave.
func (p *profile) see(seed maphash.Seed, given *marks, c cell) {
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
		number = float64(c.integer)
		if p.inexact == "" && !exact(c.integer) {
			p.inexact = strconv.FormatInt(c.integer, 10)
		}
		sum = uint64(c.integer)
		if given.integer(c.integer) {
			p.mark(strconv.FormatInt(c.integer, 10))
			isNumber = false
		}
	case aNumber:
		if given.number(c.number) {
			p.mark(strconv.FormatFloat(c.number, 'f', -1, 64))
			isNumber = false
		}
		number, sum = c.number, math.Float64bits(c.number)
		if number != math.Trunc(number) {
			p.decimals++
		}
	default:
		if c.integral && p.inexact == "" {
			p.inexact = strings.Clone(c.text)
		}
		p.longest = max(p.longest, len(c.text))
		sum = maphash.String(seed, c.text)
		number, isNumber = p.seeText(strings.TrimSpace(c.text), given)
	}
	if len(p.distinct) < maxDistinct {
		p.distinct[sum] = struct{}{}
	}
	if isNumber {
		p.min, p.max = min(p.min, number), max(p.max, number)
	}
}

// mark counts a mark for a missing value.
func (p *profile) mark(text string) {
	if p.marks == nil {
		p.marks = map[string]int{}
	}
	if _, ok := p.marks[text]; !ok {
		if len(p.marks) == maxMissing {
			return // there are not so many that are known
		}
		text = strings.Clone(text)
	}
	p.marks[text]++
	p.marked++
}

// seeText returns what the text is as a number.
func (p *profile) seeText(text string, given *marks) (float64, bool) {
	if isKnownMark(text) || given.text(text) {
		p.mark(text)
		return 0, false
	}
	if strings.Trim(text, "0123456789+-.eE") == "" {
		if len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9' {
			p.padded = true
		}
		if v, err := parseInteger(text); err == nil {
			if given.integer(v) {
				p.mark(text)
				return 0, false
			}
			if p.inexact == "" && !exact(v) {
				p.inexact = strings.Clone(text)
			}
			return float64(v), true
		}
		v, err := parseNumber(text)
		switch {
		case err == nil && given.number(v):
			p.mark(text)
			return 0, false
		case err == nil:
			p.decimals++
			return v, true
		case strings.Trim(text, "0123456789") == "" && p.inexact == "": // too large for an integer
			p.inexact = strings.Clone(text[:min(len(text), maxHeader)])
		}
	}
	if p.says == "" && len(text) <= maxHeader && strings.HasPrefix(text, "SYNTHETIC") {
		p.says = strings.Clone(text)
	}
	if _, ok := p.kinds[text]; ok {
		p.kinds[text]++
	} else if len(p.kinds) < maxKinds {
		if p.kinds == nil {
			p.kinds = map[string]int{}
		}
		p.kinds[strings.Clone(text)] = 1
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
	// A column of texts that are numbers is left as the file has it; marks among them are
	// why it has texts.
	if p.kind == "" || p.kind == question.String && p.marked > 0 {
		switch {
		case p.texts > 0 || p.padded || p.numbers() == 0 || p.decimals > 0 && p.inexact != "":
			p.Type = question.String
		case p.decimals > 0:
			p.Type = question.Number
		default:
			p.Type = question.Integer
		}
	}
	if p.Type != question.String {
		p.missing += p.marked
	}
}

// numbers is how many values are numbers.
func (p *profile) numbers() int {
	if p.Type == question.Number || p.Type == question.Integer {
		return p.rows - p.missing
	}
	return p.rows - p.missing - p.marked - p.texts
}

// nearly reports whether the column would be one of numbers but for few texts: one in
// ten values, half of them where they are a few texts again and again, or any part of
// them where it is one text again and again.
func (p *profile) nearly() bool {
	n := p.numbers()
	if p.Type != question.String || p.texts == 0 || p.padded || n == 0 {
		return false
	}
	if len(p.kinds) == 1 && p.kinds[p.odd] == p.texts && p.texts > 1 {
		return true
	}
	if n < 2 {
		return false
	}
	several := 0
	for _, count := range p.kinds {
		several += count
	}
	return p.texts*10 <= n || several == p.texts && len(p.kinds) < maxKinds && p.texts <= n
}

// isText reports whether the column holds texts that are numbers all the same.
func (p *profile) isText() bool {
	return p.kind == question.String && p.Type == question.String && p.texts == 0 && !p.padded && p.numbers() > 0
}

// marksText lists the marks, with how many of each.
func (p *profile) marksText() string {
	var out []string
	for _, text := range slices.Sorted(maps.Keys(p.marks)) {
		out = append(out, fmt.Sprintf("%s (%d)", quote(text), p.marks[text]))
	}
	return strings.Join(out, ", ")
}

func (p *profile) isYear() bool {
	return p.Type == question.Integer && p.missing < p.rows && p.min >= firstYear && p.max <= lastYear
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
		if p.marked > 0 && p.Type != question.String {
			text += ", " + p.marksText()
		}
	}
	if p.nearly() {
		text += fmt.Sprintf("; numbers but for %d, the first %s in row %d: correct them for the type number", p.texts, quote(p.odd), p.oddRow)
	}
	return text
}

// guesser makes a descriptor.
type guesser struct {
	hints   Hints
	file    string // its name
	isCSV   bool
	columns []*profile
	rows    int

	synthetic Synthetic
	notes     []string

	measure, group, indicator, category, stratum *profile
}

// profile reads all values.
func (g *guesser) profile(ctx context.Context, t columnar) error {
	seed := maphash.MakeSeed()
	given := newMarks(g.hints.Missing)
	var chosen []int
	var kept, seen []*profile
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
			if f.refused != "" {
				break
			}
			chosen, seen = append(chosen, i), append(seen, p)
		case bad != nil:
			p.header, p.leftOut = quote(p.header), "its header cannot be used: "+bad.reason
		case count[p.header] > 1:
			p.leftOut = fmt.Sprintf("this header stands there %d times", count[p.header])
			if f.refused == "" {
				chosen, seen = append(chosen, i), append(seen, p)
			}
		case f.refused != "":
			p.leftOut = f.refused
		case len(kept) == question.MaxColumns:
			p.leftOut = fmt.Sprintf("a dataset has at most %d columns", question.MaxColumns)
		default:
			p.Name = nameOf(p.header, "column", names)
			chosen, kept, seen = append(chosen, i), append(kept, p), append(seen, p)
		}
	}
	err := t.scan(ctx, chosen, func(k int, c cell) error {
		seen[k].see(seed, given, c)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range seen {
		g.rows = max(g.rows, p.rows)
		p.settle()
		if p.leftOut == "" && p.longest > maxField {
			p.leftOut = fmt.Sprintf("a value has %d bytes; at most %d", p.longest, maxField)
		}
	}
	if len(kept) == 0 && len(g.columns) > 0 {
		return g.noColumn()
	}
	return nil
}

// noColumn is the error where no column can be used.
func (g *guesser) noColumn() error {
	var why strings.Builder
	for i, p := range g.columns {
		if i == maxKinds {
			break
		}
		fmt.Fprintf(&why, "; %s: %s", quote(p.header), p.leftOut)
	}
	return errors.New("no column of it can be used" + why.String())
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
			return nil, p.noMeasure()
		}
		if err == nil && p.inexact != "" {
			return nil, fmt.Errorf("--measure: %s: %w", quote(p.header), inexact(p.inexact))
		}
		return p, err
	}
	var all, named, numbers, nearly []*profile
	for _, p := range g.columns {
		if p.leftOut == "" && p.has(notMeasured) == 0 && p.kind == "" && p.nearly() {
			nearly = append(nearly, p)
		}
		if p.leftOut != "" || p.Type == question.String || p.missing == p.rows || p.isYear() || p.has(notMeasured) > 0 || p.inexact != "" {
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
			return few[0], unless(few[0], nearly)
		}
	}
	if len(all) > 1 {
		return nil, fmt.Errorf("it cannot be guessed what is averaged: say --measure with one of %s", g.headers(all))
	}
	for _, p := range g.columns {
		if p.leftOut == "" && p.Type != question.String && p.missing < p.rows && p.inexact == "" {
			all = append(all, p)
		}
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("it cannot be guessed what is averaged: say --measure with one of %s", g.headers(all))
	}
	for _, p := range g.columns {
		if p.leftOut == "" && p.texts > 0 && p.numbers() > 0 {
			return nil, fmt.Errorf("no column holds numbers alone, and one has to: %s has %s in row %d; correct it, or say --missing %s if it stands for no value", quote(p.header), quote(p.odd), p.oddRow, quote(p.odd))
		}
		if p.leftOut == "" && strings.Contains(p.odd, ",") && strings.Trim(p.odd, "0123456789+-,") == "" {
			return nil, fmt.Errorf("no column holds numbers, and one has to: %s has %s in row %d; numbers have a decimal point, and no separators of thousands",
				quote(p.header), quote(p.odd), p.oddRow)
		}
	}
	return nil, errors.New("no column holds numbers, and one has to: the measure, of which means are made")
}

// noMeasure is the error where the user names a column of texts as the measure.
func (p *profile) noMeasure() error {
	switch {
	case p.texts == 0 && p.inexact != "":
		return fmt.Errorf("--measure: %s: %w", quote(p.header), inexact(p.inexact))
	case p.texts == 0 && p.numbers() == 0:
		return fmt.Errorf("--measure: %s holds no numbers: %d values are missing, and %d are %s", quote(p.header), p.missing, p.marked, p.marksText())
	case p.texts == 0:
		return fmt.Errorf("--measure: %s holds texts; that they look like numbers is for the descriptor to say: type: number, role: measure", quote(p.header))
	}
	why := ""
	if p.nearly() {
		why = ". If it stands for no value, say --missing " + quote(p.odd)
	}
	return fmt.Errorf("--measure: %s holds texts, such as %s in row %d; a measure is numbers%s", quote(p.header), quote(p.odd), p.oddRow, why)
}

// unless is the error where one of others, columns of numbers but for a few texts,
// might be what is averaged, and not p.
func unless(p *profile, others []*profile) error {
	if len(others) == 0 {
		return nil
	}
	o := others[0]
	return fmt.Errorf("it cannot be guessed what is averaged: %s holds numbers but for %d values, the first %s in row %d. If that stands for no value, say --missing %s; otherwise correct it; --measure %s averages %s",
		quote(o.header), o.texts, quote(o.odd), o.oddRow, quote(o.odd), quote(p.header), quote(p.header))
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

		Synthetic: g.synthetic,
	}
	switch {
	case g.hints.Header != nil && !*g.hints.Header:
		d.Header = g.hints.Header
	case g.isCSV && isNumber(g.measure.header) && !isYear(g.measure.header):
		d.Header = new(true) // which ReadCSV wants to know
	}
	g.remark(d)
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
	return &Draft{Descriptor: again, Rows: g.rows, YAML: text, Notes: g.notes}, nil
}

// remark finds the marks for missing values and the rows that say that they are
// synthetic, and notes what the user should know.
func (g *guesser) remark(d *Descriptor) {
	note := func(format string, args ...any) { g.notes = append(g.notes, fmt.Sprintf(format, args...)) }
	d.Missing = slices.Clone(g.hints.Missing)
	for _, p := range g.columns {
		switch {
		case p.leftOut != "":
			note("%s is left out: %s", quote(p.header), p.leftOut)
		case p.Type != question.String && p.marked > 0:
			for _, text := range slices.Sorted(maps.Keys(p.marks)) {
				if !newMarks(d.Missing).stands(text) && len(d.Missing) < maxMissing {
					d.Missing = append(d.Missing, text)
				}
			}
			note("%s: read as missing: %s", quote(p.header), p.marksText())
		case p.nearly():
			note("%s is read as text: it holds numbers but for %d values, the first %s in row %d; --missing %s if that stands for no value", quote(p.header), p.texts, quote(p.odd), p.oddRow, quote(p.odd))
		case p.isText():
			note("%s is read as text, as the file has it: its values are numbers", quote(p.header))
		case p.marked > 0 && p.texts == 0 && p.numbers() == 0:
			note("%s has no value but %s, which is read as text", quote(p.header), p.marksText())
		}
		if p.leftOut == "" && p.inexact != "" {
			note("%s holds integers that a number cannot hold exactly, such as %s: it is no measure", quote(p.header), p.inexact)
		}
		isFlag := strings.EqualFold(p.header, "synthetic") && p.kinds["true"] > 0
		if isFlag {
			p.says = "true"
		}
		if p.says != "" && d.Synthetic == (Synthetic{}) {
			d.Synthetic = Synthetic{Column: p.header, Value: p.says}
			note("SYNTHETIC: %s says so of rows, so the figures are not real", quote(p.header))
		}
	}
	if d.Synthetic.All {
		note("SYNTHETIC: the file says that its figures are not real")
	}
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
	switch {
	case d.Synthetic.All:
		line("synthetic: true # as the file says")
	case d.Synthetic.Column != "":
		line("synthetic: {column: %s, value: %s} # if a row has this value, the figures are not real", yamlText(d.Synthetic.Column), yamlText(d.Synthetic.Value))
	}
	if d.Header != nil {
		if *d.Header {
			line("header: true # the first line is the header, although it has numbers")
		} else {
			line("header: false # the first line is a row")
		}
	}
	if len(d.Missing) > 0 {
		var texts []string
		for _, text := range d.Missing {
			texts = append(texts, yamlQuoted(text))
		}
		line("missing: [%s] # stand for no value, in columns of numbers", strings.Join(texts, ", "))
	}
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
	return yamlQuoted(s)
}

func yamlQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
