package hosts

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
)

const (
	bootTimeout = 90 * time.Second
	stopTimeout = 60 * time.Second
	runTimeout  = 120 * time.Second
	tick        = 50 * time.Millisecond
)

// Box is one host.
type Box struct {
	Name string
	IP   string

	t               testing.TB
	network         *Network
	namespace, port string
	root, cgroup    string
	nspawn          *exec.Cmd // nil while it is off
	exited          chan struct{}
	leader          int // pid of its init, seen from here
	console         bytes.Buffer
	commands        atomic.Int64
}

// Boot makes a fresh host and boots it.
func (n *Network) Boot(name string) *Box {
	n.t.Helper()
	image, err := Image()
	require.NoError(n.t, err)
	b := &Box{Name: name, t: n.t, network: n}
	b.namespace, b.port, b.IP = n.attach(name)
	b.mount(image)
	b.joinCgroup()
	b.Start()
	n.t.Cleanup(b.off)
	return b
}

// mount lays the host's own disk over the image.
func (b *Box) mount(image string) {
	b.t.Helper()
	dir := b.t.TempDir()
	b.root = filepath.Join(dir, "root")
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{b.root, upper, work} {
		require.NoError(b.t, os.Mkdir(d, 0o755))
	}
	require.NoError(b.t, os.Chmod(dir, 0o755))
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", image, upper, work)
	require.NoError(b.t, syscall.Mount(owned(), b.root, "overlay", 0, options))
	b.t.Cleanup(func() { require.NoError(b.t, syscall.Unmount(b.root, 0)) })
	require.NoError(b.t, os.WriteFile(filepath.Join(b.root, "etc", "hostname"), []byte(b.Name+"\n"), 0o644))
	// As Debian's installer does: sudo looks its own host up, and there is no DNS.
	require.NoError(b.t, os.WriteFile(filepath.Join(b.root, "etc", "hosts"), []byte("127.0.0.1 localhost\n127.0.1.1 "+b.Name+"\n"), 0o644))
}

// joinCgroup makes the box's own cgroup: its systemd needs a subtree.
func (b *Box) joinCgroup() {
	b.t.Helper()
	top, err := cgroupRoot()
	require.NoError(b.t, err)
	b.cgroup = filepath.Join(top, b.namespace)
	require.NoError(b.t, os.Mkdir(b.cgroup, 0o755))
	b.t.Cleanup(func() { endCgroup(b.t, top, b.namespace) })
}

// Start boots the host with the disk it has, and returns when systemd is done.
func (b *Box) Start() {
	b.t.Helper()
	require.Nil(b.t, b.nspawn, "the host is on")
	cgroup, err := os.Open(b.cgroup)
	require.NoError(b.t, err)
	defer func() { _ = cgroup.Close() }()
	b.console.Reset()
	cmd := exec.Command("systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--console=pipe", //nolint:noctx // ends with the test
		"--machine="+b.namespace, "--hostname="+b.Name, "--directory="+b.root, "--network-namespace-path=/run/netns/"+b.namespace,
		"--resolv-conf=off", "--timezone=off", "--link-journal=no",
		// Or IPAddressDeny and its like are silently not enforced.
		"--system-call-filter=bpf", "--capability=CAP_BPF,CAP_NET_ADMIN")
	cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	cmd.Stdout, cmd.Stderr = &b.console, &b.console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	require.NoError(b.t, cmd.Start())
	b.nspawn, b.exited, b.leader = cmd, make(chan struct{}), 0
	go func(done chan struct{}) {
		defer close(done)
		_ = cmd.Wait()
	}(b.exited)
	require.Eventually(b.t, b.booted, bootTimeout, tick, "%s did not boot", b.Name)
}

// booted looks for the init and asks it.
func (b *Box) booted() bool {
	if b.leader == 0 {
		b.leader = onlyChild(b.nspawn.Process.Pid)
	}
	if b.leader == 0 {
		return false
	}
	out, _ := b.Try("systemctl", "is-system-running")
	return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
}

// onlyChild is 0 until there is one.
func onlyChild(pid int) int {
	raw, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0
	}
	for _, path := range raw {
		text, _ := os.ReadFile(path)
		if f := strings.Fields(string(text)); len(f) == 1 {
			if comm, _ := os.ReadFile("/proc/" + f[0] + "/comm"); strings.TrimSpace(string(comm)) == "systemd" {
				child, _ := strconv.Atoi(f[0])
				return child
			}
		}
	}
	return 0
}

// Stop shuts the host down in order.
func (b *Box) Stop() {
	b.t.Helper()
	require.NotNil(b.t, b.nspawn, "the host is off")
	require.NoError(b.t, b.nspawn.Process.Signal(syscall.SIGTERM))
	b.await()
}

// PowerLoss stops the host at once: no process gets to do anything, and no peer
// hears of it, for the kernel's last words on its connections reach nobody.
func (b *Box) PowerLoss() {
	b.t.Helper()
	require.NotNil(b.t, b.nspawn, "the host is off")
	b.Cut()
	defer b.Mend()
	require.NoError(b.t, syscall.Kill(b.leader, syscall.SIGKILL))
	b.await()
	b.network.forget(b.namespace)
}

// Reboot shuts the host down and boots it again.
func (b *Box) Reboot() {
	b.t.Helper()
	b.Stop()
	b.Start()
}

func (b *Box) await() {
	b.t.Helper()
	select {
	case <-b.exited:
	case <-time.After(stopTimeout):
		b.off()
		b.t.Fatalf("%s did not stop in %s", b.Name, stopTimeout)
	}
	b.nspawn = nil
}

// off ends the host however it is; the journal of a failed test is shown first.
func (b *Box) off() {
	if b.nspawn == nil {
		return
	}
	if b.leader != 0 {
		b.noSecrets()
	}
	if b.t.Failed() && b.leader != 0 {
		out, _ := b.Try("journalctl", "--no-pager", "-o", "short-precise", "-p", "info", "-n", "150")
		b.t.Logf("journal of %s:\n%s", b.Name, out)
	}
	if b.leader != 0 {
		_ = syscall.Kill(b.leader, syscall.SIGKILL)
	}
	_ = b.nspawn.Process.Kill()
	<-b.exited
	b.nspawn = nil
}

// noSecrets looks for the secrets on the host's disk, and for those that have a form,
// in its journal.
func (b *Box) noSecrets() {
	b.t.Helper()
	s := &leaks.Search{}
	for _, dir := range []string{"var/lib/private/grpccontroller", "var/lib/spire-agent"} {
		if err := s.AddFiles(filepath.Join(b.root, dir)); err != nil {
			b.t.Error(err)
		}
	}
	journal, err := b.Try("journalctl", "--no-pager", "-o", "cat")
	if err != nil {
		b.t.Errorf("journal of %s: %v", b.Name, err)
	}
	for _, found := range s.In([]byte(journal)) {
		b.t.Errorf("the journal of %s holds %s", b.Name, found)
	}
}

// Cut unplugs the host from the network, Mend plugs it in again.
func (b *Box) Cut() { b.network.must("ip", "-n", b.network.name, "link", "set", b.port, "down") }

// Mend undoes Cut.
func (b *Box) Mend() { b.network.must("ip", "-n", b.network.name, "link", "set", b.port, "up") }

// Run runs a command on the host, as root and outside any unit, and returns what
// it printed. It must succeed.
func (b *Box) Run(command ...string) string {
	b.t.Helper()
	out, err := b.Try(command...)
	require.NoError(b.t, err, "%s: %s:\n%s", b.Name, strings.Join(command, " "), out)
	return out
}

// Try is Run for a command that may fail.
func (b *Box) Try(command ...string) (string, error) { return b.Feed("", command...) }

// Commands counts what Run, Try and Feed have run on the host.
func (b *Box) Commands() int { return int(b.commands.Load()) }

// Feed is Try with something to read on standard input. The deadline is kept on
// the host's side: an nsenter that is killed would leave its command behind.
func (b *Box) Feed(stdin string, command ...string) (string, error) {
	b.commands.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), runTimeout+5*time.Second)
	defer cancel()
	args := append([]string{"-t", strconv.Itoa(b.leader), "-a", "--", "timeout", strconv.Itoa(int(runTimeout.Seconds()))}, command...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER="}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Copy puts a file of this machine on the host.
func (b *Box) Copy(from, to string) {
	b.t.Helper()
	in, err := os.Open(from)
	require.NoError(b.t, err)
	defer func() { _ = in.Close() }()
	path := filepath.Join(b.root, to)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	out, err := os.Create(path)
	require.NoError(b.t, err)
	_, err = io.Copy(out, in)
	require.NoError(b.t, err)
	require.NoError(b.t, out.Close())
}

// Write puts text into a file on the host, mode 0644.
func (b *Box) Write(to, text string) {
	b.t.Helper()
	path := filepath.Join(b.root, to)
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o644))
}

// Root is the host's disk, for tools that work on one of a host that is off.
func (b *Box) Root() string { return b.root }

// Exists says whether a path is on the host's disk.
func (b *Box) Exists(path string) bool {
	_, err := os.Lstat(filepath.Join(b.root, path))
	return err == nil
}
