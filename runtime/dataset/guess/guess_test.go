package guess

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/testfiles"
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
	ds, err := dataset.Open(t.Context(), path, draft.Descriptor) // what was guessed reads the file
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.YAML)
	}
	if ds.Rows() != draft.Rows {
		t.Errorf("%d rows, guessed of %d", ds.Rows(), draft.Rows)
	}
	return draft, nil
}

// ownFormat is a file of WriteArrow.
func ownFormat(t testing.TB) string {
	t.Helper()
	d, err := dataset.ParseDescriptor([]byte("name: x\ncolumns:\n  - {name: a, type: string}\n  - {name: b, type: number, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadCSV(t.Context(), strings.NewReader("a,b\nx,1\n"), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := dataset.WriteArrow(&b, ds); err != nil {
		t.Fatal(err)
	}
	return b.String()
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
		{"a comma in the header of semicolons", "shop;sales, net;year\nA;1;2020\nB;2;2021\n", Hints{}, "group shop, measure sales_net, time year; shop string, sales_net integer, year integer"},
		{"codes are no numbers", "zip,rate\n01234,1.5\n99999,2\n", Hints{}, "group zip, measure rate; zip string, rate number"},
		{"a year is no measure", "place,year,count\nA,2020,1\nB,2021,2\n", Hints{}, "group place, measure count, time year; place string, year integer, count integer"},
		{"the word for it", "name,cost,score,weight\nA,1.5,2.5,3.5\nB,1,2,3\n", Hints{}, "group name, measure score; name string, cost number, score number, weight number"},
		{"as the user says", "name,cost,weight\nA,1.5,3.5\nB,1,3\n", Hints{Measure: "weight", Group: "cost"}, "group cost, measure weight; name string, cost string, weight number"},
		{"the CDC's words", many("LocationAbbr,LocationDesc,Question,Data_Value,StratificationCategory1,Stratification1,Low_Confidence_Limit", "OH,Ohio,Q,1.5,Total,Total,1"), Hints{},
			"group location_desc, measure data_value, indicator question, category stratification_category1, stratum stratification1; " +
				"location_abbr string, location_desc string, question string, data_value number, stratification_category1 string, stratification1 string, low_confidence_limit integer"},
		{"cylinders are groups", "cyl,mpg\n4,21.0\n6,22.0\n4,20.0\n6,30.0\n", Hints{}, "group cyl, measure mpg; cyl string, mpg integer"},
		{"whole numbers that repeat are groups", "cyl,hp\n4,90\n6,110\n4,95\n6,123\n", Hints{}, "group cyl, measure hp; cyl string, hp integer"},
		{"a name, not its code", "fips,state_code,iso,state,zip,rownames,rate\n1,OH,x,Ohio,44101,1,5\n3,IA,y,Iowa,50301,2,7\n", Hints{},
			"group state, measure rate; fips integer, state_code string, iso string, state string, zip integer, rownames integer, rate integer"},
		{"the newest year", "country,2019,2020,2021\nA,1,2,\nB,3,4,\nC,5,6,7\n", Hints{}, "group country, measure c2020; country string, c2019 integer, c2020 integer, c2021 integer"},
		{"coordinates and years are no measures", "place,lat,lon,year,born,visits\nA,1.5,2.5,2020,1950,3\nB,3.5,4.5,2021,1960,4\n", Hints{}, "group place, measure visits, time year; place string, lat number, lon number, year integer, born integer, visits integer"},
		{"pieces", "team,sex,goals\n" + strings.Repeat("A,f,1\nB,m,2\n", 4), Hints{}, "group team, measure goals, stratum sex; team string, sex string, goals integer"},
		{"no pieces", "team,sex,goals\n" + strings.Repeat("A,f,1\nB,m,2\n", 4), Hints{Stratum: NoColumn}, "group team, measure goals; team string, sex string, goals integer"},
		{"a name that plugins use", "team,value,goals\nA,x,1\nB,y,2\n", Hints{}, "group team, measure goals; team string, value_column string, goals integer"},
		{"limits, asked and time", "Place,Year Start,YearEnd,Value,Low CI,High CI,Sample Size\nA,2020,2020,5,4,6,10\nB,2021,2021,6,5,8,11\n", Hints{},
			"group place, measure value, low low_ci, high high_ci, asked sample_size, time year_start; " +
				"place string, year_start integer, year_end integer, value integer, low_ci integer, high_ci integer, sample_size integer"},
		{"limits of broom", "term,estimate,conf.low,conf.high\nA,5.5,4,6\nB,6,5,8\n", Hints{},
			"group term, measure estimate, low conf_low, high conf_high; term string, estimate number, conf_low integer, conf_high integer"},
		{"prices of shares are no limits", "symbol,open,high,low,close\nA,5,6,4,5.5\nB,6,8,5,7\n", Hints{},
			"group symbol, measure close; symbol string, open integer, high_column integer, low_column integer, close number"},
		{"limits of something else", "place,value,ci_low,ci_high\nA,50,4,6\nB,60,5,8\n", Hints{},
			"group place, measure value; place string, value integer, ci_low integer, ci_high integer"},
		{"two pairs of limits", "place,value,ci_low,ci_high,lcl,ucl\nA,5,4,6,3,7\nB,6,5,8,4,9\n", Hints{},
			"group place, measure value; place string, value integer, ci_low integer, ci_high integer, lcl integer, ucl integer"},
		{"years of two kinds", "place,year_start,year_end,value\nA,2020,2021,5\nB,2021,2023,6\n", Hints{},
			"group place, measure value; place string, year_start integer, year_end integer, value integer"},
		{"years of birth, and a name that plugins use", "place,birth_year,asked,respondents,value\nA,1950,x,5,5\nB,1951,y,6,6\n", Hints{},
			"group place, measure value, asked respondents; place string, birth_year integer, asked_column string, respondents integer, value integer"},
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
			for _, p := range dataset.RoleSpecs {
				if name := *p.Field(d.Roles); name != "" {
					roles = append(roles, p.Key+" "+name)
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
		{"empty", "", Hints{}, "the file is empty; a CSV file must start with a header"},
		{"no rows", "a,b\n", Hints{}, "it has no rows: nothing can be guessed from a header alone"},
		{"one column", "sales\n1\n2\n", Hints{}, "it has one usable column; a dataset needs at least two"},
		{"only years", "name,year\nA,2020\n", Hints{}, `no column holds figures that can be averaged: "year" holds times; pass --measure with a column to average it all the same, such as --measure "year"`},
		{"no numbers", "a,b\nx,y\n", Hints{}, "no column holds numbers, and one must"},
		{"no groups", "a,b,sales\n1,1.5,1\n2,2.5,2\n3,3.5,3\n", Hints{}, `no column has groups to compare: the others hold numbers or sentences that hardly repeat. Add a column that names the groups, or pass --group with one of "a", "b"`},
		{"a type that changes half-way", "a,b\nx,1\ny,2\nz,few\n", Hints{}, `"b" holds numbers except for 1 values, the first being "few" in row 3. If that means a missing value, pass --missing "few"; otherwise correct it`},
		{"the same, as the measure", "a,b,c\nx,1,2\ny,few,2\nz,3,2\n", Hints{Measure: "b"}, `--measure: "b" holds texts, such as "few" in row 2; a measure must be numbers. If it means a missing value, pass --missing "few"`},
		{"no such column", "a,b\nx,1\n", Hints{Group: "c"}, `--group: there is no column "c"; the columns are "a", "b"`},
		{"twice", "a,b\nx,1\n", Hints{Group: "b"}, `--group: the column "b" already has another role`},
		{"header twice", "a,a,b\nx,y,1\n", Hints{Group: "a"}, `--group: "a" cannot be used: this header appears 2 times`},
		{"ragged", "a,b\nx,1\ny\n", Hints{}, "line 3 (row 2): the row has 1 field; the header has 2"},
		{"a field of 10^6 characters", "a,b\n\"" + strings.Repeat("x", 1_000_000) + "\",1\n", Hints{}, `it has one usable column; a dataset needs at least two: one to average, and one with the groups to compare; "a" cannot be used: a value has 1000000 bytes`},
		{"a field that does not end", "a,b\n\"" + strings.Repeat("x", 3_000_000), Hints{}, "is a closing quote missing?"},
		{"UTF-16 without a mark", "a\x00,\x00b\x00\n\x00x\x00,\x001\x00\n\x00", Hints{}, "it looks like utf-16le without a byte order mark: if it is, pass --encoding utf-16le to data init"},
		{"a workbook", "PK\x03\x04....", Hints{}, "this is a ZIP archive: `unzip FILE`, then try again"},
		{"not text", "\x00\x01\x02\x03,\x00\n", Hints{}, "it is not text"},
		{"Parquet by its start only", "PAR1 or what", Hints{}, "does not end like a Parquet file"},
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
	if _, err := guessText(t, "x.arrow", ownFormat(t), Hints{}); err == nil || !strings.Contains(err.Error(), "it already contains its descriptor") {
		t.Error(err)
	}
	if _, err := guessText(t, "x.arrow", string(testfiles.Arrow(t, arrow.BinaryTypes.String, `["a", "b"]`, false)), Hints{Group: "y"}); err == nil || !strings.Contains(err.Error(), `no column "y"`) {
		t.Error(err)
	}
}

// FuzzGuess: whatever a CSV holds, it is refused, or what was guessed reads it.
func FuzzGuess(f *testing.F) {
	for _, text := range []string{
		"club,points\nA,1\nB,2\n", "club;note;points\r\nA;\xc9;1,5\r\n\"B\nC\";;NA\r\n", "\xff\xfec\x00,\x00p\x00\n\x00A\x00,\x001\x00\n\x00", "club\tpoints\rA\t-999\rB\tinf\r",
		"club,,club ,Club\n1,2,3,4\n", "# SYNTHETIC\nclub,points,synthetic\nA,1e5,true\n", "2019,2020\n1,2\n", "club,points\nA,9007199254740993\n", "a\"b,c\n", "",
		"category,value\nA,1\n", "a;b\n1,5;x\n1.234,5;y\n", "Points,points,question\n1,2,3\n4,5,x\n", "a,b\n$5,(6)\n€6,-7\n", "a\tb\nx\t: c\ny\t12 e\n",
		"a,1990,1991\nx,<5,..\ny,6,7\n", "id,x\n1,2%\n2,3%\n3,4\n", "x,y\n1 234,a\n1'234,b\n", "A title\n\nclub,points\nA,1\nB,2\n", "T,,\nclub;points;x\nA;1;2\nB;2;3\n", "value,value\n1,2\n", ",a,b\n0,x,1\n1,y,2\n",
	} {
		for kind := range byte(16) {
			f.Add([]byte(text), kind)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, kind byte) {
		h := Hints{Encoding: []string{"", "windows-1252", "utf-16le", "gb18030"}[kind%4]}
		switch kind / 4 % 4 {
		case 1:
			h.Header = new(false)
			h.Group, h.Measure = "column1", "column2"
		case 2:
			h.Header, h.Missing = new(true), []string{"-999", "inf"}
		case 3:
			h.Decimal = ","
		}
		d, err := guessText(t, "x.csv", string(b), h)
		if err != nil && strings.Contains(err.Error(), "cannot make a descriptor") {
			t.Error(err)
		}
		if err == nil && len(d.LeftOut) > maxLeftOut+1 {
			t.Errorf("%d columns are named", len(d.LeftOut))
		}
	})
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
