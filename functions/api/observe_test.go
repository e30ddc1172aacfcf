package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
)

// observed runs a server with an admin address until t ends.
func observed(t *testing.T, change func(*Config)) *Main {
	t.Helper()
	m := open(t, func(cfg *Config) {
		cfg.AdminListen = "127.0.0.1:0"
		change(cfg)
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return m
}

// fetch sends a request and returns its status and body.
func fetch(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Whatever strangers send, it becomes no label: a thousand hostile requests make no more
// series than a few do.
func TestStrangersMakeNoSeries(t *testing.T) {
	m := observed(t, func(*Config) {})
	series := func() (n int, text string) {
		status, text := fetch(t, "GET", m.base.AdminURL()+"/metrics", "")
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "lestats_") {
				n++
			}
		}
		return n, text
	}
	hostile := func(i int) {
		name := "evil" + strings.Repeat("x", i%40) + string(rune('a'+i%26))
		fetch(t, "GET", m.URL()+"/"+name, "")
		fetch(t, "POST", m.URL()+"/api/"+name, "{}")
		fetch(t, "GET", m.URL()+"/api/"+name+"?question="+name, "")
		fetch(t, "GET", m.URL()+"/api/get_results/"+name, "")
		fetch(t, "EVIL"+strings.ToUpper(name), m.URL()+"/api/jobs", "")
		fetch(t, "POST", m.URL()+"/api/states_mean", `{"question":"`+name+`"}`)
	}
	hostile(0)
	before, _ := series()
	for i := range 100 {
		hostile(i)
	}
	after, text := series()
	if after != before || strings.Contains(strings.ToLower(text), "evil") {
		t.Errorf("%d series, then %d:\n%s", before, after, text)
	}
	if want := `lestats_http_requests_total{method="other",route="/api/jobs",status="405"} 101`; !strings.Contains(text, want) {
		t.Errorf("no %s:\n%s", want, text)
	}
}

// A job and an answer are counted, with the store's and the sandbox's part in them.
func TestMetricsOfAJob(t *testing.T) {
	m := observed(t, func(*Config) {})
	const obesity = "Percent of adults aged 18 years and older who have obesity"
	if status, body := fetch(t, "POST", m.URL()+"/api/states_mean?wait=20", `{"question":"`+obesity+`"}`); status != http.StatusOK {
		t.Fatal(status, body)
	}
	if status, body := fetch(t, "GET", m.URL()+"/api/states_mean?question="+strings.ReplaceAll(obesity, " ", "%20"), ""); status != http.StatusOK {
		t.Fatal(status, body)
	}
	_, text := fetch(t, "GET", m.base.AdminURL()+"/metrics", "")
	for _, want := range []string{
		`lestats_jobs_total{code="done",plugin="sportifs",question="states_mean"} 1`,
		`lestats_answers_total{code="done",plugin="sportifs",question="states_mean"} 1`,
		`lestats_http_requests_total{method="POST",route="/api/{question}",status="200"} 1`,
		`lestats_run_duration_seconds_count{plugin="sportifs"} 2`,
		`lestats_fuel_total{plugin="sportifs",question="states_mean"} `,
		`lestats_store_requests_total{operation="create",result="ok"} 1`,
		`lestats_plugins{state="serving"} 1`,
		`lestats_jobs_waiting 0`, `lestats_intake_limit 1024`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// The main address has the metrics for holders of an admin key only.
func TestMetricsNeedAnAdminKey(t *testing.T) {
	m := observed(t, func(cfg *Config) { cfg.AdminKey = "admin" })
	for header, want := range map[string]int{
		"X-Nothing: 1": http.StatusForbidden, "Authorization: Bearer wrong": http.StatusForbidden, "Authorization: Bearer admin": http.StatusOK,
	} {
		status, body := fetch(t, "GET", m.URL()+"/metrics", "", header)
		if status != want || (want == http.StatusOK) != strings.Contains(body, "lestats_build_info") {
			t.Errorf("%s: %d %.200s", header, status, body)
		}
	}
	open := observed(t, func(*Config) {})
	if status, body := fetch(t, "GET", open.URL()+"/metrics", ""); status != http.StatusForbidden {
		t.Errorf("without an admin key: %d %.200s", status, body)
	}
	off := observed(t, func(cfg *Config) { cfg.NoMetrics = true })
	for _, url := range []string{off.URL(), off.base.AdminURL()} {
		if status, body := fetch(t, "GET", url+"/metrics", ""); status != http.StatusNotFound {
			t.Errorf("--no-metrics: %d %.200s", status, body)
		}
	}
}

func TestAdminAddress(t *testing.T) {
	m := observed(t, func(*Config) {})
	url := m.base.AdminURL()
	_, index := fetch(t, "GET", url+"/", "")
	for _, page := range []struct{ path, has string }{
		{"/metrics", "# TYPE lestats_build_info gauge"},
		{"/debug/pprof/", "full goroutine stack dump"},
		{"/debug/goroutines", "runtime/pprof.writeGoroutineStacks"},
		{"/debug/buildinfo", `"GOARCH":`},
	} {
		status, body := fetch(t, "GET", url+page.path, "")
		if status != http.StatusOK || !strings.Contains(body, page.has) {
			t.Errorf("%s: %d %.200s", page.path, status, body)
		}
		if !strings.Contains(index, page.path+" ") {
			t.Errorf("the index does not list %s:\n%s", page.path, index)
		}
	}
	if status, body := fetch(t, "GET", url+"/debug/pprof/profile?seconds=1", ""); status != http.StatusOK || len(body) < 100 {
		t.Errorf("a profile: %d, %d bytes", status, len(body))
	}
	for _, refused := range []struct {
		method, path, header string
		status               int
	}{
		{"GET", "/metrics", "Host: rebound.example.org", http.StatusForbidden},
		{"GET", "/metrics", "Host: localhost:1", http.StatusOK},
		{"GET", "/debug/pprof/profile", "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{"GET", "/metrics", "Sec-Fetch-Site: same-site", http.StatusForbidden},
		{"GET", "/metrics", "Sec-Fetch-Site: none", http.StatusOK},
		{"POST", "/debug/pprof/symbol", "X-Nothing: 1", http.StatusMethodNotAllowed},
		{"GET", "/debug/pprof/profile?seconds=121", "X-Nothing: 1", http.StatusBadRequest},
		{"GET", "/debug/pprof/trace?seconds=1e300", "X-Nothing: 1", http.StatusBadRequest},
		{"GET", "/debug/pprof/heap?seconds=100000", "X-Nothing: 1", http.StatusBadRequest},
		{"GET", "/nowhere", "X-Nothing: 1", http.StatusNotFound},
		{"GET", "/debug/pprof/cmdline", "X-Nothing: 1", http.StatusNotFound}, // it may have a key
	} {
		if status, body := fetch(t, refused.method, url+refused.path, "", refused.header); status != refused.status {
			t.Errorf("%s %s, %s: %d %.100s", refused.method, refused.path, refused.header, status, body)
		}
	}
}

// A profile that is being made does not hold up a stopping server, and an address that is
// taken is an error at the start.
func TestAdminAddressEnds(t *testing.T) {
	m := open(t, func(cfg *Config) { cfg.AdminListen = "127.0.0.1:0" })
	address := strings.TrimPrefix(m.base.AdminURL(), "http://")
	cfg := Config{Listen: "127.0.0.1:0"}
	cfg.Location, cfg.Log, cfg.AdminListen = t.TempDir(), quiet, address
	if taken, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--admin-listen") {
		t.Errorf("%v, %v", taken, err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	begin := time.Now()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// A function writes one line of embedded metrics per event, and none if that is off.
func TestEmbeddedMetrics(t *testing.T) {
	for _, off := range []bool{false, true} {
		var out bytes.Buffer
		m := open(t, func(cfg *Config) {
			cfg.Function, cfg.Location, cfg.NoMetrics, cfg.MetricsLog = true, "file://"+t.TempDir(), off, &out
			cfg.AdminListen = "127.0.0.1:0" // a function does not listen
		})
		if m.base.AdminURL() != "" {
			t.Error("a function has an admin address")
		}
		gateway := &lambdatest.Gateway{Version: "2.0", Invoke: m.function.Invoke}
		client := &http.Client{Transport: gateway}
		for range 2 {
			resp, err := client.Post("https://f.example/api/states_mean", "application/json", strings.NewReader(`{"question":"Percent of adults aged 18 years and older who have obesity"}`))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Fatal(resp.Status)
			}
		}
		if off {
			if out.Len() > 0 {
				t.Errorf("--no-metrics: %s", out.String())
			}
			continue
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines: %s", len(lines), out.String())
		}
		var line struct {
			Requests, Jobs, Fuel float64
			RunTime              []float64
		}
		if err := json.Unmarshal([]byte(lines[1]), &line); err != nil {
			t.Fatal(err)
		}
		if line.Requests != 1 || line.Jobs != 1 || line.Fuel <= 0 || len(line.RunTime) != 1 {
			t.Errorf("%s", lines[1])
		}
	}
}
