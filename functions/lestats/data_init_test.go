package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two bare commands answer, and the command that data init prints works as it stands in a
// shell, whatever the file and its values are called.
func TestNextCommandWorks(t *testing.T) {
	for _, c := range []struct{ name, file, printed, want string }{
		{"my file; rm -rf.csv", "club,points\nP,4\nQ,6\n", "measure    points (the only column of figures)", "club,mean\nP,4.0\nQ,6.0\n"},
		{"it's.csv", "indicator,country,value\nWhat's $up?,P,4\nWhat's $up?,Q,6\nother,P,1\n", "indicator  indicator (by its name)", "country,mean\nP,4.0\nQ,6.0\n"},
		{"seed.csv", "category,points\nA,1\nB,2\nB,4\n", "group      category_column \"category\" (the only column that can be compared)", "category_column,mean\nA,1.0\nB,3.0\n"},
		{"question.csv", "question,points\nA,1\nB,2\nB,4\n", "group      question_column", "question_column,mean\nA,1.0\nB,3.0\n"},
		{"alike.csv", "club,Net sales,net_sales,rownames\nA,1,2,1\nB,3,4,2\n", "measure    net_sales_2 \"Net sales\" (by its name; or --measure net_sales)", "club,mean\nA,1.0\nB,3.0\n"},
		{"marks.csv", "shop;sales;growth\nA;1.234,50 €;5 %\nB;7,00 €;<5\n", `"sales": numbers are written like €1.234,5`, "shop,mean\nB,7.0\nA,1234.5\n"},
		{"codes.csv", "fips,state,year,lat,cases\n01001,Ohio,2020,40.5,3\n01003,Utah,2020,39.1,5\n", `not taken for figures: "year" (one value only), "lat" (coordinates)`, "state,mean\nOhio,3.0\nUtah,5.0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), c.name)
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := lestats(t, "data", "init", file)
			if code != exitOK || !strings.Contains(out, c.printed) {
				t.Fatalf("%d %s\n%s", code, errs, out)
			}
			_, next, _ := strings.Cut(out, " ask ")
			next, _, _ = strings.Cut(next, "\n")
			words, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+next).Output()
			if err != nil {
				t.Fatal(err)
			}
			code, out, errs = lestats(t, append([]string{"ask", "-f", "csv"}, strings.Split(strings.TrimSpace(string(words)), "\n")...)...)
			if code != exitOK || strings.ReplaceAll(out, "\r", "") != c.want {
				t.Errorf("%s: %d %s%s\nwant %s", next, code, out, errs, c.want)
			}
		})
	}
}

// What cannot be guessed is refused, says what to pass, and works when it is passed.
func TestDecimalFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(file, []byte("club;sales\nA;1,234\nB;567\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", file); code != exitFailed || !strings.Contains(errs, "Pass --decimal .") {
		t.Errorf("%d %s", code, errs)
	}
	for mark, want := range map[string]string{".": "A,1234.0", ",": "A,1.234"} {
		if code, out, errs := lestats(t, "data", "init", file, "--force", "--decimal", mark); code != exitOK || !strings.Contains(out, "numbers are written like") {
			t.Fatalf("%d %s%s", code, out, errs)
		}
		if code, out, errs := lestats(t, "ask", "states_mean", "--data", file, "-f", "csv"); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%d %s%s", code, out, errs)
		}
	}
	if code, _, errs := lestats(t, "data", "init", file, "--force", "--decimal", ";"); code != exitFailed || !strings.Contains(errs, "must be . or ,") {
		t.Errorf("%d %s", code, errs)
	}
}
