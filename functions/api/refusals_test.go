package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Requests that net/http refuses, and such as its own client cannot send: each gets one
// response, and each error has the usual form.
func TestRawRequests(t *testing.T) {
	m := open(t, func(c *Config) { c.ClientKey = "k" })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	const (
		host = "Host: localhost\r\nX-Api-Key: k\r\nConnection: close\r\n"
		get  = "GET /api/jobs HTTP/1.1\r\n" + host
		post = "POST /api/states_mean HTTP/1.1\r\n" + host
		bad  = question.CodeBadRequest
	)
	for _, tt := range []struct {
		name, request string
		status        int
		code          question.Code
	}{
		{"fine", get + "\r\n", 200, ""},
		{"line ends of Unix", strings.ReplaceAll(get+"\r\n", "\r", ""), 200, ""},
		{"an address", strings.Replace(get, "/api", "http://localhost/api", 1) + "\r\n", 200, ""},
		{"HTTP/1.0", "GET /api/jobs HTTP/1.0\r\nX-Api-Key: k\r\n\r\n", 200, ""},
		{"the same length twice", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, "missing_parameter"},
		{"a key in a trailer", strings.Replace(post, "X-Api-Key: k\r\n", "", 1) + "Transfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n2\r\n{}\r\n0\r\nX-Api-Key: k\r\n\r\n", 403, "forbidden"},
		{"2,000 headers", get + strings.Repeat("X: y\r\n", 2000) + "\r\n", 200, ""},
		{"a method of strangers", "BREW /api/jobs HTTP/1.1\r\n" + host + "\r\n", 405, "method_not_allowed"},
		{"TRACE", "TRACE /api/jobs HTTP/1.1\r\n" + host + "\r\n", 405, "method_not_allowed"},
		{"CONNECT", "CONNECT localhost:443 HTTP/1.1\r\n" + host + "\r\n", 404, "unknown_route"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 403, "forbidden"}, // it has no key
		{"an upgrade", get + "Upgrade: websocket\r\n\r\n", 200, ""},
		{"a null byte in the path", strings.Replace(get, "jobs", "%00", 1) + "\r\n", 404, "unknown_route"},
		{"a long path", strings.Replace(get, "jobs", strings.Repeat("x", 30000), 1) + "\r\n", 404, "unknown_route"},

		{"TLS", "\x16\x03\x01\x00\xa5\x01\r\n\r\n", 400, bad},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, bad},
		{"two hosts", get + "Host: localhost\r\n\r\n", 400, bad},
		{"no path", "GET jobs HTTP/1.1\r\n" + host + "\r\n", 400, bad},
		{"an escape that is none", "GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400, bad},
		{"no method", "G@T / HTTP/1.1\r\n" + host + "\r\n", 400, bad},
		{"another version", "GET / HTTP/3.0\r\n" + host + "\r\n", 400, bad},
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, bad},
		{"a signed length", post + "Content-Length: +2\r\n\r\n{}", 400, bad},
		{"a negative length", post + "Content-Length: -2\r\n\r\n{}", 400, bad},
		{"another encoding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, bad},
		{"a space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, bad},
		{"a null byte in a header", get + "X: a\x00b\r\n\r\n", 400, bad},
		{"a return in a header", get + "X: a\rb\r\n\r\n", 400, bad},
		{"large headers", get + "X: " + strings.Repeat("y", 64<<10) + "\r\n\r\n", 400, bad},
		{"a larger path", strings.Replace(get, "jobs", strings.Repeat("x", 64<<10), 1) + "\r\n", 400, bad},
		{"another expectation", get + "Expect: cake\r\n\r\n", 400, bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", m.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(conn, tt.request) }() // it may be refused in the middle
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				Status string
				Code   question.Code
				Reason string
				Hint   []string
			}
			if err := json.Unmarshal(body, &e); err != nil || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%v %s: %v", resp.Header, body, err)
			}
			if resp.StatusCode != tt.status || e.Code != tt.code || tt.code != "" && (e.Status != "error" || e.Reason == "" || e.Hint == nil) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.code)
			}
			if rest, _ := io.ReadAll(in); len(rest) > 0 {
				t.Errorf("something follows the response: %q", rest)
			}
		})
	}
}

// In a function, too, no path is answered with a redirect.
func TestUncleanPathsOfEvents(t *testing.T) {
	m := open(t, func(c *Config) { c.Function = true })
	for name, way := range ways(m.function.Invoke) {
		for path, hint := range map[string]string{"//api/jobs": "/api/jobs", "/api/x/../jobs": "/api/jobs", "/./api//jobs/": "/api/jobs", "/api/jobs/": "/api/jobs", "/../etc/passwd": ""} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, way.Base+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := way.Client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				Code question.Code
				Hint []string
			}
			err = json.NewDecoder(resp.Body).Decode(&e)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusNotFound || e.Code != question.CodeUnknownRoute || strings.Join(e.Hint, " ") != hint {
				t.Errorf("%s, %s: %d %+v, %v", name, path, resp.StatusCode, e, err)
			}
		}
	}
}

// Flags reach the handler, and gateways pass a preflight and its answer on.
func TestPreflightOfEvents(t *testing.T) {
	const page = "https://stats.example.org"
	m := open(t, func(c *Config) { c.Function, c.ClientKey, c.CORSOrigins = true, "k", []string{page} })
	for name, way := range ways(m.function.Invoke) {
		for origin, want := range map[string]string{page: "204 " + page + " GET, HEAD, POST", "https://evil.example": "403  "} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, way.Base+"/api/states_mean", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			req.Header.Set("Access-Control-Request-Method", "POST")
			resp, err := way.Client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Access-Control-Allow-Origin"), " ", resp.Header.Get("Access-Control-Allow-Methods")); got != want {
				t.Errorf("%s, %s: %s, want %s", name, origin, got, want)
			}
		}
	}
}
