//go:build !wasip1

package sdk

import "github.com/le-stats-sportifs/lestats/plugins/abi"

// listeners is who hears of a guest's imports.
type listeners struct {
	onLog      func(Level, string)
	onProgress func(done, total int64)
}

// Serve makes p the plugin of this module. It is called once, from init; main
// stays empty. Natively it does nothing.
func Serve(*Plugin) {}

// NewGuest sets a plugin to work natively, in a block of bytes that stands for
// the linear memory; its addresses are offsets into the block, which must be
// little-endian to the processor, aligned to 8, and below 4 GiB. It is what
// package sdktest is made of.
func NewGuest(p *Plugin, block []byte) *Guest {
	g := &Guest{plugin: p, json: p.manifest()}
	g.memory = memory{block: block, used: abi.BufferAlign} // no address is 0
	g.memory.reset()
	return g
}

// Manifest returns the JSON that Describe points to.
func (g *Guest) Manifest() []byte { return g.json }

// OnLog has f called with each line that the plugin logs.
func (g *Guest) OnLog(f func(Level, string)) { g.onLog = f }

// OnProgress has f called whenever the plugin tells how far it has come.
func (g *Guest) OnProgress(f func(done, total int64)) { g.onProgress = f }

func (g *Guest) log(level Level, text string) {
	if g.onLog != nil {
		g.onLog(level, text)
	}
}

func (g *Guest) progress(done, total int64) {
	if g.onProgress != nil {
		g.onProgress(done, total)
	}
}
