package httpapi

import (
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// ServeHTTP answers a request: it always writes a status, survives a panic of
// whatever it calls, and logs one line.
func (a *api) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &response{ResponseWriter: rw, head: r.Method == http.MethodHead, id: requestID(r.Header), start: time.Now()}
	h := rw.Header()
	h.Set("X-Request-Id", w.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	defer a.finish(w, r)

	switch {
	case !strings.HasPrefix(r.URL.Path, "/"): // "OPTIONS *", or CONNECT; the mux would not answer in our shape
		w.fail(question.Errorf(question.CodeUnknownRoute, "%.100q is no path of this service", r.URL.Path))
	case !a.ownHost(r.Host):
		w.fail(a.strangeHost(r.Host))
	case a.csrf.Check(r) != nil:
		w.fail(question.Errorf(question.CodeForbidden, "a page of another site may not %s here", r.Method))
	case !a.known(r):
		w.fail(question.Errorf(question.CodeForbidden, "this service is for those who have its key, sent as `X-Api-Key: KEY`").About("X-Api-Key"))
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// finish is deferred by ServeHTTP.
func (a *api) finish(w *response, r *http.Request) {
	v := recover()
	if v != nil && v != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
		a.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "a request panicked",
			slog.String("id", w.id), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		if w.status == 0 {
			w.fail(internal())
		} // else net/http sees that the body is too short, and cuts the connection
	}
	a.logAccess(w, r)
	if v == http.ErrAbortHandler { //nolint:errorlint // see above
		panic(v)
	}
}

func (a *api) logAccess(w *response, r *http.Request) {
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
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("id", w.id),
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", w.status),
		slog.Float64("ms", float64(time.Since(w.start).Microseconds())/1000),
		slog.Int64("bytes", w.bytes),
		slog.String("remote", r.RemoteAddr))
	if w.question != "" {
		attrs = append(attrs, slog.String("question", w.question))
	}
	if w.job != "" {
		attrs = append(attrs, slog.String("job", w.job))
	}
	if w.err != nil {
		attrs = append(attrs, slog.String("error", w.err.Error()))
	}
	if r.Context().Err() != nil {
		attrs = append(attrs, slog.Bool("client_left", true))
	}
	a.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// requestID returns the client's X-Request-Id where it is fit for a log and a
// header, else a new one.
func requestID(h http.Header) string {
	const most = 64
	id := h.Get("X-Request-Id")
	fit := func(c rune) bool {
		return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.ContainsRune("-_.:", c)
	}
	if id != "" && len(id) <= most && strings.IndexFunc(id, func(c rune) bool { return !fit(c) }) < 0 {
		return id
	}
	n := rand.Uint64() //nolint:gosec // it tells requests apart; nobody trusts it
	return hex.EncodeToString([]byte{
		byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n),
	})
}

// response is an http.ResponseWriter that remembers what the log wants to know.
type response struct {
	http.ResponseWriter
	head  bool // the request was HEAD: no body
	probe bool // of a load balancer: logged only when something is wrong
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

// WriteHeader notes the status for the log.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes for the log.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b) //nolint:gosec // what is written is escaped where it is made
	w.bytes += int64(n)
	return n, err
}

// about notes which job the answer is about.
func (w *response) about(job *question.Job) {
	w.job, w.question = job.ID, job.Request.Question
}

// send writes a whole answer. That the client has left is no error of ours.
func (w *response) send(status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if !w.head {
		_, _ = w.Write(body)
	}
}

// sendJSON sends one JSON value, and a line end for people at a terminal.
func (w *response) sendJSON(status int, body []byte) { w.send(status, jsonType, append(body, '\n')) }
