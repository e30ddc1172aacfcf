package dataset

import (
	"reflect"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const places = `name: places
kinds: {state: {Nation: aggregate, Guam: territory}}
defaults: {year: latest, part: All}
caveats: [{column: year, when: mixed, text: Several years.}, {column: state_kind, when: mixed, text: Not only states.}]
geo: {state: us-states}
roles: {group: state, stratum: part, low: from, high: to, asked: n, time: year}
columns:
  - {name: state, type: string, role: dimension}
  - {name: year, type: integer, role: dimension}
  - {name: part, type: string, role: dimension}
  - {name: rate, type: number, role: measure}
  - {name: from, type: integer}
  - {name: to, type: number}
  - {name: n, type: integer}
`

const placeRows = `state,year,part,rate,from,to,n
Ohio,2019,All,5,4,6.5,10
Ohio,2020,All,6,5,7,11
Ohio,2021,All,,,,
Nation,2020,All,7,6,8,100
Guam,2020,Men,8,7,9,
Texas,2020,Men,8,7,9,
,2020,Men,8,7,9,
`

func openPlaces(t *testing.T, yaml string) *Dataset {
	t.Helper()
	d, err := ParseDescriptor([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := ReadCSV(t.Context(), strings.NewReader(placeRows), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func TestKinds(t *testing.T) {
	ds := openPlaces(t, places)
	again, err := ReadArrow(arrowBytes(t, ds))
	if err != nil {
		t.Fatal(err)
	}
	for _, ds := range []*Dataset{ds, again} {
		for _, name := range []string{"state_kind", "location_kind"} { // the latter is how plugins ask
			c, ok := ds.Column(name)
			if !ok || c.Name != "state_kind" || c.Role != question.RoleDimension || !reflect.DeepEqual(c.Dict, []string{"aggregate", "place", "territory"}) {
				t.Fatalf("%s: %+v, %t", name, c, ok)
			}
			if got := values(c); got != "place place place aggregate territory place <nil>" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := ds.Info().Geo; !reflect.DeepEqual(got, map[string]string{"state": "us-states"}) {
			t.Errorf("geo %v", got)
		}
		rows := ds.Select([]question.Condition{{Column: "state_kind", Codes: []int32{1}}})
		if !reflect.DeepEqual(rows, []question.Range{{Start: 0, Count: 3}, {Start: 5, Count: 1}}) {
			t.Errorf("places are the rows %v", rows)
		}
	}
}

func TestOptionalRoles(t *testing.T) {
	ds := openPlaces(t, places)
	for name, want := range map[string]string{
		"low": "number 4 5 <nil> 6 7 7 7", "high": "number 6.5 7 <nil> 8 9 9 9", "asked": "integer 10 11 <nil> 100 <nil> <nil> <nil>", "time": "integer 2019 2020 2021 2020 2020 2020 2020",
	} {
		c, ok := ds.Column(name)
		if !ok || string(c.Type)+" "+values(c) != want {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A column that a file calls low is not the limit of an interval unless the descriptor says so.
func TestHeaderIsNoRole(t *testing.T) {
	for _, c := range []struct {
		column, roles string
		found         bool
	}{
		{"{name: lowest, type: integer, header: low}", "", false},
		{"{name: lowest, type: integer, header: low}", "low: lowest, ", true},
		{"{name: lowest, type: integer, header: low, aliases: [low]}", "", true},
		{"{name: low, type: integer}", "", true},
	} {
		text := strings.NewReplacer("{name: from, type: integer}", c.column, "low: from, ", c.roles).Replace(places)
		d, err := ParseDescriptor([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ds, err := ReadCSV(t.Context(), strings.NewReader(strings.Replace(placeRows, "from", "low", 1)), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ds.Column("low"); ok != c.found {
			t.Errorf("%s with %q: found %t", c.column, c.roles, ok)
		}
	}
}

func TestGreatest(t *testing.T) {
	ds := openPlaces(t, places)
	ohio := question.Condition{Column: "state", Codes: []int32{2}}
	for want, conds := range map[int64][]question.Condition{
		2020: {ohio}, // 2021 has no value
		2019: {ohio, {Column: "year", Intervals: []question.Interval{{Min: 0, Max: 2019}}}},
	} {
		if got, ok := ds.Greatest("year", conds); !ok || got != want {
			t.Errorf("%v: %d, %t, want %d", conds, got, ok, want)
		}
	}
	for name, conds := range map[string][]question.Condition{
		"no rows": {{Column: "year", Intervals: []question.Interval{{Min: 2021, Max: 2021}}}}, "no column": nil, "a string": nil,
	} {
		column := map[string]string{"no column": "none", "a string": "state"}[name]
		if column == "" {
			column = "year"
		}
		if got, ok := ds.Greatest(column, conds); ok {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestCaveatsOfCoverage(t *testing.T) {
	ds := openPlaces(t, places)
	all := ds.Caveats(ds.Coverage(ds.Select(nil)))
	if len(all) != 2 || all[0] != (question.Caveat{Code: "mixed_year", Text: "Several years."}) || all[1].Code != "mixed_state_kind" {
		t.Errorf("%v", all)
	}
	one := ds.Caveats(ds.Coverage(ds.Select([]question.Condition{{Column: "year", Intervals: []question.Interval{{Min: 2019, Max: 2019}}}})))
	if one != nil {
		t.Errorf("%v", one)
	}
}

func TestHonestKeysAreChecked(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"kinds: {state:", "kinds: {sate:", `kinds.sate: "sate" is not a string column`},
		{"kinds: {state:", "kinds: {year:", `kinds.year: "year" is not a string column`},
		{"Guam: territory", "Guam: island", `kinds.state.Guam: it is "island"; it must be aggregate, territory or place`},
		{"{name: n, type: integer}", "{name: n, type: integer}\n  - {name: state_kind, type: string}", `gets a column "state_kind", and it has one with that name`},
		{"{name: n, type: integer}", "{name: n, type: integer, header: location_kind}", `gets a column "location_kind", and it has one with that name, header or alias`},
		{"defaults: {year", "defaults: {yaer", `defaults.yaer: "yaer" is not a column`},
		{"year: latest", "year: newest", `defaults.year: it is "newest"; the column "year" holds integers, and latest is the last one`},
		{"defaults: {year: latest", `defaults: {rate: "5"`, `defaults.rate: the column "rate" holds numbers`},
		{"when: mixed", "when: always", `caveats[0].when: it is "always"; it must be mixed`},
		{"column: year,", "column: n,", `caveats[0].column: the column "n" is not a dimension`},
		{"column: state_kind", "column: part_kind", `caveats[1].column: "part_kind" is not a column`},
		{"text: Several years.", `text: " "`, "caveats[0].text: it is missing"},
		{"geo: {state: us-states}", "geo: {state: us}", `geo.state: there are no outlines "us"; there are "us-states"`},
		{"geo: {state:", "geo: {n:", `geo.n: "n" is not a string column`},
		{"low: from", "low: part", `roles.low: the column "part" has the type string, and this role needs a column with the type number`},
		{"asked: n", "asked: to", `roles.asked: the column "to" has the type number, and this role needs a column with the type integer`},
	} {
		text := strings.Replace(places, c.old, c.new, 1)
		if text == places {
			t.Fatalf("%q changes nothing", c.old)
		}
		_, err := ParseDescriptor([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
}
