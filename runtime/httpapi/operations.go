package httpapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// object is a JSON object.
type object = map[string]any

// operation is a method of a route as /openapi.json and /docs describe it.
type operation struct {
	ID, Method, Path, Group, Summary, Description string

	Params  []parameter
	Body    object // JSON schema; nil: no body
	Example any    // of the body
	Offer   *question.Offer
	Answers []answer
	Codes   []question.Code // that it may answer, beside those of every route
	Key     bool            // the admin key is needed, where there is one
	Probe   bool            // whatever is wrong is 503
}

type parameter struct {
	Name, In, Description string
	Schema                object
}

// answer is one that is no error.
type answer struct {
	Status      int
	Description string
	Content     object   // media type -> schema; nil: no body
	Headers     []string // of headerTexts
}

// headerTexts say what the headers of answers are.
var headerTexts = map[string]string{
	"Location":           "Where the result will be.",
	"Content-Location":   "Where the result stays.",
	"Retry-After":        "Seconds after which to ask again.",
	"ETag":               "Tells results apart: send it back as If-None-Match.",
	"Link":               "The next page, rel=\"next\".",
	"Preference-Applied": "The wait that was granted.",
	"Allow":              "The methods that the path takes.",
}

// everywhere are the codes that any route may answer with.
var everywhere = []question.Code{question.CodeInternal, question.CodeMethodNotAllowed}

var (
	// ended are the codes of a job that has ended without a result.
	ended = []question.Code{
		question.CodeCancelled, question.CodePluginError, question.CodeNoData, question.CodePluginTrap, question.CodeTimeLimit,
		question.CodeFuelLimit, question.CodeDepthLimit, question.CodeLogLimit, question.CodeMemoryLimit, question.CodeResultTooLarge, question.CodeBadResult, question.CodeTooManyAttempts,
	}
	forms = []question.Code{question.CodeBadRequest, question.CodeNotAcceptable, question.CodeAnswerTooLarge}
	store = []question.Code{question.CodeStoreUnavailable}
	// acceptance are those of a job that is not accepted.
	acceptance = []question.Code{question.CodeQueueFull, question.CodeShuttingDown, question.CodeNotReady, question.CodeQueueUnavailable}
	unread     = []question.Code{question.CodeMalformedJSON, question.CodeBodyTooLarge, question.CodeUnsupportedMediaType}
	unasked    = []question.Code{
		question.CodeUnknownQuestion, question.CodeUnknownParameter, question.CodeMissingParameter,
		question.CodeBadParameter, question.CodeUnknownValue,
	}
	ofAnID = []question.Code{question.CodeBadID, question.CodeUnknownJob}
)

var (
	waitParam = parameter{
		"wait", "query", "Seconds to wait for the job to end; longer waits are cut to what the server grants. The header Prefer: wait=N says the same.",
		object{"type": "integer", "minimum": 0},
	}
	formatParam = parameter{
		"format", "query", "The form of the result; without it, the header Accept decides.",
		object{"type": "string", "enum": []string{"json", "csv", "arrow"}},
	}
	layoutParam = parameter{
		"layout", "query", "Of JSON: seed is what the question declares, rows is an array with an object a row.",
		object{"type": "string", "enum": []string{"seed", "rows"}},
	}
	noteParam = parameter{
		"note", "query", "Of CSV, where the figures are synthetic: column says so in a last column of that name, true in each row; comment in a line before the header, which begins with #; none in the file's name and the headers only.",
		object{"type": "string", "enum": []string{"column", "comment", "none"}, "default": "column"},
	}
	idParam = parameter{"id", "path", "The job's id.", object{"type": "string", "format": "uuid"}}
)

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func jsonOf(schema object) object { return object{jsonType: schema} }

// operations describes every route: those of the questions that are served now,
// then the others.
func (a *api) operations() []operation {
	get, post := http.MethodGet, http.MethodPost
	accepted := answer{http.StatusAccepted, "The job is accepted, and outlives this process.", jsonOf(ref("running")), []string{"Location", "Retry-After", "Preference-Applied"}}
	elsewhere := answer{http.StatusSeeOther, "Of a cloud function: the result is larger than it can send, and is at Location for a while.",
		jsonOf(object{"type": "object", "required": []string{"status", "location"}, "properties": object{"status": object{"const": "done"}, "location": object{"type": "string"}}}), []string{"Location"}}
	resultParams := []parameter{waitParam, formatParam, layoutParam, noteParam}
	var ops []operation
	offers := a.cfg.Catalog.Offers()
	for i := range offers {
		o := &offers[i]
		q := o.Question
		ops = append(ops, operation{
			ID: "ask_" + q.Name, Method: post, Path: "/api/" + q.Name, Group: "Questions", Summary: q.Title, Description: q.Description,
			Params: resultParams, Body: a.bodySchema(q), Example: exampleBody(o.Example), Offer: o,
			Answers: []answer{
				{http.StatusOK, "The result, where the client waits for it and it comes in time.", resultContent(doneSchema(seedSchema(&q.Result)), doneSchema(rowsSchema(&q.Result))), []string{"Content-Location", "ETag", "Preference-Applied"}},
				accepted, elsewhere,
			},
			// It is an unknown route once nobody answers the question any more.
			Codes: slices.Concat(unread, forms, unasked, acceptance, store, ended, []question.Code{question.CodeUnknownRoute}),
		})
	}
	anything := object{"description": "In the layout of its question."}
	ops = append(ops,
		operation{
			ID: "get_result", Method: get, Path: "/api/get_results/{id}", Group: "Jobs", Summary: "The result of a job",
			Params: append([]parameter{idParam}, resultParams...),
			Answers: []answer{
				{http.StatusOK, "The result, or that the job still runs.", resultContent(
					object{"oneOf": []object{doneSchema(anything), ref("running")}},
					object{"oneOf": []object{doneSchema(object{"type": "array", "items": object{"type": "object"}}), ref("running")}},
				), []string{"ETag", "Retry-After", "Preference-Applied"}},
				{http.StatusAccepted, "CSV or Arrow was asked for, and the job still runs.", jsonOf(ref("running")), []string{"Retry-After"}},
				{http.StatusNotModified, "The result that the client has is the result.", nil, []string{"ETag"}},
				elsewhere,
			},
			Codes: slices.Concat(ofAnID, forms, store, ended),
		},
		operation{
			ID: "list_jobs", Method: get, Path: "/api/jobs", Group: "Jobs", Summary: "Jobs, newest first",
			Params: []parameter{
				{"limit", "query", "How many.", object{"type": "integer", "minimum": 1, "maximum": listMost, "default": listDefault}},
				{"before", "query", "Only jobs that are older than this one.", object{"type": "string"}},
				{"detail", "query", "1: with requests, times and errors, in \"jobs\".", object{"type": "string", "enum": []string{"0", "1"}}},
			},
			Answers: []answer{{http.StatusOK, "A page of jobs.", jsonOf(doneWith(object{
				"type": "array", "description": "Objects of one id and its status.", "items": object{"type": "object", "additionalProperties": object{"enum": []string{"running", "done", "failed", "cancelled"}}},
			}, object{"jobs": object{"type": "array", "items": ref("job")}, "next": object{"type": "string"}})), []string{"Link"}}},
			Codes: slices.Concat([]question.Code{question.CodeBadRequest, question.CodeBadID}, store),
		},
		operation{
			ID: "count_jobs", Method: get, Path: "/api/num_jobs", Group: "Jobs", Summary: "The number of jobs that have not ended",
			Answers: []answer{{http.StatusOK, "The number.", jsonOf(doneWith(object{"type": "integer", "minimum": 0}, nil)), nil}},
			Codes:   slices.Concat([]question.Code{question.CodeBadRequest}, store),
		},
		operation{
			ID: "cancel_job", Method: http.MethodDelete, Path: "/api/jobs/{id}", Group: "Jobs", Summary: "Cancel a job", Params: []parameter{idParam},
			Answers: []answer{{http.StatusOK, "Its status now.", jsonOf(doneWith(object{"type": "string"}, object{"job_id": object{"type": "string"}})), nil}},
			Codes:   slices.Concat([]question.Code{question.CodeBadRequest, question.CodeAlreadyFinal}, ofAnID, store),
		},
		operation{
			ID: "retry_job", Method: post, Path: "/api/jobs/{id}/retry", Group: "Jobs", Summary: "Ask again, in a new job, what a failed or cancelled one asked",
			Params: append([]parameter{idParam}, resultParams...),
			Answers: []answer{
				{http.StatusOK, "The result, where the client waits for it and it comes in time.", resultContent(doneSchema(anything), doneSchema(anything)), []string{"Content-Location", "ETag"}},
				accepted, elsewhere,
			},
			Codes: slices.Concat([]question.Code{question.CodeNotRetryable}, ofAnID, forms, unasked, acceptance, store, ended),
		},
	)
	status := jsonOf(object{"type": "object", "required": []string{"status"}, "properties": object{"status": object{"enum": []string{"running", "done"}}}})
	for _, method := range []string{get, post} {
		id := "graceful_shutdown"
		if method == post {
			id = "post_graceful_shutdown"
		}
		ops = append(ops, operation{
			ID: id, Method: method, Path: "/api/graceful_shutdown", Group: "Service", Summary: "Stop the intake and finish what was accepted", Key: true,
			Description: a.whoShutsDown() + " Ask again until it says done.",
			Answers:     []answer{{http.StatusOK, "running, until everything is done.", status, nil}},
			Codes:       []question.Code{question.CodeBadRequest, question.CodeNotHere},
		})
	}
	probe := jsonOf(object{"type": "object", "required": []string{"status", "version"}, "properties": object{"status": object{"type": "string"}, "version": object{"type": "string"}}})
	return append(ops,
		operation{
			ID: "list_questions", Method: get, Path: "/api/questions", Group: "Catalog", Summary: "The questions with their parameters, and an example of each",
			Answers: []answer{{http.StatusOK, "What can be asked now.", jsonOf(doneWith(
				object{"type": "array", "items": ref("offer")}, object{"dataset": ref("dataset")},
			)), nil}}, Codes: []question.Code{question.CodeBadRequest},
		},
		operation{
			ID: "list_plugins", Method: get, Path: "/api/plugins", Group: "Catalog", Summary: "The plugins that were found, and why one is refused",
			Answers: []answer{{http.StatusOK, "What became of each.", jsonOf(doneWith(object{"type": "array", "items": ref("plugin")}, nil)), nil}},
			Codes:   []question.Code{question.CodeBadRequest},
		},
		operation{
			ID: "openapi", Method: get, Path: "/openapi.json", Group: "Catalog", Summary: "This description, of what can be asked now",
			Answers: []answer{
				{http.StatusOK, "OpenAPI 3.1.", jsonOf(object{"type": "object"}), []string{"ETag"}},
				{http.StatusNotModified, "What the client has is still right.", nil, []string{"ETag"}},
			}, Codes: []question.Code{question.CodeBadRequest},
		},
		operation{
			ID: "docs", Method: get, Path: "/docs", Group: "Catalog", Summary: "The same for people",
			Answers: []answer{{http.StatusOK, "A page.", object{"text/html": object{"type": "string"}}, nil}}, Codes: []question.Code{question.CodeBadRequest},
		},
		operation{
			ID: "index", Method: get, Path: "/", Group: "Service", Summary: "What is here, as a page or, to a terminal, as text",
			Answers: []answer{{http.StatusOK, "A page or text.", object{"text/html": object{"type": "string"}, "text/plain": object{"type": "string"}}, nil}},
		},
		operation{
			ID: "health", Method: get, Path: "/healthz", Group: "Service", Summary: "Does the process answer?",
			Answers: []answer{{http.StatusOK, "It does.", probe, nil}},
		},
		operation{
			ID: "ready", Method: get, Path: "/readyz", Group: "Service", Summary: "Would a job be answered now?", Probe: true,
			Answers: []answer{{http.StatusOK, "It would.", probe, nil}}, Codes: slices.Concat(acceptance, store),
		},
	)
}

// whoShutsDown says who may ask for a graceful shutdown here.
func (a *api) whoShutsDown() string {
	switch {
	case a.cfg.NoShutdown != "":
		return "Not offered here: " + a.cfg.NoShutdown + "."
	case a.cfg.AdminKey != "":
		return "It needs the admin key."
	case a.cfg.LocalShutdown:
		return "Allowed to every client that connects from the machine itself, and not through a proxy."
	default:
		return "Off here: the server was started with neither an admin key nor --local-shutdown."
	}
}

// exampleBody is a body that asks for the example.
func exampleBody(req question.Request) object {
	body := object{}
	maps.Copy(body, req.Params)
	if len(req.Where) > 0 {
		body[question.WhereParam] = req.Where
	}
	return body
}

func resultContent(seed, rows object) object {
	return object{jsonType: seed, rowsType: rows, "text/csv": object{"type": "string"}, arrowType: object{}}
}

// doneWith is {"status":"done","data":...} and more.
func doneWith(data, more object) object {
	properties := object{"status": object{"const": "done"}, "data": data}
	maps.Copy(properties, more)
	return object{"type": "object", "required": []string{"status", "data"}, "properties": properties}
}

// doneSchema is what appendDone writes.
func doneSchema(data object) object {
	return doneWith(data, object{
		"job_id": object{"type": "string", "format": "uuid"}, "question": object{"type": "string"},
		"units":      object{"type": "object", "description": "Units of the columns that have one.", "additionalProperties": object{"type": "string"}},
		"provenance": ref("provenance"),
	})
}
