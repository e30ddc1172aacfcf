package httpapi

import (
	"cmp"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const jsonType = "application/json"

// mediaRange returns a format's type/subtype.
func mediaRange(f *question.Format) string {
	name, _, _ := strings.Cut(f.MediaType, ";")
	return name
}

// contentKey returns the media type by which OpenAPI and hints name a format.
func contentKey(f *question.Format) string {
	if f.Layout != "" {
		return f.MediaType
	}
	return mediaRange(f)
}

// formatQuery returns the query that asks for a format.
func formatQuery(f *question.Format) string {
	if f.Layout != "" {
		return "?layout=" + f.Layout
	}
	return "?format=" + f.Extension
}

// chooseFormat sets the format and the note that a client wants, according to the query,
// which people can type into a browser, else to Accept.
func (a *api) chooseFormat(asked *preferences, q url.Values, h http.Header) (err error) {
	if q.Has("format") || q.Has("layout") {
		asked.format, err = a.namedFormat(q)
	} else {
		asked.format, err = a.negotiate(h)
	}
	if err != nil {
		return err
	}
	if asked.format.Notes {
		asked.note = question.Notes[0]
	}
	if !q.Has("note") {
		return nil
	}
	note := question.Note(q.Get("note"))
	switch {
	case !slices.Contains(question.Notes, note):
		return badQuery(q, "note", texts(question.Notes))
	case !asked.format.Notes:
		return question.Errorf(question.CodeBadRequest, `"note" does not go with the format %s, which always says whether figures are synthetic`, asked.format.Extension).WithParam("note")
	}
	asked.note = note
	return nil
}

// namedFormat returns the format that a query names.
func (a *api) namedFormat(q url.Values) (*question.Format, error) {
	name, layout := q.Get("format"), canonicalLayout(q.Get("layout"))
	if !q.Has("format") {
		name = a.formats[0].Extension
	}
	var names, layouts []string
	for i := range a.formats {
		f := &a.formats[i]
		if f.Extension == name {
			if f.Layout == layout || !q.Has("layout") {
				return f, nil
			}
			layouts = append(layouts, f.Layout)
		}
		names = append(names, f.Extension)
	}
	switch {
	case len(layouts) == 0:
		return nil, badQuery(q, "format", slices.Compact(names))
	case layouts[0] == "":
		return nil, question.Errorf(question.CodeBadRequest, `"layout" does not go with the format %s`, name).WithParam("layout")
	default:
		return nil, badQuery(q, "layout", layouts)
	}
}

// badQuery is the error of a query parameter that is none of the valid values.
func badQuery(q url.Values, name string, valid []string) error {
	return question.Errorf(question.CodeBadRequest, "%q is %.60q; it is one of %s", name, q.Get(name), strings.Join(valid, ", ")).WithParam(name, valid...)
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// canonicalLayout replaces the former name of the layout "original".
func canonicalLayout(name string) string {
	if name == "seed" {
		return "original"
	}
	return name
}

// negotiate returns the format that Accept prefers.
func (a *api) negotiate(h http.Header) (*question.Format, error) {
	accept := h.Values("Accept")
	if len(accept) == 0 || accept[0] == "*/*" && len(accept) == 1 {
		return &a.formats[0], nil
	}
	var best *question.Format
	most := quality{}
	for i := range a.formats {
		f := &a.formats[i]
		if mediaRange(f) == "text/html" {
			continue // browsers accept it of every address: only its name asks for it
		}
		if q := qualityOf(accept, mediaRange(f), f.Layout); q.exceeds(most) {
			best, most = f, q
		}
	}
	if best == nil {
		available := make([]string, len(a.formats))
		for i := range available {
			available[i] = contentKey(&a.formats[i])
		}
		return nil, question.Errorf(question.CodeNotAcceptable, "no media type in Accept is available; available are %s", strings.Join(available, ", ")).
			WithParam("Accept", available...)
	}
	return best, nil
}

// quality is a client's preference for a media type: q from 0 (not acceptable) to 1, and
// among equals the more specific range, so that "text/csv, */*" asks for CSV.
type quality struct {
	q        float64
	specific int // 0: */*, 1: type/*, 2: type/subtype, 3: and layout
}

func (x quality) exceeds(y quality) bool {
	return x.q > y.q || x.q == y.q && x.q > 0 && x.specific > y.specific
}

// qualityOf returns the preference of Accept headers for a media type, which is that of
// the most specific matching range (RFC 9110, 12.5.1). No header accepts everything. Of
// the parameters of a range only `layout` counts, because a charset or a profile makes no
// difference here. Malformed ranges are ignored.
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
			case name == "*/*" || name == "*": // old Java clients send the latter
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
			layout = canonicalLayout(strings.ToLower(value))
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), q, layout, true
}

// splitQuoted yields the trimmed, non-empty parts of s between separators outside of
// quoted strings.
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

// waiting sets how long a client wants to wait for a job to end, at most MaxWait: ?wait=N,
// else `Prefer: wait=N` (RFC 7240), in seconds. It also sets whether the client prefers
// respond-async.
func (a *api) waiting(asked *preferences, q url.Values, h http.Header) error {
	wait := ""
	for _, line := range h.Values("Prefer") {
		for preference := range splitQuoted(line, ',') {
			preference, _, _ = strings.Cut(preference, ";")
			name, value, _ := strings.Cut(preference, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				asked.async = true
			case "wait":
				wait = cmp.Or(wait, strings.Trim(strings.TrimSpace(value), `"`), "-") // the first one counts
			}
		}
	}
	var n time.Duration
	if q.Has("wait") {
		var ok bool
		if n, ok = seconds(q.Get("wait")); !ok {
			return question.Errorf(question.CodeBadRequest, `"wait" is %.60q; it takes whole seconds, such as 10`, q.Get("wait")).WithParam("wait")
		}
	} else { // a malformed one is no preference
		n, asked.preferred = seconds(wait)
	}
	asked.wait = min(n, a.cfg.MaxWait)
	return nil
}

func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// checkContentType checks that a body with a declared type is uncompressed JSON.
func checkContentType(h http.Header) error {
	switch encoding := h.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	default:
		return question.Errorf(question.CodeUnsupportedMediaType, "the body is encoded as %.60q; send it without Content-Encoding", encoding).WithParam("Content-Encoding", "identity")
	}
	given := h.Get("Content-Type")
	if given == "" || given == jsonType {
		return nil
	}
	if mediaType, _, err := mime.ParseMediaType(given); err != nil || mediaType != jsonType {
		return question.Errorf(question.CodeUnsupportedMediaType, "the body is %.100q; send JSON, with the header Content-Type: %s", given, jsonType).
			WithParam("Content-Type", jsonType)
	}
	return nil
}
