package sandbox

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// goCache keeps compiled Go guests for the time of one test run: each takes
// wazero a second, and ten under the race detector.
var goCache string

func TestMain(m *testing.M) {
	CompilerMain()
	strangeCompiler()
	var err error
	if goCache, err = os.MkdirTemp("", "lestats-sandbox-test"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(goCache)
		os.Exit(code)
	}))
}

// fakeDataset is eight rows, sorted by state.
type fakeDataset struct{ columns []question.Column }

func newFakeDataset() *fakeDataset {
	valid := question.NewBitmap(8)
	for _, i := range []int{0, 1, 3, 4, 5, 7} {
		valid.Set(i)
	}
	valid[0] |= 0 // rows 2 and 6 are missing
	return &fakeDataset{[]question.Column{
		{Name: "state", Type: question.String, Role: question.RoleDimension, Dict: []string{"Iowa", "Ohio", "Orégon"}, Codes: []int32{0, 0, 0, 1, 1, 1, 2, 2}},
		{Name: "year", Type: question.Integer, Role: question.RoleDimension, Integers: []int64{2019, 2020, 2021, 2019, 2020, 2021, -1, 1 << 60}},
		{Name: "value", Type: question.Number, Role: question.RoleMeasure, Unit: "%", Valid: valid, Numbers: []float64{1, 2, 0, 4, 5.5, 6, 0, -8}},
	}}
}

func (d *fakeDataset) Column(name string) (*question.Column, bool) {
	i := slices.IndexFunc(d.columns, func(c question.Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &d.columns[i], true
}
func (d *fakeDataset) Columns() []question.Column { return d.columns }
func (d *fakeDataset) Rows() int                  { return d.columns[0].Len() }
func (d *fakeDataset) Digest() string             { return "sha256:" + strings.Repeat("5", 64) }
func (d *fakeDataset) SortedBy() string           { return d.columns[0].Name }

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newEngine returns an engine that the test closes.
func newEngine(t testing.TB, cfg Config, ds Dataset) *Engine {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e, err := New(t.Context(), cfg, ds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func load(t testing.TB, cfg Config, name string) *Plugin {
	t.Helper()
	p, err := newEngine(t, cfg, newFakeDataset()).Load(t.Context(), fixture(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask binds and answers a request over all rows, or those that params select.
func ask(ctx context.Context, p *Plugin, ds question.Schema, name string, params map[string]any, rows ...question.Range) (*question.Table, error) {
	b, err := p.Manifest().Bind(question.Request{Question: name, Params: params}, ds)
	if err != nil {
		return nil, err
	}
	return p.Answer(ctx, b, rows)
}

func wantError(t *testing.T, err error, code question.Code, parts ...string) {
	t.Helper()
	if question.CodeOf(err) != code {
		t.Fatalf("error %v; want code %s", err, code)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not mention %q", err, part)
		}
	}
	if len(err.Error()) > 1500 || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "goroutine 1 [") {
		t.Errorf("the reason is not one for a person: %q", err)
	}
}

const short = 500 * time.Millisecond

// stats is what an engine holds at the moment.
type stats struct {
	Plugins, Idle, Waiting int // plugins, sandboxes that are idle, jobs that wait for memory
	Begun                  int64
	Budget, BudgetUsed     uint64
}

func (e *Engine) stats() stats {
	s := stats{Budget: e.cfg.Budget, Begun: e.begun.Load()}
	s.BudgetUsed, s.Waiting = e.budget.state()
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Plugins = len(e.plugins)
	for p := range e.plugins {
		p.slots.mu.Lock()
		s.Idle += len(p.slots.idle)
		p.slots.mu.Unlock()
	}
	return s
}
