package sandbox

import (
	"encoding/binary"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
)

// Encoding and decoding of the structs that every job exchanges, without the reflection
// of abi.Append and abi.Decode, which would take longer than the rest of a small answer.
// A test checks that both agree.

// words is an encoded struct of contract v1: each field is 32 bits wide.
type words []byte

func (w words) at(i int) uint32 { return binary.LittleEndian.Uint32(w[4*i:]) }

// readResponse reads a Response from at least ResponseSize bytes.
func readResponse(w words) abi.Response {
	return abi.Response{
		Size: w.at(0), Version: w.at(1), Status: w.at(2), TableCount: w.at(3),
		TableSize: w.at(4), Tables: w.at(5), Error: w.at(6), Reserved: w.at(7),
	}
}

// readTable reads a Table from at least TableSize bytes.
func readTable(w words) abi.Table {
	return abi.Table{
		Kind: w.at(0), Rows: w.at(1), ColumnCount: w.at(2), ColumnSize: w.at(3),
		Columns: w.at(4), Reserved: [3]uint32{w.at(5), w.at(6), w.at(7)},
	}
}

// readColumn reads a Column from at least ColumnSize bytes.
func readColumn(w words) abi.Column {
	return abi.Column{
		Name: w.at(0), NameLen: w.at(1), Type: w.at(2), Flags: w.at(3),
		Data: w.at(4), DataLen: w.at(5), Validity: w.at(6), ValidityLen: w.at(7),
		NullCount: w.at(8), DictCount: w.at(9), DictOffsets: w.at(10), DictBytes: w.at(11),
		DictBytesLen: w.at(12), Unit: w.at(13), UnitLen: w.at(14), Reserved: w.at(15),
	}
}

func appendWords(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func appendRequest(b []byte, r *abi.Request) []byte {
	return appendWords(b, r.Size, r.Version, r.Question, r.ParamCount, r.ParamSize, r.Params,
		r.RangeCount, r.Ranges, r.Rows, r.Reserved[0], r.Reserved[1], r.Reserved[2])
}

func appendParam(b []byte, p *abi.Param) []byte {
	return appendWords(b, p.Kind, p.Column, p.Count, p.Values, p.Reserved[0], p.Reserved[1], p.Reserved[2], p.Reserved[3])
}
