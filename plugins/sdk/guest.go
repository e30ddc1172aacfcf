package sdk

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// Guest is a plugin running in one memory: the functions of the contract, which
// a plugin's exports call. Natively, in a memory made by NewGuest, it is what
// package sdktest drives. It serves one call at a time.
type Guest struct {
	plugin   *Plugin
	json     []byte
	memory   memory
	columns  []column // one per column of the plugin; nil before Open
	rows     uint32
	job      Job
	response reply
	listeners
}

// reply is what a response consists of.
type reply struct {
	response abi.Response
	table    abi.Table
	columns  []abi.Column
	err      abi.Error
	text     []byte
}

// Alloc returns the address of size bytes at a multiple of align, a power of two
// up to 65536, that stay in place; 0 where there are none.
func (g *Guest) Alloc(size, align uint32) uint32 {
	if align == 0 || align&(align-1) != 0 || align > abi.ColumnAlign {
		return 0
	}
	return g.memory.alloc(size, align)
}

// Describe returns the manifest, packed.
func (g *Guest) Describe() uint64 {
	g.memory.reset()
	return abi.Pack(place(&g.memory, g.json))
}

// Open takes the directory. It returns 0, or an error response.
func (g *Guest) Open(ptr, length uint32) (packed uint64) {
	defer g.recover(&packed)
	err := g.open(ptr, length)
	if err == nil && g.plugin.Open != nil {
		if err = g.plugin.Open(&g.job); err != nil {
			err = &Error{Code: abi.ErrDataset, Text: err.Error()}
		}
	}
	if err != nil {
		return g.fail(err, nil)
	}
	return 0
}

// Answer takes a request and returns a response. What it points to is good until
// the next call.
func (g *Guest) Answer(ptr, length uint32) (packed uint64) {
	defer g.recover(&packed)
	if err := g.request(ptr, length); err != nil {
		return g.fail(err, nil)
	}
	if err := g.job.question.Answer(&g.job); err != nil {
		return g.fail(err, g.job.question)
	}
	return g.succeed()
}

// recover turns a panic into an error response, and logs where it was.
func (g *Guest) recover(packed *uint64) {
	v := recover()
	if v == nil {
		return
	}
	stack := make([]byte, 4096)
	stack = stack[:runtime.Stack(stack, false)]
	text := "panic: " + panicText(v) + panicLine(string(stack))
	g.log(Err, text)
	for start, i := 0, 0; i < len(stack); i++ {
		if stack[i] == '\n' {
			g.log(Err, string(stack[start:i]))
			start = i + 1
		}
	}
	*packed = g.fail(Failed(text), nil)
}

// panicLine returns ", at main.go:12", the first line of a panic's stack that belongs to
// neither the runtime nor this package, or "".
func panicLine(stack string) string {
	panicked, theirs := false, false
	for line := range strings.Lines(stack) { // a function, and then, after a tab, its file
		file, isFile := strings.CutPrefix(line, "\t")
		switch {
		case !isFile && strings.HasPrefix(line, "panic("):
			panicked = true
		case !isFile:
			theirs = panicked && !strings.HasPrefix(line, "runtime.") && !strings.Contains(line, "/plugins/sdk.")
		case theirs:
			file = strings.TrimSuffix(file, "\n")
			if i := strings.LastIndex(file, " +0x"); i >= 0 { // the path may have spaces
				file = file[:i]
			}
			return ", at " + file
		}
	}
	return ""
}

func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	case int:
		return strconv.Itoa(v)
	default:
		return "a value that cannot be printed"
	}
}

// fail makes an error response.
func (g *Guest) fail(err error, q *Question) uint64 {
	g.memory.reset()
	r := &g.response
	r.err = abi.Error{Size: abi.ErrorSize, Version: abi.Version, Code: abi.ErrFailed, Param: abi.NoIndex}
	if e, ok := errors.AsType[*Error](err); ok {
		r.err.Code = e.Code
		for i := 0; e.Param != nil && q != nil && i < len(q.Params); i++ {
			if q.Params[i] == e.Param {
				r.err.Param = uint32(i)
			}
		}
	}
	r.text = append(r.text[:0], err.Error()...)
	r.err.Text, r.err.TextLen = place(&g.memory, r.text)
	r.response = abi.Response{Size: abi.ResponseSize, Version: abi.Version, Status: abi.StatusError, TableSize: abi.TableSize}
	r.response.Error = placeStruct(&g.memory, &r.err)
	return abi.Pack(placeStruct(&g.memory, &r.response), abi.ResponseSize)
}

// succeed makes a response of what was appended to the job's outputs.
func (g *Guest) succeed() uint64 {
	g.memory.reset()
	outputs := g.job.outputs
	rows := outputs[0].rows()
	for i := range outputs {
		if n := outputs[i].rows(); n != rows {
			return g.fail(Failed("the result's column "+outputs[0].name+" has "+strconv.Itoa(rows)+" rows, "+
				outputs[i].name+" has "+strconv.Itoa(n)+"; for each row append to every column"), nil)
		}
	}
	if rows == 0 {
		return g.fail(NoData("no selected row has what the question needs"), nil)
	}
	r := &g.response
	r.columns = r.columns[:0]
	for i := range outputs {
		r.columns = append(r.columns, outputs[i].place(&g.job))
	}
	r.table = abi.Table{Kind: abi.KindTable, Rows: uint32(rows), ColumnCount: uint32(len(r.columns)), ColumnSize: abi.ColumnSize}
	r.table.Columns, _ = place(&g.memory, r.columns)
	r.response = abi.Response{Size: abi.ResponseSize, Version: abi.Version, Status: abi.StatusOK, TableCount: 1, TableSize: abi.TableSize}
	r.response.Tables = placeStruct(&g.memory, &r.table)
	return abi.Pack(placeStruct(&g.memory, &r.response), abi.ResponseSize)
}

// open reads the directory.
func (g *Guest) open(ptr, length uint32) error {
	d := view[abi.Directory](&g.memory, ptr, 1)
	declared := g.plugin.Columns
	switch {
	case d == nil || length < abi.DirectorySize || d[0].Size < abi.DirectorySize || d[0].Size > length:
		return badDirectory("it is too short")
	case d[0].Version != abi.Version:
		return badDirectory("its version is not " + strconv.Itoa(abi.Version))
	case int(d[0].ColumnCount) != len(declared):
		return badDirectory("it has " + strconv.Itoa(int(d[0].ColumnCount)) + " columns; expected " + strconv.Itoa(len(declared)))
	case d[0].ColumnSize < abi.ColumnSize:
		return badDirectory("its columns are too short")
	}
	g.columns, g.rows = nil, d[0].Rows
	columns := make([]column, len(declared))
	for i, c := range declared {
		name, kind, _ := c.declare()
		raw := view[abi.Column](&g.memory, d[0].Columns+uint32(i)*d[0].ColumnSize, 1)
		if raw == nil {
			return badDirectory("the column " + name + " is outside the memory")
		}
		if raw[0].Type != kind {
			return badDirectory("the column " + name + " does not have the requested type")
		}
		if !columns[i].open(&g.memory, &raw[0], g.rows) {
			return badDirectory("the buffers of the column " + name + " are too short, misaligned or outside the memory")
		}
	}
	g.columns = columns
	g.job = Job{guest: g, question: &Question{}}
	if g.rows > 0 {
		g.job.ranges, g.job.rows = []Range{{Start: 0, Count: g.rows}}, int(g.rows)
	}
	// The buffers are part of the image that every job starts from.
	g.job.rowBuffer, g.job.blockBuffer = new([batchRows + 8]uint32), new([batchBlocks]Block)
	return nil
}

// open takes the buffers of a column, and reports whether they are what the
// contract says.
func (c *column) open(m *memory, raw *abi.Column, rows uint32) bool {
	*c = column{kind: raw.Type, missing: int(raw.NullCount), raw: *raw}
	// The slices reach to the next multiple of eight rows, within the 64 bytes to
	// which every buffer is aligned.
	eights := (uint64(rows) + 7) &^ 7
	data := func(width uint64) bool {
		return uint64(raw.DataLen) >= uint64(rows)*width && raw.Data%abi.BufferAlign == 0
	}
	var ok bool
	switch c.kind {
	case abi.TypeFloat64:
		c.numbers = view[float64](m, raw.Data, eights)
		ok = data(8) && c.numbers != nil
		c.numbers = cut(c.numbers, rows)
	case abi.TypeInt64:
		c.integers = view[int64](m, raw.Data, eights)
		ok = data(8) && c.integers != nil
		c.integers = cut(c.integers, rows)
	default:
		c.codes = view[int32](m, raw.Data, eights)
		c.offsets = view[uint32](m, raw.DictOffsets, uint64(raw.DictCount)+1)
		c.bytes = view[byte](m, raw.DictBytes, uint64(raw.DictBytesLen))
		ok = data(4) && c.codes != nil && c.offsets != nil && c.bytes != nil
		c.codes = cut(c.codes, rows)
	}
	if raw.Validity != 0 {
		c.valid = view[byte](m, raw.Validity, eights/8)
		ok = ok && c.valid != nil && uint64(raw.ValidityLen) >= eights/8
	}
	unit := view[byte](m, raw.Unit, uint64(raw.UnitLen))
	c.unit = string(unit)
	return ok
}

func cut[T any](s []T, rows uint32) []T { return s[:min(len(s), int(rows))] }

//go:noinline
func badDirectory(text string) error {
	return &Error{Code: abi.ErrDataset, Text: "the directory: " + text}
}

//go:noinline
func badRequest(text string) error { return Failed("the request: " + text) }

// request reads a request into the guest's job.
func (g *Guest) request(ptr, length uint32) error {
	if g.columns == nil {
		return badRequest("it arrived before the dataset")
	}
	r := view[abi.Request](&g.memory, ptr, 1)
	switch {
	case r == nil || length < abi.RequestSize || r[0].Size < abi.RequestSize || r[0].Size > length:
		return badRequest("it is too short")
	case r[0].Version != abi.Version:
		return badRequest("its version is not " + strconv.Itoa(abi.Version))
	case uint64(r[0].Question) >= uint64(len(g.plugin.Questions)):
		return badRequest("there is no question " + strconv.Itoa(int(r[0].Question)))
	}
	q := g.plugin.Questions[r[0].Question]
	if uint64(r[0].ParamCount) != uint64(len(q.Params)) || r[0].ParamSize < abi.ParamSize {
		return badRequest("its parameters do not match those of " + q.Name)
	}
	job := &g.job
	job.question, job.params = q, job.params[:0]
	for i, declared := range q.Params {
		values, ok := g.param(declared.declareParam(), r[0].Params+uint32(i)*r[0].ParamSize)
		if !ok {
			return badRequest("the parameter " + declared.declareParam().name + " is not what was declared")
		}
		job.params = append(job.params, values)
	}
	job.ranges, job.rows = view[Range](&g.memory, r[0].Ranges, uint64(r[0].RangeCount)), 0
	if job.ranges == nil {
		return badRequest("its row ranges are outside the memory")
	}
	end := uint64(0)
	for _, run := range job.ranges {
		if uint64(run.Start) < end || uint64(run.Start)+uint64(run.Count) > uint64(g.rows) {
			return badRequest("its row ranges are out of order or outside the dataset")
		}
		end = uint64(run.Start) + uint64(run.Count)
		job.rows += int(run.Count)
	}
	columns := len(q.Result.Keys) + len(q.Result.Values)
	for len(job.outputs) < columns {
		job.outputs = append(job.outputs[:len(job.outputs)], output{})
	}
	job.outputs = job.outputs[:columns]
	for i, c := range q.Result.Keys {
		job.outputs[i].reset(c.declareResult())
	}
	for i, c := range q.Result.Values {
		job.outputs[len(q.Result.Keys)+i].reset(c.declareResult())
	}
	return nil
}

// param returns the values of a parameter, or false where it is not of the kind
// that was declared or one of its values is impossible.
func (g *Guest) param(d paramDecl, ptr uint32) ([]uint64, bool) {
	p := view[abi.Param](&g.memory, ptr, 1)
	if p == nil || p[0].Kind != d.kind {
		return nil, false
	}
	values := view[uint64](&g.memory, p[0].Values, uint64(p[0].Count))
	if values == nil {
		return nil, false
	}
	limit := uint64(0) // that values are below; 0: none
	switch d.kind {
	case abi.ParamChoice:
		limit = uint64(len(d.choices))
	case abi.ParamColumn:
		i := p[0].Column
		if uint64(i) >= uint64(len(g.columns)) || g.plugin.Columns[i] != d.column {
			return nil, false
		}
		if c := &g.columns[i]; c.kind == abi.TypeString {
			limit = uint64(len(c.offsets) - 1)
			if limit == 0 && len(values) > 0 {
				return nil, false
			}
		}
	}
	for _, v := range values {
		if limit > 0 && v >= limit {
			return nil, false
		}
	}
	return values, true
}

// view returns count values at an address of the memory, or nil where they do
// not lie in it or are misaligned. No values are an empty slice, not nil.
func view[T any](m *memory, ptr uint32, count uint64) []T {
	var zero T
	if count == 0 {
		return []T{}
	}
	if uint64(ptr)%uint64(unsafe.Alignof(zero)) != 0 {
		return nil
	}
	p := m.at(ptr, count*uint64(unsafe.Sizeof(zero)))
	if p == nil {
		return nil
	}
	return unsafe.Slice((*T)(p), count)
}

// place returns the address and the length in bytes of s for the host.
func place[T any](m *memory, s []T) (ptr, length uint32) {
	var zero T
	length = uint32(len(s)) * uint32(unsafe.Sizeof(zero))
	return m.place(unsafe.Pointer(unsafe.SliceData(s)), length), length
}

// placeStruct returns the address of v for the host.
func placeStruct[T any](m *memory, v *T) uint32 {
	return m.place(unsafe.Pointer(v), uint32(unsafe.Sizeof(*v)))
}
