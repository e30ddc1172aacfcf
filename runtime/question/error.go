package question

import (
	"errors"
	"fmt"
)

// Code is what programs act on when something went wrong. The set is closed:
// clients may switch over it.
type Code string

// The codes. Those of a request come with an HTTP answer at once; those of a
// job are stored as its outcome.
const (
	// A request that cannot be understood.
	CodeMalformedJSON        Code = "malformed_json"
	CodeBadRequest           Code = "bad_request" // a query parameter or header of the request itself
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeNotAcceptable        Code = "not_acceptable"
	CodeUnknownRoute         Code = "unknown_route"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeForbidden            Code = "forbidden"
	CodeNotHere              Code = "not_here"         // the way in which this is deployed does not offer it
	CodeAnswerTooLarge       Code = "answer_too_large" // more than one answer can carry where this is deployed

	// A question that cannot be asked.
	CodeUnknownQuestion  Code = "unknown_question"
	CodeUnknownParameter Code = "unknown_parameter"
	CodeMissingParameter Code = "missing_parameter"
	CodeBadParameter     Code = "bad_parameter" // wrong type, empty, or out of range
	CodeUnknownValue     Code = "unknown_value" // not a value of the column

	// A job that cannot be found, accepted or changed.
	CodeBadID            Code = "bad_id"
	CodeUnknownJob       Code = "unknown_job"
	CodeQueueFull        Code = "queue_full"
	CodeShuttingDown     Code = "shutting_down"
	CodeStoreUnavailable Code = "store_unavailable"
	CodeQueueUnavailable Code = "queue_unavailable" // where jobs are handed over to other processes
	CodeNotReady         Code = "not_ready"         // a job would be accepted, but not answered yet
	CodeNotRetryable     Code = "not_retryable"     // only a failed or cancelled job can be retried
	CodeAlreadyFinal     Code = "already_final"     // a final job cannot be cancelled

	// A job that ended without a result.
	CodeCancelled       Code = "cancelled"
	CodePluginError     Code = "plugin_error"     // the plugin itself said why it has no answer
	CodeNoData          Code = "no_data"          // the plugin found no row that it could use
	CodePluginTrap      Code = "plugin_trap"      // unreachable, out of bounds, division by zero, exit, ...
	CodeTimeLimit       Code = "time_limit"       // ran longer than allowed
	CodeFuelLimit       Code = "fuel_limit"       // did more work than allowed
	CodeDepthLimit      Code = "depth_limit"      // nested its calls deeper than allowed
	CodeLogLimit        Code = "log_limit"        // wrote more to the log than allowed
	CodeMemoryLimit     Code = "memory_limit"     // wanted more memory than allowed
	CodeResultTooLarge  Code = "result_too_large" // answered with more than allowed
	CodeBadResult       Code = "bad_result"       // the answer breaks the contract or the manifest
	CodeTooManyAttempts Code = "too_many_attempts"

	// A plugin that is refused when it is loaded.
	CodeBadPlugin Code = "bad_plugin"

	// A defect of ours; the log says more.
	CodeInternal Code = "internal"
)

// Error is an error with a code of the closed set and a reason for a person:
// it names the field, the value and what would have been right.
type Error struct {
	Code   Code     `json:"code"`
	Reason string   `json:"reason"`
	Param  string   `json:"param,omitempty"` // the parameter or field it is about
	Hint   []string `json:"hint,omitempty"`  // values that would have been right, best first
	cause  error
}

// Errorf returns an *Error. The cause, for errors.Is, is what %w wraps.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: err.Error(), cause: errors.Unwrap(err)}
}

// About returns e with the parameter that it is about and what would have been
// right.
func (e *Error) About(param string, hint ...string) *Error {
	e.Param, e.Hint = param, hint
	return e
}

// Error is the code and the reason.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Reason }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// AsError returns err as an *Error: the one in its chain, or a new one with
// CodeInternal and err's text. nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Reason: err.Error(), cause: err}
}

// CodeOf returns the code of err: "" for nil, CodeInternal for an error
// without one.
func CodeOf(err error) Code {
	if e := AsError(err); e != nil {
		return e.Code
	}
	return ""
}
