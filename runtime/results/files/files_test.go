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
				if o := open(t, files.Config{Folder: folder}); o.Sole() {
					t.Error("sole, beside a process that writes")
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

		o := open(t, files.Config{Folder: folder})
		if !o.Sole() {
			t.Error("not sole, although the other process is dead")
		}
		s := results.New(o)
		for id, status := range accepted {
			job, err := s.Get(t.Context(), id)
			if err != nil || status == question.Done && (job.Status != status || job.Result.Rows() != 500) {
				t.Errorf("round %d: job %s, acknowledged as %s: %+v, %v", round, id, status, job, err)
			}
		}
		var log strings.Builder
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		if _, err := s.Pending(t.Context(), "", 0); err != nil {
			t.Error(err)
		}
		if _, err := s.Outcomes(t.Context(), "", 0); err != nil || log.Len() > 0 {
			t.Errorf("something is half there: %v, %s", err, &log)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(accepted) < 100 {
		t.Errorf("only %d jobs were accepted", len(accepted))
	}
}

func TestSole(t *testing.T) {
	folder := t.TempDir()
	opened := func(want bool) *files.Objects {
		t.Helper()
		o, err := files.Open(files.Config{Folder: folder})
		if err != nil {
			t.Fatal(err)
		}
		if o.Sole() != want {
			t.Errorf("sole: %v, want %v", o.Sole(), want)
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
	second := opened(false)
	closed(first)
	third := opened(false) // the second is there still
	if second.Sole() {
		t.Error("the second became sole afterwards")
	}
	closed(second)
	closed(third)
	closed(opened(true))

	// Of many that start together one is sole at most.
	sole := make(chan bool)
	for range 8 {
		go func() {
			o, err := files.Open(files.Config{Folder: folder})
			if err != nil {
				t.Error(err)
				sole <- false
				return
			}
			t.Cleanup(func() { closed(o) })
			sole <- o.Sole()
		}()
	}
	n := 0
	for range 8 {
		if <-sole {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of 8 are sole", n)
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
		{files.Config{Folder: "dsk", Durability: "dsk"}, `durability "dsk": it is "process" or "disk"`},
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
	_, pending := s.Pending(t.Context(), "", 1)
	_, outcomes := s.Outcomes(t.Context(), "", 1)
	for method, err := range map[string]error{
		"Get": get, "PutOutcome": put, "Pending": pending, "Outcomes": outcomes,
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
