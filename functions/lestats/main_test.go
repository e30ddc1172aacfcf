package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// asLestats turns this test binary into the program itself. The end-to-end tests start it
// as a separate process, so that they can kill it.
const asLestats = "LESTATS_TEST_IS_LESTATS"

func TestMain(m *testing.M) {
	sandbox.CompilerMain()
	if os.Getenv(asLestats) != "" {
		main()
	}
	for _, variable := range os.Environ() { // settings of the user's own environment must not affect tests
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "LESTATS_") && !strings.HasPrefix(name, "LESTATS_TEST_") && !slices.Contains([]string{envBinary, "LESTATS_CDC_SLICE", testminio.EnvBinary, queuetest.EnvBinary}, name) {
			_ = os.Unsetenv(name)
		}
	}
	before := folder()
	code := m.Run()
	if after := folder(); after != before || strings.Contains(after, wire.DefaultStore) {
		fmt.Fprintf(os.Stderr, "a test changed its package's folder from\n%s\nto\n%s\n", before, after)
		code = cmp.Or(code, 1)
	}
	if compiledFolder != "" {
		_ = os.RemoveAll(compiledFolder)
	}
	os.Exit(code)
}

// folder lists the package's folder, except for what go test -fuzz and -coverprofile
// write there.
func folder() string {
	entries, err := os.ReadDir(".")
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "testdata" && !strings.HasSuffix(e.Name(), ".out") && !strings.HasSuffix(e.Name(), ".prof") && !strings.HasSuffix(e.Name(), ".test") {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, "\n")
}

// lestats runs the command in this process and returns its exit code and output.
func lestats(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// dataOf returns the data of an answer in JSON.
func dataOf(t *testing.T, out string) map[string]any {
	t.Helper()
	var body struct {
		Status string         `json:"status"`
		Data   map[string]any `json:"data"`
	}
	if err := json.Unmarshal([]byte(out), &body); err != nil || body.Status != "done" {
		t.Fatalf("%v: %s", err, out)
	}
	return body.Data
}

// process is a running `lestats serve`.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	url string
	log *bytes.Buffer // complete once the process has ended
}

var bannerURL = regexp.MustCompile(`http://[0-9.:\[\]]+`)

// start starts the real program and returns the first line that it prints. The process ends
// with the test.
func start(t testing.TB, env []string, args ...string) (p *process, first string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p = &process{t: t, log: new(bytes.Buffer)}
	p.cmd = exec.Command(exe, args...)
	p.cmd.Env = append(append(os.Environ(), asLestats+"=1"), env...)
	p.cmd.Dir = t.TempDir() // relative defaults, such as the store, stay in there
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	if first, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		p.kill()
		t.Fatalf("%q, %v\n%s", first, err, p.log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p, first
}

// serve starts `lestats serve` on a free port and waits for its banner.
func serve(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p, first := start(t, env, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
	if p.url = bannerURL.FindString(first); p.url == "" {
		t.Fatalf("no banner: %q", first)
	}
	return p
}

// kill ends the process as `kill -9` does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stop ends the process as a service manager does, and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	return p.signal(syscall.SIGTERM)
}

// signal sends a signal that ends the process, and returns its exit code.
func (p *process) signal(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(45 * time.Second):
		p.t.Fatalf("the server did not stop within 45 s of %s", s)
		return -1
	}
}

// call sends one request and returns status and decoded body.
func (p *process) call(method, path, body string, headers ...string) (int, map[string]any) {
	p.t.Helper()
	status, b, err := p.try(method, path, body, headers...)
	if err != nil {
		p.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		p.t.Fatalf("%s %s: %d, %q: %v", method, path, status, b, err)
	}
	return status, v
}

func (p *process) try(method, path, body string, headers ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	status, _, b, err := send(ctx, http.DefaultClient, method, p.url+path, body, headers...)
	return status, b, err
}

// send sends one request and returns status, headers and body of the answer. Headers are
// lines such as "Prefer: wait=20"; Host may be one of them.
func send(ctx context.Context, c *http.Client, method, url, body string, headers ...string) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host") // "" is the URL's
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, b, err
}

// ask submits a question and waits for its answer, as a client of the original program does.
func (p *process) ask(name, body string) map[string]any {
	p.t.Helper()
	status, accepted := p.call("POST", "/api/"+name, body)
	if status != http.StatusAccepted {
		p.t.Fatalf("POST %s %s: %d, %v", name, body, status, accepted)
	}
	_, got := p.call("GET", fmt.Sprintf("/api/get_results/%s?wait=20", accepted["job_id"]), "")
	return got
}
