package e2e_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestTwoHostsEnrollAndComeOnline(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.host("a", "connector", "connector-local-01"), s.host("b", "tunneler", "tunneler-local-01")
	for _, h := range []*world.Host{connector, tunneler} {
		// What an operator wrote into the conf file before stays there.
		require.NoError(t, os.MkdirAll(h.Dir, 0o700))
		require.NoError(t, os.WriteFile(h.ConfFile(), []byte("# of this host\nLOG_LEVEL=debug\n"), 0o644))
		s.enroll(h)
		require.NoError(t, h.StartAgent())
		// run gets nothing but the conf file and free ports: no variable, another directory.
		args := []string{"run", "--config", h.ConfFile(), "--health-addr", "127.0.0.1:0"}
		if h.Kind == "connector" {
			args = append(args, "--listen-addr", "127.0.0.1:0")
		}
		var err error
		h.Program, err = world.Start(world.Spec{
			Name: "grpc" + h.Kind, Dir: h.Dir, Path: filepath.Join(s.Bin, "grpc"+h.Kind), Args: args,
		})
		require.NoError(t, err)
	}
	s.online(connector, tunneler)

	connectors := decode[[]adminapi.Connector](t, s.cli("connectors", "list", "-o", "json"))
	require.Len(t, connectors, 1)
	c := connectors[0]
	require.Equal(t, "connector-local-01", c.ID)
	require.Equal(t, adminapi.Online, c.Status)
	require.Equal(t, "127.0.0.1", c.PrivateIP)
	require.Equal(t, "spiffe://mycorp.internal/connector/connector-local-01", c.SPIFFEID)
	require.NotEmpty(t, c.Version)
	require.WithinDuration(t, time.Now(), c.LastSeen, time.Minute)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), c.SVID.NotAfter, time.Minute, "a connector's SVID lives for 5 minutes")
	require.Len(t, c.Addresses, 1)
	require.False(t, c.Contested)
	require.NotEmpty(t, c.SVID.Serial)

	tunnelers := decode[[]adminapi.Tunneler](t, s.cli("tunnelers", "list", "-o", "json"))
	require.Len(t, tunnelers, 1)
	u := tunnelers[0]
	require.Equal(t, "tunneler-local-01", u.ID)
	require.Equal(t, adminapi.Online, u.Status)
	require.Equal(t, c.ID, u.ConnectorID)
	require.Equal(t, c.SPIFFEID, u.ReportedBy)
	require.Equal(t, "spiffe://mycorp.internal/tunneler/tunneler-local-01", u.SPIFFEID)
	require.Equal(t, c.Version, u.Version)
	require.WithinDuration(t, time.Now().Add(30*time.Minute), u.SVID.NotAfter, 2*time.Minute, "a tunneler's SVID lives for 30 minutes")
	require.NotEqual(t, c.HostID, u.HostID)

	states := map[string]string{}
	for _, tok := range decode[[]adminapi.Token](t, s.cli("token", "list", "-o", "json")) {
		states[tok.Kind+"/"+tok.ID] = tok.Status
	}
	require.Equal(t, map[string]string{"connector/connector-local-01": "redeemed", "tunneler/tunneler-local-01": "redeemed"}, states)

	for _, h := range []*world.Host{connector, tunneler} {
		conf, err := os.ReadFile(h.ConfFile())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(conf), "# of this host\nLOG_LEVEL=debug\n"), "%s", conf)
		requireOneKey(t, h.Dir, filepath.Join(h.HostDir(), "host.key"))
		requireNowhere(t, h.Dir, s.secrets...)
	}
	// The controller keeps the hash of a token; the setup link is in its own file only.
	requireNowhere(t, s.Dir, s.secrets...)
	link := filepath.Join(s.Dir, "setup-link")
	requireOnlyIn(t, s.Dir, s.SetupLink(), link)
	for _, file := range []string{link, s.Run.AdminSocket, filepath.Join(s.Dir, "bootstrap", "ca.key"), filepath.Join(s.Dir, "controller.db")} {
		requirePrivate(t, file)
	}
}

func TestASecondRoleUsesTheIdentityOfItsHost(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.join("a", "connector", "both-01")
	key, err := os.ReadFile(filepath.Join(connector.HostDir(), "host.key"))
	require.NoError(t, err)

	tunneler := s.secondRole(connector, "tunneler", "both-01")
	s.enroll(tunneler)
	require.NoError(t, tunneler.StartProgram())
	s.online(connector, tunneler)

	require.Equal(t, s.seen(connector).HostID, s.seen(tunneler).HostID)
	after, err := os.ReadFile(filepath.Join(connector.HostDir(), "host.key"))
	require.NoError(t, err)
	require.Equal(t, key, after, "the host keeps its key")
	require.Len(t, s.agents(), 2, "the controller's and the host's")
	entries, err := s.entries(t.Context())
	require.NoError(t, err)
	parents := map[string]int{}
	for _, e := range entries {
		parents[e.ParentID.String()]++
	}
	id, err := identity.HostID(s.seen(connector).HostID).AgentID(td)
	require.NoError(t, err)
	require.Equal(t, 2, parents[id.String()], "both workloads hang on the one agent: %v", parents)
}

func TestAnEphemeralHostComesOnlineWithARealJoinToken(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.host("a", "connector", "container-01")
	s.enroll(connector, "--ephemeral")
	joinToken, err := os.ReadFile(filepath.Join(connector.HostDir(), "join-token"))
	require.NoError(t, err)
	requirePrivate(t, filepath.Join(connector.HostDir(), "join-token"))
	// A join token is a secret until it is spent; later it is part of the agent's id.
	search := s.search()
	search.Add("the join token", string(joinToken))
	found, err := search.InLogs(s.dir)
	require.NoError(t, err)
	require.Empty(t, found, "before it is spent")
	require.NoError(t, connector.Start())
	s.online(connector)
	requireOneKey(t, connector.Dir, "")

	// The tunneler next to it is an ordinary one.
	s.join("b", "tunneler", "laptop-01")
	paths := []string{}
	for _, a := range s.agents() {
		paths = append(paths, a.ID.Path())
	}
	require.Contains(t, paths, "/spire/agent/join_token/"+strings.TrimSpace(string(joinToken)))

	// The join token is spent: a thief of the file gets nothing from it.
	thief := s.host("c", "connector", "container-01")
	require.NoError(t, os.CopyFS(thief.HostDir(), os.DirFS(connector.HostDir())))
	require.NoError(t, os.RemoveAll(filepath.Join(thief.HostDir(), "data")))
	require.NoError(t, thief.StartAgent())
	s.logged(thief.Agent, "join token does not exist or has already been used")
	require.Len(t, s.agents(), 3)
}

// agents are all agents that the SPIRE server knows.
func (s *system) agents() []fleet.Agent {
	s.t.Helper()
	all, err := s.spire.Agents(s.t.Context())
	require.NoError(s.t, err)
	return all
}

// requireOneKey fails when a private key is anywhere below dir but in file, or
// when others may read that.
func requireOneKey(t *testing.T, dir, file string) {
	t.Helper()
	requireOnlyIn(t, dir, "PRIVATE KEY-----", file)
	if file != "" {
		requirePrivate(t, file)
	}
}

func requirePrivate(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), file)
}

func requireNowhere(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		requireOnlyIn(t, dir, secret, "")
	}
}

// requireOnlyIn fails when text is in another file below dir than the given one.
func requireOnlyIn(t *testing.T, dir, text, file string) {
	t.Helper()
	found := file == ""
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // a temporary file that is gone
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(text)) {
			return nil //nolint:nilerr // as above
		}
		if path != file && filepath.Base(path) != "ca.key" && !strings.HasPrefix(path, filepath.Join(dir, "spire")) {
			t.Errorf("%s holds %.8s…", path, text)
		}
		found = found || path == file
		return nil
	}))
	require.True(t, found, "%s does not hold what it should", file)
}
