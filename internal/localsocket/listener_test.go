package localsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// connectTo makes the test program connect to this socket and end.
const connectTo = "ADMINSOCKET_TEST_CONNECT"

func TestMain(m *testing.M) {
	if path := os.Getenv(connectTo); path != "" {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(os.Geteuid())
		_ = conn.Close()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestOwnersAreRootAndTheControllersOwnUser(t *testing.T) {
	t.Parallel()
	const own, other, overflow = 61184, 1000, 65533
	for name, c := range map[string]struct {
		owners localsocket.Owners
		uid    uint32
		owner  bool
	}{
		"root":                                   {localsocket.Owners{Own: own, Overflow: 65534}, 0, true},
		"the own user":                           {localsocket.Owners{Own: own, Overflow: 65534}, own, true},
		"another user":                           {localsocket.Owners{Own: own, Overflow: 65534}, other, false},
		"another user of root's controller":      {localsocket.Owners{Own: 0, Overflow: 65534}, other, false},
		"the overflow uid":                       {localsocket.Owners{Own: own, Overflow: 65534}, 65534, false},
		"the overflow uid as own user":           {localsocket.Owners{Own: 65534, Overflow: 65534}, 65534, false},
		"root beside a controller of nobody":     {localsocket.Owners{Own: 65534, Overflow: 65534}, 0, true},
		"the overflow uid of this host":          {localsocket.Owners{Own: overflow, Overflow: overflow}, overflow, false},
		"the usual one where the host set other": {localsocket.Owners{Own: 65534, Overflow: overflow}, 65534, false},
		"root where the overflow uid is 0":       {localsocket.Owners{Own: own, Overflow: 0}, 0, false},
		"no user at all":                         {localsocket.Owners{Own: own, Overflow: 65534}, 1<<32 - 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.owner, c.owners.Has(localsocket.Peer{UID: c.uid, PID: 1}))
		})
	}
}

func TestPathIsTheUnitsDirectoryOrTheDataDirectory(t *testing.T) {
	t.Parallel()
	for runtime, want := range map[string]string{
		"":                                  "/data/admin.sock",
		"/run/grpccontroller":               "/run/grpccontroller/admin.sock",
		"/run/x:/run/user/7/grpccontroller": "/run/user/7/grpccontroller/admin.sock",
		"/run/runner":                       "/data/admin.sock",
		"grpccontroller":                    "/data/admin.sock",
	} {
		require.Equal(t, want, localsocket.Path("/data", runtime), runtime)
	}
}

func TestDefaultIsTheFirstThatIsThereOrCannotBeLookedFor(t *testing.T) {
	t.Parallel()
	dir := controltest.SocketDir(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	_, err := localsocket.First(a, b)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, a)
	require.NoError(t, os.WriteFile(b, nil, 0o600))
	got, err := localsocket.First(a, b)
	require.NoError(t, err)
	require.Equal(t, b, got)
	under := filepath.Join(b, "admin.sock") // as little to be looked for as in a closed directory
	got, err = localsocket.First(under, a)
	require.NoError(t, err)
	require.Equal(t, under, got)
}

func TestListenIsForItsOwnUserAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(controltest.SocketDir(t), "admin.sock")
	l, err := localsocket.Listen(path)
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, info.Mode())
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
}

func TestListenReplacesWhatADeadControllerLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(controltest.SocketDir(t), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false) // as after SIGKILL
	require.NoError(t, dead.Close())
	l, err := localsocket.Listen(path)
	require.NoError(t, err)
	accepted := acceptOne(l)
	controltest.DialAdmin(t, path)
	require.Equal(t, localsocket.Self(), (<-accepted).Peer)
	require.NoError(t, l.Close())
}

func TestListenLeavesAloneWhatIsInUseOrNoSocket(t *testing.T) {
	t.Parallel()
	dir := controltest.SocketDir(t)
	live, livePath := controltest.ListenAdmin(t)
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	require.NoError(t, os.Symlink(livePath, link))
	for name, c := range map[string]struct{ path, want string }{
		"a socket that answers":      {livePath, "another program listens at " + livePath},
		"a file":                     {file, file + " is not a socket"},
		"a link":                     {link, link + " is not a socket"},
		"a directory":                {dir, dir + " is not a socket"},
		"a directory that is absent": {filepath.Join(dir, "none", "admin.sock"), "no such file or directory"},
		"a path of 100 bytes":        {"/" + strings.Repeat("x", 99), "choose a shorter data_dir"},
		"a relative path":            {"admin.sock", "not absolute"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: the first has one listener
			_, err := localsocket.Listen(c.path)
			require.ErrorContains(t, err, c.want)
		})
	}
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "kept", string(b))
	accepted := acceptOne(live)
	require.NotNil(t, <-accepted, "the question whether it is in use")
	accepted = acceptOne(live)
	controltest.DialAdmin(t, livePath)
	require.NotNil(t, <-accepted, "it still answers")
}

// acceptOne waits for one connection.
func acceptOne(l *localsocket.Listener) <-chan *localsocket.Conn {
	out := make(chan *localsocket.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			out <- nil
			return
		}
		_ = c.Close()
		local, _ := c.(*localsocket.Conn)
		out <- local
	}()
	return out
}

func TestAnotherUserIsNoOwner(t *testing.T) {
	t.Parallel()
	l, path := controltest.ListenAdmin(t)
	for uid, owner := range map[uint32]bool{0: true, 4242: false, 65534: false} {
		accepted := acceptOne(l)
		controltest.DialAdminAs(t, path, uid)
		c := <-accepted
		require.Equal(t, uid, c.Peer.UID)
		require.Equal(t, owner, c.Owner, "uid %d", uid)
	}
	l.Owners.Own = 4242
	accepted := acceptOne(l)
	controltest.DialAdminAs(t, path, 4242)
	require.True(t, (<-accepted).Owner, "the controller's own user")
	l.Owners.Own = 65534
	accepted = acceptOne(l)
	controltest.DialAdminAs(t, path, 65534)
	require.False(t, (<-accepted).Owner, "not even as the controller's own user")
}

// TestAConnectionCountsAsWhatItWasOpenedAs: like every descriptor, it stays what it
// was when somebody else gets it, in both directions.
func TestAConnectionCountsAsWhatItWasOpenedAs(t *testing.T) {
	t.Parallel()
	l, path := controltest.ListenAdmin(t)
	opened := controltest.DialAdminAs(t, path, 4242) // and this process, root, holds it from now on
	c := <-acceptOne(l)
	require.Equal(t, uint32(4242), c.Peer.UID)
	require.False(t, c.Owner)
	require.NoError(t, opened.Close())
}

// TestRootOfAnotherUserNamespaceIsNoOwner: whoever is root in a container's own user
// namespace is an ordinary user outside.
func TestRootOfAnotherUserNamespaceIsNoOwner(t *testing.T) {
	t.Parallel()
	controltest.NeedRoot(t)
	l, path := controltest.ListenAdmin(t)
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	copied := filepath.Join(controltest.SocketDir(t), "program")
	hosttest.WriteProgram(t, copied, program)
	const outside = 4242
	cmd := exec.CommandContext(t.Context(), copied)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), connectTo+"="+path)
	one := func(host int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: host, Size: 1}}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: one(outside), GidMappings: one(outside), Credential: &syscall.Credential{NoSetGroups: true},
	}
	accepted := acceptOne(l)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "0\n", string(out), "root as it sees itself")
	c := <-accepted
	require.Equal(t, uint32(outside), c.Peer.UID)
	require.False(t, c.Owner)
}

func TestOpenSaysWhetherThisUserMayConnect(t *testing.T) {
	t.Parallel()
	_, path := controltest.ListenAdmin(t)
	require.True(t, localsocket.Open(path))
	require.False(t, localsocket.Open(path+"x"))
	require.NoError(t, os.Chmod(path, 0o600))
	controltest.AsUser(t, 4242, func() error {
		if localsocket.Open(path) {
			return errors.New("another user may")
		}
		return nil
	})
}
