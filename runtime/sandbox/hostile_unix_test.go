//go:build unix

package sandbox

import (
	"os"
	goruntime "runtime"
	"syscall"
)

// peakRSS is the most memory that a process that has ended ever used, in bytes.
func peakRSS(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if goruntime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
