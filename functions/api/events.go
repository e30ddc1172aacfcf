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
	"path"
	"runtime/debug"
	"slices"
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

// The largest responses that Lambda accepts, and a load balancer, in bytes of JSON, less
// some room for the headers.
const (
	maxAnswer    = 6<<20 - 32<<10
	maxALBAnswer = 1<<20 - 32<<10
)

// takes says which events are answered.
const takes = "this function takes requests of an HTTP API, a function URL, a REST API or an Application Load Balancer; the worker function takes the messages of a queue"

// sharer stores a response that is too large for Lambda and returns an address where
// it can be read; results.Store is one.
type sharer interface {
	Share(ctx context.Context, data []byte, contentType, disposition string) (address string, err error)
}

// function answers events with an http.Handler. It implements lambda.Handler and is
// safe for concurrent use.
type function struct {
	handler http.Handler
	large   sharer
	log     *slog.Logger
	limit   time.Duration             // a job's time limit where there is no queue; else 0
	fresh   func(ctx context.Context) // looks for new plugins now and then; nil: never

	ended func() // is called after each event; nil: nothing is

	warned sync.Once
}

// Invoke answers one event with JSON. An event that is an HTTP request gets an HTTP
// response, also when the request is malformed. One that somebody sends as a test gets
// JSON that says what this function takes. Any other event is an error: with a response,
// a queue that is connected here by mistake would delete its messages.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var kind struct {
		Version        string
		HTTPMethod     string
		RequestContext map[string]json.RawMessage
	}
	if err := json.Unmarshal(event, &kind); err != nil {
		return nil, fmt.Errorf("the event is not a JSON object: %w", err)
	}
	if f.ended != nil {
		defer f.ended()
	}
	if deadline, ok := ctx.Deadline(); ok {
		due := wire.Due(deadline)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithValue(ctx, dueKey{}, due), due)
		defer cancel()
		if left := time.Until(due); left < f.limit {
			f.warned.Do(func() {
				f.log.Warn("a job may need more time than this function has, and then it never ends: raise the function's timeout, lower LESTATS_TIME_LIMIT, or give it a queue", "job", f.limit, "function", left.Round(10*time.Millisecond))
			})
		}
	}
	switch {
	case kind.RequestContext["elb"] != nil:
		return f.alb(ctx, event)
	case kind.Version == "2.0":
		return f.v2(ctx, event)
	case kind.Version == "1.0" || kind.Version == "" && kind.HTTPMethod != "":
		return f.v1(ctx, event, kind.Version == "1.0")
	case kind.RequestContext != nil:
		return f.refuse(question.Errorf(question.CodeBadRequest, "the event is of version %.20q: this function takes 2.0 (HTTP API, function URL), 1.0 (REST API) and those of an Application Load Balancer", kind.Version))
	case wire.IsTestEvent(event):
		f.log.Info("a test event was answered")
		return json.Marshal(map[string]any{
			"reason":  "this is a test event: " + takes,
			"example": json.RawMessage(`{"version":"2.0","rawPath":"/readyz","requestContext":{"http":{"method":"GET"}}}`),
		})
	default:
		return nil, errors.New("the event is not an HTTP request: " + takes)
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
	if strings.Contains(e.RequestContext.DomainName, ".lambda-url.") { // an HTTP API decodes it
		e.RawPath = escaped(path)
	} else {
		e.RawPath = escape(path)
	}
	if err := decodeBody(&e.Body, &e.IsBase64Encoded); err != nil {
		return f.refuse(err)
	}
	adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The adapter splits most headers at commas, also at commas in quotes.
		h := make(http.Header, len(e.Headers)+1)
		for name, value := range e.Headers {
			h.Add(name, value)
		}
		if len(e.Cookies) > 0 {
			h.Set("Cookie", strings.Join(e.Cookies, "; "))
		}
		r.Header = h
		f.serve(w, r, under, maxAnswer, true)
	}))
	answer, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return f.refuse(badEvent(err))
	}
	return encode(answer)
}

// v1 answers an event of a REST API, or of an HTTP API, which decodes the path.
func (f *function) v1(ctx context.Context, event []byte, decoded bool) ([]byte, error) {
	var e events.APIGatewayProxyRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return f.refuse(badEvent(err))
	}
	// A REST API removes the stage from Path, and keeps it in RequestContext.Path.
	under := ""
	if own := "/" + e.RequestContext.Stage; e.RequestContext.Stage != "" && e.RequestContext.Path == own+e.Path {
		under = own
	} else {
		e.Path, under = cutStage(e.Path, e.RequestContext.Stage)
	}
	if decoded {
		e.Path = escape(e.Path)
	} else {
		e.Path = escaped(e.Path)
	}
	if len(e.MultiValueHeaders) == 0 {
		e.MultiValueHeaders = nil // the adapter then uses Headers
	}
	if err := decodeBody(&e.Body, &e.IsBase64Encoded); err != nil {
		return f.refuse(err)
	}
	adapter := httpadapter.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, under, maxAnswer, false) }))
	answer, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return f.refuse(badEvent(err))
	}
	return encode(answer)
}

// alb answers an event of an Application Load Balancer. It has either all values of each
// header and query parameter or the last one, as its target group is configured, and
// takes an answer of the same kind only. It decodes neither path nor query.
func (f *function) alb(ctx context.Context, event []byte) ([]byte, error) {
	var e events.ALBTargetGroupRequest
	if err := json.Unmarshal(event, &e); err != nil {
		return encodeALB(f.refusal(badEvent(err)), true, true)
	}
	all := e.MultiValueHeaders != nil
	header := make(http.Header, len(e.Headers))
	for name, values := range e.MultiValueHeaders {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	for name, value := range e.Headers {
		if !all {
			header.Add(name, value)
		}
	}
	query := rawQuery(&e)
	e.Path = escaped(e.Path)
	e.Headers, e.MultiValueHeaders, e.QueryStringParameters, e.MultiValueQueryStringParameters = nil, nil, nil, nil
	if err := decodeBody(&e.Body, &e.IsBase64Encoded); err != nil {
		return encodeALB(f.refusal(err), all, !all)
	}
	adapter := httpadapter.NewALB(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header, r.URL.RawQuery = header, query
		if from := header.Values("X-Forwarded-For"); len(from) > 0 { // the load balancer appends the client
			r.RemoteAddr = strings.TrimSpace(from[len(from)-1][strings.LastIndexByte(from[len(from)-1], ',')+1:])
		}
		f.serve(w, r, "", maxALBAnswer, true)
	}))
	answer, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return encodeALB(f.refusal(badEvent(err)), all, !all)
	}
	return encodeALB(answer, all, !all)
}

// rawQuery returns the query of an event of a load balancer as it was sent, except that
// the order of different names is lost.
func rawQuery(e *events.ALBTargetGroupRequest) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(e.MultiValueQueryStringParameters)) {
		for _, value := range e.MultiValueQueryStringParameters[name] {
			pairs = append(pairs, name+"="+value)
		}
	}
	if e.MultiValueQueryStringParameters == nil {
		for _, name := range slices.Sorted(maps.Keys(e.QueryStringParameters)) {
			pairs = append(pairs, name+"="+e.QueryStringParameters[name])
		}
	}
	return strings.Join(pairs, "&")
}

// encodeALB encodes a response for a load balancer, with all values of each header, or one,
// or both.
func encodeALB(a events.ALBTargetGroupResponse, all, single bool) ([]byte, error) {
	a.StatusDescription = strings.TrimSpace(strconv.Itoa(a.StatusCode) + " " + http.StatusText(a.StatusCode))
	if single {
		a.Headers = make(map[string]string, len(a.MultiValueHeaders))
		for name, values := range a.MultiValueHeaders {
			a.Headers[name] = strings.Join(values, ", ")
		}
	}
	if !all {
		a.MultiValueHeaders = nil
	}
	return encode(a)
}

func badEvent(err error) error {
	return question.Errorf(question.CodeBadRequest, "the event cannot be read as a request: %w", err)
}

// decodeBody decodes the body of an event where it is base64.
func decodeBody(body *string, encoded *bool) error {
	if !*encoded {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(*body)
	if err != nil {
		return question.Errorf(question.CodeBadRequest, "the body is marked as base64 and is not: %w", err)
	}
	*body, *encoded = string(b), false
	return nil
}

// cutStage removes the name of a stage from a path. under is the stage as a prefix for
// links.
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

// escape returns a decoded path, as an HTTP API sends it, as it appears in a URL.
func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// escaped returns a path that is as in a URL, or, as emulators send it, decoded, as it
// appears in a URL.
func escaped(path string) string {
	if u, err := url.Parse("http://h/" + strings.TrimPrefix(path, "/")); err == nil && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(path, "?") && !strings.HasSuffix(path, "#") {
		return path
	}
	return escape(path)
}

// refuse answers an invalid event of API Gateway, in a form that every version accepts.
func (f *function) refuse(err error) ([]byte, error) {
	a := f.refusal(err)
	out := events.APIGatewayV2HTTPResponse{StatusCode: a.StatusCode, Headers: map[string]string{}, Body: a.Body}
	for name, values := range a.MultiValueHeaders {
		out.Headers[name] = values[0]
	}
	return encode(out)
}

// refusal is the answer to an invalid event.
func (f *function) refusal(err error) events.ALBTargetGroupResponse {
	f.log.Warn("an event was refused", "error", err)
	w := &answer{header: http.Header{}}
	httpapi.Fail(w, err)
	return events.ALBTargetGroupResponse{
		StatusCode:        w.status,
		MultiValueHeaders: http.Header{"Content-Type": w.header.Values("Content-Type"), "Cache-Control": {"no-store"}},
		Body:              w.body.String(),
	}
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

// serve answers one request. The response is buffered until it is known to be complete
// and have at most limit bytes in JSON. under is the path prefix that this service is
// reached by. compressed: the response may be compressed here. A REST API returns what is not
// text as base64, unless it is told which types are binary, and can compress by itself.
func (f *function) serve(w http.ResponseWriter, r *http.Request, under string, limit int, compressed bool) {
	host := r.Header.Get("Host")
	if host == "" {
		host = r.URL.Host
	}
	if host == "" {
		host = "localhost"
	}
	r.Host, r.URL.Host = host, host
	r.Header.Del("Host")
	r.Header.Del("X-Forwarded-Prefix") // only the gateway may say so, not the client
	if under != "" {
		r.Header.Set("X-Forwarded-Prefix", under)
	}

	if f.fresh != nil {
		f.fresh(r.Context())
	}
	out := f.handle(r)
	if out.status == http.StatusOK && r.Method != http.MethodHead && encodedSize(out.body.Bytes()) > limit {
		out = f.share(r, out, limit)
	}
	send := func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		vary := h["Vary"]
		maps.Copy(h, out.header)
		if vary != nil {
			h["Vary"] = append(vary, h["Vary"]...)
		}
		prefixLinks(h, under)
		w.WriteHeader(out.status)
		if out.body.Len() > 0 {
			_, _ = w.Write(out.body.Bytes()) // into memory
		}
	}
	if compressed {
		httpapi.Compress(http.HandlerFunc(send)).ServeHTTP(w, r)
	} else {
		send(w, r)
	}
}

// handle calls the handler. If the handler panics or writes an incomplete response,
// handle returns an internal error instead.
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
			httpapi.Fail(out, errors.New("the handler did not write an answer")) // its code is internal
		}
	}()
	out = &answer{header: http.Header{}}
	f.handler.ServeHTTP(out, r)
	return out
}

// share stores a response that is too large for Lambda and redirects the client to it. Only
// results of jobs are stored.
func (f *function) share(r *http.Request, large *answer, limit int) *answer {
	out := large.instead()
	size := large.body.Len()
	ctx := r.Context()
	address, err := "", results.ErrNotShared
	withoutJob := r.Method == http.MethodGet && strings.HasSuffix(path.Dir(r.URL.Path), "/api")
	if !withoutJob {
		address, err = f.large.Share(ctx, large.body.Bytes(), large.header.Get("Content-Type"), large.header.Get("Content-Disposition"))
	}
	switch {
	case withoutJob:
		httpapi.Fail(out, question.Errorf(question.CodeAnswerTooLarge,
			"the answer has %.1f MB, and a cloud function can send %d here: narrow it with where.COLUMN=VALUE, ask for a more compact format (.csv or .arrow in place of .json), or ask with POST, which makes a job whose result can be larger", float64(size)/1e6, limit>>20+1))
	case errors.Is(err, results.ErrNotShared):
		var compact []string
		for _, f := range wire.Formats {
			if f.MediaType != "" && f.Value == nil { // not JSON
				compact = append(compact, "format="+f.Extension)
			}
		}
		httpapi.Fail(out, question.Errorf(question.CodeAnswerTooLarge,
			"the answer has %.1f MB, and a cloud function can send %d here: narrow it with \"where\", ask for a more compact format (%s), or have the function keep its results in a bucket, from which clients can read them", float64(size)/1e6, limit>>20+1, strings.Join(compact, " or ")).
			WithParam("", compact...))
	case err != nil:
		httpapi.Fail(out, err)
	default:
		out.header.Set("Location", address)
		out.header.Set("Content-Type", "application/json")
		out.header.Set("Cache-Control", "no-store")
		out.WriteHeader(http.StatusSeeOther)
		body, err := json.Marshal(map[string]string{"status": "done", "location": address})
		if err != nil {
			panic(err) // a string can always be encoded
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

// prefixLinks adds the path prefix that this service is reached by to its own links.
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

// encodedSize returns the size of a body in the event's JSON, or a few bytes more: text
// with its escapes, base64 for anything else.
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
		case c == 0xe2: // U+2028 and U+2029 begin with it
			n += 3
		}
	}
	return n
}

// answer is an http.ResponseWriter that buffers the response.
type answer struct {
	header http.Header
	status int // 0: nothing was written
	body   bytes.Buffer
}

// requestID is the header that connects a response with its lines in the log.
const requestID = "X-Request-Id"

// instead returns an empty response to the same request.
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
