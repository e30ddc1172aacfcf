package dataset

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Keys of the schema's metadata in an Arrow file.
const (
	metaFormat     = "lestats.format"     // formatVersion
	metaDescriptor = "lestats.descriptor" // JSON
	metaDigest     = "lestats.digest"
	metaPadding    = "lestats.padding"   // spaces: what it takes to align the rows
	metaSynthetic  = "lestats.synthetic" // "true" in the Arrow form of an answer, and in what other tools make of it

	formatVersion = "1"
)

// What ends an Arrow file after the last record batch: the end of the stream, the
// footer, the footer's length and the magic.
const (
	arrowMagic   = "ARROW1"
	endOfStream  = 8
	arrowTrailer = 4 + len(arrowMagic)
	bufferAlign  = 64
)

// WriteArrow writes the dataset as one Arrow IPC file that any Arrow tool opens:
// one record batch, uncompressed, strings as dictionaries, each buffer at a
// multiple of 64 bytes from the start of the file, so that a mapping of it is
// usable as it is. Descriptor and digest are in the schema's metadata. Equal
// datasets give equal bytes. w is written to in large pieces and not closed.
func WriteArrow(w io.Writer, d *Dataset) error {
	// The library aligns to 8 bytes and has no option for more. So buffers have
	// whole 64 bytes, and the file is written twice: first to see where the rows
	// would start, then with as much padding in the schema as it takes.
	var probe tail
	if err := writeArrow(&probe, d, 0); err != nil {
		return err
	}
	footer := int64(binary.LittleEndian.Uint32(probe.last[:4]))
	end := probe.size - int64(arrowTrailer) - footer - endOfStream // of the rows, whose length is a multiple of 64
	padding := (bufferAlign - end%bufferAlign) % bufferAlign
	return writeArrow(w, d, int(padding))
}

// tail counts what is written and keeps the last bytes.
type tail struct {
	size int64
	last [arrowTrailer]byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	kept := p[max(0, len(p)-len(t.last)):]
	copy(t.last[:], t.last[len(kept):])
	copy(t.last[len(t.last)-len(kept):], kept)
	return len(p), nil
}

func writeArrow(w io.Writer, d *Dataset, padding int) (err error) {
	text, err := d.desc.encode()
	if err != nil {
		return err
	}
	meta := arrow.NewMetadata(
		[]string{metaFormat, metaDescriptor, metaDigest, metaPadding},
		[]string{formatVersion, string(text), d.digest, strings.Repeat(" ", padding)})
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
	out, err := ipc.NewFileWriter(w, ipc.WithSchema(schema), ipc.WithAllocator(pool))
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

// fieldMetadata is for readers other than ReadArrow.
func fieldMetadata(c *question.Column) arrow.Metadata {
	var keys, values []string
	for _, m := range [][2]string{{keyTitle, c.Title}, {keyUnit, c.Unit}, {keyRole, string(c.Role)}} {
		if m[1] != "" {
			keys, values = append(keys, m[0]), append(values, m[1])
		}
	}
	return arrow.NewMetadata(keys, values)
}

var dictionaryType = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

// arrowArray returns the column as an array over its own buffers.
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
		b := array.NewStringBuilder(pool)
		defer b.Release()
		b.AppendValues(c.Dict, nil)
		texts := b.NewArray()
		defer texts.Release()
		dict = texts.Data()
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(padded(values))}
	if c.Valid != nil {
		buffers[0] = memory.NewBufferBytes(padded(c.Valid))
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

// padded returns b, or a copy of it, with zeros up to a multiple of 64 bytes.
func padded(b []byte) []byte {
	if len(b)%bufferAlign == 0 {
		return b
	}
	p := aligned((len(b) + bufferAlign - 1) / bufferAlign * bufferAlign)
	copy(p, b)
	return p
}
