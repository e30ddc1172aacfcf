package sandbox

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// traced returns a plugin that can be profiled, and the same one as it is served.
func traced(t testing.TB, limits Limits, wasm []byte) (profiled, served *Plugin) {
	t.Helper()
	e := newEngine(t, Config{Limits: limits}, newFakeDataset())
	profiled, err := e.LoadTraced(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if served, err = e.Load(t.Context(), wasm); err != nil {
		t.Fatal(err)
	}
	return profiled, served
}

// profileOf profiles a request and checks what holds for every profile: it changes nothing,
// it has all the fuel, and it is within its bounds.
func profileOf(t *testing.T, profiled, served *Plugin, name string) (*Profile, error) {
	t.Helper()
	b, err := attack{plugin: served, question: name}.bind(1)
	if err != nil {
		t.Fatal(err)
	}
	table, used, wantErr := served.Measure(t.Context(), b, nil)
	if b, err = (attack{plugin: profiled, question: name}).bind(1); err != nil {
		t.Fatal(err)
	}
	seen, again, usedAgain, err := profiled.Profile(t.Context(), b, nil)
	if question.CodeOf(err) != question.CodeOf(wantErr) || used.Fuel != usedAgain.Fuel || !reflect.DeepEqual(table, again) {
		t.Errorf("%s: profiled %v and %d units; served %v and %d", name, err, usedAgain.Fuel, wantErr, used.Fuel)
	}
	sum, depth := int64(0), make([]int, len(seen.Paths))
	for i, p := range seen.Paths {
		sum += p.Fuel
		if p.Parent >= i || p.Fuel < 0 || p.Calls < 0 {
			t.Fatalf("%s: path %d is %+v", name, i, p)
		}
		if p.Parent >= 0 {
			depth[i] = depth[p.Parent] + 1
		}
	}
	if sum != used.Fuel {
		t.Errorf("%s: the paths have %d of %d units", name, sum, used.Fuel)
	}
	if len(seen.Paths) > maxPaths || len(depth) > 0 && slices.Max(depth) > maxDepth {
		t.Errorf("%s: %d paths, up to %d deep", name, len(seen.Paths), slices.Max(depth))
	}
	if second, _, _, _ := profiled.Profile(t.Context(), b, nil); !reflect.DeepEqual(seen, second) {
		t.Errorf("%s: the second profile is another", b.Question.Name)
	}
	return seen, err
}

func names(places []Place) (out []string) {
	for _, p := range places {
		out = append(out, p.Name)
	}
	return out
}

func TestProfile(t *testing.T) {
	profiled, served := traced(t, Limits{}, fixture(t, "named"))
	profile := func(name string) (calls, fuel map[string]int64, seen *Profile, err error) {
		t.Helper()
		calls, fuel = map[string]int64{}, map[string]int64{}
		seen, err = profileOf(t, profiled, served, name)
		for _, p := range seen.Paths {
			calls[p.Place.Name] += p.Calls
			fuel[p.Place.Name] += p.Fuel
		}
		return calls, fuel, seen, err
	}
	t.Run("calls and paths", func(t *testing.T) {
		calls, fuel, seen, err := profile("squares")
		if want := map[string]int64{"main.answer": 1, "squares": 1, "square": 10}; err != nil || !reflect.DeepEqual(calls, want) {
			t.Errorf("calls %v, %v; want %v", calls, err, want)
		}
		if fuel["square"] == 0 || fuel["squares"] == 0 || len(seen.Stopped) > 0 {
			t.Errorf("fuel %v, stopped in %v", fuel, seen.Stopped)
		}
		for _, p := range seen.Paths {
			if p.Place.Name == "square" && seen.Paths[p.Parent].Place.Name != "squares" {
				t.Errorf("square is called by %+v", seen.Paths[p.Parent])
			}
		}
	})
	t.Run("many paths", func(t *testing.T) {
		calls, fuel, seen, err := profile("paths")
		if err != nil || len(seen.Paths) < maxPaths-2 || fuel[NameOther] == 0 || calls["left"]+calls["right"]+calls[NameOther] != 1<<16-1 {
			t.Errorf("%d paths, %d units on others, calls %v, %v", len(seen.Paths), fuel[NameOther], calls, err)
		}
	})
	t.Run("deep calls", func(t *testing.T) {
		calls, fuel, _, err := profile("deep")
		if err != nil || fuel[NameDeeper] == 0 || calls["nest"]+calls[NameDeeper] != 1001 {
			t.Errorf("fuel %v, calls %v, %v", fuel, calls, err)
		}
	})
	t.Run("a trap", func(t *testing.T) {
		_, fuel, seen, err := profile("trap")
		wantError(t, err, question.CodePluginTrap, "integer divide by zero")
		if want := []string{"inner", "_ZN6plugin5outer17h0123456789abcdefE", "trap", "main.answer"}; !slices.Equal(names(seen.Stopped), want) || fuel["main.answer"] == 0 {
			t.Errorf("stopped in %q, fuel %v; want %q", names(seen.Stopped), fuel, want)
		}
	})
	t.Run("host functions", func(t *testing.T) {
		profiled, served := traced(t, Limits{Log: 10_000}, fixture(t, "faults"))
		seen, err := profileOf(t, profiled, served, "flood")
		wantError(t, err, question.CodeLogLimit)
		if at := names(seen.Stopped); len(at) < 2 || at[0] != "lestats_v1.log" {
			t.Errorf("stopped in %q", at)
		}
	})
}

// Guests that attack the host have profiles too, of which all the same holds.
func TestProfilesOfHostileGuests(t *testing.T) {
	files := []string{"faults"}
	for name := range endings {
		if name != "manifest" { // it is refused here
			files = append(files, "hostile/"+name)
		}
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			profiled, served := traced(t, Limits{Fuel: 1_000_000, Time: time.Minute, Memory: 64 << 20}, fixture(t, file))
			for i := range served.manifest.Questions {
				question := served.manifest.Questions[i].Name
				if seen, err := profileOf(t, profiled, served, question); err == nil && len(seen.Stopped) > 0 {
					t.Errorf("%s: it returned, and was stopped in %q", question, names(seen.Stopped))
				}
			}
		})
	}
}

// A trap says in which functions it happened, but not in its reason, which clients see.
func TestStackOfTraps(t *testing.T) {
	profiled, served := traced(t, Limits{}, fixture(t, "named"))
	for _, p := range []*Plugin{profiled, served} {
		_, err := ask(t.Context(), p, newFakeDataset(), "trap", nil)
		wantError(t, err, question.CodePluginTrap, "lestats_v1_answer trapped: integer divide by zero")
		if want := []string{"inner", "plugin::outer", "trap", "main.answer"}; !slices.Equal(StackOf(err), want) {
			t.Errorf("it happened in %q; want %q", StackOf(err), want)
		}
		if strings.Contains(err.Error(), "inner") {
			t.Errorf("the reason says so: %v", err)
		}
	}
	profiled, served = traced(t, Limits{Fuel: 1e6, Memory: 1 << 20}, fixture(t, "faults"))
	for name, want := range map[string][]string{
		"unreachable":   {"func[12]", "lestats_v1_answer"},
		"grow":          {"func[15]", "lestats_v1_answer"}, // the error is the limit
		"exit":          {"wasi_snapshot_preview1.proc_exit", "func[19]", "func[18]", "lestats_v1_answer"},
		"endless_calls": {"func[10]", "lestats_v1_answer"},
		"recurse":       append(slices.Repeat([]string{"func[17]"}, maxFrames), "..."),
		"large":         nil,
	} {
		for _, p := range []*Plugin{profiled, served} {
			if _, err := ask(t.Context(), p, newFakeDataset(), name, nil); err == nil || !slices.Equal(StackOf(err), want) {
				t.Errorf("%s: %v in %q; want %q", name, err, StackOf(err), want)
			}
		}
	}
	for name, want := range map[string][]string{
		"open_traps": {"lestats_v1_open"}, "describe_traps": {"lestats_v1_describe"}, "initialize_traps": {"_initialize"},
	} {
		_, err := newEngine(t, Config{}, newFakeDataset()).Load(t.Context(), fixture(t, name))
		if wantError(t, err, question.CodeBadPlugin, "trapped"); !slices.Equal(StackOf(err), want) {
			t.Errorf("%s: it happened in %q; want %q", name, StackOf(err), want)
		}
	}
}

func TestReadable(t *testing.T) {
	for name, want := range map[string]string{
		"_ZN4core3fmt5write17h0123456789abcdefE": "core::fmt::write",
		"core::fmt::write::h0123456789abcdef":    "core::fmt::write",
		"_RNvC6plugin6answer":                    "plugin::answer",
		"main.(*T).Answer":                       "main.(*T).Answer",
		"lestats_v1_answer":                      "lestats_v1_answer",
		"~lib/rt/stub/__alloc":                   "~lib/rt/stub/__alloc",
		"_ZN":                                    "_ZN",
		"":                                       "",
	} {
		if got := Readable(name); got != want {
			t.Errorf("%q is %q; want %q", name, got, want)
		}
	}
}

// Config.HostCalls sees each call of the host, with arguments and result.
func TestHostCalls(t *testing.T) {
	var calls []string
	p := load(t, Config{HostCalls: func(c HostCall) { calls = append(calls, c.String()) }}, "faults")
	for _, name := range []string{"exit", "stderr", "random", "clock", "log_outside"} {
		_, _ = ask(t.Context(), p, newFakeDataset(), name, nil) // some of them fail
	}
	want := []string{
		"lestats_v1_answer: wasi_snapshot_preview1.proc_exit(3), which ended the job",
		"lestats_v1_answer: wasi_snapshot_preview1.fd_write(2, 0x3220, 1, 0x3228) = 0, 25 bytes",
		"lestats_v1_answer: wasi_snapshot_preview1.random_get(0x3300, 8) = 0, 8 bytes",
		"lestats_v1_answer: wasi_snapshot_preview1.clock_time_get(1, 1, 0x3308) = 0",
		"lestats_v1_answer: wasi_snapshot_preview1.clock_time_get(0, 1, 0x3300) = 0",
		"lestats_v1_answer: lestats_v1.log(0, 0, 0xffffffff), which ended the job",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("got  %q\nwant %q", calls, want)
	}
}
