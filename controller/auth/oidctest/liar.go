package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// Liar is an issuer that says whatever a test wants. Left alone it is honest.
type Liar struct {
	Issuer string
	Key    *ecdsa.PrivateKey
	// Claims go over those of an honest ID token; nil takes one away.
	Claims map[string]any
	// Token makes the ID token of its claims; nil signs them with Key.
	Token func(claims map[string]any) string
	// UserInfo is what that endpoint says.
	UserInfo map[string]any
	// Discovery goes over what an honest configuration says, such as "jwks_uri".
	Discovery map[string]string
	// Redirect sends requests for these paths to another URL.
	Redirect map[string]string
	// Down answers everything with 503.
	Down bool

	mu    sync.Mutex
	nonce string
	forms []map[string]string
}

const liarKeyID = "k1"

// Lie starts a Liar.
func Lie(t testing.TB) *Liar {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	l := &Liar{Key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		said := map[string]any{
			"issuer": l.Issuer, "authorization_endpoint": l.Issuer + "/auth", "token_endpoint": l.Issuer + "/token",
			"jwks_uri": l.Issuer + "/jwks", "userinfo_endpoint": l.Issuer + "/userinfo",
			// A liar would like these to be believed.
			"id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256"},
		}
		for name, value := range l.Discovery {
			said[name] = value
		}
		reply(w, said)
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: liarKeyID, Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { reply(w, l.UserInfo) })
	mux.HandleFunc("/token", l.token)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.Down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if to := l.Redirect[r.URL.Path]; to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	l.Issuer = srv.URL
	return l
}

// Expect sets the nonce that an honest token has.
func (l *Liar) Expect(nonce string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nonce = nonce
}

// Asked are the requests for tokens.
func (l *Liar) Asked() []map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forms
}

func (l *Liar) token(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = r.ParseForm()
	form := map[string]string{}
	for name := range r.PostForm {
		form[name] = r.PostForm.Get(name)
	}
	l.forms = append(l.forms, form)
	now := time.Now()
	claims := map[string]any{
		"iss": l.Issuer, "aud": ClientID, "sub": "sub-1", "nonce": l.nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"auth_time": now.Unix(), "email": "ada@example.com", "name": "Ada", "groups": []string{"zt-admins"},
	}
	for k, v := range l.Claims {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	make := l.Token
	if make == nil {
		make = func(c map[string]any) string { return Sign(jose.ES256, l.Key, liarKeyID, c) }
	}
	reply(w, map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": make(claims)})
}

// Sign makes a JWT; it panics on what cannot be signed.
func Sign(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		panic(err)
	}
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return text
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
