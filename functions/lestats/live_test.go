package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// guest returns a plugin for the built-in sample that counts rows: its name is
// "good", its question "sum". It is the sandbox's fixture, renamed byte for byte.
func guest(t testing.TB, version int) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../runtime/sandbox/testdata/good.wasm")
	if err != nil {
		t.Fatal(err)
	}
	wasm = bytes.ReplaceAll(wasm, []byte("state"), []byte("topic"))
	return bytes.ReplaceAll(wasm, []byte("1.0.0"), fmt.Appendf(nil, "1.0.%d", version))
}

// drop writes a plugin into a folder as cp does.
func drop(t testing.TB, folder string, wasm []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "good.wasm"), wasm, 0o600); err != nil {
		t.Fatal(err)
	}
}

// patience is how long tests wait for what a server promises within two seconds. A busy
// machine and the race detector take longer.
const patience = 30 * time.Second

// soon waits until the server reports this status of good.wasm; "" is none.
func (p *process) soon(want string) {
	p.t.Helper()
	said := "" // "serving 1.0.0 ", "refused: ...", or one after the other
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		_, body := p.call("GET", "/api/plugins", "")
		list, _ := body["data"].([]any)
		said = ""
		for _, e := range list {
			if info, _ := e.(map[string]any); strings.HasSuffix(fmt.Sprint(info["source"]), "good.wasm") {
				if refused, ok := info["error"].(map[string]any); ok {
					said += fmt.Sprintf("refused: %v", refused["reason"])
				} else {
					said += fmt.Sprintf("serving %v ", info["version"])
				}
			}
		}
		if said == want || want != "" && strings.HasPrefix(said, want) {
			return
		}
	}
	p.t.Fatalf("after 2 s it says %q; want %q", said, want)
}

// A plugin is added, changed, broken for a while and removed, without a restart.
func TestLivePlugins(t *testing.T) {
	folder := t.TempDir()
	p := serve(t, nil, "--plugins", folder)
	if status, _ := p.call("POST", "/api/sum", "{}"); status != http.StatusNotFound {
		t.Fatalf("a question that nobody answers: %d", status)
	}
	drop(t, folder, guest(t, 0))
	p.soon("serving 1.0.0")
	if got := p.ask("sum", "{}"); got["status"] != "done" {
		t.Fatal(got)
	}
	drop(t, folder, guest(t, 1))
	p.soon("serving 1.0.1")
	got := p.ask("sum", "{}")
	from, _ := got["provenance"].(map[string]any)
	if from["plugin_version"] != "1.0.1" || !strings.HasPrefix(fmt.Sprint(from["plugin_digest"]), "sha256:") {
		t.Errorf("provenance %v", from)
	}
	drop(t, folder, []byte("not WebAssembly"))
	p.soon("serving 1.0.1 refused: ")
	if got := p.ask("sum", "{}"); got["status"] != "done" {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(folder, "good.wasm")); err != nil {
		t.Fatal(err)
	}
	p.soon("")
	if status, _ := p.call("POST", "/api/sum", "{}"); status != http.StatusNotFound {
		t.Errorf("its question is still there: %d", status)
	}
	if status, _ := p.call("GET", "/openapi.json", ""); status != http.StatusOK {
		t.Error(status)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.log)
	}
}

// The default plugin folder may be created after the start.
func TestDefaultFolderAppears(t *testing.T) {
	p := serve(t, nil)
	folder := filepath.Join(p.cmd.Dir, "lestats-plugins")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	drop(t, folder, guest(t, 0))
	p.soon("serving 1.0.0")
}

// Replacing a plugin under full load fails no job, and no client waits long.
func TestSwapUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	folder := t.TempDir()
	drop(t, folder, guest(t, 0))
	p := serve(t, nil, "--plugins", folder, "--workers", "2")
	var mu sync.Mutex
	var times []time.Duration
	var stop atomic.Bool
	var wg sync.WaitGroup
	versions := map[any]int{}
	for n := range 2 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				begun := time.Now()
				// Every request differs, so that no answer can be reused.
				body := fmt.Sprintf(`{"where":{"year":{"min":%d.%06d}}}`, 1000+n, i)
				status, got := p.call("POST", "/api/sum", body, "Prefer: wait=20")
				took := time.Since(begun)
				from, _ := got["provenance"].(map[string]any)
				mu.Lock()
				if status != http.StatusOK || got["status"] != "done" {
					t.Errorf("%d: %v", status, got)
					stop.Store(true)
				}
				times = append(times, took)
				versions[from["plugin_version"]]++
				mu.Unlock()
			}
		})
	}
	p99 := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(times)
		out := times[len(times)*99/100]
		times = times[:0]
		return out
	}
	time.Sleep(time.Second)
	quiet := p99()
	for version := 1; version <= 5; version++ {
		drop(t, folder, guest(t, version))
		p.soon(fmt.Sprintf("serving 1.0.%d", version))
	}
	busy := p99()
	stop.Store(true)
	wg.Wait()
	t.Logf("p99: %s quiet, %s while swapping; jobs by version: %v", quiet, busy, versions)
	if len(versions) < 5 {
		t.Errorf("answers came from %v", versions)
	}
}

func TestPluginLock(t *testing.T) {
	folder, lock := t.TempDir(), filepath.Join(t.TempDir(), "plugins.lock")
	trusted := guest(t, 0)
	drop(t, folder, trusted)
	code, out, errs := lestats(t, "plugin", "lock", "--plugins", folder, "-o", lock)
	if code != exitOK || !strings.Contains(out, "--plugins-lock "+lock) {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	_, printed, _ := lestats(t, "plugin", "lock", "--plugins", folder, "-o", "-")
	if b, err := os.ReadFile(lock); err != nil || string(b) != printed || !containsLine(printed, "sha256:", "good 1.0.0") {
		t.Errorf("%q, %v; printed %q", b, err, printed)
	}
	if code, out, errs := lestats(t, "ask", "sum", "--plugins", folder, "--plugins-lock", lock); code != exitOK {
		t.Errorf("%d: %s%s", code, out, errs)
	}

	p := serve(t, []string{"LESTATS_PLUGINS_LOCK=" + lock}, "--plugins", folder)
	drop(t, folder, guest(t, 1))
	p.soon("serving 1.0.0 refused: its digest sha256:")
	if code, _, errs := lestats(t, "plugin", "lock", "--plugins", folder, "-o", lock); code != exitOK {
		t.Fatal(errs)
	}
	p.soon("serving 1.0.1") // without a restart
	if _, all := p.call("GET", "/api/questions", ""); len(all["data"].([]any)) != 13+4 {
		t.Errorf("the built-in plugin needs no line: %v", all)
	}

	drop(t, folder, []byte("bad"))
	code, _, errs = lestats(t, "plugin", "lock", "--plugins", folder, "-o", lock)
	if code != exitFailed || !containsLine(errs, "NOT LISTED", "good.wasm") {
		t.Errorf("%d: %s", code, errs)
	}
	p.soon("refused: its digest") // the list no longer has this file
	if _, got := p.call("POST", "/api/sum", "{}"); got["code"] != "unknown_question" {
		t.Errorf("what was taken off the list still answers: %v", got)
	}

	for _, tt := range []struct{ lock, want string }{
		{filepath.Join(folder, "none"), "`lestats plugin lock` writes one"},
		{filepath.Join(folder, "good.wasm"), "line 1"},
	} {
		code, _, errs := lestats(t, "serve", "--listen", "127.0.0.1:0", "--store", t.TempDir(), "--plugins-lock", tt.lock)
		if code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%d: %q; want %q", code, errs, tt.want)
		}
	}
}
