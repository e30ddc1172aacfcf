package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// describe fetches a server's OpenAPI description and checks it.
func (p *process) describe() (validator.Validator, map[string]any) {
	p.t.Helper()
	status, body, err := p.try("GET", "/openapi.json", "")
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("%d, %v", status, err)
	}
	doc, err := libopenapi.NewDocument(body)
	if err != nil {
		p.t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		p.t.Fatal(errs)
	}
	if ok, wrong := v.ValidateDocument(); !ok {
		p.t.Fatalf("%v", wrong)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		p.t.Fatal(err)
	}
	return v, out
}

// exchange sends a request that is described so, and checks the answer against the
// description. wrong: the request is not one that is described.
func (p *process) exchange(v validator.Validator, method, path, body string, wantStatus int, wrong bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return r
	}
	if ok, errs := v.ValidateHttpRequest(request()); ok == wrong {
		p.t.Errorf("%s %s %s: valid is %t, %v", method, path, body, ok, errs)
	}
	resp, err := http.DefaultClient.Do(request())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != wantStatus {
		p.t.Errorf("%s %s %s: %d, %s", method, path, body, resp.StatusCode, answer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	if ok, errs := v.ValidateHttpResponse(request(), resp); !ok {
		p.t.Errorf("%s %s: the answer is not as described: %.300s", method, path, answer)
		for _, e := range errs {
			p.t.Errorf("  %s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
		}
	}
}

// Each example in the description is answered, and each answer is as described; a
// plugin that comes is in it, and one that goes is not.
func TestOpenAPIIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	folder := t.TempDir()
	p := serve(t, nil, "--plugins", folder, "--local-shutdown")
	_, before := p.describe()
	drop(t, folder, guest(t, 0))
	p.soon("serving 1.0.0")
	v, doc := p.describe()
	paths, _ := doc["paths"].(map[string]any)
	earlier, _ := before["paths"].(map[string]any)
	if len(paths) != len(earlier)+2*4 { // of each question, with and without a format
		t.Errorf("%d paths, then %d", len(earlier), len(paths))
	}
	asked := 0
	for path, item := range paths {
		post, _ := item.(map[string]any)["post"].(map[string]any)
		content, _ := post["requestBody"].(map[string]any)
		if content == nil || path == "/mcp" { // which takes a message
			continue
		}
		asked++
		example := content["content"].(map[string]any)["application/json"].(map[string]any)["example"]
		body, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		p.exchange(v, "POST", path+"?wait=20", string(body), http.StatusOK, false)
		p.exchange(v, "POST", path, string(body), http.StatusAccepted, false)
		p.exchange(v, "POST", path, `{"no_such": 1}`, http.StatusBadRequest, true)
	}
	if asked != 13+4 {
		t.Errorf("%d questions are described", asked)
	}
	p.exchange(v, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, http.StatusOK, false)
	p.exchange(v, "POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, http.StatusAccepted, false)
	p.exchange(v, "POST", "/mcp", `{"jsonrpc":"2.0","id":1}`, http.StatusBadRequest, true)
	obesity := `"question":"Percent of adults aged 18 years and older who have obesity"`
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"year":{"min":2015},"category":["Total","Gender"],"location":"Ohio"}}`, http.StatusOK, false)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"location":"Ohoi"}}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"value":3}}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/state_mean?wait=20", `{`+obesity+`}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"year":{"min":2015.5}}}`, http.StatusOK, false)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"year":2015.5}}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"year":9007199254740992}}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=20", `{`+obesity+`,"where":{"year":{"max":9007199254740992}}}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/best5?wait=20", `{`+obesity+`,"best":null}`, http.StatusOK, false)
	p.exchange(v, "POST", "/api/state_mean?wait=20", `{`+obesity+`,"state":null}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=4294967296", `{`+obesity+`}`, http.StatusBadRequest, true)
	p.exchange(v, "POST", "/api/states_mean?wait=20&format=csv&note=none", `{`+obesity+`}`, http.StatusOK, false)
	for _, path := range []string{
		"/api/jobs?detail=1", "/api/jobs?limit=2", "/api/num_jobs", "/api/questions", "/api/plugins", "/healthz", "/readyz", "/docs", "/openapi.json",
	} {
		p.exchange(v, "GET", path, "", http.StatusOK, false)
	}
	_, page := p.call("GET", "/api/jobs?limit=1", "")
	for id := range page["data"].([]any)[0].(map[string]any) {
		p.exchange(v, "GET", "/api/get_results/"+id+"?wait=20", "", http.StatusOK, false)
		p.exchange(v, "GET", "/api/get_results/"+id+"?wait=20&layout=rows", "", http.StatusOK, false)
		p.exchange(v, "DELETE", "/api/jobs/"+id, "", http.StatusConflict, false)
		p.exchange(v, "POST", "/api/jobs/"+id+"/retry", "", http.StatusConflict, false)
	}
	p.exchange(v, "GET", "/api/get_results/0192f1c6-5b00-7c3e-9a41-000000000000", "", http.StatusNotFound, false)
	for _, id := range []string{"0192f1c6-5b00-4c3e-9a41-000000000000", "0192F1C6-5B00-7C3E-9A41-000000000000"} { // version 4, and upper case
		p.exchange(v, "GET", "/api/get_results/"+id, "", http.StatusBadRequest, true)
		p.exchange(v, "GET", "/api/jobs?before="+id, "", http.StatusBadRequest, true)
	}
	p.exchange(v, "GET", "/api/jobs?before=", "", http.StatusBadRequest, true)
	p.exchange(v, "GET", "/api/graceful_shutdown", "", http.StatusOK, false)
	if status, html, err := p.try("GET", "/docs", ""); err != nil || status != http.StatusOK || !strings.Contains(string(html), "/api/sum") {
		t.Error(fmt.Sprint(status, err))
	}
}
