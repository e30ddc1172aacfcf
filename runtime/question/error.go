package question

import (
	"errors"
	"fmt"
)

// Code identifies a kind of error to programs. The set is closed, so clients may switch
// on it.
type Code string

// The codes, which Codes describes.
const (
	CodeMalformedJSON        Code = "malformed_json"
	CodeBadRequest           Code = "bad_request"
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeNotAcceptable        Code = "not_acceptable"
	CodeUnknownRoute         Code = "unknown_route"
	CodeUnknownDigest        Code = "unknown_digest"
	CodeURLTooLong           Code = "url_too_long"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeKeyRequired          Code = "key_required"
	CodeForbidden            Code = "forbidden"
	CodeRateLimited          Code = "rate_limited"
	CodeAnswerTooLarge       Code = "answer_too_large"

	CodeUnknownQuestion  Code = "unknown_question"
	CodeUnknownParameter Code = "unknown_parameter"
	CodeMissingParameter Code = "missing_parameter"
	CodeBadParameter     Code = "bad_parameter"
	CodeUnknownValue     Code = "unknown_value"

	CodeBadID            Code = "bad_id"
	CodeUnknownJob       Code = "unknown_job"
	CodeQueueFull        Code = "queue_full"
	CodeTooManyStreams   Code = "too_many_streams"
	CodeShuttingDown     Code = "shutting_down"
	CodeStoreUnavailable Code = "store_unavailable"
	CodeQueueUnavailable Code = "queue_unavailable"
	CodeNotReady         Code = "not_ready"
	CodeNotRetryable     Code = "not_retryable"
	CodeAlreadyFinal     Code = "already_final"
	CodeKeyReused        Code = "idempotency_key_reused"
	CodeKeyInUse         Code = "idempotency_key_in_use"

	CodeCancelled       Code = "cancelled"
	CodePluginError     Code = "plugin_error"
	CodeNoData          Code = "no_data"
	CodePluginTrap      Code = "plugin_trap"
	CodeTimeLimit       Code = "time_limit"
	CodeFuelLimit       Code = "fuel_limit"
	CodeDepthLimit      Code = "depth_limit"
	CodeLogLimit        Code = "log_limit"
	CodeMemoryLimit     Code = "memory_limit"
	CodeResultTooLarge  Code = "result_too_large"
	CodeBadResult       Code = "bad_result"
	CodeTooManyAttempts Code = "too_many_attempts"

	CodeBadPlugin     Code = "bad_plugin"
	CodeCommandFailed Code = "command_failed"
	CodeInternal      Code = "internal"
)

// CodeInfo describes a code.
type CodeInfo struct {
	Code   Code
	Status int // HTTP status of a response with this code
	// RetryAfter is the number of seconds after which the same request may succeed; 0 if
	// it will not.
	RetryAfter int
	// Concealed means that reasons may contain paths, addresses, buckets, queues, accounts
	// or key ids. Only the log gets them; clients get Text.
	Concealed bool
	Text      string // what the code means, as half a sentence
}

// Codes has all codes. It must not be modified.
var Codes = []CodeInfo{
	// A request that cannot be understood.
	{CodeMalformedJSON, 400, 0, false, "the body is not a JSON object"},
	{CodeBadRequest, 400, 0, false, "a query parameter or header is wrong"},
	{CodeBodyTooLarge, 413, 0, false, "the body is larger than the limit"},
	{CodeUnsupportedMediaType, 415, 0, false, "the Content-Type of the body is not JSON"},
	{CodeNotAcceptable, 406, 0, false, "no media type in Accept is available"},
	{CodeUnknownRoute, 404, 0, false, "there is nothing at this path"},
	{CodeUnknownDigest, 404, 0, false, "the dataset or the plugin that the query pins is not here"},
	{CodeURLTooLong, 414, 0, false, "the URL is longer than the limit; POST takes the same request as a body"},
	{CodeMethodNotAllowed, 405, 0, false, "the path does not take this method"},
	{CodeKeyRequired, 401, 0, false, "a page needs the key of the service, as the password with any user name"},
	{CodeForbidden, 403, 0, false, "the client may not do this, or this deployment does not offer it"},
	{CodeRateLimited, 429, 1, false, "the client's key has sent more requests than it may"},
	{CodeAnswerTooLarge, 413, 0, false, "the answer is larger than a cloud function can send"},

	// A request that cannot be asked.
	{CodeUnknownQuestion, 404, 0, false, "no plugin answers this question"},
	{CodeUnknownParameter, 400, 0, false, "the question takes no such parameter, or where names no dimension"},
	{CodeMissingParameter, 400, 0, false, "a parameter that is required was left out"},
	{CodeBadParameter, 400, 0, false, "a value is of the wrong type, empty or out of range"},
	{CodeUnknownValue, 400, 0, false, "a value does not occur in its column; hint has similar values"},

	// A job that cannot be found, accepted or changed.
	{CodeBadID, 400, 0, false, "the id is not a job id"},
	{CodeUnknownJob, 404, 0, false, "there is no such job, or its result is no longer kept"},
	{CodeQueueFull, 503, 1, false, "too many jobs wait"},
	{CodeTooManyStreams, 503, 5, false, "too many clients follow the events of jobs"},
	{CodeShuttingDown, 503, 10, false, "no new jobs are accepted"}, // another process may have taken over by then
	{CodeStoreUnavailable, 503, 5, true, "the store is unavailable or refused the request"},
	{CodeQueueUnavailable, 503, 5, true, "the job needs the queue, which is unavailable or refused it"},
	{CodeNotReady, 503, 1, true, "jobs cannot be answered yet"},
	{CodeNotRetryable, 409, 0, false, "only a failed or cancelled job can be asked again"},
	{CodeAlreadyFinal, 409, 0, false, "the job has ended already"},
	{CodeKeyReused, 422, 0, false, "the Idempotency-Key was sent before with another request"},
	{CodeKeyInUse, 409, 1, false, "the first request with this Idempotency-Key is still being accepted"},

	// A job that ended without a result. The request succeeded and the outcome is final;
	// clients would retry a 5xx, and monitoring would count it as an outage.
	{CodeCancelled, 410, 0, false, "the job was cancelled"},
	{CodePluginError, 422, 0, false, "the plugin said why it has no answer"},
	{CodeNoData, 422, 0, false, "the plugin found no row that it could use"},
	{CodePluginTrap, 422, 0, false, "the plugin crashed"},
	{CodeTimeLimit, 422, 0, false, "the job ran longer than allowed"},
	{CodeFuelLimit, 422, 0, false, "the job did more work than allowed"},
	{CodeDepthLimit, 422, 0, false, "the plugin nested calls deeper than allowed"},
	{CodeLogLimit, 422, 0, false, "the plugin wrote more to the log than allowed"},
	{CodeMemoryLimit, 422, 0, false, "the plugin wanted more memory than allowed"},
	{CodeResultTooLarge, 422, 0, false, "the result is larger than allowed"},
	{CodeBadResult, 422, 0, false, "the result violates the contract or the manifest"},
	{CodeTooManyAttempts, 422, 0, false, "the job was tried several times and never ended"},

	// A plugin that was refused when it was loaded, or that does not fit the dataset. No request is answered with this code.
	{CodeBadPlugin, 500, 0, false, "a plugin was refused, or does not fit the dataset; only /api/plugins has this code"},

	// An error of the command line. No request is answered with this code.
	{CodeCommandFailed, 500, 0, false, "a command is wrong or could not be carried out; only the command line has this code"},

	// A defect of this program.
	{CodeInternal, 500, 0, true, "a defect of the server"},
}

// Info describes c. An unknown code is treated like CodeInternal, but not concealed.
func (c Code) Info() CodeInfo {
	for i := range Codes {
		if Codes[i].Code == c {
			return Codes[i]
		}
	}
	return CodeInfo{Code: c, Status: 500}
}

// EndsJob reports whether c is the outcome of a job that ended without a result.
func (i *CodeInfo) EndsJob() bool {
	return i.Status == 410 || i.Status == 422 && i.Code != CodeKeyReused
}

// Error is an error with a code of the closed set and a reason for people, which names
// the field, its value and what is expected.
type Error struct {
	Code   Code     `json:"code"`
	Reason string   `json:"reason"`
	Param  string   `json:"param,omitempty"` // the parameter or field at fault
	Hint   []string `json:"hint,omitempty"`  // valid values, best first
	cause  error
}

// Errorf returns an *Error. The cause, for errors.Is, is what %w wraps.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Reason: err.Error(), cause: errors.Unwrap(err)}
}

// UnknownJob is the error of a job that is not there, or that the client may not see.
func UnknownJob(id string) *Error {
	return Errorf(CodeUnknownJob, "there is no job %s; it may have been removed after its time", id).WithParam("id")
}

// WithParam sets the parameter at fault and suggestions for its value, and returns e.
func (e *Error) WithParam(param string, hint ...string) *Error {
	e.Param, e.Hint = param, hint
	return e
}

// Suggest is WithParam with suggestions, best first, of which the reason names the first.
func (e *Error) Suggest(param string, similar []string) *Error {
	if len(similar) > 0 {
		e.Reason += fmt.Sprintf("; did you mean %q?", similar[0])
	}
	return e.WithParam(param, similar...)
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
