// Package testfiles makes files for the tests of the packages around it.
package testfiles

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Arrow makes an Arrow file of one column "x" with the JSON's values, beside the
// measure "n", in two batches.
func Arrow(t testing.TB, kind arrow.DataType, values string, stream bool, opts ...ipc.Option) []byte {
	t.Helper()
	column, _, err := array.FromJSON(memory.DefaultAllocator, kind, strings.NewReader(values))
	if err != nil {
		t.Fatal(err)
	}
	defer column.Release()
	n := array.NewInt64Builder(memory.DefaultAllocator)
	defer n.Release()
	for i := range column.Len() {
		n.Append(int64(i))
	}
	numbers := n.NewArray()
	defer numbers.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: kind, Nullable: true}, {Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{column, numbers}, int64(column.Len()))
	defer batch.Release()
	var out bytes.Buffer
	opts = append(opts, ipc.WithSchema(schema))
	var w interface {
		Write(b arrow.RecordBatch) error
		Close() error
	}
	if stream {
		w = ipc.NewWriter(&out, opts...)
	} else if w, err = ipc.NewFileWriter(&out, opts...); err != nil {
		t.Fatal(err)
	}
	first := batch.NewSlice(0, 1)
	defer first.Release()
	rest := batch.NewSlice(1, int64(column.Len()))
	defer rest.Release()
	for _, b := range []arrow.RecordBatch{first, rest} {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
