package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/le-stats-sportifs/lestats/functions/doctor"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
	"github.com/le-stats-sportifs/lestats/runtime/testtool"
)

// examine runs the real `lestats doctor --json` in a folder of its own, and returns its exit
// code and its findings. As nobody, it is user 65534, if this one is root.
func examine(t *testing.T, env []string, asNobody bool, args ...string) (int, diagnosis) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, append([]string{"doctor", "--json", "--listen", "127.0.0.1:0"}, args...)...)
	if asNobody && os.Getuid() == 0 {
		cmd.Path = filepath.Join(home, "lestats")
		if err := errors.Join(os.Link(exe, cmd.Path), os.Chmod(filepath.Dir(home), 0o755), os.Chmod(cmd.Path, 0o755)); err != nil {
			testtool.Without(t, err.Error()) // another file system
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, &out, &errs
	cmd.Env = append(append(os.Environ(), asLestats+"=1"), env...)
	err = cmd.Run()
	var found diagnosis
	if json.Unmarshal(out.Bytes(), &found) != nil || found.Good != (err == nil) {
		t.Fatalf("%v\n%s\n%s", err, out.String(), errs.String())
	}
	if errs.Len() > 0 {
		t.Errorf("on standard error: %s", errs.String())
	}
	return cmd.ProcessState.ExitCode(), found
}

// wantToDo fails t unless exactly one finding has something to do: this one, with all words.
func wantToDo(t *testing.T, d diagnosis, check string, words ...string) {
	t.Helper()
	var toDo []string
	right := false
	for _, f := range d.Findings {
		if f.Good {
			continue
		}
		toDo = append(toDo, f.Check+": "+f.Seen+": "+f.Do)
		right = f.Check == check
		for _, w := range words {
			right = right && strings.Contains(f.Seen+": "+f.Do, w)
		}
	}
	if len(toDo) != 1 || !right {
		t.Errorf("to do: %q\nwant one, of %s, with %q", toDo, check, words)
	}
}

func TestDoctor(t *testing.T) {
	broken, unfit, other := t.TempDir(), t.TempDir(), t.TempDir()
	for folder, name := range map[string]string{broken: "describe_traps", unfit: "missing_column"} {
		wasm, err := os.ReadFile("../../runtime/sandbox/testdata/" + name + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		drop(t, folder, wasm)
	}
	if err := os.Chmod(other, 0o777); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(other, "keys.yaml") // for everybody to read
	if err := errors.Join(os.WriteFile(open, []byte("# none\n"), 0o644), os.Chmod(open, 0o644)); err != nil {
		t.Fatal(err)
	}
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	for name, tt := range map[string]struct {
		args  []string
		check string
		words []string
	}{
		"time limit":       {[]string{"--time-limit=-1s"}, "configuration", []string{"-1s", "above zero"}},
		"base path":        {[]string{"--base-path", "stats"}, "configuration", []string{"begins with a slash"}},
		"origin":           {[]string{"--cors-origin", "example.org"}, "configuration", []string{"--cors-origin"}},
		"limits":           {[]string{"--limits", "nowhere.yaml"}, "configuration", []string{"nowhere.yaml: no such file or directory: correct the name", "nothing else was checked"}},
		"dead queue alone": {[]string{"--dead-queue-url", "http://127.0.0.1:1/1/dead"}, "configuration", []string{"--queue-url"}},
		"one queue twice":  {[]string{"--queue-url", "http://127.0.0.1:1/1/jobs", "--dead-queue-url", "http://127.0.0.1:1/1/jobs"}, "configuration", []string{"both jobs"}},
		"dataset":          {[]string{"--data", "nowhere.csv"}, "dataset", []string{"nowhere.csv", "no such file"}},
		"plugin refused":   {[]string{"--plugins", broken}, "plugin", []string{"good.wasm is REFUSED", "plugin check"}},
		"plugin unfit":     {[]string{"--plugins", unfit}, "plugin", []string{"UNFIT", "remove"}},
		"plugin folder":    {[]string{"--plugins", "nowhere"}, "plugin", []string{"nowhere", "correct the name"}},
		"lock":             {[]string{"--plugins-lock", "nowhere.lock"}, "plugin", []string{"nowhere.lock"}},
		"no parent":        {[]string{"--store", "no/where"}, "store", []string{"no/where: its parent is missing"}},
		"no store":         {[]string{"--store", "ftp://x"}, "store", []string{"ftp"}},
		"cache":            {[]string{"--cache", other}, "cache", []string{"chmod o-w"}},
		"address":          {[]string{"--listen", strings.TrimPrefix(taken.URL, "http://")}, "address", []string{"another program", "choose another"}},
		"not here":         {[]string{"--listen", "192.0.2.1:80"}, "address", []string{"--listen 127.0.0.1:8081"}},
		"admin address":    {[]string{"--admin-listen", strings.TrimPrefix(taken.URL, "http://")}, "admin address", []string{"another program", "--admin-listen"}},
		"keys":             {[]string{"--keys", filepath.Join(broken, "nokeys.yaml")}, "keys", []string{"nokeys.yaml", "lestats key new NAME"}},
		"open keys":        {[]string{"--keys", open}, "keys", []string{"keys.yaml"}},
		"log file":         {[]string{"--log-file", filepath.Join(broken, "good.wasm", "log")}, "log file", []string{"is not a folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			if (testing.Short() || testtool.Race) && tt.check != "configuration" {
				t.Skip("it compiles the plugin")
			}
			code, d := examine(t, nil, false, tt.args...)
			if code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			wantToDo(t, d, tt.check, tt.words...)
		})
	}
}

// Beside a server that runs, everything is good, and the store is as it was.
func TestDoctorBesideServer(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	server := serve(t, nil, "--store", store)
	server.ask("global_mean", `{"question":"Percent of adults aged 18 years and older who have obesity"}`)
	before := filesIn(t, store)
	for begun := time.Now(); slices.ContainsFunc(before, func(path string) bool { return filepath.Dir(path) == filepath.Join(store, "tmp") }); before = filesIn(t, store) {
		if time.Sleep(10 * time.Millisecond); time.Since(begun) > 10*time.Second {
			t.Fatalf("the server has a temporary file: %s", before)
		}
	}
	code, d := examine(t, nil, false, "--store", store, "--listen", strings.TrimPrefix(server.url, "http://"))
	if code != exitOK || !d.Good || d.Version != version {
		t.Errorf("exit code %d, %+v", code, d)
	}
	last := d.Findings[len(d.Findings)-1]
	if last.Check != "address" || !strings.Contains(last.Seen, "in use by a server of this program") {
		t.Errorf("%+v", last)
	}
	if after := filesIn(t, store); !slices.Equal(before, after) {
		t.Errorf("the store had\n%s\nand has\n%s", before, after)
	}
}

// In an empty folder, doctor leaves an empty folder; its lines are for people.
func TestDoctorWritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{}, {"--store", "."}} { // a folder to be made, and one that is empty
		code, out, errs := lestats(t, append([]string{"doctor", "--listen", "127.0.0.1:0"}, args...)...)
		if code != exitOK || errs != "" || strings.Contains(out, "TO DO") || !containsLine(out, "good", "store: create-only", "one of 8") || !containsLine(out, "good", "plugin", "sportifs") {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
		if left := filesIn(t, "."); len(left) != 0 {
			t.Errorf("%v: it left %q", args, left)
		}
	}
	code, out, _ := lestats(t, "doctor", "--listen", "127.0.0.1:0", "--data", "nowhere.csv")
	if code != exitFailed || !containsLine(out, "TO DO", "dataset", "nowhere.csv") || !strings.Contains(out, "\n1 of ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// filesIn lists what is below a folder.
func filesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if path != folder {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDoctorReadOnlyFolder(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	if err := folderStore(t, store).Close(); err != nil {
		t.Fatal(err)
	}
	folders := append(filesIn(t, store), store)
	chmod := func(mode os.FileMode) {
		for _, path := range folders {
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				if err := os.Chmod(path, mode); err != nil {
					t.Error(err)
				}
			}
		}
	}
	chmod(0o555)
	defer chmod(0o755) // or else nobody but root can remove them
	if err := os.Chmod(filepath.Dir(filepath.Dir(store)), 0o755); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir() // as in the image: made by root, for others to read
	if err := errors.Join(os.WriteFile(filepath.Join(cache, "compiled"), nil, 0o644), os.Chmod(cache, 0o555)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(cache, 0o755) }()
	code, d := examine(t, []string{"HOME=/tmp"}, true, "--store", store, "--cache", cache)
	for _, f := range d.Findings {
		if f.Check == "cache" && !strings.Contains(f.Seen, "can be read, and not written by this user") {
			t.Errorf("%+v", f)
		}
	}
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	wantToDo(t, d, "store", store, "this user may not write there", "permission denied")
}

// changed returns the address of a proxy of an S3 server that changes its answers.
func changed(t *testing.T, endpoint string, change func(*http.Response) error) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: change,
		ErrorLog:       log.New(io.Discard, "", 0), // of clients that hang up
	})
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorInTheCloud(t *testing.T) {
	if testing.Short() || testtool.Race {
		t.Skip("it starts MinIO and goaws, and compiles the plugin again and again")
	}
	c := newCloud(t)
	c.results(t) // creates the bucket
	address := "--s3-endpoint=" + c.minio.Endpoint
	lax := changed(t, c.minio.Endpoint, func(r *http.Response) error {
		if r.StatusCode == http.StatusPreconditionFailed { // as a service that ignores If-None-Match
			r.StatusCode, r.Body, r.ContentLength = http.StatusOK, http.NoBody, 0
			r.Header = http.Header{"Etag": {`"0"`}, "Content-Length": {"0"}}
		}
		return nil
	})
	hidden := changed(t, c.minio.Endpoint, func(r *http.Response) error {
		if r.Request.URL.Query().Has("list-type") {
			const none = `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(none)), int64(len(none))
			r.Header.Del("Content-Length")
		}
		return nil
	})
	partly := changed(t, c.minio.Endpoint, func(r *http.Response) error {
		if r.Request.Method == http.MethodPut && strings.Contains(r.Request.URL.Path, "/keys/") { // as a role that was made before there were keys
			const denied = `<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`
			r.StatusCode, r.Body, r.ContentLength = http.StatusForbidden, io.NopCloser(strings.NewReader(denied)), int64(len(denied))
			r.Header.Del("Content-Length")
		}
		return nil
	})
	gone := strings.Replace(c.queue.Jobs, "/jobs", "/nowhere", 1)
	plain := c.queue.New(t)
	for name, tt := range map[string]struct {
		env, args []string
		check     string // "" if all is good
		words     []string
	}{
		"good":           {nil, []string{address}, "", nil},
		"secret key":     {[]string{"AWS_SECRET_ACCESS_KEY=wrong-" + c.minio.SecretKey}, []string{address}, "store", []string{"the secret key does not belong to the access key lestats-test"}},
		"access key":     {[]string{"AWS_ACCESS_KEY_ID=nobody"}, []string{address}, "store", []string{"does not know the access key nobody"}},
		"no bucket":      {nil, []string{address, "--store", "s3://nowhere"}, "store", []string{"no such bucket"}},
		"nobody listens": {nil, []string{"--s3-endpoint", "http://127.0.0.1:1"}, "store", []string{"nothing listens there"}},
		"one folder":     {nil, []string{"--s3-endpoint", partly}, "store: write", []string{"the folder keys/ cannot be written", "not allowed"}},
		"no conditions":  {nil, []string{"--s3-endpoint", lax}, "store: create-only", []string{"created a second time", "If-None-Match"}},
		"no listing":     {nil, []string{"--s3-endpoint", hidden}, "store: list", []string{"created, raced, written"}},
		"clock":          {nil, []string{"--s3-endpoint", later(t, c.minio.Endpoint, time.Minute)}, "store: clock", []string{"ahead", "correct the time"}},
		"queue":          {[]string{"LESTATS_DEAD_QUEUE_URL="}, []string{address, "--queue-url", gone}, "queue", []string{"nowhere"}},
		"queue's limit":  {nil, []string{address, "--time-limit", "5m"}, "queue", []string{"visibility timeout of jobs is 1m0s", "5m0s"}},
		"no dead queue":  {[]string{"LESTATS_DEAD_QUEUE_URL="}, []string{address, "--queue-url", plain}, "dead-letter queue", []string{"redrive policy"}},
		"another dead":   {nil, []string{address, "--dead-queue-url", plain}, "dead-letter queue", []string{"moves messages to jobs-dead"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := examine(t, tt.env, false, tt.args...)
			if tt.check == "store" {
				d.Findings = slices.DeleteFunc(d.Findings, func(f doctor.Finding) bool { return strings.HasPrefix(f.Seen, "plugins in the bucket were not") })
			}
			if tt.check == "" {
				if !d.Good {
					t.Errorf("%+v", d)
				}
				return
			}
			wantToDo(t, d, tt.check, tt.words...)
		})
	}
	objects, err := s3.Open(t.Context(), s3.Config{URL: c.store, Endpoint: c.minio.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	for _, folder := range results.Folders() {
		for entry, err := range objects.List(t.Context(), folder, "") {
			t.Errorf("%s%s is left in the bucket, %v", folder, entry.Name, err)
		}
	}
}

// A store that takes connections and never answers: doctor ends all the same, in time.
func TestDoctorOfASilentStore(t *testing.T) {
	if testing.Short() || testtool.Race {
		t.Skip("it waits for 18 s, and measures time")
	}
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	env := []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1"}
	address := "http://" + silent.Addr().String()
	begin := time.Now()
	_, d := examine(t, env, false, "--store", "s3://results", "--s3-endpoint", address, "--queue-url", address+"/1/jobs")
	if took := time.Since(begin); took > 35*time.Second { // 18 s where nothing else runs
		t.Errorf("it took %s", took)
	}
	var toDo []string
	for _, f := range d.Findings {
		if !f.Good {
			toDo = append(toDo, f.Check)
		}
		if f.Check == "store" && !strings.Contains(f.Do, "it does not answer within 5s: check the network and the endpoint") {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Equal(toDo, []string{"plugin", "store", "queue"}) {
		t.Errorf("to do: %q", toDo)
	}
}
