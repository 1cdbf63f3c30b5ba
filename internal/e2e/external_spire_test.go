package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// externalWorld is a world beside a spire-server of the operator. Its controller
// was not started yet.
func externalWorld(t *testing.T, flags ...string) (*system, *spiretest.Server) {
	t.Helper()
	data := spiretest.TempDir(t)
	r, err := world.Run(t.Context(), world.Spec{
		Name: "bootstrap-ca", Dir: data, Path: filepath.Join(programs(t), "grpccontroller"), Args: []string{"bootstrap-ca", "--data-dir", data},
	}, "")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	anchor := filepath.Join(data, "given-to-spire.pem")
	require.NoError(t, os.WriteFile(anchor, []byte(r.Stdout), 0o600))
	server := spiretest.StartServer(t, func(c *conf.Server) { c.HostCAPaths = []string{anchor} })
	s := prepareWorld(t, append([]string{
		"--data-dir", data, "--spire-mode", "external", "--spire-server-socket", server.SocketPath,
		"--spire-server-address", server.Address, "--spire-cache-reload-interval", "500ms",
	}, flags...)...)
	s.Dir = data
	s.dialSPIRE(server.SocketPath)
	return s, server
}

func TestAnExternalSPIREIsUsedAndOtherwiseLeftAlone(t *testing.T) {
	t.Parallel()
	s, server := externalWorld(t)
	pid := server.Process.Status().PID
	// Entries of the operator, one of them for an id that looks like ours.
	for _, id := range []string{"/payments/api", "/connector/legacy"} {
		s.spireServer(server.SocketPath, "entry", "create", "-spiffeID", "spiffe://mycorp.internal"+id,
			"-parentID", "spiffe://mycorp.internal/spire/agent/x509pop/of-the-operator", "-selector", "unix:uid:4242")
	}
	foreign := s.spireServer(server.SocketPath, "entry", "show", "-selector", "unix:uid:4242", "-output", "json")
	s.start()
	require.Len(t, world.Children(s.PID()), 1, "a spire-agent, and no spire-server")

	connector := s.join("a", "connector", "c-01")
	tunneler := s.join("b", "tunneler", "t-01")
	s.cli("tunnelers", "revoke", "t-01", "--yes")
	s.offline(tunneler)
	s.goneFromSPIRE(tunneler, s.seen(tunneler).HostID)
	require.Equal(t, foreign, s.spireServer(server.SocketPath, "entry", "show", "-selector", "unix:uid:4242", "-output", "json"))

	children := world.Children(s.PID())
	s.Kill()
	gone(t, children)
	st := server.Process.Status()
	require.Equal(t, proc.StateReady, st.State)
	require.Equal(t, pid, st.PID, "spire-server was not touched")
	require.NoError(t, s.Start(t.Context()))
	s.online(connector)
	code, err := s.Stop()
	require.NoError(t, err)
	require.Zero(t, code)
	require.Equal(t, pid, server.Process.Status().PID, "nor by an orderly stop")
	require.Equal(t, foreign, s.spireServer(server.SocketPath, "entry", "show", "-selector", "unix:uid:4242", "-output", "json"))
}

// spireServer runs a command of spire-server itself.
func (s *system) spireServer(socket string, args ...string) string {
	s.t.Helper()
	program := os.Getenv("SPIRE_SERVER_BIN")
	if program == "" {
		program = filepath.Join(s.Bin, "spire-server")
	}
	args = append(args[:2:2], append([]string{"-socketPath", socket}, args[2:]...)...)
	r, err := world.Run(s.t.Context(), world.Spec{Name: "spire-server", Dir: s.dir, Path: program, Args: args}, "")
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
	return r.Stdout
}
