package render

import (
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Arrow writes the table as an Arrow IPC stream of one record batch. Numbers are float64,
// integers int64 and strings utf8 (not dictionaries, which some readers do not support).
// Every field may be null. The metadata of a field are its "title", "unit" and "role", as
// far as it has them. The metadata of the schema are "lestats.layout" and the provenance,
// if it is known, including "lestats.synthetic".
func Arrow(w io.Writer, t *question.Table, o question.WriteOptions) (err error) {
	pool := memory.NewGoAllocator()
	fields := make([]arrow.Field, len(t.Columns))
	columns := make([]arrow.Array, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		columns[i] = arrowArray(pool, c)
		defer columns[i].Release()
		var keys, values []string
		for _, m := range [][2]string{{"title", c.Title}, {"unit", c.Unit}, {"role", string(c.Role)}} {
			if m[1] != "" {
				keys, values = append(keys, m[0]), append(values, m[1])
			}
		}
		fields[i] = arrow.Field{Name: c.Name, Type: columns[i].DataType(), Nullable: true, Metadata: arrow.NewMetadata(keys, values)}
	}
	about := map[string]string{"lestats.layout": string(t.Layout)}
	if p := o.Provenance; p != nil {
		about["lestats.dataset"] = p.Dataset
		about["lestats.dataset_digest"] = p.DatasetDigest
		about["lestats.synthetic"] = strconv.FormatBool(p.Synthetic)
		about["lestats.plugin"] = p.Plugin
		about["lestats.plugin_version"] = p.PluginVersion
		about["lestats.plugin_digest"] = p.PluginDigest
	}
	meta := arrow.MetadataFrom(about)
	schema := arrow.NewSchema(fields, &meta)
	batch := array.NewRecordBatch(schema, columns, int64(t.Rows()))
	defer batch.Release()
	out := ipc.NewWriter(w, ipc.WithSchema(schema), ipc.WithAllocator(pool))
	defer func() {
		if cerr := out.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("arrow stream: %w", cerr)
		}
	}()
	if err := out.Write(batch); err != nil {
		return fmt.Errorf("arrow stream: %w", err)
	}
	return nil
}

// arrowArray returns c as an array; numbers and validity are not copied.
func arrowArray(pool memory.Allocator, c *question.Column) arrow.Array {
	n := c.Len()
	if c.Type == question.String {
		b := array.NewStringBuilder(pool)
		defer b.Release()
		b.Reserve(n)
		for i := range n {
			if c.Present(i) {
				b.Append(c.Dict[c.Codes[i]])
			} else {
				b.AppendNull()
			}
		}
		return b.NewArray()
	}
	kind := arrow.PrimitiveTypes.Float64
	bytes := arrow.Float64Traits.CastToBytes(c.Numbers)
	if c.Type == question.Integer {
		kind, bytes = arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(c.Integers)
	}
	var valid *memory.Buffer
	nulls := 0
	if c.Valid != nil {
		valid, nulls = memory.NewBufferBytes(c.Valid), array.UnknownNullCount
	}
	data := array.NewData(kind, n, []*memory.Buffer{valid, memory.NewBufferBytes(bytes)}, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}
