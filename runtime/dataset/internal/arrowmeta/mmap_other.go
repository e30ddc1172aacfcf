//go:build !unix

package arrowmeta

import (
	"io"
	"os"
)

// MapFile reads the whole file: there is no mapping on this platform.
func MapFile(f *os.File) (b []byte, release func() error, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	b, err = io.ReadAll(f)
	return b, func() error { return nil }, err
}
