package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// mark is part of every name that clients must not learn.
const mark = "zzmark"

// brokenS3 is an empty bucket that can be broken in a chosen way.
type brokenS3 struct {
	*httptest.Server

	way atomic.Pointer[func(w http.ResponseWriter)]
}

func newBrokenS3(t *testing.T) *brokenS3 {
	t.Helper()
	s := &brokenS3{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amz-Request-Id", "1")
		switch way := s.way.Load(); {
		case way != nil:
			(*way)(w)
		case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
			_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
		case r.Method == http.MethodGet:
			refuseS3(w, http.StatusNotFound, "NoSuchKey")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func refuseS3(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message><BucketName>%[2]s</BucketName></Error>`, code, mark)
}

// ways lists how a service can break.
var ways = map[string]func(w http.ResponseWriter){
	"it denies access":        func(w http.ResponseWriter) { refuseS3(w, http.StatusForbidden, "AccessDenied") },
	"it forgets the key":      func(w http.ResponseWriter) { refuseS3(w, http.StatusForbidden, "InvalidAccessKeyId") },
	"it loses the bucket":     func(w http.ResponseWriter) { refuseS3(w, http.StatusNotFound, "NoSuchBucket") },
	"it does not know itself": func(w http.ResponseWriter) { refuseS3(w, http.StatusTeapot, mark) },
	"it hangs up": func(w http.ResponseWriter) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	},
}

// stranger sends requests to every route, with these ids, and checks that no answer
// contains one of the secrets. It returns the error codes.
func stranger(t *testing.T, base string, c *http.Client, ids, secrets []string) map[string]int {
	t.Helper()
	codes := map[string]int{}
	var mu sync.Mutex
	ask := func(method, target, body string, headers ...string) []byte {
		r, err := http.NewRequestWithContext(t.Context(), method, base+target, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return nil
		}
		r.Header.Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		all := strings.ToLower(fmt.Sprint(resp.Header) + string(b))
		for _, secret := range secrets {
			if strings.Contains(all, strings.ToLower(secret)) {
				t.Errorf("%s %s tells %q: %d %v %.1000s", method, target, secret, resp.StatusCode, resp.Header, b)
			}
		}
		var e struct{ Code string }
		isPage := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") // whose errors are for people
		if resp.StatusCode >= 400 && method != http.MethodHead && !isPage && (json.Unmarshal(b, &e) != nil || e.Code == "") {
			t.Errorf("%s %s: %d %.300s has no code", method, target, resp.StatusCode, b)
		}
		mu.Lock()
		defer mu.Unlock()
		codes[e.Code]++
		return b
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, 16) // concurrent requests: a broken service may be slow
	later := func(method, target, body string, headers ...string) {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			ask(method, target, body, headers...)
		})
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(ask("GET", "/openapi.json", ""), &doc); err != nil || len(doc.Paths) < 10 {
		t.Fatalf("%d paths, %v", len(doc.Paths), err)
	}
	question := fmt.Sprintf(`{"question":%q}`, obesity)
	for path, methods := range doc.Paths {
		for method := range methods {
			method = strings.ToUpper(method)
			if strings.Contains(path, "graceful_shutdown") {
				later(method, path, "")
				continue
			}
			for _, id := range ids {
				target := strings.Replace(path, "{id}", id, 1)
				body := ""
				if method == http.MethodPost {
					body = question
				}
				later(method, target, body)
				if method == http.MethodGet {
					later(http.MethodHead, target, "")
				}
				if strings.Contains(path, "get_results") {
					later(method, target+"?wait=1", "", "Accept: text/csv")
				}
				if !strings.Contains(path, "{id}") {
					break
				}
			}
		}
	}
	for _, target := range []string{"/api/jobs?detail=1", "/api/jobs?before=" + ids[0], "/nowhere", "/api/get_results/..%2f..%2fetc", "/api/jobs?limit=x"} {
		later("GET", target, "")
	}
	later("POST", "/api/endless_loop", "{}")
	later("POST", "/api/endless_loop?wait=1", "{}")
	later("POST", "/api/states_mean", "{")
	later("POST", "/api/states_mean?wait=1", question)
	wg.Wait()
	return codes
}

// Whatever is broken, no answer names a path, an endpoint, a bucket, a queue, an account or
// a key id. The log does.
func TestStrangersLearnNothing(t *testing.T) {
	damaged := storetest.ID(time.Now(), 1)
	ids := []string{"01936ac2-5b00-7c3e-9a41-6f0de1b4a7f2", damaged}
	// home is a folder with everything that a server may read, under secret names.
	home := func(t *testing.T) (folder string, flags []string) {
		t.Helper()
		folder = filepath.Join(t.TempDir(), mark)
		plugins := filepath.Join(folder, "plugins")
		if err := os.MkdirAll(plugins, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{
			"loop.wasm": faults(t), "good.wasm": guest(t, 0), "good2.wasm": guest(t, 1), "unlisted.wasm": guest(t, 2), "bad.wasm": []byte("no module"),
		} {
			if err := os.WriteFile(filepath.Join(plugins, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		lock := filepath.Join(folder, "plugins.lock")
		if code, _, _ := lestats(t, "plugin", "lock", "--plugins", plugins, "-o", lock); code != exitFailed { // one of them is refused
			t.Fatalf("plugin lock: %d", code)
		}
		listed, err := os.ReadFile(lock)
		if err != nil {
			t.Fatal(err)
		}
		lines := slices.DeleteFunc(strings.SplitAfter(string(listed), "\n"), func(line string) bool { return strings.Contains(line, " 1.0.2") })
		if err := os.WriteFile(lock, []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		return folder, []string{"--plugins", plugins, "--plugins-lock", lock, "--time-limit", "1s", "--cache", compiled(t)}
	}
	c := &http.Client{Timeout: time.Minute}
	wantCode := func(t *testing.T, codes map[string]int, code string) {
		t.Helper()
		if codes[code] == 0 {
			t.Errorf("nothing was %s: %v", code, codes)
		}
	}

	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		folder, flags := home(t)
		store := filepath.Join(folder, "store")
		p := serve(t, nil, append(flags, "--store", store)...)
		if err := os.WriteFile(filepath.Join(store, "pending", damaged), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantCode(t, stranger(t, p.url, c, ids, []string{mark, folder}), "internal")
		if err := os.RemoveAll(filepath.Join(folder, "plugins")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(store, store+".gone"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(store, nil, 0o600); err != nil { // a file in place of its folder
			t.Fatal(err)
		}
		p.soon("")
		wantCode(t, stranger(t, p.url, c, ids, []string{mark, folder}), "store_unavailable")
		p.kill()
		if !strings.Contains(p.log.String(), store) {
			t.Errorf("nor does the log tell: %s", p.log)
		}
	})

	t.Run("a dataset", func(t *testing.T) {
		t.Parallel()
		folder, flags := home(t)
		file := filepath.Join(folder, mark+".csv")
		if err := os.WriteFile(file, []byte("place,year,share\nOhio,2020,1.5\nUtah,2020,2.5\nOhio,2021,3\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "d.yaml"), []byte("name: places\ntitle: Places\ncolumns:\n  - {name: place, type: string, role: dimension}\n  - {name: year, type: integer, role: dimension}\n  - {name: share, type: number, role: measure}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := lestats(t, "data", "info", file, "--descriptor", filepath.Join(folder, "d.yaml"))
		if code != exitOK {
			t.Fatal(errs)
		}
		p := serve(t, nil, append(flags, "--data", file, "--descriptor", filepath.Join(folder, "d.yaml"), "--store", filepath.Join(folder, "store"))...)
		stranger(t, p.url, c, ids, []string{mark, folder})
	})

	s3env := func(s *brokenS3) ([]string, []string) {
		at := strings.TrimPrefix(s.URL, "http://")
		return []string{"AWS_ACCESS_KEY_ID=AKIA" + mark, "AWS_SECRET_ACCESS_KEY=secret" + mark, "AWS_REGION=eu-west-3"}, []string{mark, at}
	}
	t.Run("a bucket", func(t *testing.T) {
		t.Parallel()
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				if testing.Short() && name != "it hangs up" {
					t.Skip("-short: one way to break is enough")
				}
				t.Parallel()
				s := newBrokenS3(t)
				env, secrets := s3env(s)
				folder, flags := home(t)
				p := serve(t, env, append(flags, "--store", "s3://"+mark+"-bucket/"+mark, "--s3-endpoint", s.URL, "--plugins-poll", "100ms")...)
				s.way.Store(&way)
				noticed := false // the log has reported that the bucket's plugins cannot be listed
				for begun := time.Now(); !noticed && time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
					_, b, err := p.try("GET", "/api/plugins", "")
					noticed = err == nil && strings.Contains(string(b), "the store is unavailable")
				}
				if !noticed {
					t.Error("/api/plugins does not say that the bucket cannot be listed")
				}
				wantCode(t, stranger(t, p.url, c, ids, append(secrets, folder)), "store_unavailable")
				p.kill()
				if !strings.Contains(p.log.String(), mark+"-bucket") {
					t.Errorf("nor does the log tell: %s", p.log)
				}
			})
		}
	})

	t.Run("a queue", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"it denies access", "it hangs up"} {
			way := ways[name]
			t.Run(name, func(t *testing.T) {
				if testing.Short() && name != "it denies access" {
					t.Skip("-short: one way to break is enough")
				}
				t.Parallel()
				away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { way(w) }))
				defer away.Close()
				folder, flags := home(t)
				env, secrets := s3env(&brokenS3{Server: away})
				p := serve(t, env, append(flags, "--workers", "1", "--time-limit", "10s", "--store", filepath.Join(folder, "store"), "--queue-url", away.URL+"/424242424242/"+mark+"-jobs")...)
				if _, b, err := p.try("POST", "/api/endless_loop", "{}"); err != nil { // what comes now has to wait
					t.Fatal(string(b), err)
				}
				wantCode(t, stranger(t, p.url, c, ids, append(secrets, folder, "424242424242")), "queue_unavailable")
				p.kill()
				if !strings.Contains(p.log.String(), mark+"-jobs") {
					t.Errorf("nor does the log tell: %s", p.log)
				}
			})
		}
	})

	t.Run("a function", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"it denies access", "it forgets the key"} {
			way := ways[name]
			t.Run(name, func(t *testing.T) {
				if testing.Short() && name != "it forgets the key" {
					t.Skip("-short: one way to break is enough")
				}
				t.Parallel()
				s := newBrokenS3(t)
				env, secrets := s3env(s)
				folder, _ := home(t)
				e := function(t, lambdatest.Config{Timeout: 30 * time.Second}, append(env, "LESTATS_CACHE="+compiled(t), "LESTATS_TIME_LIMIT=1s", "LESTATS_PLUGINS="+filepath.Join(folder, "plugins"),
					"LESTATS_STORE=s3://"+mark+"-bucket/"+mark, "LESTATS_S3_ENDPOINT="+s.URL)...)
				front := client(lambdatest.Gateway{Version: "2.0", Invoke: e.Invoke})
				if status, v := exchange(t, front, "GET", "/readyz", ""); status != http.StatusOK {
					t.Fatalf("%d %v", status, v)
				}
				s.way.Store(&way)
				wantCode(t, stranger(t, "https://f.example", front, ids, append(secrets, folder)), "store_unavailable")
			})
		}
	})
}
