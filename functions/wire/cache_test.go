package wire

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Machine code is not loaded from a folder in which others can write.
func TestCacheOfOthers(t *testing.T) {
	root := t.TempDir()
	for _, tt := range []struct {
		mode  os.FileMode // 0: it is not there
		owner int         // 0: this user
		want  string      // in the log; "": the folder is used
	}{
		{0, 0, ""},
		{0o700, 0, ""},
		{0o755, 0, ""},
		{0o775, 0, ""},
		{0o777, 0, "its mode is drwxrwxrwx"},
		{0o777 | os.ModeSticky, 0, "its mode is dtrwxrwxrwx"}, // whoever is first makes the folder inside
		{0o755, 12345, "it belongs to user 12345"},
	} {
		name := filepath.Join(root, tt.mode.String(), strings.Repeat("x", tt.owner%7+1))
		if tt.mode != 0 {
			if err := os.MkdirAll(name, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		if tt.owner != 0 {
			if os.Geteuid() != 0 {
				continue // only root can give a folder away
			}
			if err := os.Chown(name, tt.owner, -1); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		got := cacheFolder(name, slog.New(slog.NewTextHandler(&log, nil)))
		if want := map[bool]string{true: name}[tt.want == ""]; got != want || !strings.Contains(log.String(), tt.want) || (tt.want == "") != (log.Len() == 0) {
			t.Errorf("%v of user %d: %q, %s", tt.mode, tt.owner, got, log.String())
		}
	}
	if got := cacheFolder("off", nil); got != "" {
		t.Error(got)
	}
	t.Setenv("XDG_CACHE_HOME", root)
	if err := os.Mkdir(filepath.Join(root, "lestats"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := cacheFolder("", nil); got != filepath.Join(root, "lestats") {
		t.Error(got)
	}
	if err := os.Chmod(filepath.Join(root, "lestats"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := cacheFolder("", slog.New(slog.DiscardHandler)); got != "" {
		t.Error(got)
	}
}
