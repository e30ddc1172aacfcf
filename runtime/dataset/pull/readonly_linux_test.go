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
	dir := t.TempDir()
	target := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(target, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // or else nobody but root can remove it
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Error(err)
		}
	})
	// The folder's own folder is for its owner alone at first.
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	failure := make(chan error)
	go func() {
		if os.Getuid() == 0 { // who may write anywhere
			runtime.LockOSThread() // this thread opens files as nobody, and ends with the goroutine
			if err := syscall.Setfsuid(65534); err != nil {
				t.Error(err)
			}
		}
		_, err := Pull(t.Context(), s.pullOf(target))
		failure <- err
	}()
	err := <-failure
	wantError(t, err, "cannot write to "+dir, "permission denied")
	if n, _ := s.asked(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
	wantFile(t, target, []byte("old"))
}
