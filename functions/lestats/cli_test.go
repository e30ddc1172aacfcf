package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

func containsLine(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

func TestHelpTeaches(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"lestats serve", "lestats ask states_mean question=obesity", "plugin", "data", "jobs"}},
		{[]string{"help"}, []string{"lestats serve"}},
		{[]string{"help", "data", "pull"}, []string{"npao"}},
		{[]string{"--version"}, []string{"lestats ", "sample sha256:"}},
		{[]string{"serve", "--help"}, []string{"LESTATS_STORE", "LESTATS_DATA", "TP_NUM_OF_THREADS", "127.0.0.1:8080", "AWS_ACCESS_KEY_ID", "Examples:"}},
		{[]string{"ask", "--help"}, []string{"year=2015..2020", "Examples:"}},
		{[]string{"data", "--help"}, []string{"init", "build", "pull", "info"}},
		{[]string{"data", "init", "--help"}, []string{"--measure", "--group", "--indicator", "--category", "--stratum", "--best", "--force", "--missing", "header", "Only group and measure are required", "Examples:"}},
	} {
		code, out, errs := lestats(t, tt.args...)
		if code != exitOK || errs != "" {
			t.Errorf("%v: exit code %d, %s", tt.args, code, errs)
		}
		for _, w := range tt.want {
			if !strings.Contains(out, w) {
				t.Errorf("%v does not mention %q:\n%s", tt.args, w, out)
			}
		}
	}
}

func TestWrongCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"srve"}, exitUsage, `"lestats --help" shows the usage`},
		{[]string{"serve", "--prot", "1"}, exitUsage, "--prot"},
		{[]string{"ask"}, exitUsage, "question"},
		{[]string{"ask", "states_mean", "obesity"}, exitFailed, "name=value"},
		{[]string{"ask", "state_means", "question=obesity"}, exitFailed, "states_mean"},
		{[]string{"ask", "states_mean"}, exitFailed, `"question" is required`},
		{[]string{"ask", "states_mean", "question=xyzzy"}, exitFailed, "unknown_value"},
		{[]string{"ask", "states_mean", "question=obesity", "--where", "yaer=2020"}, exitFailed, "year"},
		{[]string{"ask", "states_mean", "question=obesity", "--where", "year=x"}, exitFailed, "integers"},
		{[]string{"ask", "states_mean", "question=obesity", "--data", "/nowhere.csv"}, exitFailed, "/nowhere.csv"},
		{[]string{"serve", "--plugins", "/nowhere"}, exitFailed, "/nowhere"},
		{[]string{"serve", "--listen", "nonsense"}, exitFailed, "--listen"},
		{[]string{"serve", "--workers=-1", "--listen", "127.0.0.1:0"}, exitFailed, "workers -1"},
		{[]string{"jobs", "show", "not-an-id"}, exitFailed, "not-an-id"},
		{[]string{"data", "pull", "npoa"}, exitFailed, "npao"},
	} {
		t.Chdir(t.TempDir())
		code, _, errs := lestats(t, tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, want %d with %q:\n%s", tt.args, code, tt.code, tt.want, errs)
		}
	}
}

// Untrusted text cannot act on a terminal, whichever way it gets there. Output for programs
// has it byte for byte.
func TestTerminal(t *testing.T) {
	t.Chdir(t.TempDir())
	const evil = "Uruguay\u202e\x1b[2J\u200b"
	if err := os.WriteFile("e.csv", []byte("country\u2066,points\n"+evil+",1\n"+evil+"b,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const descriptor = `name: e
title: "Title\u202e"
source: "here\u200b"
sort: country
roles: {group: country, measure: points}
columns:
  - {name: country, header: "country\u2066", title: "Country\u202e", type: string, role: dimension}
  - {name: points, type: number, role: measure, unit: "\u202e%"}
`
	if err := os.WriteFile("e.yaml", []byte(descriptor), 0o600); err != nil {
		t.Fatal(err)
	}
	const plugin = "p\u202emsaw.wasm"
	if err := os.WriteFile(plugin, []byte("\x00asm\u202e"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"ask", "states_mean", "--data", "e.csv"},
		{"ask", "state_mean", "state=ayb", "--data", "e.csv"}, // of none
		{"ask", "state_mean", "state=]b", "--data", "e.csv"},
		{"ask", "state_mean", "state=uru", "--data", "e.csv"}, // of both
		{"ask", "state_mean", "state=J\u200bb", "--data", "e.csv"},
		{"ask", "q\u202e", "--data", "e.csv"},
		{"data", "info", "e.csv"},
		{"data", "info", "\u202eevil.csv"},
		{"plugin", "check", plugin},
		{"plugin", "list", "--plugins", "."},
	} {
		_, out, errs := lestats(t, args...)
		if all := out + errs; all == "" || strings.ContainsFunc(all, func(r rune) bool { return question.Invisible(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q:\n%q", args, all)
		}
	}
	for format, want := range map[string]string{"csv": evil + ",1.0\r\n", "json": `"Uruguay`} {
		code, out, errs := lestats(t, "ask", "states_mean", "--data", "e.csv", "-f", format)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q in it\n%s", format, out, want, errs)
		}
		if format != "json" {
			continue
		}
		if means := dataOf(t, out); means[evil] != 1.0 {
			t.Errorf("%q", out)
		}
	}
}

// A word that is neither a value nor part of exactly one is an error, however close it is to a
// value, and so is a misspelt name. Similar values are hints.
func TestAskTakesNoOtherValue(t *testing.T) {
	t.Chdir(t.TempDir())
	const rows = "country,year,points\nFR,2020,1\nNorth Korea,2020,2\nVirginia,2021,3\nWest Virginia,2021,4\n"
	if err := os.WriteFile("k.csv", []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "k.csv"); code != exitOK {
		t.Fatal(errs)
	}
	for _, tt := range []struct {
		args []string
		want string // a hint
	}{
		{[]string{"state_mean", "state=UK"}, ""},
		{[]string{"state_mean", "state=FRA"}, "FR"},
		{[]string{"state_mean", "state=South Korea"}, "North Korea"},
		{[]string{"state_mean", "state=Norht Korea"}, "North Korea"},
		{[]string{"state_mean", "state=VIRG"}, "West Virginia"},
		{[]string{"state_mean", "state="}, "FR"},
		{[]string{"global_mean", "--where", "country=UK"}, ""},
		{[]string{"global_mean", "--where", "country=FR", "--where", "country=South Korea"}, "North Korea"},
		{[]string{"global_mean", "--where", "country=virg"}, "West Virginia"},
		{[]string{"global_mean", "--where", "year=202"}, "no_data"},
		{[]string{"global_mean", "--where", "year=202x"}, "integers"},
		{[]string{"global_mean", "--where", "yaer=2020"}, "year"},
		{[]string{"best5", "best=higest"}, "highest"},
		{[]string{"best5", "best=est"}, "lowest"},
		{[]string{"best5", "bst=highest"}, "best"},
		{[]string{"state_mean", "stat=FR"}, "state"},
		{[]string{"bst5"}, "best5"},
		{[]string{"best"}, "best5"},
	} {
		code, out, errs := lestats(t, append(append([]string{"ask"}, tt.args...), "--data", "k.csv", "-f", "csv")...)
		if code != exitFailed || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: exit code %d, want %d, no answer, and %q:\n%s%s", tt.args, code, exitFailed, tt.want, out, errs)
		}
	}
	for _, tt := range []struct {
		args      []string
		out, note string
	}{
		{[]string{"state_mean", "state=Virginia"}, "country,mean\nVirginia,3.0\n", ""},
		{[]string{"state_mean", "state=virginia"}, "country,mean\nVirginia,3.0\n", "state: Virginia\n"},
		{[]string{"state_mean", "state=west"}, "country,mean\nWest Virginia,4.0\n", "state: West Virginia\n"},
		{[]string{"global_mean", "--where", "country=kor", "--where", "country=fr"}, "global_mean\n1.5\n", "country: North Korea\ncountry: FR\n"},
		{[]string{"best5", "best=low", "--where", "year=..2020"}, "country,mean\nFR,1.0\nNorth Korea,2.0\n", "best: lowest\n"},
	} {
		code, out, errs := lestats(t, append(append([]string{"ask"}, tt.args...), "--data", "k.csv", "-f", "csv")...)
		errs, _, _ = strings.Cut(errs, "Rows: ") // what to read the figures with care for
		if code != exitOK || strings.ReplaceAll(out, "\r\n", "\n") != tt.out || errs != tt.note {
			t.Errorf("%q: exit code %d\n%s%s\nwant\n%s%s", tt.args, code, out, errs, tt.out, tt.note)
		}
	}
}

func TestAsk(t *testing.T) {
	code, out, errs := lestats(t, "ask", "best5", "question=obesity", "--where", "year=2020", "--where", "category=Total", "-f", "json")
	if code != exitOK {
		t.Fatal(errs)
	}
	if means := dataOf(t, out); len(means) != 5 || means["Kentucky"] != 25.4 {
		t.Errorf("%s", out)
	}
	for _, want := range []string{"SYNTHETIC", "Percent of adults aged 18 years and older who have obesity"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not in the notes:\n%s", want, errs)
		}
	}

	code, out, errs = lestats(t, "ask", "mean_by_category", "question=obesity", "--where", "year=2019..", "--where", "location=Ohio", "--where", "location=Texas", "-f", "csv")
	if code != exitOK {
		t.Fatal(errs)
	}
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(records) < 20 {
		t.Fatalf("%d records, %v:\n%s", len(records), err, out)
	}
	for _, r := range records[1:] {
		if r[0] != "Ohio" && r[0] != "Texas" {
			t.Errorf("--where location let %q through", r[0])
		}
	}

	code, out, _ = lestats(t, "ask", "state_mean", "question=obesity", "state=Ohio")
	if code != exitOK || !strings.Contains(out, "Ohio") || !strings.Contains(out, "(%)") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// A limits file limits one plugin, and each limit has its own error code.
func TestAskWithLimits(t *testing.T) {
	folder := t.TempDir()
	for limit, want := range map[string]string{"result: 100": "result_too_large", "speed: 5": "speed"} {
		file := filepath.Join(folder, "limits.yaml")
		if err := os.WriteFile(file, []byte("plugins: {sportifs: {"+limit+"}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := lestats(t, "ask", "mean_by_category", "question=obesity", "--limits", file)
		if code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s; want %s", limit, code, errs, want)
		}
	}
}

func TestPluginList(t *testing.T) {
	folder := t.TempDir()
	code, out, errs := lestats(t, "plugin", "list", "--plugins", folder)
	if code != exitOK {
		t.Fatal(errs)
	}
	for _, name := range []string{
		"states_mean", "state_mean", "best5", "worst5", "global_mean", "diff_from_mean", "state_diff_from_mean", "mean_by_category", "state_mean_by_category",
	} {
		if !containsLine(out, "  "+name+" question=<column>") {
			t.Errorf("%s is not in\n%s", name, out)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "broken.wasm"), []byte("no wasm"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = lestats(t, "plugin", "list", "--plugins", folder)
	if code != exitFailed || !containsLine(out, "REFUSED", "broken.wasm") || !strings.Contains(out, "states_mean") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
}

func TestPluginCompile(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "compiled")
	code, out, errs := lestats(t, "plugin", "compile", "--cache", cache)
	if code != exitOK || !containsLine(out, "sportifs", "compiled", "into "+cache) {
		t.Fatalf("exit code %d, %s\n%s", code, out, errs)
	}
	compiled := 0
	if err := filepath.WalkDir(cache, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			compiled++
		}
		if info, infoErr := d.Info(); infoErr != nil || info.Mode()&0o044 != 0o044 {
			t.Errorf("others cannot read %s: %v", name, infoErr)
		}
		return err
	}); err != nil || compiled == 0 {
		t.Errorf("the cache holds %d files, %v", compiled, err)
	}
	if code, _, errs = lestats(t, "plugin", "compile"); code != exitFailed || !strings.Contains(errs, "--cache DIR") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestDataBuildAndInfo(t *testing.T) {
	csvFile := filepath.Join(testtool.Slice(t), "cdc_npao_slice.csv")
	arrow := filepath.Join(t.TempDir(), "npao.arrow")
	code, built, errs := lestats(t, "data", "build", csvFile, "-o", arrow)
	if code != exitOK || !strings.Contains(errs, " serve --data "+arrow) {
		t.Fatal(errs)
	}
	code, info, errs := lestats(t, "data", "info", arrow)
	if code != exitOK {
		t.Fatal(errs)
	}
	if built != info {
		t.Errorf("a CSV and the .arrow file made of it differ:\n%s\n%s", built, info)
	}
	if !containsLine(info, "value", "number", "measure", "%", "490") || !containsLine(info, "rows", "4,583") {
		t.Errorf("%s", info)
	}
	code, sample, _ := lestats(t, "data", "info")
	if code != exitOK || !strings.Contains(sample, "SYNTHETIC") {
		t.Errorf("%s", sample)
	}
	var answers [2]string
	for i, file := range []string{csvFile, arrow} {
		if code, answers[i], errs = lestats(t, "ask", "states_mean", "question=overweight", "--data", file, "-f", "json"); code != exitOK {
			t.Fatal(errs)
		}
		if strings.Contains(errs, "SYNTHETIC") {
			t.Error("real figures are called synthetic")
		}
	}
	if answers[0] != answers[1] {
		t.Error("a CSV and the .arrow file made of it answer differently")
	}
	t.Setenv("LESTATS_DATA", arrow)
	if code, again, errs := lestats(t, "data", "info"); code != exitOK || again != info {
		t.Errorf("LESTATS_DATA: %s%s", again, errs)
	}
}

func TestJobsShow(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	p := serve(t, nil, "--store", store)
	_, got := p.call("POST", "/api/states_mean", `{"question":"Percent of adults aged 18 years and older who have obesity"}`, "Prefer: wait=20")
	id, _ := got["job_id"].(string)
	if code := p.stop(); code != 0 {
		t.Fatal(p.log)
	}
	code, out, errs := lestats(t, "jobs", "show", id, "--store", store, "-f", "rows")
	if code != exitOK || !strings.Contains(errs, "states_mean: done") || !strings.Contains(errs, "SYNTHETIC") || !json.Valid([]byte(out)) {
		t.Errorf("exit code %d\n%s\n%s", code, errs, out)
	}
	code, _, errs = lestats(t, "jobs", "show", "01890000-0000-7000-8000-000000000000", "--store", store)
	if code != exitFailed || !strings.Contains(errs, "unknown_job") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}

func TestVersion(t *testing.T) {
	if code, out, _ := lestats(t, "version"); code != exitOK || !strings.HasPrefix(out, "lestats ") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct{ listen, port, want, err string }{
		{"", "", "", ""},
		{"", "9090", "0.0.0.0:9090", ""},
		{"", "0", "0.0.0.0:0", ""},
		{"127.0.0.1:1", "9090", "127.0.0.1:1", ""},
		{"127.0.0.1:1", "http", "127.0.0.1:1", ""},
		{"", "http", "", `PORT is "http"`},
		{"", "65536", "", `PORT is "65536"`},
		{"", "-1", "", `PORT is "-1"`},
		{"", "80 ", "", `PORT is "80 "`},
		{"", "tcp://10.0.0.1:80", "", `takes a number from 0 to 65535`},
	} {
		t.Setenv("PORT", test.port)
		got, err := listenAddress(test.listen)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("--listen %q, PORT=%q: %q, %v; want %q, %s", test.listen, test.port, got, err, test.want, test.err)
		}
	}
}
