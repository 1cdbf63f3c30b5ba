package policy_test

import (
	"context"
	"fmt"
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
