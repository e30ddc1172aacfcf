package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestKillLosesNothing kills the program in the middle of a burst of 1,000 jobs, most of
// which wait behind slow ones: every id that it gave out ends in done after a restart.
func TestKillLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	store := filepath.Join(t.TempDir(), "store")
	args := []string{"--plugins", faultsFolder(t), "--store", store, "--workers", "1", "--time-limit", "1s"}
	p := serve(t, nil, args...)
	for range 5 {
		p.call("POST", "/api/endless_loop", "{}")
	}

	const clients, burst = 8, 1000
	var (
		mu  sync.Mutex
		ids []string
		wg  sync.WaitGroup
	)
	kill := make(chan struct{})
	for c := range clients {
		wg.Go(func() {
			for i := c; i < burst; i += clients {
				body := fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+i%13)
				status, b, err := p.try("POST", "/api/mean_by_category", body)
				if err != nil {
					return // it was killed
				}
				var v struct {
					JobID string `json:"job_id"`
				}
				if status != http.StatusAccepted || json.Unmarshal(b, &v) != nil {
					t.Errorf("POST: %d %s", status, b)
					return
				}
				mu.Lock()
				ids = append(ids, v.JobID)
				if len(ids) == burst*6/10 {
					close(kill)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-kill:
	case <-time.After(time.Minute):
		t.Error("the burst did not get far enough within a minute")
	}
	p.kill()
	wg.Wait()
	pending, err := filepath.Glob(filepath.Join(store, "pending", "*"))
	if err != nil || len(pending) < 10 {
		t.Errorf("%d jobs are pending, %v: nothing was lost", len(pending), err)
	}
	t.Logf("killed after %d ids were given out, with %d jobs pending", len(ids), len(pending))

	p = serve(t, nil, args...)
	for _, id := range ids {
		status, got := p.call("GET", "/api/get_results/"+id+"?wait=20", "")
		if status != http.StatusOK || got["status"] != "done" {
			t.Fatalf("job %s: %d %v", id, status, got)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d after SIGTERM\n%s", code, p.log)
	}
}
