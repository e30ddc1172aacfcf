package sandbox

import (
	"errors"
	"iter"
	"strings"

	"github.com/le-stats-sportifs/lestats/plugins/abi"
	"github.com/le-stats-sportifs/lestats/runtime/question"
	"github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite"
)

// maxTableEntries bounds the entries of all tables of a module together. Each entry
// costs the host 8 bytes that the memory limit does not count.
const maxTableEntries = 1 << 20

// contract lists the functions that a plugin exports.
var contract = []struct {
	name     string
	sig      string
	optional bool
}{
	{abi.ExportInitialize, "() -> ()", true},
	{abi.ExportAlloc, "(i32, i32) -> i32", false},
	{abi.ExportDescribe, "() -> i64", false},
	{abi.ExportOpen, "(i32, i32) -> i64", false},
	{abi.ExportAnswer, "(i32, i32) -> i64", false},
}

func badPlugin(format string, args ...any) *question.Error {
	return question.Errorf(question.CodeBadPlugin, format, args...)
}

// decodeHeader decodes a plugin's header. The reason of an error says where it is wrong.
func decodeHeader(wasm []byte) (*rewrite.Header, *question.Error) {
	h, err := rewrite.Decode(wasm)
	var bad *rewrite.Error
	switch {
	case err == nil:
		return h, nil
	case errors.As(err, &bad) && bad.Offset < 8: // the file is something else
		return nil, badPlugin("%s", bad.Reason)
	default: // malformed, or valid and using what plugins may not
		return nil, badPlugin("this WebAssembly module cannot be used: %w", err)
	}
}

// checkHeader refuses what the contract does not allow.
func checkHeader(h *rewrite.Header) *question.Error {
	for fault := range headerFaults(h) {
		return fault.Err
	}
	return nil
}

// headerFaults yields everything that the contract does not allow.
func headerFaults(h *rewrite.Header) iter.Seq[Fault] {
	return func(yield func(Fault) bool) {
		going := true
		for _, part := range []struct {
			name  string
			check func(h *rewrite.Header, report func(*question.Error))
		}{{"imports", checkImports}, {"exports", checkExports}, {"memory", checkMemory}} {
			part.check(h, func(err *question.Error) { going = going && yield(Fault{part.name, err}) })
		}
	}
}

func checkImports(h *rewrite.Header, report func(*question.Error)) {
	for _, e := range h.Imports {
		name := e.Module + "." + e.Name
		if e.Kind == "memory" {
			report(badPlugin("it imports its memory (%q); it must define one and export it as %q", name, abi.ExportMemory))
			continue
		}
		want, known := hostSignatures[name]
		if !known || e.Kind != "function" {
			err := badPlugin("it imports the %s %q, which this host does not offer; it offers the functions %s.%s, %s.%s and those of %s",
				e.Kind, name, abi.ImportModule, abi.ImportLog, abi.ImportModule, abi.ImportProgress, wasiModule)
			if e.Module != "" && e.Kind == "function" {
				err.Hint = question.Nearest(name, hostNames)
			}
			report(err)
			continue
		}
		if e.Type != want {
			report(badPlugin("it imports %q as %s; the type must be %s", name, e.Type, want))
		}
	}
}

func checkExports(h *rewrite.Header, report func(*question.Error)) {
	exports := make(map[string]rewrite.Export, len(h.Exports))
	for _, e := range h.Exports {
		exports[e.Name] = e
	}
	for _, c := range contract {
		e, ok := exports[c.name]
		switch {
		case !ok && c.optional:
		case !ok:
			report(missing(exports, c.name, "the function "+c.sig))
		case e.Kind != "function":
			report(badPlugin("its export %q is a %s; it must be a function %s", c.name, e.Kind, c.sig))
		case e.Imported:
			report(badPlugin("its export %q is an imported function; it must be defined in the module", c.name))
		case e.Type != c.sig:
			report(badPlugin("its export %q has the type %s; it must be %s", c.name, e.Type, c.sig))
		}
	}
	for _, e := range h.Exports {
		switch {
		case strings.HasPrefix(e.Name, abi.ReservedPrefix):
			report(badPlugin("it exports %q; names that begin with %s are reserved for the host", e.Name, abi.ReservedPrefix))
		case strings.HasPrefix(e.Name, abi.ExportPrefix) && !inContract(e.Name):
			err := badPlugin("it exports %q, which contract v1 does not define; names that begin with %s are reserved for the contract", e.Name, abi.ExportPrefix)
			var names []string
			for _, c := range contract {
				names = append(names, c.name)
			}
			err.Hint = question.Nearest(e.Name, names)
			report(err)
		}
	}
	switch e, ok := exports[abi.ExportMemory]; {
	case !ok:
		report(missing(exports, abi.ExportMemory, "its memory"))
	case e.Kind != "memory":
		report(badPlugin("its export %q is a %s; it must be its memory", abi.ExportMemory, e.Kind))
	}
}

func missing(exports map[string]rewrite.Export, name, what string) *question.Error {
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

func checkMemory(h *rewrite.Header, report func(*question.Error)) {
	switch len(h.Memories) {
	case 0:
		report(badPlugin("it has no memory of its own; it must define one and export it as %q", abi.ExportMemory))
	case 1:
		switch mem := h.Memories[0]; {
		case mem.Wide:
			report(badPlugin("its memory has 64-bit addresses; contract v1 is for wasm32"))
		case mem.Shared:
			report(badPlugin("its memory is shared; contract v1 has no threads"))
		}
	default:
		report(badPlugin("it has %d memories; exactly one is allowed", len(h.Memories)))
	}
	if h.TableEntries > maxTableEntries {
		report(badPlugin("its tables have more than %d entries together", maxTableEntries))
	}
}
