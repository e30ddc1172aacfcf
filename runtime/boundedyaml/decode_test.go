package boundedyaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

type percent int

func (p *percent) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%d%%", p); err != nil {
		return fmt.Errorf("%q is not a percentage; write one such as 5%%", text)
	}
	return nil
}

type mode struct {
	All  bool   `json:"-"`
	Name string `json:"name"`
}

func (m *mode) SetBool(on bool) { m.All = on }

type settings struct {
	Title  string             `json:"title,omitempty"`
	Header *bool              `json:"header"`
	Lines  int                `json:"lines"`
	Marks  []string           `json:"marks"`
	Mode   mode               `json:"mode"`
	Rates  map[string]percent `json:"rates"`
	Items  []struct {
		Name string `json:"name"`
	} `json:"items"`
	Any map[string]any `json:"any"`
}

func TestDecode(t *testing.T) {
	yes := true
	items := []struct {
		Name string `json:"name"`
	}{{"a"}, {"b"}}
	for _, c := range []struct {
		text string
		want settings
		err  string
	}{
		{"", settings{}, ""},
		{"# nothing\n", settings{}, ""},
		{"title: a b # c\nheader: true\n", settings{Title: "a b", Header: &yes}, ""},
		{"title: |\n  a\n  b\n", settings{Title: "a\nb"}, ""},
		// As they are written: the library's own decoder makes "", 0.5 and 10 of these.
		{"marks: [NA, null, ~, -999, .5, 012, 1e3, .inf, true, 'x']", settings{Marks: []string{"NA", "null", "~", "-999", ".5", "012", "1e3", ".inf", "true", "x"}}, ""},
		{`any: {a: [1, -0.5, 1e9, x, '5', "1e9", true, null, ~, []], b: {c: 0, d: {}}, e: , f: 2020-01-01}`, settings{Any: map[string]any{
			"a": []any{json.Number("1"), json.Number("-0.5"), json.Number("1e9"), "x", "5", "1e9", true, nil, nil, []any{}},
			"b": map[string]any{"c": json.Number("0"), "d": map[string]any{}}, "e": nil, "f": "2020-01-01",
		}}, ""},
		{"title: a\r\nany:\r\n  a:\r\n    - .5\r\n", settings{}, `line 4: any.a[0]: it is the number ".5"; it must be a value as in JSON, such as 2020, -0.5, 1e9, "text", true, a list or a mapping`},
		{"any: {a: 012}", settings{}, `line 1: any.a: it is the number "012"; it must be a value as in JSON, such as 2020, -0.5, 1e9, "text", true, a list or a mapping`},
		{"any: {a: .inf}", settings{}, `line 1: any.a: it is the number ".inf"; it must be a value as in JSON, such as 2020, -0.5, 1e9, "text", true, a list or a mapping`},
		{"mode: true", settings{Mode: mode{All: true}}, ""},
		{"mode: {name: m}", settings{Mode: mode{Name: "m"}}, ""},
		{"rates: {a: 5%, 'b c': 6%}", settings{Rates: map[string]percent{"a": 5, "b c": 6}}, ""},
		{"rates:\n  # a: 5%\n", settings{}, ""},
		{"items:\n  - name: a\n  - {name: b}\n", settings{Items: items}, ""},
		{"title: a\n---\ntitle: b\n", settings{}, "it holds 2 YAML documents; at most one"},
		{"- a\n", settings{}, "it is a list; it must be a mapping with the keys title, header, lines, marks, mode, rates, items, any"},
		{"title: 012", settings{}, `line 1: title: it is the number "012"; put it in quotes if you mean text`},
		{"title: true", settings{}, "line 1: title: it is the boolean true; put it in quotes if you mean text"},
		{"title:", settings{}, "line 1: title: it is empty; it must be text"},
		{"titel: a", settings{}, "line 1: titel: unknown key; the keys are title, header, lines, marks, mode, rates, items, any"},
		{"header: 1", settings{}, `line 1: header: it is the number "1"; it must be true or false`},
		{"lines: 12", settings{Lines: 12}, ""},
		{"lines: 1.5", settings{}, `line 1: lines: it is the number "1.5"; it must be a whole number`},
		{"lines: few", settings{}, `line 1: lines: it is the text "few"; it must be a whole number`},
		{"lines:", settings{}, "line 1: lines: it is empty; it must be a whole number"},
		{"lines: [1]", settings{}, "line 1: lines: it is a list; it must be text"},
		{"mode: {}", settings{}, "line 1: mode: it is a mapping; it must be true or false, or a mapping with the keys name"},
		{"mode: yes", settings{}, `line 1: mode: it is the text "yes"; it must be true or false, or a mapping with the keys name`},
		{"marks:\n  - a\n  - [b]\n", settings{}, "line 3: marks[1]: it is a list; it must be text"},
		{"rates:\n  a: 5%\n  b: much\n", settings{}, `line 3: rates.b: "much" is not a percentage; write one such as 5%`},
		{"rates: [a]", settings{}, "line 1: rates: it is a list; it must be a mapping"},
		{"items:\n  - name: a\n  - nom: b\n", settings{}, "line 3: items[1].nom: unknown key; the keys are name"},
		{"items: {name: a}", settings{}, "line 1: items: it is a mapping; it must be a list"},
		{"title: a\n12: b\n", settings{}, `line 2: the number "12" cannot be a key; put it in quotes if you mean text`},
		{"rates:\n  12: 5%\n", settings{}, `line 2: rates: the number "12" cannot be a key; put it in quotes if you mean text`},
		{"mode:", settings{}, "line 1: mode: it is empty; it must be true or false, or a mapping with the keys name"},
		{"marks:", settings{}, "line 1: marks: it is empty; it must be a list"},
		{"items:\n  -\n", settings{}, "line 2: items[0]: it is empty; it must be a mapping with the keys name"},
	} {
		var got settings
		_, err := Decode([]byte(c.text), &got)
		if c.err == "" && (err != nil || !reflect.DeepEqual(got, c.want)) {
			t.Errorf("%q: %+v, %v\nwant %+v", c.text, got, err, c.want)
		}
		if c.err != "" && (err == nil || err.Error() != c.err) {
			t.Errorf("%q: %v\nwant %s", c.text, err, c.err)
		}
	}
}

// A caller's own error gets the line of its key, or of the nearest one around it.
func TestLocate(t *testing.T) {
	var s settings
	lines, err := Decode([]byte("title: a\nitems:\n  - name: a\n\n  - name: b\n"), &s)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"items[1].name": "line 5: items[1].name: x", "items[0].unit": "line 3: items[0].unit: x",
		"items[7].name": "line 2: items[7].name: x", "mode.name": "mode.name: x", "": "x",
	} {
		var err *KeyError
		if !errors.As(lines.Locate(&KeyError{Key: key, Reason: "x"}), &err) || err.Error() != want {
			t.Errorf("%q: %v, want %s", key, err, want)
		}
	}
}
