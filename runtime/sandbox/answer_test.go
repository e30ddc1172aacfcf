package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func textLog(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestGoodPlugin(t *testing.T) {
	ds := newFakeDataset()
	p := load(t, Config{}, "good")
	if m := p.Manifest(); m.Name != "good" || len(m.Questions) != 4 {
		t.Fatalf("manifest %+v", m)
	}
	if d := p.Digest(); d != digestOf(fixture(t, "good")) || len(d) != len("sha256:")+64 {
		t.Errorf("digest %q", d)
	}
	t.Run("echo", func(t *testing.T) {
		got, err := ask(t.Context(), p, ds, "echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := &question.Table{Layout: question.LayoutRows, Chart: "bar", Columns: newFakeDataset().columns}
		want.Columns[1].Unit = "years"
		want.Columns[2].Title = "Value"
		for i := range want.Columns {
			want.Columns[i].Role = question.RoleValue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	})
	t.Run("sum", func(t *testing.T) {
		for _, test := range []struct {
			rows []question.Range
			n    int64
			sum  float64
		}{
			{nil, 0, 0},
			{[]question.Range{{Start: 0, Count: 8}}, 8, 10.5},
			{[]question.Range{{Start: 1, Count: 2}, {Start: 4, Count: 1}, {Start: 7, Count: 1}}, 4, -0.5},
		} {
			got, err := ask(t.Context(), p, ds, "sum", nil, test.rows...)
			if err != nil {
				t.Fatal(err)
			}
			if n, sum := got.Columns[0].Integers[0], got.Columns[1].Numbers[0]; n != test.n || sum != test.sum {
				t.Errorf("%v: %d rows sum up to %v; want %d and %v", test.rows, n, sum, test.n, test.sum)
			}
			if got.Columns[1].Unit != "%" {
				t.Errorf("unit %q", got.Columns[1].Unit)
			}
		}
	})
	t.Run("list", func(t *testing.T) {
		got, err := ask(t.Context(), p, ds, "list", map[string]any{"n": []any{json.Number("-3"), json.Number("9007199254740992")}})
		if err != nil || !reflect.DeepEqual(got.Columns[0].Integers, []int64{-3, 1 << 53}) {
			t.Error(got, err)
		}
		got, err = ask(t.Context(), p, ds, "list", nil)
		if err != nil || !reflect.DeepEqual(got.Columns[0].Integers, []int64{7, 8}) {
			t.Error(got, err)
		}
	})
	t.Run("kinds", func(t *testing.T) {
		got, err := ask(t.Context(), p, ds, "kinds", map[string]any{"a": "Ohio", "b": 1.5, "d": "y", "e": true})
		if err != nil {
			t.Fatal(err)
		}
		if kinds := got.Columns[0].Integers; !reflect.DeepEqual(kinds, []int64{1, 2, 3, 4, 5, 1}) {
			t.Error(kinds)
		}
		if counts := got.Columns[1].Integers; !reflect.DeepEqual(counts, []int64{1, 1, 0, 1, 1, 0}) {
			t.Error(counts)
		}
	})
	t.Run("not bound", func(t *testing.T) {
		b, err := p.Manifest().Bind(question.Request{Question: "echo"}, ds)
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range [][]question.Range{
			{{Start: 0, Count: 9}}, {{Start: 3, Count: 0}}, {{Start: 4, Count: 1}, {Start: 3, Count: 1}},
			{{Start: 3, Count: 1}, {Start: 4, Count: 1}}, {{Start: math.MaxUint32, Count: math.MaxUint32}},
		} {
			_, err := p.Answer(t.Context(), b, rows)
			wantError(t, err, question.CodeInternal, "row range")
		}
		_, err = p.Answer(t.Context(), &question.BoundRequest{Index: 1, Question: b.Question}, nil)
		wantError(t, err, question.CodeInternal, "bound")
	})
	t.Run("a type without a kind", func(t *testing.T) {
		err := checkKinds(&question.Manifest{Questions: []question.Question{{Params: []question.Param{{Type: "colour"}}}}})
		wantError(t, err, question.CodeInternal, "colour")
	})
}

func TestFaults(t *testing.T) {
	var log bytes.Buffer
	p := load(t, Config{Limits: Limits{Time: short, Memory: 4 << 20}, Log: textLog(&log)}, "faults")
	for _, test := range []struct {
		question string
		code     question.Code
		part     string
	}{
		{"endless_loop", question.CodeTimeLimit, "500ms"},
		{"endless_calls", question.CodeTimeLimit, "500ms"},
		{"unreachable", question.CodePluginTrap, "lestats_v1_answer trapped: unreachable"},
		{"divide", question.CodePluginTrap, "integer divide by zero"},
		{"outside", question.CodePluginTrap, "out of bounds memory access"},
		{"grow", question.CodeMemoryLimit, "4 MiB"},
		{"recurse", question.CodeDepthLimit, "4 MiB of native stack"},
		{"exit", question.CodePluginTrap, "proc_exit(3)"},
		{"stderr", question.CodePluginTrap, `unreachable; it wrote "panic: out of patience"`},
		{"log_outside", question.CodePluginTrap, "outside its memory"},
		{"large", question.CodeResultTooLarge, "4294967296 bytes"},
	} {
		t.Run(test.question, func(t *testing.T) {
			table, err := ask(t.Context(), p, newFakeDataset(), test.question, nil)
			if table != nil {
				t.Error("there is a table all the same")
			}
			wantError(t, err, test.code, test.part)
		})
	}
	// A plugin that takes the refusal well has its answer: 4 MiB beside the block of
	// one page, asked for in steps of 16 pages from the 3 that it has when it is asked.
	if n := one(t, p, "grow_and_give_up"); n < 49 || n > 65 {
		t.Errorf("it got %d pages", n)
	}
	if n := one(t, p, "table"); n < 1000 || n > maxTableEntries {
		t.Errorf("its table got %d entries", n)
	}
	// And whatever happened, the next job is as good as the first.
	if n := one(t, p, "global"); n != 1 {
		t.Errorf("the global was %d", n)
	}
}

// one asks a question of the plugin faults for its one number.
func one(t testing.TB, p *Plugin, name string) int64 {
	t.Helper()
	table, err := ask(context.Background(), p, newFakeDataset(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return table.Columns[0].Integers[0]
}

func TestEveryJobIsTheFirst(t *testing.T) {
	p := load(t, Config{}, "faults")
	for _, test := range []struct {
		question string
		want     int64
	}{
		{"global", 1},
		{"memory", 1},
		{"clock", int64(servedWorld.jobInstant) + clockStep},
		{"random", one(t, p, "random")},
	} {
		for range 3 {
			if got := one(t, p, test.question); got != test.want {
				t.Errorf("%s: %d, then %d", test.question, test.want, got)
			}
		}
	}
	if other := one(t, load(t, Config{}, "faults"), "random"); other != one(t, p, "random") {
		t.Error("another engine has other randomness")
	}
}

func TestLogIsBounded(t *testing.T) {
	var log bytes.Buffer
	p := load(t, Config{Log: textLog(&log)}, "faults")
	one(t, p, "flood")
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(log.String()), "\n"), func(line string) bool {
		return !strings.Contains(line, "from=plugin") && !strings.Contains(line, "dropped=") // the host's own
	})
	if len(lines) != maxLogLines+1 {
		t.Fatalf("%d lines were logged", len(lines))
	}
	if want := `level=WARN msg=" [31mred�   blue" plugin=faults from=plugin`; !strings.Contains(lines[0], want) {
		t.Errorf("line 0 is %q; want %q", lines[0], want)
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "dropped=99900") {
		t.Errorf("the last line is %q", last)
	}
}

func TestCancelling(t *testing.T) {
	p := load(t, Config{Limits: Limits{Time: time.Minute}}, "faults")
	ds := newFakeDataset()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := ask(ctx, p, ds, "endless_loop", nil)
	wantError(t, err, question.CodeCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	_, err = ask(ctx, p, ds, "global", nil) // cancelled before it begins
	wantError(t, err, question.CodeCancelled)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = ask(ctx, p, ds, "endless_loop", nil)
	wantError(t, err, question.CodeTimeLimit, "caller")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not context.DeadlineExceeded", err)
	}
}

func inside(p *Plugin) int {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	return p.gate.inside
}

func waitUntilInside(t *testing.T, p *Plugin) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); inside(p) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no answer began")
		}
	}
}

func TestCloseWaits(t *testing.T) {
	e := newEngine(t, Config{Limits: Limits{Time: 200 * time.Millisecond}}, newFakeDataset())
	p, err := e.Load(t.Context(), fixture(t, "faults"))
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), p, newFakeDataset(), "endless_loop", nil)
		answered <- err
	}()
	waitUntilInside(t, p)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if inside(p) != 0 {
		t.Error("Close returned before the answer")
	}
	wantError(t, <-answered, question.CodeTimeLimit)
	_, err = ask(t.Context(), p, newFakeDataset(), "global", nil)
	wantError(t, err, question.CodeShuttingDown)
	_, err = e.Load(t.Context(), fixture(t, "faults"))
	wantError(t, err, question.CodeShuttingDown)
	if err := errors.Join(p.Close(t.Context()), e.Close(t.Context())); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestCloseStopsWhatDoesNotEnd(t *testing.T) {
	e := newEngine(t, Config{Limits: Limits{Time: time.Minute}}, newFakeDataset())
	p, err := e.Load(t.Context(), fixture(t, "faults"))
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), p, newFakeDataset(), "endless_loop", nil)
		answered <- err
	}()
	waitUntilInside(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close returned %v", err)
	}
	wantError(t, <-answered, question.CodeCancelled, "shutting down")
	if err := e.Close(t.Context()); err != nil { // now it ends
		t.Error(err)
	}
}

func TestHammer(t *testing.T) {
	e := newEngine(t, Config{Limits: Limits{Time: 10 * time.Second, Memory: 4 << 20}}, newFakeDataset())
	ds := newFakeDataset()
	good, err := e.Load(t.Context(), fixture(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	twin, err := e.Load(t.Context(), fixture(t, "good")) // the same module, closed on the way
	if err != nil {
		t.Fatal(err)
	}
	faults, err := e.Load(t.Context(), fixture(t, "faults"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := range 15 {
				n := fmt.Sprint(g*1000 + i)
				got, err := ask(context.Background(), good, ds, "list", map[string]any{"n": json.Number(n)})
				if err != nil || fmt.Sprint(got.Columns[0].Integers[0]) != n {
					t.Errorf("asked %s: %v, %v", n, got, err)
				}
				if table, err := ask(context.Background(), faults, ds, "memory", nil); err != nil || table.Columns[0].Integers[0] != 1 {
					t.Error(table, err)
				}
				if _, err := ask(context.Background(), faults, ds, "grow", nil); question.CodeOf(err) != question.CodeMemoryLimit {
					t.Error(err)
				}
				if g == 0 && i == 5 {
					if err := twin.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Of what a guest writes, the last error is quoted when it traps, or the first line about
// a panic: bounded, and with nothing invisible.
func TestLastWords(t *testing.T) {
	const err, warn = slog.LevelError, slog.LevelWarn
	for _, tt := range []struct {
		level slog.Level
		lines []string
		want  string
	}{
		{warn, []string{"a warning"}, ""},
		{err, []string{"first", "the column \"year\" is not listed"}, `the column "year" is not listed`},
		{err, []string{"panicked at 'no', src/lib.rs:3:5", "more"}, "panicked at 'no', src/lib.rs:3:5"},
		{err, []string{"abort: no at index.ts:3:5", "more"}, "abort: no at index.ts:3:5"},
		{err, []string{"red \x1b[31m \u202e backwards\n"}, `red  [31m \u202e backwards`},
		{err, []string{strings.Repeat("long ", 100)}, strings.TrimSpace(strings.Repeat("long ", 80))},
		{err, []string{"\xff\xfe"}, "\uFFFD"},
	} {
		g := guestLog{log: slog.New(slog.DiscardHandler)}
		for _, line := range tt.lines {
			g.line(t.Context(), tt.level, []byte(line))
		}
		if g.words != tt.want {
			t.Errorf("%q: %q; want %q", tt.lines, g.words, tt.want)
		}
		if g.reset(); g.words != "" {
			t.Error("the next job has these words, too")
		}
	}
	full := guestLog{log: slog.New(slog.DiscardHandler), lines: maxLogLines} // its log is full
	if full.line(t.Context(), err, []byte("at last")); full.words != "at last" {
		t.Errorf("%q", full.words)
	}
}
