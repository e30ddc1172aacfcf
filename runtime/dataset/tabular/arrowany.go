package tabular

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
)

const streamMagic = "\xff\xff\xff\xff"

// anyArrow is an Arrow file or stream written by any tool.
type anyArrow struct {
	size   int64 // bytes
	reader interface {
		Schema() *arrow.Schema
		Read() (arrow.RecordBatch, error) // valid until the next call
	}
}

// openAnyArrow opens the file or stream in b, which must not change.
func openAnyArrow(b []byte) (_ *File, err error) {
	defer recoverInto(&err)
	if err := checkArrow(b); err != nil {
		return nil, fmt.Errorf("it is not a valid Arrow file: %w", err)
	}
	size := int64(len(b))
	options := []ipc.Option{
		ipc.WithMetadataSizeLimit(min(size, arrowmeta.MaxMetadata)), ipc.WithBodySizeLimit(size),
		ipc.WithAllocator(&limitedAllocator{left: baseBytes + bytesPerByte*size}), ipc.WithEnsureNativeEndian(true),
	}
	a := &anyArrow{size: size}
	if arrowmeta.IsArrow(b) {
		a.reader, err = ipc.NewFileReader(bytes.NewReader(b), options...)
	} else {
		a.reader, err = ipc.NewReader(bytes.NewReader(b), options...)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not a valid Arrow file: %w", err)
	}
	meta := a.reader.Schema().Metadata()
	f := &File{Synthetic: isMarkedSynthetic(meta.GetValue), scan: a.scan}
	for _, c := range a.reader.Schema().Fields() {
		kind, refused := arrowKind(c.Type)
		f.Fields = append(f.Fields, Field{c.Name, kind, refused})
	}
	return f, nil
}

func (a *anyArrow) scan(ctx context.Context, chosen []int, add func(int, Cell) error, _ func(int, error)) error {
	rows := int64(0)
	b := &budget{size: a.size}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := a.reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after row %d: it is damaged: %w", rows, err)
		}
		n := batch.NumRows()
		if err := b.takeRows(n, len(chosen)); err != nil {
			return err
		}
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
					return atRow(rows+int64(i)+1, err)
				}
			}
		}
		rows += n
	}
}

// limitedAllocator panics when more is allocated than is left: a file may claim any
// size. It is used by one goroutine at a time.
type limitedAllocator struct {
	memory.GoAllocator

	left int64
}

func (l *limitedAllocator) take(n int) {
	if l.left -= int64(n); l.left < 0 || n < 0 {
		panic("it needs more memory than a file of its size may use")
	}
}

// Allocate implements memory.Allocator.
func (l *limitedAllocator) Allocate(n int) []byte {
	l.take(n)
	return l.GoAllocator.Allocate(n)
}

// Reallocate implements memory.Allocator.
func (l *limitedAllocator) Reallocate(n int, b []byte) []byte {
	l.take(n - len(b))
	return l.GoAllocator.Reallocate(n, b)
}

// Free implements memory.Allocator.
func (l *limitedAllocator) Free(b []byte) {
	l.left += int64(len(b))
	l.GoAllocator.Free(b)
}

// isDataset reports whether the file claims that dataset.WriteArrow made it.
func isDataset(b []byte) (ours bool, err error) {
	defer func() {
		if p := recover(); p != nil { // a metadata table points outside it
			ours, err = false, fmt.Errorf("arrow file: it is damaged: %v", p)
		}
	}()
	footer, err := arrowmeta.File(b).Footer()
	if err != nil {
		return false, fmt.Errorf("arrow file: %w", err)
	}
	schema, ok := footer.Child(arrowmeta.FooterSchema)
	if !ok {
		return false, errors.New("arrow file: it has no schema")
	}
	for _, kv := range schema.Tables(arrowmeta.SchemaMetadata) {
		if kv.Text(arrowmeta.KeyValueKey) == arrowmeta.MetaFormat {
			return true, nil
		}
	}
	return false, nil
}
