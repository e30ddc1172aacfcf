package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const obesityQuestion = "Percent of adults aged 18 years and older who have obesity"

// oneJSON decodes the only JSON value of a text.
func oneJSON(t *testing.T, what, text string) (v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&v); err != nil {
		t.Errorf("%s: %v: %q", what, err, text)
		return nil
	}
	if rest, _ := io.ReadAll(io.MultiReader(dec.Buffered())); strings.TrimSpace(string(rest)) != "" || dec.More() {
		t.Errorf("%s: after the JSON comes %q", what, rest)
	}
	return v
}

// The JSON of the command line is that of HTTP, for answers and for errors.
func TestJSONAgreesWithHTTP(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	p := serve(t, nil, "--store", store)
	var ids []string
	for _, tt := range []struct {
		question string
		body     string
		args     []string
	}{
		{"best5", `{"question":"` + obesityQuestion + `","where":{"year":2020,"category":"Total"}}`, []string{"question=" + obesityQuestion, "--where", "year=2020", "--where", "category=Total"}},
		{"state_mean_by_category", `{"question":"` + obesityQuestion + `","state":"Ohio"}`, []string{"question=" + obesityQuestion, "state=Ohio"}},
		{"global_mean", `{"question":"` + obesityQuestion + `","where":{"year":{"min":2019}}}`, []string{"question=" + obesityQuestion, "--where", "year=2019.."}},
	} {
		for format, query := range map[string]string{"json": "", "rows": "?layout=rows"} {
			status, body, err := p.try("POST", "/api/"+tt.question+query, tt.body, "Prefer: wait=20")
			if err != nil || status != 200 {
				t.Fatal(status, string(body), err)
			}
			want, _ := oneJSON(t, "HTTP", string(body)).(map[string]any)
			ids = append(ids, want["job_id"].(string))
			delete(want, "job_id")
			code, out, errs := lestats(t, append([]string{"ask", tt.question, "-f", format}, tt.args...)...)
			if got := oneJSON(t, tt.question, out); code != exitOK || !reflect.DeepEqual(got, any(want)) {
				t.Errorf("%s as %s: %d\n%s\nHTTP says\n%s%s", tt.question, format, code, out, body, errs)
			}
		}
	}
	for _, tt := range []struct {
		question, body string
		args           []string
	}{
		{"best5", `{"question":"obesty"}`, []string{"question=obesty"}},
		{"best5", `{}`, nil},
		{"best5", `{"question":"` + obesityQuestion + `","stat":"x"}`, []string{"question=" + obesityQuestion, "stat=x"}},
		{"best5", `{"question":"` + obesityQuestion + `","where":{"year":1066}}`, []string{"question=" + obesityQuestion, "--where", "year=1066"}},
		{"state_mean", `{"question":"` + obesityQuestion + `","state":"Ohio,Texas"}`, []string{"question=" + obesityQuestion, "state=Ohio,Texas"}},
		{"bst5", `{}`, nil},
	} {
		_, body, err := p.try("POST", "/api/"+tt.question, tt.body, "Prefer: wait=20")
		if err != nil {
			t.Fatal(err)
		}
		want, _ := oneJSON(t, "HTTP", string(body)).(map[string]any)
		delete(want, "job_id")
		code, out, errs := lestats(t, append([]string{"ask", tt.question, "--json"}, tt.args...)...)
		if got := oneJSON(t, tt.question, out); code != exitFailed || !reflect.DeepEqual(got, any(want)) || !strings.Contains(errs, "lestats: ") {
			t.Errorf("%s %v: %d\n%s\nHTTP says\n%s%s", tt.question, tt.args, code, out, body, errs)
		}
	}
	_, result, err := p.try("GET", "/api/get_results/"+ids[0], "")
	if err != nil {
		t.Fatal(err)
	}
	if _, out, _ := lestats(t, "jobs", "show", ids[0], "--store", store, "--json"); out != string(result) {
		t.Errorf("jobs show:\n%s\nHTTP says\n%s", out, result)
	}
	_, list, err := p.try("GET", "/api/jobs?detail=1&limit=2", "")
	if err != nil {
		t.Fatal(err)
	}
	_, out, _ := lestats(t, "jobs", "list", "--store", store, "-n", "2", "--json")
	want, _ := oneJSON(t, "HTTP", string(list)).(map[string]any)
	got, _ := oneJSON(t, "jobs list", out).(map[string]any)
	next, _ := got["next"].(string)
	delete(want, "next")
	delete(got, "next")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("jobs list:\n%s\nHTTP says\n%s", out, list)
	}
	if _, out, _ := lestats(t, "jobs", "list", "--store", store, "--before", next, "--json"); !strings.Contains(out, `{"status":"done","data":[{`) || strings.Contains(out, next) {
		t.Errorf("the page after %s: %s", next, out)
	}
}

// The pages of a list of jobs have each job once, newest first, whether it has ended or not.
func TestJobsPages(t *testing.T) {
	t.Chdir(t.TempDir())
	store, err := wire.OpenStore(t.Context(), wire.StoreConfig{Location: "store"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 11 {
		job := &question.Job{ID: uuid.Must(uuid.NewV7()).String(), Status: question.Queued, Request: question.Request{Question: "q"}, Created: time.Now().UTC()}
		want = append([]string{job.ID}, want...)
		if i%3 != 0 { // also where a job has ended a moment ago
			if err := store.PutPending(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 != 1 {
			job.Status, job.Error = question.Failed, question.Errorf(question.CodeNoData, "none")
			job.Started, job.Finished = job.Created, job.Created
			if _, err := store.PutOutcome(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Millisecond) // ids of one millisecond have any order
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"1", "3", "11", "20"} {
		var got []string
		for before := ""; ; {
			code, out, errs := lestats(t, "jobs", "list", "--store", "store", "-n", limit, "--before", before, "--json")
			var page struct {
				Jobs []question.Job
				Next string
			}
			if err := json.Unmarshal([]byte(out), &page); err != nil || code != exitOK || len(got) > len(want) {
				t.Fatalf("%d, %v, %s%s", code, err, out, errs)
			}
			for _, j := range page.Jobs {
				got = append(got, j.ID)
			}
			if before = page.Next; before == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %s: %q, want %q", limit, got, want)
		}
	}
}

// Every command that prints data prints exactly one JSON value when it is asked for JSON,
// also when it fails.
func TestOneJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("marks.csv", []byte("school,mark\nA,1\nB,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "marks.csv"); code != exitOK {
		t.Fatal(errs)
	}
	for _, tt := range []struct {
		args []string
		exit int
		key  string // of the object, or "" for a list
		code string // of the error
	}{
		{[]string{"version"}, exitOK, "sample", ""},
		{[]string{"doctor", "--base-path", "x"}, exitFailed, "findings", ""},
		{[]string{"data", "info"}, exitOK, "columns", ""},
		{[]string{"data", "info", "marks.csv"}, exitOK, "columns", ""},
		{[]string{"data", "info", "nowhere.csv"}, exitFailed, "code", "command_failed"},
		{[]string{"data", "values", "school", "--data", "marks.csv"}, exitOK, "values", ""},
		{[]string{"data", "values", "skool", "--data", "marks.csv"}, exitFailed, "hint", "unknown_parameter"},
		{[]string{"data", "values", "school", "--data", "marks.csv", "--where", "school=C"}, exitFailed, "hint", "unknown_value"},
		{[]string{"data", "build", "marks.csv"}, exitOK, "columns", ""},
		{[]string{"data", "pull", "npoa"}, exitFailed, "hint", "unknown_value"},
		{[]string{"data", "pull", "npao", "--digest", "md5:1"}, exitFailed, "code", "command_failed"},
		{[]string{"jobs", "list", "--store", "typo"}, exitFailed, "code", "store_unavailable"},
		{[]string{"jobs", "show", "x", "--store", "typo"}, exitFailed, "code", "bad_id"},
		{[]string{"ask", "global_mean", "--data", "marks.csv"}, exitOK, "data", ""},
		{[]string{"ask", "global_mean", "--data", "marks.csv", "-f", "csv"}, exitFailed, "code", "command_failed"},
		{[]string{"verify", "marks.csv", "--data", "marks.csv"}, exitUnchecked, "outcome", ""},
		{[]string{"verify", "nowhere.json"}, exitFailed, "code", "command_failed"},
		{[]string{"cite", "global_mean", "--data", "marks.csv"}, exitOK, "", ""},
		{[]string{"cite", "marks.csv", "--data", "marks.csv"}, exitFailed, "code", "command_failed"},
		{[]string{"ask", "global_mean", "--where", "x"}, exitFailed, "code", "bad_parameter"},
		{[]string{"ask", "--jsn"}, exitUsage, "code", "command_failed"},
		{[]string{"ask"}, exitUsage, "code", "command_failed"},
		{[]string{"data", "init", "marks.csv", "--force"}, exitOK, "descriptor", ""},
		{[]string{"data", "init", "marks.csv"}, exitFailed, "code", "command_failed"},
		{[]string{"plugin", "list"}, exitOK, "", ""},
		{[]string{"plugin", "new", "spread", "--lang", "c"}, exitOK, "folder", ""},
		{[]string{"plugin", "new", "spread", "--lang", "c"}, exitFailed, "code", "command_failed"},
		{[]string{"plugin", "build", "nowhere"}, exitFailed, "code", "command_failed"},
		{[]string{"plugin", "test", "nowhere"}, exitFailed, "code", "command_failed"},
		{[]string{"plugin", "lock"}, exitOK, "", ""},
		{[]string{"plugin", "lock", "-o", "-"}, exitFailed, "code", "command_failed"},
		{[]string{"plugin", "compile", "--cache", "cache"}, exitOK, "", ""},
		{[]string{"plugin", "check", "marks.csv"}, exitFailed, "", ""},
		{[]string{"key", "new", "alice", "--keys", "keys.yaml", "--rate", "5/s"}, exitOK, "key", ""},
		{[]string{"key", "new", "alice", "--keys", "keys.yaml"}, exitFailed, "code", "command_failed"},
		{[]string{"key", "list", "--keys", "keys.yaml"}, exitOK, "", ""},
		{[]string{"key", "list", "--keys", "marks.csv"}, exitFailed, "code", "command_failed"},
	} {
		code, out, errs := lestats(t, append(slices.Clone(tt.args), "--json")...)
		v := oneJSON(t, strings.Join(tt.args, " "), out)
		object, isObject := v.(map[string]any)
		_, has := object[tt.key]
		if code != tt.exit || isObject != (tt.key != "") || isObject && !has || tt.code != "" && object["code"] != tt.code {
			t.Errorf("%v: %d, want %d with %q and the code %q\n%s%s", tt.args, code, tt.exit, tt.key, tt.code, out, errs)
		}
	}
}

// Each command says how it is used, with an example.
func TestHelpHasExamples(t *testing.T) {
	parser := newParser(t)
	for _, leaf := range parser.Model.Leaves(true) {
		var words []string
		for n := leaf; n.Type == kong.CommandNode; n = n.Parent {
			words = append([]string{n.Name}, words...)
		}
		code, out, _ := lestats(t, append([]string{"help"}, words...)...)
		if call := "lestats " + strings.Join(words, " "); code != exitOK || !strings.Contains(out, "Example") || strings.Count(out, call) < 2 {
			t.Errorf("the help of %q has no example:\n%s", call, out)
		}
	}
}

func newParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := parserFor(t.Context(), &streams{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// filesHere returns the files below the current folder with their sizes and times.
func filesHere(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil {
			found[path] = info.Mode().String() + info.ModTime().String()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// Commands that read write nothing where they run.
func TestReadingWritesNothing(t *testing.T) {
	plugin, err := filepath.Abs("../../plugins/built/sportifs.wasm")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("marks.csv", []byte("school,mark\nA,1\nB,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := filesHere(t)
	for _, args := range [][]string{
		{"ask", "global_mean", "question=obesity"}, {"ask", "x"},
		{"data", "info"}, {"data", "info", "marks.csv"}, {"data", "values", "location"},
		{"jobs", "list"}, {"jobs", "list", "--store", "./typo"}, {"jobs", "show", "01890000-0000-7000-8000-000000000000"},
		{"plugin", "list"}, {"plugin", "info", plugin}, {"plugin", "check", plugin},
		{"version"}, {"help"}, {"completion", "bash"}, {completeCommand, "bash", "ask", ""},
	} {
		_, _, errs := lestats(t, args...)
		if args[0] == "jobs" && !strings.Contains(errs, "no store at ") {
			t.Errorf("%v: %s", args, errs)
		}
		if after := filesHere(t); !maps.Equal(after, before) {
			t.Fatalf("%v left %v", args, after)
		}
	}
}

// An answer can be written to a file, whose extension selects the format, and a failed
// command leaves the file as it was.
func TestOutputFile(t *testing.T) {
	t.Chdir(t.TempDir())
	ask := []string{"ask", "best5", "question=obesity", "--where", "year=2020"}
	for _, tt := range []struct{ file, prefix string }{
		{"a.csv", "location,mean,synthetic\r\n"}, {"a.json", `{"status":"done","data":{`}, {"a.txt", "SYNTHETIC: "}, {"a.arrow", "\xff\xff\xff\xff"},
	} {
		code, out, errs := lestats(t, append(slices.Clone(ask), "-o", tt.file)...)
		b, err := os.ReadFile(tt.file)
		if err != nil || code != exitOK || out != "" || !bytes.HasPrefix(b, []byte(tt.prefix)) {
			t.Errorf("%s: %d, %v, %q\n%s", tt.file, code, err, b, errs)
		}
		if code, out, _ := lestats(t, append(slices.Clone(ask), "-o", "-", "-f", strings.Replace(tt.file[2:], "txt", "table", 1))...); code != exitOK || out != string(b) {
			t.Errorf("-o -: %d\n%q, want\n%q", code, out, b)
		}
	}
	before := filesHere(t)
	for _, args := range [][]string{{"-o", "a.dat"}, {"-o", "a.csv", "--where", "location=Atlantis"}, {"-o", "nowhere/a.csv"}, {"--json", "-f", "csv"}} {
		code, _, errs := lestats(t, append(slices.Clone(ask), args...)...)
		if after := filesHere(t); code != exitFailed || !maps.Equal(after, before) {
			t.Errorf("%v: %d, %s, %v", args, code, errs, after)
		}
	}
}

// A CSV that the command line writes runs nothing in a spreadsheet.
func TestCSVIsInert(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("e.csv", []byte("country,points\n=cmd|' /C calc'!A0,-1\n@x,2\nUtah,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "e.csv"); code != exitOK {
		t.Fatal(errs)
	}
	const want = "'=cmd|' /C calc'!A0,-1.0\r\n"
	if _, out, errs := lestats(t, "ask", "states_mean", "--data", "e.csv", "-f", "csv"); !strings.Contains(out, want) || !strings.Contains(out, "'@x,2.0\r\nUtah,3.0") {
		t.Errorf("%s%s", out, errs)
	}
	if _, out, errs := lestats(t, "data", "values", "country", "--data", "e.csv", "-f", "csv"); out != "country,rows\r\n'=cmd|' /C calc'!A0,1\r\n'@x,1\r\nUtah,1\r\n" {
		t.Errorf("%s%s", out, errs)
	}
	p := serve(t, nil, "--data", filepath.Join(first(os.Getwd()), "e.csv"))
	if _, body, err := p.try("POST", "/api/states_mean", "{}", "Prefer: wait=20", "Accept: text/csv"); err != nil || !strings.Contains(string(body), "\n"+want[1:]) {
		t.Errorf("HTTP: %s, %v", body, err)
	}
}

func first(s string, _ error) string { return s }

func TestDataValues(t *testing.T) {
	t.Chdir(t.TempDir())
	const rows = "place,year,share\nUtah,2020,1.5\nOhio,2020,\nOhio,2021,-2\n=Iowa,2021,1.5\n,2021,3\n"
	if err := os.WriteFile("v.csv", []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "v.csv", "--measure", "share", "--group", "place"); code != exitOK {
		t.Fatal(errs)
	}
	for _, tt := range []struct {
		args      []string
		out, note string
	}{
		{[]string{"place"}, "place,rows\n'=Iowa,1\nOhio,2\nUtah,1\n", "Rows without a value: 1.\n"},
		{[]string{"year"}, "year,rows\n2020,2\n2021,3\n", ""},
		{[]string{"share"}, "share,rows\n-2.0,1\n1.5,2\n3.0,1\n", "Rows without a value: 1.\n"},
		{[]string{"share", "-n", "1"}, "share,rows\n-2.0,1\n", "Values left out: 2; -n 3 lists all.\nRows without a value: 1.\n"},
		{[]string{"year", "--where", "place=oh"}, "year,rows\n2020,1\n2021,1\n", "place: Ohio\n"},
		{[]string{"year", "--where", "place=Ohio", "--where", "place=Utah", "--where", "year=..2020"}, "year,rows\n2020,2\n", ""},
	} {
		code, out, errs := lestats(t, append([]string{"data", "values", "--data", "v.csv", "-f", "csv"}, tt.args...)...)
		if strings.ReplaceAll(out, "\r\n", "\n") != tt.out || errs != tt.note || code != exitOK {
			t.Errorf("%v: %d\n%s%s\nwant\n%s%s", tt.args, code, out, errs, tt.out, tt.note)
		}
	}
	if _, out, _ := lestats(t, "data", "values", "place", "--data", "v.csv"); out != "place  rows\n-----  ----\n=Iowa     1\nOhio      2\nUtah      1\n" {
		t.Errorf("%s", out)
	}
	for args, want := range map[string]string{"plac": `did you mean "place"?`, "xyz": "its columns are place, year, share", "year -n 0": "1 or more", "year --where place=Ohoi": "Ohio"} {
		if code, out, errs := lestats(t, append([]string{"data", "values", "--data", "v.csv"}, strings.Fields(args)...)...); code != exitFailed || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: %d, %s%s", args, code, out, errs)
		}
	}
}
