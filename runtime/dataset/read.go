package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ReadArrow reads what WriteArrow wrote. The columns lie over b where b is aligned,
// so b must stay as it is for the dataset's life; strings are copied. Everything
// that could lead astray is checked, in a few milliseconds for 100,000 rows:
// lengths, codes, dictionaries, order, finiteness. The digest is taken from the
// file as it stands; Verify computes it. An error says what is wrong with the file.
func ReadArrow(b []byte) (d *Dataset, err error) {
	defer func() {
		if p := recover(); p != nil { // a table of the metadata leads out of it
			d, err = nil, fmt.Errorf("arrow file: it is damaged: %v", p)
		}
	}()
	f := arrowFile{bytes: b}
	d, err = f.read()
	if err != nil {
		return nil, fmt.Errorf("arrow file: %w", err)
	}
	return d, nil
}

// isOurs reports whether WriteArrow made the file, or says it did.
func isOurs(b []byte) (ours bool, err error) {
	defer func() {
		if p := recover(); p != nil { // a table of the metadata leads out of it
			ours, err = false, fmt.Errorf("arrow file: it is damaged: %v", p)
		}
	}()
	f := arrowFile{bytes: b}
	footer, err := f.footer()
	if err != nil {
		return false, fmt.Errorf("arrow file: %w", err)
	}
	schema, ok := footer.child(footerSchema)
	if !ok {
		return false, errors.New("arrow file: it has no schema")
	}
	for _, kv := range schema.tables(schemaMetadata) {
		if kv.text(keyValueKey) == metaFormat {
			return true, nil
		}
	}
	return false, nil
}

// arrowFile reads the one form of Arrow file that WriteArrow makes. The metadata of
// such a file are flatbuffers, which are read here one by one: what a file says of
// lengths and nesting is never followed before it is checked.
type arrowFile struct {
	bytes []byte
	used  int // bytes that columns were given: no more than there are, however they overlap
}

// Tables of the Arrow format and the slots of their fields that are used.
const (
	footerSchema, footerDictionaries, footerBatches               = 1, 2, 3
	schemaEndianness, schemaFields, schemaMetadata                = 0, 1, 2
	fieldName, fieldTypeKind, fieldType, fieldDict, fieldChildren = 0, 2, 3, 4, 5
	dictEncodingID, dictEncodingIndex                             = 0, 1
	keyValueKey, keyValueValue                                    = 0, 1
	intBits, intSigned, floatPrecision                            = 0, 1, 0
	messageKind, messageHeader, messageBodyLength                 = 1, 2, 3
	batchLength, batchNodes, batchBuffers, batchCompression       = 0, 1, 2, 3
	dictBatchID, dictBatchData, dictBatchDelta                    = 0, 1, 2

	kindInt, kindFloat, kindUTF8         = 2, 3, 5 // of a field
	kindDictionaryBatch, kindRecordBatch = 2, 3    // of a message
	blockSize, nodeSize, bufferSize      = 24, 16, 16
	doublePrecision                      = 2
	maxMetadata                          = 16 << 20 // bytes of a footer or message
	messagePrefix                        = 8
	errNotOurs                           = "it was not made by `lestats data build`: %s"
	errFormat                            = "its columns are not laid out as WriteArrow does it: %s"
)

// table is a flatbuffer's table.
type table struct{ flatbuffers.Table }

func root(b []byte) table {
	return table{flatbuffers.Table{Bytes: b, Pos: flatbuffers.GetUOffsetT(b)}}
}

// at returns where the field in a slot lies, 0 when it is absent.
func (t table) at(slot int) flatbuffers.UOffsetT {
	o := t.Offset(flatbuffers.VOffsetT(4 + 2*slot))
	if o == 0 {
		return 0
	}
	return t.Pos + flatbuffers.UOffsetT(o)
}

func (t table) child(slot int) (table, bool) {
	o := t.at(slot)
	if o == 0 {
		return table{}, false
	}
	return table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o)}}, true
}

func (t table) text(slot int) string {
	o := t.at(slot)
	if o == 0 {
		return ""
	}
	return string(t.ByteVector(o))
}

func (t table) u8(slot int) byte {
	if o := t.at(slot); o != 0 {
		return t.GetByte(o)
	}
	return 0
}

func (t table) i16(slot int) int16 {
	if o := t.at(slot); o != 0 {
		return t.GetInt16(o)
	}
	return 0
}

func (t table) i32(slot int) int32 {
	if o := t.at(slot); o != 0 {
		return t.GetInt32(o)
	}
	return 0
}

func (t table) i64(slot int) int64 {
	if o := t.at(slot); o != 0 {
		return t.GetInt64(o)
	}
	return 0
}

// structs returns the elements, of size bytes each, of a vector.
func (t table) structs(slot, size int) [][]byte {
	o := t.at(slot)
	if o == 0 {
		return nil
	}
	o += flatbuffers.GetUOffsetT(t.Bytes[o:])
	n := int(flatbuffers.GetUOffsetT(t.Bytes[o:]))
	b := t.Bytes[int(o)+4:]
	if n > len(b)/size {
		panic("a vector is longer than what holds it")
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = b[i*size : (i+1)*size]
	}
	return out
}

// tables returns the elements of a vector of tables.
func (t table) tables(slot int) []table {
	o := t.at(slot)
	if o == 0 {
		return nil
	}
	o += flatbuffers.GetUOffsetT(t.Bytes[o:])
	n := int(flatbuffers.GetUOffsetT(t.Bytes[o:]))
	if n > (len(t.Bytes)-int(o)-4)/4 {
		panic("a vector is longer than what holds it")
	}
	out := make([]table, n)
	for i := range out {
		out[i] = table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o + 4 + 4*flatbuffers.UOffsetT(i))}}
	}
	return out
}

func (f *arrowFile) read() (*Dataset, error) {
	footer, err := f.footer()
	if err != nil {
		return nil, err
	}
	schema, ok := footer.child(footerSchema)
	if !ok {
		return nil, errors.New("it has no schema")
	}
	desc, sum, err := readMetadata(schema)
	if err != nil {
		return nil, err
	}
	fields := schema.tables(schemaFields)
	if schema.i16(schemaEndianness) != 0 {
		return nil, fmt.Errorf(errFormat, "it is big-endian")
	}
	if len(fields) != len(desc.Columns) {
		return nil, fmt.Errorf(errFormat, fmt.Sprintf("it has %d columns, its descriptor %d", len(fields), len(desc.Columns)))
	}
	dicts, err := f.dictionaries(footer)
	if err != nil {
		return nil, err
	}
	blocks := footer.structs(footerBatches, blockSize)
	if len(blocks) != 1 {
		return nil, fmt.Errorf(errFormat, fmt.Sprintf("it has %d record batches, not one", len(blocks)))
	}
	batch, body, err := f.message(blocks[0], kindRecordBatch)
	if err != nil {
		return nil, err
	}
	r, err := newBatchReader(batch, body)
	if err != nil {
		return nil, err
	}
	if r.rows > math.MaxInt32 {
		return nil, fmt.Errorf("it has %d rows; at most %d", r.rows, math.MaxInt32)
	}
	columns := make([]question.Column, len(fields))
	for i := range fields {
		spec := &desc.Columns[i]
		if err := f.column(&columns[i], spec, fields[i], r, dicts, spec.Name == desc.Sort); err != nil {
			return nil, fmt.Errorf("column %q: %w", spec.Name, err)
		}
	}
	d, err := newDataset(desc, columns, r.rows)
	if err != nil {
		return nil, err
	}
	d.digest = sum
	return d, nil
}

func (f *arrowFile) footer() (table, error) {
	n := len(f.bytes)
	if !isArrow(f.bytes) {
		return table{}, errors.New("it does not start as an Arrow file does")
	}
	if n < len(arrowMagic)+2+arrowTrailer || string(f.bytes[n-len(arrowMagic):]) != arrowMagic {
		return table{}, errors.New("it does not end as an Arrow file does; is it cut off?")
	}
	end := n - arrowTrailer
	size := int64(binary.LittleEndian.Uint32(f.bytes[end:]))
	if size < 8 || size > maxMetadata || size > int64(end) {
		return table{}, fmt.Errorf("its footer has %d bytes, which cannot be", size)
	}
	return root(f.bytes[end-int(size) : end]), nil
}

func isArrow(b []byte) bool { return bytes.HasPrefix(b, []byte(arrowMagic)) }

func readMetadata(schema table) (*Descriptor, string, error) {
	meta := map[string]string{}
	for _, kv := range schema.tables(schemaMetadata) {
		switch key := kv.text(keyValueKey); key {
		case metaFormat, metaDescriptor, metaDigest:
			meta[key] = kv.text(keyValueValue)
		}
	}
	if meta[metaFormat] != formatVersion {
		return nil, "", fmt.Errorf(errNotOurs, fmt.Sprintf("its schema has %q %s, not %q", metaFormat, quote(meta[metaFormat]), formatVersion))
	}
	if !digestPattern.MatchString(meta[metaDigest]) {
		return nil, "", fmt.Errorf(errNotOurs, fmt.Sprintf("%q is %s", metaDigest, quote(meta[metaDigest])))
	}
	desc, err := decode([]byte(meta[metaDescriptor]))
	if err != nil {
		return nil, "", err
	}
	return desc, meta[metaDigest], nil
}

// message returns the header and the body of the message in a block of the footer.
func (f *arrowFile) message(block []byte, kind byte) (header table, body []byte, err error) {
	offset := int64(binary.LittleEndian.Uint64(block))
	meta := int64(int32(binary.LittleEndian.Uint32(block[8:])))
	length := int64(binary.LittleEndian.Uint64(block[16:]))
	size := int64(len(f.bytes))
	if offset < 0 || offset > size || meta < messagePrefix+8 || meta > maxMetadata || length < 0 || meta > size-offset || length > size-offset-meta {
		return table{}, nil, fmt.Errorf("a block of %d and %d bytes at byte %d leads out of the file, which has %d", meta, length, offset, size)
	}
	head := f.bytes[offset : offset+meta]
	m := root(head[messagePrefix:])
	header, ok := m.child(messageHeader)
	if got := m.u8(messageKind); got != kind || !ok || m.i64(messageBodyLength) != length {
		return table{}, nil, fmt.Errorf("the message at byte %d is of another kind (%d, not %d) or length than the footer says", offset, got, kind)
	}
	return header, f.bytes[offset+meta : offset+meta+length], nil
}

// batchReader hands out the buffers of a batch in turn.
type batchReader struct {
	rows    int
	nodes   [][]byte
	buffers [][]byte
	body    []byte
}

func newBatchReader(batch table, body []byte) (*batchReader, error) {
	if batch.at(batchCompression) != 0 {
		return nil, fmt.Errorf(errFormat, "it is compressed")
	}
	rows := batch.i64(batchLength)
	if rows < 0 || rows > math.MaxInt {
		return nil, fmt.Errorf("a batch has %d rows", rows)
	}
	return &batchReader{
		rows: int(rows), body: body,
		nodes:   batch.structs(batchNodes, nodeSize),
		buffers: batch.structs(batchBuffers, bufferSize),
	}, nil
}

// node checks that the next column has as many rows as the batch, and returns how
// many it says are missing.
func (r *batchReader) node() (missing int64, err error) {
	if len(r.nodes) == 0 {
		return 0, errors.New("the batch has fewer columns than the schema")
	}
	length := int64(binary.LittleEndian.Uint64(r.nodes[0]))
	missing = int64(binary.LittleEndian.Uint64(r.nodes[0][8:]))
	r.nodes = r.nodes[1:]
	if length != int64(r.rows) || missing < 0 || missing > length {
		return 0, fmt.Errorf("it has %d values, %d of them missing; the batch has %d rows", length, missing, r.rows)
	}
	return missing, nil
}

// buffer returns the next buffer.
func (r *batchReader) buffer() ([]byte, error) {
	if len(r.buffers) == 0 {
		return nil, errors.New("the batch has fewer buffers than its columns need")
	}
	offset := int64(binary.LittleEndian.Uint64(r.buffers[0]))
	length := int64(binary.LittleEndian.Uint64(r.buffers[0][8:]))
	r.buffers = r.buffers[1:]
	size := int64(len(r.body))
	if offset < 0 || length < 0 || offset > size || length > size-offset {
		return nil, fmt.Errorf("a buffer of %d bytes at byte %d leads out of the batch, which has %d", length, offset, size)
	}
	return r.body[offset : offset+length : offset+length], nil
}

// values returns the first count values, of width bytes each, of the next buffer,
// at an address that suits them.
func (f *arrowFile) values(r *batchReader, count, width int) ([]byte, error) {
	b, err := r.buffer()
	if err != nil {
		return nil, err
	}
	if count > len(b)/width {
		return nil, fmt.Errorf("a buffer has %d bytes; %d values of %d bytes need more", len(b), count, width)
	}
	b = b[: count*width : count*width]
	if f.used += len(b); f.used > len(f.bytes) {
		return nil, errors.New("its buffers overlap")
	}
	if len(b) > 0 && uintptr(unsafe.Pointer(&b[0]))%uintptr(width) != 0 {
		moved := aligned(len(b))
		copy(moved, b)
		b = moved
	}
	return b, nil
}

// dictionaries returns the dictionaries by their ids.
func (f *arrowFile) dictionaries(footer table) (map[int64][]string, error) {
	blocks := footer.structs(footerDictionaries, blockSize)
	if len(blocks) > question.MaxColumns {
		return nil, fmt.Errorf("it has %d dictionaries; at most %d", len(blocks), question.MaxColumns)
	}
	dicts := map[int64][]string{}
	for _, block := range blocks {
		message, body, err := f.message(block, kindDictionaryBatch)
		if err != nil {
			return nil, err
		}
		id := message.i64(dictBatchID)
		batch, ok := message.child(dictBatchData)
		if _, twice := dicts[id]; twice || !ok || message.u8(dictBatchDelta) != 0 {
			return nil, fmt.Errorf(errFormat, fmt.Sprintf("dictionary %d comes in parts or is empty", id))
		}
		r, err := newBatchReader(batch, body)
		if err != nil {
			return nil, err
		}
		if dicts[id], err = f.dictionary(r); err != nil {
			return nil, fmt.Errorf("dictionary %d: %w", id, err)
		}
	}
	return dicts, nil
}

// dictionary reads the strings of a dictionary, which ascend.
func (f *arrowFile) dictionary(r *batchReader) ([]string, error) {
	missing, err := r.node()
	if err != nil {
		return nil, err
	}
	if _, err = r.buffer(); err != nil { // of validity
		return nil, err
	}
	if missing != 0 {
		return nil, errors.New("it has missing entries")
	}
	if r.rows == 0 {
		return nil, nil
	}
	raw, err := f.values(r, r.rows+1, 4)
	if err != nil {
		return nil, err
	}
	offsets := arrow.Int32Traits.CastFromBytes(raw)
	end := offsets[r.rows]
	if offsets[0] != 0 || end < 0 {
		return nil, errors.New("its offsets do not ascend from 0")
	}
	content, err := f.values(r, int(end), 1)
	if err != nil {
		return nil, err
	}
	all := string(content) // one copy: strings outlive the mapping
	dict := make([]string, r.rows)
	for i := range dict {
		from, to := offsets[i], offsets[i+1]
		if from >= to || to > end {
			return nil, fmt.Errorf("entry %d is empty, or its offsets do not ascend", i)
		}
		dict[i] = all[from:to]
		if i > 0 && dict[i-1] >= dict[i] {
			return nil, fmt.Errorf("entry %d, %s, does not come after %s", i, quote(dict[i]), quote(dict[i-1]))
		}
		if !utf8.ValidString(dict[i]) {
			return nil, fmt.Errorf("entry %d, %s, is not UTF-8", i, quote(dict[i]))
		}
	}
	return dict, nil
}

// column reads the next column of the batch into c and checks it.
func (f *arrowFile) column(c *question.Column, spec *Column, field table, r *batchReader, dicts map[int64][]string, sorted bool) error {
	c.Type = spec.Type
	dictID, err := checkField(spec, field)
	if err != nil {
		return err
	}
	said, err := r.node()
	if err != nil {
		return err
	}
	if said == 0 {
		_, err = r.buffer()
	} else {
		c.Valid, err = f.values(r, (r.rows+7)/8, 1)
	}
	if err != nil {
		return err
	}
	missing := missingCount(c.Valid, r.rows)
	if int64(missing) != said {
		return fmt.Errorf("%d rows are missing; it says %d", missing, said)
	}
	if tail := r.rows % 8; tail != 0 && c.Valid != nil && c.Valid[r.rows/8]>>tail != 0 {
		return errors.New("its validity bitmap goes on after the last row")
	}
	switch spec.Type {
	case question.Number:
		b, err := f.values(r, r.rows, 8)
		if err != nil {
			return err
		}
		c.Numbers = arrow.Float64Traits.CastFromBytes(b)
		return checkNumbers(c)
	case question.Integer:
		b, err := f.values(r, r.rows, 8)
		if err != nil {
			return err
		}
		c.Integers = arrow.Int64Traits.CastFromBytes(b)
		return checkMissing(c)
	default:
		b, err := f.values(r, r.rows, 4)
		if err != nil {
			return err
		}
		dict, ok := dicts[dictID]
		if !ok {
			return fmt.Errorf("its dictionary %d is not there", dictID)
		}
		c.Codes, c.Dict = arrow.Int32Traits.CastFromBytes(b), dict
		return checkCodes(c, sorted)
	}
}

// checkField checks that the schema's field is what the descriptor says, and
// returns the id of its dictionary.
func checkField(spec *Column, field table) (dictID int64, err error) {
	if name := field.text(fieldName); name != spec.Name {
		return 0, fmt.Errorf("the schema calls it %s", quote(name))
	}
	kind := field.u8(fieldTypeKind)
	typ, _ := field.child(fieldType)
	dict, hasDict := field.child(fieldDict)
	ok := typ.Bytes != nil && hasDict == (spec.Type == question.String) && len(field.tables(fieldChildren)) == 0
	if ok {
		switch spec.Type {
		case question.Number:
			ok = kind == kindFloat && typ.i16(floatPrecision) == doublePrecision
		case question.Integer:
			ok = kind == kindInt && typ.i32(intBits) == 64 && typ.u8(intSigned) == 1
		default:
			dictID = dict.i64(dictEncodingID)
			index, has := dict.child(dictEncodingIndex)
			ok = kind == kindUTF8 && (!has || index.i32(intBits) == 32 && index.u8(intSigned) == 1)
		}
	}
	if !ok {
		return 0, fmt.Errorf(errFormat, fmt.Sprintf("a %s is a float64, int64, or dictionary of int32 codes and utf8", spec.Type))
	}
	return dictID, nil
}

func checkNumbers(c *question.Column) error {
	for i, v := range c.Numbers {
		if !finite(v) {
			return fmt.Errorf("row %d is %v; numbers are finite", i, v)
		}
	}
	return checkMissing(c)
}

// checkMissing checks that rows without a value hold 0.
func checkMissing(c *question.Column) error {
	for i, b := range c.Valid {
		if b == 0xff {
			continue
		}
		for row := 8 * i; row < min(8*i+8, c.Len()); row++ {
			if c.Valid.Get(row) {
				continue
			}
			switch {
			case c.Type == question.Number && math.Float64bits(c.Numbers[row]) != 0,
				c.Type == question.Integer && c.Integers[row] != 0,
				c.Type == question.String && c.Codes[row] != 0:
				return fmt.Errorf("row %d is missing, yet holds a value", row)
			}
		}
	}
	return nil
}

// checkCodes checks that every code is of the dictionary, that every entry of it
// is used, and, for the sort column, that rows ascend, missing ones first.
func checkCodes(c *question.Column, sorted bool) error {
	if err := checkMissing(c); err != nil {
		return err
	}
	used := make([]bool, len(c.Dict))
	missing := missingCount(c.Valid, len(c.Codes))
	for i, code := range c.Codes {
		if code < 0 || int(code) >= len(used) {
			if missing == len(c.Codes) {
				return nil // nothing there, and no dictionary: the codes are 0
			}
			return fmt.Errorf("row %d has the code %d; the dictionary has %d entries", i, code, len(used))
		}
		if !used[code] {
			used[code] = c.Present(i)
		}
	}
	for code, u := range used {
		if !u {
			return fmt.Errorf("no row has the entry %d, %s, of its dictionary", code, quote(c.Dict[code]))
		}
	}
	if !sorted {
		return nil
	}
	for i := range c.Codes {
		if c.Present(i) != (i >= missing) || i > 0 && c.Codes[i] < c.Codes[i-1] {
			return fmt.Errorf("row %d is out of order, and the rows are sorted by this column", i)
		}
	}
	return nil
}
