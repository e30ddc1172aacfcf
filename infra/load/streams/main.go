// Command streams follows many jobs at once and measures how fast each client learns of a
// change, and what a stream costs the server in memory. It fails if an event takes longer
// than 100 ms or a stream more than 100 KiB.
//
//	go run ./infra/load/streams -streams 500
//
// The server is a second process of this program: the real handler and pool, with jobs that
// run until they are told to end.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

const (
	limit   = 100 * time.Millisecond // for an event
	maxKiB  = 100                    // of memory per stream
	timeout = time.Minute
	rounds  = 3 // of which the best counts: other processes share the machine
)

func main() {
	streams := flag.Int("streams", 500, "how many clients follow a job")
	server := flag.Bool("server", false, "be the server; for this program itself")
	flag.Parse()
	if flag.NArg() > 0 || *streams < 1 || *streams > 900 {
		fmt.Fprintln(os.Stderr, "usage: streams [-streams 1..900]")
		os.Exit(2)
	}
	do := func() error { return measure(*streams) }
	if *server {
		do = func() error { return serve(*streams) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

// held answers when it is told to.
type held struct {
	mu   sync.Mutex
	gate chan struct{}
}

func (h *held) Check(question.Request) error { return nil }

func (h *held) Refresh(context.Context) error { return nil }

func (h *held) Answer(ctx context.Context, _ question.Request) (*question.Answer, error) {
	h.mu.Lock()
	gate := h.gate
	h.mu.Unlock()
	select {
	case <-gate:
		return &question.Answer{Table: &question.Table{Layout: question.LayoutRecord, Columns: []question.Column{
			{Name: "n", Type: question.Integer, Role: question.RoleValue, Integers: []int64{1}},
		}}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// release lets all jobs that run now end.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.gate)
	h.gate = make(chan struct{})
}

func (*held) Plugins() []question.PluginInfo { return nil }

func (*held) Served() []question.ServedQuestion {
	return []question.ServedQuestion{{Question: &question.Question{Name: "held", Result: question.Result{Layout: question.LayoutRecord}}}}
}

// serve is the server, until its standard input ends.
func serve(streams int) error {
	h := &held{gate: make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	pool, err := jobs.New(jobs.Config{
		Workers: streams, TimeLimit: timeout, Grace: time.Millisecond, Queue: queue.NewMemory(time.Hour), Receive: true, Log: log,
	}, results.New(&storetest.Memory{}), h)
	if err != nil {
		return err
	}
	handler, err := httpapi.New(httpapi.Config{Catalog: h, Jobs: pool, Formats: wire.Formats, Log: log})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("POST /release", func(http.ResponseWriter, *http.Request) { h.release() })
	if err := pool.Start(context.Background()); err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second}
	go func() { _ = s.Serve(l) }() // the end of the program ends it
	fmt.Fprintln(os.Stdout, "http://"+l.Addr().String())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// measure starts the server and measures twice: all clients follow one job, and each its own.
func measure(streams int) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	own, err := os.Executable()
	if err != nil {
		return err
	}
	server := exec.CommandContext(ctx, own, "-server", "-streams", strconv.Itoa(streams))
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		return err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = stdin.Close()
		_ = server.Wait() // it ends with its input
	}()
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	m := &measurement{base: strings.TrimSpace(base), pid: server.Process.Pid, streams: streams}
	m.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * streams}}
	m.streams = min(8, streams)
	if _, err := m.round(ctx, m.streams); err != nil { // warms up the server
		return err
	}
	m.streams = streams
	memory := 0
	for _, jobs := range []int{streams, 1} {
		best := round{last: timeout}
		for range rounds {
			r, err := m.round(ctx, jobs)
			if err != nil {
				return err
			}
			memory = max(memory, r.memory) // later rounds use what the first one has freed
			if r.last < best.last {
				best = r
			}
		}
		fmt.Fprintf(os.Stdout, "%d event streams, of %d jobs that end at once: an event comes after %.1f ms (p50), the last after %.1f ms (best of %d rounds)\n",
			streams, jobs, ms(best.p50), ms(best.last), rounds)
		if best.last > limit {
			return fmt.Errorf("the last event came after %v; it may take %v", best.last, limit)
		}
	}
	kib := float64(memory) / 1024 / float64(streams)
	fmt.Fprintf(os.Stdout, "%d event streams: %.0f KiB of the server's memory per stream\n", streams, kib)
	if kib > maxKiB {
		return fmt.Errorf("a stream takes %.0f KiB; it may take %d", kib, maxKiB)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// round is what one round took: times from the end of the jobs to the event at the client,
// and the growth of the server's memory in bytes.
type round struct {
	p50, last time.Duration
	memory    int
}

type measurement struct {
	base    string
	pid     int
	streams int
	http    *http.Client
}

// round has all clients follow their jobs and lets the jobs end.
func (m *measurement) round(ctx context.Context, jobs int) (r round, err error) {
	var ids []string
	for range jobs {
		id, err := m.submit(ctx)
		if err != nil {
			return r, err
		}
		ids = append(ids, id)
	}
	before, err := memory(m.pid)
	if err != nil {
		return r, err
	}
	var wg sync.WaitGroup
	opened := make(chan error, m.streams)
	ends := make([]time.Time, m.streams)
	errs := make([]error, m.streams)
	for i := range m.streams {
		wg.Go(func() { ends[i], errs[i] = m.follow(ctx, ids[i%jobs], opened) })
	}
	for range m.streams {
		if err := <-opened; err != nil {
			return r, err
		}
	}
	time.Sleep(500 * time.Millisecond)
	after, err := memory(m.pid)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if _, err := m.post(ctx, "/release", ""); err != nil {
		return r, err
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	took := make([]time.Duration, m.streams)
	for i, end := range ends {
		took[i] = end.Sub(begin)
	}
	slices.Sort(took)
	return round{took[len(took)/2], took[len(took)-1], after - before}, nil
}

// submit starts a job and returns its id.
func (m *measurement) submit(ctx context.Context) (string, error) {
	body, err := m.post(ctx, "/api/held", "{}")
	if err != nil {
		return "", err
	}
	_, rest, ok := bytes.Cut(body, []byte(`"job_id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return "", fmt.Errorf("submit: %.200s", body)
	}
	return string(id), nil
}

func (m *measurement) post(ctx context.Context, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := m.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// follow follows a job to its end, and returns when the client learned of it. It says on
// opened that the first event is there, or why not.
func (m *measurement) follow(ctx context.Context, id string, opened chan<- error) (end time.Time, err error) {
	first := sync.OnceFunc(func() { opened <- err })
	defer first()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.base+"/api/jobs/"+id+"/events", nil)
	if err != nil {
		return end, err
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return end, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("events: %s", resp.Status)
		return end, err
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		switch lines.Text() {
		case "event: state":
			first()
		case "event: end":
			end = time.Now()
		}
	}
	if err = lines.Err(); err == nil && end.IsZero() {
		err = errors.New("a stream ended without the event of the end")
	}
	return end, err
}

// memory returns the resident memory of a process in bytes.
func memory(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("the memory of a process can be read on Linux only: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kib << 10, err
		}
	}
	return 0, errors.New("the process has no resident memory")
}
