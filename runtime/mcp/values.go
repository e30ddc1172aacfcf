package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// valuesName is the tool that lists the values of a column. A question's name has no hyphen.
const valuesName = "list-values"

// maxDistinct is how many different integers of a column are kept. Of a column with more only
// the least and the greatest are told, as of a column of numbers.
const maxDistinct = 10_000

// values are the different values of a column, in order, or only their range.
type values struct {
	list     []string
	integers bool // the list has integers, as text

	ranged     bool
	least, top json.Number // "" of a column without values
}

// valuesTool describes the tool.
func (s *Server) valuesTool() *sdk.Tool {
	return &sdk.Tool{
		Name: valuesName, Title: "Values of a column", Annotations: readOnly,
		Description: "The values that parameters and where take, in order. Look a value up here before you use it.",
		InputSchema: func() object {
			out := withPages(object{
				"column":   object{"type": "string"},
				"contains": object{"type": "string", "description": "Only values that contain this text; case does not matter."},
				"prefix":   object{"type": "string", "description": "Only values that begin with this text; case does not matter."},
			})
			out["required"] = []string{"column"}
			return out
		}(),
	}
}

// callValues answers a call of the tool.
func (s *Server) callValues(ctx context.Context, call *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	req, p, err := arguments(valuesName, call.Params.Arguments)
	if err != nil {
		return s.failed(ctx, err), nil
	}
	out, err := s.listValues(req, p)
	if err != nil {
		return s.failed(ctx, err), nil
	}
	return out, nil
}

func (s *Server) listValues(req question.Request, p page) (*sdk.CallToolResult, error) {
	names := []string{"column", "contains", "prefix"}
	given := map[string]string{}
	for name, v := range req.Params {
		text, ok := v.(string)
		switch {
		case !slices.Contains(names, name):
			return nil, question.Errorf(question.CodeUnknownParameter, "there is no parameter %.60q; %s takes column, contains, prefix, %s and %s", name, valuesName, offsetKey, limitKey).
				WithParam(name, question.Nearest(name, names)...)
		case !ok && v != nil:
			return nil, question.Errorf(question.CodeBadParameter, "%q is %.40q; it takes a text", name, fmt.Sprint(v)).WithParam(name)
		}
		given[name] = text
	}
	switch {
	case req.Where != nil:
		return nil, question.Errorf(question.CodeUnknownParameter, "%s takes no where: it lists all values of the column", valuesName).WithParam(question.WhereParam)
	case given["column"] == "":
		return nil, question.Errorf(question.CodeMissingParameter, "name the column whose values to list").WithParam("column", question.ColumnNames(s.cfg.Schema.Columns())...)
	}
	contains, prefix := strings.ToLower(given["contains"]), strings.ToLower(given["prefix"]) // once: they may be long, and the values many
	body, text, err := s.column(given["column"], p, func(v string) bool {
		v = strings.ToLower(v)
		return strings.Contains(v, contains) && strings.HasPrefix(v, prefix)
	})
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(body)
	return result(text, encoded), err
}

// columnBody is a column and a page of its values.
type columnBody struct {
	Column string        `json:"column"`
	Title  string        `json:"title,omitempty"`
	Type   question.Type `json:"type"`
	Unit   string        `json:"unit,omitempty"`
	Role   question.Role `json:"role,omitempty"`
	Values []any         `json:"values"`
	Min    json.Number   `json:"min,omitempty"` // of a column with too many values to list
	Max    json.Number   `json:"max,omitempty"`
	Page   pageBody      `json:"page"`
	Next   string        `json:"next,omitempty"` // URI of the next page, of a resource
}

// column returns the values of a column that match, as JSON and for people.
func (s *Server) column(name string, p page, matches func(string) bool) (*columnBody, string, error) {
	c, ok := s.cfg.Schema.Column(name)
	if !ok {
		const most = 20
		names := question.ColumnNames(s.cfg.Schema.Columns())
		e := question.Errorf(question.CodeUnknownValue, "the dataset has no column %.100q; the resource %s lists them", name, datasetURI)
		if near := question.Nearest(name, names); len(near) > 0 {
			return nil, "", e.Suggest("column", near)
		}
		return nil, "", e.WithParam("column", names[:min(len(names), most)]...)
	}
	v := s.valuesOf(c)
	all := slices.DeleteFunc(slices.Clone(v.list), func(v string) bool { return !matches(v) })
	from, to := p.of(len(all))
	out := &columnBody{
		Column: c.Name, Title: c.Title, Type: c.Type, Unit: c.Unit, Role: c.Role,
		Values: []any{}, Min: v.least, Max: v.top, Page: pageBody{from, to - from, len(all)},
	}
	var b strings.Builder
	switch {
	case v.ranged:
		fmt.Fprintf(&b, "%s: numbers from %s to %s\n", c.Name, v.least, v.top)
	case len(all) == 0:
		fmt.Fprintf(&b, "%s: none of its %d values matches\n", c.Name, len(v.list))
	default:
		fmt.Fprintf(&b, "%s: %d values\n", c.Name, len(all))
	}
	for _, one := range all[from:to] {
		if v.integers {
			out.Values = append(out.Values, json.Number(one))
		} else {
			out.Values = append(out.Values, one)
		}
		b.WriteString(one + "\n")
	}
	if !v.ranged {
		b.WriteString(p.more(len(all)))
	}
	return out, b.String(), nil
}

// valuesOf returns the values of a column. They are found once: the dataset does not change.
func (s *Server) valuesOf(c *question.Column) *values {
	if c.Type == question.String {
		return &values{list: c.Selectable()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[c.Name] == nil {
		s.values[c.Name] = distinct(c)
	}
	return s.values[c.Name]
}

// distinct returns the values of a column of numbers.
func distinct(c *question.Column) *values {
	if c.Type == question.Integer {
		if list, few := c.DistinctIntegers(maxDistinct); few {
			out := &values{integers: true, list: make([]string, len(list))}
			for i, n := range list {
				out.list[i] = strconv.FormatInt(n, 10)
			}
			return out
		}
	}
	least, top := -1, -1
	above := func(a, b int) bool { // whether row a has a greater value than row b
		if c.Type == question.Integer {
			return c.Integers[a] > c.Integers[b]
		}
		return c.Numbers[a] > c.Numbers[b]
	}
	for row := range c.Len() {
		if !c.Present(row) || c.Type == question.Number && (math.IsNaN(c.Numbers[row]) || math.IsInf(c.Numbers[row], 0)) {
			continue
		}
		if least < 0 || above(least, row) {
			least = row
		}
		if top < 0 || above(row, top) {
			top = row
		}
	}
	text := func(row int) json.Number {
		switch {
		case row < 0:
			return ""
		case c.Type == question.Integer:
			return json.Number(strconv.FormatInt(c.Integers[row], 10))
		default:
			return json.Number(strconv.FormatFloat(c.Numbers[row], 'g', -1, 64))
		}
	}
	return &values{ranged: true, least: text(least), top: text(top)}
}
