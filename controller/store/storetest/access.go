package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

func rules(t *testing.T, s Store, fn func(policy.RulesTx) error) {
	t.Helper()
	require.NoError(t, s.RulesTx(t.Context(), fn))
}

// resource is one with everything.
func resource(t *testing.T, id string) policy.Resource {
	t.Helper()
	r, err := access.ResourceText{
		ID: id, NetworkID: fleet.DefaultNetwork, Name: "The " + id, Hosts: []string{id + ".corp"}, Ports: []string{"22", "8000-8100"},
		Alias: id + ".alias", ProxyProtocol: "v2", Labels: access.Labels{"env": "prod", "app.corp/name": id},
	}.Parse()
	require.NoError(t, err)
	return policy.Resource{Resource: r, CreatedAt: start(), Revision: 1}
}

// grant is one with everything.
func grant(t *testing.T, id, subject, object string) policy.Grant {
	t.Helper()
	g, err := access.GrantText{
		ID: id, Subject: subject, Object: object, Until: start().Add(time.Hour), TimeZone: "Europe/Berlin", Windows: []string{"mon-fri 08:00-18:00", "sat 10:00-12:00"},
	}.Parse(new(access.Zones))
	require.NoError(t, err)
	return policy.Grant{Grant: g, CreatedAt: start(), Revision: 1}
}

func resources(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := t.Context()
	_, err := s.ResourceByID(ctx, "db")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	db, plain := resource(t, "db"), resource(t, "plain")
	plain.Alias, plain.ProxyProtocol, plain.Labels = "", "", nil
	before, err := s.ChangePosition(ctx)
	require.NoError(t, err)
	rules(t, s, func(tx policy.RulesTx) error {
		require.NoError(t, tx.InsertResource(ctx, db))
		require.NoError(t, tx.InsertResource(ctx, plain))
		n, err := tx.CountResources(ctx)
		require.Equal(t, 2, n)
		return err
	})
	changes, err := s.Changes(ctx, before, 10)
	require.NoError(t, err)
	require.Equal(t, []changelog.Change{
		{Seq: before + 1, Kind: changelog.Resource, ID: "db", Op: changelog.Created}, {Seq: before + 2, Kind: changelog.Resource, ID: "plain", Op: changelog.Created},
	}, changes)
	got, err := s.ResourceByID(ctx, "db")
	require.NoError(t, err)
	require.Equal(t, db, got)
	all, err := s.Resources(ctx)
	require.NoError(t, err)
	require.Equal(t, []policy.Resource{db, plain}, all)

	require.Error(t, s.RulesTx(ctx, func(tx policy.RulesTx) error { return tx.InsertResource(ctx, db) }), "twice")
	twin := resource(t, "twin")
	twin.Alias = db.Alias
	require.Error(t, s.RulesTx(ctx, func(tx policy.RulesTx) error { return tx.InsertResource(ctx, twin) }), "an alias of two")
	rules(t, s, func(tx policy.RulesTx) error {
		for alias, want := range map[string]string{"db.alias": "db", "none": "", "": ""} {
			id, err := tx.ResourceWithAlias(ctx, alias)
			require.NoError(t, err)
			require.Equal(t, want, id, alias)
		}
		return nil
	})
	require.NoError(t, s.FleetTx(ctx, func(tx fleet.Tx) error {
		for network, want := range map[string]int{fleet.DefaultNetwork: 2, "other": 0} {
			_, total, err := tx.ResourcesIn(ctx, network, 1)
			require.NoError(t, err)
			require.Equal(t, want, total, network)
		}
		first, _, err := tx.ResourcesIn(ctx, fleet.DefaultNetwork, 1)
		require.Equal(t, []string{"db"}, first)
		return err
	}))

	moved := resource(t, "db")
	moved.Name, moved.Hosts, moved.Ports, moved.Alias, moved.ProxyProtocol, moved.Labels, moved.Revision = "x", plain.Hosts, plain.Ports[:1], "", "", access.Labels{"a": "b"}, 2
	rules(t, s, func(tx policy.RulesTx) error { return tx.UpdateResource(ctx, moved) })
	got, err = s.ResourceByID(ctx, "db")
	require.NoError(t, err)
	require.Equal(t, moved, got)
	rules(t, s, func(tx policy.RulesTx) error {
		require.NoError(t, tx.DeleteResource(ctx, "db"))
		return tx.DeleteResource(ctx, "none")
	})
	changes, err = s.Changes(ctx, before+2, 10)
	require.NoError(t, err)
	require.Equal(t, []changelog.Change{
		{Seq: before + 3, Kind: changelog.Resource, ID: "db", Op: changelog.Changed}, {Seq: before + 4, Kind: changelog.Resource, ID: "db", Op: changelog.Deleted},
	}, changes, "what met no row is no change")
	_, err = s.ResourceByID(ctx, "db")
	require.ErrorIs(t, err, fleet.ErrNotFound)
}

func grants(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := t.Context()
	_, err := s.GrantByID(ctx, "g1")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	one, two, three := grant(t, "g1", "tunneler/a", "resource/db"), grant(t, "g2", "label/team=dev", "resource/db"), grant(t, "g3", "label/team=dev", "label/env=prod")
	two.Until, two.Schedule = time.Time{}, access.Schedule{}
	before, err := s.ChangePosition(ctx)
	require.NoError(t, err)
	rules(t, s, func(tx policy.RulesTx) error {
		for _, g := range []policy.Grant{one, two, three} {
			require.NoError(t, tx.InsertGrant(ctx, g))
		}
		n, err := tx.CountGrants(ctx)
		require.Equal(t, 3, n)
		return err
	})
	all, err := s.Grants(ctx)
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, want := range []policy.Grant{one, two, three} {
		got, err := s.GrantByID(ctx, want.ID)
		require.NoError(t, err)
		for _, g := range []policy.Grant{got, all[i]} {
			require.True(t, want.Equal(g.Grant))
			require.Equal(t, want.CreatedAt, g.CreatedAt)
			require.Equal(t, want.Revision, g.Revision)
		}
	}
	rules(t, s, func(tx policy.RulesTx) error {
		first, total, err := tx.GrantsOf(ctx, one.Object, 1)
		require.NoError(t, err)
		require.Equal(t, []string{"g1"}, first)
		require.Equal(t, 2, total)
		_, total, err = tx.GrantsOf(ctx, access.ResourceObject("d"), 1)
		require.Zero(t, total)
		return err
	})
	require.Error(t, s.RulesTx(ctx, func(tx policy.RulesTx) error { return tx.InsertGrant(ctx, one) }), "twice")

	changed := grant(t, "g1", "label/a=b", "label/c=d")
	changed.Until, changed.Schedule, changed.Revision = two.Until, two.Schedule, 2
	rules(t, s, func(tx policy.RulesTx) error { return tx.UpdateGrant(ctx, changed) })
	got, err := s.GrantByID(ctx, "g1")
	require.NoError(t, err)
	require.True(t, changed.Equal(got.Grant))
	require.Equal(t, int64(2), got.Revision)
	rules(t, s, func(tx policy.RulesTx) error {
		require.NoError(t, tx.DeleteGrant(ctx, "g1"))
		return tx.DeleteGrant(ctx, "none")
	})
	_, err = s.GrantByID(ctx, "g1")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	changes, err := s.Changes(ctx, before, 10)
	require.NoError(t, err)
	var got2 []string
	for _, c := range changes {
		got2 = append(got2, fmt.Sprint(c.Kind, " ", c.ID, " ", c.Op))
	}
	require.Equal(t, []string{"grant g1 created", "grant g2 created", "grant g3 created", "grant g1 changed", "grant g1 deleted"}, got2)
}

// accessPages reads all orders and filters, one thing a page.
func accessPages(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := t.Context()
	a, b, c := resource(t, "a"), resource(t, "b"), resource(t, "c")
	a.Name, b.Name, c.Name = "same", "same", "Other"
	b.Labels = access.Labels{"env": "dev"}
	one, two, three := grant(t, "g1", "tunneler/z", "resource/a"), grant(t, "g2", "label/team=dev", "resource/b"), grant(t, "g3", "tunneler/y", "label/env=prod")
	two.Until = time.Time{}
	three.Until = start()
	rules(t, s, func(tx policy.RulesTx) error {
		c.NetworkID = "lab"
		for _, r := range []policy.Resource{a, b, c} {
			require.NoError(t, tx.InsertResource(ctx, r))
		}
		for _, g := range []policy.Grant{one, two, three} {
			require.NoError(t, tx.InsertGrant(ctx, g))
		}
		return nil
	})
	label := func(texts string) []access.Label {
		l, err := access.ParseLabels(texts)
		require.NoError(t, err)
		return l
	}
	for name, tc := range map[string]struct {
		q    policy.ResourceQuery
		want string
	}{
		"by id":                  {policy.ResourceQuery{}, "abc"},
		"by id, descending":      {policy.ResourceQuery{Query: fleet.Query{Descending: true}}, "cba"},
		"by name":                {policy.ResourceQuery{Query: fleet.Query{Sort: policy.ByName}}, "cab"},
		"by name, descending":    {policy.ResourceQuery{Query: fleet.Query{Sort: policy.ByName, Descending: true}}, "bac"},
		"of a network":           {policy.ResourceQuery{NetworkID: "lab"}, "c"},
		"with a label":           {policy.ResourceQuery{Query: fleet.Query{Labels: label("env=prod")}}, "ac"},
		"with two labels":        {policy.ResourceQuery{Query: fleet.Query{Labels: label("env=prod,app.corp/name=c")}}, "c"},
		"with no such label":     {policy.ResourceQuery{Query: fleet.Query{Labels: label("env=test")}}, ""},
		"found by its name":      {policy.ResourceQuery{Query: fleet.Query{Search: "SAME"}}, "ab"},
		"found by a host":        {policy.ResourceQuery{Query: fleet.Query{Search: "b.corp"}}, "b"},
		"not found by a pattern": {policy.ResourceQuery{Query: fleet.Query{Search: "%"}}, ""},
	} {
		walkPages(t, name, tc.want, tc.q.Query, func(q fleet.Query) (fleet.Page[policy.Resource], error) {
			tc.q.Query = q
			return s.ResourcePage(ctx, tc.q)
		}, func(r policy.Resource) string { return r.ID })
	}
	for name, tc := range map[string]struct {
		q    policy.GrantQuery
		want string
	}{
		"by id":              {policy.GrantQuery{}, "g1g2g3"},
		"by subject":         {policy.GrantQuery{Query: fleet.Query{Sort: policy.BySubject}}, "g2g3g1"},
		"by object":          {policy.GrantQuery{Query: fleet.Query{Sort: policy.ByObject}}, "g3g1g2"},
		"by end":             {policy.GrantQuery{Query: fleet.Query{Sort: policy.ByUntil}}, "g3g1g2"},
		"by end, descending": {policy.GrantQuery{Query: fleet.Query{Sort: policy.ByUntil, Descending: true}}, "g2g1g3"},
		"of a subject":       {policy.GrantQuery{Subject: "label/team=dev"}, "g2"},
		"of an object":       {policy.GrantQuery{Object: "label/env=prod"}, "g3"},
		"found by an object": {policy.GrantQuery{Query: fleet.Query{Search: "Resource/"}}, "g1g2"},
		"found by nothing":   {policy.GrantQuery{Query: fleet.Query{Search: "x"}}, ""},
	} {
		walkPages(t, name, tc.want, tc.q.Query, func(q fleet.Query) (fleet.Page[policy.Grant], error) {
			tc.q.Query = q
			return s.GrantPage(ctx, tc.q)
		}, func(g policy.Grant) string { return g.ID })
	}
	_, err := s.GrantPage(ctx, policy.GrantQuery{Query: fleet.Query{Sort: policy.ByUntil, Limit: 1, After: fleet.Place{Key: "07", ID: "a"}}})
	require.ErrorIs(t, err, fleet.ErrPlace)
}

// walkPages reads one thing a page, and all at once.
func walkPages[T any](t *testing.T, name, want string, q fleet.Query, read func(fleet.Query) (fleet.Page[T], error), id func(T) string) {
	t.Helper()
	for _, limit := range []int{1, 10} {
		q.Limit, q.After = limit, fleet.Place{}
		got := ""
		for n := 0; ; n++ {
			require.Less(t, n, 10, name)
			p, err := read(q)
			require.NoError(t, err, name)
			for _, it := range p.Items {
				got += id(it)
			}
			if n == 0 {
				require.LessOrEqual(t, len(p.Items), p.Total, name)
			}
			if q.After = p.Next; p.Next == (fleet.Place{}) {
				break
			}
		}
		require.Equal(t, want, got, name)
	}
}

func networkPrefixes(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := context.Background()
	n := fleet.Network{ID: "lab", Name: "lab", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::1/128")}, CreatedAt: start(), Revision: 1}
	require.NoError(t, s.FleetTx(ctx, func(tx fleet.Tx) error { return tx.InsertNetwork(ctx, n) }))
	got, err := s.NetworkByID(ctx, "lab")
	require.NoError(t, err)
	require.Equal(t, n, got)
	n.Prefixes, n.Revision = nil, 2
	require.NoError(t, s.FleetTx(ctx, func(tx fleet.Tx) error { return tx.UpdateNetwork(ctx, n) }))
	got, err = s.NetworkByID(ctx, "lab")
	require.NoError(t, err)
	require.Equal(t, n, got)
}
