package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	htmltemplate "html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// docsPage is the data of the template.
type docsPage struct {
	Dataset    question.DatasetInfo
	Version    string
	Groups     []docsGroup
	Dimensions []question.Column
	Codes      []question.CodeInfo
	Under      string // what stands before a path in a link

	api  *api
	base string
}

type docsGroup struct {
	Name   string
	Routes []route
}

// docs: GET /docs. It shows the content of /openapi.json as a page. With "try", the id of a
// route, it sends the client to that route with the other parameters, which is what the
// page's forms do: a form alone cannot fill in a path.
func (a *api) docs(w *response, r *http.Request, _ url.Values) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return question.Errorf(question.CodeBadRequest, "the query string cannot be read: %w", err)
	}
	if values.Has("try") {
		return a.try(w, r, values)
	}
	if name := cmp.Or(slices.Sorted(maps.Keys(values))...); name != "" {
		return question.Errorf(question.CodeBadRequest, "there is no query parameter %.60q here; this route takes try", name).WithParam(name)
	}
	served := a.cfg.Catalog.Served()
	page := &docsPage{Dataset: a.cfg.Dataset, Version: a.cfg.Version, Codes: question.Codes, api: a, base: a.baseURL(r), Under: a.under(r.Header)}
	routes := a.described()
	slices.SortStableFunc(routes, func(a, b route) int { return cmp.Compare(placeOf(a, served), placeOf(b, served)) })
	for _, r := range routes {
		if n := len(page.Groups); n == 0 || page.Groups[n-1].Name != r.Group {
			page.Groups = append(page.Groups, docsGroup{Name: r.Group})
		}
		group := &page.Groups[len(page.Groups)-1]
		group.Routes = append(group.Routes, r)
	}
	for _, c := range a.cfg.Schema.Columns() {
		if c.Role == question.RoleDimension {
			page.Dimensions = append(page.Dimensions, c)
		}
	}
	var b bytes.Buffer
	if err := htmlTemplates().Lookup("docs.html.tmpl").Execute(&b, page); err != nil {
		return err
	}
	if a.cfg.Frame != nil {
		w.page = true
		return a.cfg.Frame(w, a.view(w, r), "/docs", "Reference", htmltemplate.HTML(b.String())) //nolint:gosec // the template has escaped it
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.send(http.StatusOK, "text/html; charset=utf-8", slices.Concat([]byte("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Reference</title>\n<main>"), b.Bytes(), []byte("</main></html>\n")))
	return nil
}

// placeOf puts the routes of a question beside each other, before all others.
func placeOf(r route, served []question.ServedQuestion) int {
	for i := range served {
		if r.Question != nil && r.Question.Question.Name == served[i].Question.Name {
			return i
		}
	}
	return len(served)
}

// First reports whether the contents of the page have the route: of a question, one has to do.
func (r route) First() bool { return r.Question == nil || r.Body != nil }

// try sends a client to a GET route of the table with the given parameters. Those without a
// value are left out.
func (a *api) try(w *response, r *http.Request, given url.Values) error {
	routes := a.described()
	i := slices.IndexFunc(routes, func(r route) bool { return r.ID == given.Get("try") && r.Tryable() })
	if i < 0 {
		return question.Errorf(question.CodeBadRequest, "%.60q is not the id of a route that a form can try", given.Get("try")).WithParam("try")
	}
	to, query := routes[i].Path, url.Values{}
	for _, p := range routes[i].Params {
		switch value := given.Get(p.Name); {
		case p.In == "path" && strings.Trim(value, ".") == "":
			return question.Errorf(question.CodeBadRequest, "%s needs a value of %q", routes[i].Path, p.Name).WithParam(p.Name)
		case p.In == "path":
			to = strings.ReplaceAll(to, "{"+p.Name+"}", url.PathEscape(value))
		case p.In == "query":
			for _, value := range given[p.Name] {
				if value != "" {
					query.Add(p.Name, value)
				}
			}
		}
	}
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	w.Header().Set("Location", a.under(r.Header)+to)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Tryable reports whether a form without a script can send the route.
func (r route) Tryable() bool { return r.Method == http.MethodGet && !r.Effect }

// Sendable reports whether the page's script sends the route.
func (r route) Sendable() bool { return r.Method != http.MethodGet && !r.Admin && r.page == nil }

// BodyText is the example of the route's body.
func (r route) BodyText() string {
	if r.Example == nil {
		return ""
	}
	return visibleJSON(string(marshal(r.Example)))
}

// Sample is a value that can be sent, or "".
func (p parameter) Sample() string {
	switch v := p.Example.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// Options are the values of a query parameter of which there are few.
func (p parameter) Options() []string {
	switch values := p.Schema["enum"].(type) {
	case []string:
		return values
	default:
		return nil
	}
}

// routeForm is the data of the template "try".
type routeForm struct {
	route

	Under string
}

// Form returns what a form that tries a route needs.
func (p *docsPage) Form(r route) routeForm { return routeForm{r, p.Under} }

// Takes describes the values of a parameter.
func (p *docsPage) Takes(param *question.Param) string {
	what := param.Expects(p.api.cfg.Schema)
	if param.List {
		what += ", or a list"
	}
	if param.Default != nil {
		what += "; " + string(marshal(param.Default)) + " by default"
	}
	return what
}

// Values lists the values of a parameter if they are few enough.
func (p *docsPage) Values(param *question.Param) []string {
	return p.List(param.Known(p.api.cfg.Schema))
}

// List returns the values of a dictionary if they are few enough.
func (p *docsPage) List(dict []string) []string {
	values, all := listed(dict)
	if !all {
		return nil
	}
	return values
}

// Command returns a command that asks a question.
func (p *docsPage) Command(q *question.ServedQuestion) string { return Command(p.base, q.Example) }

// Errors returns the error codes of a route by status.
func (p *docsPage) Errors(r route) map[int][]question.Code { return p.api.codes(&r) }

// Outline describes a result in one line.
func (p *docsPage) Outline(r *question.Result) string {
	var names []string
	for _, c := range r.Columns() {
		name := c.Name
		if c.Unit != "" {
			name += " (" + c.Unit + ")"
		}
		names = append(names, name)
	}
	text := string(cmp.Or(r.Layout, question.LayoutRows)) + " of " + strings.Join(names, ", ")
	if d, _ := originalSchema(r)["description"].(string); d != "" {
		text += ". " + d
	}
	return text
}
