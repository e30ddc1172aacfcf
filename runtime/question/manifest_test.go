package question

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// minimal is a valid manifest, which the table below breaks.
const minimal = `{"name":"demo","version":"1","columns":[{"name":"value","type":"number"},{"name":"location","type":"string"}],
"questions":[{"name":"mean","params":[],"result":{"values":[{"name":"mean","type":"number","unit_of":"value"}]}}]}`

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest([]byte(strings.Replace(minimal, `"name":"demo"`, `"name":"demo","later":{"unknown":1}`, 1)))
	if err != nil {
		t.Fatalf("an unknown key is ignored, but: %v", err)
	}
	if l := m.Questions[0].Result.Layout; l != LayoutRows {
		t.Errorf("layout %q, want the default", l)
	}
	if _, i, ok := m.Find("mean"); i != 0 || !ok {
		t.Errorf("Find: %d, %t", i, ok)
	}
	if _, _, ok := m.Find("median"); ok {
		t.Error("Find found what is not there")
	}
}

func TestParseManifestRefuses(t *testing.T) {
	const question = `{"name":"mean","params":[],"result":{"values":[{"name":"mean","type":"number","unit_of":"value"}]}}`
	tests := []struct{ name, old, new, reason string }{
		{"not JSON", minimal, `{"name":`, "ends in the middle"},
		{"not an object", minimal, `[]`, "JSON array"},
		{"two", minimal, minimal + minimal, "after the JSON object"},
		{"not UTF-8", "demo", "\xff", "UTF-8"},
		{"wrong type", `"version":"1"`, `"version":1`, "a string is expected"},
		{"no name", `"name":"demo"`, `"name":""`, `"name"`},
		{"capital name", "demo", "Demo", "lower-case"},
		{"long name", "demo", strings.Repeat("a", 65), "at most 64"},
		{"no version", `"version":"1"`, `"version":""`, "version"},
		{"control character", `"version":"1"`, `"version":"\u001b[2J"`, "control or invisible character U+001B"},
		{"version of two lines", `"version":"1"`, `"version":"1\nREFUSED  other.wasm"`, "must be a single line"},
		{"title of two lines", `"version":"1"`, `"version":"1","title":"a\n  shutdown  off"`, "must be a single line"},
		{"param title with a tab", `"params":[]`, `"params":[{"name":"a","type":"number","title":"a\tb"}]`, "must be a single line"},
		{"choice of two lines", `"params":[]`, `"params":[{"name":"a","type":"choice","choices":["a\nb"]}]`, "must be a single line"},
		{"unit of two lines", `"unit_of":"value"`, `"unit":"%\n%"`, "must be a single line"},
		{"requires", `"columns"`, `"requires":["gpu"],"columns"`, `"gpu"`},
		{"column type", `"type":"string"`, `"type":"text"`, "number, integer, string"},
		{"column without a name", `"name":"location"`, `"name":""`, "no name"},
		{"column twice", `"name":"location"`, `"name":"value"`, "repeats the column"},
		{"no questions", question, ``, "at least one"},
		{"question twice", question, question + "," + question, "repeats the question"},
		{"question name", `"name":"mean","params"`, `"name":"a-b","params"`, "a-b"},
		{"param where", `"params":[]`, `"params":[{"name":"where","type":"number"}]`, "reserved"},
		{"param twice", `"params":[]`, `"params":[{"name":"a","type":"number"},{"name":"a","type":"number"}]`, "twice"},
		{"param type", `"params":[]`, `"params":[{"name":"a","type":"colour"}]`, `"colour"`},
		{"param column unknown", `"params":[]`, `"params":[{"name":"a","type":"column","column":"x"}]`, `"x"`},
		{"select on a number", `"params":[]`, `"params":[{"name":"a","type":"number","select":true}]`, "select"},
		{"no choices", `"params":[]`, `"params":[{"name":"a","type":"choice"}]`, "choices"},
		{"choice twice", `"params":[]`, `"params":[{"name":"a","type":"choice","choices":["x","x"]}]`, "duplicate"},
		{"choices on a number", `"params":[]`, `"params":[{"name":"a","type":"number","choices":["x"]}]`, "choices"},
		{"min on a choice", `"params":[]`, `"params":[{"name":"a","type":"choice","choices":["x"],"min":1}]`, "min"},
		{"min above max", `"params":[]`, `"params":[{"name":"a","type":"number","min":2,"max":1}]`, "above"},
		{"required with default", `"params":[]`, `"params":[{"name":"a","type":"number","required":true,"default":1}]`, "both"},
		{"bad default", `"params":[]`, `"params":[{"name":"a","type":"number","default":"x"}]`, "default"},
		{"no values", `"values":[{"name":"mean","type":"number","unit_of":"value"}]`, `"values":[]`, "at least one value"},
		{"layout", `"result":{`, `"result":{"layout":"pie",`, `"pie"`},
		{"record with keys", `"result":{`, `"result":{"layout":"record","keys":[{"name":"k","type":"string"}],`, "no keys"},
		{"map without keys", `"result":{`, `"result":{"layout":"map",`, "at least one column"},
		{"nested with one", `"result":{`, `"result":{"layout":"nested","keys":[{"name":"k","type":"string"}],`, "at least two"},
		{"result column twice", `"result":{`, `"result":{"keys":[{"name":"mean","type":"string"}],`, "declared twice"},
		{"result type", `"type":"number","unit_of"`, `"type":"date","unit_of"`, `"date"`},
		{"unit_of", `"unit_of":"value"`, `"unit_of":"x"`, `"x"`},
		{"long title", `"version":"1"`, `"version":"1","title":"` + strings.Repeat("x", 5000) + `"`, "at most 4096"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(minimal, tt.old, tt.new, 1)
			if text == minimal {
				t.Fatal("the case changes nothing")
			}
			_, err := ParseManifest([]byte(text))
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadPlugin || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("%v, want bad_plugin with %q", err, tt.reason)
			}
		})
	}
}

// FuzzParseManifest: a valid manifest is still valid after a round trip.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(minimal))
	b, err := json.Marshal(testManifest(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(strings.Replace(exampleManifest, "EXAMPLE", `{"state":"Ohio","years":[2020],"where":{"year":{"min":2020}}}`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			if CodeOf(err) != CodeBadPlugin {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseManifest(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func TestManifestFaults(t *testing.T) {
	if faults := ManifestFaults([]byte(minimal)); faults != nil {
		t.Errorf("a good manifest has %v", faults)
	}
	if faults := ManifestFaults([]byte(`{"name":1}`)); len(faults) != 1 || !strings.Contains(faults[0].Reason, "a string is expected") {
		t.Errorf("a name that is a number has %v", faults)
	}
	faults := ManifestFaults([]byte(`{"name":"Demo","requires":["gpu"],"columns":[{"type":"date"},{"name":"value","type":"text"}],
"questions":[{"name":"a","params":[{"name":"where","type":"number","min":2,"max":1},{"name":"p","type":"colour"}],"result":{"layout":"nested"}},
{"name":"a","result":{"values":[{"name":"m","type":"number","unit_of":"x"},{"name":"m","type":"date"}]}}]}`))
	want := []string{
		`"name" is "Demo"`, `"version" is missing`, `"gpu"`, "columns[0] has no name", `the type "text"`, "the name is reserved", `"min" is above`,
		`the type "colour"; it is one of column`, "result.values is empty", "nested needs", `repeats the question "a"`, `the unit of "x"`, "declared twice", `the type "date"; it is one of number`,
	}
	for i, f := range faults {
		if i >= len(want) || f.Code != CodeBadPlugin || !strings.Contains(f.Reason, want[i]) {
			t.Errorf("fault %d is %q", i, f.Reason)
		}
	}
	if len(faults) > 0 && !strings.HasSuffix(faults[0].Reason, `, such as "demo"`) {
		t.Errorf("it suggests no name: %s", faults[0].Reason)
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults; want %d", len(faults), len(want))
	}
}
