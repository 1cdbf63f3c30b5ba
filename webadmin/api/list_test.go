package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// mixed is a fleet in which every order is another one.
func mixed(t testing.TB) *apitest.Env {
	t.Helper()
	e := apitest.New(t)
	now := e.Clock.Now()
	for i, m := range []struct {
		id, version string
		seen        time.Duration
		online      bool
	}{
		{"b", "v1.10.0", 3, true}, {"a", "v1.9.0", 1, false}, {"d", "v1.9.0", 2, true}, {"c", "dev", 4, false},
	} {
		e.Fleet.AddConnector(m.id, func(c *fleet.Connector) {
			c.Version, c.EnrolledAt = m.version, now.Add(time.Duration(i)*time.Hour)
			c.LastSeenAt = now.Add(m.seen * time.Minute)
			c.Addresses = []string{"10.0.0." + m.id + ":9443"}
			if m.online {
				c.Presence.Status = presence.Online
			}
		})
	}
	return e
}

func idsOf(t testing.TB, e *apitest.Env, path string) string {
	t.Helper()
	w := get(t, e, path)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var ids []string
	for _, c := range decode[adminapi.ConnectorList](t, w).Connectors {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, "")
}

func TestSortsAndSearchesMembers(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	for query, want := range map[string]string{
		"": "abcd", "sort=id": "abcd", "sort=-id": "dcba", "sort=last_seen": "adbc", "sort=-last_seen": "cbda",
		"sort=enrolled_at": "badc", "sort=-enrolled_at": "cdab", "sort=version": "cadb", "sort=-version": "bdac",
		"sort=status": "acbd", "sort=-status": "dbca", "status=ONLINE&sort=-id": "db",
		"q=V1.9": "ad", "q=10.0.0.c": "c", "q=": "abcd", "q=nothing": "", "q=%25": "", "q=DEV&status=ONLINE": "",
	} {
		require.Equal(t, want, idsOf(t, e, "/api/admin/connectors?"+query), query)
	}
	got := decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors?q=v1&page_size=1"))
	require.Equal(t, 3, got.Total, "of all pages, of what was searched for")
	require.Len(t, got.Connectors, 1)
}

func TestPagesFollowEachOtherInEveryOrder(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	for _, sort := range []string{"id", "-id", "last_seen", "-last_seen", "enrolled_at", "-enrolled_at", "version", "-version", "status", "-status"} {
		whole, got, token := idsOf(t, e, "/api/admin/connectors?sort="+sort), "", ""
		for range 4 {
			path := "/api/admin/connectors?page_size=1&sort=" + sort + "&page_token=" + token
			got += idsOf(t, e, path)
			token = decode[adminapi.ConnectorList](t, get(t, e, path)).NextPageToken
		}
		require.Equal(t, whole, got, sort)
		require.Empty(t, token, sort)
	}
	t.Run("and a token of another order or list is refused", func(t *testing.T) {
		token := decode[adminapi.ConnectorList](t, get(t, e, "/api/admin/connectors?page_size=1")).NextPageToken
		for _, path := range []string{"connectors?sort=-id&", "tunnelers?", "hosts?", "tokens?", "requests?", "networks?"} {
			p := requireProblem(t, get(t, e, "/api/admin/"+path+"page_token="+url.QueryEscape(token)), http.StatusBadRequest)
			require.Equal(t, "page_token", p.Field)
		}
	})
}

func TestRefusesAListQueryThatIsNotExactlyRight(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for query, field := range map[string]string{
		"sort=name": "sort", "sort=": "sort", "sort=--id": "sort", "sort=ID": "sort", "page_size=0": "page_size", "page_size=501": "page_size",
		"page_size=01": "page_size", "page_size=%2B1": "page_size", "page_size=1e2": "page_size", "page_size=": "page_size", "page_size=-1": "page_size",
		"status=online": "status", "status=": "status", "include=revoked": "include", "q=" + strings.Repeat("x", 129): "q",
		"page_token=x": "page_token", "page_token=" + strings.Repeat("A", 1025): "page_token", "page_token=Y29ubmVjdG9yczppZDo": "page_token",
		"limit=1": "limit", "q=a&q=b": "q", "Q=a": "Q", "%zz": "", "a;b": "",
	} {
		require.Equal(t, field, requireProblem(t, get(t, e, "/api/admin/connectors?"+query), http.StatusBadRequest).Field, query)
	}
}

func TestListsHaveATagAndAnswer304WhenNothingChanged(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	for _, path := range []string{"connectors", "tunnelers", "hosts", "networks", "tokens", "requests", "connectors?sort=-id&page_size=2"} {
		first := get(t, e, "/api/admin/"+path)
		tag := first.Header().Get("ETag")
		require.Regexp(t, `^"[0-9a-f]{32}"$`, tag)
		for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			w := send(t, e, request{method: http.MethodGet, path: "/api/admin/" + path, header: map[string][]string{"If-None-Match": {have}}})
			require.Equal(t, http.StatusNotModified, w.Code, have)
			require.Empty(t, w.Body.String())
			require.Equal(t, tag, w.Header().Get("ETag"))
		}
		for _, have := range []string{"", `""`, `"x"`, strings.Trim(tag, `"`), `"` + tag + `"`} {
			w := send(t, e, request{method: http.MethodGet, path: "/api/admin/" + path, header: map[string][]string{"If-None-Match": {have}}})
			require.Equal(t, http.StatusOK, w.Code, have)
		}
	}
	tag := get(t, e, "/api/admin/connectors").Header().Get("ETag")
	e.Fleet.AddConnector("z", nil)
	require.NotEqual(t, tag, get(t, e, "/api/admin/connectors").Header().Get("ETag"))
}

func TestListsHostsWithTheirMembers(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	on, off := identity.HostID(strings.Repeat("ab", 16)), identity.HostID(strings.Repeat("cd", 16))
	e.Fleet.AddHost(on, nil)
	e.Fleet.AddHost(off, nil)
	e.Fleet.AddHost(identity.HostID(strings.Repeat("ef", 16)), func(h *fleet.Host) { h.RevokedAt = e.Clock.Now() })
	e.Fleet.AddConnector("c", func(c *fleet.Connector) { online(&c.Presence, e) })
	e.Fleet.AddTunneler("t", func(m *fleet.Tunneler) { m.RevokedAt = e.Clock.Now() })
	e.Fleet.AddTunneler("lost", func(m *fleet.Tunneler) { m.HostID = "of a host that is not listed" })
	got := decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts"))
	require.Equal(t, 2, got.Total)
	require.Equal(t, adminapi.Host{
		ID: string(on), Hostname: "host-" + string(on), Status: adminapi.Online, LastSeen: e.Clock.Now(), EnrolledAt: e.Clock.Now(),
		Members: []adminapi.HostMember{
			{Kind: "connector", ID: "c", Status: adminapi.Online}, {Kind: "tunneler", ID: "t", Status: adminapi.Offline, RevokedAt: e.Clock.Now()},
		},
		About: adminapi.About{Labels: map[string]string{}, Revision: 1},
	}, got.Hosts[0])
	require.Equal(t, []adminapi.HostMember{}, got.Hosts[1].Members)
	gone := decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts?status=REVOKED"))
	require.Equal(t, 1, gone.Total)
	require.Equal(t, adminapi.Offline, gone.Hosts[0].Status)
	require.Equal(t, e.Clock.Now(), gone.Hosts[0].RevokedAt)
	require.Equal(t, 1, decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts?status=ONLINE")).Total)
	require.Equal(t, 1, decode[adminapi.HostList](t, get(t, e, "/api/admin/hosts?q=CDCD")).Total)
	require.Equal(t, got.Hosts[0], decode[adminapi.Host](t, get(t, e, "/api/admin/hosts/"+string(on))))
	requireProblem(t, get(t, e, "/api/admin/hosts/nobody"), http.StatusNotFound)
}

func TestListsNetworksWithTheirConnectors(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	e.Fleet.AddConnector("elsewhere", func(c *fleet.Connector) { c.NetworkID = "lab" })
	require.Equal(t, adminapi.NetworkList{Total: 1, Networks: []adminapi.Network{
		{ID: "default", Name: "Default", Revision: 1, Connectors: adminapi.Count{Total: 4, Online: 2, Offline: 2}},
	}}, decode[adminapi.NetworkList](t, get(t, e, "/api/admin/networks")))
}

func TestTokensAreFilteredByTheirState(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	now := e.Clock.Now()
	for i, tok := range []enroll.Token{
		{ExpiresAt: now.Add(time.Minute)}, {ExpiresAt: now}, {ExpiresAt: now.Add(time.Minute), RevokedAt: now}, {ExpiresAt: now, ClaimedAt: now},
	} {
		tok.ID, tok.CreatedAt, tok.Workload = fmt.Sprintf("tok_%d", i), now, identity.Workload{Kind: identity.KindConnector, ID: "a"}
		e.Tokens.Put(tok)
	}
	for i, state := range []string{"pending", "expired", "revoked", "redeemed"} {
		got := decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens?status="+state))
		require.Len(t, got.Tokens, 1)
		require.Equal(t, fmt.Sprintf("tok_%d", i), got.Tokens[0].TokenID)
	}
	require.Equal(t, 4, decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens?q=CONNECTOR/a")).Total)
}

func TestSeriesAndSettings(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	require.JSONEq(t, `{"step_seconds":10,"points":[]}`, get(t, e, "/api/admin/series").Body.String())
	require.NoError(t, e.Series.Sample(t.Context()))
	require.Equal(t, adminapi.Series{StepSeconds: 10, Points: []adminapi.Point{
		{At: e.Clock.Now(), ConnectorsOnline: 2, ConnectorsTotal: 4, Heartbeats: 7, SVIDRotations: 1},
	}}, decode[adminapi.Series](t, get(t, e, "/api/admin/series?window=1h")))
	require.JSONEq(t, `{"step_seconds":300,"points":[]}`, get(t, e, "/api/admin/series?window=24h").Body.String())
	requireProblem(t, get(t, e, "/api/admin/series?window=7d"), http.StatusBadRequest)
	require.Equal(t, "controller-1", decode[adminapi.Settings](t, get(t, e, "/api/admin/settings")).ControllerID)
}

// FuzzPageToken: a page token is answered with a page or refused as one, in every list
// and order of the fleet.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{
		"", "x", "connectors:id:a\x00a", "connectors:id:a", "connectors:-last_seen:\x00b", "connectors:enrolled_at:00001893553445000000\x00b",
		"hosts:status:ONLINE\x00abab", "connectors:version:v000000001\x00\x00", "tunnelers:last_seen:-1\x00t",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	e := mixed(f)
	f.Fuzz(func(t *testing.T, token string, encode bool) {
		if encode {
			token = base64.RawURLEncoding.EncodeToString([]byte(token))
		}
		for _, list := range []string{"connectors?", "tunnelers?sort=last_seen&", "hosts?sort=-hostname&", "connectors?sort=-enrolled_at&", "connectors?sort=status&", "connectors?sort=-last_seen&", "connectors?sort=version&q=v&"} {
			w := get(t, e, "/api/admin/"+list+"page_token="+url.QueryEscape(token))
			if w.Code == http.StatusOK {
				continue
			}
			require.Equal(t, "page_token", requireProblem(t, w, http.StatusBadRequest).Field)
		}
	})
}

// TestAPageTokenIsOneThatAPageHad: whatever else has its form is refused.
func TestAPageTokenIsOneThatAPageHad(t *testing.T) {
	t.Parallel()
	e := mixed(t)
	for _, text := range []string{
		"connectors:id:a", "connectors:id:a\x00b", "connectors:id:\x00", "connectors:id:\x00a", "connectors:status:UP\x00a", "connectors:last_seen:1\x00a",
		"connectors:enrolled_at:99999999999999999999\x00a", "connectors:enrolled_at:-0000000000000000001\x00a",
	} {
		sort := strings.Split(text, ":")[1]
		w := get(t, e, "/api/admin/connectors?sort="+sort+"&page_token="+base64.RawURLEncoding.EncodeToString([]byte(text)))
		require.Equal(t, "page_token", requireProblem(t, w, http.StatusBadRequest).Field, text)
	}
}
