package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/telemetry"
)

// BenchmarkObservation compares two servers in one run: one that counts everything and logs
// to a file as it does by default, and one that neither counts nor logs. Slices of one and
// of the other alternate. It prints the processor time per job of both, client included, and
// by how much the first needs more: on busy processors that many per cent fewer jobs are done
// in a second.
func BenchmarkObservation(b *testing.B) {
	slice := 100 * time.Millisecond
	rounds := 100
	if testing.Short() {
		slice, rounds = 20*time.Millisecond, 2
	}
	path := filepath.Join(b.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	log, err := telemetry.New(telemetry.Config{Output: file, Format: telemetry.Text})
	if err != nil {
		b.Fatal(err)
	}
	servers := []*benched{benchServer(b, log.Logger, false), benchServer(b, slog.New(slog.DiscardHandler), true)}
	for b.Loop() {
		var ratios []float64
		for round := range rounds {
			var costs [2]time.Duration
			for k := range servers { // each begins as often as the other
				i := (round + k) % 2
				costs[i] = servers[i].run(b, slice)
			}
			ratios = append(ratios, float64(costs[0])/float64(costs[1]))
		}
		slices.Sort(ratios)
		more := 100 * (ratios[len(ratios)/2] - 1)
		b.ReportMetric(more, "%more")
		for i, name := range []string{"on", "off"} {
			b.ReportMetric(float64(servers[i].cost.Microseconds())/float64(servers[i].jobs), name+"-cpu-µs/job")
		}
		if os.Getenv("LESTATS_TEST_TARGETS") != "" && more > 3 {
			b.Errorf("metrics and log cost %.1f %%, more than 3 %%", more)
		}
	}
	if ended := linesWith(b, path, "job ended"); ended != servers[0].jobs {
		b.Errorf("the log has the end of %d of %d jobs", ended, servers[0].jobs)
	}
}

// benched is a server of a benchmark.
type benched struct {
	main   *Main
	client *http.Client
	n      int           // the next request
	jobs   int           // done
	cost   time.Duration // processor time for them
}

func benchServer(b *testing.B, log *slog.Logger, off bool) *benched {
	b.Helper()
	cfg := Config{Listen: "127.0.0.1:0"}
	cfg.Location, cfg.Log, cfg.NoMetrics = filepath.Join(b.TempDir(), "store"), log, off
	m, err := Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	transport := &http.Transport{}
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			b.Error(err)
		}
	})
	return &benched{main: m, client: &http.Client{Transport: transport}}
}

// run submits jobs one after the other for that long, and returns the processor time of one.
func (s *benched) run(b *testing.B, d time.Duration) time.Duration {
	b.Helper()
	jobs, begin, before := 0, time.Now(), processorTime(b)
	for time.Since(begin) < d {
		s.n++
		body := fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+s.n%13)
		resp, err := s.client.Post(s.main.URL()+"/api/states_mean?wait=10", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"status":"done"`)) {
			b.Fatalf("%s %s %v", resp.Status, answer, err)
		}
		jobs++
	}
	took := processorTime(b) - before
	s.jobs, s.cost = s.jobs+jobs, s.cost+took
	return took / time.Duration(jobs)
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func linesWith(b *testing.B, path, text string) (n int) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			n++
		}
	}
	return n
}
