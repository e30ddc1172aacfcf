package rewrite

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var (
	differentialFor  = flag.Duration("differential", 0, "how long TestDifferential goes on; 0: over a fixed number of modules")
	differentialFrom = flag.Uint64("differential.seed", 0, "the first module of TestDifferential")
)

// TestDifferential runs generated modules, three in four with many live values, rewritten,
// on wazero's compiler. Results, traps, memory and globals are those that the original has
// on wazero's interpreter; and on V8, where there is a node. The log says how often
// the compiler alone is wrong.
func TestDifferential(t *testing.T) {
	v8 := startV8(t)
	count := struct{ modules, calls, traps, bare, v8 int }{}
	began, said := time.Now(), time.Now()
	for seed := *differentialFrom; ; seed++ {
		if *differentialFor == 0 && count.modules == 40 || *differentialFor > 0 && time.Since(began) > *differentialFor {
			break
		}
		wasm := generatePressed(seed)
		if seed%4 == 0 {
			wasm = generate(seed)
		}
		want := outcome(t, seed, wasm, interpreter(), nil, nil)
		if got := outcome(t, seed, wasm, engine(), &Config{}, &host{slice: 1000}); got != want {
			t.Errorf("seed %d: rewritten %s\ninterpreter %s", seed, got, want)
		}
		if outcome(t, seed, wasm, engine(), nil, nil) != want {
			count.bare++
		}
		if v8 != nil {
			count.v8++
			if got := v8.outcome(t, seed, wasm); got != withoutReasons(want) {
				t.Errorf("seed %d: V8 %s\ninterpreter %s", seed, got, want)
			}
		}
		count.modules++
		count.calls += calls
		count.traps += strings.Count(want, "trap")
		if time.Since(said) > time.Minute {
			said = time.Now()
			fmt.Printf("%v: %+v\n", time.Since(began).Round(time.Second), count)
		}
	}
	t.Logf("%d modules from seed %d, %d calls, %d of them trapped; %d modules ran on V8 too; the compiler alone is wrong in %d",
		count.modules, *differentialFrom, count.calls, count.traps, count.v8, count.bare)
}

// TestGenerated runs generated modules of small functions, which trap more often.
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

// differential runs one generated module without metering and with it, in small
// slices and in one large. All give the same results, end in the same way, and leave
// the same memory and globals behind as the original does on the interpreter; the
// metered spend the same. It returns how the first call ended.
func differential(t *testing.T, seed uint64) string {
	t.Helper()
	wasm := generate(seed)
	want := outcome(t, seed, wasm, interpreter(), nil, nil)
	if got := outcome(t, seed, wasm, engine(), &Config{Unmetered: true}, nil); got != want {
		t.Errorf("seed %d: unmetered %s\ninterpreter %s", seed, got, want)
	}
	small, large := &host{slice: 3}, &host{slice: 1 << 40}
	for _, h := range []*host{small, large} {
		if got := outcome(t, seed, wasm, engine(), &Config{}, h); got != want {
			t.Errorf("seed %d: metered %s\ninterpreter %s", seed, got, want)
		}
	}
	if small.limit != large.limit || small.limit < 0 {
		t.Errorf("seed %d: %d units are spent in small slices, %d in a large one", seed, small.limit, large.limit)
	}
	end, _, _ := strings.Cut(want, ";")
	if strings.HasPrefix(end, "trap") {
		return end
	}
	return "ok"
}

func interpreter() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(65536)
}

// calls is how often outcome calls a module's function.
const calls = 3

// arguments are those of the i-th call.
func arguments(seed, i uint64) [2]uint64 {
	return [2]uint64{17*i + seed&0xff, seed * 0x9e3779b97f4a7c15 << i}
}

// outcome calls a generated module with several arguments, and describes all that
// can be seen of it. It leaves what was spent in the host's limit.
func outcome(t *testing.T, seed uint64, wasm []byte, engine wazero.RuntimeConfig, cfg *Config, h *host) string {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, engine)
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
	for i := range uint64(calls) {
		run := mod.ExportedFunction("run")
		args := arguments(seed, i)
		out, err := run.Call(ctx, args[:]...)
		if err != nil {
			end, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Fprintf(&all, "trap %s;", end)
			continue
		}
		for k, typ := range run.Definition().ResultTypes() {
			all.WriteString(number(typ, out[k]) + " ")
		}
		all.WriteString(";")
	}
	for i := range genGlobals {
		g := mod.ExportedGlobal(fmt.Sprintf("g%d", i))
		fmt.Fprintf(&all, " g%d=%s", i, number(g.Type(), g.Get()))
	}
	memory, _ := mod.Memory().Read(0, mod.Memory().Size())
	fmt.Fprintf(&all, " memory %d bytes %x", len(memory), sha256.Sum256(memory))
	if h != nil {
		h.limit = h.spent(mod)
	}
	return all.String()
}

// number is a value; all NaNs are one.
func number(typ api.ValueType, bits uint64) string {
	switch typ {
	case api.ValueTypeI32, api.ValueTypeF32: // the upper half is anything
		bits &= 0xffffffff
	}
	if typ == api.ValueTypeF32 && math.IsNaN(float64(math.Float32frombits(uint32(bits)))) ||
		typ == api.ValueTypeF64 && math.IsNaN(math.Float64frombits(bits)) {
		return "nan"
	}
	return fmt.Sprintf("%x", bits)
}

// withoutReasons takes out of an outcome why calls trapped, which each engine says in
// words of its own.
func withoutReasons(outcome string) string {
	calls := strings.Split(outcome, ";")
	for i, c := range calls {
		if strings.HasPrefix(c, "trap") {
			calls[i] = "trap"
		}
	}
	return strings.Join(calls, ";")
}

// v8 is a node process that does what outcome does.
type v8 struct {
	in  io.Writer
	out *bufio.Reader
}

const v8Script = `
const crypto = require("crypto");
const f32 = new Float32Array(1), f64 = new Float64Array(1);
const u32 = new Uint32Array(f32.buffer), u64 = new BigUint64Array(f64.buffer);
function number(type, v) {
	switch (type) {
	case "i32": return (v >>> 0).toString(16);
	case "i64": return BigInt.asUintN(64, v).toString(16);
	case "f32": f32[0] = v; return Number.isNaN(v) ? "nan" : u32[0].toString(16);
	default: f64[0] = v; return Number.isNaN(v) ? "nan" : u64[0].toString(16);
	}
}
require("readline").createInterface({input: process.stdin}).on("line", line => {
	const job = JSON.parse(line);
	let out = "";
	try {
		const e = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(job.wasm, "base64"))).exports;
		for (const [a, b] of job.args) {
			try {
				let r = e.run(Number(a) | 0, BigInt.asIntN(64, BigInt(b)));
				r = r === undefined ? [] : Array.isArray(r) ? r : [r];
				out += r.map((v, i) => number(job.results[i], v) + " ").join("") + ";";
			} catch (err) {
				if (!(err instanceof WebAssembly.RuntimeError)) throw err;
				out += "trap;";
			}
		}
		["i32", "i64", "f64", "i32"].forEach((t, i) => out += " g" + i + "=" + number(t, e["g" + i].value));
		const m = Buffer.from(e.memory.buffer);
		out += " memory " + m.length + " bytes " + crypto.createHash("sha256").update(m).digest("hex");
	} catch (err) {
		out = String(err).replaceAll("\n", " ");
	}
	process.stdout.write(out + "\n");
});
`

// startV8 is nil where there is no node.
func startV8(t *testing.T) *v8 {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Log("there is no node, so nothing is compared with V8")
		return nil
	}
	cmd := exec.Command(node, "-e", v8Script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &v8{in, bufio.NewReader(out)}
}

func (v *v8) outcome(t *testing.T, seed uint64, wasm []byte) string {
	t.Helper()
	m, refused := decode(wasm)
	if refused != nil {
		t.Fatal(refused)
	}
	job := struct {
		Wasm    string     `json:"wasm"`
		Args    [][]string `json:"args"` // i64s do not fit numbers of JSON
		Results []string   `json:"results"`
	}{Wasm: base64.StdEncoding.EncodeToString(wasm)}
	for i := range uint64(calls) {
		args := arguments(seed, i)
		job.Args = append(job.Args, []string{fmt.Sprint(args[0]), fmt.Sprint(args[1])})
	}
	for _, typ := range m.types[m.funcs[0]].results {
		job.Results = append(job.Results, typ.String())
	}
	line, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := v.out.ReadString('\n')
	if err != nil {
		t.Fatal("node ended:", err)
	}
	return strings.TrimSuffix(answer, "\n")
}
