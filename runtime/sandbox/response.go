package sandbox

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// memory is a guest's linear memory. Nothing in it can be trusted.
type memory []byte

// at returns n bytes from address ptr on, or false where not all of them exist.
func (m memory) at(ptr uint32, n uint64) ([]byte, bool) {
	start, size := uint64(ptr), uint64(len(m))
	if start > size || n > size-start {
		return nil, false
	}
	return m[start : start+n : start+n], true
}

// part returns n bytes from address ptr on; what names them in the error.
func (m memory) part(what string, ptr uint32, n uint64) ([]byte, *question.Error) {
	b, ok := m.at(ptr, n)
	if !ok {
		return nil, badResult("%s, %d bytes at %#x, lies outside of the plugin's memory (%d bytes)", what, n, ptr, len(m))
	}
	return b, nil
}

func badResult(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadResult, format, args...)
}

// decodeResponse reads the response that an export returned.
func decodeResponse(m memory, packed uint64) (r abi.Response, err *question.Error) {
	ptr, n := abi.Unpack(packed)
	b, err := m.part("the response", ptr, uint64(n))
	if err != nil {
		return r, err
	}
	if n < abi.ResponseSize {
		return r, badResult("the response has %d bytes; at least %d", n, abi.ResponseSize)
	}
	r = readResponse(b)
	switch {
	case r.Size < abi.ResponseSize || r.Size > n:
		return r, badResult("the response states a size of %d bytes; from %d to the %d that it has", r.Size, abi.ResponseSize, n)
	case r.Version != abi.Version:
		return r, badResult("the response is of version %d; this is contract version %d", r.Version, abi.Version)
	case r.Status != abi.StatusOK && r.Status != abi.StatusError:
		return r, badResult("the response has the status %d; %d (ok) or %d (error)", r.Status, abi.StatusOK, abi.StatusError)
	}
	return r, nil
}

// decodeOpen reads the response of a plugin that could not be opened. It returns
// an error in any case.
func decodeOpen(m memory, packed uint64) *question.Error {
	r, err := decodeResponse(m, packed)
	if err != nil {
		return err
	}
	if r.Status == abi.StatusOK {
		return badResult("it returned a response that is no error; it returns 0 where it succeeds")
	}
	return decodeError(m, r.Error, nil)
}

// decodeError reads an abi.Error and turns it into what a caller gets.
func decodeError(m memory, ptr uint32, params []question.Param) *question.Error {
	b, err := m.part("the error", ptr, abi.ErrorSize)
	if err != nil {
		return err
	}
	e, _ := abi.Decode[abi.Error](b) // of the right length
	if e.Size < abi.ErrorSize || e.Version != abi.Version {
		return badResult("the error states a size of %d and version %d; at least %d, and %d", e.Size, e.Version, abi.ErrorSize, abi.Version)
	}
	text, err := m.part("the error's text", e.Text, uint64(e.TextLen))
	if err != nil {
		return err
	}
	code := question.CodePluginError
	switch e.Code {
	case abi.ErrFailed, abi.ErrDataset:
	case abi.ErrBadParam:
		code = question.CodeBadParameter
	case abi.ErrNoData:
		code = question.CodeNoData
	default:
		return badResult("the error has the code %d; from %d to %d", e.Code, abi.ErrFailed, abi.ErrDataset)
	}
	param := ""
	if e.Param != abi.NoIndex && len(params) > 0 { // from open: about no parameter
		if uint64(e.Param) >= uint64(len(params)) {
			return badResult("the error is about parameter %d; there are %d, counted from 0", e.Param, len(params))
		}
		param = params[e.Param].Name
	}
	const most = 1 << 10
	reason := strings.TrimSpace(printable(text[:min(len(text), most)]))
	if reason == "" {
		reason = "the plugin gave no reason"
	}
	return question.Errorf(code, "%s", reason).About(param)
}

// source is what a result may refer to.
type source interface {
	// unitOf returns the unit of a column of the dataset.
	unitOf(column string) string
	// dictAt returns the dictionary of the dataset that lies where a result's column
	// says that its own lies; nil where none does. It is not to be written to.
	dictAt(c *abi.Column) []string
}

// decodeAnswer reads what answer returned: a table, checked against what the
// manifest declares for q and copied, or the reason why there is none. limit bounds
// the bytes of what is in the table, of which there are size: of a dictionary what rows
// have of it.
func decodeAnswer(m memory, packed uint64, q *question.Question, from source, limit uint64) (_ *question.Table, size uint64, _ *question.Error) {
	r, err := decodeResponse(m, packed)
	if err != nil {
		return nil, 0, err
	}
	if r.Status == abi.StatusError {
		return nil, 0, decodeError(m, r.Error, q.Params)
	}
	if r.TableCount != 1 || r.TableSize < abi.TableSize {
		return nil, 0, badResult("the response has %d tables of %d bytes; 1 of at least %d", r.TableCount, r.TableSize, abi.TableSize)
	}
	b, err := m.part("the table", r.Tables, uint64(r.TableSize))
	if err != nil {
		return nil, 0, err
	}
	t := readTable(b) // of the right length
	declared := q.Result.Columns()
	switch {
	case t.Kind != abi.KindTable:
		return nil, 0, badResult("the table is of kind %d; contract v1 has %d (table) only", t.Kind, abi.KindTable)
	case uint64(t.ColumnCount) != uint64(len(declared)):
		return nil, 0, badResult("the table has %d columns; the manifest declares %d for %s", t.ColumnCount, len(declared), q.Name)
	case t.ColumnSize < abi.ColumnSize:
		return nil, 0, badResult("the table's columns are structs of %d bytes; at least %d", t.ColumnSize, abi.ColumnSize)
	case q.Result.Layout == question.LayoutRecord && t.Rows != 1:
		return nil, 0, badResult("the table has %d rows; the layout record has exactly one", t.Rows)
	}
	stride := uint64(t.ColumnSize)
	b, err = m.part("the table's array of columns", t.Columns, stride*uint64(t.ColumnCount))
	if err != nil {
		return nil, 0, err
	}
	columns := make([]resultColumn, len(declared))
	for i := range columns {
		c := &columns[i]
		c.abiColumn = readColumn(b[uint64(i)*stride:]) // of the right length
		c.number, c.name = i, declared[i].Name
		if want := abiType(declared[i].Type); c.abiColumn.Type != want {
			return nil, 0, badResult("%s is of type %d; the manifest declares %s, which is %d", c.what(), c.abiColumn.Type, declared[i].Type, want)
		}
		size += c.size(uint64(t.Rows))
	}
	if size > limit {
		return nil, size, tooLarge(size, t.Rows, limit)
	}
	out := &question.Table{Layout: q.Result.Layout, Chart: q.Result.Chart, Columns: make([]question.Column, len(declared))}
	for i := range columns {
		c, d := &out.Columns[i], &declared[i]
		*c = question.Column{Name: d.Name, Title: d.Title, Type: d.Type, Unit: d.Unit, Role: question.RoleValue}
		if i < len(q.Result.Keys) {
			c.Role = question.RoleKey
		}
		if d.UnitOf != "" {
			if unit := from.unitOf(d.UnitOf); unit != "" {
				c.Unit = unit
			}
		}
		if err := columns[i].decode(m, uint64(t.Rows), c); err != nil {
			return nil, size, err
		}
		if c.Type == question.String {
			n, err := columns[i].decodeDict(m, from, limit-size, c)
			if err != nil {
				return nil, size, err
			}
			if size += n; size > limit {
				return nil, size, tooLarge(size, t.Rows, limit)
			}
		}
	}
	if out.Layout == question.LayoutMap || out.Layout == question.LayoutNested {
		if err := checkKeys(out.Columns[:len(q.Result.Keys)]); err != nil {
			return nil, size, err
		}
	}
	return out, size, nil
}

func tooLarge(size uint64, rows uint32, limit uint64) *question.Error {
	return question.Errorf(question.CodeResultTooLarge, "the result has %d bytes in %d rows; at most %d bytes", size, rows, limit)
}

// resultColumn is one column of a table that a guest returned.
type resultColumn struct {
	abiColumn abi.Column
	number    int
	name      string
}

// what is the column as messages name it.
func (c *resultColumn) what() string { return fmt.Sprintf("column %d (%s)", c.number, c.name) }

// part returns n bytes from address ptr on; which names them in the error.
func (c *resultColumn) part(m memory, which string, ptr uint32, n uint64) ([]byte, *question.Error) {
	b, ok := m.at(ptr, n)
	if !ok {
		return m.part(c.what()+": its "+which, ptr, n)
	}
	return b, nil
}

func (c *resultColumn) width() uint64 {
	if c.abiColumn.Type == abi.TypeString {
		return 4
	}
	return 8
}

// size is how many bytes the host would have to copy, without a dictionary.
func (c *resultColumn) size(rows uint64) uint64 {
	n := rows * c.width()
	if c.abiColumn.Validity != 0 {
		n += (rows + 7) / 8
	}
	return n
}

// decode copies the column's rows into out, whose Type is set, and of a dictionary
// nothing. What is missing is zero there, whatever the guest has in its place.
func (c *resultColumn) decode(m memory, rows uint64, out *question.Column) *question.Error {
	a := &c.abiColumn
	if uint64(a.DataLen) < rows*c.width() {
		return badResult("%s has %d bytes of data; %d rows need %d", c.what(), a.DataLen, rows, rows*c.width())
	}
	data, err := c.part(m, "data", a.Data, rows*c.width())
	if err != nil {
		return err
	}
	if err := c.decodeValidity(m, rows, out); err != nil {
		return err
	}
	switch out.Type {
	case question.Number:
		out.Numbers = make([]float64, rows)
		for i := range out.Numbers {
			if !out.Present(i) {
				continue
			}
			v := math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return badResult("%s, row %d: the value is %v; a value is finite, and a missing one is told by the bitmap", c.what(), i, v)
			}
			out.Numbers[i] = v
		}
	case question.Integer:
		out.Integers = make([]int64, rows)
		for i := range out.Integers {
			if out.Present(i) {
				out.Integers[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
			}
		}
	default:
		out.Codes = make([]int32, rows)
		for i := range out.Codes {
			if !out.Present(i) {
				continue
			}
			code := int32(binary.LittleEndian.Uint32(data[4*i:]))
			if code < 0 || uint64(code) >= uint64(a.DictCount) {
				return badResult("%s, row %d: the code is %d; the dictionary has %d entries, counted from 0", c.what(), i, code, a.DictCount)
			}
			out.Codes[i] = code
		}
	}
	return nil
}

func (c *resultColumn) decodeValidity(m memory, rows uint64, out *question.Column) *question.Error {
	a := &c.abiColumn
	missing := 0
	if a.Validity != 0 {
		n := (rows + 7) / 8
		if uint64(a.ValidityLen) < n {
			return badResult("%s has a bitmap of %d bytes; %d rows need %d", c.what(), a.ValidityLen, rows, n)
		}
		bitmap, err := c.part(m, "bitmap", a.Validity, n)
		if err != nil {
			return err
		}
		missing = int(rows) - present(bitmap, int(rows))
		if missing > 0 {
			out.Valid = append(question.Bitmap(nil), bitmap...)
			if spare := rows % 8; spare != 0 {
				out.Valid[n-1] &= 1<<spare - 1
			}
		}
	}
	if uint64(a.NullCount) != uint64(missing) {
		return badResult("%s states %d missing values; its bitmap tells of %d", c.what(), a.NullCount, missing)
	}
	return nil
}

// decodeDict gives out, whose codes are decoded, its dictionary, and returns its bytes.
// One that is small beside its rows is kept as it is, of another what rows have: a
// column of many values costs an answer of few rows nothing. More bytes than most are
// not copied.
func (c *resultColumn) decodeDict(m memory, from source, most uint64, out *question.Column) (size uint64, _ *question.Error) {
	a := &c.abiColumn
	count := uint64(a.DictCount)
	offsets, err := c.part(m, "dictionary's offsets", a.DictOffsets, 4*(count+1))
	if err != nil {
		return 0, err
	}
	bytes, err := c.part(m, "dictionary's bytes", a.DictBytes, uint64(a.DictBytesLen))
	if err != nil {
		return 0, err
	}
	if first := binary.LittleEndian.Uint32(offsets); first != 0 {
		return 0, badResult("%s: its dictionary's first offset is %d; it is 0", c.what(), int32(first))
	}
	entry := func(i int) ([]byte, *question.Error) {
		at, end := binary.LittleEndian.Uint32(offsets[4*i:]), binary.LittleEndian.Uint32(offsets[4*(i+1):])
		if end < at || end > a.DictBytesLen {
			return nil, badResult("%s: its dictionary's offset %d is %d; it lies between the one before, %d, and the length of the bytes, %d",
				c.what(), i+1, int32(end), at, a.DictBytesLen)
		}
		if !utf8.Valid(bytes[at:end]) {
			return nil, badResult("%s: its dictionary's entry %d is not UTF-8", c.what(), i)
		}
		return bytes[at:end], nil
	}
	const small = 4 << 10
	if whole := uint64(len(offsets)) + uint64(len(bytes)); whole <= small+4*uint64(len(out.Codes)) {
		if out.Dict = from.dictAt(a); out.Dict != nil || whole > most {
			return whole, nil
		}
		out.Dict = make([]string, count)
		for i := range out.Dict {
			text, err := entry(i)
			if err != nil {
				return 0, err
			}
			out.Dict[i] = string(text)
		}
		return whole, nil
	}
	used := usedCodes(out)
	size = 4 * (uint64(len(used)) + 1)
	for _, code := range used {
		text, err := entry(int(code))
		if err != nil {
			return 0, err
		}
		if size += uint64(len(text)); size > most {
			return size, nil
		}
		out.Dict = append(out.Dict, string(text))
	}
	for i := range out.Codes {
		if out.Present(i) {
			at, _ := slices.BinarySearch(used, out.Codes[i])
			out.Codes[i] = int32(at)
		}
	}
	return size, nil
}

// usedCodes returns the codes that rows have, ascending, each once.
func usedCodes(c *question.Column) []int32 {
	used := make([]int32, 0, len(c.Codes))
	for i, code := range c.Codes {
		if c.Present(i) {
			used = append(used, code)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// checkKeys makes sure that no two rows have the same keys and that none is
// missing: each becomes a name in one JSON object.
func checkKeys(keys []question.Column) *question.Error {
	rows := keys[0].Len()
	for k := range keys {
		if keys[k].Valid == nil {
			continue
		}
		for i := range rows {
			if !keys[k].Present(i) {
				return badResult("column %d (%s), row %d: the key is missing; the result's layout needs it", k, keys[k].Name, i)
			}
		}
	}
	if ascend(keys, rows) {
		return nil
	}
	if len(keys) == 1 && keys[0].Type == question.String && len(keys[0].Dict) <= 64*(rows+1) && ascending(keys[0].Dict) {
		seen := make([]int32, len(keys[0].Dict)) // row + 1
		for i, code := range keys[0].Codes {
			if seen[code] > 0 {
				return sameKey(int(seen[code]-1), i)
			}
			seen[code] = int32(i) + 1
		}
		return nil
	}
	ranks := make([][]int32, len(keys))
	for k := range keys {
		if keys[k].Type == question.String {
			ranks[k] = rank(&keys[k])
		}
	}
	order := make([]int, rows)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(compareKeys(keys, ranks, a, b), cmp.Compare(a, b)) })
	for i := 1; i < rows; i++ {
		if compareKeys(keys, ranks, order[i-1], order[i]) == 0 {
			return sameKey(order[i-1], order[i])
		}
	}
	return nil
}

// rank numbers the entries of a dictionary that rows have, so that equal ones have
// the same number: then long texts are compared once an entry and not once a row.
func rank(c *question.Column) []int32 {
	ranks := make([]int32, len(c.Dict))
	var used []int32
	for _, code := range c.Codes {
		if ranks[code] == 0 {
			ranks[code] = 1
			used = append(used, code)
		}
	}
	slices.SortFunc(used, func(a, b int32) int { return cmp.Compare(c.Dict[a], c.Dict[b]) })
	for i, code := range used {
		if i > 0 {
			ranks[code] = ranks[used[i-1]]
			if c.Dict[code] != c.Dict[used[i-1]] {
				ranks[code]++
			}
		}
	}
	return ranks
}

func sameKey(first, second int) *question.Error {
	return badResult("rows %d and %d have the same key; the result's layout needs each once", first, second)
}

// compareKeys compares two rows by their keys, of which ranks has the texts'.
// Numbers are the same if their bits are.
func compareKeys(keys []question.Column, ranks [][]int32, a, b int) int {
	for k := range keys {
		n := 0
		switch c := &keys[k]; c.Type {
		case question.Number:
			n = cmp.Compare(math.Float64bits(c.Numbers[a]), math.Float64bits(c.Numbers[b]))
		case question.Integer:
			n = cmp.Compare(c.Integers[a], c.Integers[b])
		default:
			n = cmp.Compare(ranks[k][c.Codes[a]], ranks[k][c.Codes[b]])
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func ascending(dict []string) bool {
	for i := 1; i < len(dict); i++ {
		if dict[i-1] >= dict[i] {
			return false
		}
	}
	return true
}

// ascend reports, cheaply, whether the rows are known to ascend by their keys
// and thus to differ: that is how most results that are not ranked are sorted.
func ascend(keys []question.Column, rows int) bool {
	for k := range keys {
		c := &keys[k]
		if c.Type == question.Number {
			return false
		}
		if c.Type == question.String && !ascending(c.Dict) {
			return false
		}
	}
	for i := 1; i < rows; i++ {
		less := false
		for k := 0; k < len(keys) && !less; k++ {
			c := &keys[k]
			switch c.Type {
			case question.Integer:
				if c.Integers[i-1] > c.Integers[i] {
					return false
				}
				less = c.Integers[i-1] < c.Integers[i]
			default:
				if c.Codes[i-1] > c.Codes[i] {
					return false
				}
				less = c.Codes[i-1] < c.Codes[i]
			}
		}
		if !less {
			return false
		}
	}
	return true
}
