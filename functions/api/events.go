package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
)

// mostAnswer is what Lambda takes of an answer, in bytes of JSON, less some room
// for the headers.
const mostAnswer = 6<<20 - 32<<10

// sharer stores an answer that is too large and returns where it can be read, as
// results.Store does.
type sharer interface {
	Share(ctx context.Context, data []byte, contentType, disposition string) (address string, err error)
}

// function answers events with an http.Handler. It implements lambda.Handler and is
// safe for concurrent use.
type function struct {
	handler http.Handler
	large   sharer
	log     *slog.Logger
	limit   time.Duration // of a job, where nobody is handed one; else 0

	warned sync.Once
}

// Invoke answers one event with JSON. An event that is an HTTP request, whatever is
// wrong with it, gets an HTTP answer. Any other is an error: were it an answer, a
// queue that is wired here by mistake would take its messages for done.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var kind struct {
		Version        string
		HTTPMethod     string
		RequestContext json.RawMessage
	}
	if err := json.Unmarshal(event, &kind); err != nil {
		return nil, fmt.Errorf("the event is no JSON object of a request: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		due := wire.Due(deadline)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithValue(ctx, dueKey{}, due), due)
		defer cancel()
		if left := time.Until(due); left < f.limit {
			f.warned.Do(func() {
				f.log.Warn("a job may take longer than this function, and never end then: give the function more time, jobs less (LESTATS_TIME_LIMIT), or a queue", "job", f.limit, "function", left.Round(10*time.Millisecond))
			})
		}
	}
	switch {
	case kind.Version == "2.0":
		return f.v2(ctx, event)
	case kind.Version == "1.0" || kind.Version == "" && kind.HTTPMethod != "":
		return f.v1(ctx, event)
	case len(kind.RequestContext) > 0:
		return f.refuse(question.Errorf(question.CodeBadRequest, "the event is of version %.20q: this function takes 2.0 (HTTP API, function URL) and 1.0 (REST API)", kind.Version))
	default:
		return nil, errors.New("the event is no HTTP request: this function takes those of an HTTP API, a function URL or a REST API; messages of a queue are the worker's")
	}
}

// v2 answers an event of an HTTP API or a function URL.
func (f *function) v2(ctx context.Context, event []byte) ([]byte, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return f.refuse(badEvent(err))
	}
	path := e.RawPath
	if path == "" {
		path = e.RequestContext.HTTP.Path
	}
	path, under := cutStage(path, e.RequestContext.Stage)
	e.RawPath = escaped(path)
	if err := decodeBody(&e.Body, &e.IsBase64Encoded); err != nil {
		return f.refuse(err)
	}
	adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The adapter cuts most headers at commas, those in quotes too.
		h := make(http.Header, len(e.Headers)+1)
		for name, value := range e.Headers {
			h.Add(name, value)
		}
		if len(e.Cookies) > 0 {
			h.Set("Cookie", strings.Join(e.Cookies, "; "))
		}
		r.Header = h
		f.serve(w, r, under)
	}))
	answer, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return f.refuse(badEvent(err))
	}
	return encode(answer)
}

// v1 answers an event of a REST API.
func (f *function) v1(ctx context.Context, event []byte) ([]byte, error) {
	var e events.APIGatewayProxyRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return f.refuse(badEvent(err))
	}
	// A REST API takes its stage off the path itself, but for its own note.
	under := ""
	if own := "/" + e.RequestContext.Stage; e.RequestContext.Stage != "" && e.RequestContext.Path == own+e.Path {
		under = own
	} else {
		e.Path, under = cutStage(e.Path, e.RequestContext.Stage)
	}
	e.Path = escaped(e.Path)
	if len(e.MultiValueHeaders) == 0 {
		e.MultiValueHeaders = nil // then the adapter takes the single ones
	}
	if err := decodeBody(&e.Body, &e.IsBase64Encoded); err != nil {
		return f.refuse(err)
	}
	adapter := httpadapter.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, under) }))
	answer, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return f.refuse(badEvent(err))
	}
	return encode(answer)
}

func badEvent(err error) error {
	return question.Errorf(question.CodeBadRequest, "the event cannot be read as a request: %w", err)
}

// decodeBody makes the body of an event, which may be base64, what the client sent.
func decodeBody(body *string, encoded *bool) error {
	if !*encoded {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(*body)
	if err != nil {
		return question.Errorf(question.CodeBadRequest, "the body says that it is base64, and is not: %w", err)
	}
	*body, *encoded = string(b), false
	return nil
}

// cutStage takes the name of a stage off a path, and returns it as a prefix of links.
func cutStage(path, stage string) (rest, under string) {
	if stage == "" || stage == "$default" {
		return path, ""
	}
	under = "/" + stage
	rest, ok := strings.CutPrefix(path, under)
	if !ok || rest != "" && rest[0] != '/' {
		return path, ""
	}
	return "/" + strings.TrimPrefix(rest, "/"), under
}

// escaped returns a path as it stands in a URL: some gateways send it decoded.
func escaped(path string) string {
	if u, err := url.Parse("http://h/" + strings.TrimPrefix(path, "/")); err == nil && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(path, "?") && !strings.HasSuffix(path, "#") {
		return path
	}
	return (&url.URL{Path: path}).EscapedPath()
}

// refuse answers an event that is no good, in a form that every version has.
func (f *function) refuse(err error) ([]byte, error) {
	f.log.Warn("an event was refused", "error", err)
	w := &answer{header: http.Header{}}
	httpapi.Fail(w, err)
	return encode(events.APIGatewayV2HTTPResponse{
		StatusCode: w.status,
		Headers:    map[string]string{"Content-Type": w.header.Get("Content-Type"), "Cache-Control": "no-store"},
		Body:       w.body.String(),
	})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// serve answers one request. What the handler writes is held back until it is
// known to be whole and small enough. under is the path that this is served under.
func (f *function) serve(w http.ResponseWriter, r *http.Request, under string) {
	host := r.Header.Get("Host")
	if host == "" {
		host = r.URL.Host
	}
	if host == "" {
		host = "localhost"
	}
	r.Host, r.URL.Host = host, host
	r.Header.Del("Host")
	r.Header.Del("X-Forwarded-Prefix") // the gateway's word, not the client's
	if under != "" {
		r.Header.Set("X-Forwarded-Prefix", under)
	}

	out := f.handle(r)
	if out.status == http.StatusOK && r.Method != http.MethodHead && encodedSize(out.body.Bytes()) > mostAnswer {
		out = f.share(r.Context(), out)
	}
	maps.Copy(w.Header(), out.header)
	prefixLinks(w.Header(), under)
	w.WriteHeader(out.status)
	if out.body.Len() > 0 {
		_, _ = w.Write(out.body.Bytes()) // into memory
	}
}

// handle calls the handler, and makes an answer out of whatever it leaves behind.
func (f *function) handle(r *http.Request) (out *answer) {
	defer func() {
		v := recover()
		if v != nil {
			f.log.Error("a request panicked", "id", out.header.Get(requestID), "panic", v, "stack", string(debug.Stack()))
		}
		whole := out.status != 0
		if n := out.header.Get("Content-Length"); n != "" && r.Method != http.MethodHead && out.status != http.StatusNotModified {
			whole = whole && n == strconv.Itoa(out.body.Len())
		}
		if v != nil || !whole {
			out = out.instead()
			httpapi.Fail(out, errors.New("the handler did not write an answer")) // which is told as internal
		}
	}()
	out = &answer{header: http.Header{}}
	f.handler.ServeHTTP(out, r)
	return out
}

// share puts an answer that is too large for Lambda where the client can read it.
func (f *function) share(ctx context.Context, large *answer) *answer {
	out := large.instead()
	size := large.body.Len()
	address, err := f.large.Share(ctx, large.body.Bytes(), large.header.Get("Content-Type"), large.header.Get("Content-Disposition"))
	switch {
	case errors.Is(err, results.ErrNotShared):
		httpapi.Fail(out, question.Errorf(question.CodeAnswerTooLarge,
			"the answer has %.1f MB, and a cloud function can send 6 MB: narrow it with \"where\", ask for it as CSV or Arrow (format=csv), or have the function keep its results in a bucket, which can give it an address", float64(size)/1e6).
			About("", "format=csv", "format=arrow"))
	case err != nil:
		httpapi.Fail(out, err)
	default:
		out.header.Set("Location", address)
		out.header.Set("Content-Type", "application/json")
		out.header.Set("Cache-Control", "no-store")
		out.WriteHeader(http.StatusSeeOther)
		body, err := json.Marshal(map[string]string{"status": "done", "location": address})
		if err != nil {
			panic(err) // a text is always JSON
		}
		out.body.Write(append(body, '\n'))
	}
	attrs := []any{"id", out.header.Get(requestID), "bytes", size, "status", out.status}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	f.log.Info("an answer is too large for Lambda", attrs...)
	return out
}

// prefixLinks puts the path that this is served under before links to itself.
func prefixLinks(h http.Header, under string) {
	if under == "" {
		return
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if v := h.Get(name); strings.HasPrefix(v, "/") {
			h.Set(name, under+v)
		}
	}
	if v := h.Get("Link"); strings.HasPrefix(v, "</") {
		h.Set("Link", "<"+under+v[1:])
	}
}

// encodedSize returns how many bytes of JSON a body becomes, or a few more: text
// with what has to be escaped, and base64 if it is no text.
func encodedSize(b []byte) int {
	if !utf8.Valid(b) {
		return base64.StdEncoding.EncodedLen(len(b))
	}
	n := len(b)
	for _, c := range b {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ':
			n += 5
		case c == 0xe2: // U+2028 and U+2029 begin so
			n += 3
		}
	}
	return n
}

// answer is an http.ResponseWriter that keeps what is written.
type answer struct {
	header http.Header
	status int // 0: nothing was written
	body   bytes.Buffer
}

// requestID is the header by which an answer and its lines in the log find each other.
const requestID = "X-Request-Id"

// instead returns an empty answer to the same request.
func (a *answer) instead() *answer {
	out := &answer{header: http.Header{}}
	if id := a.header.Get(requestID); id != "" {
		out.header.Set(requestID, id)
	}
	return out
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the first status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write keeps b.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
