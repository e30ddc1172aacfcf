package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace renames a file unless the new name exists. It takes one system call;
// link and remove take two.
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
