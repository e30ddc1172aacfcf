package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// errorBody is the JSON of an error.
type errorBody struct {
	Status string        `json:"status"` // "error"
	Code   question.Code `json:"code"`
	Reason string        `json:"reason"`
	Param  string        `json:"param,omitempty"`
	Hint   []string      `json:"hint"`
	JobID  string        `json:"job_id,omitempty"`
}

// problem is the JSON of an error in the form of RFC 9457. Type is where /docs explains the
// code. Instance is the request: its path, and its id as the fragment.
type problem struct {
	Type     string        `json:"type"`
	Title    string        `json:"title"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail"`
	Instance string        `json:"instance"`
	Code     question.Code `json:"code"`
	Param    string        `json:"param,omitempty"`
	Hint     []string      `json:"hint"`
	JobID    string        `json:"job_id,omitempty"`
}

const problemType = "application/problem+json"

// wantsProblem reports whether a client names RFC 9457 in Accept and does not prefer JSON.
func wantsProblem(accept []string) bool {
	q := qualityOf(accept, problemType, "")
	return q.specific == 2 && q.q > 0 && q.q >= qualityOf(accept, jsonType, "").q
}

// public returns the form of an error that clients may see. It applies to errors of
// requests, jobs and plugins alike. An error that wraps a concealed error is concealed
// too.
func public(e *question.Error, requestID string) *question.Error {
	for cause := e; cause != nil; {
		if info := cause.Code.Info(); info.Concealed {
			text := info.Text + "; the server's log says why"
			if requestID != "" {
				text += ", under the request id " + requestID
			}
			return &question.Error{Code: e.Code, Reason: text, Param: e.Param, Hint: e.Hint}
		}
		next := cause.Unwrap()
		cause = nil
		_ = errors.As(next, &cause)
	}
	return e
}

// publicError is an error with a reason that this package wrote for clients, so that it
// is not concealed.
type publicError struct{ to *question.Error }

// Error is the code and the reason.
func (s publicError) Error() string { return s.to.Error() }

// Unwrap returns the error that clients get.
func (s publicError) Unwrap() error { return s.to }

// internal stands for a defect of this program, or for an error without a code.
func internal() *question.Error { return &question.Error{Code: question.CodeInternal} }

// Fail writes an error in the format of the handler, for code that runs before it. The
// response refers to the X-Request-Id that w already has.
func Fail(w http.ResponseWriter, err error) {
	(&response{ResponseWriter: w, id: w.Header().Get("X-Request-Id")}).fail(err)
}

// fail writes an error response. The log gets the whole error, the client its public form.
func (w *response) fail(err error) {
	w.err = err
	e := w.visible(err)
	info := e.Code.Info()
	if w.probe {
		info.Status, info.RetryAfter = http.StatusServiceUnavailable, cmp.Or(info.RetryAfter, 5)
	}
	if info.RetryAfter > 0 && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(info.RetryAfter))
	}
	if w.showsPage() {
		w.api.cfg.ErrorPage(w, w.request, w.api.view(w, w.request), e)
		return
	}
	if w.api != nil && wantsProblem(w.header["Accept"]) {
		under := w.api.under(w.header)
		body := problem{under + "/docs#code-" + string(e.Code), info.Text, info.Status, e.Reason, under + w.request.URL.EscapedPath() + "#" + w.id, e.Code, e.Param, hintOf(e), w.job}
		w.send(info.Status, problemType, append(marshal(body), '\n'))
		return
	}
	w.sendJSON(info.Status, ErrorBody(e, w.job))
}

// visible returns what clients may see of an error.
func (w *response) visible(err error) *question.Error { return Visible(err, w.id) }

// Visible returns what clients may see of an error, for rooms that write errors in another
// form. requestID is where the log has the rest; "" if there is none.
func Visible(err error, requestID string) *question.Error {
	if s, ok := errors.AsType[publicError](err); ok {
		return s.to
	}
	var e *question.Error
	if !errors.As(err, &e) { // its text is not meant for clients
		e = internal()
	}
	return public(e, requestID)
}

// ErrorBody returns the JSON of an error, as every route has it. job is the id of the job
// that it is about, or "". Nothing is concealed.
func ErrorBody(e *question.Error, job string) []byte {
	return marshal(errorBody{"error", e.Code, e.Reason, e.Param, hintOf(e), job})
}

// hintOf returns an error's hints, which in JSON are a list also if there are none.
func hintOf(e *question.Error) []string { return append([]string{}, e.Hint...) }

// marshal is json.Marshal for what cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // answered as internal
	}
	return b
}
