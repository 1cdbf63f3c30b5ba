package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var ann = fleet.By{Actor: "person:ann", RequestID: "r1", From: "192.0.2.1"}

func text(s string) *string { return &s }

func label(key, value string) map[string]*string { return map[string]*string{key: &value} }

// edit changes a connector and returns what it is then.
func (w *world) edit(t *testing.T, id string, e fleet.Edit) fleet.Connector {
	t.Helper()
	require.NoError(t, w.EditMember(t.Context(), connector(id), e, ann))
	c, err := w.Connector(t.Context(), id)
	require.NoError(t, err)
	return c
}

// events are those of an action, oldest first.
func (w *world) events(t *testing.T, action audit.Action) (out []audit.Event) {
	t.Helper()
	all, err := w.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	for _, e := range all {
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

func TestOperatorsNameAndLabelMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c"), tunneler("t"))
	c := w.edit(t, "c", fleet.Edit{Name: text("Gateway"), Labels: map[string]*string{"env": text("prod"), "old": text("x")}, Notes: text("rack 7\n\tleft")})
	require.Equal(t, fleet.About{Name: "Gateway", Labels: access.Labels{"env": "prod", "old": "x"}, Notes: "rack 7\n\tleft", Revision: 2}, c.About)
	c = w.edit(t, "c", fleet.Edit{Labels: map[string]*string{"old": nil, "never": nil, "tier": text("web")}, Notes: text("")})
	require.Equal(t, fleet.About{Name: "Gateway", Labels: access.Labels{"env": "prod", "tier": "web"}, Revision: 3}, c.About)
	c = w.edit(t, "c", fleet.Edit{NoLabels: true, Labels: label("env", "test")})
	require.Equal(t, access.Labels{"env": "test"}, c.About.Labels)
	require.Nil(t, w.edit(t, "c", fleet.Edit{NoLabels: true}).About.Labels)

	require.NoError(t, w.EditHost(t.Context(), h.ID, fleet.Edit{Name: text("Box"), Labels: label("room", "12")}, ann))
	host, err := w.Host(t.Context(), h.ID)
	require.NoError(t, err)
	require.Equal(t, fleet.About{Name: "Box", Labels: access.Labels{"room": "12"}, Revision: 2}, host.Host.About)
	require.Len(t, host.Members, 2)
	tunneler, err := w.Tunneler(t.Context(), host.Members[1].ID)
	require.NoError(t, err)
	require.Equal(t, fleet.About{Revision: 1}, tunneler.About, "the tunneler of that host has its own")

	updates := w.events(t, audit.MemberUpdate)
	require.Len(t, updates, 4)
	require.Equal(t, []string{"person:ann", "connector/c", "r1", "192.0.2.1"}, []string{updates[0].Actor, updates[0].Target, updates[0].RequestID, updates[0].Source})
	require.JSONEq(t, `{"network_id":"default","revision":1}`, updates[0].Before)
	require.JSONEq(t, `{"name":"Gateway","labels":{"env":"prod","old":"x"},"notes":"rack 7\n\tleft","network_id":"default","revision":2}`, updates[0].After)
	require.Len(t, w.events(t, audit.HostUpdate), 1)
	lists, err := w.Lists(t.Context())
	require.NoError(t, err)
	p, err := lists.Hosts(t.Context(), fleet.Query{Limit: 9, Labels: []access.Label{{Key: "room", Value: "12"}}})
	require.NoError(t, err)
	require.Equal(t, 1, p.Total)
}

func TestAChangeThatIsNotRightChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c"), tunneler("t"))
	many := map[string]*string{}
	for i := range access.MaxLabels + 1 {
		many[fmt.Sprintf("k%d", i)] = text("v")
	}
	for name, tc := range map[string]struct {
		edit  fleet.Edit
		field string
	}{
		"a long name":                 {fleet.Edit{Name: text(strings.Repeat("ü", fleet.MaxName+1))}, "name"},
		"a name with a space around":  {fleet.Edit{Name: text(" a")}, "name"},
		"a name that draws":           {fleet.Edit{Name: text("a\x1b[2J")}, "name"},
		"a name of two lines":         {fleet.Edit{Name: text("a\nb")}, "name"},
		"a name that turns around":    {fleet.Edit{Name: text("a\u202eb")}, "name"},
		"long notes":                  {fleet.Edit{Notes: text(strings.Repeat("x", fleet.MaxNotes+1))}, "notes"},
		"notes that draw":             {fleet.Edit{Notes: text("\x1b]0;x\a")}, "notes"},
		"notes that are no text":      {fleet.Edit{Notes: text("\xff")}, "notes"},
		"a key in capitals":           {fleet.Edit{Labels: label("Env", "x")}, "labels"},
		"an empty key":                {fleet.Edit{Labels: label("", "x")}, "labels"},
		"an empty value":              {fleet.Edit{Labels: label("env", "")}, "labels"},
		"a key with =":                {fleet.Edit{Labels: label("env=a", "x")}, "labels"},
		"a value with a comma":        {fleet.Edit{Labels: label("env", "a,b")}, "labels"},
		"a value with =":              {fleet.Edit{Labels: label("env", "a=b")}, "labels"},
		"a key of 64":                 {fleet.Edit{Labels: label(strings.Repeat("a", 64), "x")}, "labels"},
		"a value of 64":               {fleet.Edit{Labels: label("env", strings.Repeat("a", 64))}, "labels"},
		"a key that ends with a dash": {fleet.Edit{Labels: label("env-", "x")}, "labels"},
		"a value with a line break":   {fleet.Edit{Labels: label("env", "a\n")}, "labels"},
		"a value of another script":   {fleet.Edit{Labels: label("env", "прод")}, "labels"},
		"33 labels":                   {fleet.Edit{Labels: many}, "labels"},
		"a network there is none of":  {fleet.Edit{NetworkID: text("nowhere")}, "network_id"},
		"no network":                  {fleet.Edit{NetworkID: text("")}, "network_id"},
	} {
		t.Run(name, func(t *testing.T) {
			var f *fleet.FieldError
			require.ErrorAs(t, w.EditMember(t.Context(), connector("c"), tc.edit, ann), &f)
			require.Equal(t, tc.field, f.Field)
		})
	}
	var f *fleet.FieldError
	require.ErrorAs(t, w.EditMember(t.Context(), tunneler("t"), fleet.Edit{NetworkID: text(fleet.DefaultNetwork)}, ann), &f, "a tunneler is in no network")
	require.ErrorAs(t, w.EditHost(t.Context(), h.ID, fleet.Edit{NetworkID: text(fleet.DefaultNetwork)}, ann), &f)
	require.ErrorIs(t, w.EditMember(t.Context(), connector("never"), fleet.Edit{Name: text("x")}, ann), fleet.ErrNotFound)
	require.ErrorIs(t, w.EditMember(t.Context(), tunneler("c"), fleet.Edit{Name: text("x")}, ann), fleet.ErrNotFound)
	require.ErrorIs(t, w.EditHost(t.Context(), "no", fleet.Edit{Name: text("x")}, ann), fleet.ErrNotFound)
	c, err := w.Connector(t.Context(), "c")
	require.NoError(t, err)
	require.Equal(t, fleet.About{Revision: 1}, c.About)
	require.Empty(t, w.events(t, audit.MemberUpdate))

	w.revoke(t, connector("c"))
	w.revoke(t, tunneler("t"))
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{Name: text("x")}, ann), fleet.ErrGone)
	require.ErrorIs(t, w.EditHost(t.Context(), h.ID, fleet.Edit{Name: text("x")}, ann), fleet.ErrGone)
}

// TestWhatIsAsItWasIsNotWritten: neither the revision nor the audit log nor those who
// follow learn of a change that is none.
func TestWhatIsAsItWasIsNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c"))
	named := fleet.Edit{Name: text("Gateway"), Labels: label("env", "prod"), Notes: text("n")}
	before := w.edit(t, "c", named)
	require.NoError(t, w.EditHost(t.Context(), h.ID, named, ann))
	at, err := w.store.ChangePosition(t.Context())
	require.NoError(t, err)
	for _, e := range []fleet.Edit{
		{},
		{Revision: 2},
		{Labels: map[string]*string{}},
		{Labels: map[string]*string{"never": nil}},
		{Name: text("Gateway")},
		named,
		{NoLabels: true, Labels: label("env", "prod")},
		{Notes: text("n"), Revision: 2},
	} {
		require.Equal(t, before, w.edit(t, "c", e))
		require.NoError(t, w.EditHost(t.Context(), h.ID, e, ann))
		e.NetworkID = text(fleet.DefaultNetwork)
		require.Equal(t, before, w.edit(t, "c", e))
	}
	now, err := w.store.ChangePosition(t.Context())
	require.NoError(t, err)
	require.Equal(t, at, now)
	_, err = w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "lab", Name: "Lab"}, ann)
	require.NoError(t, err)
	for _, e := range []fleet.NetworkEdit{{}, {Revision: 1}, {Name: text("Lab")}, {Name: text("Lab"), Revision: 1}} {
		n, err := w.EditNetwork(t.Context(), "lab", e, ann)
		require.NoError(t, err)
		require.Equal(t, int64(1), n.Revision)
	}
	require.Len(t, w.events(t, audit.MemberUpdate), 1)
	require.Len(t, w.events(t, audit.HostUpdate), 1)
	require.Empty(t, w.events(t, audit.NetworkUpdate))
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{Revision: 1}, ann), fleet.ErrStale)
	require.ErrorIs(t, w.EditHost(t.Context(), h.ID, fleet.Edit{Revision: 1}, ann), fleet.ErrStale)
	_, err = w.EditNetwork(t.Context(), "lab", fleet.NetworkEdit{Revision: 2}, ann)
	require.ErrorIs(t, err, fleet.ErrStale)
	w.revoke(t, connector("c"))
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{}, ann), fleet.ErrGone)
}

func TestTheSecondOfTwoWhoEditAtOnceIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c"))
	w.edit(t, "c", fleet.Edit{Name: text("one"), Revision: 1})
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{Name: text("two"), Revision: 1}, ann), fleet.ErrStale)
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{Name: text("two"), Revision: 3}, ann), fleet.ErrStale)
	require.ErrorIs(t, w.EditMember(t.Context(), connector("c"), fleet.Edit{NetworkID: text("gone"), Revision: 1}, ann), fleet.ErrStale, "the network may be gone for the same reason")
	require.Equal(t, "three", w.edit(t, "c", fleet.Edit{Name: text("three"), Revision: 2}).About.Name)
	require.Equal(t, "four", w.edit(t, "c", fleet.Edit{Name: text("four")}).About.Name, "who gives none overwrites")
	require.ErrorIs(t, w.EditHost(t.Context(), h.ID, fleet.Edit{Name: text("x"), Revision: 2}, ann), fleet.ErrStale)

	n, err := w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "lab"}, ann)
	require.NoError(t, err)
	_, err = w.EditNetwork(t.Context(), "lab", fleet.NetworkEdit{Name: text("Lab"), Revision: n.Revision}, ann)
	require.NoError(t, err)
	_, err = w.EditNetwork(t.Context(), "lab", fleet.NetworkEdit{Name: text("Laboratory"), Revision: n.Revision}, ann)
	require.ErrorIs(t, err, fleet.ErrStale)
}

func TestNetworksAreMadeRenamedAndDeletedWhenEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c"), connector("d"))
	n, err := w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "berlin"}, ann)
	require.NoError(t, err)
	require.Equal(t, fleet.Network{ID: "berlin", Name: "berlin", CreatedAt: w.clock.Now(), Revision: 1}, n)
	n, err = w.EditNetwork(t.Context(), "berlin", fleet.NetworkEdit{Name: text("Berlin office")}, ann)
	require.NoError(t, err)
	require.Equal(t, int64(2), n.Revision)
	got, err := w.Network(t.Context(), "berlin")
	require.NoError(t, err)
	require.Equal(t, n, got)

	for name, refused := range map[string]error{
		"twice":            errOf(w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "berlin", Name: "again"}, ann)),
		"that is there":    errOf(w.CreateNetwork(t.Context(), fleet.NetworkText{ID: fleet.DefaultNetwork}, ann)),
		"with a bad id":    errOf(w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "Berlin"}, ann)),
		"without an id":    errOf(w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "", Name: "x"}, ann)),
		"with a bad name":  errOf(w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "b2", Name: "a\x1b"}, ann)),
		"renamed, unknown": errOf(w.EditNetwork(t.Context(), "paris", fleet.NetworkEdit{Name: text("x")}, ann)),
		"renamed, empty":   errOf(w.EditNetwork(t.Context(), "berlin", fleet.NetworkEdit{Name: text("")}, ann)),
		"deleted, unknown": w.DeleteNetwork(t.Context(), "paris", ann),
		"deleted, default": w.DeleteNetwork(t.Context(), fleet.DefaultNetwork, ann),
	} {
		require.Error(t, refused, name)
	}

	w.edit(t, "c", fleet.Edit{NetworkID: text("berlin")})
	var used *fleet.InUseError
	require.ErrorAs(t, w.DeleteNetwork(t.Context(), "berlin", ann), &used)
	require.Equal(t, &fleet.InUseError{Connectors: []string{"c"}, Total: 1}, used)
	w.revoke(t, connector("c"))
	require.NoError(t, w.DeleteNetwork(t.Context(), "berlin", ann), "one that was revoked does not keep it")
	_, err = w.Network(t.Context(), "berlin")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	c, err := w.Connector(t.Context(), "c")
	require.NoError(t, err)
	require.Equal(t, fleet.DefaultNetwork, c.NetworkID, "nothing names a network that is gone")
	for action, times := range map[audit.Action]int{audit.NetworkCreate: 1, audit.NetworkUpdate: 1, audit.NetworkDelete: 1} {
		require.Len(t, w.events(t, action), times, action)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestNoMoreNetworksThanTunnelersCanFollow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) error {
		for i := range fleet.MaxNetworks - 1 {
			if err := tx.InsertNetwork(t.Context(), fleet.Network{ID: fmt.Sprintf("n-%d", i), Name: "x", Revision: 1}); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "one-more"}, ann)
	require.ErrorIs(t, err, fleet.ErrTooMany)
}

// TestAMoveIsANewPolicy: streams follow the policy, and the counts of both networks are
// right at once.
func TestAMoveIsANewPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enroll(t, connector("c"), connector("d"))
	_, err := w.CreateNetwork(t.Context(), fleet.NetworkText{ID: "berlin"}, ann)
	require.NoError(t, err)
	revision := func() uint64 {
		n, err := w.store.PolicyRevision(t.Context())
		require.NoError(t, err)
		return n
	}
	before := revision()
	w.edit(t, "c", fleet.Edit{Name: text("no news to tunnelers")})
	w.edit(t, "c", fleet.Edit{NetworkID: text(fleet.DefaultNetwork)})
	require.Equal(t, before, revision(), "it was there")
	require.Equal(t, "berlin", w.edit(t, "c", fleet.Edit{NetworkID: text("berlin")}).NetworkID)
	require.Equal(t, before+1, revision())
	lists, err := w.Lists(t.Context())
	require.NoError(t, err)
	require.Equal(t, fleet.Count{Total: 1}, lists.NetworkCount("berlin"))
	require.Equal(t, fleet.Count{Total: 1}, lists.NetworkCount(fleet.DefaultNetwork))
	moves := w.events(t, audit.MemberUpdate)
	require.Contains(t, moves[len(moves)-1].Before, `"network_id":"default"`)
	require.Contains(t, moves[len(moves)-1].After, `"network_id":"berlin"`)
}

func (w *world) labelled(t *testing.T) {
	t.Helper()
	w.enroll(t, connector("c1"), tunneler("t1"))
	w.enroll(t, connector("c2"))
	w.enroll(t, tunneler("t2"), tunneler("t3"))
	for _, who := range []identity.Workload{connector("c1"), tunneler("t1"), tunneler("t2")} {
		require.NoError(t, w.EditMember(t.Context(), who, fleet.Edit{Labels: label("env", "test")}, ann))
	}
}

func TestAllWithALabelAreRevokedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.labelled(t)
	env := []access.Label{{Key: "env", Value: "test"}}
	seen, err := w.Labelled(t.Context(), env, "")
	require.NoError(t, err)
	require.Len(t, seen.Members, 3)
	require.Empty(t, w.changes.Revoked(), "a look changes nothing")
	again, err := w.Labelled(t.Context(), env, "")
	require.NoError(t, err)
	require.Equal(t, seen.Digest(), again.Digest())

	done, err := w.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Selection: seen.Digest(), By: ann})
	require.NoError(t, err)
	require.Len(t, done, 3)
	require.Len(t, w.changes.Revoked(), 3)
	for who, lives := range map[identity.Workload]bool{connector("c1"): false, tunneler("t1"): false, tunneler("t2"): false, connector("c2"): true, tunneler("t3"): true} {
		require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) error {
			m, err := tx.Member(t.Context(), who)
			require.Equal(t, lives, m.Live(), who)
			return err
		}))
	}
	gone := w.events(t, audit.MemberRevoke)
	require.Len(t, gone, 3)
	require.Contains(t, gone[0].Reason, "env=test")
	require.Equal(t, "person:ann", gone[0].Actor)
	_, err = w.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Selection: seen.Digest(), By: ann})
	require.ErrorIs(t, err, fleet.ErrSelection, "they are gone")
}

func TestABulkRevocationThatIsNotMeantRevokesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.labelled(t)
	env := []access.Label{{Key: "env", Value: "test"}}
	digest := func(labels []access.Label, kind identity.Kind) string {
		s, err := w.Labelled(t.Context(), labels, kind)
		require.NoError(t, err)
		return s.Digest()
	}
	all := digest(env, "")
	for name, b := range map[string]fleet.BulkRevocation{
		"without a label":     {Selection: all},
		"of fewer":            {Labels: env, Selection: digest(env, identity.KindTunneler)},
		"of nobody":           {Labels: env, Selection: fleet.Selection{}.Digest()},
		"without a selection": {Labels: env},
		"of another value":    {Labels: []access.Label{{Key: "env", Value: "tes"}}, Selection: all},
		"of a label more":     {Labels: append(env, access.Label{Key: "tier", Value: "web"}), Selection: all},
		"of one kind":         {Labels: env, Kind: identity.KindConnector, Selection: all},
	} {
		b.By = ann
		_, err := w.RevokeLabelled(t.Context(), b)
		require.Error(t, err, name)
		if len(b.Labels) > 0 {
			require.ErrorIs(t, err, fleet.ErrSelection, name)
		}
	}
	_, err := w.Labelled(t.Context(), nil, "")
	require.ErrorIs(t, err, fleet.ErrNoLabels)
	require.Empty(t, w.changes.Revoked())
	require.Empty(t, w.events(t, audit.MemberRevoke))

	one := digest(env, identity.KindConnector)
	done, err := w.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Kind: identity.KindConnector, Selection: one, By: ann})
	require.NoError(t, err)
	require.Equal(t, "c1", done[0].ID)
	require.Len(t, w.changes.Revoked(), 1)
}

// TestABulkRevocationIsOfSoManyAtMost: it is one transaction, which holds up all others.
func TestABulkRevocationIsOfSoManyAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t)
	add := func(who ...identity.Workload) {
		require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
			for _, one := range who {
				m := w.member(one, h)
				m.About.Labels = access.Labels{"env": "test"}
				if err := tx.PutMember(t.Context(), m); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	many := []identity.Workload{connector("c")}
	for i := range fleet.MaxBulk - 1 {
		many = append(many, tunneler(fmt.Sprintf("t%d", i)))
	}
	add(many...)
	env := []access.Label{{Key: "env", Value: "test"}}
	most, err := w.Labelled(t.Context(), env, "")
	require.NoError(t, err)
	require.Len(t, most.Members, fleet.MaxBulk)
	add(tunneler("one-more"))
	_, err = w.Labelled(t.Context(), env, "")
	require.ErrorIs(t, err, fleet.ErrBulk)
	_, err = w.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Selection: most.Digest(), By: ann})
	require.ErrorIs(t, err, fleet.ErrBulk)
	require.Empty(t, w.changes.Revoked())
	apart, err := w.Labelled(t.Context(), env, identity.KindTunneler)
	require.NoError(t, err)
	require.Len(t, apart.Members, fleet.MaxBulk)
}

// swapped is a store in which something happens right before a transaction.
type swapped struct {
	fleet.Store
	before func()
}

func (s *swapped) FleetTx(ctx context.Context, fn func(fleet.Tx) error) error {
	if do := s.before; do != nil {
		s.before = nil
		do()
	}
	return s.Store.FleetTx(ctx, fn)
}

// TestABulkRevocationOfOthersThanWereSeenRevokesNobody: the number of members is the same
// before and after each of these changes, which come right before the transaction.
func TestABulkRevocationOfOthersThanWereSeenRevokesNobody(t *testing.T) {
	t.Parallel()
	env := []access.Label{{Key: "env", Value: "test"}}
	put := func(t *testing.T, w *world, m fleet.Member) {
		m.About.Labels = access.Labels{"env": "test"}
		require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.PutMember(t.Context(), m) }))
	}
	for name, change := range map[string]func(*testing.T, *world){
		"another has got the label of one": func(t *testing.T, w *world) {
			require.NoError(t, w.EditMember(t.Context(), tunneler("t1"), fleet.Edit{NoLabels: true}, ann))
			require.NoError(t, w.EditMember(t.Context(), tunneler("t3"), fleet.Edit{Labels: label("env", "test")}, ann))
		},
		"another host has the id": func(t *testing.T, w *world) {
			put(t, w, w.member(connector("c1"), w.enroll(t)))
		},
		"one was revoked, and another has come": func(t *testing.T, w *world) {
			w.revoke(t, tunneler("t2"))
			put(t, w, w.member(tunneler("t9"), w.enroll(t)))
		},
		"one was enrolled again on its host": func(t *testing.T, w *world) {
			c, err := w.Connector(t.Context(), "c1")
			require.NoError(t, err)
			c.EnrolledAt = c.EnrolledAt.Add(time.Microsecond)
			put(t, w, c.Member)
		},
		"a tunneler has the id of a connector": func(t *testing.T, w *world) {
			require.NoError(t, w.EditMember(t.Context(), connector("c1"), fleet.Edit{NoLabels: true}, ann))
			put(t, w, w.member(tunneler("c1"), w.enroll(t)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.labelled(t)
			c := w.config()
			s := &swapped{Store: w.store}
			c.Store = s
			f := fleet.New(c)
			seen, err := f.Labelled(t.Context(), env, "")
			require.NoError(t, err)
			before := 0
			s.before = func() {
				change(t, w)
				before = len(w.changes.Revoked())
			}
			_, err = f.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Selection: seen.Digest(), By: ann})
			require.ErrorIs(t, err, fleet.ErrSelection)
			require.Len(t, w.changes.Revoked(), before)
			now, err := f.Labelled(t.Context(), env, "")
			require.NoError(t, err)
			require.Len(t, now.Members, len(seen.Members))
			done, err := f.RevokeLabelled(t.Context(), fleet.BulkRevocation{Labels: env, Selection: now.Digest(), By: ann})
			require.NoError(t, err)
			require.Len(t, done, 3)
		})
	}
}

// TestASelectionIsOfItsMembersAlone: what operators say of a member, and what it says of
// itself, is no other member.
func TestASelectionIsOfItsMembersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.labelled(t)
	env := []access.Label{{Key: "env", Value: "test"}}
	before, err := w.Labelled(t.Context(), env, "")
	require.NoError(t, err)
	w.edit(t, "c1", fleet.Edit{Name: text("another name"), Labels: label("tier", "web")})
	w.edit(t, "c2", fleet.Edit{Labels: label("env", "testing")})
	after, err := w.Labelled(t.Context(), env, "")
	require.NoError(t, err)
	require.Equal(t, before.Digest(), after.Digest())
	slices.Reverse(after.Members)
	require.Equal(t, before.Digest(), after.Digest(), "in any order")
}

// FuzzParseLabel: what is taken can be written and read again.
func FuzzParseLabel(f *testing.F) {
	for _, seed := range []string{"env=prod", "=", "a=b=c", "a", "", "A=b", "a=", "a.b/c_d-e=F.1_2-3", "env=\x00", "env=prod,tier=web"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := access.ParseLabel(s)
		if err != nil {
			return
		}
		require.Equal(t, s, l.String())
		require.NotContains(t, s, ",")
		require.LessOrEqual(t, len(s), 127)
	})
}

func TestANetworkDeclaresPrefixes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	n, err := w.CreateNetwork(ctx, fleet.NetworkText{ID: "berlin", Prefixes: []string{"10.1.0.0/16", "fd00::1", "10.1.0.0/16"}}, ann)
	require.NoError(t, err)
	require.Equal(t, []string{"10.1.0.0/16", "fd00::1"}, access.PrefixTexts(n.Prefixes))
	revision := func() uint64 {
		at, err := w.store.PolicyRevision(ctx)
		require.NoError(t, err)
		return at
	}
	before := revision()
	for _, e := range []fleet.NetworkEdit{{Name: text("Berlin")}, {Prefixes: &[]string{"fd00::1", "10.1.0.0/16"}}} {
		n, err = w.EditNetwork(ctx, "berlin", e, ann)
		require.NoError(t, err)
	}
	require.Equal(t, int64(2), n.Revision, "the same prefixes are no change")
	require.Equal(t, before, revision(), "a name decides nothing")
	n, err = w.EditNetwork(ctx, "berlin", fleet.NetworkEdit{Prefixes: &[]string{}}, ann)
	require.NoError(t, err)
	require.Empty(t, n.Prefixes)
	require.Equal(t, before+1, revision(), "connectors decide by prefixes")
	for name, refused := range map[string]error{
		"made with a name as prefix": errOf(w.CreateNetwork(ctx, fleet.NetworkText{ID: "paris", Prefixes: []string{"10.0.0.0/8", "corp"}}, ann)),
		"with too many": errOf(w.EditNetwork(ctx, "berlin", fleet.NetworkEdit{Prefixes: func() *[]string {
			many := make([]string, access.MaxPrefixes+1)
			return &many
		}()}, ann)),
		"with half a prefix": errOf(w.EditNetwork(ctx, "berlin", fleet.NetworkEdit{Prefixes: &[]string{"10.0.0.0/"}}, ann)),
	} {
		var f *access.FieldError
		require.ErrorAs(t, refused, &f, name)
	}
}

func TestANetworkWithResourcesIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.CreateNetwork(ctx, fleet.NetworkText{ID: "berlin"}, ann)
	require.NoError(t, err)
	db, err := access.ResourceText{ID: "db", NetworkID: "berlin", Name: "db", Hosts: []string{"db"}, Ports: []string{"22"}}.Parse()
	require.NoError(t, err)
	rules := func(fn func(tx policy.RulesTx) error) { require.NoError(t, w.store.RulesTx(ctx, fn)) }
	rules(func(tx policy.RulesTx) error {
		return tx.InsertResource(ctx, policy.Resource{Resource: db, Revision: 1})
	})
	var used *fleet.InUseError
	require.ErrorAs(t, w.DeleteNetwork(ctx, "berlin", ann), &used)
	require.Equal(t, &fleet.InUseError{Resources: []string{"db"}, Total: 1}, used)
	require.Equal(t, "a resource is in the network (db): delete them first", used.Error())
	rules(func(tx policy.RulesTx) error { return tx.DeleteResource(ctx, "db") })
	require.NoError(t, w.DeleteNetwork(ctx, "berlin", ann))
}
