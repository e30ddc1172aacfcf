package tabular

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
)

// checkArrow checks the metadata of an Arrow file or stream written by any tool: the
// library trusts the lengths of vectors and follows cycles. checkArrow panics where a
// table points outside the file.
func checkArrow(b []byte) error {
	if !arrowmeta.IsArrow(b) {
		return checkStream(b)
	}
	f := arrowmeta.File(b)
	check := arrowCheck{budget: budget{size: int64(len(b))}, dictionaries: map[int64]int64{}, dictionaryViews: map[int64]int{}}
	footer, err := f.Footer()
	if err != nil {
		return err
	}
	schema, ok := footer.Child(arrowmeta.FooterSchema)
	if !ok {
		return errors.New("it has no schema")
	}
	footer.Tables(arrowmeta.CustomMetadata)
	if err := check.schema(schema); err != nil {
		return err
	}
	for _, list := range []struct {
		slot int
		kind byte
	}{{arrowmeta.FooterDictionaries, arrowmeta.KindDictionaryBatch}, {arrowmeta.FooterBatches, arrowmeta.KindRecordBatch}} {
		for _, block := range footer.Structs(list.slot, arrowmeta.BlockSize) {
			offset := int64(binary.LittleEndian.Uint64(block))
			header, body, err := f.Message(block, list.kind)
			if err != nil {
				return err
			}
			if err := check.message(arrowmeta.Root(b[offset+arrowmeta.MessagePrefix:]), list.kind, header, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkStream(b []byte) error {
	check := arrowCheck{budget: budget{size: int64(len(b))}, dictionaries: map[int64]int64{}, dictionaryViews: map[int64]int{}}
	for at := 0; len(b)-at >= arrowmeta.MessagePrefix; {
		size := int64(int32(binary.LittleEndian.Uint32(b[at+4:])))
		if string(b[at:at+4]) != streamMagic {
			return fmt.Errorf("there is no message at byte %d", at)
		}
		at += arrowmeta.MessagePrefix
		if size == 0 {
			return nil // the end
		}
		if size < 8 || size > arrowmeta.MaxMetadata || size > int64(len(b)-at) {
			return fmt.Errorf("the message at byte %d claims an impossible length of %d bytes", at, size)
		}
		m := arrowmeta.Root(b[at : at+int(size)])
		header, ok := m.Child(arrowmeta.MessageHeader)
		if !ok {
			return fmt.Errorf("the message at byte %d is empty", at)
		}
		kind := m.U8(arrowmeta.MessageKind)
		if kind == arrowmeta.SchemaMessage {
			if err := check.schema(header); err != nil {
				return err
			}
		}
		at += int(size)
		body := m.I64(arrowmeta.MessageBodyLength)
		if body < 0 || body > int64(len(b)-at) {
			return fmt.Errorf("the message at byte %d claims a body of %d bytes, which does not fit in the file; is it truncated?", at, body)
		}
		if err := check.message(m, kind, header, b[at:at+int(body)]); err != nil {
			return err
		}
		at += int(body)
	}
	return nil
}

// arrowCheck counts the bytes that the library will process: a file may refer to the
// same bytes many times, and claim any decompressed size.
type arrowCheck struct {
	budget

	dictionaries    map[int64]int64 // decompressed bytes of each, by id
	views           int             // columns of views in a record batch, nested ones included
	dictionaryViews map[int64]int   // the same in a batch of the dictionary with this id
}

// message checks a message and walks its vectors, which panics where one is longer than
// its container.
func (c *arrowCheck) message(message arrowmeta.Table, kind byte, header arrowmeta.Table, body []byte) error {
	message.Tables(arrowmeta.CustomMetadata)
	if err := c.takeBytes(int64(len(message.Bytes)) + int64(len(body))); err != nil {
		return err
	}
	switch kind {
	case arrowmeta.KindDictionaryBatch:
		batch, ok := header.Child(arrowmeta.DictBatchData)
		if !ok {
			panic("a dictionary is empty")
		}
		id := header.I64(arrowmeta.DictBatchID)
		n, err := c.batch(batch, body, c.dictionaryViews[id])
		if err != nil {
			return err
		}
		if header.U8(arrowmeta.DictBatchDelta) == 0 {
			c.dictionaries[id] = n
			return nil
		}
		c.dictionaries[id] += n
		return c.takeBytes(c.dictionaries[id]) // the library copies it whenever it grows
	case arrowmeta.KindRecordBatch:
		_, err := c.batch(header, body, c.views)
		return err
	}
	return nil
}

// batch checks the buffers of a batch with so many columns of views, and returns the
// decompressed size of the buffers in bytes.
func (c *arrowCheck) batch(batch arrowmeta.Table, body []byte, views int) (total int64, err error) {
	batch.Structs(arrowmeta.BatchNodes, arrowmeta.NodeSize)
	buffers := batch.Structs(arrowmeta.BatchBuffers, arrowmeta.BufferSize)
	left := int64(len(buffers))
	counts := batch.Structs(arrowmeta.BatchVariadic, 8) // how many buffers each column of views has
	if len(counts) < views {                            // the library would read past their end
		return 0, fmt.Errorf("it is damaged: it has %d columns of views, and a batch has the buffers of %d", views, len(counts))
	}
	for _, count := range counts { // the library allocates as many
		n := int64(binary.LittleEndian.Uint64(count))
		if n < 0 || n > left {
			return 0, fmt.Errorf("it is damaged: a column has %d buffers of views, and a batch has %d buffers", n, len(buffers))
		}
		left -= n
	}
	compression, compressed := batch.Child(arrowmeta.BatchCompression)
	for _, element := range buffers {
		packed, err := arrowmeta.Buffer(element, body)
		if err != nil {
			return 0, err
		}
		n := int64(len(packed))
		if compressed && n >= 8 {
			if said := int64(binary.LittleEndian.Uint64(packed)); said != -1 {
				n = said
				if err := checkZstd(compression, packed[8:]); err != nil {
					return 0, err
				}
			}
		}
		if err := c.takeBytes(n); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// checkZstd refuses Zstandard with a larger window than the reference tools accept.
func checkZstd(compression arrowmeta.Table, packed []byte) error {
	const isZstd, most = 1, 1 << 27
	if compression.U8(0) != isZstd || len(packed) == 0 {
		return nil
	}
	var h zstd.Header
	if err := h.Decode(packed); err != nil {
		return fmt.Errorf("a buffer is not valid Zstandard: %w", err)
	}
	if h.WindowSize > most {
		return fmt.Errorf("a buffer needs a window of %d bytes to decompress; at most %d", h.WindowSize, most)
	}
	return nil
}

func (c *arrowCheck) schema(schema arrowmeta.Table) error {
	schema.Tables(arrowmeta.SchemaMetadata)
	left := maxFields
	views, err := c.fields(schema.Tables(arrowmeta.SchemaFields), &left, 0)
	c.views = max(c.views, views)
	return err
}

// fields checks fields, and returns how many of them are stored as views.
func (c *arrowCheck) fields(fields []arrowmeta.Table, left *int, depth int) (views int, err error) {
	if *left -= len(fields); *left < 0 || depth > maxNested {
		return 0, fmt.Errorf("it has more than %d columns, or they are nested more than %d deep", maxFields, maxNested)
	}
	for _, f := range fields {
		f.Tables(arrowmeta.FieldMetadataSlot)
		kind := f.U8(arrowmeta.FieldTypeKind)
		if typ, ok := f.Child(arrowmeta.FieldType); ok && kind == arrowmeta.UnionKind {
			typ.Structs(arrowmeta.UnionTypeIDs, 4)
		}
		own, err := c.fields(f.Tables(arrowmeta.FieldChildren), left, depth+1)
		if err != nil {
			return 0, err
		}
		if kind == arrowmeta.BinaryViewKind || kind == arrowmeta.UTF8ViewKind {
			own++
		}
		if dictionary, ok := f.Child(arrowmeta.FieldDict); ok { // a record batch has its indices only
			id := dictionary.I64(arrowmeta.DictEncodingID)
			c.dictionaryViews[id] = max(c.dictionaryViews[id], own)
			own = 0
		}
		views += own
	}
	return views, nil
}
