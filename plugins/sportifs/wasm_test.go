package main

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk/sdktest"
	host "github.com/le-stats-sportifs/lestats/runtime/question"
)

// guest is the plugin as wasm, in a bare wazero: enough to see that it builds
// and answers. What a host adds is tested in runtime/sandbox.
type guest struct {
	t      testing.TB
	module api.Module
	logged []string
}

func build(t testing.TB) []byte {
	t.Helper()
	readSources(t, "*.go", "../sdk/*.go", "../abi/*.go")
	path := filepath.Join(t.TempDir(), "sportifs.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// readSources opens the files that go build will read. The go command keeps a
// test's outcome until a file changes that the test itself has opened.
func readSources(t testing.TB, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func start(t testing.TB, wasm []byte) *guest {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	g := &guest{t: t}
	_, err := r.NewHostModuleBuilder(abi.ImportModule).
		NewFunctionBuilder().WithFunc(func(_ context.Context, _, ptr, n uint32) {
		g.logged = append(g.logged, string(g.read(ptr, n)))
	}).Export(abi.ImportLog).
		NewFunctionBuilder().WithFunc(func(context.Context, int64, int64) {}).Export(abi.ImportProgress).
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g.module, err = r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions(abi.ExportInitialize))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guest) call(name string, args ...uint64) uint64 {
	g.t.Helper()
	out, err := g.module.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		g.t.Fatalf("%s: %v", name, err)
	}
	return out[0]
}

// put copies b into the guest's memory, and returns its address.
func (g *guest) put(b []byte, align uint64) uint32 {
	g.t.Helper()
	ptr := uint32(g.call(abi.ExportAlloc, uint64(len(b)), align))
	if ptr == 0 || uint64(ptr)%align != 0 {
		g.t.Fatalf("alloc(%d, %d) is %#x", len(b), align, ptr)
	}
	if !g.module.Memory().Write(ptr, b) {
		g.t.Fatalf("alloc(%d, %d) is %#x, outside of the memory", len(b), align, ptr)
	}
	return ptr
}

func (g *guest) read(ptr, n uint32) []byte {
	g.t.Helper()
	b, ok := g.module.Memory().Read(ptr, n)
	if !ok {
		g.t.Fatalf("%d bytes at %#x lie outside of the memory", n, ptr)
	}
	return b
}

// open hands over the columns, each in a block of its own.
func (g *guest) open(columns ...sdktest.Column) uint64 {
	g.t.Helper()
	var wires []byte
	for i := range columns {
		wires = abi.Append(wires, g.column(&columns[i]))
	}
	d := abi.Append(nil, abi.Directory{
		Size: abi.DirectorySize, Version: abi.Version, Rows: uint32(columns[0].Len()),
		ColumnCount: uint32(len(columns)), ColumnSize: abi.ColumnSize, Columns: g.put(wires, 8),
	})
	return g.call(abi.ExportOpen, uint64(g.put(d, 8)), uint64(len(d)))
}

func (g *guest) column(c *sdktest.Column) abi.Column {
	g.t.Helper()
	var data []byte
	out := abi.Column{Type: abi.TypeString}
	switch {
	case c.Numbers != nil:
		out.Type = abi.TypeFloat64
		for _, v := range c.Numbers {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
	default:
		offsets, text := make([]byte, 4), []byte{}
		for _, entry := range c.Dict {
			text = append(text, entry...)
			offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(text)))
		}
		for _, v := range c.Codes {
			data = binary.LittleEndian.AppendUint32(data, uint32(v))
		}
		out.DictCount, out.DictOffsets = uint32(len(c.Dict)), g.put(offsets, abi.BufferAlign)
		out.DictBytes, out.DictBytesLen = g.put(text, abi.BufferAlign), uint32(len(text))
	}
	out.DataLen = uint32(len(data))
	out.Data = g.put(append(data, make([]byte, abi.BufferAlign)...), abi.ColumnAlign)
	if c.Valid != nil {
		out.ValidityLen = uint32(len(c.Valid))
		out.Validity = g.put(append(c.Valid, make([]byte, abi.BufferAlign)...), abi.BufferAlign)
		for i := range c.Len() {
			if !c.Present(i) {
				out.NullCount++
			}
		}
	}
	return out
}

// leftOut stands for a choice that was left out.
var leftOut = [2]uint32{abi.NoIndex}

// request encodes a request with one value a parameter, all of columns but leftOut.
func (g *guest) request(question int, ranges [][2]uint32, params ...[2]uint32) (ptr, n uint64) {
	g.t.Helper()
	var ps, rs []byte
	for _, p := range params {
		if p == leftOut {
			ps = abi.Append(ps, abi.Param{Kind: abi.ParamChoice, Column: abi.NoIndex})
			continue
		}
		v := g.put(binary.LittleEndian.AppendUint64(nil, uint64(p[1])), 8)
		ps = abi.Append(ps, abi.Param{Kind: abi.ParamColumn, Column: p[0], Count: 1, Values: v})
	}
	for _, run := range ranges {
		rs = abi.Append(rs, abi.Range{Start: run[0], Count: run[1]})
	}
	r := abi.Append(nil, abi.Request{
		Size: abi.RequestSize, Version: abi.Version, Question: uint32(question),
		ParamCount: uint32(len(params)), ParamSize: abi.ParamSize, Params: g.put(ps, 8),
		RangeCount: uint32(len(ranges)), Ranges: g.put(rs, 8),
	})
	return uint64(g.put(r, 8)), uint64(len(r))
}

// numbers decodes a response, and the last column of its table, which has numbers.
func (g *guest) numbers(packed uint64) (abi.Response, []float64) {
	g.t.Helper()
	r, err := abi.Decode[abi.Response](g.read(abi.Unpack(packed)))
	if err != nil || r.Status != abi.StatusOK {
		return r, nil
	}
	tab, _ := abi.Decode[abi.Table](g.read(r.Tables, abi.TableSize))
	c, _ := abi.Decode[abi.Column](g.read(tab.Columns+(tab.ColumnCount-1)*abi.ColumnSize, abi.ColumnSize))
	var out []float64
	for i := range tab.Rows {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(g.read(c.Data+8*i, 8))))
	}
	return r, out
}

func TestWasm(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it compiles the plugin")
	}
	wasm := build(t)
	if len(wasm) > 2_200_000 {
		t.Errorf("the plugin has %d bytes; an empty Go plugin has 1,820,000", len(wasm))
	}
	g := start(t, wasm)
	m, err := host.ParseManifest(g.read(abi.Unpack(g.call(abi.ExportDescribe))))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Questions) != 9 || m.Questions[0].Name != "states_mean" {
		t.Fatalf("the manifest has %d questions", len(m.Questions))
	}
	columns := []sdktest.Column{
		sdktest.Strings("question", "obesity", "obesity", "obesity", "obesity"),
		sdktest.Strings("location", "Utah", "Ohio", "Ohio", "Iowa"),
		sdktest.Strings("category", "Total", "Total", "Total", "Total"),
		sdktest.Strings("stratum", "Total", "Total", "Total", "Total"),
		sdktest.Numbers("value", 10, 40, 20, sdktest.Missing),
	}
	if packed := g.open(columns...); packed != 0 {
		t.Fatalf("open returned %#x", packed)
	}
	table := func(question int, params ...[2]uint32) (abi.Response, []float64) {
		ptr, n := g.request(question, [][2]uint32{{0, 4}}, params...)
		return g.numbers(g.call(abi.ExportAnswer, ptr, n))
	}
	if _, means := table(0, [2]uint32{0, 0}); len(means) != 2 || means[0] != 10 || means[1] != 30 {
		t.Errorf("states_mean is %v; want 10 (Utah) and 30 (Ohio)", means)
	}
	r, _ := table(1, [2]uint32{0, 0}, [2]uint32{1, 0}) // state_mean of Iowa
	e, err := abi.Decode[abi.Error](g.read(r.Error, abi.ErrorSize))
	if err != nil || e.Code != abi.ErrNoData || string(g.read(e.Text, e.TextLen)) != "Iowa has no value among the selected rows" {
		t.Errorf("state_mean of a state without a value: %+v %v", e, err)
	}
	if len(g.logged) != 0 {
		t.Errorf("logged: %q", g.logged)
	}

	// A panic is an error too, and its text and place are logged.
	columns[1].Codes[0] = 99
	broken := start(t, wasm)
	if packed := broken.open(columns...); packed != 0 {
		t.Fatalf("open returned %#x", packed)
	}
	ptr, n := broken.request(0, [][2]uint32{{0, 4}}, [2]uint32{0, 0})
	r, err = abi.Decode[abi.Response](broken.read(abi.Unpack(broken.call(abi.ExportAnswer, ptr, n))))
	if err != nil {
		t.Fatal(err)
	}
	e, err = abi.Decode[abi.Error](broken.read(r.Error, abi.ErrorSize))
	const text = "panic: runtime error: index out of range [99] with length 3"
	if err != nil || e.Code != abi.ErrFailed || string(broken.read(e.Text, e.TextLen)) != text {
		t.Errorf("a panic: %+v %v", e, err)
	}
	if log := strings.Join(broken.logged, "\n"); !strings.Contains(log, text) || !strings.Contains(log, "sumByLocation") {
		t.Errorf("a panic logged %q", log)
	}
}
