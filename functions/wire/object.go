package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset"
	"github.com/le-stats-sportifs/lestats/runtime/results"
	"github.com/le-stats-sportifs/lestats/runtime/results/s3"
)

// maxObject is the largest dataset that is read from a bucket, in bytes. What a process
// can hold is less: the size of its folder for temporary files, and its memory.
const maxObject = 10 << 30

// maxDescriptor is the largest descriptor that is read from a bucket, in bytes.
const maxDescriptor = 1 << 20

func isObject(path string) bool { return strings.HasPrefix(path, "s3://") }

// openObject opens the dataset at s3://bucket/key, which is cfg.Data. cfg.Descriptor is a
// file, an object, or "" for the object beside it, as OpenDataset does it for files. A
// temporary file holds the object while it is read; one of `lestats data build` is mapped,
// so that its space is in use until the dataset is closed.
func openObject(ctx context.Context, cfg EngineConfig) (_ *dataset.Dataset, err error) {
	at := cfg.Data
	dir, err := os.MkdirTemp("", "lestats-data-")
	if err != nil {
		return nil, fmt.Errorf("%s: it needs a folder for temporary files, which TMPDIR names: %w", at, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if cfg.Data, err = download(ctx, at, dir, cfg.s3, maxObject); err != nil {
		return nil, err
	}
	if isObject(cfg.Descriptor) {
		if cfg.Descriptor, err = download(ctx, cfg.Descriptor, dir, cfg.s3, maxDescriptor); err != nil {
			return nil, err
		}
	} else if cfg.Descriptor == "" {
		ds, err := dataset.Open(ctx, cfg.Data, nil)
		if !errors.Is(err, dataset.ErrNoDescriptor) {
			return ds, named(err, at, cfg.Data)
		}
		beside := strings.TrimSuffix(at, path.Ext(at)) + ".yaml"
		if _, err := download(ctx, beside, dir, cfg.s3, maxDescriptor); err != nil && !errors.Is(err, results.ErrNotFound) && !errors.Is(err, s3.ErrDenied) {
			return nil, err
		}
	}
	ds, err := openFile(ctx, cfg)
	return ds, named(err, at, cfg.Data)
}

// named is an error about an object or standard input, which names that in place of the
// temporary file.
func named(err error, at, file string) error {
	if err == nil {
		return nil
	}
	return objectError{strings.ReplaceAll(err.Error(), file, at), err}
}

type objectError struct {
	text string
	err  error
}

// Error implements error.
func (e objectError) Error() string { return e.text }

// Unwrap returns the error about the file.
func (e objectError) Unwrap() error { return e.err }

// download copies an object into a folder, and returns the file.
func download(ctx context.Context, at, dir string, cfg s3.Config, limit int64) (file string, err error) {
	slash := strings.LastIndexByte(at, '/')
	bucket, key := at[:slash], at[slash+1:]
	if len(bucket) <= len("s3://") || key == "" || key == "." || key == ".." {
		return "", fmt.Errorf("%s names no object: it takes s3://bucket/key", at)
	}
	cfg.URL = bucket
	file = filepath.Join(dir, key)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("%s: %w", at, err)
	}
	_, err = s3.Download(ctx, cfg, key, f, limit)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", at, errors.Join(err, os.Remove(file)))
	}
	return file, nil
}
