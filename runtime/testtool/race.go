//go:build race

package testtool

// Race says that this binary has the race detector, with which things take several
// times the time and the memory.
const Race = true
