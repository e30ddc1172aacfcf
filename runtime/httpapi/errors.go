package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// statuses is the one mapping from a code to a status. Every code is here.
var statuses = map[question.Code]int{
	question.CodeMalformedJSON:        http.StatusBadRequest,
	question.CodeBadRequest:           http.StatusBadRequest,
	question.CodeBodyTooLarge:         http.StatusRequestEntityTooLarge,
	question.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	question.CodeNotAcceptable:        http.StatusNotAcceptable,
	question.CodeUnknownRoute:         http.StatusNotFound,
	question.CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	question.CodeForbidden:            http.StatusForbidden,
	question.CodeNotHere:              http.StatusConflict,
	question.CodeAnswerTooLarge:       http.StatusRequestEntityTooLarge,

	question.CodeUnknownQuestion:  http.StatusNotFound,
	question.CodeUnknownParameter: http.StatusBadRequest,
	question.CodeMissingParameter: http.StatusBadRequest,
	question.CodeBadParameter:     http.StatusBadRequest,
	question.CodeUnknownValue:     http.StatusBadRequest,

	question.CodeBadID:            http.StatusBadRequest,
	question.CodeUnknownJob:       http.StatusNotFound,
	question.CodeQueueFull:        http.StatusServiceUnavailable,
	question.CodeShuttingDown:     http.StatusServiceUnavailable,
	question.CodeStoreUnavailable: http.StatusServiceUnavailable,
	question.CodeQueueUnavailable: http.StatusServiceUnavailable,
	question.CodeNotReady:         http.StatusServiceUnavailable,
	question.CodeNotRetryable:     http.StatusConflict,
	question.CodeAlreadyFinal:     http.StatusConflict,

	// A job that ended without a result. This exchange went well and the outcome is
	// final: a 5xx would be retried by clients and counted as an outage.
	question.CodeCancelled:       http.StatusGone,
	question.CodePluginError:     http.StatusUnprocessableEntity,
	question.CodeNoData:          http.StatusUnprocessableEntity,
	question.CodePluginTrap:      http.StatusUnprocessableEntity,
	question.CodeTimeLimit:       http.StatusUnprocessableEntity,
	question.CodeFuelLimit:       http.StatusUnprocessableEntity,
	question.CodeDepthLimit:      http.StatusUnprocessableEntity,
	question.CodeLogLimit:        http.StatusUnprocessableEntity,
	question.CodeMemoryLimit:     http.StatusUnprocessableEntity,
	question.CodeResultTooLarge:  http.StatusUnprocessableEntity,
	question.CodeBadResult:       http.StatusUnprocessableEntity,
	question.CodeTooManyAttempts: http.StatusUnprocessableEntity,

	question.CodeBadPlugin: http.StatusInternalServerError, // no request can cause it
	question.CodeInternal:  http.StatusInternalServerError,
}

// retryAfter says when a 503 is worth another try, in seconds.
var retryAfter = map[question.Code]string{
	question.CodeQueueFull:        "1",
	question.CodeNotReady:         "1",
	question.CodeStoreUnavailable: "5",
	question.CodeQueueUnavailable: "5",
	question.CodeShuttingDown:     "10", // by then another process may have taken over
}

// errorBody is the JSON of an error.
type errorBody struct {
	Status string        `json:"status"` // "error"
	Code   question.Code `json:"code"`
	Reason string        `json:"reason"`
	Param  string        `json:"param,omitempty"`
	Hint   []string      `json:"hint"`
	JobID  string        `json:"job_id,omitempty"`
}

// concealed are the codes whose reasons only the log has: they may name paths,
// addresses, buckets, queues, accounts and key ids. A client gets the text here.
var concealed = map[question.Code]string{
	question.CodeStoreUnavailable: "the store cannot be reached or does not take this now",
	question.CodeQueueUnavailable: "the queue cannot be reached or does not take this now",
	question.CodeNotReady:         "a job would not be answered now",
	question.CodeInternal:         "something went wrong on our side",
}

// public returns what a client is told of an error. It is the one place that decides
// it, for errors of requests, of jobs and of plugins alike. An error that says why in
// its own words, but wraps one that is concealed, is concealed too.
func public(e *question.Error, requestID string) *question.Error {
	for cause := e; cause != nil; {
		if text, ok := concealed[cause.Code]; ok {
			text += "; the server's log says why"
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

// said is an error whose reason this package wrote for clients, whatever its code.
type said struct{ to *question.Error }

// Error is the code and the reason.
func (s said) Error() string { return s.to.Error() }

// Unwrap returns the error that a client is told.
func (s said) Unwrap() error { return s.to }

// internal is a defect of ours, or an error without a code.
func internal() *question.Error { return &question.Error{Code: question.CodeInternal} }

// Fail answers with an error as the handler does, for whoever stands before it: the
// X-Request-Id that w has already is the one that the answer names.
func Fail(w http.ResponseWriter, err error) {
	(&response{ResponseWriter: w, id: w.Header().Get("X-Request-Id")}).fail(err)
}

// fail answers with an error. The log gets all of it, the client what is public.
func (w *response) fail(err error) {
	w.err = err
	var e *question.Error
	if s, ok := errors.AsType[said](err); ok {
		e = s.to
	} else {
		if !errors.As(err, &e) { // a text that was not written for strangers
			e = internal()
		}
		e = public(e, w.id)
	}
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	after := retryAfter[e.Code]
	if w.probe {
		status, after = http.StatusServiceUnavailable, cmp.Or(after, "5")
	}
	if after != "" {
		w.Header().Set("Retry-After", after)
	}
	body := errorBody{"error", e.Code, e.Reason, e.Param, e.Hint, w.job}
	if body.Hint == nil {
		body.Hint = []string{}
	}
	w.sendJSON(status, marshal(body))
}

// marshal is json.Marshal for what cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // answered as internal
	}
	return b
}
