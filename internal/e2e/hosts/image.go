package hosts

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The root file system: what any Debian host has, and the tools that tests use.
const (
	suite    = "bookworm"
	packages = "systemd,systemd-sysv,dbus,libnss-systemd,libpam-systemd,passwd,iproute2,nftables,procps,ca-certificates,curl,rpm,sudo"
)

// tools are what a host is made with, and the Debian package of each.
var tools = [][2]string{
	{"systemd-nspawn", "systemd-container"}, {"mmdebstrap", "mmdebstrap"}, {"nsenter", "util-linux"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"tar", "tar"},
}

// Check returns what this machine lacks to boot hosts.
func Check() error {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, t := range tools {
		if _, err := exec.LookPath(t[0]); err != nil {
			missing = append(missing, fmt.Sprintf("%s (apt-get install %s)", t[0], t[1]))
		}
	}
	if raw, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(raw), "\toverlay\n") {
		missing = append(missing, "the overlay file system (modprobe overlay)")
	}
	if _, err := cgroupRoot(); err != nil {
		missing = append(missing, err.Error())
	}
	if len(missing) > 0 {
		return fmt.Errorf("this machine cannot boot hosts, missing: %s", strings.Join(missing, "; "))
	}
	return nil
}

// cgroupRoot is where the unified hierarchy is mounted.
func cgroupRoot() (string, error) {
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "cgroup2" {
			if strings.HasPrefix(f[3], "rw") {
				return f[1], nil
			}
			return "", fmt.Errorf("a writable cgroup v2 hierarchy (%s is read-only)", f[1])
		}
	}
	return "", errors.New("a cgroup v2 hierarchy (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified)")
}

// Image returns the directory of the root file system. The first call on a machine
// takes a minute; one call at a time makes it.
func Image() (string, error) {
	if err := Check(); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(suite + packages))
	dir := filepath.Join(cache, "grpccontroller", "hosts")
	root := filepath.Join(dir, fmt.Sprintf("%s-%x", suite, key[:6]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	return root, makeImage(root)
}

// makeImage gives the directory its name last, so that half of one has none.
func makeImage(root string) error {
	tmp := root + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	out, err := exec.Command("mmdebstrap", "--quiet", "--variant=essential", "--include="+packages, suite, tmp).CombinedOutput() //nolint:noctx // ends by itself
	if err != nil {
		return fmt.Errorf("mmdebstrap %s: %w: is a Debian mirror in reach?\n%s", suite, err, out)
	}
	// Each host gets a machine id at its first boot.
	if err := os.WriteFile(filepath.Join(tmp, "etc", "machine-id"), nil, 0o444); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}
