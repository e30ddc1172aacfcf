package guess

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Numbers with marks are read as what they say, if the column or the file leaves no doubt;
// otherwise nothing is averaged, and the message names the value and what to pass.
func TestWrittenNumbers(t *testing.T) {
	rows := func(header string, values ...string) string {
		var b strings.Builder
		b.WriteString(header + "\n")
		for i, v := range values {
			b.WriteString(string(rune('A'+i)) + ";" + v + "\n")
		}
		return b.String()
	}
	for _, c := range []struct {
		name, text string
		h          Hints
		want       string
		declared   string // a part of the descriptor
	}{
		{"per cent", rows("club;share", "12.5%", "3%", "100 %"), Hints{}, "club/share: 12.5 3 100", `unit: "%", numbers: {affix: "%"}`},
		{"dollars with thousands", rows("club;sales", "$1,234.50", "$7", "-$1,000,000"), Hints{}, "club/sales: 1234.5 7 -1e+06", `numbers: {thousands: ",", affix: "$"}`},
		{"in a comma-separated file", "club,sales\nA,\"1,234,567\"\nB,\"1,234\"\n", Hints{}, "club/sales: 1.234567e+06 1234", `numbers: {thousands: ","}`},
		{"decimal commas", rows("club;sales", "1,5", "2", "1234,25"), Hints{}, "club/sales: 1.5 2 1234.25", `numbers: {decimal: ","}`},
		{"German", rows("club;sales", "1.234,56", "1.234", "7"), Hints{}, "club/sales: 1234.56 1234 7", `numbers: {decimal: ",", thousands: "."}`},
		{"French, thin and no-break spaces", rows("club;sales", "1\u202f234,5", "1\u00a0234\u00a0567", "12 345"), Hints{}, "club/sales: 1234.5 1.234567e+06 12345", `numbers: {decimal: ",", thousands: " "}`},
		{"spaces alone", rows("club;sales", "1 234", "567"), Hints{}, "club/sales: 1234 567", `numbers: {thousands: " "}`},
		{"Swiss", rows("club;sales", "1'234.50", "1’234"), Hints{}, "club/sales: 1234.5 1234", `numbers: {thousands: "'"}`},
		{"lakhs", rows("club;sales", "12,34,567", "1,234"), Hints{}, "club/sales: 1.234567e+06 1234", `numbers: {thousands: ","}`},
		{"accounting", rows("club;sales", "(123)", "45", "(1,234.5)"), Hints{}, "club/sales: -123 45 -1234.5", `parentheses: true`},
		{"accounting with a currency", rows("club;sales", "($123)", "$45", "$(6)"), Hints{}, "club/sales: -123 45 -6", `affix: "$", parentheses: true`},
		{"footnotes", rows("club;sales", "12*", "3", "4.5[a]", "5†"), Hints{}, "club/sales: 12 3 4.5 5", `footnotes: true`},
		{"footnotes after a currency", rows("club;sales", "12 USD*", "3 USD"), Hints{}, "club/sales: 12 3", `affix: "USD", footnotes: true`},
		{"flags of Eurostat", rows("club;sales", "12.3 e", "3.1", ": c", "4.5 bp", "5"), Hints{}, "club/sales: 12.3 3.1 <nil> 4.5 5", `footnotes: true`},
		{"a minus of typography", rows("club;sales", "−5", "3", "–2"), Hints{}, "club/sales: -5 3 -2", `numbers: {decimal: "."}`},
		{"letters of a currency", rows("club;sales", "R$ 1.234,50", "R$ 7,00"), Hints{}, "club/sales: 1234.5 7", `affix: "R$"`},
		{"suppressed", rows("club;cases", "<5", "12", "≤3", "< 10"), Hints{}, "club/cases: <nil> 12 <nil> <nil>", `missing: ["< 10", "<5", "≤3"]`},
		{"British shorthands", rows("club;cases", "[c]", "12", "[x]"), Hints{}, "club/cases: <nil> 12 <nil>", `missing: ["[c]", "[x]"]`},
		{"decimals of three digits beside a proof", rows("club;sales", "1,234", "0,5"), Hints{}, "club/sales: 1.234 0.5", `numbers: {decimal: ","}`},
		{"a leading zero proves it", rows("club;sales", "0,234", "1,234"), Hints{}, "club/sales: 0.234 1.234", `numbers: {decimal: ","}`},

		// Another column proves what a comma means in this file.
		{"thousands, by another column", "club;sales;share\nA;1,234;0.5\nB;2,345;1.25\n", Hints{Measure: "sales"}, "club/sales: 1234 2345", `numbers: {thousands: ","}`},
		{"decimals, by another column", "club;sales;share\nA;1,234;0,5\nB;2,345;1,25\n", Hints{Measure: "sales"}, "club/sales: 1.234 2.345", `numbers: {decimal: ","}`},
		{"not by coordinates", "club;sales;lat\nA;1,234;48.85\nB;2,345;2.5\n", Hints{Measure: "sales"}, `cannot read "sales": "1,234" in row 1 can be read in two ways`, ""},

		{"in two ways", rows("club;sales", "1,234", "567"), Hints{}, `cannot read "sales": "1,234" in row 1 can be read in two ways, with a decimal mark or with thousands, and no other value decides. Pass --decimal . if the mark before the fraction is a point in this file, or --decimal , if it is a comma`, ""},
		{"a point, as said", rows("club;sales", "1,234", "567"), Hints{Decimal: "."}, "club/sales: 1234 567", `numbers: {thousands: ","}`},
		{"a comma, as said", rows("club;sales", "1,234", "567"), Hints{Decimal: ","}, "club/sales: 1.234 567", `numbers: {decimal: ","}`},
		{"thousands, by the currency", rows("club;price", "$1,234", "$567"), Hints{}, "club/price: 1234 567", `numbers: {thousands: ",", affix: "$"}`},
		{"decimals all the same", rows("club;price", "$1,23", "$5,67"), Hints{}, "club/price: 1.23 5.67", `numbers: {decimal: ",", affix: "$"}`},
		{"a comma that a currency does not decide", rows("club;price", "1,459 €", "1,559 €"), Hints{}, `"1,459 €" in row 1 can be read in two ways`, ""},
		{"in two ways, with a currency", rows("club;price", "$3.459", "$3.259"), Hints{}, `"$3.459" in row 1 can be read in two ways`, ""},
		{"points in a file of decimal commas", "club;value;share\nA;1.234;0,5\nB;2.345;1,25\n", Hints{}, `cannot read "value": "1.234" in row 1 can be read in two ways`, ""},
		{"points in a file of decimal commas, as said", "club;value;share\nA;1.234;0,5\nB;2.345;1,25\n", Hints{Decimal: ","}, "club/value: 1234 2345", `numbers: {decimal: ",", thousands: "."}`},
		{"whole numbers with points in a file of decimal commas", "club;value;share\nA;1.000;0,5\nB;2.000;1,25\n", Hints{}, `cannot read "value": "1.000" in row 1 can be read in two ways`, ""},
		{"points of three digits", "club,sales\nA,1.234\nB,2.345\n", Hints{}, "club/sales: 1.234 2.345", ""},
		{"points of three digits, between semicolons", rows("club;sales", "1.234", "2.345"), Hints{}, `"1.234" in row 1 can be read in two ways`, ""},
		{"points of three digits, between semicolons, as said", rows("club;sales", "1.234", "2.345"), Hints{Decimal: "."}, "club/sales: 1.234 2.345", ""},
		{"points of three digits beside small numbers", "club,sales\nA,1.234\nB,567\n", Hints{}, `"1.234" in row 1 can be read in two ways`, ""},
		{"points of three digits beside large numbers", "club,sales\nA,1.234\nB,5678\n", Hints{}, "club/sales: 1.234 5678", ""},
		{"points of two digits", rows("club;sales", "1.234", "2.34"), Hints{}, "club/sales: 1.234 2.34", ""},
		{"points of three digits, by another column", "club;sales;share\nA;1.234;0.5\nB;2.345;1.25\n", Hints{Measure: "sales"}, "club/sales: 1.234 2.345", ""},
		{"not as said", rows("club;sales", "1.5", "2"), Hints{Decimal: ","}, `cannot read "sales" as numbers: its numbers use points and commas in different ways, the first being "1.5" in row 1`, ""},

		// Columns that disagree are not numbers.
		{"two currencies", rows("club;sales", "$5", "€6"), Hints{}, `cannot read "sales" as numbers: its numbers have different units: "€6" beside those with "$"`, ""},
		{"with and without a unit", rows("club;share", "5%", "6"), Hints{}, `cannot read "share" as numbers: some of its numbers have "%" and others have not`, ""},
		{"without and with a unit", rows("club;share", "6", "5%"), Hints{}, `"5%" has a unit and the numbers before it have none`, ""},
		{"points and commas", rows("club;sales", "1.234,5", "1,234.5"), Hints{}, `its numbers use points and commas in different ways, the first being "1.234,5" in row 1`, ""},
		{"all in parentheses", rows("club;error", "(1)", "(2)"), Hints{}, "all of its numbers are in parentheses", ""},
		{"parentheses and minus signs", rows("club;sales", "(1)", "-2"), Hints{}, "some of its numbers are in parentheses and others have a minus sign", ""},
		{"amounts with a magnitude", rows("club;sales", "$1.2M", "$300k"), Hints{}, "no column holds numbers", ""},
		{"another of its columns", "club;sales;points\nA;$5;1\nB;€6;2\n", Hints{Measure: "points"}, "club/points: 1 2", `2 different values; its numbers have different units`},
		{"units after the numbers", rows("club;time", "5 s", "2 d"), Hints{}, `cannot read "time" as numbers: every number is followed by letters or by raised digits, as in "5 s", which may be a unit or an exponent`, ""},
		{"powers", rows("club;size", "5²", "6²"), Hints{}, `every number is followed by letters or by raised digits, as in "5²"`, ""},
		{"a power of ten", rows("club;size", "10⁶", "12"), Hints{}, `"size" has "10⁶" in row 1`, ""},
		{"the same letters", rows("club;sales", "5 p", "2 p"), Hints{}, "club/sales: 5 2", `footnotes: true`},
		{"raised digits after some", rows("club;sales", "12¹", "3"), Hints{}, "club/sales: 12 3", `footnotes: true`},

		// What looks like a number but is none.
		{"dates", "day;sales\n01.02.2024;1\n02.02.2024;2\n", Hints{}, "day/sales: 1 2", ""},
		{"codes", "code;sales\n1'0;1\n0 123;2\n", Hints{}, "code/sales: 2 1", ""},
		{"versions", "version;sales\n1.2.3;1\n1.2.4;2\n", Hints{}, "version/sales: 1 2", ""},
		{"too many digits", "account;sales\n1 234 567 890 123 456 789;1\n2 234 567 890 123 456 789;2\n", Hints{}, "account/sales: 1 2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := checkSummary(t, c.text, c.h, c.want); err != nil {
				return
			}
			d, err := guessText(t, "x.csv", c.text, c.h)
			if err != nil || !strings.Contains(string(d.YAML), c.declared) {
				t.Errorf("%v: %q is not in\n%s", err, c.declared, d.YAML)
			}
			if strings.Contains(c.declared, "numbers:") && !strings.Contains(strings.Join(d.Notes, "\n"), "numbers are written like") {
				t.Errorf("nothing says how the numbers are read: %q", d.Notes)
			}
		})
	}
}

// A column of numbers that a descriptor says are formatted is strict: a value of another
// form is an error that names it.
func TestFormatIsStrict(t *testing.T) {
	draft, err := guessText(t, "x.csv", "club;sales\nA;1.234,50 €\nB;7 €\n", Hints{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"club;sales\nA;1.234,50 €\nB;8\n":       `line 3 (row 2): column "sales": "8" is not a number of the form €1.234,5`,
		"club;sales\nA;1.23,50 €\n":             `"1.23,50 €" is not a number of the form`,
		"club;sales\nA;1,234.50 €\n":            "is not a number of the form",
		"club;sales\nA;(5) €\n":                 "is not a number of the form",
		"club;sales\nA;5* €\n":                  "is not a number of the form",
		"club;sales\nA;€\n":                     "is not a number of the form",
		"club;sales\nA;--5 €\n":                 "is not a number of the form",
		"club;sales\nA;1.234.567.890.123,456 €": "", // as many digits as a double holds
	} {
		_, err := read(t, text, draft)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// However the numbers of a file are written, they are read as what was meant, or refused.
func TestNumbersAreNeverMistaken(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	refused, accepted := 0, 0
	for range 250 {
		style := [][2]string{{".", ""}, {".", ","}, {".", " "}, {".", "'"}, {",", ""}, {",", "."}, {",", "\u202f"}, {",", "'"}}[r.IntN(8)]
		affix := []string{"", "", "%", "€", "CHF"}[r.IntN(5)]
		delimiter := []string{",", ";", "\t"}[r.IntN(3)]
		most := []float64{10, 1000, 100_000, 10_000_000}[r.IntN(4)]
		parentheses := r.IntN(4) == 0
		text := "club" + delimiter + "value\n"
		var want []float64
		places := r.IntN(4)
		for row := range 2 + r.IntN(12) {
			written := grouped(most*math.Pow(r.Float64(), 3), places, style[1], style[0])
			v, err := strconv.ParseFloat(strings.ReplaceAll(strings.ReplaceAll(written, style[1], ""), style[0], "."), 64)
			if err != nil {
				t.Fatal(err)
			}
			if trimmed := strings.TrimRight(written, "0"); places > 0 && r.IntN(2) == 0 { // as most programs write
				written = strings.TrimSuffix(trimmed, style[0])
			}
			switch {
			case r.IntN(5) > 0:
			case parentheses:
				written, v = "("+written+")", -v
			default:
				written, v = "-"+written, -v
			}
			want = append(want, v)
			text += fmt.Sprintf("C%02d%s%q\n", row, delimiter, written+affix)
		}
		draft, err := Guess(t.Context(), fileOf(t, text), Hints{Measure: "value"}, nil)
		if err != nil {
			refused++
			continue
		}
		ds, err := read(t, text, draft)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		accepted++
		got, _ := ds.Column("value")
		for i, v := range want {
			if got.Value(i) != v && (v != 0 || got.Value(i) != math.Copysign(0, -1)) {
				t.Errorf("%v in row %d, want %v\n%s%s", got.Value(i), i+1, v, text, draft.YAML)
				break
			}
		}
	}
	t.Logf("%d read, %d refused", accepted, refused)
	if accepted < 125 {
		t.Errorf("only %d of 250 are read", accepted)
	}
}

func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
