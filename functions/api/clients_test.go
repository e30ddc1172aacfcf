package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/keys"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// keyed is a server with a file of keys.
type keyed struct {
	*Main

	path    string
	secrets map[string]string // by name
}

// serveKeyed starts a server that knows the given clients.
func serveKeyed(t *testing.T, clients ...keys.Key) *keyed {
	t.Helper()
	k := &keyed{path: filepath.Join(t.TempDir(), "keys.yaml"), secrets: map[string]string{}}
	for i := range clients {
		k.add(t, clients[i])
	}
	k.Main = open(t, func(c *Config) { c.Keys = k.path })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return k
}

func (k *keyed) add(t *testing.T, client keys.Key) {
	t.Helper()
	secret, hash := keys.New()
	client.Hash = hash
	if err := client.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := keys.Add(t.Context(), k.path, client); err != nil {
		t.Fatal(err)
	}
	k.secrets[string(client.Name)] = secret
}

// reply is a response.
type reply struct {
	status int
	header http.Header
	body   string
}

// code returns the code of an error.
func (r *reply) code() question.Code {
	var e struct{ Code question.Code }
	_ = json.Unmarshal([]byte(r.body), &e)
	return e.Code
}

// do sends a request of a client. Links are not followed.
func (k *keyed) do(t *testing.T, client, method, path, body string, headers ...string) *reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, k.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if secret := k.secrets[client]; secret != "" {
		r.Header.Set("X-Api-Key", secret)
	}
	for _, h := range headers {
		if name, value, ok := strings.Cut(h, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	resp, err := (&http.Client{CheckRedirect: noRedirect}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &reply{resp.StatusCode, resp.Header, string(b)}
}

const (
	askMean  = `{"question":"Percent of adults aged 18 years and older who have obesity"}`
	getMean  = "/api/states_mean?question=Percent+of+adults+aged+18+years+and+older+who+have+obesity"
	pageMean = "/q/states_mean?question=Percent+of+adults+aged+18+years+and+older+who+have+obesity"
)

// A client sees, lists, follows, cancels and repeats its own jobs. To others they are as jobs
// that do not exist, on every route.
func TestClientsSeeTheirOwnJobs(t *testing.T) {
	k := serveKeyed(t, keys.Key{Name: "alice"}, keys.Key{Name: "bob"}, keys.Key{Name: "ops", Admin: true})
	submitted := k.do(t, "alice", "POST", "/api/states_mean", askMean, "Prefer: wait=20")
	var job struct {
		ID string `json:"job_id"`
	}
	if err := json.Unmarshal([]byte(submitted.body), &job); err != nil || submitted.status != 200 || job.ID == "" {
		t.Fatal(submitted, err)
	}
	const nobody = "01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2"
	for _, tt := range []struct {
		method, path string
		own          int // the status for the owner and for an admin
		header       string
	}{
		{"GET", "/api/get_results/JOB", 200, ""},
		{"HEAD", "/api/get_results/JOB", 200, ""},
		{"GET", "/api/get_results/JOB?wait=1", 200, ""},
		{"GET", "/api/get_results/JOB?format=csv", 200, ""},
		{"GET", "/api/get_results/JOB", 304, `If-None-Match: W/"JOB.json"`},
		{"GET", "/api/jobs/JOB/events", 200, ""},
		{"GET", "/api/jobs/JOB/events", 204, "Last-Event-ID: done-1"},
		{"DELETE", "/api/jobs/JOB", 409, ""},
		{"POST", "/api/jobs/JOB/retry", 409, ""},
		{"GET", "/jobs/JOB", 200, ""},
		{"POST", "/jobs/JOB/cancel", 303, ""},
		{"POST", "/jobs/JOB/retry", 409, ""},
	} {
		as := func(client, id string) *reply {
			return k.do(t, client, tt.method, strings.ReplaceAll(tt.path, "JOB", id), "", strings.ReplaceAll(tt.header, "JOB", id))
		}
		for _, client := range []string{"alice", "ops"} {
			if r := as(client, job.ID); r.status != tt.own {
				t.Errorf("%s: %s %s: %d %.300s; want %d", client, tt.method, tt.path, r.status, r.body, tt.own)
			}
		}
		got, want := as("bob", job.ID), as("bob", nobody)
		same := func(r *reply, id string) string { return strings.ReplaceAll(r.body, id, "JOB") }
		if got.status != 404 || want.status != 404 || same(got, job.ID) != same(want, nobody) && !strings.HasPrefix(tt.path, "/jobs") {
			t.Errorf("bob: %s %s: %d %.300s\nof no job: %d %.300s", tt.method, tt.path, got.status, got.body, want.status, want.body)
		}
		if r := as("", job.ID); r.status != 403 && r.status != 401 {
			t.Errorf("without a key: %s %s: %d", tt.method, tt.path, r.status)
		}
	}
	for _, path := range []string{"/api/jobs", "/api/jobs?detail=1", "/jobs"} {
		for client, sees := range map[string]bool{"alice": true, "ops": true, "bob": false} {
			if r := k.do(t, client, "GET", path, ""); r.status != 200 || strings.Contains(r.body, job.ID) != sees {
				t.Errorf("%s: %s: %d %.300s", client, path, r.status, r.body)
			}
		}
	}
	for client, want := range map[string]int{"alice": 403, "bob": 403, "ops": 200} {
		if r := k.do(t, client, "GET", "/api/num_jobs", ""); r.status != want {
			t.Errorf("%s: %d %s", client, r.status, r.body)
		}
	}
	if r := k.do(t, "bob", "GET", "/api/graceful_shutdown", ""); r.status != 403 {
		t.Error(r)
	}
}

// A key for some questions is for no other, on any route, even after it could do more.
func TestKeysForSomeQuestions(t *testing.T) {
	k := serveKeyed(t, keys.Key{Name: "alice"}, keys.Key{Name: "bob", Questions: []string{"best5"}})
	for _, r := range []*reply{
		k.do(t, "alice", "GET", getMean, ""), // now it is kept
		k.do(t, "alice", "GET", pageMean, "", "Accept: text/html"),
		k.do(t, "bob", "GET", strings.Replace(getMean, "states_mean", "best5", 1), ""),
		k.do(t, "bob", "GET", strings.Replace(pageMean, "states_mean", "best5", 1), "", "Accept: text/html"),
		k.do(t, "bob", "GET", "/", "", "Accept: text/html"),
		k.do(t, "bob", "GET", "/api/questions", ""),
		k.do(t, "bob", "GET", "/openapi.json", ""),
	} {
		if r.status != 200 {
			t.Errorf("%d %.300s", r.status, r.body)
		}
		if c := r.header.Get("Cache-Control"); !strings.Contains(c, "private") && !strings.Contains(c, "no-store") {
			t.Errorf("Cache-Control %q", c)
		}
	}
	for _, r := range []*reply{
		k.do(t, "bob", "GET", getMean, ""),
		k.do(t, "bob", "GET", strings.Replace(getMean, "mean?", "mean.csv?", 1), ""),
		k.do(t, "bob", "POST", "/api/states_mean", askMean),
	} {
		if r.status != 403 || r.code() != question.CodeForbidden || !strings.Contains(r.body, `"hint":["best5"]`) {
			t.Errorf("%d %.300s", r.status, r.body)
		}
	}
	if r := k.do(t, "bob", "GET", pageMean, "", "Accept: text/html"); r.status != 403 {
		t.Errorf("%d %.300s", r.status, r.body)
	}
	// The first page has an example, of what the client may ask, whoever looked at it before.
	for _, client := range []string{"alice", "bob"} {
		r := k.do(t, client, "GET", "/", "", "Accept: text/html")
		if want := client == "alice"; r.status != 200 || strings.Contains(r.body, "/api/estimates.csv") != want || strings.Contains(r.body, "/api/best5.csv") == want {
			t.Errorf("%s has another example: %d", client, r.status)
		}
	}
	// Jobs do the same for whoever calls them.
	bob := question.WithOrigin(t.Context(), &question.Origin{Client: question.Client{Name: "bob", Questions: []string{"best5"}}})
	own := ownJobs{k.base.Pool}
	req := question.Request{Question: "states_mean", Params: map[string]any{"question": "obesity"}}
	if _, err := own.Submit(bob, req); question.CodeOf(err) != question.CodeForbidden {
		t.Error(err)
	}
	if _, err := own.Answer(bob, req); question.CodeOf(err) != question.CodeForbidden {
		t.Error(err)
	}
	unlimited := question.WithOrigin(t.Context(), &question.Origin{Client: question.Client{Name: "bob"}})
	req.Params["question"] = "Percent of adults aged 18 years and older who have obesity"
	job, err := own.Submit(unlimited, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Retry(bob, job.ID); question.CodeOf(err) != question.CodeForbidden {
		t.Error(err)
	}
}

// Who sends too much is told when to come again, and is answered then.
func TestRetryAfterIsTrue(t *testing.T) {
	k := serveKeyed(t, keys.Key{Name: "slow", Rate: 1. / 3, Burst: 2}, keys.Key{Name: "other", Rate: 1. / 3, Burst: 2})
	for range 2 {
		if r := k.do(t, "slow", "GET", "/api/questions", ""); r.status != 200 {
			t.Fatal(r)
		}
	}
	r := k.do(t, "slow", "GET", "/api/questions", "")
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != 429 || r.code() != question.CodeRateLimited || err != nil || seconds < 1 || seconds > 3 {
		t.Fatal(r)
	}
	if r := k.do(t, "other", "GET", "/api/questions", ""); r.status != 200 {
		t.Error("another client waits, too", r)
	}
	if r := k.do(t, "slow", "GET", "/readyz", ""); r.status != 200 {
		t.Error("a probe waits, too", r)
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	if r := k.do(t, "slow", "GET", "/api/questions", ""); r.status != 200 {
		t.Error("after the wait:", r)
	}
}

// While the file changes, and is broken at times, no request of a client that stays fails.
// One that is revoked is refused soon, and one that is new is taken soon.
func TestKeysChangeWhileRequestsRun(t *testing.T) {
	k := serveKeyed(t, keys.Key{Name: "alice"}, keys.Key{Name: "bob"})
	var over atomic.Bool
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for !over.Load() {
				if r := k.do(t, "alice", "GET", "/api/questions", "", "X-Api-Key: "+k.secrets["alice"]); r.status != 200 {
					t.Errorf("%d %s", r.status, r.body)
					return
				}
			}
		})
	}
	soon := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s: not within 10 s", what)
				return
			}
		}
	}
	bob := k.secrets["bob"]
	status := func(secret string) int {
		return k.do(t, "", "GET", "/api/questions", "", "X-Api-Key: "+secret).status
	}
	if err := keys.Revoke(t.Context(), k.path, "bob"); err != nil {
		t.Fatal(err)
	}
	soon("bob is revoked", func() bool { return status(bob) == 403 })
	whole, err := os.ReadFile(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	secret, hash := keys.New()
	if err := os.WriteFile(k.path, append(whole, fmt.Sprintf("- {name: carol, hash: %x}\n", hash)...), 0o600); err != nil {
		t.Fatal(err)
	}
	soon("carol is new", func() bool { return status(secret) == 200 })
	over.Store(true)
	group.Wait()
}

func TestKeysThatCannotWork(t *testing.T) {
	folder := t.TempDir()
	shared := filepath.Join(folder, "shared.yaml")
	if err := os.WriteFile(shared, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		want   string
		change func(*Config)
	}{
		{"exclude each other", func(c *Config) { c.Keys, c.ClientKey = shared, "k" }},
		{"chmod 600", func(c *Config) { c.Keys = shared }},
		{"no such file", func(c *Config) { c.Keys = filepath.Join(folder, "none") }},
	} {
		cfg := Config{Listen: "127.0.0.1:0"}
		cfg.Location, cfg.Log = filepath.Join(folder, "store"), quiet
		tt.change(&cfg)
		if m, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v %v; want %s", m, err, tt.want)
		}
	}
}
