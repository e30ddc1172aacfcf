package httpapi

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// The limits of a dictionary that is listed in full.
const (
	maxEnumValues = 1000     // values
	maxEnumBytes  = 64 << 10 // of text
	enumExamples  = 5        // number of examples of a larger one
)

// bodySchema describes the body of a request.
func (a *api) bodySchema(q *question.Question) object {
	properties, required := object{}, []string{}
	for i := range q.Params {
		p := &q.Params[i]
		if p.Absent {
			continue
		}
		schema := p.JSONSchema(func(column string) object {
			if p.Select {
				return a.conditionSchema(column)
			}
			return a.valueSchema(column)
		})
		if p.Required {
			required = append(required, p.Name)
		} else {
			schema = orNull(schema)
		}
		properties[p.Name] = schema
	}
	properties[question.WhereParam] = ref("where")
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// orNull describes a parameter that may be left out, of which null is another way.
func orNull(schema object) object {
	out, value := object{}, object{}
	for key, v := range schema {
		if slices.Contains([]string{"title", "description", "default"}, key) {
			out[key] = v
		} else {
			value[key] = v
		}
	}
	out["anyOf"] = []object{value, {"type": "null"}}
	return out
}

// valueSchema describes a value of the column with this name or alias.
func (a *api) valueSchema(name string) object {
	c, ok := a.cfg.Schema.Column(name)
	switch {
	case !ok:
		return object{}
	case slices.ContainsFunc(a.cfg.Schema.Columns(), func(listed question.Column) bool {
		return listed.Name == c.Name && listed.Role == question.RoleDimension
	}):
		return ref(columnName(c))
	default: // a measure, or a column that the dataset made for plugins
		return columnSchema(c)
	}
}

// conditionSchema describes a value that rows are selected by.
func (a *api) conditionSchema(name string) object {
	schema := a.valueSchema(name)
	if c, ok := a.cfg.Schema.Column(name); ok && c.Type == question.Integer {
		return exact(schema)
	}
	return schema
}

// exact describes the numbers of a schema that conditions take.
func exact(schema object) object {
	schema = maps.Clone(schema)
	schema["exclusiveMinimum"], schema["exclusiveMaximum"] = -question.MaxExact, question.MaxExact
	return schema
}

// columnName is the name of a column's schema.
func columnName(c *question.Column) string { return "column." + c.Name }

// listed returns the values of a dictionary that a request can select, and whether they
// are few enough to be listed.
func listed(dict []string) (values []string, all bool) {
	size := 0
	for _, v := range dict {
		if v != "" { // a request cannot select an empty value
			values = append(values, v)
		}
		if size += len(v); size > maxEnumBytes || len(values) > maxEnumValues {
			return values, false
		}
	}
	return values, true
}

// columnSchema describes a value of a column.
func columnSchema(c *question.Column) object {
	out := object{"description": fmt.Sprintf("A value of the column %q.", c.Name), "type": string(c.Type)}
	if c.Type == question.Integer {
		out["minimum"], out["maximum"] = math.MinInt64, math.MaxInt64
	}
	if c.Title != "" {
		out["title"] = c.Title
	}
	switch values, all := listed(c.Dict); {
	case !all:
		out["description"] = fmt.Sprintf("One of the %d values of the column %q.", len(c.Dict), c.Name)
		out["examples"] = values[:min(len(values), enumExamples)]
	case len(values) > 0:
		out["enum"] = values
	}
	return out
}

// columnSchemas describes the dimensions of the dataset, and a where.
func (a *api) columnSchemas() object {
	out, properties := object{}, object{}
	columns := a.cfg.Schema.Columns()
	for i := range columns {
		c := &columns[i]
		if c.Role != question.RoleDimension {
			continue
		}
		out[columnName(c)] = columnSchema(c)
		end := boundSchema(c)
		value := a.conditionSchema(c.Name)
		properties[c.Name] = object{"anyOf": []object{
			value, question.ListSchema(value),
			{"type": "object", "properties": object{"min": end, "max": end}, "additionalProperties": false, "minProperties": 1},
		}}
	}
	out["where"] = object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"description": "Selects the rows that meet all conditions. A condition is a value, a list of values, or a range with min, max or both.",
	}
	return out
}

// boundSchema describes a bound of a range of a column's values, in which it need not occur.
func boundSchema(c *question.Column) object {
	if c.Type == question.Integer {
		return exact(object{"type": "number"}) // a fraction is fine, too
	}
	return object{"type": string(c.Type)}
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
	return record(required, properties)
}

func rowsSchema(r *question.Result) object {
	return listOf(recordSchema(slices.Concat(r.Keys, r.Values)))
}

// originalSchema describes a result in its own layout.
func originalSchema(r *question.Result) object {
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

var text = object{"type": "string"}

// jobID is the id of a job, which is a UUID of version 7 in lower case.
var jobID = object{"type": "string", "format": "uuid", "pattern": question.IDPattern}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func jsonOf(schema object) object { return object{jsonType: schema} }

func listOf(one object) object { return object{"type": "array", "items": one} }

func record(required []string, properties object) object {
	return object{"type": "object", "required": required, "properties": properties}
}

// resultContent describes a result in each format: in JSON with the data by layout, or
// with one of the other values. The plain media type of JSON has all layouts, because many
// programs ignore the parameters of a media type.
func (a *api) resultContent(data map[string]object, or ...object) object {
	out := object{}
	layouts := []object{}
	for i := range a.formats {
		f := &a.formats[i]
		same := func(other object) bool { return reflect.DeepEqual(other, data[f.Layout]) }
		if f.Value != nil && data[f.Layout] != nil && !slices.ContainsFunc(layouts, same) {
			layouts = append(layouts, data[f.Layout])
		}
	}
	for i := range a.formats {
		f := &a.formats[i]
		schema := object{}
		switch {
		case f.Value != nil:
			schema = data[f.Layout]
			if schema == nil {
				schema = object{"description": "In the layout of its question."}
			} else if f.MediaType == jsonType && len(layouts) > 1 {
				schema = object{"anyOf": layouts}
			}
			if schema = doneSchema(schema); len(or) > 0 {
				schema = object{"oneOf": append([]object{schema}, or...)}
			}
		case strings.HasPrefix(f.MediaType, "text/"):
			schema = text
		}
		out[contentKey(f)] = schema
	}
	return out
}

// resultForms describes the combinations of the query parameters that choose the form of a
// result. It is one parameter with the parameters as its properties, because OpenAPI has no
// other way to say which of them go together.
func (a *api) resultForms(params []parameter) object {
	choices := []object{}
	for i := range a.formats {
		f := &a.formats[i]
		if i > 0 && f.Extension == a.formats[i-1].Extension {
			continue
		}
		properties := object{}
		for _, p := range params {
			if !p.Form || p.Name == "layout" && f.Layout == "" || p.Name == "note" && !f.Notes {
				continue
			}
			schema := maps.Clone(p.Schema)
			schema["description"] = p.Description
			if p.Name == "format" {
				schema["enum"] = []string{f.Extension}
			}
			properties[p.Name] = schema
		}
		choice := object{"type": "object", "title": f.Extension, "properties": properties, "additionalProperties": false}
		if i > 0 {
			choice["required"] = []string{"format"}
		}
		choices = append(choices, choice)
	}
	return object{
		"name": "form", "in": "query", "required": false, "style": "form", "explode": true, "schema": object{"anyOf": choices},
		"description": "The form of the result: the query parameters format, layout and note, in combinations that exist.",
	}
}

func described(text string, schema object) object {
	schema["description"] = text
	return schema
}

// doneWith describes {"status":"done","data":...} with more properties.
func doneWith(data, more object) object {
	properties := object{"status": object{"const": "done"}, "data": data}
	maps.Copy(properties, more)
	return record([]string{"status", "data"}, properties)
}

// doneSchema describes the output of DoneBody.
func doneSchema(data object) object {
	return doneWith(data, object{
		"job_id": jobID, "question": text,
		"units":      object{"type": "object", "description": "The units of columns, by name.", "additionalProperties": text},
		"provenance": ref("provenance"), "request": ref("request"),
		"coverage": ref("coverage"), "caveats": listOf(ref("caveat")), "receipt": ref("receipt"),
	})
}

// fixedSchemas returns the schemas that do not depend on the catalog.
func fixedSchemas() object {
	number, flag := object{"type": "integer"}, object{"type": "boolean"}
	texts := listOf(text)
	codes := make([]question.Code, len(question.Codes))
	for i := range codes {
		codes[i] = question.Codes[i].Code
	}
	reason := object{"code": object{"type": "string", "enum": codes}, "reason": text, "param": text, "hint": texts}
	full := maps.Clone(reason)
	maps.Copy(full, object{"status": object{"const": "error"}, "job_id": text})
	time := object{"type": "string", "format": "date-time"}
	digest := object{"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
	return object{
		"error": record([]string{"status", "code", "reason", "hint"}, full),
		"problem": record([]string{"type", "title", "status", "detail", "instance", "code", "hint"}, object{
			"type": object{"type": "string", "format": "uri-reference"}, "instance": object{"type": "string", "format": "uri-reference"}, "title": text, "status": number, "detail": text,
			"code": reason["code"], "param": text, "hint": texts, "job_id": text,
		}),
		"running": record([]string{"status", "job_id"}, object{"status": object{"const": "running"}, "job_id": text, "retry_of": text}),
		"provenance": record([]string{"dataset", "dataset_digest", "synthetic", "plugin", "plugin_version", "plugin_digest", "rows_selected"}, object{
			"dataset": text, "dataset_digest": text, "synthetic": flag, "plugin": text, "plugin_version": text, "plugin_digest": text, "rows_selected": number,
		}),
		"request": record([]string{"question"}, object{"question": text, "params": object{"type": "object"}, "where": object{"type": "object"}}),
		"coverage": described("The rows that the answer was computed from, those of them without a value of the measure, and the dimensions of which the others have more than one value.",
			record([]string{"rows", "missing", "mixed"}, object{
				"rows": number, "missing": number,
				"mixed": listOf(record([]string{"column", "title", "values"}, object{"column": text, "title": text, "values": number})),
			})),
		"caveat": described("A reason to read the figures with care: a code for programs, a sentence for people.",
			record([]string{"code", "text"}, object{"code": text, "text": text})),
		"receipt": described("Identifies the answer: lestats verify computes it again and compares. Fuel is comparable within one build only.",
			record([]string{"dataset", "plugin", "request", "result", "fuel", "build"}, object{
				"dataset": digest, "plugin": digest, "request": digest, "result": digest, "fuel": number, "build": text,
			})),
		"job": record([]string{"id", "status", "request", "created", "attempts"}, object{
			"id": text, "status": object{"enum": []string{"queued", "running", "done", "failed", "cancelled"}}, "request": ref("request"),
			"created": time, "started": time, "finished": time, "attempts": number, "retry_of": text, "client": text,
			"provenance": ref("provenance"), "coverage": ref("coverage"), "caveats": listOf(ref("caveat")), "receipt": ref("receipt"),
			"error": record([]string{"code", "reason"}, reason),
		}),
		"dataset": record([]string{"name", "title", "synthetic", "digest", "rows"}, object{
			"name": text, "title": text, "source": text, "license": text, "synthetic": flag, "digest": text, "rows": number,
		}),
		"plugin": record([]string{"source", "size", "serving"}, object{
			"name": text, "version": text, "title": text, "source": text, "digest": text, "size": number, "serving": flag,
			"questions": texts, "unfit": listOf(record([]string{"name", "lacks"}, object{"name": text, "lacks": texts})), "lacks": texts, "error": record([]string{"code", "reason"}, reason),
		}),
		"served_question": record([]string{"question", "plugin", "example"}, object{
			"question": record([]string{"name", "result"}, object{
				"name": text, "title": text, "description": text, "params": listOf(object{"type": "object"}), "result": object{"type": "object"},
			}), "plugin": text, "example": ref("request"),
		}),
	}
}

// describeGet returns the descriptions of GET for one question: in the format that Accept
// chooses, and in that of the suffix.
func (a *api) describeGet(r route, served *question.ServedQuestion, valid answer) []route {
	q := served.Question
	r.ID, r.Path, r.Summary, r.Question = "get_"+q.Name, "/api/"+q.Name, q.Title, served
	r.Description = strings.TrimSpace(q.Description + "\n\nThe answer without a job: computed now, not stored, with an entity tag. Cache-Control is no-cache, or max-age=" + pinnedAge +
		" if both _dataset and _plugin are given; the format that the header Accept chooses, and whatever needs a key, is private.")
	r.Params = a.queryParams(served)
	headers := []string{"ETag", "Cache-Control", "Vary", "Content-Disposition", "Lestats-Dataset", "Lestats-Synthetic"}
	content := a.resultContent(map[string]object{"original": originalSchema(&q.Result), "rows": rowsSchema(&q.Result)})
	r.Answers = []answer{{http.StatusOK, "The answer.", content, headers}, valid}
	suffixed := r
	suffixed.ID, suffixed.Path = r.ID+"_as", r.Path+".{format}"
	extensions := a.suffixes()
	for i := range extensions {
		extensions[i] = extensions[i][1:]
	}
	suffixed.Params = append([]parameter{{
		Name: "format", In: "path", Description: "The format.", Schema: object{"type": "string", "enum": extensions}, Example: extensions[0],
	}}, r.Params...)
	return []route{r, suffixed}
}

// queryParams describes the query of a question.
func (a *api) queryParams(served *question.ServedQuestion) (params []parameter) {
	q := served.Question
	add := func(p parameter, one object, list bool) { params = append(params, inQuery(p, one, list)) }
	for i := range q.Params {
		p := q.Params[i]
		if p.Absent {
			continue
		}
		example := served.Example.Params[p.Name]
		list := p.List
		if _, isList := example.([]any); list && !isList && example != nil {
			example = []any{example}
		}
		p.List, p.Title, p.Description, p.Default = false, "", "", nil
		one := p.JSONSchema(func(column string) object {
			if p.Select {
				return a.conditionSchema(column)
			}
			return a.valueSchema(column)
		})
		add(parameter{Name: p.Name, Description: strings.TrimSpace(q.Params[i].Title + "\n\n" + q.Params[i].Description), Required: p.Required, Example: example}, one, list)
	}
	params = append(params, a.conditionParams()...)
	var layouts []string
	for i := range a.formats {
		if l := a.formats[i].Layout; l != "" {
			layouts = append(layouts, l)
		}
	}
	_, plugin := a.served(q.Name)
	enum := func(values ...string) object { return object{"type": "string", "enum": values} }
	add(parameter{Name: layoutKey, Description: "The layout of JSON. Other formats ignore it; without a suffix it implies JSON."}, enum(layouts...), false)
	add(parameter{Name: peopleKey, Description: "1: the file is for a person, who may open it in a spreadsheet. CSV then keeps a text that a spreadsheet would run as a formula from being one. Other formats ignore it."}, enum("1"), false)
	add(parameter{Name: themeKey, Description: "The colours of a picture. Without it, they follow the reader's system. Other formats ignore it."}, enum(texts(themes)...), false)
	add(parameter{Name: datasetKey, Description: "Refuse to answer from another dataset than that with this digest."}, enum(a.cfg.Dataset.Digest), false)
	add(parameter{Name: pluginKey, Description: "Refuse to let another plugin answer than that with this digest."}, enum(plugin), false)
	return params
}

// conditionParams describes the conditions of a query. They are the same for all questions.
func (a *api) conditionParams() (params []parameter) {
	add := func(p parameter, one object, list bool) {
		p.Shared = true
		params = append(params, inQuery(p, one, list))
	}
	columns := a.cfg.Schema.Columns()
	for i := range columns {
		c := &columns[i]
		if c.Role != question.RoleDimension {
			continue
		}
		name := question.WhereParam + "." + c.Name
		add(parameter{Name: name, Description: "Only rows with one of these values."}, a.conditionSchema(c.Name), true)
		end := boundSchema(c)
		add(parameter{Name: name + ".min", Description: "Only rows with this value or a greater one."}, end, false)
		add(parameter{Name: name + ".max", Description: "Only rows with this value or a lesser one."}, end, false)
	}
	return params
}

// inQuery describes a parameter of a query, whose values are one, or a list. An empty value
// is as none.
func inQuery(p parameter, one object, list bool) parameter {
	if !p.Required {
		one = object{"anyOf": []object{one, {"type": "string", "maxLength": 0}}}
	}
	if p.Schema = one; list {
		p.Schema = question.ListSchema(one)
		if !p.Required {
			delete(p.Schema, "minItems")
		}
	}
	p.In = "query"
	return p
}
