package httpapi

import (
	"maps"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// action answers a request with its parsed query, or returns an error without having
// written anything.
type action func(w *response, r *http.Request, q url.Values) error

// route is a method of a path: its handler, and its description for /openapi.json and
// /docs. The mux, both descriptions, the index, suggestions and Reserved are made from the
// table of routes. To add a route, add an entry to table.
type route struct {
	ID, Method, Path, Group, Summary, Description string

	serve action
	// each, for the route of the questions, returns its descriptions for one of them.
	each func(route, *question.ServedQuestion) []route

	Params   []parameter
	Body     object // JSON schema; nil: no body
	Example  any    // of the body
	Question *question.ServedQuestion
	Answers  []answer
	Codes    []question.Code // its error codes, in addition to those that codes adds
	Admin    bool            // it needs an admin key, if there is one
	Effect   bool            // a GET that changes something, and so has no HEAD
	page     *Page           // of Config.Pages
	Probe    bool            // it needs no key, and every failure is 503
	AnyQuery bool            // it ignores its query
}

type parameter struct {
	Name, In, Description string
	Schema                object
	Shared                bool // it is described once, and referred to
	Required              bool // in the query; those of the path are
	Example               any  // nil: none
	// Form: it is one of the parameters that choose the form of a result, of which
	// resultForms has the combinations.
	Form bool
}

// answer is a response that is not an error.
type answer struct {
	Status      int
	Description string
	Content     object   // media type -> schema; nil: no body
	Headers     []string // of headerTexts
}

// questionPath is the path of the questions.
const questionPath = "/api/{question}"

// maxHintLen bounds a hint that repeats a part of the request, in bytes.
const maxHintLen = 256

// object is a JSON object.
type object = map[string]any

var (
	unreadable = []question.Code{question.CodeMalformedJSON, question.CodeUnsupportedMediaType}
	invalid    = []question.Code{
		question.CodeUnknownQuestion, question.CodeUnknownParameter, question.CodeMissingParameter,
		question.CodeBadParameter, question.CodeUnknownValue,
	}
	notAccepted = []question.Code{question.CodeQueueFull, question.CodeShuttingDown, question.CodeNotReady, question.CodeQueueUnavailable, question.CodeStoreUnavailable}
	keyed       = []question.Code{question.CodeKeyReused, question.CodeKeyInUse}
	noJob       = []question.Code{question.CodeBadID, question.CodeUnknownJob, question.CodeStoreUnavailable}
	noResult    = append(endsJob(), question.CodeBadParameter, question.CodeNotAcceptable, question.CodeAnswerTooLarge) // a plugin may find a parameter wrong
)

// submitParams are the parameters of the routes that make a job.
var submitParams = []parameter{
	{
		Name: onceHeader, In: "header", Schema: object{"type": "string", "pattern": oncePattern},
		Description: "A key that the client chose, such as a UUID, for a request that it may repeat. For a day the same request with the same key gets the same job, and another request is refused. Also as a quoted string.",
	},
	{
		Name: "Prefer", In: "header", Schema: text,
		Description: "respond-async: a job and no result, as is the default; wait=N: wait N seconds for the result. RFC 7240.",
	},
}

// endsJob returns the codes of a job that ended without a result.
func endsJob() (codes []question.Code) {
	for i := range question.Codes {
		if info := &question.Codes[i]; info.EndsJob() {
			codes = append(codes, info.Code)
		}
	}
	return codes
}

// table returns all routes.
func (a *api) table() []route {
	get, post := http.MethodGet, http.MethodPost
	accepted := answer{http.StatusAccepted, "The job is accepted and survives a restart.", jsonOf(ref("running")), []string{"Location", "Retry-After", "Preference-Applied", replayHeader}}
	elsewhere := answer{http.StatusSeeOther, "From a cloud function: the result is larger than it can send; fetch it from Location soon.",
		jsonOf(record([]string{"status", "location"}, object{"status": object{"const": "done"}, "location": text})), []string{"Location"}}
	resultHeaders := slices.Clip([]string{"ETag", "Preference-Applied", "Content-Disposition", "Lestats-Dataset", "Lestats-Synthetic"})
	inTime := func(data map[string]object) answer {
		return answer{http.StatusOK, "The result, if the client waits and the job ends in time.", a.resultContent(data), append(resultHeaders, "Content-Location", replayHeader)}
	}
	anyData := map[string]object{"rows": listOf(object{"type": "object"})}
	valid := answer{http.StatusNotModified, "The client's copy is still valid.", nil, []string{"ETag"}}
	id := parameter{Name: "id", In: "path", Description: "The job's id.", Schema: jobID}
	shutdown := route{
		ID: "graceful_shutdown", Method: get, Path: "/api/graceful_shutdown", Group: "Service", Summary: "Stop accepting jobs and finish the accepted ones",
		Description: a.whoShutsDown() + " Repeat until the status is done.", serve: a.shutdown, Admin: true, Effect: true,
		Answers: []answer{{http.StatusOK, "running until all jobs have ended, then done.", jsonOf(record([]string{"status"}, object{"status": object{"enum": []string{"running", "done"}}})), nil}},
	}
	postShutdown := shutdown
	postShutdown.ID, postShutdown.Method = "post_graceful_shutdown", post
	probe := jsonOf(record([]string{"status", "version"}, object{"status": text, "version": text}))
	page := object{"text/html": text}
	return append([]route{
		{
			ID: "ask", Method: post, Path: questionPath, Group: "Questions", serve: a.submit, Params: append(a.resultParams(), submitParams...),
			each: func(r route, served *question.ServedQuestion) []route {
				q := served.Question
				r.ID, r.Path, r.Summary, r.Description = "ask_"+q.Name, "/api/"+q.Name, q.Title, q.Description
				r.Question, r.Body, r.Example = served, a.bodySchema(q), requestBody(served.Example)
				r.Answers = []answer{inTime(map[string]object{"original": originalSchema(&q.Result), "rows": rowsSchema(&q.Result)}), accepted, elsewhere}
				return []route{r}
			},
			// The route is unknown once the question is no longer served.
			Codes: slices.Concat(unreadable, invalid, notAccepted, noResult, keyed, []question.Code{question.CodeUnknownRoute}),
		},
		{
			ID: "get", Method: get, Path: questionPath, Group: "Questions", serve: a.get, AnyQuery: true,
			each: func(r route, served *question.ServedQuestion) []route { return a.describeGet(r, served, valid) },
			Codes: slices.Concat(invalid, noResult, []question.Code{
				question.CodeQueueFull, question.CodeShuttingDown, question.CodeBadRequest, question.CodeURLTooLong,
				question.CodeUnknownDigest, question.CodeUnknownRoute,
			}),
		},
		{
			ID: "get_result", Method: get, Path: "/api/get_results/{id}", Group: "Jobs", Summary: "The result of a job", serve: a.results,
			Params: append([]parameter{id}, a.resultParams()...),
			Answers: []answer{
				{http.StatusOK, "The result, or that the job is still running.", a.resultContent(anyData, ref("running")), append(resultHeaders, "Retry-After")},
				{http.StatusAccepted, "A format other than JSON was requested, and the job is still running.", jsonOf(ref("running")), []string{"Retry-After"}},
				valid, elsewhere,
			},
			Codes: slices.Concat(noJob, noResult),
		},
		{
			ID: "list_jobs", Method: get, Path: "/api/jobs", Group: "Jobs", Summary: "Jobs, newest first; ?detail=1 adds requests, times, receipts with the fuel, and errors", serve: a.list,
			Description: "Of a large store a page with a filter may have fewer jobs than limit, and a next one: what a page costs is bounded.",
			Params: []parameter{
				{Name: "limit", In: "query", Description: "The maximum number of jobs.", Schema: object{"type": "integer", "minimum": 1, "maximum": maxListLimit, "default": listDefault}},
				{Name: "before", In: "query", Description: "Only jobs that are older than the job with this id.", Schema: jobID},
				{Name: "status", In: "query", Description: "Only jobs with this status, which \"jobs\" shows. In \"data\" a queued job is running.", Schema: object{"type": "string", "enum": question.Statuses}},
				{Name: "question", In: "query", Description: "Only jobs that ask this question.", Schema: object{"type": "string", "pattern": question.NamePattern, "maxLength": question.MaxNameLen}},
				{Name: "since", In: "query", Description: "Only jobs that were accepted at this time or later.", Schema: object{"type": "string", "format": "date-time"}},
				{Name: "detail", In: "query", Description: "1 adds requests, times, receipts and errors, in \"jobs\".", Schema: object{"type": "string", "enum": []string{"0", "1"}}},
			},
			Answers: []answer{{http.StatusOK, "A page of jobs.", jsonOf(doneWith(object{
				"type": "array", "description": "Objects with one id and its status.", "items": object{"type": "object", "additionalProperties": object{"enum": []string{"running", "done", "failed", "cancelled"}}},
			}, object{"jobs": listOf(ref("job")), "next": text})), []string{"Link"}}},
			Codes: []question.Code{question.CodeBadID, question.CodeStoreUnavailable},
		},
		{
			ID: "count_jobs", Method: get, Path: "/api/num_jobs", Group: "Jobs", Summary: "The number of unfinished jobs", serve: a.count,
			Answers: []answer{{http.StatusOK, "The number.", jsonOf(doneWith(object{"type": "integer", "minimum": 0}, nil)), nil}},
			Codes:   []question.Code{question.CodeStoreUnavailable},
		},
		{
			ID: "cancel_job", Method: http.MethodDelete, Path: "/api/jobs/{id}", Group: "Jobs", Summary: "Cancel a job", serve: a.cancel, Params: []parameter{id},
			Answers: []answer{{http.StatusOK, "Its status now.", jsonOf(doneWith(text, object{"job_id": text})), nil}},
			Codes:   append(slices.Clone(noJob), question.CodeAlreadyFinal),
		},
		{
			ID: "follow_job", Method: get, Path: "/api/jobs/{id}/events", Group: "Jobs", Summary: "The states of a job as they come, as server-sent events", serve: a.events, Params: []parameter{id},
			Description: "Events: state (the job without its result), progress (every 10 s while it runs) and end (as state, and of a job that is done the location of its result). " +
				"A stream ends after the job, after 15 minutes, and when the server stops; from a cloud function, which cannot stream, after what is known now. " +
				"The header Last-Event-ID, which browsers send when they come again, leaves out the event that the client has.",
			Answers: []answer{
				{http.StatusOK, "A stream.", object{eventsType: eventSchema}, nil},
				{http.StatusNoContent, "The job has ended, and the client has that event.", nil, nil},
			},
			Codes: append(slices.Clone(noJob), question.CodeTooManyStreams),
		},
		{
			ID: "retry_job", Method: post, Path: "/api/jobs/{id}/retry", Group: "Jobs", Summary: "Submit the request of a failed or cancelled job again, as a new job", serve: a.retry,
			Params:  slices.Concat([]parameter{id}, a.resultParams(), submitParams),
			Answers: []answer{inTime(anyData), accepted, elsewhere},
			Codes:   slices.Concat(noJob, invalid, notAccepted, noResult, keyed, []question.Code{question.CodeNotRetryable}),
		},
		{
			ID: "list_questions", Method: get, Path: "/api/questions", Group: "Catalog", Summary: "The questions with their parameters, and an example of each", serve: a.questions,
			Answers: []answer{{http.StatusOK, "The questions that are served now.", jsonOf(doneWith(listOf(ref("served_question")), object{"dataset": ref("dataset")})), nil}},
		},
		{
			ID: "list_plugins", Method: get, Path: "/api/plugins", Group: "Catalog", Summary: "The plugins that were found, with the reasons for refusals", serve: a.plugins,
			Answers: []answer{{http.StatusOK, "All plugins.", jsonOf(doneWith(listOf(ref("plugin")), nil)), nil}},
		},
		{
			ID: "openapi", Method: get, Path: "/openapi.json", Group: "Catalog", Summary: "The reference for programs (OpenAPI 3.1)", serve: a.openapi,
			Answers: []answer{{http.StatusOK, "OpenAPI 3.1.", jsonOf(object{"type": "object"}), []string{"ETag"}}, valid},
		},
		{
			ID: "docs", Method: get, Path: "/docs", Group: "Catalog", Summary: "The reference: questions, parameters, values, errors", serve: a.docs, AnyQuery: true,
			Params:  []parameter{{Name: "try", In: "query", Description: "The operationId of a GET route: the client is sent there, with the route's parameters, which are given beside it. The page's forms do that.", Schema: text}},
			Answers: []answer{{http.StatusOK, "A page.", page, nil}, {http.StatusSeeOther, "With try.", nil, []string{"Location"}}},
			Codes:   []question.Code{question.CodeBadRequest},
		},
		shutdown, postShutdown,
		{
			ID: "index", Method: get, Path: "/", Group: "Service", Summary: "An overview, as a page or, for terminals, as text", serve: a.index, AnyQuery: true,
			Answers: []answer{{http.StatusOK, "A page or text.", object{"text/html": text, "text/plain": text}, nil}},
		},
		{
			ID: "health", Method: get, Path: "/healthz", Group: "Service", Summary: "Liveness: 200 while the process answers", serve: a.health, Probe: true, AnyQuery: true,
			Answers: []answer{{http.StatusOK, "The process answers.", probe, nil}},
		},
		{
			ID: "ready", Method: get, Path: "/readyz", Group: "Service", Summary: "Readiness: 200 when jobs would be answered", serve: a.ready, Probe: true, AnyQuery: true,
			Answers: []answer{{http.StatusOK, "A job would be answered now.", probe, nil}}, Codes: notAccepted,
		},
	}, slices.Concat(a.mounts(), a.pages())...)
}

// Reserved reports whether the API has a route of its own at /api/name, so that no
// question may have this name.
func Reserved(name string) bool { return reserved()[name] }

var reserved = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, r := range (&api{}).table() {
		if rest, ok := strings.CutPrefix(r.Path, "/api/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			names[name] = true
		}
	}
	return names
})

// register adds the routes of the table to the mux.
func (a *api) register() {
	a.routes = a.table()
	paths := map[string]*methods{}
	for i := range a.routes {
		r := &a.routes[i]
		m := paths[r.Path]
		if m == nil {
			m = &methods{a, map[string]*route{}}
			paths[r.Path] = m
			pattern := r.Path
			if pattern == "/" {
				pattern = "/{$}"
			}
			a.mux.Handle(pattern, m)
		}
		m.routes[r.Method] = r
		if r.Method == http.MethodGet && !r.Effect {
			m.routes[http.MethodHead] = r
		}
	}
	a.mux.Handle("/", &methods{api: a})
}

// methods serves one path. The mux matches paths only, because its own response to a
// wrong method does not have our error format.
type methods struct {
	*api

	routes map[string]*route // by method; nil if there is no such path
}

// ServeHTTP is called by the mux with the *response of api.ServeHTTP.
func (m *methods) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := rw.(*response)
	var err error
	to := m.routes[r.Method]
	for _, r := range m.routes {
		w.page = w.page || r.page != nil
	}
	if to == nil {
		err = m.other(w, r)
	} else if err = m.mayAsk(r); err == nil {
		err = to.answer(w, r, m.cfg.MaxBody)
	}
	if to != nil && err != nil {
		if name := asked(r); name != "" && !m.serves(name) { // then no request would be valid
			err = m.noQuestion(r, name)
		}
	}
	if err != nil {
		w.fail(err)
	}
}

// mayAsk refuses a request for a question that the client's key is not for, whether it would
// be answered from memory or not.
func (a *api) mayAsk(r *http.Request) error {
	if name := asked(r); name != "" {
		return question.OriginOf(r.Context()).Client.May(name)
	}
	return nil
}

// noQuestion is the error of a request for a question that is not served. A GET may have
// meant another route.
func (a *api) noQuestion(r *http.Request, name string) error {
	if unfit := question.FindUnfit(a.cfg.Catalog.Plugins(), name); unfit != nil {
		return unfit.Error()
	}
	if alone, _, ok := cutFormat(name); ok && a.serves(alone) {
		return question.Errorf(question.CodeUnknownQuestion, "there is no question %.100q; only GET takes a format after the question", name).WithParam("", alone)
	}
	err := question.UnknownQuestion(name, a.names())
	if r.Method != http.MethodPost && len(err.Hint) == 0 {
		return a.unknownRoute(r.URL)
	}
	return err
}

func (r *route) answer(w *response, req *http.Request, maxBody int64) error {
	if req.ContentLength > maxBody { // before net/http answers `Expect: 100-continue`, which reading the body does
		return tooLarge(maxBody)
	}
	w.probe = r.Probe
	var q url.Values
	if !r.AnyQuery {
		var err error
		if q, err = r.query(req); err != nil {
			return err
		}
	}
	return r.serve(w, req, q)
}

// query parses the query, in which each parameter of the route may occur once.
func (r *route) query(req *http.Request) (url.Values, error) {
	if req.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return nil, question.Errorf(question.CodeBadRequest, "the query string cannot be read: %w", err)
	}
	var known []string
	for _, p := range r.Params {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, name) {
			takes := "none"
			if len(known) > 0 {
				takes = strings.Join(known, ", ")
			}
			return nil, question.Errorf(question.CodeBadRequest, "there is no query parameter %.60q here; this route takes %s", name, takes).
				WithParam(name, question.Nearest(name, known)...)
		}
		if n := len(values[name]); n > 1 {
			return nil, question.Errorf(question.CodeBadRequest, "the query parameter %q is given %d times; give it once", name, n).WithParam(name)
		}
	}
	return values, nil
}

// other answers OPTIONS, and an unknown path or method with suggestions.
func (m *methods) other(w *response, r *http.Request) error {
	asksFirst := preflight(r) // its page can read what is wrong with the request that follows
	name, _, hasFormat := cutFormat(r.PathValue("question"))
	if m.routes == nil || name != "" && !m.serves(name) && !asksFirst {
		return m.unknownRoute(r.URL)
	}
	methods := slices.Sorted(maps.Keys(m.routes))
	if hasFormat { // POST takes the question alone
		methods = slices.DeleteFunc(methods, func(method string) bool { return method == http.MethodPost })
	}
	w.allow(methods)
	if r.Method == http.MethodOptions {
		if asksFirst {
			m.permit(w, methods)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return question.Errorf(question.CodeMethodNotAllowed, "%.100q takes %s, not %.20q",
		r.URL.Path, strings.Join(methods, " or "), r.Method).WithParam("", methods...)
}

// allow sets the header Allow: the methods, each once, and OPTIONS.
func (w *response) allow(methods []string) {
	methods = slices.Concat(methods, []string{http.MethodOptions})
	slices.Sort(methods)
	w.Header().Set("Allow", strings.Join(slices.Compact(methods), ", "))
}

// cleanPath returns an escaped path without empty segments, . and .., as the mux has it.
func cleanPath(escaped string) string {
	if !strings.HasPrefix(escaped, "/") {
		return "/" + escaped
	}
	clean := path.Clean(escaped)
	if strings.HasSuffix(escaped, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// unknownRoute is the error of a path at which there is nothing. Its hint is what the path
// would be without empty segments, ., .. and a slash at its end, or similar paths.
func (a *api) unknownRoute(u *url.URL) error {
	given, names := u.EscapedPath(), a.names()
	clean := path.Clean("/" + given)
	err := question.Errorf(question.CodeUnknownRoute, "there is nothing at %.100q; / lists the routes", u.Path)
	if _, pattern := a.mux.Handler(&http.Request{URL: &url.URL{Path: clean}}); clean != given && len(clean) <= maxHintLen && pattern != "/" &&
		(pattern != questionPath || slices.Contains(names, strings.TrimPrefix(clean, "/api/"))) {
		return err.WithParam("", clean)
	}
	var known []string
	for i := range a.routes {
		known = append(known, a.routes[i].Path)
	}
	for _, name := range names {
		known = append(known, "/api/"+name)
	}
	return err.WithParam("", question.Nearest(clean, known)...)
}

// names returns the names of the questions that are served.
func (a *api) names() []string {
	return question.ServedNames(a.cfg.Catalog.Served())
}

// serves reports whether a question is served.
func (a *api) serves(name string) bool { return slices.Contains(a.names(), name) }

// isProbe reports whether a path is that of a probe, which needs no key.
func (a *api) isProbe(path string) bool {
	return slices.ContainsFunc(a.routes, func(r route) bool { return r.Probe && r.Path == path })
}

// isAdmin reports whether a path is that of a route for the operator.
func (a *api) isAdmin(path string) bool {
	return slices.ContainsFunc(a.routes, func(r route) bool { return r.Admin && r.Path == path })
}

// codes returns the error codes of a route by status.
func (a *api) codes(r *route) map[int][]question.Code {
	codes := append(slices.Clone(r.Codes), question.CodeInternal, question.CodeMethodNotAllowed, question.CodeBodyTooLarge)
	if !r.AnyQuery {
		codes = append(codes, question.CodeBadRequest)
	}
	if r.Admin || r.Method != http.MethodGet || a.cfg.CheckHost || a.keyed() && !r.Probe {
		codes = append(codes, question.CodeForbidden) // a page of another site may only send GET
	}
	if r.Method == http.MethodGet && a.keyed() && !r.Probe {
		codes = append(codes, question.CodeKeyRequired)
	}
	if a.cfg.Keys != nil && !r.Probe {
		codes = append(codes, question.CodeRateLimited)
	}
	out := map[int][]question.Code{}
	for _, code := range codes {
		status := code.Info().Status
		if r.Probe && code != question.CodeMethodNotAllowed && code != question.CodeForbidden && code != question.CodeBodyTooLarge {
			status = http.StatusServiceUnavailable
		}
		if !slices.Contains(out[status], code) {
			out[status] = append(out[status], code)
		}
	}
	return out
}

// resultParams are the query parameters of the routes that answer with a result.
func (a *api) resultParams() []parameter {
	var names, layouts, titles, noted []string
	for _, f := range a.formats {
		if !slices.Contains(names, f.Extension) {
			names = append(names, f.Extension)
		}
		if f.Layout != "" {
			layouts = append(layouts, f.Layout)
			titles = append(titles, f.Layout+" is "+f.Title)
		}
		if f.Notes {
			noted = append(noted, f.Extension)
		}
	}
	return []parameter{
		{Name: "wait", In: "query", Description: "Seconds to wait for the job to end, cut to the longest wait that the server grants. The header Prefer: wait=N does the same.",
			Schema: object{"type": "integer", "minimum": 0, "maximum": math.MaxUint32}},
		{Name: "format", In: "query", Description: "The format of the result. Without it the header Accept decides.", Schema: object{"type": "string", "enum": names}, Form: true},
		{Name: "layout", In: "query", Description: "The layout of JSON: " + strings.Join(titles, ", ") + ".", Schema: object{"type": "string", "enum": layouts}, Form: true},
		{
			Name: "note", In: "query", Description: "How the file marks synthetic figures, with the format " + strings.Join(noted, " or ") + " only: column adds a last column \"synthetic\" that is true in each row, comment adds a first line that begins with #, none marks only the file name and the headers.",
			Schema: object{"type": "string", "enum": question.Notes, "default": question.NoteColumn}, Form: true,
		},
	}
}

// whoShutsDown says who may request a graceful shutdown here.
func (a *api) whoShutsDown() string {
	switch {
	case a.cfg.NoShutdown != "":
		return "Not offered here: " + a.cfg.NoShutdown + "."
	case a.cfg.AdminKey != "" || a.cfg.Keys != nil && !a.cfg.LocalShutdown:
		return "It needs an admin key."
	case a.cfg.LocalShutdown:
		return "Allowed to every client that connects from the machine itself and not through a proxy."
	default:
		return "Off here: the server was started with neither an admin key nor --local-shutdown."
	}
}
