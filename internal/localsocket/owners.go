package localsocket

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Peer is the process that opened a connection, as the kernel noted it then: its
// effective user, and its process id, both as they look from here. The id is 0 for a
// process that cannot be seen from here.
type Peer struct {
	UID uint32
	PID int32
}

// String names the peer in logs and in the audit log.
func (p Peer) String() string { return fmt.Sprintf("uid %d pid %d", p.UID, p.PID) }

// Self is this process.
func Self() Peer {
	return Peer{UID: uint32(os.Geteuid()), PID: int32(os.Getpid())} //nolint:gosec // Linux has 32 bits for both
}

// Owners says which users own the controller that listens: root and its own user.
type Owners struct {
	// Own is the user that the controller runs as.
	Own uint32
	// Overflow is the user that stands for all whom this user namespace cannot name.
	// It is no owner, even if the controller itself runs as that user.
	Overflow uint32
}

// defaultOverflow is the kernel's own value, which is never an owner, whatever the
// host has set.
const defaultOverflow = 65534

// overflowFile has the overflow uid of this kernel (proc_sys_kernel(5)).
const overflowFile = "/proc/sys/kernel/overflowuid"

// owners are those of a controller that runs as this process does.
func owners() (Owners, error) {
	text, err := os.ReadFile(overflowFile)
	if err != nil {
		return Owners{}, fmt.Errorf("the local admin socket cannot check the user of a caller without %s: mount /proc: %w", overflowFile, err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return Owners{}, fmt.Errorf("read %s: %w", overflowFile, err)
	}
	return Owners{Own: Self().UID, Overflow: uint32(n)}, nil
}

// Has says whether a peer is an owner.
func (o Owners) Has(p Peer) bool {
	if p.UID == defaultOverflow || p.UID == o.Overflow {
		return false // it may be anybody
	}
	return p.UID == 0 || p.UID == o.Own
}
