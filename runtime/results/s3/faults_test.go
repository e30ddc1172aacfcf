package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest/minio"
)

const (
	secret = "hush-hush-secret"
	token  = "hush-hush-token"
	object = "jobs/2026-11-25T03/a.json"

	// patience is for busy machines: unbounded calls take a minute, or for ever.
	patience = 15 * time.Second
)

// fake is as much of an S3 service as the adapter needs, with a say in every
// request.
type fake struct {
	*httptest.Server

	mu      sync.Mutex
	objects map[string][]byte
	seen    []*http.Request
	// hook answers in place of the service and returns true, or lets it answer. n
	// counts the requests to objects, from 1.
	hook func(w http.ResponseWriter, r *http.Request, n int) bool
	// mute breaks the connection after the service has done what it was asked.
	mute func(n int) bool
	n    int
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{objects: map[string][]byte{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := payload(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r)
	asked := strings.HasSuffix(r.URL.Path, "/pending/.missing") // by Ping
	if strings.Count(r.URL.Path, "/") < 3 || asked {            // the bucket
		if f.hook != nil && f.hook(w, r, 0) {
			return
		}
		if asked {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
		return
	}
	f.n++
	if f.hook != nil && f.hook(w, r, f.n) {
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	there, ok := f.objects[key]
	switch {
	case r.Method == http.MethodPut && ok && r.Header.Get("If-None-Match") == "*":
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case r.Method == http.MethodPut:
		f.objects[key] = body
		if f.mute != nil && f.mute(f.n) {
			hangUp(w)
		}
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 03:00:00 GMT")
		_, _ = w.Write(there)
	}
}

// payload reads a body that may be signed in chunks.
func payload(r *http.Request) []byte {
	b, _ := io.ReadAll(r.Body)
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return b
	}
	var out []byte
	for chunks := bufio.NewReader(bytes.NewReader(b)); ; {
		line, err := chunks.ReadString('\n')
		size, _, _ := strings.Cut(line, ";")
		n, _ := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || n == 0 {
			return out
		}
		chunk := make([]byte, n+2)
		_, _ = io.ReadFull(chunks, chunk)
		out = append(out, chunk[:n]...)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>as the test wants</Message></Error>`, code)
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (f *fake) config() s3.Config {
	return s3.Config{
		URL: "s3://bucket/some/prefix", Endpoint: f.URL, Region: "eu-west-3", AccessKey: "AKIATEST", SecretKey: secret,
		Timeout: 300 * time.Millisecond,
	}
}

func (f *fake) open(t *testing.T) *s3.Objects {
	t.Helper()
	return open(t, f.config())
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// wantUnavailable checks that err tells all of that, and no secret.
func wantUnavailable(t *testing.T, err error, parts ...string) {
	t.Helper()
	if question.CodeOf(err) != question.CodeStoreUnavailable {
		t.Errorf("%v: want %s", err, question.CodeStoreUnavailable)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), token) {
		t.Errorf("%q tells a secret", err)
	}
}

func TestSlowDown(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	f := newFake(t)
	o := f.open(t)
	f.hook = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n%3 != 0 {
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
		}
		return n%3 != 0
	}
	if created, err := o.Create(t.Context(), object, []byte("x")); err != nil || !created {
		t.Errorf("the third attempt should have succeeded: %v, %v", created, err)
	}
	if err := o.Put(t.Context(), "pending/a", []byte("x")); err != nil {
		t.Error(err)
	}
	if data, err := o.Get(t.Context(), "pending/a", 0); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if n := f.count(); n != 9 {
		t.Errorf("%d requests", n)
	}

	f.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}
	start := time.Now()
	_, err := o.Create(t.Context(), "jobs/2026-11-25T03/b.json", []byte("x"))
	wantUnavailable(t, err, "slow down")
	wantUnavailable(t, o.Put(t.Context(), "pending/b", []byte("x")), "slow down")
	_, err = o.Get(t.Context(), "pending/b", 0)
	wantUnavailable(t, err, "slow down")
	if took := time.Since(start); took > patience {
		t.Errorf("three calls took %s to give up", took)
	}
}

func TestConflict(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	f := newFake(t)
	o := f.open(t)
	f.hook = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.Method == http.MethodPut && n < 5 {
			refuse(w, http.StatusConflict, "ConditionalRequestConflict")
			return true
		}
		return false
	}
	if created, err := o.Create(t.Context(), object, []byte("x")); err != nil || !created {
		t.Errorf("after four conflicts: %v, %v", created, err)
	}

	always := func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut {
			refuse(w, http.StatusConflict, "ConditionalRequestConflict")
		}
		return r.Method == http.MethodPut
	}
	long := f.config()
	long.Timeout = 5 * time.Second
	patient := open(t, long)
	f.hook = always
	if created, err := patient.Create(t.Context(), object, []byte("another")); err != nil || created {
		t.Errorf("conflicts for ever, and somebody else's object is there: %v, %v", created, err)
	}
	created, err := patient.Create(t.Context(), "jobs/2026-11-25T03/b.json", []byte("x"))
	if created {
		t.Error("created what was always refused")
	}
	if err == nil {
		t.Error("conflicts for ever, and nothing is there: no error")
	}
}

// TestAmbiguous: the connection breaks when the object was stored already.
func TestAmbiguous(t *testing.T) {
	for _, test := range []struct {
		name    string
		attempt func(n int) bool // breaks
		there   string           // before
		created bool
		content string
	}{
		{"ours at the second attempt", func(n int) bool { return n == 1 }, "", true, "ours"},
		{"ours at the last", func(int) bool { return true }, "", true, "ours"},
		{"somebody else's", func(int) bool { return true }, "theirs", false, "theirs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			o := f.open(t)
			if test.there != "" {
				f.objects["some/prefix/"+object] = []byte(test.there)
			}
			f.mute = test.attempt
			created, err := o.Create(t.Context(), object, []byte("ours"))
			if err != nil || created != test.created {
				t.Errorf("created %v, %v", created, err)
			}
			if got := string(f.objects["some/prefix/"+object]); got != test.content {
				t.Errorf("the object is %q", got)
			}
		})
	}

	// Each attempt is stored by nobody, and then another writer is first.
	f := newFake(t)
	o := f.open(t)
	f.hook = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			f.objects["some/prefix/"+object] = []byte("theirs")
			hangUp(w)
		}
		return n == 1
	}
	if created, err := o.Create(t.Context(), object, []byte("ours")); err != nil || created {
		t.Errorf("created %v, %v", created, err)
	}

	// Nothing was stored, ever.
	f = newFake(t)
	o = f.open(t)
	f.hook = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodPut {
			hangUp(w)
		}
		return r.Method == http.MethodPut
	}
	created, err := o.Create(t.Context(), object, []byte("ours"))
	wantUnavailable(t, err, "closed the connection", f.URL)
	if created {
		t.Error("created")
	}
}

func TestTruncatedBody(t *testing.T) {
	f := newFake(t)
	o := f.open(t)
	want := bytes.Repeat([]byte("0123456789"), 10_000)
	if err := o.Put(t.Context(), "pending/a", want); err != nil {
		t.Fatal(err)
	}
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", strconv.Itoa(len(want)))
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 03:00:00 GMT")
		_, _ = w.Write(want[:5000])
		hangUp(w)
	}
	f.hook = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 2 {
			cut(w)
		}
		return n == 2
	}
	if got, err := o.Get(t.Context(), "pending/a", 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after one answer that was cut short: %d bytes, %v", len(got), err)
	}
	f.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool { cut(w); return true }
	got, err := o.Get(t.Context(), "pending/a", 0)
	wantUnavailable(t, err, "closed the connection")
	if got != nil {
		t.Errorf("%d bytes of an object that was cut short", len(got))
	}
}

// TestNoRanges: a service that does not know ranges does not make a listing read
// what it should not.
func TestNoRanges(t *testing.T) {
	o := newFake(t).open(t)
	if err := o.Put(t.Context(), "pending/a", make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Get(t.Context(), "pending/a", 100); err != nil || len(got) != 100 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		code   string
		status int
		want   string
	}{
		{"AccessDenied", 403, "s3:ListBucket"},
		{"InvalidAccessKeyId", 403, "does not know the access key AKIATEST (from the configuration)"},
		{"SignatureDoesNotMatch", 403, "secret key does not belong"},
		{"ExpiredToken", 400, "session token"},
		{"RequestTimeTooSkewed", 403, "clock"},
		{"NoSuchBucket", 404, "no such bucket"},
		{"AuthorizationHeaderMalformed", 400, `the region "eu-west-3" is not the bucket's`},
		{"PermanentRedirect", 301, `the region "eu-west-3" is not the bucket's`},
		{"XMinioStorageFull", 507, "it is full"},
		{"NotImplemented", 501, "use another service"},
		{"InternalError", 500, "it fails"},
		{"NoSuchThing", 404, "is the endpoint an S3 service"},
		{"Odd", 418, "it refuses (Odd, status 418)"},
	} {
		t.Run(test.code, func(t *testing.T) {
			f := newFake(t)
			cfg := f.config()
			cfg.Attempts = 1
			o := open(t, cfg)
			f.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				refuse(w, test.status, test.code)
				return true
			}
			_, err := s3.Open(t.Context(), cfg)
			wantUnavailable(t, err, test.want, "the bucket bucket at "+f.URL)
			// Not with a redirect: there minio-go 7.4.1 races with net/http over who
			// closes the body that it signs (StreamingReader.Close).
			if test.status != http.StatusMovedPermanently {
				created, err := o.Create(t.Context(), object, []byte("x"))
				wantUnavailable(t, err, test.want)
				if created {
					t.Error("created what was refused")
				}
			}
			_, err = results.New(o).Outcomes(t.Context(), question.JobFilter{}, "", 1)
			wantUnavailable(t, err, test.want)
		})
	}
}

// TestNoListing: S3 answers 403, and not 404, for a key that is not there to a role that
// may list the bucket only on a condition, or not at all. Then nothing that is pending
// would ever end, and nothing may be taken.
func TestNoListing(t *testing.T) {
	server := minio.Start(t)
	at, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var denies atomic.Bool
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(at); r.Out.Host = r.In.Host }, // which is signed
		ModifyResponse: func(r *http.Response) error {
			if !denies.Load() || r.StatusCode != http.StatusNotFound || r.Request.Method != http.MethodGet && r.Request.Method != http.MethodHead {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = r.Body.Close()
			}
			if bytes.Contains(body, []byte("NoSuchKey")) || r.Request.Method == http.MethodHead {
				r.StatusCode, r.Status = http.StatusForbidden, "403 Forbidden"
				body = []byte(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	})
	defer proxy.Close()
	cfg := config(server)
	cfg.Endpoint = proxy.URL
	cfg.URL += "/listing" + time.Now().Format("150405.000000000")
	store := results.New(open(t, cfg))
	job := storetest.Pending(storetest.ID(time.Now(), 1))
	if err := store.PutPending(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), job.ID); err != nil {
		t.Errorf("while 404 is 404: %v", err)
	}

	denies.Store(true)
	_, err = s3.Open(t.Context(), cfg)
	wantUnavailable(t, err, "s3:ListBucket on the bucket itself, without any condition", "s3:prefix", "s3:GetObject")
	wantUnavailable(t, store.Ping(t.Context()), "s3:ListBucket on the bucket itself, without any condition")
	_, err = store.Get(t.Context(), job.ID) // its outcome is not there, and S3 does not say so
	wantUnavailable(t, err, "s3:ListBucket on the bucket itself, without a condition")
	denies.Store(false)
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("404 again: %v", err)
	}
}

// TestNotS3: a web server that has nothing at any path is no store.
func TestNotS3(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	cfg := newFake(t).config()
	cfg.Endpoint = web.URL
	_, err := s3.Open(t.Context(), cfg)
	wantUnavailable(t, err, "no such bucket")
}

// TestNobodyThere: servers that are gone, or as good as.
func TestNobodyThere(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() }) // it listens, and says nothing
		}
	})
	plain := newFake(t)
	for _, test := range []struct{ name, endpoint, want string }{
		{"closed port", closed.URL, "nothing listens there"},
		{"silent", "http://" + listener.Addr().String(), "does not answer within 200ms"},
		{"not TLS", strings.Replace(plain.URL, "http://", "https://", 1), "does not speak TLS"},
		{"no such host", "http://nowhere.invalid:9000", "the name nowhere.invalid is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := plain.config()
			cfg.Endpoint, cfg.Timeout, cfg.Attempts = test.endpoint, 200*time.Millisecond, 2
			start := time.Now()
			_, err := s3.Open(t.Context(), cfg)
			wantUnavailable(t, err, test.want)
			if took := time.Since(start); took > patience {
				t.Errorf("it took %s to say so", took)
			}
			// The caller's patience comes first, and is what is told.
			cfg.Timeout = time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start = time.Now()
			if _, err := s3.Open(ctx, cfg); question.CodeOf(err) != question.CodeStoreUnavailable {
				t.Error(err)
			} else if test.name == "silent" && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: want the deadline of the caller", err)
			}
			if took := time.Since(start); took > patience {
				t.Errorf("it took %s in spite of the context", took)
			}
		})
	}
	_ = listener.Close()
	conns.Wait()
}

// TestStall: a listing that stops in the middle of an answer ends.
func TestStall(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Timeout, cfg.Attempts = 200*time.Millisecond, 1
	o := open(t, cfg)
	stop := make(chan struct{})
	f.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		_, _ = io.WriteString(w, `<ListBucketResult><Contents><Key>some/prefix/pending/a</Key></Contents>`)
		_ = http.NewResponseController(w).Flush()
		<-stop
		return true
	}
	defer close(stop)
	start := time.Now()
	var err error
	for _, e := range o.List(t.Context(), "pending/", "") {
		err = errors.Join(err, e)
	}
	wantUnavailable(t, err, "does not answer within")
	if took := time.Since(start); took > patience {
		t.Errorf("it took %s", took)
	}
}

// TestServerDies: what was accepted is there when the server is back.
func TestServerDies(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes long")
	}
	server := minio.StartOwn(t)
	cfg := config(server)
	cfg.Attempts = 2
	s := results.New(open(t, cfg))
	job := storetest.Pending(storetest.ID(time.Now(), 1))
	done := storetest.Done(storetest.ID(time.Now(), 2), 100)
	if err := s.PutPending(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if created, err := s.PutOutcome(t.Context(), done); err != nil || !created {
		t.Fatal(created, err)
	}
	server.Kill()
	_, err := s.Get(t.Context(), job.ID)
	wantUnavailable(t, err, "nothing listens there")
	wantUnavailable(t, s.PutPending(t.Context(), job), "nothing listens there")
	_, err = s.PutOutcome(t.Context(), done)
	wantUnavailable(t, err, "nothing listens there")
	_, err = s.Outcomes(t.Context(), question.JobFilter{}, "", 1)
	wantUnavailable(t, err, "nothing listens there")
	wantUnavailable(t, s.Ping(t.Context()), "nothing listens there")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if created, err := s.PutOutcome(t.Context(), done); err != nil || created {
		t.Errorf("the outcome from before: created %v, %v", created, err)
	}
	jobs, err := s.Pending(t.Context(), question.JobFilter{}, "", 0)
	if err != nil || len(jobs.Jobs) != 1 || jobs.Jobs[0].ID != job.ID {
		t.Errorf("pending: %v, %v", jobs, err)
	}

	// What a real server says of bad credentials and of a bucket that is not there.
	bad := cfg
	bad.SecretKey = secret
	_, err = s3.Open(t.Context(), bad)
	wantUnavailable(t, err, "secret key does not belong")
	bad = cfg
	bad.AccessKey = "AKIANOBODY"
	_, err = s3.Open(t.Context(), bad)
	wantUnavailable(t, err, "does not know the access key AKIANOBODY")
	bad = cfg
	bad.URL, bad.CreateBucket = "s3://missing", false
	_, err = s3.Open(t.Context(), bad)
	wantUnavailable(t, err, "no such bucket")
}

func TestCredentials(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	f := newFake(t)
	// used returns the access key and the session token that a service sees.
	used := func(cfg s3.Config) (key, session string) {
		t.Helper()
		f.seen = nil
		o, err := s3.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		_, credential, _ := strings.Cut(f.seen[0].Header.Get("Authorization"), "Credential=")
		key, _, _ = strings.Cut(credential, "/")
		return key, f.seen[0].Header.Get("X-Amz-Security-Token")
	}
	check := func(cfg s3.Config, wantKey, wantSession string) {
		t.Helper()
		if key, session := used(cfg); key != wantKey || session != wantSession {
			t.Errorf("the service saw key %q, session token %q; want %q, %q", key, session, wantKey, wantSession)
		}
	}
	cfg := f.config()
	cfg.AccessKey, cfg.SecretKey = "", ""

	// No source has any; the role's service says no.
	role := http.NotFound
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { role(w, r) }))
	defer service.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.URL)
	_, err := s3.Open(t.Context(), cfg)
	wantUnavailable(t, err, "there are no credentials", "AWS_ACCESS_KEY_ID", "404")

	// From last to first.
	role = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"AKIAROLE","SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
			secret, token, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
	check(cfg, "AKIAROLE", token)
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key="+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	check(cfg, "AKIAFILE", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", token)
	check(cfg, "AKIAENV", token)
	cfg.AccessKey, cfg.SecretKey = "AKIAGIVEN", secret
	check(cfg, "AKIAGIVEN", "") // and not the environment's session token
	cfg.SessionToken = token
	check(cfg, "AKIAGIVEN", token)

	// The endpoint and the region from the environment.
	cfg.Endpoint, cfg.Region = "", ""
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_S3", f.URL)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "ap-south-1")
	check(cfg, "AKIAGIVEN", token)
	if auth := f.seen[0].Header.Get("Authorization"); !strings.Contains(auth, "/ap-south-1/s3/") {
		t.Errorf("the request is signed for another region: %s", auth)
	}
	if path := f.seen[0].URL.Path; !strings.HasPrefix(path, "/bucket/") {
		t.Errorf("the bucket is not in the path: %s", path)
	}
}

func TestConfig(t *testing.T) {
	good := newFake(t).config()
	for want, change := range map[string]func(c *s3.Config){
		"use s3://bucket":              func(c *s3.Config) { c.URL = "" },
		`"https://bucket": use s3`:     func(c *s3.Config) { c.URL = "https://bucket" },
		"credentials and options":      func(c *s3.Config) { c.URL = "s3://key:" + secret + "@bucket" },
		"...@bucket":                   func(c *s3.Config) { c.URL = "s3://key:" + secret + "@bucket" },
		"given separately":             func(c *s3.Config) { c.URL = "s3://bucket/x?secret=" + secret },
		`the bucket "Bucket"`:          func(c *s3.Config) { c.URL = "s3://Bucket" },
		`the bucket ""`:                func(c *s3.Config) { c.URL = "s3:///prefix" },
		`the prefix "a/../b/"`:         func(c *s3.Config) { c.URL = "s3://bucket/a/../b" },
		`the prefix "a//b/"`:           func(c *s3.Config) { c.URL = "s3://bucket/a//b" },
		`the S3 endpoint "ftp://host"`: func(c *s3.Config) { c.Endpoint = "ftp://host" },
		`endpoint "http://...@host"`:   func(c *s3.Config) { c.Endpoint = "http://key:" + secret + "@host" },
		"without a path":               func(c *s3.Config) { c.Endpoint = "http://host/path" },
		"its port is not a number":     func(c *s3.Config) { c.Endpoint = "http://host:123456" },
		`"dns": use "auto"`:            func(c *s3.Config) { c.Lookup = "dns" },
		"incomplete":                   func(c *s3.Config) { c.SecretKey = "" },
		"give both access key":         func(c *s3.Config) { c.AccessKey, c.SecretKey, c.SessionToken = "", "", token },
		"must be positive":             func(c *s3.Config) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		_, err := s3.Open(t.Context(), cfg)
		wantUnavailable(t, err, want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, good); strings.Contains(text, secret) {
			t.Errorf("%s of a Config tells its secret: %s", format, text)
		}
	}
}

// TestClock: the store's time is the service's, however wrong this machine's is; a
// bucket is never opened alone.
func TestClock(t *testing.T) {
	fake := newFake(t)
	ahead := 8 * 24 * time.Hour
	fake.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		return false
	}
	o := fake.open(t)
	if at := results.New(o).AloneSince(); !at.IsZero() {
		t.Errorf("alone since %s", at)
	}
	for _, by := range []time.Duration{ahead, -time.Hour} {
		ahead = by
		if err := o.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		now, err := o.Now(t.Context())
		if off := time.Until(now) - by; err != nil || off > 0 || off < -patience {
			t.Errorf("it is %s off the service's clock, %v", off, err)
		}
	}
}
