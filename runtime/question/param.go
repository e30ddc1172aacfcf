package question

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParamType is the type of a parameter.
type ParamType string

// The types of a parameter. To add one, add an entry to paramTypes, and one to
// abi.ParamKind, which says how a plugin gets its values. runtime/README.md has the list.
const (
	ParamColumn  ParamType = "column" // a value that occurs in Param.Column
	ParamNumber  ParamType = "number"
	ParamInteger ParamType = "integer"
	ParamChoice  ParamType = "choice" // one of Param.Choices
	ParamBoolean ParamType = "boolean"
)

// paramTypes are all types, in the order of error messages.
var paramTypes = []struct {
	name ParamType
	paramType
}{
	{ParamColumn, columnParam{}},
	{ParamNumber, numberParam{}},
	{ParamInteger, numberParam{integer: true}},
	{ParamChoice, choiceParam{}},
	{ParamBoolean, booleanParam{}},
}

// ParamTypes returns all types.
func ParamTypes() (out []ParamType) {
	for _, t := range paramTypes {
		out = append(out, t.name)
	}
	return out
}

// paramType is everything that depends on the type of a parameter.
type paramType interface {
	// keys are the keys of a declaration that only some types have.
	keys() []string
	// check returns a fault of a declaration, or nil.
	check(m *Manifest, p *Param, at string) *Error
	// adapt puts a declaration into the terms of a dataset with these default values.
	adapt(p *Param, s Schema, defaults map[string]string)
	// expects describes the values, as in "it takes ...".
	expects(p *Param, s Schema) string
	// known returns all valid values of a type of strings, else nil.
	known(p *Param, s Schema) []string
	// bind converts a JSON value to the contract's encoding (abi.Param).
	bind(p *Param, v any, s Schema) (uint64, *Error)
	// parse converts text to a JSON value, or returns it as it is if it is not valid.
	parse(p *Param, text string, s Schema) any
	// bounds returns valid values, the example first: the least and the greatest if there
	// are such.
	bounds(p *Param, s Schema) []any
	// schema is the JSON schema of a value.
	schema(p *Param, column func(name string) map[string]any) map[string]any
}

// kind returns the type of a parameter, nil if there is no such type.
func (p *Param) kind() paramType {
	for i := range paramTypes {
		if paramTypes[i].name == p.Type {
			return paramTypes[i].paramType
		}
	}
	return nil
}

// Expects describes the values that a parameter takes on a dataset, as half a sentence.
func (p *Param) Expects(s Schema) string { return p.kind().expects(p, s) }

// Known returns all values that a parameter takes on a dataset if they are strings, else
// nil. The caller must not modify them.
func (p *Param) Known(s Schema) []string { return p.kind().known(p, s) }

// Parse converts text, of a command line or a URL, to the JSON value that it stands for.
// Text that is not a valid value becomes a string, which Bind then refuses.
func (p *Param) Parse(text string, s Schema) any { return p.kind().parse(p, text, s) }

// Bounds returns a few valid values for tests of a plugin: the least and the greatest, or
// some of the choices. It may return none.
func (p *Param) Bounds(s Schema) []any { return p.kind().bounds(p, s) }

// Example returns a value that the parameter takes, nil if its type is column.
func (p *Param) Example() any {
	if all := p.Bounds(nil); len(all) > 0 {
		return all[0]
	}
	return nil
}

// JSONSchema returns the JSON schema of the parameter. column returns that of a value of
// the column with this name.
func (p *Param) JSONSchema(column func(name string) map[string]any) map[string]any {
	out := maps.Clone(p.kind().schema(p, column))
	if p.List {
		out = map[string]any{"anyOf": []map[string]any{out, ListSchema(out)}}
	}
	for key, text := range map[string]string{"title": p.Title, "description": p.Description} {
		if text != "" {
			out[key] = text // JSON Schema 2020-12 allows it beside $ref
		}
	}
	if p.Default != nil {
		out["default"] = p.Default
	}
	return out
}

// ListSchema returns the JSON schema of a list of values.
func ListSchema(one map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": maps.Clone(one), "minItems": 1, "maxItems": maxList}
}

func (p *Param) bad(v any, s Schema) *Error {
	return Errorf(CodeBadParameter, "%q is %s; it takes %s", p.Name, describe(v), p.Expects(s)).WithParam(p.Name)
}

// ParseNumber converts text to a JSON number, or returns it as it is.
func ParseNumber(text string) any {
	if _, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}

// anyParam has what most types have in common.
type anyParam struct{}

func (anyParam) keys() []string                            { return nil }
func (anyParam) check(*Manifest, *Param, string) *Error    { return nil }
func (anyParam) adapt(*Param, Schema, map[string]string)   {}
func (anyParam) known(*Param, Schema) []string             { return nil }
func (anyParam) parse(_ *Param, text string, _ Schema) any { return text }

// columnParam is a value that occurs in a column.
type columnParam struct{}

func (columnParam) keys() []string { return []string{"column", "select"} }

func (columnParam) check(m *Manifest, p *Param, at string) *Error {
	if !slices.ContainsFunc(m.Columns, func(c ColumnNeed) bool { return c.Name == p.Column }) {
		return badManifest(`%s takes a value of the column %q, which "columns" does not list`, at, p.Column)
	}
	return nil
}

func (columnParam) adapt(p *Param, s Schema, _ map[string]string) {
	c, ok := s.Column(p.Column)
	if !ok {
		return
	}
	if c.Name != p.Column {
		p.Title, p.Description = cmp.Or(c.Title, c.Name), ""
	}
	if p.Required && c.Type == String && len(c.Dict) == 1 {
		p.Required, p.Default = false, c.Dict[0]
	}
	if d, ok := s.(columnDefaults); ok && !p.Required && p.Default == nil {
		value := columnParam{}.parse(p, d.Default(c.Name), s)
		if _, err := p.values(value, s); err == nil && value != "" {
			p.Default = value
		}
	}
}

func (columnParam) expects(p *Param, s Schema) string {
	name := p.Column
	if c, ok := s.Column(name); ok {
		name = c.Name
	}
	return fmt.Sprintf("a value of the column %q", name)
}

func (columnParam) known(p *Param, s Schema) []string {
	if c, ok := s.Column(p.Column); ok {
		return c.Dict
	}
	return nil
}

func (columnParam) bind(p *Param, v any, s Schema) (uint64, *Error) {
	c, ok := s.Column(p.Column)
	if !ok {
		return 0, Errorf(CodeInternal, "the dataset has no column %q", p.Column)
	}
	return columnValue(p.Name, c, v)
}

func (columnParam) parse(p *Param, text string, s Schema) any {
	if c, ok := s.Column(p.Column); ok && c.Type != String {
		return ParseNumber(text)
	}
	return text
}

func (columnParam) bounds(p *Param, s Schema) []any {
	c, ok := s.Column(p.Column)
	if !ok {
		return nil
	}
	least, greatest := -1, -1
	for row := range c.Len() {
		if v := c.Value(row); v == nil || v == "" {
			continue
		}
		if least < 0 || c.less(row, least) {
			least = row
		}
		if greatest < 0 || c.less(greatest, row) {
			greatest = row
		}
	}
	if least < 0 {
		return nil
	}
	return []any{c.JSONValue(least), c.JSONValue(greatest)}
}

func (columnParam) schema(p *Param, column func(string) map[string]any) map[string]any {
	return column(p.Column)
}

// choiceParam is one of a list of strings.
type choiceParam struct{ anyParam }

func (choiceParam) keys() []string { return []string{"choices"} }

func (choiceParam) check(_ *Manifest, p *Param, at string) *Error {
	if len(p.Choices) == 0 || len(p.Choices) > MaxQuestions {
		return badManifest(`%s: "choices" has %d entries; it takes 1 to %d`, at, len(p.Choices), MaxQuestions)
	}
	for i, c := range p.Choices {
		if c == "" || slices.Contains(p.Choices[:i], c) {
			return badManifest("%s: choice %q is empty or a duplicate", at, c)
		}
		if err := checkLine(at+" choice", c); err != nil {
			return err
		}
	}
	return nil
}

func (choiceParam) adapt(p *Param, _ Schema, defaults map[string]string) {
	if value, ok := defaults[p.Name]; ok && !p.Required && p.Default == nil && slices.Contains(p.Choices, value) {
		p.Default = value
	}
}

func (choiceParam) expects(p *Param, _ Schema) string { return "one of " + quoteSome(p.Choices) }

func (choiceParam) known(p *Param, _ Schema) []string { return p.Choices }

func (choiceParam) bind(p *Param, v any, s Schema) (uint64, *Error) {
	text, ok := v.(string)
	if !ok {
		return 0, p.bad(v, s)
	}
	i := slices.Index(p.Choices, text)
	if i < 0 {
		return 0, Errorf(CodeUnknownValue, "%q is %s; it is one of %s", p.Name, abbreviate(text), quoteSome(p.Choices)).
			WithParam(p.Name, Nearest(text, p.Choices)...)
	}
	return uint64(i), nil
}

func (choiceParam) bounds(p *Param, _ Schema) (out []any) {
	for _, c := range p.Choices[:min(len(p.Choices), 8)] {
		out = append(out, c)
	}
	return out
}

func (choiceParam) schema(p *Param, _ func(string) map[string]any) map[string]any {
	return map[string]any{"type": "string", "enum": p.Choices}
}

// numberParam is a float64, or an int64.
type numberParam struct {
	anyParam

	integer bool
}

func (numberParam) keys() []string { return []string{"min", "max"} }

func (numberParam) check(_ *Manifest, p *Param, at string) *Error {
	if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
		return badManifest(`%s: "min" is above "max"`, at)
	}
	return nil
}

func (t numberParam) expects(p *Param, _ Schema) string {
	what := "a number"
	if t.integer {
		what = "an integer"
	}
	if p.Min != nil {
		what += " from " + strconv.FormatFloat(*p.Min, 'g', -1, 64)
	}
	if p.Max != nil {
		what += " up to " + strconv.FormatFloat(*p.Max, 'g', -1, 64)
	}
	return what
}

func (t numberParam) bind(p *Param, v any, s Schema) (uint64, *Error) {
	f, ok := number(v)
	bits := math.Float64bits(f)
	if t.integer {
		var n int64
		n, ok = integer(v)
		f, bits = float64(n), uint64(n)
	}
	if !ok || p.Min != nil && f < *p.Min || p.Max != nil && f > *p.Max {
		return 0, p.bad(v, s)
	}
	return bits, nil
}

func (numberParam) parse(_ *Param, text string, _ Schema) any { return ParseNumber(text) }

func (t numberParam) bounds(p *Param, _ Schema) (out []any) {
	add := func(end *float64, round func(float64) float64) {
		switch {
		case end == nil:
		case t.integer:
			out = append(out, json.Number(strconv.FormatInt(int64(round(*end)), 10)))
		default:
			out = append(out, *end)
		}
	}
	if p.Min == nil && (p.Max == nil || *p.Max >= 0) {
		out = append(out, 0.0)
	}
	add(p.Min, math.Ceil)
	add(p.Max, math.Floor)
	return out
}

func (t numberParam) schema(p *Param, _ func(string) map[string]any) map[string]any {
	out := map[string]any{"type": string(p.Type)}
	if t.integer {
		out["minimum"], out["maximum"] = math.MinInt64, math.MaxInt64
	}
	if p.Min != nil {
		out["minimum"] = *p.Min
	}
	if p.Max != nil {
		out["maximum"] = *p.Max
	}
	return out
}

// booleanParam is true or false.
type booleanParam struct{ anyParam }

func (booleanParam) expects(*Param, Schema) string { return "true or false" }

func (booleanParam) bind(p *Param, v any, s Schema) (uint64, *Error) {
	on, ok := v.(bool)
	switch {
	case !ok:
		return 0, p.bad(v, s)
	case on:
		return 1, nil
	default:
		return 0, nil
	}
}

func (booleanParam) parse(_ *Param, text string, _ Schema) any {
	if on, err := strconv.ParseBool(text); err == nil {
		return on
	}
	return text
}

func (booleanParam) bounds(*Param, Schema) []any { return []any{false, true} }

func (booleanParam) schema(*Param, func(string) map[string]any) map[string]any {
	return map[string]any{"type": "boolean"}
}

// less reports whether the value of row a of a dataset's column is below that of row b.
// Both must be present.
func (c *Column) less(a, b int) bool {
	switch c.Type {
	case Number:
		return c.Numbers[a] < c.Numbers[b]
	case Integer:
		return c.Integers[a] < c.Integers[b]
	default:
		return c.Codes[a] < c.Codes[b]
	}
}

// JSONValue returns row i as Request.Params holds it: float64, json.Number, string, or nil
// if it is missing. It shares no memory with the column.
func (c *Column) JSONValue(i int) any {
	switch v := c.Value(i).(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case string:
		return strings.Clone(v)
	default:
		return v
	}
}
