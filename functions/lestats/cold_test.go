package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
)

// quantile returns the p-th of some durations, 0 <= p <= 1, in milliseconds.
func quantile(d []time.Duration, p float64) float64 {
	d = slices.Sorted(slices.Values(d))
	return float64(d[min(len(d)-1, int(p*float64(len(d))))].Microseconds()) / 1000
}

// ready reads the line that a function logs when it is ready.
type ready struct {
	mu      sync.Mutex
	line    bytes.Buffer
	All     float64 `json:"ms"`
	Dataset float64 `json:"dataset_ms"`
	Plugins float64 `json:"plugins_ms"`
}

// Write implements io.Writer for a program's output.
func (r *ready) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line.Write(b)
}

// take returns the latest line's figures.
func (r *ready) take(b testing.TB) {
	b.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.line.Reset()
	for lines := bufio.NewScanner(&r.line); lines.Scan(); {
		if strings.Contains(lines.Text(), `"msg":"ready"`) {
			if err := json.Unmarshal(lines.Bytes(), r); err != nil {
				b.Fatal(err)
			}
			return
		}
	}
	b.Fatal("the function did not say that it is ready")
}

// BenchmarkColdStart starts the program as Lambda does, with a shipped cache, and
// asks one question, b.N times; then a warm process is asked as often. It prints
// what a start consists of: the program's own start (Go, and Lambda's library asking
// for the first event), the dataset, the plugin, the rest (store, pool, routes), and
// the first answer.
func BenchmarkColdStart(b *testing.B) {
	var log ready
	store := "LESTATS_STORE=" + filepath.Join(b.TempDir(), "store")
	cache := "LESTATS_CACHE=" + compiled(b)
	e := function(b, lambdatest.Config{Timeout: 30 * time.Second, Output: &log}, cache, store, "LESTATS_LOG_LEVEL=info", "LESTATS_LOG_FORMAT=json")
	g := lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke}
	c := client(g)
	ask := func() time.Duration {
		b.Helper()
		if status, v := exchange(b, c, "POST", "/api/states_mean?wait=20", askObesity); !answered(status, v) {
			b.Fatal(status, v)
		}
		return e.Last.Answer
	}
	var total, start, dataset, plugin, rest, first, warm []time.Duration
	millis := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	for b.Loop() {
		b.StopTimer()
		e.Kill()
		log.mu.Lock()
		log.line.Reset()
		log.mu.Unlock()
		b.StartTimer()
		answer := ask()
		b.StopTimer()
		log.take(b)
		total = append(total, e.Last.Init+answer)
		start = append(start, e.Last.Init-millis(log.All))
		dataset = append(dataset, millis(log.Dataset))
		plugin = append(plugin, millis(log.Plugins))
		rest = append(rest, millis(log.All-log.Dataset-log.Plugins))
		first = append(first, answer)
		b.StartTimer()
	}
	b.StopTimer()
	for range max(20, len(total)) {
		warm = append(warm, ask())
	}
	took, clean := e.Shutdown()
	var out strings.Builder
	fmt.Fprintf(&out, "%d cold starts, states_mean, folder store, 512 MB function\n%-28s %8s %8s\n", len(total), "ms", "p50", "p99")
	for _, line := range []struct {
		name string
		d    []time.Duration
	}{
		{"process start to answer", total}, {"  runtime", start}, {"  dataset", dataset}, {"  plugin", plugin}, {"  store, pool, routes", rest}, {"  first answer", first}, {"warm answer", warm},
	} {
		fmt.Fprintf(&out, "%-28s %8.2f %8.2f\n", line.name, quantile(line.d, 0.5), quantile(line.d, 0.99))
	}
	fmt.Fprintf(&out, "SIGTERM to end: %.1f ms, by itself: %t\n", float64(took.Microseconds())/1000, clean)
	b.Log("\n" + out.String())
	b.ReportMetric(quantile(total, 0.5), "p50-ms")
	b.ReportMetric(quantile(total, 0.99), "p99-ms")
	b.ReportMetric(quantile(warm, 0.5), "warm-p50-ms")
}

// memoryGroup makes a control group of at most limit bytes of memory, and returns
// the shell command that enters it and what tells its peak. It fails where this
// process may make none.
func memoryGroup(t testing.TB, limit int) (enter string, peak func() (int, error), err error) {
	t.Helper()
	name := fmt.Sprintf("lestats-test-%d", os.Getpid())
	for _, way := range []struct{ folder, limit, swap, peak string }{
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.peak"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "", "memory.max_usage_in_bytes"},
	} {
		folder := filepath.Join(way.folder, name)
		if err = os.Mkdir(folder, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(folder); err != nil {
				t.Log(err)
			}
		})
		if err = set(filepath.Join(folder, way.limit), limit); err != nil { // it is a folder, and no group
			continue
		}
		if way.swap != "" {
			_ = set(filepath.Join(folder, way.swap), 0) // where there is swap at all
		}
		return "echo $$ > " + filepath.Join(folder, "cgroup.procs"), func() (int, error) {
			b, err := os.ReadFile(filepath.Join(folder, way.peak))
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(strings.TrimSpace(string(b)))
		}, nil
	}
	return "", nil, err
}

// set writes a number to a file of the kernel's.
func set(name string, n int) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(n))
	return errors.Join(err, f.Close())
}

// highWater is the peak of a process's resident memory, in bytes: what is its own,
// and its pages of files, the program's among them.
func highWater(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmHWM", pid)
}

// TestFunctionIn128MB answers the nine questions, in each form, from the full-scale
// sample in a function of 128 MB, in a control group of that size where this
// process may make one.
func TestFunctionIn128MB(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	const limit = 128 << 20
	if os.Getenv(envBinary) == "" { // the test's own takes more, under the race detector several times as much
		t.Setenv(envBinary, build(t))
	}
	cfg := lambdatest.Config{Timeout: time.Minute, MemoryMiB: limit >> 20}
	enter, peak, err := memoryGroup(t, limit)
	if err == nil {
		cfg.Command = []string{"/bin/sh", "-c", enter + ` && exec "$0" "$@"`}
	} else {
		t.Logf("no control group can be made (%v): only the peak of resident memory is checked", err)
	}
	e := function(t, cfg, "LESTATS_CACHE="+compiled(t), "LESTATS_STORE="+filepath.Join(t.TempDir(), "store"))
	c := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	_, catalog := exchange(t, c, "GET", "/api/questions", "")
	offers, _ := catalog["data"].([]any)
	if len(offers) != 9 {
		t.Fatalf("%d questions: %.300v", len(offers), catalog)
	}
	for round := range 5 {
		for _, o := range offers {
			example, _ := o.(map[string]any)["example"].(map[string]any)
			body, err := json.Marshal(example["params"])
			if err != nil {
				t.Fatal(err)
			}
			for _, form := range []string{"", "&layout=rows", "&format=csv", "&format=arrow"} {
				if status, err := fetch(t.Context(), c, fmt.Sprintf("/api/%v?wait=50%s", example["question"], form), body); err != nil || status != http.StatusOK {
					t.Fatalf("round %d, %v%s: %d %v", round, example["question"], form, status, err)
				}
			}
		}
	}
	if e.Cold != 1 {
		t.Errorf("%d processes", e.Cold)
	}
	resident, err := highWater(e.Pid())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak of resident memory, pages of the program's file included: %.1f MB", float64(resident)/1e6)
	if resident > limit {
		t.Errorf("which is more than %d MB", limit>>20)
	}
	if peak != nil {
		bytes, err := peak()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("peak of the control group of %d MiB: %.1f MB", limit>>20, float64(bytes)/1e6)
	}
}

// build builds the program as it is shipped, but for the paths in it.
func build(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lestats")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

func fetch(ctx context.Context, c *http.Client, path string, body []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://f.example"+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
