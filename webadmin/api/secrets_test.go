package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// TestNoSecretIsInTheAuditLog has the real domain make one of each secret, uses some
// of them rightly and wrongly, and looks for them in all that was recorded. After
// every other test of the API its log is searched for what looks like a secret.
func TestNoSecretIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	r := newReal(t, t.TempDir(), 2)
	code, err := r.people.People.FirstLink(t.Context())
	require.NoError(t, err)
	b := newBrowser(t, r.Env)
	const password = "staple battery horse"
	secrets := map[string]string{"a key for everything": r.Key, "a setup code": code, "a password": password}
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/setup", `{"code":"`+code+`","name":"Ada","email":"ada@example.com","password":"`+password+`"}`).Code)
	requireProblem(t, b.do(http.MethodPost, "/setup", `{"code":"`+code+`","name":"Eve","email":"eve@example.com","password":"`+password+`"}`), http.StatusForbidden)
	secrets["a session"], secrets["its CSRF token"] = b.cookies["zt_session"], b.csrf

	totp := decode[adminapi.TOTPEnrollment](t, b.do(http.MethodPost, "/me/totp", ""))
	secrets["a TOTP seed"] = totp.Secret
	now := r.Identity.Code(t, totp.Secret)
	recovery := decode[adminapi.RecoveryCodes](t, b.do(http.MethodPost, "/me/totp/confirm", `{"code":"`+now+`"}`)).RecoveryCodes
	secrets["a used recovery code"], secrets["a recovery code"] = recovery[0], recovery[1]
	require.Equal(t, http.StatusOK, newBrowser(t, r.Env).do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+password+`","totp":"`+recovery[0]+`"}`).Code)
	wrong := keys.NewSecret("ztx_")
	secrets["a wrong password"] = wrong
	requireProblem(t, newBrowser(t, r.Env).do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+wrong+`"}`), http.StatusUnauthorized)

	bob := decode[adminapi.InvitedPerson](t, b.do(http.MethodPost, "/people", `{"email":"bob@example.com","name":"Bob","role":"operator"}`))
	_, secrets["an invitation"], _ = strings.Cut(bob.SetupURL, "code=")
	again := decode[adminapi.InvitedPerson](t, b.do(http.MethodPost, "/people/"+bob.Person.ID+"/reset", `{"confirm":"reset"}`))
	_, secrets["a reset"], _ = strings.Cut(again.SetupURL, "code=")
	made := decode[adminapi.CreatedKey](t, b.do(http.MethodPost, "/keys", `{"name":"ci","scopes":["fleet:read"],"ttl":"1h"}`))
	secrets["an API key"] = made.Secret
	at, err := r.people.Keys.Exchange(t.Context(), made.Key.ID, made.Secret, nil, auth.By{Source: "192.0.2.77"})
	require.NoError(t, err)
	secrets["an access token"] = at.Token
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/keys/"+made.Key.ID, "").Code)

	plain := decode[adminapi.CreatedToken](t, b.do(http.MethodPost, "/tokens", `{"kind":"connector","id":"new-1"}`))
	secrets["an enrollment token"] = plain.Token
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/tokens/"+plain.TokenID, "").Code)
	link := decode[adminapi.CreatedToken](t, b.do(http.MethodPost, "/tokens", `{"kind":"connector","id":"new-2","delivery":"claim"}`))
	_, secrets["a claim code"], _ = strings.Cut(link.ClaimURL, "#")
	opened := b.do(http.MethodPost, "/claims/"+secrets["a claim code"], "{}")
	require.Equal(t, http.StatusOK, opened.Code, opened.Body)
	secrets["a claimed token"] = decode[adminapi.ClaimedToken](t, opened).Token
	requireProblem(t, b.do(http.MethodPost, "/claims/"+secrets["a claim code"], "{}"), http.StatusNotFound)

	events, err := r.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Greater(t, len(events), 15)
	text, err := json.Marshal(append(events, r.Refused()...))
	require.NoError(t, err)
	for name, s := range secrets {
		require.GreaterOrEqual(t, len(s), 10, name)
		require.NotContains(t, string(text), s, name)
	}
	require.Empty(t, authtest.SecretIn(append(events, r.Refused()...)))
	for _, name := range []string{"a setup code", "a TOTP seed", "a recovery code", "an API key", "an access token", "an enrollment token", "a claim code", "a session"} {
		leak := []audit.Event{{Action: audit.KeyCreate, After: `{"x":"` + secrets[name] + `"}`}}
		require.NotEmpty(t, authtest.SecretIn(leak), "the search of the other tests finds %s", name)
	}
}
