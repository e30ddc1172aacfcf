package author

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/boundedyaml"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// TableName is the name of the table of tests beside a plugin's source.
const TableName = "tests.yaml"

// Table is a table of requests and expected answers. plugins/tests.schema.json is its JSON
// Schema, and plugins/README.md describes it.
type Table struct {
	Dataset string `json:"dataset"` // digest of the dataset that the answers are of; "" is any
	Data    string `json:"data"`    // path of the dataset's file, relative to the table; "" is the embedded sample
	Cases   []Case `json:"cases"`

	text  []byte
	lines boundedyaml.Lines
}

// Case is one request and what is expected: an answer, an error, or neither if it is new.
type Case struct {
	Name      string         `json:"name"`
	Question  string         `json:"question"` // "" is the plugin's only question
	Params    map[string]any `json:"params"`
	Where     map[string]any `json:"where"`
	Tolerance tolerance      `json:"tolerance"`
	Answer    *answer        `json:"answer"`
	Error     *failure       `json:"error"`
}

// failure is an expected error.
type failure struct {
	Code  string `json:"code"`
	Param string `json:"param"` // "" is any
}

// tolerance is how far apart two numbers may be that count as equal.
type tolerance float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *tolerance) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(f >= 0 && f <= math.MaxFloat64) {
		return fmt.Errorf("%q is not a tolerance; it takes how far apart two numbers may be, such as 1e-9", text)
	}
	*t = tolerance(f)
	return nil
}

// ParseTable parses a table. It is strict: errors begin with the line and name the key.
func ParseTable(text []byte) (*Table, error) {
	t := &Table{text: text}
	var err error
	if t.lines, err = boundedyaml.Decode(text, t); err != nil {
		return nil, err
	}
	if fault := t.fault(); fault != nil {
		return nil, t.lines.Locate(fault)
	}
	return t, nil
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// fault returns the first value that cannot be right.
func (t *Table) fault() *boundedyaml.KeyError {
	if len(t.Cases) == 0 {
		return &boundedyaml.KeyError{Key: "cases", Reason: "there are no cases; a case has a name, a question, params, and an answer or an error"}
	}
	if t.Dataset != "" && !digestPattern.MatchString(t.Dataset) {
		return &boundedyaml.KeyError{Key: "dataset", Reason: fmt.Sprintf("%q is not a digest, such as lestats data info prints: sha256: and 64 hexadecimal digits", t.Dataset)}
	}
	names := map[string]bool{}
	for i := range t.Cases {
		c, at := &t.Cases[i], fmt.Sprintf("cases[%d]", i)
		key, reason := c.fault()
		if names[c.Name] {
			key, reason = ".name", fmt.Sprintf("an earlier case has the name %q, too", c.Name)
		}
		if reason != "" {
			return &boundedyaml.KeyError{Key: at + key, Reason: reason}
		}
		names[c.Name] = true
	}
	return nil
}

// fault returns the key at fault, below the case's, and what is wrong; "" if nothing is.
func (c *Case) fault() (key, reason string) {
	switch {
	case c.Name == "":
		return ".name", "it is missing; each case has a name of its own"
	case strings.ContainsAny(c.Name, "\r\n"):
		return ".name", "it takes one line"
	case c.Answer != nil && c.Error != nil:
		return ".error", "a case expects an answer or an error, not both"
	case c.Error != nil && c.Error.Code == "":
		return ".error.code", "it is missing; it is the code of an error, such as " + string(question.CodeNoData)
	case c.Error != nil && !slices.ContainsFunc(question.Codes, func(i question.CodeInfo) bool { return string(i.Code) == c.Error.Code }):
		return ".error.code", fmt.Sprintf("there is no code %q; runtime/question/error.go lists them, /openapi.json too", c.Error.Code)
	case c.Answer != nil:
		key, reason = c.Answer.fault()
		return ".answer" + key, reason
	}
	return "", ""
}

func (e *answer) fault() (key, reason string) {
	if len(e.Columns) == 0 {
		return ".columns", "it is missing; it lists the columns of the result, each with its type: [location string, spread number]"
	}
	types := []question.Type{question.String, question.Number, question.Integer}
	for i, text := range e.Columns {
		if name, kind := columnOf(text); name == "" || !slices.Contains(types, kind) {
			return fmt.Sprintf(".columns[%d]", i), fmt.Sprintf("%q is not a column with its type (string, number or integer), such as: location string", text)
		}
	}
	for i, row := range e.Rows {
		at := fmt.Sprintf(".rows[%d]", i)
		if len(row) != len(e.Columns) {
			return at, fmt.Sprintf("it has %d cells; the answer has %d columns", len(row), len(e.Columns))
		}
		for n, v := range row {
			if name, kind := columnOf(e.Columns[n]); v != nil && !suits(v, kind) {
				return fmt.Sprintf("%s[%d]", at, n), fmt.Sprintf("%s is not a value of the column %s: it takes %s, or null for no value", shown(v), name,
					map[question.Type]string{question.String: "a text, in quotes if it looks like something else", question.Number: "a number", question.Integer: "a whole number"}[kind])
			}
		}
	}
	return "", ""
}

func suits(v any, kind question.Type) bool {
	if _, isText := v.(string); isText || kind == question.String {
		return isText && kind == question.String
	}
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	_, err := n.Float64()
	if kind == question.Integer {
		_, err = n.Int64()
	}
	return err == nil
}

// line returns the line of a case.
func (t *Table) line(i int) int { return t.lines[fmt.Sprintf("cases[%d]", i)] }

// expectation is what a case is to expect from now on: one of both.
type expectation struct {
	answer *answer
	err    *failure
}

// rewrite returns the table's text with another digest of its dataset and with other
// expectations of some cases, by their index. Everything else remains as it is. It refuses a
// text that is not written in lines as it writes them, such as a case within {braces}.
func (t *Table) rewrite(dataset string, now map[int]expectation) ([]byte, error) {
	eol := "\n"
	if bytes.Contains(t.text, []byte("\r\n")) {
		eol = "\r\n"
	}
	r := rewriter{lines: strings.Split(strings.ReplaceAll(string(t.text), "\r\n", "\n"), "\n")}
	for i := range slices.Backward(t.Cases) { // so that lines above keep their numbers
		want, ok := now[i]
		if !ok {
			continue
		}
		at := fmt.Sprintf("cases[%d]", i)
		key, line := "", t.lines[at]
		for _, k := range []string{"answer", "error"} {
			if n, ok := t.lines[at+"."+k]; ok {
				key, line = k, n
			}
		}
		if !r.expect(t.lines[at], line, key, want) {
			return nil, t.unwritable(i)
		}
	}
	r.digest(t.lines, dataset)
	text := []byte(strings.Join(r.lines, eol))

	// It means what it is to mean, or nothing is written.
	want := *t
	want.Dataset, want.Cases = dataset, slices.Clone(t.Cases)
	for i, e := range now {
		want.Cases[i].Answer, want.Cases[i].Error = e.answer, e.err
	}
	again, err := ParseTable(text)
	switch {
	case err != nil && len(text) > boundedyaml.MaxBytes:
		return nil, fmt.Errorf("it would have %d bytes; at most %d: ask for fewer rows, with parameters or where", len(text), boundedyaml.MaxBytes)
	case err != nil:
		return nil, fmt.Errorf("it cannot be rewritten, write each key of a case on a line of its own; it would be wrong: %w", err)
	}
	for i := range want.Cases {
		if !reflect.DeepEqual(want.Cases[i], again.Cases[min(i, len(again.Cases)-1)]) {
			return nil, t.unwritable(i)
		}
	}
	if again.Dataset != want.Dataset || len(again.Cases) != len(want.Cases) || again.Data != want.Data {
		return nil, t.unwritable(0)
	}
	return text, nil
}

func (t *Table) unwritable(i int) error {
	return fmt.Errorf("line %d: the case %q cannot be rewritten; write each of its keys on a line of its own, without braces around them", t.line(i), t.Cases[i].Name)
}

// rewriter edits the lines of a table.
type rewriter struct{ lines []string }

// expect puts an expectation into a case that begins at the line first, counted from 1:
// in the place of the key at the line at, or at the case's end if there is no such key.
func (r *rewriter) expect(first, at int, key string, want expectation) bool {
	if first < 1 || at < first || at > len(r.lines) {
		return false
	}
	begin := r.lines[first-1]
	indent := indentOf(begin)
	if rest := begin[indent:]; strings.HasPrefix(rest, "-") { // the first key follows it
		indent = len(begin) - len(strings.TrimLeft(rest[1:], " "))
	}
	prefix, from, to := strings.Repeat(" ", indent), at-1, 0
	if key == "" {
		from = r.end(first, indent-1)
		to = from
	} else {
		line := r.lines[at-1]
		if len(line) < indent || !strings.HasPrefix(line[indent:], key+":") {
			return false
		}
		prefix = line[:indent] // it may hold the dash
		to = r.end(at, indent)
	}
	r.lines = slices.Replace(r.lines, from, to, want.lines(prefix)...)
	return true
}

// end returns the index after the last line, from the line at (counted from 1) on, that
// belongs to a block whose lines are indented by more than indent. Comments and blank lines
// belong to it if such a line follows.
func (r *rewriter) end(at, indent int) int {
	end := at
	for i := at; i < len(r.lines); i++ {
		switch text := strings.TrimLeft(r.lines[i], " "); {
		case text == "" || text[0] == '#':
		case indentOf(r.lines[i]) > indent:
			end = i + 1
		default:
			return end
		}
	}
	return end
}

// digest writes the digest of the dataset: into its line or, if there is none, before the
// first key.
func (r *rewriter) digest(lines boundedyaml.Lines, dataset string) {
	text := "dataset: " + dataset
	if at, ok := lines["dataset"]; ok {
		r.lines[at-1] = datasetLine.ReplaceAllString(r.lines[at-1], "${1}"+dataset+"${2}")
		return
	}
	at := lines["cases"]
	if data, ok := lines["data"]; ok {
		at = min(at, data)
	}
	r.lines = slices.Insert(r.lines, at-1, text)
}

var datasetLine = regexp.MustCompile(`^(dataset:\s*)[^\s#]*(.*)$`)

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// lines returns an expectation as YAML. prefix stands before the first line.
func (e *expectation) lines(prefix string) []string {
	indent := strings.Repeat(" ", len(prefix)+2)
	if e.err != nil {
		param := ""
		if e.err.Param != "" {
			param = ", param: " + yamlText(e.err.Param)
		}
		return []string{prefix + "error: {code: " + e.err.Code + param + "}"}
	}
	columns := make([]string, len(e.answer.Columns))
	for i, c := range e.answer.Columns {
		columns[i] = yamlText(c)
	}
	out := []string{prefix + "answer:", indent + "columns: [" + strings.Join(columns, ", ") + "]", indent + "rows:"}
	if len(e.answer.Rows) == 0 {
		out[2] += " []"
	}
	for _, row := range e.answer.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			switch v := v.(type) {
			case nil:
				cells[i] = "null"
			case string:
				cells[i] = yamlText(v)
			default: // json.Number
				cells[i] = fmt.Sprint(v)
			}
		}
		out = append(out, indent+"  - ["+strings.Join(cells, ", ")+"]")
	}
	return out
}

// plainText is text that YAML takes as it is within brackets.
var plainText = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 _.()%/+-]*[A-Za-z0-9_.()%/+-])?$`)

// yamlText writes a text as YAML, in double quotes if it needs any.
func yamlText(s string) string {
	if plainText.MatchString(s) && !boundedyaml.Keyword(s) {
		return s
	}
	return jsonText(s)
}
