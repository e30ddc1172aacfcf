package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

func TestClock(t *testing.T) {
	at := time.Unix(1000, 0)
	c := clock{now: func() time.Time { return at }}
	defer c.close()
	c.ticking = true // no timer: the test moves the clock
	first := c.begin(5 * time.Second)
	for _, step := range []struct{ passes, counted time.Duration }{
		{time.Second, time.Second},
		{500 * time.Millisecond, 1500 * time.Millisecond},
		{time.Second + 1, 1500 * time.Millisecond}, // a pause
		{time.Hour, 1500 * time.Millisecond},
		{0, 1500 * time.Millisecond},
		{time.Second, 2500 * time.Millisecond},
		{time.Second, 3500 * time.Millisecond},
		{time.Second, 4500 * time.Millisecond},
		{500 * time.Millisecond, 5 * time.Second},
	} {
		at = at.Add(step.passes)
		if got := first.elapsed(); got != step.counted || first.exceeded() {
			t.Errorf("after another %v, %v have passed; want %v", step.passes, got, step.counted)
		}
	}
	second := c.begin(5 * time.Second)
	at = at.Add(time.Millisecond)
	if !first.exceeded() || second.exceeded() || second.elapsed() != time.Millisecond {
		t.Errorf("the first job has %v, the second %v", first.elapsed(), second.elapsed())
	}
	first.end()
	second.end()
	at = at.Add(time.Minute)
	third := c.begin(time.Second)
	at = at.Add(time.Second)
	if got := third.elapsed(); got != time.Second {
		t.Errorf("a job after an idle minute has taken %v", got)
	}
	third.end()
}

// A guest that never ends is stopped at its limit, however long the process stood still
// before.
func TestPausesDoNotCount(t *testing.T) {
	const step, limit = 20 * time.Millisecond, 5 * time.Second
	var looks, now atomic.Int64
	p := load(t, Config{Limits: Limits{Time: limit, Fuel: 1 << 60}, now: func() time.Time {
		passed := step
		if looks.Add(1)%100 == 0 {
			passed = time.Minute
		}
		return time.Unix(0, now.Add(int64(passed)))
	}}, "runaway")
	looks.Store(0)
	from := now.Load()
	_, err := askRunaway(t.Context(), p, "spin")
	wantError(t, err, question.CodeTimeLimit, "5s")
	took := time.Duration(now.Load() - from)
	if n := looks.Load(); n < int64(limit/step) || took < limit+time.Minute || n > 2*int64(limit/step) {
		t.Errorf("it ended after %d looks at the clock, %v after it began", n, took)
	}
}

// Waiting counts.
func TestTimeLimitWhileWaiting(t *testing.T) {
	for what, cfg := range map[string]Config{
		"a sandbox": {Slots: 1},
		"memory":    {Slots: 2, Budget: 100 << 20},
	} {
		t.Run(what, func(t *testing.T) {
			cfg.Limits = Limits{Time: 500 * time.Millisecond, Fuel: 1 << 60, Memory: 60 << 20}
			p := load(t, cfg, "runaway")
			hold, err := p.acquire(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, failed := askRunaway(t.Context(), p, "works")
			wantError(t, failed, question.CodeTimeLimit, "waited for "+what, "500ms")
			if took := time.Since(begin); took < 500*time.Millisecond || took > patience {
				t.Errorf("it took %v", took)
			}
			p.giveBack(t.Context(), hold, true)
			if _, err := askRunaway(t.Context(), p, "works"); err != nil {
				t.Error(err)
			}
		})
	}
}

const pausedEnv = "LESTATS_PAUSED"

// TestStopped really stops a process that runs jobs, for longer than they may take: one
// job runs, another waits for it.
func TestStopped(t *testing.T) {
	if os.Getenv(pausedEnv) != "" {
		stoppedProcess(t)
		return
	}
	if testing.Short() {
		t.Skip("-short: it takes 8 s")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStopped$")
	cmd.Env = append(os.Environ(), pausedEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil || line != "running\n" {
		t.Fatalf("%q, %v", line, err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if signal == syscall.SIGSTOP {
			time.Sleep(6 * time.Second)
		}
	}
	time.Sleep(500 * time.Millisecond)
	_ = in.Close()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(string(rest), "spent 0 late, ") {
		t.Errorf("%v: %s", err, rest)
	}
}

// stoppedProcess runs jobs until the end of standard input.
func stoppedProcess(t *testing.T) {
	p := load(t, Config{Slots: 1, Limits: Limits{Fuel: 50_000_000}}, "runaway")
	ctx, cancel := context.WithCancel(t.Context())
	var jobs sync.WaitGroup
	var spent, late atomic.Int64
	for range 2 {
		jobs.Go(func() {
			for ctx.Err() == nil {
				_, err := askRunaway(t.Context(), p, "spin")
				switch question.CodeOf(err) {
				case question.CodeFuelLimit:
					if spent.Add(1) == 2 {
						fmt.Println("running")
					}
				case question.CodeTimeLimit:
					late.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	jobs.Wait()
	fmt.Printf("%d spent %d late, ok\n", spent.Load(), late.Load())
	if spent.Load() < 3 {
		t.Errorf("only %d jobs", spent.Load())
	}
}
