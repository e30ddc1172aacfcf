package dataset

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Kind is what a value of a column of places stands for.
type Kind string

// The kinds. Values that a descriptor does not name are places.
const (
	KindPlace     Kind = "place"
	KindAggregate Kind = "aggregate" // a sum or a mean of places, such as National
	KindTerritory Kind = "territory" // a place that rankings and national figures leave out
)

// kindSuffix follows a column's name in that of its kinds.
const kindSuffix = "_kind"

// Latest is the default of a column of times: the last one that has a value of the measure
// in the selected rows.
const Latest = "latest"

// Outlines are the names of outlines that a descriptor can use.
var Outlines = []string{"us-states"}

// Caveat is a note that goes with answers of a dataset.
type Caveat struct {
	Column string `json:"column"`
	When   string `json:"when"` // mixed: the selected rows have several values of Column
	Text   string `json:"text"` // one sentence
}

// whenMixed is the only value of Caveat.When.
const whenMixed = "mixed"

const (
	maxCaveats = 64
	maxKinds   = 1024 // values of one column
)

// checkHonesty returns the first error in the keys kinds, defaults, caveats and geo of a
// descriptor whose columns and roles are valid.
func (d *Descriptor) checkHonesty() *keyError {
	for _, name := range slices.Sorted(maps.Keys(d.Kinds)) {
		key := "kinds." + name
		if err := d.checkStringColumn(key, name); err != nil {
			return err
		}
		for _, made := range d.kindNames(name) {
			if slices.ContainsFunc(d.Columns, func(c Column) bool { return slices.Contains(c.names(), made) }) {
				return badKey(key, "the dataset gets a column %q, and it has one with that name, header or alias; call that one something else", made)
			}
		}
		if n := len(d.Kinds[name]); n > maxKinds {
			return badKey(key, "there are %d values; at most %d", n, maxKinds)
		}
		for _, value := range slices.Sorted(maps.Keys(d.Kinds[name])) {
			if err := checkText(key+"."+value, value, maxText); err != nil {
				return err
			}
			switch d.Kinds[name][value] {
			case KindPlace, KindAggregate, KindTerritory:
			default:
				return badKey(key+"."+value, "it is %s; it must be aggregate, territory or place", literal.Quote(string(d.Kinds[name][value])))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Defaults)) {
		if err := d.checkDefault("defaults."+name, name, d.Defaults[name]); err != nil {
			return err
		}
	}
	if n := len(d.Caveats); n > maxCaveats {
		return badKey("caveats", "there are %d; at most %d", n, maxCaveats)
	}
	for i, c := range d.Caveats {
		at := "caveats[" + strconv.Itoa(i) + "]"
		of := d.index(c.Column)
		switch {
		case of < 0 && !d.isKind(c.Column):
			return badKey(at+".column", "%s is not a column of this dataset", literal.Quote(c.Column))
		case of >= 0 && d.Columns[of].Role != question.RoleDimension:
			return badKey(at+".column", "the column %q is not a dimension; give it role: dimension", c.Column)
		case c.When != whenMixed:
			return badKey(at+".when", "it is %s; it must be mixed: the selected rows have several values of the column", literal.Quote(c.When))
		case strings.TrimSpace(c.Text) == "":
			return badKey(at+".text", "it is missing; say in one sentence what a reader has to know")
		}
		if err := checkText(at+".text", c.Text, maxText); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Geo)) {
		if err := d.checkStringColumn("geo."+name, name); err != nil {
			return err
		}
		if !slices.Contains(Outlines, d.Geo[name]) {
			return badKey("geo."+name, "there are no outlines %s; there are %s", literal.Quote(d.Geo[name]), literal.List(Outlines))
		}
	}
	return nil
}

func (d *Descriptor) checkStringColumn(key, name string) *keyError {
	if i := d.index(name); i < 0 || d.Columns[i].Type != question.String {
		return badKey(key, "%s is not a string column of this dataset; its string columns are %s", literal.Quote(name), d.listStrings())
	}
	return nil
}

// kindNames returns the names of the column that the dataset makes of the kinds of a column:
// its own, and the one by which plugins ask for it, whatever the column is called.
func (d *Descriptor) kindNames(name string) []string {
	out := []string{name + kindSuffix}
	if d.Roles == nil {
		return out
	}
	for _, p := range RoleSpecs {
		if at := d.roleColumn(p); at >= 0 && d.Columns[at].Name == name && p.Column != name {
			out = append(out, p.Column+kindSuffix)
		}
	}
	return out
}

// isKind reports whether the dataset makes a column of this name from Kinds.
func (d *Descriptor) isKind(name string) bool {
	of, ok := strings.CutSuffix(name, kindSuffix)
	return ok && d.Kinds[of] != nil
}

// checkDefault checks that the text is a value that the column can have.
func (d *Descriptor) checkDefault(key, name, text string) *keyError {
	i := d.index(name)
	if i < 0 {
		return badKey(key, "%s is not a column of this dataset", literal.Quote(name))
	}
	if err := checkText(key, text, maxText); err != nil {
		return err
	}
	switch c := &d.Columns[i]; {
	case text == "":
		return badKey(key, "it is empty; give a value of the column")
	case c.Type == question.Integer && text == Latest:
		return nil
	case c.Type == question.Integer:
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return badKey(key, "it is %s; the column %q holds integers, and %s is the last one with a value", literal.Quote(text), name, Latest)
		}
	case c.Type == question.Number:
		return badKey(key, "the column %q holds numbers; only strings and integers have defaults", name)
	}
	return nil
}

// addKinds adds a column of kinds for each entry of Descriptor.Kinds, a dimension that
// follows the dataset's own columns.
func (d *Dataset) addKinds() {
	for _, name := range slices.Sorted(maps.Keys(d.desc.Kinds)) {
		from, kinds := &d.columns[d.desc.index(name)], d.desc.Kinds[name]
		c := question.Column{
			Name: name + kindSuffix, Title: titleOf(from) + " (kind)", Type: question.String, Role: question.RoleDimension,
			Codes: make([]int32, d.rows), Valid: from.Valid,
		}
		of := make([]Kind, len(from.Dict)) // by code
		used := map[Kind]int32{}
		for code, value := range from.Dict {
			of[code] = KindPlace
			if kind, ok := kinds[value]; ok {
				of[code] = kind
			}
			used[of[code]] = 0
		}
		for i, kind := range slices.Sorted(maps.Keys(used)) {
			used[kind] = int32(i)
			c.Dict = append(c.Dict, string(kind))
		}
		for row, code := range from.Codes {
			if from.Present(row) {
				c.Codes[row] = used[of[code]]
			}
		}
		for _, made := range d.desc.kindNames(name) {
			d.byName[made] = len(d.columns)
		}
		d.columns = append(d.columns, c)
	}
}

func titleOf(c *question.Column) string {
	if c.Title == "" {
		return c.Name
	}
	return c.Title
}

// Caveats returns the descriptor's caveats that apply to rows of this coverage.
func (d *Dataset) Caveats(c *question.Coverage) (out []question.Caveat) {
	for _, caveat := range d.desc.Caveats {
		if slices.ContainsFunc(c.Mixed, func(m question.Mixed) bool { return m.Column == caveat.Column }) {
			out = append(out, question.Caveat{Code: whenMixed + "_" + caveat.Column, Text: caveat.Text})
		}
	}
	return out
}

// Default returns the descriptor's default of the column with this name, "" if it has none;
// see Latest.
func (d *Dataset) Default(column string) string { return d.desc.Defaults[column] }

// Greatest returns the greatest value of a column of integers among the rows that pass the
// conditions and have a value of the measure. It is false if there is none.
func (d *Dataset) Greatest(column string, conds []question.Condition) (greatest int64, ok bool) {
	at, known := d.byName[column]
	if !known || d.columns[at].Type != question.Integer {
		return 0, false
	}
	c, measure := &d.columns[at], &d.columns[d.desc.measure()]
	greatest = math.MinInt64
	for _, r := range d.Select(conds) {
		for row := int(r.Start); row < int(r.Start+r.Count); row++ {
			if v := c.Integers[row]; (!ok || v > greatest) && c.Present(row) && measure.Present(row) {
				greatest, ok = v, true
			}
		}
	}
	return greatest, ok
}
