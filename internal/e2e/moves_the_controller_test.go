package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// otherAddress is where a controller moves to: another address of this machine, with
// ports of its own.
const otherAddress = "127.0.0.2"

// movedFlags put every listener of a controller there.
func movedFlags(t *testing.T) []string {
	t.Helper()
	free := func() string {
		_, port, err := net.SplitHostPort(hosttest.Address(t))
		require.NoError(t, err)
		return net.JoinHostPort(otherAddress, port)
	}
	return []string{
		"--public-address", otherAddress, "--listen-enrollment", free(), "--listen-control", free(),
		"--spire-server-listen", free(),
	}
}

// moveTo runs set-controller on a host, as its operator would.
func (s *system) moveTo(h *world.Host, addr string) world.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	r, err := world.Run(ctx, h.Spec("set-controller", "set-controller", addr, "--conf", h.ConfFile(), "--host-dir", h.HostDir()), "")
	require.NoError(s.t, err)
	return r
}

// restart stops and starts both programs of a host.
func (s *system) restart(h *world.Host) {
	s.t.Helper()
	require.NoError(s.t, h.Stop())
	require.NoError(s.t, h.Start())
}

// TestAControllerThatMovedKeepsItsHosts: the same data on another address, as after a
// restore on another machine. One command a host, no token, the same identity.
func TestAControllerThatMovedKeepsItsHosts(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	before := map[*world.Host]world.Seen{connector: s.seen(connector), tunneler: s.seen(tunneler)}
	old := s.Run
	_, err := s.Stop()
	require.NoError(t, err)
	s.With(movedFlags(t)...)
	s.start()
	require.NotEqual(t, old.Enrollment, s.Run.Enrollment)

	t.Log("what is not this host's controller is refused, and nothing is changed")
	conf, err := os.ReadFile(connector.ConfFile())
	require.NoError(t, err)
	r := s.moveTo(connector, s.Run.Control) // TLS, and the wrong port
	require.NotZero(t, r.Code)
	require.Contains(t, r.Stderr, "nothing was changed")
	same, err := os.ReadFile(connector.ConfFile())
	require.NoError(t, err)
	require.Equal(t, string(conf), string(same))

	moved := time.Now()
	// The connector first: a tunneler is ONLINE by what its connector reports.
	for _, h := range []*world.Host{connector, tunneler} {
		r := s.moveTo(h, s.Run.Enrollment)
		require.Zero(t, r.Code, r.Stderr)
		require.Contains(t, r.Stdout, "restart now")
		s.restart(h)
		host, err := hostagent.Dir{Root: h.HostDir()}.ReadHost()
		require.NoError(t, err)
		require.Equal(t, s.Run.Enrollment, host.ControllerAddress)
		require.Equal(t, s.Run.SPIREServer, host.SPIREServerAddress)
		conf, err := os.ReadFile(h.ConfFile())
		require.NoError(t, err)
		require.Contains(t, string(conf), "CONTROLLER_ADDR="+s.Run.Enrollment+"\n")
		require.Contains(t, string(conf), "CONTROL_PLANE_ADDRS="+s.Run.Control+"\n")
		require.NotContains(t, string(conf), old.Control)
		s.back(h, moved)
		require.Equal(t, before[h].HostID, s.seen(h).HostID, "the same host")
	}
	s.online(connector, tunneler)
	t.Logf("all ONLINE %.1f s after the first command", time.Since(moved).Seconds())
}

// TestAnEditedConfMovesAHost: CONTROLLER_ADDR and CONTROL_PLANE_ADDRS of the conf win
// over host.json and over what the state directory keeps.
func TestAnEditedConfMovesAHost(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	old := s.Run
	_, err := s.Stop()
	require.NoError(t, err)
	s.With(movedFlags(t)...)
	s.start()
	moved := time.Now()
	for _, h := range []*world.Host{connector, tunneler} {
		conf, err := os.ReadFile(h.ConfFile())
		require.NoError(t, err)
		edited := strings.NewReplacer(old.Enrollment, s.Run.Enrollment, old.Control, s.Run.Control).Replace(string(conf))
		require.NotEqual(t, string(conf), edited)
		require.NoError(t, os.WriteFile(h.ConfFile(), []byte(edited), 0o600))
		h.Env = append(h.Env, "PROGRAM_CONFS="+h.ConfFile()) // beside the defaults under /etc
		s.restart(h)
	}
	s.back(connector, moved)
	s.back(tunneler, moved)
}

// healWithin is how soon a fleet is back when its controller is right again.
const healWithin = 30 * time.Second

// TestATypoInThePublicAddressStrandsNobody: a controller that ran with a wrong
// public_address told it to everybody. Nobody follows it there for good: not who was
// connected, not who restarted meanwhile with a state directory, not who was enrolled
// meanwhile.
func TestATypoInThePublicAddressStrandsNobody(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")

	enrollment := s.Run.Enrollment // as an operator knows it
	_, err := s.Stop()
	require.NoError(t, err)
	s.With("--public-address", "127.0.0.99")
	s.start()
	for h, file := range map[*world.Host]string{connector: "policy.json", tunneler: "directory.json"} {
		s.eventually(soon, "the wrong address in "+file, func(context.Context) error {
			kept, err := os.ReadFile(filepath.Join(h.StateDir(), file))
			if err == nil && !strings.Contains(string(kept), "127.0.0.99") {
				err = errors.New("the wrong address was not learned yet")
			}
			return err
		})
	}
	late := s.host("c", "connector", "c-late")
	s.enroll(late, "--controller-addr", enrollment)
	conf, err := os.ReadFile(late.ConfFile())
	require.NoError(t, err)
	require.Contains(t, string(conf), "CONTROL_PLANE_ADDRS=127.0.0.99:")

	s.Kill()
	s.With("--public-address", "127.0.0.1")
	require.NoError(t, tunneler.Stop())
	require.NoError(t, tunneler.Start())
	require.NoError(t, late.Start())
	away := time.Now()
	s.eventually(2*time.Minute, "waits that have grown", func(context.Context) error {
		if left := 40*time.Second - time.Since(away); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
	s.start()
	right := time.Now()
	for _, h := range []*world.Host{connector, tunneler, late} {
		s.eventually(healWithin, h.ID+" ONLINE and connected", func(ctx context.Context) error {
			at, err := h.Addresses()
			if err != nil {
				return err
			}
			return errors.Join(h.Online(ctx, s.api), world.Readyz(ctx, at.Health))
		})
	}
	took := time.Since(right)
	t.Logf("all ONLINE %.1f s after the controller was right again", took.Seconds())
	require.LessOrEqual(t, took, healWithin)
}
