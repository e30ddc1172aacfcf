package dataset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Open opens a CSV, Parquet or Arrow file, for which it needs d, or an Arrow file of
// WriteArrow, which carries its own descriptor; which of them it is, the content says,
// not the name. A file of WriteArrow is mapped: it must not be changed in place while
// the dataset is in use (replacing it by renaming is fine), and Close releases it. Its
// digest is verified. Errors name the path.
func Open(ctx context.Context, path string, d *Descriptor) (*Dataset, error) {
	return OpenWatched(ctx, path, d, nil)
}

// OpenWatched is Open; progress, if not nil, is told how many bytes of a CSV file
// were read.
func OpenWatched(ctx context.Context, path string, d *Descriptor, progress func(bytes int64)) (*Dataset, error) {
	f, err := openFile(path)
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

func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("%s is a folder; a dataset is one file", path), f.Close())
	}
	return f, nil
}

func open(ctx context.Context, f *os.File, d *Descriptor, progress func(int64)) (*Dataset, error) {
	in := bufio.NewReaderSize(f, csvBuffer)
	start, err := in.Peek(len(arrowMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	columns, err := openColumns(f, string(start))
	if errors.Is(err, errOurs) {
		return openArrow(f)
	}
	if err != nil {
		return nil, err
	}
	if d == nil {
		if columns != nil {
			columns.close()
		}
		return nil, ErrNoDescriptor
	}
	if columns == nil {
		return ReadCSV(ctx, in, d, progress)
	}
	defer columns.close()
	return readColumnar(ctx, columns, d)
}

// ErrNoDescriptor tells that a file has no descriptor inside and none was given.
var ErrNoDescriptor = errors.New("it needs a descriptor; `lestats data init` writes one")

// errOurs tells that a file was made by WriteArrow.
var errOurs = errors.New("it is a dataset")

// openColumns opens a Parquet or Arrow file that begins with start; nil is a file
// that can only be CSV.
func openColumns(f *os.File, start string) (columnar, error) {
	for _, other := range []struct{ magic, what string }{
		{"\x1f\x8b", "gzip: unpack it first"}, {"PK\x03\x04", "a ZIP archive, or a workbook: unpack it, or save it as CSV"},
		{"\xd0\xcf\x11\xe0", "an old workbook: save it as CSV"}, {"\x28\xb5\x2f\xfd", "Zstandard: unpack it first"},
		{"\xff\xfe", "UTF-16: save it as UTF-8"}, {"\xfe\xff", "UTF-16: save it as UTF-8"},
		{"PARE", "encrypted Parquet: write it anew without encryption"},
	} {
		if strings.HasPrefix(start, other.magic) {
			return nil, fmt.Errorf("it is %s; a dataset is a CSV, Parquet or Arrow file", other.what)
		}
	}
	switch {
	case strings.HasPrefix(start, parquetMagic):
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return openParquet(f, info.Size())
	case strings.HasPrefix(start, arrowMagic), strings.HasPrefix(start, streamMagic):
		b, release, err := mapFile(f)
		if err != nil {
			return nil, err
		}
		columns, err := openArrowBytes(b)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		return mapped{columns, release}, nil
	default:
		return nil, nil
	}
}

func openArrowBytes(b []byte) (columnar, error) {
	if isArrow(b) {
		ours, err := isOurs(b)
		if err != nil {
			return nil, err
		}
		if ours {
			return nil, errOurs
		}
	}
	return openAnyArrow(b)
}

// mapped is a file that lies in mapped memory.
type mapped struct {
	columnar

	release func() error
}

func (m mapped) close() {
	m.columnar.close()
	_ = m.release() // nothing was written
}

func openArrow(f *os.File) (_ *Dataset, err error) {
	b, release, err := mapFile(f)
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
