package hosts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// owned is the name of everything that this process makes and a killed one would
// leave behind: network namespaces, cgroups, the source of a mount.
func owned() string { return fmt.Sprintf("hosts-%d", os.Getpid()) }

var ownedName = regexp.MustCompile(`^hosts-(\d+)(?:-.*)?$`)

// orphan says whether the process that owns the name is gone. A pid that another
// program has by now counts as gone.
func orphan(name string) bool {
	m := ownedName.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	theirs, err := os.ReadFile("/proc/" + m[1] + "/comm")
	if err != nil {
		return true
	}
	ours, err := os.ReadFile("/proc/self/comm")
	return err == nil && !bytes.Equal(ours, theirs)
}

// sweep removes what runs left behind that were killed: their hosts may still run,
// on this machine's memory and under names that this run wants.
func (n *Network) sweep() {
	n.t.Helper()
	if top, err := cgroupRoot(); err == nil {
		for _, name := range orphans(n.t, top) {
			endCgroup(n.t, top, name)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(n.t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "overlay" && orphan(f[0]) {
			require.NoError(n.t, syscall.Unmount(f[1], 0), f[1])
			require.NoError(n.t, os.RemoveAll(filepath.Dir(f[1])))
			_ = os.Remove(filepath.Dir(filepath.Dir(f[1]))) // of the whole test, if this was the last
		}
	}
	for _, name := range orphans(n.t, "/run/netns") {
		n.must("ip", "netns", "del", name)
	}
}

func orphans(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	var out []string
	for _, e := range entries {
		if orphan(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}

// endCgroup kills whatever is in a host's cgroup and removes it, with the named
// hierarchy that systemd keeps beside a unified one.
func endCgroup(t testing.TB, top, name string) {
	t.Helper()
	dir := filepath.Join(top, name)
	if os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o600) != nil {
		killAll(dir) // a kernel before 5.14
	}
	removeCgroup(t, dir)
	if filepath.Base(top) == "unified" {
		removeCgroup(t, filepath.Join(filepath.Dir(top), "systemd", name))
	}
}

func killAll(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // a cgroup that ended meanwhile
		}
		pids, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for _, pid := range strings.Fields(string(pids)) {
			if n, err := strconv.Atoi(pid); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		}
		return nil
	})
}

// removeCgroup removes a tree from its leaves, as soon as the last process in it
// is really gone.
func removeCgroup(t testing.TB, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		removeTree(dir)
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, stopTimeout, tick, "cgroup %s stays busy", dir)
}

func removeTree(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}
