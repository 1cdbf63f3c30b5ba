package ruleset_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var (
	td     = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	laptop = spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/laptop")
	now    = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	zones  access.Zones
)

func resource(t testing.TB, id, host string, labels ...string) ruleset.Rule {
	t.Helper()
	text := access.ResourceText{ID: id, NetworkID: "default", Name: id, Hosts: []string{host}, Ports: []string{"5432"}, Labels: access.Labels{}}
	for _, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		text.Labels[key] = value
	}
	r, err := text.Parse()
	require.NoError(t, err)
	rule, err := ruleset.OfResource(r)
	require.NoError(t, err)
	return rule
}

func grant(t testing.TB, id, subject, object string) ruleset.Rule {
	t.Helper()
	g, err := access.GrantText{ID: id, Subject: subject, Object: object}.Parse(&zones)
	require.NoError(t, err)
	rule, err := ruleset.OfGrant(g)
	require.NoError(t, err)
	return rule
}

func labelled(t testing.TB, id string, labels access.Labels) ruleset.Rule {
	t.Helper()
	rule, err := ruleset.OfTunneler(id, labels)
	require.NoError(t, err)
	return rule
}

func network(t testing.TB, prefixes ...string) ruleset.Rule {
	t.Helper()
	all, err := access.ParsePrefixes(prefixes)
	require.NoError(t, err)
	rule, err := ruleset.OfNetwork("default", all)
	require.NoError(t, err)
	return rule
}

func encoded(t testing.TB, m *zerotrustv1.Rule) ruleset.Rule {
	t.Helper()
	raw, err := proto.Marshal(m)
	require.NoError(t, err)
	return ruleset.Rule{Key: m.GetKey(), Raw: raw}
}

// update is a message of one part; the digest is of what is there after it.
func update(shared bool, from, to uint64, there []ruleset.Rule, removals []string, upserts ...ruleset.Rule) *zerotrustv1.RulesUpdate {
	var d delta.Digest
	for _, r := range there {
		d = d.Add(r.Digest())
	}
	m := &zerotrustv1.RulesUpdate{
		Header: &zerotrustv1.UpdateHeader{Timeline: 1, From: from, To: to, Part: 1, Parts: 1, Digest: d.Bytes()}, Shared: shared, Removals: removals,
	}
	for _, r := range upserts {
		m.Upserts = append(m.Upserts, r.Raw)
	}
	return m
}

// take takes a message, and has it count.
func take(t *testing.T, s *ruleset.Set, m *zerotrustv1.RulesUpdate) ruleset.Taken {
	t.Helper()
	taken, err := s.Take(m)
	require.NoError(t, err)
	counts := s.Commit()
	return ruleset.Taken{Changed: taken.Changed || counts.Changed, Ask: taken.Ask, Faults: errors.Join(taken.Faults, counts.Faults)}
}

func code(s interface {
	Decide(spiffeid.ID, access.Target, time.Time) access.Decision
}, host string,
) access.Code {
	return s.Decide(laptop, access.Target{Host: host, Port: 5432}, now).Code
}

// TestAChangeOfEitherSetDecidesAtOnce follows a grant through its life, by id and by labels.
func TestAChangeOfEitherSetDecidesAtOnce(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	require.Equal(t, access.NoResource, code(s, "db.corp"))
	db, byID := resource(t, "db", "db.corp", "env=dev"), grant(t, "g", "tunneler/laptop", "resource/db")
	require.True(t, take(t, s, update(false, 0, 5, []ruleset.Rule{db}, nil, db)).Changed)
	require.Equal(t, access.NotGranted, code(s, "db.corp"))
	take(t, s, update(false, 5, 6, []ruleset.Rule{db, byID}, nil, byID))
	require.Equal(t, access.Granted, code(s, "db.corp"))
	require.True(t, take(t, s, update(false, 6, 7, []ruleset.Rule{db}, []string{byID.Key})).Changed)
	require.Equal(t, access.NotGranted, code(s, "db.corp"))

	team, dev := grant(t, "g", "label/team=dev", "label/env=dev"), labelled(t, "laptop", access.Labels{"team": "dev"})
	take(t, s, update(true, 0, 8, []ruleset.Rule{team, dev}, nil, team, dev))
	require.Equal(t, access.Granted, code(s, "db.corp"))
	take(t, s, update(true, 8, 9, []ruleset.Rule{team}, []string{dev.Key}))
	require.Equal(t, access.NotGranted, code(s, "db.corp"), "without its label")

	require.False(t, take(t, s, update(true, 9, 9, []ruleset.Rule{team}, nil)).Changed)
	s.Clear()
	require.Equal(t, access.NoResource, code(s, "db.corp"))
	require.Zero(t, s.Position(ruleset.Network).At)
}

// TestARefusedAliasIsRecordedAsWhatItStandsFor: a tunneler does not know any more what it may not
// reach, and sends the alias itself. It is allowed nothing by it.
func TestARefusedAliasIsRecordedAsWhatItStandsFor(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	r, err := access.ResourceText{ID: "db", NetworkID: "default", Name: "db", Alias: "pg", Hosts: []string{"db.corp"}, Ports: []string{"5432"}}.Parse()
	require.NoError(t, err)
	db, err := ruleset.OfResource(r)
	require.NoError(t, err)
	byID := grant(t, "g", "tunneler/laptop", "resource/db")
	take(t, s, update(false, 0, 1, []ruleset.Rule{db, byID}, nil, db, byID))
	require.Equal(t, access.NoResource, code(s, "pg"), "with a grant the tunneler sends the host")
	take(t, s, update(false, 1, 2, []ruleset.Rule{db}, []string{byID.Key}))
	d := s.Decide(laptop, access.Target{Host: "pg", Port: 5432}, now)
	require.Equal(t, access.Decision{Code: access.NotGranted, ResourceID: "db"}, d)
	require.Equal(t, access.NoResource, s.Decide(laptop, access.Target{Host: "pg", Port: 22}, now).Code, "another port")
	require.Equal(t, access.NoResource, code(s, "pg2"))
	ended, err := access.GrantText{ID: "g", Subject: "tunneler/laptop", Object: "resource/db", Until: now.Add(-time.Hour)}.Parse(&zones)
	require.NoError(t, err)
	old, err := ruleset.OfGrant(ended)
	require.NoError(t, err)
	take(t, s, update(false, 2, 3, []ruleset.Rule{db, old}, nil, old))
	require.Equal(t, access.Ended, code(s, "pg"))
	take(t, s, update(false, 3, 4, []ruleset.Rule{old}, []string{db.Key}))
	require.Equal(t, access.NoResource, code(s, "pg"), "the alias is gone with its resource")
}

// TestARemovalActsWhateverBecomesOfItsUpdate, and an addition does not.
func TestARemovalActsWhateverBecomesOfItsUpdate(t *testing.T) {
	t.Parallel()
	wide := resource(t, "wide", "*.corp")
	for name, of := range map[string]func(db, g, dev ruleset.Rule) string{
		"a grant":                 func(_, g, _ ruleset.Rule) string { return g.Key },
		"the label of a tunneler": func(_, _, dev ruleset.Rule) string { return dev.Key },
		"the resource of a grant": func(db, _, _ ruleset.Rule) string { return db.Key },
	} {
		for _, fits := range []bool{false, true} {
			s := ruleset.NewSet(td)
			db, g, dev := resource(t, "db", "db.corp"), grant(t, "g", "label/team=dev", "resource/db"), labelled(t, "laptop", access.Labels{"team": "dev"})
			take(t, s, update(false, 0, 5, []ruleset.Rule{db, g, dev}, nil, db, g, dev))
			require.Equal(t, access.Granted, code(s, "db.corp"))
			m := update(false, 4, 6, nil, []string{of(db, g, dev)}, wide)
			if fits {
				m.Header.From, m.Header.Parts = 5, 2
			}
			taken := take(t, s, m)
			if require.Equal(t, fits, !taken.Ask); fits {
				require.Equal(t, access.Granted, code(s, "db.corp"), "the rest is to come")
				require.True(t, s.Deny(), "it does not come")
			} else {
				require.True(t, taken.Changed)
			}
			require.Equal(t, access.NotGranted, code(s, "db.corp"), name)
			require.Equal(t, access.NoResource, code(s, "web.corp"))

			// What is kept meanwhile has no position of what is still to come.
			require.Equal(t, uint64(5), s.Keep(ruleset.Network).At)
			take(t, s, update(false, 0, 7, []ruleset.Rule{db, g, dev}, nil, db, g, dev))
			require.Equal(t, access.Granted, code(s, "db.corp"))
			require.Equal(t, uint64(7), s.Keep(ruleset.Network).At)
		}
	}
}

// TestWhatIsRemovedStillGuards until the rest of its update is there: a wider resource would decide.
func TestWhatIsRemovedStillGuards(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	wide, all := resource(t, "wide", "*.corp"), grant(t, "all", "tunneler/laptop", "resource/wide")
	vault, other := resource(t, "vault", "vault.corp"), resource(t, "other", "vault.corp")
	take(t, s, update(false, 0, 5, []ruleset.Rule{wide, all, vault}, nil, wide, all, vault))
	require.Equal(t, access.NotGranted, code(s, "vault.corp"))
	m := update(false, 5, 6, []ruleset.Rule{wide, all, other}, []string{vault.Key}, other)
	for name, change := range map[string]func(h *zerotrustv1.UpdateHeader){
		"the first of two parts": func(h *zerotrustv1.UpdateHeader) { h.Parts = 2 },
		"from elsewhere":         func(h *zerotrustv1.UpdateHeader) { h.From = 4 },
		"another digest":         func(h *zerotrustv1.UpdateHeader) { h.Digest = make([]byte, delta.Size) },
	} {
		odd := proto.Clone(m).(*zerotrustv1.RulesUpdate) //nolint:forcetypeassert // of its type
		change(odd.GetHeader())
		take(t, s, odd)
		require.Equal(t, access.NotGranted, code(s, "vault.corp"), name)
		require.Equal(t, access.Granted, code(s, "web.corp"), name)
	}
	take(t, s, update(false, 0, 7, []ruleset.Rule{wide, all}, nil, wide, all))
	require.Equal(t, access.Granted, code(s, "vault.corp"), "it is gone")
}

// TestASwapAllowsWhatWasAllowedOrIs, and nothing between: neither order of the messages
// of the two sets would be right for the way there and for the way back.
func TestASwapAllowsWhatWasAllowedOrIs(t *testing.T) {
	t.Parallel()
	db := resource(t, "db", "db.corp")
	dev, ops := labelled(t, "laptop", access.Labels{"team": "dev"}), labelled(t, "laptop", access.Labels{"team": "ops"})
	forDev, forOps := grant(t, "g", "label/team=dev", "resource/db"), grant(t, "g", "label/team=ops", "resource/db")
	for _, sharedFirst := range []bool{false, true} {
		s := ruleset.NewSet(td)
		take(t, s, update(false, 0, 5, []ruleset.Rule{db, forOps}, nil, db, forOps))
		take(t, s, update(true, 0, 5, []ruleset.Rule{dev}, nil, dev))
		at := uint64(5)
		swap := func(labels, g ruleset.Rule) {
			both := []*zerotrustv1.RulesUpdate{update(true, at, at+1, []ruleset.Rule{labels}, nil, labels), update(false, at, at+1, []ruleset.Rule{db, g}, nil, g)}
			if at++; !sharedFirst {
				slices.Reverse(both)
			}
			for _, m := range both {
				require.Equal(t, access.NotGranted, code(s, "db.corp"))
				taken, err := s.Take(m)
				require.NoError(t, err)
				require.False(t, taken.Changed)
			}
			require.Equal(t, access.NotGranted, code(s, "db.corp"))
			require.True(t, s.Commit().Changed)
			require.Equal(t, access.NotGranted, code(s, "db.corp"))
			require.False(t, s.Commit().Changed)
		}
		swap(ops, forDev)
		swap(dev, forOps)
	}
}

// TestWhatIsKeptIsOfOneTime: a program that ends between the messages of the two sets begins with
// what was, and continues from there.
func TestWhatIsKeptIsOfOneTime(t *testing.T) {
	t.Parallel()
	s, again := ruleset.NewSet(td), ruleset.NewSet(td)
	db, dev, ops := resource(t, "db", "db.corp"), labelled(t, "laptop", access.Labels{"team": "dev"}), labelled(t, "laptop", access.Labels{"team": "ops"})
	g := grant(t, "g", "label/team=ops", "resource/db")
	take(t, s, update(false, 0, 5, []ruleset.Rule{db, g}, nil, db, g))
	take(t, s, update(true, 0, 5, []ruleset.Rule{dev}, nil, dev))
	_, err := s.Take(update(true, 5, 6, []ruleset.Rule{ops}, nil, ops))
	require.NoError(t, err)
	for _, scope := range []ruleset.Scope{ruleset.Network, ruleset.Shared} {
		require.NoError(t, again.Restore(scope, s.Keep(scope)))
		require.Equal(t, uint64(5), again.Position(scope).At)
	}
	require.Equal(t, access.NotGranted, code(again, "db.corp"))
	take(t, again, update(true, 5, 6, []ruleset.Rule{ops}, nil, ops))
	require.Equal(t, access.Granted, code(again, "db.corp"))
}

// TestAWholeSetReplacesWhatWas, of its own set only.
func TestAWholeSetReplacesWhatWas(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	db, g := resource(t, "db", "db.corp"), grant(t, "g", "tunneler/laptop", "resource/db")
	take(t, s, update(true, 0, 5, []ruleset.Rule{g}, nil, g))
	take(t, s, update(false, 0, 5, []ruleset.Rule{db}, nil, db))
	require.Equal(t, access.Granted, code(s, "db.corp"))
	web := resource(t, "web", "web.corp")
	take(t, s, update(false, 0, 6, []ruleset.Rule{web}, nil, web))
	require.Equal(t, access.NoResource, code(s, "db.corp"))
	require.Equal(t, access.NotGranted, code(s, "web.corp"))
	resources, grants := s.Len()
	require.Equal(t, []int{1, 1}, []int{resources, grants})
}

// TestAGrantThatMovesBetweenTheSetsIsInOneOfThem, whichever message comes first.
func TestAGrantThatMovesBetweenTheSetsIsInOneOfThem(t *testing.T) {
	t.Parallel()
	db := resource(t, "db", "db.corp", "env=dev")
	byID, byLabel := grant(t, "g", "tunneler/laptop", "resource/db"), grant(t, "g", "tunneler/laptop", "label/env=dev")
	for _, sharedFirst := range []bool{false, true} {
		s := ruleset.NewSet(td)
		take(t, s, update(false, 0, 5, []ruleset.Rule{db, byID}, nil, db, byID))
		take(t, s, update(true, 0, 5, nil, nil))
		both := []*zerotrustv1.RulesUpdate{update(true, 5, 6, []ruleset.Rule{byLabel}, nil, byLabel), update(false, 5, 6, []ruleset.Rule{db}, []string{byID.Key})}
		if !sharedFirst {
			slices.Reverse(both)
		}
		for _, m := range both {
			take(t, s, m)
		}
		require.Equal(t, access.Granted, code(s, "db.corp"))
		back := []*zerotrustv1.RulesUpdate{update(true, 6, 7, nil, []string{byLabel.Key}), update(false, 6, 7, []ruleset.Rule{db, byID}, nil, byID)}
		if !sharedFirst {
			slices.Reverse(back)
		}
		for _, m := range back {
			take(t, s, m)
		}
		require.Equal(t, access.Granted, code(s, "db.corp"))
		take(t, s, update(false, 7, 8, []ruleset.Rule{db}, []string{byID.Key}))
		require.Equal(t, access.NotGranted, code(s, "db.corp"))
	}
}

// TestWhatIsNotUnderstoodNeverAllowsMore: a resource guards what it covers, so without it a
// wider one would decide.
func TestWhatIsNotUnderstoodNeverAllowsMore(t *testing.T) {
	t.Parallel()
	wide, g := resource(t, "wide", "*.corp"), grant(t, "g", "tunneler/laptop", "resource/wide")
	guard := func(change func(*zerotrustv1.ResourceRule)) *zerotrustv1.Rule {
		r := &zerotrustv1.ResourceRule{Id: "vault", NetworkId: "default", Name: "vault", Hosts: []string{"vault.corp"}, Ports: []string{"5432"}}
		change(r)
		return &zerotrustv1.Rule{Key: "resource/vault", Rule: &zerotrustv1.Rule_Resource{Resource: r}}
	}
	for name, c := range map[string]struct {
		rule *zerotrustv1.Rule
		want access.Code
	}{
		"a resource with a host of no form":                   {guard(func(r *zerotrustv1.ResourceRule) { r.Hosts = []string{"vault corp"} }), access.NotUnderstood},
		"a resource without ports":                            {guard(func(r *zerotrustv1.ResourceRule) { r.Ports = nil }), access.NotUnderstood},
		"a resource with another id":                          {guard(func(r *zerotrustv1.ResourceRule) { r.Id = "other" }), access.NotUnderstood},
		"a resource with a label of no form":                  {guard(func(r *zerotrustv1.ResourceRule) { r.Labels = []string{"x"} }), access.NotUnderstood},
		"a resource with a PROXY protocol of a later release": {guard(func(r *zerotrustv1.ResourceRule) { r.ProxyProtocol = "v3" }), access.NotUnderstood},
		"a resource with a field of a later release":          {guard(func(r *zerotrustv1.ResourceRule) { later(r) }), access.NotUnderstood},
		"a network with a field of a later release":           {&zerotrustv1.Rule{Key: "network/default", Rule: &zerotrustv1.Rule_Network{Network: later(&zerotrustv1.NetworkRule{Id: "default"})}}, access.NotUnderstood},
		"a rule with a field of a later release":              {later(guard(func(*zerotrustv1.ResourceRule) {})), access.NotUnderstood},
		"a grant with a field of a later release":             {&zerotrustv1.Rule{Key: "grant/h", Rule: &zerotrustv1.Rule_Grant{Grant: later(&zerotrustv1.GrantRule{Id: "h", Subject: "tunneler/laptop", Object: "resource/wide"})}}, access.Granted},
		"prefixes of no form":                                 {&zerotrustv1.Rule{Key: "network/default", Rule: &zerotrustv1.Rule_Network{Network: &zerotrustv1.NetworkRule{Id: "default", Prefixes: []string{"10/8"}}}}, access.NotUnderstood},
		"a network with another id":                           {&zerotrustv1.Rule{Key: "network/default", Rule: &zerotrustv1.Rule_Network{Network: &zerotrustv1.NetworkRule{Id: "x"}}}, access.NotUnderstood},
		"a kind of a later release":                           {&zerotrustv1.Rule{Key: "guard/vault"}, access.NotUnderstood},
		"a resource whose rule is of a grant":                 {&zerotrustv1.Rule{Key: "resource/vault", Rule: &zerotrustv1.Rule_Grant{Grant: &zerotrustv1.GrantRule{Id: "vault", Subject: "tunneler/a", Object: "resource/wide"}}}, access.NotUnderstood},
		"a grant with another id":                             {&zerotrustv1.Rule{Key: "grant/h", Rule: &zerotrustv1.Rule_Grant{Grant: &zerotrustv1.GrantRule{Id: "x", Subject: "tunneler/laptop", Object: "resource/wide"}}}, access.Granted},
		"a grant of a subject of no form":                     {&zerotrustv1.Rule{Key: "grant/h", Rule: &zerotrustv1.Rule_Grant{Grant: &zerotrustv1.GrantRule{Id: "h", Subject: "person/x", Object: "resource/wide"}}}, access.Granted},
		"a grant that ends at no time":                        {&zerotrustv1.Rule{Key: "grant/h", Rule: &zerotrustv1.Rule_Grant{Grant: &zerotrustv1.GrantRule{Id: "h", Subject: "tunneler/laptop", Object: "resource/wide", Until: &timestamppb.Timestamp{Seconds: -1 << 60}}}}, access.Granted},
		"labels of no form":                                   {&zerotrustv1.Rule{Key: "tunneler/laptop", Rule: &zerotrustv1.Rule_Tunneler{Tunneler: &zerotrustv1.TunnelerRule{Id: "laptop", Labels: []string{"="}}}}, access.Granted},
	} {
		s, odd := ruleset.NewSet(td), encoded(t, c.rule)
		taken := take(t, s, update(false, 0, 5, []ruleset.Rule{wide, g, odd}, nil, wide, g, odd))
		require.Error(t, taken.Faults, name)
		require.Equal(t, c.want, code(s, "web.corp"), name)
		if c.want != access.Granted {
			d := access.Decision{Allowed: true}
			require.Equal(t, c.want, s.DecideAddress(laptop, d, netip.MustParseAddrPort("10.0.0.1:5432"), now).Code, name)
		}
		// Gone, or understood, it restricts nothing any more.
		take(t, s, update(false, 5, 6, []ruleset.Rule{wide, g}, []string{odd.Key}))
		require.Equal(t, access.Granted, code(s, "web.corp"), name)
	}
}

// later is a message with a field that nobody knows yet.
func later[T proto.Message](m T) T {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	return m
}

// TestAGrantThatIsNotUnderstoodAllowsNothing, also where it was understood before.
func TestAGrantThatIsNotUnderstoodAllowsNothing(t *testing.T) {
	t.Parallel()
	whole := &zerotrustv1.GrantRule{Id: "g", Subject: "tunneler/laptop", Object: "resource/db"}
	zone := proto.Clone(whole).(*zerotrustv1.GrantRule) //nolint:forcetypeassert // of its type
	zone.TimeZone, zone.Windows = "Atlantis/Capital", []string{"mon 08:00-09:00"}
	for name, g := range map[string]*zerotrustv1.GrantRule{"a time zone that there is not": zone, "a condition of a later release": later(whole)} {
		s := ruleset.NewSet(td)
		db, good := resource(t, "db", "db.corp"), grant(t, "g", "tunneler/laptop", "resource/db")
		take(t, s, update(false, 0, 5, []ruleset.Rule{db, good}, nil, db, good))
		odd := encoded(t, &zerotrustv1.Rule{Key: "grant/g", Rule: &zerotrustv1.Rule_Grant{Grant: g}})
		take(t, s, update(false, 5, 6, []ruleset.Rule{db, odd}, nil, odd))
		require.Equal(t, access.NotGranted, code(s, "db.corp"), name)
	}
}

// TestARuleSaysWithWhatConnectionsBegin, and takes few bytes for it.
func TestARuleSaysWithWhatConnectionsBegin(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	plain, g := resource(t, "db", "db.corp"), grant(t, "g", "tunneler/laptop", "resource/db")
	r, err := access.ResourceText{ID: "db", NetworkID: "default", Name: "db", Hosts: []string{"db.corp"}, Ports: []string{"5432"}, ProxyProtocol: "v2"}.Parse()
	require.NoError(t, err)
	told, err := ruleset.OfResource(r)
	require.NoError(t, err)
	require.LessOrEqual(t, len(told.Raw)-len(plain.Raw), 8)
	proxy := func() access.ProxyProtocol {
		return s.Decide(laptop, access.Target{Host: "db.corp", Port: 5432}, now).ProxyProtocol
	}
	take(t, s, update(false, 0, 5, []ruleset.Rule{plain, g}, nil, plain, g))
	require.Empty(t, proxy())
	take(t, s, update(false, 5, 6, []ruleset.Rule{told, g}, nil, told))
	require.Equal(t, access.ProxyV2, proxy())
	take(t, s, update(false, 6, 7, []ruleset.Rule{plain, g}, nil, plain))
	require.Empty(t, proxy())
}

// TestBytesThatAreNoRuleEndTheStreamAndChangeNothing.
func TestBytesThatAreNoRuleEndTheStreamAndChangeNothing(t *testing.T) {
	t.Parallel()
	long := encoded(t, &zerotrustv1.Rule{Key: strings.Repeat("k", delta.MaxKey+1)})
	big := encoded(t, &zerotrustv1.Rule{Key: "resource/x", Rule: &zerotrustv1.Rule_Resource{Resource: &zerotrustv1.ResourceRule{Name: strings.Repeat("n", ruleset.MaxRule)}}})
	for name, raw := range map[string][]byte{"no protobuf": {0xff}, "no key": {}, "a long key": long.Raw, "a long rule": big.Raw} {
		s := ruleset.NewSet(td)
		db, g := resource(t, "db", "db.corp"), grant(t, "g", "tunneler/laptop", "resource/db")
		take(t, s, update(false, 0, 5, []ruleset.Rule{db, g}, nil, db, g))
		m := update(false, 5, 6, nil, nil)
		m.Upserts = [][]byte{raw}
		_, err := s.Take(m)
		require.ErrorIs(t, err, ruleset.ErrMalformed, name)
		require.Equal(t, access.Granted, code(s, "db.corp"), name)
		require.ErrorIs(t, ruleset.NewSet(td).Restore(ruleset.Network, ruleset.Kept{At: 1, Rules: [][]byte{raw}}), ruleset.ErrMalformed, name)
	}
}

// TestWhatIsKeptIsWhatWas over a restart, with the position to continue from.
func TestWhatIsKeptIsWhatWas(t *testing.T) {
	t.Parallel()
	s := ruleset.NewSet(td)
	db, g, net := resource(t, "db", "db.corp"), grant(t, "g", "label/team=dev", "resource/db"), network(t, "10.1.0.0/16")
	dev := labelled(t, "laptop", access.Labels{"team": "dev", "room": "7"})
	take(t, s, update(false, 0, 5, []ruleset.Rule{db, g, net}, nil, db, g, net))
	take(t, s, update(true, 0, 6, []ruleset.Rule{dev}, nil, dev))
	again := ruleset.NewSet(td)
	for _, scope := range []ruleset.Scope{ruleset.Network, ruleset.Shared} {
		require.NoError(t, again.Restore(scope, s.Keep(scope)))
		require.Equal(t, s.Position(scope), again.Position(scope))
	}
	require.Equal(t, access.Granted, code(again, "db.corp"))
	d := again.Decide(laptop, access.Target{Host: "db.corp", Port: 5432}, now)
	require.True(t, again.DecideAddress(laptop, d, netip.MustParseAddrPort("10.1.0.9:5432"), now).Allowed)
	require.Equal(t, access.AddressOutside, again.DecideAddress(laptop, d, netip.MustParseAddrPort("10.2.0.9:5432"), now).Code)
	take(t, again, update(true, 6, 7, nil, []string{dev.Key}))
	require.Equal(t, access.NotGranted, code(again, "db.corp"))
}

// TestTheOrderOfRulesDoesNotCount: edits in any order lead to the Rules of the last ones.
func TestTheOrderOfRulesDoesNotCount(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		want, got := ruleset.NewRules(td), ruleset.NewRules(td)
		last := map[string]ruleset.Rule{}
		for range 40 {
			n := random.IntN(4)
			var r ruleset.Rule
			switch random.IntN(3) {
			case 0:
				r = resource(t, fmt.Sprintf("r%d", n), []string{"db.corp", "*.corp", "10.0.0.1", "web.corp"}[random.IntN(4)])
			case 1:
				r = grant(t, fmt.Sprintf("g%d", n), []string{"tunneler/laptop", "label/team=dev"}[random.IntN(2)], fmt.Sprintf("resource/r%d", random.IntN(4)))
			default:
				r = labelled(t, "laptop", access.Labels{"team": []string{"dev", "ops"}[random.IntN(2)]})
			}
			if random.IntN(4) == 0 {
				got.Remove(ruleset.Network, r.Key)
				delete(last, r.Key)
				continue
			}
			require.NoError(t, got.Put(ruleset.Network, r))
			last[r.Key] = r
		}
		keys := slices.Collect(maps.Keys(last))
		random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		for _, key := range keys {
			require.NoError(t, want.Put(ruleset.Network, last[key]))
		}
		for _, host := range []string{"db.corp", "web.corp", "x.corp", "10.0.0.1", "10.0.0.2"} {
			require.Equal(t, code(want, host), code(got, host), "%v", keys)
		}
	}
}

// FuzzTake: no bytes of a controller crash, or allow anything that no whole rule says.
func FuzzTake(f *testing.F) {
	g := grant(f, "g", "tunneler/laptop", "resource/db")
	f.Add(resource(f, "db", "db.corp").Raw, g.Raw, true)
	f.Add(labelled(f, "laptop", access.Labels{"a": "b"}).Raw, network(f, "10.0.0.0/8").Raw, false)
	f.Fuzz(func(t *testing.T, one, two []byte, shared bool) {
		s := ruleset.NewSet(td)
		rules, err := ruleset.ParseAll([][]byte{one, two})
		if err != nil {
			return
		}
		if rules[0].Key == rules[1].Key {
			rules = rules[1:]
		}
		_, err = s.Take(update(shared, 0, 1, rules, nil, rules...))
		require.NoError(t, err)
		taken := s.Commit()
		if s.Obscure() > 0 {
			require.Error(t, taken.Faults)
			require.Equal(t, access.NotUnderstood, code(s, "db.corp"))
		}
		for _, r := range rules {
			s.Remove(ruleset.Network, r.Key)
			s.Remove(ruleset.Shared, r.Key)
		}
		resources, grants := s.Len()
		require.Zero(t, resources+grants+s.Obscure())
	})
}
