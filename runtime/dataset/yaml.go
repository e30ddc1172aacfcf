package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// ParseDescriptor reads a descriptor: one YAML mapping with the keys of
// Descriptor, at most 256 KiB. It is strict: a key that is unknown or stands
// twice, a value of another type, an anchor, and whatever does not make sense are
// errors that name the line, the key and what would have been right.
func ParseDescriptor(b []byte) (*Descriptor, error) {
	bodies, err := boundedyaml.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	if len(bodies) != 1 {
		return nil, fmt.Errorf("descriptor: it holds %d YAML documents; one with the keys %s", len(bodies), strings.Join(descriptorKeys, ", "))
	}
	r := yamlReader{lines: map[string]int{}}
	d := r.descriptor(bodies[0])
	if r.err == nil {
		r.err = d.check()
	}
	if r.err != nil {
		return nil, r.located()
	}
	return d, nil
}

// The keys of a descriptor, and those of a column.
const (
	keyName      = "name"
	keyTitle     = "title"
	keySource    = "source"
	keyLicense   = "license"
	keySynthetic = "synthetic"
	keySort      = "sort"
	keyRoles     = "roles"
	keyColumns   = "columns"
	keyType      = "type"
	keyUnit      = "unit"
	keyRole      = "role"
	keyHeader    = "header"
	keyAliases   = "aliases"
	keyMissing   = "missing"
	keyColumn    = "column"
	keyValue     = "value"
)

var (
	descriptorKeys = []string{keyName, keyTitle, keySource, keyLicense, keySynthetic, keyHeader, keyMissing, keySort, keyRoles, keyColumns}
	roleKeys       = []string{"group", "measure", "indicator", "category", "stratum", bestParam}
	syntheticKeys  = []string{keyColumn, keyValue}
	columnKeys     = []string{keyName, keyTitle, keyType, keyUnit, keyRole, keyHeader, keyAliases, keyMissing}
)

// yamlReader turns a YAML tree into a Descriptor. After the first error, which it
// keeps, it reads on without effect.
type yamlReader struct {
	lines map[string]int // of each key that was there
	err   *keyError
}

// located is the error with the line of its key, or of the key around it.
func (r *yamlReader) located() error {
	for key := r.err.key; key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		if line, ok := r.lines[key]; ok {
			return fmt.Errorf("descriptor: line %d: %s: %s", line, r.err.key, r.err.reason)
		}
	}
	return r.err
}

func (r *yamlReader) failf(key, format string, args ...any) {
	if r.err == nil {
		r.err = &keyError{key, fmt.Sprintf(format, args...)}
	}
}

func (r *yamlReader) descriptor(n ast.Node) *Descriptor {
	var d Descriptor
	r.mapping("", n, descriptorKeys, func(name, key string, v ast.Node) {
		switch name {
		case keyName:
			d.Name = r.text(key, v)
		case keyTitle:
			d.Title = r.text(key, v)
		case keySource:
			d.Source = r.text(key, v)
		case keyLicense:
			d.License = r.text(key, v)
		case keySynthetic:
			d.Synthetic = r.synthetic(key, v)
		case keyHeader:
			d.Header = new(r.boolean(key, v))
		case keyMissing:
			d.Missing = r.scalars(key, v)
		case keySort:
			d.Sort = r.text(key, v)
		case keyRoles:
			d.Roles = r.roles(key, v)
		case keyColumns:
			r.sequence(key, v, func(key string, v ast.Node) {
				d.Columns = append(d.Columns, r.column(key, v))
			})
		}
	})
	return &d
}

func (r *yamlReader) roles(at string, n ast.Node) *Roles {
	var roles Roles
	r.mapping(at, n, roleKeys, func(name, key string, v ast.Node) {
		if name == bestParam {
			roles.Best = r.text(key, v)
			return
		}
		for _, p := range parts {
			if p.key == name {
				*p.of(&roles) = r.text(key, v)
			}
		}
	})
	return &roles
}

func (r *yamlReader) column(at string, n ast.Node) Column {
	var c Column
	r.mapping(at, n, columnKeys, func(name, key string, v ast.Node) {
		switch name {
		case keyName:
			c.Name = r.text(key, v)
		case keyTitle:
			c.Title = r.text(key, v)
		case keyType:
			c.Type = question.Type(r.text(key, v))
		case keyUnit:
			c.Unit = r.text(key, v)
		case keyRole:
			c.Role = question.Role(r.text(key, v))
		case keyHeader:
			c.Header = r.text(key, v)
		case keyAliases:
			c.Aliases = r.texts(key, v)
		case keyMissing:
			c.Missing = r.scalars(key, v)
		}
	})
	return c
}

// synthetic is true, false, or a mapping.
func (r *yamlReader) synthetic(at string, n ast.Node) Synthetic {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return Synthetic{All: r.boolean(at, n)}
	}
	var s Synthetic
	r.mapping(at, n, syntheticKeys, func(name, key string, v ast.Node) {
		if name == keyColumn {
			s.Column = r.text(key, v)
		} else {
			s.Value = r.text(key, v)
		}
	})
	for _, k := range []struct{ name, text string }{{keyColumn, s.Column}, {keyValue, s.Value}} {
		if strings.TrimSpace(k.text) == "" {
			r.failf(at+"."+k.name, "it is missing; the header of a column, and the value in it that marks generated figures")
		}
	}
	return s
}

// texts is a list of texts.
func (r *yamlReader) texts(key string, n ast.Node) (out []string) {
	r.sequence(key, n, func(key string, v ast.Node) { out = append(out, r.text(key, v)) })
	return out
}

// scalars is a list of texts that may stand without quotes although they look like
// something else: NA, null, -999.
func (r *yamlReader) scalars(key string, n ast.Node) (out []string) {
	r.sequence(key, n, func(key string, v ast.Node) {
		switch v := v.(type) {
		case *ast.NullNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
			out = append(out, v.GetToken().Value)
		default:
			out = append(out, r.text(key, v))
		}
	})
	return out
}

// mapping calls set for each entry, with its name and its whole key. That a key
// stands there once, the parser has seen to.
func (r *yamlReader) mapping(at string, n ast.Node, known []string, set func(name, key string, v ast.Node)) {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	default:
		where := at
		if where == "" {
			where = "(the whole)"
		}
		r.failf(where, "it is %s; a mapping with the keys %s", describe(n), strings.Join(known, ", "))
		return
	}
	for _, e := range entries {
		text, ok := e.Key.(*ast.StringNode)
		if !ok {
			r.failf(at+"?", "line %d: %s is no key here; the keys are %s", line(e.Key), describe(e.Key), strings.Join(known, ", "))
			return
		}
		name, key := text.Value, text.Value
		if at != "" {
			key = at + "." + name
		}
		r.lines[key] = line(e.Key)
		if !slices.Contains(known, name) {
			r.failf(key, "this key is unknown; the keys are %s", strings.Join(known, ", "))
		}
		if r.err != nil {
			return
		}
		set(name, key, e.Value)
	}
}

func (r *yamlReader) sequence(key string, n ast.Node, each func(key string, v ast.Node)) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.failf(key, "it is %s; a list", describe(n))
		return
	}
	for i, v := range s.Values {
		at := fmt.Sprintf("%s[%d]", key, i)
		r.lines[at] = line(v)
		if each(at, v); r.err != nil {
			return
		}
	}
}

func (r *yamlReader) text(key string, n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.failf(key, "it is %s; put it in quotes where a text is meant", describe(n))
	default:
		r.failf(key, "it is %s; a text", describe(n))
	}
	return ""
}

func (r *yamlReader) boolean(key string, n ast.Node) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.failf(key, "it is %s; true or false", describe(n))
		return false
	}
	return b.Value
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
		return "the text " + quote(n.Value)
	case *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + quote(n.GetToken().Value)
	case *ast.BoolNode:
		return fmt.Sprintf("the boolean %t", n.Value)
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	default:
		return "something else"
	}
}
