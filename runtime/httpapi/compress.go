package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// minCompressed is the size from which responses are compressed, in bytes.
const minCompressed = 1024

// Compress returns a handler that compresses the responses of h for clients that ask for
// gzip or zstd. Events are not compressed, because a client needs each at once. A response
// to HEAD has the length of what GET would send, or none where GET compresses it.
func Compress(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.ContentTypeFilter(compressible))
	if err != nil {
		panic(err) // of options that are the same in every run
	}
	wrapped := wrap(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && acceptsCompressed(r.Header) {
			w = &headOfCompressed{ResponseWriter: w}
		}
		wrapped(w, r)
	})
}

func compressible(contentType string) bool {
	return !strings.HasPrefix(contentType, "text/event-stream")
}

// acceptsCompressed reports whether a client takes a compressed response.
func acceptsCompressed(h http.Header) bool {
	for _, line := range h.Values("Accept-Encoding") {
		for element := range splitQuoted(line, ',') {
			name, q, _, ok := parseRange(element)
			if ok && q > 0 && (name == "gzip" || name == "zstd" || name == "*") {
				return true
			}
		}
	}
	return false
}

// headOfCompressed removes the length from a response to HEAD, where GET would compress.
type headOfCompressed struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *headOfCompressed) WriteHeader(status int) {
	h := w.Header()
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n >= minCompressed && compressible(h.Get("Content-Type")) {
		h.Del("Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *headOfCompressed) Unwrap() http.ResponseWriter { return w.ResponseWriter }
