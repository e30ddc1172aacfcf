package rewrite

// Header is what a module declares outside of its code.
type Header struct {
	Imports []Import // in order
	Exports []Export // in order
	// Memories are those that the module defines. Rewrite takes one, neither shared nor
	// with 64-bit addresses.
	Memories []Memory
	// TableEntries is the initial size of the tables that the module defines, together.
	TableEntries uint64
}

// Export is one export of a module.
type Export struct {
	Name     string
	Kind     string // function, table, memory or global
	Type     string // of a function: "(i32, i32) -> i64"
	Imported bool   // of a function: it is an import of the module
}

// Memory is one memory that a module defines.
type Memory struct {
	Pages  uint64 // initial size in pages of 64 KiB; capped at 65,536 if Wide
	Wide   bool   // it has 64-bit addresses
	Shared bool
}

// Decode decodes a module's header. An error is an *Error. What is good in the header may
// still be refused by Rewrite.
func Decode(wasm []byte) (*Header, error) {
	m, err := decodeHeader(wasm, nil)
	if err != nil {
		return nil, err
	}
	h := &Header{Imports: m.importList(), TableEntries: m.tableEntries}
	for _, e := range m.exports {
		x := Export{Name: e.name, Kind: kindNames[e.kind]}
		if e.kind == kindFunc {
			x.Type, x.Imported = m.types[m.funcs[e.index]].String(), int(e.index) < m.importedFuncs
		}
		h.Exports = append(h.Exports, x)
	}
	for _, l := range m.memories {
		h.Memories = append(h.Memories, Memory{uint64(l.min), l.wide, l.shared})
	}
	return h, nil
}

// Sections calls custom with each custom section of a module, whose content shares memory
// with it. It returns the offset in bytes of what the code section contains; 0 if there is
// none. An error is an *Error.
func Sections(wasm []byte, custom func(name string, content []byte)) (code int, err error) {
	m, bad := decodeHeader(wasm, custom)
	if bad != nil {
		return 0, bad
	}
	for _, s := range m.later {
		if s.id == 10 {
			code = s.r.pos
		}
	}
	return code, nil
}

func (m *module) importList() []Import {
	var list []Import
	for _, e := range m.imports {
		i := Import{Module: e.module, Name: e.name, Kind: kindNames[e.kind]}
		if e.kind == kindFunc {
			i.Type = m.types[e.typ].String()
		}
		list = append(list, i)
	}
	return list
}
