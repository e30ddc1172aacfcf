package guess

import (
	"fmt"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
)

func read(t testing.TB, text string, d *Draft) (*dataset.Dataset, error) {
	t.Helper()
	return dataset.ReadCSV(t.Context(), strings.NewReader(text), d.Descriptor, nil)
}

// summary is what a descriptor reads of a file: the roles, what is missing, and the
// values of the measure.
func summary(t testing.TB, text string, h Hints) (string, error) {
	t.Helper()
	d, err := guessText(t, "x.csv", text, h)
	if err != nil {
		return "", err
	}
	ds, err := read(t, text, d)
	if err != nil {
		t.Fatalf("%v\n%s", err, d.YAML)
	}
	measure, _ := ds.Column(d.Roles.Measure)
	out := d.Roles.Group + "/" + d.Roles.Measure + ":"
	for i := range measure.Len() {
		out += fmt.Sprint(" ", measure.Value(i))
	}
	return out, nil
}

// checkSummary checks that summary returns want, or an error that contains it, and returns
// the error.
func checkSummary(t testing.TB, text string, h Hints, want string) error {
	t.Helper()
	got, err := summary(t, text, h)
	if err != nil {
		got = err.Error()
	}
	if got != want && (err == nil || !strings.Contains(got, want)) {
		t.Errorf("%s\nwant %s", got, want)
	}
	return err
}

// A first line that looks like a row is refused, with what to say; with it, no row is
// lost. What is a header is taken as one.
func TestNoHeader(t *testing.T) {
	const row = "looks like a row, not a header"
	no, yes := new(false), new(true)
	for _, c := range []struct {
		name, text string
		h          Hints
		want       string // the values, or what the error says
	}{
		{"the plain case", "P,4\nQ,6\nR,8\n", Hints{}, row},
		{"as a row", "P,4\nQ,6\nR,8\n", Hints{Header: no}, "column1/column2: 4 6 8"},
		{"all the same a header", "P,4\nQ,6\nR,8\n", Hints{Header: yes}, "p/c4: 6 8"},
		{"fractions, semicolons", "P;4.5\nQ;6\n", Hints{}, row},
		{"fractions, semicolons, as a row", "P;4.5\nQ;6\n", Hints{Header: no}, "column1/column2: 4.5 6"},
		{"tabs, quotes and a byte order mark", "\ufeff\"P\"\t\"-4\"\r\n\"Q\"\t\"6\"\r\n", Hints{}, row},
		{"tabs, quotes and a byte order mark, as a row", "\ufeff\"P\"\t\"-4\"\r\n\"Q\"\t\"6\"\r\n", Hints{Header: no}, "column1/column2: -4 6"},
		{"decimal commas, as a row", "P;4,5\nQ;6,5\n", Hints{Header: no}, "column1/column2: 4.5 6.5"},
		{"several texts", "Curie,Maths,12\nCurie,Sport,15\nSand,Maths,9\nSand,Sport,7\n", Hints{}, row},
		{"several texts, as a row", "Curie,Maths,12\nCurie,Sport,15\nSand,Maths,9\nSand,Sport,7\n", Hints{Header: no}, "column1/column3: 12 15 9 7"},
		{"a year and a value", "P,2019,1.5\nQ,2020,2.5\n", Hints{}, row},
		{"a year and a value, as a row", "P,2019,1.5\nQ,2020,2.5\n", Hints{Header: no}, "column1/column3: 1.5 2.5"},
		{"years of birth and death", "P,1800,1850\nQ,1900,1950\n", Hints{}, row},
		{"twice the same", "P,4,4\nQ,6,7\n", Hints{}, row},
		{"a missing value first", "P,NA\nQ,6\nR,8\n", Hints{}, "no column of numbers has a header"},
		{"an empty one first", "P,\nQ,6\nR,8\n", Hints{}, "no column of numbers has a header"},
		{"an empty one first, as a row", "P,\nQ,6\nR,8\n", Hints{Header: no}, "column1/column2: <nil> 6 8"},
		{"a first row that comes again", "P,4\nP,4\nQ,6\n", Hints{}, "line 2 repeats the header; remove it (if the first line is a row, pass --no-header"},
		{"a first row that comes again, as a row", "P,4\nP,4\nQ,6\n", Hints{Header: no}, "column1/column2: 4 4 6"},
		{"a fraction beside a name", "club,points,0.5\nP,4,1\nQ,6,2\n", Hints{Measure: "points"}, row},
		{"a mark in the middle", "P,4\nQ,-\nR,8\n", Hints{Header: no}, "column1/column2: 4 <nil> 8"},
		{"a word for a group in the rows", "Shop 1,2000\nShop 2,2500\nShop 3,3100\n", Hints{}, row},
		{"a word for a group in the rows, tabs", "state north\t2000\t2010\nstate south\t3000\t3010\n", Hints{}, row},
		{"thousands with commas", "P,\"1,234\"\nQ,567\nR,890\n", Hints{}, row},
		{"thousands with spaces", "P;1 234\nQ;567\nR;890\n", Hints{}, row},
		{"thousands with spaces that do not break, beside a number", "P;1\u202f234;3\nQ;567;4\nR;890;5\n", Hints{}, row},
		{"a currency", "P,$5\nQ,6\nR,8\n", Hints{}, row},
		{"a per cent", "P,5 %\nQ,6\nR,8\n", Hints{}, row},
		{"brackets", "P,(5)\nQ,6\nR,8\n", Hints{}, row},
		{"a footnote's mark", "P,5*\nQ,6\nR,8\n", Hints{}, row},
		{"a minus of typography", "P,\u22125\nQ,6\nR,8\n", Hints{}, row},
		{"other digits", "P,\u0663\nQ,6\nR,8\n", Hints{}, row},
		{"infinity", "P,-Inf\nQ,6\nR,8\n", Hints{}, row},
		{"too large", "P,1e400\nQ,6\nR,8\n", Hints{}, row},
		{"hexadecimal", "P,0x1F\nQ,6\nR,8\n", Hints{}, row},
		{"one row", "P,4\n", Hints{}, "it has no rows: nothing can be guessed from a header alone; if its first line is a row, pass --no-header"},
		{"one row, as a row", "P,4\n", Hints{Header: no}, "column1/column2: 4"},
		{"nothing but a header", "club,points\n", Hints{}, "nothing can be guessed from a header alone"},

		{"a header", "club,points\nP,4\nQ,6\n", Hints{}, "club/points: 4 6"},
		{"a number beside a name", "club,points,1\nP,4,1\nQ,6,2\n", Hints{Measure: "points"}, "club/points: 4 6"},
		{"an index without a header", ",club,points\n0,P,4\n1,Q,6\n", Hints{}, "club/points: 4 6"},
		{"one column per year", "club,2019,2020,2021\nP,4,5,6\nQ,6,7,8\n", Hints{Measure: "2020"}, "club/c2020: 5 7"},
		{"a column every fifth year, without a word for the first", "xyz,2005,2010,2015\nP,4,5,6\nQ,6,7,8\n", Hints{Measure: "2010"}, "xyz/c2010: 5 7"},
		{"years with a gap", "xyz,1995,1996,1997,1998,2002\nP,4,5,6,7,8\nQ,6,7,8,9,1\n", Hints{}, "xyz/c2002: 8 1"},
		{"years out of order", "xyz,1995,1996,1992,1998,2002\nP,4,5,6,7,8\nQ,6,7,8,9,1\n", Hints{}, row},
		{"one year and a word", "country,2019\nP,4\nQ,6\n", Hints{}, "country/c2019: 4 6"},
		{"one year", "xyz,2019\nP,4\nQ,6\n", Hints{}, row},
		{"one year, as said", "xyz,2019\nP,4\nQ,6\n", Hints{Header: yes}, "xyz/c2019: 4 6"},
		{"one year and a word that the values have too", "shop_name,2019\nShop 1,4\nShop 2,6\n", Hints{}, "shop_name/c2019: 4 6"},
		{"one year and nothing but the word", "Shop,2019\nShop 1,4\nShop 2,6\n", Hints{}, "shop/c2019: 4 6"},
		{"ranges", "club,2019/20,2020-21\nP,4,5\nQ,6,7\n", Hints{Measure: "2020-21"}, "club/c2020_21: 5 7"},
		{"ages", "club,18-64,65+\nP,4,5\nQ,6,7\n", Hints{Measure: "65+"}, "club/c65: 5 7"},
		{"percentiles beside a name", "club,mean,25%,50%\nP,4,5,6\nQ,6,7,8\n", Hints{Measure: "mean"}, "club/mean: 4 6"},
		{"years above years", "country,2019\nP,2004\nQ,2006\n", Hints{Measure: "2019"}, row},
		{"a title", "Points of the year\nclub,points\nP,4\n", Hints{}, "if the first line is a title or a comment, remove it"},
		{"a comment", "# made on Monday\nclub,points\nP,4\n", Hints{}, "if the first line is a title or a comment, remove it"},
		{"a title in a spreadsheet's way", "Points,,\nclub,points,goals\nP,4,5\nQ,6,7\nR,8,9\n", Hints{}, "club/points: 4 6 8"},
		{"the same, where the first line is the header, as said", "Points,,\nclub,points,goals\nP,4,5\nQ,6,7\nR,8,9\n", Hints{Header: yes, Measure: "Points"}, "holds texts"},
		{"titles, notes and a blank line", "Points of the year, by club\n\n\"A note,\nof two lines\"\nclub;points;goals;games;cards\nP;4;1;1;1\nQ;6;1;1;1\n", Hints{}, "club/points: 4 6"},
		{"comments", "# made on Monday\n# by P\nclub,points\nP,4\nQ,6\n", Hints{}, "club/points: 4 6"},
		{"a title above years", "Points\nclub,2019,2020,\nP,4,5,\nQ,6,7,\n", Hints{}, "club/c2020: 5 7"},
		{"row numbers that the header does not count", "club,points\n1,P,4\n2,Q,6\n3,R,8\n", Hints{}, "line 2 (row 1): the row has 3 fields; the header has 2"},
		{"a title among as many commas", "Points, by club, 2020\nclub,points,goals\nP,4,5\nQ,6,7\n", Hints{}, "If that row is a second header, remove it"},
		{"rows of different widths", "P\nQ,4\nR,6\nS,8\n", Hints{}, "the row has 2 fields; the header has 1"},
		{"a note below", "club,points\nP,4\nQ,6\nSource: P\n", Hints{}, "if it is a note below the table, remove it"},
		{"two headers with the same names", ",2019,,,\nclub,points,goals,points,goals\nP,1,2,3,4\nQ,1,2,3,4\n", Hints{}, row},
		{"no header anywhere", ",,\n0,P,4\n1,Q,6\n", Hints{}, "none of its columns has a header: write headers into the first line, or pass --no-header"},
		{"the header again", "club,points\nP,4\nclub,points\nQ,6\n", Hints{}, "line 3 repeats the header; remove it"},
		{"no numbers above numbers", "club,points\nP,4\nQ,6\n", Hints{Header: no}, `"column2" holds numbers except for "points" in row 1. If that row is a second header, remove it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = checkSummary(t, c.text, c.h, c.want)
		})
	}
	_, err := guessText(t, "x.csv", "P,4\nQ,6\n", Hints{})
	if err == nil || !strings.Contains(err.Error(), `"P", "4", where "4" is above numbers. If it is a row, pass --no-header`) || !strings.Contains(err.Error(), "pass --header") {
		t.Error(err)
	}
	if _, err := guessText(t, "x.parquet", "PAR1", Hints{Header: no}); err == nil {
		t.Error("a Parquet file without a header")
	}
}
