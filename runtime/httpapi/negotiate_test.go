package httpapi

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/render"
)

func TestQuality(t *testing.T) {
	const rfc = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
	for _, tt := range []struct {
		accept, mediaType, layout string
		want                      float64
	}{
		{"", "text/csv", "", 1},
		{" , ,", "text/csv", "", 1},
		{rfc, "text/html", "", 0.3},
		{rfc, "image/jpeg", "", 0.5},
		{rfc, "text/plain", "", 0.7},
		{"*/*;q=0, text/csv;q=0.001", "text/csv", "", 0.001},
		{"*/*;q=0, text/csv", "application/json", "original", 0},
		{"TEXT/CSV ; Q=0.5", "text/csv", "", 0.5},
		{"text/csv;q=1.000", "text/csv", "", 1},
		{`text/csv; note="a, b;q=0"; q=.4`, "text/csv", "", 0.4},
		{"*; q=.2", "text/csv", "", 0.2},
		{"application/json;layout=rows;q=0.9, application/json;q=0.1", "application/json", "rows", 0.9},
		{"application/json;layout=rows;q=0.9, application/json;q=0.1", "application/json", "original", 0.1},
		{"application/json;layout=rows", "application/json", "original", 0},
		{"application/json;charset=utf-8", "application/json", "original", 1},
		{"application/*", "application/json", "rows", 1},
		{"text/csv;q=2", "text/csv", "", 0},
		{"text/csv;q=-1", "text/csv", "", 0},
		{"text/csv;q=NaN", "text/csv", "", 0},
		{"text/csv;q=Inf", "text/csv", "", 0},
		{"text/csv;q=1e-1", "text/csv", "", 0},
		{"text/csv;q=", "text/csv", "", 0},
		{"text/csv;q=x, */*", "text/csv", "", 1},
		{"csv", "text/csv", "", 0},
		{"text/csv/*", "text/csv", "", 0},
		{`"text/csv`, "text/csv", "", 0},
	} {
		if got := qualityOf([]string{tt.accept}, tt.mediaType, tt.layout).q; got != tt.want {
			t.Errorf("%q wants %s %s %v, should be %v", tt.accept, tt.mediaType, tt.layout, got, tt.want)
		}
	}
}

func TestSplitQuoted(t *testing.T) {
	for in, want := range map[string][]string{
		"":                  nil,
		" , ,":              nil,
		"a, b ,c":           {"a", "b", "c"},
		`a="1,2", b`:        {`a="1,2"`, "b"},
		`a="1\",2", b`:      {`a="1\",2"`, "b"},
		`a="1, b`:           {`a="1, b`},
		`a="1\`:             {`a="1\`},
		`\,a`:               {`\`, "a"},
		`"x""y,z", W/"1,2"`: {`"x""y,z"`, `W/"1,2"`},
	} {
		if got := slices.Collect(splitQuoted(in, ',')); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", `a"b`, `a\b`, "tab\t", "é", "\xff", "<a>", "\x7f", "\u2028"} {
		var got, want string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		_ = json.Unmarshal(marshal(s), &want)
		if got != want {
			t.Errorf("%q came back as %q, want %q", s, got, want)
		}
	}
}

// The JSON written by hand equals that of encoding/json. A new field of
// question.Provenance fails here.
func TestAppendProvenance(t *testing.T) {
	p := question.Provenance{}
	for i, v := 0, reflect.ValueOf(&p).Elem(); i < v.NumField(); i++ {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(`"` + v.Type().Field(i).Name)
		case reflect.Bool:
			f.SetBool(true)
		default:
			f.SetInt(math.MaxInt64 - int64(i))
		}
	}
	if got, want := appendProvenance(nil, &p), marshal(p); string(got) != string(want) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Any headers and query give one of the formats, or an error that a client can act on,
// and a wait within its bounds.
func FuzzNegotiate(f *testing.F) {
	f.Add("application/json;layout=rows, */*;q=0.1", "respond-async, wait=10", "wait=1&layout=rows", `W/"x", *`)
	f.Add(`text/csv;a="\`, `wait="1;`, "format=csv&layout=", `"`)
	f.Fuzz(func(t *testing.T, accept, prefer, rawQuery, match string) {
		h := http.Header{"Accept": {accept}, "Prefer": {prefer}}
		a := &api{cfg: Config{MaxWait: 30 * time.Second}, formats: slices.DeleteFunc(slices.Clone(render.Formats), func(f question.Format) bool { return f.MediaType == "" })}
		q, err := (&route{Params: a.resultParams()}).query(&http.Request{URL: &url.URL{RawQuery: rawQuery}})
		if err != nil {
			if question.CodeOf(err) != question.CodeBadRequest {
				t.Errorf("%v", err)
			}
			return
		}
		var asked preferences
		err = a.waiting(&asked, q, h)
		switch {
		case err != nil && question.CodeOf(err) != question.CodeBadRequest:
			t.Errorf("%v", err)
		case asked.wait < 0 || asked.wait > a.cfg.MaxWait || asked.wait%time.Second != 0 || asked.preferred && q.Has("wait"):
			t.Errorf("%+v", asked)
		}
		err = a.chooseFormat(&asked, q, h)
		switch code := question.CodeOf(err); {
		case err != nil && code != question.CodeBadRequest && code != question.CodeNotAcceptable:
			t.Errorf("%v", err)
		case err == nil && asked.format == nil:
			t.Errorf("%+v", asked)
		}
		for i := range a.formats {
			if q := qualityOf([]string{accept}, mediaRange(&a.formats[i]), a.formats[i].Layout).q; !(q >= 0 && q <= 1) {
				t.Errorf("a quality of %v", q)
			}
		}
		matches([]string{match}, `W/"x"`)
	})
}
