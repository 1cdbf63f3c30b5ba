package relay_test

import (
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// counting is a Carrier that counts how often it was asked to decide its flows again.
type counting struct {
	loopback

	mu      sync.Mutex
	checked int
}

func (c *counting) Recheck() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked++
	return 0
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.checked
}

// deciding is a connector of which a test asks what may be reached.
type deciding struct {
	*world
	*counting

	reach relay.Reach
}

func startDeciding(t *testing.T, ca *mtlstest.CA, controller string, opts ...option) *deciding {
	t.Helper()
	d := &deciding{counting: &counting{loopback: loopback{make(chan flow.End, 8)}}}
	opts = append(opts, func(c *relay.Config) {
		c.Flows = func(r relay.Reach, _ relay.RecordFlow) (relay.Carrier, error) {
			d.reach = r
			return d.counting, nil
		}
	})
	d.world = startConnector(t, ca, controller, opts...)
	return d
}

func (d *deciding) code() access.Code {
	return d.reach.Decide(spiffeid.RequireFromString(laptopID), access.Target{Host: "db.corp", Port: 5432}, time.Now()).Code
}

func (d *deciding) becomes(t *testing.T, want access.Code) {
	t.Helper()
	require.Eventually(t, func() bool { return d.code() == want }, soon, time.Millisecond, "it should be %s", want)
}

func database(t *testing.T) ruleset.Rule {
	t.Helper()
	r, err := access.ResourceText{ID: "db", NetworkID: "default", Name: "db", Hosts: []string{"db.corp"}, Ports: []string{"5432"}}.Parse()
	require.NoError(t, err)
	rule, err := ruleset.OfResource(r)
	require.NoError(t, err)
	return rule
}

func granted(t *testing.T) ruleset.Rule {
	t.Helper()
	g, err := access.GrantText{ID: "g", Subject: "tunneler/laptop", Object: "resource/db"}.Parse(&access.Zones{})
	require.NoError(t, err)
	rule, err := ruleset.OfGrant(g)
	require.NoError(t, err)
	return rule
}

// rules is an update of one part of a network's rules.
func rules(from, to uint64, there []ruleset.Rule, removals []string, upserts ...ruleset.Rule) *zerotrustv1.RulesUpdate {
	var d delta.Digest
	for _, r := range there {
		d = d.Add(r.Digest())
	}
	m := &zerotrustv1.RulesUpdate{Header: &zerotrustv1.UpdateHeader{Timeline: 1, From: from, To: to, Part: 1, Parts: 1, Digest: d.Bytes()}, Removals: removals}
	for _, r := range upserts {
		m.Upserts = append(m.Upserts, r.Raw)
	}
	return m
}

func (s *fakeStream) rules(t *testing.T, m *zerotrustv1.RulesUpdate) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Rules{Rules: m}}))
}

// allowing is a connector whose policy and rules let the laptop reach the database.
func allowing(t *testing.T, opts ...option) (d *deciding, c *fakeController, s *fakeStream) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c = startController(t, ca, anyAddress, controllerID)
	d = startDeciding(t, ca, c.addr, opts...)
	s = c.next(t)
	s.hello(t)
	db, g := database(t), granted(t)
	s.rules(t, rules(0, 1, []ruleset.Rule{db, g}, nil, db, g))
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	require.Equal(t, access.Granted, d.code())
	return d, c, s
}

// TestAChangeOfTheRulesDecidesFlowsAgain, those to come and those that are open.
func TestAChangeOfTheRulesDecidesFlowsAgain(t *testing.T) {
	t.Parallel()
	d, _, s := allowing(t)
	before := d.count()
	require.Positive(t, before)
	s.rules(t, rules(1, 2, []ruleset.Rule{database(t)}, []string{granted(t).Key}))
	s.policy(t, 2, laptopID)
	d.becomes(t, access.NotGranted)
	require.Eventually(t, func() bool { return d.count() == before+1 }, soon, time.Millisecond)
	s.rules(t, rules(2, 2, []ruleset.Rule{database(t)}, nil))
	s.policy(t, 3, laptopID)
	s.applied(t, 3)
	require.Equal(t, before+1, d.count(), "nothing has changed")
}

// TestWithoutAPolicyNothingIsReached, whatever the rules say.
func TestWithoutAPolicyNothingIsReached(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	d := startDeciding(t, ca, c.addr, func(c *relay.Config) { c.Timing.PolicyAge = 10 * time.Millisecond })
	require.EqualValues(t, "no_policy", d.code())
	s := c.next(t)
	s.hello(t)
	db, g := database(t), granted(t)
	s.rules(t, rules(0, 1, []ruleset.Rule{db, g}, nil, db, g))
	s.policy(t, 1, laptopID)
	d.becomes(t, access.Granted)
	c.stop()
	d.becomes(t, access.NoPolicy)
}

// TestRulesAreKeptOverARestart without a controller, and go with the policy of an operator's
// reset.
func TestRulesAreKeptOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, c, _ := allowing(t, withState(dir))
	require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	d.stop() // writes what it has
	c.stop()
	d = startDeciding(t, d.ca, net.JoinHostPort("127.0.0.1", "1"), withState(dir), again(time.Millisecond))
	require.Equal(t, access.Granted, d.code())
	d.stop()

	raw, err := os.ReadFile(filepath.Join(dir, "policy.json"))
	require.NoError(t, err)
	require.Contains(t, string(raw), "network_rules")
	_, err = relay.DropPolicy(dir)
	require.NoError(t, err)
	d = startDeciding(t, d.ca, net.JoinHostPort("127.0.0.1", "1"), withState(dir))
	require.EqualValues(t, "no_policy", d.code())
}

// TestAConnectorThatReturnsSaysWhichRulesItHas, and continues from there.
func TestAConnectorThatReturnsSaysWhichRulesItHas(t *testing.T) {
	t.Parallel()
	d, c, s := allowing(t)
	s.hang <- nil
	s = c.next(t)
	h := s.hello(t)
	require.Equal(t, uint64(1), h.GetNetworkRules().GetAt())
	var want delta.Digest
	want = want.Add(database(t).Digest()).Add(granted(t).Digest())
	require.Equal(t, want.Bytes(), h.GetNetworkRules().GetDigest())
	require.Zero(t, h.GetSharedRules().GetAt())
	s.rules(t, rules(1, 2, []ruleset.Rule{database(t)}, []string{granted(t).Key}))
	s.policy(t, 2, laptopID)
	d.becomes(t, access.NotGranted)
}

// TestRulesCountWithThePolicyBehindThem, those of both sets at once. If the stream ends before it,
// what they took away is denied, and what they added is not there.
func TestRulesCountWithThePolicyBehindThem(t *testing.T) {
	t.Parallel()
	d, c, s := allowing(t)
	s.rules(t, rules(1, 2, []ruleset.Rule{database(t)}, []string{granted(t).Key}))
	g, err := access.GrantText{ID: "h", Subject: "label/team=dev", Object: "label/a=b"}.Parse(&access.Zones{})
	require.NoError(t, err)
	rule, err := ruleset.OfGrant(g)
	require.NoError(t, err)
	shared := rules(0, 2, []ruleset.Rule{rule}, nil, rule)
	shared.Shared = true
	s.rules(t, shared)
	before := d.count()
	s.hang <- nil
	s = c.next(t)
	h := s.hello(t)
	require.Equal(t, access.NotGranted, d.code())
	require.Equal(t, before+1, d.count())
	require.Equal(t, []uint64{2, 2}, []uint64{h.GetNetworkRules().GetAt(), h.GetSharedRules().GetAt()}, "what came need not come again")
	s.policy(t, 2, laptopID)
	s.applied(t, 2)
	require.Equal(t, before+2, d.count())

	s.rules(t, rules(2, 3, []ruleset.Rule{database(t), granted(t)}, nil, granted(t)))
	s.rules(t, rules(7, 8, nil, nil)) // which does not lead on, so that the connector asks
	s.asksForAll(t)
	require.Equal(t, access.NotGranted, d.code(), "the policy has not come")
}

// TestRulesThatDoNotLeadOnAreAskedFor, and so are those of before.
func TestRulesThatDoNotLeadOnAreAskedFor(t *testing.T) {
	t.Parallel()
	d, _, s := allowing(t)
	s.rules(t, rules(7, 8, nil, []string{granted(t).Key}))
	s.asksForAll(t)
	require.Equal(t, access.NotGranted, d.code(), "what it takes away is gone")
	db, g := database(t), granted(t)
	s.rules(t, rules(0, 9, []ruleset.Rule{db, g}, nil, db, g))
	s.policy(t, 9, laptopID)
	d.becomes(t, access.Granted)
	s.rules(t, rules(0, 4, []ruleset.Rule{db}, nil, db))
	s.asksForAll(t)
	require.Equal(t, access.Granted, d.code())
}

// TestRulesOfAnotherTimelineArePassedOver, as its policy is.
func TestRulesOfAnotherTimelineArePassedOver(t *testing.T) {
	t.Parallel()
	d, _, s := allowing(t)
	m := rules(0, 9, nil, nil)
	m.Header.Timeline = 2
	s.rules(t, m)
	s.policyIn(t, 2, 9, laptopID)
	s.refuses(t)
	require.Equal(t, access.Granted, d.code())
}

// TestBytesThatAreNoRuleEndTheStream.
func TestBytesThatAreNoRuleEndTheStream(t *testing.T) {
	t.Parallel()
	d, c, s := allowing(t)
	m := rules(1, 2, nil, nil)
	m.Upserts = [][]byte{{0xff}}
	s.rules(t, m)
	c.next(t)
	require.Equal(t, access.Granted, d.code())
}

// TestAResetTakesTheRulesAlong: what an operator has taken away decides nothing, and rules of
// before are no reason to refuse those of the controller that is followed now.
func TestAResetTakesTheRulesAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, c, s := allowing(t, withState(dir), again(10*time.Millisecond))
	db, g := database(t), granted(t)
	s.rules(t, rules(1, 9, []ruleset.Rule{db, g}, nil))
	s.policy(t, 9, laptopID)
	s.applied(t, 9)
	require.Eventually(t, func() bool { return exists(dir, "policy.json") }, soon, time.Millisecond)
	s.hang <- nil
	s = c.next(t)
	s.hello(t)
	s.policy(t, 5, laptopID)
	s.refuses(t)
	_, err := relay.DropPolicy(dir)
	require.NoError(t, err)
	s.asksForAll(t)
	s.policy(t, 5, laptopID)
	s.applied(t, 5)
	require.Equal(t, access.NoResource, d.code())
	s.rules(t, rules(0, 5, []ruleset.Rule{db, g}, nil, db, g))
	s.policy(t, 5, laptopID)
	d.becomes(t, access.Granted)
}

// TestWhatAWrongUpdateTakesAwayIsGone, and flows that had it are decided again before the
// stream ends.
func TestWhatAWrongUpdateTakesAwayIsGone(t *testing.T) {
	t.Parallel()
	d, c, s := allowing(t)
	before := d.count()
	s.rules(t, rules(0, 9, nil, []string{granted(t).Key}, database(t))) // its digest is of nothing
	c.next(t)
	require.Equal(t, access.NotGranted, d.code())
	require.Equal(t, before+1, d.count())
}
