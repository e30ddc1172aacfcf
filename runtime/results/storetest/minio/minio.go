// Package minio gives tests an S3 server: the one that LESTATS_TEST_S3 names, or
// a MinIO of their own.
package minio

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// The environment.
const (
	// EnvServer is a server that runs already: http://key:secret@127.0.0.1:9000/bucket.
	EnvServer = "LESTATS_TEST_S3"
	// EnvBinary is a MinIO binary; else it is .tools/minio at the module's root,
	// where `make test` puts it.
	EnvBinary = "LESTATS_MINIO"
)

// Server is an S3 server for the duration of a test. Its bucket may have to be
// created.
type Server struct {
	Endpoint             string // http://127.0.0.1:port
	AccessKey, SecretKey string
	Bucket               string

	binary, folder string
	command        *exec.Cmd
	output         *safeBuffer
	ended          chan struct{}
}

// Start returns a server; one that it starts listens on loopback, keeps its
// objects in a temporary folder and is stopped when t ends. Without a server or a
// binary it skips t, or fails it where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	if address := os.Getenv(EnvServer); address != "" {
		s, err := parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return StartOwn(t)
}

// StartOwn is Start, but never returns the server of LESTATS_TEST_S3: for tests
// that stop it.
func StartOwn(t testing.TB) *Server {
	t.Helper()
	binary := testtool.Find(t, "minio", EnvBinary)
	s := &Server{AccessKey: "lestats-test", SecretKey: rand.Text(), Bucket: "lestats-test", binary: binary, folder: t.TempDir()}
	t.Cleanup(s.Kill)
	var err error
	for range 3 { // somebody else may take the free port first
		var listener net.Listener
		if listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.Endpoint = "http://" + listener.Addr().String()
		_ = listener.Close()
		if err = s.Restart(t.Context()); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Restart starts a server that was killed, where it was and with what it had, and
// returns when it answers.
func (s *Server) Restart(ctx context.Context) error {
	s.Kill()
	s.output = new(safeBuffer)
	s.command = exec.Command(s.binary, "server", "--quiet", "--address", strings.TrimPrefix(s.Endpoint, "http://"), s.folder) //nolint:noctx // a test's binary, killed by Kill
	s.command.Env = append(os.Environ(),
		"MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=on", "HOME="+s.folder, "GOMAXPROCS=2")
	s.command.Stdout, s.command.Stderr = s.output, s.output
	if err := s.command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		_ = s.command.Wait()
		close(ended)
	}()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/minio/health/cluster", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("MinIO does not answer: %w\n%s", ctx.Err(), s.output)
		case <-ended:
			return fmt.Errorf("MinIO ended\n%s", s.output)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends a server that was started here, with kill -9. It may be called again.
func (s *Server) Kill() {
	if s.ended == nil {
		return
	}
	_ = s.command.Process.Kill()
	<-s.ended
	s.ended = nil
}

func parse(address string) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.User == nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("%s is not http://key:secret@host:port/bucket", EnvServer)
	}
	secret, _ := u.User.Password()
	return &Server{
		Endpoint:  u.Scheme + "://" + u.Host,
		AccessKey: u.User.Username(),
		SecretKey: secret,
		Bucket:    strings.Trim(u.Path, "/"),
	}, nil
}

// safeBuffer is what a process writes, for one goroutine to read meanwhile.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
