package sdktest

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// writer puts things into a session's block.
type writer struct {
	block []byte
	guest *sdk.Guest
}

// bytes copies b to a multiple of align and returns its address; 0 where there
// is no room.
func (w writer) bytes(b []byte, align uint32) uint32 {
	ptr := w.guest.Alloc(uint32(len(b)), align)
	if ptr != 0 {
		copy(w.block[ptr:], b)
	}
	return ptr
}

// buffer is a buffer of a column: aligned, and with room up to a multiple of 64
// bytes.
func (w writer) buffer(b []byte) (ptr, length uint32) {
	whole := slices.Concat(b, make([]byte, (abi.BufferAlign-len(b)%abi.BufferAlign)%abi.BufferAlign))
	return w.bytes(whole, abi.BufferAlign), uint32(len(b))
}

func (w writer) column(c *Column) abi.Column {
	out := abi.Column{Type: c.kind()}
	out.Name, out.NameLen = w.bytes([]byte(c.Name), 1), uint32(len(c.Name))
	if c.Unit != "" {
		out.Unit, out.UnitLen = w.bytes([]byte(c.Unit), 1), uint32(len(c.Unit))
	}
	if c.Sorted {
		out.Flags |= abi.FlagSortedRows
	}
	switch out.Type {
	case abi.TypeFloat64:
		out.Data, out.DataLen = w.buffer(bytesOf(c.Numbers))
	case abi.TypeInt64:
		out.Data, out.DataLen = w.buffer(bytesOf(c.Integers))
	default:
		out.Data, out.DataLen = w.buffer(bytesOf(c.Codes))
		out.Flags |= abi.FlagSortedDict
		offsets, text := []int32{0}, []byte(nil)
		for _, entry := range c.Dict {
			text = append(text, entry...)
			offsets = append(offsets, int32(len(text)))
		}
		out.DictCount = uint32(len(c.Dict))
		out.DictOffsets, _ = w.buffer(bytesOf(offsets))
		out.DictBytes, out.DictBytesLen = w.buffer(text)
	}
	if c.Valid != nil {
		out.Validity, out.ValidityLen = w.buffer(c.Valid)
		for i := range c.Len() {
			if !c.Present(i) {
				out.NullCount++
			}
		}
	}
	return out
}

// directory puts down a dataset, and returns the directory's address.
func (w writer) directory(columns []Column, rows int) uint32 {
	encoded := make([]byte, 0, len(columns)*abi.ColumnSize)
	for i := range columns {
		encoded = abi.Append(encoded, w.column(&columns[i]))
	}
	return w.bytes(abi.Append(nil, abi.Directory{
		Size: abi.DirectorySize, Version: abi.Version, Rows: uint32(rows),
		ColumnCount: uint32(len(columns)), ColumnSize: abi.ColumnSize, Columns: w.bytes(encoded, 8),
		Digest: w.bytes([]byte(digest), 1), DigestLen: uint32(len(digest)),
	}), 8)
}

// request puts down a request, and returns its address.
func (w writer) request(question uint32, count int, params []byte, rows []sdk.Range) uint32 {
	r := abi.Request{
		Size: abi.RequestSize, Version: abi.Version, Question: question,
		ParamCount: uint32(count), ParamSize: abi.ParamSize, Params: w.bytes(params, 8),
		RangeCount: uint32(len(rows)), Ranges: w.bytes(bytesOf(rows), 8),
	}
	for _, run := range rows {
		r.Rows += run.Count
	}
	return w.bytes(abi.Append(nil, r), 8)
}

// size is about how many bytes the column takes.
func (c *Column) size() int {
	n := 8*c.Len() + len(c.Valid) + len(c.Name) + len(c.Unit) + 4*len(c.Dict) + 8*abi.BufferAlign
	for _, entry := range c.Dict {
		n += len(entry)
	}
	return n
}

// Result is the table that answered a question: keys, then values.
type Result struct {
	Rows    int
	Columns []Column
}

// Error is why a plugin gave no answer.
type Error struct {
	Code  uint32 // abi.Err...
	Param string // what it is about, or ""
	Text  string
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// in returns n bytes of the block.
func (s *Session) in(ptr, n uint32) ([]byte, error) {
	if uint64(ptr)+uint64(n) > uint64(len(s.block)) {
		return nil, fmt.Errorf("the response points outside of the memory: %d bytes at %#x", n, ptr)
	}
	return s.block[ptr:][:n], nil
}

func (s *Session) status(ptr uint32) uint32 {
	return binary.LittleEndian.Uint32(s.block[ptr+8:])
}

// decode reads a response, as a host would.
func (s *Session) decode(packed uint64, q *question) (*Result, error) {
	b, err := s.in(abi.Unpack(packed))
	if err != nil {
		return nil, err
	}
	r, err := abi.Decode[abi.Response](b)
	if err != nil {
		return nil, err
	}
	if r.Status == abi.StatusError {
		return nil, s.decodeError(r.Error, q)
	}
	if b, err = s.in(r.Tables, abi.TableSize); err != nil {
		return nil, err
	}
	t, err := abi.Decode[abi.Table](b)
	if err != nil {
		return nil, err
	}
	out := &Result{Rows: int(t.Rows)}
	for i := range t.ColumnCount {
		if b, err = s.in(t.Columns+i*t.ColumnSize, abi.ColumnSize); err != nil {
			return nil, err
		}
		raw, err := abi.Decode[abi.Column](b)
		if err != nil {
			return nil, err
		}
		c, err := s.decodeColumn(raw, t.Rows)
		if err != nil {
			return nil, err
		}
		out.Columns = append(out.Columns, c)
	}
	return out, nil
}

func (s *Session) decodeError(ptr uint32, q *question) error {
	b, err := s.in(ptr, abi.ErrorSize)
	if err != nil {
		return err
	}
	e, err := abi.Decode[abi.Error](b)
	if err != nil {
		return err
	}
	text, err := s.in(e.Text, e.TextLen)
	if err != nil {
		return err
	}
	out := &Error{Code: e.Code, Text: string(text)}
	if e.Param != abi.NoIndex {
		if q == nil || uint64(e.Param) >= uint64(len(q.Params)) {
			return fmt.Errorf("the error is about parameter %d, which there is not: %s", e.Param, out.Text)
		}
		out.Param = q.Params[e.Param].Name
	}
	return out
}

func (s *Session) decodeColumn(raw abi.Column, rows uint32) (c Column, err error) {
	data, err := s.in(raw.Data, raw.DataLen)
	if err != nil {
		return c, err
	}
	width := uint32(8)
	if raw.Type == abi.TypeString {
		width = 4
	}
	if raw.DataLen != rows*width {
		return c, fmt.Errorf("a column has %d bytes in %d rows", raw.DataLen, rows)
	}
	switch raw.Type {
	case abi.TypeFloat64:
		c.Numbers = make([]float64, rows)
		for i := range c.Numbers {
			c.Numbers[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
	case abi.TypeInt64:
		c.Integers = make([]int64, rows)
		for i := range c.Integers {
			c.Integers[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
	default:
		c.Codes = make([]int32, rows)
		for i := range c.Codes {
			c.Codes[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		}
		if c.Dict, err = s.decodeDict(raw); err != nil {
			return c, err
		}
	}
	if raw.Validity != 0 {
		valid, err := s.in(raw.Validity, (rows+7)/8)
		if err != nil {
			return c, err
		}
		c.Valid = slices.Clone(valid)
	}
	missing := uint32(0)
	for i := range int(rows) {
		switch {
		case !c.Present(i):
			missing++
		case raw.Type == abi.TypeString && uint32(c.Codes[i]) >= raw.DictCount:
			return c, fmt.Errorf("row %d has the code %d of a dictionary of %d", i, c.Codes[i], raw.DictCount)
		}
	}
	if missing != raw.NullCount {
		return c, fmt.Errorf("a column states %d missing values and has %d", raw.NullCount, missing)
	}
	return c, nil
}

func (s *Session) decodeDict(raw abi.Column) ([]string, error) {
	offsets, err := s.in(raw.DictOffsets, 4*(raw.DictCount+1))
	if err != nil {
		return nil, err
	}
	text, err := s.in(raw.DictBytes, raw.DictBytesLen)
	if err != nil {
		return nil, err
	}
	out := make([]string, raw.DictCount)
	for i := range out {
		from, to := binary.LittleEndian.Uint32(offsets[4*i:]), binary.LittleEndian.Uint32(offsets[4*i+4:])
		if from > to || to > raw.DictBytesLen {
			return nil, fmt.Errorf("entry %d of a dictionary is at %d to %d of %d bytes", i, from, to, raw.DictBytesLen)
		}
		out[i] = string(text[from:to])
	}
	return out, nil
}
