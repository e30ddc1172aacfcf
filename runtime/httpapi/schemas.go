package httpapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// A dictionary is listed in full where it is no larger than this.
const (
	enumMost      = 1000     // values
	enumMostBytes = 64 << 10 // of text
	enumSome      = 5        // values that stand for a larger one
	listMaxItems  = 1024     // of a parameter or in a where, as question.Bind takes it
)

// bodySchema is what a question takes.
func (a *api) bodySchema(q *question.Question) object {
	properties, required := object{}, []string{}
	for i := range q.Params {
		p := &q.Params[i]
		properties[p.Name] = a.paramSchema(p)
		if p.Required {
			required = append(required, p.Name)
		}
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if a.cfg.Schema != nil {
		properties[question.WhereParam] = ref("where")
	} else {
		properties[question.WhereParam] = object{"type": "object"}
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (a *api) paramSchema(p *question.Param) object {
	var one object
	switch p.Type {
	case question.ParamColumn:
		one = object{}
		if a.cfg.Schema != nil {
			if c, ok := a.cfg.Schema.Column(p.Column); ok {
				if one = columnSchema(c); a.isColumn(c.Name) {
					one = ref(columnName(c))
				}
			}
		}
	case question.ParamChoice:
		one = object{"type": "string", "enum": p.Choices}
	case question.ParamBoolean:
		one = object{"type": "boolean"}
	case question.ParamInteger:
		one = object{"type": "integer"}
	default:
		one = object{"type": "number"}
	}
	if p.Min != nil {
		one["minimum"] = *p.Min
	}
	if p.Max != nil {
		one["maximum"] = *p.Max
	}
	if p.List {
		one = object{"anyOf": []object{one, listOf(one)}}
	}
	for key, text := range map[string]string{"title": p.Title, "description": p.Description} {
		if text != "" {
			one[key] = text // in 3.1 it may stand beside $ref
		}
	}
	if p.Default != nil {
		one["default"] = p.Default
	}
	return one
}

// isColumn reports whether the dataset shows a column of this name: one that it made
// for plugins it does not.
func (a *api) isColumn(name string) bool {
	return slices.ContainsFunc(a.cfg.Schema.Columns(), func(c question.Column) bool { return c.Name == name })
}

func listOf(one object) object {
	return object{"type": "array", "items": maps.Clone(one), "minItems": 1, "maxItems": listMaxItems}
}

// columnName is the name of a column's schema.
func columnName(c *question.Column) string { return "column." + c.Name }

// columnSchema is a value that occurs in a column, or of its type.
func columnSchema(c *question.Column) object {
	out := object{"description": fmt.Sprintf("A value of the column %q.", c.Name)}
	if c.Title != "" {
		out["title"] = c.Title
	}
	switch c.Type {
	case question.Integer:
		out["type"] = "integer"
	case question.Number:
		out["type"] = "number"
	default:
		out["type"] = "string"
		values, size := []string{}, 0
		for _, v := range c.Dict {
			if size += len(v); size > enumMostBytes || len(values) > enumMost {
				break
			}
			if v != "" { // which no request may ask for
				values = append(values, v)
			}
		}
		switch {
		case size > enumMostBytes || len(values) > enumMost:
			out["description"] = fmt.Sprintf("One of the %d values of the column %q.", len(c.Dict), c.Name)
			out["examples"] = values[:min(len(values), enumSome)]
		case len(values) > 0:
			out["enum"] = values
		}
	}
	return out
}

// columnSchemas are those of all columns of the dataset, and what a where takes.
func (a *api) columnSchemas() object {
	out := object{}
	if a.cfg.Schema == nil {
		return out
	}
	properties := object{}
	columns := a.cfg.Schema.Columns()
	for i := range columns {
		c := &columns[i]
		out[columnName(c)] = columnSchema(c)
		if c.Role != question.RoleDimension {
			continue
		}
		// The ends of a range need not be values that occur.
		end := object{"type": string(c.Type)}
		properties[c.Name] = object{"anyOf": []object{
			ref(columnName(c)), listOf(ref(columnName(c))),
			{"type": "object", "properties": object{"min": end, "max": end}, "additionalProperties": false, "minProperties": 1},
		}}
	}
	out["where"] = object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"description": "Only rows for which all of this holds: a value, a list of values, or a range with min, max or both.",
	}
	return out
}

func cellSchema(c *question.ResultColumn) object {
	out := object{"type": []string{string(c.Type), "null"}}
	if c.Title != "" {
		out["title"] = c.Title
	}
	if c.Unit != "" {
		out["description"] = "In " + c.Unit + "."
	}
	return out
}

func recordSchema(columns []question.ResultColumn) object {
	properties, required := object{}, []string{}
	for i := range columns {
		properties[columns[i].Name] = cellSchema(&columns[i])
		required = append(required, columns[i].Name)
	}
	return object{"type": "object", "properties": properties, "required": required}
}

func rowsSchema(r *question.Result) object {
	return object{"type": "array", "items": recordSchema(slices.Concat(r.Keys, r.Values))}
}

// seedSchema is a result in its own layout.
func seedSchema(r *question.Result) object {
	value := recordSchema(r.Values)
	if len(r.Values) == 1 {
		value = cellSchema(&r.Values[0])
	}
	by := func(what string, value object) object {
		return object{"type": "object", "description": what, "additionalProperties": value}
	}
	keys := make([]string, len(r.Keys))
	for i := range r.Keys {
		keys[i] = r.Keys[i].Name
	}
	switch {
	case r.Layout == question.LayoutMap && len(keys) == 1:
		return by("By "+keys[0]+".", value)
	case r.Layout == question.LayoutMap:
		return by(fmt.Sprintf("By %v, written as Python writes a tuple of strings.", keys), value)
	case r.Layout == question.LayoutNested && len(keys) > 1:
		return by("By "+keys[0]+".", by(fmt.Sprintf("By %v, written as Python writes a tuple of strings.", keys[1:]), value))
	case r.Layout == question.LayoutRecord:
		return recordSchema(slices.Concat(r.Keys, r.Values))
	default:
		return rowsSchema(r)
	}
}
