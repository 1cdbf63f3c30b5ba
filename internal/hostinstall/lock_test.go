package hostinstall_test

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
)

const lockFile = "/run/grpc-setup.lock"

// flock takes the lock of a file of the host, or says that somebody has it.
func (h *fakeHost) flock(path string) (release func(), err error) {
	f, err := os.OpenFile(h.at(path), os.O_RDONLY|os.O_CREATE, 0o600)
	if path == "/etc" {
		f, err = os.Open(h.at(path))
	}
	require.NoError(h.t, err)
	return func() { _ = f.Close() }, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func (h *fakeHost) hold(path string) (release func()) {
	h.t.Helper()
	release, err := h.flock(path)
	require.NoError(h.t, err)
	return release
}

// TestAUserWhoLocksEtcHoldsNothingUp: everybody may open it.
func TestAUserWhoLocksEtcHoldsNothingUp(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	h.enroll = h.enrolls
	t.Cleanup(h.hold("/etc"))
	h.write(lockFile, "") // made by hand, for everybody to open
	out, code := h.run()
	require.Zero(t, code, out)
	info, err := os.Stat(h.at(lockFile))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode(), "whoever can open it can lock it")
	out, code = h.run(func(c *hostinstall.Config) { c.Options.Uninstall = true })
	require.Zero(t, code, out)
}

// TestThePlanIsMadeUnderTheLock: what another run is about to change says nothing.
func TestThePlanIsMadeUnderTheLock(t *testing.T) {
	t.Parallel()
	h := installed(t)
	before := h.tree()
	release := h.hold(lockFile)
	for name, call := range map[string]func(*hostinstall.Config){
		"install": func(*hostinstall.Config) {}, "uninstall": func(c *hostinstall.Config) { c.Options.Uninstall = true },
	} {
		out, code := h.run(call)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "another setup runs on this host: wait until it has ended")
		if name == "install" {
			require.Empty(t, h.calls, "it looked at the host before it had the lock")
		}
		require.Empty(t, cmp.Diff(before, h.tree()))
	}
	release()
	out, code := h.run(noToken)
	require.Zero(t, code, out)
}

// TestTheWayBackIsUnderTheLockToo, and after it the lock is free.
func TestTheWayBackIsUnderTheLockToo(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	seen := 0
	h.meanwhile = map[string]func(){"userdel": func() {
		seen++
		release, err := h.flock(lockFile)
		release()
		require.ErrorIs(t, err, syscall.EWOULDBLOCK, "another run could begin")
	}}
	out, code := h.run()
	require.Equal(t, 1, code, out)
	require.Equal(t, 1, seen)
	h.hold(lockFile)()
}
