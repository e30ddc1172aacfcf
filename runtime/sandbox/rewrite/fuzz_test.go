package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestGenerated runs generated modules plain and rewritten.
func TestGenerated(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(200) {
		ends[differential(t, seed)]++
	}
	if ends["ok"] < 50 || len(ends) < 4 {
		t.Errorf("the generator makes too much of a kind: %v", ends)
	}
	t.Log(ends)
}

// FuzzGenerated is TestGenerated with seeds that the fuzzer looks for.
func FuzzGenerated(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { differential(t, seed) })
}

// differential runs one generated module plain, without metering and with it,
// in small slices and in one large. All give the same results, end in the same
// way, and leave the same memory and globals behind; the metered spend the same.
// It returns how they ended.
func differential(t *testing.T, seed uint64) string {
	t.Helper()
	wasm := generate(seed)
	plain := state(t, seed, wasm, nil, nil)
	if got := state(t, seed, wasm, &Config{Unmetered: true}, nil); got != plain {
		t.Errorf("seed %d: unmetered %s\nplain %s", seed, got, plain)
	}
	small, large := &host{slice: 3}, &host{slice: 1 << 40}
	for _, h := range []*host{small, large} {
		if got := state(t, seed, wasm, &Config{}, h); got != plain {
			t.Errorf("seed %d: metered %s\nplain %s", seed, got, plain)
		}
	}
	if small.limit != large.limit || small.limit < 0 {
		t.Errorf("seed %d: %d units are spent in small slices, %d in a large one", seed, small.limit, large.limit)
	}
	end, _, _ := strings.Cut(plain, ";")
	if strings.HasPrefix(end, "[") {
		return "ok"
	}
	return end
}

// state runs a generated module twice with other arguments, and describes all
// that can be seen of it. It leaves what was spent in the host's limit.
func state(t *testing.T, seed uint64, wasm []byte, cfg *Config, h *host) string {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, engine())
	defer func() { _ = r.Close(ctx) }()
	info := &Info{}
	if cfg != nil {
		var err error
		if wasm, info, err = Rewrite(wasm, *cfg); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if h != nil {
		h.register(t, r)
	}
	mod, err := r.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := initialise(ctx, mod, info); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	var all strings.Builder
	for i := range uint64(2) {
		run := mod.ExportedFunction("run")
		out, err := run.Call(ctx, 17*i+seed&0xff, seed<<i)
		if err != nil {
			end, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Fprintf(&all, "%s;", end)
			continue
		}
		at := 0
		for _, typ := range run.Definition().ResultTypes() {
			switch typ {
			case api.ValueTypeI32, api.ValueTypeF32: // the upper half is anything
				out[at] &= 0xffffffff
			case api.ValueTypeI64, api.ValueTypeF64, api.ValueTypeExternref:
			default:
				at++ // a vector
			}
			at++
		}
		fmt.Fprintf(&all, "%x;", out)
	}
	for i := range genGlobals {
		g := mod.ExportedGlobal(fmt.Sprintf("g%d", i))
		v := g.Get()
		if g.Type() == api.ValueTypeI32 {
			v &= 0xffffffff
		}
		fmt.Fprintf(&all, " g%d=%x", i, v)
	}
	memory, _ := mod.Memory().Read(0, mod.Memory().Size())
	sum := uint64(14695981039346656037)
	for _, b := range memory {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	fmt.Fprintf(&all, " memory %d bytes %x", len(memory), sum)
	if h != nil {
		h.limit = h.spent(mod)
	}
	return all.String()
}

// FuzzRewrite hands anything to the rewriter. It never panics; what it takes is
// not much larger than before, and it takes its own unmetered output and makes
// the same of it: reading and writing are inverse.
func FuzzRewrite(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(generate(seed))
	}
	files, _ := filepath.Glob("testdata/*.wasm")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		before := slices.Clone(wasm)
		metered, info, err := Rewrite(wasm, Config{})
		if !bytes.Equal(before, wasm) {
			t.Fatal("the original was written to")
		}
		if err != nil {
			if metered != nil || info != nil {
				t.Fatal("refused, and yet something is returned")
			}
			return
		}
		if len(metered) > 20*len(wasm)+1000 {
			t.Errorf("%d bytes became %d", len(wasm), len(metered))
		}
		if _, _, err := Rewrite(metered, Config{}); err == nil {
			t.Error("it takes what it has metered itself: names of the host are not refused")
		}
		once, _, err := Rewrite(wasm, Config{Unmetered: true})
		if err != nil {
			t.Fatal("metered only:", err)
		}
		m, refused := decode(wasm)
		if refused != nil {
			t.Fatal(refused)
		}
		if m.start >= 0 || len(info.Globals) > 0 {
			return // what it has written has names of the host
		}
		if twice, _, err := Rewrite(once, Config{Unmetered: true}); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("its own output becomes something else: %v", err)
		}
	})
}
