//go:build !linux

package sandbox

// closeOnExec: Go's own files are closed in children anyway.
func closeOnExec() {}

// dataSize is what RLIMIT_DATA counts of this process now, in bytes: what the
// program's variables and its first heap may take.
func dataSize() uint64 { return 64 << 20 }
