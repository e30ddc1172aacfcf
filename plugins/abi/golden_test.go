package abi_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

var update = flag.Bool("update", false, "write testdata anew")

// A golden file is what passes between host and plugin in one direction: the
// i64 that travels, pointer and length packed, and then the memory behind it as
// segments, each an address, a length and so many bytes, up to the end of the
// file. Addresses are below 1 MiB, so that a test can keep its plugin above.
//
// The SDKs' own tests open and ask the plugins of golden_*.json and compare what
// comes back, pointers followed, with the golden response.
type golden struct {
	packed   uint64
	segments []segment
}

type segment struct {
	at    uint32
	bytes []byte
}

// put adds bytes at an address, and returns it.
func (g *golden) put(at uint32, parts ...[]byte) uint32 {
	g.segments = append(g.segments, segment{at, bytes.Join(parts, nil)})
	return at
}

// send makes what was put last, at its beginning n bytes long, what travels.
func (g *golden) send(at, n uint32) *golden {
	g.packed = abi.Pack(at, n)
	return g
}

func (g *golden) file() []byte {
	out := binary.LittleEndian.AppendUint64(nil, g.packed)
	for _, s := range g.segments {
		out = binary.LittleEndian.AppendUint32(out, s.at)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(s.bytes)))
		out = append(out, s.bytes...)
	}
	return out
}

// words are the bytes of integers of 4 or 8 bytes, or of float64s.
func words[T uint32 | int32 | int64 | uint64 | float64](values ...T) []byte {
	var out []byte
	for _, v := range values {
		out, _ = binary.Append(out, binary.LittleEndian, v)
	}
	return out
}

// The example of ABI.md.

const exampleManifest = `{"name":"example","version":"1.0.0","title":"Example","license":"Apache-2.0",` +
	`"columns":[{"name":"location","type":"string"},{"name":"value","type":"number"}],` +
	`"questions":[{"name":"state_mean","title":"Mean of one state",` +
	`"params":[{"name":"state","title":"State","type":"column","column":"location","required":true}],` +
	`"result":{"keys":[{"name":"location","type":"string","title":"State"}],` +
	`"values":[{"name":"mean","type":"number","unit_of":"value"}],"layout":"map","chart":"bar"}}]}`

const exampleDigest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func exampleDirectory() *golden {
	g := &golden{}
	g.put(0x20000, example["codes"])
	g.put(0x20040, example["offsets"])
	g.put(0x20080, example["strings"])
	g.put(0x30000, words(10.0, -1, 30))
	g.put(0x30040, example["bitmap"])
	g.put(0x40000, example["directory"], example["location"], example["value"], []byte(exampleDigest+"locationvalue%"))
	return g.send(0x40000, abi.DirectorySize)
}

// exampleRequest asks for the mean of the state with a code.
func exampleRequest(state uint64, runs ...abi.Range) *golden {
	request, err := abi.Decode[abi.Request](example["request"])
	if err != nil {
		panic(err)
	}
	var ranges []byte
	request.RangeCount, request.Rows = uint32(len(runs)), 0
	for _, r := range runs {
		ranges = abi.Append(ranges, r)
		request.Rows += r.Count
	}
	g := &golden{}
	g.put(0x50000, abi.Append(nil, request), example["param"], words(state), ranges)
	return g.send(0x50000, abi.RequestSize)
}

func exampleResponse() *golden {
	g := &golden{}
	g.put(0x60000, example["response"], example["table"], example["key"], example["mean"], words(uint32(1), 0), words(20.0))
	return g.send(0x60000, abi.ResponseSize)
}

// A state without a value: the error of ABI.md.
func exampleError() *golden {
	g := &golden{}
	g.put(0x60000, example["failed"], example["error"], []byte("no value for Utah"))
	return g.send(0x60000, abi.ResponseSize)
}

// Every kind of column, of parameter and of result, missing values in each, and
// enough rows that they are more than one word of a bitmap. The dataset does not have the
// optional column remark.

const kindsManifest = `{"name":"kinds","version":"1.0.0","description":"Every kind: \"quoted\" \\ \u0009.","homepage":"about:blank",` +
	`"columns":[{"name":"city","type":"string"},{"name":"score","type":"number"},{"name":"year","type":"integer","optional":true},` +
	`{"name":"remark","type":"string","optional":true}],` +
	`"questions":[{"name":"first","result":{"values":[{"name":"n","type":"integer","unit":"rows","shows":"count"}],"layout":"record"},` +
	`"needs":["year","remark"]},` +
	`{"name":"echo","title":"Echo","description":"Says what it was given.","params":[` +
	`{"name":"city","title":"City","description":"Some.","type":"column","column":"city","required":true,"list":true},` +
	`{"name":"least","type":"number","min":0.5,"max":99.5,"default":10.5},` +
	`{"name":"year","type":"integer","min":-5,"max":9},` +
	`{"name":"mode","type":"choice","choices":["plain","loud"],"default":"plain"},` +
	`{"name":"exact","type":"boolean","default":false},` +
	`{"name":"score","type":"column","column":"score","select":true}],` +
	`"result":{"keys":[{"name":"city","type":"string"},{"name":"note","type":"string","title":"Note"}],` +
	`"values":[{"name":"score","type":"number","unit_of":"score","shows":"mean"},{"name":"n","type":"integer","unit":"rows","shows":"count"}],` +
	`"layout":"rows","chart":"none"},"needs":["year"],"example":{"city":["Oslo"],"where":{"year":{"min":-5}}}}]}`

const kindsRows = 70

var cities = []string{"Bern", "Chur", "Zürich"}

// kindsRow is row i: "" , NaN and 0 stand for a missing value.
func kindsRow(i int) (city string, score float64, year int64) {
	city, score, year = cities[i*i%3], float64(i%13)+0.25, int64(2000+i)
	if i%11 == 3 {
		city = ""
	}
	if i%5 == 2 {
		score = math.NaN()
	}
	if i%17 == 6 {
		year = 0
	}
	return city, score, year
}

func kindsDirectory() *golden {
	var codes, numbers, integers []byte
	var valid [3][(kindsRows + 7) / 8]byte
	var missing [3]uint32
	present := func(column, row int, is bool) {
		if is {
			valid[column][row/8] |= 1 << (row % 8)
		} else {
			missing[column]++
		}
	}
	for i := range kindsRows {
		city, score, year := kindsRow(i)
		code := int32(-1) // what a missing row holds has no meaning
		for k, name := range cities {
			if name == city {
				code = int32(k)
			}
		}
		present(0, i, city != "")
		present(1, i, !math.IsNaN(score))
		present(2, i, year != 0)
		codes, numbers, integers = append(codes, words(code)...), append(numbers, words(score)...), append(integers, words(year)...)
	}
	g := &golden{}
	column := abi.Column{DataLen: 8 * kindsRows, ValidityLen: uint32(len(valid[0]))}
	city, score, year := column, column, column
	city.Type, city.Flags, city.NullCount, city.DataLen = abi.TypeString, abi.FlagSortedDict, missing[0], 4*kindsRows
	city.Data, city.Validity = g.put(0x20000, codes), g.put(0x20140, valid[0][:])
	city.DictCount, city.DictOffsets = 3, g.put(0x20180, words[uint32](0, 4, 8, 15))
	city.DictBytes, city.DictBytesLen = g.put(0x201C0, []byte("BernChurZürich")), 15
	score.Type, score.NullCount = abi.TypeFloat64, missing[1]
	score.Data, score.Validity = g.put(0x30000, numbers), g.put(0x30240, valid[1][:])
	year.Type, year.Flags, year.NullCount = abi.TypeInt64, abi.FlagSortedRows, missing[2]
	year.Data, year.Validity = g.put(0x40000, integers), g.put(0x40240, valid[2][:])
	remark := column // as a host lays out what the dataset does not have
	remark.Type, remark.Flags, remark.NullCount, remark.DataLen = abi.TypeString, abi.FlagSortedDict, kindsRows, 4*kindsRows
	remark.Data, remark.Validity = g.put(0x40280, make([]byte, 4*kindsRows)), g.put(0x403C0, make([]byte, len(valid[0])))
	remark.DictOffsets = g.put(0x40400, words[uint32](0))
	// A later host: the structs are longer than version 1 has them.
	const columns, stride = 0x50040, abi.ColumnSize + 16
	text := uint32(columns + 4*stride)
	city.Name, city.NameLen = text, 4
	score.Name, score.NameLen, score.Unit, score.UnitLen = text+4, 5, text+13, 1
	year.Name, year.NameLen = text+9, 4
	remark.Name, remark.NameLen = text+14, 6
	more := bytes.Repeat([]byte{0xEE}, 16)
	directory := abi.Directory{
		Size: abi.DirectorySize + 16, Version: abi.Version, Rows: kindsRows, ColumnCount: 4, ColumnSize: stride, Columns: columns,
		Digest: text + 20, DigestLen: uint32(len(exampleDigest)),
	}
	g.put(0x50000, abi.Append(nil, directory), more, make([]byte, 16),
		abi.Append(nil, city), more, abi.Append(nil, score), more, abi.Append(nil, year), more, abi.Append(nil, remark), more,
		[]byte("cityscoreyear%remark"+exampleDigest))
	return g.send(0x50000, abi.DirectorySize+16)
}

var kindsRanges = []abi.Range{{Start: 3, Count: 9}, {Start: 20, Count: 1}, {Start: 60, Count: 9}}

// kindsRequest asks about Zürich and Bern. year is given where years is not
// empty; mode is loud.
func kindsRequest(years ...int64) *golden {
	const params, stride = 0x60040, abi.ParamSize + 8
	values, ranges := uint32(params+6*stride), uint32(params+6*stride+56)
	var rows uint32
	var runs []byte
	for _, r := range kindsRanges {
		rows += r.Count
		runs = abi.Append(runs, r)
	}
	more := bytes.Repeat([]byte{0xEE}, 8)
	param := func(kind, column, count, at uint32) []byte {
		return append(abi.Append(nil, abi.Param{Kind: kind, Column: column, Count: count, Values: values + at}), more...)
	}
	g := &golden{}
	g.put(0x60000, abi.Append(nil, abi.Request{
		Size: abi.RequestSize + 8, Version: abi.Version, Question: 1, ParamCount: 6, ParamSize: stride, Params: params,
		RangeCount: uint32(len(kindsRanges)), Ranges: ranges, Rows: rows,
	}), more, make([]byte, 8),
		param(abi.ParamColumn, 0, 2, 0), param(abi.ParamNumber, abi.NoIndex, 1, 16),
		param(abi.ParamInteger, abi.NoIndex, uint32(len(years)), 24), param(abi.ParamChoice, abi.NoIndex, 1, 32),
		param(abi.ParamBoolean, abi.NoIndex, 1, 40), param(abi.ParamColumn, 1, 1, 48),
		words[uint64](2, 0), words(3.5), words(append(years, -3)[0]), words[uint64](1, 1), words(7.25), runs)
	return g.send(0x60000, abi.RequestSize+8)
}

// kindsResponse is what the question echo answers: for each city that was
// given, the selected rows that have it, a score and a year. The note is
// missing where the score is below least; the last row is missing altogether.
func kindsResponse() *golden {
	var codes []int32
	var notes []string
	var scores []float64
	var years []int64
	quiet := []byte{0xff, 0xff, 0xff, 0xff}
	for _, want := range []int32{2, 0} {
		for _, r := range kindsRanges {
			for i := r.Start; i < r.Start+r.Count; i++ {
				city, score, year := kindsRow(int(i))
				if city != cities[want] || math.IsNaN(score) || year == 0 {
					continue
				}
				note := city + "!" // loud
				if score < 3.5 {
					note = ""
					quiet[len(notes)/8] &^= 1 << (len(notes) % 8)
				}
				codes, notes, scores, years = append(codes, want), append(notes, note), append(scores, score), append(years, year)
			}
		}
	}
	codes, notes, scores, years = append(codes, 0), append(notes, ""), append(scores, 0), append(years, 0)
	rows := len(codes)
	whole := (rows + 7) / 8
	quiet[(rows-1)/8] &^= 1 << ((rows - 1) % 8)
	last := bytes.Repeat([]byte{0xff}, whole)
	last[(rows-1)/8] &^= 1 << ((rows - 1) % 8)
	missing := uint32(0)
	for i := range rows {
		if quiet[i/8]>>(i%8)&1 == 0 {
			missing++
		}
	}
	own, offsets, text := []int32{}, []uint32{0}, []byte{}
	for i, note := range notes {
		text = append(text, note...)
		own, offsets = append(own, int32(i)), append(offsets, uint32(len(text)))
	}

	g := &golden{}
	column := func(kind, at, n, validity, nulls uint32) abi.Column {
		return abi.Column{Type: kind, Data: at, DataLen: n, Validity: validity, ValidityLen: uint32(whole), NullCount: nulls}
	}
	n := uint32(rows)
	bitmap := g.put(0x70400, last)
	city := column(abi.TypeString, g.put(0x70500, words(codes...)), 4*n, bitmap, 1)
	city.Flags, city.DictCount, city.DictOffsets, city.DictBytes, city.DictBytesLen = abi.FlagSortedDict, 3, 0x20180, 0x201C0, 15
	note := column(abi.TypeString, g.put(0x70600, words(own...)), 4*n, g.put(0x70440, quiet[:whole]), missing)
	note.DictCount, note.DictOffsets = n, g.put(0x70700, words(offsets...))
	note.DictBytes, note.DictBytesLen = g.put(0x70800, text), uint32(len(text))
	score := column(abi.TypeFloat64, g.put(0x70900, words(scores...)), 8*n, bitmap, 1)
	year := column(abi.TypeInt64, g.put(0x70A00, words(years...)), 8*n, bitmap, 1)
	g.put(0x70000, abi.Append(nil, abi.Response{Size: abi.ResponseSize, Version: abi.Version, TableCount: 1, TableSize: abi.TableSize, Tables: 0x70020}),
		abi.Append(nil, abi.Table{Kind: abi.KindTable, Rows: n, ColumnCount: 4, ColumnSize: abi.ColumnSize, Columns: 0x70040}),
		abi.Append(nil, city), abi.Append(nil, note), abi.Append(nil, score), abi.Append(nil, year))
	return g.send(0x70000, abi.ResponseSize)
}

// kindsError is the answer where a year was given.
func kindsError() *golden {
	const text = "the year 7 is not to be given"
	g := &golden{}
	g.put(0x70000, abi.Append(nil, abi.Response{Size: abi.ResponseSize, Version: abi.Version, Status: abi.StatusError, TableSize: abi.TableSize, Error: 0x70020}),
		abi.Append(nil, abi.Error{Size: abi.ErrorSize, Version: abi.Version, Code: abi.ErrBadParam, Param: 2, Text: 0x70040, TextLen: uint32(len(text))}),
		[]byte(text))
	return g.send(0x70000, abi.ResponseSize)
}

// TestGoldenFiles compares testdata with what the contract's structs are. With
// -update it writes them; the SDKs' tests read them.
func TestGoldenFiles(t *testing.T) {
	all := abi.Range{Start: 0, Count: 3}
	files := map[string][]byte{
		"example_manifest.json":      []byte(exampleManifest),
		"example_directory.bin":      exampleDirectory().file(),
		"example_request.bin":        exampleRequest(1, all).file(),
		"example_response.bin":       exampleResponse().file(),
		"example_error_request.bin":  exampleRequest(1).file(), // no rows
		"example_error_response.bin": exampleError().file(),
		"kinds_manifest.json":        []byte(kindsManifest),
		"kinds_directory.bin":        kindsDirectory().file(),
		"kinds_request.bin":          kindsRequest().file(),
		"kinds_response.bin":         kindsResponse().file(),
		"kinds_error_request.bin":    kindsRequest(7).file(),
		"kinds_error_response.bin":   kindsError().file(),
	}
	for name, want := range files {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the contract says; if that is meant: go test ./plugins/abi -run TestGoldenFiles -update", name)
		}
	}
	found, err := filepath.Glob("testdata/*.*")
	if err != nil || len(found) != len(files) {
		t.Errorf("testdata has %q, %v; this test knows %d files", found, err, len(files))
	}
}
