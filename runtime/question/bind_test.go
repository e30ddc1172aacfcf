package question

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// schema is a small dataset for the tests.
type schema []Column

func (s schema) Columns() []Column { return s }

func (s schema) Column(name string) (*Column, bool) {
	for i := range s {
		if s[i].Name == name {
			return &s[i], true
		}
	}
	return nil, false
}

var testSchema = schema{
	{Name: "question", Type: String, Role: RoleDimension, Dict: []string{"adults who have obesity", "adults who walk"}},
	{Name: "location", Type: String, Role: RoleDimension, Dict: []string{"Ohio", "Oklahoma", "Oregon", "Texas"}},
	{Name: "year", Type: Integer, Role: RoleDimension},
	{Name: "rate", Type: Number, Role: RoleDimension},
	{Name: "value", Type: Number, Role: RoleMeasure},
}

// testManifest has a parameter of every type.
func testManifest(t testing.TB) *Manifest {
	t.Helper()
	m := &Manifest{
		Name: "demo", Version: "1.0.0",
		Columns: []ColumnNeed{{"question", String}, {"location", String}, {"year", Integer}, {"value", Number}},
		Questions: []Question{
			{Name: "mean", Result: Result{Values: []ResultColumn{{Name: "mean", Type: Number}}}},
			{
				Name: "everything",
				Params: []Param{
					{Name: "question", Type: ParamColumn, Column: "question", Required: true, Select: true},
					{Name: "states", Type: ParamColumn, Column: "location", List: true},
					{Name: "since", Type: ParamColumn, Column: "year"},
					{Name: "share", Type: ParamNumber, Min: new(0.0), Max: new(1.0), Default: json.Number("0.5")},
					{Name: "top", Type: ParamInteger, Min: new(1.0)},
					{Name: "order", Type: ParamChoice, Choices: []string{"up", "down"}, Default: "down"},
					{Name: "exact", Type: ParamBoolean},
				},
				Result: Result{Values: []ResultColumn{{Name: "n", Type: Integer}}},
			},
		},
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	m, err = ParseManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBind(t *testing.T) {
	m := testManifest(t)
	const q = `"question":"adults who walk"`
	half := math.Float64bits(0.5)
	tests := []struct {
		name, body string
		args       [][]uint64
		where      []Condition
	}{
		{
			"only what is required", `{` + q + `}`,
			[][]uint64{{1}, nil, nil, {half}, nil, {1}, nil},
			[]Condition{{Column: "question", Codes: []int32{1}}},
		},
		{
			"everything", `{` + q + `,"states":["Texas","Ohio"],"since":2015,"share":1,"top":3,"order":"up","exact":true}`,
			[][]uint64{{1}, {3, 0}, {2015}, {math.Float64bits(1)}, {3}, {0}, {1}},
			[]Condition{{Column: "question", Codes: []int32{1}}},
		},
		{
			"null is left out, one value is a list of one", `{` + q + `,"states":"Ohio","top":null}`,
			[][]uint64{{1}, {0}, nil, {half}, nil, {1}, nil},
			[]Condition{{Column: "question", Codes: []int32{1}}},
		},
		{
			"an integer may be written with a point", `{` + q + `,"since":2015.0,"top":1e2}`,
			[][]uint64{{1}, nil, {2015}, {half}, {100}, {1}, nil},
			[]Condition{{Column: "question", Codes: []int32{1}}},
		},
		{
			"where: a value, a list, ranges", `{` + q + `,"where":{"year":2020,"location":["Texas","Ohio","Texas"],"rate":{"min":0.5}}}`,
			[][]uint64{{1}, nil, nil, {half}, nil, {1}, nil},
			[]Condition{
				{Column: "question", Codes: []int32{1}},
				{Column: "location", Codes: []int32{0, 3}},
				{Column: "rate", Intervals: []Interval{{0.5, math.Inf(1)}}},
				{Column: "year", Intervals: []Interval{{2020, 2020}}},
			},
		},
		{
			"where: a range of strings", `{` + q + `,"where":{"location":{"min":"Oj","max":"Oregon"}}}`,
			[][]uint64{{1}, nil, nil, {half}, nil, {1}, nil},
			[]Condition{
				{Column: "question", Codes: []int32{1}},
				{Column: "location", Codes: []int32{1, 2}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := ParseRequest("everything", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.Bind(req, testSchema)
			if err != nil {
				t.Fatal(err)
			}
			if b.Index != 1 || b.Question.Name != "everything" {
				t.Errorf("bound question %d, %q", b.Index, b.Question.Name)
			}
			got := make([][]uint64, len(b.Args))
			for i := range b.Args {
				got[i] = b.Args[i].Values
			}
			if !reflect.DeepEqual(got, tt.args) {
				t.Errorf("args %v, want %v", got, tt.args)
			}
			if !reflect.DeepEqual(b.Where, tt.where) {
				t.Errorf("where %v, want %v", b.Where, tt.where)
			}
		})
	}
}

func TestBindRefuses(t *testing.T) {
	m := testManifest(t)
	const q = `"question":"adults who walk"`
	tests := []struct {
		name, question, body string
		code                 Code
		param, reason, hint  string // hint: one that must be among them
	}{
		{"unknown question", "everthing", `{}`, CodeUnknownQuestion, "", `"everthing"`, "everything"},
		{"unknown parameter", "everything", `{` + q + `,"sinc":1}`, CodeUnknownParameter, "sinc", "since", "since"},
		{"missing", "everything", `{}`, CodeMissingParameter, "question", "required", "adults who walk"},
		{"empty string", "everything", `{"question":""}`, CodeBadParameter, "question", "empty", "adults who walk"},
		{"number for a string", "everything", `{"question":7}`, CodeBadParameter, "question", "the number 7", "adults who walk"},
		{"unknown value", "everything", `{"question":"adults who wlak"}`, CodeUnknownValue, "question", "did you mean", "adults who walk"},
		{"other case", "everything", `{` + q + `,"states":"ohio"}`, CodeUnknownValue, "states", `did you mean "Ohio"?`, "Ohio"},
		{"no list", "everything", `{"question":["adults who walk"]}`, CodeBadParameter, "question", "is a list", ""},
		{"empty list", "everything", `{` + q + `,"states":[]}`, CodeBadParameter, "states", "0 values", ""},
		{"below min", "everything", `{` + q + `,"share":-0.1}`, CodeBadParameter, "share", "from 0 up to 1", ""},
		{"above max", "everything", `{` + q + `,"share":1.5}`, CodeBadParameter, "share", "from 0 up to 1", ""},
		{"infinite", "everything", `{` + q + `,"share":1e999}`, CodeBadParameter, "share", "1e999", ""},
		{"fraction", "everything", `{` + q + `,"top":1.5}`, CodeBadParameter, "top", "an integer", ""},
		{"huge integer", "everything", `{` + q + `,"top":1e300}`, CodeBadParameter, "top", "an integer", ""},
		{"choice", "everything", `{` + q + `,"order":"upp"}`, CodeUnknownValue, "order", `"up", "down"`, "up"},
		{"boolean", "everything", `{` + q + `,"exact":"yes"}`, CodeBadParameter, "exact", "true or false", ""},
		{"object", "everything", `{` + q + `,"top":{}}`, CodeBadParameter, "top", "an object", ""},
		{"where: no object", "everything", `{` + q + `,"where":3}`, CodeBadParameter, "where", `{"year": 2020}`, ""},
		{"where: no dimension", "everything", `{` + q + `,"where":{"value":3}}`, CodeUnknownParameter, "where.value", "its dimensions are", ""},
		{"where: unknown column", "everything", `{` + q + `,"where":{"yaer":3}}`, CodeUnknownParameter, "where.yaer", "year", "year"},
		{"where: unknown value", "everything", `{` + q + `,"where":{"location":"Txas"}}`, CodeUnknownValue, "where.location", "Texas", "Texas"},
		{"where: wrong type", "everything", `{` + q + `,"where":{"year":"2020"}}`, CodeBadParameter, "where.year", "integers", ""},
		{"where: empty list", "everything", `{` + q + `,"where":{"year":[]}}`, CodeBadParameter, "where.year", "0 values", ""},
		{"where: empty range", "everything", `{` + q + `,"where":{"year":{}}}`, CodeBadParameter, "where.year", `"min", "max"`, ""},
		{"where: wrong key", "everything", `{` + q + `,"where":{"year":{"from":1}}}`, CodeBadParameter, "where.year", `"from"`, "min"},
		{"where: crossed", "everything", `{` + q + `,"where":{"year":{"min":3,"max":1}}}`, CodeBadParameter, "where.year", "above", ""},
		{"where: no string in it", "everything", `{` + q + `,"where":{"location":{"min":"U"}}}`, CodeUnknownValue, "where.location", "no value", "Ohio"},
		{"where: not told apart", "everything", `{` + q + `,"where":{"year":9007199254740993}}`, CodeBadParameter, "where.year", "2^53", ""},
		{"where: end not told apart", "everything", `{` + q + `,"where":{"year":{"max":9007199254740993}}}`, CodeBadParameter, "where.year", "2^53", ""},
		{"where: end of a wrong type", "everything", `{` + q + `,"where":{"year":{"min":"x"}}}`, CodeBadParameter, "where.year", "numbers", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := ParseRequest(tt.question, []byte(tt.body))
			if err == nil {
				_, err = m.Bind(req, testSchema)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if e.Code != tt.code || e.Param != tt.param || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("%s about %q: %s\nwant %s about %q with %q", e.Code, e.Param, e.Reason, tt.code, tt.param, tt.reason)
			}
			if tt.hint != "" && !slices.Contains(e.Hint, tt.hint) {
				t.Errorf("hints %q, want %q among them", e.Hint, tt.hint)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for body, reason := range map[string]string{
		"":                          "empty",
		" ":                         "empty",
		"{":                         "ends in the middle",
		"{'a':1}":                   "at byte",
		"[]":                        "a list",
		"null":                      "null",
		`"x"`:                       "the string",
		"{}{}":                      "follows",
		`{"a":1}x`:                  "",
		`{"a":1,"a":2}`:             "stands twice",
		`{"where":{"b":1,"b":1}}`:   "stands twice",
		`{"a":[{"b":1},{"b":1}]}{`:  "",
		"{\"a\":\"\xff\"}":          "not UTF-8",
		`{"a":` + "\x00" + `}`:      "at byte",
		strings.Repeat("[", 20_000): "",
	} {
		_, err := ParseRequest("q", []byte(body))
		if CodeOf(err) != CodeMalformedJSON || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.40q: %v, want malformed_json with %q", body, err, reason)
		}
	}
	req, err := ParseRequest("q", []byte(`{"a":[{"b":1},{"b":1}],"where":{"a":1}}`))
	if err != nil || len(req.Params) != 1 || len(req.Where) != 1 {
		t.Errorf("the same name in two objects: %v, %v", req, err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"Ohio", "Oklahoma", "New Mexico", "New York", "West Virginia", "Virginia"}
	tests := []struct {
		got  string
		want []string
	}{
		{"ohio", []string{"Ohio"}},
		{"virginia", []string{"Virginia", "West Virginia"}},
		{"new", []string{"New Mexico", "New York"}},
		{"Oklohama", []string{"Oklahoma"}},
		{"zzzzzzzz", nil},
		{"", nil},
		{strings.Repeat("o", 10_000), nil},
	}
	for _, tt := range tests {
		if got := Nearest(tt.got, known); !slices.Equal(got, tt.want) {
			t.Errorf("Nearest(%.20q) = %q, want %q", tt.got, got, tt.want)
		}
	}
	if got := Nearest("aaaa", []string{"aaaa1", "aaaa2", "aaaa3", "aaaa4", "aaaa5", "aaaa6"}); len(got) != maxHints {
		t.Errorf("%d hints, want %d", len(got), maxHints)
	}
}

// FuzzBind: whatever a stranger sends, the answer is a bound request whose values
// are the dataset's, or an error with a code and a reason.
func FuzzBind(f *testing.F) {
	for _, seed := range []string{
		`{"question":"adults who walk","where":{"year":{"min":2015},"location":["Ohio"]}}`,
		`{"question":"adults who walk","states":["Texas"],"since":2015,"share":0.1,"top":3,"order":"up","exact":true}`,
		`{"where":{"location":{"max":"P"}}}`, `{}`, `[`, `{"question":{"min":1}}`,
	} {
		f.Add([]byte(seed))
	}
	m := testManifest(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := ParseRequest("everything", body)
		var b *Bound
		if err == nil {
			b, err = m.Bind(req, testSchema)
		}
		if err != nil {
			if e := AsError(err); e.Code == CodeInternal || e.Reason == "" {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		for i, arg := range b.Args {
			p := &b.Question.Params[i]
			if p.Required && len(arg.Values) == 0 || !p.List && len(arg.Values) > 1 {
				t.Fatalf("%q: %s has %d values", body, p.Name, len(arg.Values))
			}
			for _, v := range arg.Values {
				if c, ok := testSchema.Column(p.Column); ok && c.Type == String && v >= uint64(len(c.Dict)) {
					t.Fatalf("%q: %s is code %d", body, p.Name, v)
				}
			}
		}
		for _, c := range b.Where {
			if !slices.IsSorted(c.Codes) || len(c.Codes)+len(c.Intervals) == 0 {
				t.Fatalf("%q: condition %v", body, c)
			}
		}
	})
}
