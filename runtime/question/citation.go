package question

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Citation cites an answer: the question, the dataset with source and licence, the date and
// the digests that identify it. Its texts have no invisible characters.
type Citation struct {
	id        string // of the result, for bibliographies
	title     string // of the question with its parameters
	dataset   string // title
	source    string // "" if it is not known
	license   string
	plugin    string // name and version
	build     string
	asked     time.Time // UTC
	synthetic string    // the sentence; "" if the figures are real
	receipt   Receipt
}

// Cite returns the citation of an answer that was asked for at a time in UTC. p is not nil.
func Cite(c *Caption, p *Provenance, asked time.Time) *Citation {
	out := &Citation{
		id: "lestats_" + c.Request.Question, title: c.Title, dataset: cmp.Or(c.Dataset.Title, c.Dataset.Name), source: c.Dataset.Source, license: c.Dataset.License,
		plugin: strings.TrimSpace(p.Plugin + " " + p.PluginVersion), asked: asked,
	}
	if r := c.Receipt; r != nil {
		out.receipt, out.build = *r, r.Build
		out.id += "_" + short(r.Result)
	}
	if p.Synthetic {
		out.synthetic = SyntheticText(p.Dataset)
	}
	var given []string
	for _, list := range []map[string]any{c.Request.Params, c.Request.Where} {
		for _, name := range slices.Sorted(maps.Keys(list)) {
			given = append(given, name+": "+citedValue(list[name]))
		}
	}
	for _, f := range c.Fixed {
		given = append(given, f.Column+": "+citedValue(f.Value))
	}
	if len(given) > 0 {
		out.title += " (" + strings.Join(given, "; ") + ")"
	}
	for _, text := range []*string{&out.id, &out.title, &out.dataset, &out.source, &out.license, &out.plugin, &out.build} {
		*text = Visible(*text)
	}
	return out
}

// short returns the first digits of a digest.
func short(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 12)]
}

// citedValue writes a value of a request for people.
func citedValue(v any) string {
	switch v := v.(type) {
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = citedValue(v[i])
		}
		return strings.Join(texts, ", ")
	case map[string]any:
		switch from, to := v["min"], v["max"]; {
		case to == nil:
			return "from " + citedValue(from)
		case from == nil:
			return "to " + citedValue(to)
		default:
			return citedValue(from) + " to " + citedValue(to)
		}
	default:
		return fmt.Sprint(v)
	}
}

// computed says with what the answer was computed.
func (c *Citation) computed() string {
	return fmt.Sprintf("Computed by Le Stats Sportifs %s, plugin %s.", c.build, c.plugin)
}

// digests are what verify compares.
func (c *Citation) digests() string {
	return fmt.Sprintf("Dataset %s, plugin %s, request %s, result %s.", c.receipt.Dataset, c.receipt.Plugin, c.receipt.Request, c.receipt.Result)
}

// notes are the sentences that no field of a bibliography has room for.
func (c *Citation) notes() string {
	parts := []string{c.computed(), c.digests()}
	if c.license != "" {
		parts = append([]string{"Licence of the dataset: " + c.license + "."}, parts...)
	}
	if c.synthetic != "" {
		parts = append([]string{c.synthetic}, parts...)
	}
	return strings.Join(parts, " ")
}

// Text returns the citation as one paragraph for people, and a line end.
func (c *Citation) Text() string {
	var b strings.Builder
	if c.synthetic != "" {
		b.WriteString(c.synthetic + "\n")
	}
	fmt.Fprintf(&b, "%s. From the dataset: %s.", c.title, c.dataset)
	if c.source != "" {
		b.WriteString(" " + c.source + ".")
	}
	if c.license != "" {
		b.WriteString(" " + c.license + ".")
	}
	fmt.Fprintf(&b, " %s Asked on %s. %s\n", c.computed(), c.asked.Format(time.DateOnly), c.digests())
	return b.String()
}

// latex escapes what LaTeX reads as its own.
var latex = strings.NewReplacer(`\`, `\textbackslash{}`, `{`, `\{`, `}`, `\}`, `&`, `\&`, `%`, `\%`, `$`, `\$`, `#`, `\#`, `_`, `\_`, `~`, `\textasciitilde{}`, `^`, `\textasciicircum{}`)

// BibTeX returns the citation as an entry of BibTeX, escaped for LaTeX.
func (c *Citation) BibTeX() string {
	title := c.title
	if c.synthetic != "" {
		title = "SYNTHETIC: " + title
	}
	var b strings.Builder
	fmt.Fprintf(&b, "@misc{%s,\n", c.id)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s = {%s},\n", name, value)
		}
	}
	field("title", "{"+latex.Replace(title)+"}")
	field("howpublished", latex.Replace("Answer of a question to the dataset: "+c.dataset))
	if c.isURL() {
		field("url", strings.NewReplacer(`\`, "%5C", "{", "%7B", "}", "%7D", " ", "%20").Replace(c.source))
	} else {
		field("organization", latex.Replace(c.source))
	}
	field("year", c.asked.Format("2006"))
	field("urldate", c.asked.Format(time.DateOnly))
	field("version", latex.Replace(c.build))
	field("note", latex.Replace(c.notes()))
	b.WriteString("}\n")
	return b.String()
}

// isURL reports whether the source is an address on the web.
func (c *Citation) isURL() bool {
	u, err := url.Parse(c.source)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// CSLItem is an item of CSL-JSON 1.0.
type CSLItem struct {
	ID             string  `json:"id"`
	Type           string  `json:"type"`
	Title          string  `json:"title"`
	ContainerTitle string  `json:"container-title"`
	URL            string  `json:"URL,omitempty"`
	Source         string  `json:"source,omitempty"`
	Version        string  `json:"version,omitempty"`
	Accessed       CSLDate `json:"accessed"`
	Note           string  `json:"note"`
}

// CSLDate is a date of CSL-JSON.
type CSLDate struct {
	Parts [][]int `json:"date-parts"`
}

// CSL returns the citation as an item of CSL-JSON.
func (c *Citation) CSL() CSLItem {
	item := CSLItem{
		ID: c.id, Type: "dataset", Title: c.title, ContainerTitle: c.dataset, Version: c.build, Note: c.notes(),
		Accessed: CSLDate{[][]int{{c.asked.Year(), int(c.asked.Month()), c.asked.Day()}}},
	}
	if c.synthetic != "" {
		item.Title = "SYNTHETIC: " + item.Title
	}
	if c.isURL() {
		item.URL = c.source
	} else {
		item.Source = c.source
	}
	return item
}
