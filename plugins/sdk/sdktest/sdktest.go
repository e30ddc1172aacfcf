// Package sdktest asks the questions of a plugin natively: in a test, without
// wasm, and faster to debug. A session holds a dataset and the plugin in one
// block of bytes that stands for wasm's memory, so all that passes between the
// two is encoded as the contract says.
//
//	session, err := sdktest.Open(plugin,
//		sdktest.Strings("location", "Ohio", "Texas", "Ohio"),
//		sdktest.Numbers("value", 30, 20, sdktest.Missing))
//	result, err := session.Ask("maximum", nil)
package sdktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/plugins/sdk"
)

// Missing stands for a missing value in Numbers: a NaN.
var Missing = math.NaN()

// Column is a column of a dataset or of a result. Of Numbers, Integers and Codes
// one is set, and says what type the column has.
type Column struct {
	Name     string
	Unit     string // "" where there is none
	Sorted   bool   // the dataset's rows ascend by this column
	Numbers  []float64
	Integers []int64
	Codes    []int32  // indices into Dict; 0 where the value is missing
	Dict     []string // with Codes; of a dataset: ascending bytewise without repetition
	Valid    []byte   // Arrow's bitmap, bit i%8 of byte i/8 is 1 when row i is present; nil: every one is
}

// Numbers makes a column of numbers; a NaN is a missing value.
func Numbers(name string, values ...float64) Column {
	c := Column{Name: name, Numbers: slices.Clone(values)}
	if c.Numbers == nil {
		c.Numbers = []float64{}
	}
	c.missing(func(i int) bool { return math.IsNaN(values[i]) })
	for i := range c.Numbers {
		if !c.Present(i) {
			c.Numbers[i] = 0
		}
	}
	return c
}

// Integers makes a column of integers, none of which is missing.
func Integers(name string, values ...int64) Column {
	return Column{Name: name, Integers: append([]int64{}, values...)}
}

// Strings makes a column of strings; "" is a missing value.
func Strings(name string, values ...string) Column {
	c := Column{Name: name, Codes: make([]int32, len(values))}
	c.Dict = slices.Compact(slices.Sorted(slices.Values(values)))
	if len(c.Dict) > 0 && c.Dict[0] == "" {
		c.Dict = c.Dict[1:]
	}
	for i, v := range values {
		if v != "" {
			code, _ := slices.BinarySearch(c.Dict, v)
			c.Codes[i] = int32(code)
		}
	}
	c.missing(func(i int) bool { return values[i] == "" })
	return c
}

// Columns makes the columns that p reads out of rows of text, such as
// encoding/csv reads: header names them, each is converted to the type that p
// declares, and "" is a missing value. What p does not read is passed over.
func Columns(p *sdk.Plugin, header []string, rows [][]string) ([]Column, error) {
	m, err := describe(sdk.NewGuest(p, make([]byte, slack)))
	if err != nil {
		return nil, err
	}
	out := make([]Column, len(m.Columns))
	for i, need := range m.Columns {
		at := slices.Index(header, need.Name)
		if at < 0 && !need.Optional {
			return nil, fmt.Errorf("the rows have no column %q; they have %q", need.Name, header)
		}
		texts := make([]string, len(rows))
		for k, row := range rows {
			if at >= 0 { // otherwise no row has a value
				texts[k] = row[at]
			}
		}
		if out[i], err = parse(need.Name, columnTypes[need.Type], texts); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parse(name string, kind abi.Type, texts []string) (Column, error) {
	c := Column{Name: name}
	switch kind {
	case abi.TypeString:
		return Strings(name, texts...), nil
	case abi.TypeFloat64:
		c.Numbers = make([]float64, len(texts))
	default:
		c.Integers = make([]int64, len(texts))
	}
	for i, text := range texts {
		if text == "" {
			continue
		}
		var err error
		if kind == abi.TypeFloat64 {
			c.Numbers[i], err = strconv.ParseFloat(text, 64)
		} else {
			c.Integers[i], err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return c, fmt.Errorf("column %q, row %d: %w", name, i, err)
		}
	}
	c.missing(func(i int) bool { return texts[i] == "" })
	return c, nil
}

// missing makes the bitmap, where any row has no value.
func (c *Column) missing(is func(i int) bool) {
	bitmap, found := make([]byte, (c.Len()+7)/8), false
	for i := range c.Len() {
		if is(i) {
			found = true
		} else {
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	if found {
		c.Valid = bitmap
	}
}

// Len returns the number of rows.
func (c *Column) Len() int { return max(len(c.Numbers), len(c.Integers), len(c.Codes)) }

// Present reports whether row i has a value.
func (c *Column) Present(i int) bool { return c.Valid == nil || c.Valid[i/8]>>(i%8)&1 == 1 }

// Value returns row i as float64, int64, string, or nil where it is missing.
func (c *Column) Value(i int) any {
	switch {
	case !c.Present(i):
		return nil
	case c.Numbers != nil:
		return c.Numbers[i]
	case c.Integers != nil:
		return c.Integers[i]
	default:
		return c.Dict[c.Codes[i]]
	}
}

func (c *Column) kind() abi.Type {
	switch {
	case c.Numbers != nil:
		return abi.TypeFloat64
	case c.Integers != nil:
		return abi.TypeInt64
	default:
		return abi.TypeString
	}
}

// Session is a plugin that has opened a dataset. It serves one call at a time.
type Session struct {
	guest    *sdk.Guest
	manifest *manifest
	block    []byte
	columns  []Column // in the manifest's order
	rows     int
	log      []string
}

// slack is the room, beyond the dataset, for manifest, requests and result.
const slack = 1 << 20

// digest stands for that of a dataset.
const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// Open has p open a dataset of these columns, of which there may be more than it
// reads. Optional columns may be absent. The columns are copied.
func Open(p *sdk.Plugin, columns ...Column) (*Session, error) {
	m, err := describe(sdk.NewGuest(p, make([]byte, slack)))
	if err != nil {
		return nil, err
	}
	s := &Session{manifest: m}
	size := 0
	for _, need := range m.Columns {
		at := slices.IndexFunc(columns, func(c Column) bool { return c.Name == need.Name && c.kind() == columnTypes[need.Type] })
		if at < 0 && !need.Optional {
			return nil, fmt.Errorf("the dataset has no column %q of type %s", need.Name, need.Type)
		}
		c := Column{Name: need.Name}
		if at >= 0 {
			c = columns[at]
		} else if len(columns) > 0 { // no row has a value
			c, _ = parse(need.Name, columnTypes[need.Type], make([]string, columns[0].Len()))
		}
		if first := columns[0]; c.Len() != first.Len() {
			return nil, fmt.Errorf("the column %q has %d rows, %q has %d", c.Name, c.Len(), first.Name, first.Len())
		}
		s.columns = append(s.columns, c)
		s.rows = c.Len()
		size += c.size()
	}
	s.block = alignedBlock(2*size + slack)
	s.guest = sdk.NewGuest(p, s.block)
	s.guest.OnLog(func(_ sdk.Level, text string) { s.log = append(s.log, text) })

	w := writer{s.block, s.guest}
	if packed := s.guest.Open(w.directory(s.columns, s.rows), abi.DirectorySize); packed != 0 {
		_, err := s.decode(packed, nil)
		return nil, err
	}
	return s, nil
}

func describe(g *sdk.Guest) (*manifest, error) {
	m := new(manifest)
	return m, json.Unmarshal(g.Manifest(), m)
}

// Log returns the lines that the plugin has logged.
func (s *Session) Log() []string { return s.log }

// Ask asks a question about all rows, less those that a select parameter keeps
// out. args holds a value a parameter: string, float64, int, int64, bool, or a
// slice of one of these for a list. The error is the plugin's *Error, or says
// what is wrong with args.
func (s *Session) Ask(question string, args map[string]any) (*Result, error) {
	c, err := s.Prepare(question, args, nil)
	if err != nil {
		return nil, err
	}
	if err := c.Run(); err != nil {
		return nil, err
	}
	return c.Result()
}

// Call is a request that was encoded, to be run any number of times.
type Call struct {
	session  *Session
	question *question
	ptr      uint32
	response uint64
}

// Prepare encodes a request, about the rows of these ranges: they ascend and do
// not touch. nil are all rows; select parameters narrow down either. It takes
// room of the session's for good.
func (s *Session) Prepare(name string, args map[string]any, rows []sdk.Range) (*Call, error) {
	index := slices.IndexFunc(s.manifest.Questions, func(q question) bool { return q.Name == name })
	if index < 0 {
		return nil, fmt.Errorf("the plugin has no question %q", name)
	}
	q := &s.manifest.Questions[index]
	for given := range args {
		if !slices.ContainsFunc(q.Params, func(p param) bool { return p.Name == given }) {
			return nil, fmt.Errorf("%s has no parameter %q", name, given)
		}
	}
	if rows == nil && s.rows > 0 {
		rows = []sdk.Range{{Start: 0, Count: uint32(s.rows)}}
	}
	w := writer{s.block, s.guest}
	var params []byte
	for i := range q.Params {
		p := &q.Params[i]
		values, err := s.values(p, args)
		if err != nil {
			return nil, err
		}
		if p.Select && len(values) > 0 {
			rows = s.narrow(rows, s.column(p), values)
		}
		params = abi.Append(params, abi.Param{
			Kind: abi.ParamKind(p.Type), Column: uint32(s.column(p)), // -1 is abi.NoIndex
			Count: uint32(len(values)), Values: w.bytes(bytesOf(values), 8),
		})
	}
	c := &Call{session: s, question: q, ptr: w.request(uint32(index), len(q.Params), params, rows)}
	if c.ptr == 0 {
		return nil, errors.New("the session's memory is full")
	}
	return c, nil
}

// Run answers the request, natively and without copying anything but the
// result: what a benchmark measures.
func (c *Call) Run() error {
	c.response = c.session.guest.Answer(c.ptr, abi.RequestSize)
	if ptr, _ := abi.Unpack(c.response); c.session.status(ptr) != abi.StatusOK {
		_, err := c.session.decode(c.response, c.question)
		return err
	}
	return nil
}

// Result decodes the response of the last Run. It copies.
func (c *Call) Result() (*Result, error) { return c.session.decode(c.response, c.question) }

// narrow keeps those of the rows whose value is one of values.
func (s *Session) narrow(rows []sdk.Range, column int, values []uint64) []sdk.Range {
	c := &s.columns[column]
	var out []sdk.Range
	for _, run := range rows {
		for i := int(run.Start); i < int(run.Start+run.Count); i++ {
			if !c.Present(i) || !slices.Contains(values, c.bits(i)) {
				continue
			}
			if n := len(out); n > 0 && int(out[n-1].Start+out[n-1].Count) == i {
				out[n-1].Count++
			} else {
				out = append(out, sdk.Range{Start: uint32(i), Count: 1})
			}
		}
	}
	return out
}

// bits returns row i as the contract carries a column's value.
func (c *Column) bits(i int) uint64 {
	switch {
	case c.Numbers != nil:
		return math.Float64bits(c.Numbers[i])
	case c.Integers != nil:
		return uint64(c.Integers[i])
	default:
		return uint64(uint32(c.Codes[i]))
	}
}

func bytesOf[T any](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// alignedBlock returns n zero bytes that begin at a multiple of 64.
func alignedBlock(n int) []byte {
	b := make([]byte, n+abi.BufferAlign)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % abi.BufferAlign
	return b[skip:][:n:n]
}
