package world

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is what a process has used since its start, user and system. It counts what
// utime and stime of /proc/PID/stat do, in nanoseconds instead of hundredths: this is
// what clock_getcpuclockid(3) leads to.
func CPUTime(pid int) (time.Duration, error) {
	const clockSched = 2
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|clockSched), &now); err != nil {
		return 0, fmt.Errorf("CPU clock of %d: %w", pid, err)
	}
	return time.Duration(now.Nano()), nil
}
