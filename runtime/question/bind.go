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

// Schema is what binding a request needs of a dataset.
type Schema interface {
	// Column returns the column with this name or alias.
	Column(name string) (*Column, bool)
	// Columns returns all columns, in the dataset's order.
	Columns() []Column
}

// BoundRequest is a request that has been checked against a manifest and a dataset and
// can be answered.
type BoundRequest struct {
	Index    int         // of the question in the manifest
	Question *Question   // owned by the manifest
	Args     []Arg       // one per parameter, in the manifest's order
	Where    []Condition // all must hold: the request's `where` and the select parameters
}

// Arg is the value of one parameter in the plugin contract's encoding (abi.Param):
// a zero-extended dictionary code, an int64, the bits of a float64, the index of a
// choice, or 0 or 1. It is empty when the parameter was left out and has several
// entries for a list.
type Arg struct{ Values []uint64 }

// maxList bounds the number of values in one list, of a parameter or of a `where`.
const maxList = 1024

// maxDepth bounds the levels of a body; a request has three.
const maxDepth = 16

// maxHints bounds the number of suggestions in an error.
const maxHints = 5

// firstOf returns the first values for an error.
func firstOf(values []string) []string { return values[:min(len(values), maxHints)] }

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
				`"where" is %s; it is an object such as {"year": 2020}`, describe(w)).WithParam(WhereParam)
		}
		delete(params, WhereParam)
	}
	return req, nil
}

// decodeObject decodes exactly one JSON object, with its numbers as json.Number. It
// refuses duplicate names within one object, because parsers disagree on which value wins.
func decodeObject(body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, Errorf(CodeMalformedJSON, `the body is empty; send a JSON object, or {} if no parameter is required`)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	v, err := decodeValue(dec, 0)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return nil, e
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, Errorf(CodeMalformedJSON, "the body is not JSON: %s", jsonReason(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Errorf(CodeMalformedJSON, "there is text after the JSON object, at byte %d", dec.InputOffset())
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, Errorf(CodeMalformedJSON, "the body is %s; it must be a JSON object", describe(v))
	}
	return m, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	open, nested := token.(json.Delim)
	if !nested {
		return token, nil
	}
	if depth == maxDepth {
		return nil, Errorf(CodeMalformedJSON, "the body has more than %d levels, at byte %d", maxDepth, dec.InputOffset())
	}
	object, list := map[string]any{}, []any{}
	for dec.More() {
		name := ""
		if open == '{' {
			if token, err = dec.Token(); err != nil {
				return nil, err
			}
			name, _ = token.(string)
			if _, duplicate := object[name]; duplicate {
				return nil, Errorf(CodeMalformedJSON, "duplicate name %s in one object, at byte %d", abbreviate(name), dec.InputOffset())
			}
		}
		v, err := decodeValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		if open == '{' {
			object[name] = v
		} else {
			list = append(list, v)
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return nil, err
	}
	if open == '{' {
		return object, nil
	}
	return list, nil
}

// Bind checks a request against the manifest and the dataset. Its error describes the
// first fault, in the order of declaration, with the parameter and with values that
// would be valid. The codes are CodeUnknownQuestion, CodeUnknownParameter,
// CodeMissingParameter, CodeBadParameter and CodeUnknownValue.
func (m *Manifest) Bind(req Request, s Schema) (*BoundRequest, error) {
	q, index, ok := m.Find(req.Question)
	if !ok {
		return nil, UnknownQuestion(req.Question, m.Names())
	}
	if lacks := m.Lacks(q, s); lacks != nil {
		return nil, (&UnfitQuestion{Name: q.Name, Lacks: lacks}).Error()
	}
	var last []int // parameters whose value is the latest
	b := &BoundRequest{Index: index, Question: q, Args: make([]Arg, len(q.Params))}
	for _, name := range slices.Sorted(maps.Keys(req.Params)) {
		if !slices.ContainsFunc(q.Params, func(p Param) bool { return p.Name == name }) {
			return nil, unknownParameter(q, name)
		}
	}
	for i := range q.Params {
		p := &q.Params[i]
		given, ok := req.Params[p.Name]
		if p.Absent {
			if ok && given != nil {
				return nil, Errorf(CodeBadParameter, "%q takes a value of the column %q, which this dataset does not have; leave it out", p.Name, p.Column).WithParam(p.Name)
			}
			continue
		}
		if !ok || given == nil {
			if p.Required {
				return nil, Errorf(CodeMissingParameter, "%q is required: %s", p.Name, p.Expects(s)).WithParam(p.Name, firstOf(p.Known(s))...)
			}
			if p.Default == nil {
				if takesLatest(p, s) {
					last = append(last, i)
				}
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
	for _, i := range last {
		if err := b.setLatest(i, s); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// takesLatest reports whether a parameter that was left out gets the latest value.
func takesLatest(p *Param, s Schema) bool {
	d, ok := s.(columnDefaults)
	if !ok || p.Column == "" || p.List {
		return false
	}
	c, ok := s.Column(p.Column)
	return ok && c.Type == Integer && d.Default(c.Name) == latest
}

// setLatest sets parameter i to the latest value that the other conditions leave. If they
// leave none, it stays left out.
func (b *BoundRequest) setLatest(i int, s Schema) *Error {
	p := &b.Question.Params[i]
	c, _ := s.Column(p.Column)
	value, ok := s.(columnDefaults).Greatest(c.Name, b.Where)
	if !ok {
		return nil
	}
	b.Args[i].Values = []uint64{uint64(value)}
	if !p.Select {
		return nil
	}
	cond, err := equalTo(p.Name, c, b.Args[i].Values)
	if err == nil {
		b.Where = append(b.Where, cond)
	}
	return err
}

func unknownParameter(q *Question, name string) *Error {
	names := make([]string, 0, len(q.Params)+1)
	for i := range q.Params {
		names = append(names, q.Params[i].Name)
	}
	names = append(names, WhereParam)
	return Errorf(CodeUnknownParameter, "%s takes no parameter %s; it takes %s",
		q.Name, abbreviate(name), strings.Join(names, ", ")).WithParam(name, Nearest(name, names)...)
}

// values converts a JSON value, or a list of them, to the contract's encoding.
func (p *Param) values(given any, s Schema) ([]uint64, *Error) {
	list, isList := given.([]any)
	switch {
	case !isList:
		list = []any{given}
	case !p.List:
		return nil, Errorf(CodeBadParameter, "%q is a list; it takes one value: %s", p.Name, p.Expects(s)).WithParam(p.Name)
	case len(list) == 0 || len(list) > maxList:
		return nil, Errorf(CodeBadParameter, "%q has %d values; it takes 1 to %d", p.Name, len(list), maxList).WithParam(p.Name)
	}
	out := make([]uint64, len(list))
	for i, v := range list {
		var err *Error
		if out[i], err = p.kind().bind(p, v, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// columnValue finds v among the values of a column.
func columnValue(field string, c *Column, v any) (uint64, *Error) {
	bad := func(what string, hint ...string) *Error {
		return Errorf(CodeBadParameter, "%q is %s; the column %q holds %s", field, describe(v), c.Name, what).WithParam(field, hint...)
	}
	switch c.Type {
	case String:
		text, ok := v.(string)
		if !ok {
			return 0, bad("strings", firstOf(c.Dict)...)
		}
		if text == "" {
			return 0, Errorf(CodeBadParameter, "%q is empty; it takes a value of the column %q", field, c.Name).
				WithParam(field, firstOf(c.Dict)...)
		}
		code, ok := slices.BinarySearch(c.Dict, text)
		if !ok {
			return 0, unknownValue(field, c, text)
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

// unknownValue is the error of a text that is no value of a string column. It suggests the
// values that the text lists, or those that are similar, or those that contain it.
func unknownValue(field string, c *Column, text string) *Error {
	err := Errorf(CodeUnknownValue, "%q is %s, which is not one of the %d values of the column %q", field, abbreviate(text), len(c.Dict), c.Name)
	listed := Listed(text, func(one string) string {
		if _, ok := slices.BinarySearch(c.Dict, one); ok {
			return one
		}
		return ""
	})
	similar := Nearest(text, c.Dict)
	switch {
	case listed != nil:
		err.Reason += fmt.Sprintf("; it is %d of them with commas between: give them as a list, or ask for one at a time", len(listed))
		return err.WithParam(field, firstOf(listed)...)
	case len(similar) > 0:
		return err.Suggest(field, similar)
	}
	value, several := Part(text, c.Dict)
	if value != "" {
		several = []string{value}
	}
	if len(several) > 0 {
		err.Reason += fmt.Sprintf("; %d of them contain it", len(several))
	}
	return err.WithParam(field, firstOf(several)...)
}

// equalTo returns the condition that the column has one of the values. field names
// their origin in errors.
func equalTo(field string, c *Column, values []uint64) (Condition, *Error) {
	cond := Condition{Column: c.Name}
	for _, v := range values {
		switch c.Type {
		case String:
			cond.Codes = append(cond.Codes, int32(uint32(v)))
		case Integer:
			f := float64(int64(v))
			if err := checkExactInteger(field, c, f); err != nil {
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

// MaxExact bounds the integers of conditions: from here on a float64 cannot represent all.
const MaxExact = 1 << 53

// checkExactInteger refuses a bound on an integer column that a float64 cannot represent
// exactly, because it would select the wrong rows.
func checkExactInteger(field string, c *Column, f float64) *Error {
	if c.Type != Integer || math.Abs(f) < MaxExact {
		return nil
	}
	return Errorf(CodeBadParameter, "%q is %.0f; conditions on the integer column %q must be below 2^53 (%d), because larger integers are not exact", field, f, c.Name, MaxExact).WithParam(field)
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
		return Condition{}, Errorf(CodeUnknownParameter, "where: %s is not a dimension of the dataset; its dimensions are %s",
			abbreviate(name), strings.Join(names, ", ")).WithParam(field, Nearest(name, names)...)
	}
	if ends, ok := given.(map[string]any); ok {
		return rangeCondition(field, c, ends)
	}
	values, err := (&Param{Name: field, Type: ParamColumn, Column: name, List: true}).values(given, s)
	if err != nil {
		return Condition{}, err
	}
	return equalTo(field, c, values)
}

// rangeCondition checks {"min": a, "max": b}, either of which may be absent.
// Strings compare bytewise.
func rangeCondition(field string, c *Column, ends map[string]any) (Condition, *Error) {
	bad := func(format string, args ...any) (Condition, *Error) {
		return Condition{}, Errorf(CodeBadParameter, format, args...).WithParam(field)
	}
	keys := slices.Sorted(maps.Keys(ends))
	if len(keys) == 0 || slices.ContainsFunc(keys, func(name string) bool { return name != "min" && name != "max" }) {
		return Condition{}, Errorf(CodeBadParameter, `%q has the keys %s; a range has "min", "max" or both`, field, abbreviate(strings.Join(keys, ", "))).
			WithParam(field, "min", "max")
	}
	from, to := 0, len(c.Dict)
	interval := Interval{math.Inf(-1), math.Inf(1)}
	for _, name := range []string{"min", "max"} {
		v, given := ends[name]
		if !given {
			continue
		}
		if c.Type == String {
			text, ok := v.(string)
			if !ok {
				return bad("%q has the bound %s; the column %q holds strings", field, describe(v), c.Name)
			}
			i, found := slices.BinarySearch(c.Dict, text)
			switch {
			case name == "min":
				from = i
			case found:
				to = i + 1
			default:
				to = i
			}
			continue
		}
		f, ok := number(v)
		if !ok {
			return bad("%q has the bound %s; the column %q holds numbers", field, describe(v), c.Name)
		}
		if err := checkExactInteger(field, c, f); err != nil {
			return Condition{}, err
		}
		if name == "min" {
			interval.Min = f
		} else {
			interval.Max = f
		}
	}
	cond := Condition{Column: c.Name}
	switch {
	case c.Type == String && from >= to:
		return cond, Errorf(CodeUnknownValue, "%q holds no value of the column %q", field, c.Name).WithParam(field, firstOf(c.Dict)...)
	case c.Type == String:
		for i := from; i < to; i++ {
			cond.Codes = append(cond.Codes, int32(i))
		}
	case interval.Min > interval.Max:
		return bad("%q has a min above its max", field)
	default:
		cond.Intervals = []Interval{interval}
	}
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
		const most = 40
		text := fmt.Sprint(v)
		if len(text) > most {
			text = fmt.Sprintf("%s... (%d characters)", text[:most], len(text))
		}
		return "the number " + text
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

// Nearest returns the entries of known that are most similar to got, best first and at
// most five: entries that differ only in case, begin with got, contain it, are a few edits
// away, or have words that are.
func Nearest(got string, known []string) []string {
	const maxLen = 256 // of got: the cost of a comparison is the product of the lengths
	if got == "" || len(got) > maxLen {
		return nil
	}
	type candidate struct {
		text string
		cost int
	}
	var found []candidate
	comparisons := 20_000 // of words; a list of any length is searched in some milliseconds
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
			if d, near := edited(low, lk, max(2, len(low)/4)); near {
				cost = 2 + d
			} else if d, near := wordsNear(low, lk, &comparisons); near {
				cost = 3 + d
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

// wordsNear returns the least number of edits, at most a quarter of its length, between
// got and as many consecutive words of a longer text. Both are in lower case. It takes its
// comparisons off those that are left.
func wordsNear(got, text string, left *int) (edits int, near bool) {
	const minLen = 4 // shorter words are near to too many
	n, most := len(strings.Fields(got)), (len(got)+1)/4
	words := strings.Fields(text)
	if len(got) < minLen || len(words) <= n {
		return 0, false
	}
	edits = most + 1
	for i := 0; i < len(words)-n+1 && *left > 0; i++ {
		part := strings.Trim(strings.Join(words[i:i+n], " "), `,.;:()"'`)
		*left--
		if d, near := edited(got, part, edits-1); near {
			edits = d
		}
	}
	return edits, edits <= most
}

// edited returns the number of edits between two texts if it is at most most. Most texts
// are told apart by their lengths alone.
func edited(a, b string, most int) (edits int, near bool) {
	if difference := utf8.RuneCountInString(a) - utf8.RuneCountInString(b); difference > most || -difference > most {
		return 0, false
	}
	edits = levenshtein.ComputeDistance(a, b)
	return edits, edits <= most
}

// UnknownQuestion returns the error of a question that is none of names.
func UnknownQuestion(name string, names []string) *Error {
	return Errorf(CodeUnknownQuestion, "there is no question %s", abbreviate(name)).Suggest("", Nearest(name, names))
}
