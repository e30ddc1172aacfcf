// Package tabular reads CSV, Parquet and Arrow files as columns of cells, whatever their
// columns mean. What a file may cost to read is limited by its size (see bounds.go).
package tabular

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
)

// ErrDataset means that a file is the Arrow file of a dataset, which has its descriptor
// inside: package dataset reads it.
var ErrDataset = errors.New("it is a dataset")

// Options say how a CSV file is read. Other files ignore them.
type Options struct {
	NoHeader   bool              // the first line is a row; the columns are called column1, column2 and so on
	Encoding   string            // a name that CheckEncoding accepts; "" is UTF-8, or UTF-16 after a byte order mark
	Progress   func(bytes int64) // if not nil, called after each read with the number of bytes read so far
	Skip       int               // how many lines stand above the header, or above the first row; at most MaxSkip
	FindHeader bool              // find out Skip
	Sniff      bool              // only find out that it is CSV: it has no fields and no rows
}

// OpenFile opens a CSV, Parquet or Arrow file. The content decides which it is, not the
// name; an error names other formats that are known, and what to do. It returns
// ErrDataset for the Arrow file of a dataset. f must stay open until Close.
func OpenFile(ctx context.Context, f *os.File, o Options) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder; a dataset is a single file: name one in it")
	}
	in := bufio.NewReaderSize(f, csvBuffer)
	begin, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch start := string(begin[:min(len(begin), len(arrowmeta.Magic))]); {
	case strings.HasPrefix(start, parquetMagic):
		return openParquet(f, info.Size())
	case strings.HasPrefix(start, arrowmeta.Magic), strings.HasPrefix(start, streamMagic):
		b, release, err := arrowmeta.MapFile(f)
		if err != nil {
			return nil, err
		}
		t, err := openArrowBytes(b)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		t.close = release
		return t, nil
	}
	if err := checkForeign(begin); err != nil {
		return nil, err
	}
	if o.Sniff {
		return &File{IsCSV: true}, nil
	}
	return NewCSV(ctx, in, o)
}

func openArrowBytes(b []byte) (*File, error) {
	if arrowmeta.IsArrow(b) {
		ours, err := isDataset(b)
		if err != nil {
			return nil, err
		}
		if ours {
			return nil, ErrDataset
		}
	}
	return openAnyArrow(b)
}
