package sdk

import (
	"runtime"
	"unsafe"
)

// guest is the plugin of this module.
var guest Guest

// Serve makes p the plugin of this module. It is called once, from init; main
// stays empty.
func Serve(p *Plugin) { guest = Guest{plugin: p, json: p.manifest()} }

//go:wasmexport lestats_v1_alloc
func exportAlloc(size, align uint32) uint32 { return guest.Alloc(size, align) }

//go:wasmexport lestats_v1_describe
func exportDescribe() uint64 { return guest.Describe() }

// exportOpen ends with the heap as a job wants to find it: see settle.
//
//go:wasmexport lestats_v1_open
func exportOpen(ptr, length uint32) uint64 {
	packed := guest.Open(ptr, length)
	settle()
	return packed
}

// settle readies the heap for the image that every job starts from. It holds no
// collection that is half done, of which every job would do its share; free room
// for what is large; and a run of objects of each small size, with pointers and
// without, so that no job has to fetch one.
func settle() {
	sink = make([]byte, 1<<20)
	sink = nil
	runtime.GC()
	for n := 1; n <= 128; n++ {
		sink = make([]byte, 8*n)
		sink = make([]*byte, n)
	}
	sink = nil
}

var sink any // keeps what settle allocates from being optimised away

//go:wasmexport lestats_v1_answer
func exportAnswer(ptr, length uint32) uint64 { return guest.Answer(ptr, length) }

// listeners are the host's.
type listeners struct{}

//go:wasmimport lestats_v1 log
func importLog(level uint32, ptr unsafe.Pointer, length uint32)

//go:wasmimport lestats_v1 progress
func importProgress(done, total int64)

func (*Guest) log(level Level, text string) {
	importLog(uint32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

func (*Guest) progress(done, total int64) { importProgress(done, total) }
