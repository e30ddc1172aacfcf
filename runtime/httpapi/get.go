package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The keys of a query that are not the question's, which begin with an underscore.
const (
	layoutKey  = "_layout"
	themeKey   = "_theme"
	datasetKey = "_dataset"
	pluginKey  = "_plugin"
	peopleKey  = "_people"
)

var hostKeys = []string{datasetKey, layoutKey, peopleKey, pluginKey, themeKey}

// themes are the values of themeKey. Without one, a picture follows the reader's system.
var themes = []question.Theme{question.ThemeLight, question.ThemeDark}

// maxURL bounds a URL with a question, in bytes. Proxies and CDNs take 8 KiB with the rest
// of the line.
const maxURL = 8000

// pinnedAge is how long an answer with pinned digests may be used without asking, in
// seconds: it cannot change, but a plugin that turns out to be malicious can be removed.
const pinnedAge = "86400"

// wanted is what a GET of an answer asks for. It is valid as long as the plugin serves the
// question.
type wanted struct {
	served  *question.ServedQuestion
	plugin  string           // digest
	req     question.Request // canonical
	format  *question.Format
	theme   question.Theme
	people  bool   // WriteOptions.People
	control string // Cache-Control of a success
	pins    [2]string
	tag     string // "" if it depends on where the client reached the service
	cost    int
}

func (w *wanted) size() int { return w.cost }

// rendered is the response to a successful GET of an answer.
type rendered struct {
	headers [][2]string
	body    []byte
}

func (r *rendered) size() int { return len(r.body) + 512 }

// cutFormat splits the last segment of the path of an answer, such as states_mean.csv. No
// question's name has a dot.
func cutFormat(segment string) (name, format string, ok bool) { return strings.Cut(segment, ".") }

// asked returns the name of the question at a request's path, "" if the path has none. With
// GET and HEAD the name may be followed by a format.
func asked(r *http.Request) string {
	segment := r.PathValue("question")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		segment, _, _ = cutFormat(segment)
	}
	return segment
}

// get: GET /api/{question}, which may be followed by a dot and a format: an answer without
// a job.
func (a *api) get(w *response, r *http.Request, _ url.Values) error {
	_, _, hasFormat := cutFormat(r.PathValue("question"))
	if !hasFormat {
		w.Header().Add("Vary", "Accept")
	}
	if n := len(r.URL.EscapedPath()) + len(r.URL.RawQuery); n > maxURL {
		return question.Errorf(question.CodeURLTooLong, "the URL has %d bytes, more than %d; send the parameters as JSON with POST /api/%s", n, maxURL, asked(r))
	}
	w.question = asked(r)
	served, plugin := a.served(w.question)
	if served == nil {
		return a.noQuestion(r, w.question)
	}
	memo := r.URL.Path + "?" + r.URL.RawQuery
	if !hasFormat {
		memo += "\n" + strings.Join(r.Header.Values("Accept"), ",")
	}
	found, _ := a.kept.get(memo)
	want, known := found.(*wanted)
	if !known || want.served.Question != served.Question || want.plugin != plugin {
		var err error
		if want, err = a.want(r, served, plugin); err != nil {
			return err
		}
		known = false
	}
	at, tag := "", want.tag
	if tag == "" {
		at = a.answerURL(r, want.req)
		tag = a.answerTag(want, a.cfg.Dataset.Digest, plugin, at)
		w.Header().Add("Vary", "X-Forwarded-Prefix, X-Forwarded-Proto") // which the address depends on
	}
	if hasTag(r.Header["If-None-Match"], tag) {
		a.answerHeaders(w, want, tag)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if found, ok := a.kept.get(tag); ok {
		a.sendAnswer(w, want, tag, found.(*rendered))
		return nil
	}
	out, tag, err := a.compute(r.Context(), want, at)
	if err != nil {
		return err
	}
	// While it was computed the plugin may have been replaced: then the answer has titles of
	// the plugin before, or its request was read for that one.
	if now, serving := a.served(w.question); now != nil && now.Question == want.served.Question && serving == want.plugin {
		a.kept.put(tag, out)
		if !known {
			a.kept.put(memo, want)
		}
	}
	a.sendAnswer(w, want, tag, out)
	return nil
}

// served returns a question and the digest of the plugin that serves it; nil if there is none.
func (a *api) served(name string) (served *question.ServedQuestion, plugin string) {
	if served = question.FindServed(a.cfg.Catalog.Served(), name); served == nil {
		return nil, ""
	}
	plugins := a.cfg.Catalog.Plugins()
	for j := range plugins {
		if p := &plugins[j]; p.Serving && p.Name == served.Plugin {
			plugin = p.Digest
		}
	}
	return served, plugin
}

// want reads a request for an answer.
func (a *api) want(r *http.Request, served *question.ServedQuestion, plugin string) (*wanted, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, question.Errorf(question.CodeBadRequest, "the query string cannot be read: %w", err)
	}
	host, err := cutHostKeys(values)
	if err != nil {
		return nil, err
	}
	want := &wanted{served: served, plugin: plugin, pins: [2]string{host.Get(datasetKey), host.Get(pluginKey)}}
	if want.format, err = a.answerFormat(r, host); err != nil {
		return nil, err
	}
	if host.Has(themeKey) {
		if theme := question.Theme(host.Get(themeKey)); !slices.Contains(themes, theme) {
			return nil, badQuery(host, themeKey, texts(themes))
		} else if want.format.Seen {
			want.theme = theme
		}
	}
	if want.people = host.Has(peopleKey); want.people && host.Get(peopleKey) != "1" {
		return nil, badQuery(host, peopleKey, []string{"1"})
	}
	if err := checkPins(host, a.cfg.Dataset.Digest, plugin); err != nil {
		return nil, err
	}
	req, err := served.Question.ParseQuery(values, a.cfg.Schema)
	if err != nil {
		return nil, err
	}
	want.req = served.Question.Canonical(req, a.cfg.Schema)
	want.control = a.cacheControl(r, want)
	want.cost = 1024 + 2*len(r.URL.RawQuery)
	if !want.format.Seen && !want.format.Dated {
		want.tag = a.answerTag(want, a.cfg.Dataset.Digest, plugin, "")
	}
	return want, nil
}

// cutHostKeys moves the keys that begin with an underscore out of a query. An empty value
// is absent.
func cutHostKeys(values url.Values) (url.Values, error) {
	host := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(name, "_") {
			continue
		}
		given := slices.DeleteFunc(values[name], func(v string) bool { return v == "" })
		delete(values, name)
		switch {
		case !slices.Contains(hostKeys, name):
			return nil, question.Errorf(question.CodeBadRequest, "there is no query parameter %.60q; those that begin with _ are %s", name, strings.Join(hostKeys, ", ")).
				WithParam(name, question.Nearest(name, hostKeys)...)
		case len(given) > 1:
			return nil, question.Errorf(question.CodeBadRequest, "the query parameter %q is given %d times; give it once", name, len(given)).WithParam(name)
		case len(given) == 1:
			host[name] = given
		}
	}
	return host, nil
}

// answerFormat returns the format that the suffix of the path names, or else Accept.
// _layout chooses among the layouts of JSON, and implies JSON in place of Accept. Another
// format has no use for it.
func (a *api) answerFormat(r *http.Request, host url.Values) (*question.Format, error) {
	layout := canonicalLayout(host.Get(layoutKey))
	var layouts []string
	for i := range a.formats {
		if f := &a.formats[i]; f.Layout != "" {
			layouts = append(layouts, f.Layout)
		}
	}
	if layout != "" && !slices.Contains(layouts, layout) {
		return nil, badQuery(host, layoutKey, layouts)
	}
	name, ext, hasFormat := cutFormat(r.PathValue("question"))
	switch {
	case hasFormat:
	case layout == "":
		return a.negotiate(r.Header)
	default:
		ext = a.formats[0].Extension
	}
	for i := range a.formats {
		if f := &a.formats[i]; f.Extension == ext && (f.Layout == layout || layout == "" || f.Layout == "") {
			return f, nil
		}
	}
	return nil, question.Errorf(question.CodeUnknownRoute, "there is nothing at %.100q; a question may be followed by one of %s", r.URL.Path, strings.Join(a.suffixes(), ", ")).
		WithParam("", a.withSuffixes(name)...)
}

// suffixes returns the extensions of the formats with their dots, each once.
func (a *api) suffixes() []string { return a.withSuffixes("") }

// withSuffixes returns the path of a question in each format, or the suffixes alone if
// name is "".
func (a *api) withSuffixes(name string) (out []string) {
	if name != "" {
		name = "/api/" + name
	}
	for i := range a.formats {
		out = append(out, name+"."+a.formats[i].Extension)
	}
	return slices.Compact(out)
}

var digests = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// checkPins refuses the digest of a dataset or a plugin that is not the one given.
func checkPins(host url.Values, dataset, plugin string) error {
	for _, pin := range []struct{ key, is, what string }{{datasetKey, dataset, "dataset"}, {pluginKey, plugin, "plugin that answers this question"}} {
		given := host.Get(pin.key)
		switch {
		case given == "" || given == pin.is:
		case !digests.MatchString(given):
			return question.Errorf(question.CodeBadRequest, `%q is %.80q; it is a digest: "sha256:" and 64 digits from 0 to f`, pin.key, given).WithParam(pin.key, pin.is)
		default:
			return question.Errorf(question.CodeUnknownDigest, "the %s here is %s, not %s; leave %s out for the current one", pin.what, pin.is, given, pin.key).WithParam(pin.key, pin.is)
		}
	}
	return nil
}

// cacheControl returns how long others may keep an answer, and who.
func (a *api) cacheControl(r *http.Request, want *wanted) string {
	_, _, hasFormat := cutFormat(r.PathValue("question"))
	out := "no-cache"
	if want.pins[0] != "" && want.pins[1] != "" {
		out = "max-age=" + pinnedAge
	}
	if !hasFormat {
		out = "private, " + out
	}
	return out
}

// answerURL returns the URL of an answer for people.
func (a *api) answerURL(r *http.Request, req question.Request) string {
	at := "/api/" + req.Question
	if slices.ContainsFunc(a.routes, func(r route) bool { return r.Path == pagePath }) {
		at = "/q/" + req.Question
	}
	if query := req.Query(); query != "" {
		at += "?" + query
	}
	return a.baseURL(r) + at
}

// pagePath is the path of the page of a question.
const pagePath = "/q/{question}"

// answerTag returns the entity tag of an answer, which identifies everything that its bytes
// depend on. It is weak, because a response may be compressed.
func (a *api) answerTag(want *wanted, dataset, plugin, at string) string {
	day := ""
	if want.format.Dated {
		day = time.Now().UTC().Format(time.DateOnly)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		"lestats answer 1", a.build, dataset, plugin, want.req.Digest(), want.format.Name, string(want.theme), strconv.FormatBool(want.people), at, day,
	}, "\n")))
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
}

// buildOf returns what stands for the program in entity tags. A program without a version
// may be any, so it differs from process to process.
func buildOf(version string) string {
	if version != question.UnknownBuild {
		return version
	}
	return version + " " + rand.Text()
}

// compute asks for an answer and renders it. The tag is that of the dataset and the plugin
// that answered. at is "" unless the format shows it.
func (a *api) compute(ctx context.Context, want *wanted, at string) (out *rendered, tag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.MaxWait)
	defer cancel()
	answer, err := a.cfg.Jobs.Answer(ctx, want.req)
	if err != nil {
		return nil, "", err
	}
	dataset, plugin := a.cfg.Dataset.Digest, want.plugin
	if p := answer.Provenance; p != nil { // the plugin may have been replaced
		dataset, plugin = p.DatasetDigest, p.PluginDigest
	}
	pins := url.Values{datasetKey: {want.pins[0]}, pluginKey: {want.pins[1]}}
	if err := checkPins(pins, dataset, plugin); err != nil {
		return nil, "", err
	}
	f, job := want.format, answer.Job(want.req)
	out = &rendered{headers: [][2]string{{"Content-Type", f.MediaType}}}
	if f.Value != nil {
		out.body, err = DoneBody(f.Value, job)
	} else {
		o := question.WriteOptions{Provenance: answer.Provenance, People: want.people, Caption: answer.Caption(want.served.Question, want.req, a.cfg.Dataset)}
		o.Caption.URL, o.Caption.Theme = at, want.theme
		if f.Notes {
			o.Note = question.Notes[0]
		}
		var b bytes.Buffer
		err = f.Write(&b, answer.Table, o)
		out.body = bytes.Clone(b.Bytes())
		h := http.Header{}
		fileHeaders(h, job, f)
		for _, name := range slices.Sorted(maps.Keys(h)) {
			out.headers = append(out.headers, [2]string{name, h.Get(name)})
		}
	}
	if err != nil {
		return nil, "", a.unwritable(f, err, func(f *question.Format) string { return "/api/" + want.req.Question + "." + f.Extension })
	}
	return out, a.answerTag(want, dataset, plugin, at), nil
}

// answerHeaders sets the headers that an answer has in common with "not modified".
func (a *api) answerHeaders(w *response, want *wanted, tag string) {
	h := w.Header()
	h["Etag"] = []string{tag}
	h["Cache-Control"] = []string{want.control}
}

func (a *api) sendAnswer(w *response, want *wanted, tag string, out *rendered) {
	a.answerHeaders(w, want, tag)
	h := w.Header()
	for _, pair := range out.headers {
		h[pair[0]] = []string{pair[1]}
	}
	w.send(http.StatusOK, out.headers[0][1], out.body)
}

// hasTag reports whether a list of entity tags contains tag, by the weak comparison of RFC
// 9110, 8.8.3.2. "*" is not a tag: who sends it knows nothing of the answer.
func hasTag(lines []string, tag string) bool {
	for _, line := range lines {
		if line == tag {
			return true
		}
		for given := range splitQuoted(line, ',') {
			if strings.TrimPrefix(given, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}
