package dataset

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// Marks for missing values among numbers are found, declared and honoured; they mean
// nothing among texts.
func TestMissingMarks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		h          Hints
		want       string // the values, or what the error says
		missing    string // in the descriptor
	}{
		{"NA", "team,score\nX,2\nX,NA\nY,40\n", Hints{}, "team/score: 2 <nil> 40", "NA"},
		{"quoted, semicolons", "team;score\nX;2\nX;\"..\"\nY;40\n", Hints{}, "team/score: 2 <nil> 40", ".."},
		{"several, with spaces", "team,score\nX,2.5\nX, : \nY,..\nY,n/a\nY,#N/A\nY,\nZ,-\nZ,4\n", Hints{}, "team/score: 2.5 <nil> <nil> <nil> <nil> <nil> <nil> 4", "#N/A|-|..|:|n/a"},
		{"case", "team,score\nX,2\nX,na\nY,Na\nY,NaN\nZ,NULL\nZ,null\nZ,None\n", Hints{}, "team/score: 2 <nil> <nil> <nil> <nil> <nil> <nil>", "NULL|Na|NaN|None|na|null"},
		{"stars and points", "team\tscore\nX\t2\nX\t*\nY\t.\nY\t***\n", Hints{}, `no column holds numbers alone, and one has to: "score" has "***" in row 4; correct it, or say --missing "***"`, ""},
		{"as the user says", "team\tscore\nX\t2\nX\t*\nY\t.\nY\t***\n", Hints{Missing: []string{"***"}}, "team/score: 2 <nil> <nil> <nil>", "***|*|."},
		{"more marks than numbers", "team,score\nX,NA\nX,NA\nX,NA\nY,4\n", Hints{}, "team/score: <nil> <nil> <nil> 4", "NA"},
		{"a spreadsheet's errors", "team,score\nX,1\nX,#DIV/0!\nY,#REF!\n", Hints{}, "team/score: 1 <nil> <nil>", "#DIV/0!|#REF!"},
		{"a number is a number", "team,score\nX,1\nX,-999\nY,3\n", Hints{}, "team/score: 1 -999 3", ""},
		{"unless the user says so, however it is written", "team,score\nX,1.5\nX,-999\nY,-999.0\nY,3\n", Hints{Missing: []string{"-999"}}, "team/score: 1.5 <nil> <nil> 3", "-999"},
		{"of integers", "team,score\nX,1\nX,-999\nY,-999.0\nY,3\n", Hints{Missing: []string{"-999"}}, "team/score: 1 <nil> <nil> 3", "-999"},
		{"of integers, as a fraction", "team,score\nX,1\nX,99\nY,3\n", Hints{Missing: []string{"99.0"}}, "team/score: 1 <nil> 3", "99.0"},
		{"Namibia and sodium", "country,element,score\nNA,Na,1\nZA,H,2\nNA,-,NA\nBW,He,4\n", Hints{Stratum: "element"}, "country/score: 4 1 <nil> 2", "NA"},
		{"a dimension of marks", "club,note,score\nX,NA,1\nY,NA,2\n", Hints{}, "club/score: 1 2", ""},
		{"codes", "code,score\n01,1\n-,2\n07,3\n", Hints{}, "code/score: 2 1 3", ""},
		{"a user's word in a text", "club,score\nX,1\nnone,2\nnone,none\n", Hints{Missing: []string{"none"}}, "club/score: 1 2 <nil>", "none"},

		// Nothing is averaged in the place of a column that is nearly of numbers.
		{"which of two", "team,goals,games\nX,2,10\nX,NA,11\nY,40,12\n", Hints{}, `it cannot be guessed what is averaged: say --measure with one of "goals", "games"`, ""},
		{"this of two", "team,score,games\nX,2,10\nX,NA,11\nY,40,12\n", Hints{Measure: "score"}, "team/score: 2 <nil> 40", "NA"},
		{"a word that is no mark", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{}, `"score" holds numbers but for 1 values, the first "few" in row 2. If that stands for no value, say --missing "few"; otherwise correct it; --measure "games" averages "games"`, ""},
		{"a word in most rows", "team,score,games\nX,2,10\nX,few,11\nY,few,12\nY,few,13\n", Hints{}, `"score" holds numbers but for 3 values, the first "few" in row 2`, ""},
		{"the other, as said", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "games"}, "team/games: 10 11 12", ""},
		{"the word, as said", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "score", Missing: []string{"few"}}, "team/score: 2 <nil> 40", "few"},
		{"the word, without saying so", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "score"}, `--measure: "score" holds texts, such as "few" in row 2; a measure is numbers. If it stands for no value, say --missing "few"`, ""},
		{"nothing but marks", "team,score\nX,NA\nY,NA\n", Hints{Measure: "score"}, `--measure: "score" holds no numbers: 0 values are missing, and 2 are "NA" (2)`, ""},
		{"empty", "team,score,games\nX,,1\nY,,2\n", Hints{}, "team/games: 1 2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := summary(t, "x.csv", c.text, c.h)
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if err != nil {
				return
			}
			d, err := guessText(t, "x.csv", c.text, c.h)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.Missing, "|"); got != c.missing {
				t.Errorf("missing: %s, want %s", got, c.missing)
			}
			for _, text := range d.Missing {
				if noted := strings.Join(d.Notes, "\n"); len(c.h.Missing) == 0 && !strings.Contains(noted, quote(text)) {
					t.Errorf("nothing says that %q is missing: %s", text, noted)
				}
			}
		})
	}
}

// What is left out or read otherwise than one may think is noted.
func TestGuessNotes(t *testing.T) {
	for _, c := range []struct {
		text string
		h    Hints
		want string
	}{
		{"club,,score\nX,a,1\n", Hints{}, `"" is left out: it has no header`},
		{"club,note,score\nX,NA,1\n", Hints{}, `"note" has no value but "NA" (1), which is read as text`},
		{"club,size,score\nX,1,1\nX,2,2\nX,big,3\n", Hints{Measure: "score"}, `"size" is read as text: it holds numbers but for 1 values, the first "big" in row 3; --missing "big"`},
		{"club,score,account\nX,1,9007199254740993\n", Hints{}, `"account" holds integers that a number cannot hold exactly, such as 9007199254740993: it is no measure`},
		{"club,score,synthetic\nX,1,true\n", Hints{}, `SYNTHETIC: "synthetic" says so of rows`},
		{"club,score,from\nX,1,SYNTHETIC: all of it\n", Hints{}, `SYNTHETIC: "from" says so of rows`},
	} {
		d, err := guessText(t, "x.csv", c.text, c.h)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if got := strings.Join(d.Notes, "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nwant %s", c.text, got, c.want)
		}
	}
}

const marked = `name: x
missing: [NA, -999, null, "."]
columns:
  - {name: club, type: string, missing: ["-"]}
  - {name: state, type: string}
  - {name: points, type: number, role: measure}
  - {name: games, type: integer, missing: ["0", none]}
`

func TestMissingInTheDescriptor(t *testing.T) {
	d, err := ParseDescriptor([]byte(marked))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(d.Missing, "|"); got != "NA|-999|null|." {
		t.Errorf("%s", got)
	}
	const csv = "club,state,points,games\nP,NA,1.5,3\n-,-999,NA,0\nNA,.,-999.0,none\nQ,-, . ,null\n"
	ds, err := ReadCSV(t.Context(), strings.NewReader(csv), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "P|NA|1.5|3\n|-999||\nNA|.||\nQ|-||\n"
	if got := rows(t, ds); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	checkCanonical(t, ds)
	again, err := ReadArrow(arrowBytes(t, ds))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, again, ds)

	// Parquet and Arrow files honour it too.
	type record struct {
		Club   string  `parquet:"club"`
		State  string  `parquet:"state"`
		Points float64 `parquet:"points"`
		Games  string  `parquet:"games"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []record{{"P", "NA", 1.5, "3"}, {"-", "-999", -999, "0"}, {"NA", ".", -999, "none"}, {"Q", "-", -999, "null"}}); err != nil {
		t.Fatal(err)
	}
	file, err := openParquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := readColumnar(t.Context(), file, d)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, other, ds)

	// What was not declared is an error that says how to.
	for _, c := range []struct{ csv, want string }{
		{"club,state,points,games\nP,X,..,1\n", `line 2: column "points": ".." is not a number; correct it or leave it empty, or give the column another type in the descriptor; where it stands for no value, say so in the descriptor: missing: [".."]`},
		{"club,state,points,games\nP,X,1,N/A\n", `column "games": "N/A" is not an integer`},
		{"club,state,points,games\nP,X,none,1\n", `"none" is not a number`},
	} {
		if _, err := ReadCSV(t.Context(), strings.NewReader(c.csv), d, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}

// Every path from a decimal text to a number gives the nearest double, and no integer
// becomes another one.
func TestNumbersAreExact(t *testing.T) {
	for text, want := range map[string]float64{
		"48.17": 48.17, "-0.1": -0.1, "987654321.12345679": 987654321.12345679, "1e23": 1e23, "4.35": 4.35, "5e-324": 5e-324,
		"0.3000000000000000166": 0.3, "9007199254740992": 1 << 53, "9007199254740994": 1<<53 + 2, "-9007199254740992": -1 << 53, "12345678901234567000": 12345678901234567000,
		"000000000000000000001": 1, "+0000000000000000000": 0, "9007199254740993.0": 9007199254740992, "100000000000000000000000": 1e23,
	} {
		if got, err := parseNumber(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"9007199254740993", "-9007199254740993", "+9007199254740993", "9223372036854775807", "123456789012345678901234567890", "0009007199254740993"} {
		if got, err := parseNumber(text); err == nil || !strings.Contains(err.Error(), "has no equal among numbers") {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	const integers = "name: x\nroles: {group: club}\ncolumns:\n  - {name: club, type: string}\n  - {name: points, type: integer, role: measure}\n  - {name: account, type: integer}\n"
	d, err := ParseDescriptor([]byte(integers))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ csv, want string }{
		{"club,points,account\nP,1,9007199254740993\nQ,9007199254740994,1\n", ""},
		{"club,points,account\nP,1,1\nQ,9007199254740993,1\n", `line 3: column "points": "9007199254740993" has no equal among numbers`},
		{"club,points,account\nP,-9223372036854775807,1\n", `line 2: column "points": "-9223372036854775807" has no equal`},
		{"club,points,account\nP,9223372036854775807,1\n", `line 2: column "points": "9223372036854775807" has no equal`},
		{"club,points,account\nP,-9223372036854775808,1\n", ""},
	} {
		_, err := ReadCSV(t.Context(), strings.NewReader(c.csv), d, nil)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.csv, err, c.want)
		}
	}
	// Not the measure by a guess either.
	for text, want := range map[string]string{
		"club,account\nP,9007199254740993\nQ,2\n":                "no column holds numbers",
		"club,points,goals\nP,9007199254740993,1\nQ,2,2.5\n":     "",
		"club,account\nP,123456789012345678901234567890\nQ,.5\n": "no column holds numbers",
	} {
		if _, err := summary(t, "x.csv", text, Hints{}); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := summary(t, "x.csv", "club,account\nP,9007199254740993\nQ,2\n", Hints{Measure: "account"}); err == nil || !strings.Contains(err.Error(), `--measure: "account": 9007199254740993 has no equal`) {
		t.Error(err)
	}
}

// One row that says so makes a dataset synthetic, whatever kind of file it stands in.
func TestSyntheticRows(t *testing.T) {
	d, err := ParseDescriptor([]byte("name: x\ntitle: Real ones\nsource: a survey\nsynthetic: {column: Origin, value: made up}\ncolumns:\n  - {name: club, type: string}\n  - {name: points, type: integer, role: measure}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for csv, want := range map[string]bool{
		"club,points,Origin\nP,1,asked\nQ,2,made up\nR,3,asked\n":                              true,
		"club,points, origin \nP,1, made up \n":                                                true,
		"club,points,Origin\nP,1,asked\nQ,2,not made up\n":                                     false,
		"club,points\nP,1\n":                                                                   false,
		"# SYNTHETIC: the figures of \"y\" are generated, not real.\r\nclub,points\r\nP,1\r\n": true,
	} {
		ds, err := ReadCSV(t.Context(), strings.NewReader(csv), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		info := ds.Info()
		if info.Synthetic != want || strings.HasPrefix(info.Title, "SYNTHETIC") != want || (info.Source == "") != want {
			t.Errorf("%s: %+v", csv, info)
		}
		again, err := ReadArrow(arrowBytes(t, ds))
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, again, ds)
		if got, err := decode([]byte(must(ds.desc.encode()))); err != nil || got.Synthetic != ds.desc.Synthetic {
			t.Errorf("%+v, %v", got, err)
		}
	}
	type record struct {
		Club   string `parquet:"club"`
		Points int64  `parquet:"points"`
		Origin string `parquet:"ORIGIN"`
	}
	for origin, want := range map[string]bool{"made up": true, "asked": false} {
		var b bytes.Buffer
		if err := parquet.Write(&b, []record{{"P", 1, "asked"}, {"Q", 2, origin}}); err != nil {
			t.Fatal(err)
		}
		file, err := openParquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if ds, err := readColumnar(t.Context(), file, d); err != nil || ds.Info().Synthetic != want {
			t.Errorf("%s: %v", origin, err)
		}
	}
	// A file may say so in its metadata.
	for said, want := range map[string]bool{"true": true, "false": false} {
		var b bytes.Buffer
		if err := parquet.Write(&b, []record{{"P", 1, "asked"}}, parquet.KeyValueMetadata(metaSynthetic, said)); err != nil {
			t.Fatal(err)
		}
		file, err := openParquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if ds, err := readColumnar(t.Context(), file, d); err != nil || ds.Info().Synthetic != want {
			t.Errorf("%s: %v", said, err)
		}
	}
	// So does the descriptor of a dataset, which other tools keep.
	made := *d
	made.Synthetic = Synthetic{All: true}
	for text, want := range map[string]bool{must(made.encode()): true, must(d.encode()): false, "no JSON": false} {
		var b bytes.Buffer
		if err := parquet.Write(&b, []record{{"P", 1, "asked"}}, parquet.KeyValueMetadata(metaDescriptor, text)); err != nil {
			t.Fatal(err)
		}
		file, err := openParquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if ds, err := readColumnar(t.Context(), file, d); err != nil || ds.Info().Synthetic != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	// An error below the comment names the line of the file.
	if _, err := ReadCSV(t.Context(), strings.NewReader("# SYNTHETIC\nclub,points\nP,x\n"), d, nil); err == nil || !strings.Contains(err.Error(), "line 3: column") {
		t.Error(err)
	}
	// What init makes of such files says so.
	for _, csv := range []string{
		"club,points,origin\nP,1,SYNTHETIC: a draw\nQ,2,asked\n", "club,points,synthetic\nP,1,true\nQ,2,true\n",
		"# SYNTHETIC: the figures of \"y\" are generated, not real.\r\nclub,points\r\nP,1\r\nQ,2\r\n",
	} {
		draft, err := guessText(t, "x.csv", csv, Hints{})
		if err != nil {
			t.Fatal(err)
		}
		if ds, err := ReadCSV(t.Context(), strings.NewReader(csv), draft.Descriptor, nil); err != nil || !ds.Info().Synthetic {
			t.Errorf("%s: %v\n%s", csv, err, draft.YAML)
		}
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}
