package containers_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	patience       = 90 * time.Second
	commandTimeout = 2 * time.Minute
)

// engine is podman with a store of its own.
type engine struct {
	t      *testing.T
	prefix []string
	conf   string
}

// newEngine fails with what is missing. Everything it makes is gone with the test.
func newEngine(t *testing.T) *engine {
	t.Helper()
	require.Zero(t, os.Geteuid(), "podman is run as root here: namespaces, bridges and a store with other users' files")
	for _, tool := range []string{"podman", "crun", "nsenter", "unshare"} {
		_, err := exec.LookPath(tool)
		require.NoError(t, err, "run scripts/require.sh podman")
	}
	dir, err := os.MkdirTemp("", "pod") //nolint:usetesting // podman wants a path under 50 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	conf := filepath.Join(dir, "containers.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, `[containers]
default_ulimits = ["nofile=%[1]d:%[1]d", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[network]
network_backend = "netavark"
`, limit.Max), 0o600))
	e := &engine{t: t, conf: conf, prefix: []string{
		"nsenter", "--mount", "--target", strconv.Itoa(mountNamespace(t)), "--",
		"podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp"),
		"--network-config-dir", filepath.Join(dir, "networks"),
	}}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := e.try("", "ps", "--all")
			t.Log(out)
			for name := range strings.FieldsSeq(strings.TrimSpace(first(e.try("", "ps", "--all", "--format", "{{.Names}}")))) {
				t.Logf("%s:\n%s", name, first(e.try("", "logs", "--tail", "15", name)))
			}
		}
		e.must("system", "reset", "--force")
	})
	return e
}

// mountNamespace outlives the single commands, as that of a machine does: what podman
// mounts belongs to no process. A hierarchy of cgroups that is half version 2, which
// crun refuses, is without that half there.
func mountNamespace(t *testing.T) int {
	t.Helper()
	hold := exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", "--mount", "sh", "-c",
		"if mountpoint -q /sys/fs/cgroup/unified; then umount -l /sys/fs/cgroup/unified; fi; echo ready; exec cat")
	in, err := hold.StdinPipe() // ends with us, however we end
	require.NoError(t, err)
	out, err := hold.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, hold.Start())
	t.Cleanup(func() { _ = in.Close(); _ = hold.Wait() })
	ready := make([]byte, len("ready\n"))
	_, err = out.Read(ready)
	require.NoError(t, err)
	return hold.Process.Pid
}

func first(out string, _ error) string { return out }

// try runs podman and returns what it printed.
func (e *engine) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.t.Context()), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.prefix[0], append(append([]string(nil), e.prefix[1:]...), args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+e.conf)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if args[0] == "logs" { // those of a container come as it wrote them
		cmd.Stderr = &out
	}
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func (e *engine) must(args ...string) string {
	e.t.Helper()
	out, err := e.try("", args...)
	require.NoError(e.t, err)
	return out
}

// images builds them as `make images` does.
func (e *engine) images() {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), "../../../scripts/images.sh", e.t.TempDir())
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+e.conf, "ENGINE="+strings.Join(e.prefix, " "))
	out, err := cmd.CombinedOutput()
	require.NoError(e.t, err, "%s", out)
}

// files are the regular ones of an image.
func (e *engine) files(image string) (out []string) {
	e.t.Helper()
	root := strings.TrimSpace(e.must("image", "mount", image))
	list := exec.CommandContext(e.t.Context(), e.prefix[0], append(append([]string(nil), e.prefix[1:5]...), "find", root, "-type", "f", "-printf", "/%P\n")...)
	raw, err := list.Output()
	require.NoError(e.t, err)
	e.must("image", "unmount", image)
	out = strings.Fields(string(raw))
	slices.Sort(out)
	return out
}

// play makes what the objects say.
func (e *engine) play(network string, objects ...any) {
	e.t.Helper()
	var text strings.Builder
	for _, o := range objects {
		raw, err := yaml.Marshal(o)
		require.NoError(e.t, err)
		text.WriteString("---\n" + string(raw))
	}
	_, err := e.try(text.String(), "play", "kube", "--network", network, "-")
	require.NoError(e.t, err)
}

func (e *engine) eventually(what string, ok func() error) {
	e.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for err := ok(); err != nil; err = ok() {
		require.True(e.t, time.Now().Before(deadline), "%s: %v", what, err)
		<-tick.C
	}
}
