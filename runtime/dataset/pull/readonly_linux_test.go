package pull

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// A folder that may not be written to is found out before anything is downloaded.
func TestReadOnlyFolder(t *testing.T) {
	s := serve(t, content(good, v1))
	dir, err := os.MkdirTemp(os.TempDir(), "pull")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	target := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(target, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		// Root may write anywhere: this thread opens files as nobody, and is not
		// used again.
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Pull(t.Context(), s.pullOf(target))
	wantError(t, err, "cannot write to "+dir, "permission denied")
	if n, _ := s.asked(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	wantFile(t, target, []byte("old"))
}
