package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

func TestEveryCodeHasAStatus(t *testing.T) {
	tested := map[question.Code]bool{}
	for status, codes := range map[int]string{
		400: "malformed_json bad_request unknown_parameter missing_parameter bad_parameter unknown_value bad_id",
		401: "key_required",
		403: "forbidden",
		404: "unknown_route unknown_question unknown_job unknown_digest",
		405: "method_not_allowed",
		406: "not_acceptable",
		409: "not_retryable already_final idempotency_key_in_use",
		410: "cancelled",
		413: "body_too_large answer_too_large",
		414: "url_too_long",
		415: "unsupported_media_type",
		422: "plugin_error no_data plugin_trap time_limit fuel_limit depth_limit log_limit memory_limit result_too_large bad_result too_many_attempts idempotency_key_reused",
		429: "rate_limited",
		500: "bad_plugin command_failed internal",
		503: "queue_full too_many_streams shutting_down store_unavailable queue_unavailable not_ready",
	} {
		for code := range strings.FieldsSeq(codes) {
			s := serve(t)
			s.jobs.err = question.Errorf(question.Code(code), "so it is")
			wantError(t, s.do("GET", "/api/get_results/"+id1, ""), status, question.Code(code))
			tested[question.Code(code)] = true
		}
	}
	for _, info := range question.Codes {
		if !tested[info.Code] {
			t.Errorf("add the status of %q", info.Code)
		}
	}
}

// jobRoutes are the routes that call Jobs.
var jobRoutes = []string{
	"POST /api/states_mean", "GET /api/get_results/" + id1, "GET /api/get_results/" + id1 + "?wait=1", "GET /api/jobs", "GET /api/num_jobs",
	"GET /api/jobs/" + id1 + "/events", "DELETE /api/jobs/" + id1, "POST /api/jobs/" + id1 + "/retry",
}

// Every route maps errors of Jobs to their status. Clients do not get texts that may
// reveal something about this machine, its store or its queue; the log does.
func TestEveryRouteReportsErrors(t *testing.T) {
	deep := question.Errorf(question.CodeStoreUnavailable, "the bucket secret at /secret/path: AKIASECRET")
	for _, tt := range []struct {
		err    error
		status int
		code   question.Code
	}{
		{fmt.Errorf("deep down: %w", deep), 503, question.CodeStoreUnavailable},
		{question.Errorf(question.CodeQueueUnavailable, "https://sqs/secret/path"), 503, question.CodeQueueUnavailable},
		{question.Errorf(question.CodeInternal, "the stored object /secret/path is damaged"), 500, question.CodeInternal},
		{question.Errorf(question.CodeBadPlugin, "it is there no more: %w", deep), 500, question.CodeBadPlugin},
		{question.Errorf(question.CodeNotReady, "/secret/path"), 503, question.CodeNotReady},
		{errors.New("open /secret/path"), 500, question.CodeInternal},
	} {
		for _, route := range jobRoutes {
			s := serve(t)
			s.jobs.err = tt.err
			method, target, _ := strings.Cut(route, " ")
			w := s.do(method, target, ask, "X-Request-Id: abc-1")
			wantError(t, w, tt.status, tt.code)
			if strings.Contains(strings.ToLower(w.Body.String()), "secret") || !strings.Contains(w.Body.String(), "abc-1") || !strings.Contains(s.log.String(), "/secret/path") {
				t.Errorf("%s, %v: %s\nlog: %s", route, tt.err, w.Body, s.log)
			}
		}
		s := serve(t, func(c *httpapi.Config) { c.Ready = func(context.Context) error { return tt.err } })
		w := s.do("GET", "/readyz", "", "X-Request-Id: abc-1")
		wantError(t, w, 503, tt.code)
		if strings.Contains(strings.ToLower(w.Body.String()), "secret") || !strings.Contains(w.Body.String(), "abc-1") || !strings.Contains(s.log.String(), "/secret/path") {
			t.Errorf("/readyz, %v: %s\nlog: %s", tt.err, w.Body, s.log)
		}

		// The same applies to the error of a job, and of a refused plugin.
		stored := question.AsError(tt.err)
		s = serve(t)
		id := s.finished(t, question.Job{Status: question.Failed, Error: stored})
		s.catalog.more = []question.PluginInfo{{Source: "s3://secret/secret-prefix/plugins/new.wasm", Error: stored}, {Source: "/secret/path/old\u202e\u200b.wasm", Serving: true}}
		for _, target := range []string{"/api/get_results/" + id, "/api/jobs?detail=1", "/api/plugins"} {
			w := s.do("GET", target, "")
			if strings.Contains(strings.ToLower(w.Body.String()), "secret") || !strings.Contains(w.Body.String(), `"code":"`+string(tt.code)+`"`) {
				t.Errorf("%s: %s", target, w.Body)
			}
		}
		if w := s.do("GET", "/api/plugins", ""); !strings.Contains(w.Body.String(), `"source":"new.wasm"`) || !strings.Contains(w.Body.String(), `"source":"old\\u202e\\u200b.wasm"`) {
			t.Errorf("%s", w.Body)
		}
	}
}

func TestBadRequests(t *testing.T) {
	const results = "/api/get_results/" + id1
	var mediaTypes, extensions []string
	for _, f := range render.Formats {
		if f.MediaType == "" {
			continue
		}
		if f.Layout == "" {
			f.MediaType, _, _ = strings.Cut(f.MediaType, ";")
		}
		mediaTypes = append(mediaTypes, f.MediaType)
		if !slices.Contains(extensions, f.Extension) {
			extensions = append(extensions, f.Extension)
		}
	}
	for _, tt := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		code                       question.Code
		param                      string
		hint                       []string
	}{
		{"no JSON", "POST", "/api/states_mean", "{", nil, 400, "malformed_json", "", nil},
		{"no body", "POST", "/api/states_mean", "", nil, 400, "malformed_json", "", nil},
		{"two values", "POST", "/api/states_mean", "{}{}", nil, 400, "malformed_json", "", nil},
		{"where is no object", "POST", "/api/states_mean", `{"where":1}`, nil, 400, "bad_parameter", "where", nil},
		{"a parameter is missing", "POST", "/api/states_mean", "{}", nil, 400, "missing_parameter", "question", []string{"obesity"}},
		{"a form", "POST", "/api/states_mean", ask, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "unsupported_media_type", "Content-Type", []string{"application/json"}},
		{"a broken type", "POST", "/api/states_mean", ask, []string{"Content-Type: application/json; ="}, 415, "unsupported_media_type", "Content-Type", []string{"application/json"}},
		{"packed", "POST", "/api/states_mean", ask, []string{"Content-Encoding: gzip"}, 415, "unsupported_media_type", "Content-Encoding", []string{"identity"}},
		{"too large", "POST", "/api/states_mean", `{"question":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "body_too_large", "", nil},
		{"unknown question", "POST", "/api/states_men", ask, nil, 404, "unknown_question", "", []string{"states_mean", "state_mean"}},
		{"unknown question and no body", "POST", "/api/states_men", "", nil, 404, "unknown_question", "", []string{"states_mean", "state_mean"}},
		{"unknown query", "POST", "/api/states_mean?wiat=1", ask, nil, 400, "bad_request", "wiat", []string{"wait"}},
		{"nothing to accept", "POST", "/api/states_mean?wait=1", ask, []string{"Accept: image/png"}, 406, "not_acceptable", "Accept", mediaTypes},
		{"nobody can wait so", "POST", "/api/states_mean?wait=1.5", ask, nil, 400, "bad_request", "wait", nil},
		{"unknown note", "POST", "/api/states_mean?format=csv&note=loud", ask, nil, 400, "bad_request", "note", []string{"column", "comment", "none"}},
		{"note of JSON", "POST", "/api/states_mean?note=none", ask, nil, 400, "bad_request", "note", nil},
		{"unknown format", "POST", "/api/states_mean?format=xls", ask, nil, 400, "bad_request", "format", extensions},
		{"a page of another site", "POST", "/api/states_mean", ask, []string{"Sec-Fetch-Site: cross-site"}, 403, "forbidden", "", nil},
		{"a page of another site, old browser", "POST", "/api/states_mean", ask, []string{"Origin: https://evil.example"}, 403, "forbidden", "", nil},

		{"bad id", "GET", "/api/get_results/1", "", nil, 400, "bad_id", "id", nil},
		{"bad id with a slash", "GET", "/api/get_results/..%2f..%2fetc", "", nil, 400, "bad_id", "id", nil},
		{"unknown id", "GET", "/api/get_results/01936ac2-5b00-7c3e-9a41-999999999999", "", nil, 404, "unknown_job", "id", nil},
		{"not acceptable", "GET", results, "", []string{"Accept: text/html, application/json;q=0"}, 406, "not_acceptable", "Accept", mediaTypes},
		{"wait", "GET", results + "?wait=-1", "", nil, 400, "bad_request", "wait", nil},
		{"wait in words", "GET", results + "?wait=", "", nil, 400, "bad_request", "wait", nil},
		{"wait twice", "GET", results + "?wait=1&wait=2", "", nil, 400, "bad_request", "wait", nil},
		{"layout", "GET", results + "?layout=map", "", nil, 400, "bad_request", "layout", []string{"original", "rows"}},
		{"layout of CSV", "GET", results + "?format=csv&layout=rows", "", nil, 400, "bad_request", "layout", nil},
		{"query", "GET", results + "?a=%zz", "", nil, 400, "bad_request", "", nil},
		{"limit", "GET", "/api/jobs?limit=0", "", nil, 400, "bad_request", "limit", nil},
		{"limit of too many", "GET", "/api/jobs?limit=1001", "", nil, 400, "bad_request", "limit", nil},
		{"detail", "GET", "/api/jobs?detail=yes", "", nil, 400, "bad_request", "detail", []string{"1", "0"}},
		{"unknown query of a list", "GET", "/api/jobs?limt=1", "", nil, 400, "bad_request", "limt", []string{"limit"}},
		{"query where there is none", "GET", "/api/num_jobs?x=1", "", nil, 400, "bad_request", "x", nil},
		{"questions", "GET", "/api/questions?x=1", "", nil, 400, "bad_request", "x", nil},
		{"plugins", "GET", "/api/plugins?x=1", "", nil, 400, "bad_request", "x", nil},
		{"cancel", "DELETE", "/api/jobs/" + id1 + "?x=1", "", nil, 400, "bad_request", "x", nil},
		{"retry", "POST", "/api/jobs/" + id1 + "/retry?x=1", "", nil, 400, "bad_request", "x", nil},
		{"shutdown", "POST", "/api/graceful_shutdown?x=1", "", nil, 400, "bad_request", "x", nil},

		{"unknown route", "GET", "/api/num_job", "", nil, 404, "unknown_route", "", []string{"/api/num_jobs"}},
		{"not even /api", "GET", "/metrics", "", nil, 404, "unknown_route", "", nil},
		{"a slash too many", "GET", "/api/plugins/", "", nil, 404, "unknown_route", "", []string{"/api/plugins"}},
		{"a question that is not there", "GET", "/api/states_men", "", nil, 404, "unknown_question", "", []string{"states_mean", "state_mean"}},
		{"results of nothing", "GET", "/api/get_results", "", nil, 404, "unknown_route", "", []string{"/api/get_results/{id}"}},
		{"asterisk", "GET", "*", "", nil, 404, "unknown_route", "", []string{"/"}},
		{"two slashes", "GET", "//api/jobs", "", nil, 404, "unknown_route", "", []string{"/api/jobs"}},
		{"two slashes of a question", "POST", "/api//states_mean", ask, nil, 404, "unknown_route", "", []string{"/api/states_mean"}},
		{"two slashes of a job", "GET", "/api//get_results/" + id1, "", nil, 404, "unknown_route", "", []string{results}},
		{"a slash after a job", "GET", results + "/", "", nil, 404, "unknown_route", "", []string{results}},
		{"a slash after a question", "POST", "/api/states_mean/", ask, nil, 404, "unknown_route", "", []string{"/api/states_mean"}},
		{"the folder itself", "GET", "/./api/./jobs", "", nil, 404, "unknown_route", "", []string{"/api/jobs"}},
		{"the folder above", "DELETE", "/api/x/../jobs/" + id1, "", nil, 404, "unknown_route", "", []string{"/api/jobs/" + id1}},
		{"above all", "GET", "/../../etc/passwd", "", nil, 404, "unknown_route", "", nil},
		{"only slashes", "GET", "//", "", nil, 404, "unknown_route", "", []string{"/"}},
		{"two slashes and nothing", "POST", "//api/states_men", ask, nil, 404, "unknown_route", "", []string{"/api/states_mean", "/api/state_mean"}},
		{"an escaped folder above", "GET", "/api/%2e%2e/jobs", "", nil, 404, "unknown_route", "", nil},
		{"an escaped slash", "GET", "/api%2fjobs", "", nil, 404, "unknown_route", "", nil},
		{"a long path", "GET", "//" + strings.Repeat("x/", 10000), "", nil, 404, "unknown_route", "", nil},
		{"a long path of a job", "GET", "//api/get_results/" + strings.Repeat("x", 10000), "", nil, 404, "unknown_route", "", nil},
		{"before nothing", "GET", "/api/jobs?before=", "", nil, 400, "bad_id", "id", nil},
		{"PUT of a question", "PUT", "/api/states_mean", "", nil, 405, "method_not_allowed", "", []string{"GET", "HEAD", "POST"}},
		{"POST of a question as CSV", "POST", "/api/states_mean.csv", ask, nil, 404, "unknown_question", "", []string{"states_mean"}},
		{"PUT of a question as CSV", "PUT", "/api/states_mean.csv", "", nil, 405, "method_not_allowed", "", []string{"GET", "HEAD"}},
		{"POST of a list", "POST", "/api/jobs", "", nil, 405, "method_not_allowed", "", []string{"GET", "HEAD"}},
		{"PUT of a job", "PUT", "/api/jobs/" + id1, "", nil, 405, "method_not_allowed", "", []string{"DELETE"}},
		{"HEAD of the shutdown", "HEAD", "/api/graceful_shutdown", "", nil, 405, "method_not_allowed", "", []string{"GET", "POST"}},
		{"POST of the index", "POST", "/", "", nil, 405, "method_not_allowed", "", []string{"GET", "HEAD"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			s.jobs.jobs = append(s.jobs.jobs, &question.Job{ID: id1, Status: question.Done, Result: statesMean()})
			w := s.do(tt.method, tt.target, tt.body, tt.headers...)
			if tt.method == "HEAD" {
				if w.Code != tt.status || w.Body.Len() > 0 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			} else {
				e := wantError(t, w, tt.status, tt.code)
				if e.Param != tt.param || len(e.Hint)+len(tt.hint) > 0 && !reflect.DeepEqual(e.Hint, tt.hint) {
					t.Errorf("param %q, hint %q; want %q, %q", e.Param, e.Hint, tt.param, tt.hint)
				}
			}
			allow := ""
			if tt.status == http.StatusMethodNotAllowed {
				allow = strings.Join(slices.Sorted(slices.Values(append(tt.hint, "OPTIONS"))), ", ")
			}
			if got := w.Header().Get("Allow"); got != allow {
				t.Errorf("Allow: %q, want %q", got, allow)
			}
			if w.Header().Get("Location") != "" {
				t.Errorf("Location: %s", w.Header().Get("Location"))
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := httpapi.Config{Catalog: newCatalog(), Jobs: newJobs(), Formats: render.Formats}
	if _, err := httpapi.New(good); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*httpapi.Config){
		"Catalog": func(c *httpapi.Config) { c.Catalog = nil },
		"Jobs":    func(c *httpapi.Config) { c.Jobs = nil },
		"Formats": func(c *httpapi.Config) { csv, _ := render.Find("csv"); c.Formats = []question.Format{*csv} },
		"-1":      func(c *httpapi.Config) { c.MaxBody = -1 },
		"1ns":     func(c *httpapi.Config) { c.MaxWait = 1 },
	} {
		bad := good
		change(&bad)
		if _, err := httpapi.New(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something about %q", err, want)
		}
	}
}

func TestPanic(t *testing.T) {
	s := serve(t)
	s.jobs.panics = "at the disco"
	w := s.do("POST", "/api/states_mean", ask, "X-Request-Id: r1")
	if e := wantError(t, w, 500, question.CodeInternal); !strings.Contains(e.Reason, "r1") {
		t.Errorf("%+v", e)
	}
	for _, want := range []string{"at the disco", "helpers_test.go", `"status":500`} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log has no %q: %s", want, s.log)
		}
	}
}

// Bytes that were sent cannot be taken back: net/http notices that the body is too short.
func TestPanicAfterTheStatus(t *testing.T) {
	s := serve(t)
	w := &breaks{httptest.NewRecorder()}
	s.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != http.StatusOK || w.Body.Len() > 0 || !strings.Contains(s.log.String(), "the cable is cut") {
		t.Errorf("%d %s\nlog: %s", w.Code, w.Body, s.log)
	}
}

type breaks struct{ *httptest.ResponseRecorder }

func (breaks) Write([]byte) (int, error) { panic("the cable is cut") }

func TestBodyBreaksOff(t *testing.T) {
	s := serve(t)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("POST", "/api/states_mean", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	wantError(t, w, http.StatusBadRequest, question.CodeBadRequest)
}

func TestAbortIsPassedOn(t *testing.T) {
	s := serve(t)
	s.jobs.panics = http.ErrAbortHandler
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("panicked with %v", err)
		}
		if strings.Contains(s.log.String(), "panicked") {
			t.Errorf("log: %s", s.log)
		}
	}()
	s.do("POST", "/api/states_mean", ask)
}

// TestNotAsThisFormat asks for a format that is not for such a result: a picture of a table
// of text. Clients see why, and which formats there are.
func TestNotAsThisFormat(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Formats = append(slices.Clone(c.Formats), question.Format{
			Name: "svg", MediaType: "image/svg+xml", Extension: "svg",
			Write: func(io.Writer, *question.Table, question.WriteOptions) error {
				return question.Errorf(question.CodeNotAcceptable, "there is no picture of this answer")
			},
		})
	})
	id := s.finished(t, done)
	w := s.do("GET", "/api/get_results/"+id+"?format=svg", "")
	if w.Code != http.StatusNotAcceptable || !strings.Contains(w.Body.String(), `"code":"not_acceptable","reason":"there is no picture of this answer","hint":["?layout=original",`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
