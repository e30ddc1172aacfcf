//go:build !unix

package dataset

import (
	"io"
	"os"
)

// mapFile reads a whole file: there is no mapping here.
func mapFile(f *os.File) (b []byte, release func() error, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, nil, err
	}
	b, err = io.ReadAll(f)
	return b, func() error { return nil }, err
}
