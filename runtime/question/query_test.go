package question

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	q := &testManifest(t).Questions[1]
	tests := []struct {
		query, want string // want: the body that asks the same, or the code and a part of the reason
	}{
		{"question=adults+who+walk", `{"question":"adults who walk"}`},
		{"question=adults+who+walk&share=&where.year=&states=", `{"question":"adults who walk"}`},
		{"states=Ohio&states=Texas&since=2015&share=0.25&top=3&order=up&exact=true", `{"states":["Ohio","Texas"],"since":2015,"share":0.25,"top":3,"order":"up","exact":true}`},
		{"where.year=2019&where.year=2020&where.location=Ohio", `{"where":{"year":[2019,2020],"location":"Ohio"}}`},
		{"where.year.min=2015&where.rate.min=0.5&where.rate.max=1", `{"where":{"year":{"min":2015},"rate":{"min":0.5,"max":1}}}`},
		{"top=three", `{"top":"three"}`}, // which Bind refuses
		{"sttes=Ohio", "unknown_parameter everything takes no parameter"},
		{"top=1&top=2", "bad_parameter given 2 times"},
		{"where.year=2015&where.year.min=2010", "bad_parameter a range"},
		{"where.year.min=2015&where.year.min=2010", "bad_parameter give it once"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			values, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.ParseQuery(values, testSchema)
			if err != nil {
				code, reason, _ := strings.Cut(tt.want, " ")
				if string(CodeOf(err)) != code || !strings.Contains(err.Error(), reason) {
					t.Fatalf("got %v, want %s", err, tt.want)
				}
				return
			}
			want, err := ParseRequest(q.Name, []byte(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			if g, w := marshalText(t, got), marshalText(t, want); g != w {
				t.Errorf("got %s, want %s", g, w)
			}
		})
	}
}

func marshalText(t testing.TB, v Request) string {
	t.Helper()
	if len(v.Params) == 0 {
		v.Params = nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCanonical has requests that ask the same in several ways.
func TestCanonical(t *testing.T) {
	q := &testManifest(t).Questions[1]
	const walk = `"question":"adults who walk"`
	tests := map[string][]string{
		"question=adults+who+walk": {
			`{` + walk + `}`, `{` + walk + `,"share":0.5,"order":"down"}`, `{` + walk + `,"share":5e-1,"states":null,"where":{}}`,
		},
		"question=adults+who+walk&states=Ohio&top=100": {
			`{` + walk + `,"states":"Ohio","top":100}`, `{` + walk + `,"states":["Ohio"],"top":1e2}`,
		},
		"question=adults+who+walk&states=Texas&states=Ohio": {`{` + walk + `,"states":["Texas","Ohio"]}`}, // a plugin sees the order
		"question=adults+who+walk&where.location=Ohio&where.location=Texas&where.year=2020": {
			`{` + walk + `,"where":{"location":["Texas","Ohio","Texas"],"year":[2020]}}`,
			`{` + walk + `,"where":{"location":["Ohio","Texas"],"year":{"min":2020.0,"max":2.02e3}}}`,
		},
		"question=adults+who+walk&where.location.min=Ohio": {`{` + walk + `,"where":{"location":{"min":""}}}`},
		"question=adults+who+walk&share=0":                 {`{` + walk + `,"share":0}`, `{` + walk + `,"share":0.0}`},
	}
	digests := map[string]string{}
	for want, bodies := range tests {
		for _, body := range bodies {
			req, err := ParseRequest(q.Name, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			got := q.Canonical(req, testSchema)
			if got.Query() != want {
				t.Errorf("%s: %s, want %s", body, got.Query(), want)
			}
			if other, ok := digests[got.Digest()]; ok && other != want {
				t.Errorf("%s has the digest of %s", want, other)
			}
			digests[got.Digest()] = want
		}
	}
	if len(digests) != len(tests) {
		t.Errorf("%d digests of %d requests", len(digests), len(tests))
	}
}

// checkCanonical checks that the canonical form of a valid request means the same, is its
// own canonical form, and survives a query.
func checkCanonical(t *testing.T, m *Manifest, req Request) {
	t.Helper()
	bound, err := m.Bind(req, testSchema)
	if err != nil {
		return
	}
	q := bound.Question
	canonical := q.Canonical(req, testSchema)
	again, err := m.Bind(canonical, testSchema)
	if err != nil {
		t.Fatalf("%v became %v: %v", req, canonical, err)
	}
	if !reflect.DeepEqual(bound.Args, again.Args) || len(bound.Where) == len(req.Where) && !sameRows(bound.Where, again.Where) {
		t.Fatalf("%v became %v:\n%+v\n%+v", req, canonical, bound, again)
	}
	if twice := q.Canonical(canonical, testSchema); !reflect.DeepEqual(twice, canonical) {
		t.Fatalf("%v became %v, and that %v", req, canonical, twice)
	}
	values, err := url.ParseQuery(canonical.Query())
	if err != nil {
		t.Fatal(err)
	}
	read, err := q.ParseQuery(values, testSchema)
	if err != nil || !reflect.DeepEqual(read, canonical) {
		t.Fatalf("%v: its query %s reads back as %v, %v", canonical, canonical.Query(), read, err)
	}
}

// sameRows reports whether conditions select the same rows: their order does not matter.
func sameRows(a, b []Condition) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Column != y.Column || !reflect.DeepEqual(x.Codes, y.Codes) {
			return false
		}
		for _, n := range []float64{-1, 0, 0.25, 0.5, 1, 2015, 2019, 2020, 1e20} {
			if within(n, x.Intervals) != within(n, y.Intervals) {
				return false
			}
		}
	}
	return true
}

func within(n float64, intervals []Interval) bool {
	for _, iv := range intervals {
		if n >= iv.Min && n <= iv.Max {
			return true
		}
	}
	return len(intervals) == 0
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"question=adults+who+walk", "question=adults+who+walk&states=Ohio&states=Ohio&share=-0&where.year=1e20&where.rate.max=0",
		"question=adults+who+walk&where.location.min=A&where.location.max=Z&where.rate=1&where.rate=1.0", "where.=1&where.min=2&where..min=3&_layout=rows",
		"question=adults+who+walk&top=9007199254740993&exact=T&since=2015",
	} {
		f.Add(seed)
	}
	m := testManifest(f)
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		req, err := m.Questions[1].ParseQuery(values, testSchema)
		if err != nil {
			if code := CodeOf(err); code != CodeUnknownParameter && code != CodeBadParameter {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		checkCanonical(t, m, req)
	})
}

// FuzzCanonical tries bodies, which can say what a query cannot.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{"question":"adults who walk","where":{"location":{"min":""},"rate":{"min":-0.0,"max":0},"year":[2020,2020.0]}}`,
		`{"question":"adults who walk","states":["Texas"],"share":0.5,"exact":false,"where":{"rate":[1e-7,0.1,1e22,-0]}}`,
	} {
		f.Add(seed)
	}
	m := testManifest(f)
	f.Fuzz(func(t *testing.T, body string) {
		if req, err := ParseRequest("everything", []byte(body)); err == nil {
			checkCanonical(t, m, req)
		}
	})
}
