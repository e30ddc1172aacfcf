package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/le-stats-sportifs/lestats/runtime/sandbox"
)

// maxHostCalls is how many calls of the host are shown.
const maxHostCalls = 10_000

// hostCalls shows the calls that a plugin makes of the host, a line each, and then counts.
type hostCalls struct {
	w io.Writer

	mu    sync.Mutex
	calls int
}

// show shows a call. It may be called by several goroutines.
func (h *hostCalls) show(call sandbox.HostCall) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls++; h.calls <= maxHostCalls {
		fmt.Fprintf(h.w, "%d  %s\n", h.calls, call)
	}
}

// end says how many there were.
func (h *hostCalls) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := "calls of the host: " + humanize.Comma(int64(h.calls))
	if h.calls > maxHostCalls {
		text += fmt.Sprintf(", of which the first %s are shown", humanize.Comma(maxHostCalls))
	}
	fmt.Fprintln(h.w, text)
}
