package author

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Each kind of difference is found, and one alone where there is only one.
func TestCompare(t *testing.T) {
	rows := func(lines ...string) *answer {
		out := &answer{Columns: []string{"location string", "spread number", "asked integer"}}
		for _, line := range lines {
			var row []any
			dec := json.NewDecoder(strings.NewReader(line))
			dec.UseNumber()
			if err := dec.Decode(&row); err != nil {
				t.Fatal(err)
			}
			out.Rows = append(out.Rows, row)
		}
		return out
	}
	base := rows(`["Iowa", 1.5, 1]`, `["Ohio", 2, 9007199254740993]`, `["Utah", null, 3]`)
	other := rows()
	other.Columns = []string{"location string", "spread integer"}
	for name, tt := range map[string]struct {
		expected, got *answer
		keys          int
		tolerance     float64
		want          []string
	}{
		"same":                     {base, rows(`["Iowa", 1.50, 1]`, `["Ohio", 2e0, 9007199254740993]`, `["Utah", null, 3]`), 1, 0, nil},
		"a float":                  {base, rows(`["Iowa", 1.5000000000000002, 1]`, `["Ohio", 2, 9007199254740993]`, `["Utah", null, 3]`), 1, 0, []string{"row 1 (Iowa), column spread: expected 1.5, got 1.5000000000000002"}},
		"a float that is near":     {base, rows(`["Iowa", 1.5000000000000002, 1]`, `["Ohio", 2.0009, 9007199254740993]`, `["Utah", null, 3]`), 1, 0.001, nil},
		"a float that is not near": {base, rows(`["Iowa", 1.5, 1]`, `["Ohio", 2.1, 9007199254740993]`, `["Utah", null, 3]`), 1, 0.001, []string{"row 2 (Ohio), column spread: expected 2, got 2.1"}},
		"a large integer":          {base, rows(`["Iowa", 1.5, 1]`, `["Ohio", 2, 9007199254740992]`, `["Utah", null, 3]`), 1, 0, []string{"row 2 (Ohio), column asked: expected 9007199254740993, got 9007199254740992"}},
		"a missing value":          {base, rows(`["Iowa", null, 1]`, `["Ohio", 2, 9007199254740993]`, `["Utah", 0, 3]`), 1, 0, []string{"row 1 (Iowa), column spread: expected 1.5, got no value", "row 3 (Utah), column spread: expected no value, got 0"}},
		"a missing row":            {base, rows(`["Iowa", 1.5, 1]`, `["Utah", null, 3]`), 1, 0, []string{`row 2 (Ohio): expected ["Ohio",2,9007199254740993], got none`}},
		"another row":              {base, rows(`["Guam", 7, 7]`, `["Iowa", 1.5, 1]`, `["Ohio", 2, 9007199254740993]`, `["Utah", null, 3]`), 1, 0, []string{`row 1 (Guam): expected none, got ["Guam",7,7]`}},
		"another order":            {base, rows(`["Iowa", 1.5, 1]`, `["Utah", null, 3]`, `["Ohio", 2, 9007199254740993]`), 1, 0, []string{`the order of the rows: at row 2, expected ["Ohio",2,9007199254740993], got ["Utah",null,3]`}},
		"a text":                   {base, rows(`["Iowa", 1.5, 1]`, `["Oh\u202eio", 2, 9007199254740993]`, `["Utah", null, 3]`), 0, 0, []string{`row 2, column location: expected "Ohio", got "Oh\u202eio"`}},
		"columns":                  {base, other, 1, 0, []string{`the columns: expected ["location string","spread number","asked integer"], got ["location string","spread integer"]`}},
		"more rows without keys":   {rows(`["Iowa", 1.5, 1]`), rows(`["Iowa", 1.5, 1]`, `["Iowa", 1.5, 1]`), 0, 0, []string{`row 2: expected none, got ["Iowa",1.5,1]`}},
	} {
		var got []string
		for _, d := range tt.expected.compare(tt.got, tt.keys, tt.tolerance) {
			got = append(got, d.text("expected", "got"))
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// refusedTables are texts that are no tables, and what is said of each.
var refusedTables = map[string]string{
	"":                                  "cases: there are no cases",
	"cases:\n":                          "line 1: cases: it is empty; it must be a list",
	"cases: []\n":                       "line 1: cases: there are no cases",
	"casses:\n  - name: a\n":            "line 1: casses: unknown key; the keys are dataset, data, cases",
	"cases:\n  - name: a\n    nme: b\n": "line 3: cases[0].nme: unknown key; the keys are name, question, params, where, tolerance, answer, error",
	"cases:\n  - question: a\n":         "line 2: cases[0].name: it is missing",
	"cases:\n  - name: a\n  - name: b\n  - name: a\n":                `line 4: cases[2].name: an earlier case has the name "a"`,
	"cases:\n  - name: 7\n":                                          "line 2: cases[0].name: it is the number \"7\"; put it in quotes",
	"dataset: abc\ncases:\n  - name: a\n":                            `line 1: dataset: "abc" is not a digest`,
	"cases:\n  - name: a\n    params: [1]\n":                         "line 3: cases[0].params: it is a list; it must be a mapping",
	"cases:\n  - name: a\n    params: {n: 0x10}\n":                   "line 3: cases[0].params.n: it is the number \"0x10\"; it must be a value as in JSON",
	"cases:\n  - name: a\n    tolerance: -1\n":                       `line 3: cases[0].tolerance: "-1" is not a tolerance`,
	"cases:\n  - name: a\n    tolerance: .nan\n":                     `line 3: cases[0].tolerance: ".nan" is not a tolerance`,
	"cases:\n  - name: a\n    answer:\n":                             "line 3: cases[0].answer: it is empty; it must be a mapping with the keys columns, rows",
	"cases:\n  - name: a\n    answer:\n      rows:\n        - [1]\n": "line 3: cases[0].answer.columns: it is missing",
	"cases:\n  - name: a\n    answer:\n      columns: [n float]\n":   `line 4: cases[0].answer.columns[0]: "n float" is not a column with its type (string, number or integer)`,
	"cases:\n  - name: a\n    answer:\n      columns: [n number]\n      rows:\n        - [1]\n        - [1, 2]\n":              "line 7: cases[0].answer.rows[1]: it has 2 cells; the answer has 1 columns",
	"cases:\n  - name: a\n    answer:\n      columns: [n number]\n      rows:\n        - [one]\n":                              "line 6: cases[0].answer.rows[0][0]: \"one\" is not a value of the column n: it takes a number",
	"cases:\n  - name: a\n    answer:\n      columns: [n integer]\n      rows:\n        - [1.5]\n":                             "line 6: cases[0].answer.rows[0][0]: 1.5 is not a value of the column n: it takes a whole number",
	"cases:\n  - name: a\n    answer:\n      columns: [n string]\n      rows:\n        - [5]\n":                                "line 6: cases[0].answer.rows[0][0]: 5 is not a value of the column n: it takes a text, in quotes",
	"cases:\n  - name: a\n    error: {code: no_dta}\n":                                                                         `line 3: cases[0].error.code: there is no code "no_dta"`,
	"cases:\n  - name: a\n    error: {param: x}\n":                                                                             "line 3: cases[0].error.code: it is missing",
	"cases:\n  - name: a\n    error: {code: no_data}\n    answer: {columns: [n number], rows: [[1]]}\n":                        "line 3: cases[0].error: a case expects an answer or an error, not both",
	"cases:\n  - name: a\n    answer:\n      columns: [location string, spread number]\n      rows:\n        - [Indiana, 29.4": "line 6: it is not YAML",
}

// What is wrong with a table is said with its line and what would be right.
func TestParseTableRefuses(t *testing.T) {
	for text, want := range refusedTables {
		if _, err := ParseTable([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q:\n%v\nwant %s", text, err, want)
		}
	}
}

var (
	someDigest   = "sha256:" + strings.Repeat("0", 64)
	otherDigest  = "sha256:" + strings.Repeat("f", 64)
	difficult    = &answer{Columns: []string{"a: b string", "n number"}, Rows: [][]any{{"x, y", json.Number("1e+21")}, {"- \"[{#'\n\u2028😀", json.Number("-0.1")}, {"null", nil}, {"", json.Number("5e-324")}, {"5", json.Number("0")}}}
	expectations = []expectation{{answer: difficult}, {err: &failure{"bad_parameter", "where.year"}}, {err: &failure{"no_data", ""}}}
)

// Rewriting changes expected outcomes and the digest and nothing else: not a comment, not the
// order, not a blank line.
func TestRewrite(t *testing.T) {
	const before = `# about
dataset: %s # pinned

cases:
  # one
  - name: a  # a case
    answer: {columns: [n number], rows: [[1]]}
    # of a
    params: {x: 1}

  # two
  -   answer:
          columns: [n number]
          # inside
          rows:
            - [1]

      # of b
      name: b
  - name: c
    where:
      year: 2020

  # the end
`
	const after = `# about
dataset: %s # pinned

cases:
  # one
  - name: a  # a case
    error: {code: no_data}
    # of a
    params: {x: 1}

  # two
  -   answer:
        columns: [n number]
        rows:
          - [2.5]

      # of b
      name: b
  - name: c
    where:
      year: 2020
    answer:
      columns: [n number]
      rows:
        - [2.5]

  # the end
`
	two := expectation{answer: &answer{Columns: []string{"n number"}, Rows: [][]any{{json.Number("2.5")}}}}
	for _, eol := range []string{"\n", "\r\n"} {
		text := strings.ReplaceAll(fmt.Sprintf(before, someDigest), "\n", eol)
		table, err := ParseTable([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := table.rewrite(otherDigest, map[int]expectation{0: expectations[2], 1: two, 2: two})
		if want := strings.ReplaceAll(fmt.Sprintf(after, otherDigest), "\n", eol); err != nil || string(got) != want {
			t.Errorf("%v\n%s", err, got)
		}
	}
	// What cannot be rewritten is left alone, with its line.
	for _, text := range []string{
		"cases: [{name: a, error: {code: no_data}}]\n",
		"cases: [{name: a}]\n",
		"cases:\n  - {name: a, error: {code: no_data}}\n",
		"cases:\n  - name: a\n    'error': {code: no_data}\n",
	} {
		table, err := ParseTable([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := table.rewrite(otherDigest, map[int]expectation{0: two}); err == nil || !strings.Contains(err.Error(), "line") {
			t.Errorf("%q: %v\n%s", text, err, got)
		}
	}
	// Nor is a table written that would be too large to be read.
	table, err := ParseTable([]byte("cases:\n  - name: a\n"))
	if err != nil {
		t.Fatal(err)
	}
	large := &answer{Columns: []string{"n number"}, Rows: make([][]any, 30_000)}
	for i := range large.Rows {
		large.Rows[i] = []any{json.Number("1")}
	}
	if _, err := table.rewrite(otherDigest, map[int]expectation{0: {answer: large}}); err == nil || !strings.Contains(err.Error(), "at most 262144: ask for fewer rows") {
		t.Error(err)
	}
}

// No text makes the parser panic, and a table that is rewritten means what it is to mean.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"cases:\n  - name: a\n",
		"dataset: " + someDigest + "\ncases:\n  - name: a\n    error: {code: no_data}\n  # c\n  - name: b\n",
		"data: x.csv\ncases:\n- answer:\n    columns: [n number]\n    rows: [[1]]\n  name: a\n",
		"cases: [{name: a, tolerance: 1e-9}]\n",
		"cases:\r\n  - name: a\r\n    params: {x: [1, {min: 2}], y: ''}\r\n    where: {z: null}\r\n",
		"cases:\n  - name: |\n      a\n    error:\n      code: no_data\n---\n",
	} {
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, text []byte, choice uint8) {
		table, err := ParseTable(text)
		if err != nil {
			return
		}
		now := map[int]expectation{}
		for i := range table.Cases {
			now[i] = expectations[(i+int(choice))%len(expectations)]
		}
		again, err := table.rewrite(otherDigest, now)
		if err != nil {
			return
		}
		got, err := ParseTable(again)
		if err != nil || got.Dataset != otherDigest || len(got.Cases) != len(now) {
			t.Fatalf("%v\n%s", err, again)
		}
		for i, e := range now {
			if c := got.Cases[i]; !reflect.DeepEqual(c.Answer, e.answer) || !reflect.DeepEqual(c.Error, e.err) || c.Name != table.Cases[i].Name {
				t.Errorf("%d: %+v, want %+v\n%s", i, c, e, again)
			}
		}
	})
}

// Texts of all kinds survive YAML.
func TestYAMLText(t *testing.T) {
	columns := []string{}
	row := []any{}
	for i, s := range []string{"a", "Ohio", "true", "No", "null", "~", "1", "1e3", ".5", "a b", " a", "a ", "a: b", "a #b", "#", "-", "- a", "?", "*a", "&a", "!a", "@", "`", "%", "'", "\"", "\\", "\t", "\n", "a\r\nb", "[", "]", "{", "}", ",", "a,b", "Age (years)", "18-24", "é", "日本", "\u0000", "\u007f", "\u0085", "\u2028", "\ufeff", "\U0001f600", "<a&b>", "0x1", "2020-01-01", "NaN", "inf", "=", "<<", "|", ">", "---", "..."} {
		columns = append(columns, fmt.Sprintf("c%d string", i))
		row = append(row, s)
	}
	table, err := ParseTable([]byte("cases:\n  - name: a\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(expectations, expectation{answer: &answer{columns, [][]any{row}}}) {
		if _, err := table.rewrite(someDigest, map[int]expectation{0: e}); err != nil {
			t.Error(err)
		}
	}
}

// answerOf has numbers in their shortest text, and nothing where a value is missing.
func TestAnswerOf(t *testing.T) {
	valid := question.NewBitmap(2)
	valid.Set(1)
	got := answerOf(&question.Table{Columns: []question.Column{
		{Name: "n", Type: question.Number, Numbers: []float64{0, 0.30000000000000004}, Valid: valid},
		{Name: "i", Type: question.Integer, Integers: []int64{-1, 1 << 62}},
		{Name: "s", Type: question.String, Codes: []int32{1, 0}, Dict: []string{"a", "b"}},
	}})
	want := &answer{
		Columns: []string{"n number", "i integer", "s string"},
		Rows:    [][]any{{nil, json.Number("-1"), "b"}, {json.Number("0.30000000000000004"), json.Number("4611686018427387904"), "a"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// beyondSchema is what the schema's description says, or YAML, and not the schema.
var beyondSchema = regexp.MustCompile(`an earlier case|has 2 cells|is not a value of|no code|it is not YAML|"0x10"|"\.nan"|there are no cases; `)

// The schema takes what a plugin's author starts with, and refuses what ParseTable refuses.
func TestTableSchema(t *testing.T) {
	doc, err := os.ReadFile("../../plugins/tests.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema *jsonschema.Schema
	c := jsonschema.NewCompiler()
	if parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc)); err != nil {
		t.Fatal(err)
	} else if err := c.AddResource("tests.json", parsed); err != nil {
		t.Fatal(err)
	} else if schema, err = c.Compile("tests.json"); err != nil {
		t.Fatal(err)
	}
	takes := func(text string) error {
		t.Helper()
		converted, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(converted))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	good, err := plugins.Sources.ReadFile("templates/" + TableName)
	if err != nil {
		t.Fatal(err)
	}
	if err := takes(string(good)); err != nil {
		t.Error(err)
	}
	for text, reason := range refusedTables {
		if !beyondSchema.MatchString(reason) && takes(text) == nil {
			t.Errorf("the schema takes what is refused with %s:\n%s", reason, text)
		}
	}
}

// A panic in Go comes as an error of the plugin, which a plugin may also mean.
func TestPanicIsNotExpected(t *testing.T) {
	for reason, kept := range map[string]bool{
		"panic: runtime error: index out of range [24] with length 0, at main.go:45": true,
		"there are too few states to compare":                                        false,
	} {
		o := outcome{err: question.Errorf(question.CodePluginError, "%s", reason)}
		if got := o.unfit(); (got != "") != kept {
			t.Errorf("%s: %q", reason, got)
		}
	}
}
