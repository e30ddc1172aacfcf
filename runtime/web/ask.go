package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Keys of the query of a page beside the question's own: they begin with "_", which no
// parameter does.
const (
	viewKey    = "_view" // picture, table or code
	sortKey    = "_sort" // a column of the table, with "-" before it in descending order
	pageKey    = "_page" // of the table, from 1
	datasetKey = "_dataset"
	pluginKey  = "_plugin"
	secondKey  = "_2." // before the name of a parameter: its value in a second answer
	peopleKey  = "_people"
)

// maxQuery bounds the query of a page, in bytes.
const maxQuery = 8000

// The views of an answer, each of which has a URL.
const (
	viewPicture = "picture"
	viewTable   = "table"
	viewCode    = "code"
)

// askPage is the data of the template "question".
type askPage struct {
	frame

	Question  *question.Question
	Plugin    string
	Heading   string
	Example   bool // nothing was asked: the answer is that of the example
	Action    string
	View      string
	Params    []field
	Filters   []field
	Filtered  bool
	Kept      []pair          // conditions for which the form has no field
	Wrong     []field         // the fields with an error
	Error     *question.Error // why there is no answer; nil if there is one
	Retry     int             // seconds after which it may be there
	Hints     []link          // of an error that is of no field
	Answer    *shown
	Second    *shown
	SecondErr string
	SecondURL string
	Scales    bool // the colours of the two pictures stand for different values
	Compare   []field
	Given     []pair // the request, for the form of a second answer
	Tabs      []tab
	Links     links
	Snippets  []Snippet
}

type (
	pair struct{ Name, Value string }
	tab  struct {
		Title, URL string
		Here       bool
	}
	download struct{ Title, URL, File, About string }
	links    struct{ Page, Pinned, Embed, Frame, Image string }
)

// asked is a request of a page: its query without the keys of pages.
type asked struct {
	served question.ServedQuestion
	values url.Values // of the question
	host   url.Values // of the page
	req    question.Request
}

// find returns the served question with this name.
func (s *Site) find(name string) (question.ServedQuestion, error) {
	all := s.cfg.Catalog.Served()
	if served := question.FindServed(all, name); served != nil {
		return *served, nil
	}
	if unfit := question.FindUnfit(s.cfg.Catalog.Plugins(), name); unfit != nil {
		return question.ServedQuestion{}, unfit.Error()
	}
	names := question.ServedNames(all)
	err := question.UnknownQuestion(name, names)
	if len(err.Hint) == 0 {
		err.Hint = names
	}
	return question.ServedQuestion{}, err
}

// parse reads the query of a page about a question. Where it asks nothing although
// something has to be asked, the request is the example, and example is true. On an error
// of the request, everything but req is there.
func (s *Site) parse(r *http.Request) (a asked, example bool, err error) {
	if a.served, err = s.find(r.PathValue("question")); err != nil {
		return a, false, err
	}
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return a, false, question.Errorf(question.CodeBadRequest, "the address cannot be read: %w", err)
	}
	if len(r.URL.RawQuery) > maxQuery {
		return a, false, question.Errorf(question.CodeURLTooLong, "the address has %d bytes; at most %d are read: send a longer request to the API, with POST", len(r.URL.RawQuery), maxQuery)
	}
	a.values, a.host = url.Values{}, url.Values{}
	for name, given := range all {
		if !strings.HasPrefix(name, "_") {
			a.values[name] = given
		} else if given = notEmpty(given); len(given) > 0 { // an empty value is absent
			a.host[name] = given
		}
	}
	q := a.served.Question
	if len(a.values) == 0 && slices.ContainsFunc(q.Params, func(p question.Param) bool { return p.Required }) {
		a.req = q.Canonical(a.served.Example, s.cfg.Schema)
		a.values, _ = url.ParseQuery(a.req.Query())
		return a, true, nil
	}
	a.req, err = q.ParseQuery(a.values, s.cfg.Schema)
	if err == nil {
		a.req = q.Canonical(a.req, s.cfg.Schema)
	}
	return a, false, err
}

// ask: GET /q/{question}.
func (s *Site) ask(w http.ResponseWriter, r *http.Request, v View) error {
	return s.keep(w, r, v, "question", nobody, func() (built, error) {
		p, err := s.asking(w, r, v)
		switch {
		case p == nil:
			return built{}, err
		case p.Error != nil:
			return built{p.Error.Code.Info().Status, p, false}, err
		default:
			return built{http.StatusOK, p, p.SecondErr == ""}, err
		}
	})
}

// asking returns the page of a question, nil if it has sent another answer or fails.
func (s *Site) asking(w http.ResponseWriter, r *http.Request, v View) (*askPage, error) {
	a, example, err := s.parse(r)
	if a.served.Question == nil || a.values == nil {
		return nil, err
	}
	if query := a.req.Query(); err == nil && !example && a.values.Encode() != query {
		w.Header().Set("Location", v.Under+askPath(a.req, a.host.Encode()))
		w.WriteHeader(http.StatusSeeOther)
		return nil, nil
	}
	q := a.served.Question
	p := &askPage{
		frame: s.frame(v, "/", label(q.Title, q.Name)), Question: q, Plugin: a.served.Plugin, Heading: label(q.Title, q.Name), Example: example,
		Action: v.Under + "/q/" + q.Name, View: a.host.Get(viewKey),
	}
	if gone := a.pins(datasetKey, "dataset", s.cfg.Dataset.Digest); gone != nil && err == nil {
		return nil, s.gone(w, v, a, "dataset", gone)
	}
	var answer *question.Answer
	if err == nil {
		answer, p.Answer, err = s.answer(r.Context(), v, q, a.req)
	}
	if err != nil {
		p.fail(w, v.Fail(err))
	} else if gone := a.pins(pluginKey, "plugin", answer.Provenance.PluginDigest); gone != nil {
		return nil, s.gone(w, v, a, "plugin", gone)
	}
	p.Params, p.Filters, p.Filtered = s.fields(q, a.values, p.Error, answer, func(name, value string) string {
		values := cloneValues(a.values)
		values.Set(name, value)
		return v.Under + withQuery("/q/"+q.Name, values.Encode(), a.host.Encode())
	})
	p.Kept = rest(a.values, p.Params, p.Filters)
	for _, list := range [][]field{p.Params, p.Filters} {
		for _, f := range list {
			if f.Error != "" {
				p.Wrong = append(p.Wrong, f)
			}
		}
	}
	if p.Error != nil {
		for _, hint := range p.Error.Hint {
			if len(p.Wrong) == 0 {
				p.Hints = append(p.Hints, link{Text: question.Visible(hint)})
			}
		}
		return p, nil
	}
	s.complete(r.Context(), p, v, a, answer)
	return p, nil
}

func cloneValues(values url.Values) url.Values {
	out := make(url.Values, len(values))
	for name, given := range values {
		out[name] = slices.Clone(given)
	}
	return out
}

func (p *askPage) fail(w http.ResponseWriter, e *question.Error) {
	p.Error, p.Retry = e, e.Code.Info().RetryAfter
	if p.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.Retry))
	}
}

// pins returns the error of a link that names another version of a dataset or a plugin, in
// a key of its query, than the one that is here now; nil if it does not.
func (a *asked) pins(key, what, now string) error {
	if pinned := a.host.Get(key); pinned != "" && pinned != now {
		return question.Errorf(question.CodeUnknownDigest, "this link is about the version %.80s of the %s, which is not here any more; it now is %s", pinned, what, now)
	}
	return nil
}

// gone says that a link names a version of a dataset or a plugin that is not here.
func (s *Site) gone(w http.ResponseWriter, v View, a asked, what string, err error) error {
	e := v.Fail(err)
	return s.send(w, http.StatusNotFound, "failure", &failurePage{
		frame: s.frame(v, "/", "Another version"), Heading: "The " + what + " has changed since this link was made", Status: http.StatusNotFound, Error: e,
		Links: []link{{v.Under + askPath(a.req, ""), "The same question, as it is answered now"}},
	})
}

// complete adds what a page with an answer has: its view, links, downloads, a second answer.
func (s *Site) complete(ctx context.Context, p *askPage, v View, a asked, answer *question.Answer) {
	q, query := a.served.Question, a.req.Query()
	if !slices.Contains([]string{viewPicture, viewTable, viewCode}, p.View) {
		if p.View = viewPicture; p.Answer.Picture == nil {
			p.View = viewTable
		}
	}
	second := url.Values{}
	for name, given := range a.host {
		if strings.HasPrefix(name, secondKey) {
			second[name] = given
		}
	}
	at := func(more ...string) string {
		return v.Under + withQuery("/q/"+q.Name, append([]string{query, second.Encode()}, more...)...)
	}
	for _, t := range []struct{ name, title string }{{viewPicture, "Picture"}, {viewTable, "Table"}, {viewCode, "Code"}} {
		p.Tabs = append(p.Tabs, tab{t.title, at(viewKey+"="+t.name) + "#answer", t.name == p.View})
	}
	if p.View == viewTable {
		page, _ := strconv.Atoi(a.host.Get(pageKey))
		p.Answer.Grid = gridOf(answer.Table, a.host.Get(sortKey), page, func(sort string, page int) string {
			values := url.Values{viewKey: {viewTable}}
			if sort != "" {
				values.Set(sortKey, sort)
			}
			if page > 1 {
				values.Set(pageKey, strconv.Itoa(page))
			}
			return at(values.Encode()) + "#answer"
		})
		p.Answer.Grid.Caption = p.Heading
	}
	base := v.Base
	p.Links = links{Page: base + askPath(a.req, ""), Pinned: base + askPath(a.req, s.pins(answer))}
	if !v.Keyed {
		p.Links.Embed = base + withQuery("/embed/"+q.Name, query)
		p.Links.Frame = `<iframe src="` + esc(p.Links.Embed) + `" title="` + esc(p.Heading) + `" width="100%" height="620" loading="lazy"></iframe>`
	}
	if p.Answer.Picture != nil {
		p.Links.Image = `<img src="` + esc(base+withQuery("/api/"+q.Name+".svg", query)) + `" alt="` + esc(p.Answer.Picture.Alt) + `">`
	}
	if p.View == viewCode {
		p.Snippets = Snippets(base, a.req, v.Keyed)
	}
	s.second(ctx, p, v, a, second)
}

// second adds the form of a second answer, and that answer if it was asked for.
func (s *Site) second(ctx context.Context, p *askPage, v View, a asked, given url.Values) {
	q := a.served.Question
	values := cloneValues(a.values)
	for i := range q.Params {
		param := &q.Params[i]
		if param.List {
			continue
		}
		other := given[secondKey+param.Name]
		f, c := s.paramField(param, secondKey+param.Name, other)
		f.Hint, c.usual, c.empty = "", "", "the same"
		if len(c.given) > 0 && len(other) == 0 {
			c.given = nil
		}
		f.Controls = c.html()
		p.Compare = append(p.Compare, f)
	}
	for name, list := range a.values {
		for _, value := range list {
			p.Given = append(p.Given, pair{name, value})
		}
	}
	slices.SortFunc(p.Given, func(x, y pair) int { return strings.Compare(x.Name+"\x00"+x.Value, y.Name+"\x00"+y.Value) })
	if len(given) == 0 {
		return
	}
	for name, other := range given {
		values[strings.TrimPrefix(name, secondKey)] = other
	}
	req, err := q.ParseQuery(values, s.cfg.Schema)
	if err == nil {
		req = q.Canonical(req, s.cfg.Schema)
		_, p.Second, err = s.answer(ctx, v, q, req)
	}
	if err != nil {
		p.SecondErr = question.Visible(v.Fail(err).Reason)
		return
	}
	p.SecondURL = v.Under + askPath(req, "")
	p.Scales = !sameScale(p.Answer.Picture, p.Second.Picture)
}

// sameScale reports whether equal colours of two maps mean equal values, so far as their
// legends say. Other pictures have axes.
func sameScale(a, b *picture) bool {
	if a == nil || b == nil || a.Mark != "map" || b.Mark != "map" {
		return true
	}
	classes := func(p *picture) (out []string) {
		for _, l := range p.Legend {
			if strings.Contains(l.Text, " to ") && !strings.Contains(l.Text, ";") {
				out = append(out, l.Text)
			}
		}
		return out
	}
	return slices.Equal(classes(a), classes(b))
}

// rest returns the values that no field has.
func rest(values url.Values, fields ...[]field) (out []pair) {
	has := map[string]bool{}
	for _, f := range slices.Concat(fields...) {
		for _, name := range f.Names {
			has[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range notEmpty(values[name]) {
			if !has[name] {
				out = append(out, pair{name, value})
			}
		}
	}
	return out
}
