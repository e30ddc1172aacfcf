// Package guess writes a descriptor for a file that has none: it is `lestats data init`.
package guess

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Hints is what the user knows about a file; fields that are "" are guessed. Columns are
// given by their header, or by the name that Guess derives from it.
type Hints struct {
	Name    string // of the dataset; "" derives it from the file's name
	Measure string
	Group   string
	// Indicator, Category and Stratum may be NoColumn.
	Indicator, Category, Stratum string
	Best                         string // BestHighest, BestLowest; "" is BestHighest
	// Header says whether the first line of a CSV is its header. nil assumes that it is
	// and refuses a file whose first line looks like a row.
	Header   *bool
	Encoding string // of a CSV, as in a descriptor; "" is UTF-8, or UTF-16 after a byte order mark
	// Missing are texts that mean a missing value in columns of numbers, besides those that
	// Guess knows.
	Missing []string
	// Decimal is the decimal mark of the file's numbers, "." or ","; "" guesses it.
	Decimal string
}

// NoColumn as a hint says that no column plays the role.
const NoColumn = "none"

// Draft is a guessed descriptor.
type Draft struct {
	*dataset.Descriptor

	Rows    int
	YAML    []byte   // the descriptor, with comments, as a person would write it
	Choices []Choice // the columns that play roles
	Notes   []string // what the user should know about the guesses, one sentence each
	LeftOut []string // the columns that the descriptor leaves out, and why, one sentence each; at most maxLeftOut, and a last one
}

// Guess reads a CSV, Parquet or Arrow file to its end and writes a descriptor for it.
// progress, if not nil, is called with the number of bytes of a CSV file read so far.
// Memory grows with the columns, not the rows. Where something cannot be guessed, the
// error says which of Hints would help.
func Guess(ctx context.Context, path string, h Hints, progress func(bytes int64)) (*Draft, error) {
	f, err := os.Open(path)
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
	if h.Encoding != "" {
		if err := tabular.CheckEncoding(h.Encoding); err != nil {
			return nil, fmt.Errorf("--encoding: %w", err)
		}
	}
	columns, err := tabular.OpenFile(ctx, f, tabular.Options{NoHeader: h.Header != nil && !*h.Header, FindHeader: h.Header == nil, Encoding: h.Encoding, Progress: progress})
	if errors.Is(err, tabular.ErrDataset) {
		return nil, errors.New("it already contains its descriptor: serve it as it is")
	}
	if err != nil {
		return nil, err
	}
	defer columns.Close()
	isCSV := columns.IsCSV
	g := &guesser{hints: h, file: filepath.Base(f.Name()), isCSV: isCSV, above: columns.Above, synthetic: dataset.Synthetic{All: columns.Synthetic}}
	if !isCSV && h.Header != nil {
		return nil, errors.New("--header and --no-header apply to CSV files only: this file names its columns")
	}
	if !isCSV && h.Encoding != "" {
		return nil, errors.New("--encoding applies to CSV files only: the text of this one is UTF-8")
	}
	if !slices.Contains([]string{"", ".", ","}, h.Decimal) {
		return nil, fmt.Errorf("--decimal: it is %s; it must be . or ,", literal.Quote(h.Decimal))
	}
	if err := dataset.CheckMissing(h.Missing); err != nil {
		return nil, fmt.Errorf("--missing: %w", err)
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
		if slices.ContainsFunc(g.columns, func(p *profile) bool { return literal.IsNumber(p.header) }) {
			why = "; if its first line is a row, pass --no-header"
		}
		return nil, errors.New("it has no rows: nothing can be guessed from a header alone" + why)
	}
	if err := g.decide(); err != nil {
		return nil, err
	}
	return g.draft()
}

// guesser makes a descriptor.
type guesser struct {
	hints   Hints
	file    string // its name
	isCSV   bool
	above   []string // the lines above the header
	columns []*profile
	rows    int
	seed    maphash.Seed // of the profiles

	synthetic dataset.Synthetic
	notes     []string

	taken   map[string]int      // names and headers of columns
	roles   map[string]*profile // by key of the descriptor
	choices []Choice
}

// profile reads all values into the profiles of their columns.
func (g *guesser) profile(ctx context.Context, t *tabular.File) error {
	g.seed = maphash.MakeSeed()
	given := literal.NewMarks(g.hints.Missing)
	var chosen []int
	var kept, seen []*profile
	count := map[string]int{}
	for _, f := range t.Fields {
		count[strings.TrimSpace(f.Name)]++
	}
	g.taken = maps.Clone(count)
	for i, f := range t.Fields {
		p := &profile{header: strings.TrimSpace(f.Name), number: i + 1, kind: f.Kind, min: math.Inf(1), max: math.Inf(-1), low: math.Inf(1), high: math.Inf(-1), distinct: map[uint64]struct{}{}}
		g.columns = append(g.columns, p)
		bad := literal.CheckPlain(p.header, dataset.MaxHeader)
		if err := t.CheckText(p.header); err != nil {
			bad = err.Error()
		}
		switch {
		case p.header == "":
			p.skipReason = "it has no header"
			if f.Refused != "" {
				break
			}
			chosen, seen = append(chosen, i), append(seen, p)
		case bad != "":
			p.header, p.skipReason = literal.Quote(p.header), "its header cannot be used: "+bad
		case count[p.header] > 1:
			p.skipReason = fmt.Sprintf("this header appears %d times", count[p.header])
			if f.Refused == "" {
				chosen, seen = append(chosen, i), append(seen, p)
			}
		case f.Refused != "":
			p.skipReason = f.Refused
		case len(kept) == question.MaxColumns:
			p.skipReason = fmt.Sprintf("a dataset has at most %d columns", question.MaxColumns)
		default:
			p.nameText = nameOf(p.header, "column")
			p.Name = g.uniqueName(p, p.nameText)
			chosen, kept, seen = append(chosen, i), append(kept, p), append(seen, p)
		}
	}
	err := t.Scan(ctx, chosen, func(k int, c tabular.Cell) error {
		seen[k].observe(g.seed, given, c, t)
		return nil
	}, func(k int, err error) { seen[k].unreadable = err.Error() })
	if err != nil {
		return err
	}
	marks := marksOfFile{given: g.hints.Decimal, proven: provenDecimal(seen), semicolons: t.Semicolon}
	for _, p := range seen {
		g.rows = max(g.rows, p.rows)
		p.decideType(marks)
		if p.skipReason == "" {
			p.skipReason = p.unreadable
		}
		if p.skipReason == "" && p.maxLen > tabular.MaxField {
			p.skipReason = fmt.Sprintf("a value has %d bytes; at most %d", p.maxLen, tabular.MaxField)
		}
	}
	if len(g.columns) > 0 && !slices.ContainsFunc(kept, func(p *profile) bool { return p.skipReason == "" }) {
		return g.noColumn()
	}
	return nil
}

// provenDecimal returns the decimal mark that columns of the file prove, or "" if they
// prove none or both.
func provenDecimal(columns []*profile) string {
	proven := ""
	for _, p := range columns {
		switch mark := p.evidence.Decimal(); {
		case mark == "" || mark == proven || p.texts > 0 || p.isNamed(coordinates): // which have points in files of decimal commas, too
		case proven == "":
			proven = mark
		default:
			return ""
		}
	}
	return proven
}

// noColumn is the error for a file without a usable column.
func (g *guesser) noColumn() error {
	var why strings.Builder
	for i, p := range g.columns {
		if i == maxKinds {
			break
		}
		fmt.Fprintf(&why, "; %s: %s", p.label(), p.skipReason)
	}
	if !slices.ContainsFunc(g.columns, func(p *profile) bool { return p.header != "" }) {
		return errors.New("none of its columns has a header: write headers into the first line, or pass --no-header if it is a row")
	}
	return errors.New("none of its columns can be used" + why.String())
}

// uniqueName returns base, or base with a number, so that it is neither the name nor the
// header of another column.
func (g *guesser) uniqueName(p *profile, base string) string {
	name := base
	for n := 2; g.taken[name] > 0 && name != p.header; n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	g.taken[name]++
	return name
}

// nameOf makes a name from a text: "Life expectancy (years)" becomes life_expectancy_years.
func nameOf(text, fallback string) string {
	var b strings.Builder
	lower := false // the previous rune was a lower-case letter
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
	return name
}

// draft makes the descriptor.
func (g *guesser) draft() (*Draft, error) {
	base := strings.TrimSuffix(g.file, filepath.Ext(g.file))
	d := &dataset.Descriptor{
		Name:  cmp.Or(g.hints.Name, nameOf(base, "dataset")),
		Title: strings.ToValidUTF8(strings.Map(printable, base), "?"),
		Roles: &dataset.Roles{Best: cmp.Or(g.hints.Best, dataset.BestHighest)},

		Synthetic: g.synthetic,
		Skip:      len(g.above),
		Encoding:  g.hints.Encoding,
	}
	switch {
	case g.hints.Header != nil && !*g.hints.Header:
		d.Header = g.hints.Header
	case g.isCSV && literal.IsNumber(g.roles["measure"].header) && !literal.IsYear(g.roles["measure"].header):
		d.Header = new(true) // ReadCSV requires it
	}
	g.addNotes(d)
	for _, part := range dataset.RoleSpecs { // the names that plugins use belong to the roles
		if (part.Key == "asked" || part.Key == "time") && g.roles[part.Key] == nil {
			continue // a column of this name is what it says
		}
		for _, p := range g.columns {
			if p.skipReason == "" && p.Name == part.Column && p != g.roles[part.Key] {
				p.Name = g.uniqueName(p, p.Name+"_column")
			}
		}
	}
	for _, part := range dataset.RoleSpecs {
		if p := g.roles[part.Key]; p != nil {
			*part.Field(d.Roles) = p.Name
		}
	}
	for i := range g.choices {
		c := &g.choices[i]
		p := g.roles[c.Role]
		if c.Column = p.Name; p.Name != strings.ReplaceAll(strings.ToLower(p.header), " ", "_") {
			c.Column += " " + literal.Quote(p.header)
		}
	}
	d.Sort = g.roles["group"].Name
	if p := g.roles["indicator"]; p != nil {
		d.Sort = p.Name // a question usually selects one of its values
	}
	for _, p := range g.columns {
		if p.skipReason != "" {
			continue
		}
		if p.header != p.Name {
			p.Header = p.header
		}
		p.Title = title(p.header)
		switch {
		case p == g.roles["measure"]:
			p.Role = question.RoleMeasure
		case p.Type == question.String && (g.hasRole(p) || len(p.distinct) < maxDistinct), p.isYear(),
			p.Type == question.Integer && p.holds != isFigure && p.holds != isRowNumber && len(p.distinct) <= 1000:
			p.Role = question.RoleDimension
		}
		d.Columns = append(d.Columns, p.Column)
	}
	g.noteTotals()
	text := g.yaml(d)
	again, err := dataset.ParseDescriptor(text)
	if err != nil {
		return nil, fmt.Errorf("cannot make a descriptor of it: %w", err)
	}
	return &Draft{Descriptor: again, Rows: g.rows, YAML: text, Choices: g.choices, Notes: g.notes, LeftOut: g.leftOut()}, nil
}

// addNotes collects the marks for missing values and the rows marked as synthetic, and
// notes what the user should know.
func (g *guesser) addNotes(d *dataset.Descriptor) {
	note := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(g.notes, text) {
			g.notes = append(g.notes, text)
		}
	}
	if len(g.above) > 0 {
		note("the lines above the header are skipped: %s; --header takes the first line for the header", literal.List(g.above[:min(len(g.above), maxKinds)]))
	}
	d.Missing = slices.Clone(g.hints.Missing)
	g.noteSynthetic(d)
	g.noteKinds()
	for _, p := range g.columns {
		header := literal.Quote(p.header)
		if p.Numbers != nil {
			note("%s: numbers are written like %s", header, p.numbersText())
		}
		switch {
		case p.skipReason != "": // see leftOut
		case p.Type != question.String && p.marked > 0:
			p.declareMarks(d)
			note("%s: read as missing: %s", header, p.marksText())
		case p.mostlyNumbers():
			note("%s is read as text: it holds numbers except for %d values, the first being %s in row %d; pass --missing %s if that means a missing value", header, p.texts, literal.Quote(p.firstText), p.firstTextRow, literal.Quote(p.firstText))
		case p.isUndecided():
			note("%s is read as text: %s", header, p.formatReason)
		case p.isNumericText():
			note("%s is read as text because the file stores it as text: its values are numbers", header)
		case p.marked > 0 && p.texts == 0 && p.numberCount() == 0:
			note("%s has no values other than %s, which is read as text", header, p.marksText())
		}
		if text := p.sentinel(); p.skipReason == "" && text != "" {
			note("%s has %s, far from its other numbers; if it means a missing value, pass --missing=%s", header, text, text)
		}
		if p.skipReason == "" && p.inexact != "" {
			note("%s holds integers that a number cannot hold exactly, such as %s: it cannot be the measure", header, p.inexact)
		}
	}
}

// noteTotals notes rows that may be sums of others, which a mean would count twice. The
// columns have their names.
func (g *guesser) noteTotals() {
	for _, p := range g.columns {
		total := p.total(g.seed)
		switch {
		case p.skipReason != "" || total == "":
		case p == g.roles["group"]:
			g.notes = append(g.notes, fmt.Sprintf("%s has %s: if that is the sum or mean of the others, remove its rows, which global_mean counts too", literal.Quote(p.header), literal.Quote(total)))
		case p.Role == question.RoleDimension:
			g.notes = append(g.notes, fmt.Sprintf("%s has %s: if that is the sum or mean of the others, a mean over all rows counts them twice; ask with --where %s=%s", literal.Quote(p.header), literal.Quote(total), p.Name, literal.Quote(total)))
		}
	}
}

// noteKinds notes which columns of numbers were not considered as the measure.
func (g *guesser) noteKinds() {
	if g.hints.Measure != "" {
		return
	}
	var out []string
	for _, p := range g.columns {
		if p.skipReason == "" && p.Type != question.String && p.holds != isFigure && p.present() > 0 {
			out = append(out, fmt.Sprintf("%s (%s)", literal.Quote(p.header), p.holds.what()))
		}
	}
	if n := len(out); n > maxOthers {
		out = append(out[:maxOthers], fmt.Sprintf("and %d more", n-maxOthers))
	}
	if len(out) > 0 {
		g.notes = append(g.notes, "not taken for figures: "+strings.Join(out, ", "))
	}
}

// declareMarks declares the column's marks for a missing value, for all columns or, if
// those are too many, for this one.
func (p *profile) declareMarks(d *dataset.Descriptor) {
	for _, text := range slices.Sorted(maps.Keys(p.marks)) {
		switch {
		case literal.NewMarks(d.Missing).Covers(text):
		case len(d.Missing) < dataset.MaxMissing:
			d.Missing = append(d.Missing, text)
		default:
			p.Missing = append(p.Missing, text)
		}
	}
}

// noteSynthetic notes whether rows or the file say that the figures are not real.
func (g *guesser) noteSynthetic(d *dataset.Descriptor) {
	for _, p := range g.columns {
		if isFlag := strings.EqualFold(p.header, "synthetic") && p.kinds["true"] > 0; isFlag {
			p.syntheticText = "true"
		}
		if p.syntheticText != "" && d.Synthetic == (dataset.Synthetic{}) {
			d.Synthetic = dataset.Synthetic{Column: p.header, Value: p.syntheticText}
			g.notes = append(g.notes, fmt.Sprintf("SYNTHETIC: rows are marked so in %s, so the figures are not real", literal.Quote(p.header)))
		}
	}
	if d.Synthetic.All {
		g.notes = append(g.notes, "SYNTHETIC: the file says that its figures are not real")
	}
}

// maxLeftOut is how many of the columns that are left out are named.
const maxLeftOut = 64

// leftOut says which columns are left out, and why.
func (g *guesser) leftOut() []string {
	var out []string
	more := 0
	for _, p := range g.columns {
		switch {
		case p.skipReason == "":
		case len(out) < maxLeftOut:
			out = append(out, fmt.Sprintf("%s is left out: %s", p.label(), p.skipReason))
		default:
			more++
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("%d more columns are left out", more))
	}
	return out
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
