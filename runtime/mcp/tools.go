package mcp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The parameters of every tool that choose a page of what it answers. No parameter of a
// question begins with an underscore.
const (
	offsetKey = "_offset"
	limitKey  = "_limit"
)

// Rows of one answer. An assistant pays for each of them with its attention.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// A dictionary of at most so many values, of so many bytes of text in all, is listed in the
// schema of each tool that takes one of them.
const (
	enumValues = 12
	enumBytes  = 400
)

// object is a JSON object.
type object = map[string]any

// readOnly says that a tool changes nothing, and that calling it twice is as calling it once.
var readOnly = &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: new(bool)}

// questionTool describes a question.
func (s *Server) questionTool(served *question.ServedQuestion) *sdk.Tool {
	q := served.Question
	properties, required := object{}, []string{}
	for i := range q.Params {
		p := q.Params[i]
		if p.Absent {
			continue
		}
		if p.Required {
			required = append(required, p.Name)
		}
		properties[p.Name] = s.paramSchema(&p)
	}
	properties[question.WhereParam] = s.whereSchema()
	schema := withPages(properties)
	if len(required) > 0 {
		schema["required"] = required
	}
	return &sdk.Tool{Name: q.Name, Title: q.Title, Description: describe(served), InputSchema: schema, Annotations: readOnly}
}

// describe returns what a question is, with a request that it answers.
func describe(served *question.ServedQuestion) string {
	text := served.Question.Description
	if text == "" {
		text = served.Question.Title
	}
	example := object{}
	maps.Copy(example, served.Example.Params)
	if len(served.Example.Where) > 0 {
		example[question.WhereParam] = served.Example.Where
	}
	if b, err := json.Marshal(example); err == nil && len(example) > 0 {
		if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
			text += "."
		}
		text += " Example: " + string(b)
	}
	return strings.TrimSpace(text)
}

// withPages returns the schema of a tool's parameters.
func withPages(properties object) object {
	properties[offsetKey] = object{"type": "integer", "minimum": 0, "default": 0}
	properties[limitKey] = object{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// paramSchema describes a parameter, in few bytes: a list is described as a list only.
func (s *Server) paramSchema(p *question.Param) object {
	one := *p
	one.List = false
	schema := one.JSONSchema(s.valueSchema)
	if p.Min == nil && schema["minimum"] == math.MinInt64 {
		delete(schema, "minimum")
	}
	if p.Max == nil && schema["maximum"] == math.MaxInt64 {
		delete(schema, "maximum")
	}
	if p.Type == question.ParamColumn && schema["enum"] == nil {
		if c, ok := s.cfg.Schema.Column(p.Column); ok {
			schema["description"] = strings.TrimSpace(p.Description + " A value of the column " + c.Name + ".")
		}
	}
	if !p.List {
		return schema
	}
	list := object{}
	for _, key := range []string{"title", "description", "default"} {
		if v, ok := schema[key]; ok {
			list[key] = v
			delete(schema, key)
		}
	}
	maps.Copy(list, question.ListSchema(schema))
	return list
}

// valueSchema describes a value of the column with this name or alias.
func (s *Server) valueSchema(name string) object {
	c, ok := s.cfg.Schema.Column(name)
	if !ok {
		return object{}
	}
	out, size := object{"type": string(c.Type)}, 0
	for _, v := range c.Dict {
		size += len(v)
	}
	if values := c.Selectable(); len(values) > 0 && len(values) <= enumValues && size <= enumBytes {
		out["enum"] = values
	}
	return out
}

// whereSchema describes the conditions, which are the same for all questions.
func (s *Server) whereSchema() object {
	const most = 40
	var names []string
	columns := s.cfg.Schema.Columns()
	for i := range columns {
		if columns[i].Role == question.RoleDimension {
			names = append(names, columns[i].Name)
		}
	}
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("... (%d in all; see %s)", len(names), datasetURI))
	}
	return object{
		"type":        "object",
		"description": "Only rows that meet all conditions: column to value, list of values, or {min,max}. Columns: " + strings.Join(names, ", "),
	}
}

// arguments reads the arguments of a call, and cuts the page out of them.
func arguments(name string, raw json.RawMessage) (req question.Request, p page, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		raw = json.RawMessage("{}")
	}
	if req, err = question.ParseRequest(name, raw); err != nil {
		return req, p, err
	}
	if p.offset, err = cutInteger(req.Params, offsetKey, 0, 0, math.MaxInt32); err != nil {
		return req, p, err
	}
	p.limit, err = cutInteger(req.Params, limitKey, 1, defaultLimit, maxLimit)
	return req, p, err
}

// cutInteger moves an integer from least to most out of a request's parameters.
func cutInteger(params map[string]any, key string, least, initial, most int64) (int, error) {
	given, ok := params[key]
	delete(params, key)
	if !ok || given == nil {
		return int(initial), nil
	}
	if text, ok := given.(json.Number); ok {
		if n, err := text.Int64(); err == nil && n >= least && n <= most {
			return int(n), nil
		}
	}
	return 0, question.Errorf(question.CodeBadParameter, "%q is %.40q; it takes an integer from %d to %d", key, fmt.Sprint(given), least, most).WithParam(key)
}

// page is a part of a list.
type page struct{ offset, limit int }

// of returns the bounds of the page of a list of n.
func (p page) of(n int) (from, to int) {
	from = min(p.offset, n)
	return from, min(from+p.limit, n)
}

// pageBody is the page in JSON.
type pageBody struct {
	Offset int `json:"offset"`
	Rows   int `json:"rows"`
	Total  int `json:"total"`
}

// more is the line that says that a page is not all, or "".
func (p page) more(n int) string {
	from, to := p.of(n)
	switch {
	case from == 0 && to == n:
		return ""
	case from == to:
		return fmt.Sprintf("There are %d in all, and none from %s=%d.\n", n, offsetKey, p.offset)
	case to == n:
		return fmt.Sprintf("%d to %d of %d.\n", from+1, to, n)
	default:
		return fmt.Sprintf("%d to %d of %d; call again with %s=%d for more.\n", from+1, to, n, offsetKey, to)
	}
}

// callQuestion answers a call of the tool of a question.
func (s *Server) callQuestion(ctx context.Context, call *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	result, err := s.ask(ctx, call.Params.Name, call.Params.Arguments)
	if err != nil {
		return s.failed(ctx, err), nil
	}
	return result, nil
}

func (s *Server) ask(ctx context.Context, name string, raw json.RawMessage) (*sdk.CallToolResult, error) {
	if err := question.OriginOf(ctx).Client.May(name); err != nil {
		return nil, err
	}
	served := question.FindServed(s.cfg.Catalog.Served(), name)
	if served == nil {
		return nil, s.unknownTool(name)
	}
	key := name + string(raw)
	if k, ok := s.kept.Get(key); ok && k.question == served.Question {
		return result(k.text, k.body), nil
	}
	req, p, err := arguments(name, raw)
	if err != nil {
		return nil, err
	}
	req = served.Question.Canonical(req, s.cfg.Schema)
	answer, err := s.cfg.Answer(ctx, req)
	if err != nil {
		if e := question.AsError(err); e.Code == question.CodeUnknownQuestion {
			err = gone(e)
		}
		return nil, err
	}
	job := answer.Job(req)
	from, to := p.of(answer.Table.Rows())
	part := rows(answer.Table, from, to)
	body, err := s.cfg.Body(func(b []byte, _ *question.Table) ([]byte, error) { return s.cfg.Rows(b, part) }, job)
	if err != nil {
		return nil, err
	}
	k := kept{served.Question, text(served.Question, job, part, p), withPage(body, pageBody{from, to - from, answer.Table.Rows()})}
	if len(key)+len(k.text)+len(k.body) <= maxKeptBytes {
		s.kept.Add(key, k)
	}
	return result(k.text, k.body), nil
}

// Results that are kept for the next call: at most 4 MiB.
const (
	maxKept      = 64
	maxKeptBytes = 64 << 10 // of each
)

// kept is the result of a call. It is valid as long as the question is served by the plugin that
// it was of, whose manifest has it: another plugin has another.
type kept struct {
	question *question.Question
	text     string
	body     json.RawMessage
}

// withPage adds the page to a JSON object.
func withPage(body []byte, p pageBody) []byte {
	body = bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}"))
	return fmt.Appendf(slices.Clip(body), `,"page":{"offset":%d,"rows":%d,"total":%d}}`, p.Offset, p.Rows, p.Total)
}

// text is an answer for people.
func text(q *question.Question, job *question.Job, part *question.Table, p page) string {
	b := make([]byte, 0, 1024+part.Rows()*32)
	for _, c := range job.Caveats {
		if c.Code == question.CaveatSynthetic {
			b = append(append(b, c.Text...), '\n')
		}
	}
	b = fmt.Appendf(b, "%s (%s?%s)\n", cmp.Or(q.Title, q.Name), q.Name, job.Request.Query())
	b = append(appendTable(b, part), p.more(job.Result.Rows())...)
	if c := job.Coverage; c != nil {
		b = fmt.Appendf(b, "From %d rows, %d without a value", c.Rows, c.Missing)
		between := "; they mix "
		for _, m := range c.Mixed {
			b = fmt.Appendf(b, "%s%s (%d)", between, m.Column, m.Values)
			between = ", "
		}
		b = append(b, ".\n"...)
	}
	for _, c := range job.Caveats {
		if c.Code != question.CaveatSynthetic {
			b = fmt.Appendf(b, "Caveat: %s\n", c.Text)
		}
	}
	if r := job.Receipt; r != nil {
		b = fmt.Appendf(b, "Receipt: %s\n", r.Result)
	}
	return string(b)
}

// appendTable appends a table with a tab between cells, because an assistant pays for spaces.
// Numbers are rounded to four decimals; the JSON has all.
func appendTable(b []byte, t *question.Table) []byte {
	for i := range t.Columns {
		c := &t.Columns[i]
		if i > 0 {
			b = append(b, '\t')
		}
		b = append(b, question.Visible(c.Name)...)
		if c.Unit != "" {
			b = fmt.Appendf(b, " (%s)", c.Unit)
		}
	}
	b = append(b, '\n')
	for row := range t.Rows() {
		for i := range t.Columns {
			if i > 0 {
				b = append(b, '\t')
			}
			switch v := t.Columns[i].Value(row).(type) {
			case float64:
				b = strconv.AppendFloat(b, math.Round(v*1e4)/1e4, 'f', -1, 64)
			case int64:
				b = strconv.AppendInt(b, v, 10)
			case string:
				b = append(b, question.Visible(v)...)
			default:
				b = append(b, '-')
			}
		}
		b = append(b, '\n')
	}
	return b
}

// rows returns rows from up to but not including to of a table, with whose columns it shares
// memory.
func rows(t *question.Table, from, to int) *question.Table {
	if from == 0 && to == t.Rows() {
		return t
	}
	out := *t
	out.Columns = slices.Clone(t.Columns)
	for i := range out.Columns {
		c := &out.Columns[i]
		switch c.Type {
		case question.Number:
			c.Numbers = c.Numbers[from:to]
		case question.Integer:
			c.Integers = c.Integers[from:to]
		default:
			c.Codes = c.Codes[from:to]
		}
		if whole := c.Valid; whole != nil {
			c.Valid = question.NewBitmap(to - from)
			for row := from; row < to; row++ {
				if whole.Get(row) {
					c.Valid.Set(row - from)
				}
			}
		}
	}
	return &out
}

// leftKey is the context key of the context of the HTTP request, which ends when the client
// leaves. The SDK passes on values, and not the end.
type leftKey struct{}

// bounded returns a context that ends when the client leaves, and after MaxWait.
func (s *Server) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.MaxWait)
	if left, ok := ctx.Value(leftKey{}).(context.Context); ok {
		stop := context.AfterFunc(left, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return ctx, cancel
}

func result(text string, body json.RawMessage) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}, StructuredContent: body}
}

// failed is the result of a call with an error: as text with the hints, and as the JSON that
// HTTP answers. The log has what clients may not see.
func (s *Server) failed(ctx context.Context, err error) *sdk.CallToolResult {
	request := question.OriginOf(ctx).Request
	e := s.cfg.Visible(err, request)
	if e.Code.Info().Concealed {
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "a tool failed", slog.String("request", request), slog.String("error", err.Error()))
	}
	text := e.Error()
	if e.Param != "" {
		text += "\nParameter: " + e.Param
	}
	if len(e.Hint) > 0 {
		text += "\nTry one of:\n  " + strings.Join(e.Hint, "\n  ")
	}
	out := result(text, s.cfg.ErrorBody(e))
	out.IsError = true
	return out
}

// marshal is json.Marshal for what cannot fail.
func marshal(text string) []byte {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return b
}
