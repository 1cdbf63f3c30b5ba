package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func startClient(t *testing.T) (*apitest.Env, *adminclient.Client) {
	t.Helper()
	e := apitest.Start(t)
	c := adminclient.New(e.URL, e.Key)
	t.Cleanup(c.Close)
	return e, c
}

func TestClientCallsEveryRoute(t *testing.T) {
	t.Parallel()
	e, c := startClient(t)
	created, err := c.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: "a", TTL: "5m", SourceCIDR: "10.0.0.0/8"})
	require.NoError(t, err)
	require.Equal(t, "install a "+created.Token, created.InstallCommand)
	require.NoError(t, c.RevokeToken(t.Context(), created.TokenID))
	tokens, err := c.Tokens(t.Context())
	require.NoError(t, err)
	require.Len(t, tokens, 1)
	require.Equal(t, "revoked", tokens[0].Status)
	require.Equal(t, "10.0.0.0/8", tokens[0].SourceCIDR)

	e.Fleet.AddConnector("a", func(m *fleet.Connector) { m.Presence.Status = presence.Online })
	e.Fleet.AddTunneler("t", nil)
	connectors, err := c.Connectors(t.Context(), adminclient.ListOptions{Status: adminapi.Online})
	require.NoError(t, err)
	one, err := c.Connector(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []adminapi.Connector{one}, connectors)
	tunneler, err := c.Tunneler(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, adminapi.Offline, tunneler.Status)
	status, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, status.Connectors.Online)

	require.NoError(t, c.RevokeConnector(t.Context(), "a"))
	require.NoError(t, c.RevokeTunneler(t.Context(), "t"))
	connectors, err = c.Connectors(t.Context(), adminclient.ListOptions{})
	require.NoError(t, err)
	require.NotNil(t, connectors)
	require.Empty(t, connectors)
	tunnelers, err := c.Tunnelers(t.Context(), adminclient.ListOptions{Status: adminapi.Revoked})
	require.NoError(t, err)
	require.Len(t, tunnelers, 1)
}

func TestClientFollowsPages(t *testing.T) {
	t.Parallel()
	e, c := startClient(t)
	for i := range 2345 {
		e.Fleet.AddConnector(fmt.Sprintf("c-%04d", i), nil)
	}
	all, err := c.Connectors(t.Context(), adminclient.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all, 2345)
	require.Equal(t, "c-2344", all[2344].ID)
}

func TestClientReturnsTheProblem(t *testing.T) {
	t.Parallel()
	e, c := startClient(t)
	e.Fleet.AddConnector("live", nil)
	_, badTTL := c.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: "a", TTL: "10"})
	_, live := c.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: "live"})
	wrong := adminclient.New(e.URL, "zta_wrong")
	t.Cleanup(wrong.Close)
	_, unauthenticated := wrong.Tokens(t.Context())
	for name, tc := range map[string]struct {
		err    error
		status int
		field  string
	}{
		"a bad field":            {badTTL, 400, "ttl"},
		"a live id":              {live, 409, ""},
		"a wrong key":            {unauthenticated, 401, ""},
		"an unknown token":       {c.RevokeToken(t.Context(), "tok_no"), 404, ""},
		"an unknown connector":   {c.RevokeConnector(t.Context(), "no"), 404, ""},
		"an id that climbs":      {c.RevokeConnector(t.Context(), ".."), 400, "id"},
		"an id that climbs more": {c.RevokeConnector(t.Context(), "../tunnelers/t"), 404, ""},
		"an id with a query":     {c.RevokeConnector(t.Context(), "live?x=y#z"), 400, "id"},
		"an id with CRLF":        {c.RevokeTunneler(t.Context(), "a\r\nX: y"), 400, "id"},
	} {
		var got *adminclient.Error
		require.ErrorAs(t, tc.err, &got, name)
		require.Equal(t, tc.status, got.Status, name)
		require.Equal(t, tc.field, got.Field, name)
		require.Len(t, got.RequestID, 32, name)
		require.NotContains(t, got.Error(), "\n", name)
		require.Contains(t, got.Error(), got.RequestID, name)
	}
	require.Empty(t, e.Fleet.Revocations())
	require.Error(t, c.RevokeConnector(t.Context(), ""))
}

func TestClientReadsTimes(t *testing.T) {
	t.Parallel()
	e, c := startClient(t)
	e.Fleet.AddTunneler("t", func(m *fleet.Tunneler) { m.Presence.LastSeen = e.Clock.Now().Add(time.Second) })
	got, err := c.Tunneler(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, e.Clock.Now().Add(time.Second), got.LastSeen)
	require.True(t, got.RevokedAt.IsZero())
}
