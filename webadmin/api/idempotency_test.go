package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

const tokenA = `{"kind":"connector","id":"a"}`

// keyed is a POST with an Idempotency-Key.
func keyed(path, body string, keys ...string) request {
	return request{method: http.MethodPost, path: "/api/admin" + path, body: body, header: map[string][]string{"Idempotency-Key": keys}}
}

func TestATokenIsMadeOnceForOneIdempotencyKey(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	w := send(t, e, keyed("/tokens", tokenA, "k1"))
	require.Equal(t, http.StatusCreated, w.Code)
	created := decode[adminapi.CreatedToken](t, w)
	for range 2 {
		w := send(t, e, keyed("/tokens", tokenA, "k1"))
		p := requireProblem(t, w, http.StatusConflict)
		require.Equal(t, adminapi.TypeReplayed, p.Type)
		require.Equal(t, created.TokenID, p.Resource)
		require.Equal(t, "true", w.Header().Get("Idempotency-Replayed"))
		require.NotContains(t, w.Body.String(), created.Token)
	}
	require.Len(t, e.Tokens.Requests(), 1)
	for _, r := range e.Replays.All() {
		require.Empty(t, r.Body, "a secret is never stored")
		require.NotContains(t, fmt.Sprintf("%q %q", r.Body, r.Resource), created.Token)
	}
	require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k2")).Code)
	require.Equal(t, http.StatusCreated, send(t, e, create(tokenA)).Code, "without a key each one counts")
	require.Len(t, e.Tokens.Requests(), 3)
}

func TestAReplyWithoutASecretIsGivenAgain(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	first := send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k1"))
	require.Equal(t, http.StatusAccepted, first.Code, first.Body.String())
	again := send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k1"))
	require.Equal(t, http.StatusAccepted, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Empty(t, first.Header().Get("Idempotency-Replayed"))
	requireProblem(t, send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k2")), http.StatusConflict) // it runs
}

func TestAKeyStandsForOneRequest(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
	for name, r := range map[string]request{
		"another body":    keyed("/tokens", `{"kind":"connector","id":"b"}`, "k1"),
		"a space more":    keyed("/tokens", tokenA+" ", "k1"),
		"an invalid body": keyed("/tokens", `{`, "k1"),
		"another route":   keyed("/ca/rotations", tokenA, "k1"),
		"a longer route":  keyed("/ca/rotations/abort", "", "k1"),
	} {
		p := requireProblem(t, send(t, e, r), http.StatusUnprocessableEntity)
		require.Equal(t, adminapi.TypeKeyReused, p.Type, name)
	}
	require.Len(t, e.Tokens.Requests(), 1)
	t.Run("for one caller", func(t *testing.T) {
		e.Key = e.AddKey(t, auth.Key{ID: "ci", Permissions: []auth.Permission{auth.TokensWrite}})
		require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
	})
	t.Run("for a day", func(t *testing.T) {
		e.Clock.Advance(replay.Lifetime - time.Nanosecond)
		requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusConflict)
		e.Clock.Advance(time.Nanosecond)
		require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
	})
}

func TestARefusedRequestLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	requireProblem(t, send(t, e, keyed("/tokens", `{"kind":"connector","id":"A"}`, "k1")), http.StatusBadRequest)
	requireProblem(t, send(t, e, keyed("/ca/rotations/abort", "", "k1")), http.StatusConflict)
	as := e.Key
	e.Key = e.AddKey(t, auth.Key{ID: "ci", Permissions: []auth.Permission{auth.FleetRead}})
	requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusForbidden)
	e.Key = as
	require.Empty(t, e.Replays.All())
	require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
}

func TestNobodyDoesAgainWhatMayHaveBeenDone(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, e *apitest.Env){
		"the controller was killed before the reply was stored": func(t *testing.T, e *apitest.Env) {
			require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
			cut := e.Replays.All()[0]
			cut.Status, cut.Resource = 0, ""
			require.NoError(t, e.Replays.FinishRequest(t.Context(), cut))
		},
		"the reply could not be stored": func(t *testing.T, e *apitest.Env) {
			e.Tokens.OnCreate(func() { e.Replays.Fail(errDisk) })
			require.Equal(t, http.StatusCreated, send(t, e, keyed("/tokens", tokenA, "k1")).Code)
			e.Replays.Fail(nil)
		},
		"the domain failed": func(t *testing.T, e *apitest.Env) {
			e.Tokens.Fail(errDisk)
			requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusInternalServerError)
			e.Tokens.Fail(nil)
		},
		"the handler panicked": func(t *testing.T, e *apitest.Env) {
			e.Tokens.OnCreate(func() { panic("no") })
			requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusInternalServerError)
			e.Tokens.OnCreate(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			before(t, e)
			for range 2 {
				p := requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusConflict)
				require.Equal(t, adminapi.TypeInterrupted, p.Type)
			}
			require.Len(t, e.Tokens.Requests(), 1)
		})
	}
}

func TestAReplyIsRememberedThoughItsCallerHasGone(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	ctx, leave := context.WithCancel(t.Context())
	e.Tokens.OnCreate(leave)
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/admin/tokens", strings.NewReader(tokenA))
	req.Header.Set("Authorization", "Bearer "+e.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "k1")
	e.Server.Handler().ServeHTTP(httptest.NewRecorder(), req)
	require.Error(t, ctx.Err())
	require.Equal(t, adminapi.TypeReplayed, requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusConflict).Type)
	require.Len(t, e.Tokens.Requests(), 1)
}

func TestNothingIsDoneWhenItsKeyCannotBeStored(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Replays.Fail(errDisk)
	requireProblem(t, send(t, e, keyed("/tokens", tokenA, "k1")), http.StatusInternalServerError)
	require.Empty(t, e.Tokens.Requests())
}

func TestADuplicateWaitsForTheReplyOfTheFirst(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	entered, release := make(chan struct{}), make(chan struct{})
	e.Tokens.OnCreate(func() {
		close(entered)
		<-release
	})
	ask := func() <-chan *httptest.ResponseRecorder {
		out := make(chan *httptest.ResponseRecorder, 1)
		go func() { out <- send(t, e, keyed("/tokens", tokenA, "k1")) }()
		return out
	}
	first := ask()
	<-entered
	second := ask()
	select {
	case w := <-second:
		require.Fail(t, "it did not wait", w.Body.String())
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	require.Equal(t, http.StatusCreated, (<-first).Code)
	require.Equal(t, adminapi.TypeReplayed, requireProblem(t, <-second, http.StatusConflict).Type)
	require.Len(t, e.Tokens.Requests(), 1)
}

func TestRefusesAnIdempotencyKeyThatIsNone(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	for _, keys := range [][]string{{""}, {"a b"}, {"ä"}, {"a\x7f"}, {strings.Repeat("k", 129)}, {"a", "b"}, {"a", "a"}} {
		p := requireProblem(t, send(t, e, keyed("/tokens", tokenA, keys...)), http.StatusBadRequest)
		require.Equal(t, "Idempotency-Key", p.Field)
	}
	w := send(t, e, keyed("/tokens", tokenA+strings.Repeat(" ", 65<<10), "k1"))
	require.Equal(t, adminapi.TypeTooLarge, requireProblem(t, w, http.StatusRequestEntityTooLarge).Type)
	require.Empty(t, e.Tokens.Requests())
	get := request{method: http.MethodGet, path: "/api/admin/tokens", header: map[string][]string{"Idempotency-Key": {""}}}
	require.Equal(t, http.StatusOK, send(t, e, get).Code, "reading is harmless to repeat")
}

// A reply that is kept for an Idempotency-Key is shown to whoever may get it now.
func TestAReplayIsAuthorizedLikeTheFirstTime(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	who := auth.Principal{Actor: "key:k", Kind: auth.KindKey, Permissions: []auth.Permission{auth.CARotate}}
	e.Auth.Be(who)
	require.Equal(t, http.StatusAccepted, send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k1")).Code)
	require.Equal(t, "true", send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k1")).Header().Get("Idempotency-Replayed"))

	who.Permissions = []auth.Permission{auth.FleetRead}
	e.Auth.Be(who)
	w := send(t, e, keyed("/ca/rotations", `{"confirm":"rotate"}`, "k1"))
	require.Equal(t, adminapi.TypeForbidden, requireProblem(t, w, http.StatusForbidden).Type)
	require.Empty(t, w.Header().Get("Idempotency-Replayed"))
	p := requireProblem(t, send(t, e, keyed("/ca/rotations", `{"force":1}`, "k1", "k2")), http.StatusForbidden)
	require.Equal(t, adminapi.TypeForbidden, p.Type, "not even that the key is malformed is said")
}

// A body costs memory and its sender time: nothing of it is waited for before it is
// known that the caller may send one.
func TestABodyIsNotReadBeforeItsSenderIsKnown(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	for name, authorization := range map[string]string{
		"nobody's": "", "an unknown key's": "Authorization: Bearer zta_unknown\r\n",
		"of a caller without the permission": "Authorization: Bearer " + e.AddKey(t, auth.Key{ID: "weak", Permissions: []auth.Permission{auth.FleetRead}}) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.URL, "http://"))
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			_, err = fmt.Fprintf(conn, "POST /api/admin/ca/rotations HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: k1\r\n%s"+
				"Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{", authorization) // the rest never comes
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, resp.StatusCode)
		})
	}
}

func TestNoReplyIsKeptUnlessItsRowSaysSo(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	_, hash := auth.NewKey()
	require.NoError(t, e.Identity.Store.AuthRows().InsertKey(t.Context(), auth.Key{ID: "all", Permissions: apitest.Grantable()}, hash))
	w := send(t, e, keyed("/keys", `{"name":"ci","scopes":["fleet:read"]}`, "k1"))
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	made := decode[adminapi.CreatedKey](t, w)
	p := requireProblem(t, send(t, e, keyed("/keys", `{"name":"ci","scopes":["fleet:read"]}`, "k1")), http.StatusConflict)
	require.Equal(t, made.Key.ID, p.Resource)
	require.Len(t, e.Replays.All(), 1)
	require.Empty(t, e.Replays.All()[0].Body)
}

func TestOfWhatMayHaveAPasswordInItNotEvenAHashIsKept(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Auth.Be(person(auth.Self))
	for _, path := range []string{"/session/step-up", "/me/password", "/session", "/setup"} {
		send(t, e, keyed(path, `{"password":"correct horse battery"}`, "k1"))
	}
	require.Zero(t, e.Replays.Begun())
}
