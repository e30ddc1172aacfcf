package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/author"
)

// A table is written by --update, passes, and then finds each change; of another dataset it
// says so, and nothing else.
func TestPluginTest(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts the program 35 times")
	}
	nine, err := filepath.Abs("../../plugins/built/sportifs.wasm")
	if err != nil {
		t.Fatal(err)
	}
	cache := compiled(t)
	t.Chdir(t.TempDir())
	if err := os.Mkdir("nine", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(nine, "nine/nine.wasm"); err != nil {
		t.Fatal(err)
	}
	const table = "nine/tests.yaml"
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, words ...string) (out, errs string) {
		t.Helper()
		code, out, errs := lestats(t, append([]string{"plugin", "test", "--cache", cache}, words...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", words, code, want, out, errs)
		}
		return out, errs
	}
	says := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%q is missing in\n%s", w, out)
			}
		}
	}

	_, errs := run(exitFailed, "nine")
	says(errs, "there is no table of tests, nine/tests.yaml", "run this again with --update")
	const obesity = "Percent of adults aged 18 years and older who have obesity"
	write(`# The means.
cases:
  - name: best
    question: best5
    params: {question: ` + obesity + `}
    where: {year: 2020}
  # A mistake.
  - name: no such state
    question: state_mean
    params: {question: ` + obesity + `, state: Utha}
`)
	out, _ := run(exitFailed, "nine")
	says(out, "new      best (nine/tests.yaml:3): it expects no answer yet; --update writes it", "nine/nine.wasm: 2 new\n")
	out, _ = run(exitOK, "nine", "--update")
	says(out, "updated  best\n", "nine/nine.wasm: 2 updated\n")
	written, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	says(string(written), "# The means.\ndataset: sha256:", "    answer:\n      columns: [location string, mean number]\n      rows:\n        - [", "\n  # A mistake.\n", "    error: {code: unknown_value, param: state}\n")
	for _, words := range [][]string{{"nine"}, {"nine/nine.wasm"}, {nine, "--table", table}, {"nine", "--update"}} {
		out, _ = run(exitOK, words...)
		says(out, "ok       best\nok       no such state\n", ": 2 ok\n")
	}
	if again, err := os.ReadFile(table); err != nil || string(again) != string(written) {
		t.Errorf("%v: --update of a table that is right wrote\n%s", err, again)
	}

	// Each kind of difference, by a change of the table.
	row := func(n int) string { return "        - [" + strings.Split(string(written), "        - [")[n] }
	first, second := row(1), row(2)
	place, _, _ := strings.Cut(strings.TrimPrefix(first, "        - ["), ", ")
	figure := strings.TrimSuffix(strings.Split(first, ", ")[1], "]\n")
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"cell", first, strings.Replace(first, figure, "0.5", 1), []string{"differs  best (nine/tests.yaml:4)\n         row 1 (" + place + "), column mean: expected 0.5, got " + figure + "\n", "1 differs, 1 ok"}},
		{"missing row", second, second + "        - [Nowhere, 1]\n", []string{`row 3 (Nowhere): expected ["Nowhere",1], got none`}},
		{"added row", first, "", []string{"row 1 (" + place + "): expected none, got [\"" + place + "\"," + figure + "]"}},
		{"order", first + second, second + first, []string{"the order of the rows: at row 1, expected ["}},
		{"columns", "mean number", "average number", []string{`the columns: expected ["location string","average number"], got ["location string","mean number"]`}},
		{"error", "unknown_value", "no_data", []string{"expected the error no_data of state, got the error unknown_value of state: "}},
		{"error's parameter", "param: state}", "param: question}", []string{"expected the error unknown_value of question, got the error unknown_value of state: "}},
		{"answer, not error", "state: Utha", "state: Utah", []string{"expected the error unknown_value of state, got an answer with 1 row(s)"}},
		{"error, not answer", "year: 2020", "yeer: 2020", []string{"expected an answer with 5 row(s), got the error unknown_parameter of where.yeer: "}},
	} {
		text := strings.Replace(string(written), tt.old, tt.new, 1)
		if text == string(written) {
			t.Fatalf("%s: the table has no %q", tt.name, tt.old)
		}
		write(text)
		out, _ := run(exitFailed, "nine")
		says(out, tt.want...)
	}
	out, _ = run(exitFailed, "nine", "--json")
	var got author.Tested
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.OK || len(got.Cases) != 2 || got.Cases[0].Outcome != author.TestDiffers || got.Cases[0].Line != 4 ||
		len(got.Cases[0].Differences) != 1 || got.Cases[0].Differences[0].Kind != "outcome" || got.Cases[1].Outcome != author.TestOK {
		t.Errorf("%v\n%s", err, out)
	}

	// --run leaves the others out, and --update writes only what it ran.
	write(strings.Replace(strings.ReplaceAll(string(written), "unknown_value", "no_data"), figure, "0.5", 1))
	out, _ = run(exitFailed, "nine", "--run", "^best$")
	says(out, "1 differs, 1 skipped")
	out, _ = run(exitOK, "nine", "--run", "^best$", "--update")
	says(out, "1 updated, 1 skipped")
	if again, err := os.ReadFile(table); err != nil || string(again) != strings.ReplaceAll(string(written), "unknown_value", "no_data") {
		t.Errorf("%v\n%s", err, again)
	}
	_, errs = run(exitFailed, "nine", "--run", "worst")
	says(errs, `no case has a name that matches "worst"`)
	_, errs = run(exitFailed, "nine", "--run", "(")
	says(errs, "--run: error parsing regexp")

	// A tolerance.
	write(strings.NewReplacer(figure, figure+"00000001", "where: {year: 2020}", "where: {year: 2020}\n    tolerance: 1e-6").Replace(string(written)))
	run(exitOK, "nine")

	// Another dataset: by a flag, by the table, and accepted.
	if err := os.WriteFile("nine/marks.csv", []byte("school,mark\nA,1\nB,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "nine/marks.csv"); code != exitOK {
		t.Fatal(errs)
	}
	write(string(written))
	out, _ = run(exitFailed, "nine", "--data", "nine/marks.csv")
	says(out, "nine/tests.yaml:2: the dataset changed, so nothing was compared.", "Name the table's dataset with --data, or accept this one with --update.")
	if strings.Contains(out, "best") {
		t.Errorf("it compared all the same:\n%s", out)
	}
	write("data: marks.csv\n" + strings.Replace(string(written), "# The means.\n", "", 1))
	out, _ = run(exitFailed, "nine", "--json")
	got = author.Tested{}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.OK || got.Dataset.Line != 2 || got.Dataset.Expected == got.Dataset.Got || len(got.Cases) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
	_, errs = run(exitFailed, "nine", "--update", "--run", "best")
	says(errs, "use --update without --run")
	out, _ = run(exitOK, "nine", "--update")
	says(out, "nine/nine.wasm: 2 updated")
	run(exitOK, "nine")

	// What is wrong with files and the table.
	write("cases:\n  - name: a\n    params: {x: 1}\n")
	_, errs = run(exitFailed, "nine")
	says(errs, "nine/tests.yaml: line 2: cases[0].question: it is missing; the plugin answers several questions")
	write("cases:\n  - name: a\n    questoin: best5\n")
	_, errs = run(exitFailed, "nine")
	says(errs, "nine/tests.yaml: line 3: cases[0].questoin: unknown key; the keys are name, question,")
	half, _, _ := strings.Cut(string(written), "number]")
	write(half)
	_, errs = run(exitFailed, "nine")
	says(errs, "nine/tests.yaml: line 9: it is not YAML: sequence end token ']' not found")
	_, errs = run(exitFailed, "nowhere")
	says(errs, "nowhere: no such file")
	_, errs = run(exitFailed, "nowhere.wasm")
	says(errs, "lestats plugin build writes it")
	_, errs = run(exitFailed, ".")
	says(errs, "build it first: lestats plugin build .")
}

// What only happens to a plugin that is broken is not written as what is expected.
func TestPluginTestKeepsFaultsOut(t *testing.T) {
	faults, err := filepath.Abs(fixtures + "faults.wasm")
	if err != nil {
		t.Fatal(err)
	}
	cache, limits := compiled(t), impatient(t)
	t.Chdir(t.TempDir())
	const before = "cases:\n  - name: t\n    question: unreachable\n"
	if err := os.WriteFile("tests.yaml", []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() (int, string, string) {
		return lestats(t, "plugin", "test", faults, "--table", "tests.yaml", "--cache", cache, "--limits", limits, "--update")
	}
	code, out, errs := run()
	if code != exitFailed || !strings.Contains(out, "not updated: the error plugin_trap is a fault of the plugin; if it is what you mean, write it yourself") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if err := os.WriteFile("tests.yaml", []byte(before+"    error: {code: plugin_trap}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run(); code != exitOK {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// A budget of fuel is an error of check that names the request, and what it used.
func TestPluginCheckBudget(t *testing.T) {
	lean, cache := fixtures+"lean.wasm", compiled(t)
	code, out, errs := lestats(t, "plugin", "check", lean, "--cache", cache, "--fuel-budget", "1_000_000_000")
	if code != exitOK || strings.Contains(out, "budget") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = lestats(t, "plugin", "check", lean, "--cache", cache, "--fuel-budget", "1e2")
	if code != exitFailed || !strings.Contains(out, " units of fuel; the budget is 100: ") || !strings.Contains(out, "-> see where it goes: lestats plugin profile "+lean+" ") || strings.Contains(out, "profile "+lean+" , with") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	for _, bad := range []string{"0", "-5", "5M", "x"} {
		if code, _, errs := lestats(t, "plugin", "check", lean, "--fuel-budget="+bad); code != exitUsage || !strings.Contains(errs, "is not an amount of fuel, such as 2e9") {
			t.Errorf("%s: exit code %d\n%s", bad, code, errs)
		}
	}
}

// A plugin is compared with an older one: figures of both, and whether they answer the same.
func TestPluginBenchAgainst(t *testing.T) {
	lean, faults := fixtures+"lean.wasm", fixtures+"faults.wasm"
	code, out, errs := lestats(t, "plugin", "bench", lean, "--against", lean, "-n", "3", "--json")
	var c author.Compared
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitOK || !c.Same || c.Samples == 0 || len(c.Different)+len(c.Removed)+len(c.Added) != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if q := c.Questions[0]; q.Fuel.Before == 0 || q.Fuel.Before != q.Fuel.Now || q.P50.Before == 0 || q.P50.Now == 0 || q.Ratio <= 0 || c.Size.Before != c.Size.Now || c.Compile.Before == 0 || c.Cached.Now == 0 {
		t.Errorf("%+v", c)
	}
	code, out, errs = lestats(t, "plugin", "bench", lean, "--against", lean, "-n", "1")
	if code != exitOK || !strings.Contains(out, "before") || !strings.HasSuffix(out, "request(s)\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if code, _, errs := lestats(t, "plugin", "bench", lean, "--against", faults, "-n", "1"); code != exitFailed || !strings.Contains(errs, "nothing to compare") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if code, _, errs := lestats(t, "plugin", "bench", lean, "--against", "nowhere.wasm"); code != exitFailed || !strings.Contains(errs, "nowhere.wasm") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
