package wire

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.CompilerMain()
	goleak.VerifyTestMain(m)
}

// guest returns the n-th of many plugins that differ in every name, 0 <= n < 1000,
// for the dataset npao: the sandbox's fixture, renamed byte for byte.
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

// patience is how long a live catalog may take for what it promises within two
// seconds: a busy machine takes longer.
const patience = 30 * time.Second

// soon waits for what a live catalog serves.
func soon(t *testing.T, questions *Questions, want string) {
	t.Helper()
	for begun := time.Now(); serving(questions.Plugins()) != want; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("after %v it serves %q; want %q: %+v", patience, serving(questions.Plugins()), want, questions.Plugins())
		}
	}
}

// Plugins come, change and go in a bucket of a real S3 service.
func TestPluginsInABucket(t *testing.T) {
	server := testminio.Start(t)
	location := fmt.Sprintf("s3://%s/live-%d", server.Bucket, time.Now().UnixNano())
	objects, _, err := OpenObjects(t.Context(), StoreConfig{Location: location, S3: s3.Config{
		Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, CreateBucket: true,
	}})
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
		Plugins: t.TempDir(), NoBuiltIn: true, Cache: "off", Live: true, Bucket: Plugins(objects, location), Log: slog.New(slog.DiscardHandler),
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

// The results store and the plugins share the bucket and do not meet.
func TestEntriesAndStore(t *testing.T) {
	server := testminio.Start(t)
	location := fmt.Sprintf("s3://%s/entries-%d", server.Bucket, time.Now().UnixNano())
	cfg := s3.Config{URL: location, Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, CreateBucket: true}
	objects, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	if entries, err := objects.Entries(t.Context(), "plugins/"); err != nil || len(entries) != 0 {
		t.Errorf("of nothing: %v, %v", entries, err)
	}
	// A file manager marks a folder with an object of its name.
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
	first, err := objects.Entries(t.Context(), "plugins/")
	if err != nil || len(first) != 2 || first[0].Name != "a.wasm" || first[1].Name != "b.wasm" || first[1].Size != 2 || first[0].ETag == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := objects.Put(t.Context(), "plugins/a.wasm", []byte("9")); err != nil {
		t.Fatal(err)
	}
	second, err := objects.Entries(t.Context(), "plugins/")
	if err != nil || second[0].ETag == first[0].ETag || second[1] != first[1] {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	jobs, err := results.New(objects).Pending(t.Context(), "", 10)
	if err != nil || len(jobs) != 0 {
		t.Errorf("the store takes plugins for jobs: %+v, %v", jobs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := objects.Entries(ctx, "plugins/"); question.CodeOf(err) != question.CodeStoreUnavailable {
		t.Error(err)
	}
	if Plugins(nil, "lestats-store") != nil {
		t.Error("a store in a folder has plugins in a bucket")
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

// 200 plugins start, with a cold cache and with a warm one; BenchmarkStart says how
// fast.
func TestManyPlugins(t *testing.T) {
	folder, cache := many(t, 200), t.TempDir()
	for run := range 2 {
		begun := time.Now()
		questions, err := OpenQuestions(t.Context(), QuestionsConfig{Plugins: folder, NoBuiltIn: true, Cache: cache, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("start %d: %s", run, time.Since(begun))
		if n := len(questions.Offers()); n != 800 {
			t.Errorf("%d questions; %+v", n, questions.Plugins()[0])
		}
		if err := questions.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkStart is a start with 200 plugins and a warm cache.
func BenchmarkStart(b *testing.B) {
	folder, cache := many(b, 200), b.TempDir()
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		questions, err := OpenQuestions(b.Context(), QuestionsConfig{Plugins: folder, NoBuiltIn: true, Cache: cache, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		if n := len(questions.Offers()); n != 800 {
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
