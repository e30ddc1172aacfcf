package sandbox

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// HostCall is one call that a plugin made of the host.
type HostCall struct {
	During string   // what of the plugin was running: "lestats_v1_answer"
	Name   string   // "wasi_snapshot_preview1.fd_write"
	Args   []uint64 // as unsigned numbers
	// Result is the number that it returned, nil if it returns none or did not return.
	Result *uint32
	// Bytes is how many bytes of the plugin's memory it logged, or filled with random numbers.
	Bytes uint64
	Ended bool // the call ended the job
}

// String returns the call as a line of C: "wasi_snapshot_preview1.fd_write(2, 0x5001, 1, 0x5008) = 0, 12 bytes".
func (h HostCall) String() string {
	args := make([]string, len(h.Args))
	for i, v := range h.Args {
		args[i] = strconv.FormatUint(v, 10)
		if v >= 1<<12 { // most are addresses
			args[i] = fmt.Sprintf("%#x", v)
		}
	}
	line := fmt.Sprintf("%s: %s(%s)", h.During, h.Name, strings.Join(args, ", "))
	if h.Result != nil {
		line += fmt.Sprintf(" = %d", *h.Result)
	}
	if h.Bytes > 0 {
		line += fmt.Sprintf(", %d bytes", h.Bytes)
	}
	if h.Ended {
		line += ", which ended the job"
	}
	return line
}

// watched is a host function that reports each call to Config.HostCalls.
func (in *instance) watched(f *hostFunc) hostFn {
	return func(ctx context.Context, w *wasiHost, mem api.Memory, stack []uint64) (result uint32) {
		params, results := valueTypes(f.sig)
		call := HostCall{During: in.running, Name: f.module + "." + f.name, Args: make([]uint64, len(params)), Ended: true}
		for i := range params {
			call.Args[i] = stack[i]
			if params[i] == api.ValueTypeI32 {
				call.Args[i] = uint64(uint32(stack[i]))
			}
		}
		handled := w.handled
		defer func() { // it may panic to end the job
			call.Bytes = w.handled - handled
			in.plugin.engine.cfg.HostCalls(call)
		}()
		result = f.fn(ctx, w, mem, stack)
		call.Ended = false
		if len(results) > 0 {
			call.Result = &result
		}
		return result
	}
}
