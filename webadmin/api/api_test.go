package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is one request to the API; header overrides what send sets.
type request struct {
	method, path, body string
	header             map[string][]string
	remote             string
}

// send asks the handler as the holder of a key for everything.
func send(t testing.TB, e *apitest.Env, r request) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), r.method, r.path, strings.NewReader(r.body))
	req.Header.Set("Authorization", "Bearer "+e.Key)
	req.Header.Set("Content-Type", "application/json")
	for name, values := range r.header {
		req.Header.Del(name)
		for _, v := range values {
			req.Header.Add(name, v)
		}
	}
	if r.remote != "" {
		req.RemoteAddr = r.remote
	}
	w := httptest.NewRecorder()
	e.Server.Handler().ServeHTTP(w, req)
	return w
}

func get(t testing.TB, e *apitest.Env, path string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, e, request{method: http.MethodGet, path: path})
}

func decode[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), w.Body.String())
	return v
}

// requireProblem checks all that is common to problems and returns it.
func requireProblem(t testing.TB, w *httptest.ResponseRecorder, status int) adminapi.Problem {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, adminapi.ProblemContentType, w.Header().Get("Content-Type"))
	p := decode[adminapi.Problem](t, w)
	require.Equal(t, status, p.Status)
	requireProblemBody(t, w.Body.Bytes())
	require.NotEmpty(t, p.Detail)
	require.Len(t, p.RequestID, 32)
	require.Equal(t, p.RequestID, w.Header().Get("X-Request-Id"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	return p
}

// requireLogsWithout fails if any log line has one of the words.
func requireLogsWithout(t testing.TB, e *apitest.Env, words ...string) {
	t.Helper()
	for _, entry := range e.Logs.All() {
		line, err := json.Marshal(map[string]any{"message": entry.Message, "fields": entry.ContextMap()})
		require.NoError(t, err)
		for _, w := range words {
			require.NotContains(t, string(line), w)
		}
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{
		"all addresses": ":8080", "all IPv4 addresses": "0.0.0.0:0", "all IPv6 addresses": "[::]:0",
		"a public address": "192.0.2.1:8080", "a name": "admin.example.com:8080", "a mapped public address": "[::ffff:192.0.2.1]:0",
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			_, err := api.New(api.Config{Listen: listen, Log: zap.NewNop()})
			require.ErrorContains(t, err, "admin.tls_cert")
		})
	}
	t.Run("refuses an address without a port", func(t *testing.T) {
		t.Parallel()
		_, err := api.New(api.Config{Listen: "127.0.0.1", Log: zap.NewNop()})
		require.ErrorContains(t, err, "admin listener")
	})
	t.Run("names a port in use", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		_, err := api.New(api.Config{Listen: e.Server.Addr().String(), Log: zap.NewNop()})
		require.ErrorContains(t, err, "admin listener")
	})
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/api/admin/status", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "bearer "+e.Key)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestRepliesCarrySecurityHeadersAndAFreshRequestID(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	forged := strings.Repeat("0", 32) + "; reboot"
	w := send(t, e, request{method: http.MethodGet, path: "/api/admin/status", header: map[string][]string{"X-Request-Id": {forged}}})
	require.Equal(t, http.StatusOK, w.Code)
	require.Len(t, w.Header().Get("X-Request-Id"), 32)
	require.NotEqual(t, forged, w.Header().Get("X-Request-Id"))
	require.NotEqual(t, w.Header().Get("X-Request-Id"), get(t, e, "/api/admin/status").Header().Get("X-Request-Id"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	requireLogsWithout(t, e, forged)
}

func TestUnknownRoutesAndMethodsAreProblems(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, path := range []string{"/api/admin", "/api/admin/", "/api/admin/token", "/api/admin/tokens/", "/API/admin/tokens", "/api/admin/connectors/a/b", "/api/admin/connectors/a%2fb"} {
		t.Run("no path "+path, func(t *testing.T) {
			p := requireProblem(t, get(t, e, path), http.StatusNotFound)
			require.Equal(t, adminapi.TypeNotFound, p.Type)
		})
	}
	for _, tc := range []struct{ method, path, allow string }{
		{http.MethodPut, "/api/admin/tokens", "POST"},
		{http.MethodPost, "/api/admin/connectors", "GET"},
		{http.MethodPut, "/api/admin/connectors/a", "PATCH"},
		{"BREW", "/api/admin/tokens", "GET"},
	} {
		t.Run("no "+tc.method+" "+tc.path, func(t *testing.T) {
			w := send(t, e, request{method: tc.method, path: tc.path})
			require.Equal(t, http.StatusMethodNotAllowed, w.Code)
			require.Contains(t, w.Header().Get("Allow"), tc.allow)
			requireProblem(t, w, http.StatusMethodNotAllowed)
		})
	}
	require.Empty(t, e.Tokens.Requests())
	requireLogsWithout(t, e, "BREW")
}

func TestInternalErrorsTellTheLogAndNotTheCaller(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*apitest.Env){
		"a failing store":     func(e *apitest.Env) { e.Fleet.Fail(errDisk) },
		"a failing key store": func(e *apitest.Env) { e.Keys.Fail(errDisk) },
		"a panic":             func(e *apitest.Env) { e.Fleet.Panic() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			breakIt(e)
			w := get(t, e, "/api/admin/connectors")
			p := requireProblem(t, w, http.StatusInternalServerError)
			require.Equal(t, adminapi.TypeInternal, p.Type)
			require.NotContains(t, w.Body.String(), "disk")
			require.NotContains(t, w.Body.String(), "ztc_")
			require.NotZero(t, e.Logs.FilterField(zap.String("request_id", p.RequestID)).FilterLevelExact(zap.ErrorLevel).Len())
		})
	}
	t.Run("a deadline is a 503", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		e.Fleet.Fail(context.DeadlineExceeded)
		require.Equal(t, adminapi.TypeTimeout, requireProblem(t, get(t, e, "/api/admin/connectors"), http.StatusServiceUnavailable).Type)
	})
}

// TestACallersRequestIDComesBeforeOurs: it finds its request by it, in the reply, the
// log and the audit log, and cannot take the id of another.
func TestACallersRequestIDComesBeforeOurs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent []string
		ok   bool
	}{
		"of letters and digits":        {[]string{"Deploy-2030-01-02"}, true},
		"of 64 bytes":                  {[]string{strings.Repeat("a", 64)}, true},
		"not of 65":                    {[]string{strings.Repeat("a", 65)}, false},
		"not an empty one":             {[]string{""}, false},
		"not two of them":              {[]string{"a", "b"}, false},
		"not what a log would execute": {[]string{"${jndi:ldap://x}"}, false},
		"not a line of its own":        {[]string{"a b"}, false},
		"not an id of ours":            {[]string{"a.b"}, false},
		"not a secret of ours":         {[]string{"ztc_" + strings.Repeat("a", 39)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			w := send(t, e, request{method: http.MethodGet, path: "/api/admin/nothing-here", header: map[string][]string{"X-Request-Id": c.sent}})
			got := w.Header().Get("X-Request-Id")
			want := "^[0-9a-f]{32}$"
			if c.ok {
				want = "^" + c.sent[0] + `\.[0-9a-f]{32}$`
			}
			require.Regexp(t, want, got)
			require.Contains(t, w.Body.String(), `"request_id":"`+got+`"`)
			require.Equal(t, 1, e.Logs.FilterMessage("admin request").FilterField(zap.String("request_id", got)).Len())
		})
	}
}
