package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"maps"
	"net/http"
	"strings"
	texttemplate "text/template"
	"unicode/utf16"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

//go:embed index.html.tmpl
var indexHTML string

//go:embed index.txt.tmpl
var indexText string

//go:embed index.css
var indexCSS string

var (
	htmlIndex = htmltemplate.Must(htmltemplate.New("index").Parse(indexHTML))
	textIndex = texttemplate.Must(texttemplate.New("index").Parse(indexText))
	// indexPolicy lets the page load nothing but the style that is in it.
	indexPolicy = "default-src 'none'; style-src 'sha256-" + digest(indexCSS) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// indexPage is what the templates show.
type indexPage struct {
	Dataset   question.DatasetInfo
	Version   string
	Style     htmltemplate.CSS
	Questions []indexQuestion
	Links     []indexLink
}

type indexQuestion struct {
	Name, Title, Description, Command string
}

type indexLink struct{ Path, What string }

var indexLinks = []indexLink{
	{"/docs", "the reference: questions, parameters, values, errors"},
	{"/openapi.json", "the same for programs (OpenAPI 3.1)"},
	{"/api/questions", "the questions with their parameters, as JSON"},
	{"/api/plugins", "the plugins that answer them"},
	{"/api/jobs", "jobs, newest first (?detail=1 tells more)"},
	{"/api/num_jobs", "jobs that have not ended"},
	{"/healthz", "200 while the process lives"},
	{"/readyz", "200 once a job would be answered"},
}

// index: GET /. Text for a terminal, a page for a browser. Its query is nobody's
// business.
func (a *api) index(w *response, r *http.Request) error {
	ds := a.cfg.Dataset
	ds.Title, ds.Source, ds.License = question.Visible(ds.Title), question.Visible(ds.Source), question.Visible(ds.License)
	page := indexPage{Dataset: ds, Version: a.cfg.Version, Style: htmltemplate.CSS(indexCSS), Links: indexLinks} //nolint:gosec // ours
	for _, o := range a.cfg.Catalog.Offers() {
		page.Questions = append(page.Questions, indexQuestion{
			o.Question.Name, o.Question.Title, o.Question.Description, Command(baseURL(r), o.Example),
		})
	}
	w.Header().Set("Vary", "Accept")
	accept := r.Header.Values("Accept")
	var b bytes.Buffer
	if qualityOf(accept, "text/html", "").exceeds(qualityOf(accept, "text/plain", "")) {
		if err := htmlIndex.Execute(&b, page); err != nil {
			return err
		}
		w.Header().Set("Content-Security-Policy", indexPolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.send(http.StatusOK, "text/html; charset=utf-8", b.Bytes())
		return nil
	}
	if err := textIndex.Execute(&b, page); err != nil {
		return err
	}
	w.send(http.StatusOK, "text/plain; charset=utf-8", b.Bytes())
	return nil
}

// baseURL is where the client found us. A Host that would be more than a name in a
// shell is not repeated.
func baseURL(r *http.Request) string {
	host := r.Host
	if host == "" || strings.Trim(host, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_:[]") != "" {
		host = "localhost"
	}
	// A gateway that serves this under a path, such as /prod, says so.
	if under := r.Header.Get("X-Forwarded-Prefix"); strings.HasPrefix(under, "/") && strings.Trim(under, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/") == "" {
		host += strings.TrimRight(under, "/")
	}
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + host
	}
	return "http://" + host
}

// Command is a line for a POSIX shell that asks the server at base, such as
// http://127.0.0.1:8080, a question and waits for its answer.
func Command(base string, req question.Request) string {
	body := maps.Clone(req.Params)
	if len(req.Where) > 0 {
		if body == nil {
			body = map[string]any{}
		}
		body[question.WhereParam] = req.Where
	}
	if body == nil {
		body = map[string]any{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the shell's quotes are enough
	if err := enc.Encode(body); err != nil {
		panic(err) // the example was JSON
	}
	return "curl -s -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d " + quote(visibleJSON(strings.TrimSpace(b.String()))) +
		" " + quote(base+"/api/"+req.Question)
}

// visibleJSON returns JSON that means the same, in which all can be seen.
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

// quote quotes s for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
