package storetest

import (
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func tombstones(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	agent := func(id string) spiffeid.ID {
		return spiffeid.RequireFromSegments(spiffeid.RequireTrustDomainFromString("mycorp.internal"), "spire", "agent", id)
	}
	bury := func(now time.Time, stone fleet.Tombstone) {
		within(t, s, func(tx enroll.Tx) error { return tx.Bury(t.Context(), stone, now) })
	}
	list := func(after identity.HostID, limit int, now time.Time) (ids []identity.HostID) {
		all, err := s.Tombstones(t.Context(), after, limit, now)
		require.NoError(t, err)
		for _, one := range all {
			ids = append(ids, one.HostID)
		}
		return ids
	}
	ends := start().Add(time.Hour)
	bury(start(), fleet.Tombstone{HostID: "a", AgentID: agent("a"), Until: ends})
	bury(start(), fleet.Tombstone{HostID: "b", AgentID: agent("b")})
	bury(start(), fleet.Tombstone{HostID: "a", AgentID: agent("other"), Until: start()}) // the first one stays
	all, err := s.Tombstones(t.Context(), "", 9, start())
	require.NoError(t, err)
	require.Equal(t, []fleet.Tombstone{{HostID: "a", AgentID: agent("a"), Until: ends}, {HostID: "b", AgentID: agent("b")}}, all)
	require.Equal(t, []identity.HostID{"a"}, list("", 1, start()))
	require.Equal(t, []identity.HostID{"b"}, list("a", 9, start()))
	require.Equal(t, []identity.HostID{"b"}, list("", 9, ends), "the certificate has ended; where the end is not known there is none")

	// The agent of an ephemeral host may get its id right after the host was revoked.
	h := newHost(t)
	late := h.AgentID
	h.AgentID = spiffeid.ID{}
	within(t, s, func(tx enroll.Tx) error { return tx.PutHost(t.Context(), h) })
	bury(ends.Add(-time.Second), fleet.Tombstone{HostID: h.ID})
	require.NotContains(t, list("", 9, start()), h.ID, "there is no agent to ban")
	h.AgentID = late
	within(t, s, func(tx enroll.Tx) error { return tx.PutHost(t.Context(), h) })
	all, err = s.Tombstones(t.Context(), "", 9, start())
	require.NoError(t, err)
	require.Contains(t, all, fleet.Tombstone{HostID: h.ID, AgentID: late})
	require.Contains(t, list("", 9, start()), identity.HostID("a"))

	bury(ends.Add(time.Second), fleet.Tombstone{HostID: "c", AgentID: agent("c"), Until: ends.Add(time.Hour)})
	require.NotContains(t, list("", 9, start()), identity.HostID("a"), "what is over goes with the next one")
	require.Contains(t, list("", 9, start()), identity.HostID("b"))
}
