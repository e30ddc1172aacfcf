//go:build unix

package sandbox

import (
	"fmt"
	"os"
	goruntime "runtime"
	"syscall"
	"time"
)

// peakRSS is the most memory that a process that has ended ever used, in bytes.
func peakRSS(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if goruntime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss << 10
}

// othersTime is what other processes have had of this machine's cores so far, or
// their host; 0 where the system does not tell.
func othersTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	var usage syscall.Rusage
	if err != nil || syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	// proc(5): user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second.
	var user, nice, system, idle, iowait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return 0
	}
	all := time.Duration(user+nice+system+irq+softirq+steal) * 10 * time.Millisecond
	return all - time.Duration(usage.Utime.Nano()+usage.Stime.Nano())
}
