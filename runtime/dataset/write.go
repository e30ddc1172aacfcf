package dataset

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// WriteArrow writes the dataset as one Arrow IPC file that any Arrow tool can open: one
// uncompressed record batch, strings as dictionaries. The descriptor and the digest are in
// the schema's metadata. Equal datasets give equal bytes. WriteArrow writes w in large
// pieces and does not close it.
func WriteArrow(w io.Writer, d *Dataset) error {
	text, err := d.desc.encode()
	if err != nil {
		return err
	}
	meta := arrow.NewMetadata(
		[]string{arrowmeta.MetaFormat, arrowmeta.MetaDescriptor, arrowmeta.MetaDigest},
		[]string{formatVersion, string(text), d.digest})
	own := d.Columns()
	fields := make([]arrow.Field, len(own))
	columns := make([]arrow.Array, len(own))
	for i := range own {
		c := &own[i]
		columns[i] = arrowArray(c, d.rows)
		defer columns[i].Release()
		fields[i] = arrow.Field{Name: c.Name, Type: columns[i].DataType(), Nullable: true, Metadata: fieldMetadata(c)}
	}
	schema := arrow.NewSchema(fields, &meta)
	batch := array.NewRecordBatch(schema, columns, int64(d.rows))
	defer batch.Release()
	out, err := ipc.NewFileWriter(w, ipc.WithSchema(schema))
	if err != nil {
		return fmt.Errorf("arrow file: %w", err)
	}
	if err := out.Write(batch); err != nil {
		return fmt.Errorf("arrow file: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("arrow file: %w", err)
	}
	return nil
}

// fieldMetadata is meant for readers other than ReadArrow.
func fieldMetadata(c *question.Column) arrow.Metadata {
	var keys, values []string
	for _, m := range [][2]string{{"title", c.Title}, {"unit", c.Unit}, {"role", string(c.Role)}} {
		if m[1] != "" {
			keys, values = append(keys, m[0]), append(values, m[1])
		}
	}
	return arrow.NewMetadata(keys, values)
}

var dictionaryType = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

// arrowArray returns the column as an array that shares its buffers.
func arrowArray(c *question.Column, rows int) arrow.Array {
	var kind arrow.DataType
	var values []byte
	var dict arrow.ArrayData
	switch c.Type {
	case question.Number:
		kind, values = arrow.PrimitiveTypes.Float64, arrow.Float64Traits.CastToBytes(c.Numbers)
	case question.Integer:
		kind, values = arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(c.Integers)
	default:
		kind, values = dictionaryType, arrow.Int32Traits.CastToBytes(c.Codes)
		b := array.NewStringBuilder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues(c.Dict, nil)
		texts := b.NewArray()
		defer texts.Release()
		dict = texts.Data()
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(values)}
	if c.Valid != nil {
		buffers[0] = memory.NewBufferBytes(c.Valid)
	}
	missing := missingCount(c.Valid, rows)
	var data *array.Data
	if dict != nil {
		data = array.NewDataWithDictionary(kind, rows, buffers, missing, 0, dict.(*array.Data))
	} else {
		data = array.NewData(kind, rows, buffers, nil, missing, 0)
	}
	defer data.Release()
	return array.MakeFromData(data)
}
