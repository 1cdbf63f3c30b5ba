package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func online(p *presence.State, e *apitest.Env) {
	*p = presence.State{
		Status: presence.Online, Since: e.Clock.Now().Add(-time.Hour), LastSeen: e.Clock.Now(), RemoteAddr: "203.0.113.5:4711",
		SVID: presence.SVID{Serial: "12", AuthorityID: "auth", NotAfter: e.Clock.Now().Add(time.Minute)}, PolicyRevision: 42,
	}
}

func TestListsConnectors(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("b", func(c *fleet.Connector) {
		c.PrivateIP, c.Addresses, c.Contested = "10.0.0.7", []string{"10.0.0.7:9443"}, true
		c.Clone = &fleet.Clone{Signal: fleet.TwoPrograms, Member: "connector/b", Sightings: []fleet.Sighting{
			{Address: "203.0.113.5:4711", InstanceID: "i1", BootID: "b1", At: e.Clock.Now()}, {Address: "198.51.100.9:1", At: e.Clock.Now()},
		}}
		online(&c.Presence, e)
	})
	e.Fleet.AddConnector("a", nil)
	e.Fleet.AddConnector("c", func(c *fleet.Connector) { c.RevokedAt = e.Clock.Now() })
	host := strings.Repeat("ab", 16)
	require.JSONEq(t, `{"connectors":[
		{"id":"a","status":"OFFLINE","version":"v1.2.3","spiffe_id":"spiffe://mycorp.internal/connector/a","host_id":"`+host+`",
		 "enrolled_at":"2030-01-02T03:04:05Z","contested":false,"cloned":false,"svid":{"serial":"","authority_id":""},"remote_address":"","name":"","labels":{},"notes":"","revision":1,
		 "network_id":"default","private_ip":"","addresses":[],"policy_revision":0},
		{"id":"b","status":"ONLINE","last_seen":"2030-01-02T03:04:05Z","version":"v1.2.3","spiffe_id":"spiffe://mycorp.internal/connector/b",
		 "host_id":"`+host+`","enrolled_at":"2030-01-02T03:04:05Z","contested":true,"cloned":true,
		 "clone":{"signal":"instances","member":"connector/b","sightings":[
		   {"address":"203.0.113.5:4711","instance_id":"i1","boot_id":"b1","at":"2030-01-02T03:04:05Z"},
		   {"address":"198.51.100.9:1","instance_id":"","boot_id":"","at":"2030-01-02T03:04:05Z"}]},
		 "svid":{"serial":"12","authority_id":"auth","not_after":"2030-01-02T03:05:05Z"},"remote_address":"203.0.113.5:4711","name":"","labels":{},"notes":"","revision":1,
		 "network_id":"default","private_ip":"10.0.0.7","addresses":["10.0.0.7:9443"],"stream_since":"2030-01-02T02:04:05Z","policy_revision":42}
	],"next_page_token":"","total":2}`, get(t, e, "/api/admin/connectors").Body.String())

	ids := func(query string) (ids []string) {
		for _, c := range decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors"+query)).Connectors {
			ids = append(ids, c.ID)
		}
		return ids
	}
	require.Equal(t, []string{"b"}, ids("?status=ONLINE"))
	require.Equal(t, []string{"a"}, ids("?status=OFFLINE"))
	require.Equal(t, []string{"c"}, ids("?status=REVOKED"), "only if they are asked for")
	require.Equal(t, []string{"c"}, ids("?status=REVOKED&sort=-last_seen"))
	gone := decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/c"))
	require.Equal(t, adminapi.Offline, gone.Status, "by its id it is still found")
	require.Equal(t, e.Clock.Now(), gone.RevokedAt)
	require.JSONEq(t, `{"connectors":[],"next_page_token":"","total":0}`, get(t, apitest.New(t), "/api/admin/connectors").Body.String())
}

// TestStatusSaysWhatIsConnectedAndRevokedAtWhatMayBe: a member that was revoked and has not
// been cut off yet is what an operator has to see.
func TestStatusSaysWhatIsConnectedAndRevokedAtWhatMayBe(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddHost(identity.HostID(strings.Repeat("ab", 16)), func(h *fleet.Host) { h.RevokedAt = e.Clock.Now() })
	e.Fleet.AddConnector("c", func(c *fleet.Connector) {
		c.RevokedAt = e.Clock.Now()
		online(&c.Presence, e)
	})
	requireBoth := func(status string, revokedAt time.Time) {
		require.Equal(t, adminapi.Online, status)
		require.Equal(t, e.Clock.Now(), revokedAt)
	}
	one := decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/c"))
	requireBoth(one.Status, one.RevokedAt)
	list := decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors?status=REVOKED"))
	requireBoth(list.Connectors[0].Status, list.Connectors[0].RevokedAt)
	host := decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts?status=REVOKED")).Hosts[0]
	requireBoth(host.Status, host.RevokedAt)
	requireBoth(host.Members[0].Status, host.Members[0].RevokedAt)
	for _, query := range []string{"", "?status=ONLINE", "?status=OFFLINE"} {
		require.Zero(t, decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors"+query)).Total, query)
		require.Zero(t, decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts"+query)).Total, query)
	}
}

func TestListsTunnelersWithTheConnectorThatReportedThem(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddTunneler("t1", func(m *fleet.Tunneler) {
		m.ConnectorID = "c1"
		online(&m.Presence, e)
	})
	e.Fleet.AddTunneler("t2", func(m *fleet.Tunneler) { m.LastSeenAt = e.Clock.Now().Add(-time.Hour) })
	got := decode[adminapi.TunnelerList](t, get(t, e, "/api/admin/tunnelers")).Tunnelers
	require.Len(t, got, 2)
	require.Equal(t, "c1", got[0].ConnectorID)
	require.Equal(t, "spiffe://mycorp.internal/connector/c1", got[0].ReportedBy)
	require.Equal(t, adminapi.Online, got[0].Status)
	require.False(t, got[0].SessionSince.IsZero())
	require.Empty(t, got[1].ReportedBy)
	require.Equal(t, e.Clock.Now().Add(-time.Hour), got[1].LastSeen)

	one := decode[adminapi.Tunneler](t, get(t, e, "/api/admin/tunnelers/t1"))
	require.Equal(t, got[0], one)
	requireProblem(t, get(t, e, "/api/admin/connectors/t1"), http.StatusNotFound)
}

func TestRefusesABadListQuery(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	token := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for query, field := range map[string]string{
		"page_size=0":                                       "page_size",
		"page_size=-1":                                      "page_size",
		"page_size=1001":                                    "page_size",
		"page_size=ten":                                     "page_size",
		"page_size=":                                        "page_size",
		"page_size=99999999999999999999":                    "page_size",
		"page_size=1&page_size=2":                           "page_size",
		"page_token=garbage":                                "page_token",
		"page_token=%00%ff":                                 "page_token",
		"page_token=" + token("tunnelers:a"):                "page_token",
		"page_token=" + token("connectors:"):                "page_token",
		"page_token=" + token("connectors:a") + "=":         "page_token",
		"page_token=" + token("connectors:a") + "%0a":       "page_token",
		"page_token=" + strings.Repeat("A", 5000):           "page_token",
		"page_token=" + token("'; drop table connectors--"): "page_token",
		"status=online":                                     "status",
		"status=":                                           "status",
		"status=ONLINE,OFFLINE":                             "status",
		"include=revoked":                                   "include",
		"status=revoked":                                    "status",
		"statsu=ONLINE":                                     "statsu",
		"api_key=zta_x":                                     "api_key",
		"a;b":                                               "",
		"%zz":                                               "",
	} {
		t.Run(query[:min(len(query), 60)], func(t *testing.T) {
			t.Parallel()
			require.Equal(t, field, requireProblem(t, get(t, e, "/api/admin/connectors?"+query), http.StatusBadRequest).Field)
		})
	}
}

func TestRevokesAMemberAndSaysSoAgain(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	e.Fleet.AddTunneler("a", nil)
	del := func(path string) request { return request{method: http.MethodDelete, path: path} }
	first := send(t, e, del("/api/admin/connectors/a"))
	require.Equal(t, http.StatusNoContent, first.Code)
	require.Equal(t, http.StatusNoContent, send(t, e, del("/api/admin/connectors/a")).Code)
	require.Equal(t, fleet.Revocation{
		Workload: identity.Workload{Kind: identity.KindConnector, ID: "a"}, Actor: apitest.Actor,
		RequestID: first.Header().Get("X-Request-Id"), From: "192.0.2.1",
	}, e.Fleet.Revocations()[0])
	require.False(t, decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/a")).RevokedAt.IsZero())
	require.True(t, decode[adminapi.Tunneler](t, get(t, e, "/api/admin/tunnelers/a")).RevokedAt.IsZero(), "a tunneler of that name lives on")
	require.Equal(t, http.StatusNoContent, send(t, e, del("/api/admin/tunnelers/a")).Code)

	requireProblem(t, send(t, e, del("/api/admin/connectors/b")), http.StatusNotFound)
	requireProblem(t, send(t, e, del("/api/admin/connectors/a?force=1")), http.StatusBadRequest)
	require.Len(t, e.Fleet.Revocations(), 3)
}

func TestRefusesBadIDsInAPath(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, id := range []string{
		"A", "-a", "a.b", "a_b", "%20", "a%0d%0aInjected:1", "a%00", "%ff", strings.Repeat("a", 64), "%27or%201=1", "a%0a", "..%2f", "%D0%B0",
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			for _, list := range []string{"connectors", "tunnelers"} {
				t.Run(method+" "+list+" "+id[:min(len(id), 20)], func(t *testing.T) {
					w := send(t, e, request{method: method, path: "/api/admin/" + list + "/" + id})
					if strings.Contains(id, "%2f") {
						requireProblem(t, w, http.StatusNotFound) // a slash is another path
						return
					}
					require.Equal(t, "id", requireProblem(t, w, http.StatusBadRequest).Field)
					require.Empty(t, w.Header().Get("Injected"))
				})
			}
		}
	}
	require.Empty(t, e.Fleet.Revocations())
	requireLogsWithout(t, e, "Injected")
}

func TestStatusCountsLiveMembers(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", func(c *fleet.Connector) { online(&c.Presence, e) })
	e.Fleet.AddConnector("b", nil)
	e.Fleet.AddConnector("c", func(c *fleet.Connector) { c.RevokedAt = e.Clock.Now() })
	e.Fleet.AddTunneler("t", nil)
	require.Equal(t, adminapi.Status{
		TrustDomain: "mycorp.internal", Version: "v9.9.9", Time: e.Clock.Now(),
		Connectors: adminapi.Count{Total: 2, Online: 1, Offline: 1}, Tunnelers: adminapi.Count{Total: 1, Offline: 1},
		Attention: []adminapi.Attention{},
	}, decode[adminapi.Status](t, get(t, e, "/api/admin/status")))
}

// TestAConnectorThatRefusesTheControllerIsShown: in its own detail and first under
// Attention, with what to do; not for ever, and not of one that is gone.
func TestAConnectorThatRefusesTheControllerIsShown(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	refuses := func(c *fleet.Connector) {
		online(&c.Presence, e)
		c.Presence.Refusal = "older than the policy in use"
	}
	e.Fleet.AddConnector("a", func(c *fleet.Connector) { online(&c.Presence, e); c.Contested = true })
	e.Fleet.AddConnector("b", refuses)
	e.Fleet.AddConnector("gone", func(c *fleet.Connector) { refuses(c); c.Presence.Status = presence.Offline })
	e.Fleet.AddConnector("revoked", func(c *fleet.Connector) { refuses(c); c.RevokedAt = e.Clock.Now() })
	require.Equal(t, "older than the policy in use", decode[adminapi.Connector](t, get(t, e, "/api/admin/connectors/b")).Refusal)
	got := decode[adminapi.Status](t, get(t, e, "/api/admin/status"))
	require.Equal(t, 2, got.AttentionTotal)
	require.Equal(t, "connector/b", got.Attention[0].Subject)
	require.Contains(t, got.Attention[0].Found, "older than the policy in use")
	require.Contains(t, got.Attention[0].Do, "grpcconnector witness reset --yes")
	require.Equal(t, "connector/a", got.Attention[1].Subject)
	for i := range 30 {
		e.Fleet.AddConnector(fmt.Sprintf("more-%d", i), refuses)
	}
	got = decode[adminapi.Status](t, get(t, e, "/api/admin/status"))
	require.Equal(t, 32, got.AttentionTotal)
	require.Len(t, got.Attention, 20, "a fleet that refuses does not make the page large")
}

// TestAMemberOfAnotherProtocolIsShown under Attention, though it is OFFLINE: it is
// refused. One that was revoked is nobody's work.
func TestAMemberOfAnotherProtocolIsShown(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	const why = "upgrade the program on this host: it speaks protocol 0, the controller speaks 1"
	e.Fleet.AddConnector("a", func(c *fleet.Connector) { c.Presence.Outdated = why })
	e.Fleet.AddConnector("revoked", func(c *fleet.Connector) { c.Presence.Outdated, c.RevokedAt = why, e.Clock.Now() })
	e.Fleet.AddTunneler("t", func(m *fleet.Tunneler) { m.Presence.Outdated = why })
	got := decode[adminapi.Status](t, get(t, e, "/api/admin/status"))
	require.Equal(t, 2, got.AttentionTotal)
	for i, member := range []string{"connector/a", "tunneler/t"} {
		require.Equal(t, member, got.Attention[i].Subject)
		require.Equal(t, adminapi.AttentionOutdated, got.Attention[i].Kind)
		require.Contains(t, got.Attention[i].Found, why)
		require.Contains(t, got.Attention[i].Do, "Upgrade")
	}
}
