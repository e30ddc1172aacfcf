package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const obesity = "Percent of adults aged 18 years and older who have obesity"

// copyPlugins copies the .wasm files of a folder of fixtures, under a prefix.
func copyPlugins(t testing.TB, from, to, prefix string) (names []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(from, "*.wasm"))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %d fixtures, %v", from, len(found), err)
	}
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := prefix + filepath.Base(path)
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// A server whose plugin folder is full of broken and hostile plugins reports what is wrong
// with each, ends each hostile job with its own error, and still answers good questions.
func TestServerAmongHostilePlugins(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	folder := t.TempDir()
	names := append(copyPlugins(t, "../../runtime/sandbox/testdata", folder, "broken-"),
		copyPlugins(t, "../../runtime/sandbox/testdata/hostile", folder, "hostile-")...)
	for name, content := range map[string][]byte{
		"text.wasm": []byte("this is no WebAssembly"), "empty.wasm": nil, "zeros.wasm": make([]byte, 1<<20),
		"cut.wasm": {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 200},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	limits := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(limits, []byte("default: {fuel: 1e9, log: 1 MiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, nil, "--plugins", folder, "--limits", limits, "--time-limit", "20s", "--log-level", "error", "--workers", "2")
	ask := fmt.Sprintf(`{"question":%q}`, obesity)
	good := p.ask("states_mean", ask)
	if good["status"] != "done" {
		t.Fatal(good)
	}

	_, got := p.call("GET", "/api/plugins", "")
	refused, serving := map[string]string{}, 0
	var hostile []string
	for _, row := range got["data"].([]any) {
		row := row.(map[string]any)
		file := filepath.Base(row["source"].(string))
		if row["serving"] == true {
			serving++
			for _, q := range row["questions"].([]any) {
				if row["name"] != "sportifs" && row["name"] != "lean" {
					hostile = append(hostile, q.(string))
				}
			}
			continue
		}
		reason, ok := row["error"].(map[string]any)
		if !ok || reason["code"] != "bad_plugin" || reason["reason"] == "" {
			t.Errorf("%v", row)
			continue
		}
		refused[file] = reason["reason"].(string)
	}
	if serving+len(refused) != len(names)+1 {
		t.Errorf("%d plugins serve and %d are refused; there are %d", serving, len(refused), len(names)+1)
	}
	for file, want := range map[string]string{
		"text.wasm": "WebAssembly", "empty.wasm": "WebAssembly", "cut.wasm": "ends unexpectedly",
		"broken-no_answer.wasm": "lestats_v1_answer", "broken-wrong_signature.wasm": "lestats_v1_",
		"broken-manifest_not_json.wasm": "manifest", "broken-missing_column.wasm": "column",
		"broken-reserved_export.wasm": "__lestats", "broken-no_memory.wasm": "memory",
		"broken-describe_loops.wasm": "fuel", "broken-open_traps.wasm": "trapped",
	} {
		if !strings.Contains(refused[file], want) {
			t.Errorf("%s is refused with %q; want %q in it", file, refused[file], want)
		}
	}
	if len(hostile) < 50 {
		t.Errorf("%d hostile questions are served: too few for this test to mean anything", len(hostile))
	}

	codes := map[string]int{}
	for _, name := range hostile {
		status, accepted := p.call("POST", "/api/"+name, "{}")
		if status != http.StatusAccepted {
			t.Errorf("POST %s: %d, %v", name, status, accepted)
			continue
		}
		_, got := p.call("GET", fmt.Sprintf("/api/get_results/%s?wait=30", accepted["job_id"]), "")
		switch got["status"] {
		case "done":
			codes["done"]++
		case "error":
			codes[got["code"].(string)]++
			if got["reason"] == "" || len(got["reason"].(string)) > 2000 {
				t.Errorf("%s ended with %v", name, got)
			}
		default:
			t.Errorf("%s: %v", name, got)
		}
	}
	t.Logf("%d hostile questions ended so: %v", len(hostile), codes)
	for _, code := range []string{"plugin_trap", "fuel_limit", "depth_limit", "memory_limit", "log_limit", "bad_result", "result_too_large"} {
		if codes[code] == 0 {
			t.Errorf("no hostile question ended in %s", code)
		}
	}
	if codes["internal"] > 0 || codes["time_limit"] > 0 {
		t.Errorf("ended so: %v", codes)
	}
	if again := p.ask("states_mean", ask); fmt.Sprint(again["data"]) != fmt.Sprint(good["data"]) {
		t.Errorf("%v; before %v", again, good)
	}
	if code := p.stop(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}

// A full queue refuses new jobs and loses no accepted one.
func TestFullQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	folder := t.TempDir()
	b, err := os.ReadFile("../../runtime/sandbox/testdata/runaway.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "runaway.wasm"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, nil, "--plugins", folder, "--workers", "1", "--queue", "2", "--time-limit", "2s")
	_, got := p.call("GET", "/api/plugins", "")
	name := ""
	for _, row := range got["data"].([]any) {
		if row := row.(map[string]any); row["name"] != "sportifs" {
			name = row["questions"].([]any)[0].(string)
		}
	}
	var ids []any
	full := 0
	for range 12 {
		switch status, got := p.call("POST", "/api/"+name, "{}"); status {
		case http.StatusAccepted:
			ids = append(ids, got["job_id"])
		case http.StatusServiceUnavailable:
			full++
			if got["code"] != "queue_full" {
				t.Errorf("%v", got)
			}
		default:
			t.Errorf("%d, %v", status, got)
		}
	}
	if full == 0 || len(ids) < 3 {
		t.Fatalf("%d were taken, %d were not", len(ids), full)
	}
	for _, id := range ids {
		_, got := p.call("GET", fmt.Sprintf("/api/get_results/%v?wait=30", id), "")
		if got["code"] != "time_limit" {
			t.Errorf("%v", got)
		}
	}
}

// While the store is unavailable, no job is accepted that could be lost. Jobs accepted
// before are there when it is back.
func TestStoreGoesAway(t *testing.T) {
	root := t.TempDir()
	store, away := filepath.Join(root, "store"), filepath.Join(root, "away")
	p := serve(t, nil, "--store", store)
	ask := fmt.Sprintf(`{"question":%q}`, obesity)
	before := p.ask("states_mean", ask)
	if before["status"] != "done" {
		t.Fatal(before)
	}
	if err := os.Rename(store, away); err != nil {
		t.Fatal(err)
	}
	if status, got := p.call("POST", "/api/states_mean", ask); status != http.StatusServiceUnavailable || got["code"] != "store_unavailable" {
		t.Errorf("%d, %v", status, got)
	}
	if status, _, err := p.try("GET", "/readyz", ""); err != nil || status == http.StatusOK {
		t.Errorf("/readyz: %d, %v", status, err)
	}
	if status, _, err := p.try("GET", "/healthz", ""); err != nil || status != http.StatusOK {
		t.Errorf("/healthz: %d, %v", status, err)
	}
	if err := os.Rename(away, store); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, got := p.call("POST", "/api/states_mean", ask)
		if status == http.StatusAccepted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the store is back: %d, %v", status, got)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, got := p.call("GET", fmt.Sprintf("/api/get_results/%v", before["job_id"]), ""); fmt.Sprint(got["data"]) != fmt.Sprint(before["data"]) {
		t.Errorf("%v; before %v", got, before)
	}
}

// Bad requests to the real server, over a real connection, get their codes.
func TestBadRequests(t *testing.T) {
	p := serve(t, nil, "--local-shutdown")
	long := `{"question":"` + strings.Repeat("x", 64<<10) + `"}`
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"malformed JSON", "POST", "/api/states_mean", `{"question":`, 400, "malformed_json"},
		{"no body", "POST", "/api/states_mean", "", 400, "malformed_json"},
		{"a list", "POST", "/api/states_mean", "[]", 400, "malformed_json"},
		{"not UTF-8", "POST", "/api/states_mean", "{\"question\":\"\xff\"}", 400, ""},
		{"a wrong type", "POST", "/api/states_mean", `{"question":1}`, 400, ""},
		{"an unknown field", "POST", "/api/states_mean", `{"question":"x","color":"red"}`, 400, ""},
		{"an unknown value", "POST", "/api/states_mean", `{"question":"x"}`, 400, "unknown_value"},
		{"a missing parameter", "POST", "/api/state_mean", fmt.Sprintf(`{"question":%q}`, obesity), 400, "missing_parameter"},
		{"an empty parameter", "POST", "/api/states_mean", `{"question":""}`, 400, ""},
		{"an unknown state", "POST", "/api/state_mean", fmt.Sprintf(`{"question":%q,"state":"Ohoi"}`, obesity), 400, "unknown_value"},
		{"where of nothing", "POST", "/api/states_mean", fmt.Sprintf(`{"question":%q,"where":{"color":1}}`, obesity), 400, ""},
		{"too large", "POST", "/api/states_mean", long, 413, "body_too_large"},
		{"an unknown question", "POST", "/api/states_men", "{}", 404, "unknown_question"},
		{"an unknown route", "GET", "/api/nothing", "", 404, "unknown_route"},
		{"a wrong method", "PUT", "/api/jobs", "", 405, "method_not_allowed"},
		{"no UUID", "GET", "/api/get_results/7", "", 400, "bad_id"},
		{"an id that nobody gave out", "GET", "/api/get_results/01936ac2-5b00-7c3e-9a41-999999999999", "", 404, "unknown_job"},
		{"to cancel that", "DELETE", "/api/jobs/01936ac2-5b00-7c3e-9a41-999999999999", "", 404, "unknown_job"},
	} {
		status, got := p.call(tt.method, tt.path, tt.body, "Content-Type: application/json")
		code, _ := got["code"].(string)
		if status != tt.status || got["status"] != "error" || code == "" || (tt.code != "" && code != tt.code) || got["reason"] == "" {
			t.Errorf("%s: %d, %v; want %d, %s", tt.name, status, got, tt.status, tt.code)
		}
	}
	if status, got := p.call("POST", "/api/states_mean", "question=x", "Content-Type: application/x-www-form-urlencoded"); status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d, %v", status, got)
	}

	// Shutting down: new jobs are refused, accepted ones are finished.
	var wg sync.WaitGroup
	var mu sync.Mutex
	var seen bytes.Buffer
	for range 4 {
		wg.Go(func() {
			for range 50 {
				status, b, err := p.try("POST", "/api/states_mean", fmt.Sprintf(`{"question":%q}`, obesity), "Content-Type: application/json")
				if err != nil || (status != http.StatusAccepted && (status != http.StatusServiceUnavailable || !bytes.Contains(b, []byte("shutting_down")))) {
					mu.Lock()
					fmt.Fprintf(&seen, "%d %s %v\n", status, b, err)
					mu.Unlock()
				}
			}
		})
	}
	p.call("GET", "/api/graceful_shutdown", "")
	wg.Wait()
	if seen.Len() > 0 {
		t.Errorf("while it shut down:\n%.2000s", seen.String())
	}
	if status, got := p.call("POST", "/api/states_mean", fmt.Sprintf(`{"question":%q}`, obesity), "Content-Type: application/json"); status != http.StatusServiceUnavailable || got["code"] != "shutting_down" {
		t.Errorf("after the shutdown: %d, %v", status, got)
	}
	if _, got := p.call("GET", "/api/num_jobs", ""); fmt.Sprint(got["data"]) != "0" {
		t.Errorf("left over: %v", got)
	}
}
