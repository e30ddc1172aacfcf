package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/author"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const fixtures = "../../runtime/sandbox/testdata/"

// impatient writes a limits file with short limits, so that endless plugins end soon.
func impatient(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(file, []byte("default: {time: 500ms, fuel: 1e9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// checkJSON runs `lestats plugin check --json` and returns the reports.
func checkJSON(t *testing.T, files ...string) (code int, reports []author.Report, errs string) {
	t.Helper()
	code, out, errs := lestats(t, append([]string{"plugin", "check", "--json", "--cache", compiled(t), "--limits", impatient(t)}, files...)...)
	if err := json.Unmarshal([]byte(out), &reports); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return code, reports, errs
}

// Each kind of fault is found, and reported with its part and a fix.
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
		{"describe_loops.wasm", "describe", "than the limit"}, // time or fuel: which is reached first depends on the processor
		{"describe_traps.wasm", "describe", "lestats_v1_describe trapped"},
		{"manifest_empty.wasm", "describe", "empty manifest"},
		{"manifest_too_large.wasm", "describe", "1048576"},
		{"manifest_not_json.wasm", "manifest", "not the JSON"},
		{"manifest_requires.wasm", "manifest", `"gpu"`},
		{"manifest_control.wasm", "manifest", `"version"`},
		{"missing_column.wasm", "columns", `did you mean "value"?`},
		{"column_type.wasm", "columns", "to have the type integer"},
		{"alloc_zero.wasm", "open", "no memory left"},
		{"alloc_misaligned.wasm", "open", "not a multiple of 65536"},
		{"open_refuses.wasm", "open", "too old a data set"},
		{"open_traps.wasm", "open", "trapped"},
		{"faults.wasm", "answer", "endless_loop: "}, // the limit of time or of fuel
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
	if code != exitFailed || !strings.Contains(errs, "have errors") || len(reports) != len(files) {
		t.Errorf("exit code %d, %d reports, %s", code, len(reports), errs)
	}
	for _, tt := range tests {
		r := reports[slices.Index(files, fixtures+tt.file)]
		bad := slices.ContainsFunc(r.Findings, func(f author.Finding) bool { return f.Level == author.LevelError })
		if r.OK == bad || r.OK != (tt.check == "") {
			t.Errorf("%s: ok %v: %+v", tt.file, r.OK, r.Findings)
		}
		if tt.check != "" && !slices.ContainsFunc(r.Findings, func(f author.Finding) bool {
			return f.Check == tt.check && f.Level == author.LevelError && strings.Contains(f.Message, tt.want) && f.Fix != ""
		}) {
			t.Errorf("%s: want %s: %q in %+v", tt.file, tt.check, tt.want, r.Findings)
		}
	}
	// All faults are reported at once, not just the first.
	_, reports, _ = checkJSON(t, fixtures+"many_faults.wasm")
	if parts := parts(reports[0]); len(reports[0].Findings) < 4 || !parts["imports"] || !parts["exports"] {
		t.Errorf("%+v", reports[0].Findings)
	}
}

func parts(r author.Report) map[string]bool {
	out := map[string]bool{}
	for _, f := range r.Findings {
		out[f.Check] = true
	}
	return out
}

// Invalid code is found: one instruction of a valid module is changed to another type.
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
	t.Error("no changed module failed to compile")
}

// Of two files that have the name of a plugin or of a question in common, the second is
// reported, as a server would refuse it. A plugin that is not handed to its SDK is told how.
func TestPluginCheckNames(t *testing.T) {
	copied := filepath.Join(t.TempDir(), "other.wasm")
	wasm, err := os.ReadFile(fixtures + "lean.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, append(wasm, 0, 2, 1, 'x'), 0o600); err != nil { // an additional section makes it another module
		t.Fatal(err)
	}
	code, reports, _ := checkJSON(t, fixtures+"lean.wasm", copied, fixtures+"manifest_empty.wasm")
	if code != exitFailed || len(reports) != 3 || !reports[0].OK || reports[1].OK {
		t.Fatalf("exit code %d, %+v", code, reports)
	}
	says := func(r author.Report, message, fix string) {
		t.Helper()
		if !slices.ContainsFunc(r.Findings, func(f author.Finding) bool {
			return f.Level == author.LevelError && strings.Contains(f.Message, message) && strings.Contains(f.Fix, fix)
		}) {
			t.Errorf("want %q and %q in %+v", message, fix, r.Findings)
		}
	}
	says(reports[1], `the name "lean" also belongs to `+fixtures+"lean.wasm", "choose another name")
	says(reports[1], `" is also answered by `+fixtures+"lean.wasm", "choose another name")
	says(reports[2], "the plugin declared nothing", "sdk.Serve(plugin) in init (Go)")
}

// A plugin's log does not flood the terminal: a line that repeats is shown once, and few
// lines in all.
func TestPluginCheckIsQuiet(t *testing.T) {
	_, _, errs := checkJSON(t, fixtures+"hostile/flood.wasm")
	if strings.Count(errs, "forged") != 1 || strings.Count(errs, "\n") > 5 {
		t.Error(errs)
	}
	var out bytes.Buffer
	log := errorsOnly(&streams{err: &out})
	for i := range 100 {
		log.Error("line", "n", i)
		log.Error("line", "n", i)
		log.Warn("unseen")
	}
	if n := strings.Count(out.String(), "\n"); n != 21 || !strings.HasSuffix(out.String(), "is omitted\n") || strings.Contains(out.String(), "time=") {
		t.Errorf("%d lines:\n%s", n, &out)
	}
}

// Where a manifest stops to be JSON is shown: an example's text is copied into it.
func TestPluginCheckShowsBrokenJSON(t *testing.T) {
	_, reports, _ := checkJSON(t, fixtures+"manifest_not_json.wasm")
	if !slices.ContainsFunc(reports[0].Findings, func(f author.Finding) bool {
		return f.Check == "manifest" && strings.Contains(f.Message, "; it stands at the end of this: ")
	}) {
		t.Errorf("%+v", reports[0].Findings)
	}
}

// A good plugin is reported as good, as text and as JSON.
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

func TestPluginRunBenchInfo(t *testing.T) {
	lean, cache := fixtures+"lean.wasm", compiled(t)
	code, out, errs := lestats(t, "plugin", "info", lean, "--json", "--cache", cache)
	var info author.Info
	if err := json.Unmarshal([]byte(out), &info); err != nil || code != exitOK || info.Manifest.Name != "lean" || info.Size == 0 || !strings.HasPrefix(info.Digest, "sha256:") {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	name := info.Manifest.Questions[0].Name
	if code, out, errs = lestats(t, "plugin", "info", lean, "--cache", cache); code != exitOK || !strings.Contains(out, info.Digest) || !strings.Contains(out, name) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = lestats(t, "plugin", "bench", lean, "-n", "5", "--json")
	var m author.Measured
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != exitOK || m.Compile <= 0 || m.Questions[0].Fuel <= 0 || m.Questions[0].P99 < m.Questions[0].P50 || m.Questions[0].Rows == 0 {
		t.Errorf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	if code, out, errs = lestats(t, "plugin", "bench", lean, "-n", "5"); code != exitOK || !strings.Contains(out, name) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = lestats(t, "plugin", "run", "../../plugins/built/sportifs.wasm", "global_mean", "question=obesity", "-f", "json", "--cache", cache)
	if code != exitOK || !strings.HasPrefix(out, `{"status":"done","data":{"global_mean":`) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", fixtures + "no_answer.wasm", "x"}, "lestats_v1_answer"},
		{[]string{"run", lean, "nothing"}, "nothing"},
		{[]string{"run", fixtures, "x"}, "is a directory"},
		{[]string{"info", fixtures + "no_memory.wasm"}, "plugin check"},
		{[]string{"bench", "nowhere.wasm"}, "nowhere.wasm"},
		{[]string{"bench", lean, "-n", "0"}, "1 or more"},
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

// check, bench and run take the values of a command line, and run asks the example by itself.
func TestPluginToolsTakeValues(t *testing.T) {
	const means = "../../plugins/built/sportifs.wasm"
	cache := compiled(t)
	run := func(args ...string) (int, string, string) {
		return lestats(t, append([]string{"plugin"}, append(args, "--cache", cache)...)...)
	}
	code, out, errs := run("bench", means, "-n", "1", "--json", "-p", "state=utah", "-p", "question=who engage in muscle", "--where", "year=2015..2016")
	var m author.Measured
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != exitOK || !strings.Contains(errs, "state: Utah") {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	for _, q := range m.Questions {
		if !strings.Contains(q.Asked, "muscle-strengthening") || strings.Contains(q.Asked, "Ohio") || !strings.Contains(q.Asked, "--where year=2015..2016") {
			t.Errorf("%s was asked: %s", q.Question, q.Asked)
		}
	}
	if code, out, errs = run("check", means, "--json", "-p", "state=Utah"); code != exitOK || strings.Contains(out, "Ohio") {
		t.Errorf("check: exit code %d, %s%s", code, out, errs)
	}
	for _, tt := range []struct{ args, want string }{
		{"check -p stat=Utah", "-p stat=Utah: no question of sportifs has this parameter; their parameters are best, question, state, states, strata, stratum, year"},
		{"bench -p state=Utha", `did you mean "Utah"?`},
		{"check -p state=Utha", `did you mean "Utah"?`},
		{"bench --where count=1", "count"},
		{"check -p state", "not of the form name=value"},
		{"run", "answers several questions; name one of states_mean, "},
	} {
		args := strings.Fields(tt.args)
		if code, _, errs := run(append([]string{args[0], means}, args[1:]...)...); code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: exit code %d, %s", tt.args, code, errs)
		}
	}
	if code, out, errs = run("run", means, "state_mean"); code != exitOK || !strings.Contains(out, "Ohio") || !strings.Contains(errs, "asked: state_mean 'question=Percent of adults aged 18 years and older who have obesity' state=Ohio") {
		t.Errorf("run: exit code %d, %s%s", code, out, errs)
	}
	if code, out, errs = run("run", fixtures+"lean.wasm"); code != exitOK || !strings.Contains(errs, "asked: ") {
		t.Errorf("run of the only question: exit code %d, %s%s", code, out, errs)
	}
}

// A module that a server cannot compile within its limits fails the check too: both
// compile in a child process. The built-in plugin needs none.
func TestCompilingHasLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles the built-in plugin four times")
	}
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
	if err := os.WriteFile(changed, append(wasm, 0, 2, 1, 'x'), 0o600); err != nil { // an additional section makes it another module
		t.Fatal(err)
	}
	tooLarge := func(out string) bool {
		const race = "ThreadSanitizer failed to allocate" // with -race, it may be the first to lack memory
		return strings.Contains(out, "does not compile within 1 MiB of memory and 2s") || strings.Contains(out, race)
	}
	if code, out, _ := lestats(t, "plugin", "check", "--cache", "off", "--limits", limits, changed); code != exitFailed || !tooLarge(out) {
		t.Errorf("check: %d\n%s", code, out)
	}
	code, out, _ := lestats(t, "plugin", "list", "--cache", "off", "--limits", limits, "--plugins", filepath.Dir(changed))
	if code != exitFailed || !tooLarge(out) || !strings.Contains(out, "states_mean") {
		t.Errorf("list: %d\n%s", code, out)
	}
	// Within a limit that is wide, also for the race detector's compiler, it compiles.
	if err := os.WriteFile(limits, []byte("compile: {memory: 500 MiB, time: 1m}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, out, _ := lestats(t, "plugin", "check", "--cache", "off", "--limits", limits, changed); !strings.Contains(out, "states_mean: asked with") { // the check still reports that its names are taken
		t.Errorf("within a wide limit:\n%s", out)
	}
}
