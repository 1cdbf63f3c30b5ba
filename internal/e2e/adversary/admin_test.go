package adversary_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

const ada = "ada@example.com"

func signIn(e *authtest.Env, email, password, source string) error {
	_, err := e.Sessions.SignIn(context.Background(), auth.Credentials{Email: email, Password: password}, auth.From{Source: source})
	return err
}

// A key of a minute, stolen, must not buy its thief a year.
func TestAKeyMakesNoneThatOutlivesIt(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	may := []auth.Permission{auth.KeysManage}
	parent, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "a minute", Permissions: may, Life: time.Minute}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	_, _, err = e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "a year", Permissions: may, Life: auth.LongestKeyLife}, auth.By{Actor: "key:" + parent.ID})
	require.ErrorContains(t, err, "must end by")
	child, _, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "no life named", Permissions: may}, auth.By{Actor: "key:" + parent.ID})
	require.NoError(t, err)
	require.Equal(t, parent.ExpiresAt, child.ExpiresAt)
}

// Somebody who is removed must not come back by a key that they made.
func TestAKeyEndsWithItsMaker(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	p := e.Add(t, ada, auth.Admin).Person
	_, text, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "kept for later", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: p.Actor()})
	require.NoError(t, err)
	require.NoError(t, e.People.Delete(t.Context(), p.ID, auth.RevokeKeys, auth.By{Actor: auth.LocalActor}))
	_, err = e.Keys.Authenticate(t.Context(), text)
	require.Error(t, err)
}

// Whoever keeps guessing must not make the owner's right password lock the account
// before the code of the second factor can be typed.
func TestTheLockSparesTheRightPassword(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	seed, _ := e.EnableTOTP(t, e.Add(t, ada, auth.Admin))
	for range 5 {
		require.ErrorIs(t, signIn(e, ada, "wrong", "198.51.100.1"), auth.ErrRefused)
	}
	e.Clock.Advance(30 * time.Second)
	require.ErrorIs(t, signIn(e, ada, authtest.Password, "192.0.2.1"), auth.ErrTOTPRequired)
	_, err := e.Sessions.SignIn(t.Context(), auth.Credentials{Email: ada, Password: authtest.Password, Code: e.Code(t, seed)}, auth.From{Source: "192.0.2.1"})
	require.NoError(t, err)
}

// All processes of a host share one address.
func TestOneProcessDoesNotShutTheOthersOfItsHostOut(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	e.Add(t, ada, auth.Admin)
	for i := range 40 {
		_ = signIn(e, strings.Repeat("x", i+1)+"@example.com", "spraying", "127.0.0.1")
	}
	require.NoError(t, signIn(e, ada, authtest.Password, "127.0.0.1"))
}

// A dashboard that stays open must not go on showing the fleet to a session that was
// taken away (NetBird: a revoked key leaves its holder connected).
func TestAnEventStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Run(t)
	in := e.Identity.Add(t, ada, auth.Owner)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/api/admin/events", nil)
	require.NoError(t, err)
	req.Header.Set("Cookie", "zt_session="+in.Secret)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	lines := bufio.NewReader(resp.Body)
	_, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, e.Identity.Store.AuthRows().DeleteSession(t.Context(), in.Session.ID))
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, lines); ended <- err }()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(2 * time.Second):
		require.Fail(t, "the stream goes on")
	}
}

// OpenZiti GHSA-q8g9 and GHSA-j952: bodies were buffered before their sender was known.
func TestABodyWaitsUntilItsSenderIsKnown(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Second)))
	_, err = io.WriteString(conn, "POST /api/admin/ca/rotations HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: k1\r\n"+
		"Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{") // the rest never comes
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err, "it is waited for")
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

// OpenZiti GHSA-whjr: a URL that somebody else names made the controller send
// requests into its own network. Ours asks an identity provider only, whose
// configuration names URLs too.
func TestNobodyAimsTheControllerAtItsNeighbours(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(victim.Close)
	liar := oidctest.Lie(t)
	liar.Discovery = map[string]string{"jwks_uri": victim.URL}
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	p := oidc.New(oidc.Config{
		Issuer: liar.Issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "https://c.example.com/callback",
		Transport: &http.Transport{DisableKeepAlives: true}, Seal: box, Now: time.Now,
	})
	start, cookie, err := p.Start(t.Context(), oidc.Begin{})
	require.NoError(t, err)
	asks, err := http.NewRequestWithContext(t.Context(), http.MethodGet, start, nil)
	require.NoError(t, err)
	q := asks.URL.Query()
	liar.Expect(q.Get("nonce"))
	q = map[string][]string{"code": {"c"}, "state": {q.Get("state")}}
	_, err = p.Finish(t.Context(), cookie, q)
	require.Error(t, err)
	require.Zero(t, asked.Load())
}

// OpenZiti GHSA-4h58: a header of a token decided whether its audience was checked.
// Here each token is signed by our own key and meant for somebody else.
func TestNoHeaderOfATokenTakesAudienceOrIssuerOut(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	k, text, err := e.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: auth.LocalActor})
	require.NoError(t, err)
	at, err := e.Keys.Exchange(t.Context(), k.ID, text, nil, auth.By{})
	require.NoError(t, err)
	signing, err := e.Store.AuthRows().SigningKeys(t.Context())
	require.NoError(t, err)
	seed, err := e.Config.Seal.Open("signing-key/"+signing[0].ID, signing[0].Seed)
	require.NoError(t, err)
	_, err = e.Keys.Authenticate(t.Context(), at.Token)
	require.NoError(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(at.Token, ".")[1])
	require.NoError(t, err)
	for _, edit := range []*strings.Replacer{
		strings.NewReplacer(`"grpccontroller/admin"`, `"somebody/else"`),
		strings.NewReplacer(`"urn:grpccontroller:mycorp.internal"`, `"urn:grpccontroller:another.internal"`),
		strings.NewReplacer(`"aud":`, `"aux":`),
		strings.NewReplacer(`"iss":`, `"isx":`),
	} {
		claims := edit.Replace(string(payload))
		require.NotEqual(t, string(payload), claims)
		for _, extra := range []map[jose.HeaderKey]any{
			{}, {"aud": "grpccontroller/admin"}, {"iss": "urn:grpccontroller:mycorp.internal"}, {"jku": "https://example.com/keys"}, {"x5c": []string{"AA=="}}, {"cty": "JWT"}, {"crit": []string{}},
		} {
			options := (&jose.SignerOptions{ExtraHeaders: extra}).WithType("at+jwt")
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: ed25519.NewKeyFromSeed(seed), KeyID: signing[0].ID}}, options)
			require.NoError(t, err)
			signed, err := s.Sign([]byte(claims))
			require.NoError(t, err)
			token, err := signed.CompactSerialize()
			require.NoError(t, err)
			if _, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA}); err != nil {
				continue // not even a token
			}
			_, err = e.Keys.Authenticate(t.Context(), token)
			require.Error(t, err, "%v %s", extra, claims)
		}
	}
}
