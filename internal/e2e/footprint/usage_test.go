package footprint_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// usage is what a process holds at one moment. Sizes are in bytes.
type usage struct {
	RSS  uint64 `json:"rss"`  // VmRSS
	File uint64 `json:"file"` // of it pages of the program and of other files, shared by all that run it
	PSS  uint64 `json:"pss"`  // RSS with each shared page divided by its users
	Peak uint64 `json:"peak"` // VmHWM

	Threads     int `json:"threads"`
	Descriptors int `json:"descriptors"`

	cpu   time.Duration // user and system, since the start
	wakes uint64        // voluntary context switches of the threads that live
}

// usageOf reads /proc and the CPU clock of a process.
func usageOf(pid int) (u usage, err error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	status, err := fields(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	rollup, err := fields(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return u, err
	}
	u.RSS, u.File, u.Peak, u.PSS = status["VmRSS"]<<10, status["RssFile"]<<10, status["VmHWM"]<<10, rollup["Pss"]<<10
	u.Threads = int(status["Threads"])
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return u, err
	}
	u.Descriptors = len(open)
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil {
		return u, err
	}
	for _, path := range threads {
		if thread, err := fields(path); err == nil { // else it has ended meanwhile
			u.wakes += thread["voluntary_ctxt_switches"]
		}
	}
	u.cpu, err = world.CPUTime(pid)
	return u, err
}

// fields reads "Name:  123 kB" lines; others are left out.
func fields(path string) (map[string]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	out := map[string]uint64{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if n, err := strconv.ParseUint(words[0], 10, 64); err == nil {
				out[name] = n
			}
		}
	}
	return out, lines.Err()
}
