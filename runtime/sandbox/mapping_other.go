//go:build !linux

package sandbox

import "errors"

// Other systems have only the portable reset strategy; see platform.
type (
	file    struct{}
	pagemap struct{ scan bool }
	pages   struct{}
)

func reserve(uint64) ([]byte, error)                                 { return nil, errors.ErrUnsupported }
func release([]byte)                                                 {}
func discard([]byte) error                                           { return errors.ErrUnsupported }
func newFile(string, uint64, span, ...buffer) (*file, error)         { return nil, errors.ErrUnsupported }
func (*file) mapPrivate([]byte) error                                { return errors.ErrUnsupported }
func (*file) mapShared([]byte) error                                 { return errors.ErrUnsupported }
func (*file) close()                                                 {}
func openPagemap() (*pagemap, error)                                 { return nil, errors.ErrUnsupported }
func (*pagemap) close()                                              {}
func (*pagemap) written([]byte, *pages, func(from, to uint64)) error { return errors.ErrUnsupported }
