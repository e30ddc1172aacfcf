package sdk

import (
	"strconv"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// manifest is the JSON by which the host knows the plugin. It is written by hand
// because encoding/json would make a plugin half as large again.
func (p *Plugin) manifest() []byte {
	var e encoder
	e.object(func() {
		e.pair("name", p.Name)
		e.pair("version", p.Version)
		e.optional("title", p.Title)
		e.optional("description", p.Description)
		e.optional("license", p.License)
		e.optional("homepage", p.Homepage)
		e.key("columns")
		e.objects(len(p.Columns), func(i int) {
			name, kind, optional := p.Columns[i].declare()
			e.pair("name", name)
			e.pair("type", typeName(kind))
			if optional {
				e.key("optional")
				e.scalar("true")
			}
		})
		e.key("questions")
		e.objects(len(p.Questions), func(i int) { p.Questions[i].manifest(&e) })
	})
	return e.out
}

func (q *Question) manifest(e *encoder) {
	e.pair("name", q.Name)
	e.optional("title", q.Title)
	e.optional("description", q.Description)
	if len(q.Params) > 0 {
		e.key("params")
		e.objects(len(q.Params), func(i int) { q.Params[i].declareParam().manifest(e) })
	}
	e.key("result")
	e.object(func() {
		if len(q.Result.Keys) > 0 {
			e.results("keys", q.Result.Keys)
		}
		e.results("values", q.Result.Values)
		e.optional("layout", string(q.Result.Layout))
		e.optional("chart", string(q.Result.Chart))
	})
	if len(q.Needs) > 0 {
		e.key("needs")
		e.list(len(q.Needs), func(i int) {
			name, _, _ := q.Needs[i].declare()
			e.text(name)
		})
	}
	if q.Example != "" {
		e.key("example")
		e.scalar(q.Example)
	}
}

func (e *encoder) results(key string, columns []ResultColumn) {
	e.key(key)
	e.objects(len(columns), func(i int) { columns[i].declareResult().manifest(e) })
}

func typeName(t abi.Type) string {
	switch t {
	case abi.TypeFloat64:
		return "number"
	case abi.TypeInt64:
		return "integer"
	default:
		return "string"
	}
}

func (d paramDecl) manifest(e *encoder) {
	e.pair("name", d.name)
	e.optional("title", d.title)
	e.optional("description", d.description)
	e.pair("type", d.typeName)
	if d.column != nil {
		name, _, _ := d.column.declare()
		e.pair("column", name)
	}
	if d.choices != nil {
		e.key("choices")
		e.list(len(d.choices), func(i int) { e.text(d.choices[i]) })
	}
	if d.min != nil {
		e.key("min")
		e.number(*d.min)
	}
	if d.max != nil {
		e.key("max")
		e.number(*d.max)
	}
	if d.fallback != nil {
		e.key("default")
		d.fallback(e)
	}
	e.flag("required", d.required)
	e.flag("list", d.list)
	e.flag("select", d.selects)
}

func (d resultDecl) manifest(e *encoder) {
	e.pair("name", d.name)
	e.pair("type", typeName(d.kind))
	e.optional("title", d.title)
	e.optional("unit", d.unit)
	if d.unitOf != nil {
		name, _, _ := d.unitOf.declare()
		e.pair("unit_of", name)
	}
	e.optional("shows", string(d.shows))
}

// encoder writes JSON.
type encoder struct {
	out   []byte
	comma bool // something stands before, in the same array or object
}

func (e *encoder) begin(bracket byte) {
	if e.comma {
		e.out = append(e.out, ',')
	}
	e.out, e.comma = append(e.out, bracket), false
}

func (e *encoder) end(bracket byte) { e.out, e.comma = append(e.out, bracket), true }

func (e *encoder) object(members func()) {
	e.begin('{')
	members()
	e.end('}')
}

func (e *encoder) list(n int, element func(i int)) {
	e.begin('[')
	for i := range n {
		element(i)
	}
	e.end(']')
}

func (e *encoder) objects(n int, members func(i int)) {
	e.list(n, func(i int) { e.object(func() { members(i) }) })
}

func (e *encoder) key(name string) {
	e.text(name)
	e.out, e.comma = append(e.out, ':'), false
}

func (e *encoder) pair(name, value string) {
	e.key(name)
	e.text(value)
}

func (e *encoder) optional(name, value string) {
	if value != "" {
		e.pair(name, value)
	}
}

// flag writes what is false where it is absent.
func (e *encoder) flag(name string, set bool) {
	if set {
		e.key(name)
		e.boolean(true)
	}
}

func (e *encoder) text(s string) {
	const hex = "0123456789abcdef"
	e.begin('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			e.out = append(e.out, '\\', c)
		case c < ' ':
			e.out = append(e.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			e.out = append(e.out, c)
		}
	}
	e.end('"')
}

// scalar ends a value that needs no quotes.
func (e *encoder) scalar(text string) {
	if e.comma {
		e.out = append(e.out, ',')
	}
	e.out, e.comma = append(e.out, text...), true
}

func (e *encoder) number(f float64) { e.scalar(strconv.FormatFloat(f, 'g', -1, 64)) }
func (e *encoder) integer(n int64)  { e.scalar(strconv.FormatInt(n, 10)) }
func (e *encoder) boolean(b bool)   { e.scalar(strconv.FormatBool(b)) }
