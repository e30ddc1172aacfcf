package question

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a manifest.
const (
	MaxNameLen   = 64
	MaxQuestions = 1024
	MaxParams    = 64
	MaxColumns   = 256
	maxTextLen   = 4096 // titles, descriptions, units, choices
)

// WhereParam is the key of a request's filter. No parameter may have this name.
const WhereParam = "where"

// ParseManifest decodes and checks a manifest and fills in the default layout. Every
// error has CodeBadPlugin and names the key, its value and what is expected.
func ParseManifest(b []byte) (*Manifest, error) {
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	for fault := range m.faults {
		return nil, fault
	}
	m.dropExamples()
	m.dropShows()
	return m, nil
}

// ManifestFaults returns all faults of a manifest; ParseManifest returns the first. A
// text that is not JSON, or has a value of the wrong JSON type, has one fault.
func ManifestFaults(b []byte) []*Error {
	m, err := decodeManifest(b)
	if err != nil {
		return []*Error{AsError(err)}
	}
	return slices.Collect(m.faults)
}

func decodeManifest(b []byte) (*Manifest, error) {
	if !utf8.Valid(b) {
		return nil, badManifest("the text is not UTF-8")
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return nil, badManifest("it is not the JSON of a manifest: %s", jsonReason(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, badManifest("there is text after the JSON object")
	}
	return &m, nil
}

func badManifest(format string, args ...any) *Error {
	err := Errorf(CodeBadPlugin, "manifest: "+format, args...)
	err.Reason = Visible(err.Reason)
	return err
}

// faults yields the faults of m, in the order of declaration.
func (m *Manifest) faults(yield func(*Error) bool) {
	going := true
	m.check(func(err *Error) {
		if err != nil {
			going = going && yield(err)
		}
	})
}

// A faultReporter takes the result of a check; nil means no fault.
type faultReporter func(*Error)

func (report faultReporter) badf(format string, args ...any) { report(badManifest(format, args...)) }

func (m *Manifest) check(report faultReporter) {
	report(checkName("name", m.Name))
	if m.Version == "" {
		report.badf(`"version" is missing; add one, such as "1.0.0"`)
	}
	for _, t := range []struct{ key, text string }{{"version", m.Version}, {"title", m.Title}, {"homepage", m.Homepage}} {
		report(checkLine(t.key, t.text))
	}
	for _, t := range []struct{ key, text string }{{"description", m.Description}, {"license", m.License}} {
		report(checkText(t.key, t.text))
	}
	if len(m.Requires) > 0 {
		report.badf(`"requires" asks for %q, which this host does not have; contract v1 defines no feature`, m.Requires[0])
	}
	if len(m.Columns) > MaxColumns {
		report.badf(`"columns" has %d entries; at most %d`, len(m.Columns), MaxColumns)
		return
	}
	for i, c := range m.Columns {
		at := fmt.Sprintf("columns[%d]", i)
		if c.Name == "" {
			report.badf("%s has no name", at)
			continue
		}
		report(checkText(at+".name", c.Name))
		if !slices.Contains([]Type{Number, Integer, String}, c.Type) {
			report.badf("%s (%q) has the type %q; it is one of number, integer, string", at, c.Name, c.Type)
		}
		if slices.ContainsFunc(m.Columns[:i], func(o ColumnNeed) bool { return o.Name == c.Name }) {
			report.badf("%s repeats the column %q", at, c.Name)
		}
	}
	switch n := len(m.Questions); {
	case n == 0:
		report.badf(`"questions" is empty; a plugin answers at least one`)
	case n > MaxQuestions:
		report.badf(`"questions" has %d entries; at most %d`, n, MaxQuestions)
		return
	}
	seen := make(map[string]bool, len(m.Questions))
	for i := range m.Questions {
		q := &m.Questions[i]
		at := fmt.Sprintf("questions[%d]", i)
		report(checkName(at+".name", q.Name))
		if seen[q.Name] {
			report.badf("%s repeats the question %q", at, q.Name)
		}
		seen[q.Name] = true
		m.checkQuestion(at, q, report)
	}
}

func (m *Manifest) checkQuestion(at string, q *Question, report faultReporter) {
	at = fmt.Sprintf("%s (%s)", at, q.Name)
	report(checkLine(at+".title", q.Title))
	report(checkText(at+".description", q.Description))
	for i, name := range q.Needs {
		if !slices.ContainsFunc(m.Columns, func(c ColumnNeed) bool { return c.Name == name && c.Optional }) {
			report.badf(`%s.needs[%d] is %s, which "columns" does not list with "optional": true`, at, i, abbreviate(name))
		}
	}
	if len(q.Params) > MaxParams {
		report.badf("%s has %d parameters; at most %d", at, len(q.Params), MaxParams)
		return
	}
	for i := range q.Params {
		p := &q.Params[i]
		if err := checkName(fmt.Sprintf("%s.params[%d].name", at, i), p.Name); err != nil {
			report(err)
			continue
		}
		pat := fmt.Sprintf("%s: parameter %q", at, p.Name)
		if p.Name == WhereParam {
			report.badf("%s: the name is reserved for the filter of a request", pat)
		}
		if slices.ContainsFunc(q.Params[:i], func(o Param) bool { return o.Name == p.Name }) {
			report.badf("%s is declared twice", pat)
		}
		m.checkParam(pat, p, report)
	}
	m.checkResult(at, &q.Result, report)
}

func (m *Manifest) checkParam(at string, p *Param, report faultReporter) {
	report(checkLine(at+" title", p.Title))
	report(checkText(at+" description", p.Description))
	kind := p.kind()
	if kind == nil {
		report.badf("%s has the type %q; it is one of %s", at, p.Type, typesWith(""))
		return
	}
	for _, k := range []struct {
		key   string
		given bool
	}{{"column", p.Column != ""}, {"select", p.Select}, {"choices", p.Choices != nil}, {"min", p.Min != nil}, {"max", p.Max != nil}} {
		if k.given && !slices.Contains(kind.keys(), k.key) {
			report.badf("%s: %q goes with the type %s only", at, k.key, typesWith(k.key))
		}
	}
	if err := kind.check(m, p, at); err != nil {
		report(err)
		return
	}
	if p.Required && p.Default != nil {
		report.badf("%s is required and has a default; it cannot be both", at)
	}
	given, isList := p.Default.([]any)
	if !isList {
		given = []any{p.Default}
	}
	for _, v := range given {
		if text, ok := v.(string); ok {
			report(checkText(at+" default", text))
		}
	}
	if p.Default != nil && p.Column == "" { // a column's values are the dataset's
		if _, err := p.values(p.Default, nil); err != nil {
			report.badf("%s: its default: %s", at, err.Reason)
		}
	}
}

// typesWith lists the types of a parameter that have a key; "": all types.
func typesWith(key string) string {
	var names []string
	for _, t := range paramTypes {
		if key == "" || slices.Contains(t.keys(), key) {
			names = append(names, string(t.name))
		}
	}
	return strings.Join(names, ", ")
}

func (m *Manifest) checkResult(at string, r *Result, report faultReporter) {
	if r.Layout == "" {
		r.Layout = LayoutRows
	}
	columns := r.Columns()
	if len(r.Values) == 0 {
		report.badf("%s: result.values is empty; a result has at least one value column", at)
	}
	switch {
	case len(columns) > MaxColumns:
		report.badf("%s: the result has %d columns; at most %d", at, len(columns), MaxColumns)
		return
	case !slices.Contains([]Layout{LayoutRows, LayoutMap, LayoutNested, LayoutRecord}, r.Layout):
		report.badf("%s: result.layout is %q; it is one of rows, map, nested, record", at, r.Layout)
	case r.Layout == LayoutRecord && len(r.Keys) > 0:
		report.badf("%s: the layout record has no keys, but result.keys lists %d", at, len(r.Keys))
	case r.Layout == LayoutMap && len(r.Keys) == 0:
		report.badf("%s: the layout map needs at least one column in result.keys", at)
	case r.Layout == LayoutNested && len(r.Keys) < 2:
		report.badf("%s: the layout nested needs at least two columns in result.keys", at)
	}
	report(checkLine(at+": result.chart", r.Chart))
	for i, c := range columns {
		report(checkName(at+": result column", c.Name))
		if slices.ContainsFunc(columns[:i], func(o ResultColumn) bool { return o.Name == c.Name }) {
			report.badf("%s: the result column %q is declared twice", at, c.Name)
		}
		if !slices.Contains([]Type{Number, Integer, String}, c.Type) {
			report.badf("%s: the result column %q has the type %q; it is one of number, integer, string", at, c.Name, c.Type)
		}
		if c.UnitOf != "" && !slices.ContainsFunc(m.Columns, func(o ColumnNeed) bool { return o.Name == c.UnitOf }) {
			report.badf(`%s: the result column %q has the unit of %q, which "columns" does not list`, at, c.Name, c.UnitOf)
		}
		for _, t := range []string{c.Title, c.Unit} {
			report(checkLine(at+": result column "+c.Name, t))
		}
	}
}

func checkName(key, name string) *Error {
	if !ValidName(name) {
		err := badManifest("%q is %s; a name is a lower-case letter followed by lower-case letters, digits and _, at most %d characters in all", key, abbreviate(name), MaxNameLen)
		if valid := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name)); ValidName(valid) {
			err.Reason += fmt.Sprintf(", such as %q", valid)
		}
		return err
	}
	return nil
}

func checkText(key, text string) *Error {
	if len(text) > maxTextLen {
		return badManifest("%q has %d bytes; at most %d", key, len(text), maxTextLen)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return Invisible(r) && r != '\n' && r != '\t' }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return badManifest("%q has the control or invisible character %U at byte %d; remove it", key, r, i)
	}
	return nil
}

// checkLine is checkText for text that is shown within a line: text after a line break
// would look like the host's own output.
func checkLine(key, text string) *Error {
	if i := strings.IndexAny(text, "\n\t"); i >= 0 {
		return badManifest("%q has the control or invisible character %U at byte %d; it must be a single line", key, text[i], i)
	}
	return checkText(key, text)
}

// abbreviate quotes s for a message and truncates it if it is long.
func abbreviate(s string) string {
	const most = 100
	if len(s) > most {
		return fmt.Sprintf("%s... (%d bytes)", Visible(fmt.Sprintf("%.*q", most, s)), len(s))
	}
	return Visible(fmt.Sprintf("%q", s))
}

// jsonReason rewrites an error of encoding/json for people.
func jsonReason(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle"
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s at byte %d", syntax, syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("%q is a JSON %s; %s is expected", typ.Field, typ.Value, jsonTypeName(typ.Type.Kind().String()))
	default:
		return strings.TrimPrefix(err.Error(), "json: ")
	}
}

func jsonTypeName(kind string) string {
	switch kind {
	case "slice", "array":
		return "an array"
	case "struct", "map":
		return "an object"
	case "string":
		return "a string"
	case "bool":
		return "a boolean"
	default:
		return "a number"
	}
}

// finite reports whether JSON can represent f.
func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
