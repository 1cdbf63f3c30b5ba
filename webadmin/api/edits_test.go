package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func patch(path, body string) request {
	return request{method: http.MethodPatch, path: "/api/admin" + path, body: body}
}

func TestAPatchSaysWhatChangesAndNothingElse(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	host := strings.Repeat("ab", 16)
	e.Fleet.AddHost(identity.HostID(host), nil)
	e.Fleet.AddConnector("c", nil)
	e.Fleet.AddTunneler("t", nil)
	for _, path := range []string{"/connectors/c", "/tunnelers/t", "/hosts/" + host} {
		about := func(body string) adminapi.About {
			t.Helper()
			w := send(t, e, patch(path, body))
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.Equal(t, w.Body.String(), get(t, e, "/api/admin"+path).Body.String(), "the reply is the thing itself")
			return decode[adminapi.About](t, w)
		}
		require.Equal(t, adminapi.About{Name: "A", Labels: map[string]string{"env": "prod", "tier": "web"}, Notes: "n", Revision: 2},
			about(`{"name":"A","labels":{"env":"prod","tier":"web"},"notes":"n"}`))
		require.Equal(t, adminapi.About{Name: "A", Labels: map[string]string{"env": "test"}, Notes: "n", Revision: 3}, about(`{"labels":{"env":"test","tier":null}}`))
		require.Equal(t, adminapi.About{Labels: map[string]string{"env": "test"}, Revision: 4}, about(`{"name":null,"notes":null,"revision":3}`))
		require.Equal(t, adminapi.About{Labels: map[string]string{}, Revision: 5}, about(`{"labels":null}`))
		w := send(t, e, request{method: http.MethodPatch, path: "/api/admin" + path, body: `{"name":"B"}`, header: map[string][]string{"Content-Type": {"application/merge-patch+json"}}})
		require.Equal(t, http.StatusOK, w.Code)
	}
	edits := e.Fleet.Edits()
	require.Len(t, edits, 15)
	require.Equal(t, apitest.Actor, edits[0].Actor)
	require.Equal(t, "192.0.2.1", edits[0].From)
	require.Len(t, edits[0].RequestID, 32)
}

// TestAPatchThatChangesNothingIsNoChange: by RFC 7396 an object without fields is one. It
// has the same revision before and after, and is not in the audit log.
func TestAPatchThatChangesNothingIsNoChange(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	host := strings.Repeat("ab", 16)
	said := fleet.About{Name: "A", Labels: access.Labels{"env": "prod"}, Notes: "n", Revision: 1}
	e.Fleet.AddHost(identity.HostID(host), func(h *fleet.Host) { h.About = said })
	e.Fleet.AddConnector("c", func(c *fleet.Connector) { c.About = said })
	e.Fleet.AddTunneler("t", func(m *fleet.Tunneler) { m.About = said })
	same := func(path, body string) {
		t.Helper()
		before := get(t, e, "/api/admin"+path)
		w := send(t, e, patch(path, body))
		require.Equal(t, http.StatusOK, w.Code, "%s %s %s", path, body, w.Body)
		require.Equal(t, before.Body.String(), w.Body.String(), "%s %s", path, body)
	}
	for _, path := range []string{"/connectors/c", "/tunnelers/t", "/hosts/" + host} {
		for _, body := range []string{
			`{}`, ` { } `, `{"labels":{}}`, `{"labels":{"never":null}}`, `{"revision":1}`, `{"name":"A"}`, `{"labels":{"env":"prod"},"notes":"n"}`, `{"name":"A","revision":1}`,
		} {
			same(path, body)
		}
		require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch(path, `{"revision":7}`)), http.StatusConflict).Type, "somebody else has changed it")
	}
	same("/connectors/c", `{"network_id":"default"}`)
	require.Empty(t, e.Fleet.Edits())
	require.Equal(t, http.StatusCreated, send(t, e, request{method: http.MethodPost, path: "/api/admin/networks", body: `{"id":"lab","name":"Lab"}`}).Code)
	for _, body := range []string{`{}`, `{"revision":1}`, `{"name":"Lab"}`} {
		same("/networks/lab", body)
	}
	require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch("/networks/lab", `{"revision":7}`)), http.StatusConflict).Type)
	require.Len(t, e.Fleet.Edits(), 1)
	for path, status := range map[string]int{"/connectors/no": http.StatusNotFound, "/hosts/no": http.StatusNotFound, "/networks/no": http.StatusNotFound} {
		requireProblem(t, send(t, e, patch(path, `{}`)), status)
	}
	require.Equal(t, http.StatusNoContent, send(t, e, request{method: http.MethodDelete, path: "/api/admin/connectors/c"}).Code)
	require.Equal(t, adminapi.TypeRevoked, requireProblem(t, send(t, e, patch("/connectors/c", `{}`)), http.StatusConflict).Type)
}

func TestAPatchThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	host := strings.Repeat("ab", 16)
	e.Fleet.AddHost(identity.HostID(host), nil)
	e.Fleet.AddConnector("c", nil)
	e.Fleet.AddTunneler("t", nil)
	for _, path := range []string{"/connectors/c", "/tunnelers/t", "/hosts/" + host} {
		for body, field := range map[string]string{
			``: "", `[]`: "", `{`: "", `{}{}`: "", `null`: "",
			`{"id":"x"}`: "id", `{"status":"ONLINE"}`: "status", `{"Name":"x"}`: "Name", `{"version":"9"}`: "version", `{"host_id":"x"}`: "host_id",
			`{"name":"a","name":"b"}`: "name", `{"name":1}`: "name", `{"name":["x"]}`: "name", `{"name":" x"}`: "name", `{"notes":{}}`: "notes",
			`{"labels":[]}`: "labels", `{"labels":"env=prod"}`: "labels", `{"labels":{"env":1}}`: "labels", `{"labels":{"env":"a","env":"b"}}`: "labels",
			`{"labels":{"env":null,"env":"b"}}`: "labels", `{"labels":{"ENV":"a"}}`: "labels", `{"labels":{"env":""}}`: "labels", `{"labels":{"env":{"a":"b"}}}`: "labels",
			`{"name":"x","revision":0}`: "revision", `{"name":"x","revision":-1}`: "revision", `{"name":"x","revision":"1"}`: "revision",
			`{"name":"x","revision":null}`: "revision", `{"name":"x","revision":1.5}`: "revision",
		} {
			p := requireProblem(t, send(t, e, patch(path, body)), http.StatusBadRequest)
			require.Equal(t, field, p.Field, "%s %s", path, body)
		}
		require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch(path, `{"name":"x","revision":7}`)), http.StatusConflict).Type)
		for _, media := range []string{"text/plain", "application/json-patch+json", ""} {
			w := send(t, e, request{method: http.MethodPatch, path: "/api/admin" + path, body: `{"name":"B"}`, header: map[string][]string{"Content-Type": {media}}})
			requireProblem(t, w, http.StatusUnsupportedMediaType)
		}
		requireProblem(t, send(t, e, patch(path+"?force=1", `{"name":"x"}`)), http.StatusBadRequest)
		requireProblem(t, send(t, e, patch(path, `{"notes":"`+strings.Repeat("x", 70<<10)+`"}`)), http.StatusRequestEntityTooLarge)
	}
	merge := map[string][]string{"Content-Type": {"application/merge-patch+json"}}
	requireProblem(t, send(t, e, request{method: http.MethodPost, path: "/api/admin/networks", body: `{"id":"x"}`, header: merge}), http.StatusUnsupportedMediaType)
	for _, path := range []string{"/tunnelers/t", "/hosts/" + host} {
		require.Equal(t, "network_id", requireProblem(t, send(t, e, patch(path, `{"network_id":"default"}`)), http.StatusBadRequest).Field)
	}
	require.Equal(t, "network_id", requireProblem(t, send(t, e, patch("/connectors/c", `{"network_id":null}`)), http.StatusBadRequest).Field)
	require.Equal(t, "network_id", requireProblem(t, send(t, e, patch("/connectors/c", `{"network_id":"nowhere"}`)), http.StatusBadRequest).Field)
	for _, path := range []string{"/connectors/no", "/tunnelers/c", "/hosts/no"} {
		requireProblem(t, send(t, e, patch(path, `{"name":"x"}`)), http.StatusNotFound)
	}
	require.Empty(t, e.Fleet.Edits())
	require.Equal(t, http.StatusNoContent, send(t, e, request{method: http.MethodDelete, path: "/api/admin/connectors/c"}).Code)
	require.Equal(t, adminapi.TypeRevoked, requireProblem(t, send(t, e, patch("/connectors/c", `{"name":"x"}`)), http.StatusConflict).Type)
}

// TestWhatNobodySeesIsNoPartOfAName: in each field that is shown to people.
func TestWhatNobodySeesIsNoPartOfAName(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	host := strings.Repeat("ab", 16)
	e.Fleet.AddHost(identity.HostID(host), nil)
	e.Fleet.AddConnector("c", nil)
	e.Fleet.AddTunneler("t", nil)
	b := as(t, e, auth.Owner)
	key := decode[adminapi.CreatedKey](t, b.do(http.MethodPost, "/keys", `{"name":"ci","scopes":["fleet:read"]}`)).Key.ID
	me := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", "")).Person.ID
	require.Equal(t, http.StatusCreated, b.do(http.MethodPost, "/networks", `{"id":"lab"}`).Code)
	entries := map[string]struct{ method, path, body, field string }{
		"a person":     {http.MethodPost, "/people", `{"email":"bob@example.com","role":"auditor","name":%s}`, "name"},
		"their change": {http.MethodPatch, "/people/" + me, `{"name":%s}`, "name"},
		"an API key":   {http.MethodPost, "/keys", `{"scopes":["fleet:read"],"name":%s}`, "name"},
		"its change":   {http.MethodPatch, "/keys/" + key, `{"name":%s}`, "name"},
		"a network":    {http.MethodPost, "/networks", `{"id":"x","name":%s}`, "name"},
		"its new name": {http.MethodPatch, "/networks/lab", `{"name":%s}`, "name"},
	}
	for _, path := range []string{"/connectors/c", "/tunnelers/t", "/hosts/" + host} {
		for _, field := range []string{"name", "notes"} {
			entries[field+" of "+path] = struct{ method, path, body, field string }{http.MethodPatch, path, `{"` + field + `":%s}`, field}
		}
		entries["a label of "+path] = struct{ method, path, body, field string }{http.MethodPatch, path, `{"labels":{"env":%s}}`, "labels"}
	}
	for name, at := range entries {
		if at.field != "notes" { // where a selector spells an emoji
			requireProblem(t, b.do(at.method, at.path, fmt.Sprintf(at.body, `"a\ufe0f"`)), http.StatusBadRequest)
		}
		for _, text := range []string{`"\u3164"`, `"a\u200bb"`, `"a\u202eb"`, `"\u2800"`, `"a\u2028b"`, `"a\ufffd"`, "\"a\u00adb\"", `"\u115f\u1160"`, `"\ud834\udd59"`, `"\udb40\udc41"`} {
			p := requireProblem(t, b.do(at.method, at.path, fmt.Sprintf(at.body, text)), http.StatusBadRequest)
			require.Equal(t, at.field, p.Field, "%s %s", name, text)
			if at.field != "labels" && text != `"a\ufffd"` {
				require.Regexp(t, `has U\+[0-9A-F]{4,5} as character [12], which nobody sees`, p.Detail, "%s %s", name, text)
			}
		}
		for _, text := range []string{`"\ud800"`, `"a\udc00b"`, `"\udc00\ud800"`, `"\ud83d\ud83d\ude42"`, `"\ud83d\\ude42"`, `"\ud83d\u0041"`, `"\ud83d\n"`, "\"\xed\xa0\x80\"", "\"a\xff\""} {
			p := requireProblem(t, b.do(at.method, at.path, fmt.Sprintf(at.body, text)), http.StatusBadRequest)
			require.Empty(t, p.Field, "%s %s", name, text)
			require.Contains(t, p.Detail, "must be UTF-8", "%s %s", name, text)
		}
		if at.field == "labels" || at.method == http.MethodPost {
			continue
		}
		w := b.do(at.method, at.path, fmt.Sprintf(at.body, `"\u00c4\ud83d\ude42 \\ud800 \u092e"`))
		require.Equal(t, http.StatusOK, w.Code, "%s %s", name, w.Body)
		require.Contains(t, w.Body.String(), `"Ä🙂 \\ud800 म"`, name)
	}
	require.Equal(t, http.StatusOK, b.do(http.MethodPatch, "/hosts/"+host, `{"notes":"rack 7\n\tleft "}`).Code)
}

// TestAConditionThatWouldBeIgnoredIsRefused: who sends If-Match believes that nothing is
// overwritten.
func TestAConditionThatWouldBeIgnoredIsRefused(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("c", nil)
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		header := map[string][]string{"Content-Type": {"application/json"}, name: {`"7"`}}
		for _, r := range []request{
			{method: http.MethodPatch, path: "/api/admin/connectors/c", body: `{"name":"x"}`, header: header},
			{method: http.MethodDelete, path: "/api/admin/connectors/c", header: header},
		} {
			p := requireProblem(t, send(t, e, r), http.StatusBadRequest)
			require.Equal(t, []adminapi.Fault{{In: adminapi.InHeader, Name: name, Detail: p.Detail}}, p.Errors)
		}
		r := request{method: http.MethodGet, path: "/api/admin/connectors/c", header: header}
		require.Equal(t, http.StatusOK, send(t, e, r).Code, "a reader may ask so")
	}
	require.Empty(t, e.Fleet.Edits())
	require.Empty(t, e.Fleet.Revocations())
}

func TestListsAreFilteredByLabels(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for i, l := range []access.Labels{nil, {"env": "prod"}, {"env": "prod", "tier": "web"}, {"env": "test", "tier": "web"}, {"env": "prod"}} {
		e.Fleet.AddConnector(string(rune('a'+i)), func(c *fleet.Connector) {
			c.About.Labels = l
			if i == 4 {
				c.RevokedAt = e.Clock.Now()
			}
		})
	}
	for query, want := range map[string]string{
		"label=env=prod": "bc", "label=env%3Dprod": "bc", "label=env=prod&sort=-id": "cb", "label=tier=web": "cd", "label=tier=web,env=prod": "c", "label=env=prod,tier=web": "c",
		"label=env=prod,env=test": "", "label=env=pro": "", "label=env=prod&status=ONLINE": "", "label=env=prod&status=REVOKED": "e", "label=env=prod&q=c": "c", "q=env=prod": "bc",
	} {
		require.Equal(t, want, idsOf(t, e, "/api/admin/connectors?"+query), query)
	}
	first := decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors?label=env=prod&page_size=1"))
	require.Equal(t, 2, first.Total)
	require.Equal(t, "c", idsOf(t, e, "/api/admin/connectors?label=env=prod&page_size=1&page_token="+first.NextPageToken))
	for _, bad := range []string{"label=", "label=env", "label==x", "label=env=", "label=env=prod,", "label=Env=prod", "label=env=a=b", "label=env=prod&label=tier=web", "label=" + strings.Repeat("a", 600)} {
		for _, list := range []string{"connectors", "tunnelers", "hosts"} {
			require.Equal(t, "label", requireProblem(t, get(t, e, "/api/admin/"+list+"?"+bad), http.StatusBadRequest).Field, bad)
		}
	}
	requireProblem(t, get(t, e, "/api/admin/tokens?label=env=prod"), http.StatusBadRequest)
}

func TestNetworksAreRecords(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("c", nil)
	post := func(body string) request {
		return request{method: http.MethodPost, path: "/api/admin/networks", body: body}
	}
	w := send(t, e, post(`{"id":"berlin","name":"Berlin office"}`))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, adminapi.Network{ID: "berlin", Name: "Berlin office", CreatedAt: e.Clock.Now(), Revision: 1}, decode[adminapi.Network](t, w))
	require.Equal(t, w.Body.String(), get(t, e, "/api/admin/networks/berlin").Body.String())
	require.Equal(t, "Office", decode[adminapi.Network](t, send(t, e, patch("/networks/berlin", `{"name":"Office","revision":1}`))).Name)
	require.Equal(t, adminapi.TypeStale, requireProblem(t, send(t, e, patch("/networks/berlin", `{"name":"x","revision":1}`)), http.StatusConflict).Type)
	require.Equal(t, "berlin", decode[adminapi.Connector](t, send(t, e, patch("/connectors/c", `{"network_id":"berlin"}`))).NetworkID)
	require.Equal(t, adminapi.Count{Total: 1, Offline: 1}, decode[adminapi.Network](t, get(t, e, "/api/admin/networks/berlin")).Connectors)

	del := func(id string) request { return request{method: http.MethodDelete, path: "/api/admin/networks/" + id} }
	p := requireProblem(t, send(t, e, del("berlin")), http.StatusConflict)
	require.Equal(t, adminapi.TypeInUse, p.Type)
	require.Equal(t, []string{"c"}, p.InUseBy)
	require.Contains(t, p.Detail, "move or revoke")
	require.Equal(t, adminapi.TypeInUse, requireProblem(t, send(t, e, del("default")), http.StatusConflict).Type)
	require.Equal(t, adminapi.TypeExists, requireProblem(t, send(t, e, post(`{"id":"berlin"}`)), http.StatusConflict).Type)
	for body, field := range map[string]string{
		`{}`: "id", `{"id":"Berlin"}`: "id", `{"id":"x","name":""}`: "name", `{"id":"x","created_at":"2030-01-01T00:00:00Z"}`: "created_at", `{"name":"x"}`: "id",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, post(body)), http.StatusBadRequest).Field, body)
	}
	for body, field := range map[string]string{`{"name":null}`: "name", `{"id":"x"}`: "id", `{"name":"x","revision":0}`: "revision", `{"name":""}`: "name"} {
		require.Equal(t, field, requireProblem(t, send(t, e, patch("/networks/berlin", body)), http.StatusBadRequest).Field, body)
	}
	for _, r := range []request{{method: http.MethodGet, path: "/api/admin/networks/paris"}, del("paris"), patch("/networks/paris", `{"name":"x"}`)} {
		requireProblem(t, send(t, e, r), http.StatusNotFound)
	}
	require.Equal(t, http.StatusOK, send(t, e, patch("/connectors/c", `{"network_id":"default"}`)).Code)
	require.Equal(t, http.StatusNoContent, send(t, e, del("berlin")).Code)
	requireProblem(t, get(t, e, "/api/admin/networks/berlin"), http.StatusNotFound)
}

func TestABulkRevocationIsLookedAtThenMeant(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, id := range []string{"a", "b"} {
		e.Fleet.AddConnector(id, func(c *fleet.Connector) { c.About.Labels = access.Labels{"env": "test"} })
	}
	e.Fleet.AddTunneler("a", func(m *fleet.Tunneler) { m.About.Labels, m.About.Name = access.Labels{"env": "test"}, "Laptop" })
	e.Fleet.AddConnector("c", nil)
	post := func(body string) request {
		return request{method: http.MethodPost, path: "/api/admin/revocations", body: body}
	}
	others := strings.Repeat("ab", 32)
	for body, field := range map[string]string{
		`{}`: "label", `{"dry_run":true}`: "label", `{"label":""}`: "label", `{"label":"env"}`: "label", `{"label":"env=test","kind":"host","dry_run":true}`: "kind",
		`{"label":"env=test","kind":"","dry_run":true}`: "kind", `{"label":"env=test"}`: "confirm", `{"label":"env=test","selection":"` + others + `"}`: "confirm",
		`{"label":"env=test","selection":"` + others + `","confirm":"yes"}`: "confirm", `{"label":"env=test","confirm":"revoke"}`: "selection", `{"label":"env=test","confirm":"revoke","selection":""}`: "selection",
		`{"label":"env=test","confirm":"revoke","selection":"` + others[1:] + `"}`: "selection", `{"label":"env=test","confirm":"revoke","selection":3}`: "selection", `{"label":"env=test","confirm":"revoke","selection":"` + strings.ToUpper(others) + `"}`: "selection",
		`{"label":"env=test","confirm":"revoke","expect":3}`: "expect", `{"label":"env=test","all":true}`: "all",
		`{"label":["env=test"]}`: "label", `{"label":"env=test,,","dry_run":true}`: "label",
	} {
		require.Equal(t, field, requireProblem(t, send(t, e, post(body)), http.StatusBadRequest).Field, body)
	}
	mean := func(selection, kind string) request {
		return post(fmt.Sprintf(`{"label":"env=test","confirm":"revoke","selection":%q%s}`, selection, kind))
	}
	p := requireProblem(t, send(t, e, mean(others, "")), http.StatusConflict)
	require.Equal(t, adminapi.TypeSelection, p.Type)
	require.Contains(t, p.Detail, "look at them again")
	require.Empty(t, e.Fleet.Revocations())
	seen := decode[adminapi.BulkRevoked](t, send(t, e, post(`{"label":"env=test","dry_run":true}`)))
	require.True(t, seen.DryRun)
	require.Equal(t, 3, seen.Total)
	require.Equal(t, adminapi.BulkOfMember{Kind: "tunneler", ID: "a", Name: "Laptop", HostID: strings.Repeat("ab", 16), Result: "would be revoked"}, seen.Members[2])
	require.Empty(t, e.Fleet.Revocations())

	e.Auth.Be(person(auth.FleetRead, auth.FleetWrite, auth.TokensWrite))
	requireProblem(t, send(t, e, post(`{"label":"env=test","dry_run":true}`)), http.StatusForbidden)
	e.Auth.Be(auth.Principal{})
	look := decode[adminapi.BulkRevoked](t, send(t, e, post(`{"label":"env=test","kind":"tunneler","dry_run":true}`)))
	require.Equal(t, adminapi.TypeSelection, requireProblem(t, send(t, e, mean(look.Selection, "")), http.StatusConflict).Type)
	one := decode[adminapi.BulkRevoked](t, send(t, e, mean(look.Selection, `,"kind":"tunneler"`)))
	require.Equal(t, 1, one.Revoked)
	require.Equal(t, look.Selection, one.Selection)
	require.Equal(t, "revoked", one.Members[0].Result)
	require.Equal(t, adminapi.TypeSelection, requireProblem(t, send(t, e, mean(seen.Selection, "")), http.StatusConflict).Type, "one is gone since")
	seen = decode[adminapi.BulkRevoked](t, send(t, e, post(`{"label":"env=test","dry_run":true}`)))
	all := send(t, e, mean(seen.Selection, ""))
	require.Equal(t, 2, decode[adminapi.BulkRevoked](t, all).Revoked)
	done := e.Fleet.Revocations()
	require.Len(t, done, 3)
	require.Equal(t, apitest.Actor, done[2].Actor)
	require.Equal(t, all.Header().Get("X-Request-Id"), done[2].RequestID)
	require.Equal(t, adminapi.Offline, decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/c")).Status)
}
