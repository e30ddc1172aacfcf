package sandbox

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// maxTableEntries bounds the tables of a module together: each entry costs the
// host 8 bytes that the memory limit does not count.
const maxTableEntries = 1 << 20

// signature is the type of a function, a letter a value: i for i32, j for i64,
// f and d for f32 and f64, ? for what contract v1 has no use for.
type signature struct{ params, results string }

var typeNames = map[byte]string{'i': "i32", 'j': "i64", 'f': "f32", 'd': "f64", '?': "another type"}

// String is the type as people write it: "(i32, i32) -> i64".
func (s signature) String() string {
	list := func(letters string) string {
		names := make([]string, len(letters))
		for i := range letters {
			names[i] = typeNames[letters[i]]
		}
		return strings.Join(names, ", ")
	}
	results := list(s.results)
	if len(s.results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + list(s.params) + ") -> " + results
}

// contract is the functions that a plugin exports.
var contract = []struct {
	name     string
	sig      signature
	optional bool
}{
	{abi.ExportInitialize, signature{"", ""}, true},
	{abi.ExportAlloc, signature{"ii", "i"}, false},
	{abi.ExportDescribe, signature{"", "j"}, false},
	{abi.ExportOpen, signature{"ii", "j"}, false},
	{abi.ExportAnswer, signature{"ii", "j"}, false},
}

// Numbers of the binary format: sections, kinds of imports and exports, flags of limits.
const (
	sectionTable = 4

	kindFunc   = 0
	kindMemory = 2

	limitMax    = 1 << 0
	limitShared = 1 << 1
	limit64     = 1 << 2
)

var kindNames = []string{"function", "table", "memory", "global", "tag"}

func kindName(k byte) string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "thing of an unknown kind"
}

type importEntry struct {
	module, name string
	kind         byte
	typ          uint32 // kindFunc
}

type exportEntry struct {
	name  string
	kind  byte
	index uint32
}

type limits struct {
	flags    uint32
	min, max uint64 // max: with limitMax
}

// module is what the host reads in a plugin's binary before it has it compiled.
// Everything else is for wazero to validate.
type module struct {
	types     []signature
	imports   []importEntry
	functions []uint32 // type of each function, imported ones first
	tables    []limits
	memories  []limits
	exports   []exportEntry
}

func badPlugin(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadPlugin, format, args...)
}

// checkModule reads wasm and refuses what the contract does not allow. It
// returns the pages of memory that the plugin starts with.
func checkModule(wasm []byte) (pages uint64, refusal *question.Error) {
	m, err := readModule(wasm)
	if err != nil {
		return 0, err
	}
	for fault := range m.faults {
		return 0, fault.Err
	}
	return m.memories[0].min, nil
}

// faults yields all that the contract does not allow, the worst first.
func (m *module) faults(yield func(Fault) bool) {
	going := true
	for _, part := range []struct {
		name  string
		check func(report func(*question.Error))
	}{{"imports", m.checkImports}, {"exports", m.checkExports}, {"memory", m.checkMemory}} {
		part.check(func(err *question.Error) { going = going && yield(Fault{part.name, err}) })
	}
}

// formatOf says what a file that is not a module may be. The file's own bytes are
// nobody's but its owner's.
func formatOf(b []byte) string {
	for _, f := range []struct{ start, name string }{
		{"#!", "a script"}, {"\x1f\x8b", "a gzip file"}, {"PK", "a zip file"}, {"\x28\xb5\x2f\xfd", "a zstd file"}, {"\x7fELF", "a Linux program"}, {"MZ", "a Windows program"},
		{"BC\xc0\xde", "LLVM bitcode"}, {"<", "HTML or XML"}, {"version https://git-lfs", "a pointer of Git LFS"},
	} {
		if bytes.HasPrefix(b, []byte(f.start)) {
			return f.name
		}
	}
	if len(b) == 0 {
		return "an empty file"
	}
	if utf8.Valid(b[:min(len(b), 64)]) {
		return "text"
	}
	return "other data"
}

func readModule(wasm []byte) (*module, *question.Error) {
	switch text := bytes.TrimSpace(wasm[:min(len(wasm), 256)]); {
	case bytes.HasPrefix(text, []byte("(module")), bytes.HasPrefix(text, []byte(";;")):
		return nil, badPlugin("this is WebAssembly's text format; compile it first, with wat2wasm for one")
	case !bytes.HasPrefix(wasm, []byte("\x00asm")):
		return nil, badPlugin("this is not a WebAssembly module: it does not begin with \\0asm but as %s does", formatOf(wasm))
	case len(wasm) < 8:
		return nil, badPlugin("this is not a WebAssembly module: it ends after %d bytes", len(wasm))
	}
	switch version := binary.LittleEndian.Uint32(wasm[4:]); version {
	case 1:
	case 0x1000d:
		return nil, badPlugin("this is a component of the component model; a core module is needed: build it for wasm32-wasip1, not wasip2")
	default:
		return nil, badPlugin("this is WebAssembly of version %d; version 1 is needed", version)
	}
	var m module
	r := reader{rest: wasm[8:]}
	for len(r.rest) > 0 && !r.bad {
		id := r.byte()
		section := reader{rest: r.bytes(r.u32())}
		m.readSection(id, &section)
		r.bad = r.bad || section.bad
		if r.bad {
			return nil, badPlugin("this is no valid WebAssembly module: its section %d is damaged, or uses what WebAssembly 2.0 does not have", id)
		}
	}
	return &m, nil
}

// readSection takes in one section; it skips those that it has no use for.
func (m *module) readSection(id byte, r *reader) {
	switch id {
	case 1:
		r.vec(func() {
			if r.byte() != 0x60 {
				r.bad = true
			}
			var s signature
			s.params = r.valueTypes()
			s.results = r.valueTypes()
			m.types = append(m.types, s)
		})
	case 2:
		r.vec(func() {
			e := importEntry{module: r.name(), name: r.name(), kind: r.byte()}
			switch e.kind {
			case kindFunc:
				e.typ = r.u32()
				m.functions = append(m.functions, e.typ)
			case 1:
				r.byte()
				r.limits()
			case kindMemory:
				r.limits()
			case 3:
				r.bytes(2)
			case 4:
				r.bytes(1)
				r.u32()
			default:
				r.bad = true
			}
			m.imports = append(m.imports, e)
		})
	case 3:
		r.vec(func() { m.functions = append(m.functions, r.u32()) })
	case sectionTable:
		r.vec(func() {
			r.byte()
			m.tables = append(m.tables, r.limits())
		})
	case 5:
		r.vec(func() { m.memories = append(m.memories, r.limits()) })
	case 7:
		r.vec(func() { m.exports = append(m.exports, exportEntry{r.name(), r.byte(), r.u32()}) })
	}
}

func (m *module) typeOf(function uint32) (signature, bool) {
	if int64(function) >= int64(len(m.functions)) || int64(m.functions[function]) >= int64(len(m.types)) {
		return signature{}, false
	}
	return m.types[m.functions[function]], true
}

func (m *module) checkImports(report func(*question.Error)) {
	for _, e := range m.imports {
		name := e.module + "." + e.name
		if e.kind == kindMemory {
			report(badPlugin("it imports its memory (%q); it must define one and export it as %q", name, abi.ExportMemory))
			continue
		}
		want, known := hostSignatures[name]
		if !known || e.kind != kindFunc {
			err := badPlugin("it imports the %s %q, which this host does not offer; it offers the functions %s.%s, %s.%s and those of %s",
				kindName(e.kind), name, abi.ImportModule, abi.ImportLog, abi.ImportModule, abi.ImportProgress, wasiModule)
			if e.module != "" && e.kind == kindFunc {
				err.Hint = question.Nearest(name, hostNames)
			}
			report(err)
			continue
		}
		got, ok := signature{}, int64(e.typ) < int64(len(m.types))
		if ok {
			got = m.types[e.typ]
		}
		if !ok || got != want {
			report(badPlugin("it imports %q as %s; its type is %s", name, got, want))
		}
	}
}

func (m *module) checkExports(report func(*question.Error)) {
	exports := make(map[string]exportEntry, len(m.exports))
	for _, e := range m.exports {
		exports[e.name] = e
	}
	imported := 0 // functions; they have the first indices
	for _, e := range m.imports {
		if e.kind == kindFunc {
			imported++
		}
	}
	for _, c := range contract {
		e, ok := exports[c.name]
		if !ok {
			if !c.optional {
				report(m.missing(exports, c.name, "the function "+c.sig.String()))
			}
			continue
		}
		if e.kind != kindFunc {
			report(badPlugin("its export %q is a %s; it must be a function %s", c.name, kindName(e.kind), c.sig))
			continue
		}
		if int64(e.index) < int64(imported) {
			report(badPlugin("its export %q is a function that it imports; it must be its own", c.name))
			continue
		}
		got, ok := m.typeOf(e.index)
		if !ok || got != c.sig {
			report(badPlugin("its export %q has the type %s; it must be %s", c.name, got, c.sig))
		}
	}
	for _, e := range m.exports {
		switch {
		case strings.HasPrefix(e.name, abi.ReservedPrefix):
			report(badPlugin("it exports %q; names that begin with %s are the host's", e.name, abi.ReservedPrefix))
		case strings.HasPrefix(e.name, abi.ExportPrefix) && !inContract(e.name):
			err := badPlugin("it exports %q, which contract v1 does not have; names that begin with %s are the contract's", e.name, abi.ExportPrefix)
			var names []string
			for _, c := range contract {
				names = append(names, c.name)
			}
			err.Hint = question.Nearest(e.name, names)
			report(err)
		}
	}
	switch e, ok := exports[abi.ExportMemory]; {
	case !ok:
		report(m.missing(exports, abi.ExportMemory, "its memory"))
	case e.kind != kindMemory:
		report(badPlugin("its export %q is a %s; it must be its memory", abi.ExportMemory, kindName(e.kind)))
	}
}

func (m *module) missing(exports map[string]exportEntry, name, what string) *question.Error {
	err := badPlugin("it does not export %q, %s", name, what)
	if _, command := exports["_start"]; command {
		err.Reason += "; it exports _start, so it was built as a command: build a reactor (Go: -buildmode=c-shared)"
	}
	return err
}

func inContract(name string) bool {
	for _, c := range contract {
		if c.name == name {
			return true
		}
	}
	return false
}

func (m *module) checkMemory(report func(*question.Error)) {
	switch len(m.memories) {
	case 0:
		report(badPlugin("it has no memory of its own; it must define one and export it as %q", abi.ExportMemory))
	case 1:
		switch mem := m.memories[0]; {
		case mem.flags&limit64 != 0:
			report(badPlugin("its memory has 64-bit addresses; contract v1 is for wasm32"))
		case mem.flags&limitShared != 0:
			report(badPlugin("its memory is shared; contract v1 has no threads"))
		case mem.flags > limitMax:
			report(badPlugin("its memory has the flags %#x, which WebAssembly 2.0 does not have", mem.flags))
		}
	default:
		report(badPlugin("it has %d memories; one is allowed", len(m.memories)))
	}
	var entries uint64
	for _, t := range m.tables {
		if t.flags > limitMax {
			report(badPlugin("one of its tables has the flags %#x, which WebAssembly 2.0 does not have", t.flags))
		}
		entries += min(t.min, maxTableEntries+1)
	}
	if entries > maxTableEntries {
		report(badPlugin("its tables have more than %d entries together", maxTableEntries))
	}
}

// boundTables returns wasm, which checkModule has passed, with a maximum on each
// table: a guest's table.grow would take memory of the host's without end.
func boundTables(wasm []byte) []byte {
	out := append(make([]byte, 0, len(wasm)+64), wasm[:8]...)
	r := reader{rest: wasm[8:]}
	for len(r.rest) > 0 && !r.bad {
		section := r.rest
		id := r.byte()
		body := reader{rest: r.bytes(r.u32())}
		if id != sectionTable {
			out = append(out, section[:len(section)-len(r.rest)]...)
			continue
		}
		count := body.u32()
		bounded := binary.AppendUvarint(nil, uint64(count))
		share := maxTableEntries / max(uint64(count), 1)
		for range count {
			bounded = append(bounded, body.byte())
			l := body.limits()
			most := max(share, l.min)
			if l.flags&limitMax != 0 {
				most = min(most, l.max)
			}
			bounded = append(bounded, limitMax)
			bounded = binary.AppendUvarint(bounded, l.min)
			bounded = binary.AppendUvarint(bounded, most)
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(bounded)))
		out = append(out, bounded...)
	}
	return out
}

// reader reads the binary format. A read beyond the end sets bad and yields
// zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) byte() byte {
	b := r.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uleb(maxBytes int) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > maxBytes {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) u32() uint32 {
	v := r.uleb(5)
	if v > 1<<32-1 {
		r.bad, r.rest = true, nil
		return 0
	}
	return uint32(v)
}

// vec reads a count and calls item as often, or until the input is at fault.
func (r *reader) vec(item func()) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		item()
	}
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.bad = true
	}
	return string(b)
}

func (r *reader) limits() limits {
	l := limits{flags: r.u32(), min: r.uleb(10)}
	if l.flags&limitMax != 0 {
		l.max = r.uleb(10)
	}
	return l
}

func (r *reader) valueTypes() string {
	b := r.bytes(r.u32())
	letters := make([]byte, len(b))
	for i, t := range b {
		switch t {
		case 0x7f:
			letters[i] = 'i'
		case 0x7e:
			letters[i] = 'j'
		case 0x7d:
			letters[i] = 'f'
		case 0x7c:
			letters[i] = 'd'
		case 0x7b, 0x70, 0x6f:
			letters[i] = '?'
		default:
			r.bad = true
			letters[i] = '?'
		}
	}
	return string(letters)
}
