package hosts_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// inChild makes this test binary boot a host and wait to be killed.
const inChild = "HOSTS_TEST_CHILD"

// It is not parallel: any New would sweep what it looks for.
func TestAKilledRunLeavesNothingToTheNext(t *testing.T) {
	if os.Getenv(inChild) != "" {
		hosts.New(t).Boot("orphan")
		fmt.Println("booted")
		select {}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKilledRunLeavesNothingToTheNext$")
	child.Env = append(os.Environ(), inChild+"=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	for said := bufio.NewScanner(out); said.Scan() && said.Text() != "booted"; {
		t.Log(said.Text())
	}
	name := fmt.Sprintf("hosts-%d-", child.Process.Pid)
	require.Contains(t, traces(t), name)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.Contains(t, traces(t), name, "it is gone by itself: this test proves nothing")
	hosts.New(t)
	require.NotContains(t, traces(t), name)
}

// traces are what the kernel has of hosts.
func traces(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "ip netns list; cat /proc/self/mounts; find /sys/fs/cgroup -maxdepth 2 -name 'hosts-*'; ps -e -o args").Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "hosts-") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}
