package abi_test

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		constant int
		inMemory uintptr
		encoded  int
	}{
		{"Directory", abi.DirectorySize, unsafe.Sizeof(abi.Directory{}), binary.Size(abi.Directory{})},
		{"Column", abi.ColumnSize, unsafe.Sizeof(abi.Column{}), binary.Size(abi.Column{})},
		{"Request", abi.RequestSize, unsafe.Sizeof(abi.Request{}), binary.Size(abi.Request{})},
		{"Range", abi.RangeSize, unsafe.Sizeof(abi.Range{}), binary.Size(abi.Range{})},
		{"Param", abi.ParamSize, unsafe.Sizeof(abi.Param{}), binary.Size(abi.Param{})},
		{"Response", abi.ResponseSize, unsafe.Sizeof(abi.Response{}), binary.Size(abi.Response{})},
		{"Table", abi.TableSize, unsafe.Sizeof(abi.Table{}), binary.Size(abi.Table{})},
		{"Error", abi.ErrorSize, unsafe.Sizeof(abi.Error{}), binary.Size(abi.Error{})},
	} {
		if int(tt.inMemory) != tt.constant || tt.encoded != tt.constant {
			t.Errorf("%s has %d bytes in memory and %d encoded; its constant says %d", tt.name, tt.inMemory, tt.encoded, tt.constant)
		}
	}
}

func TestPack(t *testing.T) {
	for _, tt := range []struct {
		ptr, length uint32
		packed      uint64
	}{
		{0, 0, 0},
		{0x10000, 5, 0x0001_0000_0000_0005},
		{0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF_FFFFFFFE},
	} {
		if got := abi.Pack(tt.ptr, tt.length); got != tt.packed {
			t.Errorf("Pack(%#x, %#x) is %#x, want %#x", tt.ptr, tt.length, got, tt.packed)
		}
		if ptr, length := abi.Unpack(tt.packed); ptr != tt.ptr || length != tt.length {
			t.Errorf("Unpack(%#x) is %#x, %#x", tt.packed, ptr, length)
		}
	}
}

// A reader takes what it knows of a longer struct, and refuses a shorter one.
func TestDecode(t *testing.T) {
	want := abi.Param{Kind: abi.ParamInteger, Column: abi.NoIndex, Count: 1, Values: 64}
	b := abi.Append([]byte("x"), want)[1:]
	if got, err := abi.Decode[abi.Param](append(b, 1, 2, 3)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := abi.Decode[abi.Param](b[:abi.ParamSize-1]); err == nil {
		t.Error("31 bytes decode as a Param of 32")
	}
}

// example is the dataset, request and responses that ABI.md shows byte by byte.
var example = map[string][]byte{
	"directory": abi.Append(nil, abi.Directory{
		Size: abi.DirectorySize, Version: abi.Version, Rows: 3, ColumnCount: 2, ColumnSize: abi.ColumnSize, Columns: 0x40020,
		Digest: 0x400A0, DigestLen: 71,
	}),
	"location": abi.Append(nil, abi.Column{
		Name: 0x400E7, NameLen: 8, Type: abi.TypeString, Flags: abi.FlagSortedDict,
		Data: 0x20000, DataLen: 12, DictCount: 2, DictOffsets: 0x20040, DictBytes: 0x20080, DictBytesLen: 8,
	}),
	"value": abi.Append(nil, abi.Column{
		Name: 0x400EF, NameLen: 5, Type: abi.TypeFloat64,
		Data: 0x30000, DataLen: 24, Validity: 0x30040, ValidityLen: 1, NullCount: 1, Unit: 0x400F4, UnitLen: 1,
	}),
	"request": abi.Append(nil, abi.Request{
		Size: abi.RequestSize, Version: abi.Version, Question: 0, ParamCount: 1, ParamSize: abi.ParamSize, Params: 0x50030,
		RangeCount: 1, Ranges: 0x50058, Rows: 3,
	}),
	"param":    abi.Append(nil, abi.Param{Kind: abi.ParamColumn, Column: 0, Count: 1, Values: 0x50050}),
	"range":    abi.Append(nil, abi.Range{Start: 0, Count: 3}),
	"response": abi.Append(nil, abi.Response{Size: abi.ResponseSize, Version: abi.Version, TableCount: 1, TableSize: abi.TableSize, Tables: 0x60020}),
	"table":    abi.Append(nil, abi.Table{Kind: abi.KindTable, Rows: 1, ColumnCount: 2, ColumnSize: abi.ColumnSize, Columns: 0x60040}),
	"key": abi.Append(nil, abi.Column{
		Type: abi.TypeString, Flags: abi.FlagSortedDict, Data: 0x600C0, DataLen: 4,
		DictCount: 2, DictOffsets: 0x20040, DictBytes: 0x20080, DictBytesLen: 8,
	}),
	"mean":   abi.Append(nil, abi.Column{Type: abi.TypeFloat64, Data: 0x600C8, DataLen: 8}),
	"failed": abi.Append(nil, abi.Response{Size: abi.ResponseSize, Version: abi.Version, Status: abi.StatusError, TableSize: abi.TableSize, Error: 0x60020}),
	"error": abi.Append(nil, abi.Error{
		Size: abi.ErrorSize, Version: abi.Version, Code: abi.ErrNoData, Param: 0, Text: 0x60040, TextLen: 17,
	}),
	"codes":       binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1), 0), 1),
	"offsets":     binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0), 4), 8),
	"strings":     []byte("OhioUtah"),
	"bitmap":      {0b101},
	"param value": binary.LittleEndian.AppendUint64(nil, 1),
}

func readABI(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGoldenBytes compares the bytes that ABI.md shows, lines such as
//
//	request      30000000 01000000 ...
//
// with those that the structs have: all of them, and no others.
func TestGoldenBytes(t *testing.T) {
	line := regexp.MustCompile(`(?m)^bytes ([a-z ]+): ([0-9a-f ]+)(?:\n {6,}([0-9a-f ]+))*$`)
	shown := map[string]bool{}
	for _, m := range line.FindAllString(readABI(t), -1) {
		name, digits, _ := strings.Cut(strings.TrimPrefix(m, "bytes "), ":")
		got, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want, ok := example[name]
		if !ok {
			t.Errorf("ABI.md shows bytes of %q, which this test does not know", name)
		}
		if string(got) != string(want) {
			t.Errorf("%s: ABI.md shows\n%x, the contract's is\n%x", name, got, want)
		}
		shown[name] = true
	}
	for name := range example {
		if !shown[name] {
			t.Errorf("ABI.md does not show %q: %x", name, example[name])
		}
	}
}

// TestTables compares the tables of fields in ABI.md, rows such as
//
//	| 8 | `rows` | ... |
//
// under the heading of a struct, with the struct's fields and their offsets.
func TestTables(t *testing.T) {
	text := readABI(t)
	for _, v := range []any{
		abi.Directory{}, abi.Column{}, abi.Request{}, abi.Range{}, abi.Param{}, abi.Response{}, abi.Table{}, abi.Error{},
	} {
		typ := reflect.TypeOf(v)
		_, section, ok := strings.Cut(text, "### "+typ.Name()+",")
		if !ok {
			t.Errorf("ABI.md has no heading for %s", typ.Name())
			continue
		}
		section, _, _ = strings.Cut(section, "\n##")
		var got []string
		for _, m := range regexp.MustCompile("(?m)^\\| (\\d+) \\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
			got = append(got, m[1]+" "+m[2])
		}
		var want []string
		for f := range typ.Fields() {
			want = append(want, strconv.Itoa(int(f.Offset))+" "+snake(f.Name))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: ABI.md has the fields\n%q, the struct\n%q", typ.Name(), got, want)
		}
	}
}

// snake writes DictBytesLen as dict_bytes_len.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}
