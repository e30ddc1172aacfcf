package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// shown is an answer as every page shows it.
type shown struct {
	Caption    *question.Caption
	Provenance *question.Provenance
	Subject    []string // what was asked for: values of parameters and conditions, and of keys that all rows share
	Headline   headline
	Picture    *picture // nil if there is none
	NoPicture  string   // why
	Grid       grid
	Caveats    []question.Caveat
	Coverage   *question.Coverage
	Citation   citation
	Downloads  []download
}

// picture is a drawing whose markup is known to be safe.
type picture struct {
	SVG    template.HTML
	Mark   string
	Alt    string
	Legend []swatch
	Notes  []string
}

type swatch struct {
	SVG  template.HTML
	Text string
}

type citation struct{ Text, BibTeX, CSL string }

// draws is Config.Draw.
type draws func(*question.Table, *question.Caption) (*question.Drawing, error)

// show puts an answer into the form of pages, without its table.
func (d draws) show(a *question.Answer, c *question.Caption) *shown {
	s := &shown{Caption: c, Provenance: a.Provenance, Headline: headlineOf(a), Coverage: a.Coverage}
	for _, caveat := range c.Caveats {
		if caveat.Code != question.CaveatSynthetic && caveat.Code != question.CaveatMean { // which the page and the headline say
			s.Caveats = append(s.Caveats, caveat)
		}
	}
	s.Subject = subject(c.Request, c.Question)
	for _, fixed := range s.Headline.Fixed {
		if !slices.Contains(s.Subject, fixed) {
			s.Subject = append(s.Subject, fixed)
		}
	}
	drawing, err := d(a.Table, c)
	if err != nil {
		s.NoPicture = question.Visible(question.AsError(err).Reason)
	} else {
		p := &picture{SVG: template.HTML(drawing.SVG), Mark: drawing.Mark, Alt: drawing.Alt, Notes: drawing.Notes} //nolint:gosec // chart escapes every text
		for _, l := range drawing.Legend {
			p.Legend = append(p.Legend, swatch{template.HTML(l.SVG), l.Text}) //nolint:gosec // as above
		}
		s.Picture = p
	}
	if a.Provenance != nil {
		cited := question.Cite(c, a.Provenance, time.Now().UTC())
		s.Citation = citation{Text: strings.TrimSpace(cited.Text()), BibTeX: strings.TrimSpace(cited.BibTeX())}
		if text, err := json.MarshalIndent([]question.CSLItem{cited.CSL()}, "", "  "); err == nil {
			s.Citation.CSL = string(text)
		}
	}
	return s
}

// ask runs a canonical request and puts its answer into the form of pages.
func (s *Site) answer(ctx context.Context, v View, q *question.Question, req question.Request) (*question.Answer, *shown, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.MaxWait)
	defer cancel()
	a, err := s.cfg.Answer(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	c := a.Caption(q, req, s.cfg.Dataset)
	c.URL = v.Base + askPath(req, "")
	out := draws(s.cfg.Draw).show(a, c)
	out.Downloads = s.downloads(v, a, req, out.Picture != nil)
	return a, out, nil
}

// pins are the keys of a query that name the versions of dataset and plugin of an answer.
func (s *Site) pins(a *question.Answer) string {
	return url.Values{datasetKey: {s.cfg.Dataset.Digest}, pluginKey: {a.Provenance.PluginDigest}}.Encode()
}

// downloads returns links to the answer in each format. They name its version: a file that
// was saved after a plugin changed must not have other figures than the page.
func (s *Site) downloads(v View, a *question.Answer, req question.Request, drawn bool) (out []download) {
	for i := range s.cfg.Formats {
		f := &s.cfg.Formats[i]
		taken := func(d download) bool { return d.File == req.Question+"."+f.Extension }
		if f.MediaType == "" || f.Extension == "svg" && !drawn || slices.ContainsFunc(out, taken) {
			continue
		}
		extra := ""
		if f.Extension == "csv" {
			extra = peopleKey + "=1"
		}
		out = append(out, download{
			cmp.Or(titles[f.Extension], strings.ToUpper(f.Extension)), v.Under + withQuery("/api/"+req.Question+"."+f.Extension, req.Query(), s.pins(a), extra), req.Question + "." + f.Extension, f.Title,
		})
	}
	slices.SortStableFunc(out, func(a, b download) int { return cmp.Compare(order(a.File), order(b.File)) })
	return out
}

// order sorts downloads: what people open first comes first.
func order(file string) int {
	first := []string{".svg", ".html", ".csv"}
	if i := slices.Index(first, path.Ext(file)); i >= 0 {
		return i
	}
	return len(first)
}

// titles are those of downloads whose extension is not what people call them.
var titles = map[string]string{"svg": "Picture (SVG)", "html": "Report (HTML)", "csv": "Table (CSV)", "arrow": "Arrow"}

// askPath returns the path of the page of a canonical request. more is added to its query.
func askPath(req question.Request, more string) string {
	return withQuery("/q/"+req.Question, req.Query(), more)
}

// withQuery joins a path and the parts of its query.
func withQuery(path string, parts ...string) string {
	query := strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "&")
	if query == "" {
		return path
	}
	return path + "?" + query
}

// subject lists what a request asks for, for people.
func subject(req question.Request, q *question.Question) (out []string) {
	if q != nil {
		for i := range q.Params {
			if v, ok := req.Params[q.Params[i].Name]; ok {
				out = append(out, spoken(v))
			} else if v := q.Params[i].Default; v != nil {
				out = append(out, spoken(v))
			}
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(req.Params)) {
			out = append(out, spoken(req.Params[name]))
		}
	}
	for _, column := range slices.Sorted(maps.Keys(req.Where)) {
		out = append(out, question.Visible(column)+": "+spoken(req.Where[column]))
	}
	return out
}

// spoken writes a value of a request for people.
func spoken(v any) string {
	switch v := v.(type) {
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = spoken(v[i])
		}
		return strings.Join(texts, ", ")
	case map[string]any:
		switch from, to := v["min"], v["max"]; {
		case to == nil:
			return "from " + spoken(from)
		case from == nil:
			return "to " + spoken(to)
		default:
			return spoken(from) + " to " + spoken(to)
		}
	default:
		return question.Visible(fmt.Sprint(v))
	}
}
