package httpapi

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// unframed is the policy of what is not a page: no page of another site may frame it.
const unframed = "default-src 'none'; frame-ancestors 'none'"

// ServeHTTP answers a request. It always writes a status, recovers from panics and logs
// one line.
func (a *api) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &response{ResponseWriter: rw, api: a, header: r.Header, head: r.Method == http.MethodHead, id: requestID(r.Header), start: time.Now()}
	if r.Body != nil && r.Body != http.NoBody { // an adapter may leave it out
		w.body, w.waits = http.MaxBytesReader(rw, r.Body, a.cfg.MaxBody), r.Header.Get("Expect") != "" && r.ProtoAtLeast(1, 1)
	}
	a.cfg.Observer.RequestBegan()
	h := rw.Header()
	h.Set("X-Request-Id", w.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", unframed) // pages and pictures have their own
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// The request may have had a Content-Length, too, which net/http has removed, or be of
		// HTTP/1.0 with a Transfer-Encoding, which net/http ignores. A proxy that goes by the
		// other one sees another end of the body, so nothing may follow it.
		h.Set("Connection", "close")
	}
	origin := &question.Origin{Request: w.id, Trace: question.ParseTraceparent(r.Header["Traceparent"])}
	r = r.WithContext(question.WithOrigin(r.Context(), origin))
	w.request = r
	defer a.finish(w, r) // of this r: the mux notes the pattern in it

	if !a.allowsHost(r.Host) {
		w.fail(a.errHost(r.Host))
		return
	}
	shared := a.share(w, r)
	switch {
	case shared && preflight(r): // browsers send it without a key
		a.route(w, r)
	case a.csrf.Check(r) != nil:
		w.fail(question.Errorf(question.CodeForbidden, "a page of another site may not send %s requests here", r.Method))
	default:
		var err error
		if origin.Client, err = a.client(w, r); err != nil {
			w.fail(err)
			return
		}
		a.route(w, r)
	}
}

// route answers a request that may be here.
func (a *api) route(w *response, r *http.Request) {
	escaped := r.URL.EscapedPath()
	switch {
	case r.Method == http.MethodOptions && r.URL.Path == "*":
		var methods []string
		for i := range a.routes {
			methods = append(methods, a.routes[i].Method)
		}
		w.allow(append(methods, http.MethodHead))
		w.WriteHeader(http.StatusNoContent)
	case escaped != cleanPath(escaped): // the mux would redirect, with a page
		w.fail(a.unknownRoute(r.URL))
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// finish is deferred by ServeHTTP.
func (a *api) finish(w *response, r *http.Request) {
	v := recover()
	if v != nil && v != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
		a.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "a request panicked",
			slog.String("request", w.id), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		if w.status == 0 {
			w.fail(internal())
		} // else net/http notices that the body is too short and closes the connection
	}
	took := time.Since(w.start)
	a.logAccess(w, r, took)
	var code question.Code
	if w.err != nil {
		code = question.CodeOf(w.err)
	}
	a.cfg.Observer.RequestEnded(a.pattern(r), r.Method, w.status, code, took)
	if v == http.ErrAbortHandler { //nolint:errorlint // see above
		panic(v)
	}
}

// pattern returns the pattern of the path that a request's route has, "" if there is none.
func (a *api) pattern(r *http.Request) string {
	switch r.Pattern {
	case "/": // all other paths
		return ""
	case "/{$}":
		return "/"
	}
	return r.Pattern
}

func (a *api) logAccess(w *response, r *http.Request, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case w.status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case w.status >= http.StatusInternalServerError:
		level = slog.LevelError
	case w.probe && w.err == nil:
		level = slog.LevelDebug
	}
	if !a.cfg.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("request", w.id),
		slog.String("method", r.Method),
		slog.String("route", a.pattern(r)),
		slog.Int("status", w.status),
		slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int64("bytes", w.bytes),
		slog.String("remote", r.RemoteAddr))
	if w.question != "" {
		attrs = append(attrs, slog.String("question", w.question))
	}
	if w.job != "" {
		attrs = append(attrs, slog.String("job", w.job))
	}
	from := question.OriginOf(r.Context())
	if from.Trace != "" {
		attrs = append(attrs, slog.String("trace", question.TraceID(from.Trace)))
	}
	if from.Client.Name != "" {
		attrs = append(attrs, slog.String("client", from.Client.Name))
	}
	if w.err != nil {
		attrs = append(attrs, slog.String("error", w.err.Error()))
	}
	if r.Context().Err() != nil {
		attrs = append(attrs, slog.Bool("client_left", true))
	}
	a.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// requestID returns the client's X-Request-Id if it is safe for a log and a header, else
// a new one.
func requestID(h http.Header) string {
	const most = 64
	id := h.Get("X-Request-Id")
	safe := func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.ContainsRune("-_.:", c)
	}
	if id != "" && len(id) <= most && strings.IndexFunc(id, func(c rune) bool { return !safe(c) }) < 0 {
		return id
	}
	n := rand.Uint64() //nolint:gosec // an identifier, not a secret
	return hex.EncodeToString([]byte{
		byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n),
	})
}

// response is an http.ResponseWriter that records what the log needs.
type response struct {
	http.ResponseWriter
	api     *api          // nil for what fails before it
	header  http.Header   // of the request
	request *http.Request // nil for what fails before it
	page    bool          // the route is that of a page

	head  bool      // the request was HEAD: no body
	body  io.Reader // of the request, bounded; nil: there is none
	waits bool      // the client sends the body when it is read
	probe bool      // a load balancer's request, logged only on failure
	id    string
	start time.Time

	status   int // 0: nothing was written
	bytes    int64
	question string
	job      string
	err      error
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader records the status for the log. It first reads what is left of the request's
// body: when net/http closes a connection with unread bytes, the client may get a reset in
// place of the response, and nginx then answers 502.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if c := w.Header().Get("Cache-Control"); w.api != nil && w.api.keyed() && c != "no-store" && !strings.HasPrefix(c, "private") {
			w.Header().Set("Cache-Control", "private, "+c) // no cache has the clients' keys
		}
		if w.body != nil && !w.waits {
			if _, err := io.Copy(io.Discard, w.body); errors.As(err, new(*http.MaxBytesError)) {
				w.Header().Set("Connection", "close") // net/http knows only if it gets its own writer
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes for the log.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.head {
		return len(b), nil
	}
	n, err := w.ResponseWriter.Write(b) //nolint:gosec // the content is escaped where it is made
	w.bytes += int64(n)
	return n, err
}

// setJob records the job of the response.
func (w *response) setJob(job *question.Job) {
	w.job, w.question = job.ID, job.Request.Question
}

// send writes a complete response. It ignores that the client may have left.
func (w *response) send(status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if !w.head {
		_, _ = w.Write(body)
	}
}

// sendJSON sends one JSON value, with a line end for people at a terminal.
func (w *response) sendJSON(status int, body []byte) { w.send(status, jsonType, append(body, '\n')) }
