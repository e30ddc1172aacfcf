package sandbox

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// closeOnExec makes children close files that this process inherited. Files that Go
// opened are closed anyway.
func closeOnExec() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
}

// dataSize is an upper bound on what RLIMIT_DATA counts for this process now, in
// bytes.
func dataSize() uint64 {
	const otherwise = 64 << 20
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return otherwise
	}
	fields := strings.Fields(string(text))
	if len(fields) < 6 {
		return otherwise
	}
	pages, err := strconv.ParseUint(fields[5], 10, 40)
	if err != nil {
		return otherwise
	}
	return pages * uint64(os.Getpagesize())
}
