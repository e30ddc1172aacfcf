package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
)

// maxStdin bounds what is read from standard input, in bytes. It is kept in a temporary
// file, because formats are read at any position and more than once.
const maxStdin = 8 << 30

// WithStdin calls do with the path of a temporary file that has what standard input had.
// The path ends with the call; a file that do keeps open does not. Errors of do name
// standard input instead of the path.
func WithStdin[T any](ctx context.Context, do func(path string) (T, error)) (result T, err error) {
	file, err := os.CreateTemp("", "lestats-stdin-*")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if err := spool(ctx, file, os.Stdin, maxStdin); err != nil {
		return result, fmt.Errorf("standard input: %w", err)
	}
	result, err = do(file.Name())
	return result, named(err, "standard input", file.Name())
}

// spool copies at most limit bytes until the context ends, even if the input then blocks.
func spool(ctx context.Context, to io.Writer, from io.Reader, limit int64) error {
	copied := make(chan error, 1)
	go func() { // it may block for as long as the process lives
		n, err := io.Copy(to, io.LimitReader(from, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("it has more than %s; save it to a file first", humanize.IBytes(uint64(limit)))
		}
		copied <- err
	}()
	select {
	case err := <-copied:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
