package main

import (
	"bufio"
	"bytes"
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

	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// asLestats makes this test binary the program itself: the end-to-end tests
// start it as a process of its own, so that they can kill it.
const asLestats = "LESTATS_TEST_IS_LESTATS"

func TestMain(m *testing.M) {
	sandbox.CompilerMain()
	if os.Getenv(asLestats) != "" {
		main()
	}
	for _, variable := range os.Environ() { // what somebody has set for the program is not meant for its tests
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "LESTATS_") && !strings.HasPrefix(name, "LESTATS_TEST_") && !slices.Contains([]string{envBinary, "LESTATS_CDC_SLICE", testminio.EnvBinary, queuetest.EnvBinary}, name) {
			_ = os.Unsetenv(name)
		}
	}
	code := m.Run()
	if compiledFolder != "" {
		_ = os.RemoveAll(compiledFolder)
	}
	os.Exit(code)
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

// process is a running `lestats serve`.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	url string
	log *bytes.Buffer // complete once the process has ended
}

var bannerURL = regexp.MustCompile(`http://[0-9.:\[\]]+`)

// serve starts the real program on a free port and waits for its banner. The
// process ends with the test.
func serve(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, log: new(bytes.Buffer)}
	p.cmd = exec.Command(exe, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
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
	first, err := bufio.NewReader(out).ReadString('\n')
	p.url = bannerURL.FindString(first)
	if p.url == "" {
		p.kill()
		t.Fatalf("no banner: %q, %v\n%s", first, err, p.log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
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
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(45 * time.Second):
		p.t.Fatal("the server did not stop within 45 s of SIGTERM")
		return -1
	}
}

// call sends one request and returns status and decoded body.
func (p *process) call(method, path, body string, header ...string) (int, map[string]any) {
	p.t.Helper()
	status, b, err := p.try(method, path, body, header...)
	if err != nil {
		p.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		p.t.Fatalf("%s %s: %d, %q: %v", method, path, status, b, err)
	}
	return status, v
}

func (p *process) try(method, path, body string, header ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// ask submits a question and waits for its answer, as a client of the seed does.
func (p *process) ask(name, body string) map[string]any {
	p.t.Helper()
	status, accepted := p.call("POST", "/api/"+name, body)
	if status != http.StatusAccepted {
		p.t.Fatalf("POST %s %s: %d, %v", name, body, status, accepted)
	}
	_, got := p.call("GET", fmt.Sprintf("/api/get_results/%s?wait=20", accepted["job_id"]), "")
	return got
}
