package fleet_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alone := w.enroll(t, connector("alone"))
	shared := w.enroll(t, connector("c-01"), tunneler("t-01"))
	bystander := w.enroll(t, connector("bystander"))
	before, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)

	for name, who := range map[string]identity.Workload{
		"a connector that never was":             connector("unknown"),
		"a tunneler with the id of a connector":  tunneler("alone"),
		"a connector with the id of a tunneler":  connector("t-01"),
		"an id that differs in case":             connector("ALONE"),
		"a connector whose id is a LIKE pattern": connector("%"),
		"a connector with an id that is no id":   connector("' OR 1=1 --"),
	} {
		err := w.Revoke(t.Context(), fleet.Revocation{Workload: who})
		require.ErrorIs(t, err, fleet.ErrNotFound, name)
	}
	require.Error(t, w.Revoke(t.Context(), fleet.Revocation{Workload: identity.Workload{Kind: identity.KindController, ID: "controller-01"}}))
	after, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after, "a refusal changes nothing")
	require.Empty(t, w.changes.Revoked())

	t.Log("the last role takes its host with it")
	w.revoke(t, connector("alone"))
	require.Equal(t, w.clock.Now(), w.host(t, alone.ID).RevokedAt)
	t.Log("one of two roles does not")
	w.revoke(t, tunneler("t-01"))
	require.True(t, w.host(t, shared.ID).RevokedAt.IsZero())
	w.revoke(t, connector("c-01"))
	require.False(t, w.host(t, shared.ID).RevokedAt.IsZero())
	require.True(t, w.host(t, bystander.ID).RevokedAt.IsZero())

	t.Log("revoking again changes nothing, also not the time")
	first := w.host(t, alone.ID).RevokedAt
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	revision, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)
	w.clock.Advance(time.Hour)
	w.revoke(t, connector("alone"))
	require.Equal(t, first, w.host(t, alone.ID).RevokedAt)
	again, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Equal(t, revision, again)
	require.Len(t, w.changes.Revoked(), 3)

	moreEvents, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(events, moreEvents))
	require.Len(t, events, 3)
	require.Empty(t, cmp.Diff(audit.Event{
		Time: first, Actor: "key:test", Action: audit.MemberRevoke, Target: "connector/alone", Outcome: audit.Success,
		Reason: "host/" + string(alone.ID), RequestID: "r1", Source: "192.0.2.1:1",
		Before: events[0].Before, After: events[0].After,
	}, events[0]))
	id, at := string(alone.ID), stamp(first)
	require.JSONEq(t, `{"status":"enrolled","host":"`+id+`","enrolled_at":`+at+`}`, events[0].Before)
	require.JSONEq(t, `{"status":"revoked","host":"`+id+`","enrolled_at":`+at+`,"revoked_at":`+at+`}`, events[0].After)
}

// TestACloneIsRecordedWithWhatItChanged: the finding, and the revocation that
// follows where that is the policy.
func TestACloneIsRecordedWithWhatItChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restart(fleet.CloneQuarantine)
	h := w.enroll(t, tunneler("t-01"))
	require.ErrorIs(t, w.visits(t, tunneler("t-01"), instances("a", "b", "a")...), fleet.ErrRevoked)
	events, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Len(t, events, 2)
	cloned, revoked := events[0], events[1]
	require.Equal(t, audit.HostCloned, cloned.Action)
	require.JSONEq(t, `{"status":"enrolled"}`, cloned.Before)
	require.JSONEq(t, `{"status":"enrolled","cloned_at":`+stamp(w.clock.Now())+`,"clone":"`+string(fleet.TwoPrograms)+`"}`, cloned.After)
	require.Equal(t, audit.MemberRevoke, revoked.Action)
	require.Contains(t, revoked.Before, `"status":"enrolled","host":"`+string(h.ID)+`"`)
	require.Contains(t, revoked.After, `"status":"revoked","host":"`+string(h.ID)+`"`)
}

func stamp(at time.Time) string { return at.UTC().Format(`"` + time.RFC3339Nano + `"`) }

func TestAdmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"), tunneler("t-01"))
	w.enroll(t, connector("revoked"), tunneler("revoked"))
	w.revoke(t, connector("revoked"))
	w.revoke(t, tunneler("revoked"))
	now := w.clock.Now()
	issued := now.Add(-10 * time.Second).Truncate(time.Second) // what SPIRE writes at the moment of enrollment
	for name, c := range map[string]struct {
		id        string
		notBefore time.Time
		refused   bool
	}{
		"an SVID of the moment of enrollment":       {"c-01", issued, false},
		"an SVID of later":                          {"c-01", now.Add(time.Hour), false},
		"an SVID issued a second before enrollment": {"c-01", issued.Add(-time.Second), true},
		"an SVID of a former holder":                {"c-01", now.Add(-time.Hour), true},
		"an SVID without a notBefore":               {"c-01", time.Time{}, true},
		"a member that was never enrolled":          {"unknown", now, true},
		"no id":                                     {"", now, true},
		"a revoked member":                          {"revoked", now.Add(time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			u := strings.Replace(c.id, "c-", "t-", 1)
			issueC, issueU := w.issue(t, connector(c.id), c.notBefore), w.issue(t, tunneler(u), c.notBefore)
			errs := []error{
				w.AdmitConnector(t.Context(), fleet.Hello{ID: c.id}, issueC),
				w.AdmitTunneler(t.Context(), fleet.Hello{ID: u}, issueU),
			}
			for _, err := range errs {
				if c.refused {
					require.ErrorIs(t, err, fleet.ErrRevoked)
				} else {
					require.NoError(t, err)
				}
			}
		})
	}
}

// TestAFormerHolderIsRefusedWheneverItsSVIDWasIssued: until SPIRE has heard, the agent
// of a replaced host still gets SVIDs, which are as young as those of its successor.
func TestAFormerHolderIsRefusedWheneverItsSVIDWasIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"), tunneler("t-01"))
	formerC, formerU := w.issue(t, connector("c-01"), w.clock.Now()), w.issue(t, tunneler("t-01"), w.clock.Now())
	w.clock.Advance(time.Minute)
	w.enroll(t, connector("c-01"), tunneler("t-01"))
	for _, late := range []time.Duration{-10 * time.Second, 0, time.Second, 500 * time.Millisecond, time.Hour} {
		formerC.NotBefore, formerU.NotBefore = w.clock.Now().Add(late), w.clock.Now().Add(late)
		require.ErrorIs(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01"}, formerC), fleet.ErrRevoked)
		require.ErrorIs(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01"}, formerU), fleet.ErrRevoked)
		nobody := identity.Issue{NotBefore: w.clock.Now().Add(late)} // an SVID that names no host
		require.ErrorIs(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01"}, nobody), fleet.ErrRevoked)
		require.ErrorIs(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01"}, nobody), fleet.ErrRevoked)
	}
	require.NoError(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01"}, w.issue(t, connector("c-01"), w.clock.Now())))
	require.NoError(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01"}, w.issue(t, tunneler("t-01"), w.clock.Now())))
}

// TestTheFirstUseOfAnIDIsNotedAtOnce: whichever stream it is on, and without waiting
// for a report or for the next flush of the roster; a refused stream is no use.
func TestTheFirstUseOfAnIDIsNotedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"), tunneler("t-01"))
	first := func() (c, u time.Time) {
		t.Helper()
		connectors, err := w.store.Connectors(t.Context())
		require.NoError(t, err)
		tunnelers, err := w.store.Tunnelers(t.Context())
		require.NoError(t, err)
		return connectors[0].FirstSeenAt, tunnelers[0].FirstSeenAt
	}
	now := w.clock.Now()
	require.Error(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01"}, w.issue(t, connector("c-01"), now.Add(-time.Hour))))
	require.Error(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01"}, w.issue(t, tunneler("t-01"), now.Add(-time.Hour))))
	c, u := first()
	require.True(t, c.IsZero() && u.IsZero())
	for range 2 { // the second time changes nothing
		require.NoError(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01"}, w.issue(t, connector("c-01"), now)))
		require.NoError(t, w.AdmitTunneler(t.Context(), fleet.Hello{ID: "t-01"}, w.issue(t, tunneler("t-01"), now)))
		c, u = first()
		require.Equal(t, now, c)
		require.Equal(t, now, u)
		w.clock.Advance(time.Minute)
	}
}

// TestHelloMovesAConnector: the policy gets a new revision exactly when an address
// changed.
func TestHelloMovesAConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"))
	revision := func() uint64 {
		t.Helper()
		n, err := w.store.PolicyRevision(t.Context())
		require.NoError(t, err)
		return n
	}
	admit := func(addresses ...string) uint64 {
		t.Helper()
		require.NoError(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01", Version: "v2", PrivateIP: "10.0.0.7", Addresses: addresses}, w.issue(t, connector("c-01"), w.clock.Now())))
		return revision()
	}
	start := revision()
	require.Equal(t, start, admit(), "no address, as before")
	require.Equal(t, start+1, admit("b:1", "a:1"))
	require.Equal(t, start+1, admit("b:1", "a:1"), "the same again")
	require.Equal(t, start+2, admit("a:1", "b:1"), "the order is the connector's preference")
	all, err := w.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a:1", "b:1"}, all[0].Addresses)
	require.Equal(t, "10.0.0.7", all[0].PrivateIP)
	require.Equal(t, "v2", all[0].Version)

	mine := []string{"z:1", "a:1"}
	require.NoError(t, w.AdmitConnector(t.Context(), fleet.Hello{ID: "c-01", Addresses: mine}, w.issue(t, connector("c-01"), w.clock.Now())))
	require.Equal(t, []string{"z:1", "a:1"}, mine, "the caller's slice is left alone")
}

// TestAConnectorThatMovesAgainAndAgainIsRefused: all members hear of each move.
func TestAConnectorThatMovesAgainAndAgainIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"))
	w.enroll(t, connector("c-02"))
	move := func(id, to string) error {
		return w.AdmitConnector(t.Context(), fleet.Hello{ID: id, Addresses: []string{to}}, w.issue(t, connector(id), w.clock.Now()))
	}
	const burst = 10
	for i := range burst {
		require.NoError(t, move("c-01", fmt.Sprintf("a:%d", 1+i)))
	}
	before, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, move("c-01", "b:1"), fleet.ErrMovesTooOften)
	require.NoError(t, move("c-01", "a:10"), "at the address that is known it is welcome")
	after, err := w.store.PolicyRevision(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after, "nobody hears of it")
	c, err := w.Connector(t.Context(), "c-01")
	require.NoError(t, err)
	require.Equal(t, []string{"a:10"}, c.Addresses)

	require.NoError(t, move("c-02", "b:1"), "another one is not held up")
	w.clock.Advance(30 * time.Second)
	require.NoError(t, move("c-01", "b:1"))
}

func TestListsHavePresence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c-01"), tunneler("t-01"))
	w.enroll(t, connector("c-02"))
	seen := w.clock.Now()
	w.clock.Advance(time.Hour)
	require.NoError(t, w.store.SaveSeen(t.Context(), []presence.Seen{{Workload: connector("c-02"), At: seen}, {Workload: tunneler("t-01"), At: seen, Connector: "c-02"}}))
	w.roster.ConnectorUp(presence.Arrival{ID: "c-01"}, "192.0.2.1:1", presence.SVID{})

	connectors, err := w.Connectors(t.Context())
	require.NoError(t, err)
	require.Len(t, connectors, 2)
	require.Equal(t, presence.Online, connectors[0].Presence.Status)
	require.Equal(t, presence.State{Status: presence.Offline, LastSeen: seen}, connectors[1].Presence)
	tunnelers, err := w.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, presence.State{Status: presence.Offline, LastSeen: seen}, tunnelers[0].Presence)
	require.Equal(t, "c-02", tunnelers[0].ConnectorID, "the stored one")
	w.roster.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Version: "v2", Since: w.clock.Now()})
	tunnelers, err = w.Tunnelers(t.Context())
	require.NoError(t, err)
	require.Equal(t, "c-01", tunnelers[0].ConnectorID, "the one that reports it now")
	require.Equal(t, "v2", tunnelers[0].Version)
	require.Equal(t, w.clock.Now(), tunnelers[0].LastSeenAt, "what is in memory is newer than what is stored")
}

func TestParseSelector(t *testing.T) {
	t.Parallel()
	s, err := fleet.ParseSelector("unix:path:/usr/bin/a:b")
	require.NoError(t, err)
	require.Equal(t, fleet.Selector{Type: "unix", Value: "path:/usr/bin/a:b"}, s)
	require.Equal(t, "unix:path:/usr/bin/a:b", s.String())
	for _, bad := range []string{"", "unix", ":path", "unix:"} {
		_, err := fleet.ParseSelector(bad)
		require.Error(t, err, bad)
	}
}

func TestEntryForRefusesABadID(t *testing.T) {
	t.Parallel()
	_, err := fleet.EntryFor(fleet.Member{Workload: connector("../controller/x")}, fleet.Host{}, td, svidOf)
	require.ErrorIs(t, errors.Join(err), identity.ErrInvalidID)
}
