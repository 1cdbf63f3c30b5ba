package controlclient

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ProgramStart returns 128 random bits in hexadecimal. A program asks once: no later
// start of it, on whatever machine, gets the same.
func ProgramStart() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return hex.EncodeToString(b[:])
}

// KernelStart names this boot of the kernel; empty where the kernel does not say.
func KernelStart() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// agentStartTimeout is ample for a Unix socket; one whose backlog is full would block.
const agentStartTimeout = time.Second

// AgentStart names the process that listens on the socket at path: its process id and,
// where /proc shows it (not under ProtectProc=invisible), when it started in clock
// ticks since boot. Another process never has the same name as long as process ids
// are not used up in between. Empty when nobody listens, or in another PID
// namespace.
func AgentStart(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, agentStartTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	pid := listenerOf(conn)
	if pid <= 0 {
		return ""
	}
	return fmt.Sprintf("%d@%s", pid, startedAt(pid))
}

// listenerOf is the process that called listen(2) on the other end (SO_PEERCRED,
// unix(7)): the agent itself, since it makes its socket anew at each start.
func listenerOf(conn net.Conn) int32 {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	var cred *syscall.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || cred == nil {
		return 0
	}
	return cred.Pid
}

// startedAt is field 22 of /proc/PID/stat (proc(5)); empty where it is hidden.
func startedAt(pid int32) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the program's name in parentheses and may hold anything.
	const afterName = 19 // of field 22, counted from the third
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) <= afterName {
		return ""
	}
	return fields[afterName]
}
