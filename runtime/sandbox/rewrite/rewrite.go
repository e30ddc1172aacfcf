// Package rewrite instruments a guest's WebAssembly when it is loaded, so that any
// engine can run untrusted code safely and restart it cheaply:
//
//   - Fuel: the guest pays for its instructions, by weight, from a counter. When a
//     slice of fuel is spent the guest calls the host, which may stop it.
//   - Stack: nested calls pay for the native stack that they use. When none is left
//     the guest also calls the host.
//   - Image: everything that initialises an instance (active data segments, the start
//     function) is taken out, and every mutable global that holds a number is exported.
//     So the host can initialise once and start each job from a copy of that state.
//
// Nothing else changes: results, memory and traps are those of the original. The fuel
// spent depends only on module and input, never on the machine or the clock.
//
// The package decodes WebAssembly 2.0 and refuses later proposals. Time and memory are
// linear in the module's size. There is no global state: all functions are safe for
// concurrent use.
package rewrite

import (
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"
)

// Names that a rewritten module imports and exports. A module that already uses a name
// that starts with Reserved, for an import's module or an export, is refused.
const (
	Reserved = "__lestats"

	// Module and Yield name the import, (fuel, stack i64) -> i64, that the guest
	// calls when its fuel or stack counter is below 0. The host gets both counters and
	// returns the next slice: the fuel that the guest may spend until the next call.
	// The fuel spent since the last call is the previous slice minus fuel, which may be
	// negative. Negative stack means that calls nest too deeply: the host must stop the
	// guest. It stops a guest by panicking.
	Module = Reserved
	Yield  = "yield"

	// Trace names the import of a module that is rewritten with Config.Trace, (site i32) -> ().
	// The guest calls it with the index of a site, in Info.Sites, right before it charges
	// fuel there or makes a call, and with Leave before a function returns.
	Trace = "trace"
	// Leave is what a guest tells Trace when a function returns.
	Leave = -1

	// Fuel is a mutable i64 global: the rest of the slice. It starts at 0, so the guest
	// yields as soon as it begins.
	Fuel = Reserved + ".fuel"
	// Stack is a mutable i64 global: the estimated bytes of native stack that are left.
	// It is too low after a guest was stopped or has trapped, so the host sets it before
	// each call.
	Stack = Reserved + ".stack"
	// Start is the start function, () -> (), where the original has one.
	Start = Reserved + ".start"
	// global is followed by a mutable global's index.
	global = Reserved + ".global."
)

// DefaultStack is how many bytes of native stack a guest gets by default.
const DefaultStack = 4 << 20

// Config says how a module is rewritten.
type Config struct {
	// Unmetered leaves out fuel and stack, for comparison or for trusted guests. Nothing
	// is imported then.
	Unmetered bool
	// Stack is the initial value of the global Stack, in bytes; 0: DefaultStack.
	Stack int64
	// Trace has the guest tell the host where it is, through the import Trace. Results and
	// fuel stay the same; a guest is 10 to 400 times slower.
	Trace bool

	faults faults // in addition to those of the current processor
}

// faults are the bugs of wazero's compiler that depend on the processor; see avoid.go.
type faults struct {
	counts bool // ctz and clz
	rem    bool // rem_s and rem_u
}

// here are the faults on the current processor. The conditions are those under which
// wazero does not use the instructions for ctz and clz.
var here = faults{
	counts: runtime.GOARCH == "amd64" && (!cpu.X86.HasBMI1 || !cpu.X86.HasBMI2 || !cpu.X86.HasPOPCNT),
	rem:    runtime.GOARCH == "arm64",
}

// Info is what the host needs to know about a rewritten module.
type Info struct {
	// Imports are the original's, in order.
	Imports []Import
	// Data must be written to memory, in order, before anything runs.
	Data []Data
	// HasStart reports that the function exported as Start must be called after that.
	HasStart bool
	// Globals are the mutable globals with a numeric type that the module defines.
	Globals []Global
	// Unrestorable names what changes state that the host cannot restore: instructions
	// that change tables or drop segments, and mutable globals of reference type. If it
	// is not empty, each job needs a new instance.
	Unrestorable []string
	// Functions is how many functions the original has, with those that it imports. The
	// indices of the functions that it defines are higher by one in the rewritten module, by
	// two with Config.Trace.
	Functions int
	// Sites are the places at which a module rewritten with Config.Trace calls Trace.
	Sites []Site
	// Names are the functions' names, by index in the original, with Config.Trace: those of
	// the name section, or else of an export; "" if there is none.
	Names []string
}

// Site is a place in the original's code.
type Site struct {
	Func   uint32 // index of the function
	Offset uint32 // of the instruction, or of the function's code, in the original module; bytes
	Entry  bool   // it is the function's entry
}

// Import is one import of the original.
type Import struct {
	Module, Name string
	Kind         string // function, table, memory or global
	Type         string // of a function: "(i32, i32) -> i64"
}

// Data is a former active data segment.
type Data struct {
	Offset uint32 // address of the first byte
	Bytes  []byte // part of the original; read-only
}

// Global is a mutable global.
type Global struct {
	Index  uint32 // in the original
	Export string // name of its export
	Type   string // i32, i64, f32 or f64
}

func reserved(name string) bool { return strings.HasPrefix(name, Reserved) }

// Rewrite returns the rewritten module. An error is an *Error, which says why the
// module is refused. Indices are checked, operand types are not: the engine refuses a
// rewritten module with wrong types as it would have refused the original.
func Rewrite(wasm []byte, cfg Config) ([]byte, *Info, error) {
	m, err := decode(wasm)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Stack <= 0 {
		cfg.Stack = DefaultStack
	}
	cfg.faults = faults{cfg.faults.counts || here.counts, cfg.faults.rem || here.rem}
	e := newEncoder(m, cfg)
	out, info := e.module(), m.info()
	if cfg.Trace {
		info.Sites, info.Names = e.sites, m.nameFunctions()
	}
	return out, info, nil
}

func (m *module) info() *Info {
	info := &Info{Imports: m.importList(), HasStart: m.start >= 0, Functions: len(m.funcs)}
	for _, d := range m.datas {
		if d.active {
			info.Data = append(info.Data, Data{d.offset, d.bytes})
		}
	}
	m.ownMutable(func(i uint32, t valType) {
		if t.isRef() {
			info.Unrestorable = append(info.Unrestorable, "a mutable global of type "+t.String())
		} else {
			info.Globals = append(info.Globals, Global{i, globalName(i), t.String()})
		}
	})
	for _, op := range []struct {
		op   opcode
		name string
	}{
		{opTableSet, "table.set"}, {opTableGrow, "table.grow"}, {opTableFill, "table.fill"}, {opTableCopy, "table.copy"},
		{opTableInit, "table.init"}, {opElemDrop, "elem.drop"}, {opDataDrop, "data.drop"},
	} {
		if m.seen[op.op] {
			info.Unrestorable = append(info.Unrestorable, op.name)
		}
	}
	return info
}

// ownMutable calls each for every mutable global that the module defines.
func (m *module) ownMutable(each func(i uint32, t valType)) {
	for i, g := range m.globals {
		if i >= m.importedGlobals && g.mutable {
			each(uint32(i), g.val)
		}
	}
}
