package sandbox

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// What plugins share cannot be changed any more, by whichever way the system has.
func TestFileIsSealed(t *testing.T) {
	content := bytes.Repeat([]byte("sealed"), wasmPage/2)
	f, err := newFile("test", 4*wasmPage, span{}, buffer{0, content})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	space, err := reserve(8 * wasmPage)
	if err != nil {
		t.Fatal(err)
	}
	defer release(space)
	private, shared := space[:4*wasmPage], space[4*wasmPage:]
	if err := errors.Join(f.mapPrivate(private), f.mapShared(shared)); err != nil {
		t.Fatal(err)
	}
	private[0] = 'S'
	if err := unix.Mprotect(shared, unix.PROT_READ|unix.PROT_WRITE); !errors.Is(err, unix.EACCES) {
		t.Errorf("a read-only mapping becomes writable: %v", err)
	}
	for name, change := range map[string]func() error{
		"write":  func() error { _, err := unix.Pwrite(f.fd, []byte("x"), 0); return err },
		"map":    func() error { return f.mapOver(space[:wasmPage], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED) },
		"shrink": func() error { return unix.Ftruncate(f.fd, wasmPage) },
		"grow":   func() error { return unix.Ftruncate(f.fd, 5*wasmPage) },
		"punch": func() error {
			return unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, wasmPage)
		},
		"seal": func() error { _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); return err },
	} {
		if err := change(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !bytes.Equal(shared[:len(content)], content) || private[0] != 'S' || shared[0] != 's' {
		t.Error("the file has changed")
	}
}
