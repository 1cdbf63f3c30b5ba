package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// ask sends an operation with an id that nothing has and without a body.
func ask(t testing.TB, e *apitest.Env, o api.Operation, as auth.Principal) *httptest.ResponseRecorder {
	t.Helper()
	e.Auth.Be(as)
	defer e.Auth.Be(auth.Principal{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel() // of a stream
	if strings.HasSuffix(o.Route, "/events") {
		cancel()
	}
	req := httptest.NewRequestWithContext(ctx, o.Method, strings.ReplaceAll(o.Route, ":", "nobody-"), strings.NewReader(""))
	w := httptest.NewRecorder()
	e.Server.Handler().ServeHTTP(w, req)
	return w
}

func operationOf(t testing.TB, e *apitest.Env, method, path string) api.Operation {
	t.Helper()
	all := e.Server.Operations()
	i := slices.IndexFunc(all, func(o api.Operation) bool { return o.Method == method && o.Route == adminapi.Base+path })
	require.GreaterOrEqual(t, i, 0)
	return all[i]
}

func person(may ...auth.Permission) auth.Principal {
	return auth.Principal{
		Actor: "person:p1", Kind: auth.KindPerson, Permissions: may, SessionID: "s1",
		StepUpUntil: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestEveryRouteIsARowThatSaysWhoMayUseIt(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	rows := map[string]api.Operation{}
	for _, o := range e.Server.Operations() {
		key := o.Method + " " + o.Route
		require.NotContains(t, rows, key, "two rows")
		rows[key] = o
		require.Equal(t, o.Public, o.Permission == "", "%s needs a permission or is public, and never both", key)
		require.True(t, o.Public || o.Permission.Known(), key)
		require.False(t, o.Public && o.StepUp, key)
	}
	routes := e.Server.Routes()
	heads := 0
	for _, r := range routes {
		if r.Method == http.MethodHead { // goes with its GET
			heads++
			require.Contains(t, rows, "GET "+r.Path, "a route that has no row in the table of operations")
			continue
		}
		require.Contains(t, rows, r.Method+" "+r.Path, "a route that has no row in the table of operations")
	}
	require.Len(t, routes, len(rows)+heads)
}

func TestPublicRoutesAreTheseAndNoOthers(t *testing.T) {
	t.Parallel()
	var public []string
	for _, o := range apitest.New(t).Server.Operations() {
		if o.Public {
			public = append(public, o.Method+" "+strings.TrimPrefix(o.Route, adminapi.Base))
		}
	}
	require.ElementsMatch(t, publicRoutes(), public)
}

// publicRoutes is a second opinion: to make a route public takes an edit here too.
func publicRoutes() []string {
	return []string{
		"GET /openapi.json",
		"GET /setup", "POST /setup", "POST /session", "GET /session/oidc/start", "GET /session/oidc/callback", "POST /oauth/token", "POST /claims/:code",
		"POST /oauth/device_authorization", "POST /oauth/revoke",
	}
}

func TestRefusesARouteThatHasNoRow(t *testing.T) {
	t.Parallel()
	all := person(auth.Permissions()...)
	t.Run("because its row was dropped", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		e.Server.DropRow(http.MethodGet, "/api/admin/status")
		w := ask(t, e, api.Operation{Method: http.MethodGet, Route: "/api/admin/status"}, all)
		require.Equal(t, adminapi.TypeForbidden, requireProblem(t, w, http.StatusForbidden).Type)
		require.Equal(t, "the route has no authorization rule", e.Refused()[0].Reason)
	})
	t.Run("because it was registered beside the table", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		e.Auth.Be(all)
		w := httptest.NewRecorder()
		e.Server.ServeBeside("/debug", w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug", nil))
		requireProblem(t, w, http.StatusForbidden)
	})
}

func TestEveryOperationIsRefusedWithoutItsPermission(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, o := range e.Server.Operations() {
		if o.Public {
			continue
		}
		t.Run(o.Method+" "+o.Route, func(t *testing.T) {
			others := slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return p == o.Permission })
			for name, as := range map[string]auth.Principal{
				"with every other permission": person(others...),
				"with none":                   person(),
				"with a role's name alone":    {Actor: "person:p1", Kind: auth.KindPerson, Role: auth.Owner},
			} {
				p := requireProblem(t, ask(t, e, o, as), http.StatusForbidden)
				require.Equal(t, adminapi.TypeForbidden, p.Type, name)
				require.Contains(t, p.Detail, string(o.Permission), name)
				require.Equal(t, "no permission "+string(o.Permission), e.Refused()[len(e.Refused())-1].Reason, name)
			}
			anybody := ask(t, e, o, auth.Principal{})
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, anybody.Code)
			allowed := ask(t, e, o, person(o.Permission))
			require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, allowed.Code, allowed.Body.String())
		})
	}
	require.Empty(t, e.Tokens.Requests())
	require.Empty(t, e.Fleet.Revocations())
}

func TestAsksToSignInAgainWhereARowSaysSo(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	var asked []string
	for _, o := range e.Server.Operations() {
		if o.Public {
			continue
		}
		stale := person(o.Permission)
		stale.StepUpUntil = e.Clock.Now()
		w := ask(t, e, o, stale)
		require.Equal(t, o.StepUp, w.Code == http.StatusForbidden, "%s %s", o.Method, o.Route)
		if !o.StepUp {
			continue
		}
		asked = append(asked, o.Method+" "+strings.TrimPrefix(o.Route, adminapi.Base))
		require.Equal(t, adminapi.TypeStepUpRequired, requireProblem(t, w, http.StatusForbidden).Type)
		key := auth.Principal{Actor: "key:k1", Kind: auth.KindKey, Permissions: []auth.Permission{o.Permission}}
		require.NotEqual(t, http.StatusForbidden, ask(t, e, o, key).Code, "a program has no second factor")
	}
	for _, must := range []string{
		"POST /tokens", "POST /requests/:id/approve", "POST /ca/rotations", "POST /ca/rotations/resume", "POST /ca/rotations/abort", "POST /keys",
		"POST /people", "PATCH /people/:id", "DELETE /people/:id", "POST /people/:id/reset", "POST /me/totp", "DELETE /me/totp", "POST /device/approve",
	} {
		require.Contains(t, asked, must)
	}
}
