// Package queuetest starts an SQS server for tests.
package queuetest

import (
	"bufio"
	"crypto/rand"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// EnvBinary is the environment variable that names the program; without it, the
// program is .tools/goaws at the module's root.
const EnvBinary = "LESTATS_GOAWS"

// MaxReceives is the number of deliveries after which a message moves to Server.Dead.
const MaxReceives = 3

// Server is goaws on loopback with a queue and its dead-letter queue.
type Server struct {
	Jobs, Dead string // the queues' URLs

	stop func()
}

// Start starts a server and stops it when t ends. testtool.Find finds the program.
// It also sets credentials, which the server does not check, for the duration of t.
func Start(t testing.TB) *Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "lestats-test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "lestats-test")
	t.Setenv("AWS_REGION", "us-east-1")
	s := &Server{}
	s.start(t, "127.0.0.1:0")
	t.Cleanup(s.Kill)
	return s
}

// start starts the program and waits until it says where its queues are.
func (s *Server) start(t testing.TB, address string) {
	t.Helper()
	command := exec.Command(testtool.Find(t, "goaws", EnvBinary), "--listen", address, "--receives", strconv.Itoa(MaxReceives)) //nolint:noctx,gosec // a test's server, killed below
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.stop()
		t.Fatalf("goaws did not start: %q, %v", line, err)
	}
	s.Jobs = strings.TrimSpace(line)
	s.Dead = s.Jobs + "-dead"
}

// Restart kills the server and starts another one at the same address, with empty queues.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	at, err := url.Parse(s.Jobs)
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, at.Host)
}

// New creates another queue, with the default visibility timeout, and returns its URL.
func (s *Server) New(t testing.TB) string {
	t.Helper()
	name := "q" + strings.ToLower(rand.Text())
	base := strings.TrimSuffix(s.Jobs, "jobs")
	resp, err := http.PostForm(strings.TrimSuffix(base, "000000000000/"), url.Values{"Action": {"CreateQueue"}, "QueueName": {name}}) //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("goaws does not create a queue: %s", resp.Status)
	}
	return base + name
}

// Kill kills the server with SIGKILL.
func (s *Server) Kill() { s.stop() }
