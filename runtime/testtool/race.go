//go:build race

package testtool

// Race reports whether the race detector is on. It multiplies time and memory several
// times.
const Race = true
