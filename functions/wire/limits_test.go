package wire

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// infra/limits.yaml lists the defaults.
func TestLimitsFileHasTheDefaults(t *testing.T) {
	got, err := ReadLimits("../../infra/limits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Limits{
		Budget: sandbox.DefaultBudget,
		Default: sandbox.Limits{
			Memory: sandbox.DefaultMemoryLimit, Fuel: sandbox.DefaultFuel, Time: sandbox.DefaultTimeLimit,
			Stack: sandbox.DefaultStack, Result: sandbox.DefaultResultLimit, Log: sandbox.DefaultLogLimit,
		},
		Plugins: map[string]sandbox.Limits{"sportifs": {Time: 2 * time.Second}},
	}
	want.Compile.Memory, want.Compile.Time = sandbox.DefaultCompileMemory, sandbox.DefaultCompileTime
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
}

func TestReadLimits(t *testing.T) {
	got, err := ReadLimits(write(t, "plugins: {a: {memory: 1000000, fuel: 12}}\n"))
	want := Limits{Plugins: map[string]sandbox.Limits{"a": {Memory: 1_000_000, Fuel: 12}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	// All entries of a section may be comments.
	got, err = ReadLimits(write(t, "default:\n  # time: 1s\ncompile:\nplugins:\n  a:\n"))
	if want = (Limits{Plugins: map[string]sandbox.Limits{"a": {}}}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("empty sections: %+v, %v; want %+v", got, err, want)
	}
	for _, test := range []struct{ text, want string }{
		{"default: {memory: much}", `"much" is not a size`},
		{"default: {memory: 0}", `"0" is not a size`},
		{"default: {fuel: -1}", `"-1" is not an amount of fuel`},
		{"default: {fuel: 1e300}", "is not an amount of fuel"},
		{"default: {time: 5}", `"5" is not a duration`},
		{"default: {time: -5s}", `"-5s" is not a duration`},
		{"default: {speed: 5}", "line 1: default.speed: unknown key; the keys are memory, fuel,"},
		{"compile: {time: 10}", `"10" is not a duration`},
		{"compile: {fuel: 10}", "line 1: compile.fuel: unknown key; the keys are memory, time"},
		{"plugins: [a]", "line 1: plugins: it is a list; it must be a mapping"},
		{"{", "limits.yaml"},
	} {
		if _, err := ReadLimits(write(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q in it", test.text, err, test.want)
		}
	}
	if _, err := ReadLimits(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was read")
	}
	if got, err := ReadLimits(""); err != nil || !reflect.DeepEqual(got, Limits{}) {
		t.Errorf("no file: %+v, %v", got, err)
	}
}

// A limit of one plugin applies to that plugin.
func TestLimitsReachThePlugin(t *testing.T) {
	_, err := OpenQuestions(t.Context(), QuestionsConfig{EngineConfig: EngineConfig{Limits: write(t, "plugins: {sportifs: {stack: 1 KiB}}"), Cache: "off"}})
	if err == nil || !strings.Contains(err.Error(), "sportifs") || !strings.Contains(err.Error(), "stack limit is 1024") {
		t.Errorf("%v", err)
	}
}

// A limits file that would take gigabytes to parse is refused, with the line.
func TestLimitsAreBounded(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("[", 200_000), "it has 200000 tokens"},
		{"plugins:\n  a: " + strings.Repeat("{b: ", 1000), "line 2: lists and mappings are nested more than 16 deep"},
		{"a: &a 1\nb: *a\n", "line 1: an anchor"},
		{"budget: 1 GiB\n---\nbudget: 2 GiB\n", "2 YAML documents"},
		{strings.Repeat("# much\n", 50_000), "more than 262144 bytes"},
	} {
		if _, err := ReadLimits(write(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20s: %v; want %q in it", c.text, err, c.want)
		}
	}
}

// The file cannot raise the time limit of the command line.
func TestTimeLimitIsAMaximum(t *testing.T) {
	l := Limits{
		Default: sandbox.Limits{Time: time.Minute},
		Plugins: map[string]sandbox.Limits{"long": {Time: time.Hour}, "short": {Time: time.Second}, "default": {}},
	}
	l.apply(EngineConfig{TimeLimit: 5 * time.Second})
	for name, want := range map[string]time.Duration{"long": 5 * time.Second, "short": time.Second, "default": 5 * time.Second} {
		if got := l.Plugins[name].Over(l.Default).Time; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
