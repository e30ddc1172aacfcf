package sandbox

import (
	"context"
	"slices"
	"time"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Inspection is what can be said of a plugin without opening it on a dataset.
type Inspection struct {
	Imports  []string // "module.name", in the module's order
	Exports  []string // in the module's order
	Memory   uint64   // what its memory starts with, in bytes
	Manifest []byte   // what it returned for its manifest, unchecked; nil where it did not come to that
	// Unrestorable names what the plugin uses that makes each job open it anew.
	Unrestorable []string
	// Faults is everything in the binary that Load refuses; where there is nothing
	// such, the first thing that went wrong up to the manifest.
	Faults []Fault
}

// Fault is something that is wrong with a plugin.
type Fault struct {
	Part string // "format", "imports", "exports", "memory", "compile", or "describe": up to the manifest
	Err  *question.Error
}

// Inspect looks at a plugin as Load does, up to its manifest, and does not stop at
// the first fault that it finds. The error is no fault of the plugin's.
func (e *Engine) Inspect(ctx context.Context, wasm []byte) (*Inspection, error) {
	in := &Inspection{}
	fault := func(part string, err *question.Error) { in.Faults = append(in.Faults, Fault{part, err}) }
	m, err := readModule(wasm)
	if err != nil {
		fault("format", err)
		return in, nil
	}
	for _, i := range m.imports {
		in.Imports = append(in.Imports, i.module+"."+i.name)
	}
	for _, x := range m.exports {
		in.Exports = append(in.Exports, x.name)
	}
	in.Faults = slices.AppendSeq(in.Faults, m.faults)
	if len(m.memories) == 1 {
		in.Memory = m.memories[0].min * wasmPage
	}
	if len(in.Faults) > 0 {
		return in, nil
	}
	if in.Memory > e.cfg.Limits.Memory {
		fault("memory", startsTooLarge(in.Memory, e.cfg.Limits.Memory))
		return in, nil
	}
	p, broken := e.begin(ctx, wasm, func(p *Plugin) error {
		stage := "compile"
		_, err := p.compile(ctx, wasm)
		if err == nil {
			stage = "describe"
			in.Unrestorable = p.info.Unrestorable
			var born *instance
			if born, err = p.born(ctx, time.Now().Add(p.limits.Time)); err == nil {
				in.Manifest = born.manifest
				born.close(ctx)
				return nil
			}
		}
		if ctx.Err() != nil || err.Code == question.CodeInternal {
			return err
		}
		fault(stage, question.AsError(refusal(err)))
		return nil
	})
	if broken != nil {
		return nil, broken
	}
	<-p.gate.close() // releases it: nothing runs
	return in, nil
}

// CheckColumns returns what is wrong with the columns that a plugin needs: each
// that the dataset does not have, or has with another type.
func (e *Engine) CheckColumns(needs []question.ColumnNeed) []error {
	var out []error
	for _, need := range needs {
		if _, err := e.column(need); err != nil {
			out = append(out, err)
		}
	}
	return out
}
