package guess

import (
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
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
		{"stars and points", "team\tscore\nX\t2\nX\t*\nY\t.\nY\t***\n", Hints{}, "team/score: 2 <nil> <nil> <nil>", "*|***|."},
		{"words of offices", "team,score\nX,2\nX,Suppressed\nY,Not Available\nY,unknown\n", Hints{}, "team/score: 2 <nil> <nil> <nil>", "Not Available|Suppressed|unknown"},
		{"a word that may be a value", "team\tscore\nX\t2\nX\t*\nY\t.\nY\tnone\n", Hints{}, `no column holds only numbers, and one must: "score" has "none" in row 4; correct it, or pass --missing "none"`, ""},
		{"as the user says", "team\tscore\nX\t2\nX\t*\nY\t.\nY\tnone\n", Hints{Missing: []string{"none"}}, "team/score: 2 <nil> <nil> <nil>", "none|*|."},
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
		{"the first of two", "team,goals,games\nX,2,10\nX,NA,11\nY,40,12\n", Hints{}, "team/goals: 2 <nil> 40", "NA"},
		{"this of two", "team,score,games\nX,2,10\nX,NA,11\nY,40,12\n", Hints{Measure: "score"}, "team/score: 2 <nil> 40", "NA"},
		{"a word that is no mark", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{}, `"score" holds numbers except for 1 values, the first being "few" in row 2. If that means a missing value, pass --missing "few"; otherwise correct it; --measure "games" averages "games"`, ""},
		{"a word in most rows", "team,score,games\nX,2,10\nX,few,11\nY,few,12\nY,few,13\n", Hints{}, `"score" holds numbers except for 3 values, the first being "few" in row 2`, ""},
		{"the other, as said", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "games"}, "team/games: 10 11 12", ""},
		{"the word, as said", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "score", Missing: []string{"few"}}, "team/score: 2 <nil> 40", "few"},
		{"the word, without saying so", "team,score,games\nX,2,10\nX,few,11\nY,40,12\n", Hints{Measure: "score"}, `--measure: "score" holds texts, such as "few" in row 2; a measure must be numbers. If it means a missing value, pass --missing "few"`, ""},
		{"nothing but marks", "team,score\nX,NA\nY,NA\n", Hints{Measure: "score"}, `--measure: "score" holds no numbers: 0 values are missing, and 2 are "NA" (2)`, ""},
		{"empty", "team,score,games\nX,,1\nY,,2\n", Hints{}, "team/games: 1 2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checkSummary(t, c.text, c.h, c.want)
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
				if noted := strings.Join(d.Notes, "\n"); len(c.h.Missing) == 0 && !strings.Contains(noted, literal.Quote(text)) {
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
		{"club,,score\nX,a,1\n", Hints{}, "column 2 is left out: it has no header"},
		{"club,note,score\nX,NA,1\n", Hints{}, `"note" has no values other than "NA" (1), which is read as text`},
		{"club,size,score\nX,1,1\nX,2,2\nX,big,3\n", Hints{Measure: "score"}, `"size" is read as text: it holds numbers except for 1 values, the first being "big" in row 3; pass --missing "big"`},
		{"club,score,account\nX,1,9007199254740993\n", Hints{}, `"account" holds integers that a number cannot hold exactly, such as 9007199254740993: it cannot be the measure`},
		{"club,score,synthetic\nX,1,true\n", Hints{}, `SYNTHETIC: rows are marked so in "synthetic"`},
		{"club,score\nX,1\nX,-999\nY,3\n", Hints{}, `"score" has -999, far from its other numbers; if it means a missing value, pass --missing=-999`},
		{"club,score\nX,1\nX,9999\nY,300\n", Hints{}, `"score" has 9999, far from`},
		{"country,score\nX,1\nY,2\nWorld,3\n", Hints{}, `"country" has "World": if that is the sum or mean of the others, remove its rows, which global_mean counts too`},
		{"state,score\nOhio,1\nTexas,2\nUnited States,3\n", Hints{}, `"state" has "United States": if`},
		{"club,sex,score\nX,Both sexes,1\nX,Female,2\nY,Both sexes,3\nY,Female,4\n", Hints{}, `"sex" has "Both sexes": if that is the sum or mean of the others, a mean over all rows counts them twice; ask with --where sex="Both sexes"`},
		{"club,score,from\nX,1,SYNTHETIC: all of it\n", Hints{}, `SYNTHETIC: rows are marked so in "from"`},
	} {
		d, err := guessText(t, "x.csv", c.text, c.h)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if got := strings.Join(append(d.Notes, d.LeftOut...), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nwant %s", c.text, got, c.want)
		}
	}
}

// Numbers of nines near the others, and a nation among nations, are not remarkable.
func TestNoNotes(t *testing.T) {
	for _, text := range []string{
		"club,score\nX,98\nX,99\nY,3\n", "club,score\nX,-99\nX,-70\nY,3\n", "club,score\nX,999\nX,800\n", "club,score\nX,1\nX,-9\nY,3\n", "club,score\nX,999\nX,999\n",
		"country,score\nFrance,1\nUnited States,2\n",
	} {
		if d, err := guessText(t, "x.csv", text, Hints{Measure: "score"}); err != nil || len(d.Notes) > 0 {
			t.Errorf("%s: %v, %q", text, err, d.Notes)
		}
	}
}

// An integer that a number cannot hold is not taken for the measure.
func TestInexactMeasure(t *testing.T) {
	for text, want := range map[string]string{
		"club,account\nP,9007199254740993\nQ,2\n":                "no column holds numbers",
		"club,points,goals\nP,9007199254740993,1\nQ,2,2.5\n":     "",
		"club,account\nP,123456789012345678901234567890\nQ,.5\n": "no column holds only numbers",
	} {
		if _, err := summary(t, text, Hints{}); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := summary(t, "club,account\nP,9007199254740993\nQ,2\n", Hints{Measure: "account"}); err == nil || !strings.Contains(err.Error(), `--measure: "account": "9007199254740993" cannot be stored exactly`) {
		t.Error(err)
	}
}

// The descriptor of a file that is marked as synthetic is marked too.
func TestGuessSynthetic(t *testing.T) {
	for _, csv := range []string{
		"club,points,origin\nP,1,SYNTHETIC: a draw\nQ,2,asked\n", "club,points,synthetic\nP,1,true\nQ,2,true\n",
		"# SYNTHETIC: the figures of \"y\" are generated, not real.\r\nclub,points\r\nP,1\r\nQ,2\r\n",
	} {
		draft, err := guessText(t, "x.csv", csv, Hints{})
		if err != nil {
			t.Fatal(err)
		}
		if ds, err := dataset.ReadCSV(t.Context(), strings.NewReader(csv), draft.Descriptor, nil); err != nil || !ds.Info().Synthetic {
			t.Errorf("%s: %v\n%s", csv, err, draft.YAML)
		}
	}
}
