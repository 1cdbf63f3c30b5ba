package api_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

func TestRefusesEveryCallerWithoutAValidKeyAlike(t *testing.T) {
	t.Parallel()
	other, _ := auth.NewKey()
	for name, tc := range map[string]struct {
		header func(e *apitest.Env) []string
		path   func(e *apitest.Env) string
		reason string
	}{
		"no key":             {header: func(*apitest.Env) []string { return nil }, reason: "no API key"},
		"an empty key":       {header: func(*apitest.Env) []string { return []string{"Bearer "} }, reason: "no API key"},
		"a scheme alone":     {header: func(*apitest.Env) []string { return []string{"Bearer"} }, reason: "no API key"},
		"an unknown key":     {header: func(*apitest.Env) []string { return []string{"Bearer " + other} }, reason: "unknown API key"},
		"a cut key":          {header: func(e *apitest.Env) []string { return []string{"Bearer " + e.Key[:len(e.Key)-1]} }, reason: "malformed API key"},
		"a key and a space":  {header: func(e *apitest.Env) []string { return []string{"Bearer " + e.Key + " "} }, reason: "malformed API key"},
		"another scheme":     {header: func(e *apitest.Env) []string { return []string{"Basic " + e.Key} }, reason: "no API key"},
		"no scheme":          {header: func(e *apitest.Env) []string { return []string{e.Key} }, reason: "no API key"},
		"two keys":           {header: func(e *apitest.Env) []string { return []string{"Bearer " + other, "Bearer " + e.Key} }, reason: "no API key"},
		"a huge key":         {header: func(*apitest.Env) []string { return []string{"Bearer " + strings.Repeat("a", 8<<10)} }, reason: "malformed API key"},
		"a key in the query": {header: func(*apitest.Env) []string { return nil }, path: func(e *apitest.Env) string { return "/api/admin/tokens?access_token=" + e.Key }, reason: "no API key"},
		"an enrollment token": {header: func(*apitest.Env) []string {
			return []string{"Bearer ztc_" + strings.Repeat("a", 39)}
		}, reason: "malformed API key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			path := "/api/admin/tokens"
			if tc.path != nil {
				path = tc.path(e)
			}
			w := send(t, e, request{method: http.MethodGet, path: path, header: map[string][]string{"Authorization": tc.header(e)}})
			p := requireProblem(t, w, http.StatusUnauthorized)
			require.Equal(t, `Bearer realm="grpccontroller"`, w.Header().Get("WWW-Authenticate"))
			require.Equal(t, adminapi.TypeUnauthenticated, p.Type)
			require.Equal(t, `sign in, or send a valid API key or access token in the header "Authorization: Bearer <key>"`, p.Detail)
			require.Equal(t, []audit.Event{{
				Action: audit.AdminSignIn, Target: "route GET /api/admin/tokens", Outcome: audit.Denied,
				Reason: tc.reason, RequestID: p.RequestID, Source: "192.0.2.1",
			}}, e.Refused())
			requireLogsWithout(t, e, e.Key, e.Key[4:30], other)
		})
	}
}

// TestWhoAsksWhoTheyAreIsNotRefused: each visit of the sign-in page asks. It is no
// attempt at anything, so no visit may lock out a later one or look like an attack.
func TestWhoAsksWhoTheyAreIsNotRefused(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for range 50 {
		p := requireProblem(t, newBrowser(t, e).do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
		require.Equal(t, adminapi.TypeUnauthenticated, p.Type)
	}
	require.Empty(t, e.Refused())
	guess := newBrowser(t, e)
	guess.cookies["zt_session"] = "a guess"
	requireProblem(t, guess.do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
	require.Len(t, e.Refused(), 1, "a credential that is no good is one")
}

func TestRefusesAnExpiredKeyFromThatInstantOn(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Key = e.AddKey(t, auth.Key{ID: "ci", Permissions: []auth.Permission{auth.FleetRead}, ExpiresAt: e.Clock.Now().Add(time.Minute)})
	require.Equal(t, http.StatusOK, get(t, e, "/api/admin/tokens").Code)
	e.Clock.Advance(time.Minute)
	requireProblem(t, get(t, e, "/api/admin/tokens"), http.StatusUnauthorized)
	require.Equal(t, "expired API key", e.Refused()[0].Reason)
	require.Equal(t, "key:ci", e.Refused()[0].Actor)
}

func TestLimitsFailuresAndNeverAValidKey(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	none := request{method: http.MethodGet, path: "/api/admin/tokens", header: map[string][]string{"Authorization": nil}}
	for range 10 {
		requireProblem(t, send(t, e, none), http.StatusUnauthorized)
	}
	w := send(t, e, none)
	p := requireProblem(t, w, http.StatusTooManyRequests)
	require.Equal(t, adminapi.TypeTooManyFailures, p.Type)
	require.Equal(t, "6", w.Header().Get("Retry-After"))
	require.Len(t, e.Refused(), 10, "a limited failure fills no audit log")

	require.Equal(t, http.StatusOK, get(t, e, "/api/admin/tokens").Code, "others' failures lock nobody out")

	claims := none
	claims.header = map[string][]string{"Authorization": nil, "X-Forwarded-For": {"198.51.100.9"}, "X-Real-Ip": {"198.51.100.9"}}
	requireProblem(t, send(t, e, claims), http.StatusTooManyRequests)

	elsewhere := none
	elsewhere.remote = "198.51.100.9:1234"
	requireProblem(t, send(t, e, elsewhere), http.StatusUnauthorized)

	e.Clock.Advance(6 * time.Second)
	requireProblem(t, send(t, e, none), http.StatusUnauthorized)
	requireProblem(t, send(t, e, none), http.StatusTooManyRequests)
}

func TestFailureLimiterIsBounded(t *testing.T) {
	t.Parallel()
	clock := authtest.NewClock()
	allow, size := api.NewFailures(clock.Now)
	ip := netip.MustParseAddr("10.0.0.0")
	for range api.MaxFailing {
		require.True(t, allow(ip.String()))
		ip = ip.Next()
	}
	allowed := 0
	for range 1000 {
		if allow(ip.String()) {
			allowed++
		}
		ip = ip.Next()
	}
	require.Equal(t, 10, allowed, "addresses beyond the bound share one limit")
	require.Equal(t, api.MaxFailing, size())

	clock.Advance(time.Hour)
	require.True(t, allow(ip.String()))
	require.Equal(t, 1, size(), "addresses that recovered are forgotten")
}

func TestFailureLimiterCountsAnIPv6NetworkOnce(t *testing.T) {
	t.Parallel()
	allow, size := api.NewFailures(authtest.NewClock().Now)
	for _, ip := range []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1", "::ffff:192.0.2.1", "192.0.2.1", "", "nonsense"} {
		require.True(t, allow(ip))
	}
	require.Equal(t, 3, size())
}
