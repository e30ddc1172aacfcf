package chart

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

var update = flag.Bool("update", false, "write the golden files")

func states(t testing.TB) *Outlines {
	t.Helper()
	b, err := os.ReadFile("../../data/us-states.json")
	if err != nil {
		t.Fatal(err)
	}
	o, err := ParseOutlines(b)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// few are outlines of six places, so that golden files are short.
func few(t testing.TB) *Outlines {
	t.Helper()
	o := *states(t)
	o.Shapes = slices.DeleteFunc(slices.Clone(o.Shapes), func(s shape) bool {
		return !slices.Contains([]string{"CO", "DC", "GU", "KS", "UT", "WY"}, s.Code)
	})
	o.byName = map[string]int{}
	for _, name := range o.Whole {
		o.byName[fold(name)] = whole
	}
	for i, s := range o.Shapes {
		o.byName[fold(s.Name)], o.byName[fold(s.Code)] = i, i
	}
	return &o
}

// The builders of tables. NaN is a missing value.

func keys(name, title string, values ...string) question.Column {
	c := question.Column{Name: name, Title: title, Type: question.String, Role: question.RoleKey}
	for _, v := range values {
		i := slices.Index(c.Dict, v)
		if i < 0 {
			i = len(c.Dict)
			c.Dict = append(c.Dict, v)
		}
		c.Codes = append(c.Codes, int32(i))
	}
	return c
}

func years(values ...int64) question.Column {
	return question.Column{Name: "year", Title: "Year", Type: question.Integer, Role: question.RoleKey, Integers: values}
}

func numbers(name, title string, shows question.Shows, values ...float64) question.Column {
	c := question.Column{Name: name, Title: title, Type: question.Number, Unit: "%", Role: question.RoleValue, Shows: shows, Numbers: values}
	c.Valid = question.NewBitmap(len(values))
	for i, v := range values {
		if !math.IsNaN(v) {
			c.Valid.Set(i)
		}
	}
	return c
}

func kinds(values ...string) question.Column {
	c := keys(question.KindColumn, "Kind of place", values...)
	c.Role = question.RoleValue
	return c
}

func ranks(name string, values ...int64) question.Column {
	return question.Column{Name: name, Type: question.Integer, Role: question.RoleValue, Shows: question.ShowsRank, Integers: values}
}

// estimates are three columns: the values, and an interval around each.
func estimates(values ...float64) []question.Column {
	low, high := make([]float64, len(values)), make([]float64, len(values))
	for i, v := range values {
		low[i], high[i] = v-1.5, v+2.5
	}
	return []question.Column{
		numbers("estimate", "Share of adults", question.ShowsEstimate, values...),
		numbers("low", "95% confidence limit (low)", question.ShowsLow, low...),
		numbers("high", "95% confidence limit (high)", question.ShowsHigh, high...),
	}
}

func table(hint string, columns ...[]question.Column) *question.Table {
	return &question.Table{Layout: question.LayoutRows, Chart: hint, Columns: slices.Concat(columns...)}
}

func one(c question.Column) []question.Column { return []question.Column{c} }

var missing = math.NaN()

const hostile = "\"><script>alert(1)</script><a href='javascript:x'>\x00\x1b[31m\u202e\u2066&amp;]]>\xff"

func caption() *question.Caption {
	return &question.Caption{
		Title: "Estimates by place",
		Question: &question.Question{Name: "estimates", Params: []question.Param{
			{Name: "question", Title: "Survey question"}, {Name: "stratum", Title: "Stratum"}, {Name: "year", Title: "Year"},
		}},
		Request: question.Request{Question: "estimates", Params: map[string]any{
			"question": "Percent of adults aged 18 years and older who have obesity", "stratum": "Total", "year": 2023.0,
		}},
		Dataset: question.DatasetInfo{
			Name: "sample", Title: "SYNTHETIC sample", Source: "https://example.org/d", License: "CC0", Synthetic: true,
			Geo: map[string]string{"location": "us-states"},
		},
		Coverage: &question.Coverage{Rows: 55, Missing: 2, Mixed: []question.Mixed{{Column: "year", Title: "Year", Values: 2}}},
		Caveats:  []question.Caveat{{Code: "synthetic", Text: "The figures are generated."}, {Code: "method", Text: "The method changed in 2011."}},
		URL:      "https://example.org/q/estimates?question=Percent+of+adults+aged+18+years+and+older+who+have+obesity&stratum=Total&year=2023",
	}
}

type edge struct {
	name  string
	mark  string
	table *question.Table
	says  []string // in the notes or in the picture
}

func many(n int) (names []string, values []float64) {
	for i := range n {
		names = append(names, fmt.Sprintf("Group %03d", i))
		values = append(values, float64((i*7919)%1000)/10)
	}
	return names, values
}

func edges() []edge {
	names, values := many(201)
	long := strings.Repeat("A very long name of a place ", 400)
	return []edge{
		{"map", markMap, table("map", one(keys("location", "Location", "Colorado", "DC", "Kansas", "utah", "National", "Guam")), estimates(24.1, 25.2, 36.4, missing, 31.4, 27.4),
			one(ranks("best", 5, 4, 1, 9, 9, 3)), one(ranks("worst", 6, 5, 2, 9, 9, 4))),
			[]string{"3 of 4 intervals cross", "Hatched, because the data have no value for this selection: utah.", "National 31.4 %", "Colorado: 24.1 % (95 % interval 22.6 to 26.6); rank 5 to 6", "they mix 2 values of Year.", "Wyoming: not in this answer", "GU 27.4"}},
		{"map-unmatched", markMap, table("map", one(keys("location", "Location", "Colorado", "Atlantis", "Elsewhere")), estimates(24.1, 25.2, missing)),
			[]string{"Not on the map, because no outline has this name: Atlantis 25.2 %; Elsewhere no value."}},
		{"map-one", markMap, table("map", one(keys("location", "Location", "Kansas")), estimates(24.1)), []string{"Kansas: 24.1 %"}},
		{"map-equal", markMap, table("map", one(keys("location", "Location", "Kansas", "Utah")), one(numbers("mean", "Mean", "", 0, 0))), []string{"0 to under"}},
		{"map-no-value", markMap, table("map", one(keys("location", "Location", "Kansas", "Utah")), one(numbers("mean", "Mean", "", missing, missing))), []string{"There is no value", "no value in the data"}},
		{"map-negative", markMap, table("map", one(keys("location", "Location", "Kansas", "Utah", "Wyoming")), one(numbers("d", "Difference", "", -3.25, 1.5, 0))), []string{"−4 to under −2 %"}},
		{"map-twice", markDots, table("map", one(keys("location", "Location", "Kansas", "KS")), estimates(24.1, 25)), nil},
		{"dots", markDots, table("", one(keys("location", "Location", "Ohio", "Kansas", "National", "Utah")), estimates(24.1, 36.4, 31.4, missing)),
			[]string{"no value", "Kansas: 36.4 % (95 % interval 34.9 to 38.9)", "The data have no value for this selection: Utah."}},
		{"dots-one", markDots, table("", one(keys("location", "Location", "Ohio")), estimates(24.1)), nil},
		{"dots-equal", markDots, table("", one(keys("g", "Group", "a", "b", "c")), one(numbers("e", "Estimate", question.ShowsEstimate, 5, 5, 5)), one(numbers("l", "Low", question.ShowsLow, 5, 5, 5)), one(numbers("h", "High", question.ShowsHigh, 5, 5, 5))), nil},
		{"dots-201", markDots, table("", one(keys("g", "Group", names...)), estimates(values...)), []string{"shows the highest 200 of 201 rows and leaves out 1"}},
		{"dots-names", markDots, table("", one(keys("g", "Group", long, "كولورادو الشمالية والجنوبية", "日本語の長い名前がここにありますからね、とても長い", "m\u0301", "")), estimates(1, 2, 3, 4, 5)),
			[]string{"A very long name of a p…", "كولورادو"}},
		{"dots-hostile", markDots, table("", one(keys(hostile, hostile, hostile, "b")), one(numbers(hostile, hostile, question.ShowsEstimate, -1e300, 1e300)), estimates(1, 2)[1:]),
			[]string{`\x00\x1b[31m\u202e`}},
		{"bars-negative", markBars, table("bar", one(keys("g", "Group", "a", "b", "c")), one(numbers("d", "Difference", "", -3.2, 0, 4.75))), []string{"−3.20"}},
		{"bars-limits", markBars, table("bar", one(keys("g", "Group", "a", "b")), estimates(-3.2, 4.75)), nil},
		{"bars-grouped", markBars, table("", one(keys("location", "Location", "Ohio", "Ohio", "Ohio", "Ohio")), one(keys("category", "Category", "Age", "Sex", "Age", "Sex")), one(keys("stratum", "Stratum", "18 - 24", "Female", "25 - 34", "Male")), one(numbers("mean", "Mean", "", 1, 2, 3, 4))),
			[]string{">Age<", ">18 - 24<", "Location: Ohio"}},
		{"bars-labels-below", markBars, table("", one(keys("g", "Group", names[:13]...)), one(numbers("mean", "Mean", "", values[:13]...))), nil},
		{"bars-kinds", markBars, table("", one(keys("g", "Group", "a", "b")), one(numbers("mean", "Mean", "", 1, 2)), one(kinds("place", "aggregate"))), []string{"a: 1 %</title>", "b: 2 %; Kind of place aggregate</title>"}},
		{"bars-record", markBars, table("", one(numbers("mean", "Global mean", "", 31.25))), []string{"Global mean: 31.2"}},
		{"bars-no-value", markBars, table("", one(keys("g", "Group", "a", "b")), one(numbers("mean", "Mean", "", missing, missing))), []string{"There is no value."}},
		{"line", markLine, table("", one(years(2011, 2012, 2013, 2015, 2016, 2018)), estimates(24, 25.5, 27, missing, 30, 29)),
			[]string{"The data have no value for this selection: 2015.", "The answer has no row for: 2014; 2017.", "The vertical axis does not begin at 0."}},
		{"line-negative", markLine, table("line", one(years(2013, 2011, 2012)), one(numbers("d", "Difference", "", -1, 1, 0))), nil},
		{"line-no-value", markLine, table("line", one(years(2011, 2012)), one(numbers("d", "Difference", "", missing, missing))), nil},
		{"line-far", markLine, table("line", one(years(-1<<40, 0, 1<<40)), one(numbers("d", "Difference", "", 1e-300, 5e299, 1))), nil},
	}
}

// TestGolden compares both uses of each mark and edge with testdata, and checks what no
// picture may break.
func TestGolden(t *testing.T) {
	full := states(t)
	list := edges()
	all := make([]string, 0, len(full.Shapes))
	values := make([]float64, len(full.Shapes))
	for i, s := range full.Shapes {
		all = append(all, s.Name)
		values[i] = 24 + float64(i*37%170)/10
	}
	list = append(list, edge{"map-states", markMap, table("map", one(keys("location", "Location", all...)), estimates(values...)), nil})
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			o := few(t)
			if e.name == "map-states" {
				o = full
			}
			d := New(o)
			c := caption()
			drawing, err := d.Draw(e.table, c)
			if err != nil {
				t.Fatal(err)
			}
			if drawing.Mark != e.mark {
				t.Errorf("drawn as %s instead of %s", drawing.Mark, e.mark)
			}
			var b bytes.Buffer
			if err := d.Write(&b, e.table, question.WriteOptions{Caption: c}); err != nil {
				t.Fatal(err)
			}
			everything := b.String() + drawing.Alt
			for _, s := range drawing.Legend {
				everything += s.Text
				inspect(t, s.SVG, false)
			}
			notes := strings.Join(drawing.Notes, "\n")
			for i, note := range drawing.Notes {
				if slices.Contains(drawing.Notes[:i], note) {
					t.Errorf("says twice: %s", note)
				}
			}
			for _, s := range e.says {
				if !strings.Contains(everything, s) && !strings.Contains(notes, s) {
					t.Errorf("does not say %q; notes: %s", s, notes)
				}
			}
			inspect(t, b.String(), true)
			inspect(t, drawing.SVG, false)
			golden(t, e.name+".svg", b.Bytes())
			if e.mark != markMap { // the inline map differs from the other in its size only
				golden(t, e.name+"-inline.svg", []byte(drawing.SVG))
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./runtime/chart -update writes it; look at it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./runtime/chart -update writes it; look at it)", path)
	}
}

var (
	elements   = strings.Fields("svg title desc style g rect line circle path text pattern")
	attributes = strings.Fields("xmlns id viewBox width height class role aria-labelledby aria-hidden font-family fill stroke x y x1 y1 x2 y2 cx cy r rx d stroke-width pointer-events stroke-linejoin stroke-dasharray font-size font-weight text-anchor transform patternUnits patternTransform")
	transform  = regexp.MustCompile(`^translate\((\d+) (\d+)\) scale\((\d+\.\d+)\)$`)
)

// inspect checks that a picture is well-formed, holds nothing that runs, loads or styles,
// has unique ids with one prefix, and that its texts and marks are inside it.
func inspect(t testing.TB, svg string, standalone bool) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	d.Strict = true
	var ids, refs []string
	var path []string
	var width, height int
	mapped := 0 // depth at which the group with another scale began
	var text xml.StartElement
	styles := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			if !slices.Contains(elements, token.Name.Local) {
				t.Errorf("element %s", token.Name.Local)
			}
			a := attrs(token)
			for name, value := range a {
				if !slices.Contains(attributes, name) {
					t.Errorf("attribute %s", name)
				}
				if ref, ok := strings.CutPrefix(value, "url("); ok {
					refs = append(refs, strings.Trim(ref, "#)"))
				}
			}
			if id, ok := a["id"]; ok {
				ids = append(ids, id)
			}
			switch token.Name.Local {
			case "svg":
				if n, _ := fmt.Sscanf(a["viewBox"], "0 0 %d %d", &width, &height); n != 2 {
					t.Errorf("viewBox %q", a["viewBox"])
				}
				refs = append(refs, strings.Fields(a["aria-labelledby"])...)
			case "g":
				if a["transform"] == "" {
					break
				}
				m := transform.FindStringSubmatch(a["transform"])
				if m == nil {
					t.Fatalf("transform %q", a["transform"])
				}
				x, _ := strconv.Atoi(m[1])
				scale, _ := strconv.ParseFloat(m[3], 64)
				if right := float64(x) + 3760*scale; right > float64(width) {
					t.Errorf("the map ends at %g of %d", right, width)
				}
				mapped = len(path)
			case "pattern":
				mapped = len(path)
			case "text":
				text = token
			case "style":
				styles++
			}
			if mapped == 0 {
				inside(t, token, a, width, height)
			}
		case xml.EndElement:
			if len(path) == mapped {
				mapped = 0
			}
			path = path[:len(path)-1]
		case xml.CharData:
			s := string(token)
			if strings.IndexFunc(strings.TrimSpace(s), question.Invisible) >= 0 {
				t.Errorf("invisible characters in %q", s)
			}
			if strings.TrimSpace(s) == "" {
				break
			}
			switch path[len(path)-1] {
			case "text":
				fits(t, attrs(text), s, width, height)
			case "style":
				if s != Style {
					t.Errorf("another style than the constant: %s", s)
				}
			}
		case xml.ProcInst, xml.Directive, xml.Comment:
			t.Errorf("%T", token)
		}
	}
	if want := pick(standalone, 1, 0); styles != want {
		t.Errorf("%d elements style instead of %d", styles, want)
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) || !strings.HasPrefix(id, ids[0]) {
			t.Errorf("id %q is not unique or lacks the prefix %q", id, ids[0])
		}
	}
	for _, ref := range refs {
		if !slices.Contains(ids, ref) {
			t.Errorf("nothing has the id %q", ref)
		}
	}
}

func attrs(e xml.StartElement) map[string]string {
	out := map[string]string{}
	for _, a := range e.Attr {
		out[a.Name.Local] = a.Value
	}
	return out
}

// inside checks that the marks are in the picture, and that all their numbers are integers.
func inside(t testing.TB, e xml.StartElement, a map[string]string, width, height int) {
	t.Helper()
	n := func(name string) int {
		if a[name] == "" {
			return 0
		}
		i, err := strconv.Atoi(a[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return i
	}
	check := func(x, y int) {
		if x < 0 || y < 0 || x > width || y > height {
			t.Errorf("%s at %d,%d is outside of %d,%d", e.Name.Local, x, y, width, height)
		}
	}
	switch e.Name.Local {
	case "rect":
		check(n("x"), n("y"))
		check(n("x")+n("width"), n("y")+n("height"))
		if n("width") < 0 || n("height") < 0 {
			t.Errorf("negative size: %v", a)
		}
	case "line":
		check(n("x1"), n("y1"))
		check(n("x2"), n("y2"))
	case "circle":
		check(n("cx")-n("r"), n("cy")-n("r"))
		check(n("cx")+n("r"), n("cy")+n("r"))
	case "path":
		d := strings.Fields(strings.NewReplacer("M", " ", "L", " ", "Z", " ").Replace(a["d"]))
		if strings.Contains(a["d"], "V") { // the dashed line
			return
		}
		for i := 0; i+1 < len(d); i += 2 {
			x, err := strconv.Atoi(d[i])
			y, err2 := strconv.Atoi(d[i+1])
			if err != nil || err2 != nil {
				t.Errorf("path %q", a["d"])
			}
			check(x, y)
		}
	}
}

// fits checks that a text is inside the picture.
func fits(t testing.TB, a map[string]string, s string, width, height int) {
	t.Helper()
	x, _ := strconv.Atoi(a["x"])
	y, _ := strconv.Atoi(a["y"])
	size, _ := strconv.Atoi(a["font-size"])
	w := textWidth(s, size)
	if a["font-weight"] != "" {
		w = boldWidth(s, size)
	}
	switch a["text-anchor"] {
	case atMiddle:
		x -= w / 2
	case atEnd:
		x -= w
	}
	if x < -20 || x+w > width+20 || y-size*8/10 < 0 || y > height {
		t.Errorf("text %q from %d to %d at %d is outside of %d,%d", s, x, x+w, y, width, height)
	}
}

func TestNoPicture(t *testing.T) {
	for name, tt := range map[string]*question.Table{
		"its manifest says so":  table("none", one(numbers("m", "", "", 1))),
		"has no rows":           table("", one(keys("g", "Group")), one(numbers("m", "", ""))),
		"no column of numbers":  table("", one(keys("g", "Group", "a"))),
		"too large to draw":     table("", one(numbers("m", "", "", 1e301))),
		"has no rows; it is av": {},
	} {
		_, err := New(states(t)).Draw(tt, nil)
		if question.CodeOf(err) != question.CodeNotAcceptable || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		var b bytes.Buffer
		if err := Bars(&b, tt, question.WriteOptions{}); question.CodeOf(err) != question.CodeNotAcceptable || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, b.Len())
		}
	}
}

// TestThemes checks that a fixed theme has its colours as attributes and follows no screen,
// and that ids differ between pictures on one page.
func TestThemes(t *testing.T) {
	d := New(states(t))
	tt := edges()[0].table
	seen := map[string]bool{}
	for _, theme := range []question.Theme{question.ThemeAuto, question.ThemeLight, question.ThemeDark} {
		c := caption()
		c.Theme = theme
		drawing, err := d.Draw(tt, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, svg := range []string{drawing.SVG, drawing.Legend[0].SVG} {
			if auto := strings.Contains(svg, "ch-auto"); auto != (theme == question.ThemeAuto) {
				t.Errorf("theme %q: follows the screen: %t", theme, auto)
			}
		}
		if want := palettes[theme]["c4"].fill; !strings.Contains(drawing.SVG, want) {
			t.Errorf("theme %q lacks %s", theme, want)
		}
		_, id, _ := strings.Cut(drawing.SVG, ` id="`)
		id, _, _ = strings.Cut(id, `"`)
		if seen[id] {
			t.Errorf("theme %q: the id %s again", theme, id)
		}
		seen[id] = true
	}
	f := d.Format()
	if sum := sha256.Sum256([]byte(Style)); f.Policy != "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'" {
		t.Errorf("the policy of svg is %q", f.Policy)
	}
	if len(classes) != len(light) || len(classes) != len(dark) {
		t.Errorf("%d classes, %d light and %d dark colours", len(classes), len(light), len(dark))
	}
	for _, name := range classes {
		if _, ok := light[name]; !ok {
			t.Errorf("no light colour %s", name)
		}
		if _, ok := dark[name]; !ok {
			t.Errorf("no dark colour %s", name)
		}
	}
}

// TestContrast checks the formulas of WCAG 2.2: text 4.5 to 1, marks 3 to 1, and that the
// classes differ in lightness, so that they can be told apart in grey and by everyone.
func TestContrast(t *testing.T) {
	for name, p := range map[string]palette{"light": light, "dark": dark} {
		bg := p["bg"].fill
		for class, least := range map[string]float64{"fg": 4.5, "mute": 4.5, "warn": 4.5, "whole": 4.5, "mark": 3} {
			if got := contrast(p[class].fill, bg); got < least {
				t.Errorf("%s: %s has the contrast %.2f", name, class, got)
			}
		}
		for _, class := range []string{"line", "whisk", "cap", "wholel", "c0", "hatch", "none", "axis"} {
			if got := contrast(p[class].stroke, bg); got < 3 {
				t.Errorf("%s: the line of %s has the contrast %.2f", name, class, got)
			}
		}
		for i := range 4 {
			a, b := p["c"+strconv.Itoa(i)].fill, p["c"+strconv.Itoa(i+1)].fill
			if got := contrast(a, b); got < 1.35 {
				t.Errorf("%s: classes %d and %d have the contrast %.2f", name, i, i+1, got)
			}
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(colour string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func TestScales(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      string
	}{
		{24.1, 41.2, "[20 25 30 35 40 45]"},
		{25.5, 36.1, "[25 27.5 30 32.5 35 37.5]"},
		{22.9, 44.9, "[20 25 30 35 40 45]"},
		{30, 30, "[30 35 40 45 50 55]"},
		{0, 0, "[0 0.2 0.4 0.6000000000000001 0.8 1]"},
		{-3.25, 1.5, "[-4 -2 0 2 4 6]"},
		{0.12, 0.17, "[0.12 0.13 0.14 0.15 0.16 0.17]"},
	} {
		s := classes5(tt.low, tt.high)
		if got := fmt.Sprint(s.ticks); got != strings.ReplaceAll(tt.want, "0.6000000000000001", "0.6") {
			t.Errorf("classes of %g to %g: %s", tt.low, tt.high, got)
		}
		if s.class(tt.low) != 0 && tt.low != tt.high || s.class(tt.high) > 4 {
			t.Errorf("classes of %g to %g: %d and %d", tt.low, tt.high, s.class(tt.low), s.class(tt.high))
		}
	}
}

func TestBars(t *testing.T) {
	tt := table("", one(keys("location", "Location", "Ohio", "District of Columbia and its surroundings", "日本語の名前", "Guam", "Puerto Rico")), estimates(24.1, -12.5, 36.4, missing, missing))
	c := caption()
	for _, width := range []int{0, 24, 40, 80, 200} {
		var b bytes.Buffer
		if err := Bars(&b, tt, question.WriteOptions{Width: width, Caption: c}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := question.Width(strings.TrimSuffix(line, "\n")); n > pick(width == 0, 80, width) {
				t.Errorf("width %d: a line of %d columns: %s", width, n, line)
			}
		}
		if !strings.Contains(b.String(), "SYNTHETIC") || !strings.Contains(b.String(), "36.4") {
			t.Errorf("width %d:\n%s", width, b.String())
		}
		if width == 80 {
			golden(t, "bars.txt", b.Bytes())
		}
	}
}

func FuzzDraw(f *testing.F) {
	f.Add("Ohio", "Age", "%", "map", 24.1, 36.4, 20.0, 30.0)
	f.Add(hostile, hostile, hostile, "", -1e300, 1e300, math.Inf(-1), math.NaN())
	f.Add("\u202eabc", strings.Repeat("x", 10000), "", "bar", 0.0, 5e-324, -5e-324, 1.0)
	f.Add("National", "ks", "$", "line", 1e15, 1e-7, 3.0, 2.0)
	d := New(states(f))
	f.Fuzz(func(t *testing.T, name, other, unit, hint string, a, b, low, high float64) {
		e := question.Column{Name: name, Title: other, Type: question.Number, Unit: unit, Role: question.RoleValue, Numbers: []float64{a, b, a}}
		tt := table(hint, one(keys("location", name, name, other, "Kansas")), one(keys(other, unit, unit, hint, hint)), one(e),
			one(numbers("low", "", question.ShowsLow, low, low, a)), one(numbers("high", "", question.ShowsHigh, high, high, b)))
		if hint != "" && hint[0]%2 == 0 { // one key
			tt.Columns = slices.Delete(tt.Columns, 1, 2)
		}
		c := caption()
		c.Title, c.URL, c.Dataset.Title, c.Dataset.Source = name, other, unit, name
		c.Request.Params[other], c.Request.Where = name, map[string]any{name: []any{other, a}, other: map[string]any{"min": b}}
		c.Caveats = append(c.Caveats, question.Caveat{Text: other})
		var out bytes.Buffer
		err := d.Write(&out, tt, question.WriteOptions{Caption: c})
		drawing, err2 := d.Draw(tt, c)
		if (err == nil) != (err2 == nil) || err != nil && question.CodeOf(err) != question.CodeNotAcceptable {
			t.Fatal(err, err2)
		}
		if err != nil {
			return
		}
		inspect(t, out.String(), true)
		inspect(t, drawing.SVG, false)
		out.Reset()
		if err := Bars(&out, tt, question.WriteOptions{Width: 80, Caption: c}); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := question.Width(line); n > 80 || strings.IndexFunc(line, question.Invisible) >= 0 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	})
}

// BenchmarkLong draws a table of 100,000 rows, of which 200 become marks.
func BenchmarkLong(b *testing.B) {
	names, values := many(100_000)
	k := question.Column{Name: "g", Type: question.String, Role: question.RoleKey, Dict: names}
	for i := range names {
		k.Codes = append(k.Codes, int32(i))
	}
	d, tt := New(), table("", one(k), estimates(values...))
	b.ReportAllocs()
	for b.Loop() {
		drawing, err := d.Draw(tt, nil)
		if err != nil {
			b.Fatal(err)
		}
		if len(drawing.Notes) != 1 || !strings.Contains(drawing.Notes[0], "leaves out 99,800") {
			b.Fatal(drawing.Notes)
		}
	}
}

// BenchmarkMap draws the map of all places for a page.
func BenchmarkMap(b *testing.B) {
	o := states(b)
	var names []string
	var values []float64
	for i, s := range o.Shapes {
		names = append(names, s.Name)
		values = append(values, float64(20+i%20))
	}
	d, tt, c := New(o), table("map", one(keys("location", "Location", names...)), estimates(values...)), caption()
	b.ReportAllocs()
	for b.Loop() {
		drawing, err := d.Draw(tt, c)
		if err != nil {
			b.Fatal(err)
		}
		if n := strings.Count(drawing.SVG, "<path"); n < len(names) {
			b.Fatalf("%d paths for %d places", n, len(names))
		}
		b.ReportMetric(float64(len(drawing.SVG)), "bytes/picture")
	}
}
