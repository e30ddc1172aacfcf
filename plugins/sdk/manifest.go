package sdk

import (
	"strconv"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

var typeNames = map[abi.Type]string{abi.TypeFloat64: "number", abi.TypeInt64: "integer", abi.TypeString: "string"}

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
		array(&e, p.Columns, func(c Column) {
			name, kind := c.declare()
			e.pair("name", name)
			e.pair("type", typeNames[kind])
		})
		e.key("questions")
		array(&e, p.Questions, func(q *Question) { q.manifest(&e) })
	})
	return e.out
}

func (q *Question) manifest(e *encoder) {
	e.pair("name", q.Name)
	e.optional("title", q.Title)
	e.optional("description", q.Description)
	if len(q.Params) > 0 {
		e.key("params")
		array(e, q.Params, func(p Param) { p.declareParam().manifest(e) })
	}
	e.key("result")
	e.object(func() {
		result := func(r ResultColumn) { r.declareResult().manifest(e) }
		if len(q.Result.Keys) > 0 {
			e.key("keys")
			array(e, q.Result.Keys, result)
		}
		e.key("values")
		array(e, q.Result.Values, result)
		e.optional("layout", string(q.Result.Layout))
		e.optional("chart", string(q.Result.Chart))
	})
}

var paramNames = map[uint32]string{
	abi.ParamColumn: "column", abi.ParamNumber: "number", abi.ParamInteger: "integer",
	abi.ParamChoice: "choice", abi.ParamBoolean: "boolean",
}

func (d paramDecl) manifest(e *encoder) {
	e.pair("name", d.name)
	e.optional("title", d.title)
	e.optional("description", d.description)
	e.pair("type", paramNames[d.kind])
	if d.column != nil {
		name, _ := d.column.declare()
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
	for _, flag := range []struct {
		name string
		set  bool
	}{{"required", d.required}, {"list", d.list}, {"select", d.selects}} {
		if flag.set {
			e.key(flag.name)
			e.boolean(true)
		}
	}
}

func (d resultDecl) manifest(e *encoder) {
	e.pair("name", d.name)
	e.pair("type", typeNames[d.kind])
	e.optional("title", d.title)
	e.optional("unit", d.unit)
	if d.unitOf != nil {
		name, _ := d.unitOf.declare()
		e.pair("unit_of", name)
	}
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

// array writes an array of objects.
func array[T any](e *encoder, of []T, members func(T)) {
	e.list(len(of), func(i int) { e.object(func() { members(of[i]) }) })
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
