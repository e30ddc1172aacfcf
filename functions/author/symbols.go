package author

import (
	"cmp"
	"debug/dwarf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// symbols finds the source of places in a module's code.
type symbols struct {
	code  uint64 // offset in the module of what addresses count from; bytes
	subs  []subprogram
	lines []lineRow // by address
}

// subprogram is a function with code, and what was inlined into it.
type subprogram struct {
	span
	source
	inlined []inlined // an outer one comes before those in it
}

// inlined is a function that was inlined.
type inlined struct {
	span
	name string
	call source // where it was called; its name is ""
}

// span is the addresses from low to high, exclusive.
type span struct{ low, high uint64 }

func (s span) has(at uint64) bool { return s.low <= at && at < s.high }

// lineRow says which line the code from an address on comes from; a line of 0 is none.
type lineRow struct {
	at   uint64
	file string
	line int
}

// source is a function, and a line in its file.
type source struct {
	Name string // for people
	File string // "" and 0 if the module does not say it
	Line int
}

// symbolsOf reads what a module says about its source. A module without DWARF, or with a
// broken one, has no lines.
func symbolsOf(wasm []byte) (s *symbols, err error) {
	s = &symbols{}
	defer func() {
		if r := recover(); r != nil { // debug/dwarf panics on some malformed data
			s, err = &symbols{}, fmt.Errorf("its debug information cannot be read: %v", r)
		}
	}()
	sections, code := customSections(wasm)
	s.code = code
	if sections[".debug_info"] == nil {
		return s, nil
	}
	d, err := dwarf.New(sections[".debug_abbrev"], nil, nil, sections[".debug_info"], sections[".debug_line"], nil, sections[".debug_ranges"], sections[".debug_str"])
	if err != nil {
		return s, fmt.Errorf("its debug information cannot be read: %w", err)
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if b := sections[name]; b != nil {
			if err := d.AddSection(name, b); err != nil {
				return s, fmt.Errorf("its debug information cannot be read: %w", err)
			}
		}
	}
	read := dwarfReader{d: d, s: s, names: map[dwarf.Offset]string{}}
	if err := read.all(); err != nil {
		return &symbols{code: code}, fmt.Errorf("its debug information cannot be read: %w", err)
	}
	slices.SortStableFunc(s.subs, func(a, b subprogram) int { return cmp.Compare(a.low, b.low) })
	slices.SortStableFunc(s.lines, func(a, b lineRow) int { return cmp.Compare(a.at, b.at) })
	return s, nil
}

// customSections returns a module's custom sections by name, and the offset of what its
// code section contains. The module has been checked.
func customSections(wasm []byte) (named map[string][]byte, code uint64) {
	named = map[string][]byte{}
	number := func(at int) (n uint64, next int) {
		n, size := binary.Uvarint(wasm[at:])
		return n, at + max(size, 1)
	}
	for at := 8; at < len(wasm); {
		id := wasm[at]
		size, begin := number(at + 1)
		end := begin + int(min(size, uint64(len(wasm)))) //nolint:gosec // it is bounded
		if end > len(wasm) {
			break
		}
		switch id {
		case 0:
			n, name := number(begin)
			if uint64(end-name) >= n {
				text := name + int(n) //nolint:gosec // it is bounded
				named[string(wasm[name:text])] = wasm[text:end]
			}
		case 10:
			code = uint64(begin) //nolint:gosec // it is not negative
		}
		at = end
	}
	return named, code
}

// dwarfReader fills symbols.
type dwarfReader struct {
	d     *dwarf.Data
	s     *symbols
	names map[dwarf.Offset]string
	files []*dwarf.LineFile // of the current compilation unit
}

// all reads all compilation units.
func (r *dwarfReader) all() error {
	entries := r.d.Reader()
	var sub []int // for each open entry: the index of its subprogram, -1 if it has none
	for {
		e, err := entries.Next()
		if err != nil || e == nil {
			return err
		}
		if e.Tag == 0 {
			if len(sub) > 0 {
				sub = sub[:len(sub)-1]
			}
			continue
		}
		own := -1
		if len(sub) > 0 {
			own = sub[len(sub)-1]
		}
		switch e.Tag {
		case dwarf.TagCompileUnit:
			if err := r.unit(e); err != nil {
				return err
			}
		case dwarf.TagSubprogram:
			own = -1
			if spans := r.spans(e); len(spans) == 1 { // one function of WebAssembly is one range
				own = len(r.s.subs)
				r.s.subs = append(r.s.subs, subprogram{spans[0], source{r.name(e), r.file(e, dwarf.AttrDeclFile), number(e, dwarf.AttrDeclLine)}, nil})
			}
		case dwarf.TagInlinedSubroutine:
			if own >= 0 {
				for _, at := range r.spans(e) {
					r.s.subs[own].inlined = append(r.s.subs[own].inlined, inlined{at, r.name(e), source{"", r.file(e, dwarf.AttrCallFile), number(e, dwarf.AttrCallLine)}})
				}
			}
		}
		if e.Children {
			sub = append(sub, own)
		}
	}
}

// unit reads the lines of a compilation unit.
func (r *dwarfReader) unit(e *dwarf.Entry) error {
	r.files = nil
	lines, err := r.d.LineReader(e)
	if err != nil || lines == nil {
		return err
	}
	r.files = lines.Files()
	var first = true // of a sequence
	dead := false    // the linker has removed the function
	for {
		var row dwarf.LineEntry
		if err := lines.Next(&row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if first {
			dead = removed(row.Address)
		}
		first = row.EndSequence
		switch {
		case dead:
		case row.EndSequence || row.File == nil:
			r.s.lines = append(r.s.lines, lineRow{at: row.Address})
		default:
			r.s.lines = append(r.s.lines, lineRow{row.Address, row.File.Name, row.Line})
		}
	}
}

// removed reports whether an address is one that linkers give to code that they left out.
func removed(at uint64) bool { return at == 0 || at >= 1<<32-2 }

// spans returns the code of an entry.
func (r *dwarfReader) spans(e *dwarf.Entry) (out []span) {
	ranges, err := r.d.Ranges(e)
	if err != nil {
		return nil
	}
	for _, at := range ranges {
		if !removed(at[0]) && at[0] < at[1] {
			out = append(out, span{at[0], at[1]})
		}
	}
	return out
}

// name returns the name of an entry, or of the one that it refers to.
func (r *dwarfReader) name(e *dwarf.Entry) string {
	for _, attr := range []dwarf.Attr{dwarf.AttrLinkageName, dwarf.AttrName} {
		if name, ok := e.Val(attr).(string); ok && name != "" {
			return sandbox.Readable(name)
		}
	}
	for _, attr := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		at, ok := e.Val(attr).(dwarf.Offset)
		if !ok {
			continue
		}
		if _, known := r.names[at]; !known {
			r.names[at] = "" // it may refer to itself
			others := r.d.Reader()
			others.Seek(at)
			if next, err := others.Next(); err == nil && next != nil {
				r.names[at] = r.name(next)
			}
		}
		return r.names[at]
	}
	return ""
}

// file returns the name of the file that an attribute has the number of, "" if there is none.
func (r *dwarfReader) file(e *dwarf.Entry, attr dwarf.Attr) string {
	if n := number(e, attr); n >= 0 && n < len(r.files) && r.files[n] != nil {
		return r.files[n].Name
	}
	return ""
}

// number returns an attribute that is a number, 0 if there is none.
func number(e *dwarf.Entry, attr dwarf.Attr) int {
	n, _ := e.Val(attr).(int64)
	return int(n)
}

// at returns where a place comes from, innermost first: what was inlined there, and last the
// function itself.
func (s *symbols) at(p *sandbox.Place) []source {
	own := source{Name: sandbox.Readable(p.Name)}
	if p.Func < 0 {
		return []source{own}
	}
	pc := uint64(p.Offset) - s.code
	sub := s.subprogram(pc)
	if sub != nil {
		own.File, own.Line = sub.File, sub.Line
		own.Name = cmp.Or(sub.Name, own.Name)
	}
	own.Name = cmp.Or(own.Name, sandbox.Unnamed(p.Func))
	if p.Entry {
		return []source{own}
	}
	line := s.line(pc)
	chain := []source{{own.Name, cmp.Or(line.file, own.File), cmp.Or(line.line, own.Line)}}
	if sub == nil {
		return chain
	}
	for i := range sub.inlined {
		call := &sub.inlined[i]
		if !call.has(pc) || call.name == "" {
			continue
		}
		inner := chain[0]
		chain[0].File, chain[0].Line = call.call.File, call.call.Line
		inner.Name = call.name
		chain = slices.Insert(chain, 0, inner)
	}
	return chain
}

// subprogram returns the function that has code at an address, nil if none is known.
func (s *symbols) subprogram(at uint64) *subprogram {
	n, exact := slices.BinarySearchFunc(s.subs, at, func(sub subprogram, at uint64) int { return cmp.Compare(sub.low, at) })
	if !exact {
		n--
	}
	if n < 0 || !s.subs[n].has(at) {
		return nil
	}
	return &s.subs[n]
}

// line returns the line that the code at an address comes from.
func (s *symbols) line(at uint64) lineRow {
	n, _ := slices.BinarySearchFunc(s.lines, at+1, func(row lineRow, at uint64) int { return cmp.Compare(row.at, at) })
	if n == 0 {
		return lineRow{}
	}
	return s.lines[n-1]
}
