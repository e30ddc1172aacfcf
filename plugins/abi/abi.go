// Package abi is the plugin contract, version 1, as constants and structs.
// The host (runtime/sandbox) and the Go SDK (plugins/sdk) are written against
// it; plugins/ABI.md is the same contract in prose with worked bytes, for
// authors in other languages. A change to one of the three is a change to all.
//
// Everything is little-endian. Every pointer is an absolute address in the
// guest's linear memory. A struct that travels on its own starts with its size
// in bytes and the contract's version; a reader takes the fields that it knows
// and skips the rest, so that a later version can append fields. An entry of an
// array takes its size from the stride that the array's owner states.
//
// Columns are Arrow's physical layout: contiguous values, a validity bitmap
// (least significant bit first, 1 is present), and for strings an int32 code a
// row into a dictionary of int32 offsets over UTF-8 bytes.
package abi

import "encoding/binary"

// Version is the contract's version; it is also in the names of the exports.
const Version = 1

// What a plugin exports.
const (
	// ExportMemory is the linear memory.
	ExportMemory = "memory"
	// ExportInitialize, () -> (), is optional. It is called once, before anything
	// else: the start of a WASI reactor (a Go c-shared module, for one).
	ExportInitialize = "_initialize"
	// ExportAlloc, (size, align i32) -> i32, returns the address of size bytes,
	// a multiple of align (a power of two, at most 65536), that stay valid and in
	// place for the life of the instance; 0 when there is no memory.
	ExportAlloc = "lestats_v1_alloc"
	// ExportDescribe, () -> i64, returns the manifest: UTF-8 JSON, packed.
	ExportDescribe = "lestats_v1_describe"
	// ExportOpen, (ptr, len i32) -> i64, is handed the directory, once. It returns
	// 0, or a packed Response whose status is StatusError.
	ExportOpen = "lestats_v1_open"
	// ExportAnswer, (ptr, len i32) -> i64, takes a Request and returns a packed
	// Response, which the host copies before it calls again.
	ExportAnswer = "lestats_v1_answer"
	// ExportPrefix starts every name of contract v1: an export that starts with it
	// and is none of the above is refused.
	ExportPrefix = "lestats_v1_"
	// ReservedPrefix starts the names that the host keeps for itself.
	ReservedPrefix = "__lestats"
)

// What a plugin may import, besides WASI preview 1.
const (
	// ImportModule is the module of the host's functions.
	ImportModule = "lestats_v1"
	// ImportLog, (level, ptr, len i32) -> (), writes one line of UTF-8 to the host's log.
	ImportLog = "log"
	// ImportProgress, (done, total i64) -> (), tells how far a job has come.
	ImportProgress = "progress"
)

// Levels of ImportLog.
const (
	LogDebug uint32 = iota
	LogInfo
	LogWarn
	LogError
)

// ColumnAlign is the alignment, in bytes, of each dataset column in the block
// that the host asks for before open: one page of WebAssembly memory.
const ColumnAlign = 65536

// BufferAlign is the alignment, in bytes, of each buffer within a column.
const BufferAlign = 64

// Type is the type of a column's values.
type Type = uint32

// The types of contract v1.
const (
	TypeFloat64 Type = 1 // IEEE 754 binary64
	TypeInt64   Type = 2 // two's complement
	TypeString  Type = 3 // int32 codes into a dictionary
)

// Flags of a Column.
const (
	// FlagSortedDict: dictionary entries ascend bytewise without repetition, so
	// comparing codes compares strings. Every dictionary of a dataset has it.
	FlagSortedDict uint32 = 1 << 0
	// FlagSortedRows: the rows of the dataset ascend by this column.
	FlagSortedRows uint32 = 1 << 1
)

// Directory is what open is handed: the columns that the manifest asked for, in
// the manifest's order.
type Directory struct {
	Size        uint32 // DirectorySize
	Version     uint32 // Version
	Rows        uint32 // rows of the dataset
	ColumnCount uint32
	ColumnSize  uint32 // stride of the array at Columns: ColumnSize
	Columns     uint32 // address of ColumnCount Columns
	Digest      uint32 // address of the dataset's digest, "sha256:" and 64 hex digits
	DigestLen   uint32
}

// Column describes one column of the dataset (in a Directory) or of a result
// (in a Table), in the same form.
type Column struct {
	Name         uint32 // address of the name, UTF-8; 0 in a result: the manifest names its columns
	NameLen      uint32
	Type         Type
	Flags        uint32
	Data         uint32 // address of rows values: 8 bytes each, or 4 for the codes of a string
	DataLen      uint32 // bytes
	Validity     uint32 // address of the bitmap; 0 when every value is present
	ValidityLen  uint32 // bytes: 0, or at least rows/8 rounded up
	NullCount    uint32 // missing values
	DictCount    uint32 // entries of the dictionary
	DictOffsets  uint32 // address of DictCount+1 int32 offsets into the bytes, ascending from 0
	DictBytes    uint32 // address of the entries' UTF-8, back to back
	DictBytesLen uint32
	Unit         uint32 // address of the unit ("%"), UTF-8; 0 where there is none
	UnitLen      uint32
	Reserved     uint32 // 0
}

// Request is what answer is handed.
type Request struct {
	Size       uint32 // RequestSize
	Version    uint32
	Question   uint32 // index into the manifest's questions
	ParamCount uint32 // as many as the manifest declares for the question, in its order
	ParamSize  uint32 // stride of the array at Params: ParamSize
	Params     uint32 // address of ParamCount Params
	RangeCount uint32
	Ranges     uint32 // address of RangeCount Ranges
	Rows       uint32 // sum of the ranges' counts
	Reserved   [3]uint32
}

// Range is a run of selected rows. The ranges of a request ascend, do not
// touch or overlap, and are never empty.
type Range struct {
	Start uint32
	Count uint32
}

// Param is one parameter's value.
type Param struct {
	Kind     uint32 // a Param constant: what a value means
	Column   uint32 // ParamColumn: index into the directory; otherwise NoIndex
	Count    uint32 // number of values: 0 when it was left out, 1, or more for a list
	Values   uint32 // address of Count values of 8 bytes, see the Param constants
	Reserved [4]uint32
}

// Kinds of a Param, and what its 8-byte values are.
const (
	ParamColumn  uint32 = 1 // a value of a column: its code zero-extended, an int64, or a float64, by the column's type
	ParamNumber  uint32 = 2 // float64
	ParamInteger uint32 = 3 // int64
	ParamChoice  uint32 = 4 // index into the manifest's choices, uint64
	ParamBoolean uint32 = 5 // 0 or 1, uint64
)

// ParamKind returns the kind in which a parameter is passed, by its type in the manifest;
// 0 if there is no such type. A type that is added uses one of the five kinds.
func ParamKind(typeName string) uint32 { // not a map, which every plugin would contain
	switch typeName {
	case "column":
		return ParamColumn
	case "number":
		return ParamNumber
	case "integer":
		return ParamInteger
	case "choice":
		return ParamChoice
	case "boolean":
		return ParamBoolean
	default:
		return 0
	}
}

// NoIndex stands for "none" where an index is due.
const NoIndex uint32 = 0xFFFFFFFF

// Response is what answer, or a failing open, returns.
type Response struct {
	Size       uint32 // ResponseSize
	Version    uint32
	Status     uint32 // StatusOK or StatusError
	TableCount uint32 // v1: 1; 0 with StatusError
	TableSize  uint32 // stride of the array at Tables: TableSize
	Tables     uint32 // address of TableCount Tables
	Error      uint32 // address of an Error, with StatusError; otherwise 0
	Reserved   uint32
}

// Statuses of a Response.
const (
	StatusOK    uint32 = 0
	StatusError uint32 = 1
)

// Table is one result.
type Table struct {
	Kind        uint32 // KindTable; KindDocument is reserved
	Rows        uint32
	ColumnCount uint32 // as many as the manifest declares: keys, then values
	ColumnSize  uint32 // stride of the array at Columns: ColumnSize
	Columns     uint32 // address of ColumnCount Columns
	Reserved    [3]uint32
}

// Kinds of a Table.
const (
	KindTable    uint32 = 1
	KindDocument uint32 = 2 // reserved: bytes with a media type
)

// Error says why a plugin has no answer.
type Error struct {
	Size     uint32 // ErrorSize
	Version  uint32
	Code     uint32 // an Err constant
	Param    uint32 // index of the parameter that it is about, or NoIndex
	Text     uint32 // address of the reason, UTF-8, for a person
	TextLen  uint32
	Reserved [2]uint32
}

// Codes of an Error.
const (
	ErrFailed   uint32 = 1 // the plugin could not compute it
	ErrBadParam uint32 = 2 // a parameter's value makes no sense
	ErrNoData   uint32 = 3 // no selected row has what the question needs
	ErrDataset  uint32 = 4 // from open: this dataset does not suit the plugin
)

// Sizes in bytes of the structs of contract v1.
const (
	DirectorySize = 32
	ColumnSize    = 64
	RequestSize   = 48
	RangeSize     = 8
	ParamSize     = 32
	ResponseSize  = 32
	TableSize     = 32
	ErrorSize     = 32
)

// Pack puts an address and a length into the i64 that exports return:
// Pack(0x10000, 5) is 0x0001_0000_0000_0005.
func Pack(ptr, length uint32) uint64 { return uint64(ptr)<<32 | uint64(length) }

// Unpack takes apart what Pack made.
func Unpack(v uint64) (ptr, length uint32) { return uint32(v >> 32), uint32(v) }

// Append appends the bytes of v, one of this package's structs, to b.
func Append[T Directory | Column | Request | Range | Param | Response | Table | Error](b []byte, v T) []byte {
	b, err := binary.Append(b, binary.LittleEndian, v)
	if err != nil {
		panic(err) // every T has a fixed size, so this cannot happen
	}
	return b
}

// Decode reads a struct from the start of b, which may be longer than the
// struct (fields of a later version follow) but not shorter.
func Decode[T Directory | Column | Request | Range | Param | Response | Table | Error](b []byte) (v T, err error) {
	_, err = binary.Decode(b, binary.LittleEndian, &v)
	return v, err
}
