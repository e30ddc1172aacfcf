package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/tabular"
)

// Open opens a CSV, Parquet or Arrow file, for which it needs d, or an Arrow file of
// WriteArrow, which carries its own descriptor. The content decides which it is, not
// the name. A file of WriteArrow is mapped: it must not be changed in place while the
// dataset is in use (replacing it by renaming is fine), and Close releases it. Its
// digest is verified. Errors name the path.
func Open(ctx context.Context, path string, d *Descriptor) (*Dataset, error) {
	return OpenWithProgress(ctx, path, d, nil)
}

// OpenWithProgress is Open; progress, if not nil, is called with the number of bytes
// of a CSV file that were read so far.
func OpenWithProgress(ctx context.Context, path string, d *Descriptor, progress func(bytes int64)) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives it
	ds, err := open(ctx, f, d, progress)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ds, nil
}

func open(ctx context.Context, f *os.File, d *Descriptor, progress func(int64)) (*Dataset, error) {
	t, err := tabular.OpenFile(ctx, f, d.options(progress))
	if errors.Is(err, tabular.ErrDataset) {
		return openArrow(f)
	}
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if d == nil {
		return nil, ErrNoDescriptor
	}
	return readColumnar(ctx, t, d)
}

// ErrNoDescriptor means that a file contains no descriptor and none was given.
var ErrNoDescriptor = errors.New("it needs a descriptor; `lestats data init` writes one")

func openArrow(f *os.File) (_ *Dataset, err error) {
	b, release, err := arrowmeta.MapFile(f)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, release())
		}
	}()
	d, err := ReadArrow(b)
	if err != nil {
		return nil, err
	}
	if err := d.Verify(); err != nil {
		return nil, err
	}
	d.release = release
	return d, nil
}
