package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace moves a file unless there is one with the new name: one system
// call, where linking takes two.
func renameNoReplace(oldPath, newPath string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, oldPath, unix.AT_FDCWD, newPath, unix.RENAME_NOREPLACE)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.LinkError{Op: "renameat2", Old: oldPath, New: newPath, Err: err}
		}
	}
}
