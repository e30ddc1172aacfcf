package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// bench is a catalog on a folder, and a clock that a test sets.
type bench struct {
	*Catalog

	t      *testing.T
	dir    string
	loader *loader
	log    *safeBuffer
	now    time.Time
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newBench opens a catalog that reconciles only when told to.
func newBench(t *testing.T, files map[string][]byte, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), loader: &loader{}, log: &safeBuffer{}, now: time.Now()}
	for name, content := range files {
		b.put(name, content)
	}
	cfg := Config{
		Dataset: newFakeDataset(), Load: b.loader.load, Sources: []Source{{Folder: b.dir}}, Poll: time.Nanosecond, Reserved: apiRoute,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if b.Catalog, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// put renames a file into its place.
func (b *bench) put(name string, content []byte) {
	b.t.Helper()
	temporary := filepath.Join(b.dir, ".incoming")
	if err := errors.Join(os.WriteFile(temporary, content, 0o600), os.Rename(temporary, filepath.Join(b.dir, name))); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
		b.t.Fatal(err)
	}
}

// after lets time pass and reconciles twice: to see new files, and after they settled.
func (b *bench) after(d time.Duration) {
	b.t.Helper()
	b.reconcile(b.t.Context(), b.now, false)
	b.now = b.now.Add(d)
	b.reconcile(b.t.Context(), b.now, false)
}

// serving lists the served plugins as plugin@version:question,question.
func (b *bench) serving() string {
	var out []string
	for _, p := range b.Plugins() {
		if p.Serving {
			out = append(out, p.Name+":"+strings.Join(p.Questions, ","))
		}
	}
	return strings.Join(out, " ")
}

// refused returns the reasons for refusals by file name.
func (b *bench) refused() map[string]string {
	out := map[string]string{}
	for _, p := range b.Plugins() {
		if !p.Serving {
			out[filepath.Base(p.Source)] = p.Error.Reason
		}
	}
	return out
}

func (b *bench) expect(what, serving string, refused map[string]string) {
	b.t.Helper()
	if got := b.serving(); got != serving {
		b.t.Errorf("%s: serving %q; want %q", what, got, serving)
	}
	got := b.refused()
	for name, part := range refused {
		if !strings.Contains(got[name], part) || got[name] == "" {
			b.t.Errorf("%s: %s is refused with %q; want %q", what, name, got[name], part)
		}
	}
	if len(got) != len(refused) {
		b.t.Errorf("%s: refused %q; want %q", what, got, refused)
	}
}

func TestComesChangesGoes(t *testing.T) {
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")})
	b.expect("at first", "a:one", nil)
	b.put("b.wasm", manifest("b", "two"))
	b.after(time.Second)
	b.expect("one came", "a:one b:two", nil)
	first := b.loader.plugins["b"]
	b.put("b.wasm", manifest("b", "two", "three"))
	b.after(time.Second)
	b.expect("one was replaced", "a:one b:two,three", nil)
	if first.closed.Load() != 1 {
		t.Error("the old version was not closed")
	}
	second := b.loader.plugins["b"]
	b.remove("b.wasm")
	b.reconcile(t.Context(), b.now, false)
	b.expect("one is missing, but perhaps not for long", "a:one b:two,three", nil)
	b.now = b.now.Add(time.Second)
	b.reconcile(t.Context(), b.now, false)
	b.expect("one was removed", "a:one", nil)
	if _, err := b.Answer(t.Context(), question.Request{Question: "two"}); question.CodeOf(err) != question.CodeUnknownQuestion {
		t.Error(err)
	}
	if second.closed.Load() != 1 || b.loader.plugins["a"].closed.Load() != 0 {
		t.Error("what was removed is not closed, or what stayed is")
	}
	for _, want := range []string{`a plugin is served" plugin=b`, `no longer served" plugin=b`} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, b.log)
		}
	}
}

func TestBadOneChangesNothing(t *testing.T) {
	good := manifest("a", "one")
	b := newBench(t, map[string][]byte{"a.wasm": good, "z.wasm": manifest("z", "zed")})
	for what, bad := range map[string][]byte{
		"manifest":                           []byte("no plugin"),
		`question "zed" is already answered`: manifest("a", "one", "zed"),
		"its name \"z\" is taken":            manifest("z", "one"),
		"the host's":                         manifest("a", "jobs"),
	} {
		b.put("a.wasm", bad)
		b.after(time.Second)
		b.expect(what, "a:one z:zed", map[string]string{"a.wasm": what})
		if !strings.Contains(b.refused()["a.wasm"], "keeps answering") {
			t.Error(b.refused())
		}
		b.after(time.Minute)
		if n := strings.Count(b.log.String(), "refused"); n != 1 {
			t.Errorf("%s: the log tells of it %d times", what, n)
		}
		b.log.b.Reset()
		if _, err := b.Answer(t.Context(), question.Request{Question: "one"}); err != nil {
			t.Error(err)
		}
		b.put("a.wasm", good)
		b.after(time.Second)
		b.expect("good again", "a:one z:zed", nil)
	}
	b.put("0.wasm", manifest("new", "zed"))
	b.after(time.Second)
	b.expect("a new one wants what is taken", "a:one z:zed", map[string]string{"0.wasm": `"zed"`})
	b.remove("z.wasm")
	b.after(time.Second)
	b.expect("what it wanted is free", "new:zed a:one", nil)
}

// Two plugins exchange a question in one reconciliation, whichever is found first.
func TestQuestionMoves(t *testing.T) {
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one", "moves"), "b.wasm": manifest("b", "two")})
	b.put("a.wasm", manifest("a", "one"))
	b.put("b.wasm", manifest("b", "two", "moves"))
	b.after(time.Second)
	b.expect("there", "a:one b:two,moves", nil)
	b.put("a.wasm", manifest("a", "one", "moves"))
	b.put("b.wasm", manifest("b", "two"))
	b.after(time.Second)
	b.after(time.Second)
	b.expect("and back", "a:one,moves b:two", nil)
}

func TestLoadsOnlyWhatChanged(t *testing.T) {
	one, two := manifest("a", "one"), manifest("b", "two")
	b := newBench(t, map[string][]byte{"a.wasm": one, "b.wasm": two, "copy.wasm": two})
	b.expect("at first", "a:one b:two", nil)
	b.put("a.wasm", one) // written again
	b.after(time.Second)
	b.remove("b.wasm") // the copy serves
	b.after(time.Second)
	if err := os.Rename(filepath.Join(b.dir, "a.wasm"), filepath.Join(b.dir, "renamed.wasm")); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("moved about", "b:two a:one", nil)
	if b.loader.loads != 2 {
		t.Errorf("%d loads; want 2", b.loader.loads)
	}
}

func TestHalfCopiedIsNotLoaded(t *testing.T) {
	b := newBench(t, nil)
	whole := manifest("a", "one")
	path := filepath.Join(b.dir, "a.wasm")
	for n := 1; n <= len(whole); n += len(whole) / 4 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		b.now = time.Now()
		if !b.reconcile(t.Context(), b.now, false) {
			t.Error("the next look is not to be soon")
		}
	}
	b.expect("half copied", "", nil)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	b.now = time.Now()
	b.after(2 * DefaultDebounce)
	b.expect("complete", "a:one", nil)
	if b.loader.loads != 1 {
		t.Errorf("%d loads", b.loader.loads)
	}
	// A file that was complete before it appeared is served at once.
	b.put("b.wasm", manifest("b", "two"))
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(b.dir, "b.wasm"), old, old); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t.Context(), b.now.Add(time.Second), false)
	b.expect("renamed into its place", "a:one b:two", nil)
}

// A file server whose clock is ahead of ours causes no delay.
func TestFutureTimes(t *testing.T) {
	b := newBench(t, nil)
	b.put("a.wasm", manifest("a", "one"))
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(b.dir, "a.wasm"), future, future); err != nil {
		t.Fatal(err)
	}
	b.after(2 * DefaultDebounce)
	b.expect("from the future", "a:one", nil)
}

func TestFolderTroubles(t *testing.T) {
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")})
	for name, target := range map[string]string{"self.wasm": "self.wasm", "loop": ".", "x.wasm": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(b.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.after(time.Second)
	b.expect("loops", "a:one", map[string]string{"self.wasm": "a symbolic link", "x.wasm": "a symbolic link"})
	b.remove("self.wasm")
	b.remove("x.wasm")
	b.after(time.Second)

	aside := b.dir + ".aside"
	if err := errors.Join(os.Rename(b.dir, aside), os.WriteFile(b.dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("a file where the folder was", "a:one", map[string]string{filepath.Base(b.dir): "stay"})
	if err := os.Remove(b.dir); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("the folder has vanished", "", map[string]string{filepath.Base(b.dir): "no such file"})
	if err := os.Rename(aside, b.dir); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("it is back", "a:one", nil)
}

func TestUnreadableFileIsTriedAgain(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("root reads everything: a folder in the file's place stands in for permissions")
	}
	b := newBench(t, nil)
	path := filepath.Join(b.dir, "a.wasm")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	b.after(time.Second)
	b.expect("a folder", "", map[string]string{"a.wasm": "not a regular file"})
	b.after(retryAfter)
	if n := strings.Count(b.log.String(), "refused"); n != 1 {
		t.Errorf("told %d times", n)
	}
	b.remove("a.wasm")
	b.put("a.wasm", manifest("a", "one"))
	b.after(time.Second)
	b.expect("a file", "a:one", nil)
}

// A refusal that is not the plugin's fault is temporary.
func TestLoadIsTriedAgain(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")}, func(cfg *Config) {
		load := cfg.Load
		cfg.Load = func(ctx context.Context, wasm []byte) (Plugin, error) {
			if full.Load() {
				return nil, question.Errorf(question.CodeInternal, "out of memory")
			}
			return load(ctx, wasm)
		}
	})
	b.expect("no memory", "", map[string]string{"a.wasm": "out of memory"})
	full.Store(false)
	b.after(2 * retryAfter)
	b.expect("memory", "a:one", nil)
}

// bucket is a Bucket in memory.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	etags   map[string]int
	err     error
	lists   int
}

func (b *bucket) put(name string, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.objects == nil {
		b.objects, b.etags = map[string][]byte{}, map[string]int{}
	}
	b.objects[name] = content
	b.etags[name]++
}

func (b *bucket) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bucket) List(context.Context) ([]Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists++
	var out []Object
	for name, content := range b.objects {
		out = append(out, Object{name, fmt.Sprint(b.etags[name]), int64(len(content))})
	}
	slices.SortFunc(out, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
	return out, b.err
}

func (b *bucket) Get(_ context.Context, name string, limit int) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	content := b.objects[name]
	return bytes.Clone(content[:min(len(content), limit)]), b.err
}

func TestBucket(t *testing.T) {
	store := &bucket{}
	store.put("a.wasm", manifest("a", "one"))
	store.put("readme.txt", nil)
	b := newBench(t, nil, func(cfg *Config) {
		cfg.Sources = []Source{{Name: "s3://b/plugins", Bucket: store}}
	})
	b.expect("at first", "a:one", nil)
	if source := b.Plugins()[0].Source; source != "s3://b/plugins/a.wasm" {
		t.Error(source)
	}
	b.reconcile(t.Context(), b.now.Add(time.Second/2), false)
	if store.lists != 1 {
		t.Errorf("listed %d times: too often", store.lists)
	}
	store.put("a.wasm", manifest("a", "one", "two"))
	b.after(time.Second)
	b.expect("replaced", "a:one,two", nil)
	store.fail(errors.New("the network is down"))
	b.now = b.now.Add(time.Second)
	b.after(time.Second)
	b.expect("away", "a:one,two", map[string]string{"plugins": "network is down"})
	store.fail(nil)
	b.after(time.Second)
	b.expect("back", "a:one,two", nil)
	store.put("b.wasm", make([]byte, MaxFile+1))
	b.after(time.Second)
	b.expect("too large", "a:one,two", map[string]string{"b.wasm": "64 MiB"})
	store.mu.Lock()
	clear(store.objects)
	store.mu.Unlock()
	b.now = b.now.Add(time.Second)
	b.after(time.Second)
	b.expect("removed", "", nil)
}

// A catalog that is not live learns of new plugins when it is refreshed. Concurrent calls
// share listings.
func TestRefresh(t *testing.T) {
	store := &bucket{}
	store.put("a.wasm", manifest("a", "one"))
	b := newBench(t, nil, func(cfg *Config) { cfg.Sources = []Source{{Name: "s3://b/plugins", Bucket: store}} })
	store.put("b.wasm", manifest("b", "two"))
	if err := b.Check(question.Request{Question: "two"}); question.CodeOf(err) != question.CodeUnknownQuestion {
		t.Error(err)
	}
	store.mu.Lock() // nobody can list
	var calls sync.WaitGroup
	for range 16 {
		calls.Go(func() {
			if err := b.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for len(b.turn) == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another call lists: %v", err)
	}
	store.mu.Unlock()
	calls.Wait()
	if err := b.Check(question.Request{Question: "two"}); err != nil || store.lists > 8 {
		t.Errorf("%v; listed %d times", err, store.lists)
	}
	store.fail(errors.New("the network is down"))
	if err := b.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "network is down") {
		t.Error(err)
	}
	b.expect("away", "a:one b:two", map[string]string{"plugins": "network is down"})
}

// eventually waits for a live catalog to do something. That takes a second or two, or
// longer on a busy machine.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	begun := time.Now()
	for !done() {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("not after 30 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Changes are noticed with file events and rare polling, without file events, and in a
// folder that does not exist at first.
func TestLive(t *testing.T) {
	for name, poll := range map[string]time.Duration{"events": time.Hour, "polling": DefaultPoll} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil, func(cfg *Config) { cfg.Live, cfg.Poll = true, poll })
			took := func(what string, done func() bool) {
				t.Helper()
				eventually(t, what, done)
			}
			b.put("a.wasm", manifest("a", "one"))
			took("comes", func() bool { return b.serving() == "a:one" })
			b.put("a.wasm", manifest("a", "one", "two"))
			took("changes", func() bool { return b.serving() == "a:one,two" })
			b.put("a.wasm", []byte("bad"))
			took("is refused", func() bool { return len(b.refused()) == 1 })
			if b.serving() != "a:one,two" {
				t.Error(b.serving())
			}
			b.remove("a.wasm")
			took("goes", func() bool { return b.serving() == "" })
			if poll == time.Hour {
				return // a folder that is another one is found by polling
			}
			aside := b.dir + ".aside"
			if err := os.Rename(b.dir, aside); err != nil {
				t.Fatal(err)
			}
			took("vanishes", func() bool { return len(b.refused()) == 1 })
			if err := os.Mkdir(b.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			b.put("b.wasm", manifest("b", "three"))
			took("appears", func() bool { return b.serving() == "b:three" && len(b.refused()) == 0 })
			time.Sleep(2 * DefaultPoll) // the new folder is followed
			b.put("b.wasm", manifest("b", "four"))
			took("changes there", func() bool { return b.serving() == "b:four" })
		})
	}
}

// A file that is replaced with rm and cp is served without a gap, even if another source
// is slow to list while it is absent.
func TestRemovalBesideSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowBucket{}
		b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")}, func(cfg *Config) {
			cfg.Sources = append([]Source{{Name: "s3://b/plugins", Bucket: slow}}, cfg.Sources...)
			cfg.PollBucket = time.Nanosecond
		})
		b.remove("a.wasm")
		slow.takes = time.Second
		b.reconcile(t.Context(), time.Now(), false)
		slow.takes = 0
		b.reconcile(t.Context(), time.Now(), false)
		b.expect("absent for a moment", "a:one", nil)
		time.Sleep(DefaultDebounce)
		b.reconcile(t.Context(), time.Now(), false)
		b.expect("removed", "", nil)
	})
}

type slowBucket struct {
	bucket

	takes time.Duration
}

func (b *slowBucket) List(ctx context.Context) ([]Object, error) {
	time.Sleep(b.takes)
	return b.bucket.List(ctx)
}

// While a plugin is replaced under load, each request is answered by one version or the
// other, never by a closed one, and each version is closed once.
func TestSwapHammer(t *testing.T) {
	var mu sync.Mutex
	var all []*fakePlugin
	b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")}, func(cfg *Config) {
		cfg.Live = true
		load := cfg.Load
		cfg.Load = func(ctx context.Context, wasm []byte) (Plugin, error) {
			p, err := load(ctx, wasm)
			if err == nil {
				mu.Lock()
				all = append(all, p.(*fakePlugin))
				mu.Unlock()
			}
			return p, err
		}
	})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := b.Answer(context.Background(), question.Request{Question: "one"}); err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	version := func(n int) []byte {
		var m question.Manifest
		if err := json.Unmarshal(manifest("a", "one"), &m); err != nil {
			t.Fatal(err)
		}
		m.Version = fmt.Sprint(n)
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for n := range 8 {
		switch n % 4 {
		case 1: // as cp does it
			if err := os.WriteFile(filepath.Join(b.dir, "a.wasm"), version(n), 0o600); err != nil {
				t.Fatal(err)
			}
		case 2: // as rm and cp do it
			b.remove("a.wasm")
			b.put("a.wasm", version(n))
		default:
			b.put("a.wasm", version(n))
		}
		eventually(t, "the next version", func() bool {
			p := b.Plugins()
			return len(p) == 1 && p[0].Version == fmt.Sprint(n)
		})
	}
	close(stop)
	wg.Wait()
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if n := p.closed.Load(); n != 1 {
			t.Errorf("version %s was closed %d times", p.manifest.Version, n)
		}
	}
	if len(all) < 9 || answers.Load() == 0 {
		t.Errorf("%d versions, %d answers", len(all), answers.Load())
	}
}

// Opening, reconciling and closing in any order leaves nothing open.
func TestCloseHammer(t *testing.T) {
	for range 50 {
		b := newBench(t, map[string][]byte{"a.wasm": manifest("a", "one")}, func(cfg *Config) {
			cfg.Live, cfg.Debounce, cfg.Poll = true, time.Nanosecond, time.Millisecond
		})
		b.put("a.wasm", manifest("a", "one", "two"))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := b.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestLock(t *testing.T) {
	one, two := manifest("a", "one"), manifest("b", "two")
	lock := filepath.Join(t.TempDir(), "plugins.lock")
	write := func(text string) {
		t.Helper()
		old := time.Now().Add(-time.Minute)
		if err := errors.Join(os.WriteFile(lock+"~", []byte(text), 0o600), os.Chtimes(lock+"~", old, old), os.Rename(lock+"~", lock)); err != nil {
			t.Fatal(err)
		}
	}
	list := func(plugins ...question.PluginInfo) string {
		var text strings.Builder
		if err := WriteLock(&text, plugins); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	open := func() (*Catalog, error) {
		return Open(t.Context(), Config{Dataset: newFakeDataset(), Load: (&loader{}).load, Lock: lock})
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "lestats plugin lock") {
		t.Error(err)
	}
	write("# ok\nsha256:12 a 1\n")
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	digests := map[string]question.PluginInfo{}
	for _, p := range newBench(t, map[string][]byte{"a.wasm": one, "b.wasm": two}).Plugins() {
		digests[p.Name] = p
	}
	write(list(digests["a"]))
	b := newBench(t, map[string][]byte{"a.wasm": one, "b.wasm": two}, func(cfg *Config) {
		cfg.Lock = lock
		cfg.Sources = append([]Source{{Name: BuiltIn, FS: folder(map[string][]byte{"c.wasm": manifest("c", "built_in")})}}, cfg.Sources...)
	})
	b.expect("one is listed", "c:built_in a:one", map[string]string{"b.wasm": "`lestats plugin lock`"})
	if b.loader.plugins["b"] != nil {
		t.Error("what is not listed was loaded: it had code running")
	}
	write(list(digests["b"], digests["a"]))
	b.after(time.Second)
	b.expect("both are", "c:built_in a:one b:two", nil)
	write(list(digests["b"]))
	b.after(time.Second)
	b.expect("one was taken off", "c:built_in b:two", map[string]string{"a.wasm": digests["a"].Digest})
	for _, broken := range []func(){func() { write("sha256:no") }, func() { _ = os.Remove(lock) }} {
		broken()
		b.after(time.Second)
		b.after(time.Second)
		b.expect("broken", "c:built_in b:two", map[string]string{"a.wasm": digests["a"].Digest})
		if n := strings.Count(b.log.String(), "its last content stays valid"); n != 1 {
			t.Errorf("told %d times", n)
		}
		b.log.b.Reset()
	}
}

// BenchmarkReconcile lists a folder in which nothing has changed.
func BenchmarkReconcile(b *testing.B) {
	dir := b.TempDir()
	for n := range 200 {
		name := fmt.Sprintf("p%03d", n)
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), manifest(name, "q"+name), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	c, err := Open(b.Context(), Config{
		Dataset: newFakeDataset(), Load: (&loader{}).load, Sources: []Source{{Folder: dir}}, Poll: time.Nanosecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	for b.Loop() {
		c.reconcile(b.Context(), time.Now(), false)
	}
	if n := len(c.Served()); n != 200 {
		b.Fatalf("%d questions are served", n)
	}
}
