package e2e_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

const (
	banWithin = 10 * time.Second
	// neverBack is long enough for every retry of a program and of SPIRE that was
	// not told to stay away; a ban has to hold for five seconds.
	neverBack = 12 * time.Second
)

// goneFromSPIRE waits until the entry is deleted and the host's agent banned.
func (s *system) goneFromSPIRE(h *world.Host, hostID string) {
	s.t.Helper()
	s.eventually(banWithin, h.ID+" gone from SPIRE", func(ctx context.Context) error {
		there, err := s.entryFor(ctx, h.Kind, h.ID)
		if err != nil || there {
			return errors.Join(err, errors.New("the entry is still there"))
		}
		a, err := s.agentOf(ctx, hostID)
		if err == nil && !a.Banned {
			err = errors.New("the agent is not banned")
		}
		return err
	})
}

func TestARevokedTunnelerIsCutBannedAndStaysAway(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	hostID := s.seen(tunneler).HostID
	r, err := s.CLI(t.Context(), "tunnelers", "revoke", "t-01")
	require.NoError(t, err)
	require.Equal(t, 2, r.Code, "without --yes and without a terminal nothing is revoked: %s", r.Stderr)
	require.NoError(t, tunneler.Online(t.Context(), s.api))

	logged, err := os.ReadFile(s.Log)
	require.NoError(t, err)
	begin := time.Now()
	s.cli("tunnelers", "revoke", "t-01", "--yes")
	s.logged(connector.Program, "session ended")
	t.Logf("the connector cut the session %.2f s after the command began", time.Since(begin).Seconds())
	s.offline(tunneler)
	s.goneFromSPIRE(tunneler, hostID)
	require.Empty(t, decode[[]adminapi.Tunneler](t, s.cli("tunnelers", "list", "-o", "json")))
	require.False(t, s.seen(tunneler).RevokedAt.IsZero())

	// It tries again, with its old SVID and, started anew, without one.
	tunneler.Program.Kill()
	require.NoError(t, tunneler.StartProgram())
	tunneler.Agent.Kill()
	require.NoError(t, tunneler.StartAgent())
	s.staysOffline(tunneler, neverBack)
	a, err := s.agentOf(t.Context(), hostID)
	require.NoError(t, err)
	require.True(t, a.Banned, "the ban has held")
	s.online(connector)
	since, err := os.ReadFile(s.Log)
	require.NoError(t, err)
	require.NotContains(t, string(since[len(logged):]), `"level":"error"`, "that SPIRE refuses it is no news for an operator")

	// A new token alone does not help a banned host; a new identity of it does.
	token := s.token("tunneler", "t-01").Token
	refused := s.try(tunneler, token)
	require.Equal(t, 3, refused.Code)
	require.Contains(t, refused.Stderr, "--new-host")
	require.NoError(t, tunneler.Stop())
	require.Zero(t, s.try(tunneler, token, "--new-host").Code)
	require.NoError(t, tunneler.Start())
	s.online(tunneler)
	require.NotEqual(t, hostID, s.seen(tunneler).HostID)
	require.True(t, s.seen(tunneler).RevokedAt.IsZero())
	a, err = s.agentOf(t.Context(), hostID)
	require.NoError(t, err)
	require.True(t, a.Banned, "the old host stays banned")
}

func TestRevokingOneRoleOfAHostLeavesTheOtherAlone(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	s.join("a", "connector", "c-01")
	connector := s.join("b", "connector", "both")
	tunneler := s.secondRole(connector, "tunneler", "both")
	s.enroll(tunneler)
	require.NoError(t, tunneler.StartProgram())
	s.online(tunneler)
	hostID := s.seen(connector).HostID

	s.cli("connectors", "revoke", "both", "--yes")
	s.offline(connector)
	s.eventually(banWithin, "entry deleted", func(ctx context.Context) error {
		there, err := s.entryFor(ctx, "connector", "both")
		if there {
			err = errors.New("still there")
		}
		return err
	})
	s.staysOffline(connector, neverBack)
	s.online(tunneler)
	a, err := s.agentOf(t.Context(), hostID)
	require.NoError(t, err)
	require.False(t, a.Banned)
	there, err := s.entryFor(t.Context(), "tunneler", "both")
	require.NoError(t, err)
	require.True(t, there)

	// The role comes back with a new token, on the same host.
	connector.Program.Kill()
	s.enroll(connector)
	require.NoError(t, connector.StartProgram())
	s.online(connector)
	require.Equal(t, hostID, s.seen(connector).HostID)
	// The last role takes the host with it.
	s.cli("connectors", "revoke", "both", "--yes")
	s.cli("tunnelers", "revoke", "both", "--yes")
	s.goneFromSPIRE(tunneler, hostID)
}

func TestAReplacingTokenMovesAnIDToAnotherHost(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	old, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	oldHost := s.seen(old).HostID
	r, err := s.CLI(t.Context(), "token", "create", "--kind", "connector", "--id", "c-01")
	require.NoError(t, err)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "--replace")

	token := s.token("connector", "c-01", "--replace").Token
	s.online(old) // the token alone does nothing
	begin := time.Now()
	next := s.host("c", "connector", "c-01")
	require.Zero(t, s.try(next, token).Code)
	require.NoError(t, next.Start())
	s.back(next, begin)
	s.back(tunneler, begin)
	require.NotEqual(t, oldHost, s.seen(next).HostID)
	s.eventually(banWithin, "the old agent is banned", func(ctx context.Context) error {
		a, err := s.agentOf(ctx, oldHost)
		if err == nil && !a.Banned {
			err = errors.New("not banned")
		}
		return err
	})

	// The old host still has an SVID and runs: it must not push the new one out.
	at := s.seen(next)
	old.Program.Kill()
	require.NoError(t, old.StartProgram())
	ctx, cancel := context.WithTimeout(t.Context(), neverBack)
	defer cancel()
	for ctx.Err() == nil {
		now := s.seen(next)
		require.Equal(t, at.Since, now.Since, "the stream of the new host was replaced")
		require.Equal(t, adminapi.Online, now.Status)
		require.Equal(t, at.HostID, now.HostID)
		wait(ctx, 200*time.Millisecond)
	}
	entries, err := s.entries(t.Context())
	require.NoError(t, err)
	require.Len(t, entriesOf(entries, "/connector/c-01"), 1)
}

func entriesOf(all []fleet.Entry, path string) (out []fleet.Entry) {
	for _, e := range all {
		if e.SPIFFEID.Path() == path {
			out = append(out, e)
		}
	}
	return out
}

// wait returns after d, or at the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
