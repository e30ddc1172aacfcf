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

// memory is a guest's linear memory. Its contents are untrusted.
type memory []byte

// at returns n bytes at address ptr, or false if they are not all in the memory.
func (m memory) at(ptr uint32, n uint64) ([]byte, bool) {
	start, size := uint64(ptr), uint64(len(m))
	if start > size || n > size-start {
		return nil, false
	}
	return m[start : start+n : start+n], true
}

// part returns n bytes at address ptr; what names them in the error.
func (m memory) part(what string, ptr uint32, n uint64) ([]byte, *question.Error) {
	b, ok := m.at(ptr, n)
	if !ok {
		return nil, badResult("%s, %d bytes at %#x, is outside the plugin's memory (%d bytes)", what, n, ptr, len(m))
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
		return r, badResult("the response has %d bytes; the minimum is %d", n, abi.ResponseSize)
	}
	r = readResponse(b)
	switch {
	case r.Size < abi.ResponseSize || r.Size > n:
		return r, badResult("the response states a size of %d bytes; must be from %d to its length, %d", r.Size, abi.ResponseSize, n)
	case r.Version != abi.Version:
		return r, badResult("the response has version %d; the contract's version is %d", r.Version, abi.Version)
	case r.Status != abi.StatusOK && r.Status != abi.StatusError:
		return r, badResult("the response has status %d; must be %d (ok) or %d (error)", r.Status, abi.StatusOK, abi.StatusError)
	}
	return r, nil
}

// decodeOpen reads the response of a plugin that could not be opened. It always
// returns an error.
func decodeOpen(m memory, packed uint64) *question.Error {
	r, err := decodeResponse(m, packed)
	if err != nil {
		return err
	}
	if r.Status == abi.StatusOK {
		return badResult("it returned a response that is not an error; it must return 0 if it succeeds")
	}
	return decodeError(m, r.Error, nil)
}

// decodeError reads an abi.Error and turns it into the error for the caller.
func decodeError(m memory, ptr uint32, params []question.Param) *question.Error {
	b, err := m.part("the error", ptr, abi.ErrorSize)
	if err != nil {
		return err
	}
	e, _ := abi.Decode[abi.Error](b) // of the right length
	if e.Size < abi.ErrorSize || e.Version != abi.Version {
		return badResult("the error states a size of %d and version %d; must be at least %d, and %d", e.Size, e.Version, abi.ErrorSize, abi.Version)
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
		return badResult("the error has code %d; must be from %d to %d", e.Code, abi.ErrFailed, abi.ErrDataset)
	}
	param := ""
	if e.Param != abi.NoIndex && len(params) > 0 { // an error from open has no parameter
		if uint64(e.Param) >= uint64(len(params)) {
			return badResult("the error is about parameter %d; there are only %d, counted from 0", e.Param, len(params))
		}
		param = params[e.Param].Name
	}
	const maxText = 1 << 10
	reason := strings.TrimSpace(printable(text[:min(len(text), maxText)]))
	if reason == "" {
		reason = "the plugin gave no reason"
	}
	return question.Errorf(code, "%s", reason).WithParam(param)
}

// source is the data of the dataset that a result may refer to.
type source interface {
	// unitOf returns the unit of a column of the dataset.
	unitOf(column string) string
	// dictAt returns the dataset's dictionary at the address that a result's column
	// gives for its own, or nil. It must not be modified.
	dictAt(c *abi.Column) []string
}

// decodeAnswer reads the value that answer returned: a table, which is checked against
// the manifest's declaration of q and copied, or an error. size is the number of bytes in
// the table, at most limit; of a dictionary only the entries that rows use count.
func decodeAnswer(m memory, packed uint64, q *question.Question, from source, limit uint64) (_ *question.Table, size uint64, _ *question.Error) {
	r, err := decodeResponse(m, packed)
	if err != nil {
		return nil, 0, err
	}
	if r.Status == abi.StatusError {
		return nil, 0, decodeError(m, r.Error, q.Params)
	}
	if r.TableCount != 1 || r.TableSize < abi.TableSize {
		return nil, 0, badResult("the response has %d tables of %d bytes; must be 1 of at least %d", r.TableCount, r.TableSize, abi.TableSize)
	}
	b, err := m.part("the table", r.Tables, uint64(r.TableSize))
	if err != nil {
		return nil, 0, err
	}
	t := readTable(b) // of the right length
	declared := q.Result.Columns()
	switch {
	case t.Kind != abi.KindTable:
		return nil, 0, badResult("the table has kind %d; contract v1 has only %d (table)", t.Kind, abi.KindTable)
	case uint64(t.ColumnCount) != uint64(len(declared)):
		return nil, 0, badResult("the table has %d columns; the manifest declares %d for %s", t.ColumnCount, len(declared), q.Name)
	case t.ColumnSize < abi.ColumnSize:
		return nil, 0, badResult("the table's columns are structs of %d bytes; the minimum is %d", t.ColumnSize, abi.ColumnSize)
	case q.Result.Layout == question.LayoutRecord && t.Rows != 1:
		return nil, 0, badResult("the table has %d rows; the layout record needs exactly one", t.Rows)
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
			return nil, 0, badResult("%s has type %d; the manifest declares %s, which is %d", c.what(), c.abiColumn.Type, declared[i].Type, want)
		}
		size += c.size(uint64(t.Rows))
	}
	if size > limit {
		return nil, size, tooLarge(size, t.Rows, limit)
	}
	out := &question.Table{Layout: q.Result.Layout, Chart: q.Result.Chart, Columns: make([]question.Column, len(declared))}
	for i := range columns {
		c, d := &out.Columns[i], &declared[i]
		*c = question.Column{Name: d.Name, Title: d.Title, Type: d.Type, Unit: d.Unit, Role: question.RoleValue, Shows: d.Shows}
		if i < len(q.Result.Keys) {
			c.Role = question.RoleKey
		}
		if d.UnitOf != "" {
			c.Unit = sharedUnit(d, from.unitOf(d.UnitOf))
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
	return question.Errorf(question.CodeResultTooLarge, "the result has %d bytes in %d rows; the limit is %d bytes", size, rows, limit)
}

// sharedUnit returns the unit of a result column that shares one, "" if the dataset has none.
// Two percentages differ by percentage points: 2 % more of 50 % is 51 %.
func sharedUnit(d *question.ResultColumn, unit string) string {
	switch {
	case unit == "":
		return d.Unit
	case unit == "%" && d.Shows == question.ShowsDifference:
		return "percentage points"
	default:
		return unit
	}
}

// resultColumn is one column of a table that a guest returned.
type resultColumn struct {
	abiColumn abi.Column
	number    int
	name      string
}

// what names the column in error messages.
func (c *resultColumn) what() string { return fmt.Sprintf("column %d (%s)", c.number, c.name) }

// part returns n bytes at address ptr; which names them in the error.
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

// size is how many bytes the host has to copy, not counting a dictionary.
func (c *resultColumn) size(rows uint64) uint64 {
	n := rows * c.width()
	if c.abiColumn.Validity != 0 {
		n += (rows + 7) / 8
	}
	return n
}

// decode copies the column's rows, without a dictionary, into out, whose Type is set.
// Missing values become zero, whatever the guest has in their place.
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
				return badResult("%s, row %d: the value is %v; numbers must be finite, and a row without a value is marked as missing", c.what(), i, v)
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
		missing = int(rows) - question.Bitmap(bitmap).Count(int(rows))
		if missing > 0 {
			out.Valid = append(question.Bitmap(nil), bitmap...)
			if spare := rows % 8; spare != 0 {
				out.Valid[n-1] &= 1<<spare - 1
			}
		}
	}
	if uint64(a.NullCount) != uint64(missing) {
		return badResult("%s states %d missing values; its bitmap has %d", c.what(), a.NullCount, missing)
	}
	return nil
}

// decodeDict sets the dictionary of out, whose codes are decoded, and returns the
// dictionary's size in bytes. A dictionary that is small compared to the rows is copied
// whole. Of a larger one only the entries that rows use are copied, so that an answer of
// few rows does not pay for a column of many values. No more than most bytes are copied.
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
		return 0, badResult("%s: its dictionary's first offset is %d; it must be 0", c.what(), int32(first))
	}
	entry := func(i int) ([]byte, *question.Error) {
		at, end := binary.LittleEndian.Uint32(offsets[4*i:]), binary.LittleEndian.Uint32(offsets[4*(i+1):])
		if end < at || end > a.DictBytesLen {
			return nil, badResult("%s: its dictionary's offset %d is %d; it must be between the previous one, %d, and the length of the bytes, %d",
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

// usedCodes returns the distinct codes of the rows, ascending.
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

// checkKeys checks that no two rows have the same keys and that no key is missing,
// because each becomes a name in a JSON object.
func checkKeys(keys []question.Column) *question.Error {
	rows := keys[0].Len()
	for k := range keys {
		if keys[k].Valid == nil {
			continue
		}
		for i := range rows {
			if !keys[k].Present(i) {
				return badResult("column %d (%s), row %d: the key is missing; the result's layout requires it", k, keys[k].Name, i)
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

// rank numbers the dictionary entries that rows use; equal entries have the same
// number. So long texts are compared once per entry and not once per row.
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
	return badResult("rows %d and %d have the same key; the result's layout requires unique keys: declare another key, or the layout rows", first, second)
}

// compareKeys compares two rows by their keys; ranks has the ranks of texts. Numbers
// are equal if their bits are.
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

// ascend reports, cheaply, whether the rows are known to be in ascending order of their
// keys, and thus to differ. Most results that are not ranked are sorted like that.
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
