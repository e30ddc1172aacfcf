package rewrite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// specTests is where the wazero module keeps the core specification's tests, as
// wast2json made them.
func specTests(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal("where is wazero's source?", err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "internal", "integration_test", "spectest")
}

// engine is a compiler of WebAssembly 2.0, as the sandbox has it.
func engine() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(65536)
}

// specRuntime is one of the two runtimes that execute a test's commands: with the
// modules as they are, or rewritten.
type specRuntime struct {
	ctx       context.Context
	rt        wazero.Runtime
	rewritten bool
	host      *host
	named     map[string]api.Module
	all       []api.Module
	last      api.Module
}

func newSpecRuntime(t *testing.T, rewritten bool, spectest []byte) *specRuntime {
	t.Helper()
	ctx := context.Background()
	w := &specRuntime{ctx: ctx, rt: wazero.NewRuntimeWithConfig(ctx, engine()), rewritten: rewritten, named: map[string]api.Module{}}
	t.Cleanup(func() { _ = w.rt.Close(ctx) })
	w.host = &host{slice: 500}
	w.host.register(t, w.rt)
	if _, err := w.rt.InstantiateWithConfig(ctx, spectest, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return w
}

// instantiate does what an engine does, or for a rewritten module the host.
func (w *specRuntime) instantiate(wasm []byte, name string) error {
	w.last = nil
	info := &Info{}
	if w.rewritten {
		var err error
		if wasm, info, err = Rewrite(wasm, Config{}); err != nil {
			return err
		}
	}
	mod, err := w.rt.InstantiateWithConfig(w.ctx, wasm, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return err
	}
	if err := initialise(w.ctx, mod, info); err != nil {
		_ = mod.Close(w.ctx)
		return err
	}
	w.last = mod
	w.all = append(w.all, mod)
	return nil
}

// initialise does to a new instance what the rewriter took out.
func initialise(ctx context.Context, mod api.Module, info *Info) error {
	for _, d := range info.Data {
		if !mod.Memory().Write(d.Offset, d.Bytes) {
			return errors.New("out of bounds memory access")
		}
	}
	if info.HasStart {
		if _, err := mod.ExportedFunction(Start).Call(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *specRuntime) module(name string) api.Module {
	if name != "" {
		return w.named[name]
	}
	return w.last
}

// do carries out an action; its outcome is values, or how it ended.
func (w *specRuntime) do(a *specAction, args []uint64) (out []uint64, end string) {
	mod := w.module(a.Module)
	if mod == nil {
		return nil, "no module"
	}
	if a.Type == "get" {
		g := mod.ExportedGlobal(a.Field)
		if g.Type() == api.ValueTypeI32 || g.Type() == api.ValueTypeF32 {
			return []uint64{g.Get() & 0xffffffff}, ""
		}
		return []uint64{g.Get()}, ""
	}
	out, err := mod.ExportedFunction(a.Field).Call(w.ctx, args...)
	if err == nil {
		return out, ""
	}
	for _, m := range w.all { // a trap leaves the counters where they were
		if g, ok := m.ExportedGlobal(Stack).(api.MutableGlobal); ok {
			g.Set(DefaultStack)
		}
	}
	end, _, _ = strings.Cut(err.Error(), "\n")
	if errors.Is(err, errStack) {
		end = "stack overflow"
	}
	return nil, strings.TrimSuffix(end, " (recovered by wazero)")
}

type specCommand struct {
	Type       string
	Line       int
	Name       string
	Filename   string
	As         string
	ModuleType string `json:"module_type"`
	Text       string
	Action     specAction
	Expected   []specValue
}

type specAction struct {
	Type   string
	Module string
	Field  string
	Args   []specValue
}

type specValue struct {
	Type  string
	Value any
}

// bits is a value as the engine's API has it; ok says that it is one value, not
// a class of NaNs or an unnamed reference.
func (v specValue) bits(t *testing.T) (bits []uint64, ok bool) {
	t.Helper()
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	switch value := v.Value.(type) {
	case nil:
		return []uint64{0}, false
	case string:
		switch {
		case strings.HasPrefix(value, "nan"):
			return []uint64{0}, false
		case value == "null":
			return []uint64{0}, true
		case v.Type == "externref": // wazero takes 0 for null
			return []uint64{number(value) + 1}, true
		default:
			return []uint64{number(value)}, true
		}
	}
	t.Fatalf("what is %v?", v)
	return nil, false
}

// unsupported is of the reasons for which a valid module of the tests is refused.
var unsupported = []string{"is an imported global, which is not supported", noVectors}

// TestSpecification carries out every command of the core specification's tests
// in two runtimes: with the modules plain, and rewritten. All outcomes are the same,
// and they are the expected ones.
func TestSpecification(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	dir := specTests(t)
	spectest, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d test files: %v", len(files), err)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasPrefix(filepath.Base(file), "simd_") })
	total, refused := 0, 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			r := &specRun{t: t, dir: filepath.Dir(file), plain: newSpecRuntime(t, false, spectest), rewritten: newSpecRuntime(t, true, spectest)}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var script struct{ Commands []specCommand }
			if err := json.Unmarshal(b, &script); err != nil {
				t.Fatal(err)
			}
			for i := range script.Commands {
				if next := i + 1; next < len(script.Commands) && script.Commands[next].Type == "register" {
					r.as = script.Commands[next].As // an instance has its name from the start
				}
				r.command(&script.Commands[i])
				r.as = ""
			}
			total += r.assertions
			refused += r.refused
		})
	}
	t.Logf("%d assertions hold in both runtimes; %d modules are refused for vectors, or for a data segment at an imported global's value", total, refused)
	if total < 26_000 {
		t.Errorf("only %d assertions: where are the tests?", total)
	}
	if refused > 12 {
		t.Errorf("%d modules are refused", refused)
	}
}

type specRun struct {
	t                *testing.T
	dir              string
	plain, rewritten *specRuntime
	as               string // the name under which the next command's module is registered
	assertions       int
	refused          int
}

func (r *specRun) command(c *specCommand) {
	t := r.t
	at := fmt.Sprintf("line %d, %s", c.Line, c.Type)
	switch c.Type {
	case "module":
		plain, rewritten := r.instantiate(c)
		if rewritten != nil && slices.ContainsFunc(unsupported, func(s string) bool { return strings.Contains(rewritten.Error(), s) }) {
			r.refused++
			rewritten = nil
			r.rewritten.last = nil
		}
		if plain != nil || rewritten != nil {
			t.Errorf("%s: plain %v, rewritten %v", at, plain, rewritten)
		}
		if c.Name != "" {
			r.plain.named[c.Name], r.rewritten.named[c.Name] = r.plain.last, r.rewritten.last
		}
	case "register":
	case "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return
		}
		before := [2]api.Module{r.plain.last, r.rewritten.last}
		// wazero does not trap where an active element segment is out of bounds.
		lax := c.Type == "assert_uninstantiable" && c.Text == "out of bounds table access"
		if plain, rewritten := r.instantiate(c); lax != (plain == nil) || lax != (rewritten == nil) {
			t.Errorf("%s %s (%s): plain %v, rewritten %v", at, c.Filename, c.Text, plain, rewritten)
		}
		r.plain.last, r.rewritten.last = before[0], before[1]
		r.assertions++
	case "action", "assert_return", "assert_trap", "assert_exhaustion":
		if r.rewritten.module(c.Action.Module) == nil {
			return // refused above
		}
		var args []uint64
		for _, v := range c.Action.Args {
			bits, _ := v.bits(t)
			args = append(args, bits...)
		}
		plain, plainEnd := r.plain.do(&c.Action, args)
		rewritten, rewrittenEnd := r.rewritten.do(&c.Action, args)
		if plainEnd != rewrittenEnd {
			t.Errorf("%s %s: plain %q, rewritten %q", at, c.Action.Field, plainEnd, rewrittenEnd)
		}
		if trap := c.Type == "assert_trap" || c.Type == "assert_exhaustion"; trap != (rewrittenEnd != "") {
			t.Errorf("%s %s: ended with %q", at, c.Action.Field, rewrittenEnd)
		}
		r.same(at+" "+c.Action.Field, c, plain, rewritten)
		r.assertions++
	default:
		t.Fatalf("%s: what is that?", at)
	}
}

// same compares the values of both runtimes, and with the expected ones.
func (r *specRun) same(at string, c *specCommand, plain, rewritten []uint64) {
	if c.Type != "assert_return" {
		return
	}
	next := 0
	for _, v := range c.Expected {
		want, one := v.bits(r.t)
		from, to := next, next+len(want)
		if next = to; to > len(plain) || to > len(rewritten) {
			r.t.Errorf("%s: plain %v, rewritten %v, want %v", at, plain, rewritten, c.Expected)
			return
		}
		p, w := plain[from:to], rewritten[from:to]
		switch v.Type {
		case "funcref": // an address in each runtime
			p, w = []uint64{min(p[0], 1)}, []uint64{min(w[0], 1)}
		case "i32", "f32": // the upper half is anything
			p, w = []uint64{uint64(uint32(p[0]))}, []uint64{uint64(uint32(w[0]))}
		}
		if !slices.Equal(p, w) || one && !slices.Equal(w, want) {
			r.t.Errorf("%s: plain %v, rewritten %v, want %v", at, p, w, v)
		}
	}
}

func (r *specRun) instantiate(c *specCommand) (plain, rewritten error) {
	wasm, err := os.ReadFile(filepath.Join(r.dir, c.Filename))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.plain.instantiate(wasm, r.as), r.rewritten.instantiate(wasm, r.as)
}

// TestSameModulesRefused goes through all modules of the specification's tests,
// the malformed, the invalid and those of later proposals too. The rewriter with
// the engine behind it takes what the engine alone takes, but for what it says
// that it does not support.
func TestSameModulesRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, engine())
	defer func() { _ = rt.Close(ctx) }()
	compiles := func(wasm []byte) error {
		m, err := rt.CompileModule(ctx, wasm)
		if err == nil {
			err = m.Close(ctx)
		}
		return err
	}
	ours := []string{
		unsupported[0], unsupported[1], "beyond the memory's first size", "a table of ",
		"in a constant expression is not imported and immutable", // the engine finds out when it instantiates
	}
	files, taken, refused := 0, 0, 0
	for _, set := range []string{"v1", "v2", "threads", "tail-call", "exception-handling", "extended-const", "typed-function-references"} {
		wasms, err := filepath.Glob(filepath.Join(specTests(t), set, "testdata", "*.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range wasms {
			wasm, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files++
			plain := compiles(wasm)
			for _, cfg := range []Config{{}, {Unmetered: true}} {
				rewritten, _, err := Rewrite(wasm, cfg)
				if err == nil {
					err = compiles(rewritten)
				}
				if err == nil {
					taken++
				} else {
					refused++
				}
				// wazero reads some of the later types whether they are switched on or not.
				known := err != nil && (set != "v1" && set != "v2" && plain == nil) || err != nil && slices.ContainsFunc(ours, func(s string) bool { return strings.Contains(err.Error(), s) })
				if (plain == nil) != (err == nil) && !known {
					t.Errorf("%s/%s %v: plain %v, rewritten %v", set, filepath.Base(file), cfg, plain, err)
				}
			}
		}
	}
	t.Logf("%d modules, each metered and unmetered: %d taken, %d refused", files, taken, refused)
	if files < 4000 {
		t.Error("where are the tests?")
	}
}
