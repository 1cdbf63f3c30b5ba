package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

const shop = `
networks:
  - id: default
    prefixes: [10.0.0.0/8]
  - id: lab
resources:
  - id: db
    hosts: [DB.corp]
    ports: [5432]
    alias: pg
    labels: {app: shop}
  - id: web
    network_id: lab
    name: The shop
    hosts: ["*.shop.corp", 10.0.0.0/16]
    ports: [80, "443", 8000-8100]
    labels: {app: shop}
grants:
  - id: dev
    subject: label/team=dev
    object: label/app=shop
    until: 2030-01-02T03:04:05Z
  - id: laptop
    subject: tunneler/laptop
    object: resource/db
    time_zone: Europe/Berlin
    windows: ["mon-fri 08:00-18:00"]
policy_tests:
  - id: laptop-db
    subject: tunneler/laptop
    expect: reach
    target: db.corp:5432
  - id: guests
    subject: label/team=guests
    expect: refuse
    target: db.corp:5432
    note: orders are not for guests
`

func read(t require.TestingT, text string) policy.Application {
	d, err := policy.ReadDocument(text)
	require.NoError(t, err)
	return policy.Application{Document: d}
}

// did are the actions of a plan.
func did(p policy.Plan) (out []string) {
	for _, c := range p.Changes {
		out = append(out, c.Action+" "+c.Kind+"/"+c.ID)
	}
	return out
}

func TestAPolicyFileIsMadeOnceAndThenUnchanged(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	want := []string{
		"change network/default", "create network/lab", "create resource/db", "create resource/web", "create grant/dev", "create grant/laptop",
		"create policy-test/guests", "create policy-test/laptop-db",
	}
	at := b.position(t)
	plan, err := b.Plan(ctx, read(t, shop))
	require.NoError(t, err)
	require.Equal(t, want, did(plan))
	require.Empty(t, b.last(t, at), "a plan changes nothing")
	a := read(t, shop)
	a.Version = plan.Version
	done, err := b.Apply(ctx, a, ann)
	require.NoError(t, err)
	require.Equal(t, plan, done)
	require.Equal(t, 1, strings.Count(strings.Join(b.last(t, at), ",")+",", ",policy,"), "one revision: %v", b.last(t, at))
	r, err := b.Resource(ctx, "web")
	require.NoError(t, err)
	require.Equal(t, access.ResourceText{ID: "web", NetworkID: "lab", Name: "The shop", Hosts: []string{"*.shop.corp", "10.0.0.0/16"}, Ports: []string{"80", "443", "8000-8100"}, Labels: access.Labels{"app": "shop"}}, r.Text())

	at = b.position(t)
	done, err = b.Apply(ctx, read(t, shop), ann)
	require.NoError(t, err)
	require.Empty(t, done.Changes)
	require.Equal(t, 8, done.Unchanged)
	require.Empty(t, b.last(t, at))
	_, err = b.Apply(ctx, a, ann)
	require.ErrorIs(t, err, policy.ErrPlan, "that plan is carried out already")
}

func TestAPlanThatIsAnotherOneByNowIsNotMade(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, shop), ann)
	require.NoError(t, err)
	a := read(t, strings.ReplaceAll(shop, "The shop", "Shop"))
	plan, err := b.Plan(ctx, a)
	require.NoError(t, err)
	require.Equal(t, []string{"change resource/web"}, did(plan))
	_, err = b.EditResource(ctx, "web", policy.ResourceEdit{Alias: ptr("")}, ann)
	require.NoError(t, err, "it had none: nothing is written")
	_, err = b.EditResource(ctx, "web", policy.ResourceEdit{Ports: []string{"80"}}, ann)
	require.NoError(t, err)
	a.Version = plan.Version
	at := b.position(t)
	_, err = b.Apply(ctx, a, ann)
	require.ErrorIs(t, err, policy.ErrPlan)
	require.Empty(t, b.last(t, at))
}

func TestPruneDeletesWhatCarriesTheLabelAndNothingElse(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, shop), ann)
	require.NoError(t, err)
	other := db()
	other.ID, other.Alias, other.Labels, other.Hosts = "other", "", access.Labels{"app": "other"}, []string{"other.corp"}
	_, err = b.CreateResource(ctx, other, ann)
	require.NoError(t, err)
	for id, object := range map[string]string{"g-other": "resource/other", "g-web": "resource/web", "g-label": "label/app=other"} {
		_, err = b.CreateGrant(ctx, access.GrantText{ID: id, Subject: "tunneler/x", Object: object}, ann)
		require.NoError(t, err)
	}
	label := access.Label{Key: "app", Value: "shop"}
	text := "resources:\n  - {id: new, hosts: [new.corp], ports: [1], alias: %s, labels: {app: shop}}\n"
	plan, err := b.Plan(ctx, read(t, fmt.Sprintf(text, "new")))
	require.NoError(t, err)
	require.Equal(t, []string{"create resource/new"}, did(plan), "without a label nothing is pruned")
	a := read(t, fmt.Sprintf(text, "pg"))
	a.Prune = &label
	_, err = b.Apply(ctx, a, ann)
	require.ErrorAs(t, err, new(*policy.BrokenError), "laptop-db expects the database")
	require.NoError(t, b.DeleteTest(ctx, "laptop-db", ann))
	done, err := b.Apply(ctx, a, ann)
	require.NoError(t, err)
	require.Equal(t, []string{"delete grant/dev", "delete grant/g-web", "delete grant/laptop", "create resource/new", "delete resource/db", "delete resource/web"}, did(done))
	d, err := b.Export(ctx)
	require.NoError(t, err)
	require.Len(t, d.Resources, 2)
	require.Len(t, d.Grants, 2)
	done, err = b.Apply(ctx, a, ann)
	require.NoError(t, err)
	require.Empty(t, done.Changes)
}

// TestPolicyTestsAreCheckedAfterTheWhole: a file may change the rules and their tests, and an
// alias may go from one resource to another.
func TestPolicyTestsAreCheckedAfterTheWhole(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, shop), ann)
	require.NoError(t, err)
	at := b.position(t)
	moved := strings.NewReplacer("DB.corp", "db2.corp").Replace(shop)
	_, err = b.Plan(ctx, read(t, moved))
	require.ErrorAs(t, err, new(*policy.BrokenError), "the plan says it before")
	_, err = b.Apply(ctx, read(t, moved), ann)
	require.ErrorAs(t, err, new(*policy.BrokenError))
	require.Empty(t, b.last(t, at), "nothing of it was made")
	moved = strings.NewReplacer("DB.corp", "db2.corp", "db.corp:5432", "db2.corp:5432").Replace(shop)
	_, err = b.Apply(ctx, read(t, moved), ann)
	require.NoError(t, err)

	swap := "resources:\n  - {id: a, hosts: [a.corp], ports: [1], alias: %s}\n  - {id: b, hosts: [b.corp], ports: [1], alias: %s}\n"
	for _, names := range [][2]any{{"x", "y"}, {"y", "x"}, {"x", "z"}} {
		_, err = b.Apply(ctx, read(t, fmt.Sprintf(swap, names[0], names[1])), ann)
		require.NoError(t, err)
		r, err := b.Resource(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, names[0], r.Alias)
	}
}

func TestPolicyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	_, err := b.Apply(ctx, read(t, shop), ann)
	require.NoError(t, err)
	at := b.position(t)
	for text, says := range map[string]string{
		"resources:\n  - {id: A, hosts: [a], ports: [1]}":                                                "resources[0].id",
		"resources:\n  - {id: a, hosts: [], ports: [1]}":                                                 "resources[0].hosts",
		"resources:\n  - {id: a, hosts: [a b], ports: [1]}":                                              "resources[0].hosts[0]",
		"resources:\n  - {id: a, hosts: [a], ports: [1]}\n  - {id: a, hosts: [a], ports: [1]}":           "resources[1].id: is that of resources[0] too",
		"resources:\n  - {id: a, hosts: [a], ports: [1], network_id: none}":                              "resource/a.network_id: there is no network",
		"resources:\n  - {id: a, hosts: [a], ports: [1], alias: pg}":                                     `resource/a.alias: the resource "db" has it`,
		"resources:\n  - {id: web, hosts: [a], ports: [1]}":                                              "resources[0].network_id",
		"grants:\n  - {subject: tunneler/a, object: resource/db}":                                        "grants[0].id",
		"grants:\n  - {id: g, subject: a, object: resource/db}":                                          "grants[0].subject",
		"grants:\n  - {id: g, subject: tunneler/a, object: resource/none}":                               "grant/g.object: there is no resource",
		"networks:\n  - {id: default, prefixes: [x]}":                                                    "networks[0].prefixes[0]",
		"policy_tests:\n  - {id: t, subject: tunneler/a, target: a:1, expect: allow}":                    "policy_tests[0].expect",
		"policy_tests:\n  - {id: t, subject: tunneler/a, target: a:1, expect: reach}":                    "a policy test would not hold: t: ",
		"policy_tests:\n  - {id: t, subject: tunneler/a, target: a:1, expect: refuse, network_id: none}": "policy-test/t.network_id",
	} {
		_, err := b.Apply(ctx, read(t, text), ann)
		require.ErrorContains(t, err, says, text)
		_, err = b.Plan(ctx, read(t, text))
		require.ErrorContains(t, err, says, text)
	}
	require.Empty(t, b.last(t, at), "nothing was changed")
}

// TestWhatIsExportedIsUnchanged, whatever was applied.
func TestWhatIsExportedIsUnchanged(t *testing.T) {
	t.Parallel()
	b, ctx := newRulebook(t), t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		some := func(list ...string) string { return rapid.SampledFrom(list).Draw(rt, "some") }
		var d policy.Document
		for _, n := range rapid.SliceOfNDistinct(id, 0, 2, rapid.ID).Draw(rt, "networks") {
			d.Networks = append(d.Networks, policy.DocumentNetwork{ID: n, Name: some("", n, "0x1", "A: b #c", "yes", "~"), Prefixes: rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.0/8", "fd00::/8", "10.1.2.3"}), 0, 2).Draw(rt, "prefixes")})
		}
		for _, r := range rapid.SliceOfNDistinct(id, 0, 3, rapid.ID).Draw(rt, "resources") {
			d.Resources = append(d.Resources, policy.DocumentResource{
				ID: r, Name: some("", r, "123", "1e3", "- x", "null"), Hosts: []string{some("*.corp", "DB.corp", "10.0.0.0/8", "::1")}, Ports: []string{some("1", "2-9", "010")},
				Proxy: some("", "v2"), Labels: map[string]string{"app": some("1", "true", "x")},
			})
		}
		for _, g := range rapid.SliceOfNDistinct(id, 0, 3, rapid.ID).Draw(rt, "grants") {
			one := policy.DocumentGrant{ID: g, Subject: some("tunneler/1", "label/team=1"), Object: some("resource/a", "resource/b", "label/app=true")}
			if rapid.Bool().Draw(rt, "ends") {
				one.Until = time.Date(2030, 1, 2, 3, 4, 5, rapid.IntRange(0, 999_999).Draw(rt, "us")*1000, time.UTC)
			}
			if rapid.Bool().Draw(rt, "hours") {
				one.TimeZone, one.Windows = "UTC", []string{some("mon 08:00-09:00", "sat,sun 22:00-06:00")}
			}
			d.Grants = append(d.Grants, one)
		}
		for _, x := range rapid.SliceOfNDistinct(id, 0, 2, rapid.ID).Draw(rt, "tests") {
			d.Tests = append(d.Tests, policy.DocumentTest{ID: x, Subject: some("tunneler/1", "label/team=1"), Expect: some("reach", "refuse"), Target: some("db.corp:1", "[::1]:2"), Note: some("", "why: #1", "0")})
		}
		if _, err := b.Apply(ctx, policy.Application{Document: d}, ann); err != nil {
			_, broken := errors.AsType[*policy.BrokenError](err)
			_, field := errors.AsType[*access.FieldError](err)
			require.True(rt, broken || field, "%v", err)
		}
		out, err := b.Export(ctx)
		require.NoError(rt, err)
		text, err := out.Text()
		require.NoError(rt, err)
		done, err := b.Apply(ctx, read(rt, text), ann)
		require.NoError(rt, err, text)
		require.Empty(rt, done.Changes, text)
		again, err := b.Export(ctx)
		require.NoError(rt, err)
		require.Equal(rt, out, again)
	})
}
