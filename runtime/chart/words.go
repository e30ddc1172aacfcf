package chart

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func title(c *question.Column) string { return clean(cmp.Or(c.Title, c.Name), 80) }

// cell returns row i of a column for people.
func cell(c *question.Column, i int) string {
	switch v := c.Value(i).(type) {
	case string:
		return clean(v, maxTip)
	case int64:
		if c.Role == question.RoleKey { // a year has no comma
			return strconv.FormatInt(v, 10)
		}
		return number(float64(v), 0)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "no value"
		}
		return number(v, decimals([]float64{v}))
	default:
		return "no value"
	}
}

var percent = regexp.MustCompile(`\b(\d{1,2}(?:\.\d{1,2})?) ?%`)

// level returns the confidence level that the titles of both limits name, as "95 % ".
func level(low, high string) string {
	a, b := percent.FindStringSubmatch(cut(low, maxTip)), percent.FindStringSubmatch(cut(high, maxTip))
	if a == nil || b == nil || a[1] != b[1] {
		return ""
	}
	return a[1] + " % "
}

// clean returns at most n characters of s, with the invisible ones escaped.
func clean(s string, n int) string { return cut(question.Visible(cut(s, n)), n) }

// note says what people need to read the picture.
func (f *figure) note() {
	crossing := 0
	var unmatched, missing []string
	s, ok := f.classes()
	for i := range f.rows {
		r := &f.rows[i]
		switch {
		case f.mark == markMap && r.shape == noShape:
			unmatched = append(unmatched, r.label+" "+f.value(r))
		case !r.present && (f.mark != markMap || r.shape >= 0):
			missing = append(missing, pick(r.group == "", "", cut(r.group, maxLabel)+", ")+r.label)
		case ok && r.shape >= 0 && r.limits && s.class(r.low) != s.class(r.high):
			crossing++
		}
	}
	if f.mark == markMap && f.limits {
		placed := 0
		for i := range f.rows {
			if f.rows[i].shape >= 0 && f.rows[i].limits {
				placed++
			}
		}
		f.notes = append(f.notes, fmt.Sprintf("%d of %d intervals cross from one class into another: the colour of those places is not sure.", crossing, placed))
	}
	if len(missing) > 0 {
		f.notes = append(f.notes, pick(f.mark == markMap, "Hatched, because the data have no value for this selection: ",
			"The data have no value for this selection: ")+some(missing, int64(len(missing)))+".")
	}
	if len(unmatched) > 0 {
		f.notes = append(f.notes, "Not on the map, because no outline has this name: "+some(unmatched, int64(len(unmatched)))+".")
	}
	if f.mark == markLine {
		if gaps, n := f.gaps(); n > 0 {
			f.notes = append(f.notes, "The answer has no row for: "+some(gaps, n)+".")
		}
		if f.heights().low > 0 {
			f.notes = append(f.notes, "The vertical axis does not begin at 0.")
		}
	}
}

// maxNames is how many names a note lists.
const maxNames = 10

// some joins the first of n names.
func some(names []string, n int64) string {
	if n > maxNames {
		names = append(names[:maxNames:maxNames], fmt.Sprintf("and %d more", n-maxNames))
	}
	return strings.Join(names, "; ")
}

// describe sets the texts around the picture.
func (f *figure) describe(t *question.Table, c *question.Caption, cols columns) {
	estimate := &t.Columns[cols.estimate]
	f.measure = title(estimate)
	if f.unit != "" {
		f.measure += ", " + f.unit
	}
	var long, short []string
	shown := map[string]bool{}
	add := func(name, value string) {
		if value == "" || shown[value] {
			return
		}
		shown[value] = true
		if len(value) > 40 {
			long = append(long, value)
		} else {
			short = append(short, name+": "+value)
		}
	}
	names := make([]string, 0, len(c.Request.Params))
	titles := map[string]string{}
	if c.Question != nil {
		for i := range c.Question.Params {
			p := &c.Question.Params[i]
			titles[p.Name] = clean(cmp.Or(p.Title, p.Name), 40)
			if _, ok := c.Request.Params[p.Name]; ok {
				names = append(names, p.Name)
			}
		}
	}
	for _, name := range sortedKeys(c.Request.Params) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		add(cmp.Or(titles[name], clean(name, 40)), asked(c.Request.Params[name]))
	}
	for _, i := range cols.fixed {
		add(title(&t.Columns[i]), cell(&t.Columns[i], 0))
	}
	for _, name := range sortedKeys(c.Request.Where) {
		add(clean(strings.ReplaceAll(name, "_", " "), 40), asked(c.Request.Where[name]))
	}
	// What was asked is the better title of a slide: "Percent of adults who ...".
	f.title = clean(c.Title, maxTip)
	if len(long) > 0 {
		if f.title != "" {
			short = append([]string{f.title}, short...)
		}
		f.title, long = long[0], long[1:]
	}
	f.title = cmp.Or(f.title, f.measure)
	f.selection = long
	if len(short) > 0 {
		f.selection = append(f.selection, strings.Join(short, "; "))
	}
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// asked returns a value of a request for people.
func asked(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return clean(v, 200)
	case json.Number:
		return clean(v.String(), 40)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var parts []string
		for i, e := range v {
			if i == 4 && len(v) > 5 {
				parts = append(parts, fmt.Sprintf("and %d more", len(v)-i))
				break
			}
			parts = append(parts, asked(e))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		low, high := asked(v["min"]), asked(v["max"])
		switch {
		case high == "":
			return "from " + low
		case low == "":
			return "up to " + high
		default:
			return low + " to " + high
		}
	default:
		return clean(fmt.Sprint(v), 40)
	}
}

// value returns the value of a row with its unit, for people.
func (f *figure) value(r *row) string {
	if !r.present {
		return "no value"
	}
	s := number(r.value, f.decimals)
	if f.unit != "" {
		s += " " + f.unit
	}
	return s
}

// interval returns the interval of a row, or "".
func (f *figure) interval(r *row) string {
	if !r.limits {
		return ""
	}
	return number(r.low, f.decimals) + " to " + number(r.high, f.decimals)
}

// tip returns all that is known about a row.
func (f *figure) tip(r *row) string {
	s := r.name + ": " + f.value(r)
	if r.group != "" {
		s = r.group + ", " + s
	}
	if r.limits {
		s += " (" + f.level + "interval " + f.interval(r) + ")"
	}
	if r.more != "" {
		s += "; " + r.more
	}
	return s
}

// alt describes the picture for people who do not see it.
func (f *figure) alt() string {
	names := map[string]string{markMap: "Map", markDots: "Dots", markBars: "Bars", markLine: "Line"}
	var least, most, all *row
	n := 0
	for i := range f.rows {
		r := &f.rows[i]
		if r.shape == whole {
			all = r
		}
		if !r.present || f.mark == markMap && r.shape == whole {
			continue
		}
		n++
		if least == nil || r.value < least.value {
			least = r
		}
		if most == nil || r.value > most.value {
			most = r
		}
	}
	with := ""
	if f.limits && f.mark != markMap {
		with = " with " + f.level + "intervals"
	}
	s := fmt.Sprintf("%s%s of %s by %s", names[f.mark], with, f.measure, f.key)
	switch n {
	case 0:
		return s + ". There is no value."
	case 1:
		s += fmt.Sprintf(". %s: %s", most.name, f.value(most))
	default:
		s += fmt.Sprintf(", %d values, from %s (%s) to %s (%s)", n, f.value(least), least.name, f.value(most), most.name)
	}
	if all != nil && f.mark == markMap {
		s += fmt.Sprintf("; %s %s", all.name, f.value(all))
	}
	return s + "."
}
