package guess

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
)

// shape is the shape of a public file: what its columns are called, how its values are
// written, what stands around them. All values are generated.
type shape struct {
	name    string
	options string // separated by spaces: see file
	columns string // separated by two spaces: header:generator, or from..to:generator for one column per number
	group   string // headers of the columns that a person would compare, separated by bars; "": a person would not
	measure string // and would average
}

var (
	countries = strings.Fields("Albania Belgium Canada Denmark Estonia France Ghana Haiti India Japan Kenya Laos")
	iso3      = strings.Fields("ALB BEL CAN DNK EST FRA GHA HTI IND JPN KEN LAO")
	states    = strings.Split("Alabama,Alaska,Arizona,Idaho,Iowa,Maine,New Jersey,New York,Ohio,Texas,Utah,Vermont", ",")
	abbrs     = strings.Fields("AL AK AZ ID IA ME NJ NY OH TX UT VT")
	cities    = strings.Split("Lyon,Bordeaux,Köln,Porto,São Paulo,Gdańsk,Oslo,Turin,Leeds,Bilbao,Graz,Brno", ",")
	people    = strings.Split("Ada Berg,Ben Cole,Cyd Diaz,Dee Evans,Eli Frost,Fay Gold,Gus Hill,Hal Ivers,Ida Jung,Jo Kern,Kay Lund,Lee Moss", ",")
	products  = strings.Fields("Lamp Desk Chair Shelf Stool Bench Clock Frame Basket Mirror Carpet Vase")
	months    = strings.Fields("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
)

var generatorSyntax = regexp.MustCompile(`^([a-z]+3?)(?:\(([^)]*)\))?(~.*)?$`)

// value generates the value of a column in one row.
func value(r *rand.Rand, row int, generator string) string {
	m := generatorSyntax.FindStringSubmatch(generator)
	if m == nil {
		panic(generator)
	}
	if mark, found := strings.CutPrefix(m[3], "~"); found && r.IntN(8) == 0 { // every eighth is missing
		return mark
	}
	args := strings.Split(m[2], ",")
	number := func(i int) float64 {
		v, err := strconv.ParseFloat(args[i], 64)
		if err != nil {
			panic(generator)
		}
		return v
	}
	between := func() float64 { return number(0) + r.Float64()*(number(1)-number(0)) }
	list := func(values []string) string { return values[row%len(values)] }
	decimals := func(n int) string { return strconv.FormatFloat(between(), 'f', n, 64) }
	year := 2010 + row/12
	switch m[1] {
	case "seq":
		return strconv.Itoa(int(number(0)) + row)
	case "int":
		return strconv.Itoa(int(between()))
	case "big": // whole numbers over several magnitudes
		return strconv.Itoa(int(between()) / (1 + 9*(row%3) + 90*(row%2)))
	case "num":
		return decimals(int(number(2)))
	case "year":
		return strconv.Itoa(year)
	case "pick":
		return args[r.IntN(len(args))]
	case "cycle":
		return list(args)
	case "const":
		return m[2]
	case "country":
		return list(countries)
	case "iso3":
		return list(iso3)
	case "state":
		return list(states)
	case "abbr":
		return list(abbrs)
	case "city":
		return list(cities)
	case "person":
		return fmt.Sprintf("%s %d", list(people), row/12)
	case "product":
		return products[r.IntN(len(products))]
	case "month":
		return list(months)
	case "fips":
		return fmt.Sprintf("%02d%03d", 1+row%12, 1+2*(row/12))
	case "code":
		return fmt.Sprintf("%s%04d", m[2], 1+row*7%9973)
	case "uniq":
		return strconv.Itoa(int(number(0)) + row*7919%int(number(1)-number(0)))
	case "hex":
		return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case "url":
		return fmt.Sprintf("https://example.org/%d", row)
	case "prose":
		return fmt.Sprintf("A remark of some length about row %d, which says nothing that could be counted or compared with others.", row)
	case "date":
		return fmt.Sprintf("%d-%02d-%02d", year, 1+row%12, 1+row%28)
	case "usdate":
		return fmt.Sprintf("%d/%d/%d", 1+row%12, 1+row%28, year)
	case "eudate":
		return fmt.Sprintf("%02d.%02d.%d", 1+row%28, 1+row%12, year)
	case "yearmonth":
		return fmt.Sprintf("%d-%02d", year, 1+row%12)
	case "time":
		return fmt.Sprintf("%d-%02d-%02dT%02d:00:00Z", year, 1+row%12, 1+row%28, row%24)
	case "pct":
		return decimals(1) + "%"
	case "usd":
		return "$" + grouped(between(), 2, ",", ".")
	case "dollars":
		return "$" + grouped(between(), 0, ",", ".")
	case "thousands":
		return grouped(between(), 0, ",", ".")
	case "german":
		return grouped(between(), 2, ".", ",")
	case "euro":
		return grouped(between(), 2, ".", ",") + " €"
	case "real":
		return "R$ " + grouped(between(), 2, ".", ",")
	case "french":
		return grouped(between(), 1, "\u202f", ",")
	case "lakhs":
		return []string{"12,34,567", "89,123", "7,654"}[row%3]
	case "swiss":
		return grouped(between(), 2, "'", ".")
	case "comma":
		return strings.Replace(decimals(2), ".", ",", 1)
	case "commapct":
		return strings.Replace(decimals(1), ".", ",", 1) + " %"
	case "accounting":
		if v := grouped(between(), 0, ",", "."); r.IntN(3) > 0 {
			return v
		}
		return "(" + grouped(between(), 0, ",", ".") + ")"
	case "noted":
		return decimals(1) + []string{"", "", "*", "†"}[r.IntN(4)]
	case "flagged":
		return decimals(1) + []string{"", "", "", " e", " p", " bd"}[r.IntN(6)]
	case "magnitude":
		return "$" + decimals(1) + []string{"M", "k"}[r.IntN(2)]
	case "mixed":
		return []string{"$", "€", "£"}[r.IntN(3)] + decimals(2)
	case "range":
		v := int(between())
		return fmt.Sprintf("%d-%d", v, v+5)
	case "point":
		return fmt.Sprintf("48.%d, 2.%d", 1000+row, 3000+row)
	case "blank":
		return ""
	default:
		panic(generator)
	}
}

// grouped writes a number with separators.
func grouped(v float64, decimals int, thousands, mark string) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', decimals, 64), ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + thousands + whole[i:]
	}
	if fraction != "" {
		return whole + mark + fraction
	}
	return whole
}

var headerRange = regexp.MustCompile(`^(.*?)(\d+)\.\.(\d+)(.*)$`)

// file generates a file of the shape. Its options: semicolon, tab, bar; bom, crlf, quoted;
// noheader, latin1; preamble=N lines, subheader, footer; rows=N.
func (s *shape) file() string {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(s.name))
	r := rand.New(rand.NewPCG(seed.Sum64(), 1))
	delimiter, rows := ",", 48
	has := func(option string) bool { return slices.Contains(strings.Fields(s.options), option) }
	for option := range strings.FieldsSeq(s.options) {
		switch key, n, _ := strings.Cut(option, "="); key {
		case "semicolon", "tab", "bar":
			delimiter = map[string]string{"semicolon": ";", "tab": "\t", "bar": "|"}[key]
		case "rows":
			rows, _ = strconv.Atoi(n)
		}
	}
	var headers, generators []string
	for c := range strings.SplitSeq(s.columns, "  ") {
		before, _, _ := strings.Cut(c, "~") // the mark for a missing value may be a colon
		i := strings.LastIndexByte(before, ':')
		header, generator := c[:i], c[i+1:]
		m := headerRange.FindStringSubmatch(header)
		if m == nil {
			headers, generators = append(headers, header), append(generators, generator)
			continue
		}
		from, _ := strconv.Atoi(m[2])
		to, _ := strconv.Atoi(m[3])
		for n := from; n <= to; n++ {
			headers, generators = append(headers, m[1]+strconv.Itoa(n)+m[4]), append(generators, generator)
		}
	}
	var b strings.Builder
	if has("bom") {
		b.WriteString("\ufeff")
	}
	line := func(cells []string) {
		for i, cell := range cells {
			if i > 0 {
				b.WriteString(delimiter)
			}
			if has("quoted") || strings.Contains(cell, delimiter) || strings.ContainsAny(cell, "\"\n") {
				cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
			b.WriteString(cell)
		}
		b.WriteString("\n")
	}
	switch {
	case has("preamble=4"): // the World Bank's
		b.WriteString("\"Data Source\",\"Made-up indicators\",\n\n\"Last Updated Date\",\"2024-01-01\",\n\n")
	case has("preamble=1"):
		b.WriteString("Table 1: Made-up figures by area\n")
	}
	if !has("noheader") {
		line(headers)
	}
	if has("subheader") {
		var units []string
		for range headers {
			units = append(units, "Estimate of "+strconv.Itoa(len(units)))
		}
		line(units)
	}
	for row := range rows {
		var cells []string
		for _, g := range generators {
			cells = append(cells, value(r, row, g))
		}
		line(cells)
	}
	if has("footer") {
		b.WriteString("Source: made up\n")
	}
	text := b.String()
	if has("crlf") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if has("latin1") {
		text = strings.NewReplacer("ö", "\xf6", "ã", "\xe3", "ń", "n").Replace(text)
	}
	return text
}

// try guesses a descriptor for the file, opens it as `ask` does, and returns why
// `lestats ask states_mean` would not give a sensible answer, or "".
func (s *shape) try(t *testing.T) string {
	path := filepath.Join(t.TempDir(), strings.ReplaceAll(s.name, " ", "-")+".csv")
	if err := os.WriteFile(path, []byte(s.file()), 0o600); err != nil {
		t.Fatal(err)
	}
	draft, err := Guess(t.Context(), path, Hints{}, nil)
	if err != nil {
		return "init: " + strings.TrimPrefix(err.Error(), path+": ")
	}
	ds, err := dataset.Open(t.Context(), path, draft.Descriptor)
	if err != nil {
		return "ask: " + strings.TrimPrefix(err.Error(), path+": ")
	}
	header := func(name string) string {
		i := slices.IndexFunc(draft.Columns, func(c dataset.Column) bool { return c.Name == name })
		if h := draft.Columns[i].Header; h != "" {
			return h
		}
		return name
	}
	group, measure := header(draft.Roles.Group), header(draft.Roles.Measure)
	if asked, _ := ds.Column("question"); len(asked.Dict) > 1 {
		return "ask: question= is required, a value of " + strconv.Quote(header(draft.Roles.Indicator))
	}
	values, _ := ds.Column("value")
	groups, _ := ds.Column("location")
	answers := false
	for row := range ds.Rows() {
		answers = answers || values.Present(row) && groups.Present(row)
	}
	switch {
	case !answers:
		return "the answer is empty"
	case s.measure == "":
		return fmt.Sprintf("it averages %q by %q, which makes no sense", measure, group)
	case !slices.Contains(strings.Split(s.measure, "|"), measure):
		return fmt.Sprintf("it averages %q, not %s", measure, s.measure)
	case !slices.Contains(strings.Split(s.group, "|"), group):
		return fmt.Sprintf("it compares %q, not %s", group, s.group)
	default:
		return ""
	}
}

// minShapes is how many of the shapes must work with two bare commands. data/README.md
// names it.
const minShapes = 128

// TestPublicShapes tries files of the shapes of public ones with two bare commands. With
// -v it prints which do not work, and why.
func TestPublicShapes(t *testing.T) {
	works, seen := 0, map[string]bool{}
	for i := range shapes {
		s := &shapes[i]
		if seen[s.name] {
			t.Errorf("%s is there twice", s.name)
		}
		seen[s.name] = true
		reason := s.try(t)
		if reason == "" {
			works++
		} else {
			t.Logf("%-40s %s", s.name, reason)
		}
		if strings.HasPrefix(reason, "it ") || strings.HasPrefix(reason, "the ") {
			t.Errorf("%s: %s", s.name, reason) // worse than a refusal
		}
	}
	t.Logf("%d of %d shapes of public files work with two bare commands (%d %%)", works, len(shapes), works*100/len(shapes))
	if works < minShapes {
		t.Errorf("%d of %d work; at least %d must", works, len(shapes), minShapes)
	}
	readme, err := os.ReadFile("../../../data/README.md")
	if figure := fmt.Sprintf("at least %d of %d files", minShapes, len(shapes)); err != nil || !strings.Contains(strings.Join(strings.Fields(string(readme)), " "), figure) {
		t.Errorf("data/README.md does not say %q: %v", figure, err)
	}
}
