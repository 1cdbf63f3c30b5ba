package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func makes(path, body string) request {
	return request{method: http.MethodPost, path: "/api/admin" + path, body: body}
}

func remove(path string) request {
	return request{method: http.MethodDelete, path: "/api/admin" + path}
}

// TestResourcesAreRecords: created, read, changed and deleted, in one spelling.
func TestResourcesAreRecords(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := send(t, e, makes("/resources", `{"id":"db","hosts":["DB.Corp."],"ports":["5432","5433"],"alias":"orders","proxy_protocol":"v2","labels":{"env":"prod"}}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	want := adminapi.Resource{
		ID: "db", NetworkID: fleet.DefaultNetwork, Name: "db", Hosts: []string{"db.corp"}, Ports: []string{"5432-5433"}, Alias: "orders", ProxyProtocol: "v2",
		Labels: map[string]string{"env": "prod"}, CreatedAt: e.Clock.Now(), Revision: 1,
	}
	require.Equal(t, want, decode[adminapi.Resource](t, w))
	require.Equal(t, w.Body.String(), get(t, e, "/api/admin/resources/db").Body.String())

	w = send(t, e, patch("/resources/db", `{"name":"Orders","alias":null,"proxy_protocol":null,"labels":{"env":null,"tier":"data"},"revision":1}`))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	want.Name, want.Alias, want.ProxyProtocol, want.Labels, want.Revision = "Orders", "", "", map[string]string{"tier": "data"}, 2
	require.Equal(t, want, decode[adminapi.Resource](t, w))
	require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch("/resources/db", `{"name":"x","revision":1}`)), http.StatusConflict).Type)
	require.Equal(t, adminapi.TypeExists, requireProblem(t, send(t, e, makes("/resources", `{"id":"db","hosts":["a"],"ports":["1"]}`)), http.StatusConflict).Type)

	require.Equal(t, http.StatusCreated, send(t, e, makes("/resources", `{"id":"web","hosts":["*.corp"],"ports":["443"],"labels":{"tier":"web"}}`)).Code)
	list := decode[adminapi.ResourceList](t, get(t, e, "/api/admin/resources"))
	require.Equal(t, 2, list.Total)
	list = decode[adminapi.ResourceList](t, get(t, e, "/api/admin/resources?label=tier%3Ddata"))
	require.Len(t, list.Resources, 1)
	require.Equal(t, "db", list.Resources[0].ID)

	for body, field := range map[string]string{
		`{}`: "id", `{"id":"DB","hosts":["a"],"ports":["1"]}`: "id", `{"id":"x","ports":["1"]}`: "hosts", `{"id":"x","hosts":["a"]}`: "ports",
		`{"id":"x","hosts":["a b"],"ports":["1"]}`: "hosts[0]", `{"id":"x","hosts":["a"],"ports":["0"]}`: "ports[0]", `{"id":"x","hosts":["a"],"ports":["9-1"]}`: "ports[0]",
		`{"id":"x","hosts":["a","b"],"ports":["1"],"alias":"y"}`: "alias", `{"id":"x","hosts":["a"],"ports":["1"],"labels":{"A":"b"}}`: "labels",
		`{"id":"x","hosts":["a"],"ports":["1"],"network_id":"nowhere"}`: "network_id", `{"id":"x","hosts":["a"],"ports":["1"],"udp":true}`: "udp",
		`{"id":"x","hosts":["a"],"ports":["1"],"proxy_protocol":"v1"}`: "proxy_protocol", `{"id":"x","hosts":["a"],"ports":["1"],"proxy_protocol":true}`: "proxy_protocol",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, makes("/resources", body)), http.StatusBadRequest).Field, body)
	}
	for _, r := range []request{{method: http.MethodGet, path: "/api/admin/resources/none"}, remove("/resources/none"), patch("/resources/none", `{"name":"x"}`)} {
		requireProblem(t, send(t, e, r), http.StatusNotFound)
	}
	require.Equal(t, http.StatusNoContent, send(t, e, remove("/resources/web")).Code)
	requireProblem(t, get(t, e, "/api/admin/resources/web"), http.StatusNotFound)
}

// TestGrantsAreRecords, and a resource that one names is not deleted.
func TestGrantsAreRecords(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	require.Equal(t, http.StatusCreated, send(t, e, makes("/resources", `{"id":"db","hosts":["db.corp"],"ports":["5432"]}`)).Code)
	w := send(t, e, makes("/grants", `{"id":"dev","subject":"label/team=dev","object":"resource/db","time_zone":"Europe/Berlin","windows":["mon,tue,wed,thu,fri 08:00-18:00"]}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	g := decode[adminapi.Grant](t, w)
	require.Equal(t, []string{"mon-fri 08:00-18:00"}, g.Windows)
	require.Equal(t, w.Body.String(), get(t, e, "/api/admin/grants/dev").Body.String())
	made := decode[adminapi.Grant](t, send(t, e, makes("/grants", `{"subject":"tunneler/laptop","object":"label/env=dev"}`)))
	require.NotEmpty(t, made.ID)
	require.Equal(t, 2, decode[adminapi.GrantList](t, get(t, e, "/api/admin/grants")).Total)
	require.Equal(t, 1, decode[adminapi.GrantList](t, get(t, e, "/api/admin/grants?object=resource%2Fdb")).Total)

	g = decode[adminapi.Grant](t, send(t, e, patch("/grants/dev", `{"until":"2030-01-02T03:04:05Z","time_zone":null,"windows":[],"revision":1}`)))
	require.Empty(t, g.Windows)
	require.False(t, g.Until.IsZero())
	g = decode[adminapi.Grant](t, send(t, e, patch("/grants/dev", `{"until":null}`)))
	require.True(t, g.Until.IsZero())
	require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch("/grants/dev", `{"object":"label/a=b","revision":1}`)), http.StatusConflict).Type)

	p := requireProblem(t, send(t, e, remove("/resources/db")), http.StatusConflict)
	require.Equal(t, adminapi.TypeInUse, p.Type)
	require.Equal(t, []string{"dev"}, p.InUseBy)
	for body, field := range map[string]string{
		`{"object":"resource/db"}`: "subject", `{"subject":"tunneler/a"}`: "object", `{"subject":"person/a","object":"resource/db"}`: "subject",
		`{"subject":"tunneler/a","object":"resource/none"}`: "object", `{"subject":"tunneler/a","object":"resource/db","windows":["mon 08:00-09:00"]}`: "time_zone",
		`{"subject":"tunneler/a","object":"resource/db","time_zone":"Local","windows":["mon 08:00-09:00"]}`: "time_zone",
		`{"subject":"tunneler/a","object":"resource/db","time_zone":"UTC","windows":["someday"]}`:           "windows[0]",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, makes("/grants", body)), http.StatusBadRequest).Field, body)
	}
	require.Equal(t, http.StatusNoContent, send(t, e, remove("/grants/dev")).Code)
	requireProblem(t, get(t, e, "/api/admin/grants/dev"), http.StatusNotFound)
	require.Equal(t, http.StatusNoContent, send(t, e, remove("/resources/db")).Code)
}

// TestExplainAnswersWithWhatDecides.
func TestExplainAnswersWithWhatDecides(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddTunneler("laptop", func(t *fleet.Tunneler) { t.About.Labels = access.Labels{"team": "dev"} })
	ask := func(body string) adminapi.Explanation {
		t.Helper()
		w := send(t, e, makes("/explain", body))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		return decode[adminapi.Explanation](t, w)
	}
	says := func(code access.Code, e adminapi.Explanation) adminapi.Explanation {
		e.Code, e.Reason = string(code), code.Reason()
		return e
	}
	question := `{"tunneler_id":"laptop","target":"DB.corp:5432"}`
	require.Equal(t, says(access.NoResource, adminapi.Explanation{TunnelerEnrolled: true}), ask(question))
	require.Equal(t, http.StatusCreated, send(t, e, makes("/resources", `{"id":"db","hosts":["db.corp"],"ports":["5432"]}`)).Code)
	require.Equal(t, says(access.NotGranted, adminapi.Explanation{NetworkID: "default", ResourceID: "db", TunnelerEnrolled: true, NoConnector: true}), ask(question))
	require.Equal(t, http.StatusCreated, send(t, e, makes("/grants", `{"id":"dev","subject":"label/team=dev","object":"resource/db"}`)).Code)
	want := says(access.Granted, adminapi.Explanation{Allowed: true, NetworkID: "default", ResourceID: "db", GrantID: "dev", TunnelerEnrolled: true, NoConnector: true})
	require.Equal(t, want, ask(question), "nobody can carry it now")
	e.Fleet.AddConnector("gw", func(m *fleet.Connector) { online(&m.Presence, e) })
	want.NoConnector = false
	require.Equal(t, want, ask(question))
	require.Equal(t, want, ask(`{"tunneler_id":"laptop","target":"db.corp:5432","address":"10.0.0.7","network_id":"default"}`))
	require.Equal(t, "address_reserved", ask(`{"tunneler_id":"laptop","target":"db.corp:5432","address":"169.254.169.254"}`).Code)
	require.Equal(t, "address_outside_network", ask(`{"tunneler_id":"laptop","target":"db.corp:5432","address":"8.8.8.8"}`).Code)
	require.Equal(t, http.StatusCreated, send(t, e, makes("/resources", `{"id":"cache","hosts":["cache.corp"],"ports":["6379"],"alias":"redis"}`)).Code)
	require.Equal(t, says(access.NotGranted, adminapi.Explanation{NetworkID: "default", ResourceID: "cache", Target: "cache.corp:6379", TunnelerEnrolled: true}),
		ask(`{"tunneler_id":"laptop","target":"redis:6379"}`), "an alias")

	p := requireProblem(t, send(t, e, makes("/explain", `{"tunneler_id":"latpop","target":"db.corp:5432"}`)), http.StatusBadRequest)
	require.Equal(t, "tunneler_id", p.Field)
	require.Equal(t, `there is no tunneler "latpop", and no grant names it: did you mean laptop?`, p.Detail)
	require.Equal(t, http.StatusCreated, send(t, e, makes("/grants", `{"id":"soon","subject":"tunneler/later","object":"resource/db"}`)).Code)
	require.Equal(t, says(access.Granted, adminapi.Explanation{Allowed: true, NetworkID: "default", ResourceID: "db", GrantID: "soon"}),
		ask(`{"tunneler_id":"later","target":"db.corp:5432"}`), "a grant may be there before its tunneler")
	for body, field := range map[string]string{
		`{}`: "tunneler_id", `{"tunneler_id":"laptop"}`: "target", `{"tunneler_id":"laptop","target":"db.corp"}`: "target",
		`{"tunneler_id":"laptop","target":"db.corp:0"}`: "target", `{"tunneler_id":"laptop","target":"db.corp:1","address":"x"}`: "address",
		`{"tunneler_id":"Laptop","target":"db.corp:1"}`: "tunneler_id", `{"tunneler_id":"laptop","target":"db.corp:1","network_id":"none"}`: "network_id",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, makes("/explain", body)), http.StatusBadRequest).Field, body)
	}
}

// TestPolicyTestsRefuseWhatBreaksThem: records as grants are, and a problem of its own that
// names what would be decided.
func TestPolicyTestsRefuseWhatBreaksThem(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddTunneler("laptop", func(t *fleet.Tunneler) { t.About.Labels = access.Labels{"team": "dev"} })
	for _, body := range []string{`{"id":"db","hosts":["db.corp"],"ports":["5432"]}`, `{"id":"vault","hosts":["vault.corp"],"ports":["8200"]}`} {
		require.Equal(t, http.StatusCreated, send(t, e, makes("/resources", body)).Code)
	}
	p := requireProblem(t, send(t, e, makes("/policy-tests", `{"id":"db","subject":"tunneler/laptop","target":"DB.corp:5432","expect":"reach"}`)), http.StatusConflict)
	require.Equal(t, adminapi.TypePolicyTest, p.Type)
	require.Equal(t, []adminapi.BrokenPolicyTest{{
		ID: "db", Subject: "tunneler/laptop", Target: "db.corp:5432", Expect: "reach",
		Decision: adminapi.PolicyDecision{Code: "not_granted", NetworkID: "default", ResourceID: "db"},
	}}, p.PolicyTests)
	requireProblem(t, get(t, e, "/api/admin/policy-tests/db"), http.StatusNotFound)

	require.Equal(t, http.StatusCreated, send(t, e, makes("/grants", `{"id":"dev","subject":"label/team=dev","object":"resource/db"}`)).Code)
	w := send(t, e, makes("/policy-tests", `{"id":"db","subject":"tunneler/laptop","target":"DB.corp:5432","expect":"reach","note":"orders"}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	want := adminapi.PolicyTest{
		ID: "db", Subject: "tunneler/laptop", Target: "db.corp:5432", Expect: "reach", Note: "orders", Holds: true,
		Decision:  adminapi.PolicyDecision{Allowed: true, Code: "granted", NetworkID: "default", ResourceID: "db", GrantID: "dev"},
		CreatedAt: e.Clock.Now(), Revision: 1,
	}
	require.Equal(t, want, decode[adminapi.PolicyTest](t, w))
	require.Equal(t, w.Body.String(), get(t, e, "/api/admin/policy-tests/db").Body.String())
	made := decode[adminapi.PolicyTest](t, send(t, e, makes("/policy-tests", `{"subject":"label/team=dev","target":"vault.corp:8200","expect":"refuse"}`)))
	require.NotEmpty(t, made.ID)
	require.Equal(t, 2, decode[adminapi.PolicyTestList](t, get(t, e, "/api/admin/policy-tests")).Total)
	list := decode[adminapi.PolicyTestList](t, get(t, e, "/api/admin/policy-tests?subject=label%2Fteam%3Ddev&sort=target"))
	require.Len(t, list.PolicyTests, 1)
	require.True(t, list.PolicyTests[0].Holds)

	for name, r := range map[string]request{
		"delete a grant":             remove("/grants/dev"),
		"give a grant an end":        patch("/grants/dev", `{"until":"2030-01-02T03:04:05Z"}`),
		"move a resource":            patch("/resources/db", `{"hosts":["db2.corp"]}`),
		"a grant of too much":        makes("/grants", `{"subject":"label/team=dev","object":"resource/vault"}`),
		"a test that does not hold":  makes("/policy-tests", `{"subject":"tunneler/nobody","target":"db.corp:5432","expect":"reach"}`),
		"a test that does not, now":  patch("/policy-tests/db", `{"expect":"refuse"}`),
		"a test of another network ": patch("/policy-tests/db", `{"target":"db.corp:1"}`),
	} {
		p := requireProblem(t, send(t, e, r), http.StatusConflict)
		require.Equal(t, adminapi.TypePolicyTest, p.Type, name)
		require.NotEmpty(t, p.PolicyTests, name)
	}
	require.Equal(t, w.Body.String(), get(t, e, "/api/admin/policy-tests/db").Body.String(), "nothing was changed")

	changed := decode[adminapi.PolicyTest](t, send(t, e, patch("/policy-tests/db", `{"note":null,"network_id":"default","revision":1}`)))
	require.Empty(t, changed.Note)
	require.Equal(t, int64(2), changed.Revision)
	require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch("/policy-tests/db", `{"note":"x","revision":1}`)), http.StatusConflict).Type)
	require.Equal(t, adminapi.TypeExists, requireProblem(t, send(t, e, makes("/policy-tests", `{"id":"db","subject":"label/a=b","target":"a:1","expect":"refuse"}`)), http.StatusConflict).Type)
	for body, field := range map[string]string{
		`{}`: "subject", `{"subject":"tunneler/a","target":"a:1"}`: "expect", `{"subject":"tunneler/a","expect":"reach"}`: "target",
		`{"subject":"person/a","target":"a:1","expect":"reach"}`: "subject", `{"subject":"tunneler/a","target":"a","expect":"reach"}`: "target",
		`{"subject":"tunneler/a","target":"a:1","expect":"allow"}`: "expect", `{"subject":"tunneler/a","target":"a:1","expect":"refuse","network_id":"none"}`: "network_id",
		`{"id":"","subject":"tunneler/a","target":"a:1","expect":"refuse"}`: "id", `{"subject":"tunneler/a","target":"a:1","expect":"refuse","hours":1}`: "hours",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, makes("/policy-tests", body)), http.StatusBadRequest).Field, body)
	}
	require.Equal(t, http.StatusNoContent, send(t, e, remove("/policy-tests/db")).Code)
	require.Equal(t, http.StatusNoContent, send(t, e, remove("/grants/dev")).Code)
	for _, r := range []request{{method: http.MethodGet, path: "/api/admin/policy-tests/db"}, remove("/policy-tests/db"), patch("/policy-tests/db", `{"note":"x"}`)} {
		requireProblem(t, send(t, e, r), http.StatusNotFound)
	}
}

// TestAPolicyFileIsPlannedAndApplied: with the version of its plan, or not at all.
func TestAPolicyFileIsPlannedAndApplied(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	body := func(more string) string {
		return `{"document":"resources:\n  - {id: db, hosts: [db.corp], ports: [5432]}\ngrants:\n  - {id: dev, subject: label/team=dev, object: resource/db}\n"` + more + `}`
	}
	plan := decode[adminapi.PolicyPlan](t, send(t, e, makes("/policy/plan", body(""))))
	require.Len(t, plan.Changes, 2)
	require.Equal(t, 0, decode[adminapi.ResourceList](t, get(t, e, "/api/admin/resources")).Total, "a plan changes nothing")
	p := requireProblem(t, send(t, e, makes("/policy/apply", body(`,"version":"other"`))), http.StatusConflict)
	require.Equal(t, adminapi.TypeStale, p.Type)
	w := send(t, e, makes("/policy/apply", body(`,"version":"`+plan.Version+`"`)))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, plan, decode[adminapi.PolicyPlan](t, w))
	again := decode[adminapi.PolicyPlan](t, send(t, e, makes("/policy/apply", body(""))))
	require.Empty(t, again.Changes)
	require.Equal(t, 2, again.Unchanged)
	file := decode[adminapi.PolicyFile](t, get(t, e, "/api/admin/policy"))
	require.Contains(t, file.Document, "id: dev")
	for text, field := range map[string]string{
		`{}`: "document", `{"document":"x: 1"}`: "document", `{"document":"a: &a []"}`: "document", `{"document":"","prune":"x"}`: "prune",
		`{"document":"resources:\n  - {id: A, hosts: [a], ports: [1]}"}`: "resources[0].id", `{"document":"","dry_run":true}`: "dry_run",
	} {
		for _, path := range []string{"/policy/plan", "/policy/apply"} {
			require.Equal(t, field, requireProblem(t, send(t, e, makes(path, text)), http.StatusBadRequest).Field, text)
		}
	}
}
