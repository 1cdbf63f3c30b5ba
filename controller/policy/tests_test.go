package policy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var errLater = errors.New("something else fails")

// members is the fleet of the same store.
func (b rulebook) members() *fleet.Fleet {
	now := func() time.Time { return noon }
	return fleet.New(fleet.Config{Store: b.store, Roster: presence.NewRoster(now), Changed: nobody{}, Audit: audit.New(zap.NewNop(), now), Now: now})
}

type nobody struct{}

func (nobody) MembersChanged([]fleet.Member) {}

// enroll writes a tunneler, with the labels that it had before.
func (b rulebook) enroll(t *testing.T, id string, labels access.Labels) {
	t.Helper()
	h := fleet.Host{ID: identity.NewHostID(), EnrolledAt: noon, About: fleet.About{Revision: 1}}
	h.KeyHash = []byte(h.ID)
	var err error
	h.AgentID, err = h.ID.AgentID(td)
	require.NoError(t, err)
	require.NoError(t, b.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		if err := tx.PutHost(t.Context(), h); err != nil {
			return err
		}
		m := member(identity.KindTunneler, id, noon)
		m.HostID, m.About = h.ID, fleet.About{Labels: labels, Revision: 1}
		return tx.PutMember(t.Context(), m)
	}))
}

// rule says what a test of this id would be about.
func expects(id, subject, expect, target string) policy.TestText {
	return policy.TestText{ID: id, Subject: subject, Expect: expect, Target: target}
}

// guarded has dev-laptop, which reaches the database by its label, the vault that it does
// not reach, and tests of both.
func guarded(t *testing.T) rulebook {
	t.Helper()
	b, ctx := newRulebook(t), t.Context()
	b.enroll(t, "dev-laptop", access.Labels{"team": "dev"})
	_, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	_, err = b.CreateResource(ctx, access.ResourceText{ID: "vault", NetworkID: fleet.DefaultNetwork, Hosts: []string{"vault.corp"}, Ports: []string{"8200"}}, ann)
	require.NoError(t, err)
	_, err = b.CreateResource(ctx, access.ResourceText{ID: "address", NetworkID: fleet.DefaultNetwork, Hosts: []string{"10.1.0.7"}, Ports: []string{"22"}, Labels: access.Labels{"env": "prod"}}, ann)
	require.NoError(t, err)
	_, err = b.CreateGrant(ctx, access.GrantText{ID: "dev", Subject: "label/team=dev", Object: "label/env=prod"}, ann)
	require.NoError(t, err)
	for _, text := range []policy.TestText{
		expects("db", "tunneler/dev-laptop", "reach", "DB.corp:5432"),
		expects("label", "label/team=dev", "reach", "db.corp:5432"),
		expects("no-vault", "tunneler/dev-laptop", "refuse", "vault.corp:8200"),
		expects("ssh", "tunneler/dev-laptop", "reach", "10.1.0.7:22"),
		expects("stranger", "label/team=guests", "refuse", "db.corp:5432"),
	} {
		r, err := b.CreateTest(ctx, text, ann)
		require.NoError(t, err)
		require.True(t, r.Holds(), text.ID)
	}
	return b
}

// TestAChangeThatBreaksATestIsRefused, whatever it changes, and nothing of it is kept.
func TestAChangeThatBreaksATestIsRefused(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	f, laptop := b.members(), identity.Workload{Kind: identity.KindTunneler, ID: "dev-laptop"}
	at := b.position(t)
	for name, tc := range map[string]struct {
		change func() error
		broken []string
	}{
		"a grant is deleted": {func() error { return b.DeleteGrant(ctx, "dev", ann) }, []string{"db", "label", "ssh"}},
		"a grant is for others": {func() error {
			_, err := b.EditGrant(ctx, "dev", policy.GrantEdit{Subject: ptr("label/team=ops")}, ann)
			return err
		}, []string{"db", "label", "ssh"}},
		"a grant has ended": {func() error {
			_, err := b.EditGrant(ctx, "dev", policy.GrantEdit{Until: ptr(noon)}, ann)
			return err
		}, []string{"db", "label", "ssh"}},
		"a grant allows too much": {func() error {
			_, err := b.CreateGrant(ctx, access.GrantText{ID: "all", Subject: "label/team=dev", Object: "resource/vault"}, ann)
			return err
		}, []string{"no-vault"}},
		"a grant allows too much on Sundays only": {func() error {
			_, err := b.CreateGrant(ctx, access.GrantText{ID: "sun", Subject: "tunneler/dev-laptop", Object: "resource/vault", TimeZone: "UTC", Windows: []string{"sun 00:00-01:00"}}, ann)
			return err
		}, []string{"no-vault"}},
		"a grant of strangers": {func() error {
			_, err := b.CreateGrant(ctx, access.GrantText{ID: "guests", Subject: "label/team=guests", Object: "resource/db"}, ann)
			return err
		}, []string{"stranger"}},
		"a resource loses its label": {func() error {
			_, err := b.EditResource(ctx, "db", policy.ResourceEdit{Labels: map[string]*string{"env": nil}}, ann)
			return err
		}, []string{"db", "label"}},
		"a resource gets a label": {func() error {
			_, err := b.EditResource(ctx, "vault", policy.ResourceEdit{Labels: map[string]*string{"env": ptr("prod")}}, ann)
			return err
		}, []string{"no-vault"}},
		"a resource moves to another host": {func() error {
			_, err := b.EditResource(ctx, "db", policy.ResourceEdit{Hosts: []string{"db2.corp"}}, ann)
			return err
		}, []string{"db", "label"}},
		"a resource is deleted": {func() error { return b.DeleteResource(ctx, "db", ann) }, []string{"db", "label"}},
		"a resource is more specific": {func() error {
			_, err := b.CreateResource(ctx, access.ResourceText{ID: "guard", NetworkID: fleet.DefaultNetwork, Hosts: []string{"10.1.0.7"}, Ports: []string{"22"}}, ann)
			if err == nil { // both decide as equals
				err = b.DeleteResource(ctx, "address", ann)
			}
			return err
		}, []string{"ssh"}},
		"a tunneler loses its label": {func() error {
			return f.EditMember(ctx, laptop, fleet.Edit{Labels: map[string]*string{"team": nil}}, ann)
		}, []string{"db", "ssh"}},
		"a network declares other prefixes": {func() error {
			_, err := f.EditNetwork(ctx, fleet.DefaultNetwork, fleet.NetworkEdit{Prefixes: &[]string{"192.168.0.0/16"}}, ann)
			return err
		}, []string{"ssh"}},
		"a test that does not hold is made": {func() error {
			_, err := b.CreateTest(ctx, expects("vault", "tunneler/dev-laptop", "reach", "vault.corp:8200"), ann)
			return err
		}, []string{"vault"}},
		"a test of somebody who is not there": {func() error {
			_, err := b.CreateTest(ctx, expects("who", "tunneler/not-enrolled", "reach", "db.corp:5432"), ann)
			return err
		}, []string{"who"}},
		"a test expects the opposite": {func() error {
			_, err := b.EditTest(ctx, "db", policy.TestEdit{Expect: ptr("refuse")}, ann)
			return err
		}, []string{"db"}},
	} {
		err := tc.change()
		broken, ok := errors.AsType[*policy.BrokenError](err)
		require.True(t, ok, "%s: %v", name, err)
		var ids []string
		for _, r := range broken.Broken {
			require.False(t, r.Holds(), name)
			ids = append(ids, r.ID)
		}
		require.Equal(t, tc.broken, ids, name)
		require.Equal(t, len(ids), broken.Total, name)
	}
	require.Equal(t, []string{"resource guard created", "policy"}, b.last(t, at), "of all that was refused nothing is kept")
	page, err := b.Tests(ctx, policy.TestQuery{Query: fleet.Query{Sort: fleet.ByID, Limit: 100}})
	require.NoError(t, err)
	require.Len(t, page.Items, 5)
	for _, r := range page.Items {
		require.True(t, r.Holds(), r.ID)
	}
}

// TestTheErrorSaysWhatWouldBeDecided, and by what.
func TestTheErrorSaysWhatWouldBeDecided(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	err := b.DeleteGrant(ctx, "dev", ann)
	require.ErrorContains(t, err, "3 policy tests would not hold: db: tunneler/dev-laptop must reach db.corp:5432, and would be refused (not_granted, resource db); label: ")
	_, err = b.CreateGrant(ctx, access.GrantText{ID: "all", Subject: "label/team=dev", Object: "resource/vault"}, ann)
	require.ErrorContains(t, err, "a policy test would not hold: no-vault: tunneler/dev-laptop must not reach vault.corp:8200, and would by the grant all of the resource vault")
	broken, ok := errors.AsType[*policy.BrokenError](err)
	require.True(t, ok)
	require.Equal(t, policy.Answer{Decision: access.Decision{Allowed: true, Code: access.Granted, ResourceID: "vault", GrantID: "all"}, NetworkID: fleet.DefaultNetwork}, broken.Broken[0].Answer)
	require.Equal(t, "25 policy tests would not hold: …", (&policy.BrokenError{Total: 25}).Error())
}

// TestChangesThatNoTestStops: what breaks no test, those that did not hold before, and what
// must not depend on tests.
func TestChangesThatNoTestStops(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	f, laptop := b.members(), identity.Workload{Kind: identity.KindTunneler, ID: "dev-laptop"}
	_, err := b.CreateGrant(ctx, access.GrantText{ID: "second", Subject: "tunneler/dev-laptop", Object: "resource/db", TimeZone: "UTC", Windows: []string{"sun 00:00-01:00"}}, ann)
	require.NoError(t, err)
	require.NoError(t, b.DeleteTest(ctx, "label", ann))
	require.NoError(t, b.DeleteTest(ctx, "ssh", ann))
	require.NoError(t, b.DeleteGrant(ctx, "dev", ann), "another grant allows it, at its hours")
	_, err = b.EditTest(ctx, "db", policy.TestEdit{Note: ptr("why")}, ann)
	require.NoError(t, err)
	require.NoError(t, f.EditMember(ctx, laptop, fleet.Edit{Name: ptr("Ann's"), Labels: map[string]*string{"team": nil}}, ann), "its label gives it nothing any more")
	require.NoError(t, f.Revoke(ctx, fleet.Revocation{Workload: laptop, Actor: "ann"}), "a revocation is never refused")
	r, err := b.Test(ctx, "db")
	require.NoError(t, err)
	require.True(t, r.Holds(), "the rules are as they were")
	require.Equal(t, int64(2), r.Revision)
	b.enroll(t, "dev-laptop", access.Labels{"team": "guests"})
	require.NoError(t, b.DeleteTest(ctx, "db", ann))
	require.NoError(t, b.DeleteGrant(ctx, "second", ann))
}

// TestWhatIsExpectedHoldsFirst: a test that does not hold is not made, and a change of one
// is a new one.
func TestWhatIsExpectedHoldsFirst(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	at := b.position(t)
	for _, text := range []policy.TestText{
		expects("x", "tunneler/dev-laptop", "reach", "vault.corp:8200"), expects("x", "tunneler/dev-laptop", "refuse", "db.corp:5432"),
		expects("x", "tunneler/not-enrolled", "reach", "db.corp:5432"), expects("x", "label/team=guests", "reach", "db.corp:5432"),
		expects("x", "tunneler/dev-laptop", "reach", "nowhere.corp:1"),
	} {
		_, err := b.CreateTest(ctx, text, ann)
		require.ErrorAs(t, err, new(*policy.BrokenError), text)
	}
	for _, e := range []policy.TestEdit{{Expect: ptr("refuse")}, {Target: ptr("vault.corp:8200")}, {Subject: ptr("label/team=guests")}} {
		_, err := b.EditTest(ctx, "db", e, ann)
		require.ErrorAs(t, err, new(*policy.BrokenError))
	}
	require.Empty(t, b.last(t, at))
	_, err := b.CreateTest(ctx, expects("x", "tunneler/not-enrolled", "refuse", "nowhere.corp:1"), ann)
	require.NoError(t, err, "what is not there is refused")
}

// TestAnEndThatPassesStopsNothing: a test that does not hold any more refuses no change that
// did not break it.
func TestAnEndThatPassesStopsNothing(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	now := noon
	rules := policy.NewRules(policy.RulesConfig{Store: b.store, TrustDomain: td, Audit: audit.New(zap.NewNop(), time.Now), Now: func() time.Time { return now }})
	_, err := rules.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	text := toDB()
	text.Until = noon.Add(time.Hour)
	_, err = rules.CreateGrant(ctx, text, ann)
	require.NoError(t, err)
	_, err = rules.CreateTest(ctx, expects("t", "tunneler/laptop", "reach", "db.corp:5432"), ann)
	require.NoError(t, err)
	now = noon.Add(time.Hour)
	r, err := rules.Test(ctx, "t")
	require.NoError(t, err)
	require.False(t, r.Holds())
	require.Equal(t, access.Ended, r.Code)
	require.NoError(t, rules.DeleteGrant(ctx, "g1", ann))
	_, err = rules.EditTest(ctx, "t", policy.TestEdit{Note: ptr("it ended")}, ann)
	require.NoError(t, err, "a note is no expectation")
	_, err = rules.EditTest(ctx, "t", policy.TestEdit{Target: ptr("db.corp:5433")}, ann)
	require.ErrorAs(t, err, new(*policy.BrokenError), "another target is another test")
	text.Until = time.Time{}
	_, err = rules.CreateGrant(ctx, text, ann)
	require.NoError(t, err)
	require.ErrorAs(t, rules.DeleteGrant(ctx, "g1", ann), new(*policy.BrokenError), "it held again")
}

// TestATestIsOfItsNetwork, and without one of any.
func TestATestIsOfItsNetwork(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	f := b.members()
	_, err := f.CreateNetwork(ctx, fleet.NetworkText{ID: "lab"}, ann)
	require.NoError(t, err)
	_, err = b.CreateResource(ctx, access.ResourceText{ID: "db", NetworkID: "lab", Hosts: []string{"db.corp"}, Ports: []string{"5432"}}, ann)
	require.NoError(t, err)
	_, err = b.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	for network, want := range map[string]bool{"": true, "lab": true, fleet.DefaultNetwork: false} {
		text := expects("t", "tunneler/laptop", "reach", "db.corp:5432")
		text.NetworkID = network
		_, err := b.CreateTest(ctx, text, ann)
		require.Equal(t, want, err == nil, "%q: %v", network, err)
		if err == nil {
			require.NoError(t, b.DeleteTest(ctx, "t", ann))
		}
	}
	text := expects("t", "tunneler/laptop", "refuse", "db.corp:5432")
	text.NetworkID = "nowhere"
	_, err = b.CreateTest(ctx, text, ann)
	require.ErrorContains(t, err, `network_id: there is no network "nowhere"`)
}

// TestWhatIsNoPolicyTestIsRefused, with the field.
func TestWhatIsNoPolicyTestIsRefused(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	at := b.position(t)
	for says, change := range map[string]func(*policy.TestText){
		"id: ":         func(p *policy.TestText) { p.ID = "A" },
		"subject: ":    func(p *policy.TestText) { p.Subject = "person/ann" },
		"target: ":     func(p *policy.TestText) { p.Target = "db.corp" },
		"expect: ":     func(p *policy.TestText) { p.Expect = "allow" },
		"network_id: ": func(p *policy.TestText) { p.NetworkID = "Lab" },
		"note: ":       func(p *policy.TestText) { p.Note = "two\nlines" },
	} {
		text := expects("new", "label/team=dev", "reach", "db.corp:5432")
		change(&text)
		_, err := b.CreateTest(ctx, text, ann)
		require.ErrorContains(t, err, says)
	}
	_, err := b.CreateTest(ctx, expects("db", "label/team=dev", "reach", "db.corp:5432"), ann)
	require.ErrorIs(t, err, fleet.ExistsError{Kind: "policy test", ID: "db"})
	_, err = b.EditTest(ctx, "none", policy.TestEdit{}, ann)
	require.ErrorIs(t, err, fleet.ErrNotFound)
	_, err = b.EditTest(ctx, "db", policy.TestEdit{Note: ptr("x"), Revision: 2}, ann)
	require.ErrorIs(t, err, fleet.ErrStale)
	_, err = b.EditTest(ctx, "db", policy.TestEdit{Expect: ptr("perhaps")}, ann)
	require.ErrorContains(t, err, "expect: ")
	require.ErrorIs(t, b.DeleteTest(ctx, "none", ann), fleet.ErrNotFound)
	_, err = b.EditTest(ctx, "db", policy.TestEdit{Target: ptr("db.CORP.:5432"), Revision: 1}, ann)
	require.NoError(t, err)
	require.Empty(t, b.last(t, at), "nothing was changed")
}

// TestThereAreOnlySoManyPolicyTests.
func TestThereAreOnlySoManyPolicyTests(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	require.NoError(t, b.store.RulesTx(ctx, func(tx policy.RulesTx) error {
		for i := range policy.MaxTests {
			p, err := expects(fmt.Sprint("t", i), "label/a=b", "refuse", "db.corp:5432").Parse()
			require.NoError(t, err)
			p.Revision, p.CreatedAt = 1, noon
			if err := tx.InsertPolicyTest(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := b.CreateTest(ctx, expects("", "label/a=b", "refuse", "db.corp:5432"), ann)
	require.ErrorIs(t, err, policy.ErrTooManyTests)
	require.NoError(t, b.DeleteTest(ctx, "t7", ann))
	r, err := b.CreateTest(ctx, expects("", "label/a=b", "refuse", "db.corp:5432"), ann)
	require.NoError(t, err)
	require.NotEmpty(t, r.ID)
}

// full is a store that says how many rules it has.
type full struct {
	policy.RulesStore

	resources, grants int
}

func (f full) RulesTx(ctx context.Context, fn func(policy.RulesTx) error) error {
	return f.RulesStore.RulesTx(ctx, func(tx policy.RulesTx) error { return fn(fullTx{tx, f}) })
}

type fullTx struct {
	policy.RulesTx

	of full
}

func (f fullTx) CountResources(context.Context) (int, error) { return f.of.resources, nil }
func (f fullTx) CountGrants(context.Context) (int, error)    { return f.of.grants, nil }

// TestThereAreOnlySoManyRules: a program that runs wild does not fill the database.
func TestThereAreOnlySoManyRules(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	most := func(resources, grants int) *policy.Rules {
		clock := func() time.Time { return noon }
		return policy.NewRules(policy.RulesConfig{Store: full{b.store, resources, grants}, TrustDomain: td, Audit: audit.New(zap.NewNop(), clock), Now: clock})
	}
	_, err := most(policy.MaxResources, 0).CreateResource(ctx, db(), ann)
	require.ErrorIs(t, err, policy.ErrTooManyResources)
	_, err = most(policy.MaxResources-1, 0).CreateResource(ctx, db(), ann)
	require.NoError(t, err, "the last one")
	_, err = most(0, policy.MaxGrants).CreateGrant(ctx, toDB(), ann)
	require.ErrorIs(t, err, policy.ErrTooManyGrants)
	_, err = b.Grant(ctx, toDB().ID)
	require.ErrorIs(t, err, fleet.ErrNotFound)
	_, err = most(0, policy.MaxGrants-1).CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err, "the last one")
}

// TestARefusedTransactionIsForgotten: what a check has taken of it is no part of the next.
func TestARefusedTransactionIsForgotten(t *testing.T) {
	t.Parallel()
	b, ctx := guarded(t), t.Context()
	for range 2 {
		require.ErrorAs(t, b.DeleteGrant(ctx, "dev", ann), new(*policy.BrokenError))
		_, err := b.CreateGrant(ctx, access.GrantText{ID: "more", Subject: "label/team=ops", Object: "resource/db"}, ann)
		require.NoError(t, err)
		require.NoError(t, b.DeleteGrant(ctx, "more", ann))
	}
	require.ErrorIs(t, b.store.RulesTx(ctx, func(tx policy.RulesTx) error {
		require.NoError(t, tx.DeleteGrant(ctx, "dev"))
		return errLater
	}), errLater)
	require.ErrorAs(t, b.DeleteGrant(ctx, "dev", ann), new(*policy.BrokenError))
}

// TestAnyHistoryOfRulesIsDecidedAsExplainDoes: what a check has in memory is what is in the
// store, whatever was committed, refused or pruned from the log.
func TestAnyHistoryOfRulesIsDecidedAsExplainDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		b, ctx := newRulebook(t), t.Context()
		random := rand.New(rand.NewPCG(seed, 1))
		f := b.members()
		_, err := f.CreateNetwork(ctx, fleet.NetworkText{ID: "lab"}, ann)
		require.NoError(t, err)
		b.enroll(t, "laptop", nil)
		hosts := []string{"db.corp", "*.corp", "10.0.0.0/8", "10.0.0.1"}
		subjects := []string{"tunneler/laptop", "label/team=dev"}
		one := func(list ...string) string { return list[random.IntN(len(list))] }
		for range 25 {
			var err error
			switch one("resource", "resource", "grant", "grant", "label", "prefixes", "test", "test", "delete", "prune") {
			case "resource":
				id, host, label := one("a", "b", "c"), one(hosts...), access.Labels{"env": one("x", "y")}
				if _, err = b.CreateResource(ctx, access.ResourceText{ID: id, NetworkID: one("default", "lab"), Hosts: []string{host}, Ports: []string{"1"}, Labels: label}, ann); errors.Is(err, fleet.ExistsError{Kind: "resource", ID: id}) {
					_, err = b.EditResource(ctx, id, policy.ResourceEdit{Hosts: []string{host}, Labels: map[string]*string{"env": ptr(label["env"])}}, ann)
				}
			case "grant":
				_, err = b.CreateGrant(ctx, access.GrantText{Subject: one(subjects...), Object: one("resource/a", "resource/b", "label/env=x", "label/env=y")}, ann)
			case "label":
				err = f.EditMember(ctx, identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}, fleet.Edit{Labels: map[string]*string{"team": ptr(one("dev", "ops"))}}, ann)
			case "prefixes":
				_, err = f.EditNetwork(ctx, one("default", "lab"), fleet.NetworkEdit{Prefixes: &[]string{one("10.0.0.0/8", "192.168.0.0/16")}}, ann)
			case "test":
				_, err = b.CreateTest(ctx, expects("", one(subjects...), one("reach", "refuse"), one("db.corp:1", "x.corp:1", "10.0.0.1:1", "10.0.0.2:1")), ann)
			case "delete":
				all, _ := b.store.Grants(ctx)
				if len(all) > 0 {
					err = b.DeleteGrant(ctx, all[0].ID, ann)
				}
			case "prune":
				err = b.store.PruneChanges(ctx, 0)
			}
			if _, broken := errors.AsType[*policy.BrokenError](err); !broken && err != nil {
				require.ErrorAs(t, err, new(*access.FieldError), "a resource that a grant names is not there: %v", err)
			}
		}
		page, err := b.Tests(ctx, policy.TestQuery{Query: fleet.Query{Sort: fleet.ByID, Limit: 100}})
		require.NoError(t, err)
		for _, r := range page.Items {
			require.True(t, r.Holds(), "seed %d: nothing ends here, so what was refused kept it so: %s", seed, r)
			if id, ok := r.Subject.Tunneler(); ok {
				a, err := b.Explain(ctx, policy.Question{TunnelerID: id, Target: r.Target})
				require.NoError(t, err)
				a.Enrolled, a.Known, a.Meant = false, false, access.Target{} // tests do not ask for these
				require.Equal(t, a, r.Answer, "seed %d: %s", seed, r.ID)
			}
		}
	}
}

// counting counts what is read.
type counting struct {
	policy.RulesStore

	whole int
}

func (c *counting) Resources(ctx context.Context) ([]policy.Resource, error) {
	c.whole++
	return c.RulesStore.Resources(ctx)
}

// TestAChangeReadsNoMoreThanItChanges: without tests nothing is read, and with tests
// everything once.
func TestAChangeReadsNoMoreThanItChanges(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	store := &counting{RulesStore: b.store}
	now := func() time.Time { return noon }
	rules := policy.NewRules(policy.RulesConfig{Store: store, TrustDomain: td, Audit: audit.New(zap.NewNop(), now), Now: now})
	_, err := rules.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	_, err = rules.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	require.Zero(t, store.whole, "there are no tests")
	_, err = rules.CreateTest(ctx, expects("t", "tunneler/laptop", "reach", "db.corp:5432"), ann)
	require.NoError(t, err)
	for i := range 5 {
		_, err := rules.EditResource(ctx, "db", policy.ResourceEdit{Name: ptr(fmt.Sprint("name ", i))}, ann)
		require.NoError(t, err)
	}
	require.ErrorAs(t, rules.DeleteGrant(ctx, "g1", ann), new(*policy.BrokenError))
	require.Equal(t, 1, store.whole)

	second := toDB()
	second.ID = "g2"
	_, err = rules.CreateGrant(ctx, second, ann)
	require.NoError(t, err)
	require.NoError(t, b.store.PruneChanges(ctx, 0))
	require.NoError(t, rules.DeleteGrant(ctx, "g1", ann), "the other one allows it, of which the log says nothing any more")
	require.NoError(t, b.store.PruneChanges(ctx, 0))
	require.ErrorAs(t, rules.DeleteGrant(ctx, "g2", ann), new(*policy.BrokenError), "and now no other one does")
	require.Equal(t, 3, store.whole)
}
