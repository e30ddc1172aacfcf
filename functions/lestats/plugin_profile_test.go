package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/le-stats-sportifs/lestats/functions/author"
)

// pprofTop runs go tool pprof -top.
func pprofTop(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"tool", "pprof", "-top"}, args...)...).CombinedOutput()
	if err != nil {
		t.Errorf("go tool pprof %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// plugin profile writes what go tool pprof opens, and prints the same figures.
func TestPluginProfile(t *testing.T) {
	named, err := filepath.Abs(fixtures + "named.wasm")
	if err != nil {
		t.Fatal(err)
	}
	faults := strings.Replace(named, "named", "faults", 1)
	t.Chdir(t.TempDir())

	code, out, errs := lestats(t, "plugin", "profile", named, "squares")
	if code != exitOK || !strings.Contains(out, "written to squares.pb.gz") || !strings.Contains(out, "square\n") {
		t.Fatalf("exit code %d, %s%s", code, out, errs)
	}
	top := pprofTop(t, "squares.pb.gz")
	for _, want := range []string{"Type: fuel", "units total", "squares", "main.answer"} {
		if !strings.Contains(top, want) {
			t.Errorf("go tool pprof -top has no %q:\n%s", want, top)
		}
	}
	if top := pprofTop(t, "-sample_index=calls", "squares.pb.gz"); !strings.Contains(top, "        10 ") {
		t.Errorf("go tool pprof -top has not 10 calls of square:\n%s", top)
	}

	var p author.Profiled
	code, out, errs = lestats(t, "plugin", "profile", named, "squares", "--json", "-o", "own.pb.gz")
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != exitOK || p.Output != "own.pb.gz" || p.Fuel == 0 {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	if !strings.Contains(pprofTop(t, "own.pb.gz"), fmt.Sprintf("of %dunits total", p.Fuel)) {
		t.Errorf("go tool pprof does not have %d units", p.Fuel)
	}

	for _, tt := range []struct {
		args []string
		file string // that is written all the same
		want []string
	}{
		{[]string{named, "trap"}, "trap.pb.gz", []string{"was stopped in\n  inner\n  plugin::outer\n  trap\n", "divide by zero\n  in inner\n"}},
		{[]string{faults, "unreachable"}, "unreachable.pb.gz", []string{"func[12]", "plugin build --names", "trapped: unreachable"}},
		{[]string{named}, "", []string{"name one of squares, paths, deep, trap"}},
		{[]string{named, "sqares"}, "", []string{`does not answer the question "sqares"`}},
		{[]string{named, "squares", "a=b"}, "", []string{`"a"`}},
		{[]string{named, "squares", "-o", "nowhere/p.pb.gz"}, "", []string{"--output", "nowhere"}},
		{[]string{"nowhere.wasm"}, "", []string{"nowhere.wasm"}},
	} {
		code, out, errs := lestats(t, append([]string{"plugin", "profile"}, tt.args...)...)
		if code != exitFailed {
			t.Errorf("%v: exit code %d", tt.args, code)
		}
		for _, want := range tt.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%v says nothing of %q:\n%s%s", tt.args, want, out, errs)
			}
		}
		if tt.file != "" && !strings.Contains(pprofTop(t, tt.file), "Type: fuel") {
			t.Errorf("%v: no profile in %s", tt.args, tt.file)
		}
	}
}

// A new plugin in Go that is built with names spends the same fuel, and its profile names
// its functions. make test-walkthrough does the same in all four languages.
func TestPluginProfileOfGo(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	t.Chdir(t.TempDir())
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	if code, _, errs := lestats(t, "plugin", "new", "spread", "--lang", "go"); code != exitOK {
		t.Fatal(errs)
	}
	var fuel [2]int64
	for i, flags := range [][]string{{"spread"}, {"spread", "--names"}} {
		if code, _, errs := lestats(t, append([]string{"plugin", "build"}, flags...)...); code != exitOK {
			t.Fatal(errs)
		}
		var p author.Profiled
		code, out, errs := lestats(t, "plugin", "profile", "spread/spread.wasm", "--json")
		if err := json.Unmarshal([]byte(out), &p); err != nil || code != exitOK || p.Names != (i == 1) {
			t.Fatalf("exit code %d, %v, names %t, %s", code, err, p.Names, errs)
		}
		fuel[i] = p.Fuel
	}
	if fuel[0] != fuel[1] || fuel[0] == 0 {
		t.Errorf("without and with names it spends %d units", fuel)
	}
	if top := pprofTop(t, "spread.pb.gz"); !strings.Contains(top, "main.answer") {
		t.Errorf("go tool pprof names no main.answer:\n%s", top)
	}
}

// plugin run --trace-host shows each call of the host, and the functions that ran in a trap.
func TestPluginTraceHost(t *testing.T) {
	cache := compiled(t)
	code, _, errs := lestats(t, "plugin", "run", fixtures+"faults.wasm", "stderr", "--trace-host", "--cache", cache)
	for _, want := range []string{
		"1  lestats_v1_answer: wasi_snapshot_preview1.fd_write(2, 0x3220, 1, 0x3228) = 0, 25 bytes\n", "\ncalls of the host: 1\n",
		"trapped: unreachable; it wrote \"panic: out of patience\"\n  in func[21]\n  in lestats_v1_answer\n",
	} {
		if code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, nothing of %q:\n%s", code, want, errs)
		}
	}
	code, _, errs = lestats(t, "plugin", "run", fixtures+"faults.wasm", "flood", "--trace-host", "--cache", cache)
	if code != exitFailed && code != exitOK || strings.Count(errs, "lestats_v1.log(") != maxHostCalls || !strings.Contains(errs, ", of which the first 10,000 are shown\n") {
		t.Errorf("exit code %d, %d lines", code, strings.Count(errs, "\n"))
	}
	if code, out, _ := lestats(t, "plugin", "check", fixtures+"named.wasm", "--cache", cache); code != exitFailed || !strings.Contains(out, "divide by zero; in inner < plugin::outer < trap < main.answer") {
		t.Errorf("check does not say where it trapped:\n%s", out)
	}
}
