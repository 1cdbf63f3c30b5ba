package fleet_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// noLists is a store that lists nothing.
type noLists struct{ *store.Store }

var errListed = errors.New("everything was read")

func (noLists) Connectors(context.Context) ([]fleet.Connector, error) { return nil, errListed }
func (noLists) Tunnelers(context.Context) ([]fleet.Tunneler, error)   { return nil, errListed }
func (noLists) Hosts(context.Context) ([]fleet.Host, error)           { return nil, errListed }

func TestOneMemberIsReadWithoutTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"), tunneler("t-01"), tunneler("t-02"))
	w.enroll(t, connector("c-02"))
	w.revoke(t, tunneler("t-02"))
	w.roster.ConnectorUp(presence.Arrival{ID: "c-01"}, "192.0.2.1:1", presence.SVID{})
	w.roster.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Version: "v2", Since: w.clock.Now()})
	connectors, err := w.Connectors(t.Context())
	require.NoError(t, err)
	tunnelers, err := w.Tunnelers(t.Context())
	require.NoError(t, err)

	cfg := w.config()
	cfg.Store = noLists{w.store}
	f := fleet.New(cfg)
	_, err = f.Connectors(t.Context())
	require.ErrorIs(t, err, errListed)
	for _, want := range connectors {
		got, err := f.Connector(t.Context(), want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, want := range tunnelers {
		got, err := f.Tunneler(t.Context(), want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := f.Host(t.Context(), h.ID)
	require.NoError(t, err)
	require.Equal(t, h, got.Host)
	want := []fleet.HostMember{fleet.NewHostMember(&connectors[0].Member, connectors[0].Presence)}
	for _, on := range tunnelers {
		want = append(want, fleet.NewHostMember(&on.Member, on.Presence))
	}
	require.Equal(t, want, got.Members, "a revoked one too")

	_, err = f.Connector(t.Context(), "t-01")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	_, err = f.Tunneler(t.Context(), "c-01")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	_, err = f.Host(t.Context(), identity.HostID("x' OR 1=1 --"))
	require.ErrorIs(t, err, fleet.ErrNotFound)
}
