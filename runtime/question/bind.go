package question

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Schema is what binding a request asks of a dataset.
type Schema interface {
	// Column returns the column with this name or alias.
	Column(name string) (*Column, bool)
	// Columns returns all columns, in the dataset's order.
	Columns() []Column
}

// Bound is a request that was checked against a manifest and a dataset: it can
// be answered.
type Bound struct {
	Index    int         // of the question in the manifest
	Question *Question   // owned by the manifest
	Args     []Arg       // one a parameter, in the manifest's order
	Where    []Condition // all must hold: the request's `where` and the select parameters
}

// Arg is one parameter's value as the plugin contract carries it (abi.Param):
// a code zero-extended, an int64, the bits of a float64, the index of a choice,
// 0 or 1. Empty when the parameter was left out, more than one for a list.
type Arg struct{ Values []uint64 }

// maxList bounds the values of one list: of a parameter or in a `where`.
const maxList = 1024

// maxHints bounds what "did you mean" proposes.
const maxHints = 5

// ParseRequest reads the body of an HTTP request: one JSON object that holds
// the parameters by name and, under "where", the conditions. Errors have
// CodeMalformedJSON or CodeBadParameter.
func ParseRequest(question string, body []byte) (Request, error) {
	if !utf8.Valid(body) {
		return Request{}, Errorf(CodeMalformedJSON, "the body is not UTF-8")
	}
	params, err := decodeObject(body)
	if err != nil {
		return Request{}, err
	}
	req := Request{Question: question, Params: params}
	if w, ok := params[WhereParam]; ok {
		req.Where, ok = w.(map[string]any)
		if !ok {
			return Request{}, Errorf(CodeBadParameter,
				`"where" is %s; it is an object such as {"year": 2020}`, describe(w)).About(WhereParam)
		}
		delete(params, WhereParam)
	}
	return req, nil
}

// decodeObject decodes exactly one JSON object, with its numbers as
// json.Number, and refuses a name that stands twice in one object.
func decodeObject(body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, Errorf(CodeMalformedJSON, `the body is empty; send a JSON object, {} where nothing is required`)
	}
	if err := checkUniqueNames(body); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, Errorf(CodeMalformedJSON, "the body is not JSON: %s", jsonReason(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Errorf(CodeMalformedJSON, "something follows the JSON object, at byte %d", dec.InputOffset())
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, Errorf(CodeMalformedJSON, "the body is %s; it must be a JSON object", describe(v))
	}
	return m, nil
}

// checkUniqueNames refuses a name that stands twice in one object: which of the
// two values would win is anybody's guess.
func checkUniqueNames(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil in an array
		value bool            // in an object: a value comes next
	}
	var open []level
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return Errorf(CodeMalformedJSON, "the body is not JSON: %s", jsonReason(err))
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if n := len(open); n > 0 && open[n-1].names != nil {
			top := &open[n-1]
			if top.value = !top.value; top.value {
				name, _ := token.(string)
				if top.names[name] {
					return Errorf(CodeMalformedJSON, "%s stands twice in one object, at byte %d", abbreviate(name), dec.InputOffset())
				}
				top.names[name] = true
			}
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		}
	}
}

// Bind checks a request against the manifest and the dataset. The first thing
// that is wrong, in the order of declaration, is the error: CodeUnknownQuestion,
// CodeUnknownParameter, CodeMissingParameter, CodeBadParameter or
// CodeUnknownValue, with the parameter and what would have been right.
func (m *Manifest) Bind(req Request, s Schema) (*Bound, error) {
	q, index, ok := m.Find(req.Question)
	if !ok {
		names := make([]string, len(m.Questions))
		for i := range m.Questions {
			names[i] = m.Questions[i].Name
		}
		return nil, Errorf(CodeUnknownQuestion, "there is no question %s", abbreviate(req.Question)).
			About("", Nearest(req.Question, names)...)
	}
	b := &Bound{Index: index, Question: q, Args: make([]Arg, len(q.Params))}
	for _, name := range slices.Sorted(maps.Keys(req.Params)) {
		if !slices.ContainsFunc(q.Params, func(p Param) bool { return p.Name == name }) {
			return nil, unknownParameter(q, name)
		}
	}
	for i := range q.Params {
		p := &q.Params[i]
		given, ok := req.Params[p.Name]
		if !ok || given == nil {
			if p.Required {
				return nil, Errorf(CodeMissingParameter, "%q is required: %s", p.Name, p.expects(s)).About(p.Name, p.examples(s)...)
			}
			if p.Default == nil {
				continue
			}
			given = p.Default
		}
		values, err := p.values(given, s)
		if err != nil {
			return nil, err
		}
		b.Args[i].Values = values
		if p.Select {
			c, _ := s.Column(p.Column)
			cond, err := equalTo(p.Name, c, values)
			if err != nil {
				return nil, err
			}
			b.Where = append(b.Where, cond)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(req.Where)) {
		c, err := condition(name, req.Where[name], s)
		if err != nil {
			return nil, err
		}
		b.Where = append(b.Where, c)
	}
	return b, nil
}

func unknownParameter(q *Question, name string) *Error {
	names := make([]string, 0, len(q.Params)+1)
	for i := range q.Params {
		names = append(names, q.Params[i].Name)
	}
	names = append(names, WhereParam)
	return Errorf(CodeUnknownParameter, "%s takes no parameter %s; it takes %s",
		q.Name, abbreviate(name), strings.Join(names, ", ")).About(name, Nearest(name, names)...)
}

// values converts a given JSON value, or a list of them, to what the contract
// carries.
func (p *Param) values(given any, s Schema) ([]uint64, *Error) {
	list, isList := given.([]any)
	switch {
	case !isList:
		list = []any{given}
	case !p.List:
		return nil, Errorf(CodeBadParameter, "%q is a list; it takes one value: %s", p.Name, p.expects(s)).About(p.Name)
	case len(list) == 0 || len(list) > maxList:
		return nil, Errorf(CodeBadParameter, "%q has %d values; 1 to %d", p.Name, len(list), maxList).About(p.Name)
	}
	out := make([]uint64, len(list))
	for i, v := range list {
		var err *Error
		if out[i], err = p.value(v, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *Param) value(v any, s Schema) (uint64, *Error) {
	bad := func() *Error {
		return Errorf(CodeBadParameter, "%q is %s; it takes %s", p.Name, describe(v), p.expects(s)).About(p.Name)
	}
	switch p.Type {
	case ParamColumn:
		c, ok := s.Column(p.Column)
		if !ok {
			return 0, Errorf(CodeInternal, "the dataset has no column %q", p.Column)
		}
		return columnValue(p.Name, c, v)
	case ParamChoice:
		text, ok := v.(string)
		if !ok {
			return 0, bad()
		}
		i := slices.Index(p.Choices, text)
		if i < 0 {
			return 0, Errorf(CodeUnknownValue, "%q is %s; one of %s", p.Name, abbreviate(text), quoteSome(p.Choices)).
				About(p.Name, Nearest(text, p.Choices)...)
		}
		return uint64(i), nil
	case ParamBoolean:
		on, ok := v.(bool)
		if !ok {
			return 0, bad()
		}
		if on {
			return 1, nil
		}
		return 0, nil
	case ParamInteger:
		n, ok := integer(v)
		if !ok {
			return 0, bad()
		}
		if !p.within(float64(n)) {
			return 0, bad()
		}
		return uint64(n), nil
	default:
		f, ok := number(v)
		if !ok || !p.within(f) {
			return 0, bad()
		}
		return math.Float64bits(f), nil
	}
}

func (p *Param) within(f float64) bool {
	return (p.Min == nil || f >= *p.Min) && (p.Max == nil || f <= *p.Max)
}

// expects says what the parameter takes.
func (p *Param) expects(s Schema) string {
	var what string
	switch p.Type {
	case ParamColumn:
		name := p.Column
		if c, ok := s.Column(name); ok {
			name = c.Name
		}
		what = fmt.Sprintf("a value of the column %q", name)
	case ParamChoice:
		what = "one of " + quoteSome(p.Choices)
	case ParamBoolean:
		what = "true or false"
	case ParamInteger:
		what = "an integer"
	default:
		what = "a number"
	}
	if p.Min != nil {
		what += " from " + strconv.FormatFloat(*p.Min, 'g', -1, 64)
	}
	if p.Max != nil {
		what += " up to " + strconv.FormatFloat(*p.Max, 'g', -1, 64)
	}
	return what
}

// examples returns a few values that would have been right.
func (p *Param) examples(s Schema) []string {
	switch p.Type {
	case ParamColumn:
		if c, ok := s.Column(p.Column); ok {
			return c.Dict[:min(len(c.Dict), maxHints)]
		}
	case ParamChoice:
		return p.Choices[:min(len(p.Choices), maxHints)]
	}
	return nil
}

// columnValue finds v among the values of a column.
func columnValue(field string, c *Column, v any) (uint64, *Error) {
	bad := func(what string) *Error {
		return Errorf(CodeBadParameter, "%q is %s; the column %q holds %s", field, describe(v), c.Name, what).About(field)
	}
	switch c.Type {
	case String:
		text, ok := v.(string)
		if !ok {
			return 0, bad("strings").hint(c.Dict[:min(len(c.Dict), maxHints)])
		}
		if text == "" {
			return 0, Errorf(CodeBadParameter, "%q is empty; it takes a value of the column %q", field, c.Name).
				About(field, c.Dict[:min(len(c.Dict), maxHints)]...)
		}
		code, ok := slices.BinarySearch(c.Dict, text)
		if !ok {
			hints := Nearest(text, c.Dict)
			err := Errorf(CodeUnknownValue, "%q is %s, which is none of the %d values of the column %q",
				field, abbreviate(text), len(c.Dict), c.Name).About(field, hints...)
			if len(hints) > 0 {
				err.Reason += fmt.Sprintf("; did you mean %q?", hints[0])
			}
			return 0, err
		}
		return uint64(uint32(code)), nil
	case Integer:
		n, ok := integer(v)
		if !ok {
			return 0, bad("integers")
		}
		return uint64(n), nil
	default:
		f, ok := number(v)
		if !ok {
			return 0, bad("numbers")
		}
		return math.Float64bits(f), nil
	}
}

func (e *Error) hint(values []string) *Error {
	e.Hint = values
	return e
}

// equalTo is the condition that the column has one of the values; field is what asks
// for them.
func equalTo(field string, c *Column, values []uint64) (Condition, *Error) {
	cond := Condition{Column: c.Name}
	for _, v := range values {
		switch c.Type {
		case String:
			cond.Codes = append(cond.Codes, int32(uint32(v)))
		case Integer:
			f := float64(int64(v))
			if err := toldApart(field, c, f); err != nil {
				return Condition{}, err
			}
			cond.Intervals = append(cond.Intervals, Interval{f, f})
		default:
			f := math.Float64frombits(v)
			cond.Intervals = append(cond.Intervals, Interval{f, f})
		}
	}
	slices.Sort(cond.Codes)
	cond.Codes = slices.Compact(cond.Codes)
	return cond, nil
}

// toldApart refuses an end of an interval of integers that a float holds for more than
// one of them: rows would be taken for others.
func toldApart(field string, c *Column, f float64) *Error {
	const exact = 1 << 53
	if c.Type != Integer || math.Abs(f) < exact {
		return nil
	}
	return Errorf(CodeBadParameter, "%q is %.0f; conditions on the column %q, which holds integers, are below 2^53, %d: above, not all are told apart", field, f, c.Name, exact).About(field)
}

// condition checks one entry of a `where`.
func condition(name string, given any, s Schema) (Condition, *Error) {
	field := WhereParam + "." + name
	c, ok := s.Column(name)
	if !ok || c.Role != RoleDimension {
		var names []string
		all := s.Columns()
		for i := range all {
			if all[i].Role == RoleDimension {
				names = append(names, all[i].Name)
			}
		}
		return Condition{}, Errorf(CodeUnknownParameter, "where: %s is no dimension of the dataset; its dimensions are %s",
			abbreviate(name), strings.Join(names, ", ")).About(field, Nearest(name, names)...)
	}
	switch given := given.(type) {
	case map[string]any:
		return rangeCondition(field, c, given)
	case []any:
		if len(given) == 0 || len(given) > maxList {
			return Condition{}, Errorf(CodeBadParameter, "%q has %d values; 1 to %d", field, len(given), maxList).About(field)
		}
		values := make([]uint64, len(given))
		for i, v := range given {
			var err *Error
			if values[i], err = columnValue(field, c, v); err != nil {
				return Condition{}, err
			}
		}
		return equalTo(field, c, values)
	default:
		v, err := columnValue(field, c, given)
		if err != nil {
			return Condition{}, err
		}
		return equalTo(field, c, []uint64{v})
	}
}

// rangeCondition checks {"min": a, "max": b}, either of which may be absent.
// Strings compare bytewise.
func rangeCondition(field string, c *Column, given map[string]any) (Condition, *Error) {
	for name := range given {
		if name != "min" && name != "max" {
			return Condition{}, Errorf(CodeBadParameter, `%q has the key %s; a range has "min", "max" or both`, field, abbreviate(name)).
				About(field, "min", "max")
		}
	}
	lo, hasMin := given["min"]
	hi, hasMax := given["max"]
	if !hasMin && !hasMax {
		return Condition{}, Errorf(CodeBadParameter, `%q is an empty object; a range has "min", "max" or both`, field).About(field, "min", "max")
	}
	cond := Condition{Column: c.Name}
	if c.Type == String {
		from, to := 0, len(c.Dict)
		for _, end := range []struct {
			v   any
			has bool
			set func(string)
		}{
			{lo, hasMin, func(t string) { from, _ = slices.BinarySearch(c.Dict, t) }},
			{hi, hasMax, func(t string) {
				i, found := slices.BinarySearch(c.Dict, t)
				if found {
					i++
				}
				to = i
			}},
		} {
			if !end.has {
				continue
			}
			text, ok := end.v.(string)
			if !ok {
				return Condition{}, Errorf(CodeBadParameter, "%q has the end %s; the column %q holds strings", field, describe(end.v), c.Name).About(field)
			}
			end.set(text)
		}
		if from >= to {
			return Condition{}, Errorf(CodeUnknownValue, "%q holds no value of the column %q", field, c.Name).
				About(field, c.Dict[:min(len(c.Dict), maxHints)]...)
		}
		for i := from; i < to; i++ {
			cond.Codes = append(cond.Codes, int32(i))
		}
		return cond, nil
	}
	iv := Interval{math.Inf(-1), math.Inf(1)}
	for _, end := range []struct {
		v   any
		has bool
		to  *float64
	}{{lo, hasMin, &iv.Min}, {hi, hasMax, &iv.Max}} {
		if !end.has {
			continue
		}
		f, ok := number(end.v)
		if !ok {
			return Condition{}, Errorf(CodeBadParameter, "%q has the end %s; the column %q holds numbers", field, describe(end.v), c.Name).About(field)
		}
		if err := toldApart(field, c, f); err != nil {
			return Condition{}, err
		}
		*end.to = f
	}
	if iv.Min > iv.Max {
		return Condition{}, Errorf(CodeBadParameter, "%q has its min above its max", field).About(field)
	}
	cond.Intervals = []Interval{iv}
	return cond, nil
}

// number converts a JSON number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, finite(v)
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil && finite(f)
	default:
		return 0, false
	}
}

// integer converts a JSON number without a fraction.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n, true
		}
	}
	f, ok := number(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// describe names a JSON value for a message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the string " + abbreviate(v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return fmt.Sprintf("the number %v", v)
	}
}

func quoteSome(values []string) string {
	const most = 12
	var b strings.Builder
	for i, v := range values {
		if i == most {
			fmt.Fprintf(&b, ", ... (%d in all)", len(values))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(v))
	}
	return b.String()
}

// Nearest returns what of known a person who wrote got may have meant, best
// first, at most five: what differs in case only, what begins with or contains
// got, and what is a few typing errors away.
func Nearest(got string, known []string) []string {
	const maxLen = 256 // of got: comparing costs the product of the lengths
	if got == "" || len(got) > maxLen {
		return nil
	}
	type candidate struct {
		text string
		cost int
	}
	var found []candidate
	low := strings.ToLower(got)
	for _, k := range known {
		lk := strings.ToLower(k)
		cost := -1
		switch {
		case lk == low:
			cost = 0
		case len(low) >= 3 && strings.HasPrefix(lk, low):
			cost = 1
		case len(low) >= 3 && strings.Contains(lk, low):
			cost = 2
		case len(lk) <= 2*maxLen:
			if d := levenshtein.ComputeDistance(low, lk); d <= max(2, len(low)/4) {
				cost = 2 + d
			}
		}
		if cost >= 0 {
			found = append(found, candidate{k, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.cost - b.cost })
	var out []string
	for _, c := range found[:min(len(found), maxHints)] {
		out = append(out, c.text)
	}
	return out
}
