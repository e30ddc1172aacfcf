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
	"github.com/le-stats-sportifs/lestats/runtime/queue"
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
	cfg := Config{Listen: "127.0.0.1:0"}
	cfg.Location, cfg.Log, cfg.MetricsLog = filepath.Join(t.TempDir(), "store"), quiet, io.Discard
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
		last := g.Version == lambdatest.ALB && !g.Multi
		return contract.Way{Base: base, Under: under, Client: &http.Client{Transport: &g, CheckRedirect: noRedirect}, Function: true, Last: last}
	}
	const host = "https://f.example"
	return map[string]contract.Way{
		"HTTP API":               way(lambdatest.Gateway{Version: "2.0"}, host, ""),
		"HTTP API, stage":        way(lambdatest.Gateway{Version: "2.0", Stage: "prod"}, host+"/prod", "/prod"),
		"HTTP API, no host":      way(lambdatest.Gateway{Version: "2.0", NoHost: true}, host, ""),
		"function URL":           way(lambdatest.Gateway{Version: "2.0", URL: true}, host, ""),
		"HTTP API 1.0, stage":    way(lambdatest.Gateway{Version: "1.0", Stage: "prod"}, host+"/prod", "/prod"),
		"REST API":               way(lambdatest.Gateway{}, host, "/Prod"),
		"REST API, stage kept":   way(lambdatest.Gateway{Version: "1.0", Stage: "Prod"}, host+"/Prod", "/Prod"),
		"REST API 1.0, no stage": way(lambdatest.Gateway{Version: "1.0", NoHost: true}, host, ""),
		"load balancer":          way(lambdatest.Gateway{Version: lambdatest.ALB, Multi: true}, host, ""),
		"load balancer, one":     way(lambdatest.Gateway{Version: lambdatest.ALB}, host, ""),
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// The contract holds in all ways of serving.
func TestContract(t *testing.T) {
	for name, tt := range map[string]struct{ before, under string }{
		"plain HTTP":                         {"", ""},
		"plain HTTP, base path":              {"/stats/v-2", "/stats/v-2"},
		"plain HTTP, a proxy removed a base": {"", "/stats"},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, func(c *Config) { c.BasePath = tt.under })
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- m.Run(ctx) }()
			client := &http.Client{Transport: &http.Transport{}}
			contract.Run(t, contract.Way{Base: m.URL() + tt.before, Under: tt.under, Client: client})
			client.CloseIdleConnections()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	for base, all := range map[string]func(func(context.Context, []byte) ([]byte, error)) map[string]contract.Way{"": ways, "/stats": mappedWays} {
		m := open(t, func(c *Config) { c.Function, c.BasePath = true, base })
		for name, way := range all(func(ctx context.Context, event []byte) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			return m.function.Invoke(ctx, event)
		}) {
			t.Run(name, func(t *testing.T) { contract.Run(t, way) })
		}
	}
}

// mappedWays are those of a function whose base path is /stats: by a custom domain, with
// a stage in the path or without, and past the custom domain.
func mappedWays(invoke func(context.Context, []byte) ([]byte, error)) map[string]contract.Way {
	way := func(g lambdatest.Gateway, before, under string) contract.Way {
		g.Invoke = invoke
		return contract.Way{Base: "https://f.example" + before, Under: under, Client: &http.Client{Transport: &g, CheckRedirect: noRedirect}, Function: true}
	}
	return map[string]contract.Way{
		"HTTP API, mapping":        way(lambdatest.Gateway{Version: "2.0", Stage: "prod"}, "/stats", "/stats"),
		"HTTP API 1.0, mapping":    way(lambdatest.Gateway{Version: "1.0", Stage: "prod"}, "/stats", "/stats"),
		"HTTP API, past a mapping": way(lambdatest.Gateway{Version: "2.0", Stage: "prod"}, "/prod", "/prod/stats"),
		"REST API, mapping":        way(lambdatest.Gateway{Mapped: true}, "/stats", "/stats"),
		"REST API, past a mapping": way(lambdatest.Gateway{}, "", "/Prod/stats"),
		"load balancer, base path": way(lambdatest.Gateway{Version: lambdatest.ALB, Multi: true}, "/stats", "/stats"),
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
	for _, info := range question.Codes {
		mux.HandleFunc("/code/"+string(info.Code), func(w http.ResponseWriter, _ *http.Request) {
			httpapi.Fail(w, question.Errorf(info.Code, "so it is").WithParam("p", "h"))
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
	mux.HandleFunc("/nasty/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q %q", r.URL.Path, r.URL.Query()) })

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
		cookies := strings.Join(resp.Header["Set-Cookie"], ", ") // of which a load balancer may send one header only
		return fmt.Sprintf("%d %q %q %q %q", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Content-Encoding"), cookies, b)
	}
	requests := [][3]string{
		{"POST", "/echo?q=1&q=a%26b+c", "\x00\xff body"}, {"DELETE", "/echo", ""}, {"PUT", "/echo?q=%E2%82%AC", "é"}, {"GET", "/echo?q", ""},
	}
	for _, raw := range nasty {
		requests = append(requests, [3]string{"GET", "/nasty/?q=" + raw + "&" + raw + "=q", ""})
		if !strings.Contains(raw, "%2F") && !strings.Contains(raw, "%3F") { // a separator for an HTTP API
			requests = append(requests, [3]string{"GET", "/nasty/" + raw, ""})
		}
	}
	for name := range bodies {
		requests = append(requests, [3]string{"GET", "/body/" + name, ""})
	}
	for _, info := range question.Codes {
		requests = append(requests, [3]string{"GET", "/code/" + string(info.Code), ""})
	}
	for _, r := range requests {
		want := exchange(plain, r[0], r[1], r[2])
		for name, way := range all {
			if way.Last && strings.Count(r[1], "q=") > 1 {
				continue
			}
			if got := exchange(way, r[0], r[1], r[2]); got != want {
				t.Errorf("%s %s, %s:\n%s\nwant\n%s", r[0], r[1], name, got, want)
			}
		}
	}
}

// nasty are texts in a URL that must not be decoded twice, or not at all.
var nasty = []string{
	"", "a", "a+b", "a%20b", "a%2Bb", "a%26b", "a%3Db", "a%23b", "a%25b", "a%2520b", "a%252520b", "a%252Bb", "a%2526b", "100%25", "%25", "%2525", "%2541",
	"%C3%A9", "%E2%82%AC", "%F0%9F%8F%83", "%25C3%25A9", "%22quoted%22", "%5Cback", "%3Cb%3E", "a%2Fb", "a%3Fb", "~a-b._c", "a,b", "a:b", "a@b", "%7B%7D", "%0A", "%00",
}

// A load balancer that sends the last value of each name only is served with that.
func TestLastValues(t *testing.T) {
	f := &function{log: quiet, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q %s %s", r.URL.Query(), r.Header["X-Many"], r.RemoteAddr, r.Host)
	})}
	for _, tt := range []struct{ event, want string }{
		{`{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/","queryStringParameters":{"q":"a%2526b"},"headers":{"x-many":"b","host":"evil/../x","x-forwarded-for":"203.0.113.9, 198.51.100.7"}}`,
			`map["q":["a%26b"]] ["b"] 198.51.100.7 evil/../x`},
		{`{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/","multiValueQueryStringParameters":{"q":["1","2"]},"multiValueHeaders":{"x-many":["a","b"],"host":["h"]},"headers":{"x-many":"no"}}`,
			`map["q":["1" "2"]] ["a" "b"]  h`},
		// as its health checks are
		{`{"requestContext":{"elb":{"targetGroupArn":"arn:aws:elasticloadbalancing:r:1:targetgroup/t/1"}},"httpMethod":"GET","path":"/","queryStringParameters":{},"headers":{"user-agent":"ELB-HealthChecker/2.0"},"body":"","isBase64Encoded":false}`,
			`map[] []  localhost`},
	} {
		status, header, body := invoke(t, f, tt.event)
		if status != http.StatusOK || body != tt.want || !strings.HasPrefix(header["Content-Type"], "text/plain") {
			t.Errorf("%s: %d %v %s; want %s", tt.event, status, header, body, tt.want)
		}
	}
}

// A load balancer takes an answer of the kind of its event only, with the status as text.
func TestAnswerOfLoadBalancer(t *testing.T) {
	f := &function{log: quiet, handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Vary", "Prefer")
		w.WriteHeader(http.StatusNotFound)
	})}
	for event, want := range map[string]string{
		`{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/","headers":{}}`:           `{"statusCode":404,"statusDescription":"404 Not Found","headers":{"Vary":"Accept-Encoding, Accept, Prefer"},"multiValueHeaders":null,"isBase64Encoded":false}`,
		`{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/","multiValueHeaders":{}}`: `{"statusCode":404,"statusDescription":"404 Not Found","headers":null,"multiValueHeaders":{"Vary":["Accept-Encoding","Accept","Prefer"]},"isBase64Encoded":false}`,
	} {
		out, err := f.Invoke(t.Context(), []byte(event))
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %s, %v; want %s", event, out, err, want)
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
		"", "null", "[]", "1", "{", `{"Records":[{"messageId":"1","eventSource":"aws:sqs"}]}`, `{"Records":[{"eventSource":"aws:s3"}]}`, `{"key1":"value1"}`,
		`{"version":2}`, `{"records":{}}`, `{"Event":"s3:ObjectCreated:Put"}`,
	} {
		if out, err := f.Invoke(t.Context(), []byte(event)); err == nil {
			t.Errorf("%s was answered: %s", event, out)
		}
	}
	for _, event := range []string{
		`{"version":"3.0","requestContext":{}}`, `{"version":"1","requestContext":{"stage":"x"}}`,
		`{"version":"2.0","rawPath":1}`, `{"version":"2.0","rawPath":"/x","isBase64Encoded":true,"body":"%%%","requestContext":{"http":{"method":"POST"}}}`,
		`{"version":"1.0","path":"/x","httpMethod":"POST","isBase64Encoded":true,"body":"YQ"}`, `{"httpMethod":"GET","path":[]}`,
		`{"httpMethod":"GET","path":[],"requestContext":{"elb":{}}}`, `{"httpMethod":"B A D","path":"/","requestContext":{"elb":{}},"headers":{}}`,
		`{"httpMethod":"POST","path":"/","requestContext":{"elb":{}},"multiValueHeaders":{},"body":"%","isBase64Encoded":true}`,
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

// What people and schedules send to see whether a function is there is answered with what
// it takes, at level info; the example in it is answered with 200.
func TestTestEvents(t *testing.T) {
	var log bytes.Buffer
	f := &function{log: slog.New(slog.NewTextHandler(&log, nil)), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			httpapi.Fail(w, question.Errorf(question.CodeUnknownRoute, "%s", r.URL.Path))
		}
		w.WriteHeader(http.StatusOK)
	})}
	for name, event := range lambdatest.TestEvents {
		log.Reset()
		out, err := f.Invoke(t.Context(), []byte(event))
		var answer struct {
			Reason  string
			Example json.RawMessage
		}
		if err != nil || json.Unmarshal(out, &answer) != nil || !strings.Contains(answer.Reason, "HTTP API") || !strings.Contains(log.String(), "level=INFO") {
			t.Errorf("%s: %s, %v; log %s", name, out, err, &log)
			continue
		}
		if status, _, body := invoke(t, f, string(answer.Example)); status != http.StatusOK {
			t.Errorf("%s: the example is answered with %d %s", name, status, body)
		}
	}
	// The console's templates of gateways are requests, of a route that is not here.
	for name, event := range map[string]string{
		"REST API": `{"body":"eyJ0ZXN0IjoiYm9keSJ9","resource":"/{proxy+}","path":"/path/to/resource","httpMethod":"POST","isBase64Encoded":true,"queryStringParameters":{"foo":"bar"},"multiValueQueryStringParameters":{"foo":["bar"]},"pathParameters":{"proxy":"/path/to/resource"},"stageVariables":{"baz":"qux"},"headers":{"Host":"1234567890.execute-api.us-east-1.amazonaws.com"},"requestContext":{"accountId":"123456789012","resourceId":"123456","stage":"prod","requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","requestTime":"09/Apr/2015:12:34:56 +0000","requestTimeEpoch":1428582896000,"identity":{"sourceIp":"127.0.0.1"},"path":"/prod/path/to/resource","resourcePath":"/{proxy+}","httpMethod":"POST","apiId":"1234567890","protocol":"HTTP/1.1"}}`,
		"HTTP API": `{"version":"2.0","routeKey":"$default","rawPath":"/path/to/resource","rawQueryString":"parameter1=value1&parameter1=value2","cookies":["cookie1"],"headers":{"Header1":"value1"},"queryStringParameters":{"parameter1":"value1,value2"},"requestContext":{"accountId":"123456789012","apiId":"api-id","domainName":"id.execute-api.us-east-1.amazonaws.com","domainPrefix":"id","http":{"method":"POST","path":"/path/to/resource","protocol":"HTTP/1.1","sourceIp":"192.168.0.1/32","userAgent":"agent"},"requestId":"id","routeKey":"$default","stage":"$default","time":"12/Mar/2020:19:03:58 +0000","timeEpoch":1583348638390},"body":"eyJ0ZXN0IjoiYm9keSJ9","isBase64Encoded":true}`,
		"ALB":      `{"requestContext":{"elb":{"targetGroupArn":"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lambda-279XGJDqGZ5rsrHC2Fjr/49e9d65c45c6791a"}},"httpMethod":"GET","path":"/lambda","queryStringParameters":{"query":"1234ABCD"},"headers":{"accept":"text/html","host":"lambda-alb-123578498.us-east-1.elb.amazonaws.com"},"body":"","isBase64Encoded":false}`,
	} {
		if status, _, body := invoke(t, f, event); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// An answer that Lambda would not take is told by address, where the store has
// addresses, and is an error where it has none. What just fits is sent.
func TestLargeAnswers(t *testing.T) {
	big := map[string][]byte{
		"/fits":   bytes.Repeat([]byte("a"), maxAnswer),
		"/text":   bytes.Repeat([]byte("a"), maxAnswer+1),
		"/quotes": bytes.Repeat([]byte(`"`), maxAnswer/2+1),
		"/bytes":  bytes.Repeat([]byte{0xff}, maxAnswer/4*3+3),
		// behind a load balancer
		"/fits 1": bytes.Repeat([]byte("a"), maxALBAnswer),
		"/text 1": bytes.Repeat([]byte("a"), maxALBAnswer+1),
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-large")
		w.Header().Set("Content-Disposition", `attachment; filename="x"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(big[r.URL.Path])))
		w.Write(big[r.URL.Path])
	})
	server := testminio.Start(t)
	objects, err := s3.Open(t.Context(), s3.Config{
		URL:      fmt.Sprintf("s3://%s/large-%d", server.Bucket, time.Now().UnixNano()),
		Endpoint: server.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, CreateBucket: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	for name, way := range ways((&function{handler: handler, large: results.New(objects), log: quiet}).Invoke) {
		if testing.Short() && name != "HTTP API" && name != "REST API" {
			continue
		}
		for path, want := range big {
			resp, err := way.Client.Get(way.Base + strings.ReplaceAll(path, " ", "%20"))
			if err != nil {
				t.Fatal(err)
			}
			whole := path == "/fits 1"
			if !strings.HasPrefix(name, "load balancer") {
				whole = strings.HasPrefix(path, "/fits") || path == "/text 1"
			}
			if !whole {
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

func (slowRunner) Check(question.Request) error  { return nil }
func (slowRunner) Refresh(context.Context) error { return nil }

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

// Each request has the function look for new plugins first, in the time that it has; a test
// event does not.
func TestLooksForPlugins(t *testing.T) {
	looked := 0
	f := &function{log: quiet, handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, looked) }), fresh: func(ctx context.Context) {
		if _, ok := ctx.Deadline(); ok {
			looked++
		}
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n, event := range []string{`{"httpMethod":"GET","path":"/"}`, `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`, `{"requestContext":{"elb":{}},"httpMethod":"GET","path":"/"}`} {
		if out, err := f.Invoke(ctx, []byte(event)); err != nil || !strings.Contains(string(out), fmt.Sprintf(`"body":"%d"`, n+1)) {
			t.Errorf("%s: %s, %v", event, out, err)
		}
	}
	if _, err := f.Invoke(ctx, []byte(`{}`)); err != nil || looked != 3 {
		t.Errorf("looked %d times, %v", looked, err)
	}
}

// demand returns the jobs of a function over a store.
func demand(t *testing.T, store *results.Store, r jobs.Runner, q jobs.Queue) onDemand {
	t.Helper()
	pool, err := jobs.New(jobs.Config{Workers: 1, TimeLimit: time.Minute, OnDemand: true, Queue: q, Grace: time.Hour, Log: quiet}, store, r)
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
	return onDemand{pool, q == nil}
}

// A job that does not end in time stays, can be seen, and is run by whoever asks
// for it, in whichever process.
func TestJobOutlivesItsInvocation(t *testing.T) {
	store := results.New(&storetest.Memory{})
	r := slowRunner{make(chan struct{})}
	one, two := demand(t, store, r, nil), demand(t, store, r, nil)
	invocation := context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	job, err := one.Submit(context.WithoutCancel(invocation), question.Request{Question: "q"})
	if err != nil || job.Status.Final() {
		t.Fatalf("%+v, %v", job, err)
	}
	list, err := two.List(t.Context(), question.JobFilter{}, "", 10)
	if n, countErr := two.Unfinished(t.Context()); err != nil || countErr != nil || n != 1 || len(list.Jobs) != 1 || list.Jobs[0].ID != job.ID {
		t.Errorf("%d unfinished, %v, %v", n, list.Jobs, err)
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

// downQueue takes nothing.
type downQueue struct{ jobs.Queue }

func (downQueue) Send(context.Context, string) error {
	return question.Errorf(question.CodeQueueUnavailable, "the queue does not answer")
}

// With a queue a long job goes there, and whoever asks for it does not run it; without the
// queue's answer it is not accepted.
func TestJobIsSent(t *testing.T) {
	store, q := results.New(&storetest.Memory{}), queue.NewMemory(time.Minute)
	r := slowRunner{make(chan struct{})}
	pool := demand(t, store, r, q)
	invocation := context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	job, err := pool.Submit(invocation, question.Request{Question: "q"})
	if err != nil || job.Status.Final() {
		t.Fatalf("%+v, %v", job, err)
	}
	if messages, err := q.Receive(t.Context(), 10); err != nil || len(messages) != 1 || messages[0].ID != job.ID {
		t.Errorf("%v, %v", messages, err)
	}
	if job, err := pool.Get(t.Context(), job.ID); err != nil || job.Status != question.Queued {
		t.Errorf("%+v, %v", job, err)
	}
	down := demand(t, store, r, downQueue{})
	invocation = context.WithValue(t.Context(), dueKey{}, time.Now().Add(time.Second))
	if _, err := down.Submit(invocation, question.Request{Question: "q"}); question.CodeOf(err) != question.CodeQueueUnavailable {
		t.Errorf("%v", err)
	}
	if n, err := pool.Unfinished(t.Context()); n != 1 || err != nil {
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
		"no store":  {func(c *Config) { c.Location = "" }, "", "LESTATS_STORE"},
		"default":   {func(c *Config) { c.Location = wire.DefaultStore }, "", "LESTATS_STORE"},
		"no memory": {func(*Config) {}, "many", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"},
	} {
		var told []string
		api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			told = append(told, r.URL.Path+" "+string(b))
		}))
		t.Setenv(wire.EnvRuntimeAPI, strings.TrimPrefix(api.URL, "http://"))
		t.Setenv(wire.EnvMemory, tt.memory)
		var cfg Config
		cfg.Function, cfg.Location, cfg.Log = true, t.TempDir(), quiet
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

// Whatever an event holds, the answer is an error or a response with a status, which
// Lambda and its sender take.
func FuzzInvoke(f *testing.F) {
	f.Add(`{"version":"2.0","rawPath":"/%41","rawQueryString":"a=%2541&a","requestContext":{"domainName":"a.lambda-url.","http":{"method":"GET"}}}`)
	f.Add(`{"httpMethod":"GET","path":"/%41?","multiValueQueryStringParameters":{"a":["%41",""]},"multiValueHeaders":{"Host":["h"]},"requestContext":{"stage":"s","path":"/s/%41?"}}`)
	f.Add(`{"requestContext":{"elb":{}},"httpMethod":"PUT","path":"/%41?","queryStringParameters":{"a&b":"%zz#"},"headers":{"host":"/@:","x-forwarded-for":","},"isBase64Encoded":true,"body":"YQ=="}`)
	function := &function{log: quiet, large: results.New(&storetest.Memory{}), handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL, r.Host, r.RemoteAddr)
	})}
	f.Fuzz(func(t *testing.T, event string) {
		out, err := function.Invoke(t.Context(), []byte(event))
		var answer struct {
			StatusCode int
			Reason     string
		}
		if err == nil && (json.Unmarshal(out, &answer) != nil || answer.Reason == "" && answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusBadRequest) {
			t.Errorf("%s", out)
		}
	})
}
