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

// The file in infra/ says what the defaults are: they are.
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
	for _, test := range []struct{ text, want string }{
		{"default: {memory: much}", `"much" is no size`},
		{"default: {memory: 0}", `"0" is no size`},
		{"default: {fuel: -1}", "-1 is no amount of fuel"},
		{"default: {fuel: 1e300}", "is no amount of fuel"},
		{"default: {time: 5}", `"5" is no time`},
		{"default: {time: -5s}", `"-5s" is no time`},
		{"default: {speed: 5}", "speed"},
		{"compile: {time: 10}", `"10" is no time`},
		{"compile: {fuel: 10}", "fuel"},
		{"plugins: [a]", "limits.yaml"},
		{"{", "limits.yaml"},
	} {
		if _, err := ReadLimits(write(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q in it", test.text, err, test.want)
		}
	}
	if _, err := ReadLimits(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
	if got, err := ReadLimits(""); err != nil || !reflect.DeepEqual(got, Limits{}) {
		t.Errorf("no file: %+v, %v", got, err)
	}
}

// A limit of one plugin is that plugin's.
func TestLimitsReachThePlugin(t *testing.T) {
	_, err := OpenQuestions(t.Context(), QuestionsConfig{Limits: write(t, "plugins: {sportifs: {stack: 1 KiB}}"), Cache: "off"})
	if err == nil || !strings.Contains(err.Error(), "sportifs") || !strings.Contains(err.Error(), "stack is 1024") {
		t.Errorf("%v", err)
	}
}

// A limits file that would take gigabytes to parse is refused, with the line.
func TestLimitsAreBounded(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("[", 200_000), "it has 200000 parts"},
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
