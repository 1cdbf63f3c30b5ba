package hosts

import (
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// serverIP is where the test itself answers, beside all hosts.
const serverIP = "10.77.0.250"

// Listen opens a port of an address that no host has: for a server that the test
// plays. It may be called once for a port.
func (n *Network) Listen(port string) net.Listener {
	n.t.Helper()
	n.serverOnce.Do(func() { n.must("ip", "-n", n.name, "addr", "add", serverIP+"/24", "dev", "br0") })
	var (
		l   net.Listener
		err error
		wg  sync.WaitGroup
	)
	wg.Add(1)
	go func() {
		defer wg.Done()
		// Not unlocked again: a thread in another namespace ends with its goroutine.
		runtime.LockOSThread()
		var ns *os.File
		if ns, err = os.Open("/run/netns/" + n.name); err != nil {
			return
		}
		defer func() { _ = ns.Close() }()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		l, err = net.Listen("tcp", net.JoinHostPort(serverIP, port)) //nolint:noctx // returns at once
	}()
	wg.Wait()
	require.NoError(n.t, err)
	return l
}
