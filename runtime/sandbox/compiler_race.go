//go:build race

package sandbox

// shadow is what the race detector may need in a compiler's process beyond the
// configured limit, in bytes. The operating system counts it as the process's data.
const shadow = 8 << 30
