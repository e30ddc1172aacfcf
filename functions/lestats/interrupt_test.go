package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is this program in the current folder. name is how it is called.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if name == "" {
		name = exe
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Args[0] = name
	cmd.Env = append(os.Environ(), asLestats+"=1")
	return cmd
}

// Ctrl-C ends a command at once with the status 130, and it leaves no half of a file.
func TestInterrupt(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	release := make(chan struct{})
	requests := make(chan struct{}, 10)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		requests <- struct{}{}
		<-release
	}))
	defer silent.Close()
	defer close(release)
	t.Chdir(t.TempDir())
	rows := "place,share\n" + strings.Repeat("Utah,1\n", 10_000_000)
	if err := os.WriteFile("large.csv", []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("large.yaml", []byte("name: large\ntitle: T\nsort: place\nroles: {group: place, measure: share}\ncolumns:\n  - {name: place, type: string, role: dimension}\n  - {name: share, type: number, role: measure}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := filesHere(t)
	for name, tt := range map[string]struct {
		signal syscall.Signal
		code   int
		args   []string
	}{
		"standard input":  {syscall.SIGINT, 130, []string{"ask", "global_mean", "--data", "-", "-o", "a.csv"}},
		"a download":      {syscall.SIGINT, 130, []string{"data", "pull", "npao", "--url", silent.URL}},
		"a service's end": {syscall.SIGTERM, 143, []string{"data", "pull", "npao", "--url", silent.URL}},
		"a large file":    {syscall.SIGINT, 130, []string{"data", "build", "large.csv"}},
		"a question":      {syscall.SIGINT, 130, []string{"ask", "states_mean", "--data", "large.csv", "-o", "a.csv"}},
		"guesses":         {syscall.SIGINT, 130, []string{"data", "init", "large.csv", "-o", "other.yaml"}},
		"values":          {syscall.SIGINT, 130, []string{"data", "values", "place", "--data", "large.csv"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, "", tt.args...)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			in, err := cmd.StdinPipe() // open until the end
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(tt.args, silent.URL) {
				<-requests
			} else {
				whileReading(t, cmd.Process.Pid)
			}
			begin := time.Now()
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || time.Since(begin) > 10*time.Second || !strings.Contains(errs.String(), "interrupted") {
				t.Errorf("exit code %d, want %d, after %s\n%s", code, tt.code, time.Since(begin), &errs)
			}
			if after := filesHere(t); !maps.Equal(after, before) {
				t.Errorf("it left %v", after)
			}
		})
	}
}

// whileReading waits until the process reads its input.
func whileReading(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			if file, err := os.Readlink(fd); err == nil && (strings.HasSuffix(file, "large.csv") || strings.Contains(file, "lestats-stdin")) {
				return
			}
		}
	}
	t.Fatal("it does not read its input")
}

// The commands of the banner work where the program was started, however it was called.
func TestBannerCommands(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	const folder = "with space/bin"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(folder, "lestats")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("our figures.csv", []byte("place,share\nUtah,1\nOhio,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "our figures.csv"); code != exitOK {
		t.Fatal(errs)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		key  string
	}{
		{filepath.Join(folder, "lestats"), nil, ""},
		{"lestats", []string{"--data", "our figures.csv"}, ""}, // on the PATH
		{"./" + filepath.Join(folder, "lestats"), []string{"--listen", "0.0.0.0:0", "--api-key", "secret"}, "secret"},
	} {
		cmd := command(t, tt.name, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "warn"}, tt.args...)...)
		cmd.Env = append(cmd.Env, "PATH="+filepath.Join(here, folder)+":"+os.Getenv("PATH"), "LESTATS_API_KEY=")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var banner strings.Builder
		for b := make([]byte, 1); !strings.Contains(banner.String(), "Ctrl-C stops it."); {
			if _, err := io.ReadFull(out, b); err != nil {
				t.Fatalf("%v: %s", err, &banner)
			}
			banner.Write(b)
		}
		_, part, _ := strings.Cut(banner.String(), "Try in another terminal, in this folder:\n\n")
		commands := 0
		for line := range strings.Lines(part) {
			if !strings.HasPrefix(line, "  ") {
				break
			}
			commands++
			shell := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(line, "curl", "curl -f"))
			shell.Env = slices.Concat(cmd.Env, []string{"LESTATS_API_KEY=" + tt.key})
			if got, err := shell.CombinedOutput(); err != nil || len(got) < 50 {
				t.Errorf("%s: %q says\n%s%v\n%s", tt.name, line, got, err, part)
			}
		}
		if commands != 3 || strings.Contains(part, "secret") {
			t.Errorf("%s: %d commands, or the key is shown:\n%s", tt.name, commands, part)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("a server that Ctrl-C stops: %v", err)
		}
	}
}

// The name - is standard input, or output, wherever a file is read or written.
func TestStandardStreams(t *testing.T) {
	wasm, err := os.ReadFile("../../plugins/built/sportifs.wasm")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	const rows = "place,share\nUtah,1\nOhio,2\n"
	if err := os.WriteFile("s.csv", []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := lestats(t, "data", "init", "s.csv"); code != exitOK {
		t.Fatal(errs)
	}
	piped := func(in string, args ...string) (string, string, int) {
		cmd := command(t, "", args...)
		var out, errs bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
		_ = cmd.Run()
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	arrow, errs, code := piped(rows, "data", "build", "-", "-o", "-", "--descriptor", "s.yaml")
	if code != exitOK || !strings.HasPrefix(arrow, "ARROW1") {
		t.Fatalf("%d, %s", code, errs)
	}
	for _, tt := range []struct {
		in   string
		args []string
		code int
		want string
	}{
		{arrow, []string{"ask", "global_mean", "--data", "-", "-f", "csv", "-o", "-"}, 0, "global_mean\r\n1.5\r\n"},
		{rows, []string{"ask", "global_mean", "--data", "-", "--descriptor", "s.yaml", "-f", "csv"}, 0, "global_mean\r\n1.5\r\n"},
		{rows, []string{"data", "values", "place", "--data", "-", "--descriptor", "s.yaml", "-f", "csv"}, 0, "place,rows\r\nOhio,1\r\nUtah,1\r\n"},
		{arrow, []string{"data", "info", "-"}, 0, "rows     2"},
		{string(wasm), []string{"plugin", "info", "-"}, 0, "states_mean"},
		{string(wasm), []string{"plugin", "run", "-", "global_mean", "question=obesity", "-f", "csv"}, 0, "global_mean,synthetic\r\n"},
		{"no wasm", []string{"plugin", "check", "-"}, 1, "wasm"},
		{rows, []string{"data", "init", "-"}, 0, "name: stdin\n"},
		{rows, []string{"data", "init", "s.csv", "-o", "-"}, 0, "name: s\n"},
		{"", []string{"data", "init", "-"}, 1, "standard input"},
		{"", []string{"ask", "global_mean", "--data", "-"}, 1, "standard input"},
		{rows, []string{"ask", "global_mean", "--data", "-"}, 1, "standard input"},
		{rows, []string{"data", "build", "-"}, 1, "-o FILE"},
		{"", []string{"data", "pull", "npao", "-o", "-"}, 1, "name a file"},
	} {
		out, errs, code := piped(tt.in, tt.args...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) || strings.Contains(errs, "lestats-stdin") {
			t.Errorf("%v: %d, %q, want %q\n%s", tt.args, code, out, tt.want, errs)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
