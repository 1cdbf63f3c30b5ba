package adversary_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// call sends a request to the admin API with a key that has these permissions.
func call(t *testing.T, e *apitest.Env, method, path, body string, may ...auth.Permission) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, "http://localhost/api/admin"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if len(may) > 0 {
		req.Header.Set("Authorization", "Bearer "+e.AddKey(t, auth.Key{ID: strings.ReplaceAll(t.Name(), "/", "-"), Permissions: may}))
	}
	w := httptest.NewRecorder()
	e.Server.Handler().ServeHTTP(w, req)
	return w
}

// A limit that is misspelled must not make a token without the limit.
func TestAMisspelledLimitMakesNoToken(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := call(t, e, http.MethodPost, "/tokens", `{"kind":"connector","id":"a","source_cird":"192.0.2.0/24"}`, auth.TokensWrite)
	require.Equal(t, http.StatusBadRequest, w.Code, w.Body.String())
	require.Empty(t, e.Tokens.Requests())
}

// What was found wrong must not be carried out all the same.
func TestABadLimitMakesNoToken(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := call(t, e, http.MethodPost, "/tokens", `{"kind":"connector","id":"a","source_cidr":"192.0.2.7/24"}`, auth.TokensWrite)
	require.Equal(t, http.StatusBadRequest, w.Code, w.Body.String())
	require.Empty(t, e.Tokens.Requests())
}

// A filter that is misspelled must not answer with everything.
func TestAMisspelledFilterListsNothing(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	w := call(t, e, http.MethodGet, "/connectors?statsu=OFFLINE", "", auth.FleetRead)
	require.Equal(t, http.StatusBadRequest, w.Code, w.Body.String())
}

// HEAD must tell nobody what GET would not: an ETag is of the bytes of a page, and its
// length grows with the fleet.
func TestHeadTellsNobodyMoreThanGet(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Fleet.AddConnector("a", nil)
	w := call(t, e, http.MethodHead, "/connectors", "", auth.AuditRead)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Empty(t, w.Header().Get("ETag"))
	require.Equal(t, http.StatusUnauthorized, call(t, e, http.MethodHead, "/connectors", "").Code)
}

// A mail scanner looks at links by HEAD. It must not use up the answer of an identity
// provider.
func TestHeadUsesUpNoSignIn(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := call(t, e, http.MethodHead, "/session/oidc/callback?code=x&state=y", "")
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Empty(t, w.Header().Values("Set-Cookie"))
}
