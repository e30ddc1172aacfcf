//go:build !linux

package files

import "errors"

// renameNoReplace is supported on Linux only; elsewhere files are linked.
func renameNoReplace(string, string) error { return errors.ErrUnsupported }
