package httpapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// openapi: GET /openapi.json. It is generated from the current catalog for each request,
// which is faster than reading it.
func (a *api) openapi(w *response, r *http.Request, _ url.Values) error {
	body := marshal(a.document(cmp.Or(a.under(r.Header), "/")))
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.sendJSON(http.StatusOK, body)
	return nil
}

// described returns the routes, with that of the questions once for each question, and
// without those that a form of a page sends to: programs have others for the same.
func (a *api) described() (all []route) {
	for _, r := range a.routes {
		if r.page != nil && r.Method != http.MethodGet {
			continue
		}
		if r.each == nil {
			all = append(all, r)
			continue
		}
		served := a.cfg.Catalog.Served()
		for i := range served {
			all = append(all, r.each(r, &served[i])...)
		}
	}
	return all
}

// document returns the OpenAPI 3.1 description of the service, whose paths begin with
// under.
func (a *api) document(under string) object {
	paths := object{}
	failures := &responses{names: map[string]string{}, all: object{}}
	for _, r := range a.described() {
		item, _ := paths[r.Path].(object)
		if item == nil {
			item = object{}
			paths[r.Path] = item
		}
		item[strings.ToLower(r.Method)] = a.operation(&r, failures)
	}
	schemas := fixedSchemas()
	maps.Copy(schemas, a.columnSchemas())
	info := object{
		"title": "Le Stats Sportifs", "version": a.cfg.Version,
		"summary": "Ask a question of a dataset; a sandboxed plugin answers it.",
		"license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		"description": "Every GET route also takes HEAD, and every route OPTIONS. An error is always JSON with a code of a closed set: programs act on the code, people read the reason. " +
			"With Accept: application/json, application/problem+json, errors are in the form of RFC 9457. " +
			"The questions, their parameters and values are the current ones of this server.\n\nDataset: " + a.cfg.Dataset.Title + ".",
	}
	if a.cfg.Dataset.Synthetic {
		info["description"] = info["description"].(string) + " Its figures are SYNTHETIC: generated, not real."
	}
	shared := object{}
	for _, p := range a.conditionParams() {
		shared[p.Name] = p.object()
	}
	keys := object{}
	if a.cfg.AdminKey != "" {
		keys[adminKey] = object{"type": "http", "scheme": "bearer", "description": "The admin key that the server was started with."}
	}
	if a.keyed() {
		keys[clientKey] = object{"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The key that clients were given."}
	}
	return object{
		"openapi":  "3.1.0",
		"info":     info,
		"servers":  []object{{"url": under}},
		"security": a.security(&route{}),
		"tags": []object{
			{"name": "Questions", "description": "Ask a question of the dataset."},
			{"name": "Jobs", "description": "Each asked question is a job with an id, a status and a result."},
			{"name": "Catalog", "description": "What can be asked."},
			{"name": "Service", "description": "The server itself."},
		},
		"paths": paths,
		"components": object{
			"schemas":         schemas,
			"parameters":      shared,
			"responses":       failures.all,
			"securitySchemes": keys,
		},
	}
}

const clientKey, adminKey = "client_key", "admin_key"

// security returns the keys of which a route needs one.
func (a *api) security(r *route) []object {
	keys := []object{}
	if a.cfg.AdminKey != "" && r.Admin {
		keys = append(keys, object{adminKey: []string{}})
	}
	if a.keyed() && !r.Probe && (!r.Admin || a.cfg.Keys != nil || a.cfg.AdminKey == "") {
		keys = append(keys, object{clientKey: []string{}})
	}
	return keys
}

// operation returns the description of a route in the form of OpenAPI.
func (a *api) operation(r *route, failures *responses) object {
	out := object{"operationId": r.ID, "tags": []string{r.Group}, "summary": r.Summary}
	if r.Description != "" {
		out["description"] = r.Description
	}
	if r.Probe || r.Admin {
		out["security"] = a.security(r)
	}
	params := []object{}
	form := false
	for _, p := range r.Params {
		if p.Form {
			form = true
			continue
		}
		if p.Shared {
			params = append(params, object{"$ref": "#/components/parameters/" + p.Name})
			continue
		}
		params = append(params, p.object())
	}
	if form {
		params = append(params, a.resultForms(r.Params))
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if r.Body != nil {
		out["requestBody"] = object{"required": true, "content": object{jsonType: object{"schema": r.Body, "example": r.Example}}}
	}
	described := object{}
	for _, a := range r.Answers {
		one := object{"description": a.Description}
		if a.Content != nil {
			one["content"] = mediaTypes(a.Content)
		}
		headers := object{}
		for _, name := range a.Headers {
			headers[name] = header(name)
		}
		if len(headers) > 0 {
			one["headers"] = headers
		}
		described[strconv.Itoa(a.Status)] = one
	}
	for status, codes := range a.codes(r) {
		described[strconv.Itoa(status)] = failures.ref(status, codes, r.page != nil)
	}
	out["responses"] = described
	return out
}

// object returns the description of a parameter in the form of OpenAPI.
func (p *parameter) object() object {
	out := object{"name": p.Name, "in": p.In, "required": p.In == "path" || p.Required, "schema": p.Schema}
	if p.Description != "" {
		out["description"] = p.Description
	}
	if p.Example != nil {
		out["example"] = p.Example
	}
	return out
}

// headerTexts describes the response headers.
var headerTexts = map[string]string{
	"Location":           "Where the result will be.",
	"Content-Location":   "Where the result can be read again.",
	"Retry-After":        "Seconds after which to ask again.",
	"ETag":               "Identifies the result; send it back as If-None-Match.",
	"Vary":               "The request headers that the response depends on.",
	"Cache-Control":      "Who may keep the response, and how long without asking whether it is valid.",
	"Link":               "The next page, rel=\"next\".",
	"Preference-Applied": "The preferences of the header Prefer that were applied.",
	"Allow":              "The methods that the path takes.",

	replayHeader:          "true: an earlier request with the same Idempotency-Key made the job.",
	"Content-Disposition": "The name of the file.",
	"Lestats-Dataset":     "The dataset that the result was computed from.",
	"Lestats-Synthetic":   "Whether its figures are generated: true or false.",
	"X-Request-Id":        "Identifies the request in the server's log.",
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

// responses are error responses, of which most routes have the same.
type responses struct {
	names map[string]string // by status and codes
	all   object            // by name
}

// ref returns a reference to the response with these codes. The errors of pages are pages
// for clients that do not ask for anything else.
func (r *responses) ref(status int, codes []question.Code, page bool) object {
	key := fmt.Sprint(status, codes, page)
	name, ok := r.names[key]
	for n := 1; !ok; n++ {
		if name = fmt.Sprintf("error_%d_%d", status, n); r.all[name] == nil {
			r.names[key], r.all[name], ok = name, errorResponse(status, codes, page), true
		}
	}
	return object{"$ref": "#/components/responses/" + name}
}

func errorResponse(status int, codes []question.Code, page bool) object {
	texts := make([]string, len(codes))
	examples := object{}
	for i, code := range codes {
		texts[i] = string(code)
		examples[string(code)] = object{"value": errorBody{"error", code, code.Info().Text, "", []string{}, ""}}
	}
	only := object{"properties": object{"code": object{"enum": texts}}}
	out := object{
		"description": http.StatusText(status) + ": " + strings.Join(texts, ", ") + ".",
		"content": object{
			jsonType:    object{"schema": object{"allOf": []object{ref("error"), only}}, "examples": examples},
			problemType: object{"schema": object{"allOf": []object{ref("problem"), only}}},
		},
	}
	if page {
		out["content"].(object)[htmlType] = object{"schema": text}
	}
	switch {
	case status == http.StatusTooManyRequests, slices.ContainsFunc(codes, func(code question.Code) bool { return code.Info().RetryAfter > 0 }):
		out["headers"] = object{"Retry-After": header("Retry-After")}
	case status == http.StatusMethodNotAllowed:
		out["headers"] = object{"Allow": header("Allow")}
	}
	return out
}
