package api_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func TestAnItemIsDismissedWithItsRecord(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", func(c *fleet.Connector) { online(&c.Presence, e); c.Contested = true })
	all := decode[adminapi.AttentionList](t, get(t, e, "/api/admin/attention"))
	require.Equal(t, 1, all.Total)
	it := all.Attention[0]
	require.Equal(t, "critical", it.Severity)
	require.Equal(t, "/connectors/a", it.Page)
	require.Equal(t, all.Attention, decode[adminapi.Status](t, get(t, e, "/api/admin/status")).Attention)

	code, p, _ := post(t, e, "/attention/unknown/dismiss", "")
	require.Equal(t, http.StatusNotFound, code)
	require.Contains(t, p.Detail, "list them again")
	code, _, _ = post(t, e, "/attention/"+it.ID+"/dismiss", "")
	require.Equal(t, http.StatusOK, code)
	require.Zero(t, decode[adminapi.Status](t, get(t, e, "/api/admin/status")).AttentionTotal)
	events := dismissals(t, e)
	require.Len(t, events, 1)
	require.Equal(t, audit.AttentionDismiss, events[0].Action)
	require.Equal(t, apitest.Actor, events[0].Actor)
	require.NotEmpty(t, events[0].RequestID)
}

func TestAnAuditorDismissesNothing(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", func(c *fleet.Connector) { online(&c.Presence, e); c.Contested = true })
	it := decode[adminapi.AttentionList](t, get(t, e, "/api/admin/attention")).Attention[0]
	e.Key = e.AddKey(t, auth.Key{ID: "auditor", Permissions: []auth.Permission{auth.FleetRead, auth.AuditRead}})
	code, _, _ := post(t, e, "/attention/"+it.ID+"/dismiss", "")
	require.Equal(t, http.StatusForbidden, code)
	require.Empty(t, dismissals(t, e))
}

func dismissals(t *testing.T, e *apitest.Env) []audit.Event {
	t.Helper()
	all, err := e.Identity.Store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	return slices.DeleteFunc(all, func(ev audit.Event) bool { return ev.Action != audit.AttentionDismiss })
}
