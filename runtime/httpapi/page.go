package httpapi

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Page is a route for people, which answers GET and HEAD with HTML. The mux, /openapi.json
// and suggestions know it as they know every route.
type Page struct {
	// Path may begin with a method, as in "POST /jobs/{id}/cancel", of a form that changes
	// something. A page of another site cannot send it.
	ID, Path, Summary string
	MediaType         string // of its content, without parameters; the default is text/html
	// Frame: pages of other sites may frame it. It is served only where no key is
	// needed: a browser would send the reader's key from every page.
	Frame bool
	// Serve writes the page, with its Content-Type and Content-Security-Policy. It parses the
	// query itself. If it returns an error it has written nothing, and Config.ErrorPage shows
	// the error. Writes to w have no effect if the request is HEAD.
	Serve func(w http.ResponseWriter, r *http.Request, v View) error
}

// View is what a page needs to know about the request that it answers.
type View struct {
	Base  string // URL under which the client reaches the service, such as https://example.org/stats, without a slash at its end
	Under string // the path of Base, which links begin with: "" at the root
	Keyed bool   // the service needs a key, so responses are for this client only and nothing may be framed
	// Fail logs an error with the request and returns what its client may see of it.
	Fail func(error) *question.Error
	// Kept returns the page that Keep kept under a key, which must name all that it depends
	// on. The memory is bounded, so pages come and go. Nobody may modify a page that is kept.
	Kept func(key string) ([]byte, bool)
	Keep func(key string, page []byte)
}

// keptPage is a page in the cache.
type keptPage []byte

func (p keptPage) size() int { return len(p) }

// view returns the View of a request.
func (a *api) view(w *response, r *http.Request) View {
	return View{
		Base: a.baseURL(r), Under: a.under(r.Header), Keyed: a.keyed(),
		Fail: func(err error) *question.Error {
			w.err = err
			return w.visible(err)
		},
		Kept: func(key string) ([]byte, bool) {
			page, ok := a.kept.get("page " + key)
			if !ok {
				return nil, false
			}
			b, ok := page.(keptPage)
			return b, ok
		},
		Keep: func(key string, page []byte) { a.kept.put("page "+key, keptPage(page)) },
	}
}

// pages returns the routes of Config.Pages, except that at /, which the index has.
func (a *api) pages() (routes []route) {
	for i := range a.cfg.Pages {
		p := &a.cfg.Pages[i]
		if p.Path == "/" || p.Frame && a.keyed() {
			continue
		}
		method, path := http.MethodGet, p.Path
		if before, after, ok := strings.Cut(path, " "); ok {
			method, path = before, after
		}
		mediaType := cmp.Or(p.MediaType, htmlType)
		r := route{
			ID: p.ID, Method: method, Path: path, Group: "Pages", Summary: p.Summary, AnyQuery: true, page: p,
			Answers: []answer{{http.StatusOK, "The content.", object{mediaType: contentSchema(mediaType)}, nil}},
			serve:   func(w *response, r *http.Request, _ url.Values) error { return a.servePage(w, r, p) },
		}
		if method != http.MethodGet {
			r.Answers = []answer{{http.StatusSeeOther, "It is done; the page at Location has it.", nil, []string{"Location"}}}
		}
		for segment := range strings.SplitSeq(path, "/") {
			if name, ok := strings.CutPrefix(segment, "{"); ok {
				name = strings.TrimSuffix(name, "}")
				r.Params = append(r.Params, parameter{Name: name, In: "path", Description: "Which " + name + ".", Schema: text})
				r.Codes = append(r.Codes, question.CodeUnknownRoute)
				if name == "id" {
					r.Codes = append(r.Codes, noJob...)
				}
			}
		}
		routes = append(routes, r)
	}
	return routes
}

// htmlType is the media type of pages.
const htmlType = "text/html"

// contentSchema describes content of a media type that OpenAPI has no schemas for.
func contentSchema(mediaType string) object {
	if strings.HasPrefix(mediaType, "text/") {
		return text
	}
	return object{}
}

func (a *api) servePage(w *response, r *http.Request, p *Page) error {
	w.Header().Set("Cache-Control", "private, no-cache")
	return p.Serve(w, r, a.view(w, r))
}

// home returns the page at /, or nil.
func (a *api) home() *Page {
	for i := range a.cfg.Pages {
		if a.cfg.Pages[i].Path == "/" {
			return &a.cfg.Pages[i]
		}
	}
	return nil
}

// wantsPage reports whether a client prefers HTML to JSON and to text.
func wantsPage(h http.Header) bool {
	accept := h.Values("Accept")
	html := qualityOf(accept, "text/html", "")
	return html.exceeds(qualityOf(accept, "text/plain", "")) && html.exceeds(qualityOf(accept, jsonType, ""))
}

// showsPage reports whether an error is to be shown as a page: on a page's route, and to a
// browser wherever no program would ask.
func (w *response) showsPage() bool {
	if w.api == nil || w.api.cfg.ErrorPage == nil || w.request == nil || w.probe {
		return false
	}
	return w.page || wantsPage(w.header) && !strings.HasPrefix(w.request.URL.Path, "/api/")
}
