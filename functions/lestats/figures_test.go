package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/data"
	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func writeText(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// globalMean asks for the mean of a file with its descriptor beside it.
func globalMean(t *testing.T, file string) string {
	t.Helper()
	code, out, errs := lestats(t, "ask", "global_mean", "--data", file, "-f", "csv")
	if code != exitOK {
		t.Fatal(errs)
	}
	_, mean, _ := strings.Cut(strings.TrimSpace(out), "\r\n")
	return mean
}

// A CSV without a header loses no row: it is refused or read completely.
func TestNoRowIsLost(t *testing.T) {
	file := writeText(t, "marks.csv", "P,3\nQ,5\nR,10\n")
	code, _, errs := lestats(t, "data", "init", file)
	if code != exitFailed || !strings.Contains(errs, `the first line looks like a row`) || !strings.Contains(errs, "--no-header") {
		t.Errorf("%d, %s", code, errs)
	}
	for _, args := range [][]string{{"ask", "global_mean"}, {"serve", "--listen", "127.0.0.1:0"}, {"data", "info"}} {
		args = append(args, "--data", file)
		if args[0] == "data" {
			args = []string{"data", "info", file}
		}
		t.Chdir(t.TempDir()) // where serve makes its store
		if code, _, errs := lestats(t, args...); code != exitFailed || !strings.Contains(errs, "lestats data init") {
			t.Errorf("%v: %d, %s", args, code, errs)
		}
	}
	if code, out, errs := lestats(t, "data", "init", file, "--no-header"); code != exitOK || !strings.Contains(out, "measure    column2") {
		t.Fatalf("%s%s", out, errs)
	}
	if got := globalMean(t, file); got != "6.0" {
		t.Errorf("the mean is %s", got)
	}
	if code, _, errs := lestats(t, "data", "init", file, "--header", "--force"); code != exitOK {
		t.Fatal(errs)
	}
	if got := globalMean(t, file); got != "7.5" {
		t.Errorf("the mean below the header is %s", got)
	}
}

// A numeric column with marks for missing values is read as numbers, and the output says
// so. No other column is averaged instead.
func TestMarksAreFound(t *testing.T) {
	file := writeText(t, "marks.csv", "team;score;games\nP;4;10\nP;..;11\nQ;n/a;10\nQ;9.5;10\nQ;NA;10\n")
	code, out, errs := lestats(t, "data", "init", file)
	if code != exitOK || !strings.Contains(out, `"score": read as missing: ".." (1), "NA" (1), "n/a" (1)`) {
		t.Fatalf("%d, %s%s", code, out, errs)
	}
	if got := globalMean(t, file); got != "6.75" {
		t.Errorf("the mean is %s", got)
	}
	if code, out, _ := lestats(t, "data", "info", file); code != exitOK || !containsLine(out, "score", "number", " 3 ") {
		t.Errorf("%s", out)
	}
	two := writeText(t, "two.csv", "team,goals,games\nP,4,10\nP,few,11\nQ,9,10\n")
	if code, _, errs := lestats(t, "data", "init", two); code != exitFailed || !strings.Contains(errs, `--missing "few"`) || !strings.Contains(errs, `--measure "games"`) {
		t.Errorf("%d, %s", code, errs)
	}
	if code, _, errs := lestats(t, "data", "init", two, "--missing", "few", "--measure", "goals"); code != exitOK {
		t.Fatal(errs)
	}
	if got := globalMean(t, two); got != "6.5" {
		t.Errorf("the mean is %s", got)
	}
	sentinel := writeText(t, "sentinel.csv", "team,goals\nP,4\nP,-999\nQ,9\n")
	if code, _, errs := lestats(t, "data", "init", sentinel, "--missing=-999"); code != exitOK {
		t.Fatal(errs)
	}
	if got := globalMean(t, sentinel); got != "6.5" {
		t.Errorf("the mean is %s", got)
	}
}

// Decimals are read as the nearest double; integers are read exactly or refused.
func TestFiguresAreExact(t *testing.T) {
	for text, want := range map[string]string{"48.17": "48.17", "987654321.12345679": "987654321.1234568", "0.1": "0.1", "9007199254740992": "9007199254740992.0"} {
		file := writeText(t, "x.csv", "team,score\nP,"+text+"\n")
		if code, _, errs := lestats(t, "data", "init", file); code != exitOK {
			t.Fatal(errs)
		}
		if got := globalMean(t, file); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	file := writeText(t, "x.csv", "team,score\nP,9007199254740993\n")
	if code, _, errs := lestats(t, "data", "init", file, "--measure", "score"); code != exitFailed || !strings.Contains(errs, "cannot be stored exactly as a number") {
		t.Errorf("%d, %s", code, errs)
	}
}

// sampleRows writes rows of one survey question of the sample as another tool would save
// them: with column names as headers and without the sample's own metadata.
func sampleRows(t *testing.T) (file, question string) {
	t.Helper()
	b, err := data.Sample()
	if err != nil {
		t.Fatal(err)
	}
	ds, err := dataset.ReadArrow(b)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	w := csv.NewWriter(&text)
	columns := ds.Columns()
	for row := -1; row < 200; row++ {
		record := make([]string, len(columns))
		for i := range columns {
			if row < 0 {
				record[i] = columns[i].Name
			} else if v := columns[i].Value(row); v != nil {
				record[i] = fmt.Sprint(v)
			}
		}
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	asked, _ := ds.Column("question")
	return writeText(t, "saved.csv", text.String()), asked.Dict[0]
}

// The sample stays synthetic when it is saved and read again as the CDC's survey.
func TestTheSampleStaysSynthetic(t *testing.T) {
	file, question := sampleRows(t)
	p := serve(t, nil, "--data", file)
	_, got := p.call("GET", "/api/questions", "")
	if info := got["dataset"].(map[string]any); info["synthetic"] != true || info["source"] != nil || !strings.HasPrefix(info["title"].(string), "SYNTHETIC") {
		t.Errorf("%v", info)
	}
	code, out, errs := lestats(t, "data", "info", file)
	if code != exitOK || !strings.Contains(out, "SYNTHETIC: these figures are generated") {
		t.Errorf("%s%s", out, errs)
	}
	answer := p.ask("global_mean", `{"question":"`+question+`"}`)
	if provenance := answer["provenance"].(map[string]any); provenance["synthetic"] != true {
		t.Errorf("%v", provenance)
	}
	// Likewise when it is read as a user's own data, and after data build.
	if code, _, errs := lestats(t, "data", "init", file, "--measure", "value"); code != exitOK {
		t.Fatal(errs)
	}
	built := filepath.Join(t.TempDir(), "built.arrow")
	if code, out, errs := lestats(t, "data", "build", file, "-o", built); code != exitOK || !strings.Contains(out, "SYNTHETIC") {
		t.Errorf("%s%s", out, errs)
	}
	for _, file := range []string{file, built} {
		if _, out, _ := lestats(t, "data", "info", file); !strings.Contains(out, "SYNTHETIC: these figures are generated") {
			t.Errorf("%s", out)
		}
	}
}

// Printed answers, which may be saved under any name, say that they are synthetic.
func TestSavedAnswersSaySo(t *testing.T) {
	ask := func(args ...string) string {
		t.Helper()
		code, out, errs := lestats(t, append([]string{"ask", "best5", "question=obesity", "--where", "year=2020", "--where", "category=Total"}, args...)...)
		if code != exitOK || !strings.Contains(out+errs, "SYNTHETIC: the figures of \"npao_sample\" are generated, not real.") {
			t.Fatalf("%d, %s%s", code, out, errs)
		}
		return out
	}
	if out := ask("-f", "csv"); !strings.HasPrefix(out, "location,mean,synthetic\r\n") || strings.Count(out, ",true\r\n") != 5 {
		t.Errorf("%s", out)
	}
	if out := ask("-f", "csv", "--note", "comment"); !strings.HasPrefix(out, "# SYNTHETIC: ") || !strings.Contains(out, "\nlocation,mean\r\n") {
		t.Errorf("%s", out)
	}
	if out := ask("-f", "csv", "--note", "none"); !strings.HasPrefix(out, "location,mean\r\n") {
		t.Errorf("%s", out)
	}
	if out := ask(); !strings.HasPrefix(out, "SYNTHETIC: ") {
		t.Errorf("%s", out)
	}
	for _, args := range [][]string{{"-f", "json"}, {"-f", "json", "--note", "none"}, {"-f", "rows"}} {
		var object struct{ Provenance question.Provenance }
		if err := json.Unmarshal([]byte(ask(args...)), &object); err != nil || !object.Provenance.Synthetic {
			t.Errorf("%v: %v, %v", args, object, err)
		}
	}
	// A saved answer that is read again is synthetic too; an Arrow file has it in its metadata.
	p := serve(t, nil)
	status, arrow, err := p.try("POST", "/api/best5", `{"question":"Percent of adults aged 18 years and older who have obesity"}`,
		"Prefer: wait=20", "Accept: application/vnd.apache.arrow.stream")
	if err != nil || status != 200 {
		t.Fatal(status, err)
	}
	file := writeText(t, "saved.arrow", string(arrow))
	if code, out, errs := lestats(t, "data", "init", file); code != exitOK || !strings.Contains(out, "SYNTHETIC: the file says") {
		t.Fatal(out, errs)
	}
	if _, out, errs := lestats(t, "ask", "global_mean", "--data", file); !strings.HasPrefix(out, "SYNTHETIC: ") {
		t.Errorf("%s%s", out, errs)
	}
	for _, note := range []string{"column", "comment"} {
		file := writeText(t, "saved.csv", ask("-f", "csv", "--note", note))
		if code, _, errs := lestats(t, "data", "init", file); code != exitOK {
			t.Fatal(errs)
		}
		if _, out, errs := lestats(t, "ask", "global_mean", "--data", file); !strings.HasPrefix(out, "SYNTHETIC: ") {
			t.Errorf("%s: %s%s", note, out, errs)
		}
	}
}
