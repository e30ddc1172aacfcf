//go:build !race

package testtool

// Race says that this binary has the race detector.
const Race = false
