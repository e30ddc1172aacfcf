package dataset

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const schools = "name: s\nroles:\n  group: school\ncolumns:\n" +
	"  - {name: school, title: École, type: string, role: dimension}\n" +
	"  - {name: mark, title: Mark, type: integer, role: measure}\n" +
	"  - {name: subject, title: Subject, type: string}\n"

func TestRoles(t *testing.T) {
	read := func(yaml string) *Dataset {
		d, err := ParseDescriptor([]byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		ds, err := ReadCSV(t.Context(), strings.NewReader("school,mark,subject\nB,2,Maths\nA,,Sport\n"), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	look := func(ds *Dataset) string {
		var out []string
		for _, p := range RoleSpecs {
			c, ok := ds.Column(p.Column)
			if !ok {
				out = append(out, "-")
				continue
			}
			out = append(out, fmt.Sprintf("%s %s %s", c.Name, c.Type, values(c)))
		}
		return strings.Join(out, "; ")
	}
	for yaml, want := range map[string]string{
		schools: "school string B A; mark as a number number 2 <nil>; question string Mark Mark; category string All All; stratum string All All; -; -; -; -",
		strings.Replace(schools, "  group: school", "  group: school\n  stratum: subject", 1): "school string B A; mark as a number number 2 <nil>; " +
			"question string Mark Mark; category string Subject Subject; subject string Maths Sport; -; -; -; -",
		strings.Replace(schools, "roles:\n  group: school\n", "", 1): "-; -; -; -; -; -; -; -; -",
	} {
		ds := read(yaml)
		if got := look(ds); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if n := len(ds.Columns()); n != 3 {
			t.Errorf("%d columns are shown", n)
		}
		again, err := ReadArrow(arrowBytes(t, ds))
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, again, ds)
		if got := look(again); got != want {
			t.Errorf("from its file: %s\nwant %s", got, want)
		}
	}
	ds := read(strings.Replace(schools, "  group", "  best: lowest\n  group", 1))
	if got := ds.Defaults(); len(got) != 1 || got["best"] != "lowest" {
		t.Errorf("%v", got)
	}
}

func TestBadRoles(t *testing.T) {
	edit := func(from, to string) string { return strings.Replace(schools, from, to, 1) }
	for _, c := range []struct{ yaml, want string }{
		{edit("group: school", "groups: school"), "line 3: roles.groups: unknown key; the keys are group, measure,"},
		{edit("group: school", "best: up"), `roles.group: it is missing; name the string column whose values are compared, one of "school", "subject"`},
		{edit("group: school", "group: club"), `line 3: roles.group: "club" is not a column of this dataset`},
		{edit("group: school", "group: mark"), `line 3: roles.group: the column "mark" has the type integer, and this role needs a string column: give it the type string`},
		{edit("group: school", "group: school\n  measure: subject"), `line 4: roles.measure: "subject" is not the measure; "mark" has the role measure`},
		{edit("group: school", "group: school\n  stratum: school"), `line 4: roles.stratum: the column "school" is already the group`},
		{edit("group: school", "group: school\n  best: up"), `line 4: roles.best: it is "up"; it must be highest or lowest`},
		{edit("name: subject", "name: location"), `columns[2].name: plugins call the group "location", and the column "school" plays that role; give this column another name`},
		{edit("  group: school", "  - group"), "roles: it is a list; it must be a mapping"},
	} {
		if _, err := ParseDescriptor([]byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}

// A file that the descriptor does not fit says which columns there are; a program can
// tell.
func TestErrHeader(t *testing.T) {
	if _, err := readCSV(t, "a,b\n"); !errors.Is(err, ErrMissingColumns) {
		t.Error(err)
	}
}
