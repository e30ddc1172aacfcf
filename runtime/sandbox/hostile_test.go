package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// The hostile guests: testdata/hostile has those that can be written down, and
// hostile_built_test.go makes those that are large or that wat2wasm refuses.
//
// They run in a process of their own, which has to end well and to stay small: a
// guest that kills it is the worst failure there is. LESTATS_HOSTILE=here runs them
// in this process, for a debugger or a profile. LESTATS_HOSTILE_SOAK=10m goes on
// for that long with guests that are changed at random.
const (
	hostileEnv = "LESTATS_HOSTILE"
	soakEnv    = "LESTATS_HOSTILE_SOAK"
)

// maxHostileRSS is what the process may ever use, in bytes, without the race
// detector's own.
const maxHostileRSS = 400 << 20

func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	if os.Getenv(hostileEnv) != "" {
		t.Run("ends", testHostileEnds)
		t.Run("built", testHostileBuilt)
		t.Run("manifests", testHostileManifests)
		t.Run("changed", testHostileChanged)
		t.Run("cancelled", testHostileCancelled)
		t.Run("beside", testHostileBeside)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^TestHostile$", "-test.timeout=" + (5*time.Minute + 2*soak(t)).String()}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), hostileEnv+"=child", "GOMEMLIMIT=256MiB")
	output, err := cmd.CombinedOutput()
	if testing.Verbose() || err != nil {
		t.Logf("%s", output)
	}
	if err != nil {
		t.Fatalf("the process with the hostile guests: %v", err)
	}
	if rss := peakRSS(cmd.ProcessState); rss > maxHostileRSS && !testtool.Race {
		t.Errorf("it used up to %d MB of memory; at most %d", rss>>20, maxHostileRSS>>20)
	} else {
		t.Logf("it used up to %d MB of memory", rss>>20)
	}
}

func soak(t *testing.T) time.Duration {
	text := os.Getenv(soakEnv)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", soakEnv, err)
	}
	return d
}

// ok is the outcome of a guest that answers; anyCode that of one which may do
// either, as long as it does it alike each time.
const (
	ok      question.Code = ""
	anyCode question.Code = "any"
)

// endings says how each attack ends: by guest, what all of its questions do, and
// those that do something else. A guest that is not named is refused when it is
// loaded.
var endings = map[string]struct {
	all    question.Code
	others map[string]question.Code
}{
	"spin":      {question.CodeFuelLimit, nil},
	"call_tree": {question.CodeFuelLimit, nil},
	"recurse":   {question.CodeDepthLimit, map[string]question.Code{"leaf_last": question.CodeFuelLimit}},
	"fill":      {question.CodeFuelLimit, map[string]question.Code{"gibibyte": question.CodePluginTrap}},
	"grow": {question.CodeFuelLimit, map[string]question.Code{
		"until_refused": question.CodeMemoryLimit, "touch": question.CodeMemoryLimit, "most": ok}},
	"cold":          {question.CodeFuelLimit, nil},
	"tables":        {question.CodeFuelLimit, map[string]question.Code{"wide": ok, "outside": question.CodePluginTrap}},
	"outside":       {question.CodePluginTrap, nil},
	"confuse":       {question.CodePluginTrap, nil},
	"pointers":      {question.CodeBadResult, nil},
	"lies":          {question.CodeBadResult, map[string]question.Code{"error_forged": question.CodePluginError}},
	"results":       {question.CodeBadResult, map[string]question.Code{"empty": ok, "many": question.CodeResultTooLarge}},
	"noise":         {anyCode, nil},
	"alloc_again":   {question.CodeBadResult, nil},
	"alloc_outside": {question.CodeBadResult, nil},
	"alloc_crooked": {question.CodeBadResult, nil},
	"alloc_end":     {question.CodeBadResult, nil},
	"alloc_nothing": {question.CodeMemoryLimit, nil},
	"alloc_spins":   {question.CodeFuelLimit, nil},
	"alloc_exits":   {question.CodePluginTrap, nil},
	"alloc_grows":   {ok, nil},
	"reenter": {ok, map[string]question.Code{"answers": question.CodeDepthLimit, "deep": question.CodeDepthLimit,
		"describes": question.CodeFuelLimit, "allocs": question.CodeFuelLimit}},
	"exit":          {question.CodePluginTrap, nil},
	"clock":         {ok, map[string]question.Code{"reads": question.CodeFuelLimit, "sleeps": question.CodeFuelLimit, "flood": question.CodeFuelLimit}},
	"random":        {ok, map[string]question.Code{"forever": question.CodeFuelLimit, "bytes": question.CodeFuelLimit}},
	"flood":         {question.CodeLogLimit, map[string]question.Code{"outside": question.CodePluginTrap, "wraps": question.CodePluginTrap, "progresses": question.CodeFuelLimit}},
	"iovecs":        {ok, map[string]question.Code{"huge": question.CodeLogLimit, "empty": question.CodeFuelLimit}},
	"remember_much": {ok, nil},
	"manifest":      {},
	"elem_outside":  {ok, nil}, // wazero leaves such a segment out
}

func hostileFixture(t testing.TB, name string) []byte { return fixture(t, "hostile/"+name) }

func hostileNames(t testing.TB) (names []string) {
	files, err := filepath.Glob("testdata/hostile/*.wasm")
	if err != nil || len(files) < len(endings) {
		t.Fatal(files, err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".wasm"))
	}
	return names
}

// attack is one question of a hostile guest.
type attack struct {
	plugin   *Plugin
	question string
	ending   question.Code
}

func (a attack) String() string { return a.plugin.manifest.Name + " " + a.question }

// endless reports whether the attack goes on for as long as it may.
func (a attack) endless() bool { return a.ending == question.CodeFuelLimit }

func (a attack) bind(seed int) (*question.BoundRequest, error) {
	params := map[string]any{}
	q, _, _ := a.plugin.manifest.Find(a.question)
	for _, p := range q.Params {
		if p.List { // more than fits the room that the host keeps for requests
			params[p.Name] = slices.Repeat([]any{1}, 1000)
		} else {
			params[p.Name] = seed
		}
	}
	return a.plugin.manifest.Bind(question.Request{Question: a.question, Params: params}, newFakeDataset())
}

// outcome is all that is the same each time an attack is run.
type outcome struct {
	table  *question.Table
	fuel   int64
	code   question.Code
	reason string
}

func (a attack) run(ctx context.Context, seed int) (o outcome, took time.Duration) {
	b, err := a.bind(seed)
	if err != nil {
		return outcome{code: question.CodeOf(err), reason: err.Error()}, 0
	}
	start := time.Now()
	var failed *question.Error
	var used question.Usage
	if o.table, used, failed = a.plugin.answer(ctx, b, nil, nil); failed != nil {
		o.code, o.reason = failed.Code, failed.Reason
	}
	o.fuel = used.Fuel
	return o, time.Since(start)
}

// attacksOf loads one hostile guest into an engine; none where it is one of those
// that are refused.
func attacksOf(t testing.TB, e *Engine, name string) (all []attack) {
	end, loads := endings[name]
	if !loads || name == "manifest" {
		return nil
	}
	p, err := e.Load(t.Context(), hostileFixture(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i := range p.manifest.Questions {
		q := p.manifest.Questions[i].Name
		ending, own := end.others[q]
		if !own {
			ending = end.all
		}
		all = append(all, attack{p, q, ending})
	}
	return all
}

// attacks loads every hostile guest that can be loaded into an engine.
func attacks(t testing.TB, e *Engine) (all []attack) {
	for _, name := range hostileNames(t) {
		all = append(all, attacksOf(t, e, name)...)
	}
	return all
}

// hostileConfig has limits that are soon reached.
func hostileConfig(log *bytes.Buffer) Config {
	return Config{Limits: Limits{Fuel: 60_000_000, Time: 20 * time.Second, Log: 1 << 20}, Log: textLog(log)}
}

// checkReason makes sure that what a person reads is short and cannot move the
// cursor of a terminal.
func checkReason(t *testing.T, what, reason string) {
	t.Helper()
	if len(reason) == 0 || len(reason) > 1500 || strings.ContainsFunc(reason, unicode.IsControl) {
		t.Errorf("%s: the reason is not one for a person: %d bytes, %.300q", what, len(reason), reason)
	}
}

// Every guest ends with its code, in bounded time, and in the same way in every
// sandbox and however sandboxes are reset; good jobs running at the same time are not affected.
func testHostileEnds(t *testing.T) {
	var log bytes.Buffer
	first := newEngine(t, hostileConfig(&log), newFakeDataset())
	copying := hostileConfig(&log)
	copying.strategy = resetCopy
	second := newEngine(t, copying, newFakeDataset())
	good, err := first.Load(t.Context(), fixture(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	works := func() error {
		got, err := ask(t.Context(), good, newFakeDataset(), "sum", nil, question.Range{Count: 8})
		if err == nil && (got.Columns[0].Integers[0] != 8 || got.Columns[1].Numbers[0] != 10.5) {
			err = fmt.Errorf("%+v", got.Columns)
		}
		return err
	}
	var slowest []string
	for _, name := range hostileNames(t) {
		all := attacksOf(t, first, name)
		again := attacksOf(t, second, name)
		for i, a := range all {
			o, took := a.run(t.Context(), 1)
			if a.ending != anyCode && o.code != a.ending {
				t.Errorf("%v ended with %q (%.200s) after %v; want %q", a, o.code, o.reason, took, a.ending)
			}
			if o.code != ok {
				checkReason(t, a.String(), o.reason)
			}
			slowest = append(slowest, fmt.Sprintf("%8.1f ms %s", float64(took.Microseconds())/1e3, a))
			if took > 10*time.Second {
				t.Errorf("%v took %v", a, took)
			}
			for _, b := range []attack{a, again[i]} {
				if other, _ := b.run(t.Context(), 1); !reflect.DeepEqual(o, other) {
					t.Errorf("%v ended with %+v, and with %+v in another sandbox", a, o, other)
				}
			}
			if err := works(); err != nil {
				t.Errorf("after %v, a good job: %v", a, err)
			}
		}
		if len(all) > 0 {
			if err := errors.Join(all[0].plugin.Close(t.Context()), again[0].plugin.Close(t.Context())); err != nil {
				t.Error(err)
			}
		}
	}
	slices.SortFunc(slowest, func(a, b string) int { return cmp.Compare(b, a) })
	t.Logf("the slowest:\n%s", strings.Join(slowest[:10], "\n"))
	for _, name := range hostileNames(t) {
		if _, loads := endings[name]; loads {
			continue
		}
		start := time.Now()
		p, err := first.Load(t.Context(), hostileFixture(t, name))
		if err == nil {
			t.Errorf("%s was loaded", name)
			_ = p.Close(t.Context())
			continue
		}
		if question.CodeOf(err) != question.CodeBadPlugin || time.Since(start) > patience {
			t.Errorf("%s, after %v: %v", name, time.Since(start), err)
		}
		checkReason(t, name, err.Error())
		if err := works(); err != nil {
			t.Errorf("after %s, a good job: %v", name, err)
		}
	}
	if s := first.stats(); s.Waiting != 0 || s.BudgetUsed > s.Budget {
		t.Errorf("%+v", s)
	}
	for line := range strings.Lines(log.String()) {
		if line = strings.TrimSuffix(line, "\n"); strings.ContainsFunc(line, unicode.IsControl) || strings.HasPrefix(line, "level=ERROR msg=forged") {
			t.Errorf("the log has %q", line)
			break
		}
		if strings.Contains(line, "panicked") {
			t.Errorf("the log has %.500s", line)
		}
	}
}

// patience is how long something may take that is to end soon: on any machine far
// longer than it does, and far from for ever.
const patience = 30 * time.Second

// Cancelling stops each guest that runs, wherever it is, and not its limit of time.
// How soon is BenchmarkStopping's to measure.
func testHostileCancelled(t *testing.T) {
	var log bytes.Buffer
	cfg := hostileConfig(&log)
	cfg.Limits = Limits{Fuel: 1 << 50, Log: 1 << 50, Time: time.Minute}
	e := newEngine(t, cfg, newFakeDataset())
	worst := time.Duration(0)
	for _, a := range attacks(t, e) {
		if !a.endless() && a.ending != question.CodeLogLimit {
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		at := make(chan time.Time, 1)
		time.AfterFunc(15*time.Millisecond, func() {
			at <- time.Now()
			cancel()
		})
		o, _ := a.run(ctx, 1)
		worst = max(worst, time.Since(<-at))
		if o.code != question.CodeCancelled {
			t.Errorf("%v was cancelled, and ended with %q: %s", a, o.code, o.reason)
		}
	}
	t.Logf("stopping took at most %v", worst)
}

// Guests that were changed at random end in some way, the same way each time.
func testHostileChanged(t *testing.T) {
	seed := uint64(5)
	soaking := soak(t)
	if soaking > 0 {
		seed = rand.Uint64()
		t.Logf("seed %d", seed)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	var originals [][]byte
	for _, name := range hostileNames(t) {
		originals = append(originals, hostileFixture(t, name))
	}
	for _, name := range []string{"good", "poke", "faults", "remember", "runaway"} {
		originals = append(originals, fixture(t, name))
	}
	quiet := slog.New(slog.DiscardHandler)
	limits := Config{Limits: Limits{Fuel: 3_000_000, Time: 20 * time.Second, Log: 64 << 10}, Log: quiet}
	first := newEngine(t, limits, newFakeDataset())
	limits.strategy = resetCopy
	second := newEngine(t, limits, newFakeDataset())
	noise, err := first.Load(t.Context(), hostileFixture(t, "noise"))
	if err != nil {
		t.Fatal(err)
	}
	codes := map[question.Code]int{}
	for seed := range 2000 {
		o, _ := attack{noise, "noise", anyCode}.run(t.Context(), seed)
		codes[o.code]++
		if o.code == question.CodeInternal {
			t.Errorf("noise %d: %s", seed, o.reason)
		}
	}
	t.Logf("noise ended with %v", codes)
	clear(codes)
	least := 1500
	if testtool.Race {
		least = 300
	}
	end := time.Now().Add(soaking)
	for n := 0; n < least || time.Now().Before(end); n++ {
		wasm := change(random, originals)
		codes["tried"]++
		start := time.Now()
		p, err := first.Load(t.Context(), wasm)
		if err != nil {
			codes["refused"]++
			if question.CodeOf(err) != question.CodeBadPlugin || time.Since(start) > patience {
				keepf(t, wasm, "it was refused with %v after %v", err, time.Since(start))
			}
			checkReason(t, "a changed guest", err.Error())
			continue
		}
		q, err := second.Load(t.Context(), wasm)
		if err != nil {
			keepf(t, wasm, "it was loaded once, and then refused with %v", err)
			_ = p.Close(t.Context())
			continue
		}
		for i := range p.manifest.Questions {
			name := p.manifest.Questions[i].Name
			a, took := attack{p, name, anyCode}.run(t.Context(), n)
			b, _ := attack{q, name, anyCode}.run(t.Context(), n)
			codes[a.code]++
			if a.code == question.CodeInternal || took > 15*time.Second {
				keepf(t, wasm, "%s ended with %+v after %v", name, a, took)
			} else if !reflect.DeepEqual(a, b) && fmt.Sprint(a) != fmt.Sprint(b) { // the latter: NaN
				keepf(t, wasm, "%s ended with %+v, and with %+v where sandboxes are copied", name, a, b)
			}
		}
		if err := errors.Join(p.Close(t.Context()), q.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}
	t.Logf("changed guests ended with %v", codes)
	if codes["refused"] == codes["tried"] || codes["refused"] == 0 {
		t.Error("the changes are too many, or too few, to say anything")
	}
}

// change returns one of the modules with a few bytes changed, mostly in its
// code.
func change(random *rand.Rand, originals [][]byte) []byte {
	wasm := slices.Clone(originals[random.IntN(len(originals))])
	from, to := 8, len(wasm)
	for _, s := range sectionsOf(wasm) {
		if s.id == 10 && random.IntN(8) > 0 {
			from, to = s.start, s.end
		}
	}
	for range max(1, random.IntN(5)-1) {
		at := from + random.IntN(to-from)
		switch random.IntN(4) {
		case 0:
			wasm[at] ^= 1 << random.IntN(8)
		case 1: // another instruction
			wasm[at] = byte(random.IntN(0xc5))
		case 2: // a number that is at an end
			wasm[at] = []byte{0, 1, 0x7f, 0x3f, 0x40, 0x80, 0xff}[random.IntN(7)]
		default: // something from elsewhere in the code
			n := min(1+random.IntN(8), to-at)
			copy(wasm[at:at+n], wasm[from+random.IntN(to-from-n+1):])
		}
	}
	return wasm
}

// keepf reports what went wrong with a changed guest, and where to find it.
func keepf(t *testing.T, wasm []byte, format string, args ...any) {
	t.Helper()
	name := filepath.Join(os.TempDir(), "lestats-hostile-"+digestOf(wasm)[len("sha256:"):][:12]+".wasm")
	t.Errorf("%s: "+format, append([]any{name}, args...)...)
	if err := os.WriteFile(name, wasm, 0o600); err != nil {
		t.Log(err)
	}
}
