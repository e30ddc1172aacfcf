package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

func guessText(t testing.TB, name, text string, h Hints) (*Draft, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	draft, err := Guess(t.Context(), path, h, nil)
	if err != nil {
		return nil, err
	}
	ds, err := Open(t.Context(), path, draft.Descriptor) // what was guessed reads the file
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.YAML)
	}
	checkCanonical(t, ds)
	if ds.Rows() != draft.Rows {
		t.Errorf("%d rows, guessed of %d", ds.Rows(), draft.Rows)
	}
	return draft, nil
}

func TestGuess(t *testing.T) {
	many := func(header, row string) string { return header + "\n" + strings.Repeat(row+"\n", 3) }
	for _, c := range []struct {
		name, text string
		hints      Hints
		want       string // roles, then columns
	}{
		{"two columns", "country,births\nA,1\nB,2\n", Hints{}, "group country, measure births; country string, births integer"},
		{"semicolons, a byte order mark, CRLF", "\ufeffShop;Umsatz\r\nA;1.5\r\n\"B; C\";2\r\n", Hints{}, "group shop, measure umsatz; shop string, umsatz number"},
		{"tabs", "shop\tsales\nA, B\t1\nC\t2\n", Hints{}, "group shop, measure sales; shop string, sales integer"},
		{"a comma in the header of semicolons", "shop;sales, net;year\nA;1;2020\nB;2;2021\n", Hints{}, "group shop, measure sales_net; shop string, sales_net integer, year integer"},
		{"codes are no numbers", "zip,rate\n01234,1.5\n99999,2\n", Hints{}, "group zip, measure rate; zip string, rate number"},
		{"a year is no measure", "place,year,count\nA,2020,1\nB,2021,2\n", Hints{}, "group place, measure count; place string, year integer, count integer"},
		{"the word for it", "name,cost,score,weight\nA,1.5,2.5,3.5\nB,1,2,3\n", Hints{}, "group name, measure score; name string, cost number, score number, weight number"},
		{"as the user says", "name,cost,weight\nA,1.5,3.5\nB,1,3\n", Hints{Measure: "weight", Group: "cost"}, "group cost, measure weight; name string, cost string, weight number"},
		{"the CDC's words", many("LocationAbbr,LocationDesc,Question,Data_Value,StratificationCategory1,Stratification1,Low_Confidence_Limit", "OH,Ohio,Q,1.5,Total,Total,1"), Hints{},
			"group location_desc, measure data_value, indicator question, category stratification_category1, stratum stratification1; " +
				"location_abbr string, location_desc string, question string, data_value number, stratification_category1 string, stratification1 string, low_confidence_limit integer"},
		{"pieces", "team,sex,goals\n" + strings.Repeat("A,f,1\nB,m,2\n", 4), Hints{}, "group team, measure goals, stratum sex; team string, sex string, goals integer"},
		{"no pieces", "team,sex,goals\n" + strings.Repeat("A,f,1\nB,m,2\n", 4), Hints{Stratum: NoColumn}, "group team, measure goals; team string, sex string, goals integer"},
		{"a name that plugins use", "team,value,goals\nA,x,1\nB,y,2\n", Hints{}, "group team, measure goals; team string, value_column string, goals integer"},
		{"only missing ones", "team,note,goals\nA,,1\nB,,2\n", Hints{}, "group team, measure goals; team string, note string, goals integer"},
		{"without a header, twice, and too long a value", ",team,x,x,text,goals\n0,A,1,2," + strings.Repeat("y", 70_000) + ",1\n1,B,1,2,z,2\n", Hints{},
			"group team, measure goals; team string, goals integer"},
		{"names of all kinds", "1. Âge (ans),Âge  ans,!!,team,goals,true\n1,2,3,A,1,1\n", Hints{Measure: "goals"},
			"group team, measure goals; c1_age_ans integer, age_ans integer, column integer, team string, goals integer, true integer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := guessText(t, "My data-1.csv", c.text, c.hints)
			if err != nil {
				t.Fatal(err)
			}
			var roles, columns []string
			for _, p := range parts {
				if name := *p.of(d.Roles); name != "" {
					roles = append(roles, p.key+" "+name)
				}
			}
			for _, col := range d.Columns {
				columns = append(columns, col.Name+" "+string(col.Type))
			}
			if got := strings.Join(roles, ", ") + "; " + strings.Join(columns, ", "); got != c.want {
				t.Errorf("%s\nwant %s\n%s", got, c.want, d.YAML)
			}
			if d.Name != "my_data_1" {
				t.Errorf("the name is %s", d.Name)
			}
		})
	}
}

// Where nothing can be guessed, the message says what to say or what is wrong.
func TestGuessRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		hints      Hints
		want       string
	}{
		{"empty", "", Hints{}, "the file is empty; a CSV file starts with its header"},
		{"no rows", "a,b\n", Hints{}, "it has no rows: nothing can be guessed from a header alone"},
		{"one column", "sales\n1\n2\n", Hints{}, "it has one column that can be used; a dataset has two at least"},
		{"several measures", "name,cost,weight\nA,1.5,3.5\n", Hints{}, `it cannot be guessed what is averaged: say --measure with one of "cost", "weight"`},
		{"only years", "name,year\nA,2020\n", Hints{}, `say --measure with one of "year"`},
		{"no numbers", "a,b\nx,y\n", Hints{}, "no column holds numbers, and one has to"},
		{"no groups", "a,b,c,sales\nx,y,z,1\n", Hints{}, `it cannot be guessed which groups are compared: say --group with one of "a", "b", "c"`},
		{"decimal commas", "a;b\nx;\"1,5\"\ny;2,5\n", Hints{}, `"b" has "1,5" in row 1; numbers have a decimal point`},
		{"a type that changes half-way", "a,b\nx,1\ny,2\nz,few\n", Hints{}, `no column holds numbers alone, and one has to: "b" has "few" in row 3; correct it, or say --missing "few" if it stands for no value`},
		{"the same, as the measure", "a,b,c\nx,1,2\ny,few,2\nz,3,2\n", Hints{Measure: "b"}, `--measure: "b" holds texts, such as "few" in row 2; a measure is numbers. If it stands for no value, say --missing "few"`},
		{"no such column", "a,b\nx,1\n", Hints{Group: "c"}, `--group: there is no column "c"; there are "a", "b"`},
		{"twice", "a,b\nx,1\n", Hints{Group: "b"}, `--group: the column "b" has another role already`},
		{"header twice", "a,a,b\nx,y,1\n", Hints{Group: "a"}, `--group: "a" cannot be used: this header stands there 2 times`},
		{"ragged", "a,b\nx,1\ny\n", Hints{}, "line 3: the row has 1 fields; the header has 2"},
		{"a field of 10^6 characters", "a,b\n\"" + strings.Repeat("x", 1_000_000) + "\",1\n", Hints{}, `it has one column that can be used; a dataset has two at least: what is averaged, and the groups that are compared; "a" cannot: a value has 1000000 bytes`},
		{"a field that does not end", "a,b\n\"" + strings.Repeat("x", 3_000_000), Hints{}, "is a closing quote missing?"},
		{"UTF-16", "\xff\xfea\x00,\x00", Hints{}, "it is UTF-16: save it as UTF-8"},
		{"a workbook", "PK\x03\x04....", Hints{}, "it is a ZIP archive, or a workbook: unpack it, or save it as CSV"},
		{"not text", "\x00\x01\x02\x03,\x00\n", Hints{}, "it is not text"},
		{"Parquet by its start only", "PAR1 or what", Hints{}, "does not end as a Parquet file does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := guessText(t, "x.csv", c.text, c.hints)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.csv") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := Guess(t.Context(), t.TempDir(), Hints{}, nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
	if _, err := guessText(t, "x.arrow", string(arrowBytes(t, few(t))), Hints{}); err == nil || !strings.Contains(err.Error(), "it has its descriptor inside") {
		t.Error(err)
	}
	if _, err := guessText(t, "x.arrow", string(arrowOf(t, arrow.BinaryTypes.String, `["a", "b"]`, false)), Hints{Group: "y"}); err == nil || !strings.Contains(err.Error(), `no column "y"`) {
		t.Error(err)
	}
}

// A column of a million values is described and read.
func TestMillionValues(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	var b strings.Builder
	b.WriteString("id,sales\n")
	for i := range 1_000_000 {
		fmt.Fprintf(&b, "x%d,%d\n", i, i)
	}
	d, err := guessText(t, "x.csv", b.String(), Hints{Group: "id"})
	if err != nil || d.Rows != 1_000_000 || !strings.Contains(string(d.YAML), "100000 different values or more") {
		t.Errorf("%v %v", d, err)
	}
}

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
		for _, p := range parts {
			c, ok := ds.Column(p.seed)
			if !ok {
				out = append(out, "-")
				continue
			}
			out = append(out, fmt.Sprintf("%s %s %s", c.Name, c.Type, values(c)))
		}
		return strings.Join(out, "; ")
	}
	for yaml, want := range map[string]string{
		schools: "school string B A; mark as a number number 2 <nil>; question string Mark Mark; category string All All; stratum string All All",
		strings.Replace(schools, "  group: school", "  group: school\n  stratum: subject", 1): "school string B A; mark as a number number 2 <nil>; " +
			"question string Mark Mark; category string Subject Subject; subject string Maths Sport",
		strings.Replace(schools, "roles:\n  group: school\n", "", 1): "-; -; -; -; -",
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
		{edit("group: school", "groups: school"), "line 3: roles.groups: this key is unknown; the keys are group, measure,"},
		{edit("group: school", "best: up"), `roles.group: it is missing; the string column whose values are compared, one of "school", "subject"`},
		{edit("group: school", "group: club"), `line 3: roles.group: "club" is no column of this dataset`},
		{edit("group: school", "group: mark"), `line 3: roles.group: the column "mark" is of the type integer; this is a string column: give it the type string`},
		{edit("group: school", "group: school\n  measure: subject"), `line 4: roles.measure: "subject" is not the measure; "mark" has the role measure`},
		{edit("group: school", "group: school\n  stratum: school"), `line 4: roles.stratum: the column "school" is the group already`},
		{edit("group: school", "group: school\n  best: up"), `line 4: roles.best: it is "up"; highest or lowest`},
		{edit("name: subject", "name: location"), `columns[2].name: plugins call the group "location", and that is the column "school"; give this one another name`},
		{edit("  group: school", "  - group"), "roles: it is a list; a mapping"},
	} {
		if _, err := ParseDescriptor([]byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}

// A file that the descriptor does not fit says which columns there are; a program can
// tell.
func TestErrHeader(t *testing.T) {
	if _, err := readCSV(t, "a,b\n"); !errors.Is(err, ErrHeader) {
		t.Error(err)
	}
}
