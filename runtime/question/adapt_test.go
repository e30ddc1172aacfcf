package question

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// renamed is a dataset in which "location" is called country, "question" has a single
// value, and lower values are better.
type renamed struct{ schema }

func (r renamed) Column(name string) (*Column, bool) {
	switch name {
	case "location":
		return &Column{Name: "country", Title: "Country", Type: String, Dict: []string{"France", "Peru"}}, true
	case "question":
		return &Column{Name: "question", Type: String, Dict: []string{"births"}}, true
	default:
		return r.schema.Column(name)
	}
}

func (renamed) Defaults() map[string]string { return map[string]string{"best": "down", "order": "up"} }

func TestAdapt(t *testing.T) {
	m := testManifest(t)
	q := &m.Questions[1]
	q.Params = append(q.Params, Param{Name: "best", Type: ParamChoice, Choices: []string{"up", "down"}})
	q.Result.Keys = []ResultColumn{{Name: "location", Type: String, Title: "State"}, {Name: "own", Type: String}}
	m.Questions[0].Result.Keys = []ResultColumn{{Name: "location", Type: String}}
	m.Questions[0].Result.Values[0].Name = "country" // taken
	before, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	fit := m.Adapt(renamed{testSchema})
	if after, err := json.Marshal(m); err != nil || string(after) != string(before) {
		t.Error("the plugin's manifest was changed")
	}
	got := &fit.Questions[1]
	if keys := got.Result.Keys; keys[0].Name != "country" || keys[0].Title != "Country" || keys[1].Name != "own" {
		t.Errorf("%+v", keys)
	}
	if k := fit.Questions[0].Result.Keys[0].Name; k != "location" {
		t.Errorf("two columns of a result are called %s", k)
	}
	for name, want := range map[string]string{
		"question": "false births", "states": "false <nil>", "best": "false down", "order": "false down", "exact": "false <nil>",
	} {
		for _, p := range got.Params {
			if p.Name == name && fmt.Sprint(p.Required, " ", p.Default) != want {
				t.Errorf("%s: %v, default %v; want %s", name, p.Required, p.Default, want)
			}
		}
	}
	if p := got.Params[1]; p.Title != "Country" || p.Column != "location" {
		t.Errorf("%+v", p)
	}
	bound, err := fit.Bind(Request{Question: "everything"}, renamed{testSchema})
	if err != nil || bound.Args[0].Values[0] != 0 {
		t.Errorf("%v", err)
	}
	_, err = fit.Bind(Request{Question: "everything", Params: map[string]any{"states": "Prue"}}, renamed{testSchema})
	if err == nil || !strings.Contains(err.Error(), `not one of the 2 values of the column "country"; did you mean "Peru"?`) {
		t.Error(err)
	}
	if same := m.Adapt(testSchema); !reflect.DeepEqual(same, m) {
		t.Errorf("on a dataset with the plugin's own names: %+v", same)
	}
}

func TestManifestWithAHundredThousandQuestions(t *testing.T) {
	one := `{"name":"q%d","result":{"values":[{"name":"mean","type":"number"}]}},`
	var b strings.Builder
	b.WriteString(`{"name":"demo","version":"1","columns":[],"questions":[`)
	for i := range 100_000 {
		fmt.Fprintf(&b, one, i)
	}
	_, err := ParseManifest([]byte(strings.TrimSuffix(b.String(), ",") + "]}"))
	if err == nil || !strings.Contains(err.Error(), `"questions" has 100000 entries; at most 1024`) {
		t.Error(err)
	}
}
