package hostcmd_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// accepting is an address that accepts connections.
func accepting(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// hangingUp is an address that accepts connections and ends them.
func hangingUp(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// enrolledHost is a host that was enrolled by a controller.
type enrolledHost struct {
	dir  hostagent.Dir
	conf string
	from *controller
}

func enrolled(t *testing.T) enrolledHost {
	t.Helper()
	c := startController(t)
	args, dir := enrollArgs(t, c)
	out := run(token, args...)
	require.Zero(t, out.code, out.stderr)
	return enrolledHost{hostagent.Dir{Root: filepath.Join(dir, "host")}, filepath.Join(dir, "tunneler.conf"), c}
}

func (h enrolledHost) move(addr string, more ...string) outcome {
	return run("", append([]string{"set-controller", addr, "--conf", h.conf, "--host-dir", h.dir.Root}, more...)...)
}

// files are the contents of all that a move must not touch, or must not change when it
// fails.
func files(t *testing.T, paths ...string) (out []string) {
	t.Helper()
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		require.NoError(t, err)
		out = append(out, string(raw))
	}
	return out
}

func conf(t *testing.T, path string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[key] = value
		}
	}
	return out
}

func TestSetController(t *testing.T) {
	t.Parallel()
	t.Run("moves the host to its controller at another address", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		require.NoError(t, os.WriteFile(h.conf, append([]byte("# mine\nLOG_LEVEL=debug\n"), files(t, h.conf)[0]...), 0o600))
		require.NoError(t, os.Chmod(h.conf, 0o640))
		control, spire := accepting(t), accepting(t)
		next := start(t, &controller{t: t, ca: h.from.ca, control: []string{"127.0.0.1:1", control}, spire: spire})
		identity := files(t, h.dir.Key(), h.dir.Certificate(), h.dir.ControllerCA())
		before, err := h.dir.ReadHost()
		require.NoError(t, err)

		out := h.move(next.addr)
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, identity, files(t, h.dir.Key(), h.dir.Certificate(), h.dir.ControllerCA()), "the identity stays")
		host, err := h.dir.ReadHost()
		require.NoError(t, err)
		before.ControllerAddress, before.SPIREServerAddress = next.addr, spire
		require.Equal(t, before, host)
		got := conf(t, h.conf)
		require.Equal(t, next.addr, got["CONTROLLER_ADDR"])
		require.Equal(t, control, got["CONTROL_PLANE_ADDRS"], "only where something answers")
		require.Equal(t, "debug", got["LOG_LEVEL"])
		require.Equal(t, "laptop", got["TUNNELER_ID"])
		require.Contains(t, files(t, h.conf)[0], "# mine\n")
		info, err := os.Stat(h.conf)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode())
		require.Contains(t, out.stdout, "restart now: the program of "+h.conf+", the SPIRE agent's supervisor")

		again := h.move(next.addr)
		require.Zero(t, again.code, again.stderr)
		require.Equal(t, got, conf(t, h.conf))
	})
	t.Run("takes no address that nobody can dial, unchecked neither", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		before := files(t, h.conf, h.dir.HostFile())
		for _, addr := range []string{"192.0.2.7:0", "192.0.2.7:99999", "192.0.2.7:https", "a,b", "a b", "192.0.2.7:8443,192.0.2.8:8443"} {
			out := h.move(addr, "--no-check")
			require.Equal(t, 2, out.code, "%s: %s", addr, out.stdout)
		}
		require.Equal(t, before, files(t, h.conf, h.dir.HostFile()))
	})
	t.Run("takes the host of the new address where a wrong one is advertised", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		control, spire := accepting(t), accepting(t)
		elsewhere := func(addr string) string {
			_, port, err := net.SplitHostPort(addr)
			require.NoError(t, err)
			return net.JoinHostPort("typo.invalid", port)
		}
		next := start(t, &controller{t: t, ca: h.from.ca, control: []string{elsewhere(control)}, spire: elsewhere(spire)})
		out := h.move(next.addr)
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, control, conf(t, h.conf)["CONTROL_PLANE_ADDRS"])
		host, err := h.dir.ReadHost()
		require.NoError(t, err)
		require.Equal(t, spire, host.SPIREServerAddress)
		require.Contains(t, out.stderr, "typo.invalid")
	})
	t.Run("keeps the addresses that the operator gives", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		next := start(t, &controller{t: t, ca: h.from.ca, control: []string{accepting(t)}})
		out := h.move(next.addr, "--control-plane-addrs", "10.0.0.1:8444,10.0.0.2:8444")
		require.Zero(t, out.code, out.stderr)
		require.Equal(t, "10.0.0.1:8444,10.0.0.2:8444", conf(t, h.conf)["CONTROL_PLANE_ADDRS"])
	})
	t.Run("writes what was not checked where that is asked for", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		out := h.move("ctl2.example.com", "--no-check")
		require.Zero(t, out.code, out.stderr)
		got := conf(t, h.conf)
		require.Equal(t, "ctl2.example.com:8443", got["CONTROLLER_ADDR"])
		require.Equal(t, "ctl2.example.com:8444", got["CONTROL_PLANE_ADDRS"])
		host, err := h.dir.ReadHost()
		require.NoError(t, err)
		require.Equal(t, "ctl2.example.com:8443", host.ControllerAddress)
		require.Equal(t, "ctl2.example.com:8081", host.SPIREServerAddress)
	})
	t.Run("needs no conf file", func(t *testing.T) {
		t.Parallel()
		h := enrolled(t)
		require.NoError(t, os.Remove(h.conf))
		next := start(t, &controller{t: t, ca: h.from.ca})
		out := h.move(next.addr)
		require.Zero(t, out.code, out.stderr)
		require.NoFileExists(t, h.conf)
	})
	stranger := start(t, &controller{t: t, ca: mtlstest.NewCA(t, td)})
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"another controller":                  {[]string{stranger.addr}, 3, "nothing was changed"},
		"a port where nobody answers":         {[]string{"127.0.0.1:1"}, 1, "nothing was changed"},
		"what does not speak TLS":             {[]string{hangingUp(t)}, 1, "nothing was changed"},
		"an address without a host":           {[]string{":8443"}, 2, "host:port"},
		"a second line in the address":        {[]string{"ctl\nX=1:8443", "--no-check"}, 2, "host:port"},
		"a control plane that is no address":  {[]string{stranger.addr, "--control-plane-addrs", "x"}, 2, "host:port"},
		"no address":                          {nil, 2, "the argument ADDR is missing"},
		"a host directory that is not a path": {[]string{stranger.addr, "--host-dir", "x"}, 2, "absolute"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			h := enrolled(t)
			before := files(t, h.conf, h.dir.HostFile(), h.dir.Bundle())
			out := run("", append([]string{"set-controller", "--conf", h.conf, "--host-dir", h.dir.Root}, c.args...)...)
			require.Equal(t, c.code, out.code, out.stderr)
			require.Contains(t, out.stderr, c.says)
			require.Equal(t, before, files(t, h.conf, h.dir.HostFile(), h.dir.Bundle()))
		})
	}
	t.Run("refuses on a host that is not enrolled", func(t *testing.T) {
		t.Parallel()
		out := run("", "set-controller", stranger.addr, "--host-dir", t.TempDir())
		require.Equal(t, 1, out.code)
		require.Contains(t, out.stderr, "is this host enrolled?")
	})
}

// TestTheHostAgentFollowsTheConf: an edited conf file wins over host.json, and a dead
// address in it does not strand the host.
func TestTheHostAgentFollowsTheConf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit  func(h enrolledHost, next string) (key, value string)
		args  func(next string) []string
		moves bool
	}{
		"an edited address": {
			edit: func(_ enrolledHost, next string) (string, string) { return "CONTROLLER_ADDR", next }, moves: true,
		},
		"a dead address": {
			edit: func(enrolledHost, string) (string, string) { return "CONTROLLER_ADDR", "127.0.0.1:1" },
		},
		"a conf file of another host directory": {
			edit: func(enrolledHost, string) (string, string) {
				return "CONTROLLER_CA_PATH", "/elsewhere/controller-ca.crt"
			},
		},
		"an address for the agent itself": {
			args: func(next string) []string { return []string{"--controller-addr", next} }, moves: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := enrolled(t)
			next := start(t, &controller{t: t, ca: h.from.ca, spire: "127.0.0.1:9999"})
			text := files(t, h.conf)[0]
			if c.edit != nil {
				key, value := c.edit(h, next.addr)
				text = strings.Replace(text, key+"="+conf(t, h.conf)[key], key+"="+value, 1)
			}
			if name == "a conf file of another host directory" {
				text = strings.Replace(text, h.from.addr, next.addr, 1)
			}
			require.NoError(t, os.WriteFile(h.conf, []byte(text), 0o644))
			args := []string{"refresh-bundle", "--host-dir", h.dir.Root, "--program-confs", h.conf}
			if c.args != nil {
				args = append(args, c.args(next.addr)...)
			}
			out := run("", args...)
			require.Zero(t, out.code, out.stderr)
			host, err := h.dir.ReadHost()
			require.NoError(t, err)
			require.Equal(t, c.moves, host.SPIREServerAddress == "127.0.0.1:9999", host.SPIREServerAddress)
		})
	}
}

// TestSetControllerTakesTheHostDirOfTheEnvironment is not parallel: it sets one.
func TestSetControllerTakesTheHostDirOfTheEnvironment(t *testing.T) {
	h := enrolled(t)
	t.Setenv("HOST_DIR", h.dir.Root)
	out := run("", "set-controller", h.from.addr, "--conf", h.conf, "--no-restart")
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, h.dir.HostFile())
	out = run("", "set-controller", h.from.addr, "--conf", h.conf, "--no-restart", "--host-dir", t.TempDir())
	require.Equal(t, 1, out.code, "a flag outranks it")
	require.Contains(t, out.stderr, "is this host enrolled?")

	out = run("", "set-controller", "127.0.0.1:1", "--conf", h.conf, "--no-restart")
	require.Equal(t, 1, out.code)
	require.Contains(t, out.stderr, "nothing listens there")
	require.NotRegexp(t, `rpc error|desc =|transport:`, out.stderr)
}

// TestAnotherCAOnThePathIsNoAnswerOfTheController: it may be a firewall that inspects TLS.
func TestAnotherCAOnThePathIsNoAnswerOfTheController(t *testing.T) {
	t.Parallel()
	h := enrolled(t)
	stranger := startController(t)
	before := files(t, h.dir.Bundle(), h.dir.HostFile())
	out := run("", "refresh-bundle", "--host-dir", h.dir.Root, "--controller-addr", stranger.addr, "--program-confs", "/nonexistent")
	require.Zero(t, out.code, "the controller of its own answers too: %s", out.stderr)

	host, err := h.dir.ReadHost()
	require.NoError(t, err)
	host.ControllerAddress = stranger.addr
	require.NoError(t, h.dir.WriteHost(host))
	out = run("", "refresh-bundle", "--host-dir", h.dir.Root, "--program-confs", "/nonexistent")
	require.Equal(t, 1, out.code)
	require.Contains(t, out.stderr, "something on the path intercepts TLS")
	require.NotContains(t, out.stderr, "does not know this host")
	require.Equal(t, before[0], files(t, h.dir.Bundle())[0])
}

// TestRefreshBundleAsRootLeavesTheFilesToTheAgent: spire-agent's user reads them.
func TestRefreshBundleAsRootLeavesTheFilesToTheAgent(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root changes owners")
	}
	h := enrolled(t)
	next := start(t, &controller{t: t, ca: h.from.ca, spire: "127.0.0.1:9999"})
	owned := []string{h.dir.Bundle(), h.dir.HostFile()}
	for _, path := range owned {
		require.NoError(t, os.Chown(path, 4242, 4243))
	}
	out := run("", "refresh-bundle", "--host-dir", h.dir.Root, "--controller-addr", next.addr, "--program-confs", "/nonexistent")
	require.Zero(t, out.code, out.stderr)
	host, err := h.dir.ReadHost()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9999", host.SPIREServerAddress, "both were written anew")
	for _, path := range owned {
		info, err := os.Stat(path)
		require.NoError(t, err)
		st, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		require.Equal(t, []uint32{4242, 4243}, []uint32{st.Uid, st.Gid}, path)
	}
}
