package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestEachCollectionGivesOneByItsID, with the permission of its list.
func TestEachCollectionGivesOneByItsID(t *testing.T) {
	t.Parallel()
	rows := apitest.New(t).Server.Operations()
	for _, list := range []string{"connectors", "tunnelers", "hosts", "networks", "tokens", "requests", "keys", "people", "sessions"} {
		find := func(path string) auth.Permission {
			i := slices.IndexFunc(rows, func(o api.Operation) bool {
				return o.Method == http.MethodGet && o.Route == adminapi.Base+path
			})
			require.GreaterOrEqual(t, i, 0, path)
			return rows[i].Permission
		}
		require.Equal(t, find("/"+list), find("/"+list+"/:id"), list)
	}
}

func TestATokenIsFoundByItsIDWhateverBecameOfIt(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	now := e.Clock.Now()
	for i, tok := range []enroll.Token{{ExpiresAt: now.Add(time.Minute)}, {ExpiresAt: now}, {RevokedAt: now}, {ClaimedAt: now}} {
		tok.ID, tok.CreatedAt, tok.Workload = "tok_"+string(rune('a'+i)), now, identity.Workload{Kind: identity.KindConnector, ID: "c"}
		e.Tokens.Put(tok)
	}
	list := decode[adminapi.TokenList](t, get(t, e, "/api/admin/tokens"))
	require.Len(t, list.Tokens, 4)
	for _, want := range list.Tokens {
		require.Equal(t, want, decode[adminapi.Token](t, get(t, e, "/api/admin/tokens/"+want.TokenID)))
	}
	for _, id := range []string{"tok_x", "c", "TOK_A", "tok_a%20"} {
		requireProblem(t, get(t, e, "/api/admin/tokens/"+id), http.StatusNotFound)
	}
	require.NotContains(t, get(t, e, "/api/admin/tokens/tok_a").Body.String(), "secret")
}

func TestPeopleSessionsAndKeysAreFoundByTheirID(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	b := as(t, e, auth.Owner)
	other := as(t, e, auth.Auditor)
	made := decode[adminapi.CreatedKey](t, b.do(http.MethodPost, "/keys", `{"name":"ci","scopes":["fleet:read"]}`)).Key

	people := decode[adminapi.PersonList](t, b.do(http.MethodGet, "/people", "")).People
	require.Len(t, people, 2)
	for _, want := range people {
		require.Equal(t, want, decode[adminapi.Person](t, b.do(http.MethodGet, "/people/"+want.ID, "")))
	}
	sessions := decode[adminapi.SessionList](t, b.do(http.MethodGet, "/sessions", "")).Sessions
	require.Len(t, sessions, 4)
	for _, want := range sessions {
		require.Equal(t, want, decode[adminapi.Session](t, b.do(http.MethodGet, "/sessions/"+want.ID, "")))
	}
	require.Equal(t, made, decode[adminapi.Key](t, b.do(http.MethodGet, "/keys/"+made.ID, "")))
	require.NotContains(t, b.do(http.MethodGet, "/keys/"+made.ID, "").Body.String(), auth.KeyPrefix)
	for _, body := range []string{`{}`, `{"name":"ci"}`, `{"scopes":["fleet:read"]}`} { // no change, by RFC 7396
		require.Equal(t, made, decode[adminapi.Key](t, b.do(http.MethodPatch, "/keys/"+made.ID, body)))
	}
	for _, body := range []string{`{}`, `{"keys":"keep"}`, `{"disabled":false}`} {
		require.Equal(t, people[0], decode[adminapi.Person](t, b.do(http.MethodPatch, "/people/"+people[0].ID, body)))
	}
	for field, path := range map[string]string{"name": "/keys/" + made.ID, "scopes": "/keys/" + made.ID, "role": "/people/" + people[0].ID, "disabled": "/people/" + people[0].ID} {
		require.Equal(t, field, requireProblem(t, b.do(http.MethodPatch, path, `{"`+field+`":null}`), http.StatusBadRequest).Field)
	}
	require.NotContains(t, strings.ToLower(b.do(http.MethodGet, "/people/"+people[0].ID, "").Body.String()), "hash")

	for _, path := range []string{"/people/per_no", "/sessions/ses_no", "/keys/key_no"} {
		requireProblem(t, b.do(http.MethodGet, path, ""), http.StatusNotFound)
	}
	for _, path := range []string{"/people/" + people[0].ID, "/sessions/" + sessions[0].ID, "/keys/" + made.ID} {
		requireProblem(t, other.do(http.MethodGet, path, ""), http.StatusForbidden)
	}
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/keys/"+made.ID, "").Code)
	require.Equal(t, "revoked", decode[adminapi.Key](t, b.do(http.MethodGet, "/keys/"+made.ID, "")).Status)

	e.Clock.Advance(auth.SessionIdle + time.Minute)
	b = as(t, e, auth.Owner)
	requireProblem(t, b.do(http.MethodGet, "/sessions/"+sessions[0].ID, ""), http.StatusNotFound)
}
