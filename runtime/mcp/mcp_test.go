package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// patience is how long tests wait for what takes no time, on a busy machine.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// catalog serves questions that tests change.
type catalog struct {
	served atomic.Pointer[[]question.ServedQuestion]
}

func (c *catalog) Plugins() []question.PluginInfo    { return nil }
func (c *catalog) Served() []question.ServedQuestion { return *c.served.Load() }

func (c *catalog) serve(questions ...question.Question) {
	served := make([]question.ServedQuestion, len(questions))
	for i := range questions {
		served[i] = question.ServedQuestion{Question: &questions[i], Plugin: "test", Example: question.Request{Params: map[string]any{"city": "Brest"}}}
	}
	c.served.Store(&served)
}

// schema is a dataset of three columns.
type schema []question.Column

func (s schema) Columns() []question.Column { return s }

func (s schema) Column(name string) (*question.Column, bool) {
	i := slices.IndexFunc(s, func(c question.Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s[i], true
}

func columns() schema {
	cities := question.Column{Name: "city", Type: question.String, Role: question.RoleDimension}
	for i := range 1500 {
		cities.Dict = append(cities.Dict, fmt.Sprintf("City %04d", i))
	}
	return schema{
		cities,
		{Name: "sex", Type: question.String, Role: question.RoleDimension, Dict: []string{"", "f", "m"}},
		{Name: "year / an", Type: question.Integer, Role: question.RoleDimension, Integers: []int64{2021, 2020, 2021}},
		{Name: "value", Type: question.Number, Role: question.RoleMeasure, Numbers: []float64{3, -1.5, 2}},
	}
}

var mean = question.Question{
	Name: "mean", Title: "The mean", Description: "The mean of a city.",
	Params: []question.Param{
		{Name: "city", Type: question.ParamColumn, Column: "city", Required: true},
		{Name: "sexes", Type: question.ParamColumn, Column: "sex", List: true, Title: "Sexes"},
		{Name: "n", Type: question.ParamInteger},
	},
}

// table has n rows; of every third the value is missing.
func table(n int) *question.Table {
	row := question.Column{Name: "row", Type: question.Integer, Role: question.RoleKey}
	value := question.Column{Name: "value", Type: question.Number, Role: question.RoleValue, Valid: question.NewBitmap(n)}
	name := question.Column{Name: "name", Type: question.String, Role: question.RoleValue, Dict: []string{"a", "b"}}
	for i := range n {
		row.Integers, value.Numbers, name.Codes = append(row.Integers, int64(i)), append(value.Numbers, float64(i)/2), append(name.Codes, int32(i%2))
		if i%3 != 0 {
			value.Valid.Set(i)
		}
	}
	return &question.Table{Columns: []question.Column{row, value, name}}
}

func appendRows(b []byte, t *question.Table) ([]byte, error) {
	list := make([]map[string]any, t.Rows())
	for i := range list {
		list[i] = map[string]any{}
		for j := range t.Columns {
			list[i][t.Columns[j].Name] = t.Columns[j].Value(i)
		}
	}
	text, err := json.Marshal(list)
	return append(b, text...), err
}

// config is of a server with one question, which the catalog has.
func config() (Config, *catalog) {
	c := &catalog{}
	c.serve(mean)
	return Config{
		Catalog: c, Schema: columns(), Dataset: question.DatasetInfo{Name: "cities", Title: "Cities", Synthetic: true, Source: "nowhere", Rows: 3},
		Answer: func(_ context.Context, req question.Request) (*question.Answer, error) {
			switch req.Params["city"] {
			case "panic":
				panic("of a test")
			case "secret":
				return nil, fmt.Errorf("the password is 1234")
			case "City 0001":
				return &question.Answer{
					Table: table(250), Coverage: &question.Coverage{Rows: 9, Missing: 2, Mixed: []question.Mixed{{Column: "sex", Values: 2}, {Column: "age", Values: 7}}},
					Caveats: []question.Caveat{{Code: question.CaveatSynthetic, Text: "SYNTHETIC!"}, {Code: "other", Text: "Beware."}},
					Receipt: &question.Receipt{Result: "sha256:00"},
				}, nil
			default:
				return nil, question.Errorf(question.CodeUnknownValue, "no such city").WithParam("city", "City 0001", "City 0002")
			}
		},
		Body: func(data func([]byte, *question.Table) ([]byte, error), job *question.Job) ([]byte, error) {
			b, err := data([]byte(`{"data":`), job.Result)
			return append(b, "}\n"...), err
		},
		Rows: appendRows,
		ErrorBody: func(e *question.Error) []byte {
			b, err := json.Marshal(e)
			if err != nil {
				panic(err)
			}
			return b
		},
		Visible: func(err error, request string) *question.Error {
			if e, ok := errors.AsType[*question.Error](err); ok {
				return e
			}
			return &question.Error{Code: question.CodeInternal, Reason: "see the log under " + request}
		},
		Log: slog.New(slog.DiscardHandler),
	}, c
}

func newServer(tb testing.TB) (*Server, *catalog) {
	tb.Helper()
	cfg, c := config()
	s, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s, c
}

// post sends a message and returns the status and the body. An error of Post is written as
// httpapi does.
func post(s *Server, body string, change func(r *http.Request)) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	if err := s.Post(w, r); err != nil {
		e := question.AsError(err)
		return e.Code.Info().Status, e.Error()
	}
	return w.Code, w.Body.String()
}

// toolResult is the result of a call, as JSON.
type toolResult struct {
	Content []struct {
		Type, Text string
	}
	StructuredContent map[string]any
	IsError           bool
}

// call calls a tool as a client.
func call(t *testing.T, s *Server, client question.Client, name, arguments string) toolResult {
	t.Helper()
	status, body := post(s, `{"jsonrpc":"2.0","id":"é","method":"tools/call","params":{"name":"`+name+`","arguments":`+arguments+`}}`, func(r *http.Request) {
		*r = *r.WithContext(question.WithOrigin(r.Context(), &question.Origin{Client: client, Request: "req-1"}))
	})
	var response struct {
		ID     string
		Result toolResult
		Error  json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &response); err != nil || status != http.StatusOK || response.Error != nil || response.ID != "é" || len(response.Result.Content) != 1 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	return response.Result
}

// encode returns a value as JSON.
func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAnswerIsPagedAndSaysHowSureItIs(t *testing.T) {
	s, _ := newServer(t)
	var all []any
	for _, want := range []struct{ offset, rows int }{{0, 100}, {100, 100}, {200, 50}, {250, 0}} {
		got := call(t, s, question.Client{}, "mean", fmt.Sprintf(`{"city":"City 0001","_offset":%d}`, want.offset))
		text := got.Content[0].Text
		for _, part := range []string{"SYNTHETIC!\n", "The mean (mean?city=City+0001)\n", "From 9 rows, 2 without a value; they mix sex (2), age (7).\n", "Caveat: Beware.\n", "Receipt: sha256:00", "row\tvalue\tname\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not in %s", part, text)
			}
		}
		if want.offset == 100 && !strings.Contains(text, "101 to 200 of 250; call again with _offset=200 for more.") {
			t.Error(text)
		}
		if want.offset == 100 && !strings.Contains(text, "\n100\t50\ta\n101\t50.5\tb\n102\t-\ta\n") {
			t.Error(text)
		}
		if page := encode(t, got.StructuredContent["page"]); page != fmt.Sprintf(`{"offset":%d,"rows":%d,"total":250}`, want.offset, want.rows) || got.IsError {
			t.Errorf("%s", page)
		}
		all = append(all, got.StructuredContent["data"].([]any)...)
	}
	b, err := appendRows(nil, table(250))
	got, err2 := json.Marshal(all)
	if err != nil || err2 != nil || string(got) != string(b) {
		t.Errorf("the pages are %.300s", got)
	}
}

func TestErrorsAreToolErrors(t *testing.T) {
	s, c := newServer(t)
	for _, tt := range []struct{ name, arguments, code, text string }{
		{"mean", `{"city":"Nowhere"}`, "unknown_value", "unknown_value: no such city\nParameter: city\nTry one of:\n  City 0001\n  City 0002"},
		{"mean", `{"city":"secret"}`, "internal", "see the log under req-1"},
		{"mean", `{"_limit":1001}`, "bad_parameter", `"_limit" is "1001"; it takes an integer from 1 to 1000`},
		{"mean", `{"_limit":"all"}`, "bad_parameter", `"_limit" is "all"`},
		{"mean", `{"_offset":-1}`, "bad_parameter", `"_offset" is "-1"`},
		{"men", `{}`, "unknown_question", `did you mean "mean"?; tools come and go`},
		{"list-values", `{}`, "missing_parameter", "name the column"},
		{"list-values", `{"column":"cty"}`, "unknown_value", `did you mean "city"?`},
		{"list-values", `{"column":"quite different"}`, "unknown_value", "Try one of:\n  city\n  sex\n"},
		{"list-values", `{"column":7}`, "bad_parameter", `"column" is "7"; it takes a text`},
		{"list-values", `{"colum":"city"}`, "unknown_parameter", `Try one of:
  column`},
		{"list-values", `{"column":"city","where":{}}`, "unknown_parameter", "takes no where"},
	} {
		got := call(t, s, question.Client{}, tt.name, tt.arguments)
		if !got.IsError || got.StructuredContent["code"] != tt.code || !strings.Contains(got.Content[0].Text, tt.text) || strings.Contains(fmt.Sprint(got), "1234") {
			t.Errorf("%s %s: %+v", tt.name, tt.arguments, got)
		}
	}
	c.serve()
	got := call(t, s, question.Client{}, "mean", `{"city":"City 0001"}`)
	if !got.IsError || !strings.Contains(got.Content[0].Text, "list them again") {
		t.Errorf("%+v", got)
	}
}

// A key that is for some questions sees and calls their tools only.
func TestKeys(t *testing.T) {
	s, c := newServer(t)
	other := mean
	other.Name = "other"
	c.serve(mean, other)
	client := question.Client{Name: "bob", Questions: []string{"other"}}
	got := call(t, s, client, "mean", `{"city":"City 0001"}`)
	if !got.IsError || got.StructuredContent["code"] != "forbidden" || !strings.Contains(got.Content[0].Text, "other") {
		t.Errorf("%+v", got)
	}
	if got := call(t, s, client, "other", `{"city":"City 0001"}`); got.IsError {
		t.Errorf("%+v", got)
	}
	for _, message := range []struct{ body, version string }{
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, ""},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a","version":"b"},"io.modelcontextprotocol/clientCapabilities":{}}}}`, "2026-07-28"},
	} {
		_, body := post(s, message.body, func(r *http.Request) {
			*r = *r.WithContext(question.WithOrigin(r.Context(), &question.Origin{Client: client}))
			if message.version != "" {
				r.Header.Set("Mcp-Protocol-Version", message.version)
				r.Header.Set("Mcp-Method", "tools/list")
			}
		})
		if strings.Contains(body, `"name":"mean"`) || !strings.Contains(body, `"name":"other"`) || !strings.Contains(body, `"name":"list-values"`) || !strings.Contains(body, `"cacheScope":"private"`) {
			t.Error(body)
		}
	}
}

// What was answered is kept until another plugin has the question.
func TestKept(t *testing.T) {
	cfg, c := config()
	answered, answer := 0, cfg.Answer
	cfg.Answer = func(ctx context.Context, req question.Request) (*question.Answer, error) {
		answered++
		return answer(ctx, req)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(arguments string, want int) {
		t.Helper()
		if call(t, s, question.Client{}, "mean", arguments); answered != want {
			t.Errorf("%s: answered %d times, want %d", arguments, answered, want)
		}
	}
	ask(`{"city":"City 0001"}`, 1)
	ask(`{"city":"City 0001"}`, 1)
	ask(`{"city":"City 0001","_offset":1}`, 2)
	ask(`{"city":"Nowhere"}`, 3) // an error is not kept
	ask(`{"city":"Nowhere"}`, 4)
	c.serve(mean)
	ask(`{"city":"City 0001"}`, 5)
	if got := call(t, s, question.Client{Name: "bob", Questions: []string{"other"}}, "mean", `{"city":"City 0001"}`); !got.IsError {
		t.Error("a key that is not for the question gets what is kept")
	}
}

// A panic is the error of its message, and the next one is answered.
func TestPanic(t *testing.T) {
	s, _ := newServer(t)
	status, body := post(s, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mean","arguments":{"city":"panic"}}}`, nil)
	if status != http.StatusOK || !strings.Contains(body, `"error":{"code":`) || strings.Contains(body, "of a test") {
		t.Errorf("%d %s", status, body)
	}
	if got := call(t, s, question.Client{}, "mean", `{"city":"City 0001"}`); got.IsError {
		t.Errorf("%+v", got)
	}
}

func TestSchemaOfATool(t *testing.T) {
	s, _ := newServer(t)
	tool := s.questionTool(question.FindServed(s.cfg.Catalog.Served(), "mean"))
	got, err := json.MarshalIndent(tool.InputSchema, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Required   []string
		Properties map[string]map[string]any
	}
	if err := json.Unmarshal(got, &schema); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"city":  `{"description":"A value of the column city.","type":"string"}`, // 1,500 values are too many
		"n":     `{"type":"integer"}`,                                            // without the bounds of an int64
		"where": `{"description":"Only rows that meet all conditions: column to value, list of values, or {min,max}. Columns: city, sex, year / an","type":"object"}`,
	}
	want["sexes"] = `{"items":{"enum":["f","m"],"type":"string"},"maxItems":` + fmt.Sprint(schema.Properties["sexes"]["maxItems"]) + `,"minItems":1,"title":"Sexes","type":"array"}`
	for name, text := range want {
		if b := encode(t, schema.Properties[name]); b != text {
			t.Errorf("%s: %s, want %s", name, b, text)
		}
	}
	if !slices.Equal(schema.Required, []string{"city"}) || tool.Description != `The mean of a city. Example: {"city":"Brest"}` {
		t.Errorf("%v %s", schema.Required, tool.Description)
	}
}

func TestListValues(t *testing.T) {
	s, _ := newServer(t)
	for _, tt := range []struct{ arguments, values, text string }{
		{`{"column":"city","contains":"99","_limit":2}`, `["City 0099","City 0199"]`, "1 to 2 of 24; call again with _offset=2 for more."},
		{`{"column":"city","prefix":"CITY 14","_offset":99}`, `["City 1499"]`, "100 to 100 of 100."},
		{`{"column":"city","prefix":"Z"}`, `[]`, "none of its 1500 values matches"},
		{`{"column":"sex"}`, `["f","m"]`, "sex: 2 values\nf\nm\n"},
		{`{"column":"year / an"}`, `[2020,2021]`, "year / an: 2 values"},
		{`{"column":"value"}`, `[]`, "value: numbers from -1.5 to 3"},
	} {
		got := call(t, s, question.Client{}, "list-values", tt.arguments)
		if b := encode(t, got.StructuredContent["values"]); got.IsError || b != tt.values || !strings.Contains(got.Content[0].Text, tt.text) {
			t.Errorf("%s: %s %s", tt.arguments, b, got.Content[0].Text)
		}
	}
}

// A long text to look for costs once, not once for each value of the column.
func TestListValuesOfALongText(t *testing.T) {
	s, _ := newServer(t)
	const long = 50_000
	req := question.Request{Params: map[string]any{"column": "city", "contains": strings.Repeat("A", long), "prefix": strings.Repeat("A", long)}}
	list := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := s.listValues(req, page{limit: maxLimit}); err != nil {
				b.Fatal(err)
			}
		}
	})
	if n := list.AllocedBytesPerOp(); n > 8*long {
		t.Errorf("%d bytes for two texts of %d", n, long)
	}
}

// A column of many integers tells its range, also if it has one value.
func TestDistinct(t *testing.T) {
	many := question.Column{Type: question.Integer}
	for i := range int64(maxDistinct + 1) {
		many.Integers = append(many.Integers, i)
	}
	if v := distinct(&many); !v.ranged || v.least != "0" || v.top != "10000" || v.list != nil {
		t.Errorf("%+v", v)
	}
	if v := distinct(&question.Column{Type: question.Number, Numbers: []float64{7}}); v.least != "7" || v.top != "7" {
		t.Errorf("%+v", v)
	}
	if v := distinct(&question.Column{Type: question.Number, Numbers: []float64{7}, Valid: question.NewBitmap(1)}); v.least != "" || v.top != "" {
		t.Errorf("%+v", v)
	}
}

func TestResources(t *testing.T) {
	s, _ := newServer(t)
	read := func(uri string) (body map[string]any, failed bool) {
		_, text := post(s, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"`+uri+`"}}`, nil)
		var response struct {
			Result struct{ Contents []struct{ Text string } }
			Error  json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &response); err != nil {
			t.Fatalf("%s: %s", uri, text)
		}
		if response.Error != nil {
			return nil, true
		}
		if err := json.Unmarshal([]byte(response.Result.Contents[0].Text), &body); err != nil {
			t.Fatal(err)
		}
		return body, false
	}
	dataset, _ := read("lestats://dataset")
	if dataset["synthetic"] != true || len(dataset["columns"].([]any)) != 4 {
		t.Errorf("%v", dataset)
	}
	first, _ := read("lestats://dataset/columns/city")
	next, _ := read(first["next"].(string))
	if len(first["values"].([]any)) != 1000 || len(next["values"].([]any)) != 500 || next["next"] != nil {
		t.Errorf("%v", next)
	}
	spaced := dataset["columns"].([]any)[2].(map[string]any)["values"].(string)
	if years, failed := read(spaced); failed || len(years["values"].([]any)) != 2 {
		t.Errorf("%s: %v", spaced, years)
	}
	for _, uri := range []string{"lestats://dataset/columns/nothing", "lestats://dataset/columns/city?offset=x", "lestats://other", "%", "file:///etc/passwd"} {
		if _, failed := read(uri); !failed {
			t.Error(uri)
		}
	}
}

func TestRefusals(t *testing.T) {
	s, _ := newServer(t)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for _, tt := range []struct {
		body   string
		change func(*http.Request)
		status int
		text   string
	}{
		{ping, nil, 200, `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{ping, header("Accept", "text/html"), 200, `"result":{}`},
		{ping, header("Last-Event-Id", "1"), 200, `"result":{}`},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		{`{"jsonrpc":"2.0","method":"notifications/of/tomorrow"}`, nil, 202, ""},
		{ping, header("Content-Type", "text/plain"), 415, `the Content-Type is "text/plain"`},
		{ping, header("Content-Type", ""), 415, "unsupported_media_type"},
		{ping, header("Mcp-Protocol-Version", "1999-01-01"), 400, "bad_request: Unsupported protocol version"},
		{ping, header("Mcp-Protocol-Version", "2099-01-01"), 400, `"code":-32602`},
		{" [" + ping + "]", nil, 400, "malformed_json: the body is a batch"},
		{"", nil, 400, "malformed_json: the body is empty"},
		{`{"jsonrpc":`, nil, 400, "malformed_json: the body is not JSON"},
		{"\xff", nil, 400, "malformed_json: the body is not UTF-8"},
		{strings.Repeat(`{"a":`, 5000), nil, 400, "malformed_json: the body has more than 16 levels"},
		{`{"id":1,"id":2}`, nil, 400, "malformed_json"},
		{`{}`, nil, 400, "bad_request: this is not a message of JSON-RPC 2.0"},
		{`{"jsonrpc":"2.0","id":1,"result":{}}`, nil, 400, `"method" is missing`},
		{`{"jsonrpc":"2.0","id":1,"method":""}`, nil, 400, `"method" is ""`},
		{`{"jsonrpc":"2.0","id":1,"method":7}`, nil, 400, `"method" is "7"`},
		{`{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, nil, 400, `"params" is "[]"; it takes an object`},
		{`{"jsonrpc":"2.0","id":1,"method":"ping","params":null}`, nil, 200, `"result":{}`},
		{`{"jsonrpc":"2.0","id":null,"method":"ping"}`, nil, 400, "an integer of at most 53 bits"},
		{`{"jsonrpc":"1.0","id":1,"method":"ping"}`, nil, 400, "bad_request: this is not a message"},
		{`{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`, nil, 400, "an integer of at most 53 bits"},
		{`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, nil, 400, "an integer of at most 53 bits"},
		{`{"jsonrpc":"2.0","id":1e400,"method":"ping"}`, nil, 400, "an integer of at most 53 bits"},
		{`{"jsonrpc":"2.0","id":{},"method":"ping"}`, nil, 400, "an integer of at most 53 bits"},
		{`{"jsonrpc":"2.0","id":1,"method":"nope"}`, nil, 200, `"error":{"code":-32601,"message":"there is no method \"nope\""}`},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, nil, 200, `"error":{"code":-32600`},
		{`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":3}}`, nil, 200, `"error":{"code":`},
		{`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1999-01-01","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`, nil, 200, `"protocolVersion":"2025`},
	} {
		if status, body := post(s, tt.body, tt.change); status != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%.80s: %d %s", tt.body, status, body)
		}
	}
	status, body := post(s, "", func(r *http.Request) {
		r.Body = http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(strings.Repeat(" ", 99))), 9)
	})
	if status != 413 || !strings.Contains(body, "the limit of 9 bytes") {
		t.Errorf("%d %s", status, body)
	}
}

// A client that asks for a stream of changes gets one that ends at once: nothing is pushed.
func TestNobodyListens(t *testing.T) {
	s, _ := newServer(t)
	status, body := post(s, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a","version":"b"},"io.modelcontextprotocol/clientCapabilities":{}}}}`, func(r *http.Request) {
		r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		r.Header.Set("Mcp-Method", "subscriptions/listen")
	})
	if status != http.StatusOK || !strings.Contains(body, `"resultType":"complete"`) {
		t.Errorf("%d %s", status, body)
	}
}

// A client that leaves ends the answer.
func TestClientLeaves(t *testing.T) {
	cfg, _ := config()
	begun, ended := make(chan struct{}), make(chan struct{})
	cfg.Answer = func(ctx context.Context, _ question.Request) (*question.Answer, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, question.Errorf(question.CodeCancelled, "it ended")
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-begun; leave() }()
	post(s, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mean"}}`, func(r *http.Request) { *r = *r.WithContext(ctx) })
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the answer goes on")
	}
}

// lines runs a server over two pipes, and returns what to write to, what to read from, and how
// to end it.
func lines(t *testing.T, s *Server) (in io.WriteCloser, out *json.Decoder, end func() error) {
	t.Helper()
	read, in := io.Pipe()
	answers, write := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		failed <- s.Run(t.Context(), read, write)
		_ = write.Close()
	}()
	return in, json.NewDecoder(answers), func() error {
		_ = in.Close()
		select {
		case err := <-failed:
			return err
		case <-time.After(patience):
			return errors.New("it does not end")
		}
	}
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`

// What is not a message is answered with an error, and the stream goes on.
func TestRun(t *testing.T) {
	s, _ := newServer(t)
	in, out, end := lines(t, s)
	go func() {
		_, _ = io.WriteString(in, initialize+"\n\nno message\r\n[]\n"+strings.Repeat("x", maxLine+1)+"\n{}\n"+`{"jsonrpc":"2.0","id":7,"method":"ping"}`) // no line end
		_ = in.Close()
	}()
	var got []string
	for {
		var message struct {
			ID    any
			Error *struct {
				Code    int
				Message string
			}
		}
		if err := out.Decode(&message); err != nil {
			break
		}
		text := fmt.Sprint(message.ID)
		if message.Error != nil {
			text += fmt.Sprint(" ", message.Error.Code, " ", message.Error.Message)
		}
		got = append(got, text)
	}
	slices.Sort(got)
	want := []string{
		"0", "7", "<nil> -32600 a message has at most 1048576 bytes", "<nil> -32600 this is not a message of JSON-RPC 2.0",
		"<nil> -32700 the body is a list; it must be a JSON object", "<nil> -32700 the body is not JSON",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("%q", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// The end of the input waits for the answers that are due.
func TestRunAnswersBeforeItEnds(t *testing.T) {
	cfg, _ := config()
	begun, go_ := make(chan struct{}), make(chan struct{})
	answer := cfg.Answer
	cfg.Answer = func(ctx context.Context, req question.Request) (*question.Answer, error) {
		close(begun)
		<-go_
		return answer(ctx, req)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in, out, end := lines(t, s)
	go func() {
		_, _ = io.WriteString(in, initialize+`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"mean","arguments":{"city":"City 0001"}}}`+"\n")
		_ = in.Close()
		<-begun
		time.Sleep(20 * time.Millisecond)
		close(go_)
	}()
	var last map[string]any
	for out.Decode(&last) == nil {
	}
	if result, ok := last["result"].(map[string]any); !ok || result["isError"] != nil || result["structuredContent"] == nil {
		t.Errorf("%v", last)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// Clients of a stream are told when tools come and go.
func TestToolsComeAndGo(t *testing.T) {
	cfg, c := config()
	cfg.Push = true
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 8)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} },
	})
	read, in := io.Pipe()
	answers, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context(), read, write) }()
	session, err := client.Connect(t.Context(), &sdk.IOTransport{Reader: answers, Writer: in}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := func() (out []string) {
		list, err := session.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range list.Tools {
			out = append(out, tool.Name)
		}
		return out
	}
	if got := names(); !slices.Equal(got, []string{"list-values", "mean"}) {
		t.Error(got)
	}
	second := mean
	second.Name = "second"
	for _, step := range []struct {
		questions []question.Question
		want      []string
	}{
		{[]question.Question{second}, []string{"list-values", "second"}},
		{[]question.Question{mean, second}, []string{"list-values", "mean", "second"}},
	} {
		c.serve(step.questions...)
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatal("nobody told")
		}
		if got := names(); !slices.Equal(got, step.want) {
			t.Error(got)
		}
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	_ = read.Close()
	if err := <-ended; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	_, _ = answers.Close(), write.Close()
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "are required") {
		t.Error(err)
	}
	cfg, _ := config()
	cfg.MaxWait = -1
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "MaxWait") {
		t.Error(err)
	}
}

// Whatever a stranger posts is answered with a status of the route and, unless it is refused, with a
// message.
func FuzzPost(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"mean","arguments":{"city":"City 0001","_limit":2,"where":{"year / an":{"min":1}}}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list-values","arguments":{"column":"city","prefix":"c"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"lestats://dataset/columns/city?offset=3"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}`,
		`{"jsonrpc":"2.0","id":null,"result":{}}`, `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{}}`, `[]`, `{"id":1e99}`,
	} {
		for _, version := range []string{"", "2025-06-18", "2026-07-28"} {
			f.Add(seed, version)
		}
	}
	s, _ := newServer(f)
	f.Fuzz(func(t *testing.T, body, version string) {
		if strings.Contains(body, "panic") { // what a test's answer does on purpose
			t.Skip()
		}
		status, text := post(s, body, func(r *http.Request) {
			if version != "" {
				r.Header["Mcp-Protocol-Version"] = []string{version}
			}
		})
		var message map[string]any
		switch status {
		case http.StatusOK, http.StatusNotFound:
			if err := json.Unmarshal([]byte(text), &message); err != nil && !strings.HasPrefix(text, "event: message\n") {
				t.Errorf("%d %q", status, text)
			}
			if strings.Contains(text, string(question.CodeInternal)+": "+question.CodeInternal.Info().Text) {
				t.Errorf("a panic: %s", text)
			}
		case http.StatusAccepted:
			if text != "" {
				t.Errorf("%q", text)
			}
		case http.StatusBadRequest:
		default:
			t.Errorf("%d %q", status, text)
		}
	})
}

// BenchmarkPost is the cost of a call beside its answer.
func BenchmarkPost(b *testing.B) {
	s, _ := newServer(b)
	message := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"mean","arguments":{"city":"City 0001","_limit":50}}}`
	b.ReportAllocs()
	for b.Loop() {
		if status, body := post(s, message, nil); status != http.StatusOK || !strings.Contains(body, `"total":250`) {
			b.Fatal(status, body)
		}
	}
}
