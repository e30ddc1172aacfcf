package question

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Example is the body of a request that shows a question at its best: values of parameters
// by name and, under "where", conditions. Every required parameter has a value. Hosts that
// came before the key ignore it, so nothing in it makes this one refuse a plugin: an
// example with a fault is dropped. See HintFaults.
type Example map[string]any

// maxExample bounds the JSON of an example, in bytes.
const maxExample = 16 << 10

// UnmarshalJSON never fails: it drops what is not the body of a request.
func (e *Example) UnmarshalJSON(text []byte) error {
	*e, _ = parseExample(text)
	return nil
}

func parseExample(text []byte) (Example, error) {
	if len(text) > maxExample {
		return nil, fmt.Errorf("it has %d bytes; at most %d", len(text), maxExample)
	}
	req, err := ParseRequest("", text)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.Replace(AsError(err).Reason, "the body", "it", 1))
	}
	e := Example(req.Params)
	if len(req.Where) > 0 {
		e[WhereParam] = req.Where
	}
	return e, nil
}

// ExampleRequest returns the request that the manifest gives as an example of the
// question, false if it gives none. The caller must not modify it.
func (q *Question) ExampleRequest() (Request, bool) {
	if q.Example == nil {
		return Request{}, false
	}
	req := Request{Question: q.Name}
	for name, v := range q.Example {
		if where, ok := v.(map[string]any); ok && name == WhereParam {
			req.Where = where
			continue
		}
		if req.Params == nil {
			req.Params = map[string]any{}
		}
		req.Params[name] = v
	}
	return req, true
}

// HintFaults returns what is wrong with the hints in the text of a manifest that
// ParseManifest took, whatever the dataset: examples, and what columns show. Such hints are
// not used.
func HintFaults(b []byte) []*Error {
	var given struct {
		Questions []struct {
			Example json.RawMessage `json:"example"`
		} `json:"questions"`
	}
	m, err := decodeManifest(b)
	if err != nil || json.Unmarshal(b, &given) != nil {
		return nil
	}
	var out []*Error
	for i := range m.Questions {
		q := &m.Questions[i]
		for at, c := range q.Result.Columns() {
			if err := q.Result.showsFault(at); err != nil {
				out = append(out, badManifest("questions[%d] (%s): result column %q: its key shows: %s", i, q.Name, c.Name, err))
			}
		}
		if text := given.Questions[i].Example; len(text) == 0 || string(text) == "null" {
			continue
		}
		_, err := parseExample(given.Questions[i].Example)
		if err == nil {
			err = m.exampleFault(q)
		}
		if err != nil {
			out = append(out, badManifest("questions[%d] (%s): its example: %s", i, q.Name, err))
		}
	}
	return out
}

// dropExamples drops the examples that have a fault.
func (m *Manifest) dropExamples() {
	for i := range m.Questions {
		if q := &m.Questions[i]; q.Example != nil && m.exampleFault(q) != nil {
			q.Example = nil
		}
	}
}

// exampleFault returns what is wrong with the example of a question, whatever the dataset.
func (m *Manifest) exampleFault(q *Question) error {
	if text := hidden(map[string]any(q.Example)); text != "" {
		return fmt.Errorf("%s has a control or invisible character; remove it", abbreviate(text))
	}
	req, _ := q.ExampleRequest()
	for _, name := range slices.Sorted(maps.Keys(req.Params)) {
		at := slices.IndexFunc(q.Params, func(p Param) bool { return p.Name == name })
		if at < 0 {
			return fmt.Errorf("%s", unknownParameter(q, name).Reason)
		}
		if err := m.exampleValue(&q.Params[at], req.Params[name]); err != nil {
			return err
		}
	}
	for i := range q.Params {
		if p := &q.Params[i]; p.Required && req.Params[p.Name] == nil {
			return fmt.Errorf("it lacks the required parameter %q", p.Name)
		}
	}
	return nil
}

// exampleValue checks an example's value of a parameter. Of a column only the type is
// known.
func (m *Manifest) exampleValue(p *Param, given any) error {
	need := slices.IndexFunc(m.Columns, func(c ColumnNeed) bool { return p.Column != "" && c.Name == p.Column })
	if need < 0 {
		if _, err := p.values(given, nil); err != nil {
			return fmt.Errorf("%s", err.Reason)
		}
		return nil
	}
	list, isList := given.([]any)
	switch {
	case !isList:
		list = []any{given}
	case !p.List || len(list) == 0 || len(list) > maxList:
		return fmt.Errorf("%q is a list of %d values", p.Name, len(list))
	}
	for _, v := range list {
		fits := false
		switch m.Columns[need].Type {
		case String:
			text, ok := v.(string)
			fits = ok && text != ""
		case Integer:
			_, fits = integer(v)
		default:
			_, fits = number(v)
		}
		if !fits {
			return fmt.Errorf("%q is %s; the column %q has the type %s", p.Name, describe(v), p.Column, m.Columns[need].Type)
		}
	}
	return nil
}

// hidden returns the first text in a JSON value that has an invisible character, else "".
func hidden(v any) string {
	switch v := v.(type) {
	case string:
		if strings.ContainsFunc(v, Invisible) {
			return v
		}
	case []any:
		for _, element := range v {
			if text := hidden(element); text != "" {
				return text
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if text := hidden(name); text != "" {
				return text
			}
			if text := hidden(v[name]); text != "" {
				return text
			}
		}
	}
	return ""
}
