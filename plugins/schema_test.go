package plugins_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func manifestSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(plugins.ManifestSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("manifest.json") // validates it against draft 2020-12, too
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func valid(t failer, schema *jsonschema.Schema, manifest []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

const demo = `{"name":"demo","version":"1","columns":[{"name":"value","type":"number"},{"name":"location","type":"string"}],
"questions":[{"name":"mean","params":[],"result":{"values":[{"name":"mean","type":"number","unit_of":"value"}]}}]}`

// beyond is what the schema's description says that it does not say.
var beyond = regexp.MustCompile(`repeats the|declared twice|does not list|is above "max"|its default: |bytes; at most|the result has \d+ columns`)

// Whatever the host takes the schema takes, and what the host refuses the schema
// refuses, but for what its description names.
func TestSchemaAgreesWithTheHost(t *testing.T) {
	schema := manifestSchema(t)
	good := map[string][]byte{"demo": []byte(demo)}
	files, err := filepath.Glob("abi/testdata/*_manifest.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if good[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range good {
		if _, err := question.ParseManifest(text); err != nil {
			t.Errorf("%s: the host: %v", name, err)
		}
		if err := valid(t, schema, text); err != nil {
			t.Errorf("%s: the schema: %v", name, err)
		}
	}

	const asked = `{"name":"mean","params":[],"result":{"values":[{"name":"mean","type":"number","unit_of":"value"}]}}`
	param := func(text string) [2]string { return [2]string{`"params":[]`, `"params":[{"name":"a",` + text + `}]`} }
	result := func(text string) [2]string { return [2]string{`"result":{`, `"result":{` + text + `,`} }
	for _, change := range [][2]string{
		// refused
		{demo, `[]`}, {`"version":"1"`, `"version":1`}, {`"name":"demo"`, `"name":""`}, {"demo", "Demo"}, {"demo", strings.Repeat("a", 65)},
		{`"name":"demo",`, ``}, {`"version":"1"`, `"version":""`}, {`"version":"1",`, ``}, {`"version":"1"`, `"version":"\u001b[2J"`},
		{`"columns"`, `"requires":["gpu"],"columns"`}, {`"type":"string"`, `"type":"text"`}, {`"name":"location"`, `"name":""`},
		{`"name":"location"`, `"name":"value"`}, {asked, ``}, {asked, asked + "," + asked}, {`"name":"mean","params"`, `"name":"a-b","params"`},
		{`"params":[]`, `"params":[{"name":"where","type":"number"}]`}, {`"params":[]`, `"params":[{"name":"a","type":"number"},{"name":"a","type":"number"}]`},
		param(`"type":"colour"`), param(`"type":"column","column":"x"`), param(`"type":"column"`), param(`"type":"number","select":true`),
		param(`"type":"number","column":"value"`), param(`"type":"choice"`), param(`"type":"choice","choices":[]`), param(`"type":"choice","choices":[""]`),
		param(`"type":"choice","choices":["x","x"]`), param(`"type":"number","choices":["x"]`), param(`"type":"number","choices":[]`),
		param(`"type":"choice","choices":["x"],"min":1`), param(`"type":"number","min":2,"max":1`), param(`"type":"number","min":"2"`),
		param(`"type":"number","required":true,"default":1`), param(`"type":"number","default":"x"`), param(`"type":"number","default":[1]`),
		param(`"type":"number","min":3,"default":1`), param(`"type":"integer","default":1.5`), param(`"type":"boolean","default":"true"`),
		param(`"type":"choice","choices":["x"],"default":"y"`), param(`"type":"number","list":true,"default":[]`), param(`"type":"number","list":true,"default":["x"]`),
		{`"values":[{"name":"mean","type":"number","unit_of":"value"}]`, `"values":[]`}, {`"values":[{"name":"mean","type":"number","unit_of":"value"}]`, `"keys":[]`},
		{`,"result":{"values":[{"name":"mean","type":"number","unit_of":"value"}]}`, ``},
		result(`"layout":"pie"`), result(`"layout":"record","keys":[{"name":"k","type":"string"}]`), result(`"layout":"map"`), result(`"layout":"map","keys":[]`),
		result(`"layout":"nested","keys":[{"name":"k","type":"string"}]`), result(`"keys":[{"name":"mean","type":"string"}]`), result(`"chart":3`),
		{`"type":"number","unit_of"`, `"type":"date","unit_of"`}, {`"unit_of":"value"`, `"unit_of":"x"`},
		{`"version":"1"`, `"version":"1","title":"` + strings.Repeat("x", 4097) + `"`}, {`"version":"1"`, `"version":"1","title":"` + strings.Repeat("é", 4000) + `"`},
		{`"params":[]`, `"params":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","type":"number"},`, 65), ",") + `]`},
		// taken
		{`"name":"demo"`, `"name":"demo","later":{"unknown":1}`}, {`"params":[],`, ``}, {`"version":"1"`, `"version":"1","description":"a\tb\nc","requires":[]`},
		param(`"type":"integer","list":true,"default":[1,2],"min":0`), param(`"type":"integer","list":true,"default":1`), param(`"type":"column","column":"location","select":true,"default":"Ohio"`),
		param(`"type":"choice","choices":["x","y"],"default":"y"`), param(`"type":"boolean","default":false,"required":false,"select":false,"column":""`),
		result(`"layout":"nested","keys":[{"name":"k","type":"string"},{"name":"l","type":"integer"}]`), result(`"layout":"","keys":[]`), result(`"layout":"record","chart":"pie"`),
	} {
		text := strings.Replace(demo, change[0], change[1], 1)
		if text == demo {
			t.Fatalf("%q changes nothing", change)
		}
		agree(t, schema, []byte(text))
	}
}

// Every type of parameter has a kind in the contract, and the schema takes it with
// whatever the host takes.
func TestEveryParameterType(t *testing.T) {
	schema := manifestSchema(t)
	needs := map[question.ParamType]string{
		question.ParamColumn: `,"column":"location"`,
		question.ParamChoice: `,"choices":["x","y"]`,
	}
	for _, kind := range question.ParamTypes() {
		if abi.ParamKind(string(kind)) == 0 {
			t.Errorf("abi.ParamKind does not know %q", kind)
		}
		accepted := 0
		for _, more := range []string{``, `,"default":"x"`, `,"default":1`, `,"default":1.5`, `,"default":true`, `,"min":1,"max":2`, `,"select":true`} {
			text := []byte(strings.Replace(demo, `"params":[]`, fmt.Sprintf(`"params":[{"name":"a","type":%q%s%s}]`, kind, needs[kind], more), 1))
			agree(t, schema, text)
			if _, err := question.ParseManifest(text); err == nil {
				accepted++
			}
		}
		if accepted < 2 {
			t.Errorf("the host takes %d declarations of %q; add what the type needs", accepted, kind)
		}
	}
}

// failer is what testing.T and rapid.T have in common here.
type failer interface {
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

func agree(t failer, schema *jsonschema.Schema, text []byte) {
	_, host := question.ParseManifest(text)
	err := valid(t, schema, text)
	switch {
	case host == nil && err != nil:
		t.Errorf("%s\nthe host takes it, the schema does not: %v", text, err)
	case host != nil && err == nil && slices.ContainsFunc(question.ManifestFaults(text), func(f *question.Error) bool { return !beyond.MatchString(f.Reason) }):
		t.Errorf("%s\nthe schema takes it, the host does not: %v", text, host)
	}
}

// The same of manifests that are changed at random.
func TestSchemaAgreesWithTheHostOnAnything(t *testing.T) {
	schema := manifestSchema(t)
	seed, err := os.ReadFile("abi/testdata/kinds_manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	values := strings.Fields(`"" "a" "A" "number" "column" "map" "value" 0 1.5 -1 true false [] [1] ["a"] {}`)
	rapid.Check(t, func(t *rapid.T) {
		var m any
		if err := json.Unmarshal(seed, &m); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			m = change(t, m, values)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, schema, text)
	})
}

// change returns v with one thing in it replaced, removed or repeated.
func change(t *rapid.T, v any, values []string) any {
	deeper := rapid.IntRange(0, 5).Draw(t, "deeper") > 0
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || !deeper {
			break
		}
		key := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "key")
		if rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
			delete(v, key)
		} else {
			v[key] = change(t, v[key], values)
		}
		return v
	case []any:
		if len(v) == 0 || !deeper {
			break
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
		switch rapid.IntRange(0, 5).Draw(t, "how") {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return append(v, v[i])
		}
		v[i] = change(t, v[i], values)
		return v
	}
	var fresh any
	if err := json.Unmarshal([]byte(rapid.SampledFrom(values).Draw(t, "value")), &fresh); err != nil {
		t.Fatal(err)
	}
	return fresh
}
