package question

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// wherePrefix begins the names of conditions in a query: where.COLUMN, where.COLUMN.min and
// where.COLUMN.max.
const wherePrefix = WhereParam + "."

// ParseQuery reads a request of the question from the query of a URL, without the keys of
// the host. The parameters are given by name, a list by repeating the name. where.COLUMN=v
// is a condition, repeated for any of several values; where.COLUMN.min and where.COLUMN.max
// are a range. A text is converted to the type that the parameter or the column declares.
// An empty value counts as absent, because forms send those. The errors have
// CodeUnknownParameter or CodeBadParameter. The request still has to be bound.
func (q *Question) ParseQuery(values url.Values, s Schema) (Request, error) {
	req := Request{Question: q.Name}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		given := slices.DeleteFunc(slices.Clone(values[name]), func(text string) bool { return text == "" })
		if len(given) == 0 {
			continue
		}
		if rest, ok := strings.CutPrefix(name, wherePrefix); ok {
			if err := req.addCondition(name, rest, given, s); err != nil {
				return Request{}, err
			}
			continue
		}
		at := slices.IndexFunc(q.Params, func(p Param) bool { return p.Name == name })
		if at < 0 {
			return Request{}, unknownParameter(q, name)
		}
		p := &q.Params[at]
		if len(given) > 1 && !p.List {
			return Request{}, Errorf(CodeBadParameter, "%q is given %d times; it takes one value: %s", name, len(given), p.Expects(s)).WithParam(name)
		}
		if req.Params == nil {
			req.Params = map[string]any{}
		}
		req.Params[name] = oneOrList(given, func(text string) any { return p.Parse(text, s) })
	}
	return req, nil
}

// addCondition adds the texts of name, which is wherePrefix and rest, to the request's where.
func (r *Request) addCondition(name, rest string, given []string, s Schema) error {
	column, end := rest, ""
	if _, ok := s.Column(rest); !ok {
		for _, suffix := range []string{"min", "max"} {
			if before, ok := strings.CutSuffix(rest, "."+suffix); ok {
				column, end = before, suffix
			}
		}
	}
	value := func(text string) any {
		if c, ok := s.Column(column); ok && c.Type != String {
			return ParseNumber(text)
		}
		return text
	}
	if r.Where == nil {
		r.Where = map[string]any{}
	}
	before, taken := r.Where[column]
	ends, isRange := before.(map[string]any)
	switch {
	case taken && (!isRange || end == ""):
		return Errorf(CodeBadParameter, "%q and a range are given for the same column; give %s=VALUE, or %s.min=VALUE and %s.max=VALUE",
			wherePrefix+column, wherePrefix+column, wherePrefix+column, wherePrefix+column).WithParam(name)
	case end == "":
		r.Where[column] = oneOrList(given, value)
	case len(given) > 1:
		return Errorf(CodeBadParameter, "%q is given %d times; give it once", name, len(given)).WithParam(name)
	case isRange:
		ends[end] = value(given[0])
	default:
		r.Where[column] = map[string]any{end: value(given[0])}
	}
	return nil
}

func oneOrList(texts []string, value func(string) any) any {
	if len(texts) == 1 {
		return value(texts[0])
	}
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = value(text)
	}
	return list
}

// Canonical returns the one form of all requests that ask the same of a dataset: columns
// have their names, not aliases; numbers are json.Number in their shortest form; parameters
// with their default value are left out; lists of one value are that value; lists of a
// where are sorted, without duplicates. The order of a list parameter stays, because a
// plugin sees it. It shares values with req. Parts of req that Bind refuses stay as they
// are.
func (q *Question) Canonical(req Request, s Schema) Request {
	out := Request{Question: req.Question}
	for name, given := range req.Params {
		at := slices.IndexFunc(q.Params, func(p Param) bool { return p.Name == name })
		if given == nil {
			continue
		}
		if at >= 0 {
			p := &q.Params[at]
			values, err := p.values(given, s)
			if err == nil && p.Default != nil {
				if usual, err := p.values(p.Default, s); err == nil && slices.Equal(usual, values) {
					continue
				}
			}
			if err == nil {
				given = canonicalValue(given)
			}
		}
		if out.Params == nil {
			out.Params = map[string]any{}
		}
		out.Params[name] = given
	}
	if len(req.Where) == 0 {
		return out
	}
	out.Where = make(map[string]any, len(req.Where))
	named := map[string]int{} // how many conditions each column has
	for name := range req.Where {
		if c, ok := s.Column(name); ok {
			named[c.Name]++
		}
	}
	for name, given := range req.Where {
		if _, err := condition(name, given, s); err == nil {
			c, _ := s.Column(name)
			if given = canonicalCondition(c, given); named[c.Name] == 1 {
				name = c.Name
			}
		}
		out.Where[name] = given
	}
	return out
}

// canonicalValue returns a valid value of a parameter.
func canonicalValue(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			return canonicalValue(v[0])
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = canonicalValue(v[i])
		}
		return out
	case string, bool:
		return v
	default:
		return canonicalNumber(v)
	}
}

// canonicalCondition returns a valid entry of a where.
func canonicalCondition(c *Column, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for end, bound := range v {
			if out[end] = canonicalValue(bound); bound == "" { // which a query cannot have
				out[end] = c.Dict[0]
			}
		}
		if out["min"] == out["max"] && out["min"] != nil { // both are there, and the same
			return out["min"]
		}
		return out
	case []any:
		out, _ := canonicalValue(v).([]any)
		if out == nil {
			return canonicalValue(v)
		}
		slices.SortFunc(out, compareValues)
		if out = slices.CompactFunc(out, func(a, b any) bool { return a == b }); len(out) == 1 {
			return out[0]
		}
		return out
	default:
		return canonicalValue(v)
	}
}

// compareValues compares two canonical values of the same column.
func compareValues(a, b any) int {
	if x, ok := a.(string); ok {
		y, _ := b.(string)
		return cmp.Compare(x, y)
	}
	x, _ := number(a)
	y, _ := number(b)
	return cmp.Compare(x, y)
}

// canonicalNumber returns the shortest JSON number that reads back to the same value.
func canonicalNumber(v any) any {
	f, ok := number(v)
	if !ok {
		return v
	}
	if n, ok := integer(v); ok && (n != 0 || !math.Signbit(f)) {
		return json.Number(strconv.FormatInt(n, 10))
	}
	const plain = 1e15 // from here on an exponent is shorter than the zeros
	if abs := math.Abs(f); abs < plain && (abs == 0 || abs >= 1/plain) {
		return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

// Query returns a canonical request as the query of a URL, without the question mark, which
// ParseQuery reads back. The names ascend.
func (r Request) Query() string {
	values := make(url.Values, len(r.Params)+len(r.Where))
	for name, v := range r.Params {
		values[name] = texts(v)
	}
	for column, v := range r.Where {
		ends, isRange := v.(map[string]any)
		if !isRange {
			values[wherePrefix+column] = texts(v)
			continue
		}
		for end, bound := range ends {
			values[wherePrefix+column+"."+end] = texts(bound)
		}
	}
	return values.Encode()
}

// texts returns the texts of a value in a query.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case []any:
		out := make([]string, 0, len(v))
		for _, each := range v {
			out = append(out, texts(each)...)
		}
		return out
	default:
		if n, ok := canonicalNumber(v).(json.Number); ok {
			return []string{string(n)}
		}
		return nil
	}
}

// Digest returns the digest of a canonical request: "sha256:" and 64 hex digits over the
// question's name and Query.
func (r Request) Digest() string {
	sum := sha256.Sum256([]byte("lestats request 1\n" + r.Question + "?" + r.Query()))
	return DigestText(sum[:])
}
