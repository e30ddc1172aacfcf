package question

import (
	"encoding/json"
	"errors"
	"fmt"
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
		Columns: []ColumnNeed{{Name: "question", Type: String}, {Name: "location", Type: String}, {Name: "year", Type: Integer}, {Name: "value", Type: Number}},
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
		{"long", "everything", `{` + q + `,"share":` + strings.Repeat("9", 60000) + `}`, CodeBadParameter, "share", strings.Repeat("9", 40) + "... (60000 characters)", ""},
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
		"{}{}":                      "after the JSON object",
		`{"a":1}x`:                  "",
		strings.Repeat("[", 20):     "levels",
		`{"a":1,"a":2}`:             "duplicate name",
		`{"where":{"b":1,"b":1}}`:   "duplicate name",
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
		{"Virgina, West", nil},
		{"Virgnia", []string{"Virginia", "West Virginia"}},
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

// A misspelt word, or a few of them, is found in a longer text.
func TestNearestByWords(t *testing.T) {
	known := []string{
		"Percent of adults aged 18 years and older who have obesity",
		"Percent of adults aged 18 years and older who have an overweight classification",
		"Percent of adults who engage in no leisure-time physical activity (any), or combination",
	}
	for got, want := range map[string][]string{
		"obesty": known[:1], "OBESTIY": known[:1], "have obesty": known[:1], "overwieght": known[1:2], "combinaton": known[2:], "activty": known[2:],
		"obe": known[:1], "obs": nil, "diabetes": nil, "xx yy zz": nil, "physical actvity any": known[2:],
	} {
		if found := Nearest(got, known); !slices.Equal(found, want) {
			t.Errorf("Nearest(%q) = %q, want %q", got, found, want)
		}
	}
}

// A long list of values costs little more than to read it.
func BenchmarkNearest(b *testing.B) {
	known := make([]string, 100_000)
	for i := range known {
		known[i] = fmt.Sprintf("Percent of adults who engage in activity %d or none", i)
	}
	for b.Loop() {
		if Nearest("actifity of adults enwage", known) != nil {
			b.Fatal("it is near")
		}
	}
}

// A text that is no value says what may have been meant.
func TestUnknownValue(t *testing.T) {
	c := &Column{Name: "place", Type: String, Dict: []string{"Iowa", "New York", "Ohio", "Texas", "Utah", "Virginia, West"}}
	for _, tt := range []struct {
		text, want string
		hint       []string
	}{
		{"Ohio,Texas", "it is 2 of them with commas between", []string{"Ohio", "Texas"}},
		{"New York, Ohio ,Utah", "it is 3 of them", []string{"New York", "Ohio", "Utah"}},
		{"Ohio,Txas", "", nil},
		{"Ohio,", "", []string{"Ohio"}},
		{"Ohoi", `did you mean "Ohio"?`, []string{"Ohio"}},
		{"o", "3 of them contain it", []string{"Iowa", "New York", "Ohio"}},
		{"xyzzy", "", nil},
	} {
		_, err := columnValue("state", c, tt.text)
		if err == nil || err.Code != CodeUnknownValue || err.Param != "state" || !strings.Contains(err.Reason, tt.want) || tt.hint != nil && !slices.Equal(err.Hint, tt.hint) {
			t.Errorf("%q: %v, %q; want %q, %q", tt.text, err, err.Hint, tt.want, tt.hint)
		}
	}
	if _, err := columnValue("state", c, "Virginia, West"); err != nil {
		t.Errorf("a value with a comma: %v", err)
	}
	if got := Listed(strings.Repeat("a,", 100)+"a", func(s string) string { return s }); got != nil {
		t.Errorf("%d parts are listed", len(got))
	}
}

// FuzzBind: any body gives a bound request with values of the dataset, or an error with a
// code and a reason.
func FuzzBind(f *testing.F) {
	for _, seed := range []string{
		`{"question":"adults who walk","where":{"year":{"min":2015},"location":["Ohio"]}}`,
		`{"question":"adults who walk","states":["Texas"],"since":2015,"share":0.1,"top":3,"order":"up","exact":true}`,
		`{"where":{"location":{"max":"P"}}}`, `{}`, `[`, `{"question":{"min":1}}`, `{"a":[1,{"b":null},]}`, `{"a":1,}`, `{"a" "b"}`, `[}`,
	} {
		f.Add([]byte(seed))
	}
	m := testManifest(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := ParseRequest("everything", body)
		if err == nil && !json.Valid(body) {
			t.Fatalf("%q is accepted", body)
		}
		var b *BoundRequest
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

// BenchmarkBind binds a request that narrows rows by three conditions.
func BenchmarkBind(b *testing.B) {
	m := testManifest(b)
	req, err := ParseRequest("everything", []byte(`{"question":"adults who walk","states":["Ohio","Texas"],"where":{"year":{"min":2015},"location":"Ohio"}}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		bound, err := m.Bind(req, testSchema)
		if err != nil || len(bound.Where) != 3 {
			b.Fatal(bound, err)
		}
	}
}

// dated is a schema with defaults.
type dated struct {
	schema

	conds []Condition // of the last call of Greatest
}

func (d *dated) Default(column string) string {
	return map[string]string{"year": "latest", "location": "Ohio", "question": "not there"}[column]
}

func (d *dated) Greatest(column string, conds []Condition) (int64, bool) {
	d.conds = conds
	return 2021, column == "year" && len(conds) < 3
}

// TestDefaults: parameters that are left out get the dataset's default of their column, the
// latest one after all other conditions are known.
func TestDefaults(t *testing.T) {
	m, err := ParseManifest([]byte(`{"name":"a","version":"2","columns":[{"name":"location","type":"string"},{"name":"year","type":"integer"},{"name":"question","type":"string"}],
		"questions":[{"name":"q","params":[{"name":"when","type":"column","column":"year","select":true},{"name":"place","type":"column","column":"location","select":true},
		{"name":"what","type":"column","column":"question"},{"name":"since","type":"column","column":"year"}],"result":{"values":[{"name":"n","type":"integer"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := &dated{schema: testSchema}
	m = m.Adapt(s)
	year := func(n float64) Condition { return Condition{Column: "year", Intervals: []Interval{{n, n}}} }
	ohio := Condition{Column: "location", Codes: []int32{0}}
	for _, c := range []struct {
		body  string
		args  string
		where []Condition
	}{
		{`{}`, "[{[2021]} {[0]} {[]} {[2021]}]", []Condition{ohio, year(2021)}},
		{`{"when":2019,"place":"Texas","since":2018}`, "[{[2019]} {[3]} {[]} {[2018]}]", []Condition{year(2019), {Column: "location", Codes: []int32{3}}}},
		{`{"where":{"year":2015,"rate":1},"since":2018}`, "[{[]} {[0]} {[]} {[2018]}]", []Condition{ohio, {Column: "rate", Intervals: []Interval{{1, 1}}}, year(2015)}},
	} {
		req, err := ParseRequest("q", []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Bind(req, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(b.Args); got != c.args || !reflect.DeepEqual(b.Where, c.where) {
			t.Errorf("%s: %s %+v, want %s %+v", c.body, got, b.Where, c.args, c.where)
		}
	}
	if q := m.Questions[0].Canonical(Request{Question: "q", Params: map[string]any{"place": "Ohio"}}, s); q.Query() != "" {
		t.Errorf("a default value is in the canonical form: %s", q.Query())
	}
}

// TestOptionalColumns: a parameter of an optional column that the dataset does not have, or
// has with another type, can only be left out; a question that needs the column cannot be asked.
func TestOptionalColumns(t *testing.T) {
	m, err := ParseManifest([]byte(`{"name":"a","version":"2","columns":[{"name":"asked","type":"integer","optional":true},{"name":"location","type":"integer","optional":true},{"name":"year","type":"integer","optional":true}],
		"questions":[{"name":"q","params":[{"name":"asked","type":"column","column":"asked","select":true,"default":100},{"name":"place","type":"column","column":"location"},{"name":"year","type":"column","column":"year"}],
		"result":{"values":[{"name":"n","type":"integer"}]}},
		{"name":"needs","needs":["year","asked"],"result":{"values":[{"name":"n","type":"integer"}]}},
		{"name":"requires","params":[{"name":"place","type":"column","column":"location","required":true}],"result":{"values":[{"name":"n","type":"integer"}]}},
		{"name":"fits","needs":["year"],"result":{"values":[{"name":"n","type":"integer"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	m = m.Adapt(testSchema)
	if p := m.Questions[0].Params; !p[0].Absent || p[0].Default != nil || !p[1].Absent || p[2].Absent {
		t.Errorf("%+v", p)
	}
	for _, c := range []struct {
		question string
		params   map[string]any
		want     string // "": it can be asked
	}{
		{"q", nil, ""},
		{"q", map[string]any{"year": 2020.0, "place": nil}, ""},
		{"q", map[string]any{"asked": 5.0}, `"asked" takes a value of the column "asked", which this dataset does not have; leave it out`},
		{"q", map[string]any{"place": "Ohio"}, `"place" takes a value of the column "location", which this dataset does not have; leave it out`},
		{"needs", nil, "needs does not fit this dataset: it needs the column asked"},
		{"requires", map[string]any{"place": 1.0}, "requires does not fit this dataset: it needs the column location"},
		{"fits", nil, ""},
	} {
		b, err := m.Bind(Request{Question: c.question, Params: c.params}, testSchema)
		if c.want == "" && (err != nil || len(b.Where) > 0) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %v: %v", c.question, c.params, err)
		}
	}
}
