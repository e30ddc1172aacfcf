//go:build unix

package arrowmeta

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// MapFile maps a whole file read-only until release is called.
func MapFile(f *os.File) (b []byte, release func() error, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > math.MaxInt {
		return nil, nil, fmt.Errorf("an Arrow file must be a non-empty regular file; this one is %s of %d bytes", info.Mode().Type(), info.Size())
	}
	b, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("mmap: %w", err)
	}
	return b, func() error { return unix.Munmap(b) }, nil
}
