package httpapi

import (
	"bytes"
	"iter"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	jsonType  = "application/json"
	rowsType  = "application/json; layout=rows"
	csvType   = "text/csv; charset=utf-8; header=present"
	arrowType = "application/vnd.apache.arrow.stream"
)

// format is a form of a result that a client can ask for.
type format struct {
	name        string // of ?format=, and a file's extension
	layout      string // of ?layout=, "" where there is none
	mediaRange  string // type/subtype, in lower case
	contentType string
	note        question.Note // of ?note=; "" where the form has room for provenance
	render      func(r *Renderers, job *question.Job, note question.Note) ([]byte, error)
}

// isJSON reports whether the form has room for a status beside the data.
func (f *format) isJSON() bool { return f.layout != "" }

// formats are in the order of our own preference. The first is the seed's.
var formats = []format{
	{"json", "seed", jsonType, jsonType, "", func(r *Renderers, job *question.Job, _ question.Note) ([]byte, error) { return appendDone(r.Seed, job) }},
	{"json", "rows", jsonType, rowsType, "", func(r *Renderers, job *question.Job, _ question.Note) ([]byte, error) {
		return appendDone(func(b []byte, t *question.Table) ([]byte, error) { return r.Rows(b, t), nil }, job)
	}},
	{"csv", "", "text/csv", csvType, question.NoteColumn, func(r *Renderers, job *question.Job, note question.Note) ([]byte, error) {
		var b bytes.Buffer
		err := r.CSV(&b, job.Result, job.Provenance, note)
		return b.Bytes(), err
	}},
	{"arrow", "", arrowType, arrowType, "", func(r *Renderers, job *question.Job, _ question.Note) ([]byte, error) {
		var b bytes.Buffer
		err := r.Arrow(&b, job.Result, job.Provenance)
		return b.Bytes(), err
	}},
}

// chooseFormat returns the form that a client wants, with the note that it wants: what
// the query says, which a person can type into a browser, else what Accept says.
func chooseFormat(q url.Values, h http.Header) (*format, error) {
	f, err := chooseForm(q, h)
	if err != nil || !q.Has("note") {
		return f, err
	}
	note := question.Note(q.Get("note"))
	switch {
	case !slices.Contains(question.Notes, note):
		return nil, question.Errorf(question.CodeBadRequest, `"note" is %.60q; one of column, comment, none`, note).About("note", "column", "comment", "none")
	case f.note == "":
		return nil, question.Errorf(question.CodeBadRequest, `"note" goes with the format csv only; %s says itself whether figures are synthetic`, f.name).About("note")
	}
	chosen := *f
	chosen.note = note
	return &chosen, nil
}

func chooseForm(q url.Values, h http.Header) (*format, error) {
	name, layout := q.Get("format"), q.Get("layout")
	if !q.Has("format") && !q.Has("layout") {
		return negotiate(h)
	}
	if !q.Has("format") {
		name = "json"
	}
	for i := range formats {
		if f := &formats[i]; f.name == name && (f.layout == layout || !q.Has("layout")) {
			return f, nil
		}
	}
	switch name {
	case "json":
		return nil, question.Errorf(question.CodeBadRequest, `"layout" is %.60q; one of seed, rows`, layout).About("layout", "seed", "rows")
	case "csv", "arrow":
		return nil, question.Errorf(question.CodeBadRequest, `"layout" goes with the format json only, not with %s`, name).About("layout")
	default:
		return nil, question.Errorf(question.CodeBadRequest, `"format" is %.60q; one of json, csv, arrow`, name).About("format", "json", "csv", "arrow")
	}
}

func negotiate(h http.Header) (*format, error) {
	accept := h.Values("Accept")
	if len(accept) == 0 || accept[0] == "*/*" && len(accept) == 1 {
		return &formats[0], nil
	}
	best, most := -1, quality{}
	for i := range formats {
		if q := qualityOf(accept, formats[i].mediaRange, formats[i].layout); q.exceeds(most) {
			best, most = i, q
		}
	}
	if best < 0 {
		return nil, question.Errorf(question.CodeNotAcceptable, "none of the media types in Accept can be had; one of %s, %s, text/csv, %s",
			jsonType, rowsType, arrowType).About("Accept", jsonType, rowsType, "text/csv", arrowType)
	}
	return &formats[best], nil
}

// quality is how much a client wants a media type: q, 0 (not at all) to 1, and of
// two that it wants as much the one that it names more closely: "text/csv, */*"
// asks for CSV.
type quality struct {
	q        float64
	specific int // 0: */*, 1: type/*, 2: type/subtype, 3: and layout
}

func (x quality) exceeds(y quality) bool {
	return x.q > y.q || x.q == y.q && x.q > 0 && x.specific > y.specific
}

// qualityOf returns how much a client that sent these Accept headers wants a media
// type, by the most specific range that matches it (RFC 9110, 12.5.1). No header
// wants everything. Of the parameters of a range only `layout` counts: a charset
// or a profile makes no difference here. What cannot be read is passed over.
func qualityOf(accept []string, mediaType, layout string) quality {
	kind, _, _ := strings.Cut(mediaType, "/")
	best, some := quality{specific: -1}, false
	for _, line := range accept {
		for element := range splitQuoted(line, ',') {
			some = true
			name, q, wanted, ok := parseRange(element)
			if !ok {
				continue
			}
			specific := -1
			switch {
			case name == mediaType && wanted == "":
				specific = 2
			case name == mediaType && wanted == layout:
				specific = 3
			case name == kind+"/*":
				specific = 1
			case name == "*/*" || name == "*": // some old Java sends the latter
				specific = 0
			}
			if specific > best.specific {
				best = quality{q, specific}
			}
		}
	}
	if !some {
		return quality{q: 1}
	}
	return best
}

// parseRange reads one element of Accept.
func parseRange(s string) (name string, q float64, layout string, ok bool) {
	name, params, _ := strings.Cut(s, ";")
	q = 1
	for p := range splitQuoted(params, ';') {
		key, value, _ := strings.Cut(p, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "q":
			var err error
			q, err = strconv.ParseFloat(value, 64)
			if err != nil || strings.Trim(value, "0123456789.") != "" || q > 1 {
				return "", 0, "", false
			}
		case "layout":
			layout = strings.ToLower(value)
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), q, layout, true
}

// splitQuoted yields the trimmed, non-empty parts of s between separators that
// are not inside of a quoted string.
func splitQuoted(s string, sep byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i <= len(s); i++ {
			switch {
			case i == len(s) || s[i] == sep && !quoted:
				if part := strings.TrimSpace(s[start:i]); part != "" && !yield(part) {
					return
				}
				start = i + 1
			case s[i] == '"':
				quoted = !quoted
			case s[i] == '\\' && quoted:
				i++
				if i == len(s) {
					i--
				}
			}
		}
	}
}

// waiting says for how long a client wants to wait for a job to end: ?wait=N,
// else `Prefer: wait=N` (RFC 7240), in seconds, and never longer than MaxWait.
// preferred: it was the header, which the answer confirms.
func (a *api) waiting(q url.Values, h http.Header) (wait time.Duration, preferred bool, err error) {
	if q.Has("wait") {
		n, ok := seconds(q.Get("wait"))
		if !ok {
			return 0, false, question.Errorf(question.CodeBadRequest,
				`"wait" is %.60q; it takes whole seconds, such as 10`, q.Get("wait")).About("wait")
		}
		return min(n, a.cfg.MaxWait), false, nil
	}
	for _, line := range h.Values("Prefer") {
		for preference := range splitQuoted(line, ',') {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			// The first one counts, and one that cannot be read is no preference.
			n, ok := seconds(strings.Trim(strings.TrimSpace(value), `"`))
			return min(n, a.cfg.MaxWait), ok, nil
		}
	}
	return 0, false, nil
}

func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// query reads the query of a route that takes these names, each at most once.
func query(r *http.Request, known ...string) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, question.Errorf(question.CodeBadRequest, "the query string cannot be read: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := values[name]
		if !slices.Contains(known, name) {
			takes := "none"
			if len(known) > 0 {
				takes = strings.Join(known, ", ")
			}
			return nil, question.Errorf(question.CodeBadRequest, "there is no query parameter %.60q here; this route takes %s", name, takes).
				About(name, question.Nearest(name, known)...)
		}
		if len(given) > 1 {
			return nil, question.Errorf(question.CodeBadRequest, "the query parameter %q stands there %d times; once is enough", name, len(given)).About(name)
		}
	}
	return values, nil
}

// checkContentType holds that a body, if there is a type with it, is plain JSON.
func checkContentType(h http.Header) error {
	switch encoding := h.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	default:
		return question.Errorf(question.CodeUnsupportedMediaType, "the body is encoded as %.60q; send it plain", encoding).About("Content-Encoding", "identity")
	}
	given := h.Get("Content-Type")
	if given == "" || given == jsonType {
		return nil
	}
	if mediaType, _, err := mime.ParseMediaType(given); err != nil || mediaType != jsonType {
		return question.Errorf(question.CodeUnsupportedMediaType, "the body is %.100q; send JSON, with the header Content-Type: %s", given, jsonType).
			About("Content-Type", jsonType)
	}
	return nil
}
