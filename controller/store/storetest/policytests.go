package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// policyTest is one with everything.
func policyTest(t *testing.T, id, subject, target string) policy.Test {
	t.Helper()
	p, err := policy.TestText{ID: id, Subject: subject, Target: target, NetworkID: fleet.DefaultNetwork, Expect: "refuse", Note: "because of " + id}.Parse()
	require.NoError(t, err)
	p.CreatedAt, p.Revision = start(), 1
	return p
}

func policyTests(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := t.Context()
	_, err := s.PolicyTestByID(ctx, "a")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	before, err := s.ChangePosition(ctx)
	require.NoError(t, err)
	a, b, c := policyTest(t, "a", "tunneler/z", "db.corp:1"), policyTest(t, "b", "label/team=dev", "[fd00::1]:22"), policyTest(t, "c", "tunneler/z", "a.corp:2")
	rules(t, s, func(tx policy.RulesTx) error {
		for _, p := range []policy.Test{a, b, c} {
			require.NoError(t, tx.InsertPolicyTest(ctx, p))
		}
		n, err := tx.CountPolicyTests(ctx)
		require.Equal(t, 3, n)
		return err
	})
	require.Error(t, s.RulesTx(ctx, func(tx policy.RulesTx) error { return tx.InsertPolicyTest(ctx, a) }), "twice")
	got, err := s.PolicyTestByID(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, b, got)
	all, err := s.PolicyTests(ctx)
	require.NoError(t, err)
	require.Equal(t, []policy.Test{a, b, c}, all)
	for name, tc := range map[string]struct {
		q    policy.TestQuery
		want string
	}{
		"by id":              {policy.TestQuery{}, "abc"},
		"by subject":         {policy.TestQuery{Query: fleet.Query{Sort: policy.BySubject}}, "bac"},
		"by target":          {policy.TestQuery{Query: fleet.Query{Sort: policy.ByTarget}}, "bca"},
		"of a subject":       {policy.TestQuery{Subject: "tunneler/z"}, "ac"},
		"found by its note":  {policy.TestQuery{Query: fleet.Query{Search: "OF B"}}, "b"},
		"found by a target":  {policy.TestQuery{Query: fleet.Query{Search: "a.corp"}}, "c"},
		"not by a pattern":   {policy.TestQuery{Query: fleet.Query{Search: "%"}}, ""},
		"descending, by id ": {policy.TestQuery{Query: fleet.Query{Descending: true}}, "cba"},
	} {
		walkPages(t, name, tc.want, tc.q.Query, func(q fleet.Query) (fleet.Page[policy.Test], error) {
			tc.q.Query = q
			return s.PolicyTestPage(ctx, tc.q)
		}, func(p policy.Test) string { return p.ID })
	}
	a.Expect, a.Note, a.NetworkID, a.Revision = policy.ExpectReach, "", "", 2
	rules(t, s, func(tx policy.RulesTx) error {
		require.NoError(t, tx.UpdatePolicyTest(ctx, a))
		require.NoError(t, tx.DeletePolicyTest(ctx, "b"))
		got, err := tx.PolicyTest(ctx, "a")
		require.Equal(t, a, got)
		return err
	})
	changes, err := s.Changes(ctx, before, 10)
	require.NoError(t, err)
	require.Equal(t, []changelog.Change{
		{Seq: before + 1, Kind: changelog.PolicyTest, ID: "a", Op: changelog.Created},
		{Seq: before + 2, Kind: changelog.PolicyTest, ID: "b", Op: changelog.Created},
		{Seq: before + 3, Kind: changelog.PolicyTest, ID: "c", Op: changelog.Created},
		{Seq: before + 4, Kind: changelog.PolicyTest, ID: "a", Op: changelog.Changed},
		{Seq: before + 5, Kind: changelog.PolicyTest, ID: "b", Op: changelog.Deleted},
	}, changes)
}

// guarded: a check sees what is about to be committed, and an error of it prevents that.
func guarded(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	ctx := t.Context()
	refused := errors.New("refused")
	var seen []changelog.Change
	s.Guard(func(ctx context.Context, tx policy.CheckTx) error {
		seen = tx.Pending()
		if _, err := tx.Resource(ctx, "db"); err != nil {
			return err
		}
		_, err := s.ResourceByID(ctx, "db")
		require.ErrorIs(t, err, fleet.ErrNotFound, "it is not committed")
		return refused
	})
	require.ErrorIs(t, s.RulesTx(ctx, func(tx policy.RulesTx) error { return tx.InsertResource(ctx, resource(t, "db")) }), refused)
	require.Equal(t, []changelog.Change{{Kind: changelog.Resource, ID: "db", Op: changelog.Created}}, seen)
	_, err := s.ResourceByID(ctx, "db")
	require.ErrorIs(t, err, fleet.ErrNotFound)
	require.ErrorIs(t, s.FleetTx(ctx, func(fleet.Tx) error { return nil }), fleet.ErrNotFound, "the error of the check")
	require.NoError(t, s.EnrollTx(ctx, func(enroll.Tx) error { return nil }), "an enrollment is not checked")
	s.Guard(func(context.Context, policy.CheckTx) error { return nil })
	rules(t, s, func(tx policy.RulesTx) error { return tx.InsertResource(ctx, resource(t, "db")) })
}
