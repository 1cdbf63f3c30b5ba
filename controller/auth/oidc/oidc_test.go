package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const callback = "https://controller.example.com/api/admin/session/oidc/callback"

func provider(t testing.TB, issuer string, now func() time.Time) *oidc.Provider {
	t.Helper()
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	return oidc.New(oidc.Config{
		Issuer: issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: callback,
		Scopes: []string{"email", "profile", "groups"}, GroupsClaim: "groups",
		Roles:     map[string]auth.Role{"zt-admins": auth.Admin, "zt-readers": auth.Auditor, "zt-odd": "root"},
		Transport: &http.Transport{DisableKeepAlives: true}, Seal: box, Now: now,
	})
}

func TestSignsInWithARealProvider(t *testing.T) {
	t.Parallel()
	for name, userInfo := range map[string]bool{"whose ID token has the groups": false, "whose UserInfo has the groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			real := oidctest.Start(t, oidctest.Options{
				Accounts: map[string]oidctest.Account{
					"sub-ada": {Email: "ada@example.com", Name: "Ada", Groups: []string{"staff", "zt-readers", "zt-admins"}},
					"sub-bob": {Email: "bob@example.com", Name: "Bob", Groups: []string{"staff"}},
				},
				RedirectURIs: []string{callback}, UserInfo: userInfo,
			})
			p := provider(t, real.Issuer, time.Now)
			browser := oidctest.NewBrowser(t)
			start, cookie, err := p.Start(t.Context(), oidc.Begin{ReturnTo: "/connectors?status=ONLINE"})
			require.NoError(t, err)
			back := browser.SignIn(t, start, callback, "sub-ada")
			got, err := p.Finish(t.Context(), cookie, back.Query())
			require.NoError(t, err)
			require.Equal(t, oidc.Finished{
				Person:   auth.Federated{Issuer: real.Issuer, Subject: "sub-ada", Email: "ada@example.com", Name: "Ada", Role: auth.Admin},
				ReturnTo: "/connectors?status=ONLINE",
			}, got)
			_, err = p.Finish(t.Context(), cookie, back.Query())
			require.ErrorIs(t, err, oidc.ErrRefused, "a code is spent")

			start, cookie, err = p.Start(t.Context(), oidc.Begin{})
			require.NoError(t, err)
			got, err = p.Finish(t.Context(), cookie, oidctest.NewBrowser(t).SignIn(t, start, callback, "sub-bob").Query())
			require.NoError(t, err)
			require.Empty(t, got.Person.Role, "in no group that has a role")

			start, cookie, err = p.Start(t.Context(), oidc.Begin{Session: "ses_1"})
			require.NoError(t, err)
			got, err = p.Finish(t.Context(), cookie, browser.SignIn(t, start, callback, "sub-ada").Query())
			require.NoError(t, err, "a step-up authenticates again although the provider has a session")
			require.Equal(t, "ses_1", got.Session)

			stolen, theirs, err := p.Start(t.Context(), oidc.Begin{})
			require.NoError(t, err)
			_, own, err := p.Start(t.Context(), oidc.Begin{})
			require.NoError(t, err)
			answer := browser.SignIn(t, stolen, callback, "sub-ada").Query()
			_, err = p.Finish(t.Context(), own, answer)
			require.ErrorContains(t, err, "state of another flow", "login CSRF")
			_, err = p.Finish(t.Context(), theirs, answer)
			require.NoError(t, err)
		})
	}
}

func TestAProviderThatIsDownIsAskedAgain(t *testing.T) {
	t.Parallel()
	liar := oidctest.Lie(t)
	liar.Down = true
	p := provider(t, liar.Issuer, time.Now)
	_, _, err := p.Start(t.Context(), oidc.Begin{})
	require.ErrorIs(t, err, oidc.ErrUnavailable)
	liar.Down = false
	_, cookie, err := p.Start(t.Context(), oidc.Begin{})
	require.NoError(t, err)
	require.NotEmpty(t, cookie)
}

// begin starts a flow with a liar and returns the honest answer to it.
func begin(t testing.TB, p *oidc.Provider, liar *oidctest.Liar, b oidc.Begin) (cookie string, answer url.Values) {
	t.Helper()
	start, cookie, err := p.Start(t.Context(), b)
	require.NoError(t, err)
	u, err := url.Parse(start)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Contains(t, q.Get("scope"), "openid")
	liar.Expect(q.Get("nonce"))
	return cookie, url.Values{"code": {"c"}, "state": {q.Get("state")}}
}

// another character than this one.
func another(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestRefusesAnswersThatAreNotToThisQuestion(t *testing.T) {
	t.Parallel()
	liar := oidctest.Lie(t)
	now := time.Now()
	p := provider(t, liar.Issuer, func() time.Time { return now })
	for name, tc := range map[string]struct {
		spoil func(cookie string, q url.Values) string
		want  string
	}{
		"no cookie":          {func(string, url.Values) string { return "" }, "flow cookie"},
		"a made-up cookie":   {func(string, url.Values) string { return base64.RawURLEncoding.EncodeToString(make([]byte, 200)) }, "does not open"},
		"a changed cookie":   {func(c string, _ url.Values) string { return c[:50] + another(c[50]) + c[51:] }, "does not open"},
		"a huge cookie":      {func(string, url.Values) string { return strings.Repeat("A", 1<<20) }, "too long"},
		"no state":           {func(c string, q url.Values) string { q.Del("state"); return c }, "state"},
		"another state":      {func(c string, q url.Values) string { q.Set("state", "x"); return c }, "state"},
		"two states":         {func(c string, q url.Values) string { q.Add("state", "x"); return c }, "twice"},
		"two codes":          {func(c string, q url.Values) string { q.Add("code", "x"); return c }, "twice"},
		"no code":            {func(c string, q url.Values) string { q.Del("code"); return c }, "no code"},
		"an error":           {func(c string, q url.Values) string { q.Set("error", "access_denied"); return c }, "access_denied"},
		"another issuer":     {func(c string, q url.Values) string { q.Set("iss", "https://evil.example"); return c }, "another issuer"},
		"too late an answer": {func(c string, _ url.Values) string { now = now.Add(oidc.FlowLife); return c }, "expired"},
		"a device cookie": {func(string, url.Values) string {
			b, _ := keys.NewBox(make([]byte, 32))
			return base64.RawURLEncoding.EncodeToString(b.Seal("device", []byte("{}")))
		}, "does not open"},
		"another key's": {func(string, url.Values) string {
			b, _ := keys.NewBox([]byte(strings.Repeat("x", 32)))
			return base64.RawURLEncoding.EncodeToString(b.Seal("oidc-flow", []byte("{}")))
		}, "does not open"},
		"a cookie of nothing": {func(_ string, q url.Values) string {
			q.Set("state", "")
			b, _ := keys.NewBox(make([]byte, 32))
			return base64.RawURLEncoding.EncodeToString(b.Seal("oidc-flow", []byte(`{"e":"2999-01-01T00:00:00Z"}`)))
		}, "state"},
	} {
		cookie, q := begin(t, p, liar, oidc.Begin{})
		_, err := p.Finish(t.Context(), tc.spoil(cookie, q), q)
		require.ErrorIs(t, err, oidc.ErrRefused, name)
		require.ErrorContains(t, err, tc.want, name)
	}
	require.Empty(t, liar.Asked(), "none of them got as far as a token")
}

func TestRefusesTokensThatLie(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	enc := base64.RawURLEncoding.EncodeToString
	unsigned := func(header string) func(*oidctest.Liar) {
		return func(l *oidctest.Liar) {
			l.Token = func(c map[string]any) string {
				body, _ := json.Marshal(c)
				return enc([]byte(header)) + "." + enc(body) + "."
			}
		}
	}
	claim := func(name string, value any) func(*oidctest.Liar) {
		return func(l *oidctest.Liar) { l.Claims = map[string]any{name: value} }
	}
	for name, lie := range map[string]func(*oidctest.Liar){
		"alg none": unsigned(`{"alg":"none"}`),
		"alg None": unsigned(`{"alg":"None"}`),
		"no alg":   unsigned(`{}`),
		"HS256 by the secret": func(l *oidctest.Liar) {
			l.Token = func(c map[string]any) string {
				return oidctest.Sign(jose.HS256, []byte(strings.Repeat(oidctest.ClientSecret, 2)), "k1", c)
			}
		},
		"HS256 by the public key": func(l *oidctest.Liar) {
			pub, _ := x509.MarshalPKIXPublicKey(l.Key.Public())
			l.Token = func(c map[string]any) string { return oidctest.Sign(jose.HS256, pub, "k1", c) }
		},
		"another key": func(l *oidctest.Liar) {
			l.Token = func(c map[string]any) string { return oidctest.Sign(jose.ES256, other, "k1", c) }
		},
		"an unknown key": func(l *oidctest.Liar) {
			l.Token = func(c map[string]any) string { return oidctest.Sign(jose.ES256, other, "k2", c) }
		},
		"no token":                 func(l *oidctest.Liar) { l.Token = func(map[string]any) string { return "" } },
		"garbage":                  func(l *oidctest.Liar) { l.Token = func(map[string]any) string { return "a.b.c" } },
		"another issuer":           claim("iss", "https://evil.example"),
		"another issuer's path":    func(l *oidctest.Liar) { l.Claims = map[string]any{"iss": l.Issuer + "/"} },
		"no issuer":                claim("iss", nil),
		"another audience":         claim("aud", "another-client"),
		"no audience":              claim("aud", nil),
		"two audiences and no azp": claim("aud", []string{"another-client", oidctest.ClientID}),
		"another authorized party": claim("azp", "another-client"),
		"another nonce":            claim("nonce", "x"),
		"no nonce":                 claim("nonce", nil),
		"an empty nonce":           claim("nonce", ""),
		"no subject":               claim("sub", nil),
		"an expiry in the past":    claim("exp", 1),
		"no expiry":                claim("exp", nil),
		"a start in the future":    claim("nbf", time.Now().Add(time.Hour).Unix()),
		"another access token":     claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			liar := oidctest.Lie(t)
			p := provider(t, liar.Issuer, time.Now)
			cookie, q := begin(t, p, liar, oidc.Begin{})
			_, err := p.Finish(t.Context(), cookie, q)
			require.NoError(t, err, "honest")
			asked := liar.Asked()
			require.Len(t, asked[0]["code_verifier"], 43)
			lie(liar)
			cookie, q = begin(t, p, liar, oidc.Begin{})
			got, err := p.Finish(t.Context(), cookie, q)
			require.ErrorIs(t, err, oidc.ErrRefused)
			require.Zero(t, got.Person)
		})
	}
}

func TestAStepUpNeedsAFreshAuthentication(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]any{"none": nil, "an hour ago": time.Now().Add(-time.Hour).Unix(), "three minutes ago": time.Now().Add(-3 * time.Minute).Unix()} {
		liar := oidctest.Lie(t)
		liar.Claims = map[string]any{"auth_time": at}
		p := provider(t, liar.Issuer, time.Now)
		cookie, q := begin(t, p, liar, oidc.Begin{Session: "ses_1"})
		_, err := p.Finish(t.Context(), cookie, q)
		require.ErrorContains(t, err, "did not authenticate again", name)
		cookie, q = begin(t, p, liar, oidc.Begin{})
		_, err = p.Finish(t.Context(), cookie, q)
		require.NoError(t, err, name)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		groups, info any
		want         auth.Role
		wantErr      string
	}{
		"the highest counts":               {groups: []string{"zt-readers", "zt-admins"}, want: auth.Admin},
		"in another order":                 {groups: []string{"zt-admins", "zt-readers"}, want: auth.Admin},
		"one as a string":                  {groups: "zt-readers", want: auth.Auditor},
		"none that is known":               {groups: []string{"staff"}},
		"none at all":                      {groups: []string{}},
		"a name with other letters":        {groups: []string{"ZT-Admins", "zt-admins "}},
		"one mapped to no role":            {groups: []string{"zt-odd"}},
		"something that is no list":        {groups: map[string]any{"zt-admins": true}},
		"a list with something else":       {groups: []any{"zt-admins", 1}},
		"of UserInfo":                      {info: []string{"zt-admins"}, want: auth.Admin},
		"not of UserInfo if the token has": {groups: []string{"zt-readers"}, info: []string{"zt-admins"}, want: auth.Auditor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			liar := oidctest.Lie(t)
			liar.Claims = map[string]any{"groups": tc.groups}
			liar.UserInfo = map[string]any{"sub": "sub-1", "groups": tc.info}
			p := provider(t, liar.Issuer, time.Now)
			cookie, q := begin(t, p, liar, oidc.Begin{})
			got, err := p.Finish(t.Context(), cookie, q)
			require.NoError(t, err)
			require.Equal(t, tc.want, got.Person.Role)
		})
	}
	t.Run("of another subject's UserInfo are refused", func(t *testing.T) {
		t.Parallel()
		liar := oidctest.Lie(t)
		liar.Claims = map[string]any{"groups": nil}
		liar.UserInfo = map[string]any{"sub": "sub-2", "groups": []string{"zt-admins"}}
		p := provider(t, liar.Issuer, time.Now)
		cookie, q := begin(t, p, liar, oidc.Begin{})
		_, err := p.Finish(t.Context(), cookie, q)
		require.ErrorIs(t, err, oidc.ErrRefused)
	})
}

func TestTheWayBackIsAPathOfOurs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "/", "/connectors", "/connectors/a?x=1&y=/z#top", "/a//b", "/%2e"} {
		_, err := oidc.LocalPath(good)
		require.NoError(t, err, good)
	}
	p := provider(t, "http://127.0.0.1:1", time.Now)
	for _, evil := range []string{
		"//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "http:evil.example", "javascript:alert(1)",
		"evil.example", "connectors", "?x", "#x", "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
		"/%2f/evil.example", "/%5cevil.example", "/\u2044evil", "/api/admin/session/oidc/start", "/\x00", "/" + strings.Repeat("a", 2000), "/%zz",
	} {
		_, err := oidc.LocalPath(evil)
		require.ErrorIs(t, err, oidc.ErrReturnTo, "%q", evil)
		_, _, err = p.Start(t.Context(), oidc.Begin{ReturnTo: evil})
		require.ErrorIs(t, err, oidc.ErrReturnTo, "%q", evil)
	}
}

func FuzzLocalPath(f *testing.F) {
	f.Add("/a")
	f.Add("//a")
	base, err := url.Parse("https://controller.example.com/api/admin/session/oidc/callback")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := oidc.LocalPath(s)
		if err != nil {
			return
		}
		u, err := base.Parse(got)
		require.NoError(t, err)
		require.Equal(t, "https://controller.example.com", u.Scheme+"://"+u.Host, "%q", s)
	})
}

func FuzzFlowCookie(f *testing.F) {
	p := provider(f, "http://127.0.0.1:1", time.Now)
	f.Add("", "state=&code=x")
	f.Fuzz(func(t *testing.T, cookie, query string) {
		q, _ := url.ParseQuery(query)
		_, err := p.Finish(t.Context(), cookie, q)
		require.ErrorIs(t, err, oidc.ErrRefused)
	})
}
