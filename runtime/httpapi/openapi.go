package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	htmltemplate "html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// openapi: GET /openapi.json. It is made of the catalog as it is at this moment,
// anew each time: that takes less than a client needs to read it.
func (a *api) openapi(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	body := marshal(a.document())
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.sendJSON(http.StatusOK, body)
	return nil
}

// document is an OpenAPI 3.1 description of the service.
func (a *api) document() object {
	paths := object{}
	for _, op := range a.operations() {
		item, _ := paths[op.Path].(object)
		if item == nil {
			item = object{}
			paths[op.Path] = item
		}
		if a.cfg.CheckHost || a.cfg.ClientKey != "" && !keyless(op.Path) {
			op.Codes = append(slices.Clip(op.Codes), question.CodeForbidden)
		}
		described := op.object()
		if keys := a.security(&op); keys != nil {
			described["security"] = keys
		}
		item[strings.ToLower(op.Method)] = described
	}
	schemas := fixedSchemas()
	maps.Copy(schemas, a.columnSchemas())
	info := object{
		"title": "Le Stats Sportifs", "version": a.cfg.Version,
		"summary": "Ask a question of a dataset; a sandboxed plugin answers it.",
		"description": "Every GET can be a HEAD. An error is always JSON with a code of a closed set: programs act on the code, people read the reason. " +
			"The questions, their parameters and the values that they take are those of this server now.\n\nDataset: " + a.cfg.Dataset.Title + ".",
	}
	if a.cfg.Dataset.Synthetic {
		info["description"] = info["description"].(string) + " Its figures are SYNTHETIC: generated, not real."
	}
	keys := object{}
	if a.cfg.AdminKey != "" {
		keys[adminKey] = object{"type": "http", "scheme": "bearer", "description": "The admin key that the server was started with."}
	}
	if a.cfg.ClientKey != "" {
		keys[clientKey] = object{"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key that clients were given."}
	}
	return object{
		"openapi": "3.1.0",
		"info":    info,
		"servers": []object{{"url": "/"}},
		"tags":    []object{{"name": "Questions"}, {"name": "Jobs"}, {"name": "Catalog"}, {"name": "Service"}},
		"paths":   paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": keys,
		},
	}
}

const clientKey, adminKey = "client_key", "admin_key"

// security is which keys the operation takes; nil: none, where no client has one.
func (a *api) security(op *operation) []object {
	keys := object{}
	if a.cfg.ClientKey != "" && !keyless(op.Path) {
		keys[clientKey] = []string{}
	}
	if op.Key && a.cfg.AdminKey != "" {
		keys[adminKey] = []string{}
	}
	switch {
	case len(keys) > 0:
		return []object{keys}
	case a.cfg.ClientKey != "":
		return []object{}
	default:
		return nil
	}
}

// object is the operation as OpenAPI writes it.
func (op *operation) object() object {
	out := object{"operationId": op.ID, "tags": []string{op.Group}, "summary": op.Summary}
	if op.Description != "" {
		out["description"] = op.Description
	}
	params := []object{}
	for _, p := range op.Params {
		params = append(params, object{"name": p.Name, "in": p.In, "required": p.In == "path", "description": p.Description, "schema": p.Schema})
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if op.Body != nil {
		out["requestBody"] = object{"required": true, "content": object{jsonType: object{"schema": op.Body, "example": op.Example}}}
	}
	responses := object{}
	for _, a := range op.Answers {
		r := object{"description": a.Description}
		if a.Content != nil {
			r["content"] = mediaTypes(a.Content)
		}
		headers := object{}
		for _, name := range a.Headers {
			headers[name] = header(name)
		}
		if len(headers) > 0 {
			r["headers"] = headers
		}
		responses[strconv.Itoa(a.Status)] = r
	}
	for status, codes := range op.errors() {
		responses[strconv.Itoa(status)] = errorResponse(status, codes)
	}
	out["responses"] = responses
	return out
}

func header(name string) object {
	return object{"description": headerTexts[name], "schema": object{"type": "string"}}
}

func mediaTypes(content object) object {
	out := object{}
	for mediaType, schema := range content {
		out[mediaType] = object{"schema": schema}
	}
	return out
}

// errors are the codes that the operation may answer with, by status.
func (op *operation) errors() map[int][]question.Code {
	out := map[int][]question.Code{}
	codes := slices.Concat(op.Codes, everywhere)
	if op.Key || op.Method != http.MethodGet { // a page of another site may not
		codes = append(codes, question.CodeForbidden)
	}
	for _, code := range codes {
		status := statuses[code]
		if op.Probe && code != question.CodeMethodNotAllowed {
			status = http.StatusServiceUnavailable
		}
		if !slices.Contains(out[status], code) {
			out[status] = append(out[status], code)
		}
	}
	return out
}

func errorResponse(status int, codes []question.Code) object {
	texts := make([]string, len(codes))
	examples := object{}
	for i, code := range codes {
		texts[i] = string(code)
		examples[string(code)] = object{"value": errorBody{"error", code, codeTexts[code], "", []string{}, ""}}
	}
	out := object{
		"description": http.StatusText(status) + ": " + strings.Join(texts, ", ") + ".",
		"content": object{jsonType: object{
			"schema":   object{"allOf": []object{ref("error"), {"properties": object{"code": object{"enum": texts}}}}},
			"examples": examples,
		}},
	}
	switch status {
	case http.StatusServiceUnavailable:
		out["headers"] = object{"Retry-After": header("Retry-After")}
	case http.StatusMethodNotAllowed:
		out["headers"] = object{"Allow": header("Allow")}
	}
	return out
}

// codeTexts say what a code means. Every code is here.
var codeTexts = map[question.Code]string{
	question.CodeMalformedJSON:        "the body is not a JSON object",
	question.CodeBadRequest:           "a query parameter or header is wrong",
	question.CodeBodyTooLarge:         "the body is larger than the limit",
	question.CodeUnsupportedMediaType: "the body is no JSON by its Content-Type",
	question.CodeNotAcceptable:        "no form of the result is in Accept",
	question.CodeUnknownRoute:         "there is nothing at this path",
	question.CodeMethodNotAllowed:     "the path does not take this method",
	question.CodeForbidden:            "the client may not do this",
	question.CodeNotHere:              "a cloud function does not offer this",
	question.CodeAnswerTooLarge:       "the answer is larger than a cloud function can send",
	question.CodeUnknownQuestion:      "no plugin answers this question",
	question.CodeUnknownParameter:     "the question takes no such parameter, or where names no dimension",
	question.CodeMissingParameter:     "a parameter that is required was left out",
	question.CodeBadParameter:         "a value is of the wrong type, empty or out of range",
	question.CodeUnknownValue:         "a value does not occur in its column; hint has what was perhaps meant",
	question.CodeBadID:                "the id is none",
	question.CodeUnknownJob:           "there is no such job, or its result is no longer kept",
	question.CodeQueueFull:            "too many jobs wait; ask again after Retry-After",
	question.CodeShuttingDown:         "no new jobs are accepted",
	question.CodeStoreUnavailable:     "the store does not answer",
	question.CodeQueueUnavailable:     "the job takes longer than a moment, and the queue that it would go to does not answer",
	question.CodeNotReady:             "a job would not be answered yet",
	question.CodeNotRetryable:         "only a failed or cancelled job can be asked again",
	question.CodeAlreadyFinal:         "the job has ended already",
	question.CodeCancelled:            "the job was cancelled",
	question.CodePluginError:          "the plugin said why it has no answer",
	question.CodeNoData:               "the plugin found no row that it could use",
	question.CodePluginTrap:           "the plugin broke down",
	question.CodeTimeLimit:            "the job ran longer than allowed",
	question.CodeFuelLimit:            "the job did more work than allowed",
	question.CodeDepthLimit:           "the plugin nested its calls deeper than allowed",
	question.CodeLogLimit:             "the plugin wrote more to the log than allowed",
	question.CodeMemoryLimit:          "the plugin wanted more memory than allowed",
	question.CodeResultTooLarge:       "the result is larger than allowed",
	question.CodeBadResult:            "the result breaks the contract or the manifest",
	question.CodeTooManyAttempts:      "the job was tried several times and never ended",
	question.CodeBadPlugin:            "a plugin was refused: only /api/plugins tells of it",
	question.CodeInternal:             "a defect of the server's; its log says more under the X-Request-Id",
}

// fixedSchemas are those that do not depend on the catalog.
func fixedSchemas() object {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	texts := object{"type": "array", "items": text}
	record := func(required []string, properties object) object {
		return object{"type": "object", "required": required, "properties": properties}
	}
	codes := make([]string, 0, len(statuses))
	for _, code := range slices.Sorted(maps.Keys(statuses)) {
		codes = append(codes, string(code))
	}
	reason := object{"code": object{"type": "string", "enum": codes}, "reason": text, "param": text, "hint": texts}
	full := maps.Clone(reason)
	maps.Copy(full, object{"status": object{"const": "error"}, "job_id": text})
	time := object{"type": "string", "format": "date-time"}
	request := record([]string{"question"}, object{"question": text, "params": object{"type": "object"}, "where": object{"type": "object"}})
	return object{
		"error":   record([]string{"status", "code", "reason", "hint"}, full),
		"running": record([]string{"status", "job_id"}, object{"status": object{"const": "running"}, "job_id": text, "retry_of": text}),
		"provenance": record([]string{"dataset", "dataset_digest", "synthetic", "plugin", "plugin_version", "plugin_digest", "rows_selected"}, object{
			"dataset": text, "dataset_digest": text, "synthetic": flag, "plugin": text, "plugin_version": text, "plugin_digest": text, "rows_selected": number,
		}),
		"job": record([]string{"id", "status", "request", "created", "attempts"}, object{
			"id": text, "status": object{"enum": []string{"queued", "running", "done", "failed", "cancelled"}}, "request": request,
			"created": time, "started": time, "finished": time, "attempts": number, "retry_of": text,
			"provenance": ref("provenance"), "error": record([]string{"code", "reason"}, reason),
		}),
		"dataset": record([]string{"name", "title", "synthetic", "digest", "rows"}, object{
			"name": text, "title": text, "source": text, "license": text, "synthetic": flag, "digest": text, "rows": number,
		}),
		"plugin": record([]string{"source", "size", "serving"}, object{
			"name": text, "version": text, "title": text, "source": text, "digest": text, "size": number, "serving": flag,
			"questions": texts, "error": record([]string{"code", "reason"}, reason),
		}),
		"offer": record([]string{"question", "plugin", "example"}, object{
			"question": record([]string{"name", "result"}, object{
				"name": text, "title": text, "description": text, "params": object{"type": "array", "items": object{"type": "object"}}, "result": object{"type": "object"},
			}), "plugin": text, "example": request,
		}),
	}
}

//go:embed docs.html.tmpl
var docsHTML string

//go:embed docs.css
var docsCSS string

var (
	htmlDocs   = htmltemplate.Must(htmltemplate.New("docs").Parse(docsHTML))
	docsPolicy = "default-src 'none'; style-src 'sha256-" + digest(docsCSS) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// docsPage is what the template shows.
type docsPage struct {
	Dataset question.DatasetInfo
	Version string
	Style   htmltemplate.CSS
	Groups  []docsGroup
	Where   []docsParam // the dimensions
	Codes   []docsCode
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	operation

	Asked   []docsParam // of the question
	Command string
	Result  string // an outline of the data
	Fails   []docsStatus
}

type docsParam struct {
	Name, Title, Description, Takes, Default string
	Required                                 bool
	Values                                   []string // all that there are, where they are few enough
}

type docsStatus struct {
	Status int
	Codes  []question.Code
}

type docsCode struct {
	Code   question.Code
	Status int
	Text   string
}

// docs: GET /docs. What /openapi.json says, as a page that needs no other server
// and no script.
func (a *api) docs(w *response, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	page := docsPage{Dataset: a.cfg.Dataset, Version: a.cfg.Version, Style: htmltemplate.CSS(docsCSS)} //nolint:gosec // ours
	for _, op := range a.operations() {
		i := slices.IndexFunc(page.Groups, func(g docsGroup) bool { return g.Name == op.Group })
		if i < 0 {
			i = len(page.Groups)
			page.Groups = append(page.Groups, docsGroup{Name: op.Group})
		}
		page.Groups[i].Operations = append(page.Groups[i].Operations, a.docsOperation(op, baseURL(r)))
	}
	if a.cfg.Schema != nil {
		columns := a.cfg.Schema.Columns()
		for i := range columns {
			if c := &columns[i]; c.Role == question.RoleDimension {
				page.Where = append(page.Where, docsParam{Name: c.Name, Title: c.Title, Takes: string(c.Type), Values: enumOf(columnSchema(c))})
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(statuses)) {
		page.Codes = append(page.Codes, docsCode{code, statuses[code], codeTexts[code]})
	}
	var b bytes.Buffer
	if err := htmlDocs.Execute(&b, page); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.send(http.StatusOK, "text/html; charset=utf-8", b.Bytes())
	return nil
}

func enumOf(schema object) []string {
	values, _ := schema["enum"].([]string)
	return values
}

func (a *api) docsOperation(op operation, base string) docsOperation {
	out := docsOperation{operation: op}
	byStatus := op.errors()
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		out.Fails = append(out.Fails, docsStatus{status, byStatus[status]})
	}
	if op.Offer == nil {
		return out
	}
	q := op.Offer.Question
	out.Command = Command(base, op.Offer.Example)
	out.Result = outline(seedSchema(&q.Result), &q.Result)
	for i := range q.Params {
		p := &q.Params[i]
		d := docsParam{Name: p.Name, Title: p.Title, Description: p.Description, Takes: string(p.Type), Required: p.Required}
		switch p.Type { //nolint:exhaustive // the others say it all by their name
		case question.ParamChoice:
			d.Takes, d.Values = "one of these", p.Choices
		case question.ParamColumn:
			d.Takes = "a value of " + p.Column
			if a.cfg.Schema != nil {
				if c, ok := a.cfg.Schema.Column(p.Column); ok {
					d.Takes = "a value of " + c.Name
					d.Values = enumOf(columnSchema(c))
				}
			}
		}
		if p.Min != nil {
			d.Takes += " from " + strconv.FormatFloat(*p.Min, 'g', -1, 64)
		}
		if p.Max != nil {
			d.Takes += " up to " + strconv.FormatFloat(*p.Max, 'g', -1, 64)
		}
		if p.List {
			d.Takes += ", or a list"
		}
		if p.Default != nil {
			b, err := json.Marshal(p.Default)
			if err == nil {
				d.Default = string(b)
			}
		}
		out.Asked = append(out.Asked, d)
	}
	return out
}

// outline says in a line what a result looks like.
func outline(schema object, r *question.Result) string {
	var names []string
	for _, c := range slices.Concat(r.Keys, r.Values) {
		name := c.Name
		if c.Unit != "" {
			name += " (" + c.Unit + ")"
		}
		names = append(names, name)
	}
	layout := r.Layout
	if layout == "" {
		layout = question.LayoutRows
	}
	text := string(layout) + " of " + strings.Join(names, ", ")
	if d, _ := schema["description"].(string); d != "" {
		text += ". " + d
	}
	return text
}
