// Package rewrite changes a guest's WebAssembly when it is loaded, so that any
// engine can run a stranger's code safely and start it again at no cost:
//
//   - Fuel: the guest pays for what it does, by weight, out of a counter. When a
//     slice of it is spent, the guest calls the host, which may stop it.
//   - Stack: nested calls pay for the native stack that they take. When there is
//     none left, the guest calls the host as well.
//   - Image: what initialises an instance (active data segments, the start
//     function) comes out, and every mutable number becomes settable, so that the
//     host can do it once and start each job from a copy of the state after it.
//
// Nothing else changes: results, memory and traps are the original's. What is
// spent depends on module and input alone, never on the machine or the clock.
//
// It decodes WebAssembly 2.0 and refuses every later proposal. Time and memory
// are linear in the module's size. Nothing here has state: every function may be
// called from many goroutines.
package rewrite

import (
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"
)

// What a rewritten module imports and exports. An original that uses a name that
// starts with Reserved, as an import's module or an export, is refused.
const (
	Reserved = "__lestats"

	// Module and Yield name the import, (fuel, stack i64) -> i64, that the guest
	// calls when fuel or stack is below 0. It gets both counters and returns the
	// next slice: units of fuel that the guest may spend until the next call.
	// Negative fuel is what the guest has overdrawn, so what it spent since the
	// last call is the slice less fuel. Negative stack means too deep a recursion:
	// the host must stop the guest. It stops a guest by panicking.
	Module = Reserved
	Yield  = "yield"

	// Fuel is a mutable i64 global: what is left of the slice. It is 0 at first, so
	// the guest yields as soon as it begins.
	Fuel = Reserved + ".fuel"
	// Stack is a mutable i64 global: bytes of native stack that are left, as
	// estimated. A guest that was stopped or has trapped leaves it too low: set it
	// before each call that starts anew.
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
	// Unmetered leaves fuel and stack alone: for comparison, or for a guest that is
	// trusted. Nothing is imported then.
	Unmetered bool
	// Stack is what the global Stack holds at first, in bytes; 0: DefaultStack.
	Stack int64

	faults faults // beside those of the processor that it runs on
}

// faults are those of wazero's compiler that depend on the processor; see avoid.go.
type faults struct {
	counts bool // ctz and clz
	rem    bool // rem_s and rem_u
}

// here are the faults on the processor that this runs on. wazero's own test of it is the
// same: without these, it does without the instructions for ctz and clz.
var here = faults{
	counts: runtime.GOARCH == "amd64" && (!cpu.X86.HasBMI1 || !cpu.X86.HasBMI2 || !cpu.X86.HasPOPCNT),
	rem:    runtime.GOARCH == "arm64",
}

// Info is what the host has to know of a rewritten module.
type Info struct {
	// Imports are the original's, in order.
	Imports []Import
	// Data is to be written to memory before anything runs, in order.
	Data []Data
	// HasStart says that the function exported as Start is to be called after that.
	HasStart bool
	// Globals are the module's own mutable globals that hold a number.
	Globals []Global
	// Unrestorable names what an instance remembers and the host cannot put back:
	// instructions that change tables or drop segments, and mutable globals of
	// reference type. If there is any, each job needs a new instance.
	Unrestorable []string
}

// Import is one import of the original.
type Import struct {
	Module, Name string
	Kind         string // function, table, memory or global
}

// Data is a former active data segment.
type Data struct {
	Offset uint32 // address of the first byte
	Bytes  []byte // part of the original: not to be written to
}

// Global is a mutable global.
type Global struct {
	Index  uint32 // in the original
	Export string // the name under which the host reads and sets it
	Type   string // i32, i64, f32 or f64
}

func reserved(name string) bool { return strings.HasPrefix(name, Reserved) }

// Rewrite returns the rewritten module. An error is an *Error: why the module is
// refused. A module whose indices are right but whose operands have the wrong
// types passes; an engine refuses it as it would have refused the original.
func Rewrite(wasm []byte, cfg Config) ([]byte, *Info, error) {
	m, err := decode(wasm)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Stack <= 0 {
		cfg.Stack = DefaultStack
	}
	cfg.faults = faults{cfg.faults.counts || here.counts, cfg.faults.rem || here.rem}
	return newEncoder(m, cfg).module(), m.info(), nil
}

func (m *module) info() *Info {
	info := &Info{HasStart: m.start >= 0}
	for _, e := range m.imports {
		info.Imports = append(info.Imports, Import{e.module, e.name, kindNames[e.kind]})
	}
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

// ownMutable calls each for every mutable global that is not imported.
func (m *module) ownMutable(each func(i uint32, t valType)) {
	for i, g := range m.globals {
		if i >= m.importedGlobals && g.mutable {
			each(uint32(i), g.val)
		}
	}
}
