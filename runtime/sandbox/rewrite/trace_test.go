package rewrite

import (
	"context"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// tracer follows a guest: where it is, and what it spends at each site.
type tracer struct {
	sites []Site
	stack []int32 // the current site of each function that has begun
	last  int64
	spent map[int32]int64
	wrong string // the first thing that cannot be
}

func (tr *tracer) trace(fuel int64, site int32) {
	if fuel > tr.last {
		if len(tr.stack) == 0 {
			tr.wrong = "fuel was spent outside of any function"
			return
		}
		tr.spent[tr.stack[len(tr.stack)-1]] += fuel - tr.last
		tr.last = fuel
	}
	switch {
	case site == Leave && len(tr.stack) > 0:
		tr.stack = tr.stack[:len(tr.stack)-1]
	case site < 0 || int(site) >= len(tr.sites):
		tr.wrong = "it told of a site that does not exist"
	case tr.sites[site].Entry:
		tr.stack = append(tr.stack, site)
	case len(tr.stack) == 0 || tr.sites[tr.stack[len(tr.stack)-1]].Func != tr.sites[site].Func:
		tr.wrong = "it told of a site in another function than the one that runs"
	default:
		tr.stack[len(tr.stack)-1] = site
	}
}

// TestTrace: a traced guest has the results, the traps and the fuel of one that is not
// traced. All fuel is spent at a site that it told of, in the function that runs, and a
// function that returns leaves.
func TestTrace(t *testing.T) {
	compare := func(name string, wasm []byte, f string, args ...uint64) {
		t.Helper()
		plain, tr := &host{slice: 1000}, &tracer{spent: map[int32]int64{}}
		traced := &host{slice: 777, trace: tr.trace}
		one, _ := start(t, wasm, plain)
		out, info, err := Rewrite(wasm, Config{Trace: true})
		if err != nil {
			t.Fatal(name, err)
		}
		tr.sites = info.Sites
		other := instantiate(t, out, info, traced)
		begun := traced.spent(other) // by the start function
		want, wantErr := one.ExportedFunction(f).Call(context.Background(), args...)
		tr.stack, tr.last, tr.spent = nil, begun, map[int32]int64{}
		got, err := other.ExportedFunction(f).Call(context.Background(), args...)
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, want, wantErr)
		}
		if got, want := traced.spent(other), plain.spent(one); got != want {
			t.Errorf("%s: it spent %d; want %d", name, got, want)
		}
		if tr.wrong != "" || err == nil && len(tr.stack) > 0 {
			t.Errorf("%s: %s; %d functions did not return", name, tr.wrong, len(tr.stack))
		}
		if err == nil {
			sum := int64(0)
			for site, n := range tr.spent {
				sum += n
				if at := info.Sites[site]; n < 0 || int(at.Offset) >= len(wasm) {
					t.Errorf("%s: %d units at %+v", name, n, at)
				}
			}
			if want := traced.spent(other) - begun; sum != want {
				t.Errorf("%s: the sites have %d of %d units", name, sum, want)
			}
		}
	}
	for _, k := range kernels {
		compare(k.name, read(t, "kernels"), k.name, 20)
	}
	const size = 65536
	for _, c := range []struct {
		f    string
		args []uint64
	}{
		{"grow", []uint64{3}}, {"fill", []uint64{5, 7, 700}}, {"fill", []uint64{size - 3, 1, 4}},
		{"copy", []uint64{9, 3, 40_000}}, {"copy", []uint64{1 << 31, 1 << 31, 1 << 31}}, {"sum", nil},
	} {
		compare(c.f, read(t, "guests"), c.f, c.args...)
	}
	for seed := range uint64(80) {
		compare("a generated module", generate(seed), "run", seed, api.EncodeI64(-int64(seed)))
	}
}

// TestNames: the name section comes before exports; what has no name stays without.
func TestNames(t *testing.T) {
	names := section(0, []byte{4, 'n', 'a', 'm', 'e', 1, 4, 1, 0, 1, 'a'})
	wasm := wasmOf(types(functype(nil)), section(3, vec([]byte{0}, []byte{0}, []byte{0})),
		section(7, vec(exported("x", kindFunc, 0), exported("y", kindFunc, 1))),
		section(10, vec(function(), function(), function())), names)
	_, info, err := Rewrite(wasm, Config{Trace: true})
	if want := []string{"a", "y", ""}; err != nil || !reflect.DeepEqual(info.Names, want) {
		t.Errorf("%q, %v; want %q", info.Names, err, want)
	}
	if _, info, _ := Rewrite(wasm, Config{}); info.Names != nil || info.Sites != nil || info.Functions != 3 {
		t.Errorf("untraced: %+v", info)
	}
}
