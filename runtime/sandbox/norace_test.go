//go:build !race

package sandbox

// underRace says that this binary has the race detector.
const underRace = false
