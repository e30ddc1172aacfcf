package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/le-stats-sportifs/lestats/runtime/telemetry"
)

func TestMain(m *testing.M) {
	// lumberjack starts one goroutine a file, and has no way to stop it.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func TestFormats(t *testing.T) {
	old := time.Local
	time.Local = time.FixedZone("east", 2*60*60)
	defer func() { time.Local = old }()
	var b bytes.Buffer
	log, err := telemetry.New(telemetry.Config{Output: &b})
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("not this")
	log.Info("this", "at", "x", slog.Group("g", "time", time.Unix(0, 0)))
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	var line struct {
		Time time.Time
		Msg  string
		G    struct{ Time string }
	}
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Msg != "this" {
		t.Fatalf("%s: %v", b.String(), err)
	}
	if !strings.Contains(b.String(), `"time":"`+line.Time.UTC().Format("2006-01-02T15:04:05")) || !strings.Contains(b.String(), `Z","level"`) {
		t.Errorf("%s is not in UTC", b.String())
	}
	if line.G.Time != "1970-01-01T02:00:00+02:00" {
		t.Errorf("somebody else's time became %s", line.G.Time)
	}

	b.Reset()
	log, err = telemetry.New(telemetry.Config{Output: &b, Format: telemetry.Text, Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("this", "at", "x y")
	if got := b.String(); !strings.Contains(got, `Z level=DEBUG msg=this at="x y"`+"\n") {
		t.Errorf("%s", got)
	}
}

// What strangers chose is in a line as it can be seen, and does not act on a terminal.
func TestLinesAreVisible(t *testing.T) {
	const name = "a\x1b[2J\u202egnp.wasm"
	for _, format := range []string{telemetry.JSON, telemetry.Text} {
		var b bytes.Buffer
		log, err := telemetry.New(telemetry.Config{Output: &b, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("refused "+name, "path", name, "error", fmt.Errorf("open %s: %w", name, os.ErrNotExist), slog.Group("g", "path", name))
		line := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '\u202e' }) || strings.Count(line, "u202e") != 4 {
			t.Errorf("%s: %q", format, line)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "webserver.log")
	for range 2 { // opened again, it goes on
		var b bytes.Buffer
		log, err := telemetry.New(telemetry.Config{Output: &b, File: path})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("to both")
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if strings.Count(b.String(), "to both") != 1 {
			t.Errorf("the stream got %q", b.String())
		}
	}
	if got, err := os.ReadFile(path); err != nil || strings.Count(string(got), "to both") != 2 {
		t.Errorf("the file has %q, %v", got, err)
	}
}

func TestRotation(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "webserver.log")
	log, err := telemetry.New(telemetry.Config{Output: io.Discard, File: path, MaxSize: 1, MaxBackups: 2})
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	text := strings.Repeat("x", 100<<10)
	for i := range 4 {
		writers.Go(func() {
			for n := range 15 { // 6 MB in all
				log.Info(text, "line", fmt.Sprint(i, n))
				time.Sleep(time.Millisecond) // a backup's name is a millisecond
			}
		})
	}
	writers.Wait()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	// The old ones are removed by a goroutine of its own.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 3 {
			for _, f := range files {
				if info, err := f.Info(); err != nil || info.Size() > 1<<20 {
					t.Errorf("%s has %d bytes, %v", f.Name(), info.Size(), err)
				}
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d files, want the log and two old ones", len(files))
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the pipe is closed") }

func TestABrokenStreamDoesNotSilenceTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "webserver.log")
	log, err := telemetry.New(telemetry.Config{Output: broken{}, File: path})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	log.Info("still here")
	if got, err := os.ReadFile(path); err != nil || !strings.Contains(string(got), "still here") {
		t.Errorf("the file has %q, %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	folder := t.TempDir()
	notAFolder := filepath.Join(folder, "file")
	if err := os.WriteFile(notAFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]telemetry.Config{
		`"xml"`:        {Format: "xml"},
		"-1 MB":        {MaxSize: -1},
		"-1 old":       {MaxBackups: -1},
		folder:         {File: folder},
		"not a direct": {File: filepath.Join(notAFolder, "webserver.log")},
	} {
		if _, err := telemetry.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something about %q", err, want)
		}
	}
}

func BenchmarkFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "webserver.log")
	log, err := telemetry.New(telemetry.Config{Output: io.Discard, File: path})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	b.ReportAllocs()
	for b.Loop() {
		log.Info("request", "method", "GET", "route", "/api/get_results/{id}", "status", 200, "ms", 0.2)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), `"status":200,"ms":0.2}`+"\n") {
		b.Fatalf("the file ends in %q, %v", text[max(0, len(text)-200):], err)
	}
}
