package pull

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = log.New(io.Discard, "", 0)

const goodRows = 20_000

// table returns a CSV of n rows; another seed, another content of the same length.
func table(n, seed int) []byte {
	var b bytes.Buffer
	b.WriteString("id,value\n")
	for i := range n {
		fmt.Fprintf(&b, "%06d,%02d\n", i, (i*7+seed)%100)
	}
	return b.Bytes()
}

var good = table(goodRows, 1)

// verifyCSV is what the command line does with a dataset, on a small scale.
func verifyCSV(ctx context.Context, path string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return 0, err
	}
	if !slices.Equal(rows[0], []string{"id", "value"}) {
		return 0, fmt.Errorf("the header is %q", rows[0])
	}
	for i, row := range rows[1:] {
		if row[0] != fmt.Sprintf("%06d", i) || len(row[1]) != 2 {
			return 0, fmt.Errorf("row %d is %q", i, row)
		}
	}
	return len(rows) - 1, nil
}

// step is what the server does with one request.
type step func(w http.ResponseWriter, r *http.Request)

// server answers each request with the next step, and the last one from then on.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	steps    []step
	requests []*http.Request
}

func serve(t interface{ Cleanup(f func()) }, steps ...step) *server {
	s := &server{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		do := s.steps[min(len(s.requests), len(s.steps)-1)]
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		do(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// asked returns how often the server was asked, and the ranges it was asked for.
func (s *server) asked() (n int, ranges []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		ranges = append(ranges, r.Header.Get("Range"))
	}
	return len(s.requests), ranges
}

// pullOf is a Config for a test: patient for a few milliseconds.
func (s *server) pullOf(target string) Config {
	return Config{
		Source:   Source{Name: "test", URL: s.URL + "/rows.csv", MaxBytes: 1 << 20, MinRows: 1000},
		Target:   target,
		Verify:   verifyCSV,
		Attempts: 5,
		Backoff:  time.Millisecond,
		Stall:    2 * time.Second,
	}
}

// --- the steps ---

// content serves b as a decent server does: length, validators, ranges.
func content(b []byte, etag string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(w, r, "rows.csv", time.Time{}, bytes.NewReader(b))
	}
}

// cutAfter serves with do, and breaks the connection after n bytes of the body.
func cutAfter(n int, do step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		do(&cutter{ResponseWriter: w, left: n}, r)
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutter) Write(b []byte) (int, error) {
	if len(b) >= c.left {
		c.ResponseWriter.Write(b[:c.left])
		http.NewResponseController(c).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

// stallAfter serves with do, and falls silent after n bytes of the body.
func stallAfter(n int, do step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		do(&staller{ResponseWriter: w, left: n, gone: r.Context().Done()}, r)
	}
}

type staller struct {
	http.ResponseWriter
	left int
	gone <-chan struct{}
}

func (s *staller) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *staller) Write(b []byte) (int, error) {
	if len(b) >= s.left {
		s.ResponseWriter.Write(b[:s.left])
		http.NewResponseController(s).Flush()
		<-s.gone
		panic(http.ErrAbortHandler)
	}
	s.left -= len(b)
	return s.ResponseWriter.Write(b)
}

func status(code int, header ...string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, "<html>no</html>")
	}
}

func text(contentType, body string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, body)
	}
}

// chunked serves b without a length.
func chunked(b []byte) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		for part := range slices.Chunk(b, 10_000) {
			w.Write(part)
			http.NewResponseController(w).Flush()
		}
	}
}

// claim serves b under a length that is not its own, past net/http's checks.
func claim(length int, b []byte) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", length)
		conn.Write(b)
	}
}

// ignoringRanges serves the whole of it, whatever was asked for.
func ignoringRanges(do step) step {
	return func(w http.ResponseWriter, r *http.Request) {
		whole := r.Clone(r.Context())
		whole.Header.Del("Range")
		do(w, whole)
	}
}

// partial answers 206 with these headers and bytes, whatever was asked for.
func partial(contentRange, etag string, b []byte) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.Header().Set("ETag", etag)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(b)
	}
}

func zipped(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

// encoded serves b under a Content-Encoding that nobody asked for.
func encoded(encoding string, b []byte) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", encoding)
		w.Header().Set("ETag", `"z"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b)
	}
}

// --- what is there afterwards ---

func newTarget(t *testing.T, old string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "rows.csv")
	if old != "" {
		if err := os.WriteFile(target, []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, not the %d that were wanted", path, len(got), len(want))
	}
}

// wantAlone fails when there is anything in the target's folder but these files.
func wantAlone(t *testing.T, target string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("the folder holds %q, not %q", got, names)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("the error is %v, no *Error", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}
