package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// TestAnAgentOfTheReleaseBeforeKeepsWorking: the controller is upgraded first, and its
// hosts run the agent of the release before ours for as long as they like. It attests,
// gets identities, follows a rotation of the authority, returns to a server that was
// restarted, and is banned like any other.
func TestAnAgentOfTheReleaseBeforeKeepsWorking(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	old := filepath.Join(s.Bin, "previous", "spire-agent")
	before, err := proc.Version(t.Context(), old)
	require.NoError(t, err, "run make spire-previous")
	now, err := proc.Version(t.Context(), filepath.Join(s.Bin, "spire-server"))
	require.NoError(t, err)
	require.NotEqual(t, now, before)

	connector, tunneler := s.host("a", "connector", "c-01"), s.host("b", "tunneler", "t-01")
	for _, h := range []*world.Host{connector, tunneler} {
		h.Env = []string{"SPIRE_AGENT_BIN=" + old}
		s.enroll(h)
		require.NoError(t, h.Start())
	}
	s.online(connector, tunneler)
	for _, h := range []*world.Host{connector, tunneler} {
		s.logged(h.Agent, `"version":"`+before)
	}

	was := s.seen(connector).SVID.Serial
	s.cli("ca", "rotate", "--yes")
	s.eventually(soon, "an SVID of the new authority", func(ctx context.Context) error {
		seen, err := connector.Seen(ctx, s.api)
		if err == nil && seen.SVID.Serial == was {
			err = errors.New("the same SVID as before")
		}
		return err
	})
	s.online(connector, tunneler)

	since := s.seen(connector).Since
	code, err := s.Stop()
	require.NoError(t, err)
	require.Zero(t, code)
	require.NoError(t, s.Start(t.Context()))
	s.back(connector, since)
	s.online(tunneler)

	s.cli("tunnelers", "revoke", "t-01", "--yes")
	s.eventually(soon, "the agent is banned", func(ctx context.Context) error {
		agent, err := s.agentOf(ctx, s.seen(tunneler).HostID)
		if err == nil && !agent.Banned {
			err = fmt.Errorf("not banned: %+v", agent)
		}
		return err
	})
	s.offline(tunneler)
	require.Equal(t, adminapi.Online, s.seen(connector).Status)
}
