package sandbox

import (
	"context"
	"slices"

	"github.com/le-stats-sportifs/lestats/runtime/question"
)

// Inspection is what can be said about a plugin without opening it on a dataset.
type Inspection struct {
	Imports  []string // "module.name", in the module's order
	Exports  []string // in the module's order
	Memory   uint64   // initial size of its memory, in bytes
	Manifest []byte   // the manifest that it returned, unchecked; nil if it did not get that far
	// Unrestorable names what the plugin uses that makes each job open it again.
	Unrestorable []string
	// Faults is everything in the binary that Load refuses. If there is nothing, it
	// holds the first thing that went wrong up to the manifest, if anything did.
	Faults []Fault
}

// Fault is one thing that is wrong with a plugin.
type Fault struct {
	Part string // "format", "imports", "exports", "memory", "compile", or "describe" (up to the manifest)
	Err  *question.Error
}

// Inspect checks a plugin as Load does, up to its manifest, and does not stop at the
// first fault. It returns an error only if the plugin is not at fault.
func (e *Engine) Inspect(ctx context.Context, wasm []byte) (*Inspection, error) {
	in := &Inspection{}
	fault := func(part string, err *question.Error) { in.Faults = append(in.Faults, Fault{part, err}) }
	h, err := decodeHeader(wasm)
	if err != nil {
		fault("format", err)
		return in, nil
	}
	for _, i := range h.Imports {
		in.Imports = append(in.Imports, i.Module+"."+i.Name)
	}
	for _, x := range h.Exports {
		in.Exports = append(in.Exports, x.Name)
	}
	in.Faults = slices.AppendSeq(in.Faults, headerFaults(h))
	if len(h.Memories) == 1 {
		in.Memory = h.Memories[0].Pages * wasmPage
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
		err := p.compile(ctx, wasm)
		if err == nil {
			stage = "describe"
			in.Unrestorable = p.info.Unrestorable
			t := e.clock.begin(p.limits.Time)
			defer t.end()
			var first *instance
			if first, err = p.instantiate(ctx, t); err == nil {
				in.Manifest = first.manifest
				first.close(ctx)
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
	<-p.gate.close() // releases the plugin, since nothing runs
	return in, nil
}

// CheckColumns returns an error for each column that is not optional and that the dataset
// does not have, or has with another type.
func (e *Engine) CheckColumns(needs []question.ColumnNeed) []error {
	var out []error
	for i := range needs {
		if err := e.lacks(&needs[i]); err != nil {
			err.Reason += "; " + rolesAdvice
			out = append(out, err)
		}
	}
	return out
}
