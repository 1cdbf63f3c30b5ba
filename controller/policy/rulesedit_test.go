package policy_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func parsed(t require.TestingT, id, network string, labels access.Labels) policy.Resource {
	r, err := access.ResourceText{ID: id, NetworkID: network, Name: id, Hosts: []string{id + ".corp"}, Ports: []string{"22"}, Labels: labels}.Parse()
	require.NoError(t, err)
	return policy.Resource{Resource: r}
}

func parsedGrant(t require.TestingT, id, subject, object string) policy.Grant {
	g, err := access.GrantText{ID: id, Subject: subject, Object: object}.Parse(&access.Zones{})
	require.NoError(t, err)
	return policy.Grant{Grant: g}
}

// log notes a change in the change log, with a new revision.
func (m *memory) log(kind changelog.Kind, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revision++
	m.Add(changelog.Change{Kind: kind, ID: id, Op: changelog.Changed})
	m.Add(changelog.Change{Kind: changelog.Policy, ID: strconv.FormatUint(m.revision, 10), Op: changelog.Changed})
}

// keys are those of the rules at a place; empty is that of all networks.
func keys(s *policy.Snapshot, network string) string {
	rules := s.SharedRules
	if network != "" {
		rules = s.NetworkRules(network)
	}
	var out []string
	for key := range rules.All() {
		out = append(out, key)
	}
	return strings.Join(out, " ")
}

// TestEachNetworkHasItsOwnRules, and all have those that are of none.
func TestEachNetworkHasItsOwnRules(t *testing.T) {
	t.Parallel()
	s := newMemory(1)
	p := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
	follow := func() *policy.Snapshot {
		t.Helper()
		require.NoError(t, p.Refresh(t.Context()))
		return p.Current()
	}
	got := follow()
	require.Empty(t, keys(got, "")+keys(got, "a"))

	s.PutResource(parsed(t, "db", "a", nil))
	s.log(changelog.Resource, "db")
	s.PutGrant(parsedGrant(t, "g", "tunneler/laptop", "resource/db"))
	s.log(changelog.Grant, "g")
	s.PutResource(parsed(t, "web", "b", nil))
	s.log(changelog.Resource, "web")
	s.PutGrant(parsedGrant(t, "all", "label/team=dev", "label/env=dev"))
	s.log(changelog.Grant, "all")
	got = follow()
	require.Equal(t, "grant/g resource/db", keys(got, "a"))
	require.Equal(t, "resource/web", keys(got, "b"))
	require.Equal(t, "grant/all", keys(got, ""))
	before := got

	// A grant that is of another resource, or of a label, is elsewhere.
	s.PutGrant(parsedGrant(t, "g", "tunneler/laptop", "resource/web"))
	s.log(changelog.Grant, "g")
	got = follow()
	require.Equal(t, "resource/db", keys(got, "a"))
	require.Equal(t, "grant/g resource/web", keys(got, "b"))
	s.PutGrant(parsedGrant(t, "g", "tunneler/laptop", "label/env=dev"))
	s.log(changelog.Grant, "g")
	got = follow()
	require.Equal(t, "resource/web", keys(got, "b"))
	require.Equal(t, "grant/all grant/g", keys(got, ""))
	changed, ok := got.NetworkRules("a").Since(before.Revision, before.NetworkRules("a").Digest())
	require.True(t, ok)
	require.Equal(t, []string{"grant/g"}, changed, "what changed is all that is sent")
	require.Equal(t, "grant/g resource/db", keys(before, "a"), "what was published stays as it was")

	// What a network declares, and the labels of tunnelers that are live.
	prefixes, err := access.ParsePrefixes([]string{"10.1.0.0/16"})
	require.NoError(t, err)
	s.PutNetwork(fleet.Network{ID: "a", Prefixes: prefixes})
	s.log(changelog.Network, "a")
	s.change(func() {
		s.tunnelers = append(s.tunnelers, fleet.Tunneler{Member: fleet.Member{
			Workload: identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}, Version: "1", About: fleet.About{Labels: access.Labels{"team": "dev"}},
		}})
	})
	got = follow()
	require.Equal(t, "network/a resource/db", keys(got, "a"))
	require.Equal(t, "grant/all grant/g tunneler/laptop", keys(got, ""))
	s.change(func() { s.tunnelers[0].RevokedAt = time.Unix(1, 0) })
	require.NotContains(t, keys(follow(), ""), "tunneler/laptop")

	for _, id := range []string{"db", "web"} {
		s.DeleteResource(id)
		s.log(changelog.Resource, id)
	}
	s.DeleteNetwork("a")
	s.log(changelog.Network, "a")
	got = follow()
	require.Empty(t, keys(got, "a")+keys(got, "b"))
	require.Zero(t, got.NetworkRules("a").Digest())
}

// TestRulesAreThoseOfTheStoreHoweverTheyCame: what is followed change by change is what a
// program that just started reads.
func TestRulesAreThoseOfTheStoreHoweverTheyCame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := newMemory(1)
		p := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
		there := map[string]string{} // resources, and their networks
		network := func() string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "network") }
		id := func(kind string) string { return fmt.Sprintf("%s%d", kind, rapid.IntRange(0, 3).Draw(rt, "id")) }
		rt.Repeat(map[string]func(*rapid.T){
			"resource": func(rt *rapid.T) {
				id := id("r")
				if _, ok := there[id]; !ok {
					there[id] = network()
				}
				s.PutResource(parsed(rt, id, there[id], access.Labels{"n": id}))
				s.log(changelog.Resource, id)
			},
			"no resource": func(*rapid.T) {
				id := id("r")
				for n := range 4 { // as DeleteResource wants it
					g := fmt.Sprintf("g%d", n)
					s.DeleteGrant(g)
					s.log(changelog.Grant, g)
				}
				delete(there, id)
				s.DeleteResource(id)
				s.log(changelog.Resource, id)
			},
			"grant": func(rt *rapid.T) {
				object := "label/n=r1"
				if of := id("r"); there[of] != "" {
					object = "resource/" + of
				}
				g := parsedGrant(rt, id("g"), "tunneler/laptop", object)
				s.PutGrant(g)
				s.log(changelog.Grant, g.ID)
			},
			"no grant": func(*rapid.T) {
				id := id("g")
				s.DeleteGrant(id)
				s.log(changelog.Grant, id)
			},
			"network": func(rt *rapid.T) {
				n := fleet.Network{ID: network()}
				if rapid.Bool().Draw(rt, "declares") {
					n.Prefixes, _ = access.ParsePrefixes([]string{"10.0.0.0/8"})
				}
				s.PutNetwork(n)
				s.log(changelog.Network, n.ID)
			},
			"follow": func(rt *rapid.T) { require.NoError(rt, p.Refresh(t.Context())) },
			"": func(rt *rapid.T) {
				require.NoError(rt, p.Refresh(t.Context()))
				fresh := policy.NewPublisher(td, s, zap.NewNop(), time.Now)
				require.NoError(rt, fresh.Refresh(t.Context()))
				for _, network := range []string{"a", "b", "c"} {
					require.Equal(rt, keys(fresh.Current(), network), keys(p.Current(), network))
					require.Equal(rt, fresh.Current().NetworkRules(network).Digest(), p.Current().NetworkRules(network).Digest())
				}
				require.Equal(rt, fresh.Current().SharedRules.Digest(), p.Current().SharedRules.Digest())
			},
		})
	})
}
