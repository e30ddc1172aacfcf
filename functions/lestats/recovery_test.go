package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/queue"
	"github.com/le-stats-sportifs/lestats/runtime/queue/queuetest"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// faults returns a plugin whose jobs go wrong, endless_loop among them.
func faults(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../runtime/sandbox/testdata/faults.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// faultsFolder returns a folder with that plugin.
func faultsFolder(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	drop(t, folder, faults(t))
	return folder
}

// folderStore opens a folder as a store, beside the processes that use it.
func folderStore(t testing.TB, folder string) *results.Store {
	t.Helper()
	objects, err := files.Open(files.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	s := results.New(objects)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Two servers share a folder. What one has accepted when it is killed, the other counts,
// lists and runs, although it was there first.
func TestTwoServers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	store := filepath.Join(t.TempDir(), "store")
	flags := []string{"--plugins", faultsFolder(t), "--store", store, "--workers", "1", "--time-limit", "1s"}
	a := serve(t, nil, flags...)
	b := serve(t, nil, flags...)
	for range 5 {
		b.call("POST", "/api/endless_loop", "{}")
	}
	var ids []string
	for i := range 62 {
		_, v := b.call("POST", "/api/global_mean", fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+i%13))
		id, _ := v["job_id"].(string)
		ids = append(ids, id)
	}
	b.kill()
	pending, err := filepath.Glob(filepath.Join(store, "pending", "*"))
	if err != nil || len(pending) < 60 {
		t.Fatalf("%d jobs are pending, %v", len(pending), err)
	}
	if _, v := a.call("GET", "/api/num_jobs", ""); v["data"] != float64(len(pending)) {
		t.Errorf("%v jobs are counted of %d", v["data"], len(pending))
	}
	_, v := a.call("GET", "/api/jobs?limit=1000", "")
	listed := fmt.Sprint(v["data"])
	for _, id := range ids {
		if !strings.Contains(listed, id) {
			t.Fatalf("job %s is not listed in %s", id, listed)
		}
	}
	begin := time.Now()
	for _, id := range ids {
		status, v := a.call("GET", "/api/get_results/"+id+"?wait=30", "")
		for v["status"] == "running" && time.Since(begin) < time.Minute {
			status, v = a.call("GET", "/api/get_results/"+id+"?wait=30", "")
		}
		if status != http.StatusOK || v["status"] != "done" {
			t.Fatalf("job %s: %d %v", id, status, v)
		}
	}
	t.Logf("they were run within %v", time.Since(begin).Round(time.Second))
	if _, v := a.call("GET", "/api/num_jobs", ""); v["data"] != 0.0 {
		t.Errorf("%v jobs are left", v["data"])
	}
}

// With a queue, too, a job without a message is found: a server sends it anew, and so does
// a worker function on its schedule.
func TestJobWithoutAMessage(t *testing.T) {
	q := queuetest.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	folder := filepath.Join(t.TempDir(), "store")
	store := folderStore(t, folder)
	job := pendingJob(t)
	job.Lease = time.Hour
	if err := store.PutPending(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(folder, "pending", job.ID), old, old); err != nil {
		t.Fatal(err)
	}
	serve(t, nil, "--store", folder, "--queue-url", q.Jobs)
	jobs, err := queue.Open(queue.Config{URL: q.Jobs, Visibility: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if messages, err := jobs.Receive(t.Context(), 10); err != nil || len(messages) != 1 || messages[0].ID != job.ID {
		t.Fatalf("%v, %v", messages, err)
	}
	work(t, "--store", folder, "--queue-url", q.Jobs)
	if got := ended(t, store, job.ID, time.Minute); got.Status != question.Done || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

// A worker that was up before a plugin was added to the bucket runs its jobs.
func TestWarmWorkerAndNewPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	c := newCloud(t)
	store := c.results(t)
	work(t, "--plugins-poll", "1h")
	warm := pendingJob(t)
	c.put(t, store, warm)
	ended(t, store, warm.ID, time.Minute)

	c.putObject(t, "plugins/faults.wasm", faults(t))
	job := pendingJob(t)
	job.Request = question.Request{Question: "unreachable"}
	c.put(t, store, job)
	if got := ended(t, store, job.ID, time.Minute); got.Status != question.Failed || got.Error.Code != question.CodePluginTrap {
		t.Errorf("%s, %v", got.Status, got.Error)
	}
}

// put stores a pending job, and a message that names it.
func (c *cloud) put(t testing.TB, store *results.Store, job *question.Job) {
	t.Helper()
	if err := store.PutPending(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if err := c.open(t, c.queue.Jobs).Send(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
}

// putObject stores an object beside the jobs.
func (c *cloud) putObject(t testing.TB, key string, data []byte) {
	t.Helper()
	objects, err := s3.Open(t.Context(), s3.Config{URL: c.store, Endpoint: c.minio.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	if err := objects.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
}
