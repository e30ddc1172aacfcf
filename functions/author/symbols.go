package author

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
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
	source
	call lineRow // where it was called
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
	sections := map[string][]byte{}
	code, bad := rewrite.Sections(wasm, func(name string, content []byte) { sections[name] = content })
	s.code = uint64(code)
	if bad != nil || sections[".debug_info"] == nil { // a plugin that is loaded is not malformed
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
	read := dwarfReader{d: d, s: s, known: map[dwarf.Offset]source{}}
	if err := read.all(); err != nil {
		return &symbols{code: s.code}, fmt.Errorf("its debug information cannot be read: %w", err)
	}
	slices.SortStableFunc(s.subs, func(a, b subprogram) int { return cmp.Compare(a.low, b.low) })
	slices.SortStableFunc(s.lines, func(a, b lineRow) int { return cmp.Compare(a.at, b.at) })
	return s, nil
}

// dwarfReader fills symbols.
type dwarfReader struct {
	d     *dwarf.Data
	s     *symbols
	known map[dwarf.Offset]source
	units []unit // in order
}

// unit is a compilation unit: where it begins, and the files that its entries number.
type unit struct {
	at    dwarf.Offset
	files []*dwarf.LineFile
}

// all reads all compilation units: first their lines and files, because functions refer to
// those of other units.
func (r *dwarfReader) all() error {
	for units := r.d.Reader(); ; units.SkipChildren() {
		e, err := units.Next()
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if e.Tag == dwarf.TagCompileUnit {
			if err := r.unit(e); err != nil {
				return err
			}
		}
	}
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
		case dwarf.TagSubprogram:
			own = -1
			if spans := r.spans(e); len(spans) == 1 { // one function of WebAssembly is one range
				own = len(r.s.subs)
				r.s.subs = append(r.s.subs, subprogram{spans[0], r.origin(e), nil})
			}
		case dwarf.TagInlinedSubroutine:
			if own >= 0 {
				for _, at := range r.spans(e) {
					r.s.subs[own].inlined = append(r.s.subs[own].inlined, inlined{at, r.origin(e), lineRow{0, r.file(e, dwarf.AttrCallFile), number(e, dwarf.AttrCallLine)}})
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
	lines, err := r.d.LineReader(e)
	if err != nil || lines == nil {
		return err
	}
	r.units = append(r.units, unit{e.Offset, lines.Files()})
	first := true // of a sequence
	dead := false // the linker has removed the function
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

// origin returns the function that an entry describes, with the line where it begins. What
// an entry does not say, the one that it refers to does.
func (r *dwarfReader) origin(e *dwarf.Entry) (out source) {
	for _, attr := range []dwarf.Attr{dwarf.AttrLinkageName, dwarf.AttrName} {
		if name, ok := e.Val(attr).(string); ok && out.Name == "" {
			out.Name = sandbox.Readable(name)
		}
	}
	out.File, out.Line = r.file(e, dwarf.AttrDeclFile), number(e, dwarf.AttrDeclLine)
	for _, attr := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		at, ok := e.Val(attr).(dwarf.Offset)
		if !ok {
			continue
		}
		from, known := r.known[at]
		if !known {
			r.known[at] = from // it may refer to itself
			others := r.d.Reader()
			others.Seek(at)
			if next, err := others.Next(); err == nil && next != nil {
				from = r.origin(next)
			}
			r.known[at] = from
		}
		out.Name = cmp.Or(out.Name, from.Name)
		if out.File == "" {
			out.File, out.Line = from.File, from.Line
		}
	}
	return out
}

// file returns the name of the file that an attribute has the number of, "" if there is none.
func (r *dwarfReader) file(e *dwarf.Entry, attr dwarf.Attr) string {
	own, exact := slices.BinarySearchFunc(r.units, e.Offset, func(u unit, at dwarf.Offset) int { return cmp.Compare(u.at, at) })
	if !exact {
		own--
	}
	n := number(e, attr)
	if own < 0 || n < 0 || n >= len(r.units[own].files) || r.units[own].files[n] == nil {
		return ""
	}
	return r.units[own].files[n].Name
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
	chain := []source{own}
	if sub != nil {
		for i := range sub.inlined {
			if call := &sub.inlined[i]; call.has(pc) && call.Name != "" {
				chain[0].setLine(call.call)
				chain = slices.Insert(chain, 0, call.source)
			}
		}
	}
	var low uint64
	if sub != nil {
		low = sub.low
	}
	chain[0].setLine(s.line(low, pc, chain[0].File))
	return chain
}

// setLine sets the line, if it is known.
func (s *source) setLine(at lineRow) {
	if at.line > 0 {
		s.File, s.Line = at.file, at.line
	}
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

// line returns the line that the code at an address comes from. With a file, it is the last
// one before the address that is in this file: where compilers mix in code from another file
// without saying from which function, it is the line that is executed. Code before low does
// not count.
func (s *symbols) line(low, at uint64, file string) lineRow {
	n, _ := slices.BinarySearchFunc(s.lines, at+1, func(row lineRow, at uint64) int { return cmp.Compare(row.at, at) })
	for n--; n >= 0 && s.lines[n].at >= low; n-- {
		if row := s.lines[n]; file == "" || row.file == file && row.line > 0 {
			return row
		}
	}
	return lineRow{}
}
