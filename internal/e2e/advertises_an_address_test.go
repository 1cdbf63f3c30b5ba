package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// island is two machines and a cable between them. None has an address at first,
// nor a route.
type island struct {
	t                *testing.T
	controller, host string // namespaces
}

func newIsland(t *testing.T) *island {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs a network namespace: run it as root")
	}
	name := fmt.Sprintf("zi%d", os.Getpid())
	i := &island{t: t, controller: name + "c", host: name + "h"}
	for _, ns := range []string{i.controller, i.host} {
		i.ip("netns add " + ns)
		t.Cleanup(func() {
			_ = exec.Command("ip", "netns", "del", ns).Run() //nolint:noctx // also after the test's context ended
		})
		i.ip("-n " + ns + " link set lo up")
	}
	i.ip("-n " + i.controller + " link add up0 type veth peer name up0 netns " + i.host)
	i.ip("-n " + i.controller + " link set up0 up")
	i.ip("-n " + i.host + " link set up0 up")
	return i
}

func (i *island) ip(command string) {
	i.t.Helper()
	out, err := exec.CommandContext(i.t.Context(), "ip", strings.Fields(command)...).CombinedOutput()
	require.NoError(i.t, err, "ip %s: %s", command, out)
}

// on runs a program on one of the machines.
func on(t *testing.T, namespace, stdin, program string, args ...string) string {
	t.Helper()
	r, err := world.Run(t.Context(), world.Spec{
		Name: program, Prefix: []string{"ip", "netns", "exec", namespace}, Path: filepath.Join(programs(t), program), Args: args,
	}, stdin)
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	return r.Stdout
}

// told waits until the controller says that hosts reach it there.
func told(t *testing.T, c *world.Controller, host string) {
	t.Helper()
	require.NoError(t, world.Eventually(t.Context(), soon, "hosts are told "+host, func(ctx context.Context) error {
		r, err := c.CLI(ctx, "status", "-o", "json")
		if err != nil {
			return err
		}
		var st struct {
			Ready     bool          `json:"ready"`
			Addresses world.RunFile `json:"addresses"`
		}
		if err := json.Unmarshal([]byte(r.Stdout), &st); err != nil {
			return err
		}
		if !st.Ready || st.Addresses.Enrollment != host+":8443" || st.Addresses.Control != host+":8444" || st.Addresses.SPIREServer != host+":8081" {
			return errors.New(r.Stdout)
		}
		return nil
	}))
}

// TestAControllerTellsNoAddressThatNobodyConfigured starts one before its machine
// has any address, and gives the machine an IPv6 one and then another.
func TestAControllerTellsNoAddressThatNobodyConfigured(t *testing.T) {
	t.Parallel()
	i := newIsland(t)
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := world.NewController(programs(t), filepath.Join(dir, "c"), "--public-address", "", "--listen-enrollment", ":8443",
		"--listen-control", ":8444", "--listen-admin", "127.0.0.1:8080", "--listen-health", "127.0.0.1:9464", "--spire-server-listen", "0.0.0.0:8081").
		In("ip", "netns", "exec", i.controller)
	require.NoError(t, c.Launch())
	t.Cleanup(func() {
		if _, err := c.Stop(); err != nil || t.Failed() {
			t.Log(c.Tail(40))
		}
	})

	t.Log("without an address it is not ready, and no command is printed")
	cli := func(want int, args ...string) string {
		t.Helper()
		r, err := c.CLI(t.Context(), args...)
		require.NoError(t, err)
		require.Equal(t, want, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
		return r.Stdout
	}
	require.NoError(t, world.Eventually(t.Context(), soon, "the controller runs", func(ctx context.Context) error {
		r, err := c.CLI(ctx, "token", "create", "--kind", "connector", "--id", "early-01")
		if err == nil && r.Code != 0 {
			err = errors.New(r.Stderr)
		}
		if err == nil && (!strings.Contains(r.Stdout, "Set public_address") || strings.Contains(r.Stdout, "127.0.0.1")) {
			err = errors.New(r.Stdout)
		}
		return err
	}))
	page := cli(1, "status")
	require.Contains(t, page, "FAILS public_address")
	require.Contains(t, page, "set public_address")
	require.NotContains(t, page, "127.0.0.1:844")
	require.Contains(t, cli(1, "doctor"), "set public_address")

	t.Log("an IPv6-only host is as good as another")
	for ns, address := range map[string]string{i.controller: "2001:db8:77::7", i.host: "2001:db8:77::1"} {
		i.ip("-n " + ns + " addr add " + address + "/64 dev up0 nodad")
	}
	i.ip("-n " + i.controller + " route add default via 2001:db8:77::1")
	told(t, c, "[2001:db8:77::7]")
	var token adminapi.CreatedToken
	require.NoError(t, json.Unmarshal([]byte(cli(0, "token", "create", "--kind", "connector", "--id", "six-01", "-o", "json")), &token))
	require.Contains(t, token.InstallCommand, `CONTROLLER_ADDR="[2001:db8:77::7]:8443"`)
	ca := filepath.Join(dir, "ca.crt")
	require.NoError(t, os.WriteFile(ca, []byte(cli(0, "bootstrap-ca")), 0o600))
	host, conf := filepath.Join(dir, "h"), filepath.Join(dir, "connector.conf")
	on(t, i.host, token.Token, "grpcconnector", "enroll", "--controller-addr", "[2001:db8:77::7]:8443", "--controller-ca-path", ca,
		"--connector-id", "six-01", "--token-file", "-", "--host-dir", host, "--conf", conf, "--systemd-unit", "")
	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	require.Contains(t, string(text), "CONTROL_PLANE_ADDRS=[2001:db8:77::7]:8444")
	require.Equal(t, "[2001:db8:77::7]:8081", spireServerOf(t, host))

	t.Log("another address is followed, by the hosts too")
	for ns, address := range map[string]string{i.controller: "198.51.100.7", i.host: "198.51.100.1"} {
		i.ip("-n " + ns + " addr add " + address + "/24 dev up0")
	}
	i.ip("-n " + i.controller + " route add default via 198.51.100.1")
	told(t, c, "198.51.100.7")
	on(t, i.host, "", "grpcconnector", "refresh-bundle", "--host-dir", host)
	require.Equal(t, "198.51.100.7:8081", spireServerOf(t, host))
}

func spireServerOf(t *testing.T, hostDir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(hostDir, "host.json"))
	require.NoError(t, err)
	var host struct {
		Address string `json:"spire_server_address"`
	}
	require.NoError(t, json.Unmarshal(text, &host))
	return host.Address
}
