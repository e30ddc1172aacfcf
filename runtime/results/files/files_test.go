package files_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/files"
	"github.com/le-stats-sportifs/lestats/runtime/results/storetest"
)

// envWriter tells the test binary to be a process that accepts jobs into that
// folder until it is killed.
const envWriter = "LESTATS_TEST_WRITER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(envWriter); folder != "" {
		writer(folder)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	for _, test := range []struct {
		name       string
		durability files.Durability
		links      bool
	}{{"process", files.Process, false}, {"disk", files.Disk, false}, {"links", files.Process, true}} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) results.Objects {
				o := open(t, files.Config{Durability: test.durability})
				if test.links {
					files.UseLinks(o)
				}
				return o
			})
		})
	}
}

// writer accepts jobs, and ends some, and says so once each is acknowledged.
func writer(folder string) {
	o, err := files.Open(files.Config{Folder: folder})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	s := results.New(o)
	for i := 0; ; i++ {
		id := uuid.Must(uuid.NewV7()).String()
		err := s.PutPending(context.Background(), storetest.Pending(id))
		fmt.Println("pending", id, err)
		if i%2 == 0 {
			_, err = s.PutOutcome(context.Background(), storetest.Done(id, 500))
			fmt.Println("done", id, err)
			_ = s.DeletePending(context.Background(), id)
		}
	}
}

// TestKill: what was acknowledged survives kill -9, and nothing is half there.
func TestKill(t *testing.T) {
	folder := t.TempDir()
	accepted := map[string]question.Status{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envWriter+"="+folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 40+7*round {
				if o := open(t, files.Config{Folder: folder}); !o.AloneSince().IsZero() {
					t.Error("alone, beside a process that writes")
				} else if err := o.Close(); err != nil {
					t.Error(err)
				}
				if err := cmd.Process.Kill(); err != nil { // what it wrote until then is read on
					t.Fatal(err)
				}
			}
			word, rest, _ := strings.Cut(lines.Text(), " ")
			id, result, ok := strings.Cut(rest, " ")
			if !ok { // cut by the kill
				continue
			}
			if result != "<nil>" {
				t.Fatal(lines.Text())
			}
			accepted[id] = question.Queued
			if word == "done" {
				accepted[id] = question.Done
			}
		}
		_ = cmd.Wait()

		s := results.New(open(t, files.Config{Folder: folder}))
		alone := s.AloneSince()
		if alone.IsZero() {
			t.Error("not alone, although the other process is dead")
		}
		written, now, err := s.PendingTimes(t.Context())
		if err != nil || now.Before(alone) {
			t.Errorf("alone since %s, now %s, %v", alone, now, err)
		}
		for id, at := range written {
			if at.After(alone) {
				t.Errorf("%s, which the dead process wrote, is of %s; alone since %s", id, at, alone)
			}
		}
		for id, status := range accepted {
			job, err := s.Get(t.Context(), id)
			if err != nil || status == question.Done && (job.Status != status || job.Result.Rows() != 500) {
				t.Errorf("round %d: job %s, acknowledged as %s: %+v, %v", round, id, status, job, err)
			}
		}
		var log strings.Builder
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		if _, err := s.Pending(t.Context(), question.JobFilter{}, "", 0); err != nil {
			t.Error(err)
		}
		if _, err := s.Outcomes(t.Context(), question.JobFilter{}, "", 0); err != nil || log.Len() > 0 {
			t.Errorf("something is half there: %v, %s", err, &log)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(accepted) < 100 {
		t.Errorf("only %d jobs were accepted", len(accepted))
	}
}

// TestAlone: whoever opens a folder that nobody has open is alone at that moment,
// whoever comes later.
func TestAlone(t *testing.T) {
	folder := t.TempDir()
	opened := func(alone bool) *files.Objects {
		t.Helper()
		o, err := files.Open(files.Config{Folder: folder})
		if err != nil {
			t.Fatal(err)
		}
		if o.AloneSince().IsZero() == alone {
			t.Errorf("alone since %v, want %v", o.AloneSince(), alone)
		}
		return o
	}
	closed := func(o *files.Objects) {
		t.Helper()
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	first := opened(true)
	since := first.AloneSince()
	second := opened(false)
	if at := first.AloneSince(); !at.Equal(since) {
		t.Errorf("alone since %s, and since %s when another came", since, at)
	}
	if err := second.Put(t.Context(), "pending/x", nil); err != nil { // it shares the folder
		t.Error(err)
	}
	closed(first)
	third := opened(false) // the second is still there
	if at := second.AloneSince(); !at.IsZero() {
		t.Errorf("the second is alone since %s", at)
	}
	closed(second)
	closed(third)
	last := opened(true)
	if at := last.AloneSince(); at.Before(since) {
		t.Errorf("alone since %s, before %s", at, since)
	}
	closed(last)

	// Of many that start together at most one is alone.
	alone := make(chan bool)
	for range 8 {
		go func() {
			o, err := files.Open(files.Config{Folder: folder})
			if err != nil {
				t.Error(err)
				alone <- false
				return
			}
			t.Cleanup(func() { closed(o) })
			alone <- !o.AloneSince().IsZero()
		}()
	}
	n := 0
	for range 8 {
		if <-alone {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of 8 are alone", n)
	}
}

// TestForeign: whatever else lies where jobs and results are, those that are there are
// listed, read and swept.
func TestForeign(t *testing.T) {
	folder := t.TempDir()
	objects := open(t, files.Config{Folder: folder})
	s := results.New(objects)
	s.Log = slog.New(slog.DiscardHandler)
	hour := time.Now().UTC().Add(-72 * time.Hour).Truncate(time.Hour)
	id := func(n int) string { return storetest.ID(hour, n) }
	if _, err := s.PutOutcome(t.Context(), storetest.Done(id(0), 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.PutPending(t.Context(), storetest.Pending(id(1))); err != nil {
		t.Fatal(err)
	}
	within := filepath.Join(folder, "jobs", hour.Format("2006-01-02T15"))
	outcome := func(n int) string { return filepath.Join(within, id(n)+".json") }
	pending := func(n int) string { return filepath.Join(folder, "pending", id(n)) }
	at := 10
	for _, foreign := range []func(path string) error{
		func(path string) error { return os.Mkdir(path, 0o700) },
		func(path string) error { return os.MkdirAll(filepath.Join(path, "deep", "er"), 0o700) },
		func(path string) error { return os.Symlink(t.TempDir(), path) },
		func(path string) error { return os.Symlink("nowhere", path) },
		func(path string) error { return os.Symlink(filepath.Base(path), path) },
		func(path string) error { return os.Symlink("/dev/null", path) },
		func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		if err := errors.Join(foreign(outcome(at)), foreign(pending(at+100))); err != nil {
			t.Fatal(err)
		}
		at++
	}
	if err := errors.Join(os.Mkdir(filepath.Join(folder, "jobs", id(200)+".json"), 0o700), os.WriteFile(filepath.Join(folder, "jobs", hour.Add(-time.Hour).Format("2006-01-02T15")), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	// A job that is pending, and where its outcome goes there is a folder.
	if err := s.PutPending(t.Context(), storetest.Pending(id(10))); err != nil {
		t.Fatal(err)
	}

	for _, limit := range []int{0, 1, 2} {
		ended, err := s.Outcomes(t.Context(), question.JobFilter{}, "", limit)
		if err != nil || len(ended.Jobs) != 1 || ended.Jobs[0].ID != id(0) {
			t.Errorf("outcomes: %+v, %v", ended.Jobs, err)
		}
	}
	waiting, err := s.Pending(t.Context(), question.JobFilter{}, "", 0)
	if err != nil || len(waiting.Jobs) != 2 || waiting.Jobs[1].ID != id(1) || waiting.Jobs[0].ID != id(10) {
		t.Errorf("pending: %+v, %v", waiting, err)
	}
	if written, _, err := s.PendingTimes(t.Context()); err != nil || len(written) != 2 {
		t.Errorf("pending: %v, %v", written, err)
	}
	for n := range 2 {
		if _, err := s.Get(t.Context(), id(n)); err != nil {
			t.Error(err)
		}
	}
	for n := 10; n < at; n++ {
		for _, id := range []string{id(n), id(n + 100)} {
			if job, err := s.Get(t.Context(), id); err == nil || question.CodeOf(err) == question.CodeStoreUnavailable {
				t.Errorf("Get of what is no file: %+v, %v", job, err)
			}
		}
	}
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(outcome(0), old, old); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Sweep(t.Context(), 24*time.Hour, time.Time{}); removed != 1 || err != nil {
		t.Errorf("%d were swept, %v", removed, err)
	}
}

func TestOpenErrors(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(folder, "broken")
	if err := os.MkdirAll(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "jobs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg  files.Config
		want string
	}{
		{files.Config{}, "name one"},
		{files.Config{Folder: file}, "there is a file where a folder should be"},
		{files.Config{Folder: filepath.Join(file, "x")}, "there is a file where a folder should be"},
		{files.Config{Folder: broken}, "broken/jobs: not a directory"},
		{files.Config{Folder: filepath.Join(folder, "not", "there")}, "its parent is missing"},
		{files.Config{Folder: "dsk", Durability: "dsk"}, `durability "dsk": use "process" or "disk"`},
	} {
		_, err := files.Open(test.cfg)
		if question.CodeOf(err) != question.CodeStoreUnavailable || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.cfg.Folder) {
			t.Errorf("Open(%+v): %v\nwant %q", test.cfg, err, test.want)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused folder was written to: %v", err)
	}
}

// TestExplain: what a disk can answer. The tests may run as root, whom a mode
// does not stop, and cannot fill a disk.
func TestExplain(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.ENOSPC:  "it is full",
		syscall.EDQUOT:  "it is full",
		syscall.EROFS:   "read-only",
		syscall.EACCES:  "may not write there",
		syscall.EPERM:   "may not write there",
		syscall.EMFILE:  "ulimit -n",
		syscall.ENOTDIR: "there is a file",
		syscall.ENOENT:  "its parent is missing",
		syscall.EIO:     "it cannot be used",
	} {
		err := files.Explain("/srv/store", &fs.PathError{Op: "open", Path: "/srv/store/tmp/x", Err: cause})
		if question.CodeOf(err) != question.CodeStoreUnavailable || !errors.Is(err, cause) ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/srv/store: ") {
			t.Errorf("%v: %v; want %q", cause, err, want)
		}
	}
}

func TestLeftovers(t *testing.T) {
	folder := t.TempDir()
	open(t, files.Config{Folder: folder})
	older, young := filepath.Join(folder, "tmp", "older"), filepath.Join(folder, "tmp", "young")
	for _, path := range []string{older, young} {
		if err := os.WriteFile(path, []byte("half a jo"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(older, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	o := open(t, files.Config{Folder: folder})
	if _, err := os.Stat(older); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a dead process left is there still: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("another process may be writing this: %v", err)
	}
	if err := os.Remove(young); err != nil {
		t.Fatal(err)
	}
	// Whatever is done, nothing is left.
	for range 3 {
		if _, err := o.Create(t.Context(), "jobs/2026-11-25T03/a.json", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(o.Put(t.Context(), "pending/a", nil), o.Ping(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := os.ReadDir(filepath.Join(folder, "tmp")); err != nil || len(names) > 0 {
		t.Errorf("tmp holds %v, %v", names, err)
	}
}

// TestVanished: a folder that is gone (unmounted, perhaps) is not an empty one.
func TestVanished(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	o := open(t, files.Config{Folder: folder})
	s := results.New(o)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	id := storetest.ID(time.Now(), 1)
	_, get := s.Get(t.Context(), id)
	_, put := s.PutOutcome(t.Context(), storetest.Done(id, 1))
	_, pending := s.Pending(t.Context(), question.JobFilter{}, "", 1)
	_, outcomes := s.Outcomes(t.Context(), question.JobFilter{}, "", 1)
	_, _, times := s.PendingTimes(t.Context())
	for method, err := range map[string]error{
		"PendingTimes": times, "Get": get, "PutOutcome": put, "Pending": pending, "Outcomes": outcomes,
		"Ping": s.Ping(t.Context()), "PutPending": s.PutPending(t.Context(), storetest.Pending(id)),
	} {
		if question.CodeOf(err) != question.CodeStoreUnavailable || !strings.Contains(err.Error(), folder+" has vanished") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made again: %v", err)
	}
}

func TestKeysStayInside(t *testing.T) {
	o := open(t, files.Config{})
	for _, key := range []string{"", "../x", "/etc/passwd", "pending/../../x"} {
		if err := o.Put(t.Context(), key, nil); question.CodeOf(err) != question.CodeInternal {
			t.Errorf("Put(%q): %v", key, err)
		}
		if _, err := o.Get(t.Context(), key, 0); question.CodeOf(err) != question.CodeInternal {
			t.Errorf("Get(%q): %v", key, err)
		}
	}
}

func open(t testing.TB, cfg files.Config) *files.Objects {
	t.Helper()
	if cfg.Folder == "" {
		cfg.Folder = t.TempDir()
	}
	o, err := files.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// BenchmarkPendingTimes is what a look for lost jobs among 10,000 costs.
func BenchmarkPendingTimes(b *testing.B) {
	s := results.New(open(b, files.Config{}))
	const jobs = 10_000
	for i := range jobs {
		if err := s.PutPending(b.Context(), storetest.Pending(storetest.ID(time.Now(), i))); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if written, _, err := s.PendingTimes(b.Context()); err != nil || len(written) != jobs {
			b.Fatal(len(written), err)
		}
	}
}

// BenchmarkJob is what a job costs: one that was pending first (four calls), and
// one that ended before its id was given out (two).
func BenchmarkJob(b *testing.B) {
	for _, bench := range []struct {
		name       string
		durability files.Durability
		pending    bool
	}{{"outcome alone", files.Process, false}, {"pending first", files.Process, true}, {"outcome alone, disk", files.Disk, false}} {
		b.Run(bench.name, func(b *testing.B) {
			s := results.New(open(b, files.Config{Durability: bench.durability}))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := uuid.Must(uuid.NewV7()).String()
					var err error
					if bench.pending {
						err = s.PutPending(b.Context(), storetest.Pending(id))
					}
					created, putErr := s.PutOutcome(b.Context(), storetest.Done(id, 55))
					if err = errors.Join(err, putErr); bench.pending {
						err = errors.Join(err, s.DeletePending(b.Context(), id))
					}
					got, getErr := s.Get(b.Context(), id)
					if err = errors.Join(err, getErr); err != nil || !created || got.ID != id || got.Result.Rows() != 55 {
						b.Error(created, got, err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// A store that is opened for reading is read, and nothing is written to it, not even where
// there is none.
func TestReadOnly(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	for _, place := range []string{folder, filepath.Join(folder, "below"), t.TempDir()} {
		_, err := files.Open(files.Config{Folder: place, ReadOnly: true})
		if question.CodeOf(err) != question.CodeStoreUnavailable || !strings.Contains(err.Error(), "no store at "+place) {
			t.Errorf("%s: %v", place, err)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the folder was made: %v", err)
	}
	writer := open(t, files.Config{Folder: folder})
	if err := writer.Put(t.Context(), "pending/a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, folder)
	reader := open(t, files.Config{Folder: folder, ReadOnly: true})
	if b, err := reader.Get(t.Context(), "pending/a", 0); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := reader.Get(t.Context(), "pending/b", 0); !errors.Is(err, results.ErrNotFound) {
		t.Error(err)
	}
	for entry, err := range reader.List(t.Context(), "pending/", "") {
		if err != nil || entry.Name != "a" {
			t.Errorf("%v, %v", entry, err)
		}
	}
	t.Chdir(t.TempDir())
	_, created := reader.Create(t.Context(), "pending/b", []byte("x"))
	_, now := reader.Now(t.Context())
	for what, err := range map[string]error{
		"put": reader.Put(t.Context(), "pending/a", []byte("y")), "create": created, "delete": reader.Delete(t.Context(), "pending/a"),
		"now": now, "ping": reader.Ping(t.Context()),
	} {
		if question.CodeOf(err) != question.CodeStoreUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !reader.AloneSince().IsZero() {
		t.Error("a reader is never alone")
	}
	if after := tree(t, folder); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
	if left := tree(t, "."); left != "" {
		t.Errorf("the current folder has\n%s", left)
	}
}

// tree lists the files below a folder with their sizes and times.
func tree(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Size(), info.ModTime())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
