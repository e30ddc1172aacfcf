package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/api/contract"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// proxied is a server's address through a reverse proxy on the same machine.
type proxied struct {
	name, url string
	says      bool // it adds a header that names the client
	passes    bool // it passes on the client's Host
}

// The configurations of each proxy, with one address each.
const (
	// nginxInFolder keeps nginx in the foreground and in a folder of its own. What follows
	// ends the http block.
	nginxInFolder = `
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
`
	nginxConfig = nginxInFolder + `
  server { listen %[3]s; location / { proxy_pass http://%[2]s; } }
  server { listen %[4]s; location / { proxy_pass http://%[2]s; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }
  server { listen %[5]s; location / { proxy_pass http://%[2]s; proxy_set_header Host $host; } }
}
`
	haproxyConfig = `
global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend plain
  bind %[3]s
  http-request set-header Host %[2]s
  default_backend server
frontend says
  bind %[4]s
  option forwardfor
  http-request set-header Host %[2]s
  default_backend server
frontend passes
  bind %[5]s
  default_backend server
backend server
  server lestats %[2]s
`
)

// proxies starts nginx and haproxy in front of a server. They end with the test.
func proxies(t *testing.T, server *process) []proxied {
	t.Helper()
	nginx := testtool.Installed(t, "nginx", "nginx-light")
	haproxy := testtool.Installed(t, "haproxy", "haproxy")
	var out []proxied
	for _, p := range []struct {
		name, config string
		command      func(file string) []string
	}{
		{"nginx", nginxConfig, func(file string) []string { return []string{nginx, "-e", "stderr", "-c", file} }},
		{"haproxy", haproxyConfig, func(file string) []string { return []string{haproxy, "-db", "-q", "-f", file} }},
	} {
		at := startProxy(t, p.config, strings.TrimPrefix(server.url, "http://"), p.command)
		out = append(out,
			proxied{name: p.name + ", plain", url: "http://" + at[0]},
			proxied{name: p.name + ", which says so", url: "http://" + at[1], says: true},
			proxied{name: p.name + ", which passes the Host on", url: "http://" + at[2], passes: true})
	}
	return out
}

// startProxy returns the three addresses of a proxy.
func startProxy(t *testing.T, config, upstream string, command func(file string) []string) [3]string {
	t.Helper()
	var failure error
	for range 3 { // another process may take a free port first
		folder := t.TempDir()
		var at [3]string
		for i := range at {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() // kept open, so that the ports differ; see below
			at[i] = l.Addr().String()
			_ = l.Close()
		}
		file := filepath.Join(folder, "proxy.conf")
		if err := os.WriteFile(file, fmt.Appendf(nil, config, folder, upstream, at[0], at[1], at[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		args := command(file)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = folder
		output := new(bytes.Buffer) // complete once it has ended
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		stop := func() {
			_ = cmd.Process.Kill()
			<-ended
		}
		if failure = answers(t.Context(), at[2], ended); failure == nil {
			t.Cleanup(stop)
			return at
		}
		stop()
		failure = fmt.Errorf("%w\n%s", failure, output)
	}
	t.Fatal(failure)
	return [3]string{}
}

// answers waits until a process listens on an address.
func answers(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("the proxy ended: %w", err)
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// sendAs sends a request on a connection of its own, with this Host unless host is "".
func sendAs(t *testing.T, method, url, host, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	if body != "" {
		headers = append([]string{"Content-Type: application/json"}, headers...)
	}
	client := &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	status, header, b, err := send(t.Context(), client, method, url, body, append(slices.Clip(headers), "Host: "+host)...)
	if err != nil {
		t.Fatal(err)
	}
	return status, header, string(b)
}

// A client behind a reverse proxy on the server's machine cannot shut it down without the
// key, whatever headers the proxy adds.
func TestShutdownThroughProxies(t *testing.T) {
	const public = "stats.example"
	for _, tt := range []struct {
		name   string
		flags  []string
		direct int                  // status, without a key
		may    func(proxied) string // whether it may be shut down without a key: "yes", "no", "" (undefined)
	}{
		{"as it comes", nil, 403, func(proxied) string { return "no" }},
		{"with an admin key", []string{"--admin-key", "right"}, 403, func(proxied) string { return "no" }},
		{"with both", []string{"--admin-key", "right", "--local-shutdown"}, 403, func(proxied) string { return "no" }},
		{"open to this machine", []string{"--local-shutdown"}, 200, func(p proxied) string {
			if p.says || p.passes {
				return "no"
			}
			return "" // which is why it is not the default
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, nil, append(tt.flags, "--allowed-host", public)...)
			ways := proxies(t, p)
			shutdown := func(url string, headers ...string) (int, string) {
				t.Helper()
				status, _, body := sendAs(t, "POST", url+"/api/graceful_shutdown", public, "", headers...)
				if again, _, _ := sendAs(t, "GET", url+"/api/graceful_shutdown", public, "", headers...); again != status {
					t.Errorf("POST: %d, GET: %d", status, again)
				}
				return status, body
			}
			for _, way := range ways {
				if tt.may(way) == "" {
					continue
				}
				if status, body := shutdown(way.url); status != http.StatusForbidden || !strings.Contains(body, `"code":"forbidden"`) {
					t.Errorf("%s: %d %s", way.name, status, body)
				}
				if status, body := shutdown(way.url, "Authorization: Bearer wrong"); status != http.StatusForbidden {
					t.Errorf("%s, with a wrong key: %d %s", way.name, status, body)
				}
				if status, _, body := sendAs(t, "GET", way.url+"/readyz", public, ""); status != http.StatusOK {
					t.Errorf("%s: it is shut down all the same: %d %s", way.name, status, body)
				}
			}
			status, _, body := sendAs(t, "POST", p.url+"/api/graceful_shutdown", "", "")
			if status != tt.direct {
				t.Errorf("from this machine: %d %s; want %d", status, body, tt.direct)
			}
			if len(tt.flags) == 0 && (!strings.Contains(body, "--admin-key") || !strings.Contains(body, "--local-shutdown")) {
				t.Errorf("it does not say what to do: %s", body)
			}
			if !strings.Contains(strings.Join(tt.flags, " "), "--admin-key") {
				return
			}
			for _, way := range append(ways, proxied{name: "directly", url: p.url}) {
				if status, body := shutdown(way.url, "Authorization: Bearer right"); status != http.StatusOK {
					t.Errorf("%s, with the key: %d %s", way.name, status, body)
				}
			}
			if status, _, _ := sendAs(t, "GET", p.url+"/readyz", "", ""); status != http.StatusServiceUnavailable {
				t.Errorf("after the shutdown it is ready: %d", status)
			}
		})
	}
}

// DNS rebinding: a web page whose name resolves to this machine gets no answer from a
// server without a key, and cannot create a job.
func TestRebinding(t *testing.T) {
	const evil, public = "evil.example", "stats.example"
	ask := fmt.Sprintf(`{"question":%q}`, obesity)
	for _, tt := range []struct {
		name          string
		flags         []string
		evil, public  int // status of GET /api/questions
		loopbackNames bool
	}{
		{"as it comes", nil, 403, 403, true},
		{"with a name allowed", []string{"--allowed-host", "other.example," + public}, 403, 200, true},
		{"on all addresses", []string{"--listen", "0.0.0.0:0"}, 200, 200, true},
		{"on all addresses, with a name allowed", []string{"--listen", "0.0.0.0:0", "--allowed-host", public}, 403, 200, true},
		{"with a key", []string{"--api-key", "k"}, 200, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, nil, tt.flags...)
			p.url = strings.Replace(p.url, "[::]", "127.0.0.1", 1)
			_, port, _ := strings.Cut(strings.TrimPrefix(p.url, "http://"), ":")
			for _, way := range append(proxies(t, p), proxied{name: "directly", url: p.url, passes: true}) {
				for host, want := range map[string]int{
					evil: tt.evil, evil + ":" + port: tt.evil, "localhost." + evil: tt.evil, public: tt.public,
					"": 200, "localhost": 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200, "me.localhost": 200,
				} {
					if !way.passes {
						want = http.StatusOK // the Host is the server's own address
					}
					status, _, body := sendAs(t, "GET", way.url+"/api/questions", host, "", "X-Api-Key: k")
					if status != want || want == 403 && (!strings.Contains(body, `"code":"forbidden"`) || !strings.Contains(body, "--allowed-host")) {
						t.Errorf("%s: Host %q: %d %.300s; want %d", way.name, host, status, body, want)
					}
					if want != http.StatusForbidden {
						continue
					}
					// As such a page sends it: its browser takes this for the same origin.
					headers := []string{"Sec-Fetch-Site: same-origin", "Origin: http://" + host}
					for _, route := range []string{"POST /api/states_mean", "POST /api/states_mean?wait=5", "GET /", "GET /docs", "GET /openapi.json", "GET /api/jobs", "GET /readyz", "GET /api/graceful_shutdown"} {
						method, target, _ := strings.Cut(route, " ")
						body := ""
						if method == "POST" {
							body = ask
						}
						if status, _, body := sendAs(t, method, way.url+target, host, body, headers...); status != http.StatusForbidden {
							t.Errorf("%s: Host %q: %s: %d %.300s", way.name, host, route, status, body)
						}
					}
				}
			}
			if _, _, body := sendAs(t, "GET", p.url+"/api/jobs", "", "", "X-Api-Key: k"); !strings.Contains(body, `"data":[]`) {
				t.Errorf("jobs of strangers: %s", body)
			}
		})
	}
}

// OPTIONS * is answered by the handler, not by net/http.
func TestOptionsOfNoPath(t *testing.T) {
	p := serve(t, nil)
	for host, want := range map[string]int{"evil.example": http.StatusForbidden, "localhost": http.StatusNoContent} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.URL.Opaque = host, "*"
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("OPTIONS * for %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestBadAllowedHost(t *testing.T) {
	code, _, errs := lestats(t, "serve", "--listen", "127.0.0.1:0", "--store", t.TempDir(), "--allowed-host", "https://stats.example/")
	if code != exitFailed || !strings.Contains(errs, "--allowed-host") || !strings.Contains(errs, "stats.example.org") {
		t.Errorf("%d: %s", code, errs)
	}
}

func TestCORSOrigin(t *testing.T) {
	const page = "https://stats.example.org"
	for _, p := range []*process{serve(t, nil, "--cors-origin", "http://localhost:3000,"+page), serve(t, []string{"LESTATS_CORS_ORIGIN=" + page})} {
		status, header, _ := sendAs(t, "POST", p.url+"/api/states_mean", "", fmt.Sprintf(`{"question":%q}`, obesity), "Origin: "+page, "Sec-Fetch-Site: cross-site")
		if status != http.StatusAccepted || header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%d %v", status, header)
		}
		if status, _, _ := sendAs(t, "POST", p.url+"/api/states_mean", "", "{}", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"); status != http.StatusForbidden {
			t.Errorf("another origin: %d", status)
		}
	}
	for _, flags := range [][]string{{"--cors-origin", page + "/"}, {"--cors-origin", "*", "--api-key", "k"}} {
		code, _, errs := lestats(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--store", t.TempDir()}, flags...)...)
		if code != exitFailed || !strings.Contains(errs, "--cors-origin") || !strings.Contains(errs, page) {
			t.Errorf("%q: %d: %s", flags, code, errs)
		}
	}
}

// onceEach sends each header in one line: nginx refuses a second If-None-Match.
type onceEach struct{}

// RoundTrip implements http.RoundTripper.
func (onceEach) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, lines := range r.Header {
		r.Header[name] = []string{strings.Join(lines, ", ")}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Answers through a proxy equal direct answers.
func TestContractThroughProxies(t *testing.T) {
	p := serve(t, nil)
	for _, way := range proxies(t, p) {
		t.Run(way.name, func(t *testing.T) {
			contract.Run(t, contract.Way{Base: way.url, Client: &http.Client{Timeout: time.Minute, Transport: onceEach{}}})

			_, _, body := sendAs(t, "POST", way.url+"/api/states_mean?wait=20", "", fmt.Sprintf(`{"question":%q}`, obesity))
			var job struct {
				Status string
				ID     string `json:"job_id"`
			}
			if err := json.Unmarshal([]byte(body), &job); err != nil || job.Status != "done" {
				t.Fatalf("%s, %v", body, err)
			}
			at := way.url + "/api/get_results/" + job.ID
			status, header, body := sendAs(t, "GET", at+"?wait=5", "", "", "Accept: text/csv")
			if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(body, "location,mean,synthetic\r\n") {
				t.Errorf("CSV: %d %v %.100s", status, header, body)
			}
			if status, _, body := sendAs(t, "GET", at, "", "", "Accept: text/csv", "If-None-Match: "+header.Get("ETag")); status != http.StatusNotModified || body != "" {
				t.Errorf("If-None-Match: %d %s", status, body)
			}
			if status, header, body := sendAs(t, "HEAD", at, "", ""); status != http.StatusOK || body != "" || header.Get("Content-Length") == "" {
				t.Errorf("HEAD: %d %v %s", status, header, body)
			}
		})
	}
}
