package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/contract"
	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

// envBinary names the program that the tests of the cloud function start; without
// it they start this test binary, which is larger.
const envBinary = "LESTATS_BINARY"

// function returns an environment of the real program; nothing but Lambda's
// variables and these flags, as variables, are passed on. The program is started
// without arguments, as an image's entry point is.
func function(t testing.TB, cfg lambdatest.Config, env ...string) *lambdatest.Environment {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Command = append(cfg.Command, cmp.Or(os.Getenv(envBinary), exe))
	cfg.Dir = t.TempDir()
	cfg.Env = append(append(cfg.Env, asLestats+"=1", "LESTATS_LOG_LEVEL=warn"), env...)
	e, err := lambdatest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

var (
	compiledFolder string // of compiled; TestMain removes it
	compileOnce    = sync.OnceValue(func() (err error) {
		if compiledFolder, err = os.MkdirTemp("", "lestats-compiled-"); err != nil {
			return err
		}
		var out, errs bytes.Buffer
		if code := run(context.Background(), []string{"plugin", "compile", "--cache", compiledFolder}, &out, &errs); code != exitOK {
			return errors.New(errs.String())
		}
		return nil
	})
)

// compiled returns a folder with the built-in plugin compiled, as an image ships it.
func compiled(t testing.TB) string {
	t.Helper()
	if err := compileOnce(); err != nil {
		t.Fatal(err)
	}
	return compiledFolder
}

func client(g lambdatest.Gateway) *http.Client {
	return &http.Client{Transport: &g, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// TestFunction starts the real program as Lambda does, and as SAM does without warm
// containers, where each request meets a process of its own.
func TestFunction(t *testing.T) {
	cache := "LESTATS_CACHE=" + compiled(t)
	for name, version := range map[string]string{"HTTP API": "2.0", "REST API": ""} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && version == "" {
				t.Skip("-short: functions/api has the contract in all versions")
			}
			e := function(t, lambdatest.Config{Timeout: 30 * time.Second}, cache, "LESTATS_STORE="+filepath.Join(t.TempDir(), "store"))
			way := contract.Way{Base: "https://f.example", Client: client(lambdatest.Gateway{Version: version, Invoke: e.Invoke}), Function: true}
			if version == "" {
				way.Under = "/Prod"
			}
			contract.Run(t, way)
			if e.Cold != 1 {
				t.Errorf("%d processes", e.Cold)
			}
		})
	}
	t.Run("a process a request", func(t *testing.T) {
		store := "LESTATS_STORE=" + filepath.Join(t.TempDir(), "store")
		e := function(t, lambdatest.Config{Timeout: 30 * time.Second}, cache, store)
		c := client(lambdatest.Gateway{Version: "2.0", Invoke: func(ctx context.Context, event []byte) ([]byte, error) {
			defer e.Kill()
			return e.Invoke(ctx, event)
		}})
		status, v := exchange(t, c, "POST", "/api/global_mean", askObesity)
		if id, _ := v["job_id"].(string); status != http.StatusAccepted || id == "" {
			t.Fatalf("%d %v", status, v)
		} else if status, v = exchange(t, c, "GET", "/api/get_results/"+id, ""); status != http.StatusOK || v["status"] != "done" {
			t.Errorf("%d %v", status, v)
		}
		if e.Cold != 2 {
			t.Errorf("%d processes", e.Cold)
		}
	})
}

// TestContractAt checks a service that runs already, such as sam local's, at
// LESTATS_TEST_URL; LESTATS_TEST_UNDER is the path in its links to itself, as
// "/Prod"; LESTATS_TEST_UTF8=1 leaves out bodies that are not UTF-8. Without it the service is a server that the test starts.
func TestContractAt(t *testing.T) {
	at, function := os.Getenv("LESTATS_TEST_URL"), os.Getenv("LESTATS_TEST_SERVER") == ""
	if at == "" {
		at, function = serve(t, nil).url, false
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	contract.Run(t, contract.Way{
		Base: strings.TrimSuffix(at, "/"), Under: os.Getenv("LESTATS_TEST_UNDER"),
		Client: &http.Client{Transport: transport, Timeout: time.Minute}, Function: function,
		UTF8: os.Getenv("LESTATS_TEST_UTF8") != "",
	})
}

// SAM's emulator makes neither buckets nor queues, and leaves their names in the
// template in the variables: the contract holds without them, in one process.
func TestFunctionInEmulator(t *testing.T) {
	var log bytes.Buffer
	folder := t.TempDir()
	e := function(t, lambdatest.Config{Timeout: 30 * time.Second, Output: &log}, "LESTATS_CACHE="+compiled(t), "AWS_SAM_LOCAL=true", "TMPDIR="+folder,
		"LESTATS_STORE=s3://Results/lestats", "LESTATS_S3_ENDPOINT=", "LESTATS_QUEUE_URL=Jobs")
	c := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	contract.Run(t, contract.Way{Base: "https://f.example", Client: c, Function: true})
	if e.Cold != 1 {
		t.Errorf("%d processes", e.Cold)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if found, err := filepath.Glob(filepath.Join(folder, "lestats-store", "jobs", "*", "*.json")); err != nil || len(found) == 0 {
		t.Errorf("no results in the container's folder for temporary files: %v, %v", found, err)
	}
	if !strings.Contains(log.String(), "SAM's emulator creates no bucket") {
		t.Errorf("the log does not say where results live: %s", &log)
	}
}

// TestFunctionOnS3 is the contract with results in a bucket, as in the cloud. The
// process stands still while its connections are open, and meets them closed.
func TestFunctionOnS3(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	server := minio.StartOwn(t)
	e := function(t, lambdatest.Config{Timeout: 30 * time.Second}, "LESTATS_CACHE="+compiled(t),
		"LESTATS_STORE=s3://"+server.Bucket+"/function", "LESTATS_S3_ENDPOINT="+server.Endpoint, "LESTATS_S3_MAKE_BUCKET=true",
		"AWS_ACCESS_KEY_ID="+server.AccessKey, "AWS_SECRET_ACCESS_KEY="+server.SecretKey)
	c := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	contract.Run(t, contract.Way{Base: "https://f.example", Client: c, Function: true})
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, v := exchange(t, c, "POST", "/api/global_mean?wait=20", askObesity); status != http.StatusOK || v["status"] != "done" {
		t.Errorf("after the store came back: %d %v", status, v)
	}
	server.Kill()
	status, v := exchange(t, c, "POST", "/api/global_mean", askObesity)
	if status != http.StatusServiceUnavailable || v["code"] != "store_unavailable" {
		t.Errorf("while the store is away: %d %v", status, v)
	}
}

// answered reports whether v is states_mean's answer about the sample: a mean of each
// of its locations.
func answered(status int, v map[string]any) bool {
	means, _ := v["data"].(map[string]any)
	ohio, _ := means["Ohio"].(float64)
	return status == http.StatusOK && v["status"] == "done" && len(means) == 55 && ohio > 10 && ohio < 60
}

const askObesity = `{"question":"Percent of adults aged 18 years and older who have obesity"}`

// exchange sends one request and decodes the JSON of the answer.
func exchange(t testing.TB, c *http.Client, method, path, body string) (int, map[string]any) {
	t.Helper()
	status, v, err := try(t.Context(), c, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, v
}

func try(ctx context.Context, c *http.Client, method, path, body string) (int, map[string]any, error) {
	status, _, b, err := send(ctx, c, method, "https://f.example"+path, body, "Content-Type: application/json")
	if err != nil {
		return 0, nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		return 0, nil, fmt.Errorf("%d %q: %w", status, b, err)
	}
	return status, v, nil
}

// TestFreeze sends 1,000 jobs through processes that stand still between requests,
// that are thrown away while they do, and that are killed while they work. No id
// that was given out is lost or stuck. One environment has so little time that its
// jobs are still pending when it answers: whoever asks for them runs them.
func TestFreeze(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	cache, store := "LESTATS_CACHE="+compiled(t), "LESTATS_STORE="+filepath.Join(t.TempDir(), "store")
	const total = 1000
	var (
		mu            sync.Mutex
		ids           []string
		pending, late atomic.Int64 // when their id was given out; when they were asked for at once elsewhere
		left          atomic.Int64
		wg            sync.WaitGroup
	)
	left.Store(total)
	environment := func(timeout time.Duration) *lambdatest.Environment {
		return function(t, lambdatest.Config{Timeout: timeout}, cache, store, "LESTATS_TIME_LIMIT=2s")
	}
	reader := environment(20 * time.Second)
	read := client(lambdatest.Gateway{Invoke: reader.Invoke})
	var all []*lambdatest.Environment
	for n, timeout := range []time.Duration{20 * time.Second, 20 * time.Second, 600 * time.Millisecond} {
		e := environment(timeout)
		all = append(all, e)
		c := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
		wg.Go(func() {
			random := rand.New(rand.NewPCG(5, uint64(n)))
			for sent := 0; left.Add(-1) >= 0; sent++ {
				for try := range 100 {
					if try == 99 {
						t.Error("99 times in a row no answer")
						return
					}
					switch random.IntN(60) {
					case 0: // it stands still
						e.Kill()
					case 1: // it works, perhaps
						if pid := e.Pid(); pid > 0 {
							time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
						}
					}
					id, isPending, err := submitted(t.Context(), c, sent)
					if err != nil {
						continue // no id was given out
					}
					if isPending {
						pending.Add(1)
					}
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
					if sent%10 == 0 {
						if status, v, err := readJob(t.Context(), read, id); err != nil || status != http.StatusOK {
							t.Errorf("job %s, at once elsewhere: %d %v %v", id, status, v, err)
						} else if v["status"] != "done" {
							late.Add(1)
						}
					}
					break
				}
			}
		})
	}
	wg.Wait()
	cold := reader.Cold
	for _, e := range all {
		e.Kill()
		cold += e.Cold
	}
	reader.Kill()
	if len(ids) != total {
		t.Fatalf("%d ids", len(ids))
	}
	t.Logf("%d jobs in %d processes; %d were pending when their id was given out, %d of a tenth when they were asked for at once", total, cold, pending.Load(), late.Load())

	deadline := time.Now().Add(2 * time.Minute)
	for _, id := range ids {
		for {
			status, v := exchange(t, read, "GET", "/api/get_results/"+id, "")
			if status == http.StatusOK && v["status"] == "done" {
				break
			}
			if status != http.StatusOK || v["status"] != "running" || time.Now().After(deadline) {
				t.Fatalf("job %s: %d %v", id, status, v)
			}
			time.Sleep(100 * time.Millisecond) // its run was killed: in a while it is taken for dead
		}
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != total {
		t.Errorf("%d ids are not all different", n)
	}
	// What was stored by a process that was killed before it gave the id out is done too.
	for {
		status, v := exchange(t, read, "GET", "/api/num_jobs", "")
		if status == http.StatusOK && v["data"] == 0.0 {
			break
		}
		if status != http.StatusOK || time.Now().After(deadline) {
			t.Fatalf("at the end: %d %v", status, v)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// submitted asks for a mean and returns the job's id.
func submitted(ctx context.Context, c *http.Client, n int) (id string, pending bool, err error) {
	body := fmt.Sprintf(`{"question":"Percent of adults aged 18 years and older who have obesity","where":{"year":%d}}`, 2011+n%13)
	status, v, err := try(ctx, c, "POST", "/api/global_mean?wait=0", body)
	if err != nil {
		return "", false, err
	}
	id, _ = v["job_id"].(string)
	if status != http.StatusAccepted || id == "" {
		return "", false, fmt.Errorf("%d %v", status, v)
	}
	// Only the list tells without running it.
	_, list, err := try(ctx, c, "GET", "/api/jobs?limit=20", "")
	if err != nil {
		return id, false, nil //nolint:nilerr // killed, but the id was given out
	}
	data, _ := list["data"].([]any)
	for _, e := range data {
		if m, _ := e.(map[string]any); m[id] == "running" {
			pending = true
		}
	}
	return id, pending, nil
}

// readJob asks for a result; others may be killed, this process is not.
func readJob(ctx context.Context, c *http.Client, id string) (int, map[string]any, error) {
	return try(ctx, c, "GET", "/api/get_results/"+id, "")
}

// A job that is longer than the function's time is still there when the function
// has answered, and can be seen and cancelled; one that is longer than a job may be
// has failed.
func TestLongJobInAFunction(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it waits for time limits")
	}
	plugins := faultsFolder(t)
	store := "LESTATS_STORE=" + filepath.Join(t.TempDir(), "store")
	cache := "LESTATS_CACHE=" + compiled(t)
	hasty := function(t, lambdatest.Config{Timeout: 2 * time.Second}, cache, store, "LESTATS_PLUGINS="+plugins, "LESTATS_TIME_LIMIT=1m")
	c := client(lambdatest.Gateway{Version: "2.0", Invoke: hasty.Invoke})
	hastily := func(method, path, body string, want int) map[string]any {
		t.Helper()
		for range 20 { // on a busy machine 2 s may not be enough for anything
			status, v, err := try(t.Context(), c, method, path, body)
			if err == nil && status == want {
				return v
			}
			t.Logf("%s %s: %d %v %v", method, path, status, v, err)
		}
		t.Fatal("20 times in a row no answer")
		return nil
	}
	id, _ := hastily("POST", "/api/endless_loop", "{}", http.StatusAccepted)["job_id"].(string)
	if v := hastily("GET", "/api/num_jobs", "", http.StatusOK); v["data"] != 1.0 && v["data"] != 2.0 { // another try may have left one
		t.Errorf("%v", v)
	}
	if v := hastily("GET", "/api/get_results/"+id, "", http.StatusOK); v["status"] != "running" {
		t.Errorf("%v", v)
	}
	patient := function(t, lambdatest.Config{Timeout: 30 * time.Second}, cache, store, "LESTATS_PLUGINS="+plugins, "LESTATS_TIME_LIMIT=300ms")
	c = client(lambdatest.Gateway{Invoke: patient.Invoke})
	for range 100 {
		status, v := exchange(t, c, "GET", "/api/get_results/"+id, "")
		if v["status"] == "running" {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if status != http.StatusUnprocessableEntity || v["code"] != "time_limit" {
			t.Errorf("%d %v", status, v)
		}
		break
	}
	if status, v := exchange(t, c, "POST", "/api/endless_loop?wait=20", "{}"); status != http.StatusUnprocessableEntity || v["code"] != "time_limit" {
		t.Errorf("%d %v", status, v)
	}
	if status, v := exchange(t, c, "GET", "/api/num_jobs", ""); status != http.StatusOK || v["data"] != 0.0 {
		t.Errorf("%d %v", status, v)
	}
}

// A function ends itself when Lambda asks it to, and takes up no event that is none.
func TestFunctionEnds(t *testing.T) {
	e := function(t, lambdatest.Config{Timeout: 30 * time.Second, Shutdown: 20 * time.Second}, "LESTATS_CACHE="+compiled(t), "LESTATS_STORE="+filepath.Join(t.TempDir(), "store"))
	var failed *lambdatest.FunctionError
	if out, err := e.Invoke(t.Context(), []byte(`{"Records":[{"eventSource":"aws:sqs"}]}`)); !errors.As(err, &failed) || !strings.Contains(failed.Body, "not an HTTP request") {
		t.Errorf("%s, %v", out, err)
	}
	c := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
	if status, v := exchange(t, c, "POST", "/api/global_mean?wait=20", askObesity); status != http.StatusOK || v["status"] != "done" {
		t.Errorf("%d %v", status, v)
	}
	took, clean := e.Shutdown()
	if !clean {
		t.Error("it did not end itself")
	}
	t.Logf("from SIGTERM to its end: %v", took)
}

// A function that cannot work says why.
func TestFunctionDoesNotStart(t *testing.T) {
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"no store": {nil, "LESTATS_STORE"},
		"SAM without credentials": {[]string{
			"LESTATS_STORE=s3://bucket/x", "LESTATS_S3_ENDPOINT=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID=defaultkey", "AWS_SECRET_ACCESS_KEY=defaultsecret",
		}, "defaultkey"},
		"no dataset": {[]string{"LESTATS_STORE=" + t.TempDir(), "LESTATS_DATA=/nowhere.arrow"}, "/nowhere.arrow"},
	} {
		e := function(t, lambdatest.Config{}, append(tt.env, "LESTATS_CACHE=off")...)
		_, err := e.Invoke(t.Context(), []byte(`{"version":"2.0"}`))
		var failed *lambdatest.FunctionError
		if !errors.As(err, &failed) || !failed.Init || !strings.Contains(failed.Body, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
