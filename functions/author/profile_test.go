package author

import (
	"bytes"
	"context"
	"debug/dwarf"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/plugins"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// openBoth returns a plugin loaded for profiles, and as it is served.
func openBoth(t *testing.T, wasm []byte) (w *wire.Workbench, profiled, served *sandbox.Plugin) {
	t.Helper()
	w, err := wire.OpenWorkbench(t.Context(), wire.EngineConfig{Cache: "off"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close(context.Background()) }) // it has failed already if it fails
	if profiled, err = w.Engine.LoadTraced(t.Context(), wasm); err != nil {
		t.Fatal(err)
	}
	if served, err = w.Engine.Load(t.Context(), wasm); err != nil {
		t.Fatal(err)
	}
	return w, profiled, served
}

// written writes a profile and reads it.
func written(t *testing.T, p *Profiled) ([]byte, *profile.Profile) {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteProfile(&b); err != nil {
		t.Fatal(err)
	}
	raw := bytes.Clone(b.Bytes())
	read, err := profile.Parse(&b)
	if err == nil {
		err = read.CheckValid()
	}
	if err != nil {
		t.Fatal(err)
	}
	return raw, read
}

// builtIn returns the built-in plugin's module.
func builtIn(t *testing.T) []byte {
	t.Helper()
	for _, wasm := range plugins.Modules() {
		return wasm
	}
	t.Fatal("there is none")
	return nil
}

// The profile of each question of the built-in plugin has exactly the fuel of its answer,
// and is the same each time.
func TestProfileOfEachQuestion(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a large plugin is compiled twice")
	}
	wasm := builtIn(t)
	w, profiled, served := openBoth(t, wasm)
	m := served.Manifest()
	if len(m.Questions) != 13 {
		t.Fatalf("%d questions", len(m.Questions))
	}
	for i := range m.Questions {
		req, err := overrides(nil).example(m, &m.Questions[i], w.Dataset)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := m.Bind(req, w.Dataset)
		if err != nil {
			t.Fatal(err)
		}
		_, used, err := served.Measure(t.Context(), bound, w.Dataset.Select(bound.Where))
		if err != nil {
			t.Fatal(err)
		}
		var raw []byte
		for n := range 2 {
			p, err := profileJob(t.Context(), w, profiled, "sportifs.wasm", wasm, req)
			if err != nil || p.Error != nil {
				t.Fatal(err, p.Error)
			}
			again, read := written(t, p)
			sum, flat := int64(0), int64(0)
			for _, s := range read.Sample {
				sum += s.Value[1]
			}
			for _, f := range p.Functions {
				flat += f.Flat
			}
			if sum != used.Fuel || flat != used.Fuel || p.Fuel != used.Fuel || p.Functions[0].Flat == 0 {
				t.Errorf("%s: samples %d, functions %d, fuel %d; the answer's is %d", req.Question, sum, flat, p.Fuel, used.Fuel)
			}
			if n == 1 && !bytes.Equal(raw, again) {
				t.Errorf("%s: the second profile is another", req.Question)
			}
			raw = again
		}
	}
}

// flat, cum and calls are those that pprof computes, with recursion too.
func TestProfileFunctions(t *testing.T) {
	wasm, err := os.ReadFile("../../runtime/sandbox/testdata/named.wasm")
	if err != nil {
		t.Fatal(err)
	}
	w, profiled, _ := openBoth(t, wasm)
	functions := func(name string) (map[string]ProfiledFunction, *Profiled) {
		t.Helper()
		p, err := profileJob(t.Context(), w, profiled, "named.wasm", wasm, question.Request{Question: name})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]ProfiledFunction{}
		for _, f := range p.Functions {
			out[f.Name] = f
		}
		return out, p
	}
	f, p := functions("squares")
	if f["square"].Calls != 10 || f["squares"].Cum != f["squares"].Flat+f["square"].Flat || f["main.answer"].Cum != p.Fuel || !p.Names || p.Lines || p.Note != "" {
		t.Errorf("squares: %+v, %+v", f, p)
	}
	if f, p := functions("deep"); f["nest"].Cum > p.Fuel || f["nest"].Cum < p.Fuel-1000 || f[sandbox.NameDeeper].Calls == 0 {
		t.Errorf("deep: %+v", f)
	}
	_, p = functions("trap")
	if question.CodeOf(p.Error) != question.CodePluginTrap || !reflect.DeepEqual(p.Stopped, []string{"inner", "plugin::outer", "trap", "main.answer"}) || p.Fuel == 0 {
		t.Errorf("trap: %+v", p)
	}
	if _, read := written(t, p); !slices.ContainsFunc(read.Comments, func(c string) bool { return strings.Contains(c, "divide by zero") }) {
		t.Errorf("its comments are %q", read.Comments)
	}
}

// The sections of a module are found, and those of a damaged one cause no panic.
func TestSymbolsOfDamaged(t *testing.T) {
	wasm := builtIn(t)
	if s, err := symbolsOf(wasm); err != nil || s.code == 0 || s.code > uint64(len(wasm)) {
		t.Errorf("the code begins at %d of %d, %v", s.code, len(wasm), err)
	}
	debug := append([]byte("\x00asm\x01\x00\x00\x00\x00\x20"), "\x0b.debug_info\xff\xff\x00\x00\x04\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04\x05\x06\x07\x08\x09"...)
	for n := range debug {
		if s, err := symbolsOf(debug[:n+1]); s == nil || err != nil && !strings.Contains(err.Error(), "debug information") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if s, err := symbolsOf(debug); err == nil || len(s.at(&sandbox.Place{Func: 3, Offset: 5})) != 1 {
		t.Errorf("damaged debug information: %v", err)
	}
}

// A place within inlined functions has all of them, innermost first, each with the line
// where it goes on.
func TestSymbols(t *testing.T) {
	s := &symbols{
		code: 100,
		subs: []subprogram{{span{10, 50}, source{"outer", "a.c", 1}, []inlined{
			{span{20, 40}, source{"middle", "b.h", 7}, lineRow{0, "a.c", 3}},
			{span{30, 35}, source{"inner", "b.h", 9}, lineRow{0, "b.h", 8}},
		}}},
		lines: []lineRow{{10, "a.c", 2}, {20, "b.h", 7}, {30, "b.h", 9}, {36, "c.h", 50}, {40, "a.c", 4}, {50, "", 0}, {60, "d.c", 5}},
	}
	for at, want := range map[uint32][]source{
		110: {{"outer", "a.c", 2}},
		125: {{"middle", "b.h", 7}, {"outer", "a.c", 3}},
		131: {{"inner", "b.h", 9}, {"middle", "b.h", 8}, {"outer", "a.c", 3}},
		137: {{"middle", "b.h", 9}, {"outer", "a.c", 3}}, // of another file: the last line of its own
		149: {{"outer", "a.c", 4}},
		155: {{"func[2]", "", 0}}, // between functions
		165: {{"func[2]", "d.c", 5}},
	} {
		if got := s.at(&sandbox.Place{Func: 2, Offset: at}); !reflect.DeepEqual(got, want) {
			t.Errorf("at %d: %v; want %v", at, got, want)
		}
	}
	if got := s.at(&sandbox.Place{Func: 2, Name: "x", Offset: 130, Entry: true}); !reflect.DeepEqual(got, []source{{"outer", "a.c", 1}}) {
		t.Errorf("an entry: %v", got)
	}
	if got := s.at(&sandbox.Place{Func: -1, Name: "lestats_v1.log"}); !reflect.DeepEqual(got, []source{{Name: "lestats_v1.log"}}) {
		t.Errorf("a function of the host: %v", got)
	}
	var e dwarf.Entry
	if n := number(&e, dwarf.AttrDeclLine); n != 0 {
		t.Errorf("a line that is not there: %d", n)
	}
}
