package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
)

// Whoever controls the provider's configuration must not be able to send requests
// from the controller's place in the network, with the client secret in them.
func TestAProviderCannotAimTheControllerAtItsNeighbours(t *testing.T) {
	t.Parallel()
	for name, aim := range map[string]func(liar *oidctest.Liar, victim string){
		"by the address of its keys": func(l *oidctest.Liar, v string) { l.Discovery = map[string]string{"jwks_uri": v} },
		"by the address for tokens":  func(l *oidctest.Liar, v string) { l.Discovery = map[string]string{"token_endpoint": v} },
		"by a name for the address": func(l *oidctest.Liar, v string) {
			l.Discovery = map[string]string{"jwks_uri": strings.Replace(v, "127.0.0.1", "localhost", 1)}
		},
		"by the address for UserInfo": func(l *oidctest.Liar, v string) { noGroups(l); l.Discovery = map[string]string{"userinfo_endpoint": v} },
		"by an IPv6 form of the address": func(l *oidctest.Liar, v string) {
			l.Discovery = map[string]string{"jwks_uri": strings.Replace(v, "127.0.0.1", "[::ffff:127.0.0.1]", 1)}
		},
		"at the metadata service": func(l *oidctest.Liar, _ string) {
			l.Discovery = map[string]string{"jwks_uri": "http://169.254.169.254/latest/meta-data/"}
		},
		"by another scheme than the issuer's": func(l *oidctest.Liar, v string) {
			l.Discovery = map[string]string{"jwks_uri": "https" + strings.TrimPrefix(v, "http")}
		},
		"by a redirect of the request for a token": func(l *oidctest.Liar, v string) { l.Redirect = map[string]string{"/token": v} },
		"by a redirect of the request for keys":    func(l *oidctest.Liar, v string) { l.Redirect = map[string]string{"/jwks": v} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			t.Cleanup(victim.Close)
			liar := oidctest.Lie(t)
			aim(liar, victim.URL)
			p := provider(t, liar.Issuer, time.Now)
			cookie, answer := begin(t, p, liar, oidc.Begin{})
			_, err := p.Finish(t.Context(), cookie, answer)
			require.Error(t, err)
			if !strings.Contains(name, "redirect") {
				require.ErrorContains(t, err, "a URL that the controller does not ask")
			}
			require.Zero(t, asked.Load(), "the neighbour was asked")
		})
	}
}

// noGroups makes UserInfo be asked.
func noGroups(l *oidctest.Liar) { l.Claims = map[string]any{"groups": nil} }
