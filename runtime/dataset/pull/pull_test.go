package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	v1 = `"v1"`
	v2 = `"v2"`
)

func TestGoodServers(t *testing.T) {
	other := table(goodRows, 2)
	decent := content(good, v1)
	half := fmt.Sprintf("bytes=%d-", 100_000)
	wrong := fmt.Sprintf("bytes %d-%d/%d", 99_999, len(good)-1, len(good))
	old := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	dated := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", old)
		then, _ := http.ParseTime(old)
		http.ServeContent(w, r, "rows.csv", then, bytes.NewReader(good))
	}
	for _, c := range []struct {
		name    string
		steps   []step
		want    []byte
		ranges  []string // of the requests
		resumed bool
	}{
		{"decent", []step{decent}, good, []string{""}, false},
		{"no length", []step{chunked(good)}, good, []string{""}, false},
		{"compresses unasked", []step{encoded("gzip", zipped(good))}, good, []string{""}, false},
		{"says that it does not compress", []step{encoded("identity", good)}, good, []string{""}, false},
		{"fails, then recovers", []step{status(500), status(503, "Retry-After", "1"), status(429), decent}, good, []string{"", "", "", ""}, false},
		{"truncates, then resumes", []step{cutAfter(100_000, decent), decent}, good, []string{"", half}, true},
		{"truncates, fails, then resumes", []step{cutAfter(100_000, decent), status(502), decent}, good, []string{"", half, half}, true},
		{"truncates at once", []step{cutAfter(0, decent), decent}, good, []string{"", ""}, false},
		{"truncates without a version", []step{cutAfter(100_000, content(good, "")), content(good, "")}, good, []string{"", ""}, false},
		{"truncates with a weak version", []step{cutAfter(100_000, content(good, "W/"+v1)), content(good, "W/"+v1)}, good, []string{"", ""}, false},
		{"truncates with a date", []step{cutAfter(100_000, dated), dated}, good, []string{"", half}, true},
		{"truncates what it compressed", []step{cutAfter(1000, encoded("gzip", zipped(good))), decent}, good, []string{"", ""}, false},
		{"claims more than it has", []step{claim(len(good)+1, good), decent}, good, []string{"", ""}, false},
		{"ignores ranges", []step{cutAfter(100_000, decent), ignoringRanges(decent)}, good, []string{"", half}, false},
		{"changes in between", []step{cutAfter(100_000, decent), content(other, v2)}, other, []string{"", half}, false},
		{"changes in between, and sends the rest", []step{cutAfter(100_000, decent),
			partial(fmt.Sprintf("bytes 100000-%d/%d", len(other)-1, len(other)), v2, other[100_000:]), content(other, v2)},
			other, []string{"", half, ""}, false},
		{"changes in between, and says it did not", []step{cutAfter(100_004, decent), content(append([]byte("id,value,new\n"), other...)[:len(good)], v1), decent},
			good, []string{"", "bytes=100004-", ""}, false},
		{"grew", []step{cutAfter(100_000, decent), partial(fmt.Sprintf("bytes 100000-%d/%d", len(good), len(good)+1), v1, append(slices.Clone(good[100_000:]), '\n')), decent},
			good, []string{"", half, ""}, false},
		{"sends other bytes than those asked for", []step{cutAfter(100_000, decent), partial(wrong, v1, good[99_999:]), decent}, good, []string{"", half, ""}, false},
		{"sends some of the rest", []step{cutAfter(100_000, decent), partial(fmt.Sprintf("bytes 100000-149999/%d", len(good)), v1, good[100_000:150_000]), decent},
			good, []string{"", half, "bytes=150000-"}, true},
		{"does not know ranges", []step{cutAfter(100_000, decent), status(416), decent}, good, []string{"", half, ""}, false},
		{"redirects", []step{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere.csv", http.StatusFound) }, decent}, good, []string{"", ""}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.steps...)
			target := newTarget(t, "id,value\n000000,00\n")
			cfg := s.pullOf(target)
			var done, total int64
			cfg.Progress = func(d, all int64) { done, total = d, all }
			got, err := Pull(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Result{Rows: goodRows, Bytes: int64(len(c.want)), Digest: digestOf(c.want), Resumed: c.resumed}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			wantFile(t, target, c.want)
			wantAlone(t, target, "rows.csv")
			if _, ranges := s.asked(); !slices.Equal(ranges, c.ranges) {
				t.Errorf("asked for %q, want %q", ranges, c.ranges)
			}
			if done != int64(len(c.want)) || total != done && total != -1 {
				t.Errorf("the last progress was %d of %d", done, total)
			}
		})
	}
}

func TestBadServers(t *testing.T) {
	decent := content(good, v1)
	for _, c := range []struct {
		name  string
		step  step
		asked int
		says  []string
		left  bool // a part to go on with
	}{
		{"nothing there", status(404), 1, []string{"404 Not Found", "check the connection and the address"}, false},
		{"forbidden", status(403), 1, []string{"403 Forbidden"}, false},
		{"always fails", status(500), 5, []string{"500 Internal Server Error", "after 5 requests", "again later"}, false},
		{"unasked rest", partial("bytes 10-19/100", v1, good[10:20]), 1, []string{"206"}, false},
		{"web page", text("text/html", "\n <!DOCTYPE html><html>sign in</html>"), 1, []string{"a web page", "<!DOCTYPE html>", "in a browser"}, false},
		{"message", text("application/json", `{"error":true,"message":"gone"}`), 1, []string{"a message", "gone"}, false},
		{"garbage", text("text/csv", strings.Repeat("\x00\xff\"garbage", 10_000)), 1, []string{"not this dataset"}, false},
		{"another header", text("text/csv", "id,number\n000000,01\n"), 1, []string{"not this dataset", "the header is"}, false},
		{"gzip file", text("text/csv", string(zipped(good))), 1, []string{"a gzip file"}, false},
		{"zip file", text("text/csv", "PK\x03\x04..."), 1, []string{"a zip file"}, false},
		{"unknown compression", encoded("br", good), 1, []string{`compressed with "br"`}, false},
		{"invalid compression", encoded("gzip", good), 5, []string{"compressed response cannot be read"}, false},
		{"empty", text("text/csv", ""), 1, []string{"an empty file"}, false},
		{"few rows", content(table(999, 1), v1), 1, []string{"has 999 rows", "at least 1,000"}, false},
		{"long", content(table(200_000, 1), v1), 1, []string{"offers 1.9 MiB", "at most 1.0 MiB"}, false},
		{"long, without saying so", chunked(table(200_000, 1)), 1, []string{"keeps sending", "at most 1.0 MiB"}, false},
		{"long, once it is unpacked", encoded("gzip", zipped(table(200_000, 1))), 1, []string{"keeps sending"}, false},
		{"claims less than it has", claim(100_004, good), 1, []string{"not this dataset"}, false},
		{"claims more than it has", claim(len(good)+1, good), 5, []string{"broke", "after 5 requests"}, false},
		{"truncates a little further each time", func() step {
			n := 0
			return func(w http.ResponseWriter, r *http.Request) { n++; cutAfter(1000, decent)(w, r) }
		}(), 5, []string{"broke after 4.9 KiB of 195 KiB", ".part", "resumes from there"}, true},
		{"stalls", stallAfter(1000, decent), 5, []string{"the server sent nothing for 50ms", "resumes from there"}, true},
		{"does not even answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 5, []string{"the server sent nothing for 50ms"}, false},
		{"redirects in circles", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, 10, []string{"redirected 10 times"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.step)
			target := newTarget(t, "old")
			cfg := s.pullOf(target)
			if strings.Contains(c.says[0], "50ms") {
				cfg.Stall = 50 * time.Millisecond
			}
			_, err := Pull(t.Context(), cfg)
			wantError(t, err, append(c.says, "test was not downloaded", target+" unchanged")...)
			wantFile(t, target, []byte("old"))
			if c.left {
				wantAlone(t, target, "rows.csv", "rows.csv.part", "rows.csv.part.json")
			} else {
				wantAlone(t, target, "rows.csv")
			}
			if n, _ := s.asked(); n != c.asked {
				t.Errorf("the server was asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	s := serve(t, content(good, v1))
	cfg := s.pullOf(newTarget(t, ""))
	s.Close()
	_, err := Pull(t.Context(), cfg)
	wantError(t, err, "connection refused", "Kept: nothing", "again later")
	wantAlone(t, cfg.Target)
}

func TestCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet
	s.StartTLS()
	defer s.Close()
	cfg := Config{Source: Source{Name: "test", URL: s.URL}, Target: newTarget(t, ""), Verify: verifyCSV, Backoff: time.Hour}
	_, err := Pull(t.Context(), cfg) // an hour's wait would show that it was tried again
	wantError(t, err, "certificate")
}

func TestNoWayBackFromHTTPS(t *testing.T) {
	https, _ := http.NewRequest(http.MethodGet, "https://data.example/rows", nil)
	plain, _ := http.NewRequest(http.MethodGet, "http://data.example/rows", nil)
	for _, c := range []struct {
		from, to *http.Request
		ok       bool
	}{{https, https, true}, {plain, https, true}, {plain, plain, true}, {https, plain, false}} {
		if err := keepHTTPS(c.to, []*http.Request{c.from}); (err == nil) != c.ok {
			t.Errorf("%s to %s: %v", c.from.URL, c.to.URL, err)
		}
	}
}

// An interrupted download resumes in the next run.
func TestCancelAndGoOn(t *testing.T) {
	s := serve(t, stallAfter(100_000, content(good, v1)), content(good, v1))
	target := newTarget(t, "old")
	cfg := s.pullOf(target)
	cfg.Stall = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(done, _ int64) {
		if done == 100_000 {
			cancel()
		}
	}
	_, err := Pull(ctx, cfg)
	wantError(t, err, "98 KiB of 195 KiB in "+target+".part", "resumes from there")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	wantFile(t, target, []byte("old"))
	wantFile(t, target+".part", good[:100_000])

	var first int64 = -1
	cfg.Progress = func(done, _ int64) {
		if first < 0 {
			first = done
		}
	}
	got, err := Pull(t.Context(), cfg)
	if err != nil || !got.Resumed || first != 100_000 {
		t.Errorf("got %+v, %v; it went on from %d", got, err, first)
	}
	wantFile(t, target, good)
	wantAlone(t, target, "rows.csv")
	if _, ranges := s.asked(); !slices.Equal(ranges, []string{"", "bytes=100000-"}) {
		t.Errorf("asked for %q", ranges)
	}
}

// Without a version the next run cannot go on, and nothing is left for it.
func TestCancelWithoutVersion(t *testing.T) {
	s := serve(t, stallAfter(100_000, chunked(good)))
	cfg := s.pullOf(newTarget(t, ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	}
	_, err := Pull(ctx, cfg)
	wantError(t, err, "Kept: nothing", "starts over")
	wantAlone(t, cfg.Target)
}

// Complete but not yet verified: the next run downloads nothing.
func TestCancelInVerify(t *testing.T) {
	s := serve(t, content(good, v1))
	cfg := s.pullOf(newTarget(t, "old"))
	ctx, cancel := context.WithCancel(t.Context())
	cfg.Verify = func(ctx context.Context, path string) (int, error) {
		cancel()
		return verifyCSV(ctx, path)
	}
	_, err := Pull(ctx, cfg)
	wantError(t, err, "resumes from there")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	wantFile(t, cfg.Target, []byte("old"))
	cfg.Verify = verifyCSV
	if got, err := Pull(t.Context(), cfg); err != nil || !got.Resumed {
		t.Errorf("got %+v, %v", got, err)
	}
	wantFile(t, cfg.Target, good)
}

// No wait outlasts the context.
func TestEveryWaitEnds(t *testing.T) {
	for name, do := range map[string]func(waits func()) step{
		"headers": func(waits func()) step {
			return func(_ http.ResponseWriter, r *http.Request) { waits(); <-r.Context().Done() }
		},
		"body":    func(func()) step { return stallAfter(10, content(good, v1)) },
		"backoff": func(func()) step { return status(503, "Retry-After", "3600") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := serve(t, do(cancel))
			cfg := s.pullOf(newTarget(t, ""))
			cfg.Stall, cfg.Backoff, cfg.Quiet = time.Hour, time.Hour, time.Hour
			cfg.Progress = func(done, _ int64) {
				if done > 0 {
					cancel()
				}
			}
			cfg.Waiting = func(string) { cancel() } // before the pause
			_, err := Pull(ctx, cfg)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
			if n, _ := s.asked(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestBackoffDoubles(t *testing.T) {
	p := &puller{Config: Config{Backoff: time.Microsecond}}
	for _, want := range []int64{1, 2, 4, 8, 16, 30, 30} {
		if err := p.pause(t.Context(), io.ErrUnexpectedEOF); err != nil || p.wait.Microseconds() != want {
			t.Fatalf("waited %s, %v; want %d µs", p.wait, err, want)
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	p := &puller{Config: Config{Backoff: time.Millisecond}}
	start := time.Now()
	if err := p.pause(t.Context(), &retryLaterError{errors.New("busy"), time.Hour}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 30*time.Millisecond || took > 10*time.Second {
		t.Errorf("waited %s; thirty times the backoff is 30 ms", took)
	}
}

// What an earlier run or something else has left beside the target.
func TestLeftovers(t *testing.T) {
	here := func(s *server) string { return s.URL + "/rows.csv" }
	for _, c := range []struct {
		name    string
		part    []byte
		version func(s *server) string
		resumed bool
	}{
		{"a part", good[:1000], func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":%d}`, here(s), len(good))
		}, true},
		{"all of it", good, func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":%d}`, here(s), len(good))
		}, true},
		{"no bytes", nil, func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":%d}`, here(s), len(good))
		}, false},
		{"more than all of it", append(slices.Clone(good), "more"...), func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":%d}`, here(s), len(good))
		}, false},
		{"zeros, after a loss of power", make([]byte, 1000), func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":%d}`, here(s), len(good))
		}, false},
		{"another length", good[:1000], func(s *server) string { return fmt.Sprintf(`{"url":%q,"etag":"\"v1\"","total":17}`, here(s)) }, false},
		{"another version", good[:1000], func(s *server) string {
			return fmt.Sprintf(`{"url":%q,"etag":"\"v0\"","total":%d}`, here(s), len(good))
		}, false},
		{"another address", good[:1000], func(*server) string { return `{"url":"http://127.0.0.1:1/","etag":"\"v1\"","total":-1}` }, false},
		{"no validator", good[:1000], func(s *server) string { return fmt.Sprintf(`{"url":%q,"total":-1}`, here(s)) }, false},
		{"half a version", good[:1000], func(s *server) string { return fmt.Sprintf(`{"url":%q,"etag":"\"v1`, here(s)) }, false},
		{"no version", good[:1000], func(*server) string { return "" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, content(good, v1))
			cfg := s.pullOf(newTarget(t, "old"))
			os.WriteFile(cfg.Target+".part", c.part, 0o644)
			os.WriteFile(cfg.Target+".part.json", []byte(c.version(s)), 0o644)
			os.WriteFile(cfg.Target+".lock", nil, 0o644) // of a process that was killed
			got, err := Pull(t.Context(), cfg)
			if err != nil || got.Resumed != c.resumed {
				t.Errorf("got %+v, %v; want resumed %v", got, err, c.resumed)
			}
			wantFile(t, cfg.Target, good)
			wantAlone(t, cfg.Target, "rows.csv")
		})
	}
}

func TestBadPlaces(t *testing.T) {
	s := serve(t, content(good, v1))
	for name, c := range map[string]struct {
		target string
		says   string
		before func(target string)
	}{
		"no folder":         {"none/rows.csv", "there is no folder", func(string) {}},
		"folder is a file":  {"file/rows.csv", "there is no folder", func(f string) { os.WriteFile(filepath.Dir(f), nil, 0o644) }},
		"target is folder":  {"rows.csv", "is not a regular file", func(f string) { os.Mkdir(f, 0o755) }},
		"part is a folder":  {"rows.csv", "remove it first", func(f string) { os.Mkdir(f+".part", 0o755) }},
		"part is a link":    {"rows.csv", "remove it first", func(f string) { os.Symlink("/dev/null", f+".part") }},
		"version is folder": {"rows.csv", "is a directory", func(f string) { os.Mkdir(f+".part.json", 0o755) }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.pullOf(filepath.Join(t.TempDir(), c.target))
			c.before(cfg.Target)
			_, err := Pull(t.Context(), cfg)
			wantError(t, err, c.says)
			if _, err := os.Stat(cfg.Target + ".lock"); err == nil {
				t.Error("the lock is still there")
			}
		})
	}
	if n, _ := s.asked(); n != 0 {
		t.Errorf("the server was asked %d times, before the place was looked at", n)
	}
}

func TestLinkStays(t *testing.T) {
	s := serve(t, content(good, v1))
	link := filepath.Join(t.TempDir(), "link.csv")
	target := newTarget(t, "old")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Pull(t.Context(), s.pullOf(link)); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != target {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	wantFile(t, target, good)
}

func TestConfig(t *testing.T) {
	ok := Config{Source: Source{Name: "test", URL: "http://127.0.0.1:1/"}, Target: "x.csv", Verify: verifyCSV}
	for says, change := range map[string]func(*Config){
		"target file has no name": func(c *Config) { c.Target = "" },
		"no Verify function":      func(c *Config) { c.Verify = nil },
		"may be negative":         func(c *Config) { c.Stall = -1 },
		"has no name":             func(c *Config) { c.Source.Name = "" },
		"not a download address":  func(c *Config) { c.Source.URL = "file:///etc/passwd" },
		"must not be negative":    func(c *Config) { c.Source.MaxBytes = -1 },
	} {
		cfg := ok
		change(&cfg)
		_, err := Pull(t.Context(), cfg)
		wantError(t, err, says)
	}
}

func TestFind(t *testing.T) {
	s, err := Find("npao")
	if err != nil || s.validate() != nil || !strings.HasPrefix(s.URL, "https://data.cdc.gov/") || s.MinRows < 1000 {
		t.Errorf("got %+v, %v", s, err)
	}
	_, err = Find("nope")
	if e := question.AsError(err); e.Code != question.CodeUnknownValue || !slices.Contains(e.Hint, "npao") || !strings.Contains(e.Reason, `"nope"`) {
		t.Errorf("got %+v", e)
	}
}

// While one pull runs, another one of the same target fails and changes nothing.
func TestTwoPulls(t *testing.T) {
	s := serve(t, content(good, v1))
	cfg := s.pullOf(newTarget(t, ""))
	inner := errors.New("the second pull did not start")
	cfg.Verify = func(ctx context.Context, path string) (int, error) {
		_, inner = Pull(ctx, s.pullOf(cfg.Target))
		return verifyCSV(ctx, path)
	}
	if _, err := Pull(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	wantError(t, inner, "another download to "+cfg.Target+" is running")
	if n, _ := s.asked(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
	wantAlone(t, cfg.Target, "rows.csv")
}

// The lock file comes and goes; still, no two hold it at once.
func TestLockHammer(t *testing.T) {
	target := newTarget(t, "")
	var mu sync.Mutex // held by whoever has the lock
	var wg sync.WaitGroup
	var held int
	for range 8 {
		wg.Go(func() {
			for range 1500 {
				unlock, err := lock(target)
				if err != nil {
					if !strings.Contains(err.Error(), "another download") {
						t.Error(err)
					}
					continue
				}
				if !mu.TryLock() {
					t.Error("two have the lock")
				} else {
					held++
					time.Sleep(20 * time.Microsecond)
					mu.Unlock()
				}
				unlock()
			}
		})
	}
	wg.Wait()
	if held == 0 {
		t.Error("nobody ever had the lock")
	}
	wantAlone(t, target)
}

// Whatever a server does, in whatever order: what is in place afterwards is the
// file that was there before, or a new one that verifies.
func TestWhateverTheServerDoes(t *testing.T) {
	other := table(goodRows, 2)
	moves := []step{
		content(good, v1), content(other, v2), content(good, ""), content(other, v1), chunked(good), chunked(good[:150_003]),
		cutAfter(100_000, content(good, v1)), cutAfter(50_003, content(other, v2)), cutAfter(1, content(good, v1)), cutAfter(100_000, chunked(good)),
		status(500), status(416), status(416, "Content-Range", "bytes */100000"), status(404), text("text/html", "<html>"),
		encoded("gzip", zipped(good)), encoded("br", good), encoded("gzip", good), claim(100_004, good), claim(len(good)+9, good),
		partial(fmt.Sprintf("bytes 100000-%d/%d", len(other)-1, len(other)), v1, other[100_000:]),
		partial(fmt.Sprintf("bytes 100000-%d/%d", len(good)-1, len(good)), v1, good[100_000:170_000]),
		ignoringRanges(content(other, v2)),
	}
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		picks := rapid.SliceOfN(rapid.IntRange(0, len(moves)-1), 1, 8).Draw(t, "moves")
		var steps []step
		for _, i := range picks {
			steps = append(steps, moves[i])
		}
		s := serve(t, steps...)
		n++
		cfg := s.pullOf(filepath.Join(dir, fmt.Sprintf("%d.csv", n)))
		cfg.Backoff = time.Microsecond
		os.WriteFile(cfg.Target, []byte("old"), 0o644)
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			before, _ := os.ReadFile(cfg.Target)
			_, err := Pull(context.Background(), cfg)
			after, _ := os.ReadFile(cfg.Target)
			if err != nil && !bytes.Equal(before, after) {
				t.Fatalf("failed (%v), and yet the target has changed", err)
			}
			if err == nil {
				if rows, err := verifyCSV(context.Background(), cfg.Target); err != nil || rows != goodRows {
					t.Fatalf("in place is a file with %d rows, %v", rows, err)
				}
			}
		}
	})
}
