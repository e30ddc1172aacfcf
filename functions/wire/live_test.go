package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/catalog"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.CompilerMain()
	goleak.VerifyTestMain(m)
}

// guest returns the n-th of up to 1,000 plugins whose names all differ, for the dataset
// npao. It is the sandbox's fixture, renamed byte for byte.
func guest(t testing.TB, n, version int) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../runtime/sandbox/testdata/good.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for old, name := range map[string]string{
		"state": "topic", `"good"`: fmt.Sprintf(`"g%03d"`, n), "1.0.0": fmt.Sprintf("1.0.%d", version),
		"echo": fmt.Sprintf("e%03d", n), `"sum"`: fmt.Sprintf(`"%c%02d"`, 's'+n/100%8, n%100),
		"list": fmt.Sprintf("l%03d", n), "kinds": fmt.Sprintf("k%04d", n),
	} {
		if old == "list" {
			wasm = bytes.Replace(wasm, []byte(`"name":"list"`), []byte(`"name":"`+name+`"`), 1)
			continue
		}
		wasm = bytes.ReplaceAll(wasm, []byte(old), []byte(name))
	}
	return wasm
}

// serving lists the plugins that are served with their versions.
func serving(plugins []question.PluginInfo) string {
	var out []string
	for _, p := range plugins {
		if p.Serving {
			out = append(out, p.Name+"@"+p.Version)
		}
	}
	return strings.Join(out, " ")
}

// patience is how long tests wait for what a live catalog promises within two seconds. A
// busy machine takes longer.
const patience = 30 * time.Second

// soon waits until a live catalog serves these plugins.
func soon(t *testing.T, questions *Questions, want string) {
	t.Helper()
	for begun := time.Now(); serving(questions.Plugins()) != want; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("after %v it serves %q; want %q: %+v", patience, serving(questions.Plugins()), want, questions.Plugins())
		}
	}
}

// Plugins are added, changed and removed in a bucket of a real S3 service.
func TestPluginsInABucket(t *testing.T) {
	server := testminio.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	location := fmt.Sprintf("s3://%s/live-%d", server.Bucket, time.Now().UnixNano())
	objects, err := OpenObjects(t.Context(), StoreConfig{Location: location, S3Endpoint: server.Endpoint, S3MakeBucket: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	put := func(name string, content []byte) {
		t.Helper()
		if err := objects.Put(t.Context(), "plugins/"+name, content); err != nil {
			t.Fatal(err)
		}
	}
	put("a.wasm", guest(t, 1, 0))
	put("deeper/b.wasm", guest(t, 2, 0))
	questions, err := OpenQuestions(t.Context(), QuestionsConfig{
		EngineConfig: EngineConfig{Cache: "off", Log: slog.New(slog.DiscardHandler)},
		Plugins:      t.TempDir(), NoBuiltIn: true, live: true, bucket: Plugins(objects, location),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer questions.Close(context.Background())
	if got := serving(questions.Plugins()); got != "g001@1.0.0" {
		t.Fatalf("at first: %s", got)
	}
	if want := location + "/plugins/a.wasm"; questions.Plugins()[0].Source != want {
		t.Errorf("source %q; want %q", questions.Plugins()[0].Source, want)
	}
	put("c.wasm", guest(t, 3, 0))
	soon(t, questions, "g001@1.0.0 g003@1.0.0")
	put("a.wasm", guest(t, 1, 1))
	soon(t, questions, "g001@1.0.1 g003@1.0.0")
	got, err := questions.Answer(t.Context(), question.Request{Question: "e001"})
	if err != nil || got.Provenance.PluginVersion != "1.0.1" || got.Table.Rows() != 3 && got.Table.Rows() == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	put("a.wasm", []byte("bad"))
	deadline := time.Now().Add(2 * time.Second)
	for len(questions.Plugins()) != 3 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	soon(t, questions, "g001@1.0.1 g003@1.0.0")
	if p := questions.Plugins(); len(p) != 3 || p[1].Error == nil || p[1].Source != p[0].Source {
		t.Errorf("what is refused is not told beside what is served: %+v", p)
	}
	if err := objects.Delete(t.Context(), "plugins/a.wasm", "plugins/c.wasm"); err != nil {
		t.Fatal(err)
	}
	soon(t, questions, "")
}

// Jobs and plugins share the bucket and do not meet.
func TestPluginsAndStore(t *testing.T) {
	server := testminio.Start(t)
	location := fmt.Sprintf("s3://%s/entries-%d", server.Bucket, time.Now().UnixNano())
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	objects, err := OpenObjects(t.Context(), StoreConfig{Location: location, S3Endpoint: server.Endpoint, S3MakeBucket: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	bucket := Plugins(objects, location)
	if entries, err := bucket.List(t.Context()); err != nil || len(entries) != 0 {
		t.Errorf("of nothing: %v, %v", entries, err)
	}
	// File managers mark a folder with an object of its name.
	client, err := minio.New(strings.TrimPrefix(server.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(server.AccessKey, server.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	prefix := strings.TrimPrefix(location, "s3://"+server.Bucket+"/")
	if _, err := client.PutObject(t.Context(), server.Bucket, prefix+"/plugins/", bytes.NewReader(nil), 0, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"b.wasm": "22", "a.wasm": "1", "more/c.wasm": "3"} {
		if err := objects.Put(t.Context(), "plugins/"+name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	first, err := bucket.List(t.Context())
	if err != nil || len(first) != 2 || first[0].Name != "a.wasm" || first[1].Name != "b.wasm" || first[1].Size != 2 || first[0].ETag == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := objects.Put(t.Context(), "plugins/a.wasm", []byte("9")); err != nil {
		t.Fatal(err)
	}
	second, err := bucket.List(t.Context())
	if err != nil || second[0].ETag == first[0].ETag || second[1] != first[1] {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	jobs, err := results.New(objects).Pending(t.Context(), question.JobFilter{}, "", 10)
	if err != nil || len(jobs.Jobs) != 0 {
		t.Errorf("the store takes plugins for jobs: %+v, %v", jobs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bucket.List(ctx); question.CodeOf(err) != question.CodeStoreUnavailable {
		t.Error(err)
	}
}

// A store is opened by the scheme of its location; a folder has none.
func TestOpenStore(t *testing.T) {
	folder := t.TempDir()
	for location, want := range map[string]string{
		filepath.Join(folder, "a"):             "",
		"file://" + filepath.Join(folder, "a"): "",
		"s3://":                                "the bucket",
		"ftp://" + folder:                      `"ftp" is not one of file, s3`,
		"file://":                              "name one",
		"://x":                                 `"" is not one of`,
	} {
		store, err := OpenStore(t.Context(), StoreConfig{Location: location}, nil)
		if err == nil {
			err = errors.Join(store.Ping(t.Context()), store.Close())
		}
		if want == "" && err != nil || want != "" && (question.CodeOf(err) != question.CodeStoreUnavailable || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v; want %q", location, err, want)
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, location := range []string{"", "lestats-store", "file:///lestats-store"} {
		if Plugins(nil, location) != nil {
			t.Errorf("a store at %q has plugins in a bucket", location)
		}
	}
}

// many writes a folder of n plugins.
func many(t testing.TB, n int) string {
	t.Helper()
	folder := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d.wasm", i)), guest(t, i, 0), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// 200 plugins start with a cold and with a warm cache. BenchmarkStart measures it.
func TestManyPlugins(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 20
	}
	folder, cache := many(t, n), t.TempDir()
	for run := range 2 {
		begun := time.Now()
		questions, err := OpenQuestions(t.Context(), QuestionsConfig{EngineConfig: EngineConfig{Cache: cache, Log: slog.New(slog.DiscardHandler)}, Plugins: folder, NoBuiltIn: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("start %d: %s", run, time.Since(begun))
		if got := len(questions.Served()); got != 4*n {
			t.Errorf("%d questions; %+v", got, questions.Plugins()[0])
		}
		if err := questions.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkStart measures a start with 200 plugins and a warm cache.
func BenchmarkStart(b *testing.B) {
	folder, cache := many(b, 200), b.TempDir()
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		questions, err := OpenQuestions(b.Context(), QuestionsConfig{EngineConfig: EngineConfig{Cache: cache, Log: slog.New(slog.DiscardHandler)}, Plugins: folder, NoBuiltIn: true})
		if err != nil {
			b.Fatal(err)
		}
		if n := len(questions.Served()); n != 800 {
			b.Fatalf("%d questions", n)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err := questions.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/200, "heapB/plugin")
}

// Of two processes of a function, the warm one sees what a new one sees: at its next event
// when its listing is too old, and not before. It does not watch.
func TestWarmAndNewProcesses(t *testing.T) {
	server := testminio.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	location := fmt.Sprintf("s3://%s/warm-%d", server.Bucket, time.Now().UnixNano())
	store := StoreConfig{Location: location, S3Endpoint: server.Endpoint, S3MakeBucket: true}
	objects, err := OpenObjects(t.Context(), store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	start := func(poll time.Duration) *Base {
		t.Helper()
		cfg := Config{StoreConfig: store, PollPlugins: poll, Function: true}
		cfg.QuestionsConfig = QuestionsConfig{EngineConfig: EngineConfig{Cache: "off", Log: slog.New(slog.DiscardHandler)}, Plugins: t.TempDir(), NoBuiltIn: true}
		if err := cfg.Complete(); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBase(t.Context(), cfg, jobs.Config{OnDemand: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return b
	}
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before) // completeFunction lowers it
	if usual := start(DefaultPollPlugins); usual.cfg.PollPlugins != FunctionPollPlugins {
		t.Errorf("a function looks each %v", usual.cfg.PollPlugins)
	}
	warm, slow, never := start(time.Nanosecond), start(time.Hour), start(-1)
	for _, step := range []struct {
		what   string
		change func() error
		want   string
	}{
		{"nothing", func() error { return nil }, ""},
		{"added", func() error { return objects.Put(t.Context(), "plugins/a.wasm", guest(t, 1, 0)) }, "g001@1.0.0"},
		{"another", func() error { return objects.Put(t.Context(), "plugins/b.wasm", guest(t, 2, 0)) }, "g001@1.0.0 g002@1.0.0"},
		{"replaced", func() error { return objects.Put(t.Context(), "plugins/a.wasm", guest(t, 1, 1)) }, "g001@1.0.1 g002@1.0.0"},
		{"removed", func() error { return objects.Delete(t.Context(), "plugins/b.wasm") }, "g001@1.0.1"},
		{"replaced by something bad", func() error { return objects.Put(t.Context(), "plugins/a.wasm", []byte("bad")) }, "g001@1.0.1"},
		{"all removed", func() error { return objects.Delete(t.Context(), "plugins/a.wasm") }, ""},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		for _, b := range []*Base{warm, slow, never} {
			b.Fresh(t.Context())
		}
		if got := serving(warm.Questions.Plugins()); got != step.want {
			t.Errorf("%s: the warm process serves %q; want %q", step.what, got, step.want)
		}
		if got := serving(start(time.Nanosecond).Questions.Plugins()); got != step.want && !strings.Contains(step.what, "bad") {
			t.Errorf("%s: a new process serves %q; want %q", step.what, got, step.want)
		}
		for name, b := range map[string]*Base{"an hour": slow, "never": never} {
			if got := serving(b.Questions.Plugins()); got != "" {
				t.Errorf("%s: the process that looks each %s serves %q already", step.what, name, got)
			}
		}
	}
	slow.looked.Store(time.Now().Add(-time.Hour).UnixNano())
	if err := objects.Put(t.Context(), "plugins/c.wasm", guest(t, 3, 0)); err != nil {
		t.Fatal(err)
	}
	slow.Fresh(t.Context())
	if got := serving(slow.Questions.Plugins()); got != "g003@1.0.0" {
		t.Errorf("an hour later it serves %q", got)
	}
	// A bucket that does not answer costs one event its time, and no plugin.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := objects.Delete(t.Context(), "plugins/c.wasm"); err != nil {
		t.Fatal(err)
	}
	slow.looked.Store(time.Now().Add(-time.Hour).UnixNano())
	slow.Fresh(ended)
	slow.Fresh(t.Context())
	if got := serving(slow.Questions.Plugins()); got != "g003@1.0.0" {
		t.Errorf("after a listing that failed it serves %q", got)
	}
}

// askedBucket records by when a listing has to be there.
type askedBucket struct{ due time.Time }

// List implements catalog.Bucket.
func (b *askedBucket) List(ctx context.Context) ([]catalog.Object, error) {
	b.due, _ = ctx.Deadline()
	return nil, nil
}

// Get implements catalog.Bucket.
func (*askedBucket) Get(context.Context, string, int) ([]byte, error) { return nil, nil }

// An event waits for new plugins for ten seconds at most, and keeps half of its time where
// it has less, so that a bucket that does not answer does not fail it.
func TestFreshLeavesTime(t *testing.T) {
	ds, err := OpenDataset(t.Context(), EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	bucket := &askedBucket{}
	list, err := catalog.Open(t.Context(), catalog.Config{
		Dataset:  ds,
		Load:     func(context.Context, []byte) (catalog.Plugin, error) { return nil, errors.New("there is none") },
		Sources:  []catalog.Source{{Name: "bucket", Bucket: bucket}},
		Reserved: func(string) bool { return false },
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close(context.Background())
	for has, want := range map[time.Duration]time.Duration{time.Hour: refreshLimit, 16 * time.Second: 8 * time.Second, 0: refreshLimit} {
		b := &Base{Questions: &Questions{Catalog: list}, cfg: Config{PollPlugins: time.Nanosecond}}
		b.cfg.Log = slog.New(slog.DiscardHandler)
		b.looked.Store(1)
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if has > 0 {
			ctx, cancel = context.WithTimeout(ctx, has)
		}
		*bucket = askedBucket{}
		b.Fresh(ctx)
		cancel()
		if got := time.Until(bucket.due); got > want || got < want-4*time.Second {
			t.Errorf("an event with %v waits %v; want %v", has, got, want)
		}
	}
}

// BenchmarkFresh is what an event of a function pays when its listing is young.
func BenchmarkFresh(b *testing.B) {
	base := &Base{cfg: Config{PollPlugins: time.Hour}}
	base.looked.Store(time.Now().UnixNano())
	for b.Loop() {
		base.Fresh(b.Context())
	}
	if base.looked.Load() == 0 {
		b.Fatal("it was reset")
	}
}
