package api_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// browser keeps cookies and the CSRF token, as the dashboard does.
type browser struct {
	t       testing.TB
	e       *apitest.Env
	cookies map[string]string
	csrf    string
	header  map[string]string // over everything else; "" takes one away
	remote  string
}

func newBrowser(t testing.TB, e *apitest.Env) *browser {
	t.Helper()
	return &browser{t: t, e: e, cookies: map[string]string{}}
}

func (b *browser) do(method, path, body string) *httptest.ResponseRecorder {
	b.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, "/api/admin"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", "http://example.com")
	if b.csrf != "" {
		req.Header.Set("X-Csrf-Token", b.csrf)
	}
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range b.header {
		req.Header.Del(name)
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if b.remote != "" {
		req.RemoteAddr = b.remote
	}
	w := httptest.NewRecorder()
	b.e.Server.Handler().ServeHTTP(w, req)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if strings.HasPrefix(path, "/session") || path == "/setup" {
		var s adminapi.CurrentSession
		if w.Code == http.StatusOK && json.Unmarshal(w.Body.Bytes(), &s) == nil && s.CSRFToken != "" {
			b.csrf = s.CSRFToken
		}
	}
	return w
}

// as signs in somebody of this role.
func as(t testing.TB, e *apitest.Env, role auth.Role) *browser {
	t.Helper()
	email := fmt.Sprintf("%s-%d@example.com", role, len(e.Identity.Events(t, audit.PersonCreate)))
	e.Identity.Add(t, email, role)
	b := newBrowser(t, e)
	w := b.do(http.MethodPost, "/session", fmt.Sprintf(`{"email":%q,"password":%q}`, email, authtest.Password))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return b
}

func TestFirstRun(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := newBrowser(t, e)
	require.Equal(t, adminapi.SetupState{Needed: true}, decode[adminapi.SetupState](t, b.do(http.MethodGet, "/setup", "")))
	code, err := e.Identity.People.FirstLink(t.Context())
	require.NoError(t, err)
	p := requireProblem(t, b.do(http.MethodPost, "/setup", `{"code":"ztl_x","name":"Ada","email":"ada@example.com","password":"correct horse battery"}`), http.StatusForbidden)
	require.Equal(t, adminapi.TypeSetupLink, p.Type)
	p = requireProblem(t, b.do(http.MethodPost, "/setup", `{"code":"`+code+`","name":"Ada","email":"ada@example.com","password":"short"}`), http.StatusBadRequest)
	require.Equal(t, "password", p.Field)
	w := b.do(http.MethodPost, "/setup", `{"code":" code=`+code+`\n","name":"Ada","email":"ada@example.com","password":"correct horse battery"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	got := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", ""))
	require.Equal(t, "owner", got.Person.Role)
	require.Contains(t, got.Permissions, "people:manage")
	require.False(t, decode[adminapi.SetupState](t, b.do(http.MethodGet, "/setup", "")).Needed)
	requireProblem(t, newBrowser(t, e).do(http.MethodPost, "/setup", `{"code":"`+code+`","name":"Eve","email":"eve@example.com","password":"correct horse battery"}`), http.StatusForbidden)
	requireLogsWithout(t, e, code, "correct horse")

	w = b.do(http.MethodDelete, "/session", "")
	require.Equal(t, http.StatusNoContent, w.Code, w.Body.String())
	require.NotContains(t, b.cookies, "zt_session")
	requireProblem(t, b.do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		public, cookie string
		secure         bool
	}{
		"on loopback":      {"", "zt_session", false},
		"behind a TLS":     {"https://controller.example.com", "__Host-zt_session", true},
		"behind plain one": {"http://127.0.0.1:8080", "zt_session", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t, func(c *api.Config) { c.PublicURL = tc.public })
			e.Identity.Add(t, "ada@example.com", auth.Owner)
			w := newBrowser(t, e).do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+authtest.Password+`"}`)
			for _, c := range w.Result().Cookies() {
				require.True(t, c.HttpOnly)
				require.Equal(t, tc.secure, c.Secure)
				require.Equal(t, http.SameSiteLaxMode, c.SameSite)
				require.Equal(t, "/", c.Path)
				require.Empty(t, c.Domain)
				require.Equal(t, tc.secure, strings.HasPrefix(c.Name, "__Host-"))
				if c.Name == tc.cookie {
					require.Equal(t, int(auth.SessionLife.Seconds()), c.MaxAge)
				}
			}
			require.Len(t, w.Result().Cookies(), 2)
			require.NotContains(t, w.Body.String(), "zts_", "the cookie is no page's to read")
		})
	}
}

func TestAPagesOfAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]map[string]string{
		"without the token":            {"X-Csrf-Token": ""},
		"with another session's token": {"X-Csrf-Token": auth.CSRFToken(keys.NewSecret("zts_"))},
		"with its cookie as token":     {"X-Csrf-Token": "cookie"},
		"cross-site":                   {"Sec-Fetch-Site": "cross-site"},
		"of a sibling":                 {"Sec-Fetch-Site": "same-site"},
		"of another origin":            {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
		"of an opaque origin":          {"Sec-Fetch-Site": "", "Origin": "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			b := as(t, e, auth.Admin)
			b.header = maps.Clone(tc)
			if tc["X-Csrf-Token"] == "cookie" {
				b.header["X-Csrf-Token"] = b.cookies["zt_session"]
			}
			for _, o := range e.Server.Operations() {
				if o.Method == http.MethodGet || o.Public {
					continue
				}
				w := b.do(o.Method, strings.TrimPrefix(strings.ReplaceAll(o.Route, ":", ""), adminapi.Base), `{"kind":"connector","id":"a"}`)
				require.Equal(t, adminapi.TypeCSRF, requireProblem(t, w, http.StatusForbidden).Type, o.Route)
			}
			require.Empty(t, e.Tokens.Requests())
			b.header = nil
			require.Equal(t, http.StatusCreated, b.do(http.MethodPost, "/tokens", `{"kind":"connector","id":"a"}`).Code)
		})
	}
	t.Run("not even sign its visitor in as somebody else", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		e.Identity.Add(t, "eve@example.com", auth.Auditor)
		b := newBrowser(t, e)
		b.header = map[string]string{"Sec-Fetch-Site": "cross-site"}
		w := b.do(http.MethodPost, "/session", `{"email":"eve@example.com","password":"`+authtest.Password+`"}`)
		require.Equal(t, adminapi.TypeCSRF, requireProblem(t, w, http.StatusForbidden).Type)
		require.Empty(t, b.cookies)
	})
	t.Run("and a program with a key needs no token", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		require.Equal(t, http.StatusCreated, send(t, e, request{method: http.MethodPost, path: "/api/admin/tokens", body: `{"kind":"connector","id":"a"}`}).Code)
	})
}

// TestEveryOperationRefuses walks all operations with every credential that should
// not do.
func TestEveryOperationRefuses(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	id := e.Identity
	e.Auth.Use(id.Keys)
	expired := as(t, e, auth.Owner)
	ended := as(t, e, auth.Owner)
	roles := map[auth.Role]*browser{}
	owner := as(t, e, auth.Owner)
	key := func(life time.Duration) (auth.Key, string) {
		k, text, err := id.Keys.Create(t.Context(), auth.NewAPIKey{Name: "x", Permissions: slices.DeleteFunc(auth.Permissions(), func(p auth.Permission) bool { return !p.Grantable() }), Life: life}, auth.By{})
		require.NoError(t, err)
		return k, text
	}
	_, old := key(time.Minute)
	revokedKey, revoked := key(0)
	at, err := id.Keys.Exchange(t.Context(), revokedKey.ID, revoked, nil, auth.By{Source: "192.0.2.77"})
	require.NoError(t, err)
	require.NoError(t, id.Keys.Revoke(t.Context(), revokedKey.ID, auth.By{}))
	stopped := decode[adminapi.CurrentSession](t, ended.do(http.MethodGet, "/session", ""))
	require.NoError(t, id.Sessions.Revoke(t.Context(), "", stopped.SessionID, auth.By{}))
	e.Clock.Advance(auth.SessionIdle)
	requireProblem(t, owner.do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
	for _, r := range auth.Roles() {
		roles[r] = as(t, e, r)
	}
	bearer := func(text string) *browser {
		b := newBrowser(t, e)
		b.header = map[string]string{"Authorization": "Bearer " + text}
		return b
	}
	leaf, _ := svid(t)
	nobody := map[string]*browser{
		"without credentials": newBrowser(t, e), "with an expired session": expired, "with a revoked session": ended,
		"with an expired key": bearer(old), "with a revoked key": bearer(revoked), "with an access token of a revoked key": bearer(at.Token),
		"with an SVID":                   bearer(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))[28:80]),
		"with a session's secret as key": bearer(roles[auth.Owner].cookies["zt_session"]),
	}
	twice := newBrowser(t, e)
	twice.header = map[string]string{"Cookie": "zt_session=" + roles[auth.Owner].cookies["zt_session"] + "; zt_session=x"}
	nobody["with two sessions"] = twice
	n := 0
	for _, o := range e.Server.Operations() {
		if o.Public {
			continue
		}
		path := strings.TrimPrefix(strings.ReplaceAll(o.Route, ":", "no-such-"), adminapi.Base)
		for name, b := range nobody {
			n++
			b.remote = fmt.Sprintf("10.%d.%d.1:1", n/250, n%250) // each from elsewhere, so that no limit answers first
			w := b.do(o.Method, path, "{}")
			p := requireProblem(t, w, http.StatusUnauthorized)
			require.Equal(t, adminapi.TypeUnauthenticated, p.Type, "%s %s %s", o.Method, o.Route, name)
		}
		for _, r := range auth.Roles() {
			if strings.HasSuffix(o.Route, "/events") || o.Method == http.MethodDelete && (strings.HasSuffix(o.Route, "/session") || strings.HasSuffix(o.Route, "/me/sessions")) {
				continue // the one streams, the other ends what is needed below
			}
			w := roles[r].do(o.Method, path, "{}")
			allowed := slices.Contains(r.Permissions(), o.Permission)
			require.Equal(t, allowed, w.Code != http.StatusForbidden, "%s %s as %s: %s", o.Method, o.Route, r, w.Body)
			if !allowed {
				require.Equal(t, adminapi.TypeForbidden, requireProblem(t, w, http.StatusForbidden).Type)
			}
		}
	}
}

func svid(t testing.TB) (*x509.Certificate, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector"}, NotAfter: time.Now().Add(time.Hour),
		URIs:        []*url.URL{{Scheme: "spiffe", Host: "mycorp.internal", Path: "/connector/c-01"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return leaf, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestRefusesAnotherHostsName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		public, host string
		ok           bool
	}{
		"localhost": {"", "localhost:8080", true}, "the address": {"", "127.0.0.1", true}, "IPv6": {"", "[::1]:8080", true}, "upper case": {"", "LOCALHOST", true},
		"a rebound name": {"", "evil.example:8080", false}, "no name": {"", "", false}, "a suffix": {"", "localhost.evil.example", false},
		"a dot at its end": {"", "localhost.", true}, "the public name": {"https://c.example.com", "c.example.com", true}, "beside it": {"https://c.example.com", "d.example.com", false},
		"an address of the network": {"", "192.0.2.1", false}, "a name with a user": {"", "localhost@evil.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t, func(c *api.Config) { c.PublicURL, c.Hosts = tc.public, nil })
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/admin/setup", nil)
			req.Host = tc.host
			w := httptest.NewRecorder()
			e.Server.Handler().ServeHTTP(w, req)
			if tc.ok {
				require.Equal(t, http.StatusOK, w.Code)
				return
			}
			require.Equal(t, adminapi.TypeWrongHost, requireProblem(t, w, http.StatusMisdirectedRequest).Type)
		})
	}
}

func TestSignInLocksAndLimits(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Identity.Add(t, "ada@example.com", auth.Owner)
	b := newBrowser(t, e)
	for range 5 {
		requireProblem(t, b.do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"wrong"}`), http.StatusUnauthorized)
	}
	w := b.do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+authtest.Password+`"}`)
	require.Equal(t, adminapi.TypeTooManyFailures, requireProblem(t, w, http.StatusTooManyRequests).Type)
	require.Equal(t, "30", w.Header().Get("Retry-After"))
	requireLogsWithout(t, e, authtest.Password, "ada@example.com")
}

func TestSecondFactorAndStepUpOverHTTP(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := as(t, e, auth.Admin)
	enrollment := decode[adminapi.TOTPEnrollment](t, b.do(http.MethodPost, "/me/totp", ""))
	require.True(t, strings.HasPrefix(enrollment.PNG, "data:image/png;base64,"))
	requireProblem(t, b.do(http.MethodPost, "/me/totp/confirm", `{"code":"`+e.Identity.WrongCode(t, enrollment.Secret)+`"}`), http.StatusUnauthorized)
	codes := decode[adminapi.RecoveryCodes](t, b.do(http.MethodPost, "/me/totp/confirm", `{"code":"`+e.Identity.Code(t, enrollment.Secret)+`"}`))
	require.Len(t, codes.RecoveryCodes, 10)
	email := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", "")).Person.Email
	other := newBrowser(t, e)
	signIn := fmt.Sprintf(`{"email":%q,"password":%q`, email, authtest.Password)
	require.Equal(t, adminapi.TypeTOTPRequired, requireProblem(t, other.do(http.MethodPost, "/session", signIn+"}"), http.StatusUnauthorized).Type)
	require.Equal(t, http.StatusOK, other.do(http.MethodPost, "/session", signIn+`,"totp":"`+codes.RecoveryCodes[0]+`"}`).Code)

	e.Clock.Advance(auth.StepUpLife)
	create := func() *httptest.ResponseRecorder {
		return b.do(http.MethodPost, "/tokens", `{"kind":"connector","id":"a"}`)
	}
	require.Equal(t, adminapi.TypeStepUpRequired, requireProblem(t, create(), http.StatusForbidden).Type)
	before := b.cookies["zt_session"]
	requireProblem(t, b.do(http.MethodPost, "/session/step-up", `{"totp":"`+e.Identity.WrongCode(t, enrollment.Secret)+`"}`), http.StatusUnauthorized)
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/session/step-up", `{"totp":"`+e.Identity.Code(t, enrollment.Secret)+`"}`).Code)
	require.NotEqual(t, before, b.cookies["zt_session"])
	require.Equal(t, http.StatusCreated, create().Code)
	old := newBrowser(t, e)
	old.cookies["zt_session"] = before
	requireProblem(t, old.do(http.MethodGet, "/session", ""), http.StatusUnauthorized)
}

func TestPollingKeepsNobodySignedIn(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := as(t, e, auth.Auditor)
	b.header = map[string]string{"X-Passive": "1"}
	for range 5 {
		e.Clock.Advance(5 * time.Minute)
		require.Equal(t, http.StatusOK, b.do(http.MethodGet, "/status", "").Code)
	}
	e.Clock.Advance(5 * time.Minute)
	requireProblem(t, b.do(http.MethodGet, "/status", ""), http.StatusUnauthorized)
}

func TestPeopleAndKeysOverHTTP(t *testing.T) {
	t.Parallel()
	e := apitest.New(t, func(c *api.Config) { c.PublicURL = "https://c.example.com"; c.Secure = true })
	b := newBrowser(t, e)
	e.Identity.Add(t, "ada@example.com", auth.Owner)
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+authtest.Password+`"}`).Code)
	bob := decode[adminapi.InvitedPerson](t, b.do(http.MethodPost, "/people", `{"email":"bob@example.com","name":"Bob","role":"operator"}`))
	require.Regexp(t, `^https://c\.example\.com/setup#code=ztl_[a-z2-7]{39}$`, bob.SetupURL)
	require.True(t, bob.Person.Invited)
	require.Equal(t, adminapi.TypePerson, requireProblem(t, b.do(http.MethodPost, "/people", `{"email":"bob@example.com","name":"Bob","role":"operator"}`), http.StatusConflict).Type)
	require.Equal(t, "role", requireProblem(t, b.do(http.MethodPatch, "/people/"+bob.Person.ID, `{"role":"root"}`), http.StatusBadRequest).Field)
	require.Equal(t, "admin", decode[adminapi.Person](t, b.do(http.MethodPatch, "/people/"+bob.Person.ID, `{"role":"admin"}`)).Role)
	require.True(t, decode[adminapi.Person](t, b.do(http.MethodPatch, "/people/"+bob.Person.ID, `{"disabled":true}`)).Disabled)
	me := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", ""))
	requireProblem(t, b.do(http.MethodPatch, "/people/"+me.Person.ID, `{"role":"admin"}`), http.StatusConflict)
	requireProblem(t, b.do(http.MethodDelete, "/people/"+me.Person.ID, ""), http.StatusConflict)
	requireProblem(t, b.do(http.MethodPatch, "/people/no", `{}`), http.StatusNotFound)
	list := decode[adminapi.PersonList](t, b.do(http.MethodGet, "/people?page_size=1", ""))
	require.Equal(t, 2, list.Total)
	require.Len(t, decode[adminapi.PersonList](t, b.do(http.MethodGet, "/people?page_token="+list.NextPageToken, "")).People, 1)
	require.Len(t, decode[adminapi.SessionList](t, b.do(http.MethodGet, "/sessions", "")).Sessions, 2)
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/people/"+bob.Person.ID, "").Code)

	made := decode[adminapi.CreatedKey](t, b.do(http.MethodPost, "/keys", `{"name":"ci","scopes":["fleet:read"],"ttl":"1h"}`))
	require.Equal(t, "active", made.Key.Status)
	for _, bad := range []string{`{"name":"ci"}`, `{"name":"ci","scopes":["self"]}`, `{"name":"ci","scopes":["fleet:read"],"ttl":"0s"}`, `{"name":"ci","scopes":"fleet:read"}`} {
		requireProblem(t, b.do(http.MethodPost, "/keys", bad), http.StatusBadRequest)
	}
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/keys/"+made.Key.ID, "").Code)
	require.Equal(t, "revoked", decode[adminapi.KeyList](t, b.do(http.MethodGet, "/keys", "")).Keys[0].Status)
	requireProblem(t, b.do(http.MethodDelete, "/keys/no", ""), http.StatusNotFound)
}

func TestNobodyGivesAKeyMoreThanHeHas(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	may := []auth.Permission{auth.KeysManage, auth.FleetRead}
	_, hash := auth.NewKey()
	require.NoError(t, e.Identity.Store.AuthRows().InsertKey(t.Context(), auth.Key{ID: "k", Permissions: may, ExpiresAt: e.Clock.Now().Add(time.Hour)}, hash))
	e.Auth.Be(auth.Principal{Actor: "key:k", Kind: auth.KindKey, Permissions: may})
	p := requireProblem(t, send(t, e, request{method: http.MethodPost, path: "/api/admin/keys", body: `{"name":"x","scopes":["ca:rotate"]}`}), http.StatusBadRequest)
	require.Equal(t, "scopes", p.Field)
	require.Equal(t, http.StatusCreated, send(t, e, request{method: http.MethodPost, path: "/api/admin/keys", body: `{"name":"x","scopes":["fleet:read"]}`}).Code)
	p = requireProblem(t, send(t, e, request{method: http.MethodPost, path: "/api/admin/keys", body: `{"name":"x","scopes":["fleet:read"],"ttl":"61m"}`}), http.StatusBadRequest)
	require.Equal(t, "ttl", p.Field)

	require.NoError(t, e.Identity.Store.AuthRows().RevokeKey(t.Context(), "k", e.Clock.Now()))
	requireProblem(t, send(t, e, request{method: http.MethodPost, path: "/api/admin/keys", body: `{"name":"x","scopes":["fleet:read"]}`}), http.StatusUnauthorized)
}

func TestRemovingSomebodyRevokesTheirKeysUnlessAskedToKeepThem(t *testing.T) {
	t.Parallel()
	e := apitest.New(t, func(c *api.Config) { c.PublicURL = "https://c.example.com"; c.Secure = true })
	b := newBrowser(t, e)
	e.Identity.Add(t, "ada@example.com", auth.Owner)
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+authtest.Password+`"}`).Code)
	state := func(path, method, body string) string {
		bob := e.Identity.Add(t, "bob@example.com", auth.Admin).Person
		k, _, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead}}, auth.By{Actor: bob.Actor()})
		require.NoError(t, err)
		require.Less(t, b.do(method, "/people/"+bob.ID+path, body).Code, 300)
		_ = b.do(http.MethodDelete, "/people/"+bob.ID+"?keys=keep", "")
		for _, it := range decode[adminapi.KeyList](t, b.do(http.MethodGet, "/keys", "")).Keys {
			if it.ID == k.ID {
				return it.Status
			}
		}
		return ""
	}
	require.Equal(t, "revoked", state("", http.MethodDelete, ""))
	require.Equal(t, "revoked", state("?keys=revoke", http.MethodDelete, ""))
	require.Equal(t, "active", state("?keys=keep", http.MethodDelete, ""))
	require.Equal(t, "revoked", state("", http.MethodPatch, `{"disabled":true}`))
	require.Equal(t, "active", state("", http.MethodPatch, `{"disabled":true,"keys":"keep"}`))
	require.Equal(t, "active", state("", http.MethodPatch, `{"role":"operator"}`), "it may not do more than an operator")
	for path, method := range map[string]string{"?keys=all": http.MethodDelete, "": http.MethodPatch} {
		require.Equal(t, "keys", requireProblem(t, b.do(method, "/people/x"+path, `{"keys":"all"}`), http.StatusBadRequest).Field)
	}
}

func TestOAuthClientCredentials(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Auth.Use(e.Identity.Keys)
	k, text, err := e.Identity.Keys.Create(t.Context(), auth.NewAPIKey{Name: "ci", Permissions: []auth.Permission{auth.FleetRead, auth.TokensWrite}}, auth.By{})
	require.NoError(t, err)
	ask := func(form url.Values, edit func(*http.Request)) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/admin/oauth/token", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if edit != nil {
			edit(req)
		}
		w := httptest.NewRecorder()
		e.Server.Handler().ServeHTTP(w, req)
		return w
	}
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ID}, "client_secret": {text}, "scope": {"fleet:read"}}
	at := decode[adminapi.AccessToken](t, ask(good, nil))
	require.Equal(t, 600, at.ExpiresIn)
	fromFile := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ID}, "client_secret": {text + "\n"}}
	require.Equal(t, 600, decode[adminapi.AccessToken](t, ask(fromFile, nil)).ExpiresIn, "the newline at the end of a file is no part of it")
	require.Equal(t, "fleet:read", at.Scope)
	use := func() *httptest.ResponseRecorder {
		return send(t, e, request{method: http.MethodGet, path: "/api/admin/connectors", header: map[string][]string{"Authorization": {"Bearer " + at.AccessToken}}})
	}
	require.Equal(t, http.StatusOK, use().Code)
	require.Equal(t, http.StatusForbidden, send(t, e, request{
		method: http.MethodPost, path: "/api/admin/tokens", body: `{"kind":"connector","id":"a"}`, header: map[string][]string{"Authorization": {"Bearer " + at.AccessToken}},
	}).Code, "less than the key may")
	basic := url.Values{"grant_type": {"client_credentials"}}
	require.Equal(t, "fleet:read tokens:write", decode[adminapi.AccessToken](t, ask(basic, func(r *http.Request) { r.SetBasicAuth(k.ID, text) })).Scope)

	for name, tc := range map[string]struct {
		form   func(url.Values)
		edit   func(*http.Request)
		status int
		code   string
	}{
		"another grant":     {form: func(f url.Values) { f.Set("grant_type", "password") }, status: 400, code: "unsupported_grant_type"},
		"a wrong secret":    {form: func(f url.Values) { f.Set("client_secret", keys.NewSecret("zta_")) }, status: 401, code: "invalid_client"},
		"another client":    {form: func(f url.Values) { f.Set("client_id", "key_x") }, status: 401, code: "invalid_client"},
		"more than the key": {form: func(f url.Values) { f.Set("scope", "fleet:read ca:rotate") }, status: 400, code: "invalid_scope"},
		"two secrets":       {form: func(f url.Values) { f.Add("client_secret", "x") }, status: 400, code: "invalid_request"},
		"both ways":         {edit: func(r *http.Request) { r.SetBasicAuth(k.ID, text) }, status: 400, code: "invalid_request"},
		"JSON":              {edit: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, status: 415},
		"in the query":      {form: func(f url.Values) { f.Del("client_secret") }, edit: func(r *http.Request) { r.URL.RawQuery = "client_secret=" + text }, status: 400},
	} {
		form := url.Values{}
		for n, v := range good {
			form[n] = slices.Clone(v)
		}
		if tc.form != nil {
			tc.form(form)
		}
		p := requireProblem(t, ask(form, tc.edit), tc.status)
		require.Equal(t, tc.code, p.Error, name)
	}
	require.NoError(t, e.Identity.Keys.Revoke(t.Context(), k.ID, auth.By{}))
	require.Equal(t, http.StatusUnauthorized, use().Code, "revoking the key ends its tokens")
	requireLogsWithout(t, e, text, at.AccessToken)
}

// withProvider is an API with a provider that lies as told.
func withProvider(t *testing.T) (*apitest.Env, *oidctest.Liar) {
	t.Helper()
	liar := oidctest.Lie(t)
	e := apitest.New(t, func(c *api.Config) {
		box, err := keys.NewBox(make([]byte, 32))
		require.NoError(t, err)
		c.OIDCName = "Example SSO"
		c.OIDC = oidc.New(oidc.Config{
			Issuer: liar.Issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "http://example.com/api/admin/session/oidc/callback",
			GroupsClaim: "groups", Roles: map[string]auth.Role{"zt-admins": auth.Admin}, Now: time.Now,
			Seal: box, Transport: &http.Transport{DisableKeepAlives: true},
		})
	})
	return e, liar
}

// visit starts a flow and returns the answer that an honest provider gives.
func visit(t *testing.T, b *browser, liar *oidctest.Liar, query string) (answer string) {
	t.Helper()
	w := b.do(http.MethodGet, "/session/oidc/start"+query, "")
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	to, err := url.Parse(w.Header().Get("Location"))
	require.NoError(t, err)
	liar.Expect(to.Query().Get("nonce"))
	return "/session/oidc/callback?" + url.Values{"code": {"c"}, "state": {to.Query().Get("state")}, "session_state": {"of the provider"}}.Encode()
}

func TestSignInWithTheProvider(t *testing.T) {
	t.Parallel()
	e, liar := withProvider(t)
	b := newBrowser(t, e)
	require.Equal(t, adminapi.OIDCState{Enabled: true, Name: "Example SSO"}, decode[adminapi.SetupState](t, b.do(http.MethodGet, "/setup", "")).OIDC)
	w := b.do(http.MethodGet, visit(t, b, liar, "?return_to=/connectors"), "")
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "/connectors", w.Header().Get("Location"))
	require.NotContains(t, b.cookies, "zt_oidc", "one answer to one question")
	got := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", ""))
	require.Equal(t, "admin", got.Person.Role)
	require.True(t, got.Person.OIDC)
	requireProblem(t, b.do(http.MethodPost, "/session/step-up", `{"password":"x"}`), http.StatusConflict)

	answer := visit(t, b, liar, "?step_up=true&return_to=/ca")
	before := b.cookies["zt_session"]
	w = b.do(http.MethodGet, answer, "")
	require.Equal(t, "/ca", w.Header().Get("Location"))
	require.NotEqual(t, before, b.cookies["zt_session"])

	thief := visit(t, b, liar, "?step_up=true")
	liar.Claims = map[string]any{"sub": "somebody-else"}
	require.Equal(t, "/sign-in?error=oidc-refused", b.do(http.MethodGet, thief, "").Header().Get("Location"))
}

func TestTheProvidersAnswerIsRefused(t *testing.T) {
	t.Parallel()
	const refused, down = "/sign-in?error=oidc-refused", "/sign-in?error=oidc-unavailable"
	for name, tc := range map[string]struct {
		do   func(t *testing.T, b *browser, liar *oidctest.Liar) string // where it ends
		want string
	}{
		"in another browser": {func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			answer := visit(t, b, liar, "")
			victim := newBrowser(t, b.e)
			return victim.do(http.MethodGet, answer, "").Header().Get("Location")
		}, refused},
		"twice": {func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			answer := visit(t, b, liar, "")
			require.Equal(t, "/", b.do(http.MethodGet, answer, "").Header().Get("Location"))
			return b.do(http.MethodGet, answer, "").Header().Get("Location")
		}, refused},
		"by a token that lies": {func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			liar.Claims = map[string]any{"aud": "another-client"}
			return b.do(http.MethodGet, visit(t, b, liar, ""), "").Header().Get("Location")
		}, refused},
		"without a group": {func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			liar.Claims = map[string]any{"groups": []string{"staff"}}
			return b.do(http.MethodGet, visit(t, b, liar, ""), "").Header().Get("Location")
		}, refused},
		"because it is down": {func(_ *testing.T, b *browser, liar *oidctest.Liar) string {
			liar.Down = true
			return b.do(http.MethodGet, "/session/oidc/start", "").Header().Get("Location")
		}, down},
		"because it went down": {func(t *testing.T, b *browser, liar *oidctest.Liar) string {
			answer := visit(t, b, liar, "")
			liar.Down = true
			return b.do(http.MethodGet, answer, "").Header().Get("Location")
		}, refused},
		"for a step-up of nobody": {func(_ *testing.T, b *browser, _ *oidctest.Liar) string {
			return b.do(http.MethodGet, "/session/oidc/start?step_up=true", "").Header().Get("Location")
		}, refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, liar := withProvider(t)
			b := newBrowser(t, e)
			got := tc.do(t, b, liar)
			require.Equal(t, tc.want, got)
			e.Identity.Add(t, "ada@example.com", auth.Owner)
			require.Equal(t, http.StatusOK, b.do(http.MethodPost, "/session", `{"email":"ada@example.com","password":"`+authtest.Password+`"}`).Code,
				"a provider keeps no local owner out")
		})
	}
}

func TestTheWayBackFromTheProviderIsOurs(t *testing.T) {
	t.Parallel()
	e, _ := withProvider(t)
	b := newBrowser(t, e)
	for _, evil := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/%09/evil.example", "/%2f/evil.example"} {
		w := b.do(http.MethodGet, "/session/oidc/start?"+url.Values{"return_to": {evil}}.Encode(), "")
		require.Equal(t, "return_to", requireProblem(t, w, http.StatusBadRequest).Field, evil)
		require.Empty(t, w.Header().Get("Location"))
	}
	plain := apitest.New(t)
	for _, path := range []string{"/session/oidc/start", "/session/oidc/callback?code=x"} {
		requireProblem(t, newBrowser(t, plain).do(http.MethodGet, path, ""), http.StatusNotFound)
	}
}

func FuzzSignInHeaders(f *testing.F) {
	e := apitest.New(f)
	e.Auth.Use(e.Identity.Keys)
	f.Add("zt_session=x", "Bearer a.b.c", "x")
	f.Add("zt_session=\"; zt_session=", "", "")
	f.Fuzz(func(t *testing.T, cookie, authorization, csrf string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/admin/tokens", bytes.NewReader(nil))
		req.Header["Cookie"] = []string{cookie}
		if authorization != "" {
			req.Header["Authorization"] = []string{authorization}
		}
		req.Header["X-Csrf-Token"] = []string{csrf}
		w := httptest.NewRecorder()
		e.Server.Handler().ServeHTTP(w, req)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusTooManyRequests}, w.Code)
	})
}
