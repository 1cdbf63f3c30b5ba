package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// labelled writes a live tunneler with labels, and says so in the change log.
func labelled(t *testing.T, m *memory, id string, labels access.Labels) {
	t.Helper()
	m.change(func() {
		one := fleet.Tunneler{Member: member(identity.KindTunneler, id, noon.Add(-time.Hour))}
		one.About.Labels = labels
		for i := range m.tunnelers {
			if m.tunnelers[i].ID == id {
				m.tunnelers[i] = one
				return
			}
		}
		m.tunnelers = append(m.tunnelers, one)
	})
	m.Add(changelog.Change{Kind: changelog.Tunneler, ID: id, Op: changelog.Changed})
}

func resource(t *testing.T, id string, labels access.Labels) policy.Resource {
	t.Helper()
	r, err := access.ResourceText{ID: id, NetworkID: fleet.DefaultNetwork, Name: id, Hosts: []string{id + ".corp"}, Ports: []string{"22"}, Labels: labels}.Parse()
	require.NoError(t, err)
	return policy.Resource{Resource: r, Revision: 1}
}

func grant(t *testing.T, text access.GrantText) policy.Grant {
	t.Helper()
	g, err := text.Parse(&access.Zones{})
	require.NoError(t, err)
	return policy.Grant{Grant: g, Revision: 1}
}

// asker is a tunneler that asks what it may reach.
type asker struct {
	id    string
	since uint64
	known []string
}

// ask returns what is reachable, and says whether that was news.
func (a *asker) ask(p *policy.Publisher) (news bool) {
	reach, _, news := p.Reach(a.id, a.since)
	if !news {
		return false
	}
	a.since, a.known = reach.Version, nil
	for _, r := range reach.Resources {
		a.known = append(a.known, r.ID)
	}
	return true
}

func TestATunnelerIsToldItsOwnResourcesAndOnlyWhenTheyChange(t *testing.T) {
	t.Parallel()
	m := newMemory(1)
	labelled(t, m, "ann", access.Labels{"team": "dev"})
	labelled(t, m, "bob", nil)
	p := policy.NewPublisher(td, m, zap.NewNop(), func() time.Time { return noon })
	require.NoError(t, p.Refresh(t.Context()))
	ann, bob := asker{id: "ann"}, asker{id: "bob"}
	require.True(t, ann.ask(p), "also nothing is told once")
	require.True(t, bob.ask(p))

	// each is one change; who is to hear of it, and what they reach then
	for _, step := range []struct {
		name     string
		do       func()
		kind     changelog.Kind
		id       string
		ann, bob []string
		heard    string
	}{
		{"a resource that nobody was granted", func() { m.PutResource(resource(t, "db", access.Labels{"env": "dev"})) }, changelog.Resource, "db", nil, nil, ""},
		{"a grant of it to one", func() {
			m.PutGrant(grant(t, access.GrantText{ID: "g1", Subject: "tunneler/bob", Object: "resource/db"}))
		}, changelog.Grant, "g1", nil, []string{"db"}, "bob"},
		{"a grant of a label to a label", func() {
			m.PutGrant(grant(t, access.GrantText{ID: "g2", Subject: "label/team=dev", Object: "label/env=dev"}))
		}, changelog.Grant, "g2", []string{"db"}, []string{"db"}, "ann"},
		{"another resource with the label", func() { m.PutResource(resource(t, "web", access.Labels{"env": "dev"})) }, changelog.Resource, "web", []string{"db", "web"}, []string{"db"}, "ann"},
		{"the label goes", func() { m.PutResource(resource(t, "db", nil)) }, changelog.Resource, "db", []string{"web"}, []string{"db"}, "both"},
		{"a grant that has ended", func() {
			m.PutGrant(grant(t, access.GrantText{ID: "g1", Subject: "tunneler/bob", Object: "resource/db", Until: noon}))
		}, changelog.Grant, "g1", []string{"web"}, nil, "bob"},
		{"it moves to the other", func() {
			m.PutGrant(grant(t, access.GrantText{ID: "g1", Subject: "tunneler/ann", Object: "resource/db"}))
		}, changelog.Grant, "g1", []string{"db", "web"}, nil, "both"},
		{"the resource is deleted", func() { m.DeleteResource("web") }, changelog.Resource, "web", []string{"db"}, nil, "ann"},
		{"the grant is deleted", func() { m.DeleteGrant("g1") }, changelog.Grant, "g1", nil, nil, "ann"},
	} {
		step.do()
		m.Add(changelog.Change{Kind: step.kind, ID: step.id, Op: changelog.Changed})
		require.NoError(t, p.Refresh(t.Context()), step.name)
		require.Equal(t, step.heard == "ann" || step.heard == "both", ann.ask(p), step.name)
		require.Equal(t, step.heard == "bob" || step.heard == "both", bob.ask(p), step.name)
		require.Equal(t, step.ann, ann.known, step.name)
		require.Equal(t, step.bob, bob.known, step.name)
	}

	m.PutResource(resource(t, "db", access.Labels{"env": "dev"}))
	m.Add(changelog.Change{Kind: changelog.Resource, ID: "db", Op: changelog.Changed})
	labelled(t, m, "bob", access.Labels{"team": "dev"})
	labelled(t, m, "ann", nil)
	require.NoError(t, p.Refresh(t.Context()))
	require.True(t, ann.ask(p))
	require.True(t, bob.ask(p))
	require.Empty(t, ann.known, "without the label")
	require.Equal(t, []string{"db"}, bob.known)
}

func TestWhatATunnelerMayReachEndsAndBeginsAtItsTime(t *testing.T) {
	t.Parallel()
	m := newMemory(1)
	labelled(t, m, "ann", nil)
	m.PutResource(resource(t, "db", nil))
	m.PutResource(resource(t, "web", nil))
	m.PutGrant(grant(t, access.GrantText{ID: "g1", Subject: "tunneler/ann", Object: "resource/db", Until: noon.Add(time.Hour)}))
	m.PutGrant(grant(t, access.GrantText{ID: "g2", Subject: "tunneler/ann", Object: "resource/web", TimeZone: "UTC", Windows: []string{"fri 12:01-12:30"}}))
	now := noon.Add(10 * time.Second) // a Friday
	p := policy.NewPublisher(td, m, zap.NewNop(), func() time.Time { return now })
	require.NoError(t, p.Refresh(t.Context()))
	at := func(clock time.Time) (ids []string, again time.Duration) {
		now = clock
		reach, again, news := p.Reach("ann", 0)
		require.True(t, news)
		for _, r := range reach.Resources {
			ids = append(ids, r.ID+" "+r.Until.Format("15:04"))
		}
		return ids, again
	}
	ids, again := at(now)
	require.Equal(t, []string{"db 13:00"}, ids)
	require.Equal(t, 50*time.Second, again, "a window may begin at the next minute")
	ids, again = at(noon.Add(time.Minute))
	require.Equal(t, []string{"db 13:00", "web 12:30"}, ids)
	require.Equal(t, 29*time.Minute, again)
	ids, _ = at(noon.Add(time.Hour))
	require.Empty(t, ids)
	reach, again, _ := p.Reach("nobody", 0)
	require.Empty(t, reach.Resources)
	require.Zero(t, again)
}

// TestReachSaysWhatExplainAllows has the list and the function that decides agree on a real store.
func TestReachSaysWhatExplainAllows(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	_, err = b.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	p := policy.NewPublisher(td, b.store, zap.NewNop(), func() time.Time { return noon })
	require.NoError(t, p.Refresh(ctx))
	rules := policy.NewRules(policy.RulesConfig{Store: b.store, TrustDomain: td, Audit: audit.New(zap.NewNop(), time.Now), Now: func() time.Time { return noon }})
	for id, want := range map[string]bool{"laptop": true, "other": false} {
		a, err := rules.Explain(ctx, policy.Question{TunnelerID: id, Target: access.Target{Host: "db.corp", Port: 5432}})
		require.NoError(t, err)
		require.Equal(t, want, a.Allowed)
		reach, _, _ := p.Reach(id, 0)
		require.Equal(t, want, len(reach.Resources) == 1, id)
	}
}
