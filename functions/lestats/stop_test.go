package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// A signal right after a burst ends the program, and the next start has nothing left to
// do.
func TestSignalFinishesWhatWasAccepted(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			if signal.Ignored(s) { // nohup runs the tests; the program must not inherit that
				received := make(chan os.Signal, 1)
				signal.Notify(received, s)
				defer signal.Ignore(s)
			}
			store := filepath.Join(t.TempDir(), "store")
			p := serve(t, nil, "--store", store)
			var ids []string
			for i := range 50 {
				_, got := p.call("POST", "/api/global_mean", fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+i%13))
				id, _ := got["job_id"].(string)
				ids = append(ids, id)
			}
			if code := p.signal(s); code != 0 {
				t.Fatalf("exit code %d\n%s", code, p.log)
			}
			code, out, errs := lestats(t, "jobs", "list", "--store", store, "-n", "1000")
			if code != exitOK {
				t.Fatal(errs)
			}
			for _, id := range ids {
				if !containsLine(out, id, "done") {
					t.Fatalf("job %s is not done in\n%s", id, out)
				}
			}
		})
	}
}

// Where SIGHUP is ignored, as nohup has it, it goes on being ignored.
func TestNoHangUp(t *testing.T) {
	signal.Ignore(syscall.SIGHUP) // the program inherits that
	p := serve(t, nil)
	signal.Reset(syscall.SIGHUP)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if status, _ := p.call("POST", "/api/states_mean?wait=20", askObesity); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}

// With a delay, readiness fails first, and jobs are accepted until intake closes.
func TestShutdownDelay(t *testing.T) {
	p := serve(t, nil, "--shutdown-delay", "2s")
	if status, _ := p.call("GET", "/readyz", ""); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	begin := time.Now()
	ended := make(chan int)
	go func() { ended <- p.stop() }()
	for status := http.StatusOK; status != http.StatusServiceUnavailable; {
		status, _ = p.call("GET", "/readyz", "")
		if time.Since(begin) > time.Second {
			t.Fatal("it is ready a second after SIGTERM")
		}
	}
	if status, _ := p.call("POST", "/api/states_mean?wait=1", askObesity); status != http.StatusOK || time.Since(begin) > 2*time.Second {
		t.Errorf("%d after %s", status, time.Since(begin))
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begin); took < 2*time.Second || took > 10*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if code, _, errs := lestats(t, "serve", "--listen", "127.0.0.1:0", "--store", t.TempDir(), "--shutdown-delay", "1m"); code != exitFailed || !strings.Contains(errs, "shutdown delay") {
		t.Errorf("%d %s", code, errs)
	}
}

// rollingConfig has what infra/README.md tells to write, see TestRollingRestarts.
const rollingConfig = nginxInFolder + `
  upstream lestats {
%[2]s
    keepalive 16;
  }
  server {
    listen %[5]s;
    location / {
` + rollingSettings + `    }
  }
}
`

const rollingSettings = `        proxy_pass http://lestats;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_next_upstream error timeout http_503 non_idempotent;
`

// Two servers behind nginx are restarted one after the other, six times in all, while
// clients ask and fetch: no request fails.
func TestRollingRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	documented, err := os.ReadFile("../../infra/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(rollingSettings + "server 127.0.0.1:8081 max_fails=0;\n") {
		if !strings.Contains(string(documented), strings.TrimSpace(line)) {
			t.Errorf("infra/README.md does not say %s", line)
		}
	}
	nginx := testtool.Installed(t, "nginx", "nginx-light")
	store := filepath.Join(t.TempDir(), "store")
	var servers [2]*process
	var addresses, upstream []string
	start := func(i int) {
		servers[i] = serve(t, nil, "--store", store, "--listen", addresses[i])
	}
	for i := range servers {
		addresses = append(addresses, freePort(t))
		upstream = append(upstream, "    server "+addresses[i]+" max_fails=0;")
		start(i)
	}
	at := startProxy(t, rollingConfig, strings.Join(upstream, "\n"), func(file string) []string { return []string{nginx, "-e", "stderr", "-c", file} })

	var stop atomic.Bool
	var clients sync.WaitGroup
	var asked atomic.Int64
	for n := range 4 {
		clients.Go(func() {
			p := &process{t: t, url: "http://" + at[2]}
			call := func(method, path, body string) (status int, v struct{ Status, ID string }, err error) {
				status, b, err := p.try(method, path, body)
				if err == nil {
					var answer struct {
						Status string
						ID     string `json:"job_id"`
					}
					err = json.Unmarshal(b, &answer)
					v.Status, v.ID = answer.Status, answer.ID
				}
				if err != nil {
					err = fmt.Errorf("%w: %s", err, b)
				}
				return status, v, err
			}
			for i := 0; !stop.Load() && !t.Failed(); i++ {
				status, job, err := call("POST", "/api/global_mean", fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+(n+i)%13))
				if status != http.StatusAccepted || job.ID == "" {
					t.Errorf("POST: %d %+v, %v", status, job, err)
					return
				}
				id := job.ID
				for job.Status = "running"; job.Status == "running" && err == nil; {
					status, job, err = call("GET", "/api/get_results/"+id+"?wait=5", "")
				}
				if status != http.StatusOK || job.Status != "done" {
					t.Errorf("GET of %s: %d %+v, %v", id, status, job, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	for restart := range 6 {
		i := restart % 2
		before := asked.Load()
		if code := servers[i].stop(); code != 0 {
			t.Errorf("restart %d: exit code %d\n%s", restart, code, servers[i].log)
		}
		start(i)
		// A request that nginx brought to the other server, because this one was not there
		// yet, has nowhere to go if that one stops at the same moment.
		time.Sleep(500 * time.Millisecond)
		for deadline := time.Now().Add(10 * time.Second); asked.Load() < before+20 && time.Now().Before(deadline) && !t.Failed(); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	stop.Store(true)
	clients.Wait()
	t.Logf("%d jobs were asked for and fetched", asked.Load())
	if asked.Load() < 120 {
		t.Errorf("only %d jobs were asked for", asked.Load())
	}
}

// freePort returns an address on loopback where nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
