package dataset

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const tinyYAML = `# a comment
name: tiny
title: "A title: with a colon"
source: >
  folded
  text
sort: place
synthetic: true
columns:
  - name: place
    type: string
    role: dimension
    header: "Place "
    aliases: [town, city]
  - {name: value, type: number, unit: "%", role: measure}
  - name: count
    type: integer
`

func tiny(t testing.TB) *Descriptor {
	t.Helper()
	d, err := ParseDescriptor([]byte(tinyYAML))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseDescriptor(t *testing.T) {
	want := &Descriptor{
		Name: "tiny", Title: "A title: with a colon", Source: "folded text", Sort: "place", Synthetic: Synthetic{All: true},
		Columns: []Column{
			{Name: "place", Type: question.String, Role: question.RoleDimension, Header: "Place ", Aliases: []string{"town", "city"}},
			{Name: "value", Type: question.Number, Unit: "%", Role: question.RoleMeasure},
			{Name: "count", Type: question.Integer},
		},
	}
	if got := tiny(t); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestTheDescriptorInJSONIsTheSame(t *testing.T) {
	for _, d := range []*Descriptor{tiny(t), npao(t)} {
		b, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		for name, parse := range map[string]func([]byte) (*Descriptor, error){"decode": decode, "as YAML": ParseDescriptor} {
			if got, err := parse(b); err != nil || !reflect.DeepEqual(got, d) {
				t.Errorf("%s, %s: %+v, %v", d.Name, name, got, err)
			}
		}
	}
}

// TestNPAO pins what plugins and clients rely on.
func TestNPAO(t *testing.T) {
	d := npao(t)
	want := "year(integer,dimension) year_end(integer,dimension) location_abbr(string,dimension) location(string,dimension) " +
		"class(string,dimension) topic(string,dimension) question(string,dimension) value(number,measure,%) low(number,,%) high(number,,%) " +
		"sample_size(integer,,adults) category(string,dimension) stratum(string,dimension)"
	var got []string
	for _, c := range d.Columns {
		text := c.Name + "(" + string(c.Type) + "," + string(c.Role)
		if c.Unit != "" {
			text += "," + c.Unit
		}
		got = append(got, text+")")
	}
	if g := strings.Join(got, " "); g != want {
		t.Errorf("columns\n%s\nwant\n%s", g, want)
	}
	if d.Name != "npao" || d.Sort != "question" || d.Synthetic.All || d.Source == "" || d.License == "" {
		t.Errorf("%+v", d)
	}
}

func TestBadDescriptors(t *testing.T) {
	edit := func(old, now string) string {
		if !strings.Contains(tinyYAML, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(tinyYAML, old, now, 1)
	}
	for _, c := range []struct{ name, yaml, want string }{
		{"empty", "", `name: "" is not a valid name`},
		{"two documents", tinyYAML + "---\n" + tinyYAML, "2 YAML documents"},
		{"not YAML", "name: [", "line 1"},
		{"not UTF-8", "name: \xff", "not UTF-8"},
		{"a list", "- a\n", "it is a list; it must be a mapping with the keys name,"},
		{"too long", strings.Repeat("#", maxDescriptor+1), "at most 262144"},
		{"unknown key", edit("title:", "titel:"), "line 3: titel: unknown key; the keys are name, title,"},
		{"unknown column key", edit("    role:", "    rôle:"), "line 12: columns[0].rôle: unknown key"},
		{"twice", edit("sort: place", "name: again"), `line 7: it is not YAML: mapping key "name" already defined at [2:1]`},
		{"twice in one line", edit("{name: value", "{name: value, name: again"), "line 15: it is not YAML: mapping key"},
		{"number for a text", edit("name: tiny", "name: 12"), `line 2: name: it is the number "12"; put it in quotes`},
		{"nothing for a text", edit("type: integer", "type:"), "line 17: columns[2].type: it is empty; it must be text"},
		{"text for a boolean", edit("synthetic: true", "synthetic: yes"), `line 8: synthetic: it is the text "yes"; it must be true or false`},
		{"list for a text", edit("unit: \"%\"", "unit: [a]"), "line 15: columns[1].unit: it is a list; it must be text"},
		{"text for a list", edit("[town, city]", "town"), `line 14: columns[0].aliases: it is the text "town"; it must be a list`},
		{"anchor", edit("name: tiny", "name: &a tiny"), `line 2: an anchor, "&", cannot be used here`},
		{"key that is a number", edit("title:", "12:"), `line 3: the number "12" cannot be a key`},
		{"bad name", edit("name: tiny", "name: Tiny"), `line 2: name: "Tiny" is not a valid name: a lower-case letter,`},
		{"no name", edit("name: tiny\n", ""), `name: "" is not a valid name`},
		{"bad column name", edit("name: count", "name: 'a b'"), `line 16: columns[2].name: "a b" is not a valid name`},
		{"bad type", edit("type: integer", "type: date"), `line 17: columns[2].type: "date" is not a type; use number, integer or string`},
		{"no type", edit("    type: integer\n", ""), "line 16: columns[2].type: it is missing; use"},
		{"bad role", edit("role: dimension", "role: key"), `line 12: columns[0].role: "key" is not a role; use dimension or measure`},
		{"no measure", edit(", role: measure", ""), "line 9: columns: no column has the role measure"},
		{"two measures", edit("type: integer", "type: integer\n    role: measure"), `line 18: columns[2].role: "value" is already the measure`},
		{"string measure", edit("role: dimension", "role: measure"), "line 12: columns[0].role: a measure must be a number or an integer"},
		{"repeated column", edit("name: count", "name: place"), `line 16: columns[2]: "place" already names the column "place"`},
		{"repeated alias", edit("name: count", "name: town"), `line 16: columns[2]: "town" already names the column "place"`},
		{"empty alias", edit("[town, city]", `[town, " "]`), "line 14: columns[0].aliases[1]: it is empty"},
		{"sort column is not there", edit("sort: place", "sort: town"), `line 7: sort: "town" is not a string column of this dataset; its string columns are "place"`},
		{"sort column is a number", edit("sort: place", "sort: value"), `line 7: sort: "value" is not a string column`},
		{"control character", edit(`"%"`, `"\a"`), "columns[1].unit: it has a control character"},
		{"long header", edit(`"Place "`, strings.Repeat("x", 300)), "line 13: columns[0].header: it has 300 bytes; at most 256"},
		{"no columns", "name: a\ncolumns: []\n", "line 2: columns: there are 0; there must be 1 to 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseDescriptor([]byte(c.yaml))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

func FuzzParseDescriptor(f *testing.F) {
	f.Add(data.NPAO)
	f.Add([]byte(tinyYAML))
	f.Add([]byte("name: &a [*a]\ncolumns: {<<: *a}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDescriptor(b)
		if err != nil {
			return
		}
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(text)
		if err != nil {
			t.Fatalf("accepted as YAML, refused as JSON: %v\n%s", err, text)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%s\nbecame\n%s (%v)", text, again, err)
		}
	})
}
