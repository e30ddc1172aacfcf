package sandbox

import (
	"errors"
	"io/fs"
	"os"
)

// MakeReadable makes a cache folder readable by everybody: in an image, one user fills it
// and another uses it.
func MakeReadable(folder string) (err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for pattern, mode := range map[string]fs.FileMode{".": 0o755, "wazero-*": 0o755, machineCode: 0o644, "rewritten-*": 0o644} {
		names, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := root.Chmod(name, mode); err != nil {
				return err
			}
		}
	}
	return nil
}
