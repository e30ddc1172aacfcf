package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

// schemaOf is a question.Schema of columns.
type schemaOf []question.Column

func (s schemaOf) Columns() []question.Column { return s }
func (s schemaOf) Column(name string) (*question.Column, bool) {
	i := slices.IndexFunc(s, func(c question.Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s[i], true
}

func testSchema() schemaOf {
	many := make([]string, 2000)
	for i := range many {
		many[i] = fmt.Sprintf("v%04d", i)
	}
	return schemaOf{
		{Name: "question", Type: question.String, Role: question.RoleDimension, Dict: []string{"", "Obesity", "Über </script>"}},
		{Name: "many", Type: question.String, Role: question.RoleDimension, Dict: many},
		{Name: "year", Title: "Year", Type: question.Integer, Role: question.RoleDimension},
		{Name: "value", Type: question.Number, Role: question.RoleMeasure},
	}
}

// everything has a question for each kind of parameter and result.
func everything(layout question.Layout) question.ServedQuestion {
	low, high := 1.0, 9.5
	name := "all_" + string(layout)
	number := question.ResultColumn{Name: "mean", Type: question.Number, Unit: "%"}
	result := question.Result{Layout: layout, Values: []question.ResultColumn{number}}
	if layout != question.LayoutRecord {
		result.Keys = []question.ResultColumn{{Name: "state", Type: question.String}, {Name: "sex", Type: question.String}}
	}
	if layout == question.LayoutMap {
		result.Values = append(result.Values, question.ResultColumn{Name: "n", Type: question.Integer, Title: "Rows"})
	}
	return question.ServedQuestion{Plugin: "p", Example: question.Request{Question: name, Params: map[string]any{"question": "Obesity"}}, Question: &question.Question{
		Name: name, Title: "All <i>", Description: "d", Result: result, Params: []question.Param{
			{Name: "question", Type: question.ParamColumn, Column: "question", Required: true, Title: "T", Description: "D"},
			{Name: "states", Type: question.ParamColumn, Column: "many", List: true},
			{Name: "kind", Type: question.ParamChoice, Choices: []string{"a", "b"}, Default: "a"},
			{Name: "n", Type: question.ParamInteger, Min: &low, Default: json.Number("3")},
			{Name: "x", Type: question.ParamNumber, Min: &low, Max: &high, List: true},
			{Name: "on", Type: question.ParamBoolean, Default: false},
		},
	}}
}

func fetch(t *testing.T, handler http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func documented(t *testing.T, catalog *fakeCatalog, schema question.Schema) http.Handler {
	t.Helper()
	handler, err := httpapi.New(httpapi.Config{
		Catalog: catalog, Jobs: newJobs(), Formats: render.Formats, Schema: schema, Version: "1.2.3",
		Dataset: question.DatasetInfo{Name: "d", Title: "D", Synthetic: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// valid checks a description against OpenAPI 3.1, and returns it.
func valid(t *testing.T, body []byte) (validator.Validator, map[string]any) {
	t.Helper()
	doc, err := libopenapi.NewDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, wrong := v.ValidateDocument(); !ok {
		for _, w := range wrong {
			t.Errorf("%s: %s", w.Message, w.Reason)
			for _, s := range w.SchemaValidationErrors {
				t.Errorf("  %s at %s", s.Reason, s.KeywordLocation)
			}
		}
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatal(err)
	}
	return v, out
}

func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for i, key := range path {
		m, ok := v.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("there is nothing at %q: %v", path[:i+1], v)
		}
		v = m[key]
	}
	return v
}

func TestOpenAPI(t *testing.T) {
	catalog := newCatalog()
	for _, layout := range []question.Layout{question.LayoutRows, question.LayoutMap, question.LayoutNested, question.LayoutRecord} {
		catalog.offers = append(catalog.offers, everything(layout))
	}
	handler := documented(t, catalog, testSchema())
	w := fetch(t, handler, "/openapi.json")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	_, doc := valid(t, w.Body.Bytes())
	if v := at(t, doc, "openapi"); v != "3.1.0" {
		t.Error(v)
	}
	schemas := at(t, doc, "components", "schemas")
	if got := fmt.Sprint(at(t, schemas, "column.question", "enum")); got != "[Obesity Über </script>]" {
		t.Errorf("the dictionary is %s", got)
	}
	if m := at(t, schemas, "column.many").(map[string]any); m["enum"] != nil || len(m["examples"].([]any)) == 0 {
		t.Errorf("a large dictionary: %v", m)
	}
	// Integers have 64 bits, but those of conditions must be exact as float64, and the bounds
	// of a range may have a fraction.
	if got := at(t, schemas, "column.year", "maximum"); got != float64(1<<63-1) {
		t.Errorf("an integer column is at most %v", got)
	}
	year := at(t, schemas, "where", "properties", "year", "anyOf").([]any)
	if got := at(t, year[0], "exclusiveMaximum"); got != float64(1<<53) {
		t.Errorf("an integer of a condition is below %v", got)
	}
	if got := at(t, year[2], "properties", "min"); fmt.Sprint(got) != "map[exclusiveMaximum:9.007199254740992e+15 exclusiveMinimum:-9.007199254740992e+15 type:number]" {
		t.Errorf("a bound is %v", got)
	}
	if at(t, schemas, "where", "properties").(map[string]any)["value"] != nil {
		t.Error("a measure is no dimension")
	}
	body := at(t, doc, "paths", "/api/all_rows", "post", "requestBody", "content", "application/json")
	if got := fmt.Sprint(at(t, body, "schema", "required")); got != "[question]" {
		t.Error(got)
	}
	if got := at(t, body, "schema", "properties", "n", "default"); got != 3.0 {
		t.Errorf("the default is %v", got)
	}
	if got := fmt.Sprint(at(t, body, "example")); got != "map[question:Obesity]" {
		t.Error(got)
	}

	rows := at(t, doc, "paths", "/api/get_results/{id}", "get", "responses", "200", "content", "application/json; layout=rows", "schema", "oneOf")
	if got := at(t, rows.([]any)[0], "properties", "data", "type"); got != "array" {
		t.Errorf("the rows of any question are of type %v", got)
	}
	again := at(t, doc, "paths", "/api/jobs/{id}/retry", "post", "responses", "200", "content", "application/json; layout=rows", "schema")
	if got := at(t, again, "properties", "data", "type"); got != "array" {
		t.Errorf("the rows of a retried job are of type %v", got)
	}

	// format, layout and note are one parameter, which lists the combinations that exist.
	forms := map[string]string{}
	for _, p := range at(t, doc, "paths", "/api/all_rows", "post", "parameters").([]any) {
		if at(t, p, "name") != "form" {
			continue
		}
		for _, choice := range at(t, p, "schema", "anyOf").([]any) {
			names := slices.Sorted(maps.Keys(at(t, choice, "properties").(map[string]any)))
			forms[fmt.Sprint(at(t, choice, "properties", "format", "enum"))] = fmt.Sprint(names, choice.(map[string]any)["required"])
		}
	}
	if want := map[string]string{"[json]": "[format layout] <nil>", "[csv]": "[format note] [format]", "[arrow]": "[format] [format]"}; !maps.Equal(forms, want) {
		t.Errorf("%q", forms)
	}
	// Each schema is used, as linters want.
	text := w.Body.String()
	for name := range schemas.(map[string]any) {
		if !strings.Contains(text, `"#/components/schemas/`+name+`"`) {
			t.Errorf("the schema %s is unused", name)
		}
	}

	// The description follows the catalog at once.
	tag := w.Header().Get("ETag")
	if again := fetch(t, handler, "/openapi.json", "If-None-Match", tag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	catalog.offers = catalog.offers[:1]
	if later := fetch(t, handler, "/openapi.json", "If-None-Match", tag); later.Code != http.StatusOK || strings.Contains(later.Body.String(), "all_rows") {
		t.Errorf("%d %s", later.Code, later.Body)
	}
}

// It is also valid without plugins, without a dataset, and with one value that is too long.
func TestOpenAPIOfNothing(t *testing.T) {
	long := schemaOf{{Name: "long", Type: question.String, Dict: []string{strings.Repeat("x", 70<<10)}}}
	valid(t, fetch(t, documented(t, newCatalog(), long), "/openapi.json").Body.Bytes())
	valid(t, fetch(t, documented(t, &fakeCatalog{}, nil), "/openapi.json").Body.Bytes())
	valid(t, fetch(t, documented(t, newCatalog(), schemaOf{}), "/openapi.json").Body.Bytes())
	valid(t, fetch(t, documented(t, &fakeCatalog{offers: []question.ServedQuestion{everything(question.LayoutMap)}}, nil), "/openapi.json").Body.Bytes())
}

// Exactly the routes and methods that exist are described, and each code at its status.
func TestOpenAPIIsComplete(t *testing.T) {
	catalog := newCatalog()
	handler, err := httpapi.New(httpapi.Config{Catalog: catalog, Jobs: newJobs(), Formats: render.Formats, Schema: testSchema(), Keys: fakeKeys{"k": {}}})
	if err != nil {
		t.Fatal(err)
	}
	_, doc := valid(t, fetch(t, handler, "/openapi.json", "X-Api-Key", "k").Body.Bytes())
	described := map[string]bool{}
	codes := map[string]string{}
	for path, item := range at(t, doc, "paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			described[strings.ToUpper(method)+" "+path] = true
			for status, r := range at(t, op, "responses").(map[string]any) {
				if ref, ok := r.(map[string]any)["$ref"].(string); ok {
					r = at(t, doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
				}
				content, _ := r.(map[string]any)["content"].(map[string]any)
				asJSON, _ := content["application/json"].(map[string]any)
				examples, _ := asJSON["examples"].(map[string]any)
				for code := range examples {
					if path != "/readyz" && path != "/healthz" { // whose failures are all 503
						codes[code] = status
					}
				}
			}
		}
	}
	routed := map[string]bool{}
	for _, route := range httpapi.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if path != "/api/{question}" {
			routed[route] = true
			continue
		}
		for _, o := range catalog.offers {
			routed[method+" /api/"+o.Question.Name] = true
			if method == "GET" {
				routed[method+" /api/"+o.Question.Name+".{format}"] = true
			}
		}
	}
	if !maps.Equal(described, routed) {
		t.Errorf("described:\n%q\nserved:\n%q", slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(routed)))
	}
	for _, info := range question.Codes {
		code, want := info.Code, fmt.Sprint(info.Status)
		if code == question.CodeBadPlugin || code == question.CodeCommandFailed {
			want = "" // no request is answered so
		}
		if got := codes[string(code)]; got != want {
			t.Errorf("%s is described with the status %q; want %q", code, got, want)
		}
	}
}

func TestDocs(t *testing.T) {
	catalog := newCatalog()
	catalog.offers = append(catalog.offers, everything(question.LayoutNested))
	w := fetch(t, documented(t, catalog, testSchema()), "/docs")
	page := w.Body.String()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	for _, want := range []string{
		"/api/all_nested", "All &lt;i&gt;", "Über &lt;/script&gt;", "unknown_value", "DELETE", `id="where"`, "nested of state, sex, mean (%)", "curl -s",
		"from 1 up to 9.5, or a list",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	for _, never := range []string{"<script", "src=", "//cdn", "@import", "url(", "ZgotmplZ", "<i>"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
	contents, _, _ := strings.Cut(page, "</nav>") // has each question once, whatever the number of its routes
	if strings.Count(contents, ">all_nested</a>") != 1 || strings.Count(page, "> <code>/api/all_nested") != 3 {
		t.Errorf("the contents are %s", contents)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("the id %s is a duplicate", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("there is nothing at #%s", m[1])
		}
	}
	if w := fetch(t, documented(t, catalog, nil), "/docs?x=1"); w.Code != http.StatusBadRequest {
		t.Error(w.Code)
	}
}

func BenchmarkOpenAPI(b *testing.B) {
	catalog := &fakeCatalog{}
	for range 9 {
		catalog.offers = append(catalog.offers, everything(question.LayoutMap))
	}
	handler, err := httpapi.New(httpapi.Config{Catalog: catalog, Jobs: newJobs(), Formats: render.Formats, Schema: testSchema()})
	if err != nil {
		b.Fatal(err)
	}
	var w *httptest.ResponseRecorder
	for b.Loop() {
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/openapi.json", nil))
	}
	b.SetBytes(int64(w.Body.Len()))
	var got struct{ Paths map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusOK || err != nil || got.Paths["/api/all_map"] == nil {
		b.Fatalf("%d, %v: %.200s", w.Code, err, w.Body)
	}
}

func TestReserved(t *testing.T) {
	for _, name := range []string{"get_results", "jobs", "num_jobs", "graceful_shutdown", "questions", "plugins"} {
		if !httpapi.Reserved(name) {
			t.Errorf("a question may have the name %s", name)
		}
	}
	for _, name := range []string{"", "states_mean", "docs", "healthz"} {
		if httpapi.Reserved(name) {
			t.Errorf("no question may have the name %q", name)
		}
	}
}

// The forms of /docs send a client to the route that they name, and nowhere else.
func TestDocsTry(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.BasePath = "/stats" })
	for query, want := range map[string]string{
		"try=list_jobs&limit=5&before=":                    "/stats/api/jobs?limit=5",
		"try=get_result&id=a%2Fb&wait=&format=csv&layout=": "/stats/api/get_results/a%2Fb?format=csv",
		"try=get_result&id=%2F%2Fevil.example&other=1":     "/stats/api/get_results/%2F%2Fevil.example",
		"try=list_questions&try=get_result":                "/stats/api/questions",
		"try=get_result":                                   "",
		"try=get_result&id=..":                             "",
		"try=cancel_job&id=x":                              "",
		"try=graceful_shutdown":                            "",
		"try=":                                             "",
		"try=//evil.example":                               "",
		"x=1":                                              "",
		"try=list_jobs&limit=%zz":                          "",
	} {
		w := s.do("GET", "/docs?"+query, "")
		if got := w.Header().Get("Location"); want == "" {
			wantError(t, w, 400, question.CodeBadRequest)
		} else if w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%s: %d %s, want %s", query, w.Code, got, want)
		}
	}
	if page := s.do("GET", "/docs", "").Body.String(); !strings.Contains(page, `<form method="get" action="/stats/docs"><input type="hidden" name="try" value="get_result">`) || strings.Contains(page, `name="try" value="graceful_shutdown"`) {
		t.Error("the page's forms are not those that can be tried")
	}
}
