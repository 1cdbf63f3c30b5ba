package policy_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// manyRules has a resource in each of its networks, and grants of which few are of t1.
type manyRules struct {
	policy.RulesStore

	networks, grants int
}

func (m manyRules) Guard(func(context.Context, policy.CheckTx) error) {}

func (m manyRules) Networks(context.Context) (out []fleet.Network, err error) {
	for i := range m.networks {
		out = append(out, fleet.Network{ID: fmt.Sprint("n", i)})
	}
	return out, nil
}

func (m manyRules) Resources(context.Context) (out []policy.Resource, err error) {
	for i := range m.networks {
		r, err := access.ResourceText{ID: fmt.Sprint("r", i), NetworkID: fmt.Sprint("n", i), Name: "x", Hosts: []string{"db.corp"}, Ports: []string{"1"}}.Parse()
		if err != nil {
			return nil, err
		}
		out = append(out, policy.Resource{Resource: r})
	}
	return out, nil
}

func (m manyRules) Grants(context.Context) (out []policy.Grant, err error) {
	for i := range m.grants {
		out = append(out, policy.Grant{Grant: access.Grant{ID: fmt.Sprint("g", i), Subject: access.TunnelerSubject(fmt.Sprint("t", i)), Object: access.ResourceObject(fmt.Sprint("r", i))}})
	}
	return out, nil
}

func (m manyRules) TunnelersByID(context.Context, []string) ([]fleet.Tunneler, error) {
	return nil, nil
}

// TestExplainCostsNotTheFleetInEachNetwork: whoever may read could ask often.
func TestExplainCostsNotTheFleetInEachNetwork(t *testing.T) {
	m := manyRules{networks: 2, grants: 2_000}
	cost := func(networks int) float64 {
		m := m
		m.networks = networks
		r := policy.NewRules(policy.RulesConfig{Store: m, TrustDomain: td, Now: time.Now})
		return testing.AllocsPerRun(3, func() {
			a, err := r.Explain(t.Context(), policy.Question{TunnelerID: "t1", Target: access.Target{Host: "db.corp", Port: 1}})
			require.NoError(t, err)
			require.True(t, a.Allowed)
			require.Equal(t, "g1", a.GrantID)
		})
	}
	few, many := cost(2), cost(50)
	require.Less(t, many-few, float64(48*200), "a network costs what is in it, and the tunneler's own grants")
}

// TestExplainSpeaksOfTheNetworkThatMatters: of several it is one that allows it and carries
// flows, and of those the one whose resource is the most specific.
func TestExplainSpeaksOfTheNetworkThatMatters(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, `
networks: [{id: a}, {id: b}, {id: c}, {id: d}]
resources:
  - {id: a-star, network_id: a, hosts: ["*.corp"], ports: [1-9]}
  - {id: b-name, network_id: b, hosts: [db.corp], ports: [1-9], alias: pg}
  - {id: c-deep, network_id: c, hosts: ["*.dev.corp", 10.0.0.0/8], ports: [1-9]}
  - {id: d-net, network_id: d, hosts: [10.1.0.0/16], ports: [1-9]}
  - {id: a-net, network_id: a, hosts: [0.0.0.0/0], ports: [1-9]}
`), ann)
	require.NoError(t, err)
	online := map[string]bool{"a": true, "b": true, "c": true, "d": true}
	ask := func(host string) policy.Answer {
		t.Helper()
		answer, err := b.Explain(ctx, policy.Question{TunnelerID: "laptop", Target: access.Target{Host: host, Port: 5}, Carries: func(n string) bool { return online[n] }})
		require.NoError(t, err)
		return answer
	}
	for host, resource := range map[string]string{"db.corp": "b-name", "x.dev.corp": "c-deep", "x.corp": "a-star", "10.1.2.3": "d-net", "10.2.2.3": "c-deep", "11.2.2.3": "a-net", "pg": "b-name"} {
		answer := ask(host)
		require.Equal(t, access.NotGranted, answer.Code, host)
		require.Equal(t, resource, answer.ResourceID, host)
		require.False(t, answer.Known, "no grant names it yet")
	}
	require.Equal(t, access.Target{Host: "db.corp", Port: 5}, ask("pg").Meant)
	require.Equal(t, access.NoResource, ask("nothing").Code)

	grant := func(object string) {
		_, err := b.CreateGrant(ctx, access.GrantText{Subject: "tunneler/laptop", Object: "resource/" + object}, ann)
		require.NoError(t, err)
	}
	grant("a-star")
	require.Equal(t, "a-star", ask("db.corp").ResourceID, "that network allows it")
	require.True(t, ask("db.corp").Known)
	grant("b-name")
	require.Equal(t, "b-name", ask("db.corp").ResourceID, "both allow it")
	require.Equal(t, "b-name", ask("pg").ResourceID)
	require.True(t, ask("pg").Allowed)
	online["b"] = false
	require.Equal(t, "a-star", ask("db.corp").ResourceID, "nobody carries it in the other")
	online["a"] = false
	require.Equal(t, "b-name", ask("db.corp").ResourceID)
}

// TestExplainDecidesWhereTheQuestionIs: in one network by what that has, its aliases and its
// prefixes too; and an alias is one only for whom its name does not reach by itself.
func TestExplainDecidesWhereTheQuestionIs(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, `
networks: [{id: a, prefixes: [10.1.0.0/16]}, {id: b}, {id: c}]
resources:
  - {id: a-db, network_id: a, hosts: [db.corp], ports: [5], alias: pg}
  - {id: b-db, network_id: b, hosts: [db.corp], ports: [5]}
  - {id: c-pg, network_id: c, hosts: [pg], ports: [5]}
grants:
  - {id: g, subject: tunneler/laptop, object: resource/b-db}
`), ann)
	require.NoError(t, err)
	ask := func(q policy.Question, host, address string) policy.Answer {
		t.Helper()
		q.TunnelerID, q.Target = "laptop", access.Target{Host: host, Port: 5}
		if address != "" {
			q.Address = netip.MustParseAddr(address)
		}
		answer, err := b.Explain(ctx, q)
		require.NoError(t, err)
		return answer
	}
	in := func(network string) policy.Question { return policy.Question{NetworkID: network} }
	require.Equal(t, "b-db", ask(in(""), "db.corp", "").ResourceID)
	there := ask(in("a"), "db.corp", "")
	require.Equal(t, access.NotGranted, there.Code, "the grant is of another network")
	require.Equal(t, "a-db", there.ResourceID)
	require.Equal(t, access.NoResource, ask(in("b"), "pg", "").Code, "the alias is of another network")
	there = ask(in("c"), "pg", "")
	require.Equal(t, "c-pg", there.ResourceID)
	require.Equal(t, access.Target{Host: "pg", Port: 5}, there.Meant)
	_, err = b.EditGrant(ctx, "g", policy.GrantEdit{Subject: ptr("tunneler/other")}, ann)
	require.NoError(t, err)
	there = ask(in(""), "pg", "")
	require.Equal(t, "c-pg", there.ResourceID, "neither is granted: it speaks of what the name itself is")
	require.Equal(t, access.Target{Host: "pg", Port: 5}, there.Meant)
	_, err = b.EditGrant(ctx, "g", policy.GrantEdit{Subject: ptr("tunneler/laptop")}, ann)
	require.NoError(t, err)
	_, err = b.Explain(ctx, policy.Question{TunnelerID: "laptop", Target: access.Target{Host: "db.corp", Port: 5}, NetworkID: "none"})
	require.ErrorIs(t, err, fleet.ErrNotFound)

	_, err = b.CreateGrant(ctx, access.GrantText{Subject: "tunneler/laptop", Object: "resource/a-db"}, ann)
	require.NoError(t, err)
	require.Equal(t, access.Granted, ask(in("a"), "db.corp", "10.1.2.3").Code)
	require.Equal(t, access.AddressOutside, ask(in("a"), "db.corp", "10.2.2.3").Code, "the network declares where it leads")
	require.Equal(t, access.Granted, ask(in("b"), "db.corp", "10.2.2.3").Code)

	require.Equal(t, "db.corp", ask(in(""), "pg", "").Meant.Host)
	_, err = b.CreateGrant(ctx, access.GrantText{Subject: "tunneler/laptop", Object: "resource/c-pg"}, ann)
	require.NoError(t, err)
	there = ask(in(""), "pg", "")
	require.Equal(t, "c-pg", there.ResourceID, "it is reached by its own name")
	require.Equal(t, "pg", there.Meant.Host)
}

// revoked has a tunneler that was there.
type revoked struct{ manyRules }

func (revoked) TunnelersByID(context.Context, []string) ([]fleet.Tunneler, error) {
	return []fleet.Tunneler{{Member: fleet.Member{RevokedAt: noon}}}, nil
}

// TestExplainSaysThatATunnelerWasRevoked: what its grants say is of nobody then.
func TestExplainSaysThatATunnelerWasRevoked(t *testing.T) {
	t.Parallel()
	r := policy.NewRules(policy.RulesConfig{Store: revoked{manyRules{networks: 1, grants: 1}}, TrustDomain: td, Now: time.Now})
	a, err := r.Explain(t.Context(), policy.Question{TunnelerID: "t0", Target: access.Target{Host: "db.corp", Port: 1}})
	require.NoError(t, err)
	require.True(t, a.Known)
	require.False(t, a.Enrolled)
}
