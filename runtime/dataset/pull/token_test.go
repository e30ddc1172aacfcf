package pull

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const token = "s3cret-T0ken"

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// lines collects what Waiting is told.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// The token goes to the first host in a header, and nowhere else: not to another host, not
// into an error, a report or a file.
func TestAppToken(t *testing.T) {
	foreign := serve(t, content(good, `"v1"`))
	target := filepath.Join(t.TempDir(), "npao.csv")
	s := serve(t,
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) },
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, foreign.URL+"/file.csv", http.StatusFound)
		},
	)
	told := &lines{}
	cfg := s.pullOf(target)
	cfg.AppToken, cfg.Waiting = token, told.add
	got, err := Pull(t.Context(), cfg)
	if err != nil || got.Rows != goodRows {
		t.Fatal(got, err)
	}
	for i, r := range s.requests {
		if r.Header.Get("X-App-Token") != token || strings.Contains(r.URL.String(), token) {
			t.Errorf("request %d to the first host: %s, %q", i, r.URL, r.Header)
		}
	}
	for _, r := range foreign.requests {
		if header := fmt.Sprint(r.Header); strings.Contains(header, token) || len(s.requests) != 3 {
			t.Errorf("another host got %s", header)
		}
	}
	if !strings.Contains(told.String(), "503") || strings.Contains(told.String(), token) {
		t.Errorf("%s", told)
	}

	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	for _, tt := range []struct{ token, want string }{{"", "--app-token"}, {token, "with the application token that was given"}} {
		cfg := refusing.pullOf(target)
		cfg.Source.URL = refusing.URL + "/api/v3/views/hn4x-zwk7/export.csv"
		cfg.AppToken = tt.token
		if _, err := Pull(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), token) {
			t.Errorf("with the token %q: %v", tt.token, err)
		}
		if refusing.requests[0].Header.Get("X-App-Token") != "" {
			t.Error("a token was sent that nobody gave")
		}
	}
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(target), e.Name())); err != nil || strings.Contains(string(b), token) {
			t.Errorf("%s holds the token, or %v", e.Name(), err)
		}
	}
}

// A token that would be sent in the open, or shown, is refused before anything is sent.
func TestTokenRefused(t *testing.T) {
	for _, tt := range []struct{ url, token, want string }{
		{"http://data.example/rows.csv", token, "https only"},
		{"http://127.0.0.1.example/rows.csv", token, "https only"},
		{"https://data.example/rows.csv?$$app_token=" + token, "", "leave it out"},
		{"https://data.example/rows.csv?app_token=" + token, "", "leave it out"},
		{"https://data.example/rows.csv", token + "\r\nHost: x", "characters"},
		{"https://data.example/rows.csv", token + " ", "characters"},
		{"https://data.example/%zz?" + token, "", "not a download address"},
	} {
		target := filepath.Join(t.TempDir(), "npao.csv")
		_, err := Pull(t.Context(), Config{Source: Source{Name: "test", URL: tt.url}, Target: target, Verify: verifyCSV, AppToken: tt.token})
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.want != "not a download address" && strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v, want %q", tt.url, err, tt.want)
		}
	}
}

// A pinned release is the only one that is put in place.
func TestDigest(t *testing.T) {
	target := filepath.Join(t.TempDir(), "npao.csv")
	if err := os.WriteFile(target, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, content(good, `"v1"`))
	want := digestOf(good)
	for _, digest := range []string{"sha256:" + strings.Repeat("0", 64), "sha256:12", strings.TrimPrefix(want, "sha256:"), "md5:" + want} {
		cfg := s.pullOf(target)
		cfg.Digest = digest
		_, err := Pull(t.Context(), cfg)
		if err == nil || len(digest) == len(want) && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %s", digest, err, want)
		}
		if b, err := os.ReadFile(target); err != nil || string(b) != "before" {
			t.Fatalf("%s: the file was replaced: %v", digest, err)
		}
	}
	for _, digest := range []string{"", want, "sha256:" + strings.ToUpper(strings.TrimPrefix(want, "sha256:"))} {
		cfg := s.pullOf(target)
		cfg.Digest = digest
		if got, err := Pull(t.Context(), cfg); err != nil || got.Digest != want {
			t.Errorf("%q: %v, %v", digest, got, err)
		}
	}
}

// Whoever waits is told why within two seconds: no answer, a retry, a limit on requests.
func TestWaitingIsTold(t *testing.T) {
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		content(good, `"v1"`)(w, r)
	}
	for name, tt := range map[string]struct {
		steps []step
		want  string
	}{
		"no answer": {[]step{slow}, "has the request and sends nothing yet; waiting up to 2s"},
		"half": {[]step{func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good[:100])
			w.(http.Flusher).Flush()
			<-release
			_, _ = w.Write(good[100:])
		}}, "sends nothing at the moment"},
		"limited": {[]step{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}, content(good, "")}, "429 Too Many Requests: too many requests come from this network; an application token (--app-token) has a limit of its own; retrying in 30ms"},
		"limited until": {[]step{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}, content(good, "")}, "retrying in 30ms"},
		"in preparation": {[]step{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, content(good, "")}, "the server prepares the file; retrying in"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.steps...)
			told := &lines{}
			cfg := s.pullOf(filepath.Join(t.TempDir(), "npao.csv"))
			cfg.Waiting, cfg.Quiet = told.add, 50*time.Millisecond
			done := make(chan error, 1)
			go func() {
				_, err := Pull(t.Context(), cfg)
				done <- err
			}()
			deadline := time.Now().Add(20 * time.Second)
			for !strings.Contains(told.String(), tt.want) && time.Now().Before(deadline) {
				time.Sleep(5 * time.Millisecond)
			}
			if name == "no answer" || name == "half" {
				select {
				case release <- struct{}{}:
				case err := <-done:
					done <- err
				}
			}
			if err := <-done; err != nil && !errors.Is(err, t.Context().Err()) {
				t.Error(err)
			}
			if !strings.Contains(told.String(), tt.want) {
				t.Errorf("%s\nwant %s", told, tt.want)
			}
		})
	}
	if c := (Config{Source: Source{Name: "n", URL: "https://e.example"}, Target: "t", Verify: verifyCSV}); c.validate() != nil || c.Quiet > 2*time.Second {
		t.Errorf("silence is told after %s", c.Quiet)
	}
}
