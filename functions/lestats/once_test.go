package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// A client that repeats its requests with the same Idempotency-Key has one job for each,
// whichever of two servers it asks, at the same time or later, and whichever of them is
// killed at whatever moment.
func TestIdempotencyKey(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	t.Run("folder", func(t *testing.T) {
		testOnce(t, nil, "--store", filepath.Join(t.TempDir(), "store"))
	})
	t.Run("MinIO", func(t *testing.T) {
		server := testminio.Start(t)
		testOnce(t, []string{"AWS_ACCESS_KEY_ID=" + server.AccessKey, "AWS_SECRET_ACCESS_KEY=" + server.SecretKey},
			"--store", fmt.Sprintf("s3://%s/once-%d", server.Bucket, time.Now().UnixNano()), "--s3-endpoint", server.Endpoint, "--s3-make-bucket")
	})
}

func testOnce(t *testing.T, env []string, store ...string) {
	flags := append([]string{"--plugins", faultsFolder(t), "--workers", "1", "--time-limit", "1s"}, store...)
	a, b := serve(t, env, flags...), serve(t, env, flags...)

	// 50 requests at the same time, which ask the same in two ways.
	bodies := []string{
		`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":2015}}`,
		`{"where":{"year":{"min":2015,"max":2015.0}},"question":"Percent of adults aged 18 years and older who have obesity"}`,
	}
	ids := map[string]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			status, _, v, err := submitOnce([]*process{a, b}[i%2], "global_mean", bodies[i/2%2], "fifty")
			mu.Lock()
			defer mu.Unlock()
			if ids[v]++; err != nil || status != http.StatusAccepted {
				t.Errorf("%d %s, %v", status, v, err)
			}
		})
	}
	group.Wait()
	if len(ids) != 1 {
		t.Fatalf("50 requests made the jobs %v", ids)
	}
	if status, v := b.call("POST", "/api/global_mean", strings.Replace(bodies[0], "2015", "2016", 1), "Idempotency-Key: fifty"); status != http.StatusUnprocessableEntity || v["code"] != "idempotency_key_reused" {
		t.Errorf("another request: %d %v", status, v)
	}
	status, header, again, err := submitOnce(b, "global_mean", bodies[1], `"fifty"`) // as the draft has it
	if err != nil || status != http.StatusAccepted || ids[again] != 50 || header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("later: %d %s %v, %v", status, again, header, err)
	}

	// One server is killed while it accepts jobs. Those that it has accepted wait behind
	// some that never end.
	for range 3 {
		a.call("POST", "/api/endless_loop", "{}")
	}
	const keys = 40
	known := map[string]string{} // key -> id
	clients := make(chan struct{}, 4)
	for i := range keys {
		key := fmt.Sprint("k-", i)
		group.Go(func() {
			clients <- struct{}{}
			defer func() { <-clients }()
			if status, _, id, err := submitOnce(a, "global_mean", bodies[0], key); err == nil && status == http.StatusAccepted {
				mu.Lock()
				defer mu.Unlock()
				if known[key] = id; len(known) == keys/4 {
					a.kill()
				}
			}
		})
	}
	group.Wait()
	if len(known) < keys/4 || len(known) == keys {
		t.Errorf("%d of %d requests were answered: the server was not killed among them", len(known), keys)
	}
	t.Logf("%d of %d requests were answered before the kill", len(known), keys)
	restarted := serve(t, env, flags...)
	jobs := map[string]bool{}
	for i := range 2 * keys {
		key := fmt.Sprint("k-", i%keys)
		status, _, id, err := submitOnce([]*process{b, restarted}[i%2], "global_mean", bodies[0], key)
		if before := known[key]; err != nil || status != http.StatusAccepted || before != "" && before != id {
			t.Errorf("%s: %d %s, %v; before it was job %s", key, status, id, err, before)
		}
		known[key], jobs[id] = id, true
	}
	if len(jobs) != keys {
		t.Errorf("%d keys made %d jobs", keys, len(jobs))
	}
	for id := range jobs {
		begin := time.Now()
		_, v := b.call("GET", "/api/get_results/"+id+"?wait=30", "")
		for v["status"] == "running" && time.Since(begin) < time.Minute {
			_, v = b.call("GET", "/api/get_results/"+id+"?wait=30", "")
		}
		if v["status"] != "done" {
			t.Errorf("job %s: %v", id, v)
		}
	}
	_, v := b.call("GET", "/api/jobs?limit=1000&question=global_mean&status=done", "")
	if list, _ := v["data"].([]any); len(list) != keys+1 {
		t.Errorf("%d jobs are in the store, want %d", len(list), keys+1)
	}
}

// submitOnce submits with a key and returns the id of the job.
func submitOnce(p *process, name, body, key string) (status int, header http.Header, id string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	status, header, b, err := send(ctx, http.DefaultClient, "POST", p.url+"/api/"+name, body, "Idempotency-Key: "+key)
	if err != nil {
		return 0, nil, "", err
	}
	var v struct {
		ID string `json:"job_id"`
	}
	err = json.Unmarshal(b, &v)
	return status, header, v.ID, err
}
