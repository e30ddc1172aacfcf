// Package queuetest gives tests an SQS server of their own.
package queuetest

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// EnvBinary names the program; else it is .tools/goaws at the module's root.
const EnvBinary = "LESTATS_GOAWS"

// Receives is how often a message is delivered before it goes to Server.Dead.
const Receives = 3

// Server is goaws on loopback, with a queue and its dead-letter queue.
type Server struct {
	Jobs, Dead string // the queues' URLs

	stop func()
}

// Start returns a server that ends with t. Its program is goaws, see testtool.Find.
// It sets credentials, which the server does not look at, for t's duration.
func Start(t testing.TB) *Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "lestats-test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "lestats-test")
	t.Setenv("AWS_REGION", "us-east-1")
	program := testtool.Find(t, "goaws", EnvBinary)
	command := exec.Command(program, "--listen", "127.0.0.1:0", "--receives", strconv.Itoa(Receives)) //nolint:noctx // a test's server, killed below
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{stop: sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})}
	t.Cleanup(s.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("goaws did not start: %q, %v", line, err)
	}
	s.Jobs = strings.TrimSpace(line)
	s.Dead = s.Jobs + "-dead"
	return s
}

// Kill ends the server, with kill -9.
func (s *Server) Kill() { s.stop() }
