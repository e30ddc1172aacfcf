package question

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

const exampleManifest = `{"name":"p","version":"1","columns":[{"name":"state","type":"string"},{"name":"year","type":"integer"},{"name":"value","type":"number"}],
"questions":[{"name":"q","params":[{"name":"state","type":"column","column":"state","required":true},{"name":"years","type":"column","column":"year","list":true},
{"name":"least","type":"number","min":0}],"result":{"values":[{"name":"n","type":"number"}]},"example":EXAMPLE}]}`

// Whatever an example is, the manifest is taken, and the fault is named.
func TestExampleFaults(t *testing.T) {
	for example, want := range map[string]string{
		`{"state":"Ohio","years":[2020,2021],"least":1.5,"where":{"year":{"min":2020}}}`: "",
		`null`:                                   "",
		`3`:                                      "it is the number 3; it must be a JSON object",
		`"x"`:                                    "must be a JSON object",
		`[]`:                                     "must be a JSON object",
		`{}`:                                     `it lacks the required parameter "state"`,
		`{"state":null}`:                         `"state" is null; the column "state" has the type string`,
		`{"state":"Ohio","stat":1}`:              `q takes no parameter "stat"; it takes state, years, least, where`,
		`{"state":7}`:                            `"state" is the number 7; the column "state" has the type string`,
		`{"state":""}`:                           `the column "state" has the type string`,
		`{"state":["Ohio"]}`:                     `"state" is a list of 1 values`,
		`{"state":"Ohio","years":2020.5}`:        `the column "year" has the type integer`,
		`{"state":"Ohio","years":[]}`:            `"years" is a list of 0 values`,
		`{"state":"Ohio","least":-1}`:            `"least" is the number -1; it takes a number from 0`,
		`{"state":"Ohio","where":"x"}`:           `"where" is the string "x"`,
		`{"state":"Oh\u202eio"}`:                 `"Oh\u202eio" has a control or invisible character`,
		`{"state":"Ohio","where":{"a\u0007":1}}`: "has a control or invisible character",
		`{"state":"a","state":"b"}`:              "duplicate name",
		`{"state":"` + strings.Repeat("x", maxExample) + `"}`:                                          "bytes; at most 16384",
		`{"state":"Ohio","where":` + strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20) + `}`: "more than 16 levels",
	} {
		text := []byte(strings.Replace(exampleManifest, "EXAMPLE", example, 1))
		m, err := ParseManifest(text)
		if err != nil {
			t.Errorf("%.60s: the plugin is refused: %v", example, err)
			continue
		}
		faults := HintFaults(text)
		if _, used := m.Questions[0].ExampleRequest(); want == "" && len(faults) > 0 || used != (want == "" && example != "null") {
			t.Errorf("%.60s: used %t, %v", example, used, faults)
		}
		if want != "" && (len(faults) != 1 || !strings.HasPrefix(faults[0].Reason, "manifest: questions[0] (q): its example: ") || !strings.Contains(faults[0].Reason, want)) {
			t.Errorf("%.60s: %v; want %q", example, faults, want)
		}
	}
	m, err := ParseManifest([]byte(strings.Replace(exampleManifest, "EXAMPLE", `{"state":"Ohio","where":{"year":2020}}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if req, _ := m.Questions[0].ExampleRequest(); req.Question != "q" || !reflect.DeepEqual(req.Params, map[string]any{"state": "Ohio"}) || len(req.Where) != 1 {
		t.Errorf("%+v", req)
	}
	if faults := HintFaults([]byte("{")); faults != nil {
		t.Errorf("of what is no manifest: %v", faults)
	}
}

// No text makes ParseManifest refuse a plugin for its example, and an example that is used
// has only visible text.
func TestAnyExample(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune(`{}[]":,0123abcstateyears`+"\u202e\x00"))), rapid.Map(rapid.String(), func(s string) string {
		return `{"state":` + string(mustJSON(s)) + `}`
	}))
	rapid.Check(t, func(t *rapid.T) {
		example := texts.Draw(t, "example")
		text := []byte(strings.Replace(exampleManifest, "EXAMPLE", example, 1))
		without := []byte(strings.Replace(exampleManifest, `,"example":EXAMPLE`, "", 1))
		if _, err := ParseManifest(without); err != nil {
			t.Fatal(err)
		}
		m, err := ParseManifest(text)
		if err != nil {
			if !strings.Contains(err.Error(), "JSON") && !strings.Contains(err.Error(), "UTF-8") { // it broke the text around it
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if req, ok := m.Questions[0].ExampleRequest(); ok {
			if state, _ := req.Params["state"].(string); state == "" || strings.ContainsFunc(state, func(r rune) bool { return unicode.IsControl(r) || Invisible(r) }) {
				t.Fatalf("%q is used", state)
			}
		}
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
