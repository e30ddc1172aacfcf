package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
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
			header, _, err := f.message(block, list.kind)
			if err != nil {
				return err
			}
			checkMessage(root(b[offset+messagePrefix:]), list.kind, header)
		}
	}
	return nil
}

func checkStream(b []byte) error {
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
		checkMessage(m, kind, header)
		at += int(size)
		body := m.i64(messageBodyLength)
		if body < 0 || body > int64(len(b)-at) {
			return fmt.Errorf("the message at byte %d has a body of %d bytes, which cannot be; is the file cut off?", at, body)
		}
		at += int(body)
	}
	return nil
}

// checkMessage walks the lists of a message, which panics where one is longer than
// what holds it.
func checkMessage(message table, kind byte, header table) {
	message.tables(customMetadata)
	switch kind {
	case kindDictionaryBatch:
		batch, ok := header.child(dictBatchData)
		if !ok {
			panic("a dictionary is empty")
		}
		checkBatch(batch)
	case kindRecordBatch:
		checkBatch(header)
	}
}

func checkBatch(batch table) {
	batch.structs(batchNodes, nodeSize)
	batch.structs(batchBuffers, bufferSize)
	batch.structs(batchVariadic, 8)
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
