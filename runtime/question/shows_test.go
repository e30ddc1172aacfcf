package question

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestShows: what a column shows is kept if it fits, and else dropped and reported.
func TestShows(t *testing.T) {
	const manifest = `{"name":"demo","version":"1","columns":[{"name":"low","type":"number","optional":true}],"questions":[{"name":"q","needs":["low"],
		"result":{"keys":[KEY],"values":[VALUES]}}]}`
	number := func(name, shows string) string {
		return `{"name":"` + name + `","type":"number","shows":"` + shows + `"}`
	}
	for _, c := range []struct{ key, values, want, fault string }{
		{`{"name":"k","type":"string"}`, number("a", "estimate") + "," + number("b", "rank") + "," + number("c", "rank"), " estimate rank rank", ""},
		{`{"name":"k","type":"string"}`, number("a", "rank") + "," + number("b", "rank") + "," + number("c", "rank"), " rank rank ", `"c": its key shows: 2 columns before it show "rank"`},
		{`{"name":"k","type":"string"}`, number("a", "difference") + "," + number("b", "difference") + "," + number("c", "difference"), " difference difference difference", ""},
		{`{"name":"k","type":"string","shows":"low"}`, number("a", ""), " ", `"k": its key shows: a key has it`},
		{`{"name":"k","type":"string"}`, number("a", "median"), " ", `"a": its key shows: "median" is not a kind of column`},
		{`{"name":"k","type":"string"}`, `{"name":"a","type":"string","shows":"low"}`, " ", `"a": its key shows: the column holds strings`},
	} {
		text := []byte(strings.NewReplacer("KEY", c.key, "VALUES", c.values).Replace(manifest))
		m, err := ParseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, col := range m.Questions[0].Result.Columns() {
			got = append(got, string(col.Shows))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.values, strings.Join(got, " "), c.want)
		}
		faults := HintFaults(text)
		if (len(faults) == 0) != (c.fault == "") || len(faults) > 0 && !strings.Contains(faults[0].Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.values, faults, c.fault)
		}
	}
	for _, bad := range []string{`"needs":["high"]`, `"needs":[""]`} {
		text := strings.NewReplacer("KEY", `{"name":"k","type":"string"}`, "VALUES", number("a", ""), `"needs":["low"]`, bad).Replace(manifest)
		if _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), `does not list with "optional": true`) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestLacks: a question does not fit a dataset that lacks an optional column which it needs,
// or has it with another type.
func TestLacks(t *testing.T) {
	var m Manifest
	if err := json.Unmarshal([]byte(`{"columns":[{"name":"value","type":"number","optional":true},{"name":"year","type":"number","optional":true},{"name":"asked","type":"integer","optional":true}]}`), &m); err != nil {
		t.Fatal(err)
	}
	for needs, want := range map[string]string{"value": "", "": "", "asked value": "asked", "year asked": "year asked"} {
		if got := strings.Join(m.Lacks(&Question{Needs: strings.Fields(needs)}, testSchema), " "); got != want {
			t.Errorf("%q lacks %q, want %q", needs, got, want)
		}
	}
}
