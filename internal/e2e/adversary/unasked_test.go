package adversary_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/authtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidctest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// asked sends a request to the admin API and returns the status.
func asked(t *testing.T, e *apitest.Env, method, path, body string, header http.Header) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL+"/api/admin"+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Host = header.Get("Host")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// A script with an API key replaced the CA of the trust domain with one empty body.
func TestARotationIsAskedForByName(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	for _, body := range []string{`{}`, `{"confirm":"yes"}`, `{"emergency":true,"confirm":"rotate"}`} {
		require.Equal(t, http.StatusBadRequest, asked(t, e, http.MethodPost, "/ca/rotations", body, http.Header{"Authorization": {"Bearer " + e.Key}}), body)
	}
}

// A page of another site makes a browser send the cookie, but cannot read the token.
func TestAPageOfAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	other := e.Identity.Add(t, "eve@example.com", auth.Owner).Secret
	in := e.Identity.Add(t, ada, auth.Owner).Secret
	for _, token := range []string{"", "x", auth.CSRFToken(""), auth.CSRFToken(other)} {
		header := http.Header{"Cookie": {"zt_session=" + in}, "X-Csrf-Token": {token}}
		require.Equal(t, http.StatusForbidden, asked(t, e, http.MethodDelete, "/connectors/a", "", header), token)
	}
}

// DNS rebinding: the name of another site leads to this address.
func TestTheNameOfAnotherSiteIsNotServed(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	header := http.Header{"Authorization": {"Bearer " + e.Key}, "Host": {"evil.example"}}
	require.Equal(t, http.StatusMisdirectedRequest, asked(t, e, http.MethodGet, "/connectors", "", header))
}

// Anybody can make up names to sign in with, and each is counted in the database.
func TestNamesThatAreMadeUpFillNoDatabase(t *testing.T) {
	t.Parallel()
	e := authtest.New(t, nil)
	kept := new(int)
	e.Config.Store = counting{e.Config.Store, kept}
	e.Again(t)
	for n := range 3 {
		*kept = 0
		require.ErrorIs(t, signIn(e, fmt.Sprintf("eve%d@example.com", n), "wrong", "192.0.2.1"), auth.ErrRefused)
		require.Equal(t, 10_000, *kept)
	}
}

// counting notes how many failures a store is told to keep.
type counting struct {
	auth.Store

	most *int
}

// AuthTx implements auth.Store.
func (k counting) AuthTx(ctx context.Context, fn func(auth.Tx) error) error {
	return k.Store.AuthTx(ctx, func(tx auth.Tx) error { return fn(countingTx{tx, k.most}) })
}

type countingTx struct {
	auth.Tx

	most *int
}

// KeepFailures implements auth.FailuresTx.
func (k countingTx) KeepFailures(ctx context.Context, most int) error {
	*k.most = most
	return k.Tx.KeepFailures(ctx, most)
}

// An identity provider, or whoever speaks in its place, must not fill our memory.
func TestAnAnswerWithoutAnEndIsNotRead(t *testing.T) {
	t.Parallel()
	const most = 64 << 20
	var sent atomic.Int64
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"issuer":"`)
		for chunk := bytes.Repeat([]byte("a"), 1<<20); sent.Load() < most; {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)
	box, err := keys.NewBox(make([]byte, 32))
	require.NoError(t, err)
	p := oidc.New(oidc.Config{
		Issuer: endless.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "https://c.example.com/callback",
		Transport: &http.Transport{DisableKeepAlives: true}, Seal: box, Now: time.Now,
	})
	_, _, err = p.Start(t.Context(), oidc.Begin{})
	require.Error(t, err)
	require.Less(t, sent.Load(), int64(most/2), "beside what the kernel buffers")
}

// A web server that lacks a limit is held by anybody who sends headers without an end,
// or reads nothing.
func TestNoWebServerIsWithoutLimits(t *testing.T) {
	t.Parallel()
	for _, server := range []*http.Server{
		{ReadHeaderTimeout: time.Second, WriteTimeout: time.Second, MaxHeaderBytes: 4 << 10},
		{ReadTimeout: time.Second, MaxHeaderBytes: 4 << 10},
		{ReadTimeout: time.Second, WriteTimeout: time.Second},
	} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // one that is served ends at once, without an error
		require.Error(t, sourcelimit.Serve(ctx, server, l, time.Second))
		require.NoError(t, l.Close())
	}
}
