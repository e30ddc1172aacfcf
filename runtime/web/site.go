// Package web writes the pages for people: HTML that is made on the server, works without
// scripts and loads nothing from elsewhere. The state of a page is its URL. Each page is a
// file of Go and a template of the same name: home, ask (a question), embed and failure; frame is what all
// pages share. [Report] is the same answer as one file that opens offline.
//
// What comes from a dataset, a plugin or a request is text wherever it is shown: templates
// escape it, invisible characters are spelled out, and names stand in <bdi>.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Catalog lists plugins and questions. It is safe for concurrent use.
type Catalog interface {
	Plugins() []question.PluginInfo
	Served() []question.ServedQuestion
}

// Config configures a Site. Catalog, Answer, Draw and Schema are required.
type Config struct {
	Catalog Catalog
	// Answer runs a request, within the server's bounds. Its errors are *question.Error.
	Answer func(ctx context.Context, req question.Request) (*question.Answer, error)
	// Draw draws an answer. An error with CodeNotAcceptable says why there is no picture.
	Draw         func(t *question.Table, c *question.Caption) (*question.Drawing, error)
	DrawingStyle string // style sheet of drawings, for dark colours
	Dataset      question.DatasetInfo
	Schema       question.Schema                   // the dataset's columns with their dictionaries
	Formats      []question.Format                 // of downloads; those without a media type are left out
	Version      string                            // of the program
	Jobs         Jobs                              // for /jobs; nil: there are no such pages
	Counts       func() map[string]question.Counts // of the plugins that are served, by name; nil: not known
	Limits       func(plugin string) Limits        // of a job; nil: not known
	MaxWait      time.Duration                     // the longest that a page waits for an answer; the default is 10 s
}

// Page is a route: GET and HEAD, or the method that Path begins with.
type Page struct {
	ID, Path, Summary string
	MediaType         string // of its content, without parameters; the default is text/html
	Frame             bool   // pages of other sites may frame it
	Serve             func(w http.ResponseWriter, r *http.Request, v View) error
}

// View is what a page needs to know about the request that it answers.
type View struct {
	Base  string                      // URL of the service as the client has it, without a slash at its end
	Under string                      // the path of Base, which links begin with: "" at the root
	Keyed bool                        // the service needs a key, so nothing may be framed
	Fail  func(error) *question.Error // logs an error and returns what the client may see of it
	// Kept and Keep are a cache of pages, of bounded memory, by a key that names all that a
	// page depends on.
	Kept func(key string) ([]byte, bool)
	Keep func(key string, page []byte)
}

// Site makes the pages. It is safe for concurrent use.
type Site struct {
	cfg      Config
	style    template.CSS
	policy   string       // Content-Security-Policy
	counting sync.Once    // guards columns
	columns  []columnView // see describeColumns
	integers sync.Map     // name of an integer column -> []string, see values
}

// New returns the site of a server.
func New(cfg Config) (*Site, error) {
	if cfg.Catalog == nil || cfg.Answer == nil || cfg.Draw == nil || cfg.Schema == nil {
		return nil, errors.New("web: Catalog, Answer, Draw and Schema are required")
	}
	if cfg.MaxWait == 0 {
		cfg.MaxWait = 10 * time.Second
	}
	s := &Site{cfg: cfg}
	s.style, s.policy = sheet(cfg.DrawingStyle)
	s.policy += "; img-src 'self' blob: data:; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "
	return s, nil
}

// Pages returns the routes of the site.
func (s *Site) Pages() []Page {
	pages := []Page{
		{"home", "/", "A worked example, the questions and the dataset", "", false, s.home},
		{"question", "/q/{question}", "A question with its answer: form, picture, table, code", "", false, s.ask},
		{"embed", "/embed/{question}", "The picture of an answer, for a frame in another site", "", true, s.embed},
		{"plugins_page", "/plugins", "What serves, what was refused and why", "", false, s.plugins},
		{"dataset_page", "/dataset", "The dataset's columns with their values", "", false, s.dataset},
		{"script", "/script.js", "The script of the pages", "text/javascript", false, s.script},
	}
	for _, f := range s.files() {
		mediaType, _, _ := strings.Cut(f.MediaType, ";")
		pages = append(pages, Page{"dataset_" + f.Extension, "/dataset." + f.Extension, "The whole dataset as " + f.Title, mediaType, false, s.download(f)})
	}
	if s.cfg.Jobs != nil {
		pages = append(pages, []Page{
			{"jobs_page", "/jobs", "Jobs, newest first", "", false, s.jobs},
			{"job_page", "/jobs/{id}", "A job: its state, what was asked, its result", "", false, s.job},
			{"cancel_page", "POST /jobs/{id}/cancel", "Cancel a job, from its page", "", false, s.cancelJob},
			{"retry_page", "POST /jobs/{id}/retry", "Ask again what a failed or cancelled job asked, from its page", "", false, s.retryJob},
		}...)
	}
	return pages
}

//go:embed templates
var files embed.FS

//go:embed style.css
var style string

// templates are parsed when they are first used, not when a process starts.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/*.tmpl"))
})

// sheet returns the style sheet of pages with drawings, and the policy that allows it and
// nothing else.
func sheet(drawings string) (css template.CSS, policy string) {
	text := style + drawings
	sum := sha256.Sum256([]byte(text))
	//nolint:gosec // the text is a constant of this program
	return template.CSS(text), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// frame is what all pages share: head, header and footer.
type frame struct {
	Title   string // of the page, before the name of the site
	Here    string // path of the entry of the navigation that this page belongs to; "" for none
	Under   string
	Base    string
	Style   template.CSS
	Version string
	Dataset question.DatasetInfo
	Keyed   bool
	Script  string // path of the script, below Under; "" for none
}

func (s *Site) frame(v View, here, title string) frame {
	return frame{
		Title: title, Here: here, Under: v.Under, Base: v.Base, Style: s.style, Version: s.cfg.Version, Dataset: s.cfg.Dataset, Keyed: v.Keyed,
		Script: scriptPath(),
	}
}

// framed is the data of the template "framed".
type framed struct {
	frame

	Content template.HTML
}

// Frame sends content that another package made, in the frame of all pages. here is the path
// of its entry in the navigation.
func (s *Site) Frame(w http.ResponseWriter, v View, here, title string, content template.HTML) error {
	return s.send(w, http.StatusOK, "framed", framed{s.frame(v, here, title), content})
}

// Places are the entries of the navigation.
func (frame) Places() []place {
	return []place{{"/", "Questions"}, {"/dataset", "Dataset"}, {"/jobs", "Jobs"}, {"/plugins", "Plugins"}, {"/docs", "Reference"}}
}

type place struct{ Path, Name string }

// send executes the template of a page and sends it.
func (s *Site) send(w http.ResponseWriter, status int, name string, data any) error {
	page, err := render(name, data)
	if err == nil {
		s.write(w, status, page, nobody)
	}
	return err
}

// What may frame a page.
const (
	nobody = "'none'"
	anyone = "*"
)

// render executes a template.
func render(name string, data any) ([]byte, error) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := templates().ExecuteTemplate(b, name, data); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// write sends a page that those may frame.
func (s *Site) write(w http.ResponseWriter, status int, page []byte, frame string) {
	h := w.Header()
	h.Set("Content-Security-Policy", s.policy+frame)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	_, _ = w.Write(page) // the client may have left
}

// built is a page before it is written.
type built struct {
	status int
	data   any  // of its template
	lasts  bool // as long as what its key names stays the same
}

// keep sends the page that build makes of an answer, or the same page as before, if it is
// still kept. Answers are pure, so it depends on the request, on where the client reached
// the service, on the plugins that serve, and on the date, which citations have. build
// returns what is to be sent, no data if it has sent something else.
func (s *Site) keep(w http.ResponseWriter, r *http.Request, v View, name, frame string, build func() (built, error)) error {
	key := s.keyOf(r, v)
	if page, ok := v.Kept(key); ok {
		s.write(w, http.StatusOK, page, frame)
		return nil
	}
	b, err := build()
	if err != nil || b.data == nil { // it has sent something else
		return err
	}
	page, err := render(name, b.data)
	if err != nil {
		return err
	}
	if b.lasts && s.keyOf(r, v) == key { // else it may have an answer of a plugin that came meanwhile
		v.Keep(key, page)
	}
	s.write(w, b.status, page, frame)
	return nil
}

// keyOf returns what a page that is made now depends on.
func (s *Site) keyOf(r *http.Request, v View) string {
	var key strings.Builder
	key.WriteString(r.URL.Path + "?" + r.URL.RawQuery + "\n" + v.Base + "\n" + time.Now().UTC().Format(time.DateOnly))
	plugins := s.cfg.Catalog.Plugins()
	for i := range plugins {
		if plugins[i].Serving {
			key.WriteString("\n" + plugins[i].Digest)
		}
	}
	if may := question.OriginOf(r.Context()).Client.Questions; may != nil {
		key.WriteString("\nfor " + strings.Join(may, ","))
	}
	return key.String()
}
