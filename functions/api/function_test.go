package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/functions/api/contract"
	"github.com/le-stats-sportifs/lestats/functions/api/lambdatest"
	"github.com/le-stats-sportifs/lestats/functions/wire"
	"github.com/le-stats-sportifs/lestats/runtime/httpapi"
	"github.com/le-stats-sportifs/lestats/runtime/jobs"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/question/questiontest"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
	testminio "github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// open opens a server or a function over the built-in sample and plugin.
func open(t *testing.T, change func(*Config)) *Main {
	t.Helper()
	cfg := Config{Listen: "127.0.0.1:0", Store: wire.StoreConfig{Location: filepath.Join(t.TempDir(), "store")}, Log: quiet}
	change(&cfg)
	m, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func ways(invoke func(context.Context, []byte) ([]byte, error)) map[string]contract.Way {
	way := func(g lambdatest.Gateway, base, under string) contract.Way {
		g.Invoke = invoke
		return contract.Way{Base: base, Under: under, Client: &http.Client{Transport: &g, CheckRedirect: noRedirect}, Function: true}
	}
	const host = "https://f.example"
	return map[string]contract.Way{
		"HTTP API":               way(lambdatest.Gateway{Version: "2.0"}, host, ""),
		"HTTP API, stage":        way(lambdatest.Gateway{Version: "2.0", Stage: "prod"}, host+"/prod", "/prod"),
		"function URL, no host":  way(lambdatest.Gateway{Version: "2.0", NoHost: true}, host, ""),
		"HTTP API 1.0, stage":    way(lambdatest.Gateway{Version: "1.0", Stage: "prod"}, host+"/prod", "/prod"),
		"REST API":               way(lambdatest.Gateway{}, host, "/Prod"),
		"REST API, stage kept":   way(lambdatest.Gateway{Version: "1.0", Stage: "Prod"}, host+"/Prod", "/Prod"),
		"REST API 1.0, no stage": way(lambdatest.Gateway{Version: "1.0", NoHost: true}, host, ""),
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// The contract holds in all ways of serving.
func TestContract(t *testing.T) {
	t.Run("plain HTTP", func(t *testing.T) {
		m := open(t, func(*Config) {})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		client := &http.Client{Transport: &http.Transport{}}
		contract.Run(t, contract.Way{Base: m.URL(), Client: client})
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	m := open(t, func(c *Config) { c.Function = true })
	for name, way := range ways(func(ctx context.Context, event []byte) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return m.function.Invoke(ctx, event)
	}) {
		t.Run(name, func(t *testing.T) { contract.Run(t, way) })
	}
}

// Whatever a handler writes, in all ways a client gets it: each code with its
// status, bytes that are no text, text that JSON has to escape, several cookies.
func TestAnswersAreTheSame(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	fmt.Fprint(zip, strings.Repeat("obesity", 1000))
	zip.Close()
	mux := http.NewServeMux()
	for _, code := range questiontest.Codes(t) {
		mux.HandleFunc("/code/"+string(code), func(w http.ResponseWriter, _ *http.Request) {
			httpapi.Fail(w, question.Errorf(code, "so it is").About("p", "h"))
		})
	}
	bodies := map[string]string{
		"gzip": packed.String(), "bytes": "\x00\xff\xfe\x80", "text": "\"quotes\" \\ \u2028 \x01 <b>&amp;</b> é\r\n", "empty": "",
	}
	for name, body := range bodies {
		mux.HandleFunc("/body/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", "a=1; Path=/")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Set("Content-Type", "application/x-"+name)
			if name == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, body)
		})
	}
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %q %q %v", r.Method, r.URL.Path, r.URL.Query()["q"], b, r.Header.Values("X-Many"), err)
	})

	server := httptest.NewServer(mux)
	defer server.Close()
	f := &function{handler: mux, large: results.New(&storetest.Memory{}), log: quiet}
	all := ways(f.Invoke)
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	plain := contract.Way{Base: server.URL, Client: &http.Client{Transport: transport}}
	exchange := func(way contract.Way, method, path, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, way.Base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Add("X-Many", `"a, b", c`)
		resp, err := way.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %q %q %q %q", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Content-Encoding"), resp.Header["Set-Cookie"], b)
	}
	requests := [][3]string{
		{"POST", "/echo?q=1&q=a%26b+c", "\x00\xff body"}, {"DELETE", "/echo", ""}, {"PUT", "/echo?q=%E2%82%AC", "é"}, {"GET", "/echo?q", ""},
	}
	for name := range bodies {
		requests = append(requests, [3]string{"GET", "/body/" + name, ""})
	}
	for _, code := range questiontest.Codes(t) {
		requests = append(requests, [3]string{"GET", "/code/" + string(code), ""})
	}
	for _, r := range requests {
		want := exchange(plain, r[0], r[1], r[2])
		for name, way := range all {
			if got := exchange(way, r[0], r[1], r[2]); got != want {
				t.Errorf("%s %s, %s:\n%s\nwant\n%s", r[0], r[1], name, got, want)
			}
		}
	}
}

// invoke returns status and body of what a function answers to an event.
func invoke(t *testing.T, f *function, event string) (status int, header map[string]string, body string) {
	t.Helper()
	out, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	var a struct {
		StatusCode        int
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Body              string
		IsBase64Encoded   bool
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if a.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Body = string(b)
	}
	for name, values := range a.MultiValueHeaders {
		if a.Headers == nil {
			a.Headers = map[string]string{}
		}
		a.Headers[name] = strings.Join(values, ",")
	}
	return a.StatusCode, a.Headers, a.Body
}

// Events that are odd, bad, or no requests at all.
func TestBadEvents(t *testing.T) {
	seen := ""
	f := &function{log: quiet, large: results.New(&storetest.Memory{}), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		seen = fmt.Sprintf("%s %s host=%s %q %v", r.Method, r.URL.EscapedPath(), r.Host, b, err)
		switch r.URL.Path {
		case "/nothing":
		case "/panic":
			panic("out of order")
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/late":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			panic("in the middle")
		case "/short":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		default:
			io.WriteString(w, "ok")
		}
	})}

	for _, event := range []string{
		"", "null", "[]", "1", "{", `{}`, `{"Records":[{"messageId":"1","eventSource":"aws:sqs"}]}`, `{"version":"0","detail-type":"Scheduled Event"}`, `{"key1":"value1"}`,
		`{"version":2}`,
	} {
		if out, err := f.Invoke(t.Context(), []byte(event)); err == nil {
			t.Errorf("%s was answered: %s", event, out)
		}
	}
	for _, event := range []string{
		`{"version":"3.0","requestContext":{}}`, `{"version":"1","requestContext":{"stage":"x"}}`,
		`{"version":"2.0","rawPath":1}`, `{"version":"2.0","rawPath":"/x","isBase64Encoded":true,"body":"%%%","requestContext":{"http":{"method":"POST"}}}`,
		`{"version":"1.0","path":"/x","httpMethod":"POST","isBase64Encoded":true,"body":"YQ"}`, `{"httpMethod":"GET","path":[]}`,
		`{"httpMethod":"B A D","path":"/"}`, `{"version":"2.0","rawPath":"/x","rawQueryString":"\u0001","requestContext":{"http":{"method":"GET"}}}`,
	} {
		status, header, body := invoke(t, f, event)
		var e struct{ Status, Code, Reason string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusBadRequest || e.Status != "error" || e.Code != "bad_request" || e.Reason == "" || header["Content-Type"] != "application/json" {
			t.Errorf("%s: %d %v %s", event, status, header, body)
		}
	}
	for event, want := range map[string]string{
		`{"version":"2.0","requestContext":{"http":{"method":"get"}}}`:                                                      `GET / host=localhost "" <nil>`,
		`{"version":"2.0","rawPath":"/a b/100%","requestContext":{"http":{"method":"GET"},"domainName":"h"}}`:               `GET /a%20b/100%25 host=h "" <nil>`,
		`{"version":"2.0","rawPath":"/q?x#y","requestContext":{"http":{"method":"GET"}}}`:                                   `GET /q%3Fx%23y host=localhost "" <nil>`,
		`{"version":"2.0","rawPath":"//evil.example/x","requestContext":{"http":{"method":"GET"}}}`:                         `GET //evil.example/x host=localhost "" <nil>`,
		`{"version":"2.0","rawPath":"/x","headers":{"host":"a.example:3000"},"requestContext":{"http":{"method":"GET"}}}`:   `GET /x host=a.example:3000 "" <nil>`,
		`{"version":"2.0","rawPath":"/prod","requestContext":{"stage":"prod","http":{"method":"GET"}}}`:                     `GET / host=localhost "" <nil>`,
		`{"version":"2.0","rawPath":"/production","requestContext":{"stage":"prod","http":{"method":"GET"}}}`:               `GET /production host=localhost "" <nil>`,
		`{"version":"2.0","rawPath":"/x","body":"eA==","isBase64Encoded":true,"requestContext":{"http":{"method":"POST"}}}`: `POST /x host=localhost "x" <nil>`,
		`{"httpMethod":"POST","path":"/x","body":null}`:                                                                     `POST /x host=localhost "" <nil>`,
		`{"httpMethod":"GET","path":""}`: `GET / host=localhost "" <nil>`,
		`{"httpMethod":"GET","path":"/Prod/x","requestContext":{"stage":"Prod","path":"/{proxy+}"}}`:                              `GET /x host=localhost "" <nil>`,
		`{"httpMethod":"GET","path":"/api/x","requestContext":{"stage":"api","path":"/api/api/x"}}`:                               `GET /api/x host=localhost "" <nil>`,
		`{"httpMethod":"GET","path":"/x","headers":{"Host":"b.example"},"multiValueHeaders":{},"requestContext":{"stage":"s"}}`:   `GET /x host=b.example "" <nil>`,
		`{"httpMethod":"GET","path":"/x","headers":null,"multiValueHeaders":{"host":["c.example"]},"queryStringParameters":null}`: `GET /x host=c.example "" <nil>`,
	} {
		if status, _, body := invoke(t, f, event); status != http.StatusOK || body != "ok" || seen != want {
			t.Errorf("%s: %d %s; the handler saw\n%s\nwant\n%s", event, status, body, seen, want)
		}
	}
	for _, path := range []string{"/nothing", "/panic", "/abort", "/late", "/short"} {
		for _, event := range []string{`{"version":"2.0","rawPath":"` + path + `","requestContext":{"http":{"method":"GET"}}}`, `{"httpMethod":"GET","path":"` + path + `"}`} {
			if status, _, body := invoke(t, f, event); status != http.StatusInternalServerError || !strings.Contains(body, `"code":"internal"`) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	}
}

// An answer that Lambda would not take is told by address, where the store has
// addresses, and is an error where it has none. What just fits is sent.
func TestLargeAnswers(t *testing.T) {
	big := map[string][]byte{
		"/fits":   bytes.Repeat([]byte("a"), mostAnswer),
		"/text":   bytes.Repeat([]byte("a"), mostAnswer+1),
		"/quotes": bytes.Repeat([]byte(`"`), mostAnswer/2+1),
		"/bytes":  bytes.Repeat([]byte{0xff}, mostAnswer/4*3+3),
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-large")
		w.Header().Set("Content-Disposition", `attachment; filename="x"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(big[r.URL.Path])))
		w.Write(big[r.URL.Path])
	})
	server := testminio.Start(t)
	objects, _, err := wire.OpenObjects(t.Context(), wire.StoreConfig{Location: fmt.Sprintf("s3://%s/large-%d", server.Bucket, time.Now().UnixNano()), S3: s3.Config{
		Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, CreateBucket: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	for name, way := range ways((&function{handler: handler, large: results.New(objects), log: quiet}).Invoke) {
		for path, want := range big {
			resp, err := way.Client.Get(way.Base + path)
			if err != nil {
				t.Fatal(err)
			}
			if path != "/fits" {
				body, _ := io.ReadAll(resp.Body)
				var v struct{ Status, Location string }
				if err := json.Unmarshal(body, &v); err != nil || resp.StatusCode != http.StatusSeeOther || v.Status != "done" || v.Location != resp.Header.Get("Location") {
					t.Fatalf("%s, %s: %d %.300s", name, path, resp.StatusCode, body)
				}
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				if resp, err = client.Get(v.Location); err != nil {
					t.Fatal(err)
				}
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(got, want) || resp.Header.Get("Content-Type") != "application/x-large" || resp.Header.Get("Content-Disposition") == "" {
				t.Errorf("%s, %s: %d, %d bytes, %v, %v", name, path, resp.StatusCode, len(got), resp.Header, err)
			}
		}
	}
	f := &function{handler: handler, large: results.New(&storetest.Memory{}), log: quiet}
	status, _, body := invoke(t, f, `{"httpMethod":"GET","path":"/text"}`)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "answer_too_large") || !strings.Contains(body, "bucket") {
		t.Errorf("a store without addresses: %d %s", status, body)
	}
	objects.Close()
	closed := &function{handler: handler, large: failingSharer{}, log: quiet}
	if status, _, body := invoke(t, closed, `{"httpMethod":"GET","path":"/text"}`); status != http.StatusServiceUnavailable || !strings.Contains(body, "store_unavailable") {
		t.Errorf("a store that does not answer: %d %s", status, body)
	}
}

type failingSharer struct{}

func (failingSharer) Share(context.Context, []byte, string, string) (string, error) {
	return "", question.Errorf(question.CodeStoreUnavailable, "the store does not answer")
}

// slowRunner answers when it is let, or when it is stopped.
type slowRunner struct{ gate chan struct{} }

func (slowRunner) Check(question.Request) error { return nil }

func (r slowRunner) Answer(ctx context.Context, _ question.Request) (*question.Answer, error) {
	select {
	case <-r.gate:
		return &question.Answer{Table: &question.Table{Layout: question.LayoutMap, Columns: []question.Column{
			{Name: "mean", Type: question.Number, Role: question.RoleValue, Numbers: []float64{1}},
		}}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A function whose time is too short for a job says so, once.
func TestShortFunction(t *testing.T) {
	var log bytes.Buffer
	f := &function{handler: http.NotFoundHandler(), log: slog.New(slog.NewTextHandler(&log, nil)), limit: 5 * time.Second}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		if _, err := f.Invoke(ctx, []byte(`{"httpMethod":"GET","path":"/"}`)); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if n := strings.Count(log.String(), "LESTATS_TIME_LIMIT"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
}

// finish returns the jobs of a function over a store.
func finish(t *testing.T, store *results.Store, r jobs.Runner, hand func(context.Context, *question.Job) error) finisher {
	t.Helper()
	cfg := jobs.Config{Workers: 1, TimeLimit: time.Minute, Frozen: true, Hand: hand, Log: quiet}
	freeze(&cfg)
	pool, err := jobs.New(cfg, store, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := pool.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return finisher{pool, hand == nil, 2 * time.Minute}
}

// A job that does not end in time stays, can be seen, and is run by whoever asks
// for it, in whichever process.
func TestJobOutlivesItsInvocation(t *testing.T) {
	store := results.New(&storetest.Memory{})
	r := slowRunner{make(chan struct{})}
	one, two := finish(t, store, r, nil), finish(t, store, r, nil)
	invocation := context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	job, err := one.Submit(context.WithoutCancel(invocation), question.Request{Question: "q"})
	if err != nil || job.Status.Final() {
		t.Fatalf("%+v, %v", job, err)
	}
	list, err := two.List(t.Context(), "", 10)
	if n, countErr := two.Unfinished(t.Context()); err != nil || countErr != nil || n != 1 || len(list) != 1 || list[0].ID != job.ID {
		t.Errorf("%d unfinished, %v, %v", n, list, err)
	}
	// A short wait does not keep it from ending.
	invocation = context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Minute))
	short, cancel := context.WithTimeout(invocation, 10*time.Millisecond)
	defer cancel()
	time.AfterFunc(100*time.Millisecond, func() { close(r.gate) })
	if job, err = two.Wait(short, job.ID); err != nil || job.Status != question.Done {
		t.Errorf("%+v, %v", job, err)
	}
	if job, err = one.Get(t.Context(), job.ID); err != nil || job.Status != question.Done || job.Attempts != 1 {
		t.Errorf("%+v, %v", job, err)
	}
}

// With a queue a long job goes there, and nobody else runs it; without the queue's
// answer it is not accepted.
func TestJobIsHandedOver(t *testing.T) {
	store := results.New(&storetest.Memory{})
	var queue []string
	var away error
	r := slowRunner{make(chan struct{})}
	jobs := finish(t, store, r, func(_ context.Context, job *question.Job) error {
		if away == nil {
			queue = append(queue, job.ID)
		}
		return away
	})
	invocation := context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	job, err := jobs.Submit(invocation, question.Request{Question: "q"})
	if err != nil || job.Status.Final() || len(queue) != 1 || queue[0] != job.ID {
		t.Fatalf("%+v, %v, %v", job, err, queue)
	}
	if job, err := jobs.Get(t.Context(), job.ID); err != nil || job.Status != question.Queued {
		t.Errorf("%+v, %v", job, err)
	}
	away = question.Errorf(question.CodeStoreUnavailable, "the queue does not answer")
	invocation = context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	if _, err := jobs.Submit(invocation, question.Request{Question: "q"}); question.CodeOf(err) != question.CodeStoreUnavailable {
		t.Errorf("%v", err)
	}
	if n, err := jobs.Unfinished(t.Context()); n != 1 || err != nil {
		t.Errorf("%d unfinished, %v", n, err)
	}
}

// A function says at its start what it lacks.
func TestFunctionConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		memory string
		want   string
	}{
		"no store":  {func(c *Config) { c.Store.Location = "" }, "", "LESTATS_STORE"},
		"default":   {func(c *Config) { c.Store.Location = wire.DefaultStore }, "", "LESTATS_STORE"},
		"no memory": {func(*Config) {}, "many", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"},
	} {
		var told []string
		api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			told = append(told, r.URL.Path+" "+string(b))
		}))
		t.Setenv(wire.EnvRuntimeAPI, strings.TrimPrefix(api.URL, "http://"))
		t.Setenv(wire.EnvMemory, tt.memory)
		cfg := Config{Function: true, Store: wire.StoreConfig{Location: t.TempDir()}, Log: quiet}
		tt.change(&cfg)
		_, err := Open(t.Context(), cfg)
		api.Close()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if len(told) != 1 || !strings.HasPrefix(told[0], "/2018-06-01/runtime/init/error ") || !strings.Contains(told[0], tt.want) {
			t.Errorf("%s: Lambda was told %q", name, told)
		}
	}
}
