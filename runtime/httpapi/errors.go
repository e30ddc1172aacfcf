package httpapi

import (
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

// internal is what a client is told of a defect: the log knows the rest.
func internal(requestID string) *question.Error {
	return question.Errorf(question.CodeInternal, "something went wrong on our side; the log says more under the request id %s", requestID)
}

// Fail answers with an error as the handler does, for whoever stands before it.
func Fail(w http.ResponseWriter, err error) { (&response{ResponseWriter: w}).fail(err) }

// fail answers with an error.
func (w *response) fail(err error) {
	w.err = err
	var e *question.Error
	if !errors.As(err, &e) { // a text that was not written for strangers
		e = internal(w.id)
	}
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	if after := retryAfter[e.Code]; after != "" {
		w.Header().Set("Retry-After", after)
	}
	if w.probe {
		status = http.StatusServiceUnavailable
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
