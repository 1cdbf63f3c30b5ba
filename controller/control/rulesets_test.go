package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var (
	operator = fleet.By{Actor: "key:test"}
	laptop   = spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/laptop")
)

// rulers are operators of a world.
type rulers struct {
	*world
	*policy.Rules
}

func (w *world) rulers() rulers {
	return rulers{w, policy.NewRules(policy.RulesConfig{Store: w.store, TrustDomain: td, Audit: audit.New(zap.NewNop(), time.Now), Now: time.Now})}
}

func (r rulers) resource(t *testing.T, id, network string, labels access.Labels) {
	t.Helper()
	_, err := r.CreateResource(t.Context(), access.ResourceText{ID: id, NetworkID: network, Hosts: []string{id + ".corp"}, Ports: []string{"5432"}, Labels: labels}, operator)
	require.NoError(t, err)
}

func (r rulers) grant(t *testing.T, id, subject, object string) {
	t.Helper()
	_, err := r.CreateGrant(t.Context(), access.GrantText{ID: id, Subject: subject, Object: object}, operator)
	require.NoError(t, err)
}

// follower is a connector that keeps its rules.
type follower struct {
	stream

	rules *ruleset.Set
	sizes []int // of the messages of rules
}

// until takes messages until a policy has come that is of this revision or a later one.
// Rules must lead on from what is there.
func (f *follower) until(t *testing.T, revision uint64) {
	t.Helper()
	for {
		m, err := f.Recv()
		require.NoError(t, err)
		if m.GetRules() != nil {
			taken, err := f.rules.Take(m.GetRules())
			require.NoError(t, err)
			require.False(t, taken.Ask)
			f.sizes = append(f.sizes, proto.Size(m))
		}
		if h := m.GetPolicy().GetHeader(); h.GetPart() > 0 && h.GetPart() == h.GetParts() {
			require.NoError(t, f.rules.Commit().Faults)
		}
		if m.GetPolicy().GetHeader().GetTo() >= revision {
			return
		}
	}
}

func (f *follower) code(host string) access.Code {
	return f.rules.Decide(laptop, access.Target{Host: host, Port: 5432}, time.Now()).Code
}

// follow opens a stream of a connector that has these rules.
func (w *world) follow(t *testing.T, id string, rules *ruleset.Set) *follower {
	t.Helper()
	f := &follower{stream: w.open(t, connector(id)), rules: rules}
	m := hello(id)
	m.GetHello().SharedRules, m.GetHello().NetworkRules = position(rules, ruleset.Shared), position(rules, ruleset.Network)
	f.say(m)
	f.until(t, w.now(t))
	return f
}

// now is the revision of the store, which is published.
func (w *world) now(t *testing.T) uint64 {
	t.Helper()
	require.NoError(t, w.policy.Refresh(t.Context()))
	return w.policy.Current().Revision
}

func position(s *ruleset.Set, of ruleset.Scope) *zerotrustv1.Position {
	at := s.Position(of)
	return &zerotrustv1.Position{Timeline: at.Timeline, At: at.At, Digest: at.Digest.Bytes()}
}

// TestAConnectorFollowsTheRulesOfItsNetwork and of all, and hears nothing of other networks.
func TestAConnectorFollowsTheRulesOfItsNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rulers()
	w.member(t, connector("c-01"))
	w.member(t, tunneler("laptop"))
	_, err := w.fleet.CreateNetwork(t.Context(), fleet.NetworkText{ID: "other"}, operator)
	require.NoError(t, err)
	f := w.follow(t, "c-01", ruleset.NewSet(td))
	require.Empty(t, f.sizes, "there are none")

	r.resource(t, "db", fleet.DefaultNetwork, access.Labels{"env": "dev"})
	r.grant(t, "g", "tunneler/laptop", "resource/db")
	f.until(t, w.now(t))
	require.Equal(t, access.Granted, f.code("db.corp"), "the rules come before the policy of their revision")

	heard := len(f.sizes)
	r.resource(t, "secret", "other", nil)
	r.grant(t, "h", "tunneler/laptop", "resource/secret")
	f.until(t, w.now(t))
	require.Len(t, f.sizes, heard, "what another network has is not said here")
	require.Equal(t, access.NoResource, f.code("secret.corp"))

	require.NoError(t, r.DeleteGrant(t.Context(), "g", operator))
	f.until(t, w.now(t))
	require.Equal(t, access.NotGranted, f.code("db.corp"))

	// By labels: of the grant's two ends.
	r.grant(t, "team", "label/team=dev", "label/env=dev")
	value := "dev"
	require.NoError(t, w.fleet.EditMember(t.Context(), tunneler("laptop"), fleet.Edit{Labels: map[string]*string{"team": &value}}, operator))
	f.until(t, w.now(t))
	require.Equal(t, access.Granted, f.code("db.corp"))
	require.NoError(t, w.fleet.EditMember(t.Context(), tunneler("laptop"), fleet.Edit{NoLabels: true}, operator))
	f.until(t, w.now(t))
	require.Equal(t, access.NotGranted, f.code("db.corp"))

	// In another network it has the rules of that alone.
	other := "other"
	require.NoError(t, w.fleet.EditMember(t.Context(), connector("c-01"), fleet.Edit{NetworkID: &other}, operator))
	f.until(t, w.now(t))
	require.Equal(t, access.NoResource, f.code("db.corp"))
	require.Equal(t, access.Granted, f.code("secret.corp"))
}

// TestAConnectorThatComesBackGetsTheRulesThatItMissed, and all if it has something else than
// it says.
func TestAConnectorThatComesBackGetsTheRulesThatItMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rulers()
	w.member(t, connector("c-01"))
	r.resource(t, "db", fleet.DefaultNetwork, nil)
	r.resource(t, "web", fleet.DefaultNetwork, nil)
	f := w.follow(t, "c-01", ruleset.NewSet(td))
	require.Len(t, f.sizes, 1)
	whole := f.sizes[0]
	f = w.follow(t, "c-01", f.rules)
	require.Empty(t, f.sizes, "it has them")

	r.grant(t, "g", "tunneler/laptop", "resource/db")
	f = w.follow(t, "c-01", f.rules)
	require.Len(t, f.sizes, 1)
	require.Less(t, f.sizes[0], whole, "the grant alone")
	require.Equal(t, access.Granted, f.code("db.corp"))

	odd := ruleset.NewSet(td)
	require.NoError(t, odd.Restore(ruleset.Network, ruleset.Kept{Timeline: 1, At: w.now(t)}))
	require.NoError(t, r.DeleteGrant(t.Context(), "g", operator))
	f = w.follow(t, "c-01", odd)
	require.Equal(t, access.NotGranted, f.code("db.corp"))

	f.say(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Resync{Resync: &zerotrustv1.PolicyResync{}}})
	for range 2 { // of both sets
		m, err := f.Recv()
		require.NoError(t, err)
		require.NotNil(t, m.GetRules())
		require.Zero(t, m.GetRules().GetHeader().GetFrom())
	}
}

// TestOneChangeOfTheRulesIsSmall, whatever there is: the largest resource and grant that
// there can be.
func TestOneChangeOfTheRulesIsSmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rulers()
	w.member(t, connector("c-01"))
	f := w.follow(t, "c-01", ruleset.NewSet(td))
	text := access.ResourceText{ID: long(1), NetworkID: fleet.DefaultNetwork, Name: strings.Repeat("n", access.MaxResourceName), Labels: access.Labels{}}
	for i := range access.MaxHosts {
		text.Hosts = append(text.Hosts, fmt.Sprintf("%02d-a-host-of-thirty-characters", i))
	}
	for i := range access.MaxPorts {
		text.Ports = append(text.Ports, fmt.Sprintf("%d-%d", 10000+10*i, 10001+10*i))
	}
	for i := range access.MaxResourceLabels {
		label := strings.Repeat("l", 61) + fmt.Sprintf("%02d", i)
		text.Labels[label] = label
	}
	_, err := r.CreateResource(t.Context(), text, operator)
	require.NoError(t, err)
	f.until(t, w.now(t))
	r.grant(t, long(2), "tunneler/"+long(3), "resource/"+long(1))
	f.until(t, w.now(t))
	require.NoError(t, r.DeleteGrant(t.Context(), long(2), operator))
	f.until(t, w.now(t))
	require.Len(t, f.sizes, 3)
	for _, size := range f.sizes {
		require.Less(t, size, 4<<10)
	}
	t.Logf("the largest resource %d bytes, a grant %d, its removal %d", f.sizes[0], f.sizes[1], f.sizes[2])
}
