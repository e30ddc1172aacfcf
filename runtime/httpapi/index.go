package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// indexPage is the data of the template.
type indexPage struct {
	Dataset   question.DatasetInfo
	Version   string
	Questions []indexQuestion
	Links     []route
	Under     string // what stands before a path in a link
	Formats   []string
}

type indexQuestion struct {
	Name, Title, Description, Command string
}

// index: GET /. It sends a page to a browser, if there is one, and text to others, and
// ignores the query.
func (a *api) index(w *response, r *http.Request, _ url.Values) error {
	w.Header().Add("Vary", "Accept")
	if home := a.home(); home != nil && qualityOf(r.Header.Values("Accept"), "text/html", "").exceeds(qualityOf(r.Header.Values("Accept"), "text/plain", "")) {
		w.page = true
		return a.servePage(w, r, home)
	}
	ds := a.cfg.Dataset
	ds.Title, ds.Source, ds.License = question.Visible(ds.Title), question.Visible(ds.Source), question.Visible(ds.License)
	page := indexPage{Dataset: ds, Version: a.cfg.Version, Under: a.under(r.Header)}
	for _, r := range a.routes {
		if r.Method == http.MethodGet && !r.Effect && r.ID != "index" && !strings.Contains(r.Path, "{") {
			page.Links = append(page.Links, r)
		}
	}
	for _, o := range a.cfg.Catalog.Served() {
		page.Questions = append(page.Questions, indexQuestion{
			o.Question.Name, o.Question.Title, o.Question.Description, Command(a.baseURL(r), o.Example),
		})
	}
	for i := range a.formats {
		page.Formats = append(page.Formats, formatQuery(&a.formats[i])+" ("+a.formats[i].Title+")")
	}
	var b bytes.Buffer
	if err := textIndex().Execute(&b, page); err != nil {
		return err
	}
	w.send(http.StatusOK, "text/plain; charset=utf-8", b.Bytes())
	return nil
}

// Command returns a line for a POSIX shell that sends a request to the server at base,
// such as http://127.0.0.1:8080, and waits for the answer.
func Command(base string, req question.Request) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the text is quoted for the shell
	if err := enc.Encode(requestBody(req)); err != nil {
		panic(err) // the example was JSON
	}
	return "curl -s -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d " + question.ShellWord(visibleJSON(strings.TrimSpace(b.String()))) +
		" " + question.ShellWord(base+"/api/"+req.Question)
}

// requestBody returns the body of a request.
func requestBody(req question.Request) object {
	body := object{}
	maps.Copy(body, req.Params)
	if len(req.Where) > 0 {
		body[question.WhereParam] = req.Where
	}
	return body
}

// visibleJSON escapes invisible characters in JSON.
func visibleJSON(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !question.Invisible(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
