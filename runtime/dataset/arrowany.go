package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const streamMagic = "\xff\xff\xff\xff"

// anyArrow is an Arrow file or stream of any tool.
type anyArrow struct {
	bytes []byte
	names []field
	open  func() (batches, error)
	made  bool // the metadata say that the figures are synthetic
}

// batches are the record batches of one reading.
type batches interface {
	next() (arrow.RecordBatch, error) // io.EOF after the last; valid until the next one
	close()
}

// openAnyArrow opens a file or a stream that lies in b, which must stay as it is.
func openAnyArrow(b []byte) (_ columnar, err error) {
	defer recovered(&err)
	if err := checkArrow(b); err != nil {
		return nil, fmt.Errorf("it is not the Arrow file that it seems to be: %w", err)
	}
	size := int64(len(b))
	options := []ipc.Option{
		ipc.WithMetadataSizeLimit(min(size, maxMetadata)), ipc.WithBodySizeLimit(size),
		ipc.WithAllocator(&limited{left: freeBytes + bytesPerByte*size}), ipc.WithEnsureNativeEndian(true),
	}
	a := &anyArrow{bytes: b}
	a.open = func() (batches, error) {
		if isArrow(b) {
			r, err := ipc.NewFileReader(bytes.NewReader(b), options...)
			if err != nil {
				return nil, err
			}
			return &fileBatches{r: r}, nil
		}
		r, err := ipc.NewReader(bytes.NewReader(b), options...)
		if err != nil {
			return nil, err
		}
		return streamBatches{r}, nil
	}
	r, err := a.open()
	if err != nil {
		return nil, fmt.Errorf("it is not the Arrow file that it seems to be: %w", err)
	}
	defer r.close()
	var schema *arrow.Schema
	switch r := r.(type) {
	case *fileBatches:
		schema = r.r.Schema()
	case streamBatches:
		schema = r.r.Schema()
	}
	meta := schema.Metadata()
	a.made = saysSynthetic(meta.GetValue)
	for _, f := range schema.Fields() {
		kind, refused := arrowKind(f.Type)
		a.names = append(a.names, field{f.Name, kind, refused})
	}
	return a, nil
}

func (a *anyArrow) fields() []field { return a.names }

func (a *anyArrow) synthetic() bool { return a.made }

func (a *anyArrow) close() {}

func (a *anyArrow) scan(ctx context.Context, chosen []int, add func(int, cell) error) (err error) {
	defer recovered(&err)
	r, err := a.open()
	if err != nil {
		return err
	}
	defer r.close()
	rows := int64(0)
	b := &budget{size: int64(len(a.bytes))}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after row %d: %w", rows, err)
		}
		n := batch.NumRows()
		if err := b.takeRows(n, len(chosen)); err != nil {
			return err
		}
		rows += n
		for k, at := range chosen {
			column := batch.Column(at)
			if int64(column.Len()) != n {
				return fmt.Errorf("it is damaged: a batch of %d rows has a column of %d", n, column.Len())
			}
			value := arrowValues(column)
			for i := range int(n) {
				c := value(i)
				if err := b.takeText(c); err != nil {
					return err
				}
				if err := add(k, c); err != nil {
					return err
				}
			}
		}
	}
}

type fileBatches struct {
	r    *ipc.FileReader
	at   int
	last arrow.RecordBatch
}

func (f *fileBatches) next() (arrow.RecordBatch, error) {
	f.release()
	if f.at == f.r.NumRecords() {
		return nil, io.EOF
	}
	var err error
	f.last, err = f.r.RecordBatchAt(f.at)
	f.at++
	return f.last, err
}

func (f *fileBatches) release() {
	if f.last != nil {
		f.last.Release()
		f.last = nil
	}
}

func (f *fileBatches) close() {
	f.release()
	_ = f.r.Close() // of bytes
}

type streamBatches struct{ r *ipc.Reader }

func (s streamBatches) next() (arrow.RecordBatch, error) {
	if s.r.Next() {
		return s.r.RecordBatch(), nil
	}
	if err := s.r.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (s streamBatches) close() { s.r.Release() }

// limited is an allocator that panics when more is allocated than is left: a file
// may claim any size. It is used by one goroutine at a time.
type limited struct {
	memory.GoAllocator

	left int64
}

func (l *limited) take(n int) {
	if l.left -= int64(n); l.left < 0 || n < 0 {
		panic("it takes more memory than a file of its size can need")
	}
}

// Allocate implements memory.Allocator.
func (l *limited) Allocate(n int) []byte {
	l.take(n)
	return l.GoAllocator.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (l *limited) Reallocate(n int, b []byte) []byte {
	l.take(n - len(b))
	return l.GoAllocator.Reallocate(n, b)
}

// Free implements memory.Allocator.
func (l *limited) Free(b []byte) {
	l.left += int64(len(b))
	l.GoAllocator.Free(b)
}
