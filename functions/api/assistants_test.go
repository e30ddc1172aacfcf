package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// assistant connects the SDK's own client to /mcp of a server.
func assistant(t *testing.T, url string) *sdk.ClientSession {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: url + "/mcp", DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return session
}

// served returns the questions of a server, with the examples that it answers.
func served(t testing.TB, handler http.Handler, base string) (all []question.ServedQuestion) {
	t.Helper()
	w := browse(handler, base+"/api/questions")
	var body struct{ Data []question.ServedQuestion }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Data) == 0 {
		t.Fatalf("%v: %.300s", err, w.Body)
	}
	return body.Data
}

// The SDK's client gets of every question, over HTTP and under a base path, what GET answers.
func TestAssistantGetsWhatGETAnswers(t *testing.T) {
	const base = "/stats"
	handler := pages(t, base)
	server := httptest.NewServer(handler)
	defer server.Close()
	session := assistant(t, server.URL+base)
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tools)
	if err != nil {
		t.Fatal(err)
	}
	all := served(t, handler, base)
	t.Logf("tools/list: %d bytes, %d tools", len(text), len(tools.Tools))
	if len(tools.Tools) != len(all)+1 || len(text) >= 20_000 {
		t.Errorf("tools/list has %d tools in %d bytes; there are %d questions, and less than 20,000 bytes are allowed", len(tools.Tools), len(text), len(all))
	}
	for i := range all {
		example := all[i].Example
		t.Run(example.Question, func(t *testing.T) {
			var want map[string]any
			w := browse(handler, base+"/api/"+example.Question+".json?_layout=rows&"+example.Query())
			if err := json.Unmarshal(w.Body.Bytes(), &want); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %v", w.Code, err)
			}
			got := callAll(t, session, example)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("MCP: %.500v\nGET: %.500v", got, want)
			}
		})
	}
}

// callAll calls a tool until it has all rows, and returns them as one answer.
func callAll(t *testing.T, session *sdk.ClientSession, req question.Request) (all map[string]any) {
	t.Helper()
	arguments := map[string]any{"_limit": 1000}
	maps.Copy(arguments, req.Params)
	if len(req.Where) > 0 {
		arguments["where"] = req.Where
	}
	for {
		result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: req.Question, Arguments: arguments})
		if err != nil {
			t.Fatal(err)
		}
		body, ok := result.StructuredContent.(map[string]any)
		if !ok || result.IsError || len(result.Content) == 0 {
			t.Fatalf("%+v", result)
		}
		page := body["page"].(map[string]any)
		delete(body, "page")
		if all == nil {
			all = body
		} else {
			all["data"] = append(all["data"].([]any), body["data"].([]any)...)
		}
		next := page["offset"].(float64) + page["rows"].(float64)
		if next >= page["total"].(float64) {
			return all
		}
		arguments["_offset"] = next
	}
}

// What is wrong with a call is a result that says what would be right, and a client with the
// wrong key gets no further than over every other route.
func TestAssistantIsToldWhatIsWrong(t *testing.T) {
	handler := pages(t, "")
	server := httptest.NewServer(handler)
	defer server.Close()
	session := assistant(t, server.URL)
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "states_mean", Arguments: map[string]any{"question": "obesity"}})
	if err != nil || !result.IsError {
		t.Fatalf("%v %+v", err, result)
	}
	body := result.StructuredContent.(map[string]any)
	if hint := body["hint"].([]any); body["code"] != "unknown_value" || body["param"] != "question" || len(hint) == 0 {
		t.Errorf("%v", body)
	}
	dataset, err := session.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "lestats://dataset"})
	if err != nil || len(dataset.Contents) != 1 || !strings.Contains(dataset.Contents[0].Text, `"digest":"sha256:`) {
		t.Errorf("%v %+v", err, dataset)
	}
	r := httptest.NewRequest(http.MethodPost, "/mcp", bytes.NewReader(bytes.Repeat([]byte(" "), 70_000)))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	foreign := httptest.NewRequest(http.MethodPost, "/mcp", http.NoBody)
	foreign.Host = "rebound.example"
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, foreign)
	if w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkMCP compares the call of a tool over HTTP with the same GET, in one run and over
// connections that stay: each iteration does both. It reports medians in milliseconds. Both keep
// what they answered: of=new has a condition that was not asked before, so that both compute.
func BenchmarkMCP(b *testing.B) {
	handler := pages(b, "")
	server := httptest.NewServer(handler)
	defer server.Close()
	example := served(b, handler, "")[0].Example
	for _, kind := range []string{"same", "new"} {
		b.Run("of="+kind, func(b *testing.B) {
			var gets, calls []float64
			timed := func(times *[]float64, ask func() []byte) []byte {
				begin := time.Now()
				body := ask()
				*times = append(*times, float64(time.Since(begin).Microseconds())/1000)
				return body
			}
			for n := 1; b.Loop(); n++ {
				req := example
				if kind == "new" {
					req.Where = map[string]any{"year": map[string]any{"min": 2000 + 1/float64(n)}}
				}
				var got, called []byte
				both := []func(){
					func() {
						got = timed(&gets, func() []byte {
							return send(b, server.Client(), http.MethodGet, server.URL+"/api/"+req.Question+".json?_layout=rows&"+req.Query(), "")
						})
					},
					func() {
						called = timed(&calls, func() []byte { return send(b, server.Client(), http.MethodPost, server.URL+"/mcp", callOf(b, req)) })
					},
				}
				both[n%2]() // whichever is first finds less in caches
				both[1-n%2]()
				var want, have struct {
					Data   json.RawMessage
					Result struct {
						StructuredContent struct{ Data json.RawMessage }
					}
				}
				if err := errors.Join(json.Unmarshal(got, &want), json.Unmarshal(called, &have)); err != nil || len(want.Data) < 3 || !bytes.Equal(want.Data, have.Result.StructuredContent.Data) {
					b.Fatalf("%v\nGET %.300s\nMCP %.300s", err, got, called)
				}
			}
			slices.Sort(gets)
			slices.Sort(calls)
			get, call := gets[len(gets)/2], calls[len(calls)/2]
			b.ReportMetric(get, "ms/GET")
			b.ReportMetric(call, "ms/call")
			b.ReportMetric(call-get, "ms/more")
		})
	}
}

// callOf returns the message that calls the tool of a request.
func callOf(tb testing.TB, req question.Request) string {
	tb.Helper()
	arguments := maps.Clone(req.Params)
	if req.Where != nil {
		arguments["where"] = req.Where
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, req.Question, text)
}

func send(tb testing.TB, client *http.Client, method, url, body string) []byte {
	tb.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		tb.Fatalf("%d %s %v", response.StatusCode, b, err)
	}
	return b
}
