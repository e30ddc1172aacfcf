//go:build race

package sandbox

// underRace says that this binary has the race detector, with which things take
// several times the time and the memory.
const underRace = true
