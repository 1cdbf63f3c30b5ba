package hosts

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// commandTimeout is of one command that sets something up.
const commandTimeout = 30 * time.Second

// Network is a bridge in a network namespace of its own, with no way out.
type Network struct {
	t     testing.TB
	name  string
	hosts int

	serverOnce sync.Once
}

// networks counts those of this process, so that tests can have theirs side by side.
var networks atomic.Int64

// New makes an empty network 10.77.0.0/24.
func New(t testing.TB) *Network {
	t.Helper()
	n := &Network{t: t, name: fmt.Sprintf("%s-%d", owned(), networks.Add(1))}
	n.sweep()
	n.must("ip", "netns", "add", n.name)
	t.Cleanup(func() { n.must("ip", "netns", "del", n.name) })
	n.must("ip", "-n", n.name, "link", "add", "br0", "type", "bridge")
	n.must("ip", "-n", n.name, "link", "set", "br0", "up")
	return n
}

// attach gives a host its namespace, with eth0 on the bridge.
func (n *Network) attach(name string) (namespace, port, ip string) {
	n.hosts++
	namespace, port, ip = n.name+"-"+name, fmt.Sprintf("port%d", n.hosts), fmt.Sprintf("10.77.0.%d", n.hosts)
	n.must("ip", "netns", "add", namespace)
	n.t.Cleanup(func() { n.must("ip", "netns", "del", namespace) })
	n.must("ip", "-n", n.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
	n.must("ip", "-n", n.name, "link", "set", port, "master", "br0", "up")
	n.must("ip", "-n", namespace, "link", "set", "lo", "up")
	n.must("ip", "-n", namespace, "addr", "add", ip+"/24", "dev", "eth0")
	n.must("ip", "-n", namespace, "link", "set", "eth0", "up")
	n.must("ip", "-n", namespace, "route", "add", "default", "via", "10.77.0.254")
	return namespace, port, ip
}

// forget drops what the kernel still has to say on connections of processes that
// are gone: another machine would not know them.
func (n *Network) forget(namespace string) {
	n.must("ip", "netns", "exec", namespace, "ss", "--kill", "--no-header", "--tcp", "state", "all", "dst", "10.77.0.0/24")
}

func (n *Network) must(command ...string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	require.NoError(n.t, err, "%s: %s", strings.Join(command, " "), out)
}
