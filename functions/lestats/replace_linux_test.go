package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// -o writes to a pipe or a device instead of putting a file in its place, and to the file
// that a symbolic link leads to. /dev/stdout is such a link.
func TestOutputKeepsPipesAndLinks(t *testing.T) {
	t.Setenv("LESTATS_CACHE", compiled(t))
	t.Chdir(t.TempDir())
	if err := unix.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile("pipe", os.O_RDWR, 0) // a reader, so that no open waits
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := os.WriteFile("target", []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", "link"); err != nil {
		t.Fatal(err)
	}
	for file, mode := range map[string]fs.FileMode{"pipe": fs.ModeNamedPipe, "link": fs.ModeSymlink} {
		for _, args := range [][]string{{"ask", "global_mean", "question=obesity", "-f", "csv"}, {"plugin", "lock"}} {
			if code, _, errs := lestats(t, append(args, "-o", file)...); code != exitOK {
				t.Errorf("%s: exit code %d, %s", file, code, errs)
			}
			info, err := os.Lstat(file)
			if err != nil || info.Mode().Type() != mode {
				t.Fatalf("%s: %v %v", file, info.Mode(), err)
			}
		}
	}
	got := make([]byte, 4096)
	n, err := pipe.Read(got)
	if err != nil || !strings.Contains(string(got[:n]), "global_mean") {
		t.Errorf("%q %v", got[:n], err)
	}
	if b, err := os.ReadFile("target"); err != nil || !strings.Contains(string(b), "lestats plugin lock") {
		t.Errorf("%q %v", b, err)
	}
	if code, _, errs := lestats(t, "ask", "global_mean", "question=obesity", "-o", "nowhere/a.csv"); code != exitFailed || !strings.Contains(errs, "the folder nowhere does not exist") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
