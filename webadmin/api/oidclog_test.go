package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// loggedProvider is an API with a provider that lies as told, and all its warnings.
func loggedProvider(t *testing.T, claim string) (*browser, *oidctest.Liar, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	liar := oidctest.Lie(t)
	e := apitest.New(t, func(c *api.Config) {
		box, err := keys.NewBox(make([]byte, 32))
		require.NoError(t, err)
		people := authtest.New(t, c.Now)
		people.Config.Log = zap.New(core)
		people.Again(t)
		c.Identity, c.Log = people.Auth, zap.New(core)
		c.OIDC = oidc.New(oidc.Config{
			Issuer: liar.Issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "http://example.com/api/admin/session/oidc/callback",
			GroupsClaim: claim, Roles: map[string]auth.Role{"zt-admins": auth.Admin}, Now: time.Now,
			Seal: box, Transport: &http.Transport{DisableKeepAlives: true},
		})
	})
	return newBrowser(t, e), liar, logs
}

// TestTheLogHasTheRealReasonOfARefusedSignInWithTheProvider: "check e-mail address,
// password and code" is no reason for somebody whom the provider vouches for.
func TestTheLogHasTheRealReasonOfARefusedSignInWithTheProvider(t *testing.T) {
	t.Parallel()
	many := make([]string, 500)
	for i := range many {
		many[i] = strings.Repeat("g", 500)
	}
	for name, tc := range map[string]struct {
		claim string
		do    func(t *testing.T, b *browser, liar *oidctest.Liar) string // what it goes to
		want  []string
	}{
		"no group has a role": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			liar.Claims = map[string]any{"groups": []string{"staff", "ops"}}
			return visit(t, b, liar, "")
		}, []string{"no group has a role", `admin.oidc.roles has none of the groups "staff", "ops"`, `subject`}},
		"no such claim": {"roles", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			liar.UserInfo = map[string]any{"sub": "sub-1"}
			return visit(t, b, liar, "")
		}, []string{"no group has a role", `there is no claim "roles" (admin.oidc.groups_claim), the claims are `, `"groups"`}},
		"more groups than a line holds": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			liar.Claims = map[string]any{"groups": many}
			return visit(t, b, liar, "")
		}, []string{"and 480 more"}},
		"a claim without names": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			liar.Claims = map[string]any{"groups": 7}
			return visit(t, b, liar, "")
		}, []string{`the claim "groups" has no name of a group`}},
		"a token for another client": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			liar.Claims = map[string]any{"aud": "another-client"}
			return visit(t, b, liar, "")
		}, []string{"ID token", "another-client"}},
		"the provider says no": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			at, err := url.Parse(visit(t, b, liar, ""))
			require.NoError(t, err)
			q := at.Query()
			q.Set("error", "access_denied")
			q.Set("error_description", "ask your administrator")
			return at.Path + "?" + q.Encode()
		}, []string{"access_denied", "ask your administrator"}},
		"the provider refuses the code": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			to := visit(t, b, liar, "")
			liar.Down = true
			return to
		}, []string{"code: ", "503"}},
		"somebody else re-authenticates": {"groups", func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			t.Helper()
			require.Equal(t, "/", b.do(http.MethodGet, visit(t, b, liar, ""), "").Header().Get("Location"))
			to := visit(t, b, liar, "?step_up=true")
			liar.Claims = map[string]any{"sub": "somebody-else"}
			return to
		}, []string{"step-up: somebody else at the identity provider", "somebody-else"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, liar, logs := loggedProvider(t, tc.claim)
			w := b.do(http.MethodGet, tc.do(t, b, liar), "")
			require.Equal(t, "/sign-in?error=oidc-refused", w.Header().Get("Location"), "the browser hears no reason")
			said := logs.FilterMessageSnippet("sign-in").All()
			require.Len(t, said, 1, "%v", logs.All())
			line := fmt.Sprint(said[0].Message, said[0].ContextMap())
			require.Less(t, len(line), 4096)
			require.NotContains(t, line, "password")
			for _, want := range tc.want {
				require.Contains(t, line, want)
				require.NotContains(t, fmt.Sprint(w.Header(), w.Body.String()), want)
			}
		})
	}
}
