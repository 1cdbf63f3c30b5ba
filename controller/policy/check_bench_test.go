package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// tested has 998 policy tests and 499 networks with two resources each, one of which covers every
// target of the tests.
func tested(b *testing.B) rulebook {
	b.Helper()
	r := newRulebook(b)
	var d policy.Document
	for i := range fleet.MaxNetworks - 1 {
		n := fmt.Sprint("n", i)
		d.Networks = append(d.Networks, policy.DocumentNetwork{ID: n})
		d.Resources = append(
			d.Resources, policy.DocumentResource{ID: fmt.Sprint("all", i), NetworkID: n, Hosts: []string{"*.corp"}, Ports: []string{"1-1000"}, Labels: map[string]string{"env": "all"}},
			policy.DocumentResource{ID: fmt.Sprint("db", i), NetworkID: n, Hosts: []string{fmt.Sprintf("db%d.corp", i)}, Ports: []string{"22"}, Labels: map[string]string{"env": "prod"}},
		)
		d.Grants = append(d.Grants, policy.DocumentGrant{ID: fmt.Sprint("g", i), Subject: fmt.Sprintf("tunneler/t%d", i), Object: fmt.Sprint("resource/db", i)})
	}
	for i := range fleet.MaxNetworks - 1 {
		target := fmt.Sprintf("db%d.corp:22", i)
		d.Tests = append(
			d.Tests, policy.DocumentTest{ID: fmt.Sprint("reach", i), Subject: fmt.Sprintf("tunneler/t%d", i), Expect: "reach", Target: target},
			policy.DocumentTest{ID: fmt.Sprint("refuse", i), Subject: "label/team=guests", Expect: "refuse", Target: target},
		)
	}
	_, err := r.Apply(b.Context(), policy.Application{Document: d}, ann)
	require.NoError(b, err)
	return r
}

// BenchmarkAChangeUnderPolicyTests is what one change costs with 998 policy tests in 499
// networks, of which each has a resource that covers their targets.
func BenchmarkAChangeUnderPolicyTests(b *testing.B) {
	r, ctx := tested(b), b.Context()
	until := noon.AddDate(1, 0, 0)
	for name, change := range map[string]func(i int) error{
		"grant of one tunneler": func(i int) error {
			_, err := r.EditGrant(ctx, "g7", policy.GrantEdit{Until: ptr(until.Add(time.Duration(i) * time.Second))}, ann)
			return err
		},
		"resource of one name": func(i int) error {
			_, err := r.EditResource(ctx, "db7", policy.ResourceEdit{Ports: []string{"22", fmt.Sprint(101 + i%1000)}}, ann)
			return err
		},
		"resource that covers all": func(i int) error {
			_, err := r.EditResource(ctx, "all7", policy.ResourceEdit{Ports: []string{"1-1000", fmt.Sprint(2001 + i%1000)}}, ann)
			return err
		},
		"network": func(i int) error {
			_, err := r.members().EditNetwork(ctx, "n7", fleet.NetworkEdit{Prefixes: &[]string{fmt.Sprintf("10.%d.0.0/16", (i+1)%256)}}, ann)
			return err
		},
	} {
		require.NoError(b, change(-1)) // reads the rules, and learns which network allows what
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				require.NoError(b, change(i))
			}
		})
	}
}
