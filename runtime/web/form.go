package web

import (
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// field is one field of a form.
type field struct {
	ID, Label, Hint string
	Names           []string // of its controls
	Controls        template.HTML
	Error           string // what is wrong with its value; "" if nothing
	Hints           []link // the same request with a value that would be right
}

const (
	maxOptions = 80  // of a select; above, values are typed, with suggestions
	maxListed  = 400 // of the suggestions that a page holds
	maxRepeat  = 8   // of the controls of one list
)

// control describes the controls of one field.
type control struct {
	id, name string
	given    []string // as it was typed
	choices  []string // nil: anything can be typed
	empty    string   // what leaving it out means; "" if it has to be given
	usual    string   // the value that it has if it is left out
	repeat   bool     // takes several values: one control for each, and one more
	mode     string   // inputmode of what is typed
	wrong    bool
}

// html writes the controls. The texts of options are visible; their values are exact.
func (c *control) html() template.HTML {
	given := c.given
	if c.repeat && len(given) < maxRepeat {
		given = append(slices.Clone(given), "")
		if len(given) < 2 {
			given = append(given, "")
		}
	}
	if len(given) == 0 {
		given = []string{""}
	}
	var b strings.Builder
	typed := len(c.choices) == 0 || len(c.choices) > maxOptions || slices.ContainsFunc(given, func(v string) bool { return v != "" && !slices.Contains(c.choices, v) })
	for i, value := range given {
		id := c.id
		if i > 0 {
			id += "-" + strconv.Itoa(i+1)
		}
		attributes := ` id="` + esc(id) + `" name="` + esc(c.name) + `"`
		if i > 0 {
			attributes += ` aria-label="one more"`
		}
		if c.wrong {
			attributes += ` aria-invalid="true" aria-describedby="` + esc(c.id) + `-error"`
		}
		if typed {
			c.input(&b, attributes, value)
		} else {
			c.options(&b, attributes, value, i > 0)
		}
	}
	if typed && len(c.choices) > 0 {
		b.WriteString(`<datalist id="` + esc(c.id) + `-values">`)
		for _, choice := range c.choices[:min(len(c.choices), maxListed)] {
			b.WriteString(`<option value="` + esc(choice) + `">`)
		}
		b.WriteString("</datalist>")
	}
	return template.HTML(b.String()) //nolint:gosec // every text is escaped
}

func (c *control) input(b *strings.Builder, attributes, value string) {
	b.WriteString(`<input type="text"` + attributes + ` value="` + esc(value) + `" autocomplete="off" spellcheck="false"`)
	if len(c.choices) > 0 {
		b.WriteString(` list="` + esc(c.id) + `-values"`)
	}
	if c.mode != "" {
		b.WriteString(` inputmode="` + c.mode + `"`)
	}
	b.WriteString(">")
}

func (c *control) options(b *strings.Builder, attributes, value string, more bool) {
	b.WriteString("<select" + attributes + ">")
	switch {
	case more:
		b.WriteString(`<option value="">none</option>`)
	case c.empty != "":
		b.WriteString(`<option value="">` + esc(question.Visible(c.empty)) + "</option>")
	case value == "" && c.usual == "":
		b.WriteString(`<option value="">Choose</option>`)
	}
	if value == "" && !more && c.empty == "" {
		value = c.usual
	}
	for _, choice := range c.choices {
		b.WriteString(`<option value="` + esc(choice) + `"`)
		if choice == value {
			b.WriteString(" selected")
		}
		b.WriteString(">" + esc(question.Visible(choice)) + "</option>")
	}
	b.WriteString("</select>")
}

func esc(text string) string { return template.HTMLEscapeString(text) }

// paramField returns the field of a parameter. name is that of its controls.
func (s *Site) paramField(p *question.Param, name string, given []string) (field, control) {
	c := control{id: "f-" + name, name: name, given: given, choices: p.Known(s.cfg.Schema), repeat: p.List}
	f := field{ID: c.id, Names: []string{name}, Label: label(p.Title, p.Name), Hint: question.Visible(p.Description)}
	switch p.Type {
	case question.ParamColumn:
		if c.choices == nil {
			if column, ok := s.cfg.Schema.Column(p.Column); ok {
				c.choices = s.values(column)
			}
		}
	case question.ParamBoolean:
		c.choices = []string{"true", "false"}
	case question.ParamInteger:
		c.mode = "numeric"
	case question.ParamNumber:
		c.mode = "decimal"
	case question.ParamChoice:
	}
	if p.Type == question.ParamInteger || p.Type == question.ParamNumber {
		f.Hint = strings.TrimSpace(f.Hint + " It takes " + question.Visible(p.Expects(s.cfg.Schema)) + ".")
	}
	if p.Default != nil {
		c.usual = spoken(p.Default)
		if len(c.choices) == 0 && len(given) == 0 {
			c.given = []string{c.usual}
		}
	} else if !p.Required {
		c.empty = "Default"
	}
	if p.List {
		f.Hint = strings.TrimSpace(f.Hint + " Several may be chosen.")
	}
	return f, c
}

func label(title, name string) string {
	if title == "" {
		title = strings.ReplaceAll(name, "_", " ")
	}
	return question.Visible(title)
}

// fields returns the fields of a question's parameters, and of conditions on the dimensions
// that they leave free. wrong is the error of the request, or answer
// its answer, of which the form says what was used by default; again
// returns the URL of the same request with another value of a control.
func (s *Site) fields(q *question.Question, values url.Values, wrong *question.Error, answer *question.Answer, again func(name, value string) string) (params, filters []field, filtered bool) {
	mark := func(f *field, c *control, names ...string) {
		if wrong == nil || wrong.Param == "" || !slices.Contains(names, wrong.Param) || f.Error != "" {
			return
		}
		c.wrong, f.Error = true, question.Visible(wrong.Reason)
		for _, hint := range wrong.Hint {
			f.Hints = append(f.Hints, link{again(c.name, hint), question.Visible(hint)})
		}
	}
	taken := map[string]bool{}
	for i := range q.Params {
		p := &q.Params[i]
		if p.Absent {
			continue
		}
		f, c := s.paramField(p, p.Name, notEmpty(values[p.Name]))
		if answer != nil && c.empty != "" {
			if used := s.used(answer.Table, p); used != "" {
				c.empty = "Default: " + used
			}
		}
		mark(&f, &c, p.Name)
		f.Controls = c.html()
		params = append(params, f)
		if column, ok := s.cfg.Schema.Column(p.Column); ok && p.Select {
			taken[column.Name] = true
		}
	}
	columns := slices.Clone(s.cfg.Schema.Columns())
	if kind, ok := s.cfg.Schema.Column(question.KindColumn); ok && !slices.ContainsFunc(columns, func(c question.Column) bool { return c.Name == kind.Name }) {
		columns = append(columns, *kind)
	}
	for i := range columns {
		column := &columns[i]
		name := question.WhereParam + "." + column.Name
		given := slices.Clone(notEmpty(values[name]))
		least, most := values.Get(name+".min"), values.Get(name+".max")
		has := len(given) > 0 || least != "" || most != ""
		if column.Role != question.RoleDimension || taken[column.Name] && !has || column.Type == question.String && len(column.Dict) < 2 && !has {
			continue
		}
		filtered = filtered || has
		f := field{ID: "f-" + name, Names: []string{name, name + ".min", name + ".max"}, Label: label(column.Title, column.Name)}
		if column.Type == question.String || len(given) > 1 {
			c := control{id: f.ID, name: name, given: given, choices: s.values(column), empty: "any", repeat: len(given) > 0}
			mark(&f, &c, name, column.Name)
			f.Controls = c.html()
		} else {
			if len(given) == 1 {
				least, most = given[0], given[0]
			}
			from := control{id: f.ID, name: name + ".min", given: []string{least}, choices: s.values(column), empty: "any", mode: "decimal"}
			to := control{id: f.ID + "-to", name: name + ".max", given: []string{most}, choices: s.values(column), empty: "any", mode: "decimal"}
			mark(&f, &from, name, name+".min", name+".max", column.Name)
			to.wrong = false
			f.Controls = `<span class="ends"><span>` + from.html() + `</span><label for="` + template.HTML(esc(to.id)) + `">to</label><span>` + to.html() + "</span></span>" //nolint:gosec // escaped
		}
		filters = append(filters, f)
	}
	return params, filters, filtered || wrong != nil && strings.HasPrefix(wrong.Param, question.WhereParam)
}

// used returns the one value of a parameter's column in a table, "" if there is no such.
func (s *Site) used(t *question.Table, p *question.Param) string {
	column, ok := s.cfg.Schema.Column(p.Column)
	if !ok || t.Rows() == 0 {
		return ""
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Name == column.Name && constant(c) {
			f := figuresOf(c)
			return f.at(0)
		}
	}
	return ""
}

func notEmpty(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

// values returns the values of a column for a form, in their order: all strings; the
// integers if they are few; nil if there is no list of them.
func (s *Site) values(c *question.Column) []string {
	switch c.Type {
	case question.String:
		return c.Selectable()
	case question.Number:
		return nil
	}
	if known, ok := s.integers.Load(c.Name); ok {
		return known.([]string)
	}
	var out []string
	different, _ := c.DistinctIntegers(maxOptions)
	for _, v := range slices.Backward(different) { // the latest first
		out = append(out, strconv.FormatInt(v, 10))
	}
	s.integers.Store(c.Name, out)
	return out
}
