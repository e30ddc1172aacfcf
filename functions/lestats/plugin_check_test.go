package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

const fixtures = "../../runtime/sandbox/testdata/"

// impatient is a file of limits under which what does not end is told soon.
func impatient(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(file, []byte("default: {time: 500ms, fuel: 1e9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// checkJSON runs `lestats plugin check --json` and returns the reports.
func checkJSON(t *testing.T, files ...string) (code int, reports []report, errs string) {
	t.Helper()
	code, out, errs := lestats(t, append([]string{"plugin", "check", "--json", "--cache", compiled(t), "--limits", impatient(t)}, files...)...)
	if err := json.Unmarshal([]byte(out), &reports); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return code, reports, errs
}

// Each kind of thing that can be wrong is found, said with what it is about, and with
// what to change.
func TestPluginCheckFinds(t *testing.T) {
	tests := []struct{ file, check, want string }{
		{"nowhere.wasm", "file", "nowhere.wasm"},
		{"good.wat", "format", ""},
		{"command.wasm", "exports", "built as a command"},
		{"no_answer.wasm", "exports", `"lestats_v1_answer"`},
		{"wrong_signature.wasm", "exports", "it must be"},
		{"memory_not_exported.wasm", "exports", `"memory"`},
		{"open_is_global.wasm", "exports", "is a global"},
		{"reserved_export.wasm", "exports", "__lestats"},
		{"unknown_export.wasm", "exports", "lestats_v1_"},
		{"unknown_import.wasm", "imports", "does not offer"},
		{"misspelt_import.wasm", "imports", "clock_get_time"},
		{"import_signature.wasm", "imports", "lestats_v1.log"},
		{"import_memory.wasm", "imports", "its memory"},
		{"two_memories.wasm", "memory", ""},
		{"shared_memory.wasm", "memory", "shared"},
		{"memory64.wasm", "memory", "64-bit"},
		{"huge_memory.wasm", "memory", "64 MiB"},
		{"no_memory.wasm", "memory", "no memory"},
		{"initialize_traps.wasm", "describe", "_initialize trapped"},
		{"describe_loops.wasm", "describe", "than the limit"}, // of time or of fuel: which comes first, the processor decides,
		{"describe_traps.wasm", "describe", "lestats_v1_describe trapped"},
		{"manifest_empty.wasm", "describe", "empty manifest"},
		{"manifest_too_large.wasm", "describe", "1048576"},
		{"manifest_not_json.wasm", "manifest", "not the JSON"},
		{"manifest_requires.wasm", "manifest", `"gpu"`},
		{"manifest_control.wasm", "manifest", `"version"`},
		{"missing_column.wasm", "columns", `did you mean "value"?`},
		{"column_type.wasm", "columns", "with the type integer"},
		{"alloc_zero.wasm", "open", "no memory left"},
		{"alloc_misaligned.wasm", "open", "no multiple of 65536"},
		{"open_refuses.wasm", "open", "too old a data set"},
		{"open_traps.wasm", "open", "trapped"},
		{"faults.wasm", "answer", "endless_loop: "}, // the limit of time, or of fuel
		{"faults.wasm", "answer", "plugin_trap"},
		{"../../../plugins/built/sportifs.wasm", "", ""},
		{"lean.wasm", "", ""},
	}
	var files []string
	for _, tt := range tests {
		if file := fixtures + tt.file; !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	code, reports, errs := checkJSON(t, files...)
	if code != exitFailed || !strings.Contains(errs, "would not work") || len(reports) != len(files) {
		t.Errorf("exit code %d, %d reports, %s", code, len(reports), errs)
	}
	for _, tt := range tests {
		r := reports[slices.Index(files, fixtures+tt.file)]
		bad := slices.ContainsFunc(r.Findings, func(f finding) bool { return f.Level == levelError })
		if r.OK == bad || r.OK != (tt.check == "") {
			t.Errorf("%s: ok %v: %+v", tt.file, r.OK, r.Findings)
		}
		if tt.check != "" && !slices.ContainsFunc(r.Findings, func(f finding) bool {
			return f.Check == tt.check && f.Level == levelError && strings.Contains(f.Message, tt.want) && f.Fix != ""
		}) {
			t.Errorf("%s: want %s: %q in %+v", tt.file, tt.check, tt.want, r.Findings)
		}
	}
	// All of it at once, not the first alone.
	_, reports, _ = checkJSON(t, fixtures+"many_faults.wasm")
	if parts := parts(reports[0]); len(reports[0].Findings) < 4 || !parts["imports"] || !parts["exports"] {
		t.Errorf("%+v", reports[0].Findings)
	}
}

func parts(r report) map[string]bool {
	out := map[string]bool{}
	for _, f := range r.Findings {
		out[f.Check] = true
	}
	return out
}

// A module whose code is not well typed: an instruction of a good one takes other integers.
func TestPluginCheckCompiles(t *testing.T) {
	wasm, err := os.ReadFile(fixtures + "lean.wasm")
	if err != nil {
		t.Fatal(err)
	}
	const i64Add, i64Rotr, i32Add = 0x7c, 0x8a, 0x6a
	for at := len(wasm) - 1; at > 0; at-- {
		if wasm[at] < i64Add || wasm[at] > i64Rotr {
			continue
		}
		file := filepath.Join(t.TempDir(), "bad.wasm")
		bad := slices.Clone(wasm)
		bad[at] -= i64Add - i32Add
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, reports, _ := checkJSON(t, file); parts(reports[0])["compile"] && !reports[0].OK {
			return
		}
	}
	t.Error("no module is said not to compile")
}

// What a plugin writes to the log does not flood the terminal.
func TestPluginCheckIsQuiet(t *testing.T) {
	_, _, errs := checkJSON(t, fixtures+"hostile/flood.wasm")
	if n := strings.Count(errs, "\n"); n > 25 || !strings.Contains(errs, "left out") {
		t.Errorf("%d lines", n)
	}
}

// What is good is said to be, in words and as JSON.
func TestPluginCheckGood(t *testing.T) {
	code, reports, _ := checkJSON(t, fixtures+"lean.wasm")
	if code != exitOK || !reports[0].OK || reports[0].Name != "lean" {
		t.Errorf("exit code %d, %+v", code, reports)
	}
	code, out, _ := lestats(t, "plugin", "check", fixtures+"lean.wasm")
	if code != exitOK || !strings.Contains(out, "of the limits: fuel") || !strings.HasSuffix(out, "good\n") {
		t.Errorf("exit code %d, %s", code, out)
	}
	if code, _, errs := lestats(t, "plugin", "check"); code != exitUsage || !strings.Contains(errs, "plugin check --help") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// fake is a plugin that answers with what each call says.
type fake struct {
	manifest *question.Manifest
	answer   func(n int) (*question.Table, sandbox.Usage, error)
	calls    int
}

func (f *fake) Manifest() *question.Manifest { return f.manifest }
func (f *fake) Limits() sandbox.Limits {
	return sandbox.Limits{Fuel: 100, Time: time.Second, Memory: 100, Result: 100}
}

func (f *fake) Measure(context.Context, *question.Bound, []question.Range) (*question.Table, sandbox.Usage, error) {
	f.calls++
	return f.answer(f.calls)
}

// A plugin that remembers, or comes close to a limit, or fails, is told of.
func TestPluginCheckJudges(t *testing.T) {
	m, err := question.ParseManifest([]byte(`{"name":"p","version":"1","columns":[{"name":"value","type":"number"}],"questions":[{"name":"q","result":{"values":[{"name":"n","type":"number"}],"layout":"record"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	w, err := (&fileFlags{Cache: "off"}).workbench(t.Context(), &streams{os.Stderr, os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	table := func(v float64) *question.Table {
		return &question.Table{Columns: []question.Column{{Name: "n", Type: question.Number, Numbers: []float64{v}}}}
	}
	fails := func(code question.Code) func(int) (*question.Table, sandbox.Usage, error) {
		return func(int) (*question.Table, sandbox.Usage, error) {
			return nil, sandbox.Usage{}, question.Errorf(code, "so it is")
		}
	}
	for name, tt := range map[string]struct {
		answer       func(n int) (*question.Table, sandbox.Usage, error)
		check, level string
		want         string
	}{
		"good": {func(int) (*question.Table, sandbox.Usage, error) { return table(1), sandbox.Usage{Fuel: 10}, nil }, "limits", levelInfo, "fuel 10 %"},
		"counts its jobs": {func(n int) (*question.Table, sandbox.Usage, error) {
			return table(float64(n)), sandbox.Usage{}, nil
		}, "purity", levelError, "two different answers"},
		"works more each time": {func(n int) (*question.Table, sandbox.Usage, error) {
			return table(1), sandbox.Usage{Fuel: int64(n)}, nil
		}, "purity", levelError, "units of fuel"},
		"fails the second time": {func(n int) (*question.Table, sandbox.Usage, error) {
			if n > 2 {
				return nil, sandbox.Usage{}, question.Errorf(question.CodePluginError, "again?")
			}
			return table(1), sandbox.Usage{}, nil
		}, "purity", levelError, "once it did not"},
		"close to a limit": {func(int) (*question.Table, sandbox.Usage, error) { return table(1), sandbox.Usage{Memory: 90}, nil }, "limits", levelWarning, "90 % of the memory"},
		"no data":          {fails(question.CodeNoData), "answer", levelWarning, "no_data"},
		"no answer":        {fails(question.CodePluginError), "answer", levelError, "plugin_error"},
		"bad result":       {fails(question.CodeBadResult), "answer", levelError, "bad_result"},
		"too large":        {fails(question.CodeResultTooLarge), "answer", levelError, "result_too_large"},
		"memory":           {fails(question.CodeMemoryLimit), "answer", levelError, "memory_limit"},
		"depth":            {fails(question.CodeDepthLimit), "answer", levelError, "depth_limit"},
		"log":              {fails(question.CodeLogLimit), "answer", levelError, "log_limit"},
		"a defect of ours": {fails(question.CodeInternal), "answer", levelError, "internal"},
	} {
		r := &report{}
		one := &fake{manifest: m, answer: tt.answer}
		if err := r.ask(t.Context(), w.Dataset, one, one); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(r.Findings, func(f finding) bool {
			return f.Check == tt.check && f.Level == tt.level && strings.Contains(f.Message, tt.want)
		}) {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
}

// What is wrong with names: those of the server's routes, and the built-in plugin's.
func TestPluginCheckNames(t *testing.T) {
	w, err := (&fileFlags{Cache: compiled(t)}).workbench(t.Context(), &streams{os.Stderr, os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(context.Background())
	r := &report{}
	m := &question.Manifest{Name: "sportifs", Questions: []question.Question{{Name: "jobs"}, {Name: "best5"}, {Name: "mine"}}}
	if err := r.checkNames(t.Context(), w, m, nil); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, f := range r.Findings {
		said = append(said, f.Message)
	}
	if all := strings.Join(said, "\n"); len(said) != 3 || !strings.Contains(all, "/api/jobs is a route") || !strings.Contains(all, `"best5" is answered already`) || !strings.Contains(all, `"sportifs" is a built-in`) {
		t.Errorf("%q", said)
	}
}

func TestPluginRunBenchInfo(t *testing.T) {
	lean, cache := fixtures+"lean.wasm", compiled(t)
	code, out, errs := lestats(t, "plugin", "info", lean, "--json", "--cache", cache)
	var info moduleInfo
	if err := json.Unmarshal([]byte(out), &info); err != nil || code != exitOK || info.Manifest.Name != "lean" || info.Size == 0 || !strings.HasPrefix(info.Digest, "sha256:") {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	name := info.Manifest.Questions[0].Name
	if code, out, errs = lestats(t, "plugin", "info", lean, "--cache", cache); code != exitOK || !strings.Contains(out, info.Digest) || !strings.Contains(out, name) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = lestats(t, "plugin", "bench", lean, "-n", "5", "--json")
	var m measured
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != exitOK || m.Compile <= 0 || m.Questions[0].Fuel <= 0 || m.Questions[0].P99 < m.Questions[0].P50 || m.Questions[0].Rows == 0 {
		t.Errorf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	if code, out, errs = lestats(t, "plugin", "bench", lean, "-n", "5"); code != exitOK || !strings.Contains(out, name) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = lestats(t, "plugin", "run", "../../plugins/built/sportifs.wasm", "global_mean", "question=obesity", "-f", "json", "--cache", cache)
	if code != exitOK || !strings.HasPrefix(out, `{"global_mean":`) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", fixtures + "no_answer.wasm", "x"}, "lestats_v1_answer"},
		{[]string{"run", lean, "nothing"}, "nothing"},
		{[]string{"run", fixtures, "x"}, "is a folder"},
		{[]string{"info", fixtures + "no_memory.wasm"}, "plugin check"},
		{[]string{"bench", "nowhere.wasm"}, "nowhere.wasm"},
		{[]string{"bench", lean, "-n", "0"}, "at least 1"},
	} {
		if code, _, errs := lestats(t, append([]string{"plugin"}, append(tt.args, "--cache", cache)...)...); code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, %s", tt.args, code, errs)
		}
	}
	code, out, errs = lestats(t, "plugin", "list", "--json", "--cache", cache)
	var all []question.PluginInfo
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != exitOK || len(all) != 1 || !all[0].Serving {
		t.Errorf("exit code %d, %v, %s%s", code, err, out, errs)
	}
}

// What a server does not compile within its limits, check does not pass: both
// compile in a process of their own. What is built in needs none.
func TestCompilingHasLimits(t *testing.T) {
	limits := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(limits, []byte("compile: {memory: 1 MiB, time: 2s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const means = "../../plugins/built/sportifs.wasm"
	changed := filepath.Join(t.TempDir(), "large.wasm")
	wasm, err := os.ReadFile(means)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed, append(wasm, 0, 2, 1, 'x'), 0o600); err != nil { // a section of its own: another module
		t.Fatal(err)
	}
	const reason = "does not compile within 1 MiB of memory and 2s"
	if code, out, _ := lestats(t, "plugin", "check", "--cache", "off", "--limits", limits, changed); code != exitFailed || !strings.Contains(out, reason) {
		t.Errorf("check: %d\n%s", code, out)
	}
	code, out, _ := lestats(t, "plugin", "list", "--cache", "off", "--limits", limits, "--plugins", filepath.Dir(changed))
	if code != exitFailed || !strings.Contains(out, reason) || !strings.Contains(out, "states_mean") {
		t.Errorf("list: %d\n%s", code, out)
	}
	if _, out, _ := lestats(t, "plugin", "check", "--cache", "off", changed); !strings.Contains(out, "states_mean: asked in") { // its names are taken, though
		t.Errorf("without the limit:\n%s", out)
	}
}
