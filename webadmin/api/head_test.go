package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// answer is a reply that was read to its end.
type answer struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

// overHTTP sends a request to a server that runs.
func overHTTP(t testing.TB, e *apitest.Env, method, path string, header map[string]string) (answer, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, e.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+e.Key)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, resp.ContentLength}, b
}

// TestHeadIsGetWithoutABody compares both for every path, over HTTP.
func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	for i := range 60 { // more than fits what net/http collects
		e.Fleet.AddConnector("c-"+strconv.Itoa(i), nil)
	}
	e.Auth.Be(person(slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return p == auth.Self })...))
	n := 0
	for _, o := range e.Server.Operations() {
		if o.Method != http.MethodGet || o.NoHead || o.Stream {
			continue
		}
		n++
		path := strings.ReplaceAll(o.Route, ":", "nobody-")
		get, body := overHTTP(t, e, http.MethodGet, path, nil)
		head, none := overHTTP(t, e, http.MethodHead, path, nil)
		require.Empty(t, none, path)
		require.Equal(t, get.StatusCode, head.StatusCode, path)
		if !bytes.Contains(body, []byte(`"request_id"`)) && path != adminapi.Base+"/status" { // that of a problem is new each time
			require.Equal(t, int64(len(body)), head.ContentLength, path)
		}
		for _, name := range []string{"Content-Type", "ETag", "Cache-Control", "Content-Security-Policy", "WWW-Authenticate"} {
			require.Equal(t, get.Header.Get(name), head.Header.Get(name), "%s of %s", name, path)
		}
	}
	require.Greater(t, n, 20)

	page, _ := overHTTP(t, e, http.MethodHead, "/api/admin/connectors", nil)
	require.NotEmpty(t, page.Header.Get("ETag"))
	require.Greater(t, page.ContentLength, int64(10_000))
	same, _ := overHTTP(t, e, http.MethodHead, "/api/admin/connectors", map[string]string{"If-None-Match": page.Header.Get("ETag")})
	require.Equal(t, http.StatusNotModified, same.StatusCode)
}

// TestHeadOfAStreamBeginsNone: it says what GET would begin, and ends.
func TestHeadOfAStreamBeginsNone(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	for path, media := range map[string]string{"/events": "text/event-stream", "/audit/export": "application/x-ndjson"} {
		resp, _ := overHTTP(t, e, http.MethodHead, adminapi.Base+path, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, media, resp.Header.Get("Content-Type"))
	}
	resp, _ := overHTTP(t, e, http.MethodHead, adminapi.Base+"/audit/export?since=yesterday", nil)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// TestHeadIsRefusedAsGetIs: it tells nobody what GET would not.
func TestHeadIsRefusedAsGetIs(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, o := range e.Server.Operations() {
		if o.Method != http.MethodGet || o.Public {
			continue
		}
		head := api.Operation{Method: http.MethodHead, Route: o.Route}
		others := slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return p == o.Permission })
		w := ask(t, e, head, person(others...))
		require.Equal(t, http.StatusForbidden, w.Code, o.Route)
		require.Empty(t, w.Body.String())
		require.Equal(t, "no permission "+string(o.Permission), e.Refused()[len(e.Refused())-1].Reason)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, ask(t, e, head, auth.Principal{}).Code, o.Route)
	}
}

// TestHeadSpendsNothing: a scanner of links that sends HEAD uses up no answer of an
// identity provider.
func TestHeadSpendsNothing(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, path := range []string{"/session/oidc/start", "/session/oidc/callback"} {
		w := send(t, e, request{method: http.MethodHead, path: adminapi.Base + path})
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "GET, OPTIONS", w.Header().Get("Allow"))
		require.Empty(t, w.Body.String())
		require.Empty(t, w.Header().Values("Set-Cookie"))
	}
}

// TestOptionsListsTheMethodsOfAPath, and 405 does too.
func TestOptionsListsTheMethodsOfAPath(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	methods := map[string][]string{}
	for _, o := range e.Server.Operations() {
		methods[o.Route] = append(methods[o.Route], o.Method)
		if o.Method == http.MethodGet && !o.NoHead {
			methods[o.Route] = append(methods[o.Route], http.MethodHead)
		}
	}
	for route, allowed := range methods {
		allowed = append(allowed, http.MethodOptions)
		slices.Sort(allowed)
		path := strings.ReplaceAll(route, ":", "nobody-")
		w := send(t, e, request{method: http.MethodOptions, path: path, header: map[string][]string{"Authorization": nil, "Origin": {"https://evil.example"}}})
		require.Equal(t, http.StatusNoContent, w.Code, route)
		require.Equal(t, strings.Join(allowed, ", "), w.Header().Get("Allow"), route)
		require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
		require.Empty(t, w.Body.String())
		w = send(t, e, request{method: http.MethodTrace, path: path})
		require.Equal(t, strings.Join(allowed, ", "), w.Header().Get("Allow"), route)
		require.Equal(t, adminapi.TypeMethodNotAllowed, requireProblem(t, w, http.StatusMethodNotAllowed).Type)
	}
	requireProblem(t, send(t, e, request{method: http.MethodOptions, path: "/api/admin/nothing"}), http.StatusNotFound)
}
