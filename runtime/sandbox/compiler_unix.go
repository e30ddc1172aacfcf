//go:build unix

package sandbox

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// separate isolates a child. It gets its own process group, so that Ctrl-C at a
// terminal ends only this process, and no file that this process inherited.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	closeOnExec()
}

// limitProcess has the operating system end this process if it uses more memory, in
// bytes beyond what it uses now, or twice the CPU time. A process that has used its CPU
// time takes no more modules, so twice is enough for any one module.
func limitProcess(memory uint64, processor time.Duration) error {
	seconds := uint64((2*processor + time.Second - 1) / time.Second)
	for _, l := range []struct {
		name  string
		which int
		value uint64
	}{
		{"core files", unix.RLIMIT_CORE, 0},
		{"processor time", unix.RLIMIT_CPU, max(seconds, 1)},
		{"memory", unix.RLIMIT_DATA, dataSize() + memory + shadow},
	} {
		if err := lower(l.which, l.value); err != nil {
			return fmt.Errorf("limiting %s to %d: %w", l.name, l.value, err)
		}
	}
	return nil
}

// lower lowers a limit, unless it is already lower.
func lower(which int, value uint64) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(which, &now); err != nil {
		return err
	}
	value = min(value, now.Max)
	return unix.Setrlimit(which, &unix.Rlimit{Cur: value, Max: value})
}

// processorTime is the CPU time that this process has used.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0 // it does not fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
