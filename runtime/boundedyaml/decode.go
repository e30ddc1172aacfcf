package boundedyaml

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// KeyError is an error in the value of one key.
type KeyError struct {
	Line   int    // of the key, or of the nearest one around it; 0 if unknown
	Key    string // such as columns[3].type; "" is the whole document
	Reason string // what is wrong, and what would be valid
}

// Error implements error: "line 4: columns[3].type: it is missing".
func (e *KeyError) Error() string {
	text := e.Reason
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Lines are the lines of a document by key.
type Lines map[string]int

// Locate sets the line of e to that of its key or, if the document does not have it, of
// the nearest key around it. It returns e.
func (l Lines) Locate(e *KeyError) *KeyError {
	for key := e.Key; key != "" && e.Line == 0; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		e.Line = l[key]
	}
	return e
}

// Decode stores the document in b, at most one, in v, a pointer to a struct whose fields
// have their keys in `json` tags. It is strict: unknown and duplicate keys and values of
// another type are errors, mostly a *KeyError, that name the line, the key and what would
// be valid. Numbers and booleans are not texts, except in lists of texts, where NA, null
// and -999 need no quotes, and for an encoding.TextUnmarshaler. A struct with the method
// SetBool(bool) may also be written as true or false. A field of the type any takes whatever
// JSON can say, as a decoder of JSON stores it, with numbers as json.Number. An empty document
// changes nothing, and a section without entries, such as one whose entries are all comments,
// counts as missing.
func Decode(b []byte, v any) (Lines, error) {
	bodies, err := parse(b)
	if err != nil {
		return nil, err
	}
	to := reflect.ValueOf(v).Elem()
	switch len(bodies) {
	case 0:
		return Lines{}, nil
	case 1:
	default:
		return nil, fmt.Errorf("it holds %d YAML documents; at most one", len(bodies))
	}
	d := decoder{lines: Lines{}}
	d.value("", bodies[0], to)
	if d.err != nil {
		return nil, d.lines.Locate(d.err)
	}
	return d.lines, nil
}

// decoder keeps the first error; what it decodes after that has no effect.
type decoder struct {
	lines Lines
	err   *KeyError
}

func (d *decoder) failf(key, format string, args ...any) {
	if d.err == nil {
		d.err = &KeyError{Key: key, Reason: fmt.Sprintf(format, args...)}
	}
}

// switchable is a struct that may also be written as true or false.
type switchable interface{ SetBool(on bool) }

func (d *decoder) value(key string, n ast.Node, to reflect.Value) {
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](to.Addr()); ok {
		if text, ok := d.scalar(key, n); ok {
			if err := u.UnmarshalText([]byte(text)); err != nil {
				d.failf(key, "%s", err)
			}
		}
		return
	}
	switch to.Kind() {
	case reflect.String:
		d.text(key, n, to)
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			to.SetBool(b.Value)
		} else {
			d.failf(key, "it is %s; it must be true or false", describe(n))
		}
	case reflect.Int:
		text, _ := d.scalar(key, n)
		if v, err := strconv.Atoi(text); err == nil {
			to.SetInt(int64(v))
		} else {
			d.failf(key, "it is %s; it must be a whole number", describe(n))
		}
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		d.value(key, n, to.Elem())
	case reflect.Interface:
		if v := d.any(key, n); v != nil {
			to.Set(reflect.ValueOf(v))
		}
	case reflect.Slice:
		d.list(key, n, to)
	case reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
		d.mapping(key, n, nil, func(name, key string, n ast.Node) {
			v := reflect.New(to.Type().Elem()).Elem()
			d.entry(key, n, v)
			to.SetMapIndex(reflect.ValueOf(name), v)
		})
	case reflect.Struct:
		d.structure(key, n, to)
	default:
		panic("boundedyaml: cannot decode a " + to.Type().String())
	}
}

// any returns a value of JSON: nil, bool, string, json.Number, []any or map[string]any.
func (d *decoder) any(key string, n ast.Node) any {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return n.Value
	case *ast.StringNode, *ast.LiteralNode:
		text, _ := d.scalar(key, n)
		// The library takes 1e9 for a text, which YAML does not.
		if n.GetToken().Type == token.StringType && json.Valid([]byte(text)) {
			return json.Number(text)
		}
		return text
	case *ast.IntegerNode, *ast.FloatNode:
		if text := n.GetToken().Value; json.Valid([]byte(text)) {
			return json.Number(text)
		}
	case *ast.SequenceNode:
		out := []any{}
		d.list(key, n, reflect.ValueOf(&out).Elem())
		return out
	case *ast.MappingNode, *ast.MappingValueNode:
		out := map[string]any{}
		d.value(key, n, reflect.ValueOf(&out).Elem())
		return out
	}
	d.failf(key, "it is %s; it must be a value as in JSON, such as 2020, -0.5, 1e9, \"text\", true, a list or a mapping", describe(n))
	return nil
}

func (d *decoder) structure(key string, n ast.Node, to reflect.Value) {
	names, fields := make([]string, 0, to.NumField()), map[string]reflect.Value{}
	for i := range to.NumField() {
		if name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ","); name != "-" {
			names, fields[name] = append(names, name), to.Field(i)
		}
	}
	if s, ok := reflect.TypeAssert[switchable](to.Addr()); ok {
		entries, isMapping := entriesOf(n)
		if b, isBool := n.(*ast.BoolNode); isBool {
			s.SetBool(b.Value)
			return
		}
		if !isMapping || len(entries) == 0 {
			d.failf(key, "it is %s; it must be true or false, or a mapping with the keys %s", describe(n), strings.Join(names, ", "))
		}
	}
	d.mapping(key, n, names, func(name, key string, n ast.Node) { d.entry(key, n, fields[name]) })
}

// entry decodes the value of a key. An empty value of a struct or a map leaves it as it is.
func (d *decoder) entry(key string, n ast.Node, to reflect.Value) {
	_, isEmpty := n.(*ast.NullNode)
	_, isSwitch := reflect.TypeAssert[switchable](to.Addr())
	_, isText := reflect.TypeAssert[encoding.TextUnmarshaler](to.Addr())
	if isEmpty && !isSwitch && !isText && (to.Kind() == reflect.Struct || to.Kind() == reflect.Map) {
		return
	}
	d.value(key, n, to)
}

// mapping calls set for each entry, with its name and its full key. known are the valid
// names; nil allows any. The parser has refused duplicate keys.
func (d *decoder) mapping(at string, n ast.Node, known []string, set func(name, key string, n ast.Node)) {
	keys := ""
	if known != nil {
		keys = " with the keys " + strings.Join(known, ", ")
	}
	entries, ok := entriesOf(n)
	if !ok {
		d.failf(at, "it is %s; it must be a mapping%s", describe(n), keys)
	}
	for _, e := range entries {
		text, ok := e.Key.(*ast.StringNode)
		if !ok {
			d.failf(at, "%s cannot be a key; put it in quotes if you mean text", describe(e.Key))
			d.err.Line = line(e.Key)
			return
		}
		key := text.Value
		if at != "" {
			key = at + "." + key
		}
		d.lines[key] = line(e.Key)
		if known != nil && !slices.Contains(known, text.Value) {
			d.failf(key, "unknown key; the keys are %s", strings.Join(known, ", "))
		}
		if d.err != nil {
			return
		}
		set(text.Value, key, e.Value)
	}
}

func entriesOf(n ast.Node) (entries []*ast.MappingValueNode, ok bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	default:
		return nil, false
	}
}

func (d *decoder) list(key string, n ast.Node, to reflect.Value) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.failf(key, "it is %s; it must be a list", describe(n))
		return
	}
	for i, n := range s.Values {
		at := fmt.Sprintf("%s[%d]", key, i)
		d.lines[at] = line(n)
		v := reflect.New(to.Type().Elem()).Elem()
		if v.Kind() == reflect.String {
			text, _ := d.scalar(at, n)
			v.SetString(text)
		} else {
			d.value(at, n, v)
		}
		if d.err != nil {
			return
		}
		to.Set(reflect.Append(to, v))
	}
}

func (d *decoder) text(key string, n ast.Node, to reflect.Value) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		d.failf(key, "it is %s; put it in quotes if you mean text", describe(n))
	case *ast.StringNode, *ast.LiteralNode:
		text, _ := d.scalar(key, n)
		to.SetString(text)
	default:
		d.failf(key, "it is %s; it must be text", describe(n))
	}
}

// scalar returns the text of a single value as it is written.
func (d *decoder) scalar(key string, n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.NullNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		d.failf(key, "it is %s; it must be text", describe(n))
		return "", false
	}
}

func line(n ast.Node) int {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		n = m.Values[0].Key // a block mapping's own token is its first colon
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.StringNode:
		return fmt.Sprintf("the text %.100q", n.Value)
	case *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return fmt.Sprintf("the number %.100q", n.GetToken().Value)
	case *ast.BoolNode:
		return fmt.Sprintf("the boolean %t", n.Value)
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	default:
		return "something else"
	}
}
