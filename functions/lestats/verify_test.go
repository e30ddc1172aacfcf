package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// savedMeans asks for the means of two clubs and returns the answer, and its file.
func savedMeans(t *testing.T, extra ...string) (answer map[string]any, file string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("marks.csv", []byte("school,year,mark\nCurie,2020,1\nCurie,2021,2\nSand,2020,5\nSand,2021,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "marks.csv"); code != exitOK {
		t.Fatal(errs)
	}
	code, out, errs := lestats(t, append([]string{"ask", "states_mean", "--data", "marks.csv", "--json"}, extra...)...)
	if code != exitOK {
		t.Fatal(errs)
	}
	object, _ := oneJSON(t, "ask", out).(map[string]any)
	if err := os.WriteFile("answer.json", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return object, "answer.json"
}

// setVersion gives the program a version for the time of a test.
func setVersion(t *testing.T, v string) {
	t.Helper()
	before := version
	version = v
	t.Cleanup(func() { version = before })
}

// The verdict on an answer that is as it was, or was changed somewhere.
func TestVerify(t *testing.T) {
	setVersion(t, "1.2.3")
	answer, _ := savedMeans(t)
	inside := func(key string) map[string]any { return maps.Clone(answer[key].(map[string]any)) }
	with := func(key, name string, value any) map[string]any {
		object, out := inside(key), maps.Clone(answer)
		object[name], out[key] = value, object
		return out
	}
	without := func(key string) map[string]any {
		out := maps.Clone(answer)
		delete(out, key)
		return out
	}
	other := "sha256:" + strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		answer  any
		exit    int
		outcome string
		at      []string // of the differences
		reason  string
	}{
		"as it was":            {answer, exitOK, "same", nil, "dataset, plugin, request and result"},
		"another key":          {with("data", "more", nil)["data"], exitUnchecked, "unchecked", nil, "status"},
		"a figure":             {with("data", "Curie", 1.75), exitDiffers, "differs", []string{"/data/Curie"}, "the file was changed"},
		"a figure less":        {without("data"), exitDiffers, "differs", []string{"/data"}, ""},
		"coverage":             {with("coverage", "missing", 0), exitDiffers, "differs", []string{"/coverage/missing"}, ""},
		"provenance":           {with("provenance", "synthetic", true), exitDiffers, "differs", []string{"/provenance/synthetic"}, ""},
		"fuel":                 {with("receipt", "fuel", 1), exitDiffers, "differs", []string{"/receipt/fuel"}, ""},
		"a digest":             {with("receipt", "result", other), exitDiffers, "differs", []string{"/receipt/result"}, ""},
		"the digest of asking": {with("receipt", "request", other), exitDiffers, "differs", []string{"/receipt/request"}, ""},
		"fuel elsewhere":       {with("receipt", "build", "9.9"), exitOK, "same", nil, "is not compared"},
		"another dataset":      {with("receipt", "dataset", other), exitElsewhere, "same_figures", nil, "another dataset"},
		"another plugin":       {with("receipt", "plugin", other), exitElsewhere, "same_figures", nil, "another plugin"},
		"no receipt":           {without("receipt"), exitUnchecked, "unchecked", nil, "no receipt"},
		"no request":           {without("request"), exitUnchecked, "unchecked", nil, "request"},
		"no caveats":           {without("caveats"), exitDiffers, "differs", []string{"/caveats"}, ""},
		"another question":     {with("request", "question", "state_means"), exitUnchecked, "unchecked", nil, "state_means"},
		"more rows":            {with("request", "where", map[string]any{"year": 2020}), exitDiffers, "differs", []string{"/coverage/missing", "/coverage/rows", "/receipt/request", "/receipt/result"}, ""},
		"a value that is not":  {with("request", "where", map[string]any{"school": "Nobel"}), exitUnchecked, "unchecked", nil, "Nobel"},
		"hostile":              {with("request", "where", map[string]any{"school": "\x1b[2J\u202e"}), exitUnchecked, "unchecked", nil, ""},
		"not an object":        {[]any{1}, exitUnchecked, "unchecked", nil, "not an answer"},
		"running":              {map[string]any{"status": "running"}, exitUnchecked, "unchecked", nil, "running"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(tt.answer)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("changed.json", b, 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := lestats(t, "verify", "changed.json", "--data", "marks.csv", "--json")
			var v verdict
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			var at []string
			for _, d := range v.Differences {
				at = append(at, d.At)
			}
			missing := slices.ContainsFunc(tt.at, func(path string) bool { return !slices.Contains(at, path) })
			if code != tt.exit || v.Outcome != tt.outcome || missing || len(tt.at) == 0 && len(at) > 0 || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("%d: %s; want %d, %s, %q", code, out, tt.exit, tt.outcome, tt.at)
			}
			code, text, _ := lestats(t, "verify", "changed.json", "--data", "marks.csv")
			title, _, _ := strings.Cut(text, ":")
			if want := map[string]string{"same_figures": "same figures", "unchecked": "cannot be checked"}[tt.outcome]; code != tt.exit ||
				title != tt.outcome && title != want || strings.ContainsAny(text, "\x1b\u202e") {
				t.Errorf("%d: %q", code, text)
			}
		})
	}
	if code, _, errs := lestats(t, "verify", "nowhere.json", "--data", "marks.csv"); code != exitFailed || !strings.Contains(errs, "nowhere.json") {
		t.Errorf("%d: %s", code, errs)
	}
	if code, out, _ := lestats(t, "verify", "answer.json"); code != exitDiffers && code != exitUnchecked {
		t.Errorf("on the sample: %d, %s", code, out)
	}
}

// An answer in any layout, of any question, is the same when it is asked again; without a
// version nothing is said about the fuel.
func TestVerifyEveryQuestion(t *testing.T) {
	savedMeans(t)
	for _, args := range [][]string{
		{"states_mean"}, {"state_mean", "state=Curie"}, {"best5"}, {"global_mean"}, {"diff_from_mean"},
		{"mean_by_category"}, {"state_mean_by_category", "state=Sand"}, {"states_mean", "--where", "year=2020..2021"},
	} {
		for _, format := range []string{"json", "rows"} {
			code, out, errs := lestats(t, append(append([]string{"ask"}, args...), "--data", "marks.csv", "-f", format)...)
			if code != exitOK {
				t.Fatalf("%q: %s", args, errs)
			}
			if err := os.WriteFile("a.json", []byte(out), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, out, errs := lestats(t, "verify", "a.json", "--data", "marks.csv"); code != exitOK || !strings.HasPrefix(out, "same: ") || !strings.Contains(out, "is not compared") {
				t.Errorf("%q as %s: %d %s%s", args, format, code, out, errs)
			}
		}
	}
}

// A citation says what was asked of what, with digests, in each form.
func TestCite(t *testing.T) {
	setVersion(t, "1.2.3")
	_, file := savedMeans(t)
	result := func(args ...string) string {
		t.Helper()
		code, out, errs := lestats(t, append([]string{"cite"}, args...)...)
		if code != exitOK {
			t.Fatalf("%q: %s", args, errs)
		}
		return out
	}
	text := result(file, "--data", "marks.csv")
	for _, part := range []string{"Mean of each", "Asked on 20", "Le Stats Sportifs 1.2.3", "plugin sportifs", "result sha256:"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
	if strings.Contains(text, "SYNTHETIC") {
		t.Error(text)
	}
	if asked := result("states_mean", "--data", "marks.csv"); asked != text { // on the same day
		t.Errorf("%s\n%s", asked, text)
	}
	_, answer, _ := lestats(t, "ask", "estimates", "question=obesity", "--json") // of the latest year
	if err := os.WriteFile("estimates.json", []byte(answer), 0o600); err != nil {
		t.Fatal(err)
	}
	if saved, asked := result("estimates.json"), result("estimates", "question=obesity"); saved != asked || !strings.Contains(saved, "year: 20") {
		t.Errorf("%s\n%s", asked, saved)
	}
	var items []question.CSLItem
	if err := json.Unmarshal([]byte(result("state_mean", "state=Curie", "--data", "marks.csv", "--where", "year=2020..", "--json")), &items); err != nil || len(items) != 1 ||
		items[0].Type != "dataset" || len(items[0].Accessed.Parts[0]) != 3 || !strings.Contains(items[0].Title, "state: Curie; year: from 2020") {
		t.Errorf("%v %+v", err, items)
	}
	for _, form := range []string{"text", "bibtex", "csl-json"} { // the sample is generated
		if out := result("global_mean", "question=obesity", "-f", form); !strings.Contains(out, "SYNTHETIC: ") {
			t.Errorf("%s does not say that the figures are generated: %s", form, out)
		}
	}
	if code, _, errs := lestats(t, "cite", "marks.csv"); code != exitFailed || !strings.Contains(errs, "cannot be cited") {
		t.Errorf("%d: %s", code, errs)
	}
	if code, _, errs := lestats(t, "cite", file, "state=Curie"); code != exitFailed || !strings.Contains(errs, "takes no parameters") {
		t.Errorf("%d: %s", code, errs)
	}
}

// The terminal gets bars, or a file gets a picture, and what to read them with care for comes
// after them on the other stream: the output is the figures alone.
func TestAskDraws(t *testing.T) {
	savedMeans(t)
	care := "Rows: 4, 1 without a value; mixed: Year (2).\nCaveat: Plain means from a selection of 3 figures; no interval.\n"
	code, out, errs := lestats(t, "ask", "states_mean", "--data", "marks.csv", "--chart")
	if code != exitOK || !strings.Contains(out, "█") || !strings.Contains(out, "Curie") || errs != care {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	code, out, errs = lestats(t, "ask", "states_mean", "--data", "marks.csv")
	if code != exitOK || strings.Contains(out, "Rows") || errs != care {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	code, out, errs = lestats(t, "ask", "states_mean", "--data", "marks.csv", "-o", "picture.svg", "--theme", "dark")
	picture, err := os.ReadFile("picture.svg")
	if code != exitOK || err != nil || out != "" || errs != care || !strings.HasPrefix(string(picture), "<svg") || !strings.Contains(string(picture), `class="ch"`) {
		t.Errorf("%d %v\n%s\n%s\n%.300s", code, err, out, errs, picture)
	}
	for _, args := range [][]string{{"--json"}, {"-f", "csv"}} {
		if code, _, errs := lestats(t, append([]string{"ask", "states_mean", "--data", "marks.csv", "--chart"}, args...)...); code != exitFailed || !strings.Contains(errs, "contradict") {
			t.Errorf("%q: %d %s", args, code, errs)
		}
	}
}

// Whatever a file holds, it is compared or refused, and what is said of it is visible text.
func FuzzVerify(f *testing.F) {
	table := &question.Table{Layout: question.LayoutMap, Columns: []question.Column{
		{Name: "school", Type: question.String, Role: question.RoleKey, Dict: []string{"Curie", "Sand"}, Codes: []int32{0, 1}},
		{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{1.5, 5}},
	}}
	answer := &question.Answer{
		Table: table, Provenance: &question.Provenance{Dataset: "marks"}, Coverage: &question.Coverage{Rows: 4},
		Receipt: &question.Receipt{Result: table.Digest(), Build: "1"},
	}
	job := &question.Job{Request: question.Request{Question: "states_mean"}, Result: table, Provenance: answer.Provenance, Coverage: answer.Coverage, Receipt: answer.Receipt}
	for i := range wire.Formats {
		if wire.Formats[i].Value == nil {
			continue
		}
		body, err := httpapi.DoneBody(wire.Formats[i].Value, job)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"status":"done","data":[[[null,{"\u202e":1e999}]]],"request":{},"receipt":{"fuel":1},"coverage":7,"units":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		saved, err := parseAnswer(b)
		if err != nil {
			if _, ok := errors.AsType[unclearError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		v, err := compare(saved, answer)
		if err != nil {
			t.Fatal(err)
		}
		if same := v.Outcome != "differs"; same != (len(v.Differences) == 0) || len(v.Differences) > maxDifferences {
			t.Fatalf("%s with %d differences", v.Outcome, len(v.Differences))
		}
		var out strings.Builder
		if err := v.write(&visible{to: &out}); err != nil || strings.ContainsFunc(strings.ReplaceAll(out.String(), "\n", ""), question.Invisible) {
			t.Fatalf("%v: %q", err, out.String())
		}
	})
}
