package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Further slots and kinds of the Arrow format.
const (
	schemaMessage, unionKind = 1, 14
	unionTypeIDs             = 1
	fieldMetadataSlot        = 6
	customMetadata           = 4 // of a message and of a footer
	batchVariadic            = 4

	maxFields = 1 << 14 // of a schema, with what is in them
	maxNested = 32
)

// checkArrow checks the metadata of an Arrow file or stream of any tool: the library
// believes the lengths of lists that it finds there, and follows what leads in a
// circle. It panics where a table leads out of the file.
func checkArrow(b []byte) error {
	if !isArrow(b) {
		return checkStream(b)
	}
	f := arrowFile{bytes: b}
	check := arrowCheck{budget: budget{size: int64(len(b))}, dictionaries: map[int64]int64{}}
	footer, err := f.footer()
	if err != nil {
		return err
	}
	schema, ok := footer.child(footerSchema)
	if !ok {
		return errors.New("it has no schema")
	}
	footer.tables(customMetadata)
	if err := checkSchema(schema); err != nil {
		return err
	}
	for _, list := range []struct {
		slot int
		kind byte
	}{{footerDictionaries, kindDictionaryBatch}, {footerBatches, kindRecordBatch}} {
		for _, block := range footer.structs(list.slot, blockSize) {
			offset := int64(binary.LittleEndian.Uint64(block))
			header, body, err := f.message(block, list.kind)
			if err != nil {
				return err
			}
			if err := check.message(root(b[offset+messagePrefix:]), list.kind, header, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkStream(b []byte) error {
	check := arrowCheck{budget: budget{size: int64(len(b))}, dictionaries: map[int64]int64{}}
	for at := 0; len(b)-at >= messagePrefix; {
		size := int64(int32(binary.LittleEndian.Uint32(b[at+4:])))
		if string(b[at:at+4]) != streamMagic {
			return fmt.Errorf("at byte %d there is no message", at)
		}
		at += messagePrefix
		if size == 0 {
			return nil // the end
		}
		if size < 8 || size > maxMetadata || size > int64(len(b)-at) {
			return fmt.Errorf("the message at byte %d has %d bytes, which cannot be", at, size)
		}
		m := root(b[at : at+int(size)])
		header, ok := m.child(messageHeader)
		if !ok {
			return fmt.Errorf("the message at byte %d is empty", at)
		}
		kind := m.u8(messageKind)
		if kind == schemaMessage {
			if err := checkSchema(header); err != nil {
				return err
			}
		}
		at += int(size)
		body := m.i64(messageBodyLength)
		if body < 0 || body > int64(len(b)-at) {
			return fmt.Errorf("the message at byte %d has a body of %d bytes, which cannot be; is the file cut off?", at, body)
		}
		if err := check.message(m, kind, header, b[at:at+int(body)]); err != nil {
			return err
		}
		at += int(body)
	}
	return nil
}

// arrowCheck counts what the library will do with the messages of a file: a file may
// name the same bytes many times, and say that they unpack to anything.
type arrowCheck struct {
	budget

	dictionaries map[int64]int64 // bytes of each, unpacked, by its id
}

// message checks a message, and walks its lists, which panics where one is longer than
// what holds it.
func (c *arrowCheck) message(message table, kind byte, header table, body []byte) error {
	message.tables(customMetadata)
	if err := c.takeBytes(int64(len(message.Bytes)) + int64(len(body))); err != nil {
		return err
	}
	switch kind {
	case kindDictionaryBatch:
		batch, ok := header.child(dictBatchData)
		if !ok {
			panic("a dictionary is empty")
		}
		n, err := c.batch(batch, body)
		if err != nil {
			return err
		}
		id := header.i64(dictBatchID)
		if header.u8(dictBatchDelta) == 0 {
			c.dictionaries[id] = n
			return nil
		}
		c.dictionaries[id] += n
		return c.takeBytes(c.dictionaries[id]) // which is copied whenever it grows
	case kindRecordBatch:
		_, err := c.batch(header, body)
		return err
	}
	return nil
}

// batch checks the buffers of a batch, and returns how many bytes they have once they
// are unpacked.
func (c *arrowCheck) batch(batch table, body []byte) (total int64, err error) {
	batch.structs(batchNodes, nodeSize)
	batch.structs(batchVariadic, 8)
	compression, compressed := batch.child(batchCompression)
	for _, buffer := range batch.structs(batchBuffers, bufferSize) {
		offset := int64(binary.LittleEndian.Uint64(buffer))
		n := int64(binary.LittleEndian.Uint64(buffer[8:]))
		if offset < 0 || n < 0 || offset > int64(len(body)) || n > int64(len(body))-offset {
			return 0, fmt.Errorf("a buffer of %d bytes at byte %d leads out of its batch, which has %d", n, offset, len(body))
		}
		if compressed && n >= 8 {
			packed := body[offset : offset+n]
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

// checkZstd refuses Zstandard that asks for more room than its own programs give.
func checkZstd(compression table, packed []byte) error {
	const isZstd, most = 1, 1 << 27
	if compression.u8(0) != isZstd || len(packed) == 0 {
		return nil
	}
	var h zstd.Header
	if err := h.Decode(packed); err != nil {
		return fmt.Errorf("a buffer is not the Zstandard that it seems to be: %w", err)
	}
	if h.WindowSize > most {
		return fmt.Errorf("a buffer asks for %d bytes to be unpacked; at most %d", h.WindowSize, most)
	}
	return nil
}

func checkSchema(schema table) error {
	schema.tables(schemaMetadata)
	left := maxFields
	return checkFields(schema.tables(schemaFields), &left, 0)
}

func checkFields(fields []table, left *int, depth int) error {
	if *left -= len(fields); *left < 0 || depth > maxNested {
		return fmt.Errorf("it has more than %d columns, or they are nested more than %d deep", maxFields, maxNested)
	}
	for _, f := range fields {
		f.tables(fieldMetadataSlot)
		if typ, ok := f.child(fieldType); ok && f.u8(fieldTypeKind) == unionKind {
			typ.structs(unionTypeIDs, 4)
		}
		if err := checkFields(f.tables(fieldChildren), left, depth+1); err != nil {
			return err
		}
	}
	return nil
}
