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

// Open opens a CSV file, for which it needs d, or an Arrow file of WriteArrow,
// which carries its own descriptor; which of them it is, the content says. An Arrow
// file is mapped: it must not be changed in place while the dataset is in use
// (replacing it by renaming is fine), and Close releases it. Its digest is verified.
// Errors name the path.
func Open(ctx context.Context, path string, d *Descriptor) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping outlives it
	ds, err := open(ctx, f, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ds, nil
}

func open(ctx context.Context, f *os.File, d *Descriptor) (*Dataset, error) {
	in := bufio.NewReaderSize(f, csvBuffer)
	start, err := in.Peek(len(arrowMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if isArrow(start) {
		return openArrow(f)
	}
	for _, other := range []struct{ magic, what string }{
		{"\x1f\x8b", "gzip"}, {"PK\x03\x04", "a ZIP archive"}, {"\x28\xb5\x2f\xfd", "Zstandard"}, {"PAR1", "Parquet"},
		{"\xff\xff\xff\xff", "an Arrow stream"}, {"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
	} {
		if strings.HasPrefix(string(start), other.magic) {
			return nil, fmt.Errorf("it is %s; a dataset is a CSV file or an Arrow file made by `lestats data build`", other.what)
		}
	}
	if d == nil {
		return nil, errors.New("a CSV file needs a descriptor")
	}
	return ReadCSV(ctx, in, d, nil)
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
