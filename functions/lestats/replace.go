package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// replaceFile writes a file that is replaced at the end, in one step. A symbolic link
// remains, and the file that it leads to is replaced. A pipe or a device, such as
// /dev/stdout, is written to: a rename would put a file in its place.
func replaceFile(path string, write func(io.Writer) error) error {
	target, linkErr := filepath.EvalSymlinks(path)
	if info, err := os.Stat(path); err == nil && (linkErr != nil || !info.Mode().IsRegular()) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if linkErr != nil { // there is no such file yet
		target = path
	}
	f, err := renameio.NewPendingFile(target, renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s does not exist", filepath.Dir(target))
	}
	if err != nil {
		return err
	}
	defer f.Cleanup() //nolint:errcheck // after the replace there is nothing left to clean
	if err := write(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// all writes b to the writer of replaceFile.
func all(b *bytes.Buffer) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := b.WriteTo(w)
		return err
	}
}
