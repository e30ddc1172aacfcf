package sandbox

import (
	"encoding/binary"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// checkKinds returns an error, which is a bug of the host, if a type of a parameter has no
// kind in the contract.
func checkKinds(m *question.Manifest) *question.Error {
	for i := range m.Questions {
		for _, p := range m.Questions[i].Params {
			if abi.ParamKind(string(p.Type)) == 0 {
				return question.Errorf(question.CodeInternal, "plugins/abi has no kind for parameters of the type %q", p.Type)
			}
		}
	}
	return nil
}

// requestSize is the number of bytes that encodeRequest appends.
func requestSize(b *question.BoundRequest, rows []question.Range) uint64 {
	n := uint64(abi.RequestSize + abi.ParamSize*len(b.Args) + abi.RangeSize*len(rows))
	for i := range b.Args {
		n += 8 * uint64(len(b.Args[i].Values))
	}
	return n
}

// encodeRequest appends an abi.Request and everything that it points to, for address
// at, a multiple of 8.
func encodeRequest(out []byte, at uint32, b *question.BoundRequest, rows []question.Range, columnIndex func(string) uint32) []byte {
	params := at + abi.RequestSize
	values := params + abi.ParamSize*uint32(len(b.Args))
	next := values
	for i := range b.Args {
		next += 8 * uint32(len(b.Args[i].Values))
	}
	r := abi.Request{
		Size: abi.RequestSize, Version: abi.Version, Question: uint32(b.Index),
		ParamCount: uint32(len(b.Args)), ParamSize: abi.ParamSize, Params: params,
		RangeCount: uint32(len(rows)), Ranges: next,
	}
	for _, run := range rows {
		r.Rows += run.Count
	}
	out = appendRequest(out, &r)
	for i := range b.Args {
		p, given := &b.Question.Params[i], b.Args[i].Values
		a := abi.Param{Kind: abi.ParamKind(string(p.Type)), Column: abi.NoIndex, Count: uint32(len(given)), Values: values}
		if p.Type == question.ParamColumn {
			a.Column = columnIndex(p.Column)
		}
		out = appendParam(out, &a)
		values += 8 * a.Count
	}
	for i := range b.Args {
		for _, v := range b.Args[i].Values {
			out = binary.LittleEndian.AppendUint64(out, v)
		}
	}
	for _, run := range rows {
		out = binary.LittleEndian.AppendUint32(out, run.Start)
		out = binary.LittleEndian.AppendUint32(out, run.Count)
	}
	return out
}

// checkBound checks that a request could have been made by Manifest.Bind and Select.
// Anything else is a bug of the host.
func (p *Plugin) checkBound(b *question.BoundRequest, rows []question.Range) *question.Error {
	if b == nil || b.Index < 0 || b.Index >= len(p.manifest.Questions) || b.Question != &p.manifest.Questions[b.Index] ||
		len(b.Args) != len(b.Question.Params) {
		return question.Errorf(question.CodeInternal, "the request was not bound to the manifest of plugin %s", p.manifest.Name)
	}
	total, next := uint64(p.engine.dataset.Rows()), uint64(0)
	for i, r := range rows {
		if r.Count == 0 || uint64(r.Start) < next || uint64(r.Start)+uint64(r.Count) > total {
			return question.Errorf(question.CodeInternal, "row range %d (%d rows from row %d) is empty, out of order or outside the dataset's %d rows", i, r.Count, r.Start, total)
		}
		next = uint64(r.Start) + uint64(r.Count) + 1 // touching ranges are one
	}
	return nil
}
