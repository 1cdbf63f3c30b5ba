package policy_test

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

var (
	ann  = fleet.By{Actor: "person:p_ann", RequestID: "r1", From: "192.0.2.1"}
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// rulebook is Rules with a real store.
type rulebook struct {
	*policy.Rules
	store *store.Store
}

func newRulebook(t testing.TB) rulebook {
	t.Helper()
	s, err := store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	clock := func() time.Time { return noon }
	return rulebook{policy.NewRules(policy.RulesConfig{Store: s, TrustDomain: td, Audit: audit.New(zap.NewNop(), clock), Now: clock}), s}
}

func db() access.ResourceText {
	return access.ResourceText{ID: "db", NetworkID: fleet.DefaultNetwork, Hosts: []string{"DB.corp"}, Ports: []string{"5432"}, Alias: "pg", Labels: access.Labels{"env": "prod"}}
}

func toDB() access.GrantText {
	return access.GrantText{ID: "g1", Subject: "tunneler/laptop", Object: "resource/db"}
}

// last lists the changes after a position: kind, id, op.
func (b rulebook) last(t *testing.T, after uint64) (out []string) {
	t.Helper()
	changes, err := b.store.Changes(t.Context(), after, 100)
	require.NoError(t, err)
	for _, c := range changes {
		switch c.Kind { //nolint:exhaustive // all others
		case changelog.Policy:
			out = append(out, "policy")
		case changelog.Audit:
		default:
			out = append(out, string(c.Kind)+" "+c.ID+" "+string(c.Op))
		}
	}
	return out
}

func (b rulebook) position(t *testing.T) uint64 {
	t.Helper()
	at, err := b.store.ChangePosition(t.Context())
	require.NoError(t, err)
	return at
}

func ptr[T any](v T) *T { return &v }

func TestResourcesAreCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	at := b.position(t)
	r, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	require.Equal(t, "db", r.Name, "the id, when there is no name")
	require.Equal(t, []string{"db.corp"}, r.Text().Hosts)
	require.Equal(t, int64(1), r.Revision)
	require.Equal(t, []string{"resource db created", "policy"}, b.last(t, at))

	for _, e := range []policy.ResourceEdit{{}, {Revision: 1}, {Hosts: []string{"db.corp."}}, {Ports: []string{"5432", "5432"}}, {Name: ptr("db")}, {Name: ptr("")}, {Alias: ptr("PG")}, {Labels: map[string]*string{"env": ptr("prod"), "x": nil}}} {
		at := b.position(t)
		same, err := b.EditResource(ctx, "db", e, ann)
		require.NoError(t, err)
		require.Equal(t, int64(1), same.Revision, "what is as it was is not written")
		require.Empty(t, b.last(t, at))
	}
	r, err = b.EditResource(ctx, "db", policy.ResourceEdit{ProxyProtocol: ptr("v2")}, ann)
	require.NoError(t, err)
	require.Equal(t, access.ProxyV2, r.ProxyProtocol)
	_, err = b.EditResource(ctx, "db", policy.ResourceEdit{ProxyProtocol: ptr("v1")}, ann)
	require.ErrorContains(t, err, "proxy_protocol: ")
	at = b.position(t)
	r, err = b.EditResource(ctx, "db", policy.ResourceEdit{ProxyProtocol: ptr(""), Hosts: []string{"db2.corp", "10.0.0.1"}, Alias: ptr(""), Labels: map[string]*string{"env": nil, "tier": ptr("a")}, Revision: 2}, ann)
	require.NoError(t, err)
	require.Equal(t, access.ResourceText{ID: "db", NetworkID: fleet.DefaultNetwork, Name: "db", Hosts: []string{"10.0.0.1", "db2.corp"}, Ports: []string{"5432"}, Labels: access.Labels{"tier": "a"}}, r.Text())
	require.Equal(t, []string{"resource db changed", "policy"}, b.last(t, at))
	got, err := b.Resource(ctx, "db")
	require.NoError(t, err)
	require.Equal(t, r, got)

	at = b.position(t)
	require.NoError(t, b.DeleteResource(ctx, "db", ann))
	require.Equal(t, []string{"resource db deleted", "policy"}, b.last(t, at))
	events, err := b.store.AuditSince(ctx, noon.Add(-time.Hour))
	require.NoError(t, err)
	var actions []string
	for _, e := range events {
		require.Equal(t, ann.Actor, e.Actor)
		require.Equal(t, audit.Ref{Kind: "resource", ID: "db"}, e.TargetRef())
		actions = append(actions, string(e.Action)+" "+strconv.FormatBool(e.Before != "")+" "+strconv.FormatBool(e.After != ""))
	}
	require.ElementsMatch(t, []string{"resource.create false true", "resource.update true true", "resource.update true true", "resource.delete true false"}, actions)
}

func TestChangesOfResourcesThatAreRefused(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	_, err = b.CreateResource(ctx, access.ResourceText{ID: "web", NetworkID: fleet.DefaultNetwork, Hosts: []string{"web"}, Ports: []string{"80"}}, ann)
	require.NoError(t, err)
	_, err = b.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	at := b.position(t)
	create := func(change func(*access.ResourceText)) error {
		text := db()
		text.ID, text.Alias = "other", ""
		change(&text)
		_, err := b.CreateResource(ctx, text, ann)
		return err
	}
	edit := func(id string, e policy.ResourceEdit) error {
		_, err := b.EditResource(ctx, id, e, ann)
		return err
	}
	for name, tc := range map[string]struct {
		err  error
		want error  // or
		says string // a field and what is wrong with it
	}{
		"an id that is there":           {err: create(func(r *access.ResourceText) { r.ID = "db" }), want: fleet.ExistsError{Kind: "resource", ID: "db"}},
		"without an id":                 {err: create(func(r *access.ResourceText) { r.ID = "" }), says: "id: "},
		"without hosts":                 {err: create(func(r *access.ResourceText) { r.Hosts = nil }), says: "hosts: "},
		"a network that is not there":   {err: create(func(r *access.ResourceText) { r.NetworkID = "lab" }), says: `network_id: there is no network "lab"`},
		"an alias of another":           {err: create(func(r *access.ResourceText) { r.Alias = "PG." }), says: `alias: the resource "db" has it`},
		"change one that is not there":  {err: edit("none", policy.ResourceEdit{}), want: fleet.ErrNotFound},
		"change what another changed":   {err: edit("db", policy.ResourceEdit{Name: ptr("x"), Revision: 2}), want: fleet.ErrStale},
		"stale, and wrong":              {err: edit("db", policy.ResourceEdit{Hosts: []string{}, Revision: 2}), want: fleet.ErrStale},
		"take all hosts":                {err: edit("db", policy.ResourceEdit{Hosts: []string{}}), says: "hosts: "},
		"take all ports":                {err: edit("db", policy.ResourceEdit{Ports: []string{}}), says: "ports: "},
		"two hosts beside an alias":     {err: edit("db", policy.ResourceEdit{Hosts: []string{"a", "b"}}), says: "alias: "},
		"take the alias of another":     {err: edit("web", policy.ResourceEdit{Alias: ptr("pg")}), says: `alias: the resource "db" has it`},
		"a bad label":                   {err: edit("db", policy.ResourceEdit{Labels: map[string]*string{"A": ptr("b")}}), says: "labels: "},
		"delete one that is not there":  {err: b.DeleteResource(ctx, "none", ann), want: fleet.ErrNotFound},
		"delete one that a grant names": {err: b.DeleteResource(ctx, "db", ann), says: "a grant names the resource (g1): delete them first"},
	} {
		require.Error(t, tc.err, name)
		if tc.want != nil {
			require.ErrorIs(t, tc.err, tc.want, name)
		}
		require.Contains(t, tc.err.Error(), tc.says, name)
	}
	var granted *policy.GrantedError
	require.ErrorAs(t, b.DeleteResource(ctx, "db", ann), &granted)
	require.Equal(t, &policy.GrantedError{Grants: []string{"g1"}, Total: 1}, granted)
	require.Empty(t, b.last(t, at), "nothing was changed")
	require.Equal(t, "25 grants name the resource (a, b, …): delete them first", (&policy.GrantedError{Grants: []string{"a", "b"}, Total: 25}).Error())
}

func TestGrantsAreCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	at := b.position(t)
	_, err = b.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	require.Equal(t, []string{"grant g1 created", "policy"}, b.last(t, at))
	for _, e := range []policy.GrantEdit{{}, {Revision: 1}, {Subject: ptr("tunneler/laptop")}, {Until: &time.Time{}}, {Windows: &[]string{}}, {TimeZone: ptr("")}} {
		at := b.position(t)
		same, err := b.EditGrant(ctx, "g1", e, ann)
		require.NoError(t, err)
		require.Equal(t, int64(1), same.Revision)
		require.Empty(t, b.last(t, at))
	}
	at = b.position(t)
	until := noon.Add(time.Hour)
	g, err := b.EditGrant(ctx, "g1", policy.GrantEdit{Subject: ptr("label/team=dev"), Object: ptr("label/env=prod"), Until: &until, TimeZone: ptr("UTC"), Windows: &[]string{"mon,tue 08:00-18:00"}, Revision: 1}, ann)
	require.NoError(t, err)
	require.Equal(t, access.GrantText{ID: "g1", Subject: "label/team=dev", Object: "label/env=prod", Until: until, TimeZone: "UTC", Windows: []string{"mon-tue 08:00-18:00"}}, g.Text())
	require.Equal(t, []string{"grant g1 changed", "policy"}, b.last(t, at))
	past := noon.Add(-time.Second)
	_, err = b.EditGrant(ctx, "g1", policy.GrantEdit{Until: &past}, ann)
	require.ErrorContains(t, err, "until: 2026-01-02T11:59:59Z has passed")
	_, err = b.CreateGrant(ctx, access.GrantText{ID: "g2", Subject: "tunneler/laptop", Object: "label/env=prod", Until: past}, ann)
	require.ErrorContains(t, err, "until: 2026-01-02T11:59:59Z has passed")
	_, err = b.Apply(ctx, read(t, "grants:\n  - {id: old, subject: tunneler/laptop, object: label/env=prod, until: 2026-01-02T11:59:59Z}\n"), ann)
	require.NoError(t, err, "a file is applied again after an end in it has passed")
	_, err = b.EditGrant(ctx, "old", policy.GrantEdit{Subject: ptr("tunneler/other")}, ann)
	require.NoError(t, err, "what is not the end")
	require.NoError(t, b.DeleteGrant(ctx, "old", ann))
	require.NoError(t, b.DeleteResource(ctx, "db", ann), "no grant names its id any more")
	at = b.position(t)
	require.NoError(t, b.DeleteGrant(ctx, "g1", ann))
	require.Equal(t, []string{"grant g1 deleted", "policy"}, b.last(t, at))

	text := toDB()
	text.ID, text.Object = "", "label/a=b"
	g, err = b.CreateGrant(ctx, text, ann)
	require.NoError(t, err)
	require.Regexp(t, `^g-[a-z2-7]{16}$`, g.ID)
}

func TestChangesOfGrantsThatAreRefused(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.CreateResource(ctx, db(), ann)
	require.NoError(t, err)
	_, err = b.CreateGrant(ctx, toDB(), ann)
	require.NoError(t, err)
	at := b.position(t)
	create := func(change func(*access.GrantText)) error {
		text := toDB()
		text.ID = "g2"
		change(&text)
		_, err := b.CreateGrant(ctx, text, ann)
		return err
	}
	edit := func(id string, e policy.GrantEdit) error {
		_, err := b.EditGrant(ctx, id, e, ann)
		return err
	}
	for name, tc := range map[string]struct {
		err  error
		want error
		says string
	}{
		"an id that is there":          {err: create(func(g *access.GrantText) { g.ID = "g1" }), want: fleet.ExistsError{Kind: "grant", ID: "g1"}},
		"a resource that is not there": {err: create(func(g *access.GrantText) { g.Object = "resource/none" }), says: `object: there is no resource "none"`},
		"a person":                     {err: create(func(g *access.GrantText) { g.Subject = "person/ann" }), says: "subject: "},
		"windows without a zone":       {err: create(func(g *access.GrantText) { g.Windows = []string{"mon 08:00-09:00"} }), says: "time_zone: "},
		"change one that is not there": {err: edit("none", policy.GrantEdit{}), want: fleet.ErrNotFound},
		"change what another changed":  {err: edit("g1", policy.GrantEdit{Subject: ptr("tunneler/b"), Revision: 2}), want: fleet.ErrStale},
		"to a resource that is none":   {err: edit("g1", policy.GrantEdit{Object: ptr("resource/none")}), says: "object: "},
		"a zone without windows":       {err: edit("g1", policy.GrantEdit{TimeZone: ptr("UTC")}), says: "windows: "},
		"delete one that is not there": {err: b.DeleteGrant(ctx, "none", ann), want: fleet.ErrNotFound},
	} {
		require.Error(t, tc.err, name)
		if tc.want != nil {
			require.ErrorIs(t, tc.err, tc.want, name)
		}
		require.ErrorContains(t, tc.err, tc.says, name)
	}
	require.Empty(t, b.last(t, at), "nothing was changed")
}
