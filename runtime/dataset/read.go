package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/arrowmeta"
	"github.com/le-stats-sportifs/lestats/runtime/dataset/internal/literal"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

const (
	formatVersion   = "1" // of metaFormat
	errNotOwnFormat = "it was not made by `lestats data build`: %s"
	errLayout       = "its columns are not laid out as WriteArrow lays them out: %s"
)

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ReadArrow reads what WriteArrow wrote. Where b is aligned the columns share its
// memory, so b must not change while the dataset is in use; strings are copied.
// Everything that other code relies on is checked, in a few milliseconds for 100,000
// rows: lengths, codes, dictionaries, order, finiteness. The digest is the one that the
// file states; Verify recomputes it. An error says what is wrong with the file.
func ReadArrow(b []byte) (d *Dataset, err error) {
	defer func() {
		if p := recover(); p != nil { // a metadata table points outside it
			d, err = nil, fmt.Errorf("arrow file: it is damaged: %v", p)
		}
	}()
	f := arrowFile{File: b}
	d, err = f.read()
	if err != nil {
		return nil, fmt.Errorf("arrow file: %w", err)
	}
	return d, nil
}

// arrowFile reads the one form of Arrow file that WriteArrow makes. The metadata are
// flatbuffers. They are read field by field: a length or a nesting that the file claims
// is checked before it is used.
type arrowFile struct {
	arrowmeta.File
	used int // bytes handed out to columns; at most those of the file, so that buffers cannot overlap
}

func (f *arrowFile) read() (*Dataset, error) {
	footer, err := f.Footer()
	if err != nil {
		return nil, err
	}
	schema, ok := footer.Child(arrowmeta.FooterSchema)
	if !ok {
		return nil, errors.New("it has no schema")
	}
	desc, sum, err := readMetadata(schema)
	if err != nil {
		return nil, err
	}
	fields := schema.Tables(arrowmeta.SchemaFields)
	if schema.I16(arrowmeta.SchemaEndianness) != 0 {
		return nil, fmt.Errorf(errLayout, "it is big-endian")
	}
	if len(fields) != len(desc.Columns) {
		return nil, fmt.Errorf(errLayout, fmt.Sprintf("it has %d columns, its descriptor %d", len(fields), len(desc.Columns)))
	}
	dicts, err := f.dictionaries(footer)
	if err != nil {
		return nil, err
	}
	blocks := footer.Structs(arrowmeta.FooterBatches, arrowmeta.BlockSize)
	if len(blocks) != 1 {
		return nil, fmt.Errorf(errLayout, fmt.Sprintf("it has %d record batches, not one", len(blocks)))
	}
	batch, body, err := f.Message(blocks[0], arrowmeta.KindRecordBatch)
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
		err := f.column(&columns[i], spec, fields[i], r, dicts, spec.Name == desc.Sort)
		if err == nil {
			err = desc.checkMeasure(i, &columns[i])
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", spec.Name, err)
		}
	}
	d := newDataset(desc, columns, r.rows)
	d.digest = sum
	return d, nil
}

func readMetadata(schema arrowmeta.Table) (*Descriptor, string, error) {
	meta := map[string]string{}
	for _, kv := range schema.Tables(arrowmeta.SchemaMetadata) {
		switch key := kv.Text(arrowmeta.KeyValueKey); key {
		case arrowmeta.MetaFormat, arrowmeta.MetaDescriptor, arrowmeta.MetaDigest:
			meta[key] = kv.Text(arrowmeta.KeyValueValue)
		}
	}
	if meta[arrowmeta.MetaFormat] != formatVersion {
		return nil, "", fmt.Errorf(errNotOwnFormat, fmt.Sprintf("its schema has %q %s, not %q", arrowmeta.MetaFormat, literal.Quote(meta[arrowmeta.MetaFormat]), formatVersion))
	}
	if !digestPattern.MatchString(meta[arrowmeta.MetaDigest]) {
		return nil, "", fmt.Errorf(errNotOwnFormat, fmt.Sprintf("%q is %s", arrowmeta.MetaDigest, literal.Quote(meta[arrowmeta.MetaDigest])))
	}
	desc, err := decode([]byte(meta[arrowmeta.MetaDescriptor]))
	if err != nil {
		return nil, "", err
	}
	return desc, meta[arrowmeta.MetaDigest], nil
}

// batchReader returns the buffers of a batch in order.
type batchReader struct {
	rows    int
	nodes   [][]byte
	buffers [][]byte
	body    []byte
}

func newBatchReader(batch arrowmeta.Table, body []byte) (*batchReader, error) {
	if batch.At(arrowmeta.BatchCompression) != 0 {
		return nil, fmt.Errorf(errLayout, "it is compressed")
	}
	rows := batch.I64(arrowmeta.BatchLength)
	if rows < 0 || rows > math.MaxInt {
		return nil, fmt.Errorf("a batch has %d rows", rows)
	}
	return &batchReader{
		rows: int(rows), body: body,
		nodes:   batch.Structs(arrowmeta.BatchNodes, arrowmeta.NodeSize),
		buffers: batch.Structs(arrowmeta.BatchBuffers, arrowmeta.BufferSize),
	}, nil
}

// node checks that the next column has as many rows as the batch, and returns how many
// of them it claims are missing.
func (r *batchReader) node() (missing int64, err error) {
	if len(r.nodes) == 0 {
		return 0, errors.New("the batch has fewer columns than the schema")
	}
	length := int64(binary.LittleEndian.Uint64(r.nodes[0]))
	missing = int64(binary.LittleEndian.Uint64(r.nodes[0][8:]))
	r.nodes = r.nodes[1:]
	if length != int64(r.rows) || missing < 0 || missing > length {
		return 0, fmt.Errorf("it has %d values, %d of them missing, and the batch has %d rows", length, missing, r.rows)
	}
	return missing, nil
}

// buffer returns the next buffer.
func (r *batchReader) buffer() ([]byte, error) {
	if len(r.buffers) == 0 {
		return nil, errors.New("the batch has too few buffers for its columns")
	}
	element := r.buffers[0]
	r.buffers = r.buffers[1:]
	return arrowmeta.Buffer(element, r.body)
}

// values returns the first count values, each of width bytes, of the next buffer,
// aligned to width.
func (f *arrowFile) values(r *batchReader, count, width int) ([]byte, error) {
	b, err := r.buffer()
	if err != nil {
		return nil, err
	}
	if count > len(b)/width {
		return nil, fmt.Errorf("a buffer has %d bytes; %d values of %d bytes need more", len(b), count, width)
	}
	b = b[: count*width : count*width]
	if f.used += len(b); f.used > len(f.File) {
		return nil, errors.New("its buffers overlap")
	}
	if len(b) > 0 && uintptr(unsafe.Pointer(&b[0]))%uintptr(width) != 0 {
		moved := memory.DefaultAllocator.Allocate(len(b)) // aligned
		copy(moved, b)
		b = moved
	}
	return b, nil
}

// dictionaries returns the dictionaries by id.
func (f *arrowFile) dictionaries(footer arrowmeta.Table) (map[int64][]string, error) {
	blocks := footer.Structs(arrowmeta.FooterDictionaries, arrowmeta.BlockSize)
	if len(blocks) > question.MaxColumns {
		return nil, fmt.Errorf("it has %d dictionaries; at most %d", len(blocks), question.MaxColumns)
	}
	dicts := map[int64][]string{}
	for _, block := range blocks {
		message, body, err := f.Message(block, arrowmeta.KindDictionaryBatch)
		if err != nil {
			return nil, err
		}
		id := message.I64(arrowmeta.DictBatchID)
		batch, ok := message.Child(arrowmeta.DictBatchData)
		if _, twice := dicts[id]; twice || !ok || message.U8(arrowmeta.DictBatchDelta) != 0 {
			return nil, fmt.Errorf(errLayout, fmt.Sprintf("dictionary %d is split or empty", id))
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
	all := string(content) // a single copy: strings outlive the mapping
	dict := make([]string, r.rows)
	for i := range dict {
		from, to := offsets[i], offsets[i+1]
		if from >= to || to > end {
			return nil, fmt.Errorf("entry %d is empty, or its offsets do not ascend", i)
		}
		dict[i] = all[from:to]
		if i > 0 && dict[i-1] >= dict[i] {
			return nil, fmt.Errorf("entry %d, %s, does not sort after %s", i, literal.Quote(dict[i]), literal.Quote(dict[i-1]))
		}
		if !utf8.ValidString(dict[i]) {
			return nil, fmt.Errorf("entry %d, %s, is not UTF-8", i, literal.Quote(dict[i]))
		}
	}
	return dict, nil
}

// column reads the next column of the batch into c and checks it.
func (f *arrowFile) column(c *question.Column, spec *Column, field arrowmeta.Table, r *batchReader, dicts map[int64][]string, sorted bool) error {
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
		return fmt.Errorf("%d rows are missing, but it claims %d", missing, said)
	}
	if tail := r.rows % 8; tail != 0 && c.Valid != nil && c.Valid[r.rows/8]>>tail != 0 {
		return errors.New("its validity bitmap has bits after the last row")
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
			return fmt.Errorf("its dictionary %d does not exist", dictID)
		}
		c.Codes, c.Dict = arrow.Int32Traits.CastFromBytes(b), dict
		return checkCodes(c, sorted)
	}
}

// checkField checks that the schema's field matches the descriptor, and returns the id
// of its dictionary.
func checkField(spec *Column, field arrowmeta.Table) (dictID int64, err error) {
	if name := field.Text(arrowmeta.FieldName); name != spec.Name {
		return 0, fmt.Errorf("the schema names it %s", literal.Quote(name))
	}
	kind := field.U8(arrowmeta.FieldTypeKind)
	typ, _ := field.Child(arrowmeta.FieldType)
	dict, hasDict := field.Child(arrowmeta.FieldDict)
	ok := typ.Bytes != nil && hasDict == (spec.Type == question.String) && len(field.Tables(arrowmeta.FieldChildren)) == 0
	if ok {
		switch spec.Type {
		case question.Number:
			ok = kind == arrowmeta.KindFloat && typ.I16(arrowmeta.FloatPrecision) == arrowmeta.DoublePrecision
		case question.Integer:
			ok = kind == arrowmeta.KindInt && typ.I32(arrowmeta.IntBits) == 64 && typ.U8(arrowmeta.IntSigned) == 1
		default:
			dictID = dict.I64(arrowmeta.DictEncodingID)
			index, has := dict.Child(arrowmeta.DictEncodingIndex)
			ok = kind == arrowmeta.KindUTF8 && (!has || index.I32(arrowmeta.IntBits) == 32 && index.U8(arrowmeta.IntSigned) == 1)
		}
	}
	if !ok {
		return 0, fmt.Errorf(errLayout, fmt.Sprintf("a %s must be stored as float64, int64, or a dictionary of int32 codes and utf8", spec.Type))
	}
	return dictID, nil
}

func checkNumbers(c *question.Column) error {
	for i, v := range c.Numbers {
		if !finite(v) {
			return fmt.Errorf("row %d is %v; numbers must be finite", i, v)
		}
	}
	return checkMissing(c)
}

// checkMissing checks that missing rows hold 0.
func checkMissing(c *question.Column) error {
	for i, b := range c.Valid {
		for absent := ^b; absent != 0; absent &= absent - 1 {
			row := 8*i + bits.TrailingZeros8(absent)
			if row >= c.Len() {
				break
			}
			switch {
			case c.Type == question.Number && math.Float64bits(c.Numbers[row]) != 0,
				c.Type == question.Integer && c.Integers[row] != 0,
				c.Type == question.String && c.Codes[row] != 0:
				return fmt.Errorf("row %d is missing but holds a value", row)
			}
		}
	}
	return nil
}

// checkCodes checks that every code is in the dictionary, that every entry is used, and,
// for the sort column, that rows ascend with missing ones first.
func checkCodes(c *question.Column, sorted bool) error {
	if err := checkMissing(c); err != nil {
		return err
	}
	used := make([]bool, len(c.Dict))
	missing := missingCount(c.Valid, len(c.Codes))
	for i, code := range c.Codes {
		if code < 0 || int(code) >= len(used) {
			if missing == len(c.Codes) {
				return nil // all rows are missing and there is no dictionary: the codes are 0
			}
			return fmt.Errorf("row %d has the code %d; the dictionary has %d entries", i, code, len(used))
		}
		if !used[code] {
			used[code] = c.Present(i)
		}
	}
	for code, u := range used {
		if !u {
			return fmt.Errorf("the dictionary entry %d, %s, is not used by any row", code, literal.Quote(c.Dict[code]))
		}
	}
	if !sorted {
		return nil
	}
	for i := range c.Codes {
		if c.Present(i) != (i >= missing) || i > 0 && c.Codes[i] < c.Codes[i-1] {
			return fmt.Errorf("row %d is out of order: the rows must be sorted by this column", i)
		}
	}
	return nil
}
